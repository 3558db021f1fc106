//! What was read again, and the decision that follows from it, land together or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use milestoned::store::StoreError;
use milestoned::store::actor::Actor;
use milestoned::store::contracts::{DecidedFact, Work};
use milestoned::store::fast_path::{Batch, Decide, Landed, Senders};
use milestoned::store::intake::{Followed, NewFact, Reading};
use milestoned::store::outbox::Outcome;
use milestoned::store::pauses::Scope;
use milestoned_connector_kit::{Cursor, Hint, Page};
use milestoned_mapping::command::Posting;
use milestoned_mapping::record::SourceRecord;

use super::contracts::{accepted, landing, open};
use super::input::{part, record};
use super::{Place, invoice, later, now, on_both, receipt, to_decide};

on_both!(
    what_was_read_again_is_decided_where_it_is_stored,
    what_somebody_can_send_at_once_is_leased_with_the_decision,
    behind_an_earlier_record_nothing_passes,
    what_is_not_decided_waits,
    a_refused_decision_leaves_nothing_behind,
);

impl Place {
    /// A hint at issue 1, which then says that a milestone of the contract was accepted.
    async fn batch(&self, version: &str) -> Arc<Batch> {
        let hint = vec![Hint { object: "issue".into(), id: "1".into() }];
        self.store.hints_received("jira".into(), version.into(), hint, now()).await.unwrap();
        let hints = self.store.hints_due("jira".into(), now(), 10).await.unwrap();
        let outcome: Result<Vec<SourceRecord>, _> = Ok(vec![record("1", version)]);
        let followed = vec![Followed { hints: hints.iter().map(|hint| hint.id).collect(), outcome }];
        let identity = format!("accepted {version}");
        let fact = NewFact { contract: "SOW-1".into(), identity, fact: accepted("M1"), actor: "dana".into() };
        let said = format!("{{\"id\":\"M1\",\"description\":\"{version}\"}}");
        let (contract, part) = (Some("SOW-1".into()), Some(part("SOW-1", &said)));
        let readings = Some(vec![Reading { contract, part, facts: vec![fact], ..Reading::default() }]);
        Arc::new(Batch { followed, readings, landings: Vec::new() })
    }

    async fn land(&self, batch: &Arc<Batch>, decide: Arc<Decide>, room: u32) -> Result<Landed, StoreError> {
        let senders = Senders { room: BTreeMap::from([("netsuite".into(), room)]), until: later(120) };
        self.store.land_batch(Arc::clone(batch), Some(decide), Some(senders), now()).await
    }

    async fn hints(&self) -> usize {
        self.store.hints_due("jira".into(), now(), 10).await.unwrap().len()
    }
}

/// Takes whatever waits, and says these postings.
fn decides(postings: Vec<Posting>) -> Arc<Decide> {
    Arc::new(move |work: Work| {
        let mut landing = landing(&work.row, postings.clone());
        let decided = |pending| DecidedFact { pending, effective_at: later(5), problem: None };
        landing.facts = work.pending.into_iter().map(decided).collect();
        Ok(Some(landing))
    })
}

async fn what_was_read_again_is_decided_where_it_is_stored(place: Place) {
    open(&place.store, "SOW-1", "Northwind Ltd").await;
    let batch = place.batch("a").await;
    let landed = place.land(&batch, decides(vec![invoice("A", "SOW-1", "1.00", &[])]), 0).await.unwrap();
    assert!(landed.leased.is_empty() && !landed.waits && landed.targets.contains("netsuite"));
    assert_eq!(place.hints().await, 0);
    assert!(place.store.unread_records(10).await.unwrap().is_empty(), "it was read");
    assert!(place.store.contracts_due(now()).await.unwrap().is_empty(), "it was decided");
    let work = to_decide(&place.store).await;
    assert_eq!((work.row.history, work.pending.len(), work.parts.psa.len()), (1, 0, 1));
    let again = place.land(&batch, decides(Vec::new()), 0).await.unwrap();
    assert!(again.targets.is_empty() && !again.waits, "a version that is known says nothing");
    assert_eq!(to_decide(&place.store).await.row.revision, work.row.revision);
}

