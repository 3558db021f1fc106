//! What people read, word for word: explanations, the schema, disclosures, an exported journal. Somebody looked at each
//! file in `tests/golden`; `MILESTONED_WRITE_GOLDEN=1 cargo test -p milestoned-mapping --test golden` writes them anew,
//! and the difference is read before it is committed.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads files, and may fail")]

use std::path::Path;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::contract::explain;
use milestoned_mapping::ledger::{Format, transactions, write};
use milestoned_mapping::schema::json_schema;

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
}

#[test]
fn journals() {
    let book = || CASES[..4].iter().flat_map(|name| transactions(&case(name).play())).collect();
    same("book.journal", &write(Format::Hledger, book()));
    same("book.beancount", &write(Format::Beancount, book()));
    same("book.csv", &write(Format::Csv, book()));
}
