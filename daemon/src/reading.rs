//! Signed documents: read in a process of their own, and shown with the words that each value was read from, as pictures of their
//! pages where they have any.

use std::collections::BTreeMap;

use milestoned_documents::Input;
use milestoned_documents::block::{Area, Block, Document, Mark, Passage, Place, Quote};
use milestoned_documents::confirm::Asked;
use milestoned_documents::proposal::Proposal;
use milestoned_documents::reader::{ReadError, format_of};
use milestoned_documents::sandbox::{self, ChildError};
use tokio::sync::Semaphore;

/// Hidden command that the process which reads documents is started with.
pub const CHILD: &str = "read-document";

/// Files that are read or drawn at the same time at most: a small one may take a minute of processor time.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Does what blocks while a foreign file is read or drawn, after others that came before. It goes on though nobody waits for it.
///
/// # Errors
/// It has panicked.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let turn = AT_ONCE.acquire().await.map_err(|error| error.to_string())?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(|error| error.to_string())
}

/// Reads one file, and proposes terms; it blocks until both are done.
///
/// # Errors
/// The file is refused, or reading it takes more than it may.
pub fn read(name: &str, bytes: &[u8]) -> Result<(Document, Proposal), ChildError> {
    let format = format_of(name).ok_or_else(|| ChildError::Refused(ReadError::Kind.to_string()))?;
    let program = std::env::current_exe()?;
    let document = sandbox::read(&program, &[CHILD], bytes, format)?.document;
    let input = Input::new(name, bytes, document.clone());
    Ok((document, sandbox::propose(&program, &[CHILD], &[input], None)?))
}

/// Draws a page of a PDF file, counted from 1; it blocks until that is done.
///
/// # Errors
/// The page cannot be drawn, or takes more than it may.
pub fn picture(bytes: &[u8], page: u32) -> Result<Vec<u8>, ChildError> {
    sandbox::picture(&std::env::current_exe()?, &[CHILD], bytes, page)
}

/// A page that is shown as a picture; all lengths in hundredths of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Number, from 1.
    pub number: u32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
    /// What values were read from.
    pub spots: Vec<Spot>,
}

/// A place on a page that a value was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Number of the value, from 1.
    pub value: usize,
    /// Path of the value.
    pub path: String,
    /// It is the first place of the value: a click on the quoted words leads here.
    pub first: bool,
    /// Left edge.
    pub left: i32,
    /// Upper edge.
    pub top: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

/// Room around the words, in hundredths of a point.
const AROUND: i32 = 150;

/// The pages of a document that are shown as pictures, with the places of the values; none where it has no pages.
pub fn sheets(document: &Document, asked: &[Asked]) -> Vec<Sheet> {
    let sized = document.sizes.iter().enumerate().filter_map(|(index, [width, height])| {
        let number = u32::try_from(index.saturating_add(1)).ok()?;
        Some(Sheet { number, width: *width, height: *height, spots: Vec::new() })
    });
    let mut sheets: Vec<Sheet> = sized.collect();
    for (index, asked) in asked.iter().enumerate() {
        let mut first = true;
        for Place { page, area, .. } in asked.quotes.iter().map(|quote| quote.place) {
            let (Some(page), Some(area)) = (page, area) else { continue };
            let Some(sheet) = sheets.iter_mut().find(|sheet| sheet.number == page) else { continue };
            sheet.spots.push(spot(index, &asked.path, first, area));
            first = false;
        }
    }
    sheets
}

fn spot(index: usize, path: &str, first: bool, area: Area) -> Spot {
    let length = |from: i32, to: i32| to.saturating_sub(from).saturating_add(AROUND.saturating_mul(2)).max(0);
    Spot {
        value: index.saturating_add(1),
        path: path.to_owned(),
        first,
        left: area.left.saturating_sub(AROUND),
        top: area.top.saturating_sub(AROUND),
        width: length(area.left, area.right),
        height: length(area.top, area.bottom),
    }
}

/// A part of a document as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A paragraph or a line.
    Text(Line),
    /// A table: rows of cells, each with its lines.
    Table(Vec<Vec<Vec<Line>>>),
}

/// Text that stands together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number in the document, from 1: the end of its address on the page.
    pub number: usize,
    /// The file says that it is a heading.
    pub heading: bool,
    /// Where it stands, in words.
    pub place: String,
    /// Its text; what a value was read from is marked.
    pub pieces: Vec<Piece>,
}

/// A stretch of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// A value was read from it.
    pub marked: bool,
}

/// A document as it is shown, and by the path of each value the number of the first line that it was read from.
pub fn shown(document: &Document, asked: &[Asked]) -> (Vec<Part>, BTreeMap<String, usize>) {
    let mut writer = Shown { asked, count: 0, lines: BTreeMap::new() };
    let parts = document.blocks.iter().map(|block| writer.part(block)).collect();
    (parts, writer.lines)
}

struct Shown<'a> {
    asked: &'a [Asked],
    count: usize,
    lines: BTreeMap<String, usize>,
}

