//! milestoned as a process of its own, over a database that was prepared once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use milestoned::agreements;
use milestoned::app::App;
use milestoned::clock::SetClock;
use milestoned::settings::Settings;
use milestoned::store::views::DocumentView;
use milestoned_connector_kit::{Cursor, Page};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::record::{Content, InvoiceSeen, InvoiceStatus, SourceRecord};
use sha2::Sha256;

use crate::load::System;
use crate::loopback::Remotes;
use crate::portfolio;

const SECRET: &str = "webhook-secret";
/// What attests rows: the daemon's database is a copy, which has no key of its own beside it.
const KEY: &str = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4";
/// Bearer token of a viewer.
pub(crate) const TOKEN: &str = "viewer-token-of-the-bench";

fn configuration(database: &Path, listen: &str, remotes: &str) -> String {
    format!(
        r#"
store.path = '{database}'
store.key = "{KEY}"
http.listen = "{listen}"
http.tokens = [{{ name = "vic", rights = ["view"], token = "{TOKEN}" }}]
agreements.erp = "quickbooks"
policy.require_legs = ["crm", "psa"]
log.filter = "error"
[connections.salesforce]
kind = "salesforce"
base_url = "http://{remotes}/salesforce"
auth = {{ flow = "client_credentials", client_id = "c", client_secret = "s" }}
poll_every = "10h"
[connections.jira]
kind = "jira"
base_url = "http://{remotes}/jira"
auth = {{ flow = "basic", email = "mia@example.test", api_token = "api-token" }}
projects = ["MS"]
lag = "0s"
webhook_secret = "{SECRET}"
# No status is shown: that is a call of its own for every issue, to a remote that takes no batches.
property = ""
remote_link = false
limits = {{ windows = [], in_flight = 8 }}
poll_every = "10s"
[connections.quickbooks]
kind = "quickbooks"
base_url = "http://{remotes}/quickbooks"
token_url = "http://{remotes}/quickbooks/token"
realm = "1"
client_id = "c"
client_secret = "s"
refresh_token = "r"
item = "1"
reads_a_month = 100000000
accounts = {{ unbilled_receivable = "85", contract_asset = "86", deferred_revenue = "23", revenue = "79" }}
terms = {{ "net 30" = "3" }}
limits = {{ windows = [], in_flight = 8 }}
poll_every = "10h"
"#,
        database = database.display()
    )
}

/// Builds the daemon in this process, over a new database.
async fn app(database: &Path, remotes: &Remotes, now: Timestamp) -> Arc<App> {
    let settings = Settings::from_toml(&configuration(database, "127.0.0.1:0", &remotes.address)).unwrap();
    App::build(settings, Arc::new(SetClock::at(now))).await.unwrap()
}

/// What one connection has to tell.
async fn tell(app: &App, name: &str, records: Vec<SourceRecord>, now: Timestamp) {
    let due = now.checked_add(SignedDuration::from_hours(10)).unwrap();
    for stream in app.env.registry.get(name).unwrap().connection.streams() {
        let records = records.clone();
        let page = Page { records, unreadable: Vec::new(), next: Cursor::default(), more: false, fresh_through: now };
        app.env.store.record_page(name.into(), (*stream).into(), page, Some(due), now).await.unwrap();
    }
}

async fn decide(app: &App) {
    app.read_records().await.unwrap();
    while app.decide().await.unwrap() {}
}

/// Contracts with their deals and issues, decided about as far as they go before the customers accept.
pub(crate) async fn prepare(folder: &Path, remotes: &Remotes, contracts: usize) {
    let database = folder.join("prepared.db");
    let now = Timestamp::now() - SignedDuration::from_mins(1);
    let app = app(&database, remotes, now).await;
    wait_for_events(&app, contracts, Vec::new(), Vec::new(), now).await;
    drop(app);
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute("VACUUM INTO ?1", [folder.join("copy.db").to_str().unwrap()]).unwrap();
}

/// Contracts for events, and further records.
async fn wait_for_events(
    app: &App,
    contracts: usize,
    mut deals: Vec<SourceRecord>,
    mut issues: Vec<SourceRecord>,
    now: Timestamp,
) {
    deals.extend((0..contracts).map(|event| deal(&format!("SOW-{event}"), event, 1, now)));
    issues.extend((0..contracts).map(|event| issue(portfolio::FIRST_ISSUE + event, "Ready for acceptance", now)));
    tell(app, "salesforce", deals, now).await;
    tell(app, "jira", issues, now).await;
    tell(app, "quickbooks", Vec::new(), now).await;
    for event in 0..contracts {
        agreements::file(&app.env, portfolio::contract(event), "bench", &"bench".into(), now).await.unwrap();
    }
    decide(app).await;
}

