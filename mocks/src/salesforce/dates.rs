//! Date literals of SOQL. They are meant in the running user's zone, so their limits move with him.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _, Zoned};

/// The first moment of a literal such as `TODAY` or `LAST_N_DAYS:7`, and the first one after it.
pub(crate) fn span(text: &str, now: Timestamp, zone: &str) -> Option<(Zoned, Zoned)> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let today = now.to_zoned(zone.clone()).date();
    let (from, to) = days(&text.to_ascii_uppercase(), today)?;
    Some((from.to_zoned(zone.clone()).ok()?, to.to_zoned(zone).ok()?))
}

fn days(name: &str, today: Date) -> Option<(Date, Date)> {
    let week = today.checked_sub(i64::from(today.weekday().to_sunday_zero_offset()).days()).ok()?;
    let month = today.first_of_month();
    let quarter = month.checked_sub(i64::from((month.month() - 1) % 3).months()).ok()?;
    let year = today.first_of_year();
    let shifted = |start: Date, by: Span, long: Span| {
        let from = start.checked_add(by).ok()?;
        Some((from, from.checked_add(long).ok()?))
    };
    if let Some((name, count)) = name.split_once(':') {
        let count: i64 = count.parse().ok()?;
        let day = 1.day();
        return match name {
            "LAST_N_DAYS" => Some((today.checked_sub(count.days()).ok()?, today.checked_add(day).ok()?)),
            "NEXT_N_DAYS" => Some((today.checked_add(day).ok()?, today.checked_add((count + 1).days()).ok()?)),
            "N_DAYS_AGO" => shifted(today, (-count).days(), day),
            "LAST_N_WEEKS" => Some((week.checked_sub((7 * count).days()).ok()?, week)),
            "LAST_N_MONTHS" => Some((month.checked_sub(count.months()).ok()?, month)),
            "LAST_N_YEARS" => Some((year.checked_sub(count.years()).ok()?, year)),
            _ => None,
        };
    }
    match name {
        "TODAY" => shifted(today, 0.days(), 1.day()),
        "YESTERDAY" => shifted(today, -1.day(), 1.day()),
        "TOMORROW" => shifted(today, 1.day(), 1.day()),
        "THIS_WEEK" => shifted(week, 0.days(), 7.days()),
        "LAST_WEEK" => shifted(week, -7.days(), 7.days()),
        "NEXT_WEEK" => shifted(week, 7.days(), 7.days()),
        "THIS_MONTH" => shifted(month, 0.days(), 1.month()),
        "LAST_MONTH" => shifted(month, -1.month(), 1.month()),
        "NEXT_MONTH" => shifted(month, 1.month(), 1.month()),
        "THIS_QUARTER" => shifted(quarter, 0.days(), 3.months()),
        "LAST_QUARTER" => shifted(quarter, -3.months(), 3.months()),
        "THIS_YEAR" => shifted(year, 0.days(), 1.year()),
        "LAST_YEAR" => shifted(year, -1.year(), 1.year()),
        "LAST_90_DAYS" => Some((today.checked_sub(90.days()).ok()?, today.checked_add(1.day()).ok()?)),
        _ => None,
    }
}
