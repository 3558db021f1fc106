//! The calls on issues: one, many, their changes and their transitions.

use super::fields;
use super::http::{json, no_route, page};
use super::show::Wanted;
use super::state::{Answer, State, field_problem, problem};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

impl State {
    pub(crate) fn post_issue(&mut self, call: &Call, api: &str) -> Answer {
        let body = json(call)?;
        let project = body.text("fields.project.key");
        let project = if project.is_empty() {
            let id = body.text("fields.project.id");
            let known = self.store.all("projects").find(|(_, kept)| kept.text("id") == id);
            known.map(|(key, _)| key.to_string()).unwrap_or_default()
        } else {
            project
        };
        if self.store.get("projects", &project).is_none() {
            return Err(field_problem("project", "Specify a valid project ID or key"));
        }
        let author = self.caller.person.clone();
        let id = self.create(&project, body.get("fields").unwrap_or(&Json::Null), &author)?;
        self.set_properties(&id, body.list("properties"));
        let key = self.issue(&id)?.text("key");
        let own = format!("{}/issue/{id}", self.rest(api));
        Ok(Reply::json(201, &obj! {"id" => id, "key" => key, "self" => own}))
    }

    pub(crate) fn on_issue(&mut self, call: &Call, api: &str, issue: &str, rest: &[&str]) -> Answer {
        let kept = self.issue(issue)?;
        let id = kept.text("id");
        self.paced(call, &id)?;
        let me = self.caller.person.clone();
        match (call.method.as_str(), rest) {
            ("GET", []) => Ok(Reply::json(200, &self.one_issue(call, &kept, api))),
            ("PUT", []) => {
                let body = json(call)?;
                self.edit(&id, &me, &self.changes(&kept, &body), None)?;
                self.set_properties(&id, body.list("properties"));
                if call.param("returnIssue") == Some("true") {
                    let shown = self.shown(&self.issue(&id)?, &Wanted::new(std::iter::empty(), true), api);
                    return Ok(Reply::json(200, &shown));
                }
                Ok(Reply::empty(204))
            }
            ("DELETE", []) => {
                self.delete(&id, &me)?;
                Ok(Reply::empty(204))
            }
            ("PUT", ["assignee"]) => {
                let body = json(call)?;
                let named = ["accountId", "name"].iter().any(|name| !body.text(name).is_empty());
                self.edit(&id, &me, &obj! {"assignee" => if named { body } else { Json::Null }}, None)?;
                Ok(Reply::empty(204))
            }
            ("GET", ["changelog"]) if !self.is_server() => self.changelog(call, &kept),
            ("POST", ["changelog", "list"]) => {
                let body = json(call)?;
                let wanted: Vec<String> = body.list("changelogIds").iter().filter_map(Json::scalar).collect();
                let found = kept.list("histories").iter().filter(|history| wanted.contains(&history.text("id")));
                let rows: Vec<Json> = found.map(|history| self.history(history)).collect();
                let total = rows.len();
                Ok(Reply::json(
                    200,
                    &obj! {"startAt" => 0, "maxResults" => total, "total" => total, "histories" => rows},
                ))
            }
            ("GET", ["transitions"]) => Ok(Reply::json(200, &self.transitions(api, call.param("transitionId")))),
            ("POST", ["transitions"]) => {
                let body = json(call)?;
                let wanted = body.text("transition.id");
                if wanted.is_empty() {
                    return Err(problem(400, "Missing 'transition' identifier"));
                }
                let Some(known) = fields::STATUSES.iter().find(|known| known.3 == wanted) else {
                    return Err(problem(400, &format!("Transition id '{wanted}' is not valid for this issue.")));
                };
                let missing =
                    self.demanded(known.1).find(|field| !body.get("fields").is_some_and(|given| given.has(field)));
                if let Some(field) = missing {
                    return Err(problem(400, &format!("{field}: {field} is required.")));
                }
                self.edit(&id, &me, &self.changes(&kept, &body), Some(known.0))?;
                self.set_properties(&id, body.list("properties"));
                Ok(Reply::empty(204))
            }
            ("POST", ["attachments"]) => self.upload(call, api, &id),
            (_, ["comment", rest @ ..]) => self.comments(call, api, &id, rest),
            (_, ["properties", rest @ ..]) => self.on_property(call, api, &id, rest),
            (_, ["remotelink", rest @ ..]) => self.links(call, api, &id, rest),
            _ => Err(no_route(call)),
        }
    }

