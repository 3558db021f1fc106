//! Wiring: who gets what, and one turn of the whole daemon.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::Surroundings;
use milestoned_mapping::calendar::Calendars;

use crate::bells::{Bell, Bells};
use crate::clock::Clock;
use crate::deliver::Handed;
use crate::fleet::{Duty, Fleet, Mine, SHARDS, shard};
use crate::registry::{Entry, Registry};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::{agreements, deliver, engine, intake, passage, report};

/// Name of the retention's mark in the store.
const RETENTION: &str = "retention";

/// Everything the daemon is made of.
pub struct App {
    /// Configuration.
    pub settings: Settings,
    /// The store.
    pub store: Store,
    /// Connections.
    pub registry: Arc<Registry>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Holiday calendars.
    pub calendars: Calendars,
    /// What wakes the loops when something came in that cannot wait for the next turn.
    pub bells: Bells,
    /// Who else works on the same database.
    pub fleet: Fleet,
    /// What is claimed already, and to be sent.
    pub handed: Handed,
}

impl App {
    /// Opens the store and builds the connections.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub async fn build(settings: Settings, around: impl Into<Surroundings>) -> anyhow::Result<Arc<Self>> {
        let store = Store::connect(&settings.store).await?;
        Self::over(settings, store, around)
    }

    /// Builds the connections over a store that is open.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn over(settings: Settings, store: Store, around: impl Into<Surroundings>) -> anyhow::Result<Arc<Self>> {
        let around = around.into();
        let calendars = crate::calendars::from_settings(&settings)?;
        let registry = Arc::new(Registry::build(&settings, &store, &around)?);
        let bells = Bells::new(&registry.names());
        let (fleet, handed, clock) = (Fleet::default(), Handed::default(), around.clock);
        Ok(Arc::new(Self { settings, store, registry, clock, calendars, bells, fleet, handed }))
    }

    /// Takes over what an interrupted run left: attempts under way are in doubt. Once, before the first turn.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover(&self) -> Result<(), StoreError> {
        if self.fleet.is_shared() {
            // What others have under way is theirs; the lease of an attempt that died lapses.
            return Ok(());
        }
        let least = self.settings.delivery.look_after;
        let waits =
            self.registry.iter().map(|(name, entry)| (name.to_owned(), entry.connection.commits_within().max(least)));
        let deliveries = self.store.release_leases(waits.collect(), self.clock.now()).await?;
        let mails = self.store.release_mails(self.clock.now()).await?;
        if deliveries > 0 || mails > 0 {
            tracing::warn!(
                deliveries,
                mails,
                "attempts were interrupted; deliveries are looked up, mails are not repeated"
            );
        }
        Ok(())
    }

    /// Reads the contract folder. Returns whether a file was new or changed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn scan(&self) -> Result<bool, StoreError> {
        if self.duty(Duty::Reading, 1).await?.is_none() {
            return Ok(false);
        }
        match &self.settings.agreements.folder {
            Some(folder) => agreements::scan(self, folder, self.clock.now()).await,
            None => Ok(false),
        }
    }

    /// Reads the streams of one connection that are due. Returns whether anything came in.
    ///
    /// # Errors
    /// The store failed.
    pub async fn listen(&self, system: &str, entry: &Entry) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Connection(system), self.registry.len()).await? else { return Ok(false) };
        let came = intake::listen(&mine.store, system, entry, &self.settings, self.clock.now()).await?;
        if came {
            self.bells.decisions().ring();
        }
        Ok(came)
    }

    /// Reads again what webhooks of one connection named. Returns whether there was anything.
    ///
    /// # Errors
    /// The store failed.
    pub async fn follow_hints(&self, system: &str, entry: &Entry) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Connection(system), self.registry.len()).await? else { return Ok(false) };
        passage::follow(self, &mine.store, system, entry).await
    }

    /// Turns stored records into facts. Returns whether there were any.
    ///
    /// # Errors
    /// The store failed.
    pub async fn understand(&self) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Reading, 1).await? else { return Ok(false) };
        Ok(intake::read_records(&mine.store, &self.registry, self.clock.now()).await? > 0)
    }

    /// Decides about every contract that is due. Returns whether a decision landed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn decide(&self) -> Result<bool, StoreError> {
        let mine = self.own_contracts().await?;
        engine::turn(self, mine).await
    }

    /// Which contracts are ours to decide about.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn own_contracts(&self) -> Result<impl Fn(&str) -> bool + Send + Sync + 'static, StoreError> {
        let mut mine = [false; SHARDS];
        for (shard, mine) in mine.iter_mut().enumerate() {
            *mine = self.duty(Duty::Contracts(shard), SHARDS).await?.is_some();
        }
        let all = mine.iter().all(|mine| *mine);
        Ok(move |contract: &str| all || mine.get(shard(contract)).is_some_and(|mine| *mine))
    }

    async fn duty(&self, duty: Duty<'_>, of: usize) -> Result<Option<Mine>, StoreError> {
        self.fleet.duty(&self.store, duty, of, self.clock.now()).await
    }

    /// Delivers to every connection what is due. Returns whether an attempt was made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deliver(&self) -> Result<bool, StoreError> {
        let mut moved = false;
        for (target, entry) in self.registry.iter() {
            moved |= self.send_handed(target, entry).await?;
            moved |= self.deliver_to(target, entry).await?;
        }
        Ok(moved)
    }

    /// Sends to one connection what is claimed already. Returns whether an attempt was made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn send_handed(&self, target: &str, entry: &Entry) -> Result<bool, StoreError> {
        let (delivery, now) = (&self.settings.delivery, self.clock.now());
        let handed = self.handed.take(target, now);
        if handed.is_empty() {
            return Ok(false);
        }
        let awaited = self.handed.were_awaited(target);
        let sent = deliver::send(&self.store, target, &entry.connection, delivery, handed, now).await;
        if awaited {
            self.bells.deliveries(target).into_iter().for_each(Bell::ring);
        }
        Ok(sent? > 0)
    }

    /// Delivers to one connection what is due. Returns whether an attempt was made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deliver_to(&self, target: &str, entry: &Entry) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Connection(target), self.registry.len()).await? else { return Ok(false) };
        let (delivery, now) = (&self.settings.delivery, self.clock.now());
        Ok(deliver::turn(&mine.store, target, &entry.connection, delivery, now).await? > 0)
    }

    /// Writes and sends the mail that is due. Returns whether there was any.
    ///
    /// # Errors
    /// The store failed.
    pub async fn report(&self) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Reports, 1).await? else { return Ok(false) };
        if mine.new {
            // Whoever sent mail before is gone: what was being sent may have arrived.
            self.store.release_mails(self.clock.now()).await?;
        }
        self.empty_records().await?;
        report::turn(self).await
    }

    /// Once a day: source records that are older than they are kept.
    async fn empty_records(&self) -> Result<(), StoreError> {
        let (Some(keep), now) = (self.settings.intake.keep_records, self.clock.now()) else { return Ok(()) };
        // What was never done was done at the beginning of time.
        let done = self.store.mark(RETENTION, Timestamp::MIN).await?;
        if now.duration_since(done) < SignedDuration::from_hours(24) {
            return Ok(());
        }
        let [from, before] = [done, now].map(|at| at.saturating_sub(keep).unwrap_or(Timestamp::MIN));
        let count = self.store.forget_records(from, before, now).await?;
        tracing::info!(count, %before, "source records were emptied");
        self.store.move_mark(RETENTION, now).await
    }

    /// Turns until nothing moves: for the demo, tests and `--once`. Waiting deliveries stay for their time.
    ///
    /// # Errors
    /// The store failed.
    pub async fn settle(&self) -> Result<(), StoreError> {
        loop {
            let mut moved = self.scan().await?;
            // What the others show is known before it is decided what an acceptance comes to.
            let mut connections: Vec<_> = self.registry.iter().collect();
            connections.sort_by_key(|(_, entry)| entry.connection.tells_acceptance());
            for (system, entry) in connections {
                moved |= self.follow_hints(system, entry).await?;
                moved |= self.listen(system, entry).await?;
            }
            moved |= self.understand().await?;
            moved |= self.decide().await?;
            moved |= self.deliver().await?;
            moved |= self.report().await?;
            if !moved {
                return Ok(());
            }
        }
    }

    /// The earliest instant at which time alone makes something due: a deadline, a delivery, a mail.
    ///
    /// # Errors
    /// The store failed.
    pub async fn next_wake(&self) -> Result<Option<Timestamp>, StoreError> {
        let wakes = [
            self.store.next_wake().await?,
            self.store.next_delivery().await?,
            self.store.next_mail().await?,
            report::next_digest(self),
        ];
        Ok(wakes.into_iter().flatten().min())
    }
}
