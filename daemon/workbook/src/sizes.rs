//! How large a workbook is once it is unpacked: a file of some hundred kilobytes may unpack to gigabytes, and the reader of
//! Excel files keeps its parts in memory.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::read::ReadError;

/// Parts of a file at most, and sheets that are named in them: an export has a dozen.
const PARTS: usize = 1_000;
/// Bytes that all parts unpack to at most; worksheets, which are read cell by cell, may take all of them.
const ALL: u64 = 256 * 1024 * 1024;
/// Bytes of the texts that cells share.
const SHARED: u64 = 64 * 1024 * 1024;
/// Bytes of a part that holds no cells, such as the list of sheets: an element of it takes far more memory than text.
const OTHER: u64 = 4 * 1024 * 1024;
/// Bytes of one text: a cell holds 32,767 characters.
const TEXT: usize = 1024 * 1024;
/// Bytes that are unpacked at once.
const AT_ONCE: usize = 64 * 1024;

/// Unpacks every part, and keeps nothing of it.
///
/// # Errors
/// It is no ZIP archive, or it is larger than any export.
pub(crate) fn check(bytes: &[u8]) -> Result<(), ReadError> {
    let damaged = |error: &dyn std::fmt::Display| ReadError::Damaged(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    if archive.len() > PARTS {
        return Err(ReadError::Large);
    }
    let (mut left, mut buffer, mut seen) = (ALL, vec![0; AT_ONCE], Seen::default());
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(|error| damaged(&error))?;
        let most = most(&part.name().map_err(|error| damaged(&error))?.to_ascii_lowercase()).min(left);
        let mut size = 0_u64;
        loop {
            let read = part.read(&mut buffer).map_err(|error| damaged(&error))?;
            let piece = buffer.get(..read).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            seen.look_at(piece);
            if size > most || seen.longest > TEXT || seen.sheets > PARTS {
                return Err(ReadError::Large);
            }
        }
        left = left.saturating_sub(size);
    }
    Ok(())
}

/// How many bytes a part of this name may have.
fn most(name: &str) -> u64 {
    let file = name.rsplit('/').next().unwrap_or_default();
    let number = file.strip_prefix("sheet").and_then(|rest| rest.strip_suffix(".xml"));
    match file {
        _ if number.is_some_and(|number| number.parse::<u32>().is_ok()) => ALL,
        "sharedstrings.xml" => SHARED,
        _ => OTHER,
    }
}

/// What was seen of the parts' XML. Names of elements can be written in one way only, so that none escapes.
#[derive(Default)]
struct Seen {
    /// The stretch without the beginning of an element that lasts, and the longest.
    text: usize,
    longest: usize,
    /// Elements that name a sheet.
    sheets: usize,
}

impl Seen {
    fn look_at(&mut self, piece: &[u8]) {
        for (number, stretch) in piece.split(|byte| *byte == b'<').enumerate() {
            self.text = if number == 0 { self.text.saturating_add(stretch.len()) } else { stretch.len() };
            self.longest = self.longest.max(self.text);
            let name = stretch.split(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte)).next();
            let local = name.and_then(|name| name.rsplit(|byte| *byte == b':').next());
            self.sheets = self.sheets.saturating_add(usize::from(local == Some(b"sheet".as_slice())));
        }
    }
}
