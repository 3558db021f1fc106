//! The rules: every exception code with what it means, why it is there, what the person who sees it should do, and two
//! small cases: one in which it opens, one next to it in which it does not. Lists on the command line, in the API, in
//! mails and on pages derive from it.

mod acceptance;
mod amendments;
mod billing;
mod findings;
mod revenue;

use serde_json::{Map, Value, json};

use crate::contract::{Code, Severity};
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
    pub(crate) fn closed_by_person_only(&self, leg: Option<Leg>) -> bool {
        match self.code {
            Code::LateRejection
            | Code::UnmatchedPayment
            | Code::AmendedAfterInvoice
            | Code::StaleAmendment
            | Code::DuplicateMilestone
            | Code::RecognitionMethodMissing => true,
            Code::UnknownMilestone => leg.is_none(),
            _ => false,
        }
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

/// Every rule, by code.
static RULES: &[Rule] = &[
    acceptance::ACCEPTANCE_DOCUMENT_REQUIRED,
    findings::ACCEPTANCE_TERMS_MISMATCH,
    amendments::AMENDED_AFTER_INVOICE,
    findings::AMENDMENT_NOT_PROPAGATED,
    findings::AMOUNT_MISMATCH,
    acceptance::APPROVER_NOT_AUTHORISED,
    amendments::CHANGE_ORDER_NOT_SIGNED,
    findings::COMPLETE_NOT_BILLABLE,
    acceptance::CURE_EXHAUSTED,
    acceptance::CURE_OVERDUE,
    findings::CURRENCY_MISMATCH,
    findings::CUSTOMER_MISMATCH,
    findings::DEFERRED_VARIANCE,
    findings::DESCRIPTION_MISMATCH,
    findings::DOUBLE_BILLED,
    amendments::DUPLICATE_MILESTONE,
    acceptance::EVIDENCE_MISSING,
    findings::FOREIGN_INVOICE,
    findings::INVOICED_EARLY,
    billing::INVOICE_LATE,
    acceptance::LATE_REJECTION,
    findings::LEG_MISSING,
    revenue::LOSS_CONTRACT,
    acceptance::NO_DEEMED_CLAUSE,
    findings::NOT_CLOSED_WON,
    findings::NOT_CONFIGURED,
    acceptance::NOT_SUBMITTED,
    billing::OUT_OF_SEQUENCE,
    billing::OVER_CAP,
    acceptance::PARTIAL_ACCEPTANCE_NOT_AGREED,
    findings::PAYMENT_TERMS_MISMATCH,
    findings::RECOGNISED_EARLY,
    findings::RECOGNISED_WRONG_PERIOD,
    revenue::RECOGNITION_METHOD_MISSING,
    findings::RECOGNITION_MISMATCH,
    acceptance::REJECTION_INCOMPLETE,
    billing::SCHEDULE_TOTAL_MISMATCH,
    findings::SKIPPED,
    amendments::STALE_AMENDMENT,
    findings::TIMING_MISMATCH,
    findings::UNKNOWN_MILESTONE,
    revenue::UNMATCHED_PAYMENT,
];

/// Every rule.
pub fn all() -> &'static [Rule] {
    RULES
}

/// The rule with this code.
pub fn find(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.name() == code)
}

/// The rule of a code: the table is in the order of the codes, as a test says.
pub(crate) fn of(code: Code) -> &'static Rule {
    RULES.get(code as usize).unwrap_or(&findings::AMOUNT_MISMATCH)
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
                let opened = played.exceptions().iter().any(|one| one.code == rule.code);
                assert_eq!(opened, expected, "{}\n{case:#}", rule.code);
                assert!(!expected || played.exceptions().iter().any(|one| one.severity == rule.severity));
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
        assert!(all().iter().zip(Code::ALL).all(|(rule, code)| rule.code == *code), "one order");
        assert_eq!(all().len(), Code::ALL.len());
    }
}
