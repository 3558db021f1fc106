//! What is kept of a contract.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::books::Books;
use super::documents::{IssuedDocument, Payment};
use super::exceptions::{ExceptionRecord, Key, Limited};
use super::revenue::Allocation;
use crate::calendar::Calendar;
use crate::fact::{Amendment, Leg, LegRecord, Shown};
use crate::money::{Currency, Minor, Money};
use crate::problem::Problem;
use crate::progress::CostReport;
use crate::reader::Reader;
use crate::schema::FileKind;
use crate::terms::{MilestoneTerms, Terms, TermsErrors};

/// What is wrong with a policy.
pub type PolicyErrors = TermsErrors;

/// Which milestones wait for a person, and which legs must have been seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub(crate) review: Review,
    pub(crate) require_legs: BTreeSet<Leg>,
    /// After a change order of a contract of at least the amount of [`Review::Over`] every milestone waits for an approval,
    /// so that splitting one does not go around it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) orders: bool,
}

/// Which milestones wait for an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Review {
    /// Every one.
    All,
    /// None.
    None,
    /// Those of this many minor units or more.
    Over(Minor),
}

impl Default for Policy {
    fn default() -> Self {
        Self { review: Review::None, require_legs: BTreeSet::new(), orders: false }
    }
}

impl Policy {
    /// Reads a policy in the words of section 9: `review`, `review_over`, `require_legs`.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_value(value: Value, currency: Currency) -> Result<Self, PolicyErrors> {
        let mut problems = Vec::new();
        let Some(mut reader) = Reader::new(value, "policy".into(), FileKind::Terms, &mut problems) else {
            return Err(TermsErrors(problems));
        };
        let kind = reader.choice("review", &[("none", 0_u8), ("all", 1), ("over", 2)], 0);
        let over = reader.amount("review_over", currency);
        let mut require_legs = BTreeSet::new();
        for leg in reader.texts("require_legs") {
            match leg.as_str() {
                "crm" => require_legs.insert(Leg::Crm),
                "psa" => require_legs.insert(Leg::Psa),
                "erp" => require_legs.insert(Leg::Erp),
                "agreement" => require_legs.insert(Leg::Agreement),
                _ => {
                    reader.wrong("require_legs", format!("{leg:?} is none of crm, psa, erp"));
                    false
                }
            };
        }
        // The agreement is not asked for: it is the contract that is being decided about.
        require_legs.remove(&Leg::Agreement);
        let review = match (kind, over) {
            (1, _) => Review::All,
            (2, Some(over)) => Review::Over(over),
            (2, None) => {
                reader.wrong("review_over", "is missing: review \"over\" needs it");
                Review::None
            }
            _ => Review::None,
        };
        reader.finish();
        if problems.is_empty() { Ok(Self { review, require_legs, orders: false }) } else { Err(TermsErrors(problems)) }
    }

    /// Where it asks for less than `floor` in the same currency; nothing, where it asks for as much or more.
    pub fn below(&self, floor: &Self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, reason: String| problems.push(FileKind::Terms.problem(field, reason));
        match (floor.review, self.review) {
            (Review::None, _) | (_, Review::All) => {}
            (Review::Over(least), Review::Over(own)) if own <= least => {}
            (Review::Over(_), Review::Over(_)) => {
                wrong("policy.review_over", "is above the amount of the company's policy".into());
            }
            (Review::All | Review::Over(_), Review::None | Review::Over(_)) => {
                wrong("policy.review", "lets more go without an approval than the company's policy".into());
            }
        }
        for leg in floor.require_legs.difference(&self.require_legs) {
            wrong("policy.require_legs", format!("lacks {leg}, which the company's policy requires"));
        }
        problems
    }

    /// The same; what a change order leaves to be billed of a contract of at least the amount from which approvals are needed
    /// waits for one, however small its parts.
    #[must_use]
    pub fn approving_orders(self) -> Self {
        Self { orders: matches!(self.review, Review::Over(_)), ..self }
    }

    /// Whether what is worth this much in the contract's currency needs an approval.
    pub fn asks_for(&self, amount: Money) -> bool {
        match self.review {
            Review::All => true,
            Review::None => false,
            Review::Over(limit) => amount.units() >= limit,
        }
    }

    /// The same, with an approval of every milestone.
    #[must_use]
    pub fn approving_all(self) -> Self {
        Self { review: Review::All, ..self }
    }
}

