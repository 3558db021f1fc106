//! What an org allows, and how it behaves where vendors' documents leave room.

use serde::{Deserialize, Serialize};

/// Switches of the simulated org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgSettings {
    /// Rows per page of a query answer.
    pub page_size: usize,
    /// How much older than its appearance the stamp of a record is that the director writes, in milliseconds, as with long
    /// transactions; `latestDateCovered` stays behind by as much.
    pub commit_lag_ms: i64,
    /// Requests allowed in a rolling day.
    pub daily_limit: u64,
    /// `Sforce-Limit-Info` also tells the usage of the app.
    pub per_app_usage: bool,
    /// Life of an access token, sliding with use, in milliseconds.
    pub session_ms: i64,
    /// A refresh gives a new refresh token, and the old one dies.
    pub refresh_rotation: bool,
    /// A Run-As user is set, so that client credentials are of use.
    pub run_as: bool,
    /// Life of a query locator in milliseconds.
    pub locator_ms: i64,
    /// Open query locators; the oldest one dies.
    pub open_locators: usize,
    /// Status of `INVALID_QUERY_LOCATOR`, which documents leave open.
    pub locator_status: u16,
    /// Status of `UNABLE_TO_LOCK_ROW`, which has been seen as 400 and as 500.
    pub lock_status: u16,
    /// `CurrencyIsoCode` exists.
    pub multi_currency: bool,
    /// Zone of the running user, in which date literals are meant.
    pub time_zone: String,
    /// `Object.Field` whose equal values are duplicates on creation.
    pub duplicate_rules: Vec<String>,
    /// A workflow ticks Approved and Included in Financials when the status of a milestone becomes Approved.
    pub milestone_workflow: bool,
    /// The org tracks the history of a milestone's approval and status.
    pub milestone_history: bool,
    /// First moment of replication: `getUpdated` of earlier times is refused.
    pub replication_start: String,
}

impl Default for OrgSettings {
    fn default() -> OrgSettings {
        OrgSettings {
            page_size: 2000,
            commit_lag_ms: 0,
            daily_limit: 100_000,
            per_app_usage: false,
            session_ms: 2 * 60 * 60 * 1000,
            refresh_rotation: true,
            run_as: true,
            locator_ms: 2 * 24 * 60 * 60 * 1000,
            open_locators: 200,
            locator_status: 400,
            lock_status: 400,
            multi_currency: true,
            time_zone: "America/Los_Angeles".to_string(),
            duplicate_rules: Vec::new(),
            milestone_history: true,
            milestone_workflow: false,
            replication_start: "2020-01-01T00:00:00Z".to_string(),
        }
    }
}
