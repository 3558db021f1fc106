//! Whether an issue is still one of ours: one that was moved to another project can be read by its id as before, and is no
//! milestone of this connection any more.

use milestoned_connector_kit::{Class, Fault, read};
use milestoned_mapping::record::{Content, SourceRecord};
use reqwest::Method;
use serde_json::json;

use super::{Jira, wire};

impl Jira {
    /// The record of an issue that was asked for by its id; gone, where no search of ours would find it.
    pub(crate) async fn in_sight(&self, record: SourceRecord) -> Result<SourceRecord, Fault> {
        if record.content == Content::Gone {
            return Ok(record);
        }
        let keyed: wire::Keyed<'_> = serde_json::from_str(&record.raw)
            .map_err(|error| self.client.fault(Class::Misunderstood, error.to_string(), None))?;
        let project = keyed.key.rsplit_once('-').map(|(project, _)| project).unwrap_or_default();
        if self.settings.projects.iter().any(|own| own.eq_ignore_ascii_case(project)) {
            return Ok(record);
        }
        // The key of a project may have changed: Jira's searches still know the former one.
        let jql = format!("id = {} AND {}", record.id, self.jql(None, "id"));
        let body = json!({ "jql": jql, "fields": ["id"], "maxResults": 1 });
        let path = if self.site().await?.cloud { "search/jql" } else { "search" };
        let answer = self.ask(Method::POST, path, Some(&body)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let found: wire::SearchPage = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        if !found.issues.is_empty() {
            return Ok(record);
        }
        let version = format!("moved to {} {}", keyed.key, record.version);
        Ok(SourceRecord { version, content: Content::Gone, ..record })
    }
}
