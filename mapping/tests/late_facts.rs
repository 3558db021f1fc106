//! Late facts: in whatever order they come, on open dates they make the same books; a date that says what the day says anyway
//! changes nothing; and what we billed, taken over from the ERP, is our own books again.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod generated;

use generated::{case, day, read};
use milestoned_mapping::case::{Case, simulate};
use milestoned_mapping::contract::{Contract, DocumentKind, Held};
use milestoned_mapping::fact::{Event, Fact};
use milestoned_mapping::record::{InvoiceSeen, InvoiceStatus, PaymentSeen};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// The day on which all of it becomes known, and how many days after the signature that is.
const KNOWN: i64 = 100;

/// A contract in which each kind of fact moves something: M1 waits for evidence, and releases what is kept back; M2 for a system
/// event, M3 for a reading, M4 for two approvals, M5 and M6 for conditions (and for a billing cycle: once it is invoiced, the date
/// of a condition stays as it was); M7 was billed in advance and paid, M8 was submitted, M9 has a date that has not come.
fn contract() -> impl Strategy<Value = Value> {
    let of = (
        select(vec!["USD", "JPY", "KWD"]),
        prop::option::of(select(vec!["10", "33.3333"])),
        select(vec!["on_completion", "within_days", "next_cycle"]),
        prop::collection::vec(select(vec!["output", "point_in_time", "cost_to_cost", "time_elapsed"]), 1..=3),
        any::<bool>(),
    );
    of.prop_map(|(currency, retainage, invoice, methods, sequence)| {
        let of_each = [
            json!({ "evidence": ["Report"] }),
            json!({ "completion": "external_event" }),
            json!({ "trigger": "usage", "usage_metric": "calls", "usage_threshold": "1000" }),
            json!({ "trigger": "workflow_approval" }),
            json!({ "invoice": "next_cycle", "trigger": "first_of", "conditions": [{ "event": "live" }, { "accepted": "M1", "plus_days": 9 }] }),
            json!({ "invoice": "next_cycle", "trigger": "last_of", "conditions": [{ "accepted": "M2" }, { "usage": "calls", "threshold": "500" }] }),
            json!({ "timing": "advance" }),
            json!({}),
            json!({ "trigger": "date", "trigger_date": day(300) }),
        ];
        let mut milestones = Vec::new();
        for (index, fields) in of_each.into_iter().enumerate() {
            let mut one = json!({ "id": format!("M{}", index + 1), "name": "m", "amount": (1_001 + index).to_string(),
                "invoice": invoice, "invoice_within_days": 5, "obligation": format!("O{}", index % methods.len()) });
            one.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            if sequence && index == 3 {
                one["depends_on"] = json!(["M2"]);
            }
            milestones.push(one);
        }
        let obligations: Vec<Value> = methods
            .iter()
            .enumerate()
            .map(|(index, method)| match *method {
                "time_elapsed" => json!({ "id": format!("O{index}"), "ssp": "100", "method": method, "start": day(10), "end": day(200) }),
                _ => json!({ "id": format!("O{index}"), "ssp": "100", "method": method }),
            })
            .collect();
        let mut contract = json!({ "id": "C", "customer": "c", "currency": currency, "total": "9045", "signed_on": day(0),
            "billing_cycle_day": 28, "obligations": obligations, "milestones": milestones });
        if let Some(percent) = retainage {
            // What an adopted invoice bears is told by what is known when it is adopted: nothing is kept back of it.
            contract["milestones"][8]["retainage_percent"] = json!("0");
            contract["retainage"] = json!({ "percent": percent, "release": "M1" });
        }
        contract
    })
}

/// What was known in time.
fn early() -> Vec<Value> {
    vec![
        json!({ "at": format!("{}T10:00:00Z", day(0)), "type": "usage", "metric": "calls", "value": "1" }),
        json!({ "at": format!("{}T10:00:00Z", day(28)), "type": "payment", "invoice": "C-M7", "amount": "300", "id": "P0" }),
        json!({ "at": format!("{}T10:00:00Z", day(30)), "type": "submitted", "milestone": "M8", "by": "x" }),
    ]
}

