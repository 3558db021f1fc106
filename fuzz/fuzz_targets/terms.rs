//! Any text is either terms, or refused with a place and a reason; terms can be opened and lived through.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_mapping::calendar::{Calendar, Calendars};
use milestoned_mapping::contract::{Contract, Policy};
use milestoned_mapping::terms::{Terms, TermsErrors};

fuzz_target!(|text: &str| {
    let calendars = Calendars::built_in();
    for read in [Terms::from_toml(text, &calendars), Terms::from_json(text, &calendars)] {
        match read {
            Ok(terms) => {
                let (first, calendar) = (terms.signed_on(), calendars.get(terms.calendar()).cloned());
                let calendar = calendar.unwrap_or(Calendar::Weekends);
                let Ok(mut contract) = Contract::open(terms, Policy::default(), calendar, first) else { continue };
                if let Ok(later) = first.checked_add(jiff::Span::new().days(400)) {
                    contract.advance_to(later);
                }
                contract.close_day();
                let _ = serde_json::to_string(&contract.report());
            }
            Err(TermsErrors(problems)) => assert!(problems.iter().all(|problem| !problem.reason.is_empty())),
        }
    }
});
