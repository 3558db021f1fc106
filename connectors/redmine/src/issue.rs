//! An issue's text as a source record: its last update, its journals as changes, and the text itself.

use jiff::Timestamp;
use milestoned_connector_kit::{Fault, digest, read};
use milestoned_mapping::record::{ATTACHED, Change, Content, SourceRecord};

use super::{Redmine, wire};

/// What issues are called in records.
pub(crate) const OBJECT: &str = "issue";

impl Redmine {
    /// Reads the text of an issue. The inner error is what is wrong with the text.
    pub(crate) async fn record(&self, raw: &str) -> Result<Result<SourceRecord, String>, Fault> {
        let issue: wire::Issue = match read::json(raw) {
            Ok(issue) => issue,
            Err(error) => return Ok(Err(error)),
        };
        let at: Timestamp = match issue.updated_on.parse() {
            Ok(at) => at,
            Err(error) => return Ok(Err(format!("updated_on {:?}: {error}", issue.updated_on))),
        };
        let mut history = Vec::new();
        for journal in &issue.journals {
            match journal.created_on.parse() {
                Ok(at) => history.extend(self.changes(journal, at).await?),
                Err(error) => return Ok(Err(format!("journal {}: {:?}: {error}", journal.id, journal.created_on))),
            }
        }
        history.sort_by_key(|change| change.at);
        let content = Content::Fields { history };
        Ok(Ok(SourceRecord {
            system: self.client.system().into(),
            object: OBJECT.into(),
            id: issue.id.to_string(),
            // Updates are told to the second, and an issue may change twice within one.
            version: format!("{} {}", issue.updated_on, digest(raw, &content)),
            at,
            raw: raw.into(),
            content,
        }))
    }

    /// Changes of one journal: of statuses by their names, of custom fields by their ids, of attachments by file names.
    async fn changes(&self, journal: &wire::Journal, at: Timestamp) -> Result<Vec<Change>, Fault> {
        let by = match &journal.user {
            Some(user) => self.person(user.id).await?,
            None => String::new(),
        };
        let mut changes = Vec::new();
        for detail in &journal.details {
            let (from, to) = (detail.old_value.clone(), detail.new_value.clone());
            let (field, from, to) = match (detail.property.as_str(), detail.name.as_str()) {
                ("attr", "status_id") => ("status", self.named(from).await?, self.named(to).await?),
                ("attachment", _) => (ATTACHED, from, to),
                (_, name) => (name, from, to),
            };
            let id = journal.id.to_string();
            changes.push(Change { id, at, by: by.clone(), field: field.into(), from, to });
        }
        Ok(changes)
    }

    async fn named(&self, status: Option<String>) -> Result<Option<String>, Fault> {
        match status {
            Some(id) => self.status(&id).await.map(Some),
            None => Ok(None),
        }
    }
}
