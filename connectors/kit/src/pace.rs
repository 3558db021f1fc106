//! The pace of calls: as many as a vendor allows, and never one more.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::SignedDuration;
use serde::Deserialize;

/// Share of a window, in percent, that is given away so that no jitter on the way makes a call too many.
const MARGIN: u32 = 4;

/// So many requests in such a time, wherever the time begins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Requests, at least 1.
    pub requests: u32,
    /// The time.
    pub per: SignedDuration,
    /// Only calls of this class; absent: all calls.
    #[serde(default)]
    pub calls: Option<String>,
}

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Windows that hold at once.
pub struct Pace<C: Clock = DefaultClock> {
    windows: Vec<(Option<String>, Limiter<C>)>,
    clock: C,
}

impl Pace {
    /// A pace by the machine's clock.
    ///
    /// # Errors
    /// Which window cannot be, and why.
    pub fn new(windows: &[Window]) -> Result<Self, String> {
        // What the processor's counter is good for is asked once: in a virtual machine the question is a slow one.
        static CLOCK: LazyLock<DefaultClock> = LazyLock::new(DefaultClock::default);
        Self::by(windows, CLOCK.clone())
    }
}

impl<C: Clock + Clone> Pace<C> {
    /// A pace by a clock.
    ///
    /// # Errors
    /// Which window cannot be, and why.
    pub fn by(windows: &[Window], clock: C) -> Result<Self, String> {
        let mut limiters = Vec::new();
        for window in windows {
            let wrong = |reason: &str| format!("{} in {:#}: {reason}", window.requests, window.per);
            let requests = NonZeroU32::new(window.requests).ok_or_else(|| wrong("at least one request"))?;
            let per = Duration::try_from(window.per).map_err(|_| wrong("the time must be positive"))?;
            let quota = quota(requests, per).ok_or_else(|| wrong("the time is too short"))?;
            limiters.push((window.calls.clone(), RateLimiter::direct_with_clock(quota, clock.clone())));
        }
        Ok(Self { windows: limiters, clock })
    }

    /// Waits until one more call of this class is within every window. `sleep` lets time pass.
    pub async fn wait<S, F>(&self, calls: Option<&str>, sleep: S)
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        for (only, limiter) in &self.windows {
            if only.is_some() && only.as_deref() != calls {
                continue;
            }
            while let Err(not_until) = limiter.check() {
                sleep(not_until.wait_time_from(self.clock.now())).await;
            }
        }
    }
}

/// What a window comes to: with a burst of `b` and a call every `p`, no span of the window's length holds more than
/// `b + length / p` calls.
fn quota(requests: NonZeroU32, per: Duration) -> Option<Quota> {
    let spare = requests.get().saturating_mul(MARGIN).checked_div(100).unwrap_or(0);
    let burst = NonZeroU32::new(spare).unwrap_or(NonZeroU32::MIN);
    // In thousandths of a request, so that the margin holds for small windows too.
    let steady =
        u128::from(requests.get()).saturating_mul(u128::from(100_u32.saturating_sub(MARGIN))).saturating_mul(10);
    let nanos = per.as_nanos().saturating_mul(1000).checked_div(steady.max(1))?;
    let every = Duration::from_nanos(u64::try_from(nanos).ok()?);
    Some(Quota::with_period(every)?.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::{FakeRelativeClock, Reference};

    fn window(requests: u32, seconds: i64) -> Window {
        Window { requests, per: SignedDuration::from_secs(seconds), calls: None }
    }

    /// Instants, in milliseconds, of the calls of a backlog within ten minutes.
    fn backlog(windows: &[Window], calls: Option<&str>) -> Vec<u128> {
        let clock = FakeRelativeClock::default();
        let (start, pace) = (clock.now(), Pace::by(windows, clock.clone()).unwrap());
        let mut at = Vec::new();
        loop {
            let waited = pace.wait(calls, |time| {
                clock.advance(time.max(Duration::from_nanos(1)));
                std::future::ready(())
            });
            run(waited);
            let now = Duration::from(clock.now().duration_since(start)).as_millis();
            if now >= 600_000 {
                return at;
            }
            at.push(now);
        }
    }

    /// Every wait is over at once: the fake clock has moved.
    fn run(future: impl Future<Output = ()>) {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::pin!(future).poll(&mut context).is_ready());
    }

    fn most_in(at: &[u128], length: u128) -> usize {
        (0..at.len())
            .map(|first| at[first..].iter().take_while(|&&one| one < at[first] + length).count())
            .max()
            .unwrap()
    }

    #[test]
    fn a_backlog_uses_nearly_all_of_a_window_and_never_more() {
        for (requests, seconds) in [(10, 1), (500, 60), (40, 60), (1, 1), (65_000, 3600)] {
            let at = backlog(&[window(requests, seconds)], None);
            let length = u128::try_from(seconds).unwrap() * 1000;
            assert!(most_in(&at, length) <= requests as usize, "{requests} in {seconds} s: too many");
            let allowed = u128::from(requests) * 600_000 / length;
            assert!(at.len() as u128 * 100 >= allowed * 95, "{requests} in {seconds} s: {} of {allowed}", at.len());
        }
    }

    #[test]
    fn all_windows_hold_at_once_and_a_class_has_its_own() {
        let windows = [window(500, 60), window(10, 1), Window { calls: Some("batch".into()), ..window(40, 60) }];
        let (plain, batch) = (backlog(&windows, None), backlog(&windows, Some("batch")));
        assert!(most_in(&plain, 60_000) <= 500 && most_in(&plain, 1000) <= 10 && plain.len() >= 4750);
        assert!(most_in(&batch, 60_000) <= 40 && batch.len() >= 380, "{}", batch.len());
    }

    #[test]
    fn a_window_that_cannot_be_is_refused() {
        assert!(Pace::new(&[window(0, 1)]).is_err_and(|reason| reason.contains("at least one request")));
        assert!(Pace::new(&[window(1, 0)]).is_err());
    }
}
