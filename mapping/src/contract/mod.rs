//! The state machine of one contract: facts and the passing of time in; documents, journal, exceptions out.
//!
//! Reading order: `state` (what is kept), `time` (what dates bring by themselves), `acceptance`, `amendments`,
//! `findings` (the four legs compared), `billing`, `revenue`, `exceptions`, `view` (what others see).

mod acceptance;
mod amendments;
mod approval;
mod billing;
mod differences;
mod disclosures;
mod exceptions;
mod explain;
mod findings;
mod revenue;
mod state;
mod time;
mod view;

pub use approval::Approval;
pub use billing::{DocumentKind, IssuedDocument};
pub use differences::Difference;
pub use disclosures::{Disclosures, ObligationView, Remaining, RollForward};
pub use exceptions::{Code, ExceptionRecord, Severity};
pub use explain::{Step, explain};
pub(crate) use findings::{frame_said, milestone_said};
pub use revenue::Position;
pub use state::{Contract, MilestoneStatus, Policy, PolicyErrors, Review};
pub use view::{DatedEntry, MilestoneView, Report};

use crate::fact::{Event, Fact, Leg, Observation, Party, ReviewDecision};
use crate::progress::CostReport;
use state::Accepted;

/// A fact that cannot be understood with the terms of its contract. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FactError {
    /// Field of the fact.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FactError {
    pub(crate) fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

impl Contract {
    /// Whether a fact can be understood with the present terms. What an amendment brings in is compared with the
    /// milestones when it applies: another one may come first.
    ///
    /// # Errors
    /// Field and reason.
    pub fn check(&self, fact: &Fact) -> Result<(), FactError> {
        let amount = |field: &str, value: crate::fact::DecimalText| {
            let money = self.terms.currency.from_decimal(value.0);
            money.ok_or_else(|| FactError::new(field, format!("{value} is no amount of {}", self.terms.currency)))
        };
        match &fact.event {
            Event::Accepted { portion: Some(portion), .. } => amount("portion", *portion).map(drop),
            Event::Amended(amendment) => self.check_amendment(amendment),
            Event::Cost { obligation, incurred, estimate_to_complete, uninstalled_materials } => {
                if !self.terms.obligations.iter().any(|known| known.id == *obligation) {
                    return Err(FactError::new(
                        "obligation",
                        format!("{obligation:?} is no obligation of this contract"),
                    ));
                }
                let materials = uninstalled_materials.unwrap_or_default();
                for (field, value) in [
                    ("incurred", *incurred),
                    ("estimate_to_complete", *estimate_to_complete),
                    ("uninstalled_materials", materials),
                ] {
                    if amount(field, value)?.minor() < 0 {
                        return Err(FactError::new(field, "is negative"));
                    }
                }
                if materials.0 > incurred.0 {
                    return Err(FactError::new("uninstalled_materials", "is more than what was incurred"));
                }
                Ok(())
            }
            Event::Payment { amount: paid, .. } => {
                if amount("amount", *paid)?.minor() < 0 {
                    return Err(FactError::new("amount", "is negative"));
                }
                Ok(())
            }
            Event::Observed(Observation { leg: Leg::Agreement, .. }) => {
                Err(FactError::new("leg", "the agreement is not observed: it is filed"))
            }
            Event::Accepted { .. }
            | Event::Approved { .. }
            | Event::Evidence { .. }
            | Event::ExternalEvent { .. }
            | Event::Observed(_)
            | Event::Overrule { .. }
            | Event::Rejected { .. }
            | Event::Review { .. }
            | Event::Submitted { .. }
            | Event::Usage { .. } => Ok(()),
        }
    }

    /// Applies a fact: time advances to its local date, then it happens. One from before the present date happens now.
    ///
    /// # Errors
    /// [`FactError`]; nothing was changed.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), FactError> {
        self.check(fact)?;
        if let Event::Amended(amendment) = &fact.event {
            self.check_items(amendment)?;
        }
        self.advance_to(self.terms.local_date(fact.at));
        self.changes = self.changes.saturating_add(1);
        self.happen(&fact.event);
        self.settle();
        Ok(())
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Accepted { milestone, role, document, portion, .. } => {
                let accepted = Accepted {
                    role: role.as_deref(),
                    document: document.as_deref().filter(|document| !document.is_empty()),
                    portion: portion
                        .and_then(|portion| self.terms.currency.from_decimal(portion.0))
                        .map(|money| money.minor()),
                };
                self.on_milestone(milestone, |contract, index| contract.accept(index, &accepted));
            }
            Event::Amended(amendment) => self.amend(amendment),
            Event::Approved { milestone, party, .. } => self.on_milestone(milestone, |contract, index| {
                let today = contract.as_of;
                if let Some(one) = contract.milestones.get_mut(index) {
                    let side = match party {
                        Party::Customer => &mut one.customer_approved_on,
                        Party::Vendor => &mut one.vendor_approved_on,
                    };
                    side.get_or_insert(today);
                }
            }),
            Event::Cost { obligation, incurred, estimate_to_complete, uninstalled_materials } => {
                let minor = |value: &crate::fact::DecimalText| {
                    self.terms.currency.from_decimal(value.0).map_or(0, |money| money.minor())
                };
                let report = CostReport {
                    incurred: minor(incurred),
                    estimate_to_complete: minor(estimate_to_complete),
                    uninstalled_materials: uninstalled_materials.as_ref().map_or(0, minor),
                };
                self.costs.insert(obligation.clone(), report);
            }
            Event::Evidence { milestone, evidence } => {
                self.on_milestone(milestone, |contract, index| contract.file_evidence(index, evidence));
            }
            Event::ExternalEvent { milestone, .. } => {
                self.on_milestone(milestone, |contract, index| contract.external_event(index));
            }
            Event::Observed(Observation { leg, record }) => self.observe(*leg, record),
            Event::Overrule { code, milestone, leg, reason, .. } => {
                self.overrule(code, milestone.as_deref(), *leg, reason);
            }
            Event::Payment { invoice, amount } => {
                let minor = self.terms.currency.from_decimal(amount.0).map_or(0, |money| money.minor());
                self.pay(invoice, minor);
            }
            Event::Rejected { milestone, role, criteria, .. } => {
                self.on_milestone(milestone, |contract, index| contract.reject(index, role.as_deref(), criteria));
            }
            Event::Review { milestone, decision, shown, .. } => {
                self.on_milestone(milestone, |contract, index| match decision {
                    ReviewDecision::Approve => contract.approve(index, shown.as_ref()),
                    ReviewDecision::Hold => contract.withdraw_approval(index),
                });
            }
            Event::Submitted { milestone, evidence, .. } => {
                self.on_milestone(milestone, |contract, index| contract.submit(index, evidence));
            }
            Event::Usage { metric, value } => self.read_meter(metric, value.0),
        }
    }

    /// Does something to the milestone that an event names; a split one means its open part, an unknown one opens
    /// `UNKNOWN_MILESTONE`.
    fn on_milestone(&mut self, id: &str, act: impl FnOnce(&mut Self, usize)) {
        match self.find(id) {
            Some(index) => act(self, index),
            None => self.open_event(Code::UnknownMilestone, Some(id), None),
        }
    }
}
