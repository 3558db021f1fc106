//! Acceptance, section 4 of the rules: windows, evidence, roles, documents, cures. Dates are those on which things happened;
//! exceptions open and close on the day on which it became known.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::differences::told;
use super::exceptions::Key;
use super::state::{Accepted, Contract, Milestone, Phase, Stage, TakenBack};
use crate::rules::{self, Closes, Code};
use crate::terms::Completion;

impl Contract {
    /// A completion notice.
    pub(super) fn submit(&mut self, index: usize, evidence: &[String], on: Date) {
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let id = milestone.id().to_owned();
        match milestone.stage {
            // After the last cure a resubmission changes nothing, its evidence included.
            Stage::Rejected if milestone.exhausted => return,
            Stage::Accepted | Stage::Submitted => {}
            Stage::Pending | Stage::Rejected => {
                milestone.resubmitted = milestone.stage == Stage::Rejected;
                milestone.stage = Stage::Submitted;
                milestone.notice_on = Some(on);
                milestone.cure_due = None;
                milestone.window_end = None;
                self.clear_code(Code::NotSubmitted, &id);
                self.clear_code(Code::CureOverdue, &id);
            }
        }
        self.file_evidence(index, evidence, on);
    }

    /// Evidence artefacts arrive; with the last one the window of a submitted milestone begins.
    pub(super) fn file_evidence(&mut self, index: usize, evidence: &[String], on: Date) {
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        for artefact in evidence {
            let since = milestone.on_file.entry(artefact.clone()).or_insert(on);
            *since = on.min(*since);
        }
        self.begin_window(index, None);
        self.judge_evidence(index);
    }

    /// The window of a submitted milestone begins, unless one runs or evidence is missing: on the latest of the dates of the
    /// notice, of the evidence, and of the change order that makes it begin.
    pub(super) fn begin_window(&mut self, index: usize, amended: Option<Date>) {
        let Some(milestone) = self.milestones.get(index) else { return };
        let runs = milestone.window_end.is_some();
        if milestone.stage != Stage::Submitted || runs || !milestone.evidence_complete() {
            return;
        }
        let evidence = milestone.terms.evidence.iter().filter_map(|artefact| milestone.on_file.get(artefact).copied());
        // Silence counts only from when the clause applies.
        let clause = milestone.deemed_since.filter(|_| self.has_deemed_clause(milestone));
        let Some(start) = evidence.chain(milestone.notice_on).chain(amended).chain(clause).max() else { return };
        let acceptance = &self.terms.acceptance;
        let own = milestone.terms.window_days.unwrap_or(acceptance.window_days);
        let days = if milestone.resubmitted { acceptance.reevaluation_days } else { own };
        let end = self.calendar.add(start, days);
        if let Some(milestone) = self.milestones.get_mut(index) {
            milestone.window_start = Some(start);
            milestone.window_end = Some(end);
        }
    }

    /// Required evidence that is not on file of a milestone that was submitted or accepted.
    pub(super) fn judge_evidence(&mut self, index: usize) {
        // What is known when it is filed is judged when the first day begins.
        let Some(milestone) = self.milestones.get(index).filter(|_| self.phase != Phase::Filed) else { return };
        let awaited = matches!(milestone.stage, Stage::Submitted | Stage::Accepted);
        let missing = awaited && !milestone.evidence_complete();
        if missing && !milestone.live() {
            // Of one that was removed nothing is asked any more; what was told of it stays told.
            return;
        }
        let key = Key::new(Code::EvidenceMissing, Some(milestone.id()), None);
        self.judge(key, missing);
    }

    /// An acceptance. The checks in their order: duplicate, role, document, portion; the first that fails decides.
    pub(super) fn accept(&mut self, index: usize, accepted: &Accepted<'_>) {
        let Some(milestone) = self.milestones.get(index) else { return };
        let id = milestone.id().to_owned();
        let again = milestone.stage == Stage::Accepted;
        // One that is dated before an acceptance by silence takes its place, if nothing is wrong with it.
        if again && !(milestone.deemed && milestone.accepted_on.is_some_and(|deemed_on| accepted.on < deemed_on)) {
            return;
        }
        let refused = if self.phase == Phase::History {
            None
        } else if !self.may_decide(milestone, accepted.role, accepted.on) {
            Some(Code::ApproverNotAuthorised)
        } else if milestone.terms.completion == Completion::CustomerSignoff && accepted.document.is_none() {
            Some(Code::AcceptanceDocumentRequired)
        } else {
            None
        };
        match (refused, again) {
            (Some(_), true) => return,
            (Some(code), false) => return self.open_event(code, Some(&id), None),
            (None, _) => {}
        }
        let document = accepted.document.map(Into::into);
        let Some(portion) = accepted.portion else { return self.take_acceptance(index, accepted.on, false, document) };
        if !self.may_be_split(index, portion) {
            return self.open_event(Code::PartialAcceptanceNotAgreed, Some(&id), None);
        }
        self.divide(index, portion, accepted.on, document);
    }

