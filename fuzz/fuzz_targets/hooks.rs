//! Any body of a webhook, signed as its vendor signs: it names records, or is refused.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

fuzz_target!(|input: &[u8]| milestoned_fuzz::daemon::tell(input, |secret, body| {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(body);
    let signature = mac.finalize().into_bytes();
    [hex::encode(signature), STANDARD.encode(signature)]
}));
