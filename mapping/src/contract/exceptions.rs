//! Exceptions: how they open, close and are overruled. One that is overruled stays closed for as long as its condition
//! lasts without a break.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::differences::Difference;
use super::state::{Contract, Milestone};
use crate::fact::Leg;
use crate::rules::{self, Code, Severity};

/// What an exception is about: code, milestone or none, leg or none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) code: Code,
    pub(crate) milestone: Option<String>,
    pub(crate) leg: Option<Leg>,
}

impl Key {
    pub(crate) fn new(code: Code, milestone: Option<&str>, leg: Option<Leg>) -> Self {
        Self { code, milestone: milestone.map(Into::into), leg }
    }

    fn is(&self, code: Code, milestone: Option<&str>, leg: Option<Leg>) -> bool {
        self.code == code && self.leg == leg && self.milestone.as_deref() == milestone
    }
}

/// What an overruling is of, and until when: it ends when another value stands behind the exception, or with the date.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// The values behind the exception, in words; absent: whatever they are.
    pub(crate) values: Option<Vec<String>>,
    /// The date on which it ends.
    pub(crate) until: Option<Date>,
}

/// An overruling that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limited {
    key: Key,
    limits: Limits,
}

/// One exception, open or closed. Dates are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRecord {
    /// Code.
    pub code: Code,
    /// Milestone, where it is about one.
    pub milestone: Option<String>,
    /// Leg, where one disagrees.
    pub leg: Option<Leg>,
    /// Whether it holds something back.
    pub severity: Severity,
    /// Opened on.
    pub opened_on: Date,
    /// Closed on; `None`: open.
    pub closed_on: Option<Date>,
    /// What the events said that opened it, or came while it was open: a payment's amount, a version. What can be read from the
    /// contract's present state is not kept here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) told: Vec<Difference>,
}

impl ExceptionRecord {
    fn is(&self, code: Code, milestone: Option<&str>, leg: Option<Leg>) -> bool {
        self.code == code && self.leg == leg && self.milestone.as_deref() == milestone
    }
}

impl Contract {
    pub(super) fn is_open(&self, key: &Key) -> bool {
        self.open_index(key).is_some()
    }

    fn open_index(&self, key: &Key) -> Option<usize> {
        self.open.iter().position(|index| {
            self.exceptions
                .get(*index)
                .is_some_and(|exception| exception.is(key.code, key.milestone.as_deref(), key.leg))
        })
    }

    /// Opens an exception, unless it is open or was overruled while its condition lasts.
    pub(super) fn raise(&mut self, key: Key) {
        if self.is_open(&key) || self.overruled.contains(&key) {
            return;
        }
        self.open.push(self.exceptions.len());
        self.exceptions.push(ExceptionRecord {
            code: key.code,
            severity: rules::of(key.code).severity,
            milestone: key.milestone,
            leg: key.leg,
            opened_on: self.as_of,
            closed_on: None,
            told: Vec::new(),
        });
    }

    /// Opens an exception that an event set off.
    pub(super) fn open_event(&mut self, code: Code, milestone: Option<&str>, leg: Option<Leg>) {
        self.raise(Key::new(code, milestone, leg));
    }

    /// The same of an event whose values are in nothing but the event: they are kept with the exception.
    pub(super) fn open_event_of(&mut self, code: Code, milestone: Option<&str>, told: Difference) {
        let key = Key::new(code, milestone, None);
        self.raise(key.clone());
        let place = self.open_index(&key).and_then(|open| self.open.get(open).copied());
        if let Some(exception) =
            place.and_then(|place| self.exceptions.get_mut(place)).filter(|exception| !exception.told.contains(&told))
        {
            exception.told.push(told);
        }
    }

    /// What opened an exception is over: it closes, and an overruling has done its work.
    pub(super) fn clear(&mut self, key: &Key) {
        self.overruled.retain(|overruled| overruled != key);
        self.limited.retain(|limited| limited.key != *key);
        self.shut(key);
    }

    pub(super) fn clear_code(&mut self, code: Code, milestone: &str) {
        self.clear(&Key::new(code, Some(milestone), None));
    }

    /// Whether an exception stands as its condition says: there is nothing to open or to close. Conditions are judged after
    /// every event, and most of them have not changed.
    pub(super) fn stands(&self, code: Code, milestone: Option<&str>, leg: Option<Leg>, holds: bool) -> bool {
        let overruled = self.overruled.iter().any(|key| key.is(code, milestone, leg));
        let mut open = self.open.iter().filter_map(|index| self.exceptions.get(*index));
        let known = overruled || open.any(|exception| exception.is(code, milestone, leg));
        known == holds
    }

