//! Tryton's JSON as Tryton writes it: dates, instants and amounts are objects that name their class.

use jiff::Timestamp;
use jiff::civil;
use milestoned_connector_kit::read::or_default;
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::normalise::exact_decimal;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json};

/// `{"__class__": "date", …}`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Date(pub(crate) civil::Date);

#[derive(Deserialize)]
struct DateParts {
    year: i16,
    month: i8,
    day: i8,
    #[serde(default, deserialize_with = "or_default")]
    hour: i8,
    #[serde(default, deserialize_with = "or_default")]
    minute: i8,
    #[serde(default, deserialize_with = "or_default")]
    second: i8,
    #[serde(default, deserialize_with = "or_default")]
    microsecond: i32,
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let DateParts { year, month, day, .. } = DateParts::deserialize(deserializer)?;
        civil::Date::new(year, month, day).map(Self).map_err(D::Error::custom)
    }
}

/// `{"__class__": "datetime", …}`, UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let DateParts { year, month, day, hour, minute, second, microsecond } = DateParts::deserialize(deserializer)?;
        let nanosecond = microsecond.checked_mul(1_000).ok_or_else(|| D::Error::custom("microsecond"))?;
        let at = civil::DateTime::new(year, month, day, hour, minute, second, nanosecond).map_err(D::Error::custom)?;
        at.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| Self(zoned.timestamp())).map_err(D::Error::custom)
    }
}

/// `{"__class__": "Decimal", "decimal": "40000.00"}`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount(pub(crate) DecimalText);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            decimal: String,
        }
        let Written { decimal } = Written::deserialize(deserializer)?;
        exact_decimal(&decimal).map(Self).ok_or_else(|| D::Error::custom(format!("{decimal:?} is not an amount")))
    }
}

/// A date in a request.
pub(crate) fn date(date: civil::Date) -> Value {
    json!({ "__class__": "date", "year": date.year(), "month": date.month(), "day": date.day() })
}

/// An instant in a request.
pub(crate) fn instant(at: Timestamp) -> Value {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    json!({
        "__class__": "datetime", "year": at.year(), "month": at.month(), "day": at.day(), "hour": at.hour(),
        "minute": at.minute(), "second": at.second(), "microsecond": at.subsec_nanosecond().div_euclid(1_000),
    })
}

/// An amount in a request.
pub(crate) fn amount(amount: impl std::fmt::Display) -> Value {
    json!({ "__class__": "Decimal", "decimal": amount.to_string() })
}

/// A record of which only the id matters.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: i64,
}

/// Where an invoice or move stands.
#[derive(Debug, Deserialize)]
pub(crate) struct State {
    pub(crate) state: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Party {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) addresses: Vec<Address>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Address {
    pub(crate) id: i64,
    /// SQLite gives flags as numbers.
    #[serde(default)]
    pub(crate) invoice: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Currency {
    pub(crate) id: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) code: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Company {
    pub(crate) currency: Currency,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Period {
    pub(crate) id: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) state: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
}

/// An account, as far as it decides about what may be posted to it.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) closed: Value,
    #[serde(default)]
    pub(crate) party_required: Value,
    #[serde(rename = "type", default)]
    pub(crate) kind: Option<AccountType>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AccountType {
    #[serde(default)]
    pub(crate) receivable: Value,
    #[serde(default)]
    pub(crate) revenue: Value,
    /// A field of the module account_deposit.
    #[serde(default)]
    pub(crate) deposit: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Journal {
    #[serde(rename = "type", default)]
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) number: Option<String>,
    #[serde(default)]
    pub(crate) reference: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    pub(crate) state: String,
    pub(crate) party: Party,
    pub(crate) currency: Currency,
    #[serde(default)]
    pub(crate) invoice_date: Option<Date>,
    pub(crate) untaxed_amount: Amount,
    pub(crate) total_amount: Amount,
    pub(crate) amount_to_pay: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) lines: Vec<InvoiceLine>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) payment_lines: Vec<PaymentLine>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) reconciliation_lines: Vec<PaymentLine>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) lines_to_pay: Vec<Row>,
    pub(crate) create_date: Instant,
    #[serde(default)]
    pub(crate) write_date: Option<Instant>,
}

