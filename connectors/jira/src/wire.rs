//! Jira's JSON as Jira writes it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::read::or_default;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Answer of the token endpoint.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Seconds.
    pub(crate) expires_in: i64,
}

/// A site that a grant opens.
#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) url: String,
}

/// What kind of Jira it is.
#[derive(Debug, Deserialize)]
pub(crate) struct ServerInfo {
    #[serde(rename = "deploymentType", default, deserialize_with = "or_default")]
    pub(crate) deployment: String,
}

/// Who we are.
#[derive(Debug, Deserialize)]
pub(crate) struct Myself {
    #[serde(rename = "accountId", default)]
    pub(crate) account_id: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

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
}

/// Issues by their ids. One that does not exist or is not visible is left out.
#[derive(Debug, Deserialize)]
pub(crate) struct Issues<'a> {
    #[serde(borrow)]
    pub(crate) issues: Vec<&'a RawValue>,
    #[serde(rename = "issueErrors", default, deserialize_with = "or_default")]
    pub(crate) errors: Vec<Value>,
}

/// A page of a Data Center's search. `names` says what the fields are called: its histories know no ids of fields.
#[derive(Debug, Deserialize)]
pub(crate) struct ServerPage<'a> {
    #[serde(borrow)]
    pub(crate) issues: Vec<&'a RawValue>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) names: std::collections::BTreeMap<String, String>,
}

/// What every issue carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Issue<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    pub(crate) fields: IssueFields<'a>,
    #[serde(borrow, default)]
    pub(crate) changelog: Option<Changelog<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) names: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct IssueFields<'a> {
    #[serde(borrow)]
    pub(crate) updated: Cow<'a, str>,
}

/// The embedded changelog, newest first and cut off.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Changelog<'a> {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) total: usize,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub(crate) histories: Vec<History<'a>>,
}

/// An issue of which only the key matters.
#[derive(Debug, Deserialize)]
pub(crate) struct Keyed<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub(crate) key: Cow<'a, str>,
}

/// A page of the changelogs of many issues.
#[derive(Debug, Deserialize)]
pub(crate) struct Changelogs<'a> {
    #[serde(borrow, rename = "issueChangeLogs")]
    pub(crate) issues: Vec<IssueChangelog<'a>>,
    #[serde(rename = "nextPageToken", default)]
    pub(crate) next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct IssueChangelog<'a> {
    #[serde(rename = "issueId", borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(rename = "changeHistories", borrow)]
    pub(crate) histories: Vec<History<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct History<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    pub(crate) created: Moment,
    #[serde(borrow, default)]
    pub(crate) author: Option<Author<'a>>,
    #[serde(borrow)]
    pub(crate) items: Vec<Item<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Author<'a> {
    #[serde(rename = "emailAddress", borrow, default)]
    pub(crate) email: Option<Cow<'a, str>>,
    #[serde(rename = "accountId", borrow, default)]
    pub(crate) account: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) name: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Item<'a> {
    #[serde(borrow)]
    pub(crate) field: Cow<'a, str>,
    /// Missing on Data Center, and for pseudo-fields.
    #[serde(rename = "fieldId", borrow, default)]
    pub(crate) field_id: Option<Cow<'a, str>>,
    #[serde(rename = "fromString", borrow, default)]
    pub(crate) from: Option<Cow<'a, str>>,
    #[serde(rename = "toString", borrow, default)]
    pub(crate) to: Option<Cow<'a, str>>,
}

/// An instant: `2026-04-28T15:55:26.678+0200`, an offset without a colon; or milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Moment;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an instant")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
                text.parse().map(Moment).map_err(E::custom)
            }
            fn visit_i64<E: Error>(self, millis: i64) -> Result<Moment, E> {
                Timestamp::from_millisecond(millis).map(Moment).map_err(E::custom)
            }
            fn visit_u64<E: Error>(self, millis: u64) -> Result<Moment, E> {
                i64::try_from(millis).map_err(E::custom).and_then(|millis| self.visit_i64(millis))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A webhook, as far as it says where to look.
#[derive(Debug, Deserialize)]
pub(crate) struct Webhook {
    #[serde(rename = "webhookEvent", default)]
    pub(crate) event: Value,
    /// When it happened, in milliseconds.
    #[serde(default)]
    pub(crate) timestamp: Value,
    /// Rules of automation write it as they like, its id as a number too.
    #[serde(default)]
    pub(crate) issue: Value,
    /// Of a transition it is an empty text, or missing.
    #[serde(default)]
    pub(crate) comment: Value,
}

/// Claims of the token that comes with a webhook of an OAuth app.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    #[serde(default)]
    pub(crate) exp: Option<i64>,
    #[serde(default)]
    pub(crate) nbf: Option<i64>,
}

