//! How an issue looks from outside, and the webhooks that tell of it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::fields::{self, FIELDS, STATUSES};
use super::state::State;
use crate::hooks;
use crate::json::{Json, list, obj};

/// Which fields an answer shows.
pub(crate) struct Wanted {
    all: bool,
    named: Vec<String>,
    without: Vec<String>,
}

impl Wanted {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>, all: bool) -> Wanted {
        let mut wanted = Wanted { all, named: Vec::new(), without: Vec::new() };
        for name in names.map(str::trim).filter(|name| !name.is_empty()) {
            wanted.all = false;
            match name {
                "*all" | "*navigable" => wanted.named.push("*".to_string()),
                name => match name.strip_prefix('-') {
                    Some(without) => wanted.without.push(without.to_string()),
                    None => wanted.named.push(name.to_string()),
                },
            }
        }
        if wanted.named.is_empty() && !wanted.without.is_empty() {
            wanted.named.push("*".to_string());
        }
        wanted
    }

    pub(crate) fn none(&self) -> bool {
        !self.all && self.named.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        (self.all || self.named.iter().any(|wanted| wanted == name || wanted == "*"))
            && !self.without.iter().any(|without| without == name)
    }
}

impl State {
    pub(crate) fn person(&self, kept: &Json, mail: bool) -> Json {
        if kept.is_null() {
            return Json::Null;
        }
        let id = kept.text("accountId");
        let mut shown = obj! {"self" => format!("{}/rest/api/3/user?accountId={id}", self.base), "accountId" => id};
        if mail {
            shown.set("emailAddress", kept.text("emailAddress"));
        }
        shown
            .with("displayName", kept.text("displayName"))
            .with("active", true)
            .with("timeZone", self.zone.iana_name().unwrap_or("UTC"))
            .with("accountType", "atlassian")
    }

    fn shown_field(&self, issue: &Json, id: &str, kind: &str, api: &str) -> Json {
        let value = issue.get("fields").and_then(|fields| fields.get(id)).cloned().unwrap_or_default();
        let time = |name: &str| Json::from(self.stamp(issue.int(name)));
        match (id, kind) {
            ("status", _) => fields::status(&value.text_of(), &self.base, api),
            ("created" | "updated", _) => time(id),
            ("statuscategorychangedate", _) => time("moved"),
            ("resolutiondate", _) if !value.is_null() => {
                Json::from(self.stamp(value.text_of().parse().unwrap_or_default()))
            }
            ("resolution", _) if !value.is_null() => obj! {
                "self" => format!("{}/rest/api/{api}/resolution/10000", self.base), "id" => "10000",
                "description" => "Work has been completed on this issue.", "name" => "Done",
            },
            ("issuetype", _) => obj! {
                "self" => format!("{}/rest/api/{api}/issuetype/10001", self.base), "id" => "10001", "description" => "",
                "name" => "Milestone", "subtask" => false, "hierarchyLevel" => 0,
            },
            ("priority", _) => {
                obj! {"self" => format!("{}/rest/api/{api}/priority/3", self.base), "name" => "Medium", "id" => "3"}
            }
            ("project", _) => self.project(&issue.text("project"), api),
            ("attachment", _) => Json::List(value.items().iter().map(|file| self.attachment(file)).collect()),
            (_, "user") => self.person(&value, api == "3"),
            (_, "textarea") if api == "3" && !value.is_null() => fields::adf(&value.text_of()),
            _ => value,
        }
    }

    pub(crate) fn attachment(&self, file: &Json) -> Json {
        let author = self.person(file.get("author").unwrap_or(&Json::Null), true);
        file.clone().with("author", author).with("created", self.stamp(file.int("created")))
    }

    pub(crate) fn project(&self, key: &str, api: &str) -> Json {
        obj! {
            "self" => format!("{}/rest/api/{api}/project/{key}", self.base), "id" => "10000", "key" => key,
            "name" => format!("{key} project"), "projectTypeKey" => "software", "simplified" => false,
        }
    }

    pub(crate) fn shown(&self, issue: &Json, wanted: &Wanted, api: &str) -> Json {
        let id = issue.text("id");
        let mut shown = obj! {
            "expand" => "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations", "id" => &id,
            "self" => format!("{}/rest/api/{api}/issue/{id}", self.base), "key" => issue.text("key"),
        };
        let mut values = Json::object();
        for field in FIELDS.iter().filter(|field| wanted.has(field.id)) {
            values.set(field.id, self.shown_field(issue, field.id, field.kind, api));
        }
        if api == "3" && wanted.has("statusCategory") {
            let status = issue.text("fields.status");
            let category = STATUSES.iter().find(|known| known.0 == status).map_or("new", |known| known.2);
            values.set("statusCategory", fields::category_of(category, &self.base, api));
        }
        shown.set("fields", values);
        shown
    }

