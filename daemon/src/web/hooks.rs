//! Webhooks: verified over the raw body, stored, then acknowledged. They are hints: the record is read again.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use milestoned_connector_kit::Refused;

use crate::app::App;

/// `POST /hooks/{connection}`.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/hooks/{connection}", post(receive))
}

/// 200: stored. 400: signed and unreadable. 401: not signed by the remote. 404: no such connection.
/// 503: could not be stored; the remote sends it again.
async fn receive(
    State(app): State<Arc<App>>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let Some(entry) = app.registry.get(&connection) else { return (StatusCode::NOT_FOUND, String::new()) };
    let Some(verified) = entry.connection.verify(&headers, &body) else {
        return (StatusCode::NOT_FOUND, String::new());
    };
    let delivery = match verified {
        Ok(delivery) => delivery,
        // No detail to somebody who may not be the remote.
        Err(Refused::Signature) => return (StatusCode::UNAUTHORIZED, String::new()),
        Err(Refused::Body(reason)) => return (StatusCode::BAD_REQUEST, reason),
    };
    match app.store.hints_received(connection, delivery.id, delivery.hints, app.clock.now()).await {
        Ok(_) => {
            app.bell.notify_waiters();
            (StatusCode::OK, String::new())
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a webhook could not be stored");
            (StatusCode::SERVICE_UNAVAILABLE, String::new())
        }
    }
}
