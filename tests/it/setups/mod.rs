//! Accounts that are set up otherwise than the plain ones: what they demand, forbid and call otherwise, and the settings that
//! meet it.

mod jira;
mod netsuite;
mod org;
mod quickbooks;
mod read;
mod salesforce;
mod tables;
mod walk;
