//! Findings: what the documents say twice and differently, what does not add up, what is missing.

use core::ops::Range;

use rust_decimal::Decimal;

use crate::block::{Quote, RemarkKind};
use crate::clause::price::{Stated, two_decimals};
use crate::clause::{payment, reference};
use crate::flow::Flow;
use crate::proposal::{AmountKind, Field, Finding, Gravity, Milestone, Proposal, RetainageRule, Why};
use crate::schedule::{self, Part, Schedule};
use crate::value::number::DecimalMark;
use crate::value::{Pattern, captures, money, pattern, percent, period};

/// What is compared.
pub(crate) struct Read<'a> {
    pub(crate) flow: &'a Flow<'a>,
    pub(crate) mark: DecimalMark,
    pub(crate) schedules: &'a [Schedule],
    pub(crate) parts: &'a [Vec<Part>],
    pub(crate) prices: &'a [Stated],
    pub(crate) terms: &'a [payment::Terms],
}

fn finding(code: &str, gravity: Gravity, message: String, quotes: Vec<Quote>) -> Finding {
    Finding { code: code.into(), gravity, message, quotes }
}

/// Every finding, the gravest first, then in order of the text.
pub(crate) fn all(read: &Read<'_>, proposal: &Proposal) -> Vec<Finding> {
    let mut all = words_and_digits(read);
    if let Some(schedule) = read.schedules.first() {
        all.extend(schedule.findings.iter().cloned());
        all.extend(sums(read, schedule, proposal));
        all.extend(percents(schedule, proposal));
        all.extend(rows(schedule, proposal));
    } else {
        let message = "no payment schedule was found; a person must look for the milestones".into();
        all.push(finding("no_schedule", Gravity::Warning, message, Vec::new()));
    }
    if let Some(prices) = read.schedules.first().filter(|schedule| schedule.prices) {
        let message =
            "the documents say what each part costs, and not when it is paid; a person decides what is a milestone";
        let quotes = read.flow.quotes(read.flow.after(prices.range.start, 120));
        all.push(finding("no_payment_event", Gravity::Warning, message.into(), quotes));
    }
    all.extend(other_schedules(read));
    all.extend(schedule::flattened(read.flow, read.mark, read.schedules));
    all.extend(prices(read, proposal));
    all.extend(components(read, proposal));
    all.extend(payment_terms(read, proposal));
    all.extend(retainage(&proposal.retainage));
    all.extend(blanks(read.flow));
    all.extend(redactions(read.flow));
    all.extend(reference::absent_exhibits(read.flow));
    all.extend(empty_heads(proposal));
    all.extend(token(proposal));
    all.sort_by_key(|finding| finding.gravity);
    all
}

/// What the file itself, beside its text, makes a person look at.
pub(crate) fn remarks(file: &str, remarks: &[crate::block::Remark]) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for remark in remarks {
        let (code, gravity, what) = match remark.kind {
            RemarkKind::Deleted => (
                "tracked_change",
                Gravity::Warning,
                "a tracked change that nobody has accepted takes text out; it was read as out",
            ),
            RemarkKind::Inserted => (
                "tracked_change",
                Gravity::Warning,
                "a tracked change that nobody has accepted puts text in; it was read as in",
            ),
            RemarkKind::NoText => ("page_without_text", Gravity::Warning, "a page has no text; it may be a picture"),
            RemarkKind::Recognised => (
                "low_confidence",
                Gravity::Warning,
                "text was recognised from a picture; compare every value with the picture",
            ),
            RemarkKind::Unmapped => {
                ("unmapped_characters", Gravity::Warning, "a font does not say which letters its signs are")
            }
            RemarkKind::Cut => {
                ("file_cut", Gravity::Error, "the file is larger than what is read; the rest is not in this proposal")
            }
            RemarkKind::Damaged => ("file_damaged", Gravity::Warning, "a part of the file cannot be read"),
        };
        let quote = Quote { text: remark.text.clone(), place: remark.place };
        match all.iter_mut().find(|other| other.code == code && other.message.contains(what)) {
            Some(same) => same.quotes.push(quote),
            None => all.push(finding(code, gravity, format!("{file}: {what}"), vec![quote])),
        }
    }
    all
}

