//! One table: which fault, what next, and what a person should do. Its default is the person.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::Class;
use milestoned_mapping::command::DeliveryKey;

use crate::settings::Delivery;

/// What follows from a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing was written: the same again at this instant.
    Again(Timestamp),
    /// It may have been written: ask the remote at this instant, before anything else.
    LookFirst(Timestamp),
    /// A person decides; the sentence says what to do.
    Park(&'static str),
}

/// What follows from a fault of a write. `attempt` counts from 1.
pub fn after(class: &Class, attempt: u32, key: &DeliveryKey, settings: &Delivery, now: Timestamp) -> Next {
    let delay = delay(key.as_str(), attempt, settings);
    let later = |at_least: SignedDuration| now.saturating_add(delay.max(at_least)).unwrap_or(now);
    match class {
        Class::Throttled { until } => {
            // Never earlier than the remote asked, however long that is; being asked to wait is no failed attempt.
            let at = later(SignedDuration::ZERO);
            Next::Again(until.map_or(at, |until| until.max(at)))
        }
        Class::Alike(_) => {
            Next::Park("Say which of them it is, or that it is none of them: the delivery then goes on.")
        }
        Class::Refused => {
            Next::Park("Correct what the remote names, in the agreement or in the remote, then release the delivery.")
        }
        // A remote that is away says nothing about the delivery: a person could only let it go on.
        Class::Unreachable => Next::Again(later(SignedDuration::ZERO)),
        _ if attempt >= settings.attempts => Next::Park(
            "The remote has failed for long. See whether it works, then release the delivery: the remote is asked before anything is sent again.",
        ),
        Class::Unauthorised => Next::Again(later(SignedDuration::from_mins(1))),
        Class::Unanswered | Class::Misunderstood => Next::LookFirst(later(settings.look_after)),
    }
}

/// Delay before the attempt after `attempt`: exponential, jittered, never more than the longest; the same for the same key,
/// so that a restart changes nothing.
pub fn delay(key: &str, attempt: u32, settings: &Delivery) -> SignedDuration {
    let seed = key.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let plain = |duration: SignedDuration| Duration::try_from(duration).unwrap_or(Duration::from_secs(1));
    let exponent = attempt.saturating_sub(1).min(40);
    let delay = ExponentialBuilder::new()
        .with_min_delay(plain(settings.first_delay))
        // Jitter of up to the delay itself is added: half of `longest_delay` keeps within it.
        .with_max_delay(plain(settings.longest_delay) / 2)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
        .nth(usize::try_from(exponent).unwrap_or(0))
        .unwrap_or(Duration::from_secs(60));
    SignedDuration::try_from(delay).unwrap_or(SignedDuration::from_mins(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Delivery {
        crate::settings::Settings::from_toml("").unwrap().delivery
    }

    #[test]
    fn each_fault_has_its_consequence() {
        let (settings, key, now) = (settings(), DeliveryKey::of(&["k"]), "2026-03-02T10:00:00Z".parse().unwrap());
        let next = |class, attempt| after(&class, attempt, &key, &settings, now);
        assert!(matches!(next(Class::Unreachable, 1), Next::Again(at) if at > now));
        assert!(matches!(next(Class::Unanswered, 1), Next::LookFirst(at) if at >= now + settings.look_after));
        assert!(matches!(next(Class::Misunderstood, 1), Next::LookFirst(_)));
        assert!(matches!(next(Class::Refused, 1), Next::Park(_)));
        assert!(matches!(next(Class::Unreachable, 1_000), Next::Again(at) if at <= now + settings.longest_delay));
        assert!(matches!(next(Class::Unanswered, settings.attempts), Next::Park(_)));
    }

    #[test]
    fn a_remote_that_asks_for_time_gets_all_of_it() {
        let (settings, key, now) = (settings(), DeliveryKey::of(&["k"]), "2026-03-02T10:00:00Z".parse().unwrap());
        let until: Timestamp = "2026-03-03T10:00:00Z".parse().unwrap();
        assert_eq!(after(&Class::Throttled { until: Some(until) }, 99, &key, &settings, now), Next::Again(until));
    }

    #[test]
    fn delays_grow_to_the_longest_and_are_the_same_after_a_restart() {
        let settings = settings();
        let delays: Vec<_> = (1..20).map(|attempt| delay("key", attempt, &settings)).collect();
        assert_eq!(delays, (1..20).map(|attempt| delay("key", attempt, &settings)).collect::<Vec<_>>());
        assert!(delays[0] >= settings.first_delay && delays[18] * 2 >= settings.longest_delay);
        assert!(delays.iter().all(|delay| *delay <= settings.longest_delay), "{delays:?}");
        assert_ne!(delay("key", 3, &settings), delay("another", 3, &settings), "jitter separates deliveries");
    }
}
