//! HMAC-SHA256 signatures of webhooks, compared in constant time over the raw body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether `signature` (raw bytes) is the HMAC-SHA256 of `body`. An empty secret signs nothing.
pub fn is_signed(secret: &[u8], body: &[u8], signature: &[u8]) -> bool {
    if secret.is_empty() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

/// [`is_signed`] for a signature in lower-case hex.
pub fn is_signed_hex(secret: &[u8], body: &[u8], signature: &str) -> bool {
    hex::decode(signature).is_ok_and(|signature| is_signed(secret, body, &signature))
}

/// [`is_signed`] for a signature in base64.
pub fn is_signed_base64(secret: &[u8], body: &[u8], signature: &str) -> bool {
    STANDARD.decode(signature).is_ok_and(|signature| is_signed(secret, body, &signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_vectors_verify_and_a_flipped_bit_does_not() {
        let hex = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
        let secret = b"It's a Secret to Everybody";
        assert!(is_signed_hex(secret, b"Hello World!", hex));
        assert!(!is_signed_hex(secret, b"Hello World?", hex));
        assert!(!is_signed_hex(b"", b"Hello World!", hex));
        assert!(!is_signed_hex(secret, b"Hello World!", "not hex"));
    }
}
