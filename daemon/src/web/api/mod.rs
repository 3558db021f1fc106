//! The API: contracts, facts, documents, deliveries, events; `review` is what waits for a person,
//! `workbook` what people edit in a spreadsheet.

mod close;
mod customers;
mod dates;
mod people;
mod reports;
mod review;
mod workbook;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_identity::rights::Right;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::fact::{Event, Fact};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Auditing, Caller, Filing, Restrained, Telling, Viewing};
use super::extract::{Parameters, Segments};
use super::json::Json;
use super::problem::{ApiError, ErrorBody};
use super::reach::beyond;
use crate::agreements::{self, Filed};
use crate::environment::Environment;
use crate::report;
use crate::review::halves::{self, Halves};
use crate::review::portfolio::{self, ContractView, DocumentLine, PlannedWrite, Summary};
use crate::review::trail::{self, Package, Trail};
use crate::store::audit::AuditLine;
use crate::store::contracts::ContractRow;
use crate::store::intake::NewFact;
use crate::store::outbox::Delivery;

type Shared = State<Arc<Environment>>;

/// Routes under `/v1`.
pub fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new()
        .routes(routes!(contracts))
        .routes(routes!(contract, put_contract))
        .routes(routes!(amend))
        .routes(routes!(add_fact))
        .routes(routes!(documents))
        .routes(routes!(deliveries))
        .routes(routes!(events))
        .routes(routes!(plan))
        .routes(routes!(audit))
        .routes(routes!(trail))
        .routes(routes!(package))
        .routes(routes!(packages))
        .routes(routes!(duties))
        .merge(close::routes())
        .merge(customers::routes())
        .merge(dates::routes())
        .merge(people::routes())
        .merge(reports::routes())
        .merge(review::routes())
        .merge(workbook::routes())
}

/// What was filed.
#[derive(Debug, Serialize, ToSchema)]
struct FiledBody {
    /// Contract id.
    contract: String,
    /// `opened`, `known`, `amended`, or `waits`: it takes no effect before somebody has approved it.
    outcome: &'static str,
}

/// The outcome of a change order that waits for an approval.
const WAITS: &str = "waits";

/// Most contracts of one answer.
const CONTRACTS: usize = 1_000;

/// Which contracts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// Id of the last contract that was seen; from the first without it.
    #[serde(default)]
    after: String,
    /// At most so many, up to 1,000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Contracts by id, each with its position; a list of `limit` goes on after its last id.
#[utoipa::path(get, path = "/v1/contracts", tag = "contracts", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, description = "Contracts with position and open exceptions", body = Vec<Summary>),
        (status = 422, body = ErrorBody)))]
async fn contracts(
    State(env): Shared,
    Restrained(Viewing(caller)): Restrained<Viewing>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Json<Vec<Summary>>, ApiError> {
    let limit = page.limit.unwrap_or(CONTRACTS);
    if !(1..=CONTRACTS).contains(&limit) {
        return Err(ApiError::invalid(format!("limit: {limit} is not between 1 and {CONTRACTS}")));
    }
    let (mut kept, mut after) = (Vec::new(), page.after);
    loop {
        let some = portfolio::summaries_after(&env, after.clone(), limit).await?;
        let more = some.len() == limit;
        after = some.last().map(|last| last.contract.clone()).unwrap_or_default();
        kept.extend(some.into_iter().filter(|summary| caller.reach.has(&summary.contract)));
        if !more || kept.len() >= limit {
            kept.truncate(limit);
            return Ok(Json(kept));
        }
    }
}

/// One contract: its report in the words of section 9 of the rules, its documents and deliveries.
#[utoipa::path(get, path = "/v1/contracts/{id}", tag = "contracts", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id")),
    responses((status = 200, description = "The contract", body = ContractView), (status = 404, body = ErrorBody)))]
async fn contract(
    State(env): Shared,
    _: Viewing,
    Segments(id): Segments<String>,
) -> Result<Json<ContractView>, ApiError> {
    let view = portfolio::contract(&env, &id).await?.ok_or_else(|| ApiError::not_found("contract", &id))?;
    Ok(Json(view))
}

