//! Reports on how billing goes: the five metrics month by month from our own log, the cohort of a month with its red flags, and the
//! forecast of what is billed and paid. Each is a list, which pages, the API, the command line and exports show.
//!
//! What a month's value is made of can be looked at case by case: [`cases`].

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::contract::{Contract, DocumentKind, IssuedDocument, MilestoneView, Receivable};
use milestoned_mapping::money::{Currency, Minor};
use milestoned_mapping::problem::Problem;
use milestoned_workbook::cell::Cell;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::close::{self, Month};
use super::export::List;
use crate::environment::Environment;
use crate::review::acts::Refused;
use crate::review::item::Item;
use crate::review::portfolio::{self, Booked, DocumentLine};
use crate::review::queue::{Filter, queue};
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

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Days from acceptance to invoice, by month of the invoice.
    CycleTime,
    /// Invoices that were never credited or withdrawn, by month of the invoice.
    FirstSend,
    /// Revenue that was booked in the month of its acceptance, by month of the booking.
    PeriodAccuracy,
    /// Customers' answers that were rejections, by month of the answer.
    DisputeRate,
}

impl Metric {
    /// All that have cases.
    pub const ALL: [Self; 4] = [Self::CycleTime, Self::FirstSend, Self::PeriodAccuracy, Self::DisputeRate];

    /// Its word in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Self::CycleTime => "cycle-time",
            Self::FirstSend => "first-send",
            Self::PeriodAccuracy => "period",
            Self::DisputeRate => "disputes",
        }
    }

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::CycleTime => "Milestone-to-invoice cycle time",
            Self::FirstSend => "First-send accuracy",
            Self::PeriodAccuracy => "Period accuracy",
            Self::DisputeRate => "Dispute rate",
        }
    }
}

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

impl std::str::FromStr for Metric {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let names = Self::ALL.map(Self::word).join(", ");
        let wrong = || Problem::new("metric", format!("{text:?} is none of them"), format!("write one of {names}"));
        Self::ALL.into_iter().find(|metric| metric.word() == text).ok_or_else(wrong)
    }
}

/// One case of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    metric: Metric,
    month: Month,
    contract: String,
    milestone: String,
    /// It is as it should be.
    good: bool,
    /// Days, where they are measured.
    days: i64,
    said: String,
}

