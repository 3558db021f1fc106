//! Documents of `tests/own` that are kept as text and made into the file that a person would send: the body of a Word file
//! (`.docx.xml`), the cells of an Excel file (`.xlsx.csv`), a page that chromium prints as PDF (`.html`).

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::Command;

use milestoned_documents::block::{Block, Document, folded};
use zip::write::SimpleFileOptions;

/// The file's name and bytes; nothing where the program that renders it is not here.
pub(crate) fn file(path: &Path) -> Option<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let text = || String::from_utf8(bytes.clone()).unwrap();
    if let Some(stem) = name.strip_suffix(".docx.xml") {
        return Some((format!("{stem}.docx"), word(&text())));
    }
    if let Some(stem) = name.strip_suffix(".xlsx.csv") {
        return Some((format!("{stem}.xlsx"), excel(&text())));
    }
    if let Some(stem) = name.strip_suffix(".html") {
        return printed(path).map(|bytes| (format!("{stem}.pdf"), bytes));
    }
    Some((name, bytes))
}

fn word(body: &str) -> Vec<u8> {
    let document = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><w:body>{body}</w:body></w:document>"#
    );
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("word/document.xml", SimpleFileOptions::default()).unwrap();
    archive.write_all(document.as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

/// A number is a number, `10%` one that is shown as a percent, all else text.
fn excel(cells: &str) -> Vec<u8> {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let percent = rust_xlsxwriter::Format::new().set_num_format("0.##%");
    let sheet = workbook.add_worksheet();
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(cells.as_bytes());
    for (row, record) in rows.records().enumerate() {
        for (column, cell) in record.unwrap().iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let (row, column) = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
            if let Ok(number) = cell.parse::<f64>() {
                sheet.write_number(row, column, number).unwrap();
            } else if let Some(Ok(number)) = cell.strip_suffix('%').map(|number| format!("{number}e-2").parse::<f64>())
            {
                sheet.write_number_with_format(row, column, number, &percent).unwrap();
            } else {
                sheet.write_string(row, column, cell).unwrap();
            }
        }
    }
    workbook.save_to_buffer().unwrap()
}

/// The page as chromium prints it.
fn printed(path: &Path) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let pdf = folder.path().join("printed.pdf");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(path)
        .output();
    let printed = output.ok().and_then(|_| std::fs::read(&pdf).ok());
    assert!(
        printed.is_some() || std::env::var_os("MILESTONED_REQUIRE_CHROMIUM").is_none(),
        "chromium did not print {}",
        path.display()
    );
    printed
}

/// Everything that the reader saw, with white space as one blank.
pub(crate) fn text(document: &Document) -> String {
    fn collect(blocks: &[Block], all: &mut String) {
        for block in blocks {
            match block {
                Block::Text(passage) => {
                    all.push_str(&passage.text);
                    all.push('\n');
                }
                Block::Table(table) => {
                    table.rows.iter().flatten().for_each(|cell| collect(&cell.blocks, all));
                }
            }
        }
    }
    let mut all = String::new();
    collect(&document.blocks, &mut all);
    folded(&all)
}
