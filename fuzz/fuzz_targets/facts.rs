//! Any lines of JSON are facts or not; whatever facts a contract lives through, it is carried on, and its report can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_mapping::calendar::{Calendar, Calendars};
use milestoned_mapping::contract::{Contract, Policy};
use milestoned_mapping::fact::Fact;
use milestoned_mapping::terms::Terms;

const TERMS: &str = include_str!("../../deploy/contracts/sow-2041.toml");

fuzz_target!(|text: &str| {
    let calendars = Calendars::built_in();
    let terms = text.split_once("\n---\n").and_then(|(terms, _)| Terms::from_toml(terms, &calendars).ok());
    let facts = text.split_once("\n---\n").map_or(text, |(_, facts)| facts);
    let Some(terms) = terms.or_else(|| Terms::from_toml(TERMS, &calendars).ok()) else { return };
    let first = terms.signed_on();
    let Ok(mut contract) = Contract::open(terms, Policy::default(), Calendar::Weekends, first) else { return };
    for line in facts.lines().take(50) {
        let Ok(fact) = serde_json::from_str::<Fact>(line) else { continue };
        // A fact may be of any year; a fuzzer's hour is not endless.
        if fact.at.as_second().abs_diff(first.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |at| at.timestamp().as_second()))
            > 20 * 366 * 86_400
        {
            continue;
        }
        if let Err(problem) = contract.apply(&fact) {
            assert!(!problem.reason.is_empty());
        }
    }
    contract.close_day();
    let _ = serde_json::to_string(&contract.report());
});
