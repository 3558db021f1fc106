//! An approval is of what was shown; what an exception shows of the values behind it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::contract::{Approval, Contract, ExceptionRecord};
use milestoned_mapping::fact::{Fact, Shown};
use serde_json::{Value, json};

fn contract(policy: &Value, evidence: &[&str], events: &[Value]) -> Contract {
    let case = json!({ "until": "2026-03-31", "policy": policy, "events": events, "contract": {
        "id": "BAIT", "customer": "Northwind Ltd", "currency": "USD", "total": "10.00", "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": "10.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": "10.00", "completion": "external_event",
            "evidence": evidence }] } });
    Case::from_json(&case.to_string(), &Calendars::built_in()).unwrap().play()
}

fn event(at: &str, event: Value) -> Value {
    let mut event = event;
    event.as_object_mut().unwrap().insert("at".into(), at.into());
    event
}

fn apply(contract: &mut Contract, at: &str, what: Value) {
    let fact: Fact = serde_json::from_value(event(at, what)).unwrap();
    contract.apply(&fact).unwrap();
}

fn approve(shown: &Shown) -> Value {
    json!({ "type": "review", "milestone": "M1", "decision": "approve", "by": "rob", "shown": shown })
}

const DELIVERED: &str = r#"{ "type": "external_event", "milestone": "M1", "name": "delivery" }"#;

#[test]
fn an_approval_ends_when_what_was_approved_changes_and_waits_again() {
    let policy = json!({ "review": "all" });
    let amended = json!({ "type": "amended", "version": 2, "signed": true, "total": "900000.00",
        "change": [{ "id": "M1", "amount": "900000.00" }] });
    for (order, invoices) in
        [("approved, then changed", 0), ("changed, then approved as shown before", 0), ("shown after", 1)]
    {
        let mut contract = contract(&policy, &[], &[]);
        let before = contract.shown("M1").unwrap();
        let after = |contract: &Contract| contract.shown("M1").unwrap();
        match order {
            "approved, then changed" => {
                apply(&mut contract, "2026-04-01T10:00:00Z", approve(&before));
                apply(&mut contract, "2026-04-01T11:00:00Z", amended.clone());
            }
            "shown after" => {
                apply(&mut contract, "2026-04-01T10:00:00Z", amended.clone());
                let shown = after(&contract);
                apply(&mut contract, "2026-04-01T11:00:00Z", approve(&shown));
            }
            _ => {
                apply(&mut contract, "2026-04-01T10:00:00Z", amended.clone());
                apply(&mut contract, "2026-04-01T11:00:00Z", approve(&before));
            }
        }
        apply(&mut contract, "2026-04-02T10:00:00Z", serde_json::from_str(DELIVERED).unwrap());
        assert_eq!(contract.documents().len(), invoices, "{order}");
        let view = contract.milestones().remove(0);
        if invoices == 0 {
            assert_eq!(view.approval, Approval::Waits { since: "2026-04-02".parse().unwrap() }, "{order}");
            assert_eq!(view.void_approval, Some(before), "{order}: it says of what the approval was");
            let shown = after(&contract);
            apply(&mut contract, "2026-04-03T10:00:00Z", approve(&shown));
            assert_eq!(contract.documents().len(), 1, "{order}");
        }
        assert_eq!(contract.milestones().remove(0).void_approval, None, "{order}");
    }
}

