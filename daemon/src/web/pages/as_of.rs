//! One contract as it was at the end of a date: with what is known of it now, or with what was known at an instant.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use milestoned_mapping::terms::Terms;
use serde::Deserialize;

use super::person::Person;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::as_of::{self, Part, Unanswered};
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

impl Asked {
    fn read(&self, terms: &Terms, today: Date) -> Result<(Date, Option<Timestamp>), String> {
        let date = match self.date.trim() {
            "" => today,
            text => text.parse().map_err(|_| format!("date: {text:?} is no date such as 2026-03-31"))?,
        };
        Ok((date, self.known_by(terms)?))
    }

    /// An instant, or a time of day in the contract's time zone.
    fn known_by(&self, terms: &Terms) -> Result<Option<Timestamp>, String> {
        let text = self.known_by.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let local = || text.parse::<DateTime>().ok().and_then(|at| terms.instant_of(at));
        let known = text.parse::<Timestamp>().ok().or_else(local);
        known
            .map(Some)
            .ok_or_else(|| format!("known_by: {text:?} is no time such as 2026-04-01T09:00 or 2026-04-01T09:00:00Z"))
    }
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
        timezone: terms.timezone().to_owned(),
        today,
        contract: id,
        asked,
        question: String::new(),
        complaint: None,
        parts: Vec::new(),
    };
    match page.asked.read(terms, today) {
        Err(reason) => page.complaint = Some(reason),
        Ok((date, known_by)) => {
            page.asked.date = date.to_string();
            page.question = as_of::in_words(&page.contract, date, known_by);
            match as_of::as_of(&env, &page.contract, date, known_by).await {
                Ok(report) => {
                    page.parts = as_of::parts(&report).map_err(|error| ApiError::invalid(error.to_string()))?
                }
                Err(Unanswered::Question(reason)) => page.complaint = Some(reason),
                Err(other) => return Err(other.into()),
            }
        }
    }
    Ok(render(&page))
}