    /// The condition of an exception holds or does not.
    pub(super) fn judge(&mut self, key: Key, holds: bool) {
        if holds { self.raise(key) } else { self.clear(&key) }
    }

    fn shut(&mut self, key: &Key) {
        let Some(open) = self.open_index(key) else { return };
        let index = self.open.remove(open);
        let today = self.as_of;
        if let Some(exception) = self.exceptions.get_mut(index) {
            exception.closed_on = Some(today);
            if exception.severity == Severity::Blocking {
                self.released.insert(exception.milestone.clone().unwrap_or_default(), today);
            }
        }
    }

    /// The values behind an exception that is or was open, in words.
    fn words_behind(&self, key: &Key) -> Vec<String> {
        let seen = self.exceptions.iter().rev();
        let known = seen.filter(|exception| exception.is(key.code, key.milestone.as_deref(), key.leg));
        known.take(1).flat_map(|exception| self.values_behind(exception)).map(|value| value.to_string()).collect()
    }

    /// Overrulings that have ended: of other values than stand there now, or whose date has come. Their exceptions open again.
    pub(super) fn end_overrulings(&mut self) {
        let has_ended = |limited: &Limited| {
            let other = limited.limits.values.as_ref().is_some_and(|were| *were != self.words_behind(&limited.key));
            other || limited.limits.until.is_some_and(|until| until <= self.as_of)
        };
        let ended: Vec<Key> =
            self.limited.iter().filter(|limited| has_ended(limited)).map(|limited| limited.key.clone()).collect();
        for key in ended {
            self.limited.retain(|limited| limited.key != key);
            self.overruled.retain(|overruled| *overruled != key);
            self.raise(key);
        }
    }

    /// The next date on which an overruling ends.
    pub(super) fn next_end_of_overruling(&self) -> Option<Date> {
        self.limited.iter().filter_map(|limited| limited.limits.until).min()
    }

    /// A reviewer closes an open exception, with a reason.
    pub(super) fn overrule(
        &mut self,
        code: &str,
        milestone: Option<&str>,
        leg: Option<Leg>,
        reason: &str,
        limits: Limits,
    ) {
        let Some(code) = Code::named(code).filter(|_| !reason.trim().is_empty()) else { return };
        let named = Key::new(code, milestone, leg);
        let key = if self.is_open(&named) {
            named
        } else {
            // One that names a split milestone means its open part; findings of a leg stand under the parent.
            let part = milestone.and_then(|id| self.find(id)).and_then(|index| self.milestones.get(index));
            Key::new(code, part.map(|part| part.id().to_owned()).as_deref().or(milestone), leg)
        };
        if !self.is_open(&key) {
            return;
        }
        self.shut(&key);
        if !rules::of(key.code).closed_by_reviewer_only(key.leg) {
            if limits != Limits::default() {
                self.limited.push(Limited { key: key.clone(), limits });
            }
            self.overruled.push(key);
        }
    }

    /// Whether a person has to say first what becomes of a milestone's documents: until then nothing more of it is issued.
    pub(super) fn is_held(&self, index: usize) -> bool {
        let Some(milestone) = self.milestones.get(index) else { return false };
        self.open.iter().filter_map(|index| self.exceptions.get(*index)).any(|exception| {
            matches!(exception.code, Code::HeldByReviewer | Code::InvoiceWithdrawn)
                && exception
                    .milestone
                    .as_ref()
                    .is_some_and(|id| id == milestone.id() || milestone.ancestors.contains(id))
        })
    }

    /// Codes of the open blocking exceptions that concern a milestone: its own, its parents', the contract's.
    pub(super) fn blocking(&self, milestone: &Milestone) -> impl Iterator<Item = Code> {
        let open = self.open.iter().filter_map(|index| self.exceptions.get(*index));
        let concerns = |exception_record: &&ExceptionRecord| {
            exception_record.severity == Severity::Blocking
                && exception_record
                    .milestone
                    .as_ref()
                    .is_none_or(|id| id == milestone.id() || milestone.ancestors.contains(id))
        };
        open.filter(concerns).map(|exception| exception.code)
    }

    /// When the last blocking exception that concerned a milestone was closed.
    pub(super) fn released_on(&self, index: usize) -> Option<Date> {
        let milestone = self.milestones.get(index)?;
        let ids = std::iter::once(milestone.id()).chain(milestone.ancestors.iter().map(String::as_str)).chain([""]);
        ids.filter_map(|id| self.released.get(id)).max().copied()
    }
}
