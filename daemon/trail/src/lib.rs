//! What makes an audit trail whole: how a line follows from the one before it, what it says of the rows that it is about, and
//! heads that are signed. The store writes by it; `milestoned-verify` checks an export by it, and needs nothing else.

pub mod chain;
pub mod checkpoint;
pub mod export;
pub mod rows;

use sha2::{Digest, Sha256};

/// Adds a part with its length before it: where one ends and the next begins is hashed, too.
fn put(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(bytes);
}

/// SHA-256 over parts, each with its length before it, hex.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| put(&mut hash, part.as_bytes()));
    hex::encode(hash.finalize())
}
