//! What the targets share.

#[cfg(feature = "daemon")]
pub mod daemon;
pub mod documents;
