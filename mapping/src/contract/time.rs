//! What dates bring by themselves: at 00:00 local on a date what falls due, at its end what is booked by time.

use jiff::civil::Date;

use super::exceptions::{Code, Key};
use super::state::{Contract, Stage};

impl Contract {
    /// What is known when the contract is loaded.
    pub(super) fn open_at_load(&mut self) {
        if self.terms.obligations.is_empty() {
            self.open_event(Code::RecognitionMethodMissing, None, None);
        }
        let ids: Vec<String> = self.milestones.iter().map(|one| one.id().to_owned()).collect();
        for id in ids {
            self.without_deemed_clause(&id);
        }
    }

    /// Local date that the state has reached.
    pub fn as_of(&self) -> Date {
        self.as_of
    }

    /// Passes every day end and day start up to the 00:00 happenings of `day`. A day that has begun changes nothing.
    pub fn advance_to(&mut self, day: Date) {
        while self.as_of < day {
            let start = self.next_due().filter(|due| *due <= day).unwrap_or(day);
            match self.next_booking().filter(|booking| *booking < start) {
                Some(booking) => {
                    self.as_of = booking;
                    self.book_time();
                    self.settle();
                    // The day is over: nothing else falls due before the next one begins.
                    self.as_of = booking.tomorrow().unwrap_or(day);
                    self.begin_day();
                }
                None => {
                    self.as_of = start;
                    self.begin_day();
                }
            }
        }
    }

    /// Passes the end of the present date: what is booked by time at a month's end. Harmless before [`Self::advance_to`].
    pub fn close_day(&mut self) {
        self.book_time();
        self.settle();
    }

    /// The next date on which something can happen by itself at 00:00.
    pub fn next_due(&self) -> Option<Date> {
        let deemed = self.milestones.iter().filter_map(|one| {
            let end = one
                .window_end
                .filter(|_| one.live() && one.stage == Stage::Submitted && self.has_deemed_clause(one))?;
            Some(self.calendar.add(end, 1)).filter(|date| *date > self.as_of)
        });
        let billing = (0..self.milestones.len()).filter_map(|index| self.next_billing_date(index));
        deemed.chain(billing).min()
    }

    /// The next date on which something happens by itself, at its start or at its end.
    pub fn next_change(&self) -> Option<Date> {
        let booking = self.next_booking().and_then(|day| day.tomorrow().ok());
        self.next_due().into_iter().chain(booking).min()
    }

    /// What a date brings at its start.
    pub(super) fn begin_day(&mut self) {
        let today = self.as_of;
        let due: Vec<usize> = (0..self.milestones.len())
            .filter(|index| {
                self.milestones.get(*index).is_some_and(|one| {
                    let silent = one.live() && one.stage == Stage::Submitted && self.has_deemed_clause(one);
                    silent && one.window_end.is_some_and(|end| self.calendar.add(end, 1) <= today)
                })
            })
            .collect();
        for index in due {
            self.take_acceptance(index, true, None);
        }
        let overdue: Vec<String> = self
            .milestones
            .iter()
            .filter(|one| one.live() && one.stage == Stage::Rejected && one.cure_due.is_some_and(|due| today > due))
            .map(|one| one.id().to_owned())
            .collect();
        for id in overdue {
            self.raise(Key::new(Code::CureOverdue, Some(&id), None));
        }
        self.settle();
    }

    /// Judges every condition and bills what is due, until nothing moves; then keeps the position.
    pub(super) fn settle(&mut self) {
        self.void_stale_approvals();
        self.judge_conditions();
        // Billing changes findings and findings change billing; it ends, for a milestone is invoiced once.
        while self.bill() {
            self.judge_conditions();
        }
        self.record_position();
    }

    fn judge_conditions(&mut self) {
        self.judge_findings();
        self.judge_billing();
        self.judge_loss();
    }
}
