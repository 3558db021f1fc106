//! After billing: whatever is done to documents, deals, work or terms is noticed, says what differs and what to do, and
//! closes by itself when it is undone.

use milestoned_tests::{ADMIN, VIEWER, World, fields};
use serde_json::{Value, json};

/// A contract whose one milestone was accepted then, and is written.
async fn accepted(erp: &str, at: &str) -> World {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", erp).unwrap();
    world.settle().await.unwrap();
    world.at(at).unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world
}

/// A contract that is billed, recognised, and read back.
pub(super) async fn billed(erp: &str) -> World {
    let world = accepted(erp, "2026-03-10T15:00:00Z").await;
    for time in ["2026-03-11T15:00:00Z", "2026-03-11T16:00:00Z"] {
        world.at(time).unwrap();
        world.settle().await.unwrap();
    }
    world
}

/// Open exceptions and drifts: code, and what the page says of it.
pub(super) async fn open(world: &World) -> Vec<(String, String)> {
    let (_, body) = world.call("GET", "/v1/exceptions?contract=SOW-1", VIEWER, None).await.unwrap();
    let said = |one: &Value| (one["code"].as_str().unwrap().to_owned(), one.to_string());
    body.as_array().unwrap().iter().map(said).collect()
}

pub(super) async fn opens(world: &World, code: &str, words: &str, what: &str) {
    world.settle().await.unwrap();
    let open = open(world).await;
    let found = open.iter().find(|(one, said)| one == code && said.contains(words));
    assert!(found.is_some_and(|(_, said)| !said.contains("\"remedy\":\"\"")), "{what}: {code} {words}: {open:#?}");
}

pub(super) async fn closes(world: &World, code: &str, what: &str) {
    world.settle().await.unwrap();
    let open = open(world).await;
    assert!(open.iter().all(|(one, _)| one != code), "{what} was undone: {open:#?}");
}

/// A sold line as the ERP writes it.
pub(super) fn sold(erp: &str, amount: &str, words: &str) -> Value {
    match erp {
        "netsuite" => json!({ "item": { "items": [{ "item": { "id": "5" }, "quantity": 1, "rate": amount,
            "amount": amount, "description": words }] } }),
        _ => json!({ "Line": [{ "DetailType": "SalesItemLineDetail", "Amount": amount, "Description": words,
            "SalesItemLineDetail": { "ItemRef": { "value": "1" }, "Qty": 1, "UnitPrice": amount } }] }),
    }
}

/// Deferred revenue to revenue as the ERP writes it.
fn released(erp: &str, amount: &str) -> Value {
    let line = |account: &str, side: &str| match erp {
        "netsuite" => json!({ "account": { "id": account }, side.to_lowercase(): amount }),
        _ => json!({ "DetailType": "JournalEntryLineDetail", "Amount": amount,
            "JournalEntryLineDetail": { "PostingType": side, "AccountRef": { "value": account } } }),
    };
    match erp {
        "netsuite" => json!({ "line": { "items": [line("122", "Debit"), line("123", "Credit")] } }),
        _ => json!({ "Line": [line("23", "Debit"), line("79", "Credit")] }),
    }
}

/// Somebody edits the invoice.
fn edit(world: &World, erp: &str, change: Value) {
    let act = format!("{change} {}", world.simulators.clock.now());
    match erp {
        "netsuite" => world.simulators.netsuite.edit_invoice(&act, "SOW-1-M1", fields(change)).unwrap(),
        _ => world.simulators.quickbooks.edit_invoice(&act, "SOW-1-M1", fields(change)).unwrap(),
    }
}

/// Somebody edits the first record of a kind.
fn edit_first(world: &World, erp: &str, kind: &str, mut change: Value) {
    let act = format!("{kind} {change}");
    match erp {
        "netsuite" => {
            let external = world.simulators.netsuite.records(kind)[0].text("externalId");
            world.simulators.netsuite.put_record(&act, kind, &external, fields(change)).unwrap();
        }
        _ => {
            change["Id"] = world.simulators.quickbooks.records(kind)[0].text("Id").into();
            world.simulators.quickbooks.put_record(&act, kind, fields(change)).unwrap();
        }
    }
}

