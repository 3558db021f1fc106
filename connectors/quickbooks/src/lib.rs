//! The QuickBooks connector: documents in by change data capture, documents out with a request id that is the
//! delivery's key.

mod hook;
mod pull;
mod push;
pub mod settings;
mod wire;

use std::sync::Arc;

use jiff::SignedDuration;
use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::token::{Token, TokenCache, TokenStore};
use milestoned_connector_kit::{Class, Fault, Probe, Problem, Surroundings};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use settings::Settings;

/// Accounts that journal entries post to.
const ACCOUNTS: [&str; 4] = ["unbilled_receivable", "contract_asset", "deferred_revenue", "revenue"];
/// Name of the rotated refresh token in the store.
const REFRESH: &str = "refresh_token";

/// What Intuit publishes: 500 requests a minute for a company, 10 a second for a company and app, 40 batches a minute.
const PUBLISHED: Published = Published {
    windows: &[
        (10, SignedDuration::from_secs(1), None),
        (500, SignedDuration::from_mins(1), None),
        (40, SignedDuration::from_mins(1), Some("batch")),
    ],
    in_flight: 10,
};

/// A connection to one company.
pub struct QuickBooks {
    client: Client,
    settings: Settings,
    token: TokenCache,
    store: Arc<dyn TokenStore>,
}

impl QuickBooks {
    /// A connection under this name; rotated refresh tokens are kept in `store`.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(
        name: &str,
        settings: Settings,
        around: impl Into<Surroundings>,
        store: Arc<dyn TokenStore>,
    ) -> Result<Self, String> {
        for account in ACCOUNTS {
            if !settings.accounts.contains_key(account) {
                return Err(format!("accounts.{account}: is missing: give the account's id"));
            }
        }
        let client =
            Client::build(name, &settings.base_url, "intuit_tid", &settings.limits, &PUBLISHED, around.into())?;
        Ok(Self { client, settings, token: TokenCache::default(), store })
    }

    /// A new access token. The refresh token that comes with it is stored before anything is done with either.
    async fn sign_in(&self) -> Result<Token, Fault> {
        let unauthorised = |said: String| self.client.fault(Class::Unauthorised, said, None);
        let stored = self.store.load(self.client.system(), REFRESH).await.map_err(unauthorised)?;
        let refresh = stored.map_or_else(|| self.settings.refresh_token.clone(), SecretString::from);
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
        let request = self
            .client
            .request(Method::POST, &self.settings.token_url)
            .basic_auth(&self.settings.client_id, Some(self.settings.client_secret.expose_secret()))
            .header(ACCEPT, "application/json")
            .form(&form);
        // Asked once: whether a lost answer has rotated the token is shown by the next attempt.
        let answer = self.client.write(request).await.map_err(|fault| Fault { class: Class::Unauthorised, ..fault })?;
        if !answer.status.is_success() {
            let said = "the refresh token is refused: connect the company again and set the new refresh_token";
            return Err(unauthorised(said.into()));
        }
        let token: wire::TokenAnswer =
            serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        self.store.save(self.client.system(), REFRESH, &token.refresh_token).await.map_err(unauthorised)?;
        let expires_at = self.client.now().checked_add(SignedDuration::from_secs(token.expires_in)).ok();
        Ok(Token { value: SecretString::from(token.access_token), expires_at })
    }

    /// Sends to the company; a token that is refused is renewed once, and the request id stays the same.
    async fn send(&self, write: bool, method: Method, path: &str, body: Option<&str>) -> Result<Answer, Fault> {
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!("/v3/company/{}/{path}{join}minorversion=75", self.settings.realm);
        for again in [true, false] {
            let token = self.token.get(self.client.now(), || self.sign_in()).await?;
            let mut request = self
                .client
                .request(method.clone(), &path)
                .bearer_auth(token.value.expose_secret())
                .header(ACCEPT, "application/json");
            if let Some(body) = body {
                request = request.header(CONTENT_TYPE, "application/json").body(body.to_owned());
            }
            let answer = if write { self.client.write(request).await? } else { self.client.read(request).await? };
            if answer.status != 401 || !again {
                return self.judged(answer);
            }
            self.token.refused(&token).await;
        }
        Err(self.client.fault(Class::Unauthorised, "no session", None))
    }

    /// A fault may come with any status, 200 included.
    fn judged(&self, answer: Answer) -> Result<Answer, Fault> {
        let errors = wire::FaultAnswer::read(&answer.body);
        if answer.status.is_success() && errors.is_empty() {
            return Ok(answer);
        }
        let said: Vec<String> =
            errors.iter().map(|error| format!("{} {} {}", error.code, error.message, error.detail)).collect();
        let said = said.join("; ");
        let class = match errors.first().map(|error| error.code.trim_start_matches('0')) {
            Some("3001") => Class::Throttled { until: None },
            // The number is taken: an earlier attempt may have written it, and it is looked up and verified.
            Some("6140") => Class::Unanswered,
            Some("3200" | "3100" | "100" | "120") => Class::Unauthorised,
            Some(_) => Class::Refused,
            None => return Err(self.client.refusal(&answer, "no reason given")),
        };
        let remedy = match errors.first().map(|error| error.code.as_str()) {
            Some("6210") => {
                "; the books are closed on that date: reopen them, or agree on another date with the controller"
            }
            _ => "",
        };
        let request_id = answer.header("intuit_tid");
        Err(self.client.fault(class, format!("status {}: {said}{remedy}", answer.status.as_u16()), request_id))
    }

    async fn query(&self, query: &str) -> Result<Answer, Fault> {
        let mut url = reqwest::Url::parse("http://query/")
            .map_err(|error| self.client.fault(Class::Refused, error.to_string(), None))?;
        url.query_pairs_mut().append_pair("query", query);
        self.send(false, Method::GET, &format!("query?{}", url.query().unwrap_or_default()), None).await
    }
}

