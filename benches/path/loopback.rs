//! Remotes that do next to nothing, so that they are no bottleneck: as much of Jira and of QuickBooks as the connectors
//! ask for on this path, and a sink for the others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::portfolio;

/// Events that fit.
const MOST: usize = 200_000;

/// What has arrived, and when.
pub(crate) struct Remotes {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    arrived: Mutex<Vec<Option<Instant>>>,
    twice: AtomicUsize,
    /// The first event's number and how many have arrived.
    count: AtomicUsize,
    expected: AtomicUsize,
    all: Notify,
    holds: AtomicBool,
    released: Notify,
    /// Calls to each remote.
    pub(crate) calls: Mutex<BTreeMap<&'static str, usize>>,
}

impl Remotes {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remotes = Arc::new(Self {
            address: listener.local_addr().unwrap().to_string(),
            arrived: Mutex::new(vec![None; MOST]),
            twice: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            expected: AtomicUsize::new(0),
            all: Notify::new(),
            holds: AtomicBool::new(false),
            released: Notify::new(),
            calls: Mutex::default(),
        });
        let router = Router::new()
            .route("/sink", post(sink))
            .route("/jira/rest/api/3/issue/bulkfetch", post(issues))
            .route("/jira/rest/api/3/issue/{id}", get(issue))
            .route("/jira/rest/api/3/search/jql", post(|| async { ACCOUNT_AND("{\"issues\":[]}") }))
            .route("/jira/rest/api/3/myself", get(|| async { "{\"accountId\":\"milestoned\"}" }))
            .route("/quickbooks/token", post(token))
            .route("/quickbooks/v3/company/{realm}/batch", post(batch))
            .route("/quickbooks/v3/company/{realm}/invoice", post(invoice))
            .route("/quickbooks/v3/company/{realm}/customer", post(customer))
            .route("/quickbooks/v3/company/{realm}/preferences", get(|| async { PREFERENCES }))
            .route("/quickbooks/v3/company/{realm}/query", get(query))
            .with_state(Arc::clone(&remotes));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        remotes
    }

    /// Forgets what has arrived: the events to come begin with this number.
    pub(crate) fn begin(&self, first: usize) {
        self.arrived.lock().unwrap().fill(None);
        self.count.store(first, Ordering::Relaxed);
        self.expected.store(first, Ordering::Relaxed);
        self.hold(false);
    }

    /// From now on events with lower numbers are waited for.
    pub(crate) fn expect(&self, end: usize) {
        self.expected.store(end, Ordering::Relaxed);
    }

    /// Lets Jira answer no more, or again.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.store(holds, Ordering::Relaxed);
        self.released.notify_waiters();
    }

    pub(crate) async fn all_arrived(&self) {
        while self.count.load(Ordering::Relaxed) < self.expected.load(Ordering::Relaxed) {
            let rest = tokio::time::timeout(std::time::Duration::from_secs(30), self.all.notified());
            let missing = || {
                let arrived = self.arrived.lock().unwrap();
                arrived.iter().position(Option::is_none)
            };
            let count = self.count.load(Ordering::Relaxed);
            if rest.await.is_err() && count == self.count.load(Ordering::Relaxed) {
                // Its folder and its processes stay, to be looked at.
                println!("{count} of {:?} arrived; first missing {:?}", self.expected, missing());
                std::process::exit(1);
            }
        }
        assert_eq!(self.twice.load(Ordering::Relaxed), 0, "something arrived twice");
    }

    pub(crate) fn arrived(&self, event: usize) -> Instant {
        self.arrived.lock().unwrap()[event].unwrap()
    }

    fn arrive(&self, events: impl Iterator<Item = usize>) {
        let now = Instant::now();
        let mut arrived = self.arrived.lock().unwrap();
        let mut new = 0;
        for event in events {
            match arrived.get_mut(event) {
                Some(place @ None) => {
                    *place = Some(now);
                    new += 1;
                }
                Some(Some(_)) => {
                    self.twice.fetch_add(1, Ordering::Relaxed);
                }
                None => {}
            }
        }
        if self.count.fetch_add(new, Ordering::Relaxed) + new >= self.expected.load(Ordering::Relaxed) {
            self.all.notify_one();
        }
    }

    fn called(&self, what: &'static str) {
        *self.calls.lock().unwrap().entry(what).or_default() += 1;
    }
}

const PREFERENCES: &str = r#"{"Preferences":{"SalesFormsPrefs":{"CustomTxnNumbers":true},"AccountingInfoPrefs":{}}}"#;

