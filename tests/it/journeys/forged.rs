//! Somebody who can write the database puts rows in while the daemon runs: nothing is sent from them, and everybody is told.

use milestoned::store::vocabulary::DeliveryState;
use milestoned_mapping::command::{Command, DeliveryKey, Posting};
use milestoned_mapping::fact::{Event, Fact, ReviewDecision};
use milestoned_tests::postgres::cluster;
use milestoned_tests::{ADMIN, World};
use rusqlite::Connection;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::store::contracts::landing;
use crate::store::invoice;

fn database(world: &World) -> Connection {
    Connection::open(&world.app.env.settings.store.path).unwrap()
}

/// Runs statements as somebody would who has the database in his hands, whichever it is.
async fn tamper(world: &World, sql: &str) {
    match &world.app.env.settings.store.url {
        Some(url) => {
            let client = cluster().unwrap().client(url.expose_secret()).await.unwrap();
            client.batch_execute(sql).await.unwrap();
        }
        None => database(world).execute_batch(sql).unwrap(),
    }
}

async fn flaws(world: &World) -> String {
    let findings = world.app.env.store.verify_audit(Vec::new()).await.unwrap().findings;
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What waits for a person, as kind and reason.
async fn told(world: &World) -> Vec<(&'static str, String)> {
    world.waiting().await.unwrap().into_iter().map(|item| (item.kind, item.problem.reason)).collect()
}

#[tokio::test]
async fn an_approval_that_is_put_into_the_database_bills_nothing_and_is_named() {
    bills_nothing_by_an_approval_that_is_put_in(World::start("2026-03-02T09:00:00Z").await.unwrap()).await;
}

#[tokio::test]
async fn an_approval_that_is_put_into_postgres_bills_nothing_and_is_named() {
    let Some(cluster) = cluster() else { return };
    let store = format!("store.url = '{}'", cluster.database().await.unwrap());
    let world = World::configured("2026-03-02T09:00:00Z", vec![("store.path".to_owned(), store)]).await.unwrap();
    bills_nothing_by_an_approval_that_is_put_in(world).await;
}

async fn bills_nothing_by_an_approval_that_is_put_in(world: World) {
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    let file = world.contracts.join("SOW-1.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let held = text.replace(r#""erp":"netsuite""#, r#""erp":"netsuite","policy":{"review":"all"}"#);
    assert_ne!(text, held);
    std::fs::write(&file, held).unwrap();
    world.settle().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    let approvals = world.app.env.store.approvals(None).await.unwrap();
    let (decision, shown) = (ReviewDecision::Approve, Some(approvals[0].1.shown.clone()));
    let event = Event::Review { milestone: "M1".into(), decision, by: "cfo".into(), shown };
    let fact = serde_json::to_string(&Fact::of(world.app.env.clock.now(), event)).unwrap();
    let at = format!("{:.6}", world.app.env.clock.now());
    let put_in = format!(
        "INSERT INTO fact (contract, identity, at, learned_at, fact, actor)
         VALUES ('SOW-1', 'review:cfo', '{at}', '{at}', '{fact}', 'cfo')"
    );
    tamper(&world, &put_in).await;
    world.settle().await.unwrap();
    world.at("2026-03-05T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(world.held("netsuite").iter().all(|(number, _)| number != "SOW-1-M1"), "nothing is billed");
    assert_eq!(world.app.env.store.approvals(None).await.unwrap().len(), 1, "it waits for an approval still");
    assert!(told(&world).await.iter().any(|(kind, reason)| *kind == "fact" && reason.contains("not attested")));
    let lines = world.app.env.store.audit(Some("SOW-1".into()), 100).await.unwrap();
    let refused = lines.iter().find(|line| line.action == "fact refused").unwrap();
    assert!(refused.detail.contains("cfo") && refused.actor == "milestoned", "{refused:?}");
    assert!(flaws(&world).await.contains("fact "), "{}", flaws(&world).await);
}

#[tokio::test]
async fn an_invoice_that_is_put_into_the_database_is_never_sent() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let posting = invoice("ZZ-77", "ZZ-NOCONTRACT", "77777.00", &[]);
    let (key, command) = (posting.key.to_string(), serde_json::to_string(&posting.command).unwrap());
    let at = format!("{:.6}", world.app.env.clock.now());
    database(&world)
        .execute(
            "INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, due_at, created_at)
             VALUES (?1, 9999, 'ZZ-NOCONTRACT', 'netsuite', 'invoice', 'ZZ-77', ?2, 'd', '[]', 'pending', ?3, ?3)",
            [&key, &command, &at],
        )
        .unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite"), []);
    assert!(told(&world).await.iter().any(|(kind, reason)| *kind == "delivery" && reason.contains("not attested")));
    assert!(flaws(&world).await.contains(&format!("outbox {key}")), "{}", flaws(&world).await);
    let (_, said) = world.call("POST", &format!("/v1/deliveries/{key}/release"), ADMIN, Some(json!({}))).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite"), [], "whoever releases it: {said}");
}

#[tokio::test]
async fn an_attested_invoice_that_no_contract_has_decided_is_parked_before_it_is_sent() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let store = &world.app.env.store;
    let row = store.contract("SOW-1".into()).await.unwrap().unwrap();
    let mut decided = landing(&row, vec![invoice("SOW-1-M9", "SOW-1", "900.00", &[])]);
    decided.state.clone_from(&row.state);
    decided.journal_through = row.journal_through;
    assert!(store.land(decided, world.app.env.clock.now()).await.unwrap());
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite"), []);
    let parked = store.deliveries(None, &[DeliveryState::Parked]).await.unwrap();
    assert!(parked[0].fault.as_ref().unwrap().contains("has issued no document SOW-1-M9"), "{parked:?}");
    // What follows from the contract goes out.
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite")[0].0, "SOW-1-M1");
}

#[tokio::test]
async fn an_attested_entry_or_status_that_no_contract_has_decided_is_parked_before_it_is_sent() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-04T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    let (store, entries) = (&world.app.env.store, world.simulators.netsuite.documents().len());
    let deliveries = store.deliveries(Some("SOW-1".into()), &[]).await.unwrap();
    let of_kind = |kind: &str| deliveries.iter().find(|one| one.kind.name() == kind).unwrap().command.clone().unwrap();
    let (Command::JournalEntry(mut entry), Command::BillingStatus(mut status)) =
        (of_kind("journal_entry"), of_kind("billing_status"))
    else {
        panic!("{deliveries:#?}")
    };
    entry.number = "SOW-1-20260303J9".into();
    status.status = "paid".into();
    let posting = |target: &str, key: &str, command| Posting {
        key: DeliveryKey::of(&[key]),
        target: target.into(),
        command,
        after: Vec::new(),
    };
    let system = deliveries.iter().find(|one| one.kind.name() == "billing_status").unwrap().target.clone();
    let forged = vec![
        posting("netsuite", "entry", Command::JournalEntry(entry)),
        posting(&system, "status", Command::BillingStatus(status)),
        posting("netsuite", "customer", Command::Customer { name: "Somebody Else".into(), currency: "USD".into() }),
    ];
    let row = store.contract("SOW-1".into()).await.unwrap().unwrap();
    let mut decided = landing(&row, forged);
    decided.state.clone_from(&row.state);
    (decided.journal_through, decided.planned_documents) = (row.journal_through, row.planned_documents);
    assert!(store.land(decided, world.app.env.clock.now()).await.unwrap());
    for target in ["netsuite", system.as_str()] {
        let entry = world.app.env.registry.get(target).unwrap();
        world.app.deliver_to(target, entry).await.unwrap();
    }
    let parked = store.deliveries(None, &[DeliveryState::Parked]).await.unwrap();
    let faults: Vec<&str> = parked.iter().filter_map(|one| one.fault.as_deref()).collect();
    for words in
        ["all entries of 2026-03-", "status: \"invoiced\" was decided", "customer: \"Northwind Ltd\" was decided"]
    {
        assert!(faults.iter().any(|fault| fault.contains(words)), "{words}: {faults:#?}");
    }
    assert_eq!(world.simulators.netsuite.documents().len(), entries, "nothing is written");
}

