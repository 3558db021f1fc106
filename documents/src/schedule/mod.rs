//! Payment schedules: tables, tables that lost their lines, lists of instalments, sentences.

mod column;
mod flat;
mod item;
mod joined;
mod list;
mod row;
mod sentence;
mod table;

pub(crate) use self::item::{days_field, shortened};
pub(crate) use self::joined::flattened;
pub(crate) use self::list::{Part, parts};
pub(crate) use self::row::why;

use core::ops::Range;

use rust_decimal::Decimal;

use crate::flow::Flow;
use crate::proposal::{Field, Finding, Milestone};
use crate::value::money::Unit;
use crate::value::number::DecimalMark;
use crate::value::{Pattern, found, pattern};

/// A line of totals.
#[derive(Debug, Clone)]
pub(crate) struct Total {
    /// It closes a part of the table only.
    pub(crate) partial: bool,
    pub(crate) amount: Field,
    pub(crate) percent: Field,
    /// So many rows stand above it.
    pub(crate) after: usize,
}

/// A schedule as it stands in the documents.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) range: Range<usize>,
    pub(crate) rows: Vec<Milestone>,
    pub(crate) totals: Vec<Total>,
    /// Currency that heading or amounts name.
    pub(crate) unit: Option<(Unit, Range<usize>)>,
    pub(crate) findings: Vec<Finding>,
    /// It says of itself that it is about milestones or instalments.
    pub(crate) named: bool,
    /// It says what a phase costs, and not when anything is paid.
    pub(crate) prices: bool,
}

impl Schedule {
    fn valued(&self) -> usize {
        self.rows.iter().filter(|row| has_value(&row.amount) || has_value(&row.percent)).count()
    }

    /// Most of its rows are rates, "S$300 per operation": a list of prices.
    fn rates(&self) -> bool {
        let rate = |row: &&Milestone| {
            row.per.as_deref().is_some_and(|per| !matches!(per, "week" | "month" | "quarter" | "year" | "annum"))
        };
        self.rows.iter().filter(rate).count() * 2 > self.rows.len()
    }

    /// Rows that say when they are paid, or that are called what is paid for.
    fn paying(&self) -> usize {
        static PAID: Pattern = pattern!(
            r"(?i)^\W{0,4}(?:\w+\s+){0,2}(?:milestones?|instal?lments?|payments?|deposit|tranche|deliverables?)\b"
        );
        let called = |field: &Field| field.value.as_deref().is_some_and(|words| found(&PAID, words));
        let pays = |row: &&Milestone| {
            row.trigger.value.is_some() || row.due.value.is_some() || called(&row.name) || called(&row.description)
        };
        self.rows.iter().filter(pays).count()
    }

    fn priced(&self) -> usize {
        self.rows.iter().filter(|row| row.amount.value.is_some()).count()
    }

    /// The sum of the amounts that come once.
    pub(crate) fn sum(&self) -> Decimal {
        self.rows.iter().filter(|row| row.per.is_none()).filter_map(|row| row.amount.number()).sum()
    }
}

/// A value, or something in its place.
fn has_value(field: &Field) -> bool {
    field.value.is_some() || !field.quotes.is_empty()
}

/// Every schedule, the one that is proposed first.
pub(crate) fn all(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Schedule> {
    let mut schedules = table::all(flow, mark);
    let taken: Vec<Range<usize>> = schedules.iter().map(|schedule| schedule.range.clone()).collect();
    schedules.extend(flat::all(flow, mark).into_iter().filter(|schedule| free(&taken, &schedule.range)));
    let taken: Vec<Range<usize>> = schedules.iter().map(|schedule| schedule.range.clone()).collect();
    schedules.extend(list::all(flow, mark).into_iter().filter(|schedule| free(&taken, &schedule.range)));
    let taken: Vec<Range<usize>> = schedules.iter().map(|schedule| schedule.range.clone()).collect();
    schedules.extend(joined::all(flow, mark).into_iter().filter(|schedule| free(&taken, &schedule.range)));
    schedules.retain(|schedule| !schedule.rates() && !finances(flow, schedule));
    // A table of prices by phase is a schedule only where no other schedule says when something is paid.
    if schedules.iter().any(|schedule| !schedule.prices) {
        schedules.retain(|schedule| !schedule.prices);
    }
    schedules.sort_by_key(|schedule| schedule.range.start);
    let rank =
        |schedule: &Schedule| (schedule.valued(), schedule.paying(), schedule.priced(), usize::from(schedule.named));
    // The first of those that say most.
    let best = (0..schedules.len()).rev().max_by_key(|index| rank(&schedules[*index]));
    if let Some(best) = best {
        let first = schedules.remove(best);
        schedules.insert(0, first);
    }
    schedules
}

/// Rent, repayments of a loan, premiums, shares: payments that nobody delivers or builds anything for. Told by what the rows speak
/// of, or the words above them where the rows name no work.
fn finances(flow: &Flow<'_>, schedule: &Schedule) -> bool {
    static MONEY: Pattern = pattern!(
        r"(?i)\b(?:principal|borrowers?|lenders?|loans?|(?:base|annual|monthly|minimum|additional)\s+rent(?:al)?|rent|tenants?|landlord|lease\s+years?|promissory|prepay\w*|maturity\s+date|mortgage|severance|salary|vest(?:s|ed|ing)?|shares\s+of|common\s+stock|per\s+occurrence|coverage|deductible)\b"
    );
    static WORK: Pattern = pattern!(
        r"(?i)\b(?:milestones?|deliver\w*|accept\w*|contract\s+(?:price|sum|value)|progress|works?|services?|complet\w*|launch\w*|design|commission\w*|licen[cs]e|phases?|install\w*|retainage)\b"
    );
    let says = |pattern: &Pattern, field: &Field| field.value.as_deref().is_some_and(|words| found(pattern, words));
    let speaks = |pattern: &'static Pattern| {
        move |row: &&Milestone| {
            [&row.name, &row.description, &row.trigger].into_iter().any(|field| says(pattern, field))
        }
    };
    let of_money = schedule.rows.iter().filter(speaks(&MONEY)).count();
    let of_work = schedule.rows.iter().filter(speaks(&WORK)).count();
    // What is paid for being late, or in shares, is no milestone either.
    static DAMAGES: Pattern = pattern!(
        r"(?i)\b(?:penalt\w+|liquidated\s+damages|fine\s+of|late\s+(?:delivery|completion)|(?:is|are|be)\s+delayed|delays?\s+in|in\s+breach|breach\s+of)\b"
    );
    let damages = schedule.rows.iter().filter(speaks(&DAMAGES)).count();
    static SHARES: Pattern = pattern!(r"(?i)\b(?:shares\s+of|common\s+stock|(?:warrants?|options?)\s+to\s+purchase)\b");
    let shares = schedule.rows.iter().filter(speaks(&SHARES)).count();
    if of_money > of_work || damages.max(shares) * 2 > schedule.rows.len() {
        return true;
    }
    let lead = flow.slice(flow.before(schedule.range.start, 350));
    of_work == 0 && found(&MONEY, lead) && !found(&WORK, lead)
}

fn free(taken: &[Range<usize>], range: &Range<usize>) -> bool {
    !taken.iter().any(|span| span.start < range.end && range.start < span.end)
}
