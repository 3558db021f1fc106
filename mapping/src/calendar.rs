//! Business days: weekends, US federal holidays, England and Wales bank holidays, and calendars of the configuration.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

/// Which days are business days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Calendar {
    /// Bank holidays of England and Wales, with substitute days and special ones as proclaimed.
    EnglandAndWales,
    /// US federal holidays as observed (5 U.S.C. 6103): Saturday's on Friday, Sunday's on Monday.
    UsFederal,
    /// Saturdays and Sundays only.
    Weekends,
    /// A calendar of the configuration.
    Custom {
        /// Days of the week that are not business days, Monday is 1.
        weekend: BTreeSet<i8>,
        /// Further days that are not business days.
        holidays: BTreeSet<Date>,
    },
}

impl Calendar {
    /// Whether people work on this day.
    pub fn is_business_day(&self, day: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        match self {
            Self::Weekends => !weekend,
            Self::UsFederal => !weekend && !is_us_federal(day),
            Self::EnglandAndWales => !weekend && !is_england_and_wales(day),
            Self::Custom { weekend, holidays } => {
                !weekend.contains(&day.weekday().to_monday_one_offset()) && !holidays.contains(&day)
            }
        }
    }

    /// The n-th business day strictly after `day`; `day` itself for 0.
    pub fn add(&self, day: Date, business_days: u32) -> Date {
        let (mut day, mut left) = (day, business_days);
        while left > 0 {
            let Ok(next) = day.tomorrow() else { return day };
            day = next;
            if self.is_business_day(day) {
                left = left.saturating_sub(1);
            }
        }
        day
    }
}

/// The calendars that contract terms may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendars(BTreeMap<String, Calendar>);

impl Calendars {
    /// `weekends`, `us-federal`, `england-and-wales`.
    pub fn built_in() -> Self {
        Self(BTreeMap::from([
            ("england-and-wales".to_owned(), Calendar::EnglandAndWales),
            ("us-federal".to_owned(), Calendar::UsFederal),
            ("weekends".to_owned(), Calendar::Weekends),
        ]))
    }

    /// Adds a calendar of the configuration. A week without business days would never end: then Saturday and Sunday count.
    pub fn add(&mut self, name: &str, weekend: &[Weekday], holidays: &[Date]) {
        let weekend: BTreeSet<i8> = weekend.iter().map(|day| day.to_monday_one_offset()).collect();
        let weekend = if weekend.len() >= 7 { BTreeSet::from([6, 7]) } else { weekend };
        let custom = Calendar::Custom { weekend, holidays: holidays.iter().copied().collect() };
        self.0.insert(name.to_owned(), custom);
    }

    /// The calendar with this name.
    pub fn get(&self, name: &str) -> Option<&Calendar> {
        self.0.get(name)
    }

