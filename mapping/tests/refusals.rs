//! What is wrong with a file or a fact is told by place and reason, all of it at once.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads files, and may fail")]

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::{Case, simulate};
use milestoned_mapping::change_order::ChangeOrder;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::schema::{change_order_schema, json_schema};
use milestoned_mapping::terms::Terms;
use serde_json::{Value, json};

/// A contract in order, with one value put in its place (`null` takes the field away).
fn with(place: &str, value: Value) -> Value {
    let mut contract = json!({
        "id": "C", "customer": "Northwind", "currency": "USD", "total": "100.00", "signed_on": "2026-01-05",
        "acceptance": { "window_days": 5 },
        "obligations": [{ "id": "O1", "ssp": "60.00", "method": "output" },
                        { "id": "O2", "ssp": "40.00", "method": "time_elapsed", "start": "2026-01-01", "end": "2026-12-31" }],
        "milestones": [{ "id": "M1", "name": "One", "amount": "40.00", "obligation": "O1" },
                       { "id": "M2", "name": "Two", "amount": "60.00", "obligation": "O2", "depends_on": ["M1"] }],
    });
    let (table, field) = place.rsplit_once('/').unwrap();
    let table = contract.pointer_mut(table).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        table.remove(field)
    } else {
        table.insert(field.into(), value)
    };
    contract
}

fn problems(contract: &Value) -> Vec<String> {
    match Terms::from_json(&contract.to_string(), &Calendars::built_in()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(Problem::said).collect(),
    }
}

#[test]
fn each_bad_value_is_told_with_its_place_and_alone() {
    assert_eq!(problems(&with("/id", json!("C"))), [] as [&str; 0]);
    for (place, value, problem) in [
        ("/id", Value::Null, "id: is missing"),
        ("/customer", json!(7), "customer: "),
        ("/currency", json!("XXX"), "currency: unknown currency"),
        ("/total", json!(100), "total: write the amount as text in quotes"),
        ("/total", json!("1e2"), "total: \"1e2\" is not an amount"),
        ("/total", json!("100.001"), "total: \"100.001\" has more decimals"),
        ("/cap", json!("-1.00"), "cap: -1.00 is negative"),
        ("/signed_on", json!("2026-02-30"), "signed_on: \"2026-02-30\" is not a date"),
        ("/timezone", json!("Mars/Olympus"), "timezone: "),
        ("/calendar", json!("lunar"), "calendar: \"lunar\" is none of england-and-wales, us-federal, weekends"),
        ("/payment_terms", json!("net soon"), "payment_terms: "),
        ("/payment_terms_from", json!("never"), "payment_terms_from: "),
        ("/billing_cycle_day", json!(32), "billing_cycle_day: must be from 1 to 31"),
        ("/billing_cycle_day", json!(0), "billing_cycle_day: must be from 1 to 31"),
        ("/partial_acceptance", json!("yes"), "partial_acceptance: "),
        ("/surprise", json!(1), "surprise: is not a known field"),
        ("/acceptance/window_days", json!(-1), "acceptance.window_days: must be a whole number"),
        ("/acceptance/window", json!(1), "acceptance.window: is not a known field"),
        ("/obligations/0/ssp", Value::Null, "obligations[0].ssp: is missing"),
        ("/obligations/0/method", json!("hope"), "obligations[0].method: \"hope\" is none of"),
        ("/obligations/1/id", json!("O1"), "obligations[1].id: \"O1\" is there twice"),
        ("/obligations/1/end", json!("2025-12-31"), "obligations[1].end: is before start"),
        ("/obligations/1/end", Value::Null, "obligations[1].start: time_elapsed needs start and end"),
        ("/milestones/0/name", Value::Null, "milestones[0].name: is missing"),
        ("/milestones/0/amount", Value::Null, "milestones[0].amount: is missing"),
        ("/milestones/0/percent", json!("-5"), "milestones[0].percent: is negative"),
        ("/milestones/0/percent", json!("100.01"), "milestones[0].percent: is more than 100"),
        ("/milestones/0/percent", json!("79000000000000000000000000000"), "milestones[0].percent: is more than 100"),
        (
            "/milestones/0/amount",
            json!("92233720368547758.07"),
            "milestones: the amounts sum to more than can be counted",
        ),
        ("/milestones/0/percent", json!("40"), "milestones[0].percent: amount and percent may not be mixed"),
        ("/milestones/1/id", json!("M1"), "milestones[1].id: \"M1\" is there twice"),
        ("/milestones/1/depends_on", json!(["M9"]), "milestones[1].depends_on: \"M9\" is no milestone"),
        ("/milestones/1/depends_on", json!("M1"), "milestones[1].depends_on: must be a list of texts"),
        ("/milestones/0/depends_on", json!(["M2"]), "milestones: \"M1\" depends on itself"),
        ("/milestones/0/obligation", json!("O9"), "milestones[0].obligation: \"O9\" is no obligation"),
        ("/milestones/0/obligation", Value::Null, "milestones[0].obligation: is missing: there are several"),
        ("/milestones/0/trigger", json!("date"), "milestones[0].trigger_date: is missing"),
        ("/milestones/0/trigger", json!("usage"), "milestones[0].usage_threshold: "),
        ("/milestones/0/trigger", json!("luck"), "milestones[0].trigger: \"luck\" is none of"),
        ("/milestones/0/invoice", json!("within_days"), "milestones[0].invoice_within_days: is missing"),
        ("/milestones/0/invoice", json!("now"), "milestones[0].invoice: \"now\" is none of"),
        ("/milestones", json!([]), "milestones: at least one milestone is needed"),
    ] {
        let told = problems(&with(place, value.clone()));
        assert!(told.iter().any(|one| one.starts_with(problem)), "{place} = {value}: {told:?}");
        // What no later check can go on with may bring another problem, never a flood.
        assert!(told.len() <= 3, "{place} = {value}: {told:?}");
    }
}

