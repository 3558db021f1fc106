//! `milestoned-power --cuts N --seed S`: cuts the power under the store and says what was lost.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

/// Power cuts under milestoned's store.
#[derive(Parser)]
struct Options {
    /// How many cuts, on each thread.
    #[arg(long, default_value_t = 100_000)]
    cuts: u64,
    /// Threads, each with a disk and a seed of its own.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let started = Instant::now();
    let seeds = options.seed..options.seed.saturating_add(options.threads);
    let threads: Vec<_> =
        seeds.map(|seed| std::thread::spawn(move || milestoned_power::run(seed, options.cuts))).collect();
    let mut total = milestoned_power::Report::default();
    for thread in threads {
        let report = thread.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
        total.cuts = total.cuts.saturating_add(report.cuts);
        total.acknowledged = total.acknowledged.saturating_add(report.acknowledged);
        total.survivors = total.survivors.saturating_add(report.survivors);
        total.violations.extend(report.violations);
    }
    let seconds = started.elapsed().as_secs().max(1);
    println!("{} power cuts in {seconds} s, {} acknowledged verbs before them", total.cuts, total.acknowledged);
    println!("after {} cuts an unacknowledged verb had survived, whole", total.survivors);
    println!("{} violations", total.violations.len());
    for violation in total.violations.iter().take(20) {
        println!("  {violation}");
    }
    Ok(if total.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
