//! Who may do what: bearer tokens with roles, compared in constant time. Pages take the same token from a cookie.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use utoipa::Modify;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::guesses::{Guesses, address_of};
use super::problem::ApiError;
use crate::environment::Environment;
use crate::settings::{Role, Token};

/// Name of the cookie that pages use.
pub const COOKIE: &str = "milestoned_token";

/// Adds the bearer scheme to the API's description.
pub struct BearerScheme;

impl Modify for BearerScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Somebody who may read.
#[derive(Debug, Clone)]
pub struct Viewer(pub String);
/// Somebody who may decide about exceptions and parked things.
#[derive(Debug, Clone)]
pub struct Reviewer(pub String);
/// Somebody who may file contracts, amendments and facts.
#[derive(Debug, Clone)]
pub struct Admin(pub String);

/// What a request shows of who sends it.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// No token.
    Nothing,
    /// Too many wrong tokens came from its address: this one was not looked at.
    Unheard,
    /// A token that nobody has.
    Wrong,
    /// Somebody's token.
    Known(&'a Token),
}

/// Where a request comes from, and who has guessed.
#[derive(Debug, Clone)]
pub struct Origin {
    address: IpAddr,
    guesses: Arc<Guesses>,
}

impl Origin {
    fn of(parts: &Parts) -> Self {
        // Without a server in front of the router nobody guesses.
        let guesses = parts.extensions.get::<Arc<Guesses>>().cloned().unwrap_or_default();
        Self { address: address_of(parts), guesses }
    }

    /// Looks a token up. An address that shows many wrong ones is heard less and less often.
    pub async fn shows<'a>(&self, env: &'a Environment, presented: &str) -> Shown<'a> {
        let now = env.clock.now();
        if !self.guesses.is_heard(self.address, now) {
            return Shown::Unheard;
        }
        if let Some(token) = known(env, presented) {
            self.guesses.right(self.address);
            return Shown::Known(token);
        }
        if let Some(wait) = self.guesses.wrong(self.address, now) {
            let detail = format!("not heard for {} s", wait.as_secs());
            tracing::warn!(address = %self.address, seconds = wait.as_secs(), "an address shows wrong tokens and is not heard");
            let noted = env.store.note("wrong tokens", format!("address {}", self.address), detail, now).await;
            if let Err(error) = noted {
                tracing::error!(error = &error as &dyn std::error::Error, "that is not in the audit trail");
            }
        }
        Shown::Wrong
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// Who sends a request.
pub async fn owner<'a>(env: &'a Environment, parts: &Parts) -> Shown<'a> {
    let bearer = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match bearer.or_else(|| cookie(parts)) {
        Some(presented) => Origin::of(parts).shows(env, presented).await,
        None => Shown::Nothing,
    }
}

/// The token with this text. Every token is compared, each in constant time.
fn known<'a>(env: &'a Environment, presented: &str) -> Option<&'a Token> {
    env.settings.http.tokens.iter().fold(None, |found, token| {
        let equal = bool::from(token.token.expose_secret().as_bytes().ct_eq(presented.as_bytes()));
        if equal { Some(token) } else { found }
    })
}

fn cookie(parts: &Parts) -> Option<&str> {
    parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

async fn require(env: &Environment, parts: &Parts, role: Role) -> Result<String, ApiError> {
    let token = match owner(env, parts).await {
        Shown::Known(token) => token,
        Shown::Unheard => {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TOO_MANY_WRONG_TOKENS",
                "too many wrong tokens came from this address: none is looked at for up to a minute",
                "wait, and send a token of [[http.tokens]]",
            ));
        }
        Shown::Nothing | Shown::Wrong => {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "UNAUTHORISED",
                "no valid token",
                "send Authorization: Bearer with a token of [[http.tokens]]",
            ));
        }
    };
    if token.role < role {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            format!("token {:?} may not do this", token.name),
            format!("use a token with role {role:?}").to_lowercase(),
        ));
    }
    Ok(token.name.clone())
}

impl FromRequestParts<Arc<Environment>> for Viewer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, ApiError> {
        require(env, parts, Role::Viewer).await.map(Self)
    }
}

impl FromRequestParts<Arc<Environment>> for Reviewer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, ApiError> {
        require(env, parts, Role::Reviewer).await.map(Self)
    }
}

impl FromRequestParts<Arc<Environment>> for Admin {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, ApiError> {
        require(env, parts, Role::Admin).await.map(Self)
    }
}
