//! What a workbook says: sheets with columns and rows. A row that can be edited has a key, and a stamp of what stood there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cell::Cell;

/// Head of the column that names a row.
pub const KEY: &str = "Key";

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An amount in the currency of its row.
    Amount,
    /// One of these words, or nothing.
    Choice(Vec<String>),
    /// A whole number.
    Count,
    /// A date such as 2026-03-31.
    Date,
    /// Any text.
    Text,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its head.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether its cells may be edited.
    pub edited: bool,
}

impl Column {
    /// A column that only shows.
    pub fn shown(name: &str, kind: Kind) -> Self {
        Self { name: name.into(), kind, edited: false }
    }

    /// A column whose cells may be edited.
    pub fn edited(name: &str, kind: Kind) -> Self {
        Self { name: name.into(), kind, edited: true }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Names it, once in the whole workbook; empty: nothing of it can be edited.
    pub key: String,
    /// A digest of what stood there, for acts that are about what was shown.
    pub stamp: String,
    /// Its cells, in the order of the columns.
    pub cells: Vec<Cell>,
}

/// A sheet. One with a column that may be edited begins with the key of each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// What it is for, in a sentence.
    pub about: String,
    /// Its columns, without the key.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Sheet {
    /// Whether a cell of it may be edited.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.columns.iter().any(|column| column.edited)
    }
}

/// A workbook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    /// What is said about it, by name: source, filter, who asked, when, rows, sums.
    pub about: Vec<(String, String)>,
    /// What may be edited and what follows, a paragraph each.
    pub instructions: Vec<String>,
    /// Its sheets, in their order.
    pub sheets: Vec<Sheet>,
}

impl Book {
    /// Its rows that can be edited, by key.
    #[must_use]
    pub fn standing(&self) -> Standing<'_> {
        let edited = self.sheets.iter().filter(|sheet| sheet.is_edited());
        let rows = edited.flat_map(|sheet| sheet.rows.iter().map(move |row| (sheet, row)));
        Standing(
            rows.filter(|(_, row)| !row.key.is_empty()).map(|(sheet, row)| (row.key.as_str(), (sheet, row))).collect(),
        )
    }
}

/// Rows that can be edited, by key.
pub struct Standing<'a>(BTreeMap<&'a str, (&'a Sheet, &'a Row)>);

impl Standing<'_> {
    /// What a cell says, as it is compared; `None`: its row is not there.
    #[must_use]
    pub fn of(&self, key: &str, column: &str) -> Option<String> {
        let (sheet, row) = self.0.get(key)?;
        let mut cells = sheet.columns.iter().zip(&row.cells);
        cells.find(|(known, _)| known.name == column).map(|(_, cell)| cell.compared())
    }
}
