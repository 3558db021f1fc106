//! What holds for every case, however it is played.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads files, and may fail")]

use std::path::Path;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::command::Side;
use milestoned_mapping::contract::Contract;
use rust_decimal::Decimal;

/// Every case, opened on its first day.
fn cases() -> Vec<(String, Case, Contract)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| !path.to_string_lossy().ends_with(".expected.json"));
    names.sort();
    let cases: Vec<_> = names
        .into_iter()
        .map(|path| {
            let case = Case::from_json(&std::fs::read_to_string(&path).unwrap(), &Calendars::built_in()).unwrap();
            let opened = case.open();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), case, opened)
        })
        .collect();
    assert!(cases.len() >= 55, "{} cases", cases.len());
    cases
}

#[test]
fn days_that_are_passed_one_by_one_give_the_same_bytes_as_days_that_are_jumped() {
    for (name, case, mut walked) in cases() {
        let terms = case.terms().clone();
        let step_to = |contract: &mut Contract, day: jiff::civil::Date| {
            while contract.as_of() < day {
                contract.advance_to(contract.as_of().tomorrow().unwrap());
            }
        };
        for fact in case.events().iter().filter(|fact| terms.local_date(fact.at) <= case.until()) {
            step_to(&mut walked, terms.local_date(fact.at));
            walked.apply(fact).unwrap();
        }
        step_to(&mut walked, case.until());
        walked.close_day();
        assert_eq!(serde_json::to_string(&walked).unwrap(), serde_json::to_string(&case.play()).unwrap(), "{name}");
    }
}

#[test]
fn a_snapshot_at_any_fact_goes_on_like_the_whole() {
    for (name, case, mut contract) in cases() {
        for fact in case.events().iter().filter(|fact| case.terms().local_date(fact.at) <= case.until()) {
            contract = serde_json::from_str(&serde_json::to_string(&contract).unwrap()).unwrap();
            contract.apply(fact).unwrap();
        }
        contract.advance_to(case.until());
        contract.close_day();
        assert_eq!(contract, case.play(), "{name}");
    }
}

#[test]
fn debits_equal_credits_on_every_date_in_the_journal_and_in_what_is_posted() {
    for (name, case, _) in cases() {
        let contract = case.play();
        let sum = |lines: &[milestoned_mapping::command::JournalLine], side: Side| -> Decimal {
            lines.iter().filter(|line| line.side == side).map(|line| line.amount.decimal()).sum()
        };
        for entry in contract.journal() {
            let posted = contract.revenue_entry(entry.date);
            assert_eq!(sum(&entry.lines, Side::Debit), sum(&entry.lines, Side::Credit), "{name} {}", entry.date);
            assert_eq!(sum(&posted, Side::Debit), sum(&posted, Side::Credit), "{name} {}", entry.date);
        }
    }
}

#[test]
fn the_balances_hold_together() {
    for (name, case, _) in cases() {
        let at = case.play().position();
        let liability = at.deferred_revenue.minor() + at.recognised.minor();
        assert_eq!(liability - at.contract_asset.minor() - at.unbilled_receivable.minor(), at.billed.minor(), "{name}");
        assert_eq!(at.accounts_receivable.minor() + at.cash.minor(), at.billed.minor(), "{name}");
    }
}