#[tokio::test]
async fn what_was_changed_past_us_is_named_in_the_queue_and_by_a_metric_before_anybody_asks() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let named = async || {
        let (_, queue) = world.call("GET", "/v1/queue?kind=unattested", ADMIN, None).await.unwrap();
        let (_, metrics) = world.call("GET", "/metrics", ADMIN, None).await.unwrap();
        let mut lines = metrics.as_str().unwrap().lines().filter(|line| line.starts_with("milestoned_unattested_rows"));
        let count = lines.next().and_then(|line| line.rsplit(' ').next());
        (queue.as_array().unwrap().len(), count.map(str::to_owned), queue.to_string())
    };
    assert_eq!(named().await.1.as_deref(), Some("0"));
    database(&world).execute("UPDATE contract SET customer = 'Elsewhere Ltd'", []).unwrap();
    world.settle().await.unwrap();
    assert_eq!(named().await.0, 0, "it is looked for once a day");
    world.at("2026-03-03T10:00:00Z").unwrap();
    world.settle().await.unwrap();
    let (count, metric, queue) = named().await;
    assert!(count > 0 && metric.as_deref() != Some("0") && queue.contains("contract SOW-1"), "{metric:?} {queue}");
}

#[tokio::test]
async fn a_contract_about_which_nothing_can_be_decided_waits_for_a_person_and_the_others_go_on() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issues = ["SOW-1", "SOW-2"].map(|id| world.contract(id, "netsuite").unwrap());
    world.settle().await.unwrap();
    let set = |at: &str| {
        let sql = format!("UPDATE fact SET effective_at = {at} WHERE contract = 'SOW-1' AND position IS NOT NULL");
        database(&world).execute_batch(&sql).unwrap();
    };
    let right: String = database(&world)
        .query_row("SELECT max(effective_at) FROM fact WHERE contract = 'SOW-1'", [], |row| row.get(0))
        .unwrap();
    set("'never'");
    issues.iter().for_each(|issue| world.accept(issue).unwrap());
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite").iter().map(|(number, _)| number.as_str()).collect::<Vec<_>>(), ["SOW-2-M1"]);
    let (_, queue) = world.call("GET", "/v1/queue?kind=undecided", ADMIN, None).await.unwrap();
    assert_eq!((&queue[0]["subject"], &queue[0]["contract"]), (&json!("undecided:SOW-1"), &json!("SOW-1")), "{queue}");
    assert!(queue[0]["problem"]["reason"].as_str().unwrap().contains("\"never\" as fact.effective_at"), "{queue}");
    let (_, metrics) = world.call("GET", "/metrics", ADMIN, None).await.unwrap();
    assert!(
        metrics.as_str().unwrap().contains("milestoned_queue{kind=\"undecided\",severity=\"blocking\"} 1"),
        "{metrics}"
    );
    set(&format!("'{right}'"));
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite").len(), 2);
    assert_eq!(world.call("GET", "/v1/queue?kind=undecided", ADMIN, None).await.unwrap().1, json!([]));
}

#[tokio::test]
async fn a_contract_that_somebody_sets_aside_in_the_database_is_named_and_its_facts_are_refused_with_the_reason() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    for problem in ["NULL", "'put in'"] {
        tamper(
            &world,
            &format!("DELETE FROM rebuild; INSERT INTO rebuild (contract, problem) VALUES ('SOW-1', {problem})"),
        )
        .await;
        let (_, queue) = world.call("GET", "/v1/queue?kind=set_aside", ADMIN, None).await.unwrap();
        assert_eq!(queue[0]["subject"], "set_aside:SOW-1", "{problem}: {queue}");
    }
    let fact = json!({ "type": "external_event", "milestone": "M1", "name": "d" });
    let (status, said) = world.call("POST", "/v1/contracts/SOW-1/facts", ADMIN, Some(fact)).await.unwrap();
    assert_eq!((status, &said["code"]), (409, &json!("SET_ASIDE")), "{said}");
    assert!(said["remedy"].as_str().unwrap().contains("--kind set_aside"), "{said}");
}
