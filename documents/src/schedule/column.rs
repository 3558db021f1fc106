//! What the columns of a table are for: by their headings, and by what stands below them.

use core::ops::Range;

use super::row::Role;
use crate::flow::{Flow, FlowCell};
use crate::value::number::DecimalMark;
use crate::value::{Pattern, date, found, money, pattern, percent};

static NUMBER: Pattern = pattern!(
    r"(?i)^(?:no\.?|nr\.?|n°|#|pos\.?|position|clin|slin|line|lfd\.?\s?nr\.?|item(?:\s*(?:no\.?|#|number|id))?|ref\.?(?:\s*no\.?)?|id|code|s\.?\s?no\.?|s[lr]\.?\s?no\.?|serial\s*no\.?|(?:payment )?(?:milestone|payment|instal?lment|stage|phase|step|line|draw|deliverable|event)\s*(?:no\.?|nr\.?|#|number|id|ref\.?|code))$"
);
static PERCENT: Pattern = pattern!(
    r"(?i)%|\bper\s?cent(?:age)?s?\b|\bpct\b|^(?:proportion|share|anteil|part|quote-part|weight(?:ing)?|porcentaje|pourcentage)\b"
);
static OTHER: Pattern = pattern!(
    r"(?i)\b(?:allo-?\s*cation|cumulative|running|vat|tax|gst|hst|ttc|retention|retainage|holdback|withh[eo]ld|balance|rates?|hours|days|qty|quantity|unit|previous|to date|net|gross|discount|effort|fte|expenses)\b"
);
/// Whether taxes are in the amounts of a column: "Price (ex GST)" and "Montant HT" are the amounts that are agreed.
static BEFORE_TAX: Pattern = pattern!(
    r"(?i)\(?\b(?:(?:ex(?:cl)?|excluding|exclusive|net|before|without|plus)\.?(?:\s+of)?(?:\s+any)?\s*(?:vat|gst|hst|tax(?:es)?|iva|btw)|hors\s+(?:taxes?|tva)|ht|netto)\b\.?\)?|\bh\.t\."
);
static WITHHELD: Pattern =
    pattern!(r"(?i)\b(?:holdback|retention|retainage|withh[eo]ld|vat|gst|hst|tax(?:es)?|tva|mwst|iva|btw)\b");
static WITH_TAX: Pattern = pattern!(r"(?i)\b(?:inc(?:l|luding|lusive)?|with|ttc|gross|total)\b");
/// What a change order shows beside the amount that holds from now on.
static FORMER: Pattern = pattern!(r"(?i)\b(?:original|previous|former|old|current|change|difference|variance|delta)\b");
/// Columns of an application for payment: percents beside them say what is done.
static PROGRESS: Pattern = pattern!(
    r"(?i)\b(?:balance to finish|completed|complete|presently stored|previous application|this period|to date)\b"
);
static AMOUNT: Pattern = pattern!(
    r"(?i)\b(?:amounts?|fees?|price|value|sum|cost|charges?|investment|payable|total|payments? (?:amount|due)|instal?lment amount)\b|US\$|\$|€|£|¥|₹|\b(?:USD|EUR|GBP|CAD|AUD|NZD|CHF|JPY|INR|SGD|HKD|SEK|NOK|DKK|PLN|ZAR|AED|Rs)\b|\b(?:betrag|montant|preis|importe|importo|bedrag|vergütung|honorar|prix|precio)\b"
);
static FIGURE: Pattern = pattern!(r"(?i)\b(?:scheduled\s+value|amounts?|price|fees?|sum)\b");
static PAYMENT: Pattern = pattern!(
    r"(?i)^(?:(?:milestone|stage|progress|event|instal?lment|phase|revised|new)\s+)?payments?(?:\s*\W?\(?(?:in\s+)?(?:USD|EUR|GBP|CAD|AUD|(?:U\.?S\.?\s+|US\s+|Australian\s+|Canadian\s+)?dollars|euros?|pounds)\)?)?$"
);
static EVIDENCE: Pattern =
    pattern!(r"(?i)\b(?:evidence|proof|supporting|certificates?|documentation|documents? required|verification)\b");
