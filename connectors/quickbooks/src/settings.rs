//! What an operator sets for a QuickBooks connection.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milestoned_connector_kit::extra::Extra;
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
    /// Fields that are added to what is written: classes, locations, projects, tax codes, other items, delivery by mail.
    #[serde(default)]
    pub extra: Vec<Extra>,
    /// Whether QuickBooks is asked to mail each invoice to the customer, once it has it.
    #[serde(default)]
    pub email_invoices: bool,
    /// Whether the record of an acceptance is attached to its invoice as a file.
    #[serde(default)]
    pub attach_acceptances: bool,
    /// Ids of customers, by their names in the agreements; `"new"`: one is created though others are called alike. What
    /// people decide while the daemon runs stands over it.
    #[serde(default)]
    pub customers: BTreeMap<String, String>,
    /// Who numbers sales: milestoned, or QuickBooks, where its custom transaction numbers are off.
    #[serde(default)]
    pub numbers: Numbers,
    /// Definition id of the custom field with the customer's purchase order; absent: the customer memo tells it.
    #[serde(default)]
    pub po_field: Option<String>,
    /// Definition id of the custom field with the contract's id.
    #[serde(default = "contract_field")]
    pub contract_field: String,
    /// Definition id of the custom field with the milestone's id.
    #[serde(default = "milestone_field")]
    pub milestone_field: String,
    /// Home currency of the company.
    #[serde(default = "home_currency")]
    pub home_currency: String,
    /// Exchange rates to the home currency, as text, that hold whatever the date. For other currencies QuickBooks is asked for
    /// the rate of the document's date; where it has none the document is refused, for it would be booked 1:1.
    #[serde(default)]
    pub exchange_rates: BTreeMap<String, String>,
    /// Tax code of every line, where the company's country wants one on each (outside the United States).
    #[serde(default)]
    pub tax_code: Option<String>,
    /// Whether estimates are only read, or written when a contract is filed or amended; invoices are then linked to them.
    #[serde(default)]
    pub orders: Orders,
    /// What is done where QuickBooks recognises revenue itself.
    #[serde(default)]
    pub own_recognition: OwnRecognition,
    /// Reads that the app may make in a month for all its companies (500,000 on the Builder tier); writes are free.
    #[serde(default = "reads_a_month")]
    pub reads_a_month: u64,
    /// How long a write without an answer may still be carried out; only then is it looked up. QuickBooks cuts requests off
    /// after two minutes.
    #[serde(default = "commits_within")]
    pub commits_within: SignedDuration,
    /// How far behind the newest change reading starts again.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

/// Who numbers invoices and credit memos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// milestoned does: contract and milestone stand in the number.
    #[default]
    Ours,
    /// QuickBooks does; our number travels in the private note.
    Sequence,
}

/// What is done with estimates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orders {
    /// They are read and compared.
    #[default]
    Read,
    /// They are written, too.
    Write,
}

/// What is done where the company has QuickBooks' own revenue recognition switched on. Which items it recognises cannot be
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnRecognition {
    /// Journal entries are refused: both would recognise.
    #[default]
    Refuse,
    /// The operator has seen to it that it recognises other items than ours.
    OtherItems,
}

fn reads_a_month() -> u64 {
    500_000
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
fn commits_within() -> SignedDuration {
    SignedDuration::from_mins(3)
}
fn overlap() -> SignedDuration {
    SignedDuration::from_mins(10)
}