#[test]
fn an_approval_is_of_what_the_legs_said_but_for_a_status_and_the_digits_of_an_amount() {
    let seen = |leg: &str, record: Value| json!({ "type": "observed", "leg": leg, "record": record });
    let deal = |amount: &str| seen("crm", json!({ "amount": amount }));
    let work = |id: &str, status: &str| {
        seen("psa", json!({ "milestones": [{ "id": id, "status": status, "window_days": 10 }] }))
    };
    let invoiced = |id: &str| {
        let invoice =
            json!({ "number": "X-1", "milestone": id, "date": "2026-03-30", "amount": "10.00", "status": "open" });
        seen("erp", json!({ "invoices": [invoice] }))
    };
    for (later, stands) in [
        (deal("10"), true),
        (deal("10.01"), false),
        (work("M1", "done"), true),
        (work("M2", "done"), false),
        (invoiced("M2"), true),
        (invoiced("M1"), false),
    ] {
        let mut contract = contract(&json!({ "review": "all" }), &[], &[]);
        apply(&mut contract, "2026-04-01T08:00:00Z", deal("10.00"));
        apply(&mut contract, "2026-04-01T09:00:00Z", work("M1", "open"));
        let shown = contract.shown("M1").unwrap();
        apply(&mut contract, "2026-04-01T10:00:00Z", approve(&shown));
        apply(&mut contract, "2026-04-01T11:00:00Z", later.clone());
        let view = contract.milestones().remove(0);
        assert_eq!(view.approval == Approval::Given { on: "2026-04-01".parse().unwrap() }, stands, "{later}");
        assert_eq!(view.void_approval, Some(shown).filter(|_| !stands), "{later}");
    }
}

#[test]
fn an_approval_without_what_was_shown_holds_as_it_did_before() {
    let mut contract = contract(&json!({ "review": "all" }), &[], &[]);
    assert_eq!(contract.milestones().remove(0).approval, Approval::Later);
    let approve = json!({ "type": "review", "milestone": "M1", "decision": "approve", "by": "rob" });
    apply(&mut contract, "2026-04-01T10:00:00Z", approve);
    apply(&mut contract, "2026-04-02T10:00:00Z", serde_json::from_str(DELIVERED).unwrap());
    assert_eq!(contract.documents().len(), 1);
}

/// Each exception with the values behind it, in words.
fn told(contract: &Contract) -> Vec<String> {
    let words = |one: &ExceptionRecord| {
        let milestone = one.milestone.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        let values: Vec<String> = contract.values_behind(one).iter().map(ToString::to_string).collect();
        format!("{}{milestone} {}", one.code, values.join("; "))
    };
    contract.exceptions().iter().map(words).collect()
}

#[test]
fn an_exception_that_an_event_opened_shows_what_the_event_said_beside_what_stood_there() {
    let paid = |id: &str, invoice: &str, amount: &str| json!({ "type": "payment", "id": id, "invoice": invoice, "amount": amount });
    let order = |version: u32, amount: &str, add: Value| {
        json!({ "type": "amended", "version": version, "signed": true, "total": amount, "add": add,
            "change": [{ "id": "M1", "amount": amount }] })
    };
    let design = json!([{ "id": "M1", "name": "Design", "amount": "7.00" }]);
    let mut contract =
        contract(&json!({}), &[], &[event("2026-03-04T10:00:00Z", serde_json::from_str(DELIVERED).unwrap())]);
    for (day, what) in [
        ("03", paid("P-1", "INV-9", "1200.50")),
        ("04", paid("P-2", "BAIT-M1", "12.00")),
        ("05", json!({ "type": "payment_reversed", "id": "P-9" })),
        ("06", order(1, "10.00", json!([]))),
        ("07", json!({ "type": "rejected", "milestone": "M1", "criteria": ["it is slow"], "by": "cy" })),
        ("08", order(2, "11.00", design)),
        ("09", order(3, "12.00", json!([]))),
        ("09", paid("P-1", "INV-9", "1200.50")),
    ] {
        apply(&mut contract, &format!("2026-04-{day}T10:00:00Z"), what);
    }
    let expected = [
        "UNMATCHED_PAYMENT payment P-1 of 2026-04-03 for INV-9, no invoice of this contract: 1,200.50 seen; \
         payment P-2 of 2026-04-04 for BAIT-M1, of which 10.00 was open: 12.00 seen; \
         reversal of payment P-9, which is not applied: 2026-04-05 seen; \
         payment P-1 of 2026-04-09 for INV-9, no invoice of this contract: 1,200.50 seen",
        "STALE_AMENDMENT version: 1 agreed; 1 of 2026-04-06 seen",
        "LATE_REJECTION M1 rejection: accepted on 2026-03-04 agreed; dated 2026-04-07 seen",
        "DUPLICATE_MILESTONE M1 milestone: M1 of 10.00 agreed; M1 of 7.00 in version 2, of 2026-04-08 seen",
        "AMENDED_AFTER_INVOICE M1 billed: 11.00 by version 2, of 2026-04-08 agreed; 10.00 computed; \
         billed: 12.00 by version 3, of 2026-04-09 agreed; 11.00 computed",
    ];
    assert_eq!(told(&contract), expected);
    let again: Contract = serde_json::from_str(&serde_json::to_string(&contract).unwrap()).unwrap();
    assert_eq!(told(&again), expected, "as it is kept");
}

