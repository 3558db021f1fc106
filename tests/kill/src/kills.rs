//! `kill -9` at random moments, thousands of times: in start-up and recovery, between any two steps of any loop.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use milestoned_tests::WEBHOOK_SECRET;
use milestoned_tests::postgres::Cluster;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use serde::Serialize;

use crate::daemon::{Daemon, Program, client};
use crate::script::{DAYS, Script, Taken};
use crate::view::{Reports, View, complaints, report_differences, reports};
use crate::world::{World, pause};

/// How long a day may take before it counts as stuck.
const STUCK: Duration = Duration::from_secs(120);
/// Nothing has changed for so many looks, each after a webhook: the day is over. Longer than the second between two polls.
const QUIET: u32 = 20;
/// How much the clock is put forward at each look.
const PACE: jiff::SignedDuration = jiff::SignedDuration::from_secs(40);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(120);

/// An undisturbed run: what was held after each day, and what was reported in the end.
#[derive(Debug, Clone)]
pub struct Reference {
    days: Vec<Day>,
    reports: Reports,
}

impl Reference {
    /// Invoices in the end.
    pub fn invoices(&self) -> usize {
        self.days.last().map_or(0, |day| day.view.invoices())
    }
}

/// Where things stand when a day is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Day {
    /// What the simulated systems hold.
    pub(crate) view: View,
    /// What the daemon says about each contract.
    contracts: Vec<String>,
}

/// What kills have shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Kills.
    pub kills: u64,
    /// Of these before the daemon accepted connections: in start-up, migration, recovery.
    pub before_accepting: u64,
    /// Whole runs of the script.
    pub runs: u64,
    /// Invoices that the simulated ERPs hold in the end of all runs.
    pub invoices: u64,
    /// Webhooks, contracts, amendments and facts that the daemon had said that it took.
    pub taken: u64,
    /// Milliseconds from the start of the process to its first answer, sorted.
    #[serde(skip)]
    pub restarts: Vec<u64>,
    /// What was wrong; empty: nothing.
    pub violations: Vec<String>,
}

impl Report {
    /// The time from start to accepting that so many of a hundred restarts did not exceed, in milliseconds.
    pub fn restart(&self, percent: usize) -> u64 {
        let place =
            self.restarts.len().saturating_mul(percent).div_euclid(100).min(self.restarts.len().saturating_sub(1));
        self.restarts.get(place).copied().unwrap_or(0)
    }
}

/// How one run of the script is disturbed.
pub trait Trouble {
    /// Keeps a daemon running on the world, however often it dies, until the work is `over`. It leaves one running.
    fn run(&mut self, world: &World, over: &Cell<bool>) -> impl Future<Output = anyhow::Result<Daemon>>;
}

/// Nothing happens to the daemon.
pub struct Calm<'a>(pub &'a Program);

impl Trouble for Calm<'_> {
    async fn run(&mut self, world: &World, over: &Cell<bool>) -> anyhow::Result<Daemon> {
        let mut daemon = Daemon::start(world, self.0, None)?;
        while !over.get() {
            anyhow::ensure!(daemon.is_alive(), "the daemon has died by itself: {:?}", daemon.ended());
            pause(LOOK).await;
        }
        Ok(daemon)
    }
}

/// The daemon is killed until so many kills are done.
struct Kills<'a> {
    program: &'a Program,
    dice: StdRng,
    most: u64,
    report: &'a mut Report,
    told: &'a (dyn Fn(u64) + Sync),
}

impl Trouble for Kills<'_> {
    async fn run(&mut self, world: &World, over: &Cell<bool>) -> anyhow::Result<Daemon> {
        loop {
            let mut daemon = Daemon::start(world, self.program, None)?;
            if over.get() || self.report.kills >= self.most {
                daemon.accepting(Duration::from_secs(20)).await;
                while !over.get() {
                    anyhow::ensure!(daemon.is_alive(), "the daemon has died by itself: {:?}", daemon.ended());
                    pause(LOOK).await;
                }
                return Ok(daemon);
            }
            // A third dies in start-up and recovery, the rest at work, however fast the machine is now.
            let at_start = self.dice.random_range(0..3) == 0;
            let limit = if at_start { self.dice.random_range(0..60) } else { 20_000 };
            match daemon.accepting(Duration::from_millis(limit)).await {
                Some(took) => self.report.restarts.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
                None => self.report.before_accepting = self.report.before_accepting.saturating_add(1),
            }
            anyhow::ensure!(daemon.is_alive(), "the daemon has died by itself: {:?}", daemon.ended());
            if !at_start {
                pause(Duration::from_micros(self.dice.random_range(0..250_000))).await;
            }
            daemon.kill()?;
            self.report.kills = self.report.kills.saturating_add(1);
            (self.told)(self.report.kills);
        }
    }
}

