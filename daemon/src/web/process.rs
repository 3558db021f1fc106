//! Metrics of the process itself: its version, its loops and their turns, and who guesses tokens.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::guesses::Guesses;
use crate::environment::Environment;

type Labels = Vec<(String, String)>;

/// Adds them to what is shown.
pub(super) fn register(registry: &mut Registry, env: &Environment, guesses: &Guesses) {
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("milestoned_build", "What runs", version);
    let (wrong, unheard) = guesses.counts();
    for (name, help, count) in [
        ("milestoned_wrong_tokens", "Wrong tokens that were shown", wrong),
        ("milestoned_unheard_requests", "Requests of addresses that had shown too many wrong tokens", unheard),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(count);
        registry.register(name, help, counter);
    }
    let turns = Family::<Labels, Counter<u64, AtomicU64>>::default();
    let [age, late, failing] = [(); 3].map(|()| Family::<Labels, Gauge>::default());
    for health in env.loops.health(Instant::now()) {
        let labels = vec![("loop".to_owned(), health.name.clone())];
        turns.get_or_create(&labels).inc_by(health.turns);
        age.get_or_create(&labels).set(seconds(health.age));
        late.get_or_create(&labels).set(seconds(health.late()));
        failing.get_or_create(&labels).set(seconds(health.failing));
    }
    registry.register("milestoned_loop_turns", "Turns that a loop has made", turns);
    registry.register("milestoned_loop_turn_age_seconds", "Seconds since a loop has ended a turn", age);
    registry.register("milestoned_loop_late_seconds", "Seconds by which a turn takes longer than it may", late);
    registry.register("milestoned_loop_failing_seconds", "Seconds for which every turn of a loop has failed", failing);
}

fn seconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
