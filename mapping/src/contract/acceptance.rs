//! Acceptance, section 4 of the rules: windows, evidence, roles, documents, cures, partial acceptance.

use jiff::civil::Date;

use super::exceptions::{Code, Key};
use super::state::{Accepted, Contract, Milestone, Stage};
use crate::split::split;
use crate::terms::Completion;

impl Contract {
    /// A completion notice.
    pub(super) fn submit(&mut self, index: usize, evidence: &[String]) {
        let Some(one) = self.milestones.get_mut(index) else { return };
        let id = one.id().to_owned();
        match one.stage {
            // After the last cure a resubmission changes nothing, its evidence included.
            Stage::Rejected if one.exhausted => return,
            Stage::Accepted | Stage::Submitted => {}
            Stage::Pending | Stage::Rejected => {
                one.resubmitted = one.stage == Stage::Rejected;
                one.stage = Stage::Submitted;
                one.cure_due = None;
                one.window_end = None;
                self.clear_code(Code::NotSubmitted, &id);
                self.clear_code(Code::CureOverdue, &id);
            }
        }
        self.file_evidence(index, evidence);
    }

    /// Evidence artefacts arrive; with the last one the window of a submitted milestone begins.
    pub(super) fn file_evidence(&mut self, index: usize, evidence: &[String]) {
        let today = self.as_of;
        let acceptance = self.terms.acceptance.clone();
        let Some(one) = self.milestones.get_mut(index) else { return };
        one.on_file.extend(evidence.iter().cloned());
        let complete = one.evidence_complete();
        let (id, stage) = (one.id().to_owned(), one.stage);
        if stage == Stage::Submitted && complete && one.window_end.is_none() {
            let own = one.terms.window_days.unwrap_or(acceptance.window_days);
            let days = if one.resubmitted { acceptance.reevaluation_days } else { own };
            one.window_start = Some(today);
            one.window_end = Some(self.calendar.add(today, days));
        }
        self.judge_evidence(&id, stage, complete);
    }

    fn judge_evidence(&mut self, id: &str, stage: Stage, complete: bool) {
        let awaited = matches!(stage, Stage::Submitted | Stage::Accepted);
        self.judge(Key::new(Code::EvidenceMissing, Some(id), None), awaited && !complete);
    }

    /// An acceptance. The checks in their order: duplicate, role, document, portion; the first that fails decides.
    pub(super) fn accept(&mut self, index: usize, accepted: &Accepted<'_>) {
        let Some(one) = self.milestones.get(index) else { return };
        let id = one.id().to_owned();
        if one.stage == Stage::Accepted {
            return;
        }
        if !self.may_decide(one, accepted.role) {
            return self.open_event(Code::ApproverNotAuthorised, Some(&id), None);
        }
        if one.terms.completion == Completion::CustomerSignoff && accepted.document.is_none() {
            return self.open_event(Code::AcceptanceDocumentRequired, Some(&id), None);
        }
        let document = accepted.document.map(Into::into);
        let Some(portion) = accepted.portion else { return self.take_acceptance(index, false, document) };
        let fits = portion > 0 && portion < one.terms.amount && one.invoiced_on.is_none();
        // A part is told from a milestone by its id, and its invoice by that: where one of the two ids is taken, nothing is
        // split.
        let taken = PART_SUFFIXES.iter().any(|suffix| self.knows(&format!("{id}{suffix}")));
        if !self.terms.partial_acceptance || !fits || taken {
            return self.open_event(Code::PartialAcceptanceNotAgreed, Some(&id), None);
        }
        self.divide(index, portion, document);
    }

    /// Whether somebody in this role may accept or reject now.
    fn may_decide(&self, one: &Milestone, role: Option<&str>) -> bool {
        let Some(approver) = one.terms.approver.as_deref() else { return true };
        if role == Some(approver) {
            return true;
        }
        let fallback = one.terms.fallback_approver.as_deref();
        let waited = |start: Date| self.as_of > self.calendar.add(start, self.terms.acceptance.fallback_after_days);
        role.is_some() && role == fallback && one.window_start.is_some_and(waited)
    }

    /// The milestone is accepted today.
    pub(super) fn take_acceptance(&mut self, index: usize, deemed: bool, document: Option<String>) {
        let today = self.as_of;
        let Some(one) = self.milestones.get_mut(index) else { return };
        one.stage = Stage::Accepted;
        one.accepted_on = Some(today);
        one.deemed = deemed;
        one.document = document;
        one.cure_due = None;
        let (id, complete) = (one.id().to_owned(), one.evidence_complete());
        for code in CLOSED_BY_ACCEPTANCE {
            self.clear_code(code, &id);
        }
        // The customer's word is enough for acceptance and revenue; the invoice waits for the evidence.
        self.judge_evidence(&id, Stage::Accepted, complete);
    }

