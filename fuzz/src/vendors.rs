//! A remote that answers with the fuzzer's bytes, and connectors that ask it: no daemon is needed for that.

use std::collections::VecDeque;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::token::TokenStore;
use milestoned_connector_kit::{
    After, Carried, Clock, Connector, Cursor, Cut, Needs, Platform, Receipt, Transport, WebhookRequest, Write,
};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mapping::filed::toml_tree;
use milestoned_mapping::normalise::normalise;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

/// The time of all that runs here.
pub const NOW: &str = "2026-02-02T15:00:00Z";
/// What signs webhooks.
const SECRET: &str = "secret-of-the-webhooks";
/// What separates the answers of an input: no byte of UTF-8.
const NEXT: u8 = 0xff;
/// Statuses that an answer's first byte chooses from.
const STATUSES: [u16; 12] = [200, 200, 200, 200, 200, 201, 202, 204, 400, 401, 429, 500];

/// One connection of each kind, as a file of the configuration has them.
pub const CONNECTIONS: &str = r#"
[connections.salesforce]
kind = "salesforce"
base_url = "https://sf.example"
auth = { flow = "client_credentials", client_id = "c", client_secret = "s" }
approvals = true
outbound = { organization = "00D5g00000ABCDEEA4", secret = "secret-of-the-webhooks" }
[connections.salesforce.status]
object = "Milestone__c"
external_id = "External_Id__c"
fields = { name = "Name", status = "Status__c", amount = "Amount__c" }
[connections.jira]
kind = "jira"
base_url = "https://jira.example"
auth = { flow = "basic", email = "mia@example.test", api_token = "t" }
projects = ["MS"]
webhook_secret = "secret-of-the-webhooks"
[connections.netsuite]
kind = "netsuite"
account = "1234567"
base_url = "https://netsuite.example"
auth = { flow = "tba", consumer_key = "c", consumer_secret = "s", token_id = "t", token_secret = "u" }
timezone = "America/Los_Angeles"
item = "5"
accounts = { unbilled_receivable = "120", contract_asset = "121", deferred_revenue = "122", revenue = "123" }
billing_schedules = "projects"
orders = "write"
[connections.quickbooks]
kind = "quickbooks"
realm = "9341452000000001"
base_url = "https://qbo.example"
token_url = "https://qbo.example/token"
client_id = "c"
client_secret = "s"
refresh_token = "r"
verifier_token = "secret-of-the-webhooks"
item = "1"
accounts = { unbilled_receivable = "85", contract_asset = "86", deferred_revenue = "23", revenue = "79" }
[connections.redmine]
kind = "redmine"
base_url = "https://redmine.example"
key = "k"
projects = ["delivery"]
billing_field = 12
[connections.tryton]
kind = "tryton"
base_url = "https://tryton.example"
database = "acme"
key = "k"
company = 1
accounts = { accounts_receivable = 39, unbilled_receivable = 136, contract_asset = 137, deferred_revenue = 138, revenue = 100 }
invoice_journal = 1
entry_journal = 5
"#;

/// A remote whose every answer is the next piece of the input.
#[derive(Default)]
pub struct Remote(Mutex<VecDeque<Vec<u8>>>);

impl Remote {
    /// From now on it answers so.
    pub fn says(&self, input: &[u8]) {
        let pieces = input.split(|byte| *byte == NEXT).map(<[u8]>::to_vec);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pieces.collect();
    }

    fn answer(&self, request: &http::Request<Bytes>) -> Result<http::Response<Bytes>, Cut> {
        if request.uri().path().contains("token") {
            let token = json!({ "access_token": "a", "token_type": "bearer", "expires_in": 3600, "refresh_token": "r" });
            return Ok(http::Response::new(token.to_string().into()));
        }
        let piece = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().ok_or(Cut::NotSent)?;
        let (status, body) = piece.split_first().ok_or(Cut::NoAnswer)?;
        let status = STATUSES[usize::from(*status) % STATUSES.len()];
        let mut answer = http::Response::builder().status(status).header("content-type", "application/json");
        if let (201 | 202 | 204, Ok(at)) = (status, http::HeaderValue::from_bytes(body)) {
            answer = answer.header("location", at);
        }
        answer.body(body.to_vec().into()).map_err(|_| Cut::NoAnswer)
    }
}

impl Transport for Remote {
    fn carry(&self, request: http::Request<Bytes>) -> Carried<'_> {
        Box::pin(ready(self.answer(&request)))
    }

    fn wait(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }
}

/// It is always the same time.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

/// What a token was turned into is not kept.
struct Forgetful;

impl TokenStore for Forgetful {
    fn load(&self, _: &str, _: &str) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + '_>> {
        Box::pin(ready(Ok(None)))
    }

    fn save(&self, _: &str, _: &str, _: &str) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(ready(Ok(())))
    }

    fn replace(
        &self,
        connection: &str,
        name: &str,
        _: Option<&str>,
        value: &str,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        self.save(connection, name, value)
    }
}

