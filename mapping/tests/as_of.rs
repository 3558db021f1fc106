//! A contract as it was on a date: what is known of it now, and what was known of it then.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod generated;

use generated::{case as any_case, eased, read};
use jiff::ToSpan as _;
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::fact::Fact;
use proptest::prelude::*;
use serde_json::{Value, json};

fn case() -> Case {
    let event = |at: &str, rest: Value| {
        let mut event = json!({ "at": at, "milestone": "M1", "by": "x" });
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event
    };
    let case = json!({ "until": "2026-04-30", "contract": { "id": "C", "customer": "c", "currency": "USD", "total": "40.00",
            "signed_on": "2026-01-05", "obligations": [{ "id": "o", "ssp": "40.00", "method": "output" }],
            "milestones": [{ "id": "M1", "name": "m", "amount": "40.00" }] },
        "events": [
            event("2026-03-02T12:00:00Z", json!({ "type": "submitted" })),
            event("2026-03-05T12:00:00Z", json!({ "type": "rejected", "criteria": ["slow"] })),
            event("2026-03-10T12:00:00Z", json!({ "type": "submitted" })),
            event("2026-04-02T12:00:00Z", json!({ "type": "accepted", "on": "2026-03-28", "document": "d" })),
            { "at": "2026-04-20T12:00:00Z", "on": "2026-04-15", "type": "payment", "invoice": "C-M1", "amount": "40.00" }
        ] });
    Case::from_value(case, &Calendars::built_in()).unwrap()
}

/// Status, revenue, unbilled receivable, cash and invoices of a date, as known by an instant.
fn at(date: &str, known_by: &str) -> (String, String, String, String, usize) {
    let (case, date) = (case(), date.parse().unwrap());
    let by = known_by.parse().unwrap();
    let known: Vec<Fact> = case.events().iter().filter(|fact| fact.at <= by).cloned().collect();
    let mut contract = case.open();
    known.iter().for_each(|fact| contract.apply(fact).unwrap());
    contract.advance_to(case.terms().local_date(by));
    let report = contract.report_at(date, &case.open().having_happened_by(date, &known));
    let report = serde_json::to_value(report).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let position = &report["position"];
    let invoices = report["invoices"].as_array().unwrap().len();
    let balances = ["revenue", "unbilled_receivable", "cash"].map(|name| text(&position[name]));
    let [revenue, unbilled, cash] = balances;
    (text(&report["milestones"][0]["status"]), revenue, unbilled, cash, invoices)
}

fn seen(
    status: &str,
    revenue: &str,
    unbilled: &str,
    cash: &str,
    invoices: usize,
) -> (String, String, String, String, usize) {
    (status.into(), revenue.into(), unbilled.into(), cash.into(), invoices)
}

#[test]
fn the_end_of_march_as_known_then_and_as_known_now_are_two_answers() {
    let (then, now) = ("2026-03-31T23:00:00Z", "2026-04-30T23:00:00Z");
    assert_eq!(at("2026-03-31", then), seen("submitted", "0.00", "0.00", "0.00", 0));
    assert_eq!(at("2026-03-31", now), seen("accepted", "40.00", "40.00", "0.00", 0));
    assert_eq!(at("2026-04-10", now), seen("invoiced", "40.00", "0.00", "0.00", 1));
    assert_eq!(at("2026-04-16", now), seen("paid", "40.00", "0.00", "40.00", 1));
    assert_eq!(at("2026-04-16", "2026-04-18T00:00:00Z"), seen("invoiced", "40.00", "0.00", "0.00", 1));
}

/// The report of a date of a contract that is played as far as that, or further.
fn report_of(date: &str, contract: Value, events: Value) -> Value {
    let case = json!({ "until": "2026-04-30", "contract": contract, "events": events });
    let (case, date) = (Case::from_value(case, &Calendars::built_in()).unwrap(), date.parse().unwrap());
    let happened = case.open().having_happened_by(date, case.events());
    serde_json::to_value(case.play().report_at(date, &happened)).unwrap()
}

fn of_two(acceptance: Value) -> Value {
    json!({ "id": "C", "customer": "c", "currency": "USD", "total": "40.00", "signed_on": "2026-01-05", "acceptance": acceptance,
        "milestones": [{ "id": "M1", "name": "m", "amount": "30.00" }, { "id": "M2", "name": "m", "amount": "10.00" }] })
}

