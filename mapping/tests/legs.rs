//! What a system says of a contract, put together from its records; custom calendars.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use jiff::civil::Weekday;
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::command::{Account, Command, JournalEntry, Posting, Side};
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::{DecimalText, LegRecognition};
use milestoned_mapping::fact::{LegMilestone, LegRecord};
use milestoned_mapping::legs::{assemble_crm, assemble_erp, assemble_psa, deferred_difference};
use milestoned_mapping::postings::{Addresses, Planned, plan};
use milestoned_mapping::record::{InvoiceSeen, InvoiceStatus, JournalSeen, OrderSeen};
use serde_json::json;

fn invoice(number: &str, milestone: Option<&str>, status: InvoiceStatus, credit_memo: bool) -> InvoiceSeen {
    InvoiceSeen {
        credit_memo,
        number: number.into(),
        contract: Some("C".into()),
        milestone: milestone.map(Into::into),
        customer: "Northwind".into(),
        currency: "USD".into(),
        date: "2026-02-02".parse().unwrap(),
        amount: "40.00".parse().unwrap(),
        tax: None,
        status,
        deferred: None,
        recognised: None,
        lines: None,
        applied_to: Vec::new(),
    }
}

#[test]
fn that_two_deals_claim_one_contract_is_told() {
    let deal = |amount: &str| LegRecord { amount: Some(amount.parse().unwrap()), ..LegRecord::default() };
    assert_eq!(assemble_crm(&[deal("1")]), deal("1"));
    assert_eq!(assemble_crm(&[deal("1"), deal("2")]).duplicates.unwrap(), ["contract"]);
}

#[test]
fn the_erp_leg_is_what_was_configured_and_what_was_billed() {
    let order: OrderSeen = serde_json::from_value(json!({ "contract": "C", "customer": "Northwind", "currency": "USD",
        "amount": "100.00", "payment_terms": "net 30", "version": 2, "milestones": [{ "id": "M1", "amount": "40.00" }] })).unwrap();
    let invoices = [
        invoice("C-M2", Some("M2"), InvoiceStatus::Void, false),
        invoice("C-M1", Some("M1"), InvoiceStatus::Paid, false),
        invoice("C-M1-C1", Some("M1"), InvoiceStatus::Open, true),
        invoice("by hand", None, InvoiceStatus::Open, false),
    ];
    let leg = serde_json::to_value(assemble_erp(Some(&order), &invoices, &[])).unwrap();
    let row = |number: &str, milestone: &str, status: &str| json!({ "number": number, "milestone": milestone, "date": "2026-02-02", "amount": "40.00", "status": status });
    for (field, value) in [
        ("customer", json!("Northwind")),
        ("currency", json!("USD")),
        ("amount", json!("100.00")),
        ("payment_terms", json!("net 30")),
        ("version", json!(2)),
        ("milestones", json!([{ "id": "M1", "amount": "40.00" }])),
        ("invoices", json!([row("C-M1", "M1", "paid"), row("C-M2", "M2", "void")])),
    ] {
        assert_eq!(leg[field], value, "{field}");
    }
    let without = assemble_erp(None, &[], &[]);
    assert!(without.milestones.is_none() && without.invoices.is_some(), "no order is no list of milestones");
}

fn journal(number: &str, deferred: DecimalText) -> JournalSeen {
    let recognised = LegRecognition { milestone: "M2".into(), date: "2026-02-02".parse().unwrap(), amount: deferred };
    JournalSeen {
        number: number.into(),
        contract: Some("C".into()),
        date: "2026-02-02".parse().unwrap(),
        currency: "USD".into(),
        amount: deferred,
        deferred: Some(deferred),
        recognised: vec![recognised],
        lines: None,
        customer: None,
        applied_to: Vec::new(),
        posted: true,
    }
}

#[test]
fn revenue_of_others_is_told_whether_by_entry_or_by_an_invoice_that_posts_it_at_once() {
    let at_once = InvoiceSeen {
        recognised: Some("40.00".parse().unwrap()),
        ..invoice("by hand", Some("M1"), InvoiceStatus::Open, false)
    };
    let void = InvoiceSeen { status: InvoiceStatus::Void, ..at_once.clone() };
    let leg = assemble_erp(None, &[at_once, void], &[journal("JE-1", "15.00".parse().unwrap())]);
    let told: Vec<String> =
        leg.recognised.unwrap().iter().map(|one| format!("{} {}", one.milestone, one.amount)).collect();
    assert_eq!(told, ["M1 40.00", "M2 15.00"]);
    assert!(assemble_erp(None, &[], &[]).recognised.is_none());
}

/// The entries that an ERP was told of a case whose days are over.
fn told(contract: &Contract) -> Vec<JournalEntry> {
    let (nobody, records) = (contract.clone(), std::collections::BTreeMap::new());
    let mut later = contract.clone();
    later.advance_to(contract.as_of().tomorrow().unwrap());
    let addresses =
        Addresses { erp: "netsuite", orders: false, emails: false, acceptances: false, links: "", records: &records };
    let planned = Planned { documents: usize::MAX, journal_through: None, entries: &[] };
    let postings = plan(&nobody, &later, planned, &addresses).postings.into_iter();
    let entry = |posting: Posting| match posting.command {
        Command::JournalEntry(entry) => Some(entry),
        _ => None,
    };
    postings.filter_map(entry).collect()
}

