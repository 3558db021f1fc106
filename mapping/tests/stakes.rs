//! What a change order puts at stake, and which invoices need an approval because of what goes out with them.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::contract::{Approval, Contract};
use milestoned_mapping::fact::{Amendment, Fact};
use milestoned_mapping::money::{Currency, Money};
use serde_json::{Value, json};

fn usd(text: &str) -> Money {
    "USD".parse::<Currency>().unwrap().parse(text).unwrap()
}

/// Two milestones of 30.00 and one of 40.00; what is 50.00 or more needs an approval.
fn contract() -> Contract {
    let milestone =
        |id: &str, amount: &str| json!({ "id": id, "name": id, "amount": amount, "completion": "external_event" });
    let case = json!({ "until": "2026-03-02", "policy": { "review": "over", "review_over": "50.00" }, "contract": {
        "id": "S1", "customer": "Northwind", "currency": "USD", "total": "100.00", "signed_on": "2026-03-02",
        "payment_terms": "net 30", "obligations": [{ "id": "o", "ssp": "100.00", "method": "output" }],
        "milestones": [milestone("M1", "30.00"), milestone("M2", "30.00"), milestone("M3", "40.00")] } });
    Case::from_json(&case.to_string(), &Calendars::built_in()).unwrap().play()
}

fn apply(contract: &mut Contract, at: &str, mut what: Value) {
    what["at"] = at.into();
    contract.apply(&serde_json::from_value::<Fact>(what).unwrap()).unwrap();
}

fn delivered(milestone: &str) -> Value {
    json!({ "type": "external_event", "milestone": milestone, "name": "delivery" })
}

#[test]
fn a_change_order_puts_at_stake_what_it_touches_and_all_that_is_open_where_it_changes_the_contracts_own_terms() {
    let mut contract = contract();
    apply(&mut contract, "2026-03-03T10:00:00Z", delivered("M3"));
    let added = json!({ "id": "M4", "name": "more", "amount": "5.00", "completion": "external_event" });
    for (order, stake) in [
        (json!({ "total": "160.00", "change": [{ "id": "M1", "amount": "90.00" }] }), "90.00"),
        (json!({ "total": "80.00", "change": [{ "id": "M1", "amount": "10.00" }] }), "30.00"),
        (json!({ "total": "105.00", "add": [added] }), "5.00"),
        (json!({ "total": "70.00", "remove": ["M2"] }), "30.00"),
        (json!({ "change": [{ "id": "M2", "evidence": ["Report"] }] }), "30.00"),
        (json!({ "payment_terms": "net 5" }), "60.00"),
        (json!({ "customer": "Elsewhere" }), "60.00"),
        (json!({ "total": "900.00" }), "800.00"),
        (json!({ "signed": false, "total": "900.00" }), "0.00"),
        (json!({ "version": 1, "total": "900.00" }), "0.00"),
        (json!({}), "0.00"),
    ] {
        let mut whole = json!({ "version": 2, "signed": true });
        whole.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
        let whole: Amendment = serde_json::from_value(whole).unwrap();
        let before = contract.clone();
        assert_eq!(contract.at_stake(&whole), usd(stake), "{order}");
        assert_eq!(contract, before, "nothing is changed by looking");
    }
}

#[test]
fn an_invoice_that_comes_to_the_amount_with_those_of_its_days_needs_an_approval() {
    let day = |text: &str| text.parse::<Date>().unwrap();
    let mut before = contract();
    apply(&mut before, "2026-03-03T10:00:00Z", delivered("M1"));
    let mut after = before.clone();
    apply(&mut after, "2026-03-04T10:00:00Z", delivered("M2"));
    assert!(after.bills_below_review(&before) && !before.bills_below_review(&before));
    let asked = |others: &[(Date, Money)], days: i64| -> Vec<String> {
        after.to_ask(&before, others, |date| date.saturating_sub((days - 1).days())).into_iter().collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(asked(&[], 1), none, "30.00 on a day");
    assert_eq!(asked(&[], 2), ["M2"], "60.00 on two days");
    assert_eq!(asked(&[(day("2026-03-04"), usd("19.99"))], 1), none);
    assert_eq!(asked(&[(day("2026-03-04"), usd("20.00"))], 1), ["M2"], "another contract's of the day");
    assert_eq!(asked(&[(day("2026-03-03"), usd("20.00"))], 1), none, "of the day before");
    assert_eq!(asked(&[(day("2026-03-04"), usd("70.00"))], 1), none, "somebody has approved that one");
    let mut told = before.clone();
    apply(
        &mut told,
        "2026-03-04T09:00:00Z",
        json!({ "type": "review", "milestone": "M2", "decision": "ask", "by": "milestoned" }),
    );
    apply(&mut told, "2026-03-04T10:00:00Z", delivered("M2"));
    assert_eq!(told.documents().len(), 1);
    let waits = told.milestones().into_iter().find(|one| one.id == "M2").unwrap().approval;
    assert_eq!(waits, Approval::Waits { since: day("2026-03-04") });
    apply(
        &mut told,
        "2026-03-04T11:00:00Z",
        json!({ "type": "review", "milestone": "M2", "decision": "approve", "by": "rob" }),
    );
    assert_eq!(told.documents().len(), 2);
    assert_eq!(told.to_ask(&before, &[(day("2026-03-04"), usd("20.00"))], |date| date).len(), 0, "it is approved");
}
