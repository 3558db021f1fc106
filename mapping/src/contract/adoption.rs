//! Taking over a contract that is under way: its history is proposed from what ERP and project tool hold, as text that a person
//! reads, edits and files. What names its milestone is proposed as it is; what was matched by customer and amount alone is
//! proposed as a comment; what cannot be said in a history is a note.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::books::PositionView;
use super::state::{Contract, Milestone};
use crate::fact::{DecimalText, Event, Fact, Past};
use crate::legs::deferred_difference;
use crate::record::{InvoiceSeen, InvoiceStatus, JournalSeen, PaymentSeen};
use crate::terms::{Completion, Method};

/// What the systems hold of a contract and its customer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held<'a> {
    /// Invoices and credit memos of the ERP.
    pub invoices: &'a [InvoiceSeen],
    /// Payments of the ERP, each with what tells it from others.
    pub payments: &'a [(String, PaymentSeen)],
    /// Journal entries of the ERP that name the contract.
    pub journals: &'a [JournalSeen],
    /// What the project tool told of the contract.
    pub facts: &'a [Fact],
    /// The ERP's dates are closed through this one.
    pub closed_through: Option<Date>,
}

/// The history that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The first date of the books.
    pub books_from: Date,
    /// Items, in the order in which they are to be filed.
    pub items: Vec<Proposed>,
    /// What a person has to know, or to add.
    pub notes: Vec<String>,
    /// The balances that the items and the terms give for the day before; `None`: the items do not fit together.
    pub opening: Option<PositionView>,
}

/// One item of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    item: Past,
    /// Where it comes from.
    source: String,
    /// Whether a person has to confirm it first.
    likely: bool,
}

impl Proposed {
    /// Its fields as a history has them.
    pub fn fields(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(&self.item) else { return Map::new() };
        fields.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
        fields
    }

    /// Whether nobody has to confirm it first.
    pub fn is_certain(&self) -> bool {
        !self.likely
    }
}

impl Proposal {
    /// The items as TOML, to stand at the end of the contract's file; `books_from` belongs to its beginning.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for note in &self.notes {
            let _ = writeln!(text, "# {}", note.replace('\n', " "));
        }
        for item in &self.items {
            let mark = if item.likely { "# " } else { "" };
            let likely = if item.likely { "; take the marks away if it is so" } else { "" };
            let _ = writeln!(text, "\n# {}{likely}\n{mark}[[history]]", item.source.replace('\n', " "));
            let fields = item.fields();
            let kind = fields.get_key_value("type");
            for (name, value) in kind.into_iter().chain(fields.iter().filter(|(name, _)| *name != "type")) {
                // JSON's escapes are escapes of TOML's basic strings.
                let _ = writeln!(text, "{mark}{name} = {value}");
            }
        }
        text
    }
}

/// The milestone that an invoice of others bills.
enum Billed {
    /// The invoice says so.
    Named(String),
    /// Customer, currency and amount fit this one alone.
    Likely(String),
    Nobody,
}

