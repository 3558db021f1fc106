//! Lines of a file: where the field with a path such as `milestones[2].amount` stands.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use toml::de::{DeTable, DeValue};

/// Line (from 1) by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Of a TOML file; empty if it is not TOML.
    pub fn of_toml(text: &str) -> Self {
        let mut lines = Self::default();
        if let Ok(table) = DeTable::parse(text) {
            lines.table(text, "", table.get_ref());
        }
        lines
    }

    /// Of a JSON file; empty if it is not JSON.
    pub fn of_json(text: &str) -> Self {
        let mut lines = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Ok(raw) = serde_json::from_str::<&RawValue>(text) {
            lines.json(text, "", raw);
        }
        lines
    }

    /// The line of a field; of a missing one, that of the nearest table around it.
    pub fn of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    fn note(&mut self, text: &str, path: &str, offset: usize) {
        let before = text.as_bytes().get(..offset).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        self.0.entry(path.to_owned()).or_insert(line);
    }

    fn table(&mut self, text: &str, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let place = join(path, key.get_ref());
            self.note(text, &place, key.span().start);
            self.value(text, &place, value.get_ref());
        }
    }

    fn value(&mut self, text: &str, path: &str, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.table(text, path, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{path}[{index}]");
                    self.note(text, &place, item.span().start);
                    self.value(text, &place, item.get_ref());
                }
            }
            _ => {}
        }
    }

    fn json(&mut self, text: &str, path: &str, raw: &RawValue) {
        // A raw value borrows from the text: its place is the distance of the two.
        let offset = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        if !path.is_empty() {
            self.note(text, path, offset);
        }
        if let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) {
            for (key, value) in fields {
                self.json(text, &join(path, &key), value);
            }
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
            for (index, item) in items.into_iter().enumerate() {
                self.json(text, &format!("{path}[{index}]"), item);
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_missing_ones_point_to_their_table() {
        let toml = "id = \"A\"\n[acceptance]\nwindow_days = 1\n\n[[milestones]]\nid = \"M1\"\n[[milestones]]\nid = \"M2\"\nevidence = [\"a\"]\n";
        let json = "{\n \"id\": \"A\",\n \"acceptance\": {\n  \"window_days\": 1},\n \"milestones\": [\n  {\"id\": \"M1\"},\n\n  {\n   \"id\": \"M2\"}]}";
        for (path, in_toml, in_json) in [
            ("id", Some(1), Some(2)),
            ("acceptance.window_days", Some(3), Some(4)),
            ("milestones[1].id", Some(8), Some(9)),
            ("milestones[1].amount", Some(7), Some(8)),
            ("total", None, None),
        ] {
            assert_eq!(Lines::of_toml(toml).of(path), in_toml, "{path} in TOML");
            assert_eq!(Lines::of_json(json).of(path), in_json, "{path} in JSON");
        }
    }
}
