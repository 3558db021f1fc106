//! Tables that a converter wrote without columns: the cells of all rows in one line, or each in a line of its own, such as
//! "Milestone % of price Design approved 30% Delivery 50% Completion 20%". They are read where the values make a whole, and told
//! as a finding where they do not.

use core::ops::Range;

use rust_decimal::Decimal;

use super::item::{self, Item};
use super::list::{NO_SCHEDULE, PAYMENT};
use super::{Schedule, Total, free};
use crate::block::trimmed;
use crate::flow::Flow;
use crate::proposal::{Field, Finding, Gravity};
use crate::value::number::DecimalMark;
use crate::value::{Pattern, capture, found, money, pattern, percent};

/// What a value is; the rows of a table have values of the same kinds in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Percent,
    Amount,
}

/// A label and the values behind it.
#[derive(Debug, Clone)]
struct Row {
    label: Range<usize>,
    kinds: Vec<Kind>,
    end: usize,
}

/// Rows that follow each other without other text between them.
struct Run {
    heading: Range<usize>,
    rows: Vec<Row>,
}

/// Most words of a label.
const LABEL_WORDS: usize = 14;

/// Percents and amounts of the text outside of tables, in order.
fn values(flow: &Flow<'_>, mark: DecimalMark) -> Vec<(Range<usize>, Kind)> {
    let whole = 0..flow.text.len();
    let percents = percent::all(&flow.text, whole.clone()).into_iter().filter(|percent| percent.value.is_some());
    let amounts = money::all(&flow.text, whole, mark).into_iter().filter(|amount| amount.per.is_none());
    let mut all: Vec<(Range<usize>, Kind)> = percents
        .map(|percent| (percent.range, Kind::Percent))
        .chain(amounts.map(|amount| (amount.range, Kind::Amount)))
        .filter(|(range, _)| !flow.tables.iter().any(|table| table.range.contains(&range.start)))
        .collect();
    all.sort_by_key(|(range, _)| range.start);
    all
}

/// Whether text between two values is the label of the second: a few words that begin like a title and make no sentence.
fn is_label(text: &str) -> bool {
    static SENTENCE: Pattern = pattern!(
        r"(?i)[a-z)]\.\s|[:;]|\b(?:shall|will|must|may|is|are|be|pays?|paid|payable|which|that|provided|per|plus|minus|less)\b"
    );
    let text = text.trim();
    text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
        && text.chars().filter(|c| c.is_alphabetic()).count() >= 3
        && text.split_whitespace().count() <= LABEL_WORDS
        && !found(&SENTENCE, text)
}

/// The heading of a table and the label of its first row, in the text before the first value.
fn opening(flow: &Flow<'_>, value: usize) -> Option<(Range<usize>, Range<usize>)> {
    static STOP: Pattern = pattern!(r"[a-z)][.;:]\s");
    static COLUMN: Pattern = pattern!(
        r"(?i)(?:\b(?:price|amounts?|percent(?:age)?|value|payments?|fees?|due|sum|milestones?|description|events?)|%|[$€£]\)?)\s+"
    );
    let before = flow.before(value, 240);
    let text = flow.slice(before.clone());
    let stop = STOP.as_ref()?.find_iter(text).last().map_or(0, |stop| stop.end());
    let start = before.start + stop;
    let text = flow.slice(start..value).trim_end();
    let cut = match text.rfind('\n') {
        Some(line) => line + 1,
        // Where heading and first label share a line, the label begins behind the last word of the heading.
        None => COLUMN.as_ref()?.find_iter(text).map(|word| word.end()).filter(|end| *end < text.len()).last()?,
    };
    let label = trimmed(&flow.text, start + cut..value);
    is_label(flow.slice(label.clone())).then_some((start..label.start, label))
}

fn runs(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Run> {
    let mut all: Vec<Run> = Vec::new();
    let mut last = 0;
    let mut open = false;
    for (range, kind) in values(flow, mark) {
        // "(10%)" beside an amount, or the digits beside the words.
        let gap = last.min(range.start)..range.start;
        let beside = flow.slice(gap.clone()).trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '$'));
        if open && beside.is_empty() {
            if let Some(row) = all.last_mut().and_then(|run| run.rows.last_mut()) {
                row.kinds.push(kind);
                row.end = range.end;
            }
        } else if open && is_label(flow.slice(gap.clone())) {
            let label = trimmed(&flow.text, gap);
            if let Some(run) = all.last_mut() {
                run.rows.push(Row { label, kinds: vec![kind], end: range.end });
            }
        } else if let Some((heading, label)) = opening(flow, range.start) {
            all.push(Run { heading, rows: vec![Row { label, kinds: vec![kind], end: range.end }] });
            open = true;
        } else {
            open = false;
        }
        last = range.end;
    }
    all.retain(|run| about(flow, run));
    all
}

