//! The state machine of one contract: facts and the passing of time in; documents, journal, exceptions out.
//!
//! Reading order: `state` (what is kept), `time` (what dates bring by themselves), `history` (what happened before), `adoption` (what a history is proposed from),
//! `acceptance`, `parts`, `amendments`, `findings` (the four legs compared), `billing` (when a document is due), `documents`,
//! `revenue`, `books` (positions, entries, closed dates), `exceptions`; what others see: `view`, `side_by_side`, `receivables`,
//! `change_orders`, `in_force`, `outlook`; what they would have seen: `as_of`.

mod acceptance;
mod adoption;
mod amendments;
mod approval;
mod as_of;
mod billing;
mod books;
mod change_orders;
mod differences;
mod disclosures;
mod documents;
mod exceptions;
mod explain;
mod findings;
mod history;
mod in_force;
mod outlook;
mod parts;
mod receivables;
mod revenue;
mod side_by_side;
mod state;
mod time;
mod view;

pub use crate::rules::{Code, Severity};
pub use adoption::{Held, Proposal, Proposed};
pub use approval::{Approval, Waiting};
pub use books::{DatedEntry, Position, PositionView};
pub use change_orders::ChangeOrderView;
pub use differences::Difference;
pub use disclosures::{Disclosures, ObligationView, Remaining, RollForward};
pub use documents::{DocumentKind, IssuedDocument};
pub use exceptions::ExceptionRecord;
pub use explain::{Step, event_in_words, explain, explain_facts};
pub(crate) use findings::{WHOLE, doubled, frame_said, milestone_said};
pub use outlook::{Deadline, Outlook};
pub use receivables::{CashMovement, PaymentView, Receivable};
pub use side_by_side::Beside;
pub use state::{Contract, MilestoneStatus, Policy, PolicyErrors, Review};
pub use view::{MilestoneView, Report};

use jiff::civil::Date;

use crate::fact::{DecimalText, Event, Fact, Leg, Observation, Party};
use crate::problem::Problem;
use crate::progress::CostReport;
use documents::Adopted;
use exceptions::Limits;
use state::{Accepted, Phase};

/// A field of a fact that cannot be understood with the terms of its contract.
fn wrong(field: &str, reason: impl Into<String>) -> Problem {
    Problem::new(field, reason, "correct it, and tell the fact again")
}

impl Contract {
    /// Whether a fact can be understood with the present terms. What an amendment brings in is compared with the
    /// milestones when it applies: another one may come first.
    ///
    /// # Errors
    /// Field and reason.
    pub fn check(&self, fact: &Fact) -> Result<(), Problem> {
        match (&fact.event, fact.on) {
            (event, Some(_)) if !event.has_date() => Err(wrong("on", format!("is not a field of {:?}", event.kind()))),
            (Event::Adopted { .. }, None) => Err(wrong("on", "is missing: give the invoice's date")),
            (event, _) => self.check_event(event),
        }
    }

    fn check_event(&self, event: &Event) -> Result<(), Problem> {
        let amount = |field: &str, value: DecimalText| {
            let money = self.terms.currency.from_decimal(value.0);
            money.ok_or_else(|| wrong(field, format!("{value} is no amount of {}", self.terms.currency)))
        };
        let not_negative = |field: &str, value: DecimalText| match amount(field, value)?.minor() {
            minor if minor < 0 => Err(wrong(field, "is negative")),
            _ => Ok(()),
        };
        match event {
            Event::Accepted { portion: Some(portion), .. } => amount("portion", *portion).map(drop),
            Event::Adopted { amount: Some(adopted), .. } => not_negative("amount", *adopted),
            Event::Amended(amendment) => self.check_amendment(amendment),
            Event::Cost { obligation, incurred, estimate_to_complete, uninstalled_materials } => {
                if !self.terms.obligations.iter().any(|known| known.id == *obligation) {
                    return Err(wrong("obligation", format!("{obligation:?} is no obligation of this contract")));
                }
                let materials = uninstalled_materials.unwrap_or_default();
                let expected = amount("incurred", *incurred)?.units()
                    + amount("estimate_to_complete", *estimate_to_complete)?.units();
                if i64::try_from(expected.units()).is_err() {
                    let reason = format!("the cost expected of {} is more than can be counted", self.terms.id);
                    return Err(wrong("estimate_to_complete", reason));
                }
                for (field, value) in [
                    ("incurred", *incurred),
                    ("estimate_to_complete", *estimate_to_complete),
                    ("uninstalled_materials", materials),
                ] {
                    not_negative(field, value)?;
                }
                if materials.0 > incurred.0 {
                    return Err(wrong("uninstalled_materials", "is more than what was incurred"));
                }
                Ok(())
            }
            Event::Payment { amount: paid, .. } => not_negative("amount", *paid),
            Event::Observed(Observation { leg: Leg::Agreement, .. }) => {
                Err(wrong("leg", "the agreement is not observed: it is filed"))
            }
            Event::Accepted { .. }
            | Event::Adopted { .. }
            | Event::Approved { .. }
            | Event::Evidence { .. }
            | Event::ExternalEvent { .. }
            | Event::Observed(_)
            | Event::Overrule { .. }
            | Event::PaymentReversed { .. }
            | Event::PeriodClosed { .. }
            | Event::Rejected { .. }
            | Event::Review { .. }
            | Event::Submitted { .. }
            | Event::Usage { .. }
            | Event::Withdrawn { .. } => Ok(()),
        }
    }