static APPROVER: Pattern =
    pattern!(r"(?i)\b(?:approv\w+|accepted by|sign-?\s?off(?: by)?|owner|responsible|acceptor|approver)\b");
static DEPENDS: Pattern = pattern!(r"(?i)\b(?:depend\w*|predecessors?|prerequisites?)\b");
static DATE: Pattern = pattern!(
    r"(?i)\b(?:date|due|target|timing|when|timeline|schedule[d]?|month|deadline|forecast|week|expected|completion date|planned)\b"
);
static TRIGGER: Pattern = pattern!(
    r"(?i)\b(?:trigger|conditions?|criteri\w+|billing event|invoice (?:on|upon|event)|payable (?:on|upon|when)|payment (?:event|terms|conditions?))\b"
);
static NAME: Pattern = pattern!(
    r"(?i)\b(?:milestones?|events?|phases?|stages?|tasks?|modules?|instal?lments?|deliverables?|items?|activit\w+|payments?|work packages?|period|sprints?|services?|particulars|draw|outputs?|titles?|leistung|meilenstein|rate|jalon|étape|libellé|prestation|hito|descripción|termijn)\b"
);
static DESCRIPTION: Pattern =
    pattern!(r"(?i)\b(?:descriptions?|scope|details?|particulars|definition|narrative|deliverables?)\b");
static RATE_CARD: Pattern = pattern!(r"(?i)\b(?:rate|hourly|per (?:day|hour)|capacity)\b");

/// A column of a heading: first column, width, the words of its heading and where they stand.
pub(super) type Column = (u32, u32, String, Vec<Range<usize>>);

/// What a heading says that its column is for.
pub(super) fn role(heading: &str) -> Option<Role> {
    let text = heading.split_whitespace().collect::<Vec<_>>().join(" ");
    let is = |pattern: &Pattern| found(pattern, &text);
    if text.is_empty() || text.chars().count() > 80 {
        return None;
    }
    if is(&NUMBER) {
        return Some(Role::Number);
    }
    if is(&PERCENT) {
        return Some(if is(&PROGRESS) || is(&WITHHELD) { Role::OtherFigure } else { Role::Percent });
    }
    if let Some(before) = BEFORE_TAX.as_ref().filter(|pattern| pattern.is_match(&text)) {
        return role(&before.replace_all(&text, ""));
    }
    if is(&OTHER) && !is(&TRIGGER) {
        return Some(Role::OtherFigure);
    }
    // "Scheduled Value" and "Amount due" are no dates.
    if is(&FIGURE) && !text.to_lowercase().contains("date") && !is(&TRIGGER) {
        return Some(Role::Amount);
    }
    [(&TRIGGER, Role::Trigger), (&EVIDENCE, Role::Evidence), (&DEPENDS, Role::Depends), (&APPROVER, Role::Approver)]
        .into_iter()
        .find(|(pattern, _)| is(pattern))
        .map(|(_, role)| role)
        .or_else(|| is(&DATE).then_some(Role::Date))
        .or_else(|| {
            let description = is(&DESCRIPTION) && !text.to_lowercase().starts_with("milestone");
            let amount = is(&AMOUNT);
            match (amount, is(&NAME), description) {
                (true, ..) => Some(Role::Amount),
                (_, true, false) => Some(Role::Name),
                (_, _, true) => Some(Role::Description),
                _ => None,
            }
        })
}

/// Whether a column says what is kept back, or a tax.
pub(super) fn is_withheld(heading: &str) -> bool {
    found(&WITHHELD, heading)
}

/// Whether a table with such a heading is a list of rates.
pub(super) fn is_rate_card(heading: &str) -> bool {
    found(&RATE_CARD, heading) && !heading.to_lowercase().contains("monthly")
}