fn void(world: &World, erp: &str) {
    match erp {
        "netsuite" => world.simulators.netsuite.void_invoice("void", "SOW-1-M1").unwrap(),
        _ => world.simulators.quickbooks.void_invoice("void", "SOW-1-M1").unwrap(),
    }
}

fn delete_first(world: &World, erp: &str, kind: &str) {
    match erp {
        "netsuite" => {
            let id = world.simulators.netsuite.records(kind)[0].text("id");
            world.simulators.netsuite.delete_record(kind, kind, &id).unwrap();
        }
        _ => {
            let id = world.simulators.quickbooks.records(kind)[0].text("Id");
            world.simulators.quickbooks.delete_record(kind, kind, &id).unwrap();
        }
    }
}

/// Somebody writes a document again by hand, as the remedy says.
fn write_again(world: &World, erp: &str, kind: &str, number: &str, date: &str, mut body: Value) {
    match erp {
        "netsuite" => {
            body["tranId"] = number.into();
            body["tranDate"] = date.into();
            body["currency"] = json!({ "id": "1" });
            if kind != "journalEntry" {
                body["entity"] = json!({ "id": world.simulators.netsuite.records("customer")[0].text("id") });
            }
            world.simulators.netsuite.put_record(&format!("again {number}"), kind, "", fields(body)).unwrap();
        }
        _ => {
            body["DocNumber"] = number.into();
            body["TxnDate"] = date.into();
            if kind != "JournalEntry" {
                body["CustomerRef"] = json!({ "value": world.simulators.quickbooks.records("Customer")[0].text("Id") });
            }
            world.simulators.quickbooks.put_record(&format!("again {number}"), kind, fields(body)).unwrap();
        }
    }
}

/// What a kind of record is called: invoice, credit memo, journal entry.
fn kinds(erp: &str) -> [&'static str; 3] {
    if erp == "netsuite" {
        ["invoice", "creditMemo", "journalEntry"]
    } else {
        ["Invoice", "CreditMemo", "JournalEntry"]
    }
}

#[tokio::test]
async fn an_invoice_that_is_edited_says_what_differs_until_it_is_put_back() {
    for erp in ["netsuite", "quickbooks"] {
        let world = billed(erp).await;
        assert_eq!(open(&world).await, [], "{erp}");
        let date = if erp == "netsuite" { "tranDate" } else { "TxnDate" };
        let edits = [
            (json!({ date: "2026-03-09" }), json!({ date: "2026-03-10" }), "date is 2026-03-09, not 2026-03-10"),
            (sold(erp, "39000.00", "Design"), sold(erp, "40000.00", "Design"), "amount is 39000, not 40000"),
            (sold(erp, "40000.00", "Travel"), sold(erp, "40000.00", "Design"), "Travel"),
        ];
        for (change, undo, words) in edits {
            edit(&world, erp, change);
            opens(&world, "DOCUMENT_CHANGED", words, erp).await;
            edit(&world, erp, undo);
            closes(&world, "DOCUMENT_CHANGED", words).await;
        }
        let customer = |number: usize| match erp {
            "netsuite" => {
                json!({ "entity": { "id": world.simulators.netsuite.records("customer")[number].text("id") } })
            }
            _ => {
                json!({ "CustomerRef": { "value": world.simulators.quickbooks.records("Customer")[number].text("Id") } })
            }
        };
        match erp {
            "netsuite" => {
                let other = json!({ "companyName": "Southwind Ltd", "currency": { "id": "1" } });
                world.simulators.netsuite.put_record("other", "customer", "other", fields(other)).unwrap();
            }
            _ => {
                let other = fields(json!({ "DisplayName": "Southwind Ltd" }));
                world.simulators.quickbooks.put_record("other", "Customer", other).unwrap();
            }
        }
        edit(&world, erp, customer(1));
        opens(&world, "DOCUMENT_CHANGED", "customer is Southwind Ltd, not Northwind Ltd", erp).await;
        edit(&world, erp, customer(0));
        closes(&world, "DOCUMENT_CHANGED", "the customer").await;
    }
}

