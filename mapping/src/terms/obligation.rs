//! Performance obligations: what they are worth alone, and how their revenue is measured.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::money::{Currency, Minor};
use crate::reader::Reader;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Obligation {
    pub(crate) id: String,
    pub(crate) ssp: Minor,
    pub(crate) method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method {
    CostToCost {
        /// Decimals of a percent to which progress is rounded before use; `None`: exact.
        progress_decimals: Option<u32>,
    },
    Output,
    PointInTime,
    TimeElapsed {
        start: Date,
        end: Date,
    },
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CostToCost { .. } => "cost_to_cost",
            Self::Output => "output",
            Self::PointInTime => "point_in_time",
            Self::TimeElapsed { .. } => "time_elapsed",
        }
    }
}

impl Obligation {
    /// Reads an obligation.
    pub(crate) fn read(reader: &mut Reader<'_>, currency: Currency) -> Option<Self> {
        let id = reader.required_text("id");
        if !reader.has("ssp") {
            reader.wrong("ssp", "is missing");
        }
        let ssp = reader.amount("ssp", currency);
        let kind = reader.required_text("method");
        let (start, end) = (reader.date("start"), reader.date("end"));
        let progress_decimals = reader.count("progress_decimals");
        if progress_decimals.is_some_and(|decimals| decimals > 9) {
            reader.wrong("progress_decimals", "must be from 0 to 9");
        }
        let kind = kind?;
        let method = match (kind.as_str(), start, end) {
            ("output", _, _) => Method::Output,
            ("point_in_time", _, _) => Method::PointInTime,
            ("cost_to_cost", _, _) => Method::CostToCost { progress_decimals },
            ("time_elapsed", Some(start), Some(end)) if start <= end => Method::TimeElapsed { start, end },
            ("time_elapsed", Some(_), Some(_)) => {
                reader.wrong("end", "is before start");
                return None;
            }
            ("time_elapsed", _, _) => {
                reader.wrong("start", "time_elapsed needs start and end");
                return None;
            }
            _ => {
                reader
                    .wrong("method", format!("{kind:?} is none of point_in_time, output, cost_to_cost, time_elapsed"));
                return None;
            }
        };
        Some(Self { id: id?, ssp: ssp?, method })
    }

    /// Its fields in the words of section 2, as [`Self::read`] reads them.
    pub(crate) fn fields(&self, currency: Currency) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("id", json!(self.id));
        put("ssp", json!(currency.money(self.ssp).to_string()));
        put("method", json!(self.method.name()));
        match self.method {
            Method::CostToCost { progress_decimals: Some(decimals) } => {
                put("progress_decimals", json!(decimals));
            }
            Method::TimeElapsed { start, end } => {
                put("start", json!(start));
                put("end", json!(end));
            }
            Method::CostToCost { progress_decimals: None } | Method::Output | Method::PointInTime => {}
        }
        fields
    }
}
