//! Rows of the lists that pages show and exports carry: contracts, receivables with their age, what will be billed.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::money::{Currency, Minor, Money, grouped};

use super::line::{Brief, DocumentToCome, Line, OpenInvoice};
use super::selection::contains;
use super::snapshot::Snapshot;
use crate::environment::Environment;
use crate::store::StoreError;

/// An invoice of some contract that is open.
#[derive(Debug, Clone, Copy)]
pub struct Open<'a> {
    /// Its contract.
    pub line: &'a Line,
    /// The invoice.
    pub invoice: &'a OpenInvoice,
}

impl Open<'_> {
    /// What the invoice bears.
    pub fn amount(&self) -> Money {
        self.line.money(self.invoice.amount)
    }

    /// Credit memos against it.
    pub fn credited(&self) -> Money {
        self.line.money(self.invoice.credited)
    }

    /// What was paid and not taken back.
    pub fn paid(&self) -> Money {
        self.line.money(self.invoice.paid)
    }

    /// What is open.
    pub fn open(&self) -> Money {
        self.line.money(self.invoice.open())
    }

    /// Days since it was due; 0: it is not due yet.
    pub fn days(&self, today: &Date) -> i64 {
        self.invoice.due_on.until(*today).map_or(0, |span| i64::from(span.get_days().max(0)))
    }
}

/// A document that time alone will write.
#[derive(Debug, Clone, Copy)]
pub struct ToCome<'a> {
    /// Its contract.
    pub line: &'a Line,
    /// The document.
    pub document: &'a DocumentToCome,
}

impl ToCome<'_> {
    /// What it will bear, without a sign.
    pub fn amount(&self) -> Money {
        self.line.money(self.document.amount)
    }
}

/// Of things in an order, those at these places: the others are not sorted. Equals stay in the order in which they come.
pub fn window<T, K: Ord>(all: Vec<T>, places: Range<usize>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut keyed: Vec<(K, usize, T)> =
        all.into_iter().enumerate().map(|(place, one)| (key(&one), place, one)).collect();
    let order = |a: &(K, usize, T), b: &(K, usize, T)| (&a.0, a.1).cmp(&(&b.0, b.1));
    if places.end < keyed.len() {
        keyed.select_nth_unstable_by(places.end, order);
        keyed.truncate(places.end);
    }
    if places.start > 0 && places.start < keyed.len() {
        keyed.select_nth_unstable_by(places.start, order);
    }
    let mut shown = keyed.split_off(places.start.min(keyed.len()));
    shown.sort_unstable_by(order);
    shown.into_iter().map(|(.., one)| one).collect()
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
    let text = text.trim();
    text.is_empty() || names.iter().any(|name| contains(name, text))
}

/// Contracts whose id or customer contains a text, by id; where there is none, the one that has a document of this number.
///
/// # Errors
/// The store failed.
pub async fn contracts<'a>(
    env: &Environment,
    snapshot: &'a Snapshot,
    text: &str,
) -> Result<Vec<&'a Brief>, StoreError> {
    let all = snapshot.contracts.values().map(|line| &line.brief);
    let found: Vec<&Brief> = all.filter(|brief| is_named(text, &[&brief.contract, &brief.customer])).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let id = env.store.contract_of_number(text.trim().to_owned()).await?;
    let line = id.and_then(|id| snapshot.contracts.get(id.as_str()));
    Ok(line.map(|line| &line.brief).into_iter().collect())
}

/// By what a list is sorted: by a text, or by an amount, the largest of each currency first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Its word in an address; empty: the list is sorted so where nothing else is asked for.
    pub word: &'static str,
    /// Head of its column.
    pub title: &'static str,
    /// Whether the largest comes first.
    pub descends: bool,
}

const fn text(word: &'static str, title: &'static str) -> Order {
    Order { word, title, descends: false }
}

const fn largest(word: &'static str, title: &'static str) -> Order {
    Order { word, title, descends: true }
}

/// Orders of a list of contracts.
pub const OF_CONTRACTS: [Order; 8] = [
    text("", "Contract"),
    text("customer", "Customer"),
    largest("total", "Total"),
    largest("billed", "Billed, decided"),
    largest("remaining", "Remaining"),
    largest("recognised", "Recognised"),
    largest("deferred", "Deferred"),
    largest("waits", "Waits"),
];

/// Orders of a list of open invoices.
pub const OF_RECEIVABLES: [Order; 5] = [
    text("", "Due"),
    text("customer", "Customer"),
    text("date", "Date"),
    largest("amount", "Amount"),
    largest("open", "Open"),
];

/// What a row is sorted by: the text, then the amount, the largest first.
type Key<'a> = (&'a str, Option<Date>, Reverse<i64>);

/// Contracts in an order, those at these places.
pub fn contracts_by<'a>(rows: Vec<&'a Brief>, order: &str, places: Range<usize>) -> Vec<&'a Brief> {
    let key = |brief: &&'a Brief| -> Key<'a> {
        let of = |amount: i64| (brief.currency.code(), None, Reverse(amount));
        match order {
            "customer" => (&*brief.customer, None, Reverse(0)),
            "total" => of(brief.total),
            "billed" => of(brief.billed),
            "remaining" => of(brief.remaining),
            "recognised" => of(brief.recognised),
            "deferred" => of(brief.deferred),
            "waits" => {
                let waits = [brief.to_approve, brief.blocking, brief.warnings].map(i64::from);
                ("", None, Reverse(waits.into_iter().fold(0, i64::saturating_add)))
            }
            _ => ("", None, Reverse(0)),
        }
    };
    window(rows, places, key)
}