async fn what_somebody_can_send_at_once_is_leased_with_the_decision(place: Place) {
    open(&place.store, "SOW-1", "Northwind Ltd").await;
    let postings = ["A", "B", "C"].map(|number| invoice(number, "SOW-1", "1.00", &[]));
    let [a, b, c] = postings;
    let waits = invoice("D", "SOW-1", "1.00", &["A"]);
    let batch = place.batch("a").await;
    let mut landed = place.land(&batch, decides(vec![a, waits, b, c]), 2).await.unwrap();
    assert_eq!(landed.leased.len(), 2, "there was room for two");
    assert!(landed.targets.contains("netsuite"), "the others wait");
    let lease = jiff::SignedDuration::from_mins(2);
    let claimed = place.store.claim("netsuite".into(), 10, lease, now()).await.unwrap();
    assert_eq!(claimed.len(), 1, "what is leased was claimed, or what comes later");
    let first = landed.leased.remove(0);
    assert!(first.attempts == 0 && !first.look_first);
    let done = Outcome::Done { receipt: receipt("7"), adopted: false };
    place.store.settle(vec![(first, done)], now()).await.unwrap();
    let waited = place.store.claim("netsuite".into(), 10, lease, now()).await.unwrap().remove(0);
    assert_eq!(waited.after.original.unwrap().remote_id, "7");
    let lapsed = place.store.claim("netsuite".into(), 10, lease, later(121)).await.unwrap();
    assert!(lapsed.iter().all(|one| one.look_first && one.attempts == 1), "what was never settled is in doubt");
}

async fn behind_an_earlier_record_nothing_passes(place: Place) {
    open(&place.store, "SOW-1", "Northwind Ltd").await;
    let batch = place.batch("b").await;
    let (records, next) = (vec![record("1", "a")], Cursor::default());
    let page = Page { records, unreadable: Vec::new(), next, more: false, fresh_through: now() };
    place.store.record_page("jira".into(), "issues".into(), page, None, now()).await.unwrap();
    let landed = place.land(&batch, decides(Vec::new()), 0).await;
    assert!(matches!(landed, Err(StoreError::Overtaken)), "{landed:?}");
    assert_eq!((place.hints().await, place.store.unread_records(10).await.unwrap().len()), (1, 1));
}

async fn what_is_not_decided_waits(place: Place) {
    open(&place.store, "SOW-1", "Northwind Ltd").await;
    let said = (Actor::from("ada"), "a dispute".to_owned());
    place.store.pause(Scope::Contract, "SOW-1".into(), said.0.clone(), said.1.clone(), now()).await.unwrap();
    let batch = place.batch("a").await;
    let landed = place.land(&batch, decides(Vec::new()), 0).await.unwrap();
    let work = to_decide(&place.store).await;
    assert!(landed.waits && work.row.history == 0 && work.pending.len() == 1);
    place.store.resume(Scope::Contract, "SOW-1".into(), said.0, said.1, now()).await.unwrap();
    let batch = place.batch("b").await;
    let later: Arc<Decide> = Arc::new(|work: Work| Ok(Some(landing(&work.row, Vec::new()))));
    let landed = place.land(&batch, later, 0).await.unwrap();
    assert!(landed.waits, "facts of which none took effect");
    assert_eq!(to_decide(&place.store).await.pending.len(), 2);
}

async fn a_refused_decision_leaves_nothing_behind(place: Place) {
    let row = open(&place.store, "SOW-1", "Northwind Ltd").await;
    assert!(place.store.land(landing(&row, vec![invoice("A", "SOW-1", "1.00", &[])]), now()).await.unwrap());
    let batch = place.batch("a").await;
    let refused = place.land(&batch, decides(vec![invoice("A", "SOW-1", "1.01", &[])]), 5).await;
    assert!(matches!(refused, Err(StoreError::KeyReused { .. })), "{refused:?}");
    let work = to_decide(&place.store).await;
    assert!(work.pending.is_empty() && work.parts.psa.is_empty() && work.row.history == 0);
    assert_eq!(place.hints().await, 1);
}
