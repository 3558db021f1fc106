//! The whole way on either database, with a lost reply and a death in the middle; and the trail of it, from the invoice
//! back to the clause and from the record on to the invoice.

use milestoned::store::redact::Forget;
use milestoned::store::trace::Start;
use milestoned::store::vocabulary::DeliveryState;
use milestoned_mocks::FaultSpec;
use milestoned_tests::postgres::cluster;
use milestoned_tests::{ADMIN, World};
use serde_json::json;

/// A year in an hour: accepted, answer lost, killed, looked up, recognised.
async fn whole_way(store: &str) -> World {
    let changes = vec![("store.path".to_owned(), store.to_owned())];
    let changes = if store.is_empty() { Vec::new() } else { changes };
    let mut world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let lost = FaultSpec::new("drop_after_write").on("POST", "/record/v1/invoice");
    world.simulators.faults.inject("netsuite", lost).unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.restart().await.unwrap();
    for time in ["2026-03-02T09:30:00Z", "2026-03-03T06:00:00Z"] {
        world.at(time).unwrap();
        world.settle().await.unwrap();
    }
    world
}

async fn holds(world: World) {
    let store = &world.app.env.store;
    let held = world.held("netsuite");
    assert_eq!(held[0], ("SOW-1-M1".to_owned(), "40000.00".to_owned()));
    assert_eq!(held.len(), 2, "one invoice and one journal entry: {held:?}");
    assert!(store.deliveries(None, DeliveryState::UNSETTLED).await.unwrap().is_empty());
    let row = store.contract("SOW-1".into()).await.unwrap().unwrap();
    let rebuilt = milestoned::replay::contract(&world.app.env, &row).await.unwrap();
    assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state);
    assert_eq!(store.verify_audit(vec![store.audit_head().await.unwrap()]).await.unwrap().broken, None);

    let trace = store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
    assert_eq!(trace.clauses[0]["amount"], "40000.00");
    let accepted = trace.facts.iter().find(|fact| fact.fact["type"] == "accepted").unwrap();
    let record = trace.records.iter().find(|record| Some(record.id) == accepted.record).unwrap();
    assert_eq!(record.system, "jira");
    assert!(record.record.to_string().contains("Accepted"), "the issue as Jira sent it: {}", record.record);
    let acts: Vec<_> = trace.lines.iter().map(|line| line.action.as_str()).collect();
    assert!(acts.contains(&"fact decided") && acts.contains(&"delivery in doubt"), "{acts:?}");
    assert!(trace.lines.last().unwrap().detail.contains("found, verified and adopted"), "{acts:?}");
    assert_eq!(trace.deliveries[0].state, DeliveryState::Done);

    for start in [Start::Fact(accepted.id), Start::Record(record.id)] {
        let on = store.trace(start).await.unwrap().unwrap();
        assert_eq!((on.documents[0].number.as_str(), on.facts[0].id), ("SOW-1-M1", accepted.id));
        assert_eq!(on.deliveries[0].remote_id, trace.deliveries[0].remote_id);
    }
    assert!(store.trace(Start::Document("SOW-1-M9".into())).await.unwrap().is_none());

    // Who accepted is forgotten: nothing names her any more, and what was decided stays as it was.
    let named = |trace: &milestoned::store::trace::Trace| serde_json::to_string(trace).unwrap().contains("dana@");
    assert!(named(&trace));
    let (head, now) = (store.audit_head().await.unwrap(), world.app.env.clock.now());
    let forget = Forget { actor: Some("dana@customer.example".into()), before: now, systems: Vec::new() };
    let forgotten = store.forget(forget, "dpo".into(), "her request".into(), now).await.unwrap();
    assert!(forgotten.lines > 0 && forgotten.facts > 0 && forgotten.records > 0, "{forgotten:?}");
    let trace = store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
    assert!(!named(&trace), "{trace:#?}");
    let rebuilt = milestoned::replay::contract(&world.app.env, &row).await.unwrap();
    assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state);
    assert_eq!(store.verify_audit(vec![head]).await.unwrap().broken, None);
    let all = store.forget_records(jiff::Timestamp::MIN, now, now).await.unwrap();
    assert!(all > 0 && store.forget_records(jiff::Timestamp::MIN, now, now).await.unwrap() == 0, "emptied once");
    // A poll that shows the same records again brings nothing back.
    world.settle().await.unwrap();
    let after = store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
    assert!(!named(&after));
}

