//! Facts: what the outside told us about one contract. Their JSON form is section 9 of the billing rules.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// One thing that happened, in the words of section 9: `{"at": …, "type": …, …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// When it became known. Dates derived from it belong to the contract's time zone.
    pub at: Timestamp,
    /// The local date on which it happened, where that is another one; an adopted invoice's own date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Date>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Fact {
    /// Something that happened on the day on which it became known.
    pub fn of(at: Timestamp, event: Event) -> Self {
        Self { at, on: None, event }
    }

    /// Whether it may be known before a contract's first day begins: what the legs say, what others billed, what a reviewer
    /// says.
    pub fn is_known_at_filing(&self) -> bool {
        matches!(self.event, Event::Adopted { .. } | Event::Observed(_) | Event::Review { .. })
    }
}

/// Something that happened before the contract came here, section 11: an event without the instant at which it became known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Past {
    /// The local date on which it happened.
    pub(crate) on: Date,
    /// What happened.
    #[serde(flatten)]
    pub(crate) event: Event,
}

/// The closed list of things that can happen to a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The customer accepted a milestone, or a portion of it.
    Accepted {
        /// The milestone's id in the agreement.
        milestone: String,
        /// Who accepted.
        by: String,
        /// In which role.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// Link to the acceptance document.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        document: Option<String>,
        /// The part of the amount that is accepted, in the contract's currency; absent: all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        portion: Option<DecimalText>,
    },
    /// An invoice that somebody else wrote is the milestone's invoice.
    Adopted {
        /// The milestone's id.
        milestone: String,
        /// The invoice's number.
        number: String,
        /// When it is due; absent: by the payment terms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_on: Option<Date>,
        /// Its amount, in the contract's currency; absent: what the milestone's invoice would bear.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<DecimalText>,
        /// Who says so.
        #[serde(default)]
        by: String,
        /// Why.
        #[serde(default)]
        reason: String,
        /// Taken as the ERP shows it: our invoice gives way to it where it is void there and nobody has paid it, and what was
        /// paid on this one before counts.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        as_in_erp: bool,
    },
    /// A change order.
    Amended(Amendment),
    /// One party approved a milestone in a workflow.
    Approved {
        /// The milestone's id.
        milestone: String,
        /// Which party.
        party: Party,
        /// Who.
        by: String,
    },
    /// A cost report of an obligation measured by cost.
    Cost {
        /// The obligation's id.
        obligation: String,
        /// Cost incurred to date, in the contract's currency.
        incurred: DecimalText,
        /// Cost still expected, in the contract's currency.
        estimate_to_complete: DecimalText,
        /// Of what was incurred: materials that are not installed yet; they earn revenue at cost. Absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uninstalled_materials: Option<DecimalText>,
    },
    /// Evidence artefacts arrived.
    Evidence {
        /// The milestone's id.
        milestone: String,
        /// Names of artefacts, matched exactly.
        evidence: Vec<String>,
    },
    /// A system event that is the acceptance of a milestone with `completion = "external_event"`.
    ExternalEvent {
        /// The milestone's id.
        milestone: String,
        /// What happened; informs only.
        #[serde(default)]
        name: String,
    },
    /// A leg was read and says this. It replaces the leg's former observation whole.
    Observed(Observation),
    /// A reviewer closes an open exception.
    Overrule {
        /// Code of the exception.
        code: String,
        /// Its milestone, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        milestone: Option<String>,
        /// Its leg, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leg: Option<Leg>,
        /// Who.
        by: String,
        /// Why; without a reason it does nothing.
        #[serde(default)]
        reason: String,
        /// The values that the reviewer was shown, in words: when another one stands behind the exception, it opens again.
        /// Absent: it stays closed for as long as its condition lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        values: Option<Vec<String>>,
        /// The date on which it opens again, if its condition lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Date>,
        /// What the exception held back, in the contract's currency: two people decide about large amounts, and several small
        /// overrulings count together. Absent: it held back nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<DecimalText>,
    },
    /// Money came in for an invoice.
    Payment {
        /// Number of the invoice.
        invoice: String,
        /// Amount in the contract's currency.
        amount: DecimalText,
        /// What tells it from other payments; one that is known already changes nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// A payment is taken back: it bounced, or was booked in error.
    PaymentReversed {
        /// The payment's id.
        id: String,
    },
    /// Dates through this one are closed, for good.
    PeriodClosed {
        /// The last closed date.
        through: Date,
    },
    /// The customer rejected a milestone.
    Rejected {
        /// The milestone's id.
        milestone: String,
        /// Who.
        by: String,
        /// In which role.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// Criteria that were not met.
        #[serde(default)]
        criteria: Vec<String>,
    },
    /// A reviewer's decision on a milestone that waits for one.
    Review {
        /// The milestone's id.
        milestone: String,
        /// The decision; the latest counts.
        decision: ReviewDecision,
        /// Who.
        by: String,
        /// What was approved; absent: whatever stands there when the approval counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
    },
    /// The completion notice.
    Submitted {
        /// The milestone's id.
        milestone: String,
        /// Who.
        #[serde(default)]
        by: String,
        /// Names of artefacts that came with it.
        #[serde(default)]
        evidence: Vec<String>,
    },
    /// A reading of a usage meter.
    Usage {
        /// The metric's name.
        metric: String,
        /// The reading.
        value: DecimalText,
    },
    /// A document of ours that never reached the ERP is taken back.
    Withdrawn {
        /// Its number.
        number: String,
        /// Who says so.
        #[serde(default)]
        by: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
}

impl Event {
    /// Its type, as it is written down.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Adopted { .. } => "adopted",
            Self::Amended(_) => "amended",
            Self::Approved { .. } => "approved",
            Self::Cost { .. } => "cost",
            Self::Evidence { .. } => "evidence",
            Self::ExternalEvent { .. } => "external_event",
            Self::Observed(_) => "observed",
            Self::Overrule { .. } => "overrule",
            Self::Payment { .. } => "payment",
            Self::PaymentReversed { .. } => "payment_reversed",
            Self::PeriodClosed { .. } => "period_closed",
            Self::Rejected { .. } => "rejected",
            Self::Review { .. } => "review",
            Self::Submitted { .. } => "submitted",
            Self::Usage { .. } => "usage",
            Self::Withdrawn { .. } => "withdrawn",
        }
    }

    /// The person behind it, where one is named, and what that person wrote. Nothing follows from either.
    pub fn person(&mut self) -> Option<(&mut String, Option<&mut String>)> {
        match self {
            Self::Adopted { by, reason, .. }
            | Self::Overrule { by, reason, .. }
            | Self::Withdrawn { by, reason, .. } => Some((by, Some(reason))),
            Self::Accepted { by, .. }
            | Self::Approved { by, .. }
            | Self::Rejected { by, .. }
            | Self::Review { by, .. }
            | Self::Submitted { by, .. } => Some((by, None)),
            Self::Amended(_)
            | Self::Cost { .. }
            | Self::Evidence { .. }
            | Self::ExternalEvent { .. }
            | Self::Observed(_)
            | Self::Payment { .. }
            | Self::PaymentReversed { .. }
            | Self::PeriodClosed { .. }
            | Self::Usage { .. } => None,
        }
    }

    /// Whether it may say on which date it happened.
    pub fn has_date(&self) -> bool {
        !matches!(
            self,
            Self::Observed(_)
                | Self::Overrule { .. }
                | Self::PeriodClosed { .. }
                | Self::Review { .. }
                | Self::Withdrawn { .. }
        )
    }

    /// The milestone that it names.
    pub fn milestone(&self) -> Option<&str> {
        match self {
            Self::Accepted { milestone, .. }
            | Self::Adopted { milestone, .. }
            | Self::Approved { milestone, .. }
            | Self::Evidence { milestone, .. }
            | Self::ExternalEvent { milestone, .. }
            | Self::Rejected { milestone, .. }
            | Self::Review { milestone, .. }
            | Self::Submitted { milestone, .. } => Some(milestone),
            Self::Amended(_)
            | Self::Cost { .. }
            | Self::Observed(_)
            | Self::Overrule { .. }
            | Self::Payment { .. }
            | Self::PaymentReversed { .. }
            | Self::PeriodClosed { .. }
            | Self::Usage { .. }
            | Self::Withdrawn { .. } => None,
        }
    }
}

