//! Payment schedules in tables: the heading tells what columns are for, rows are told from totals and repeated headings.

use core::ops::Range;

use super::column::{self, Column};
use super::row::{self, Cells, Role, Units};
use super::{Schedule, Total};
use crate::block::Quote;
use crate::flow::{Flow, FlowCell, FlowTable};
use crate::proposal::{Field, Finding, Gravity, Milestone};
use crate::value::money;
use crate::value::number::DecimalMark;
use crate::value::{Pattern, found, pattern, percent};

static TOTAL: Pattern = pattern!(
    r"(?i)^(?:grand\s+|contract\s+|overall\s+)?(?:(?P<sub>sub\s?-?\s?total|zwischensumme|sous-total)|totals?|total[ei]|sum|summe|gesamt\w*|aggregate)\b"
);
static DAMAGES: Pattern = pattern!(
    r"(?i)\b(?:liquidated\s+damages|per\s+diem|insurance|coverage|limits?\s+of\s+liability|service\s+credits?)\b"
);
static IDENTIFIER: Pattern = pattern!(
    r"^(?:\(?[A-Za-z]{0,5}[-‑. ]?[A-Za-z]{0,4}[-‑.]?\d{1,4}(?:[.-]\d{1,3}){0,2}[a-z]?[.)]?|\d{1,2}(?:st|nd|rd|th)|(?i:milestone|phase|stage|instal?lment|payment|deliverable)\s+[A-Z]?\d{1,2}:?)$"
);

static MILESTONE: Pattern = pattern!(r"(?i)\b(?:milestone|deliverable|stage|phase|instal?lment|payment|event)s?\b");

/// Columns that say what a row is for.
const SUBJECTS: [Role; 3] = [Role::Name, Role::Description, Role::Trigger];

struct Heading {
    /// First row below it.
    end: usize,
    /// Role of each column.
    roles: Vec<(u32, u32, Role)>,
    units: Units,
    text: String,
    named: bool,
}