    /// Names, for error messages.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// The n-th (from 1) or last (-1) weekday of a month.
fn nth(year: i16, month: i8, weekday: Weekday, n: i8) -> Option<Date> {
    Date::new(year, month, 1).ok()?.nth_weekday_of_month(n, weekday).ok()
}

fn is_us_federal(day: Date) -> bool {
    let year = day.year();
    let is = |holiday: Option<Date>| holiday == Some(day);
    let fixed = |year: i16, month: i8, of: i8| is(Date::new(year, month, of).ok().map(us_observed));
    match day.month() {
        1 => fixed(year, 1, 1) || is(nth(year, 1, Weekday::Monday, 3)),
        2 => is(nth(year, 2, Weekday::Monday, 3)),
        5 => is(nth(year, 5, Weekday::Monday, -1)),
        // Juneteenth became a federal holiday on 17 June 2021 (Public Law 117-17).
        6 => year >= 2021 && fixed(year, 6, 19),
        7 => fixed(year, 7, 4),
        9 => is(nth(year, 9, Weekday::Monday, 1)),
        10 => is(nth(year, 10, Weekday::Monday, 2)),
        11 => fixed(year, 11, 11) || is(nth(year, 11, Weekday::Thursday, 4)),
        // New Year's Day on a Saturday is observed on the last day of the year before.
        12 => fixed(year, 12, 25) || year.checked_add(1).is_some_and(|next| fixed(next, 1, 1)),
        _ => false,
    }
}

fn us_observed(holiday: Date) -> Date {
    match holiday.weekday() {
        Weekday::Saturday => holiday.yesterday().unwrap_or(holiday),
        Weekday::Sunday => holiday.tomorrow().unwrap_or(holiday),
        _ => holiday,
    }
}

/// Days by proclamation (The London Gazette; since 2018 www.gov.uk/bank-holidays): VE Day 1995 and 2020 in the place of the
/// early May holiday, the last day of 1999, the Golden, Diamond and Platinum Jubilees with the spring holiday beside them, the
/// Royal Wedding of 2011, the State Funeral, the Coronation.
const PROCLAIMED: [(i16, i8, i8); 12] = [
    (1995, 5, 8),
    (1999, 12, 31),
    (2002, 6, 3),
    (2002, 6, 4),
    (2011, 4, 29),
    (2012, 6, 4),
    (2012, 6, 5),
    (2020, 5, 8),
    (2022, 6, 2),
    (2022, 6, 3),
    (2022, 9, 19),
    (2023, 5, 8),
];
/// Regular holidays that the proclaimed ones replaced.
const MOVED: [(i16, i8, i8); 5] = [(1995, 5, 1), (2002, 5, 27), (2012, 5, 28), (2020, 5, 4), (2022, 5, 30)];

fn is_england_and_wales(day: Date) -> bool {
    let key = (day.year(), day.month(), day.day());
    if PROCLAIMED.contains(&key) {
        return true;
    }
    if MOVED.contains(&key) {
        return false;
    }
    let year = day.year();
    let easter = easter(year);
    let shifted = |days: i64| easter.and_then(|easter| easter.checked_add(jiff::Span::new().days(days)).ok());
    let mut holidays = vec![
        new_year(year),
        shifted(-2),
        shifted(1),
        nth(year, 5, Weekday::Monday, 1),
        nth(year, 5, Weekday::Monday, -1),
        nth(year, 8, Weekday::Monday, -1),
    ];
    holidays.extend(christmas(year));
    holidays.contains(&Some(day))
}

/// New Year's Day, or the Monday after where it falls on a weekend.
fn new_year(year: i16) -> Option<Date> {
    let day = Date::new(year, 1, 1).ok()?;
    let substitute = match day.weekday() {
        Weekday::Saturday => 3,
        Weekday::Sunday => 2,
        _ => 1,
    };
    Date::new(year, 1, substitute).ok()
}

/// Christmas and Boxing Day with their substitutes.
fn christmas(year: i16) -> [Option<Date>; 2] {
    let at = |day: i8| Date::new(year, 12, day).ok();
    match Date::new(year, 12, 25).map(|day| day.weekday()) {
        Ok(Weekday::Friday) => [at(25), at(28)],
        Ok(Weekday::Saturday) => [at(27), at(28)],
        Ok(Weekday::Sunday) => [at(26), at(27)],
        _ => [at(25), at(26)],
    }
}

/// Easter Sunday, Gregorian (anonymous computus).
fn easter(year: i16) -> Option<Date> {
    let year_number = i32::from(year);
    let golden = year_number.rem_euclid(19);
    let (century, in_century) = (year_number.div_euclid(100), year_number.rem_euclid(100));
    let (leap_centuries, century_rest) = (century.div_euclid(4), century.rem_euclid(4));
    let correction = (century - (century + 8).div_euclid(25) + 1).div_euclid(3);
    let moon = (19 * golden + century - leap_centuries - correction + 15).rem_euclid(30);
    let (leaps, rest) = (in_century.div_euclid(4), in_century.rem_euclid(4));
    let week = (32 + 2 * century_rest + 2 * leaps - moon - rest).rem_euclid(7);
    let late = (golden + 11 * moon + 22 * week).div_euclid(451);
    let sum = moon + week - 7 * late + 114;
    Date::new(year, i8::try_from(sum.div_euclid(31)).ok()?, i8::try_from(sum.rem_euclid(31) + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn observed_substitute_and_proclaimed_days_are_no_business_days() {
        for (calendar, days) in [
            (Calendar::UsFederal, "2021-12-31 2021-06-18 2026-11-26 2026-07-03 2027-12-24 2026-01-19 2028-02-21"),
            (
                Calendar::EnglandAndWales,
                "1995-05-08 1999-12-31 2002-06-03 2002-06-04 2011-04-29 2012-06-04 2012-06-05 2020-05-08 2022-06-02 2022-06-03 2022-09-19 2023-05-08 2026-04-03 2026-04-06 2027-12-27 2027-12-28 2022-01-03 2026-12-28",
            ),
        ] {
            for day in days.split(' ') {
                assert!(!calendar.is_business_day(date(day)), "{calendar:?} works on {day}");
            }
        }
        for day in ["1995-05-01", "2002-05-27", "2012-05-28", "2020-05-04", "2022-05-30", "2026-05-26"] {
            assert!(Calendar::EnglandAndWales.is_business_day(date(day)), "{day}");
        }
        assert!(Calendar::UsFederal.is_business_day(date("2020-06-19")), "before Juneteenth was one");
    }

    #[test]
    fn the_nth_business_day_is_strictly_after() {
        let add = |calendar: &Calendar, day: &str, n| calendar.add(date(day), n).to_string();
        assert_eq!(add(&Calendar::Weekends, "2026-02-06", 1), "2026-02-09");
        assert_eq!(add(&Calendar::UsFederal, "2026-02-02", 11), "2026-02-18");
        assert_eq!(add(&Calendar::Weekends, "2026-02-07", 0), "2026-02-07");
    }
}
