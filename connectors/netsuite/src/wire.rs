//! NetSuite's JSON as NetSuite writes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Answer of the token endpoint.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    pub(crate) expires_in: Value,
}

/// A page of SuiteQL.
#[derive(Debug, Deserialize)]
pub(crate) struct QueryPage<'a> {
    #[serde(rename = "hasMore")]
    pub(crate) has_more: bool,
    #[serde(borrow)]
    pub(crate) items: Vec<BTreeMap<String, &'a RawValue>>,
}

/// One row: lower-case columns; what is null is not there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row(pub(crate) BTreeMap<String, String>);

impl Row {
    pub(crate) fn read(columns: &BTreeMap<String, &RawValue>) -> Self {
        let text = |raw: &RawValue| match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => Some(text),
            // A number keeps its digits; lists (`links`) and null are no values.
            Err(_) => Some(raw.get().to_owned())
                .filter(|text| text.starts_with(|first: char| first.is_ascii_digit() || first == '-')),
        };
        Self(columns.iter().filter_map(|(name, raw)| Some((name.clone(), text(raw)?))).collect())
    }

    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    /// A column that must be there.
    pub(crate) fn need(&self, column: &str) -> Result<&str, String> {
        self.get(column).ok_or_else(|| format!("column {column} is missing"))
    }
}

/// A refusal; the meaning is in the words of the details.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Errors {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(rename = "o:errorDetails", default)]
    pub(crate) details: Vec<Detail>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Detail {
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(rename = "o:errorCode", default)]
    pub(crate) code: String,
}

impl Errors {
    pub(crate) fn read(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    pub(crate) fn has(&self, code: &str) -> bool {
        self.details.iter().any(|detail| detail.code == code)
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.details.iter().any(|detail| detail.detail.contains(words))
    }

    pub(crate) fn text(&self) -> String {
        let details: Vec<String> = self.details.iter().map(|one| format!("{} {}", one.code, one.detail)).collect();
        if details.is_empty() { self.title.clone() } else { details.join("; ") }
    }
}
