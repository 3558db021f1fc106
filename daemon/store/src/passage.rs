//! The short way: records that were read again after hints, what they say, and the decisions that follow, in one
//! transaction. Nothing is written down as waiting and then as done; what cannot pass so takes the steps of [`super::intake`]
//! and [`super::contracts`] one after another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::record::SourceRecord;

use super::audit;
use super::contracts::{Landing, PendingFact, Work, is_paused, land, work};
use super::desk::{Desk, Senders};
use super::intake::{
    ANY_PARKED, Followed, NewFact, Reading, UNREAD, insert_fact, mark_followed, mark_legs, replace_part,
    supersede_parked,
};
use super::outbox::Claimed;
use super::pauses::ANY_PAUSE;
use super::session::{Session, values};
use super::{Store, StoreError, instant, json};

/// What was read again, and what it says.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The hints and what became of them.
    pub followed: Vec<Followed>,
    /// What reading their records gave, in order, up to the first that cannot be read by itself, or is to be parked.
    pub readings: Vec<Reading>,
}

impl Arrival {
    /// Every record could be read by itself.
    pub fn is_plain(&self) -> bool {
        self.records().count() == self.readings.len()
    }

    fn records(&self) -> impl Iterator<Item = &SourceRecord> {
        self.followed.iter().filter_map(|one| one.outcome.as_ref().ok()).flatten()
    }
}

/// What became of an arrival.
#[derive(Debug, Clone, Default)]
pub struct Passed {
    /// Claimed already, and to be sent now.
    pub claimed: Vec<Claimed>,
    /// Connections for which something waits to be claimed.
    pub targets: BTreeSet<String>,
    /// Something waits to be decided about.
    pub waits: bool,
}

/// Decides about a contract: `None`, where that is for another, or for later.
pub type Decide = dyn Fn(Work) -> Result<Option<Landing>, StoreError> + Send + Sync;

impl Store {
    /// Stores records that were read again, decides about their contracts, and lands the decisions, all in one transaction.
    /// What `senders` can take is leased with it: the intent is on the disk before anything is sent.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`], or an error of one row: it has to go step by step. Otherwise the database failed. Nothing
    /// was written.
    pub async fn pass(
        &self,
        arrival: Arc<Arrival>,
        decide: Arc<Decide>,
        senders: Option<Senders>,
        now: Timestamp,
    ) -> Result<Passed, StoreError> {
        // Written out here, so that the writer, whom everybody waits for, does not have to.
        let texts: Vec<String> = arrival.records().map(json).collect::<Result<_, _>>()?;
        self.write(move |tx| {
            if tx.one(UNREAD, values![1_i64], |_| Ok(()))?.is_some() {
                // It was there first.
                return Err(StoreError::Overtaken);
            }
            let mut news = store_records(tx, &arrival, &texts, now)?;
            let halted = tx.one(ANY_PAUSE, values![], |_| Ok(()))?.is_some();
            let mut passed = Passed::default();
            let mut landings = Vec::with_capacity(news.len());
            for (contract, facts) in &mut news {
                let paused = halted && is_paused(tx, contract)?;
                match if paused { None } else { decided(tx, contract, facts, &*decide)? } {
                    Some(landing) => landings.push(landing),
                    None => {
                        passed.waits = true;
                        mark_legs(tx, contract)?;
                    }
                }
            }
            let mut desk = Desk::open(tx, senders, now)?;
            for landing in &landings {
                if !land(tx, landing, &mut desk, now)? {
                    return Err(StoreError::Overtaken);
                }
            }
            let claimed: BTreeSet<&DeliveryKey> = desk.claimed.iter().map(|claimed| &claimed.key).collect();
            let postings = landings.iter().flat_map(|landing| &landing.postings);
            let waiting = postings.filter(|posting| !claimed.contains(&posting.key));
            passed.targets = waiting.map(|posting| posting.target.clone()).collect();
            for (contract, facts) in news {
                passed.waits |= !facts.is_empty();
                keep(tx, &contract, facts, now)?;
            }
            mark_followed(tx, &arrival.followed, &instant(now))?;
            audit::append(tx, now, landings.iter().flat_map(|landing| &landing.audit))?;
            passed.claimed = desk.claimed;
            Ok(passed)
        })
        .await
    }
}

/// News by contract: facts that are not known yet, in their order; none, where only a leg changed.
type News = BTreeMap<String, Vec<PendingFact>>;

/// Stores versions of records that are not known yet as read, with what they contribute to legs.
fn store_records(tx: &Session<'_>, arrival: &Arrival, texts: &[String], now: Timestamp) -> Result<News, StoreError> {
    let parked = tx.one(ANY_PARKED, values![], |_| Ok(()))?.is_some();
    let (mut news, seen_at) = (News::new(), instant(now));
    for ((record, reading), text) in arrival.records().zip(&arrival.readings).zip(texts) {
        let id: Option<i64> = tx.one(
            "INSERT INTO source_record (system, object, remote_id, version, changed_at, seen_at, record, state, contract)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'read', $8) ON CONFLICT DO NOTHING RETURNING id",
            values![
                record.system,
                record.object,
                record.id,
                record.version,
                instant(record.at),
                seen_at,
                *text,
                reading.contract
            ],
            |row| row.get(0),
        )?;
        let Some(id) = id else { continue };
        if parked {
            supersede_parked(tx, record, id)?;
        }
        for contract in replace_part(tx, record, reading.part.as_ref())? {
            news.entry(contract).or_default();
        }
        for fact in &reading.facts {
            let facts = news.get(&fact.contract).map_or(&[][..], Vec::as_slice);
            if facts.iter().any(|one| one.identity == fact.identity) || is_known(tx, fact)? {
                continue;
            }
            news.entry(fact.contract.clone()).or_default().push(PendingFact {
                id: None,
                origin: Some(id),
                fact: fact.fact.clone(),
                actor: fact.actor.clone(),
                identity: fact.identity.clone(),
            });
        }
    }
    Ok(news)
}

fn is_known(tx: &Session<'_>, fact: &NewFact) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM fact WHERE contract = $1 AND identity = $2";
    Ok(tx.one(sql, values![fact.contract, fact.identity], |_| Ok(()))?.is_some())
}

/// The decision about a contract, from what is stored and the new facts, of which those that are left wait.
fn decided(
    tx: &Session<'_>,
    contract: &str,
    facts: &mut Vec<PendingFact>,
    decide: &Decide,
) -> Result<Option<Landing>, StoreError> {
    let Some(mut work) = work(tx, contract)? else { return Ok(None) };
    work.pending.extend(facts.iter().cloned());
    // As they would stand in the store: by their time there, those of one time as they came.
    work.pending.sort_by_cached_key(|pending| instant(pending.fact.at));
    let Some(landing) = decide(work)? else { return Ok(None) };
    facts.retain(|fact| {
        let is_it = |pending: &PendingFact| pending.id.is_none() && pending.identity == fact.identity;
        !landing.facts.iter().any(|decided| is_it(&decided.pending))
    });
    Ok(Some(landing))
}

/// Keeps facts that wait for their time.
fn keep(tx: &Session<'_>, contract: &str, facts: Vec<PendingFact>, now: Timestamp) -> Result<(), StoreError> {
    for PendingFact { origin, fact, actor, identity, .. } in facts {
        insert_fact(tx, &NewFact { contract: contract.into(), identity, fact, actor }, origin, now)?;
    }
    Ok(())
}
