//! Claim, settle: each delivery is taken by one, and only its taker may say what became of it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use milestoned::store::intake::Reading;
use milestoned::store::leg_parts::LegContribution;
use milestoned::store::outbox::{Claimed, Outcome};
use milestoned::store::pauses::Scope;
use milestoned::store::vocabulary::DeliveryState;
use milestoned_connector_kit::{After, Cursor, Page};
use milestoned_mapping::command::{BillingStatus, Command, DeliveryKey, Posting};
use milestoned_mapping::fact::Leg;
use milestoned_mapping::money::Currency;
use milestoned_mapping::record::SourceRecord;

use super::contracts::{landing, open};
use super::input::record;
use super::{Place, invoice, later, now, on_both, receipt};

on_both!(
    what_is_claimed_is_leased_and_an_expired_lease_is_in_doubt,
    a_lease_that_passed_on_has_nothing_to_say,
    what_has_to_come_first_comes_first,
    a_newer_status_supersedes_one_that_was_not_shown,
    several_claim_at_once_and_none_twice,
    what_was_interrupted_is_taken_over_by_one_of_many,
    a_person_decides_about_what_is_parked,
    what_is_paused_stays,
    an_interrupted_start_leaves_doubt,
    a_row_that_cannot_be_read_is_parked_and_the_rest_goes_on,
    what_a_remote_shows_and_has_not_posted_is_told_until_it_is_posted_or_gone,
);

const LEASE: SignedDuration = SignedDuration::from_mins(2);

impl Place {
    async fn with(postings: Vec<Posting>, place: Self) -> Self {
        let row = open(&place.store, "SOW-1", "Northwind Ltd").await;
        assert!(place.store.land(landing(&row, postings), now()).await.unwrap());
        place
    }

    async fn claim(&self, seconds: i64) -> Vec<Claimed> {
        self.store.claim("netsuite".into(), 10, LEASE, later(seconds)).await.unwrap()
    }

    async fn settle(&self, claimed: Claimed, outcome: Outcome) {
        self.store.settle(vec![(claimed, outcome)], later(1)).await.unwrap();
    }

    async fn state(&self, number: &str) -> &'static str {
        let key = DeliveryKey::of(&[number]).to_string();
        self.store.delivery(key).await.unwrap().unwrap().state.name()
    }
}

fn done(id: &str) -> Outcome {
    Outcome::Done { receipt: receipt(id), adopted: false }
}

fn numbers(claimed: &[Claimed]) -> Vec<String> {
    claimed.iter().map(|one| milestoned::store::outbox::describe(&one.command).1).collect()
}

async fn what_is_claimed_is_leased_and_an_expired_lease_is_in_doubt(place: Place) {
    let place = Place::with(vec![invoice("A", "SOW-1", "1.00", &[])], place).await;
    let first = place.claim(0).await;
    assert!(first.len() == 1 && first[0].attempts == 0 && !first[0].look_first);
    assert!(place.claim(60).await.is_empty(), "leased, and taken again");
    assert_eq!(place.store.next_delivery().await.unwrap(), Some(now() + LEASE));
    let again = place.claim(121).await;
    assert!(again.len() == 1 && again[0].attempts == 1 && again[0].look_first);
    let lines = place.store.audit(Some("SOW-1".into()), 10).await.unwrap();
    assert_eq!(lines.last().unwrap().action, "delivery interrupted");
}

async fn a_lease_that_passed_on_has_nothing_to_say(place: Place) {
    let place = Place::with(vec![invoice("A", "SOW-1", "1.00", &[])], place).await;
    let late = place.claim(0).await.remove(0);
    let owner = place.claim(121).await.remove(0);
    let lines = place.store.audit(None, 100).await.unwrap().len();
    place.settle(late, Outcome::Parked { fault: "refused".into(), remedy: "none".into() }).await;
    assert_eq!((place.state("A").await, place.store.audit(None, 100).await.unwrap().len()), ("sending", lines));
    place.settle(owner, done("7")).await;
    let key = DeliveryKey::of(&["A"]).to_string();
    let delivery = place.store.delivery(key).await.unwrap().unwrap();
    assert_eq!((delivery.state.name(), delivery.remote_id.as_deref()), ("done", Some("7")));
    assert_eq!(delivery.request_id.as_deref(), Some("request-7"));
}

