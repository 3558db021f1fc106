//! The fast path: what webhooks named is read again, and what it says is stored and decided about at once. Whatever is not
//! plain (something to be parked, an earlier record that nobody has read yet) goes step by step, by the same verbs.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::deliver::Leased;
use crate::environment::Environment;
use crate::fleet::{Duty, Fleet};
use crate::registry::Entry;
use crate::store::fast_path::{Batch, Landed, Senders};
use crate::store::intake::Followed;
use crate::store::{Store, StoreError};
use crate::wake::WakeUp;
use crate::{engine, failpoint, intake};

/// What the fast path takes beside the store.
pub(crate) struct FastPath<'a> {
    /// What its parts work with.
    pub(crate) env: &'a Environment,
    /// Who else works on the same database.
    pub(crate) fleet: &'a Fleet,
    /// Where what was leased is left for those who send it.
    pub(crate) leased: &'a Leased,
}

impl FastPath<'_> {
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
        let batch = Arc::new(batch(followed, entry));
        let senders = self.senders(now);
        let until = senders.as_ref().map_or(now, |senders| senders.until);
        let landed = match self.land(store, &batch, senders, now).await? {
            Some(landed) => landed,
            None => {
                let followed =
                    Arc::try_unwrap(batch).map_or_else(|batch| batch.followed.clone(), |batch| batch.followed);
                store.land_batch(Arc::new(Batch { followed, ..Batch::default() }), None, None, now).await?
            }
        };
        if landed.waits {
            env.wake_ups.decisions().send();
        }
        let targets: BTreeSet<String> = landed.leased.iter().map(|claimed| claimed.target.clone()).collect();
        self.leased.put(landed.leased, until, &landed.targets);
        targets.iter().filter_map(|target| env.wake_ups.leased(target)).for_each(WakeUp::send);
        landed.targets.iter().filter_map(|target| env.wake_ups.deliveries(target)).for_each(WakeUp::send);
        Ok(true)
    }

    /// Who can send at once: nobody, where another daemon may have the duty.
    fn senders(&self, now: Timestamp) -> Option<Senders> {
        let delivery = &self.env.settings.delivery;
        let targets = self.env.registry.iter();
        let room = targets.map(|(target, _)| (target.to_owned(), self.leased.room(target, delivery.claim)));
        let until = now.saturating_add(delivery.lease).unwrap_or(now);
        (!self.fleet.is_shared()).then(|| Senders { room: room.collect(), until })
    }

    /// `None`: it does not go this way.
    async fn land(
        &self,
        store: &Store,
        batch: &Arc<Batch>,
        senders: Option<Senders>,
        now: Timestamp,
    ) -> Result<Option<Landed>, StoreError> {
        if batch.readings.is_none() {
            return Ok(None);
        }
        // Records become facts in one place at a time, here too.
        let Some(reading) = self.fleet.duty(store, Duty::Reading, 1, now).await? else { return Ok(None) };
        let mine = self.fleet.own_contracts(&self.env.store, now).await?;
        let decide = engine::decider(self.env, mine, now).await?;
        match reading.store.land_batch(Arc::clone(batch), Some(decide), senders, now).await {
            Ok(landed) => {
                failpoint::pass("landed");
                Ok(Some(landed))
            }
            Err(StoreError::Overtaken) => Ok(None),
            Err(error) if error.is_of_one_row() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What was read again, and what each record says; no readings, where one of the records is not plain.
fn batch(followed: Vec<Followed>, entry: &Entry) -> Batch {
    let records = followed.iter().filter_map(|followed| followed.outcome.as_ref().ok()).flatten();
    let readings = records.map(|record| intake::plainly(record, entry)).collect();
    Batch { followed, readings, landings: Vec::new() }
}
