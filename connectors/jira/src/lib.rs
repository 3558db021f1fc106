//! The Jira connector: issues in, billing status out. Search finds what to look at; the issue itself is the truth.

mod auth;
mod hook;
pub mod issue;
mod place;
mod probe;
mod pull;
mod push;
mod registered;
mod server;
pub mod settings;
pub mod value;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::http::{Answer, Client, Published};
use milestoned_connector_kit::token::{TokenCache, TokenStore};
use milestoned_connector_kit::{Class, Connector, Fault, Needs, Platform};
use milestoned_mapping::fieldmap::{RecordKind, Shape};
use tokio::sync::OnceCell;

pub use settings::Settings;

/// Header with the id that Atlassian's support asks for.
const REQUEST_ID: &str = "atl-traceid";
/// What Atlassian publishes: API tokens are exempt from the hourly points; ten requests a second stay clear of its burst
/// limits.
const PUBLISHED: Published = Published { windows: &[(10, SignedDuration::from_secs(1), None)], in_flight: 10 };
/// Where an issue's status stands by its name.
const STATUS_NAME: &str = "fields.status.name";
/// Search may lag by this much.
const LEAST_OVERLAP: SignedDuration = SignedDuration::from_mins(15);

/// A connection to one site.
pub struct Jira {
    client: Client,
    settings: Settings,
    /// Fields of the field map.
    fields: Vec<String>,
    /// Statuses of which the field map says what they mean, where it goes by their names.
    statuses: Vec<String>,
    /// Fields to read: those, and what every issue is read with.
    wanted: Vec<String>,
    site: OnceCell<auth::Site>,
    token: TokenCache,
    tokens: Arc<dyn TokenStore>,
    /// The search page that is being read.
    ids: Mutex<Option<Arc<pull::Ids>>>,
    /// When each issue was written to lately.
    written: Mutex<BTreeMap<String, VecDeque<Timestamp>>>,
    webhooks_seen: Mutex<Option<Timestamp>>,
}

impl Connector for Jira {
    type Settings = Settings;
    const KIND: &'static str = "jira";
    const MAPPED: &'static [RecordKind] = &[RecordKind::Milestone];
    const SHAPE: Shape = value::SHAPE;
    const FIELD_MAP: &'static str = include_str!("../../../config/fieldmaps/jira.toml");

    fn create(name: &str, settings: Settings, needs: Needs) -> Result<Self, String> {
        let map = needs.map()?;
        let fields = map.source_fields();
        let by_name = map.path("status") == Some(STATUS_NAME);
        let statuses = map.statuses().filter(|_| by_name).map(Into::into).collect();
        Ok(Self { statuses, ..Self::build(name, settings, fields, needs.platform, needs.tokens)? })
    }
}

impl Jira {
    /// A connection under this name that reads these fields; rotated refresh tokens are kept in `tokens`.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn build(
        name: &str,
        settings: Settings,
        fields: Vec<String>,
        platform: impl Into<Platform>,
        tokens: Arc<dyn TokenStore>,
    ) -> Result<Self, String> {
        if settings.projects.is_empty() {
            return Err("projects: name at least one: an unbounded search is refused by Jira".into());
        }
        if settings.overlap < LEAST_OVERLAP {
            return Err("overlap: at least 15 minutes: search lags behind the issues".into());
        }
        let property = settings.property.filter(|property| !property.is_empty());
        let settings = Settings { property, ..settings };
        let mut client =
            Client::build(name, &settings.base_url, REQUEST_ID, &settings.limits, &PUBLISHED, platform.into())?;
        if let settings::Auth::Oauth { token_url, api_url, .. } = &settings.auth {
            client = client.and("auth.token_url", token_url)?.and("auth.api_url", api_url)?;
        }
        let mut wanted = fields.clone();
        wanted.extend(["updated", "attachment"].map(str::to_owned));
        wanted.sort();
        wanted.dedup();
        Ok(Self {
            client,
            settings,
            fields,
            statuses: Vec::new(),
            wanted,
            site: OnceCell::new(),
            token: TokenCache::default(),
            tokens,
            ids: Mutex::default(),
            written: Mutex::default(),
            webhooks_seen: Mutex::default(),
        })
    }

    fn refused(&self, answer: &Answer) -> Fault {
        let fault = self.client.refusal(answer, wire::reason(&answer.body));
        // Somebody changed the issue in the same moment: the next attempt reads it anew.
        if answer.status == 409 { Fault { class: Class::Throttled { until: None }, ..fault } } else { fault }
    }
}