async fn what_has_to_come_first_comes_first(place: Place) {
    // The order in which the keys are listed says nothing: what each receipt is for follows from what was written.
    let customer = Command::Customer { name: "Northwind Ltd".into(), currency: "USD".into() };
    let customer =
        Posting { key: DeliveryKey::of(&["N"]), target: "netsuite".into(), command: customer, after: Vec::new() };
    let postings = vec![invoice("C", "SOW-1", "3.00", &["A", "N"]), invoice("A", "SOW-1", "1.00", &["N"]), customer];
    let place = Place::with(postings, place).await;
    for (number, remote, known) in
        [("Northwind Ltd (USD)", "1", [None, None]), ("A", "2", [Some("1"), None]), ("C", "3", [Some("1"), Some("2")])]
    {
        let mut claimed = place.claim(1).await;
        assert_eq!(numbers(&claimed), [number]);
        let claimed = claimed.remove(0);
        let After { customer, original, order, .. } = &claimed.after;
        assert_eq!([customer, original].map(|one| one.as_ref().map(|one| one.remote_id.as_str())), known);
        assert_eq!(*order, None);
        place.settle(claimed, done(remote)).await;
    }
    assert_eq!(place.store.next_delivery().await.unwrap(), None);
}

async fn a_row_that_cannot_be_read_is_parked_and_the_rest_goes_on(place: Place) {
    let postings = ["A", "B", "C", "D"].map(|number| {
        let after: &[&str] = if number == "D" { &["C"] } else { &[] };
        invoice(number, "SOW-1", "1.00", after)
    });
    let mut place = Place::with(postings.to_vec(), place).await;
    place.tamper("UPDATE outbox SET command = '{\"invoice' WHERE subject = 'A'").await;
    place.tamper("UPDATE outbox SET after = '[\"' WHERE subject = 'B'").await;
    place.attest_as_it_stands().await;
    let mut claimed = place.claim(0).await;
    assert_eq!(numbers(&claimed), ["C"]);
    place.settle(claimed.remove(0), done("7")).await;
    place.tamper("UPDATE outbox SET receipt = '{' WHERE subject = 'C'").await;
    place.attest_as_it_stands().await;
    assert!(place.claim(2).await.is_empty());
    let parked = place.store.deliveries(None, &[DeliveryState::Parked]).await.unwrap();
    let told: Vec<_> = parked.iter().map(|one| (one.subject.as_str(), one.fault.clone().unwrap())).collect();
    let names = |(subject, column, row): (&str, &str, &str), told: &(&str, String)| {
        let row = DeliveryKey::of(&[row]);
        told.0 == subject && told.1.starts_with(&format!("outbox row {row}: column {column} cannot be read"))
    };
    let wrong = [("A", "command", "A"), ("B", "after", "B"), ("D", "receipt", "C")];
    assert!(told.len() == 3 && wrong.into_iter().zip(&told).all(|(wrong, told)| names(wrong, told)), "{told:#?}");
    let line = place.store.audit(Some("SOW-1".into()), 1).await.unwrap().remove(0);
    assert_eq!((line.action.as_str(), line.subject.as_str()), ("delivery parked", "D"));
}

fn status(text: &str, key: &str) -> Posting {
    let usd: Currency = "USD".parse().unwrap();
    let command = Command::BillingStatus(BillingStatus {
        contract: "SOW-1".into(),
        milestone: "M1".into(),
        name: "Design".into(),
        record: "10001".into(),
        status: text.into(),
        amount: usd.parse("1.00").unwrap(),
        accepted_on: None,
        invoice: None,
        invoiced_on: None,
        due_on: None,
        blocked_by: Vec::new(),
        link: String::new(),
    });
    Posting { key: DeliveryKey::of(&[key]), target: "netsuite".into(), command, after: Vec::new() }
}

