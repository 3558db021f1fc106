//! A decision lands whole or not at all, once.

use jiff::civil::date;
use milestoned::store::contracts::{ContractRow, DecidedFact, Landing, NewContract, NewEvent, PendingFact};
use milestoned::store::intake::NewFact;
use milestoned::store::vocabulary::DeliveryState;
use milestoned::store::{Store, StoreError};
use milestoned_mapping::command::Posting;
use milestoned_mapping::fact::{Event, Fact};

use super::{Place, invoice, later, now, on_both, to_decide};

on_both!(
    a_decision_lands_whole,
    a_decision_from_an_older_revision_does_not_land,
    a_key_that_stood_for_something_else_undoes_the_whole_decision,
    the_feed_of_events_goes_on_from_a_place,
    a_fact_told_twice_is_one,
    what_is_paused_is_not_due,
);

pub(crate) async fn open(store: &Store, id: &str, customer: &str) -> ContractRow {
    let row = ContractRow {
        id: id.into(),
        agreement: format!(r#"{{"terms":{{"customer":"{customer}"}}}}"#),
        digest: "d".into(),
        opened_on: date(2026, 3, 2),
        state: "{}".into(),
        history: 0,
        planned_documents: 0,
        journal_through: None,
        revision: 0,
        attested: Default::default(),
    };
    let new = NewContract {
        row,
        as_of: date(2026, 3, 2),
        customer: customer.into(),
        source: "test".into(),
        actor: "ada".into(),
    };
    assert!(store.open_contract(new.clone(), now()).await.unwrap());
    assert!(!store.open_contract(new, now()).await.unwrap(), "opened twice");
    store.contract(id.into()).await.unwrap().unwrap()
}

pub(crate) fn landing(row: &ContractRow, postings: Vec<Posting>) -> Landing {
    Landing {
        contract: row.id.clone(),
        history_before: row.history,
        revision_before: row.revision,
        attested_before: row.attested.clone(),
        state: r#"{"decided":true}"#.into(),
        as_of: date(2026, 3, 2),
        wake_at: None,
        legs_wait: false,
        facts: Vec::new(),
        legs: Vec::new(),
        documents: Vec::new(),
        planned_documents: 0,
        journal_through: None,
        postings,
        approvals: None,
        exceptions: None,
        drift: Vec::new(),
        events: Vec::new(),
        audit: Vec::new(),
    }
}

pub(crate) fn accepted(milestone: &str) -> Fact {
    let event = Event::Accepted {
        milestone: milestone.into(),
        by: "dana@customer.example".into(),
        role: None,
        document: None,
        portion: None,
    };
    Fact::of(now(), event)
}

fn event(identity: &str) -> NewEvent {
    NewEvent { identity: identity.into(), kind: "milestone.recognized", milestone: None, body: "{}".into() }
}

async fn a_decision_lands_whole(place: Place) {
    let store = &place.store;
    let row = open(store, "SOW-1", "Northwind Ltd").await;
    let fact = |identity: &str| NewFact {
        contract: "SOW-1".into(),
        identity: identity.into(),
        fact: accepted("M1"),
        actor: "dana".into(),
    };
    assert_eq!(store.add_facts(vec![fact("a"), fact("b"), fact("a")], now()).await.unwrap(), 2);
    let work = to_decide(store).await;
    let identities: Vec<_> = work.pending.iter().map(|pending| pending.identity.as_str()).collect();
    assert_eq!(identities, ["a", "b"]);
    let decided = |pending: &PendingFact, problem: Option<&str>| DecidedFact {
        pending: pending.clone(),
        effective_at: later(5),
        problem: problem.map(Into::into),
    };
    let new =
        PendingFact { stored: None, origin: None, fact: accepted("M2"), actor: "crm".into(), identity: "c".into() };
    let mut landing = landing(&row, vec![invoice("SOW-1-M1", "SOW-1", "40000.00", &[])]);
    landing.facts = vec![
        decided(&work.pending[0], None),
        decided(&work.pending[1], Some("nobody knows this milestone")),
        decided(&new, None),
    ];
    assert!(store.land(landing, now()).await.unwrap());

    let after = to_decide(store).await;
    assert_eq!((after.row.history, after.row.state.as_str()), (2, r#"{"decided":true}"#));
    assert!(after.pending.is_empty() && after.last_effective == Some(later(5)));
    let history = store.history("SOW-1".into()).await.unwrap();
    assert_eq!(history.iter().map(|fact| fact.at).collect::<Vec<_>>(), [later(5), later(5)]);
    assert_eq!(store.parked_facts().await.unwrap()[0].problem, "nobody knows this milestone");
    assert_eq!(store.deliveries(Some("SOW-1".into()), &[DeliveryState::Pending]).await.unwrap().len(), 1);
    assert!(store.contracts_due(now()).await.unwrap().is_empty());
}

async fn a_decision_from_an_older_revision_does_not_land(place: Place) {
    let row = open(&place.store, "SOW-1", "Northwind Ltd").await;
    let other = place.again().await;
    let (one, two) = tokio::join!(
        place.store.land(landing(&row, vec![invoice("A", "SOW-1", "1.00", &[])]), now()),
        other.land(landing(&row, vec![invoice("B", "SOW-1", "2.00", &[])]), now()),
    );
    assert_eq!([one.unwrap(), two.unwrap()].iter().filter(|landed| **landed).count(), 1);
    assert_eq!(place.store.deliveries(None, &[]).await.unwrap().len(), 1);
}

async fn a_key_that_stood_for_something_else_undoes_the_whole_decision(place: Place) {
    let store = &place.store;
    let row = open(store, "SOW-1", "Northwind Ltd").await;
    assert!(store.land(landing(&row, vec![invoice("A", "SOW-1", "1.00", &[])]), now()).await.unwrap());
    let row = store.contract("SOW-1".into()).await.unwrap().unwrap();
    let both = vec![invoice("B", "SOW-1", "2.00", &[]), invoice("A", "SOW-1", "1.01", &[])];
    let refused = store.land(landing(&row, both), now()).await;
    assert!(matches!(refused, Err(StoreError::KeyReused { .. })), "{refused:?}");
    assert_eq!(store.deliveries(None, &[]).await.unwrap().len(), 1, "the other posting stayed");
    assert_eq!(store.contract("SOW-1".into()).await.unwrap().unwrap().revision, row.revision);
    let same = vec![invoice("A", "SOW-1", "1.00", &[])];
    assert!(store.land(landing(&row, same), now()).await.unwrap(), "the same payload is known already");
    assert_eq!(store.deliveries(None, &[]).await.unwrap().len(), 1);
}

async fn the_feed_of_events_goes_on_from_a_place(place: Place) {
    let store = &place.store;
    let mut row = open(store, "SOW-1", "Northwind Ltd").await;
    for identities in [&["one", "two"][..], &["two", "three"]] {
        let mut landing = landing(&row, Vec::new());
        landing.events = identities.iter().map(|identity| event(identity)).collect();
        assert!(store.land(landing, now()).await.unwrap());
        row = store.contract("SOW-1".into()).await.unwrap().unwrap();
    }
    let events = store.events(0, 10).await.unwrap();
    assert_eq!(events.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
    let rest = store.events(events[0].seq, 1).await.unwrap();
    assert_eq!(rest[0].id, "two");
}

async fn a_fact_told_twice_is_one(place: Place) {
    let fact = NewFact { contract: "SOW-1".into(), identity: "a".into(), fact: accepted("M1"), actor: "dana".into() };
    let other = place.again().await;
    let (one, two) =
        tokio::join!(place.store.add_facts(vec![fact.clone()], now()), other.add_facts(vec![fact.clone()], now()));
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    assert_eq!(place.store.fact_by_identity("SOW-1".into(), "a".into()).await.unwrap(), Some(fact.fact));
}

async fn what_is_paused_is_not_due(place: Place) {
    let store = &place.store;
    open(store, "SOW-1", "Northwind Ltd").await;
    open(store, "SOW-2", "Contoso").await;
    open(store, "SOW-3", "Fabrikam").await;
    use milestoned::store::pauses::Scope;
    for (scope, name) in [(Scope::Contract, "SOW-1"), (Scope::Customer, "Contoso")] {
        assert!(store.pause(scope, name.into(), "ada".into(), "dispute".into(), now()).await.unwrap());
        assert!(!store.pause(scope, name.into(), "bob".into(), "again".into(), now()).await.unwrap());
    }
    assert_eq!(store.contracts_due(now()).await.unwrap(), ["SOW-3"]);
    assert!(store.resume(Scope::Customer, "Contoso".into(), "ada".into(), "settled".into(), now()).await.unwrap());
    assert!(!store.resume(Scope::Customer, "Contoso".into(), "ada".into(), "settled".into(), now()).await.unwrap());
    assert_eq!(store.contracts_due(now()).await.unwrap(), ["SOW-2", "SOW-3"]);
    assert_eq!(store.pauses().await.unwrap()[0].reason, "dispute");
}
