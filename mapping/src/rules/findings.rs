//! Four-way validation, section 8 of the rules: what the legs say, compared with the agreement.

use super::{Closes, Code, Group, Rule, Severity};

pub(super) const ACCEPTANCE_TERMS_MISMATCH: Rule = Rule {
    code: Code::AcceptanceTermsMismatch,
    title: "Window, deemed clause or sign-off rule differs from the agreement",
    section: 8,
    why: "A system that waits for another window, or for no sign-off, accepts on the wrong day.",
    remedy: "Correct the acceptance terms in the named system to those of the agreement.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "psa", "record": {"milestones": [{"id": "M1", "window_days": 30}, {"id": "M2"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "psa", "record": {"milestones": [{"id": "M1", "window_days": 10}, {"id": "M2"}]}}
        ]
    }"#,
};

pub(super) const AMENDMENT_NOT_PROPAGATED: Rule = Rule {
    code: Code::AmendmentNotPropagated,
    title: "The system works with an older version of the agreement",
    section: 8,
    why: "A system that works with an older version bills or plans what was agreed before.",
    remedy: "Bring the change order into the named system.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-13T12:00:00Z", "type": "observed", "leg": "crm", "record": {"version": 1}},
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "45000.00", "change": [{"id": "M1", "amount": "25000.00"}]}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-13T12:00:00Z", "type": "observed", "leg": "crm", "record": {"version": 2}},
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "45000.00", "change": [{"id": "M1", "amount": "25000.00"}]}
        ]
    }"#,
};

pub(super) const AMOUNT_MISMATCH: Rule = Rule {
    code: Code::AmountMismatch,
    title: "The amount differs from the agreement",
    section: 8,
    why: "The agreement governs the amount; a system that says another one will invoice, forecast or report it.",
    remedy: "Correct the amount in the named system, or file the change order that it comes from.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "crm", "record": {"amount": "39000.00"}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "crm", "record": {"amount": "40000.00"}}
        ]
    }"#,
};

pub(super) const COMPLETE_NOT_BILLABLE: Rule = Rule {
    code: Code::CompleteNotBillable,
    title: "Done in the project tool, not accepted by the customer",
    section: 8,
    why: "Done by us is not accepted by the customer: only the latter can be billed.",
    remedy: "Send the completion notice with its evidence, and get the acceptance.",
    severity: Severity::Warning,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "psa", "record": {"milestones": [{"id": "M1", "status": "done"}, {"id": "M2"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-02T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "psa", "record": {"milestones": [{"id": "M1", "status": "done"}, {"id": "M2"}]}}
        ]
    }"#,
};

pub(super) const CURRENCY_MISMATCH: Rule = Rule {
    code: Code::CurrencyMismatch,
    title: "The currency differs from the agreement",
    section: 8,
    why: "The same figure in another currency is another amount.",
    remedy: "Correct the currency in the named system.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "crm", "record": {"currency": "EUR"}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "crm", "record": {"currency": "USD"}}
        ]
    }"#,
};

pub(super) const CUSTOMER_MISMATCH: Rule = Rule {
    code: Code::CustomerMismatch,
    title: "The customer differs from the agreement",
    section: 8,
    why: "An invoice to another legal entity is not owed by anyone.",
    remedy: "Correct the customer in the named system, or its name, letter by letter.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"customer": "Northwind Inc"}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"customer": "Northwind Ltd"}}
        ]
    }"#,
};

pub(super) const DEFERRED_VARIANCE: Rule = Rule {
    code: Code::DeferredVariance,
    title: "The ERP's deferred revenue is not ours",
    section: 8,
    why: "The ERP's deferred revenue and ours follow from the same documents; a difference is an entry that one of them lacks.",
    remedy: "Compare the contract's journal with the ERP's entries and correct the odd one.",
    severity: Severity::Warning,
    group: Group::Observation,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"deferred_balance": "1.00"}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"deferred_balance": "0.00"}}
        ]
    }"#,
};