/// One late fact of each kind, some of two, each of a date of its own.
fn late(methods: &Value) -> Vec<Value> {
    let mut facts = vec![
        json!({ "type": "accepted", "milestone": "M1", "by": "x", "document": "d" }),
        json!({ "type": "evidence", "milestone": "M1", "evidence": ["Report"] }),
        json!({ "type": "external_event", "milestone": "M2", "name": "go-live" }),
        json!({ "type": "external_event", "milestone": "M5", "name": "live" }),
        json!({ "type": "usage", "metric": "calls", "value": "1200" }),
        json!({ "type": "usage", "metric": "calls", "value": "700" }),
        json!({ "type": "approved", "milestone": "M4", "party": "vendor", "by": "x" }),
        json!({ "type": "approved", "milestone": "M4", "party": "customer", "by": "x" }),
        json!({ "type": "payment", "invoice": "C-M7", "amount": "200", "id": "P1" }),
        json!({ "type": "payment_reversed", "id": "P0" }),
        json!({ "type": "rejected", "milestone": "M8", "by": "x", "criteria": ["slow"] }),
        json!({ "type": "adopted", "milestone": "M9", "number": "INV-9", "by": "x", "reason": "by hand" }),
        json!({ "type": "amended", "version": 2, "signed": true, "total": "9545", "change": [{ "id": "M3", "amount": "1503" }] }),
    ];
    for obligation in methods.as_array().unwrap().iter().filter(|one| one["method"] == "cost_to_cost") {
        for incurred in ["100", "300"] {
            facts.push(json!({ "type": "cost", "obligation": obligation["id"], "incurred": incurred, "estimate_to_complete": "200" }));
        }
    }
    facts
}

/// Plays facts in an order, all on one day, and a month more.
fn told(case: &Case, facts: &[Value], at_once: bool) -> Contract {
    let mut contract = case.play();
    for (index, fact) in facts.iter().enumerate() {
        let mut fact = fact.clone();
        let minute = if at_once { 0 } else { index };
        fact["at"] = json!(format!("{}T12:{minute:02}:00Z", day(KNOWN)));
        contract.apply(&serde_json::from_value(fact).unwrap()).unwrap();
    }
    contract.advance_to(day(KNOWN + 31).parse().unwrap());
    contract
}

