//! The NetSuite connector: reads by SuiteQL, writes by REST. The external id of whatever it writes is the delivery's
//! key, so a lost answer is looked up and never repeated blindly.

mod auth;
mod pull;
mod push;
pub mod settings;
mod wire;

use jiff::tz::TimeZone;
use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::token::TokenCache;
use milestoned_connector_kit::{Class, Fault, Probe, Problem, Surroundings};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use secrecy::ExposeSecret;
use serde_json::json;

use settings::Auth;
pub use settings::Settings;
use wire::{Errors, Row};

/// Accounts that journal entries post to.
const ACCOUNTS: [&str; 4] = ["unbilled_receivable", "contract_asset", "deferred_revenue", "revenue"];

/// What NetSuite publishes: five requests at once in a standard account; no number in a time.
const PUBLISHED: Published = Published { windows: &[], in_flight: 5 };

/// A connection to one account.
pub struct NetSuite {
    client: Client,
    settings: Settings,
    base_url: String,
    zone: TimeZone,
    token: TokenCache,
}

impl NetSuite {
    /// A connection under this name.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(name: &str, settings: Settings, around: impl Into<Surroundings>) -> Result<Self, String> {
        let own = format!("https://{}.suitetalk.api.netsuite.com", settings.account.to_lowercase().replace('_', "-"));
        let base_url = settings.base_url.clone().unwrap_or(own).trim_end_matches('/').to_owned();
        let zone = TimeZone::get(&settings.timezone).map_err(|error| format!("timezone: {error}"))?;
        for account in ACCOUNTS {
            if !settings.accounts.contains_key(account) {
                return Err(format!("accounts.{account}: is missing: give the account's internal id"));
            }
        }
        let client = Client::build(name, &base_url, "x-n-operationid", &settings.limits, &PUBLISHED, around.into())?;
        Ok(Self { client, settings, base_url, zone, token: TokenCache::default() })
    }

    /// Sends with a token or a signature; a token that is refused is renewed once.
    async fn send(
        &self,
        write: bool,
        method: Method,
        path: &str,
        body: Option<&str>,
        transient: bool,
    ) -> Result<Answer, Fault> {
        for again in [true, false] {
            let url = reqwest::Url::parse(&format!("{}{path}", self.base_url))
                .map_err(|error| self.client.fault(Class::Refused, error.to_string(), None))?;
            let mut request = self.client.request(method.clone(), url.as_str());
            let token = match &self.settings.auth {
                Auth::Oauth2 { .. } => Some(self.token.get(self.client.now(), || self.sign_in()).await?),
                Auth::Tba { .. } => None,
            };
            request = match &token {
                Some(token) => request.bearer_auth(token.value.expose_secret()),
                None => request.header(AUTHORIZATION, self.signature(&method, &url).unwrap_or_default()),
            };
            if transient {
                request = request.header("Prefer", "transient");
            }
            if let Some(body) = body {
                // With the default a misspelt field would be dropped in silence.
                request = request
                    .header(CONTENT_TYPE, "application/json")
                    .header("X-NetSuite-PropertyNameValidation", "error")
                    .header("X-NetSuite-PropertyValueValidation", "error")
                    .body(body.to_owned());
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
    async fn query(&self, sql: &str) -> Result<(Vec<Row>, bool), Fault> {
        let body = json!({ "q": sql }).to_string();
        let answer = self
            .send(false, Method::POST, "/services/rest/query/v1/suiteql?limit=1000&offset=0", Some(&body), true)
            .await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let page: wire::QueryPage<'_> =
            serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        Ok((page.items.iter().map(Row::read).collect(), page.has_more))
    }

    /// What follows from a refused request. The meaning of most refusals is in their words.
    fn refused(&self, answer: &Answer) -> Fault {
        let errors = Errors::read(&answer.body);
        let said = errors.text();
        if errors.has("CONCURRENCY_LIMIT_EXCEEDED") {
            return self.client.fault(Class::Throttled { until: None }, said, None);
        }
        if errors.says("This entity already exists") {
            // An earlier attempt has written it: it is looked up and verified.
            return self.client.fault(Class::Unanswered, said, None);
        }
        if errors.says("accounting period") {
            let said = format!("{said}; the period is closed: reopen it, or agree on another date with the controller");
            return self.client.fault(Class::Refused, said, None);
        }
        self.client.refusal(answer, said)
    }
}

/// Text in SuiteQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Probe for NetSuite {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |place: String, reason: String, remedy: &str| {
            problems.push(Problem { place, reason, remedy: remedy.into() });
        };
        let ids: Vec<String> = self.settings.accounts.values().map(|id| quoted(id)).collect();
        match self.query(&format!("SELECT id FROM account WHERE id IN ({})", ids.join(","))).await {
            Err(fault) => {
                problem("auth".into(), fault.to_string(), "see that address, keys, role and permissions are right");
                return problems;
            }
            Ok((rows, _)) => {
                for (name, id) in &self.settings.accounts {
                    if !rows.iter().any(|row| row.get("id") == Some(id)) {
                        problem(
                            format!("accounts.{name}"),
                            format!("there is no account {id}"),
                            "give the account's internal id",
                        );
                    }
                }
            }
        }
        for (name, id) in &self.settings.terms {
            match self.query(&format!("SELECT id, name FROM term WHERE id = {}", quoted(id))).await {
                Ok((rows, _))
                    if rows.iter().any(|row| row.get("name").is_some_and(|known| known.eq_ignore_ascii_case(name))) => {
                }
                Ok(_) => problem(
                    format!("terms.\"{name}\""),
                    format!("term {id} has another name, or is missing"),
                    "give the term's internal id",
                ),
                Err(fault) => {
                    problem(format!("terms.\"{name}\""), fault.to_string(), "see that the role may read terms")
                }
            }
        }
        match self.query(&format!("SELECT id FROM item WHERE id = {}", quoted(&self.settings.item))).await {
            Ok((rows, _)) if !rows.is_empty() => {}
            Ok(_) => problem(
                "item".into(),
                format!("there is no item {}", self.settings.item),
                "give the service item's internal id",
            ),
            Err(fault) => problem("item".into(), fault.to_string(), "see that the role may read items"),
        }
        problems
    }
}
