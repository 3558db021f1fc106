//! The package as files: a ZIP with a workbook, JSON, an hledger journal, and a list of their SHA-256 hashes with the house's
//! signature. It follows from the figures alone, so that it is the same bytes whenever it is made.

use std::io::{Cursor, Write as _};

use milestoned_workbook::cell::Cell;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::export::fill;
use super::{Figures, digest};
use crate::store::closes::ClosePackage;

/// The ZIP of a package.
///
/// # Errors
/// It cannot be written, in words.
pub fn zip(package: &ClosePackage, figures: &Figures) -> Result<Vec<u8>, String> {
    let month = &figures.month;
    let files = [
        (format!("milestoned-close-{month}.xlsx"), workbook(figures).map_err(|error| error.to_string())?),
        (format!("milestoned-close-{month}.json"), told(figures)?.into_bytes()),
        (format!("milestoned-close-{month}.journal"), figures.journal.clone().into_bytes()),
        // The bytes that were signed: the signature's digest is made of this file.
        ("figures.json".to_owned(), package.figures.clone().into_bytes()),
    ];
    let mut list = String::new();
    for (name, bytes) in &files {
        list.push_str(&format!("{}  {name}\n", digest(bytes)));
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    let mut add = |name: &str, bytes: &[u8]| -> Result<(), String> {
        archive.start_file(name, options).map_err(|error| error.to_string())?;
        archive.write_all(bytes).map_err(|error| error.to_string())
    };
    for (name, bytes) in &files {
        add(name, bytes)?;
    }
    add("SHA256SUMS", list.as_bytes())?;
    add("signature.txt", signature(package, month).as_bytes())?;
    archive.finish().map(Cursor::into_inner).map_err(|error| error.to_string())
}

/// Who signed what, and how it is checked.
fn signature(package: &ClosePackage, month: &str) -> String {
    let text = format!("milestoned close {month} {}", package.digest);
    match &package.signed {
        None => format!("not signed\n{text}\n"),
        Some(signed) => format!(
            "signed by {} on {}\n\nsigned text: {text}\npublic key (Ed25519, hex): {}\nsignature (hex): {}\n\nThe digest is the SHA-256 \
             of figures.json.\n",
            signed.by, signed.at, signed.public_key, signed.signature
        ),
    }
}

/// The figures as JSON for other programs: each table as a list of objects.
///
/// # Errors
/// They cannot be written.
pub fn told(figures: &Figures) -> Result<String, String> {
    let mut tables = Map::new();
    for sheet in &figures.sheets {
        let object = |row: &Vec<Cell>| {
            let fields =
                sheet.columns.iter().zip(row).map(|(column, cell)| (column.clone(), Value::String(cell.shown())));
            Value::Object(fields.collect())
        };
        tables.insert(sheet.name.clone(), Value::Array(sheet.rows.iter().map(object).collect()));
    }
    let all = json!({
        "month": figures.month,
        "standard": figures.standard,
        "prepared_at": figures.prepared_at,
        "prepared_by": figures.prepared_by,
        "audit_line": figures.audit,
        "rules": figures.rules,
        "findings": figures.findings,
        "tables": tables,
    });
    serde_json::to_string_pretty(&all).map_err(|error| error.to_string())
}

fn workbook(figures: &Figures) -> Result<Vec<u8>, XlsxError> {
    let head = Format::new().set_bold();
    let mut workbook = Workbook::new();
    // The time of the figures, not that of writing: the same figures are the same file.
    let made = ExcelDateTime::from_timestamp(figures.prepared_at.as_second())?;
    workbook.set_properties(&DocProperties::new().set_author("milestoned").set_creation_datetime(&made));
    let sheet = workbook.add_worksheet().set_name("Read me")?;
    let about = [
        ("Month", figures.month.clone()),
        ("Standard", figures.standard.name().to_owned()),
        ("Prepared", format!("{} by {}", figures.prepared_at, figures.prepared_by)),
        ("Audit line", figures.audit.to_string()),
        ("Rules", figures.rules.clone()),
    ];
    let notes = figures.sheets.iter().map(|sheet| (sheet.name.as_str(), sheet.note.clone()));
    for (row, (name, text)) in (0_u32..).zip(about.into_iter().chain(notes)) {
        sheet.write_string_with_format(row, 0, name, &head)?;
        sheet.write_string(row, 1, text)?;
    }
    sheet.autofit();
    let sheet = workbook.add_worksheet().set_name("Checklist")?;
    let rows: Vec<Vec<Cell>> =
        figures.findings.iter().map(|finding| vec![Cell::text(&finding.step), Cell::text(&finding.found)]).collect();
    fill(sheet, &["Step".to_owned(), "Found".to_owned()], &rows)?;
    for sheet in &figures.sheets {
        fill(workbook.add_worksheet().set_name(&sheet.name)?, &sheet.columns, &sheet.rows)?;
    }
    workbook.save_to_buffer()
}
