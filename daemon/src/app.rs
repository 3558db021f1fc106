//! Wiring: who gets what, and one turn of the whole daemon.

use std::sync::Arc;

use jiff::Timestamp;
use milestoned_connector_kit::Surroundings;
use milestoned_mapping::calendar::Calendars;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::registry::{Entry, Registry};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::{agreements, deliver, engine, intake, report};

/// Everything the daemon is made of.
pub struct App {
    /// Configuration.
    pub settings: Settings,
    /// The store.
    pub store: Store,
    /// Connections.
    pub registry: Registry,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Holiday calendars.
    pub calendars: Calendars,
    /// Rings when something came in that cannot wait for the next turn.
    pub bell: Notify,
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
        let registry = Registry::build(&settings, &store, &around)?;
        Ok(Arc::new(Self { settings, store, registry, clock: around.clock, calendars, bell: Notify::new() }))
    }

    /// Takes over what an interrupted run left: attempts under way are in doubt. Once, before the first turn.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover(&self) -> Result<(), StoreError> {
        let deliveries = self.store.release_leases(self.clock.now()).await?;
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
        match &self.settings.agreements.folder {
            Some(folder) => agreements::scan(self, folder, self.clock.now()).await,
            None => Ok(false),
        }
    }

    /// Reads what is due of one connection. Returns whether anything came in.
    ///
    /// # Errors
    /// The store failed.
    pub async fn listen(&self, system: &str, entry: &Entry) -> Result<bool, StoreError> {
        intake::listen(&self.store, system, entry, &self.settings, self.clock.now()).await
    }

    /// Turns stored records into facts. Returns whether there were any.
    ///
    /// # Errors
    /// The store failed.
    pub async fn understand(&self) -> Result<bool, StoreError> {
        Ok(intake::read_records(&self.store, &self.registry, self.clock.now()).await? > 0)
    }

    /// Decides about every contract that is due. Returns whether a decision landed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn decide(&self) -> Result<bool, StoreError> {
        engine::turn(self).await
    }

    /// Delivers to every connection what is due. Returns whether an attempt was made.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deliver(&self) -> Result<bool, StoreError> {
        let mut moved = false;
        for (target, entry) in self.registry.iter() {
            let now = self.clock.now();
            moved |= deliver::turn(&self.store, target, &entry.connection, &self.settings.delivery, now).await? > 0;
        }
        Ok(moved)
    }

    /// Turns until nothing moves: for the demo, tests and `--once`. Waiting deliveries stay for their time.
    ///
    /// # Errors
    /// The store failed.
    pub async fn settle(&self) -> Result<(), StoreError> {
        loop {
            let mut moved = self.scan().await?;
            for (system, entry) in self.registry.iter() {
                moved |= self.listen(system, entry).await?;
            }
            moved |= self.understand().await?;
            moved |= self.decide().await?;
            moved |= self.deliver().await?;
            moved |= report::turn(self).await?;
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
