//! OAuth 2.0 of Intuit: discovery, authorisation, refresh tokens that change and die, revocation.

use super::state::State;
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

const CLIENT: (&str, &str) = ("cid", "csecret");
const ACCESS_MS: i64 = 3600 * 1000;
/// Seconds that a refresh token lives after its last use, and after which every one is dead.
const REFRESH_SECONDS: i64 = 8_726_400;
const HARD_SECONDS: i64 = 157_680_000;
/// A refresh token keeps its value for about a day.
pub(crate) const ROTATION_MS: i64 = 24 * 3600 * 1000;

fn refused(status: u16, error: &str, why: &str) -> Reply {
    Reply::json(status, &obj! {"error_description" => why, "error" => error})
}

impl State {
    /// The tokens that a company has from the start. The refresh token is a day old: the first refresh changes it.
    pub(crate) fn first_tokens(&mut self) {
        let now = self.clock.millis();
        self.store.put("tokens", "at-smoke", obj! {"until" => now + ACCESS_MS});
        let kept = obj! {
            "until" => now + REFRESH_SECONDS * 1000, "hard" => now + HARD_SECONDS * 1000, "since" => now - ROTATION_MS,
        };
        self.store.put("refresh", "rt-smoke-1", kept);
    }

    /// Answers what belongs to authorisation and needs no access token.
    pub(crate) fn authorisation(&mut self, call: &Call) -> Option<Reply> {
        let parts = call.parts();
        Some(match (call.method.as_str(), parts.as_slice()) {
            ("GET", [".well-known", "openid_configuration" | "openid_sandbox_configuration"]) => self.discovery(),
            ("GET", ["connect", "oauth2"]) => self.consent(call),
            ("POST", ["oauth2", "v1", "tokens", "bearer"]) => self.token(call),
            ("POST", ["v2", "oauth2", "tokens", "revoke"]) => self.revoke(call),
            ("GET", ["op", "v1", "jwks"]) => Reply::json(200, &obj! {"keys" => list![]}),
            ("GET", ["v1", "openid_connect", "userinfo"]) if self.lives(call) => Reply::json(
                200,
                &obj! {"sub" => "a9c1e6f0-0000-4000-8000-000000000001", "email" => "books@example.com"},
            ),
            ("GET", ["v1", "openid_connect", "userinfo"]) => Reply::empty(401),
            _ => return None,
        })
    }