/// One contract: terms, and everything that follows from its facts up to [`Contract::as_of`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// As filed, and what change orders have set since, but for milestones, total, cap and version.
    pub(crate) terms: Terms,
    pub(crate) policy: Policy,
    pub(crate) calendar: Calendar,
    pub(crate) phase: Phase,
    /// The first day of the run.
    pub(crate) begins_on: Date,
    /// What became known until then was known when the contract was filed; `None`: all that has the first day's date.
    #[serde(default)]
    pub(crate) filed_until: Option<Timestamp>,
    /// Local date that has begun.
    pub(crate) as_of: Date,
    /// The instant of the latest event; what had expired when it became known is judged after the last event of an instant.
    pub(crate) instant: Option<Timestamp>,
    /// Facts applied so far.
    pub(crate) changes: u64,
    pub(crate) version: u32,
    pub(crate) total: Minor,
    pub(crate) cap: Option<Minor>,
    /// Date of the latest change order: none is dated before it.
    pub(crate) amended_on: Option<Date>,
    /// Change orders whose date is ahead, in the order of their dates.
    pub(crate) waiting: Vec<(Date, Amendment)>,
    /// Contract order; the parts of a split milestone stand in its place.
    pub(crate) milestones: Vec<Milestone>,
    /// Milestones that need an approval although each is below the amount of the policy: others count with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) asked: BTreeSet<String>,
    /// Split milestones: id to the id of the open part.
    pub(crate) split: BTreeMap<String, String>,
    /// By metric: readings, each above all of earlier dates.
    pub(crate) readings: BTreeMap<String, Vec<(Date, Decimal)>>,
    /// By obligation: cost reports, one a date.
    pub(crate) costs: BTreeMap<String, Vec<(Date, CostReport)>>,
    /// Latest observation of each leg.
    pub(crate) legs: BTreeMap<Leg, LegRecord>,
    /// The latest ERP observation had another deferred balance than we had then.
    pub(crate) deferred_variance: bool,
    /// Unsigned amendment versions above the present one.
    pub(crate) unsigned: BTreeSet<u32>,
    /// Allocations of the transaction price, in the order of the dates from which they are in force.
    pub(crate) allocations: Vec<Allocation>,
    pub(crate) documents: Vec<IssuedDocument>,
    pub(crate) payments: Vec<Payment>,
    /// What was paid and belongs to no document of ours, or exceeds one: it counts when its invoice is adopted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unmatched: Vec<Payment>,
    pub(crate) exceptions: Vec<ExceptionRecord>,
    /// Places of open exceptions.
    pub(crate) open: Vec<usize>,
    /// Overruled ones whose condition lasts.
    pub(crate) overruled: Vec<Key>,
    /// Of those the ones that end by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) limited: Vec<Limited>,
    /// When the last blocking exception of a milestone (empty: of the contract) was closed.
    pub(crate) released: BTreeMap<String, Date>,
    pub(crate) books: Books,
}

/// How far a contract has come into the hands of milestoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Its history is taken.
    History,
    /// Its first day has not begun: what was known when it was filed is taken, and nothing is judged or issued.
    Filed,
    /// Its first day has begun.
    Running,
}

