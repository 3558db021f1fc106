//! Any body of a webhook, signed as its vendor signs: it names records, or is refused. The first byte chooses the vendor.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use milestoned_fuzz::vendors::{Vendor, signed};
use milestoned_jira::Jira;
use milestoned_quickbooks::QuickBooks;
use milestoned_salesforce::Salesforce;
use sha2::Sha256;

thread_local! {
    static VENDORS: (Vendor<Jira>, Vendor<QuickBooks>, Vendor<Salesforce>) =
        (Vendor::start(), Vendor::start(), Vendor::start());
}

fn sign(secret: &[u8], body: &[u8]) -> [String; 2] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(body);
    let signature = mac.finalize().into_bytes();
    [hex::encode(signature), STANDARD.encode(signature)]
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let headers = signed(body, sign);
    VENDORS.with(|(jira, quickbooks, salesforce)| match choice % 3 {
        0 => jira.tell(&headers, body),
        1 => quickbooks.tell(&headers, body),
        _ => salesforce.tell(&headers, body),
    });
});
