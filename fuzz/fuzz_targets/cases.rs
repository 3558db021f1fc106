//! Any text is either a case or refused; a case plays to its end, its entries balance, and playing it again gives the
//! same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::{Case, simulate};

fuzz_target!(|text: &str| {
    let calendars = Calendars::built_in();
    for read in [Case::from_json(text, &calendars), Case::from_toml(text, &calendars)] {
        match read {
            // A case may be as long as its author likes; a fuzzer's hour is not.
            Ok(case) if case.until().year() - case.terms().signed_on().year() <= 20 => {
                let report = serde_json::to_string(&simulate(&case)).ok();
                assert_eq!(report, serde_json::to_string(&simulate(&case)).ok());
                let position = case.play().position();
                let sum = i128::from(position.deferred_revenue.minor()) + i128::from(position.recognised.minor())
                    - i128::from(position.contract_asset.minor())
                    - i128::from(position.unbilled_receivable.minor());
                // Near the end of 64-bit minor units amounts saturate instead of wrapping.
                if sum.abs() < 1 << 60 {
                    assert_eq!(sum, i128::from(position.billed.minor()));
                }
            }
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
