//! Whatever the remote answers to whatever is asked or written: it is understood, or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_fuzz::vendors::Vendor;
use milestoned_salesforce::Salesforce;

thread_local! {
    static SALESFORCE: Vendor<Salesforce> = Vendor::start();
}

fuzz_target!(|input: &[u8]| SALESFORCE.with(|vendor| vendor.ask(input)));
