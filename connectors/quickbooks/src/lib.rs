//! The QuickBooks connector: documents in by change data capture, documents out with a request id that is the
//! delivery's key.

mod attachments;
mod auth;
mod body;
mod budget;
mod customers;
mod emails;
mod hook;
mod ledger;
mod probe;
mod pull;
mod push;
mod rates;
pub mod settings;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::extra;
use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::token::{TokenCache, TokenStore};
use milestoned_connector_kit::{Class, Connector, Fault, Needs, Platform};
use milestoned_mapping::fact::DecimalText;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use budget::Budget;
pub use settings::Settings;

/// Accounts that journal entries post to.
const ACCOUNTS: [&str; 4] = ["unbilled_receivable", "contract_asset", "deferred_revenue", "revenue"];
/// Header with the request's id, which support asks for.
const REQUEST_ID: &str = "intuit_tid";
/// Class of calls in whose windows batches are counted.
const BATCH: &str = "batch";

/// What Intuit publishes: 500 requests a minute for a company, 10 a second for a company and app, 40 batches a minute.
const PUBLISHED: Published = Published {
    windows: &[
        (10, SignedDuration::from_secs(1), None),
        (500, SignedDuration::from_mins(1), None),
        (40, SignedDuration::from_mins(1), Some(BATCH)),
    ],
    in_flight: 10,
};

/// A connection to one company.
pub struct QuickBooks {
    client: Client,
    settings: Settings,
    token: TokenCache,
    store: Arc<dyn TokenStore>,
    budget: Budget,
    preferences: Mutex<Option<(Timestamp, wire::Preferences)>>,
    /// Income accounts of items, by item.
    income: Mutex<BTreeMap<String, String>>,
    /// Exchange rates, by currency and date.
    rates: std::sync::Mutex<BTreeMap<(String, jiff::civil::Date), DecimalText>>,
    /// Which records are which customers.
    customers: Customers,
}

impl Connector for QuickBooks {
    type Settings = Settings;
    const KIND: &'static str = "quickbooks";
    const NUMBER_LENGTH: Option<usize> = Some(body::NUMBER_LENGTH);

    fn create(name: &str, settings: Settings, needs: Needs) -> Result<Self, String> {
        needs.customers.configure(settings.customers.clone());
        Ok(Self { customers: needs.customers, ..Self::build(name, settings, needs.platform, needs.tokens)? })
    }
}

