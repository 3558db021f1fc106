//! The rules: every exception code with what it means, why it is there, what the person who sees it should do, and two
//! small cases: one in which it opens, one next to it in which it does not. Lists on the command line, in the API, in
//! mails and on pages derive from it.

mod acceptance;
mod amendments;
mod billing;
mod books;
mod findings;
mod revenue;

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fact::Leg;

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Code.
    pub code: Code,
    /// What it means, in a few words.
    pub title: &'static str,
    /// Section of the billing rules.
    pub section: u8,
    /// Why it is there.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Whether it holds something back.
    pub severity: Severity,
    /// What shows that it is to be opened.
    pub group: Group,
    /// What closes it.
    pub closes: Closes,
    /// What makes it open, as changes to [`example`]'s contract and as events; JSON.
    opens: &'static str,
    /// A case close to it in which it does not open.
    passes: &'static str,
}

impl Rule {
    /// Case (section 9 of the rules) in which the exception opens.
    pub fn opening_case(&self) -> Value {
        example(self.opens)
    }

    /// Case next to it in which the exception does not open.
    pub fn passing_case(&self) -> Value {
        example(self.passes)
    }

    /// Whether nothing but a reviewer closes it, so that overruling leaves no condition behind.
    pub(crate) fn closed_by_reviewer_only(&self, leg: Option<Leg>) -> bool {
        // An event that names an unknown milestone is over with the event; a leg that lists one is a condition.
        self.closes == Closes::Reviewer || (self.code == Code::UnknownMilestone && leg.is_none())
    }

    /// Whether a leg's observation opens and closes it.
    pub(crate) fn is_finding(&self) -> bool {
        matches!(self.group, Group::Comparison | Group::Observation)
    }
}

/// The contract of every example, two milestones of 20,000.00, with a rule's changes: of the contract, of a milestone by its
/// id, of the policy; and its events.
fn example(changes: &str) -> Value {
    let mut case = json!({
        "contract": {
            "id": "C", "customer": "Northwind Ltd", "currency": "USD", "total": "40000.00", "signed_on": "2026-02-01",
            "obligations": [{ "id": "work", "ssp": "40000.00", "method": "output" }],
            "milestones": [
                { "id": "M1", "name": "Discovery complete", "amount": "20000.00", "approver": "Sponsor" },
                { "id": "M2", "name": "Go-live", "amount": "20000.00", "approver": "Sponsor" },
            ],
        },
        "until": "2026-03-31",
    });
    let changes: Map<String, Value> = serde_json::from_str(changes).unwrap_or_default();
    for (key, change) in changes {
        let place = match key.as_str() {
            "M1" => case.pointer_mut("/contract/milestones/0"),
            "M2" => case.pointer_mut("/contract/milestones/1"),
            "contract" => case.pointer_mut("/contract"),
            _ => None,
        };
        match (place.and_then(Value::as_object_mut), change) {
            (Some(place), Value::Object(fields)) => place.extend(fields),
            (_, change) => {
                if let Some(case) = case.as_object_mut() {
                    case.insert(key, change);
                }
            }
        }
    }
    case
}

/// Makes the closed list of codes, and the table of rules, from one list: what a code means stands in its section's file.
macro_rules! rules {
    ($($variant:ident: $section:ident::$name:ident,)*) => {
        /// The closed list of exception codes; a rule says what each means and what to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum Code {
            $(#[doc = concat!("`", stringify!($name), "`")] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the alphabet.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code's text.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)* }
            }

            /// The code with this text.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.name() == name)
            }
        }

        static RULES: &[Rule] = &[$($section::$name,)*];

        /// The rule of a code.
        pub(crate) fn of(code: Code) -> &'static Rule {
            match code { $(Code::$variant => &$section::$name,)* }
        }

        $(const _: () = assert!(matches!($section::$name.code, Code::$variant), "a rule under another's code");)*
    };
}

