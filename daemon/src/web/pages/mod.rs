//! Pages for a controller. They are rendered here and need no script: every act is a plain form, and all forms lead to the acts
//! of the review. What they show comes from the snapshot, which is asked for what has changed before each page.
//!
//! Reading order: `person` (who looks), `queue`, `case`, `acting` (one act, and many at once), `home`, `contract`, `as_of`, `customers`,
//! `documents`, `filing`, `lists`, `jobs` (what takes longer than a page waits), `exports`, `workbook`, `close`, `reports`; `charts` draws.

mod acting;
mod as_of;
mod case;
mod charts;
mod close;
mod contract;
mod customers;
mod documents;
mod exports;
mod filing;
pub(super) mod filters;
mod home;
mod jobs;
mod lists;
mod person;
mod queue;
mod reports;
mod trail;
mod views;
mod workbook;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use milestoned_mapping::address;

pub(super) use person::{Person, page_of_ours};

use super::problem::ApiError;
use crate::environment::Environment;

/// Name of the cookie that tells on the next page what an act came to.
const TOLD: &str = "milestoned_told";
/// Name of the cookie that says that single letters are no keys.
const KEYS: &str = "milestoned_keys";
/// Name of the cookie that says in which time zone somebody reads.
const ZONE: &str = "milestoned_zone";

/// Pages, their style sheet and their script.
pub fn routes() -> Router<Arc<Environment>> {
    let text =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", get(home::page))
        .route("/queue", get(queue::page))
        .route("/case/{subject}", get(case::page))
        .route("/contracts", get(lists::contracts))
        .route("/contracts/{id}", get(contract::page))
        .route("/contracts/{id}/as-of", get(as_of::page))
        .route("/customers/{name}", get(customers::page))
        .route("/customers/{name}/record", post(customers::choose))
        .route("/receivables", get(lists::receivables))
        .route("/outlook", get(lists::outlook))
        .route("/exceptions", get(|| async { Redirect::permanent("/queue") }))
        .route("/closes", get(close::list))
        .route("/closes/{month}", get(close::page))
        .route("/closes/{month}/prepare", post(close::prepare))
        .route("/closes/{month}/step", post(close::step))
        .route("/closes/{month}/sign", post(close::sign))
        .route("/closes/{month}/{file}", get(close::file))
        .route("/reports", get(|| async { Redirect::to("/reports/metrics") }))
        .route("/reports/{name}", get(reports::page))
        .route("/documents", documents::all())
        .route("/documents/{id}", get(documents::page))
        .route("/documents/{id}/pages/{page}", get(documents::page_picture))
        .route("/documents/{id}/value", post(documents::decide))
        .route("/documents/{id}/file", post(documents::file))
        .route("/filing/new", get(filing::new).post(filing::file))
        .route("/filing/change/{id}", get(filing::change_page).post(filing::file_change))
        .route("/act", post(acting::act))
        .route("/bulk", post(acting::look))
        .route("/bulk/act", post(acting::act_on_all))
        .route("/export/{file}", get(exports::file))
        .route("/jobs/{id}", get(jobs::page))
        .route("/jobs/{id}/file", get(jobs::file))
        .route("/trail", get(trail::page))
        .route("/workbook", workbook::all())
        .route("/workbook/export", get(workbook::export))
        .route("/workbook/{id}", get(workbook::page).post(workbook::confirm))
        .route("/workbook/{id}/annotated.xlsx", get(workbook::annotated))
        .route("/views", post(views::save))
        .route("/keys", get(person::keys_page).post(person::keep_keys))
        .route("/zone", post(person::keep_zone))
        .route("/style.css", text("text/css", include_str!("../../../templates/style.css")))
        .route("/script.js", text("text/javascript", include_str!("../../../templates/script.js")))
}

pub(super) fn render(page: &impl Template) -> Response {
    match page.render() {
        // What an act came to is told once.
        Ok(html) => ([(header::SET_COOKIE, format!("{TOLD}=; Max-Age=0; Path=/"))], Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Leads to a page of ours, which tells what an act came to.
fn told(next: &str, text: &str) -> Result<Response, ApiError> {
    let told = format!("{TOLD}={}; HttpOnly; SameSite=Strict; Max-Age=60; Path=/", address::segment(text));
    let cookie = HeaderValue::from_str(&told).map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&page_of_ours(next))).into_response())
}
