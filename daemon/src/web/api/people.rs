//! The API of sign-ins and of what is forgotten: accounts that are closed, sessions that end, names that are taken out of the trail.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arc, Environment, Shared};
use crate::store::actor::Actor;
use crate::store::redact::Forget;
use crate::web::access::Operating;
use crate::web::extract::Segments;
use crate::web::json::Json;
use crate::web::problem::{ApiError, ErrorBody};

pub(super) fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new().routes(routes!(close_account)).routes(routes!(end_session)).routes(routes!(redact))
}

/// What was done, in words.
#[derive(Debug, Serialize, ToSchema)]
struct Told {
    text: String,
}

impl Told {
    fn answer(text: String) -> (StatusCode, Json<Self>) {
        (StatusCode::ACCEPTED, Json(Self { text }))
    }
}

/// Close a local account; its sessions end.
#[utoipa::path(post, path = "/v1/accounts/{person}/close", tag = "people", security(("bearer" = [])),
    params(("person" = String, Path, description = "Whose")),
    responses((status = 202, description = "Closed", body = Told), (status = 404, body = ErrorBody)))]
async fn close_account(
    State(env): Shared,
    Operating(caller): Operating,
    Segments(person): Segments<String>,
) -> Result<(StatusCode, Json<Told>), ApiError> {
    if !env.store.close_account(person.to_lowercase(), caller.actor(), env.clock.now()).await? {
        return Err(ApiError::not_found("open account", &person));
    }
    Ok(Told::answer(format!("the account of {person} is closed")))
}

/// End a session.
#[utoipa::path(post, path = "/v1/sessions/{session}/end", tag = "people", security(("bearer" = [])),
    params(("session" = String, Path, description = "Its name, as `milestoned people sessions` shows it")),
    responses((status = 202, description = "Ended", body = Told), (status = 404, body = ErrorBody)))]
async fn end_session(
    State(env): Shared,
    Operating(caller): Operating,
    Segments(session): Segments<String>,
) -> Result<(StatusCode, Json<Told>), ApiError> {
    let known = env.store.sessions().await?.into_iter().find(|known| known.id() == session);
    let Some(known) = known else { return Err(ApiError::not_found("session", &session)) };
    let person = known.person.clone();
    env.store.end_sessions(known.digest, caller.actor(), "ended by a person", env.clock.now()).await?;
    Ok(Told::answer(format!("the session of {person} has ended")))
}

/// What is to be forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Redaction {
    /// What is from before this instant.
    #[schema(value_type = String, format = DateTime)]
    before: Timestamp,
    /// Of one person; of all without it.
    actor: Option<String>,
    /// Why.
    reason: String,
}

/// Remove who acted and what they wrote from audit lines, facts and source records. The chain still holds, and replay gives the
/// same.
#[utoipa::path(post, path = "/v1/audit/redactions", tag = "audit", security(("bearer" = [])), request_body = Redaction,
    responses((status = 202, description = "Removed", body = Told), (status = 422, body = ErrorBody)))]
async fn redact(
    State(env): Shared,
    Operating(caller): Operating,
    Json(body): Json<Redaction>,
) -> Result<(StatusCode, Json<Told>), ApiError> {
    if body.reason.trim().is_empty() {
        return Err(ApiError::invalid("reason: is empty"));
    }
    let systems = env.registry.iter().map(|(name, _)| name.to_owned()).collect();
    let what = Forget { actor: body.actor.map(Actor::from), before: body.before, systems };
    let forgotten = env.store.forget(what, caller.actor(), body.reason, env.clock.now()).await?;
    Ok(Told::answer(format!(
        "names and what people wrote were removed from {} audit lines, {} facts and {} source records; the chain keeps digests, \
         and replay gives the same state",
        forgotten.lines, forgotten.facts, forgotten.records
    )))
}
