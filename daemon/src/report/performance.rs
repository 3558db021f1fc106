//! Reports on how billing goes: the five metrics month by month from our own log, the cohort of a month with its red flags, and the
//! forecast of what is billed and paid. Each is a list, which pages, the API, the command line and exports show.
//!
//! What a month's value is made of can be looked at case by case: [`cases`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::contract::{MilestoneView, Receivable};
use milestoned_mapping::money::{Currency, Minor, grouped};
use milestoned_mapping::problem::Problem;
use milestoned_workbook::cell::Cell;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::close::{self, Figures, Month};
use super::export::List;
use crate::environment::Environment;
use crate::review::acts::Refused;
use crate::review::entry::Entry;
use crate::review::line::Line;
use crate::review::listing::window;
use crate::review::measures::{self, Case, Counted, Due, Metric};
use crate::review::portfolio::{self, Booked};
use crate::review::snapshot::{Snapshot, utc_date};
use crate::review::standing::Standing;
use crate::store::StoreError;

/// Months of a trend, the present one included.
const MONTHS: i32 = 12;
/// What stands in the place of a variance of a month that nobody has prepared.
pub const NOT_PREPARED: &str = "not prepared";
/// Months that a forecast looks ahead, the present one included.
const AHEAD: i32 = 6;

impl Metric {
    /// Whether a value as it is shown misses its aim: an invoice within a day of acceptance, 98 % right at the first sending, all
    /// revenue in its month, at most 2 % disputed.
    pub fn misses(self, shown: &str) -> bool {
        tenths(shown).is_some_and(|value| match self {
            Self::CycleTime => value > 10,
            Self::FirstSend => value < 980,
            Self::PeriodAccuracy => value < 1_000,
            Self::DisputeRate => value > 20,
        })
    }
}

/// A value as it is shown, `1.5 d` or `98.0 %`, in tenths; none where nothing counted.
pub fn tenths(shown: &str) -> Option<i128> {
    let number: Decimal = shown.split(' ').next()?.parse().ok()?;
    number.checked_mul(Decimal::TEN)?.trunc().to_i128()
}

/// Rejections as cases: they leave nothing in a contract's state.
async fn rejections(env: &Environment) -> Result<Vec<Case>, StoreError> {
    let rejections = env.store.rejections().await?.into_iter().map(|rejection| {
        let on = rejection.fact.on.unwrap_or_else(|| utc_date(rejection.fact.at));
        Case {
            counted: Counted { metric: Metric::DisputeRate, month: on.first_of_month(), good: false, days: 0 },
            milestone: rejection.fact.event.milestone().unwrap_or_default().to_owned(),
            contract: rejection.contract,
            said: format!("rejected {on}"),
        }
    });
    Ok(rejections.collect())
}

/// A share in percent with one digit behind the point; empty where nothing counts.
fn share(part: usize, of: usize) -> String {
    let tenths = part.saturating_mul(1_000).saturating_add(of / 2).checked_div(of);
    tenths.map_or_else(String::new, |tenths| format!("{}.{} %", tenths / 10, tenths % 10))
}

/// The value of a metric from its cases: the median of days, or a share.
fn value(metric: Metric, cases: &[Counted]) -> String {
    let good = cases.iter().filter(|case| case.good).count();
    match metric {
        Metric::CycleTime => {
            let mut all: Vec<i64> = cases.iter().map(|case| case.days.into()).collect();
            all.sort_unstable();
            median(&all)
        }
        Metric::FirstSend | Metric::PeriodAccuracy => share(good, cases.len()),
        Metric::DisputeRate => share(cases.len().saturating_sub(good), cases.len()),
    }
}

/// The median of days in ascending order; of an even number of them what lies between the two in the middle.
fn median(days: &[i64]) -> String {
    let upper = days.len() / 2;
    let lower = days.len().saturating_sub(1) / 2;
    let (Some(low), Some(high)) = (days.get(lower), days.get(upper)) else { return String::new() };
    let twice = low.saturating_add(*high);
    let half = if twice % 2 == 0 { "" } else { ".5" };
    format!("{}{half} d", twice / 2)
}

