//! A workbook that comes back. Rows are found by their keys, wherever they stand; what differs from what was exported is an edit.
//! Rows and columns that are not there say nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Cursor, Read, Seek};

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx, XlsxCellReader};
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::base::{Base, BaseRow, HIDDEN, WAY, digest};
use crate::book::{Column, KEY, Kind};
use crate::cell::{DIGITS, plain};
use crate::merge::Edit;

/// Rows at the top of a sheet in which its heads may stand.
const HEADS_WITHIN: u32 = 10;
/// Most cells that are read.
const CELLS: usize = 4_000_000;

/// Why a file is not taken at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no Excel workbook.
    #[error("the file is not a readable Excel workbook: {0}; save it as .xlsx")]
    Damaged(String),
    /// It has nothing that says what was exported.
    #[error("the workbook was not exported here, or its hidden sheet was taken out; export one and edit that")]
    Foreign,
    /// What says what was exported is not attested.
    #[error(
        "what the workbook was exported with has been altered, or somebody else's milestoned exported it; export one anew \
         and edit that"
    )]
    Altered,
    /// Two rows bear one key.
    #[error("the key {key:?} stands twice, {first} and {second}; delete one of the two rows")]
    Twice {
        /// The key.
        key: String,
        /// Where it stands first.
        first: String,
        /// Where it stands again.
        second: String,
    },
    /// It is larger than any export.
    #[error(
        "the workbook has more than {CELLS} cells, or unpacks to more than any export; export fewer contracts and edit those"
    )]
    Large,
}

/// A workbook that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// What it was exported with.
    pub base: Base,
    /// What it says differently.
    pub edits: Vec<Edit>,
    /// Rows with a known key.
    pub rows: usize,
    /// What was not understood, or left out.
    pub told: Vec<String>,
}

/// Reads a workbook. `attested` says whether an attestation is one of a digest.
///
/// # Errors
/// Why it is not taken.
pub fn read(bytes: &[u8], attested: &dyn Fn(&str, &str) -> bool) -> Result<Brought, ReadError> {
    // The library computes with what a file says, such as the letters of a column, and may panic over it.
    let reading = std::panic::AssertUnwindSafe(|| read_parts(bytes, attested));
    std::panic::catch_unwind(reading)
        .unwrap_or_else(|_| Err(ReadError::Damaged("a part of it means nothing to any reader".into())))
}

fn read_parts(bytes: &[u8], attested: &dyn Fn(&str, &str) -> bool) -> Result<Brought, ReadError> {
    let damaged = |error: calamine::XlsxError| ReadError::Damaged(error.to_string());
    crate::sizes::check(bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    let names = book.sheet_names();
    if !names.iter().any(|name| name == HIDDEN) {
        return Err(ReadError::Foreign);
    }
    let base = read_base(&mut book.worksheet_cells_reader(HIDDEN).map_err(damaged)?, attested)?;
    let mut reading = Reading { base: &base, seen: BTreeMap::new(), edits: Vec::new(), told: Vec::new(), cells: 0 };
    for name in names.iter().filter(|name| *name != HIDDEN) {
        let Ok(mut cells) = book.worksheet_cells_reader(name) else { continue };
        let mut sheet = SheetReading { name, heads: Vec::new(), key: None };
        let (mut row, mut said): (u32, Vec<(u32, Said)>) = (0, Vec::new());
        while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(damaged)? {
            reading.cells += 1;
            if reading.cells > CELLS {
                return Err(ReadError::Large);
            }
            let (at, column) = cell.pos;
            if at != row {
                reading.row(&mut sheet, row, &std::mem::take(&mut said))?;
                row = at;
            }
            if sheet.key.is_none() && row > HEADS_WITHIN {
                break;
            }
            said.push((column, if cell.formula.is_some() { Said::Formula } else { Said::of(&cell.value) }));
        }
        reading.row(&mut sheet, row, &said)?;
    }
    let Reading { seen, edits, told, .. } = reading;
    let rows = seen.len();
    Ok(Brought { edits, rows, told, base })
}

/// Cell by cell: a sheet says itself how large it is, and two cells in opposite corners of one would fill the memory.
fn read_base<R: Read + Seek>(
    cells: &mut XlsxCellReader<'_, R>,
    attested: &dyn Fn(&str, &str) -> bool,
) -> Result<Base, ReadError> {
    let (mut way, mut attestation) = (String::new(), String::new());
    let mut lines: BTreeMap<u32, String> = BTreeMap::new();
    let mut read = 0;
    while let Some(cell) = cells.next_cell().map_err(|error| ReadError::Damaged(error.to_string()))? {
        read += 1;
        if read > CELLS {
            return Err(ReadError::Large);
        }
        let text = match cell.get_value() {
            DataRef::String(text) => text.as_str(),
            DataRef::SharedString(text) => text,
            _ => "",
        };
        match cell.get_position() {
            (0, 0) => text.clone_into(&mut way),
            (0, 1) => text.clone_into(&mut attestation),
            (0, _) => {}
            (row, _) => lines.entry(row).or_default().push_str(text),
        }
    }
    if way != WAY {
        return Err(ReadError::Foreign);
    }
    let lines: Vec<String> = lines.into_values().collect();
    let Ok(digest) = digest(lines.iter().map(Ok::<_, Infallible>));
    if !attested(&digest, &attestation) {
        return Err(ReadError::Altered);
    }
    Base::of(lines).ok_or(ReadError::Altered)
}

/// What a cell of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Text(String),
    /// Decimal text.
    Number(String),
    Date(String),
    Formula,
    /// What a spreadsheet shows in the place of a value that it cannot make.
    Wrong(String),
}

