//! Limits by the clock, metered reads, and what is counted.

use std::collections::VecDeque;

use super::state::State;
use crate::call::{Call, Reply};
use crate::json::{list, obj};

/// Requests a minute and a second while the clock follows real time. The vendor's ten a second would stop published clients,
/// which do not pace themselves and are nearer here.
const REAL_TIME: (usize, usize) = (500, 100);
/// Batches a minute.
const BATCHES: usize = 40;
/// Metered reads a month of the vendor's smallest tier.
const READS: u64 = 500_000;
const MAILS: u64 = 40;

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Requests a minute and a second, and batches a minute.
    pub(crate) set: Option<(usize, usize, usize)>,
    pub(crate) reads: u64,
    recent: VecDeque<i64>,
    batches: VecDeque<i64>,
    month: (i16, i8),
    metered: u64,
    day: jiff::civil::Date,
    mails: u64,
    throttled: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            set: None,
            reads: READS,
            recent: VecDeque::new(),
            batches: VecDeque::new(),
            month: (0, 0),
            metered: 0,
            day: jiff::civil::Date::ZERO,
            mails: 0,
            throttled: 0,
        }
    }
}

/// Forgets what is older than a minute; true if there is room for one more.
fn room(seen: &mut VecDeque<i64>, now: i64, most: usize) -> bool {
    while seen.front().is_some_and(|at| *at <= now - 60_000) {
        seen.pop_front();
    }
    seen.len() < most
}

impl Limits {
    /// Takes one request in. A clock that stands still would never let anybody on, so then there are no limits unless set.
    fn admits(&mut self, now: i64, follows: bool, batch: bool) -> bool {
        let standing = || follows.then_some((REAL_TIME.0, REAL_TIME.1, BATCHES));
        let Some((minute, second, batches)) = self.set.or_else(standing) else { return true };
        let calm = room(&mut self.recent, now, minute)
            && self.recent.iter().rev().take_while(|at| **at > now - 1000).count() < second;
        if !calm || (batch && !room(&mut self.batches, now, batches)) {
            return false;
        }
        self.recent.push_back(now);
        if batch {
            self.batches.push_back(now);
        }
        true
    }

    pub(crate) fn metered(&self) -> u64 {
        self.metered
    }
}

impl State {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// The answer to a request too many, if it is one.
    pub(crate) fn too_many(&mut self, call: &Call, batch: bool) -> Option<Reply> {
        let (now, follows) = (self.clock.millis(), self.clock.follows());
        if call.trusted || self.limits.admits(now, follows, batch) {
            return None;
        }
        Some(self.throttled())
    }

    /// Counts a read that is paid for; false where the month's are used up. Writes cost nothing.
    pub(crate) fn metered_read(&mut self) -> bool {
        let today = self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let month = (today.year(), today.month());
        if self.limits.month != month {
            self.limits.month = month;
            self.limits.metered = 0;
        }
        if self.limits.metered >= self.limits.reads {
            return false;
        }
        self.limits.metered += 1;
        self.count("reads_metered");
        true
    }

    /// Counts a mail; false where the day's are used up.
    pub(crate) fn may_mail(&mut self) -> bool {
        let today = self.clock.now().to_zoned(self.zone.clone()).date();
        if self.limits.day != today {
            self.limits.day = today;
            self.limits.mails = 0;
        }
        self.limits.mails += 1;
        self.limits.mails <= MAILS
    }

    /// The casing of this answer is not settled: every second one comes as the layer in front writes its faults.
    pub(crate) fn throttled(&mut self) -> Reply {
        self.limits.throttled += 1;
        self.count("throttled");
        let message = "message=ThrottleExceeded; errorCode=003001; statusCode=429";
        if self.limits.throttled.is_multiple_of(2) {
            let error = obj! {"message" => message, "detail" => "ThrottleExceeded", "code" => "3001"};
            let fault = obj! {"error" => list![error], "type" => "THROTTLE"};
            return Reply::json(429, &obj! {"fault" => fault, "time" => self.clock.millis()});
        }
        let error = obj! {
            "Message" => message, "Detail" => "The request limit was reached. Try again in a minute.", "code" => "003001",
            "element" => "",
        };
        super::faults::reply(429, obj! {"Fault" => obj! {"Error" => list![error], "type" => "THROTTLE"}}, &self.stamp())
    }
}
