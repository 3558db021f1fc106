//! Who calls: OAuth 2.0 client credentials with a signed assertion, and token-based authentication (OAuth 1.0a).

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::keys;
use super::state::{Refusal, State};
use crate::call::{Call, Reply, decode};
use crate::json::{Json, list, obj};

const TOKEN_PATH: &str = "/services/rest/auth/oauth2/v1/token";
const LIFE_MS: i64 = 3600 * 1000;
const CONSUMER: (&str, &str) = ("ck", "cs");
const TOKEN: (&str, &str) = ("ti", "ts");
/// How far a client's clock may be off, in seconds.
const SKEW: i64 = 300;

/// An OAuth 2.0 client that the account accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthClient {
    /// Consumer key of the integration: `iss`.
    pub client_id: String,
    /// Certificate id of the mapping: `kid`.
    pub certificate_id: String,
    /// PKCS#8 private key (ES256), PEM.
    pub private_key: String,
}

fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn bad(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &obj! {"error" => error, "error_description" => description})
}

impl State {
    /// The client whose key was made at the first start.
    pub(crate) fn client(&mut self) -> io::Result<OAuthClient> {
        if self.store.get("client", "default").is_none() {
            let (private, public) = keys::pair()?;
            self.store.put(
                "client",
                "default",
                obj! {"client" => "ns-client", "kid" => "ns-certificate", "private" => private},
            );
            self.store.put("keys", "ns-certificate", obj! {"client" => "ns-client", "public" => public});
        }
        let kept = self.store.get("client", "default").cloned().unwrap_or_default();
        Ok(OAuthClient {
            client_id: kept.text("client"),
            certificate_id: kept.text("kid"),
            private_key: kept.text("private"),
        })
    }

