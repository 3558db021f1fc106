//! The Salesforce connector: deals in, billing status out.

mod pull;
mod push;
pub mod settings;
mod wire;

use jiff::Timestamp;
use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::token::{Token, TokenCache};
use milestoned_connector_kit::{Class, Fault, Probe, Problem, Surroundings};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use settings::Auth;
pub use settings::Settings;

/// What Salesforce publishes is a daily number, watched by the answers' `Sforce-Limit-Info`, and 25 long requests at once.
const PUBLISHED: Published = Published { windows: &[], in_flight: 20 };

/// A connection to one org.
pub struct Salesforce {
    client: Client,
    settings: Settings,
    /// Fields to read beside those that every record carries.
    fields: Vec<String>,
    token: TokenCache,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

impl Salesforce {
    /// A connection under this name that reads these fields.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(
        name: &str,
        settings: Settings,
        fields: Vec<String>,
        around: impl Into<Surroundings>,
    ) -> Result<Self, String> {
        let client =
            Client::build(name, &settings.base_url, "x-request-id", &settings.limits, &PUBLISHED, around.into())?;
        Ok(Self { client, settings, fields, token: TokenCache::default() })
    }

    fn data(&self, path: &str) -> String {
        format!("/services/data/v{}/{path}", self.settings.api_version)
    }

    async fn sign_in(&self) -> Result<Token, Fault> {
        let request = self.client.request(Method::POST, "/services/oauth2/token");
        let request = match &self.settings.auth {
            Auth::ClientCredentials { client_id, client_secret } => request
                .basic_auth(client_id, Some(client_secret.expose_secret()))
                .form(&[("grant_type", "client_credentials")]),
            Auth::Jwt { client_id, username, private_key, audience } => {
                let exp = self.client.now().as_second().saturating_add(180);
                let claims = Claims { iss: client_id, sub: username, aud: audience, exp };
                let assertion = self.assertion(&claims, private_key)?;
                request
                    .form(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)])
            }
        };
        let answer = self.client.read(request).await?;
        if !answer.status.is_success() {
            let said = serde_json::from_str::<wire::TokenError>(&answer.body)
                .map(|error| format!("{}: {}", error.error, error.error_description))
                .unwrap_or_default();
            return Err(self.client.fault(Class::Unauthorised, format!("sign-in refused: {said}"), None));
        }
        let token: wire::TokenAnswer =
            serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        Ok(Token { value: SecretString::from(token.access_token), expires_at: None })
    }

    fn assertion(&self, claims: &Claims<'_>, private_key: &SecretString) -> Result<String, Fault> {
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(private_key.expose_secret().as_bytes());
        key.and_then(|key| {
            jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), claims, &key)
        })
        .map_err(|error| self.client.fault(Class::Unauthorised, format!("auth.private_key: {error}"), None))
    }

    /// Sends with the session; one that has ended is renewed once.
    async fn send(&self, write: bool, request: impl Fn() -> RequestBuilder) -> Result<Answer, Fault> {
        for again in [true, false] {
            let token = self.token.get(self.client.now(), || self.sign_in()).await?;
            let request = request().bearer_auth(token.value.expose_secret());
            let answer = if write { self.client.write(request).await? } else { self.client.read(request).await? };
            let ended = answer.status == 401
                && wire::errors(&answer.body).iter().any(|error| error.code == "INVALID_SESSION_ID");
            if !ended {
                return Ok(answer);
            }
            self.token.refused(&token).await;
            if !again {
                return Err(self.client.refusal(&answer, "the session is refused again after a new sign-in"));
            }
        }
        Err(self.client.fault(Class::Unauthorised, "no session", None))
    }

    /// What follows from a refused request: the error code counts, not the status.
    fn refused(&self, answer: &Answer) -> Fault {
        let errors = wire::errors(&answer.body);
        let said: Vec<String> = errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect();
        let said = if said.is_empty() { "no reason given".into() } else { said.join("; ") };
        let code = errors.first().map_or("", |error| error.code.as_str());
        let class = match code {
            "UNABLE_TO_LOCK_ROW" | "REQUEST_LIMIT_EXCEEDED" | "SERVER_UNAVAILABLE" => Class::Throttled { until: None },
            "INVALID_SESSION_ID"
            | "INSUFFICIENT_ACCESS"
            | "INSUFFICIENT_ACCESS_OR_READONLY"
            | "API_DISABLED_FOR_ORG" => Class::Unauthorised,
            "" => return self.client.refusal(answer, said),
            _ => Class::Refused,
        };
        self.client.fault(class, format!("status {}: {said}", answer.status.as_u16()), None)
    }

    async fn describe(&self, object: &str) -> Result<wire::Describe, Fault> {
        let path = self.data(&format!("sobjects/{object}/describe"));
        let answer = self.send(false, || self.client.request(Method::GET, &path)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))
    }
}

impl Probe for Salesforce {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |place: String, reason: String, remedy: &str| {
            problems.push(Problem { place, reason, remedy: remedy.into() });
        };
        let hidden = "create the field, or give the integration user read access to it (field-level security)";
        match self.describe(&self.settings.object).await {
            Err(fault) => problem(
                self.settings.object.clone(),
                fault.to_string(),
                "see that address, credentials and object are right",
            ),
            Ok(described) => {
                let known = |name: &str| {
                    described
                        .fields
                        .iter()
                        .any(|field| field.name == name || field.relationship.as_deref() == Some(name))
                };
                for field in self.fields.iter().chain([&self.settings.contract_field]) {
                    if !known(field.split('.').next().unwrap_or(field)) {
                        problem(
                            format!("{}.{field}", self.settings.object),
                            "the field is missing or hidden".into(),
                            hidden,
                        );
                    }
                }
            }
        }
        if let Some(status) = &self.settings.status {
            match self.describe(&status.object).await {
                Err(fault) => {
                    problem(status.object.clone(), fault.to_string(), "create the object, or remove [status]")
                }
                Ok(described) => {
                    for field in status.fields.values() {
                        if !described.fields.iter().any(|known| known.name == *field) {
                            problem(
                                format!("{}.{field}", status.object),
                                "the field is missing or hidden".into(),
                                hidden,
                            );
                        }
                    }
                    if !described
                        .fields
                        .iter()
                        .any(|field| field.name == status.external_id && field.external_id && field.unique)
                    {
                        let place = format!("{}.{}", status.object, status.external_id);
                        problem(place, "is no unique external id".into(), "mark the field as External ID and Unique");
                    }
                }
            }
        }
        problems
    }
}

/// An instant as SOQL writes it; stamps compare at whole seconds.
fn soql_instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
