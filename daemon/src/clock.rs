//! Where the daemon's time comes from: the only place that reads the machine's clock.

use std::sync::Mutex;

use jiff::Timestamp;
pub use milestoned_connector_kit::Clock;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        #[cfg(feature = "failpoints")]
        let now = now.saturating_add(set_off()).unwrap_or(now);
        now
    }
}

/// How wrong a harness wants the machine's clock to be: the file that `MILESTONED_CLOCK` names holds milliseconds.
#[cfg(feature = "failpoints")]
fn set_off() -> jiff::SignedDuration {
    static FILE: std::sync::OnceLock<Option<std::path::PathBuf>> = std::sync::OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("MILESTONED_CLOCK").map(Into::into));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    jiff::SignedDuration::from_millis(text.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
}

/// A clock that somebody sets: `milestoned demo` and the tests. It never runs backwards.
#[derive(Debug)]
pub struct SetClock(Mutex<Timestamp>);

impl SetClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock forward to `now`; earlier instants change nothing.
    pub fn set(&self, now: Timestamp) {
        let mut current = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = now.max(*current);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
