//! Whatever the remote answers to whatever is asked or written: it is understood, or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| milestoned_fuzz::daemon::ask("salesforce", input));
