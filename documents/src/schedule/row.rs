//! One row of a table: its cells by what their columns are for, and the milestone they make.

use core::ops::Range;
use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::block::trimmed;
use crate::flow::Flow;
use crate::proposal::{AmountKind, Field, Milestone, Why};
use crate::value::date::{self, When};
use crate::value::money::{self, Unit};
use crate::value::number::{DecimalMark, Unreadable};
use crate::value::{Missing, Pattern, capture, found, missing, pattern, percent};

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Number,
    Name,
    Description,
    Percent,
    Amount,
    /// Another figure than the amount: cumulative, tax, allocation.
    OtherFigure,
    Date,
    Trigger,
    Evidence,
    Approver,
    Depends,
}

/// What the heading of the amounts says.
#[derive(Debug, Clone, Default)]
pub(super) struct Units {
    pub(super) unit: Option<Unit>,
    /// Power of ten that amounts are written in.
    pub(super) power: u32,
    /// Where the heading says so.
    pub(super) heading: Option<Range<usize>>,
    /// Where the heading names what percents are of.
    pub(super) percent_of: Option<Range<usize>>,
}

/// A row before it is read: ranges of text by role.
pub(super) type Cells = BTreeMap<Role, Vec<Range<usize>>>;

static ESTIMATE: Pattern = pattern!(r"(?i)\b(?:est\.?|estimated?|approx\.?|approximately|budget(?:ed)?|c\.)\W");
static UP_TO: Pattern = pattern!(r"(?i)\b(?:up\s?to|not to exceed|maximum of|nte|capped at)\b");
static BALANCE: Pattern =
    pattern!(r"(?i)\b(?:balance|remainder|remaining (?:balance|amount|portion|payment)|rest of)\b");

/// Why a value that is missing is empty.
pub(crate) fn why(missing: Missing) -> Why {
    match missing {
        Missing::Redacted => Why::Redacted,
        Missing::Blank => Why::Blank,
        Missing::Undetermined => Why::ToBeDetermined,
    }
}

pub(super) fn unreadable(error: Unreadable) -> Why {
    match error {
        Unreadable::Ambiguous => Why::Ambiguous,
        Unreadable::Malformed => Why::Unreadable,
    }
}

/// An amount as a field: two decimals at least, as terms have them.
pub(super) fn amount_field(flow: &Flow<'_>, money: &money::Money, power: u32, heading: Option<&Range<usize>>) -> Field {
    let value = money.amount.and_then(|amount| money::scaled(amount, power).ok_or(Unreadable::Malformed));
    match value {
        Ok(mut amount) => {
            if amount.scale() < 2 {
                amount.rescale(2);
            }
            let mut field = Field::read(flow, amount.to_string(), money.range.clone());
            // The heading is part of the ground where it says what the digits count.
            if let Some(heading) = heading.filter(|_| power > 0) {
                field.quotes.extend(flow.quotes(heading.clone()));
            }
            field
        }
        Err(error) => Field::empty(flow, unreadable(error), money.range.clone()),
    }
}

/// How sure an amount is, by the words around it.
pub(super) fn kind_of(text: &str) -> AmountKind {
    if found(&UP_TO, text) {
        AmountKind::UpTo
    } else if found(&BALANCE, text) {
        AmountKind::Balance
    } else if found(&ESTIMATE, text) {
        AmountKind::Estimate
    } else {
        AmountKind::Fixed
    }
}

fn ranges(cells: &Cells, role: Role) -> &[Range<usize>] {
    cells.get(&role).map_or(&[], Vec::as_slice)
}

/// The words of a role's cells, with all their quotes.
fn words(flow: &Flow<'_>, parts: &[Range<usize>]) -> Field {
    let parts: Vec<Range<usize>> = parts.iter().filter(|part| !part.is_empty()).cloned().collect();
    if parts.is_empty() {
        return Field::default();
    }
    let text: Vec<String> = parts.iter().map(|part| flow.words(part.clone())).collect();
    let quotes = parts.into_iter().flat_map(|part| flow.quotes(part)).collect();
    Field { value: Some(text.join(" ")), quotes, why: None }
}

