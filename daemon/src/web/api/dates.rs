//! The API of dates: contracts as they were on a date, how they came to where they stand, and dates that are closed.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arc, Environment, Shared};
use crate::review::acts::{self, Channel, Verb, Word};
use crate::review::as_of::{self, Unanswered};
use crate::review::described::{ReportBody, StepBody};
use crate::store::periods::ClosedDates;
use crate::web::access::{Overruling, Viewing};
use crate::web::extract::{Parameters, Segments};
use crate::web::json::Json;
use crate::web::problem::{ApiError, ErrorBody};

pub(super) fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new()
        .routes(routes!(contract_as_of))
        .routes(routes!(explanation))
        .routes(routes!(closed_dates, close))
}

/// Which date, and with whose knowledge.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AsOfQuery {
    /// At the end of this date.
    #[param(value_type = String, format = Date)]
    date: Date,
    /// With what was known at the end of a date, or at an instant (without its zone: that of the contract); without it with what
    /// is known now.
    known_by: Option<String>,
}

/// One contract as it was at the end of a date: the report of section 9 of the rules, with what is known of that date now, or
/// with what was known at an instant.
#[utoipa::path(get, path = "/v1/contracts/{id}/as-of", tag = "contracts", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id"), AsOfQuery),
    responses((status = 200, description = "The report of that date", body = ReportBody), (status = 404, body = ErrorBody),
        (status = 422, description = "The date has not come, or the contract was not filed yet", body = ErrorBody)))]
async fn contract_as_of(
    State(env): Shared,
    _: Viewing,
    Segments(id): Segments<String>,
    Parameters(query): Parameters<AsOfQuery>,
) -> Result<Json<Value>, ApiError> {
    let answer = as_of::as_of(&env, &id, query.date, query.known_by.as_deref()).await?;
    Ok(Json(serde_json::to_value(answer.report).unwrap_or_default()))
}

/// How each date and amount of a contract came about, step by step.
#[utoipa::path(get, path = "/v1/contracts/{id}/explanation", tag = "contracts", security(("bearer" = [])),
    params(("id" = String, Path, description = "Contract id")),
    responses((status = 200, description = "What happened and what followed, in order", body = Vec<StepBody>),
        (status = 404, body = ErrorBody)))]
async fn explanation(State(env): Shared, _: Viewing, Segments(id): Segments<String>) -> Result<Json<Value>, ApiError> {
    let steps = as_of::explained(&env, &id).await?;
    Ok(Json(serde_json::to_value(steps).unwrap_or_default()))
}

impl From<Unanswered> for ApiError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unknown(id) => Self::not_found("contract", &id),
            Unanswered::Question(_) => Self::invalid(unanswered.to_string()),
            Unanswered::Failed(failure) => {
                tracing::error!(error = &failure as &dyn std::error::Error, "a contract cannot be replayed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "NOT_REPLAYED",
                    failure.to_string(),
                    "see `milestoned replay --check`; nothing was written",
                )
            }
        }
    }
}

/// How far dates are closed, by ERP connection.
#[utoipa::path(get, path = "/v1/closed-dates", tag = "billing", security(("bearer" = [])),
    responses((status = 200, description = "The latest closing of each ERP", body = Vec<ClosedDates>)))]
async fn closed_dates(State(env): Shared, _: Viewing) -> Result<Json<Vec<ClosedDates>>, ApiError> {
    Ok(Json(env.store.closed_dates().await?.into_values().collect()))
}

/// What is closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CloseBody {
    /// The last date that is closed.
    #[schema(value_type = String, format = Date)]
    through: Date,
    /// For contracts of one ERP connection; of every one without it.
    erp: Option<String>,
    /// Why.
    reason: String,
}

/// What was closed.
#[derive(Debug, Serialize, ToSchema)]
struct ClosedBody {
    /// The last date that is closed.
    #[schema(value_type = String, format = Date)]
    through: Date,
    /// ERP connections for whose contracts that were more dates than before.
    closed: Vec<String>,
    /// The same in words.
    text: String,
}

/// Close all dates through one, for good: their entries stay, and what is learned of them later is booked on the first open one.
#[utoipa::path(post, path = "/v1/closed-dates", tag = "billing", security(("bearer" = [])), request_body = CloseBody,
    responses((status = 202, description = "Taken", body = ClosedBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn close(
    State(env): Shared,
    Overruling(caller): Overruling,
    Json(body): Json<CloseBody>,
) -> Result<(StatusCode, Json<ClosedBody>), ApiError> {
    let word = Word::new(&caller.name, &body.reason, Channel::Api, Verb::Close)?;
    let closed = acts::close_dates(&env, body.erp.as_deref(), body.through, &word).await?;
    let through = body.through;
    let text = if closed.is_empty() {
        format!("all dates through {through} were closed already")
    } else {
        format!(
            "all dates through {through} are closed for contracts of {}: their entries stay, and what is learned of these dates \
             is booked on the first open one",
            closed.join(", ")
        )
    };
    Ok((StatusCode::ACCEPTED, Json(ClosedBody { through, closed, text })))
}
