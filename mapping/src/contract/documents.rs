//! Documents: what was issued, adopted, withdrawn, and paid.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::differences::told;
use super::exceptions::Key;
use super::findings::VOID;
use super::state::{Contract, Milestone, TakenBack};
use crate::fact::Leg;
use crate::money::{Minor, Money};
use crate::rules::Code;

/// Kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Takes back what was billed.
    CreditMemo,
    /// Bills a milestone.
    Invoice,
    /// Bills what was kept back of a milestone's invoice.
    RetainageInvoice,
    /// Bills what an amendment added to an invoiced milestone, or a milestone whose invoice was taken back.
    SupplementaryInvoice,
}

impl DocumentKind {
    /// The word for it, everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreditMemo => "credit_memo",
            Self::Invoice => "invoice",
            Self::RetainageInvoice => "retainage_invoice",
            Self::SupplementaryInvoice => "supplementary_invoice",
        }
    }
}

/// A document that was issued. Dates are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedDocument {
    /// `{contract}-{milestone}`, with `-C{n}`, `-S{n}` or `-R`; of an adopted one its own.
    pub number: String,
    /// Kind.
    pub kind: DocumentKind,
    /// Milestone.
    pub milestone: String,
    /// Document date.
    pub date: Date,
    /// Due date; of a credit memo its date.
    pub due_on: Date,
    /// Positive amount.
    pub amount: Money,
    /// The contract's own words.
    pub description: String,
    /// Number of the invoice that it belongs to, where it is not one itself.
    pub original: Option<String>,
    /// Somebody else wrote it: there is nothing to send.
    #[serde(default)]
    pub adopted: bool,
    /// It never reached the ERP, and does not count any more.
    #[serde(default)]
    pub withdrawn: bool,
}

/// Money that came in, as far as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) on: Date,
    pub(crate) invoice: String,
    pub(crate) amount: Minor,
    pub(crate) id: Option<String>,
    pub(crate) reversed_on: Option<Date>,
}

/// An invoice that somebody else wrote, as it is told.
pub(super) struct Adopted<'a> {
    pub(super) number: &'a str,
    pub(super) on: Date,
    pub(super) due_on: Option<Date>,
    pub(super) amount: Option<Minor>,
    pub(super) as_in_erp: bool,
}

/// A document to be written about a milestone.
struct Draft {
    number: String,
    kind: DocumentKind,
    date: Date,
    due_on: Date,
    amount: Minor,
    description: String,
    original: Option<String>,
    adopted: bool,
}

impl Contract {
    /// When a document of a date is due.
    fn due_date(&self, index: usize, date: Date, from_acceptance: bool) -> Date {
        let Some(milestone) = self.milestones.get(index) else { return date };
        let terms = milestone.terms.payment_terms.unwrap_or(self.terms.payment_terms);
        let accepted = milestone.accepted_on.filter(|_| from_acceptance && self.terms.due_from_acceptance);
        terms.due(accepted.unwrap_or(date)).max(date)
    }

    fn write(&mut self, index: usize, draft: Draft) {
        let amount = self.terms.money(draft.amount);
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let credit = draft.kind == DocumentKind::CreditMemo;
        milestone.billing.documents.push((draft.date, if credit { -draft.amount } else { draft.amount }));
        if !credit && milestone.billing.invoiced_on.is_none() {
            milestone.billing.invoiced_on = Some(draft.date);
            milestone.billing.due_on = Some(draft.due_on);
        }
        self.documents.push(IssuedDocument {
            number: draft.number,
            kind: draft.kind,
            milestone: milestone.id().to_owned(),
            date: draft.date,
            due_on: draft.due_on,
            amount,
            description: draft.description,
            original: draft.original,
            adopted: draft.adopted,
            withdrawn: false,
        });
        self.relearn(draft.date);
    }

    /// Number of a milestone's invoice, without what tells its other documents from it.
    fn plain_number(&self, milestone: &Milestone) -> String {
        format!("{}-{}", self.terms.id, milestone.id())
    }

    /// Number of the first invoice that is out.
    fn original(&self, milestone: &Milestone) -> Option<String> {
        let mut out =
            self.documents.iter().filter(|document| !document.withdrawn && document.milestone == milestone.id());
        out.find(|document| document.kind != DocumentKind::CreditMemo).map(|document| document.number.clone())
    }

