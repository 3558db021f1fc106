//! One change of one contract, validated again: the store's read, the decision, and nothing else. The floor of the same run
//! is the read alone.
//!
//! `cargo bench -p milestoned-benches --bench revalidate`

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::Fact;

const ROUNDS: usize = 5_000;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mapping/tests/cases");
    let text = std::fs::read_to_string(folder.join("six-milestone-implementation.json")).unwrap();
    let case = Case::from_json(&text, &Calendars::built_in()).unwrap();
    let observed: Fact = serde_json::from_str(
        r#"{ "at": "2026-03-02T12:00:00Z", "type": "observed", "leg": "psa", "record": { "milestones": [{ "id": "M1", "status": "done" }] } }"#,
    )
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(directory.path().join("bench.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.execute("CREATE TABLE contract (id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT", []).unwrap();
    let state = serde_json::to_string(&case.open()).unwrap();
    for index in 0..10_000 {
        connection.execute("INSERT INTO contract VALUES (?1, ?2)", (format!("SOW-{index}"), &state)).unwrap();
    }
    let mut statement = connection.prepare("SELECT state FROM contract WHERE id = ?1").unwrap();
    let mut read = |index: usize| -> String {
        statement.query_row([format!("SOW-{}", index * 7919 % 10_000)], |row| row.get(0)).unwrap()
    };
    let mut floor = Vec::with_capacity(ROUNDS);
    let mut whole = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        black_box(read(round));
        floor.push(begun.elapsed());
        let begun = Instant::now();
        let mut contract: Contract = serde_json::from_str(&read(round + 1)).unwrap();
        contract.apply(black_box(&observed)).unwrap();
        whole.push(begun.elapsed());
        black_box(&contract);
    }
    floor.sort();
    whole.sort();
    let micros = |times: &[std::time::Duration], place: usize| times[place].as_secs_f64() * 1e6;
    let (median, p99) = (ROUNDS / 2, ROUNDS * 99 / 100);
    println!("read alone        median {:>6.1} µs, p99 {:>6.1} µs", micros(&floor, median), micros(&floor, p99));
    println!(
        "read and validate median {:>6.1} µs, p99 {:>6.1} µs, {:.1} times the read; {} bytes of state",
        micros(&whole, median),
        micros(&whole, p99),
        micros(&whole, median) / micros(&floor, median),
        state.len()
    );
}
