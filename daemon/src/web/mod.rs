//! The HTTP server: webhooks, the API with its OpenAPI document, health, metrics, pages.

pub mod access;
pub mod api;
mod asking_again;
mod conditional;
pub mod extract;
pub mod facade;
pub mod guesses;
pub mod hooks;
mod jobs;
pub mod json;
pub mod metrics;
pub mod pages;
pub mod problem;
mod process;
pub mod reach;
pub mod server;
pub mod sign_in;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use access::{Access, BearerScheme, Restrained, Viewing};
use guesses::Guesses;
use jobs::Jobs;
use server::Limits;

use crate::environment::Environment;
use crate::review::snapshot::Snapshots;
use crate::settings::Open;
use crate::supervision::LoopHealth;

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
///
/// # Errors
/// Nobody could be known: see [`Access::new`].
pub fn router(env: Arc<Environment>) -> anyhow::Result<Router> {
    router_over(env, Arc::default())
}

fn router_over(env: Arc<Environment>, snapshots: Arc<Snapshots>) -> anyhow::Result<Router> {
    let access = Arc::new(Access::new(&env.settings, Arc::clone(&env.people))?);
    let (api, description) = OpenApiRouter::with_openapi(Description::openapi())
        .merge(api::routes())
        .merge(facade::routes())
        .split_for_parts();
    let document = Arc::new(described(serde_json::to_value(description)?));
    let api = api.route_layer(middleware::from_fn_with_state(Arc::clone(&document), problem::no_such_parameter));
    let router = Router::new()
        .merge(api)
        .merge(hooks::routes())
        .merge(pages::routes())
        .merge(for_machines(&env, document))
        .merge(sign_in::routes())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(problem::no_such_address)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn(conditional::conditions))
        .layer(middleware::from_fn(problem::as_page))
        .layer(middleware::from_fn(one_host))
        .layer(Extension(access.guesses()))
        .layer(Extension(snapshots))
        .layer(Extension(Arc::<Jobs>::default()))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(DefaultBodyLimit::max(env.settings.http.body_limit))
        .layer(middleware::from_fn_with_state(is_https(&env), protective_headers))
        .layer(Extension(access))
        .with_state(env);
    Ok(router)
}

/// Every answer is described, as the format demands: where a handler says no more, by what its status means. Whoever names a
/// parameter that does not exist, has no token, lacks a right or is restricted to other contracts is refused everywhere alike.
fn described(mut document: Value) -> Value {
    const REFUSED: [(&str, &str); 4] = [
        ("400", "A parameter is not known, or cannot be read"),
        ("401", "No valid token"),
        ("403", "The token lacks the right, or is restricted to contracts and customers that this is not about"),
        ("429", "Too many wrong tokens came from this address"),
    ];
    const KNOWN: &str = "It says what the tag in If-None-Match stands for";
    const ON_CONDITION: (&str, &str) = ("412", "A write on a condition is not made");
    let paths = document.get_mut("paths").into_iter().flat_map(members);
    for (method, operation) in paths.flat_map(named_members) {
        let guarded = operation.get("security").is_some();
        let Some(answers) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        if guarded && method == "get" {
            answers.insert("304".into(), json!({ "description": KNOWN }));
        }
        let on_condition = Some(ON_CONDITION).filter(|_| method != "get");
        for (status, meaning) in REFUSED.into_iter().chain(on_condition).filter(|_| guarded) {
            let body = json!({ "description": meaning, "content": { "application/problem+json":
                { "schema": { "$ref": "#/components/schemas/ErrorBody" } } } });
            answers.entry(status).or_insert(body);
        }
        answers.values_mut().filter_map(|answer| answer.get_mut("content")).for_each(files);
        for (status, answer) in answers {
            let meaning = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
            if let Some(answer) = answer.as_object_mut().filter(|answer| !answer.contains_key("$ref")) {
                answer.entry("description").or_insert_with(|| meaning.unwrap_or("An answer").into());
            }
        }
    }
    document
}

/// A body that is no JSON is a file: the description of a sequence of bytes as a list of numbers would be read as JSON by
/// generated clients.
fn files(content: &mut Value) {
    for (_, body) in named_members(content).filter(|(kind, _)| !kind.ends_with("json")) {
        *body = json!({ "schema": { "type": "string", "format": "binary" } });
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    named_members(value).map(|(_, inner)| inner)
}

fn named_members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}

/// What names targets, codes and counts: for who has a token, but where the configuration opens it.
fn for_machines(env: &Environment, document: Arc<Value>) -> Router<Arc<Environment>> {
    let open = |what: Open| env.settings.http.without_token.contains(&what);
    let description = move || async move { Json((*document).clone()) };
    let routes = Router::new();
    let routes = match open(Open::Openapi) {
        true => routes.route("/openapi.json", get(description)),
        false => routes.route("/openapi.json", get(move |_: Restrained<Viewing>| description())),
    };
    match open(Open::Metrics) {
        true => routes.route("/metrics", get(metrics::show)),
        false => routes.route(
            "/metrics",
            get(|_: Viewing, state: State<Arc<Environment>>, guesses: Extension<Arc<Guesses>>| {
                metrics::show(state, guesses)
            }),
        ),
    }
}

/// A request that names no host, or several, is none (RFC 9112, section 3.2).
async fn one_host(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts != 1 {
        return (StatusCode::BAD_REQUEST, "the request names no host, or several\n").into_response();
    }
    next.run(request).await
}

fn is_https(env: &Environment) -> bool {
    env.settings.http.public_url.starts_with("https://")
}

/// What browsers are told with every answer: nothing but our own style sheet and our own script is loaded and runs, no other
/// page may frame ours, and nothing of it is kept.
async fn protective_headers(State(https): State<bool>, request: Request, next: Next) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                          form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=()";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // A form says where it comes from to ourselves alone.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
    response
}

/// Serves until `stop`; requests under way are finished.
///
/// # Errors
/// The listener failed.
pub async fn serve(env: Arc<Environment>, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let http = &env.settings.http;
    let idle = Duration::try_from(http.idle_timeout).unwrap_or(TIMEOUT);
    let limits = Limits::within_the_machine(http.connections, idle);
    let snapshots = Arc::new(Snapshots::default());
    let router = router_over(Arc::clone(&env), Arc::clone(&snapshots))?;
    let reader = tokio::spawn(async move { snapshots.keep(&env).await });
    let served = server::serve(router, listener, limits, stop).await;
    reader.abort();
    Ok(served?)
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
    let health = env.loops.health(Instant::now());
    match outage {
        None if health.iter().any(LoopHealth::keeps_failing) => {
            let failing: Vec<&str> = health
                .iter()
                .filter(|loop_health| loop_health.keeps_failing())
                .map(|loop_health| loop_health.name.as_str())
                .collect();
            let told = format!(
                "not ready: every turn of {} fails\nSee the daemon's log for the reason; it is tried again by itself.\n",
                failing.join(", ")
            );
            (StatusCode::SERVICE_UNAVAILABLE, text, told)
        }
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
