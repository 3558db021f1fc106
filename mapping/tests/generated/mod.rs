//! Contracts and events out of thin air: dense enough to reach deep states, small enough to shrink to something a person
//! can read. What is generated is JSON as a user would write it, so that reading is part of every property.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test that shares this uses a part of it; a test may fail"
)]

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

/// Milestones of a generated contract are called by these.
pub(crate) const IDS: [&str; 5] = ["M1", "M2", "M3", "M4", "M5"];
const ROLES: [&str; 3] = ["Sponsor", "CFO", "Nobody"];
const ARTEFACTS: [&str; 2] = ["Report", "Sign-off sheet"];

/// A case: contract, policy, events, until.
pub(crate) fn case() -> impl Strategy<Value = Value> {
    case_with(12)
}

/// A case with up to so many events.
pub(crate) fn case_with(events: usize) -> impl Strategy<Value = Value> {
    (contract(), policy(), prop::collection::vec(event(), 0..=events), 60_i64..400).prop_map(
        |(contract, policy, events, last)| {
            json!({ "contract": contract, "policy": policy, "until": day(last), "events": in_currency(events, &contract) })
        },
    )
}

/// Reads a generated case: it has to be one.
pub(crate) fn read(case: &Value) -> Case {
    Case::from_value(case.clone(), &Calendars::built_in()).unwrap_or_else(|error| panic!("{error}\n{case:#}"))
}

/// A date so many days after 2026-01-01.
pub(crate) fn day(offset: i64) -> String {
    let first: jiff::civil::Date = "2026-01-01".parse().unwrap();
    first.checked_add(jiff::Span::new().days(offset)).unwrap().to_string()
}

/// Amounts are generated as whole hundreds, so that every currency can carry them; odd ones come from percents.
fn hundreds() -> impl Strategy<Value = u32> {
    1_u32..400
}

fn money(hundreds: u32) -> Value {
    Value::String((u64::from(hundreds) * 100).to_string())
}

fn maybe<T: core::fmt::Debug + Clone + 'static>(
    strategy: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    prop::option::of(strategy).boxed()
}

fn contract() -> impl Strategy<Value = Value> {
    let frame = (
        select(vec!["USD", "JPY", "KWD"]),
        select(vec!["UTC", "America/New_York", "Asia/Tokyo"]),
        select(vec!["weekends", "us-federal", "england-and-wales"]),
        select(vec!["net 30", "net 0", "due on receipt"]),
        select(vec!["invoice", "acceptance"]),
        1_u32..=31,
        any::<bool>(),
        prop::bool::weighted(0.15),
    );
    let acceptance = (0_u32..8, any::<bool>(), 0_u32..6, 0_u32..4, 0_u32..3, 0_u32..4).prop_map(
        |(window, deemed, cure, again, max, fallback)| {
            json!({ "window_days": window, "deemed": deemed, "cure_days": cure, "reevaluation_days": again,
                    "max_cures": max, "fallback_after_days": fallback })
        },
    );
    let obligations = prop::collection::vec(
        (hundreds(), select(vec!["output", "point_in_time", "cost_to_cost", "time_elapsed"])),
        0..=3,
    );
    let milestones = prop::collection::vec(milestone(), 1..=5);
    (frame, acceptance, obligations, milestones, any::<bool>(), maybe(hundreds())).prop_map(
        |(frame, acceptance, obligations, milestones, percents, cap)| {
            let (currency, timezone, calendar, terms, from, cycle, partial, odd_total) = frame;
            let (mut list, mut sum) = (Vec::new(), 0_u32);
            let count = milestones.len();
            for (index, (mut one, amount)) in milestones.into_iter().enumerate() {
                one.insert("id".into(), json!(IDS[index]));
                let depends_on = one.remove("after").unwrap();
                let depends_on: Vec<&str> =
                    IDS[..index].iter().filter(|id| depends_on.as_array().unwrap().contains(&json!(id))).copied().collect();
                one.insert("depends_on".into(), json!(depends_on));
                if obligations.len() > 1 {
                    one.insert("obligation".into(), json!(format!("O{}", index % obligations.len())));
                }
                if one["billable"] == json!(true) {
                    sum += amount;
                    let share = json!(format!("{}.{}", (100 / count).min(99), amount % 10));
                    let (key, value) = if percents { ("percent", share) } else { ("amount", money(amount)) };
                    one.insert(key.into(), value);
                }
                list.push(Value::Object(one));
            }
            let obligations: Vec<Value> = obligations
                .iter()
                .enumerate()
                .map(|(index, (ssp, method))| {
                    let mut one = json!({ "id": format!("O{index}"), "ssp": money(*ssp), "method": method });
                    if *method == "time_elapsed" {
                        one["start"] = json!(day(10));
                        one["end"] = json!(day(200));
                    }
                    one
                })
                .collect();
            let mut contract = json!({
                "id": "C", "customer": "Northwind", "currency": currency, "timezone": timezone, "calendar": calendar,
                "total": money(if odd_total { sum + 1 } else { sum.max(1) }), "signed_on": day(0), "payment_terms": terms,
                "payment_terms_from": from, "billing_cycle_day": cycle, "partial_acceptance": partial,
                "acceptance": acceptance, "obligations": obligations, "milestones": list,
            });
            if let Some(cap) = cap {
                contract["cap"] = money(cap);
            }
            contract
        },
    )
}