    /// Whether somebody in this role may accept or reject on a date.
    fn may_decide(&self, milestone: &Milestone, role: Option<&str>, on: Date) -> bool {
        let Some(approver) = milestone.terms.approver.as_deref() else { return true };
        if role == Some(approver) {
            return true;
        }
        let fallback = milestone.terms.fallback_approver.as_deref();
        let waited = |start: Date| on > self.calendar.add(start, self.terms.acceptance.fallback_after_days);
        role.is_some() && role == fallback && milestone.window_start.is_some_and(waited)
    }

    /// The milestone is accepted on a date.
    pub(super) fn take_acceptance(&mut self, index: usize, on: Date, deemed: bool, document: Option<String>) {
        let booked_on = self.books_revenue_on(index, on);
        let taken_over = self.phase == Phase::History;
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let replaced = milestone.accepted_on;
        milestone.stage = Stage::Accepted;
        milestone.accepted_on = Some(on);
        milestone.booked_on = Some(booked_on);
        milestone.deemed = deemed;
        milestone.document = document;
        milestone.cure_due = None;
        if taken_over {
            let required: Vec<String> = milestone.terms.evidence.iter().cloned().collect();
            milestone.on_file.extend(required.into_iter().map(|artefact| (artefact, on)));
        }
        let id = milestone.id().to_owned();
        self.relearn(replaced.map_or(on, |replaced| replaced.min(on)));
        for code in Code::ALL.iter().filter(|code| rules::of(**code).closes == Closes::Acceptance) {
            self.clear_code(*code, &id);
        }
        // The customer's word is enough for acceptance and revenue; the invoice waits for the evidence.
        self.judge_evidence(index);
    }

    /// The date on which the revenue of a milestone is booked that is accepted on a date.
    fn books_revenue_on(&self, index: usize, accepted_on: Date) -> Date {
        if self.phase == Phase::History {
            return accepted_on;
        }
        let recognised_on = |accepted_on: Date| accepted_on.max(self.terms.signed_on);
        let replaced =
            self.milestones.get(index).and_then(|milestone| Some((milestone.accepted_on?, milestone.booked_on?)));
        match replaced {
            Some((deemed_on, booked_on)) if self.is_closed(recognised_on(deemed_on)) => booked_on,
            _ if self.is_closed(recognised_on(accepted_on)) => self.first_open_date(),
            _ => recognised_on(accepted_on),
        }
    }

    /// A rejection. The checks in their order: duplicate, role (not asked of one that is accepted), already accepted, never
    /// submitted, late, criteria.
    pub(super) fn reject(&mut self, index: usize, role: Option<&str>, criteria: &[String], on: Date) {
        let Some(milestone) = self.milestones.get(index) else { return };
        let id = milestone.id().to_owned();
        let taken_over = self.phase == Phase::History;
        let refused = match milestone.stage {
            Stage::Rejected => return,
            Stage::Accepted if self.is_open(&Key::new(Code::RejectedInTime, Some(&id), None)) => return,
            Stage::Accepted if self.was_in_time(milestone, role, criteria, on) => Some(Code::RejectedInTime),
            Stage::Accepted => Some(Code::LateRejection),
            Stage::Pending | Stage::Submitted if taken_over && !criteria.is_empty() => None,
            _ if !self.may_decide(milestone, role, on) => Some(Code::ApproverNotAuthorised),
            Stage::Pending => Some(Code::NotSubmitted),
            Stage::Submitted
                if self.has_deemed_clause(milestone) && milestone.window_end.is_some_and(|end| on > end) =>
            {
                Some(Code::LateRejection)
            }
            Stage::Submitted if criteria.is_empty() => Some(Code::RejectionIncomplete),
            Stage::Submitted => None,
        };
        let Some(code) = refused else { return self.take_rejection(index, on) };
        if code == Code::RejectedInTime
            && let Some(milestone) = self.milestones.get_mut(index)
        {
            milestone.rejected_in_time = Some(on);
        }
        if code == Code::LateRejection {
            let too_late = self.milestones.get(index).and_then(|milestone| match milestone.accepted_on {
                Some(accepted) => Some(format!("accepted on {accepted}")),
                None => milestone.window_end.map(|end| format!("the window's last day is {end}")),
            });
            return self.open_event_of(code, Some(&id), told("rejection", too_late, format!("dated {on}")));
        }
        self.open_event(code, Some(&id), None);
    }

    /// Whether a rejection of an accepted milestone is dated within the window whose silence was taken for acceptance.
    fn was_in_time(&self, milestone: &Milestone, role: Option<&str>, criteria: &[String], on: Date) -> bool {
        let within = milestone.window_start.is_some_and(|start| on >= start)
            && milestone.window_end.is_some_and(|end| on <= end);
        milestone.deemed && within && !criteria.is_empty() && self.may_decide(milestone, role, on)
    }

