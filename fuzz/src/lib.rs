//! What the targets share.

#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "files")]
pub mod documents;
#[cfg(feature = "vendors")]
pub mod vendors;