fn milestone() -> impl Strategy<Value = (Map<String, Value>, u32)> {
    let kind = (
        select(vec!["arrears", "arrears", "arrears", "advance"]),
        select(vec!["customer_signoff", "customer_signoff", "external_event", "vendor_declaration"]),
        select(vec!["acceptance", "acceptance", "acceptance", "date", "usage", "workflow_approval"]),
        select(vec!["on_completion", "within_days", "next_cycle"]),
        prop::bool::weighted(0.9),
    );
    let people = (maybe(Just("Sponsor")), maybe(Just("CFO")), subsequence(&ARTEFACTS[..], 0..=1));
    (kind, people, subsequence(&IDS[..], 0..=1), hundreds(), 0_i64..200, 0_u32..20).prop_map(
        |(
            (timing, completion, trigger, invoice, billable),
            (approver, fallback, evidence),
            after,
            amount,
            at,
            within,
        )| {
            let mut one = json!({
                "name": "Work", "timing": timing, "completion": completion, "trigger": trigger, "invoice": invoice,
                "billable": billable, "evidence": evidence, "after": after,
            });
            match trigger {
                "date" => one["trigger_date"] = json!(day(at)),
                "usage" => {
                    one["usage_metric"] = json!("calls");
                    one["usage_threshold"] = json!("1000");
                }
                _ => {}
            }
            if invoice == "within_days" {
                one["invoice_within_days"] = json!(within);
            }
            if let Some(approver) = approver {
                one["approver"] = json!(approver);
            }
            if let Some(fallback) = fallback {
                one["fallback_approver"] = json!(fallback);
            }
            let Value::Object(one) = one else { unreachable!("an object was written") };
            (one, amount)
        },
    )
}

fn policy() -> impl Strategy<Value = Value> {
    (select(vec!["none", "none", "all", "over"]), subsequence(vec!["crm", "psa", "erp"], 0..=1)).prop_map(
        |(review, legs)| {
            if review == "over" {
                json!({ "review": review, "review_over": "20000", "require_legs": legs })
            } else {
                json!({ "review": review, "require_legs": legs })
            }
        },
    )
}

