//! Payment schedules in prose: lists of instalments with markers or labels, and lines that begin with amounts.

use core::ops::Range;
use std::collections::BTreeMap;

use super::item::{self, Item};
use super::sentence::{inline, sentences};
use super::{Schedule, free};
use crate::flow::{Flow, Line};
use crate::proposal::{Field, Finding, Gravity, Milestone};
use crate::value::money;
use crate::value::number::DecimalMark;
use crate::value::{Pattern, captures, found, pattern};

/// What kind of marker opens a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Letter(String),
    Roman(String),
    Digit(String),
    Dotted(String),
    Bullet,
    /// The line ends in an amount or percent after a leader: `Upon delivery .... $ 280,000`.
    Closing,
    /// `milestone`, `payment`: lists of different things do not count on each other.
    Label(String),
    Value,
}

#[derive(Debug, Clone)]
struct Marker {
    kind: Kind,
    ordinal: u32,
    range: Range<usize>,
    line: usize,
    /// What stands before the last number of a label: `A` of `A1`, `2.` of `2.1`.
    series: String,
}

/// What labels are called; the first that stands in one names its list.
const NOUNS: [&str; 17] = [
    "milestone",
    "instal",
    "payment",
    "deposit",
    "phase",
    "stage",
    "module",
    "draw",
    "deliverable",
    "meilenstein",
    "rate",
    "zahlung",
    "jalon",
    "échéance",
    "hito",
    "pago",
    "term",
];

static MARKER: Pattern = pattern!(
    r"^(?:(?P<open>\()?(?P<word>[A-Za-z]{1,5}|\d{1,2})(?P<close>[).])|\((?P<code>[A-Z]{1,2})(?P<count>\d{1,2})\)|\(?(?P<dotted>\d{1,3}(?:\.\d{1,3})+)\)?\.?|(?P<bullet>[o•·▪*–-]))(?:\s|$)"
);
static VALUE: Pattern = pattern!(
    r"(?i)^(?:US|U\.S\.)?\s?[$€£]\s?(?:\d|\[?\s?\*|x{3})|^(?:USD|EUR|GBP)\s?\$?\d|^\d{1,3}(?:\.\d+)?\s?(?:%|percent)|^(?:the\s+)?(?:remaining\s+)?(?:five|ten|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[\s-]\w+)?\s+per\s?cent|^(?:the\s+)?(?:remaining\s+)?balance\b|^deposit\s+of\b|^(?:an?\s+)?(?:initial|advance|down|final)\s+payment\b"
);
static CLOSING: Pattern = pattern!(
    r"(?i)^[^\n]{6,200}?(?:\s*\.{3,}\s*|\s*:?\t\s*|:\s+)(?:US|AU?|CA?)?\s?(?:[$€£¥₹]|USD|EUR|GBP|AUD|CAD|INR|JPY)\s*\d[\d.,’' ]*(?:\.{0,2})$|^[^\n]{6,200}?(?:\s*\.{3,}\s*|\s*:?\t\s*|:\s+)\d{1,3}(?:[.,]\d{1,2})?\s?%$"
);
pub(super) static PAYMENT: Pattern = pattern!(
    r"(?i)\b(?:instal?lments?|payment\s+(?:schedule|milestones?|plan|arrangements?|profile|stages?|events?)|(?:stage|progress|interim|milestone)\s+payments?|following\s+(?:[\w-]+\s+)?(?:instal?lments?|stages?|payments?|manner|amounts|sums)|schedule\s+of\s+(?:payments?|milestones?)|milestone\s+(?:payments?|schedule)|(?:following|these)\s+milestones?|milestone-based|paid\s+in\s+\w+\s+(?:tranches|instal?lments|parts|stages|payments)|to\s+be\s+paid|payments?\s+(?:to\s+be\s+made|are\s+made)|(?:paid|payable|invoiced|due|revised|accepted)\s+(?:\w+,?\s+){0,6}?(?:as\s+follows|in\s+accordance\s+with|upon|at\s+the\s+following|according\s+to)|payment\s+(?:of|shall|is|will)|invoice\s+(?:\w+\s+){0,6}?(?:as\s+follows|in\s+accordance|upon)|(?:shall|will|should|must)\s+pay\s+[^.;:]{0,90}?(?:as\s+follows|according|fees?|price)|fees?\s+(?:shall|will)\s+be\s+(?:paid|invoiced|payable|due)|(?:following|these)\s+payments\s+are|zahlungsplan|zahlt\s+(?:\w+\s+){0,6}?wie\s+folgt|fällig|(?:teil|abschlags)zahlung(?:en)?|échéancier|(?:payable|facturé|payé|réglé)s?\s+comme\s+suit|modalités\s+de\s+paiement|forma\s+de\s+pago|siguientes\s+hitos|modalità\s+di\s+pagamento|invoiced\s+in\s+(?:terms|stages|parts|instal?lments)|according\s+to\s+the\s+schedule|(?:pursuant|according)\s+to\s+the\s+following|(?:split|divided|staged|billed|structured)\s+as\s+follows|(?:will|shall)\s+(?:invoice|bill)|fees?\s+and\s+payments?|payment\s+(?:breakdown|terms)|terms\s+of\s+payment|payable\s+as\s+set\s+forth|payments?\s+for\s+milestone)\b"
);
static ITEM_PAYS: Pattern = pattern!(
    r"(?i)\b(?:pay|paid|payable|payment|invoiced?|due|instal?lment|milestone|deposit|balance|upon|completion|acceptance|execution|signing|delivery)\b"
);
pub(super) static NO_SCHEDULE: Pattern = pattern!(
    r"(?i)\b(?:insurance|liabilit|indemnif|liquidated\s+damages|interest|penalt|service\s+credits?|rate\s+schedule|hourly\s+rates?|overhead|mark-?up|warrant|terminat|discount|bond|letter\s+of\s+credit|retainage|(?:events?\s+of|in)\s+default|suspension)\b"
);
pub(super) static PARTS: Pattern =
    pattern!(r"(?i)\b(?:compris|compos|consist|broken\s+down|breakdown|components?|allocated)\w*");