/// The highest version that a change order may have.
pub(crate) const HIGHEST_VERSION: u32 = 100_000;

/// A change order, section 6 of the rules. Items are kept as they came; the core reads them with the contract's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// Its version; a version not above the present one is stale.
    pub version: u32,
    /// Whether it is signed.
    pub signed: bool,
    /// The new transaction price; absent: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<DecimalText>,
    /// The new cap; absent: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<DecimalText>,
    /// How revenue follows.
    #[serde(default)]
    pub treatment: Treatment,
    /// Milestones that come in, in the words of section 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<serde_json::Value>,
    /// Milestones that change: `id` and the fields that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub change: Vec<serde_json::Value>,
    /// Ids of milestones that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// The customer's new name; this and what follows: absent: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The new purchase order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub po_number: Option<String>,
    /// The new payment terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_terms: Option<String>,
    /// `invoice` or `acceptance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_terms_from: Option<String>,
    /// The new billing-cycle day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_cycle_day: Option<u32>,
    /// Whether milestones may be accepted in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_acceptance: Option<bool>,
    /// Items of the acceptance table that change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<serde_json::Value>,
    /// Obligations that change, or come in: `id` and fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<serde_json::Value>,
}

/// How an amendment moves revenue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// The difference is booked on the amendment's date.
    #[default]
    CatchUp,
    /// What was recognised stays; the rest is allocated anew.
    Prospective,
}

/// A party to a two-party workflow approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Who receives the work.
    Customer,
    /// Who delivers it.
    Vendor,
}

