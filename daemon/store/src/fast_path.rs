//! Landing a batch: records that were read again after hints, what they say, the decisions that follow, and the leases of
//! what can be sent at once, in one transaction. Each of these may be empty: decisions that were made before land by the
//! same verb. On the fast path nothing is written down as waiting and then as done; what cannot go this way takes the steps
//! of [`super::intake`] and [`super::contracts`] one after another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::record::SourceRecord;

use super::attest::Session;
use super::audit;
use super::claims::lease;
use super::contracts::{Landing, PendingFact, Work, is_paused, work};
use super::intake::{
    Followed, NewFact, Reading, UNREAD, any_parked, apply_reading, insert_fact, insert_records, mark_followed,
    mark_legs, rivals,
};
use super::landing::land;
use super::marks::{self, Mark};
use super::outbox::Claimed;
use super::pauses::ANY_PAUSE;
use super::session::values;
use super::{Store, StoreError, Verb, instant, json};

/// What lands together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Hints and what became of them, with the records that were read again.
    pub followed: Vec<Followed>,
    /// What each of these records says, in their order. `None`: they are stored unread, for one of them needs more than
    /// itself to be understood, or is to be parked.
    pub readings: Option<Vec<Reading>>,
    /// Decisions that were made before.
    pub landings: Vec<Landing>,
}

impl Batch {
    fn records(&self) -> impl Iterator<Item = &SourceRecord> {
        self.followed.iter().filter_map(|followed| followed.outcome.as_ref().ok()).flatten()
    }
}

/// Senders that can take at once what is being decided.
#[derive(Debug, Clone)]
pub struct Senders {
    /// How many deliveries, by connection.
    pub room: BTreeMap<String, u32>,
    /// Until when what they take is leased.
    pub until: Timestamp,
}

/// What became of a batch.
#[derive(Debug, Clone, Default)]
pub struct Landed {
    /// Of each decision that was made before, whether it landed: `false` where somebody else decided meanwhile.
    pub decisions: Vec<bool>,
    /// Leased already, and to be sent now.
    pub leased: Vec<Claimed>,
    /// Connections for which something waits to be claimed.
    pub targets: BTreeSet<String>,
    /// Something waits to be read, or to be decided about.
    pub waits: bool,
}

/// Decides about a contract: `None`, where that is for another, or for later. It is called from within the transaction:
/// what it decides from, parts that were replaced and facts that are not known yet, exists only there.
pub type Decide = dyn Fn(Work) -> Result<Option<Landing>, StoreError> + Send + Sync;

impl Store {
    /// Lands a batch in one transaction: stores its records, decides about their contracts, lands these decisions and those
    /// that were made before. What `senders` can take is leased with it: the intent is on the disk before anything is sent.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`], or an error of one row: it has to go step by step. Otherwise the database failed. Nothing
    /// was written.
    pub fn land_batch(
        &self,
        batch: Arc<Batch>,
        decide: Option<Arc<Decide>>,
        senders: Option<Senders>,
        now: Timestamp,
    ) -> Verb<'_, Landed> {
        // Written out here, so that the writer, whom everybody waits for, does not have to.
        let texts: Result<Vec<String>, _> = batch.records().map(json).collect();
        self.write(move |tx| {
            let texts = texts?;
            let mut landed = Landed::default();
            let mut news = store_records(tx, &batch, &texts, now)?;
            landed.waits = batch.readings.is_none() && batch.records().next().is_some();
            let made = decide_all(tx, &mut news, decide.as_deref())?;
            let doubts =
                !(made.is_empty() && batch.landings.is_empty()) && marks::lies_ahead(tx, &Mark::LookFirst, now)?;
            for landing in &made {
                if !land(tx, landing, doubts, now)? {
                    return Err(StoreError::Overtaken);
                }
            }
            for landing in &batch.landings {
                landed.decisions.push(land(tx, landing, doubts, now)?);
            }
            for (contract, facts) in news {
                landed.waits |= !facts.decided || !facts.pending.is_empty();
                keep(tx, &contract, facts.pending, now)?;
            }
            mark_followed(tx, &batch.followed, &instant(now))?;
            let before = batch.landings.iter().zip(&landed.decisions).filter(|(_, landed)| **landed);
            let all: Vec<&Landing> = made.iter().chain(before.map(|(landing, _)| landing)).collect();
            (landed.leased, landed.targets) = lease_at_once(tx, &all, senders, now)?;
            audit::append(tx, now, all.iter().flat_map(|landing| &landing.audit))?;
            Ok(landed)
        })
    }

    /// Stores records that were read again after hints, and the hints as done; what could not be read is due later.
    ///
    /// # Errors
    /// The database failed: the hints stay due.
    pub async fn hints_followed(&self, followed: Vec<Followed>, now: Timestamp) -> Result<(), StoreError> {
        self.land_batch(Arc::new(Batch { followed, ..Batch::default() }), None, None, now).await.map(drop)
    }

    /// Decisions land in one transaction, all or none. Returns of each whether it did: `false` where somebody else decided
    /// meanwhile, and nothing was written.
    ///
    /// # Errors
    /// The database failed, or an idempotency key was used for something else.
    pub async fn land_all(&self, landings: Vec<Landing>, now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let batch = Batch { landings, ..Batch::default() };
        Ok(self.land_batch(Arc::new(batch), None, None, now).await?.decisions)
    }

    /// A decision lands, whole or not at all. `false`: somebody else decided meanwhile, and nothing was written.
    ///
    /// # Errors
    /// The database failed, or an idempotency key was used for something else.
    pub async fn land(&self, landing: Landing, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.land_all(vec![landing], now).await? == [true])
    }
}

