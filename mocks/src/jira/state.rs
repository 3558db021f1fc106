//! Issues, their history, and what hangs on them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fields::{self, FIELDS, Field, STATUSES};
use crate::call::Reply;
use crate::clock::SimClock;
use crate::json::{Json, list, obj};
use crate::store::Store;

/// Somebody who edits an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Atlassian account id.
    pub account_id: String,
    /// Name as shown.
    pub display_name: String,
    /// Mail address.
    pub email: String,
}

impl Person {
    /// The user whose API token the simulator accepts.
    pub fn integration() -> Person {
        Person {
            account_id: "5b10a2844c20165700ede21g".to_string(),
            display_name: "Mia Krystof".to_string(),
            email: "mia@example.test".to_string(),
        }
    }

    pub(crate) fn kept(&self) -> Json {
        obj! {"accountId" => &self.account_id, "displayName" => &self.display_name, "emailAddress" => &self.email}
    }
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) base: String,
    pub(crate) zone: TimeZone,
    /// How long search goes on seeing an issue as it was before its last change.
    pub(crate) lag_ms: i64,
    /// Writes to one issue in two seconds, where that is limited.
    pub(crate) burst: Option<usize>,
    pub(crate) writes: BTreeMap<String, Vec<i64>>,
    /// The next call finds its token refused.
    pub(crate) revoked: bool,
}

/// A refusal: the answer itself.
pub(crate) type Answer = Result<Reply, Reply>;

pub(crate) fn problem(status: u16, message: &str) -> Reply {
    Reply::json(status, &obj! {"errorMessages" => list![message], "errors" => Json::object()})
}

pub(crate) fn field_problem(field: &str, message: &str) -> Reply {
    Reply::json(400, &obj! {"errorMessages" => list![], "errors" => obj! {field => message}})
}

pub(crate) fn unknown_issue() -> Reply {
    problem(404, "Issue does not exist or you do not have permission to see it.")
}

impl State {
    /// `2026-04-28T15:55:26.678+0200`, in the zone of the caller's profile.
    pub(crate) fn stamp(&self, millis: i64) -> String {
        let time = Timestamp::from_millisecond(millis).unwrap_or_default();
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S.%3f%z").to_string()
    }

    /// The number of an issue, by number, key in any case, or a key it had before it moved.
    pub(crate) fn issue_id(&self, id_or_key: &str) -> Option<String> {
        if self.store.get("issues", id_or_key).is_some() {
            return Some(id_or_key.to_string());
        }
        self.store.get("keys", &id_or_key.to_uppercase()).and_then(Json::scalar)
    }

    pub(crate) fn issue(&self, id_or_key: &str) -> Result<Json, Reply> {
        let id = self.issue_id(id_or_key).ok_or_else(unknown_issue)?;
        self.store.get("issues", &id).cloned().ok_or_else(unknown_issue)
    }

    fn keep(&mut self, issue: Json) {
        let id = issue.text("id");
        if self.lag_ms > 0 {
            // what search goes on to see until the index has caught up
            let now = self.clock.millis();
            let mut seen = self.store.get("index", &id).map(|kept| kept.items().to_vec()).unwrap_or_default();
            let current = seen.iter().rposition(|entry| entry.int("at") <= now).unwrap_or_default();
            seen.drain(..current);
            seen.push(obj! {"at" => now + self.lag_ms, "issue" => &issue});
            self.store.put("index", &id, seen);
        }
        self.store.put("issues", &id, issue);
    }

    /// An issue as search sees it.
    pub(crate) fn indexed(&self, issue: &Json) -> Option<Json> {
        if self.lag_ms == 0 {
            return Some(issue.clone());
        }
        let now = self.clock.millis();
        match self.store.get("index", &issue.text("id")) {
            Some(seen) => {
                seen.items().iter().rfind(|entry| entry.int("at") <= now).and_then(|entry| entry.get("issue").cloned())
            }
            None => Some(issue.clone()),
        }
    }

    /// The id of an option, made when it is first used.
    fn option(&mut self, field: &str, value: &str) -> Json {
        let name = format!("{field}:{value}");
        let id = match self.store.get("options", &name).and_then(Json::scalar) {
            Some(id) => id,
            None => {
                let id = self.store.next("option", 10201).to_string();
                self.store.put("options", &name, id.as_str());
                id
            }
        };
        obj! {"self" => format!("{}/rest/api/3/customFieldOption/{id}", self.base), "value" => value, "id" => id}
    }

