//! Any parts of an Excel file (worksheets, shared strings, styles; a line `---` between them) are read, or refused; and any
//! bytes at all.
#![no_main]

use std::io::{Cursor, Write as _};

use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;

const NAMES: [&str; 8] = [
    "xl/worksheets/sheet1.xml",
    "xl/worksheets/sheet2.xml",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "_rels/.rels",
    "[Content_Types].xml",
];
const DEFAULTS: [&str; 8] = [
    "",
    "",
    "",
    "",
    r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Contracts" sheetId="1" r:id="rId1"/><sheet name="milestoned base" sheetId="2" r:id="rId2"/></sheets></workbook>"#,
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#,
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    "",
];

/// The reader takes a panic of its library for damage; the fuzzer's own hook would end the process before it can.
static QUIET: std::sync::Once = std::sync::Once::new();

fuzz_target!(|input: &[u8]| {
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let _ = milestoned_workbook::read::read(input, &|_, _| true);
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut file = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut parts = text.split("\n---\n");
    for (name, default) in NAMES.into_iter().zip(DEFAULTS) {
        let part = parts.next().filter(|part| !part.is_empty()).map_or_else(|| default.to_owned(), str::to_owned);
        if !part.is_empty() && file.start_file(name, stored).is_ok() {
            let _ = file.write_all(part.as_bytes());
        }
    }
    if let Ok(file) = file.finish() {
        let _ = milestoned_workbook::read::read(&file.into_inner(), &|_, _| true);
    }
});