/// Any event, at any hour of the first 300 days. Amounts are whole hundreds.
pub(crate) fn event() -> impl Strategy<Value = Value> {
    let id = || prop_oneof![9 => select(&IDS[..4]).prop_map(String::from), 1 => select(vec!["M3a", "M3b", "X"]).prop_map(String::from)];
    let role = || maybe(select(&ROLES[..]));
    let what = prop_oneof![
        4 => (id(), subsequence(&ARTEFACTS[..], 0..=2))
            .prop_map(|(id, evidence)| json!({ "type": "submitted", "milestone": id, "by": "pm", "evidence": evidence })),
        1 => (id(), subsequence(&ARTEFACTS[..], 1..=2))
            .prop_map(|(id, evidence)| json!({ "type": "evidence", "milestone": id, "evidence": evidence })),
        6 => (id(), role(), prop::bool::weighted(0.8), prop::option::weighted(0.2, hundreds())).prop_map(|(id, role, document, portion)| {
            let mut one = json!({ "type": "accepted", "milestone": id, "by": "dana" });
            if let Some(role) = role { one["role"] = json!(role); }
            if document { one["document"] = json!("https://acceptance.example/1"); }
            if let Some(portion) = portion { one["portion"] = money(portion); }
            one
        }),
        2 => (id(), role(), prop::bool::weighted(0.8)).prop_map(|(id, role, named)| {
            let mut one = json!({ "type": "rejected", "milestone": id, "by": "dana", "criteria": if named { vec!["c1"] } else { vec![] } });
            if let Some(role) = role { one["role"] = json!(role); }
            one
        }),
        1 => id().prop_map(|id| json!({ "type": "external_event", "milestone": id, "name": "go-live" })),
        1 => (0_u32..2000).prop_map(|value| json!({ "type": "usage", "metric": "calls", "value": value.to_string() })),
        2 => (id(), select(vec!["vendor", "customer"]))
            .prop_map(|(id, party)| json!({ "type": "approved", "milestone": id, "party": party, "by": "x" })),
        2 => (id(), select(vec!["approve", "approve", "hold"]))
            .prop_map(|(id, decision)| json!({ "type": "review", "milestone": id, "decision": decision, "by": "x" })),
        2 => overrule(),
        2 => amendment(),
        1 => (0_u32..3, hundreds(), hundreds()).prop_map(|(place, incurred, left)| json!({
            "type": "cost", "obligation": format!("O{place}"), "incurred": money(incurred), "estimate_to_complete": money(left) })),
        2 => (id(), select(vec!["", "", "-S1", "-C1"]), hundreds())
            .prop_map(|(id, tail, amount)| json!({ "type": "payment", "invoice": format!("C-{id}{tail}"), "amount": money(amount) })),
        4 => observation(),
    ];
    (0_i64..300, 0_u32..24, what).prop_map(|(offset, hour, mut what)| {
        what["at"] = json!(format!("{}T{hour:02}:30:00Z", day(offset)));
        what
    })
}

fn overrule() -> impl Strategy<Value = Value> {
    let codes = vec![
        "AMOUNT_MISMATCH",
        "EVIDENCE_MISSING",
        "OUT_OF_SEQUENCE",
        "OVER_CAP",
        "LEG_MISSING",
        "SCHEDULE_TOTAL_MISMATCH",
    ];
    (select(codes), maybe(select(&IDS[..3])), maybe(select(vec!["crm", "psa", "erp"])), prop::bool::weighted(0.9))
        .prop_map(|(code, milestone, leg, reason)| {
            json!({ "type": "overrule", "code": code, "milestone": milestone, "leg": leg, "by": "x",
                    "reason": if reason { "agreed by mail" } else { "" } })
        })
}

