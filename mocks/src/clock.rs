//! The clock of the simulators: every record time and token expiry comes from here.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

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
    /// The hands stand although there is a source.
    standing: bool,
    listeners: Vec<Listener>,
}

/// A clock that stands still until it is set; the standalone program makes it follow real time.
#[derive(Clone, Default)]
pub struct SimClock {
    hands: Arc<Mutex<Hands>>,
    /// Milliseconds by which this view of the clock is wrong.
    skew: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock standing at `now`.
    pub fn new(now: Timestamp) -> SimClock {
        let clock = SimClock::default();
        held(&clock.hands).fixed = now;
        clock
    }

    /// The time of the simulated world.
    pub fn now(&self) -> Timestamp {
        let now = {
            let hands = held(&self.hands);
            hands.source.as_ref().filter(|_| !hands.standing).map_or(hands.fixed, |source| source())
        };
        let skew = SignedDuration::from_millis(self.skew.load(Ordering::Relaxed));
        now.checked_add(skew).unwrap_or(now)
    }

    /// The same hands, seen by a system whose own clock may be wrong.
    pub(crate) fn view(&self) -> SimClock {
        SimClock { hands: Arc::clone(&self.hands), skew: Arc::default() }
    }

    /// Lets this view be wrong by so many milliseconds; gives by how many it was before.
    pub(crate) fn skew(&self, ms: i64) -> i64 {
        self.skew.swap(ms, Ordering::Relaxed)
    }

    /// Puts the hands to `now`; they stay there. Writes that were promised for an earlier time land.
    pub fn set(&self, now: Timestamp) {
        let listeners = {
            let mut hands = held(&self.hands);
            hands.fixed = now;
            hands.standing = true;
            hands.listeners.clone()
        };
        for listener in listeners {
            listener();
        }
    }

    /// Lets the clock follow `source` until it is set.
    pub fn follow(&self, source: impl Fn() -> Timestamp + Send + Sync + 'static) {
        let mut hands = held(&self.hands);
        hands.source = Some(Arc::new(source));
        hands.standing = false;
    }

    /// Goes on following what the clock followed before it was set; false if it never followed anything.
    pub fn resume(&self) -> bool {
        let mut hands = held(&self.hands);
        hands.standing = hands.source.is_none();
        !hands.standing
    }

    /// True while the clock follows a source instead of standing where it was set.
    pub fn follows(&self) -> bool {
        let hands = held(&self.hands);
        hands.source.is_some() && !hands.standing
    }

    pub(crate) fn millis(&self) -> i64 {
        self.now().as_millisecond()
    }

    pub(crate) fn on_set(&self, listener: impl Fn() + Send + Sync + 'static) {
        held(&self.hands).listeners.push(Arc::new(listener));
    }
}

/// `Tue, 24 Nov 2026 12:00:00 GMT`
pub(crate) fn http_date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A time as HTTP headers write it.
pub(crate) fn read_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}
