//! What an operator sets for a Jira connection.

use jiff::SignedDuration;
use milestoned_connector_kit::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;

/// `kind = "jira"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://acme.atlassian.net`.
    pub base_url: String,
    /// How to sign in.
    pub auth: Auth,
    /// Keys of the projects whose issues are milestones.
    pub projects: Vec<String>,
    /// Secret of the admin webhook; without one every webhook is refused.
    #[serde(default)]
    pub webhook_secret: Option<SecretString>,
    /// How far behind the newest issue reading starts again: search lags, and its clock shows minutes.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// Issue property that shows billing status; absent: none is written.
    #[serde(default = "property")]
    pub property: Option<String>,
    /// Whether an issue links to its milestone.
    #[serde(default = "yes")]
    pub remote_link: bool,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

/// How to sign in.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "flow", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// API token of an account.
    Basic {
        /// Address of the account.
        email: String,
        /// Token.
        api_token: SecretString,
    },
    /// Personal access token.
    Bearer {
        /// Token.
        token: SecretString,
    },
}

fn overlap() -> SignedDuration {
    SignedDuration::from_mins(15)
}
#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn property() -> Option<String> {
    Some("milestoned.billing".into())
}
fn yes() -> bool {
    true
}
