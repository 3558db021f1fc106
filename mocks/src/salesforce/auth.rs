//! The token endpoint and the check of a session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::state::{Refusal, State, refuse};
use crate::call::{Call, Reply};
use crate::json::{Json, obj};

pub(crate) const CLIENT: &str = "CONSUMER_KEY";
const SECRET: &str = "CONSUMER_SECRET";
const USER: &str = "integration@example.com";
const ORG: &str = "00D000000000001AAA";
const LIFE_MS: i64 = 2 * 60 * 60 * 1000;

fn bad(error: &str, description: &str) -> Reply {
    Reply::json(400, &obj! {"error" => error, "error_description" => description})
}

/// The claims of a JWT whose signature is checked against `keys`; with no key registered any RS256 signature will do.
fn claims(assertion: &str, keys: &[String]) -> Option<Json> {
    let header = jsonwebtoken::decode_header(assertion).ok()?;
    if header.alg != Algorithm::RS256 {
        return None;
    }
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let signed = |pem: &String| {
        let key = DecodingKey::from_rsa_pem(pem.as_bytes());
        key.is_ok_and(|key| jsonwebtoken::decode::<serde_json::Value>(assertion, &key, &rules).is_ok())
    };
    if !keys.is_empty() && !keys.iter().any(signed) {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    Json::parse(&String::from_utf8(payload).ok()?).ok()
}

impl State {
    pub(crate) fn token(&mut self, call: &Call) -> Reply {
        let form = call.form();
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
        let (client, secret) = call.basic().unwrap_or_else(|| (field("client_id"), field("client_secret")));
        match field("grant_type").as_str() {
            "client_credentials" | "password" => {
                if client != CLIENT {
                    return bad("invalid_client_id", "client identifier invalid");
                }
                if secret != SECRET {
                    return bad("invalid_client", "invalid client credentials");
                }
                self.grant(None)
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.assertion(&field("assertion")),
            "refresh_token" => {
                if client != CLIENT {
                    return bad("invalid_client_id", "client identifier invalid");
                }
                let old = field("refresh_token");
                // rotation: the old value dies with its first use
                if old != "5Aep861-refresh" && self.store.remove("refresh", &old).is_none() {
                    return bad("invalid_grant", "expired access/refresh token");
                }
                let fresh = format!("5Aep861.{}", self.store.next("refresh", 1));
                self.store.put("refresh", &fresh, Json::object());
                self.grant(Some(fresh))
            }
            "" => bad("invalid_request", "must supply grant_type"),
            _ => bad("unsupported_grant_type", "grant type not supported"),
        }
    }

    fn assertion(&mut self, assertion: &str) -> Reply {
        let Some(claims) = claims(assertion, &self.public_keys) else {
            return bad("invalid_grant", "invalid assertion");
        };
        let now = self.clock.now().as_second();
        if claims.text("iss") != CLIENT {
            return bad("invalid_client_id", "client identifier invalid");
        }
        if claims.text("sub") != USER {
            return bad("invalid_grant", "user hasn't approved this consumer");
        }
        let audience = claims.text("aud");
        let known = ["https://login.salesforce.com", "https://test.salesforce.com", self.base.as_str()];
        if !known.contains(&audience.trim_end_matches('/')) {
            return bad("invalid_grant", "audience is invalid");
        }
        if claims.int("exp") <= now - 60 {
            return bad("invalid_grant", "expired authorization code");
        }
        self.grant(None)
    }

    fn grant(&mut self, refresh: Option<String>) -> Reply {
        let number = self.store.next("token", 1);
        let token = format!(
            "00D000000000001!AQ{number:04}.{:016x}",
            number.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed())
        );
        let now = self.clock.millis();
        self.store.put("tokens", &token, obj! {"until" => now + LIFE_MS});
        let mut answer = obj! {
            "access_token" => token, "signature" => "c2lnbmF0dXJl", "scope" => "api", "instance_url" => &self.base,
            "id" => format!("https://login.salesforce.com/id/{ORG}/005000000000001AAA"), "token_type" => "Bearer",
            "issued_at" => now.to_string(), "api_instance_url" => "https://api.salesforce.com",
        };
        if let Some(refresh) = refresh {
            answer.set("refresh_token", refresh);
        }
        Reply::json(200, &answer)
    }

    /// The session of a call, or the vendor's 401.
    pub(crate) fn session(&self, call: &Call) -> Result<(), Refusal> {
        let token = call
            .bearer()
            .or_else(|| call.header("authorization").and_then(|h| h.strip_prefix("OAuth ")))
            .unwrap_or_default();
        let now = self.clock.millis();
        let lives = self.store.get("tokens", token).is_some_and(|kept| kept.int("until") > now);
        // a session handed out beforehand, as clients configured with a fixed one use it
        if call.trusted || lives || (self.public_keys.is_empty() && token == "00D!TOKEN") {
            return Ok(());
        }
        refuse(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(crate) fn expire(&mut self) {
        let tokens: Vec<String> = self.store.all("tokens").map(|(token, _)| token.to_string()).collect();
        for token in tokens {
            self.store.remove("tokens", &token);
        }
    }
}