/// The roles of all columns that have one, by heading and, where that leaves a choice, by the cells below.
pub(super) fn roles(flow: &Flow<'_>, columns: &[Column], body: &[Vec<FlowCell>]) -> Vec<(u32, u32, Role)> {
    let mut roles: Vec<(u32, u32, Role)> =
        columns.iter().filter_map(|(column, span, text, _)| Some((*column, *span, role(text)?))).collect();
    payment_column(&mut roles, columns);
    first_text(flow, &mut roles, columns, body);
    by_content(flow, &mut roles, columns, body);
    former(&mut roles, columns);
    // Beside what is done and what is left, a percent is one of the work.
    if has(&roles, Role::Amount) && columns.iter().filter(|(_, _, text, _)| found(&PROGRESS, text)).count() > 1 {
        replace(&mut roles, |_, role| role == Role::Percent, Role::OtherFigure);
    }
    roles
}

fn has(roles: &[(u32, u32, Role)], wanted: Role) -> bool {
    roles.iter().any(|(_, _, role)| *role == wanted)
}

fn replace(roles: &mut [(u32, u32, Role)], which: impl Fn(u32, Role) -> bool, by: Role) {
    roles.iter_mut().filter(|(column, _, role)| which(*column, *role)).for_each(|(_, _, role)| *role = by);
}

/// A column that is called "Milestone Payment" has the amounts where no other has them and another says what is paid for.
fn payment_column(roles: &mut [(u32, u32, Role)], columns: &[Column]) {
    let has = |roles: &[(u32, u32, Role)], wanted: &[Role], but: u32| {
        roles.iter().any(|(column, _, role)| *column != but && wanted.contains(role))
    };
    for (column, _, text, _) in columns.iter().rev() {
        let subject = [Role::Name, Role::Description, Role::Trigger];
        if found(&PAYMENT, text) && !has(roles, &[Role::Amount], *column) && has(roles, &subject, *column) {
            roles.iter_mut().filter(|(at, ..)| at == column).for_each(|(_, _, role)| *role = Role::Amount);
            return;
        }
    }
}

/// The first column of text without a known heading says what a row is, where no other column does.
fn first_text(flow: &Flow<'_>, roles: &mut Vec<(u32, u32, Role)>, columns: &[Column], body: &[Vec<FlowCell>]) {
    let known = roles.len() > 1 && (columns.len() > 2 || has(roles, Role::Date) || has(roles, Role::Number));
    if has(roles, Role::Name) || has(roles, Role::Description) || body.is_empty() || !known {
        return;
    }
    let unknown = |column: u32| !roles.iter().any(|(at, ..)| *at == column);
    let worded = |column: u32| words(flow, body, column) > 1;
    let first = columns
        .iter()
        .find(|(column, ..)| unknown(*column) && content(flow, body, *column).is_none() && worded(*column))
        .map(|(column, span, ..)| (*column, *span, Role::Name));
    // A column without any heading may have the names: "Month", nothing, "EUR".
    let bare = || {
        let places = body.iter().flatten().filter(|cell| cell.span == 1).map(|cell| cell.column);
        let places: std::collections::BTreeSet<u32> = places.collect();
        let free = |at: &u32| unknown(*at) && !columns.iter().any(|(column, ..)| column == at);
        let mut free = places.into_iter().filter(free);
        free.find(|at| content(flow, body, *at).is_none() && worded(*at)).map(|at| (at, 1, Role::Name))
    };
    let first = first.or_else(bare);
    roles.extend(first);
}