/// A lot of contracts of which most milestones are invoiced, and contracts for events beside it.
pub(crate) async fn prepare_lot(folder: &Path, remotes: &Remotes) -> PathBuf {
    let database = folder.join("million.db");
    let now = Timestamp::now() - SignedDuration::from_mins(1);
    let app = app(&database, remotes, now).await;
    let (mut deals, mut issues) = (Vec::new(), Vec::new());
    for number in 0..portfolio::LOT_CONTRACTS {
        agreements::file(&app.env, portfolio::lot_contract(number), "bench", &"bench".into(), now).await.unwrap();
        deals.push(deal(&format!("LOT-{number}"), number, portfolio::LOT_MILESTONES, now));
        for milestone in 0..portfolio::LOT_MILESTONES {
            let id = portfolio::FIRST_LOT_ISSUE + number * portfolio::LOT_MILESTONES + milestone;
            issues.push(issue(id, "Ready for acceptance", now));
            if milestone < portfolio::LOT_ACCEPTED {
                issues.push(issue(id, "Accepted", now - SignedDuration::from_mins(1)));
            }
        }
    }
    wait_for_events(&app, 3 * portfolio::FRESH, deals, issues, now).await;
    while app.deliver().await.unwrap() {}
    let documents = app.env.store.documents(None).await.unwrap();
    assert_eq!(documents.len(), portfolio::LOT_CONTRACTS * portfolio::LOT_ACCEPTED);
    tell(&app, "quickbooks", documents.iter().map(|document| seen(document, now)).collect(), now).await;
    decide(&app).await;
    database
}

/// An invoice as a poll of the ERP sees it.
fn seen(document: &DocumentView, now: Timestamp) -> SourceRecord {
    let invoice = InvoiceSeen {
        credit_memo: false,
        number: document.number.clone(),
        contract: Some(document.contract.clone()),
        milestone: Some(document.milestone.clone()),
        customer: "Customer".into(),
        currency: document.currency.to_string(),
        date: document.date,
        amount: DecimalText(document.amount.decimal()),
        tax: None,
        status: InvoiceStatus::Open,
        deferred: None,
        recognised: None,
        lines: None,
        applied_to: Vec::new(),
    };
    SourceRecord {
        system: "quickbooks".into(),
        object: "Invoice".into(),
        id: document.number.clone(),
        version: "0".into(),
        at: now,
        raw: serde_json::to_string(&invoice).unwrap(),
        content: Content::Invoice(invoice),
    }
}

fn deal(contract: &str, number: usize, milestones: usize, now: Timestamp) -> SourceRecord {
    SourceRecord {
        system: "salesforce".into(),
        object: "Opportunity".into(),
        id: format!("006{contract:0>12}AAA"),
        version: "1".into(),
        at: now - SignedDuration::from_hours(72),
        raw: portfolio::deal(contract, number, milestones),
        content: Content::Fields { history: Vec::new() },
    }
}

fn issue(id: usize, status: &str, now: Timestamp) -> SourceRecord {
    milestoned_jira::issue::read("jira", &portfolio::issue(id, status, now)).unwrap().record
}

/// The program as it is shipped.
pub(crate) fn program() -> std::path::PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(3).unwrap().join("dist/milestoned");
    assert!(program.exists(), "{}: cargo build --profile dist -p milestoned", program.display());
    program
}

/// Over a copy of the prepared database.
pub(crate) async fn start(prepared: &Path, home: &Path, remotes: &Remotes) -> System {
    let database = home.join("milestoned.db");
    std::fs::copy(prepared.join("copy.db"), &database).unwrap();
    start_on(&database, home, remotes).await
}

pub(crate) async fn start_on(database: &Path, home: &Path, remotes: &Remotes) -> System {
    let system = spawn(database, home, remotes);
    crate::peer::answers(&system.address).await;
    system
}

/// Does not wait until it answers.
pub(crate) fn spawn(database: &Path, home: &Path, remotes: &Remotes) -> System {
    let address = crate::peer::free_address();
    let file = home.join("milestoned.toml");
    std::fs::write(&file, configuration(database, &address, &remotes.address)).unwrap();
    let process = Command::new(program()).args(["run", "--config"]).arg(&file).stdout(Stdio::null()).spawn().unwrap();
    System { processes: vec![process], address, request, hold: Some(|remotes, holds| remotes.hold(holds)) }
}

/// Waits until the daemon says that it is ready.
pub(crate) async fn ready(address: &str) {
    let answer = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
    assert!(answer.status().is_success());
}

fn request(address: &str, event: usize) -> Vec<u8> {
    let body = portfolio::webhook(event, Timestamp::now().as_millisecond());
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!(
        "POST /hooks/jira HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nx-hub-signature: sha256={signature}\r\nx-atlassian-webhook-identifier: {event}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
