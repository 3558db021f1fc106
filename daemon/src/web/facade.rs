//! The milestone resource: create, complete, accept, invoice, recognise. A facade over the same core: a project is a
//! contract, and what a call asks for happens only if the rules say so.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use jiff::civil::Date;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::contract::{Contract, MilestoneView};
use milestoned_mapping::fact::{Event, Fact};
use milestoned_mapping::money::Currency;
use milestoned_mapping::postings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Filing, Restrained, Telling, Viewing};
use super::api::{document_required, known};
use super::extract::Segments;
use super::json::Json;
use super::problem::{ApiError, ErrorBody};
use super::reach::{SEPARATOR, beyond};
use crate::agreements;
use crate::engine;
use crate::environment::Environment;
use crate::store::actor::Actor;
use crate::store::intake::NewFact;

type Shared = State<Arc<Environment>>;

/// Routes under `/v1/project-milestones`.
pub fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(show))
        .routes(routes!(complete))
        .routes(routes!(accept))
        .routes(routes!(invoice))
        .routes(routes!(recognize))
}

/// A milestone of a project.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// The caller's id; the same again changes nothing. It is the milestone's id in the contract.
    external_id: String,
    /// The contract's id; a project that is not known yet becomes a contract.
    project_id: String,
    /// Name; stands on the invoice.
    name: String,
    /// Amount in minor units.
    billing_amount_minor: i64,
    /// ISO 4217 code.
    currency_code: String,
    /// `CUSTOMER_ACCEPTANCE` (needs an acceptance document) or `DELIVERY` (completion is enough).
    recognition_trigger: Trigger,
    /// When it is expected; informs only.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    #[expect(dead_code, reason = "checked as a date; a milestone is due when the agreement says so")]
    due_date: Option<Date>,
    /// `ARREARS` (default) or `ADVANCE`: billed before its work, deferred until it is accepted.
    #[serde(default)]
    billing_timing: Timing,
    /// Customer's name, for a project that is not known yet; default: the project id.
    #[serde(default)]
    customer: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Trigger {
    CustomerAcceptance,
    Delivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Timing {
    #[default]
    Arrears,
    Advance,
}

/// A milestone's standing.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Milestone {
    /// Id of this resource.
    milestone_id: String,
    /// Contract id.
    project_id: String,
    /// Name.
    name: String,
    /// Amount in minor units.
    billing_amount_minor: i64,
    /// ISO 4217 code.
    currency_code: String,
    /// `PENDING`, `COMPLETE`, `INVOICED` (before its acceptance: deferred revenue), `RECOGNIZED`.
    status: &'static str,
    /// Codes of what holds it.
    blocked_by: Vec<String>,
}

/// What was created, or is known already.
#[derive(Debug, Serialize, ToSchema)]
struct Created {
    /// Id of the milestone among these resources.
    milestone_id: String,
}

