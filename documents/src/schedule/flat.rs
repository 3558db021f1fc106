//! Tables that lost their lines: exhibits whose cells were written one below the other when they became plain text.

use core::ops::Range;

use super::row::{self, Cells, Role, Units};
use super::{Schedule, Total};
use crate::block::trimmed;
use crate::flow::Flow;
use crate::proposal::{Finding, Gravity};
use crate::value::money;
use crate::value::number::DecimalMark;
use crate::value::{Pattern, capture, date, found, missing, pattern};

/// A cell, or a line of one.
#[derive(Debug, Clone)]
struct Piece {
    range: Range<usize>,
    span: usize,
    /// It opens its line.
    first: bool,
}

static NUMBER: Pattern = pattern!(r"^(\d{1,3})\s*[.)]?$");
static VALUE: Pattern = pattern!(r"^(?:US|U\.S\.)?\s?[$€£]?\s?\d[\d,.]*\s?%?$");
static PERCENT: Pattern = pattern!(r"^\d{1,3}(?:\.\d+)?\s?%$");
static DIGITS: Pattern = pattern!(r"^\d{1,3}(?:\.\d+)?$");
static TOTAL: Pattern = pattern!(r"(?i)^(?:(?P<sub>sub\s?-?\s?total)|(?:grand\s+)?totals?)\b");
static END: Pattern = pattern!(
    r"(?i)^(?:clause|article|section|exhibit|schedule|annex|appendix|in witness|signed|\([ivx]+\)|[A-Z]\.)\s?"
);
static NEXT: Pattern =
    pattern!(r"^(?i:exhibit|annex|schedule|appendix|article|clause|attachment)\s+\W{0,2}[A-Z0-9]{1,4}\W{0,2}$");
static DUE: Pattern = pattern!(r"(?i)^(?:paid|invoiced|done|completed|n/a)$");
static BALANCE: Pattern = pattern!(r"(?i)\b(?:balance|remainder)\b");

static HEADING: Pattern = pattern!(
    r"(?i)^(?:no\b\.?|#|nr\.?|item|milestones?|description|event|activity|forecast|date|amount|payment|percent\w*|%|opt\b|stage|instal?lment|ref)"
);

fn pieces(flow: &Flow<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for line in flow.lines() {
        if flow.spans[line.span].table.is_some() {
            continue;
        }
        let text = flow.slice(line.range.clone());
        let mut at = line.range.start;
        for (index, part) in text.split('\t').enumerate() {
            let range = trimmed(&flow.text, at..at + part.len());
            for (nth, range) in parted(flow, range).into_iter().enumerate() {
                pieces.push(Piece { range, span: line.span, first: index == 0 && nth == 0 });
            }
            at += part.len() + 1;
        }
    }
    pieces
}

