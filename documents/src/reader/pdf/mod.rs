//! PDF: words with their rectangles, ruling lines, and from both columns, tables and paragraphs.

mod glyphs;
mod layout;
mod picture;
mod ruled;

use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, Rect};
use hayro_interpret::{
    Context, InterpreterCache, InterpreterSettings, RenderContent, TransformExt as _, interpret_page,
};

use self::glyphs::{Page, Sink, whole};
pub(crate) use self::picture::picture;
use super::{PAGE_LIMIT, ReadError};
use crate::block::{Document, Format, Place, Remark, RemarkKind};

/// Hundredths of a point.
const UNIT: f64 = 100.0;

/// The file's objects.
fn opened(bytes: &[u8]) -> Result<Pdf, ReadError> {
    Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => ReadError::Encrypted,
        LoadPdfError::Decryption(_) => ReadError::Encrypted,
        LoadPdfError::Invalid => ReadError::Damaged { kind: "PDF", reason: "it has no pages that can be found".into() },
    })
}

/// Reads a PDF's text layer.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, ReadError> {
    let pdf = opened(bytes)?;
    let settings = InterpreterSettings { render_content: RenderContent::all(), ..InterpreterSettings::default() };
    let cache = InterpreterCache::new();
    let mut pages: Vec<Page> = Vec::new();
    let mut remarks = Vec::new();
    let mut sizes = Vec::new();
    for (index, page) in pdf.pages().iter().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let place = Place { page: Some(number), ..Place::default() };
        if number > PAGE_LIMIT {
            remarks.push(Remark { kind: RemarkKind::Cut, text: format!("more than {PAGE_LIMIT} pages"), place });
            break;
        }
        let transform = Affine::scale(UNIT) * page.initial_transform(true).to_kurbo();
        let (width, height) = page.render_dimensions();
        let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
        let size = Affine::scale(UNIT).transform_rect_bbox(bounds);
        sizes.push([whole(size.x1), whole(size.y1)]);
        let mut context = Context::new(transform, bounds, &cache, pdf.xref(), settings.clone());
        let mut sink = Sink::default();
        interpret_page(page, &mut context, &mut sink);
        let read = sink.finish(number);
        if read.unmapped > 0 {
            let text = format!("{} characters", read.unmapped);
            remarks.push(Remark { kind: RemarkKind::Unmapped, text, place });
        }
        if read.cut {
            remarks.push(Remark { kind: RemarkKind::Cut, text: "more text than a page holds".into(), place });
        }
        if read.words.is_empty() {
            remarks.push(Remark { kind: RemarkKind::NoText, text: String::new(), place });
        }
        pages.push(read);
    }
    let count = u32::try_from(pages.len()).ok();
    if pages.iter().all(|page| page.words.is_empty()) {
        return Err(ReadError::NoText);
    }
    Ok(Document { format: Format::Pdf, pages: count, sizes, blocks: layout::blocks(pages), remarks, source: None })
}
