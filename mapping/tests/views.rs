//! What people see of a contract: legs beside each other, receivables with payments, change orders as differences, the outlook.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::contract::{Contract, Receivable};
use milestoned_mapping::fact::{Fact, Leg};
use serde_json::{Value, json};

fn played(until: &str, events: Value) -> Contract {
    let case = json!({ "until": until, "events": events, "contract": {
        "id": "SOW-1", "customer": "Northwind Ltd", "currency": "USD", "total": "300.00", "signed_on": "2026-03-02",
        "payment_terms": "net 30", "acceptance": { "window_days": 5, "deemed": true },
        "obligations": [{ "id": "services", "ssp": "300.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": "100.00" },
            { "id": "M2", "name": "Build", "amount": "200.00" }] } });
    Case::from_json(&case.to_string(), &Calendars::built_in()).unwrap().play()
}

fn accepted(at: &str) -> Value {
    json!({ "at": at, "type": "accepted", "milestone": "M1", "by": "dana", "document": "https://docs.example/1.pdf" })
}

#[test]
fn legs_stand_beside_each_other_and_what_differs_is_marked() {
    let said = json!({ "at": "2026-03-03T10:00:00Z", "type": "observed", "leg": "crm", "record":
        { "customer": "Northwind Ltd", "amount": "310.00", "milestones": [{ "id": "M1", "amount": "90.00" }] } });
    let contract = played("2026-03-04", json!([said]));
    let rows = [contract.frame_beside(), contract.milestone_beside("M1")].concat();
    let row = |what: &str| rows.iter().find(|row| row.what == what).unwrap();
    assert!(row("amount").differs(Leg::Crm) && row("amount").of(Leg::Agreement) == Some("300.00"));
    assert!(row("milestone amount").differs(Leg::Crm) && row("milestone amount").of(Leg::Crm) == Some("90.00"));
    assert!(!row("customer").differs(Leg::Crm) && row("customer").of(Leg::Psa).is_none());
    assert_eq!(contract.milestone_beside("M9"), []);
}

#[test]
fn a_receivable_is_what_was_invoiced_less_what_stands_of_its_payments() {
    let pay = |at: &str, amount: &str, id: &str| json!({ "at": at, "type": "payment", "invoice": "SOW-1-M1", "amount": amount, "id": id });
    let back = json!({ "at": "2026-03-12T10:00:00Z", "type": "payment_reversed", "id": "P1" });
    let events = json!([
        accepted("2026-03-03T10:00:00Z"),
        pay("2026-03-10T10:00:00Z", "60.00", "P1"),
        pay("2026-03-11T10:00:00Z", "15.00", "P2"),
        back
    ]);
    let contract = played("2026-03-13", events);
    let one = contract.receivables().remove(0);
    let amounts = [one.amount, one.credited, one.paid, one.open].map(|amount| amount.to_string());
    assert_eq!(amounts, ["100.00", "0.00", "15.00", "85.00"]);
    assert_eq!(one.open, contract.position().accounts_receivable);
    let reversed: Vec<bool> = one.payments.iter().map(|payment| payment.reversed_on.is_some()).collect();
    assert_eq!(reversed, [true, false]);
}

/// Section 7: a payment is taken as far as its invoice is open, and what is shown as open is what a payment is held against.
#[test]
fn credit_memos_reduce_the_first_invoice_of_a_milestone_and_then_the_next() {
    let order = |at: &str, version: u32, amount: &str, total: &str| {
        json!({ "at": at, "type": "amended", "version": version, "signed": true, "total": total,
            "change": [{ "id": "M1", "amount": amount }], "add": [], "remove": [] })
    };
    let paid = json!({ "at": "2026-03-06T10:00:00Z", "type": "payment", "invoice": "SOW-1-M1-S1", "amount": "50.00", "id": "P1" });
    let contract = played(
        "2026-03-07",
        json!([
            accepted("2026-03-03T10:00:00Z"),
            order("2026-03-04T10:00:00Z", 2, "150.00", "350.00"),
            order("2026-03-05T10:00:00Z", 3, "20.00", "220.00"),
            paid
        ]),
    );
    let told =
        |one: Receivable| format!("{} {} - {} - {} = {}", one.number, one.amount, one.credited, one.paid, one.open);
    let receivables: Vec<String> = contract.receivables().into_iter().map(told).collect();
    assert_eq!(receivables, ["SOW-1-M1 100.00 - 100.00 - 0.00 = 0.00", "SOW-1-M1-S1 50.00 - 30.00 - 20.00 = 0.00"]);
}

#[test]
fn change_orders_are_told_as_differences() {
    let order = json!({ "at": "2026-03-05T10:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "350.00",
        "change": [{ "id": "M2", "amount": "250.00" }], "add": [], "remove": [] });
    let contract = played("2026-03-06", json!([order.clone()]));
    let facts: Vec<Fact> = vec![serde_json::from_value(order).unwrap()];
    let told = contract.change_orders(&facts).remove(0);
    assert_eq!((told.version, told.on.to_string().as_str()), (2, "2026-03-05"));
    assert_eq!(told.changes, ["total: 300.00 → 350.00", "M2 amount: 200.00 → 250.00"]);
}

#[test]
fn the_outlook_is_what_comes_about_and_changes_nothing() {
    let submitted = json!([{ "at": "2026-03-03T10:00:00Z", "type": "submitted", "milestone": "M1", "by": "vera" }]);
    let contract = played("2026-03-04", submitted.clone());
    let before = contract.clone();
    let outlook = contract.outlook("2026-03-31".parse().unwrap());
    assert_eq!(contract, before);
    let deadline = &outlook.deadlines[0];
    assert_eq!((deadline.milestone.as_str(), deadline.last_day.to_string().as_str()), ("M1", "2026-03-10"));
    assert_eq!(outlook.documents, played("2026-03-31", submitted).documents(), "silence bills it as the rules do");
    let review = contract.as_if_approved("M2", "rob", "2026-03-04T10:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(review.documents(), contract.documents(), "an approval alone accepts nothing");
    assert_eq!(contract.waits_for("M2"), ["trigger has not fired"]);
}

#[test]
fn terms_in_force_hold_what_change_orders_have_changed() {
    let order = json!({ "at": "2026-03-03T10:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "250.00",
        "po_number": "PO-7", "change": [{ "id": "M2", "amount": "150.00", "approver": "CFO" }],
        "add": [{ "id": "M3", "name": "Train", "amount": "100.00" }], "remove": ["M1"] });
    let in_force = Value::Object(played("2026-03-04", json!([order])).terms_in_force());
    let said =
        [&in_force["total"], &in_force["po_number"], &in_force["version"], &in_force["acceptance"]["window_days"]];
    assert_eq!(said, [&json!("250.00"), &json!("PO-7"), &json!(2), &json!(5)]);
    let ids: Vec<&Value> = in_force["milestones"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!((ids, &in_force["milestones"][0]["approver"]), (vec![&json!("M2"), &json!("M3")], &json!("CFO")));
}
