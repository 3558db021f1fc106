//! The API of the workbook: taken away, brought back, looked at and confirmed.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use milestoned_documents::reader::FILE_LIMIT;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arc, Environment, Shared};
use crate::progress::Progress;
use crate::report::workbook::apply::{self, Came, Confirmed};
use crate::report::workbook::import::{self, Preview};
use crate::report::workbook::sheets::Asker;
use crate::review::snapshot::Snapshots;
use crate::web::access::{Caller, Viewing};
use crate::web::extract::{Parameters, Segments};
use crate::web::json::Json;
use crate::web::problem::{ApiError, ErrorBody};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

type Looking = Extension<Arc<Snapshots>>;

pub(super) fn routes() -> OpenApiRouter<Arc<Environment>> {
    OpenApiRouter::new()
        .routes(routes!(export, bring))
        .routes(routes!(look, confirm))
        .routes(routes!(annotated))
        .layer(DefaultBodyLimit::max(FILE_LIMIT))
}

fn asker(caller: &Caller) -> Asker {
    Asker { name: caller.name.clone(), rights: caller.rights }
}

/// Which contracts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Text of contract or customer; all contracts without it.
    #[serde(default)]
    q: String,
}

/// The workbook: terms, milestones with all legs, what is to be billed, what waits, receivables, what remains, roll-forward.
#[utoipa::path(get, path = "/v1/workbook", tag = "workbook", security(("bearer" = [])), params(Which),
    responses((status = 200, description = "An Excel file", content_type = XLSX, body = Vec<u8>)))]
async fn export(
    State(env): Shared,
    Viewing(caller): Viewing,
    Extension(snapshots): Looking,
    Parameters(which): Parameters<Which>,
) -> Result<Response, ApiError> {
    let bytes = import::export(&env, &snapshots, &asker(&caller), (&which.q, &Progress::default())).await?;
    Ok(([(header::CONTENT_TYPE, XLSX)], bytes).into_response())
}

/// What the file is called.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Named {
    /// The file's name, for the audit trail.
    #[serde(default)]
    name: String,
}

/// A workbook that was brought, beside what holds now.
#[derive(Debug, Serialize, ToSchema)]
struct Looked {
    /// Names it.
    id: String,
    /// A digest of what is shown here: it goes with the confirmation.
    seen: String,
    /// Rows that were known.
    rows: usize,
    /// Cells that others have changed since the export, and the file has not.
    changed_since: usize,
    /// Edited cells with what holds now and what becomes of each.
    edits: Vec<LookedEdit>,
    /// Change orders that would be filed, as files have them, or why one would be refused.
    orders: Vec<LookedOrder>,
    /// How many acts would be taken.
    acts: usize,
    /// What was left out.
    told: Vec<String>,
}

/// An edited cell.
#[derive(Debug, Serialize, ToSchema)]
struct LookedEdit {
    /// Sheet.
    sheet: String,
    /// Row of the file.
    row: u32,
    /// Key of the row.
    key: String,
    /// Column.
    column: String,
    /// What was exported.
    exported: String,
    /// What was written.
    written: String,
    /// What holds now.
    now: Option<String>,
    /// What becomes of it, in words.
    outcome: String,
}

/// A change order that would be filed.
#[derive(Debug, Serialize, ToSchema)]
struct LookedOrder {
    /// Contract.
    contract: String,
    /// As files have it.
    #[schema(value_type = Object)]
    order: serde_json::Value,
    /// Why it would be refused.
    refused: Option<String>,
}

impl From<Preview> for Looked {
    fn from(preview: Preview) -> Self {
        let edits = preview.edits.iter().map(|edit| LookedEdit {
            sheet: edit.merged.edit.sheet.clone(),
            row: edit.merged.edit.row,
            key: edit.merged.edit.key.clone(),
            column: edit.merged.edit.column.clone(),
            exported: edit.merged.edit.base.clone(),
            written: edit.merged.edit.theirs.clone(),
            now: edit.merged.now.clone(),
            outcome: edit.in_words(),
        });
        let edits = edits.collect();
        let orders = preview.orders.into_iter().map(|planned| LookedOrder {
            contract: planned.contract,
            order: planned.order,
            refused: planned.effect.err(),
        });
        Self {
            orders: orders.collect(),
            edits,
            id: preview.import.id,
            seen: preview.seen,
            rows: preview.kept.rows,
            changed_since: preview.kept.changed_since,
            acts: preview.acts.len(),
            told: preview.kept.told,
        }
    }
}