fn amendment() -> impl Strategy<Value = Value> {
    let change = prop::collection::vec((select(&IDS[..]), hundreds()), 0..=2);
    let add = maybe((select(vec!["N1", "M2"]), hundreds()));
    (1_u32..5, prop::bool::weighted(0.8), maybe(hundreds()), any::<bool>(), change, add, subsequence(&IDS[..], 0..=1))
        .prop_map(|(version, signed, total, forward, change, add, remove)| {
            let change: Vec<Value> =
                change.iter().map(|(id, amount)| json!({ "id": id, "amount": money(*amount) })).collect();
            let add: Vec<Value> = add
                .iter()
                .map(|(id, amount)| json!({ "id": id, "name": "More", "amount": money(*amount), "obligation": "O0" }))
                .collect();
            let mut one = json!({ "type": "amended", "version": version, "signed": signed, "change": change, "add": add,
                "remove": remove, "treatment": if forward { "prospective" } else { "catch_up" } });
            if let Some(total) = total {
                one["total"] = money(total * 3);
            }
            one
        })
}

fn observation() -> impl Strategy<Value = Value> {
    let listed = prop::collection::vec((select(vec!["M1", "M2", "M3", "X"]), maybe(hundreds()), any::<bool>()), 0..=3);
    let invoices =
        prop::collection::vec((select(vec!["M1", "M2", "X"]), 0_i64..300, any::<bool>(), any::<bool>()), 0..=3);
    (select(vec!["crm", "psa", "erp"]), maybe(hundreds()), maybe(1_u32..4), maybe(listed), invoices, maybe(hundreds()))
        .prop_map(|(leg, amount, version, listed, invoices, deferred)| {
            let mut record = json!({ "customer": "Northwind" });
            if let Some(version) = version {
                record["version"] = json!(version);
            }
            if let Some(listed) = listed {
                record["milestones"] = listed
                    .iter()
                    .map(|(id, amount, done)| {
                        let mut one = json!({ "id": id });
                        if let Some(amount) = amount {
                            one["amount"] = money(*amount);
                        }
                        if leg == "psa" {
                            one["status"] = json!(if *done { "done" } else { "open" });
                        }
                        one
                    })
                    .collect();
            }
            if leg != "psa"
                && let Some(amount) = amount
            {
                record["amount"] = money(amount);
            }
            if leg == "crm" {
                record["stage"] = json!(if deferred.is_some() { "closed_won" } else { "proposal" });
            }
            if leg == "erp" {
                record["invoices"] = invoices
                    .iter()
                    .enumerate()
                    .map(|(index, (id, date, ours, void))| {
                        json!({
                        "number": if *ours { format!("C-{id}") } else { format!("INV-{index}") }, "milestone": id,
                        "date": day(*date), "amount": "100", "status": if *void { "void" } else { "open" } })
                    })
                    .collect();
                record["recognised"] = invoices
                    .iter()
                    .map(|(id, date, ..)| json!({ "milestone": id, "date": day(*date), "amount": "100" }))
                    .collect();
                if let Some(deferred) = deferred {
                    record["deferred_balance"] = money(deferred);
                }
            }
            json!({ "type": "observed", "leg": leg, "record": record })
        })
}

/// Leaves out what these terms cannot read: costs and added milestones of obligations that there are none of.
fn in_currency(events: Vec<Value>, contract: &Value) -> Vec<Value> {
    let count = contract["obligations"].as_array().map_or(0, Vec::len);
    let known = |id: &Value| (0..count).any(|index| *id == json!(format!("O{index}")));
    events
        .into_iter()
        .filter(|one| one["type"] != "cost" || known(&one["obligation"]))
        .map(|mut one| {
            if count == 0
                && let Some(add) = one.get_mut("add").and_then(Value::as_array_mut)
            {
                for added in add {
                    added.as_object_mut().unwrap().remove("obligation");
                }
            }
            one
        })
        .collect()
}

