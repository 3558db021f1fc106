//! What is known now of the balances of contracts at the end of a month, kept with the revisions of the contracts at which it was
//! computed: whoever asks again for the same month has only those computed that were decided about since; and what packages of
//! closes say in sum. Nothing is decided from it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use milestoned_mapping::close::Balances;
use milestoned_mapping::money::Currency;

/// Balances at the end of one date.
#[derive(Debug, Default)]
pub struct AtDate {
    /// The date.
    pub on: Option<Date>,
    /// How often each contract was decided about when its balances were computed, by id.
    pub revisions: BTreeMap<String, i64>,
    /// Balances that are not nothing, by contract.
    pub balances: BTreeMap<String, (Currency, Balances)>,
}

/// By how much ledgers differed from the contract liability, in words, by the digest of the close's package that says so.
pub type KnownVariances = tokio::sync::Mutex<BTreeMap<String, String>>;

/// The balances of the date that was asked for last.
pub type KnownBalances = tokio::sync::Mutex<AtDate>;