impl Contract {
    /// Proposes the history of this contract, which is filed without one, as of a day. Nothing is changed.
    pub fn propose_history(&self, held: &Held<'_>, today: Date) -> Proposal {
        let mut taking = Taking { contract: self, notes: Vec::new(), items: Vec::new(), billed: BTreeSet::new() };
        taking.acceptances(held.facts);
        taking.invoices(held.invoices);
        taking.payments(held.payments);
        let Taking { mut items, mut notes, .. } = taking;
        let month = today
            .first_of_month()
            .max(held.closed_through.and_then(|last| last.tomorrow().ok()).unwrap_or(today.first_of_month()));
        let after_last =
            items.iter().filter_map(|item| item.item.on.tomorrow().ok()).filter(|next| *next <= today).max();
        let books_from = after_last.map_or(month, |next| next.max(month)).min(today);
        let (kept, late): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.item.on < books_from);
        items = kept;
        notes.extend(
            late.iter().map(|proposed| format!("not before {books_from}, and so no history: {}", proposed.source)),
        );
        self.tell_what_is_missing(&items, held, &mut notes);
        let opening = self.opening_with(&items, (books_from, today), held, &mut notes);
        Proposal { books_from, items, notes, opening }
    }

    /// The opening balance with the items that nobody has to confirm.
    fn opening_with(
        &self,
        items: &[Proposed],
        (books_from, today): (Date, Date),
        held: &Held<'_>,
        notes: &mut Vec<String>,
    ) -> Option<PositionView> {
        let mut terms = self.terms.clone();
        terms.books_from = Some(books_from);
        terms.history = items.iter().filter(|item| item.is_certain()).map(|item| item.item.clone()).collect();
        match Self::open(terms, self.policy.clone(), self.calendar.clone(), today) {
            Ok(opened) => {
                notes.extend(opened.compared_with(held));
                opened.opening().map(|opening| opening.view(&opened.terms))
            }
            Err(error) => {
                notes.push(format!("the items do not fit together yet: {error}"));
                None
            }
        }
    }

    /// Whether the opening balance of deferred revenue is the ERP's, where it tells.
    fn compared_with(&self, held: &Held<'_>) -> Option<String> {
        let before = self.terms.books_from?;
        let of_it = |invoice: &&InvoiceSeen| self.is_ours(&invoice.number);
        let invoices: Vec<InvoiceSeen> = held.invoices.iter().filter(of_it).cloned().collect();
        let journals: Vec<JournalSeen> =
            held.journals.iter().filter(|journal| journal.date < before).cloned().collect();
        let difference = deferred_difference(self, &invoices, &journals, &[], &BTreeSet::new())?;
        let ours = self.terms.money(self.opening()?.deferred_revenue());
        let theirs = ours.decimal().checked_add(difference)?;
        Some(if difference.is_zero() {
            format!("deferred revenue before {before} is {ours}, here and in the ERP")
        } else {
            format!(
                "deferred revenue before {before} is {ours} by these items and {theirs} in the ERP: DEFERRED_VARIANCE says so until \
                 they agree"
            )
        })
    }

    fn tell_what_is_missing(&self, items: &[Proposed], held: &Held<'_>, notes: &mut Vec<String>) {
        let has = |kind: &str, id: &str| {
            items.iter().any(|item| item.item.event.kind() == kind && item.item.event.milestone() == Some(id))
        };
        for milestone in self.milestones.iter().filter(|milestone| milestone.counts() && has("adopted", milestone.id()))
        {
            let accepted = has("accepted", milestone.id()) || has("external_event", milestone.id());
            if !accepted {
                let recognised = held.journals.iter().flat_map(|journal| &journal.recognised);
                let known = recognised.filter(|known| known.milestone == milestone.id()).map(|known| known.date).max();
                let known = known.map_or(String::new(), |on| format!("; the ERP recognised its revenue on {on}"));
                notes.push(format!("{} is billed, and nobody told that it was accepted{known}: add its acceptance, or its revenue stays deferred", milestone.id()));
            }
        }
        for obligation in &self.terms.obligations {
            match obligation.method {
                Method::CostToCost { .. } => {
                    notes.push(format!("{} is measured by cost: add its latest cost report", obligation.id))
                }
                Method::Output | Method::PointInTime | Method::TimeElapsed { .. } => {}
            }
        }
    }

    fn billed_by(&self, invoice: &InvoiceSeen, billed: &BTreeSet<String>) -> Billed {
        let ours = invoice.contract.as_ref().is_some_and(|contract| *contract == self.terms.id);
        if let (true, Some(milestone)) = (ours, &invoice.milestone)
            && self.find(milestone).is_some()
        {
            return Billed::Named(milestone.clone());
        }
        let stranger = invoice.contract.is_some() && !ours;
        let customer = invoice.customer == self.terms.customer && invoice.currency == self.terms.currency.code();
        if stranger || !customer {
            return Billed::Nobody;
        }
        let amount = self.terms.currency.from_decimal(invoice.amount.0).map(|money| money.units());
        let fits = |milestone: &&Milestone| {
            milestone.counts() && !billed.contains(milestone.id()) && Some(self.invoice_bears(milestone)) == amount
        };
        let mut fitting = self.milestones.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Billed::Likely(only.id().to_owned()),
            _ => Billed::Nobody,
        }
    }
}

/// A proposal that is being made.
struct Taking<'a> {
    contract: &'a Contract,
    items: Vec<Proposed>,
    notes: Vec<String>,
    /// Milestones that an invoice was found for.
    billed: BTreeSet<String>,
}