#[tokio::test]
async fn an_invoice_that_was_given_another_number_is_told_with_that_number_until_it_has_its_own() {
    for (erp, field) in [("netsuite", "tranId"), ("quickbooks", "DocNumber")] {
        let world = billed(erp).await;
        edit(&world, erp, json!({ field: "2026-77" }));
        opens(&world, "DOCUMENT_GONE", "2026-77 says the same: it may have been given that number", erp).await;
        let back = fields(json!({ field: "SOW-1-M1" }));
        match erp {
            "netsuite" => world.simulators.netsuite.edit_invoice("back", "2026-77", back).unwrap(),
            _ => world.simulators.quickbooks.edit_invoice("back", "2026-77", back).unwrap(),
        }
        world.settle().await.unwrap();
        assert_eq!(open(&world).await, [], "{erp}");
    }
}

#[tokio::test]
async fn what_is_voided_within_the_second_in_which_it_was_read_is_missed() {
    for erp in ["netsuite", "quickbooks"] {
        let world = accepted(erp, "2026-03-02T09:00:00Z").await;
        // It is written, read back, and voided, and the clock stands still: stamps and tokens say nothing.
        world.settle().await.unwrap();
        void(&world, erp);
        opens(&world, "DOCUMENT_VOIDED", "SOW-1-M1 is void", erp).await;
    }
}

#[tokio::test]
async fn a_document_that_is_voided_or_deleted_is_missed_until_it_is_written_again() {
    for erp in ["netsuite", "quickbooks"] {
        let [invoice, memo, entry] = kinds(erp);
        let world = billed(erp).await;
        void(&world, erp);
        opens(&world, "DOCUMENT_VOIDED", "SOW-1-M1 is void", erp).await;
        delete_first(&world, erp, invoice);
        opens(&world, "DOCUMENT_GONE", "SOW-1-M1 was there", erp).await;
        closes(&world, "DOCUMENT_VOIDED", "the void").await;
        write_again(&world, erp, invoice, "SOW-1-M1", "2026-03-10", sold(erp, "40000.00", "Design"));
        closes(&world, "DOCUMENT_GONE", "the deletion").await;
        assert_eq!(world.held(erp).iter().filter(|(number, _)| number == "SOW-1-M1").count(), 1, "not written twice");

        edit_first(&world, erp, entry, released(erp, "39000.00"));
        opens(&world, "ENTRY_CHANGED", "amount is 39000, not 40000", erp).await;
        edit_first(&world, erp, entry, released(erp, "40000.00"));
        closes(&world, "ENTRY_CHANGED", "the edited entry").await;
        delete_first(&world, erp, entry);
        opens(&world, "ENTRY_GONE", "SOW-1-20260310J was there", erp).await;
        write_again(&world, erp, entry, "SOW-1-20260310J", "2026-03-10", released(erp, "40000.00"));
        closes(&world, "ENTRY_GONE", "the deleted entry").await;

        let world = billed(erp).await;
        let less = json!({ "amends": "SOW-1", "version": 2, "signed": true, "total": "30000.00",
            "change": [{ "id": "M1", "amount": "30000.00" }] });
        std::fs::write(world.contracts.join("co.json"), less.to_string()).unwrap();
        for time in ["2026-03-12T15:00:00Z", "2026-03-13T15:00:00Z"] {
            world.at(time).unwrap();
            world.settle().await.unwrap();
        }
        assert!(world.held(erp).iter().any(|(number, _)| number == "SOW-1-M1-C1"), "{erp}: {:?}", world.held(erp));
        if erp == "quickbooks" {
            // What applies it to the invoice goes first.
            delete_first(&world, erp, "Payment");
        }
        delete_first(&world, erp, memo);
        opens(&world, "DOCUMENT_GONE", "SOW-1-M1-C1 was there", erp).await;
        write_again(&world, erp, memo, "SOW-1-M1-C1", "2026-03-12", sold(erp, "10000.00", "Design"));
        closes(&world, "DOCUMENT_GONE", "the deleted credit memo").await;
    }
}

