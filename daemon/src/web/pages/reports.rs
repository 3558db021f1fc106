//! Reports: the five metrics with what they are made of, the cohort of a month, and the forecast.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use milestoned_mapping::address;
use milestoned_mapping::money::grouped;
use rust_decimal::Decimal;

use super::charts::{Bar, Chart, bars};
use super::lists::Asked;
use super::person::Person;
use super::queue::Pages;
use super::{filters, render};
use crate::environment::Environment;
use crate::report::close::Month;
use crate::report::export::List;
use crate::report::performance::{self, Report, Rows};
use crate::review::measures::Metric;
use crate::review::queue::meaning;
use crate::review::snapshot::Snapshot;
use crate::review::subject::Subject;
use crate::web::extract::{Parameters, Segments};
use crate::web::problem::ApiError;
use milestoned_workbook::cell::Cell;

/// Rows of a page.
const OF_A_PAGE: usize = 100;
/// Column of the metrics that shows the variance of deferred revenue.
const VARIANCE: usize = 4;

/// A cell of a table.
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) is_number: bool,
    pub(super) link: Option<String>,
    /// It is a value that is not as it should be.
    pub(super) misses: bool,
}

/// Letters of a date, an id or a number of a document that stays in one line.
const ONE_LINE: usize = 24;

impl Shown {
    /// How it stands in its column.
    pub(super) fn class(&self) -> &'static str {
        let stays = self.text.chars().count() <= ONE_LINE && !self.text.contains(' ');
        match (self.is_number, self.misses) {
            (true, true) => "num differs",
            (true, false) => "num",
            (false, true) => "differs",
            (false, false) if stays => "date",
            (false, false) => "words",
        }
    }
}

/// A row of a table as a page shows it: ids lead to the pages of what they name.
pub(super) fn shown(columns: &[String], row: &[Cell]) -> Vec<Shown> {
    let named = |name: &str| columns.iter().position(|column| *column == name).and_then(|place| row.get(place));
    let contract = named("Contract").map(Cell::shown).unwrap_or_default();
    let cell = |(column, cell): (&String, &Cell)| {
        let text = cell.shown();
        let link = match column.as_str() {
            "Contract" => Some(address::contract("", &text)),
            "Milestone" if !contract.is_empty() => Some(address::milestone("", &contract, &text)),
            "Customer" => Some(format!("/customers/{}", address::segment(&text))),
            "Exception" | "Name" => Some(format!("/case/{}", address::segment(&text))),
            _ => None,
        };
        let is_number = !matches!(cell, Cell::Text(_));
        let link = link.filter(|_| !text.is_empty());
        let misses = column == "Difference" && text.parse::<Decimal>().is_ok_and(|amount| !amount.is_zero());
        let text = match column.as_str() {
            "Exception" | "Name" => title_of(&text),
            _ if is_number => grouped(&text),
            _ => text,
        };
        Shown { text, is_number, link, misses }
    };
    columns.iter().zip(row).map(cell).collect()
}