#[test]
fn standalone_selling_prices_must_be_prices() {
    let no_price = json!({ "id": "C", "customer": "c", "currency": "USD", "total": "1.00", "signed_on": "2026-01-05",
        "obligations": [{ "id": "O", "ssp": "0.00", "method": "output" }], "milestones": [{ "id": "M", "name": "m", "amount": "1.00" }] });
    assert_eq!(problems(&no_price), ["obligations: at least one standalone selling price must be above 0"]);
}

#[test]
fn retainage_conditions_and_history_are_told_like_any_other_field() {
    for (place, value, problem) in [
        ("/milestones/0/trigger", json!("first_of"), "milestones[0].conditions: \"first_of\" needs 1 to 8 conditions"),
        ("/milestones/0/retainage_percent", json!("5"), "milestones[0].retainage_percent: needs a table [retainage]"),
        (
            "/retainage",
            json!({ "percent": "100", "release": "M2" }),
            "retainage.percent: 100 is not from 0 to below 100",
        ),
        ("/retainage", json!({ "percent": "0", "release": "M2" }), "retainage.percent: must be more than 0"),
        ("/retainage", json!({ "percent": "10", "release": "M9" }), "retainage.release: \"M9\" is no milestone"),
        (
            "/history",
            json!([{ "type": "submitted", "milestone": "M1", "on": "2026-01-01" }]),
            "history[0].type: \"submitted\"",
        ),
        ("/history", json!([{ "type": "accepted", "milestone": "M1" }]), "history[0].on: is missing"),
    ] {
        let told = problems(&with(place, value.clone()));
        assert!(told.iter().any(|one| one.starts_with(problem)), "{place} = {value}: {told:?}");
    }
}

#[test]
fn conditions_are_one_to_eight_and_each_says_one_thing() {
    let told = |conditions: Value| {
        let mut contract = with("/milestones/0/trigger", json!("first_of"));
        contract["milestones"][0]["conditions"] = conditions;
        problems(&contract)
    };
    let many = |count: usize| Value::Array(vec![json!({ "date": "2026-09-30", "plus_business_days": 2 }); count]);
    assert_eq!(told(many(8)), [] as [&str; 0]);
    for (conditions, problem) in [
        (many(9), "milestones[0].conditions: \"first_of\" needs 1 to 8 conditions"),
        (json!([]), "milestones[0].conditions: \"first_of\" needs 1 to 8 conditions"),
        (json!([{ "accepted": "M9" }]), "milestones[0].conditions: \"M9\" is no milestone"),
        (
            json!([{ "event": "live", "plus_days": 3 }]),
            "milestones[0].conditions[0].plus_days: only a condition of accepted or date has days to add",
        ),
        (
            json!([{ "date": "2026-09-30", "plus_days": 3, "plus_business_days": 3 }]),
            "milestones[0].conditions[0].plus_business_days: plus_days and plus_business_days may not be mixed",
        ),
    ] {
        let told = told(conditions.clone());
        assert!(told.iter().any(|one| one.starts_with(problem)), "{conditions}: {told:?}");
    }
}

