//! The Redmine connector: issues in, with who changed what and when, billing status out into a custom field.

mod issue;
mod probe;
mod pull;
mod push;
pub mod settings;
mod wire;

use std::collections::BTreeMap;

use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::{Connector, Fault, Hook, Needs, Platform, read};
use milestoned_mapping::fieldmap::RecordKind;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OnceCell};

pub use settings::Settings;

/// Header with a request's id, which stands in the server's log.
const REQUEST_ID: &str = "x-request-id";
/// Redmine publishes no limits. A server of a few processes is not kept busy by us alone.
const PUBLISHED: Published = Published { windows: &[], in_flight: 4 };

/// A connection to one server.
pub struct Redmine {
    client: Client,
    settings: Settings,
    /// Fields of the field map.
    fields: Vec<String>,
    /// Ids of the projects.
    projects: OnceCell<Vec<i64>>,
    /// Names of statuses, by id.
    statuses: Mutex<BTreeMap<String, String>>,
    /// How people are called, by id.
    people: Mutex<BTreeMap<i64, String>>,
}

impl Connector for Redmine {
    type Settings = Settings;

    const KIND: &'static str = "redmine";
    const MAPPED: &'static [RecordKind] = &[RecordKind::Milestone];
    const FIELD_MAP: &'static str = include_str!("../../../config/fieldmaps/redmine.toml");

    fn create(name: &str, settings: Settings, needs: Needs) -> Result<Self, String> {
        let fields = needs.map()?.source_fields();
        Self::build(name, settings, fields, needs.platform)
    }
}

/// Redmine sends no webhooks.
impl Hook for Redmine {}

impl Redmine {
    /// A connection under this name that reads these fields.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(
        name: &str,
        settings: Settings,
        fields: Vec<String>,
        platform: impl Into<Platform>,
    ) -> Result<Self, String> {
        if settings.projects.is_empty() {
            return Err("projects: name at least one".into());
        }
        let client =
            Client::build(name, &settings.base_url, REQUEST_ID, &settings.limits, &PUBLISHED, platform.into())?;
        let (statuses, people) = (Mutex::default(), Mutex::default());
        Ok(Self { client, settings, fields, projects: OnceCell::new(), statuses, people })
    }

    /// Asks; refusals are answers, too.
    async fn ask(&self, path: &str, query: &[(&str, String)]) -> Result<Answer, Fault> {
        let request = self.client.request(Method::GET, path).query(query);
        self.client.read(request.header("x-redmine-api-key", self.settings.key.expose_secret())).await
    }

    /// Asks, and reads the answer.
    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Fault> {
        let answer = self.ask(path, query).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))
    }

    fn refused(&self, answer: &Answer) -> Fault {
        let refusal: wire::Refusal = serde_json::from_str(&answer.body).unwrap_or_default();
        let said = if refusal.errors.is_empty() { "no reason given".into() } else { refusal.errors.join("; ") };
        self.client.refusal(answer, said)
    }

    /// Ids of the projects that are named.
    async fn projects(&self) -> Result<&[i64], Fault> {
        let ask = || async {
            let mut ids = Vec::new();
            for name in &self.settings.projects {
                let found: wire::ProjectAnswer = self.get(&format!("/projects/{name}.json"), &[]).await?;
                ids.push(found.project.id);
            }
            Ok::<_, Fault>(ids)
        };
        self.projects.get_or_try_init(ask).await.map(Vec::as_slice)
    }

    /// Name of a status. A new one is asked for when it is first met.
    async fn status(&self, id: &str) -> Result<String, Fault> {
        let mut known = self.statuses.lock().await;
        if !known.contains_key(id) {
            let found: wire::Statuses = self.get("/issue_statuses.json", &[]).await?;
            *known = found.issue_statuses.into_iter().map(|status| (status.id.to_string(), status.name)).collect();
        }
        // One that was deleted since has no name.
        Ok(known.get(id).cloned().unwrap_or_else(|| format!("status {id}")))
    }

    /// The address of a person, else the login, else the id: people may hide their addresses, and be deleted.
    async fn person(&self, id: i64) -> Result<String, Fault> {
        if let Some(name) = self.people.lock().await.get(&id) {
            return Ok(name.clone());
        }
        let answer = self.ask(&format!("/users/{id}.json"), &[]).await?;
        let name = if answer.status.is_success() {
            let found: wire::UserAnswer =
                read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
            found.user.mail.or(found.user.login).filter(|name| !name.is_empty())
        } else if matches!(answer.status.as_u16(), 403 | 404) {
            None
        } else {
            return Err(self.refused(&answer));
        };
        let name = name.unwrap_or_else(|| id.to_string());
        self.people.lock().await.insert(id, name.clone());
        Ok(name)
    }
}
