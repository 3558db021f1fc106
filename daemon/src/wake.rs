//! Wake-ups: what wakes a loop before its next turn is due. None is missed: a loop that was busy gets it afterwards, once
//! for however many there were.

use std::collections::BTreeMap;

use tokio::sync::watch;

/// Wakes one loop.
pub struct WakeUp(watch::Sender<()>);

impl Default for WakeUp {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl WakeUp {
    /// Wakes whoever waits, and whoever is busy once it is done.
    pub fn send(&self) {
        self.0.send_replace(());
    }

    /// Somebody who gets every wake-up from now on.
    pub fn waiter(&self) -> Waiter {
        Waiter(self.0.subscribe())
    }
}

/// Waits for one kind of wake-up.
pub struct Waiter(watch::Receiver<()>);

impl Waiter {
    /// Waits until a wake-up has been sent since the last time.
    pub async fn woken(&mut self) {
        if self.0.changed().await.is_err() {
            // The daemon is being torn down: nobody sends any more.
            std::future::pending::<()>().await;
        }
    }
}

/// The wake-ups of the daemon's loops.
#[derive(Default)]
pub struct WakeUps {
    decisions: WakeUp,
    reading: BTreeMap<String, WakeUp>,
    deliveries: BTreeMap<String, WakeUp>,
    leased: BTreeMap<String, WakeUp>,
}

impl WakeUps {
    /// Wake-ups for these connections.
    pub fn new(connections: &[String]) -> Self {
        let each = || connections.iter().map(|name| (name.clone(), WakeUp::default())).collect();
        Self { decisions: WakeUp::default(), reading: each(), deliveries: each(), leased: each() }
    }

    /// For whoever decides: a record came in, or a person acted.
    pub fn decisions(&self) -> &WakeUp {
        &self.decisions
    }

    /// For whoever reads a connection: one of its records may have changed.
    pub fn reading(&self, connection: &str) -> Option<&WakeUp> {
        self.reading.get(connection)
    }

    /// For whoever delivers to a connection: something is to be written.
    pub fn deliveries(&self, connection: &str) -> Option<&WakeUp> {
        self.deliveries.get(connection)
    }

    /// For whoever sends what is leased already.
    pub fn leased(&self, connection: &str) -> Option<&WakeUp> {
        self.leased.get(connection)
    }

    /// A person did something: everybody looks.
    pub fn send_all(&self) {
        self.decisions.send();
        self.reading.values().chain(self.deliveries.values()).for_each(WakeUp::send);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_busy_is_woken_afterwards_and_once() {
        let wake_ups = WakeUps::new(&["jira".into()]);
        let wake_up = wake_ups.reading("jira").unwrap();
        let mut waiter = wake_up.waiter();
        wake_up.send();
        wake_up.send();
        waiter.woken().await;
        assert!(futures_util::FutureExt::now_or_never(waiter.woken()).is_none(), "one wake-up was taken twice");
        wake_ups.send_all();
        waiter.woken().await;
    }
}