#[test]
fn a_milestone_that_is_not_billable_needs_neither_amount_nor_obligation() {
    let mut contract = with("/milestones/0/billable", json!(false));
    let milestone = contract.pointer_mut("/milestones/0").unwrap().as_object_mut().unwrap();
    milestone.remove("amount");
    milestone.remove("obligation");
    assert_eq!(problems(&contract), [] as [&str; 0]);
}

#[test]
fn toml_and_json_are_the_same_terms() {
    let toml = "id = \"C\"\ncustomer = \"n\"\ncurrency = \"USD\"\ntotal = \"1.00\"\nsigned_on = 2026-01-05\npo_number = \"PO-1\"\n\
        payment_terms = \"due on receipt\"\n[[milestones]]\nid = \"M\"\nname = \"m\"\namount = \"1.00\"\nbillable = true\nevidence = [\"a\"]\nwindow_days = 3\n";
    let json = r#"{"id":"C","customer":"n","currency":"USD","total":"1.00","signed_on":"2026-01-05","po_number":"PO-1","payment_terms":"due on receipt",
        "milestones":[{"id":"M","name":"m","amount":"1.00","billable":true,"evidence":["a"],"window_days":3}]}"#;
    let calendars = Calendars::built_in();
    let terms = Terms::from_toml(toml, &calendars).unwrap();
    assert_eq!(terms, Terms::from_json(json, &calendars).unwrap());
    assert_eq!((terms.po_number(), terms.payment_terms_text().as_str()), (Some("PO-1"), "due on receipt"));
    let float = Terms::from_toml(&toml.replace("total = \"1.00\"", "total = 1.00"), &calendars).unwrap_err();
    assert!(float.to_string().starts_with("total: write the amount as text in quotes"), "{float}");
    assert_eq!(float.0.len(), 1);
}

#[test]
fn a_remedy_says_what_belongs_there() {
    let told = |place: &str, value: Value| {
        let contract = with(place, value);
        let errors = Terms::from_value(contract, &Calendars::built_in()).unwrap_err();
        errors.0[0].remedy.clone()
    };
    assert_eq!(told("/signed_on", json!("soon")), "write the date of signature, such as 2026-01-05");
    assert_eq!(told("/payment_term", json!("net 30")), "write payment_terms, or remove it");
    assert_eq!(told("/acceptance/window_dayz", json!(1)), "write window_days, or remove it");
    assert!(told("/acceptance/surprise", json!(1)).starts_with("remove it; known here: window_days, deemed"));
    assert_eq!(told("/milestones/1/evidence", json!(7)), "write a list of artefacts, by their exact names");
    assert!(told("/obligations/0/method", json!("hope")).contains("\"cost_to_cost\""));
}

/// One event on the contract above: why the case is refused.
fn refusal(event: Value) -> String {
    let case = json!({ "contract": with("/id", json!("C")), "until": "2026-03-01", "events": [event] });
    Case::from_value(case, &Calendars::built_in()).unwrap_err().to_string()
}