fn words_and_digits(read: &Read<'_>) -> Vec<Finding> {
    let (flow, whole) = (read.flow, 0..read.flow.text.len());
    let mut all = Vec::new();
    let mut add = |range: Range<usize>, spelled: &crate::value::words::Spelled, digits: String| {
        let words = flow.words(spelled.range.clone());
        let says = match spelled.value {
            Some(value) => format!("say {}", value.normalize()),
            None => "are no number".into(),
        };
        let from = range.start.min(spelled.range.start);
        let message = format!("the words \"{words}\" {says}, the digits beside them {digits}");
        all.push((
            from,
            finding(
                "words_are_not_digits",
                Gravity::Error,
                message,
                flow.quotes(from..range.end.max(spelled.range.end)),
            ),
        ));
    };
    for sum in money::all(&flow.text, whole.clone(), read.mark).iter().filter(|amount| money::words_differ(amount)) {
        if let (Some(spelled), Ok(amount)) = (&sum.spelled, sum.amount) {
            add(sum.range.clone(), spelled, two_decimals(amount));
        }
    }
    for percent in percent::all(&flow.text, whole.clone()).iter().filter(|percent| percent::words_differ(percent)) {
        if let (Some(spelled), Some(value)) = (&percent.spelled, percent.value) {
            add(percent.range.clone(), spelled, format!("{value} %"));
        }
    }
    for period in period::all(&flow.text, whole).iter().filter(|period| period::words_differ(period)) {
        if let (Some(spelled), Some(count)) = (&period.spelled, period.written) {
            add(period.range.clone(), spelled, count.to_string());
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, finding)| finding).collect()
}

fn amounts(rows: &[Milestone]) -> impl Iterator<Item = (&Milestone, Decimal)> {
    rows.iter().filter(|row| row.per.is_none()).filter_map(|row| row.amount.number().map(|amount| (row, amount)))
}

fn quoted(fields: &[&Field]) -> Vec<Quote> {
    fields.iter().flat_map(|field| field.quotes.iter().take(1)).cloned().collect()
}

/// How a row is called in a finding.
fn called(row: &Milestone, index: usize) -> String {
    row.id.value.clone().map_or_else(|| format!("row {}", index + 1), |id| format!("row {id}"))
}

/// The sum of the rows beside the price and beside the totals of the schedule.
fn sums(read: &Read<'_>, schedule: &Schedule, proposal: &Proposal) -> Vec<Finding> {
    let mut all = Vec::new();
    let sum = schedule.sum();
    let first_last = |rows: &[Milestone]| {
        let amounts: Vec<&Field> =
            rows.iter().filter(|row| row.amount.value.is_some()).map(|row| &row.amount).collect();
        quoted(&amounts.first().into_iter().chain(amounts.last()).copied().collect::<Vec<_>>())
    };
    let mut from = 0;
    for total in &schedule.totals {
        let start = if total.partial { from } else { 0 };
        let rows = &schedule.rows[start.min(total.after)..total.after.min(schedule.rows.len())];
        let part: Decimal = amounts(rows).map(|(_, amount)| amount).sum();
        if let Some(written) = total.amount.number().filter(|written| *written != part) {
            let name = if total.partial { "the subtotal" } else { "the total of the schedule" };
            let lacking = rows.iter().filter(|row| row.amount.value.is_none()).count();
            let without = if lacking > 0 { format!("; {lacking} of them have no amount") } else { String::new() };
            let message = format!(
                "{} rows above it sum to {}, {name} says {}{without}",
                rows.len(),
                two_decimals(part),
                two_decimals(written)
            );
            let mut quotes = first_last(rows);
            quotes.extend(quoted(&[&total.amount]));
            all.push(finding("sum_is_not_total", Gravity::Error, message, quotes));
        }
        from = total.after;
    }
    let priced = amounts(&schedule.rows).count();
    match proposal.total.number() {
        Some(total) if priced > 0 && total != sum => {
            let gap = two_decimals((total - sum).abs());
            let lacking =
                schedule.rows.iter().filter(|row| row.amount.value.is_none() && row.percent.value.is_none()).count();
            let mut message = format!(
                "the rows sum to {}, the price is {}: {gap} {}",
                two_decimals(sum),
                two_decimals(total),
                if total > sum { "less" } else { "more" }
            );
            if lacking > 0 {
                message.push_str(&format!("; {lacking} rows have no amount"));
            }
            if schedule.rows.iter().any(|row| row.per.is_some()) {
                message.push_str("; amounts that come again are not in the sum");
            }
            let mut quotes = quoted(&[&proposal.total]);
            quotes.extend(first_last(&schedule.rows));
            if let Some(same) = equal_elsewhere(read, sum, &proposal.total) {
                message.push_str("; the document states that sum itself");
                quotes.extend(same);
            }
            all.push(finding("sum_is_not_total", Gravity::Error, message, quotes));
        }
        None if priced > 0 && proposal.total.quotes.is_empty() => {
            let message = format!("the documents do not state the price; the rows sum to {}", two_decimals(sum));
            all.push(finding("price_absent", Gravity::Warning, message, first_last(&schedule.rows)));
        }
        _ => {}
    }
    all
}

