//! Files that people write, as trees: TOML and JSON to one kind of value. A key that stands twice in a table is refused,
//! for nobody can say which of the two was meant.

use core::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads JSON. A byte-order mark, which some editors write, is no content.
///
/// # Errors
/// Where and why it is not JSON.
pub fn json_tree(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = serde_json::Deserializer::from_str(text);
    let tree = Tree.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(tree)
}

/// Reads TOML; dates and times become text.
///
/// # Errors
/// Where and why it is not TOML, in no word of the text itself: what is no contract file may be a secret.
pub fn toml_tree(text: &str) -> Result<Value, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| match error.span() {
        Some(span) => format!("{} at {}", error.message(), line_and_column(text, span.start)),
        None => error.message().to_owned(),
    })?;
    Ok(json_of(toml::Value::Table(table)))
}

/// Where a byte of a text stands, as people count: the first line and the first character are number one.
fn line_and_column(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.chars().rev().take_while(|character| *character != '\n').count().saturating_add(1);
    format!("line {line} column {column}")
}

fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        // A float is never taken for an amount: it stays a number, and a number is refused there.
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json_of).collect()),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, json_of(value))).collect())
        }
    }
}

/// A JSON value whose tables name every field once.
struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Tree)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut table = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if table.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{key:?} stands twice in its table")));
            }
            let value = fields.next_value_seed(Tree)?;
            table.insert(key, value);
        }
        Ok(Value::Object(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_give_one_tree() {
        let toml = toml_tree("n = 1\nlist = [true, 1.5]\nday = 2026-01-05\n[table]\ntext = \"é\"\n").unwrap();
        let json =
            "\u{feff}{\"n\": 1, \"list\": [true, 1.5], \"day\": \"2026-01-05\", \"table\": {\"text\": \"\\u00e9\"}}\n";
        assert_eq!(json_tree(json).unwrap(), toml);
        assert_eq!(
            json_tree(json).unwrap(),
            serde_json::from_str::<Value>(json.trim_start_matches('\u{feff}')).unwrap()
        );
        assert_eq!(json_tree("[null, -1]").unwrap(), serde_json::json!([null, -1]));
    }

    #[test]
    fn what_is_ambiguous_or_broken_is_refused_with_its_place() {
        for (text, reason) in [
            ("{\"a\": {\"total\": 1,\n \"total\": 2}}", "\"total\" stands twice in its table at line 2 column 8"),
            ("{} {}", "trailing characters at line 1 column 4"),
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[NaN]", "expected value at line 1 column 2"),
        ] {
            assert_eq!(json_tree(text).unwrap_err(), reason);
        }
        assert!(json_tree(&"[".repeat(100_000)).unwrap_err().starts_with("recursion limit exceeded"));
        assert_eq!(toml_tree("a = 1\na = 2").unwrap_err(), "duplicate key at line 2 column 1");
        let secret = toml_tree("canary-c90e4412").unwrap_err();
        assert!(secret.contains("line 1 column") && !secret.contains("canary"), "{secret}");
    }
}