/// In NetSuite: QuickBooks refuses a second one with error 6140.
#[tokio::test]
async fn a_document_or_an_entry_that_is_there_twice_is_told_until_the_second_is_gone() {
    let [invoice, _, entry] = kinds("netsuite");
    let world = billed("netsuite").await;
    for (kind, number, body) in [
        (invoice, "SOW-1-M1", sold("netsuite", "40000.00", "Design")),
        (entry, "SOW-1-20260310J", released("netsuite", "40000.00")),
    ] {
        write_again(&world, "netsuite", kind, number, "2026-03-10", body);
        opens(&world, "DOCUMENT_DOUBLED", &format!("{number} is there 2 times"), kind).await;
        let second = world.simulators.netsuite.records(kind).last().unwrap().text("id");
        world.simulators.netsuite.delete_record(number, kind, &second).unwrap();
        closes(&world, "DOCUMENT_DOUBLED", number).await;
    }
}

#[tokio::test]
async fn a_deal_or_an_issue_that_goes_back_after_billing_is_noticed() {
    let world = billed("netsuite").await;
    let org = &world.simulators.salesforce;
    let deal = |act: &str, change: Value| org.put(act, "Opportunity", "SOW-1", fields(change)).unwrap();
    deal("lost", json!({ "StageName": "Negotiation" }));
    opens(&world, "NOT_CLOSED_WON", "crm", "the deal is open again").await;
    deal("won", json!({ "StageName": "Closed Won" }));
    closes(&world, "NOT_CLOSED_WON", "the stage").await;
    deal("more", json!({ "Amount": "45000.00" }));
    opens(&world, "AMOUNT_MISMATCH", "crm", "the deal has another amount").await;
    let id = deal("less", json!({ "Amount": "40000.00" }));
    closes(&world, "AMOUNT_MISMATCH", "the amount").await;
    org.delete("delete", "Opportunity", &id).unwrap();
    opens(&world, "DEAL_GONE", "no deal", "the deal is deleted").await;
    org.undelete("undelete", "Opportunity", &id).unwrap();
    closes(&world, "DEAL_GONE", "the deletion").await;

    let jira = &world.simulators.jira;
    let issue = milestoned_mocks::IssueRef { id: jira.issues()[0].text("id"), key: jira.issues()[0].text("key") };
    world.move_issue(&issue, "In Progress", json!({})).unwrap();
    opens(&world, "WORK_REOPENED", "M1 was accepted", "the issue is open again").await;
    world.settle().await.unwrap();
    opens(&world, "WORK_REOPENED", "M1 was accepted", "and stays open").await;
    world.accept(&issue).unwrap();
    closes(&world, "WORK_REOPENED", "reopening").await;
    jira.delete_issue("delete", &issue.id).unwrap();
    opens(&world, "NOT_CONFIGURED", "psa", "the issue is deleted").await;
    assert_eq!(world.held("netsuite").len(), 2, "nothing was billed anew: {:?}", world.held("netsuite"));
}

#[tokio::test]
async fn an_issue_that_moves_to_another_project_is_noticed_until_it_is_back() {
    let world = billed("netsuite").await;
    let jira = &world.simulators.jira;
    let id = jira.issues()[0].text("id");
    jira.set_project("project", "OPS", "live").unwrap();
    jira.move_issue("move", &id, "OPS").unwrap();
    world.at("2026-03-13T15:00:00Z").unwrap();
    opens(&world, "NOT_CONFIGURED", "psa", "the issue is in another project").await;
    jira.move_issue("back", &id, "MS").unwrap();
    world.at("2026-03-14T16:00:00Z").unwrap();
    closes(&world, "NOT_CONFIGURED", "moving").await;
}

async fn files(world: &World) -> Vec<String> {
    let (_, files) = world.call("GET", "/v1/queue?kind=file", VIEWER, None).await.unwrap();
    files.as_array().unwrap().iter().map(Value::to_string).collect()
}