/// File a contract: the terms of section 2 of the rules, and an optional `milestoned` table (`erp`, `owner`, `policy`).
/// The same terms again change nothing; other terms are a conflict: file a change order.
#[utoipa::path(put, path = "/v1/contracts/{id}", tag = "contracts", security(("bearer" = [])), request_body = Value,
    params(("id" = String, Path, description = "Contract id; the body's must be the same")),
    responses((status = 201, body = FiledBody), (status = 200, body = FiledBody), (status = 409, body = ErrorBody),
        (status = 422, description = "Every problem, one a line", body = ErrorBody)))]
async fn put_contract(
    State(env): Shared,
    Restrained(Filing(caller)): Restrained<Filing>,
    Segments(id): Segments<String>,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<FiledBody>), ApiError> {
    let customer = body.get("customer").and_then(Value::as_str);
    let known = !caller.reach.is_everything() && env.store.contract(id.clone()).await?.is_some();
    if !caller.reach.admits(&id, customer.filter(|_| !known)) {
        return Err(beyond(&caller.name));
    }
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
    let filed = agreements::file(&env, body, "API", &caller.actor(), env.clock.now()).await?;
    env.wake_ups.send_all();
    Ok(match filed {
        Filed::Known(contract) => (StatusCode::OK, Json(FiledBody { contract, outcome: "known" })),
        Filed::Opened(contract) => (StatusCode::CREATED, Json(FiledBody { contract, outcome: "opened" })),
        Filed::Amended(contract) => (StatusCode::ACCEPTED, Json(FiledBody { contract, outcome: "amended" })),
        Filed::Waits(contract) => (StatusCode::ACCEPTED, Json(FiledBody { contract, outcome: WAITS })),
    })
}

