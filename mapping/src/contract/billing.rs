//! When an invoice is due, section 5 of the rules: trigger, sequence, review, cap, date; and payments.

use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::exceptions::{Code, Key};
use super::state::{Contract, Milestone, Stage};
use crate::money::Money;
use crate::terms::{InvoiceRule, PaymentTerms, Trigger};

/// Kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Takes back what was billed.
    CreditMemo,
    /// Bills a milestone.
    Invoice,
    /// Bills what an amendment added to an invoiced milestone.
    SupplementaryInvoice,
}

impl DocumentKind {
    /// The word for it, everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreditMemo => "credit_memo",
            Self::Invoice => "invoice",
            Self::SupplementaryInvoice => "supplementary_invoice",
        }
    }
}

/// A document that was issued. Dates are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedDocument {
    /// `{contract}-{milestone}`, with `-C{n}` or `-S{n}`.
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
}

impl Contract {
    /// Date on which a dependency is out of the way: accepted, or removed.
    pub(super) fn dependency_met(&self, id: &str) -> Option<Date> {
        let one = self.milestones.iter().find(|one| one.id() == id)?;
        one.accepted_on.or(one.cancelled_on)
    }

    /// Dates on which all dependencies were met; `None` while one is not.
    fn dependencies_met(&self, one: &Milestone) -> Option<Option<Date>> {
        let mut last = None;
        for id in &one.terms.depends_on {
            last = last.max(Some(self.dependency_met(id)?));
        }
        Some(last)
    }

    /// The date on which the trigger fires; `None` while it is not known. It may lie ahead.
    pub(super) fn trigger_date(&self, one: &Milestone) -> Option<Date> {
        let fires = if one.terms.advance {
            self.dependencies_met(one)?.unwrap_or(self.terms.signed_on)
        } else {
            match &one.terms.trigger {
                Trigger::Acceptance => one.accepted_on?,
                Trigger::Date(date) => *date,
                Trigger::Usage { metric, threshold } => {
                    let readings = self.readings.get(metric)?;
                    readings.iter().find(|(value, _)| value >= threshold)?.1
                }
                Trigger::WorkflowApproval => one.vendor_approved_on?.max(one.customer_approved_on?),
            }
        };
        Some(fires.max(one.brought_in.unwrap_or(fires)))
    }

    /// The trigger date, if it has come.
    pub(super) fn fired_on(&self, one: &Milestone) -> Option<Date> {
        self.trigger_date(one).filter(|date| *date <= self.as_of)
    }

    /// Billable, fired, dependencies accepted, invoice not out: the right to the money is unconditional but for paperwork.
    pub(super) fn unconditional(&self, one: &Milestone) -> bool {
        one.counts()
            && one.invoiced_on.is_none()
            && self.fired_on(one).is_some()
            && self.dependencies_met(one).is_some()
    }

    /// Conditions of billing that open and close exceptions.
    pub(super) fn judge_billing(&mut self) {
        for index in 0..self.milestones.len() {
            let Some(one) = self.milestones.get(index) else { continue };
            let id = one.id().to_owned();
            let fired = self.fired_on(one);
            let out_of_sequence = one.counts() && fired.is_some() && self.dependencies_met(one).is_none();
            let late = match (one.terms.invoice, fired) {
                (InvoiceRule::WithinDays(days), Some(fired)) => {
                    // Nothing is owed for an amount of 0: there is no invoice to be late.
                    let awaited = one.counts() && one.terms.amount > 0 && one.invoiced_on.is_none();
                    awaited && self.as_of > plus_days(fired, days)
                }
                _ => false,
            };
            self.judge(Key::new(Code::OutOfSequence, Some(&id), None), out_of_sequence);
            if late {
                // It closes with the invoice, and with nothing else: a removal does not make it in time.
                self.raise(Key::new(Code::InvoiceLate, Some(&id), None));
            }
        }
        let sum = self
            .milestones
            .iter()
            .filter(|one| one.counts())
            .fold(0_i64, |sum, one| sum.saturating_add(one.terms.amount));
        let mismatch = sum != self.total;
        self.judge(Key::new(Code::ScheduleTotalMismatch, None, None), mismatch);
        let missing: Vec<_> = self.policy.require_legs.iter().map(|leg| (*leg, !self.legs.contains_key(leg))).collect();
        for (leg, missing) in missing {
            self.judge(Key::new(Code::LegMissing, None, Some(leg)), missing);
        }
    }

