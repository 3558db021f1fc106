//! Who calls: OAuth 2.0 client credentials with a signed assertion, and token-based authentication (OAuth 1.0a).

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sha2::Sha256;

use super::state::{Refusal, State};
use crate::call::{Call, Reply, decode};
use crate::json::{Json, obj};

const TOKEN_PATH: &str = "/services/rest/auth/oauth2/v1/token";
const LIFE_MS: i64 = 3600 * 1000;
const CONSUMER: (&str, &str) = ("ck", "cs");
const TOKEN: (&str, &str) = ("ti", "ts");

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

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The header of a P-256 public key in SubjectPublicKeyInfo form.
const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A fresh pair: private and public key as PEM.
fn generate() -> io::Result<(String, String)> {
    let failed = |_| io::Error::other("no key pair could be made");
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let private = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(failed)?;
    let pair =
        EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref()).map_err(|error| io::Error::other(error.to_string()))?;
    let mut public = P256_INFO.to_vec();
    public.extend_from_slice(pair.public_key().as_ref());
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &public)))
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

fn bad(error: &str, description: &str) -> Reply {
    Reply::json(400, &obj! {"error" => error, "error_description" => description})
}

impl State {
    /// The client whose key was made at the first start.
    pub(crate) fn client(&mut self) -> io::Result<OAuthClient> {
        if self.store.get("client", "default").is_none() {
            let (private, public) = generate()?;
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
            return bad("unsupported_grant_type", "The grant type is not supported.");
        }
        if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return bad("invalid_request", "client_assertion_type is missing or unknown.");
        }
        if let Err(why) = self.assertion(field("client_assertion"), call.header("host").unwrap_or_default()) {
            tracing::debug!(why, "an assertion was refused");
            return bad("invalid_client", "invalid_client");
        }
        let number = self.store.next("token", 1);
        let token = format!("eyJraWQiOiJjLk9BVVRIMiJ9.{number:08}.{:x}", self.clock.millis());
        self.store.put("tokens", &token, obj! {"until" => self.clock.millis() + LIFE_MS});
        Reply::json(200, &obj! {"access_token" => token, "expires_in" => "3600", "token_type" => "bearer"})
    }

    fn assertion(&self, assertion: &str, host: &str) -> Result<(), &'static str> {
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| "not a JWT")?;
        let kid = header.kid.unwrap_or_default();
        let kept = self.store.get("keys", &kid).ok_or("unknown certificate id")?;
        let pem = kept.text("public");
        let key = match header.alg {
            Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => DecodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem.as_bytes()),
            _ => return Err("the algorithm is not accepted"),
        };
        let mut rules = Validation::new(header.alg);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let key = key.map_err(|_| "the key does not fit the algorithm")?;
        let claims =
            jsonwebtoken::decode::<serde_json::Value>(assertion, &key, &rules).map_err(|_| "wrong signature")?.claims;
        let claims = Json::from(claims);
        let now = self.clock.now().as_second();
        let audience = claims.text("aud");
        if claims.text("iss") != kept.text("client") {
            return Err("unknown issuer");
        }
        if ![&self.base, &format!("http://{host}")].iter().any(|base| audience == format!("{base}{TOKEN_PATH}")) {
            return Err("wrong audience");
        }
        if claims.int("exp") <= now || claims.int("iat") > now + 300 || claims.int("exp") - claims.int("iat") > 3600 {
            return Err("expired, from the future, or valid for too long");
        }
        if !claims.get("scope").is_some_and(|scope| scope.to_string().contains("rest_webservices")) {
            return Err("scope without rest_webservices");
        }
        Ok(())
    }

    /// The caller, or the vendor's 401, which never says why.
    pub(crate) fn caller(&mut self, call: &Call) -> Result<(), Refusal> {
        let refused = || {
            let detail = "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at Setup > \
                          Users/Roles > User Management > View Login Audit Trail.";
            Refusal::new(401, "INVALID_LOGIN", detail)
        };
        if call.trusted {
            return Ok(());
        }
        if let Some(token) = call.bearer() {
            let now = self.clock.millis();
            let lives = self.store.get("tokens", token).is_some_and(|kept| kept.int("until") > now);
            return if lives { Ok(()) } else { Err(refused()) };
        }
        if std::mem::take(&mut self.revoked) {
            return Err(refused());
        }
        match self.signed(call) {
            Ok(()) => Ok(()),
            Err(why) => {
                tracing::debug!(why, "a signature was refused");
                Err(refused())
            }
        }
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
        let nonce = format!("{}:{}", field("oauth_timestamp"), field("oauth_nonce"));
        if field("oauth_timestamp").parse::<i64>().is_err() || self.store.get("nonces", &nonce).is_some() {
            return Err("nonce used before");
        }
        self.store.put("nonces", &nonce, true);
        let hash = field("oauth_body_hash");
        if !hash.is_empty() && hash != STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &call.body)) {
            return Err("wrong body hash");
        }
        let mut signed: Vec<(String, String)> =
            given.iter().filter(|(name, _)| name.starts_with("oauth_") && name != "oauth_signature").cloned().collect();
        signed.extend(call.query.iter().cloned());
        let mut signed: Vec<String> =
            signed.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        signed.sort();
        let host = call.header("host").unwrap_or_default();
        let address = format!("http://{host}{}", call.path);
        let base = format!("{}&{}&{}", call.method, encode(&address), encode(&signed.join("&")));
        let key = format!("{}&{}", encode(CONSUMER.1), encode(TOKEN.1));
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| "no key")?;
        mac.update(base.as_bytes());
        if STANDARD.encode(mac.finalize().into_bytes()) == field("oauth_signature") {
            Ok(())
        } else {
            Err("wrong signature")
        }
    }
}
