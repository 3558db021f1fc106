//! Billing, section 5 of the rules.

use super::{Closes, Code, Group, Rule, Severity};

pub(super) const INVOICE_LATE: Rule = Rule {
    code: Code::InvoiceLate,
    title: "Not invoiced within the agreed days",
    section: 5,
    why: "The agreement says within how many days of completion the invoice is to be out.",
    remedy: "See what holds the milestone and resolve it.",
    severity: Severity::Warning,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ],
        "M1": {"invoice": "within_days", "invoice_within_days": 5},
        "policy": {"review": "all"}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ],
        "M1": {"invoice": "within_days", "invoice_within_days": 5}
    }"#,
};

pub(super) const OUT_OF_SEQUENCE: Rule = Rule {
    code: Code::OutOfSequence,
    title: "Billable while a milestone before it is not accepted",
    section: 5,
    why: "A milestone is billed after those that it depends on; an earlier one still open means that the order of work was left.",
    remedy: "Get the milestones that it depends on accepted.",
    severity: Severity::Blocking,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M2", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M2", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ],
        "M2": {"depends_on": ["M1"]}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-11T12:00:00Z", "type": "submitted", "milestone": "M2", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-12T12:00:00Z", "type": "accepted", "milestone": "M2", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ],
        "M2": {"depends_on": ["M1"]}
    }"#,
};

pub(super) const OVER_CAP: Rule = Rule {
    code: Code::OverCap,
    title: "The invoice would exceed the cap",
    section: 5,
    why: "Nothing may be billed beyond the cap of the agreement.",
    remedy: "Raise the cap by a change order, or overrule with a reason.",
    severity: Severity::Blocking,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M2", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M2", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ],
        "contract": {"cap": "30000.00"}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M2", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M2", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
};

pub(super) const SCHEDULE_TOTAL_MISMATCH: Rule = Rule {
    code: Code::ScheduleTotalMismatch,
    title: "The milestones do not sum to the price",
    section: 2,
    why: "Milestones that do not sum to the price mean that one of them is wrong: nothing is billed until they do.",
    remedy: "File a change order that makes amounts and total agree.",
    severity: Severity::Blocking,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [],
        "contract": {"total": "50000.00"}
    }"#,
    passes: r#"{
        "events": []
    }"#,
};

pub(super) const CONDITION_LOST: Rule = Rule {
    code: Code::ConditionLost,
    title: "What the milestone waits for can come no more",
    section: 12,
    why: "It is due when the named milestones are accepted, and one of them was removed without that.",
    remedy: "Agree on another trigger by a change order.",
    severity: Severity::Blocking,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "20000.00", "remove": ["M2"]}
        ],
        "M1": {"trigger": "first_of", "conditions": [{"accepted": "M2", "plus_days": 90}]}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "20000.00", "remove": ["M2"]}
        ],
        "M1": {"trigger": "first_of", "conditions": [{"accepted": "M2", "plus_days": 90}, {"event": "production use"}]}
    }"#,
};

pub(super) const HELD_BY_REVIEWER: Rule = Rule {
    code: Code::HeldByReviewer,
    title: "A reviewer holds the milestone",
    section: 5,
    why: "A reviewer said that nothing more of this milestone may go out.",
    remedy: "Approve the milestone when what held it is settled, or overrule this with a reason.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "review", "milestone": "M1", "decision": "hold", "by": "ar@vendor.example"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "review", "milestone": "M1", "decision": "approve", "by": "ar@vendor.example"}
        ]
    }"#,
};

pub(super) const INVOICE_WITHDRAWN: Rule = Rule {
    code: Code::InvoiceWithdrawn,
    title: "A document that never reached the ERP was taken back",
    section: 14,
    why: "What is not in the ERP was not billed; a person decides when what is lacking goes out under a new number.",
    remedy: "Approve the milestone, or overrule this with a reason, once nothing keeps the ERP from taking a new document.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "withdrawn", "number": "C-M1", "by": "ar@vendor.example", "reason": "the ERP takes no such number"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-11T12:00:00Z", "type": "payment", "invoice": "C-M1", "amount": "20000.00"},
            {"at": "2026-02-12T12:00:00Z", "type": "withdrawn", "number": "C-M1", "by": "ar@vendor.example", "reason": "the ERP takes no such number"}
        ]
    }"#,
};
