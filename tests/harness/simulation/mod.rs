//! The whole of milestoned under a seed: daemon, store, connectors, simulated vendors and the lines between them run in
//! one thread, by one simulated clock. A seed and a commit reproduce a run to the byte.
//!
//! # Failure conditions
//! Written before anything else; `oracle` checks them.
//! 1. Two live documents of one number in the simulated ERP, at any moment.
//! 2. A document in the ERP before its milestone was ever accepted, at any moment.
//! 3. Once troubles have stopped: a milestone that is accepted with its document, and that nothing holds, has no invoice.
//! 4. Once troubles have stopped: the ERP holds something else than the daemon's rules say, by number, kind, amount and
//!    date. Amounts are distinct powers of two, so that the sum shows which one is double or missing.
//! 5. A replay of the facts gives other bytes than the state.
//! 6. The audit chain is broken.
//! 7. A fact without a decision, a hint that was acknowledged and never followed, a delivery that is neither done nor
//!    parked for a person.
//! 8. A payment that the ERP holds and the contract does not, or the other way round.
//! 9. The daemon does not come to rest.
//!
//! # No failures
//! A delivery that is parked after a long outage: a person releases it, as its remedy says. An exception that people's
//! changes have caused. An invoice that the accountant has voided: it stays void, and is reported.
//!
//! # What is not simulated
//! Torn and lost writes below SQLite, other processes, real sockets, mail: other harnesses do these.

mod operations;
mod oracle;
mod wire;
mod world;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use world::World;

/// What a run did, and what was wrong.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How the run failed; `None`: it did not.
    pub violation: Option<String>,
    /// What happened, in order: operations, troubles, crashes.
    pub diary: Vec<String>,
    /// Operations by name.
    pub operations: BTreeMap<&'static str, u64>,
    /// Troubles by name.
    pub troubles: BTreeMap<String, u64>,
    /// Crashes and restarts.
    pub crashes: u64,
    /// Steps between which a crash may fall.
    pub steps: u64,
    /// Requests to simulated vendors.
    pub requests: u64,
    /// Documents that the simulated ERP holds at the end.
    pub documents: u64,
    /// Simulated time, in hours.
    pub hours: i64,
}

/// How many operations a run has. Most are short: they find more in the same time. One of sixteen is long.
fn length(dice: &mut StdRng) -> u32 {
    if dice.random_ratio(1, 16) { dice.random_range(12..30) } else { dice.random_range(1..7) }
}

/// The time to what happens next: seconds as often as minutes and hours.
fn gap(dice: &mut StdRng) -> SignedDuration {
    let most = 1_i64 << dice.random_range(1..14);
    SignedDuration::from_secs(dice.random_range(1..=most))
}

/// Runs one seed.
///
/// # Errors
/// The simulation itself could not be set up: no finding about the daemon.
pub fn run(seed: u64) -> anyhow::Result<Outcome> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut world = World::open(&mut dice)?;
    let started = world.now();
    let violation = play(&mut world, &mut dice).err().map(|error| format!("{error:#}"));
    let mut outcome = std::mem::take(&mut world.outcome);
    outcome.violation = violation;
    outcome.steps = world.steps();
    outcome.requests = world.requests();
    outcome.documents = u64::try_from(world.documents().len())?;
    outcome.hours = world.now().duration_since(started).as_hours();
    Ok(outcome)
}

fn play(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    operations::file(world)?;
    for _ in 0..length(dice) {
        operations::next(world, dice)?;
        world.advance(gap(dice));
        let patience = dice.random_bool(0.35).then(|| dice.random_range(1..160));
        world.turn(patience)?;
        oracle::always(world)?;
    }
    operations::heal(world)?;
    oracle::at_last(world)
}