pub(super) const DESCRIPTION_MISMATCH: Rule = Rule {
    code: Code::DescriptionMismatch,
    title: "The ERP's wording is not the contract's",
    section: 8,
    why: "The customer pays what reads like the contract.",
    remedy: "Copy the contract's description into the ERP.",
    severity: Severity::Warning,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1", "description": "Phase one"}, {"id": "M2"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1", "description": "Discovery complete"}, {"id": "M2"}]}}
        ]
    }"#,
};

pub(super) const DOUBLE_BILLED: Rule = Rule {
    code: Code::DoubleBilled,
    title: "The ERP holds several live invoices for one milestone",
    section: 8,
    why: "Two live invoices for one milestone: the customer is asked twice.",
    remedy: "Void all but one of them in the ERP.",
    severity: Severity::Blocking,
    group: Group::Observation,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "INV-1", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "open"}, {"number": "INV-2", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "open"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "INV-1", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "void"}, {"number": "INV-2", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "void"}]}}
        ]
    }"#,
};

pub(super) const FOREIGN_INVOICE: Rule = Rule {
    code: Code::ForeignInvoice,
    title: "The ERP holds an invoice for the milestone that is not ours",
    section: 8,
    why: "Somebody invoiced the milestone by hand; ours would be the second.",
    remedy: "Void it in the ERP; or adopt it, where it stands in for ours (event `adopted`); or overrule and let ours be issued too.",
    severity: Severity::Blocking,
    group: Group::Observation,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "INV-1", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "open"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "C-M1", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "open"}]}}
        ]
    }"#,
};

pub(super) const INVOICED_EARLY: Rule = Rule {
    code: Code::InvoicedEarly,
    title: "The ERP holds an invoice from before the milestone was billable",
    section: 8,
    why: "An invoice dated before its trigger asks for money that is not owed yet.",
    remedy: "Void it in the ERP; ours follows when the trigger fires.",
    severity: Severity::Blocking,
    group: Group::Observation,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "INV-1", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "open"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "C-M1", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "open"}]}}
        ]
    }"#,
};

pub(super) const LEG_MISSING: Rule = Rule {
    code: Code::LegMissing,
    title: "A system that must confirm the contract has never shown it",
    section: 8,
    why: "The policy wants to have seen this system before anything is billed.",
    remedy: "Enter the contract's id on the record in the named system.",
    severity: Severity::Blocking,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [],
        "policy": {"require_legs": ["crm"]}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "crm", "record": {"stage": "closed_won"}}
        ],
        "policy": {"require_legs": []}
    }"#,
};

pub(super) const NOT_CLOSED_WON: Rule = Rule {
    code: Code::NotClosedWon,
    title: "The deal is not closed-won",
    section: 8,
    why: "What is not won is not sold; an invoice would be the customer's first news of it.",
    remedy: "Close the deal in the CRM, or find out why it was reopened.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "crm", "record": {"stage": "negotiation"}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "crm", "record": {"stage": "closed_won"}}
        ]
    }"#,
};

pub(super) const NOT_CONFIGURED: Rule = Rule {
    code: Code::NotConfigured,
    title: "The system lacks a billable milestone of the agreement",
    section: 8,
    why: "A billable milestone that a system does not know is not tracked, or not billed, there.",
    remedy: "Create the milestone in the named system with the agreement's id.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1"}, {"id": "M2"}]}}
        ]
    }"#,
};

pub(super) const PAYMENT_TERMS_MISMATCH: Rule = Rule {
    code: Code::PaymentTermsMismatch,
    title: "The payment terms differ from the agreement",
    section: 8,
    why: "Other terms move the due date, and with it dunning and cash.",
    remedy: "Correct the terms in the named system.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"payment_terms": "net 60"}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"payment_terms": "net 30"}}
        ]
    }"#,
};

pub(super) const RECOGNISED_EARLY: Rule = Rule {
    code: Code::RecognisedEarly,
    title: "The ERP recognised revenue before the acceptance",
    section: 8,
    why: "Revenue is earned by acceptance; the ERP booked it before.",
    remedy: "Reverse the entry in the ERP.",
    severity: Severity::Blocking,
    group: Group::Observation,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"recognised": [{"milestone": "M1", "date": "2026-02-01", "amount": "20000.00"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"recognised": [{"milestone": "M1", "date": "2026-02-10", "amount": "20000.00"}]}}
        ]
    }"#,
};