/// One of each kind of write.
fn commands() -> Vec<Command> {
    let usd = |text: &str| serde_json::to_value("USD".parse::<milestoned_mapping::money::Currency>().unwrap().parse(text).unwrap()).unwrap();
    let (contract, milestone, customer) = ("SOW-1", "M1", "Northwind Ltd");
    let document = |kind: &str, number: &str, original: Option<&str>| {
        json!({ "kind": kind, "number": number, "contract": contract, "milestone": milestone, "customer": customer,
            "date": "2026-02-02", "due_on": "2026-03-04", "amount": usd("100.00"), "description": "Pilot",
            "po_number": "PO-7", "payment_terms": "net 30", "acceptance": "https://a.example/1", "original": original })
    };
    let line = |account: &str, side: &str| json!({ "account": account, "side": side, "amount": usd("40.00") });
    let all = json!([
        document("invoice", "SOW-1-M1", None),
        document("credit_memo", "SOW-1-M1-C1", Some("SOW-1-M1")),
        { "kind": "customer", "name": customer, "currency": "USD" },
        { "kind": "invoice_email", "number": "SOW-1-M1", "contract": contract, "milestone": milestone, "customer": customer },
        { "kind": "journal_entry", "number": "SOW-1-20260202J", "contract": contract, "customer": customer,
            "date": "2026-02-02", "memo": "revenue", "lines": [line("deferred_revenue", "debit"), line("revenue", "credit")] },
        { "kind": "billing_status", "contract": contract, "milestone": milestone, "name": "Pilot", "record": "10001",
            "status": "invoiced", "amount": usd("100.00"), "accepted_on": "2026-02-02", "invoice": "SOW-1-M1",
            "invoiced_on": "2026-02-02", "due_on": "2026-03-04", "blocked_by": [], "link": "https://m.example/SOW-1" },
        { "kind": "sales_order", "order": DeliveryKey::of(&["order"]), "contract": contract, "customer": customer,
            "date": "2026-01-02", "version": 1, "po_number": null, "payment_terms": "net 30", "amount": usd("100.00"),
            "lines": [{ "milestone": milestone, "amount": usd("100.00"), "description": "Pilot", "timing": "arrears",
                "invoice": "on_acceptance", "recognition": null }] },
    ]);
    serde_json::from_value(all).unwrap()
}

/// A connection, and its remote.
pub struct Vendor<C> {
    connection: C,
    field_map: Option<FieldMap>,
    remote: Arc<Remote>,
    runtime: Runtime,
}

impl<C: Connector> Vendor<C> {
    /// The one of [`CONNECTIONS`].
    pub fn start() -> Self {
        let mut settings = toml_tree(CONNECTIONS).unwrap()["connections"][C::KIND].take();
        settings.as_object_mut().unwrap().remove("kind");
        // The time stands still: what a vendor allows in a minute would be all there ever is.
        settings["limits"] = json!({ "windows": [] });
        let field_map = (!C::MAPPED.is_empty()).then(|| FieldMap::from_toml(C::FIELD_MAP, C::SHAPE).unwrap());
        let remote = Arc::new(Remote::default());
        let transport = Some(Arc::clone(&remote) as Arc<dyn Transport>);
        let needs = Needs {
            field_map: field_map.clone(),
            platform: Platform { clock: Arc::new(Stopped), transport },
            tokens: Arc::new(Forgetful),
            customers: Customers::default(),
        };
        let connection = C::create(C::KIND, serde_json::from_value(settings).unwrap(), needs).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { connection, field_map, remote, runtime }
    }

    /// Everything that a connection asks of its remote: the first byte chooses what, the rest is what the remote answers.
    pub fn ask(&self, input: &[u8]) {
        let Some((choice, answers)) = input.split_first() else { return };
        self.remote.says(answers);
        let connection = &self.connection;
        let (streams, choice) = (connection.streams(), usize::from(*choice));
        let stream = streams[choice / 10 % streams.len()];
        let commands = commands();
        let command = &commands[choice / 10 % commands.len()];
        let receipt = Receipt { remote_id: "58".into(), remote_number: None, request_id: None, unposted: false };
        let after = After {
            customer: Some(receipt.clone()),
            original: Some(receipt.clone()),
            order: Some(receipt),
            particulars: Default::default(),
        };
        let key = DeliveryKey::of(&["key"]);
        let writes = [Write { key: &key, command, after: &after }];
        let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
        self.runtime.block_on(async {
            match choice % 10 {
                0..=2 => {
                    if let Ok(page) = connection.pull(stream, &Cursor::default()).await {
                        for record in &page.records {
                            let _ = (connection.name_in(&record.raw), connection.page_of(&record.object, &record.id));
                            if let Some(map) = &self.field_map {
                                let _ = normalise(record, map);
                            }
                        }
                        let _ = connection.pull(stream, &page.next).await;
                    }
                }
                3 => drop(connection.read_each(stream, &["10001", "006000000000001AAA"]).await),
                4 => drop(connection.census(stream, &Cursor::default()).await),
                5 => drop(connection.find(&writes).await),
                6 | 7 => assert_eq!(connection.put(&writes).await.len(), 1),
                8 => {
                    let _ = connection.ledger(day("2026-01-01"), day("2026-02-28")).await;
                    let _ = (connection.closed_through().await, connection.customer_at("58").await);
                }
                _ => drop((connection.probe().await, connection.expiries().await)),
            }
        });
    }

    /// A webhook with these headers and this body.
    pub fn tell(&self, headers: &http::HeaderMap, body: &[u8]) {
        let _ = self.connection.verify(&WebhookRequest { secret: Some(SECRET), headers, body });
    }
}

/// The headers of a webhook with a signature that is right, made of the secret and the body.
pub fn signed(body: &[u8], sign: impl Fn(&[u8], &[u8]) -> [String; 2]) -> http::HeaderMap {
    let [hex, base64] = sign(SECRET.as_bytes(), body);
    let mut headers = http::HeaderMap::new();
    headers.insert("x-hub-signature", format!("sha256={hex}").parse().unwrap());
    headers.insert("intuit-signature", base64.parse().unwrap());
    headers
}
