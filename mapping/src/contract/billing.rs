//! When an invoice is due, sections 5, 12 and 13 of the rules: trigger, conditions, sequence, review, cap, retainage, date.

use jiff::Span;
use jiff::civil::Date;

use super::documents::{DocumentKind, IssuedDocument};
use super::exceptions::Key;
use super::state::{Contract, Milestone, Phase, Stage, TakenBack};
use crate::fact::LegRecord;
use crate::money::Minor;
use crate::rules::Code;
use crate::split::percent_half_up;
use crate::terms::{Condition, InvoiceRule, MilestoneTerms, Trigger, plus_days};

/// What is due of a milestone under terms that it has or had.
struct Due<'a> {
    milestone: &'a Milestone,
    fires_on: Date,
    /// When the last of what it depends on was out of the way.
    after: Option<Date>,
    amount: Minor,
    /// The part that is kept back until the release.
    retained: Minor,
    /// The date of the first of its documents that were withdrawn.
    withdrawn_from: Option<Date>,
}

impl Due<'_> {
    /// What is due at the end of a date, and not billed by then.
    fn on(&self, day: Date, released: bool) -> Minor {
        if self.fires_on > day || self.after.is_some_and(|last| last > day) {
            return Minor::ZERO;
        }
        let retained = if released { Minor::ZERO } else { self.retained };
        let billing = &self.milestone.billing;
        // Of one whose invoice is out, what is due beside it: what was kept back, and from its date on what was withdrawn.
        let withdrawn = self.withdrawn_from.is_some_and(|from| from <= day);
        let beside = withdrawn || (released && billing.retains && self.retained > Minor::ZERO);
        if billing.invoiced_on.is_some_and(|out| out <= day) && !beside {
            return Minor::ZERO;
        }
        (self.amount - retained - billing.billed_by(day)).max(Minor::ZERO)
    }
}

/// What is due of all milestones, each with the dates of its terms: from the first on, before the second.
pub(super) struct Dues<'a> {
    dues: Vec<(Date, Option<Date>, Due<'a>)>,
    released_on: Option<Date>,
}

impl Dues<'_> {
    /// What is due at the end of a date, and not billed by then.
    pub(super) fn on(&self, day: Date) -> Minor {
        let released = self.released_on.is_some_and(|on| on <= day);
        let in_force =
            self.dues.iter().filter(|(since, until, _)| *since <= day && until.is_none_or(|until| day < until));
        in_force.map(|(.., due)| due.on(day, released)).sum()
    }
}

impl Contract {
    /// Date on which a dependency is out of the way: accepted or removed, whichever came first.
    pub(super) fn dependency_met(&self, id: &str) -> Option<Date> {
        let milestone = self.milestones.iter().find(|milestone| milestone.id() == id)?;
        [milestone.accepted_on, milestone.cancelled_on].into_iter().flatten().min()
    }

    /// Date on which the last dependency was met (`Some(None)`: there is none); `None` while one is not.
    fn dependencies_met(&self, terms: &MilestoneTerms) -> Option<Option<Date>> {
        let mut last = None;
        for id in &terms.depends_on {
            last = last.max(Some(self.dependency_met(id)?));
        }
        Some(last)
    }

    /// The date on which the trigger fires; `None` while it is not known. It may lie ahead.
    pub(super) fn trigger_date(&self, milestone: &Milestone) -> Option<Date> {
        milestone.billing.fired_on.or_else(|| self.fires_on(milestone, &milestone.terms))
    }

    /// The date on which the trigger of a milestone's terms fires, whether or not it was invoiced.
    pub(super) fn fires_on(&self, milestone: &Milestone, terms: &MilestoneTerms) -> Option<Date> {
        let fires = if terms.advance {
            self.dependencies_met(terms)?.unwrap_or(self.terms.signed_on)
        } else {
            let come = |conditions: &[Condition]| -> Vec<Option<Date>> {
                conditions.iter().map(|condition| self.comes_on(condition, milestone)).collect()
            };
            match &terms.trigger {
                Trigger::Acceptance => milestone.accepted_on?,
                Trigger::Date(date) => *date,
                Trigger::Usage { metric, threshold } => self.reached(metric, *threshold)?,
                Trigger::WorkflowApproval => milestone.vendor_approved_on?.max(milestone.customer_approved_on?),
                Trigger::FirstOf(conditions) => come(conditions).into_iter().flatten().min()?,
                Trigger::LastOf(conditions) => {
                    come(conditions).into_iter().collect::<Option<Vec<Date>>>()?.into_iter().max()?
                }
            }
        };
        Some(fires.max(self.terms.signed_on).max(milestone.brought_in.unwrap_or(fires)))
    }

