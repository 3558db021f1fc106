//! Numbers and dates by which a contract is known, exhibits that it names, and the contract that it amends.

use core::ops::Range;
use std::collections::BTreeMap;

use crate::block::trimmed;
use crate::flow::Flow;
use crate::proposal::{Amends, Field, Finding, Gravity, Why};
use crate::value::date::{self, When};
use crate::value::{Pattern, capture, captures, found, missing, pattern};

static NUMBER: Pattern = pattern!(
    r"(?i)\b(?:contract|agreement|sow|statement\s+of\s+work|work\s+order|change\s+order|amendment|order|proposal)?\s*(?:reference|ref\.?|contract|agreement|sow|work\s+order|order)\s*(?:no\.?|number|nr\.?|\#|id)?\s*[.:]?\s*(?:no\.?|number)?\s*[:#]?\s*(?P<id>[A-Z]{2,6}(?:[-/][A-Z0-9]{1,12}){1,5}|[A-Z]{0,4}\d[A-Z0-9]*(?:[-/][A-Z0-9]+)+)"
);
static CODE: Pattern =
    pattern!(r"\b(?P<id>(?:SOW|WO|AMD|ADD|MSA|CO|CSA|AGR|CTR)-[A-Z0-9]{1,12}(?:-[A-Z0-9]{1,12}){0,4})\b");
static LABEL: Pattern = pattern!(
    r"(?im)^\W*(?:contract|agreement|sow|slot\s+code|contract\s+reference|reference)\s*(?:no\.?|number|code|id)?\s*[:#]\s*(?P<id>[^\n\t]{2,60})$"
);
static PO: Pattern = pattern!(
    r"\b(?:(?P<code>P\.?O\.?[-/]\d[A-Z0-9/-]{2,20})|(?i:purchase\s+order|P\.?O\.?)\s*(?i:no\.?|number|nr\.?|\#|ref(?:erence)?\.?)?\s*[:#]?\s*(?P<id>[A-Z]{0,4}[-/]?\d[A-Z0-9/-]{2,20}))\b"
);

/// Number of the contract.
pub(crate) fn number(flow: &Flow<'_>) -> Field {
    let head = 0..flow.floor(flow.text.len().min(6_000));
    // The number that the title bears, not that of the agreement it refers to.
    let refers = |at: usize| {
        let before = flow.slice(flow.before(at, 90)).to_lowercase();
        let line = before.rsplit('\n').next().unwrap_or("").to_owned();
        ["pursuant", "under", "parent", "master", "to that certain", "msa", "consulting agreement"]
            .iter()
            .any(|word| line.contains(word))
    };
    for pattern in [&NUMBER, &CODE] {
        for found in captures(pattern, &flow.text, head.clone()) {
            let (Some(whole), Some(id)) = (found.get(0), found.name("id")) else { continue };
            if !refers(whole.start()) && id.as_str().chars().any(|c| c.is_ascii_digit()) && !id.as_str().contains("--")
            {
                return Field::words(flow, id.range());
            }
        }
    }
    let labelled = capture(&LABEL, &flow.text, head)
        .and_then(|captured| captured.name("id").map(|id| trimmed(&flow.text, id.range())));
    labelled.map_or_else(Field::default, |range| match missing(&flow.text, range.clone()) {
        Some((kind, place)) => Field::empty(flow, crate::schedule::why(kind), place),
        None if flow.slice(range.clone()).chars().any(|c| c.is_ascii_digit()) => Field::words(flow, range),
        None => Field::default(),
    })
}

/// The customer's purchase order.
pub(crate) fn purchase_order(flow: &Flow<'_>) -> Field {
    capture(&PO, &flow.text, 0..flow.text.len())
        .and_then(|captured| {
            captured.name("code").or_else(|| captured.name("id")).map(|id| Field::words(flow, id.range()))
        })
        .unwrap_or_default()
}

static MADE: Pattern = pattern!(
    r"(?i)\b(?:is\s+made|made\s+(?:and\s+entered\s+into\s+)?(?:effective\s+)?(?:(?:as\s+of|this|on|in\s+\w+\s+on)\s+)?|entered\s+into\s+(?:as\s+of|on|this)|dated\s*:?\s+(?:as\s+of\s+|on\s+or\s+as\s+of\s+|this\s+)?|effective\s+(?:as\s+of|date)\s*[:(]?|into\s+the\s+|agreement[”“\x22)]*\s+is\s+dated|this\s+(?:contract|agreement)\s+made|agree\s+(?:as\s+follows\s+)?on\s+|signed\s+on\s+|concluded\s+on\s+|(?:start|commencement|signature)\s+date\s*:?|date\s+of\s+(?:order|agreement|contract|signature)\W{0,4}|\(the\s+“effective\s+date”\))"
);

