//! Bad input of any kind: a clear error with place, reason and remedy; the rest goes on.

use hmac::{Hmac, KeyInit, Mac};
use milestoned_tests::{ADMIN, VIEWER, WEBHOOK_SECRET, World, fields};
use serde_json::{Value, json};
use sha2::Sha256;

async fn parked(world: &World) -> String {
    world.call("GET", "/v1/queue", VIEWER, None).await.unwrap().1.to_string()
}

#[tokio::test]
async fn a_broken_contract_file_names_every_problem_and_is_read_again_when_mended() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let file = world.contracts.join("bad.toml");
    std::fs::write(&file, "id = \"B-1\"\ncurrency = \"EURO\"\ntotal = 100.0\nsigned_on = 2026-03-02\n").unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let problems = parked(&world).await;
    for words in [
        "bad.toml",
        "customer: is missing",
        "currency: unknown currency",
        "total: write the amount as text",
        "milestones",
    ] {
        assert!(problems.contains(words), "{words}: {problems}");
    }
    assert_eq!(world.app.env.store.contract_count().await.unwrap(), 1, "the good one is open");
    let good = "id = \"B-1\"\ncustomer = \"B\"\ncurrency = \"EUR\"\ntotal = \"1\"\nsigned_on = 2026-03-02\n\
                milestoned = { erp = \"netsuite\" }\nmilestones = [{ id = \"M1\", name = \"One\", amount = \"1\" }]\n";
    std::fs::write(&file, good).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.app.env.store.contract_count().await.unwrap(), 2);
    assert!(!parked(&world).await.contains("bad.toml"));
}

#[tokio::test]
async fn an_amount_with_noise_is_parked_a_deleted_issue_is_seen_and_the_rest_goes_on() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let first = world.contract("SOW-1", "netsuite").unwrap();
    let second = world.contract("SOW-2", "netsuite").unwrap();
    world.deal("SOW-2", "40000.000000001").unwrap();
    world.settle().await.unwrap();
    let problems = parked(&world).await;
    assert!(problems.contains("40000.000000001 has digits that no currency has"), "{problems}");
    world.accept(&first).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite").len(), 1);
    world.deal("SOW-2", "40000.00").unwrap();
    world.settle().await.unwrap();
    assert!(!parked(&world).await.contains("40000.0000"), "a newer version supersedes the parked one");
    world.simulators.jira.delete_issue("gone", &second.id).unwrap();
    world.settle().await.unwrap();
    let (_, open) = world.call("GET", "/v1/exceptions?contract=SOW-2", VIEWER, None).await.unwrap();
    assert!(open.to_string().contains("NOT_CONFIGURED"), "a deleted issue is seen: {open}");
}

#[tokio::test]
async fn blanks_that_people_type_and_paste_are_no_part_of_an_id_a_name_or_terms() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let terms = json!({ "id": "SOW-1", "customer": "Northwind Ltd", "currency": "USD", "total": "40000.00",
        "signed_on": "2026-03-02", "milestones": [{ "id": "M1", "name": "Design", "amount": "40000.00" }],
        "milestoned": { "erp": "quickbooks" } });
    std::fs::write(world.contracts.join("SOW-1.json"), terms.to_string()).unwrap();
    world.deal("SOW-1", "40000.00").unwrap();
    let salesforce = &world.simulators.salesforce;
    salesforce.put("name", "Account", "northwind", fields(json!({ "Name": "Northwind\u{a0} Ltd" }))).unwrap();
    salesforce.put("terms", "Opportunity", "SOW-1", fields(json!({ "Payment_Terms__c": "Net  30" }))).unwrap();
    let issue = json!({ "summary": "Design", "customfield_10101": "\u{200b}SOW-1 ", "customfield_10102": " M1\u{a0}",
        "status": "To Do" });
    let issue = world.simulators.jira.create_issue("issue", "MS", fields(issue)).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks"), [("SOW-1-M1".to_owned(), "40000.00".to_owned())], "{}", parked(&world).await);
}