/// A case's documents and entries as an ERP shows them.
fn shown(contract: &Contract, told: &[JournalEntry]) -> (Vec<InvoiceSeen>, Vec<JournalSeen>) {
    let invoices = contract.documents().iter().map(|one| {
        let credit = one.kind == milestoned_mapping::contract::DocumentKind::CreditMemo;
        let amount = one.amount.decimal();
        let deferred = Some(DecimalText(if credit { -amount } else { amount }));
        InvoiceSeen { deferred, ..invoice(&one.number, Some(&one.milestone), InvoiceStatus::Open, credit) }
    });
    let entries = told.iter().map(|entry| {
        let line = entry.lines.iter().find(|line| line.account == Account::DeferredRevenue);
        let credited = line.map_or_else(Default::default, |line| {
            if line.side == Side::Credit { line.amount.decimal() } else { -line.amount.decimal() }
        });
        journal(&entry.number, DecimalText(credited))
    });
    (invoices.collect(), entries.collect())
}

#[test]
fn what_is_on_its_way_is_no_difference_and_what_is_missed_or_foreign_is() {
    let text = include_str!("cases/amended-before-and-after-invoice.json");
    let contract = Case::from_json(text, &Calendars::built_in()).unwrap().play();
    let told = told(&contract);
    let (invoices, entries) = shown(&contract, &told);
    assert!(invoices.len() > 1 && !entries.is_empty());
    let confirmed = |number: &str| std::collections::BTreeSet::from([number.to_owned()]);
    let difference = |invoices: &[InvoiceSeen], entries: &[JournalSeen], known: &str| {
        deferred_difference(&contract, invoices, entries, &told, &confirmed(known))
            .map(|one| one.normalize().to_string())
    };
    let zero = Some("0".to_owned());
    assert_eq!(difference(&invoices, &entries, ""), zero, "all of it is there");
    assert_eq!(difference(&[], &[], ""), zero, "all of it is on its way");
    assert_eq!(difference(&invoices[1..], &entries[1..], ""), zero, "some of it is on its way");
    let missed = -invoices[0].deferred.unwrap().0;
    assert_eq!(difference(&invoices[1..], &entries, &invoices[0].number), Some(missed.normalize().to_string()));
    let foreign = [entries.clone(), vec![journal("JE-1", "-15.00".parse().unwrap())]].concat();
    assert_eq!(difference(&invoices, &foreign, ""), Some("-15".into()));
    let silent = InvoiceSeen { deferred: None, ..invoices[0].clone() };
    assert_eq!(difference(&[silent], &[], ""), None, "a connection that does not tell is not compared");
}

#[test]
fn the_psa_leg_lists_milestones_by_id() {
    let one = |id: &str| serde_json::from_value::<LegMilestone>(json!({ "id": id })).unwrap();
    let listed = assemble_psa(&[one("M2"), one("M1")]).milestones.unwrap();
    assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["M1", "M2"]);
}

#[test]
fn a_configured_calendar_has_its_own_weekend_and_holidays() {
    let mut calendars = Calendars::built_in();
    calendars.add("gulf", &[Weekday::Friday, Weekday::Saturday], &["2026-03-19".parse().unwrap()]);
    let every_day = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];
    calendars.add("never", &every_day, &[]);
    assert_eq!(calendars.names(), ["england-and-wales", "gulf", "never", "us-federal", "weekends"]);
    let add = |name: &str, n| calendars.get(name).unwrap().add("2026-03-18".parse().unwrap(), n).to_string();
    // Wednesday; Thursday is a holiday, Friday and Saturday the weekend.
    assert_eq!((add("gulf", 1), add("gulf", 2)), ("2026-03-22".into(), "2026-03-23".into()));
    assert_eq!(add("never", 3), "2026-03-23", "a week without business days falls back to Saturday and Sunday");
}

/// Easter moves by golden numbers, centuries and leap years: one date of each kind, from published tables.
#[test]
fn good_friday_of_far_years() {
    let calendars = Calendars::built_in();
    let calendar = calendars.get("england-and-wales").unwrap();
    for day in [
        "1818-03-20",
        "1943-04-23",
        "1954-04-16",
        "1981-04-17",
        "2049-04-16",
        "2076-04-17",
        "2100-03-26",
        "2200-04-04",
        "2285-03-20",
    ] {
        assert!(!calendar.is_business_day(day.parse().unwrap()), "{day}");
        let easter_monday: jiff::civil::Date = day.parse().unwrap();
        assert!(!calendar.is_business_day(easter_monday.checked_add(jiff::Span::new().days(3)).unwrap()), "{day}");
    }
}