/// The months of a trend, the latest first.
fn trend(today: Date) -> Vec<Month> {
    (0..MONTHS).map(|back| Month::of(today.first_of_month().saturating_sub(back.months()))).collect()
}

/// The five metrics, month by month, the latest first.
///
/// # Errors
/// The store failed.
pub async fn metrics(env: &Environment, snapshot: &Snapshot, today: Date) -> Result<List, Refused> {
    let columns = &[
        "Month",
        "Milestone-to-invoice cycle time",
        "First-send accuracy",
        "Period accuracy",
        "Deferred revenue variance",
        "Dispute rate",
        "Invoices",
    ];
    let mut all: BTreeMap<(Metric, Date), Vec<Counted>> = BTreeMap::new();
    let rejected = rejections(env).await?;
    let cases = snapshot.contracts.values().flat_map(|line| line.measures.cases.iter());
    let since = trend(today).last().map(|month| month.first());
    let cases = cases.chain(rejected.iter().map(|case| &case.counted));
    for case in cases.filter(|case| since.is_none_or(|since| since <= case.month)) {
        all.entry((case.metric, case.month)).or_default().push(*case);
    }
    let mut list = List::new("metrics", columns, format!("the {MONTHS} months up to {}", Month::of(today)));
    let variances = variances(env).await?;
    for month in trend(today) {
        let of = |metric: Metric| all.get(&(metric, month.first())).map(Vec::as_slice).unwrap_or_default();
        let told = |metric: Metric| Cell::text(value(metric, of(metric)));
        let variance = variances.get(&month.to_string()).map_or(NOT_PREPARED, String::as_str);
        list.rows.push(vec![
            Cell::text(month),
            told(Metric::CycleTime),
            told(Metric::FirstSend),
            told(Metric::PeriodAccuracy),
            Cell::text(variance),
            told(Metric::DisputeRate),
            Cell::Count(i64::try_from(of(Metric::FirstSend).len()).unwrap_or(i64::MAX)),
        ]);
    }
    Ok(list)
}

/// By how much the ERPs' ledgers differed from the contract liability when each month was prepared, by currency. A package is
/// read once: its digest stands for what it says.
async fn variances(env: &Environment) -> Result<BTreeMap<String, String>, Refused> {
    let mut known = env.variances.lock().await;
    let (mut by_month, mut by_digest) = (BTreeMap::new(), BTreeMap::new());
    for package in env.store.close_packages().await? {
        let variance = match known.get(&package.digest) {
            Some(variance) => variance.clone(),
            None => variance(&close::kept(env, package.month.parse().map_err(Refused::Invalid)?).await?.1),
        };
        by_digest.insert(package.digest, variance.clone());
        by_month.insert(package.month, variance);
    }
    *known = by_digest;
    Ok(by_month)
}

fn variance(figures: &Figures) -> String {
    let label = figures.standard.labels().liability;
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in figures.sheets.iter().filter(|sheet| sheet.name == "Tie-out").flat_map(|sheet| &sheet.rows) {
        if let [_, account, currency, _, _, difference, ..] = row.as_slice()
            && account.shown() == label
        {
            let differs: Decimal = difference.shown().parse().unwrap_or_default();
            let sum = sums.entry(currency.shown()).or_default();
            *sum = sum.saturating_add(differs.abs());
        }
    }
    let told: Vec<String> =
        sums.iter().filter(|(_, sum)| !sum.is_zero()).map(|(currency, sum)| format!("{sum} {currency}")).collect();
    match (told.is_empty(), sums.is_empty()) {
        (false, _) => told.join(", "),
        (true, false) => "0".into(),
        (true, true) => "no ledger was read".into(),
    }
}

/// Rows of a report that somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Every row.
    All,
    /// Those of a page: its number from 1, the last where there are not so many, and how many rows a page has.
    Page(usize, usize),
}

impl Rows {
    fn of(self, count: usize) -> Range<usize> {
        match self {
            Self::All => 0..count,
            Self::Page(number, rows) => {
                let last = count.div_ceil(rows.max(1)).max(1);
                let from = number.clamp(1, last).saturating_sub(1).saturating_mul(rows);
                from.min(count)..from.saturating_add(rows).min(count)
            }
        }
    }
}

