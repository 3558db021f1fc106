//! Whatever the remote answers to whatever is asked or written: it is understood, or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_fuzz::vendors::Vendor;
use milestoned_quickbooks::QuickBooks;

thread_local! {
    static QUICKBOOKS: Vendor<QuickBooks> = Vendor::start();
}

fuzz_target!(|input: &[u8]| QUICKBOOKS.with(|vendor| vendor.ask(input)));
