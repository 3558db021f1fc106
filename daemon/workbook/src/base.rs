//! What a workbook was exported with. It stands in the file itself, in a sheet that spreadsheets do not show, and is attested by
//! whoever exported it: a file that comes back says by itself what each cell held, and cannot say anything else.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::book::{Book, Column};

/// Name of the sheet that spreadsheets do not show.
pub(crate) const HIDDEN: &str = "milestoned base";
/// What its first cell says: another way of writing it would have another number.
pub(crate) const WAY: &str = "milestoned workbook 1";
/// Most letters of one of its cells; a spreadsheet takes 32,767.
const PIECE: usize = 16_000;

/// A sheet's columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseSheet {
    /// The sheet's name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// A row as it was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRow {
    /// Place of its sheet in [`Base::sheets`].
    #[serde(rename = "s")]
    pub sheet: usize,
    /// Its key.
    #[serde(rename = "k")]
    pub key: String,
    /// A digest of what stood there.
    #[serde(rename = "t")]
    pub stamp: String,
    /// Its cells, as they are compared.
    #[serde(rename = "c")]
    pub cells: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    about: BTreeMap<String, String>,
    sheets: Vec<BaseSheet>,
}

/// What a workbook was exported with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base {
    /// What was said about it.
    pub about: BTreeMap<String, String>,
    /// Sheets in which something can be edited.
    pub sheets: Vec<BaseSheet>,
    /// Their rows, by key.
    pub rows: BTreeMap<String, BaseRow>,
}

impl Base {
    /// The lines of a workbook's hidden sheet, each in one text. They are made one by one: together they are as large as all the
    /// rest.
    pub(crate) fn lines(book: &Book) -> impl Iterator<Item = Result<String, serde_json::Error>> {
        let edited: Vec<_> = book.sheets.iter().filter(|sheet| sheet.is_edited()).collect();
        let head = Head {
            about: book.about.iter().cloned().collect(),
            sheets: edited
                .iter()
                .map(|sheet| BaseSheet { name: sheet.name.clone(), columns: sheet.columns.clone() })
                .collect(),
        };
        let rows = edited.into_iter().enumerate().flat_map(|(place, sheet)| {
            let keyed = sheet.rows.iter().filter(|row| !row.key.is_empty());
            keyed.map(move |row| {
                let cells = row.cells.iter().map(crate::cell::Cell::compared).collect();
                let row = BaseRow { sheet: place, key: row.key.clone(), stamp: row.stamp.clone(), cells };
                Ok(STANDARD.encode(serde_json::to_vec(&row)?))
            })
        });
        let head = serde_json::to_vec(&head).map(|head| STANDARD.encode(head));
        std::iter::once(head).chain(rows)
    }

    /// What the lines of a hidden sheet say; `None`: they cannot be understood.
    pub(crate) fn of(lines: Vec<String>) -> Option<Self> {
        let mut rows = lines.into_iter();
        let head = rows.next()?;
        let Head { about, sheets } = serde_json::from_slice(&STANDARD.decode(head).ok()?).ok()?;
        let mut base = Self { about, sheets, rows: BTreeMap::new() };
        for line in rows {
            let row: BaseRow = serde_json::from_slice(&STANDARD.decode(line).ok()?).ok()?;
            let columns = base.sheets.get(row.sheet).map(|sheet| sheet.columns.len())?;
            if columns != row.cells.len() {
                return None;
            }
            base.rows.insert(row.key.clone(), row);
        }
        Some(base)
    }
}

/// SHA-256 of lines, hexadecimal: where one ends and the next begins is part of it.
pub(crate) fn digest<E>(lines: impl Iterator<Item = Result<impl AsRef<str>, E>>) -> Result<String, E> {
    let mut digest = Sha256::new();
    for line in lines {
        let line = line?;
        let bytes = line.as_ref().as_bytes();
        digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(bytes);
    }
    Ok(hex::encode(digest.finalize()))
}

/// A line in as many cells as it takes. It is base64: every letter is one byte.
pub(crate) fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let places = (0..line.len()).step_by(PIECE);
    places.filter_map(|from| line.get(from..line.len().min(from.saturating_add(PIECE))))
}
