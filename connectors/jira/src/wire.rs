//! Jira's JSON as Jira writes it.

use serde::Deserialize;

/// A page of `search/jql`. A short page is not the last one: only a missing token ends.
#[derive(Debug, Deserialize)]
pub(crate) struct SearchPage {
    pub(crate) issues: Vec<Row>,
    #[serde(rename = "nextPageToken")]
    pub(crate) next: Option<String>,
}

/// A search row: never the truth, only a place to look.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) fields: RowFields,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RowFields {
    #[serde(default)]
    pub(crate) updated: String,
}

/// What every issue carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Issue {
    pub(crate) id: String,
    pub(crate) fields: RowFields,
    #[serde(default)]
    pub(crate) changelog: Changelog,
}

/// The embedded changelog, newest first and cut off.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Changelog {
    #[serde(default)]
    pub(crate) total: usize,
    #[serde(default, alias = "values")]
    pub(crate) histories: Vec<History>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct History {
    pub(crate) id: String,
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) author: Option<Author>,
    #[serde(default)]
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Author {
    #[serde(rename = "emailAddress", default)]
    pub(crate) email: Option<String>,
    #[serde(rename = "accountId", default)]
    pub(crate) account: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) field: String,
    /// Missing on Data Center, and for pseudo-fields.
    #[serde(rename = "fieldId", default)]
    pub(crate) field_id: Option<String>,
    #[serde(rename = "fromString", default)]
    pub(crate) from: Option<String>,
    #[serde(rename = "toString", default)]
    pub(crate) to: Option<String>,
}

/// A webhook, as far as it says where to look.
#[derive(Debug, Deserialize)]
pub(crate) struct Webhook {
    #[serde(default)]
    pub(crate) issue: Option<WebhookIssue>,
    #[serde(default)]
    pub(crate) comment: Option<Comment>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WebhookIssue {
    pub(crate) id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Comment {
    #[serde(rename = "self", default)]
    pub(crate) link: String,
}

/// Refusals come in several shapes; these are the words of the usual one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Errors {
    #[serde(rename = "errorMessages", default)]
    pub(crate) messages: Vec<String>,
    #[serde(default)]
    pub(crate) errors: std::collections::BTreeMap<String, String>,
}

impl Errors {
    pub(crate) fn read(body: &str) -> String {
        let errors: Self = serde_json::from_str(body).unwrap_or_default();
        let fields = errors.errors.into_iter().map(|(field, reason)| format!("{field}: {reason}"));
        let said: Vec<String> = errors.messages.into_iter().chain(fields).collect();
        if said.is_empty() { "no reason given".into() } else { said.join("; ") }
    }
}

/// A field of the site.
#[derive(Debug, Deserialize)]
pub(crate) struct Field {
    pub(crate) id: String,
}

/// The remote link's id.
#[derive(Debug, Deserialize)]
pub(crate) struct LinkSaved {
    pub(crate) id: u64,
}
