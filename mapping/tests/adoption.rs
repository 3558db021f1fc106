//! Taking over: what is proposed from what the systems hold, and what filing it leads to.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::contract::{Contract, Held, Proposal};
use milestoned_mapping::fact::Fact;
use milestoned_mapping::legs::deferred_difference;
use milestoned_mapping::record::{InvoiceSeen, InvoiceStatus, JournalSeen, PaymentSeen};
use serde_json::{Value, json};

fn terms() -> Value {
    json!({ "id": "SOW-7", "customer": "Northwind", "currency": "USD", "total": "100.00", "signed_on": "2025-11-03",
        "obligations": [{ "id": "o", "ssp": "100.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": "40.00" }, { "id": "M2", "name": "Build", "amount": "35.00" },
            { "id": "M3", "name": "Launch", "amount": "25.00" }] })
}

fn opened(contract: Value) -> Contract {
    let case = json!({ "contract": contract, "until": "2026-04-30", "events": [
        { "at": "2026-04-02T12:00:00Z", "type": "usage", "metric": "m", "value": "1" }] });
    Case::from_value(case, &Calendars::built_in()).unwrap().play()
}

fn invoice(number: &str, milestone: Option<&str>, amount: &str) -> InvoiceSeen {
    InvoiceSeen {
        credit_memo: false,
        number: number.into(),
        contract: milestone.map(|_| "SOW-7".into()),
        milestone: milestone.map(Into::into),
        customer: "Northwind".into(),
        currency: "USD".into(),
        date: "2026-02-02".parse().unwrap(),
        amount: amount.parse().unwrap(),
        tax: None,
        status: InvoiceStatus::Open,
        deferred: Some(amount.parse().unwrap()),
        recognised: None,
        lines: None,
        applied_to: Vec::new(),
    }
}

fn proposed(invoices: &[InvoiceSeen], facts: &[Value]) -> Proposal {
    proposed_beside(invoices, facts, &[])
}

fn proposed_beside(invoices: &[InvoiceSeen], facts: &[Value], journals: &[JournalSeen]) -> Proposal {
    let facts: Vec<Fact> = facts.iter().map(|fact| serde_json::from_value(fact.clone()).unwrap()).collect();
    let paid = PaymentSeen {
        invoice: "INV-1".into(),
        contract: None,
        currency: "USD".into(),
        date: "2026-03-02".parse().unwrap(),
        amount: "40.00".parse().unwrap(),
    };
    let payments = [("erp:9".to_owned(), paid)];
    let held = Held { invoices, payments: &payments, facts: &facts, journals, ..Held::default() };
    let contract = json!({ "contract": terms(), "until": "2026-04-30" });
    let filed = Case::from_value(contract, &Calendars::built_in()).unwrap().play();
    filed.propose_history(&held, "2026-04-02".parse().unwrap())
}

/// An entry of the ERP that moves deferred revenue to revenue of a milestone.
fn release(milestone: &str, date: &str, amount: &str) -> JournalSeen {
    JournalSeen {
        number: format!("JE {date}"),
        contract: Some("SOW-7".into()),
        date: date.parse().unwrap(),
        currency: "USD".into(),
        amount: amount.parse().unwrap(),
        deferred: Some(format!("-{amount}").parse().unwrap()),
        recognised: serde_json::from_value(json!([{ "milestone": milestone, "date": date, "amount": amount }]))
            .unwrap(),
        lines: None,
        customer: None,
        applied_to: Vec::new(),
        posted: true,
    }
}

fn acceptance(milestone: &str) -> Value {
    json!({ "at": "2026-01-30T12:00:00Z", "type": "accepted", "milestone": milestone, "by": "c" })
}

/// The contract with what was proposed, filed.
fn taken_over(proposal: &Proposal) -> Contract {
    let mut contract = terms();
    contract["books_from"] = json!(proposal.books_from);
    contract["history"] =
        proposal.items.iter().filter(|one| one.is_certain()).map(|one| Value::Object(one.fields())).collect();
    opened(contract)
}