pub(super) fn all(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Schedule> {
    let mut schedules: Vec<Schedule> = Vec::new();
    let mut last: Option<(u32, usize, String)> = None;
    let mut sheets: Vec<(String, Schedule)> = Vec::new();
    for (index, table) in flow.tables.iter().enumerate() {
        if damages(flow, table) {
            continue;
        }
        let width = table.rows.iter().flatten().map(|cell| cell.column + cell.span).max().unwrap_or(0);
        let of = |table: &FlowTable, head: &Heading| {
            let read = schedule(flow, table, head, mark);
            (credible(&read) && of_payments(flow, table, head, &read)).then(|| (read, squeezed(&head.text)))
        };
        let read = heading(flow, table, 0).and_then(|head| of(table, &head));
        // A table without heading goes on overleaf without one.
        let follows = last.as_ref().is_some_and(|(_, at, above)| at + 1 == index && above.is_empty())
            && schedules.last().is_some_and(|open| {
                flow.words(open.range.end..table.range.start.max(open.range.end)).chars().count() < 60
            });
        let Some((read, heading)) = read.or_else(|| of(table, &headless(flow, table, follows)?)) else {
            let turned = turned(table);
            let sheet = turned.as_ref().and_then(|table| of(table, &first_column(flow, table)?));
            sheets.extend(sheet.map(|(read, heading)| (heading, read)));
            continue;
        };
        // The same heading right after a table, or a table of the same width: it goes on there.
        if let Some((before, at, above)) = &last
            && (*before == width || *above == heading)
            && at + 1 == index
            && let Some(open) = schedules.last_mut()
            && goes_on(flow, open, &read)
        {
            continued(open, read);
        } else {
            schedules.push(read);
        }
        last = Some((width, index, heading));
    }
    schedules.extend(gathered(sheets));
    schedules
}

/// Whether there are values where the heading says so. Where most rows have none, the columns are those of print: paragraphs that
/// hang behind their numbers, or a form that nobody has filled in.
fn credible(read: &Schedule) -> bool {
    let valued = read.valued();
    valued > 0 && valued * 3 >= read.rows.len()
}

/// Whether a table is about what is paid, and when: its heading, a column, its rows or the words above it say so. A price list or a
/// budget is not.
fn of_payments(flow: &Flow<'_>, table: &FlowTable, head: &Heading, read: &Schedule) -> bool {
    static PAID: Pattern = pattern!(
        r"(?i)\b(?:milestones?|deliverables?|stages?|phases?|steps?|instal?lments?|payments?|clins?|events?|draws?|tranches?|disbursements?|work\s+packages?|modules?|scheduled?\s+(?:of\s+)?values?|fee\s+schedule|activity\s+schedule|zahlung\w*|meilenstein\w*|jalons?|échéanc\w+|hitos?|pagos?|termijn\w*)\b"
    );
    let timed =
        |role: &Role| matches!(role, Role::Trigger | Role::Date | Role::Percent | Role::Evidence | Role::Depends);
    let lead = flow.slice(flow.before(table.range.start, 350));
    head.roles.iter().any(|(_, _, role)| timed(role))
        || found(&PAID, &head.text)
        || found(&PAID, lead)
        || read.paying() * 2 >= read.rows.len()
}

/// A table of damages, rates of insurance and the like, by its heading or the words above it; not where its heading speaks of
/// payments.
fn damages(flow: &Flow<'_>, table: &FlowTable) -> bool {
    let first = table.rows.first().into_iter().flatten();
    let heading: Vec<String> = first.map(|cell| flow.words(cell.range.clone())).collect();
    let heading = heading.join(" ");
    let above = flow.slice(flow.before(table.range.start, 400));
    !found(&MILESTONE, &heading) && (found(&DAMAGES, above) || found(&DAMAGES, &heading))
}

/// Milestones that have a table each, or a column each: those with the same words at their head are one schedule.
fn gathered(sheets: Vec<(String, Schedule)>) -> Vec<Schedule> {
    let mut schedules: Vec<(String, Schedule)> = Vec::new();
    for (heading, sheet) in sheets {
        match schedules.last_mut().filter(|(above, _)| *above == heading) {
            Some((_, open)) => {
                open.rows.extend(sheet.rows);
                open.unit = open.unit.clone().or(sheet.unit);
                open.range.end = sheet.range.end;
            }
            None => schedules.push((heading, sheet)),
        }
    }
    schedules.into_iter().map(|(_, schedule)| schedule).filter(|schedule| schedule.rows.len() > 1).collect()
}

/// The table with its columns as rows, where its first column may be a heading: narrow, and as many cells as rows.
fn turned(table: &FlowTable) -> Option<FlowTable> {
    let plain = table.rows.iter().flatten().all(|cell| cell.span == 1 && !cell.merged_up);
    let width = table.rows.iter().map(Vec::len).max().unwrap_or(0);
    let square = table.rows.iter().all(|row| row.len() == width);
    if !plain || !square || table.lines || width < 2 || !(2..=20).contains(&table.rows.len()) {
        return None;
    }
    let column = |at: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(at)).zip(0_u32..);
        cells.map(|(cell, row)| FlowCell { column: row, ..cell.clone() }).collect()
    };
    Some(FlowTable { rows: (0..width).map(column).collect(), page_breaks: Vec::new(), ..table.clone() })
}

/// The heading of a table that was turned: its first row, where it speaks of a milestone and of money.
fn first_column(flow: &Flow<'_>, table: &FlowTable) -> Option<Heading> {
    let (first, body) = table.rows.split_first()?;
    let head = heading_of(flow, core::slice::from_ref(first), body, 1)?;
    let named = found(&MILESTONE, &head.text)
        || body.iter().filter_map(|row| row.first()).any(|cell| found(&MILESTONE, flow.slice(cell.range.clone())));
    let has = |wanted: Role| head.roles.iter().any(|(_, _, role)| *role == wanted);
    (named && (has(Role::Amount) || has(Role::Percent))).then_some(head)
}

