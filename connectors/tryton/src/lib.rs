//! The Tryton connector: customer invoices, their payments and account moves in, invoices, credit notes and moves out,
//! over the REST API that an application key opens. Our document number stands in a field that can be searched.

mod body;
mod ledger;
mod probe;
mod pull;
mod push;
pub mod settings;
mod wire;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::http::{Answer, Client, Kind, Published};
use milestoned_connector_kit::{Class, Connector, Fault, Hook, Needs, Platform, read};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

pub use settings::Settings;

/// Accounts that documents post to.
const ACCOUNTS: [&str; 5] =
    ["accounts_receivable", "unbilled_receivable", "contract_asset", "deferred_revenue", "revenue"];
/// Header with a request's id, where what stands before the server gives one.
const REQUEST_ID: &str = "x-request-id";
/// Tryton publishes no limits. A server of a few workers is not kept busy by us alone.
const PUBLISHED: Published = Published { windows: &[], in_flight: 4 };

/// A connection to one company.
pub struct Tryton {
    client: Client,
    settings: Settings,
    /// Ids of currencies, by code.
    currencies: Mutex<BTreeMap<String, i64>>,
    /// What the company is known for.
    company: OnceCell<Company>,
    /// Parties are created one after another: on SQLite two at once are given one code, and the second is refused.
    parties: Mutex<()>,
    /// Which parties are which customers.
    customers: Customers,
}

/// What is asked of the company once.
struct Company {
    /// Code of its currency.
    currency: String,
    /// Ids of our accounts whose lines must name the party.
    with_party: Vec<i64>,
}

/// What is asked of a kind of record.
#[derive(Default)]
struct Question<'a> {
    domain: Value,
    fields: &'a [&'a str],
    order: Value,
    most: Option<usize>,
}

impl Connector for Tryton {
    type Settings = Settings;

    const KIND: &'static str = "tryton";

    fn create(name: &str, settings: Settings, needs: Needs) -> Result<Self, String> {
        needs.customers.configure(settings.customers.clone());
        Ok(Self { customers: needs.customers, ..Self::build(name, settings, needs.platform)? })
    }
}

/// Tryton sends no webhooks.
impl Hook for Tryton {}

