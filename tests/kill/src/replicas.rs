//! Daemons that share a PostgreSQL under load, while one after another is killed, or stopped for longer than its leases
//! last and let go on: nothing is lost, nothing is done twice.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use milestoned_mocks::Person;
use milestoned_tests::fields;
use milestoned_tests::postgres::Cluster;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use serde::Serialize;
use serde_json::json;

use crate::daemon::{Daemon, Program, call, client};
use crate::kills::{delivery_of, signed};
use crate::script::Taken;
use crate::view::complaints;
use crate::world::{Database, World, free_port, pause};

/// Between two blows.
const CALM: Duration = Duration::from_secs(4);
/// How long a daemon is stopped: its leases of fifteen seconds pass on meanwhile.
const STOPPED: Duration = Duration::from_secs(19);
/// Between two contracts.
const BEAT: Duration = Duration::from_millis(400);
/// How long the rest may take after the last blow.
const REST: Duration = Duration::from_secs(180);

/// What the blows have shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Daemons killed.
    pub killed: u32,
    /// Daemons stopped and let go on.
    pub stopped: u32,
    /// Milestones accepted, each invoiced once.
    pub milestones: u32,
    /// Webhooks that some daemon acknowledged, all in the database.
    pub webhooks: usize,
    /// Contracts that some daemon acknowledged, all in the database.
    pub contracts: usize,
    /// Milliseconds from a blow until a duty of the daemon that was hit had another owner, sorted.
    pub takeovers: Vec<u64>,
    /// Seconds from the last blow until everything was invoiced.
    pub rest: u64,
    /// What was wrong; empty: nothing.
    pub violations: Vec<String>,
}

struct Replica {
    daemon: Daemon,
    url: String,
    config: std::path::PathBuf,
    /// Until then it is stopped.
    stopped_until: Option<Instant>,
}

impl Replica {
    fn live(&self) -> bool {
        self.stopped_until.is_none()
    }
}

fn signal(daemon: &Daemon, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").arg(format!("-{name}")).arg(daemon.id().to_string()).status()?;
    anyhow::ensure!(status.success(), "kill -{name} failed");
    Ok(())
}

