//! Reading a filed table field by field: every problem is gathered with its place, and what nobody asked for is unknown.

use core::str::FromStr;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::fact::DecimalText;
use crate::money::{Currency, Minor};
use crate::problem::Problem;
use crate::schema::FileKind;

/// Takes fields out of a table and gathers what is wrong with them.
pub(crate) struct Reader<'a> {
    table: Map<String, Value>,
    pub(crate) path: String,
    kind: FileKind,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(value: Value, path: String, kind: FileKind, problems: &'a mut Vec<Problem>) -> Option<Self> {
        match value {
            Value::Object(table) => Some(Self { table, path, kind, problems }),
            _ => {
                let path = if path.is_empty() { "(file)".into() } else { path };
                problems.push(kind.problem(path, "must be a table of fields"));
                None
            }
        }
    }

    pub(crate) fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() { field.into() } else { format!("{}.{field}", self.path) }
    }

    pub(crate) fn wrong(&mut self, field: &str, reason: impl Into<String>) {
        let path = self.path_of(field);
        self.problems.push(self.kind.problem(path, reason));
    }

    /// The reader of a table inside this one.
    pub(crate) fn inner(&mut self, value: Value, path: String) -> Option<Reader<'_>> {
        Reader::new(value, path, self.kind, self.problems)
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.table.get(field).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn take(&mut self, field: &str) -> Option<Value> {
        self.table.remove(field).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field)? {
            Value::String(text) => Some(text),
            other => {
                self.wrong(field, format!("must be text, not {other}"));
                None
            }
        }
    }

    pub(crate) fn required_text(&mut self, field: &str) -> Option<String> {
        if !self.has(field) {
            self.table.remove(field);
            self.wrong(field, "is missing");
            return None;
        }
        let text = self.text(field)?;
        if text.trim().is_empty() {
            self.wrong(field, "must not be empty");
            return None;
        }
        Some(text)
    }

    pub(crate) fn choice<T: Copy>(&mut self, field: &str, choices: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(field) else { return default };
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => *value,
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                self.wrong(field, format!("{text:?} is none of {}", names.join(", ")));
                default
            }
        }
    }

    /// A text that means something; what it is not is told with its field.
    pub(crate) fn parsed<T: FromStr<Err = String>>(&mut self, field: &str) -> Option<T> {
        match self.text(field)?.parse() {
            Ok(value) => Some(value),
            Err(reason) => {
                self.wrong(field, reason);
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, field: &str, default: bool) -> bool {
        match self.take(field) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.wrong(field, format!("must be true or false, not {other}"));
                default
            }
        }
    }

    pub(crate) fn count(&mut self, field: &str) -> Option<u32> {
        let value = self.take(field)?;
        let count = value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count <= 100_000);
        if count.is_none() {
            self.wrong(field, format!("must be a whole number from 0 to 100000, not {value}"));
        }
        count
    }

    pub(crate) fn date(&mut self, field: &str) -> Option<Date> {
        let text = self.text(field)?;
        match text.parse() {
            Ok(date) if text.len() == 10 => Some(date),
            _ => {
                self.wrong(field, format!("{text:?} is not a date such as 2026-01-05"));
                None
            }
        }
    }

    pub(crate) fn decimal(&mut self, field: &str) -> Option<Decimal> {
        match self.take(field)? {
            Value::String(text) => match text.parse::<DecimalText>() {
                Ok(value) => Some(value.0),
                Err(reason) => {
                    self.wrong(field, reason);
                    None
                }
            },
            other => {
                self.wrong(field, format!("write it as text in quotes: \"{other}\""));
                None
            }
        }
    }

    /// A non-negative amount in minor units.
    pub(crate) fn amount(&mut self, field: &str, currency: Currency) -> Option<Minor> {
        match self.take(field)? {
            Value::String(text) => match currency.parse(&text) {
                Ok(amount) if amount.minor() >= 0 => Some(amount.units()),
                Ok(_) => {
                    self.wrong(field, format!("{text} is negative"));
                    None
                }
                Err(error) => {
                    self.wrong(field, error.to_string());
                    None
                }
            },
            other => {
                self.wrong(field, format!("write the amount as text in quotes: \"{other}\""));
                None
            }
        }
    }

    pub(crate) fn texts(&mut self, field: &str) -> Vec<String> {
        match self.take(field) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<String>> = items.into_iter().map(|item| item.as_str().map(Into::into)).collect();
                texts.unwrap_or_else(|| {
                    self.wrong(field, "must be a list of texts");
                    Vec::new()
                })
            }
            Some(_) => {
                self.wrong(field, "must be a list of texts");
                Vec::new()
            }
        }
    }

    /// The tables of a list, in their places; one that could not be read is `None`, and its problems are gathered.
    pub(crate) fn tables<T>(
        &mut self,
        field: &str,
        mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
    ) -> Vec<Option<T>> {
        let path = self.path_of(field);
        let items = match self.take(field) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(field, "must be a list of tables");
                return Vec::new();
            }
        };
        let mut read_items = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let mut reader = self.inner(item, format!("{path}[{index}]"));
            let value = reader.as_mut().and_then(&mut read);
            reader.into_iter().for_each(Reader::finish);
            read_items.push(value);
        }
        read_items
    }

    /// The tables of a list, each over what it has where it says nothing; what could be read of them.
    pub(crate) fn overlaid(
        &mut self,
        field: &str,
        under: &Map<String, Value>,
        read: impl FnMut(&mut Reader<'_>) -> Option<String>,
    ) -> Vec<String> {
        if let Some(Value::Array(items)) = self.table.get_mut(field) {
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                for (name, value) in under {
                    item.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        self.tables(field, read).into_iter().flatten().collect()
    }

    /// Whatever is left is unknown.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let path = self.path_of(key);
            self.problems.push(self.kind.unknown(path));
        }
    }
}
