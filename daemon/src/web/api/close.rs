//! The API of month-end closes: prepare the figures of a month, look at its steps, sign it, take its package away.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arc, Environment, Shared};
use crate::progress::Progress;
use crate::report::close::{self, Month, package, steps};
use crate::review::acts::{Channel, Verb, Word};
use crate::store::closes::ClosePackage;
use crate::web::access::{Overruling, Viewing};
use crate::web::extract::Segments;
use crate::web::jobs::{Jobs, Made, MadeFile, Wanted, sent};
use crate::web::json::Json;
use crate::web::problem::{ApiError, ErrorBody};

/// How long a request waits for figures that are being prepared.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new()
        .routes(routes!(closes))
        .routes(routes!(figures, prepare))
        .routes(routes!(sign))
        .routes(routes!(adjustments))
        .routes(routes!(archive))
}

/// Where the close of a month stands.
#[derive(Debug, Serialize, ToSchema)]
struct CloseBody {
    /// Month, such as `2026-03`.
    month: String,
    /// When the figures were prepared, UTC.
    #[schema(value_type = String, format = DateTime)]
    prepared_at: Timestamp,
    /// Who prepared them.
    prepared_by: String,
    /// SHA-256 of the figures.
    digest: String,
    /// When it was signed, UTC; absent: it is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    signed_at: Option<Timestamp>,
    /// Who signed it.
    signed_by: Option<String>,
}

impl From<&ClosePackage> for CloseBody {
    fn from(package: &ClosePackage) -> Self {
        Self {
            month: package.month.clone(),
            prepared_at: package.prepared_at,
            prepared_by: package.prepared_by.to_string(),
            digest: package.digest.clone(),
            signed_at: package.signed.as_ref().map(|signed| signed.at),
            signed_by: package.signed.as_ref().map(|signed| signed.by.to_string()),
        }
    }
}

/// A month's close with its checklist and its tables.
#[derive(Debug, Serialize, ToSchema)]
struct FiguresBody {
    /// Where it stands.
    close: CloseBody,
    /// Steps: `name`, `title`, `found`, `owner`, `done_by`.
    #[schema(value_type = Vec<Object>)]
    steps: Vec<steps::Step>,
    /// Tables by name, each row an object, and what is said about them.
    #[schema(value_type = Object)]
    figures: Value,
}

/// Figures that are being prepared: how many contracts are read.
#[derive(Debug, Serialize, ToSchema)]
struct PreparingBody {
    /// Contracts that are read.
    read: usize,
    /// How many there are.
    of: usize,
}

/// Closes of all months that somebody has prepared, the newest first.
#[utoipa::path(get, path = "/v1/closes", tag = "closes", security(("bearer" = [])),
    responses((status = 200, description = "Months", body = Vec<CloseBody>)))]
async fn closes(State(env): Shared, _: Viewing) -> Result<Json<Vec<CloseBody>>, ApiError> {
    Ok(Json(env.store.close_packages().await?.iter().map(CloseBody::from).collect()))
}

async fn body(env: &Environment, month: Month) -> Result<FiguresBody, ApiError> {
    let (package, figures) = close::kept(env, month).await?;
    let told = package::told(&figures).map_err(ApiError::invalid)?;
    Ok(FiguresBody {
        close: CloseBody::from(&package),
        steps: steps::steps(env, month, &figures).await?,
        figures: serde_json::from_str(&told).map_err(|error| ApiError::invalid(format!("figures: {error}")))?,
    })
}

