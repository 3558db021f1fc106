//! Tables of Excel and CSV files.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{Data, Reader as _, open_workbook_auto_from_rs};

use rust_decimal::Decimal;

use super::text::decoded;
use super::{ReadError, UNPACKED_LIMIT, formats};
use crate::block::{Block, Cell, Document, Format, Passage, Place, Remark, RemarkKind, Table};

/// Most cells that are read of one file.
const CELL_LIMIT: usize = 500_000;

fn cell(text: &str, table: u32, row: usize, column: usize) -> Cell {
    let number = |index: usize| u32::try_from(index + 1).ok();
    let place = Place { table: Some(table), row: number(row), column: number(column), ..Place::default() };
    let blocks = vec![Block::Text(Passage::at(text.trim().replace("\r\n", "\n"), place))];
    Cell { column: u32::try_from(column).unwrap_or(0), span: 1, merged_up: false, blocks }
}

/// Reads CSV; the separator is the one that most lines agree on.
pub(crate) fn csv(bytes: &[u8]) -> Document {
    let text = decoded(bytes);
    let head: Vec<&str> = text.lines().take(20).collect();
    let separator = [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|sign| head.iter().map(|line| line.matches(char::from(*sign)).count().min(20)).sum::<usize>())
        .unwrap_or(b',');
    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes());
    let mut remarks = Vec::new();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut cells = 0;
    for record in reader.records() {
        let place = Place { row: u32::try_from(rows.len() + 1).ok(), ..Place::default() };
        let Ok(record) = record else {
            remarks.push(Remark { kind: RemarkKind::Damaged, text: "a row cannot be read".into(), place });
            continue;
        };
        cells += record.len();
        if cells > CELL_LIMIT {
            remarks.push(Remark { kind: RemarkKind::Cut, text: format!("more than {CELL_LIMIT} cells"), place });
            break;
        }
        let row = rows.len();
        rows.push(record.iter().enumerate().map(|(column, text)| cell(text, 1, row, column)).collect());
    }
    let blocks = if rows.is_empty() { Vec::new() } else { vec![Block::Table(Table { rows, ..Table::default() })] };
    Document { format: Format::Csv, pages: None, blocks, remarks, sizes: Vec::new(), source: None }
}

/// Reads an Excel or OpenDocument workbook, each sheet as a table after its name.
pub(crate) fn workbook(bytes: &[u8]) -> Result<Document, ReadError> {
    let damaged = |reason: String| ReadError::Damaged { kind: "Excel", reason };
    if bytes.starts_with(b"PK") {
        super::docx::check_unpacked(bytes, UNPACKED_LIMIT, "Excel")?;
    }
    let mut book = open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
    let percents = if bytes.starts_with(b"PK") { formats::percents(bytes) } else { BTreeMap::new() };
    let mut blocks = Vec::new();
    let mut remarks = Vec::new();
    let mut cells = 0;
    for (index, name) in book.sheet_names().into_iter().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let place = Place { table: Some(number), ..Place::default() };
        let range = match book.worksheet_range(&name) {
            Ok(range) => range,
            Err(error) => {
                remarks.push(Remark { kind: RemarkKind::Damaged, text: format!("{name}: {error}"), place });
                continue;
            }
        };
        let (top, left) = range.start().unwrap_or((0, 0));
        cells += range.get_size().0.saturating_mul(range.get_size().1);
        if cells > CELL_LIMIT {
            remarks.push(Remark { kind: RemarkKind::Cut, text: format!("more than {CELL_LIMIT} cells"), place });
            break;
        }
        let percents = percents.get(&name);
        let mut title = Passage::at(name, place);
        title.heading = true;
        blocks.push(Block::Text(title));
        let (top, left) = (usize::try_from(top).unwrap_or(0), usize::try_from(left).unwrap_or(0));
        let rows = range
            .rows()
            .enumerate()
            .map(|(row, values)| {
                let written = values.iter().enumerate().filter(|(_, value)| !matches!(value, Data::Empty));
                written
                    .map(|(column, value)| {
                        let (row, column) = (top + row, left + column);
                        let percent = percents.is_some_and(|cells| cells.contains(&formats::address(row, column)));
                        cell(&written_as(value, percent), number, row, column)
                    })
                    .collect()
            })
            .collect();
        blocks.push(Block::Table(Table { rows, ..Table::default() }));
    }
    Ok(Document { format: Format::Xlsx, pages: None, blocks, remarks, sizes: Vec::new(), source: None })
}

/// A value as a person sees it. A date is a serial number in the file, a percent a part of one.
fn written_as(value: &Data, percent: bool) -> String {
    let part: Option<Decimal> = match value {
        Data::Float(_) | Data::Int(_) if percent => value.to_string().parse().ok(),
        _ => None,
    };
    if let Some(whole) = part.and_then(|part| part.checked_mul(Decimal::ONE_HUNDRED)) {
        return format!("{}%", whole.normalize());
    }
    match value {
        Data::DateTime(serial) if serial.is_datetime() => {
            let (year, month, day, ..) = serial.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        other => other.to_string(),
    }
}
