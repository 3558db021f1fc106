//! Webhooks: who registered for what, and what is told to whom.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{EncodingKey, Header};
use sha2::Sha256;

use super::oauth::{CLIENT, SECRET};
use super::people::Caller;
use super::show::{Wanted, without_ids};
use super::state::{Answer, State, problem};
use crate::call::{Call, Reply};
use crate::hooks;
use crate::json::{Json, list, obj};

const DAY: i64 = 24 * 60 * 60 * 1000;
/// Life of a dynamic registration.
const LIFE: i64 = 30 * DAY;
/// Dynamic registrations of one app and user on one site.
const MOST: usize = 5;
/// Larger bodies are not sent.
const LARGEST: usize = 25 << 20;

/// Something that happened.
pub(crate) struct News<'a> {
    event: &'a str,
    kind: &'a str,
    issue: &'a Json,
    author: &'a Json,
    log: Option<&'a Json>,
    /// A further member of the body: a comment, an attachment, a property, a version.
    about: Option<(&'a str, Json)>,
}

impl<'a> News<'a> {
    /// A change of an issue; without a kind the body has none.
    pub(crate) fn of_issue(event: &'a str, kind: &'a str, issue: &'a Json, author: &'a Json) -> News<'a> {
        News { event, kind, issue, author, log: None, about: None }
    }

    pub(crate) fn with_log(self, log: &'a Json) -> News<'a> {
        News { log: Some(log), ..self }
    }

    pub(crate) fn about(self, name: &'a str, thing: Json) -> News<'a> {
        News { about: Some((name, thing)), ..self }
    }
}

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(body);
            hex::encode(mac.finalize().into_bytes())
        }
        Err(_) => String::new(),
    }
}

impl State {
    /// Puts one delivery for each registered webhook that wants the event into the outbox.
    pub(crate) fn tell(&mut self, news: &News<'_>) {
        let now = self.clock.millis();
        let mut registered: Vec<(String, Json)> =
            self.store.all("hooks").map(|(_, hook)| (String::new(), hook.clone())).collect();
        let dynamic = self.store.all("dynamic").filter(|(_, hook)| hook.int("until") > now);
        registered.extend(dynamic.map(|(id, hook)| (id.to_string(), hook.clone())));
        if registered.is_empty() {
            return;
        }
        // bodies are made for the site, not for whoever made the change
        let caller = std::mem::replace(&mut self.caller, Caller::director(&self.base));
        self.telling = true;
        let body = self.body(news, now);
        self.telling = false;
        for (id, hook) in registered {
            if self.wants(&hook, news) {
                self.post(&id, &hook, news, body.clone(), now);
            }
        }
        self.caller = caller;
    }

    fn wants(&self, hook: &Json, news: &News<'_>) -> bool {
        let listed = hook.list("events").iter().any(|wanted| wanted.as_str() == Some(news.event));
        let filter = hook.text("filter");
        // filters hold for issues and what belongs to them
        let filtered = news.issue.has("id") && !filter.is_empty();
        listed && (!filtered || self.passes(&filter, news.issue).unwrap_or(false))
    }

    /// Webhook bodies have the shape of version 2: plain strings, nothing expanded.
    fn body(&self, news: &News<'_>, now: i64) -> Json {
        let mut body = obj! {"timestamp" => now, "webhookEvent" => news.event};
        let of_issue = news.event.starts_with("jira:issue_");
        if of_issue && !news.kind.is_empty() {
            body.set("issue_event_type_name", news.kind);
        }
        if of_issue {
            body.set("user", self.person(news.author, false));
        }
        if let Some((name, thing)) = &news.about {
            body.set(name, thing);
        }
        let of_comment = news.event.starts_with("comment_");
        // a Data Center tells of a comment without its issue
        if news.issue.has("id") && !(of_comment && self.is_server()) {
            let names: &[&str] = if of_issue {
                &["*all"]
            } else if of_comment {
                &["summary", "issuetype", "project", "assignee", "priority", "status"]
            } else {
                &["summary"]
            };
            let mut shown = self.shown(news.issue, &Wanted::new(names.iter().copied(), false), "2");
            shown.remove("expand");
            body.set("issue", shown);
        }
        if let Some(log) = news.log {
            let log = log.clone();
            body.set(
                "changelog",
                if self.is_server() { log.clone().with("items", without_ids(log.list("items"))) } else { log },
            );
        }
        body
    }