/// The date of the agreement: the first date after words that say when it was made.
pub(crate) fn signed(flow: &Flow<'_>) -> Field {
    let head = 0..flow.floor(flow.text.len().min(60_000));
    let mut best: Option<(i32, Field)> = None;
    for made in captures(&MADE, &flow.text, head.clone()) {
        let Some(whole) = made.get(0).map(|found| found.range()) else { continue };
        let tail = flow.after(whole.end, 160);
        let Some(written) = date::all(&flow.text, tail.clone()).into_iter().next() else { continue };
        let before = flow.slice(flow.before(whole.start, 120)).to_lowercase();
        let says = flow.slice(whole.clone()).to_lowercase();
        // "the contract dated … for" in a recital is another one.
        let line = before.rsplit("\n\n").next().unwrap_or("").to_owned();
        static OWN: Pattern = pattern!(
            r"this\s+(?:\w+\s+){0,2}(?:amendment|addendum|change\s+order|agreement|contract|order)\b[^.;]{0,30}$|this\s+(?:amendment|addendum)\s+no\.?\s*\d+\W{0,3}$"
        );
        let own = found(&OWN, &line);
        let other = [
            "whereas",
            "amendment",
            "to the contract",
            "entered into a",
            "parent",
            "certain",
            "master",
            "basic agreement",
            "framework",
            "deed",
            "registration",
            "letter of",
        ]
        .iter()
        .filter(|word| line.contains(**word))
        .count();
        let near = i32::try_from(written.range.start - whole.end).unwrap_or(i32::MAX);
        let made = says.contains("made") || says.contains("entered") || says.contains("into the");
        let early = i32::try_from(whole.start / 3_000).unwrap_or(i32::MAX);
        let score = if made { 30 } else { 20 }
            - near / 8
            - early * 2
            - if own {
                -6
            } else if other > 0 && !made {
                25
            } else {
                0
            };
        let field = match (written.when, written.when.text()) {
            (When::Day(_), Some(text)) => Field::read(flow, text, written.range),
            (When::Open, _) => Field::empty(flow, Why::Blank, written.range),
            (When::Ambiguous, _) => Field::empty(flow, Why::Ambiguous, written.range),
            _ => continue,
        };
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, field));
        }
    }
    best.filter(|(score, _)| *score > 0).map(|(_, field)| field).unwrap_or_default()
}

static EXHIBIT: Pattern = pattern!(
    r#"\b(?P<kind>Exhibit|EXHIBIT|Annex|ANNEX|Schedule|SCHEDULE|Appendix|APPENDIX|Attachment|ATTACHMENT)\s+["“\[(‘]{0,3}(?P<id>[A-Z](?:-\d{1,2}|\d{1,2})?|[IVX]{1,4}|\d{1,2}(?:\.\d{1,3})?)["”’\])]{0,3}(?:[^A-Za-z0-9]|$)"#
);

/// Exhibits that are named and do not stand in the files.
pub(crate) fn absent_exhibits(flow: &Flow<'_>) -> Vec<Finding> {
    let mut named: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
    let mut there: Vec<String> = Vec::new();
    let signature = flow.text.rfind("IN WITNESS WHEREOF").or_else(|| flow.text.rfind("In witness whereof"));
    let late = signature.unwrap_or(flow.text.len() / 2).min(flow.text.len() / 2).max(flow.text.len() / 4);
    let lines: Vec<usize> = flow.lines().iter().map(|line| line.range.start).collect();
    let tops = tops(flow);
    for capture in captures(&EXHIBIT, &flow.text, 0..flow.text.len()) {
        let (Some(whole), Some(kind), Some(id)) = (capture.get(0), capture.name("kind"), capture.name("id")) else {
            continue;
        };
        let key = format!("{} {}", titled(kind.as_str()), id.as_str());
        let opens = lines.binary_search(&whole.start()).is_ok();
        // The first page of a contract that is filed with the authority says "Exhibit 10.47": the filing's number of it.
        if opens && id.as_str().contains('.') && kind.as_str().eq_ignore_ascii_case("exhibit") {
            continue;
        }
        let span = flow.spans.iter().find(|span| span.range.contains(&whole.start()));
        let short = span.is_some_and(|span| span.range.len() < 200 || span.heading);
        if opens && short && (whole.start() >= late || tops.contains(&whole.start())) {
            there.push(key);
        } else {
            named.entry(key).or_default().push(kind.start()..id.end());
        }
    }
    named
        .into_iter()
        .filter(|(key, _)| !there.contains(key))
        .map(|(key, places)| {
            static PRICED: Pattern = pattern!(r"(?i)\b(?:price|payment|pc\s+sum|fees?|milestones?|schedule\s+of)\b");
            let priced = places.iter().any(|place| {
                let around = flow.before(place.start, 60).start..flow.after(place.end, 60).end;
                found(&PRICED, flow.slice(around))
            });
            Finding {
                code: "exhibit_absent".into(),
                gravity: if priced { Gravity::Warning } else { Gravity::Note },
                message: format!(
                    "{key} is named {} and does not stand in the files; give it as well",
                    times(places.len())
                ),
                quotes: places.first().map_or_else(Vec::new, |place| flow.quotes(flow.after(place.start, 80))),
            }
        })
        .collect()
}

