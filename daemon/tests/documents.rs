//! Signed documents through the binary: proposals, findings, refusals, and the process that a file from outside is read in.

#![expect(clippy::unwrap_used, reason = "a test runs the binary, and may fail")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use milestoned_documents::block::Format;
use milestoned_documents::sandbox;
use serde_json::Value;

const SOW: &str = include_str!("../../documents/tests/statement-of-work.md");

fn milestoned(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_milestoned")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn written(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn a_document_becomes_a_proposal_that_cannot_be_filed_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "sow.md", SOW.as_bytes());
    let json: Value = serde_json::from_slice(&milestoned(&["contract", "read", &file, "--json"]).stdout).unwrap();
    assert_eq!(json["total"]["value"], "100000.00");
    assert_eq!(json["total"]["quotes"][0]["text"], "USD $100,000");
    assert_eq!(json["total"]["quotes"][0]["place"]["line"], 10);
    assert_eq!(json["milestones"][1]["amount"]["value"], "50000.00");
    assert_eq!(json["payment_terms"]["value"], "net 45");
    assert_eq!(json["po_number"]["value"], Value::Null);

    let proposal = text(&milestoned(&["contract", "read", &file]).stdout);
    assert!(proposal.contains("the rows sum to 90000.00, the price is 100000.00"), "{proposal}");
    let filed = written(folder.path(), "sow.toml", proposal.as_bytes());
    let refused = milestoned(&["contract", "check", &filed]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("are not confirmed (id, customer"), "{}", text(&refused.stderr));

    let (head, rest) = proposal.split_once("unconfirmed = [").unwrap();
    let confirmed = format!("{head}unconfirmed = [{}", &rest[rest.find(']').unwrap()..]);
    let filed = written(folder.path(), "confirmed.toml", confirmed.as_bytes());
    let taken = milestoned(&["contract", "check", &filed]);
    assert!(taken.status.success(), "{}\n{confirmed}", text(&taken.stderr));
}

#[test]
fn lint_gives_the_findings_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "sow.md", SOW.as_bytes());
    let linted = milestoned(&["contract", "lint", &file]);
    assert_eq!(linted.status.code(), Some(1));
    let said = text(&linted.stdout);
    assert!(
        said.starts_with("error: sum_is_not_total") && said.contains("\"40,000\" (line 14, table 1, row 2, column 4)"),
        "{said}"
    );
    let right = written(folder.path(), "right.md", SOW.replace("50,000", "60,000").as_bytes());
    assert_eq!(milestoned(&["contract", "lint", &right]).status.code(), Some(0));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_the_reason_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, reason) in [
        ("a.docx", b"PK not really".as_slice(), "not a readable Word file"),
        ("a.pdf", b"%PDF-1.7 and no more", "not a readable PDF file"),
        ("a.png", b"", "must end in .docx, .pdf"),
        ("empty.md", b"", "has no text"),
    ] {
        let file = written(folder.path(), name, content);
        let refused = milestoned(&["contract", "read", &file]);
        assert_eq!(refused.status.code(), Some(2), "{name}");
        let said = text(&refused.stderr);
        assert!(said.contains(reason) && said.contains(';') && refused.stdout.is_empty(), "{name}: {said}");
    }
}

fn contained(bytes: &[u8], format: Format) -> Result<sandbox::Contained, sandbox::ChildError> {
    sandbox::read(Path::new(env!("CARGO_BIN_EXE_milestoned")), &["read-document"], bytes, format)
}