/// A report: the rows that were asked for, and what all of its rows come to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The rows.
    pub list: List,
    /// How many rows there are.
    pub count: usize,
    /// Sums of a forecast: month, what, amounts by currency.
    pub sums: Vec<(String, String, String)>,
}

impl Report {
    fn of(list: List, count: usize) -> Self {
        Self { list, count, sums: Vec::new() }
    }
}

/// What the value of a metric in a month is made of, what is not as it should be first. Only contracts whose cases are wanted are
/// read.
///
/// # Errors
/// The store failed.
pub async fn cases(
    env: &Environment,
    snapshot: &Snapshot,
    metric: Metric,
    month: Month,
    rows: Rows,
) -> Result<Report, StoreError> {
    let columns = &["Contract", "Milestone", "As it should be", "Days", "What happened"];
    let mut list = List::new("cases", columns, format!("{} in {}", metric.title(), month.in_words()));
    let counts = |counted: &Counted| counted.metric == metric && counted.month == month.first();
    let mut rejected = rejections(env).await?;
    rejected.retain(|case| counts(&case.counted));
    let lines = snapshot.contracts.values();
    let own = lines.flat_map(|line| line.measures.cases.iter().map(move |case| (&*line.brief.contract, case)));
    let own = own.filter(|(_, case)| counts(case)).map(|(contract, case)| (order(case), contract));
    let mut places: Vec<((bool, i32), &str)> = own.collect();
    places.extend(rejected.iter().map(|case| (order(&case.counted), case.contract.as_str())));
    places.sort();
    let (count, wanted) = (places.len(), rows.of(places.len()));
    let shown = places.get(wanted.clone()).unwrap_or_default();
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else { return Ok(Report::of(list, count)) };
    // Cases of one contract that count alike stand together: those of the first and the last place are read whole.
    let from = places.partition_point(|place| place < first);
    let is_within = |case: &Case| {
        let place = (order(&case.counted), case.contract.as_str());
        counts(&case.counted) && *first <= place && place <= *last
    };
    let ids: BTreeSet<&str> = shown.iter().map(|(_, contract)| *contract).collect();
    let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
    let mut read = Vec::new();
    for some in ids.chunks(portfolio::AT_ONCE) {
        for contract in portfolio::states(env, some).await? {
            read.extend(measures::cases(&contract).into_iter().filter(is_within));
        }
    }
    read.extend(rejected.iter().filter(|case| is_within(case)).cloned());
    read.sort_by(|a, b| {
        (order(&a.counted), &a.contract, &a.milestone).cmp(&(order(&b.counted), &b.contract, &b.milestone))
    });
    let shown = read.into_iter().skip(wanted.start.saturating_sub(from)).take(wanted.len());
    list.rows.extend(shown.map(|case| {
        vec![
            Cell::text(case.contract),
            Cell::text(case.milestone),
            Cell::text(if case.counted.good { "yes" } else { "no" }),
            Cell::Count(case.counted.days.into()),
            Cell::text(case.said),
        ]
    }));
    Ok(Report::of(list, count))
}

/// What is not as it should be comes first, then what took longest.
fn order(case: &Counted) -> (bool, i32) {
    (case.good, case.days.saturating_neg())
}

