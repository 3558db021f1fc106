//! The API of the review: the queue, and the acts on what stands in it.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::civil::Date;
use milestoned_mapping::fact::Shown;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arc, Environment, Shared};
use crate::review::acts::{self, Act, Channel, Done, Given, Verb, Word};
use crate::review::item::{Item, ShownBody};
use crate::review::portfolio::{self, Remedied};
use crate::review::queue::{Filter, queue};
use crate::review::subject::{KINDS, Subject};
use crate::store::pauses::Scope;
use crate::web::access::{Approving, Caller, Overruling, Program, Restrained, Viewing};
use crate::web::extract::{Parameters, Segments};
use crate::web::json::Json;
use crate::web::problem::{ApiError, ErrorBody};
use crate::web::reach::Reach;

pub(super) fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new()
        .routes(routes!(waiting))
        .routes(routes!(act))
        .routes(routes!(review))
        .routes(routes!(overrule))
        .routes(routes!(exceptions))
}

/// Which part of the queue.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct QueueQuery {
    /// Of one contract.
    contract: Option<String>,
    /// Of one kind: `approval`, `exception`, `delivery`, `drift`, `record`, `file`, …
    kind: Option<String>,
    /// Of one owner.
    owner: Option<String>,
}

/// Everything that waits for a person: what holds something back first, then by how long it has waited.
#[utoipa::path(get, path = "/v1/queue", tag = "review", security(("bearer" = [])), params(QueueQuery),
    responses((status = 200, description = "What waits, with what to do and which acts there are", body = Vec<Item>),
        (status = 422, body = ErrorBody)))]
async fn waiting(
    State(env): Shared,
    Restrained(Viewing(Caller { reach, .. })): Restrained<Viewing>,
    Parameters(query): Parameters<QueueQuery>,
) -> Result<Json<Vec<Item>>, ApiError> {
    reach.require_of(query.contract.as_deref())?;
    if let Some(kind) = query.kind.as_ref().filter(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(ApiError::invalid(format!("kind: {kind:?} is none of {}", KINDS.join(", "))));
    }
    let kinds = query.kind.into_iter().collect();
    let contracts = query.contract.into_iter().collect();
    let filter = Filter { contracts, kinds, owner: query.owner, subject: None };
    let mut items = queue(&env, &filter).await?;
    items.retain(|item| is_within(&reach, item));
    Ok(Json(items))
}

/// Whether something that waits is of a contract that somebody reaches, or halts a customer of theirs.
fn is_within(reach: &Reach, item: &Item) -> bool {
    match &item.subject {
        Subject::Pause { scope: Scope::Customer, name } => reach.has_customer(name),
        _ => reach.covers(item.contract.as_deref()),
    }
}

/// Whether somebody reaches what an act is about: what waits is looked up, what is to be halted names itself.
async fn reaches(env: &Environment, reach: &Reach, subject: &Subject) -> Result<bool, ApiError> {
    if reach.is_everything() {
        return Ok(true);
    }
    if let Some(contract) = subject.contract() {
        return Ok(reach.has(contract));
    }
    if let Subject::Pause { scope: Scope::Customer, name } = subject {
        return Ok(reach.has_customer(name));
    }
    let filter = Filter { subject: Some(subject.clone()), ..Filter::default() };
    Ok(queue(env, &filter).await?.iter().any(|item| is_within(reach, item)))
}

/// What a person does about something.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ActBody {
    /// What it is about, as the queue names it, such as `delivery:KEY`.
    subject: String,
    /// The act.
    act: Verb,
    /// Why; approvals, assignments, snoozing and reading again need none.
    #[serde(default)]
    reason: String,
    /// With `approve`: what was shown, as the queue has it.
    #[schema(value_type = Option<ShownBody>)]
    shown: Option<Shown>,
    /// With `done`: the remote's id of what was done.
    #[serde(default)]
    remote_id: String,
    /// With `assign`: to whom; to nobody in particular without it.
    to: Option<String>,
    /// With `snooze`: until when; people are reminded again without it. With `overrule`: the date on which an exception opens
    /// again if its condition lasts.
    #[schema(value_type = Option<String>, format = Date)]
    until: Option<Date>,
}

