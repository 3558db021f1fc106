//! `contract revenue`, `export journal`: what a close takes from the books.

use std::process::ExitCode;

use clap::ValueEnum;
use milestoned_mapping::contract::Disclosures;
use milestoned_mapping::ledger::{self, Format};

use super::table::{amount, say, titled};
use super::unknown_contract;
use crate::environment::Environment;
use crate::review::portfolio;

/// Formats of an exported journal.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum JournalFormat {
    /// Plain-text accounting, checked with `hledger check --strict`.
    Hledger,
    /// Plain-text accounting, checked with `bean-check`.
    Beancount,
    /// One line per entry line.
    Csv,
}

/// `milestoned export journal`
pub(super) async fn journal(
    env: &Environment,
    format: JournalFormat,
    contract: Option<String>,
) -> anyhow::Result<ExitCode> {
    let rows = match contract {
        None => env.store.contracts().await?,
        Some(id) => match env.store.contract(id.clone()).await? {
            Some(row) => vec![row],
            None => return Ok(unknown_contract(&id)),
        },
    };
    let mut transactions = Vec::new();
    for row in &rows {
        transactions.extend(ledger::transactions(&portfolio::state(row)?));
    }
    let format = match format {
        JournalFormat::Beancount => Format::Beancount,
        JournalFormat::Csv => Format::Csv,
        JournalFormat::Hledger => Format::Hledger,
    };
    say(ledger::write(format, transactions).trim_end());
    Ok(ExitCode::SUCCESS)
}

/// `milestoned contract revenue ID`
pub(super) async fn contract(env: &Environment, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let Some(row) = env.store.contract(id.to_owned()).await? else { return Ok(unknown_contract(id)) };
    let told = portfolio::state(&row)?.disclosures();
    say(&if json { serde_json::to_string_pretty(&told)? } else { tables(&told) });
    Ok(ExitCode::SUCCESS)
}

fn tables(told: &Disclosures) -> String {
    let mut obligations = titled(&["Obligation", "Method", "Price", "Recognised", "Expected cost", "Loss provision"]);
    for obligation in &told.obligations {
        let optional =
            |money: Option<milestoned_mapping::money::Money>| money.map(|money| money.to_string()).unwrap_or_default();
        obligations.add_row(vec![
            obligation.id.as_str().into(),
            obligation.method.into(),
            amount(&obligation.price.to_string()),
            amount(&obligation.recognised.to_string()),
            amount(&optional(obligation.expected_cost)),
            amount(&optional(obligation.loss_provision)),
        ]);
    }
    let mut remaining = titled(&["Remaining performance obligations", "Amount"]);
    for (month, money) in &told.remaining.by_month {
        remaining.add_row(vec![month.strftime("%Y-%m").to_string().into(), amount(&money.to_string())]);
    }
    remaining.add_row(vec!["on acceptance or cost report".into(), amount(&told.remaining.undated.to_string())]);
    remaining.add_row(vec!["in all".into(), amount(&told.remaining.total.to_string())]);
    let mut months = titled(&[
        "Month",
        "Deferred, opening",
        "Billed",
        "Recognised",
        "From contract assets",
        "Deferred, closing",
        "Contract asset",
        "Unbilled receivable",
    ]);
    for month in &told.roll_forward {
        let mut row = vec![month.month.strftime("%Y-%m").to_string().into()];
        let amounts = [
            month.opening,
            month.billed,
            month.recognised,
            month.from_contract_assets,
            month.closing,
            month.contract_asset,
            month.unbilled_receivable,
        ];
        row.extend(amounts.map(|money| amount(&money.to_string())));
        months.add_row(row);
    }
    format!("{obligations}\n{remaining}\n{months}")
}