/// The undisturbed run.
///
/// # Errors
/// It does not come to its end.
pub async fn reference(program: &Program, script: Script) -> anyhow::Result<Reference> {
    let world = World::start(None).await?;
    let (mut taken, over, mut days) = (Vec::new(), Cell::new(false), Vec::new());
    let people = async {
        let outcome = people(&world, script, None, &mut taken, &mut days).await;
        over.set(true);
        outcome
    };
    let mut calm = Calm(program);
    let (done, daemon) = tokio::join!(people, calm.run(&world, &over));
    done?;
    drop(daemon?);
    let found = complaints(&world, program)?;
    anyhow::ensure!(found.is_empty(), "the undisturbed run: {found:?}");
    Ok(Reference { days, reports: reports(&world, program, script.contracts)? })
}

/// Mails that came more than once. That one does not come is allowed: what was being sent when the daemon died is not
/// sent again.
fn mails_twice(world: &World) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mails = world.simulators.mail.messages().into_iter();
    let names =
        mails.filter_map(|mail| mail.raw.lines().find(|line| line.starts_with("Message-ID:")).map(str::to_owned));
    names.filter(|name| !seen.insert(name.clone())).map(|name| format!("a mail came twice: {name}")).collect()
}

/// Plays the script's days, each to its end. Without a reference a day is over when nothing moves.
async fn people(
    world: &World,
    script: Script,
    reference: Option<&Reference>,
    taken: &mut Vec<Taken>,
    days: &mut Vec<Day>,
) -> anyhow::Result<()> {
    for day in 0..=DAYS {
        for number in (0..script.contracts).filter(|_| day < DAYS) {
            script.act(world, day, number, taken).await?;
            world.simulators.jira.deliver_webhooks().await?;
        }
        world.simulators.quickbooks.deliver_webhooks().await?;
        let place = usize::try_from(day)?;
        let wanted = reference.and_then(|reference| reference.days.get(place));
        days.push(day_over(world, script, wanted).await.map_err(|why| why.context(format!("day {day}")))?);
        if reference.is_some() {
            set_back(world, days.last()).await?;
        }
        if day < DAYS {
            world.begin_day(day.saturating_add(1))?;
        }
    }
    Ok(())
}

/// The clock is wrong by a day and a half for a while: nothing is done again, nothing is done in the past.
async fn set_back(world: &World, before: Option<&Day>) -> anyhow::Result<()> {
    world.step_clock(jiff::SignedDuration::from_hours(-36))?;
    for _ in 0..4 {
        wake(world).await;
        pause(LOOK).await;
    }
    let differences = before.map(|before| View::of(world).differences(&before.view)).unwrap_or_default();
    anyhow::ensure!(differences.is_empty(), "the clock was set back, and then: {}", differences.join("\n    "));
    Ok(())
}

/// Waits until the simulated systems hold what they should, and the daemon says what it should of every contract; without
/// a wish, until nothing moves.
pub(crate) async fn day_over(world: &World, script: Script, wanted: Option<&Day>) -> anyhow::Result<Day> {
    let (since, mut last, mut quiet) = (Instant::now(), View::default(), 0_u32);
    let mut open: BTreeSet<u32> = (0..script.contracts).collect();
    while since.elapsed() < STUCK {
        // Whatever waits for its time, and the leases of the dead, need not wait for ours.
        world.step_clock(PACE)?;
        wake(world).await;
        pause(LOOK).await;
        let view = View::of(world);
        quiet = if view == last { quiet.saturating_add(1) } else { 0 };
        last = view;
        match wanted {
            Some(wanted) if last == wanted.view => {
                let all: Vec<u32> = open.iter().copied().collect();
                for number in all {
                    let place = usize::try_from(number)?;
                    if crate::view::contract(world, number).await.as_ref() == wanted.contracts.get(place) {
                        open.remove(&number);
                    }
                }
                if open.is_empty() {
                    return Ok(wanted.clone());
                }
            }
            Some(_) => {}
            None if quiet >= QUIET && nothing_waits(world).await => {
                let mut contracts = Vec::new();
                for number in 0..script.contracts {
                    contracts.push(crate::view::contract(world, number).await.unwrap_or_default());
                }
                return Ok(Day { view: last, contracts });
            }
            None => {}
        }
    }
    let differences = wanted.map(|wanted| last.differences(&wanted.view)).unwrap_or_default();
    anyhow::bail!("{STUCK:?} were not enough; other contracts: {open:?}; {}", differences.join("\n    "))
}