impl Tryton {
    /// A connection under this name.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(name: &str, settings: Settings, platform: impl Into<Platform>) -> Result<Self, String> {
        for account in ACCOUNTS {
            if !settings.accounts.contains_key(account) {
                return Err(format!("accounts.{account}: is missing: give the account's id"));
            }
        }
        if settings.invoice_journal == settings.entry_journal {
            return Err("entry_journal: is that of invoices: entries could not be told from what invoices post".into());
        }
        let client =
            Client::build(name, &settings.base_url, REQUEST_ID, &settings.limits, &PUBLISHED, platform.into())?;
        let (currencies, parties, customers) = (Mutex::default(), Mutex::default(), Customers::default());
        customers.configure(settings.customers.clone());
        Ok(Self { client, settings, currencies, company: OnceCell::new(), parties, customers })
    }

    /// A customer's name, in our words where somebody said which party it is.
    fn customer_name(&self, party: &wire::Party) -> Option<String> {
        self.customers.name_of(&party.id.to_string()).or_else(|| party.name.clone())
    }

    /// Sends a request about the model or record at `path`.
    async fn send(&self, call: Call<'_>) -> Result<Answer, Fault> {
        let path = format!("/{}/rest/model/{}", self.settings.database, call.path);
        let context = match call.kind {
            Kind::Read => json!({ "company": self.settings.company }),
            // A person who works with Tryton is asked whether a date in the past or to come is meant; a document's dates are
            // settled before it is sent. Tryton's own schedules answer in the same way.
            Kind::Write => json!({ "company": self.settings.company, "_skip_warnings": true }),
        };
        let mut request = self
            .client
            .request(call.method, &path)
            .query(&call.query)
            .bearer_auth(self.settings.key.expose_secret())
            .header("x-tryton-context", URL_SAFE.encode(context.to_string()))
            .header(ACCEPT, "application/json");
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        match call.kind {
            Kind::Read => self.judged(self.client.read(request).await?, call.kind),
            Kind::Write => self.judged(self.client.write(request).await.map_err(in_doubt)?, call.kind),
        }
    }

    /// What Tryton means by an answer.
    fn judged(&self, answer: Answer, kind: Kind) -> Result<Answer, Fault> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let said = serde_json::from_str::<wire::Refusal>(&answer.body).ok();
        match (answer.status.as_u16(), said) {
            (_, Some(said)) => {
                let words = format!("{} {}", said.message, said.description);
                Err(self.client.refusal(&answer, words.trim()))
            }
            // Whatever goes wrong within the server (a locked database, too) comes as a bad request without a reason.
            (400, None) => {
                let class = if kind == Kind::Write { Class::Unanswered } else { Class::Unreachable };
                let said = "status 400 without a reason: an error within the server, whose log tells it";
                Err(self.client.fault(class, said, answer.header(REQUEST_ID)))
            }
            // Somebody else changes the same record in this moment.
            (423, None) => Err(self.client.fault(Class::Throttled { until: None }, "the record is locked", None)),
            (404, None) => Err(self.client.refusal(&answer, "there is no such database, model or record")),
            (_, None) => Err(self.client.refusal(&answer, "no reason given")),
        }
    }

    /// Records of a model, as one text.
    async fn search(&self, model: &str, question: &Question<'_>) -> Result<Answer, Fault> {
        let mut query = fields(question.fields);
        query.push(("d", URL_SAFE.encode(question.domain.to_string())));
        if !question.order.is_null() {
            query.push(("o", URL_SAFE.encode(question.order.to_string())));
        }
        query.extend(question.most.map(|most| ("s", most.to_string())));
        self.send(Call { kind: Kind::Read, method: Method::GET, path: model, query, body: None }).await
    }

    /// Records of a model, read.
    async fn find_all<T: DeserializeOwned>(&self, model: &str, question: &Question<'_>) -> Result<Vec<T>, Fault> {
        let answer = self.search(model, question).await?;
        self.read_answer(&answer)
    }

    /// One record by its id.
    async fn get<T: DeserializeOwned>(&self, model: &str, id: i64, wanted: &[&str]) -> Result<T, Fault> {
        let path = format!("{model}/{id}");
        let call = Call { kind: Kind::Read, method: Method::GET, path: &path, query: fields(wanted), body: None };
        let answer = self.send(call).await?;
        self.read_answer(&answer)
    }

    /// Writes, and reads what is written by these fields.
    async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        wanted: &[&str],
    ) -> Result<T, Fault> {
        let call = Call { kind: Kind::Write, method, path, query: fields(wanted), body: Some(body) };
        let answer = self.send(call).await?;
        self.read_answer(&answer)
    }

    fn read_answer<'a, T: Deserialize<'a>>(&self, answer: &'a Answer) -> Result<T, Fault> {
        read::json(&answer.body).map_err(|error| self.client.garbage(answer, error))
    }

    /// Id of a currency.
    async fn currency(&self, code: &str) -> Result<i64, Fault> {
        if let Some(id) = self.currencies.lock().await.get(code) {
            return Ok(*id);
        }
        let question = Question { domain: json!([["code", "=", code]]), fields: &["code"], ..Question::default() };
        let found: Vec<wire::Currency> = self.find_all("currency.currency", &question).await?;
        let currency = found.into_iter().next().ok_or_else(|| {
            self.client.fault(Class::Refused, format!("Tryton knows no currency {code}: create it there"), None)
        })?;
        self.currencies.lock().await.insert(currency.code, currency.id);
        Ok(currency.id)
    }

    async fn company(&self) -> Result<&Company, Fault> {
        let ask = || async {
            let company: wire::Company = self.get("company.company", self.settings.company, &["currency.code"]).await?;
            let ids: Vec<i64> = self.settings.accounts.values().copied().collect();
            let question =
                Question { domain: json!([["id", "in", ids]]), fields: &["party_required"], ..Question::default() };
            let accounts: Vec<wire::Account> = self.find_all("account.account", &question).await?;
            let with_party =
                accounts.iter().filter(|account| wire::is_set(&account.party_required)).map(|account| account.id);
            Ok(Company { currency: company.currency.code, with_party: with_party.collect() })
        };
        self.company.get_or_try_init(ask).await
    }

    fn account(&self, name: &str) -> Option<i64> {
        self.settings.accounts.get(name).copied()
    }
}

/// One call.
struct Call<'a> {
    kind: Kind,
    method: Method,
    path: &'a str,
    query: Vec<(&'static str, String)>,
    body: Option<&'a Value>,
}

fn fields(wanted: &[&str]) -> Vec<(&'static str, String)> {
    wanted.iter().map(|field| ("f", (*field).to_owned())).collect()
}

/// A write that was throttled on the way may have been carried out before.
fn in_doubt(fault: Fault) -> Fault {
    match fault.class {
        Class::Throttled { .. } => Fault { class: Class::Unanswered, ..fault },
        _ => fault,
    }
}