#[tokio::test]
async fn a_contract_file_that_is_edited_or_gone_and_a_change_order_that_is_no_more_signed_are_told() {
    let world = billed("netsuite").await;
    let amend = |version: u32, signed: bool| {
        json!({ "amends": "SOW-1", "version": version, "signed": signed, "total": "50000.00",
            "add": [{ "id": "M2", "name": "Build", "amount": "10000.00" }] })
        .to_string()
    };
    let path = |name: &str| world.contracts.join(name);
    std::fs::write(path("co.json"), amend(2, true)).unwrap();
    world.settle().await.unwrap();
    assert_eq!(files(&world).await, Vec::<String>::new());
    let whole = std::fs::read_to_string(path("SOW-1.json")).unwrap();
    for (file, text, words) in [
        ("SOW-1.json", Some(whole.replace("40000.00", "41000.00")), "known with other terms"),
        ("SOW-1.json", None, "the file is gone"),
        ("co.json", Some(amend(2, false)), "change order 2 of contract SOW-1 was taken"),
        ("co.json", None, "the file is gone"),
    ] {
        let before = std::fs::read_to_string(path(file)).unwrap();
        match text {
            Some(text) => std::fs::write(path(file), text).unwrap(),
            None => std::fs::remove_file(path(file)).unwrap(),
        }
        world.settle().await.unwrap();
        let found = files(&world).await;
        assert!(found.len() == 1 && found[0].contains(words), "{file}: {found:?}");
        std::fs::write(path(file), before).unwrap();
        world.settle().await.unwrap();
        assert_eq!(files(&world).await, Vec::<String>::new(), "{file}: {words}");
    }
    assert!(open(&world).await.iter().all(|(code, _)| code != "STALE_AMENDMENT"), "{:?}", open(&world).await);
    std::fs::remove_file(path("co.json")).unwrap();
    world.settle().await.unwrap();
    let subject = format!("file:{}", path("co.json").display());
    let body = json!({ "subject": subject, "act": "close", "reason": "archived" });
    assert_eq!(world.call("POST", "/v1/acts", ADMIN, Some(body)).await.unwrap().0, 202);
    world.settle().await.unwrap();
    assert_eq!(files(&world).await, Vec::<String>::new(), "closed by a person, with a reason");
}

#[tokio::test]
async fn where_most_contract_files_are_gone_the_folder_is_told_and_not_each_of_them() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let ids: Vec<String> = (1..=8).map(|number| format!("SOW-{number}")).collect();
    for id in &ids {
        world.contract(id, "netsuite").unwrap();
    }
    world.settle().await.unwrap();
    let aside = world.contracts.with_extension("aside");
    std::fs::rename(&world.contracts, &aside).unwrap();
    world.settle().await.unwrap();
    let found = files(&world).await;
    assert!(found.len() == 1 && found[0].contains("the folder cannot be read"), "{found:?}");
    std::fs::create_dir(&world.contracts).unwrap();
    world.settle().await.unwrap();
    let found = files(&world).await;
    assert!(found.len() == 1 && found[0].contains("8 of 8 contract files are gone"), "{found:?}");
    std::fs::remove_dir(&world.contracts).unwrap();
    std::fs::rename(&aside, &world.contracts).unwrap();
    world.settle().await.unwrap();
    assert_eq!(files(&world).await, Vec::<String>::new(), "it is back");
}

#[tokio::test]
async fn a_person_closes_a_drift_and_it_opens_again_if_it_becomes_another_one() {
    let world = billed("quickbooks").await;
    let shown = async |path: &str| world.call("GET", path, ADMIN, None).await.unwrap().1.to_string();
    edit(&world, "quickbooks", json!({ "TxnDate": "2026-03-09" }));
    opens(&world, "DOCUMENT_CHANGED", "date is 2026-03-09", "edited").await;
    for path in ["/queue", "/contracts/SOW-1", "/metrics"] {
        assert!(shown(path).await.contains("DOCUMENT_CHANGED"), "{path}");
    }
    let path = "/v1/contracts/SOW-1/exceptions/overrule";
    let body = json!({ "code": "DOCUMENT_CHANGED", "milestone": "M1", "reason": "agreed with the customer" });
    assert_eq!(world.call("POST", path, ADMIN, Some(body.clone())).await.unwrap().0, 202);
    closes(&world, "DOCUMENT_CHANGED", "a person closed it, which").await;
    assert_eq!(world.call("POST", path, ADMIN, Some(body)).await.unwrap().0, 404, "there is none that is open");
    let line = world.app.env.store.audit(Some("SOW-1".into()), 1).await.unwrap().remove(0);
    assert_eq!((line.action.as_str(), line.actor.as_str()), ("drift overruled", "ada"));
    let start = milestoned::store::trace::Start::Document("SOW-1-M1".into());
    let trail = world.app.env.store.trace(start).await.unwrap().unwrap();
    let acts: Vec<_> = trail.lines.iter().map(|line| line.action.as_str()).collect();
    assert!(acts.ends_with(&["drift noticed", "drift overruled"]), "the trail of the invoice tells it: {acts:?}");
    edit(&world, "quickbooks", json!({ "TxnDate": "2026-03-08" }));
    opens(&world, "DOCUMENT_CHANGED", "date is 2026-03-08", "edited again").await;
    edit(&world, "quickbooks", json!({ "TxnDate": "2026-03-10" }));
    closes(&world, "DOCUMENT_CHANGED", "editing").await;
}

