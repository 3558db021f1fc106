//! `backup` and `restore` die half-way: no half of a copy is ever taken for one, there is always a database, and what was
//! put back asks the remote before it writes.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use milestoned::failpoint::COPYING;
use serde::Serialize;

use crate::daemon::{Daemon, Program};
use crate::kills::{day_over, wake};
use crate::script::Script;
use crate::view::{View, complaints};
use crate::world::{Database, World, pause};

/// What deaths of the two commands have shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Deaths by place.
    pub deaths: BTreeMap<String, u32>,
    /// What was wrong; empty: nothing.
    pub violations: Vec<String>,
}

/// Lets both commands die at every place. After each the daemon starts on what is there, and does nothing twice.
///
/// # Errors
/// The harness failed.
pub async fn run(program: &Program, script: Script) -> anyhow::Result<Report> {
    let mut report = Report::default();
    // Each in a world of its own, which mostly waits: all at once.
    let runs = COPYING.map(|place| die_at(program, script, place));
    for (place, run) in COPYING.into_iter().zip(futures_util::future::join_all(runs).await) {
        let (died, found) = run?;
        report.deaths.insert(place.to_owned(), u32::from(died));
        report.violations.extend((!died).then(|| format!("{place}: it did not die there")));
        report.violations.extend(found.into_iter().map(|what| format!("{place}: {what}")));
    }
    Ok(report)
}

/// Whether a command died there, and what was wrong afterwards.
async fn die_at(program: &Program, script: Script, place: &str) -> anyhow::Result<(bool, Vec<String>)> {
    let (world, mut found) = (World::start(None).await?, Vec::new());
    let Database::File(database) = &world.database else { anyhow::bail!("a file") };
    let backup = world.folder.path().join("backup.db");
    let mut daemon = Daemon::start(&world, program, None)?;
    // The backup is of before anything was accepted: all of it is in the ERPs and not in the copy.
    anyhow::ensure!(daemon.accepting(Duration::from_secs(20)).await.is_some(), "the daemon does not start");
    let back = ["backup", &backup.to_string_lossy()].map(str::to_owned);
    let of_backup = place.starts_with("backup");
    let mut ended = command(program, &world, &back, of_backup.then_some(place))?;
    if of_backup {
        found.extend(backup.exists().then(|| "half of a backup has its name".to_owned()));
        let again = command(program, &world, &back, None)?;
        found.extend((again != Some(0)).then(|| format!("the next backup ended with {again:?}")));
    }
    let mut taken = Vec::new();
    for number in 0..script.contracts {
        script.act(&world, 0, number, &mut taken).await?;
    }
    let before = day_over(&world, script, None).await?.view;
    daemon.kill()?;
    let restore = ["restore", &backup.to_string_lossy(), "--reason", "why", "--by", "ada"].map(str::to_owned);
    if !of_backup {
        ended = command(program, &world, &restore, Some(place))?;
        found.extend((!database.exists()).then(|| "there is no database".to_owned()));
    }
    // Whoever starts the daemon does not know how far the command came.
    let mut daemon = Daemon::start(&world, program, None)?;
    anyhow::ensure!(daemon.accepting(Duration::from_secs(20)).await.is_some(), "the daemon does not start");
    world.begin_day(1)?;
    for _ in 0..25 {
        world.step_clock(jiff::SignedDuration::from_secs(20))?;
        wake(&world).await;
        pause(Duration::from_millis(60)).await;
    }
    daemon.kill()?;
    let after = View::of(&world);
    // Contracts that came over the API are not in the copy, and nobody files them again here.
    let twice = after.invoices() != before.invoices();
    found.extend(twice.then(|| format!("{} invoices instead of {}", after.invoices(), before.invoices())));
    found.extend(complaints(&world, program)?);
    Ok((ended.is_none(), found))
}

/// Runs a command; `None`: it has died.
fn command(program: &Program, world: &World, words: &[String], die_at: Option<&str>) -> anyhow::Result<Option<i32>> {
    let mut command = program.command(world);
    command.args(words).stdout(Stdio::null());
    if let Some(place) = die_at {
        command.env("MILESTONED_DIE_AT", format!("{place}:1"));
    }
    Ok(command.status()?.code())
}
