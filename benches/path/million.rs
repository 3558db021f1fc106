//! A large portfolio: contracts of ten milestones that have lived, multiplied within the database; then how long a start
//! takes, how much memory the daemon has, and what one event costs.
//!
//! A lot of a hundred contracts goes through the daemon's own verbs, from terms to invoices that a poll has seen. Further
//! lots are copies of its rows under other ids, table by table, with every index and constraint. The hashes of copied audit
//! lines are copies too: `milestoned audit verify` would find that.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::Connection;

use crate::daemon;
use crate::load::{self, System};
use crate::loopback::Remotes;
use crate::portfolio;

/// Milestones of a lot.
const LOT: usize = portfolio::LOT_CONTRACTS * portfolio::LOT_MILESTONES;

/// What is measured at one size.
pub(crate) async fn measure(folder: &Path, remotes: &std::sync::Arc<Remotes>, sizes: &[usize]) {
    let database = daemon::prepare_lot(folder, remotes).await;
    let mut lots = 1;
    println!(
        "| milestones | contracts | file | start to ready | idle | loaded | one event (CPU) | p50 / p99 at 100/s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &size in sizes {
        let wanted = size / LOT;
        multiply(&database, lots..wanted);
        lots = wanted;
        row(folder, &database, remotes, size).await;
    }
}

async fn row(folder: &Path, database: &Path, remotes: &std::sync::Arc<Remotes>, size: usize) {
    let bytes = std::fs::metadata(database).unwrap().len();
    let mut starts = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        let system = daemon::start_on(database, folder, remotes).await;
        daemon::ready(&system.address).await;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        system.stop();
    }
    starts.sort_by(f64::total_cmp);
    let system = daemon::start_on(database, folder, remotes).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let idle = system.resident();
    // Fresh contracts, prepared with the lot; each size has its own.
    let first = portfolio::fresh(size);
    remotes.begin(first);
    let warm = load::saturated(&system, remotes, first, 100, 64).await.first_free;
    let cpu = system.cpu_ms();
    let slow = load::open(&system, remotes, warm, 100, 5).await;
    let cpu = (system.cpu_ms() - cpu) / 500.0;
    let loaded = system.resident();
    let pages = pages(&system).await;
    println!(
        "| {size} | {} | {:.2} GB | {:.0} ms | {idle:.0} MB | {loaded:.0} MB | {cpu:.2} ms | {:.1} / {:.1} ms |",
        size / portfolio::LOT_MILESTONES,
        bytes as f64 / 1e9,
        starts[1],
        slow.p50,
        slow.p99
    );
    println!("<!-- {pages}, then {:.0} MB -->", system.resident());
    system.stop();
}

const PAGES: [&str; 7] = [
    "/metrics",
    "/v1/contracts/SOW-0",
    "/v1/exceptions?contract=SOW-0",
    "/v1/contracts",
    "/",
    "/contracts/SOW-0",
    "/exceptions",
];

/// How long what people and programs look at takes.
async fn pages(system: &System) -> String {
    let client = reqwest::Client::new();
    let mut told = Vec::new();
    for path in PAGES {
        let begun = Instant::now();
        let answer = client.get(format!("http://{}{path}", system.address)).bearer_auth(daemon::TOKEN).send().await;
        let answer = answer.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let bytes = answer.bytes().await.unwrap().len();
        told.push(format!("{path}: {:.1} ms, {bytes} bytes", begun.elapsed().as_secs_f64() * 1e3));
    }
    told.join("; ")
}

/// Copies of the first lot, under other ids.
fn multiply(database: &PathBuf, lots: std::ops::Range<usize>) {
    let connection = Connection::open(database).unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection.pragma_update(None, "cache_size", -400_000).unwrap();
    connection.execute_batch("CREATE TEMP TABLE lot (n INTEGER)").unwrap();
    // Lots that are copied at once: few statements, and a log that does not outgrow the file.
    let mut from = lots.start;
    while from < lots.end {
        let to = (from + 20).min(lots.end);
        connection.execute("DELETE FROM lot", []).unwrap();
        for lot in from..to {
            connection.execute("INSERT INTO lot VALUES (?1)", [lot as i64]).unwrap();
        }
        connection.execute_batch(&format!("BEGIN; {COPY} COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")).unwrap();
        from = to;
    }
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    // What the copies left in the kernel would be written while the daemon waits for its own syncs.
    std::fs::File::open(database).unwrap().sync_all().unwrap();
}

