//! Sessions: three ways to sign in, and the one repetition after a session has ended.

use milestoned_connector_kit::http::{Answer, Kind};
use milestoned_connector_kit::token::Token;
use milestoned_connector_kit::{Class, Fault, read};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::settings::Auth;
use super::{Salesforce, refusal, wire};

/// Name of the rotated refresh token in the store.
const REFRESH: &str = "refresh_token";
/// Refusals of a session that a new one does not mend.
const NOT_FOR_REST: [&str; 2] = ["not valid for use with the REST API", "not attached to Agent"];

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

impl Salesforce {
    async fn sign_in(&self) -> Result<Token, Fault> {
        let request = self.client.request(Method::POST, "/services/oauth2/token");
        let mut stored = None;
        let answer = match &self.settings.auth {
            Auth::ClientCredentials { client_id, client_secret } => {
                let request = request.basic_auth(client_id, Some(client_secret.expose_secret()));
                self.client.read(request.form(&[("grant_type", "client_credentials")])).await?
            }
            Auth::Jwt { client_id, username, private_key, audience } => {
                let exp = self.client.now().as_second().saturating_add(180);
                let claims = Claims { iss: client_id, sub: username, aud: audience, exp };
                let assertion = self.assertion(&claims, private_key)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                self.client.read(request.form(&[("grant_type", grant), ("assertion", &assertion)])).await?
            }
            Auth::RefreshToken { client_id, client_secret, refresh_token } => {
                stored = self.tokens.load(self.client.system(), REFRESH).await.map_err(|said| self.dead(said))?;
                let held = stored.as_deref().unwrap_or_else(|| refresh_token.expose_secret());
                let mut form =
                    vec![("grant_type", "refresh_token"), ("refresh_token", held), ("client_id", client_id.as_str())];
                form.extend(client_secret.as_ref().map(|secret| ("client_secret", secret.expose_secret())));
                // The token is asked for once: after a lost answer the next attempt shows whether the refresh token
                // was rotated.
                let lost = |fault| Fault { class: Class::Unreachable, ..fault };
                self.client.write(request.form(&form)).await.map_err(lost)?
            }
        };
        if !answer.status.is_success() {
            let said = format!("sign-in refused: {}", answer.oauth_error());
            return Err(self.client.unsigned(&answer, said));
        }
        let token: wire::TokenAnswer = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        // A rotated refresh token has killed the old one: it is kept before anything is done with the session.
        if let Some(rotated) = &token.refresh_token {
            let kept = self.tokens.replace(self.client.system(), REFRESH, stored.as_deref(), rotated).await;
            kept.map_err(|said| self.dead(said))?;
        }
        Ok(Token { value: SecretString::from(token.access_token), expires_at: None })
    }

    fn dead(&self, said: String) -> Fault {
        self.client.fault(Class::Unauthorised, said, None)
    }

    fn assertion(&self, claims: &Claims<'_>, private_key: &SecretString) -> Result<String, Fault> {
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(private_key.expose_secret().as_bytes());
        key.and_then(|key| {
            jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), claims, &key)
        })
        .map_err(|error| self.dead(format!("auth.private_key: {error}")))
    }

    /// Sends with the session. One that has ended is renewed once; every other refusal is the caller's.
    pub(crate) async fn send(&self, kind: Kind, request: impl Fn() -> RequestBuilder) -> Result<Answer, Fault> {
        for again in [true, false] {
            let token = self.token.get(self.client.now(), || self.sign_in()).await?;
            let signed = || request().bearer_auth(token.value.expose_secret());
            let mut answer = self.client.once(signed(), kind, None).await?;
            if answer.status.is_server_error() && refusal::errors(&answer.body).is_empty() {
                // Not Salesforce's own words: what stands in front of it.
                answer = match kind {
                    Kind::Read => self.client.read(signed()).await?,
                    Kind::Write => return Err(self.client.unanswered(&answer)),
                };
            }
            self.usage.told(&answer, self.client.now());
            if !session_ended(&answer) {
                return Ok(answer);
            }
            self.token.refused(&token).await;
            if !again {
                return Err(self.client.refusal(&answer, "the session is refused again after a new sign-in"));
            }
        }
        Err(self.dead("no session".into()))
    }

    /// The bytes of a file. A session that has ended is renewed once.
    pub(crate) async fn download(&self, path: &str) -> Result<Vec<u8>, Fault> {
        for again in [true, false] {
            let token = self.token.get(self.client.now(), || self.sign_in()).await?;
            let request = self.client.request(Method::GET, path).bearer_auth(token.value.expose_secret());
            let (answer, bytes) = self.client.file(request).await?;
            self.usage.told(&answer, self.client.now());
            if answer.status.is_success() {
                return Ok(bytes);
            }
            if !(session_ended(&answer) && again) {
                return Err(self.refused(&answer));
            }
            self.token.refused(&token).await;
        }
        Err(self.dead("no session".into()))
    }
}

/// Whether the session was refused, and a new one may mend it.
fn session_ended(answer: &Answer) -> bool {
    answer.status == 401
        && refusal::errors(&answer.body).iter().any(|error| {
            error.code == "INVALID_SESSION_ID" && !NOT_FOR_REST.iter().any(|said| error.message.contains(said))
        })
}
