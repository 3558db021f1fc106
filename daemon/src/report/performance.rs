//! Reports on how billing goes: the five metrics month by month from our own log, the cohort of a month with its red flags, and the
//! forecast of what is billed and paid. Each is a list, which pages, the API, the command line and exports show.
//!
//! What a month's value is made of can be looked at case by case: [`cases`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::contract::{DocumentKind, MilestoneView, Receivable};
use milestoned_mapping::money::Minor;
use milestoned_mapping::problem::Problem;
use milestoned_workbook::cell::Cell;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::close::{self, Figures, Month};
use super::export::List;
use crate::environment::Environment;
use crate::review::acts::Refused;
use crate::review::item::Item;
use crate::review::measures::{self, Case, Counted, Metric};
use crate::review::portfolio::{self, Booked};
use crate::review::snapshot::{Line, Snapshot, utc_date};
use crate::review::standing::Standing;
use crate::store::StoreError;

/// Months of a trend, the present one included.
const MONTHS: i32 = 12;
/// What stands in the place of a variance of a month that nobody has prepared.
pub const NOT_PREPARED: &str = "not prepared";
/// What a forecast calls a document that time alone will write.
const TO_BILL: &str = "to bill";
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
    for case in cases.chain(rejected.iter().map(|case| &case.counted)) {
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

/// What the value of a metric in a month is made of, what is not as it should be first. Only contracts that have such a case are
/// read.
///
/// # Errors
/// The store failed.
pub async fn cases(env: &Environment, snapshot: &Snapshot, metric: Metric, month: Month) -> Result<List, StoreError> {
    let columns = &["Contract", "Milestone", "As it should be", "Days", "What happened"];
    let mut list = List::new("cases", columns, format!("{} in {}", metric.title(), month.in_words()));
    let is_of_it = |case: &Case| case.counted.metric == metric && case.counted.month == month.first();
    let mut own = rejections(env).await?;
    own.retain(is_of_it);
    let has_one = |(_, line): &(&String, &Arc<Line>)| line.measures.has(metric, month.first());
    let ids: Vec<String> = snapshot.contracts.iter().filter(has_one).map(|(id, _)| id.clone()).collect();
    for some in ids.chunks(portfolio::AT_ONCE) {
        for contract in portfolio::states(env, some).await? {
            own.extend(measures::cases(&contract).into_iter().filter(is_of_it));
        }
    }
    let order = |case: &Case| (case.counted.good, -case.counted.days);
    own.sort_by(|a, b| (order(a), &a.contract, &a.milestone).cmp(&(order(b), &b.contract, &b.milestone)));
    list.rows.extend(own.into_iter().map(|case| {
        vec![
            Cell::text(case.contract),
            Cell::text(case.milestone),
            Cell::text(if case.counted.good { "yes" } else { "no" }),
            Cell::Count(case.counted.days.into()),
            Cell::text(case.said),
        ]
    }));
    Ok(list)
}

/// The milestones that were accepted or invoiced in a month, and how far each has come: issued, in the ERP, paid; what is wrong
/// first.
///
/// # Errors
/// The store failed.
pub async fn cohort(env: &Environment, snapshot: &Snapshot, month: Month, today: Date) -> Result<List, StoreError> {
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
    let mut items: BTreeMap<(&String, &String), &Item> = BTreeMap::new();
    for item in snapshot.items.iter().filter(|item| matches!(item.kind, "exception" | "drift" | "approval")) {
        if let (Some(contract), Some(milestone)) = (&item.contract, &item.milestone) {
            items.entry((contract, milestone)).or_insert(item);
        }
    }
    let has_one = |(_, line): &(&String, &Arc<Line>)| line.measures.due.contains(&month.first());
    let ids: Vec<String> = snapshot.contracts.iter().filter(has_one).map(|(id, _)| id.clone()).collect();
    let mut rows = Vec::new();
    for some in ids.chunks(portfolio::AT_ONCE) {
        let documents = portfolio::documents_of(env, snapshot, some).await?;
        let standings: BTreeMap<String, Standing> =
            documents.into_iter().map(|line| (line.document.number, line.standing)).collect();
        for booked in portfolio::booked_of(env, some).await? {
            let (receivables, id) = (booked.state.receivables(), booked.state.terms().id().to_owned());
            for milestone in booked.state.milestones() {
                if measures::due(milestone.accepted_on, milestone.invoiced_on) == Some(month.first()) {
                    let expected = [milestone.accepted_on, milestone.invoiced_on].into_iter().flatten().min();
                    let item = items.get(&(&id, &milestone.id)).copied();
                    rows.push(cohort_row((&booked, &milestone, expected), &receivables, &standings, item, today));
                }
            }
        }
    }
    rows.sort_by_key(|(flagged, _)| !*flagged);
    list.rows.extend(rows.into_iter().map(|(_, row)| row));
    Ok(list)
}

fn cohort_row(
    (booked, milestone, expected): (&Booked, &MilestoneView, Option<Date>),
    receivables: &[Receivable],
    standings: &BTreeMap<String, Standing>,
    item: Option<&Item>,
    today: Date,
) -> (bool, Vec<Cell>) {
    let terms = booked.state.terms();
    let (id, currency) = (terms.id(), terms.currency());
    let own: Vec<&Receivable> = receivables.iter().filter(|invoice| invoice.milestone == milestone.id).collect();
    let standing: Option<Standing> = own.iter().filter_map(|invoice| standings.get(&invoice.number)).min().copied();
    let late = own.iter().filter(|invoice| invoice.open.units() > Minor::ZERO && invoice.due_on < today).count();
    let flag = match (own.is_empty(), standing) {
        (true, _) => "accepted, and no invoice".to_owned(),
        (false, Some(standing)) if !standing.is_there() => format!("issued, and not in the ERP: {standing}"),
        _ if late > 0 => "not paid, and overdue".to_owned(),
        _ => item.map(|item| item.title.clone()).unwrap_or_default(),
    };
    let sum = |amount: fn(&Receivable) -> Minor| {
        currency.money(own.iter().map(|receivable| amount(receivable)).sum()).to_string()
    };
    let numbers: Vec<&str> = own.iter().map(|invoice| invoice.number.as_str()).collect();
    let row = vec![
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
    ];
    (!flag.is_empty(), row)
}

/// What comes in, by month: a document that time alone will write, or money for one that is open or will be written. What is
/// overdue for longer than its customer has ever been late on average has no month.
struct Expected {
    month: Option<Month>,
    row: Vec<Cell>,
}

/// What will be billed and paid in the months to come. A customer is expected to pay as late as they did so far, on average; by
/// when an invoice is paid whose day passed without a payment, nobody knows: it is overdue, and expected on no date.
pub fn forecast(snapshot: &Snapshot, today: Date) -> List {
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
        let late = lateness.get(line.summary.customer.as_str()).copied();
        expected.extend(coming(line, (today, until), late));
    }
    expected.retain(|expected| expected.month.is_none_or(|month| month.first() <= until));
    let place = |expected: &Expected| expected.row.iter().skip(1).take(2).map(Cell::shown).collect::<Vec<_>>();
    expected.sort_by_key(|expected| (expected.month.is_none(), expected.month, place(expected)));
    for expectation in expected {
        if let [_, what, .., currency, amount] = expectation.row.as_slice() {
            list.add(&what.shown(), &currency.shown(), &amount.shown());
        }
        list.rows.push(expectation.row);
    }
    list
}

