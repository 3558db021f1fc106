//! Reading on after what cannot be read: a value that is wrong is noted, and taken out or replaced, until the rest can be
//! read. So an operator is told of everything at once.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

/// Attempts before no more is made of it.
const ATTEMPTS: usize = 200;

/// Reads a value. Gives what could be read, and path and reason of everything that could not.
pub(crate) fn read<T: DeserializeOwned>(mut value: Value, defaults: &Value) -> (Option<T>, Vec<(String, String)>) {
    let (mut found, mut filled) = (Vec::new(), Vec::new());
    for _ in 0..ATTEMPTS {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(read) => return (Some(read), found),
            Err(error) => error,
        };
        let path = keys(error.path());
        let reason = error.inner().to_string();
        let missing = quoted(&reason, "missing field `");
        let whole = path.iter().cloned().chain(missing.clone()).collect::<Vec<_>>();
        // An error below a value that was filled in for a missing one is ours: the missing value is reported, this
        // error is not.
        if !filled.iter().any(|known: &Vec<String>| whole.starts_with(known)) {
            let place = error.path().to_string();
            found.push((if place == "." { String::new() } else { place }, reason.clone()));
        }
        let mended = match (missing, quoted(&reason, "unknown field `")) {
            (Some(key), _) => fill(&mut value, &path, &key, &mut filled),
            (None, Some(key)) => take_out(&mut value, &path, &key),
            (None, None) => match variant(&reason) {
                Some(known) => at(&mut value, &path).map(|value| *value = Value::String(known)).is_some(),
                None => replace(&mut value, &path, defaults, &mut filled),
            },
        };
        if !mended {
            return (None, found);
        }
    }
    (None, found)
}

fn keys(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// The name that a message quotes behind these words.
fn quoted(reason: &str, words: &str) -> Option<String> {
    Some(reason.strip_prefix(words)?.split('`').next()?.to_owned())
}

/// The first of the words that are known, where another one was written.
fn variant(reason: &str) -> Option<String> {
    let (_, expected) = reason.strip_prefix("unknown variant `")?.split_once("expected ")?;
    Some(expected.split('`').nth(1)?.to_owned())
}

/// The value at a path, which may lead through lists.
fn at<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Object(table) => table.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Takes an unknown key out. Its table, or it itself, is where the path ends.
fn take_out(value: &mut Value, path: &[String], key: &str) -> bool {
    let table =
        if path.last().is_some_and(|last| last == key) { path.split_last().map(|(_, above)| above) } else { None };
    let table = at(value, table.unwrap_or(path)).and_then(Value::as_object_mut);
    table.and_then(|table| table.remove(key)).is_some()
}

/// Puts something in the place of a missing field.
fn fill(value: &mut Value, path: &[String], key: &str, filled: &mut Vec<Vec<String>>) -> bool {
    let Some(table) = at(value, path).and_then(Value::as_object_mut) else { return false };
    table.insert(key.to_owned(), Value::String(String::new()));
    filled.push(path.iter().cloned().chain([key.to_owned()]).collect());
    true
}

/// Puts the default in the place of a value that cannot be read. Where there is none, an element of a list is taken out,
/// and anything else is given another kind of value.
fn replace(value: &mut Value, path: &[String], defaults: &Value, filled: &mut Vec<Vec<String>>) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    let default = path.iter().try_fold(defaults, |value, key| value.get(key));
    let Some(parent) = at(value, above) else { return false };
    if let (Value::Array(items), Ok(index)) = (&mut *parent, last.parse::<usize>()) {
        if index >= items.len() {
            return false;
        }
        items.remove(index);
        return true;
    }
    let Some(table) = parent.as_object_mut() else { return false };
    let was = table.remove(last);
    if let Some(default) = default.filter(|default| was.as_ref() != Some(default)) {
        table.insert(last.clone(), default.clone());
        return true;
    }
    let whole: Vec<String> = path.to_vec();
    if !filled.contains(&whole) {
        // It may be one of those that need not be there.
        filled.push(whole);
        return true;
    }
    let next = match was {
        Some(Value::String(_)) => Value::Object(Map::new()),
        Some(Value::Object(table)) if table.is_empty() => Value::Array(Vec::new()),
        Some(Value::Array(_)) => Value::from(0),
        Some(Value::Number(_)) => Value::Bool(false),
        _ => return false,
    };
    table.insert(last.clone(), next);
    true
}
