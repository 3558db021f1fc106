//! Readers: the bytes of a file become blocks. They run in a process of their own ([`crate::sandbox`]), but need none.

mod docx;
mod formats;
mod grid;
mod markdown;
mod pdf;
mod sheet;
mod tabbed;
mod text;

pub use docx::check_unpacked;

use crate::block::{Document, Format};

/// Largest file that is read, in bytes.
pub const FILE_LIMIT: usize = 32 * 1024 * 1024;
/// Largest sum of what is unpacked from one file, in bytes.
pub(crate) const UNPACKED_LIMIT: u64 = 32 * 1024 * 1024;
/// Most pages that are read of one file.
pub(crate) const PAGE_LIMIT: u32 = 1_000;
/// Deepest nesting of tables and XML elements that is followed.
pub(crate) const DEPTH_LIMIT: usize = 64;

/// Why a file cannot be read; what to do stands in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The name ends in nothing that is known.
    #[error("the kind of the file is not known; its name must end in .docx, .pdf, .md, .txt, .xlsx or .csv")]
    Kind,
    /// It is too large.
    #[error("the file has {0} bytes, more than {FILE_LIMIT}; give the part with the payment terms alone")]
    Large(usize),
    /// It unpacks to too much.
    #[error("the file unpacks to more than {UNPACKED_LIMIT} bytes; give the part with the payment terms alone")]
    Unpacked,
    /// It is nested too deeply.
    #[error("the file is nested more than {DEPTH_LIMIT} deep; save it anew with the program that made it")]
    Deep,
    /// It is encrypted.
    #[error("the file is encrypted; save it without a password")]
    Encrypted,
    /// It is not what its name says, or damaged.
    #[error("the file is not a readable {kind} file: {reason}; save it anew with the program that made it")]
    Damaged {
        /// What it was read as.
        kind: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// There is no text in it.
    #[error("the file has no text; a scan needs an external program that recognises text (--ocr)")]
    NoText,
}

/// What a file is, by the end of its name.
#[must_use]
pub fn format_of(name: &str) -> Option<Format> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_lowercase().as_str() {
        "csv" | "tsv" => Format::Csv,
        "docx" | "docm" | "dotx" => Format::Docx,
        "md" | "markdown" => Format::Markdown,
        "pdf" => Format::Pdf,
        "txt" | "text" => Format::Text,
        "xlsx" | "xlsm" | "xls" | "ods" => Format::Xlsx,
        _ => return None,
    })
}

/// Draws a page of a PDF file as a PNG file, in this process.
///
/// # Errors
/// The file is damaged, or has no such page.
pub fn picture(bytes: &[u8], page: u32) -> Result<Vec<u8>, ReadError> {
    if bytes.len() > FILE_LIMIT {
        return Err(ReadError::Large(bytes.len()));
    }
    pdf::picture(bytes, page)
}

/// Reads a file in this process.
///
/// # Errors
/// It is not what its name says, is damaged, or is larger than the limits.
pub fn read(bytes: &[u8], format: Format) -> Result<Document, ReadError> {
    if bytes.len() > FILE_LIMIT {
        return Err(ReadError::Large(bytes.len()));
    }
    let mut document = match format {
        Format::Csv => sheet::csv(bytes),
        Format::Docx => docx::read(bytes)?,
        Format::Markdown => markdown::read(bytes),
        Format::Pdf => pdf::read(bytes)?,
        Format::Text => text::read(bytes),
        Format::Xlsx => sheet::workbook(bytes)?,
    };
    if matches!(format, Format::Docx | Format::Text) {
        document.blocks = tabbed::tables(document.blocks);
    }
    if document.blocks.is_empty() && document.remarks.is_empty() {
        return Err(ReadError::NoText);
    }
    Ok(document)
}
