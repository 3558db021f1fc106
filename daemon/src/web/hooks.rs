//! Webhooks: verified over the raw body, stored, then acknowledged. They are hints: the record is read again.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use milestoned_connector_kit::{Refused, WebhookRequest};

use crate::environment::Environment;
use crate::failpoint;

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
    receive(&env, connection, &WebhookRequest { secret: None, headers: &headers, body: &body }).await
}

async fn secret(
    State(env): State<Arc<Environment>>,
    Path((connection, secret)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    receive(&env, connection, &WebhookRequest { secret: Some(&secret), headers: &headers, body: &body }).await
}

/// 200: stored. 400: signed and unreadable. 401: not signed by the remote. 404: no such connection.
/// 503: could not be stored; the remote sends it again.
async fn receive(env: &Environment, connection: String, request: &WebhookRequest<'_>) -> Response {
    let Some(entry) = env.registry.get(&connection) else { return StatusCode::NOT_FOUND.into_response() };
    let deliveries = match entry.connection.verify(request) {
        Ok(deliveries) => deliveries,
        Err(Refused::Unexpected) => return StatusCode::NOT_FOUND.into_response(),
        // No detail to somebody who may not be the remote.
        Err(Refused::Signature) => return StatusCode::UNAUTHORIZED.into_response(),
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
    let answer = entry.connection.acknowledgement();
    (StatusCode::OK, [(CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}