/// File a change order, section 6 of the rules: `version`, `signed`, `total`, `cap`, `treatment`, `add`, `change`,
/// `remove`, optionally `at`.
#[utoipa::path(post, path = "/v1/contracts/{id}/amendments", tag = "contracts", security(("bearer" = [])),
    request_body = Value, params(("id" = String, Path, description = "Contract id")),
    responses((status = 202, body = FiledBody), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn amend(
    State(env): Shared,
    Filing(caller): Filing,
    Segments(id): Segments<String>,
    Json(mut body): Json<Value>,
) -> Result<(StatusCode, Json<FiledBody>), ApiError> {
    let customer = body.get("customer").and_then(Value::as_str);
    if customer.is_some_and(|customer| !caller.reach.is_everything() && !caller.reach.has_customer(customer)) {
        return Err(beyond(&caller.name));
    }
    if let Some(table) = body.as_object_mut() {
        table.insert("amends".into(), Value::String(id.clone()));
    }
    let filed = agreements::file(&env, body, "API", &caller.actor(), env.clock.now()).await?;
    env.wake_ups.send_all();
    let outcome = if matches!(filed, Filed::Waits(_)) { WAITS } else { "amended" };
    Ok((StatusCode::ACCEPTED, Json(FiledBody { contract: id, outcome })))
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
    Telling(caller): Telling,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> Result<StatusCode, ApiError> {
    let now = env.clock.now();
    if let Some(table) = body.as_object_mut() {
        table.entry("at").or_insert_with(|| Value::String(now.to_string()));
    }
    let mut fact: Fact = serde_path_to_error::deserialize(body)
        .map_err(|error| ApiError::invalid(format!("{}: {}", error.path(), error.inner())))?;
    refuse_untold(&caller, &fact)?;
    if let Event::Adopted { by, as_in_erp, .. } = &mut fact.event {
        // Who says that an invoice of somebody else is the milestone's is who has the token. The ERP is read here: what it shows
        // of both invoices counts.
        by.clone_from(&caller.name);
        *as_in_erp = true;
    }
    let actor = caller.actor();
    let row = known(&env, &id).await?;
    let given = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let content = serde_json::to_string(&fact).unwrap_or_default();
    let identity = match given {
        Some(key) => format!("api:{key}"),
        None => format!("api:{}", DeliveryKey::of(&[&content])),
    };
    if let Some(earlier) = env.store.fact_by_identity(id.clone(), identity.clone()).await? {
        return if (earlier.on, &earlier.event) == (fact.on, &fact.event) {
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

/// What is no fact that a program may tell: decisions are taken where they are checked against what was shown, change orders
/// are filed, and what the systems say comes from the systems.
fn refuse_untold(caller: &Caller, fact: &Fact) -> Result<(), ApiError> {
    let (why, remedy) = match &fact.event {
        Event::Overrule { .. } | Event::Review { .. } => {
            ("is a reviewer's decision, and no fact that is told", "POST it to /v1/acts")
        }
        Event::Withdrawn { .. } => {
            ("is a decision, and no fact that is told", "give its delivery up by POST to /v1/acts")
        }
        Event::Amended(_) => {
            ("is a change order, and no fact that is told", "POST it to /v1/contracts/{id}/amendments")
        }
        Event::Observed(_) => {
            ("is what a system says, and is read there", "correct it in the system; it is read by itself")
        }
        Event::Payment { .. } | Event::PaymentReversed { .. } => {
            ("is what the ERP says, and is read there", "book the payment in the ERP; it is read by itself")
        }
        Event::PeriodClosed { .. } => return caller.may(Right::Operate),
        Event::Accepted { .. }
        | Event::Adopted { .. }
        | Event::Approved { .. }
        | Event::Cost { .. }
        | Event::Evidence { .. }
        | Event::ExternalEvent { .. }
        | Event::Rejected { .. }
        | Event::Submitted { .. }
        | Event::Usage { .. } => return Ok(()),
    };
    let detail = format!("type: {:?} {why}", fact.event.kind());
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID", detail, remedy))
}

/// An acceptance that needs a document and brings none is refused here, where the sender can still mend it.
fn refuse_without_document(row: &ContractRow, fact: &Fact) -> Result<(), ApiError> {
    let Event::Accepted { milestone, document: None, .. } = &fact.event else { return Ok(()) };
    let contract = portfolio::state(row)?;
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

pub(super) async fn known(env: &Environment, id: &str) -> Result<ContractRow, ApiError> {
    env.store.contract(id.to_owned()).await?.ok_or_else(|| ApiError::not_found("contract", id))
}

/// Which contract.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ContractQuery {
    /// Of one contract; of all without it.
    contract: Option<String>,
}

/// Invoices, supplementary invoices and credit memos, each with where its delivery stands.
#[utoipa::path(get, path = "/v1/documents", tag = "billing", security(("bearer" = [])), params(ContractQuery),
    responses((status = 200, description = "Documents", body = Vec<DocumentLine>)))]
async fn documents(
    State(env): Shared,
    Restrained(Viewing(Caller { reach, .. })): Restrained<Viewing>,
    Parameters(query): Parameters<ContractQuery>,
) -> Result<Json<Vec<DocumentLine>>, ApiError> {
    reach.require_of(query.contract.as_deref())?;
    let documents = env.store.documents(query.contract).await?.into_iter();
    Ok(Json(documents.filter(|document| reach.has(&document.contract)).map(DocumentLine::from).collect()))
}

/// Deliveries to the remotes, each with its key.
#[utoipa::path(get, path = "/v1/deliveries", tag = "billing", security(("bearer" = [])), params(ContractQuery),
    responses((status = 200, description = "Deliveries", body = Vec<Delivery>)))]
async fn deliveries(
    State(env): Shared,
    Restrained(Viewing(Caller { reach, .. })): Restrained<Viewing>,
    Parameters(query): Parameters<ContractQuery>,
) -> Result<Json<Vec<Delivery>>, ApiError> {
    reach.require_of(query.contract.as_deref())?;
    let deliveries = env.store.deliveries(query.contract, &[]).await?.into_iter();
    Ok(Json(deliveries.filter(|delivery| reach.has(&delivery.contract)).collect()))
}

/// Events of one answer.
const EVENTS: u32 = 500;

/// Where to start.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    /// `seq` of the last event that was seen; from the start without it.
    #[serde(default)]
    after: i64,
}

