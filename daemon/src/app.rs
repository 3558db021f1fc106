//! Wiring: who gets what, and one turn of the whole daemon. Nothing below knows this module.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::Platform;

use crate::deliver::Leased;
use crate::environment::Environment;
use crate::fast_path::FastPath;
use crate::fleet::{Duty, Fleet, Mine};
use crate::registry::Entry;
use crate::settings::Settings;
use crate::store::marks::Mark;
use crate::store::{Store, StoreError};
use crate::wake::WakeUp;
use crate::{agreements, customer_names, deliver, engine, intake, periods, replay, report, signed_documents};

/// Everything the daemon is made of.
pub struct App {
    /// What its parts work with.
    pub env: Arc<Environment>,
    /// Who else works on the same database.
    pub fleet: Fleet,
    /// What is leased already, and to be sent.
    pub leased: Leased,
}

impl App {
    /// Opens the store, builds the connections, and rebuilds states that a former version wrote.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub async fn build(settings: Settings, platform: impl Into<Platform>) -> anyhow::Result<Arc<Self>> {
        let env = Environment::build(settings, platform).await?;
        replay::upgrade(&env).await?;
        Ok(Self::of(env))
    }

    /// Builds the connections over a store that is open.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn over(settings: Settings, store: Store, platform: impl Into<Platform>) -> anyhow::Result<Arc<Self>> {
        Ok(Self::of(Environment::over(settings, store, platform)?))
    }

    fn of(env: Arc<Environment>) -> Arc<Self> {
        Arc::new(Self { env, fleet: Fleet::default(), leased: Leased::default() })
    }

    /// Takes over what an interrupted run left: attempts under way are in doubt. Once, before the first turn.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover(&self) -> Result<(), StoreError> {
        if self.fleet.is_shared() {
            // With replicas, deliveries under way may be another daemon's; the lease of an attempt whose daemon died
            // lapses by itself.
            return Ok(());
        }
        let least = self.env.settings.delivery.look_after;
        let waits = self
            .env
            .registry
            .iter()
            .map(|(name, entry)| (name.to_owned(), entry.connection.commits_within().max(least)));
        let deliveries = self.env.store.release_leases(waits.collect(), self.env.clock.now()).await?;
        let mails = self.env.store.release_mails(self.env.clock.now()).await?;
        if deliveries > 0 || mails > 0 {
            tracing::warn!(
                deliveries,
                mails,
                "attempts were interrupted; deliveries are looked up, mails are not repeated"
            );
        }
        Ok(())
    }

    /// Reads the folder of contract files. Returns whether a file was new or changed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn scan(&self) -> Result<bool, StoreError> {
        let Some(folder) = &self.env.settings.agreements.folder else { return Ok(false) };
        if self.duty(Duty::Reading, 1).await?.is_none() {
            return Ok(false);
        }
        agreements::scan(&self.env, folder, self.env.clock.now()).await
    }

    /// Reads some of the folder of signed documents. Returns whether a file was new or changed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn scan_documents(&self) -> Result<bool, StoreError> {
        let Some(folder) = &self.env.settings.agreements.documents else { return Ok(false) };
        if self.duty(Duty::Reading, 1).await?.is_none() {
            return Ok(false);
        }
        signed_documents::scan(&self.env, folder, self.env.clock.now()).await
    }

    /// Reads the streams of one connection that are due. Returns whether anything came in.
    ///
    /// # Errors
    /// The store failed.
    pub async fn poll(&self, system: &str, entry: &Entry) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Connection(system), self.env.registry.len()).await? else { return Ok(false) };
        let (settings, now) = (&self.env.settings, self.env.clock.now());
        Self::learn_customers(&mine, system, entry).await?;
        let mut came = intake::poll(&mine.store, system, entry, settings, now).await?;
        came |= periods::learn(&mine.store, system, entry, settings, now).await?;
        came |= customer_names::learn(&mine.store, system, entry, now).await?;
        came |= signed_documents::fetch(&self.env, &mine.store, system, entry, now).await?;
        if came {
            self.env.wake_ups.decisions().send();
        }
        Ok(came)
    }

    /// What people have decided since about which record of an ERP a customer is, maybe at another daemon.
    async fn learn_customers(mine: &Mine, erp: &str, entry: &Entry) -> Result<(), StoreError> {
        if entry.connection.takes_documents() {
            entry.customers.decide(mine.store.chosen_customers(erp.to_owned()).await?);
        }
        Ok(())
    }

    /// Reads again what webhooks of one connection named. Returns whether there was anything.
    ///
    /// # Errors
    /// The store failed.
    pub async fn read_hinted(&self, system: &str, entry: &Entry) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Connection(system), self.env.registry.len()).await? else { return Ok(false) };
        FastPath { env: &self.env, fleet: &self.fleet, leased: &self.leased }.follow(&mine.store, system, entry).await
    }

    /// Turns stored records into facts. Returns whether there were any.
    ///
    /// # Errors
    /// The store failed.
    pub async fn read_records(&self) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Reading, 1).await? else { return Ok(false) };
        Ok(intake::read_records(&mine.store, &self.env.registry, self.env.clock.now()).await? > 0)
    }

    /// Decides about every contract that is due. Returns whether a decision landed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn decide(&self) -> Result<bool, StoreError> {
        let mine = self.fleet.own_contracts(&self.env.store, self.env.clock.now()).await?;
        engine::turn(&self.env, mine).await
    }

    async fn duty(&self, duty: Duty<'_>, of: usize) -> Result<Option<Mine>, StoreError> {
        self.fleet.duty(&self.env.store, duty, of, self.env.clock.now()).await
    }

    /// Delivers to every connection what is due. Returns whether an attempt was made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deliver(&self) -> Result<bool, StoreError> {
        let mut moved = false;
        for (target, entry) in self.env.registry.iter() {
            moved |= self.send_leased(target, entry).await?;
            moved |= self.deliver_to(target, entry).await?;
        }
        Ok(moved)
    }

    /// Sends to one connection what is leased already. Returns whether an attempt was made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn send_leased(&self, target: &str, entry: &Entry) -> Result<bool, StoreError> {
        let (delivery, now) = (&self.env.settings.delivery, self.env.clock.now());
        let leased = self.leased.take(target, now);
        if leased.is_empty() {
            return Ok(false);
        }
        let awaited = self.leased.were_awaited(target);
        let sent = deliver::send(&self.env.store, target, &entry.connection, delivery, leased, now).await;
        if awaited {
            self.env.wake_ups.deliveries(target).into_iter().for_each(WakeUp::send);
        }
        Ok(self.delivered(target, sent?))
    }

    /// Whether anything was delivered. What had to wait for it elsewhere, such as the status of an invoice, goes on.
    fn delivered(&self, target: &str, sent: usize) -> bool {
        if sent > 0 {
            let others = self.env.registry.iter().filter(|(name, _)| *name != target);
            others.filter_map(|(name, _)| self.env.wake_ups.deliveries(name)).for_each(WakeUp::send);
        }
        sent > 0
    }

    /// Claims and delivers to one connection what is due. Returns whether an attempt was made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deliver_to(&self, target: &str, entry: &Entry) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Connection(target), self.env.registry.len()).await? else { return Ok(false) };
        Self::learn_customers(&mine, target, entry).await?;
        let (delivery, now) = (&self.env.settings.delivery, self.env.clock.now());
        Ok(self.delivered(target, deliver::turn(&mine.store, target, &entry.connection, delivery, now).await?))
    }

    /// Writes and sends the mail that is due. Returns whether there was any.
    ///
    /// # Errors
    /// The store failed.
    pub async fn report(&self) -> Result<bool, StoreError> {
        let Some(mine) = self.duty(Duty::Reports, 1).await? else { return Ok(false) };
        if mine.new {
            // The daemon that sent mail before has stopped: a mail that it was sending may have
            // arrived, and is left in doubt.
            self.env.store.release_mails(self.env.clock.now()).await?;
        }
        self.empty_records().await?;
        report::verification::turn(&self.env).await?;
        let wrote = report::checkpoints::turn(&self.env).await?;
        Ok(report::turn(&self.env).await? || wrote)
    }

    /// Once a day: source records that are older than they are kept.
    async fn empty_records(&self) -> Result<(), StoreError> {
        let (Some(keep), now) = (self.env.settings.intake.keep_records, self.env.clock.now()) else { return Ok(()) };
        // The first time, everything up to the limit is emptied: as if it had been done at the earliest instant there is.
        let done = self.env.store.mark(Mark::Retention, Timestamp::MIN).await?;
        if now.duration_since(done) < SignedDuration::from_hours(24) {
            return Ok(());
        }
        let [from, before] = [done, now].map(|at| at.saturating_sub(keep).unwrap_or(Timestamp::MIN));
        let count = self.env.store.forget_records(from, before, now).await?;
        tracing::info!(count, %before, "source records were emptied");
        self.env.store.move_mark(Mark::Retention, now).await
    }

    /// Turns until nothing moves: for the demo, tests and `--once`. Waiting deliveries stay for their time.
    ///
    /// # Errors
    /// The store failed.
    pub async fn settle(&self) -> Result<(), StoreError> {
        loop {
            let mut moved = self.scan().await?;
            moved |= self.scan_documents().await?;
            // Connections that tell acceptances are read last, so that an acceptance is decided with what CRM and ERP
            // show at the same time.
            let mut connections: Vec<_> = self.env.registry.iter().collect();
            connections.sort_by_key(|(_, entry)| entry.connection.tells_acceptance());
            for (system, entry) in connections {
                moved |= self.read_hinted(system, entry).await?;
                moved |= self.poll(system, entry).await?;
            }
            moved |= self.read_records().await?;
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
            self.env.store.next_wake().await?,
            self.env.store.next_delivery().await?,
            self.env.store.next_mail().await?,
            report::next_digest(&self.env),
        ];
        Ok(wakes.into_iter().flatten().min())
    }
}
