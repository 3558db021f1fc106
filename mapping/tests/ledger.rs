//! What is exported is accepted by the tools that accountants check their books with.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test runs tools, says what it skipped, and may fail"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::ledger::{Format, Transaction, transactions, write};

/// Every case's journal, all in one book; some customers have names that a format could choke on.
fn book() -> Vec<Transaction> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.to_string_lossy().ends_with(".expected.json"));
    files.sort();
    let names = [
        "Smith; Jones | \"Partners\", tag:x",
        "=SUM(A1)",
        "Ünïcode & Söhne\n2026-01-01 open",
        "  ",
        "(10.00) Acme",
        "* ! Acme",
    ];
    let mut book = Vec::new();
    for (index, path) in files.iter().enumerate() {
        let case = Case::from_json(&std::fs::read_to_string(path).unwrap(), &Calendars::built_in()).unwrap();
        book.extend(transactions(&case.play()).into_iter().map(|mut one| {
            if let Some(name) = names.get(index) {
                one.customer = (*name).to_owned();
            }
            one
        }));
    }
    assert!(book.len() > 100, "{} transactions", book.len());
    book
}

/// Runs a checker; without it the test says so, and fails where `MILESTONED_REQUIRE_LEDGERS` is set, as CI does.
fn accepted(tool: &str, arguments: &[&str], file: &str, text: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(file);
    std::fs::write(&path, text).unwrap();
    let run = Command::new(tool).args(arguments.iter().map(|one| one.replace("FILE", path.to_str().unwrap()))).output();
    match run {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{tool} refuses {}:\n{said}", path.display());
        }
        Err(error) if std::env::var_os("MILESTONED_REQUIRE_LEDGERS").is_none() => {
            println!("SKIPPED: {tool} is not installed ({error})");
        }
        Err(error) => panic!("{tool}: {error}; CI has to install it"),
    }
}

#[test]
fn hledger_accepts_it_strictly() {
    let text = write(Format::Hledger, book());
    accepted("hledger", &["-f", "FILE", "check", "--strict", "ordereddates", "payees"], "book.journal", &text);
}

#[test]
fn beancount_accepts_it() {
    accepted("bean-check", &["FILE"], "book.beancount", &write(Format::Beancount, book()));
}

#[test]
fn csv_has_a_line_per_entry_line_and_no_formulas() {
    let (book, lines) = (book(), |book: &[Transaction]| book.iter().map(|one| one.lines.len()).sum::<usize>());
    let text = write(Format::Csv, book.clone());
    let records = text.split("\r\n").filter(|line| line.starts_with("20")).count();
    assert_eq!(records, lines(&book));
    assert!(text.contains(",'=SUM(A1),") && text.contains("\"Smith; Jones | \"\"Partners\"\", tag:x\""));
}