impl Said {
    fn of(value: &DataRef<'_>) -> Self {
        match value {
            DataRef::Int(number) => Self::Number(number.to_string()),
            DataRef::Float(number) => Self::Number(number.to_string()),
            DataRef::String(text) => Self::Text(plain(text)),
            DataRef::SharedString(text) => Self::Text(plain(text)),
            DataRef::Bool(yes) => Self::Text(if *yes { "yes" } else { "no" }.into()),
            DataRef::DateTime(serial) => Self::date(serial),
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
                Self::Date(text.split('T').next().unwrap_or_default().into())
            }
            DataRef::Error(error) => Self::Wrong(error.to_string()),
            DataRef::Empty => Self::Text(String::new()),
        }
    }

    fn date(serial: &ExcelDateTime) -> Self {
        if !serial.is_datetime() {
            return Self::Number(serial.to_string());
        }
        let (year, month, day, ..) = serial.to_ymd_hms_milli();
        Self::Date(format!("{year:04}-{month:02}-{day:02}"))
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Date(text) | Self::Wrong(text) => text,
            Self::Formula => "",
        }
    }

    /// The text by which it is compared, or why it cannot be taken. `base` says how many decimals an amount has.
    fn compared(&self, kind: &Kind, base: &str) -> Result<String, String> {
        match (self, kind) {
            (Self::Formula, _) => Err("is a formula: paste its value".into()),
            (Self::Wrong(text), _) => Err(format!("{text}: the spreadsheet could not make a value of it")),
            (said, _) if said.text().is_empty() => Ok(String::new()),
            (said, _) if said.text() == base => Ok(base.into()),
            (Self::Text(text) | Self::Number(text), Kind::Amount) => amount(text, base),
            (Self::Date(_), Kind::Amount | Kind::Count) => Err("is a date, and a number belongs here".into()),
            (Self::Text(text) | Self::Number(text), Kind::Count) => match text.parse::<u32>() {
                Ok(count) => Ok(count.to_string()),
                Err(_) => Err(format!("{text:?} is no whole number")),
            },
            (Self::Text(text) | Self::Number(text) | Self::Date(text), Kind::Date) => match text.parse::<Date>() {
                Ok(date) => Ok(date.to_string()),
                Err(_) => Err(format!("{text:?} is no date such as 2026-03-31")),
            },
            (said, Kind::Choice(words)) => {
                let word = said.text().to_lowercase();
                if words.contains(&word) { Ok(word) } else { Err(format!("{word:?} is none of {}", words.join(", "))) }
            }
            (said, Kind::Text) => Ok(said.text().to_owned()),
        }
    }
}