pub(super) const RECOGNISED_WRONG_PERIOD: Rule = Rule {
    code: Code::RecognisedWrongPeriod,
    title: "The ERP recognised revenue in another month than that of the acceptance",
    section: 8,
    why: "Revenue belongs to the month of the acceptance; another month is another closing.",
    remedy: "Move the entry to the month of the acceptance.",
    severity: Severity::Warning,
    group: Group::Observation,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"recognised": [{"milestone": "M1", "date": "2026-03-02", "amount": "20000.00"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"recognised": [{"milestone": "M1", "date": "2026-02-28", "amount": "20000.00"}]}}
        ]
    }"#,
};

pub(super) const RECOGNITION_MISMATCH: Rule = Rule {
    code: Code::RecognitionMismatch,
    title: "The ERP's recognition method is not the obligation's",
    section: 8,
    why: "The ERP recognises by another method than finance has set for the obligation.",
    remedy: "Correct the method in the ERP.",
    severity: Severity::Warning,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1", "recognition_method": "time_elapsed"}, {"id": "M2"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1", "recognition_method": "output"}, {"id": "M2"}]}}
        ]
    }"#,
};

pub(super) const SKIPPED: Rule = Rule {
    code: Code::Skipped,
    title: "A later milestone is billed in the ERP, this one is not",
    section: 8,
    why: "A later milestone is billed while an earlier, accepted one is not: money was left behind.",
    remedy: "See what holds this milestone, and bill it first.",
    severity: Severity::Warning,
    group: Group::Observation,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "INV-2", "milestone": "M2", "date": "2026-02-10", "amount": "20000.00", "status": "open"}]}}
        ],
        "policy": {"review": "all"},
        "M2": {"depends_on": ["M1"]}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "observed", "leg": "erp", "record": {"invoices": [{"number": "INV-1", "milestone": "M1", "date": "2026-02-10", "amount": "20000.00", "status": "open"}, {"number": "INV-2", "milestone": "M2", "date": "2026-02-10", "amount": "20000.00", "status": "open"}]}}
        ],
        "policy": {"review": "all"},
        "M2": {"depends_on": ["M1"]}
    }"#,
};

pub(super) const TIMING_MISMATCH: Rule = Rule {
    code: Code::TimingMismatch,
    title: "The ERP bills at another time than agreed",
    section: 8,
    why: "The ERP would invoice in advance what is billed in arrears, or by another rule.",
    remedy: "Correct timing or billing rule in the ERP.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1", "timing": "advance"}, {"id": "M2"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "erp", "record": {"milestones": [{"id": "M1", "timing": "arrears"}, {"id": "M2"}]}}
        ]
    }"#,
};

pub(super) const UNKNOWN_MILESTONE: Rule = Rule {
    code: Code::UnknownMilestone,
    title: "A milestone that the agreement lacks",
    section: 8,
    why: "A system or an event names a milestone that the agreement does not have: a typo, or work nobody agreed on.",
    remedy: "Correct the id where it comes from, or file the change order that adds it.",
    severity: Severity::Warning,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M9", "by": "pm@vendor.example", "evidence": []}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []}
        ]
    }"#,
};

pub(super) const AMBIGUOUS_RECORD: Rule = Rule {
    code: Code::AmbiguousRecord,
    title: "Two records of one system claim the same milestone or deal",
    section: 14,
    why: "A copied record bears the id of the one that it was copied from; which of them speaks nobody but a person can say.",
    remedy: "Take the id off the record that is not meant; until then neither of them is heard.",
    severity: Severity::Blocking,
    group: Group::Comparison,
    closes: Closes::Observation,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "psa", "record": {"milestones": [{"id": "M1"}, {"id": "M1"}, {"id": "M2"}]}}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "observed", "leg": "psa", "record": {"milestones": [{"id": "M1"}, {"id": "M2"}]}}
        ]
    }"#,
};
