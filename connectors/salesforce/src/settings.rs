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
    /// Object that is a deal, or a milestone such as `pse__Milestone__c`: what the field map says it is.
    #[serde(default = "object")]
    pub object: String,
    /// Which records are read; default: those that name a contract, and won deals.
    #[serde(default)]
    pub filter: Option<String>,
    /// ISO 4217 code of an org with a single currency: its records have no `CurrencyIsoCode`.
    #[serde(default)]
    pub currency: Option<String>,
    /// Of milestones: whether the last step of an approval process says when a status was reached, and by whom. Where there is no
    /// such step, the history of the field does.
    #[serde(default)]
    pub approvals: bool,
    /// Whether a change of an opportunity's products makes the opportunity be read again.
    #[serde(default = "yes")]
    pub line_items: bool,
    /// Whether files on won opportunities are brought to the agreements that people read.
    #[serde(default)]
    pub documents: bool,
    /// How far behind the newest record reading starts again: stamps are taken before commits.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How long a record may take to become visible.
    #[serde(default = "lag")]
    pub lag: SignedDuration,
    /// How often everything is read again: neither a formula nor a related record moves a record's stamp.
    #[serde(default = "reread_every")]
    pub reread_every: SignedDuration,
    /// Percent of the day's calls that polls leave to writes; at twice as much they slow down.
    #[serde(default = "reserve")]
    pub reserve: u8,
    /// Outbound messages; absent: they are refused, changes are seen by polling only.
    #[serde(default)]
    pub outbound: Option<Outbound>,
    /// Last day of the secret or certificate that signs in, where it has one: people are told before.
    #[serde(default)]
    pub credential_ends: Option<jiff::civil::Date>,
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
    /// OAuth 2.0 refresh token. Where the app rotates it, the newest one is kept in the store, and every connection needs a
    /// grant of its own.
    RefreshToken {
        /// Consumer key.
        client_id: String,
        /// Consumer secret, where the app asks for it.
        #[serde(default)]
        client_secret: Option<SecretString>,
        /// The first refresh token.
        refresh_token: SecretString,
    },
}

/// What tells an outbound message from a forged one: it carries no signature.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Id of the org, 15 or 18 characters.
    pub organization: String,
    /// Last part of the address, `{public_url}/hooks/{connection}/{secret}`.
    pub secret: SecretString,
}

/// The object that shows billing status.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusObject {
    /// Object, such as `Milestone__c`.
    pub object: String,
    /// Its unique external id field, by which records are upserted as `{contract}-{milestone}`. Absent: the record that
    /// was read is updated by its own id, once its milestone is invoiced.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Fields with a value that never changes, such as `RecordTypeId`.
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
    /// Canonical name to field: `name contract milestone deal amount status accepted_on billed invoiced invoice
    /// invoiced_on due_on blocked_by link`; what is not named is not written.
    pub fields: BTreeMap<String, String>,
}

fn api_version() -> String {
    "62.0".into()
}
fn object() -> String {
    "Opportunity".into()
}
fn yes() -> bool {
    true
}
fn overlap() -> SignedDuration {
    SignedDuration::from_mins(10)
}
fn lag() -> SignedDuration {
    SignedDuration::from_mins(1)
}
fn reread_every() -> SignedDuration {
    SignedDuration::from_hours(24)
}
fn reserve() -> u8 {
    10
}