impl Taking<'_> {
    fn propose(&mut self, on: Date, event: Event, source: String, likely: bool) {
        self.items.push(Proposed { item: Past { on, event }, source, likely });
    }

    /// The first acceptance of each milestone that the project tool told, by date.
    fn acceptances(&mut self, facts: &[Fact]) {
        let terms = &self.contract.terms;
        let mut told: Vec<(Date, &Fact)> =
            facts.iter().map(|fact| (fact.on.unwrap_or_else(|| terms.local_date(fact.at)), fact)).collect();
        told.sort_by_key(|(on, _)| *on);
        let mut known = BTreeSet::new();
        for (on, fact) in told {
            let Some(index) = fact.event.milestone().and_then(|id| self.contract.find(id)) else { continue };
            let Some(milestone) = self.contract.milestones.get(index) else { continue };
            let by_event = milestone.terms.completion == Completion::ExternalEvent;
            let counts = match &fact.event {
                Event::Accepted { portion: Some(_), .. } => {
                    self.notes.push(format!(
                        "a part of {} was accepted on {on}: add it by hand, with the ids of both parts",
                        milestone.id()
                    ));
                    false
                }
                Event::Accepted { .. } => true,
                Event::ExternalEvent { .. } => by_event,
                _ => false,
            };
            if counts && known.insert(milestone.id().to_owned()) {
                self.propose(on, fact.event.clone(), format!("told by the project tool at {}", fact.at), false);
            }
        }
    }

    fn invoices(&mut self, invoices: &[InvoiceSeen]) {
        let mut invoices: Vec<&InvoiceSeen> = invoices.iter().collect();
        // Invoices that name their milestone are taken first; an amount alone is then compared with the milestones
        // that are left.
        let named =
            |invoice: &InvoiceSeen| matches!(self.contract.billed_by(invoice, &BTreeSet::new()), Billed::Named(_));
        invoices.sort_by_key(|invoice| (!named(invoice), invoice.date, invoice.number.clone()));
        for invoice in invoices {
            let billed = self.contract.billed_by(invoice, &self.billed);
            let (milestone, likely) = match billed {
                Billed::Named(milestone) => (milestone, false),
                Billed::Likely(milestone) => (milestone, true),
                Billed::Nobody => continue,
            };
            let said = format!("{} of {} for {} {}", invoice.number, invoice.date, invoice.amount, invoice.currency);
            if invoice.credit_memo {
                self.notes.push(format!("credit memo {said} for {milestone}: a history has no credit memos; file what is billed net as a change order"));
                continue;
            }
            match invoice.status {
                InvoiceStatus::Void => continue,
                InvoiceStatus::Pending => {
                    self.notes.push(format!(
                        "invoice {said} for {milestone} waits for an approval in the ERP: adopt it when it has it"
                    ));
                    continue;
                }
                InvoiceStatus::Open | InvoiceStatus::Paid => {}
            }
            if !self.billed.insert(milestone.clone()) {
                self.notes.push(format!("invoice {said} bills {milestone} again: find out which of the two holds"));
                continue;
            }
            let how = if likely { "matched by customer and amount" } else { "the ERP's own milestone" };
            let event = Event::Adopted {
                milestone,
                number: invoice.number.clone(),
                due_on: None,
                amount: Some(DecimalText(invoice.amount.0)),
                by: String::new(),
                reason: String::new(),
                as_in_erp: false,
            };
            self.propose(invoice.date, event, format!("invoice {said}, {how}"), likely);
        }
    }

    /// Payments of the invoices that are proposed.
    fn payments(&mut self, payments: &[(String, PaymentSeen)]) {
        let mut payments: Vec<&(String, PaymentSeen)> = payments.iter().collect();
        payments.sort_by(|(one, a), (other, b)| (a.date, one).cmp(&(b.date, other)));
        for (id, payment) in payments {
            let of_it = |proposed: &&Proposed| matches!(&proposed.item.event, Event::Adopted { number, .. } if *number == payment.invoice);
            let Some(likely) = self.items.iter().find(of_it).map(|proposed| proposed.likely) else { continue };
            let event = Event::Payment {
                invoice: payment.invoice.clone(),
                amount: DecimalText(payment.amount.0),
                id: Some(id.clone()),
            };
            let source = format!(
                "payment of {} {} for {} on {}",
                payment.amount, payment.currency, payment.invoice, payment.date
            );
            self.propose(payment.date, event, source, likely);
        }
    }
}