/// What the amount's cell says.
#[derive(Default)]
struct Priced {
    amount: Field,
    per: Option<String>,
    kind: Option<AmountKind>,
    unit: Option<(Unit, Range<usize>)>,
}

fn priced(flow: &Flow<'_>, cells: &Cells, units: &Units, mark: DecimalMark) -> Priced {
    for part in ranges(cells, Role::Amount) {
        let read = money::all(&flow.text, part.clone(), mark).into_iter().next();
        let read = read.or_else(|| figure(flow, part, mark));
        if let Some(stated) = read {
            // Digits that go on in the next line of a narrow column: nobody can tell whether they are one number.
            let rest = flow.slice(stated.range.end..part.end).trim_start_matches(['.', ',']);
            if rest.starts_with('\n') && rest.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
                if let Some(whole) = broken(flow, &stated, part.end, units) {
                    let unit = stated.unit.map(|unit| (unit, stated.range.clone()));
                    return Priced { amount: whole, kind: Some(kind_of(flow.slice(part.clone()))), unit, per: None };
                }
                return Priced { amount: Field::empty(flow, Why::Unreadable, part.clone()), ..Priced::default() };
            }
            // "500,000: Builder A" above "500,000: Builder B" are two amounts: which one is the row's, a person says.
            static FURTHER: Pattern = pattern!(r"\n\s*(?:US)?[$€£]?\s?\d{1,3}(?:,\d{3})+\b");
            if found(&FURTHER, flow.slice(stated.range.end..part.end)) {
                return Priced { amount: Field::empty(flow, Why::Ambiguous, part.clone()), ..Priced::default() };
            }
            return Priced {
                amount: amount_field(flow, &stated, units.power, units.heading.as_ref()),
                kind: Some(kind_of(flow.slice(part.clone()))),
                unit: stated.unit.map(|unit| (unit, stated.range.clone())),
                per: stated.per,
            };
        }
        if let Some((kind, range)) = missing(&flow.text, part.clone()) {
            return Priced { amount: Field::empty(flow, why(kind), range), ..Priced::default() };
        }
    }
    Priced::default()
}

/// A number without currency, where the cell has little else: "12.3 Should any member …" is a clause.
fn figure(flow: &Flow<'_>, part: &Range<usize>, mark: DecimalMark) -> Option<money::Money> {
    let text = flow.slice(part.clone());
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (letters <= 12.max(digits * 3)).then(|| money::bare(&flow.text, part.clone(), mark)).flatten()
}

/// An amount that a narrow column breaks: `14,473,900.` above `00`, `219,375,00` above `0.00`. Only where the whole has its
/// thousands and two decimals, the first line for itself has not, and nothing else stands in the cell.
fn broken(flow: &Flow<'_>, money: &money::Money, end: usize, units: &Units) -> Option<Field> {
    static WHOLE: Pattern = pattern!(r"^\d{1,3}(?:,\d{3})*\.\d{2}$");
    static COMPLETE: Pattern = pattern!(r"^\d{1,3}(?:,\d{3})*(?:\.\d{2})?$");
    let range = money.digits.start..end;
    let (first, rest) = flow.slice(range).trim_end().split_once('\n')?;
    let whole = format!("{}{}", first.trim(), rest.trim());
    if units.power > 0 || found(&COMPLETE, first.trim()) || !found(&WHOLE, &whole) {
        return None;
    }
    let amount: Decimal = whole.replace(',', "").parse().ok()?;
    Some(Field::read(flow, amount.to_string(), money.range.start..end))
}