    /// The milestone's invoice, or what it lacks where it was taken back.
    pub(super) fn issue(&mut self, index: usize) {
        let today = self.as_of;
        let due_on = self.due_date(index, today, true);
        let Some(milestone) = self.milestones.get(index) else { return };
        let (retains, fired) = (self.keeps_back(milestone), self.fires_on(milestone, &milestone.terms));
        let lacks = self.invoice_bears(milestone) - milestone.billing.billed();
        let plain = self.plain_number(milestone);
        let description = milestone.description().to_owned();
        let conditions = !milestone.terms.trigger.conditions().is_empty();
        let id = milestone.id().to_owned();
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        milestone.fix_trigger(fired.filter(|_| conditions));
        let billing = &mut milestone.billing;
        billing.retains = retains;
        billing.retainage_out = false;
        let (number, kind) = if billing.numbered {
            billing.supplements = billing.supplements.saturating_add(1);
            (format!("{plain}-S{}", billing.supplements), DocumentKind::SupplementaryInvoice)
        } else {
            billing.numbered = true;
            (plain, DocumentKind::Invoice)
        };
        billing.taken_back = None;
        let draft =
            Draft { number, kind, date: today, due_on, amount: lacks, description, original: None, adopted: false };
        self.write(index, draft);
        self.clear_code(Code::InvoiceLate, &id);
    }

    /// What was kept back of a milestone's invoice.
    pub(super) fn issue_retained(&mut self, index: usize) {
        let today = self.as_of;
        let due_on = self.due_date(index, today, false);
        let Some(milestone) = self.milestones.get(index) else { return };
        let amount = self.retained(milestone, &milestone.terms);
        let (plain, original) = (self.plain_number(milestone), self.original(milestone));
        let description = format!("{} (retainage)", milestone.description());
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let billing = &mut milestone.billing;
        billing.retainage_out = true;
        billing.retainage_invoices = billing.retainage_invoices.saturating_add(1);
        let again = if billing.retainage_invoices > 1 { billing.retainage_invoices.to_string() } else { String::new() };
        let (number, kind) = (format!("{plain}-R{again}"), DocumentKind::RetainageInvoice);
        self.write(index, Draft { number, kind, date: today, due_on, amount, description, original, adopted: false });
    }

    /// Corrects what was billed of a milestone by a credit memo (negative) or a supplementary invoice (positive).
    pub(super) fn correct(&mut self, index: usize, difference: Minor) {
        let today = self.as_of;
        let due_on = self.due_date(index, today, true);
        let Some(milestone) = self.milestones.get(index) else { return };
        let (plain, original) = (self.plain_number(milestone), self.original(milestone));
        let description = milestone.description().to_owned();
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let billing = &mut milestone.billing;
        let (number, kind, due_on) = if difference < Minor::ZERO {
            billing.credit_memos = billing.credit_memos.saturating_add(1);
            (format!("{plain}-C{}", billing.credit_memos), DocumentKind::CreditMemo, today)
        } else {
            billing.supplements = billing.supplements.saturating_add(1);
            (format!("{plain}-S{}", billing.supplements), DocumentKind::SupplementaryInvoice, due_on)
        };
        let amount = difference.abs();
        self.write(index, Draft { number, kind, date: today, due_on, amount, description, original, adopted: false });
        self.forget_credited(index);
    }

    /// What was credited because its acceptance was undone counts as not invoiced, until it is invoiced anew.
    pub(super) fn forget_credited(&mut self, index: usize) {
        let counts_from = self.documents.len();
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let billing = &mut milestone.billing;
        if billing.taken_back != Some(TakenBack::Undone) || billing.billed() != Minor::ZERO {
            return;
        }
        billing.invoiced_on = None;
        billing.due_on = None;
        billing.undone = true;
        // An adopted invoice was the milestone's invoice, whatever its number.
        billing.numbered = true;
        billing.counts_from = counts_from;
    }

    /// An invoice that somebody else wrote is the milestone's invoice, with its own number and dates.
    pub(super) fn adopt(&mut self, id: &str, adopted: &Adopted<'_>) {
        if !self.knows(id) {
            return self.open_event(Code::UnknownMilestone, Some(id), None);
        }
        let meant = self.open_part(id).to_owned();
        let found = self.find(id).filter(|index| self.may_adopt(*index, adopted));
        let Some(index) = found else { return self.open_event(Code::AdoptionMismatch, Some(&meant), None) };
        let Some(milestone) = self.milestones.get(index) else { return };
        let (bears, retains) = (self.invoice_bears(milestone), self.keeps_back(milestone));
        let fired = self.fired_on(milestone).filter(|_| !milestone.terms.trigger.conditions().is_empty());
        let description = milestone.description().to_owned();
        if let Some(void) = self.voided(index).filter(|_| adopted.as_in_erp) {
            self.strike(void);
        }
        let on = adopted.on;
        let due_on = adopted.due_on.unwrap_or_else(|| self.due_date(index, on, true));
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        milestone.fix_trigger(fired);
        milestone.billing.retains = retains;
        milestone.billing.taken_back = None;
        let (number, kind) = (adopted.number.to_owned(), DocumentKind::Invoice);
        let draft = Draft { number, kind, date: on, due_on, amount: bears, description, original: None, adopted: true };
        self.write(index, draft);
        self.clear_code(Code::InvoiceLate, &meant);
        if adopted.as_in_erp {
            self.match_payments(adopted.number);
        }
    }

