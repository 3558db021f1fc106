//! Issues, their history, and what hangs on them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::fields::{self, Field, STATUSES};
use super::limits::Used;
use super::lots::Lot;
use super::people::Caller;
use super::search::Page;
use super::settings::{Deployment, SiteSettings};
use super::webhooks::News;
use crate::call::Reply;
use crate::clock::SimClock;
use crate::json::{Json, list, obj};
use crate::store::Store;

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) base: String,
    pub(crate) settings: SiteSettings,
    pub(crate) fields: Vec<Field>,
    pub(crate) lots: Vec<Lot>,
    /// Who makes the call at hand.
    pub(crate) caller: Caller,
    pub(crate) used: Used,
    /// Points of the call at hand, beside its own.
    pub(crate) cost: u64,
    /// Walks over search results that go on.
    pub(crate) pages: BTreeMap<String, Page>,
    /// The next call finds its token refused.
    pub(crate) revoked: bool,
    /// The next call is answered in an odd way.
    pub(crate) quirk: Option<String>,
    /// What the call at hand changed is kept although it is refused.
    pub(crate) keep_on_refusal: bool,
    pub(crate) traces: u64,
    /// The body of a webhook is being written.
    pub(crate) telling: bool,
    /// The vendor's tables.
    pub(crate) tables: crate::properties::Kept,
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
    pub(crate) fn is_server(&self) -> bool {
        self.settings.deployment == Deployment::Server
    }

    /// `2026-04-28T15:55:26.678+0200`, in the zone of the caller's profile.
    pub(crate) fn stamp(&self, millis: i64) -> String {
        let time = Timestamp::from_millisecond(millis).unwrap_or_default();
        time.to_zoned(self.caller.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S.%3f%z").to_string()
    }

    /// The number of an issue, by number, key in any case, or a key it had before it moved.
    pub(crate) fn issue_id(&self, id_or_key: &str) -> Option<String> {
        if let Some(kept) = self.store.get("issues", id_or_key) {
            return kept.has("id").then(|| id_or_key.to_string());
        }
        let known = self.store.get("keys", &id_or_key.to_uppercase()).and_then(Json::scalar);
        let made = || self.made_id(id_or_key).filter(|id| self.by_number(id).is_some());
        known.or_else(made)
    }

    /// An issue that the caller may see.
    pub(crate) fn issue(&self, id_or_key: &str) -> Result<Json, Reply> {
        let id = self.issue_id(id_or_key).ok_or_else(unknown_issue)?;
        let issue = self.by_number(&id).map(std::borrow::Cow::into_owned).ok_or_else(unknown_issue)?;
        if self.may_see(&issue) { Ok(issue) } else { Err(unknown_issue()) }
    }

    pub(crate) fn keep(&mut self, issue: Json) {
        let id = issue.text("id");
        if self.settings.index_lag_ms > 0 {
            // what search goes on to see until the index has caught up
            let now = self.clock.millis();
            let mut seen = self.store.get("index", &id).map(|kept| kept.items().to_vec()).unwrap_or_default();
            if let (true, Some(before)) = (seen.is_empty(), self.by_number(&id)) {
                seen.push(obj! {"at" => 0, "issue" => before.as_ref()});
            }
            let current = seen.iter().rposition(|entry| entry.int("at") <= now).unwrap_or_default();
            seen.drain(..current);
            seen.push(obj! {"at" => now + self.settings.index_lag_ms, "issue" => &issue});
            self.store.put("index", &id, seen);
        }
        self.store.put("issues", &id, issue);
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

    pub(crate) fn field(&self, id: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// A value as it is kept: options with their ids, rich text as lines.
    fn taken(&mut self, field: &Field, value: &Json, project: &str) -> Result<Json, Reply> {
        if value.is_null() {
            return Ok(if matches!(field.kind.as_str(), "labels" | "versions") { list![] } else { Json::Null });
        }
        let name = |value: &Json| value.scalar().or_else(|| value.get("value").and_then(Json::scalar));
        Ok(match field.kind.as_str() {
            "number" => match value.number() {
                Some(_) if value.as_str().is_none() => value.clone(),
                Some(number) => Json::amount(number),
                None => return Err(field_problem(&field.id, "Operation value must be a number")),
            },
            "select" => match name(value) {
                Some(text) if text.is_empty() => Json::Null,
                Some(text) => self.option(&field.id, &text),
                None => return Err(field_problem(&field.id, "Specify a valid 'id' or 'name' for the option")),
            },
            "multiselect" => {
                let names: Vec<String> = value.items().iter().filter_map(name).collect();
                Json::List(names.iter().map(|text| self.option(&field.id, text)).collect())
            }
            "versions" => {
                let found = value.items().iter().map(|wanted| self.version_named(project, wanted));
                Json::List(found.collect::<Result<_, _>>()?)
            }
            "textarea" if value.get("type").is_some() => Json::from(fields::plain(value)),
            "user" => self.known_person(value),
            "labels" | "system" => value.clone(),
            _ => Json::from(value.scalar().unwrap_or_default()),
        })
    }

    /// A user as it is kept, by the account id or name that a client gives.
    fn known_person(&self, value: &Json) -> Json {
        let (account, name) = (value.text("accountId"), value.text("name"));
        let fits = |kept: &Json| {
            (!account.is_empty() && kept.text("accountId") == account)
                || (!name.is_empty() && kept.text("emailAddress").split('@').next() == Some(name.as_str()))
        };
        let found = self.store.all("people").map(|(_, kept)| kept).find(|kept| fits(kept)).cloned();
        found.map_or_else(
            || value.clone(),
            |mut kept| {
                kept.remove("token");
                kept
            },
        )
    }

    pub(crate) fn ensure_project(&mut self, key: &str) {
        if self.store.get("projects", key).is_none() {
            let id = self.store.next("project", 10000).to_string();
            self.store.put(
                "projects",
                key,
                obj! {"id" => id, "key" => key, "name" => format!("{key} project"), "status" => "live"},
            );
        }
    }

    /// Creates an issue and gives its id.
    pub(crate) fn create(&mut self, project: &str, values: &Json, author: &Json) -> Result<String, Reply> {
        let issue = self.new_issue(project, values, author)?;
        let id = issue.text("id");
        self.store.put("keys", &issue.text("key"), id.as_str());
        self.keep(issue.clone());
        let log = obj! {"id" => self.store.next("history", 10501).to_string(), "items" => list![]};
        self.tell(&News::of_issue("jira:issue_created", "issue_created", &issue, author).with_log(&log));
        Ok(id)
    }

    fn new_issue(&mut self, project: &str, values: &Json, author: &Json) -> Result<Json, Reply> {
        self.ensure_project(project);
        let id = self.store.next("issue", 10001).to_string();
        let key = format!("{project}-{}", self.store.next(&format!("key:{project}"), 1));
        let now = self.clock.millis();
        let mut kept = Json::object();
        for field in &self.fields {
            let empty = matches!(field.kind.as_str(), "labels" | "versions");
            kept.set(&field.id, if empty { list![] } else { Json::Null });
        }
        kept.set("attachment", list![]);
        for (name, value) in values.members() {
            if matches!(name.as_str(), "project" | "issuetype" | "status" | "parent" | "priority" | "reporter") {
                continue;
            }
            let Some(field) = self.field(name).cloned() else { return Err(not_on_screen(name)) };
            let value = self.taken(&field, value, project)?;
            kept.set(name, value);
        }
        if kept.text("summary").is_empty() {
            return Err(field_problem("summary", "You must specify a summary of the issue."));
        }
        let mut reporter = author.clone();
        reporter.remove("token");
        kept.set("reporter", reporter);
        let status = values.get("status");
        let status = status.map(|status| status.scalar().unwrap_or_else(|| status.text("name"))).unwrap_or_default();
        let status = STATUSES.iter().find(|known| known.1.eq_ignore_ascii_case(&status)).unwrap_or(&STATUSES[0]);
        kept.set("status", status.0);
        if status.2 == "done" {
            resolve(&mut kept, true, now);
        }
        Ok(obj! {
            "id" => &id, "key" => &key, "project" => project, "created" => now, "updated" => now, "moved" => now,
            "fields" => kept, "histories" => list![], "keys" => list![&key],
        })
    }

    /// Makes a lot of issues; gives the number of the first.
    pub(crate) fn generate(
        &mut self,
        project: &str,
        values: &Json,
        lot: &crate::LotSpec,
        author: &Json,
    ) -> Result<String, Reply> {
        // the first issue is made, looked at, and taken back: its pattern is that of all
        let mark = self.store.mark();
        let to = values.get("status").and_then(Json::scalar);
        let mut first = values.clone();
        first.remove("status");
        let mut pattern = self.new_issue(project, &first, author)?;
        if let Some(to) = to {
            let mut kept = pattern.get("fields").cloned().unwrap_or_default();
            if let Some(items) = self.to_status(&mut pattern, &mut kept, &to)? {
                let history = obj! {"id" => "0", "author" => author, "created" => 0, "items" => Json::List(items)};
                pattern.set("histories", list![history]);
            }
            pattern.set("fields", kept);
        }
        self.store.rollback(mark);
        self.ensure_project(project);
        let number = self.store.next("issue", 10001);
        let key = self.store.next(&format!("key:{project}"), 1);
        let count = i64::try_from(lot.count).unwrap_or(i64::MAX);
        self.store.put("counter", "issue", obj! {"n" => number + count - 1});
        self.store.put("counter", &format!("key:{project}"), obj! {"n" => key + count - 1});
        let kept = obj! {
            "project" => project, "first" => number, "first_key" => key, "count" => count, "from" => lot.from.as_millisecond(),
            "step_ms" => lot.step_ms, "tied" => lot.tied, "pattern" => pattern,
        };
        let name = self.store.next("lot", 1).to_string();
        self.lots.push(Lot::new(&kept));
        self.store.put("lots", &name, kept);
        Ok(number.to_string())
    }

    /// Changes fields and status of an issue: one history with one item for each field that really changed.
    pub(crate) fn edit(&mut self, id: &str, author: &Json, values: &Json, to: Option<&str>) -> Result<bool, Reply> {
        let mut issue = self.issue(id)?;
        if issue.has("archived") && !self.caller.trusted {
            return Err(problem(400, "Issue is archived and cannot be edited."));
        }
        let project = issue.text("project");
        let mut kept = issue.get("fields").cloned().unwrap_or_default();
        let mut items = Vec::new();
        for (name, value) in values.members() {
            let field = self.field(name).filter(|field| field.kind != "system" && field.id != "updated").cloned();
            let Some(field) = field else { return Err(not_on_screen(name)) };
            let (old, new) = (kept.get(name).cloned().unwrap_or_default(), self.taken(&field, value, &project)?);
            let same = if field.kind == "number" { old.number() == new.number() } else { old == new };
            if same {
                continue;
            }
            let text = |value: &Json| (fields::reference(&field, value), fields::display(&field, value));
            let ((from, from_string), (to, to_string)) = (text(&old), text(&new));
            let custom = field.number().is_some();
            let shown = match field.id.as_str() {
                "fixVersions" => "Fix Version",
                _ if custom => &field.name,
                id => id,
            };
            items.push(obj! {
                "field" => shown, "fieldtype" => if custom { "custom" } else { "jira" }, "fieldId" => &field.id,
                "from" => from, "fromString" => from_string, "to" => to, "toString" => to_string,
            });
            kept.set(name, new);
        }
        let moved = match to {
            Some(to) => self.to_status(&mut issue, &mut kept, to)?,
            None => None,
        };
        let kind = self.event_kind(moved.is_some(), &kept);
        items.extend(moved.unwrap_or_default());
        if items.is_empty() {
            return Ok(false);
        }
        issue.set("fields", kept);
        self.log(issue, author, items, kind);
        Ok(true)
    }

    /// Items of a change of status, if it is one.
    fn to_status(&self, issue: &mut Json, kept: &mut Json, to: &str) -> Result<Option<Vec<Json>>, Reply> {
        let now = self.clock.millis();
        let found = STATUSES.iter().find(|known| known.0 == to || known.1.eq_ignore_ascii_case(to));
        let new = found.ok_or_else(|| problem(400, &format!("no status is called '{to}'")))?;
        let old = STATUSES.iter().find(|known| known.0 == kept.text("status")).unwrap_or(&STATUSES[0]);
        if old.0 == new.0 {
            return Ok(None);
        }
        let mut items = Vec::new();
        if old.2 != new.2 {
            issue.set("moved", now);
            items.extend(resolve(kept, new.2 == "done", now));
        }
        items.push(obj! {
            "field" => "status", "fieldtype" => "jira", "fieldId" => "status", "from" => old.0, "fromString" => old.1,
            "to" => new.0, "toString" => new.1,
        });
        kept.set("status", new.0);
        Ok(Some(items))
    }

    /// Cloud calls transitions generic; a Data Center has a name for each.
    fn event_kind(&self, moved: bool, kept: &Json) -> &'static str {
        let status = STATUSES.iter().find(|known| known.0 == kept.text("status"));
        match (moved, self.is_server(), status.map(|known| known.2)) {
            (false, ..) => "issue_updated",
            (true, false, _) => "issue_generic",
            (true, true, Some("done")) => "issue_resolved",
            (true, true, Some("new")) => "issue_reopened",
            (true, true, _) => "issue_work_started",
        }
    }

    /// Appends a history, keeps the issue and tells the webhooks.
    pub(crate) fn log(&mut self, mut issue: Json, author: &Json, items: Vec<Json>, kind: &str) {
        let now = self.clock.millis();
        let history = self.store.next("history", 10501).to_string();
        let mut author = author.clone();
        author.remove("token");
        let entry =
            obj! {"id" => &history, "author" => &author, "created" => now, "items" => Json::List(items.clone())};
        match issue.get_mut("histories") {
            Some(histories) => histories.push(entry),
            None => issue.set("histories", list![entry]),
        }
        issue.set("updated", now);
        self.keep(issue.clone());
        let log = obj! {"id" => history, "items" => Json::List(items)};
        self.tell(&News::of_issue("jira:issue_updated", kind, &issue, &author).with_log(&log));
    }

    /// Moves an issue: a new key, the same id; the old key goes on resolving.
    pub(crate) fn move_to(&mut self, id: &str, author: &Json, project: &str) -> Result<String, Reply> {
        let mut issue = self.issue(id)?;
        self.ensure_project(project);
        let (old, old_project) = (issue.text("key"), issue.text("project"));
        let key = format!("{project}-{}", self.store.next(&format!("key:{project}"), 1));
        for known in [&old, &key] {
            self.store.put("keys", known, issue.text("id"));
        }
        let mut keys = issue.list("keys").to_vec();
        keys.push(Json::from(&key));
        issue.set("keys", keys);
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
        self.tell(&News::of_issue("jira:issue_deleted", "", &issue, author));
        let id = issue.text("id");
        for key in issue.list("keys").iter().chain(issue.get("key")).filter_map(Json::scalar) {
            self.store.remove("keys", &key);
        }
        self.store.remove("index", &id);
        self.store.remove("issues", &id);
        if self.made(&id).is_some() {
            self.store.put("issues", &id, Json::object());
        }
        Ok(())
    }

    /// Archives issues, or brings them back: they drop out of search and can only be read.
    pub(crate) fn archive(&mut self, id: &str, archived: bool) -> Result<(), Reply> {
        let mut issue = self.issue(id)?;
        if archived {
            issue.set("archived", true);
        } else {
            issue.remove("archived");
        }
        self.keep(issue);
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