/// Create a milestone. A new project becomes a contract with this milestone; a known one gets it by a change order.
#[utoipa::path(post, path = "/v1/project-milestones", tag = "project milestones", security(("bearer" = [])),
    request_body = Create,
    responses((status = 201, description = "Created", body = Created),
        (status = 202, description = "Taken as a change order that waits for an approval", body = Created),
        (status = 200, description = "Known already", body = Created), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn create(
    State(env): Shared,
    Restrained(Filing(caller)): Restrained<Filing>,
    Json(body): Json<Create>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    if body.project_id.contains(SEPARATOR) || body.external_id.is_empty() || body.project_id.is_empty() {
        return Err(ApiError::invalid(
            "project_id, external_id: must not be empty, and project_id must not contain ':'",
        ));
    }
    let currency: Currency =
        body.currency_code.parse().map_err(|error| ApiError::invalid(format!("currency_code: {error}")))?;
    if body.billing_amount_minor <= 0 {
        return Err(ApiError::invalid("billing_amount_minor: must be positive"));
    }
    let amount = currency.minor(body.billing_amount_minor);
    let id = format!("{}{SEPARATOR}{}", body.project_id, body.external_id);
    let answer = Json(Created { milestone_id: id });
    let now = env.clock.now();
    let known = env.store.contract(body.project_id.clone()).await?;
    let customer = body.customer.as_deref().filter(|_| known.is_none());
    if !caller.reach.admits(&body.project_id, customer) {
        return Err(beyond(&caller.name));
    }
    let Some(row) = known else {
        let terms = json!({
            "id": body.project_id, "customer": body.customer.as_deref().unwrap_or(&body.project_id),
            "currency": body.currency_code, "total": amount.to_string(),
            "signed_on": now.in_tz("UTC").map(|local| local.date().to_string()).unwrap_or_default(),
            "obligations": [{ "id": "services", "ssp": amount.to_string(), "method": "output" }],
            "milestones": [milestone(&body, &amount.to_string())],
        });
        agreements::file(&env, terms, "API", &caller.actor(), now).await?;
        settle(&env, &body.project_id).await?;
        return Ok((StatusCode::CREATED, answer));
    };
    let contract = crate::review::portfolio::state(&row)?;
    if let Some(known) = contract.milestones().into_iter().find(|milestone| milestone.id == body.external_id) {
        let same = known.name == body.name && known.amount == amount;
        return if same { Ok((StatusCode::OK, answer)) } else { Err(conflict(&body.external_id)) };
    }
    let total = contract
        .total()
        .decimal()
        .checked_add(amount.decimal())
        .ok_or_else(|| ApiError::invalid("billing_amount_minor: too large"))?;
    let order = json!({
        "amends": body.project_id, "version": contract.version().saturating_add(1), "signed": true,
        "total": total.to_string(), "add": [milestone(&body, &amount.to_string())],
    });
    let filed = agreements::file(&env, order, "API", &caller.actor(), now).await?;
    settle(&env, &body.project_id).await?;
    let waits = matches!(filed, agreements::Filed::Waits(_));
    Ok((if waits { StatusCode::ACCEPTED } else { StatusCode::CREATED }, answer))
}

fn milestone(body: &Create, amount: &str) -> Value {
    let completion = match body.recognition_trigger {
        Trigger::CustomerAcceptance => "customer_signoff",
        Trigger::Delivery => "external_event",
    };
    let timing = match body.billing_timing {
        Timing::Arrears => "arrears",
        Timing::Advance => "advance",
    };
    json!({ "id": body.external_id, "name": body.name, "amount": amount, "completion": completion, "timing": timing })
}

fn conflict(external_id: &str) -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "EXTERNAL_ID_REUSED",
        format!("external_id {external_id:?} names another milestone"),
        "use a new external_id, or file a change order",
    )
}

/// One milestone.
#[utoipa::path(get, path = "/v1/project-milestones/{id}", tag = "project milestones", security(("bearer" = [])),
    params(("id" = String, Path, description = "milestone_id")),
    responses((status = 200, body = Milestone), (status = 404, body = ErrorBody)))]
async fn show(State(env): Shared, _: Viewing, Segments(id): Segments<String>) -> Result<Json<Milestone>, ApiError> {
    let (contract, view) = find(&env, &id).await?;
    Ok(Json(Milestone {
        milestone_id: id,
        project_id: contract.terms().id().into(),
        name: view.name.clone(),
        billing_amount_minor: view.amount.minor(),
        currency_code: view.amount.currency().to_string(),
        status: standing(&contract, &view),
        blocked_by: view.blocked_by,
    }))
}

/// How far a milestone has come. Recognised is what the journal has recognised by its acceptance; under a method that goes by
/// cost or time no acceptance recognises anything.
fn standing(contract: &Contract, view: &MilestoneView) -> &'static str {
    match (view.accepted_on, view.invoiced_on, view.status.name()) {
        (Some(_), _, _) if contract.recognises_at_acceptance(&view.id) => "RECOGNIZED",
        (_, Some(_), _) => "INVOICED",
        (Some(_), None, _) | (None, None, "submitted") => "COMPLETE",
        _ => "PENDING",
    }
}