#[test]
fn a_fact_that_the_terms_cannot_read_is_a_bad_file() {
    let at = "2026-02-02T12:00:00Z";
    for (event, problem) in [
        (json!({ "at": at, "type": "payment", "invoice": "C-M1", "amount": "1.001" }), "events[0].amount: "),
        (json!({ "at": at, "type": "payment", "invoice": "C-M1", "amount": "-1.00" }), "events[0].amount: is negative"),
        (
            json!({ "at": at, "type": "cost", "obligation": "O9", "incurred": "1", "estimate_to_complete": "1" }),
            "events[0].obligation: ",
        ),
        (
            json!({ "at": at, "type": "cost", "obligation": "O1", "incurred": "-1", "estimate_to_complete": "1" }),
            "events[0].incurred: is negative",
        ),
        (
            json!({ "at": at, "type": "cost", "obligation": "O1", "incurred": "1", "estimate_to_complete": "1", "uninstalled_materials": "2" }),
            "events[0].uninstalled_materials: is more",
        ),
        (
            json!({ "at": at, "type": "accepted", "milestone": "M1", "by": "x", "portion": "1.001" }),
            "events[0].portion: ",
        ),
        (json!({ "at": at, "type": "observed", "leg": "agreement", "record": {} }), "events[0].leg: "),
        (json!({ "at": at, "type": "amended", "version": 2, "signed": true, "total": "-1.00" }), "events[0].total: "),
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "add": [{ "id": "M3", "name": "x", "amount": "1.00", "obligation": "O9" }] }),
            "events[0].add[0].obligation: \"O9\" is no obligation",
        ),
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "add": [{ "id": "M3", "name": "x", "amount": "1.00" }] }),
            "events[0].add[0].obligation: is missing",
        ),
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "change": [{ "amount": "1.00" }] }),
            "events[0].change[0].id: is missing",
        ),
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "change": [{ "id": "M1", "amount": "x" }] }),
            "events[0].change[0].amount: ",
        ),
        (json!({ "at": at, "type": "wished" }), "events[0].type: \"wished\" is none of accepted, "),
        (
            json!({ "at": "soon", "type": "usage", "metric": "m", "value": "1" }),
            "events[0].at: \"soon\" is not an instant",
        ),
        (
            json!({ "at": at, "type": "usage", "metric": "m", "value": 1.5 }),
            "events[0].value: write it as text in quotes",
        ),
        (
            json!({ "at": at, "type": "usage", "metric": "m", "value": "1", "unit": "x" }),
            "events[0].unit: is not a field of \"usage\"",
        ),
    ] {
        let told = refusal(event.clone());
        assert!(told.starts_with(problem), "{event}: {told}");
    }
}

#[test]
fn a_field_of_an_event_is_refused_in_its_place() {
    let at = "2026-02-02T12:00:00Z";
    for (event, problem) in [
        (json!({ "at": at, "type": "usage", "value": "1" }), "events[0].metric: is missing"),
        (
            json!({ "at": at, "type": "review", "milestone": "M1", "decision": "perhaps" }),
            "events[0].decision: unknown variant `perhaps`",
        ),
        (
            json!({ "at": at, "type": "observed", "leg": "erp", "record": { "milestones": [{ "id": "M1", "amount": 1.5 }] } }),
            "events[0].record.milestones[0].amount: write it as text in quotes",
        ),
        (
            json!({ "at": at, "type": "observed", "leg": "erp", "record": ["closed_won"] }),
            "events[0].record: must be a table of fields",
        ),
        (
            json!({ "at": at, "type": "observed", "leg": "erp", "record": { "milestones": [{ "id": "M2" }, ["M1"]] } }),
            "events[0].record.milestones[1]: must be a table of fields",
        ),
        (
            json!({ "at": at, "type": "rejected", "milestone": "M1", "criteria": "none" }),
            "events[0].criteria: invalid type",
        ),
        (
            json!({ "at": at, "type": "evidence", "milestone": "M1", "evidence": ["a", 1] }),
            "events[0].evidence[1]: write it as text in quotes",
        ),
        (json!({ "at": at, "type": "amended", "version": -1, "signed": true }), "events[0].version: invalid value"),
        (
            json!({ "at": at, "type": "amended", "version": 2.5, "signed": true }),
            "events[0].version: invalid type: floating point `2.5`, expected u32",
        ),
        (
            json!({ "at": at, "type": "evidence", "milestone": true, "evidence": [] }),
            "events[0].milestone: invalid type: boolean `true`, expected a string",
        ),
        (json!({ "type": "evidence", "milestone": "M1", "evidence": [] }), "events[0].at: is missing"),
        (json!({ "at": at }), "events[0].type: is missing"),
        (json!({ "at": at, "type": 7 }), "events[0].type: must be text, not 7"),
        (json!("accepted"), "events[0]: must be a table of fields"),
    ] {
        let told = refusal(event.clone());
        assert!(told.starts_with(problem), "{event}: {told}");
    }
}

#[test]
fn a_change_order_that_the_terms_cannot_read_is_a_bad_file() {
    let at = "2026-02-02T12:00:00Z";
    for (event, problem) in [
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "change": [{ "id": "M1", "obligation": "O9" }] }),
            "events[0].change[0].obligation: \"O9\" is no obligation",
        ),
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "change": [{ "id": "M1", "trigger": "first_of", "conditions": [{ "accepted": "M9" }] }] }),
            "events[0].change[0].conditions: \"M9\" is no milestone",
        ),
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "obligations": [{ "id": "O1", "ssp": "0" }, { "id": "O2", "ssp": "0" }] }),
            "events[0].obligations: at least one standalone selling price must be above 0",
        ),
        (
            json!({ "at": at, "type": "amended", "version": 2, "signed": true, "billing_cycle_day": 32 }),
            "events[0].billing_cycle_day: must be from 1 to 31",
        ),
        (
            json!({ "at": at, "type": "amended", "version": 100_001, "signed": true }),
            "events[0].version: 100001 is more than 100000",
        ),
    ] {
        let told = refusal(event.clone());
        assert!(told.starts_with(problem), "{event}: {told}");
    }
}

