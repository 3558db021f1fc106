//! The REST paths of the simulated site.

use super::fields;
use super::search::reset_at;
use super::show::Wanted;
use super::state::{Answer, Person, State, field_problem, problem, unknown_issue};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

pub(crate) const USER: &str = "mia@example.test";
const TOKEN: &str = "api-token";
const GONE: &str = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration \
                    guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046";

fn no_route(call: &Call) -> Reply {
    let body = obj! {
        "type" => "about:blank", "title" => "Not Found", "status" => 404,
        "detail" => format!("No static resource {}.", call.path.trim_start_matches('/')), "instance" => &call.path,
    };
    Reply::json(404, &body).header("content-type", "application/problem+json")
}

fn json(call: &Call) -> Result<Json, Reply> {
    if !call.body.is_empty() && call.header("content-type").is_none_or(|kind| !kind.contains("json")) {
        return Err(Reply::empty(415));
    }
    call.json().map_err(|_| {
        Reply::json(
            400,
            &obj! {"errorMessages" => list!["There was an error parsing JSON. Check that your request body is valid."]},
        )
    })
}

fn page(call: &Call, most: usize) -> (usize, usize) {
    let number = |name: &str| call.param(name).and_then(|text| text.parse::<usize>().ok());
    (number("startAt").unwrap_or_default(), number("maxResults").unwrap_or(most).clamp(1, most))
}

