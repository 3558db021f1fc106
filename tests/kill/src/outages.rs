//! A remote is away for a day while work goes on. Afterwards everything is caught up, within the limits that its vendor
//! publishes and the simulator enforces: nobody has to throttle us, and nobody has to release anything.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use milestoned_mocks::FaultSpec;
use serde::Serialize;

use crate::daemon::{Daemon, Program, call};
use crate::kills::wake;
use crate::script::Script;
use crate::view::{View, complaints};
use crate::world::{World, pause};

/// Remotes that can be away.
pub const REMOTES: [&str; 4] = ["salesforce", "jira", "netsuite", "quickbooks"];
/// The clock is put forward so often during the outage, to a day in all.
const STEPS: u32 = 48;
/// How long catching up may take.
const REST: Duration = Duration::from_secs(240);

/// What an outage has shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Who was away.
    pub remote: String,
    /// Requests that failed meanwhile.
    pub failed: u64,
    /// Invoices in the end.
    pub invoices: usize,
    /// Seconds from its return until all was caught up.
    pub caught_up: u64,
    /// Requests that any remote answered with "too many" after the return.
    pub throttled: u64,
    /// What was wrong; empty: nothing.
    pub violations: Vec<String>,
}

/// Lets one remote be away for a day.
///
/// # Errors
/// The harness failed.
pub async fn run(program: &Program, script: Script, remote: &str) -> anyhow::Result<Report> {
    let world = World::limited().await?;
    let mut daemon = Daemon::start(&world, program, None)?;
    anyhow::ensure!(daemon.accepting(Duration::from_secs(20)).await.is_some(), "the daemon does not start");
    let away = FaultSpec::new("refuse").times(u32::MAX);
    world.simulators.faults.inject(remote, away)?;
    let before = requests(&world, remote);
    let (mut taken, lived) = (Vec::new(), Cell::new(true));
    for number in 0..script.contracts {
        script.act(&world, 0, number, &mut taken).await?;
    }
    for _ in 0..STEPS {
        world.step_clock(jiff::SignedDuration::from_mins(30))?;
        wake(&world).await;
        pause(Duration::from_millis(250)).await;
        lived.set(lived.get() && daemon.is_alive());
    }
    let mut report = Report { remote: remote.into(), ..Report::default() };
    report.failed = requests(&world, remote).saturating_sub(before);
    world.simulators.faults.clear()?;
    let throttled = throttled(&world);
    // From here on the clock is left alone: the simulators' limits are those of real minutes. What waits longest for its
    // next attempt need not wait for us, once.
    world.step_clock(jiff::SignedDuration::from_mins(16))?;
    let since = Instant::now();
    let wanted = script.invoices_of_first_day();
    while since.elapsed() < REST && (View::of(&world).invoices() < wanted || !waiting(&world).await.is_empty()) {
        pause(Duration::from_millis(100)).await;
    }
    report.caught_up = since.elapsed().as_secs();
    report.throttled = self::throttled(&world).saturating_sub(throttled);
    report.invoices = View::of(&world).invoices();
    let (parked, waiting) = (parked(&world).await, waiting(&world).await);
    daemon.kill()?;
    let mut wrong = |holds: bool, what: String| report.violations.extend((!holds).then_some(what));
    wrong(lived.get(), "the daemon died".into());
    wrong(report.failed > 0, "nothing was asked of the remote while it was away".into());
    wrong(report.throttled == 0, format!("{} requests too many", report.throttled));
    wrong(report.invoices == wanted, format!("{} invoices instead of {wanted}; {waiting:?}", report.invoices));
    wrong(parked.is_empty(), format!("a person has to release what the outage had parked: {parked:?}"));
    report.violations.extend(complaints(&world, program)?);
    report.violations.extend(crate::taken::missing(&world.database, &taken).await?);
    Ok(report)
}

fn requests(world: &World, remote: &str) -> u64 {
    world.simulators.faults.requests(remote).values().sum()
}

fn throttled(world: &World) -> u64 {
    REMOTES.iter().map(|remote| world.simulators.faults.throttled(remote)).sum()
}

/// Deliveries in these states, with what is known of each.
async fn deliveries(world: &World, states: &[&str]) -> BTreeSet<String> {
    let answer = call(&world.url(), "GET", "/v1/deliveries", "", None).await;
    let Some((200, serde_json::Value::Array(all))) = answer else { return ["no answer".to_owned()].into() };
    let text = |one: &serde_json::Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let tell = |one| ["subject", "state", "due_at", "fault"].map(|name| text(one, name)).join(" ");
    all.iter().filter(|one| states.contains(&text(one, "state").as_str())).map(tell).collect()
}

async fn waiting(world: &World) -> BTreeSet<String> {
    deliveries(world, &["pending", "sending", "unknown"]).await
}

async fn parked(world: &World) -> BTreeSet<String> {
    deliveries(world, &["parked"]).await
}
