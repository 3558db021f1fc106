//! Projects, and their versions, which some use as milestones.

use super::fields;
use super::state::{Answer, State, field_problem, problem};
use super::webhooks::News;
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

fn none() -> Json {
    Json::object()
}

impl State {
    /// The project of a key or number, if the caller may see it.
    fn project_named(&self, key_or_id: &str) -> Result<Json, Reply> {
        let fits = |kept: &Json| kept.text("key").eq_ignore_ascii_case(key_or_id) || kept.text("id") == key_or_id;
        let found = self.store.all("projects").map(|(_, kept)| kept).find(|kept| fits(kept));
        let seen = found.filter(|kept| self.may_see(&obj! {"project" => kept.text("key"), "id" => ""}));
        seen.cloned().ok_or_else(|| problem(404, &format!("No project could be found with key '{key_or_id}'.")))
    }

    pub(crate) fn on_project(&mut self, call: &Call, api: &str, rest: &[&str]) -> Answer {
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let rows =
                    self.visible_projects("live").iter().map(|kept| self.project(&kept.text("key"), api)).collect();
                Ok(Reply::json(200, &Json::List(rows)))
            }
            ("GET", ["search"]) => self.search_projects(call, api),
            ("GET", [key]) => {
                let kept = self.project_named(key)?;
                self.cost += 1;
                let types = list![obj! {"id" => "10001", "name" => "Milestone", "subtask" => false}];
                Ok(Reply::json(200, &self.project(&kept.text("key"), api).with("issueTypes", types)))
            }
            ("GET", [key, "statuses"]) => {
                self.project_named(key)?;
                let all =
                    fields::STATUSES.iter().map(|known| fields::status(known.0, &self.caller.link, api)).collect();
                let row =
                    obj! {"id" => "10001", "name" => "Milestone", "subtask" => false, "statuses" => Json::List(all)};
                Ok(Reply::json(200, &list![row]))
            }
            ("GET", [key, "versions"]) => {
                let rows = self.versions_of(&self.project_named(key)?, api);
                Ok(Reply::json(200, &Json::List(rows)))
            }
            ("GET", [key, "version"]) => {
                let rows = self.versions_of(&self.project_named(key)?, api);
                Ok(Reply::json(200, &paged(call, rows, &format!("{}/project/{key}/version", self.rest(api)))))
            }
            _ => Err(Reply::empty(405)),
        }
    }

    fn visible_projects(&self, statuses: &str) -> Vec<Json> {
        let wanted = |kept: &&Json| {
            statuses.split(',').any(|status| status == kept.text("status"))
                && (kept.text("status") == "deleted" || self.may_see(&obj! {"project" => kept.text("key"), "id" => ""}))
        };
        self.store.all("projects").map(|(_, kept)| kept).filter(wanted).cloned().collect()
    }

    fn search_projects(&mut self, call: &Call, api: &str) -> Answer {
        let found = self.visible_projects(call.param("status").unwrap_or("live"));
        self.cost += u64::try_from(found.len()).unwrap_or_default();
        let rows = found.iter().map(|kept| {
            let shown = self.project(&kept.text("key"), api);
            if kept.text("status") == "deleted" { shown.with("deleted", true) } else { shown }
        });
        Ok(Reply::json(200, &paged(call, rows.collect(), &format!("{}/project/search", self.rest(api)))))
    }

    /// Sets whether a project is `live`, `archived` or `deleted`.
    pub(crate) fn set_project(&mut self, key: &str, status: &str) {
        self.ensure_project(key);
        let kept = self.store.get("projects", key).cloned().unwrap_or_default();
        self.store.put("projects", key, kept.with("status", status));
        let event = match status {
            "archived" => "project_archived",
            "deleted" => "project_soft_deleted",
            _ => "project_restored_archived",
        };
        let about = self.project(key, "2");
        self.tell(&News::of_issue(event, "", &none(), &Json::Null).about("project", about));
    }

    fn versions_of(&self, project: &Json, api: &str) -> Vec<Json> {
        let id = project.text("id");
        let own = self.store.all("versions").filter(|(_, kept)| kept.text("projectId") == id);
        own.filter_map(|(id, _)| self.version(id, api)).collect()
    }

    pub(crate) fn version(&self, id: &str, api: &str) -> Option<Json> {
        let kept = self.store.get("versions", id)?;
        let mut shown = obj! {"self" => format!("{}/version/{id}", self.rest(api)), "id" => id};
        for (name, value) in kept.members().iter().filter(|(name, value)| name != "approvers" && !value.is_null()) {
            shown.set(name, value);
        }
        let today = self.clock.now().to_zoned(self.caller.zone.clone()).date().to_string();
        let due = kept.text("releaseDate");
        if !due.is_empty() && !kept.get("released").is_some_and(Json::is_true) {
            shown.set("overdue", due < today);
        }
        Some(shown)
    }

    /// A version that a client names by id or name.
    pub(crate) fn version_named(&self, project: &str, wanted: &Json) -> Result<Json, Reply> {
        let project = self.store.get("projects", project).map(|kept| kept.text("id")).unwrap_or_default();
        let (id, name) = (wanted.text("id"), wanted.text("name"));
        let name = if id.is_empty() && name.is_empty() { wanted.text_of() } else { name };
        let fits = |kept: &(&str, &Json)| kept.0 == id || (!name.is_empty() && kept.1.text("name") == name);
        let own = self.store.all("versions").filter(|(_, kept)| kept.text("projectId") == project);
        match own.into_iter().find(|kept| fits(kept)) {
            Some((id, kept)) => Ok(obj! {"id" => id, "name" => kept.text("name")}),
            None => Err(field_problem("fixVersions", &format!("Version name '{name}' is not valid"))),
        }
    }

    pub(crate) fn on_version(&mut self, call: &Call, api: &str, rest: &[&str]) -> Answer {
        let body = || call.json().map_err(|_| problem(400, "Invalid JSON"));
        let unknown = |id: &str| problem(404, &format!("Could not find version for id '{id}'"));
        match (call.method.as_str(), rest) {
            ("POST", []) => {
                let body = body()?;
                let project = [body.text("projectId"), body.text("project")].into_iter().find(|text| !text.is_empty());
                let project = self.project_named(&project.unwrap_or_default())?;
                let id = self.add_version(&project.text("key"), &body)?;
                Ok(Reply::json(201, &self.version(&id, api).unwrap_or_default()))
            }
            (_, [id]) if self.store.get("versions", id).is_none() => Err(unknown(id)),
            ("GET", [id]) => {
                let mut shown = self.version(id, api).unwrap_or_default();
                let expand = call.param("expand").unwrap_or_default();
                if expand.contains("approvers") {
                    let approvers = self.store.get("versions", id).and_then(|kept| kept.get("approvers").cloned());
                    shown.set("approvers", approvers.unwrap_or_else(|| list![]));
                }
                if expand.contains("issuesstatus") {
                    shown.set("issuesStatusForFixVersion", self.counted(id));
                }
                Ok(Reply::json(200, &shown))
            }
            ("GET", [id, "relatedIssueCounts"]) => {
                let counts = self.counted(id);
                let sum: i64 = counts.members().iter().map(|(name, _)| counts.int(name)).sum();
                let own = format!("{}/version/{id}", self.rest(api));
                Ok(Reply::json(
                    200,
                    &obj! {"self" => own, "issuesFixedCount" => sum, "issuesAffectedCount" => 0, "issueCountWithCustomFieldsShowingVersion" => 0},
                ))
            }
            ("GET", [id, "unresolvedIssueCount"]) => {
                let counts = self.counted(id);
                let open = counts.int("toDo") + counts.int("inProgress");
                let own = format!("{}/version/{id}", self.rest(api));
                Ok(Reply::json(
                    200,
                    &obj! {"self" => own, "issuesCount" => open + counts.int("done"), "issuesUnresolvedCount" => open},
                ))
            }
            ("PUT", [id]) => {
                self.change_version(id, &body()?);
                Ok(Reply::json(200, &self.version(id, api).unwrap_or_default()))
            }
            ("DELETE", [id]) => {
                let to = call.param("moveFixIssuesTo").map(str::to_string);
                self.remove_version(id, to.as_deref())?;
                Ok(Reply::empty(204))
            }
            ("PUT", [id, "mergeto", to]) => {
                self.remove_version(id, Some(to))?;
                Ok(Reply::empty(204))
            }
            _ => Err(Reply::empty(405)),
        }
    }

    /// Creates a version of a project and gives its id.
    pub(crate) fn add_version(&mut self, project: &str, body: &Json) -> Result<String, Reply> {
        self.ensure_project(project);
        if body.text("name").is_empty() {
            return Err(field_problem("name", "You must specify a valid version name"));
        }
        let id = self.store.next("version", 10000).to_string();
        let number = self.store.get("projects", project).map(|kept| kept.int("id")).unwrap_or_default();
        let mut kept = obj! {"description" => body.text("description"), "archived" => false, "released" => false};
        for name in ["name", "archived", "released", "startDate", "releaseDate", "approvers"] {
            if let Some(value) = body.get(name) {
                kept.set(name, value);
            }
        }
        kept.set("projectId", number);
        self.store.put("versions", &id, kept);
        self.tell_version("jira:version_created", &id);
        Ok(id)
    }

    /// Changes a version; releasing one that is released changes nothing.
    pub(crate) fn change_version(&mut self, id: &str, body: &Json) {
        let old = self.store.get("versions", id).cloned().unwrap_or_default();
        let mut kept = old.clone();
        for (name, value) in body.members().iter().filter(|(name, _)| name != "id" && name != "projectId") {
            kept.set(name, value);
        }
        if kept == old {
            return;
        }
        let was = |json: &Json| json.get("released").is_some_and(Json::is_true);
        let event = match (was(&old), was(&kept)) {
            (false, true) => "jira:version_released",
            (true, false) => "jira:version_unreleased",
            _ => "jira:version_updated",
        };
        self.store.put("versions", id, kept);
        self.tell_version(event, id);
    }

    /// Its issues go to another version, and the old id is not found any more.
    fn remove_version(&mut self, id: &str, to: Option<&str>) -> Result<(), Reply> {
        let about = self.version(id, "2").unwrap_or_default();
        let target = to.and_then(|to| Some(obj! {"id" => to, "name" => self.store.get("versions", to)?.text("name")}));
        let has = |issue: &Json| issue.list("fields.fixVersions").iter().any(|version| version.text("id") == id);
        let issues: Vec<Json> =
            self.by_change(i64::MIN..=i64::MAX).filter(|issue| has(issue)).map(|issue| issue.into_owned()).collect();
        let author = self.caller.person.clone();
        for issue in issues {
            let mut versions = issue.list("fields.fixVersions").to_vec();
            versions.retain(|version| version.text("id") != id);
            versions.extend(target.clone());
            self.edit(&issue.text("id"), &author, &obj! {"fixVersions" => versions}, None)?;
        }
        self.store.remove("versions", id);
        let about = match to.and_then(|to| self.version(to, "2")) {
            Some(into) => about.with("mergedTo", into),
            None => about,
        };
        self.tell(&News::of_issue("jira:version_deleted", "", &none(), &author).about("version", about));
        Ok(())
    }

    fn tell_version(&mut self, event: &str, id: &str) {
        let about = self.version(id, "2").unwrap_or_default();
        self.tell(&News::of_issue(event, "", &none(), &Json::Null).about("version", about));
    }

    /// Issues of a version by the category of their status.
    fn counted(&self, id: &str) -> Json {
        let mut counts = obj! {"unmapped" => 0, "toDo" => 0, "inProgress" => 0, "done" => 0};
        let has = |issue: &Json| issue.list("fields.fixVersions").iter().any(|version| version.text("id") == id);
        for issue in self.by_change(i64::MIN..=i64::MAX).filter(|issue| has(issue)) {
            let status = issue.text("fields.status");
            let name = match fields::STATUSES.iter().find(|known| known.0 == status).map(|known| known.2) {
                Some("new") => "toDo",
                Some("done") => "done",
                _ => "inProgress",
            };
            let more = counts.int(name) + 1;
            counts.set(name, more);
        }
        counts
    }
}

/// A page of a list by offset.
pub(crate) fn paged(call: &Call, rows: Vec<Json>, own: &str) -> Json {
    let number = |name: &str| call.param(name).and_then(|text| text.parse::<usize>().ok());
    let (from, size) = (number("startAt").unwrap_or_default(), number("maxResults").unwrap_or(50).clamp(1, 50));
    let total = rows.len();
    let shown: Vec<Json> = rows.into_iter().skip(from).take(size).collect();
    let to = from + shown.len();
    let mut page = obj! {"self" => format!("{own}?startAt={from}&maxResults={size}")};
    if to < total {
        page.set("nextPage", format!("{own}?startAt={to}&maxResults={size}"));
    }
    page.set("maxResults", size);
    page.with("startAt", from).with("total", total).with("isLast", to >= total).with("values", shown)
}