    /// Everything that the invoice needs is together.
    fn is_ready(&self, index: usize) -> bool {
        let Some(one) = self.milestones.get(index) else { return false };
        // A dependency that is not accepted holds by its exception; overruled, it holds no longer.
        one.counts()
            && one.terms.amount > 0
            && one.invoiced_on.is_none()
            && self.fired_on(one).is_some()
            && (one.approved_on.is_some() || !self.needs_review(one))
            && self.blocking(index).iter().all(|code| *code == Code::OverCap.name())
    }

    /// Ready date: the latest of trigger, dependencies, released holds and approval. It may lie before the day on which all
    /// of it was known here.
    fn ready_date(&self, index: usize) -> Option<Date> {
        let one = self.milestones.get(index)?;
        let dependencies = one.terms.depends_on.iter().filter_map(|id| self.dependency_met(id)).max();
        let approved = one.approved_on.filter(|_| self.needs_review(one));
        let dates = [self.fired_on(one), dependencies, self.released_on(index), approved];
        dates.into_iter().flatten().max()
    }

    /// Writes every invoice that is due, in contract order. Returns whether one was written.
    pub(super) fn bill(&mut self) -> bool {
        let mut written = false;
        for index in 0..self.milestones.len() {
            let ready = self.is_ready(index);
            let today = self.as_of;
            if let Some(one) = self.milestones.get_mut(index) {
                one.ready_on = if ready { one.ready_on.or(Some(today)) } else { None };
            }
            let Some(one) = self.milestones.get(index) else { continue };
            let key = Key::new(Code::OverCap, Some(one.id()), None);
            // It opens when the invoice is due, and lasts for as long as the amount would exceed the cap: another hold, or
            // a billing cycle that is waited for, does not end it (nor what a reviewer said of it).
            let billed_with = self.billed().saturating_add(one.terms.amount);
            let over = one.counts() && one.invoiced_on.is_none() && billed_with > self.cap.unwrap_or(self.total);
            if !over {
                self.clear(&key);
            }
            let due = ready && self.invoice_date(index).is_some_and(|date| date <= today);
            if due && over {
                self.raise(key.clone());
            }
            if due && !self.is_open(&key) {
                self.issue(index);
                self.clear(&key);
                written = true;
            }
        }
        written
    }

    /// The date that the invoice would bear; it lies ahead only for a billing cycle.
    pub(super) fn invoice_date(&self, index: usize) -> Option<Date> {
        let ready = self.ready_date(index)?;
        let date = match self.invoice_rule(index) {
            InvoiceRule::OnCompletion | InvoiceRule::WithinDays(_) => ready,
            InvoiceRule::NextCycle => cycle_day_after(ready, self.terms.billing_cycle_day),
        };
        // Never before the day on which all came together.
        Some(self.milestones.get(index)?.ready_on.map_or(date, |together| date.max(together)))
    }

    fn issue(&mut self, index: usize) {
        let today = self.as_of;
        let Some(one) = self.milestones.get_mut(index) else { return };
        one.invoiced_on = Some(today);
        one.billed = one.terms.amount;
        let (amount, number) = (one.terms.amount, format!("{}-{}", self.terms.id, one.id()));
        let due_on = self.due_date(index);
        if let Some(one) = self.milestones.get_mut(index) {
            one.due_on = Some(due_on);
        }
        self.write(index, number, DocumentKind::Invoice, due_on, amount, None);
        if let Some(id) = self.milestones.get(index).map(|one| one.id().to_owned()) {
            self.clear_code(Code::InvoiceLate, &id);
        }
    }

    fn due_date(&self, index: usize) -> Date {
        let days = match self.terms.payment_terms {
            PaymentTerms::DueOnReceipt => return self.as_of,
            PaymentTerms::Net(days) => days,
        };
        let accepted =
            self.milestones.get(index).and_then(|one| one.accepted_on).filter(|_| self.terms.due_from_acceptance);
        plus_days(accepted.unwrap_or(self.as_of), days).max(self.as_of)
    }

    fn write(
        &mut self,
        index: usize,
        number: String,
        kind: DocumentKind,
        due_on: Date,
        amount: i64,
        original: Option<String>,
    ) {
        let Some(one) = self.milestones.get(index) else { return };
        self.documents.push(IssuedDocument {
            number,
            kind,
            milestone: one.id().to_owned(),
            date: self.as_of,
            due_on,
            amount: self.terms.money(amount),
            description: one.description().to_owned(),
            original,
        });
    }