/// Whether words before a list or a table say that payments follow.
pub(super) fn announces(lead: &str) -> bool {
    found(&PAYMENT, lead) && !found(&NO_SCHEDULE, lead)
}

fn roman(text: &str) -> Option<u32> {
    const ROMANS: [&str; 20] = [
        "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi", "xvii",
        "xviii", "xix", "xx",
    ];
    ROMANS.iter().position(|name| *name == text).and_then(|at| u32::try_from(at + 1).ok())
}

/// Every reading of the marker of a line: `(i)` is the ninth letter and the first number.
fn markers(flow: &Flow<'_>, line: &Line, index: usize) -> Vec<Marker> {
    let text = flow.slice(line.range.clone());
    let start = line.range.start;
    let mut found_markers = Vec::new();
    let mut add = |kind: Kind, ordinal: u32, range: Range<usize>| {
        found_markers.push(Marker { kind, ordinal, range, line: index, series: String::new() });
    };
    let mut rest = line.range.clone();
    if let Some(marker) = MARKER.as_ref().and_then(|pattern| pattern.captures(text)) {
        let whole = marker.get(0).map_or(0..0, |whole| whole.range());
        let range = start..start + text[whole.clone()].trim_end().len();
        rest.start = start + whole.end;
        if let Some(word) = marker.name("word") {
            let style = format!(
                "{}{}",
                marker.name("open").map_or("", |_| "("),
                marker.name("close").map_or("", |close| close.as_str())
            );
            let written = word.as_str();
            let lower = written.to_lowercase();
            let case = if written == lower { "a" } else { "A" };
            if let Ok(number) = written.parse() {
                add(Kind::Digit(style), number, range);
            } else {
                if let Some(number) = roman(&lower) {
                    add(Kind::Roman(format!("{style}{case}")), number, range.clone());
                }
                if let [letter] = lower.as_bytes() {
                    add(Kind::Letter(format!("{style}{case}")), u32::from(letter - b'a') + 1, range);
                }
            }
        } else if let (Some(code), Some(count)) = (marker.name("code"), marker.name("count")) {
            if let Ok(number) = count.as_str().parse() {
                add(Kind::Dotted(code.as_str().to_owned()), number, range);
            }
        } else if let Some(dotted) = marker.name("dotted") {
            let (head, last) = dotted.as_str().rsplit_once('.').unwrap_or(("", dotted.as_str()));
            if let Ok(number) = last.parse() {
                add(Kind::Dotted(head.to_owned()), number, range);
            }
        } else {
            add(Kind::Bullet, 0, range);
        }
    }
    if rest.start == start && found(&CLOSING, text) {
        add(Kind::Closing, 0, start..start);
    }
    if let Some((whole, number, _)) = item::label(flow, &rest) {
        let (ordinal, series) = counted(&number);
        let range = whole.start..whole.start;
        let text = flow.slice(whole).to_lowercase();
        let noun = NOUNS.into_iter().find(|noun| text.contains(noun)).unwrap_or("code");
        // An initial deposit is the first of the payments.
        let kind = Kind::Label(if noun == "deposit" { "payment" } else { noun }.to_owned());
        found_markers.push(Marker { kind, ordinal, range, line: index, series });
    } else if rest.start == start && found(&VALUE, text) && !wraps(flow, line) {
        add(Kind::Value, 0, start..start);
    }
    found_markers
}