/// Whether the daemon has nothing to deliver.
async fn nothing_waits(world: &World) -> bool {
    let answer = crate::daemon::call(&world.url(), "GET", "/v1/deliveries", "", None).await;
    let Some((200, deliveries)) = answer else { return false };
    let waits = |one: &serde_json::Value| {
        one["state"].as_str().is_none_or(|state| ["pending", "sending", "unknown"].contains(&state))
    };
    deliveries.as_array().is_some_and(|all| !all.iter().any(waits))
}

/// A webhook about nothing that concerns us: the daemon looks around at once.
pub(crate) async fn wake(world: &World) {
    let body = "{\"webhookEvent\":\"issue_property_set\"}";
    let Ok(client) = client() else { return };
    let hook = client
        .post(format!("{}/hooks/jira", world.url()))
        .header("x-hub-signature", signed(body))
        .timeout(Duration::from_secs(1))
        .body(body);
    let _ = hook.send().await;
}

/// The name of a webhook in the database: what is signed is what it is known by.
pub(crate) fn delivery_of(body: &str) -> String {
    milestoned_mapping::command::DeliveryKey::of(&[body]).to_string()
}

/// As Jira signs a body.
pub(crate) fn signed(body: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()) else { return String::new() };
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Kills the daemon so many times, over as many runs of the script as that takes, and compares each with the reference.
///
/// # Errors
/// A world cannot be made.
pub async fn run(
    program: &Program,
    script: Script,
    reference: &Reference,
    cluster: Option<&Cluster>,
    (seed, kills): (u64, u64),
    told: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    while report.kills < kills && report.violations.len() < 5 {
        let dice = StdRng::seed_from_u64(seed.wrapping_add(report.runs));
        let world = World::start(cluster).await?;
        let trouble = Kills { program, dice, most: kills, report: &mut report, told };
        let (taken, found) = disturbed(&world, program, script, reference, trouble).await?;
        report.runs = report.runs.saturating_add(1);
        report.taken = report.taken.saturating_add(u64::try_from(taken)?);
        report.invoices = report.invoices.saturating_add(u64::try_from(View::of(&world).invoices())?);
        let run = format!("run {} of seed {seed}", report.runs);
        if !found.is_empty() {
            report.violations.push(format!("{run}: the folder is kept: {}", world.folder.keep().display()));
        }
        report.violations.extend(found.into_iter().map(|what| format!("{run}: {what}")));
    }
    report.restarts.sort_unstable();
    Ok(report)
}

/// One run of the script under trouble. Gives how much was acknowledged, and what was wrong.
///
/// # Errors
/// The harness failed.
pub async fn disturbed(
    world: &World,
    program: &Program,
    script: Script,
    reference: &Reference,
    mut trouble: impl Trouble,
) -> anyhow::Result<(usize, Vec<String>)> {
    let (mut taken, over, mut days, mut found) = (Vec::new(), Cell::new(false), Vec::new(), Vec::new());
    let people = async {
        let outcome = people(world, script, Some(reference), &mut taken, &mut days).await;
        over.set(true);
        outcome
    };
    let (done, daemon) = tokio::join!(people, trouble.run(world, &over));
    found.extend(done.err().map(|why| format!("{why:#}")));
    match daemon {
        Ok(mut daemon) => daemon.kill()?,
        Err(why) => found.push(format!("{why:#}")),
    }
    found.extend(complaints(world, program)?);
    found.extend(report_differences(&reports(world, program, script.contracts)?, &reference.reports));
    taken.extend(crate::taken::webhooks(world));
    found.extend(crate::taken::missing(&world.database, &taken).await?);
    found.extend(mails_twice(world));
    Ok((taken.len(), found))
}
