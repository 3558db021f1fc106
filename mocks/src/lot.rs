//! Many records from one pattern.

use jiff::Timestamp;

use crate::{Fields, Refused};

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

    /// Reads `count`, `fields`, `from`, `step_ms` and `tied` of an admin verb; without `from` the first is of `now`.
    pub(crate) fn read(body: &Fields, now: Timestamp) -> Result<LotSpec, Refused> {
        let text =
            |name: &str| body.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_string));
        let number = |name: &str, default: i64| match text(name) {
            None => Ok(default),
            Some(text) => {
                text.parse::<i64>().map_err(|_| Refused(format!("{name} must be a whole number, not {text}")))
            }
        };
        let from = match text("from") {
            Some(text) => text.parse().map_err(|error: jiff::Error| Refused(error.to_string()))?,
            None => now,
        };
        let fields = body.get("fields").and_then(|fields| fields.as_object()).cloned().unwrap_or_default();
        let count = |name: &str| number(name, 1).map(|count| u64::try_from(count).unwrap_or(1).max(1));
        Ok(LotSpec { count: count("count")?, fields, from, step_ms: number("step_ms", 1000)?, tied: count("tied")? })
    }
}