#[test]
fn an_exception_shows_the_value_that_is_agreed_and_the_one_that_was_seen() {
    let observed = json!({ "type": "observed", "leg": "crm", "record": { "amount": "12.3456", "customer": "Northwind",
        "milestones": [{ "id": "M1", "amount": "7000.00", "window_days": 9 }] } });
    let early = serde_json::from_str(DELIVERED).unwrap();
    let events = [event("2026-03-03T10:00:00Z", observed), event("2026-03-04T10:00:00Z", early)];
    let contract = contract(&json!({ "require_legs": ["erp"] }), &["Final report"], &events);
    let said = told(&contract);
    for words in [
        "AMOUNT_MISMATCH amount: 10.00 agreed; 12.3456 seen",
        "AMOUNT_MISMATCH M1 amount: 10.00 agreed; 7,000.00 seen",
        "ACCEPTANCE_TERMS_MISMATCH M1 acceptance window: 10 business days agreed; 9 business days seen",
        "CUSTOMER_MISMATCH customer: Northwind Ltd agreed; Northwind seen",
        "EVIDENCE_MISSING M1 missing evidence: Final report",
        "LEG_MISSING leg: erp has shown nothing",
    ] {
        assert!(said.iter().any(|said| said == words), "{words}: {said:#?}");
    }
}

#[test]
fn an_overruling_of_named_values_ends_when_one_changes_or_with_its_date() {
    let deal = |amount: &str| json!({ "type": "observed", "leg": "crm", "record": { "amount": amount } });
    let overrule = |values: Value, until: Value| {
        json!({ "type": "overrule", "code": "AMOUNT_MISMATCH", "leg": "crm", "by": "rob", "reason": "agreed by mail",
            "values": values, "until": until })
    };
    let seen = json!(["amount: 10.00 agreed; 12.00 seen"]);
    let open = |contract: &Contract| contract.exceptions().iter().filter(|one| one.closed_on.is_none()).count();
    for (values, until, same_again, other, on_the_date) in [
        (seen.clone(), Value::Null, 0, 1, 1),
        (Value::Null, Value::Null, 0, 0, 0),
        (seen, json!("2026-04-10"), 0, 1, 1),
        (Value::Null, json!("2026-04-10"), 0, 0, 1),
    ] {
        let mut contract = contract(&json!({}), &[], &[]);
        apply(&mut contract, "2026-04-01T10:00:00Z", deal("12.00"));
        assert_eq!(open(&contract), 1);
        apply(&mut contract, "2026-04-02T10:00:00Z", overrule(values.clone(), until.clone()));
        apply(&mut contract, "2026-04-03T10:00:00Z", deal("12.00"));
        assert_eq!(open(&contract), same_again, "{values} {until}: the same was seen again");
        apply(&mut contract, "2026-04-04T10:00:00Z", deal("13.00"));
        assert_eq!(open(&contract), other, "{values} {until}: another value was seen");
        contract.advance_to("2026-04-10".parse().unwrap());
        assert_eq!(open(&contract), on_the_date, "{values} {until}: the date has come");
        apply(&mut contract, "2026-04-11T10:00:00Z", deal("10.00"));
        assert_eq!(open(&contract), 0, "{values} {until}: what is mended is closed");
    }
}

#[test]
fn a_balance_that_nobody_agreed_is_not_called_agreed() {
    let observed = json!({ "type": "observed", "leg": "erp", "record": { "deferred_balance": "5.00" } });
    let contract = contract(&json!({}), &[], &[event("2026-03-03T10:00:00Z", observed)]);
    let said = told(&contract);
    assert!(said.contains(&"DEFERRED_VARIANCE deferred revenue: 0.00 computed; 5.00 seen".into()), "{said:#?}");
}
