//! Reading issues: search says which changed, and the issues themselves say how. Search lags and is never the truth; issues
//! read by their ids are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use milestoned_connector_kit::{Census, Class, Cursor, Fault, Page, Source, Unreadable, read};
use milestoned_mapping::record::{Content, SourceRecord};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::issue::{self, OBJECT};
use super::{Jira, wire};

/// Key of the newest update in the cursor.
pub(crate) const UPDATED: &str = "updated";
/// Key of a pass that is under way.
const PASS: &str = "pass";
/// Key of a census's next page.
const TOKEN: &str = "token";
/// Order of a pass.
pub(crate) const OLDEST_FIRST: &str = "updated ASC, key ASC";
/// Ids of a search page: the most that Jira gives where nothing but ids is asked for.
const IDS: u32 = 5_000;
/// Issues that are read at once.
const AT_ONCE: usize = 100;
/// Pages of one search; more means that the token goes round in circles.
const PAGES: u32 = 1_000;
/// Changes of a page of changelogs.
const CHANGES: u32 = 1_000;

/// A pass under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// Updates since these milliseconds; `None`: all.
    pub(crate) since: Option<i64>,
    /// When it began.
    pub(crate) began: Timestamp,
    /// Newest update that it has read.
    pub(crate) newest: Option<Timestamp>,
    /// Page of the search.
    pub(crate) token: Option<String>,
    /// How far the page is read.
    pub(crate) at: usize,
    /// Pages so far.
    pub(crate) pages: u32,
}

/// A page of ids. It is kept in memory: after a restart it is asked for again, and read again from its beginning.
#[derive(Debug)]
pub(crate) struct Ids {
    of: (Option<i64>, Option<String>),
    ids: Vec<String>,
    next: Option<String>,
}

/// A read of many issues embeds at most so many histories, and what it calls their total is the number of those it shows.
const EMBEDDED: usize = 40;

impl Source for Jira {
    fn tells_acceptance(&self) -> bool {
        true
    }

