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
//! Where a company of people with different rights is simulated ([`Scope::Company`]), also:
//! 15. Somebody does what they may not; or the ERP holds an invoice, or one of an amount, that nobody approved who may, or that
//!     one person approved where two have to.
//! 16. A row that somebody put into the database is acted on, or is not told by `audit verify`; or something is told that
//!     nobody did; or an edited line of the trail is not noticed.
//! 17. Revenue does not stand on the date on which the customer accepted; where that was closed, on an open one.
//! 18. An entry of a closed date has changed; or the entries do not come to the position.
//! 19. Something is invoiced of a milestone that a person holds.
//! 20. What is kept back is invoiced before it is released.
//! 21. What others have billed before, or instead of us, is billed again.
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
mod company;
mod dates;
mod front;
mod intruder;
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

/// What happens in a run, beside troubles, crashes, webhooks and several daemons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// What people do in the vendors' systems, with one controller who may do everything.
    #[default]
    Vendors,
    /// The same, and a company of people with different rights, dates that are told late and closed, and somebody who writes
    /// the database. Its seeds are a series of their own.
    Company,
}

impl Scope {
    /// Its word on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vendors => "vendors",
            Self::Company => "company",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Vendors, Self::Company]
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| "vendors or company".into())
    }
}

/// How many operations a run has. Most are short: they find more in the same time. One of sixteen is long. What a company
/// does hangs together more: an invoice is paid and the payment taken back.
fn length(scope: Scope, dice: &mut StdRng) -> u32 {
    match (scope, dice.random_ratio(1, 16)) {
        (_, true) => dice.random_range(12..30),
        (Scope::Vendors, false) => dice.random_range(1..7),
        (Scope::Company, false) => dice.random_range(2..14),
    }
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
pub fn run(scope: Scope, seed: u64) -> anyhow::Result<Outcome> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut world = World::open(scope, &mut dice)?;
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
    for _ in 0..length(world.scope, dice) {
        match world.scope {
            Scope::Vendors => operations::next(world, dice)?,
            Scope::Company => operations::next_in_company(world, dice)?,
        }
        world.advance(gap(dice));
        let patience = dice.random_bool(0.35).then(|| dice.random_range(1..160));
        world.turn(patience)?;
        oracle::always(world)?;
    }
    operations::heal(world, dice)?;
    oracle::at_last(world)?;
    match world.scope {
        Scope::Vendors => Ok(()),
        Scope::Company => intruder::edits_the_trail(world, dice),
    }
}
