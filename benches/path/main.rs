//! The durable path: signed webhook accepted (on the disk), the issue read again, decided with all validations, the
//! invoice at the ERP; in one run beside a bare floor and, where it is installed, Restate. What is measured and how
//! stands in `docs/performance.md`.
//!
//! `cargo build --profile dist -p milestoned && cargo bench -p milestoned-benches --bench path`

mod daemon;
mod floor;
mod load;
mod loopback;
mod million;
mod peer;
mod portfolio;

use std::sync::Arc;
use std::time::{Duration, Instant};

use load::{Measured, System};
use loopback::Remotes;

/// Events at 64 in flight, in one round.
const SATURATED: usize = 6_000;
/// Requests in flight.
const IN_FLIGHT: usize = 64;
/// Events before anything is measured.
const WARM: usize = 300;
/// Seconds of each open loop.
const OPEN: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(default)
    };
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(place) = arguments.iter().position(|argument| argument == "--floor") {
        let [database, sink] = &arguments[place + 1..place + 3] else { panic!("--floor DATABASE SINK") };
        return runtime.block_on(floor::serve(database, sink));
    }
    if arguments.iter().any(|argument| argument == "--million") {
        let most = number("--million", 1_000_000);
        let sizes: Vec<usize> = [10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= most).collect();
        return runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            million::measure(folder.path(), &Remotes::start().await, &sizes).await;
        });
    }
    if arguments.iter().any(|argument| argument == "--kill") {
        return runtime.block_on(kill());
    }
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    runtime.block_on(run(number("--rounds", 3), number("--events", SATURATED), only.map(String::as_str)));
}

/// SIGKILL with a hundred thousand webhooks that nobody has followed, and how long until the next is accepted.
async fn kill() {
    let (folder, remotes) = (tempfile::tempdir().unwrap(), Remotes::start().await);
    daemon::prepare(folder.path(), &remotes, 1_000).await;
    let home = folder.path().join("killed");
    std::fs::create_dir_all(&home).unwrap();
    let mut system = daemon::start(folder.path(), &home, &remotes).await;
    remotes.begin(0);
    let rate = load::accepts(&system, &remotes, 100_000).await.unwrap_or(0.0);
    println!("100,000 webhooks accepted, {rate:.0} a second");
    for round in 0..5 {
        let begun = Instant::now();
        system.stop();
        system = daemon::spawn(&home.join("milestoned.db"), &home, &remotes);
        load::first_accept(&system.address, &(system.request)(&system.address, 2_000_000 + round)).await;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        println!("accepting {took:.0} ms after SIGKILL, {:.0} MB resident", system.resident());
    }
    system.stop();
}

async fn run(rounds: usize, events: usize, only: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let remotes = Remotes::start().await;
    let wanted = |name: &str| only.is_none_or(|only| only.split(',').any(|one| one == name));
    let mut kinds = Vec::new();
    if wanted("floor") {
        kinds.push("floor");
    }
    if wanted("restate") && peer::installed() {
        kinds.push("restate");
    }
    if wanted("milestoned") {
        let contracts = WARM + events + OPEN * 1_100;
        daemon::prepare(folder.path(), &remotes, contracts).await;
        kinds.push("milestoned");
    }
    let mut all: Vec<(&str, Measured)> = Vec::new();
    for round in 0..rounds {
        for kind in &kinds {
            let home = folder.path().join(format!("{kind}-{round}"));
            std::fs::create_dir_all(&home).unwrap();
            let system = match *kind {
                "floor" => floor::start(&home, &remotes).await,
                "restate" => peer::start(&home, &remotes).await,
                _ => daemon::start(folder.path(), &home, &remotes).await,
            };
            let measured = measure(system, &remotes, events).await;
            println!("{kind:<11} {measured}");
            all.push((kind, measured));
            let _ = std::fs::remove_dir_all(&home);
        }
    }
    for kind in &kinds {
        let own: Vec<&Measured> = all.iter().filter(|(of, _)| of == kind).map(|(_, measured)| measured).collect();
        println!("\n{kind:<11} {} (medians of {rounds})", Measured::median(&own));
    }
}

async fn measure(system: System, remotes: &Arc<Remotes>, events: usize) -> Measured {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = system.resident();
    remotes.begin(0);
    let mut first = load::saturated(&system, remotes, 0, WARM, IN_FLIGHT).await.first_free;
    let cpu = system.cpu_ms();
    let saturated = load::saturated(&system, remotes, first, events, IN_FLIGHT).await;
    let cpu = (system.cpu_ms() - cpu) / events as f64;
    first = saturated.first_free;
    let slow = load::open(&system, remotes, first, 100, OPEN).await;
    let fast = load::open(&system, remotes, slow.first_free, 1_000, OPEN).await;
    let loaded = system.resident();
    let accepts = load::accepts(&system, remotes, 40_000).await;
    system.stop();
    Measured { saturated, cpu, slow, fast, idle, loaded, accepts }
}
