//! Whatever the remote answers to whatever is asked or written: it is understood, or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_fuzz::vendors::Vendor;
use milestoned_netsuite::NetSuite;

thread_local! {
    static NETSUITE: Vendor<NetSuite> = Vendor::start();
}

fuzz_target!(|input: &[u8]| NETSUITE.with(|vendor| vendor.ask(input)));
