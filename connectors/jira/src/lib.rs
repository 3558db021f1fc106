//! The Jira connector: issues in, billing status out. Search finds what to look at; the issue itself is the truth.

mod hook;
mod pull;
mod push;
pub mod settings;
mod wire;

use jiff::SignedDuration;
use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::{Class, Fault, Probe, Problem, Surroundings};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;

use settings::Auth;
pub use settings::Settings;

/// What Atlassian publishes: API tokens are exempt from the hourly points; ten requests a second stay clear of its burst
/// limits.
const PUBLISHED: Published = Published { windows: &[(10, SignedDuration::from_secs(1), None)], in_flight: 10 };

/// A connection to one site.
pub struct Jira {
    client: Client,
    settings: Settings,
    /// Fields to read.
    fields: Vec<String>,
}

impl Jira {
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
        if settings.projects.is_empty() {
            return Err("projects: name at least one: an unbounded search is refused by Jira".into());
        }
        let client =
            Client::build(name, &settings.base_url, "atl-traceid", &settings.limits, &PUBLISHED, around.into())?;
        Ok(Self { client, settings, fields })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, &format!("/rest/api/3/{path}"));
        match &self.settings.auth {
            Auth::Basic { email, api_token } => request.basic_auth(email, Some(api_token.expose_secret())),
            Auth::Bearer { token } => request.bearer_auth(token.expose_secret()),
        }
    }

    fn refused(&self, answer: &Answer) -> Fault {
        self.client.refusal(answer, wire::Errors::read(&answer.body))
    }

    /// A dead identity sees an empty, healthy world: who we are is asked before "nothing changed" is believed.
    async fn check_identity(&self) -> Result<(), Fault> {
        let answer = self.client.read(self.request(Method::GET, "myself")).await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(self.client.fault(Class::Unauthorised, self.refused(&answer).detail, None))
        }
    }
}

impl Probe for Jira {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |place: &str, reason: String, remedy: &str| {
            problems.push(Problem { place: place.into(), reason, remedy: remedy.into() });
        };
        if self.settings.webhook_secret.is_none() {
            problem(
                "webhook_secret",
                "is not set: webhooks are refused, changes are seen by polling only".into(),
                "set the secret of the admin webhook",
            );
        }
        if let Err(fault) = self.check_identity().await {
            problem("auth", fault.to_string(), "see that address, account and token are right; tokens expire");
            return problems;
        }
        match self.client.read(self.request(Method::GET, "field")).await {
            Ok(answer) => {
                let known: Vec<wire::Field> = serde_json::from_str(&answer.body).unwrap_or_default();
                for field in self.fields.iter().filter(|field| !known.iter().any(|known| known.id == **field)) {
                    problem(field, "the site has no such field".into(), "correct the path in the field map");
                }
            }
            Err(fault) => problem("field", fault.to_string(), "see that the site is up"),
        }
        for project in &self.settings.projects {
            match self.client.read(self.request(Method::GET, &format!("project/{project}"))).await {
                Ok(answer) if answer.status.is_success() => {}
                Ok(answer) => problem(
                    &format!("projects: {project}"),
                    self.refused(&answer).detail,
                    "correct the key, or let the account browse the project",
                ),
                Err(fault) => problem(&format!("projects: {project}"), fault.to_string(), "see that the site is up"),
            }
        }
        problems
    }
}