/// The work is done. With `DELIVERY` this is the acceptance; with `CUSTOMER_ACCEPTANCE` the customer's turn begins.
#[utoipa::path(post, path = "/v1/project-milestones/{id}/complete", tag = "project milestones", security(("bearer" = [])),
    params(("id" = String, Path, description = "milestone_id")),
    responses((status = 200, body = Milestone), (status = 404, body = ErrorBody)))]
async fn complete(state: Shared, teller: Telling, Segments(id): Segments<String>) -> Result<Json<Milestone>, ApiError> {
    let env = state.0.clone();
    let (contract, view) = find(&env, &id).await?;
    let event = if contract.accepts_by_event(&view.id) {
        Event::ExternalEvent { milestone: view.id.clone(), name: "delivery".into() }
    } else {
        Event::Submitted { milestone: view.id.clone(), by: teller.0.name.clone(), evidence: Vec::new() }
    };
    if view.accepted_on.is_none() && standing(&contract, &view) == "PENDING" {
        tell(&env, &contract, format!("complete:{}", view.id), teller.0.actor(), event).await?;
    }
    show(state, Viewing(teller.0), Segments(id)).await
}

/// The customer's acceptance.
#[derive(Debug, Deserialize, ToSchema)]
struct Acceptance {
    /// The caller's id; the same again changes nothing.
    #[serde(default)]
    external_id: Option<String>,
    /// Link to the signed acceptance document.
    #[serde(default)]
    document_url: Option<String>,
    /// Who accepted.
    accepted_by: String,
    /// In which role, where the contract names one.
    #[serde(default)]
    role: Option<String>,
}

/// What was accepted.
#[derive(Debug, Serialize, ToSchema)]
struct Accepted {
    /// Id of the acceptance.
    acceptance_id: String,
}

/// Accept a milestone. Without a document: 422 `ACCEPTANCE_DOCUMENT_REQUIRED`.
#[utoipa::path(post, path = "/v1/project-milestones/{id}/acceptance", tag = "project milestones", security(("bearer" = [])),
    params(("id" = String, Path, description = "milestone_id")), request_body = Acceptance,
    responses((status = 201, description = "Accepted", body = Accepted), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn accept(
    State(env): Shared,
    Telling(caller): Telling,
    Segments(id): Segments<String>,
    Json(body): Json<Acceptance>,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let (contract, view) = find(&env, &id).await?;
    let document = body.document_url.filter(|url| !url.trim().is_empty());
    if document.is_none() && contract.needs_document(&view.id) {
        return Err(document_required());
    }
    let acceptance = body.external_id.unwrap_or_else(|| DeliveryKey::of(&[&id, "acceptance"]).to_string());
    let answer = Json(Accepted { acceptance_id: acceptance.clone() });
    if view.accepted_on.is_some() {
        return Ok((StatusCode::CREATED, answer));
    }
    let event =
        Event::Accepted { milestone: view.id.clone(), by: body.accepted_by, role: body.role, document, portion: None };
    tell(&env, &contract, format!("acceptance:{acceptance}"), caller.actor(), event).await?;
    let (_, after) = find(&env, &id).await?;
    if after.accepted_on.is_none() {
        return Err(held(&after, "NOT_ACCEPTED", "the acceptance was not taken"));
    }
    Ok((StatusCode::CREATED, answer))
}

/// The invoice of a milestone.
#[derive(Debug, Serialize, ToSchema)]
struct Issued {
    /// Number of the invoice, as it is sent to the ERP.
    invoice_id: String,
}

/// The milestone's invoice, which the rules issue by themselves; 409 while something stands in its way.
#[utoipa::path(post, path = "/v1/project-milestones/{id}/invoice", tag = "project milestones", security(("bearer" = [])),
    params(("id" = String, Path, description = "milestone_id")),
    responses((status = 201, description = "Issued", body = Issued), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody)))]
async fn invoice(
    State(env): Shared,
    _: Telling,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<Issued>), ApiError> {
    let (contract, view) = decided(&env, &id).await?;
    match contract.documents().iter().find(|document| document.milestone == view.id) {
        Some(document) => Ok((StatusCode::CREATED, Json(Issued { invoice_id: document.number.clone() }))),
        None => Err(held(&view, "NOT_BILLABLE", "the agreement does not allow its invoice yet")),
    }
}

