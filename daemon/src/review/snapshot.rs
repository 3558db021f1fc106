//! What pages sum up and sort by: the queue and every contract in a line, kept in memory as they stood at a revision of the store.
//! Before each look it is asked which contracts were decided about since, and only these are read again.
//!
//! It shows nothing that the store does not say: what was decided is compared by the contracts' revisions, what people did by
//! the audit trail, and what did not come in or go out is read each time. Only what has to be searched for in all that was ever
//! written down (writes that were never shown, contracts that nobody has filed) is up to `SEARCHED_AGAIN` old.
//!
//! Contracts are read in parts. Until all of them were read there is nothing to look at: whoever cannot wait is told how far the
//! reading is, and no figure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use tokio::sync::{Mutex, Notify};

use super::entry::Entry;
use super::item::Item;
use super::line::Line;
use super::names::Names;
use super::portfolio;
use super::queue::{self, Filter};
use super::subject::Subject;
use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::intake::StreamHealth;

/// How old what has to be searched for may be.
const SEARCHED_AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// Contracts whose states are read at once: a state takes kilobytes.
const AT_ONCE: usize = 256;
/// Contracts that are read before a page is told that the reading goes on.
const OF_A_LOOK: usize = 1_024;
/// Contracts up to which the queue is changed where they stand in it; for more it is sorted anew.
const ONE_BY_ONE: usize = 64;
/// How often it is looked whether a month has begun.
const RENEWED_EVERY: Duration = Duration::from_secs(3_600);
/// Months after the present one for which it is said what will be billed; one more is read, so that a month that begins finds it.
pub const MONTHS_AHEAD: i64 = 6;

/// What pages look at.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Everything that waits for a person, in the order of the queue.
    pub items: Vec<Arc<Entry>>,
    /// Contracts by id.
    pub contracts: BTreeMap<Arc<str>, Arc<Line>>,
    /// Health of every stream.
    pub streams: Vec<StreamHealth>,
    /// The newest line of the audit trail that it knows.
    pub audit: i64,
    /// What was decided and waits, in the order of the queue.
    decided: Vec<Arc<Entry>>,
    /// What else waits, in the order of the queue.
    others: Vec<Arc<Entry>>,
    /// What was decided and waits by contract.
    waiting: BTreeMap<Arc<str>, Box<[Arc<Entry>]>>,
    names: Names,
    /// How often each contract was decided about, by id.
    revisions: Arc<Vec<(String, i64)>>,
    /// How many contracts there were, and how often they were decided about in all.
    decided_so_far: (i64, i64),
    /// Contracts to read before anybody looks.
    unread: BTreeSet<String>,
    /// So many were read that the queue is to be sorted anew.
    unsorted: bool,
    searched: Vec<Item>,
    searched_at: Option<Timestamp>,
}

/// How far the reading of contracts is, while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathering {
    /// Contracts that were read.
    pub read: usize,
    /// How many there are.
    pub of: usize,
}

impl Snapshot {
    /// Things about one contract, its customer or its ERP.
    pub fn items_of(&self, id: &str) -> Vec<Arc<Entry>> {
        let brief = self.contracts.get(id).map(|line| &line.brief);
        let concerns = |item: &&Arc<Entry>| match &item.subject {
            Subject::Pause { scope, name } => match scope.name() {
                "contract" => name == id,
                "customer" => brief.is_some_and(|brief| **name == *brief.customer),
                _ => brief.is_some_and(|brief| **name == *brief.erp),
            },
            _ => item.contract.as_deref() == Some(id),
        };
        let others = self.others.iter().filter(concerns);
        merged(self.waiting_of(id), others.cloned().collect())
    }

    /// What was decided about one contract and waits, in the order of the queue.
    pub fn waiting_of(&self, id: &str) -> &[Arc<Entry>] {
        self.waiting.get(id).map(AsRef::as_ref).unwrap_or_default()
    }
}

/// Keeps the snapshot that was taken last.
pub struct Snapshots {
    latest: Mutex<Arc<Snapshot>>,
    /// Somebody was told that it is being read.
    wanted: Notify,
    /// Contracts that are read at a look.
    of_a_look: usize,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self::reading(OF_A_LOOK)
    }
}

impl Snapshots {
    /// Reads so many contracts at a look.
    pub fn reading(of_a_look: usize) -> Self {
        Self { latest: Mutex::default(), wanted: Notify::new(), of_a_look }
    }

