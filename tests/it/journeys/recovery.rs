//! Recovery for people: what is halted, done by hand, put back from a backup, and what the doctor finds.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use milestoned::cli::doctor;
use milestoned::store::Key;
use milestoned::store::copies::{CopyError, put_back};
use milestoned::store::intake::NewFact;
use milestoned::store::pauses::Scope;
use milestoned::store::vocabulary::{CommandKind, DeliveryState};
use milestoned_mapping::fact::{Event, Fact, Leg};
use milestoned_mapping::problem::Problem;
use milestoned_tests::{ADMIN, VIEWER, World, fields};
use serde_json::json;

async fn billed(erp: &str) -> World {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", erp).unwrap();
    world.settle().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world
}

async fn found(world: &World) -> Vec<Problem> {
    let mut findings = doctor::books(&world.app.env, Vec::new()).await.unwrap();
    findings.extend(doctor::drift(&world.app.env, Timestamp::MIN).await.unwrap());
    findings
}

#[tokio::test]
async fn after_a_backup_was_put_back_the_remote_is_asked_before_anything_is_written() {
    let [same_day, next_day] = ["2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z"];
    for (erp, now, overruled) in
        [("netsuite", next_day, false), ("quickbooks", next_day, false), ("netsuite", same_day, true)]
    {
        let mut world = World::start("2026-03-02T09:00:00Z").await.unwrap();
        let issue = world.contract("SOW-1", erp).unwrap();
        world.settle().await.unwrap();
        let copies = tempfile::tempdir().unwrap();
        let backup = copies.path().join("backup.db");
        let from = world.app.env.settings.store.path.clone();
        let head = world.app.env.store.audit_head().await.unwrap();
        assert_eq!(world.app.env.store.backup(from.clone(), backup.clone()).await.unwrap().head, head);
        let again = world.app.env.store.backup(from.clone(), backup.clone()).await;
        assert!(matches!(again, Err(CopyError::InTheWay { .. })));
        // What follows is in the ERP, and not in the backup.
        world.accept(&issue).unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.held(erp).len(), 1);
        let put = put_back((&backup, &from), Key::of([7; 32]), "ada".into(), "why", world.app.env.clock.now());
        assert!(matches!(put, Err(CopyError::InUse { .. })));
        world.restore(&backup).await.unwrap();
        world.at(now).unwrap();
        world.settle().await.unwrap();
        if overruled {
            // The same day: what the ERP has is seen before the acceptance is decided on, and looks foreign.
            let event = Event::Overrule {
                held: None,
                code: "FOREIGN_INVOICE".into(),
                milestone: Some("M1".into()),
                leg: Some(Leg::Erp),
                by: "ada".into(),
                reason: "ours, from before the restore".into(),
                values: None,
                until: None,
            };
            let fact = Fact::of(world.app.env.clock.now(), event);
            let fact = NewFact { contract: "SOW-1".into(), identity: "overrule".into(), fact, actor: "ada".into() };
            world.app.env.store.add_facts(vec![fact], world.app.env.clock.now()).await.unwrap();
            world.settle().await.unwrap();
        }
        let invoices: Vec<_> = world.held(erp).into_iter().filter(|(number, _)| number == "SOW-1-M1").collect();
        assert_eq!(invoices, [("SOW-1-M1".to_owned(), "40000.00".to_owned())], "{erp}");
        let lines = world.app.env.store.audit(Some("SOW-1".into()), 100).await.unwrap();
        let settled =
            lines.iter().find(|line| line.subject == "SOW-1-M1" && line.action == "delivery settled").unwrap();
        assert!(settled.detail.contains("found, verified and adopted"), "{}", settled.detail);
        assert_eq!(found(&world).await, []);
    }
}