/// Another place at which the document states an amount.
fn equal_elsewhere(read: &Read<'_>, sum: Decimal, total: &Field) -> Option<Vec<Quote>> {
    let schedule = read.schedules.first()?;
    let all = money::all(&read.flow.text, 0..read.flow.text.len(), read.mark);
    let total = all.into_iter().find(|amount| {
        amount.amount == Ok(sum) && !(schedule.range.contains(&amount.range.start)) && total.number() != Some(sum)
    })?;
    Some(read.flow.quotes(total.range))
}

/// Percents beside one hundred, subtotals and amounts.
fn percents(schedule: &Schedule, proposal: &Proposal) -> Vec<Finding> {
    let mut all = Vec::new();
    let rows: Vec<(usize, &Milestone, Decimal)> = schedule
        .rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| row.percent.number().map(|percent| (index, row, percent)))
        .collect();
    let sum: Decimal = rows.iter().map(|(_, _, percent)| *percent).sum();
    let one_base = rows.windows(2).all(|pair| base(pair[0].1) == base(pair[1].1));
    if rows.len() > 1 && one_base && sum != Decimal::ONE_HUNDRED {
        let without: Vec<String> = schedule
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.percent.value.is_none())
            .map(|(index, row)| called(row, index))
            .collect();
        let rest =
            if without.is_empty() { String::new() } else { format!("; without a percent: {}", without.join(", ")) };
        let quotes = quoted(&[&rows[0].1.percent, &rows[rows.len() - 1].1.percent]);
        let balance = schedule.rows.iter().any(|row| row.kind == AmountKind::Balance);
        let gravity = if balance && sum < Decimal::ONE_HUNDRED { Gravity::Note } else { Gravity::Error };
        all.push(finding(
            "percents_are_not_100",
            gravity,
            format!("the percents sum to {}{rest}", sum.normalize()),
            quotes,
        ));
    }
    if !one_base {
        all.extend(parts_of_one_base(&rows));
    }
    all.extend(subtotals(schedule));
    let total = proposal.total.number();
    for (index, row, percent) in &rows {
        all.extend(percent_of_another(row, *index, *percent));
        if let (Some(total), Some(amount), true) = (total, row.amount.number(), of_the_price(row)) {
            let exact = total * percent / Decimal::ONE_HUNDRED;
            // An amount that is rounded to thousands is as exact as it is written.
            let unit = if amount.normalize().mantissa() % 1_000 == 0 || row.amount.quotes.len() > 1 {
                Decimal::ONE_THOUSAND
            } else {
                Decimal::ONE
            };
            if (exact - amount).abs() > unit {
                let message = format!(
                    "{}: {} % of {} is {}, the amount says {}",
                    called(row, *index),
                    percent.normalize(),
                    two_decimals(total),
                    two_decimals(exact.round_dp(2)),
                    two_decimals(amount)
                );
                all.push(finding(
                    "amount_is_not_percent",
                    Gravity::Error,
                    message,
                    quoted(&[&row.percent, &row.amount, &proposal.total]),
                ));
            }
        }
    }
    all
}

/// Percents beside the subtotals below them.
fn subtotals(schedule: &Schedule) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut from = 0;
    for total in schedule.totals.iter().filter(|total| total.partial) {
        let part: Decimal =
            schedule.rows[from.min(total.after)..total.after].iter().filter_map(|row| row.percent.number()).sum();
        if let Some(written) = total.percent.number().filter(|written| *written != part) {
            let message =
                format!("the percents above it sum to {}, the subtotal says {}", part.normalize(), written.normalize());
            all.push(finding("percents_are_not_subtotal", Gravity::Error, message, quoted(&[&total.percent])));
        }
        from = total.after;
    }
    all
}