/// A milestone and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Milestone {
    pub(crate) terms: MilestoneTerms,
    /// Terms that change orders replaced, each with the date before which it was in force.
    pub(crate) former: Vec<(Date, MilestoneTerms)>,
    /// The agreement's milestone that this is (a part of).
    pub(crate) root: String,
    /// The milestones that this is a part of, outermost first.
    pub(crate) ancestors: Vec<String>,
    /// Date of the amendment that brought it in.
    pub(crate) brought_in: Option<Date>,
    pub(crate) cancelled_on: Option<Date>,
    pub(crate) stage: Stage,
    /// Date of the latest completion notice.
    pub(crate) notice_on: Option<Date>,
    /// Evidence on file, and since when.
    pub(crate) on_file: BTreeMap<String, Date>,
    /// The change order that brought the clause by which silence accepts it.
    pub(crate) deemed_since: Option<Date>,
    /// Where the latest window began.
    pub(crate) window_start: Option<Date>,
    /// Last day of the window that runs, or whose silence was acceptance.
    pub(crate) window_end: Option<Date>,
    /// The present submission is a resubmission.
    pub(crate) resubmitted: bool,
    /// Resubmissions that were rejected.
    pub(crate) failed_cures: u32,
    /// Date of the latest rejection.
    pub(crate) rejected_on: Option<Date>,
    pub(crate) cure_due: Option<Date>,
    pub(crate) exhausted: bool,
    pub(crate) accepted_on: Option<Date>,
    pub(crate) deemed: bool,
    /// The date on which its revenue was booked.
    pub(crate) booked_on: Option<Date>,
    /// Date of a rejection that was known only after its silence had been taken for acceptance.
    pub(crate) rejected_in_time: Option<Date>,
    pub(crate) document: Option<String>,
    pub(crate) vendor_approved_on: Option<Date>,
    pub(crate) customer_approved_on: Option<Date>,
    /// External events that named it: the first date of each name.
    pub(crate) events: BTreeMap<String, Date>,
    /// Approval of a reviewer.
    pub(crate) approved_on: Option<Date>,
    /// What the reviewer was shown who approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approved: Option<Shown>,
    /// Of what an approval was that a change made void; until a reviewer decides again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) void_approval: Option<Shown>,
    /// Since when everything that its invoice needs has been together.
    pub(crate) ready_on: Option<Date>,
    /// Its billing-cycle day came on a closed date: its invoice waits for the first open date, and for no other cycle day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cycle_day_closed: bool,
    pub(crate) billing: Billing,
}

/// What was billed of a milestone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Billing {
    /// Date and due date of the first invoice that counts.
    pub(crate) invoiced_on: Option<Date>,
    pub(crate) due_on: Option<Date>,
    /// Documents that are out: date and signed amount.
    pub(crate) documents: Vec<(Date, Minor)>,
    /// The plain number was used: what is invoiced again is numbered as a supplementary invoice.
    pub(crate) numbered: bool,
    /// What was invoiced was taken back, so that what is invoiced again is neither capped nor, after a withdrawal, waits for a
    /// billing-cycle day.
    pub(crate) taken_back: Option<TakenBack>,
    /// An acceptance was undone and credited: it is neither accepted in part nor adopted any more.
    pub(crate) undone: bool,
    /// A document was withdrawn.
    pub(crate) withdrawn: bool,
    /// The first of the contract's documents that counts: after an acceptance was undone those before do not.
    pub(crate) counts_from: usize,
    /// The trigger's date when it was invoiced, where it has several conditions.
    pub(crate) fired_on: Option<Date>,
    /// Since when it had the trigger under which it was invoiced then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fired_under: Option<Date>,
    /// A part of it was kept back.
    pub(crate) retains: bool,
    /// The retainage invoice is out.
    pub(crate) retainage_out: bool,
    pub(crate) credit_memos: u32,
    pub(crate) supplements: u32,
    pub(crate) retainage_invoices: u32,
}

/// Why an invoice that was out does not count any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TakenBack {
    Undone,
    Withdrawn,
}

impl Billing {
    /// Invoices less credit memos.
    pub(crate) fn billed(&self) -> Minor {
        self.documents.iter().map(|(_, amount)| *amount).sum()
    }

