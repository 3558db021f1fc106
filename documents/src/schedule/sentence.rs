//! Instalments inside a sentence: `30% on signature, 40% on delivery and the balance on acceptance`.

use core::ops::Range;

use super::Schedule;
use super::item::{self, Item};
use super::list::{NO_SCHEDULE, PARTS, PAYMENT, accepted};
use crate::flow::Flow;
use crate::proposal::Field;
use crate::value::number::DecimalMark;
use crate::value::{Pattern, capture, captures, found, money, pattern, percent, words};

/// Where each instalment begins that a sentence names after `from`.
fn cuts(flow: &Flow<'_>, from: usize, end: usize) -> Vec<usize> {
    static STARTS: Pattern = pattern!(
        r"(?i)(?:\b(?:a\s+(?:deposit|down\s+payment)\s+of|an?\s+(?:initial|advance|first|second|third|final|further)\s+(?:payment|instal?lment)\s+of|the\s+(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|final|last)\s+(?:payment|instal?lment)|the\s+(?:remaining\s+)?(?:balance|remainder))\b|(?:US|U\.S\.)?\s?[$€£]\s?(?:\d|\[?\s?\*|x{3})|\b(?:USD|EUR|GBP)\s?\$?(?:\d|\[?\s?\*)|\b\d{1,3}(?:\.\d+)?\s?(?:%|percent\b)|\b\w+\s+percent\s+\()"
    );
    let mut cuts: Vec<usize> = Vec::new();
    let mut from = from;
    while let Some(opening) =
        capture(&STARTS, &flow.text, from..end).and_then(|captured| captured.get(0).map(|found| found.range()))
    {
        // The amount beside a percent, or the digits beside the words, belong to the same instalment.
        let beside = cuts.last().is_some_and(|last| {
            let between = flow.slice(*last..opening.start);
            !found(&ENDS, between)
                && !found(&REST, between)
                && (!found(&SEPARATES, between) || !found(&HAPPENS, between))
                && !found(&ANNOUNCES, between)
        });
        if !beside {
            // "Two Hundred Thousand Dollars ($200,000)" begins with its words.
            let head = flow.slice(0..opening.start).trim_end();
            let spelled = head.strip_suffix('(').and_then(|head| words::before(&flow.text, head.trim_end().len()));
            let floor = cuts.last().map_or(from.saturating_sub(400), |last| *last);
            cuts.push(spelled.map_or(opening.start, |words| words.range.start.max(floor).min(opening.start)));
        }
        from = opening.end.max(from + 1);
    }
    cuts
}

/// What stands between the cuts, each read as an item.
fn pieces(flow: &Flow<'_>, cuts: &[usize], end: usize, mark: DecimalMark) -> Vec<Item> {
    static MARKER: Pattern = pattern!(r"\((?:[a-z]|[ivx]{1,4}|\d{1,2})\)\s*$");
    let marker = |at: usize| {
        let before = flow.before(at, 12);
        let found = MARKER.as_ref()?.find(flow.slice(before.clone()))?;
        let text = found.as_str().trim_end();
        Some(before.start + found.start()..before.start + found.start() + text.len())
    };
    let ends = cuts.iter().skip(1).copied().chain([end]);
    cuts.iter()
        .zip(ends)
        .map(|(start, end)| {
            let end = marker(end).map_or(end, |next| next.start.max(*start));
            item::read(flow, marker(*start), *start..end, mark)
        })
        .collect()
}

/// An amount that was taken out.
static TAKEN_OUT: Pattern = pattern!(r"[$€£]\s?(?:\[?\s?\*|[xX]{3})");

