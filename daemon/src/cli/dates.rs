//! `close`, `contract show --as-of`, `contract explain`: dates that are closed, and contracts as they were on a date.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::contract::Step;
use serde_json::{Value, json};

use super::table::{amount, complain, say, titled};
use super::{BAD_INPUT, Caller, FOUND, review};
use crate::environment::Environment;
use crate::review::as_of::{self, Unanswered};

/// What is closed.
#[derive(Debug, Clone, Args)]
pub struct Close {
    /// A month such as 2026-03, or the last date that is closed.
    #[arg(value_parser = through)]
    through: Date,
    /// For contracts of one ERP connection; of every one without it.
    #[arg(long)]
    erp: Option<String>,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    caller: Caller,
}

/// Which date, and with whose knowledge.
#[derive(Debug, Clone, Args)]
pub struct AsOf {
    /// As it was at the end of a date, with what is known of it now.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// With --as-of: with what was known at this instant, such as 2026-04-01T00:00:00Z.
    #[arg(long, value_name = "INSTANT", requires = "as_of")]
    known_by: Option<Timestamp>,
}

/// The last day of a month, or a date.
fn through(text: &str) -> Result<Date, String> {
    let month = || format!("{text}-01").parse().map(Date::last_of_month);
    text.parse().or_else(|_| month()).map_err(|_| "write a month such as 2026-03, or a date".to_owned())
}

/// `milestoned close 2026-03`
pub(super) async fn close(config: Option<&Path>, close: Close, json: bool) -> anyhow::Result<ExitCode> {
    let body = json!({ "through": close.through, "erp": close.erp, "reason": close.reason });
    review::close(config, &body, &close.caller, json).await
}

/// `milestoned contract show ID --as-of DATE`; `None`: no date is asked for.
pub(super) async fn show(env: &Environment, id: &str, asked: AsOf, json: bool) -> anyhow::Result<Option<ExitCode>> {
    let Some(date) = asked.as_of else { return Ok(None) };
    let report = match as_of::as_of(env, id, date, asked.known_by).await {
        Ok(report) => serde_json::to_value(report)?,
        Err(unanswered) => return Ok(Some(answerless(&unanswered))),
    };
    if json {
        say(&serde_json::to_string_pretty(&report)?);
        return Ok(Some(ExitCode::SUCCESS));
    }
    let known = asked.known_by.map_or_else(|| "now".to_owned(), |known| format!("at {known}"));
    say(&format!("contract {id} at the end of {date}, with what was known {known}")
        .replace("was known now", "is known now"));
    for (part, columns) in [
        ("milestones", &["id", "status", "amount", "accepted_on", "invoiced_on", "due_on"][..]),
        ("invoices", &["number", "kind", "date", "due_on", "amount"][..]),
        ("exceptions", &["code", "milestone", "leg", "severity", "opened_on", "closed_on"][..]),
    ] {
        say(&listed(&report, part, columns));
    }
    let mut position = titled(&["Balance", "Amount"]);
    for (name, balance) in report.get("position").and_then(Value::as_object).into_iter().flatten() {
        position.add_row(vec![name.replace('_', " ").into(), amount(&text(balance))]);
    }
    say(&position.to_string());
    Ok(Some(ExitCode::SUCCESS))
}

fn listed(report: &Value, part: &str, columns: &[&str]) -> String {
    let heads: Vec<String> = columns.iter().map(|column| column.replace('_', " ")).collect();
    let mut table = titled(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    for row in report.get(part).and_then(Value::as_array).into_iter().flatten() {
        table.add_row(columns.iter().map(|column| text(row.get(*column).unwrap_or(&Value::Null))));
    }
    table.to_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `milestoned contract explain ID`
pub(super) async fn explain(env: &Environment, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    match as_of::explained(env, id).await {
        Ok(steps) => {
            say(&told(&steps, json)?);
            Ok(ExitCode::SUCCESS)
        }
        Err(unanswered) => Ok(answerless(&unanswered)),
    }
}

/// Steps of an explanation, for people or for machines.
pub(super) fn told(steps: &[Step], json: bool) -> serde_json::Result<String> {
    if json {
        return serde_json::to_string_pretty(steps);
    }
    let lines = steps.iter().flat_map(|step| {
        let effects = step.effects.iter().map(|effect| format!("            {effect}"));
        [format!("{}  {}", step.date, step.cause)].into_iter().chain(effects)
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn answerless(unanswered: &Unanswered) -> ExitCode {
    complain(&format!("milestoned: {unanswered}"));
    match unanswered {
        Unanswered::Unknown(_) => {
            complain("`milestoned contract list` shows those that are");
            ExitCode::from(FOUND)
        }
        Unanswered::Question(_) | Unanswered::Failed(_) => ExitCode::from(BAD_INPUT),
    }
}