/// Nobody said `restore`: a file was copied, and a daemon runs on the copy, behind the ERP, or in the same moments.
#[tokio::test]
async fn two_daemons_on_copies_of_one_database_bill_nothing_twice() {
    for (erp, is_behind) in [("netsuite", true), ("netsuite", false), ("quickbooks", true), ("quickbooks", false)] {
        let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
        let issue = world.contract("SOW-1", erp).unwrap();
        world.settle().await.unwrap();
        let path = world.app.env.settings.store.path.clone();
        let copy = path.with_file_name("copy.db");
        world.app.env.store.backup(path, copy.clone()).await.unwrap();
        world.accept(&issue).unwrap();
        if is_behind {
            world.settle().await.unwrap();
        }
        let other = world.another_on(copy).await.unwrap();
        for now in ["2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z", "2026-03-04T10:00:00Z"] {
            world.at(now).unwrap();
            world.simulators.jira.deliver_webhooks().await.unwrap();
            for app in [&world.app, &other] {
                app.env.store.poll_now().await.unwrap();
            }
            let (one, two) = tokio::join!(world.app.settle(), other.settle());
            one.and(two).unwrap();
        }
        let held = world.held(erp);
        let numbers: BTreeSet<_> = held.iter().map(|(number, _)| number).collect();
        assert!(held.contains(&("SOW-1-M1".into(), "40000.00".into())), "{erp}: {held:?}");
        assert_eq!(numbers.len(), held.len(), "{erp}, behind: {is_behind}: {held:?}");
    }
}

#[tokio::test]
async fn a_damaged_backup_is_not_put_back() {
    let world = billed("netsuite").await;
    let copies = tempfile::tempdir().unwrap();
    let (good, bad, to) = (copies.path().join("good.db"), copies.path().join("bad.db"), copies.path().join("m.db"));
    world.app.env.store.backup(world.app.env.settings.store.path.clone(), good.clone()).await.unwrap();
    let put = |backup: &Path| put_back((backup, &to), Key::of([7; 32]), "ada".into(), "why", world.app.env.clock.now());
    let whole = std::fs::read(&good).unwrap();
    std::fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(put(&bad), Err(CopyError::Damaged { .. } | CopyError::Store(_))));
    std::fs::write(&bad, &whole).unwrap();
    let edit = rusqlite::Connection::open(&bad).unwrap();
    edit.execute("UPDATE audit SET detail = 'another' WHERE seq = 2", []).unwrap();
    drop(edit);
    assert!(matches!(put(&bad), Err(CopyError::Damaged { reason, .. }) if reason.contains("line 2")));
    assert!(!to.exists());
    assert_eq!(put(&good).unwrap().aside, None);
    let aside = put(&good).unwrap().aside.unwrap();
    assert!(to.exists() && aside.exists(), "what was there is kept");
}

#[tokio::test]
async fn the_doctor_finds_what_was_changed_in_the_remote_and_in_our_books() {
    for erp in ["netsuite", "quickbooks"] {
        let world = billed(erp).await;
        assert_eq!(found(&world).await, [], "{erp}");
        let change = fields(match erp {
            "netsuite" => json!({ "tranDate": "2026-03-09" }),
            _ => json!({ "TxnDate": "2026-03-09" }),
        });
        match erp {
            "netsuite" => world.simulators.netsuite.edit_invoice("edit", "SOW-1-M1", change).unwrap(),
            _ => world.simulators.quickbooks.edit_invoice("edit", "SOW-1-M1", change).unwrap(),
        }
        let edited = found(&world).await;
        assert!(
            edited.len() == 1 && edited[0].reason.contains("date is 2026-03-09, not 2026-03-02"),
            "{erp} {edited:?}"
        );
        let connection = rusqlite::Connection::open(&world.app.env.settings.store.path).unwrap();
        for (edit, undo, place) in [
            ("UPDATE document SET amount = '1.00'", "UPDATE document SET amount = '40000.00'", "document SOW-1-M1"),
            (
                "UPDATE outbox SET command = replace(command, '2026-03-02', '2026-03-03') WHERE kind = 'invoice'",
                "UPDATE outbox SET command = replace(command, '2026-03-03', '2026-03-02') WHERE kind = 'invoice'",
                "document SOW-1-M1",
            ),
            (
                "INSERT INTO exception SELECT id, 0, 'OVER_CAP', NULL, NULL, 'warning', '2026-03-02', NULL, NULL, 'USD', '[]', NULL FROM contract",
                "DELETE FROM exception",
                "exceptions of contract SOW-1",
            ),
        ] {
            assert_eq!(connection.execute(edit, []).unwrap(), 1, "{edit}");
            let places: Vec<_> = doctor::books(&world.app.env, Vec::new()).await.unwrap();
            assert!(places.iter().any(|finding| finding.place == place), "{edit}: {places:?}");
            connection.execute(undo, []).unwrap();
        }
        connection.execute("UPDATE contract SET state = replace(state, '4000000', '4000001')", []).unwrap();
        let places: Vec<_> = found(&world).await.into_iter().map(|finding| finding.place).collect();
        assert!(places.contains(&"contract SOW-1".to_owned()), "{places:?}");
    }
}

