//! The API: contracts, facts, reviews, deliveries, events.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::fact::{Event, Fact, Leg, ReviewDecision};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Admin, Reviewer, Viewer};
use super::json::Json;
use super::problem::{ApiError, ErrorBody};
use crate::agreements::{self, Filed};
use crate::environment::Environment;
use crate::store::contracts::ContractRow;
use crate::store::intake::NewFact;
use crate::store::parked::Handle;

type Shared = State<Arc<Environment>>;

/// Routes under `/v1`.
pub fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new()
        .routes(routes!(contracts))
        .routes(routes!(contract, put_contract))
        .routes(routes!(amend))
        .routes(routes!(add_fact))
        .routes(routes!(review))
        .routes(routes!(overrule))
        .routes(routes!(close_parked))
        .routes(routes!(exceptions))
        .routes(routes!(documents))
        .routes(routes!(deliveries))
        .routes(routes!(decide_delivery))
        .routes(routes!(parked))
        .routes(routes!(replay_parked))
        .routes(routes!(events))
        .routes(routes!(plan))
        .routes(routes!(audit))
}

/// What was filed.
#[derive(Debug, Serialize, ToSchema)]
struct FiledBody {
    /// Contract id.
    contract: String,
    /// `opened`, `known` or `amended`.
    outcome: &'static str,
}

/// Most contracts of one answer.
const CONTRACTS: usize = 1_000;

/// Which contracts.
#[derive(Debug, Deserialize, IntoParams)]
struct PageQuery {
    /// Id of the last contract that was seen; from the first without it.
    #[serde(default)]
    after: String,
    /// At most so many, up to 1,000.
    limit: Option<usize>,
}

/// Contracts by id, each with its position; a list of `limit` goes on after its last id.
#[utoipa::path(get, path = "/v1/contracts", tag = "contracts", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, description = "Contracts with position and open exceptions", body = Value)))]
async fn contracts(State(env): Shared, _: Viewer, Query(page): Query<PageQuery>) -> Result<Json<Value>, ApiError> {
    let limit = page.limit.unwrap_or(CONTRACTS).clamp(1, CONTRACTS);
    Ok(Json(json!(crate::portfolio::summaries_after(&env, page.after, limit).await?)))
}

/// One contract: its report in the words of section 9 of the rules, its documents and deliveries.
#[utoipa::path(get, path = "/v1/contracts/{id}", tag = "contracts", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id")),
    responses((status = 200, description = "The contract", body = Value), (status = 404, body = ErrorBody)))]
async fn contract(State(env): Shared, _: Viewer, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let view = crate::portfolio::contract(&env, &id).await?.ok_or_else(|| ApiError::not_found("contract", &id))?;
    Ok(Json(json!(view)))
}

/// File a contract: the terms of section 2 of the rules, and an optional `milestoned` table (`erp`, `owner`, `policy`).
/// The same terms again change nothing; other terms are a conflict: file a change order.
#[utoipa::path(put, path = "/v1/contracts/{id}", tag = "contracts", security(("bearer" = [])), request_body = Value,
    params(("id" = String, Path, description = "Contract id; the body's must be the same")),
    responses((status = 201, body = FiledBody), (status = 200, body = FiledBody), (status = 409, body = ErrorBody),
        (status = 422, description = "Every problem, one a line", body = ErrorBody)))]
async fn put_contract(
    State(env): Shared,
    Admin(actor): Admin,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<FiledBody>), ApiError> {
    if body.get("id").is_some_and(|given| given != &Value::String(id.clone())) {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "INVALID",
            "id: differs from the path",
            "send the same id",
        ));
    }
    let mut body = body;
    if let Some(table) = body.as_object_mut() {
        table.insert("id".into(), Value::String(id));
        table.remove("amends");
    }
    let filed = agreements::file(&env, body, "API", &actor, env.clock.now()).await?;
    env.wake_ups.send_all();
    Ok(match filed {
        Filed::Known(contract) => (StatusCode::OK, Json(FiledBody { contract, outcome: "known" })),
        Filed::Opened(contract) => (StatusCode::CREATED, Json(FiledBody { contract, outcome: "opened" })),
        Filed::Amended(contract) => (StatusCode::ACCEPTED, Json(FiledBody { contract, outcome: "amended" })),
    })
}