    /// A value as it is kept: options with their ids, rich text as lines.
    fn taken(&mut self, field: &Field, value: &Json) -> Result<Json, Reply> {
        if value.is_null() {
            return Ok(Json::Null);
        }
        let name = |value: &Json| value.scalar().or_else(|| value.get("value").and_then(Json::scalar));
        Ok(match field.kind {
            "number" => match value.number() {
                Some(_) if value.as_str().is_none() => value.clone(),
                Some(number) => Json::amount(number),
                None => return Err(field_problem(field.id, "Operation value must be a number")),
            },
            "select" => match name(value) {
                Some(text) if text.is_empty() => Json::Null,
                Some(text) => self.option(field.id, &text),
                None => return Err(field_problem(field.id, "Specify a valid 'id' or 'name' for the option")),
            },
            "multiselect" => {
                let names: Vec<String> = value.items().iter().filter_map(name).collect();
                Json::List(names.iter().map(|text| self.option(field.id, text)).collect())
            }
            "textarea" if value.get("type").is_some() => Json::from(fields::plain(value)),
            "labels" | "user" | "system" => value.clone(),
            _ => Json::from(value.scalar().unwrap_or_default()),
        })
    }

    /// Creates an issue and gives its id.
    pub(crate) fn create(&mut self, project: &str, values: &Json, author: &Json) -> Result<String, Reply> {
        let id = self.store.next("issue", 10001).to_string();
        let key = format!("{project}-{}", self.store.next(&format!("key:{project}"), 1));
        let now = self.clock.millis();
        let mut kept = Json::object();
        for field in FIELDS {
            kept.set(field.id, if matches!(field.kind, "labels") { list![] } else { Json::Null });
        }
        kept.set("attachment", list![]);
        for (name, value) in values.members() {
            if matches!(name.as_str(), "project" | "issuetype" | "status" | "parent" | "priority") {
                continue;
            }
            let Some(field) = fields::by_id(name) else { return Err(not_on_screen(name)) };
            let value = self.taken(field, value)?;
            kept.set(name, value);
        }
        if kept.text("summary").is_empty() {
            return Err(field_problem("summary", "You must specify a summary of the issue."));
        }
        kept.set("reporter", author);
        let status = values
            .get("status")
            .map(|status| status.scalar().unwrap_or_else(|| status.text("name")))
            .unwrap_or_default();
        kept.set(
            "status",
            STATUSES.iter().find(|known| known.1.eq_ignore_ascii_case(&status)).unwrap_or(&STATUSES[0]).0,
        );
        self.store.put("keys", &key, id.as_str());
        let issue = obj! {
            "id" => &id, "key" => &key, "project" => project, "created" => now, "updated" => now, "moved" => now,
            "fields" => kept, "histories" => list![],
        };
        self.keep(issue.clone());
        let log = obj! {"id" => self.store.next("history", 10501).to_string(), "items" => list![]};
        self.tell("jira:issue_created", Some("issue_created"), &issue, author, Some(log));
        Ok(id)
    }

    /// Changes fields and status of an issue: one history with one item for each field that really changed.
    pub(crate) fn edit(&mut self, id: &str, author: &Json, values: &Json, to: Option<&str>) -> Result<bool, Reply> {
        let mut issue = self.issue(id)?;
        let mut kept = issue.get("fields").cloned().unwrap_or_default();
        let mut items = Vec::new();
        for (name, value) in values.members() {
            let Some(field) = fields::by_id(name) else { return Err(not_on_screen(name)) };
            let (old, new) = (kept.get(name).cloned().unwrap_or_default(), self.taken(field, value)?);
            let same = if field.kind == "number" { old.number() == new.number() } else { old == new };
            if same {
                continue;
            }
            let text = |value: &Json| (fields::reference(field, value), fields::display(field, value));
            let ((from, from_string), (to, to_string)) = (text(&old), text(&new));
            items.push(obj! {
                "field" => if field.id.starts_with("customfield_") { field.name } else { field.id },
                "fieldtype" => if field.id.starts_with("customfield_") { "custom" } else { "jira" }, "fieldId" => field.id,
                "from" => from, "fromString" => from_string, "to" => to, "toString" => to_string,
            });
            kept.set(name, new);
        }
        let now = self.clock.millis();
        if let Some(to) = to {
            let (new, name) = match STATUSES.iter().find(|known| known.0 == to || known.1.eq_ignore_ascii_case(to)) {
                Some(known) => (known, known.1),
                None => return Err(problem(400, &format!("no status is called '{to}'"))),
            };
            let old = STATUSES.iter().find(|known| known.0 == kept.text("status")).unwrap_or(&STATUSES[0]);
            if old.0 != new.0 {
                if old.2 != new.2 {
                    issue.set("moved", now);
                    items.extend(resolve(&mut kept, new.2 == "done", now));
                }
                items.push(obj! {
                    "field" => "status", "fieldtype" => "jira", "fieldId" => "status", "from" => old.0, "fromString" => old.1,
                    "to" => new.0, "toString" => name,
                });
                kept.set("status", new.0);
            }
        }
        if items.is_empty() {
            return Ok(false);
        }
        issue.set("fields", kept);
        self.log(issue, author, items, "issue_generic");
        Ok(true)
    }

