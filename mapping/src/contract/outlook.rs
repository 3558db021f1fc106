//! The outlook of a contract: what time alone will bring, and what an approval would have written. Both are read from a copy
//! that is played on by the same rules; the contract itself stays as it is.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::documents::IssuedDocument;
use super::state::{Contract, Stage};
use crate::fact::{Event, Fact, ReviewDecision};
use crate::money::Money;

/// What time alone will bring until a date, if nobody says anything and nothing else happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outlook {
    /// Documents that will be written, in their order.
    pub documents: Vec<IssuedDocument>,
    /// Milestones that silence will accept.
    pub deadlines: Vec<Deadline>,
}

/// A milestone that is accepted unless somebody answers in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// Milestone.
    pub milestone: String,
    /// The last day for an answer.
    pub last_day: Date,
    /// What it bills.
    pub amount: Money,
}

impl Contract {
    /// What time alone will bring until a date.
    pub fn outlook(&self, until: Date) -> Outlook {
        let mut ahead = self.clone();
        ahead.advance_to(until);
        let known = self.documents.len();
        let deadlines =
            self.milestones.iter().filter(|milestone| milestone.live() && milestone.stage == Stage::Submitted);
        Outlook {
            documents: ahead.documents.split_off(known.min(ahead.documents.len())),
            deadlines: deadlines
                .filter(|deadline| self.has_deemed_clause(deadline))
                .filter_map(|deadline| {
                    let (milestone, amount) = (deadline.id().to_owned(), self.terms.money(deadline.terms.amount));
                    deadline.window_end.map(|last_day| Deadline { milestone, last_day, amount })
                })
                .collect(),
        }
    }

    /// The contract as it would be, had a reviewer just approved a milestone as it stands; none: that cannot be said of it.
    pub fn as_if_approved(&self, milestone: &str, by: &str, now: Timestamp) -> Option<Self> {
        let shown = Some(self.shown(milestone)?);
        let (milestone, decision, by) = (milestone.to_owned(), ReviewDecision::Approve, by.to_owned());
        let mut after = self.clone();
        after.apply(&Fact::of(now, Event::Review { milestone, decision, by, shown })).ok()?;
        Some(after)
    }

    /// Why each document of a milestone was written, for that amount, on that date, due on that date.
    pub fn why(&self, milestone: &str) -> Vec<String> {
        let of_it = self.documents.iter().filter(|document| document.milestone == milestone && !document.withdrawn);
        of_it.map(|document| self.why_document(document)).collect()
    }

    /// What a milestone without an invoice waits for; nothing: it is invoiced, or there is no such milestone.
    pub fn waits_for(&self, milestone: &str) -> Vec<String> {
        let place = self.milestones.iter().position(|candidate| candidate.id() == milestone);
        let open = place.filter(|index| {
            self.milestones.get(*index).is_some_and(|milestone| milestone.counts() && !milestone.is_invoiced())
        });
        open.map(|index| self.what_it_waits_for(index)).unwrap_or_default()
    }
}
