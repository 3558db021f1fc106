//! Lists: contracts, receivables, and what will be billed.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::Deserialize;

use super::person::Person;
use super::queue::Pages;
use super::{filters, render};
use crate::environment::Environment;
use crate::review::figures::{Silence, silences};
use crate::review::line::Brief;
use crate::review::listing::{self, Open, Order, ToCome};
use crate::review::portfolio::Summary;
use crate::review::snapshot::MONTHS_AHEAD;
use crate::web::extract::Parameters;
use crate::web::problem::ApiError;

/// Rows of a page.
const OF_A_PAGE: usize = 100;

/// Which part of a list.
#[derive(Deserialize, Default, Clone)]
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
    /// By what it is sorted, where that is not as it always is.
    #[serde(default)]
    pub(super) sort: String,
    #[serde(default)]
    pub(super) page: Option<usize>,
}

impl Asked {
    /// What stands behind the question mark, but for the page.
    pub(super) fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("part", &self.part), ("month", &self.month), ("sort", &self.sort)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    pub(super) fn pages_of(&self, path: &str, count: usize, of_a_page: usize) -> Pages {
        Pages::of(path, &self.query(), self.page.unwrap_or(1), count, of_a_page)
    }

    /// The month that is asked for of what is to come: one of those of which that is known.
    pub(super) fn month_to_come(&self, today: Date) -> Result<Date, ApiError> {
        let known = months_to_come(today);
        match listing::month(&self.month, today) {
            Some(month) if known.contains(&month) => Ok(month),
            Some(_) => {
                let names: Vec<String> = known.iter().map(|month| month.strftime("%Y-%m").to_string()).collect();
                let reason = format!("month: what time alone will bill is known of {}", names.join(", "));
                Err(ApiError::invalid(format!("{reason}, and not of {}", self.month)))
            }
            None => {
                Err(ApiError::invalid(format!("month: {:?} is not this, next, or a month such as 2026-03", self.month)))
            }
        }
    }

    /// The order that is asked for, among those that the list has.
    pub(super) fn order(&self, orders: &[Order]) -> Result<&str, ApiError> {
        if orders.iter().any(|order| order.word == self.sort) {
            return Ok(&self.sort);
        }
        let words: Vec<&str> = orders.iter().map(|order| order.word).filter(|word| !word.is_empty()).collect();
        Err(ApiError::invalid(format!("sort: {:?} is not one of {}", self.sort, words.join(", "))))
    }

    fn pages(&self, path: &str, count: usize) -> (Pages, usize) {
        let pages = self.pages_of(path, count, OF_A_PAGE);
        let from = pages.page.saturating_sub(1).saturating_mul(OF_A_PAGE);
        (pages, from)
    }
}

/// First days of the months of which is known what time alone will bill.
fn months_to_come(today: Date) -> Vec<Date> {
    (0..=MONTHS_AHEAD).map(|months| today.first_of_month().saturating_add(months.months())).collect()
}

/// Head of a column. A list that can be sorted by it leads there.
pub(super) struct Head {
    pub(super) title: &'static str,
    pub(super) is_number: bool,
    /// Where the list stands sorted by it.
    pub(super) link: Option<String>,
    /// How the list is sorted by it now, as assistive programs are told.
    pub(super) sorted: Option<&'static str>,
}