/// A milestone nobody knows: overruled once, told again when another event names it.
#[test]
fn what_only_a_person_closes_opens_again_with_the_next_event() {
    use milestoned_mapping::case::{Case, simulate};
    let event = |at: &str| json!({ "at": at, "type": "submitted", "milestone": "M9", "by": "x" });
    let case = json!({ "until": "2026-03-01", "contract": { "id": "C", "customer": "c", "currency": "USD", "total": "1.00",
            "signed_on": "2026-01-05", "milestones": [{ "id": "M1", "name": "m", "amount": "1.00" }] },
        "events": [event("2026-02-02T12:00:00Z"), { "at": "2026-02-03T12:00:00Z", "type": "overrule", "code": "UNKNOWN_MILESTONE",
            "milestone": "M9", "by": "x", "reason": "a typo" }, event("2026-02-04T12:00:00Z")] });
    let report = serde_json::to_value(simulate(&Case::from_value(case, &Calendars::built_in()).unwrap())).unwrap();
    let opened: Vec<_> = report["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["code"] == "UNKNOWN_MILESTONE")
        .map(|one| (&one["opened_on"], &one["closed_on"]))
        .collect();
    assert_eq!(opened, [(&json!("2026-02-02"), &json!("2026-02-03")), (&json!("2026-02-04"), &json!(null))]);
}

/// One thing that a leg says otherwise is enough, whatever else it says as agreed.
#[test]
fn each_field_that_differs_is_told_alone() {
    use milestoned_mapping::case::{Case, simulate};
    let milestone = |field: &str, value: serde_json::Value| {
        let mut one = json!({ "id": "M1", "amount": "1.00", "description": "m", "window_days": 10, "deemed": false,
            "completion": "customer_signoff", "timing": "arrears", "invoice": "on_completion", "recognition_method": "output" });
        one[field] = value;
        json!({ "milestones": [one] })
    };
    let frame = |field: &str, value: serde_json::Value| {
        let mut record = json!({ "amount": "1.00", "currency": "USD", "customer": "c", "payment_terms": "net 30", "version": 1,
            "window_days": 10, "deemed": false });
        record[field] = value;
        record
    };
    for (leg, record, told) in [
        ("erp", milestone("amount", json!("1")), None),
        ("erp", milestone("amount", json!("1.01")), Some("AMOUNT_MISMATCH")),
        ("erp", milestone("description", json!("M")), Some("DESCRIPTION_MISMATCH")),
        ("psa", milestone("description", json!("M")), None),
        ("crm", milestone("window_days", json!(9)), Some("ACCEPTANCE_TERMS_MISMATCH")),
        ("erp", milestone("deemed", json!(true)), Some("ACCEPTANCE_TERMS_MISMATCH")),
        ("psa", milestone("completion", json!("external_event")), Some("ACCEPTANCE_TERMS_MISMATCH")),
        ("erp", milestone("timing", json!("advance")), Some("TIMING_MISMATCH")),
        ("erp", milestone("invoice", json!("next_cycle")), Some("TIMING_MISMATCH")),
        ("psa", milestone("timing", json!("advance")), None),
        ("erp", milestone("recognition_method", json!("point_in_time")), Some("RECOGNITION_MISMATCH")),
        ("psa", milestone("status", json!("done")), Some("COMPLETE_NOT_BILLABLE")),
        ("crm", milestone("status", json!("done")), None),
        ("crm", frame("amount", json!("2.00")), Some("AMOUNT_MISMATCH")),
        ("psa", frame("amount", json!("2.00")), None),
        ("psa", frame("currency", json!("EUR")), Some("CURRENCY_MISMATCH")),
        ("erp", frame("customer", json!("C")), Some("CUSTOMER_MISMATCH")),
        ("crm", frame("payment_terms", json!("net 31")), Some("PAYMENT_TERMS_MISMATCH")),
        ("psa", frame("payment_terms", json!("net 31")), None),
        ("psa", frame("version", json!(0)), Some("AMENDMENT_NOT_PROPAGATED")),
        ("psa", frame("version", json!(2)), None),
        ("crm", frame("window_days", json!(9)), Some("ACCEPTANCE_TERMS_MISMATCH")),
        ("crm", frame("deemed", json!(true)), Some("ACCEPTANCE_TERMS_MISMATCH")),
        ("crm", frame("stage", json!("won")), Some("NOT_CLOSED_WON")),
        ("erp", frame("stage", json!("won")), None),
    ] {
        let case = json!({ "until": "2026-02-02", "contract": { "id": "C", "customer": "c", "currency": "USD", "total": "1.00",
                "signed_on": "2026-01-05", "obligations": [{ "id": "o", "ssp": "1.00", "method": "output" }],
                "milestones": [{ "id": "M1", "name": "m", "amount": "1.00" }] },
            "events": [{ "at": "2026-02-02T12:00:00Z", "type": "observed", "leg": leg, "record": record }] });
        let report = serde_json::to_value(simulate(&Case::from_value(case, &Calendars::built_in()).unwrap())).unwrap();
        let codes: Vec<_> =
            report["exceptions"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(codes, told.into_iter().collect::<Vec<_>>(), "{leg}: {record}");
    }
}
