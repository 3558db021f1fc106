//! One contract as it was at the end of a date: with what is known of it now, or with what was known at an instant.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;

use super::person::Person;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::as_of::{self, Answer, Part, Unanswered};
use crate::review::portfolio;
use crate::web::api::known;
use crate::web::extract::{Parameters, Segments};
use crate::web::problem::ApiError;

#[derive(Template)]
#[template(path = "as_of.html")]
struct AsOfPage {
    person: Person,
    contract: String,
    timezone: String,
    today: Date,
    asked: Asked,
    /// What the answer is to.
    question: String,
    /// Why there is no answer.
    complaint: Option<String>,
    parts: Vec<Part>,
}

/// What the form asks: a field that is left empty is not asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    date: String,
    known_by: String,
}

/// `GET /contracts/{id}/as-of?date=2026-03-31&known_by=2026-04-01T09:00`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(id): Segments<String>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let row = known(&env, &id).await?;
    let state = portfolio::state(&row)?;
    let terms = state.terms();
    let today = terms.local_date(env.clock.now());
    let mut page = AsOfPage {
        person,
        timezone: terms.zone().iana_name().unwrap_or("UTC").to_owned(),
        today,
        contract: id,
        asked,
        question: String::new(),
        complaint: None,
        parts: Vec::new(),
    };
    if page.asked.date.is_empty() {
        page.asked.date = today.to_string();
    }
    let known_by = Some(page.asked.known_by.trim()).filter(|text| !text.is_empty());
    let answer = match page.asked.date.trim().parse() {
        Ok(date) => as_of::as_of(&env, &page.contract, date, known_by).await,
        Err(_) => {
            let date = &page.asked.date;
            Err(Unanswered::Question(format!("date: {date:?} is no date; write one such as 2026-03-31")))
        }
    };
    match answer {
        Ok(Answer { question, report }) => {
            page.question = question;
            page.parts = as_of::parts(&report).map_err(|error| ApiError::invalid(error.to_string()))?;
        }
        Err(Unanswered::Question(reason)) => page.complaint = Some(reason),
        Err(other) => return Err(other.into()),
    }
    Ok(render(&page))
}
