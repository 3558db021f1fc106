//! `close`, `contract show --as-of`, `contract explain`: dates that are closed, and contracts as they were on a date.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use comfy_table::Table;
use jiff::civil::Date;
use milestoned_mapping::contract::Step;
use serde_json::json;

use super::close::{self, CloseCommand};
use super::table::{amount, complain, say, state, titled};
use super::{BAD_INPUT, Caller, review, unknown_contract};
use crate::environment::Environment;
use crate::review::as_of::{self, Answer, Part, Unanswered};

/// What is closed.
#[derive(Debug, Clone, Args)]
#[command(subcommand_negates_reqs = true)]
pub struct Close {
    #[command(subcommand)]
    pub(super) command: Option<CloseCommand>,
    /// A month such as 2026-03, or the last date that is closed.
    #[arg(value_parser = through, required = true)]
    through: Option<Date>,
    /// For contracts of one ERP connection; of every one without it.
    #[arg(long)]
    erp: Option<String>,
    /// Why.
    #[arg(long, required = true)]
    reason: Option<String>,
    #[command(flatten)]
    caller: Option<Caller>,
}

/// Which date, and with whose knowledge.
#[derive(Debug, Clone, Args)]
pub struct AsOf {
    /// As it was at the end of a date, with what is known of it now.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// With --as-of: with what was known at the end of a date, or at an instant such as 2026-04-01T09:00 (there) or
    /// 2026-04-01T09:00:00Z.
    #[arg(long, value_name = "DATE OR INSTANT", requires = "as_of")]
    known_by: Option<String>,
}

/// The last day of a month, or a date.
fn through(text: &str) -> Result<Date, String> {
    let month = || format!("{text}-01").parse().map(Date::last_of_month);
    text.parse().or_else(|_| month()).map_err(|_| "write a month such as 2026-03, or a date".to_owned())
}

/// `milestoned close 2026-03`
pub(super) async fn close_dates(config: Option<&Path>, close: Close, json: bool) -> anyhow::Result<ExitCode> {
    if let Some(command) = close.command {
        return close::run(config, command, json).await;
    }
    let Some(caller) = close.caller else { anyhow::bail!("--token: is missing: give it, or set MILESTONED_TOKEN") };
    let body = json!({ "through": close.through, "erp": close.erp, "reason": close.reason });
    review::post(config, "/v1/closed-dates", &body, &caller, json).await
}

/// `milestoned contract show ID --as-of DATE`; `None`: no date is asked for.
pub(super) async fn show(env: &Environment, id: &str, asked: AsOf, json: bool) -> anyhow::Result<Option<ExitCode>> {
    let Some(date) = asked.as_of else { return Ok(None) };
    let Answer { question, report } = match as_of::as_of(env, id, date, asked.known_by.as_deref()).await {
        Ok(answer) => answer,
        Err(unanswered) => return Ok(Some(answerless(&unanswered))),
    };
    if json {
        say(&serde_json::to_string_pretty(&report)?);
        return Ok(Some(ExitCode::SUCCESS));
    }
    say(&question);
    for part in as_of::parts(&report)? {
        say(&format!("\n{}", part.title));
        say(&listed(&part).to_string());
    }
    Ok(Some(ExitCode::SUCCESS))
}

fn listed(part: &Part) -> Table {
    let heads: Vec<&str> = part.columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut table = titled(&heads);
    for row in &part.rows {
        let cells = row.iter().zip(&part.columns);
        table.add_row(cells.map(|(text, (_, is_amount))| if *is_amount { amount(text) } else { state(text) }));
    }
    table
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
    if let Unanswered::Unknown(id) = unanswered {
        return unknown_contract(id);
    }
    complain(&format!("milestoned: {unanswered}"));
    ExitCode::from(BAD_INPUT)
}