    /// A rejection. The checks in their order: duplicate, role, already accepted, never submitted, late, criteria.
    pub(super) fn reject(&mut self, index: usize, role: Option<&str>, criteria: &[String]) {
        let today = self.as_of;
        let Some(one) = self.milestones.get(index) else { return };
        let id = one.id().to_owned();
        let refused = match one.stage {
            Stage::Rejected => return,
            Stage::Accepted => Some(Code::LateRejection),
            _ if !self.may_decide(one, role) => Some(Code::ApproverNotAuthorised),
            Stage::Pending => Some(Code::NotSubmitted),
            Stage::Submitted if self.has_deemed_clause(one) && one.window_end.is_some_and(|end| today > end) => {
                Some(Code::LateRejection)
            }
            Stage::Submitted if criteria.is_empty() => Some(Code::RejectionIncomplete),
            Stage::Submitted => None,
        };
        if let Some(code) = refused {
            return self.open_event(code, Some(&id), None);
        }
        let (max_cures, cure_days) = (self.terms.acceptance.max_cures, self.terms.acceptance.cure_days);
        let due = self.calendar.add(today, cure_days);
        let Some(one) = self.milestones.get_mut(index) else { return };
        one.stage = Stage::Rejected;
        one.window_end = None;
        if one.resubmitted {
            one.failed_cures = one.failed_cures.saturating_add(1);
        }
        one.exhausted = one.failed_cures >= max_cures;
        one.cure_due = (!one.exhausted).then_some(due);
        let exhausted = one.exhausted;
        self.clear_code(Code::EvidenceMissing, &id);
        self.clear_code(Code::RejectionIncomplete, &id);
        if exhausted {
            self.open_event(Code::CureExhausted, Some(&id), None);
        }
    }

    pub(super) fn has_deemed_clause(&self, one: &Milestone) -> bool {
        self.terms.acceptance.deemed && one.terms.completion != Completion::ExternalEvent
    }

    /// The system event that is the acceptance of a milestone of that kind.
    pub(super) fn external_event(&mut self, index: usize) {
        let Some(one) = self.milestones.get(index) else { return };
        if one.terms.completion == Completion::ExternalEvent && one.stage != Stage::Accepted {
            self.take_acceptance(index, false, None);
        }
    }

    /// Splits a milestone into the accepted part `a` and the rest `b`, in its place, also in what depends on it.
    fn divide(&mut self, index: usize, portion: i64, document: Option<String>) {
        let Some(parent) = self.milestones.get(index).cloned() else { return };
        let (id, rest) = (parent.id().to_owned(), parent.terms.amount.saturating_sub(portion));
        let [first, second] = PART_SUFFIXES.map(|suffix| format!("{id}{suffix}"));
        let part = |part_id: &str, words: &str, amount: i64| {
            let mut one = parent.clone();
            one.terms.id = part_id.to_owned();
            one.terms.description = Some(format!("{} {words}", parent.description()));
            one.terms.amount = amount;
            one.ancestors.push(id.clone());
            one.approved_on = None;
            one.approved = None;
            one.void_approval = None;
            one.failed_cures = 0;
            one.resubmitted = false;
            one.exhausted = false;
            one.cure_due = None;
            one.ready_on = None;
            one
        };
        let accepted = part(&first, "(accepted part)", portion);
        let mut remaining = part(&second, "(remaining part)", rest);
        remaining.stage = Stage::Pending;
        remaining.on_file.clear();
        remaining.window_start = None;
        remaining.window_end = None;
        self.milestones.splice(index..=index, [accepted, remaining]);
        for one in &mut self.milestones {
            if let Some(place) = one.terms.depends_on.iter().position(|on| *on == id) {
                one.terms.depends_on.splice(place..=place, [first.clone(), second.clone()]);
            }
        }
        self.split.insert(id.clone(), second.clone());
        let shares = split(self.allocation.of(&id), &[i128::from(portion), i128::from(rest)]);
        self.allocation.replace(
            &id,
            &[(first, shares.first().copied().unwrap_or(0)), (second, shares.get(1).copied().unwrap_or(0))],
        );
        self.close_parent(&id);
        self.take_acceptance(index, false, document);
    }

    /// A split closes the parent's exceptions, but for findings of a leg and late rejections.
    fn close_parent(&mut self, id: &str) {
        let keys: Vec<Key> = self
            .exceptions
            .iter()
            .filter(|one| one.milestone.as_deref() == Some(id) && one.leg.is_none() && one.code != Code::LateRejection)
            .map(|one| Key::new(one.code, Some(id), None))
            .collect();
        for key in keys {
            self.clear(&key);
        }
    }
}

/// What is appended to a milestone's id for the accepted part and for the rest.
const PART_SUFFIXES: [char; 2] = ['a', 'b'];

const CLOSED_BY_ACCEPTANCE: [Code; 7] = [
    Code::ApproverNotAuthorised,
    Code::AcceptanceDocumentRequired,
    Code::PartialAcceptanceNotAgreed,
    Code::CureExhausted,
    Code::NoDeemedClause,
    Code::RejectionIncomplete,
    Code::CureOverdue,
];
