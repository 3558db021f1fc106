//! Retained amounts: rules of a contract on what is kept back, released, and held for unfinished work.

use core::ops::Range;

use crate::flow::Flow;
use crate::proposal::{Field, RetainageRule, Why};
use crate::schedule::shortened;
use crate::value::percent::{self, Percent};
use crate::value::{Pattern, found, pattern};

static RETAINS: Pattern = pattern!(
    r"(?i)\bretainage\b|\bretention\s+(?:fee|money|amount|sum|payment|of)|\b(?:will|shall|may|to)\s+(?:be\s+)?(?:retain(?:ed)?|withh(?:o|e)ld)\b|\bretain\s+from\b|\b(?:retains|withholds|keeps\s+back)\b|\bholdback\b|%\s+retention|retention\s+of"
);
static RELEASE: Pattern =
    pattern!(r"(?i)\b(?:releas\w+|previously\s+withheld|to\s+be\s+paid\s+upon|shall\s+be\s+paid|returned)\b");
static HOLD: Pattern =
    pattern!(r"(?i)\b(?:punch\s?-?(?:list|work)|incomplete|unfinished|estimated\s+cost|cost\s+of\s+completing)\b");
static OTHER: Pattern = pattern!(r"(?i)\b(?:interest|insurance|liquidated|net\s+win|vat|tax|equity|voting)\b");

/// Every rule on retained amounts, in order of the text.
pub(crate) fn read(flow: &Flow<'_>) -> Vec<RetainageRule> {
    let mut rules: Vec<RetainageRule> = Vec::new();
    let mut places: Vec<Range<usize>> = Vec::new();
    for percent in percent::all(&flow.text, 0..flow.text.len()) {
        let sentence = super::sentence(flow, percent.range.clone());
        let near = flow.before(percent.range.start, 160).start.max(sentence.start)
            ..flow.after(percent.range.end, 160).end.min(sentence.end);
        if !found(&RETAINS, flow.slice(near.clone())) || found(&OTHER, flow.slice(near)) {
            continue;
        }
        if let Some(rule) = rule(flow, &percent, &sentence) {
            // A rule that is stated again in other words of the same sentence, or word for word elsewhere, is one rule.
            let same = rules
                .iter()
                .any(|other| other.rule.value == rule.rule.value && other.percent.value == rule.percent.value);
            if !same {
                places.push(sentence);
                rules.push(rule);
            }
        }
    }
    rules
}

fn rule(flow: &Flow<'_>, share: &Percent, sentence: &Range<usize>) -> Option<RetainageRule> {
    let tail = flow.slice(flow.after(share.range.end, 90));
    let tail = tail.split([';', '.']).next().unwrap_or(tail);
    let lower = tail.trim_start().to_lowercase();
    let what = if is_threshold(&lower) {
        return None;
    } else if found(&HOLD, tail) && share.value.is_some_and(|value| value > rust_decimal::Decimal::ONE_HUNDRED) {
        "hold"
    } else if lower.starts_with("of retainage")
        || lower.starts_with("of the retainage")
        || (found(&RELEASE, tail) && found(&RETAINS, tail))
    {
        "release"
    } else {
        "retain"
    };
    let percent = match share.value {
        Some(value) => Field::read(flow, value.normalize().to_string(), share.range.clone()),
        None => Field::empty(flow, Why::Redacted, share.range.clone()),
    };
    Some(RetainageRule { percent, what: what.into(), rule: Field::words(flow, shortened(flow, sentence.clone(), 600)) })
}

/// "until fifty percent of the Work is complete", "exceeds ten percent of withheld retainage": a condition, no rate.
fn is_threshold(tail: &str) -> bool {
    ["of the work", "of withheld", "of the project is", "complete"].iter().any(|word| tail.starts_with(word))
}
