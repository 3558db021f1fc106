//! Conditions of requests (RFC 9110, section 13): what a program reads bears a tag of what it says, and is not sent again to who knows
//! it; a write on a condition is refused, because none is kept here: versions and `shown` say what a write is about.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::problem::ApiError;

/// Hexadecimal digits of a tag.
const DIGITS: usize = 32;

/// Tags what the API answers, and refuses writes on a condition.
pub(super) async fn conditions(request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let headers = request.headers();
    let on_condition = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE];
    if !request.method().is_safe() && on_condition.iter().any(|name| headers.contains_key(name)) {
        return not_kept().into_response();
    }
    let tagged = request.method() == Method::GET;
    let known = headers.get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if tagged && response.status() == StatusCode::OK { with_tag(response, known).await } else { response }
}

fn not_kept() -> ApiError {
    ApiError::new(
        StatusCode::PRECONDITION_FAILED,
        "CONDITION_NOT_KEPT",
        "a write on a condition is not made: nothing was written",
        "leave If-Match, If-None-Match and If-Unmodified-Since out; a change order says its version, an approval what was shown",
    )
}

async fn with_tag(response: Response, known: Option<HeaderValue>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let digest = hex::encode(Sha256::digest(&bytes));
    let tag = format!("\"{}\"", digest.get(..DIGITS).unwrap_or_default());
    let Ok(value) = HeaderValue::from_str(&tag) else { return Response::from_parts(parts, Body::from(bytes)) };
    if known.is_some_and(|known| names(&known, &tag)) {
        let headers = HeaderMap::from_iter([(header::ETAG, value)]);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    parts.headers.insert(header::ETAG, value);
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether a list of tags, weak ones among them, names one.
fn names(known: &HeaderValue, tag: &str) -> bool {
    let list = known.to_str().unwrap_or_default();
    list.split(',').map(str::trim).any(|named| named == "*" || named.trim_start_matches("W/") == tag)
}