/// A reviewer's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// May be invoiced.
    Approve,
    /// Needs an approval, however small: together with others it is more than goes out without one.
    Ask,
    /// Waits; withdraws an approval.
    Hold,
    /// Takes back an acceptance by silence that was rejected in time.
    Undo,
    /// An approval counts no more: who gave it has had a hand since in what would be billed.
    Void,
}

/// What a reviewer was shown: an approval is of exactly this, and ends when any of it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Amendment version of the contract.
    pub version: u32,
    /// The milestone's amount, in the contract's currency.
    pub amount: DecimalText,
    /// The contract's customer.
    pub customer: String,
    /// Digest of the milestone's terms and of what its invoice takes from the contract's.
    pub terms: String,
    /// What the legs said of the contract and the milestone, by leg and field, such as `crm amount`. Absent in approvals of
    /// before it was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legs: Option<BTreeMap<String, String>>,
}

impl Shown {
    /// Whether an approval of this is one of what stands there `now`: what was not shown then is not compared.
    pub fn is_of(&self, now: &Self) -> bool {
        let legs = self.legs.is_none() || self.legs == now.legs;
        legs && *self == Self { legs: self.legs.clone(), ..now.clone() }
    }
}

/// One of the four sources of truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// Signed terms: what may be billed.
    Agreement,
    /// What sales closed.
    Crm,
    /// What was delivered and accepted.
    Psa,
    /// What was invoiced, paid, recognised.
    Erp,
}

/// What a leg says. A field that is absent is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// Which leg.
    pub leg: Leg,
    /// What it says.
    pub record: LegRecord,
}

/// The record of one leg, section 9: all fields optional, one shape for all legs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegRecord {
    /// CRM stage; `closed_won` is the one that bills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Contract amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<DecimalText>,
    /// ISO 4217 code, as the leg has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Customer's name, as the leg has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// `net N` or `due on receipt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_terms: Option<String>,
    /// Amendment version that the leg knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Acceptance window of the contract, in business days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_days: Option<u32>,
    /// Whether silence is acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deemed: Option<bool>,
    /// Completion rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// The leg's milestones; absent: the leg lists none, empty: it lacks them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestones: Option<Vec<LegMilestone>>,
    /// ERP: invoices of this contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoices: Option<Vec<LegInvoice>>,
    /// ERP: revenue recognised by milestone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognised: Option<Vec<LegRecognition>>,
    /// ERP: balance of deferred revenue of this contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_balance: Option<DecimalText>,
    /// ERP: its record of the customer, where a person or the configuration has said which one it is; `new`: one is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_record: Option<String>,
    /// Ids that two records of the leg bear; `contract` for the deal itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Vec<String>>,
}

impl LegRecord {
    /// Whether it says what was read in the leg: which record its customer is has been said by people.
    pub fn is_read(&self) -> bool {
        self.customer_record.is_none() || Self { customer_record: None, ..self.clone() } != Self::default()
    }
}

/// A milestone as a leg has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegMilestone {
    /// The agreement's milestone id.
    pub id: String,
    /// PSA status; `done` is the one that is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<DecimalText>,
    /// Invoice wording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Acceptance window in business days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_days: Option<u32>,
    /// Whether silence is acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deemed: Option<bool>,
    /// Completion rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// `arrears` or `advance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<String>,
    /// Billing rule: `on_completion`, `within_days`, `next_cycle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
    /// Recognition method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognition_method: Option<String>,
}

/// An invoice as the ERP has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegInvoice {
    /// Document number.
    pub number: String,
    /// Milestone it bills.
    pub milestone: String,
    /// Invoice date.
    pub date: Date,
    /// Amount.
    pub amount: DecimalText,
    /// `void` is not live; everything else is.
    pub status: String,
}

/// Revenue as the ERP has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegRecognition {
    /// Milestone.
    pub milestone: String,
    /// Posting date.
    pub date: Date,
    /// Amount.
    pub amount: DecimalText,
}

/// A decimal that travels as text and keeps its digits. JSON numbers, exponents and separators are refused.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DecimalText(pub Decimal);

impl FromStr for DecimalText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.strip_prefix('-').unwrap_or(text);
        let (whole, decimals) = plain.split_once('.').unwrap_or((plain, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(format!("{text:?} is not plain decimal text such as \"40000.00\""));
        }
        Decimal::from_str_exact(text).map(Self).map_err(|_| format!("{text:?} has too many digits"))
    }
}

impl TryFrom<String> for DecimalText {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DecimalText> for String {
    fn from(value: DecimalText) -> Self {
        value.0.to_string()
    }
}

impl fmt::Display for DecimalText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl fmt::Debug for DecimalText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl Leg {
    /// All four, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Agreement, Self::Crm, Self::Psa, Self::Erp];

    /// Its text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Crm => "crm",
            Self::Psa => "psa",
            Self::Erp => "erp",
        }
    }
}

impl core::fmt::Display for Leg {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(self.name())
    }
}