/// Which one of its list a label counts, and what stands before that in it: `A1` is the first of `A`.
fn counted(number: &str) -> (u32, String) {
    let ordinal = match number {
        // The final one closes its list: nothing counts on from it.
        "final" | "last" => u32::MAX,
        "initial" => 1,
        letter if letter.len() == 1 && letter.chars().all(|c| c.is_ascii_alphabetic()) => {
            letter.bytes().next().map_or(0, |byte| u32::from(byte.to_ascii_lowercase() - b'a') + 1)
        }
        other => match other.rsplit_once(['-', '‑']) {
            // "Phase III-A", "Phase III-B".
            Some((_, letter)) if letter.len() == 1 && letter.chars().all(|c| c.is_ascii_uppercase()) => {
                letter.bytes().next().map_or(0, |byte| u32::from(byte - b'A') + 1)
            }
            _ => other.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|last| last.parse().ok()).unwrap_or(0),
        },
    };
    let series = match number.rsplit_once(['-', '‑']) {
        Some((series, letter)) if letter.chars().all(|c| c.is_ascii_alphabetic()) => series.to_owned(),
        _ => number.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
    };
    (ordinal, series)
}

/// Whether a line goes on with the sentence of the line above, which was too long: an amount that opens it is none of a list.
fn wraps(flow: &Flow<'_>, line: &Line) -> bool {
    let above = flow.slice(flow.spans[line.span].range.start..line.range.start).trim_end();
    let last = above.rsplit('\n').next().unwrap_or(above);
    // "15% - Upon keel laying": a dash behind the value parts it from its event.
    static DASHED: Pattern = pattern!(r"^\d{1,3}(?:\.\d+)?\s?%\s*[–—:-]\s");
    // Where the line above begins with a value too, both are items: "25% of the price upon …" below "25% of the price upon …".
    let item = found(&DASHED, flow.slice(line.range.clone())) || found(&VALUE, last.trim_start());
    !item && !line.first && last.len() >= 50 && !last.ends_with(['.', ';', ':', ','])
}

/// Lists: markers of one kind that count on.
fn groups(all: &[Marker], lines: &[Line], flow: &Flow<'_>) -> Vec<Vec<Marker>> {
    let mut open: BTreeMap<Kind, Vec<Marker>> = BTreeMap::new();
    let mut closed = Vec::new();
    let loose = |kind: &Kind| matches!(kind, Kind::Bullet | Kind::Label(_) | Kind::Value | Kind::Closing);
    // A clause such as 3.3 parts the bullets before it from those after it.
    let clauses: Vec<usize> =
        all.iter().filter(|marker| matches!(marker.kind, Kind::Dotted(_))).map(|marker| marker.line).collect();
    let between = |from: usize, to: usize| {
        let next = clauses.partition_point(|line| *line <= from);
        clauses.get(next).is_some_and(|line| *line < to)
    };
    for marker in all {
        let group = open.entry(marker.kind.clone()).or_default();
        let follows = group.last().is_some_and(|last| {
            let near =
                marker.line - last.line < if matches!(marker.kind, Kind::Value | Kind::Closing) { 8 } else { 90 };
            // Labels may leave numbers out: M2, M3, M4, M6.
            let reach = if matches!(marker.kind, Kind::Label(_)) { 3 } else { 1 };
            let counts = (marker.ordinal > last.ordinal && marker.ordinal - last.ordinal <= reach)
                || marker.ordinal == u32::MAX && last.ordinal != u32::MAX
                // "Milestone 3 (first half): …" right above "Milestone 3 (second half): …".
                || (matches!(marker.kind, Kind::Label(_))
                    && marker.ordinal == last.ordinal
                    && marker.line == last.line + 1
                    && marker.range.start > lines[marker.line].range.start)
                || (loose(&marker.kind) && marker.ordinal == 0)
                || (marker.series != last.series
                    && marker.ordinal == 1
                    && !group.iter().any(|candidate| candidate.series == marker.series));
            let headed = matches!(marker.kind, Kind::Bullet | Kind::Value | Kind::Closing)
                && (lines[last.line + 1..marker.line].iter().any(|line| flow.spans[line.span].heading)
                    || between(last.line, marker.line));
            near && counts && !headed
        });
        if !follows && !group.is_empty() {
            closed.push(core::mem::take(group));
        }
        if follows || marker.ordinal <= 1 || loose(&marker.kind) {
            group.push(marker.clone());
        }
    }
    closed.extend(open.into_values());
    closed.retain(|group| group.len() >= 2);
    closed
}

/// Where the last item of a list ends: at the next marker, heading, or paragraph that begins anew.
fn last_end(flow: &Flow<'_>, lines: &[Line], from: usize, kind: &Kind) -> usize {
    let mut end = lines[from].range.end;
    for line in &lines[from + 1..] {
        let text = flow.slice(line.range.clone());
        // An amount that a sentence runs over into a new line opens nothing.
        let kinds: Vec<Marker> = markers(flow, line, 0)
            .into_iter()
            .filter(|marker| marker.kind != Kind::Closing && (marker.kind != Kind::Value || line.first))
            .collect();
        // A line with an amount at its end is an item for itself.
        if *kind == Kind::Closing {
            break;
        }
        let bullet = kinds.iter().any(|marker| marker.kind == Kind::Bullet);
        let marked = !kinds.is_empty() && (!bullet || *kind == Kind::Bullet);
        let ended = flow.slice(0..end).trim_end().ends_with(['.', ';', ':']);
        let lower = text.chars().next().is_some_and(|c| c.is_lowercase() || matches!(c, '(' | '“' | '"'));
        let anew = line.first && ended && !lower && !bullet && end > lines[from].range.start + 40;
        let far = line.range.end > lines[from].range.start + 6_000;
        if marked
            || flow.spans[line.span].heading
            || anew
            || far
            || (*kind == Kind::Value && line.first && lines[from].range.len() > 20)
        {
            break;
        }
        end = line.range.end;
    }
    end
}

