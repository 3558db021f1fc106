//! Values as they are written: amounts, percents, dates, periods. Each knows where it stands.

pub mod date;
pub mod money;
pub mod number;
pub mod percent;
pub mod period;
pub mod words;

use core::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A pattern that is compiled when it is first used. One that does not compile finds nothing; a test says so.
pub(crate) type Pattern = LazyLock<Option<Regex>>;

/// Makes a [`Pattern`] of a literal.
macro_rules! pattern {
    ($text:expr) => {
        ::std::sync::LazyLock::new(|| ::regex::Regex::new($text).ok())
    };
}
pub(crate) use pattern;

/// Every match in a range of the text.
pub(crate) fn captures<'t>(pattern: &Pattern, text: &'t str, range: Range<usize>) -> Vec<Captures<'t>> {
    let (Some(regex), Some(part)) = (pattern.as_ref(), text.get(..range.end)) else { return Vec::new() };
    let mut found = Vec::new();
    let mut from = range.start;
    while from <= part.len() && part.is_char_boundary(from) {
        let Some(capture) = regex.captures_at(part, from) else { break };
        let Some(whole) = capture.get(0) else { break };
        from = if whole.end() > whole.start() {
            whole.end()
        } else {
            whole.end() + part[whole.end()..].chars().next().map_or(1, char::len_utf8)
        };
        found.push(capture);
    }
    found
}

/// The first match in a range of the text.
pub(crate) fn capture<'t>(pattern: &Pattern, text: &'t str, range: Range<usize>) -> Option<Captures<'t>> {
    let part = text.get(..range.end).filter(|part| range.start <= part.len())?;
    pattern.as_ref()?.captures_at(part, range.start)
}

/// Whether the pattern matches in the text.
pub(crate) fn found(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Marks in the place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Taken out before the document was given away: `***`, `[*]`, `[REDACTED]`.
    Redacted,
    /// Left for somebody to fill in: `____`, `[●]`, `{{ fee }}`.
    Blank,
    /// To be agreed: `TBD`, `to be determined`.
    Undetermined,
}

static REDACTED: Pattern = pattern!(
    r"(?i)\[?\*{2,}\]?|\[\s?(?:…|\.{3})+\s?\]|\[\s*\*\s*\]|[$€£]\s?\*|\[\s?\*(?:\s\*)+\s?\]|\[redacted\]|\[?(?:confidential (?:treatment|material|portion)s?[^\]]{0,40}redacted|redacted)\]?|█+"
);
static BLANK: Pattern = pattern!(
    r"_{3,}|\[\s*[●•]\s*\]|\[\s{0,6}\]|●|\{\{[^{}]{0,80}\}\}|\[\s*(?i:insert|enter|amount|date|tbc)[^\]]{0,60}\]|[Xx]{4,}|[$€£]\s?[Xx]{1,3}(?:,[Xx]{3})+|\[l\]|\B[$€£](?:\s*[,;)]|\s+\.|\s*$)"
);
static UNDETERMINED: Pattern =
    pattern!(r"(?i)\bto\s+be\s+(?:determined|agreed|confirmed|advised|negotiated)\b|\bT\.?B\.?[DCA]\b\.?");

/// What stands in the place of a value, and where, first one first.
pub(crate) fn missing(text: &str, range: Range<usize>) -> Option<(Missing, Range<usize>)> {
    [(&REDACTED, Missing::Redacted), (&BLANK, Missing::Blank), (&UNDETERMINED, Missing::Undetermined)]
        .into_iter()
        .filter_map(|(pattern, kind)| {
            let whole = capture(pattern, text, range.clone())?.get(0)?.range();
            Some((kind, whole))
        })
        .min_by_key(|(_, range)| range.start)
}
