//! Signing in with a refresh token that changes under way. The new one is stored before anything is done with either.

use jiff::SignedDuration;
use milestoned_connector_kit::token::Token;
use milestoned_connector_kit::{Class, Fault};
use reqwest::Method;
use reqwest::header::ACCEPT;
use secrecy::{ExposeSecret, SecretString};

use super::{QuickBooks, wire};

/// Name of the rotated refresh token in the store.
const REFRESH: &str = "refresh_token";
/// Name of the instant at which the refresh token ends, in the store: in a hundred days without use, and after five years
/// for good.
pub(crate) const ENDS: &str = "refresh_token_ends";
/// Name of the configured refresh token from which the stored one came.
const FIRST: &str = "first_refresh_token";

impl QuickBooks {
    /// A new access token. The stored refresh token goes first; the configured one where nothing is stored, or where a
    /// company that was connected again has another one than the stored one came from.
    pub(crate) async fn sign_in(&self) -> Result<Token, Fault> {
        let unauthorised = |said: String| self.client.fault(Class::Unauthorised, said, None);
        let load = |name| self.store.load(self.client.system(), name);
        let configured = self.settings.refresh_token.expose_secret();
        let stored = load(REFRESH).await.map_err(unauthorised)?;
        let came_from = load(FIRST).await.map_err(unauthorised)?;
        let fresh = came_from.is_some_and(|first| first != digest(configured));
        let refresh = stored.as_deref().filter(|_| !fresh).unwrap_or(configured);
        let token = self.exchange(refresh).await?;
        let system = self.client.system();
        self.store.save(system, FIRST, &digest(configured)).await.map_err(unauthorised)?;
        let kept = self.store.replace(system, REFRESH, stored.as_deref(), &token.refresh_token).await;
        kept.map_err(unauthorised)?;
        let ends = [token.refresh_ends, token.refresh_hard_ends].into_iter().flatten().min();
        if let Some(end) = ends.and_then(|ends| self.client.now().checked_add(SignedDuration::from_secs(ends)).ok()) {
            self.store.save(system, ENDS, &end.to_string()).await.map_err(unauthorised)?;
        }
        let expires_at = self.client.now().checked_add(SignedDuration::from_secs(token.expires_in)).ok();
        Ok(Token { value: SecretString::from(token.access_token), expires_at })
    }

    /// Asks twice: an answer that was lost may have brought a new value, and the old one lives on for a moment.
    async fn exchange(&self, refresh: &str) -> Result<wire::TokenAnswer, Fault> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        for again in [true, false] {
            let request = self
                .client
                .request(Method::POST, &self.settings.token_url)
                .basic_auth(&self.settings.client_id, Some(self.settings.client_secret.expose_secret()))
                .header(ACCEPT, "application/json")
                .form(&form);
            let answer = match self.client.write(request).await {
                Ok(answer) => answer,
                Err(_) if again => continue,
                Err(fault) => return Err(Fault { class: Class::Unreachable, ..fault }),
            };
            if !answer.status.is_success() {
                let error = answer.oauth_error();
                let remedy = match error.error.as_str() {
                    "invalid_client" => "client_id or client_secret is refused: compare them with the app's keys",
                    _ => "the refresh token is refused: connect the company again and set the new refresh_token",
                };
                return Err(self.client.unsigned(&answer, format!("{remedy} ({error})")));
            }
            match serde_json::from_str(&answer.body) {
                Ok(token) => return Ok(token),
                Err(_) if again => {}
                Err(error) => return Err(self.client.garbage(&answer, error)),
            }
        }
        Err(self.client.fault(Class::Unreachable, "no answer to a refresh", None))
    }
}

/// Tells one secret from another without keeping it.
fn digest(secret: &str) -> String {
    milestoned_mapping::command::DeliveryKey::of(&[secret]).to_string()
}