impl State {
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        let trace = format!("{:032x}", self.clock.millis());
        let answer = self.answer(call).unwrap_or_else(|refusal| refusal);
        answer.header("atl-traceid", trace.clone()).header("x-arequestid", trace)
    }

    fn answer(&mut self, call: &Call) -> Answer {
        if std::mem::take(&mut self.revoked) && !call.trusted {
            return Err(unauthorized());
        }
        let known = match (call.basic(), call.bearer()) {
            _ if call.trusted => true,
            (Some((user, token)), _) if user == USER && token == TOKEN => true,
            (None, Some(token)) if token == TOKEN => true,
            (None, None) => false,
            _ => return Err(unauthorized()),
        };
        let parts = call.parts();
        // through the gateway of scoped tokens, and with the context path of a data centre
        let start = parts.iter().position(|part| *part == "rest").ok_or_else(|| no_route(call))?;
        let ["rest", "api", api, rest @ ..] = &parts[start..] else { return Err(no_route(call)) };
        let api = if *api == "3" { "3" } else { "2" };
        match (call.method.as_str(), rest) {
            ("GET", ["serverInfo"]) => Ok(Reply::json(200, &self.server_info())),
            ("GET", ["myself"]) if !known => Err(unauthorized()),
            ("GET", ["myself"]) => Ok(Reply::json(200, &self.person(&Person::integration().kept(), true))),
            (_, ["search"]) => Err(problem(410, GONE)),
            ("GET" | "POST", ["search", "jql"]) => self.search(call, api, !known),
            _ if !known => Err(unknown_issue()),
            ("GET", ["field"]) => Ok(Reply::json(200, &fields::describe())),
            ("GET", ["status"]) => {
                let all = fields::STATUSES.iter().map(|known| fields::status(known.0, &self.base, api)).collect();
                Ok(Reply::json(200, &Json::List(all)))
            }
            ("GET", ["project", key]) => Ok(Reply::json(200, &self.project(key, api))),
            ("POST", ["search", "approximate-count"]) => self.approximate(call),
            ("POST", ["jql", "parse"]) => self.parse_many(call),
            ("POST", ["changelog", "bulkfetch"]) => self.many_changelogs(call),
            ("POST", ["issue", "bulkfetch"]) => self.many_issues(call, api),
            ("POST", ["issue"]) => self.new_issue(call, api),
            ("GET", ["attachment", "content", id]) => self.file(id, true),
            ("GET", ["attachment", id]) => self.file(id, false),
            (_, ["issue", issue, rest @ ..]) => self.on_issue(call, api, issue, rest),
            _ => Err(no_route(call)),
        }
    }

    fn new_issue(&mut self, call: &Call, api: &str) -> Answer {
        let body = json(call)?;
        let project = body.text("fields.project.key");
        let project = if project.is_empty() { body.text("fields.project.id") } else { project };
        if project.is_empty() {
            return Err(field_problem("project", "Specify a valid project ID or key"));
        }
        let id = self.create(&project, body.get("fields").unwrap_or(&Json::Null), &Person::integration().kept())?;
        let key = self.issue(&id)?.text("key");
        let own = format!("{}/rest/api/{api}/issue/{id}", self.base);
        Ok(Reply::json(201, &obj! {"id" => id, "key" => key, "self" => own}))
    }

    /// Twenty writes to one issue in two seconds, where the limit is on.
    fn paced(&mut self, call: &Call, id: &str) -> Result<(), Reply> {
        let Some(most) = self.burst else { return Ok(()) };
        if call.method == "GET" || call.trusted {
            return Ok(());
        }
        let now = self.clock.millis();
        let recent = self.writes.entry(id.to_string()).or_default();
        recent.retain(|at| *at > now - 2000);
        if recent.len() >= most {
            return Err(throttled(self.clock.now(), "jira-per-issue-on-write"));
        }
        recent.push(now);
        Ok(())
    }

    fn on_issue(&mut self, call: &Call, api: &str, issue: &str, rest: &[&str]) -> Answer {
        let kept = self.issue(issue)?;
        let id = kept.text("id");
        self.paced(call, &id)?;
        let me = Person::integration().kept();
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let names =
                    call.query.iter().filter(|(name, _)| name == "fields").flat_map(|(_, value)| value.split(','));
                let wanted = Wanted::new(names, true);
                let mut shown = self.shown(&kept, &wanted, api);
                if call.param("expand").is_some_and(|expand| expand.contains("changelog")) {
                    shown.set("changelog", self.embedded(&kept));
                }
                if let Some(names) = call.param("properties") {
                    shown.set("properties", self.properties(&id, names));
                }
                Ok(Reply::json(200, &shown))
            }
            ("PUT", []) => {
                let body = json(call)?;
                self.edit(&id, &me, body.get("fields").unwrap_or(&Json::Null), None)?;
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
            ("GET", ["changelog"]) => self.changelog(call, &kept),
            ("GET", ["transitions"]) => Ok(Reply::json(200, &self.transitions(api))),
            ("POST", ["transitions"]) => {
                let body = json(call)?;
                let wanted = body.text("transition.id");
                if wanted.is_empty() {
                    return Err(problem(400, "Missing 'transition' identifier"));
                }
                let Some(known) = fields::STATUSES.iter().find(|known| known.3 == wanted) else {
                    return Err(problem(400, &format!("Transition id '{wanted}' is not valid for this issue.")));
                };
                self.edit(&id, &me, body.get("fields").unwrap_or(&Json::Null), Some(known.0))?;
                self.set_properties(&id, body.list("properties"));
                Ok(Reply::empty(204))
            }
            (_, ["comment", rest @ ..]) => self.comments(call, api, &id, rest),
            (_, ["properties", rest @ ..]) => self.on_property(call, &id, rest),
            (_, ["remotelink", rest @ ..]) => self.links(call, api, &id, rest),
            _ => Err(no_route(call)),
        }
    }

    fn changelog(&self, call: &Call, issue: &Json) -> Answer {
        let (from, size) = page(call, 100);
        let all = issue.list("histories");
        let values: Vec<Json> = all.iter().skip(from).take(size).map(|kept| self.history(kept)).collect();
        let to = from + values.len();
        let path = format!("{}/rest/api/3/issue/{}/changelog", self.base, issue.text("id"));
        let mut answer = obj! {"self" => format!("{path}?startAt={from}&maxResults={size}")};
        if to < all.len() {
            answer.set("nextPage", format!("{path}?startAt={to}&maxResults={size}"));
        }
        answer.set("maxResults", size);
        answer.set("startAt", from);
        Ok(Reply::json(200, &answer.with("total", all.len()).with("isLast", to >= all.len()).with("values", values)))
    }

    /// Histories of many issues, oldest first, only of the fields asked for; times are epoch milliseconds here.
    fn many_changelogs(&self, call: &Call) -> Answer {
        let body = json(call)?;
        let wanted: Vec<String> = body.list("fieldIds").iter().filter_map(Json::scalar).collect();
        let issues = body.list("issueIdsOrKeys");
        if issues.is_empty() || issues.len() > 1000 || wanted.len() > 10 {
            return Err(problem(
                400,
                "The number of issue ids or keys has to be between 1 and 1000, that of field ids at most 10.",
            ));
        }
        let mut rows: Vec<(String, Json)> = Vec::new();
        for issue in issues.iter().filter_map(|key| self.issue(&key.text_of()).ok()) {
            for kept in issue.list("histories") {
                let items = kept
                    .list("items")
                    .iter()
                    .filter(|item| wanted.is_empty() || wanted.contains(&item.text("fieldId")));
                let items: Vec<Json> = items.cloned().collect();
                if !items.is_empty() {
                    let shown = self.history(kept).with("created", kept.int("created")).with("items", items);
                    rows.push((issue.text("id"), shown));
                }
            }
        }
        let from = body.text("nextPageToken").parse::<usize>().unwrap_or_default();
        let size = if body.has("maxResults") { usize::try_from(body.int("maxResults")).unwrap_or(1000) } else { 1000 };
        let mut logs: Vec<(String, Vec<Json>)> = Vec::new();
        for (id, row) in rows.iter().skip(from).take(size.clamp(1, 10_000)) {
            match logs.last_mut().filter(|(last, _)| last == id) {
                Some((_, histories)) => histories.push(row.clone()),
                None => logs.push((id.clone(), vec![row.clone()])),
            }
        }
        let logs = logs.into_iter().map(|(id, rows)| obj! {"issueId" => id, "changeHistories" => rows}).collect();
        let mut answer = obj! {"issueChangeLogs" => Json::List(logs)};
        if from + size < rows.len() {
            answer.set("nextPageToken", (from + size).to_string());
        }
        Ok(Reply::json(200, &answer))
    }

    fn many_issues(&self, call: &Call, api: &str) -> Answer {
        let body = json(call)?;
        if body.list("issueIdsOrKeys").len() > 100 {
            return Err(problem(400, "The number of issue ids or keys has to be at most 100."));
        }
        let names: Vec<String> = body.list("fields").iter().filter_map(Json::scalar).collect();
        let wanted = Wanted::new(names.iter().map(String::as_str), true);
        let expand = body.list("expand").iter().any(|part| part.as_str() == Some("changelog"));
        let mut found: Vec<Json> =
            body.list("issueIdsOrKeys").iter().filter_map(|key| self.issue(&key.text_of()).ok()).collect();
        found.sort_by_key(|issue| issue.int("id"));
        found.dedup_by_key(|issue| issue.int("id"));
        let show = |issue: &Json| {
            let shown = self.shown(issue, &wanted, api);
            if expand { shown.with("changelog", self.embedded(issue)) } else { shown }
        };
        Ok(Reply::json(
            200,
            &obj! {"expand" => "names,schema", "issues" => Json::List(found.iter().map(show).collect()), "issueErrors" => list![]},
        ))
    }

    fn comments(&mut self, call: &Call, api: &str, id: &str, rest: &[&str]) -> Answer {
        let place = format!("comments:{id}");
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let (from, size) = page(call, 5000);
                let mut all: Vec<Json> = self.store.all(&place).map(|(_, kept)| self.comment(kept, id, api)).collect();
                if call.param("orderBy").is_some_and(|order| order.starts_with('-')) {
                    all.reverse();
                }
                let total = all.len();
                let rows: Vec<Json> = all.into_iter().skip(from).take(size).collect();
                Ok(Reply::json(
                    200,
                    &obj! {"startAt" => from, "maxResults" => size, "total" => total, "comments" => rows},
                ))
            }
            ("POST", []) => {
                let body = json(call)?;
                let text = match body.get("body") {
                    Some(text) if text.text("type") == "doc" && api == "3" => text.clone(),
                    Some(Json::Text(text)) if api == "2" => fields::adf(text),
                    _ => return Err(field_problem("comment", "Comment body is not valid!")),
                };
                let number = self.store.next("comment", 10100).to_string();
                let author = Person::integration().kept();
                let kept =
                    obj! {"id" => &number, "author" => &author, "body" => text, "created" => self.clock.millis()};
                self.store.put(&place, &number, kept.clone());
                let issue = self.issue(id)?;
                self.tell("comment_created", None, &issue, &author, None);
                Ok(Reply::json(201, &self.comment(&kept, id, api)))
            }
            ("GET", [comment]) => match self.store.get(&place, comment) {
                Some(kept) => Ok(Reply::json(200, &self.comment(kept, id, api))),
                None => Err(problem(404, "Can not find a comment for the id.")),
            },
            ("DELETE", [comment]) => {
                self.store.remove(&place, comment);
                Ok(Reply::empty(204))
            }
            _ => Err(no_route(call)),
        }
    }

    fn properties(&self, id: &str, names: &str) -> Json {
        let place = format!("props:{id}");
        let wanted = |name: &str| names.split(',').any(|wanted| wanted == name || wanted == "*all");
        let found = self.store.all(&place).filter(|(name, _)| wanted(name));
        Json::Object(found.map(|(name, value)| (name.to_string(), value.clone())).collect())
    }

    fn set_properties(&mut self, id: &str, properties: &[Json]) {
        for property in properties {
            let value = property.get("value").cloned().unwrap_or_default();
            self.store.put(&format!("props:{id}"), &property.text("key"), value);
        }
    }

    fn on_property(&mut self, call: &Call, id: &str, rest: &[&str]) -> Answer {
        let place = format!("props:{id}");
        let absent = |key: &str| problem(404, &format!("The property with key '{key}' does not exist for the issue."));
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let own = |key: &str| format!("{}/rest/api/3/issue/{id}/properties/{key}", self.base);
                let keys = self.store.all(&place).map(|(key, _)| obj! {"self" => own(key), "key" => key});
                Ok(Reply::json(200, &obj! {"keys" => Json::List(keys.collect())}))
            }
            ("GET", [key]) => match self.store.get(&place, key) {
                Some(value) => Ok(Reply::json(200, &obj! {"key" => *key, "value" => value})),
                None => Err(absent(key)),
            },
            ("PUT", [key]) => {
                if call.body.is_empty() || call.body.len() > 32_768 || key.len() > 255 {
                    return Err(problem(
                        400,
                        "The property value must be a valid, non-empty JSON of at most 32768 characters.",
                    ));
                }
                let value = json(call)?;
                let fresh = self.store.get(&place, key).is_none();
                self.store.put(&place, key, value);
                let issue = self.issue(id)?;
                self.tell("issue_property_set", None, &issue, &Person::integration().kept(), None);
                Ok(Reply::json(if fresh { 201 } else { 200 }, &Json::object()))
            }
            ("DELETE", [key]) => match self.store.remove(&place, key) {
                Some(_) => Ok(Reply::empty(204)),
                None => Err(absent(key)),
            },
            _ => Err(no_route(call)),
        }
    }

    fn links(&mut self, call: &Call, api: &str, id: &str, rest: &[&str]) -> Answer {
        let place = format!("links:{id}");
        let by_global = |state: &State, global: &str| {
            let found = state.store.all(&place).find(|(_, kept)| kept.text("globalId") == global);
            found.map(|(number, kept)| (number.to_string(), kept.clone()))
        };
        match (call.method.as_str(), rest) {
            ("GET", []) => match call.param("globalId") {
                Some(global) => match by_global(self, global) {
                    Some((_, kept)) => Ok(Reply::json(200, &kept)),
                    None => Err(problem(404, "The remote issue link does not exist.")),
                },
                None => {
                    Ok(Reply::json(200, &Json::List(self.store.all(&place).map(|(_, kept)| kept.clone()).collect())))
                }
            },
            ("POST", []) => {
                let body = json(call)?;
                for name in ["title", "url"] {
                    if body.text(&format!("object.{name}")).is_empty() {
                        return Err(field_problem(name, &format!("'{name}' is required.")));
                    }
                }
                let global = body.text("globalId");
                let known = if global.is_empty() { None } else { by_global(self, &global) };
                let status = if known.is_some() { 200 } else { 201 };
                let number = known.map_or_else(|| self.store.next("link", 10000).to_string(), |(number, _)| number);
                let own = format!("{}/rest/api/{api}/issue/{id}/remotelink/{number}", self.base);
                let numeric = Json::Number(number.clone());
                let mut kept = obj! {"id" => &numeric, "self" => &own};
                for name in ["globalId", "application", "relationship", "object"] {
                    kept.set(name, body.get(name).cloned().unwrap_or_default());
                }
                self.store.put(&place, &number, kept);
                Ok(Reply::json(status, &obj! {"id" => numeric, "self" => own}))
            }
            ("GET", [number]) => match self.store.get(&place, number) {
                Some(kept) => Ok(Reply::json(200, kept)),
                None => Err(problem(404, "The remote issue link does not exist.")),
            },
            // the vendor wants a content type even where there is no body
            ("DELETE", _) if call.header("content-type").is_none() => Err(Reply::empty(415)),
            ("DELETE", rest) => {
                let global =
                    call.param("globalId").and_then(|global| by_global(self, global)).map(|(number, _)| number);
                let number = rest.first().map(|number| number.to_string()).or(global).unwrap_or_default();
                match self.store.remove(&place, &number) {
                    Some(_) => Ok(Reply::empty(204)),
                    None => Err(problem(404, "The remote issue link does not exist.")),
                }
            }
            _ => Err(no_route(call)),
        }
    }

    fn file(&self, id: &str, content: bool) -> Answer {
        let files = self.store.all("issues").flat_map(|(_, issue)| issue.list("fields.attachment").iter());
        let Some(file) = files.into_iter().find(|file| file.text("id") == id) else {
            return Err(problem(404, "The attachment with id does not exist."));
        };
        if content {
            return Ok(Reply::empty(200).header("content-type", file.text("mimeType")).body(file.text("filename")));
        }
        // here, and only here, the id is a number
        Ok(Reply::json(200, &self.attachment(file).with("id", Json::Number(id.to_string()))))
    }
}

fn unauthorized() -> Reply {
    problem(401, "Client must be authenticated to access this resource.")
        .header("www-authenticate", "Basic realm=\"Jira\"")
}

pub(crate) fn throttled(now: jiff::Timestamp, reason: &str) -> Reply {
    problem(429, "Rate limit exceeded.")
        .header("retry-after", "2")
        .header("ratelimit-reason", reason)
        .header("x-ratelimit-reset", reset_at(now))
        .header("x-ratelimit-remaining", "0")
}