pub(super) fn all(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Schedule> {
    let lines = flow.lines();
    let enumerated = enumerated(flow, &lines);
    let mut found = lists(flow, &lines, mark, |_| true);
    if enumerated.len() > lines.len() {
        let most = |rows: &[Milestone]| rows.iter().filter(|row| pays_for(row)).count() * 10 >= rows.len() * 8;
        let begins = |marker: &Marker| {
            lines.binary_search_by_key(&enumerated[marker.line].range.start, |line| line.range.start).is_ok()
        };
        let inside = lists(flow, &enumerated, mark, |group| !group.iter().all(begins));
        let inside = inside.into_iter().filter(|(_, schedule)| most(&schedule.rows));
        found.extend(inside.map(|(score, schedule)| (score - 10, schedule)));
    }
    // What a paragraph enumerates is parted by its numbers, and not by the amounts in it.
    let listed: Vec<Range<usize>> = found.iter().map(|(_, schedule)| schedule.range.clone()).collect();
    found.extend(sentences(flow, mark).into_iter().filter(|(_, schedule)| free(&listed, &schedule.range)));
    found.sort_by_key(|(score, schedule)| (-score, schedule.range.start));
    let mut kept: Vec<Schedule> = Vec::new();
    for (_, schedule) in found {
        let taken: Vec<Range<usize>> = kept.iter().map(|schedule| schedule.range.clone()).collect();
        if free(&taken, &schedule.range) {
            kept.push(schedule);
        }
    }
    kept
}

/// Lists whose items begin at these lines, of those groups of markers that are wanted.
fn lists(
    flow: &Flow<'_>,
    lines: &[Line],
    mark: DecimalMark,
    wanted: impl Fn(&[Marker]) -> bool,
) -> Vec<(i64, Schedule)> {
    let markers: Vec<Marker> = lines.iter().enumerate().flat_map(|(index, line)| markers(flow, line, index)).collect();
    let groups = groups(&markers, lines, flow);
    groups
        .iter()
        .filter(|group| wanted(group))
        .filter_map(|group| schedule(flow, lines, &markers, group, mark))
        .collect()
}

/// A row that says how much, and when.
fn pays_for(row: &Milestone) -> bool {
    let valued = |field: &Field| field.value.is_some() || !field.quotes.is_empty();
    let when = row.trigger.value.is_some() || row.due.value.is_some() || row.date.value.is_some();
    row.per.is_none() && when && (valued(&row.amount) || valued(&row.percent))
}

/// The lines, and those that items make which a paragraph enumerates in itself: "as follows: (a) $50,000 upon signing; and (b) …".
fn enumerated(flow: &Flow<'_>, lines: &[Line]) -> Vec<Line> {
    static INSIDE: Pattern = pattern!(
        r"\s(?:(?P<mark>\((?:[a-z]|[ivx]{1,4}|\d{1,2})\))\s|(?P<clause>\d{1,2}(?:\.\d{1,2}){1,2})\.?\s+[A-Z]|(?P<label>(?:Milestone|Phase|Payment|Stage|Instal?lment)\s+(?:[Nn]o\.?\s*|#\s*)?\d{1,2}\s?:)\s)"
    );
    let cut = |line: &Line| -> Vec<Line> {
        let text = flow.slice(line.range.clone());
        let inside = captures(&INSIDE, text, 0..text.len());
        let starts = inside.iter().filter_map(|inside| {
            let at = ["mark", "clause", "label"].into_iter().find_map(|name| inside.name(name))?;
            let before = text[..at.start()].split_whitespace().next_back().unwrap_or("");
            // "within thirty (30) days" counts nothing on.
            let digits = at.as_str().starts_with('(') && at.as_str().contains(|c: char| c.is_ascii_digit());
            if digits && !(before.ends_with([';', ':', ',', '.']) || matches!(before, "and" | "or")) {
                return None;
            }
            // "Section 4.1 The …" and "of Phase 2: …" name what stands elsewhere.
            let named = at.as_str().starts_with('(') || text[..at.start()].trim_end().ends_with(['.', ';', ':', ')']);
            let named = named || at.as_str().ends_with(':') && !before.starts_with(char::is_lowercase);
            named.then_some(line.range.start + at.start())
        });
        let starts: Vec<usize> = core::iter::once(line.range.start).chain(starts).collect();
        let ends = starts.iter().skip(1).copied().chain([line.range.end]);
        let parts = starts.iter().zip(ends).enumerate();
        parts
            .map(|(index, (start, end))| Line {
                range: crate::block::trimmed(&flow.text, *start..end),
                span: line.span,
                first: line.first && index == 0,
            })
            .collect()
    };
    lines
        .iter()
        .flat_map(|line| if flow.spans[line.span].table.is_some() { vec![line.clone()] } else { cut(line) })
        .collect()
}

fn schedule(
    flow: &Flow<'_>,
    lines: &[Line],
    markers: &[Marker],
    group: &[Marker],
    mark: DecimalMark,
) -> Option<(i64, Schedule)> {
    let first = group.first()?;
    let bounds: Vec<Range<usize>> = group
        .iter()
        .enumerate()
        .map(|(index, marker)| {
            let end = match group.get(index + 1) {
                Some(next) => lines[next.line].range.start,
                None => last_end(flow, lines, marker.line, &marker.kind),
            };
            let end = before_outer(lines, markers, marker, end);
            marker.range.end..end.max(marker.range.end)
        })
        .collect();
    let lead = flow.before(lines[first.line].range.start, 350);
    let mut items: Vec<(bool, Item)> = bounds
        .iter()
        .zip(group)
        .flat_map(|(range, marker)| {
            let tranches = tranches(flow, lines, markers, marker, range, mark);
            let parted = !tranches.is_empty();
            let read = if parted { tranches } else { vec![read_item(flow, marker, range.clone(), mark)] };
            read.into_iter().map(move |item| (parted, item))
        })
        .collect();
    // Where the payments stand below clauses such as 3.2, a clause beside them, "3.1 Contract value", is none; nor is a phase
    // that says what it costs and not when that is paid.
    let clauses = matches!(first.kind, Kind::Dotted(_) | Kind::Digit(_));
    if items.iter().any(|(parted, _)| *parted) {
        if matches!(first.kind, Kind::Dotted(_)) && scattered(&items) {
            return None;
        }
        items.retain(|(parted, item)| *parted || names_payment(item) || (item.eventful && (item.labelled || !clauses)));
        // Of clauses of which one has milestones, those of the others are what a price is made of.
        if clauses && items.iter().any(|(_, item)| names_payment(item)) {
            items.retain(|(_, item)| names_payment(item));
        }
    }
    let items: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
    // Bullets before labels: the labels make the list.
    if first.kind == Kind::Bullet && items.iter().filter(|item| item.labelled).count() >= 2 {
        return None;
    }
    let range = lines[first.line].range.start..bounds.last()?.end;
    let run = paying_run(&items);
    if run.len() < 2 || run.len() == items.len() {
        return accepted(flow, &lead, items, range, mark);
    }
    // "(i) Upon delivery, X will pay $1,000,000. (ii) … (iii) Any dispute shall be resolved by …": the first two are what is paid.
    let end = items.get(run.end).map_or(range.end, |next| next.start);
    let part = items[run.start].start..end;
    let some = items[run].to_vec();
    accepted(flow, &lead, items, range, mark).or_else(|| accepted(flow, &lead, some, part, mark))
}

/// The longest run of items that each say that something is paid, and when.
fn paying_run(items: &[Item]) -> Range<usize> {
    let mut best = 0..0;
    let mut from = 0;
    for (index, item) in items.iter().enumerate() {
        if !(item.valued && item.eventful && says_pays(item)) {
            from = index + 1;
        } else if index + 1 - from > best.len() {
            best = from..index + 1;
        }
    }
    best
}

/// An item that says itself that it is paid: "X will pay $1,000,000", "shall be invoiced".
fn says_pays(item: &Item) -> bool {
    static PAYS: Pattern = pattern!(
        r"(?i)\b(?:will|shall|agrees?\s+to)\s+(?:also\s+)?(?:pay|invoice)\b[^.;]{0,90}?(?:[$€£]|\b[A-Z]{3}\s?\d|\d\s?%|percent)|(?:[$€£]|\d\s?%|\d\)|percent\)?)[^.;]{0,90}?\b(?:shall|will|to)\s+be\s+(?:paid|payable|invoiced|due)\b|(?:[$€£]|\d\s?%|\d\))[^.;]{0,60}?\b(?:payable|due)\b"
    );
    item.milestone.per.is_none() && found(&PAYS, item.milestone.description.value.as_deref().unwrap_or(""))
}

/// Clauses with payments below them, and others between these: "5.1 License fee: (a) … (b) …", "5.2 Reports", "5.4 Sales: (a) … (b) …"
/// are two schedules.
fn scattered(items: &[(bool, Item)]) -> bool {
    let runs = items.chunk_by(|one, next| one.0 == next.0);
    runs.filter(|run| run[0].0).count() > 1
}

/// Where a bullet ends: "(b) North America ($146,000)" after the last bullet of "(a)" is no part of it.
fn before_outer(lines: &[Line], markers: &[Marker], marker: &Marker, end: usize) -> usize {
    if marker.kind != Kind::Bullet {
        return end;
    }
    let later = &markers[markers.partition_point(|other| other.line <= marker.line)..];
    let outer = later.iter().find(|other| matches!(other.kind, Kind::Letter(_) | Kind::Digit(_) | Kind::Dotted(_)));
    outer.map_or(end, |outer| end.min(lines[outer.line].range.start))
}

fn read_item(flow: &Flow<'_>, marker: &Marker, range: Range<usize>, mark: DecimalMark) -> Item {
    item::read(flow, (!marker.range.is_empty()).then(|| marker.range.clone()), range, mark)
}

/// Payments below an item: "Phase A (US$400,000)" with "50% upon …" and "50% upon …" as a list of its own. What is invoiced are
/// they, each a percent of what the item names. Nothing where the item has no such list.
fn tranches(
    flow: &Flow<'_>,
    lines: &[Line],
    markers: &[Marker],
    parent: &Marker,
    range: &Range<usize>,
    mark: DecimalMark,
) -> Vec<Item> {
    if parent.kind == Kind::Bullet {
        return inline(flow, range, mark);
    }
    let inside = |marker: &&Marker| marker.line > parent.line && range.contains(&lines[marker.line].range.start);
    let below: Vec<&Marker> = markers.iter().filter(inside).collect();
    // Of the readings of the first line below, the one that most lines share: "(i)" is a letter and a number.
    let Some(kind) = below
        .iter()
        .map(|marker| &marker.kind)
        .filter(|kind| {
            !matches!(kind, Kind::Label(_) | Kind::Value | Kind::Closing | Kind::Dotted(_)) && **kind != parent.kind
        })
        .max_by_key(|kind| below.iter().filter(|marker| marker.kind == **kind).count())
    else {
        return inline(flow, range, mark);
    };
    let below: Vec<&Marker> = below.iter().filter(|marker| marker.kind == *kind).copied().collect();
    let read = below.iter().enumerate().flat_map(|(index, marker)| {
        let end = below.get(index + 1).map_or(range.end, |next| lines[next.line].range.start);
        let end = before_outer(lines, markers, marker, end).max(marker.range.end);
        let several = inline(flow, &(marker.range.end..end), mark);
        if several.is_empty() { vec![read_item(flow, marker, marker.range.end..end, mark)] } else { several }
    });
    let mut items = of_parts(read);
    // Milestones below a clause, and a note on what something is estimated at: the milestones are what is paid.
    if items.iter().filter(|item| item.labelled).count() * 2 > items.len() {
        items.retain(|item| item.labelled || item.percent);
    }
    if items.len() < 2 {
        return Vec::new();
    }
    let first = lines[parent.line].range.clone();
    let title = item::shortened(flow, parent.range.end.max(first.start)..first.end, 120);
    // "10% of the Work Order Value upon …; 20% upon …" says itself what its percents are of; "3.3 Payment Terms" says nothing.
    static HEADS: Pattern =
        pattern!(r"(?i)\b(?:terms|milestones?|structure|schedule|payments?|invoic\w+|billing|follows)\b");
    static PART: Pattern =
        pattern!(r"(?i)[$€£]|\b[A-Z]{3}\s?\d|\b(?:phase|stage|workstream|module|part|lot|tower|wave)\b");
    let named = flow.slice(title.clone());
    let said = items.first().map(|item| item.milestone.percent_of.clone()).filter(|of| of.value.is_some());
    let base = match said {
        Some(base) => base,
        None if found(&HEADS, named) && !found(&PART, named) => Field::default(),
        None => Field::words(flow, crate::block::trimmed(&flow.text, title)),
    };
    for item in items.iter_mut().filter(|item| item.percent && item.milestone.percent_of.value.is_none()) {
        item.milestone.percent_of = base.clone();
    }
    items
}

/// Those that are paid; where "Phase A:" stands above some of them as an item of its own, their percents are of it.
fn of_parts(items: impl Iterator<Item = Item>) -> Vec<Item> {
    let mut part: Option<Field> = None;
    let mut paid = Vec::new();
    for mut item in items {
        let value = item.percent || item.milestone.amount.value.is_some();
        let words = item.milestone.description.value.as_deref().unwrap_or("").trim();
        if item.valued && value && (item.eventful || names_payment(&item)) {
            if let Some(part) = part.as_ref().filter(|_| item.percent && item.milestone.percent_of.value.is_none()) {
                item.milestone.percent_of = part.clone();
            }
            paid.push(item);
        } else if !item.valued && words.len() < 100 && words.ends_with(':') {
            let value = words.trim_end_matches(':').to_owned();
            part = Some(Field { value: Some(value), ..item.milestone.description });
        }
    }
    paid
}

/// Whether an item is labelled as what is paid for; a phase is what others are part of.
fn names_payment(item: &Item) -> bool {
    static PAID: Pattern =
        pattern!(r"(?i)^(?:\w+\s+){0,2}(?:milestones?|instal?lments?|payments?|deposit|draw|tranche|deliverables?)\b");
    item.labelled && found(&PAID, item.milestone.description.value.as_deref().unwrap_or(""))
}

/// A note for each row whose amount the clause says may be adjusted.
fn adjusted(items: &[Item]) -> Vec<Finding> {
    let rows = items.iter().enumerate().filter(|(_, item)| item.adjusted && item.valued);
    rows.map(|(index, item)| {
        let row = &item.milestone;
        let name = row.id.value.clone().unwrap_or_else(|| (index + 1).to_string());
        Finding {
            code: "amount_may_be_adjusted".into(),
            gravity: Gravity::Note,
            message: format!("the amount of row {name} may be adjusted by what the clause names"),
            quotes: row.amount.quotes.iter().chain(&row.percent.quotes).take(1).cloned().collect(),
        }
    })
    .collect()
}

/// Takes a list where most of its items are payments for events.
pub(super) fn accepted(
    flow: &Flow<'_>,
    lead: &Range<usize>,
    items: Vec<Item>,
    range: Range<usize>,
    mark: DecimalMark,
) -> Option<(i64, Schedule)> {
    static SECURITY: Pattern = pattern!(r"(?i)^\W{0,3}(?:\w+\s+){0,4}(?:bonds?|guarantees?|security)\b");
    let secures = |item: &Item| found(&SECURITY, item.milestone.description.value.as_deref().unwrap_or(""));
    // "5% of net sales by the 7th of each month": a royalty.
    static SALES: Pattern = pattern!(r"(?i)\b(?:net|gross)\s+(?:sales|revenues?|receipts|profits?|proceeds)\b");
    let royalty = |item: &Item| item.milestone.percent_of.value.as_deref().is_some_and(|of| found(&SALES, of));
    let paying = |item: &Item| {
        item.valued
            && !secures(item)
            && !royalty(item)
            && item
                .milestone
                .per
                .as_deref()
                .is_none_or(|per| matches!(per, "month" | "quarter" | "year" | "monthly" | "quarterly"))
            && (item.labelled || item.eventful)
    };
    let count = items.iter().filter(|item| paying(item)).count();
    let labelled = items.iter().filter(|item| item.labelled).count();
    let lead_text = flow.slice(lead.clone());
    // Items of which each says what its fee is need no words above them.
    let stated = items.iter().all(|item| item.valued && item.eventful && says_fee(item));
    // Percents for events that are a whole together are what a price is paid in.
    let whole = items.iter().all(|item| item.percent && item.eventful) && wholes(&items);
    let said = items.iter().all(|item| item.valued && item.eventful && says_pays(item));
    let about = stated || whole || said || found(&PAYMENT, lead_text);
    let listed = labelled * 2 > items.len();
    let pays = items
        .iter()
        .filter(|item| found(&ITEM_PAYS, item.milestone.description.value.as_deref().unwrap_or("")))
        .count();
    let first_words = flow.words(lead.clone());
    let tail: String = first_words.chars().rev().take(160).collect::<Vec<_>>().into_iter().rev().collect();
    let eventful = items.iter().filter(|item| item.eventful).count() * 10 >= items.len() * 7;
    // "10% of the Contract Price, less retainage of 5%, when …" is an instalment all the same.
    let other = found(&NO_SCHEDULE, &tail)
        || (!eventful
            && found(&NO_SCHEDULE, &flow.words(range.start..flow.after(range.start, 100).end.min(range.end))));
    // A list of the parts of a price names no events.
    let parts = found(&PARTS, &tail) && !listed && !eventful;
    let says = pays * 2 >= items.len() || (about && (listed || eventful));
    let prices = !says && listed && items.iter().all(|item| item.milestone.amount.value.is_some());
    let says = says || prices;
    let enough = count >= 2 && count * 10 >= items.len() * 6 && says;
    if !enough || (other && !listed && !stated && !whole) || parts || !(about || listed) {
        return None;
    }
    let findings = adjusted(&items);
    let unit = items.iter().find_map(|item| item.unit.clone());
    let score = i64::try_from(count * 10 + labelled * 3 + usize::from(about) * 5).unwrap_or(0)
        - i64::try_from(items.len() - count).unwrap_or(0) * 4;
    // A row without value counts where it is called what the others are: a milestone among milestones, no phase above them.
    let word = |item: &Item| {
        let text = item.milestone.description.value.as_deref()?;
        item.labelled.then(|| text.split_whitespace().next().unwrap_or("").to_lowercase())
    };
    let called = items.iter().find(|item| item.valued).and_then(word);
    let mut starts: Vec<usize> = Vec::new();
    let mut rows: Vec<_> = items
        .into_iter()
        .filter(|item| !found(&SUM, item.milestone.description.value.as_deref().unwrap_or("")))
        .filter(|item| item.valued || (item.labelled && word(item) == called))
        .map(|item| {
            starts.push(item.start);
            item.milestone
        })
        .collect();
    base_above(flow, &mut rows, &starts, range.start, mark);
    inherit_base(&mut rows);
    Some((score, Schedule { range, rows, totals: Vec::new(), unit, findings, named: listed || about, prices }))
}

/// Whether the percents of each thing that they are of make it whole: "40 % and 60 % of the Phase 1 fee, 100 % of the Phase 2 fee".
fn wholes(items: &[Item]) -> bool {
    let mut sums: BTreeMap<&str, rust_decimal::Decimal> = BTreeMap::new();
    for item in items {
        let of = item.milestone.percent_of.value.as_deref().unwrap_or("");
        *sums.entry(of).or_default() += item.milestone.percent.number().unwrap_or_default();
    }
    sums.values().all(|sum| *sum == rust_decimal::Decimal::ONE_HUNDRED) && items.len() > sums.len()
}

/// An item with "Fee: $45,000" or "Price – £2,000".
fn says_fee(item: &Item) -> bool {
    static FEE: Pattern =
        pattern!(r"(?i)\b(?:fees?|price|amount|payment|charge|value)\s*[:=–—-]\s*\W{0,3}(?:[A-Z]{3}|\d)");
    item.milestone.amount.value.is_some() && found(&FEE, item.milestone.description.value.as_deref().unwrap_or(""))
}

/// "Phase A – Design (US$400,000). Fifty percent (50%) (US$200,000) upon …": a percent and its amount say what the percent is
/// of, where that amount stands right above, with a name.
fn base_above(flow: &Flow<'_>, rows: &mut [Milestone], starts: &[usize], from: usize, mark: DecimalMark) {
    let lead = flow.before(from, 350).start;
    for (row, start) in rows.iter_mut().zip(starts) {
        let (Some(amount), Some(percent), None) = (row.amount.number(), row.percent.number(), &row.percent_of.value)
        else {
            continue;
        };
        let of = amount.checked_mul(rust_decimal::Decimal::ONE_HUNDRED).and_then(|whole| whole.checked_div(percent));
        let above = money::all(&flow.text, flow.before(*start, 1_500).start.max(lead)..*start, mark);
        if let Some(base) = above.iter().rev().find(|amount| amount.amount.ok() == of && amount.per.is_none()) {
            let line = flow.before(base.range.start, 160);
            let open = flow.slice(line.clone()).rfind('\n').map_or(line.start, |at| line.start + at + 1);
            row.percent_of = Field::words(flow, open..base.range.end);
        }
    }
}

/// "30% of the Phase 1 Fee … 40% …": a percent that does not say what it is of is of the same as the one before it.
fn inherit_base(rows: &mut [Milestone]) {
    let mut last: Option<Field> = None;
    for row in rows {
        if row.percent_of.value.is_some() {
            last = Some(row.percent_of.clone());
        } else if let (Some(base), Some(_)) = (&last, &row.percent.value)
            && !found(&SAYS_OF, row.description.value.as_deref().unwrap_or(""))
        {
            row.percent_of = base.clone();
        }
    }
}

static SAYS_OF: Pattern = pattern!(r"(?i)(?:%|percent)\W{0,5}of\b");
/// Totals, and a clause that says what the price is.
static SUM: Pattern = pattern!(
    r"(?i)^\W{0,3}(?:(?:sub\s?-?\s?total|total)\b|(?:the\s+)?(?:contract|purchase|fixed|agreed)\s+(?:price|sum|value|fee)\s*(?:[:.]|\s+is\b))"
);

/// One part of the price.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) amount: rust_decimal::Decimal,
    pub(crate) range: Range<usize>,
}