fn percent_of_cells(flow: &Flow<'_>, cells: &Cells, units: &Units, mark: DecimalMark) -> (Field, Field) {
    for role in [Role::Percent, Role::Amount] {
        for part in ranges(cells, role) {
            if let Some(percent) = percent::all(&flow.text, part.clone()).into_iter().next() {
                let of = percent.of.filter(|of| of.end <= part.end).or_else(|| units.percent_of.clone());
                let of = of.map_or_else(Field::default, |of| Field::words(flow, of));
                let field = match percent.value {
                    Some(value) => Field::read(flow, value.normalize().to_string(), percent.range),
                    None => Field::empty(flow, Why::Redacted, percent.range),
                };
                return (field, of);
            }
            if role == Role::Percent {
                let of = || units.percent_of.clone().map_or_else(Field::default, |of| Field::words(flow, of));
                // "Release 1" is no percent.
                let alone = !flow.slice(part.clone()).contains(char::is_alphabetic);
                if let Some(amount) = money::bare(&flow.text, part.clone(), mark).filter(|_| alone)
                    && let Ok(value) = amount.amount
                    && value <= Decimal::ONE_HUNDRED
                {
                    return (Field::read(flow, value.normalize().to_string(), amount.range), of());
                }
                if let Some((kind, range)) = missing(&flow.text, part.clone()) {
                    return (Field::empty(flow, why(kind), range), of());
                }
            }
        }
    }
    (Field::default(), Field::default())
}

/// A date, as written and as a day or month.
pub(super) fn dated(flow: &Flow<'_>, part: Range<usize>) -> Field {
    match date::all(&flow.text, part).into_iter().next() {
        Some(written) => match written.when.text() {
            Some(text) => Field::read(flow, text, written.range),
            None => {
                let why = if written.when == When::Open { Why::Blank } else { Why::Ambiguous };
                Field::empty(flow, why, written.range)
            }
        },
        None => Field::default(),
    }
}

/// Makes a milestone of a row. Also says which currency its amount bears.
pub(super) fn milestone(
    flow: &Flow<'_>,
    cells: &Cells,
    units: &Units,
    mark: DecimalMark,
) -> (Milestone, Option<(Unit, Range<usize>)>) {
    let Priced { mut amount, per, kind, unit } = priced(flow, cells, units, mark);
    let mut kind = kind.unwrap_or(AmountKind::Fixed);
    let (percent, percent_of) = percent_of_cells(flow, cells, units, mark);
    let (number, name, description) =
        (ranges(cells, Role::Number), ranges(cells, Role::Name), ranges(cells, Role::Description));
    let (trigger, due) = (ranges(cells, Role::Trigger), ranges(cells, Role::Date));
    let all: Vec<Range<usize>> = cells.values().flatten().filter(|part| !part.is_empty()).cloned().collect();
    let start = all.iter().map(|part| part.start).min().unwrap_or(0);
    let end = all.iter().map(|part| part.end).max().unwrap_or(0);
    let shown = [name, description, trigger].into_iter().find(|parts| parts.iter().any(|part| !part.is_empty()));
    let long = if description.iter().any(|part| !part.is_empty()) { description } else { shown.unwrap_or(&[]) };
    let numbered = number.iter().map(|part| trimmed(&flow.text, part.clone())).find(|part| !part.is_empty());
    let id = numbered
        .or_else(|| label(flow, shown.and_then(|parts| parts.iter().find(|part| !part.is_empty()))?))
        .map_or_else(Field::default, |part| {
            let part = label(flow, &part).unwrap_or(part);
            let label = unbroken(flow.slice(part.clone()));
            let label = label.trim_end_matches(['.', ')', ':']).trim_start_matches('(').replace("- ", "-");
            Field::read(flow, label, part)
        });
    let date = due.iter().map(|part| dated(flow, part.clone())).find(|field| field.why != Some(Why::NotFound));
    let written = due.iter().find_map(|part| missing(&flow.text, part.clone()));
    if kind == AmountKind::Fixed
        && shown.is_some_and(|parts| parts.iter().any(|part| found(&BALANCE, flow.slice(part.clone()))))
    {
        kind = AmountKind::Balance;
    }
    let due = match written {
        Some((kind, range)) if flow.slice(range.clone()).len() * 2 > due.iter().map(Range::len).sum() => {
            // A row that is to be determined says so once, in whichever column.
            if amount.why == Some(Why::NotFound) && kind == Missing::Undetermined {
                amount = Field::empty(flow, Why::ToBeDetermined, range.clone());
            }
            Field::words(flow, range)
        }
        _ => words(flow, due),
    };
    let milestone = Milestone {
        id,
        name: words(flow, shown.unwrap_or(&[])),
        description: words(flow, long),
        amount,
        percent,
        percent_of,
        kind,
        per,
        due,
        date: date.unwrap_or_default(),
        trigger: words(flow, trigger),
        within: Field::default(),
        evidence: evidence(flow, ranges(cells, Role::Evidence)),
        approver: words(flow, ranges(cells, Role::Approver)),
        depends_on: depends(flow, ranges(cells, Role::Depends)),
        conditions: Field::default(),
        place: flow.place(start..end),
    };
    (milestone, unit)
}

