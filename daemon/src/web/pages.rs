//! Pages for a controller: portfolio, contract, exceptions. Server-rendered; buttons are plain forms.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, extract::FromRequestParts, http::request::Parts};
use milestoned_mapping::contract::MilestoneView;
use milestoned_mapping::fact::{Event, Leg, ReviewDecision};
use milestoned_mapping::money::grouped;
use serde::Deserialize;

use super::auth::{self, COOKIE, Origin, Shown};
use super::problem::ApiError;
use crate::engine;
use crate::environment::Environment;
use crate::parked::{self, Parked};
use crate::portfolio::{self, Remedied, Summary};
use crate::settings::Role;
use crate::store::audit::AuditLine;
use crate::store::intake::StreamHealth;
use crate::store::outbox::Delivery;
use crate::store::parked::Handle;
use crate::store::pauses::{Pause, Scope};
use crate::store::views::DocumentView;
use crate::store::vocabulary::DeliveryState;

/// Pages and their style sheet.
pub fn routes() -> Router<Arc<Environment>> {
    Router::new()
        .route("/", get(portfolio_page))
        .route("/contracts/{id}", get(contract_page))
        .route("/contracts/{id}/review", post(review))
        .route("/contracts/{id}/overrule", post(overrule))
        .route("/exceptions", get(exceptions_page))
        .route("/parked", post(act))
        .route("/login", get(login_page).post(login))
        .route(
            "/style.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css")], include_str!("../../templates/style.css")) }),
        )
}

/// Somebody who is signed in; others are sent to the login page.
struct Person {
    name: String,
    may_decide: bool,
}

impl FromRequestParts<Arc<Environment>> for Person {
    type Rejection = Redirect;
    async fn from_request_parts(parts: &mut Parts, env: &Arc<Environment>) -> Result<Self, Redirect> {
        match auth::owner(env, parts).await {
            Shown::Known(token) => Ok(Self { name: token.name.clone(), may_decide: token.role >= Role::Reviewer }),
            Shown::Nothing | Shown::Unheard | Shown::Wrong => Err(Redirect::to("/login")),
        }
    }
}

mod filters {
    #![expect(unreachable_pub, reason = "the macro makes a public type of the filter")]

    /// Thousands separated. A millisecond is no place for a second spelling of amounts: tables use the same one.
    #[askama::filter_fn]
    pub(super) fn money(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::grouped(&text.to_string()))
    }
}

#[derive(Template)]
#[template(path = "portfolio.html")]
struct PortfolioPage {
    person: Person,
    contracts: Vec<Summary>,
    /// Where the next page begins, as part of an address.
    next: Option<String>,
    streams: Vec<StreamHealth>,
    parked: Vec<Parked>,
    now: String,
}

#[derive(Template)]
#[template(path = "contract.html")]
struct ContractPage {
    person: Person,
    pauses: Vec<Pause>,
    summary: Summary,
    milestones: Vec<MilestoneView>,
    documents: Vec<DocumentView>,
    exceptions: Vec<Remedied>,
    journal: Vec<JournalRow>,
    deliveries: Vec<Delivery>,
    audit: Vec<AuditLine>,
}

struct JournalRow {
    date: String,
    account: String,
    debit: String,
    credit: String,
}

#[derive(Template)]
#[template(path = "exceptions.html")]
struct ExceptionsPage {
    person: Person,
    exceptions: Vec<Remedied>,
    parked: Vec<Parked>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    wrong: bool,
}

fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Where a page begins.
#[derive(serde::Deserialize)]
struct After {
    /// Behind this contract.
    #[serde(default)]
    after: String,
}

async fn portfolio_page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Query(from): Query<After>,
) -> Result<Response, ApiError> {
    let contracts = portfolio::summaries_after(&env, from.after, portfolio::AT_ONCE).await?;
    let last = contracts.last().filter(|_| contracts.len() == portfolio::AT_ONCE);
    Ok(render(&PortfolioPage {
        person,
        next: last.map(|last| url::form_urlencoded::byte_serialize(last.contract.as_bytes()).collect()),
        contracts,
        streams: env.store.streams().await?,
        parked: parked::all(&env).await?,
        now: env.clock.now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
    }))
}

