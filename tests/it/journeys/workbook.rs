//! The workbook: what nobody edited changes nothing, edits of several people meet cell by cell, acts are those of the pages, and a
//! file that was not exported here, or was altered, is not taken.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use milestoned_tests::{ADMIN, REVIEWER, VIEWER, World};
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

const SECOND: &str = "second-filer-token-of-the-tests";
const HIDDEN: &str = "milestoned base";

/// A daemon with somebody else who files terms.
async fn world() -> World {
    let tokens = format!(
        r#"http.tokens = [{{ name = "ada", rights = ["view", "file_terms", "tell_facts", "approve", "audit"], token = "{ADMIN}" }}, {{ name = "bea", rights = ["view", "file_terms"], token = "{SECOND}" }}, {{ name = "rob", rights = ["view", "approve"], token = "{REVIEWER}" }}, {{ name = "vic", rights = ["view"], token = "{VIEWER}" }}]"#
    );
    World::configured("2026-03-02T09:00:00Z", vec![("http.tokens".into(), tokens)]).await.unwrap()
}

/// Contracts of one milestone of 100.00 that waits for an approval.
async fn filed(world: &World, ids: &[&str]) {
    for id in ids {
        let terms = json!({ "customer": "Northwind Ltd", "currency": "USD", "total": "100.00", "signed_on": "2026-03-02",
            "po_number": "4500012345", "obligations": [{ "id": "services", "ssp": "100.00", "method": "output" }],
            "milestones": [{ "id": "M1", "name": "Design", "amount": "100.00", "completion": "external_event" }],
            "milestoned": { "erp": "quickbooks", "policy": { "review": "all" } } });
        assert_eq!(world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap().0, 201);
        let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
        let path = format!("/v1/contracts/{id}/facts");
        assert_eq!(world.call("POST", &path, ADMIN, Some(fact)).await.unwrap().0, 202);
    }
    world.settle().await.unwrap();
}

async fn bytes(world: &World, method: &str, path: &str, token: &str, body: Option<Vec<u8>>) -> (u16, Vec<u8>) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = reqwest::Client::new().request(method, format!("{}{path}", world.url)).bearer_auth(token);
    if let Some(body) = body {
        request = request.body(body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

async fn export(world: &World, token: &str) -> Vec<u8> {
    let (status, file) = bytes(world, "GET", "/v1/workbook", token, None).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&file));
    file
}

/// What is said about a workbook that is brought.
async fn bring(world: &World, token: &str, file: Vec<u8>) -> (u16, Value) {
    let (status, said) = bytes(world, "POST", "/v1/workbook?name=edited.xlsx", token, Some(file)).await;
    (status, serde_json::from_slice(&said).unwrap())
}

async fn confirm(world: &World, token: &str, looked: &Value) -> (u16, Value) {
    let body = json!({ "seen": looked["seen"], "signed": true, "reason": "as agreed" });
    let path = format!("/v1/workbook/{}", looked["id"].as_str().unwrap());
    world.call("POST", &path, token, Some(body)).await.unwrap()
}

/// A workbook with the base of an export, and with nothing else but these cells: row, column, text.
fn edited(export: &[u8], cells: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(export)).unwrap();
    let base = book.worksheet_range(HIDDEN).unwrap();
    let mut written = Workbook::new();
    let hidden = written.add_worksheet().set_name(HIDDEN).unwrap();
    for (row, column, cell) in base.used_cells() {
        let (row, column) = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
        hidden.write_string(row, column, cell.to_string()).unwrap();
    }
    let mut rows: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (key, column, text) in cells {
        rows.entry(key).or_default().push((column, text));
    }
    for (key, cells) in rows {
        let sheet = written.add_worksheet();
        sheet.write_string(0, 0, "Key").unwrap().write_string(1, 0, key).unwrap();
        for (place, (column, text)) in (1..).zip(cells) {
            sheet.write_string(0, place, column).unwrap().write_string(1, place, text).unwrap();
        }
    }
    written.save_to_buffer().unwrap()
}

/// The cells of a sheet under a head.
fn column(export: &[u8], sheet: &str, head: &str) -> Vec<String> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(export)).unwrap();
    let range = book.worksheet_range(sheet).unwrap();
    let heads: Vec<String> = range.rows().next().unwrap().iter().map(Data::to_string).collect();
    let place = heads.iter().position(|one| one == head).unwrap();
    range.rows().skip(1).map(|row| row[place].to_string()).collect()
}