#[tokio::test]
async fn the_doctor_finds_a_document_that_is_gone() {
    let world = billed("quickbooks").await;
    let delivered = world.app.env.store.deliveries(Some("SOW-1".into()), &[DeliveryState::Done]).await.unwrap();
    let invoice = delivered.iter().find(|one| one.kind == CommandKind::Invoice).unwrap().remote_id.clone().unwrap();
    world.simulators.quickbooks.delete_record("delete", "Invoice", &invoice).unwrap();
    let gone = found(&world).await;
    assert!(
        gone.len() == 1 && gone[0].place == "quickbooks SOW-1-M1" && gone[0].reason.contains("not there"),
        "{gone:?}"
    );
}

#[tokio::test]
async fn what_is_halted_waits_and_goes_on_as_if_the_daemon_had_been_away() {
    for (scope, name) in [(Scope::Contract, "SOW-1"), (Scope::Customer, "Northwind Ltd"), (Scope::Target, "netsuite")] {
        let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
        let issue = world.contract("SOW-1", "netsuite").unwrap();
        world.settle().await.unwrap();
        let store = &world.app.env.store;
        store.pause(scope, name.into(), "ada".into(), "dispute".into(), world.app.env.clock.now()).await.unwrap();
        world.accept(&issue).unwrap();
        world.settle().await.unwrap();
        world.at("2026-03-04T09:00:00Z").unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.held("netsuite"), [], "{name} was halted");
        for page in ["/", "/contracts/SOW-1"] {
            let (_, text) = world.call("GET", page, ADMIN, None).await.unwrap();
            assert!(text.to_string().contains("dispute"), "{page} does not show that {name} is halted: {text}");
        }
        store.resume(scope, name.into(), "ada".into(), "settled".into(), world.app.env.clock.now()).await.unwrap();
        world.settle().await.unwrap();
        let held: Vec<_> = world.held("netsuite").into_iter().map(|(number, _)| number).collect();
        assert_eq!(held, ["SOW-1-M1", "SOW-1-20260302J"], "{name} goes on, with the dates of what happened");
    }
}