/// File a change order, section 6 of the rules: `version`, `signed`, `total`, `cap`, `treatment`, `add`, `change`,
/// `remove`, optionally `at`.
#[utoipa::path(post, path = "/v1/contracts/{id}/amendments", tag = "contracts", security(("bearer" = [])),
    request_body = Value, params(("id" = String, Path, description = "Contract id")),
    responses((status = 202, body = FiledBody), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn amend(
    State(env): Shared,
    Admin(actor): Admin,
    Path(id): Path<String>,
    Json(mut body): Json<Value>,
) -> Result<(StatusCode, Json<FiledBody>), ApiError> {
    if let Some(table) = body.as_object_mut() {
        table.insert("amends".into(), Value::String(id.clone()));
    }
    agreements::file(&env, body, "API", &actor, env.clock.now()).await?;
    env.wake_ups.send_all();
    Ok((StatusCode::ACCEPTED, Json(FiledBody { contract: id, outcome: "amended" })))
}

/// Tell a fact that no connected system tells: usage, cost reports, workflow approvals, system events, acceptances
/// outside Jira. The body is an event of section 9 of the rules; without `at` it happens now. `Idempotency-Key` names
/// it: the same key again changes nothing.
#[utoipa::path(post, path = "/v1/contracts/{id}/facts", tag = "facts", security(("bearer" = [])), request_body = Value,
    params(("id" = String, Path, description = "Contract id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the fact; else its content does")),
    responses((status = 202, description = "Taken"), (status = 200, description = "Known already"),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn add_fact(
    State(env): Shared,
    Admin(actor): Admin,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> Result<StatusCode, ApiError> {
    let now = env.clock.now();
    if let Some(table) = body.as_object_mut() {
        table.entry("at").or_insert_with(|| Value::String(now.to_string()));
    }
    let fact: Fact = serde_path_to_error::deserialize(body)
        .map_err(|error| invalid(&format!("{}: {}", error.path(), error.inner())))?;
    let row = known(&env, &id).await?;
    let given = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let content = serde_json::to_string(&fact).unwrap_or_default();
    let identity = match given {
        Some(key) => format!("api:{key}"),
        None => format!("api:{}", DeliveryKey::of(&[&content])),
    };
    if let Some(earlier) = env.store.fact_by_identity(id.clone(), identity.clone()).await? {
        return if earlier.event == fact.event {
            Ok(StatusCode::OK)
        } else {
            Err(ApiError::new(
                StatusCode::CONFLICT,
                "KEY_REUSED",
                "this Idempotency-Key named another fact",
                "use a new key",
            ))
        };
    }
    refuse_without_document(&row, &fact)?;
    agreements::check(&row, &fact)?;
    env.store.add_facts(vec![NewFact { contract: id, identity, fact, actor }], now).await?;
    env.wake_ups.send_all();
    Ok(StatusCode::ACCEPTED)
}

/// An acceptance that needs a document and brings none is refused here, where the sender can still mend it.
fn refuse_without_document(row: &ContractRow, fact: &Fact) -> Result<(), ApiError> {
    let Event::Accepted { milestone, document: None, .. } = &fact.event else { return Ok(()) };
    let contract = crate::portfolio::state(row)?;
    if contract.needs_document(milestone) { Err(document_required()) } else { Ok(()) }
}

/// 422 `ACCEPTANCE_DOCUMENT_REQUIRED`.
pub(super) fn document_required() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "ACCEPTANCE_DOCUMENT_REQUIRED",
        "the customer's sign-off needs an acceptance document",
        "send the link to the signed acceptance document",
    )
}

pub(super) fn invalid(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID", message, "correct the named field and send it again")
}

pub(super) async fn known(env: &Environment, id: &str) -> Result<ContractRow, ApiError> {
    env.store.contract(id.to_owned()).await?.ok_or_else(|| ApiError::not_found("contract", id))
}

/// A reviewer's decision about a milestone.
#[derive(Debug, Deserialize, ToSchema)]
struct ReviewBody {
    /// `approve` or `hold`.
    decision: String,
}

/// Approve or hold a milestone that waits for a person.
#[utoipa::path(post, path = "/v1/contracts/{id}/milestones/{milestone}/review", tag = "review", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id"), ("milestone" = String, Path, description = "Milestone id")),
    request_body = ReviewBody, responses((status = 202, description = "Taken"), (status = 422, body = ErrorBody)))]
async fn review(
    State(env): Shared,
    Reviewer(by): Reviewer,
    Path((id, milestone)): Path<(String, String)>,
    Json(body): Json<ReviewBody>,
) -> Result<StatusCode, ApiError> {
    let decision = match body.decision.as_str() {
        "approve" => ReviewDecision::Approve,
        "hold" => ReviewDecision::Hold,
        _ => return Err(invalid("decision: approve or hold")),
    };
    human_fact(&env, id, by.clone(), Event::Review { milestone, decision, by, shown: None }).await
}

/// Which exception is closed, and why.
#[derive(Debug, Deserialize, ToSchema)]
struct OverruleBody {
    /// Code.
    code: String,
    /// Milestone, if it has one.
    milestone: Option<String>,
    /// `crm`, `psa` or `erp`, if it has one.
    leg: Option<String>,
    /// Why.
    reason: String,
}

