//! The figures of the home page: what is to be billed, billed, not billed, deferred and overdue, and how it went month by month.
//! Currencies are never added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::contract::Deadline;
use milestoned_mapping::money::{Currency, Minor, Money};

use super::line::{Line, OpenInvoice};
use super::listing::window;
use super::snapshot::Snapshot;

/// Months that trends show, the present one included.
pub const MONTHS: usize = 12;

/// Figures of one currency.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Code.
    pub currency: String,
    /// Documents dated in this month that time alone will write from today on.
    pub to_bill_this_month: Money,
    /// The same of the next month.
    pub to_bill_next_month: Money,
    /// Invoices less credit memos of this month.
    pub billed: Money,
    /// Recognised, not billed.
    pub unbilled: Money,
    /// Billed, not recognised.
    pub deferred: Money,
    /// Due before today and not paid.
    pub overdue: Money,
    /// Month by month, oldest first.
    pub months: Vec<MonthOf>,
}

/// A month of all contracts of a currency.
#[derive(Debug, Clone)]
pub struct MonthOf {
    /// Its first day.
    pub first: Date,
    /// Invoices less credit memos.
    pub billed: Money,
    /// Revenue.
    pub recognised: Money,
    /// Payments.
    pub collected: Money,
    /// Deferred revenue at its end.
    pub deferred: Money,
    /// Receivable at its end.
    pub receivable: Money,
}

/// A milestone that silence will accept.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Contract.
    pub contract: String,
    /// Customer.
    pub customer: String,
    /// Which, and until when.
    pub deadline: Deadline,
}

/// An invoice that is late.
#[derive(Debug, Clone)]
pub struct Late {
    /// Contract.
    pub contract: String,
    /// Customer.
    pub customer: String,
    /// Number of the invoice.
    pub number: String,
    /// What is open of it.
    pub open: Money,
    /// Days since it was due.
    pub days: i64,
}

/// Figures by currency, the one with most contracts first.
pub fn figures(snapshot: &Snapshot, today: Date) -> Vec<Figures> {
    let this = today.first_of_month();
    let next = this.saturating_add(1.month());
    let mut by_currency: BTreeMap<Currency, Gathered> = BTreeMap::new();
    // Each line is looked at once: there are tens of thousands.
    for line in snapshot.contracts.values() {
        by_currency.entry(line.brief.currency).or_default().take(line, (today, this, next));
    }
    let mut sorted: Vec<(Currency, Gathered)> = by_currency.into_iter().collect();
    sorted.sort_by_key(|(currency, gathered)| (std::cmp::Reverse(gathered.contracts), *currency));
    sorted.into_iter().map(|(currency, gathered)| gathered.figures(currency, this)).collect()
}

/// Sums of one month, or of the time before the first.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    billed: Minor,
    recognised: Minor,
    collected: Minor,
    deferred: Minor,
}

/// What the contracts of a currency come to.
#[derive(Debug, Clone, Default)]
struct Gathered {
    contracts: usize,
    to_bill_this_month: Minor,
    to_bill_next_month: Minor,
    unbilled: Minor,
    deferred: Minor,
    overdue: Minor,
    /// The last [`MONTHS`] months, and the time before.
    months: [Sums; MONTHS],
    before: Sums,
}

impl Gathered {
    fn take(&mut self, line: &Line, (today, this, next): (Date, Date, Date)) {
        self.contracts = self.contracts.saturating_add(1);
        self.unbilled += line.brief.unbilled.into();
        self.deferred += line.brief.deferred.into();
        for document in &line.to_come {
            let month = document.date.first_of_month();
            if month == this {
                self.to_bill_this_month += document.signed().into();
            } else if month == next {
                self.to_bill_next_month += document.signed().into();
            }
        }
        for invoice in line.open.iter().filter(|invoice| invoice.due_on < today) {
            self.overdue += invoice.open().into();
        }
        for month in &line.months {
            let sum = place(month.first, this).map_or(Some(&mut self.before), |index| self.months.get_mut(index));
            if let Some(sum) = sum {
                sum.billed += month.billed.into();
                sum.recognised += month.recognised.into();
                sum.collected += month.collected.into();
            }
        }
        carry_deferred(line, this, &mut self.months);
    }