    /// The queue and the contracts as they stand now, however long it takes to read them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn now(&self, env: &Environment) -> Result<Arc<Snapshot>, StoreError> {
        loop {
            if let Ok(snapshot) = self.look(env).await? {
                return Ok(snapshot);
            }
        }
    }

    /// The queue and the contracts as they stand now; or how far the reading is, where more contracts have to be read than one
    /// page waits for. Each look reads some of them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn look(&self, env: &Environment) -> Result<Result<Arc<Snapshot>, Gathering>, StoreError> {
        let mut latest = self.latest.lock().await;
        // Whoever still looks at it keeps theirs.
        let gathering = Arc::make_mut(&mut latest).follow(env, self.of_a_look).await?;
        if gathering.is_some() {
            self.wanted.notify_one();
        }
        Ok(gathering.map_or_else(|| Ok(Arc::clone(&latest)), Err))
    }

    /// Reads the rest once somebody has looked, and each month what the month that has begun will bring. Where nobody looks,
    /// nothing is read, and no memory is taken for it.
    pub async fn keep(&self, env: &Environment) {
        loop {
            tokio::select! {
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(RENEWED_EVERY) => if self.latest.lock().await.revisions.is_empty() { continue },
            }
            if let Err(error) = self.renew(env).await {
                tracing::error!(error = &error as &dyn std::error::Error, "what pages look at cannot be read");
            }
        }
    }

    /// Has what is searched for searched for again: somebody has just done something about it.
    pub async fn search_again(&self) {
        Arc::make_mut(&mut *self.latest.lock().await).searched_at = None;
    }

    /// Reads what is to be read, and those contracts again, some at a time, that do not know what the last of the months will bring
    /// for which it is said.
    async fn renew(&self, env: &Environment) -> Result<(), StoreError> {
        let until = known_until(env.clock.now());
        let snapshot = self.now(env).await?;
        let behind = snapshot.contracts.values().filter(|line| line.until < until);
        let behind: Vec<String> = behind.map(|line| line.brief.contract.to_string()).collect();
        drop(snapshot);
        for ids in behind.chunks(AT_ONCE) {
            Arc::make_mut(&mut *self.latest.lock().await).unread.extend(ids.iter().cloned());
            self.now(env).await?;
        }
        Ok(())
    }
}

/// The date of an instant, where no contract says in which time zone.
pub fn utc_date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The date until which it is read what time alone will write.
fn known_until(now: Timestamp) -> Date {
    let month = utc_date(now).first_of_month();
    month.saturating_add((MONTHS_AHEAD + 2).months()).yesterday().unwrap_or(month)
}

impl Snapshot {
    /// Takes in what has changed since, or a part of it, where it is much: then it says how far it is.
    async fn follow(&mut self, env: &Environment, of_a_look: usize) -> Result<Option<Gathering>, StoreError> {
        let now = env.clock.now();
        self.learn_what_changed(env).await?;
        self.unsorted |= self.unread.len() > ONE_BY_ONE;
        let some: Vec<String> = self.unread.iter().take(of_a_look).cloned().collect();
        for ids in some.chunks(AT_ONCE) {
            self.read(env, ids, known_until(now)).await?;
        }
        if !self.unread.is_empty() {
            let of = self.revisions.len();
            return Ok(Some(Gathering { read: of.saturating_sub(self.unread.len()), of }));
        }
        if std::mem::take(&mut self.unsorted) {
            self.decided = self.waiting.values().flat_map(|entries| entries.iter().cloned()).collect();
            self.decided.sort_by(|a, b| a.place().cmp(&b.place()));
        }
        let old = self.searched_at.and_then(|at| at.checked_add(SEARCHED_AGAIN).ok()).is_none_or(|again| again <= now);
        if old {
            self.searched = queue::searched_for(env, &Filter::default()).await?;
            self.searched_at = Some(now);
        }
        let mut others = queue::outside(env, &Filter::default()).await?;
        others.extend(self.searched.iter().cloned());
        queue::name(env, &mut others).await?;
        let others = others.into_iter().map(|item| Arc::new(Entry::of_whole(item, &mut self.names)));
        self.others = others.collect();
        self.others.sort_by(|a, b| a.place().cmp(&b.place()));
        self.items = merged(&self.decided, self.others.clone());
        self.streams = env.store.streams().await?;
        Ok(None)
    }