/// Act on something that waits.
#[utoipa::path(post, path = "/v1/acts", tag = "review", security(("bearer" = [])), request_body = ActBody,
    responses((status = 202, description = "Taken, with what follows", body = Done), (status = 404, body = ErrorBody),
        (status = 409, description = "What was shown is not what stands there now, or the remote says otherwise",
            body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn act(
    State(env): Shared,
    Restrained(Program(caller)): Restrained<Program>,
    Json(body): Json<ActBody>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    caller.may(body.act.right())?;
    let subject: Subject = body.subject.parse()?;
    if !reaches(&env, &caller.reach, &subject).await? {
        return Err(ApiError::not_found("subject", &body.subject));
    }
    let act = Act::of(body.act, Given { shown: body.shown, to: body.to, until: body.until, remote_id: body.remote_id });
    let word = Word::new(&caller.name, &body.reason, Channel::Api, act.verb())?;
    Ok((StatusCode::ACCEPTED, Json(acts::act(&env, &subject, act, word).await?)))
}

/// A reviewer's decision about a milestone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewBody {
    /// `approve` or `hold`.
    decision: String,
    /// With `approve`: what was shown, as the queue and the contract's milestone have it.
    #[schema(value_type = Option<ShownBody>)]
    shown: Option<Shown>,
    /// Why; an approval needs none.
    #[serde(default)]
    reason: String,
}

/// Approve a milestone as it was shown, or hold it.
#[utoipa::path(post, path = "/v1/contracts/{id}/milestones/{milestone}/review", tag = "review", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id"), ("milestone" = String, Path, description = "Milestone id")),
    request_body = ReviewBody,
    responses((status = 202, description = "Taken, with what follows", body = Done), (status = 404, body = ErrorBody),
        (status = 409, description = "What was shown is not what stands there now", body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn review(
    State(env): Shared,
    Approving(Caller { name: by, .. }): Approving,
    Segments((contract, milestone)): Segments<(String, String)>,
    Json(body): Json<ReviewBody>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    let act = match body.decision.as_str() {
        "approve" => Act::Approve { shown: body.shown },
        "hold" => Act::Hold,
        other => return Err(ApiError::invalid(format!("decision: {other:?} is neither approve nor hold"))),
    };
    let word = Word::new(&by, &body.reason, Channel::Api, act.verb())?;
    let subject = Subject::Approval { contract, milestone };
    Ok((StatusCode::ACCEPTED, Json(acts::act(&env, &subject, act, word).await?)))
}

/// Which exception is closed, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OverruleBody {
    /// Code.
    code: String,
    /// Milestone, if it has one.
    milestone: Option<String>,
    /// `crm`, `psa` or `erp`, if it has one.
    leg: Option<String>,
    /// Why.
    reason: String,
    /// The date on which an exception opens again if its condition lasts.
    #[schema(value_type = Option<String>, format = Date)]
    until: Option<Date>,
}

/// Close an open exception, or the open drifts of a kind, with a reason.
#[utoipa::path(post, path = "/v1/contracts/{id}/exceptions/overrule", tag = "review", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id")), request_body = OverruleBody,
    responses((status = 202, description = "Taken, with what follows", body = Vec<Done>), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn overrule(
    State(env): Shared,
    Overruling(Caller { name: by, .. }): Overruling,
    Segments(id): Segments<String>,
    Json(body): Json<OverruleBody>,
) -> Result<(StatusCode, Json<Vec<Done>>), ApiError> {
    let word = Word::new(&by, &body.reason, Channel::Api, Verb::Overrule)?;
    let mut done = Vec::new();
    for subject in acts::named(&env, &id, &body.code, body.milestone, body.leg.as_deref()).await? {
        done.push(acts::act(&env, &subject, Act::Overrule { until: body.until }, word.clone()).await?);
    }
    Ok((StatusCode::ACCEPTED, Json(done)))
}

/// Which exceptions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ExceptionQuery {
    /// Of one contract.
    contract: Option<String>,
    /// Closed ones too.
    #[serde(default)]
    all: bool,
}

/// Exceptions and drifts: open ones, or all. What else waits for a person stands in the queue.
#[utoipa::path(get, path = "/v1/exceptions", tag = "review", security(("bearer" = [])), params(ExceptionQuery),
    responses((status = 200, description = "Exceptions with the values that differ, remedy and amount held",
        body = Vec<Remedied>)))]
async fn exceptions(
    State(env): Shared,
    Restrained(Viewing(Caller { reach, .. })): Restrained<Viewing>,
    Parameters(query): Parameters<ExceptionQuery>,
) -> Result<Json<Vec<Remedied>>, ApiError> {
    reach.require_of(query.contract.as_deref())?;
    let mut rows = portfolio::remedied(&env, query.contract.clone().map(|id| vec![id]), !query.all).await?;
    rows.retain(|row| reach.has(&row.exception.contract));
    Ok(Json(rows))
}