#[test]
fn what_an_amendment_makes_milestones_wait_for_is_known_and_ends() {
    let at = |day: &str| format!("2026-02-{day}T12:00:00Z");
    let milestone =
        |id: &str, on: Value| json!({ "id": id, "name": id, "amount": "1.00", "obligation": "O1", "depends_on": on });
    let amended = |day: &str, version: u32, signed: bool, field: &str, items: Value| json!({ "at": at(day), "type": "amended", "version": version, "signed": signed, field: items });
    let told = |events: Value| {
        let case =
            json!({ "contract": with("/partial_acceptance", json!(true)), "until": "2026-03-01", "events": events });
        Case::from_value(case, &Calendars::built_in()).err().map(|error| error.to_string())
    };
    let unknown = json!([milestone("M3", json!(["M9"]))]);
    let round = json!([milestone("M3", json!(["M4"])), milestone("M4", json!(["M3"]))]);
    let known = json!([milestone("M3", json!(["M1", "M4"])), milestone("M4", json!(["M2"]))]);
    let first = amended("03", 2, true, "add", json!([milestone("M9", json!([]))]));
    let split =
        json!({ "at": at("02"), "type": "accepted", "milestone": "M1", "by": "x", "document": "d", "portion": "1.00" });
    for (events, problem) in [
        (
            json!([amended("04", 2, true, "add", unknown.clone())]),
            Some("events[0].add[0].depends_on: \"M9\" is no milestone of this contract"),
        ),
        (
            json!([amended("04", 2, true, "add", round)]),
            Some("events[0].add[1].depends_on: \"M3\" would depend on itself, by way of others"),
        ),
        (
            json!([split.clone(), amended("04", 2, true, "change", json!([{ "id": "M1b", "depends_on": ["M2"] }]))]),
            Some("events[1].change[0].depends_on: \"M1b\" would depend on itself, by way of others"),
        ),
        (
            json!([amended("04", 2, true, "add", json!([milestone("M1-C2", json!([]))]))]),
            Some("events[0].add[0].id: \"M1-C2\" would number its invoice like a correction of \"M1\"'s"),
        ),
        (json!([amended("04", 2, true, "add", known.clone())]), None),
        (json!([amended("04", 100_000, true, "add", known)]), None),
        (json!([amended("04", 2, true, "obligations", json!([{ "id": "O1", "ssp": "0" }]))]), None),
        (json!([amended("04", 3, true, "add", unknown.clone()), first]), None),
        (json!([amended("04", 2, false, "add", unknown.clone())]), None),
        (json!([amended("04", 1, true, "add", unknown)]), None),
        (json!([split, amended("04", 2, true, "add", json!([milestone("M3", json!(["M1"]))]))]), None),
    ] {
        assert_eq!(told(events.clone()).as_deref(), problem, "{events}");
    }
}

#[test]
fn an_event_needs_neither_who_nor_what_is_null() {
    let event = json!({ "at": "2026-02-02T12:00:00Z", "type": "accepted", "milestone": "M1", "role": null, "document": "d", "portion": null });
    let case = json!({ "contract": with("/id", json!("C")), "until": "2026-03-01", "events": [event] });
    let report = serde_json::to_value(simulate(&Case::from_value(case, &Calendars::built_in()).unwrap())).unwrap();
    assert_eq!(report["milestones"][0]["accepted_on"], "2026-02-02");
}