/// An event of the feed.
#[derive(Debug, Serialize, ToSchema)]
struct EventBody {
    /// Place in the feed.
    seq: i64,
    /// Same for the same event.
    id: String,
    /// When, UTC.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Type, such as `milestone.recognized`.
    #[serde(rename = "type")]
    kind: String,
    /// Contract.
    contract: String,
    /// Milestone, where one is concerned.
    milestone: Option<String>,
    /// What the type says.
    #[schema(value_type = Object)]
    data: Value,
}

/// Events such as `milestone.recognized`, oldest first, at most 500.
#[utoipa::path(get, path = "/v1/events", tag = "events", security(("bearer" = [])), params(EventQuery),
    responses((status = 200, description = "Events", body = Vec<EventBody>)))]
async fn events(
    State(env): Shared,
    Restrained(Viewing(Caller { reach, .. })): Restrained<Viewing>,
    Parameters(query): Parameters<EventQuery>,
) -> Result<Json<Vec<EventBody>>, ApiError> {
    let (mut kept, mut after) = (Vec::new(), query.after);
    loop {
        let some = env.store.events(after, EVENTS).await?;
        after = some.last().map_or(after, |last| last.seq);
        let more = some.len() >= usize::try_from(EVENTS).unwrap_or(usize::MAX);
        kept.extend(some.into_iter().filter(|event| reach.has(&event.contract)).map(|event| EventBody {
            data: serde_json::from_str(&event.body).unwrap_or_default(),
            seq: event.seq,
            id: event.id,
            at: event.at,
            kind: event.kind,
            contract: event.contract,
            milestone: event.milestone,
        }));
        if !more || kept.len() >= usize::try_from(EVENTS).unwrap_or(usize::MAX) {
            kept.truncate(usize::try_from(EVENTS).unwrap_or(usize::MAX));
            return Ok(Json(kept));
        }
    }
}

/// Every write that would be made now, without making it.
#[utoipa::path(get, path = "/v1/plan", tag = "billing", security(("bearer" = [])),
    responses((status = 200, description = "Writes with target and key", body = Vec<PlannedWrite>)))]
async fn plan(
    State(env): Shared,
    Restrained(Viewing(Caller { reach, .. })): Restrained<Viewing>,
) -> Result<Json<Vec<PlannedWrite>>, ApiError> {
    let mut writes = portfolio::plan(&env).await?;
    writes.retain(|write| reach.has(&write.contract));
    Ok(Json(writes))
}

/// Lines of one answer.
const LINES: i64 = 1_000;

/// Which lines of the trail.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TrailQuery {
    /// Of one contract; of all without it.
    contract: Option<String>,
    /// Lines before this place in the chain; the newest without it.
    before: Option<i64>,
}

/// The audit trail, oldest first, at most 1,000 lines that end before `before`: the place of an answer's first line leads on
/// to what is older.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", security(("bearer" = [])), params(TrailQuery),
    responses((status = 200, description = "Lines of the hash chain", body = Vec<AuditLine>)))]
async fn audit(
    State(env): Shared,
    Restrained(Auditing(Caller { reach, .. })): Restrained<Auditing>,
    Parameters(query): Parameters<TrailQuery>,
) -> Result<Json<Vec<AuditLine>>, ApiError> {
    reach.require_of(query.contract.as_deref())?;
    let most = usize::try_from(LINES).unwrap_or(usize::MAX);
    let (mut kept, mut before) = (Vec::new(), query.before);
    loop {
        let some = env.store.audit_before(query.contract.clone(), before, LINES).await?;
        let (first, more) = (some.first().map(|line| line.seq), some.len() == most);
        let mut older: Vec<AuditLine> =
            some.into_iter().filter(|line| reach.covers(line.contract.as_deref())).collect();
        older.append(&mut kept);
        kept = older;
        before = first;
        if !more || kept.len() >= most {
            return Ok(Json(kept.split_off(kept.len().saturating_sub(most))));
        }
    }
}

