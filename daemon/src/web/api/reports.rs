//! The API of reports: the five metrics, what they are made of, the cohort of a month, the forecast.

use axum::Extension;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arc, Environment, Shared};
use crate::report::close::Month;
use crate::report::performance::{self, Rows};
use crate::review::snapshot::{Snapshots, utc_date};
use crate::web::access::Viewing;
use crate::web::extract::{Parameters, Segments};
use crate::web::json::Json;
use crate::web::problem::{ApiError, ErrorBody};

pub(super) fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new().routes(routes!(report))
}

/// Of what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ReportQuery {
    /// Month of a cohort or of cases, such as `2026-03`; the present one without it.
    month: Option<String>,
    /// Metric whose cases are asked for: cycle-time, first-send, period, disputes.
    metric: Option<String>,
}

/// A report: `metrics`, `cases`, `cohort` or `forecast`. Each row is an object by its columns.
#[utoipa::path(get, path = "/v1/reports/{name}", tag = "reports", security(("bearer" = [])),
    params(("name" = String, Path, description = "metrics, cases, cohort, forecast"), ReportQuery),
    responses((status = 200, description = "Rows", body = Vec<Value>), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn report(
    State(env): Shared,
    _: Viewing,
    Extension(snapshots): Extension<Arc<Snapshots>>,
    Segments(name): Segments<String>,
    Parameters(asked): Parameters<ReportQuery>,
) -> Result<Json<Value>, ApiError> {
    let today = utc_date(env.clock.now());
    let month = asked.month.map_or(Ok(Month::of(today)), |month| month.parse())?;
    let asked = (name.as_str(), asked.metric.as_deref().unwrap_or_default());
    let report = performance::named(&env, &*snapshots.now(&env).await?, asked, (month, today), Rows::All).await?;
    Ok(Json(report.list.told()))
}
