//! Simulators of the remote systems: Salesforce, Jira, NetSuite, QuickBooks and an SMTP relay, written from their vendors'
//! documents. They share nothing with the program that is tested against them.

mod admin;
mod call;
mod clock;
mod document;
mod faults;
mod filter;
mod hooks;
mod jira;
mod json;
mod mail;
mod netsuite;
mod quickbooks;
mod salesforce;
mod serve;
mod simulators;
mod store;

pub use admin::serve_admin;
pub use clock::SimClock;
pub use document::{ErpDocument, Posting, Side};
pub use faults::{FaultSpec, Faults};
pub use hooks::Deliveries;
pub use jira::{IssueRef, Jira, Person};
pub use json::Json;
pub use mail::{MailMessage, MailSink};
pub use netsuite::{NetSuite, OAuthClient};
pub use quickbooks::QuickBooks;
pub use salesforce::Salesforce;
pub use simulators::{Options, Ports, Simulators};

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