/// Days that each customer has paid late, on average over their paid invoices.
fn lateness(snapshot: &Snapshot) -> BTreeMap<&str, i64> {
    let mut paid: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for line in snapshot.contracts.values() {
        let (days, count) = line.measures.late;
        let of = paid.entry(&line.summary.customer).or_default();
        *of = (of.0.saturating_add(days), of.1.saturating_add(count));
    }
    paid.into_iter().filter_map(|(customer, (days, count))| Some((customer, days.checked_div(count)?))).collect()
}

/// What is open of a contract, and what time alone will write for it until a date.
fn coming(line: &Line, (today, until): (Date, Date), late: Option<i64>) -> Vec<Expected> {
    let (summary, currency) = (&line.summary, line.deferred.currency());
    let mut expected = Vec::new();
    let mut push = |what: &str, milestone: &str, number: &str, (due, on): (Date, Option<Date>), amount: String| {
        let month = on.map(Month::of);
        let late = late.filter(|_| what != TO_BILL).map_or_else(|| Cell::text(""), Cell::Count);
        let row = vec![
            month.map_or_else(|| Cell::text("no date"), Cell::text),
            Cell::text(what),
            Cell::text(&summary.contract),
            Cell::text(milestone),
            Cell::text(&summary.customer),
            Cell::text(number),
            Cell::text(due),
            late,
            Cell::optional(on),
            Cell::text(currency),
            Cell::Amount(amount),
        ];
        expected.push(Expected { month, row });
    };
    let paid_on = |due: Date| due.saturating_add(late.unwrap_or(0).days());
    for receivable in &line.open {
        let on = Some(paid_on(receivable.due_on)).filter(|on| *on >= today);
        let what = if on.is_some() { "cash" } else { "overdue" };
        push(what, &receivable.milestone, &receivable.number, (receivable.due_on, on), receivable.open.to_string());
    }
    for document in line.to_come.iter().filter(|document| document.date <= until) {
        let credits = document.kind == DocumentKind::CreditMemo;
        let amount = if credits { currency.money(-document.amount.units()) } else { document.amount }.to_string();
        let (milestone, number, due) = (&document.milestone, &document.number, document.due_on);
        push(TO_BILL, milestone, number, (due, Some(document.date)), amount.clone());
        push("cash", milestone, number, (due, Some(paid_on(due).max(today))), amount);
    }
    expected
}