    pub(crate) fn token(&mut self, call: &Call) -> Reply {
        let form = call.form();
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            return bad(400, "unsupported_grant_type", "The grant type is not supported.");
        }
        if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return bad(400, "invalid_request", "client_assertion_type is missing or unknown.");
        }
        let kept = match self.assertion(field("client_assertion"), call.header("host").unwrap_or_default()) {
            Ok(client) => client,
            Err(why) => {
                tracing::debug!(why, "an assertion was refused");
                return bad(400, "invalid_client", "invalid_client");
            }
        };
        let now = self.clock.millis();
        self.store.purge("tokens", now);
        let number = self.store.next("token", 1);
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let seconds = now / 1000;
        let payload = obj! {
            "sub" => "3;5", "aud" => list![format!("{};{}", self.account, kept)], "scope" => list!["rest_webservices"],
            "iss" => "https://system.netsuite.com", "oit" => seconds, "exp" => seconds + 3600, "iat" => seconds,
            "jti" => format!("{}.a-a.{number:08}_{now}", self.account),
        };
        let head = obj! {"kid" => "c.OAUTH2", "typ" => "JWT", "alg" => "PS256"};
        // a client has no key to check it with, and need not
        let token = format!("{}.{}.{}", part(&head), part(&payload), URL_SAFE_NO_PAD.encode([0x5a; 256]));
        self.store.put("tokens", &token, obj! {"until" => now + LIFE_MS});
        self.count("tokens");
        Reply::json(200, &obj! {"access_token" => token, "expires_in" => "3600", "token_type" => "bearer"})
    }

    /// The client that signed this assertion.
    fn assertion(&self, assertion: &str, host: &str) -> Result<String, &'static str> {
        let assertion = keys::read(assertion).ok_or("not a JWT")?;
        if !assertion.header.text("typ").eq_ignore_ascii_case("JWT") {
            return Err("typ is not JWT");
        }
        let kept = self.store.get("keys", &assertion.header.text("kid")).ok_or("unknown certificate id")?;
        if !assertion.signed_by(&kept.text("public")) {
            return Err("wrong signature or algorithm");
        }
        let claims = &assertion.claims;
        let now = self.clock.now().as_second();
        let audience = claims.text("aud");
        if claims.text("iss") != kept.text("client") {
            return Err("unknown issuer");
        }
        let own = format!("https://{}", self.host());
        let known = [&self.base, &format!("http://{host}"), &own];
        if !known.iter().any(|base| audience == format!("{base}{TOKEN_PATH}")) {
            return Err("wrong audience");
        }
        let (issued, expires) = (claims.int("iat"), claims.int("exp"));
        if expires <= now || issued > now + SKEW || expires - issued > 3600 {
            return Err("expired, from the future, or valid for too long");
        }
        let scope = claims.get("scope").map(|scope| scope.scalar().unwrap_or_else(|| scope.to_string()));
        let mut scopes = scope.as_deref().unwrap_or_default().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if !scopes.any(|scope| scope == "rest_webservices") {
            return Err("scope without rest_webservices");
        }
        Ok(kept.text("client"))
    }

    /// `tstdrv123-sb1.suitetalk.api.netsuite.com`
    fn host(&self) -> String {
        format!("{}.suitetalk.api.netsuite.com", self.account.to_lowercase().replace('_', "-"))
    }

    /// The caller, or the vendor's 401, which never says why.
    pub(crate) fn caller(&mut self, call: &Call) -> Result<(), Refusal> {
        if call.trusted {
            return Ok(());
        }
        if let Some(token) = call.bearer() {
            let now = self.clock.millis();
            let lives = self.store.get("tokens", token).is_some_and(|kept| kept.int("until") > now);
            return if lives { Ok(()) } else { Err(login_refused()) };
        }
        if std::mem::take(&mut self.revoked) {
            return Err(login_refused());
        }
        self.signed(call).map_err(|why| {
            tracing::debug!(why, "a signature was refused");
            login_refused()
        })
    }

    fn signed(&mut self, call: &Call) -> Result<(), &'static str> {
        let header =
            call.header("authorization").and_then(|header| header.strip_prefix("OAuth ")).ok_or("no credentials")?;
        let mut given: Vec<(String, String)> = Vec::new();
        for part in header.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or("malformed header")?;
            given.push((name.to_string(), decode(value.trim_matches('"'))));
        }
        let field =
            |name: &str| given.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
        if field("realm") != self.account {
            return Err("wrong realm");
        }
        if field("oauth_consumer_key") != CONSUMER.0 || field("oauth_token") != TOKEN.0 {
            return Err("unknown key or token");
        }
        if field("oauth_signature_method") != "HMAC-SHA256" || field("oauth_nonce").len() < 6 {
            return Err("wrong method or short nonce");
        }
        if !matches!(field("oauth_version").as_str(), "" | "1.0") {
            return Err("wrong version");
        }
        let hash = field("oauth_body_hash");
        if !hash.is_empty() && hash != STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &call.body)) {
            return Err("wrong body hash");
        }
        let key = format!("{}&{}", encode(CONSUMER.1), encode(TOKEN.1));
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| "no key")?;
        mac.update(base_string(call, &given).as_bytes());
        if STANDARD.encode(mac.finalize().into_bytes()) != field("oauth_signature") {
            return Err("wrong signature");
        }
        let now = self.clock.now().as_second();
        let stamp: i64 = field("oauth_timestamp").parse().map_err(|_| "no timestamp")?;
        if (stamp - now).abs() > SKEW {
            return Err("the clock is off");
        }
        let nonce = format!("{stamp}:{}", field("oauth_nonce"));
        if self.store.get("nonces", &nonce).is_some() {
            return Err("nonce used before");
        }
        if self.store.count("nonces") > 10_000 {
            self.store.purge("nonces", now);
        }
        self.store.put("nonces", &nonce, obj! {"until" => stamp + SKEW});
        Ok(())
    }
}

/// RFC 5849: every `oauth_` parameter of the header but the signature, and the query. The address is encoded once, however
/// the client wrote `!` and `:` in its path.
fn base_string(call: &Call, given: &[(String, String)]) -> String {
    let mut signed: Vec<(String, String)> = given
        .iter()
        .filter(|(name, _)| name.starts_with("oauth_") && name != "oauth_signature")
        .chain(&call.query)
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    signed.sort();
    let signed: Vec<String> = signed.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let path = call.path.replace("%21", "!").replace("%3A", ":").replace("%3a", ":");
    let address = format!("http://{}{path}", call.header("host").unwrap_or_default());
    format!("{}&{}&{}", call.method, encode(&address), encode(&signed.join("&")))
}

pub(crate) fn login_refused() -> Refusal {
    let detail = "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at Setup > \
                  Users/Roles > User Management > View Login Audit Trail.";
    Refusal::new(401, "INVALID_LOGIN", detail)
}