    /// Applies a fact: time advances to the local date on which it became known, then it happens. One from before the present
    /// date becomes known now.
    ///
    /// # Errors
    /// The field with its problem; nothing was changed.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), Problem> {
        let local = self.terms.local_date(fact.at);
        if self.waiting.is_empty() {
            self.understand(fact, local)?;
        } else {
            // A change order that waits may come first, and bring in what this one names.
            let mut then = self.clone();
            then.advance_to(local);
            then.understand(fact, local)?;
        }
        if local < self.begins_on && self.as_of < self.begins_on {
            // It is taken on the first day, which has not come.
            return Ok(());
        }
        let filed = self.takes_as_filed(fact, local);
        if !filed && (self.phase != Phase::Running || self.instant != Some(fact.at)) {
            self.advance_to(local.max(self.as_of));
        }
        // Windows that had expired are judged after the last event of an instant; those of facts that were known at
        // filing, as the first day begins.
        self.instant = Some(fact.at);
        self.changes = self.changes.saturating_add(1);
        let on = match fact.on {
            Some(on) => self.own_date(on),
            None if filed => local.min(self.as_of),
            None => self.as_of,
        };
        let ahead = fact.on.is_some_and(|on| on > self.as_of);
        // The milestone that it means now: it may split it.
        let may_tell = ahead || self.closed_through().is_some();
        let meant = fact.event.milestone().filter(|_| may_tell).map(|id| self.open_part(id).to_owned());
        match &fact.event {
            Event::Amended(amendment) if ahead => {
                let place = self.waiting.partition_point(|(date, _)| *date <= on);
                self.waiting.insert(place, (on, amendment.clone()));
            }
            _ if ahead => self.open_event(Code::DatedAhead, meant.as_deref(), None),
            event => self.happen(event, on),
        }
        let booked_late = if self.phase == Phase::Running { self.settle() } else { self.keep_books() };
        if booked_late {
            self.open_event(Code::BookedLate, meant.as_deref(), None);
        }
        self.reckon_rest();
        Ok(())
    }

    /// Whether a fact is taken before the contract's first day begins: it was known before, or is about what others say.
    fn takes_as_filed(&self, fact: &Fact, local: Date) -> bool {
        self.phase == Phase::Filed
            && self.filed_until.is_none_or(|until| fact.at <= until)
            && (local < self.as_of || (local == self.as_of && fact.is_known_at_filing()))
    }

    fn understand(&self, fact: &Fact, local: Date) -> Result<(), Problem> {
        self.check(fact)?;
        match &fact.event {
            Event::Amended(amendment) if fact.on.is_none_or(|on| on <= local) => self.check_items(amendment),
            _ => Ok(()),
        }
    }

    /// The date of something that says on which date it happened: none before the signature, where that is past.
    fn own_date(&self, on: Date) -> Date {
        on.max(self.terms.signed_on.min(self.as_of))
    }

    fn happen(&mut self, event: &Event, on: Date) {
        let minor = |value: &DecimalText| {
            self.terms.currency.from_decimal(value.0).map(|money| money.units()).unwrap_or_default()
        };
        match event {
            Event::Accepted { milestone, role, document, portion, .. } => {
                let accepted = Accepted {
                    on,
                    role: role.as_deref(),
                    document: document.as_deref().filter(|document| !document.is_empty()),
                    portion: portion.as_ref().map(minor),
                };
                self.on_milestone(milestone, |contract, index| contract.accept(index, &accepted));
            }
            Event::Adopted { milestone, number, due_on, amount, as_in_erp, .. } => {
                let amount = amount.as_ref().map(minor);
                self.adopt(milestone, &Adopted { number, on, due_on: *due_on, amount, as_in_erp: *as_in_erp });
            }
            Event::Amended(amendment) => self.amend(amendment, on),
            Event::Approved { milestone, party, .. } => {
                self.relearn(on);
                self.on_milestone(milestone, |contract, index| contract.approve_in_workflow(index, *party, on));
            }
            Event::Cost { obligation, incurred, estimate_to_complete, uninstalled_materials } => {
                let report = CostReport {
                    incurred: minor(incurred),
                    estimate_to_complete: minor(estimate_to_complete),
                    uninstalled_materials: uninstalled_materials.as_ref().map(minor).unwrap_or_default(),
                };
                self.report_cost(obligation, report, on);
            }
            Event::Evidence { milestone, evidence } => {
                self.on_milestone(milestone, |contract, index| contract.file_evidence(index, evidence, on));
            }
            Event::ExternalEvent { milestone, name } => {
                self.relearn(on);
                self.on_milestone(milestone, |contract, index| contract.external_event(index, name, on));
            }
            Event::Observed(Observation { leg, record }) => self.observe(*leg, record),
            Event::Overrule { code, milestone, leg, reason, values, until, .. } => {
                let limits = Limits { values: values.clone(), until: *until };
                self.overrule(code, milestone.as_deref(), *leg, reason, limits);
            }
            Event::Payment { invoice, amount, id } => {
                let amount = minor(amount);
                self.relearn(on);
                self.pay(invoice, amount, id.as_deref(), on);
            }
            Event::PaymentReversed { id } => {
                self.relearn(on);
                self.reverse(id, on);
            }
            Event::PeriodClosed { through } => self.close_period(*through),
            Event::Rejected { milestone, role, criteria, .. } => {
                self.on_milestone(milestone, |contract, index| contract.reject(index, role.as_deref(), criteria, on));
            }
            Event::Review { milestone, decision, shown, .. } => {
                self.review(milestone, *decision, shown.as_ref());
            }
            Event::Submitted { milestone, evidence, .. } => {
                self.on_milestone(milestone, |contract, index| contract.submit(index, evidence, on));
            }
            Event::Usage { metric, value } => {
                self.relearn(on);
                self.read_meter(metric, value.0, on);
            }
            Event::Withdrawn { number, .. } => self.withdraw(number),
        }
    }

    /// One party approved a milestone in a workflow; its first approval counts.
    fn approve_in_workflow(&mut self, index: usize, party: Party, on: Date) {
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let side = match party {
            Party::Customer => &mut milestone.customer_approved_on,
            Party::Vendor => &mut milestone.vendor_approved_on,
        };
        *side = Some(side.map_or(on, |first| first.min(on)));
    }

    /// The latest report of a date is the one of that date.
    fn report_cost(&mut self, obligation: &str, report: CostReport, on: Date) {
        self.relearn(on);
        let reports = self.costs.entry(obligation.to_owned()).or_default();
        let place = reports.partition_point(|(date, _)| *date < on);
        match reports.get_mut(place).filter(|(date, _)| *date == on) {
            Some((_, known)) => *known = report,
            None => reports.insert(place, (on, report)),
        }
    }

    /// Does something to the milestone that an event names; a split one means its open part. One that is unknown, or gone, opens
    /// `UNKNOWN_MILESTONE`.
    fn on_milestone(&mut self, id: &str, act: impl FnOnce(&mut Self, usize)) {
        match self.find(id) {
            Some(index) => act(self, index),
            None => {
                let meant = self.open_part(id).to_owned();
                self.open_event(Code::UnknownMilestone, Some(&meant), None);
            }
        }
    }
}