#[tokio::test]
async fn records_are_emptied_when_they_have_been_kept_as_long_as_configured() {
    let kept = ("[mail]".to_owned(), "[intake]\nkeep_records = \"240h\"\n[mail]".to_owned());
    let world = World::configured("2026-03-02T09:00:00Z", vec![kept]).await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.accept(&issue).unwrap();
    let told = async |time: &str| {
        world.at(time).unwrap();
        world.settle().await.unwrap();
        let trace = world.app.env.store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
        serde_json::to_string(&trace.records).unwrap().contains("dana@")
    };
    assert!(told("2026-03-02T10:00:00Z").await, "the issue as Jira sent it");
    assert!(told("2026-03-12T08:00:00Z").await, "not yet ten days");
    assert!(!told("2026-03-13T10:00:00Z").await, "more than ten days");
    assert_eq!(world.held("netsuite").len(), 2, "nothing was billed anew");
    let lines = world.app.env.store.audit(None, 1_000).await.unwrap();
    assert!(
        lines.iter().any(|line| line.action == "records emptied" && line.actor == "milestoned"),
        "the trail says so"
    );
}

#[tokio::test]
async fn the_whole_way_on_sqlite_is_told_by_its_trail() {
    holds(whole_way("").await).await;
}

#[tokio::test]
async fn the_whole_way_on_postgres_is_told_by_its_trail() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    holds(whole_way(&format!("store.url = '{url}'\nstore.key = '{}'", "07".repeat(32))).await).await;
}

/// A milestone that is accepted in part, beside one whose id only looks like a part of it.
#[tokio::test]
async fn a_trail_leads_from_a_part_to_the_clause_of_the_whole_and_to_no_neighbour() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let body = json!({
        "id": "SOW-1", "customer": "Northwind Ltd", "currency": "USD", "total": "30000.00", "signed_on": "2026-03-02",
        "partial_acceptance": true,
        "obligations": [{ "id": "services", "ssp": "30000.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": "20000.00" },
                       { "id": "M1-2", "name": "Review of the design", "amount": "10000.00" }],
        "milestoned": { "erp": "netsuite", "policy": { "require_legs": [] } },
    });
    assert_eq!(world.call("PUT", "/v1/contracts/SOW-1", ADMIN, Some(body)).await.unwrap().0, 201);
    for (milestone, portion) in [("M1", json!("5000.00")), ("M1-2", json!(null))] {
        let fact = json!({ "type": "accepted", "milestone": milestone, "by": "dana@customer.example",
            "document": "https://docs.example/signed.pdf", "portion": portion });
        assert_eq!(world.call("POST", "/v1/contracts/SOW-1/facts", ADMIN, Some(fact)).await.unwrap().0, 202);
        world.settle().await.unwrap();
    }
    for (number, clause, accepted) in [("SOW-1-M1a", "M1", "M1"), ("SOW-1-M1-2", "M1-2", "M1-2")] {
        let trace = world.app.env.store.trace(Start::Document(number.into())).await.unwrap().unwrap();
        let clauses: Vec<_> = trace.clauses.iter().map(|clause| clause["id"].as_str().unwrap()).collect();
        assert_eq!(clauses, [clause], "{number}");
        let facts: Vec<_> = trace.facts.iter().map(|fact| fact.fact["milestone"].as_str().unwrap_or("")).collect();
        assert_eq!(facts, [accepted], "{number}");
    }
}