#[test]
fn one_problem_is_told_once_and_in_its_place() {
    let mut nameless = with("/id", json!("C"));
    nameless["milestones"][0].as_object_mut().unwrap().remove("name");
    assert_eq!(problems(&nameless), ["milestones[0].name: is missing"]);
    nameless["milestones"][1]["obligation"] = json!("O9");
    assert_eq!(
        problems(&nameless),
        ["milestones[0].name: is missing", "milestones[1].obligation: \"O9\" is no obligation of this contract"]
    );
    let mut twice = with("/id", json!("C"));
    twice["milestones"][1]["id"] = json!("M1");
    assert_eq!(problems(&twice), ["milestones[1].id: \"M1\" is there twice"]);
    let mut priceless = with("/id", json!("C"));
    priceless["obligations"][0].as_object_mut().unwrap().remove("ssp");
    assert_eq!(problems(&priceless), ["obligations[0].ssp: is missing"]);
    let null = with("/id", json!("C")).to_string().replace("\"id\":\"C\"", "\"id\":null");
    assert_eq!(problems(&serde_json::from_str(&null).unwrap()), ["id: is missing"]);
    let mut alike = with("/id", json!("C"));
    alike["milestones"][1]["id"] = json!("M1-S10");
    assert_eq!(
        problems(&alike),
        ["milestones[1].id: \"M1-S10\" would number its invoice like a correction of \"M1\"'s"]
    );
    for id in ["M1-S", "M1-10", "M1-SC1", "M9-S1"] {
        alike["milestones"][1]["id"] = json!(id);
        assert_eq!(problems(&alike), [] as [&str; 0], "{id}");
    }
    for terms in ["net +30", "net 030", "net -1", "net", "Net 30"] {
        let told = problems(&with("/payment_terms", json!(terms)));
        assert!(told.len() == 1 && told[0].starts_with(&format!("payment_terms: {terms:?} is none of")), "{told:?}");
    }
}

/// Fields of a table, and of the tables in it, that the schema does not name.
fn unnamed(value: &Value, schema: &Value) -> Vec<String> {
    match value {
        Value::Object(table) => table
            .iter()
            .flat_map(|(key, value)| match schema["properties"].get(key) {
                Some(property) => unnamed(value, property),
                None if schema["additionalProperties"] == json!(true) => Vec::new(),
                None => vec![key.clone()],
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| unnamed(item, &schema["items"])).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_schema_names_the_fields_that_are_read_and_no_others() {
    let schema = json_schema();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")).unwrap() {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        if case["contract"].is_object() {
            assert_eq!(unnamed(&case["contract"], &schema), [] as [&str; 0], "{}", case["contract"]["id"]);
        }
    }
    for (table, place) in
        [("", ""), ("acceptance", "/acceptance"), ("obligations", "/obligations/0"), ("milestones", "/milestones/0")]
    {
        let properties = match table {
            "" => &schema["properties"],
            "acceptance" => &schema["properties"][table]["properties"],
            _ => &schema["properties"][table]["items"]["properties"],
        };
        for field in properties.as_object().unwrap().keys().filter(|field| *field != "milestoned") {
            let told = problems(&with(&format!("{place}/{field}"), json!({})));
            assert!(told.iter().all(|one| !one.ends_with("is not a known field")), "{table}.{field}: {told:?}");
        }
    }
}

/// The change orders of the worked cases, as files.
fn change_orders() -> Vec<Value> {
    let mut orders = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")).unwrap() {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let events = case["events"].as_array().into_iter().flatten();
        orders.extend(events.filter(|event| event["type"] == "amended").cloned().map(|mut order| {
            order.as_object_mut().unwrap().remove("type");
            order["amends"] = case["contract"]["id"].clone();
            order
        }));
    }
    orders
}

#[test]
fn the_schema_of_change_orders_names_the_fields_that_are_read_and_no_others() {
    let schema = change_order_schema();
    let orders = change_orders();
    assert!(orders.len() > 20, "{} change orders", orders.len());
    for order in &orders {
        assert_eq!(unnamed(order, &schema), [] as [&str; 0], "{order}");
        assert!(ChangeOrder::read(order.clone()).is_ok(), "{order}");
    }
    let plain = json!({ "amends": "C", "version": 2, "signed": true,
        "add": [{ "id": "M8", "name": "m", "amount": "1" }], "change": [{ "id": "M1" }], "obligations": [{ "id": "o" }] });
    for list in ["", "add", "change", "obligations"] {
        let fields =
            if list.is_empty() { &schema["properties"] } else { &schema["properties"][list]["items"]["properties"] };
        for field in fields.as_object().unwrap().keys() {
            let mut order = plain.clone();
            let table = if list.is_empty() { &mut order } else { &mut order[list][0] };
            table[field] = json!({});
            let told = ChangeOrder::read(order).err().unwrap_or_default();
            assert!(told.iter().all(|one| one.reason != "is not a known field"), "{list}.{field}: {told:?}");
        }
    }
}
