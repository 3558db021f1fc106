//! `milestoned demo`: a year of milestone billing over real HTTP and a real database, against simulators on this machine,
//! with a simulated clock; and at the end a check that the simulated ERPs hold exactly what the rules say.

pub mod connections;
mod director;
mod portfolio;
mod proof;
mod show;
mod world;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::counted::counted;
use milestoned_mocks::FaultSpec;

use milestoned_identity::rights::Right;

use crate::cli::people;
use crate::cli::run::wait_for_stop;
use crate::cli::table::{complain, say};
use crate::store::sign_ins::OneTime;
use director::Act;
use portfolio::Sample;
use world::{Progress, World};

/// The year's last day.
const LAST_DAY: &str = "2026-12-31";
/// Between an act and the daemon's look at it: stamps show whole seconds.
const BREATH: SignedDuration = SignedDuration::from_secs(2);
/// How long after the last day the demo goes on, so that it is over in every time zone.
const EPILOGUE: SignedDuration = SignedDuration::from_hours(36);
/// One act in this many meets a fault.
const FAULTY: u64 = 9;

/// Options of the demo.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Which faults strike when; the outcome is the same with every seed.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep everything in this folder; a killed demo goes on there.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Leave daemon, simulators and pages running at the end.
    #[arg(long)]
    serve: bool,
}

/// Plays the demo. Exit code 0: the simulated ERPs hold exactly what the rules say.
///
/// # Errors
/// What could not be started or done.
pub async fn run(options: Options, json: bool) -> anyhow::Result<ExitCode> {
    let samples = portfolio::load()?;
    let last = last_instant()?;
    let acts = director::acts(&samples, last);
    // Kept until the end of the function: the folder is removed when this is dropped.
    let fresh = if options.keep.is_none() { Some(tempfile::tempdir()?) } else { None };
    let dir = match (&options.keep, &fresh) {
        (Some(dir), _) => dir.clone(),
        (None, Some(fresh)) => fresh.path().to_owned(),
        (None, None) => anyhow::bail!("no folder"),
    };
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let mut progress = match Progress::load(&dir)? {
        Some(progress) => progress,
        None => {
            let first = acts.first().context("the portfolio is empty")?.at;
            let now = first.checked_sub(SignedDuration::from_hours(1))?;
            Progress { seed: options.seed, now, acts: 0, port: 0, finished: false }
        }
    };
    let started = std::time::Instant::now();
    let world = World::start(dir.clone(), &mut progress).await?;
    let bar = bar(&acts, json);
    play(&world, &samples, &acts, &mut progress, last, &bar).await?;
    bar.finish_and_clear();
    let proof = proof::prove(&world, &samples).await?;
    let summaries = crate::review::portfolio::summaries(&world.app.env).await?;
    let exceptions = crate::review::portfolio::remedied(&world.app.env, None, true).await?;
    if json {
        say(&show::json(&samples, &proof, &summaries, &exceptions)?);
    } else {
        say(&show::tables(&samples, &proof, &summaries, &exceptions));
        say(&format!(
            "A year in {:.1} s; {} mails to finance; {}",
            started.elapsed().as_secs_f64(),
            world.simulators.mail.messages().len(),
            show::traffic(&world)
        ));
        if options.keep.is_some() {
            say(&format!("Kept in {}", dir.display()));
        }
    }
    for difference in &proof.differences {
        complain(&format!("milestoned: {difference}"));
    }
    if options.serve {
        serve(&world).await?;
    }
    world.stop().await;
    if proof.differences.is_empty() {
        Ok(ExitCode::SUCCESS)
    } else {
        complain(&format!(
            "milestoned: {} between the simulated ERPs and the rules",
            counted(proof.differences.len(), "difference")
        ));
        Ok(ExitCode::from(crate::cli::FOUND))
    }
}

fn last_instant() -> anyhow::Result<Timestamp> {
    let day: jiff::civil::Date = LAST_DAY.parse()?;
    Ok(day.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().checked_add(SignedDuration::from_hours(24))?)
}