/// The numbers of an invoice.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) number: Option<String>,
    #[serde(default)]
    pub(crate) reference: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct InvoiceLine {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) account: Option<Row>,
    #[serde(default)]
    pub(crate) amount: Option<Amount>,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

/// A line of the receivable account that pays an invoice.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentLine {
    pub(crate) id: i64,
    pub(crate) debit: Amount,
    pub(crate) credit: Amount,
    #[serde(default)]
    pub(crate) amount_second_currency: Option<Amount>,
    pub(crate) date: Date,
    #[serde(rename = "move")]
    pub(crate) entry: PaymentMove,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PaymentMove {
    pub(crate) journal: Journal,
    #[serde(default)]
    pub(crate) number: Option<String>,
    /// Model and id of what it comes from: `account.invoice,12`; of a move by hand nothing.
    #[serde(default)]
    pub(crate) origin: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Move {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) number: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    pub(crate) date: Date,
    pub(crate) state: String,
    pub(crate) lines: Vec<MoveLine>,
    pub(crate) create_date: Instant,
    #[serde(default)]
    pub(crate) write_date: Option<Instant>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MoveLine {
    pub(crate) account: Row,
    pub(crate) debit: Amount,
    pub(crate) credit: Amount,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) party: Option<Party>,
}

/// An invoice, as far as the ledger needs it to know what its moves and lines are of.
#[derive(Debug, Deserialize)]
pub(crate) struct InvoiceMoves {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) number: Option<String>,
    #[serde(default)]
    pub(crate) reference: Option<String>,
    #[serde(rename = "move", default)]
    pub(crate) entry: Option<Row>,
    #[serde(default)]
    pub(crate) cancel_move: Option<i64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) additional_moves: Vec<Row>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) payment_lines: Vec<Row>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) reconciliation_lines: Vec<Row>,
}

/// A posted line of an account move.
#[derive(Debug, Deserialize)]
pub(crate) struct PostedLine {
    pub(crate) id: i64,
    pub(crate) account: Row,
    pub(crate) debit: Amount,
    pub(crate) credit: Amount,
    #[serde(default)]
    pub(crate) second_currency: Option<Currency>,
    #[serde(default)]
    pub(crate) amount_second_currency: Option<Amount>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(rename = "move")]
    pub(crate) entry: PostedMove,
}

/// The move that a posted line is of.
#[derive(Debug, Deserialize)]
pub(crate) struct PostedMove {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) number: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    pub(crate) date: Date,
}

/// Why a request was refused.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) description: String,
}

/// Whether a flag is set, as a number or as a truth value.
pub(crate) fn is_set(flag: &Value) -> bool {
    flag.as_bool().unwrap_or_else(|| flag.as_i64().is_some_and(|number| number != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_amounts_and_flags_are_read_as_a_server_wrote_them() {
        let text = r#"{"__class__":"datetime","year":2026,"month":11,"day":30,"hour":5,"minute":25,"second":59,"microsecond":716513}"#;
        let read: Instant = serde_json::from_str(text).unwrap();
        assert_eq!(read.0.to_string(), "2026-11-30T05:25:59.716513Z");
        assert_eq!(serde_json::from_value::<Instant>(instant(read.0)).unwrap().0, read.0);
        let read: Amount = serde_json::from_str(r#"{"__class__":"Decimal","decimal":"9007199254740993.01"}"#).unwrap();
        assert_eq!(read.0.to_string(), "9007199254740993.01");
        assert!(serde_json::from_str::<Amount>(r#"{"__class__":"Decimal","decimal":"NaN"}"#).is_err());
        assert!(is_set(&json!(1)) && is_set(&json!(true)) && !is_set(&json!(0)) && !is_set(&Value::Null));
    }
}
