//! Amendments, section 6 of the rules.

use super::{Closes, Code, Group, Rule, Severity};

pub(super) const AMENDED_AFTER_INVOICE: Rule = Rule {
    code: Code::AmendedAfterInvoice,
    title: "An invoiced milestone was amended",
    section: 6,
    why: "An invoiced milestone changed: a credit memo or a supplementary invoice went out, and the customer should expect it.",
    remedy: "Check the credit memo or supplementary invoice with the customer, then close this with a reason.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "35000.00", "change": [{"id": "M1", "amount": "15000.00"}]}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "35000.00", "change": [{"id": "M1", "amount": "15000.00"}]},
            {"at": "2026-02-04T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
};

pub(super) const CHANGE_ORDER_NOT_SIGNED: Rule = Rule {
    code: Code::ChangeOrderNotSigned,
    title: "A change order is not signed",
    section: 6,
    why: "An unsigned change order is a wish: until both have signed, nobody knows which terms hold next, so nothing is billed.",
    remedy: "Get it signed and file the signed version; until then the present terms hold.",
    severity: Severity::Blocking,
    group: Group::Event,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": false, "total": "45000.00"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "45000.00", "change": [{"id": "M1", "amount": "25000.00"}]}
        ]
    }"#,
};

pub(super) const DUPLICATE_MILESTONE: Rule = Rule {
    code: Code::DuplicateMilestone,
    title: "A change order adds a milestone that exists or existed",
    section: 6,
    why: "An id means one milestone for ever; adding it again would bill it again.",
    remedy: "Give the new milestone an id of its own and file a corrected change order.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "add": [{"id": "M1", "name": "Again", "amount": "0.00"}]}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "41000.00", "add": [{"id": "M3", "name": "More", "amount": "1000.00"}]}
        ]
    }"#,
};

pub(super) const STALE_AMENDMENT: Rule = Rule {
    code: Code::StaleAmendment,
    title: "A change order with a version that is not new",
    section: 6,
    why: "A version that is not above the present one was applied before, or came out of order.",
    remedy: "Nothing, if it was sent twice; otherwise give it the next version.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 1, "signed": true}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-12T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "45000.00", "change": [{"id": "M1", "amount": "25000.00"}]}
        ]
    }"#,
};
