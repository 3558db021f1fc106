//! What hangs on an issue: comments, properties, remote links.

use super::fields;
use super::http::{json, no_route, page};
use super::state::{Answer, State, field_problem, problem};
use super::webhooks::News;
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

/// Longest value of a property.
const PROPERTY_SIZE: usize = 32_768;

impl State {
    pub(crate) fn comments(&mut self, call: &Call, api: &str, id: &str, rest: &[&str]) -> Answer {
        let place = format!("comments:{id}");
        let unknown = || problem(404, "Can not find a comment for the id.");
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let (from, size) = page(call, 5000);
                let mut all: Vec<Json> = self.store.all(&place).map(|(_, kept)| self.comment(kept, id, api)).collect();
                if call.param("orderBy").is_some_and(|order| order.starts_with('-')) {
                    all.reverse();
                }
                let total = all.len();
                let rows: Vec<Json> = all.into_iter().skip(from).take(size).collect();
                let body = obj! {"startAt" => from, "maxResults" => size, "total" => total, "comments" => rows};
                Ok(Reply::json(200, &body))
            }
            ("POST", []) => {
                let body = json(call)?;
                let text = rich(&body, api)?;
                if self.store.count(&place) >= self.settings.most_comments {
                    return Err(problem(413, "The maximum number of comments of the issue is reached."));
                }
                let number = self.store.next("comment", 10100).to_string();
                let mut author = self.caller.person.clone();
                author.remove("token");
                let mut kept =
                    obj! {"id" => &number, "author" => &author, "body" => text, "created" => self.clock.millis()};
                for name in ["visibility", "properties"] {
                    if let Some(value) = body.get(name) {
                        kept.set(name, value);
                    }
                }
                self.store.put(&place, &number, kept.clone());
                self.touched(id, "comment_created", &kept)?;
                Ok(Reply::json(201, &self.comment(&kept, id, api)))
            }
            (_, [comment]) if self.store.get(&place, comment).is_none() => Err(unknown()),
            ("GET", [comment]) => {
                let kept = self.store.get(&place, comment).cloned().unwrap_or_default();
                Ok(Reply::json(200, &self.comment(&kept, id, api)))
            }
            ("PUT", [comment]) => {
                let text = rich(&json(call)?, api)?;
                let kept = self.store.get(&place, comment).cloned().unwrap_or_default();
                let kept = kept.with("body", text).with("updated", self.clock.millis());
                self.store.put(&place, comment, kept.clone());
                self.touched(id, "comment_updated", &kept)?;
                Ok(Reply::json(200, &self.comment(&kept, id, api)))
            }
            ("DELETE", [comment]) => {
                self.store.remove(&place, comment);
                Ok(Reply::empty(204))
            }
            _ => Err(no_route(call)),
        }
    }

    /// A comment moves the issue's time of change, and is told twice: as itself, and as a change of the issue.
    fn touched(&mut self, id: &str, event: &str, kept: &Json) -> Result<(), Reply> {
        let issue = self.issue(id)?.with("updated", self.clock.millis());
        self.keep(issue.clone());
        let comment = self.comment(kept, id, "2");
        let author = self.caller.person.clone();
        self.tell(&News::of_issue(event, "", &issue, &author).about("comment", comment.clone()));
        let kind = if event == "comment_created" { "issue_commented" } else { "issue_comment_edited" };
        self.tell(&News::of_issue("jira:issue_updated", kind, &issue, &author).about("comment", comment));
        Ok(())
    }

    pub(crate) fn properties(&self, id: &str, names: &str) -> Json {
        let place = format!("props:{id}");
        let wanted = |name: &str| names.split(',').any(|wanted| wanted.trim() == name || wanted == "*all");
        let found = self.store.all(&place).filter(|(name, _)| wanted(name));
        Json::Object(found.map(|(name, value)| (name.to_string(), value.clone())).collect())
    }

    pub(crate) fn set_properties(&mut self, id: &str, properties: &[Json]) {
        for property in properties {
            let value = property.get("value").cloned().unwrap_or_default();
            self.store.put(&format!("props:{id}"), &property.text("key"), value);
        }
    }

    pub(crate) fn on_property(&mut self, call: &Call, api: &str, id: &str, rest: &[&str]) -> Answer {
        let place = format!("props:{id}");
        let absent = |key: &str| problem(404, &format!("The property with key '{key}' does not exist for the issue."));
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let own = |key: &str| format!("{}/issue/{id}/properties/{key}", self.rest(api));
                let keys = self.store.all(&place).map(|(key, _)| obj! {"self" => own(key), "key" => key});
                Ok(Reply::json(200, &obj! {"keys" => Json::List(keys.collect())}))
            }
            ("GET", [key]) => match self.store.get(&place, key) {
                Some(value) => Ok(Reply::json(200, &obj! {"key" => *key, "value" => value})),
                None => Err(absent(key)),
            },
            ("PUT", [key]) => {
                let long = call.text().chars().count() > PROPERTY_SIZE || key.chars().count() > 255;
                let value = if call.text().trim().is_empty() || long { Json::Null } else { json(call)? };
                if value.is_null() {
                    let message = "The property value must be a valid, non-empty JSON of at most 32768 characters.";
                    return Err(problem(400, message));
                }
                let fresh = self.store.get(&place, key).is_none();
                self.store.put(&place, key, value.clone());
                self.tell_property("issue_property_set", id, obj! {"key" => *key, "value" => value})?;
                Ok(Reply::json(if fresh { 201 } else { 200 }, &Json::object()))
            }
            ("DELETE", [key]) => match self.store.remove(&place, key) {
                Some(_) => {
                    self.tell_property("issue_property_deleted", id, obj! {"key" => *key})?;
                    Ok(Reply::empty(204))
                }
                None => Err(absent(key)),
            },
            _ => Err(no_route(call)),
        }
    }

    fn tell_property(&mut self, event: &str, id: &str, property: Json) -> Result<(), Reply> {
        let issue = self.issue(id)?;
        let author = self.caller.person.clone();
        self.tell(&News::of_issue(event, "", &issue, &author).about("property", property));
        Ok(())
    }

    pub(crate) fn links(&mut self, call: &Call, api: &str, id: &str, rest: &[&str]) -> Answer {
        if !self.settings.links_allowed {
            return Err(problem(403, "Issue linking is currently disabled."));
        }
        let place = format!("links:{id}");
        let unknown = || problem(404, "The remote issue link does not exist.");
        let by_global = |state: &State, global: &str| {
            let found = state.store.all(&place).find(|(_, kept)| kept.text("globalId") == global);
            found.map(|(number, kept)| (number.to_string(), kept.clone()))
        };
        match (call.method.as_str(), rest) {
            ("GET", []) => match call.param("globalId") {
                Some(global) => by_global(self, global).map(|(_, kept)| Reply::json(200, &kept)).ok_or_else(unknown),
                None => {
                    Ok(Reply::json(200, &Json::List(self.store.all(&place).map(|(_, kept)| kept.clone()).collect())))
                }
            },
            ("POST", []) => {
                let body = json(call)?;
                let global = body.text("globalId");
                let known = if global.is_empty() { None } else { by_global(self, &global) };
                if known.is_none() && self.store.count(&place) >= self.settings.most_links {
                    return Err(problem(413, "The maximum number of remote links of the issue is reached."));
                }
                let status = if known.is_some() { 200 } else { 201 };
                let number = known.map_or_else(|| self.store.next("link", 10000).to_string(), |(number, _)| number);
                let kept = self.linked(api, id, &number, &body)?;
                let answer = obj! {"id" => Json::Number(number.clone()), "self" => kept.text("self")};
                self.store.put(&place, &number, kept);
                Ok(Reply::json(status, &answer))
            }
            (_, [number]) if self.store.get(&place, number).is_none() => Err(unknown()),
            ("GET", [number]) => Ok(Reply::json(200, &self.store.get(&place, number).cloned().unwrap_or_default())),
            ("PUT", [number]) => {
                let kept = self.linked(api, id, number, &json(call)?)?;
                self.store.put(&place, number, kept);
                Ok(Reply::empty(204))
            }
            // the vendor wants a content type even where there is no body
            ("DELETE", _) if call.header("content-type").is_none() => Err(Reply::empty(415)),
            ("DELETE", rest) => {
                let global =
                    call.param("globalId").and_then(|global| by_global(self, global)).map(|(number, _)| number);
                let number = rest.first().map(|number| number.to_string()).or(global).unwrap_or_default();
                self.store.remove(&place, &number).map(|_| Reply::empty(204)).ok_or_else(unknown)
            }
            _ => Err(no_route(call)),
        }
    }

    /// A link as it is kept: what the body leaves out becomes null.
    fn linked(&self, api: &str, id: &str, number: &str, body: &Json) -> Result<Json, Reply> {
        for name in ["title", "url"] {
            if body.text(&format!("object.{name}")).is_empty() {
                return Err(field_problem(name, &format!("'{name}' is required.")));
            }
        }
        if body.text("globalId").chars().count() > 255 {
            return Err(field_problem("globalId", "'globalId' has to be at most 255 characters."));
        }
        let own = format!("{}/issue/{id}/remotelink/{number}", self.rest(api));
        let mut kept = obj! {"id" => Json::Number(number.to_string()), "self" => own};
        for name in ["globalId", "application", "relationship", "object"] {
            kept.set(name, body.get(name).cloned().unwrap_or_default());
        }
        let shown = kept.get_mut("object");
        if let Some(object) = shown {
            for name in ["summary", "icon", "status"] {
                if !object.has(name) {
                    object.set(name, Json::Null);
                }
            }
        }
        Ok(kept)
    }
}

/// The body of a comment: rich text in version 3, plain text in version 2.
fn rich(body: &Json, api: &str) -> Result<Json, Reply> {
    match body.get("body") {
        Some(text) if text.text("type") == "doc" && api == "3" => Ok(text.clone()),
        Some(Json::Text(text)) if api == "2" && !text.is_empty() => Ok(fields::adf(text)),
        _ => Err(Reply::json(
            400,
            &obj! {"errorMessages" => list![], "errors" => obj! {"comment" => "Comment body is not valid!"}},
        )),
    }
}