    /// What `fields` and `update` of a body say together; of operations only set, add and remove.
    fn changes(&self, issue: &Json, body: &Json) -> Json {
        let mut values = body.get("fields").cloned().unwrap_or_else(Json::object);
        for (name, operations) in body.get("update").map_or(&[][..], Json::members) {
            if name == "comment" {
                continue;
            }
            let mut value = issue.get("fields").and_then(|fields| fields.get(name)).cloned().unwrap_or_default();
            for operation in operations.items() {
                for (verb, given) in operation.members() {
                    let name_of =
                        |item: &Json| item.scalar().unwrap_or_else(|| item.text("name") + &item.text("value"));
                    let mut items = value.items().to_vec();
                    match verb.as_str() {
                        "set" => value = given.clone(),
                        "add" => {
                            items.push(given.clone());
                            value = Json::List(items);
                        }
                        _ => {
                            items.retain(|item| name_of(item) != name_of(given));
                            value = Json::List(items);
                        }
                    }
                }
            }
            values.set(name, value);
        }
        values
    }

    fn one_issue(&mut self, call: &Call, kept: &Json, api: &str) -> Json {
        self.cost += 1;
        let names = call.query.iter().filter(|(name, _)| name == "fields").flat_map(|(_, value)| value.split(','));
        let mut shown = self.shown(kept, &Wanted::new(names, true), api);
        let expand = call.param("expand").unwrap_or_default();
        if expand.contains("changelog") {
            shown.set("changelog", self.embedded(kept, self.settings.embedded_histories, false));
        }
        if expand.contains("transitions") {
            shown.set("transitions", self.transitions(api, None).get("transitions").cloned().unwrap_or_default());
        }
        self.name_fields(&mut shown, expand);
        if let Some(names) = call.param("properties") {
            shown.set("properties", self.properties(&kept.text("id"), names));
        }
        shown
    }

    fn changelog(&mut self, call: &Call, issue: &Json) -> Answer {
        let (from, size) = page(call, 100);
        let lost = self.quirk.take().as_deref() == Some("empty_changelog");
        let all = if lost { &[][..] } else { issue.list("histories") };
        let values: Vec<Json> = all.iter().skip(from).take(size).map(|kept| self.history(kept)).collect();
        let to = from + values.len();
        let path = format!("{}/issue/{}/changelog", self.rest("3"), issue.text("id"));
        let mut answer = obj! {"self" => format!("{path}?startAt={from}&maxResults={size}")};
        if to < all.len() {
            answer.set("nextPage", format!("{path}?startAt={to}&maxResults={size}"));
        }
        answer.set("maxResults", size);
        answer.set("startAt", from);
        Ok(Reply::json(200, &answer.with("total", all.len()).with("isLast", to >= all.len()).with("values", values)))
    }

