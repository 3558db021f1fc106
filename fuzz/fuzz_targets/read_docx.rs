//! An archive as it is, or the body of a Word file, whose numbering stands after a line `---`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use milestoned_documents::block::Format;

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") {
        return milestoned_fuzz::documents::read(bytes, Format::Docx);
    }
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let (body, numbering) = text.split_once("\n---\n").unwrap_or((text, ""));
    let document = format!("<w:document xmlns:w=\"w\" xmlns:mc=\"mc\"><w:body>{body}</w:body></w:document>");
    let parts = [("word/document.xml", document.as_str()), ("word/numbering.xml", numbering)];
    milestoned_fuzz::documents::read(&milestoned_fuzz::documents::archive(&parts), Format::Docx);
});
