//! Revenue and payments, section 7 of the rules.

use super::{Closes, Code, Group, Rule, Severity};

pub(super) const LOSS_CONTRACT: Rule = Rule {
    code: Code::LossContract,
    title: "Expected cost exceeds the price",
    section: 7,
    why: "Expected cost above the price is a loss, to be provided for at once in most frameworks.",
    remedy: "Review the estimate; a loss provision may be due.",
    severity: Severity::Warning,
    group: Group::Condition,
    closes: Closes::Condition,
    opens: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "cost", "obligation": "work", "incurred": "10000.00", "estimate_to_complete": "35000.00"}
        ],
        "contract": {"obligations": [{"id": "work", "ssp": "40000.00", "method": "cost_to_cost"}]}
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-03T12:00:00Z", "type": "cost", "obligation": "work", "incurred": "10000.00", "estimate_to_complete": "25000.00"}
        ],
        "contract": {"obligations": [{"id": "work", "ssp": "40000.00", "method": "cost_to_cost"}]}
    }"#,
};

pub(super) const RECOGNITION_METHOD_MISSING: Rule = Rule {
    code: Code::RecognitionMethodMissing,
    title: "No obligations: nothing is recognised",
    section: 7,
    why: "Without obligations and their methods nothing can be recognised, only billed.",
    remedy: "Have revenue accounting add obligations with standalone selling prices and methods.",
    severity: Severity::Warning,
    group: Group::Condition,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [],
        "contract": {"obligations": []}
    }"#,
    passes: r#"{
        "events": []
    }"#,
};

pub(super) const UNMATCHED_PAYMENT: Rule = Rule {
    code: Code::UnmatchedPayment,
    title: "A payment matches no open invoice",
    section: 7,
    why: "Money is applied to an invoice that is open for at least as much; otherwise a person decides.",
    remedy: "Apply it by hand in the ERP; or adopt the invoice that it pays, where somebody else wrote that (event `adopted`); or \
             return it; then close this with a reason.",
    severity: Severity::Warning,
    group: Group::Event,
    closes: Closes::Reviewer,
    opens: r#"{
        "events": [
            {"at": "2026-02-20T12:00:00Z", "type": "payment", "invoice": "C-M9", "amount": "100.00"}
        ]
    }"#,
    passes: r#"{
        "events": [
            {"at": "2026-02-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm@vendor.example", "evidence": []},
            {"at": "2026-02-10T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "dana@customer.example", "role": "Sponsor", "document": "https://acceptance.example/1"},
            {"at": "2026-02-20T12:00:00Z", "type": "payment", "invoice": "C-M1", "amount": "20000.00"}
        ]
    }"#,
};
