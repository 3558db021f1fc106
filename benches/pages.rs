//! The pages over a large portfolio of ten milestones a contract: home, queue, search, lists, a case and a contract, each asked for
//! again after a contract has changed; one act about five hundred things; reports; and the memory that the daemon has, which is a
//! process of its own. Each page is printed with its times, and the run fails where one of them is above its limit.
//!
//! A lot of twenty contracts goes through the daemon's own verbs; it is multiplied within a copy of the database, as rows.
//!
//! `cargo build --release -p milestoned && cargo bench -p milestoned-benches --bench pages -- 50000`

mod lots;
mod served;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan as _};
use milestoned_tests::{ADMIN, World};
use serde_json::json;

use lots::COPY;
use served::{Daemon, multiplied};

/// Contracts of the lot.
const LOT: usize = 20;
/// Milestones of a contract.
const MILESTONES: usize = 10;
/// Requests for each page, and for each report.
const ROUNDS: usize = 40;
const REPORT_ROUNDS: usize = 5;
/// Things that one act is about.
const MANY: usize = 500;
/// What a page may take at p95, a report, and an act about many things, in milliseconds.
const PAGE_LIMIT: f64 = 100.0;
const REPORT_LIMIT: f64 = 2_000.0;
const ACT_LIMIT: f64 = 2_000.0;
/// Resident memory of the daemon in the end, in MB.
const MEMORY_LIMIT: f64 = 150.0;

const PAGES: [&str; 10] = [
    "/",
    "/queue",
    "/queue?part=approvals&sort=amount&page=50",
    "/queue?q=LOT-3",
    "/contracts?q=LOT-3",
    "/contracts?q=LOT-3-M4",
    "/case/approval:LOT-0:M1",
    "/contracts/LOT-0",
    "/receivables",
    "/outlook?month=next",
];
const REPORTS: [&str; 5] =
    ["/reports/metrics", "/reports/cases?part=first-send", "/reports/cohort", "/reports/forecast", "/metrics"];

/// Times above their limits.
#[derive(Default)]
struct Limits(Vec<String>);

impl Limits {
    fn check(&mut self, what: &str, value: f64, limit: f64) {
        if value > limit {
            self.0.push(format!("{what}: {value:.0}, and the limit is {limit:.0}"));
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let wanted: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(50_000);
    let world = World::start(&Timestamp::now().to_string()).await.unwrap();
    for number in 0..LOT {
        file(&world, number).await;
    }
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    world.session(ADMIN).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    multiplied(&world, folder.path(), wanted / LOT, COPY);
    // Copies are attested as they stand by the first start, as rows of an older version are.
    drop(Daemon::start(folder.path(), &world).await);
    let daemon = Daemon::start(folder.path(), &world).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!(
        "{wanted} contracts of {MILESTONES} milestones; idle, before anybody looks: {:.0} MB",
        daemon.memory("VmRSS:")
    );
    gathered(&daemon).await;
    let mut limits = Limits::default();
    println!("| page | p50 | p95 | bytes |\n|---|---|---|---|");
    let pages = PAGES.map(|page| (page, ROUNDS, PAGE_LIMIT));
    for (page, rounds, limit) in pages.into_iter().chain(REPORTS.map(|page| (page, REPORT_ROUNDS, REPORT_LIMIT))) {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for round in 0..rounds {
            change(&daemon, round).await;
            let (time, text) = daemon.get(page).await;
            times.push(time);
            bytes = text.len();
        }
        times.sort_by(f64::total_cmp);
        let (middle, high) = (times[rounds / 2], times[rounds * 95 / 100]);
        println!("| {page} | {middle:.0} ms | {high:.0} ms | {bytes} |");
        limits.check(page, high, limit);
    }
    many(&daemon, &mut limits).await;
    let resident = daemon.memory("VmRSS:");
    println!("resident: {resident:.0} MB, at most {:.0} MB", daemon.memory("VmHWM:"));
    limits.check("resident MB", resident, MEMORY_LIMIT);
    limits.0.iter().for_each(|said| println!("above its limit: {said}"));
    if limits.0.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Somebody decides something about one contract.
async fn change(daemon: &Daemon, round: usize) {
    let subject = format!("approval:LOT-{}:M1", round % LOT);
    let note = json!({ "subject": subject, "act": "note", "reason": format!("looked at it {round} times") });
    let request = daemon.client.post(format!("{}/v1/acts", daemon.url)).bearer_auth(ADMIN).json(&note);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
}

/// Looks until the contracts are read: while they are, a page says so.
async fn gathered(daemon: &Daemon) {
    let begun = Instant::now();
    let (first, mut status, _) = daemon.look("/").await;
    while status == 503 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        status = daemon.look("/").await.1;
    }
    let all = begun.elapsed().as_secs_f64();
    println!("the first page after a start answers in {first:.0} ms; all contracts are read after {all:.1} s");
}

/// A contract whose first milestone waits for an approval, whose second is billed by a date, of which four are invoiced, and four
/// wait for their events.
async fn file(world: &World, number: usize) {
    let milestone = |place: usize| {
        let amount = if place == 1 { format!("{}.00", 60_000 + number) } else { format!("{}.00", 1_000 + place) };
        let mut table = json!({ "id": format!("M{place}"), "name": "Delivery", "amount": amount });
        let trigger = if place == 2 {
            let next =
                Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().last_of_month().saturating_add(10.days());
            json!({ "trigger": "date", "trigger_date": next.to_string() })
        } else {
            json!({ "completion": "external_event" })
        };
        table.as_object_mut().unwrap().extend(trigger.as_object().unwrap().clone());
        table
    };
    let milestones: Vec<_> = (1..=MILESTONES).map(milestone).collect();
    let total = format!("{}.00", 60_000 + number + (2..=MILESTONES).map(|place| 1_000 + place).sum::<usize>());
    let signed = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let terms = json!({ "customer": format!("Customer {number}"), "currency": "USD", "total": total, "signed_on": signed.to_string(),
        "obligations": [{ "id": "services", "ssp": total, "method": "output" }], "milestones": milestones,
        "milestoned": { "erp": "quickbooks", "policy": { "review": "over", "review_over": "50000.00" } } });
    let path = format!("/v1/contracts/LOT-{number}");
    assert_eq!(world.call("PUT", &path, ADMIN, Some(terms)).await.unwrap().0, 201);
    for place in [1, 3, 4, 5, 6] {
        let fact = json!({ "type": "external_event", "milestone": format!("M{place}"), "name": "delivery" });
        assert_eq!(world.call("POST", &format!("{path}/facts"), ADMIN, Some(fact)).await.unwrap().0, 202);
    }
}

/// One act about many things, as the page does it.
async fn many(daemon: &Daemon, limits: &mut Limits) {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let act = "note";
    let all = vec![field("act", act), field("all", "yes"), field("filter", "part=approvals")];
    let (looked, page) = daemon.send("/bulk", all).await;
    let rows: Vec<String> =
        page.split("name=\"row\" value=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(Into::into).collect();
    assert_eq!(rows.len(), MANY);
    let mut form: Vec<_> = rows.iter().map(|row| field("row", row)).collect();
    form.extend([field("act", act), field("reason", "all of them")]);
    let (done, page) = daemon.send("/bulk/act", form).await;
    assert!(page.contains(&format!("{MANY} done, 0 not")), "{act}: {}", &page[..page.len().min(4_000)]);
    println!("{act} {MANY}: looked at in {looked:.0} ms, done in {done:.0} ms");
    limits.check("looking at many", looked, ACT_LIMIT);
    limits.check("acting on many", done, ACT_LIMIT);
}