#[test]
fn milestones_of_a_date_are_those_that_there_were() {
    let order = json!([{ "at": "2026-03-10T12:00:00Z", "type": "amended", "version": 2, "signed": true, "remove": ["M2"],
        "add": [{ "id": "M3", "name": "m", "amount": "10.00" }] }]);
    for (date, seen) in [
        ("2026-03-09", json!([["M1", "pending"], ["M2", "pending"]])),
        ("2026-03-10", json!([["M1", "pending"], ["M2", "cancelled"], ["M3", "pending"]])),
    ] {
        let report = report_of(date, of_two(json!({})), order.clone());
        let milestones = report["milestones"].as_array().unwrap();
        let stand: Vec<Value> = milestones.iter().map(|one| json!([one["id"], one["status"]])).collect();
        assert_eq!(Value::Array(stand), seen, "{date}");
    }
}

#[test]
fn a_payment_counts_from_its_date_until_that_of_its_reversal() {
    let events = json!([
        { "at": "2026-03-02T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "c", "document": "d" },
        { "at": "2026-03-02T12:00:00Z", "type": "accepted", "milestone": "M2", "by": "c", "document": "d" },
        { "at": "2026-03-10T12:00:00Z", "type": "payment", "invoice": "C-M1", "amount": "30.00", "id": "P" },
        { "at": "2026-03-20T12:00:00Z", "type": "payment_reversed", "id": "P" },
    ]);
    for (date, status) in
        [("2026-03-09", "invoiced"), ("2026-03-10", "paid"), ("2026-03-19", "paid"), ("2026-03-20", "invoiced")]
    {
        let report = report_of(date, of_two(json!({})), events.clone());
        let stand = [0, 1].map(|index| report["milestones"][index]["status"].clone());
        assert_eq!(stand, [status, "invoiced"], "{date}");
    }
}

/// Silence was taken for acceptance on 17 March; on 2 April a rejection of 5 March comes.
#[test]
fn what_is_learned_late_has_happened_on_its_date() {
    let events = json!([
        { "at": "2026-03-02T12:00:00Z", "type": "submitted", "milestone": "M1", "by": "pm" },
        { "at": "2026-04-02T12:00:00Z", "on": "2026-03-05", "type": "rejected", "milestone": "M1", "by": "c", "criteria": ["slow"] },
    ]);
    let status =
        |date| report_of(date, of_two(json!({ "deemed": true })), events.clone())["milestones"][0]["status"].clone();
    assert_eq!(["2026-03-04", "2026-03-10", "2026-03-17"].map(status), ["submitted", "rejected", "invoiced"]);
}

#[test]
fn a_month_end_that_is_not_over_has_not_earned_its_month() {
    let case = json!({ "until": "2026-03-31", "contract": { "id": "C", "customer": "c", "currency": "USD", "total": "90.00",
        "signed_on": "2026-01-01", "milestones": [{ "id": "M1", "name": "m", "amount": "90.00" }], "obligations": [
            { "id": "o", "ssp": "1.00", "method": "time_elapsed", "start": "2026-01-01", "end": "2026-03-31" }] } });
    let case = Case::from_value(case, &Calendars::built_in()).unwrap();
    let mut contract = case.open();
    contract.advance_to(case.until());
    let revenue = |contract: &milestoned_mapping::contract::Contract| {
        serde_json::to_value(contract.report_at(case.until(), &case.open())).unwrap()["position"]["revenue"].clone()
    };
    assert_eq!(revenue(&contract), "59.00");
    contract.close_day();
    assert_eq!(revenue(&contract), "90.00");
}

#[test]
fn a_stage_that_was_left_since_is_that_of_its_date() {
    let now = "2026-04-30T23:00:00Z";
    for (date, status) in [
        ("2026-03-01", "pending"),
        ("2026-03-03", "submitted"),
        ("2026-03-06", "rejected"),
        ("2026-03-20", "submitted"),
    ] {
        assert_eq!(at(date, now).0, status, "{date}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// A milestone that was split since is shown by its parts, and is left out here.
    #[test]
    fn a_date_of_which_nothing_was_learned_later_is_shown_as_it_was(json in any_case(), back in 1_i64..120) {
        let mut json = json;
        eased(&mut json);
        for event in json["events"].as_array_mut().unwrap() {
            event.as_object_mut().unwrap().remove("portion");
        }
        let case = read(&json);
        let date = case.until().checked_sub(back.days()).unwrap();
        let facts: Vec<Fact> =
            case.events().iter().filter(|fact| case.terms().local_date(fact.at) <= case.until()).cloned().collect();
        json["until"] = json!(date);
        let then = read(&json).play().report();
        let happened = case.open().having_happened_by(date, &facts);
        prop_assert_eq!(case.play().report_at(date, &happened), then);
    }
}