/// The trail of a document or journal entry by its number, of `invoice:ID` by the ERP's id, of `payment:CONNECTION:ID`,
/// `approval:CONTRACT:MILESTONE`, `fact:ROW` or `record:ROW`: back to clause, acceptance and approvals with what the systems
/// said then, on to deliveries and payments, in words.
#[utoipa::path(get, path = "/v1/trail/{of}", tag = "audit", security(("bearer" = [])),
    params(("of" = String, Path, description = "Number or name, encoded as one segment")),
    responses((status = 200, description = "The trail", body = Trail), (status = 404, body = ErrorBody)))]
async fn trail(
    State(env): Shared,
    Restrained(Auditing(Caller { reach, .. })): Restrained<Auditing>,
    Segments(of): Segments<String>,
) -> Result<Json<Trail>, ApiError> {
    let found = trail::trail(&env, &of).await?.filter(|(told, _)| reach.covers(told.contract.as_deref()));
    found.map(|(told, _)| Json(told)).ok_or_else(|| ApiError::not_found("trail", &of))
}

/// The same to hand over: the trail, what it was made of and the head of the audit trail, signed with the house's key.
#[utoipa::path(get, path = "/v1/trail/{of}/package", tag = "audit", security(("bearer" = [])),
    params(("of" = String, Path, description = "Number or name, encoded as one segment")),
    responses((status = 200, description = "The signed trail", body = Package), (status = 404, body = ErrorBody)))]
async fn package(
    State(env): Shared,
    Restrained(Auditing(Caller { reach, .. })): Restrained<Auditing>,
    Segments(of): Segments<String>,
) -> Result<Json<Package>, ApiError> {
    let found = trail::trail(&env, &of).await?;
    if found.is_none_or(|(told, _)| !reach.covers(told.contract.as_deref())) {
        return Err(ApiError::not_found("trail", &of));
    }
    trail::package(&env, &of).await?.map(Json).ok_or_else(|| ApiError::not_found("trail", &of))
}

/// Which period.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PeriodQuery {
    /// The first date.
    #[param(value_type = String, format = Date)]
    from: Date,
    /// The last date.
    #[param(value_type = String, format = Date)]
    through: Date,
    /// Of one contract; of all without it.
    contract: Option<String>,
}

/// A package for an auditor: documents, entries, decisions and trails of a period, as JSON lines, CSV and a page, with a manifest
/// of hashes that the house's key signs.
#[utoipa::path(get, path = "/v1/packages", tag = "audit", security(("bearer" = [])), params(PeriodQuery),
    responses((status = 200, description = "The package", body = report::package::Package),
        (status = 422, body = ErrorBody)))]
async fn packages(
    State(env): Shared,
    Restrained(Auditing(caller)): Restrained<Auditing>,
    Parameters(query): Parameters<PeriodQuery>,
) -> Result<Json<report::package::Package>, ApiError> {
    caller.reach.require_of(query.contract.as_deref())?;
    if query.contract.is_none() && !caller.reach.is_everything() {
        return Err(beyond(&caller.name));
    }
    let asked = report::package::Asked::of(query.from, query.through, query.contract.into_iter().collect())?;
    let failed = |reason: String| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "NO_PACKAGE",
            reason,
            "see the daemon's log, and `milestoned check`",
        )
    };
    let made = report::package::package(&env, &asked).await.map_err(|error| failed(format!("{error:#}")))?;
    made.map(Json).ok_or_else(|| failed("this machine cannot sign with the house's key".into()))
}

/// Who holds rights of both halves, to shape what is billed and to let it go; who had a hand in which contract and has let
/// something of it go, or could have.
#[utoipa::path(get, path = "/v1/duties", tag = "audit", security(("bearer" = [])), params(ContractQuery),
    responses((status = 200, description = "The report", body = Halves)))]
async fn duties(
    State(env): Shared,
    _: Auditing,
    Parameters(query): Parameters<ContractQuery>,
) -> Result<Json<Halves>, ApiError> {
    Ok(Json(halves::halves(&env, query.contract.as_deref()).await?))
}
