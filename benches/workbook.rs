//! The workbook of a large portfolio: exported, brought back with a tenth of its milestones edited, and merged; its lists as files;
//! and the figures of a month. The daemon is a process of its own: each line tells how much memory it had at most until then.
//!
//! A lot of contracts goes through the daemon's own verbs, four of five milestones accepted in the month before; it is multiplied
//! within a copy of the database, as rows. The ERP is not there while the figures are prepared: a ledger that shows none of the
//! copies would be a million differences.
//!
//! `cargo build --release -p milestoned && cargo bench -p milestoned-benches --bench workbook -- 20000`

mod lots;
mod served;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use calamine::{Reader as _, Xlsx};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use milestoned_tests::{ADMIN, World};
use rust_xlsxwriter::Workbook;
use serde_json::json;

use lots::COPY;
use served::{Daemon, multiplied};

/// Contracts of the lot, and milestones of each.
const LOT: usize = 20;
const EACH: usize = 5;
/// Milestones of a workbook at most: the lists and the figures have no limit.
const OF_A_WORKBOOK: usize = 50_000;
/// One row of so many is edited.
const EDITED: usize = 10;
/// Sheet that says what was exported.
const HIDDEN: &str = "milestoned base";
/// What an export and a merge may take, in seconds, and the memory of the daemon, in MB.
const TIME_LIMIT: f64 = 5.0;
const MEMORY_LIMIT: f64 = 200.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let wanted: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let last = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month().yesterday().unwrap();
    let world = portfolio(last).await;
    let folder = tempfile::tempdir().unwrap();
    multiplied(&world, folder.path(), wanted / LOT / EACH, COPY);
    // Copies are attested as they stand by the first start, as rows of an older version are.
    drop(Daemon::start(folder.path(), &world).await);
    let daemon = Daemon::start(folder.path(), &world).await;
    while daemon.look("/").await.1 == 503 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{wanted} milestones; {:.0} MB once all contracts are read", daemon.memory("VmRSS:"));
    let slow = if wanted <= OF_A_WORKBOOK { workbook(&daemon).await } else { 0.0 };
    for list in ["milestones.csv", "milestones.xlsx", "documents.csv", "journal.xlsx"] {
        let (time, bytes) = daemon.taken(&format!("/export/{list}")).await;
        println!("{list}: {time:.1} s, {:.1} MB; at most {:.0} MB", bytes as f64 / 1e6, daemon.memory("VmHWM:"));
    }
    drop(world);
    let month = last.strftime("%Y-%m");
    let begun = Instant::now();
    let next = daemon.sent(&format!("/closes/{month}/prepare")).await;
    daemon.followed(&next).await;
    println!("figures: {:.1} s; at most {:.0} MB", begun.elapsed().as_secs_f64(), daemon.memory("VmHWM:"));
    let (time, bytes) = daemon.taken(&format!("/closes/{month}/package.zip")).await;
    let most = daemon.memory("VmHWM:");
    println!("package: {time:.1} s, {:.1} MB; at most {most:.0} MB", bytes as f64 / 1e6);
    if slow <= TIME_LIMIT && most <= MEMORY_LIMIT {
        return ExitCode::SUCCESS;
    }
    println!("above a limit: {slow:.1} of {TIME_LIMIT} s, {most:.0} of {MEMORY_LIMIT} MB");
    ExitCode::FAILURE
}

/// Exports, edits and merges the workbook. Gives the longer of both times.
async fn workbook(daemon: &Daemon) -> f64 {
    let begun = Instant::now();
    let url = format!("{}/v1/workbook", daemon.url);
    let answer = daemon.client.get(&url).bearer_auth(ADMIN).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    let export = answer.bytes().await.unwrap().to_vec();
    let exported = begun.elapsed().as_secs_f64();
    println!(
        "exported: {exported:.1} s, {:.1} MB; at most {:.0} MB",
        export.len() as f64 / 1e6,
        daemon.memory("VmHWM:")
    );
    let (file, edits) = edited(&export);
    let begun = Instant::now();
    let answer = daemon.client.post(&url).bearer_auth(ADMIN).body(file).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    let merged = begun.elapsed().as_secs_f64();
    println!("read, merged and shown with {edits} edits: {merged:.1} s; at most {:.0} MB", daemon.memory("VmHWM:"));
    exported.max(merged)
}

/// A lot of contracts with several milestones, all but the last of them accepted in the month that ended on a date.
async fn portfolio(last: Date) -> World {
    let world = World::start(&format!("{}T09:00:00Z", last.first_of_month())).await.unwrap();
    for number in 0..LOT {
        let milestones: Vec<_> = (1..=EACH)
            .map(|at| {
                json!({ "id": format!("M{at}"), "name": format!("Stage {at}"), "amount": "1000.00",
                "completion": "external_event", "description": "Work of the stage as the agreement describes it" })
            })
            .collect();
        let total = format!("{}.00", 1_000 * EACH);
        let terms = json!({ "customer": format!("Customer {number}"), "currency": "USD", "total": total,
            "signed_on": last.first_of_month().to_string(), "milestones": milestones,
            "obligations": [{ "id": "services", "ssp": total, "method": "output" }], "milestoned": { "erp": "quickbooks" } });
        let path = format!("/v1/contracts/LOT-{number}");
        assert_eq!(world.call("PUT", &path, ADMIN, Some(terms)).await.unwrap().0, 201);
    }
    for at in 1..EACH {
        let on = last.first_of_month().saturating_add(i64::try_from(at).unwrap().days());
        world.at(&format!("{on}T09:00:00Z")).unwrap();
        for number in 0..LOT {
            let fact = json!({ "type": "external_event", "milestone": format!("M{at}"), "name": "delivery" });
            let path = format!("/v1/contracts/LOT-{number}/facts");
            assert_eq!(world.call("POST", &path, ADMIN, Some(fact)).await.unwrap().0, 202);
        }
        world.settle().await.unwrap();
    }
    world.settle().await.unwrap();
    // The daemon goes by the machine's clock, and a session lasts for hours.
    world.at(&Timestamp::now().to_string()).unwrap();
    world.session(ADMIN).await.unwrap();
    world
}

/// The export with the names of some milestones edited, as a workbook that has nothing else.
fn edited(export: &[u8]) -> (Vec<u8>, usize) {
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(export)).unwrap();
    let mut written = Workbook::new();
    let base = book.worksheet_range(HIDDEN).unwrap();
    let hidden = written.add_worksheet().set_name(HIDDEN).unwrap();
    for (row, column, cell) in base.used_cells() {
        let place = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
        hidden.write_string(place.0, place.1, cell.to_string()).unwrap();
    }
    let milestones = book.worksheet_range("Milestones").unwrap();
    let sheet = written.add_worksheet();
    let mut edits = 0;
    let heads: Vec<String> = milestones.rows().next().unwrap().iter().map(ToString::to_string).collect();
    let name = heads.iter().position(|head| head == "Name").unwrap();
    for (row, cells) in milestones.rows().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let (at, text) = (u16::try_from(column).unwrap(), cell.to_string());
            let edit = row > 0 && row % EDITED == 0 && column == name;
            edits += usize::from(edit);
            let text = if edit { format!("{text}, revised") } else { text };
            sheet.write_string(u32::try_from(row).unwrap(), at, text).unwrap();
        }
    }
    (written.save_to_buffer().unwrap(), edits)
}
