//! What an operator sets for a QuickBooks connection.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milestoned_connector_kit::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;

/// `kind = "quickbooks"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the API.
    #[serde(default = "base_url")]
    pub base_url: String,
    /// Address of the token endpoint.
    #[serde(default = "token_url")]
    pub token_url: String,
    /// Company id.
    pub realm: String,
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: SecretString,
    /// The first refresh token; the ones that it turns into are kept in the store.
    pub refresh_token: SecretString,
    /// Verifier token of webhooks; without one every webhook is refused.
    #[serde(default)]
    pub verifier_token: Option<SecretString>,
    /// Id of the service item that every invoice line bears; its income account is deferred revenue.
    pub item: String,
    /// Ids of `unbilled_receivable`, `contract_asset`, `deferred_revenue`, `revenue`.
    pub accounts: BTreeMap<String, String>,
    /// Ids of payment terms, such as `"net 30" = "3"`.
    #[serde(default)]
    pub terms: BTreeMap<String, String>,
    /// Definition id of the custom field with the contract's id.
    #[serde(default = "contract_field")]
    pub contract_field: String,
    /// Definition id of the custom field with the milestone's id.
    #[serde(default = "milestone_field")]
    pub milestone_field: String,
    /// Home currency of the company.
    #[serde(default = "home_currency")]
    pub home_currency: String,
    /// Exchange rates to the home currency, as text. Without one a foreign invoice would be booked 1:1: it is refused.
    #[serde(default)]
    pub exchange_rates: BTreeMap<String, String>,
    /// How far behind the newest change reading starts again.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

fn base_url() -> String {
    "https://quickbooks.api.intuit.com".into()
}
fn token_url() -> String {
    "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer".into()
}
fn contract_field() -> String {
    "1".into()
}
fn milestone_field() -> String {
    "2".into()
}
fn home_currency() -> String {
    "USD".into()
}
fn overlap() -> SignedDuration {
    SignedDuration::from_mins(10)
}
