//! A contract as it was on a date, and how it came to where it stands: both by replay of its facts.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::contract::{Contract, Report, Step, explain_facts};
use milestoned_mapping::fact::Fact;
use milestoned_mapping::money::grouped;
use milestoned_mapping::terms::Terms;
use serde_json::Value;

use crate::environment::Environment;
use crate::replay::{self, Failure};
use crate::store::contracts::ContractRow;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The contract is not known.
    #[error("contract {0:?} is not known")]
    Unknown(String),
    /// The question makes no sense.
    #[error("{0}")]
    Question(String),
    /// The facts cannot be replayed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What was asked, in words, and the report that answers it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it is the answer to.
    pub question: String,
    /// The report of that date.
    pub report: Report,
}

/// An instant as people write it: with its zone, as a time of day in the contract's zone, or as a date, of which the end is meant.
fn instant(terms: &Terms, text: &str) -> Result<Timestamp, Unanswered> {
    let local = || terms.instant_of(text.parse::<DateTime>().ok().filter(|_| text.len() > DATE)?);
    let end_of = || {
        let next = text.parse::<Date>().ok().filter(|_| text.len() == DATE)?.tomorrow().ok()?;
        terms.start_of(next).checked_sub(SignedDuration::from_nanos(1)).ok()
    };
    text.parse().ok().or_else(local).or_else(end_of).ok_or_else(|| {
        Unanswered::Question(format!(
            "known_by: {text:?} is no instant; write a date such as 2026-03-31 (its end), a time there such as 2026-04-01T09:00, or \
             2026-04-01T09:00:00Z"
        ))
    })
}

/// How many characters a date has.
const DATE: usize = 10;

/// A part of the report as a table, the same on a terminal and on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it lists.
    pub title: &'static str,
    /// Columns: their names, and whether they are amounts.
    pub columns: Vec<(String, bool)>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Part {
    fn of(title: &'static str, report: &Value, list: &str, columns: &[&str]) -> Self {
        let rows = report.get(list).and_then(Value::as_array).into_iter().flatten();
        let cell = |row: &Value, column: &str| {
            let text = row.get(column).and_then(Value::as_str).unwrap_or_default();
            match column {
                "kind" | "status" => text.replace('_', " "),
                _ if is_amount(column) => grouped(text),
                _ => text.to_owned(),
            }
        };
        Self {
            title,
            columns: columns.iter().map(|name| (name.replace('_', " "), is_amount(name))).collect(),
            rows: rows.map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect(),
        }
    }
}

fn is_amount(column: &str) -> bool {
    column == "amount"
}

/// The report as people read it: balances first, then what they come from.
///
/// # Errors
/// The report cannot be written as JSON.
pub fn parts(report: &Report) -> serde_json::Result<Vec<Part>> {
    let report = serde_json::to_value(report)?;
    let balances = report.get("position").and_then(Value::as_object).into_iter().flatten();
    let remaining = report.get("remaining_to_bill").map(|left| ("remaining to bill", left));
    let balances = balances.map(|(name, balance)| (name.as_str(), balance)).chain(remaining);
    let rows =
        balances.map(|(name, balance)| vec![name.replace('_', " "), balance.as_str().map(grouped).unwrap_or_default()]);
    Ok(vec![
        Part {
            title: "Balances",
            columns: vec![("balance".into(), false), ("amount".into(), true)],
            rows: rows.collect(),
        },
        Part::of(
            "Milestones",
            &report,
            "milestones",
            &["id", "status", "amount", "accepted_on", "invoiced_on", "due_on"],
        ),
        Part::of("Documents, as decided", &report, "invoices", &["number", "kind", "date", "due_on", "amount"]),
        Part::of(
            "Exceptions",
            &report,
            "exceptions",
            &["code", "milestone", "leg", "severity", "opened_on", "closed_on"],
        ),
    ])
}

/// A contract as it was at the end of a date: with what is known of that date now, or with what was known at an instant.
///
/// # Errors
/// [`Unanswered`]
pub async fn as_of(env: &Environment, id: &str, date: Date, known_by: Option<&str>) -> Result<Answer, Unanswered> {
    let (row, filed, facts) = history(env, id).await?;
    let known_by = known_by.map(|text| instant(filed.terms(), text)).transpose()?;
    let known = known_by.unwrap_or_else(|| env.clock.now());
    let today = filed.terms().local_date(known);
    let day = today.min(reached(&row)?);
    if day < row.opened_on {
        return Err(Unanswered::Question(format!(
            "known_by: the contract was filed on {}; ask for what was known then or later",
            row.opened_on
        )));
    }
    if date > today {
        return Err(Unanswered::Question(format!(
            "as_of: {date} had not come, it was {today}: ask for that date or an earlier one"
        )));
    }
    let facts: Vec<Fact> = facts.into_iter().filter(|fact| fact.at <= known).collect();
    let contract = played(&filed, &facts, day)?;
    let mut question = match known_by {
        None => format!("contract {id} at the end of {date}, with what is known now"),
        Some(known) => {
            let there = known.to_zoned(filed.terms().zone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
            format!("contract {id} at the end of {date}, with what was known at {there}")
        }
    };
    // A contract is not looked at on days on which nothing happens to it: it stands as it stood.
    let date = if date > day {
        question = format!("{question}; nothing was decided about it after {day}");
        day
    } else {
        date
    };
    Ok(Answer { question, report: contract.report_at(date, &filed.having_happened_by(date, &facts)) })
}

/// How each date and amount of a contract came about.
///
/// # Errors
/// [`Unanswered`]
pub async fn explained(env: &Environment, id: &str) -> Result<Vec<Step>, Unanswered> {
    let (row, filed, facts) = history(env, id).await?;
    Ok(explain_facts(filed, &facts, reached(&row)?))
}

/// A contract as filed, and its facts.
async fn history(env: &Environment, id: &str) -> Result<(ContractRow, Contract, Vec<Fact>), Unanswered> {
    let row = env.store.contract(id.to_owned()).await.map_err(Failure::Store)?;
    let row = row.ok_or_else(|| Unanswered::Unknown(id.to_owned()))?;
    let (mut filed, facts) = replay::filed(env, &row).await?;
    let kept = super::portfolio::state(&row).map_err(Failure::Store)?;
    kept.filed_until().into_iter().for_each(|until| filed.file_until(until));
    Ok((row, filed, facts))
}

/// The day that a contract has reached.
fn reached(row: &ContractRow) -> Result<Date, Failure> {
    Ok(super::portfolio::state(row)?.as_of())
}

fn played(filed: &Contract, facts: &[Fact], day: Date) -> Result<Contract, Failure> {
    let mut contract = filed.clone();
    for (place, fact) in facts.iter().enumerate() {
        contract.apply(fact).map_err(|error| Failure::Fact { place, why: error.said() })?;
    }
    contract.advance_to(day);
    Ok(contract)
}