/// What waits, in words: of an exception what its code means, of anything else its name.
fn title_of(subject: &str) -> String {
    match subject.parse() {
        Ok(Subject::Exception { code, .. }) => meaning(code.name()).0.to_owned(),
        _ => subject.to_owned(),
    }
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportPage {
    person: Person,
    name: &'static str,
    title: String,
    note: &'static str,
    query: String,
    columns: Vec<String>,
    rows: Vec<Vec<Shown>>,
    count: usize,
    pages: Pages,
    /// Months before and after, where the report is of one.
    months: Option<(Month, Month)>,
    /// Month, what, amounts: of a forecast.
    sums: Vec<(String, String, String)>,
    /// Trends of the metrics.
    charts: Vec<Chart>,
}

impl ReportPage {
    /// Where the value of a metric in a month leads to.
    fn cases(&self, row: &[Shown], place: &usize) -> Option<String> {
        let month = row.first().filter(|_| self.name == "metrics")?;
        let metric =
            self.columns.get(*place).and_then(|title| Metric::ALL.into_iter().find(|metric| metric.title() == *title));
        Some(match metric {
            Some(metric) => format!("/reports/cases?part={}&month={}", metric.word(), month.text),
            None if *place == VARIANCE
                && row.get(*place).is_some_and(|cell| cell.text == performance::NOT_PREPARED) =>
            {
                "/closes".to_owned()
            }
            None if *place == VARIANCE => format!("/closes/{}?part=differences", month.text),
            None => return None,
        })
        .filter(|_| row.get(*place).is_some_and(|cell| !cell.text.is_empty()))
    }

    /// Whether a column has numbers.
    fn is_numeric(&self, place: &usize) -> bool {
        self.rows.iter().any(|row| row.get(*place).is_some_and(|cell| cell.is_number))
    }
}

/// Marks what misses its aim among the values of the metrics.
fn mark(columns: &[String], rows: &mut [Vec<Shown>]) {
    for row in rows {
        for (column, cell) in columns.iter().zip(row.iter_mut()) {
            let metric = Metric::ALL.into_iter().find(|metric| metric.title() == column);
            cell.misses = metric.is_some_and(|metric| metric.misses(&cell.text));
            cell.is_number |= metric.is_some() && !cell.text.is_empty();
        }
    }
}

/// A chart of each metric, the oldest month first. A month in which nothing counted has no bar.
fn trends(list: &List) -> Vec<Chart> {
    let chart = |metric: Metric| {
        let place = list.columns.iter().position(|column| column == metric.title())?;
        let bar = |row: &Vec<Cell>| {
            let text = row.get(place).map(Cell::shown).unwrap_or_default();
            let label = row.first().map(Cell::shown).unwrap_or_default();
            let label = label.parse::<Month>().map_or(label, |month| month.first().strftime("%b %Y").to_string());
            Bar::sized(label, performance::tenths(&text), if text.is_empty() { "nothing counted" } else { &text })
        };
        Some(bars(metric.title(), list.rows.iter().rev().map(bar).collect()))
    };
    Metric::ALL.into_iter().filter_map(chart).collect()
}

/// A report under what was asked for.
pub(super) async fn report(
    env: &Environment,
    snapshot: &Snapshot,
    name: &str,
    (asked, rows): (&Asked, Rows),
    today: Date,
) -> Result<Report, ApiError> {
    let month = match asked.month.as_str() {
        "" | "this" => Month::of(today),
        text => text.parse()?,
    };
    Ok(performance::named(env, snapshot, (name, &asked.part), (month, today), rows).await?)
}

fn told(list: &List) -> (String, &'static str) {
    match list.name {
        "metrics" => (
            "Metrics".into(),
            "Each value is of the month of its event, from our own log, and leads to its cases. Aims: an invoice within a day of \
             acceptance, 98 % right at the first sending, all revenue in its month, no variance, at most 2 % disputed.",
        ),
        "cases" => (list.filter.clone(), "What is not as it should be comes first."),
        "cohort" => (
            format!("Cohort {}", list.filter),
            "Every milestone whose acceptance or invoice, whichever came first, is of the month, and how far it has come; red flags first.",
        ),
        _ => (
            "Forecast".into(),
            "What time alone will bill, and when money is expected: by the due date, and as late as the customer has paid so far. \
             An invoice whose day has passed without a payment is overdue, and expected on no date. What waits for an acceptance \
             or an approval is not here.",
        ),
    }
}

/// `GET /reports/{name}`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(name): Segments<String>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let wanted = Rows::Page(asked.page.unwrap_or(1), OF_A_PAGE);
    let Report { list, count, sums } = report(&env, &snapshot, &name, (&asked, wanted), today).await?;
    let (title, note) = told(&list);
    let pages = asked.pages_of(&format!("/reports/{}", list.name), count, OF_A_PAGE);
    let months = if list.name == "cohort" {
        let month = if asked.month.is_empty() { Month::of(today) } else { asked.month.parse()? };
        Some((month.before(), month.after()))
    } else {
        None
    };
    let mut rows: Vec<Vec<Shown>> = list.rows.iter().map(|row| shown(&list.columns, row)).collect();
    let charts = if list.name == "metrics" {
        mark(&list.columns, &mut rows);
        trends(&list)
    } else {
        Vec::new()
    };
    Ok(render(&ReportPage {
        person,
        charts,
        rows,
        name: list.name,
        title,
        note,
        query: asked.query(),
        columns: list.columns.clone(),
        count,
        pages,
        months,
        sums,
    }))
}
