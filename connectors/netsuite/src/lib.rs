//! The NetSuite connector: reads by SuiteQL, writes by REST. The external id of whatever it writes is the delivery's
//! key, so a lost answer is looked up and never repeated blindly.

mod auth;
mod body;
mod customers;
mod jobs;
mod ledger;
mod probe;
mod pull;
mod push;
pub mod settings;
mod sql;
mod wire;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::extra;
use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::token::TokenCache;
use milestoned_connector_kit::{Class, Connector, Fault, Hook, Needs, Platform, read};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::Mutex;

use settings::Auth;
pub use settings::Settings;
use wire::{Errors, Row};

/// Accounts that journal entries post to.
const ACCOUNTS: [&str; 4] = ["unbilled_receivable", "contract_asset", "deferred_revenue", "revenue"];

/// What NetSuite publishes: fifteen requests at once for an account and all that calls it; no number in a time.
const PUBLISHED: Published = Published { windows: &[], in_flight: 15 };

/// What the external id of everything begins with that we write.
const OURS: &str = "msd-";
/// Header with the request's id.
const REQUEST_ID: &str = "x-n-operationid";

/// A connection to one account.
pub struct NetSuite {
    client: Client,
    settings: Settings,
    base_url: String,
    zone: TimeZone,
    token: TokenCache,
    /// Internal ids of currencies, by code: they never change.
    currencies: Mutex<BTreeMap<String, String>>,
    /// Which records are which customers.
    customers: Customers,
}

impl Connector for NetSuite {
    type Settings = Settings;
    const KIND: &'static str = "netsuite";
    const NUMBER_LENGTH: Option<usize> = Some(push::NUMBER_LENGTH);

    fn create(name: &str, settings: Settings, needs: Needs) -> Result<Self, String> {
        needs.customers.configure(settings.customers.clone());
        Ok(Self { customers: needs.customers, ..Self::build(name, settings, needs.platform)? })
    }
}

impl Hook for NetSuite {}

impl NetSuite {
    /// A connection under this name.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(name: &str, mut settings: Settings, platform: impl Into<Platform>) -> Result<Self, String> {
        // Addresses write the account of a sandbox `1234567-sb1`; what is signed bears it as the account writes it itself.
        settings.account = settings.account.trim().to_uppercase().replace('-', "_");
        let own = format!("https://{}.suitetalk.api.netsuite.com", settings.account.to_lowercase().replace('_', "-"));
        let base_url = settings.base_url.clone().unwrap_or(own).trim_end_matches('/').to_owned();
        let zone = TimeZone::get(&settings.timezone).map_err(|error| format!("timezone: {error}"))?;
        for account in ACCOUNTS {
            if !settings.accounts.contains_key(account) {
                return Err(format!("accounts.{account}: is missing: give the account's internal id"));
            }
        }
        extra::check(&settings.extra, body::OWN_FIELDS, body::OWN_LINE_FIELDS)?;
        customers::check(&settings.customers)?;
        let customers = Customers::default();
        customers.configure(settings.customers.clone());
        let client = Client::build(name, &base_url, REQUEST_ID, &settings.limits, &PUBLISHED, platform.into())?;
        let (token, currencies) = (TokenCache::default(), Mutex::default());
        Ok(Self { client, settings, base_url, zone, token, currencies, customers })
    }

    /// Sends with a token or a signature; a token that is refused is renewed once.
    async fn send(
        &self,
        write: bool,
        method: Method,
        path: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Fault> {
        let url = reqwest::Url::parse(&format!("{}{path}", self.base_url))
            .map_err(|error| self.client.fault(Class::Refused, error.to_string(), None))?;
        for again in [true, false] {
            let mut request = self.client.request(method.clone(), url.as_str());
            let token = match &self.settings.auth {
                Auth::Oauth2 { .. } => Some(self.token.get(self.client.now(), || self.sign_in()).await?),
                Auth::Tba { .. } => None,
            };
            request = match &token {
                Some(token) => request.bearer_auth(token.value.expose_secret()),
                None => request.header(AUTHORIZATION, self.signature(&method, &url).unwrap_or_default()),
            };
            if let Some(body) = body {
                // With the default a misspelt field would be dropped in silence.
                request = request
                    .header("X-NetSuite-PropertyNameValidation", "error")
                    .header("X-NetSuite-PropertyValueValidation", "error")
                    .body(body.to_owned());
                if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                    request = request.header(CONTENT_TYPE, "application/json");
                }
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = if write { self.client.write(request).await? } else { self.client.read(request).await? };
            if answer.status != 401 || !again {
                return Ok(answer);
            }
            // One 401 proves nothing: overload looks the same.
            if let Some(token) = token {
                self.token.refused(&token).await;
            }
        }
        Err(self.client.fault(Class::Unauthorised, "no session", None))
    }

    /// Rows of a SuiteQL query, at most 1,000.
    async fn query(&self, sql: &str) -> Result<Vec<Row>, Fault> {
        let body = json!({ "q": sql }).to_string();
        let path = "/services/rest/query/v1/suiteql?limit=1000&offset=0";
        let answer = self.send(false, Method::POST, path, Some(&body), &[("Prefer", "transient")]).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let page: wire::QueryPage<'_> =
            read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        Ok(page.items.iter().map(Row::read).collect())
    }

    /// What follows from a refused request. The meaning of most refusals is in their words.
    fn refused(&self, answer: &Answer) -> Fault {
        let errors = Errors::read(&answer.body);
        let said = errors.text();
        let request_id = answer.header(REQUEST_ID);
        if errors.has("CONCURRENCY_LIMIT_EXCEEDED") {
            return self.client.fault(Class::Throttled { until: None }, said, request_id);
        }
        // An earlier attempt has written it, or is about to: it is looked up and verified.
        if errors.says("This entity already exists") || errors.has("RCRD_HAS_BEEN_CHANGED") {
            return self.client.fault(Class::Unanswered, said, request_id);
        }
        if errors.says("Please enter value(s) for") {
            let said =
                format!("{said}; the account demands it: set it under [[connections.{}.extra]]", self.client.system());
            return self.client.fault(Class::Refused, said, request_id);
        }
        if errors.says("tranId") {
            let said = format!("{said}; the account numbers its transactions itself: set number_field");
            return self.client.fault(Class::Refused, said, request_id);
        }
        if errors.says("taxCode") {
            let said = format!(
                "{said}; REST knows the codes of SuiteTax alone: in an account with legacy tax leave taxCode out, and give the customer or \
                 the item its tax code there"
            );
            return self.client.fault(Class::Refused, said, request_id);
        }
        if errors.says("accounting period") {
            let said = format!("{said}; the period is closed: reopen it, or agree on another date with the controller");
            return self.client.fault(Class::Refused, said, request_id);
        }
        self.client.refusal(answer, said)
    }
}
