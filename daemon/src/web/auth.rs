//! Who may do what: bearer tokens with roles, compared in constant time. Pages take the same token from a cookie.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use utoipa::Modify;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

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

/// The token's owner, if the request carries a known one.
pub fn owner<'a>(env: &'a Environment, parts: &Parts) -> Option<&'a Token> {
    let bearer = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let presented = bearer.or_else(|| cookie(parts))?;
    known(env, presented)
}

/// The token with this text. Every token is compared, each in constant time.
pub fn known<'a>(env: &'a Environment, presented: &str) -> Option<&'a Token> {
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

fn require(env: &Environment, parts: &Parts, role: Role) -> Result<String, ApiError> {
    let Some(token) = owner(env, parts) else {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORISED",
            "no valid token",
            "send Authorization: Bearer with a token of [[http.tokens]]",
        ));
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
        require(env, parts, Role::Viewer).map(Self)
    }
}

impl FromRequestParts<Arc<Environment>> for Reviewer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, ApiError> {
        require(env, parts, Role::Reviewer).map(Self)
    }
}

impl FromRequestParts<Arc<Environment>> for Admin {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, ApiError> {
        require(env, parts, Role::Admin).map(Self)
    }
}
