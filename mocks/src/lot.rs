//! Many records from one pattern.

use jiff::Timestamp;

use crate::Fields;

/// A pattern of records, and how many there are of it.
#[derive(Clone, Debug)]
pub struct LotSpec {
    /// How many.
    pub count: u64,
    /// Fields of each; `{n}` in a text stands for its number, from 1.
    pub fields: Fields,
    /// The time of change of the first.
    pub from: Timestamp,
    /// Milliseconds from one time of change to the next.
    pub step_ms: i64,
    /// How many in a row share a time of change.
    pub tied: u64,
}

impl LotSpec {
    /// So many records, one changed each second from `from` on.
    pub fn new(count: u64, fields: Fields, from: Timestamp) -> LotSpec {
        LotSpec { count, fields, from, step_ms: 1000, tied: 1 }
    }

    /// So many in a row share a time of change.
    pub fn tied(mut self, tied: u64) -> LotSpec {
        self.tied = tied.max(1);
        self
    }
}
