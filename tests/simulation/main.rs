//! `milestoned-simulation --seeds N --minutes M`: plays seeds until both are reached, and says what happened.

#![expect(clippy::print_stdout, reason = "a program says what it found")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Parser;
use milestoned_tests::simulation::{Outcome, Scope, run};

/// Half of a simulation's time goes to memory that is taken and given back within a step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole of milestoned under seeds, with troubles and crashes.
#[derive(Parser)]
struct Options {
    /// At least so many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// At least so long.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// Threads that share the seeds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
    /// What happens in a run: `vendors`, or `company`, with people of different rights, late dates and forged rows.
    #[arg(long, default_value = "vendors")]
    scope: Scope,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Play one seed and tell its diary.
    #[arg(long)]
    seed: Option<u64>,
    /// Stop at the first seed that fails.
    #[arg(long)]
    until_violation: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = &Options::parse();
    if let Some(seed) = options.seed {
        let outcome = run(options.scope, seed)?;
        outcome.diary.iter().for_each(|line| println!("{line}"));
        println!("{}", outcome.violation.as_deref().unwrap_or("no violation"));
        return Ok(if outcome.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let started = Instant::now();
    let played: Vec<anyhow::Result<Played>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads).map(|of| scope.spawn(move || play(options, of, started))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a seed panicked")))).collect()
    });
    let milliseconds = started.elapsed().as_millis().max(1);
    let mut all = Played::default();
    for one in played {
        let one = one?;
        all.seeds = all.seeds.saturating_add(one.seeds);
        all.violations.extend(one.violations);
        add(&mut all.total, &one.total);
    }
    let Played { total, mut violations, seeds } = all;
    violations.sort_unstable();
    let each = |count: u64| count.checked_div(seeds).unwrap_or_default();
    let rate = u128::from(seeds).saturating_mul(1000).checked_div(milliseconds).unwrap_or_default();
    println!(
        "seeds: {seeds} in {} s on {} threads: {rate} a second, {} on each",
        milliseconds.checked_div(1000).unwrap_or_default(),
        options.threads,
        rate.checked_div(u128::from(options.threads)).unwrap_or_default(),
    );
    println!("simulated time: {} days", total.hours.checked_div(24).unwrap_or_default());
    println!("steps: {}, {} a seed", total.steps, each(total.steps));
    println!("requests: {}, {} a seed; documents: {}", total.requests, each(total.requests), total.documents);
    println!("crashes: {}", total.crashes);
    tell("operations", total.operations.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect());
    tell("troubles", total.troubles);
    println!(
        "violations: {}; again: --scope {} --seed {:?}",
        violations.len(),
        options.scope.name(),
        violations.first()
    );
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a thread has played.
#[derive(Default)]
struct Played {
    total: Outcome,
    violations: Vec<u64>,
    seeds: u64,
}

/// Plays every seed of one thread, which has the number `of`.
fn play(options: &Options, of: u64, started: Instant) -> anyhow::Result<Played> {
    let least = Duration::from_secs(options.minutes.saturating_mul(60));
    let mut played = Played::default();
    let mut place = of;
    while place < options.seeds || started.elapsed() < least {
        let seed = options.from.saturating_add(place);
        let outcome = run(options.scope, seed)?;
        place = place.saturating_add(options.threads);
        played.seeds = played.seeds.saturating_add(1);
        add(&mut played.total, &outcome);
        if let Some(violation) = outcome.violation {
            println!("seed {seed}: {violation}");
            played.violations.push(seed);
            if options.until_violation {
                break;
            }
        }
    }
    Ok(played)
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