/// Instalments in one sentence: `30% on signature, 40% on delivery and the balance on acceptance`.
pub(super) fn sentences(flow: &Flow<'_>, mark: DecimalMark) -> Vec<(i64, Schedule)> {
    let mut found_schedules = Vec::new();
    for range in statements(flow) {
        let text = flow.slice(range.clone());
        if !text.contains(|c: char| c.is_ascii_digit() || c == '*') && !text.contains("ercent") {
            continue;
        }
        let values = money::all(&flow.text, range.clone(), mark).iter().filter(|amount| amount.per.is_none()).count()
            + percent::all(&flow.text, range.clone()).len()
            + TAKEN_OUT.as_ref().map_or(0, |pattern| pattern.find_iter(text).count());
        if values < 2 || !found(&PAYMENT, text) || found(&NO_SCHEDULE, text) || found(&PARTS, text) {
            continue;
        }
        let cuts = cuts(flow, opening(flow, range.clone()), range.end);
        if cuts.len() < 2 {
            continue;
        }
        let mut items = pieces(flow, &cuts, range.end, mark);
        // "Our fee is £50,000. We will invoice £10,000 when …": the instalments begin with the first event.
        let pays = |item: &Item| item.valued && item.eventful;
        let first = items.iter().position(pays).unwrap_or(0);
        items.drain(..first);
        let paid = cuts.get(first).copied().unwrap_or(range.start)..range.end;
        let all = items.len() > 1 && items.iter().all(pays);
        if let Some((score, schedule)) =
            accepted(flow, &flow.before(paid.start, 350), items, paid, mark).filter(|_| all)
        {
            found_schedules.push((score - 15, schedule));
        }
    }
    found_schedules
}

/// Paragraphs, and the sentences of those that have more than one.
fn statements(flow: &Flow<'_>) -> Vec<Range<usize>> {
    static END: Pattern = pattern!(r"[a-z)\]”\x22](?P<end>[.;])\s+(?:[A-Z(]|\d{1,2}[.)])");
    let mut all = Vec::new();
    for span in &flow.spans {
        all.push(span.range.clone());
        let mut from = span.range.start;
        for sentence in captures(&END, &flow.text, span.range.clone()) {
            let Some(end) = sentence.name("end").map(|end| end.end()) else { continue };
            all.push(from..end);
            from = end;
        }
        if from > span.range.start {
            all.push(from..span.range.end);
        }
    }
    all.retain(|range| range.len() > 40 && range.len() < 3_000);
    all
}