/// Where percents are of several things, those of one that come more than once and are not its whole: "40 %, 40 % and 10 % of the
/// Phase 2 fee".
fn parts_of_one_base(rows: &[(usize, &Milestone, Decimal)]) -> Vec<Finding> {
    let mut bases: Vec<(String, Vec<&Milestone>, Decimal)> = Vec::new();
    for (_, row, percent) in rows {
        let of = base(row);
        match bases.iter_mut().find(|(known, ..)| *known == of) {
            Some((_, rows, sum)) => {
                rows.push(row);
                *sum += *percent;
            }
            None => bases.push((of, vec![row], *percent)),
        }
    }
    let parts = bases.iter().filter(|(of, rows, sum)| !of.is_empty() && rows.len() > 1 && *sum != Decimal::ONE_HUNDRED);
    parts
        .map(|(of, rows, sum)| {
            let fields: Vec<&Field> = rows.iter().map(|row| &row.percent).collect();
            let message = format!("the percents of {of} sum to {}", sum.normalize());
            finding("percents_are_not_100", Gravity::Warning, message, quoted(&fields))
        })
        .collect()
}

fn base(row: &Milestone) -> String {
    row.percent_of.value.clone().unwrap_or_default().to_lowercase().replace("of the", "").trim().to_owned()
}

/// A percent of the whole price, or of nothing that is named.
pub(crate) fn of_the_price(row: &Milestone) -> bool {
    let base = base(row);
    // A name that says its own amount, "Phase A (US$400,000)", is of a part.
    base.is_empty()
        || [
            "contract price",
            "contract sum",
            "contract value",
            "contract amount",
            "tract price",
            "total",
            "purchase price",
            "total price",
            "total fee",
            "total fees",
            "agreed price",
            "project fee",
            "project price",
        ]
        .iter()
        .any(|name| base.ends_with(name) || base.starts_with(name))
}

fn percent_of_another(row: &Milestone, index: usize, percent: Decimal) -> Vec<Finding> {
    if of_the_price(row) {
        return Vec::new();
    }
    let of = row.percent_of.value.clone().unwrap_or_default();
    let amount =
        row.amount.value.as_ref().map_or_else(|| "states no amount".into(), |amount| format!("states {amount}"));
    let message = format!(
        "{} is {} % of {of}, not of the price, and {amount}; terms take percents of the price alone",
        called(row, index),
        percent.normalize()
    );
    let gravity = if row.amount.value.is_some() { Gravity::Note } else { Gravity::Warning };
    vec![finding("percent_of_another_sum", gravity, message, quoted(&[&row.percent, &row.percent_of]))]
}

/// Rows one by one: values that are missing, recurring, estimated; order; dates.
fn rows(schedule: &Schedule, proposal: &Proposal) -> Vec<Finding> {
    let mut all = Vec::new();
    for (index, row) in schedule.rows.iter().enumerate() {
        let name = called(row, index);
        for field in [&row.amount, &row.percent, &row.within] {
            let (code, what) = match field.why {
                Some(Why::Redacted) => ("redacted", "is taken out of the document and cannot be read"),
                Some(Why::Blank) => ("blank", "is left open"),
                Some(Why::ToBeDetermined) => ("to_be_determined", "is to be determined"),
                Some(Why::Ambiguous) => ("ambiguous", "can be read in two ways"),
                Some(Why::Unreadable) => ("unreadable", "is not understood"),
                _ => continue,
            };
            let gravity = if code == "to_be_determined" { Gravity::Warning } else { Gravity::Error };
            all.push(finding(code, gravity, format!("{name}: a value {what}"), quoted(&[field])));
        }
        if let Some(per) = &row.per {
            let message = format!("{name} comes again (per {per}); it is no milestone and not in the sum");
            all.push(finding("recurring", Gravity::Warning, message, quoted(&[&row.amount])));
        }
        let kind = match row.kind {
            AmountKind::Fixed => None,
            AmountKind::UpTo => Some(("up_to", format!("{name} is at most that much"))),
            AmountKind::Estimate => Some(("estimate", format!("{name} is an estimate"))),
            AmountKind::Balance => Some(("balance", balance(schedule, index, proposal))),
        };
        if let Some((code, message)) = kind {
            all.push(finding(code, Gravity::Note, message, quoted(&[&row.name, &row.amount])));
        }
        if row.due.value.as_deref().is_some_and(|due| due.eq_ignore_ascii_case("paid")) {
            all.push(finding(
                "already_paid",
                Gravity::Warning,
                format!("{name} is marked as paid; it must not be invoiced again"),
                quoted(&[&row.due]),
            ));
        }
    }
    all.extend(order(schedule));
    all
}

