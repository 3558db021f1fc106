//! The REST paths of the simulated company, and its token endpoint.

use super::chart;
use super::state::{Fault, State, fault, gone, reply};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

type Answer = Result<Reply, Fault>;

const CLIENT: (&str, &str) = ("cid", "csecret");
const ACCESS_MS: i64 = 3600 * 1000;
const REFRESH_SECONDS: i64 = 8_726_400;
const HARD_SECONDS: i64 = 157_680_000;

/// Requests a minute and a second while the clock follows real time. The vendor's ten a second would stop published clients,
/// which do not pace themselves and are nearer here.
const REAL_TIME: (usize, usize) = (500, 100);

/// The layer in front answers in lower case.
fn unauthorized(state: &State) -> Reply {
    let detail = "Token expired: AuthenticationFailed";
    let error = obj! {"message" => "message=AuthenticationFailed; errorCode=003200; statusCode=401", "detail" => detail, "code" => "3200"};
    let fault = obj! {"error" => list![error], "type" => "AUTHENTICATION"};
    Reply::json(401, &obj! {"warnings" => Json::Null, "fault" => fault, "time" => state.clock.millis()})
}

/// Who does not ask for JSON gets XML, and a client that forgot to ask finds out. Its elements are those of the JSON.
fn as_xml(reply: Reply, time: &str) -> Reply {
    fn element(name: &str, value: &Json, out: &mut String) {
        for value in if let Json::List(items) = value { items.as_slice() } else { std::slice::from_ref(value) } {
            out.push_str(&format!("<{name}>"));
            match value.scalar() {
                Some(text) => out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")),
                None => value.members().iter().for_each(|(name, value)| element(name, value, out)),
            }
            out.push_str(&format!("</{name}>"));
        }
    }
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><IntuitResponse \
         xmlns=\"http://schema.intuit.com/finance/v3\" time=\"{time}\">"
    );
    let body = reply.as_json();
    body.members().iter().filter(|(name, _)| name != "time").for_each(|(name, value)| element(name, value, &mut out));
    out.push_str("</IntuitResponse>");
    reply.header("content-type", "application/xml").body(out)
}

pub(crate) fn throttled(time: &str) -> Reply {
    let error = obj! {
        "Message" => "message=ThrottleExceeded; errorCode=003001; statusCode=429",
        "Detail" => "The request limit was reached. Try again in a minute.", "code" => "3001", "element" => "",
    };
    reply(429, obj! {"Fault" => obj! {"Error" => list![error], "type" => "THROTTLE"}}, time)
}