    /// Place of the milestone's only invoice, where the ERP shows it void and nobody has paid it: another one may stand in for
    /// it.
    fn voided(&self, index: usize) -> Option<usize> {
        let milestone = self.milestones.get(index)?;
        let mut out = self
            .documents
            .iter()
            .enumerate()
            .filter(|(_, document)| !document.withdrawn && document.milestone == milestone.id());
        let (place, only) = out.next().filter(|_| out.next().is_none())?;
        let shown = self.legs.get(&Leg::Erp)?.invoices.as_ref()?;
        let mut copies = shown.iter().filter(|invoice| invoice.number == only.number).peekable();
        let void = copies.peek().is_some() && copies.all(|copy| copy.status == VOID);
        (void && only.kind == DocumentKind::Invoice && applied(&self.payments, &only.number) == Minor::ZERO)
            .then_some(place)
    }

    fn may_adopt(&self, index: usize, adopted: &Adopted<'_>) -> bool {
        let Some(milestone) = self.milestones.get(index) else { return false };
        let nothing_out = milestone.billing.documents.is_empty() && !milestone.billing.undone;
        let gives_way = adopted.as_in_erp && self.voided(index).is_some();
        let bears = self.invoice_bears(milestone);
        milestone.counts()
            && (nothing_out || gives_way)
            && bears > Minor::ZERO
            && adopted.amount.is_none_or(|amount| amount == bears)
            && !self.is_ours(adopted.number)
    }

    /// A document of ours that never reached the ERP is taken back; its milestone waits for a person.
    pub(super) fn withdraw(&mut self, number: &str) {
        let place = self
            .documents
            .iter()
            .position(|document| document.number == number && !document.withdrawn && !document.adopted);
        if applied(&self.payments, number) > Minor::ZERO {
            return;
        }
        let Some((index, kind)) = place.and_then(|place| self.strike(place)) else { return };
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let billing = &mut milestone.billing;
        billing.withdrawn = true;
        billing.retainage_out &= kind != DocumentKind::RetainageInvoice;
        if kind == DocumentKind::CreditMemo && billing.undone && billing.taken_back.is_some() {
            // An acceptance that was undone is not credited any more: until it is, its invoice counts as it did before.
            billing.undone = false;
            billing.counts_from = 0;
        }
        let id = milestone.id().to_owned();
        self.recount(index);
        self.open_event(Code::InvoiceWithdrawn, Some(&id), None);
    }

    /// Takes a document out of what is billed. Gives its milestone and its kind.
    fn strike(&mut self, place: usize) -> Option<(usize, DocumentKind)> {
        let document = self.documents.get_mut(place)?;
        document.withdrawn = true;
        let (id, kind, date) = (document.milestone.clone(), document.kind, document.date);
        let amount = document.amount.units();
        let signed = if kind == DocumentKind::CreditMemo { -amount } else { amount };
        self.relearn(date);
        let index = self.milestones.iter().position(|milestone| milestone.id() == id)?;
        let billing = &mut self.milestones.get_mut(index)?.billing;
        if let Some(index) = billing.documents.iter().position(|out| *out == (date, signed)) {
            billing.documents.remove(index);
        }
        if billing.documents.is_empty() {
            billing.invoiced_on = None;
            billing.due_on = None;
        }
        Some((index, kind))
    }

    /// The first invoice that is out, after one was taken back.
    fn recount(&mut self, index: usize) {
        let Some(milestone) = self.milestones.get(index) else { return };
        let counted = self.documents.iter().skip(milestone.billing.counts_from);
        let mut out = counted.filter(|document| {
            document.milestone == milestone.id() && !document.withdrawn && document.kind != DocumentKind::CreditMemo
        });
        let first = out.next().map(|document| (document.date, document.due_on));
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        milestone.billing.invoiced_on = first.map(|(date, _)| date);
        milestone.billing.due_on = first.map(|(_, due_on)| due_on);
        if first.is_none() {
            milestone.billing.taken_back = Some(TakenBack::Withdrawn);
            // What its conditions have become since counts again, whatever their dates.
            if milestone.billing.fired_on.take().is_some() {
                self.relearn(Date::MIN);
            }
        }
    }

    /// Whether a number is that of a document of ours that is out.
    pub(super) fn is_ours(&self, number: &str) -> bool {
        self.documents.iter().any(|document| document.number == number && !document.withdrawn)
    }

