//! Reading issues: the list says which changed, and each issue, read alone, says how: lists carry no journals.

use milestoned_connector_kit::walk::Walk;
use milestoned_connector_kit::{Census, Cursor, Fault, Page, Source, Unreadable, read};
use milestoned_mapping::record::{Content, SourceRecord};
use serde_json::value::RawValue;

use super::issue::OBJECT;
use super::{Redmine, wire};

/// Issues of a page; the most that Redmine gives.
const MOST: usize = 100;
/// Key of the last id of a census's page.
const LAST: &str = "last";

impl Source for Redmine {
    fn tells_acceptance(&self) -> bool {
        true
    }

    fn streams(&self) -> &'static [&'static str] {
        &["issues"]
    }

    fn page_of(&self, _object: &str, id: &str) -> Option<String> {
        Some(format!("{}/issues/{id}", self.settings.base_url.trim_end_matches('/')))
    }

    async fn pull(&self, _stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let mut walk = Walk::resume(from, self.settings.overlap, self.client.now());
        let fresh_through = walk.began;
        let mut query = self.those_after(walk.last).await?;
        if let Some(since) = walk.since {
            filter(&mut query, "updated_on", ">=", [since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()]);
        }
        let answer = self.ask("/issues.json", &query).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        walk.answered(&answer);
        let page: wire::Issues = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let (mut records, mut unreadable) = (Vec::new(), Vec::new());
        for row in &page.issues {
            let raw = self.issue(row.id).await?;
            match &raw {
                None => records.push(self.gone(&row.id.to_string())),
                Some(raw) => match self.record(raw).await? {
                    Ok(record) => records.push(record),
                    Err(reason) => {
                        let (object, id) = (OBJECT.into(), row.id.to_string());
                        unreadable.push(Unreadable { object, id, raw: raw.clone(), reason });
                    }
                },
            }
        }
        let more = page.issues.len() == MOST;
        let last = page.issues.last().map(|row| row.id).filter(|_| more);
        records.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        Ok(Page { records, unreadable, next: walk.after(last), more, fresh_through })
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        let Some(number) = id.parse::<i64>().ok().filter(|_| object == OBJECT) else { return Ok(Vec::new()) };
        let Some(raw) = self.issue(number).await? else { return Ok(vec![self.gone(id)]) };
        let unread = |reason: String| self.client.fault(milestoned_connector_kit::Class::Misunderstood, reason, None);
        let record = self.record(&raw).await?.map_err(unread)?;
        let issue: wire::Issue = read::json(&raw).map_err(unread)?;
        // One that was moved to another project can be read as before, and is no milestone of this connection any more.
        if self.projects().await?.contains(&issue.project.id) {
            return Ok(vec![record]);
        }
        let version = format!("moved {}", record.version);
        Ok(vec![SourceRecord { version, content: Content::Gone, ..record }])
    }

    /// A deleted issue is in no list again.
    async fn census(&self, _stream: &str, from: &Cursor) -> Result<Option<Census>, Fault> {
        let last = from.0.get(LAST).and_then(|text| text.parse().ok()).unwrap_or(0);
        let page: wire::Issues = self.get("/issues.json", &self.those_after(last).await?).await?;
        let more = page.issues.len() == MOST;
        let next = page.issues.last().map(|row| (LAST.to_owned(), row.id.to_string()));
        let ids = page.issues.iter().map(|row| row.id.to_string()).collect();
        Ok(Some(Census { object: OBJECT.into(), ids, next: Cursor(next.into_iter().collect()), more }))
    }
}

/// Adds a condition as Redmine's query form writes it.
fn filter(
    query: &mut Vec<(&'static str, String)>,
    field: &str,
    operator: &str,
    values: impl IntoIterator<Item = String>,
) {
    // Names of parameters carry the field; each is one of few.
    let (op, value): (&'static str, &'static str) = match field {
        "issue_id" => ("op[issue_id]", "v[issue_id][]"),
        "project_id" => ("op[project_id]", "v[project_id][]"),
        "status_id" => ("op[status_id]", "v[status_id][]"),
        _ => ("op[updated_on]", "v[updated_on][]"),
    };
    query.extend([("f[]", field.to_owned()), (op, operator.to_owned())]);
    query.extend(values.into_iter().map(|name| (value, name)));
}

impl Redmine {
    /// The question for issues of our projects, open and closed, whose ids are larger, in their order.
    pub(crate) async fn those_after(&self, last: i64) -> Result<Vec<(&'static str, String)>, Fault> {
        let projects = self.projects().await?.iter().map(ToString::to_string);
        let mut query = vec![("set_filter", "1".to_owned()), ("sort", "id".to_owned()), ("limit", MOST.to_string())];
        filter(&mut query, "project_id", "=", projects);
        filter(&mut query, "status_id", "*", []);
        filter(&mut query, "issue_id", ">=", [last.saturating_add(1).to_string()]);
        Ok(query)
    }

    /// The text of one issue; nothing where it is deleted or out of sight: both look the same.
    pub(crate) async fn issue(&self, id: i64) -> Result<Option<String>, Fault> {
        let answer = self.ask(&format!("/issues/{id}.json"), &[("include", "journals,attachments".into())]).await?;
        if matches!(answer.status.as_u16(), 403 | 404) {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let found: wire::One<'_> = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let raw: &RawValue = found.issue;
        Ok(Some(raw.get().to_owned()))
    }

    fn gone(&self, id: &str) -> SourceRecord {
        let now = self.client.now();
        SourceRecord::gone(self.client.system(), OBJECT, id, format!("gone {now}"), now)
    }
}