/// Short histories of a milestone: what is paid bounces, what is out is withdrawn, what somebody else wrote is adopted, and
/// silence that was taken for acceptance had been broken in time.
fn history() -> impl Strategy<Value = Vec<Value>> {
    let at = |offset: i64, what: Value| {
        let mut what = what;
        what["at"] = json!(format!("{}T15:00:00Z", day(offset)));
        what
    };
    let tails = vec!["", "", "", "-S1", "-C1", "-R"];
    let kinds = vec!["bounces", "withdrawn", "adopted", "in time"];
    (select(kinds), select(&IDS[..4]), select(tails), 0_u32..3, 25_i64..200, 0_i64..40).prop_map(
        move |(kind, id, tail, which, from, later)| {
            let number = format!("C-{id}{tail}");
            let review = |decision: &str| json!({ "type": "review", "milestone": id, "decision": decision, "by": "x" });
            match kind {
                "bounces" => vec![
                    at(from, json!({ "type": "payment", "id": format!("P{which}"), "invoice": number, "amount": money(1 + which) })),
                    at(from + later, json!({ "type": "payment_reversed", "id": format!("P{which}") })),
                ],
                "withdrawn" => vec![
                    at(from, json!({ "type": "withdrawn", "number": number, "by": "x", "reason": "it never came" })),
                    at(from + later, review("approve")),
                ],
                "adopted" => vec![at(
                    from,
                    json!({ "type": "adopted", "milestone": id, "number": format!("INV-{which}"), "on": day(from - later),
                        "by": "x", "reason": "by hand" }),
                )],
                _ => vec![
                    at(from, json!({ "type": "submitted", "milestone": id, "by": "pm", "evidence": ARTEFACTS })),
                    at(from + 20, json!({ "type": "rejected", "milestone": id, "by": "dana", "role": "Sponsor",
                        "criteria": ["c1"], "on": day(from + i64::from(which)) })),
                    at(from + 20 + later, review("undo")),
                ],
            }
        },
    )
}

/// Takes out of a case what keeps most invoices back, so that more happens to those that are out.
pub(crate) fn eased(case: &mut Value) {
    let contract = case["contract"].as_object_mut().unwrap();
    contract.remove("cap");
    let mut sum = 0;
    for one in contract["milestones"].as_array_mut().unwrap() {
        let one = one.as_object_mut().unwrap();
        one.remove("approver");
        if one.remove("percent").is_some() {
            one.insert("amount".into(), json!("5000"));
        }
        sum += one.get("amount").map_or(0, |amount| amount.as_str().unwrap().parse::<u64>().unwrap());
    }
    contract.insert("total".into(), json!(sum.to_string()));
    case["policy"] = json!({});
    let events = case["events"].as_array_mut().unwrap();
    events.retain(|event| !["observed", "amended"].contains(&event["type"].as_str().unwrap()));
}

/// A generated case, with retainage now and then and short histories, whose events are known later than they happened, by so many
/// days, and whose dates are closed now and then.
pub(crate) fn dated() -> impl Strategy<Value = Value> {
    let late = prop::collection::vec(prop::option::weighted(0.4, 0_i64..60), 64);
    let more = (maybe(select(vec!["10", "33.3333"])), prop::collection::vec(history(), 0..=4), any::<bool>());
    let closings = prop::collection::vec((20_i64..280, -20_i64..40), 0..=3);
    (case(), more, late, closings).prop_map(|(mut json, (retainage, histories, ease), late, closings)| {
        if ease {
            eased(&mut json);
        }
        if let Some(percent) = retainage {
            json["contract"]["retainage"] = json!({ "percent": percent, "release": "M1" });
        }
        let events = json["events"].as_array_mut().unwrap();
        for (event, late) in events.iter_mut().zip(late) {
            let dated = !["observed", "overrule", "review"].contains(&event["type"].as_str().unwrap());
            if let Some(days) = late.filter(|_| dated) {
                let known: jiff::civil::Date = event["at"].as_str().unwrap()[..10].parse().unwrap();
                event["on"] = json!(known.checked_sub(jiff::Span::new().days(days.max(1))).unwrap());
            }
        }
        events.extend(histories.into_iter().flatten());
        for (at, back) in closings {
            let through = day(at - back);
            events.push(json!({ "at": format!("{}T05:00:00Z", day(at)), "type": "period_closed", "through": through }));
        }
        json
    })
}