async fn a_newer_status_supersedes_one_that_was_not_shown(place: Place) {
    let place = Place::with(vec![status("accepted", "1"), status("invoiced", "2")], place).await;
    let claimed = place.claim(0).await;
    assert_eq!(claimed.iter().map(|one| one.key.clone()).collect::<Vec<_>>(), [DeliveryKey::of(&["2"])]);
    let row = place.store.contract("SOW-1".into()).await.unwrap().unwrap();
    assert!(place.store.land(landing(&row, vec![status("paid", "3")]), now()).await.unwrap());
    assert!(place.claim(1).await.is_empty(), "a status overtook one that is under way");
    assert_eq!([place.state("1").await, place.state("2").await], ["superseded", "sending"]);
    let parked = Outcome::Parked { fault: "away".into(), remedy: "release it".into() };
    place.settle(claimed.into_iter().next().unwrap(), parked).await;
    assert_eq!(place.state("2").await, "superseded", "nobody is to release what a newer one has overtaken");
    assert_eq!(place.claim(2).await.len(), 1, "and the newer one goes on");
}

async fn several_claim_at_once_and_none_twice(place: Place) {
    let postings = (0..60).map(|n| invoice(&format!("N{n}"), "SOW-1", "1.00", &[])).collect();
    let place = Place::with(postings, place).await;
    let stores = [place.store.clone(), place.again().await, place.again().await];
    let claims = stores.iter().cycle().take(12).map(|store| store.claim("netsuite".into(), 5, LEASE, now()));
    let claimed: Vec<Claimed> =
        futures_util::future::try_join_all(claims).await.unwrap().into_iter().flatten().collect();
    let keys: BTreeSet<_> = claimed.iter().map(|one| one.key.clone()).collect();
    assert_eq!(keys.len(), claimed.len(), "one was taken twice");
    let rest = place.store.claim("netsuite".into(), 100, LEASE, now()).await.unwrap();
    assert_eq!(claimed.len() + rest.len(), 60, "one was lost");
}

async fn what_was_interrupted_is_taken_over_by_one_of_many(place: Place) {
    let postings = (0..10).map(|n| invoice(&format!("N{n}"), "SOW-1", "1.00", &[])).collect();
    let place = Place::with(postings, place).await;
    let stores = [place.store.clone(), place.again().await, place.again().await];
    assert_eq!(place.claim(0).await.len(), 10);
    for round in 1..=5 {
        let at = now() + LEASE * (2 * round);
        let claims = stores.iter().cycle().take(12).map(|store| store.claim("netsuite".into(), 100, LEASE, at));
        let claimed = futures_util::future::try_join_all(claims).await.unwrap().concat();
        let keys: BTreeSet<_> = claimed.iter().map(|one| one.key.clone()).collect();
        assert_eq!((claimed.len(), keys.len()), (10, 10), "round {round}");
        assert!(claimed.iter().all(|one| one.look_first && one.attempts == u32::try_from(round).unwrap()));
    }
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
}

async fn a_person_decides_about_what_is_parked(place: Place) {
    let postings = ["A", "B", "C"].map(|number| invoice(number, "SOW-1", "1.00", &[])).to_vec();
    let place = Place::with([postings, vec![invoice("D", "SOW-1", "1.00", &["C"])]].concat(), place).await;
    for claimed in place.claim(0).await {
        place.settle(claimed, Outcome::Parked { fault: "closed period".into(), remedy: "open it".into() }).await;
    }
    let store = &place.store;
    let key = |number: &str| DeliveryKey::of(&[number]).to_string();
    assert!(store.release_parked(key("A"), true, "ada".into(), "opened".into(), now()).await.unwrap());
    assert!(store.release_parked(key("B"), false, "ada".into(), "not due".into(), now()).await.unwrap());
    let how = "by hand, looked up and the same".to_owned();
    assert!(store.done_outside(key("C"), receipt("99"), "ada".into(), how.clone(), now()).await.unwrap());
    for number in ["A", "B", "C"] {
        assert!(!store.done_outside(key(number), receipt("1"), "ada".into(), how.clone(), now()).await.unwrap());
    }
    assert_eq!([place.state("B").await, place.state("C").await], ["dismissed", "done"]);
    let claimed = place.claim(1).await;
    assert_eq!(numbers(&claimed), ["A", "D"], "what was released, and what waited for what was done outside");
    assert!(claimed[0].look_first && claimed[1].after.original.as_ref().unwrap().remote_id == "99");
}