/// Where each file begins: one that opens with "EXHIBIT E" is that exhibit.
fn tops(flow: &Flow<'_>) -> Vec<usize> {
    let starts = flow.spans.iter().map(|span| (flow.place(span.range.clone()).file, span.range.start));
    let mut tops: Vec<(u16, usize)> = starts.collect();
    tops.dedup_by_key(|(file, _)| *file);
    tops.into_iter().map(|(_, start)| start).collect()
}

fn times(count: usize) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}

fn titled(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| format!("{first}{}", chars.as_str().to_lowercase()))
}

static TITLE: Pattern = pattern!(
    r"(?im)^\W*(?:exhibit[^\n]*\n+)?\W*(?P<title>(?:first|second|third|\d\w\w)?\s*(?:amendment|addendum|change\s+order|supplemental\s+agreement|variation\s+order)\b[^\n]{0,200})"
);
static OF_CONTRACT: Pattern = pattern!(
    r"(?is)\bto\s+(?:the\s+|that\s+certain\s+)?(?P<what>(?:(?:epc|construction|consulting|services?|master)\s+)?(?:contract|agreement|statement\s+of\s+work)\b[^\n]{0,30}?(?:dated|signed\s+on|for\s+the|\bno\.)[^.;]{4,200})"
);
static PARENT: Pattern = pattern!(
    r"(?is)(?:modif\w+|amend\w+|supplement\w*|amends?)[^.;]{0,160}?(?P<id>(?:SOW|WO|MSA|CSA|AGR)-[A-Z0-9]+(?:-[A-Z0-9]+){1,4})"
);
static CHANGE: Pattern = pattern!(
    r"(?is)(?P<what>(?:clauses?|sections?|articles?|paragraphs?|the\s+schedule\s+of\s+milestones|exhibits?|annex(?:es)?)\b[^.;]{0,140}?\b(?:(?:is|are|shall\s+be)\s+(?:hereby\s+)?(?:deleted|replaced|amended|restated|added|revised|increased|supplemented)|remain\s+unchanged)[^.;:]{0,120})"
);

/// What a document amends, where it is an amendment.
pub(crate) fn amends(flow: &Flow<'_>) -> Option<Amends> {
    let head = 0..flow.floor(flow.text.len().min(2_500));
    let title = capture(&TITLE, &flow.text, head.clone())?.name("title")?.range();
    let near = title.start..flow.floor(flow.text.len().min(title.end + 6_000));
    let contract = capture(&PARENT, &flow.text, title.start..flow.floor(flow.text.len().min(12_000)))
        .and_then(|captured| captured.name("id").map(|id| id.range()))
        .or_else(|| {
            capture(&OF_CONTRACT, &flow.text, near.clone())?.name("what").map(|what| trimmed(&flow.text, what.range()))
        });
    let dated = contract.clone().and_then(|range| {
        let around = range.start..flow.after(range.end, 160).end;
        let written = date::all(&flow.text, around).into_iter().next()?;
        Some(Field::read(flow, written.when.text()?, written.range))
    });
    let clauses = captures(&CHANGE, &flow.text, title.end..flow.text.len())
        .iter()
        .filter_map(|capture| capture.name("what").map(|what| Field::words(flow, trimmed(&flow.text, what.range()))))
        .take(60)
        .collect();
    Some(Amends {
        contract: contract.map_or_else(Field::default, |range| Field::words(flow, range)),
        dated: dated.unwrap_or_default(),
        clauses,
    })
}
