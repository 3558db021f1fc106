//! Acceptance, section 4 of the rules.

use super::{Closes, Code, Group, Rule, Severity};

pub(super) const ACCEPTANCE_DOCUMENT_REQUIRED: Rule = Rule {
    code: Code::AcceptanceDocumentRequired,
    title: "Accepted without the document that the sign-off needs",
    section: 4,
    why: "Sign-off by the customer is proven by a document; a status alone is no proof an auditor can read.",
    remedy: "Get the signed acceptance document and record the acceptance again with it.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Acceptance,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
};

pub(super) const APPROVER_NOT_AUTHORISED: Rule = Rule {
    code: Code::ApproverNotAuthorised,
    title: "Decided by somebody who may not, or by the fallback too early",
    section: 4,
    why: "The agreement names who may accept, and when the fallback may; anyone else's word binds nobody.",
    remedy: "Have the approver named in the agreement decide.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Acceptance,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Somebody", "document": "https://acceptance.example/1"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
};

pub(super) const CURE_EXHAUSTED: Rule = Rule {
    code: Code::CureExhausted,
    title: "Rejected after the last cure that the agreement allows",
    section: 4,
    why: "The agreement allows so many attempts to correct; after the last one only the customer can end it.",
    remedy: "Escalate: only an explicit acceptance by the customer helps.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Acceptance,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ],
        "contract": {"acceptance": {"max_cures": 0}}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ]
    }"#,
};

pub(super) const CURE_OVERDUE: Rule = Rule {
    code: Code::CureOverdue,
    title: "The time to correct a rejected milestone is over",
    section: 4,
    why: "A rejection starts a time in which the work is to be corrected; past it the customer may hold us in default.",
    remedy: "Correct and resubmit, or agree on more time with the customer.",
    severity: Severity::Warning,
    group: Group::Condition,
    closes: Closes::Acceptance,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ],
        "contract": {"acceptance": {"cure_days": 3}}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]},
            {"at": "2026-02-06T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []}
        ],
        "contract": {"acceptance": {"cure_days": 3}}
    }"#,
};

pub(super) const EVIDENCE_MISSING: Rule = Rule {
    code: Code::EvidenceMissing,
    title: "A required artefact is not on file",
    section: 4,
    why: "The window runs from complete evidence only; without it there is no clock and no invoice.",
    remedy: "Attach the missing evidence under its exact name.",
    severity: Severity::Blocking,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []}
        ],
        "M1": {"evidence": ["Report"]}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": ["Report"]}
        ],
        "M1": {"evidence": ["Report"]}
    }"#,
};

pub(super) const LATE_REJECTION: Rule = Rule {
    code: Code::LateRejection,
    title: "Rejected after acceptance or after the window",
    section: 4,
    why: "Under a deemed clause silence has accepted already; a rejection after it takes nothing back.",
    remedy: "Talk to the customer; if you agree, amend the contract.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ]
    }"#,
};

pub(super) const NO_DEEMED_CLAUSE: Rule = Rule {
    code: Code::NoDeemedClause,
    title: "Vendor declaration without a deemed-acceptance clause",
    section: 4,
    why: "The vendor's declaration completes a milestone only where the agreement says that silence accepts.",
    remedy: "Get an explicit acceptance; no document is needed.",
    severity: Severity::Warning,
    group: Group::Condition,
    closes: Closes::Acceptance,
    opens: r#"{
        "events": [],
        "M1": {"completion": "vendor_declaration"}
    }"#,
    passes: r#"{
        "events": [],
        "contract": {"acceptance": {"deemed": true}},
        "M1": {"completion": "vendor_declaration"}
    }"#,
};

pub(super) const NOT_SUBMITTED: Rule = Rule {
    code: Code::NotSubmitted,
    title: "Rejected before anything was submitted",
    section: 4,
    why: "What was never submitted cannot be rejected: one of the two sides works from something else.",
    remedy: "Submit the completion notice; the rejection has no effect.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ]
    }"#,
};

pub(super) const PARTIAL_ACCEPTANCE_NOT_AGREED: Rule = Rule {
    code: Code::PartialAcceptanceNotAgreed,
    title: "Accepted in part, and the agreement does not allow that part",
    section: 4,
    why: "Part of a milestone may be accepted, and billed, only where the agreement provides for it.",
    remedy: "Have all of it accepted, or amend the agreement.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Acceptance,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1", "portion": "5000.00"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1", "portion": "5000.00"}
        ],
        "contract": {"partial_acceptance": true}
    }"#,
};

pub(super) const REJECTION_INCOMPLETE: Rule = Rule {
    code: Code::RejectionIncomplete,
    title: "A rejection names no criterion that was not met",
    section: 4,
    why: "A rejection counts when it names what was not met; otherwise nobody can correct it.",
    remedy: "Ask the customer which criterion failed; the window runs on.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Acceptance,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": []}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-05T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ]
    }"#,
};

pub(super) const REJECTED_IN_TIME: Rule = Rule {
    code: Code::RejectedInTime,
    title: "Rejected within the window whose silence was taken for acceptance",
    section: 10,
    why: "Silence was no acceptance after all: the rejection was made in time and only became known later.",
    remedy: "Undo the acceptance, which credits what was billed for it, or overrule this with a reason if the acceptance stands.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-24T12:00:00Z", "on": "2026-02-12", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ],
        "contract": {"acceptance": {"deemed": true}}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-24T12:00:00Z", "type": "rejected", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "criteria": ["The report lacks the data map"]}
        ],
        "contract": {"acceptance": {"deemed": true}}
    }"#,
};
