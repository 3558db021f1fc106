//! Payment terms: when a document is to be paid, counted from its date or from the acceptance.

use core::fmt;
use core::str::FromStr;

use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// When an invoice is to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentTerms {
    /// This many days after the date, then the end of that month.
    DaysEndOfMonth(u32),
    /// On the date.
    DueOnReceipt,
    /// The end of the date's month, then this many days.
    EndOfMonth(u32),
    /// This many calendar days later.
    Net(u32),
    /// The same day this many months later, or that month's last day.
    NetMonths(u32),
}

/// What payment terms may say, for error messages.
const KINDS: &str = "\"net N\", \"net N months\", \"N days end of month\", \"end of month N\" (N from 0 to 999 days, from 1 to 60 \
                     months) and \"due on receipt\"";

impl PaymentTerms {
    /// The day on which a document is due whose days are counted from `from`.
    pub(crate) fn due(self, from: Date) -> Date {
        match self {
            Self::DueOnReceipt => from,
            Self::Net(days) => plus_days(from, days),
            Self::NetMonths(months) => from.checked_add(Span::new().months(i64::from(months))).unwrap_or(Date::MAX),
            Self::DaysEndOfMonth(days) => plus_days(from, days).last_of_month(),
            Self::EndOfMonth(days) => plus_days(from.last_of_month(), days),
        }
    }
}

impl fmt::Display for PaymentTerms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DaysEndOfMonth(days) => write!(out, "{days} days end of month"),
            Self::DueOnReceipt => out.write_str("due on receipt"),
            Self::EndOfMonth(days) => write!(out, "end of month {days}"),
            Self::Net(days) => write!(out, "net {days}"),
            Self::NetMonths(months) => write!(out, "net {months} months"),
        }
    }
}

impl FromStr for PaymentTerms {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = |digits: &str| whole_number(digits).filter(|days| *days <= 999);
        let months = |digits: &str| whole_number(digits).filter(|months| (1..=60).contains(months));
        let read = if text == "due on receipt" {
            Some(Self::DueOnReceipt)
        } else if let Some(count) = text.strip_prefix("net ").and_then(|rest| rest.strip_suffix(" months")) {
            months(count).map(Self::NetMonths)
        } else if let Some(count) = text.strip_suffix(" days end of month") {
            days(count).map(Self::DaysEndOfMonth)
        } else if let Some(count) = text.strip_prefix("end of month ") {
            days(count).map(Self::EndOfMonth)
        } else {
            text.strip_prefix("net ").and_then(days).map(Self::Net)
        };
        read.ok_or_else(|| format!("{text:?} is none of {KINDS}"))
    }
}

/// A date so many calendar days later.
pub(crate) fn plus_days(day: Date, days: u32) -> Date {
    day.checked_add(Span::new().days(i64::from(days))).unwrap_or(Date::MAX)
}

/// Digits only, as they are written back: neither a sign nor leading zeros.
fn whole_number(digits: &str) -> Option<u32> {
    digits.parse::<u32>().ok().filter(|number| number.to_string() == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_terms_counts_from_the_date_and_is_written_back_as_it_was_read() {
        for (text, from, due) in [
            ("due on receipt", "2026-01-31", "2026-01-31"),
            ("net 999", "2026-01-31", "2028-10-26"),
            ("net 60 months", "2026-01-31", "2031-01-31"),
            ("net 30", "2026-01-31", "2026-03-02"),
            ("net 1 months", "2026-01-31", "2026-02-28"),
            ("30 days end of month", "2026-01-15", "2026-02-28"),
            ("end of month 10", "2026-01-15", "2026-02-10"),
        ] {
            let terms: PaymentTerms = text.parse().unwrap();
            assert_eq!(terms.due(from.parse().unwrap()).to_string(), due, "{text}");
            assert_eq!(terms.to_string(), text);
        }
        for text in ["net 1000", "net 030", "net 0 months", "net 61 months", "net -1", "end of month", "30 net", ""] {
            assert!(text.parse::<PaymentTerms>().is_err(), "{text:?} was taken");
        }
    }
}
