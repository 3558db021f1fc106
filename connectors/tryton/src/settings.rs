//! What an operator sets for a Tryton connection.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milestoned_connector_kit::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;

/// `kind = "tryton"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the server, without the database.
    pub base_url: String,
    /// Name of the database.
    pub database: String,
    /// Key of a user application of the kind "REST API"; its user's rights are ours.
    pub key: SecretString,
    /// Id of the company.
    pub company: i64,
    /// Ids of `accounts_receivable`, `unbilled_receivable`, `contract_asset`, `deferred_revenue`, `revenue`.
    pub accounts: BTreeMap<String, i64>,
    /// Id of the journal of invoices.
    pub invoice_journal: i64,
    /// Id of the journal of revenue entries; of another type than that of invoices.
    pub entry_journal: i64,
    /// Ids of payment terms, such as `"net 30" = 2`; of other terms the due date itself is written.
    #[serde(default)]
    pub terms: BTreeMap<String, i64>,
    /// Ids of parties, by customers' names in the agreements; `"new"`: one is created though others are called alike. What
    /// people decide while the daemon runs stands over it.
    #[serde(default)]
    pub customers: BTreeMap<String, String>,
    /// Ids of the taxes of every invoice line.
    #[serde(default)]
    pub taxes: Vec<i64>,
    /// Whose numbers invoices bear. Ours stands in the invoice's reference in either case.
    #[serde(default)]
    pub numbers: Numbers,
    /// How long a write without an answer may still be carried out; only then is it looked up.
    #[serde(default = "commits_within")]
    pub commits_within: SignedDuration,
    /// How far behind the last reading the next one starts: a change bears the time at which its transaction began.
    #[serde(default = "overlap")]
    pub overlap: SignedDuration,
    /// How the remote may be called.
    #[serde(default)]
    pub limits: Limits,
}

/// Whose numbers invoices bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Tryton's sequence gives the next one. It refuses an invoice that is dated before one that has a number already.
    #[default]
    Sequence,
    /// Our document numbers are Tryton's, too.
    Ours,
}

fn commits_within() -> SignedDuration {
    SignedDuration::from_mins(3)
}
fn overlap() -> SignedDuration {
    SignedDuration::from_mins(10)
}