#[test]
fn a_half_billed_contract_comes_in_without_a_document_for_what_was_billed() {
    let proposal = proposed(&[invoice("INV-1", Some("M1"), "40.00")], &[acceptance("M1"), acceptance("M2")]);
    assert_eq!(proposal.books_from.to_string(), "2026-04-01");
    let contract = taken_over(&proposal);
    let ours: Vec<_> = contract.documents().iter().filter(|one| !one.adopted).map(|one| one.number.as_str()).collect();
    assert_eq!(ours, ["SOW-7-M2"], "what was accepted and not billed is invoiced, and nothing else");
    let opening = proposal.opening.unwrap();
    let told = [opening.billed, opening.recognised, opening.cash].map(|amount| amount.to_string());
    assert_eq!(told, ["40.00", "75.00", "40.00"]);
    assert_eq!(Some(opening), contract.opening().map(|at| at.view(contract.terms())));
}

#[test]
fn by_how_much_the_erp_defers_otherwise_is_told() {
    let told = |facts: &[Value]| proposed(&[invoice("INV-1", Some("M1"), "40.00")], facts).notes.join("\n");
    assert!(told(&[]).contains("deferred revenue before 2026-04-01 is 40.00, here and in the ERP"), "{}", told(&[]));
    let accepted = told(&[acceptance("M1")]);
    assert!(accepted.contains("is 0.00 by these items and 40.00 in the ERP"), "{accepted}");
    assert!(told(&[]).contains("M1 is billed, and nobody told that it was accepted"));
    assert!(!accepted.contains("nobody told") && !told(&[]).contains("M2 is billed"), "{accepted}");
}

#[test]
fn what_the_erp_released_before_the_books_is_compared_and_told() {
    let named = || invoice("INV-1", Some("M1"), "40.00");
    let [before, on_the_first] = ["2026-03-31", "2026-04-01"].map(|date| release("M1", date, "40.00"));
    let other = release("M2", "2026-04-02", "1.00");
    let told = |journals: &[JournalSeen]| {
        proposed_beside(&[named(), invoice("INV-5", None, "35.00")], &[], journals).notes.join("\n")
    };
    let early = told(&[before, other.clone()]);
    assert!(early.contains("is 40.00 by these items and 0.00 in the ERP"), "{early}");
    assert!(
        early.contains(
            "M1 is billed, and nobody told that it was accepted; the ERP recognised its revenue on 2026-03-31"
        ),
        "{early}"
    );
    assert!(told(&[on_the_first]).contains("is 40.00, here and in the ERP"), "{}", told(&[other]));
}

#[test]
fn only_what_is_an_acceptance_is_proposed_as_one_and_once() {
    let event = |at: &str, rest: Value| {
        let mut event = json!({ "at": at, "milestone": "M1", "by": "c" });
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event
    };
    let part = event("2026-01-20T12:00:00Z", json!({ "type": "accepted", "portion": "10.00" }));
    let go_live =
        json!({ "at": "2026-01-21T12:00:00Z", "type": "external_event", "milestone": "M1", "name": "go-live" });
    let submitted = event("2026-01-19T12:00:00Z", json!({ "type": "submitted" }));
    let found = proposed(&[], &[submitted, part, go_live, acceptance("M1"), acceptance("M1")]);
    assert_eq!(found.items.iter().map(|one| one.fields()["type"].clone()).collect::<Vec<_>>(), ["accepted"]);
    assert_eq!(found.items[0].fields()["on"], "2026-01-30");
    assert!(
        found.notes.iter().any(|note| note.starts_with("a part of M1 was accepted on 2026-01-20")),
        "{:?}",
        found.notes
    );
}

#[test]
fn what_only_its_amount_tells_waits_for_a_person() {
    let proposal = proposed(&[invoice("INV-5", None, "35.00"), invoice("INV-6", None, "99.00")], &[]);
    assert!(proposal.items.len() == 1 && !proposal.items[0].is_certain(), "{proposal:?}");
    let text = proposal.to_toml();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("history") || line.contains("number")).collect();
    assert_eq!(lines, ["# [[history]]", "# number = \"INV-5\""]);
}

