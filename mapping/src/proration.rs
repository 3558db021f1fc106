//! Amounts by the day: recurring amounts of part months, and a price that is earned as time passes.
//!
//! Both ends count unless said otherwise. Rounding is half up, of each month for a recurring
//! amount, of the cumulative figure for a price (so that the parts sum to the whole).

use jiff::civil::Date;

use crate::money::Minor;
use crate::split::proportion_half_up;

/// How a part of a month becomes a part of its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DayCount {
    /// Service days over the days that the month has.
    #[default]
    ActualActual,
    /// Service days over 30; a whole month is the whole amount.
    ActualOver30,
}

/// One month of a recurring amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ProratedMonth {
    /// First of the month.
    pub month: Date,
    /// Service days in it.
    pub days: i64,
    /// Days it has.
    pub days_in_month: i64,
    /// Amount.
    pub amount: Minor,
}

/// A recurring monthly amount over a service period, month by month. `end` is served and charged. Nothing where the end
/// is before the start.
pub fn by_month(monthly: Minor, start: Date, end: Date, count: DayCount) -> Vec<ProratedMonth> {
    let mut months = Vec::new();
    let mut from = start;
    while from <= end {
        let last = from.last_of_month();
        let until = last.min(end);
        let days_in_month = i64::from(from.days_in_month());
        let days = days_between(from, until);
        let over = match count {
            DayCount::ActualOver30 if days < days_in_month => 30,
            DayCount::ActualActual | DayCount::ActualOver30 => days_in_month,
        };
        let amount = proportion_half_up(monthly, i128::from(days), i128::from(over));
        months.push(ProratedMonth { month: from.first_of_month(), days, days_in_month, amount });
        match last.tomorrow() {
            Ok(next) => from = next,
            Err(_) => break,
        }
    }
    months
}

/// What of a price is earned by the end of a date: price × days elapsed ÷ days in all, both ends inclusive.
pub fn earned(price: Minor, start: Date, end: Date, on: Date) -> Minor {
    let elapsed = days_between(start, on.min(end)).max(0);
    proportion_half_up(price, i128::from(elapsed), i128::from(days_between(start, end)))
}

/// What of a price is earned in each calendar month: the differences of [`earned`].
pub fn earned_by_month(price: Minor, start: Date, end: Date) -> Vec<(Date, Minor)> {
    let mut before = Minor::ZERO;
    by_month(Minor::ZERO, start, end, DayCount::ActualActual)
        .into_iter()
        .map(|month| {
            let to_date = earned(price, start, end, month.month.last_of_month());
            let amount = to_date - before;
            before = to_date;
            (month.month, amount)
        })
        .collect()
}

/// Days from one date to another, both counted; 0 or less where the second is before the first.
pub fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days())).saturating_add(1)
}