/// The entry that recognises a milestone's revenue.
#[derive(Debug, Serialize, ToSchema)]
struct Recognised {
    /// Number of the journal entry, as it is sent to the ERP.
    journal_entry_id: String,
}

/// The journal entry that recognises the milestone's revenue, dated by its acceptance, or, where that date was closed when it
/// became known, by the date on which it was booked; before the acceptance 422
/// `ACCEPTANCE_DOCUMENT_REQUIRED`.
#[utoipa::path(post, path = "/v1/project-milestones/{id}/recognize", tag = "project milestones", security(("bearer" = [])),
    params(("id" = String, Path, description = "milestone_id")),
    responses((status = 201, description = "Recognised", body = Recognised), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn recognize(
    State(env): Shared,
    _: Telling,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<Recognised>), ApiError> {
    let (contract, view) = decided(&env, &id).await?;
    let Some(on) = view.accepted_on.map(|accepted| contract.booked_on(&view.id).unwrap_or(accepted)) else {
        return Err(if contract.needs_document(&view.id) {
            document_required()
        } else {
            held(&view, "NOT_COMPLETE", "the milestone is not complete")
        });
    };
    let row = known(&env, contract.terms().id()).await?;
    let agreement: agreements::Agreement = crate::store::parse("contract", "agreement", &row.id, &row.agreement)?;
    // What was learned late of a date that is over is a further entry of that date: the latest tells it.
    let told = env.store.journal_entries(row.id.clone()).await?;
    let told = told.into_iter().filter(|entry| entry.date == on).map(|entry| entry.number).next_back();
    let number = told.unwrap_or_else(|| postings::journal_entry_number(contract.terms().id(), &agreement.erp, on, 1));
    Ok((StatusCode::CREATED, Json(Recognised { journal_entry_id: number })))
}

fn held(view: &MilestoneView, code: &str, message: &str) -> ApiError {
    let codes = if view.blocked_by.is_empty() {
        "nothing but the order of events".to_owned()
    } else {
        view.blocked_by.join(", ")
    };
    ApiError::new(
        StatusCode::CONFLICT,
        code,
        format!("{message}; the milestone is {}, held by {codes}", view.status.name()),
        "complete and accept the milestone, or resolve its exceptions",
    )
}

/// The contract and milestone that an id of this resource names.
async fn find(env: &Environment, id: &str) -> Result<(Contract, MilestoneView), ApiError> {
    let (project, milestone) = id.split_once(SEPARATOR).ok_or_else(|| ApiError::not_found("milestone", id))?;
    let row = env.store.contract(project.to_owned()).await?.ok_or_else(|| ApiError::not_found("milestone", id))?;
    let contract = crate::review::portfolio::state(&row)?;
    let view = contract.milestones().into_iter().find(|candidate| candidate.id == milestone);
    let view = view.ok_or_else(|| ApiError::not_found("milestone", id))?;
    Ok((contract, view))
}

/// The same after the engine has decided about what had come in.
async fn decided(env: &Environment, id: &str) -> Result<(Contract, MilestoneView), ApiError> {
    let (contract, _) = find(env, id).await?;
    settle(env, contract.terms().id()).await?;
    find(env, id).await
}

/// Stores a fact and lets the engine decide about it before answering.
async fn tell(
    env: &Environment,
    contract: &Contract,
    identity: String,
    actor: Actor,
    event: Event,
) -> Result<(), ApiError> {
    let now = env.clock.now();
    let fact = NewFact {
        contract: contract.terms().id().into(),
        identity: format!("facade:{identity}"),
        fact: Fact::of(now, event),
        actor,
    };
    env.store.add_facts(vec![fact], now).await?;
    settle(env, contract.terms().id()).await
}

/// Lets the engine decide about what has just come in of a contract.
async fn settle(env: &Environment, contract: &str) -> Result<(), ApiError> {
    engine::turn(env, |id| id == contract).await?;
    env.wake_ups.send_all();
    Ok(())
}