    fn post(&mut self, id: &str, hook: &Json, news: &News<'_>, body: Json, now: i64) {
        let secondary = news.event.starts_with("issue_property") || news.event.starts_with("attachment");
        let body = match id.parse::<i64>() {
            Ok(id) => body.with("matchedWebhookIds", list![id]).to_string(),
            Err(_) if hook.get("excludeBody").is_some_and(Json::is_true) => String::new(),
            Err(_) => body.to_string(),
        };
        if body.len() > LARGEST {
            return;
        }
        let number = self.store.next("delivery", 1);
        let mut headers = vec![
            ("x-atlassian-webhook-identifier".to_string(), format!("{:032x}", 0x5eed_0000_0000_i64 + number)),
            ("x-atlassian-webhook-flow".to_string(), if secondary { "Secondary" } else { "Primary" }.to_string()),
            ("user-agent".to_string(), "Atlassian Webhook HTTP Client".to_string()),
        ];
        let secret = hook.text("secret");
        if !secret.is_empty() {
            headers.push(("x-hub-signature".to_string(), format!("sha256={}", sign(&secret, body.as_bytes()))));
        }
        if !id.is_empty() {
            let claims = serde_json::json!({"iss": CLIENT, "iat": now / 1000, "exp": now / 1000 + 300});
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            if let Ok(token) = jsonwebtoken::encode(&Header::default(), &claims, &key) {
                headers.push(("authorization".to_string(), format!("Bearer {token}")));
            }
        }
        let mut url = hook.text("url");
        let (issue, project) = (news.issue, news.issue.text("project"));
        for (name, value) in
            [("issue.key", issue.text("key")), ("issue.id", issue.text("id")), ("project.key", project)]
        {
            url = url.replace(&format!("${{{name}}}"), &value).replace(&format!("{{{name}}}"), &value);
        }
        let due = if secondary { now + self.settings.secondary_delay_ms } else { now };
        hooks::queue(&mut self.store, &url, headers, &body, due);
    }