async fn what_is_paused_stays(place: Place) {
    let place = Place::with(vec![invoice("A", "SOW-1", "1.00", &[])], place).await;
    let store = &place.store;
    for (scope, name) in [(Scope::Target, "netsuite"), (Scope::Contract, "SOW-1"), (Scope::Customer, "Northwind Ltd")] {
        assert!(store.pause(scope, name.into(), "ada".into(), "audit".into(), now()).await.unwrap());
        assert!(place.claim(1).await.is_empty(), "{name} is paused");
        assert_eq!(store.next_delivery().await.unwrap(), None);
        assert!(store.resume(scope, name.into(), "ada".into(), "over".into(), now()).await.unwrap());
    }
    assert_eq!(place.claim(1).await.len(), 1);
}

async fn an_interrupted_start_leaves_doubt(place: Place) {
    let place = Place::with(vec![invoice("A", "SOW-1", "1.00", &[])], place).await;
    place.claim(0).await;
    // What the remote may still be carrying out is not looked up before.
    let waits = [("netsuite".to_owned(), jiff::SignedDuration::from_secs(60))].into();
    assert_eq!(place.store.release_leases(waits, later(1)).await.unwrap(), 1);
    assert!(place.claim(60).await.is_empty());
    assert!(place.claim(61).await[0].look_first);
}

async fn what_a_remote_shows_and_has_not_posted_is_told_until_it_is_posted_or_gone(place: Place) {
    let place = Place::with(vec![invoice("A", "SOW-1", "1.00", &[]), invoice("B", "SOW-1", "1.00", &[])], place).await;
    for claimed in place.claim(0).await {
        place.settle(claimed, done("7")).await;
    }
    let shown = async |version: &str, unposted: Option<Option<&str>>| {
        let record = SourceRecord { system: "netsuite".into(), object: "invoice".into(), ..record("7", version) };
        let (next, fresh_through) = (Cursor::default(), now());
        let page = Page { records: vec![record], unreadable: Vec::new(), next, more: false, fresh_through };
        place.store.record_page("netsuite".into(), "invoices".into(), page, None, now()).await.unwrap();
        let stored = place.store.unread_records(10).await.unwrap().remove(0);
        let part = unposted.map(|number| LegContribution {
            contract: "SOW-1".into(),
            leg: Leg::Erp,
            milestone: None,
            part: format!("{{\"version\":\"{version}\"}}"),
            unposted: number.map(Into::into),
        });
        let reading = Reading { contract: Some("SOW-1".into()), part, ..Reading::default() };
        place.store.settle_records(vec![(stored, reading)], now()).await.unwrap();
        place.store.undelivered(None).await.unwrap();
        let told = place.store.unposted().await.unwrap();
        told.iter().map(|one| format!("{} is {}", one.subject, one.standing())).collect::<Vec<_>>()
    };
    assert_eq!(shown("a", Some(Some("A"))).await, ["A is sent, not posted"]);
    assert_eq!(shown("b", Some(None)).await, [] as [&str; 0], "posted");
    assert_eq!(shown("c", Some(Some("A"))).await.len(), 1, "and taken back");
    assert_eq!(shown("d", None).await, [] as [&str; 0], "gone");
}