/// Runs `count` daemons for `time` under load and blows.
///
/// # Errors
/// The harness failed.
pub async fn run(
    program: &Program,
    cluster: &Cluster,
    (count, time, seed): (usize, Duration, u64),
    told: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<Report> {
    let world = World::start(Some(cluster)).await?;
    let mut replicas = Vec::new();
    for _ in 0..count {
        let port = free_port()?;
        let config = world.folder.path().join(format!("replica-{port}.toml"));
        std::fs::write(&config, world.settings(port)?)?;
        let url = format!("http://127.0.0.1:{port}");
        let daemon = Daemon::spawn(program.command_on(&world, &config), url.clone(), &world.log())?;
        replicas.push(Replica { daemon, url, config, stopped_until: None });
    }
    for replica in &mut replicas {
        anyhow::ensure!(replica.daemon.accepting(Duration::from_secs(30)).await.is_some(), "a daemon does not start");
    }
    let (mut report, mut taken) = (Report::default(), Vec::new());
    let (over, hit) = (Cell::new(false), Cell::new(Instant::now()));
    let addresses = std::cell::RefCell::new(replicas.iter().map(|one| one.url.clone()).collect::<Vec<_>>());
    let losses = std::cell::RefCell::new(Vec::new());
    let load = async {
        let outcome = load(&world, &addresses, time, &mut taken, told).await;
        over.set(true);
        outcome
    };
    let blows = blows(program, &world, &mut replicas, (seed, &over, &hit), &addresses, &losses);
    let watch = watch(&world, &losses, &over);
    let (loaded, blown, watched) = tokio::join!(load, blows, watch);
    report.milestones = loaded?;
    (report.killed, report.stopped) = blown?;
    report.takeovers = watched?;
    report.violations = finish(&world, report.milestones, &hit).await?;
    report.rest = hit.get().elapsed().as_secs();
    drop(replicas);
    report.violations.extend(complaints(&world, program)?);
    report.violations.extend(crate::taken::missing(&world.database, &taken).await?);
    report.webhooks = taken.iter().filter(|one| matches!(one, Taken::Webhook(..))).count();
    report.contracts = taken.iter().filter(|one| matches!(one, Taken::Contract(..))).count();
    report.takeovers.sort_unstable();
    Ok(report)
}

/// Deals, contracts, issues and their acceptances, told to whoever lives. Gives how many milestones were accepted.
async fn load(
    world: &World,
    addresses: &std::cell::RefCell<Vec<String>>,
    time: Duration,
    taken: &mut Vec<Taken>,
    told: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<u32> {
    let (since, mut number) = (Instant::now(), 0_u32);
    let dana = Person { account_id: "dana".into(), display_name: "Dana".into(), email: "dana@example.test".into() };
    while since.elapsed() < time {
        let beat = Instant::now();
        let (id, erp) = (format!("SOW-{number}"), if number.is_multiple_of(2) { "netsuite" } else { "quickbooks" });
        let customer = format!("Customer {}", number % 5);
        let (salesforce, jira) = (&world.simulators.salesforce, &world.simulators.jira);
        let name = format!("account {customer}");
        let account = salesforce.put(&name, "Account", &name, fields(json!({ "Name": customer })))?;
        let deal = json!({
            "Name": id, "AccountId": account, "StageName": "Closed Won", "CloseDate": "2026-03-02", "Amount": "1000.00",
            "CurrencyIsoCode": "USD", "SOW_Number__c": id, "Payment_Terms__c": "net 30",
        });
        salesforce.put(&format!("deal {id}"), "Opportunity", &id, fields(deal))?;
        let terms = json!({
            "id": id, "customer": customer, "currency": "USD", "total": "1000.00", "signed_on": "2026-03-02",
            "obligations": [{ "id": "services", "ssp": "1000.00", "method": "output" }],
            "milestones": [{ "id": "M1", "name": "Design", "amount": "1000.00" }], "milestoned": { "erp": erp },
        });
        some(addresses, |url| {
            let (terms, path) = (&terms, format!("/v1/contracts/{id}"));
            async move { matches!(call(&url, "PUT", &path, "", Some(terms)).await, Some((200..300, _))) }
        })
        .await?;
        taken.push(Taken::Contract(id.clone()));
        let shown = json!({ "summary": id, "status": "To Do", "customfield_10101": id, "customfield_10102": "M1" });
        let issue = jira.create_issue(&format!("issue {id}"), "MS", fields(shown))?.id;
        let document = BTreeMap::from([("customfield_10105".to_owned(), json!("https://docs.example/1.pdf"))]);
        jira.edit(&format!("accept {id}"), &issue, &dana, document, Some("Accepted"))?;
        let body = format!(r#"{{"webhookEvent":"jira:issue_updated","issue":{{"id":"{issue}"}}}}"#);
        some(addresses, |url| {
            let body = body.clone();
            async move { send_webhook(&url, body).await }
        })
        .await?;
        taken.push(Taken::Webhook("jira".into(), delivery_of(&body)));
        number = number.saturating_add(1);
        told(since.elapsed().as_secs());
        pause(BEAT.saturating_sub(beat.elapsed())).await;
    }
    Ok(number)
}

/// Sends a signed webhook. Whether it was acknowledged.
pub(crate) async fn send_webhook(url: &str, body: String) -> bool {
    let Ok(client) = client() else { return false };
    let hook = client
        .post(format!("{url}/hooks/jira"))
        .header("x-hub-signature", signed(&body))
        .timeout(Duration::from_secs(3))
        .body(body);
    hook.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// Tries one live daemon after another until one takes it.
async fn some<F: Future<Output = bool>>(
    addresses: &std::cell::RefCell<Vec<String>>,
    told: impl Fn(String) -> F,
) -> anyhow::Result<()> {
    for attempt in 0..2_000_usize {
        let url = {
            let live = addresses.borrow();
            live.get(attempt.checked_rem(live.len()).unwrap_or(0)).cloned()
        };
        match url {
            Some(url) if told(url.clone()).await => return Ok(()),
            _ => pause(Duration::from_millis(20)).await,
        }
    }
    anyhow::bail!("no daemon takes anything")
}

/// A duty that a daemon had when it was hit.
struct Loss {
    name: String,
    epoch: i64,
    at: Instant,
}

/// Kills or stops one of the daemons that are up, every few seconds; what was stopped goes on later.
async fn blows(
    program: &Program,
    world: &World,
    replicas: &mut [Replica],
    (seed, over, hit): (u64, &Cell<bool>, &Cell<Instant>),
    addresses: &std::cell::RefCell<Vec<String>>,
    losses: &std::cell::RefCell<Vec<Loss>>,
) -> anyhow::Result<(u32, u32)> {
    let (mut dice, mut killed, mut stopped) = (StdRng::seed_from_u64(seed), 0_u32, 0_u32);
    while !over.get() {
        pause(CALM).await;
        for replica in &mut *replicas {
            if replica.stopped_until.is_some_and(|until| until <= Instant::now()) {
                signal(&replica.daemon, "CONT")?;
                replica.stopped_until = None;
            }
        }
        let up: Vec<usize> =
            replicas.iter().enumerate().filter(|(_, one)| one.live()).map(|(place, _)| place).collect();
        // Somebody is always there.
        if up.len() >= 2 && !over.get() {
            let place = up.get(dice.random_range(0..up.len())).copied().unwrap_or(0);
            let Some(replica) = replicas.get_mut(place) else { continue };
            anyhow::ensure!(replica.daemon.is_alive(), "a daemon has died by itself: {:?}", replica.daemon.ended());
            let had = duties(world, &replica.url).await?;
            hit.set(Instant::now());
            losses.borrow_mut().extend(had.into_iter().map(|(name, epoch)| Loss { name, epoch, at: Instant::now() }));
            if dice.random_range(0..3) == 0 {
                signal(&replica.daemon, "STOP")?;
                replica.stopped_until = Some(Instant::now() + STOPPED);
                stopped = stopped.saturating_add(1);
            } else {
                replica.daemon.kill()?;
                let command = program.command_on(world, &replica.config);
                replica.daemon = Daemon::spawn(command, replica.url.clone(), &world.log())?;
                killed = killed.saturating_add(1);
            }
        }
        *addresses.borrow_mut() = replicas.iter().filter(|one| one.live()).map(|one| one.url.clone()).collect();
    }
    for replica in replicas.iter().filter(|one| !one.live()) {
        signal(&replica.daemon, "CONT")?;
    }
    Ok((killed, stopped))
}

async fn leases(world: &World) -> anyhow::Result<Vec<(String, String, i64)>> {
    let Database::Url(url) = &world.database else { return Ok(Vec::new()) };
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let rows = client.query("SELECT name, owner, epoch FROM lease WHERE name NOT LIKE 'daemon %'", &[]).await?;
    connection.abort();
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// What the daemon at an address owns: its owner's name begins with where it listens.
async fn duties(world: &World, url: &str) -> anyhow::Result<Vec<(String, i64)>> {
    let listens = format!("{} ", url.trim_start_matches("http://"));
    let all = leases(world).await?.into_iter();
    Ok(all.filter(|(_, owner, _)| owner.starts_with(&listens)).map(|(name, _, epoch)| (name, epoch)).collect())
}

/// Notes when what was lost has another owner.
async fn watch(world: &World, losses: &std::cell::RefCell<Vec<Loss>>, over: &Cell<bool>) -> anyhow::Result<Vec<u64>> {
    let mut takeovers = Vec::new();
    while !over.get() {
        pause(Duration::from_millis(100)).await;
        let now: BTreeMap<String, i64> =
            leases(world).await?.into_iter().map(|(name, _, epoch)| (name, epoch)).collect();
        losses.borrow_mut().retain(|loss| {
            let passed_on = now.get(&loss.name).is_some_and(|epoch| *epoch > loss.epoch);
            if passed_on {
                takeovers.push(u64::try_from(loss.at.elapsed().as_millis()).unwrap_or(u64::MAX));
            }
            !passed_on
        });
    }
    Ok(takeovers)
}

/// Waits until every milestone is invoiced, and says what is wrong.
async fn finish(world: &World, milestones: u32, hit: &Cell<Instant>) -> anyhow::Result<Vec<String>> {
    let wanted: BTreeSet<String> = (0..milestones).map(|number| format!("SOW-{number}-M1")).collect();
    let held = || {
        let all = world.simulators.netsuite.documents().into_iter().chain(world.simulators.quickbooks.documents());
        all.filter(|one| one.kind == "invoice").map(|one| one.number).collect::<Vec<_>>()
    };
    while hit.get().elapsed() < REST && held().iter().collect::<BTreeSet<_>>().len() < wanted.len() {
        pause(Duration::from_millis(200)).await;
    }
    // Whoever believes to have work left has the time to do it twice.
    pause(Duration::from_secs(20)).await;
    let held = held();
    let once: BTreeSet<String> = held.iter().cloned().collect();
    let mut found: Vec<String> = wanted.difference(&once).map(|number| format!("never invoiced: {number}")).collect();
    found.extend(once.difference(&wanted).map(|number| format!("nobody accepted {number}")));
    if once.len() != held.len() {
        found.push(format!("{} invoices under {} numbers", held.len(), once.len()));
    }
    let customers =
        world.simulators.netsuite.records("customer").len() + world.simulators.quickbooks.records("Customer").len();
    if customers > 10 {
        found.push(format!("{customers} customers instead of five in each ERP"));
    }
    Ok(found)
}