#[test]
fn an_amount_is_compared_with_the_milestones_that_no_named_invoice_bills() {
    let named = invoice("INV-1", Some("M1"), "40.00");
    let same_amount = proposed(&[invoice("INV-5", None, "40.00"), named], &[]);
    let told = same_amount.to_toml() + &same_amount.notes.join("\n");
    assert!(told.contains("INV-1") && !told.contains("INV-5"), "{told}");
    let unnamed = || invoice("INV-5", None, "25.00");
    for stranger in [
        InvoiceSeen { contract: Some("SOW-8".into()), ..unnamed() },
        InvoiceSeen { customer: "Southwind".into(), ..unnamed() },
        InvoiceSeen { currency: "EUR".into(), ..unnamed() },
    ] {
        assert!(proposed(std::slice::from_ref(&stranger), &[]).items.is_empty(), "{stranger:?} bills nothing here");
    }
}

#[test]
fn our_invoice_of_the_first_date_of_the_books_is_not_in_the_opening_balance() {
    let hand_written = invoice("INV-1", Some("M1"), "40.00");
    let proposal = proposed(std::slice::from_ref(&hand_written), &[acceptance("M2")]);
    let contract = taken_over(&proposal);
    assert_eq!(contract.documents().last().map(|ours| ours.date), Some(proposal.books_from));
    let revenue = release("M2", "2026-01-30", "35.00");
    let shown = [hand_written, invoice("SOW-7-M2", Some("M2"), "35.00")];
    let difference = deferred_difference(&contract, &shown, &[revenue], &[], &BTreeSet::new());
    assert!(difference.unwrap().is_zero(), "40.00 and 35.00 less 35.00 of revenue, here and in the ERP");
}

#[test]
fn what_a_history_cannot_say_is_told() {
    let memo = InvoiceSeen { credit_memo: true, ..invoice("CM-1", Some("M1"), "5.00") };
    let pending = InvoiceSeen { status: InvoiceStatus::Pending, ..invoice("INV-2", Some("M2"), "35.00") };
    let again = invoice("INV-3", Some("M1"), "40.00");
    let today = InvoiceSeen { date: "2026-04-02".parse().unwrap(), ..invoice("INV-4", Some("M3"), "25.00") };
    let notes = proposed(&[invoice("INV-1", Some("M1"), "40.00"), memo, pending, again, today], &[]).notes;
    for told in [
        "credit memo CM-1",
        "INV-2 of 2026-02-02 for 35.00 USD for M2 waits for an approval",
        "INV-3 of 2026-02-02 for 40.00 USD bills M1 again",
        "not before 2026-04-01, and so no history: invoice INV-4",
    ] {
        assert!(notes.iter().any(|note| note.contains(told)), "{told}: {notes:#?}");
    }
}

#[test]
fn what_is_proposed_is_read_back_as_a_history() {
    let proposal = proposed(&[invoice("INV-1", Some("M1"), "40.00")], &[acceptance("M1")]);
    let head = format!("books_from = {}\nid = \"C\"\n", proposal.books_from);
    let read: Value =
        serde_json::to_value(toml::from_str::<toml::Value>(&format!("{head}{}", proposal.to_toml())).unwrap()).unwrap();
    let fields: Vec<Value> = proposal.items.iter().map(|one| Value::Object(one.fields())).collect();
    assert!(
        fields.iter().flat_map(|item| item.as_object().unwrap().values()).all(|value| !value.is_null() && value != "")
    );
    assert_eq!(read["history"], Value::Array(fields));
}

#[test]
fn an_opening_balance_of_nothing_is_no_entry() {
    let entry =
        |invoices: &[InvoiceSeen]| taken_over(&proposed(invoices, &[])).opening_entry().map(|one| one.date.to_string());
    assert_eq!(entry(&[invoice("INV-1", Some("M1"), "40.00")]).as_deref(), Some("2026-03-31"));
    assert_eq!(entry(&[]), None);
}

#[test]
fn what_happened_yesterday_is_history_from_today_on() {
    let yesterday = json!({ "at": "2026-04-01T12:00:00Z", "type": "accepted", "milestone": "M2", "by": "c" });
    let proposal = proposed(&[], &[acceptance("M1"), yesterday.clone()]);
    assert_eq!((proposal.books_from.to_string().as_str(), proposal.items.len()), ("2026-04-02", 2));
    let today = json!({ "at": "2026-04-02T12:00:00Z", "type": "accepted", "milestone": "M3", "by": "c" });
    let with_today = proposed(&[], &[acceptance("M1"), yesterday, today]);
    assert_eq!((with_today.books_from, with_today.items.len()), (proposal.books_from, 2));
}