/// An amount as decimal text, with the decimals that the cell had.
fn amount(text: &str, base: &str) -> Result<String, String> {
    let plain = if is_grouped(text) { text.replace(',', "") } else { text.to_owned() };
    let wrong = || format!("{text:?} is no plain amount such as 40000.00");
    let mut read = Decimal::from_str_exact(&plain).map_err(|_| wrong())?;
    if plain.chars().filter(char::is_ascii_digit).count() > DIGITS && plain.contains('.') && plain != base {
        // A spreadsheet computes with 17 digits and shows 15: what was seen counts.
        read = u32::try_from(DIGITS).ok().and_then(|digits| read.round_sf(digits)).ok_or_else(wrong)?;
    }
    let mut read = read.normalize();
    if let Some(decimals) = base.split_once('.').map(|(_, decimals)| decimals.len()).or((!base.is_empty()).then_some(0))
    {
        let decimals = u32::try_from(decimals).map_err(|_| wrong())?;
        if read.scale() > decimals {
            return Err(format!("{text:?} has more than {decimals} decimals"));
        }
        read.rescale(decimals);
    }
    Ok(read.to_string())
}

/// Whether commas stand where thousands end, and nowhere else.
fn is_grouped(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or_default().trim_start_matches('-');
    let mut groups = whole.split(',');
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()) && digits(group));
    let rest: Vec<&str> = groups.collect();
    first && !rest.is_empty() && rest.iter().all(|group| group.len() == 3 && digits(group))
}

struct SheetReading<'a> {
    name: &'a str,
    /// Column of the file, and its head.
    heads: Vec<(u32, String)>,
    key: Option<u32>,
}

struct Reading<'a> {
    base: &'a Base,
    seen: BTreeMap<String, String>,
    edits: Vec<Edit>,
    told: Vec<String>,
    cells: usize,
}

impl Reading<'_> {
    /// Takes in a row of a sheet.
    fn row(&mut self, sheet: &mut SheetReading<'_>, row: u32, said: &[(u32, Said)]) -> Result<(), ReadError> {
        let Some(key) = sheet.key else {
            if let Some((column, _)) = said.iter().find(|(_, said)| said.text() == KEY) {
                sheet.key = Some(*column);
                sheet.heads = said.iter().map(|(column, said)| (*column, said.text().to_owned())).collect();
            }
            return Ok(());
        };
        let row = row.saturating_add(1);
        let place = format!("in row {row} of {}", sheet.name);
        let key = said.iter().find(|(column, _)| *column == key).map(|(_, said)| said.text()).unwrap_or_default();
        if key.is_empty() {
            return Ok(());
        }
        let Some(known) = self.base.rows.get(key) else {
            self.told.push(format!("{place}: the key {key:?} was not exported; the row is left out"));
            return Ok(());
        };
        if let Some(first) = self.seen.insert(key.to_owned(), place.clone()) {
            return Err(ReadError::Twice { key: key.to_owned(), first, second: place });
        }
        self.compare(sheet, row, known, said);
        Ok(())
    }

    fn compare(&mut self, sheet: &SheetReading<'_>, row: u32, known: &BaseRow, said: &[(u32, Said)]) {
        let Some(exported) = self.base.sheets.get(known.sheet) else { return };
        let empty = Said::Text(String::new());
        for (column, base) in exported.columns.iter().zip(&known.cells) {
            let Some((place, _)) = sheet.heads.iter().find(|(_, head)| *head == column.name) else { continue };
            let said = said.iter().find(|(at, _)| at == place).map_or(&empty, |(_, said)| said);
            let Some((theirs, refused)) = edited(column, base, said) else { continue };
            self.edits.push(Edit {
                sheet: exported.name.clone(),
                key: known.key.clone(),
                column: column.name.clone(),
                row,
                stamp: known.stamp.clone(),
                base: base.clone(),
                theirs,
                refused,
            });
        }
    }
}

/// What a cell says differently, and why that cannot be taken; `None`: it says what it said.
fn edited(column: &Column, base: &str, said: &Said) -> Option<(String, Option<String>)> {
    match said.compared(&column.kind, base) {
        Ok(theirs) if theirs == base => None,
        Ok(theirs) if column.edited => Some((theirs, None)),
        Ok(theirs) => Some((theirs, Some("this column is not edited here; what it says comes from elsewhere".into()))),
        Err(_) if !column.edited && said.text() == base => None,
        Err(reason) => Some((said.text().to_owned(), Some(reason))),
    }
}