/// What records say of one contract that is new.
#[derive(Default)]
struct New {
    /// Facts that are not known yet, in their order; none, where only a leg changed.
    pending: Vec<PendingFact>,
    /// It was decided about: facts that are left wait for their time.
    decided: bool,
}

/// News by contract.
type News = BTreeMap<String, New>;

/// Stores versions of records that are not known yet: as read, with what they contribute to legs, or unread.
fn store_records(tx: &Session<'_>, batch: &Batch, texts: &[String], now: Timestamp) -> Result<News, StoreError> {
    let mut news = News::new();
    let records: Vec<&SourceRecord> = batch.records().collect();
    let Some(readings) = &batch.readings else {
        insert_records(tx, &records, texts, None, now)?;
        return Ok(news);
    };
    if records.is_empty() {
        return Ok(news);
    }
    if tx.one(UNREAD, values![1_i64], |_| Ok(()))?.is_some() {
        // An earlier record is read first.
        return Err(StoreError::Overtaken);
    }
    let parked = any_parked(tx)?;
    let new = insert_records(tx, &records, texts, Some(readings), now)?;
    for ((record, reading), id) in records.into_iter().zip(readings).zip(new) {
        let Some(id) = id else { continue };
        let replaced = apply_reading(tx, record, id, reading, parked)?;
        if replaced.freed.is_some() || !rivals(tx, record, reading.part.as_ref())?.is_empty() {
            // Others have to be read again, or nothing of this one may be taken.
            return Err(StoreError::Overtaken);
        }
        for contract in replaced.contracts {
            news.entry(contract).or_default();
        }
        for fact in &reading.facts {
            let known = news.get(&fact.contract).map_or(&[][..], |new| new.pending.as_slice());
            if known.iter().any(|pending| pending.identity == fact.identity) || is_known(tx, fact)? {
                continue;
            }
            news.entry(fact.contract.clone()).or_default().pending.push(PendingFact {
                stored: None,
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

/// Decisions about the contracts of which there is news; of the others it is noted that their legs changed.
fn decide_all(tx: &Session<'_>, news: &mut News, decide: Option<&Decide>) -> Result<Vec<Landing>, StoreError> {
    let mut landings = Vec::with_capacity(news.len());
    if news.is_empty() {
        return Ok(landings);
    }
    let halted = tx.one(ANY_PAUSE, values![], |_| Ok(()))?.is_some();
    for (contract, new) in news {
        let decide = if halted && is_paused(tx, contract)? { None } else { decide };
        match decide.map(|decide| decided(tx, contract, &mut new.pending, decide)).transpose()?.flatten() {
            Some(landing) => {
                new.decided = true;
                landings.push(landing);
            }
            None => mark_legs(tx, contract)?,
        }
    }
    Ok(landings)
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
    // In the order in which the store would give them: by their time, those of one time as they came.
    work.pending.sort_by_cached_key(|pending| instant(pending.fact.at));
    let Some(landing) = decide(work)? else { return Ok(None) };
    facts.retain(|fact| {
        let is_it = |pending: &PendingFact| pending.stored.is_none() && pending.identity == fact.identity;
        !landing.facts.iter().any(|decided| is_it(&decided.pending))
    });
    Ok(Some(landing))
}

/// Leases what senders can take of what was said to their connections, by the claim that everybody uses. Gives it, and the
/// connections for which postings are left.
fn lease_at_once(
    tx: &Session<'_>,
    landings: &[&Landing],
    senders: Option<Senders>,
    now: Timestamp,
) -> Result<(Vec<Claimed>, BTreeSet<String>), StoreError> {
    let postings = || landings.iter().flat_map(|landing| &landing.postings);
    let mut leased = Vec::new();
    if let Some(Senders { room, until }) = &senders {
        let said: BTreeSet<&str> = postings().map(|posting| posting.target.as_str()).collect();
        for (target, room) in room.iter().filter(|(target, room)| **room > 0 && said.contains(target.as_str())) {
            leased.extend(lease(tx, target, *room, *until, now)?);
        }
    }
    let keys: BTreeSet<&DeliveryKey> = leased.iter().map(|claimed| &claimed.key).collect();
    let left = postings().filter(|posting| !keys.contains(&posting.key));
    let targets = left.map(|posting| posting.target.clone()).collect();
    Ok((leased, targets))
}

/// Keeps facts that wait for their time.
fn keep(tx: &Session<'_>, contract: &str, facts: Vec<PendingFact>, now: Timestamp) -> Result<(), StoreError> {
    for PendingFact { origin, fact, actor, identity, .. } in facts {
        insert_fact(tx, &NewFact { contract: contract.into(), identity, fact, actor }, origin, now)?;
    }
    Ok(())
}