    /// What stood at the end of a month in which a contract did nothing stood there before.
    fn figures(self, currency: Currency, this: Date) -> Figures {
        let mut receivable = self.before.billed - self.before.collected;
        let mut months = Vec::with_capacity(MONTHS);
        for (index, sum) in self.months.into_iter().enumerate() {
            let back = i64::try_from(MONTHS.saturating_sub(1).saturating_sub(index)).unwrap_or(0);
            receivable += sum.billed - sum.collected;
            months.push(MonthOf {
                first: this.saturating_sub(back.months()),
                billed: currency.money(sum.billed),
                recognised: currency.money(sum.recognised),
                collected: currency.money(sum.collected),
                deferred: currency.money(sum.deferred),
                receivable: currency.money(receivable),
            });
        }
        Figures {
            currency: currency.to_string(),
            to_bill_this_month: currency.money(self.to_bill_this_month),
            to_bill_next_month: currency.money(self.to_bill_next_month),
            billed: months.last().map_or_else(|| currency.minor(0), |month| month.billed),
            unbilled: currency.money(self.unbilled),
            deferred: currency.money(self.deferred),
            overdue: currency.money(self.overdue),
            months,
        }
    }
}

/// Which of the shown months a date lies in; none: before all of them. What is dated later than this month has the place behind
/// the last.
fn place(date: Date, this: Date) -> Option<usize> {
    let count = |date: Date| i32::from(date.year()).saturating_mul(12).saturating_add(i32::from(date.month()));
    let ago = count(this).saturating_sub(count(date));
    let last = i32::try_from(MONTHS).unwrap_or(0).saturating_sub(1);
    usize::try_from(last.saturating_sub(ago)).ok()
}

/// Adds what a contract had deferred at the end of each month.
fn carry_deferred(line: &Line, this: Date, sums: &mut [Sums; MONTHS]) {
    let mut at = Minor::ZERO;
    let mut months = line.months.iter().peekable();
    for (index, sum) in sums.iter_mut().enumerate() {
        while let Some(month) = months.next_if(|month| place(month.first, this).is_none_or(|place| place <= index)) {
            at = month.deferred.into();
        }
        sum.deferred += at;
    }
}

/// Milestones that silence will accept, the next first: so many of them, and how many there are.
pub fn silences(snapshot: &Snapshot, few: usize) -> (Vec<Silence>, usize) {
    let all = snapshot.contracts.values().flat_map(|line| line.deadlines.iter().map(move |deadline| (line, deadline)));
    let all: Vec<(&Arc<Line>, &Deadline)> = all.collect();
    let count = all.len();
    let silences = window(all, 0..few, |(_, deadline)| deadline.last_day).into_iter().map(|(line, deadline)| Silence {
        contract: line.brief.contract.to_string(),
        customer: line.brief.customer.to_string(),
        deadline: deadline.clone(),
    });
    (silences.collect(), count)
}

/// Invoices that were due before today and are not paid, the latest first: so many of them, and how many there are.
pub fn late(snapshot: &Snapshot, today: Date, few: usize) -> (Vec<Late>, usize) {
    let all = snapshot.contracts.values().flat_map(|line| line.open.iter().map(move |invoice| (line, invoice)));
    let all: Vec<(&Arc<Line>, &OpenInvoice)> = all.filter(|(_, invoice)| invoice.due_on < today).collect();
    let count = all.len();
    let late = window(all, 0..few, |(_, invoice)| invoice.due_on).into_iter().map(|(line, invoice)| Late {
        contract: line.brief.contract.to_string(),
        customer: line.brief.customer.to_string(),
        number: invoice.number.to_string(),
        open: line.money(invoice.open()),
        days: invoice.due_on.until(today).map_or(0, |span| i64::from(span.get_days())),
    });
    (late.collect(), count)
}