/// Whether three rows or more have values of the same kinds, and words before them speak of payments.
fn about(flow: &Flow<'_>, run: &Run) -> bool {
    static COLUMNS: Pattern = pattern!(r"(?i)\b(?:payments?|milestones?|instal?lments?|invoices?|progress)\b");
    let same = run.rows.windows(2).all(|pair| pair[0].kinds == pair[1].kinds);
    let lead = flow.before(run.rows[0].label.start, 350);
    let near = flow.slice(flow.before(run.rows[0].label.start, 160));
    let heading = flow.slice(run.heading.clone());
    run.rows.len() >= 3
        && same
        && (found(&COLUMNS, heading) || found(&PAYMENT, flow.slice(lead)))
        && !found(&NO_SCHEDULE, near)
}

fn is_total(flow: &Flow<'_>, row: &Row) -> bool {
    static TOTAL: Pattern = pattern!(r"(?i)^(?:grand\s+)?totals?\b");
    found(&TOTAL, flow.slice(row.label.clone()))
}

fn sum(items: &[Item], value: impl Fn(&Item) -> &Field) -> Decimal {
    items.iter().filter_map(|item| value(item).number()).sum()
}

/// The rows of a run, where its percents are 100 together, or its amounts a total or another amount of the text.
fn schedule(flow: &Flow<'_>, run: &Run, mark: DecimalMark) -> Option<Schedule> {
    static OF: Pattern = pattern!(
        r"(?i)(?:%|percent(?:age)?)\s+of\s+(?:the\s+)?(?P<of>(?:\w+\s+){0,4}?(?:price|sum|value|fees?|amount|cost))\b"
    );
    let read = |row: &Row| item::read(flow, None, row.label.start..row.end, mark);
    let (totals, rows): (Vec<&Row>, Vec<&Row>) = run.rows.iter().partition(|row| is_total(flow, row));
    let mut items: Vec<Item> = rows.into_iter().map(read).collect();
    let total = totals.first().map(|row| read(row).milestone);
    let range = run.heading.start..run.rows.last()?.end;
    let amounts = sum(&items, |item| &item.milestone.amount);
    let stated = |amount: &money::Money| amount.amount == Ok(amounts) && !range.contains(&amount.range.start);
    let whole = sum(&items, |item| &item.milestone.percent) == Decimal::ONE_HUNDRED
        || amounts > Decimal::ZERO
            && (total.as_ref().is_some_and(|total| total.amount.number() == Some(amounts))
                || money::all(&flow.text, 0..flow.text.len(), mark).iter().any(stated));
    if items.len() < 3 || !whole {
        return None;
    }
    let of = capture(&OF, &flow.text, run.heading.clone()).and_then(|captured| Some(captured.name("of")?.range()));
    for item in items.iter_mut().filter(|item| item.percent && item.milestone.percent_of.value.is_none()) {
        item.milestone.percent_of = of.clone().map_or_else(Field::default, |of| Field::words(flow, of));
    }
    let after = items.len();
    Some(Schedule {
        range,
        unit: items.iter().find_map(|item| item.unit.clone()),
        rows: items.into_iter().map(|item| item.milestone).collect(),
        totals: total
            .map(|total| Total { partial: false, amount: total.amount, percent: total.percent, after })
            .into_iter()
            .collect(),
        findings: Vec::new(),
        named: true,
        prices: false,
    })
}

/// Tables without columns that are read.
pub(super) fn all(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Schedule> {
    runs(flow, mark).iter().filter_map(|run| schedule(flow, run, mark)).collect()
}

/// Places that look like tables without columns, and that no schedule was read from.
pub(crate) fn flattened(flow: &Flow<'_>, mark: DecimalMark, schedules: &[Schedule]) -> Vec<Finding> {
    let taken: Vec<Range<usize>> = schedules.iter().map(|schedule| schedule.range.clone()).collect();
    let places = runs(flow, mark).into_iter().filter_map(|run| {
        let range = run.rows.first()?.label.start..run.rows.last()?.end;
        free(&taken, &range).then_some((run.rows.len(), range))
    });
    places
        .map(|(rows, range)| Finding {
            code: "table_flattened".into(),
            gravity: Gravity::Warning,
            message: format!(
                "a table of about {rows} rows seems to have lost its columns here and was not read; a person must read it"
            ),
            quotes: flow.quotes(item::shortened(flow, range, 300)),
        })
        .collect()
}