fn balance(schedule: &Schedule, index: usize, proposal: &Proposal) -> String {
    let row = &schedule.rows[index];
    let name = called(row, index);
    let others: Decimal =
        amounts(&schedule.rows).filter(|(other, _)| other.place != row.place).map(|(_, amount)| amount).sum();
    match (proposal.total.number(), row.amount.number()) {
        (Some(total), Some(amount)) if total - others == amount => {
            format!("{name} is the balance; it is what the other rows leave of the price, {}", two_decimals(amount))
        }
        (Some(total), Some(amount)) => format!(
            "{name} is the balance and says {}; the other rows leave {} of the price",
            two_decimals(amount),
            two_decimals(total - others)
        ),
        (Some(total), None) if others > Decimal::ZERO => {
            format!("{name} is the balance; the other rows leave {} of the price", two_decimals(total - others))
        }
        _ => format!("{name} is the balance"),
    }
}

fn order(schedule: &Schedule) -> Vec<Finding> {
    let mut all = Vec::new();
    let numbers: Vec<(usize, u64)> = schedule
        .rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| {
            let id = row.id.value.as_deref()?;
            let digits = id.trim_start_matches(|c: char| !c.is_ascii_digit());
            Some((index, digits.parse().ok()?))
        })
        .collect();
    let turned: Vec<usize> = numbers.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[1].0).collect();
    if !turned.is_empty() {
        let list: Vec<String> = numbers.iter().map(|(_, number)| number.to_string()).collect();
        let quotes = turned.iter().flat_map(|index| quoted(&[&schedule.rows[*index].id])).collect();
        all.push(finding(
            "rows_out_of_order",
            Gravity::Note,
            format!("the rows stand in the order {}", list.join(", ")),
            quotes,
        ));
    }
    let dates: Vec<(&Milestone, &str)> =
        schedule.rows.iter().filter_map(|row| row.date.value.as_deref().map(|date| (row, date))).collect();
    for pair in dates.windows(2) {
        if pair[1].1.len() == pair[0].1.len() && pair[1].1 < pair[0].1 {
            let message = format!("{} comes after {} in the schedule and before it in time", pair[1].1, pair[0].1);
            all.push(finding(
                "dates_out_of_order",
                Gravity::Note,
                message,
                quoted(&[&pair[0].0.date, &pair[1].0.date]),
            ));
        }
    }
    all
}

fn other_schedules(read: &Read<'_>) -> Vec<Finding> {
    read.schedules
        .iter()
        .skip(1)
        .map(|schedule| {
            let rows: Vec<String> = schedule
                .rows
                .iter()
                .map(|row| {
                    row.amount
                        .value
                        .clone()
                        .or_else(|| row.percent.value.as_ref().map(|percent| format!("{percent} %")))
                        .unwrap_or_else(|| "?".into())
                })
                .collect();
            let message =
                format!("another schedule stands in the documents: {}; it is not the one proposed", rows.join(", "));
            finding(
                "several_schedules",
                Gravity::Warning,
                message,
                read.flow.quotes(read.flow.after(schedule.range.start, 120)),
            )
        })
        .collect()
}