async fn contract_page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let view = portfolio::contract(&env, &id).await?.ok_or_else(|| ApiError::not_found("contract", &id))?;
    let row = super::api::known(&env, &id).await?;
    let contract = portfolio::state(&row)?;
    let mut pauses = env.store.pauses().await?;
    pauses.retain(|pause| {
        [(Scope::Contract, &id), (Scope::Customer, &view.summary.customer), (Scope::Target, &view.summary.erp)]
            .iter()
            .any(|(scope, name)| pause.scope == *scope && pause.name == **name)
    });
    Ok(render(&ContractPage {
        person,
        pauses,
        summary: view.summary,
        milestones: contract.milestones(),
        documents: view.documents,
        exceptions: view.exceptions,
        journal: journal(&contract),
        deliveries: view.deliveries,
        audit: env.store.audit(Some(id), 200).await?,
    }))
}

fn journal(contract: &milestoned_mapping::contract::Contract) -> Vec<JournalRow> {
    use milestoned_mapping::command::Side;
    let mut rows = Vec::new();
    for entry in contract.journal() {
        for (index, line) in entry.lines.iter().enumerate() {
            let amount = grouped(&line.amount.to_string());
            let (debit, credit) = match line.side {
                Side::Debit => (amount, String::new()),
                Side::Credit => (String::new(), amount),
            };
            let date = if index == 0 { entry.date.to_string() } else { String::new() };
            rows.push(JournalRow { date, account: line.account.name().replace('_', " "), debit, credit });
        }
    }
    rows
}

async fn exceptions_page(State(env): State<Arc<Environment>>, person: Person) -> Result<Response, ApiError> {
    let mut exceptions = portfolio::with_remedies(env.store.exceptions(None, true).await?);
    exceptions.sort_by(|a, b| {
        (&a.exception.severity, &a.exception.opened_on).cmp(&(&b.exception.severity, &b.exception.opened_on))
    });
    Ok(render(&ExceptionsPage { person, exceptions, parked: parked::all(&env).await? }))
}

#[derive(Deserialize)]
struct LoginForm {
    #[serde(default)]
    token: String,
    /// Page to show then; a path of ours.
    #[serde(default)]
    next: String,
}

/// With `?token=` (the link that `milestoned demo --serve` prints) the visitor is signed in at once.
async fn login_page(State(env): State<Arc<Environment>>, origin: Origin, Query(form): Query<LoginForm>) -> Response {
    if form.token.is_empty() { render(&LoginPage { wrong: false }) } else { sign_in(&env, &origin, &form).await }
}

async fn login(State(env): State<Arc<Environment>>, origin: Origin, Form(form): Form<LoginForm>) -> Response {
    sign_in(&env, &origin, &form).await
}

