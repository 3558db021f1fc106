//! Periods: `three (3) business days`, `forty-five (45) days`.

use core::ops::Range;

use super::words::{self, Spelled};
use super::{Pattern, captures, pattern};

/// Which days are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// Calendar days.
    Calendar,
    /// Business, working or banking days.
    Business,
}

/// One number of days as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Where.
    pub range: Range<usize>,
    /// How many days; nothing where the number is taken out.
    pub count: Option<u32>,
    /// The number as it is written, before weeks are counted as seven days.
    pub written: Option<u32>,
    /// Which days.
    pub days: Days,
    /// The words beside the digits.
    pub spelled: Option<Spelled>,
}

static PERIOD: Pattern = pattern!(
    r"(?ix)(?:\(\s*(?P<paren>\d{1,3})\s*\)|\b(?P<digits>\d{1,3})|(?P<lost>\[?\*{2,}\]?|_{2,}|\[●\])|\b(?P<words>(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fourteen|fifteen|twenty|thirty|forty|forty-five|sixty|ninety)))[\s-]+(?P<kind>business|working|banking|bank|calendar|consecutive)?\s*(?P<unit>days?|weeks?)\b"
);

/// Every number of days in a range of the text; weeks count seven days.
#[must_use]
pub fn all(text: &str, range: Range<usize>) -> Vec<Period> {
    captures(&PERIOD, text, range).iter().filter_map(|found| read(text, found)).collect()
}

fn read(text: &str, found: &regex::Captures<'_>) -> Option<Period> {
    let mut range = found.get(0)?.range();
    let business = found.name("kind").is_some_and(|kind| {
        ["business", "working", "banking", "bank"].contains(&kind.as_str().to_lowercase().as_str())
    });
    let weeks = found.name("unit").is_some_and(|unit| unit.as_str().to_lowercase().starts_with("week"));
    let mut spelled = None;
    let count = if let Some(paren) = found.name("paren") {
        spelled = words::before(text, text[..range.start].trim_end().len());
        if let Some(spelled) = &spelled {
            range.start = spelled.range.start;
        }
        paren.as_str().parse().ok()
    } else if let Some(digits) = found.name("digits") {
        digits.as_str().parse().ok()
    } else if let Some(words) = found.name("words") {
        let value = words::whole(words.as_str())?.value?;
        u32::try_from(value).ok()
    } else {
        None
    };
    let written: Option<u32> = count;
    let count = written.and_then(|count| count.checked_mul(if weeks { 7 } else { 1 }));
    Some(Period { range, count, written, days: if business { Days::Business } else { Days::Calendar }, spelled })
}

/// Whether the words beside the digits say another number.
#[must_use]
pub fn words_differ(period: &Period) -> bool {
    match (&period.spelled, period.written) {
        (Some(spelled), Some(count)) => spelled.value != Some(rust_decimal::Decimal::from(count)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_they_are_written() {
        let read = |text: &str| all(text, 0..text.len()).into_iter().map(|period| (period.count, period.days)).next();
        assert_eq!(read("within three (3) business days of"), Some((Some(3), Days::Business)));
        assert_eq!(read("within forty-five (45) days from"), Some((Some(45), Days::Calendar)));
        assert_eq!(read("the ten (10) Business Day review"), Some((Some(10), Days::Business)));
        assert_eq!(read("within 3 banking days"), Some((Some(3), Days::Business)));
        assert_eq!(read("within *** Business Days"), Some((None, Days::Business)));
        assert_eq!(read("within thirty days"), Some((Some(30), Days::Calendar)));
        assert!(all("thirty (31) days", 0..16).iter().any(words_differ));
    }
}