/// A table without heading after words such as "payable as follows", or where one without heading goes on: what its columns are for
/// is seen by what stands in them.
fn headless(flow: &Flow<'_>, table: &FlowTable, follows: bool) -> Option<Heading> {
    let lead = flow.slice(flow.before(table.range.start, 350));
    static VALUES: Pattern = pattern!(r"(?i)schedule\s+of\s+values[^.]{0,60}$");
    if !(follows || super::list::announces(lead) || found(&VALUES, lead)) || table.rows.len() < 2 {
        return None;
    }
    let columns: std::collections::BTreeSet<u32> = table.rows.iter().flatten().map(|cell| cell.column).collect();
    let mut roles: Vec<(u32, u32, Role)> = Vec::new();
    let length = |column: u32| -> usize {
        table.rows.iter().flatten().filter(|cell| cell.column == column).map(|cell| cell.range.len()).sum()
    };
    for column in &columns {
        if let Some(role) = column::content(flow, &table.rows, *column)
            && !roles.iter().any(|(_, _, candidate)| *candidate == role)
        {
            roles.push((*column, 1, role));
        }
    }
    let free = columns.into_iter().filter(|column| !roles.iter().any(|(at, ..)| at == column));
    let name = free.max_by_key(|column| length(*column))?;
    roles.push((name, 1, Role::Name));
    let value = roles.iter().any(|(_, _, role)| matches!(role, Role::Amount | Role::Percent));
    value.then(|| Heading { end: 0, roles, units: Units::default(), text: String::new(), named: true })
}

/// Nothing but white space and running heads stands between; a heading of its own opens another table.
fn goes_on(flow: &Flow<'_>, open: &Schedule, next: &Schedule) -> bool {
    static AGAIN: Pattern = pattern!(r"(?i)\bcont(?:inued|['’]?d|\.)");
    let closed = open.totals.last().is_some_and(|total| !total.partial && total.after == open.rows.len());
    let gap = open.range.end..next.range.start.max(open.range.end);
    let headed = flow
        .spans
        .iter()
        .any(|span| span.heading && gap.contains(&span.range.start) && !found(&AGAIN, flow.slice(span.range.clone())));
    !closed && !headed && flow.words(open.range.end..next.range.start.max(open.range.end)).chars().count() < 60
}

fn continued(open: &mut Schedule, next: Schedule) {
    let above = open.rows.len();
    let quotes: Vec<Quote> = next.rows.first().into_iter().flat_map(|row| row.name.quotes.clone()).collect();
    open.findings.push(Finding {
        code: "table_goes_on".into(),
        gravity: Gravity::Note,
        message: format!("the schedule goes on after its row {above}; both parts were read as one"),
        quotes,
    });
    open.rows.extend(next.rows);
    open.totals.extend(next.totals.into_iter().map(|total| Total { after: total.after + above, ..total }));
    open.findings.extend(next.findings);
    open.range.end = next.range.end;
    open.unit = open.unit.clone().or(next.unit);
}

/// The text of a row's cells, by column.
fn cells<'a>(flow: &'a Flow<'_>, row: &'a [FlowCell]) -> impl Iterator<Item = (&'a FlowCell, &'a str)> {
    row.iter().map(|cell| (cell, flow.text.get(cell.range.clone()).unwrap_or("").trim()))
}

/// The heading: one row, or several rows of print that make one.
fn heading(flow: &Flow<'_>, table: &FlowTable, from: usize) -> Option<Heading> {
    for start in from..table.rows.len().min(from + 12) {
        for height in 1..=4 {
            let Some(rows) = table.rows.get(start..start + height) else { break };
            let valued = |cell: &FlowCell| digits(flow, cell) > 3 || is_value(flow, cell);
            if height > 1 && rows[height - 1].iter().any(valued) {
                break;
            }
            let body = table.rows.get(start + height..).unwrap_or(&[]);
            if let Some(mut head) = heading_of(flow, rows, body, start + height) {
                extend(flow, table, &mut head, start);
                return Some(below(flow, table, &head).unwrap_or(head));
            }
        }
    }
    None
}

/// The row below a heading, where it is one itself: what stands above it are groups of its columns.
fn below(flow: &Flow<'_>, table: &FlowTable, head: &Heading) -> Option<Heading> {
    let row = table.rows.get(head.end).filter(|row| row.iter().all(|cell| digits(flow, cell) == 0))?;
    let body = table.rows.get(head.end + 1..).unwrap_or(&[]);
    heading_of(flow, core::slice::from_ref(row), body, head.end + 1).filter(|_| !table.lines)
}

/// An amount or a percent stands in the cell, and nothing else: it is no part of a heading.
fn is_value(flow: &Flow<'_>, cell: &FlowCell) -> bool {
    matches!(column::cell_content(flow, cell.range.clone()), Some(Role::Amount | Role::Percent))
}

fn digits(flow: &Flow<'_>, cell: &FlowCell) -> usize {
    flow.slice(cell.range.clone()).chars().filter(char::is_ascii_digit).count()
}