/// Other amounts that are called the price, and a price that was taken out.
fn prices(read: &Read<'_>, proposal: &Proposal) -> Vec<Finding> {
    let mut all = Vec::new();
    if matches!(
        proposal.total.why,
        Some(Why::Redacted | Why::Blank | Why::Ambiguous | Why::Unreadable | Why::ToBeDetermined)
    ) {
        let what = match proposal.total.why {
            Some(Why::Redacted) => "is taken out of the document and cannot be read",
            Some(Why::Blank) => "is left open",
            Some(Why::ToBeDetermined) => "is to be determined",
            _ => "can be read in two ways",
        };
        let code = if proposal.total.why == Some(Why::Redacted) { "redacted" } else { "blank" };
        all.push(finding(code, Gravity::Error, format!("the price {what}"), proposal.total.quotes.clone()));
    }
    let total = proposal.total.number();
    let mut seen: Vec<Decimal> = total.into_iter().collect();
    for stated in read.prices.iter().filter(|price| price.likely()) {
        if let Ok(amount) = stated.money.amount
            && total.is_some_and(|total| amount * Decimal::from(4) >= total)
            && !seen.contains(&amount)
            && !amounts(&proposal.milestones).any(|(_, row)| row == amount)
        {
            seen.push(amount);
            let name = read.flow.words(stated.name.clone());
            let message = format!(
                "{} is called \"{name}\" as well; the proposed price is {}",
                two_decimals(amount),
                proposal.total.value.clone().unwrap_or_default()
            );
            let mut quotes = quoted(&[&proposal.total]);
            quotes.extend(
                read.flow.quotes(
                    stated.name.start.min(stated.money.range.start)..stated.name.end.max(stated.money.range.end),
                ),
            );
            all.push(finding("price_stated_twice", Gravity::Note, message, quotes));
        }
    }
    all
}

/// Parts of the price beside the price.
fn components(read: &Read<'_>, proposal: &Proposal) -> Vec<Finding> {
    let Some(total) = proposal.total.number() else { return Vec::new() };
    read.parts
        .iter()
        .filter_map(|parts| {
            let sum: Decimal = parts.iter().map(|part| part.amount).sum();
            // A list of something much smaller is no list of the parts of the price.
            if sum == total || sum * Decimal::TWO < total || sum > total * Decimal::TWO {
                return None;
            }
            let list: Vec<String> = parts.iter().map(|part| two_decimals(part.amount)).collect();
            let message = format!(
                "the parts {} sum to {}, the price is {}",
                list.join(" + "),
                two_decimals(sum),
                two_decimals(total)
            );
            let mut quotes = quoted(&[&proposal.total]);
            quotes.extend(parts.iter().flat_map(|part| read.flow.quotes(part.range.clone())));
            Some(finding("parts_are_not_price", Gravity::Error, message, quotes))
        })
        .collect()
}

fn payment_terms(read: &Read<'_>, proposal: &Proposal) -> Vec<Finding> {
    let mut all = Vec::new();
    let Some(first) = read.terms.first() else { return all };
    match proposal.payment_terms.why {
        Some(Why::Redacted) => {
            all.push(finding(
                "redacted",
                Gravity::Error,
                "the days for payment are taken out of the document".into(),
                first.field.quotes.clone(),
            ));
        }
        _ if proposal.payment_terms.value.as_deref().is_some_and(|terms| terms.ends_with("business days")) => {
            let message = "payment is due within business days; terms count calendar days".into();
            all.push(finding("not_expressible", Gravity::Warning, message, first.field.quotes.clone()));
        }
        _ => {}
    }
    let mut seen: Vec<&str> = first.field.value.as_deref().into_iter().collect();
    for term in &read.terms[1..] {
        if let Some(value) = term.field.value.as_deref()
            && !seen.contains(&value)
        {
            seen.push(value);
            let mut quotes = first.field.quotes.clone();
            quotes.extend(read.flow.quotes(term.range.clone()));
            let message = format!(
                "payment terms are {} here and {value} there",
                first.field.value.as_deref().unwrap_or("not stated in days")
            );
            all.push(finding("payment_terms_differ", Gravity::Warning, message, quotes));
        }
    }
    all
}

fn retainage(rules: &[RetainageRule]) -> Vec<Finding> {
    let mut all = Vec::new();
    let retained: Vec<&RetainageRule> = rules.iter().filter(|rule| rule.what == "retain").collect();
    let mut rates: Vec<&str> = retained.iter().filter_map(|rule| rule.percent.value.as_deref()).collect();
    rates.dedup();
    let quotes: Vec<Quote> = rules.iter().flat_map(|rule| rule.percent.quotes.iter().take(1)).cloned().collect();
    if rates.len() > 1 {
        let message = format!(
            "retainage is {} %: terms have one rate for a milestone, so a person decides which counts where",
            rates.join(" %, ")
        );
        all.push(finding("retainage_in_steps", Gravity::Warning, message, quotes.clone()));
    }
    let others: Vec<String> = rules
        .iter()
        .filter(|rule| rule.what != "retain")
        .map(|rule| format!("{} {} %", rule.what, rule.percent.value.as_deref().unwrap_or("?")))
        .collect();
    if !others.is_empty() {
        let message = format!("retained amounts follow further rules ({}) that terms cannot say", others.join(", "));
        all.push(finding("retainage_rules", Gravity::Warning, message, quotes));
    }
    all
}

