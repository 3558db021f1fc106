//! Who had a hand in what, what was approved, and change orders that wait, on both databases.

use jiff::civil::date;
use milestoned::store::action::Action;
use milestoned::store::audit::Entry;
use milestoned::store::change_orders::{FiledOrder, OrderState, OrderVerdict};
use milestoned::store::contracts::{ContractRow, NewContract};
use milestoned::store::customers::Whose;
use milestoned::store::hands::first_identity;
use milestoned::store::intake::NewFact;
use milestoned::store::readings::{Decided, Reading, source};
use milestoned::store::review::Weight;
use milestoned_mapping::fact::{Fact, Shown};
use milestoned_mapping::money::Currency;
use serde_json::{Value, json};

use super::{Place, later, now, on_both};

on_both!(
    who_filed_told_and_read_has_had_a_hand,
    what_was_approved_counts_and_what_waits_does_not,
    a_change_order_waits_and_becomes_a_fact_once,
    a_change_order_that_was_put_in_or_changed_does_not_wait,
    another_spelling_of_a_customer_is_no_way_around_the_sum,
);

async fn filed(place: &Place, id: &str, from: String) {
    let row = ContractRow {
        id: id.into(),
        agreement: json!({ "terms": { "customer": "Northwind Ltd", "currency": "USD" } }).to_string(),
        digest: "d".into(),
        opened_on: date(2026, 3, 2),
        state: "{}".into(),
        history: 0,
        planned_documents: 0,
        journal_through: None,
        revision: 0,
        attested: Default::default(),
    };
    let (as_of, customer, actor) = (date(2026, 3, 2), "Northwind Ltd".into(), "fay".into());
    assert!(place.store.open_contract(NewContract { row, as_of, customer, source: from, actor }, now()).await.unwrap());
}

fn fact(body: Value) -> Fact {
    let mut body = body;
    body["at"] = json!(now().to_string());
    serde_json::from_value(body).unwrap()
}

fn told(identity: &str, actor: &str, body: Value) -> NewFact {
    NewFact { contract: "S1".into(), identity: identity.into(), fact: fact(body), actor: actor.into() }
}

fn line(actor: &str) -> Entry {
    Entry::by(&actor.into(), Action::MilestoneApproved, Some("S1"), "M1", "")
}

async fn who_filed_told_and_read_has_had_a_hand(place: Place) {
    let reading = Reading {
        id: "5f".repeat(32),
        name: "sow.pdf".into(),
        actor: "eve".into(),
        read_at: now(),
        document: "{}".into(),
        proposal: "{}".into(),
        contract: None,
    };
    place.store.keep_reading(reading.clone(), Vec::new()).await.unwrap();
    for (actor, at, seen) in [("rob", now(), None), ("sue", later(1), Some(now()))] {
        let decided = Decided { path: "total".into(), verdict: "{}".into(), actor: actor.into(), decided_at: at };
        assert!(place.store.decide_reading(reading.id.clone(), decided, seen).await.unwrap());
    }
    filed(&place, "S1", source(&reading.name, &reading.id)).await;
    let delivered = told("api:1", "tom", json!({ "type": "external_event", "milestone": "M1", "name": "d" }));
    place.store.add_facts(vec![delivered], now()).await.unwrap();
    let hands = place.store.hands("S1".into()).await.unwrap();
    let filed: Vec<&str> = hands.filed.iter().map(|actor| actor.name()).collect();
    assert_eq!(filed, ["fay", "eve", "rob", "sue"], "also whose word another one replaced");
    assert_eq!(hands.told.iter().map(|(actor, _)| actor.name()).collect::<Vec<_>>(), ["tom"]);
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
}

fn of(contract: &str) -> Whose {
    Whose { contract: contract.into(), brought: Vec::new() }
}

async fn what_was_approved_counts_and_what_waits_does_not(place: Place) {
    filed(&place, "S1", "test".into()).await;
    let shown: Shown = serde_json::from_value(
        json!({ "version": 1, "amount": "45000.00", "customer": "Northwind Ltd", "terms": "t" }),
    )
    .unwrap();
    let approve =
        |by: &str| json!({ "type": "review", "milestone": "M1", "decision": "approve", "by": by, "shown": shown });
    let first = told(&first_identity("c", "1"), "rob", approve("rob"));
    assert!(place.store.tell(first, Weight::Waits("two people".into()), line("rob"), now()).await.unwrap());
    let approved = async || place.store.sums(of("S1"), now()).await.unwrap().let_go;
    assert_eq!(approved().await, []);
    let words = place.store.waiting_words(Some("S1".into())).await.unwrap();
    assert_eq!((words[0].content.as_str(), words[0].actor.name()), ("c", "rob"));
    assert_eq!(place.store.waiting_words(Some("S2".into())).await.unwrap(), []);
    let second = told("review:2", "sue", approve("sue"));
    assert!(place.store.tell(second, Weight::Counts { with: vec![words[0].row] }, line("sue"), now()).await.unwrap());
    assert_eq!(place.store.waiting_words(None).await.unwrap(), []);
    assert_eq!(approved().await[0].amount.to_string(), "45000.00");
    assert_eq!(place.store.sums(of("S1"), later(1)).await.unwrap().let_go, []);
    assert_eq!(place.store.hands("S1".into()).await.unwrap().told.len(), 2);
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
}