rules! {
    AcceptanceDocumentRequired: acceptance::ACCEPTANCE_DOCUMENT_REQUIRED,
    AcceptanceTermsMismatch: findings::ACCEPTANCE_TERMS_MISMATCH,
    AdoptionMismatch: books::ADOPTION_MISMATCH,
    AmbiguousRecord: findings::AMBIGUOUS_RECORD,
    AmendedAfterInvoice: amendments::AMENDED_AFTER_INVOICE,
    AmendmentNotPropagated: findings::AMENDMENT_NOT_PROPAGATED,
    AmountMismatch: findings::AMOUNT_MISMATCH,
    ApproverNotAuthorised: acceptance::APPROVER_NOT_AUTHORISED,
    BookedLate: books::BOOKED_LATE,
    ChangeOrderNotSigned: amendments::CHANGE_ORDER_NOT_SIGNED,
    CompleteNotBillable: findings::COMPLETE_NOT_BILLABLE,
    ConditionLost: billing::CONDITION_LOST,
    CureExhausted: acceptance::CURE_EXHAUSTED,
    CureOverdue: acceptance::CURE_OVERDUE,
    CurrencyMismatch: findings::CURRENCY_MISMATCH,
    CustomerMismatch: findings::CUSTOMER_MISMATCH,
    DatedAhead: books::DATED_AHEAD,
    DeferredVariance: findings::DEFERRED_VARIANCE,
    DescriptionMismatch: findings::DESCRIPTION_MISMATCH,
    DoubleBilled: findings::DOUBLE_BILLED,
    DuplicateMilestone: amendments::DUPLICATE_MILESTONE,
    EvidenceMissing: acceptance::EVIDENCE_MISSING,
    ForeignInvoice: findings::FOREIGN_INVOICE,
    HeldByReviewer: billing::HELD_BY_REVIEWER,
    InvoicedEarly: findings::INVOICED_EARLY,
    InvoiceLate: billing::INVOICE_LATE,
    InvoiceWithdrawn: billing::INVOICE_WITHDRAWN,
    LateRejection: acceptance::LATE_REJECTION,
    LegMissing: findings::LEG_MISSING,
    LossContract: revenue::LOSS_CONTRACT,
    NotClosedWon: findings::NOT_CLOSED_WON,
    NotConfigured: findings::NOT_CONFIGURED,
    NotSubmitted: acceptance::NOT_SUBMITTED,
    NoDeemedClause: acceptance::NO_DEEMED_CLAUSE,
    OutOfSequence: billing::OUT_OF_SEQUENCE,
    OverCap: billing::OVER_CAP,
    PartialAcceptanceNotAgreed: acceptance::PARTIAL_ACCEPTANCE_NOT_AGREED,
    PaymentTermsMismatch: findings::PAYMENT_TERMS_MISMATCH,
    RecognisedEarly: findings::RECOGNISED_EARLY,
    RecognisedWrongPeriod: findings::RECOGNISED_WRONG_PERIOD,
    RecognitionMethodMissing: revenue::RECOGNITION_METHOD_MISSING,
    RecognitionMismatch: findings::RECOGNITION_MISMATCH,
    RejectedInTime: acceptance::REJECTED_IN_TIME,
    RejectionIncomplete: acceptance::REJECTION_INCOMPLETE,
    ScheduleTotalMismatch: billing::SCHEDULE_TOTAL_MISMATCH,
    Skipped: findings::SKIPPED,
    StaleAmendment: amendments::STALE_AMENDMENT,
    TimingMismatch: findings::TIMING_MISMATCH,
    UnknownMilestone: findings::UNKNOWN_MILESTONE,
    UnmatchedPayment: revenue::UNMATCHED_PAYMENT,
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

/// What shows that an exception is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A leg's record compared with the agreement, field by field: [`crate::compare`].
    Comparison,
    /// The state of the contract.
    Condition,
    /// An event.
    Event,
    /// A leg's record compared with what was decided: invoices, dates, balances.
    Observation,
}

/// What closes an exception, but for a reviewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closes {
    /// The milestone is accepted.
    Acceptance,
    /// What it is about is over.
    Condition,
    /// A newer observation of the leg.
    Observation,
    /// Nothing: a reviewer has to.
    Reviewer,
}

/// Every rule.
pub fn all() -> &'static [Rule] {
    RULES
}

/// The rule with this code.
pub fn find(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.name() == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendars;
    use crate::case::Case;

    #[test]
    fn each_rule_opens_where_it_says_and_not_next_to_it() {
        for rule in all() {
            for (case, expected) in [(rule.opening_case(), true), (rule.passing_case(), false)] {
                let played = Case::from_value(case.clone(), &Calendars::built_in())
                    .unwrap_or_else(|error| panic!("{}: {error}\n{case:#}", rule.code))
                    .play();
                let opened = played.exceptions().iter().any(|exception| exception.code == rule.code);
                assert_eq!(opened, expected, "{}\n{case:#}", rule.code);
                assert!(!expected || played.exceptions().iter().any(|exception| exception.severity == rule.severity));
            }
        }
    }

    #[test]
    fn every_code_has_exactly_one_rule_with_a_remedy() {
        for code in Code::ALL {
            let rules: Vec<_> = all().iter().filter(|rule| rule.code == *code).collect();
            assert_eq!(rules.len(), 1, "{code}");
            assert!(rules[0].remedy.ends_with('.') && !rules[0].title.is_empty(), "{code}");
        }
    }
}
