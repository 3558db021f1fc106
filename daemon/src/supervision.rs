//! Supervision of the daemon's loops: one that ends by itself ends the process, so that whoever started it starts it
//! again; one that makes no turn for too long is told by `/readyz`, by the metrics, and by a watchdog that is not fed; one whose
//! turns all fail is told by `/readyz` and the metrics.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinError, JoinSet};

/// How long all turns of a loop may fail before it is told: a single failure, such as a lost connection, mends itself.
const FAILING_AT_MOST: Duration = Duration::from_secs(60);

/// The loops of the daemon and their turns. A daemon whose turns somebody else makes (the demo, tests) has none.
#[derive(Debug, Default)]
pub struct Loops(Mutex<BTreeMap<String, Turns>>);

#[derive(Debug, Clone, Copy)]
struct Turns {
    made: u64,
    last: Instant,
    at_most: Duration,
    /// Since when every turn has failed.
    failing: Option<Instant>,
}

/// How one loop is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopHealth {
    /// Its name, such as `decisions` or `deliveries netsuite 1`.
    pub name: String,
    /// Turns since the start.
    pub turns: u64,
    /// Time since its last turn ended; since its start where it has made none.
    pub age: Duration,
    /// How long a turn may take before the loop counts as stalled.
    pub at_most: Duration,
    /// For how long every turn has failed.
    pub failing: Duration,
}

impl LoopHealth {
    /// How much longer than allowed its turn takes.
    pub fn late(&self) -> Duration {
        self.age.saturating_sub(self.at_most)
    }

    /// Whether its turns have failed for longer than a failure lasts that mends itself.
    pub fn keeps_failing(&self) -> bool {
        self.failing > FAILING_AT_MOST
    }

    /// Whether its turn takes longer than allowed.
    pub fn is_stalled(&self) -> bool {
        !self.late().is_zero()
    }
}

impl Loops {
    fn turns(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Turns>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop begins at an instant; each of its turns may take so long.
    pub fn begin(&self, name: &str, at_most: Duration, now: Instant) {
        self.turns().insert(name.to_owned(), Turns { made: 0, last: now, at_most, failing: None });
    }

    /// A loop has made a turn, and whether it went well.
    pub fn turned(&self, name: &str, went_well: bool, now: Instant) {
        if let Some(turns) = self.turns().get_mut(name) {
            (turns.made, turns.last) = (turns.made.saturating_add(1), now);
            turns.failing = if went_well { None } else { Some(turns.failing.unwrap_or(now)) };
        }
    }

    /// How every loop is doing at an instant, by name.
    pub fn health(&self, now: Instant) -> Vec<LoopHealth> {
        let health = |(name, turns): (&String, &Turns)| LoopHealth {
            name: name.clone(),
            turns: turns.made,
            age: now.saturating_duration_since(turns.last),
            at_most: turns.at_most,
            failing: turns.failing.map(|since| now.saturating_duration_since(since)).unwrap_or_default(),
        };
        self.turns().iter().map(health).collect()
    }

    /// Loops whose turn takes longer than allowed.
    pub fn stalled(&self, now: Instant) -> Vec<LoopHealth> {
        self.health(now).into_iter().filter(LoopHealth::is_stalled).collect()
    }
}

/// A part of the daemon that ended although nobody had asked it to.
#[derive(Debug, thiserror::Error)]
#[error("{part} has ended: {reason}; the process ends, to be started again")]
pub struct Ended {
    /// Which part.
    pub part: String,
    /// Why.
    pub reason: String,
}

/// Runs the parts of the daemon.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: JoinSet<anyhow::Result<()>>,
    names: BTreeMap<Id, String>,
}

impl Supervisor {
    /// Starts a part.
    pub fn start(&mut self, name: &str, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let task = self.tasks.spawn(part);
        self.names.insert(task.id(), name.to_owned());
    }

    /// Waits until a part ends, which none does before the daemon stops: by a panic, by an error, or by returning.
    pub async fn first_end(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(outcome) => self.ended(outcome),
            // There is nothing that could end.
            None => std::future::pending().await,
        }
    }

    /// Waits until every part has finished its turn. Gives those that did not do so in good order.
    pub async fn finish(mut self) -> Vec<Ended> {
        let mut failed = Vec::new();
        while let Some(outcome) = self.tasks.join_next_with_id().await {
            if !matches!(outcome, Ok((_, Ok(())))) {
                failed.push(self.ended(outcome));
            }
        }
        failed
    }

    fn ended(&self, outcome: Result<(Id, anyhow::Result<()>), JoinError>) -> Ended {
        let (id, reason) = match outcome {
            Ok((id, Ok(()))) => (id, "it returned".to_owned()),
            Ok((id, Err(error))) => (id, format!("{error:#}")),
            // The panic itself was logged where it happened.
            Err(error) if error.is_panic() => (error.id(), "it panicked".to_owned()),
            Err(error) => (error.id(), "it was cancelled".to_owned()),
        };
        Ended { part: self.names.get(&id).cloned().unwrap_or_default(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_fails_or_returns_is_named() {
        let mut supervisor = Supervisor::default();
        supervisor.start("reports", std::future::pending());
        supervisor.start("decisions", async { panic!("an addition overflowed") });
        assert_eq!(
            supervisor.first_end().await.to_string().split(';').next(),
            Some("decisions has ended: it panicked")
        );
        supervisor.start("http", async { anyhow::bail!("the listener is gone") });
        assert_eq!(supervisor.first_end().await.reason, "the listener is gone");
        supervisor.start("mail", async { Ok(()) });
        assert_eq!(supervisor.first_end().await.part, "mail");
    }

    #[test]
    fn a_loop_that_makes_no_turn_in_its_time_is_stalled_until_it_makes_one() {
        let (loops, begin) = (Loops::default(), Instant::now());
        loops.begin("decisions", Duration::from_secs(60), begin);
        loops.begin("reports", Duration::from_secs(600), begin);
        let later = begin + Duration::from_secs(90);
        let stalled = loops.stalled(later);
        assert_eq!(
            stalled.iter().map(|part| (part.name.as_str(), part.late().as_secs())).collect::<Vec<_>>(),
            [("decisions", 30)]
        );
        loops.turned("decisions", true, later);
        assert!(loops.stalled(later).is_empty());
        assert_eq!(loops.health(later)[0].turns, 1);
    }

    #[test]
    fn a_loop_whose_turns_all_fail_is_told_until_one_goes_well() {
        let (loops, begin) = (Loops::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        loops.begin("decisions", Duration::from_secs(60), begin);
        let told = |seconds| loops.health(at(seconds))[0].keeps_failing();
        loops.turned("decisions", false, at(10));
        assert!(!told(30), "a lost connection mends itself");
        loops.turned("decisions", false, at(80));
        assert!(told(80));
        loops.turned("decisions", true, at(81));
        assert!(!told(300));
    }
}
