//! Whatever the remote answers to whatever is asked or written: it is understood, or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_fuzz::vendors::Vendor;
use milestoned_tryton::Tryton;

thread_local! {
    static TRYTON: Vendor<Tryton> = Vendor::start();
}

fuzz_target!(|input: &[u8]| TRYTON.with(|vendor| vendor.ask(input)));
