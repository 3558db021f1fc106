//! The short way through the house: what webhooks named is read again, and what it says is stored and decided about at
//! once. Whatever is not plain (something to be parked, an earlier record that nobody has read yet) goes step by step.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::deliver::Handed;
use crate::environment::Environment;
use crate::fleet::{Duty, Fleet};
use crate::registry::Entry;
use crate::store::desk::Senders;
use crate::store::intake::Followed;
use crate::store::passage::{Arrival, Passed};
use crate::store::{Store, StoreError};
use crate::wake::WakeUp;
use crate::{engine, failpoint, intake};

/// Who goes the short way, and what it takes beside the store.
pub(crate) struct Passage<'a> {
    /// What its parts work with.
    pub(crate) env: &'a Environment,
    /// Who else works on the same database.
    pub(crate) fleet: &'a Fleet,
    /// Where what was claimed is left for those who send it.
    pub(crate) handed: &'a Handed,
}

impl Passage<'_> {
    /// Follows hints of one connection, which is ours by `store`, as far as it goes. Returns whether there were any.
    ///
    /// # Errors
    /// The store failed: the hints stay due.
    pub(crate) async fn follow(&self, store: &Store, system: &str, entry: &Entry) -> Result<bool, StoreError> {
        let env = self.env;
        let followed = intake::read_again(store, system, entry, &env.settings.delivery, env.clock.now()).await?;
        if followed.is_empty() {
            return Ok(false);
        }
        let now = env.clock.now();
        let arrival = Arc::new(arrival(followed, entry));
        let senders = self.senders(now);
        let until = senders.as_ref().map_or(now, |senders| senders.until);
        let passed = match self.pass(store, &arrival, senders, now).await? {
            Some(passed) => passed,
            None => {
                let followed = Arc::try_unwrap(arrival).map_or_else(|one| one.followed.clone(), |one| one.followed);
                store.hints_followed(followed, now).await?;
                Passed { waits: true, ..Passed::default() }
            }
        };
        if passed.waits {
            env.wake_ups.decisions().send();
        }
        let handed: BTreeSet<String> = passed.claimed.iter().map(|claimed| claimed.target.clone()).collect();
        self.handed.put(passed.claimed, until, &passed.targets);
        handed.iter().filter_map(|target| env.wake_ups.leased(target)).for_each(WakeUp::send);
        passed.targets.iter().filter_map(|target| env.wake_ups.deliveries(target)).for_each(WakeUp::send);
        Ok(true)
    }

    /// Who can send at once: nobody, where another daemon may have the duty.
    fn senders(&self, now: Timestamp) -> Option<Senders> {
        let delivery = &self.env.settings.delivery;
        let targets = self.env.registry.iter();
        let room = targets.map(|(target, _)| (target.to_owned(), self.handed.room(target, delivery.claim)));
        let until = now.saturating_add(delivery.lease).unwrap_or(now);
        (!self.fleet.is_shared()).then(|| Senders { room: room.collect(), until })
    }

    /// `None`: it does not go this way.
    async fn pass(
        &self,
        store: &Store,
        arrival: &Arc<Arrival>,
        senders: Option<Senders>,
        now: Timestamp,
    ) -> Result<Option<Passed>, StoreError> {
        if !arrival.is_plain() {
            return Ok(None);
        }
        // Records become facts in one place at a time, here too.
        let Some(reading) = self.fleet.duty(store, Duty::Reading, 1, now).await? else { return Ok(None) };
        let mine = self.fleet.own_contracts(&self.env.store, now).await?;
        let decide = engine::decider(self.env, mine, now).await?;
        match reading.store.pass(Arc::clone(arrival), decide, senders, now).await {
            Ok(passed) => {
                failpoint::pass("landed");
                Ok(Some(passed))
            }
            Err(StoreError::Overtaken) => Ok(None),
            Err(error) if error.is_of_one_row() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Fewer readings than records: not all of them are plain.
fn arrival(followed: Vec<Followed>, entry: &Entry) -> Arrival {
    let records = followed.iter().filter_map(|one| one.outcome.as_ref().ok()).flatten();
    let readings = records.map_while(|record| intake::plainly(record, entry)).collect();
    Arrival { followed, readings }
}