/// Somebody wrote an invoice before: what the ERP shows when the contract is filed holds the milestone, what it shows later not.
#[test]
fn what_is_known_until_a_contract_is_filed_comes_before_what_its_first_day_brings() {
    for (seen, issued) in [("2026-03-02T09:00:00Z", 0), ("2026-03-02T10:00:00Z", 0), ("2026-03-02T11:00:00Z", 1)] {
        let case = json!({ "until": "2026-03-02", "contract": { "id": "C", "customer": "c", "currency": "USD", "total": "10.00",
            "signed_on": "2026-03-02", "milestones": [{ "id": "M1", "name": "m", "amount": "10.00", "trigger": "date", "trigger_date": "2026-01-01" }] },
            "events": [{ "at": seen, "type": "observed", "leg": "erp", "record": {
                "invoices": [{ "number": "X-1", "milestone": "M1", "date": "2026-03-01", "amount": "10.00", "status": "open" }] } }] });
        let case = read(&case);
        let (mut contract, filed) = (case.open(), "2026-03-02T10:00:00Z".parse().unwrap());
        contract.file_until(filed);
        assert_eq!((contract.has_begun(), contract.filed_until()), (false, Some(filed)));
        case.events().iter().for_each(|fact| contract.apply(fact).unwrap());
        contract.begin();
        assert_eq!((contract.has_begun(), contract.documents().len()), (true, issued), "{seen}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn late_facts_of_every_kind_make_the_same_books_in_any_order(
        (contract, one, other) in contract().prop_flat_map(|contract| {
            let facts = late(&contract["obligations"]);
            let dates = prop::sample::subsequence((31..KNOWN).collect::<Vec<i64>>(), facts.len()).prop_shuffle();
            dates.prop_flat_map(move |dates| {
                let mut facts = facts.clone();
                facts.iter_mut().zip(dates).for_each(|(fact, on)| fact["on"] = json!(day(on)));
                (Just(contract.clone()), Just(facts.clone()).prop_shuffle(), Just(facts).prop_shuffle())
            })
        }),
        at_once in any::<bool>(),
    ) {
        let case = json!({ "contract": contract, "until": day(KNOWN - 1), "events": early() });
        let case = read(&case);
        let (one, other) = (told(&case, &one, at_once), told(&case, &other, false));
        prop_assert!(one.exceptions().iter().all(|one| one.code.name() != "DATED_AHEAD"));
        prop_assert_eq!(one.journal(), other.journal());
        prop_assert_eq!(one.position(), other.position());
    }

    #[test]
    fn a_date_that_says_what_the_day_says_changes_nothing(json in case()) {
        let plain = read(&json);
        let mut dated = json;
        for event in dated["events"].as_array_mut().unwrap() {
            if !["observed", "overrule", "review"].contains(&event["type"].as_str().unwrap()) {
                event["on"] = json!(plain.terms().local_date(event["at"].as_str().unwrap().parse().unwrap()));
            }
        }
        prop_assert_eq!(simulate(&read(&dated)), simulate(&plain));
    }

    /// What a project tool and an ERP hold of a contract that we billed.
    #[test]
    fn what_we_billed_taken_over_from_the_erp_is_our_own_books(json in case()) {
        let mut json = json;
        json["contract"]["acceptance"]["deemed"] = json!(false);
        json["contract"]["partial_acceptance"] = json!(false);
        for obligation in json["contract"]["obligations"].as_array_mut().unwrap().iter_mut().filter(|one| one["method"] == "cost_to_cost") {
            obligation["method"] = json!("output");
        }
        let told = |one: &Value| ["accepted", "external_event", "payment"].contains(&one["type"].as_str().unwrap());
        json["events"].as_array_mut().unwrap().retain(told);
        for milestone in json["contract"]["milestones"].as_array_mut().unwrap() {
            if milestone["trigger"] != "date" {
                milestone["trigger"] = json!("acceptance");
            }
        }
        let case = read(&json);
        let ours = case.play();
        prop_assert!(ours.documents().iter().all(|one| one.kind == DocumentKind::Invoice));
        let (invoices, payments) = (in_erp(&ours), paid(&ours));
        let facts: Vec<Fact> = case.events().iter().filter(|fact| counts(&ours, fact)).cloned().collect();
        let held = Held { invoices: &invoices, payments: &payments, facts: &facts, ..Held::default() };
        let today = case.until();
        let bare = json!({ "contract": json["contract"], "until": today });
        let proposal = read(&bare).open().propose_history(&held, today);
        prop_assert!(proposal.items.iter().all(milestoned_mapping::contract::Proposed::is_certain));
        let before = proposal.books_from.yesterday().unwrap();
        let at = serde_json::to_value(ours.report_at(before, &ours)).unwrap()["position"].clone();
        let opening = proposal.opening.unwrap();
        let opening = [opening.billed, opening.recognised, opening.cash, opening.deferred_revenue, opening.accounts_receivable,
            opening.unbilled_receivable, opening.contract_asset].map(|amount| json!(amount.to_string()));
        let names = ["billed", "recognised", "cash", "deferred_revenue", "accounts_receivable", "unbilled_receivable", "contract_asset"];
        prop_assert_eq!(opening.to_vec(), names.map(|name| at[name].clone()).to_vec());
    }
}

/// A fact that had an effect: what was refused is not told by a project tool as an acceptance.
fn counts(ours: &Contract, fact: &Fact) -> bool {
    let Some(id) = fact.event.milestone() else { return false };
    let on = ours.terms().local_date(fact.at);
    let accepted = ours.milestones().iter().any(|one| one.id == id && one.accepted_on == Some(on));
    accepted && !matches!(fact.event, Event::Payment { .. })
}

fn in_erp(ours: &Contract) -> Vec<InvoiceSeen> {
    let seen = |one: &milestoned_mapping::contract::IssuedDocument| InvoiceSeen {
        credit_memo: false,
        number: one.number.clone(),
        contract: Some("C".into()),
        milestone: Some(one.milestone.clone()),
        customer: ours.terms().customer().into(),
        currency: ours.terms().currency().to_string(),
        date: one.date,
        amount: one.amount.to_string().parse().unwrap(),
        tax: None,
        status: InvoiceStatus::Open,
        deferred: None,
        recognised: None,
        lines: None,
        applied_to: Vec::new(),
    };
    ours.documents().iter().map(seen).collect()
}

fn paid(ours: &Contract) -> Vec<(String, PaymentSeen)> {
    let mut payments = Vec::new();
    for receivable in ours.receivables() {
        for payment in &receivable.payments {
            let seen = PaymentSeen {
                invoice: receivable.number.clone(),
                contract: None,
                currency: ours.terms().currency().to_string(),
                date: payment.on,
                amount: payment.amount.to_string().parse().unwrap(),
            };
            payments.push((format!("erp:{}", payments.len()), seen));
        }
    }
    payments
}
