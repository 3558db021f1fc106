//! What holds for contracts and orders of events that nobody thought of.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod generated;

use generated::{case, event, read};
use milestoned_mapping::case::Case;
use milestoned_mapping::command::{JournalLine, Side};
use milestoned_mapping::contract::{Contract, DocumentKind};
use milestoned_mapping::fact::Fact;
use proptest::prelude::*;

fn bytes(contract: &Contract) -> String {
    serde_json::to_string(contract).unwrap()
}

/// Plays facts one by one; what amended terms cannot read is left out, as in a case.
fn play(mut contract: Contract, facts: &[Fact]) -> Contract {
    for fact in facts {
        let _ = contract.apply(fact);
    }
    contract
}

fn in_time(case: &Case) -> Vec<Fact> {
    case.events().iter().filter(|fact| case.terms().local_date(fact.at) <= case.until()).cloned().collect()
}

/// Checks that hold at any moment.
fn sound(contract: &Contract) -> Result<(), TestCaseError> {
    let at = contract.position();
    let net = at.deferred_revenue.minor() + at.recognised.minor()
        - at.contract_asset.minor()
        - at.unbilled_receivable.minor();
    prop_assert_eq!(net, at.billed.minor());
    prop_assert_eq!(at.accounts_receivable.minor() + at.cash.minor(), at.billed.minor());
    prop_assert!(at.deferred_revenue.minor() == 0 || at.contract_asset.minor() + at.unbilled_receivable.minor() == 0);
    let sum = |lines: &[JournalLine], side| -> i64 {
        lines.iter().filter(|line| line.side == side).map(|line| line.amount.minor()).sum()
    };
    for entry in contract.journal() {
        let posted = contract.revenue_entry(entry.date);
        prop_assert_eq!(sum(&entry.lines, Side::Debit), sum(&entry.lines, Side::Credit));
        prop_assert_eq!(sum(&posted, Side::Debit), sum(&posted, Side::Credit));
        prop_assert!(entry.lines.iter().all(|line| line.amount.minor() > 0));
    }
    let documents: i64 = contract
        .documents()
        .iter()
        .map(|one| if one.kind == DocumentKind::CreditMemo { -one.amount.minor() } else { one.amount.minor() })
        .sum();
    prop_assert_eq!(documents, at.billed.minor());
    let mut numbers: Vec<_> = contract.documents().iter().map(|one| &one.number).collect();
    numbers.sort();
    numbers.dedup();
    prop_assert_eq!(numbers.len(), contract.documents().len(), "a number was given twice");
    Ok(())
}