fn word(body: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
    let open = "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>";
    write!(archive, "{open}{body}</w:body></w:document>").unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_bomb_ends_at_the_limits_and_the_parent_says_so() {
    let bomb = word(&"<w:p/>".repeat(12_000_000));
    assert!(bomb.len() < 1_000_000);
    assert!(contained(&bomb, Format::Docx).unwrap_err().to_string().contains("unpacks to more than"));
    let deep = word(&("<w:tbl><w:tr><w:tc>".repeat(5_000) + &"</w:tc></w:tr></w:tbl>".repeat(5_000)));
    assert!(contained(&deep, Format::Docx).unwrap_err().to_string().contains("nested"));
    let wide = "| a | b | c | d |\n|---|---|---|---|\n".to_owned() + &"| a | b | c | d |\n".repeat(1_800_000);
    let error = contained(wide.as_bytes(), Format::Markdown).unwrap_err().to_string();
    assert!(error.contains("needs more than 200 MB"), "{error}");
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most.max(1)).unwrap()).unwrap()
    }

    /// The file damaged, or what stands in it where it is an archive.
    fn damaged(&mut self, seed: &[u8]) -> Vec<u8> {
        let archive = zip::ZipArchive::new(std::io::Cursor::new(seed)).ok().filter(|_| self.below(4) > 0);
        let Some(mut archive) = archive else { return self.mutated(seed) };
        let chosen = self.below(archive.len());
        let mut packed = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).unwrap();
            let (name, mut content) = (entry.name().unwrap().into_owned(), Vec::new());
            entry.read_to_end(&mut content).unwrap();
            packed.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            packed.write_all(&if index == chosen { self.mutated(&content) } else { content }).unwrap();
        }
        packed.finish().unwrap().into_inner()
    }

    fn mutated(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(8) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                2 => {
                    let part: Vec<u8> = bytes[at..(at + 40).min(bytes.len())].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => drop(bytes.drain(at..(at + self.below(60)).min(bytes.len()))),
            }
        }
        bytes
    }
}

/// A PDF of one page, with the text of its page in plain.
fn pdf() -> Vec<u8> {
    let page = "BT /F 12 Tf 72 720 Td (The contract price is USD 100,000.00.) Tj 0 -20 Td (30% upon signature, 70% upon delivery.) Tj ET";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let table = file.len();
    file.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
    places.iter().for_each(|place| file.push_str(&format!("{place:010} 00000 n \n")));
    file.push_str(&format!("trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1));
    file.into_bytes()
}

fn drawn(bytes: &[u8], page: u32) -> Result<Vec<u8>, sandbox::ChildError> {
    sandbox::picture(Path::new(env!("CARGO_BIN_EXE_milestoned")), &["read-document"], bytes, page)
}

#[test]
fn pages_are_drawn_and_a_page_that_is_not_there_is_refused() {
    let picture = drawn(&pdf(), 1).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 2_000, "{} bytes", picture.len());
    let blank = String::from_utf8(pdf()).unwrap().replace("The contract price is USD 100,000.00.", " ");
    assert_ne!(drawn(blank.as_bytes(), 1).unwrap(), picture, "what stands on the page is in the picture");
    let error = drawn(&pdf(), 2).unwrap_err().to_string();
    assert!(error.contains("no such page"), "{error}");
    let vast = String::from_utf8(pdf()).unwrap().replace("612 792", "9999999 99");
    assert!(drawn(vast.as_bytes(), 1).is_err(), "a page of any size is not drawn at any cost");
}

#[cfg(unix)]
#[test]
fn a_scan_is_read_by_an_external_program_and_is_never_sure() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let scan = String::from_utf8(pdf()).unwrap();
    let scan =
        scan.replace("The contract price is USD 100,000.00.", "").replace("30% upon signature, 70% upon delivery.", "");
    let file = written(folder.path(), "scan.pdf", scan.as_bytes());
    let refused = milestoned(&["contract", "read", &file]);
    assert!(text(&refused.stderr).contains("--ocr"), "{}", text(&refused.stderr));
    let ocr = written(folder.path(), "ocr", b"#!/bin/sh\necho 'The contract price is USD 100,000.00.'\n");
    std::fs::set_permissions(&ocr, std::fs::Permissions::from_mode(0o700)).unwrap();
    let read = milestoned(&["contract", "read", &file, "--ocr", &ocr, "--json"]);
    let json: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(json["total"]["value"], "100000.00");
    assert!(json["findings"].as_array().unwrap().iter().any(|one| one["code"] == "low_confidence"), "{json}");
}