    pub(crate) fn history(&self, kept: &Json) -> Json {
        let author = self.person(kept.get("author").unwrap_or(&Json::Null), true);
        kept.clone().with("author", author).with("created", self.stamp(kept.int("created")))
    }

    /// Puts one delivery for each registered webhook that wants the event into the outbox.
    pub(crate) fn tell(
        &mut self,
        event: &str,
        kind: Option<&str>,
        issue: &Json,
        author: &Json,
        changelog: Option<Json>,
    ) {
        let registered: Vec<Json> = self.store.all("hooks").map(|(_, hook)| hook.clone()).collect();
        let now = self.clock.millis();
        for hook in registered {
            let wants = hook.list("events").iter().any(|wanted| wanted.as_str() == Some(event));
            if !wants {
                continue;
            }
            let mut body = obj! {"timestamp" => now, "webhookEvent" => event};
            if let Some(kind) = kind {
                body.set("issue_event_type_name", kind);
            }
            let all = Wanted::new(std::iter::empty(), true);
            // webhook bodies have the shape of version 2: plain strings, nothing expanded
            let mut shown = self.shown(issue, &all, "2");
            shown.remove("expand");
            body.set("user", self.person(author, false));
            body.set("issue", shown);
            if let Some(changelog) = &changelog {
                body.set("changelog", changelog);
            }
            let body = body.to_string();
            let number = self.store.next("delivery", 1);
            let mut headers = vec![
                ("x-atlassian-webhook-identifier".to_string(), format!("{:032x}", 0x5eed_0000_0000_i64 + number)),
                ("x-atlassian-webhook-flow".to_string(), "Primary".to_string()),
                ("user-agent".to_string(), "Atlassian Webhook HTTP Client".to_string()),
            ];
            let secret = hook.text("secret");
            if !secret.is_empty() {
                headers.push(("x-hub-signature".to_string(), format!("sha256={}", sign(&secret, body.as_bytes()))));
            }
            hooks::queue(&mut self.store, &hook.text("url"), headers, &body, now);
        }
    }

    /// The first hundred histories that fit into an issue, newest first, and how many there are.
    pub(crate) fn embedded(&self, issue: &Json) -> Json {
        let all = issue.list("histories");
        let shown: Vec<Json> = all.iter().rev().take(100).map(|kept| self.history(kept)).collect();
        obj! {"startAt" => 0, "maxResults" => shown.len(), "total" => all.len(), "histories" => shown}
    }

    pub(crate) fn comment(&self, kept: &Json, issue: &str, api: &str) -> Json {
        let id = kept.text("id");
        let author = self.person(kept.get("author").unwrap_or(&Json::Null), true);
        let body = kept.get("body").cloned().unwrap_or_default();
        let time = self.stamp(kept.int("created"));
        obj! {
            "self" => format!("{}/rest/api/{api}/issue/{issue}/comment/{id}", self.base), "id" => &id, "author" => &author,
            "body" => if api == "3" { body } else { Json::from(fields::plain(&body)) }, "updateAuthor" => &author,
            "created" => &time, "updated" => &time, "jsdPublic" => true,
        }
    }

    pub(crate) fn transitions(&self, api: &str) -> Json {
        let row = |known: &(&str, &str, &str, &str)| {
            obj! {
                "id" => known.3, "name" => known.1, "to" => fields::status(known.0, &self.base, api), "hasScreen" => false,
                "isGlobal" => true, "isInitial" => false, "isAvailable" => true, "isConditional" => false, "isLooped" => false,
            }
        };
        obj! {"expand" => "transitions", "transitions" => Json::List(STATUSES.iter().map(row).collect())}
    }

    pub(crate) fn server_info(&self) -> Json {
        obj! {
            "baseUrl" => &self.base, "version" => "1001.0.0-SNAPSHOT", "versionNumbers" => list![1001, 0, 0],
            "deploymentType" => "Cloud", "buildNumber" => 100_290, "buildDate" => "2026-11-01T00:00:00.000+0000",
            "serverTime" => self.stamp(self.clock.millis()), "serverTitle" => "Jira",
        }
    }
}

impl Json {
    /// The text of the value itself.
    pub(crate) fn text_of(&self) -> String {
        self.scalar().unwrap_or_default()
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