#[tokio::test]
async fn of_two_issues_for_one_milestone_neither_speaks_until_one_is_gone() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let copied =
        json!({ "summary": "CLONE", "customfield_10101": "SOW-1", "customfield_10102": "M1", "status": "To Do" });
    let clone = world.simulators.jira.create_issue("clone", "MS", fields(copied)).unwrap();
    world.accept(&clone).unwrap();
    world.at("2026-03-03T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(world.held("netsuite").is_empty(), "the clone was billed");
    let waits = world.waiting().await.unwrap();
    let said = format!("and so does jira issue {}", issue.id);
    assert!(waits.iter().any(|item| item.problem.reason.contains(&said)), "{waits:?}");
    let (_, open) = world.call("GET", "/v1/exceptions", VIEWER, None).await.unwrap();
    assert!(open.to_string().contains("AMBIGUOUS_RECORD"), "{open}");
    world.accept(&issue).unwrap();
    world.at("2026-03-04T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(world.held("netsuite").is_empty(), "nobody can say which of them speaks");
    world.simulators.jira.delete_issue("delete", &clone.id).unwrap();
    world.at("2026-03-05T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    let held: Vec<_> = world.held("netsuite").into_iter().filter(|(number, _)| number == "SOW-1-M1").collect();
    let waits = world.waiting().await.unwrap();
    let expected = [("SOW-1-M1".to_owned(), "40000.00".to_owned())];
    assert_eq!(held, expected, "the other is read again by itself: {waits:?}");
    assert!(world.waiting().await.unwrap().is_empty());
}

#[tokio::test]
async fn webhooks_are_taken_only_with_their_signature_and_only_once() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    let body = json!({ "webhookEvent": "jira:issue_updated", "issue": { "id": issue.id } }).to_string();
    let post = |signature: String, body: String| {
        reqwest::Client::new()
            .post(format!("{}/hooks/jira", world.url))
            .header("x-hub-signature", signature)
            .header("x-atlassian-webhook-identifier", "one")
            .body(body)
            .send()
    };
    assert_eq!(post("sha256=00".into(), body.clone()).await.unwrap().status(), 401);
    assert_eq!(post(signed(&body), format!("{body} ")).await.unwrap().status(), 401);
    assert_eq!(post(signed("{\"issue\":"), "{\"issue\":".into()).await.unwrap().status(), 400);
    for _ in 0..2 {
        assert_eq!(post(signed(&body), body.clone()).await.unwrap().status(), 200);
    }
    let due = world.app.env.store.hints_due("jira".into(), "2026-03-03T00:00:00Z".parse().unwrap(), 10).await.unwrap();
    assert_eq!(due.len(), 1);
}

pub(super) fn signed(body: impl AsRef<[u8]>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    mac.update(body.as_ref());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn the_api_refuses_with_code_place_and_remedy() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let accepted = json!({ "type": "accepted", "milestone": "M1", "by": "dana" });
    let terms = |total: &str| json!({ "customer": "C", "currency": "USD", "total": total, "signed_on": "2026-03-02", "milestones": [], "milestoned": { "erp": "netsuite" } });
    for (method, path, token, body, status, code) in [
        ("GET", "/v1/contracts", "wrong", Value::Null, 401, "UNAUTHORISED"),
        ("POST", "/v1/contracts/SOW-1/facts", VIEWER, accepted.clone(), 403, "FORBIDDEN"),
        ("POST", "/v1/contracts/SOW-1/facts", ADMIN, accepted, 422, "ACCEPTANCE_DOCUMENT_REQUIRED"),
        ("POST", "/v1/contracts/SOW-1/facts", ADMIN, json!({ "type": "frobbed" }), 422, "INVALID"),
        // A part that is misspelt would accept the whole.
        (
            "POST",
            "/v1/contracts/SOW-1/facts",
            ADMIN,
            json!({ "type": "accepted", "milestone": "M1", "by": "dana", "document": "doc://a", "portoin": "1.00" }),
            422,
            "INVALID",
        ),
        (
            "POST",
            "/v1/contracts/SOW-9/facts",
            ADMIN,
            json!({ "type": "usage", "metric": "m", "value": "1" }),
            404,
            "NOT_FOUND",
        ),
        ("PUT", "/v1/contracts/X-1", ADMIN, terms("1.001"), 422, "INVALID"),
        (
            "PUT",
            "/v1/contracts/SOW-1",
            ADMIN,
            json!({ "customer": "Other", "currency": "USD", "total": "1", "signed_on": "2026-03-02", "milestones": [{ "id": "M1", "name": "n", "amount": "1" }], "milestoned": { "erp": "netsuite" } }),
            409,
            "TERMS_CHANGED",
        ),
    ] {
        let (was, answer) = world.call(method, path, token, Some(body)).await.unwrap();
        assert_eq!((was, answer["code"].as_str()), (status, Some(code)), "{method} {path}: {answer}");
        assert!(!answer["remedy"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn who_got_no_answer_and_tells_the_same_again_has_told_it_once() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let amendment = json!({ "version": 2, "signed": true, "total": "50000.00",
        "add": [{ "id": "M2", "name": "Build", "amount": "10000.00" }] });
    world.deal("SOW-1", "50000.00").unwrap();
    for _ in 0..2 {
        let path = "/v1/contracts/SOW-1/amendments";
        let (status, why) = world.call("POST", path, ADMIN, Some(amendment.clone())).await.unwrap();
        assert_eq!(status, 202, "{why}");
        // It is decided on, and time passes, before it is told again.
        world.settle().await.unwrap();
    }
    let facts = world.app.env.store.history("SOW-1".into()).await.unwrap();
    let amended = facts.iter().filter(|fact| matches!(fact.event, milestoned_mapping::fact::Event::Amended(_)));
    assert_eq!(amended.count(), 1);
    let (_, open) = world.call("GET", "/v1/exceptions", VIEWER, None).await.unwrap();
    assert!(!open.to_string().contains("STALE_AMENDMENT"), "{open}");
}

#[tokio::test]
async fn state_replays_from_facts_byte_for_byte_and_the_audit_chain_holds() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    let row = world.app.env.store.contract("SOW-1".into()).await.unwrap().unwrap();
    let rebuilt = milestoned::replay::contract(&world.app.env, &row).await.unwrap();
    assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state);
    let verdict = world.app.env.store.verify_audit(Vec::new()).await.unwrap();
    assert!(verdict.broken.is_none() && verdict.lines > 3, "{verdict:?}");
}

#[tokio::test]
async fn an_issue_that_moved_to_another_key_is_still_the_milestone() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let key = world.simulators.jira.move_issue("move", &issue.id, "MS").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite").len(), 1, "moved to {key}");
}

#[tokio::test]
async fn an_outbound_message_is_acknowledged_once_stored_and_the_deal_is_read_again() {
    let outbound = "[connections.salesforce.outbound]\norganization = \"00D000000000001\"\nsecret = \"s3cret\"\n";
    let place = "[connections.salesforce.status]";
    let world =
        World::configured("2026-03-02T09:00:00Z", vec![(place.into(), format!("{outbound}{place}"))]).await.unwrap();
    let salesforce = &world.simulators.salesforce;
    // Each address is told of every change from its registration on.
    for (secret, expected) in [("guess", (0, 1)), ("s3cret", (1, 1))] {
        let url = format!("{}/hooks/salesforce/{secret}", world.url);
        salesforce.register_outbound(&url, "Opportunity", &["Name"]).unwrap();
        world.deal("SOW-1", if secret == "guess" { "1.00" } else { "2.00" }).unwrap();
        let done = salesforce.deliver_webhooks().await.unwrap();
        assert_eq!((done.delivered, done.retried), expected, "{secret}");
    }
    let due =
        world.app.env.store.hints_due("salesforce".into(), "2026-03-03T00:00:00Z".parse().unwrap(), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].hint.object, "Opportunity");
}

#[tokio::test]
async fn of_those_who_file_one_contract_at_once_with_other_terms_one_is_told_that_it_is_open() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let file = |total: u32| {
        let total = format!("{total}.00");
        let body = json!({ "customer": "Northwind Ltd", "currency": "USD", "total": total, "signed_on": "2026-03-02",
            "milestones": [{ "id": "M1", "name": "Design", "amount": total }], "milestoned": { "erp": "netsuite" } });
        world.call("PUT", "/v1/contracts/SOW-1", ADMIN, Some(body))
    };
    let told = futures_util::future::try_join_all((1..=20).map(file)).await.unwrap();
    let opened = told.iter().filter(|(status, _)| *status == 201).count();
    let refused = told.iter().filter(|(status, said)| *status == 409 && said["code"] == "TERMS_CHANGED").count();
    assert_eq!((opened, refused), (1, 19), "{told:?}");
}
