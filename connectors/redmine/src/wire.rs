//! Redmine's JSON as Redmine writes it.

use milestoned_connector_kit::read::or_default;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A page of issues: without their histories.
#[derive(Debug, Deserialize)]
pub(crate) struct Issues {
    pub(crate) issues: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: i64,
}

/// The answer with one issue.
#[derive(Debug, Deserialize)]
pub(crate) struct One<'a> {
    #[serde(borrow)]
    pub(crate) issue: &'a RawValue,
}

/// What every issue carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Issue {
    pub(crate) id: i64,
    pub(crate) project: Row,
    pub(crate) updated_on: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) journals: Vec<Journal>,
}

/// What one person did to an issue at one time.
#[derive(Debug, Deserialize)]
pub(crate) struct Journal {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) user: Option<Row>,
    pub(crate) created_on: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) details: Vec<Detail>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Detail {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) property: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) old_value: Option<String>,
    #[serde(default)]
    pub(crate) new_value: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Statuses {
    pub(crate) issue_statuses: Vec<Status>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) id: i64,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UserAnswer {
    pub(crate) user: User,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) login: Option<String>,
    /// Told where the person does not hide it.
    #[serde(default)]
    pub(crate) mail: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ProjectAnswer {
    pub(crate) project: Row,
}

/// An issue's custom fields, as `check` sees them.
#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    pub(crate) issues: Vec<SampleIssue>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SampleIssue {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) custom_fields: Vec<Row>,
}

/// Why a request was refused.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) errors: Vec<String>,
}