fn order(identity: &str, waits: bool) -> FiledOrder {
    let usd: Currency = "USD".parse().unwrap();
    let fact = told(identity, "fay", json!({ "type": "amended", "version": 2, "signed": true, "total": "900.00" }));
    FiledOrder { fact, customer: "Northwind Ltd".into(), stake: usd.parse("900.00").unwrap(), waits }
}

async fn a_change_order_waits_and_becomes_a_fact_once(place: Place) {
    filed(&place, "S1", "test".into()).await;
    assert!(place.store.file_order(order("amendment:a", true), line("fay"), now()).await.unwrap());
    assert!(!place.store.file_order(order("amendment:a", true), line("fay"), now()).await.unwrap(), "it is known");
    assert!(place.store.file_order(order("amendment:b", false), line("fay"), now()).await.unwrap());
    assert!(place.store.file_order(order("amendment:c", true), line("fay"), now()).await.unwrap());
    let facts = async || place.store.hands("S1".into()).await.unwrap().told.len();
    assert_eq!(facts().await, 1, "what needs no approval");
    let decide = async |key: &str, verdict| {
        let which = ("S1".to_owned(), format!("amendment:{key}"));
        place.store.decide_order(which, ("rob".into(), verdict), line("rob"), later(1)).await.unwrap()
    };
    assert!(decide("a", OrderVerdict::First(1)).await);
    let waiting = place.store.waiting_orders(Some("S1".into())).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].first.clone()), (2, Some(("rob".into(), 1))));
    assert!(decide("a", OrderVerdict::Approved).await && !decide("a", OrderVerdict::Approved).await);
    assert!(decide("c", OrderVerdict::Refused).await && !decide("b", OrderVerdict::Refused).await);
    assert_eq!(facts().await, 2);
    let state = async |key: &str| place.store.order_state("S1".into(), format!("amendment:{key}")).await.unwrap();
    assert_eq!(state("a").await, Some(OrderState::Approved));
    assert_eq!((state("c").await, state("d").await), (Some(OrderState::Refused), None));
    let staked = place.store.sums(of("S1"), now()).await.unwrap().staked;
    assert_eq!(staked.iter().map(|(_, key, _)| key.as_str()).collect::<Vec<_>>(), ["amendment:a", "amendment:b"]);
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
}

async fn a_change_order_that_was_put_in_or_changed_does_not_wait(place: Place) {
    filed(&place, "S1", "test".into()).await;
    assert!(place.store.file_order(order("amendment:a", true), line("fay"), now()).await.unwrap());
    place.tamper("INSERT INTO change_order (contract, identity, fact, actor, filed_at, customer, stake, currency, state, mac)
        SELECT contract, 'amendment:forged', replace(fact, '900.00', '9.00'), 'fay', filed_at, customer, stake, currency, state,
        mac FROM change_order").await;
    assert_eq!(place.store.waiting_orders(None).await.unwrap().len(), 1, "only what was filed");
    place.tamper("UPDATE change_order SET actor = 'tom' WHERE identity = 'amendment:a'").await;
    assert_eq!(place.store.waiting_orders(None).await.unwrap().len(), 0, "whoever is said to have filed it");
    let which = ("S1".to_owned(), "amendment:a".to_owned());
    let approved = place.store.decide_order(which, ("fay".into(), OrderVerdict::Approved), line("fay"), later(1)).await;
    assert!(
        matches!(approved, Err(milestoned::store::StoreError::Unattested { table: "change_order", .. })),
        "{approved:?}"
    );
    assert!(place.store.verify_audit(Vec::new()).await.unwrap().flaw().is_some());
}

async fn another_spelling_of_a_customer_is_no_way_around_the_sum(place: Place) {
    filed(&place, "S1", "api".into()).await;
    let approve = json!({ "type": "review", "milestone": "M1", "decision": "approve", "by": "rob", "shown": {
        "version": 1, "amount": "45000.00", "customer": "Northwind Ltd", "terms": "t" } });
    let (approved, counts) = (told("review:1", "rob", approve), Weight::Counts { with: vec![] });
    assert!(place.store.tell(approved, counts, line("rob"), now()).await.unwrap());
    let overrule = json!({ "type": "overrule", "code": "LEG_MISSING", "by": "rob", "reason": "x", "held": "7.00" });
    let (overruled, counts) = (told("review:2", "rob", overrule), Weight::Counts { with: vec![] });
    assert!(place.store.tell(overruled, counts, line("rob"), now()).await.unwrap());
    let sums = async |customer: &str| {
        let whose = Whose { contract: String::new(), brought: vec![customer.into()] };
        let all = place.store.sums(whose, now()).await.unwrap().let_go;
        all.iter().map(|one| one.amount.to_string()).collect::<Vec<_>>()
    };
    for customer in ["Northwind Ltd", "NORTHWIND  LTD.", "N\u{43e}rthwind Ltd"] {
        assert_eq!(sums(customer).await, ["45000.00", "7.00"], "{customer}");
    }
    assert_eq!((sums("Northwind Inc").await.len(), sums("Apex").await.len()), (0, 0));
    for name in ["Northwind Ltd", "Apex"] {
        let said = ("sue".into(), "asked".into());
        place.store.choose_customer("netsuite".into(), name.into(), "7".into(), said, now()).await.unwrap();
    }
    assert_eq!(sums("Apex").await.len(), 2, "one record of the ERP is one customer");
}