/// A workbook with a schedule whose percents are numbers that a format shows as percents.
fn workbook() -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("Payments").unwrap();
    let (whole, tenths) = (
        rust_xlsxwriter::Format::new().set_num_format("0%"),
        rust_xlsxwriter::Format::new().set_num_format("[Blue]0.0%"),
    );
    for (column, heading) in ["No.", "Milestone", "% of price", "Amount (EUR)"].into_iter().enumerate() {
        sheet.write(0, u16::try_from(column).unwrap(), heading).unwrap();
    }
    for (row, (name, share, amount)) in
        [("Design", 0.3, 30_000.0), ("Delivery", 0.575, 57_500.0), ("Acceptance", 0.125, 12_500.0)]
            .into_iter()
            .enumerate()
    {
        let row = u32::try_from(row + 1).unwrap();
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, name).unwrap();
        sheet.write_with_format(row, 2, share, if row == 1 { &whole } else { &tenths }).unwrap();
        sheet.write(row, 3, amount).unwrap();
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn percents_of_a_workbook_are_what_a_person_sees() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "payments.xlsx", &workbook());
    let json: Value = serde_json::from_slice(&milestoned(&["contract", "read", &file, "--json"]).stdout).unwrap();
    let rows: Vec<_> = json["milestones"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["percent"]["value"], &row["amount"]["value"]))
        .collect();
    let expected = [("30", "30000.00"), ("57.5", "57500.00"), ("12.5", "12500.00")];
    assert_eq!(rows.len(), 3, "{json}");
    for (row, (percent, amount)) in rows.into_iter().zip(expected) {
        assert_eq!((row.0, row.1), (&Value::from(percent), &Value::from(amount)), "{json}");
    }
}

/// `MILESTONED_MUTATIONS` sets how many of each kind; a thousand take minutes, so it is a few each time.
#[test]
fn damaged_files_are_read_or_refused_and_never_bring_the_parent_down() {
    let count: usize = std::env::var("MILESTONED_MUTATIONS").map_or(12, |count| count.parse().unwrap());
    let paragraph = "<w:p><w:r><w:t>The contract price is USD 100,000.</w:t></w:r></w:p>";
    let seeds = [
        (word(&(paragraph.to_owned() + "<w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>")), Format::Docx),
        (pdf(), Format::Pdf),
        (SOW.as_bytes().to_vec(), Format::Markdown),
        (SOW.as_bytes().to_vec(), Format::Text),
        (b"Milestone,Amount\nM1,\"40,000\"\nM2,\"60,000\"\n".to_vec(), Format::Csv),
        (workbook(), Format::Xlsx),
    ];
    let mut dice = Dice(88_172_645_463_325_252);
    for (seed, format) in &seeds {
        let mut read = 0;
        for _ in 0..count {
            let mutant = dice.damaged(seed);
            match contained(&mutant, *format) {
                Ok(contained) => {
                    assert!(contained.unlimited.is_empty(), "{:?}", contained.unlimited);
                    read += 1;
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            if *format == Format::Pdf
                && let Err(error) = drawn(&mutant, 1)
            {
                assert!(!error.to_string().is_empty());
            }
        }
        println!("{format:?}: {read} of {count} damaged files were read, the others refused");
    }
    let whole = contained(&pdf(), Format::Pdf).unwrap();
    assert!(serde_json::to_string(&whole.document.blocks).unwrap().contains("The contract price is USD 100,000.00."));
}

#[test]
fn a_model_proposes_quotes_and_what_does_not_stand_in_the_document_is_dropped() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = Vec::new();
        let mut part = [0; 65_536];
        while !String::from_utf8_lossy(&request).contains("PO-88121") {
            let count = stream.read(&mut part).unwrap();
            request.extend_from_slice(&part[..count]);
        }
        let content = r#"[{"field":"po_number","quote":"PO-88121"},{"field":"customer","quote":"Contoso"}]"#;
        let body = serde_json::json!({ "choices": [{ "message": { "content": content } }] }).to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "sow.md",
        format!("{SOW}\nThe order of the customer is PO-88121 of today.\n").as_bytes(),
    );
    let url = format!("http://{address}/v1");
    let output = milestoned(&["contract", "read", &file, "--json", "--model-url", &url, "--model", "local"]);
    assert!(answering.join().unwrap().contains("\"temperature\":0"));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["customer"]["value"], "Northwind Ltd");
    assert_eq!((&json["model"]["proposed"], &json["model"]["dropped"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(json["po_number"]["value"], "PO-88121");
}
