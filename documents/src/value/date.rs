//! Dates as contracts write them: `1st day of February, 2001`, `18.12.2024`, `Jun 30, 2026`, `Jan. ’08`.

use core::ops::Range;

use jiff::civil::Date;

use super::{Pattern, captures, pattern};

/// One date as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub range: Range<usize>,
    /// What it says.
    pub when: When,
}

/// What a date says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A day.
    Day(Date),
    /// A month: year, month.
    Month(i16, i8),
    /// `03/04/2024`: the third of April or the fourth of March.
    Ambiguous,
    /// The day is left open: `the ___ day of October 2011`.
    Open,
}

static DATE: Pattern = pattern!(
    r"(?ix)
    \b(?P<iso>\d{4}-\d{2}-\d{2})\b
    |\b(?P<day>\d{1,2})\s?(?:st|nd|rd|th)?\s+(?:day\s+)?(?:of\s+)?(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?\s*,?\s*(?P<year>\d{4})\b
    |\b(?P<month2>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?\s+(?P<day2>\d{1,2})\s?(?:st|nd|rd|th)?\s*,?\s+(?P<year2>\d{4})\b
    |\b(?P<day4>\d{1,2})-(?P<month4>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-(?P<year4>\d{4}|\d{2})\b
    |\b(?P<a>\d{1,2})(?P<sign>[/.])(?P<b>\d{1,2})[/.](?P<year3>\d{4})\b
    |(?P<open>(?:_{2,}|\[[\s●•_]*\]|●)\s*(?:st|nd|rd|th)?\s*day\s+of\s+[a-z_\s]{0,20},?\s*(?:\d{4}|_+))
    |\b(?P<month5>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?\s*,?\s*(?:(?P<year5>(?:19|20)\d{2})\b|[’'‘`](?P<short>\d{2})\b)
    "
);

/// Every date in a range of the text.
#[must_use]
pub fn all(text: &str, range: Range<usize>) -> Vec<Written> {
    captures(&DATE, text, range)
        .iter()
        .filter_map(|found| Some(Written { range: found.get(0)?.range(), when: read(found)? }))
        .collect()
}

fn read(found: &regex::Captures<'_>) -> Option<When> {
    let number = |name: &str| found.name(name).and_then(|part| part.as_str().parse::<i16>().ok());
    let day = |year: i16, month: i16, day: i16| {
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok().map(When::Day)
    };
    let named = |name: &str| found.name(name).and_then(|part| month(part.as_str()));
    if let Some(iso) = found.name("iso") {
        return iso.as_str().parse().ok().map(When::Day);
    }
    if found.name("open").is_some() {
        return Some(When::Open);
    }
    for (y, m, d) in [("year", "month", "day"), ("year2", "month2", "day2"), ("year4", "month4", "day4")] {
        if let (Some(year), Some(month), Some(of_month)) = (number(y), named(m), number(d)) {
            return day(if year < 100 { 2000 + year } else { year }, month, of_month);
        }
    }
    if let (Some(a), Some(b), Some(year)) = (number("a"), number("b"), number("year3")) {
        let point = found.name("sign").is_some_and(|sign| sign.as_str() == ".");
        // With points the day stands first everywhere; with strokes only a number above 12 tells.
        return match (a > 12, b > 12) {
            (true, false) => day(year, b, a),
            (false, true) => day(year, a, b),
            (false, false) if point || a == b => day(year, b, a),
            (false, false) => Some(When::Ambiguous),
            (true, true) => None,
        };
    }
    let month = i8::try_from(named("month5")?).ok()?;
    number("year5").or_else(|| number("short").map(|short| 2000 + short)).map(|year| When::Month(year, month))
}

fn month(name: &str) -> Option<i16> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short = name.get(..3)?.to_lowercase();
    MONTHS.iter().position(|month| *month == short).and_then(|index| i16::try_from(index + 1).ok())
}

impl When {
    /// `2001-02-01`, or `2008-01` where only the month is written; nothing where it cannot be told.
    #[must_use]
    pub fn text(self) -> Option<String> {
        match self {
            Self::Day(date) => Some(date.to_string()),
            Self::Month(year, month) => Some(format!("{year:04}-{month:02}")),
            Self::Ambiguous | Self::Open => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_contracts_write_them() {
        for (text, expected) in [
            ("this 1st day of February, 2001", Some("2001-02-01")),
            ("Dated: 24 JULY 2001", Some("2001-07-24")),
            ("this 24th of July, 2001", Some("2001-07-24")),
            ("Madrid on February 18, 2008.", Some("2008-02-18")),
            ("by Jun 30, 2026", Some("2026-06-30")),
            ("on 2024-06-16", Some("2024-06-16")),
            ("am 18.12.2024", Some("2024-12-18")),
            ("on 12/25/2024", Some("2024-12-25")),
            ("Jan. ’08", Some("2008-01")),
            ("in March 2025", Some("2025-03")),
            ("on 03/04/2024", None),
            ("the ___ day of October 2011", None),
        ] {
            let found = all(text, 0..text.len());
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].when.text().as_deref(), expected, "{text}");
        }
        assert!(all("It may 20 percent", 0..17).is_empty());
    }
}
