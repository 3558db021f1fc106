//! Outbox rows claimed from PostgreSQL, in batches and by several at once, and settled; on a private server with fsync on.
//!
//! `cargo bench -p milestoned-benches --bench claims`

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use milestoned::settings::Settings;
use milestoned::store::Store;
use milestoned::store::outbox::Outcome;
use milestoned_connector_kit::Receipt;
use milestoned_mapping::command::Command;
use milestoned_tests::postgres::cluster;

const ROWS: usize = 40_000;
const BATCH: u32 = 500;
const CLAIMERS: usize = 2;
const LEASE: SignedDuration = SignedDuration::from_mins(2);

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    let settings = Settings::from_toml(&format!("store.url = '{url}'\nstore.key = '{}'", "07".repeat(32))).unwrap();
    let store = Store::connect(&settings.store).await.unwrap();
    let client = cluster.client(&url).await.unwrap();
    let command = Command::Customer { name: "Northwind Ltd".into(), currency: "USD".into() };
    let command = serde_json::to_string(&command).unwrap();
    let fill = format!(
        "INSERT INTO outbox (key, contract, target, kind, subject, command, digest, after, state, due_at, created_at)
         SELECT md5(n::text), 'SOW-' || n % 1000, 'netsuite', 'invoice', 'N' || n, $${command}$$, 'd', '[]', 'pending',
         '2026-03-02T10:00:00.000000Z', '2026-03-02T10:00:00.000000Z' FROM generate_series(1, {ROWS}) AS n; ANALYZE"
    );
    let mut best = 0_f64;
    for _ in 0..3 {
        client.batch_execute("TRUNCATE outbox").await.unwrap();
        client.batch_execute(&fill).await.unwrap();
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let begun = Instant::now();
        let claimers: Vec<_> = (0..CLAIMERS)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut claimed = Vec::new();
                    loop {
                        let batch = store.claim("netsuite".into(), BATCH, LEASE, now).await.unwrap();
                        if batch.is_empty() {
                            return claimed;
                        }
                        claimed.extend(batch);
                    }
                })
            })
            .collect();
        let mut claimed = Vec::new();
        for claimer in claimers {
            claimed.extend(claimer.await.unwrap());
        }
        let rate = ROWS as f64 / begun.elapsed().as_secs_f64();
        assert_eq!(claimed.len(), ROWS, "claimed twice or not at all");
        best = best.max(rate);
        println!("{rate:>8.0} rows claimed a second, {CLAIMERS} claimers, batches of {BATCH}");
        let begun = Instant::now();
        let mut claimed = claimed.into_iter().take(5_000).peekable();
        while claimed.peek().is_some() {
            let batch = claimed.by_ref().take(100).map(|one| {
                let receipt = Receipt { remote_id: "7".into(), remote_number: None, request_id: None, unposted: false };
                (one, Outcome::Done { receipt, adopted: false })
            });
            store.settle(batch.collect(), now).await.unwrap();
        }
        println!(
            "{:>8.0} rows settled a second, audit lines and all, batches of 100",
            5_000.0 / begun.elapsed().as_secs_f64()
        );
    }
    println!("claims: {best:.0} rows a second; at least 10,000 are asked for");
}
