//! Rows of the lists that pages show and exports carry: contracts, receivables with their age, what will be billed.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::contract::{DocumentKind, IssuedDocument, Receivable};
use milestoned_mapping::money::{Money, grouped};
use rust_decimal::Decimal;

use super::portfolio::Summary;
use super::snapshot::Snapshot;
use crate::environment::Environment;
use crate::store::StoreError;

/// An invoice of some contract that is open.
#[derive(Debug, Clone)]
pub struct Open<'a> {
    /// Contract.
    pub contract: &'a str,
    /// Customer.
    pub customer: &'a str,
    /// ERP connection.
    pub erp: &'a str,
    /// The invoice.
    pub invoice: &'a Receivable,
    /// Days since it was due; 0: it is not due yet.
    pub days: i64,
}

/// A document that time alone will write.
#[derive(Debug, Clone)]
pub struct ToCome<'a> {
    /// Contract.
    pub contract: &'a str,
    /// Customer.
    pub customer: &'a str,
    /// ERP connection.
    pub erp: &'a str,
    /// The document.
    pub document: &'a IssuedDocument,
}

/// Open amounts of one currency by age.
#[derive(Debug, Clone)]
pub struct Aged {
    /// Code.
    pub currency: String,
    /// Not due yet, up to 30, 60, 90 days overdue, and longer.
    pub buckets: [Money; 5],
}

impl Aged {
    /// What is open, whatever its age.
    pub fn in_all(&self) -> Money {
        let [first, ..] = self.buckets;
        first.currency().money(self.buckets.iter().map(|bucket| bucket.units()).sum())
    }
}

/// Names of the buckets of [`Aged`].
pub const BUCKETS: [&str; 5] =
    ["Not due", "1–30 days overdue", "31–60 days overdue", "61–90 days overdue", "More than 90 days overdue"];

/// Sums of one currency.
#[derive(Debug, Clone)]
pub struct Sums {
    /// Code.
    pub currency: String,
    /// Transaction prices.
    pub total: String,
    /// Billed, as decided.
    pub billed: String,
    /// Not billed yet.
    pub remaining: String,
    /// Deferred revenue.
    pub deferred: String,
    /// Open invoices.
    pub open: String,
}

/// Whether one of the texts contains what is searched for.
fn is_named(text: &str, names: &[&str]) -> bool {
    let text = text.trim().to_lowercase();
    text.is_empty() || names.iter().any(|name| name.to_lowercase().contains(&text))
}

/// Contracts whose id or customer contains a text, by id; where there is none, the one that has a document of this number.
///
/// # Errors
/// The store failed.
pub async fn contracts<'a>(
    env: &Environment,
    snapshot: &'a Snapshot,
    text: &str,
) -> Result<Vec<&'a Summary>, StoreError> {
    let all = snapshot.contracts.values().map(|line| &line.summary);
    let found: Vec<&Summary> = all.filter(|summary| is_named(text, &[&summary.contract, &summary.customer])).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let id = env.store.contract_of_number(text.trim().to_owned()).await?;
    let line = id.and_then(|id| snapshot.contracts.get(&id));
    Ok(line.map(|line| &line.summary).into_iter().collect())
}

/// Contracts of a customer, by id.
pub fn contracts_of<'a>(snapshot: &'a Snapshot, customer: &str) -> Vec<&'a Summary> {
    let all = snapshot.contracts.values().map(|line| &line.summary);
    all.filter(|summary| summary.customer == customer).collect()
}

/// Invoices that are open, the one that was due first before the others; overdue ones only, or all.
pub fn receivables<'a>(snapshot: &'a Snapshot, text: &str, overdue: bool, today: Date) -> Vec<Open<'a>> {
    let all =
        snapshot.contracts.values().flat_map(|line| line.open.iter().map(move |invoice| (&line.summary, invoice)));
    let asked = all.filter(|(summary, invoice)| {
        (!overdue || invoice.due_on < today) && is_named(text, &[&summary.contract, &summary.customer, &invoice.number])
    });
    let mut all: Vec<Open<'_>> = asked
        .map(|(summary, invoice)| Open {
            contract: &summary.contract,
            customer: &summary.customer,
            erp: &summary.erp,
            days: invoice.due_on.until(today).map_or(0, |span| i64::from(span.get_days().max(0))),
            invoice,
        })
        .collect();
    all.sort_by(|a, b| (a.invoice.due_on, &a.invoice.number).cmp(&(b.invoice.due_on, &b.invoice.number)));
    all
}

