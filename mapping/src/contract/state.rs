//! What is kept of a contract.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::billing::IssuedDocument;
use super::exceptions::{ExceptionRecord, Key};
use super::revenue::{Allocation, Position};
use crate::calendar::Calendar;
use crate::fact::{Leg, LegRecord, Shown};
use crate::money::Currency;
use crate::progress::CostReport;
use crate::reader::Reader;
use crate::terms::{InvoiceRule, MilestoneTerms, Terms, TermsErrors};

/// What is wrong with a policy.
pub type PolicyErrors = TermsErrors;

/// Which milestones wait for a person, and which legs must have been seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub(crate) review: Review,
    pub(crate) require_legs: BTreeSet<Leg>,
}

/// Which milestones wait for an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Review {
    /// Every one.
    All,
    /// None.
    None,
    /// Those of this many minor units or more.
    Over(i64),
}

impl Default for Policy {
    fn default() -> Self {
        Self { review: Review::None, require_legs: BTreeSet::new() }
    }
}

impl Policy {
    /// Reads a policy in the words of section 9: `review`, `review_over`, `require_legs`.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_value(value: Value, currency: Currency) -> Result<Self, PolicyErrors> {
        let mut problems = Vec::new();
        let Some(mut reader) = Reader::new(value, "policy".into(), &mut problems) else {
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
        // The agreement is what is being run: it is there.
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
        if problems.is_empty() { Ok(Self { review, require_legs }) } else { Err(TermsErrors(problems)) }
    }
}

/// One contract: terms, and everything that follows from its facts up to [`Contract::as_of`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    pub(crate) terms: Terms,
    pub(crate) policy: Policy,
    pub(crate) calendar: Calendar,
    /// Local date that has begun.
    pub(crate) as_of: Date,
    /// Facts applied so far.
    pub(crate) changes: u64,
    pub(crate) version: u32,
    pub(crate) total: i64,
    pub(crate) cap: Option<i64>,
    /// Contract order; the parts of a split milestone stand in its place.
    pub(crate) milestones: Vec<Milestone>,
    /// Split milestones: id to the id of the open part.
    pub(crate) split: BTreeMap<String, String>,
    /// By metric: rising readings and the date of each.
    pub(crate) readings: BTreeMap<String, Vec<(Decimal, Date)>>,
    /// By obligation: the latest cost report.
    pub(crate) costs: BTreeMap<String, CostReport>,
    /// Latest observation of each leg.
    pub(crate) legs: BTreeMap<Leg, LegRecord>,
    /// The latest ERP observation had another deferred balance than we had then.
    pub(crate) deferred_variance: bool,
    /// Unsigned amendment versions above the present one.
    pub(crate) unsigned: BTreeSet<u32>,
    pub(crate) allocation: Allocation,
    pub(crate) documents: Vec<IssuedDocument>,
    /// By invoice number: payments applied.
    pub(crate) payments: BTreeMap<String, i64>,
    pub(crate) exceptions: Vec<ExceptionRecord>,
    /// Places of open exceptions.
    pub(crate) open: Vec<usize>,
    /// Overruled ones whose condition lasts.
    pub(crate) overruled: Vec<Key>,
    /// When the last blocking exception of a milestone (empty: of the contract) was closed.
    pub(crate) released: BTreeMap<String, Date>,
    /// Position at the end of each date on which it changed.
    pub(crate) positions: Vec<(Date, Position)>,
}

/// A milestone and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Milestone {
    pub(crate) terms: MilestoneTerms,
    /// The agreement's milestone that this is (a part of).
    pub(crate) root: String,
    /// The milestones that this is a part of, outermost first.
    pub(crate) ancestors: Vec<String>,
    /// Date of the amendment that brought it in.
    pub(crate) brought_in: Option<Date>,
    pub(crate) cancelled_on: Option<Date>,
    pub(crate) stage: Stage,
    pub(crate) on_file: BTreeSet<String>,
    /// Where the latest window began.
    pub(crate) window_start: Option<Date>,
    /// Last day of the window that runs.
    pub(crate) window_end: Option<Date>,
    /// The present submission is a resubmission.
    pub(crate) resubmitted: bool,
    /// Resubmissions that were rejected.
    pub(crate) failed_cures: u32,
    pub(crate) cure_due: Option<Date>,
    pub(crate) exhausted: bool,
    pub(crate) accepted_on: Option<Date>,
    pub(crate) deemed: bool,
    pub(crate) document: Option<String>,
    pub(crate) vendor_approved_on: Option<Date>,
    pub(crate) customer_approved_on: Option<Date>,
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
    pub(crate) invoiced_on: Option<Date>,
    pub(crate) due_on: Option<Date>,
    /// Invoices less credit memos.
    pub(crate) billed: i64,
    pub(crate) credit_memos: u32,
    pub(crate) supplements: u32,
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

