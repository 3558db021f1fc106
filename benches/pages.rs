//! The pages over a large portfolio of ten milestones a contract: home, queue, search, lists, a case and a contract, each asked for
//! again after a contract has changed; one act about five hundred things; reports; and the memory that the daemon has, which is a
//! process of its own. Each page is printed with its times, and the run fails where one of them is above its limit.
//!
//! A lot of twenty contracts goes through the daemon's own verbs; it is multiplied within a copy of the database, as rows.
//!
//! `cargo build --release -p milestoned && cargo bench -p milestoned-benches --bench pages -- 50000`

mod lots;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan as _};
use milestoned_tests::{ADMIN, World, configuration};
use reqwest::header::{CONTENT_TYPE, COOKIE};
use serde_json::json;

use lots::multiply;

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

/// The daemon as a process of its own, over a database that was prepared.
struct Daemon {
    process: Child,
    url: String,
    client: reqwest::Client,
    /// Cookie of somebody who is signed in, and where forms come from.
    session: String,
    origin: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    async fn start(folder: &Path, world: &World) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let file = folder.join("milestoned.toml");
        let text = configuration(folder, &world.simulators);
        std::fs::write(
            &file,
            format!("http.listen = \"{address}\"\nlog.filter = \"off\"\naudit.verify_every = \"0s\"\n{text}"),
        )
        .unwrap();
        let own = std::env::current_exe().unwrap();
        let program = own.ancestors().nth(2).unwrap().join("milestoned");
        assert!(program.exists(), "{}: cargo build --release -p milestoned", program.display());
        let process = Command::new(program).args(["run", "--config"]).arg(&file).stdout(Stdio::null()).spawn().unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let session = world.session(ADMIN).await.unwrap();
        let daemon = Self { process, url: format!("http://{address}"), client, session, origin: world.origin() };
        while daemon.client.get(format!("{}/readyz", daemon.url)).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        daemon
    }

    /// A page, whatever it says: how long it took, status and text.
    async fn look(&self, path: &str) -> (f64, u16, String) {
        let begun = Instant::now();
        let request = self.client.get(format!("{}{path}", self.url));
        let request =
            if path == "/metrics" { request.bearer_auth(ADMIN) } else { request.header(COOKIE, &self.session) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (begun.elapsed().as_secs_f64() * 1e3, status, text)
    }

    async fn get(&self, path: &str) -> (f64, String) {
        let (time, status, text) = self.look(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        (time, text)
    }

    async fn send(&self, path: &str, form: Vec<(String, String)>) -> (f64, String) {
        let mut url = reqwest::Url::parse("http://form/").unwrap();
        url.query_pairs_mut().extend_pairs(form);
        let request = self.client.post(format!("{}{path}", self.url)).body(url.query().unwrap_or_default().to_owned());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(COOKIE, &self.session);
        let begun = Instant::now();
        let text = request.header("origin", &self.origin).send().await.unwrap().text().await.unwrap();
        (begun.elapsed().as_secs_f64() * 1e3, text)
    }

    /// Somebody decides something about one contract.
    async fn change(&self, round: usize) {
        let subject = format!("approval:LOT-{}:M1", round % LOT);
        let note = json!({ "subject": subject, "act": "note", "reason": format!("looked at it {round} times") });
        let request = self.client.post(format!("{}/v1/acts", self.url)).bearer_auth(ADMIN).json(&note);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    }

    /// A line of its status, in MB: what is resident, or was at most.
    fn memory(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
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
    prepare(&world, folder.path(), wanted);
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
            daemon.change(round).await;
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

/// A copy of the database in which the lot is multiplied.
fn prepare(world: &World, folder: &Path, wanted: usize) {
    let database = folder.join("milestoned.db");
    let connection = rusqlite::Connection::open(&world.app.env.settings.store.path).unwrap();
    connection.execute("VACUUM INTO ?1", [database.to_str().unwrap()]).unwrap();
    multiply(&database, wanted / LOT, COPY);
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

const COPY: &str = "
INSERT INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of, wake_at, planned_documents,
    journal_through, legs_changed, revision, customer)
  SELECT 'L' || n || substr(id, 4), replace(agreement, 'LOT-', 'L' || n || '-'), digest, source, opened_on, opened_at,
  replace(state, 'LOT-', 'L' || n || '-'), history, as_of, wake_at, planned_documents, journal_through, legs_changed, revision,
  customer FROM lot, contract WHERE id LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO approval (contract, milestone, since, amount, currency, shown, void)
  SELECT 'L' || n || substr(contract, 4), milestone, since, amount, currency, shown, void FROM lot, approval
  WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO fact (contract, identity, at, effective_at, learned_at, fact, actor, position, problem)
  SELECT 'L' || n || substr(contract, 4), identity, at, effective_at, learned_at, fact, actor, position, problem
  FROM lot, fact WHERE contract LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO document (number, contract, ordinal, kind, milestone, date, due_on, currency, amount, target, posting, cause)
  SELECT 'L' || n || substr(number, 4), 'L' || n || substr(contract, 4), ordinal, kind, milestone, date, due_on, currency, amount,
  target, posting || '-' || n, cause FROM lot, document WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, attempts, due_at, created_at,
    settled_at, confirmed_at, receipt)
  SELECT key || '-' || n, ordinal + n * 100000, 'L' || n || substr(contract, 4), target, kind,
  replace(subject, 'LOT-', 'L' || n || '-'), replace(command, 'LOT-', 'L' || n || '-'), digest, after, state, attempts, due_at,
  created_at, settled_at, confirmed_at, receipt FROM lot, outbox WHERE contract LIKE 'LOT-%' ORDER BY n;
DROP TRIGGER audit_keeps_chained;
UPDATE audit SET attests = NULL;
UPDATE audit_head SET sealed = '';
";

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
