//! `milestoned-kill`: breaks the real binary, and says what that did.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use milestoned::failpoint::PLACES;
use milestoned_kill::daemon::{AS_DAEMON, Program};
use milestoned_kill::scarce::{self, Room};
use milestoned_kill::script::Script;
use milestoned_kill::world::Kind;
use milestoned_kill::{copies, floods, kills, outages, places, replicas};
use milestoned_tests::postgres::{Cluster, cluster};
use serde::Serialize;

const NO_SERVER: &str = "PostgreSQL is not installed: apt-get install postgresql";

/// Breaks the real daemon in many ways; any violation ends in exit code 1.
#[derive(Parser)]
struct Options {
    /// A program to break instead of this version's own: it follows the machine's clock unless it has failpoints.
    #[arg(long, global = true)]
    program: Option<PathBuf>,
    /// JSON for machines instead of a table for people.
    #[arg(long, global = true)]
    json: bool,
    /// Seed of every choice.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Contracts of the script.
    #[arg(long, global = true, default_value_t = 12)]
    contracts: u32,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// `kill -9` at random moments.
    Kills {
        /// How many.
        #[arg(long, default_value_t = 1_500)]
        kills: u64,
        /// Which database.
        #[arg(long, value_enum, default_value = "sqlite")]
        store: Kind,
    },
    /// Death at every named step between durable ones.
    Places {
        /// At which passings of a step, counted from the daemon's start.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        passings: Vec<u32>,
        /// Which database.
        #[arg(long, value_enum, default_value = "sqlite")]
        store: Kind,
    },
    /// Death at every named step of `backup` and `restore`.
    Copies,
    /// Daemons that share a PostgreSQL under load, one of them killed or stopped every few seconds.
    Replicas {
        /// How many.
        #[arg(long, default_value_t = 3)]
        replicas: usize,
        /// For how long.
        #[arg(long, default_value_t = 300)]
        seconds: u64,
    },
    /// A disk without room, and later with.
    DiskFull {
        /// What takes the room away.
        #[arg(long, value_enum, default_value = "quota")]
        by: Room,
    },
    /// Another process holds SQLite's lock.
    Locked {
        /// For how long.
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
    /// The PostgreSQL server is stopped as by a power failure, and started again.
    ServerGone {
        /// After how long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Webhooks, each several times, in no order.
    Flood {
        /// Different ones.
        #[arg(long, default_value_t = 1_250)]
        different: u32,
        /// How often each is sent.
        #[arg(long, default_value_t = 8)]
        copies: u32,
        /// Connections at once.
        #[arg(long, default_value_t = 64)]
        connections: usize,
    },
    /// Each remote in turn is away for a day.
    Outages {
        /// One of them only.
        #[arg(long)]
        remote: Option<String>,
    },
}

/// The harness; where it started itself, the daemon.
fn main() -> anyhow::Result<ExitCode> {
    // The process that reads documents is given nothing of the daemon's environment.
    let reads = std::env::args().nth(1).as_deref() == Some(milestoned::reading::CHILD);
    if reads || std::env::var_os(AS_DAEMON).is_some() {
        return Ok(milestoned::cli::main());
    }
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let program = Program::at(match &options.program {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("this program has no file")?,
    });
    let script = Script { contracts: options.contracts };
    let (json, seed) = (options.json, options.seed);
    let violations = match options.command {
        Command::Kills { kills, store } => kill(&program, script, (seed, kills), store, json).await?,
        Command::Places { passings, store } => places(&program, script, &passings, store, json).await?,
        Command::Copies => {
            let report = copies::run(&program, script).await?;
            show("copies", &report, &report.violations, json)?
        }
        Command::Replicas { replicas, seconds } => shared(&program, (replicas, seconds, seed), json).await?,
        Command::DiskFull { by } => {
            let report = scarce::disk_full(&program, by).await?;
            show("a full disk", &report, &report.violations, json)?
        }
        Command::Locked { seconds } => {
            let report = scarce::locked(&program, Duration::from_secs(seconds)).await?;
            show("a locked database", &report, &report.violations, json)?
        }
        Command::ServerGone { seconds } => {
            let cluster = Cluster::own()?.context(NO_SERVER)?;
            let report = scarce::server_gone(&program, &cluster, Duration::from_secs(seconds)).await?;
            show("a database server that is gone", &report, &report.violations, json)?
        }
        Command::Flood { different, copies, connections } => {
            let report = floods::run(&program, (different, copies, connections), seed).await?;
            show("a flood of webhooks", &report, &report.violations, json)?
        }
        Command::Outages { remote } => {
            let mut violations = 0_usize;
            for name in outages::REMOTES.iter().filter(|name| remote.as_ref().is_none_or(|one| one == *name)) {
                let report = outages::run(&program, script, name).await?;
                violations = violations.saturating_add(show("a day's outage", &report, &report.violations, json)?);
            }
            violations
        }
    };
    Ok(if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn kill(
    program: &Program,
    script: Script,
    (seed, kills): (u64, u64),
    store: Kind,
    json: bool,
) -> anyhow::Result<usize> {
    let reference = kills::reference(program, script).await?;
    let (bar, started) = (progress(kills, "kills")?, Instant::now());
    let told = |count| bar.set_position(count);
    let report = kills::run(program, script, &reference, server(store)?, (seed, kills), &told).await?;
    bar.finish_and_clear();
    let minute = report.kills.saturating_mul(60).div_euclid(started.elapsed().as_secs().max(1));
    say(json, &report, &killed(&report, minute, store), &report.violations)?;
    Ok(report.violations.len())
}

async fn places(program: &Program, script: Script, passings: &[u32], store: Kind, json: bool) -> anyhow::Result<usize> {
    let reference = kills::reference(program, script).await?;
    let bar = progress(u64::try_from(passings.len().saturating_mul(PLACES.len()))?, "deaths")?;
    let told = |count| bar.set_position(count);
    let report = places::run(program, script, &reference, server(store)?, passings, &told).await?;
    bar.finish_and_clear();
    let mut rows: Vec<_> = report.deaths.iter().map(|(place, count)| (place.clone(), count.to_string())).collect();
    rows.push((format!("runs of the script, {}", name(store)), report.runs.to_string()));
    say(json, &report, &rows, &report.violations)?;
    Ok(report.violations.len())
}

async fn shared(program: &Program, (count, seconds, seed): (usize, u64, u64), json: bool) -> anyhow::Result<usize> {
    let bar = progress(seconds, "s under load")?;
    let told = |second| bar.set_position(second);
    let cluster = cluster().context(NO_SERVER)?;
    let report = replicas::run(program, cluster, (count, Duration::from_secs(seconds), seed), &told).await?;
    bar.finish_and_clear();
    if json {
        return show("replicas", &report, &report.violations, json);
    }
    let takeover = |percent: usize| {
        let place = report.takeovers.len().saturating_mul(percent).div_euclid(100);
        report.takeovers.get(place.min(report.takeovers.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let rows = [
        ("replicas".into(), count.to_string()),
        ("killed; stopped for longer than their leases".into(), format!("{}; {}", report.killed, report.stopped)),
        ("milestones accepted, each invoiced once".into(), report.milestones.to_string()),
        ("contracts and webhooks acknowledged, all there".into(), format!("{}, {}", report.contracts, report.webhooks)),
        ("duties taken over".into(), report.takeovers.len().to_string()),
        (
            "from the blow until another has the duty, ms, median, p99, longest".into(),
            format!("{}, {}, {}", takeover(50), takeover(99), takeover(100)),
        ),
        ("from the last blow until all was invoiced, s".into(), report.rest.to_string()),
    ];
    say(json, &report, &rows, &report.violations)?;
    Ok(report.violations.len())
}

/// A report whose fields speak for themselves. Gives how much was wrong.
fn show<T: Serialize>(what: &str, report: &T, violations: &[String], json: bool) -> anyhow::Result<usize> {
    let value = serde_json::to_value(report)?;
    let mut rows = vec![("broken by".to_owned(), what.to_owned())];
    let fields = value.as_object().into_iter().flatten().filter(|(name, _)| *name != "violations");
    rows.extend(fields.map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        (name.replace('_', " "), text)
    }));
    say(json, report, &rows, violations)?;
    Ok(violations.len())
}

fn name(store: Kind) -> &'static str {
    match store {
        Kind::Sqlite => "SQLite",
        Kind::Postgres => "PostgreSQL",
    }
}

/// The private server, where the daemon's rows are to be there.
fn server(store: Kind) -> anyhow::Result<Option<&'static Cluster>> {
    match store {
        Kind::Sqlite => Ok(None),
        Kind::Postgres => Ok(Some(cluster().context(NO_SERVER)?)),
    }
}

fn progress(all: u64, what: &str) -> anyhow::Result<indicatif::ProgressBar> {
    let style = format!("{{bar:40}} {{pos}}/{{len}} {what}, {{elapsed}}");
    Ok(indicatif::ProgressBar::new(all).with_style(indicatif::ProgressStyle::with_template(&style)?))
}

fn killed(report: &kills::Report, minute: u64, store: Kind) -> Vec<(String, String)> {
    let restarts = format!("{}, {}", report.restart(50), report.restart(99));
    [
        (format!("kills, {}", name(store)), report.kills.to_string()),
        ("before it accepted connections".into(), report.before_accepting.to_string()),
        ("kills per minute".into(), minute.to_string()),
        ("from start to accepting, ms, median and p99".into(), restarts),
        ("runs of the script, each compared with the undisturbed one".into(), report.runs.to_string()),
        ("acknowledged webhooks and API calls, all in the database".into(), report.taken.to_string()),
        ("invoices in the ERPs".into(), report.invoices.to_string()),
    ]
    .into()
}

fn say<T: Serialize>(json: bool, report: &T, rows: &[(String, String)], violations: &[String]) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let mut table = comfy_table::Table::new();
    table.set_header(["what", "count"]);
    for (what, count) in rows {
        table.add_row([what, count]);
    }
    table.add_row(["violations", &violations.len().to_string()]);
    println!("{table}");
    violations.iter().take(40).for_each(|violation| println!("  {violation}"));
    Ok(())
}