    /// Registrations of administrators, which never expire.
    pub(crate) fn admin_webhooks(&mut self, call: &Call, rest: &[&str]) -> Answer {
        if self.caller.is_anonymous() || self.caller.app {
            return Err(problem(403, "You must be an administrator to use webhooks."));
        }
        let by_id = |state: &State, id: &str| {
            let found = state.store.all("hooks").find(|(_, hook)| hook.text("id") == id);
            found.map(|(key, hook)| (key.to_string(), hook.clone()))
        };
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let rows = self.store.all("hooks").map(|(_, hook)| self.shown_hook(hook)).collect();
                Ok(Reply::json(200, &Json::List(rows)))
            }
            ("POST", []) => {
                let body = call.json().map_err(|_| problem(400, "Invalid JSON"))?;
                if body.text("url").is_empty() || body.text("name").is_empty() {
                    return Err(problem(400, "name and url are required"));
                }
                let hook = self.add_hook(&body);
                Ok(Reply::json(201, &self.shown_hook(&hook)))
            }
            (method, [id]) => {
                let Some((key, hook)) = by_id(self, id) else {
                    return Err(problem(404, "The webhook does not exist."));
                };
                match method {
                    "GET" => Ok(Reply::json(200, &self.shown_hook(&hook))),
                    "DELETE" => {
                        self.store.remove("hooks", &key);
                        Ok(Reply::empty(204))
                    }
                    _ => Err(Reply::empty(405)),
                }
            }
            _ => Err(Reply::empty(404)),
        }
    }

    /// Registers an admin webhook as its body says.
    pub(crate) fn add_hook(&mut self, body: &Json) -> Json {
        let id = self.store.next("hook", 1).to_string();
        let filter = body.get("filters").and_then(|filters| filters.get("issue-related-events-section"));
        let hook = obj! {
            "id" => &id, "name" => body.text("name"), "url" => body.text("url"), "secret" => body.text("secret"),
            "events" => body.get("events").cloned().unwrap_or_default(), "filter" => filter.map(Json::text_of).unwrap_or_default(),
            "excludeBody" => body.get("excludeBody").is_some_and(Json::is_true),
        };
        self.store.put("hooks", &id, hook.clone());
        hook
    }

    /// The secret is told to nobody.
    fn shown_hook(&self, hook: &Json) -> Json {
        obj! {
            "name" => hook.text("name"), "url" => hook.text("url"), "events" => hook.get("events").cloned().unwrap_or_default(),
            "filters" => obj! {"issue-related-events-section" => hook.text("filter")}, "enabled" => true,
            "excludeBody" => hook.get("excludeBody").is_some_and(Json::is_true), "isSigned" => !hook.text("secret").is_empty(),
            "self" => format!("{}/rest/webhooks/1.0/webhook/{}", self.base, hook.text("id")),
        }
    }

    /// Registrations of apps: thirty days, five of each app and user, one URL.
    pub(crate) fn dynamic_webhooks(&mut self, call: &Call, rest: &[&str]) -> Answer {
        if !self.caller.app {
            return Err(problem(403, "The caller is not a Connect or OAuth 2.0 app."));
        }
        let body = || call.json().map_err(|_| problem(400, "Invalid JSON"));
        let (now, account) = (self.clock.millis(), self.caller.account());
        self.store.purge("dynamic", now);
        match (call.method.as_str(), rest) {
            ("POST", []) => self.register_many(&body()?, &account, now),
            ("GET", []) => {
                let own = self.store.all("dynamic").filter(|(_, hook)| hook.text("account") == account);
                let rows: Vec<Json> = own.map(|(id, hook)| self.shown_dynamic(id, hook)).collect();
                let total = rows.len();
                Ok(Reply::json(
                    200,
                    &obj! {"startAt" => 0, "maxResults" => 100, "total" => total, "isLast" => true, "values" => rows},
                ))
            }
            ("PUT", ["refresh"]) => {
                for id in body()?.list("webhookIds").iter().map(Json::text_of) {
                    if let Some(hook) = self.store.get("dynamic", &id).cloned() {
                        self.store.put("dynamic", &id, hook.with("until", now + LIFE));
                    }
                }
                Ok(Reply::json(200, &obj! {"expirationDate" => self.stamp(now + LIFE)}))
            }
            ("DELETE", []) => {
                for id in body()?.list("webhookIds").iter().map(Json::text_of) {
                    self.store.remove("dynamic", &id);
                }
                Ok(Reply::empty(202))
            }
            ("GET", ["failed"]) => Err(problem(403, "Only Connect apps can see failed webhooks.")),
            _ => Err(Reply::empty(404)),
        }
    }

    /// One result for each registration, in order; some may fail although the answer is a success.
    fn register_many(&mut self, body: &Json, account: &str, now: i64) -> Answer {
        let url = body.text("url");
        if url.is_empty() {
            return Err(problem(400, "url is required"));
        }
        let other =
            self.store.all("dynamic").any(|(_, hook)| hook.text("account") == account && hook.text("url") != url);
        let mut results = Vec::new();
        for wanted in body.list("webhooks") {
            let own = self.store.all("dynamic").filter(|(_, hook)| hook.text("account") == account).count();
            let wrong = if other {
                Some("Only a single URL per app is allowed to be registered.".to_string())
            } else if own >= MOST {
                Some("The limit of 5 webhooks per app and user is reached.".to_string())
            } else {
                unfit(wanted)
            };
            if let Some(wrong) = wrong {
                results.push(obj! {"errors" => list![wrong]});
                continue;
            }
            let id = self.store.next("dynamic", 1000);
            let kept = obj! {
                "url" => &url, "account" => account, "until" => now + LIFE, "events" => wanted.get("events").cloned().unwrap_or_default(),
                "filter" => wanted.text("jqlFilter"),
            };
            self.store.put("dynamic", &id.to_string(), kept);
            results.push(obj! {"createdWebhookId" => id});
        }
        Ok(Reply::json(200, &obj! {"webhookRegistrationResult" => results}))
    }

    fn shown_dynamic(&self, id: &str, hook: &Json) -> Json {
        obj! {
            "id" => Json::Number(id.to_string()), "jqlFilter" => hook.text("filter"), "events" => hook.get("events").cloned().unwrap_or_default(),
            "expirationDate" => self.stamp(hook.int("until")), "url" => hook.text("url"),
        }
    }
}

/// What is wrong with a dynamic registration: its events or its filter, of which only a part of JQL is allowed.
fn unfit(wanted: &Json) -> Option<String> {
    const FAMILIES: [&str; 5] = ["jira:issue_", "comment_", "issue_property_", "sprint_", "jira:version_"];
    const FIELDS: [&str; 7] = ["issuekey", "project", "issuetype", "status", "priority", "assignee", "reporter"];
    for event in wanted.list("events").iter().map(Json::text_of) {
        if !FAMILIES.iter().any(|family| event.starts_with(family)) {
            return Some(format!("The event {event} is not supported."));
        }
    }
    let filter = wanted.text("jqlFilter");
    if filter.is_empty() {
        return Some("A jqlFilter is required.".to_string());
    }
    let expr = crate::filter::Reader::new(&filter).and_then(|mut reader| reader.expr());
    let expr = match expr {
        Ok(expr) => expr,
        Err(error) => return Some(format!("The filter JQL is invalid: {error}")),
    };
    let mut wrong = None;
    expr.each(&mut |field, op, _| {
        let name = field.to_ascii_lowercase();
        let known = FIELDS.contains(&name.as_str()) || name.starts_with("issue.property") || name.starts_with("cf[");
        if !known {
            wrong = Some(format!("The field {field} is not supported in a webhook's filter."));
        } else if !["=", "!=", "in", "not in"].contains(&op) {
            wrong = Some(format!("The operator {op} is not supported in a webhook's filter."));
        }
    });
    wrong
}