    /// The milestone is rejected on a date.
    fn take_rejection(&mut self, index: usize, on: Date) {
        let (max_cures, cure_days) = (self.terms.acceptance.max_cures, self.terms.acceptance.cure_days);
        let due = self.calendar.add(on, cure_days);
        let taken_over = self.phase == Phase::History;
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        milestone.stage = Stage::Rejected;
        milestone.rejected_on = Some(on);
        milestone.window_end = None;
        if milestone.resubmitted {
            milestone.failed_cures = milestone.failed_cures.saturating_add(1);
        }
        // Cures do not run in what happened before the contract came here.
        milestone.exhausted = milestone.failed_cures >= max_cures && !taken_over;
        milestone.cure_due = (!milestone.exhausted && !taken_over).then_some(due);
        let (id, exhausted) = (milestone.id().to_owned(), milestone.exhausted);
        self.clear_code(Code::EvidenceMissing, &id);
        self.clear_code(Code::RejectionIncomplete, &id);
        if exhausted {
            self.open_event(Code::CureExhausted, Some(&id), None);
        }
    }

    /// A reviewer takes an acceptance by silence back that was rejected in time: all that section 4 says of a rejection
    /// follows, and what was billed is credited, unless the trigger has fired without that acceptance.
    pub(super) fn undo(&mut self, index: usize) {
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let key = Key::new(Code::RejectedInTime, Some(milestone.id()), None);
        let (Some(accepted_on), Some(rejected_on)) = (milestone.accepted_on, milestone.rejected_in_time) else {
            return;
        };
        if !self.is_open(&key) {
            return;
        }
        if let Some(milestone) = self.milestones.get_mut(index) {
            milestone.accepted_on = None;
            milestone.booked_on = None;
            milestone.rejected_in_time = None;
            milestone.deemed = false;
            milestone.document = None;
        }
        self.withdraw_approval(index);
        self.relearn(accepted_on);
        self.take_rejection(index, rejected_on);
        self.clear(&key);
        self.take_back(index);
    }

    /// What was billed of an acceptance that was undone is credited, unless the trigger has fired without it.
    fn take_back(&mut self, index: usize) {
        let Some(milestone) = self.milestones.get_mut(index).filter(|milestone| milestone.is_invoiced()) else {
            return;
        };
        if milestone.billing.fired_on.take().is_some() {
            self.relearn(Date::MIN);
        }
        let fired = self.milestones.get(index).is_some_and(|milestone| self.fired_on(milestone).is_some());
        let Some(milestone) = self.milestones.get_mut(index).filter(|_| !fired) else { return };
        milestone.billing.taken_back = Some(TakenBack::Undone);
        // Where a change order had it credited already, there is nothing to credit.
        self.forget_credited(index);
    }

    pub(super) fn has_deemed_clause(&self, milestone: &Milestone) -> bool {
        self.terms.acceptance.deemed && milestone.terms.completion != Completion::ExternalEvent
    }

    /// A system event: the acceptance of a milestone of that kind, and what a condition may wait for.
    pub(super) fn external_event(&mut self, index: usize, name: &str, on: Date) {
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let first = milestone.events.entry(name.to_owned()).or_insert(on);
        *first = on.min(*first);
        if milestone.terms.completion == Completion::ExternalEvent && milestone.stage != Stage::Accepted {
            self.take_acceptance(index, on, false, None);
        }
    }

    /// Milestones whose silence has become acceptance, with the date on which it did.
    pub(super) fn silent(&self) -> Vec<(usize, Date)> {
        let silent = |(index, milestone): (usize, &Milestone)| {
            let submitted = milestone.live() && milestone.stage == Stage::Submitted;
            let end = milestone.window_end.filter(|_| submitted && self.has_deemed_clause(milestone))?;
            let accepted_on = self.calendar.add(end, 1);
            (accepted_on <= self.as_of).then_some((index, accepted_on))
        };
        self.milestones.iter().enumerate().filter_map(silent).collect()
    }

    /// Opens what a cure that is past brings.
    pub(super) fn judge_cures(&mut self) {
        let overdue = |milestone: &&Milestone| {
            milestone.live()
                && milestone.stage == Stage::Rejected
                && milestone.cure_due.is_some_and(|due| self.as_of > due)
        };
        let overdue: BTreeSet<String> =
            self.milestones.iter().filter(overdue).map(|milestone| milestone.id().to_owned()).collect();
        for id in overdue {
            self.raise(Key::new(Code::CureOverdue, Some(&id), None));
        }
    }

    /// A vendor's declaration that silence cannot accept needs an explicit acceptance.
    pub(super) fn lacks_deemed_clause(&self, milestone: &Milestone) -> bool {
        !self.terms.acceptance.deemed
            && milestone.live()
            && milestone.stage != Stage::Accepted
            && milestone.terms.completion == Completion::VendorDeclaration
    }
}