impl Shown<'_> {
    fn part(&mut self, block: &Block) -> Part {
        match block {
            Block::Text(passage) => Part::Text(self.line(passage)),
            Block::Table(table) => Part::Table(
                table
                    .rows
                    .iter()
                    .map(|row| row.iter().filter(|cell| !cell.merged_up).map(|cell| self.cell(&cell.blocks)).collect())
                    .collect(),
            ),
        }
    }

    /// The lines of a cell, those of tables in it, too.
    fn cell(&mut self, blocks: &[Block]) -> Vec<Line> {
        blocks
            .iter()
            .flat_map(|block| match block {
                Block::Text(passage) => vec![self.line(passage)],
                Block::Table(table) => table.rows.iter().flatten().flat_map(|cell| self.cell(&cell.blocks)).collect(),
            })
            .collect()
    }

    fn line(&mut self, passage: &Passage) -> Line {
        self.count = self.count.saturating_add(1);
        let mut marks: Vec<std::ops::Range<usize>> = Vec::new();
        for asked in self.asked {
            let ranges = asked.quotes.iter().filter(|quote| stands_in(quote, passage));
            let ranges: Vec<_> = ranges.filter_map(|quote| found(&passage.text, &quote.text)).collect();
            if !ranges.is_empty() {
                self.lines.entry(asked.path.clone()).or_insert(self.count);
            }
            marks.extend(ranges);
        }
        let place = passage.marks.first().map(|mark| mark.place.words()).unwrap_or_default();
        Line { number: self.count, heading: passage.heading, place, pieces: pieces(&passage.text, marks) }
    }
}

/// Whether the words of a quote, or some of them, may stand in a passage.
fn stands_in(quote: &Quote, passage: &Passage) -> bool {
    passage.marks.iter().any(|Mark { place, .. }| same_spot(place, &quote.place))
}

fn same_spot(place: &Place, quoted: &Place) -> bool {
    let same_page = place.page == quoted.page && place.table == quoted.table;
    let same_cell = (place.row, place.column, place.paragraph) == (quoted.row, quoted.column, quoted.paragraph);
    let same_line = match (place.line, quoted.line) {
        (Some(line), Some(first)) => (first..=quoted.last_line.unwrap_or(first)).contains(&line),
        (None, None) => true,
        _ => false,
    };
    same_page && same_cell && same_line
}

/// Where words stand in a text, whatever the white space between them.
fn found(text: &str, words: &str) -> Option<std::ops::Range<usize>> {
    let mut words = words.split_whitespace();
    let first = words.next()?;
    let rest: Vec<&str> = words.collect();
    text.match_indices(first).find_map(|(start, _)| {
        let mut end = start.saturating_add(first.len());
        for word in &rest {
            let left = text.get(end..)?;
            let gap = left.len().saturating_sub(left.trim_start().len());
            end = end.saturating_add(gap);
            text.get(end..)?.strip_prefix(word)?;
            end = end.saturating_add(word.len());
        }
        Some(start..end)
    })
}

/// The text in pieces, marked and not.
fn pieces(text: &str, mut marks: Vec<std::ops::Range<usize>>) -> Vec<Piece> {
    marks.sort_by_key(|range| (range.start, range.end));
    let (mut pieces, mut at) = (Vec::new(), 0_usize);
    let mut add = |range: std::ops::Range<usize>, marked: bool| {
        if let Some(text) = text.get(range).filter(|text| !text.is_empty()) {
            pieces.push(Piece { text: text.into(), marked });
        }
    };
    let mut marks = marks.into_iter().peekable();
    while let Some(mut range) = marks.next() {
        // Ranges that overlap become one mark.
        while let Some(next) = marks.next_if(|next| next.start < range.end) {
            range.end = range.end.max(next.end);
        }
        add(at..range.start, false);
        at = range.end;
        add(range, true);
    }
    add(at..text.len(), false);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_over_line_breaks_and_gaps_and_marked_once() {
        let text = "The total is USD\n 100,000\tin all.";
        let range = found(text, "USD 100,000").unwrap();
        let pieces = pieces(text, vec![range.clone(), 13..16, range]);
        let told: Vec<(&str, bool)> = pieces.iter().map(|piece| (piece.text.as_str(), piece.marked)).collect();
        assert_eq!(told, [("The total is ", false), ("USD\n 100,000", true), ("\tin all.", false)]);
        assert_eq!(found(text, "USD 10"), Some(13..20), "words may be part of longer ones");
        assert_eq!(found(text, "EUR 100,000"), None);
    }

    #[tokio::test]
    async fn two_files_are_read_at_once_and_the_others_wait_though_nobody_waits_for_them() {
        let (begin, begun) = std::sync::mpsc::channel();
        let works: Vec<_> = (0..5)
            .map(|number| {
                let (release, released) = std::sync::mpsc::channel::<()>();
                let begin = begin.clone();
                let work = apart(move || {
                    begin.send(number).unwrap();
                    released.recv().unwrap_or_default();
                });
                (release, tokio::spawn(work))
            })
            .collect();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!((begun.recv().unwrap() + begun.recv().unwrap(), AT_ONCE.available_permits()), (1, 0));
        works.iter().for_each(|(_, work)| work.abort());
        assert!(begun.try_recv().is_err(), "what is given up does not make room before it has ended");
        drop(works);
    }
}
