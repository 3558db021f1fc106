//! Acceptance: how long it may take, whether silence counts, how long a correction may take, who decides.

use crate::flow::Flow;
use crate::proposal::{AcceptanceClause, Field};
use crate::schedule::days_field;
use crate::value::period::{self, Days, Period};
use crate::value::{Pattern, captures, found, pattern};

static ACCEPTS: Pattern = pattern!(
    r"(?i)\b(?:accept(?:s|ed|ance)?|reject(?:s|ed|ion)?|review(?:s|ed)?|approv(?:e|es|al)|confirm\s+the\s+achievement|acceptance\s+(?:period|test\w*|review))\b"
);
static WORK: Pattern = pattern!(
    r"(?i)\b(?:deliverables?|milestones?|work\s+products?|software|system|services|work|vessel|notice\s+of\s+completion|completion|delivery|review\s+period|stage)\b"
);
static DEEMED: Pattern = pattern!(
    r"(?i)\bdeemed\s+(?:to\s+(?:have\s+been\s+|be\s+)?)?(?:accepted|acceptance|approved)|\bdeemed[\s-]+acceptance\b|\b(?:failure|fails?)\s+to\s+(?:respond|reject|notify)[^.;]{0,120}\b(?:acceptance|accepted)\b"
);
static NOT_DEEMED: Pattern = pattern!(
    r"(?i)\b(?:not|no|never)\b[^.;]{0,40}\bdeemed\s+(?:to\s+(?:have\s+been\s+|be\s+)?)?accept|\bsilence\b[^.;]{0,40}\bnot\b"
);
static CORRECT: Pattern = pattern!(
    r"(?i)\b(?:correct\w*|re-?submit\w*|re-?perform\w*|remed(?:y|ied)|re-?deliver\w*|repair|rectif\w*|revis(?:e|ed)\s+deliverables?)\b"
);
static BREACH: Pattern = pattern!(
    r"(?i)\b(?:material\s+breach|terminat\w*|warrant\w*|default|invoice|pay(?:ment|able)?|bankrupt\w*|option|delivery\s+date|drawings?|plans)\b"
);
static DECIDES: Pattern = pattern!(
    r"(?is)\bdispute[^.;]{0,120}?(?:milestone|completion|achiev)[^.;]{0,120}?(?:decision\s+of\s+(?P<who>(?:the\s+)?[A-Z][\w’' ]{3,60}?)\s+(?:shall|will|is)|determined\s+by\s+(?P<by>(?:the\s+)?[A-Z][\w’' ]{3,60}))"
);

/// Reads the acceptance clause.
pub(crate) fn read(flow: &Flow<'_>) -> AcceptanceClause {
    let periods = period::all(&flow.text, 0..flow.text.len());
    let best = |score: &dyn Fn(&Period) -> i32| {
        periods
            .iter()
            .map(|period| (score(period), period))
            .filter(|(score, _)| *score > 0)
            .max_by_key(|(score, period)| (*score, core::cmp::Reverse(period.range.start)))
    };
    // Less is a period beside another kind of acceptance.
    let window = best(&|period| window_score(flow, period) - 5).map(|(_, period)| days_field(flow, period));
    let cure = best(&|period| cure_score(flow, period)).map(|(_, period)| days_field(flow, period));
    let decided = captures(&DECIDES, &flow.text, 0..flow.text.len()).first().and_then(|capture| {
        capture.name("who").or_else(|| capture.name("by")).map(|who| Field::words(flow, who.range()))
    });
    AcceptanceClause {
        window: window.unwrap_or_default(),
        deemed: deemed(flow),
        cure: cure.unwrap_or_default(),
        decided_by: decided.unwrap_or_default(),
    }
}

fn window_score(flow: &Flow<'_>, period: &Period) -> i32 {
    let sentence = super::sentence(flow, period.range.clone());
    let text = flow.slice(sentence.clone());
    let near = flow.slice(
        flow.before(period.range.start, 160).start.max(sentence.start)
            ..flow.after(period.range.end, 160).end.min(sentence.end),
    );
    if !found(&ACCEPTS, near) || !found(&WORK, text) || found(&CORRECT, near) {
        return 0;
    }
    let heading = flow.slice(flow.before(sentence.start, 300));
    let mut score = 4;
    // "Payment Milestone" speaks of work, not of payment.
    let plain = text.to_lowercase().replace("payment milestone", "milestone");
    for (pattern, more) in [(&DEEMED, 3), (&BREACH, -6)] {
        if found(pattern, &plain) {
            score += more;
        }
    }
    let lower = text.to_lowercase();
    for (words, more) in [
        ("accept or reject", 4),
        ("accepts or rejects", 4),
        ("approve or reject", 4),
        ("review period", 4),
        ("acceptance period", 4),
        ("in writing", 1),
        ("confirm the achievement", 8),
        ("evaluat", 1),
    ] {
        score += if lower.contains(words) { more } else { 0 };
    }
    score += if heading.to_lowercase().contains("acceptance") { 2 } else { 0 };
    score + if period.days == Days::Business { 1 } else { 0 }
}

fn cure_score(flow: &Flow<'_>, period: &Period) -> i32 {
    let sentence = super::sentence(flow, period.range.clone());
    let text = flow.slice(sentence.clone());
    let around = flow.slice(flow.before(sentence.start, 400).start..flow.after(sentence.end, 200).end);
    if !found(&CORRECT, text) || !found(&ACCEPTS, around) || found(&BREACH, text) || !found(&WORK, text) {
        return 0;
    }
    let rejected = ["reject", "deficien", "non-conform", "nonconform", "fails to meet"]
        .iter()
        .any(|word| around.to_lowercase().contains(word));
    if rejected { 5 } else { 0 }
}

/// Whether silence is acceptance. A document that says nothing of it has no value.
fn deemed(flow: &Flow<'_>) -> Field {
    let range = |pattern: &Pattern| {
        captures(pattern, &flow.text, 0..flow.text.len())
            .first()
            .and_then(|capture| capture.get(0).map(|found| found.range()))
    };
    if let Some(range) = range(&NOT_DEEMED) {
        return Field::read(flow, "false", range);
    }
    range(&DEEMED).map_or_else(Field::default, |range| Field::read(flow, "true", range))
}