    /// True while the access token of the request is good.
    pub(crate) fn lives(&self, call: &Call) -> bool {
        let now = self.clock.millis();
        let kept = call.bearer().and_then(|token| self.store.get("tokens", token));
        kept.is_some_and(|kept| kept.int("until") > now)
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
                "claims_supported" => list!["aud", "exp", "iat", "iss", "realmid", "sub"],
            },
        )
    }

    /// The page on which somebody agrees; here he always does.
    fn consent(&mut self, call: &Call) -> Reply {
        let field = |name: &str| call.param(name).unwrap_or_default();
        let address = url::Url::parse(field("redirect_uri"));
        let (Ok(mut address), "code", true) = (address, field("response_type"), field("client_id") == CLIENT.0) else {
            return refused(400, "invalid_request", "client_id, response_type or redirect_uri is wrong");
        };
        let code = format!("XAB1{:08}", self.store.next("code", 1));
        let until = self.clock.millis() + 10 * 60 * 1000;
        self.store.put("codes", &code, obj! {"redirect" => field("redirect_uri"), "until" => until});
        let mut query = address.query_pairs_mut();
        query.append_pair("code", &code).append_pair("state", field("state")).append_pair("realmId", &self.realm);
        drop(query);
        Reply::empty(302).header("location", address.to_string())
    }

    /// True for the client's id and secret, in the header or in the form.
    fn known_client(call: &Call, field: &dyn Fn(&str) -> String) -> bool {
        let posted = || (field("client_id"), field("client_secret"));
        let (id, secret) = call.basic().unwrap_or_else(posted);
        (id.as_str(), secret.as_str()) == CLIENT
    }

    fn token(&mut self, call: &Call) -> Reply {
        let form = call.form();
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
        if !State::known_client(call, &field) {
            return Reply::json(401, &obj! {"error" => "invalid_client"});
        }
        let now = self.clock.millis();
        match field("grant_type").as_str() {
            "authorization_code" => {
                let kept = self.store.remove("codes", &field("code")).unwrap_or_default();
                if kept.int("until") <= now || kept.text("redirect") != field("redirect_uri") {
                    return refused(400, "invalid_grant", "Incorrect or invalid authorization code");
                }
                self.granted("", now + HARD_SECONDS * 1000, now)
            }
            "refresh_token" => {
                let old = field("refresh_token");
                let kept = self.store.get("refresh", &old).cloned().unwrap_or_default();
                if kept.int("until").min(kept.int("hard")) <= now {
                    return refused(400, "invalid_grant", "Incorrect or invalid refresh token");
                }
                if now - kept.int("since") >= self.rotation_ms {
                    // "The old one dies soon after": how soon is not told.
                    let until = kept.int("until").min(now + self.refresh_grace_ms);
                    self.store.put("refresh", &old, kept.clone().with("until", until));
                    return self.granted("", kept.int("hard"), now);
                }
                self.granted(&old, kept.int("hard"), kept.int("since"))
            }
            _ => Reply::json(400, &obj! {"error" => "unsupported_grant_type"}),
        }
    }

    /// A new access token, with a refresh token that is new where `refresh` is empty.
    fn granted(&mut self, refresh: &str, hard: i64, since: i64) -> Reply {
        let now = self.clock.millis();
        self.store.purge("tokens", now);
        let refresh = match refresh {
            "" => format!("rt-smoke-{}", self.store.next("refresh", 2)),
            kept => kept.to_string(),
        };
        let kept = obj! {"until" => now + REFRESH_SECONDS * 1000, "hard" => hard, "since" => since};
        self.store.put("refresh", &refresh, kept);
        let access = format!("eyJlbmMi.{:06}.{now:x}", self.store.next("access", 1));
        self.store.put("tokens", &access, obj! {"until" => now + ACCESS_MS});
        Reply::json(
            200,
            &obj! {
                "token_type" => "bearer", "access_token" => access, "expires_in" => 3600, "refresh_token" => refresh,
                "x_refresh_token_expires_in" => REFRESH_SECONDS, "x_refresh_token_hard_expires_in" => (hard - now) / 1000,
            },
        )
    }

    fn revoke(&mut self, call: &Call) -> Reply {
        let form = call.form();
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
        if !State::known_client(call, &field) {
            return Reply::json(401, &obj! {"error" => "invalid_client"});
        }
        let named = call.json().map(|body| body.text("token")).unwrap_or_default();
        let token = if named.is_empty() { field("token") } else { named };
        let known = self.store.get("refresh", &token).or_else(|| self.store.get("tokens", &token)).is_some();
        if !known {
            return refused(400, "invalid_request", "the token is not known");
        }
        // whichever it was: the connection is over
        for place in ["refresh", "tokens"] {
            let all: Vec<String> = self.store.all(place).map(|(token, _)| token.to_string()).collect();
            for token in all {
                self.store.remove(place, &token);
            }
        }
        Reply::empty(200)
    }
}

/// The layer in front answers in lower case.
pub(crate) fn unauthorized(now: i64) -> Reply {
    let detail = "Token expired: AuthenticationFailed";
    let message = "message=AuthenticationFailed; errorCode=003200; statusCode=401";
    let error = obj! {"message" => message, "detail" => detail, "code" => "3200"};
    let fault = obj! {"error" => list![error], "type" => "AUTHENTICATION"};
    Reply::json(401, &obj! {"warnings" => Json::Null, "fault" => fault, "time" => now})
}