/// Bring an edited workbook: it is kept and shown beside what holds now. Nothing else is done.
#[utoipa::path(post, path = "/v1/workbook", tag = "workbook", security(("bearer" = [])), params(Named),
    request_body(content = Vec<u8>, content_type = XLSX),
    responses((status = 201, description = "What would follow", body = Looked),
        (status = 422, description = "It is not taken, with the reason", body = ErrorBody)))]
async fn bring(
    State(env): Shared,
    Viewing(caller): Viewing,
    Extension(snapshots): Looking,
    Parameters(named): Parameters<Named>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Looked>), ApiError> {
    let name: String = named.name.chars().filter(|letter| !letter.is_control()).take(200).collect();
    let name = if name.is_empty() { "workbook.xlsx".to_owned() } else { name };
    let id = import::bring(&env, &snapshots, &asker(&caller), (name, bytes.to_vec())).await?;
    Ok((StatusCode::CREATED, Json(looked(&env, &snapshots, &caller, &id).await?.into())))
}

async fn looked(env: &Environment, snapshots: &Snapshots, caller: &Caller, id: &str) -> Result<Preview, ApiError> {
    let found = import::preview(env, snapshots, &asker(caller), id).await?;
    found.ok_or_else(|| ApiError::not_found("workbook", id))
}

/// A workbook that was brought, beside what holds now.
#[utoipa::path(get, path = "/v1/workbook/{id}", tag = "workbook", security(("bearer" = [])),
    params(("id" = String, Path, description = "As bringing it named it")),
    responses((status = 200, description = "What would follow", body = Looked), (status = 404, body = ErrorBody)))]
async fn look(
    State(env): Shared,
    Viewing(caller): Viewing,
    Extension(snapshots): Looking,
    Segments(id): Segments<String>,
) -> Result<Json<Looked>, ApiError> {
    Ok(Json(looked(&env, &snapshots, &caller, &id).await?.into()))
}

/// The workbook as it stands now, with what was edited in its cells and a note about each.
#[utoipa::path(get, path = "/v1/workbook/{id}/annotated", tag = "workbook", security(("bearer" = [])),
    params(("id" = String, Path, description = "As bringing it named it")),
    responses((status = 200, description = "An Excel file", content_type = XLSX, body = Vec<u8>),
        (status = 404, body = ErrorBody)))]
async fn annotated(
    State(env): Shared,
    Viewing(caller): Viewing,
    Extension(snapshots): Looking,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let preview = looked(&env, &snapshots, &caller, &id).await?;
    let bytes = import::annotated(&env, &snapshots, &asker(&caller), &preview).await?;
    Ok(([(header::CONTENT_TYPE, XLSX)], bytes).into_response())
}

/// What is confirmed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    /// The digest of what was shown.
    seen: String,
    /// Whether both parties have signed the changes; a change order that is not signed changes nothing yet.
    #[serde(default)]
    signed: bool,
    /// Why, for the audit trail.
    reason: String,
}

/// Do what a workbook says: its change orders are filed in the caller's name, its acts are taken one by one.
#[utoipa::path(post, path = "/v1/workbook/{id}", tag = "workbook", security(("bearer" = [])), request_body = ConfirmBody,
    params(("id" = String, Path, description = "As bringing it named it")),
    responses((status = 200, description = "What each came to", body = Vec<Came>), (status = 404, body = ErrorBody),
        (status = 403, description = "Somebody else has brought it", body = ErrorBody),
        (status = 409, description = "It is not what was shown any more, or was confirmed before", body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn confirm(
    State(env): Shared,
    Viewing(caller): Viewing,
    Extension(snapshots): Looking,
    Segments(id): Segments<String>,
    Json(body): Json<ConfirmBody>,
) -> Result<Json<Vec<Came>>, ApiError> {
    let confirmed = Confirmed { seen: body.seen, signed: body.signed, reason: body.reason };
    Ok(Json(apply::confirm(&env, &snapshots, &asker(&caller), (&id, &confirmed)).await?))
}