fn heading_of(flow: &Flow<'_>, rows: &[Vec<FlowCell>], body: &[Vec<FlowCell>], end: usize) -> Option<Heading> {
    let mut columns: Vec<Column> = Vec::new();
    for cell in rows.iter().flatten().filter(|cell| !cell.range.is_empty()) {
        let text = flow.words(cell.range.clone());
        if text.chars().count() > 80 {
            return None;
        }
        match columns.iter_mut().find(|(column, ..)| *column == cell.column) {
            Some((_, span, all, ranges)) => {
                *span = (*span).max(cell.span);
                all.push(' ');
                all.push_str(&text);
                ranges.push(cell.range.clone());
            }
            None => columns.push((cell.column, cell.span, text, vec![cell.range.clone()])),
        }
    }
    let all: Vec<&str> = columns.iter().map(|(_, _, text, _)| text.as_str()).collect();
    static RATE: Pattern = pattern!(r"\d\s?%");
    if all.iter().any(|text| found(&RATE, text) && !column::is_withheld(text)) {
        return None;
    }
    // What has values in it is a row.
    if rows.iter().flatten().any(|cell| is_value(flow, cell)) {
        return None;
    }
    let roles = column::roles(flow, &columns, body);
    let mut units = Units::default();
    for (column, _, text, ranges) in &columns {
        let role = roles.iter().find(|(at, ..)| at == column).map(|(_, _, role)| *role);
        if role == Some(Role::Amount) {
            if column::is_rate_card(text) {
                return None;
            }
            for range in ranges {
                if let Some((unit, power, place)) = money::of_heading(&flow.text, range.clone()) {
                    units = Units { unit: unit.or(units.unit), power, heading: Some(place), ..units };
                }
            }
        }
        if role == Some(Role::Percent) {
            units.percent_of = of_what(flow, ranges);
        }
    }
    let named = roles.iter().any(|(_, _, role)| *role == Role::Name);
    let has = |role: Role| roles.iter().any(|(_, _, candidate)| *candidate == role);
    let value = has(Role::Amount) || has(Role::Percent);
    let subject =
        has(Role::Name) || has(Role::Description) || has(Role::Trigger) || (has(Role::Number) && columns.len() > 2);
    (value && subject && roles.len() >= 2).then(|| Heading { end, roles, units, text: all.join(" "), named })
}

/// "Contract Price" in "% of Contract Price", which may stand in several lines.
fn of_what(flow: &Flow<'_>, ranges: &[Range<usize>]) -> Option<Range<usize>> {
    static OF: Pattern = pattern!(r"(?i)\bof(?:\s+the)?\s+(?P<what>\S[\s\S]{2,60})$");
    let start = ranges.first()?.start;
    let end = ranges.last()?.end;
    let text = flow.text.get(start..end)?;
    let what = OF.as_ref()?.captures(text)?.name("what")?.range();
    Some(start + what.start..start + what.end)
}

/// Further rows of a heading that is set in several lines.
fn extend(flow: &Flow<'_>, table: &FlowTable, head: &mut Heading, start: usize) {
    while head.end - start < 5 && table.lines {
        let Some(row) = table.rows.get(head.end) else { break };
        let texts: Vec<&str> = cells(flow, row).map(|(_, text)| text).filter(|text| !text.is_empty()).collect();
        let plain = !texts.is_empty()
            && texts.iter().all(|text| text.chars().count() < 30 && !text.chars().any(|c| c.is_ascii_digit()));
        let said = plain && texts.iter().any(|text| column::role(text).is_some() || text.starts_with('('));
        if !said {
            break;
        }
        let body = table.rows.get(head.end + 1..).unwrap_or(&[]);
        if let Some(more) = table.rows.get(start..=head.end).and_then(|rows| heading_of(flow, rows, body, head.end + 1))
        {
            *head = more;
        } else {
            break;
        }
    }
}

