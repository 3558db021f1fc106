//! The workbook of a large portfolio: exported, brought back with a tenth of its milestones edited, and merged; and how much memory
//! that takes.
//!
//! A lot of contracts goes through the daemon's own verbs; it is multiplied within the database, as rows.
//!
//! `cargo bench -p milestoned-benches --bench workbook -- 20000`

mod lots;

use std::time::Instant;

use calamine::{Reader as _, Xlsx};
use milestoned_tests::{ADMIN, World};
use rust_xlsxwriter::Workbook;
use serde_json::json;

use lots::multiply;

/// Contracts of the lot, and milestones of each.
const LOT: usize = 20;
const EACH: usize = 4;
/// One row of so many is edited.
const EDITED: usize = 10;
/// Sheet that says what was exported.
const HIDDEN: &str = "milestoned base";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let wanted: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let mut world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    for number in 0..LOT {
        file(&world, number).await;
    }
    world.settle().await.unwrap();
    multiply(&world.app.env.settings.store.path, wanted / LOT / EACH, COPY);
    // Copies are attested as they stand by the next start, as rows of an older version are.
    world.restart().await.unwrap();
    let client = reqwest::Client::new();
    let url = format!("{}/v1/workbook", world.url);
    let get = async || {
        let answer = client.get(&url).bearer_auth(ADMIN).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.unwrap().to_vec()
    };
    let begun = Instant::now();
    get().await;
    println!("{wanted} milestones; the first export reads all contracts: {:.1} s", begun.elapsed().as_secs_f64());
    let before = resident();
    let begun = Instant::now();
    let export = get().await;
    println!("exported: {:.1} s, {:.1} MB", begun.elapsed().as_secs_f64(), export.len() as f64 / 1e6);
    let (file, edits) = edited(&export);
    let begun = Instant::now();
    let answer = client.post(&url).bearer_auth(ADMIN).body(file).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    println!("read, merged and shown with {edits} edits: {:.1} s", begun.elapsed().as_secs_f64());
    let most = peak();
    println!("memory: {before} MB before, {most} MB at most (the simulators and the pages' snapshot are in it)");
}

/// A contract of several milestones.
async fn file(world: &World, number: usize) {
    let milestones: Vec<_> = (1..=EACH)
        .map(|at| json!({ "id": format!("M{at}"), "name": format!("Stage {at}"), "amount": "1000.00", "description": "Work of the stage as the agreement describes it" }))
        .collect();
    let total = format!("{}.00", 1_000 * EACH);
    let terms = json!({ "customer": format!("Customer {number}"), "currency": "USD", "total": total, "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": total, "method": "output" }], "milestones": milestones,
        "milestoned": { "erp": "quickbooks" } });
    assert_eq!(world.call("PUT", &format!("/v1/contracts/LOT-{number}"), ADMIN, Some(terms)).await.unwrap().0, 201);
}

const COPY: &str = "
INSERT INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of, wake_at, planned_documents,
    journal_through, legs_changed, revision, customer)
  SELECT 'L' || n || substr(id, 4), replace(agreement, 'LOT-', 'L' || n || '-'), digest, source, opened_on, opened_at,
  replace(state, 'LOT-', 'L' || n || '-'), history, as_of, NULL, planned_documents, journal_through, legs_changed, revision,
  customer FROM lot, contract WHERE id LIKE 'LOT-%' ORDER BY n, id;
DROP TRIGGER audit_keeps_chained;
UPDATE audit SET attests = NULL;
UPDATE audit_head SET sealed = '';
";

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

fn status_of(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() / 1_000
}

fn resident() -> u64 {
    status_of("VmRSS")
}

fn peak() -> u64 {
    status_of("VmHWM")
}
