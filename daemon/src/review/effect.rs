//! What a change order would do, before it is filed: the contract is played on with it, on a copy, by the same rules, and what is
//! billed, recognised and told stands beside what holds without it.

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::contract::{Contract, DocumentKind, ExceptionRecord, IssuedDocument};
use milestoned_mapping::fact::Fact;
use milestoned_mapping::money::{Minor, Money};
use milestoned_mapping::problem::Problem;

use super::queue::titles_and_codes;

/// How far ahead both are played on.
const AHEAD_DAYS: i32 = 400;

/// A figure without the change order, and with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Without.
    pub before: Money,
    /// With.
    pub after: Money,
}

impl Figure {
    /// Whether the change order changes it.
    pub fn differs(&self) -> bool {
        self.before != self.after
    }

    /// With less without.
    pub fn difference(&self) -> Money {
        self.after.currency().money(self.after.units() - self.before.units())
    }
}

/// A document in one of the two, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// Number.
    pub number: String,
    /// Without the change order: date and amount.
    pub before: Option<(Date, Money)>,
    /// With it.
    pub after: Option<(Date, Money)>,
    /// What it is: `invoice`, `credit_memo`.
    pub kind: DocumentKind,
}

/// What a change order would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Figures of today.
    pub figures: Vec<Figure>,
    /// Documents that would be written at once.
    pub writes: Vec<IssuedDocument>,
    /// Documents that time alone will write, where the two differ.
    pub to_come: Vec<Paper>,
    /// Exceptions that it would open, in words.
    pub opens: Vec<String>,
    /// Exceptions that it would close.
    pub closes: Vec<String>,
    /// The date on which it counts, where that is to come.
    pub waits_until: Option<Date>,
}

impl Effect {
    /// Whether nothing would follow from it.
    pub fn is_nothing(&self) -> bool {
        let figures = self.figures.iter().any(Figure::differs);
        let papers = !self.writes.is_empty() || !self.to_come.is_empty();
        !figures && !papers && self.opens.is_empty() && self.closes.is_empty()
    }
}

/// Plays a contract on with a change order, and without it.
///
/// # Errors
/// The change order does not fit the contract.
pub fn effect(contract: &Contract, order: &Fact) -> Result<Effect, Problem> {
    let local = contract.terms().local_date(order.at);
    let waits_until = order.on.filter(|on| *on > local);
    let today = local.max(contract.as_of()).max(waits_until.unwrap_or(local));
    let mut before = contract.clone();
    before.advance_to(today);
    let mut after = contract.clone();
    after.apply(order)?;
    after.advance_to(today);
    let new = |document: &&IssuedDocument| !before.documents().iter().any(|known| known.number == document.number);
    Ok(Effect {
        figures: figures(&before, &after),
        writes: after.documents().iter().filter(new).cloned().collect(),
        to_come: to_come(&before, &after, today),
        opens: only_in(&after, &before),
        closes: only_in(&before, &after),
        waits_until,
    })
}

fn figures(before: &Contract, after: &Contract) -> Vec<Figure> {
    let (was, is) = (before.position(), after.position());
    let of = |name, before, after| Figure { name, before, after };
    vec![
        of("Transaction price", before.total(), after.total()),
        of("Billed", was.billed, is.billed),
        of("Remaining to bill", before.remaining_to_bill(), after.remaining_to_bill()),
        of("Recognised", was.recognised, is.recognised),
        of("Deferred revenue", was.deferred_revenue, is.deferred_revenue),
        of("Contract asset", was.contract_asset, is.contract_asset),
        of("Unbilled receivable", was.unbilled_receivable, is.unbilled_receivable),
    ]
}

fn to_come(before: &Contract, after: &Contract, today: Date) -> Vec<Paper> {
    let until = today.saturating_add(AHEAD_DAYS.days());
    let (was, is) = (before.outlook(until).documents, after.outlook(until).documents);
    let told = |document: &IssuedDocument| (document.date, document.amount);
    let of = |all: &[IssuedDocument], number: &str| all.iter().find(|document| document.number == number).map(told);
    let mut papers: Vec<Paper> = Vec::new();
    for document in was.iter().chain(&is) {
        if papers.iter().any(|paper| paper.number == document.number) {
            continue;
        }
        let (before, after) = (of(&was, &document.number), of(&is, &document.number));
        papers.push(Paper { number: document.number.clone(), before, after, kind: document.kind });
    }
    papers.retain(|paper| paper.before != paper.after);
    papers.sort_by_key(|paper| paper.after.or(paper.before).map(|(date, _)| date));
    papers
}

/// Exceptions that are open in one and not in the other, in words.
fn only_in(one: &Contract, other: &Contract) -> Vec<String> {
    let is_open = |record: &&ExceptionRecord| record.closed_on.is_none();
    let same =
        |a: &ExceptionRecord, b: &ExceptionRecord| (a.code, &a.milestone, a.leg) == (b.code, &b.milestone, b.leg);
    let new = one.exceptions().iter().filter(is_open).filter(|record| {
        let mut open = other.exceptions().iter().filter(is_open);
        !open.any(|known| same(known, record))
    });
    let words = |record: &ExceptionRecord| {
        let place = [record.milestone.clone(), record.leg.map(|leg| leg.to_string())];
        let place: Vec<String> = place.into_iter().flatten().collect();
        let held = one.amount_held(record).filter(|held| held.units() != Minor::ZERO);
        let held = held.map(|held| format!(", which holds {held} {}", held.currency())).unwrap_or_default();
        let place = if place.is_empty() { String::new() } else { format!(" of {}", place.join(", ")) };
        format!("{}{place}{held}", titles_and_codes(&[record.code.to_string()]))
    };
    new.map(words).collect()
}