/// Lists that say what the price is made of.
pub(crate) fn parts(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Vec<Part>> {
    static TOTAL: Pattern = pattern!(r"(?i)total(?:l?ing|s)?(?:\s+of)?\W{0,8}$");
    let lines = flow.lines();
    let markers: Vec<Marker> = lines.iter().enumerate().flat_map(|(index, line)| markers(flow, line, index)).collect();
    let mut all = Vec::new();
    for group in groups(&markers, &lines, flow) {
        let lead = flow.words(flow.before(lines[group[0].line].range.start, 160));
        let bounds: Vec<Range<usize>> = group
            .iter()
            .enumerate()
            .map(|(index, marker)| {
                let end = match group.get(index + 1) {
                    Some(next) => lines[next.line].range.start,
                    None => last_end(flow, &lines, marker.line, &marker.kind),
                };
                marker.range.end..end.max(marker.range.end)
            })
            .collect();
        if !found(&PARTS, &lead) || !found(&PRICED, &lead) {
            continue;
        }
        let parts: Vec<Part> = bounds
            .into_iter()
            .filter_map(|bound| {
                let amounts = money::all(&flow.text, bound, mark);
                let stated = amounts
                    .iter()
                    .find(|amount| found(&TOTAL, flow.slice(flow.before(amount.range.start, 20))))
                    .or_else(|| amounts.iter().find(|amount| amount.per.is_none()))?;
                Some(Part { amount: stated.amount.ok()?, range: stated.range.clone() })
            })
            .collect();
        if parts.len() >= 2 && parts.len() == group.len() {
            all.push(parts);
        }
    }
    all
}

static PRICED: Pattern = pattern!(r"(?i)\b(?:contract\s+(?:value|price|sum)|total|fees|price|value)\b");