fn outcomes(looked: &Value) -> Vec<(&str, &str)> {
    let edits = looked["edits"].as_array().unwrap().iter();
    edits.map(|one| (one["column"].as_str().unwrap(), one["outcome"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn what_nobody_edited_changes_nothing_and_has_nothing_to_confirm() {
    let world = world().await;
    filed(&world, &["A", "B"]).await;
    let file = export(&world, ADMIN).await;
    assert_eq!(column(&file, "Milestones", "Key"), ["milestone:A:M1", "milestone:B:M1"]);
    assert_eq!(column(&file, "Terms", "PO number"), ["4500012345", "4500012345"]);
    let (status, looked) = bring(&world, ADMIN, file).await;
    assert_eq!(
        (status, looked["rows"].as_u64(), looked["changed_since"].as_u64()),
        (201, Some(6), Some(0)),
        "{looked}"
    );
    assert_eq!((outcomes(&looked).len(), looked["orders"].as_array().map(Vec::len)), (0, Some(0)), "{looked}");
    let (status, said) = confirm(&world, ADMIN, &looked).await;
    assert!(status == 422 && said["detail"].as_str().unwrap().contains("nothing in it"), "{said}");
}

#[tokio::test]
async fn edits_of_two_people_meet_cell_by_cell() {
    let world = world().await;
    filed(&world, &["A"]).await;
    let (mine, theirs) = (export(&world, ADMIN).await, export(&world, SECOND).await);
    let key = "milestone:A:M1";
    let (_, looked) =
        bring(&world, ADMIN, edited(&mine, &[(key, "Name", "Design, revised"), ("terms:A", "Cap", "150")])).await;
    assert_eq!(outcomes(&looked), [("Name", "will be taken"), ("Cap", "will be taken")]);
    let (status, came) = confirm(&world, ADMIN, &looked).await;
    assert!(status == 200 && came[0]["text"].as_str().unwrap().contains("somebody else has approved"), "{came}");
    let second = edited(&theirs, &[(key, "Name", "Concept"), (key, "PO number", "4500099999")]);
    let (_, looked) = bring(&world, SECOND, second.clone()).await;
    let waits = outcomes(&looked)[0].1;
    assert!(waits.contains("filed by ada") && waits.contains("\"Design, revised\" and waits"), "{waits}");
    assert_eq!(world.approve_orders(REVIEWER).await.unwrap()[0].0, 202);
    let (_, looked) = bring(&world, SECOND, second).await;
    let told = outcomes(&looked);
    assert_eq!(told[1], ("PO number", "will be taken"), "{told:?}");
    let conflict = told[0].1;
    assert!(conflict.contains("\"Design, revised\"") && conflict.contains("by ada"), "{conflict}");
    let path = format!("/v1/workbook/{}/annotated", looked["id"].as_str().unwrap());
    let (_, annotated) = bytes(&world, "GET", &path, SECOND, None).await;
    assert_eq!(column(&annotated, "Milestones", "Name"), ["Concept"], "what they wrote, to be looked at");
    let (status, came) = confirm(&world, SECOND, &looked).await;
    assert!(status == 200 && came[0]["text"].as_str().unwrap().contains("version 3"), "{came}");
    assert!(came[0]["text"].as_str().unwrap().contains("before somebody else has approved it"), "{came}");
    assert_eq!(world.approve_orders(REVIEWER).await.unwrap()[0].0, 202);
    let after = export(&world, ADMIN).await;
    assert_eq!(column(&after, "Milestones", "Name"), ["Design, revised"]);
    assert_eq!(column(&after, "Milestones", "PO number"), ["4500099999"]);
    assert_eq!(column(&after, "Changes", "What changed").len(), 3, "each change order with what it changed");
    let (status, _) = confirm(&world, SECOND, &looked).await;
    assert_eq!(status, 409, "once");
    let lines = world.app.env.store.audit(None, 50).await.unwrap();
    let confirmed = lines.iter().filter(|line| line.action == "workbook confirmed").count();
    assert_eq!(confirmed, 2, "one line an import");
}

#[tokio::test]
async fn acts_in_a_workbook_are_those_of_the_pages() {
    let world = world().await;
    filed(&world, &["A", "B", "C"]).await;
    let file = export(&world, REVIEWER).await;
    assert_eq!(column(&file, "To bill", "Key"), ["approval:A:M1", "approval:B:M1", "approval:C:M1"]);
    let order =
        json!({ "version": 2, "signed": true, "total": "90.00", "change": [{ "id": "M1", "amount": "90.00" }] });
    assert_eq!(world.call("POST", "/v1/contracts/B/amendments", ADMIN, Some(order)).await.unwrap().0, 202);
    assert_eq!(world.approve_orders(REVIEWER).await.unwrap()[0].0, 202);
    let acts = [
        ("approval:A:M1", "Action", "approve"),
        ("approval:B:M1", "Action", "approve"),
        ("approval:C:M1", "Action", "assign"),
        ("approval:C:M1", "Assign to", "dana"),
    ];
    let (_, looked) = bring(&world, REVIEWER, edited(&file, &acts)).await;
    assert_eq!(looked["acts"], 3, "{looked}");
    let (status, came) = confirm(&world, REVIEWER, &looked).await;
    assert_eq!(status, 200, "{came}");
    let of = |subject: &str| came.as_array().unwrap().iter().find(|one| one["of"] == subject).unwrap().clone();
    assert_eq!(of("approval:A:M1")["done"], true, "{came}");
    assert!(of("approval:B:M1")["text"].as_str().unwrap().contains("not what was shown any more"), "{came}");
    assert_eq!(of("approval:C:M1")["text"], "dana looks after it");
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks"), [("A-M1".to_owned(), "100.00".to_owned())]);
    let file = export(&world, ADMIN).await;
    let (_, looked) = bring(&world, ADMIN, edited(&file, &[("approval:C:M1", "Action", "approve")])).await;
    let (_, came) = confirm(&world, ADMIN, &looked).await;
    assert!(came[0]["done"] == false && came[0]["text"].as_str().unwrap().contains("somebody else"), "{came}");
}

#[tokio::test]
async fn what_somebody_may_not_do_and_what_has_changed_since_it_was_shown_is_left_alone() {
    let world = world().await;
    filed(&world, &["A"]).await;
    let file = export(&world, VIEWER).await;
    let wrong = [
        ("milestone:A:M1", "Name", "Concept"),
        ("milestone:A:M1", "Status", "paid"),
        ("approval:A:M1", "Action", "approve"),
        ("approval:A:M1", "Assign to", "dana"),
        ("terms:A", "PO number", ""),
    ];
    let (_, looked) = bring(&world, VIEWER, edited(&file, &wrong)).await;
    let told = outcomes(&looked);
    assert!(told.iter().all(|(_, outcome)| outcome.starts_with("not taken: ")), "{told:?}");
    let (status, _) = confirm(&world, VIEWER, &looked).await;
    assert_eq!(status, 422, "there is nothing to be done");
    let file = export(&world, ADMIN).await;
    let (_, looked) = bring(&world, ADMIN, edited(&file, &[("milestone:A:M1", "Name", "Concept")])).await;
    let (status, said) = confirm(&world, SECOND, &looked).await;
    assert!(status == 403 && said["detail"].as_str().unwrap().contains("ada has brought"), "{said}");
    let order = json!({ "version": 2, "signed": true, "change": [{ "id": "M1", "name": "Draft" }] });
    assert_eq!(world.call("POST", "/v1/contracts/A/amendments", SECOND, Some(order)).await.unwrap().0, 202);
    assert_eq!(world.approve_orders(REVIEWER).await.unwrap()[0].0, 202);
    let (status, said) = confirm(&world, ADMIN, &looked).await;
    assert!(status == 409 && said["detail"].as_str().unwrap().contains("changed since this was shown"), "{said}");
    let (_, looked) = bring(&world, ADMIN, edited(&file, &[("milestone:A:M1", "Amount", "40")])).await;
    assert!(looked["orders"][0]["refused"].is_null(), "{looked}");
}

#[tokio::test]
async fn a_foreign_or_altered_workbook_is_not_taken() {
    let world = world().await;
    filed(&world, &["A"]).await;
    let file = export(&world, ADMIN).await;
    let mut foreign = Workbook::new();
    foreign.add_worksheet();
    let twice = [edited(&file, &[]), foreign.save_to_buffer().unwrap(), b"PK".to_vec(), Vec::new()];
    for (bytes, status) in twice.into_iter().zip([201, 422, 422, 422]) {
        let (got, said) = bring(&world, ADMIN, bytes).await;
        assert_eq!(got, status, "{said}");
    }
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(&file)).unwrap();
    let base = book.worksheet_range(HIDDEN).unwrap();
    let mut altered = Workbook::new();
    let hidden = altered.add_worksheet().set_name(HIDDEN).unwrap();
    for (row, column, cell) in base.used_cells() {
        let text = if row == 2 { cell.to_string().replace('e', "f") } else { cell.to_string() };
        hidden.write_string(u32::try_from(row).unwrap(), u16::try_from(column).unwrap(), text).unwrap();
    }
    let (status, said) = bring(&world, ADMIN, altered.save_to_buffer().unwrap()).await;
    assert!(status == 422 && said["detail"].as_str().unwrap().contains("has been altered"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_brought_twice_in_one_moment_is_one_import() {
    let world = world().await;
    filed(&world, &["A"]).await;
    let file = edited(&export(&world, ADMIN).await, &[("milestone:A:M1", "Name", "Blueprint")]);
    let (first, second) = (bring(&world, ADMIN, file.clone()).await, bring(&world, ADMIN, file).await);
    assert_eq!((first.0, second.0), (201, 201), "{second:?}");
    assert_eq!(first.1["id"], second.1["id"]);
    assert_eq!(confirm(&world, ADMIN, &second.1).await.0, 200);
}