fn schedule(flow: &Flow<'_>, table: &FlowTable, head: &Heading, mark: DecimalMark) -> Schedule {
    let mut schedule = Schedule {
        range: table.range.clone(),
        rows: Vec::new(),
        totals: Vec::new(),
        unit: head.units.unit.zip(head.units.heading.clone()),
        findings: Vec::new(),
        named: head.named,
        prices: false,
    };
    let numbered = numbered(flow, table, head);
    let marked = table.lines && numbered.is_none() && marked(flow, table, head);
    let mut opening: Vec<(usize, Field)> = Vec::new();
    let mut open: Option<Cells> = None;
    let mut at = head.end;
    while let Some(row) = table.rows.get(at) {
        let breaks = table.page_breaks.iter().any(|page| usize::try_from(*page) == Ok(at));
        if breaks {
            schedule.findings.push(goes_overleaf(flow, row, schedule.rows.len() + usize::from(open.is_some())));
        }
        if let Some(next) = repeated(flow, table, head, at) {
            at = next;
            continue;
        }
        let read = by_role(flow, row, head, numbered);
        at += 1;
        if read.values().flatten().all(Range::is_empty) || placeholder(flow, row) {
            continue;
        }
        if let Some(total) = total(flow, row, &read, head, mark) {
            close(flow, &mut schedule, open.take(), head, mark, &mut opening);
            schedule.totals.push(Total { after: schedule.rows.len(), ..total });
            continue;
        }
        let goes_on = |cells: &Cells| {
            if marked { !opens(flow, &read) } else { continues(flow, cells, &read, table.lines || breaks, numbered) }
        };
        match &mut open {
            Some(cells) if goes_on(cells) => merge(cells, read),
            _ => {
                close(flow, &mut schedule, open.take(), head, mark, &mut opening);
                open = Some(read);
            }
        }
    }
    close(flow, &mut schedule, open, head, mark, &mut opening);
    borne_out(&mut schedule.rows, opening);
    schedule
}

/// Whether the words of a row open with a number such as `4.`.
fn opens(flow: &Flow<'_>, read: &Cells) -> bool {
    static MARKER: Pattern = pattern!(r"^\(?\d{1,2}[.)]\s");
    let words = SUBJECTS.into_iter().find_map(|role| read.get(&role)?.iter().find(|part| !part.is_empty()).cloned());
    words.is_some_and(|part| found(&MARKER, flow.slice(part).trim_start()))
}

/// Whether lines of print that open with a number are the rows: most that have a value do.
fn marked(flow: &Flow<'_>, table: &FlowTable, head: &Heading) -> bool {
    let rows: Vec<Cells> = table.rows.iter().skip(head.end).map(|row| by_role(flow, row, head, None)).collect();
    let opening = rows.iter().filter(|read| opens(flow, read)).count();
    let valued = rows.iter().filter(|read| has(read, Role::Amount) || has(read, Role::Percent)).count();
    opening > 2 && opening * 10 >= valued * 8
}

/// "10% Upon erection of the bow" in the words of a row.
fn opening_percent(flow: &Flow<'_>, cells: &Cells) -> Option<Field> {
    static OPENS: Pattern = pattern!(r"^\s*(?:\(?\d{1,2}[.)]\s+)?(?P<percent>(?P<digits>\d{1,2}(?:\.\d{1,2})?)\s?%)\s");
    let part = SUBJECTS.into_iter().find_map(|role| cells.get(&role)?.iter().find(|part| !part.is_empty()).cloned())?;
    let says = OPENS.as_ref()?.captures(flow.slice(part.clone()))?;
    let value: rust_decimal::Decimal = says["digits"].parse().ok()?;
    let range = says.name("percent")?.range();
    Some(Field::read(flow, value.normalize().to_string(), part.start + range.start..part.start + range.end))
}

/// Percents that open the words of rows are what is paid where the amounts bear them out: each is its percent of the same sum, to
/// one in a hundred.
fn borne_out(rows: &mut [Milestone], opening: Vec<(usize, Field)>) {
    let whole = |(index, percent): &(usize, Field)| {
        let amount = rows.get(*index)?.amount.number()?;
        amount.checked_mul(rust_decimal::Decimal::ONE_HUNDRED)?.checked_div(percent.number()?)
    };
    let wholes: Option<Vec<rust_decimal::Decimal>> = opening.iter().map(whole).collect();
    let wholes = wholes.unwrap_or_default();
    let (Some(least), Some(most)) = (wholes.iter().min(), wholes.iter().max()) else { return };
    let near = (*most - *least).checked_mul(rust_decimal::Decimal::ONE_HUNDRED).is_some_and(|gap| gap <= *most);
    if wholes.len() < 2 || !near {
        return;
    }
    for (index, percent) in opening {
        if let Some(row) = rows.get_mut(index).filter(|row| row.percent.value.is_none()) {
            row.percent = percent;
        }
    }
}