#[tokio::test]
async fn what_was_done_by_hand_is_taken_unless_the_remote_contradicts() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    world.simulators.netsuite.close_period("close", "2026-03-31").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    let parked = world.app.env.store.deliveries(None, &[DeliveryState::Parked]).await.unwrap().remove(0);
    // Somebody opens the month and writes it by hand, under our key.
    world.simulators.netsuite.close_period("open", "2026-02-28").unwrap();
    let customer = world.simulators.netsuite.records("customer")[0].text("id");
    let invoice = fields(json!({
        "entity": { "id": customer }, "tranId": "SOW-1-M1", "tranDate": "2026-03-02", "currency": { "id": "1" },
        "item": { "items": [{ "item": { "id": "5" }, "quantity": 1, "rate": "40000.00", "amount": "40000.00",
            "description": "Design" }] },
    }));
    let ours = format!("msd-{}", parked.key);
    let id = world.simulators.netsuite.put_record("hand", "invoice", &ours, invoice).unwrap();
    let done = async |remote_id: &str| {
        let body = json!({ "subject": format!("delivery:{}", parked.key), "act": "done", "remote_id": remote_id,
            "reason": "typed in by Mia" });
        world.call("POST", "/v1/acts", ADMIN, Some(body)).await.unwrap().0 == 202
    };
    assert!(!done("999").await, "the remote has it under another id");
    for (date, same) in [("2026-03-09", false), ("2026-03-02", true)] {
        let change = fields(json!({ "tranDate": date }));
        world.simulators.netsuite.edit_invoice(date, "SOW-1-M1", change).unwrap();
        assert_eq!(done(&id).await, same, "dated {date}");
    }
    assert!(!done(&id).await, "it is not parked any more");
    let delivery = world.app.env.store.delivery(parked.key).await.unwrap().unwrap();
    assert_eq!((delivery.state.name(), delivery.remote_id.as_deref()), ("done", Some(id.as_str())));
    let line = world.app.env.store.audit(None, 1).await.unwrap().remove(0);
    assert!(line.action == "delivery done outside" && line.actor == "ada", "{line:?}");
    assert!(line.detail.contains("done by hand, looked up, and the same: typed in by Mia (by API)"), "{}", line.detail);
}

#[tokio::test]
async fn the_pages_act_on_what_waits_for_a_person_who_may_decide() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    world.simulators.netsuite.close_period("close", "2026-03-31").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    let store = &world.app.env.store;
    let parked = store.deliveries(None, &[DeliveryState::Parked]).await.unwrap().remove(0);
    store
        .pause(Scope::Customer, "Northwind Ltd".into(), "ada".into(), "dispute".into(), world.app.env.clock.now())
        .await
        .unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let act = async |token: &str, subject: &str, act: &str, reason: &str| {
        let body = form(&[("subject", subject), ("act", act), ("reason", reason), ("confirmed", "yes")]);
        let request = client.post(format!("{}/act", world.url)).header("cookie", world.session(token).await.unwrap());
        let request = request.header("origin", world.origin());
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await.unwrap().status().as_u16()
    };
    let (_, page) = world.call("GET", "/queue", ADMIN, None).await.unwrap();
    assert!(page.to_string().contains("Done by hand") && page.to_string().contains("Resume"), "{page}");
    let subject = format!("delivery:{}", parked.key);
    assert_eq!(act(VIEWER, &subject, "give_up", "why").await, 403);
    assert_eq!(act(ADMIN, &subject, "give_up", " ").await, 422, "not without a reason");
    assert_eq!(act(ADMIN, &subject, "done", "by hand").await, 422, "not without the record");
    assert_eq!(act(ADMIN, &subject, "give_up", "the customer left").await, 303);
    assert_eq!(act(ADMIN, &subject, "give_up", "twice").await, 404);
    assert_eq!(act(ADMIN, "pause:customer:Northwind Ltd", "resume", "settled").await, 303);
    assert!(store.pauses().await.unwrap().is_empty());
    let lines = store.audit(None, 100).await.unwrap();
    let line = lines.iter().find(|line| line.action == "delivery dismissed").unwrap();
    assert!(line.detail.contains("the customer left (by page)"), "{line:?}");
}

/// A form as a browser sends it.
fn form(fields: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://form/").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn people_are_told_before_a_credential_ends() {
    let world = billed("quickbooks").await;
    let told = async || {
        let all = world.waiting().await.unwrap();
        all.iter().filter(|one| one.problem.reason.contains("the refresh token ends on")).count()
    };
    assert_eq!(told().await, 0);
    // It was not used for so long that it ends in less than a month.
    world.at("2026-05-15T09:00:00Z").unwrap();
    assert_eq!(told().await, 1);
    world.settle().await.unwrap();
    assert_eq!(told().await, 0, "using it renews it");
}