/// `LOT-` begins the ids of the first lot's contracts; keys end in the lot's number. Copies are attested at the next start, as
/// rows of an older version are.
const COPY: &str = "
INSERT INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of, wake_at, planned_documents, journal_through, legs_changed, revision, customer)
  SELECT 'L' || n || substr(id, 4), replace(agreement, 'LOT-', 'L' || n || '-'), digest, source, opened_on, opened_at, replace(state, 'LOT-', 'L' || n || '-'),
  history, as_of, wake_at, planned_documents, journal_through, legs_changed, revision, customer FROM lot, contract WHERE id LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO source_record (system, object, remote_id, version, changed_at, seen_at, record, state, contract, issues)
  SELECT system, object, 'L' || n || remote_id, version, changed_at, seen_at, replace(record, 'LOT-', 'L' || n || '-'), state, 'L' || n || substr(contract, 4), issues
  FROM lot, source_record WHERE contract LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO fact (contract, identity, at, effective_at, learned_at, fact, actor, position, problem)
  SELECT 'L' || n || substr(contract, 4), identity, at, effective_at, learned_at, replace(fact, 'LOT-', 'L' || n || '-'), actor, position, problem
  FROM lot, fact WHERE contract LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO leg_part (system, object, remote_id, contract, leg, milestone, part)
  SELECT system, object, 'L' || n || remote_id, 'L' || n || substr(contract, 4), leg, milestone, replace(part, 'LOT-', 'L' || n || '-')
  FROM lot, leg_part WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO leg (contract, leg, record) SELECT 'L' || n || substr(contract, 4), leg, replace(record, 'LOT-', 'L' || n || '-') FROM lot, leg WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO document (number, contract, ordinal, kind, milestone, date, due_on, currency, amount, target, posting, cause)
  SELECT 'L' || n || substr(number, 4), 'L' || n || substr(contract, 4), ordinal, kind, milestone, date, due_on, currency, amount, target,
  substr(posting, 1, 54) || printf('%010d', n), cause FROM lot, document WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO exception (contract, ordinal, code, milestone, leg, severity, opened_on, closed_on, held, currency, differences)
  SELECT 'L' || n || substr(contract, 4), ordinal, code, milestone, leg, severity, opened_on, closed_on, held, currency, differences
  FROM lot, exception WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO event (identity, at, type, contract, milestone, body)
  SELECT replace(identity, 'LOT-', 'L' || n || '-'), at, type, 'L' || n || substr(contract, 4), milestone, replace(body, 'LOT-', 'L' || n || '-')
  FROM lot, event WHERE contract LIKE 'LOT-%' ORDER BY n, seq;
INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, attempts, due_at, lease_until, created_at, settled_at, confirmed_at, receipt, fault, remedy)
  SELECT substr(key, 1, 54) || printf('%010d', n), (SELECT max(ordinal) FROM outbox) + row_number() OVER (ORDER BY n, ordinal), 'L' || n || substr(contract, 4), target, kind,
  replace(subject, 'LOT-', 'L' || n || '-'), replace(command, 'LOT-', 'L' || n || '-'), digest, after, state, attempts, due_at, lease_until, created_at, settled_at, confirmed_at,
  receipt, fault, remedy FROM lot, outbox WHERE contract LIKE 'LOT-%' AND kind <> 'customer';
DROP TRIGGER IF EXISTS audit_keeps_chained;
UPDATE audit SET attests = NULL;
INSERT INTO audit (seq, at, actor, action, contract, subject, detail, salt, personal, hash)
  SELECT (SELECT max(seq) FROM audit) + row_number() OVER (ORDER BY n, seq), at, actor, action, 'L' || n || substr(contract, 4), replace(subject, 'LOT-', 'L' || n || '-'),
  replace(detail, 'LOT-', 'L' || n || '-'), salt, personal, hash FROM lot, audit WHERE contract LIKE 'LOT-%';
UPDATE audit_head SET seq = (SELECT max(seq) FROM audit), hash = (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), sealed = '';
";
