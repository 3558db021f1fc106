//! Partial acceptance: a milestone is split into the accepted part and the rest, which stand in its place everywhere.

use jiff::civil::Date;

use super::exceptions::Key;
use super::state::{Billing, Contract, Milestone, Stage};
use crate::money::Minor;
use crate::rules::Code;
use crate::split::split;
use crate::terms::{Condition, MilestoneTerms};

/// What is appended to a milestone's id for the accepted part and for the rest.
const PART_SUFFIXES: [char; 2] = ['a', 'b'];

impl Contract {
    /// Whether a portion of a milestone may be accepted. A part is told from a milestone by its id, and its invoice by that:
    /// where one of the two ids is taken, nothing is split.
    pub(super) fn may_be_split(&self, index: usize, portion: Minor) -> bool {
        let Some(milestone) = self.milestones.get(index) else { return false };
        let billed = milestone.is_invoiced() || milestone.billing.undone;
        let fits = portion > Minor::ZERO && portion < milestone.terms.amount && !billed;
        let taken = PART_SUFFIXES.iter().any(|suffix| self.knows(&format!("{}{suffix}", milestone.id())));
        self.terms.partial_acceptance && fits && !taken
    }

    /// Splits a milestone into the accepted part `a` and the rest `b`, in its place, also in what depends on it.
    pub(super) fn divide(&mut self, index: usize, portion: Minor, on: Date, document: Option<String>) {
        let Some(parent) = self.milestones.get(index).cloned() else { return };
        let id = parent.id().to_owned();
        let amounts = [portion, parent.terms.amount - portion];
        let ids = PART_SUFFIXES.map(|suffix| format!("{id}{suffix}"));
        let [first, second] = &ids;
        let accepted = part(&parent, first, "(accepted part)", amounts, 0);
        let mut remaining = part(&parent, second, "(remaining part)", amounts, 1);
        remaining.stage = Stage::Pending;
        remaining.accepted_on = None;
        remaining.deemed = false;
        remaining.booked_on = None;
        remaining.document = None;
        remaining.notice_on = None;
        remaining.on_file.clear();
        remaining.window_start = None;
        remaining.window_end = None;
        self.milestones.splice(index..=index, [accepted, remaining]);
        for milestone in &mut self.milestones {
            let former = milestone.former.iter_mut().map(|(_, terms)| terms);
            for terms in former.chain([&mut milestone.terms]) {
                if let Some(index) = terms.depends_on.iter().position(|on| *on == id) {
                    terms.depends_on.splice(index..=index, ids.iter().cloned());
                }
            }
        }
        self.split.insert(id.clone(), second.clone());
        let weights = amounts.map(Minor::units);
        for allocation in &mut self.allocations {
            allocation.divide(&id, &ids, &weights);
        }
        self.close_parent(&id, &ids);
        self.relearn(Date::MIN);
        self.take_acceptance(index, on, false, document);
    }

    /// A split closes the parent's exceptions, but for findings of a leg and late rejections; a hold goes on on both parts.
    fn close_parent(&mut self, id: &str, parts: &[String]) {
        let keys: Vec<Key> = self
            .exceptions
            .iter()
            .filter(|exception| {
                exception.milestone.as_deref() == Some(id)
                    && exception.leg.is_none()
                    && exception.code != Code::LateRejection
            })
            .map(|exception| Key::new(exception.code, Some(id), None))
            .collect();
        let held = self.is_open(&Key::new(Code::HeldByReviewer, Some(id), None));
        for key in keys {
            self.clear(&key);
        }
        for part in parts.iter().filter(|_| held) {
            self.open_event(Code::HeldByReviewer, Some(part), None);
        }
    }
}

/// The part of a milestone: its amount, and what its amount was before, in proportion.
fn part(parent: &Milestone, id: &str, words: &str, amounts: [Minor; 2], which: usize) -> Milestone {
    let mut part = parent.clone();
    let weights = amounts.map(Minor::units);
    let own = |terms: &MilestoneTerms, amount: Minor| MilestoneTerms {
        id: id.to_owned(),
        description: Some(format!("{} {words}", terms.wording())),
        amount,
        ..terms.clone()
    };
    for (_, terms) in &mut part.former {
        let amount = split(terms.amount, &weights).get(which).copied().unwrap_or_default();
        *terms = own(terms, amount);
    }
    part.terms = own(&part.terms, amounts.get(which).copied().unwrap_or_default());
    part.ancestors.push(parent.id().to_owned());
    part.approved_on = None;
    part.approved = None;
    part.void_approval = None;
    part.failed_cures = 0;
    part.resubmitted = false;
    part.exhausted = false;
    part.cure_due = None;
    part.rejected_in_time = None;
    part.ready_on = None;
    part.cycle_day_closed = false;
    part.billing = Billing::default();
    part
}

impl Contract {
    /// The milestones that a condition names by an id: all parts of a split one.
    pub(super) fn named_by<'a>(
        &'a self,
        condition: &'a Condition,
        of: &'a Milestone,
    ) -> Box<dyn Iterator<Item = &'a Milestone> + 'a> {
        match condition {
            Condition::Accepted { milestone, .. } if milestone == crate::terms::ITSELF => Box::new(std::iter::once(of)),
            Condition::Accepted { milestone, .. } => {
                Box::new(self.milestones.iter().filter(|candidate| candidate.is_of(milestone)))
            }
            Condition::Date { .. } | Condition::Event(_) | Condition::Usage { .. } => Box::new(std::iter::empty()),
        }
    }
}
