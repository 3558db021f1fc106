//! A contract as it was on a date, with what is known now or what was known at an earlier instant: the same report, of what had
//! happened by then.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::books::Position;
use super::documents::DocumentKind;
use super::state::{Contract, Milestone, MilestoneStatus};
use super::view::{Report, ReportMilestone, report_position};
use crate::close::Balances;
use crate::fact::Fact;
use crate::money::Minor;

impl Contract {
    /// The contract as filed, told of what had happened by a date and of nothing else. It shows where acceptances stood on that
    /// date; its documents are not those that were issued.
    #[must_use]
    pub fn having_happened_by(mut self, date: Date, facts: &[Fact]) -> Self {
        let Ok(end) = date.tomorrow().map(|next| self.terms.start_of(next)) else { return self };
        let Ok(last) = end.checked_sub(jiff::SignedDuration::from_nanos(1)) else { return self };
        for fact in facts {
            if fact.on.unwrap_or_else(|| self.terms.local_date(fact.at)) <= date {
                // Facts of the history were understood when they came, or parked: none is refused here.
                let _ = self.apply(&Fact { at: fact.at.min(last), ..fact.clone() });
            }
        }
        self.advance_to(date);
        self
    }

    /// The report of a date, with what this contract knows. `happened` is the contract of [`Self::having_happened_by`] that date:
    /// whether a milestone was submitted or rejected then is kept of the latest time only.
    pub fn report_at(&self, date: Date, happened: &Self) -> Report {
        let stages: BTreeMap<&str, MilestoneStatus> =
            happened.milestones.iter().map(|milestone| (milestone.id(), milestone.stage.into())).collect();
        let position = self.position_by(date);
        let mut report = self.report();
        report.as_of = date;
        report.milestones =
            self.milestones.iter().filter_map(|milestone| self.milestone_at(milestone, date, &stages)).collect();
        report.invoices.retain(|invoice| invoice.date <= date);
        report.journal.retain(|entry| entry.date <= date);
        report.exceptions.retain(|exception| exception.opened_on <= date);
        for exception in &mut report.exceptions {
            exception.closed_on = exception.closed_on.filter(|closed_on| *closed_on <= date);
        }
        report.position = report_position(position.view(&self.terms));
        let agreed =
            self.milestones.iter().filter_map(|milestone| milestone.terms_at(date)).filter(|terms| terms.billable);
        let total: Minor = agreed.map(|terms| terms.amount).sum();
        report.remaining_to_bill = self.terms.money(total - position.billed()).to_string();
        report
    }

    /// Balances at the end of a date with what is known of it now, whenever that was booked.
    pub fn balances_known_at(&self, date: Date) -> Balances {
        self.position_by(date).into()
    }

    /// The position at the end of a date; of the present one as far as it has come.
    fn position_by(&self, date: Date) -> Position {
        if date < self.as_of { self.position_at(date, true) } else { self.position_now() }
    }

    fn milestone_at(
        &self,
        milestone: &Milestone,
        date: Date,
        stages: &BTreeMap<&str, MilestoneStatus>,
    ) -> Option<ReportMilestone> {
        let has_come = |on: &Date| *on <= date;
        let gone = milestone.cancelled_on.as_ref().is_some_and(has_come);
        let terms = milestone.terms_at(date);
        if terms.is_none() && !gone {
            return None;
        }
        let accepted_on = milestone.accepted_on.filter(has_come);
        let invoiced_on = milestone.billing.invoiced_on.filter(has_come);
        let status = if gone {
            MilestoneStatus::Cancelled
        } else if invoiced_on.is_some() {
            let paid = self.paid_by(milestone.id(), date) >= milestone.billing.billed_by(date);
            if paid { MilestoneStatus::Paid } else { MilestoneStatus::Invoiced }
        } else if accepted_on.is_some() {
            MilestoneStatus::Accepted
        } else {
            // An acceptance that was undone since stood in the way of nothing.
            let stage = stages.get(milestone.id()).copied().unwrap_or(MilestoneStatus::Pending);
            if stage == MilestoneStatus::Accepted { MilestoneStatus::Submitted } else { stage }
        };
        let allocation = self.allocation_at(date).map_or(Minor::ZERO, |allocation| allocation.of(milestone.id()));
        let text = |amount: Minor| self.terms.money(amount).to_string();
        Some(ReportMilestone {
            id: milestone.id().into(),
            status: status.name(),
            amount: text(terms.map_or(Minor::ZERO, |terms| terms.amount)),
            recognition_amount: (!self.terms.obligations.is_empty()).then(|| text(allocation)),
            accepted_on,
            deemed: milestone.deemed && accepted_on.is_some(),
            invoiced_on,
            due_on: milestone.billing.due_on.filter(|_| invoiced_on.is_some()),
        })
    }

    /// Payments that were applied to a milestone's invoices by a date.
    fn paid_by(&self, id: &str, date: Date) -> Minor {
        let of_it = |number: &str| {
            let mut out = self.documents.iter().filter(|document| document.milestone == id && !document.withdrawn);
            out.any(|document| document.number == number && document.kind != DocumentKind::CreditMemo)
        };
        let applied = self.payments.iter().filter(|payment| of_it(&payment.invoice) && payment.on <= date);
        applied.filter(|payment| payment.reversed_on.is_none_or(|on| on > date)).map(|payment| payment.amount).sum()
    }
}
