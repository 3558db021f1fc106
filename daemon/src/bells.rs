//! Bells: what wakes a loop before its next turn is due. A ring is never missed: who is busy hears it afterwards, once
//! for however many there were.

use std::collections::BTreeMap;

use tokio::sync::watch;

/// Wakes one loop.
pub struct Bell(watch::Sender<()>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Bell {
    /// Rings.
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    /// An ear that hears every ring from now on.
    pub fn ear(&self) -> Ear {
        Ear(self.0.subscribe())
    }
}

/// Hears one bell.
pub struct Ear(watch::Receiver<()>);

impl Ear {
    /// Waits until the bell has rung since the last time.
    pub async fn heard(&mut self) {
        if self.0.changed().await.is_err() {
            // The daemon is being torn down: nobody rings any more.
            std::future::pending::<()>().await;
        }
    }
}

/// The bells of the daemon's loops.
#[derive(Default)]
pub struct Bells {
    decisions: Bell,
    listening: BTreeMap<String, Bell>,
    deliveries: BTreeMap<String, Bell>,
    handed: BTreeMap<String, Bell>,
}

impl Bells {
    /// Bells for these connections.
    pub fn new(connections: &[String]) -> Self {
        let each = || connections.iter().map(|name| (name.clone(), Bell::default())).collect();
        Self { decisions: Bell::default(), listening: each(), deliveries: each(), handed: each() }
    }

    /// For whoever decides: a record came in, or a person spoke.
    pub fn decisions(&self) -> &Bell {
        &self.decisions
    }

    /// For whoever reads a connection: one of its records may have changed.
    pub fn listening(&self, connection: &str) -> Option<&Bell> {
        self.listening.get(connection)
    }

    /// For whoever delivers to a connection: something is to be written.
    pub fn deliveries(&self, connection: &str) -> Option<&Bell> {
        self.deliveries.get(connection)
    }

    /// For whoever sends what is claimed already.
    pub fn handed(&self, connection: &str) -> Option<&Bell> {
        self.handed.get(connection)
    }

    /// A person did something: everybody looks.
    pub fn all(&self) {
        self.decisions.ring();
        self.listening.values().chain(self.deliveries.values()).for_each(Bell::ring);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_busy_hears_a_ring_afterwards_and_once() {
        let bells = Bells::new(&["jira".into()]);
        let bell = bells.listening("jira").unwrap();
        let mut ear = bell.ear();
        bell.ring();
        bell.ring();
        ear.heard().await;
        assert!(futures_util::FutureExt::now_or_never(ear.heard()).is_none(), "one ring was heard twice");
        bells.all();
        ear.heard().await;
    }
}