/// Invoices less credit memos stay within the cap that held when each invoice was written.
fn capped(case: &Case, facts: &[Fact], json: &serde_json::Value) -> Result<(), TestCaseError> {
    let mut contract = case.open();
    let cap_of =
        |text: &serde_json::Value| text.as_str().map(|text| case.terms().currency().parse(text).unwrap().minor());
    let filed_cap = cap_of(&json["contract"]["cap"]);
    let overruled = json["events"].as_array().unwrap().iter().any(|one| one["code"] == "OVER_CAP");
    for fact in facts {
        let before = contract.documents().len();
        let _ = contract.apply(fact);
        let invoices = contract.documents().iter().skip(before).filter(|one| one.kind == DocumentKind::Invoice);
        let corrected = contract.documents().iter().any(|one| one.kind != DocumentKind::Invoice);
        if invoices.count() > 0 && !overruled && !corrected {
            let cap = filed_cap.unwrap_or_else(|| contract.total().minor());
            let total_at_most = contract.position().billed.minor() <= cap.max(contract.total().minor());
            prop_assert!(total_at_most, "billed {} with a cap of {cap}", contract.position().billed);
            if filed_cap.is_some() {
                prop_assert!(contract.position().billed.minor() <= cap);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn books_balance_at_every_step(json in case()) {
        let case = read(&json);
        let mut contract = case.open();
        for fact in in_time(&case) {
            let _ = contract.apply(&fact);
            sound(&contract)?;
        }
        sound(&case.play())?;
    }

    #[test]
    fn invoices_less_credit_memos_stay_within_the_cap(json in case()) {
        let case = read(&json);
        capped(&case, &in_time(&case), &json)?;
    }

    #[test]
    fn a_prefix_kept_and_gone_on_with_is_the_whole(json in case(), cut in any::<prop::sample::Index>()) {
        let case = read(&json);
        let facts = in_time(&case);
        let (first, rest) = facts.split_at(cut.index(facts.len() + 1));
        let kept: Contract = serde_json::from_str(&bytes(&play(case.open(), first))).unwrap();
        prop_assert_eq!(bytes(&play(kept, rest)), bytes(&play(case.open(), &facts)));
    }

    #[test]
    fn days_walked_are_days_jumped(json in case()) {
        let case = read(&json);
        let mut walked = case.open();
        let walk = |contract: &mut Contract, to| while contract.as_of() < to {
            contract.advance_to(contract.as_of().tomorrow().unwrap());
        };
        for fact in in_time(&case) {
            walk(&mut walked, case.terms().local_date(fact.at));
            let _ = walked.apply(&fact);
        }
        walk(&mut walked, case.until());
        walked.close_day();
        prop_assert_eq!(bytes(&walked), bytes(&case.play()));
    }

    /// A payment or a portion says "once more" when it comes again: section 9 gives events no identity. The daemon's facts
    /// have one, and its store keeps each once (the journeys show it); every other event is its own identity.
    #[test]
    fn an_event_that_comes_twice_changes_nothing(json in case(), extra in event()) {
        let mut json = json;
        json["events"].as_array_mut().unwrap().push(extra.clone());
        let Ok(case) = Case::from_value(json, &milestoned_mapping::calendar::Calendars::built_in()) else { return Ok(()) };
        for fact in in_time(&case) {
            let text = serde_json::to_value(&fact).unwrap();
            if text["type"] == "payment" || !text["portion"].is_null() { continue }
            let upto: Vec<Fact> = in_time(&case).into_iter().take_while(|one| *one != fact).collect();
            let once = play(play(case.open(), &upto), std::slice::from_ref(&fact));
            let twice = play(once.clone(), std::slice::from_ref(&fact));
            let (a, b) = (serde_json::to_value(once.report()).unwrap(), serde_json::to_value(twice.report()).unwrap());
            prop_assert_eq!(a["invoices"].clone(), b["invoices"].clone());
            prop_assert_eq!(a["position"].clone(), b["position"].clone());
            prop_assert_eq!(a["milestones"].clone(), b["milestones"].clone());
        }
    }

    #[test]
    fn contracts_do_not_know_of_each_other(one in case(), other in case()) {
        let (one, other) = (read(&one), read(&other));
        let (mut a, mut b) = (one.open(), other.open());
        // Interleaved by time, as a daemon sees them.
        let mut all: Vec<(bool, Fact)> = in_time(&one).into_iter().map(|fact| (true, fact)).collect();
        all.extend(in_time(&other).into_iter().map(|fact| (false, fact)));
        all.sort_by_key(|(_, fact)| fact.at);
        for (first, fact) in all {
            let _ = if first { a.apply(&fact) } else { b.apply(&fact) };
        }
        prop_assert_eq!(bytes(&a), bytes(&play(one.open(), &in_time(&one))));
        prop_assert_eq!(bytes(&b), bytes(&play(other.open(), &in_time(&other))));
    }

    #[test]
    fn playing_again_gives_the_same_bytes(json in case()) {
        let (first, again) = (read(&json).play(), read(&json).play());
        prop_assert_eq!(bytes(&first), bytes(&again));
    }
}

/// The sweep of a portfolio finds what each contract found for itself (what a reviewer overruled apart).
#[test]
fn a_sweep_finds_what_contracts_find() {
    use milestoned_mapping::contract::Code;
    use milestoned_mapping::rules::{self, Group};
    use milestoned_mapping::sweep::Packer;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeSet;

    let mut runner = TestRunner::deterministic();
    let (mut packer, mut contracts) = (Packer::default(), Vec::new());
    while contracts.len() < 500 {
        let mut json = generated::case_with(20).new_tree(&mut runner).unwrap().current();
        json["events"].as_array_mut().unwrap().retain(|one| one["type"] != "overrule");
        let contract = read(&json).play();
        packer.add(&contract);
        contracts.push(contract);
    }
    let half = contracts.len() / 2;
    let mut findings = packer.portfolio.sweep(0..half);
    findings.extend(packer.portfolio.sweep(half..contracts.len()));
    assert_eq!(findings, packer.portfolio.sweep(0..contracts.len()), "halves are the whole");
    let texts = packer.symbols.texts();
    let swept: BTreeSet<_> = findings
        .iter()
        .flat_map(|one| {
            let milestone = texts.get(&one.milestone).map(|text| (*text).to_owned());
            one.codes.iter().map(move |code| (one.contract as usize, code, milestone.clone(), one.leg))
        })
        .collect();
    let is_comparison = |code: Code| rules::find(code.name()).is_some_and(|rule| rule.group == Group::Comparison);
    let open: BTreeSet<_> = contracts
        .iter()
        .enumerate()
        .flat_map(|(place, contract)| contract.exceptions().iter().map(move |one| (place, one)))
        .filter(|(_, one)| one.closed_on.is_none() && is_comparison(one.code))
        .filter_map(|(place, one)| Some((place, one.code, one.milestone.clone(), one.leg?)))
        .collect();
    assert!(open.len() > 500, "{} findings", open.len());
    assert_eq!(swept, open);
}
