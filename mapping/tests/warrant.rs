//! Whatever is about to be sent follows from its contract, or is told: each value of each command is changed, one at a time.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::command::{Command, DeliveryKey, JournalEntry, Posting};
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::Fact;
use milestoned_mapping::postings::{Addresses, Planned, plan};
use milestoned_mapping::warrant::Warrant;
use serde_json::{Value, json};

/// What may be otherwise: links and names that only inform, and what another command of the same record says.
const FREE: [&str; 9] =
    ["acceptance", "order.lines", "lines.description", "milestone", "name", "record", "invoice", "due_on", "link"];

/// A contract that was invoiced, amended, credited and recognised, with all that was told of it.
fn told() -> (Contract, Vec<Posting>, Vec<JournalEntry>) {
    let case = json!({ "until": "2026-06-30", "contract": { "id": "SOW-7", "customer": "Northwind", "currency": "USD",
        "total": "100.00", "signed_on": "2026-01-05", "po_number": "PO-1",
        "obligations": [{ "id": "o", "ssp": "100.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "a", "amount": "40.00" }, { "id": "M2", "name": "b", "amount": "60.00" }] } });
    let mut contract = Case::from_value(case, &Calendars::built_in()).unwrap().open();
    let records = BTreeMap::from([("M1".to_owned(), vec![("jira".to_owned(), "10001".to_owned())])]);
    let addresses = Addresses {
        erp: "erp",
        orders: true,
        emails: true,
        acceptances: true,
        links: "https://m.example",
        records: &records,
    };
    let (mut postings, mut entries, mut through) = (Vec::<Posting>::new(), Vec::new(), None);
    for said in [
        json!({ "at": "2026-03-02T12:00:00Z", "type": "accepted", "milestone": "M1", "by": "c", "document": "d" }),
        json!({ "at": "2026-03-05T12:00:00Z", "on": "2026-03-03", "type": "accepted", "milestone": "M2", "by": "c", "document": "d" }),
        json!({ "at": "2026-03-09T12:00:00Z", "type": "usage", "metric": "none", "value": "1" }),
    ] {
        let before = contract.clone();
        contract.apply(&serde_json::from_value::<Fact>(said).unwrap()).unwrap();
        let planned = Planned { documents: before.documents().len(), journal_through: through, entries: &entries };
        let next = plan(&before, &contract, planned, &addresses);
        through = next.journal_through;
        for posting in next.postings {
            if let Command::JournalEntry(entry) = &posting.command {
                entries.push(entry.clone());
            }
            postings.retain(|known| known.key != posting.key);
            postings.push(posting);
        }
    }
    (contract, postings, entries)
}

/// Every place in a value that holds a text or a number, with its names joined by points.
fn leaves(value: &Value, at: String, name: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let dotted = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                leaves(value, format!("{at}/{field}"), dotted, found);
            }
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| leaves(item, format!("{at}/{index}"), name.clone(), found));
        }
        Value::String(_) | Value::Number(_) => found.push((at, name)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Something else of the same kind: another date, another amount, another text.
fn otherwise(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::String(text) if text.parse::<jiff::civil::Date>().is_ok() => json!("2026-02-27"),
        Value::String(text) => json!(format!("{text}x")),
        other => other.clone(),
    }
}

#[test]
fn what_was_decided_follows_and_any_other_value_of_it_does_not() {
    let (contract, postings, entries) = told();
    let kinds: std::collections::BTreeSet<String> =
        postings.iter().map(|one| serde_json::to_value(&one.command).unwrap()["kind"].to_string()).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    let latest = |one: &Posting| !matches!(&one.command, Command::BillingStatus(status) if status.status != "invoiced");
    let mut changed = 0;
    for posting in postings.iter().filter(|one| latest(one)) {
        let flaw = |entries: &[JournalEntry], key: &DeliveryKey, target: &str, command: &Command| {
            Warrant { contract: &contract, erp: "erp", entries, former_customers: &[] }.flaw(key, target, command)
        };
        assert_eq!(flaw(&entries, &posting.key, &posting.target, &posting.command), None, "{posting:?}");
        let whole = serde_json::to_value(&posting.command).unwrap();
        let mut places = Vec::new();
        leaves(&whole, String::new(), String::new(), &mut places);
        for (place, name) in places.into_iter().filter(|(_, name)| !FREE.contains(&name.as_str()) && name != "kind") {
            let mut other = whole.clone();
            let value = other.pointer_mut(&place).unwrap();
            *value = otherwise(value);
            let Ok(command) = serde_json::from_value::<Command>(other) else { continue };
            // Somebody who can attest an entry has it among the others, too.
            let of_it = |entry: &JournalEntry| match (&posting.command, &command) {
                (Command::JournalEntry(was), Command::JournalEntry(is)) if entry == was => is.clone(),
                _ => entry.clone(),
            };
            let entries: Vec<JournalEntry> = entries.iter().map(of_it).collect();
            assert!(flaw(&entries, &posting.key, &posting.target, &command).is_some(), "{name} of {whole}");
            changed += 1;
        }
        let another = DeliveryKey::of(&["another"]);
        let is_status = matches!(posting.command, Command::BillingStatus(_));
        for (key, target) in [(&another, "erp"), (&posting.key, "other")] {
            assert!(is_status || flaw(&entries, key, target, &posting.command).is_some(), "{key} to {target}");
        }
    }
    assert!(changed > 60, "{changed}");
}

#[test]
fn an_entry_that_is_put_in_beside_the_others_of_its_date_is_told() {
    let (contract, _, mut entries) = told();
    let forged = entries[0].clone();
    entries.push(forged.clone());
    let warrant = Warrant { contract: &contract, erp: "erp", entries: &entries, former_customers: &[] };
    let flaw = warrant.flaw(
        &DeliveryKey::of(&["erp", "SOW-7", "journal", "2026-03-02"]),
        "erp",
        &Command::JournalEntry(forged),
    );
    assert!(flaw.unwrap().contains("are not what contract SOW-7 has booked"));
}
