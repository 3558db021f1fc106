//! When a milestone's status was reached, and by whom: the end of an approval process, or the history that Salesforce keeps of
//! tracked fields. The last edit of a record says neither.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::Fault;
use milestoned_connector_kit::read;
use milestoned_mapping::json::Tree;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::record::Change;

use super::approvals::Decided;
use super::query::listed;
use super::{Salesforce, wire};

/// Ends of the names of custom objects and of their histories.
const CUSTOM: &str = "__c";
const HISTORY: &str = "__History";

/// Changes of records' statuses, oldest first, by record.
pub(crate) type Histories = BTreeMap<String, Vec<Change>>;

/// A value as a field map writes it.
fn plain(value: &Tree) -> Option<String> {
    match value {
        Tree::Bool(flag) => Some(flag.to_string()),
        Tree::Text(text) | Tree::Number(text) => Some(text.clone()),
        Tree::Null | Tree::List(_) | Tree::Object(_) => None,
    }
}

impl Salesforce {
    /// The object with the history of ours, and the field that is asked for; nothing where a status is no field of a custom
    /// object.
    fn tracked(&self) -> Option<(String, &str)> {
        let field = self.reads.status.as_ref()?.as_str();
        let object = self.settings.object.strip_suffix(CUSTOM)?;
        (!field.contains('.')).then(|| (format!("{object}{HISTORY}"), field))
    }

    /// Histories of records.
    pub(crate) async fn histories<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Result<Histories, Fault> {
        let Some((object, field)) = self.tracked() else { return Ok(Histories::new()) };
        let ids: Vec<&str> = ids.collect();
        let mut found = Histories::new();
        for some in ids.chunks(TOGETHER) {
            let list = listed(some.iter().copied());
            if list.is_empty() {
                continue;
            }
            let query = format!(
                "SELECT {COLUMNS} FROM {object} WHERE ParentId IN ({list}) AND Field = '{field}' ORDER BY CreatedDate, Id"
            );
            let rows = match self.all_rows(&query).await {
                // The org keeps no history of the object: the field map has to say on which day.
                Err(fault) if fault.has_code("INVALID_TYPE") => return Ok(Histories::new()),
                other => other?,
            };
            for raw in rows {
                let (parent, change) = self.change_of(&raw, field)?;
                found.entry(parent).or_default().push(change);
            }
        }
        Ok(found)
    }

    fn change_of(&self, raw: &str, field: &str) -> Result<(String, Change), Fault> {
        let row: wire::HistoryRow = read::json(raw).map_err(|error| self.garbled(&error))?;
        let tree = Tree::parse(raw).map_err(|error| self.garbled(&error.to_string()))?;
        let value = |name: &str| tree.get(name).and_then(plain);
        let at: Timestamp = row.at.parse().map_err(|error| self.garbled(&format!("CreatedDate: {error}")))?;
        let by = row.by.and_then(|user| user.email).unwrap_or_default();
        let (from, to) = (value("OldValue"), value("NewValue"));
        Ok((row.parent, Change { id: row.id, at, by, field: field.into(), from, to }))
    }

    /// The changes that led to where a milestone stands. One without a history is where it stands since nobody knows when: that
    /// is told, unless a field of its own says on which day the customer accepted.
    pub(crate) fn led_to(
        &self,
        raw: &str,
        version: &str,
        at: Timestamp,
        (known, decided): (Option<&Vec<Change>>, Option<&Decided>),
    ) -> Result<Vec<Change>, String> {
        let Some(path) = &self.reads.status else { return Ok(Vec::new()) };
        let tree = Tree::parse(raw).ok();
        let standing = tree.as_ref().and_then(|tree| tree.select(path).first().and_then(|value| plain(value)));
        let Some(to) = standing else { return Ok(Vec::new()) };
        let led = |decided: &&Decided| {
            let reached = if decided.approved { &self.reads.accepted } else { &self.reads.rejected };
            reached.contains(&to)
        };
        if let Some(Decided { id, at, by, .. }) = decided.filter(led).cloned() {
            return Ok(vec![Change { id, at, by, field: path.field(None).into(), from: None, to: Some(to) }]);
        }
        if let Some(known) = known.filter(|known| known.last().is_some_and(|last| last.to.as_ref() == Some(&to))) {
            return Ok(known.clone());
        }
        if self.reads.dated.contains(&to) && !self.reads.accepted_on {
            return Err(format!("{} is {to:?}, and nothing says since when: {UNTRACKED}", path.field(None)));
        }
        let by = self.client.system().to_owned();
        Ok(vec![Change { id: version.into(), at, by, field: path.field(None).into(), from: None, to: Some(to) }])
    }

    /// Whether the org keeps the history that an acceptance needs.
    pub(crate) async fn history_problem(&self) -> Option<Problem> {
        let (object, field) = self.tracked().filter(|_| !self.reads.accepted_on && !self.settings.approvals)?;
        let question = format!("SELECT {COLUMNS} FROM {object} WHERE Field = '{field}' LIMIT 1");
        let fault = self.all_rows(&question).await.err()?;
        let reason = format!("the history of {field} cannot be read, and no accepted_on is mapped: {fault}");
        Some(Problem::new(object, reason, UNTRACKED))
    }
}

/// What is read of a change.
const COLUMNS: &str = "Id, ParentId, OldValue, NewValue, CreatedDate, CreatedBy.Email";
/// Records whose histories are asked for at once.
const TOGETHER: usize = 200;
/// What to do where nothing tells when a status was reached.
const UNTRACKED: &str = "switch field history tracking on for the field before it is used, set approvals = true where an approval process decides, or map accepted_on to the field with the customer's date";