/// Close an open exception, with a reason.
#[utoipa::path(post, path = "/v1/contracts/{id}/exceptions/overrule", tag = "review", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id")), request_body = OverruleBody,
    responses((status = 202, description = "Taken"), (status = 422, body = ErrorBody)))]
async fn overrule(
    State(env): Shared,
    Reviewer(by): Reviewer,
    Path(id): Path<String>,
    Json(body): Json<OverruleBody>,
) -> Result<StatusCode, ApiError> {
    if body.reason.trim().is_empty() {
        return Err(invalid("reason: say why"));
    }
    let leg: Option<Leg> = match body.leg {
        None => None,
        Some(leg) => Some(serde_json::from_value(Value::String(leg)).map_err(|_| invalid("leg: crm, psa or erp"))?),
    };
    if closed_drift(&env, &id, &body.code, &body.milestone, (&by, &body.reason)).await? {
        return Ok(StatusCode::ACCEPTED);
    }
    let event =
        Event::Overrule { code: body.code, milestone: body.milestone, leg, by: by.clone(), reason: body.reason };
    human_fact(&env, id, by, event).await
}

/// Closes the drift that a code names. `false`: the code is one of the rules.
pub(super) async fn closed_drift(
    env: &Environment,
    contract: &str,
    code: &str,
    milestone: &Option<String>,
    (by, reason): (&str, &str),
) -> Result<bool, ApiError> {
    let row = known(env, contract).await?;
    let said = (by.to_owned(), reason.to_owned());
    match crate::drift::overrule(env, &row, code, milestone.clone(), said).await? {
        None => Ok(false),
        Some(0) => Err(ApiError::not_found("open drift", code)),
        Some(_) => Ok(true),
    }
}

/// Why something is closed.
#[derive(Debug, Deserialize, ToSchema)]
struct CloseBody {
    /// `record:ROW`, `fact:ROW`, `file:PATH` or `unseen:KEY`, as `milestoned status` names it.
    what: String,
    /// Why.
    reason: String,
}

/// Close what waits for a person and is settled otherwise.
#[utoipa::path(post, path = "/v1/parked/close", tag = "review", security(("bearer" = [])), request_body = CloseBody,
    responses((status = 202, description = "Closed"), (status = 404, body = ErrorBody)))]
async fn close_parked(
    State(env): Shared,
    Reviewer(by): Reviewer,
    Json(body): Json<CloseBody>,
) -> Result<StatusCode, ApiError> {
    if body.reason.trim().is_empty() {
        return Err(invalid("reason: say why"));
    }
    let handle: Handle = body.what.parse().map_err(|reason: String| invalid(&reason))?;
    if !env.store.close_parked(handle, by, body.reason, env.clock.now()).await? {
        return Err(ApiError::not_found("parked", &body.what));
    }
    Ok(StatusCode::ACCEPTED)
}

/// Stores what a person decided, now.
pub(super) async fn human_fact(
    env: &Environment,
    contract: String,
    actor: String,
    event: Event,
) -> Result<StatusCode, ApiError> {
    let now = env.clock.now();
    let row = known(env, &contract).await?;
    let fact = Fact::of(now, event);
    agreements::check(&row, &fact)?;
    let content = serde_json::to_string(&fact).unwrap_or_default();
    let identity = format!("review:{}", DeliveryKey::of(&[&content]));
    env.store.add_facts(vec![NewFact { contract, identity, fact, actor }], now).await?;
    env.wake_ups.send_all();
    Ok(StatusCode::ACCEPTED)
}

/// Which exceptions.
#[derive(Debug, Deserialize, IntoParams)]
struct ExceptionQuery {
    /// Of one contract.
    contract: Option<String>,
    /// Closed ones too.
    #[serde(default)]
    all: bool,
}

/// Exceptions: open ones, or all.
#[utoipa::path(get, path = "/v1/exceptions", tag = "review", security(("bearer" = [])), params(ExceptionQuery),
    responses((status = 200, description = "Exceptions with remedy and amount held", body = Value)))]
async fn exceptions(
    State(env): Shared,
    _: Viewer,
    Query(query): Query<ExceptionQuery>,
) -> Result<Json<Value>, ApiError> {
    let rows = env.store.exceptions(query.contract, !query.all).await?;
    Ok(Json(json!(crate::portfolio::with_remedies(rows))))
}

/// Which contract.
#[derive(Debug, Deserialize, IntoParams)]
struct ContractQuery {
    /// Of one contract; of all without it.
    contract: Option<String>,
}