    /// Invoices less credit memos that are dated on or before a date.
    pub(crate) fn billed_by(&self, day: Date) -> Minor {
        self.documents.iter().filter(|(date, _)| *date <= day).map(|(_, amount)| *amount).sum()
    }
}

/// How far acceptance has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    Pending,
    Submitted,
    Rejected,
    Accepted,
}

/// How far a milestone has come, of acceptance and billing together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneStatus {
    /// Accepted, not billed.
    Accepted,
    /// Removed by an amendment.
    Cancelled,
    /// Billed.
    Invoiced,
    /// Paid in full.
    Paid,
    /// Nothing was submitted.
    Pending,
    /// Rejected, to be cured.
    Rejected,
    /// Submitted, the customer's turn.
    Submitted,
}

impl MilestoneStatus {
    /// The word for it, everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Cancelled => "cancelled",
            Self::Invoiced => "invoiced",
            Self::Paid => "paid",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Submitted => "submitted",
        }
    }
}

impl From<Stage> for MilestoneStatus {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Pending => Self::Pending,
            Stage::Submitted => Self::Submitted,
            Stage::Rejected => Self::Rejected,
            Stage::Accepted => Self::Accepted,
        }
    }
}

impl fmt::Display for MilestoneStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// An acceptance as it came.
pub(super) struct Accepted<'a> {
    pub(super) on: Date,
    pub(super) role: Option<&'a str>,
    pub(super) document: Option<&'a str>,
    pub(super) portion: Option<Minor>,
}