/// The milestones that were accepted or invoiced in a month, and how far each has come: issued, in the ERP, paid; what is wrong
/// first. Only contracts whose milestones are wanted are read.
///
/// # Errors
/// The store failed.
pub async fn cohort(
    env: &Environment,
    snapshot: &Snapshot,
    month: Month,
    today: Date,
    rows: Rows,
) -> Result<Report, StoreError> {
    let columns = &[
        "Contract",
        "Milestone",
        "Customer",
        "ERP",
        "Expected",
        "Issued",
        "Stands there as",
        "Currency",
        "Amount",
        "Paid",
        "Open",
        "Red flag",
        "Exception",
    ];
    let mut list = List::new("cohort", columns, format!("accepted or invoiced in {}", month.in_words()));
    let lines = snapshot.contracts.values();
    let due = lines.flat_map(|line| line.measures.due.iter().map(move |due| (line, due)));
    let of_it: Vec<(&Arc<Line>, &Due)> = due.filter(|(_, due)| due.month == month.first()).collect();
    let count = of_it.len();
    let shown = window(of_it, rows.of(count), |(line, due)| !is_flagged(snapshot, line, due, today));
    let mut ids: Vec<String> = shown.iter().map(|(line, _)| line.brief.contract.to_string()).collect();
    ids.sort();
    ids.dedup();
    let mut made: BTreeMap<(String, String), Vec<Cell>> = BTreeMap::new();
    for some in ids.chunks(portfolio::AT_ONCE) {
        let documents = portfolio::documents_of(env, snapshot, some).await?;
        let standings: BTreeMap<String, Standing> =
            documents.into_iter().map(|line| (line.document.number, line.standing)).collect();
        for booked in portfolio::booked_of(env, some).await? {
            let (receivables, id) = (booked.state.receivables(), booked.state.terms().id().to_owned());
            for milestone in booked.state.milestones() {
                let expected = [milestone.accepted_on, milestone.invoiced_on].into_iter().flatten().min();
                let item = exception_of(snapshot, &id, &milestone.id);
                let row = cohort_row((&booked, &milestone, expected), &receivables, &standings, item, today);
                made.insert((id.clone(), milestone.id), row);
            }
        }
    }
    let row =
        |(line, due): (&Arc<Line>, &Due)| made.remove(&(line.brief.contract.to_string(), due.milestone.to_string()));
    list.rows.extend(shown.into_iter().filter_map(row));
    Ok(Report::of(list, count))
}

/// The first thing that waits about a milestone that was billed or is to be.
fn exception_of<'a>(snapshot: &'a Snapshot, contract: &str, milestone: &str) -> Option<&'a Entry> {
    let entries = snapshot.waiting_of(contract).iter().map(AsRef::as_ref);
    let mut of_it = entries.filter(|entry: &&Entry| entry.milestone.as_deref() == Some(milestone));
    of_it.find(|entry| matches!(entry.kind(), "exception" | "drift" | "approval"))
}

/// Whether something is wrong with a milestone: see [`cohort_row`], which says what.
fn is_flagged(snapshot: &Snapshot, line: &Line, due: &Due, today: Date) -> bool {
    let is_late = || line.open.iter().any(|invoice| invoice.milestone == due.milestone && invoice.due_on < today);
    !due.is_invoiced
        || due.is_missing
        || is_late()
        || exception_of(snapshot, &line.brief.contract, &due.milestone).is_some()
}

fn cohort_row(
    (booked, milestone, expected): (&Booked, &MilestoneView, Option<Date>),
    receivables: &[Receivable],
    standings: &BTreeMap<String, Standing>,
    item: Option<&Entry>,
    today: Date,
) -> Vec<Cell> {
    let terms = booked.state.terms();
    let (id, currency) = (terms.id(), terms.currency());
    let own: Vec<&Receivable> = receivables.iter().filter(|invoice| invoice.milestone == milestone.id).collect();
    let standing: Option<Standing> = own.iter().filter_map(|invoice| standings.get(&invoice.number)).min().copied();
    let late = own.iter().filter(|invoice| invoice.open.units() > Minor::ZERO && invoice.due_on < today).count();
    let flag = match (own.is_empty(), standing) {
        (true, _) => "accepted, and no invoice".to_owned(),
        (false, Some(standing)) if !standing.is_there() => format!("issued, and not in the ERP: {standing}"),
        _ if late > 0 => "not paid, and overdue".to_owned(),
        _ => item.map(|item| item.title.to_string()).unwrap_or_default(),
    };
    let sum = |amount: fn(&Receivable) -> Minor| {
        currency.money(own.iter().map(|receivable| amount(receivable)).sum()).to_string()
    };
    let numbers: Vec<&str> = own.iter().map(|invoice| invoice.number.as_str()).collect();
    vec![
        Cell::text(id),
        Cell::text(&milestone.id),
        Cell::text(terms.customer()),
        Cell::text(&booked.erp),
        Cell::optional(expected),
        Cell::text(numbers.join(", ")),
        Cell::optional(standing),
        Cell::text(currency),
        Cell::Amount(milestone.amount.to_string()),
        Cell::Amount(sum(|invoice| invoice.paid.units())),
        Cell::Amount(sum(|invoice| invoice.open.units())),
        Cell::text(&flag),
        Cell::optional(item.map(|item| item.subject.to_string())),
    ]
}

