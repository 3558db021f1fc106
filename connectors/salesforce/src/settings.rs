//! What an operator sets for a Salesforce connection.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milestoned_connector_kit::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;

/// `kind = "salesforce"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// My Domain address, `https://acme.my.salesforce.com`.
    pub base_url: String,
    /// How to sign in.
    pub auth: Auth,
    /// API version.
    #[serde(default = "api_version")]
    pub api_version: String,
    /// Object that is a deal.
    #[serde(default = "object")]
    pub object: String,
    /// Its field with the contract's id; the field map's `contract` must be the same.
    #[serde(default = "contract_field")]
    pub contract_field: String,
    /// Which records are read; default: won deals, and deals that name a contract.
    #[serde(default)]
    pub filter: Option<String>,
    /// How far behind the newest record reading starts again: stamps are taken before commits.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How long a record may take to become visible.
    #[serde(default = "lag")]
    pub lag: SignedDuration,
    /// Where billing status is shown; absent: nowhere.
    #[serde(default)]
    pub status: Option<StatusObject>,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

/// How to sign in. Each way needs its own keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "flow", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// OAuth 2.0 client credentials.
    ClientCredentials {
        /// Consumer key.
        client_id: String,
        /// Consumer secret.
        client_secret: SecretString,
    },
    /// OAuth 2.0 JWT bearer, RS256.
    Jwt {
        /// Consumer key.
        client_id: String,
        /// User that the app is pre-authorised for.
        username: String,
        /// Private key, PEM.
        private_key: SecretString,
        /// `https://login.salesforce.com`, or `https://test.salesforce.com` for a sandbox.
        audience: String,
    },
}

/// The object that shows billing status, upserted by an external id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusObject {
    /// Object, such as `Milestone__c`.
    pub object: String,
    /// Its unique external id field.
    pub external_id: String,
    /// Canonical name to field: `name contract milestone deal amount status accepted_on invoice invoiced_on due_on
    /// blocked_by link`; what is not named is not written.
    pub fields: BTreeMap<String, String>,
}

fn api_version() -> String {
    "62.0".into()
}
fn object() -> String {
    "Opportunity".into()
}
fn contract_field() -> String {
    "SOW_Number__c".into()
}
fn overlap() -> SignedDuration {
    SignedDuration::from_mins(10)
}
fn lag() -> SignedDuration {
    SignedDuration::from_mins(1)
}
