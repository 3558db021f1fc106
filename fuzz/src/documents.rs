//! What the targets of the readers of documents have in common: any bytes are a document, or refused.

use std::io::{Cursor, Write as _};

use milestoned_documents::block::{Block, Format, folded};
use milestoned_documents::proposal::Field;
use milestoned_documents::{Input, propose, reader};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// Any bytes are a document or refused with a reason; whatever is proposed of one stands in it word for word.
pub fn read(bytes: &[u8], format: Format) {
    let document = match reader::read(bytes, format) {
        Ok(document) => document,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let text = match &document.source {
        Some(source) => folded(source),
        None => {
            let mut text = String::new();
            collect(&document.blocks, &mut text);
            folded(&text)
        }
    };
    let proposal = propose(vec![Input::new("file", bytes, document)], None);
    for row in &proposal.milestones {
        for field in [&row.amount, &row.percent, &row.name] {
            grounded(field, &text);
        }
    }
    grounded(&proposal.total, &text);
    assert!(serde_json::to_vec(&proposal).is_ok());
}

fn grounded(field: &Field, text: &str) {
    if field.value.is_some() {
        assert!(!field.quotes.is_empty(), "no quote: {field:?}");
    }
    for quote in &field.quotes {
        assert!(text.contains(&quote.text), "not in the document: {quote:?}");
    }
}

fn collect(blocks: &[Block], text: &mut String) {
    for block in blocks {
        match block {
            Block::Text(passage) => {
                text.push_str(&passage.text);
                text.push('\n');
            }
            Block::Table(table) => table.rows.iter().flatten().for_each(|cell| collect(&cell.blocks, text)),
        }
    }
}

/// An archive of parts, stored as they are.
pub fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        archive.start_file(*name, stored).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
