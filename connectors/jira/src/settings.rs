//! What an operator sets for a Jira connection.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milestoned_connector_kit::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

/// `kind = "jira"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://acme.atlassian.net`, or the address of a Data Center with its context path.
    pub base_url: String,
    /// How to sign in.
    pub auth: Auth,
    /// Keys of the projects whose issues are milestones.
    pub projects: Vec<String>,
    /// JQL of the issues that are read, beside the projects; no `ORDER BY`.
    #[serde(default)]
    pub jql: Option<String>,
    /// Account that the site must know us as; absent: any that is signed in.
    #[serde(default)]
    pub account_id: Option<String>,
    /// Secret of the admin webhook; without one only webhooks of an OAuth app are taken.
    #[serde(default)]
    pub webhook_secret: Option<SecretString>,
    /// Whether webhooks of the OAuth app are registered: they expire after 30 days and are prolonged in time.
    #[serde(default)]
    pub dynamic_webhooks: bool,
    /// How far behind the newest issue reading starts again, at least 15 minutes: search lags behind the issues.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How long an issue may take to become visible to search.
    #[serde(default = "lag")]
    pub lag: SignedDuration,
    /// Issue property that shows billing status; empty: none is written.
    #[serde(default = "property")]
    pub property: Option<String>,
    /// Whether an issue links to its milestone.
    #[serde(default = "yes")]
    pub remote_link: bool,
    /// Billing status to the workflow status that its issue is moved to; what is not named moves nothing.
    #[serde(default)]
    pub transitions: BTreeMap<String, String>,
    /// Fields that a transition's screen demands, by the workflow status that it leads to, as Jira writes them:
    /// `Billed = { resolution = { name = "Done" } }`.
    #[serde(default)]
    pub transition_fields: BTreeMap<String, Map<String, Value>>,
    /// Last day of the token, as its owner's account shows it (a year at most): people are told before.
    #[serde(default)]
    pub token_ends: Option<jiff::civil::Date>,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

/// How to sign in.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "flow", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// API token of a Cloud account.
    Basic {
        /// Address of the account.
        email: String,
        /// Token.
        api_token: SecretString,
    },
    /// Personal access token of a Data Center, or a bearer token of Cloud.
    Bearer {
        /// Token.
        token: SecretString,
    },
    /// OAuth 2.0 (3LO) of Cloud. The refresh token is rotated with every use; the newest one is kept in the store, and every
    /// connection needs a grant of its own.
    Oauth {
        /// Client id.
        client_id: String,
        /// Client secret; it signs the webhooks of the app too.
        client_secret: SecretString,
        /// The first refresh token.
        refresh_token: SecretString,
        /// Id of the site; absent: the site at `base_url`.
        #[serde(default)]
        cloud_id: Option<String>,
        /// Where tokens are issued.
        #[serde(default = "token_url")]
        token_url: String,
        /// Where the API of every site is.
        #[serde(default = "api_url")]
        api_url: String,
    },
}

fn overlap() -> SignedDuration {
    SignedDuration::from_mins(15)
}
fn lag() -> SignedDuration {
    SignedDuration::from_mins(1)
}
#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn property() -> Option<String> {
    Some("milestoned.billing".into())
}
fn yes() -> bool {
    true
}
fn token_url() -> String {
    "https://auth.atlassian.com/oauth/token".into()
}
fn api_url() -> String {
    "https://api.atlassian.com".into()
}
