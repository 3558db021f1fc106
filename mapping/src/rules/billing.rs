//! Billing, section 5 of the rules.

use super::Rule;
use crate::contract::{Code, Severity};

pub(super) const INVOICE_LATE: Rule = Rule {
    code: Code::InvoiceLate,
    title: "Not invoiced within the agreed days",
    section: 5,
    why: "The agreement says within how many days of completion the invoice is to be out.",
    remedy: "See what holds the milestone and resolve it.",
    severity: Severity::Warning,
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
    opens: r#"{
        "events": [],
        "contract": {"total": "50000.00"}
    }"#,
    passes: r#"{
        "events": []
    }"#,
};