/// Directives and places of a template that nobody has filled in.
fn placeholder(flow: &Flow<'_>, row: &[FlowCell]) -> bool {
    static TEMPLATE: Pattern = pattern!(r"\{%|\{\{");
    let texts: Vec<&str> = cells(flow, row).map(|(_, text)| text).filter(|text| !text.is_empty()).collect();
    !texts.is_empty() && texts.iter().all(|text| found(&TEMPLATE, text))
}

fn goes_overleaf(flow: &Flow<'_>, row: &[FlowCell], above: usize) -> Finding {
    let quotes =
        row.iter().find(|cell| !cell.range.is_empty()).map_or_else(Vec::new, |cell| flow.quotes(cell.range.clone()));
    Finding {
        code: "table_goes_on".into(),
        gravity: Gravity::Note,
        message: format!("the schedule goes on overleaf after its row {above}; both parts were read as one"),
        quotes,
    }
}

/// Letters and digits of a heading, sorted: a narrow column sets its words in other lines than the next one.
fn squeezed(text: &str) -> String {
    let mut letters: Vec<char> = text.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == '%').collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

/// Where the rows go on, if the heading is repeated here.
fn repeated(flow: &Flow<'_>, table: &FlowTable, head: &Heading, at: usize) -> Option<usize> {
    let expected = squeezed(&head.text);
    for height in 1..=5 {
        let rows = table.rows.get(at..at + height)?;
        let again = heading_of(flow, rows, table.rows.get(at + height..).unwrap_or(&[]), at + height);
        if again.is_some_and(|again| {
            squeezed(&again.text) == expected || again.roles == head.roles && height == 1 && digits_of(flow, rows) == 0
        }) {
            return Some(at + height);
        }
    }
    None
}

fn digits_of(flow: &Flow<'_>, rows: &[Vec<FlowCell>]) -> usize {
    rows.iter().flatten().map(|cell| digits(flow, cell)).sum()
}

/// Whether rows have numbers: the number column, or a name column with nothing but labels such as `M1`.
fn numbered(flow: &Flow<'_>, table: &FlowTable, head: &Heading) -> Option<u32> {
    let labels = |column: u32| {
        let texts: Vec<&str> = table.rows[head.end.min(table.rows.len())..]
            .iter()
            .flat_map(|row| cells(flow, row))
            .filter(|(cell, text)| cell.column == column && !text.is_empty() && !found(&TOTAL, text))
            .map(|(_, text)| text)
            .collect();
        !texts.is_empty() && texts.iter().filter(|text| found(&IDENTIFIER, text)).count() * 10 >= texts.len() * 8
    };
    let column =
        |role: Role| head.roles.iter().find(|(_, _, candidate)| *candidate == role).map(|(column, ..)| *column);
    let several =
        [Role::Description, Role::Name, Role::Trigger].into_iter().filter(|role| column(*role).is_some()).count() > 1;
    column(Role::Number)
        .filter(|column| labels(*column))
        .or_else(|| column(Role::Name).filter(|column| several && labels(*column)))
        .or_else(|| unheaded(table, head).filter(|column| labels(*column)))
        .or_else(|| {
            let subject = [Role::Description, Role::Name, Role::Trigger];
            let other =
                |first: u32| head.roles.iter().any(|(column, _, role)| *column != first && subject.contains(role));
            coded(flow, table, head).filter(|first| other(*first) && labels(*first))
        })
}

/// A first column whose cells are codes such as `M1`, whatever its heading says, or numbers under a name such as "Stage".
fn coded(flow: &Flow<'_>, table: &FlowTable, head: &Heading) -> Option<u32> {
    let rows = table.rows.get(head.end..)?;
    let first = rows.iter().flatten().map(|cell| cell.column).min()?;
    let mut codes =
        rows.iter().flat_map(|row| cells(flow, row)).filter(|(cell, text)| cell.column == first && !text.is_empty());
    let named = head.roles.iter().any(|(column, _, role)| *column == first && *role == Role::Name);
    (named || codes.all(|(_, text)| text.starts_with(char::is_alphabetic) || found(&TOTAL, text))).then_some(first)
}

