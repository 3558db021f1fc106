//! Access tokens: fetched once for all who wait, renewed before they expire, and after a refusal once more.

use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::Fault;

/// A token is renewed this long before it expires.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Where rotated refresh tokens are kept. The new value is stored before it is used.
pub trait TokenStore: Send + Sync + 'static {
    /// The stored value.
    fn load(
        &self,
        connection: &str,
        name: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + '_>>;
    /// Stores a value durably.
    fn save(
        &self,
        connection: &str,
        name: &str,
        value: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// Stores a value durably in the place of the one that it came from (`None`: nothing was stored). Where another value
    /// has taken that place it stays: a daemon that was stopped in the middle of a rotation must not put an older value
    /// over the one that others live on.
    fn replace(
        &self,
        connection: &str,
        name: &str,
        was: Option<&str>,
        value: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

/// An access token and when it ends.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub value: SecretString,
    /// When it ends; `None`: it is known by a refusal only.
    pub expires_at: Option<Timestamp>,
}

/// The one token of a connection.
#[derive(Default)]
pub struct TokenCache(Mutex<Option<Arc<Token>>>);

impl TokenCache {
    /// The token; `fetch` runs once for all who wait.
    ///
    /// # Errors
    /// That of `fetch`.
    pub async fn get<F, T>(&self, now: Timestamp, fetch: F) -> Result<Arc<Token>, Fault>
    where
        F: FnOnce() -> T + Send,
        T: Future<Output = Result<Token, Fault>> + Send,
    {
        let mut held = self.0.lock().await;
        if let Some(token) = held.as_ref()
            && token.expires_at.is_none_or(|end| now.saturating_add(SKEW).is_ok_and(|soon| soon < end))
        {
            return Ok(Arc::clone(token));
        }
        let token = Arc::new(fetch().await?);
        *held = Some(Arc::clone(&token));
        Ok(token)
    }

    /// Forgets a refused token, unless another one has taken its place meanwhile.
    pub async fn refused(&self, token: &Token) {
        let mut held = self.0.lock().await;
        if held.as_ref().is_some_and(|held| held.value.expose_secret() == token.value.expose_secret()) {
            *held = None;
        }
    }
}