    fn streams(&self) -> &'static [&'static str] {
        &["issues"]
    }

    /// By the id, which stays when an issue moves to another project.
    fn page_of(&self, _object: &str, id: &str) -> Option<String> {
        Some(format!("{}/secure/ViewIssue.jspa?id={id}", self.settings.base_url.trim_end_matches('/')))
    }

    fn name_in(&self, raw: &str) -> Option<String> {
        let keyed: wire::Keyed<'_> = serde_json::from_str(raw).ok()?;
        Some(keyed.key.into_owned()).filter(|key| !key.is_empty())
    }

    async fn pull(&self, _stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let known = from.0.get(UPDATED).and_then(|text| text.parse::<Timestamp>().ok());
        let kept = from.0.get(PASS).and_then(|text| serde_json::from_str::<Pass>(text).ok());
        let mut pass = kept.unwrap_or_else(|| self.pass(known));
        self.prolong_webhooks().await;
        let mut page = Page {
            records: Vec::new(),
            unreadable: Vec::new(),
            next: Cursor::default(),
            more: false,
            fresh_through: pass.began.saturating_sub(self.settings.lag).unwrap_or(pass.began),
        };
        page.more = if self.site().await?.cloud {
            self.next_issues(&mut pass, &mut page).await?
        } else {
            self.next_of_server(&mut pass, &mut page).await?
        };
        pass.newest = pass.newest.max(page.records.iter().filter(is_there).map(|record| record.at).max());
        page.records.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        if page.more {
            page.next = from.clone();
            page.next.0.extend(serde_json::to_string(&pass).ok().map(|text| (PASS.to_owned(), text)));
        } else {
            // Never past what search may not have shown yet, even if something newer was seen.
            let newest = pass.newest.map(|newest| newest.min(page.fresh_through));
            let newest = known.max(newest);
            page.next.0.extend(newest.map(|newest| (UPDATED.to_owned(), newest.to_string())));
        }
        Ok(page)
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        if object != OBJECT {
            return Ok(Vec::new());
        }
        if !is_id(id) {
            return Err(self.client.fault(Class::Refused, format!("{id:?} is no id of an issue"), None));
        }
        let record = self.issue(id).await?;
        Ok(vec![self.in_sight(record).await?])
    }

    /// A hundred at a time, where the site can do that. What is not named in an answer is read alone.
    async fn read_each(&self, object: &str, ids: &[&str]) -> Vec<Result<Vec<SourceRecord>, Fault>> {
        let mut outcomes: BTreeMap<String, Result<SourceRecord, Fault>> = BTreeMap::new();
        let many = ids.len() > 1 && object == OBJECT && self.site().await.is_ok_and(|site| site.cloud);
        let readable: Vec<&str> = ids.iter().copied().filter(|id| many && is_id(id)).collect();
        for some in readable.chunks(AT_ONCE) {
            match self.issues(some).await {
                Ok((records, _)) => {
                    outcomes.extend(records.into_iter().map(|record| (record.id.clone(), Ok(record))));
                }
                Err(fault) => outcomes.extend(some.iter().map(|id| ((*id).to_owned(), Err(fault.clone())))),
            }
        }
        let mut each = Vec::with_capacity(ids.len());
        for id in ids {
            each.push(match outcomes.remove(*id) {
                Some(Ok(record)) => self.in_sight(record).await.map(|record| vec![record]),
                Some(Err(fault)) => Err(fault),
                None => self.read(object, id).await,
            });
        }
        each
    }

    /// A deleted issue matches no search again, and its webhook may be lost.
    async fn census(&self, _stream: &str, from: &Cursor) -> Result<Option<Census>, Fault> {
        if from.0.is_empty() {
            self.check_projects().await?;
        }
        if !self.site().await?.cloud {
            return self.census_of_server(from).await.map(Some);
        }
        let token = from.0.get(TOKEN).cloned();
        let page = self.search(&self.jql(None, OLDEST_FIRST), token.as_deref()).await?;
        if page.next.is_some() && page.next == token {
            return Err(self.circles());
        }
        let ids = page.issues.into_iter().map(|row| row.id).collect();
        let more = page.next.is_some();
        let next = Cursor(page.next.map(|token| (TOKEN.to_owned(), token)).into_iter().collect());
        Ok(Some(Census { object: OBJECT.into(), ids, next, more }))
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_there(record: &&SourceRecord) -> bool {
    record.content != Content::Gone
}

impl Jira {
    fn pass(&self, known: Option<Timestamp>) -> Pass {
        let since = known.and_then(|known| known.checked_sub(self.settings.overlap).ok());
        Pass {
            since: since.map(Timestamp::as_millisecond),
            began: self.client.now(),
            newest: None,
            token: None,
            at: 0,
            pages: 0,
        }
    }

    /// The issues that are ours, in this order.
    pub(crate) fn jql(&self, since: Option<i64>, order: &str) -> String {
        let projects: Vec<String> = self.settings.projects.iter().map(|key| format!("\"{key}\"")).collect();
        let own = self.settings.jql.as_ref().map(|jql| format!(" AND ({jql})")).unwrap_or_default();
        // Unquoted milliseconds are absolute; a quoted date would be read in the caller's time zone, to the minute.
        let since = since.map(|since| format!(" AND updated >= {since}")).unwrap_or_default();
        format!("project in ({}){own}{since} ORDER BY {order}", projects.join(", "))
    }

    fn circles(&self) -> Fault {
        self.client.fault(Class::Misunderstood, "the search's page token goes round in circles", None)
    }

    /// The next hundred issues of a pass. Whether there are more.
    async fn next_issues(&self, pass: &mut Pass, page: &mut Page) -> Result<bool, Fault> {
        let ids = self.ids(pass).await?;
        let end = pass.at.saturating_add(AT_ONCE).min(ids.ids.len());
        let some: Vec<&str> = ids.ids.get(pass.at..end).unwrap_or_default().iter().map(String::as_str).collect();
        if !some.is_empty() {
            let (records, unreadable) = self.issues(&some).await?;
            page.records.extend(records);
            page.unreadable.extend(unreadable);
        }
        pass.at = end;
        if end < ids.ids.len() {
            return Ok(true);
        }
        let Some(next) = ids.next.clone() else { return Ok(false) };
        pass.pages = pass.pages.saturating_add(1);
        if pass.token.as_ref() == Some(&next) || pass.pages >= PAGES {
            return Err(self.circles());
        }
        (pass.token, pass.at) = (Some(next), 0);
        Ok(true)
    }

    async fn ids(&self, pass: &mut Pass) -> Result<Arc<Ids>, Fault> {
        let kept = self.ids.lock().ok().and_then(|ids| ids.clone());
        let same = |ids: &Arc<Ids>| ids.of.0 == pass.since && ids.of.1 == pass.token;
        if let Some(ids) = kept.filter(|ids| pass.at > 0 && same(ids)) {
            return Ok(ids);
        }
        pass.at = 0;
        let jql = self.jql(pass.since, OLDEST_FIRST);
        let found = match self.search(&jql, pass.token.as_deref()).await {
            // A token lives for a week and belongs to the query that it came from: without it the pass begins again.
            Err(fault) if fault.class == Class::Refused && pass.token.is_some() => {
                pass.token = None;
                self.search(&jql, None).await?
            }
            other => other?,
        };
        let ids = found.issues.into_iter().map(|row| row.id).collect();
        let ids = Arc::new(Ids { of: (pass.since, pass.token.clone()), ids, next: found.next });
        if let Ok(mut kept) = self.ids.lock() {
            *kept = Some(Arc::clone(&ids));
        }
        Ok(ids)
    }

    async fn search(&self, jql: &str, token: Option<&str>) -> Result<wire::SearchPage, Fault> {
        let mut body = json!({ "jql": jql, "fields": ["id"], "maxResults": IDS });
        if let (Some(token), Some(table)) = (token, body.as_object_mut()) {
            table.insert("nextPageToken".into(), token.into());
        }
        let answer = self.ask(Method::POST, "search/jql", Some(&body)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        self.check_caller(&answer).await?;
        read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))
    }

    /// Reads issues by their ids, with their whole history, and names those that cannot be read.
    async fn issues(&self, ids: &[&str]) -> Result<(Vec<SourceRecord>, Vec<Unreadable>), Fault> {
        let (mut read, mut broken, mut cut_off) = (Vec::new(), Vec::new(), BTreeSet::new());
        // A server that cannot carry so much is asked for less, down to single issues without their history.
        let mut parts = vec![(ids, true)];
        while let Some((part, with_history)) = parts.pop() {
            match self.some_issues(part, with_history).await {
                Err(fault) if fault.code.as_deref().is_some_and(|code| code.starts_with('5')) => match part {
                    [_] if with_history => parts.push((part, false)),
                    [] | [_] => return Err(fault),
                    _ => {
                        let (first, second) = part.split_at(part.len().div_euclid(2));
                        parts.extend([(second, with_history), (first, with_history)]);
                    }
                },
                Err(fault) => return Err(fault),
                Ok(texts) => {
                    for text in texts {
                        match issue::read(self.client.system(), &text) {
                            Ok(issues) if with_history && !issues.shows_history => {
                                broken.push(unreadable(text, issue::NO_HISTORY.into()));
                            }
                            Ok(issues) => {
                                if issues.cut_off || issues.shown >= EMBEDDED || !with_history {
                                    cut_off.insert(issues.record.id.clone());
                                }
                                read.push(issues.record);
                            }
                            Err(reason) => broken.push(unreadable(text, reason)),
                        }
                    }
                }
            }
        }
        self.complete(&mut read, &cut_off).await?;
        let there: BTreeSet<&str> = read.iter().map(|record| record.id.as_str()).collect();
        let is_broken = |id: &str| broken.iter().any(|unreadable| unreadable.id == id);
        let missing: Vec<&str> = ids.iter().copied().filter(|id| !there.contains(id) && !is_broken(id)).collect();
        let mut records = Vec::with_capacity(ids.len());
        for id in missing {
            // Deleted, or hidden, since search saw it: reading it alone says so.
            records.push(self.issue(id).await?);
        }
        records.append(&mut read);
        Ok((records, broken))
    }

    async fn some_issues(&self, ids: &[&str], with_history: bool) -> Result<Vec<String>, Fault> {
        let expand: &[&str] = if with_history { &["changelog"] } else { &[] };
        let wanted = wire::Wanted { ids, fields: &self.wanted, expand };
        let body =
            serde_json::to_value(wanted).map_err(|error| self.client.fault(Class::Refused, error.to_string(), None))?;
        let answer = self.ask(Method::POST, "issue/bulkfetch", Some(&body)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        self.check_caller(&answer).await?;
        let found: wire::Issues<'_> = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        if !found.errors.is_empty() {
            let said = format!("{} of {} issues could not be read now", found.errors.len(), ids.len());
            return Err(self.client.fault(Class::Unreachable, said, answer.header(super::REQUEST_ID)));
        }
        Ok(found.issues.into_iter().map(|raw| raw.get().to_owned()).collect())
    }

    /// Asks for the histories that were cut off.
    async fn complete(&self, records: &mut [SourceRecord], cut_off: &BTreeSet<String>) -> Result<(), Fault> {
        if cut_off.is_empty() {
            return Ok(());
        }
        let mut places: BTreeMap<String, &mut SourceRecord> =
            records.iter_mut().map(|record| (record.id.clone(), record)).collect();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let mut body = json!({ "issueIdsOrKeys": cut_off, "maxResults": CHANGES });
            if let (Some(token), Some(table)) = (&token, body.as_object_mut()) {
                table.insert("nextPageToken".into(), token.clone().into());
            }
            let answer = self.ask(Method::POST, "changelog/bulkfetch", Some(&body)).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&answer));
            }
            let page: wire::Changelogs<'_> =
                read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
            for issue in page.issues {
                if let Some(record) = places.get_mut(issue.id.as_ref()) {
                    issue::complete(record, issue.histories);
                }
            }
            match page.next {
                None => return Ok(()),
                same if same == token => break,
                next => token = next,
            }
        }
        Err(self.circles())
    }

    /// One issue, read afresh; gone where it is deleted, hidden, or moved out of sight: all look the same.
    pub(crate) async fn issue(&self, id: &str) -> Result<SourceRecord, Fault> {
        let path = format!("issue/{id}?expand=changelog,names&fields={}", self.wanted.join(","));
        let answer = self.ask(Method::GET, &path, None).await?;
        if answer.status == 404 {
            self.check_caller(&answer).await?;
            let now = self.client.now();
            return Ok(SourceRecord::gone(self.client.system(), OBJECT, id, format!("gone {now}"), now));
        }
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let read = issue::read(self.client.system(), &answer.body);
        let read = read.map_err(|reason| self.client.garbage(&answer, reason))?;
        if !read.shows_history {
            return Err(self.client.garbage(&answer, issue::NO_HISTORY));
        }
        let mut records = [read.record];
        if read.cut_off {
            let id = records.iter().map(|record| record.id.clone()).collect();
            self.complete(&mut records, &id).await?;
        }
        let [record] = records;
        Ok(record)
    }

    /// An issue that is missing is deleted only where its project is still in sight.
    async fn check_projects(&self) -> Result<(), Fault> {
        for project in &self.settings.projects {
            let answer = self.ask(Method::GET, &format!("project/{project}"), None).await?;
            if !answer.status.is_success() {
                let said = format!("project {project} is not in sight: {}", wire::reason(&answer.body));
                return Err(self.client.fault(Class::Unauthorised, said, answer.header(super::REQUEST_ID)));
            }
        }
        Ok(())
    }
}

/// An issue that could not be read, under its id where that can still be told.
pub(crate) fn unreadable(raw: String, reason: String) -> Unreadable {
    let row = serde_json::from_str::<wire::Row>(&raw);
    Unreadable { object: OBJECT.into(), id: row.map(|row| row.id).unwrap_or_default(), raw, reason }
}