/// Places that were taken out of the documents before they were given away; stars that part passages are none.
fn redactions(flow: &Flow<'_>) -> Vec<Finding> {
    static PLACES: Pattern = pattern!(r"\[\s?\*+\s?\]|[$€£]\s?\*+|\*{3,}|█{2,}|\[REDACTED\]");
    let spans = |at: usize| flow.spans.iter().find(|span| span.range.contains(&at));
    let alone = |place: &Range<usize>| {
        spans(place.start)
            .is_some_and(|span| span.table.is_none() && flow.words(span.range.clone()).len() == place.len())
    };
    let places: Vec<Range<usize>> = captures(&PLACES, &flow.text, 0..flow.text.len())
        .iter()
        .filter_map(|capture| capture.get(0).map(|found| found.range()))
        .filter(|place| !alone(place))
        .collect();
    // One group of stars may be an ornament; in brackets, or behind a currency, it is a value.
    let marks = |place: &Range<usize>| flow.slice(place.clone()).starts_with(['[', '$', '€', '£']);
    if places.len() < 2 && !places.iter().any(marks) {
        return Vec::new();
    }
    let quotes = places.iter().take(5).flat_map(|place| flow.quotes(place.clone())).collect();
    let message =
        format!("{} places are taken out of the documents; what stood there is not in this proposal", places.len());
    vec![finding("redacted", Gravity::Warning, message, quotes)]
}

/// Places of a template that nobody has filled in.
fn blanks(flow: &Flow<'_>) -> Vec<Finding> {
    static PLACES: Pattern = pattern!(
        r"\{\{[^{}]{1,80}\}\}|\[(?i:insert|client|vendor|company|name|address|date|amount|city)[^\]]{0,60}\]|\[●\]"
    );
    let places: Vec<Range<usize>> = captures(&PLACES, &flow.text, 0..flow.text.len())
        .iter()
        .filter_map(|capture| capture.get(0).map(|found| found.range()))
        .chain(signs_alone(flow))
        .collect();
    if places.is_empty() {
        return Vec::new();
    }
    let quotes = places.iter().take(5).flat_map(|range| flow.quotes(range.clone())).collect();
    let message = format!("{} places of the document are left to be filled in", places.len());
    vec![finding("blank", Gravity::Warning, message, quotes)]
}

/// Signs of a currency that close a line or a cell without an amount in it or in the next one.
fn signs_alone(flow: &Flow<'_>) -> Vec<Range<usize>> {
    static SIGN: Pattern = pattern!(r"(?m)\B[$€£][ \t]*$");
    captures(&SIGN, &flow.text, 0..flow.text.len())
        .iter()
        .filter_map(|capture| capture.get(0).map(|found| found.start()..found.end()))
        .filter(|sign| {
            let next = flow.slice(sign.end..flow.text.len()).trim_start().chars().next();
            next.is_none_or(|c| c.is_alphabetic() || c == '$')
        })
        .collect()
}

/// Amounts in a unit that terms cannot have.
fn token(proposal: &Proposal) -> Option<Finding> {
    let code = proposal.currency.value.as_deref().filter(|code| money::TOKENS.contains(code))?;
    let message = format!("the amounts are in {code}, which is no currency of ISO 4217; terms cannot be filed in it");
    Some(finding("not_expressible", Gravity::Warning, message, proposal.currency.quotes.clone()))
}

/// Heads that can be read in two ways or are left open.
fn empty_heads(proposal: &Proposal) -> Vec<Finding> {
    let mut all = Vec::new();
    for (name, field) in [
        ("the currency", &proposal.currency),
        ("the date of the agreement", &proposal.signed_on),
        ("the customer", &proposal.customer),
        ("the number of the contract", &proposal.id),
    ] {
        let (code, what) = match field.why {
            Some(Why::Ambiguous) => ("ambiguous", "can be read in two ways; a person decides"),
            Some(Why::Blank) => ("blank", "is left open"),
            Some(Why::Redacted) => ("redacted", "is taken out of the document"),
            _ => continue,
        };
        all.push(finding(code, Gravity::Warning, format!("{name} {what}"), field.quotes.clone()));
    }
    all
}
