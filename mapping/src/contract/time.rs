//! What time brings by itself: at 00:00 local on a date what falls due, right after an event what had expired when it became
//! known, at a date's end what is booked by time.

use jiff::Timestamp;
use jiff::civil::Date;

use super::state::{Contract, Milestone, Phase, Stage};
use crate::rules::Code;

impl Contract {
    /// Local date that the state has reached.
    pub fn as_of(&self) -> Date {
        self.as_of
    }

    /// Whether its first day has begun.
    pub fn has_begun(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Says when the contract was filed: a daemon that has begun with what it knew then learns the rest of the first day
    /// later, in the order in which it comes. Whoever plays a whole case knows all of it at once, and says nothing.
    pub fn file_until(&mut self, instant: Timestamp) {
        self.filed_until.get_or_insert(instant);
    }

    /// What [`Contract::file_until`] said.
    pub fn filed_until(&self) -> Option<Timestamp> {
        self.filed_until
    }

    /// The contract's first day begins, if it has not: what is known by then is judged, and what is due is issued.
    pub fn begin(&mut self) {
        if self.phase != Phase::Running && self.as_of >= self.begins_on {
            self.phase = Phase::Running;
            self.instant = None;
            self.relearn(self.as_of);
            self.judge_terms();
            for index in 0..self.milestones.len() {
                if self.milestones.get(index).is_some_and(Milestone::live) {
                    self.judge_evidence(index);
                }
            }
            self.begin_day();
            self.reckon_rest();
        }
    }

    /// Passes every day end and day start up to the 00:00 happenings of `day`. A day that has begun changes nothing.
    pub fn advance_to(&mut self, day: Date) {
        if day < self.as_of {
            return;
        }
        if self.as_of < self.begins_on {
            self.as_of = day.min(self.begins_on);
        }
        self.begin();
        if self.phase != Phase::Running {
            return;
        }
        self.end_instant();
        while self.as_of < day {
            let start = self.next_due().filter(|due| *due <= day).unwrap_or(day);
            match self.next_booking().filter(|booking| *booking < start) {
                Some(booking) => {
                    if booking > self.as_of {
                        self.start_day(booking);
                    }
                    self.end_day();
                    // The day is over: nothing else falls due before the next one begins.
                    self.start_day(booking.tomorrow().unwrap_or(day));
                }
                None => self.start_day(start),
            }
            self.begin_day();
        }
        self.reckon_rest();
    }

    /// Passes the end of the present date: what is booked by time at a month's end. Harmless before [`Self::advance_to`].
    pub fn close_day(&mut self) {
        self.begin();
        if self.phase == Phase::Running {
            self.end_instant();
            self.end_day();
            self.reckon_rest();
        }
    }

    /// The next date on which something can happen by itself at 00:00.
    pub fn next_due(&self) -> Option<Date> {
        let deemed = self.milestones.iter().filter_map(|milestone| {
            let end = milestone.window_end.filter(|_| {
                milestone.live() && milestone.stage == Stage::Submitted && self.has_deemed_clause(milestone)
            })?;
            Some(self.calendar.add(end, 1))
        });
        let billing = (0..self.milestones.len()).filter_map(|index| self.next_billing_date(index));
        let waiting = self.waiting.first().map(|(on, _)| *on);
        let others = waiting.into_iter().chain(self.opens_on()).chain(self.next_end_of_overruling());
        let others = others.chain([self.terms.signed_on]);
        deemed.chain(billing).chain(others).filter(|date| *date > self.as_of).min()
    }

    /// The next date on which something happens by itself, at its start or at its end.
    pub fn next_change(&self) -> Option<Date> {
        let booking = self.next_booking().and_then(|day| day.tomorrow().ok());
        self.next_due().into_iter().chain(booking).min()
    }

    /// What a date brings at its start: change orders that waited for it, then what falls due.
    fn begin_day(&mut self) {
        self.keep_books();
        while self.waiting.first().is_some_and(|(on, _)| *on <= self.as_of) {
            let (on, amendment) = self.waiting.remove(0);
            if self.check_items(&amendment).is_ok() {
                self.amend(&amendment, on);
            } else {
                // It names milestones that are there no more since it was filed.
                self.open_event(Code::UnknownMilestone, None, None);
            }
            if self.keep_books() {
                self.open_event(Code::BookedLate, None, None);
            }
        }
        self.accept_by_silence();
        self.judge_cures();
        self.settle();
    }

    /// Silence that has become acceptance. What a date brings by itself is nobody's late booking; what had expired when it
    /// became known is that of the milestone.
    fn accept_by_silence(&mut self) -> bool {
        let silent = self.silent();
        for (index, accepted_on) in &silent {
            self.take_acceptance(*index, *accepted_on, true, None);
            let late = self.keep_books() && (*accepted_on < self.as_of || self.instant.is_some());
            if let Some(id) = self.milestones.get(*index).filter(|_| late).map(|milestone| milestone.id().to_owned()) {
                self.open_event(Code::BookedLate, Some(&id), None);
            }
        }
        !silent.is_empty()
    }

    /// The last event of an instant is taken: what had expired when it became known is judged at once.
    pub(super) fn end_instant(&mut self) {
        if self.instant.is_none() {
            return;
        }
        let accepted = self.accept_by_silence();
        self.instant = None;
        self.judge_cures();
        if accepted {
            self.settle();
        }
    }

    /// Judges every condition and issues what is due, until nothing moves; then keeps the books. Returns whether something was
    /// booked for closed dates.
    pub(super) fn settle(&mut self) -> bool {
        self.void_stale_approvals();
        self.judge_conditions();
        self.end_overrulings();
        // Billing changes findings and findings change billing; it ends, for a document is written once.
        while self.bill() {
            self.judge_conditions();
        }
        self.keep_books()
    }

    fn judge_conditions(&mut self) {
        self.judge_findings();
        self.judge_billing();
        self.judge_loss();
    }
}