#[expect(non_snake_case, reason = "reads like a constant")]
fn ACCOUNT_AND(body: &'static str) -> ([(&'static str, &'static str); 1], &'static str) {
    ([("x-aaccountid", "milestoned")], body)
}

#[derive(serde::Deserialize)]
struct Event {
    id: usize,
}

async fn sink(State(remotes): State<Arc<Remotes>>, body: Bytes) -> &'static str {
    let event: Event = serde_json::from_slice(&body).unwrap();
    remotes.arrive(std::iter::once(event.id));
    "{}"
}

#[derive(serde::Deserialize)]
struct Wanted<'a> {
    #[serde(borrow, rename = "issueIdsOrKeys")]
    ids: Vec<&'a str>,
}

async fn issues(State(remotes): State<Arc<Remotes>>, body: Bytes) -> ([(&'static str, &'static str); 1], String) {
    remotes.called("jira issues");
    while remotes.holds.load(Ordering::Relaxed) {
        remotes.released.notified().await;
    }
    let wanted: Wanted<'_> = serde_json::from_slice(&body).unwrap();
    let now = jiff::Timestamp::now();
    let issues: Vec<String> =
        wanted.ids.iter().map(|id| portfolio::issue(id.parse().unwrap(), "Accepted", now)).collect();
    ([("x-aaccountid", "milestoned")], format!("{{\"issues\":[{}],\"issueErrors\":[]}}", issues.join(",")))
}

async fn issue(State(remotes): State<Arc<Remotes>>, Path(id): Path<usize>) -> String {
    remotes.called("jira issue");
    while remotes.holds.load(Ordering::Relaxed) {
        remotes.released.notified().await;
    }
    portfolio::issue(id, "Accepted", jiff::Timestamp::now())
}

async fn token() -> String {
    json!({ "access_token": "a", "refresh_token": "r", "expires_in": 3_600, "token_type": "bearer" }).to_string()
}

#[derive(serde::Deserialize)]
struct Batch<'a> {
    #[serde(borrow, rename = "BatchItemRequest")]
    items: Vec<BTreeMap<&'a str, &'a RawValue>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    doc_number: Option<String>,
    display_name: Option<String>,
}

/// What was sent, with its id: as QuickBooks answers, which gives back every field that it has kept.
fn saved(remotes: &Remotes, entity: &str, text: &str) -> String {
    let document: Document = serde_json::from_str(text).unwrap();
    let id = match (document.doc_number, document.display_name) {
        (Some(number), _) => {
            remotes.arrive(portfolio::event_of(&number).into_iter());
            number
        }
        (None, Some(name)) => name,
        (None, None) => panic!("{text}"),
    };
    let fields = text.strip_prefix('{').unwrap();
    format!("\"{entity}\":{{\"Id\":\"{id}\",\"SyncToken\":\"0\",{fields}")
}

async fn batch(State(remotes): State<Arc<Remotes>>, body: Bytes) -> ([(&'static str, &'static str); 1], String) {
    remotes.called("quickbooks batch");
    let batch: Batch<'_> = serde_json::from_slice(&body).unwrap();
    let answers: Vec<String> = batch
        .items
        .iter()
        .map(|item| {
            let (entity, raw) = item.iter().find(|(name, _)| !matches!(**name, "bId" | "operation")).unwrap();
            format!("{{\"bId\":{},{}}}", item["bId"].get(), saved(&remotes, entity, raw.get()))
        })
        .collect();
    ([("intuit_tid", "1-5f")], format!("{{\"BatchItemResponse\":[{}]}}", answers.join(",")))
}

async fn invoice(State(remotes): State<Arc<Remotes>>, body: String) -> String {
    remotes.called("quickbooks invoice");
    format!("{{{}}}", saved(&remotes, "Invoice", &body))
}

async fn customer(State(remotes): State<Arc<Remotes>>, body: String) -> String {
    format!("{{{}}}", saved(&remotes, "Customer", &body))
}

async fn query(
    State(remotes): State<Arc<Remotes>>,
    Path(_): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> String {
    remotes.called("quickbooks query");
    let answer = match asked.get("query").map(String::as_str) {
        Some(query) if query.contains("FROM Preferences") => {
            let inner: Value = serde_json::from_str(PREFERENCES).unwrap();
            json!({ "QueryResponse": { "Preferences": [inner["Preferences"]] } })
        }
        _ => json!({ "QueryResponse": {} }),
    };
    answer.to_string()
}
