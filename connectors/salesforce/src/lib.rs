//! The Salesforce connector: deals or milestones in, billing status out.

mod approvals;
mod auth;
mod files;
mod history;
mod hook;
mod limit;
mod probe;
mod pull;
mod push;
mod query;
mod refusal;
pub mod settings;
mod sweep;
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use milestoned_connector_kit::http::{Client, Kind, Published};
use milestoned_connector_kit::token::{TokenCache, TokenStore};
use milestoned_connector_kit::{Connector, Fault, Needs, Platform, read};
use milestoned_mapping::fieldmap::{FieldMap, Meaning, RecordKind};
use milestoned_mapping::json::Path;
use reqwest::Method;

pub use settings::Settings;

/// What Salesforce publishes is a daily number, watched by the answers' `Sforce-Limit-Info`, and 25 long requests at once.
const PUBLISHED: Published = Published { windows: &[], in_flight: 20 };
/// Header with the id that Salesforce's support asks for.
const REQUEST_ID: &str = "x-request-id";
/// Fields that exist only where a feature of the org is switched on: they are read where they exist.
const OPTIONAL: [&str; 2] = [CURRENCY, "ContractId"];
/// Currency of a record, in an org with several.
const CURRENCY: &str = "CurrencyIsoCode";
/// The object of deals, and its field that says that one is won.
const DEAL: &str = "Opportunity";
const WON: &str = "IsWon";
/// Member of a record under which its files stand.
const FILES: &str = "Files";

/// A connection to one org.
pub struct Salesforce {
    client: Client,
    settings: Settings,
    reads: Reads,
    /// Optional fields that this org turned out not to have.
    absent: Mutex<BTreeSet<String>>,
    token: TokenCache,
    tokens: Arc<dyn TokenStore>,
    usage: limit::Usage,
}

/// What the field map reads.
struct Reads {
    /// Fields, dotted over relationships.
    fields: Vec<String>,
    /// The field with the contract's id.
    contract: String,
    /// Of a milestone: where its status stands.
    status: Option<Path>,
    /// Of a milestone: statuses that say that something happened on a day.
    dated: BTreeSet<String>,
    /// Of a milestone: statuses that say that the customer accepted, and that he rejected.
    accepted: BTreeSet<String>,
    rejected: BTreeSet<String>,
    /// Of a milestone: whether a field of its own says on which day the customer accepted.
    accepted_on: bool,
    /// Whether files are looked for.
    files: bool,
}

impl Reads {
    fn of(map: &FieldMap) -> Result<Self, String> {
        let (mut fields, mut files) = (BTreeSet::new(), false);
        for path in map.paths() {
            if path.split(['.', '[']).next() == Some(FILES) {
                files = true;
            } else if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte)) {
                fields.insert(path);
            } else {
                return Err(format!("field_map: {path:?}: write field names joined by dots, or {FILES}[0].link"));
            }
        }
        let status = match map.kind {
            RecordKind::Milestone => map.path("status").map(Path::parse).transpose()?,
            RecordKind::Deal => None,
        };
        let contract = map.path("contract").unwrap_or_default().to_owned();
        let dated = map.dated_statuses().map(Into::into).collect();
        let accepted_on = map.path("accepted_on").is_some();
        let meaning = |meaning| map.statuses_that_mean(meaning).map(Into::into).collect();
        let (accepted, rejected) = (meaning(Meaning::Accepted), meaning(Meaning::Rejected));
        let fields = fields.into_iter().collect();
        Ok(Self { fields, contract, status, dated, accepted, rejected, accepted_on, files })
    }
}

impl Reads {
    /// Files are read, and whether a deal is won.
    fn of_won_deals(&mut self, object: &str) -> Result<(), String> {
        if object != DEAL {
            return Err(format!(
                "documents: files are brought from won deals, and object is {object:?}; remove one of both"
            ));
        }
        self.files = true;
        if !self.fields.iter().any(|field| field == WON) {
            self.fields.push(WON.into());
        }
        Ok(())
    }
}

impl Connector for Salesforce {
    type Settings = Settings;
    const KIND: &'static str = "salesforce";
    const MAPPED: &'static [RecordKind] = &[RecordKind::Deal, RecordKind::Milestone];
    const FIELD_MAP: &'static str = include_str!("../../../config/fieldmaps/salesforce.toml");

    fn create(name: &str, settings: Settings, needs: Needs) -> Result<Self, String> {
        Self::build(name, settings, needs.map()?, needs.platform.clone(), Arc::clone(&needs.tokens))
    }
}

impl Salesforce {
    /// A connection under this name that reads what the field map names; rotated refresh tokens are kept in `tokens`.
    ///
    /// # Errors
    /// What is wrong with settings or field map.
    pub fn build(
        name: &str,
        settings: Settings,
        map: &FieldMap,
        platform: impl Into<Platform>,
        tokens: Arc<dyn TokenStore>,
    ) -> Result<Self, String> {
        let client =
            Client::build(name, &settings.base_url, REQUEST_ID, &settings.limits, &PUBLISHED, platform.into())?;
        let mut reads = Reads::of(map)?;
        if settings.documents {
            reads.of_won_deals(&settings.object)?;
        }
        let absent = settings.currency.iter().map(|_| CURRENCY.to_owned()).collect();
        Ok(Self {
            client,
            settings,
            reads,
            absent: Mutex::new(absent),
            token: TokenCache::default(),
            tokens,
            usage: limit::Usage::default(),
        })
    }

    fn data(&self, path: &str) -> String {
        format!("/services/data/v{}/{path}", self.settings.api_version)
    }

    fn is_absent(&self, field: &str) -> bool {
        self.absent.lock().is_ok_and(|absent| absent.contains(field))
    }

    async fn describe(&self, object: &str) -> Result<wire::Describe, Fault> {
        let path = self.data(&format!("sobjects/{object}/describe"));
        let answer = self.send(Kind::Read, || self.client.request(Method::GET, &path)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))
    }
}

/// An instant as SOQL writes it; stamps compare at whole seconds.
fn soql_instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
