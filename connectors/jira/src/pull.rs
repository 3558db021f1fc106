//! Reading issues: search says which changed, and each of them is read again.

use jiff::Timestamp;
use milestoned_connector_kit::{Class, Cursor, Fault, Page, Source, Unreadable};
use milestoned_mapping::record::{Change, Content, SourceRecord};
use reqwest::Method;
use serde_json::json;

use super::{Jira, wire};

/// Key of the newest update in the cursor.
const UPDATED: &str = "updated";
/// Keys of issues read lately, with the update that was read: the overlap does not read them again.
const SEEN: &str = "seen:";
/// Rows of a search page.
const ROWS: u32 = 100;
/// Pages of one search; more means that the token goes round in circles.
const PAGES: usize = 1_000;

impl Source for Jira {
    fn streams(&self) -> &'static [&'static str] {
        &["issues"]
    }

    async fn pull(&self, _stream: &str, from: &Cursor) -> Result<Page, Fault> {
        self.check_identity().await?;
        let started = self.client.now();
        let since = from.0.get(UPDATED).and_then(|text| text.parse::<Timestamp>().ok());
        let mut page = Page {
            records: Vec::new(),
            unreadable: Vec::new(),
            next: from.clone(),
            more: false,
            fresh_through: started,
        };
        let mut newest = since;
        for row in self.search(since).await? {
            let updated = instant(&row.fields.updated);
            newest = newest.max(updated);
            if from.0.get(&format!("{SEEN}{}", row.id)) == Some(&row.fields.updated) {
                continue;
            }
            match self.issue(&row.id).await {
                Ok(record) => page.records.push(record),
                Err(Trouble::Fault(fault)) => return Err(fault),
                Err(Trouble::Unreadable(raw, reason)) => {
                    page.unreadable.push(Unreadable { object: "issue".into(), id: row.id.clone(), raw, reason });
                }
            }
            page.next.0.insert(format!("{SEEN}{}", row.id), row.fields.updated);
        }
        if let Some(newest) = newest {
            page.next.0.insert(UPDATED.into(), newest.to_string());
            let horizon = newest.checked_sub(self.settings.overlap).unwrap_or(newest);
            page.next.0.retain(|key, seen| !key.starts_with(SEEN) || instant(seen).is_none_or(|seen| seen >= horizon));
        }
        page.records.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        Ok(page)
    }

    async fn read(&self, _object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        match self.issue(id).await {
            Ok(record) => Ok(vec![record]),
            Err(Trouble::Fault(fault)) => Err(fault),
            Err(Trouble::Unreadable(_, reason)) => Err(self.client.fault(Class::Misunderstood, reason, None)),
        }
    }
}

/// Why an issue could not be read.
enum Trouble {
    Fault(Fault),
    Unreadable(String, String),
}

impl Jira {
    async fn search(&self, since: Option<Timestamp>) -> Result<Vec<wire::Row>, Fault> {
        let projects: Vec<String> = self.settings.projects.iter().map(|key| format!("\"{key}\"")).collect();
        let from = since.and_then(|since| since.checked_sub(self.settings.overlap).ok());
        // Unquoted milliseconds are absolute; a quoted date would be read in the caller's time zone, to the minute.
        let from = from.map(|from| format!(" AND updated >= {}", from.as_millisecond())).unwrap_or_default();
        let jql = format!("project in ({}){from} ORDER BY updated ASC, key ASC", projects.join(", "));
        let (mut rows, mut token) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let mut body = json!({ "jql": jql, "fields": ["updated"], "maxResults": ROWS });
            if let (Some(token), Some(table)) = (&token, body.as_object_mut()) {
                table.insert("nextPageToken".into(), token.clone().into());
            }
            let answer = self.client.read(self.request(Method::POST, "search/jql").json(&body)).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&answer));
            }
            let page: wire::SearchPage =
                serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
            rows.extend(page.issues);
            match page.next {
                None => return Ok(rows),
                same if same == token => break,
                next => token = next,
            }
        }
        Err(self.client.fault(Class::Misunderstood, "the search's page token goes round in circles", None))
    }

    async fn issue(&self, id: &str) -> Result<SourceRecord, Trouble> {
        let fields = self.fields.join(",");
        let path = format!("issue/{id}?expand=changelog&fields={fields},updated,attachment");
        let answer = self.client.read(self.request(Method::GET, &path)).await.map_err(Trouble::Fault)?;
        if answer.status == 404 {
            // Deleted, moved out of sight, or hidden: all look the same. Who we are was checked.
            self.check_identity().await.map_err(Trouble::Fault)?;
            let now = self.client.now();
            return Ok(self.record(id, format!("gone {now}"), now, "{}".into(), Content::Gone));
        }
        if !answer.status.is_success() {
            return Err(Trouble::Fault(self.refused(&answer)));
        }
        let unreadable = |reason: String| Trouble::Unreadable(answer.body.clone(), reason);
        let issue: wire::Issue = serde_json::from_str(&answer.body).map_err(|error| unreadable(error.to_string()))?;
        let at =
            instant(&issue.fields.updated).ok_or_else(|| unreadable(format!("updated: {:?}", issue.fields.updated)))?;
        let embedded = issue.changelog;
        let histories = if embedded.total > embedded.histories.len() {
            self.changelog(&issue.id).await.map_err(Trouble::Fault)?
        } else {
            embedded.histories
        };
        let history = changes(histories).map_err(unreadable)?;
        let newest = history.last().map_or("", |change| change.id.as_str()).to_owned();
        let version = format!("{} {newest}", issue.fields.updated);
        Ok(self.record(&issue.id, version, at, answer.body.clone(), Content::Fields { history }))
    }

    /// The whole changelog: the embedded one is cut off.
    async fn changelog(&self, id: &str) -> Result<Vec<wire::History>, Fault> {
        let mut histories = Vec::new();
        for _ in 0..PAGES {
            let path = format!("issue/{id}/changelog?maxResults=100&startAt={}", histories.len());
            let answer = self.client.read(self.request(Method::GET, &path)).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&answer));
            }
            let page: wire::Changelog =
                serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
            let (count, total) = (page.histories.len(), page.total);
            histories.extend(page.histories);
            if count == 0 || histories.len() >= total {
                return Ok(histories);
            }
        }
        Err(self.client.fault(Class::Misunderstood, "the changelog does not end", None))
    }

    fn record(&self, id: &str, version: String, at: Timestamp, raw: String, content: Content) -> SourceRecord {
        SourceRecord {
            system: self.client.system().into(),
            object: "issue".into(),
            id: id.into(),
            version,
            at,
            raw,
            content,
        }
    }
}

/// `2026-04-28T15:55:26.678+0200`: an offset without a colon.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Histories as changes, oldest first.
fn changes(mut histories: Vec<wire::History>) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    histories.sort_by_key(|history| (instant(&history.created), history.id.parse::<u64>().unwrap_or(u64::MAX)));
    for history in histories {
        let at = instant(&history.created)
            .ok_or_else(|| format!("changelog {}: created: {:?}", history.id, history.created))?;
        let by = history.author.and_then(|author| author.email.or(author.account).or(author.name)).unwrap_or_default();
        for item in history.items {
            changes.push(Change {
                id: history.id.clone(),
                at,
                by: by.clone(),
                field: item.field_id.unwrap_or_else(|| item.field.to_lowercase()),
                from: item.from,
                to: item.to,
            });
        }
    }
    Ok(changes)
}
