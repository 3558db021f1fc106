//! What a system says of a contract, put together from its records; custom calendars.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use jiff::civil::Weekday;
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::fact::LegMilestone;
use milestoned_mapping::legs::{assemble_erp, assemble_psa};
use milestoned_mapping::record::{InvoiceSeen, InvoiceStatus, OrderSeen};
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
        status,
    }
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
    let leg = serde_json::to_value(assemble_erp(Some(&order), &invoices)).unwrap();
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
    let without = assemble_erp(None, &[]);
    assert!(without.milestones.is_none() && without.invoices.is_some(), "no order is no list of milestones");
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