fn days(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// What one contract tells of each metric.
fn told(contract: &Contract) -> Vec<Case> {
    let mut cases = Vec::new();
    let id = contract.terms().id();
    let case = |metric, on: Date, milestone: &str, good, days, said: String| Case {
        metric,
        month: Month::of(on),
        contract: id.to_owned(),
        milestone: milestone.to_owned(),
        good,
        days,
        said,
    };
    for milestone in contract.milestones() {
        if let (Some(accepted), Some(invoiced)) = (milestone.accepted_on, milestone.invoiced_on)
            && invoiced >= accepted
        {
            let took = days(accepted, invoiced);
            let said = format!("accepted {accepted}, invoiced {invoiced}");
            cases.push(case(Metric::CycleTime, invoiced, &milestone.id, took <= 1, took, said));
        }
        if let (Some(accepted), Some(booked)) = (milestone.accepted_on, contract.booked_on(&milestone.id)) {
            let good = Month::of(accepted) == Month::of(booked);
            let said = format!("accepted {accepted}, revenue booked {booked}");
            cases.push(case(Metric::PeriodAccuracy, booked, &milestone.id, good, days(accepted, booked), said));
        }
        if let Some(accepted) = milestone.accepted_on {
            cases.push(case(Metric::DisputeRate, accepted, &milestone.id, true, 0, format!("accepted {accepted}")));
        }
    }
    for document in
        contract.documents().iter().filter(|document| document.kind == DocumentKind::Invoice && !document.adopted)
    {
        let credited = contract.documents().iter().find(|memo| {
            memo.kind == DocumentKind::CreditMemo
                && !memo.withdrawn
                && memo.original.as_deref() == Some(&document.number)
        });
        let said = match (credited, document.withdrawn) {
            (Some(memo), _) => format!("{} was credited by {} on {}", document.number, memo.number, memo.date),
            (None, true) => format!("{} was withdrawn", document.number),
            (None, false) => format!("{} stands as it was sent", document.number),
        };
        cases.push(case(
            Metric::FirstSend,
            document.date,
            &document.milestone,
            credited.is_none() && !document.withdrawn,
            0,
            said,
        ));
    }
    cases
}

/// All cases of all metrics.
async fn all_cases(env: &Environment) -> Result<Vec<Case>, StoreError> {
    let mut all: Vec<Case> = Vec::new();
    portfolio::each_booked(env, |booked| all.extend(told(&booked.state))).await?;
    for rejection in env.store.rejections().await? {
        let on = rejection.fact.on.unwrap_or_else(|| crate::review::snapshot::utc_date(rejection.fact.at));
        all.push(Case {
            metric: Metric::DisputeRate,
            month: Month::of(on),
            milestone: rejection.fact.event.milestone().unwrap_or_default().to_owned(),
            contract: rejection.contract,
            good: false,
            days: 0,
            said: format!("rejected {on}"),
        });
    }
    Ok(all)
}

/// A share in percent with one digit behind the point; empty where nothing counts.
fn share(part: usize, of: usize) -> String {
    let tenths = part.saturating_mul(1_000).saturating_add(of / 2).checked_div(of);
    tenths.map_or_else(String::new, |tenths| format!("{}.{} %", tenths / 10, tenths % 10))
}

/// The value of a metric from its cases: the median of days, or a share.
fn value(metric: Metric, cases: &[&Case]) -> String {
    let good = cases.iter().filter(|case| case.good).count();
    match metric {
        Metric::CycleTime => {
            let mut all: Vec<i64> = cases.iter().map(|case| case.days).collect();
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
pub async fn metrics(env: &Environment, today: Date) -> Result<List, Refused> {
    let columns = &[
        "Month",
        "Milestone-to-invoice cycle time",
        "First-send accuracy",
        "Period accuracy",
        "Deferred revenue variance",
        "Dispute rate",
        "Invoices",
    ];
    let all = all_cases(env).await?;
    let mut list = List::new("metrics", columns, format!("the {MONTHS} months up to {}", Month::of(today)));
    for month in trend(today) {
        let of = |metric: Metric| -> Vec<&Case> {
            all.iter().filter(|case| case.metric == metric && case.month == month).collect()
        };
        let invoices = of(Metric::FirstSend).len();
        list.rows.push(vec![
            Cell::text(month),
            Cell::text(value(Metric::CycleTime, &of(Metric::CycleTime))),
            Cell::text(value(Metric::FirstSend, &of(Metric::FirstSend))),
            Cell::text(value(Metric::PeriodAccuracy, &of(Metric::PeriodAccuracy))),
            Cell::text(variance(env, month).await?),
            Cell::text(value(Metric::DisputeRate, &of(Metric::DisputeRate))),
            Cell::Count(i64::try_from(invoices).unwrap_or(i64::MAX)),
        ]);
    }
    Ok(list)
}

/// By how much the ERPs' ledgers differed from the contract liability when the month was prepared, by currency.
async fn variance(env: &Environment, month: Month) -> Result<String, Refused> {
    let figures = match close::kept(env, month).await {
        Ok((_, figures)) => figures,
        Err(Refused::Missing(_)) => return Ok(NOT_PREPARED.into()),
        Err(refused) => return Err(refused),
    };
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
    Ok(match (told.is_empty(), sums.is_empty()) {
        (false, _) => told.join(", "),
        (true, false) => "0".into(),
        (true, true) => "no ledger was read".into(),
    })
}

/// What the value of a metric in a month is made of, what is not as it should be first.
///
/// # Errors
/// The store failed.
pub async fn cases(env: &Environment, metric: Metric, month: Month) -> Result<List, StoreError> {
    let columns = &["Contract", "Milestone", "As it should be", "Days", "What happened"];
    let mut list = List::new("cases", columns, format!("{} in {}", metric.title(), month.in_words()));
    let mut own: Vec<Case> =
        all_cases(env).await?.into_iter().filter(|case| case.metric == metric && case.month == month).collect();
    own.sort_by(|a, b| (a.good, -a.days, &a.contract, &a.milestone).cmp(&(b.good, -b.days, &b.contract, &b.milestone)));
    list.rows.extend(own.into_iter().map(|case| {
        vec![
            Cell::text(case.contract),
            Cell::text(case.milestone),
            Cell::text(if case.good { "yes" } else { "no" }),
            Cell::Count(case.days),
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
pub async fn cohort(env: &Environment, month: Month, today: Date) -> Result<List, StoreError> {
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
    let mut standings: BTreeMap<String, Standing> = BTreeMap::new();
    for line in env.store.documents(None).await?.into_iter().map(DocumentLine::from) {
        standings.insert(line.document.number, line.standing);
    }
    let mut items: BTreeMap<(String, String), Item> = BTreeMap::new();
    for item in queue(env, &Filter::of_kinds(&["exception", "drift", "approval"])).await? {
        if let (Some(contract), Some(milestone)) = (&item.contract, &item.milestone) {
            items.entry((contract.clone(), milestone.clone())).or_insert(item);
        }
    }
    let mut rows = Vec::new();
    portfolio::each_booked(env, |booked| {
        let receivables = booked.state.receivables();
        for milestone in booked.state.milestones() {
            let expected = [milestone.accepted_on, milestone.invoiced_on].into_iter().flatten().min();
            if expected.is_some_and(|on| Month::of(on) == month) {
                let item = items.get(&(booked.state.terms().id().to_owned(), milestone.id.clone()));
                rows.push(cohort_row((&booked, &milestone, expected), &receivables, &standings, item, today));
            }
        }
    })
    .await?;
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
///
/// # Errors
/// The store failed.
pub async fn forecast(env: &Environment, today: Date) -> Result<List, StoreError> {
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
    let (mut all, mut paid) = (Vec::new(), BTreeMap::new());
    portfolio::each_booked(env, |booked| {
        paid_late(&booked.state, &mut paid);
        all.push(Coming::of(&booked.state, until));
    })
    .await?;
    let lateness = lateness(paid);
    let mut expected = Vec::new();
    for coming in &all {
        expected.extend(coming.expected(lateness.get(&coming.customer).copied(), today));
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
    Ok(list)
}

/// Days that the paid invoices of a contract were paid late, by customer; who pays early or in time pays in time.
fn paid_late(contract: &Contract, paid: &mut BTreeMap<String, Vec<i64>>) {
    for invoice in contract.receivables().iter().filter(|invoice| invoice.open.units() == Minor::ZERO) {
        let stands = invoice.payments.iter().filter(|payment| payment.reversed_on.is_none());
        if let Some(last) = stands.map(|payment| payment.on).max() {
            let late = days(invoice.due_on, last).max(0);
            paid.entry(contract.terms().customer().to_owned()).or_default().push(late);
        }
    }
}

/// Days that each customer has paid late, on average over their paid invoices.
fn lateness(paid: BTreeMap<String, Vec<i64>>) -> BTreeMap<String, i64> {
    let average = |all: Vec<i64>| {
        let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
        all.iter().sum::<i64>().checked_div(count).unwrap_or(0)
    };
    paid.into_iter().map(|(customer, all)| (customer, average(all))).collect()
}

/// What is open of a contract, and what time alone will write for it.
struct Coming {
    contract: String,
    customer: String,
    currency: Currency,
    open: Vec<Receivable>,
    documents: Vec<IssuedDocument>,
}

impl Coming {
    fn of(contract: &Contract, until: Date) -> Self {
        let terms = contract.terms();
        Self {
            contract: terms.id().to_owned(),
            customer: terms.customer().to_owned(),
            currency: terms.currency(),
            open: contract
                .receivables()
                .into_iter()
                .filter(|receivable| receivable.open.units() > Minor::ZERO)
                .collect(),
            documents: contract.outlook(until).documents,
        }
    }

    fn expected(&self, late: Option<i64>, today: Date) -> Vec<Expected> {
        let mut expected = Vec::new();
        let mut push = |what: &str, milestone: &str, number: &str, (due, on): (Date, Option<Date>), amount: String| {
            let month = on.map(Month::of);
            let late = late.filter(|_| what != TO_BILL).map_or_else(|| Cell::text(""), Cell::Count);
            let row = vec![
                month.map_or_else(|| Cell::text("no date"), Cell::text),
                Cell::text(what),
                Cell::text(&self.contract),
                Cell::text(milestone),
                Cell::text(&self.customer),
                Cell::text(number),
                Cell::text(due),
                late,
                Cell::optional(on),
                Cell::text(self.currency),
                Cell::Amount(amount),
            ];
            expected.push(Expected { month, row });
        };
        let paid_on = |due: Date| due.saturating_add(late.unwrap_or(0).days());
        for receivable in &self.open {
            let on = Some(paid_on(receivable.due_on)).filter(|on| *on >= today);
            let what = if on.is_some() { "cash" } else { "overdue" };
            push(what, &receivable.milestone, &receivable.number, (receivable.due_on, on), receivable.open.to_string());
        }
        for document in &self.documents {
            let credits = document.kind == DocumentKind::CreditMemo;
            let amount =
                if credits { self.currency.money(-document.amount.units()) } else { document.amount }.to_string();
            push(
                TO_BILL,
                &document.milestone,
                &document.number,
                (document.due_on, Some(document.date)),
                amount.clone(),
            );
            push(
                "cash",
                &document.milestone,
                &document.number,
                (document.due_on, Some(paid_on(document.due_on).max(today))),
                amount,
            );
        }
        expected
    }
}

/// A report by its name; `metric` counts for cases alone, `month` for cases and cohorts.
///
/// # Errors
/// There is no such report or metric, or the store failed.
pub async fn named(env: &Environment, name: &str, metric: &str, month: Month, today: Date) -> Result<List, Refused> {
    Ok(match name {
        "metrics" => metrics(env, today).await?,
        "cases" => cases(env, metric.parse().map_err(Refused::Invalid)?, month).await?,
        "cohort" => cohort(env, month, today).await?,
        "forecast" => forecast(env, today).await?,
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

    fn case(good: bool, days: i64) -> Case {
        let (metric, month) = (Metric::CycleTime, Month::of(jiff::civil::date(2026, 3, 1)));
        let (contract, milestone, said) = ("SOW-1".to_owned(), "M1".to_owned(), String::new());
        Case { metric, month, contract, milestone, good, days, said }
    }

    #[test]
    fn values_are_medians_and_shares_and_nothing_where_nothing_counts() {
        let cases = [case(true, 0), case(true, 1), case(false, 30)];
        let all: Vec<&Case> = cases.iter().collect();
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