    /// Appends a history, keeps the issue and tells the webhooks.
    fn log(&mut self, mut issue: Json, author: &Json, items: Vec<Json>, kind: &str) {
        let now = self.clock.millis();
        let history = self.store.next("history", 10501).to_string();
        let mut histories = issue.list("histories").to_vec();
        histories
            .push(obj! {"id" => &history, "author" => author, "created" => now, "items" => Json::List(items.clone())});
        issue.set("histories", histories);
        issue.set("updated", now);
        self.keep(issue.clone());
        self.tell(
            "jira:issue_updated",
            Some(kind),
            &issue,
            author,
            Some(obj! {"id" => history, "items" => Json::List(items)}),
        );
    }

    pub(crate) fn attach(&mut self, id: &str, author: &Json, filename: &str) -> Result<String, Reply> {
        let mut issue = self.issue(id)?;
        let number = self.store.next("attachment", 10000).to_string();
        let content = format!("{}/rest/api/3/attachment/content/{number}", self.base);
        let mut kept = issue.get("fields").cloned().unwrap_or_default();
        let mut files = kept.list("attachment").to_vec();
        files.push(obj! {
            "self" => format!("{}/rest/api/3/attachment/{number}", self.base), "id" => &number, "filename" => filename,
            "author" => author, "created" => self.clock.millis(), "size" => filename.len(), "mimeType" => "application/pdf",
            "content" => content,
        });
        kept.set("attachment", files);
        issue.set("fields", kept);
        let item = obj! {
            "field" => "Attachment", "fieldtype" => "jira", "fieldId" => "attachment", "from" => Json::Null,
            "fromString" => Json::Null, "to" => &number, "toString" => filename,
        };
        self.log(issue.clone(), author, vec![item], "issue_updated");
        self.tell("attachment_created", None, &issue, author, None);
        Ok(number)
    }

    /// Moves an issue: a new key, the same id; the old key goes on resolving.
    pub(crate) fn move_to(&mut self, id: &str, author: &Json, project: &str) -> Result<String, Reply> {
        let mut issue = self.issue(id)?;
        let (old, old_project) = (issue.text("key"), issue.text("project"));
        let key = format!("{project}-{}", self.store.next(&format!("key:{project}"), 1));
        self.store.put("keys", &key, issue.text("id"));
        issue.set("key", &key);
        issue.set("project", project);
        let change = |field: &str, from: &str, to: &str| {
            obj! {"field" => field, "fieldtype" => "jira", "from" => from, "fromString" => from, "to" => to, "toString" => to}
        };
        let items = vec![change("Key", &old, &key), change("project", &old_project, project)];
        self.log(issue, author, items, "issue_moved");
        Ok(key)
    }

    pub(crate) fn delete(&mut self, id: &str, author: &Json) -> Result<(), Reply> {
        let issue = self.issue(id)?;
        self.tell("jira:issue_deleted", None, &issue, author, None);
        let id = issue.text("id");
        let keys: Vec<String> = self
            .store
            .all("keys")
            .filter(|(_, held)| held.as_str() == Some(&id))
            .map(|(key, _)| key.to_string())
            .collect();
        for key in keys {
            self.store.remove("keys", &key);
        }
        self.store.remove("index", &id);
        self.store.remove("issues", &id);
        Ok(())
    }
}

fn not_on_screen(name: &str) -> Reply {
    let message = format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown.");
    field_problem(name, &message)
}

/// Entering `done` sets a resolution, leaving it clears it.
fn resolve(kept: &mut Json, done: bool, now: i64) -> Option<Json> {
    let had = kept.get("resolution").is_some_and(|value| !value.is_null());
    let (id, name) = (Json::from("10000"), Json::from("Done"));
    let (from, to) = match (had, done) {
        (false, true) => ((Json::Null, Json::Null), (id, name)),
        (true, false) => ((id, name), (Json::Null, Json::Null)),
        _ => return None,
    };
    kept.set("resolution", if done { "10000".into() } else { Json::Null });
    kept.set("resolutiondate", if done { now.into() } else { Json::Null });
    Some(obj! {
        "field" => "resolution", "fieldtype" => "jira", "fieldId" => "resolution", "from" => from.0, "fromString" => from.1,
        "to" => to.0, "toString" => to.1,
    })
}
