//! Any bytes as a PDF file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_documents::block::Format;

fuzz_target!(|bytes: &[u8]| milestoned_fuzz::documents::read(bytes, Format::Pdf));