    /// Corrects an invoiced milestone by a credit memo (negative) or a supplementary invoice (positive).
    pub(super) fn correct(&mut self, index: usize, difference: i64) {
        let due_on = self.due_date(index);
        let today = self.as_of;
        let Some(one) = self.milestones.get_mut(index) else { return };
        let id = one.id().to_owned();
        let original = format!("{}-{id}", self.terms.id);
        one.billed = one.billed.saturating_add(difference);
        let (number, kind, due_on) = if difference < 0 {
            one.credit_memos = one.credit_memos.saturating_add(1);
            (format!("{original}-C{}", one.credit_memos), DocumentKind::CreditMemo, today)
        } else {
            one.supplements = one.supplements.saturating_add(1);
            (format!("{original}-S{}", one.supplements), DocumentKind::SupplementaryInvoice, due_on)
        };
        let amount = i64::try_from(difference.unsigned_abs()).unwrap_or(i64::MAX);
        self.write(index, number, kind, due_on, amount, Some(original));
        self.open_event(Code::AmendedAfterInvoice, Some(&id), None);
    }

    /// Invoices less credit memos, of the whole contract.
    pub(super) fn billed(&self) -> i64 {
        self.milestones.iter().fold(0_i64, |sum, one| sum.saturating_add(one.billed))
    }

    /// A payment of an invoice; one that matches none, or exceeds what is open on it, is for a person.
    pub(super) fn pay(&mut self, number: &str, amount: i64) {
        match self.open_on(number) {
            Some(open) if amount <= open => {
                let paid = self.payments.entry(number.to_owned()).or_insert(0);
                *paid = paid.saturating_add(amount);
            }
            _ => self.open_event(Code::UnmatchedPayment, None, None),
        }
    }

    /// What is open on an invoice: its amount less credit memos and payments. Credit memos reduce the original first.
    fn open_on(&self, number: &str) -> Option<i64> {
        let invoice = self.documents.iter().find(|one| one.number == number && one.kind != DocumentKind::CreditMemo)?;
        let same = |one: &&IssuedDocument| one.milestone == invoice.milestone;
        let mut credit = self
            .documents
            .iter()
            .filter(|one| same(one) && one.kind == DocumentKind::CreditMemo)
            .fold(0_i64, |sum, one| sum.saturating_add(one.amount.minor()));
        for one in self.documents.iter().filter(|one| same(one) && one.kind != DocumentKind::CreditMemo) {
            let reduced = credit.min(one.amount.minor());
            credit = credit.saturating_sub(reduced);
            if one.number == number {
                let paid = self.payments.get(number).copied().unwrap_or(0);
                return Some(one.amount.minor().saturating_sub(reduced).saturating_sub(paid));
            }
        }
        None
    }

    /// Payments applied to a milestone's invoices.
    pub(super) fn paid(&self, id: &str) -> i64 {
        self.documents
            .iter()
            .filter(|one| one.milestone == id)
            .filter_map(|one| self.payments.get(&one.number))
            .fold(0_i64, |sum, paid| sum.saturating_add(*paid))
    }

    /// Whether something about this milestone can happen on a later date by itself, and the first such date.
    pub(super) fn next_billing_date(&self, index: usize) -> Option<Date> {
        let one = self.milestones.get(index).filter(|one| one.live())?;
        let mut dates = vec![self.trigger_date(one)];
        if one.invoiced_on.is_none() {
            dates.push(one.ready_on.and_then(|_| self.invoice_date(index)));
            if let (InvoiceRule::WithinDays(days), Some(fired)) = (one.terms.invoice, self.trigger_date(one)) {
                dates.push(plus_days(fired, days).tomorrow().ok());
            }
        }
        if one.stage == Stage::Rejected {
            dates.push(one.cure_due.and_then(|due| due.tomorrow().ok()));
        }
        dates.into_iter().flatten().filter(|date| *date > self.as_of).min()
    }
}

pub(super) fn plus_days(day: Date, days: u32) -> Date {
    day.checked_add(Span::new().days(i64::from(days))).unwrap_or(Date::MAX)
}

/// The first billing-cycle day strictly after a date; a day that the month lacks is its last day.
fn cycle_day_after(day: Date, cycle_day: i8) -> Date {
    let in_month = |first: Date| first.with().day(cycle_day.min(first.days_in_month())).build().unwrap_or(first);
    let this = in_month(day.first_of_month());
    if this > day {
        return this;
    }
    day.first_of_month().checked_add(Span::new().months(1)).map_or(Date::MAX, in_month)
}
