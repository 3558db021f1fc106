//! What an ERP is told after a decision: entries of dates that are over, and what documents bear.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::command::{Command, Document, JournalEntry, Posting};
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::Fact;
use milestoned_mapping::postings::{Addresses, Planned, plan};
use serde_json::{Value, json};

fn fact(value: Value) -> Fact {
    serde_json::from_value(value).unwrap()
}

fn filed(milestones: Value, total: &str) -> Contract {
    let case = json!({ "until": "2026-06-30", "contract": { "id": "SOW-7", "customer": "Northwind", "currency": "USD", "total": total,
        "signed_on": "2026-01-05", "po_number": "PO-1", "obligations": [{ "id": "o", "ssp": total, "method": "output" }],
        "milestones": milestones } });
    Case::from_value(case, &Calendars::built_in()).unwrap().open()
}

/// What is told after a fact, beside customers.
fn told(contract: &mut Contract, said: Value, entries: &mut Vec<JournalEntry>) -> Vec<Posting> {
    let (before, records) = (contract.clone(), BTreeMap::new());
    contract.apply(&fact(said)).unwrap();
    let planned = Planned { documents: before.documents().len(), journal_through: None, entries };
    let addresses =
        Addresses { erp: "erp", orders: false, emails: false, acceptances: false, links: "", records: &records };
    let postings: Vec<Posting> = plan(&before, contract, planned, &addresses).postings;
    entries.extend(postings.iter().filter_map(|one| match &one.command {
        Command::JournalEntry(entry) => Some(entry.clone()),
        _ => None,
    }));
    postings.into_iter().filter(|one| !matches!(one.command, Command::Customer { .. })).collect()
}

fn accepted(milestone: &str, at: &str, on: &str) -> Value {
    json!({ "at": at, "on": on, "type": "accepted", "milestone": milestone, "by": "c", "document": "d" })
}

/// Recognised on 28 March and invoiced on 2 April by what was learned on 2 April: the entry of 28 March is one, and what is
/// learned on 3 April is another one of the same date; the first stays as it was.
#[test]
fn what_is_learned_of_a_date_that_is_over_is_a_further_entry_of_it() {
    let milestones =
        json!([{ "id": "M1", "name": "a", "amount": "40.00" }, { "id": "M2", "name": "b", "amount": "60.00" }]);
    let (mut contract, mut entries) = (filed(milestones, "100.00"), Vec::new());
    told(&mut contract, accepted("M1", "2026-04-02T12:00:00Z", "2026-03-28"), &mut entries);
    told(&mut contract, accepted("M2", "2026-04-03T12:00:00Z", "2026-03-28"), &mut entries);
    let said: Vec<_> = entries
        .iter()
        .filter(|one| one.date.to_string() == "2026-03-28")
        .map(|one| (one.number.as_str(), one.lines[0].amount.to_string(), one.memo.as_str()))
        .collect();
    let memo = "Revenue of contract SOW-7 on 2026-03-28";
    let further = format!("{memo}, known on 2026-04-03: entry 2 of that date");
    assert_eq!(
        said,
        [("SOW-7-20260328J", "40.00".to_owned(), memo), ("SOW-7-20260328J2", "60.00".to_owned(), further.as_str())]
    );
}

#[test]
fn a_document_bears_the_purchase_order_and_terms_of_its_milestone() {
    let own =
        json!({ "id": "M1", "name": "a", "amount": "40.00", "po_number": "PO-2", "payment_terms": "net 2 months" });
    let mut contract = filed(json!([own, { "id": "M2", "name": "b", "amount": "60.00" }]), "100.00");
    let mut bears = |milestone: &str| {
        let said = accepted(milestone, "2026-03-02T12:00:00Z", "2026-03-02");
        let postings = told(&mut contract, said, &mut Vec::new());
        let invoice = postings.into_iter().find_map(|one| match one.command {
            Command::Invoice(invoice) => Some(invoice),
            _ => None,
        });
        let Document { po_number, payment_terms, due_on, .. } = invoice.unwrap();
        (po_number.unwrap(), payment_terms, due_on.to_string())
    };
    assert_eq!(bears("M1"), ("PO-2".into(), "net 2 months".into(), "2026-05-02".into()));
    assert_eq!(bears("M2"), ("PO-1".into(), "net 30".into(), "2026-04-01".into()));
}

#[test]
fn a_credit_memo_of_an_adopted_invoice_waits_for_nothing_that_nobody_delivers() {
    let mut contract = filed(json!([{ "id": "M1", "name": "a", "amount": "100.00" }]), "100.00");
    let adopted = json!({ "at": "2026-03-02T12:00:00Z", "on": "2026-02-02", "type": "adopted", "milestone": "M1",
        "number": "INV-7", "by": "ar", "reason": "billed by hand" });
    assert_eq!(told(&mut contract, adopted, &mut Vec::new()).len(), 0);
    let amended = json!({ "at": "2026-03-03T12:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "90.00",
        "change": [{ "id": "M1", "amount": "90.00" }] });
    let postings = told(&mut contract, amended, &mut Vec::new());
    let memo = postings.iter().find(|one| matches!(one.command, Command::CreditMemo(_))).unwrap();
    assert_eq!(memo.after.len(), 1, "the customer alone: {memo:?}");
}