/// Open invoices in an order, those at these places: by the due date where no other order is asked for, those of one date by contract.
pub fn receivables_by<'a>(rows: Vec<Open<'a>>, order: &str, places: Range<usize>) -> Vec<Open<'a>> {
    // Keys of their own: there are hundreds of thousands of invoices, and a date is compared sooner than a text.
    let currency = |open: &Open<'a>| open.line.brief.currency.code();
    match order {
        "customer" => window(rows, places, |open| (&*open.line.brief.customer, open.invoice.due_on)),
        "date" => window(rows, places, |open| open.invoice.date),
        "amount" => window(rows, places, |open| (currency(open), Reverse(open.amount().minor()))),
        "open" => window(rows, places, |open| (currency(open), Reverse(open.open().minor()))),
        _ => window(rows, places, |open| open.invoice.due_on),
    }
}

/// Contracts of a customer, by id.
pub fn contracts_of<'a>(snapshot: &'a Snapshot, customer: &str) -> Vec<&'a Line> {
    let all = snapshot.contracts.values().map(Arc::as_ref);
    all.filter(|line| *line.brief.customer == *customer).collect()
}

/// Invoices that are open, by contract; overdue ones only, or all.
pub fn receivables<'a>(snapshot: &'a Snapshot, text: &str, overdue: bool, today: Date) -> Vec<Open<'a>> {
    let lines = snapshot.contracts.values().map(Arc::as_ref);
    let all = lines.flat_map(open_of).filter(|open| !overdue || open.invoice.due_on < today);
    let is_asked =
        |open: &Open<'_>| is_named(text, &[&open.line.brief.contract, &open.line.brief.customer, &open.invoice.number]);
    all.filter(is_asked).collect()
}

/// Invoices of a contract that are open.
pub fn open_of(line: &Line) -> impl Iterator<Item = Open<'_>> {
    line.open.iter().map(move |invoice| Open { line, invoice })
}

/// What is open by age, by currency.
pub fn ageing(rows: &[Open<'_>], today: Date) -> Vec<Aged> {
    aged(rows, today, |_| "").into_iter().map(|(_, aged)| aged).collect()
}

/// What is open by age, by customer and currency: of each currency the customer first who owes most.
pub fn ageing_of_customers<'a>(rows: &[Open<'a>], today: Date) -> Vec<(&'a str, Aged)> {
    let mut all = aged(rows, today, |open| &*open.line.brief.customer);
    all.sort_by_cached_key(|(_, aged)| (aged.currency.clone(), Reverse(aged.in_all().minor())));
    all
}

fn aged<'a>(rows: &[Open<'a>], today: Date, of: impl Fn(&Open<'a>) -> &'a str) -> Vec<(&'a str, Aged)> {
    let mut all: BTreeMap<(&str, Currency), [Minor; 5]> = BTreeMap::new();
    for row in rows {
        let buckets = all.entry((of(row), row.line.brief.currency)).or_default();
        let place = match row.days(&today) {
            0 => 0,
            1..=30 => 1,
            31..=60 => 2,
            61..=90 => 3,
            _ => 4,
        };
        if let Some(bucket) = buckets.get_mut(place) {
            *bucket += row.invoice.open().into();
        }
    }
    let aged = |((of, currency), buckets): ((&'a str, Currency), [Minor; 5])| {
        let buckets = buckets.map(|bucket| currency.money(bucket));
        (of, Aged { currency: currency.to_string(), buckets })
    };
    all.into_iter().map(aged).collect()
}

/// Sums of contracts and their open invoices, by currency.
pub fn sums(contracts: &[&Line]) -> Vec<Sums> {
    let mut by_currency: BTreeMap<Currency, [Minor; 5]> = BTreeMap::new();
    for line in contracts {
        let brief = &line.brief;
        let sums = by_currency.entry(brief.currency).or_default();
        let open: Minor = line.open.iter().map(|invoice| Minor::from(invoice.open())).sum();
        let amounts = [brief.total, brief.billed, brief.remaining, brief.deferred].map(Minor::from);
        for (sum, amount) in sums.iter_mut().zip(amounts.into_iter().chain([open])) {
            *sum += amount;
        }
    }
    let told = |(currency, sums): (Currency, [Minor; 5])| {
        let [total, billed, remaining, deferred, open] = sums.map(|sum| grouped(&currency.money(sum).to_string()));
        Sums { currency: currency.to_string(), total, billed, remaining, deferred, open }
    };
    by_currency.into_iter().map(told).collect()
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

/// Documents that time alone will write in a month, by contract.
pub fn to_come<'a>(snapshot: &'a Snapshot, text: &str, month: Date) -> Vec<ToCome<'a>> {
    let lines = snapshot.contracts.values().map(Arc::as_ref);
    let all = lines.flat_map(|line| line.to_come.iter().map(move |document| ToCome { line, document }));
    let of_it = all.filter(|to_come| to_come.document.date.first_of_month() == month);
    let is_asked = |to_come: &ToCome<'_>| {
        is_named(text, &[&to_come.line.brief.contract, &to_come.line.brief.customer, &to_come.document.number])
    };
    of_it.filter(is_asked).collect()
}

/// Documents at these places of a list in the order of their dates, and those of one date by contract.
pub fn by_date<'a>(rows: Vec<ToCome<'a>>, places: Range<usize>) -> Vec<ToCome<'a>> {
    window(rows, places, |to_come| to_come.document.date)
}

/// The sum of what will be written, by currency; credit memos are taken away.
pub fn sums_to_come(rows: &[ToCome<'_>]) -> Vec<String> {
    let mut sums: BTreeMap<Currency, Minor> = BTreeMap::new();
    for row in rows {
        *sums.entry(row.line.brief.currency).or_default() += row.document.signed().into();
    }
    let text = |(currency, sum): (Currency, Minor)| format!("{} {currency}", grouped(&currency.money(sum).to_string()));
    sums.into_iter().map(text).collect()
}