/// What is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Cash,
    Overdue,
    ToBill,
}

impl What {
    /// What a forecast calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Overdue => "overdue",
            Self::ToBill => "to bill",
        }
    }
}

/// What comes in: a document that time alone will write, or money for one that is open or will be written. What is
/// overdue for longer than its customer has ever been late on average has no date.
#[derive(Clone, Copy)]
struct Expected<'a> {
    line: &'a Line,
    what: What,
    milestone: &'a str,
    number: &'a str,
    due: Date,
    on: Option<Date>,
    amount: i64,
    /// Days that the customer has paid late so far.
    late: Option<i64>,
}

impl Expected<'_> {
    fn row(&self) -> Vec<Cell> {
        let (brief, month) = (&self.line.brief, self.on.map(Month::of));
        let late = self.late.filter(|_| self.what != What::ToBill);
        vec![
            month.map_or_else(|| Cell::text("no date"), Cell::text),
            Cell::text(self.what.word()),
            Cell::text(&brief.contract),
            Cell::text(self.milestone),
            Cell::text(&brief.customer),
            Cell::text(self.number),
            Cell::text(self.due),
            late.map_or_else(|| Cell::text(""), Cell::Count),
            Cell::optional(self.on),
            Cell::text(brief.currency),
            Cell::Amount(self.line.money(self.amount).to_string()),
        ]
    }
}

/// What will be billed and paid in the months to come. A customer is expected to pay as late as they did so far, on average; by
/// when an invoice is paid whose day passed without a payment, nobody knows: it is overdue, and expected on no date.
pub fn forecast(snapshot: &Snapshot, today: Date, rows: Rows) -> Report {
    let columns = &[
        "Month",
        "What",
        "Contract",
        "Milestone",
        "Customer",
        "Document",
        "Due",
        "Days late so far",
        "Expected on",
        "Currency",
        "Amount",
    ];
    let until = Month::of(today.saturating_add((AHEAD - 1).months())).last();
    let mut list = List::new("forecast", columns, format!("{today} to {until}"));
    let lateness = lateness(snapshot);
    let mut expected = Vec::new();
    for line in snapshot.contracts.values() {
        let late = lateness.get(&*line.brief.customer).copied();
        expected.extend(coming(line, (today, until), late));
    }
    expected.retain(|flow| flow.on.is_none_or(|on| Month::of(on).first() <= until));
    let (mut sums, mut by_month) = (BTreeMap::<_, Minor>::new(), BTreeMap::<_, BTreeMap<Currency, Minor>>::new());
    for flow in &expected {
        let (amount, currency) = (Minor::from(flow.amount), flow.line.brief.currency);
        *sums.entry((flow.what, currency)).or_default() += amount;
        let month = flow.on.map(Month::of);
        let of_month = by_month.entry((month.is_none(), month, flow.what)).or_default();
        *of_month.entry(currency).or_default() += amount;
    }
    for ((what, currency), sum) in sums {
        list.add(what.word(), currency.code(), &currency.money(sum).to_string());
    }
    let count = expected.len();
    let place = |flow: &Expected<'_>| (flow.on.is_none(), flow.on.map(Month::of), flow.what);
    list.rows.extend(window(expected, rows.of(count), place).iter().map(Expected::row));
    let told = by_month.into_iter().map(|((_, month, what), amounts)| {
        let month = month.map_or_else(|| "no date".to_owned(), |month| month.to_string());
        let text =
            |(currency, sum): (Currency, Minor)| format!("{} {currency}", grouped(&currency.money(sum).to_string()));
        (month, what.word().to_owned(), amounts.into_iter().map(text).collect::<Vec<_>>().join(", "))
    });
    Report { sums: told.collect(), list, count }
}