#[tokio::test]
async fn what_a_remote_took_and_never_shows_is_told_to_a_person() {
    for erp in ["netsuite", "quickbooks"] {
        let world = accepted(erp, "2026-03-02T09:00:00Z").await;
        delete_first(&world, erp, kinds(erp)[0]);
        let waiting = async || world.waiting().await.unwrap();
        assert!(waiting().await.is_empty(), "{erp}: the next poll may show it");
        world.at("2026-03-02T11:00:00Z").unwrap();
        world.settle().await.unwrap();
        let told = waiting().await;
        assert!(told.len() == 1 && told[0].problem.reason.contains("has not shown it since"), "{erp}: {told:?}");
        let subject = told[0].subject.to_string();
        let body = json!({ "subject": subject, "act": "close", "reason": "written again by hand" });
        assert_eq!(world.call("POST", "/v1/acts", ADMIN, Some(body)).await.unwrap().0, 202);
        assert!(waiting().await.is_empty(), "{erp}: a person saw to it");
    }
}

#[tokio::test]
async fn an_invoice_that_was_voided_and_written_under_another_number_is_adopted_and_its_payment_counts() {
    for erp in ["netsuite", "quickbooks"] {
        let world = billed(erp).await;
        void(&world, erp);
        let mut again = sold(erp, "40000.00", "Design");
        if erp == "netsuite" {
            again["custbody_milestoned_contract"] = "SOW-1".into();
            again["custbody_milestoned_milestone"] = "M1".into();
        } else {
            let field =
                |id: &str, value: &str| json!({ "DefinitionId": id, "Type": "StringType", "StringValue": value });
            again["CustomField"] = json!([field("1", "SOW-1"), field("2", "M1")]);
        }
        let [invoice, ..] = kinds(erp);
        write_again(&world, erp, invoice, "SOW-1-M1R", "2026-03-11", again);
        opens(&world, "FOREIGN_INVOICE", "SOW-1-M1R", erp).await;
        match erp {
            "netsuite" => {
                world.simulators.netsuite.pay("pay", "SOW-1-M1R", "40000.00", "2026-03-11").map(drop).unwrap()
            }
            _ => world.simulators.quickbooks.pay("pay", "SOW-1-M1R", "40000.00", "2026-03-11").map(drop).unwrap(),
        }
        opens(&world, "UNMATCHED_PAYMENT", "matches no open invoice", erp).await;
        let adopted = json!({ "type": "adopted", "milestone": "M1", "number": "SOW-1-M1R", "on": "2026-03-11",
            "by": "ar@vendor.example", "reason": "voided and written again" });
        assert_eq!(world.call("POST", "/v1/contracts/SOW-1/facts", ADMIN, Some(adopted)).await.unwrap().0, 202);
        for code in ["FOREIGN_INVOICE", "UNMATCHED_PAYMENT", "DOCUMENT_VOIDED"] {
            closes(&world, code, "the adoption").await;
        }
        let (_, shown) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
        let standing = |place: usize| shown["documents"][place]["standing"].clone();
        assert_eq!([standing(0), standing(1)], ["replaced", "adopted"], "{shown:#}");
        assert_eq!(shown["milestones"][0]["status"], "paid", "{shown:#}");
    }
}