/// A first column without heading.
fn unheaded(table: &FlowTable, head: &Heading) -> Option<u32> {
    let first = table.rows.get(head.end..)?.iter().flatten().map(|cell| cell.column).min()?;
    (!head.roles.iter().any(|(column, ..)| *column == first)).then_some(first)
}

fn by_role(flow: &Flow<'_>, row: &[FlowCell], head: &Heading, numbered: Option<u32>) -> Cells {
    let mut read = Cells::new();
    // What stands below no heading says what a row is for only where no other column does.
    let subject = head.roles.iter().any(|(_, _, role)| SUBJECTS.contains(role));
    for cell in row.iter().filter(|cell| !cell.merged_up && !cell.range.is_empty()) {
        let role = if numbered == Some(cell.column) { Some(Role::Number) } else { role_at(head, cell) };
        if let Some(role) = role {
            read.entry(role).or_default().push(cell.range.clone());
        } else if !subject && !flow.slice(cell.range.clone()).trim().is_empty() {
            read.entry(Role::Description).or_default().push(cell.range.clone());
        }
    }
    read
}

/// The role of the column that a cell stands in; a cell over several columns has the first one's.
fn role_at(head: &Heading, cell: &FlowCell) -> Option<Role> {
    head.roles
        .iter()
        .find(|(column, span, _)| cell.column >= *column && cell.column < column + span)
        .or_else(|| head.roles.iter().find(|(column, ..)| *column >= cell.column && *column < cell.column + cell.span))
        .map(|(_, _, role)| *role)
}

fn has(cells: &Cells, role: Role) -> bool {
    cells.get(&role).is_some_and(|parts| parts.iter().any(|part| !part.is_empty()))
}

/// Whether a line of print, or the first row overleaf, goes on with the row above it.
fn continues(flow: &Flow<'_>, open: &Cells, next: &Cells, lines: bool, numbered: Option<u32>) -> bool {
    if !lines {
        return false;
    }
    if numbered.is_some() {
        return !has(next, Role::Number);
    }
    let value = |cells: &Cells| has(cells, Role::Amount) || has(cells, Role::Percent);
    if !value(next) {
        return true;
    }
    // The amount may stand in a later line than the text of its row begins in.
    !value(open) && open.values().flatten().all(|part| flow.slice(part.clone()).len() < 400)
}

fn merge(open: &mut Cells, next: Cells) {
    for (role, parts) in next {
        open.entry(role).or_default().extend(parts);
    }
}

fn close(
    flow: &Flow<'_>,
    schedule: &mut Schedule,
    open: Option<Cells>,
    head: &Heading,
    mark: DecimalMark,
    opening: &mut Vec<(usize, Field)>,
) {
    let Some(cells) = open else { return };
    let valued = has(&cells, Role::Amount) || has(&cells, Role::Percent);
    let subject =
        [Role::Number, Role::Name, Role::Description, Role::Trigger].into_iter().any(|role| has(&cells, role));
    let numbered = has(&cells, Role::Number) && (has(&cells, Role::Name) || has(&cells, Role::Description));
    if !subject || !(valued || numbered) {
        return;
    }
    let (milestone, unit) = row::milestone(flow, &cells, &head.units, mark);
    schedule.unit = schedule.unit.clone().or(unit);
    opening.extend(opening_percent(flow, &cells).map(|percent| (schedule.rows.len(), percent)));
    schedule.rows.push(milestone);
}

fn total(flow: &Flow<'_>, row: &[FlowCell], read: &Cells, head: &Heading, mark: DecimalMark) -> Option<Total> {
    let (label, text) = cells(flow, row).find(|(_, text)| !text.is_empty())?;
    let says = TOTAL.as_ref()?.captures(text)?;
    let partial = says.name("sub").is_some();
    let mut cells = read.clone();
    cells.retain(|role, _| matches!(role, Role::Amount | Role::Percent));
    // "Total: USD 100" in one cell over all columns.
    if cells.is_empty() {
        cells.insert(Role::Amount, vec![label.range.clone()]);
    }
    let (milestone, _) = row::milestone(flow, &cells, &head.units, mark);
    let percent = percent::all(text, 0..text.len());
    let percent =
        if milestone.percent.value.is_none() && percent.len() == 1 { Field::default() } else { milestone.percent };
    Some(Total { partial, amount: milestone.amount, percent, after: 0 })
}