/// Webhooks of an OAuth app.
#[derive(Debug, Deserialize)]
pub(crate) struct Registered {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) values: Vec<RegisteredHook>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RegisteredHook {
    pub(crate) id: i64,
    #[serde(rename = "expirationDate", default)]
    pub(crate) expires: Option<Moment>,
}

/// What a query comes to, without running it.
#[derive(Debug, Deserialize)]
pub(crate) struct ParsedQueries {
    pub(crate) queries: Vec<ParsedQuery>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ParsedQuery {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) errors: Vec<String>,
}

/// Ways out of an issue's status.
#[derive(Debug, Deserialize)]
pub(crate) struct Transitions {
    pub(crate) transitions: Vec<Transition>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Transition {
    pub(crate) id: String,
    pub(crate) to: Named,
    /// Fields of its screen.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) fields: BTreeMap<String, ScreenField>,
}

impl Transition {
    /// Fields that it demands and nobody gives.
    pub(crate) fn lacks(&self, given: Option<&serde_json::Map<String, serde_json::Value>>) -> Vec<String> {
        let missing = |(id, field): &(&String, &ScreenField)| {
            field.required && !field.has_default_value && !given.is_some_and(|given| given.contains_key(*id))
        };
        self.fields.iter().filter(missing).map(|(id, field)| format!("{id} ({})", field.name)).collect()
    }
}

/// A field of a transition's screen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScreenField {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) required: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) has_default_value: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
}

/// Statuses of an issue type of a project.
#[derive(Debug, Deserialize)]
pub(crate) struct TypeStatuses {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) statuses: Vec<Named>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

/// The status of an issue.
#[derive(Debug, Deserialize)]
pub(crate) struct Standing {
    pub(crate) fields: StandingFields,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StandingFields {
    pub(crate) status: Named,
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

/// The question for many issues.
#[derive(Debug, Serialize)]
pub(crate) struct Wanted<'a> {
    #[serde(rename = "issueIdsOrKeys")]
    pub(crate) ids: &'a [&'a str],
    pub(crate) fields: &'a [String],
    pub(crate) expand: &'a [&'a str],
}

/// Why a request was refused. Jira, its router, its gateway, its token endpoint and what stands before them each say it
/// in a shape of their own, and some say nothing.
pub(crate) fn reason(body: &str) -> String {
    let read: Value = serde_json::from_str(body).unwrap_or_default();
    let mut said: Vec<String> = Vec::new();
    let messages = read.get("errorMessages").and_then(Value::as_array).into_iter().flatten();
    said.extend(messages.filter_map(Value::as_str).map(Into::into));
    let fields = read.get("errors").and_then(Value::as_object).into_iter().flatten();
    said.extend(fields.map(|(field, reason)| format!("{field}: {}", reason.as_str().unwrap_or("is refused"))));
    if said.is_empty() {
        let words = ["detail", "error_description", "message", "title", "error"];
        said.extend(words.iter().find_map(|name| read.get(*name).and_then(Value::as_str)).map(Into::into));
    }
    if said.is_empty() { "no reason given".into() } else { said.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_in_every_shape() {
        for (body, expected) in [
            (r#"{"errorMessages":["a"],"errors":{"title":"'title' is required."}}"#, "a; title: 'title' is required."),
            (r#"{"errorMessages":["payload"]}"#, "payload"),
            (
                r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"No static resource."}"#,
                "No static resource.",
            ),
            (
                r#"{"timestamp":"x","status":404,"error":"Not Found","message":"No message available","path":"/"}"#,
                "No message available",
            ),
            (
                r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
                "refresh_token is invalid",
            ),
            ("", "no reason given"),
            ("<html>site down</html>", "no reason given"),
        ] {
            assert_eq!(reason(body), expected, "{body}");
        }
    }

    #[test]
    fn an_instant_has_an_offset_without_a_colon_or_is_milliseconds() {
        for text in [r#""2026-04-28T15:55:26.678+0200""#, "1777384526678"] {
            let moment: Moment = serde_json::from_str(text).unwrap();
            assert_eq!(moment.0.to_string(), "2026-04-28T13:55:26.678Z");
        }
    }
}
