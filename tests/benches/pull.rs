//! A million opportunities, and a million issues with their histories: how fast they are read, and how much memory that
//! takes. The simulators run in a process of their own.
//!
//! `cargo bench -p milestoned-tests --bench pull`

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, prints, and may fail"
)]

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
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mocks::{LotSpec, Options, Simulators};
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
    assert_eq!(records as u64, MILLION);
    println!(
        "{name}: {records} records in {pages} pages, {:.0} a second, at most {:.0} MB resident so far",
        records as f64 / seconds,
        most_memory()
    );
}

/// The simulators, in this process: their addresses on one line, and then they serve until their input ends.
async fn simulate() {
    let simulators = Simulators::start(Options { dir: None, ports: None, now: NOW.parse().unwrap() }).await.unwrap();
    let deal = json!({ "Name": "Deal {n}", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": "{n}.5" });
    simulators.salesforce.generate("lot", "Opportunity", &lot(deal)).unwrap();
    let issue = json!({ "summary": "Issue {n}", "status": "Accepted" });
    simulators.jira.generate("lot", "MS", &lot(issue)).unwrap();
    println!("{} {}", simulators.salesforce_url, simulators.jira_url);
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
}

fn map(text: &str) -> FieldMap {
    FieldMap::from_toml(text).unwrap()
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
    let (salesforce_url, jira_url) = addresses.trim().split_once(' ').unwrap();
    let clock = Arc::new(SetClock::at(NOW.parse().unwrap()));
    let settings = json!({
        "base_url": salesforce_url, "limits": { "windows": [] },
        "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
    });
    let deals = map(include_str!("../../config/fieldmaps/salesforce.toml"));
    let settings = serde_json::from_value(settings).unwrap();
    let salesforce = Salesforce::build("salesforce", settings, &deals, clock.clone(), Arc::new(NoTokens)).unwrap();
    pull("salesforce", &salesforce, "records").await;
    let settings = json!({
        "base_url": jira_url, "projects": ["MS"], "limits": { "windows": [] },
        "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" },
    });
    let read = map(include_str!("../../config/fieldmaps/jira.toml")).vendor_fields();
    let jira = Jira::build("jira", serde_json::from_value(settings).unwrap(), read, clock, Arc::new(NoTokens)).unwrap();
    pull("jira", &jira, "issues").await;
    drop(simulators.stdin.take());
    simulators.wait().unwrap();
}