/// Text in a query.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Probe for QuickBooks {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |place: String, reason: String, remedy: &str| {
            problems.push(Problem { place, reason, remedy: remedy.into() });
        };
        if self.settings.verifier_token.is_none() {
            problem(
                "verifier_token".into(),
                "is not set: webhooks are refused".into(),
                "set the verifier token of the app",
            );
        }
        match self.send(false, Method::GET, "preferences", None).await {
            Err(fault) => {
                problem(
                    "refresh_token".into(),
                    fault.to_string(),
                    "see that realm, client and refresh token are right",
                );
                return problems;
            }
            Ok(answer) => {
                let preferences: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                let group = preferences.pointer("/Preferences/ProductAndServicesPrefs");
                if group.and_then(|group| group.get("RevenueRecognitionEnabled")) == Some(&Value::Bool(true)) {
                    problem(
                        "revenue recognition".into(),
                        "QuickBooks recognises revenue too: both would book it".into(),
                        "switch it off for the item, or in the company",
                    );
                }
                if preferences.pointer("/Preferences/SalesFormsPrefs/CustomTxnNumbers") == Some(&Value::Bool(false)) {
                    problem(
                        "custom transaction numbers".into(),
                        "are off: QuickBooks would number invoices by itself".into(),
                        "switch them on under Sales",
                    );
                }
            }
        }
        let things = self.settings.accounts.iter().map(|(name, id)| (format!("accounts.{name}"), "Account", id));
        let terms = self.settings.terms.iter().map(|(name, id)| (format!("terms.\"{name}\""), "Term", id));
        for (place, entity, id) in things.chain(terms).chain([("item".to_owned(), "Item", &self.settings.item)]) {
            match self.query(&format!("SELECT * FROM {entity} WHERE Id = {}", quoted(id))).await {
                Ok(answer) if answer.body.contains(&format!("\"{entity}\"")) => {}
                Ok(_) => problem(place, format!("there is no {entity} {id}"), "give the id that QuickBooks shows"),
                Err(fault) => problem(place, fault.to_string(), "see that the app may read it"),
            }
        }
        problems
    }
}
