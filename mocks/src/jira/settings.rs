//! What a site allows, and how it behaves where vendors' documents leave room.

use serde::{Deserialize, Serialize};

/// Cloud, or a Data Center of the customer's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deployment {
    /// `*.atlassian.net`: versions 2 and 3 of the API, account ids.
    #[default]
    Cloud,
    /// Version 2 only, user names, `/search` by offset.
    Server,
}

/// Switches of the simulated site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSettings {
    /// Which product.
    pub deployment: Deployment,
    /// How long search goes on seeing an issue as it was before its last change, in milliseconds.
    pub index_lag_ms: i64,
    /// Most rows of a search answer with fields; of one with ids only, the vendor's 5,000 hold.
    pub page_size: usize,
    /// Life of a page token in milliseconds.
    pub page_token_ms: i64,
    /// What JQL does not know (field, project, date) gives a caller who signed in no rows instead of an error.
    pub lenient_jql: bool,
    /// Histories inside an issue that is read on its own; newest ones.
    pub embedded_histories: usize,
    /// Histories inside an issue that is read with others.
    pub embedded_histories_in_lists: usize,
    /// Times in the answer of the bulk changelog are text instead of epoch milliseconds.
    pub bulk_changelog_text: bool,
    /// The three rate limits hold, by the simulated clock: points an hour, bursts, writes to one issue.
    pub rate_limits: bool,
    /// Points an hour of an OAuth app.
    pub points_per_hour: u64,
    /// Writes to one issue in two seconds, where the limits hold or this is set.
    pub issue_writes: Option<usize>,
    /// 429 comes with `Retry-After`.
    pub retry_after: bool,
    /// Remote links may be written.
    pub links_allowed: bool,
    /// Most comments of an issue.
    pub most_comments: usize,
    /// Most remote links of an issue.
    pub most_links: usize,
    /// Fields that every transition into a status demands: `Done:customfield_10105`.
    pub transitions_demand: Vec<String>,
    /// The caller has an agent's licence of service management.
    pub service_management: bool,
    /// How much later deliveries of the secondary flow are made, in milliseconds.
    pub secondary_delay_ms: i64,
}

impl Default for SiteSettings {
    fn default() -> SiteSettings {
        SiteSettings {
            deployment: Deployment::Cloud,
            index_lag_ms: 0,
            page_size: 100,
            page_token_ms: 7 * 24 * 60 * 60 * 1000,
            lenient_jql: false,
            embedded_histories: 100,
            embedded_histories_in_lists: 40,
            bulk_changelog_text: false,
            rate_limits: false,
            points_per_hour: 65_000,
            issue_writes: None,
            retry_after: true,
            links_allowed: true,
            most_comments: 5000,
            most_links: 2000,
            transitions_demand: Vec::new(),
            service_management: false,
            secondary_delay_ms: 0,
        }
    }
}
