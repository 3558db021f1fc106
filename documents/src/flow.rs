//! The text of all files that are read together, as one string in which every byte knows its place.

use core::ops::Range;

use crate::block::{Block, Cell, Document, Passage, Place, Quote, Table, folded, trimmed};

#[derive(Debug, Clone, Copy)]
struct FlowMark {
    at: usize,
    place: Place,
    /// A quote must not run over it: something else stands between in the file.
    parts: bool,
    source: Option<usize>,
}

/// A passage in the text.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) range: Range<usize>,
    pub(crate) heading: bool,
    /// Number of the table that it stands in.
    pub(crate) table: Option<usize>,
}

/// A cell with the place of its text.
#[derive(Debug, Clone)]
pub(crate) struct FlowCell {
    pub(crate) column: u32,
    pub(crate) span: u32,
    pub(crate) merged_up: bool,
    /// Its text without the tables in it.
    pub(crate) range: Range<usize>,
}

/// A table with the places of its cells.
#[derive(Debug, Clone)]
pub(crate) struct FlowTable {
    pub(crate) rows: Vec<Vec<FlowCell>>,
    pub(crate) page_breaks: Vec<u32>,
    pub(crate) lines: bool,
    pub(crate) range: Range<usize>,
}

/// The text with its places.
#[derive(Debug, Default)]
pub(crate) struct Flow<'d> {
    pub(crate) text: String,
    pub(crate) spans: Vec<Span>,
    pub(crate) tables: Vec<FlowTable>,
    marks: Vec<FlowMark>,
    sources: Vec<Option<&'d str>>,
}

/// A line of the text, inside a passage.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) range: Range<usize>,
    /// Number of its passage.
    pub(crate) span: usize,
    /// It is the passage's first.
    pub(crate) first: bool,
}

impl<'d> Flow<'d> {
    pub(crate) fn of(documents: &'d [Document]) -> Self {
        let mut flow = Self::default();
        for (file, document) in documents.iter().enumerate() {
            flow.sources.push(document.source.as_deref());
            let file = u16::try_from(file).unwrap_or(u16::MAX);
            for block in &document.blocks {
                flow.block(block, file, None);
            }
        }
        flow
    }

    fn block(&mut self, block: &Block, file: u16, table: Option<usize>) {
        match block {
            Block::Text(passage) => {
                self.passage(passage, file, table);
            }
            Block::Table(inner) => self.table(inner, file),
        }
    }

    fn passage(&mut self, passage: &Passage, file: u16, table: Option<usize>) -> Range<usize> {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        let start = self.text.len();
        self.text.push_str(&passage.text);
        for (index, mark) in passage.marks.iter().enumerate() {
            let place = Place { file, ..mark.place };
            let at = start + usize::try_from(mark.at).unwrap_or(0);
            let source = mark.source.and_then(|source| usize::try_from(source).ok());
            self.marks.push(FlowMark { at, place, parts: mark.seam || index == 0, source });
        }
        let range = start..self.text.len();
        self.spans.push(Span { range: range.clone(), heading: passage.heading, table });
        range
    }

    fn table(&mut self, table: &Table, file: u16) {
        let number = self.tables.len();
        let empty = FlowTable {
            rows: Vec::new(),
            page_breaks: table.page_breaks.clone(),
            lines: table.lines,
            range: self.text.len()..self.text.len(),
        };
        self.tables.push(empty);
        let start = self.text.len();
        let rows =
            table.rows.iter().map(|row| row.iter().map(|cell| self.cell(cell, file, number)).collect()).collect();
        self.tables[number].rows = rows;
        self.tables[number].range = start..self.text.len();
    }

    fn cell(&mut self, cell: &Cell, file: u16, table: usize) -> FlowCell {
        let mut range: Option<Range<usize>> = None;
        let mut nested = false;
        for block in &cell.blocks {
            match block {
                Block::Text(passage) => {
                    let content = self.passage(passage, file, Some(table));
                    if !nested {
                        range = Some(range.map_or(content.clone(), |range| range.start..content.end));
                    }
                }
                Block::Table(_) => {
                    nested = true;
                    self.block(block, file, Some(table));
                }
            }
        }
        let end = self.text.len();
        FlowCell { column: cell.column, span: cell.span, merged_up: cell.merged_up, range: range.unwrap_or(end..end) }
    }

    /// The text of a range; nothing where there is no such range.
    pub(crate) fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or("")
    }

    /// Words of a range; white space is one blank.
    pub(crate) fn words(&self, range: Range<usize>) -> String {
        folded(self.text.get(range).unwrap_or(""))
    }

    /// The mark in force at a byte.
    fn mark(&self, at: usize) -> Option<&FlowMark> {
        self.marks[..self.marks.partition_point(|mark| mark.at <= at)].last()
    }

    /// Where a range stands.
    pub(crate) fn place(&self, range: Range<usize>) -> Place {
        let range = trimmed(&self.text, range);
        let first = self.mark(range.start).map(|mark| mark.place).unwrap_or_default();
        let last = self.mark(range.end.saturating_sub(1).max(range.start)).map_or(first, |mark| mark.place);
        let within = self.marks.iter().skip_while(|mark| mark.at <= range.start).take_while(|mark| mark.at < range.end);
        within.filter(|mark| mark.place.page == first.page).fold(first, |sum, mark| sum.to(mark.place)).to(last)
    }

    /// The quotes of a range, word for word; one for each part that stands together in its file.
    pub(crate) fn quotes(&self, range: Range<usize>) -> Vec<Quote> {
        let range = trimmed(&self.text, range);
        let mut cuts: Vec<usize> = self
            .marks
            .iter()
            .filter(|mark| mark.parts && mark.at > range.start && mark.at < range.end)
            .map(|mark| mark.at)
            .collect();
        cuts.push(range.end);
        let mut from = range.start;
        let mut quotes = Vec::new();
        for cut in cuts {
            let part = trimmed(&self.text, from..cut);
            from = cut;
            if !part.is_empty() {
                quotes.push(Quote { text: self.verbatim(part.clone()), place: self.place(part) });
            }
        }
        quotes
    }

    /// What stands in the file, where the passage's text leaves marks of emphasis out.
    fn verbatim(&self, range: Range<usize>) -> String {
        let source = |at: usize| {
            let mark = self.mark(at)?;
            let text = self.sources.get(usize::from(mark.place.file)).copied().flatten()?;
            Some((text, mark.source? + (at - mark.at)))
        };
        let (Some((text, first)), Some((_, last))) = (source(range.start), source(range.end.saturating_sub(1))) else {
            return self.words(range);
        };
        let end = last + text.get(last..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        text.get(first..end).map_or_else(|| self.words(range), folded)
    }

    /// Every line of every passage.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (span, passage) in self.spans.iter().enumerate() {
            let mut at = passage.range.start;
            let text = self.text.get(passage.range.clone()).unwrap_or("");
            for (index, line) in text.split('\n').enumerate() {
                let range = trimmed(&self.text, at..at + line.len());
                if !range.is_empty() {
                    lines.push(Line { range, span, first: index == 0 });
                }
                at += line.len() + 1;
            }
        }
        lines
    }

    /// The nearest place at or below `at` where a character begins.
    pub(crate) fn floor(&self, at: usize) -> usize {
        (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    /// The text before a place, at most so long.
    pub(crate) fn before(&self, at: usize, length: usize) -> Range<usize> {
        self.floor(at.saturating_sub(length))..at
    }

    /// The text from a place on, at most so long.
    pub(crate) fn after(&self, at: usize, length: usize) -> Range<usize> {
        at..self.floor(at.saturating_add(length))
    }
}
