//! A million opportunities, and a million issues with their histories: how fast they are read, and how much memory that
//! takes, simulators included.
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
use std::pin::Pin;
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

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let simulators = Simulators::start(Options { dir: None, ports: None, now: NOW.parse().unwrap() }).await.unwrap();
    let clock = Arc::new(SetClock::at(NOW.parse().unwrap()));
    let settings = json!({
        "base_url": simulators.salesforce_url, "limits": { "windows": [] },
        "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
    });
    let map = FieldMap::from_toml(include_str!("../../config/fieldmaps/salesforce.toml")).unwrap();
    let settings = serde_json::from_value(settings).unwrap();
    let salesforce = Salesforce::build("salesforce", settings, &map, clock.clone(), Arc::new(NoTokens)).unwrap();
    let deal = json!({ "Name": "Deal {n}", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": "{n}.5" });
    simulators.salesforce.generate("lot", "Opportunity", &lot(deal)).unwrap();
    pull("salesforce", &salesforce, "records").await;

    let settings = json!({
        "base_url": simulators.jira_url, "projects": ["MS"], "limits": { "windows": [] },
        "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" },
    });
    let read = FieldMap::from_toml(include_str!("../../config/fieldmaps/jira.toml")).unwrap().vendor_fields();
    let jira = Jira::build("jira", serde_json::from_value(settings).unwrap(), read, clock, Arc::new(NoTokens)).unwrap();
    let issue = json!({ "summary": "Issue {n}", "status": "Accepted" });
    simulators.jira.generate("lot", "MS", &lot(issue)).unwrap();
    pull("jira", &jira, "issues").await;
}