/// Payments that an item names in its one sentence: "Phase 1 fee shall be invoiced 40% upon …, 40% upon … and 20% upon …". Their
/// percents are all of what the item names, so that they are its whole.
pub(super) fn inline(flow: &Flow<'_>, range: &Range<usize>, mark: DecimalMark) -> Vec<Item> {
    let opens = |cut: &usize| {
        percent::all(&flow.text, *cut..range.end)
            .first()
            .is_some_and(|percent| percent.range.start <= cut.saturating_add(1))
    };
    // "US$74,455, invoiced as follows: fifty percent (50%) upon …": the amount before them is what the percents are of.
    let mut cuts = cuts(flow, range.start, range.end);
    if let [first, second, ..] = cuts[..]
        && !opens(&first)
    {
        match percent::all(&flow.text, first..second).first() {
            Some(percent) => cuts[0] = percent.range.start,
            None => drop(cuts.remove(0)),
        }
    }
    let Some(first) = cuts.first().copied().filter(|_| cuts.len() > 1) else { return Vec::new() };
    let mut items = pieces(flow, &cuts, range.end, mark);
    let sum: rust_decimal::Decimal = items.iter().filter_map(|item| item.milestone.percent.number()).sum();
    static VERB: Pattern = pattern!(r"(?i)[\s:–—-]*\b(?:shall|will|is|are|to\s+be|payable|invoiced|due)\b");
    let verb =
        capture(&VERB, &flow.text, range.start..first).and_then(|captured| captured.get(0).map(|found| found.start()));
    let title = crate::block::trimmed(&flow.text, range.start..verb.unwrap_or(first));
    // "Completion of phase 3: 70% of its fee; the remaining 30% upon sign-off": the title is the event of the first.
    static HAPPENS: Pattern =
        pattern!(r"(?i)\b(?:completion|acceptance|approval|delivery|signature|signing|commencement|go-?live)\b");
    let led = found(&HAPPENS, flow.slice(title.clone()));
    if let Some(first) = items.first_mut().filter(|item| led && !item.eventful) {
        first.eventful = true;
        first.milestone.name = Field::words(flow, item::shortened(flow, title.clone(), 100));
        first.milestone.trigger = first.milestone.name.clone();
    }
    // Where they are not the whole, they are what is invoiced all the same if the sentence says so; that they are not is a finding.
    static INVOICED: Pattern =
        pattern!(r"(?i)^.{0,120}\b(?:shall|will|is|are|to)\s+(?:be\s+)?(?:invoiced|billed|payable|paid|due)\b.{0,40}$");
    let says = found(&INVOICED, flow.slice(range.start..first)) && !found(&NO_SCHEDULE, flow.slice(range.clone()));
    let whole = sum == rust_decimal::Decimal::ONE_HUNDRED || (says && items.len() > 2);
    if !whole || !cuts.iter().all(opens) || !items.iter().all(|item| item.percent && item.eventful) {
        return Vec::new();
    }
    // "45% of the total amount with the order, 40% upon shipping": the second is of the same as the first.
    let base = items.first().map(|item| item.milestone.percent_of.clone()).filter(|base| base.value.is_some());
    let base =
        base.unwrap_or_else(|| if title.is_empty() { Field::default() } else { Field::words(flow, title.clone()) });
    for item in items.iter_mut().filter(|item| item.milestone.percent_of.value.is_none()) {
        item.milestone.percent_of = base.clone();
    }
    items
}

/// Where the instalments of a sentence begin: after "of $425,000, payable as follows:" and the like.
fn opening(flow: &Flow<'_>, range: Range<usize>) -> usize {
    static LEAD: Pattern = pattern!(
        r"(?i)\b(?:as\s+follows|in\s+the\s+following\s+(?:manner|instal?lments?|stages?|payments?)|in\s+\w+(?:\s+\(\d+\))?\s+(?:(?:equal|monthly|quarterly|annual)\s+)*(?:instal?lments?|payments?|stages?|tranches?)|payable)\s*[:.,–—-]?\s"
    );
    let found =
        capture(&LEAD, &flow.text, range.clone()).and_then(|captured| captured.get(0).map(|found| found.range()));
    // "Our invoices are payable within 14 days" after the instalments opens nothing.
    let opens = |span: &Range<usize>| {
        static VALUE: Pattern =
            pattern!(r"[$€£¥₹]\s?(?:\d|\[?\s?\*|[xX]{3})|\d\s?(?:%|percent)|\b[A-Z]{3}\s?\d|percent\b");
        VALUE.as_ref().is_some_and(|value| value.find_iter(flow.slice(span.end..range.end)).count() > 1)
    };
    found.filter(|span| span.end < range.end && opens(span)).map_or(range.start, |range| range.end)
}

/// "The fee is $279,000. Payment schedule: 20% …", "is $500,000, payable as follows: 20% …": what stands before the colon is paid in parts.
static ANNOUNCES: Pattern =
    pattern!(r"(?i)\b(?:schedules?|follows|pay|paid|payable|instal?lments?|payments?)\b[^.;]{0,40}:\s*$");
/// "70% of the fee; the remaining 30%": another instalment.
static REST: Pattern = pattern!(r"(?i);\s*(?:and\s+)?(?:the\s+)?remaining\s+$");
static SEPARATES: Pattern = pattern!(r"[,;]|\band\b|\.\s");
static ENDS: Pattern = pattern!(r"[a-z)A-Z]\.\s+[A-Z]");
static HAPPENS: Pattern = pattern!(r"(?i)\b(?:upon|on|at|after|following|when|within|before|against|due|by|with)\b");
