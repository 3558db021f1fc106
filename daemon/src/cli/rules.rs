//! `rules`, `prorate`: what can be asked without a database.

use std::process::ExitCode;

use jiff::civil::Date;
use milestoned_mapping::money::Currency;
use milestoned_mapping::proration::{DayCount, by_month};
use milestoned_mapping::rules::{self, Rule};
use serde_json::{Value, json};

use super::table::{amount, complain, count, say, state, titled};
use super::{BAD_INPUT, FOUND};

/// `milestoned rules`: all of them; `milestoned rules CODE`: one, with the cases that show it.
pub(super) fn rules(code: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let Some(code) = code else {
        if json {
            let all: Vec<Value> = rules::all().iter().map(told).collect();
            say(&serde_json::to_string_pretty(&all)?);
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = titled(&["Code", "Severity", "Section", "Title"]);
        for rule in rules::all() {
            let severity = rule.severity.to_string();
            table.add_row(vec![
                rule.code.name().into(),
                state(&severity),
                count(usize::from(rule.section)),
                rule.title.into(),
            ]);
        }
        say(&table.to_string());
        return Ok(ExitCode::SUCCESS);
    };
    let Some(rule) = rules::find(&code.to_ascii_uppercase()) else {
        complain(&format!("milestoned: {code:?} is no code; `milestoned rules` lists them"));
        return Ok(ExitCode::from(FOUND));
    };
    if json {
        say(&serde_json::to_string_pretty(&told(rule))?);
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{} ({}): {}", rule.code, rule.severity, rule.title));
    say(&format!("Why:     {} (section {} of the billing rules)", rule.why, rule.section));
    say(&format!("Remedy:  {}", rule.remedy));
    say("\nIt opens in this case; `milestoned simulate` plays it:");
    say(&serde_json::to_string_pretty(&rule.opening_case())?);
    say("\nIt does not open with these events:");
    say(&serde_json::to_string_pretty(&difference(&rule.passing_case(), &rule.opening_case()))?);
    Ok(ExitCode::SUCCESS)
}

/// The parts of a case that the other one has not, or has otherwise.
fn difference(case: &Value, other: &Value) -> Value {
    let Some(table) = case.as_object() else { return case.clone() };
    table
        .iter()
        .filter(|(key, value)| *key == "events" || other.get(key.as_str()) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn told(rule: &Rule) -> Value {
    json!({
        "code": rule.code.name(), "title": rule.title, "severity": rule.severity, "section": rule.section,
        "why": rule.why, "remedy": rule.remedy, "opens": rule.opening_case(), "passes": rule.passing_case(),
    })
}

/// A recurring amount over a service period.
#[derive(Debug, Clone, clap::Args)]
pub struct Prorate {
    /// Amount of a whole month, such as 10000.00.
    #[arg(long)]
    monthly: String,
    /// ISO 4217 code.
    #[arg(long, default_value = "USD")]
    currency: String,
    /// First day of service.
    #[arg(long)]
    from: Date,
    /// Last day of service; it is charged.
    #[arg(long)]
    to: Date,
    /// Divide part months by 30 instead of by the days that they have.
    #[arg(long)]
    over_30: bool,
}

/// `milestoned prorate`: month by month, half up to the minor unit.
pub(super) fn prorate(options: &Prorate, json: bool) -> anyhow::Result<ExitCode> {
    let bad = |reason: String| {
        complain(&format!("milestoned: {reason}"));
        Ok(ExitCode::from(BAD_INPUT))
    };
    let currency: Currency = match options.currency.parse() {
        Ok(currency) => currency,
        Err(error) => return bad(format!("--currency: {error}")),
    };
    let monthly = match currency.parse(&options.monthly) {
        Ok(monthly) => monthly.units(),
        Err(error) => return bad(format!("--monthly: {error}")),
    };
    if options.to < options.from {
        return bad(format!("--to: {} is before {}", options.to, options.from));
    }
    let day_count = if options.over_30 { DayCount::ActualOver30 } else { DayCount::ActualActual };
    let months = by_month(monthly, options.from, options.to, day_count);
    let total = currency.money(months.iter().map(|month| month.amount).sum());
    if json {
        let months: Vec<Value> = months
            .iter()
            .map(|month| json!({ "month": month.month, "days": month.days, "days_in_month": month.days_in_month, "amount": currency.money(month.amount).to_string() }))
            .collect();
        say(&serde_json::to_string_pretty(
            &json!({ "currency": currency.code(), "months": months, "total": total.to_string() }),
        )?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = titled(&["Month", "Days", "Of", "Amount"]);
    for month in &months {
        table.add_row(vec![
            month.month.strftime("%Y-%m").to_string().into(),
            month.days.into(),
            month.days_in_month.into(),
            amount(&currency.money(month.amount).to_string()),
        ]);
    }
    table.add_row(vec!["".into(), "".into(), "".into(), amount(&total.to_string())]);
    say(&table.to_string());
    Ok(ExitCode::SUCCESS)
}