/// Text, and the percent and amount that close it where their gap was lost: `tanks 10% $1,760,000`.
fn parted(flow: &Flow<'_>, range: Range<usize>) -> Vec<Range<usize>> {
    static CLOSING: Pattern = pattern!(r"\s((?:US)?[$€£]\s?\d[\d,.]*|\d{1,3}(?:\.\d+)?\s?%)$");
    let mut parts = Vec::new();
    let mut rest = range;
    while let Some(value) = CLOSING
        .as_ref()
        .and_then(|pattern| pattern.captures(flow.slice(rest.clone()))?.get(1).map(|capture| capture.range()))
    {
        parts.push(rest.start + value.start..rest.start + value.end);
        rest = trimmed(&flow.text, rest.start..rest.start + value.start);
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts.reverse();
    parts
}

struct Heading {
    /// First piece below it.
    end: usize,
    start: usize,
    roles: Vec<Role>,
    units: Units,
    text: String,
}

/// A heading is a few short pieces with the words of a schedule, before the first number.
fn heading(flow: &Flow<'_>, pieces: &[Piece], from: usize) -> Option<Heading> {
    let text = |piece: &Piece| flow.slice(piece.range.clone());
    let short = |piece: &Piece| text(piece).chars().count() <= 40;
    let mut end = from;
    while end < pieces.len() && end - from < 24 && short(&pieces[end]) {
        let number = found(&NUMBER, text(&pieces[end]));
        let numbered = number && pieces[end].first && end > from + 2;
        if numbered || (end > from && END.as_ref().is_some_and(|pattern| pattern.is_match(text(&pieces[end])))) {
            break;
        }
        end += 1;
    }
    let rows_follow = pieces.get(end).is_some_and(|piece| found(&NUMBER, text(piece)) && piece.first);
    if end - from < 3 || !rows_follow {
        return None;
    }
    let parts = &pieces[from..end];
    let opens = text(&parts[0]);
    if !found(&HEADING, opens) || parts.iter().any(|piece| found(&VALUE, text(piece)) || found(&DUE, text(piece))) {
        return None;
    }
    let range = parts.first()?.range.start..parts.last()?.range.end;
    let whole = flow.words(range.clone());
    let lower = whole.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let number = parts.iter().any(|piece| {
        let first = text(piece).split_whitespace().next().unwrap_or("");
        matches!(first.trim_end_matches('.'), "No" | "#" | "Nr" | "Item" | "NO" | "Nos")
    });
    let subject = any(&["milestone", "description", "event", "activity", "instalment", "installment", "stage"]);
    let percent = any(&["%", "percent"]);
    let amount = any(&["amount", "price", "us$", "payment", "fee", "value"]);
    if !(number && subject && (percent || amount)) {
        return None;
    }
    // Columns follow each other as their headings do; where a heading takes several lines the percent comes first.
    let first_percent = lower.find(['%']).or_else(|| lower.find("percent"));
    let first_amount = lower.rfind("amount").or_else(|| lower.rfind("price"));
    let percent_first = first_percent.zip(first_amount).is_none_or(|(percent, amount)| percent <= amount);
    let roles = match (percent, amount) {
        (true, true) if percent_first => vec![Role::Percent, Role::Amount],
        (true, true) => vec![Role::Amount, Role::Percent],
        (true, false) => vec![Role::Percent],
        _ => vec![Role::Amount],
    };
    let mut units = Units::default();
    for piece in parts {
        if let Some((unit, power, place)) = money::of_heading(&flow.text, piece.range.clone())
            && units.heading.is_none()
        {
            units = Units { unit, power, heading: Some(place), ..units };
        }
    }
    static OF: Pattern = pattern!(r"(?i)contract\s+price");
    units.percent_of =
        capture(&OF, &flow.text, range.clone()).and_then(|captured| captured.get(0).map(|found| found.range()));
    Some(Heading { start: from, end, roles, units, text: whole })
}

pub(super) fn all(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Schedule> {
    let pieces = pieces(flow);
    let mut schedules = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        match heading(flow, &pieces, at) {
            Some(head) => {
                let (schedule, end) = read(flow, &pieces, &head, mark);
                at = end.max(at + 1);
                let valued =
                    schedule.rows.iter().filter(|row| row.amount.value.is_some() || row.percent.value.is_some());
                if schedule.rows.len() >= 2 && valued.count() >= 2 {
                    schedules.push(schedule);
                }
            }
            None => at += 1,
        }
    }
    schedules
}

/// Reads rows until something comes that is no row.
fn read(flow: &Flow<'_>, pieces: &[Piece], head: &Heading, mark: DecimalMark) -> (Schedule, usize) {
    let start = pieces[head.start].range.start;
    let mut schedule = Schedule {
        range: start..start,
        rows: Vec::new(),
        totals: Vec::new(),
        unit: head.units.unit.zip(head.units.heading.clone()),
        findings: Vec::new(),
        named: true,
        prices: false,
    };
    let mut seen: Vec<String> = Vec::new();
    let mut at = head.end;
    while at < pieces.len() {
        if let Some(again) = heading(flow, pieces, at).filter(|again| similar(&again.text, &head.text)) {
            let place = flow.quotes(pieces[at].range.start..pieces[again.end - 1].range.end);
            schedule.findings.push(Finding {
                code: "table_goes_on".into(),
                gravity: Gravity::Note,
                message: format!(
                    "the schedule goes on overleaf after its row {}; its heading is repeated",
                    schedule.rows.len()
                ),
                quotes: place,
            });
            at = again.end;
            continue;
        }
        let text = flow.slice(pieces[at].range.clone());
        if let Some(says) = TOTAL.as_ref().and_then(|pattern| pattern.captures(text)) {
            let partial = says.name("sub").is_some();
            let end = values_end(flow, pieces, at + 1);
            let cells = row_cells(flow, &pieces[at + 1..end], head);
            let (milestone, _) = row::milestone(flow, &cells, &head.units, mark);
            let (amount, percent) = (milestone.amount, milestone.percent);
            schedule.totals.push(Total { partial, amount, percent, after: schedule.rows.len() });
            schedule.range.end = pieces[end - 1].range.end;
            at = end;
            if !partial {
                break;
            }
            continue;
        }
        let Some(number) = row_number(flow, pieces, at, &seen) else { break };
        seen.push(number);
        let end = row_end(flow, pieces, at + 1, &seen, head);
        let mut cells = row_cells(flow, &pieces[at + 1..end], head);
        cells.insert(Role::Number, vec![pieces[at].range.clone()]);
        let (milestone, unit) = row::milestone(flow, &cells, &head.units, mark);
        schedule.unit = schedule.unit.clone().or(unit);
        schedule.rows.push(milestone);
        schedule.range.end = pieces[end - 1].range.end;
        at = end;
    }
    (schedule, at)
}

fn similar(a: &str, b: &str) -> bool {
    let words = |text: &str| {
        let mut words: Vec<String> =
            text.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(Into::into).collect();
        words.sort();
        words.dedup();
        words
    };
    let (a, b) = (words(a), words(b));
    let common = a.iter().filter(|word| b.contains(word)).count();
    common * 10 >= a.len().max(b.len()) * 6
}

/// The number that opens a row: alone in its piece, not seen before, with text after it.
fn row_number(flow: &Flow<'_>, pieces: &[Piece], at: usize, seen: &[String]) -> Option<String> {
    let piece = pieces.get(at)?;
    let text = flow.slice(piece.range.clone());
    let number = NUMBER.as_ref()?.captures(text)?.get(1)?.as_str().to_owned();
    let next = flow.slice(pieces.get(at + 1)?.range.clone());
    let starts = piece.first && !seen.contains(&number) && next.chars().any(char::is_alphabetic) && next != "%";
    starts.then_some(number)
}

fn row_end(flow: &Flow<'_>, pieces: &[Piece], from: usize, seen: &[String], head: &Heading) -> usize {
    let mut at = from;
    let mut valued = false;
    while at < pieces.len() && at - from < 60 {
        let text = flow.slice(pieces[at].range.clone());
        let ends = found(&TOTAL, text)
            || row_number(flow, pieces, at, seen).is_some()
            || heading(flow, pieces, at).is_some_and(|again| similar(&again.text, &head.text))
            || (at > from && pieces[at].span != pieces[at - 1].span && found(&NEXT, text))
            || (at > from
                && END.as_ref().is_some_and(|pattern| pattern.is_match(text))
                && heading_like(flow, &pieces[at]));
        // After the values a piece of a whole sentence's length is no cell any more.
        let prose = valued
            && pieces[at].span != pieces[at - 1].span
            && flow.slice(flow.spans[pieces[at].span].range.clone()).len() > 300;
        if ends || prose {
            break;
        }
        valued |= found(&VALUE, text);
        at += 1;
    }
    at
}

fn heading_like(flow: &Flow<'_>, piece: &Piece) -> bool {
    let text = flow.slice(piece.range.clone());
    text.chars().all(|c| !c.is_lowercase()) || text.starts_with('(')
}

fn values_end(flow: &Flow<'_>, pieces: &[Piece], from: usize) -> usize {
    let value = |piece: &Piece| {
        let text = flow.slice(piece.range.clone());
        found(&VALUE, text) || text == "%" || text == "." || text.starts_with('.')
    };
    let span = pieces.get(from.saturating_sub(1)).map(|piece| piece.span);
    from + pieces[from..].iter().take_while(|piece| value(piece) && Some(piece.span) == span).count().min(8)
}

/// Text before the values is what the milestone is, a word on the date stands before them too, text after them is evidence.
fn row_cells(flow: &Flow<'_>, pieces: &[Piece], head: &Heading) -> Cells {
    let mut cells = Cells::new();
    let mut values = 0;
    let mut index = 0;
    let mut after = false;
    while let Some(piece) = pieces.get(index) {
        let text = flow.slice(piece.range.clone());
        let sign = pieces.get(index + 1).filter(|next| flow.slice(next.range.clone()) == "%");
        let is_percent = found(&PERCENT, text) || (found(&DIGITS, text) && sign.is_some());
        if is_percent {
            let end = sign.map_or(piece.range.end, |sign| sign.range.end);
            push(&mut cells, Role::Percent, piece.range.start..end);
            index += usize::from(sign.is_some());
            after = true;
        } else if found(&VALUE, text) {
            let role = if head.roles.contains(&Role::Amount) && values == 0 { Role::Amount } else { Role::OtherFigure };
            push(&mut cells, role, piece.range.clone());
            values += 1;
            after = true;
        } else if undetermined(text) || found(&DUE, text) || is_date(text) {
            push(&mut cells, Role::Date, piece.range.clone());
            after |= undetermined(text);
        } else if after && !found(&BALANCE, text) {
            let evidence = cells.entry(Role::Evidence).or_default();
            let joins = evidence.last().is_some_and(|last| flow.words(last.end..piece.range.start).is_empty())
                && index > 0
                && pieces[index - 1].span == piece.span;
            match evidence.last_mut().filter(|_| joins) {
                Some(last) => last.end = piece.range.end,
                None => evidence.push(piece.range.clone()),
            }
        } else if text != "." {
            push(&mut cells, Role::Name, piece.range.clone());
        }
        index += 1;
    }
    cells
}

fn push(cells: &mut Cells, role: Role, range: Range<usize>) {
    cells.entry(role).or_default().push(range);
}

fn undetermined(text: &str) -> bool {
    missing(text, 0..text.len()).is_some_and(|(_, range)| range.len() * 2 > text.len())
}

fn is_date(text: &str) -> bool {
    date::all(text, 0..text.len()).first().is_some_and(|written| written.range.len() * 10 >= text.len() * 7)
}
