//! Several daemons over one database. The dice say which of them takes the next step; one may be stopped in the middle
//! of whatever it does for longer than its leases last, and then go on; one may die and come back as another.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use milestoned::app::App;
use milestoned::store::StoreError;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::people;
use super::wire::{RESTLESS, is_next};
use super::world::World;

/// What a daemon writes that follows from what it read before, or was told: it is best stopped between the two.
const CONCLUSIONS: [&str; 4] = ["record_page", "land_batch", "settle_records", "settle"];

/// What a daemon is in the middle of.
type Turn = Pin<Box<dyn Future<Output = Result<(), StoreError>>>>;

/// One of several daemons.
pub(super) struct Replica {
    app: Arc<App>,
    /// As whom vendors see it.
    sender: u64,
    turn: Option<Turn>,
    /// It is stopped until then.
    asleep: Option<Timestamp>,
}

impl Replica {
    pub(super) fn new(app: Arc<App>, sender: u64) -> Self {
        Self { app, sender, turn: None, asleep: None }
    }
}

/// Every daemon that is awake takes a turn, step by step, in the order of the dice.
pub(super) fn turn(world: &mut World, patience: Option<u64>) -> anyhow::Result<()> {
    let now = world.now();
    for replica in &mut world.replicas {
        if replica.asleep.is_some_and(|until| until <= now || world.calm) {
            replica.asleep = None;
            world.lines.seen(|witness| witness.goes_on(replica.sender, true));
        }
        if replica.asleep.is_none() && replica.turn.is_none() {
            let app = Arc::clone(&replica.app);
            replica.turn = Some(Box::pin(async move { app.settle().await }));
        }
    }
    let mut stop = (!world.calm && world.fate.random_bool(0.4)).then(|| world.fate.random_range(1..200_u64));
    let mut before = world.stop_before.take();
    let mut taken = 0_u64;
    loop {
        let awake: Vec<usize> = world
            .replicas
            .iter()
            .enumerate()
            .filter(|(_, replica)| replica.asleep.is_none() && replica.turn.is_some())
            .map(|(place, _)| place)
            .collect();
        if awake.is_empty() {
            return Ok(());
        }
        let Some(&place) = awake.get(world.fate.random_range(0..awake.len())) else { return Ok(()) };
        for _ in 0..world.fate.random_range(1..9) {
            taken = taken.saturating_add(1);
            anyhow::ensure!(taken < RESTLESS, "9: the daemons do not come to rest");
            if patience == Some(taken) {
                die(world, place)?;
                break;
            }
            if stop.take_if(|stop| *stop <= taken).is_some() {
                pause(world, place);
                break;
            }
            if step(world, place)? {
                break;
            }
            if before.take_if(|verb| is_next(verb)).is_some() {
                pause(world, place);
                break;
            }
        }
    }
}

/// One daemon takes a step. Whether its turn is over.
fn step(world: &mut World, place: usize) -> anyhow::Result<bool> {
    world.steps = world.steps.saturating_add(1);
    let Some(replica) = world.replicas.get_mut(place) else { return Ok(true) };
    let Some(turn) = replica.turn.as_mut() else { return Ok(true) };
    let ended = match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => return Ok(false),
        Poll::Ready(ended) => ended,
    };
    replica.turn = None;
    world.lines.seen(|witness| witness.goes_on(replica.sender, false));
    match ended {
        // What its owner would have written is not written; the next turn begins with what is there.
        Err(StoreError::Fenced(duty)) => {
            world.act("fenced", &format!("daemon {place}: {duty}"));
        }
        ended => ended?,
    }
    Ok(true)
}

/// Something changes, and a daemon that has read it is stopped before it writes what follows from it. The same changes
/// again, others take its duties over, and it goes on.
pub(super) fn overtaken(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let verb = CONCLUSIONS[dice.random_range(0..CONCLUSIONS.len())];
    world.act("overtaken", verb);
    // What is accepted is written, and so there is something to settle.
    let deal = (verb != "settle" && dice.random_bool(0.6)).then(|| dice.random_range(0..world.agreements.len()));
    match deal {
        Some(of) => people::spoil_deal(world, dice, of)?,
        None => people::accept(world, dice)?,
    }
    world.advance(SignedDuration::from_mins(6));
    world.stop_before = Some(verb);
    world.turn(None)?;
    match deal {
        Some(of) => people::correct_deal(world, of)?,
        None => people::amend(world, dice)?,
    }
    for minutes in [6, 6, 240] {
        world.advance(SignedDuration::from_mins(minutes));
        world.turn(None)?;
    }
    Ok(())
}

/// A daemon is stopped where it stands, for longer than its leases last.
fn pause(world: &mut World, place: usize) {
    let time = SignedDuration::from_secs(world.fate.random_range(16..14_400));
    world.act("pause", &format!("daemon {place} for {time:#}"));
    let until = world.now().saturating_add(time).unwrap_or(Timestamp::MAX);
    if let Some(replica) = world.replicas.get_mut(place) {
        replica.asleep = Some(until);
    }
}

/// A daemon dies where it stands, and another takes its place.
fn die(world: &mut World, place: usize) -> anyhow::Result<()> {
    world.outcome.crashes = world.outcome.crashes.saturating_add(1);
    world.outcome.diary.push(format!("{} daemon {place} dies", world.now()));
    let (app, sender) = world.member()?;
    if let Some(replica) = world.replicas.get_mut(place) {
        *replica = Replica::new(app, sender);
    }
    Ok(())
}

/// All of them stop and start again, with the settings of now.
pub(super) fn restart_all(world: &mut World) -> anyhow::Result<()> {
    for place in 0..world.replicas.len() {
        die(world, place)?;
    }
    Ok(())
}