/// Invoices, supplementary invoices and credit memos, each with where its delivery stands.
#[utoipa::path(get, path = "/v1/documents", tag = "billing", security(("bearer" = [])), params(ContractQuery),
    responses((status = 200, description = "Documents", body = Value)))]
async fn documents(State(env): Shared, _: Viewer, Query(query): Query<ContractQuery>) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!(env.store.documents(query.contract).await?)))
}

/// Deliveries to the remotes, each with its key.
#[utoipa::path(get, path = "/v1/deliveries", tag = "billing", security(("bearer" = [])), params(ContractQuery),
    responses((status = 200, description = "Deliveries", body = Value)))]
async fn deliveries(
    State(env): Shared,
    _: Viewer,
    Query(query): Query<ContractQuery>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!(env.store.deliveries(query.contract, &[]).await?)))
}

/// What happens to a parked delivery, and why.
#[derive(Debug, Deserialize, ToSchema)]
struct DeliveryBody {
    /// `release` (the remote is asked first) or `dismiss` (given up for ever).
    decision: String,
    /// Why.
    reason: String,
}

/// Release or dismiss a parked delivery.
#[utoipa::path(post, path = "/v1/deliveries/{key}", tag = "review", security(("bearer" = [])), request_body = DeliveryBody,
    params(("key" = String, Path, description = "Idempotency key")),
    responses((status = 202, description = "Taken"), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn decide_delivery(
    State(env): Shared,
    Reviewer(by): Reviewer,
    Path(key): Path<String>,
    Json(body): Json<DeliveryBody>,
) -> Result<StatusCode, ApiError> {
    let again = match body.decision.as_str() {
        "release" => true,
        "dismiss" => false,
        _ => return Err(invalid("decision: release or dismiss")),
    };
    if body.reason.trim().is_empty() {
        return Err(invalid("reason: say why"));
    }
    if !env.store.release_parked(key.clone(), again, by, body.reason, env.clock.now()).await? {
        return Err(ApiError::not_found("parked delivery", &key));
    }
    env.wake_ups.send_all();
    Ok(StatusCode::ACCEPTED)
}

/// What waits for a person: files, records, facts.
#[utoipa::path(get, path = "/v1/parked", tag = "review", security(("bearer" = [])),
    responses((status = 200, description = "Parked things with reason and remedy", body = Value)))]
async fn parked(State(env): Shared, _: Viewer) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({
        "files": env.store.file_problems().await?,
        "records": env.store.parked_records().await?,
        "facts": env.store.parked_facts().await?,
        "unfiled": env.store.unfiled().await?,
    })))
}

/// Read every parked record again.
#[utoipa::path(post, path = "/v1/parked/replay", tag = "review", security(("bearer" = [])),
    responses((status = 202, description = "How many are read again", body = Value)))]
async fn replay_parked(State(env): Shared, Reviewer(by): Reviewer) -> Result<(StatusCode, Json<Value>), ApiError> {
    let replayed = env.store.replay_parked(None, by, env.clock.now()).await?;
    env.wake_ups.send_all();
    Ok((StatusCode::ACCEPTED, Json(json!({ "replayed": replayed }))))
}

/// Where to start.
#[derive(Debug, Deserialize, IntoParams)]
struct EventQuery {
    /// `seq` of the last event that was seen; from the start without it.
    #[serde(default)]
    after: i64,
}

/// Events such as `milestone.recognized`, oldest first, at most 500.
#[utoipa::path(get, path = "/v1/events", tag = "events", security(("bearer" = [])), params(EventQuery),
    responses((status = 200, description = "Events", body = Value)))]
async fn events(State(env): Shared, _: Viewer, Query(query): Query<EventQuery>) -> Result<Json<Value>, ApiError> {
    let events = env.store.events(query.after, 500).await?;
    let shown: Vec<Value> = events
        .into_iter()
        .map(|event| {
            let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
            json!({ "seq": event.seq, "id": event.id, "at": event.at, "type": event.kind, "contract": event.contract,
                    "milestone": event.milestone, "data": body })
        })
        .collect();
    Ok(Json(json!(shown)))
}

/// Every write that would be made now, without making it.
#[utoipa::path(get, path = "/v1/plan", tag = "billing", security(("bearer" = [])),
    responses((status = 200, description = "Writes with target and key", body = Value)))]
async fn plan(State(env): Shared, _: Viewer) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!(crate::portfolio::plan(&env).await?)))
}

/// The audit trail, newest last, at most 1,000 lines.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", security(("bearer" = [])), params(ContractQuery),
    responses((status = 200, description = "Lines of the hash chain", body = Value)))]
async fn audit(State(env): Shared, _: Viewer, Query(query): Query<ContractQuery>) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!(env.store.audit(query.contract, 1000).await?)))
}
