//! Reading a Data Center: its search gives the issues themselves, by offset. Rows that change during a walk move to its
//! end and shift the offsets of the rest, so the walk goes on from the last update that it has read.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{Census, Cursor, Fault, Page, read};
use reqwest::Method;
use serde_json::json;

use super::issue::{self, OBJECT};
use super::pull::{OLDEST_FIRST, Pass, unreadable};
use super::{Jira, wire};

/// Issues of a page.
const ROWS: usize = 100;
/// Ids of a page of a census.
const IDS: usize = 1_000;
/// Key of the place of a census.
const AT: &str = "at";
/// Whether JQL compares finer than this is not documented.
const GRAIN: SignedDuration = SignedDuration::from_mins(1);

impl Jira {
    /// The next page of a pass. Whether there are more.
    pub(crate) async fn next_of_server(&self, pass: &mut Pass, page: &mut Page) -> Result<bool, Fault> {
        let body = json!({
            "jql": self.jql(pass.since, OLDEST_FIRST), "startAt": pass.at, "maxResults": ROWS, "fields": self.wanted,
            "expand": ["changelog", "names"],
        });
        let answer = self.ask(Method::POST, "search", Some(&body)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        self.check_caller(&answer).await?;
        let found: wire::ServerPage<'_> =
            read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let names = issue::ids_by_name(&found.names);
        let mut last: Option<Timestamp> = None;
        for raw in &found.issues {
            match issue::read_named(self.client.system(), raw.get(), Some(&names)) {
                Ok(read) if !read.shows_history => {
                    page.unreadable.push(unreadable(raw.get().to_owned(), issue::NO_HISTORY.into()));
                }
                Ok(read) => {
                    last = last.max(Some(read.record.at));
                    page.records.push(read.record);
                }
                Err(reason) => page.unreadable.push(unreadable(raw.get().to_owned(), reason)),
            }
        }
        if found.issues.len() < ROWS {
            return Ok(false);
        }
        let since = pass.since.and_then(|since| Timestamp::from_millisecond(since).ok());
        match last.filter(|last| since.is_none_or(|since| since.duration_until(*last) > GRAIN)) {
            Some(last) => (pass.since, pass.at) = (Some(last.as_millisecond()), 0),
            // More rows in one minute than a page has.
            None => pass.at = pass.at.saturating_add(ROWS),
        }
        Ok(true)
    }

    pub(crate) async fn census_of_server(&self, from: &Cursor) -> Result<Census, Fault> {
        let at: usize = from.0.get(AT).and_then(|text| text.parse().ok()).unwrap_or_default();
        // By key, so that an issue that is changed meanwhile stays in its place.
        let jql = self.jql(None, "key ASC");
        let body = json!({ "jql": jql, "startAt": at, "maxResults": IDS, "fields": ["id"] });
        let answer = self.ask(Method::POST, "search", Some(&body)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        self.check_caller(&answer).await?;
        let found: wire::SearchPage = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let ids: BTreeSet<String> = found.issues.into_iter().map(|row| row.id).collect();
        let next = Cursor([(AT.to_owned(), at.saturating_add(ids.len()).to_string())].into());
        let more = !ids.is_empty();
        Ok(Census { object: OBJECT.into(), ids: ids.into_iter().collect(), next, more })
    }
}
