//! A million opportunities, a million issues with their histories, a million invoices of either ERP: how fast they are
//! read, and how much memory that takes. The simulators run in a process of their own.
//!
//! `cargo bench -p milestoned-benches --bench pull`

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use milestoned::clock::SetClock;
use milestoned_connector_kit::token::TokenStore;
use milestoned_connector_kit::{Cursor, Source};
use milestoned_jira::Jira;
use milestoned_mapping::fieldmap::{FieldMap, Shape};
use milestoned_mocks::{LotSpec, Options, Simulators};
use milestoned_netsuite::NetSuite;
use milestoned_quickbooks::QuickBooks;
use milestoned_salesforce::Salesforce;
use milestoned_tests::fields;
use serde_json::{Value, json};

const MILLION: u64 = 1_000_000;
const NOW: &str = "2026-03-02T09:00:00Z";

/// No token is rotated here.
struct NoTokens;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

impl TokenStore for NoTokens {
    fn load(&self, _: &str, _: &str) -> Answer<'_, Option<String>> {
        Box::pin(async { Ok(None) })
    }
    fn save(&self, _: &str, _: &str, _: &str) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn replace(&self, _: &str, _: &str, _: Option<&str>, _: &str) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Most memory that this process ever had, in megabytes.
fn most_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn lot(pattern: Value) -> LotSpec {
    LotSpec { step_ms: 20, ..LotSpec::new(MILLION, fields(pattern), "2026-03-01T09:00:00Z".parse().unwrap()) }.tied(31)
}

async fn pull(name: &str, source: &impl Source, stream: &str) {
    let (mut records, mut pages, mut cursor, mut more) = (0, 0, Cursor::default(), true);
    let started = Instant::now();
    while more {
        let page = source.pull(stream, &cursor).await.unwrap();
        records += page.records.len();
        pages += 1;
        (cursor, more) = (page.next, page.more);
    }
    let seconds = started.elapsed().as_secs_f64();
    // Pages that begin at a whole second overlap: what comes again is the same version, which the store drops.
    assert!(records as u64 >= MILLION);
    println!(
        "{name}: {records} records in {pages} pages, {:.0} a second, at most {:.0} MB resident so far",
        records as f64 / seconds,
        most_memory()
    );
}

/// The simulators, in this process: their addresses on one line, and then they serve until their input ends.
async fn simulate() {
    let simulators =
        Simulators::start(Options { dir: None, first_port: None, now: NOW.parse().unwrap() }).await.unwrap();
    let deal = json!({ "Name": "Deal {n}", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": "{n}.5" });
    simulators.salesforce.generate("lot", "Opportunity", &lot(deal)).unwrap();
    let issue = json!({ "summary": "Issue {n}", "status": "Accepted" });
    simulators.jira.generate("lot", "MS", &lot(issue)).unwrap();
    let netsuite = &simulators.netsuite;
    let customer = json!({ "companyName": "Acme", "currency": { "id": "1" } });
    let entity = netsuite.put_record("customer", "customer", "C-1", fields(customer)).unwrap();
    let invoice = json!({ "entity": { "id": entity }, "tranId": "INV-{n}", "tranDate": "2026-03-01", "currency": { "id": "1" },
        "item": { "items": [{ "item": { "id": "5" }, "amount": "10.25" }] } });
    netsuite.generate("lot", "invoice", &lot(invoice)).unwrap();
    let quickbooks = &simulators.quickbooks;
    quickbooks.set_limits(usize::MAX, usize::MAX);
    let customer = quickbooks.put_record("customer", "Customer", fields(json!({ "DisplayName": "Acme" }))).unwrap();
    let line = json!({ "Amount": "10.25", "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": { "ItemRef": { "value": "1" } } });
    let invoice = json!({ "CustomerRef": { "value": customer }, "DocNumber": "INV-{n}", "TxnDate": "2026-03-01", "Line": [line] });
    quickbooks.generate("lot", "Invoice", &lot(invoice)).unwrap();
    let urls = [
        simulators.url("salesforce"),
        simulators.url("jira"),
        simulators.url("netsuite"),
        simulators.url("quickbooks"),
    ];
    println!("{} {}", urls.join(" "), simulators.quickbooks.realm());
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
}

fn map(text: &str, shape: Shape) -> FieldMap {
    FieldMap::from_toml(text, shape).unwrap()
}

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("--test") => return,
        Some("simulate") => return simulate().await,
        _ => {}
    }
    let mut simulators = Command::new(std::env::current_exe().unwrap())
        .arg("simulate")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut addresses = String::new();
    BufReader::new(simulators.stdout.take().unwrap()).read_line(&mut addresses).unwrap();
    let addresses: Vec<&str> = addresses.split_whitespace().collect();
    let [salesforce_url, jira_url, netsuite_url, quickbooks_url, realm] = addresses[..] else {
        panic!("{addresses:?}")
    };
    let clock = Arc::new(SetClock::at(NOW.parse().unwrap()));
    let settings = json!({
        "base_url": salesforce_url, "limits": { "windows": [] },
        "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
    });
    let deals = map(include_str!("../config/fieldmaps/salesforce.toml"), Shape::PLAIN);
    let settings = serde_json::from_value(settings).unwrap();
    let salesforce = Salesforce::build("salesforce", settings, &deals, clock.clone(), Arc::new(NoTokens)).unwrap();
    pull("salesforce", &salesforce, "records").await;
    let settings = json!({
        "base_url": jira_url, "projects": ["MS"], "limits": { "windows": [] },
        "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" },
    });
    let read = map(include_str!("../config/fieldmaps/jira.toml"), milestoned_jira::value::SHAPE).source_fields();
    let settings = serde_json::from_value(settings).unwrap();
    let jira = Jira::build("jira", settings, read, clock.clone(), Arc::new(NoTokens)).unwrap();
    pull("jira", &jira, "issues").await;
    let accounts = |ids: [&str; 4]| json!({ "unbilled_receivable": ids[0], "contract_asset": ids[1], "deferred_revenue": ids[2], "revenue": ids[3] });
    let settings = json!({
        "account": "TSTDRV123_SB1", "base_url": netsuite_url, "timezone": "America/Los_Angeles", "item": "5",
        "auth": { "flow": "tba", "consumer_key": "ck", "consumer_secret": "cs", "token_id": "ti", "token_secret": "ts" },
        "accounts": accounts(["120", "121", "122", "123"]),
    });
    let netsuite = NetSuite::build("netsuite", serde_json::from_value(settings).unwrap(), clock.clone()).unwrap();
    pull("netsuite", &netsuite, "invoices").await;
    let settings = json!({
        "base_url": quickbooks_url, "token_url": format!("{quickbooks_url}/oauth2/v1/tokens/bearer"), "realm": realm,
        "client_id": "cid", "client_secret": "csecret", "refresh_token": "rt-smoke-1", "item": "1",
        "accounts": accounts(["85", "86", "23", "79"]), "limits": { "windows": [] },
    });
    let settings = serde_json::from_value(settings).unwrap();
    let quickbooks = QuickBooks::build("quickbooks", settings, clock, Arc::new(NoTokens)).unwrap();
    pull("quickbooks", &quickbooks, "documents").await;
    drop(simulators.stdin.take());
    simulators.wait().unwrap();
}