impl fmt::Display for MilestoneStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// An acceptance as it came.
pub(super) struct Accepted<'a> {
    pub(super) role: Option<&'a str>,
    pub(super) document: Option<&'a str>,
    pub(super) portion: Option<i64>,
}

impl Milestone {
    pub(super) fn new(terms: MilestoneTerms, brought_in: Option<Date>) -> Self {
        Self {
            root: terms.id.clone(),
            terms,
            ancestors: Vec::new(),
            brought_in,
            cancelled_on: None,
            stage: Stage::Pending,
            on_file: BTreeSet::new(),
            window_start: None,
            window_end: None,
            resubmitted: false,
            failed_cures: 0,
            cure_due: None,
            exhausted: false,
            accepted_on: None,
            deemed: false,
            document: None,
            vendor_approved_on: None,
            customer_approved_on: None,
            approved_on: None,
            approved: None,
            void_approval: None,
            ready_on: None,
            invoiced_on: None,
            due_on: None,
            billed: 0,
            credit_memos: 0,
            supplements: 0,
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

    pub(super) fn evidence_complete(&self) -> bool {
        self.terms.evidence.is_subset(&self.on_file)
    }

    /// The contract's own words.
    pub(super) fn description(&self) -> &str {
        self.terms.description.as_deref().unwrap_or(&self.terms.name)
    }
}

impl Contract {
    /// Opens a contract on a day: what is known at load opens on it, and what that day brings by itself has happened.
    pub fn open(terms: Terms, policy: Policy, calendar: Calendar, first_day: Date) -> Self {
        let milestones = terms.milestones.iter().map(|milestone| Milestone::new(milestone.clone(), None)).collect();
        let mut contract = Self {
            version: terms.version,
            total: terms.total,
            cap: terms.cap,
            terms,
            policy,
            calendar,
            as_of: first_day,
            changes: 0,
            milestones,
            split: BTreeMap::new(),
            readings: BTreeMap::new(),
            costs: BTreeMap::new(),
            legs: BTreeMap::new(),
            deferred_variance: false,
            unsigned: BTreeSet::new(),
            allocation: Allocation::default(),
            documents: Vec::new(),
            payments: BTreeMap::new(),
            exceptions: Vec::new(),
            open: Vec::new(),
            overruled: Vec::new(),
            released: BTreeMap::new(),
            positions: Vec::new(),
        };
        contract.allocate();
        contract.open_at_load();
        contract.begin_day();
        contract
    }

    /// Place of the milestone that an event names: its own id, or the open part of a split one. Cancelled ones are gone.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let mut id = id;
        while let Some(part) = self.split.get(id) {
            id = part;
        }
        self.milestones.iter().position(|milestone| milestone.id() == id && milestone.live())
    }

    /// Whether a milestone of this id exists or existed.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.split.contains_key(id) || self.milestones.iter().any(|milestone| milestone.id() == id)
    }

    /// Usage is a running record: only a reading above all before it can meet a threshold first.
    pub(super) fn read_meter(&mut self, metric: &str, value: Decimal) {
        let today = self.as_of;
        let readings = self.readings.entry(metric.to_owned()).or_default();
        if readings.last().is_none_or(|(highest, _)| value > *highest) {
            readings.push((value, today));
        }
    }

    /// The rule that says when this milestone's invoice is written.
    pub(super) fn invoice_rule(&self, index: usize) -> InvoiceRule {
        self.milestones.get(index).map_or(InvoiceRule::OnCompletion, |milestone| milestone.terms.invoice)
    }
}