impl Head {
    /// Heads of a list: title and whether it is a number. `sortable`: address and what is asked there, and the orders of the list.
    fn all(columns: &[(&'static str, bool)], sortable: Option<(&str, &Asked, &[Order])>) -> Vec<Self> {
        let head = |&(title, is_number): &(&'static str, bool)| {
            let found = sortable.and_then(|(path, asked, orders)| {
                let order = orders.iter().find(|order| order.title == title)?;
                let there = Asked { sort: order.word.to_owned(), page: None, ..asked.clone() };
                let way = if order.descends { "descending" } else { "ascending" };
                let query = there.query();
                let link = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
                Some((link, (asked.sort == order.word).then_some(way)))
            });
            let (link, sorted) = found.map_or((None, None), |(link, sorted)| (Some(link), sorted));
            Self { title, is_number, link, sorted }
        };
        columns.iter().map(head).collect()
    }

    /// Heads of a list of contracts; of one that is a part of another page without what is asked for.
    pub(super) fn of_contracts(asked: Option<&Asked>) -> Vec<Self> {
        const COLUMNS: [(&str, bool); 11] = [
            ("Contract", false),
            ("Customer", false),
            ("ERP", false),
            ("Total", true),
            ("Billed, decided", true),
            ("Billed, in the ERP", true),
            ("Remaining", true),
            ("Recognised", true),
            ("Deferred", true),
            ("Currency", false),
            ("Waits", false),
        ];
        Self::all(&COLUMNS, asked.map(|asked| ("/contracts", asked, listing::OF_CONTRACTS.as_slice())))
    }

    /// Heads of a list of open invoices; of one that is a part of another page without what is asked for.
    pub(super) fn of_receivables(asked: Option<&Asked>) -> Vec<Self> {
        const COLUMNS: [(&str, bool); 10] = [
            ("Invoice", false),
            ("Customer", false),
            ("Date", false),
            ("Due", false),
            ("Days overdue", true),
            ("Amount", true),
            ("Credited", true),
            ("Paid", true),
            ("Open", true),
            ("Currency", false),
        ];
        Self::all(&COLUMNS, asked.map(|asked| ("/receivables", asked, listing::OF_RECEIVABLES.as_slice())))
    }
}

#[derive(Template)]
#[template(path = "contracts.html")]
struct ContractsPage {
    person: Person,
    asked: Asked,
    query: String,
    heads: Vec<Head>,
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
    let order = asked.order(&listing::OF_CONTRACTS)?;
    let shown = listing::contracts_by(found, order, from..from.saturating_add(OF_A_PAGE));
    let (heads, contracts) = (Head::of_contracts(Some(&asked)), shown.into_iter().map(Brief::summary).collect());
    Ok(render(&ContractsPage { person, query: asked.query(), asked, heads, contracts, count, pages }))
}

#[derive(Template)]
#[template(path = "receivables.html")]
struct ReceivablesPage<'a> {
    person: Person,
    asked: Asked,
    query: String,
    heads: Vec<Head>,
    rows: Vec<Open<'a>>,
    count: usize,
    buckets: Vec<listing::Aged>,
    /// By customer, where that is asked for: then no invoice is shown by itself.
    customers: Vec<(&'a str, listing::Aged)>,
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
    let by_customer = asked.part == "customers";
    let mut customers = if by_customer { listing::ageing_of_customers(&rows, today) } else { Vec::new() };
    let count = if by_customer { customers.len() } else { rows.len() };
    let (pages, from) = asked.pages("/receivables", count);
    customers = customers.into_iter().skip(from).take(OF_A_PAGE).collect();
    let order = asked.order(&listing::OF_RECEIVABLES)?;
    let rows = listing::receivables_by(rows, order, from..from.saturating_add(OF_A_PAGE));
    let heads = Head::of_receivables(Some(&asked));
    let query = asked.query();
    Ok(render(&ReceivablesPage { person, query, asked, heads, rows, count, buckets, customers, today, pages }))
}

#[derive(Template)]
#[template(path = "outlook.html")]
struct OutlookPage<'a> {
    person: Person,
    asked: Asked,
    query: String,
    title: String,
    /// Months to choose from: as they stand in the address, in words, and whether it is the one that is shown.
    months: Vec<(String, String, bool)>,
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
    let month = asked.month_to_come(today)?;
    let rows = listing::to_come(&snapshot, &asked.q, month);
    let sums = listing::sums_to_come(&rows);
    let (count, (pages, from)) = (rows.len(), asked.pages("/outlook", rows.len()));
    let rows = listing::by_date(rows, from..from.saturating_add(OF_A_PAGE));
    let in_words = |month: Date| month.strftime("%B %Y").to_string();
    let tab = |one: Date| (one.strftime("%Y-%m").to_string(), in_words(one), one == month);
    let (silences, silent) = silences(&snapshot, OF_A_PAGE);
    let months = months_to_come(today).into_iter().map(tab).collect();
    let (query, title) = (asked.query(), in_words(month));
    Ok(render(&OutlookPage { person, query, asked, title, months, rows, sums, count, silences, silent, pages }))
}
