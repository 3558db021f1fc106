//! The whole of milestoned under a seed: daemon, store, connectors, simulated vendors and the lines between them run in
//! one thread, by one simulated clock. A seed and a commit reproduce a run to the byte.
//!
//! # Failure conditions
//! Written before anything else; `oracle`, `books` and `witness` check them.
//! 1. Two live documents of one number in the simulated ERP, at any moment.
//! 2. A document in the ERP before its milestone was ever accepted, at any moment.
//! 3. Once troubles have stopped: a milestone that is accepted with its document, and that nothing holds, has no invoice.
//! 4. Once troubles have stopped: the ERP holds something else than the daemon's rules say, by number, kind, currency,
//!    amount and date; or what it holds for a milestone does not come to what is agreed. Amounts are distinct powers of
//!    two, so that the sum shows which one is double or missing. What an accountant deleted is written again.
//! 5. A replay of the facts gives other bytes than the state.
//! 6. The audit chain is broken, or lacks a document that was issued or a delivery that was carried out.
//! 7. A fact without a decision; a webhook that was acknowledged and whose record was never read after it, or one that
//!    the vendor has not signed and is taken; a delivery that is neither done nor parked for a person.
//! 8. A payment that the ERP holds and the contract does not, or the other way round.
//! 9. The daemon does not come to rest, or does not answer a person.
//! 10. An entry in the ERP does not balance; deferred + revenue - contract asset - unbilled is not what is billed;
//!     revenue is not what was accepted.
//! 11. A drift after billing (an invoice voided, changed or deleted in the ERP; a deal reopened or changed; an issue
//!     deleted) has no exception; or one that holds invoices is open, and nobody has caused it.
//! 12. The project tool shows another billing status than the contract has, but for one whose invoice the ERP has otherwise.
//! 13. A write is sent again before the vendor was asked what became of it, or it was asked too early for a slow commit.
//! 14. What somebody changed in the ERP, before the daemon knew that it was written, is taken for what was written.
//!
//! What a daemon that was stopped within a turn writes when it goes on with that turn is the vendor's to refuse: 12 and 13
//! do not judge these writes, and nothing else of the run is spared.
//!
//! # No failures
//! A delivery that is parked after a long outage: a person releases it, as its remedy says. An exception that people's
//! changes have caused. What an accountant has changed stays as it is, and is reported. A company that must be connected
//! again, because a crash has cost the refresh token: a person does so.
//!
//! # What is not simulated
//! Torn and lost writes below SQLite, real sockets, mail: other harnesses do these. Several daemons share PostgreSQL in
//! production; here they share SQLite in the one thread, whose leases and fences are the same.

mod accountant;
mod agreement;
mod books;
mod front;
mod operations;
mod oracle;
mod people;
mod replicas;
mod wire;
mod witness;
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
    outcome.steps = world.steps;
    outcome.requests = world.requests();
    outcome.documents = u64::try_from(world.documents().len())?;
    outcome.hours = world.now().duration_since(started).as_hours();
    Ok(outcome)
}

fn play(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    operations::begin(world)?;
    for _ in 0..length(dice) {
        operations::next(world, dice)?;
        world.advance(gap(dice));
        let patience = dice.random_bool(0.35).then(|| dice.random_range(1..160));
        world.turn(patience)?;
        oracle::always(world)?;
    }
    operations::heal(world, dice)?;
    oracle::at_last(world)
}