impl QuickBooks {
    /// A connection under this name; rotated refresh tokens are kept in `store`.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(
        name: &str,
        settings: Settings,
        platform: impl Into<Platform>,
        store: Arc<dyn TokenStore>,
    ) -> Result<Self, String> {
        for account in ACCOUNTS {
            if !settings.accounts.contains_key(account) {
                return Err(format!("accounts.{account}: is missing: give the account's id"));
            }
        }
        extra::check(&settings.extra, body::OWN_FIELDS, body::OWN_LINE_FIELDS)?;
        if settings.numbers == settings::Numbers::Sequence && settings.orders == settings::Orders::Write {
            return Err(
                "orders: an estimate is known by its number: with numbers = \"sequence\" none is written".into()
            );
        }
        let client =
            Client::build(name, &settings.base_url, REQUEST_ID, &settings.limits, &PUBLISHED, platform.into())?
                .and("token_url", &settings.token_url)?;
        let customers = Customers::default();
        customers.configure(settings.customers.clone());
        Ok(Self {
            client,
            settings,
            customers,
            token: TokenCache::default(),
            store,
            budget: Budget::default(),
            preferences: Mutex::default(),
            income: Mutex::default(),
            rates: std::sync::Mutex::default(),
        })
    }

    /// Sends to the company; a token that is refused is renewed once, and the request id stays the same.
    async fn send(&self, call: Call<'_>) -> Result<Answer, Fault> {
        let join = if call.path.contains('?') { '&' } else { '?' };
        let path = format!(
            "/v3/company/{}/{}{join}minorversion=75&include=enhancedAllCustomFields",
            self.settings.realm, call.path
        );
        if !call.write {
            self.budget.spend(self).await?;
        }
        for again in [true, false] {
            let token = self.token.get(self.client.now(), || self.sign_in()).await?;
            let mut request = self
                .client
                .request(call.method.clone(), &path)
                .bearer_auth(token.value.expose_secret())
                // Without it the answer is XML.
                .header(ACCEPT, "application/json");
            if let Some((kind, body)) = call.body {
                request = request.header(CONTENT_TYPE, kind).body(body.to_owned());
            }
            let answer = if call.write {
                self.client.write_as(call.class, request).await.map_err(in_doubt)?
            } else {
                self.client.read(request).await?
            };
            if answer.status != 401 || !again {
                return self.judged(answer).map_err(|fault| if call.write { in_doubt(fault) } else { fault });
            }
            self.token.refused(&token).await;
        }
        Err(self.client.fault(Class::Unauthorised, "no session", None))
    }

    async fn get(&self, path: &str) -> Result<Answer, Fault> {
        self.send(Call { write: false, method: Method::GET, path, body: None, class: None }).await
    }

    async fn post(&self, path: &str, body: &str, class: Option<&str>) -> Result<Answer, Fault> {
        // A request to mail has no body, and is to say so.
        let kind = if body.is_empty() { "application/octet-stream" } else { "application/json" };
        self.send(Call { write: true, method: Method::POST, path, body: Some((kind, body)), class }).await
    }

    /// A fault may come with any status, 200 included.
    fn judged(&self, answer: Answer) -> Result<Answer, Fault> {
        let errors = wire::FaultAnswer::read(&answer.body);
        if answer.status.is_success() && errors.is_empty() {
            return Ok(answer);
        }
        if errors.is_empty() {
            return Err(self.client.refusal(&answer, "no reason given"));
        }
        Err(self.refused(&errors, answer.header(REQUEST_ID)))
    }

    /// What follows from a refusal. Some codes stand for several things that only their words tell apart.
    fn refused(&self, errors: &[wire::ErrorItem], request_id: Option<String>) -> Fault {
        let said: Vec<String> =
            errors.iter().map(|error| format!("{} {} {}", error.code, error.message, error.detail)).collect();
        let said = said.join("; ");
        let says = |words: &str| said.to_lowercase().contains(words);
        let code = errors.first().map(|error| error.code.trim_start_matches('0')).unwrap_or_default();
        let (class, remedy) = match code {
            "3001" => (Class::Throttled { until: None }, ""),
            // The number is taken: an earlier attempt may have written it, and it is looked up and verified.
            "6140" => (Class::Unanswered, ""),
            "3200" | "3100" | "100" | "120" => (Class::Unauthorised, ""),
            "610" | "2500" if says("inactive") => (Class::Refused, INACTIVE),
            "6210" => (Class::Refused, CLOSED),
            "5010" | "6200" if says("period") || says("closed") => (Class::Refused, CLOSED),
            "6240" => (
                Class::Refused,
                "; a vendor, an employee or an inactive customer bears the name: rename it, or make it active",
            ),
            "6000" if says("gst") || says("tax") => {
                (Class::Refused, "; set tax_code to the code that every line needs here")
            }
            _ => (Class::Refused, ""),
        };
        self.client.fault(class, format!("{said}{remedy}"), request_id).coded(code)
    }

    async fn query(&self, query: &str) -> Result<Answer, Fault> {
        let mut url = reqwest::Url::parse("http://query/")
            .map_err(|error| self.client.fault(Class::Refused, error.to_string(), None))?;
        url.query_pairs_mut().append_pair("query", query);
        self.get(&format!("query?{}", url.query().unwrap_or_default())).await
    }
}

/// One call to the company.
struct Call<'a> {
    write: bool,
    method: Method,
    path: &'a str,
    /// Its type, and its text.
    body: Option<(&'a str, &'a str)>,
    /// Class of calls that has a limit of its own.
    class: Option<&'a str>,
}

/// A write that was throttled may have been carried out before.
fn in_doubt(fault: Fault) -> Fault {
    match fault.class {
        Class::Throttled { .. } => Fault { class: Class::Unanswered, ..fault },
        _ => fault,
    }
}

/// What to do where the books are closed. The date is never moved.
const CLOSED: &str = "; the books are closed on that date: reopen them, or agree on another date with the controller";

/// What to do where something is inactive: QuickBooks does not say what.
const INACTIVE: &str = "; it is the customer, the item or an account: make it active again there, or name another one in the \
                        configuration (`milestoned check` tells which of those is not there)";

/// Text in a query.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A list of texts in a query.
fn listed(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",")
}
