//! The HTTP server: webhooks, the API with its OpenAPI document, health, metrics, pages.

pub mod api;
pub mod auth;
pub mod facade;
pub mod hooks;
pub mod metrics;
pub mod pages;
pub mod problem;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use auth::BearerScheme;

use crate::environment::Environment;

/// The API's description; its paths come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "milestoned",
        description = "Accepted work into correct invoices and revenue. Amounts are decimal text unless a name ends in _minor; dates belong to the contract's time zone; instants are RFC 3339, UTC.",
    ),
    modifiers(&BearerScheme),
)]
struct Description;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Every route.
pub fn router(env: Arc<Environment>) -> Router {
    let (api, description) = OpenApiRouter::with_openapi(Description::openapi())
        .merge(api::routes())
        .merge(facade::routes())
        .split_for_parts();
    let document = Arc::new(description);
    Router::new()
        .merge(api)
        .merge(hooks::routes())
        .merge(pages::routes())
        .route("/openapi.json", get(move || async move { Json((*document).clone()) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::show))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(RequestBodyLimitLayer::new(env.settings.http.body_limit))
        .with_state(env)
}

/// Serves until `stop`; requests under way are finished.
///
/// # Errors
/// The listener failed.
pub async fn serve(env: Arc<Environment>, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(env)).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// Ready when the store answers, the latest write went well, and every loop makes its turns.
async fn ready(State(env): State<Arc<Environment>>) -> impl IntoResponse {
    let text = [(header::CONTENT_TYPE, "text/plain")];
    let stalled = env.loops.stalled(Instant::now());
    if let Some(health) = stalled.first() {
        let (name, seconds) = (&health.name, health.age.as_secs());
        let told = format!(
            "not ready: {name} has made no turn for {seconds} s\nSee the daemon's log. The service manager's watchdog \
             starts the daemon again; where there is none, start it again.\n"
        );
        return (StatusCode::SERVICE_UNAVAILABLE, text, told);
    }
    let outage = match env.store.streams().await {
        Ok(_) => env.store.outage(),
        Err(error) => Some(error.to_string()),
    };
    match outage {
        None => (StatusCode::OK, text, "ready\n".to_owned()),
        Some(why) => {
            let told = format!(
                "not ready: {why}\nWebhooks are refused, so that their senders repeat them; nothing is lost. See that the \
                 database has room and can be reached and written; the daemon goes on by itself.\n"
            );
            (StatusCode::SERVICE_UNAVAILABLE, text, told)
        }
    }
}
