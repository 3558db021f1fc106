//! OAuth and SOAP log-in, and the check of a session.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::state::{Refusal, State, USER_ID, refuse};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

pub(crate) const CLIENT: &str = "CONSUMER_KEY";
const SECRET: &str = "CONSUMER_SECRET";
pub(crate) const USER: &str = "integration@example.com";
/// The refresh token that is there from the start.
pub(crate) const REFRESH: &str = "5Aep861-refresh";
pub(crate) const ORG: &str = "00D000000000001EAA";
/// A session handed out beforehand, as clients that are configured with one use it.
const FIXED: &str = "00D!TOKEN";

pub(crate) fn bad(error: &str, description: &str) -> Reply {
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

fn field(call: &Call, name: &str) -> String {
    let form = call.form();
    let found = form.iter().chain(&call.query).find(|(key, _)| key == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

impl State {
    pub(crate) fn oauth(&mut self, call: &Call, verb: &str) -> Reply {
        match (call.method.as_str(), verb) {
            ("POST", "token") => self.token(call),
            ("POST" | "GET", "revoke") => self.revoke(&field(call, "token")),
            ("POST", "introspect") => self.introspect(call),
            ("GET" | "POST", "userinfo") => self.userinfo(call),
            _ => Reply::empty(404),
        }
    }

    /// The client of a call, by Basic or in the body.
    fn client(&self, call: &Call, secret_needed: bool) -> Result<(), Reply> {
        let (client, secret) = call.basic().unwrap_or_else(|| (field(call, "client_id"), field(call, "client_secret")));
        if client != CLIENT {
            return Err(bad("invalid_client_id", "client identifier invalid"));
        }
        if secret != SECRET && (secret_needed || !secret.is_empty()) {
            return Err(bad("invalid_client", "invalid client credentials"));
        }
        Ok(())
    }

    fn token(&mut self, call: &Call) -> Reply {
        self.token_or(call).unwrap_or_else(|refusal| refusal)
    }

    fn token_or(&mut self, call: &Call) -> Result<Reply, Reply> {
        let host = call.header("host").unwrap_or_default();
        match field(call, "grant_type").as_str() {
            "client_credentials" => {
                if host.starts_with("login.") || host.starts_with("test.") {
                    return Err(bad("invalid_grant", "request not supported on this domain"));
                }
                self.client(call, true)?;
                if !self.settings.run_as {
                    return Err(bad("invalid_grant", "no client credentials user enabled"));
                }
                Ok(self.grant(None, true))
            }
            "password" => {
                self.client(call, true)?;
                if field(call, "username") != USER || field(call, "password").is_empty() {
                    return Err(bad("invalid_grant", "authentication failure"));
                }
                Ok(self.grant(None, true))
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => Ok(self.assertion(&field(call, "assertion"))),
            "refresh_token" => {
                self.client(call, false)?;
                let old = field(call, "refresh_token");
                if self.store.get("refresh", &old).is_none() {
                    return Err(bad("invalid_grant", "expired access/refresh token"));
                }
                if !self.settings.refresh_rotation {
                    return Ok(self.grant(None, true));
                }
                // rotation: the old value dies with its first use
                self.store.remove("refresh", &old);
                let fresh = format!("5Aep861.{}", self.store.next("refresh", 1));
                self.store.put("refresh", &fresh, Json::object());
                Ok(self.grant(Some(fresh), true))
            }
            "" => Err(bad("invalid_request", "must supply grant_type")),
            _ => Err(bad("unsupported_grant_type", "grant type not supported")),
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
        // a number or a string; one published client sends a string
        if claims.text("exp").split('.').next().and_then(|exp| exp.parse::<i64>().ok()).unwrap_or_default() <= now - 60
        {
            return bad("invalid_grant", "assertion is expired");
        }
        // this flow commonly leaves issued_at and signature out
        self.grant(None, false)
    }

    pub(crate) fn identity(&self) -> String {
        format!("{}/id/{ORG}/{USER_ID}", self.base)
    }

    /// Opens a session and gives its token.
    fn open(&mut self) -> String {
        let number = self.store.next("token", 1);
        let tail = number.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
        let token = format!("{}!AQ{number:04}.{tail:016x}", &ORG[..15]);
        let now = self.clock.millis();
        self.store.purge("tokens", now);
        self.store.put("tokens", &token, obj! {"until" => now + self.settings.session_ms, "since" => now});
        token
    }

    fn grant(&mut self, refresh: Option<String>, signed: bool) -> Reply {
        let token = self.open();
        let id = self.identity();
        let mut answer = obj! {
            "access_token" => token, "scope" => "api refresh_token", "instance_url" => &self.base, "id" => &id, "token_type" => "Bearer",
        };
        if signed {
            let issued = self.clock.millis().to_string();
            if let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()) {
                mac.update(format!("{id}{issued}").as_bytes());
                answer.set("signature", STANDARD.encode(mac.finalize().into_bytes()));
            }
            answer.set("issued_at", issued);
            answer.set("api_instance_url", "https://api.salesforce.com");
        }
        if let Some(refresh) = refresh {
            answer.set("refresh_token", refresh);
        }
        Reply::json(200, &answer)
    }

    fn revoke(&mut self, token: &str) -> Reply {
        let refresh = self.store.remove("refresh", token).is_some();
        if refresh {
            // with a refresh token, the sessions that it opened end
            self.expire();
        }
        if self.store.remove("tokens", token).is_some() || refresh {
            return Reply::empty(200);
        }
        bad("unsupported_token_type", "this token type is not supported")
    }

    fn introspect(&mut self, call: &Call) -> Reply {
        if let Err(refusal) = self.client(call, true) {
            return refusal;
        }
        let token = field(call, "token");
        let now = self.clock.millis();
        let life = self.store.get("tokens", &token).filter(|kept| kept.int("until") > now);
        match life {
            Some(kept) => {
                let (from, until) = (kept.int("since") / 1000, kept.int("until") / 1000);
                Reply::json(
                    200,
                    &obj! {
                        "active" => true, "scope" => "api refresh_token", "client_id" => CLIENT, "username" => USER, "sub" => self.identity(),
                        "token_type" => "access_token", "exp" => until, "iat" => from, "nbf" => from,
                    },
                )
            }
            None if self.store.get("refresh", &token).is_some() => Reply::json(
                200,
                &obj! {"active" => true, "client_id" => CLIENT, "username" => USER, "token_type" => "refresh_token"},
            ),
            None => Reply::json(200, &obj! {"active" => false}),
        }
    }

    pub(crate) fn userinfo(&mut self, call: &Call) -> Reply {
        // here the token may also come in the query or the form
        let mut call = call.clone();
        let token =
            [field(&call, "oauth_token"), field(&call, "access_token")].into_iter().find(|token| !token.is_empty());
        if let Some(token) = token {
            call.headers.push(("x-sfdc-session".to_string(), token));
        }
        if self.session(&call).is_err() {
            return Reply::empty(403).header("content-type", "text/plain").body("Bad_OAuth_Token");
        }
        let rest = format!("{}/services/data/v{{version}}/", self.base);
        Reply::json(
            200,
            &obj! {
                "sub" => self.identity(), "id" => self.identity(), "user_id" => USER_ID, "organization_id" => ORG,
                "preferred_username" => USER, "username" => USER, "nickname" => "integration", "name" => "Integration User",
                "display_name" => "Integration User", "email" => USER, "email_verified" => true, "zoneinfo" => &self.settings.time_zone,
                "user_type" => "STANDARD", "language" => "en_US", "locale" => "en_US", "active" => true,
                "urls" => obj! {
                    "rest" => &rest, "sobjects" => format!("{rest}sobjects/"), "query" => format!("{rest}query/"),
                    "partner" => format!("{}/services/Soap/u/{{version}}/{ORG}", self.base),
                },
            },
        )
    }

    /// SOAP `login()`, which old clients use; versions from 65 on no longer have it.
    pub(crate) fn login(&mut self, call: &Call, version: &str) -> Reply {
        let text = call.text();
        if text.contains("<logout") {
            return self.log_out(&text);
        }
        let element = |name: &str| {
            let after = text.split(&format!("{name}>")).nth(1)?;
            after.split("</").next().map(|inner| inner.trim().to_string())
        };
        let fault = |code: &str, message: &str| {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
                 xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
                 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
                 <faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring><detail><sf:LoginFault \
                 xsi:type=\"sf:LoginFault\"><sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{message}\
                 </sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
            );
            Reply::empty(500).header("content-type", "text/xml;charset=UTF-8").body(body)
        };
        if version.split('.').next().and_then(|v| v.parse::<u32>().ok()).is_none_or(|version| version > 64) {
            return fault("UNSUPPORTED_API_VERSION", "login() is not available in this version");
        }
        let refused = "Invalid username, password, security token; or user locked out.";
        if element("username").as_deref() != Some(USER) || element("password").unwrap_or_default().is_empty() {
            return fault("INVALID_LOGIN", refused);
        }
        let (token, base) = (self.open(), self.base.clone());
        let seconds = self.settings.session_ms / 1000;
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><loginResponse><result>\
             <metadataServerUrl>{base}/services/Soap/m/{version}/{ORG}</metadataServerUrl><passwordExpired>false</passwordExpired>\
             <sandbox>false</sandbox><serverUrl>{base}/services/Soap/u/{version}/{ORG}</serverUrl><sessionId>{token}</sessionId>\
             <userId>{USER_ID}</userId><userInfo><organizationId>{ORG}</organizationId><organizationName>Simulated org\
             </organizationName><sessionSecondsValid>{seconds}</sessionSecondsValid><userEmail>{USER}</userEmail>\
             <userFullName>Integration User</userFullName><userId>{USER_ID}</userId><userName>{USER}</userName>\
             <userTimeZone>{zone}</userTimeZone></userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>",
            zone = self.settings.time_zone,
        );
        Reply::empty(200).header("content-type", "text/xml;charset=UTF-8").body(body)
    }

    /// SOAP `logout()`: the session of the envelope's header ends.
    fn log_out(&mut self, envelope: &str) -> Reply {
        let session = envelope.split("sessionId>").nth(1).and_then(|rest| rest.split("</").next()).unwrap_or_default();
        self.store.remove("tokens", session);
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
                    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\">\
                    <soapenv:Body><logoutResponse/></soapenv:Body></soapenv:Envelope>";
        Reply::empty(200).header("content-type", "text/xml;charset=UTF-8").body(body)
    }

    /// The session of a call, or the vendor's 401. A session slides once half of its life is over.
    pub(crate) fn session(&mut self, call: &Call) -> Result<(), Refusal> {
        if call.trusted {
            return Ok(());
        }
        let other = call.header("authorization").and_then(|header| header.strip_prefix("OAuth "));
        let token = call.bearer().or(other).or(call.header("x-sfdc-session")).unwrap_or_default().to_string();
        let now = self.clock.millis();
        if let Some(kept) = self.store.get("tokens", &token).filter(|kept| kept.int("until") > now).cloned() {
            let life = self.settings.session_ms;
            if kept.int("until") - now < life / 2 {
                self.store.put("tokens", &token, kept.with("until", now + life));
            }
            return Ok(());
        }
        if self.public_keys.is_empty() && token == FIXED {
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

/// The vendor's errors by code: status and text.
pub(crate) fn named(code: &str, oauth: bool, lock_status: u16) -> Option<Reply> {
    if oauth {
        let descriptions = [
            ("invalid_grant", "authentication failure"),
            ("user is locked", "user is locked"),
            ("invalid_client", "invalid client credentials"),
            ("invalid_client_id", "client identifier invalid"),
            ("invalid_app_access", "user is not admin approved to access this app"),
            ("unsupported_grant_type", "grant type not supported"),
            ("invalid_request", "invalid request"),
        ];
        let (error, description) = descriptions.iter().find(|(name, _)| *name == code)?;
        return Some(bad(if error.contains(' ') { "invalid_grant" } else { error }, description));
    }
    let (status, code, message) = match code {
        "UNABLE_TO_LOCK_ROW" => (lock_status, code, "unable to obtain exclusive access to this record"),
        "TotalRequests" => (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        "ConcurrentPerOrgLongTxn" => (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."),
        "SESSION_NOT_VALID_FOR_REST" => {
            (401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
        }
        "INVALID_QUERY_LOCATOR" => (400, code, "invalid query locator"),
        "QUERY_TIMEOUT" => (400, code, "Your query request was running for too long."),
        "REQUEST_RUNNING_TOO_LONG" => (400, code, "Your request was running for too long, and has been stopped."),
        "OPERATION_TOO_LARGE" => (400, code, "exceeded 100000 distinct who/what's"),
        "API_DISABLED_FOR_ORG" => (403, code, "The REST API is not enabled for this Organization."),
        "API_CURRENTLY_DISABLED" => (403, code, "API is currently disabled for this organization"),
        "INSUFFICIENT_ACCESS" => (403, code, "insufficient access rights on object id"),
        "TXN_SECURITY_METERING_ERROR" => (403, code, "transaction security policy metering"),
        "STORAGE_LIMIT_EXCEEDED" => (400, code, "storage limit exceeded"),
        "ORG_IN_MAINTENANCE" => (503, code, "organization is in maintenance"),
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE" => (400, code, "not allowed during maintenance"),
        "ENTITY_IS_LOCKED" => (400, code, "entity is locked for editing"),
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" => (400, code, "a trigger failed"),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => (400, code, "a validation rule failed"),
        "SERVER_UNAVAILABLE" => (503, code, "Server too busy"),
        "UNKNOWN_EXCEPTION" => (500, code, "An unexpected error occurred."),
        _ => return None,
    };
    Some(Reply::json(status, &list![obj! {"message" => message, "errorCode" => code}]))
}
