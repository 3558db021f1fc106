//! `milestoned-simulation --seeds N --minutes M`: plays seeds until both are reached, and says what happened.

#![expect(clippy::print_stdout, reason = "a program says what it found")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use milestoned_tests::simulation::{Outcome, run};

/// The whole of milestoned under seeds, with troubles and crashes.
#[derive(Parser)]
struct Options {
    /// At least so many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// At least so long.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Play one seed and tell its diary.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(seed) = options.seed {
        let outcome = run(seed)?;
        outcome.diary.iter().for_each(|line| println!("{line}"));
        println!("{}", outcome.violation.as_deref().unwrap_or("no violation"));
        return Ok(if outcome.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let (started, least) = (Instant::now(), Duration::from_secs(options.minutes.saturating_mul(60)));
    let (mut total, mut violations, mut seeds) = (Outcome::default(), Vec::new(), 0_u64);
    while seeds < options.seeds || started.elapsed() < least {
        let seed = options.from.saturating_add(seeds);
        let outcome = run(seed)?;
        seeds = seeds.saturating_add(1);
        add(&mut total, &outcome);
        if let Some(violation) = outcome.violation {
            println!("seed {seed}: {violation}");
            violations.push(seed);
        }
    }
    let seconds = started.elapsed().as_millis().max(1);
    let rate = u128::from(seeds).saturating_mul(1000).checked_div(seconds).unwrap_or_default();
    println!("{seeds} seeds in {} s, {rate} a second on one core", seconds.checked_div(1000).unwrap_or_default());
    println!("simulated time: {} days", total.hours.checked_div(24).unwrap_or_default());
    println!("steps: {}, requests: {}, documents: {}", total.steps, total.requests, total.documents);
    println!("crashes: {}", total.crashes);
    tell("operations", total.operations.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect());
    tell("troubles", total.troubles);
    println!("violations: {}; again: --seed {:?}", violations.len(), violations.first());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(what: &str, counts: BTreeMap<String, u64>) {
    let text: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("{what}: {}", text.join(", "));
}

fn add(total: &mut Outcome, one: &Outcome) {
    for (name, count) in &one.operations {
        let sum = total.operations.entry(name).or_default();
        *sum = sum.saturating_add(*count);
    }
    for (name, count) in &one.troubles {
        let sum = total.troubles.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
    total.crashes = total.crashes.saturating_add(one.crashes);
    total.steps = total.steps.saturating_add(one.steps);
    total.requests = total.requests.saturating_add(one.requests);
    total.documents = total.documents.saturating_add(one.documents);
    total.hours = total.hours.saturating_add(one.hours);
}