/// A report by its name; `metric` counts for cases alone, `month` for cases and cohorts.
///
/// # Errors
/// There is no such report or metric, or the store failed.
pub async fn named(
    env: &Environment,
    snapshot: &Snapshot,
    (name, metric): (&str, &str),
    month: Month,
    today: Date,
) -> Result<List, Refused> {
    Ok(match name {
        "metrics" => metrics(env, snapshot, today).await?,
        "cases" => cases(env, snapshot, metric.parse().map_err(Refused::Invalid)?, month).await?,
        "cohort" => cohort(env, snapshot, month, today).await?,
        "forecast" => forecast(snapshot, today),
        _ => {
            let remedy = "one of metrics, cases, cohort, forecast";
            return Err(Refused::Missing(Problem::new("report", format!("there is no report {name:?}"), remedy)));
        }
    })
}

/// Sums of a forecast: month, what, amounts by currency.
pub fn sums(forecast: &List) -> Vec<(String, String, String)> {
    let mut sums: BTreeMap<(String, String), BTreeMap<String, Decimal>> = BTreeMap::new();
    for row in &forecast.rows {
        if let [month, what, .., currency, amount] = row.as_slice() {
            let of = sums.entry((month.shown(), what.shown())).or_default().entry(currency.shown()).or_default();
            *of = of.saturating_add(amount.shown().parse().unwrap_or_default());
        }
    }
    let text = |amounts: BTreeMap<String, Decimal>| {
        let all: Vec<String> = amounts
            .into_iter()
            .map(|(currency, sum)| format!("{} {currency}", milestoned_mapping::money::grouped(&sum.to_string())))
            .collect();
        all.join(", ")
    };
    sums.into_iter().map(|((month, what), amounts)| (month, what, text(amounts))).collect()
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
