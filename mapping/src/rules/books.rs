//! Books, sections 10 and 11 of the rules: what was known late, what was known ahead, what others billed before.

use super::{Closes, Code, Group, Rule, Severity};

pub(super) const ADOPTION_MISMATCH: Rule = Rule {
    code: Code::AdoptionMismatch,
    title: "An invoice of somebody else cannot be the milestone's invoice",
    section: 11,
    why: "An adopted invoice stands in the place of ours: it has to bear what ours would, for a milestone that has none.",
    remedy: "Adopt it with the milestone and the amount that it bears, or have it corrected there; then close this with a reason.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "adopted", "milestone": "M1", "number": "INV-7", "on": "2026-02-02", "amount": "19000.00", "by": "ar@vendor.example", "reason": "billed by hand"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "adopted", "milestone": "M1", "number": "INV-7", "on": "2026-02-02", "amount": "20000.00", "by": "ar@vendor.example", "reason": "billed by hand"}
        ]
    }"#,
};

pub(super) const BOOKED_LATE: Rule = Rule {
    code: Code::BookedLate,
    title: "Something of a closed period became known and was booked in an open one",
    section: 10,
    why: "Closed periods keep their entries; what is learned of them later stands in the period in which it is learned.",
    remedy: "Judge whether the amount matters for the closed period's report, then close this with a reason.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-03-02T12:00:00Z", "type": "period_closed", "through": "2026-02-28"},
            {"at": "2026-03-04T12:00:00Z", "on": "2026-02-26", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-03-02T12:00:00Z", "type": "period_closed", "through": "2026-02-28"},
            {"at": "2026-03-04T12:00:00Z", "on": "2026-03-02", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
};

pub(super) const DATED_AHEAD: Rule = Rule {
    code: Code::DatedAhead,
    title: "Something bears a date after the day on which it was known",
    section: 10,
    why: "What has not happened yet cannot be known; a date ahead is a slip, and would book revenue or cash too early.",
    remedy: "Send it again with its true date, or on that date; then close this with a reason.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-10T12:00:00Z", "on": "2026-02-20", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-10T12:00:00Z", "on": "2026-02-09", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"}
        ]
    }"#,
};
