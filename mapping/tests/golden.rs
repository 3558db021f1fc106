//! What people read, word for word: explanations, the schema, disclosures, an exported journal. Somebody looked at each
//! file in `tests/golden`; `MILESTONED_WRITE_GOLDEN=1 cargo test -p milestoned-mapping --test golden` writes them anew,
//! and the difference is read before it is committed.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test reads files, and may fail")]

use std::path::Path;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::contract::explain;
use milestoned_mapping::ledger::{Format, transactions, write};
use milestoned_mapping::schema::{change_order_schema, json_schema};

/// Cases that between them show every clause that an explanation can name.
const CASES: [&str; 14] = [
    "accepted-in-part",
    "amended-before-and-after-invoice",
    "capped",
    "cure-exhausted",
    "cut-off-march-april",
    "deemed-over-thanksgiving",
    "four-way-mismatches",
    "invoice-40-recognise-25",
    "month-end-cycle-yen",
    "other-triggers",
    "random-005",
    "random-012",
    "random-027",
    "ssp-allocation-delta",
];

fn same(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("MILESTONED_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (number, (ours, theirs)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(ours, theirs, "{file}:{}", number + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{file}");
}

fn case(name: &str) -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name).with_extension("json");
    Case::from_json(&std::fs::read_to_string(path).unwrap(), &Calendars::built_in()).unwrap()
}

#[test]
fn explanations() {
    for name in CASES {
        let told: Vec<String> = explain(&case(name))
            .iter()
            .map(|step| format!("{}  {}\n    {}\n", step.date, step.cause, step.effects.join("\n    ")))
            .collect();
        same(&format!("{name}.explained.txt"), &told.concat());
    }
}

#[test]
fn disclosures() {
    let told: Vec<_> = CASES[10..].iter().map(|name| case(name).play().disclosures()).collect();
    same("disclosures.json", &serde_json::to_string_pretty(&told).unwrap());
}

#[test]
fn schema() {
    same("contract.schema.json", &serde_json::to_string_pretty(&json_schema()).unwrap());
    same("change-order.schema.json", &serde_json::to_string_pretty(&change_order_schema()).unwrap());
}

#[test]
fn journals() {
    let book = || CASES[..4].iter().flat_map(|name| transactions(&case(name).play())).collect();
    same("book.journal", &write(Format::Hledger, book()));
    same("book.beancount", &write(Format::Beancount, book()));
    same("book.csv", &write(Format::Csv, book()));
}

/// What is said to whom: keys and postings, fact by fact, and what others may ask of the contract on the way.
#[test]
fn postings() {
    use milestoned_mapping::command::Command;
    use milestoned_mapping::postings::{
        Addresses, Planned, document_key, journal_entry_number, plan, recognised_since,
    };
    let records = std::collections::BTreeMap::from([
        ("M1".to_owned(), vec![("jira".to_owned(), "10001".to_owned())]),
        (String::new(), vec![("salesforce".to_owned(), "006A".to_owned())]),
    ]);
    let addresses = Addresses {
        erp: "netsuite",
        orders: false,
        emails: false,
        acceptances: false,
        links: "https://milestoned.example",
        records: &records,
    };
    let mut told = String::new();
    for name in &CASES[..7] {
        let case = case(name);
        let (mut contract, mut documents, mut through, mut entries) = (case.open(), 0, None, Vec::new());
        for fact in case.events() {
            let before = contract.clone();
            let _ = contract.apply(fact);
            let former = Planned { documents, journal_through: through, entries: &entries };
            let planned = plan(&before, &contract, former, &addresses);
            told += &format!("{} {} open day {}\n", fact.at, contract.version(), planned.open_day);
            for one in &planned.postings {
                told += &format!("  {}\n", serde_json::to_string(one).unwrap());
            }
            for one in recognised_since(&before, &contract) {
                told += &format!("  recognised {}\n", serde_json::to_string(&one).unwrap());
            }
            (documents, through) = (contract.documents().len(), planned.journal_through);
            entries.extend(planned.postings.into_iter().filter_map(|one| match one.command {
                Command::JournalEntry(entry) => Some(entry),
                _ => None,
            }));
        }
        for one in contract.documents() {
            told += &format!("{} {}\n", one.number, document_key(contract.terms().id(), "netsuite", one).as_str());
        }
        for entry in contract.journal() {
            let number = journal_entry_number(contract.terms().id(), "netsuite", entry.date, 1);
            told += &format!("{number} {:?}\n", contract.revenue_entry(entry.date));
        }
        for one in contract.milestones() {
            let asks = (contract.needs_document(&one.id), contract.accepts_by_event(&one.id));
            told += &format!("{asks:?} {}\n", serde_json::to_string(&one).unwrap());
        }
        for one in contract.exceptions() {
            told += &format!("{} holds {:?}\n", one.code, contract.amount_held(one).map(|money| money.to_string()));
        }
        let at = contract.position();
        told += &format!("billed {} unbilled {} of {}\n", at.billed, at.unbilled_receivable, contract.total());
    }
    same("postings.txt", &told);
}
