//! `contract list`, `contract show`, `simulate`.

use std::path::Path;
use std::process::ExitCode;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::{Case, simulate as play};
use milestoned_mapping::command::Side;
use milestoned_mapping::contract;

use super::table::{amount, complain, count, say, state, titled};
use super::{BAD_INPUT, unknown_contract};
use crate::environment::Environment;
use crate::review::portfolio::{self, Summary};
use crate::review::queue::titles_and_codes;

/// `milestoned simulate FILE`: one JSON document on standard output; a bad file: exit 2 and nothing there.
/// With `explain` it tells how each date and amount came about.
pub fn simulate(file: &Path, calendars: &Calendars, explain: bool, json: bool) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return bad(file, "is not UTF-8 text"),
        Err(error) => return bad(file, &error.to_string()),
    };
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let case = match extension.as_deref() {
        Some("toml") => Case::from_toml(&text, calendars),
        Some("json") => Case::from_json(&text, calendars),
        _ => return bad(file, "the name must end in .toml or .json"),
    };
    match case {
        Ok(case) if explain => match super::dates::told(&contract::explain(&case), json) {
            Ok(told) => {
                say(&told);
                ExitCode::SUCCESS
            }
            Err(error) => bad(file, &error.to_string()),
        },
        Ok(case) => match serde_json::to_string_pretty(&play(&case)) {
            Ok(report) => {
                say(&report);
                ExitCode::SUCCESS
            }
            Err(error) => bad(file, &error.to_string()),
        },
        Err(error) => bad(file, &error.to_string()),
    }
}

fn bad(file: &Path, reason: &str) -> ExitCode {
    complain(&format!("milestoned: {}: {reason}", file.display()));
    ExitCode::from(BAD_INPUT)
}

/// The portfolio as a table.
pub fn summaries(rows: &[Summary]) -> String {
    let mut table = titled(&[
        "Contract",
        "Customer",
        "ERP",
        "Currency",
        "Total",
        "Billed, decided",
        "In the ERP",
        "Remaining",
        "Deferred",
        "To approve",
        "Blocking",
        "Warnings",
    ]);
    for row in rows {
        table.add_row(vec![
            row.contract.as_str().into(),
            row.customer.as_str().into(),
            row.erp.as_str().into(),
            row.currency.as_str().into(),
            amount(&row.total),
            amount(&row.billed),
            amount(&row.in_erp),
            amount(&row.remaining),
            amount(&row.deferred),
            count(row.to_approve),
            count(row.blocking),
            count(row.warnings),
        ]);
    }
    table.to_string()
}

/// `milestoned contract list`
pub(super) async fn list(env: &Environment, json: bool) -> anyhow::Result<ExitCode> {
    let rows = portfolio::summaries(env).await?;
    say(&if json { serde_json::to_string_pretty(&rows)? } else { summaries(&rows) });
    Ok(ExitCode::SUCCESS)
}

/// `milestoned contract show ID`
pub(super) async fn show(env: &Environment, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let Some(view) = portfolio::contract(env, id).await? else {
        return Ok(unknown_contract(id));
    };
    if json {
        say(&serde_json::to_string_pretty(&view)?);
        return Ok(ExitCode::SUCCESS);
    }
    say(&summaries(std::slice::from_ref(&view.summary)));
    let row = env.store.contract(id.to_owned()).await?.ok_or_else(|| anyhow::anyhow!("contract {id} is gone"))?;
    let contract = portfolio::state(&row)?;
    let mut milestones = titled(&["Milestone", "Name", "State", "Amount", "Accepted", "Invoice of", "Due", "Held by"]);
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
    for line in &view.milestones {
        let milestone = &line.milestone;
        milestones.add_row(vec![
            milestone.id.as_str().into(),
            milestone.name.as_str().into(),
            state(&line.state),
            amount(&milestone.amount.to_string()),
            format!("{}{}", date(milestone.accepted_on), if milestone.deemed { " deemed" } else { "" }).into(),
            date(milestone.invoiced_on).into(),
            date(milestone.due_on).into(),
            titles_and_codes(&milestone.blocked_by).into(),
        ]);
    }
    say(&milestones.to_string());
    let mut documents = titled(&["Document", "Kind", "Date", "Due", "Amount", "In the ERP"]);
    for line in &view.documents {
        let document = &line.document;
        let tax = line.tax.as_ref().map(|tax| format!(" and {tax} of tax")).unwrap_or_default();
        let theirs = document.remote_number.as_ref().map(|theirs| format!(" (there {theirs})")).unwrap_or_default();
        documents.add_row(vec![
            format!("{}{theirs}", document.number).into(),
            document.kind.name().into(),
            document.date.into(),
            document.due_on.into(),
            amount(&document.amount.to_string()),
            state(&format!("{}{tax}", line.standing)),
        ]);
    }
    say(&documents.to_string());
    say(&journal(&contract));
    say(&super::status::exception_table(&view.exceptions));
    Ok(ExitCode::SUCCESS)
}

fn journal(contract: &milestoned_mapping::contract::Contract) -> String {
    let mut table = titled(&["Date", "Account", "Debit", "Credit"]);
    for entry in contract.journal() {
        for line in &entry.lines {
            let text = line.amount.to_string();
            let (debit, credit) = match line.side {
                Side::Debit => (text, String::new()),
                Side::Credit => (String::new(), text),
            };
            table.add_row(vec![
                entry.date.to_string().into(),
                line.account.name().into(),
                amount(&debit),
                amount(&credit),
            ]);
        }
    }
    table.to_string()
}
