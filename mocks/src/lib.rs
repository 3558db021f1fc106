//! Simulators of the remote systems: Salesforce, Jira, NetSuite, QuickBooks and an SMTP relay, written from their vendors'
//! documents. They share nothing with the program that is tested against them.
//!
//! What they accept and hold from the start:
//!
//! | system | credentials | records |
//! |---|---|---|
//! | Salesforce | consumer key `CONSUMER_KEY`, secret `CONSUMER_SECRET`, user `integration@example.com`, refresh token `5Aep861-refresh`; any RS256 key and password until a key is registered | the org, its user, stages of deals |
//! | Jira | `mia@example.test` with token `api-token`, profile zone Europe/Berlin; OAuth client [`Jira::CLIENT_ID`], refresh token [`Jira::REFRESH_TOKEN`], site [`Jira::CLOUD_ID`] | project MS; statuses To Do, In Progress, Ready for acceptance, Rejected, Accepted, Done (transitions 11 to 61) |
//! | NetSuite | account `TSTDRV123_SB1`; tokens `ck`/`cs`, `ti`/`ts`; OAuth 2.0 client of [`NetSuite::client`] | accounts 1 checking, 118 undeposited funds, 119 receivable, 120 unbilled receivable, 121 contract asset, 122 deferred revenue, 123 revenue, 124 refund liability; items 5 (deferred), 6 (revenue); currencies 1 USD, 2 GBP, 4 EUR, 5 JPY, 6 CHF, 7 KWD; terms 1 Net 15, 2 Net 30, 3 Net 60, 4 on receipt, 5 Net 45 |
//! | QuickBooks | client `cid`/`csecret`, realm `9341452000000001`, access `at-smoke` for an hour, refresh `rt-smoke-1` | accounts 1 checking, 4 undeposited funds, 23 deferred revenue, 24 refund liability, 79 revenue, 84 receivable, 85 unbilled receivable, 86 contract asset; items 1 (deferred), 2 (revenue); terms 1 on receipt, 2 Net 15, 3 Net 30, 4 Net 60, 5 Net 45 |

mod admin;
mod call;
mod clock;
mod document;
mod faults;
mod filter;
mod hooks;
mod jira;
mod json;
mod lot;
mod mail;
mod netsuite;
mod properties;
mod quickbooks;
mod salesforce;
mod series;
mod serve;
mod simulators;
mod spare;
mod store;
mod systems;
mod unplugged;

pub use admin::serve_admin;
pub use clock::SimClock;
pub use document::{ErpDocument, Posting, Side};
pub use faults::{FAULTS, FaultSpec, Faults};
pub use hooks::{Deliveries, Letter};
pub use jira::{Deployment, IssueRef, Jira, Person, SiteSettings};
pub use json::Json;
pub use lot::LotSpec;
pub use mail::{MailMessage, MailSink};
pub use netsuite::{NetSuite, OAuthClient};
pub use quickbooks::QuickBooks;
pub use salesforce::{OrgSettings, Salesforce};
pub use simulators::{Options, Simulators};
pub use systems::{NAMES, Systems};
pub use unplugged::{Answered, Unplugged};

/// Fields of a record as a director writes them. Amounts may be numbers or decimal text.
pub type Fields = serde_json::Map<String, serde_json::Value>;

/// A director's act that the simulated system would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
