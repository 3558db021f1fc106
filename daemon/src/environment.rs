//! What everything below the wiring is handed: configuration, store, connections, time, calendars, and what wakes the
//! loops.

use std::sync::Arc;

use milestoned_connector_kit::Platform;
use milestoned_identity::people::People;
use milestoned_mapping::calendar::Calendars;
use milestoned_seal::Key;

use crate::clock::Clock;
use crate::integrity::Integrity;
use crate::known_balances::{KnownBalances, KnownVariances};
use crate::registry::Registry;
use crate::settings::Settings;
use crate::store::Store;
use crate::supervision::Loops;
use crate::wake::WakeUps;

/// What a turn of any part of the daemon works with. It knows none of the parts.
pub struct Environment {
    /// Configuration.
    pub settings: Settings,
    /// The house's key.
    pub key: Key,
    /// Who counts as one person.
    pub people: Arc<People>,
    /// The store.
    pub store: Store,
    /// Connections.
    pub registry: Arc<Registry>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Holiday calendars.
    pub calendars: Calendars,
    /// What wakes the loops when something came in that cannot wait for the next turn.
    pub wake_ups: WakeUps,
    /// The loops, and how each is doing.
    pub loops: Loops,
    /// Whether the database is as it was written, as was found last.
    pub integrity: Integrity,
    /// Balances at the end of the month whose adjustments were looked at last.
    pub balances: KnownBalances,
    /// What packages of closes say of the variance of deferred revenue.
    pub variances: KnownVariances,
}

impl Environment {
    /// Opens the store and builds the connections.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub async fn build(settings: Settings, platform: impl Into<Platform>) -> anyhow::Result<Arc<Self>> {
        let store = Store::connect(&settings.store).await?;
        Self::over(settings, store, platform)
    }

    /// Builds the connections over a store that is open.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn over(settings: Settings, store: Store, platform: impl Into<Platform>) -> anyhow::Result<Arc<Self>> {
        let platform = platform.into();
        let calendars = crate::calendars::from_settings(&settings)?;
        let registry = Arc::new(Registry::build(&settings, &store, &platform)?);
        let people = Arc::new(People::new(settings.identity.people.clone())?);
        let wake_ups = WakeUps::new(&registry.names());
        let (clock, loops, key) = (platform.clock, Loops::default(), store.key().clone());
        Ok(Arc::new(Self {
            settings,
            key,
            people,
            store,
            registry,
            clock,
            calendars,
            wake_ups,
            loops,
            integrity: Integrity::default(),
            balances: KnownBalances::default(),
            variances: KnownVariances::default(),
        }))
    }
}
