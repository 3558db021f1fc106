//! Durable accepts: webhook hints that are on the disk before they are acknowledged, 64 in flight, beside a bare floor in
//! the same run: one thread, one statement, one commit for all that waits, nothing else.
//!
//! `cargo bench -p milestoned-benches --bench accept`

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use milestoned::store::{Key, Store};
use milestoned_connector_kit::Hint;
use tokio::sync::oneshot;

const IN_FLIGHT: usize = 64;
const EACH: usize = 1_000;
const ROUNDS: usize = 5;

type Waiting = (String, oneshot::Sender<()>);

fn floor(path: &Path) -> mpsc::Sender<Waiting> {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    // Four times the default: its own checkpoints cost it less.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000).unwrap();
    connection.execute("CREATE TABLE inbox (id TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT", []).unwrap();
    let (sender, queue) = mpsc::channel::<Waiting>();
    std::thread::spawn(move || {
        while let Ok(first) = queue.recv() {
            let mut group = vec![first];
            group.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(511));
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            {
                let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO inbox VALUES (?1, ?2)").unwrap();
                for (id, _) in &group {
                    insert.execute((id, "2026-03-02T10:00:00.000000Z")).unwrap();
                }
            }
            connection.execute_batch("COMMIT").unwrap();
            for (_, done) in group {
                done.send(()).unwrap();
            }
        }
    });
    sender
}

/// Runs `accept` 64 at a time; returns accepts a second, and the median and 99th percentile of one.
async fn measure<F: Future<Output = ()> + Send>(
    accept: impl Fn(String) -> F + Clone + Send + 'static,
    round: usize,
) -> (f64, Duration, Duration) {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let accept = accept.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(EACH);
                for index in 0..EACH {
                    let begun = Instant::now();
                    accept(format!("{round}-{task}-{index}")).await;
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::with_capacity(IN_FLIGHT * EACH);
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = (IN_FLIGHT * EACH) as f64 / begun.elapsed().as_secs_f64();
    times.sort();
    (rate, times[times.len() / 2], times[times.len() * 99 / 100])
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bare = floor(&directory.path().join("floor.db"));
    let store = Store::open(&directory.path().join("store.db"), Key::of([7; 32])).unwrap();
    let now = jiff::Timestamp::now();
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let bare = bare.clone();
        let (floor, median, p99) = measure(
            move |id| {
                let bare = bare.clone();
                async move {
                    let (done, stored) = oneshot::channel();
                    bare.send((id, done)).unwrap();
                    stored.await.unwrap();
                }
            },
            round,
        )
        .await;
        println!("floor {floor:>7.0} accepts/s, median {median:>9.1?}, p99 {p99:>9.1?}");
        let store = store.clone();
        let (ours, median, p99) = measure(
            move |id| {
                let store = store.clone();
                async move {
                    let hint = Hint { object: "issue".into(), id: "10001".into() };
                    assert_eq!(store.hints_received("jira".into(), id, vec![hint], now).await.unwrap(), 1);
                }
            },
            round,
        )
        .await;
        println!("store {ours:>7.0} accepts/s, median {median:>9.1?}, p99 {p99:>9.1?}");
        ratios.push(ours / floor);
    }
    ratios.sort_by(f64::total_cmp);
    println!("store / floor: {:.2} (median of {ROUNDS} rounds)", ratios[ROUNDS / 2]);
}
