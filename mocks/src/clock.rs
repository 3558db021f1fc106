//! The clock of the simulators: every record time and token expiry comes from here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Takes a lock; a thread that died while it held it left whole records behind, so its lock is taken over.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Source = Arc<dyn Fn() -> Timestamp + Send + Sync>;
type Listener = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Hands {
    fixed: Timestamp,
    source: Option<Source>,
    listeners: Vec<Listener>,
}

/// A clock that stands still until it is set; the standalone program makes it follow real time.
#[derive(Clone, Default)]
pub struct SimClock(Arc<Mutex<Hands>>);

impl SimClock {
    /// A clock standing at `now`.
    pub fn new(now: Timestamp) -> SimClock {
        let clock = SimClock::default();
        held(&clock.0).fixed = now;
        clock
    }

    /// The time of the simulated world.
    pub fn now(&self) -> Timestamp {
        let hands = held(&self.0);
        hands.source.as_ref().map_or(hands.fixed, |source| source())
    }

    /// Puts the hands to `now`; they stay there. Writes that were promised for an earlier time land.
    pub fn set(&self, now: Timestamp) {
        let listeners = {
            let mut hands = held(&self.0);
            hands.fixed = now;
            hands.source = None;
            hands.listeners.clone()
        };
        for listener in listeners {
            listener();
        }
    }

    /// Lets the clock follow `source` until it is set.
    pub fn follow(&self, source: impl Fn() -> Timestamp + Send + Sync + 'static) {
        held(&self.0).source = Some(Arc::new(source));
    }

    /// True while the clock follows a source instead of standing where it was set.
    pub fn follows(&self) -> bool {
        held(&self.0).source.is_some()
    }

    pub(crate) fn millis(&self) -> i64 {
        self.now().as_millisecond()
    }

    pub(crate) fn on_set(&self, listener: impl Fn() + Send + Sync + 'static) {
        held(&self.0).listeners.push(Arc::new(listener));
    }
}