/// What is open by age, by currency.
pub fn ageing(rows: &[Open<'_>]) -> Vec<Aged> {
    let mut by_currency: BTreeMap<String, Aged> = BTreeMap::new();
    for row in rows {
        let currency = row.invoice.open.currency();
        let code = currency.to_string();
        let nothing = [currency.minor(0); 5];
        let aged = by_currency.entry(code.clone()).or_insert(Aged { currency: code, buckets: nothing });
        let place = match row.days {
            0 => 0,
            1..=30 => 1,
            31..=60 => 2,
            61..=90 => 3,
            _ => 4,
        };
        if let Some(bucket) = aged.buckets.get_mut(place) {
            *bucket = currency.money(bucket.units() + row.invoice.open.units());
        }
    }
    by_currency.into_values().collect()
}

/// Sums of contracts and their open invoices, by currency.
pub fn sums(contracts: &[&Summary], receivables: &[Open<'_>]) -> Vec<Sums> {
    let mut codes: Vec<&str> = contracts.iter().map(|contract| contract.currency.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let sum = |code: &str, value: fn(&Summary) -> &String| -> String {
        let of_it = contracts.iter().copied().filter(|contract| contract.currency == code);
        let sum: Decimal = of_it.filter_map(|summary| value(summary).parse::<Decimal>().ok()).sum();
        grouped(&sum.to_string())
    };
    let open = |code: &str| {
        let of_it =
            receivables.iter().map(|receivable| receivable.invoice.open).filter(|open| open.currency().code() == code);
        grouped(&of_it.map(|open| open.decimal()).sum::<Decimal>().to_string())
    };
    codes
        .into_iter()
        .map(|code| Sums {
            currency: code.into(),
            total: sum(code, |summary| &summary.total),
            billed: sum(code, |summary| &summary.billed),
            remaining: sum(code, |summary| &summary.remaining),
            deferred: sum(code, |summary| &summary.deferred),
            open: open(code),
        })
        .collect()
}

/// The first day of the month that is asked for: `this`, `next`, or `2026-03`; this one without a word.
pub fn month(word: &str, today: Date) -> Option<Date> {
    let this = today.first_of_month();
    match word {
        "" | "this" => Some(this),
        "next" => Some(this.saturating_add(1.month())),
        other => format!("{other}-01").parse().ok(),
    }
}

/// Documents that time alone will write in a month, by date.
pub fn to_come<'a>(snapshot: &'a Snapshot, text: &str, month: Date) -> Vec<ToCome<'a>> {
    let lines = snapshot.contracts.values();
    let all = lines.flat_map(|line| line.to_come.iter().map(move |document| (&line.summary, document)));
    let asked = all.filter(|(summary, document)| {
        document.date.first_of_month() == month
            && is_named(text, &[&summary.contract, &summary.customer, &document.number])
    });
    let mut all: Vec<ToCome<'_>> = asked
        .map(|(summary, document)| ToCome {
            contract: &summary.contract,
            customer: &summary.customer,
            erp: &summary.erp,
            document,
        })
        .collect();
    all.sort_by(|a, b| (a.document.date, &a.document.number).cmp(&(b.document.date, &b.document.number)));
    all
}

/// The sum of what will be written, by currency; credit memos are taken away.
pub fn sums_to_come(rows: &[ToCome<'_>]) -> Vec<String> {
    let mut sums: BTreeMap<String, Money> = BTreeMap::new();
    for row in rows {
        let amount = row.document.amount;
        let units = if row.document.kind == DocumentKind::CreditMemo { -amount.units() } else { amount.units() };
        let sum = sums.entry(amount.currency().to_string()).or_insert_with(|| amount.currency().minor(0));
        *sum = amount.currency().money(sum.units() + units);
    }
    sums.into_iter().map(|(code, sum)| format!("{} {code}", grouped(&sum.to_string()))).collect()
}