    /// The date of a condition; `None` while it has none.
    fn comes_on(&self, condition: &Condition, of: &Milestone) -> Option<Date> {
        match condition {
            Condition::Accepted { later, .. } => {
                let accepted: Option<Vec<Date>> =
                    self.named_by(condition, of).map(|milestone| milestone.accepted_on).collect();
                Some(later.than(accepted?.into_iter().max()?, &self.calendar))
            }
            Condition::Date { date, later } => Some(later.than(*date, &self.calendar)),
            Condition::Event(name) => of.events.get(name).copied(),
            Condition::Usage { metric, threshold } => self.reached(metric, *threshold),
        }
    }

    /// Whether a condition that has not come never will: a milestone whose acceptance it names was removed unaccepted.
    fn is_lost(&self, condition: &Condition, of: &Milestone) -> bool {
        self.named_by(condition, of).any(|milestone| !milestone.live() && milestone.accepted_on.is_none())
    }

    /// Whether the trigger cannot fire any more.
    fn has_lost_its_condition(&self, milestone: &Milestone) -> bool {
        let awaited = milestone.counts() && !milestone.is_invoiced();
        awaited
            && match &milestone.terms.trigger {
                Trigger::FirstOf(conditions) => conditions.iter().all(|condition| self.is_lost(condition, milestone)),
                Trigger::LastOf(conditions) => conditions.iter().any(|condition| self.is_lost(condition, milestone)),
                Trigger::Acceptance | Trigger::Date(_) | Trigger::Usage { .. } | Trigger::WorkflowApproval => false,
            }
    }

    /// The trigger date, if it has come.
    pub(super) fn fired_on(&self, milestone: &Milestone) -> Option<Date> {
        self.trigger_date(milestone).filter(|date| *date <= self.as_of)
    }

    /// The date on which what is kept back is due: the acceptance of the milestone that releases it, of a split one the last.
    pub(super) fn released_retainage_on(&self) -> Option<Date> {
        let release = &self.terms.retainage.as_ref()?.release;
        let mut last = None;
        for milestone in self.milestones.iter().filter(|milestone| milestone.is_of(release)) {
            last = last.max(Some(milestone.accepted_on?));
        }
        last
    }

    /// The part of a milestone's amount that its terms keep back until the release.
    pub(super) fn retained(&self, milestone: &Milestone, terms: &MilestoneTerms) -> Minor {
        match &self.terms.retainage {
            Some(retainage) if !milestone.is_of(&retainage.release) => {
                percent_half_up(terms.amount, terms.retainage_percent.unwrap_or(retainage.percent))
            }
            _ => Minor::ZERO,
        }
    }

    /// Whether an invoice of a milestone that is written now is without the part that its terms keep back, be that 0: what a
    /// change order makes of it is credited or billed.
    pub(super) fn keeps_back(&self, milestone: &Milestone) -> bool {
        let release = self.terms.retainage.as_ref().map(|retainage| retainage.release.as_str());
        release.is_some_and(|release| !milestone.is_of(release)) && self.released_retainage_on().is_none()
    }

    /// What the invoice of a milestone bears that is written now.
    pub(super) fn invoice_bears(&self, milestone: &Milestone) -> Minor {
        let kept_back = self.keeps_back(milestone);
        let retained = if kept_back { self.retained(milestone, &milestone.terms) } else { Minor::ZERO };
        milestone.terms.amount - retained
    }

    /// What the documents of an invoiced milestone should bear together.
    pub(super) fn documents_bear(&self, milestone: &Milestone) -> Minor {
        let billing = &milestone.billing;
        let undone = billing.taken_back == Some(TakenBack::Undone) && self.fired_on(milestone).is_none();
        if !milestone.live() || !milestone.is_invoiced() || undone {
            return Minor::ZERO;
        }
        let kept_back = billing.retains && !billing.retainage_out;
        let retained = if kept_back { self.retained(milestone, &milestone.terms) } else { Minor::ZERO };
        milestone.terms.amount - retained
    }

    /// What of the milestones' amounts is due at the end of a date and not billed by then: the right to it is unconditional
    /// but for paperwork.
    pub(super) fn unconditional_at(&self, day: Date) -> Minor {
        let released = self.released_retainage_on().is_some_and(|on| on <= day);
        let due = |due_milestone| self.due_of(due_milestone, due_milestone.terms_at(day)?, day);
        self.milestones.iter().filter_map(due).map(|due| due.on(day, released)).sum()
    }