    /// Histories of many issues, oldest first, only of the fields asked for; times are epoch milliseconds here.
    pub(crate) fn many_changelogs(&mut self, call: &Call) -> Answer {
        let body = json(call)?;
        let wanted: Vec<String> = body.list("fieldIds").iter().filter_map(Json::scalar).collect();
        let issues = body.list("issueIdsOrKeys");
        let size = if body.has("maxResults") { body.int("maxResults") } else { 1000 };
        if issues.is_empty() || issues.len() > 1000 || wanted.len() > 10 || !(1..=10_000).contains(&size) {
            let message = "The number of issue ids or keys has to be between 1 and 1000, that of field ids at most 10, that of \
                           results between 1 and 10000.";
            return Err(problem(400, message));
        }
        let (size, asked) = (usize::try_from(size).unwrap_or(1000), body.clone().with("nextPageToken", Json::Null));
        let mark = super::webhooks::sign("page", asked.to_string().as_bytes());
        let mark = mark.get(..12).unwrap_or_default();
        let token = body.text("nextPageToken");
        let from = match token.split_once('.') {
            _ if token.is_empty() => 0,
            Some((known, from)) if known == mark => from.parse().unwrap_or_default(),
            _ => return Err(problem(400, "The provided next page token is invalid or expired.")),
        };
        let lost = self.quirk.take().as_deref() == Some("empty_changelog");
        let mut rows: Vec<(String, Json)> = Vec::new();
        for issue in issues.iter().filter(|_| !lost).filter_map(|key| self.issue(&key.text_of()).ok()) {
            for kept in issue.list("histories") {
                let fits = |item: &&Json| wanted.is_empty() || wanted.contains(&item.text("fieldId"));
                let items: Vec<Json> = kept.list("items").iter().filter(fits).cloned().collect();
                if !items.is_empty() {
                    let mut shown = self.history(kept).with("items", items);
                    if !self.settings.bulk_changelog_text {
                        shown.set("created", kept.int("created"));
                    }
                    rows.push((issue.text("id"), shown));
                }
            }
        }
        let mut logs: Vec<(String, Vec<Json>)> = Vec::new();
        for (id, row) in rows.iter().skip(from).take(size) {
            match logs.last_mut().filter(|(last, _)| last == id) {
                Some((_, histories)) => histories.push(row.clone()),
                None => logs.push((id.clone(), vec![row.clone()])),
            }
        }
        self.cost += u64::try_from(logs.len()).unwrap_or_default();
        let logs = logs.into_iter().map(|(id, rows)| obj! {"issueId" => id, "changeHistories" => rows}).collect();
        let mut answer = obj! {"issueChangeLogs" => Json::List(logs)};
        if from + size < rows.len() {
            answer.set("nextPageToken", format!("{mark}.{}", from + size));
        }
        Ok(Reply::json(200, &answer))
    }

    /// Up to a hundred issues by id or key, in the order of their ids; what is not there, or not visible, is left out.
    pub(crate) fn many_issues(&mut self, call: &Call, api: &str) -> Answer {
        let body = json(call)?;
        let wanted_issues = body.list("issueIdsOrKeys");
        if wanted_issues.is_empty() || wanted_issues.len() > 100 {
            return Err(problem(400, "The number of issue ids or keys has to be between 1 and 100."));
        }
        let names: Vec<String> = body.list("fields").iter().filter_map(Json::scalar).collect();
        let wanted = Wanted::new(names.iter().map(String::as_str), true);
        let expands = |name: &str| body.list("expand").iter().any(|part| part.as_str() == Some(name));
        let properties: Vec<String> = body.list("properties").iter().filter_map(Json::scalar).collect();
        let mut found: Vec<Json> = wanted_issues.iter().filter_map(|key| self.issue(&key.text_of()).ok()).collect();
        found.sort_by_key(|issue| issue.int("id"));
        found.dedup_by_key(|issue| issue.int("id"));
        let show = |issue: &Json| {
            let mut shown = self.shown(issue, &wanted, api);
            if expands("changelog") {
                shown.set("changelog", self.embedded(issue, self.settings.embedded_histories_in_lists, true));
            }
            if !properties.is_empty() {
                shown.set("properties", self.properties(&issue.text("id"), &properties.join(",")));
            }
            shown
        };
        let shown: Vec<Json> = found.iter().map(show).collect();
        self.cost += u64::try_from(shown.len()).unwrap_or_default();
        let mut answer = obj! {"expand" => "names,schema", "issues" => shown, "issueErrors" => list![]};
        for name in ["names", "schema"] {
            if expands(name) {
                self.name_fields(&mut answer, name);
            }
        }
        Ok(Reply::json(200, &answer))
    }

    pub(crate) fn archive_many(&mut self, call: &Call, archived: bool) -> Answer {
        let body = json(call)?;
        let issues = body.list("issueIdsOrKeys");
        if issues.len() > 1000 {
            return Err(problem(412, "At most 1000 issues can be archived at once."));
        }
        let (mut done, mut missing) = (0, Vec::new());
        for key in issues.iter().map(Json::text_of) {
            match self.issue(&key).and_then(|issue| self.archive(&issue.text("id"), archived)) {
                Ok(()) => done += 1,
                Err(_) => missing.push(Json::from(key)),
            }
        }
        let mut errors = Json::object();
        if !missing.is_empty() {
            let count = missing.len();
            errors.set(
                "issuesNotFound",
                obj! {"count" => count, "issueIdsOrKeys" => missing, "message" => "Issue not found"},
            );
        }
        Ok(Reply::json(200, &obj! {"errors" => errors, "numberOfIssuesUpdated" => done}))
    }
}