    /// Contracts that were decided about since and those that the audit trail names are to be read; at first all of them.
    async fn learn_what_changed(&mut self, env: &Environment) -> Result<(), StoreError> {
        let known_before = if self.revisions.is_empty() { i64::MAX } else { self.audit };
        let (named, audit) = env.store.named_after(known_before).await?;
        let decided = env.store.decided_so_far().await?;
        if self.decided_so_far != decided {
            let fresh = env.store.revisions().await?;
            self.unread.extend(self.decided_about_since(&fresh));
            if self.decided_so_far.0 != decided.0 {
                // What nobody had filed may be filed now.
                self.searched_at = None;
            }
            self.revisions = Arc::new(fresh);
        }
        let known = |id: &String| self.revisions.binary_search_by(|(known, _)| known.cmp(id)).is_ok();
        self.unread.extend(named.into_iter().filter(known));
        (self.audit, self.decided_so_far) = (audit, decided);
        Ok(())
    }

    /// Contracts whose revision is another than was known. Both lists are in the order of ids.
    fn decided_about_since(&self, revisions: &[(String, i64)]) -> Vec<String> {
        let mut known = self.revisions.iter().peekable();
        let is_new = |(id, at): &&(String, i64)| {
            while known.next_if(|(other, _)| other < id).is_some() {}
            known.peek().is_none_or(|(other, then)| other != id || then != at)
        };
        revisions.iter().filter(is_new).map(|(id, _)| id.clone()).collect()
    }

    /// Reads contracts in a line, and what was decided about them and waits.
    async fn read(&mut self, env: &Environment, ids: &[String], until: Date) -> Result<(), StoreError> {
        let drifts = env.store.drifts(ids.to_vec()).await?;
        let missing = env.store.undelivered(Some(ids.to_vec())).await?;
        let missing = portfolio::by_contract(&missing);
        for row in env.store.contracts_of(ids.to_vec()).await? {
            let drifts = drifts.get(&row.id).copied().unwrap_or_default();
            let missing = missing.get(row.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            // What cannot be read is told by `milestoned doctor`; it holds up no page.
            match Line::of(&row, drifts, missing, until, &mut self.names) {
                Ok(line) => drop(self.contracts.insert(Arc::clone(&line.brief.contract), Arc::new(line))),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, contract = row.id, "unreadable")
                }
            }
        }
        let mut waiting: BTreeMap<String, Vec<Arc<Entry>>> = BTreeMap::new();
        for item in queue::decided_about(env, ids.to_vec()).await? {
            let entry = Arc::new(Entry::of(&item, &mut self.names));
            waiting.entry(item.contract.unwrap_or_default()).or_default().push(entry);
        }
        for id in ids {
            self.waits_for(id, waiting.remove(id).unwrap_or_default());
            self.unread.remove(id);
        }
        Ok(())
    }

    /// Puts what waits about a contract into the queue, in the place of what waited.
    fn waits_for(&mut self, id: &str, mut entries: Vec<Arc<Entry>>) {
        entries.sort_by(|a, b| a.place().cmp(&b.place()));
        let before = self.waiting.remove(id).unwrap_or_default();
        if !self.unsorted {
            let place =
                |decided: &[Arc<Entry>], entry: &Entry| decided.partition_point(|at| at.place() < entry.place());
            for gone in &before {
                let at = place(&self.decided, gone);
                if self.decided.get(at).is_some_and(|found| Arc::ptr_eq(found, gone)) {
                    self.decided.remove(at);
                }
            }
            for entry in &entries {
                self.decided.insert(place(&self.decided, entry), Arc::clone(entry));
            }
        }
        if !entries.is_empty() {
            self.waiting.insert(self.names.keep(id), entries.into());
        }
    }
}

/// A list in the order of the queue, and few others of the same order among it.
fn merged(all: &[Arc<Entry>], few: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    let mut merged = Vec::with_capacity(all.len().saturating_add(few.len()));
    let mut rest = all;
    for entry in few {
        let (before, after) = rest.split_at(rest.partition_point(|at| at.place() <= entry.place()));
        merged.extend_from_slice(before);
        merged.push(entry);
        rest = after;
    }
    merged.extend_from_slice(rest);
    merged
}
