//! Exceptions: how they open, close and are overruled. One that is overruled stays closed for as long as its condition
//! lasts without a break.

use core::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::state::Contract;
use crate::fact::Leg;
use crate::rules;

macro_rules! codes {
    ($($variant:ident = $name:literal,)*) => {
        /// The closed list of exception codes. [`crate::rules`] says what each means and what to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`")] #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code's text.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The code with this text.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    AcceptanceDocumentRequired = "ACCEPTANCE_DOCUMENT_REQUIRED",
    AcceptanceTermsMismatch = "ACCEPTANCE_TERMS_MISMATCH",
    AmendedAfterInvoice = "AMENDED_AFTER_INVOICE",
    AmendmentNotPropagated = "AMENDMENT_NOT_PROPAGATED",
    AmountMismatch = "AMOUNT_MISMATCH",
    ApproverNotAuthorised = "APPROVER_NOT_AUTHORISED",
    ChangeOrderNotSigned = "CHANGE_ORDER_NOT_SIGNED",
    CompleteNotBillable = "COMPLETE_NOT_BILLABLE",
    CureExhausted = "CURE_EXHAUSTED",
    CureOverdue = "CURE_OVERDUE",
    CurrencyMismatch = "CURRENCY_MISMATCH",
    CustomerMismatch = "CUSTOMER_MISMATCH",
    DeferredVariance = "DEFERRED_VARIANCE",
    DescriptionMismatch = "DESCRIPTION_MISMATCH",
    DoubleBilled = "DOUBLE_BILLED",
    DuplicateMilestone = "DUPLICATE_MILESTONE",
    EvidenceMissing = "EVIDENCE_MISSING",
    ForeignInvoice = "FOREIGN_INVOICE",
    InvoicedEarly = "INVOICED_EARLY",
    InvoiceLate = "INVOICE_LATE",
    LateRejection = "LATE_REJECTION",
    LegMissing = "LEG_MISSING",
    LossContract = "LOSS_CONTRACT",
    NoDeemedClause = "NO_DEEMED_CLAUSE",
    NotClosedWon = "NOT_CLOSED_WON",
    NotConfigured = "NOT_CONFIGURED",
    NotSubmitted = "NOT_SUBMITTED",
    OutOfSequence = "OUT_OF_SEQUENCE",
    OverCap = "OVER_CAP",
    PartialAcceptanceNotAgreed = "PARTIAL_ACCEPTANCE_NOT_AGREED",
    PaymentTermsMismatch = "PAYMENT_TERMS_MISMATCH",
    RecognisedEarly = "RECOGNISED_EARLY",
    RecognisedWrongPeriod = "RECOGNISED_WRONG_PERIOD",
    RecognitionMethodMissing = "RECOGNITION_METHOD_MISSING",
    RecognitionMismatch = "RECOGNITION_MISMATCH",
    RejectionIncomplete = "REJECTION_INCOMPLETE",
    ScheduleTotalMismatch = "SCHEDULE_TOTAL_MISMATCH",
    Skipped = "SKIPPED",
    StaleAmendment = "STALE_AMENDMENT",
    TimingMismatch = "TIMING_MISMATCH",
    UnknownMilestone = "UNKNOWN_MILESTONE",
    UnmatchedPayment = "UNMATCHED_PAYMENT",
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Whether an exception holds something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Holds the invoice.
    Blocking,
    /// Only tells.
    Warning,
}

impl Severity {
    /// Whether it holds the invoice.
    pub fn is_blocking(self) -> bool {
        self == Self::Blocking
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Blocking => "blocking",
            Self::Warning => "warning",
        })
    }
}

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
}

impl Contract {
    pub(super) fn is_open(&self, key: &Key) -> bool {
        self.open_place(key).is_some()
    }

    fn open_place(&self, key: &Key) -> Option<usize> {
        self.open.iter().position(|place| {
            self.exceptions
                .get(*place)
                .is_some_and(|one| one.code == key.code && one.milestone == key.milestone && one.leg == key.leg)
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
        });
    }

    /// Opens an exception that an event set off.
    pub(super) fn open_event(&mut self, code: Code, milestone: Option<&str>, leg: Option<Leg>) {
        self.raise(Key::new(code, milestone, leg));
    }

    /// What opened an exception is over: it closes, and an overruling has done its work.
    pub(super) fn clear(&mut self, key: &Key) {
        self.overruled.retain(|overruled| overruled != key);
        self.shut(key);
    }

    pub(super) fn clear_code(&mut self, code: Code, milestone: &str) {
        self.clear(&Key::new(code, Some(milestone), None));
    }

    /// The condition of an exception holds or does not.
    pub(super) fn judge(&mut self, key: Key, holds: bool) {
        if holds { self.raise(key) } else { self.clear(&key) }
    }

    fn shut(&mut self, key: &Key) {
        let Some(place) = self.open_place(key) else { return };
        let index = self.open.remove(place);
        let today = self.as_of;
        if let Some(one) = self.exceptions.get_mut(index) {
            one.closed_on = Some(today);
            if one.severity == Severity::Blocking {
                self.released.insert(one.milestone.clone().unwrap_or_default(), today);
            }
        }
    }

    /// A reviewer closes an open exception, with a reason.
    pub(super) fn overrule(&mut self, code: &str, milestone: Option<&str>, leg: Option<Leg>, reason: &str) {
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
        if !rules::of(key.code).closed_by_person_only(key.leg) {
            self.overruled.push(key);
        }
    }

    /// Codes of the open blocking exceptions that concern a milestone: its own, its parents', the contract's.
    pub(super) fn blocking(&self, index: usize) -> Vec<&'static str> {
        let Some(milestone) = self.milestones.get(index) else { return Vec::new() };
        let concerns = |one: &&ExceptionRecord| {
            one.severity == Severity::Blocking
                && one.milestone.as_ref().is_none_or(|id| id == milestone.id() || milestone.ancestors.contains(id))
        };
        self.open
            .iter()
            .filter_map(|place| self.exceptions.get(*place))
            .filter(concerns)
            .map(|one| one.code.name())
            .collect()
    }

    /// When the last blocking exception that concerned a milestone was closed.
    pub(super) fn released_on(&self, index: usize) -> Option<Date> {
        let milestone = self.milestones.get(index)?;
        let ids = std::iter::once(milestone.id()).chain(milestone.ancestors.iter().map(String::as_str)).chain([""]);
        ids.filter_map(|id| self.released.get(id)).max().copied()
    }
}
