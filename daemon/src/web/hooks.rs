//! Webhooks: verified over the raw body, stored, then acknowledged. They are hints: the record is read again.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use milestoned_connector_kit::{Delivery, Refused, WebhookRequest};
use tokio::task::JoinError;

use crate::environment::Environment;
use crate::failpoint;

/// Bytes from which on a webhook is long.
const LONG: usize = 16 * 1024;

/// `POST /hooks/{connection}`, and `/hooks/{connection}/{secret}` for a remote that does not sign.
pub fn routes() -> Router<Arc<Environment>> {
    Router::new().route("/hooks/{connection}", post(plain)).route("/hooks/{connection}/{secret}", post(secret))
}

async fn plain(
    State(env): State<Arc<Environment>>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    receive(&env, connection, None, headers, body).await
}

async fn secret(
    State(env): State<Arc<Environment>>,
    Path((connection, secret)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    receive(&env, connection, Some(secret), headers, body).await
}

/// Checks a webhook. A long one is checked where it holds up nobody.
async fn verify(
    env: &Arc<Environment>,
    connection: &str,
    secret: Option<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Vec<Delivery>, Refused> {
    let long = body.len() > LONG;
    let (env, connection) = (Arc::clone(env), connection.to_owned());
    let check = move || match env.registry.get(&connection) {
        Some(entry) => {
            entry.connection.verify(&WebhookRequest { secret: secret.as_deref(), headers: &headers, body: &body })
        }
        None => Err(Refused::Unexpected),
    };
    if !long {
        return check();
    }
    let unchecked = |error: JoinError| Err(Refused::Body(error.to_string()));
    tokio::task::spawn_blocking(check).await.unwrap_or_else(unchecked)
}

/// 200: stored. 400: signed and unreadable. 401: not signed by a remote that we know. 503: could not be stored; the
/// remote sends it again.
async fn receive(
    env: &Arc<Environment>,
    connection: String,
    secret: Option<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let deliveries = match verify(env, &connection, secret, headers, body).await {
        Ok(deliveries) => deliveries,
        // No detail to somebody who may not be the remote, not even whether there is such a connection.
        Err(refused @ (Refused::Signature | Refused::Unexpected)) => {
            tracing::debug!(connection, %refused, "a webhook was refused");
            return StatusCode::UNAUTHORIZED.into_response();
        }
        Err(Refused::Body(reason)) => return (StatusCode::BAD_REQUEST, reason).into_response(),
    };
    for delivery in deliveries {
        let stored = env.store.hints_received(connection.clone(), delivery.id, delivery.hints, env.clock.now()).await;
        if let Err(error) = stored {
            tracing::error!(error = &error as &dyn std::error::Error, "a webhook could not be stored");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    failpoint::pass("hint_stored");
    if let Some(wake_up) = env.wake_ups.reading(&connection) {
        wake_up.send();
    }
    let Some(entry) = env.registry.get(&connection) else { return StatusCode::OK.into_response() };
    let answer = entry.connection.acknowledgement();
    (StatusCode::OK, [(CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}