    /// A payment of an invoice: taken as far as the invoice is open. One that is known already changes nothing.
    pub(super) fn pay(&mut self, number: &str, amount: Minor, id: Option<&str>, on: Date) {
        if id.is_some() && self.payments.iter().any(|payment| payment.id.as_deref() == id) {
            return;
        }
        self.forget_unmatched(id);
        let open = self.open_on(number);
        let taken = open.map_or(Minor::ZERO, |open| amount.min(open)).max(Minor::ZERO);
        let payment =
            |amount| Payment { on, invoice: number.to_owned(), amount, id: id.map(Into::into), reversed_on: None };
        if taken > Minor::ZERO {
            self.payments.push(payment(taken));
        }
        if open.is_none_or(|open| amount > open) {
            self.unmatched.push(payment(amount - taken));
            let named = id.map(|id| format!(" {id}")).unwrap_or_default();
            let invoice = match open {
                Some(open) => format!("{number}, of which {} was open", self.in_words(open)),
                None => format!("{number}, no invoice of this contract"),
            };
            let said = told(&format!("payment{named} of {on} for {invoice}"), None, self.in_words(amount));
            self.open_event_of(Code::UnmatchedPayment, None, said);
        }
    }

    /// Payments of an invoice that came before it was adopted.
    fn match_payments(&mut self, number: &str) {
        let waiting = std::mem::take(&mut self.unmatched);
        let (known, others): (Vec<Payment>, Vec<Payment>) =
            waiting.into_iter().partition(|payment| payment.invoice == number);
        self.unmatched = others;
        if known.is_empty() {
            return;
        }
        for payment in known {
            let taken = self.open_on(number).map_or(Minor::ZERO, |open| payment.amount.min(open)).max(Minor::ZERO);
            let left = payment.amount - taken;
            if taken > Minor::ZERO {
                self.payments.push(Payment { amount: taken, ..payment.clone() });
            }
            if left > Minor::ZERO {
                self.unmatched.push(Payment { amount: left, ..payment });
            }
        }
        if self.unmatched.is_empty() {
            self.clear(&Key::new(Code::UnmatchedPayment, None, None));
        }
    }

    /// What was paid under an id and matched nothing is told anew, or was taken back.
    fn forget_unmatched(&mut self, id: Option<&str>) {
        if id.is_some() {
            self.unmatched.retain(|payment| payment.id.as_deref() != id);
        }
    }

    /// A payment is taken back, for what was applied of it, not before its own date.
    pub(super) fn reverse(&mut self, id: &str, on: Date) {
        self.forget_unmatched(Some(id));
        let known =
            self.payments.iter_mut().find(|payment| payment.id.as_deref() == Some(id) && payment.reversed_on.is_none());
        match known {
            Some(payment) => payment.reversed_on = Some(on.max(payment.on)),
            None => {
                let said = told(&format!("reversal of payment {id}, which is not applied"), None, on.to_string());
                self.open_event_of(Code::UnmatchedPayment, None, said);
            }
        }
    }

    /// What is open on an invoice: its amount less credit memos and payments.
    fn open_on(&self, number: &str) -> Option<Minor> {
        let (invoice, credited) = self.reduced().into_iter().find(|(document, _)| document.number == number)?;
        Some(invoice.amount.units() - credited - applied(&self.payments, number))
    }

    /// Invoices that are out, in the order in which they came about, each with what credit memos take off it: those of a
    /// milestone reduce its first invoice first (section 7).
    pub(super) fn reduced(&self) -> Vec<(&IssuedDocument, Minor)> {
        let out = || self.documents.iter().filter(|document| !document.withdrawn);
        let mut credits: BTreeMap<&str, Minor> = BTreeMap::new();
        for memo in out().filter(|document| document.kind == DocumentKind::CreditMemo) {
            let credit = credits.entry(&memo.milestone).or_insert(Minor::ZERO);
            *credit += memo.amount.units();
        }
        let invoices = out().filter(|document| document.kind != DocumentKind::CreditMemo);
        let mut all = Vec::new();
        for invoice in invoices {
            let credited = match credits.get_mut(invoice.milestone.as_str()) {
                Some(credit) => {
                    let credited = (*credit).min(invoice.amount.units());
                    *credit -= credited;
                    credited
                }
                None => Minor::ZERO,
            };
            all.push((invoice, credited));
        }
        all
    }

    /// Payments applied to a milestone's invoices.
    pub(super) fn paid(&self, id: &str) -> Minor {
        let out = self.documents.iter().filter(|document| document.milestone == id && !document.withdrawn);
        out.map(|document| applied(&self.payments, &document.number)).sum()
    }
}

/// What is applied to an invoice.
fn applied(payments: &[Payment], number: &str) -> Minor {
    payments
        .iter()
        .filter(|payment| payment.invoice == number && payment.reversed_on.is_none())
        .map(|payment| payment.amount)
        .sum()
}
