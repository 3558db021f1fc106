//! What an operator sets for a NetSuite connection.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milestoned_connector_kit::extra::Extra;
use milestoned_connector_kit::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;

/// `kind = "netsuite"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Account id as the realm writes it, `1234567_SB1`.
    pub account: String,
    /// Address; default: the account's own.
    #[serde(default)]
    pub base_url: Option<String>,
    /// How to sign in.
    pub auth: Auth,
    /// Time zone of the account: SuiteQL shows dates and times in it.
    pub timezone: String,
    /// Internal id of the service item that every invoice line bears; its income account is deferred revenue.
    pub item: String,
    /// Fields that are added to what is written: dimensions, forms, tax codes, other items, approval.
    #[serde(default)]
    pub extra: Vec<Extra>,
    /// Whether NetSuite mails an invoice to the customer when it is created.
    #[serde(default)]
    pub email_invoices: bool,
    /// Body field with the link to the acceptance, such as one of the type hyperlink; the memo tells it in either case.
    #[serde(default)]
    pub acceptance_field: Option<String>,
    /// Internal ids of customers, by their names in the agreements; `"new"`: one is created though others are called alike.
    /// What people decide while the daemon runs stands over it.
    #[serde(default)]
    pub customers: BTreeMap<String, String>,
    /// Body field with our number, where the account numbers its transactions itself: `tranId` is then not set.
    #[serde(default)]
    pub number_field: Option<String>,
    /// Body field with the customer's purchase order.
    #[serde(default = "po_field")]
    pub po_field: String,
    /// Subsidiary of every document, where the account has several.
    #[serde(default)]
    pub subsidiary: Option<String>,
    /// Internal ids of `unbilled_receivable`, `contract_asset`, `deferred_revenue`, `revenue`.
    pub accounts: BTreeMap<String, String>,
    /// Internal ids of payment terms, such as `"net 30" = "2"`.
    #[serde(default)]
    pub terms: BTreeMap<String, String>,
    /// Body field with the contract's id.
    #[serde(default = "contract_field")]
    pub contract_field: String,
    /// Body field with the milestone's id.
    #[serde(default = "milestone_field")]
    pub milestone_field: String,
    /// Body field of an order with the amendment version.
    #[serde(default = "version_field")]
    pub version_field: String,
    /// Prefix of the line fields `…milestone`, `…timing`, `…billing_rule`, `…recognition` of an order.
    #[serde(default = "line_prefix")]
    pub line_prefix: String,
    /// Internal id of the accounting book that counts, where the account keeps several.
    #[serde(default)]
    pub accounting_book: Option<String>,
    /// Whether sales orders are only read, or written when a contract is filed or amended; invoices are then made from
    /// them.
    #[serde(default)]
    pub orders: Orders,
    /// How revenue is recognised there.
    #[serde(default)]
    pub revenue: Revenue,
    /// Internal id of the event type, where revenue goes by billing revenue events.
    #[serde(default)]
    pub revenue_event_type: Option<String>,
    /// Whose billing schedules say what is billed by milestone, beside the lines of orders.
    #[serde(default, rename = "billing_schedules")]
    pub schedules: Schedules,
    /// Field of a project with the contract's id.
    #[serde(default = "project_field")]
    pub project_field: String,
    /// How long a job is waited for within a call; one that takes longer is looked up later.
    #[serde(default = "job_patience")]
    pub job_patience: SignedDuration,
    /// How far behind the newest record reading starts again.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

/// How to sign in.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "flow", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// OAuth 2.0 machine to machine, a signed assertion.
    Oauth2 {
        /// Client id of the integration record.
        client_id: String,
        /// Certificate id of the mapping.
        certificate_id: String,
        /// Private key, PEM.
        private_key: SecretString,
        /// `ES256` or `PS256`.
        algorithm: Algorithm,
        /// Last day of the certificate, as the mapping's page shows it (two years at most): people are told before.
        #[serde(default)]
        certificate_ends: Option<jiff::civil::Date>,
    },
    /// Token-based authentication (OAuth 1.0a), for integrations from before 2027.
    Tba {
        /// Consumer key.
        consumer_key: String,
        /// Consumer secret.
        consumer_secret: SecretString,
        /// Token id.
        token_id: String,
        /// Token secret.
        token_secret: SecretString,
    },
}

/// Signature of the assertion; RS256 is refused by NetSuite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// ECDSA, P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA-PSS.
    #[serde(rename = "PS256")]
    Ps256,
}

/// What is done with sales orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orders {
    /// They are read and compared.
    #[default]
    Read,
    /// They are written, too.
    Write,
}

/// How revenue is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revenue {
    /// By a journal entry of each contract and date: works in every account.
    #[default]
    Journal,
    /// Advanced Revenue Management: by billing revenue events; NetSuite makes plans and entries of them.
    BillingEvents,
    /// Classic revenue recognition: by a schedule of each contract and date.
    Schedules,
}

/// Whose billing schedules are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedules {
    /// Nobody's.
    #[default]
    None,
    /// Those of sales orders.
    Orders,
    /// Those of projects.
    Projects,
}

impl Schedules {
    pub(crate) fn of_orders(self) -> bool {
        self == Self::Orders
    }
    pub(crate) fn of_projects(self) -> bool {
        self == Self::Projects
    }
}

fn po_field() -> String {
    "otherRefNum".into()
}
fn contract_field() -> String {
    "custbody_milestoned_contract".into()
}
fn milestone_field() -> String {
    "custbody_milestoned_milestone".into()
}
fn version_field() -> String {
    "custbody_milestoned_version".into()
}
fn line_prefix() -> String {
    "custcol_milestoned_".into()
}
fn project_field() -> String {
    "custentity_milestoned_contract".into()
}
fn job_patience() -> SignedDuration {
    SignedDuration::from_mins(2)
}
fn overlap() -> SignedDuration {
    SignedDuration::from_mins(10)
}