impl Milestone {
    pub(super) fn new(terms: MilestoneTerms, brought_in: Option<Date>) -> Self {
        Self {
            root: terms.id.clone(),
            terms,
            former: Vec::new(),
            ancestors: Vec::new(),
            brought_in,
            cancelled_on: None,
            stage: Stage::Pending,
            notice_on: None,
            on_file: BTreeMap::new(),
            deemed_since: None,
            window_start: None,
            window_end: None,
            resubmitted: false,
            failed_cures: 0,
            rejected_on: None,
            cure_due: None,
            exhausted: false,
            accepted_on: None,
            deemed: false,
            booked_on: None,
            rejected_in_time: None,
            document: None,
            vendor_approved_on: None,
            customer_approved_on: None,
            events: BTreeMap::new(),
            approved_on: None,
            approved: None,
            void_approval: None,
            ready_on: None,
            cycle_day_closed: false,
            billing: Billing::default(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.terms.id
    }

    pub(super) fn live(&self) -> bool {
        self.cancelled_on.is_none()
    }

    /// Live and billable: it has a place in the schedule.
    pub(super) fn counts(&self) -> bool {
        self.live() && self.terms.billable
    }

    pub(super) fn is_invoiced(&self) -> bool {
        self.billing.invoiced_on.is_some()
    }

    /// Whether this is the milestone of an id, or a part of it.
    pub(super) fn is_of(&self, id: &str) -> bool {
        self.terms.id == id || self.ancestors.iter().any(|parent| parent == id)
    }

    pub(super) fn evidence_complete(&self) -> bool {
        self.missing_evidence().next().is_none()
    }

    /// Required artefacts that are not on file.
    pub(super) fn missing_evidence(&self) -> impl Iterator<Item = &str> {
        self.terms.evidence.iter().filter(|artefact| !self.on_file.contains_key(*artefact)).map(String::as_str)
    }

    /// The contract's own words.
    pub(super) fn description(&self) -> &str {
        self.terms.wording()
    }

    /// It is invoiced: its trigger's date stays as it is under this trigger, and under those that follow.
    pub(super) fn fix_trigger(&mut self, fired_on: Option<Date>) {
        let other = |terms: &MilestoneTerms| terms.trigger != self.terms.trigger || terms.advance != self.terms.advance;
        let since = self.former.iter().rev().find(|(_, terms)| other(terms)).map(|(until, _)| *until);
        self.billing.fired_on = fired_on;
        self.billing.fired_under = since;
    }

    /// The terms in force at the end of a date; `None` where it was not there then.
    pub(super) fn terms_at(&self, day: Date) -> Option<&MilestoneTerms> {
        let there = self.brought_in.is_none_or(|on| on <= day) && self.cancelled_on.is_none_or(|on| on > day);
        let former = self.former.iter().find(|(until, _)| day < *until).map(|(_, terms)| terms);
        there.then_some(former.unwrap_or(&self.terms))
    }
}

impl Contract {
    /// Takes a contract over on a day: its history is taken. What is known when it is filed may follow; then its first day
    /// begins, at the latest with whatever else happens.
    ///
    /// # Errors
    /// A history item that the terms or the day do not allow.
    pub fn open(terms: Terms, policy: Policy, calendar: Calendar, first_day: Date) -> Result<Self, Problem> {
        let milestones = terms.milestones.iter().map(|milestone| Milestone::new(milestone.clone(), None)).collect();
        let mut contract = Self {
            version: terms.version,
            total: terms.total,
            cap: terms.cap,
            amended_on: None,
            waiting: Vec::new(),
            policy,
            calendar,
            filed_until: None,
            phase: Phase::History,
            begins_on: first_day,
            as_of: first_day,
            instant: None,
            changes: 0,
            milestones,
            asked: BTreeSet::new(),
            split: BTreeMap::new(),
            readings: BTreeMap::new(),
            costs: BTreeMap::new(),
            legs: BTreeMap::new(),
            deferred_variance: false,
            unsigned: BTreeSet::new(),
            allocations: Vec::new(),
            documents: Vec::new(),
            payments: Vec::new(),
            unmatched: Vec::new(),
            exceptions: Vec::new(),
            open: Vec::new(),
            overruled: Vec::new(),
            limited: Vec::new(),
            released: BTreeMap::new(),
            books: Books::default(),
            terms,
        };
        contract.allocate(Date::MIN);
        contract.take_over()?;
        contract.phase = Phase::Filed;
        Ok(contract)
    }

    /// The contract on a day before its first one.
    #[must_use]
    pub(crate) fn before(self, day: Date) -> Self {
        Self { as_of: day, ..self }
    }

    /// Place of the milestone that an event names: its own id, or the open part of a split one. Cancelled ones are gone.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let id = self.open_part(id);
        self.milestones.iter().position(|milestone| milestone.id() == id && milestone.live())
    }

    /// The id itself, or that of the open part of a split milestone.
    pub(super) fn open_part<'a>(&'a self, id: &'a str) -> &'a str {
        let mut id = id;
        while let Some(part) = self.split.get(id) {
            id = part;
        }
        id
    }

    /// Whether a milestone of this id exists or existed.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.split.contains_key(id) || self.milestones.iter().any(|milestone| milestone.id() == id)
    }

    /// Usage is a running record: of the readings those stay that are above all of earlier dates.
    pub(super) fn read_meter(&mut self, metric: &str, value: Decimal, on: Date) {
        let readings = self.readings.entry(metric.to_owned()).or_default();
        let place = readings.partition_point(|(date, _)| *date <= on);
        let known = place.checked_sub(1).and_then(|place| readings.get(place));
        if known.is_some_and(|(_, highest)| *highest >= value) {
            return;
        }
        // One that is not above it and not before it is met by it first.
        let from = readings.partition_point(|(date, _)| *date < on);
        let upto = readings.partition_point(|(date, other)| *date < on || *other <= value);
        readings.splice(from..upto, [(on, value)]);
    }

    /// The date of the first reading at or above a threshold.
    pub(super) fn reached(&self, metric: &str, threshold: Decimal) -> Option<Date> {
        self.readings.get(metric)?.iter().find(|(_, value)| *value >= threshold).map(|(date, _)| *date)
    }
}