impl State {
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        let tid = format!("1-{:x}-{:024x}", self.clock.now().as_second(), self.recent.len());
        let reply = self.answer(call).header("intuit_tid", tid);
        let json = call.header("accept").is_some_and(|accept| accept.contains("json"));
        let company = call.path.starts_with("/v3/company/");
        if company && !json && !reply.body.is_empty() { as_xml(reply, &self.stamp()) } else { reply }
    }

    fn answer(&mut self, call: &Call) -> Reply {
        let parts = call.parts();
        match (call.method.as_str(), parts.as_slice()) {
            ("GET", [".well-known", "openid_configuration" | "openid_sandbox_configuration"]) => {
                return self.discovery();
            }
            ("POST", ["oauth2", "v1", "tokens", "bearer"]) => return self.token(call),
            ("POST", ["v2", "oauth2", "tokens", "revoke"]) => return Reply::empty(200),
            _ => {}
        }
        let ["v3", "company", realm, rest @ ..] = parts.as_slice() else {
            return Reply::empty(404);
        };
        let now = self.clock.millis();
        let lives =
            call.bearer().and_then(|token| self.store.get("tokens", token)).is_some_and(|kept| kept.int("until") > now);
        if !lives && !call.trusted {
            return unauthorized(self);
        }
        let time = self.stamp();
        if *realm != self.realm {
            let error = obj! {
                "Message" => "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403",
                "Detail" => "", "code" => "3100", "element" => "",
            };
            return reply(403, obj! {"Fault" => obj! {"Error" => list![error], "type" => "AuthorizationFault"}}, &time);
        }
        if self.too_many(now) {
            return throttled(&time);
        }
        self.company(call, rest).unwrap_or_else(|fault| reply(fault.status, obj! {"Fault" => fault.json()}, &time))
    }

    /// Limits by the clock. A clock that stands still would never let anybody on, so then they are off unless set.
    fn too_many(&mut self, now: i64) -> bool {
        let limits = self.limits.or_else(|| self.clock.follows().then_some(REAL_TIME));
        let Some((minute, second)) = limits else { return false };
        self.recent.retain(|at| *at > now - 60_000);
        let last = self.recent.iter().filter(|at| **at > now - 1000).count();
        if self.recent.len() >= minute || last >= second {
            return true;
        }
        self.recent.push(now);
        false
    }

    fn discovery(&self) -> Reply {
        let own = |path: &str| format!("{}{path}", self.base);
        Reply::json(
            200,
            &obj! {
                "issuer" => own("/op/v1"), "authorization_endpoint" => own("/connect/oauth2"),
                "token_endpoint" => own("/oauth2/v1/tokens/bearer"), "userinfo_endpoint" => own("/v1/openid_connect/userinfo"),
                "revocation_endpoint" => own("/v2/oauth2/tokens/revoke"), "jwks_uri" => own("/op/v1/jwks"),
                "response_types_supported" => list!["code"], "subject_types_supported" => list!["public"],
                "id_token_signing_alg_values_supported" => list!["RS256"],
                "scopes_supported" => list!["openid", "email", "profile", "address", "phone"],
                "token_endpoint_auth_methods_supported" => list!["client_secret_post", "client_secret_basic"],
            },
        )
    }

    fn token(&mut self, call: &Call) -> Reply {
        let form = call.form();
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
        let basic = call.basic().unwrap_or_default();
        if (basic.0.as_str(), basic.1.as_str()) != CLIENT {
            return Reply::json(401, &obj! {"error" => "invalid_client"});
        }
        if field("grant_type") != "refresh_token" {
            return Reply::json(400, &obj! {"error" => "unsupported_grant_type"});
        }
        let now = self.clock.millis();
        let old = field("refresh_token");
        let lives = self.store.get("refresh", &old).is_some_and(|kept| kept.int("until") > now);
        if !lives {
            let body = obj! {"error_description" => "Incorrect or invalid refresh token", "error" => "invalid_grant"};
            return Reply::json(400, &body);
        }
        // every refresh gives a new value, and the old one dies
        self.store.remove("refresh", &old);
        let refresh = format!("rt-smoke-{}", self.store.next("refresh", 2));
        self.store.put("refresh", &refresh, obj! {"until" => now + REFRESH_SECONDS * 1000});
        let access = format!("eyJlbmMi.{:06}.{now:x}", self.store.next("access", 1));
        self.store.put("tokens", &access, obj! {"until" => now + ACCESS_MS});
        Reply::json(
            200,
            &obj! {
                "token_type" => "bearer", "access_token" => access, "expires_in" => 3600, "refresh_token" => refresh,
                "x_refresh_token_expires_in" => REFRESH_SECONDS, "x_refresh_token_hard_expires_in" => HARD_SECONDS,
            },
        )
    }

    fn company(&mut self, call: &Call, rest: &[&str]) -> Answer {
        let time = self.stamp();
        match (call.method.as_str(), rest) {
            ("GET", ["query"]) => {
                let found = self.query(call.param("query").unwrap_or_default())?;
                Ok(reply(200, obj! {"QueryResponse" => found}, &time))
            }
            ("POST", ["query"]) => {
                let found = self.query(&call.text())?;
                Ok(reply(200, obj! {"QueryResponse" => found}, &time))
            }
            ("GET", ["cdc"]) => self.changes(call),
            ("POST", ["batch"]) => self.once(call, |state, call| state.batch(call)),
            ("GET", ["preferences"]) => Ok(reply(200, obj! {"Preferences" => self.preferences()}, &time)),
            ("POST", ["preferences"]) => self.set_preferences(call),
            ("GET", ["companyinfo", _]) => {
                let info = obj! {
                    "CompanyName" => "Acme Services", "LegalName" => "Acme Services, Inc.", "Country" => "US",
                    "FiscalYearStartMonth" => "January", "Id" => "1", "SyncToken" => "0", "domain" => "QBO", "sparse" => false,
                };
                Ok(reply(200, obj! {"CompanyInfo" => info}, &time))
            }
            ("GET", [name, id]) => {
                let entity = chart::entity(name).ok_or_else(unsupported)?;
                let record = self.record(entity, id).ok_or_else(gone)?;
                Ok(reply(200, obj! {entity => State::shown(record)}, &time))
            }
            ("POST", [name, id, "send"]) => {
                let entity = chart::entity(name).ok_or_else(unsupported)?;
                let record = self.record(entity, id).cloned().ok_or_else(gone)?;
                let body = record.with("EmailStatus", "EmailSent").with("sparse", true);
                let sent = self.update(entity, &body, false)?;
                Ok(reply(200, obj! {entity => State::shown(&sent)}, &time))
            }
            ("POST", [name]) => {
                let entity = chart::entity(name).ok_or_else(unsupported)?;
                self.once(call, |state, call| state.write(call, entity))
            }
            _ => Err(unsupported()),
        }
    }

    /// A request id that was used before gives the first answer again and writes nothing.
    fn once(&mut self, call: &Call, write: impl FnOnce(&mut State, &Call) -> Answer) -> Answer {
        let Some(id) = call.param("requestid").filter(|id| !id.is_empty()) else { return write(self, call) };
        if id.chars().count() > 50 {
            return Err(fault("2050", "Invalid String Length", "requestid: max 50 characters"));
        }
        if let Some(first) = self.store.get("requests", id) {
            return Ok(Reply::json(200, first));
        }
        let answer = write(self, call)?;
        self.store.put("requests", id, answer.as_json());
        Ok(answer)
    }

    fn write(&mut self, call: &Call, entity: &'static str) -> Answer {
        let body = call.json().map_err(|why| fault("2010", "Request has invalid or unsupported property", why))?;
        let duplicates = call.param("include").is_some_and(|include| include.contains("allowduplicatedocnum"));
        let voids = call.param("include") == Some("void");
        let record = match call.param("operation").unwrap_or_default() {
            "delete" => self.delete(entity, &body)?,
            "void" => self.void(entity, &body)?,
            "update" if voids => self.void(entity, &body)?,
            "" | "update" if !body.text("Id").is_empty() => self.update(entity, &body, duplicates)?,
            "" | "create" => self.create(entity, &body, duplicates)?,
            _ => return Err(unsupported()),
        };
        let shown = if record.text("status") == "Deleted" { record } else { State::shown(&record) };
        Ok(reply(200, obj! {entity => shown}, &self.stamp()))
    }

    fn set_preferences(&mut self, call: &Call) -> Answer {
        let body = call.json().map_err(|why| fault("2010", "Request has invalid or unsupported property", why))?;
        let mut kept = self.store.get("config", "preferences").cloned().unwrap_or_default();
        for (path, name) in [
            ("AccountingInfoPrefs.BookCloseDate", "BookCloseDate"),
            ("SalesFormsPrefs.CustomTxnNumbers", "CustomTxnNumbers"),
            ("CurrencyPrefs.MultiCurrencyEnabled", "MultiCurrencyEnabled"),
        ] {
            if let Some(value) = body.path(path) {
                kept.set(name, value);
            }
        }
        self.store.put("config", "preferences", kept);
        Ok(reply(200, obj! {"Preferences" => self.preferences()}, &self.stamp()))
    }
}

fn unsupported() -> Fault {
    fault("500", "Unsupported Operation", "Operation is not supported.")
}
