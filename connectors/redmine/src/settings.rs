//! What an operator sets for a Redmine connection.

use jiff::SignedDuration;
use milestoned_connector_kit::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;

/// `kind = "redmine"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the server.
    pub base_url: String,
    /// API access key of the account that reads and writes.
    pub key: SecretString,
    /// Identifiers of the projects whose issues are milestones; a project within another is named, too.
    pub projects: Vec<String>,
    /// Id of the custom field that shows billing status; absent: none is shown.
    #[serde(default)]
    pub billing_field: Option<u32>,
    /// How far behind the last reading the next one starts: updates are told to the second.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

fn overlap() -> SignedDuration {
    SignedDuration::from_mins(5)
}
