//! OAuth 2.0 (3LO): rotating refresh tokens, and which sites a grant covers.

use super::people::{Person, unauthorized};
use super::state::{Answer, State};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

pub(crate) const CLIENT: &str = "JIRA_CLIENT_ID";
pub(crate) const SECRET: &str = "JIRA_CLIENT_SECRET";
/// The site's id at the gateway.
pub(crate) const CLOUD: &str = "11223344-a1b2-3b33-c444-def123456789";
/// The refresh token that is there from the start.
pub(crate) const REFRESH: &str = "jira-refresh-1";
/// The authorization code that is always good.
const CODE: &str = "jira-code";
const SCOPES: [&str; 5] =
    ["read:jira-work", "write:jira-work", "read:jira-user", "manage:jira-webhook", "offline_access"];

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const LIFE: i64 = 60 * MINUTE;
/// Within this time a token that was exchanged may be exchanged again.
const LEEWAY: i64 = 10 * MINUTE;
const UNUSED: i64 = 90 * DAY;
const FAMILY: i64 = 365 * DAY;

fn bad(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &obj! {"error" => error, "error_description" => description})
}

impl State {
    /// A grant of a user, with its first refresh token.
    pub(crate) fn begin_grant(&mut self, person: &Json, refresh: &str) {
        let now = self.clock.millis();
        let family = self.store.next("family", 1).to_string();
        self.store.put("families", &family, obj! {"since" => now, "person" => person});
        self.store.put("refresh", refresh, obj! {"family" => family, "since" => now});
    }

    pub(crate) fn oauth(&mut self, call: &Call, rest: &[&str]) -> Answer {
        match (call.method.as_str(), rest) {
            ("POST", ["token"]) => self.exchange(call),
            ("GET", ["token", "accessible-resources"]) => {
                if call.bearer().and_then(|token| self.opened_by(token)).is_none() {
                    return Err(unauthorized());
                }
                let site = obj! {
                    "id" => CLOUD, "url" => &self.base, "name" => "simulated", "scopes" => SCOPES.map(Json::from).to_vec(),
                    "avatarUrl" => format!("{}/avatar.png", self.base),
                };
                Ok(Reply::json(200, &list![site]))
            }
            _ => Err(Reply::empty(404)),
        }
    }

    fn exchange(&mut self, call: &Call) -> Answer {
        let json = call.json().ok().filter(|body| !body.members().is_empty());
        let body = json.unwrap_or_else(|| {
            Json::Object(call.form().into_iter().map(|(name, value)| (name, Json::from(value))).collect())
        });
        if body.text("client_id") != CLIENT || body.text("client_secret") != SECRET {
            return Err(bad(401, "access_denied", "Unauthorized"));
        }
        match body.text("grant_type").as_str() {
            "authorization_code" if body.text("code") == CODE => {
                let first = format!("jira-refresh-code-{}", self.store.next("code", 1));
                self.begin_grant(&Person::integration().kept(), &first);
                self.rotate(&first)
            }
            "authorization_code" => Err(bad(403, "invalid_grant", "Invalid authorization code")),
            "refresh_token" => self.rotate(&body.text("refresh_token")),
            _ => Err(bad(400, "unsupported_grant_type", "Unsupported grant type")),
        }
    }

    /// Each exchange gives a new refresh token and kills the old one; a dead one that comes late again is theft, and ends
    /// the whole family.
    fn rotate(&mut self, old: &str) -> Answer {
        let dead = || bad(403, "unauthorized_client", "refresh_token is invalid");
        let now = self.clock.millis();
        let kept = self.store.get("refresh", old).cloned().ok_or_else(dead)?;
        let name = kept.text("family");
        let family = self.store.get("families", &name).cloned().ok_or_else(dead)?;
        let used = kept.has("used").then(|| kept.int("used"));
        let over = now - family.int("since") > FAMILY || now - kept.int("since") > UNUSED;
        if over || used.is_some_and(|used| now - used > LEEWAY) {
            self.end_family(&name);
            // the end of the family is kept although the call is refused
            self.keep_on_refusal = true;
            return Err(dead());
        }
        if used.is_none() {
            self.store.put("refresh", old, kept.with("used", now));
        }
        let number = self.store.next("token", 2);
        let (access, refresh) = (format!("jira-access-{number}"), format!("jira-refresh-{number}"));
        self.store.purge("access", now);
        self.store.put("access", &access, obj! {"family" => &name, "until" => now + LIFE});
        self.store.put("refresh", &refresh, obj! {"family" => &name, "since" => now});
        let answer = obj! {
            "access_token" => access, "refresh_token" => refresh, "expires_in" => LIFE / 1000, "token_type" => "Bearer",
            "scope" => SCOPES.join(" "),
        };
        Ok(Reply::json(200, &answer))
    }

    fn end_family(&mut self, name: &str) {
        self.store.remove("families", name);
        for place in ["access", "refresh"] {
            let of = |kept: &Json| kept.text("family") == name;
            let tokens: Vec<String> =
                self.store.all(place).filter(|(_, kept)| of(kept)).map(|(token, _)| token.to_string()).collect();
            for token in tokens {
                self.store.remove(place, &token);
            }
        }
    }

    /// Who opened a session with this access token.
    pub(crate) fn opened_by(&self, token: &str) -> Option<Json> {
        let kept = self.store.get("access", token).filter(|kept| kept.int("until") > self.clock.millis())?;
        let person = self.store.get("families", &kept.text("family"))?.get("person")?.clone();
        let known = self.store.get("people", &person.text("emailAddress"));
        Some(known.cloned().unwrap_or(person))
    }

    pub(crate) fn expire_access(&mut self) {
        let tokens: Vec<String> = self.store.all("access").map(|(token, _)| token.to_string()).collect();
        for token in tokens {
            self.store.remove("access", &token);
        }
    }
}
