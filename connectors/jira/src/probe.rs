//! Whether a connection can do its work; every problem at once.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use milestoned_connector_kit::{Expiry, Probe};
use milestoned_mapping::problem::Problem;
use reqwest::Method;
use serde_json::json;

use super::pull::OLDEST_FIRST;
use super::settings::Auth;
use super::{Jira, wire};

impl Probe for Jira {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem =
            |place: &str, reason: String, remedy: &str| problems.push(Problem::new(place, reason, remedy));
        if self.settings.webhook_secret.is_none() && !matches!(self.settings.auth, Auth::Oauth { .. }) {
            problem(
                "webhook_secret",
                "is not set: webhooks are refused, changes are seen by polling only".into(),
                "set the secret of the admin webhook",
            );
        }
        if self.settings.dynamic_webhooks && !matches!(self.settings.auth, Auth::Oauth { .. }) {
            problem(
                "dynamic_webhooks",
                "only an OAuth app has such webhooks".into(),
                "set auth.flow = \"oauth\", or remove it",
            );
        }
        if let Err(fault) = self.check_myself().await {
            problem("auth", fault.to_string(), "see that address, account and token are right; tokens expire");
            return problems;
        }
        match self.ask(Method::GET, "field", None).await {
            Ok(answer) => {
                let known: Vec<wire::Field> = serde_json::from_str(&answer.body).unwrap_or_default();
                for field in self.fields.iter().filter(|field| !known.iter().any(|known| known.id == **field)) {
                    problem(field, "the site has no such field".into(), "correct the path in the field map");
                }
            }
            Err(fault) => problem("field", fault.to_string(), "see that the site is up"),
        }
        for project in &self.settings.projects {
            let place = format!("projects: {project}");
            match self.ask(Method::GET, &format!("project/{project}"), None).await {
                Ok(answer) if answer.status.is_success() => {}
                Ok(answer) => problem(
                    &place,
                    self.refused(&answer).detail,
                    "correct the key, or let the account browse the project",
                ),
                Err(fault) => problem(&place, fault.to_string(), "see that the site is up"),
            }
        }
        if let Some(reason) = self.query_problem().await {
            problem("jql", reason, "correct the query: a wrong one may look like a world without issues");
        }
        problems.extend(self.status_problems().await);
        if self.settings.dynamic_webhooks {
            problems.extend(self.webhook_problem().await);
        }
        problems
    }

    async fn expiries(&self) -> Vec<Expiry> {
        let end = self.settings.token_ends.and_then(|end| end.to_zoned(TimeZone::UTC).ok());
        let remedy =
            "make a new token in the account that reads (tokens end after a year at most), and set it and token_ends";
        end.map(|end| Expiry { what: "the API token", at: end.timestamp(), remedy }).into_iter().collect()
    }
}

impl Jira {
    /// Statuses of the projects beside those of the field map: an issue in one that it does not name waits for a person.
    async fn status_problems(&self) -> Vec<Problem> {
        if self.statuses.is_empty() {
            return Vec::new();
        }
        let mut known: BTreeSet<String> = BTreeSet::new();
        for project in &self.settings.projects {
            // A project that cannot be seen was told already.
            let Ok(answer) = self.ask(Method::GET, &format!("project/{project}/statuses"), None).await else {
                continue;
            };
            let types: Vec<wire::TypeStatuses> = serde_json::from_str(&answer.body).unwrap_or_default();
            known.extend(types.into_iter().flat_map(|kind| kind.statuses).map(|status| status.name));
        }
        if known.is_empty() {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let unknown: Vec<&str> =
            self.statuses.iter().filter(|name| !known.contains(*name)).map(String::as_str).collect();
        if !unknown.is_empty() {
            let said = format!("no issue of the projects can have the status {}", unknown.join(", "));
            let remedy = "write the names as the account that reads sees them: they follow its language";
            problems.push(Problem::new("transitions", said, remedy));
        }
        let unsaid: Vec<&str> = known.iter().filter(|name| !self.statuses.contains(name)).map(String::as_str).collect();
        if !unsaid.is_empty() {
            let said = format!(
                "the projects have the status {}, and the field map does not say what it means",
                unsaid.join(", ")
            );
            problems.push(Problem::new(
                "transitions",
                said,
                "say under [transitions] what each means, such as \"open\"",
            ));
        }
        let wanted = self.settings.transitions.values().filter(|name| !known.contains(*name));
        problems.extend(wanted.map(|name| {
            let said = format!("no issue of the projects can have the status {name:?}");
            Problem::new("connection.transitions", said, "write the workflow's status as the site shows it")
        }));
        problems
    }

    /// What is wrong with the query. Running it would not tell: an unknown field may find nothing, and be no error.
    async fn query_problem(&self) -> Option<String> {
        if !self.site().await.is_ok_and(|site| site.cloud) {
            let body = json!({ "jql": self.jql(None, OLDEST_FIRST), "maxResults": 0, "validateQuery": true });
            return match self.ask(Method::POST, "search", Some(&body)).await {
                Ok(answer) if answer.status.is_success() => None,
                Ok(answer) => Some(wire::reason(&answer.body)),
                Err(fault) => Some(fault.to_string()),
            };
        }
        let body = json!({ "queries": [self.jql(Some(0), OLDEST_FIRST)] });
        match self.ask(Method::POST, "jql/parse?validation=strict", Some(&body)).await {
            Err(fault) => Some(fault.to_string()),
            Ok(answer) if !answer.status.is_success() => Some(self.refused(&answer).detail),
            Ok(answer) => match serde_json::from_str::<wire::ParsedQueries>(&answer.body) {
                Err(error) => Some(error.to_string()),
                Ok(parsed) => {
                    let errors: Vec<String> = parsed.queries.into_iter().flat_map(|query| query.errors).collect();
                    (!errors.is_empty()).then(|| errors.join("; "))
                }
            },
        }
    }
}