async fn sign_in(env: &Environment, origin: &Origin, form: &LoginForm) -> Response {
    let token = &form.token;
    // Only a path of this server: a link must not lead a signed-in person elsewhere.
    let local = form.next.starts_with('/') && !form.next.starts_with("//") && !form.next.contains('\\');
    let next = if local { form.next.as_str() } else { "/" };
    let cookie = HeaderValue::from_str(&format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"));
    match (origin.shows(env, token).await, cookie) {
        (Shown::Known(_), Ok(cookie)) => ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response(),
        (Shown::Unheard, _) => (StatusCode::TOO_MANY_REQUESTS, render(&LoginPage { wrong: true })).into_response(),
        _ => (StatusCode::UNAUTHORIZED, render(&LoginPage { wrong: true })).into_response(),
    }
}

#[derive(Deserialize)]
struct ReviewForm {
    milestone: String,
    decision: String,
}

async fn review(
    State(env): State<Arc<Environment>>,
    person: Person,
    Path(id): Path<String>,
    Form(form): Form<ReviewForm>,
) -> Result<Redirect, ApiError> {
    require_reviewer(&person)?;
    let decision = if form.decision == "approve" { ReviewDecision::Approve } else { ReviewDecision::Hold };
    let event = Event::Review { milestone: form.milestone, decision, by: person.name.clone(), shown: None };
    decide(&env, id, person.name, event).await
}

#[derive(Deserialize)]
struct OverruleForm {
    code: String,
    #[serde(default)]
    milestone: String,
    #[serde(default)]
    leg: String,
    reason: String,
}

async fn overrule(
    State(env): State<Arc<Environment>>,
    person: Person,
    Path(id): Path<String>,
    Form(form): Form<OverruleForm>,
) -> Result<Redirect, ApiError> {
    require_reviewer(&person)?;
    if form.reason.trim().is_empty() {
        return Err(super::api::invalid("reason: say why"));
    }
    let milestone = Some(form.milestone.clone()).filter(|id| !id.is_empty());
    if super::api::closed_drift(&env, &id, &form.code, &milestone, (&person.name, &form.reason)).await? {
        return Ok(Redirect::to(&format!("/contracts/{id}")));
    }
    let leg: Option<Leg> = serde_json::from_value(serde_json::Value::String(form.leg)).ok();
    let event = Event::Overrule { code: form.code, milestone, leg, by: person.name.clone(), reason: form.reason };
    decide(&env, id, person.name, event).await
}

/// What a person does about something that waits.
#[derive(Deserialize)]
struct ActForm {
    handle: String,
    act: String,
    #[serde(default)]
    reason: String,
    /// Record that was written outside.
    #[serde(default)]
    remote_id: String,
    /// Page to show then.
    #[serde(default)]
    next: String,
}

async fn act(
    State(env): State<Arc<Environment>>,
    person: Person,
    Form(form): Form<ActForm>,
) -> Result<Redirect, ApiError> {
    require_reviewer(&person)?;
    if form.reason.trim().is_empty() {
        return Err(super::api::invalid("reason: say why"));
    }
    let missing = || ApiError::not_found("parked", &form.handle);
    let (store, by, why, now) = (&env.store, person.name.clone(), form.reason.clone(), env.clock.now());
    let found = match form.act.as_str() {
        "release" => store.release_parked(form.handle.clone(), true, by, why, now).await?,
        "dismiss" => store.release_parked(form.handle.clone(), false, by, why, now).await?,
        "done" => {
            let delivery = store.delivery(form.handle.clone()).await?.filter(|one| one.state == DeliveryState::Parked);
            let delivery = delivery.ok_or_else(missing)?;
            if form.remote_id.trim().is_empty() {
                return Err(super::api::invalid("remote_id: the id of the record that was written outside"));
            }
            let taken = parked::take_done(&env, &delivery, form.remote_id.trim(), &why, by).await?;
            taken.map_err(|contradiction| super::api::invalid(&contradiction))?;
            true
        }
        "replay" => match handle(&form)? {
            Handle::Record(id) => store.replay_parked(Some(id), by, now).await? > 0,
            _ => false,
        },
        "close" => store.close_parked(handle(&form)?, by, why, now).await?,
        "resume" => match form.handle.split_once(':') {
            Some((scope, name)) => {
                let scope = Scope::named(scope).ok_or_else(missing)?;
                store.resume(scope, name.to_owned(), by, why, now).await?
            }
            None => false,
        },
        _ => return Err(super::api::invalid("act: release, done, dismiss, replay, close or resume")),
    };
    if !found {
        return Err(missing());
    }
    env.wake_ups.send_all();
    Ok(Redirect::to(if form.next == "/" { "/" } else { "/exceptions" }))
}

fn handle(form: &ActForm) -> Result<Handle, ApiError> {
    form.handle.parse().map_err(|reason: String| super::api::invalid(&reason))
}

fn require_reviewer(person: &Person) -> Result<(), ApiError> {
    if person.may_decide {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "FORBIDDEN",
        "your token may only read",
        "sign in with a reviewer's token",
    ))
}

/// Takes the decision, lets the engine act on it, and shows the contract again.
async fn decide(env: &Environment, id: String, actor: String, event: Event) -> Result<Redirect, ApiError> {
    super::api::human_fact(env, id.clone(), actor, event).await?;
    engine::turn(env, |due| due == id).await?;
    Ok(Redirect::to(&format!("/contracts/{id}")))
}
