//! The API of customers: which record of which ERP each of them is, and a person's word about it.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arc, Environment, Shared};
use crate::review::acts::{self, Channel, Verb, Word};
use crate::review::customers::{self, CustomerLine};
use crate::web::access::{Releasing, Viewing};
use crate::web::extract::Segments;
use crate::web::json::Json;
use crate::web::problem::{ApiError, ErrorBody};

pub(super) fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(choose))
}

/// Customers whose record in an ERP is known, or waits for somebody to say which it is.
#[utoipa::path(get, path = "/v1/customers", tag = "billing", security(("bearer" = [])),
    responses((status = 200, description = "By name and ERP", body = Vec<CustomerLine>)))]
async fn all(State(env): Shared, _: Viewing) -> Result<Json<Vec<CustomerLine>>, ApiError> {
    Ok(Json(customers::customers(&env).await?))
}

/// Which record a customer is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChoiceBody {
    /// The ERP's id of the record; `new`: it is none of those there are, and one is created.
    remote_id: String,
    /// Why.
    reason: String,
}

/// What follows.
#[derive(Debug, Serialize, ToSchema)]
struct ChosenBody {
    /// In words.
    text: String,
}

/// Say which record of an ERP a customer is. The ERP is asked whether it has it; deliveries that wait for that go on.
#[utoipa::path(put, path = "/v1/customers/{erp}/{name}", tag = "billing", security(("bearer" = [])),
    request_body = ChoiceBody,
    params(("erp" = String, Path, description = "Connection"), ("name" = String, Path, description = "Customer")),
    responses((status = 202, description = "Taken", body = ChosenBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn choose(
    State(env): Shared,
    Releasing(caller): Releasing,
    Segments((erp, name)): Segments<(String, String)>,
    Json(body): Json<ChoiceBody>,
) -> Result<(StatusCode, Json<ChosenBody>), ApiError> {
    let word = Word::new(&caller.name, &body.reason, Channel::Api, Verb::Release)?;
    let text = acts::choose_customer(&env, &erp, &name, &body.remote_id, &word).await?;
    Ok((StatusCode::ACCEPTED, Json(ChosenBody { text })))
}