/// The figures of a month as they were prepared last, or signed.
#[utoipa::path(get, path = "/v1/closes/{month}", tag = "closes", security(("bearer" = [])),
    params(("month" = String, Path, description = "Month, such as 2026-03")),
    responses((status = 200, description = "Checklist and tables", body = FiguresBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn figures(
    State(env): Shared,
    _: Viewing,
    Segments(month): Segments<String>,
) -> Result<Json<FiguresBody>, ApiError> {
    Ok(Json(body(&env, month.parse()?).await?))
}

/// Prepare the figures of a month that is over: the books beside the ERPs' ledgers. Nothing is closed by it. Where that takes longer
/// than a request may, the answer says how far it is: ask again the same way until it is done.
#[utoipa::path(put, path = "/v1/closes/{month}", tag = "closes", security(("bearer" = [])),
    params(("month" = String, Path, description = "Month, such as 2026-03")),
    responses((status = 200, description = "Checklist and tables", body = FiguresBody),
        (status = 202, description = "It goes on: how far it is", body = PreparingBody),
        (status = 409, description = "The month is signed", body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn prepare(
    State(env): Shared,
    Extension(at_work): Extension<Arc<Jobs>>,
    Overruling(caller): Overruling,
    Segments(month): Segments<String>,
) -> Result<Response, ApiError> {
    let month: Month = month.parse()?;
    let title = format!("The figures of {}", month.in_words());
    let wanted = Wanted { key: format!("close {month}"), title, by: caller.name.clone() };
    let (actor, at) = (caller.actor(), Arc::clone(&env));
    let work = |progress: Arc<Progress>| async move {
        close::prepare(&at, month, &actor, &progress).await?;
        Ok(Made::Page(format!("/closes/{month}"), String::new()))
    };
    match at_work.done_within((wanted, PATIENCE), env.clock.now(), work).await? {
        Ok(_) => Ok(Json(body(&env, month).await?).into_response()),
        Err(job) => {
            let (read, of) = job.stands();
            Ok((StatusCode::ACCEPTED, Json(PreparingBody { read, of })).into_response())
        }
    }
}

/// What is signed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignBody {
    /// Digest of the figures that were looked at.
    digest: String,
    /// Names of steps at which something was found and that were looked at.
    #[serde(default)]
    looked_at: Vec<String>,
    /// Why.
    reason: String,
}

/// Sign a month: its figures are frozen, and all dates through its end are closed.
#[utoipa::path(post, path = "/v1/closes/{month}/signature", tag = "closes", security(("bearer" = [])), request_body = SignBody,
    params(("month" = String, Path, description = "Month, such as 2026-03")),
    responses((status = 201, description = "Signed", body = CloseBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "Other figures stand there now", body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn sign(
    State(env): Shared,
    Overruling(caller): Overruling,
    Segments(month): Segments<String>,
    Json(asked): Json<SignBody>,
) -> Result<(StatusCode, Json<CloseBody>), ApiError> {
    let month: Month = month.parse()?;
    let word = Word::new(&caller.name, &asked.reason, Channel::Api, Verb::Close)?;
    close::sign(&env, month, &asked.digest, &asked.looked_at, &word).await?;
    let (package, _) = close::kept(&env, month).await?;
    Ok((StatusCode::CREATED, Json(CloseBody::from(&package))))
}

/// What is known now of the balances of a month and was not when its figures were made.
#[utoipa::path(get, path = "/v1/closes/{month}/adjustments", tag = "closes", security(("bearer" = [])),
    params(("month" = String, Path, description = "Month, such as 2026-03")),
    responses((status = 200, description = "`contract`, `balance`, `currency`, `frozen`, `known`, `difference`", body = Vec<Value>),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn adjustments(
    State(env): Shared,
    _: Viewing,
    Segments(month): Segments<String>,
) -> Result<Json<Vec<close::Adjustment>>, ApiError> {
    let month: Month = month.parse()?;
    let (_, figures) = close::kept(&env, month).await?;
    Ok(Json(close::adjustments(&env, month, &figures).await?))
}

/// The package of a month: a ZIP with workbook, JSON, hledger journal, hashes, and the house's signature.
#[utoipa::path(get, path = "/v1/closes/{month}/package.zip", tag = "closes", security(("bearer" = [])),
    params(("month" = String, Path, description = "Month, such as 2026-03")),
    responses((status = 200, description = "The package", content_type = "application/zip"), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn archive(State(env): Shared, _: Viewing, Segments(month): Segments<String>) -> Result<Response, ApiError> {
    let month: Month = month.parse()?;
    let (package, figures) = close::kept(&env, month).await?;
    let made = tokio::task::spawn_blocking(move || package::zip(&package, &figures)).await;
    let content = made.map_err(|error| ApiError::invalid(error.to_string()))?.map_err(ApiError::invalid)?;
    let name = format!("milestoned-close-{month}-package.zip");
    sent(&Arc::new(MadeFile::kept(name, "application/zip", content)))
}
