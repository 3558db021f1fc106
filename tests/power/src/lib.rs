//! Power cuts: the real store on a simulated disk that fails at any write, truncation, sync or deletion. After each cut
//! the database is opened again on what the disk has kept, and three things must hold: SQLite finds nothing broken; what
//! was acknowledged is there; a verb is there whole or not at all.

pub mod disk;
pub mod vfs;

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use milestoned::store::intake::Reading;
use milestoned::store::{Key, Store};
use milestoned_connector_kit::{Cursor, Hint, Page};
use milestoned_mapping::record::{Content, SourceRecord};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use disk::{Disk, with};

/// The database on the simulated disk.
const FILE: &str = "file:m.db?vfs=power";
/// Verbs of one life of the store.
const VERBS: u32 = 6;

/// What a series of cuts has shown.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Power cuts.
    pub cuts: u64,
    /// Verbs that were acknowledged before a cut.
    pub acknowledged: u64,
    /// Cuts after which something unacknowledged had survived.
    pub survivors: u64,
    /// What was wrong, with the seed; empty: nothing.
    pub violations: Vec<String>,
}

/// Where a life of the store stands.
#[derive(Debug, Clone, Copy, Default)]
struct Book {
    /// Webhooks acknowledged.
    hints: u32,
    /// Pages acknowledged.
    pages: u32,
    /// Records settled.
    settled: u32,
}

/// Cuts the power `cuts` times, under this seed.
///
/// # Errors
/// The store could not even be made: no finding about power cuts.
pub fn run(seed: u64, cuts: u64) -> anyhow::Result<Report> {
    vfs::register().map_err(|code| anyhow::anyhow!("the VFS cannot be registered: {code}"))?;
    let (mut dice, mut report) = (StdRng::seed_from_u64(seed), Report::default());
    let fresh = fresh()?;
    while report.cuts < cuts {
        // One life after another on one disk, so that a cut falls into what an earlier cut has left.
        with(|disk| disk.clone_from(&fresh));
        let mut book = Book::default();
        for life in 0..dice.random_range(2..6_u32) {
            let cut = dice.random_range(1..60);
            with(|disk| disk.cut_at(Some(cut)));
            let after = live(book);
            if !with(|disk| disk.is_dead()) {
                book = after;
                continue;
            }
            report.cuts = report.cuts.saturating_add(1);
            with(|disk| disk.restart(&mut dice));
            let kept = match inspect(after) {
                Ok(kept) => kept,
                Err(error) => {
                    report.violations.push(format!("seed {seed}, cut {} in life {life}: {error:#}", report.cuts));
                    break;
                }
            };
            report.acknowledged = report.acknowledged.saturating_add(u64::from(
                (after.hints - book.hints) + (after.pages - book.pages) + (after.settled - book.settled),
            ));
            let more = kept.hints > after.hints || kept.pages > after.pages || kept.settled > after.settled;
            report.survivors = report.survivors.saturating_add(u64::from(more));
            book = kept;
        }
    }
    Ok(report)
}

/// A disk with an empty database of this version.
fn fresh() -> anyhow::Result<Disk> {
    with(|disk| *disk = Disk::default());
    drop(open()?);
    Ok(with(|disk| disk.clone()))
}

fn open() -> anyhow::Result<Store> {
    Store::in_this_thread(FILE, Key::of([7; 32]), |_| Box::pin(std::future::ready(())))
        .context("the database cannot be opened")
}

/// Polls a future that never waits.
fn now_or_never<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut future = pin!(future);
    match Future::poll(Pin::as_mut(&mut future), &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => anyhow::bail!("the store waits"),
    }
}

fn time(count: u32) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_secs(i64::from(count))).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Opens the store and works until the power fails. Says what was acknowledged.
fn live(mut book: Book) -> Book {
    let _ = work(&mut book);
    book
}

fn work(book: &mut Book) -> anyhow::Result<()> {
    let store = open()?;
    for _ in 0..VERBS {
        let count = book.hints.saturating_add(1);
        let hint = Hint { object: "issue".into(), id: count.to_string() };
        now_or_never(store.hints_received("jira".into(), format!("d{count}"), vec![hint], time(count)))??;
        book.hints = count;

        let count = book.pages.saturating_add(1);
        now_or_never(store.record_page("jira".into(), "issues".into(), page(count), None, time(count)))??;
        book.pages = count;

        for stored in now_or_never(store.unread_records(1))?? {
            let contract = format!("SOW-{}", stored.id);
            let reading = Reading { contract: Some(contract), ..Reading::default() };
            now_or_never(store.settle_records(vec![(stored, reading)], time(count)))??;
            book.settled = book.settled.saturating_add(1);
        }
    }
    Ok(())
}

/// Two records and the cursor that says so.
fn page(count: u32) -> Page {
    let record = |half: &str| SourceRecord {
        system: "jira".into(),
        object: "issue".into(),
        id: format!("{count}{half}"),
        version: count.to_string(),
        at: time(count),
        raw: format!("{{\"fields\":{{\"summary\":\"{}\"}}}}", "x".repeat(700)),
        content: Content::Fields { history: Vec::new() },
    };
    Page {
        records: vec![record("a"), record("b")],
        unreadable: Vec::new(),
        next: Cursor([("page".to_owned(), count.to_string())].into()),
        more: false,
        fresh_through: time(count),
    }
}

/// Opens the database after a cut and compares it with what was acknowledged. Says what is there.
fn inspect(acknowledged: Book) -> anyhow::Result<Book> {
    let store = open()?;
    let broken = now_or_never(store.flaws())??;
    anyhow::ensure!(broken.is_empty(), "SQLite finds the database broken: {broken:?}");
    let chain = now_or_never(store.verify_audit(Vec::new()))??;
    anyhow::ensure!(chain.flaw().is_none(), "the audit chain is broken: {chain:?}");

    let hints = now_or_never(store.hints_due("jira".into(), Timestamp::MAX, u32::MAX))??;
    let hints = u32::try_from(hints.len())?;
    let mark = now_or_never(store.watermarks("jira".into()))??.remove("issues");
    let pages: u32 = match mark.as_ref().and_then(|mark| mark.cursor.0.get("page")) {
        Some(page) => page.parse()?,
        None => 0,
    };
    let unread = u32::try_from(now_or_never(store.unread_records(u32::MAX))??.len())?;
    anyhow::ensure!(unread <= pages.saturating_mul(2), "{unread} records wait, and {pages} pages of two came");
    let settled = pages.saturating_mul(2).saturating_sub(unread);
    let kept = Book { hints, pages, settled };
    let lost = hints < acknowledged.hints || pages < acknowledged.pages || settled < acknowledged.settled;
    anyhow::ensure!(!lost, "acknowledged: {acknowledged:?}, kept: {kept:?}");
    let ahead = hints > acknowledged.hints.saturating_add(1)
        || pages > acknowledged.pages.saturating_add(1)
        || settled > acknowledged.settled.saturating_add(1);
    anyhow::ensure!(!ahead, "more is there than was done: acknowledged {acknowledged:?}, kept {kept:?}");
    Ok(kept)
}
