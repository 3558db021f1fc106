//! Wiring: who gets what, and one turn of the whole daemon.

use std::sync::Arc;

use jiff::Timestamp;
use milestoned_mapping::calendar::Calendars;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::registry::Registry;
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
    pub async fn build(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        let store = Store::open(&settings.store.path)?;
        let calendars = crate::calendars::from_settings(&settings)?;
        let registry = Registry::build(&settings, &store, &clock)?;
        Ok(Arc::new(Self { settings, store, registry, clock, calendars, bell: Notify::new() }))
    }

    /// Takes over what an interrupted run left: attempts under way are in doubt. Once, before the first turn.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover(&self) -> Result<(), StoreError> {
        let deliveries = self.store.release_leases().await?;
        let mails = self.store.release_mails(self.clock.now()).await?;
        if deliveries > 0 || mails > 0 {
            tracing::warn!(deliveries, mails, "attempts were interrupted; deliveries are looked up, mails are not repeated");
        }
        Ok(())
    }

    /// Reads what is due: the contract folder (if `scan`), hints, streams. Returns whether anything came in.
    ///
    /// # Errors
    /// The store failed.
    pub async fn take_in(&self, scan: bool) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut moved = false;
        if let Some(folder) = self.settings.agreements.folder.as_ref().filter(|_| scan) {
            moved |= agreements::scan(self, folder, now).await?;
        }
        let delivery = &self.settings.delivery;
        moved |= intake::follow_hints(&self.store, &self.registry, delivery, now).await?;
        moved |= intake::poll(&self.store, &self.registry, delivery, now).await?;
        moved |= intake::read_records(&self.store, &self.registry, now).await? > 0;
        Ok(moved)
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
            let mut moved = self.take_in(true).await?;
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
