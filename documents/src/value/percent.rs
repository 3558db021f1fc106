//! Percents: digits, words, both, and what they are of.

use core::ops::Range;

use rust_decimal::Decimal;

use super::words::{self, Spelled};
use super::{Pattern, capture, captures, pattern};

/// One percent as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Percent {
    /// Where: words, digits, sign.
    pub range: Range<usize>,
    /// The value; nothing where it is taken out.
    pub value: Option<Decimal>,
    /// The words beside the digits.
    pub spelled: Option<Spelled>,
    /// What it is of: `the Contract Price`.
    pub of: Option<Range<usize>>,
}

static PERCENT: Pattern = pattern!(
    r"(?x)(?P<digits>\d{1,3}(?:[.,]\d{1,4})?)\s*\)?\s*(?:%|per\s?cent\b|percent\b|per\ centum\b|pct\b)
    |(?P<lost>\[?\*{2,}\]?|\[\s*[*●]\s*\]|_{2,}|\[l\]|XX+|\[\s{0,4}\])\s*\)?\s*(?:%|per\s?cent\b|percent\b)
    |(?i:\b(?P<words>(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred)(?:[\s-]+(?:one|two|three|four|five|six|seven|eight|nine|hundred|and\sone\shalf|and\sa\shalf))*)\s+(?:percent|per\s?cent)\b)"
);
static OF: Pattern = pattern!(
    r"(?i)^(?:\W|percent|per\s?cent|total){0,6}\s*(?:of|against)\s+(?:the\s+|such\s+|its\s+|each\s+)?((?:[A-Za-z0-9][\w’'&/.–‑-]*[ \n]+){0,6}?(?:price|fees?|value|sum|amount|cost|budget|total|payments?|instal?lments?|retainage|retention))\b"
);
static ANYTHING: Pattern = pattern!(
    r"(?i)^(?:\W|percent|per\s?cent){0,4}\s*of\s+(?:the\s+|such\s+|its\s+|each\s+)?([A-Za-z][\w’'&/ .–‑-]{1,60}?)\s*(?:[,;:()]|\.(?:\s|$)|\n|\b(?:upon|on|shall|will|is|are|to|invoiced|payable|due|at|for|in|which|within|when|after)\b|$)"
);
static PRICE: Pattern = pattern!(r"(?i)^(?:\W|percent|per\s?cent){0,4}\s*(contract (?:price|sum|value|amount))\b");

/// Every percent in a range of the text, one for words and digits that stand for the same.
#[must_use]
pub fn all(text: &str, range: Range<usize>) -> Vec<Percent> {
    let mut all: Vec<Percent> = Vec::new();
    for found in captures(&PERCENT, text, range.clone()) {
        let Some(percent) = read(text, &found, range.end) else { continue };
        // "twenty percent (20%)": the words were found for themselves before the digits were.
        if let Some(last) = all.last_mut()
            && text.get(last.range.end..percent.range.end).is_some_and(|between| between.trim_start().starts_with('('))
            && percent.range.start < last.range.end + 3
        {
            if percent.value.is_some() || last.value.is_none() {
                *last = percent;
            }
            continue;
        }
        all.push(percent);
    }
    all
}

fn read(text: &str, found: &regex::Captures<'_>, end: usize) -> Option<Percent> {
    let mut range = found.get(0)?.range();
    let of = |range: &Range<usize>| {
        let to = text.len().min(end.saturating_add(200)).min(range.end + 120);
        let tail = text.get(range.end..(range.end..=to).rev().find(|at| text.is_char_boundary(*at))?)?;
        let inside = [&OF, &PRICE, &ANYTHING]
            .into_iter()
            .find_map(|pattern| capture(pattern, tail, 0..tail.len()))?
            .get(1)?
            .range();
        Some(range.end + inside.start..range.end + inside.end)
    };
    if let Some(digits) = found.name("digits") {
        let head = text[..range.start].chars().next_back();
        if head.is_some_and(|c| c.is_ascii_digit() || c == '.' || c == ',') {
            return None;
        }
        let value = digits.as_str().replace(',', ".").parse().ok()?;
        let spelled = words_before(text, range.start);
        if let Some(spelled) = &spelled {
            range.start = spelled.range.start;
        }
        if text[range.end..].starts_with(')') && text[range.clone()].contains('(') {
            range.end += 1;
        }
        return Some(Percent { of: of(&range), range, value: Some(value), spelled });
    }
    if found.name("lost").is_some() {
        return Some(Percent { of: of(&range), range, value: None, spelled: None });
    }
    let words = found.name("words")?;
    let spelled = words::whole(words.as_str())?;
    let spelled = Spelled { range: words.range(), value: spelled.value };
    Some(Percent { of: of(&range), range, value: spelled.value, spelled: Some(spelled) })
}

/// `twenty percent (` or `fifteen (` before the digits.
fn words_before(text: &str, digits: usize) -> Option<Spelled> {
    let head = text[..digits].trim_end().strip_suffix('(')?.trim_end();
    let lower = head.to_lowercase();
    let without =
        ["percent", "per cent"].into_iter().find_map(|word| lower.strip_suffix(word)).map_or(head.len(), str::len);
    // Lower case may have another length in bytes; then the words are left alone.
    if lower.len() != head.len() {
        return None;
    }
    let spelled = words::before(text, head.get(..without)?.trim_end().len())?;
    // "zero point one percent (0.1%)" and "one tenth of one percent (0.1%)" are no whole number.
    let fraction = text[..spelled.range.start].trim_end().to_lowercase();
    (!fraction.ends_with("point") && !fraction.ends_with(" of")).then_some(spelled)
}

/// Whether the words beside the digits say another number.
#[must_use]
pub fn words_differ(percent: &Percent) -> bool {
    percent.spelled.as_ref().is_some_and(|spelled| percent.value.is_some() && spelled.value != percent.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(Option<String>, String)> {
        all(text, 0..text.len())
            .into_iter()
            .map(|percent| {
                (percent.value.map(|value| value.to_string()), percent.of.map_or("", |of| &text[of]).to_owned())
            })
            .collect()
    }

    #[test]
    fn digits_words_and_both_are_read_once() {
        let is = |value: &str, of: &str| vec![(Some(value.to_owned()), of.to_owned())];
        assert_eq!(read("equivalent to twenty percent (20%) of the Contract Price"), is("20", "Contract Price"));
        assert_eq!(read("ten percent (10%) Contract Price"), is("10", "Contract Price"));
        assert_eq!(read("fifteen (15%) percent of the Cost"), is("15", "Cost"));
        assert_eq!(read("fifty percent of Fees"), is("50", "Fees"));
        assert_eq!(
            read("20% of the Implementation Services fees (US $330,000)"),
            is("20", "Implementation Services fees")
        );
        assert_eq!(read("2.5% retention fee"), is("2.5", ""));
    }

    #[test]
    fn what_was_taken_out_has_no_value() {
        assert_eq!(
            read("an amount equal to ***% percent of the Contract Price"),
            vec![(None, "Contract Price".into())]
        );
        assert_eq!(read("maximum of *** percent (***%) of the Contract Price"), vec![(None, "Contract Price".into())]);
    }

    #[test]
    fn words_are_compared_with_digits() {
        let differ = |text: &str| all(text, 0..text.len()).iter().any(words_differ);
        assert!(differ("twenty percent (25%)") && !differ("twenty percent (20%)"));
    }
}
