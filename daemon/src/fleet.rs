//! Several daemons on one database: each duty has one owner at a time, the duties are spread over all, and those of a
//! daemon that is gone pass on. A daemon that is alone owns everything, without a lease.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::command::DeliveryKey;
use tokio::sync::Mutex;

use crate::failpoint;
use crate::store::leases::{Lease, presence_of};
use crate::store::{Store, StoreError};

/// How long a daemon that says nothing keeps its duties. The clocks of the daemons must agree better than that; where
/// they do not, duties change hands too early, and what the former owner writes is refused.
pub const KEEP: SignedDuration = SignedDuration::from_secs(15);
/// How often a daemon says that it is there.
pub const RENEW: std::time::Duration = std::time::Duration::from_secs(5);
/// Parts into which contracts are spread.
pub const SHARDS: usize = 16;

/// Something that one daemon does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty<'a> {
    /// Polls a connection and delivers to it, so that its rate limits hold for all daemons together.
    Connection(&'a str),
    /// Decides about a part of the contracts.
    Contracts(usize),
    /// Reads the contract folder, and turns records into facts in their order.
    Reading,
    /// Sends mail.
    Reports,
}

impl Duty<'_> {
    fn class(self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Contracts(_) => "contracts",
            Self::Reading => "reading",
            Self::Reports => "reports",
        }
    }

    fn name(self) -> String {
        match self {
            Self::Connection(name) => format!("connection {name}"),
            Self::Contracts(shard) => format!("contracts {shard}"),
            Self::Reading | Self::Reports => self.class().into(),
        }
    }
}

/// A duty that is ours, for one turn.
pub struct Mine {
    /// The store: what is written through it is refused once the duty has passed on.
    pub store: Store,
    /// It was not ours before.
    pub new: bool,
}

/// This daemon among the others.
#[derive(Default)]
pub struct Fleet {
    member: OnceLock<Member>,
}

struct Member {
    owner: String,
    state: Mutex<State>,
}

struct State {
    held: BTreeMap<String, Lease>,
    /// What is held counts until then, by our own clock.
    until: Timestamp,
    daemons: usize,
}

impl Fleet {
    /// From now on this daemon shares its duties with others; `owner` is another for every start.
    pub fn join(&self, owner: String) {
        let state = State { held: BTreeMap::new(), until: Timestamp::MIN, daemons: 1 };
        if self.member.set(Member { owner, state: Mutex::new(state) }).is_err() {
            tracing::warn!("this daemon had joined already");
        }
    }

    /// Whether duties are shared.
    pub fn is_shared(&self) -> bool {
        self.member.get().is_some()
    }

    /// Says that this daemon is there, and keeps what it has.
    ///
    /// # Errors
    /// The store failed: what is held lapses.
    pub async fn renew(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let Some(member) = self.member.get() else { return Ok(()) };
        member.state.lock().await.renew(store, &member.owner, now).await
    }

    /// The duty, if it is ours or can be; `of` says how many there are of its kind, of which a fair share is ours.
    ///
    /// # Errors
    /// The store failed.
    pub async fn duty(
        &self,
        store: &Store,
        duty: Duty<'_>,
        of: usize,
        now: Timestamp,
    ) -> Result<Option<Mine>, StoreError> {
        let Some(member) = self.member.get() else { return Ok(Some(Mine { store: store.clone(), new: false })) };
        let mut state = member.state.lock().await;
        if state.until <= now {
            state.renew(store, &member.owner, now).await?;
        }
        let name = duty.name();
        let share = of.div_ceil(state.daemons.max(1));
        let count = state.held.keys().filter(|held| held.starts_with(duty.class())).count();
        if let Some(lease) = state.held.get(&name).cloned() {
            if count <= share {
                return Ok(Some(Mine { store: store.fenced(lease), new: false }));
            }
            // Another has come: between two turns is the time to hand over.
            state.held.remove(&name);
            store.give_up_lease(lease, now).await?;
            failpoint::pass("lease_passed_on");
            return Ok(None);
        }
        if count >= share {
            return Ok(None);
        }
        let lease = store.take_lease(name.clone(), member.owner.clone(), later(now), now).await?;
        Ok(lease.map(|lease| {
            failpoint::pass("lease_taken");
            state.held.insert(name, lease.clone());
            Mine { store: store.fenced(lease), new: true }
        }))
    }

    /// Which contracts are ours to decide about.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn own_contracts(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<impl Fn(&str) -> bool + Send + Sync + 'static, StoreError> {
        let mut mine = [false; SHARDS];
        for (shard, mine) in mine.iter_mut().enumerate() {
            *mine = self.duty(store, Duty::Contracts(shard), SHARDS, now).await?.is_some();
        }
        let all = mine.iter().all(|mine| *mine);
        Ok(move |contract: &str| all || mine.get(shard(contract)).is_some_and(|mine| *mine))
    }

    /// Gives up everything, at a graceful stop.
    ///
    /// # Errors
    /// The store failed: it lapses by itself.
    pub async fn leave(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let Some(member) = self.member.get() else { return Ok(()) };
        let held = std::mem::take(&mut member.state.lock().await.held);
        for lease in held.into_values() {
            store.give_up_lease(lease, now).await?;
        }
        Ok(())
    }
}

impl State {
    async fn renew(&mut self, store: &Store, owner: &str, now: Timestamp) -> Result<(), StoreError> {
        store.take_lease(presence_of(owner), owner.to_owned(), later(now), now).await?;
        let (held, daemons) = store.renew_leases(owner.to_owned(), later(now), now).await?;
        self.held = held.into_iter().map(|lease| (lease.name.clone(), lease)).collect();
        (self.daemons, self.until) = (daemons, later(now));
        Ok(())
    }
}

fn later(now: Timestamp) -> Timestamp {
    now.saturating_add(KEEP).unwrap_or(now)
}

/// The part of the contracts that one belongs to.
pub fn shard(contract: &str) -> usize {
    let digit = DeliveryKey::of(&[contract]).as_str().chars().next().and_then(|digit| digit.to_digit(16));
    usize::try_from(digit.unwrap_or(0)).unwrap_or(0) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_are_spread_over_all_shards() {
        let mut counts = [0_usize; SHARDS];
        for number in 0..1_600 {
            counts[shard(&format!("SOW-{number}"))] += 1;
        }
        assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
    }
}