fn bar(acts: &[Act], json: bool) -> ProgressBar {
    let visible = !json && std::io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(u64::try_from(acts.len()).ok(), target);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40.cyan/blue}] {pos}/{len} acts {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Plays what is left: each act at its time, and between acts whatever falls due by itself.
async fn play(
    world: &World,
    samples: &[Sample],
    acts: &[Act],
    progress: &mut Progress,
    last: Timestamp,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let end = last.checked_add(EPILOGUE)?;
    if progress.finished {
        world.set_clock(progress.now);
        return world.settle().await;
    }
    // Whatever the last run left half done is taken up before time goes on.
    world.settle().await?;
    loop {
        bar.set_position(u64::try_from(progress.acts).unwrap_or(0));
        bar.set_message(progress.now.strftime("%Y-%m-%d").to_string());
        let act = acts.get(progress.acts);
        let wake = world.app.next_wake().await?.filter(|wake| *wake > progress.now);
        match (act, wake) {
            (Some(act), wake) if wake.is_none_or(|wake| act.at <= wake) || act.at <= progress.now => {
                step(world, progress, act.at)?;
                troubles(world, progress)?;
                director::perform(world, samples, act).await?;
                breathe(world, progress).await?;
                progress.acts = progress.acts.saturating_add(1);
                progress.save(&world.dir)?;
            }
            (_, Some(wake)) if wake < end => {
                step(world, progress, wake)?;
                breathe(world, progress).await?;
            }
            _ => break,
        }
    }
    step(world, progress, end)?;
    breathe(world, progress).await?;
    progress.finished = true;
    progress.save(&world.dir)
}

/// The clock moves; where it stands is written down before anything happens.
fn step(world: &World, progress: &mut Progress, to: Timestamp) -> anyhow::Result<()> {
    progress.now = progress.now.max(to);
    progress.save(&world.dir)?;
    world.set_clock(progress.now);
    Ok(())
}

async fn breathe(world: &World, progress: &mut Progress) -> anyhow::Result<()> {
    let moment = progress.now.checked_add(BREATH)?;
    step(world, progress, moment)?;
    world.settle().await
}

/// Faults strike by the seed: lost replies, throttling, garbage, expired tokens, repeated webhooks.
fn troubles(world: &World, progress: &Progress) -> anyhow::Result<()> {
    let act = u64::try_from(progress.acts).unwrap_or(0);
    let dice = progress.seed.wrapping_add(act).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    if !dice.is_multiple_of(FAULTY) {
        return Ok(());
    }
    let system = if (dice / FAULTY).is_multiple_of(2) { "netsuite" } else { "quickbooks" };
    let (system, fault) = match (dice / FAULTY / 2) % 8 {
        0 => (system, FaultSpec::new("drop_after_write").on("POST", write_path(system))),
        1 => (system, FaultSpec::new("error_after_write").on("POST", write_path(system))),
        2 => (system, FaultSpec::new("throttle").on("POST", write_path(system))),
        3 => (system, FaultSpec::new("write_later(9000)").on("POST", write_path(system))),
        4 => (system, FaultSpec::new("garbage").on("POST", write_path(system))),
        5 => (system, FaultSpec::new("expire_token")),
        6 => ("jira", FaultSpec::new("duplicate")),
        _ => (system, FaultSpec::new("drop_before_write").on("POST", write_path(system))),
    };
    Ok(world.simulators.faults.inject(system, fault)?)
}

fn write_path(system: &str) -> &'static str {
    if system == "netsuite" { "/record/v1/invoice" } else { "/invoice" }
}

/// Leaves everything running until Ctrl-C; what people decide on the pages is carried out.
async fn serve(world: &World) -> anyhow::Result<()> {
    let link = OneTime::Link { person: "controller".into(), rights: Right::ALL.into_iter().collect() };
    let address = people::address(&world.app.env, "link", link, people::LINK_FOR).await?;
    say(&format!(
        "Portfolio, exceptions and contracts (the link signs in once, from this machine, within ten minutes):\n{address}"
    ));
    say("Ctrl-C stops daemon and simulators.");
    let mut stop = std::pin::pin!(wait_for_stop());
    loop {
        tokio::select! {
            stopped = &mut stop => return stopped,
            () = tokio::time::sleep(Duration::from_millis(500)) => {
                // The demo's clock stands still while it is served; `settle` moves it only as far as a decision
                // needs.
                world.app.settle().await?;
            }
        }
    }
}
