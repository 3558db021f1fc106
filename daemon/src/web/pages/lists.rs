//! Lists: contracts, receivables, and what will be billed.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;

use super::person::Person;
use super::queue::Pages;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::figures::{Silence, silences};
use crate::review::line::Brief;
use crate::review::listing::{self, Open, ToCome};
use crate::review::portfolio::Summary;
use crate::web::extract::Parameters;
use crate::web::problem::ApiError;

/// Rows of a page.
const OF_A_PAGE: usize = 100;

/// Which part of a list.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Text of contract or customer.
    #[serde(default)]
    pub(super) q: String,
    /// `overdue`.
    #[serde(default)]
    pub(super) part: String,
    /// `this`, `next`, or a month such as `2026-03`.
    #[serde(default)]
    pub(super) month: String,
    #[serde(default)]
    pub(super) page: Option<usize>,
}

impl Asked {
    /// What stands behind the question mark, but for the page.
    pub(super) fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("part", &self.part), ("month", &self.month)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    pub(super) fn pages_of(&self, path: &str, count: usize, of_a_page: usize) -> Pages {
        Pages::of(path, &self.query(), self.page.unwrap_or(1), count, of_a_page)
    }

    fn pages(&self, path: &str, count: usize) -> (Pages, usize) {
        let pages = self.pages_of(path, count, OF_A_PAGE);
        let from = pages.page.saturating_sub(1).saturating_mul(OF_A_PAGE);
        (pages, from)
    }
}

#[derive(Template)]
#[template(path = "contracts.html")]
struct ContractsPage {
    person: Person,
    asked: Asked,
    query: String,
    contracts: Vec<Summary>,
    count: usize,
    pages: Pages,
}

/// `GET /contracts`
pub(super) async fn contracts(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let snapshot = person.snapshot(&env).await?;
    let found = listing::contracts(&env, &snapshot, &asked.q).await?;
    let (count, (pages, from)) = (found.len(), asked.pages("/contracts", found.len()));
    let contracts = found.into_iter().skip(from).take(OF_A_PAGE).map(Brief::summary).collect();
    Ok(render(&ContractsPage { person, query: asked.query(), asked, contracts, count, pages }))
}

#[derive(Template)]
#[template(path = "receivables.html")]
struct ReceivablesPage<'a> {
    person: Person,
    asked: Asked,
    query: String,
    rows: Vec<Open<'a>>,
    count: usize,
    buckets: Vec<listing::Aged>,
    today: Date,
    pages: Pages,
}

/// `GET /receivables`
pub(super) async fn receivables(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let rows = listing::receivables(&snapshot, &asked.q, asked.part == "overdue", today);
    let buckets = listing::ageing(&rows, today);
    let (count, (pages, from)) = (rows.len(), asked.pages("/receivables", rows.len()));
    let rows = listing::by_due_date(rows, from..from.saturating_add(OF_A_PAGE));
    Ok(render(&ReceivablesPage { person, query: asked.query(), asked, rows, count, buckets, today, pages }))
}

#[derive(Template)]
#[template(path = "outlook.html")]
struct OutlookPage<'a> {
    person: Person,
    asked: Asked,
    query: String,
    title: String,
    rows: Vec<ToCome<'a>>,
    sums: Vec<String>,
    count: usize,
    /// The first of them.
    silences: Vec<Silence>,
    silent: usize,
    pages: Pages,
}

/// `GET /outlook`
pub(super) async fn outlook(
    State(env): State<Arc<Environment>>,
    person: Person,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let month = listing::month(&asked.month, today).ok_or_else(|| {
        ApiError::invalid(format!("month: {:?} is not this, next, or a month such as 2026-03", asked.month))
    })?;
    let rows = listing::to_come(&snapshot, &asked.q, month);
    let sums = listing::sums_to_come(&rows);
    let (count, (pages, from)) = (rows.len(), asked.pages("/outlook", rows.len()));
    let rows = listing::by_date(rows, from..from.saturating_add(OF_A_PAGE));
    let title = month.strftime("%B %Y").to_string();
    let (silences, silent) = silences(&snapshot, OF_A_PAGE);
    Ok(render(&OutlookPage { person, query: asked.query(), asked, title, rows, sums, count, silences, silent, pages }))
}