/// Days that each customer has paid late, on average over their paid invoices.
fn lateness(snapshot: &Snapshot) -> BTreeMap<&str, i64> {
    let mut paid: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for line in snapshot.contracts.values() {
        let (days, count) = line.measures.late;
        let of = paid.entry(&line.brief.customer).or_default();
        *of = (of.0.saturating_add(days), of.1.saturating_add(count));
    }
    paid.into_iter().filter_map(|(customer, (days, count))| Some((customer, days.checked_div(count)?))).collect()
}

/// What is open of a contract, and what time alone will write for it until a date.
fn coming(line: &Line, (today, until): (Date, Date), late: Option<i64>) -> impl Iterator<Item = Expected<'_>> {
    let paid_on = move |due: Date| due.saturating_add(late.unwrap_or(0).days());
    let open = line.open.iter().map(move |invoice| {
        let on = Some(paid_on(invoice.due_on)).filter(|on| *on >= today);
        let what = if on.is_some() { What::Cash } else { What::Overdue };
        let (milestone, number) = (&*invoice.milestone, &*invoice.number);
        Expected { line, what, milestone, number, due: invoice.due_on, on, amount: invoice.open(), late }
    });
    let to_come = line.to_come.iter().filter(move |document| document.date <= until).flat_map(move |document| {
        let (milestone, number, due) = (&*document.milestone, &*document.number, document.due_on);
        let expected = move |what: What, on: Date| Expected {
            line,
            what,
            milestone,
            number,
            due,
            on: Some(on),
            amount: document.signed(),
            late,
        };
        [expected(What::ToBill, document.date), expected(What::Cash, paid_on(due).max(today))]
    });
    open.chain(to_come)
}

/// A report by its name; `metric` counts for cases alone, `month` for cases and cohorts.
///
/// # Errors
/// There is no such report or metric, or the store failed.
pub async fn named(
    env: &Environment,
    snapshot: &Snapshot,
    (name, metric): (&str, &str),
    (month, today): (Month, Date),
    rows: Rows,
) -> Result<Report, Refused> {
    Ok(match name {
        "metrics" => {
            let list = metrics(env, snapshot, today).await?;
            let count = list.rows.len();
            Report::of(list, count)
        }
        "cases" => cases(env, snapshot, metric.parse().map_err(Refused::Invalid)?, month, rows).await?,
        "cohort" => cohort(env, snapshot, month, today, rows).await?,
        "forecast" => forecast(snapshot, today, rows),
        _ => {
            let remedy = "one of metrics, cases, cohort, forecast";
            return Err(Refused::Missing(Problem::new("report", format!("there is no report {name:?}"), remedy)));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(good: bool, days: i32) -> Counted {
        Counted { metric: Metric::CycleTime, month: jiff::civil::date(2026, 3, 1), good, days }
    }

    #[test]
    fn values_are_medians_and_shares_and_nothing_where_nothing_counts() {
        let all = [case(true, 0), case(true, 1), case(false, 30)];
        assert_eq!(value(Metric::CycleTime, &all), "1 d");
        assert_eq!(value(Metric::CycleTime, &all[1..]), "15.5 d");
        assert_eq!(value(Metric::CycleTime, &[]), "");
        assert_eq!(value(Metric::FirstSend, &all), "66.7 %");
        assert_eq!(value(Metric::DisputeRate, &all), "33.3 %");
        assert_eq!(value(Metric::PeriodAccuracy, &[]), "");
        let misses = |metric: Metric, shown: &str| metric.misses(shown);
        assert!(misses(Metric::CycleTime, "1.5 d") && !misses(Metric::CycleTime, "1 d"));
        assert!(misses(Metric::FirstSend, "97.9 %") && !misses(Metric::FirstSend, "98.0 %"));
        assert!(misses(Metric::DisputeRate, "2.1 %") && !misses(Metric::DisputeRate, ""));
    }
}