/// How many words most cells of a column have at least.
fn words(flow: &Flow<'_>, body: &[Vec<FlowCell>], column: u32) -> usize {
    let cells = body.iter().flatten().filter(|cell| cell.column == column && !cell.range.is_empty());
    let mut counts: Vec<usize> = cells.map(|cell| flow.words(cell.range.clone()).split(' ').count()).collect();
    counts.sort_unstable();
    counts.get(counts.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

/// A column of nothing but amounts or percents has them, whatever it is called, where no heading names another.
fn by_content(flow: &Flow<'_>, roles: &mut Vec<(u32, u32, Role)>, columns: &[Column], body: &[Vec<FlowCell>]) {
    // "Contract Price" below "Percentage of" has percents.
    let percents = |column: u32| content(flow, body, column) == Some(Role::Percent);
    replace(roles, |at, role| role == Role::Amount && percents(at), Role::Percent);
    // "Milestone" and "% of price" in one column, as nothing stands below the second.
    if !has(roles, Role::Name) && !has(roles, Role::Description) {
        let worded = |column: u32| content(flow, body, column).is_none() && words(flow, body, column) > 1;
        replace(roles, |at, role| role == Role::Percent && worded(at), Role::Name);
    }
    // "Invoice date" above "Upon completion of Milestone 1" says when it happens.
    let worded = |column: u32| content(flow, body, column).is_none() && words(flow, body, column) > 3;
    replace(roles, |at, role| role == Role::Date && worded(at), Role::Trigger);
    for (column, span, text, _) in columns {
        let kept = roles.iter().find(|(at, ..)| at == column).map(|(_, _, role)| *role);
        let Some(kind) = content(flow, body, *column) else { continue };
        match kept {
            // "Payable from" is a date where dates stand below it.
            Some(Role::Amount) if kind == Role::Date => replace(roles, |at, _| at == *column, Role::Date),
            _ if kind == Role::Date => {}
            Some(Role::Name | Role::Description | Role::Trigger) if has(roles, kind) => {
                replace(roles, |at, _| at == *column, Role::OtherFigure);
            }
            Some(Role::Name | Role::Description | Role::Trigger) => replace(roles, |at, _| at == *column, kind),
            // Amounts with their taxes are what is left where no column has them without.
            Some(Role::OtherFigure)
                if kind == Role::Amount && found(&AMOUNT, text) && found(&WITH_TAX, text) && !has(roles, kind) =>
            {
                replace(roles, |at, _| at == *column, kind);
            }
            None if !has(roles, kind) && !found(&OTHER, text) => roles.push((*column, *span, kind)),
            _ => {}
        }
    }
}

/// Of several columns of amounts those that a change order shows for comparison.
fn former(roles: &mut [(u32, u32, Role)], columns: &[Column]) {
    let amounts: Vec<u32> = roles.iter().filter(|(_, _, role)| *role == Role::Amount).map(|(at, ..)| *at).collect();
    let old = |at: u32| columns.iter().any(|(column, _, text, _)| *column == at && found(&FORMER, text));
    if amounts.iter().any(|at| !old(*at)) {
        replace(roles, |at, role| role == Role::Amount && old(at), Role::OtherFigure);
    }
}

/// What all the cells of a column are, if they are alike: amounts, percents, dates.
pub(super) fn content(flow: &Flow<'_>, body: &[Vec<FlowCell>], column: u32) -> Option<Role> {
    let cells: Vec<Range<usize>> = body
        .iter()
        .flatten()
        .filter(|cell| cell.column == column && cell.span == 1 && !cell.range.is_empty())
        .map(|cell| cell.range.clone())
        .collect();
    let kinds: Vec<Option<Role>> = cells.iter().map(|range| cell_content(flow, range.clone())).collect();
    let first = kinds.iter().flatten().next()?;
    let alike = kinds.iter().filter(|kind| kind.as_ref() == Some(first)).count();
    (alike >= 2 && alike * 10 >= cells.len() * 8).then_some(*first)
}

/// A cell that is nothing but an amount, a percent or a date.
pub(super) fn cell_content(flow: &Flow<'_>, range: Range<usize>) -> Option<Role> {
    let text = flow.slice(range.clone());
    let most = |found: Range<usize>| found.len() * 10 >= text.trim().len() * 7;
    let start = range.start;
    if percent::all(&flow.text, range.clone()).first().is_some_and(|percent| most(percent.range.clone())) {
        return Some(Role::Percent);
    }
    let money = money::all(&flow.text, range.clone(), DecimalMark::Unknown);
    if money.first().is_some_and(|amount| most(amount.range.clone())) {
        return Some(Role::Amount);
    }
    static GROUPED: Pattern = pattern!(r"^\W{0,2}\d{1,3}(?:[.,’' \u{a0}\u{202f}]\d{3})+(?:[.,]\d{2})?\W{0,2}$");
    if found(&GROUPED, text.trim()) {
        return Some(Role::Amount);
    }
    date::all(&flow.text, start..range.end).first().filter(|written| most(written.range.clone())).map(|_| Role::Date)
}
