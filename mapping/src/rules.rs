//! The table of rules: every exception code with its meaning, the section of the billing rules that it comes from, and
//! what the person who sees it should do. Lists on the command line, in the API, in mails and on pages derive from it.

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
    /// What to do.
    pub remedy: &'static str,
    /// Whether it holds something back.
    pub severity: Severity,
}

impl Rule {
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

const fn blocking(code: Code, section: u8, title: &'static str, remedy: &'static str) -> Rule {
    Rule { code, title, section, remedy, severity: Severity::Blocking }
}

const fn warning(code: Code, section: u8, title: &'static str, remedy: &'static str) -> Rule {
    Rule { code, title, section, remedy, severity: Severity::Warning }
}

/// Every rule, by code.
static RULES: &[Rule] = &[
    blocking(
        Code::AcceptanceDocumentRequired,
        4,
        "Accepted without the document that the sign-off needs",
        "Get the signed acceptance document and record the acceptance again with it.",
    ),
    blocking(
        Code::AcceptanceTermsMismatch,
        8,
        "Window, deemed clause or sign-off rule differs from the agreement",
        "Correct the acceptance terms in the named system to those of the agreement.",
    ),
    warning(
        Code::AmendedAfterInvoice,
        6,
        "An invoiced milestone was amended",
        "Check the credit memo or supplementary invoice with the customer, then close this with a reason.",
    ),
    blocking(
        Code::AmendmentNotPropagated,
        8,
        "The system works with an older version of the agreement",
        "Bring the change order into the named system.",
    ),
    blocking(
        Code::AmountMismatch,
        8,
        "The amount differs from the agreement",
        "Correct the amount in the named system, or file the change order that it comes from.",
    ),
    blocking(
        Code::ApproverNotAuthorised,
        4,
        "Decided by somebody who may not, or by the fallback too early",
        "Have the approver named in the agreement decide.",
    ),
    blocking(
        Code::ChangeOrderNotSigned,
        6,
        "A change order is not signed",
        "Get it signed and file the signed version; until then the present terms hold.",
    ),
    warning(
        Code::CompleteNotBillable,
        8,
        "Done in the project tool, not accepted by the customer",
        "Send the completion notice with its evidence, and get the acceptance.",
    ),
    blocking(
        Code::CureExhausted,
        4,
        "Rejected after the last cure that the agreement allows",
        "Escalate: only an explicit acceptance by the customer helps.",
    ),
    warning(
        Code::CureOverdue,
        4,
        "The time to correct a rejected milestone is over",
        "Correct and resubmit, or agree on more time with the customer.",
    ),
    blocking(
        Code::CurrencyMismatch,
        8,
        "The currency differs from the agreement",
        "Correct the currency in the named system.",
    ),
    blocking(
        Code::CustomerMismatch,
        8,
        "The customer differs from the agreement",
        "Correct the customer in the named system, or its name, letter by letter.",
    ),
    warning(
        Code::DeferredVariance,
        8,
        "The ERP's deferred revenue is not ours",
        "Compare the contract's journal with the ERP's entries and correct the odd one.",
    ),
    warning(
        Code::DescriptionMismatch,
        8,
        "The ERP's wording is not the contract's",
        "Copy the contract's description into the ERP.",
    ),
    blocking(
        Code::DoubleBilled,
        8,
        "The ERP holds several live invoices for one milestone",
        "Void all but one of them in the ERP.",
    ),
    warning(
        Code::DuplicateMilestone,
        6,
        "A change order adds a milestone that exists or existed",
        "Give the new milestone an id of its own and file a corrected change order.",
    ),
    blocking(
        Code::EvidenceMissing,
        4,
        "A required artefact is not on file",
        "Attach the missing evidence under its exact name.",
    ),
    blocking(
        Code::ForeignInvoice,
        8,
        "The ERP holds an invoice for the milestone that is not ours",
        "Void it in the ERP, or overrule and let ours be issued too.",
    ),
    warning(
        Code::InvoiceLate,
        5,
        "Not invoiced within the agreed days",
        "See what holds the milestone and resolve it.",
    ),
    blocking(
        Code::InvoicedEarly,
        8,
        "The ERP holds an invoice from before the milestone was billable",
        "Void it in the ERP; ours follows when the trigger fires.",
    ),
    warning(
        Code::LateRejection,
        4,
        "Rejected after acceptance or after the window",
        "Talk to the customer; if you agree, amend the contract.",
    ),
    blocking(
        Code::LegMissing,
        8,
        "A system that must confirm the contract has never shown it",
        "Enter the contract's id on the record in the named system.",
    ),
    warning(
        Code::LossContract,
        7,
        "Expected cost exceeds the price",
        "Review the estimate; a loss provision may be due.",
    ),
    warning(
        Code::NoDeemedClause,
        4,
        "Vendor declaration without a deemed-acceptance clause",
        "Get an explicit acceptance; no document is needed.",
    ),
    blocking(
        Code::NotClosedWon,
        8,
        "The deal is not closed-won",
        "Close the deal in the CRM, or find out why it was reopened.",
    ),
    blocking(
        Code::NotConfigured,
        8,
        "The system lacks a billable milestone of the agreement",
        "Create the milestone in the named system with the agreement's id.",
    ),
    warning(
        Code::NotSubmitted,
        4,
        "Rejected before anything was submitted",
        "Submit the completion notice; the rejection has no effect.",
    ),
    blocking(
        Code::OutOfSequence,
        5,
        "Billable while a milestone before it is not accepted",
        "Get the milestones that it depends on accepted.",
    ),
    blocking(
        Code::OverCap,
        5,
        "The invoice would exceed the cap",
        "Raise the cap by a change order, or overrule with a reason.",
    ),
    blocking(
        Code::PartialAcceptanceNotAgreed,
        4,
        "Accepted in part, and the agreement does not allow that part",
        "Have all of it accepted, or amend the agreement.",
    ),
    blocking(
        Code::PaymentTermsMismatch,
        8,
        "The payment terms differ from the agreement",
        "Correct the terms in the named system.",
    ),
    blocking(
        Code::RecognisedEarly,
        8,
        "The ERP recognised revenue before the acceptance",
        "Reverse the entry in the ERP.",
    ),
    warning(
        Code::RecognisedWrongPeriod,
        8,
        "The ERP recognised revenue in another month than that of the acceptance",
        "Move the entry to the month of the acceptance.",
    ),
    warning(
        Code::RecognitionMethodMissing,
        7,
        "No obligations: nothing is recognised",
        "Have revenue accounting add obligations with standalone selling prices and methods.",
    ),
    warning(
        Code::RecognitionMismatch,
        8,
        "The ERP's recognition method is not the obligation's",
        "Correct the method in the ERP.",
    ),
    warning(
        Code::RejectionIncomplete,
        4,
        "A rejection names no criterion that was not met",
        "Ask the customer which criterion failed; the window runs on.",
    ),
    blocking(
        Code::ScheduleTotalMismatch,
        2,
        "The milestones do not sum to the price",
        "File a change order that makes amounts and total agree.",
    ),
    warning(
        Code::Skipped,
        8,
        "A later milestone is billed in the ERP, this one is not",
        "See what holds this milestone, and bill it first.",
    ),
    warning(
        Code::StaleAmendment,
        6,
        "A change order with a version that is not new",
        "Nothing, if it was sent twice; otherwise give it the next version.",
    ),
    blocking(
        Code::TimingMismatch,
        8,
        "The ERP bills at another time than agreed",
        "Correct timing or billing rule in the ERP.",
    ),
    warning(
        Code::UnknownMilestone,
        8,
        "A milestone that the agreement lacks",
        "Correct the id where it comes from, or file the change order that adds it.",
    ),
    warning(
        Code::UnmatchedPayment,
        7,
        "A payment matches no open invoice",
        "Apply it by hand in the ERP, or return it; then close this with a reason.",
    ),
];

/// Every rule.
pub fn all() -> &'static [Rule] {
    RULES
}

/// The rule with this code.
pub fn find(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.name() == code)
}

/// The rule of a code. Every code has one: a test says so.
pub(crate) fn of(code: Code) -> Rule {
    RULES.iter().find(|rule| rule.code == code).copied().unwrap_or(blocking(code, 8, "", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_exactly_one_rule_with_a_remedy() {
        for code in Code::ALL {
            let rules: Vec<_> = all().iter().filter(|rule| rule.code == *code).collect();
            assert_eq!(rules.len(), 1, "{code}");
            assert!(rules[0].remedy.ends_with('.') && !rules[0].title.is_empty(), "{code}");
        }
        assert_eq!(all().len(), Code::ALL.len());
    }
}