/// "MS-" above "01", "4.1." above "2" in a narrow column: one label that the column broke.
fn unbroken(label: &str) -> String {
    let code =
        |text: &str| text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '‑'));
    let lines: Vec<&str> = label.split('\n').map(str::trim).collect();
    let broken = lines.len() > 1 && lines.iter().all(|line| code(line)) && label.len() < 14;
    if broken { lines.concat() } else { crate::block::folded(label) }
}

/// The number that opens a name: `(2)`, `M1 –`, `Milestone 3:`.
fn label(flow: &Flow<'_>, name: &Range<usize>) -> Option<Range<usize>> {
    static LABEL: Pattern = pattern!(
        r"^\s*(?:(?P<marker>\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})\)|\d{1,2}\.)\s|(?P<code>[A-Z]{1,3}[-‑. ]?\d{1,3}(?:\.\d{1,2})?)(?:\s*[:–—]|\s+-\s|\s*$)|(?i:milestone|phase|stage|instal?lment|payment|deliverable)\s+(?:(?i:no\.?)\s*)?(?P<number>[A-Z]{0,3}-?\d{1,2}(?:\.\d{1,2})?)(?:\s*[:.–—(]|\s+-\s|\s*$))"
    );
    let found = LABEL.as_ref()?.captures(flow.slice(name.clone()))?;
    let part = ["marker", "code", "number"].into_iter().find_map(|part| found.name(part))?;
    Some(name.start + part.start()..name.start + part.end())
}

/// One piece of evidence for each paragraph, `;` or bullet.
fn evidence(flow: &Flow<'_>, parts: &[Range<usize>]) -> Vec<Field> {
    let mut fields = Vec::new();
    for part in parts {
        let text = flow.slice(part.clone());
        let mut at = part.start;
        for piece in text.split_inclusive("\n\n").flat_map(|piece| piece.split_inclusive([';', '•'])) {
            let range = trimmed(&flow.text, at..at + piece.len());
            at += piece.len();
            let range = range.start..range.end - usize::from(flow.slice(range.clone()).ends_with(';'));
            if range.len() > 1 && flow.slice(range.clone()).chars().any(char::is_alphanumeric) {
                fields.push(Field::words(flow, range));
            }
        }
    }
    fields
}

fn depends(flow: &Flow<'_>, parts: &[Range<usize>]) -> Vec<Field> {
    static ID: Pattern = pattern!(r"[A-Za-z]{0,4}-?[A-Za-z]?\d{1,3}");
    let mut fields = Vec::new();
    for part in parts {
        let mut from = part.start;
        while let Some(named) =
            capture(&ID, &flow.text, from..part.end).and_then(|captured| captured.get(0).map(|found| found.range()))
        {
            from = named.end;
            fields.push(Field::words(flow, named));
        }
    }
    fields
}