    /// What is due of each milestone under each of the terms that it had, for whoever asks for many dates.
    pub(super) fn dues(&self) -> Dues<'_> {
        let mut dues = Vec::new();
        for milestone in &self.milestones {
            let mut since = milestone.brought_in.unwrap_or(Date::MIN);
            for (until, terms) in &milestone.former {
                let until = milestone.cancelled_on.map_or(*until, |gone| gone.min(*until));
                dues.extend(self.due_of(milestone, terms, since).map(|due| (since, Some(until), due)));
                since = since.max(until);
            }
            dues.extend(
                self.due_of(milestone, &milestone.terms, since).map(|due| (since, milestone.cancelled_on, due)),
            );
        }
        Dues { dues, released_on: self.released_retainage_on() }
    }

    /// What is due of a milestone under terms that were in force on a date.
    fn due_of<'a>(&self, milestone: &'a Milestone, terms: &MilestoneTerms, in_force: Date) -> Option<Due<'a>> {
        if !terms.billable {
            return None;
        }
        let billing = &milestone.billing;
        // The trigger's date stays as it was when the milestone was invoiced; terms from before have their own.
        let fixed = billing.fired_on.filter(|_| billing.fired_under.is_none_or(|since| since <= in_force));
        let withdrawn = billing.withdrawn.then(|| {
            let of_it = |document: &&IssuedDocument| document.withdrawn && document.milestone == milestone.id();
            self.documents.iter().filter(of_it).map(|document| document.date).min()
        });
        Some(Due {
            milestone,
            fires_on: fixed.or_else(|| self.fires_on(milestone, terms))?,
            after: self.dependencies_met(terms)?,
            amount: terms.amount,
            retained: self.retained(milestone, terms),
            withdrawn_from: withdrawn.flatten(),
        })
    }

    /// Conditions of billing that open and close exceptions.
    pub(super) fn judge_billing(&mut self) {
        let mut changed = Vec::new();
        for milestone in &self.milestones {
            let id = Some(milestone.id());
            let fired = self.fired_on(milestone);
            let out_of_sequence =
                milestone.counts() && fired.is_some() && self.dependencies_met(&milestone.terms).is_none();
            let late = match (milestone.terms.invoice, fired) {
                (InvoiceRule::WithinDays(days), Some(fired)) => {
                    // Nothing is owed for an amount of 0: there is no invoice to be late.
                    let awaited =
                        milestone.counts() && milestone.terms.amount > Minor::ZERO && !milestone.is_invoiced();
                    awaited && self.as_of > plus_days(fired, days)
                }
                _ => false,
            };
            let lost = self.has_lost_its_condition(milestone);
            // A late invoice closes with the invoice, and with nothing else: a removal does not make it in time.
            let late = late.then_some((Code::InvoiceLate, true));
            let judged = [(Code::OutOfSequence, out_of_sequence), (Code::ConditionLost, lost)].into_iter().chain(late);
            let unlike = judged.filter(|(code, holds)| !self.stands(*code, id, None, *holds));
            changed.extend(unlike.map(|(code, holds)| (Key::new(code, id, None), holds)));
        }
        for (key, holds) in changed {
            self.judge(key, holds);
        }
        let sum: Minor =
            self.milestones.iter().filter(|milestone| milestone.counts()).map(|milestone| milestone.terms.amount).sum();
        self.judge(Key::new(Code::ScheduleTotalMismatch, None, None), sum != self.total);
        let is_read = |leg| self.legs.get(leg).is_some_and(LegRecord::is_read);
        let missing: Vec<_> = self.policy.require_legs.iter().map(|leg| (*leg, !is_read(leg))).collect();
        for (leg, missing) in missing {
            self.judge(Key::new(Code::LegMissing, None, Some(leg)), missing);
        }
    }

    /// Nothing blocks a milestone but the cap, which is judged last.
    fn is_unblocked(&self, milestone: &Milestone) -> bool {
        self.blocking(milestone).all(|code| code == Code::OverCap)
    }

    /// What was withdrawn lacks nothing but a person's word, which has been given: it is issued anew, whatever else there is.
    fn is_issued_anew(&self, milestone: &Milestone) -> bool {
        milestone.billing.taken_back == Some(TakenBack::Withdrawn)
    }

    /// Everything that the invoice needs is together.
    fn is_ready(&self, index: usize) -> bool {
        let Some(milestone) = self.milestones.get(index) else { return false };
        if !milestone.counts() || milestone.is_invoiced() || self.fired_on(milestone).is_none() {
            return false;
        }
        let anew = self.is_issued_anew(milestone);
        // Where a credit memo of what was withdrawn is out, its documents lack something even of an amount of 0.
        let lacks = if anew { self.next_bears(milestone) } else { self.invoice_bears(milestone) };
        // A dependency that is not accepted holds by its exception; overruled, it holds no longer.
        lacks > Minor::ZERO
            && if anew {
                !self.is_held(index)
            } else {
                (milestone.approved_on.is_some() || !self.needs_review(milestone)) && self.is_unblocked(milestone)
            }
    }

    /// What was kept back of a milestone's invoice is due, and nothing holds it.
    fn is_retainage_due(&self, index: usize) -> bool {
        let Some(milestone) = self.milestones.get(index) else { return false };
        let billing = &milestone.billing;
        milestone.counts()
            && milestone.is_invoiced()
            && billing.retains
            && !billing.retainage_out
            && self.retained(milestone, &milestone.terms) > Minor::ZERO
            && self.released_retainage_on().is_some()
            && if self.is_retainage_withdrawn(milestone) { !self.is_held(index) } else { self.is_unblocked(milestone) }
    }

    /// Whether a retainage invoice of a milestone is withdrawn: like an invoice it is issued anew, whatever else there is.
    fn is_retainage_withdrawn(&self, milestone: &Milestone) -> bool {
        let of_it = |document: &IssuedDocument| {
            document.milestone == milestone.id() && document.kind == DocumentKind::RetainageInvoice
        };
        let mut counted = self.documents.iter().skip(milestone.billing.counts_from);
        milestone.billing.withdrawn && counted.any(|document| document.withdrawn && of_it(document))
    }

    /// Ready date: the latest of trigger, dependencies, released holds and approval. It may lie before the day on which all
    /// of it was known here.
    fn ready_date(&self, index: usize) -> Option<Date> {
        let milestone = self.milestones.get(index)?;
        let dependencies = milestone.terms.depends_on.iter().filter_map(|id| self.dependency_met(id)).max();
        let approved = milestone.approved_on.filter(|_| self.needs_review(milestone));
        let dates = [self.fired_on(milestone), dependencies, self.released_on(index), approved];
        dates.into_iter().flatten().max()
    }

    /// Documents may be issued today.
    pub(super) fn may_issue(&self) -> bool {
        self.phase == Phase::Running && !self.is_closed(self.as_of)
    }

    /// Writes every document that is due, in contract order. Returns whether one was written.
    pub(super) fn bill(&mut self) -> bool {
        let before = self.documents.len();
        for index in 0..self.milestones.len() {
            let ready = self.is_ready(index);
            let today = self.as_of;
            if let Some(milestone) = self.milestones.get_mut(index) {
                milestone.ready_on = if ready { milestone.ready_on.or(Some(today)) } else { None };
                milestone.cycle_day_closed &= ready;
            }
            let comes = |contract: &Self| ready && contract.invoice_date(index).is_some_and(|date| date <= today);
            // On a closed date nothing is issued, and the cap is not judged.
            if !self.may_issue() {
                let waits = comes(self);
                if let Some(milestone) = self.milestones.get_mut(index) {
                    milestone.cycle_day_closed |= waits && milestone.terms.invoice == InvoiceRule::NextCycle;
                }
                continue;
            }
            if !self.is_held(index) {
                self.wait_for_the_trigger(index);
                self.correct_what_differs(index);
            }
            let within = self.is_within_cap(index);
            let invoice = comes(self);
            let retained = self.is_retainage_due(index);
            if (invoice || retained) && !self.passes_cap(index, within) {
                // What the cap holds is ready on the day on which it holds it no longer.
                if let Some(milestone) = self.milestones.get_mut(index) {
                    milestone.cycle_day_closed = false;
                }
            } else if invoice || retained {
                if invoice {
                    self.issue(index);
                } else {
                    self.issue_retained(index);
                }
                if let Some(id) = self.milestones.get(index).map(|milestone| milestone.id().to_owned()) {
                    self.clear_code(Code::OverCap, &id);
                }
            }
        }
        self.documents.len() > before
    }

    /// Where a person lets an invoice that was withdrawn go out anew, and the trigger has not fired under the terms in force, it
    /// waits for all that an invoice waits for.
    fn wait_for_the_trigger(&mut self, index: usize) {
        let Some(milestone) = self.milestones.get(index) else { return };
        if self.is_issued_anew(milestone)
            && self.fired_on(milestone).is_none()
            && let Some(milestone) = self.milestones.get_mut(index)
        {
            milestone.billing.taken_back = Some(TakenBack::Undone);
        }
    }

    /// What the documents of a milestone lack or exceed, in one document.
    fn correct_what_differs(&mut self, index: usize) {
        let Some(milestone) = self.milestones.get(index) else { return };
        let fired = self.fired_on(milestone).is_some();
        let difference = self.documents_bear(milestone) - milestone.billing.billed();
        // The credit memo of an acceptance that was undone may have been withdrawn.
        let undone = milestone.billing.taken_back == Some(TakenBack::Undone) && !fired;
        if milestone.is_invoiced() || !milestone.counts() || undone {
            // One that is due again before it was credited stays invoiced, whatever a change order has made of it.
            if let Some(milestone) = self.milestones.get_mut(index).filter(|milestone| fired && milestone.is_invoiced())
            {
                milestone.billing.taken_back = None;
            }
            if difference != Minor::ZERO {
                self.correct(index, difference);
            }
        }
    }

    /// What the next document of a milestone would bear: its invoice, or what was kept back of it.
    pub(super) fn next_bears(&self, milestone: &Milestone) -> Minor {
        let billing = &milestone.billing;
        if !milestone.is_invoiced() {
            self.invoice_bears(milestone) - billing.billed()
        } else if billing.retains && !billing.retainage_out {
            self.retained(milestone, &milestone.terms)
        } else {
            Minor::ZERO
        }
    }

    /// Whether what would be billed next of a milestone stays within the cap. While it would not, an exception that is open
    /// stays open: another hold, or a billing cycle that is waited for, does not end it (nor what a reviewer said of it).
    fn is_within_cap(&mut self, index: usize) -> bool {
        let Some(milestone) = self.milestones.get(index) else { return false };
        let billing = &milestone.billing;
        let capped =
            if milestone.is_invoiced() { billing.retainage_invoices == 0 } else { billing.taken_back.is_none() };
        // What is kept back is not due before the release.
        let due = !milestone.is_invoiced() || self.released_retainage_on().is_some();
        let next = self.next_bears(milestone);
        let over = milestone.counts()
            && capped
            && due
            && next > Minor::ZERO
            && self.billed() + next > self.cap.unwrap_or(self.total);
        if !over && !self.stands(Code::OverCap, Some(milestone.id()), None, false) {
            let key = Key::new(Code::OverCap, Some(milestone.id()), None);
            self.clear(&key);
        }
        !over
    }

    /// A document is due: it passes the cap, or a reviewer let it.
    fn passes_cap(&mut self, index: usize, within: bool) -> bool {
        let Some(milestone) = self.milestones.get(index) else { return false };
        let key = Key::new(Code::OverCap, Some(milestone.id()), None);
        if !within {
            self.raise(key.clone());
        }
        !self.is_open(&key)
    }

    /// The date that the invoice would bear; it lies ahead only for a billing cycle.
    pub(super) fn invoice_date(&self, index: usize) -> Option<Date> {
        let milestone = self.milestones.get(index)?;
        let ready = self.ready_date(index)?;
        let together = milestone.ready_on.unwrap_or(self.as_of);
        let withdrawn = milestone.billing.taken_back == Some(TakenBack::Withdrawn);
        Some(match milestone.terms.invoice {
            InvoiceRule::NextCycle if !withdrawn && !milestone.cycle_day_closed => {
                // A cycle day that is over when all comes together, or is learned anew, does not come again.
                let yesterday = self.as_of.yesterday().unwrap_or(self.as_of);
                cycle_day_after(ready.max(yesterday), self.terms.billing_cycle_day)
            }
            InvoiceRule::NextCycle | InvoiceRule::OnCompletion | InvoiceRule::WithinDays(_) => ready.max(together),
        })
    }

    /// Invoices less credit memos, of the whole contract.
    pub(super) fn billed(&self) -> Minor {
        self.milestones.iter().map(|milestone| milestone.billing.billed()).sum()
    }

    /// The first later date on which something about this milestone happens by itself.
    pub(super) fn next_billing_date(&self, index: usize) -> Option<Date> {
        let milestone = self.milestones.get(index).filter(|milestone| milestone.live())?;
        let fires = self.trigger_date(milestone);
        let mut dates = vec![fires];
        if !milestone.is_invoiced() {
            dates.push(milestone.ready_on.and_then(|_| self.invoice_date(index)));
            if let (InvoiceRule::WithinDays(days), Some(fired)) = (milestone.terms.invoice, fires) {
                dates.push(plus_days(fired, days).tomorrow().ok());
            }
        }
        if milestone.stage == Stage::Rejected {
            dates.push(milestone.cure_due.and_then(|due| due.tomorrow().ok()));
        }
        dates.into_iter().flatten().filter(|date| *date > self.as_of).min()
    }
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
