//! Death at every named step: the first, the second and a later time that the daemon comes to it.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use milestoned::failpoint::PLACES;
use milestoned_mocks::FaultSpec;
use milestoned_tests::postgres::Cluster;
use serde::Serialize;

use crate::daemon::{Daemon, Program};
use crate::kills::{Reference, Trouble, disturbed};
use crate::script::Script;
use crate::world::{World, free_port, pause};

/// How long a daemon is given to come to a place before another place has its turn.
const PATIENCE: Duration = Duration::from_secs(8);
/// Runs of the script in which no death came about, before the rest counts as out of reach.
const IDLE_RUNS: u32 = 8;

/// Places that only daemons that share a database come to.
fn is_shared(place: &str) -> bool {
    place.starts_with("lease_")
}

/// What deaths at named places have shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Deaths by place.
    pub deaths: BTreeMap<String, u32>,
    /// Whole runs of the script.
    pub runs: u32,
    /// What was wrong; empty: nothing.
    pub violations: Vec<String>,
}

/// A place and how often it is passed before the daemon dies there.
type Death = (&'static str, u32);

struct Deaths<'a> {
    program: &'a Program,
    open: &'a mut VecDeque<Death>,
    report: &'a mut Report,
    told: &'a (dyn Fn(u64) + Sync),
}

impl Trouble for Deaths<'_> {
    async fn run(&mut self, world: &World, over: &Cell<bool>) -> anyhow::Result<Daemon> {
        // Only the first daemons of a world migrate.
        let fresh = self.open.iter().position(|(place, _)| *place == "migrated");
        let first = fresh.and_then(|place| self.open.remove(place));
        self.open.extend(first);
        self.open.rotate_right(usize::from(first.is_some()));
        while let Some(death) = self.open.pop_front() {
            if over.get() {
                self.open.push_front(death);
                break;
            }
            let (place, count) = death;
            let mut daemon = Daemon::start(world, self.program, Some(&format!("{place}:{count}")))?;
            // Whoever is alone hands nothing over.
            let companion = if place == "lease_passed_on" { Some(companion(world, self.program)?) } else { None };
            let since = Instant::now();
            while daemon.is_alive() && since.elapsed() < PATIENCE && !over.get() {
                pause(Duration::from_millis(2)).await;
            }
            drop(companion);
            match daemon.ended() {
                Some(status) if std::os::unix::process::ExitStatusExt::signal(&status) == Some(6) => {
                    let deaths = self.report.deaths.entry(place.to_owned()).or_default();
                    *deaths = deaths.saturating_add(1);
                    (self.told)(u64::from(self.report.deaths.values().sum::<u32>()));
                }
                Some(status) => anyhow::bail!("the daemon has died by itself, with {status}"),
                None => {
                    daemon.kill()?;
                    self.open.push_back(death);
                }
            }
        }
        let mut daemon = Daemon::start(world, self.program, None)?;
        while !over.get() {
            anyhow::ensure!(daemon.is_alive(), "the daemon has died by itself: {:?}", daemon.ended());
            pause(Duration::from_millis(50)).await;
        }
        Ok(daemon)
    }
}

/// Another daemon on the same database.
pub(crate) fn companion(world: &World, program: &Program) -> anyhow::Result<Daemon> {
    let port = free_port()?;
    let config = world.folder.path().join(format!("milestoned-{port}.toml"));
    std::fs::write(&config, world.settings(port)?)?;
    Daemon::spawn(program.command_on(world, &config), format!("http://127.0.0.1:{port}"), &world.log())
}

/// Lets the daemon die at every place, once for each of `counts`, over as many runs of the script as that takes.
///
/// # Errors
/// A world cannot be made.
pub async fn run(
    program: &Program,
    script: Script,
    reference: &Reference,
    cluster: Option<&Cluster>,
    counts: &[u32],
    told: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<Report> {
    let mut open: VecDeque<Death> = counts
        .iter()
        .flat_map(|count| PLACES.iter().map(move |place| (*place, *count)))
        .filter(|(place, _)| cluster.is_some() || !is_shared(place))
        .collect();
    let (mut report, mut idle) = (Report::default(), 0_u32);
    while !open.is_empty() && idle < IDLE_RUNS && report.violations.is_empty() {
        let before = open.len();
        let world = World::start(cluster).await?;
        // Tokens die often, and are renewed.
        let dying = FaultSpec::new("expire_token").on("GET", "").every(9).times(100_000);
        world.simulators.faults.inject("quickbooks", dying)?;
        let trouble = Deaths { program, open: &mut open, report: &mut report, told };
        let (_, found) = disturbed(&world, program, script, reference, trouble).await?;
        report.runs = report.runs.saturating_add(1);
        idle = if open.len() < before { 0 } else { idle.saturating_add(1) };
        if !found.is_empty() {
            report.violations.push(format!("the folder is kept: {}", world.folder.keep().display()));
        }
        report.violations.extend(found);
    }
    report.violations.extend(open.iter().map(|(place, count)| format!("never came to {place} for the {count}. time")));
    Ok(report)
}
