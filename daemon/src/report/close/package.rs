//! The package as files: a ZIP with a workbook, JSON, an hledger journal, and a list of their SHA-256 hashes with the house's
//! signature. It follows from the figures alone, so that it is the same bytes whenever it is made.

use std::io::{Seek as _, Write};

use milestoned_workbook::cell::Cell;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::grid::{fill, worksheet};
use super::{Figures, Sheet};
use crate::store::closes::ClosePackage;

/// Bytes of the package that are kept in memory; what is beyond stands in the machine's temporary folder.
const IN_MEMORY: usize = 4 * 1024 * 1024;

/// A file of the package while it is written: its hash is computed on the way.
struct Hashed<W> {
    to: W,
    digest: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// The package while it is written.
struct Archive {
    zip: ZipWriter<SpooledTempFile>,
    sums: String,
}

fn cannot(error: impl ToString) -> String {
    error.to_string()
}

impl Archive {
    /// Writes the next file, and its hash into the list.
    fn add(&mut self, name: &str, write: impl FnOnce(&mut dyn Write) -> Result<(), String>) -> Result<(), String> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644);
        self.zip.start_file(name, options).map_err(cannot)?;
        let mut file = Hashed { to: &mut self.zip, digest: Sha256::new() };
        write(&mut file)?;
        self.sums.push_str(&format!("{}  {name}\n", hex::encode(file.digest.finalize())));
        Ok(())
    }
}

/// The ZIP of a package, to be read from its beginning.
///
/// # Errors
/// It cannot be written, in words.
pub fn zip(package: &ClosePackage, figures: &Figures) -> Result<SpooledTempFile, String> {
    let month = &figures.month;
    let mut archive = Archive { zip: ZipWriter::new(SpooledTempFile::new(IN_MEMORY)), sums: String::new() };
    let text = |text: &str, out: &mut dyn Write| out.write_all(text.as_bytes()).map_err(cannot);
    let mut workbook = workbook(figures)?;
    archive.add(&format!("milestoned-close-{month}.xlsx"), |out| {
        std::io::copy(&mut workbook, out).map(drop).map_err(cannot)
    })?;
    archive.add(&format!("milestoned-close-{month}.json"), |out| {
        serde_json::to_writer_pretty(out, &Told(figures)).map_err(cannot)
    })?;
    archive.add(&format!("milestoned-close-{month}.journal"), |out| text(&figures.journal, out))?;
    // The bytes that were signed: the signature's digest is made of this file.
    archive.add("figures.json", |out| text(&package.figures, out))?;
    let sums = std::mem::take(&mut archive.sums);
    archive.add("SHA256SUMS", |out| text(&sums, out))?;
    archive.add("signature.txt", |out| text(&signature(package, month), out))?;
    let mut file = archive.zip.finish().map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    Ok(file)
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
    serde_json::to_string_pretty(&Told(figures)).map_err(cannot)
}

/// Figures as other programs read them.
struct Told<'a>(&'a Figures);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let figures = self.0;
        let mut all = to.serialize_map(None)?;
        all.serialize_entry("month", &figures.month)?;
        all.serialize_entry("standard", &figures.standard)?;
        all.serialize_entry("prepared_at", &figures.prepared_at)?;
        all.serialize_entry("prepared_by", &figures.prepared_by)?;
        all.serialize_entry("audit_line", &figures.audit)?;
        all.serialize_entry("rules", &figures.rules)?;
        all.serialize_entry("findings", &figures.findings)?;
        all.serialize_entry("tables", &Tables(&figures.sheets))?;
        all.end()
    }
}

/// Tables by their names.
struct Tables<'a>(&'a [Sheet]);

impl Serialize for Tables<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|sheet| (&sheet.name, Rows(sheet))))
    }
}

/// The rows of a table, each as an object.
struct Rows<'a>(&'a Sheet);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.rows.iter().map(|row| Object(&self.0.columns, row)))
    }
}

/// A row by the heads of its columns.
struct Object<'a>(&'a [String], &'a [Cell]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().zip(self.1).map(|(column, cell)| (column, cell.shown())))
    }
}

fn workbook(figures: &Figures) -> Result<SpooledTempFile, String> {
    let head = Format::new().set_bold();
    let mut workbook = Workbook::new();
    // The time of the figures, not that of writing: the same figures are the same file.
    let made = ExcelDateTime::from_timestamp(figures.prepared_at.as_second()).map_err(cannot)?;
    workbook.set_properties(&DocProperties::new().set_author("milestoned").set_creation_datetime(&made));
    let sheet = workbook.add_worksheet().set_name("Read me").map_err(cannot)?;
    let about = [
        ("Month", figures.month.clone()),
        ("Standard", figures.standard.name().to_owned()),
        ("Prepared", format!("{} by {}", figures.prepared_at, figures.prepared_by)),
        ("Audit line", figures.audit.to_string()),
        ("Rules", figures.rules.clone()),
    ];
    let notes = figures.sheets.iter().map(|sheet| (sheet.name.as_str(), sheet.note.clone()));
    for (row, (name, text)) in (0_u32..).zip(about.into_iter().chain(notes)) {
        sheet.write_string_with_format(row, 0, name, &head).map_err(cannot)?;
        sheet.write_string(row, 1, text).map_err(cannot)?;
    }
    sheet.autofit();
    let rows: Vec<Vec<Cell>> =
        figures.findings.iter().map(|finding| vec![Cell::text(&finding.step), Cell::text(&finding.found)]).collect();
    let heads = ["Step".to_owned(), "Found".to_owned()];
    let checklist = ("Checklist", heads.as_slice(), rows.as_slice());
    let tables =
        figures.sheets.iter().map(|sheet| (sheet.name.as_str(), sheet.columns.as_slice(), sheet.rows.as_slice()));
    for (name, columns, rows) in std::iter::once(checklist).chain(tables) {
        let mut sheet = worksheet(&mut workbook);
        sheet.set_name(name).map_err(cannot)?;
        fill(&mut sheet, columns, rows).map_err(cannot)?;
        workbook.push_worksheet(sheet);
    }
    let mut file = SpooledTempFile::new(IN_MEMORY);
    workbook.save_to_writer(&mut file).map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    Ok(file)
}
