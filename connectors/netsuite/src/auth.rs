//! Signing in: an assertion for a bearer token, or a signature on every request (OAuth 1.0a, RFC 5849).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use milestoned_connector_kit::token::Token;
use milestoned_connector_kit::{Class, Fault, read};
use rand::RngExt;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::Sha256;

use super::settings::{Algorithm, Auth};
use super::{NetSuite, wire};

const TOKEN_PATH: &str = "/services/rest/auth/oauth2/v1/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds by which our clock may be ahead: an assertion that was made in the future is refused.
const AHEAD: i64 = 60;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: [&'a str; 1],
    aud: String,
    iat: i64,
    exp: i64,
}

impl NetSuite {
    /// A bearer token; there is no refresh token, a new assertion is made each time.
    pub(crate) async fn sign_in(&self) -> Result<Token, Fault> {
        let Auth::Oauth2 { client_id, certificate_id, private_key, algorithm, .. } = &self.settings.auth else {
            return Err(self.client.fault(Class::Unauthorised, "token-based authentication signs each request", None));
        };
        let refused = |error: jsonwebtoken::errors::Error| {
            self.client.fault(Class::Unauthorised, format!("auth.private_key: {error}"), None)
        };
        let pem = private_key.expose_secret().as_bytes();
        let (algorithm, key) = match algorithm {
            Algorithm::Es256 => {
                (jsonwebtoken::Algorithm::ES256, jsonwebtoken::EncodingKey::from_ec_pem(pem).map_err(refused)?)
            }
            Algorithm::Ps256 => {
                (jsonwebtoken::Algorithm::PS256, jsonwebtoken::EncodingKey::from_rsa_pem(pem).map_err(refused)?)
            }
        };
        let now = self.client.now().as_second();
        let aud = format!("{}{TOKEN_PATH}", self.base_url);
        let (iat, exp) = (now.saturating_sub(AHEAD), now.saturating_add(600));
        let claims = Claims { iss: client_id, scope: ["rest_webservices"], aud, iat, exp };
        let mut header = jsonwebtoken::Header::new(algorithm);
        header.kid = Some(certificate_id.clone());
        let assertion = jsonwebtoken::encode(&header, &claims, &key).map_err(refused)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &assertion),
        ];
        let answer = self.client.read(self.client.request(Method::POST, TOKEN_PATH).form(&form)).await?;
        if !answer.status.is_success() {
            let said = format!(
                "sign-in refused ({}): compare client_id, certificate_id, private_key and algorithm with the integration record \
                 and its certificate mapping",
                answer.oauth_error()
            );
            return Err(self.client.unsigned(&answer, said));
        }
        let token: wire::TokenAnswer = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let seconds =
            token.expires_in.as_i64().or_else(|| token.expires_in.as_str().and_then(|text| text.parse().ok()));
        let expires_at = self.client.now().checked_add(jiff::SignedDuration::from_secs(seconds.unwrap_or(3600))).ok();
        Ok(Token { value: SecretString::from(token.access_token), expires_at })
    }

    /// The `Authorization` header of one request under token-based authentication.
    pub(crate) fn signature(&self, method: &Method, url: &Url) -> Option<String> {
        let Auth::Tba { consumer_key, consumer_secret, token_id, token_secret } = &self.settings.auth else {
            return None;
        };
        let nonce: [u8; 16] = rand::rng().random();
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let own = [
            ("oauth_consumer_key", consumer_key.clone()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA256".into()),
            ("oauth_timestamp", self.client.now().as_second().to_string()),
            ("oauth_token", token_id.clone()),
            ("oauth_version", "1.0".into()),
        ];
        let key = format!("{}&{}", encoded(consumer_secret.expose_secret()), encoded(token_secret.expose_secret()));
        let signature = sign(method.as_str(), url, &own, &key);
        let fields: Vec<String> = own
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("oauth_signature", signature.as_str())])
            .map(|(name, value)| format!("{name}=\"{}\"", encoded(value)))
            .collect();
        Some(format!("OAuth realm=\"{}\",{}", self.settings.account, fields.join(",")))
    }
}

/// RFC 5849, section 3.4: method, address without query, sorted parameters; encoded once, as it is sent.
fn sign(method: &str, url: &Url, own: &[(&str, String)], key: &str) -> String {
    let mut parameters: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    parameters.extend(own.iter().map(|(name, value)| (encoded(name), encoded(value))));
    parameters.sort();
    let joined: Vec<String> = parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut address = url.clone();
    address.set_query(None);
    let base = format!("{method}&{}&{}", encoded(address.as_str()), encoded(&joined.join("&")));
    // A key of any length is taken: this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(base.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// RFC 3986: everything but letters, digits and `-._~`.
pub(crate) fn encoded(text: &str) -> String {
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
