//! Markdown: paragraphs, lists and tables; marks of emphasis are no text, but quotes are taken from the source.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::text::decoded;
use crate::block::{Block, Cell, Document, Format, Mark, Passage, Place, Remark, RemarkKind, Table};

/// Lines of a text, so that a byte tells its line.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(core::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, at: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
    }
}

struct Reader {
    lines: Lines,
    blocks: Vec<Block>,
    passage: Passage,
    table: Option<Table>,
    tables: u32,
    row: Vec<Cell>,
    lists: Vec<Option<u64>>,
    heading: bool,
    /// What comes is struck through: it is told, and is no text.
    struck: bool,
    remarks: Vec<Remark>,
}

/// Reads Markdown.
pub(crate) fn read(bytes: &[u8]) -> Document {
    let source = decoded(bytes);
    let mut reader = Reader {
        lines: Lines::of(&source),
        blocks: Vec::new(),
        passage: Passage::default(),
        table: None,
        tables: 0,
        row: Vec::new(),
        lists: Vec::new(),
        heading: false,
        struck: false,
        remarks: Vec::new(),
    };
    for (event, range) in
        Parser::new_ext(&source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).into_offset_iter()
    {
        reader.take(event, range.start);
    }
    reader.close();
    Document {
        format: Format::Markdown,
        pages: None,
        blocks: reader.blocks,
        remarks: reader.remarks,
        sizes: Vec::new(),
        source: Some(source),
    }
}

impl Reader {
    fn take(&mut self, event: Event<'_>, at: usize) {
        match event {
            Event::Start(tag) => self.open(&tag, at),
            Event::End(tag) => self.end(tag),
            Event::InlineHtml(tag) if tag.starts_with("<br") => self.space('\n'),
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) | Event::Html(text) => self.text(&text, at),
            Event::SoftBreak | Event::HardBreak => self.space('\n'),
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>, at: usize) {
        match tag {
            Tag::Heading { .. } => {
                self.close();
                self.heading = true;
            }
            Tag::List(first) => {
                self.close();
                self.lists.push(*first);
            }
            Tag::Item => {
                self.close();
                let label = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                self.text(&label, at);
            }
            Tag::Strikethrough => self.struck = true,
            Tag::Paragraph if self.passage.text.len() > 4 => self.close(),
            Tag::Table(_) => {
                self.close();
                self.tables += 1;
                self.table = Some(Table::default());
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::Item | TagEnd::CodeBlock | TagEnd::HtmlBlock => self.close(),
            TagEnd::Heading(_) => {
                self.close();
                self.heading = false;
            }
            TagEnd::Strikethrough => self.struck = false,
            TagEnd::List(_) => {
                self.close();
                self.lists.pop();
            }
            TagEnd::TableCell => {
                let column = u32::try_from(self.row.len()).unwrap_or(0);
                let passage = core::mem::take(&mut self.passage);
                self.row.push(Cell { column, span: 1, merged_up: false, blocks: vec![Block::Text(passage)] });
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                let mut row = core::mem::take(&mut self.row);
                if let Some(table) = &mut self.table {
                    super::grid::number_cells(&mut row, table.rows.len());
                    table.rows.push(row);
                }
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.blocks.push(Block::Table(table));
                }
            }
            _ => {}
        }
    }

    fn space(&mut self, joint: char) {
        if !self.passage.text.is_empty() {
            self.passage.text.push(joint);
        }
    }

    fn text(&mut self, text: &str, at: usize) {
        let table = self.table.as_ref().map(|_| self.tables);
        let place = Place { line: Some(self.lines.line(at)), table, ..Place::default() };
        if self.struck {
            return self.remarks.push(Remark { kind: RemarkKind::Deleted, text: text.to_owned(), place });
        }
        let mark = Mark {
            at: u32::try_from(self.passage.text.len()).unwrap_or(u32::MAX),
            place,
            seam: false,
            source: u32::try_from(at).ok(),
        };
        self.passage.marks.push(mark);
        self.passage.text.push_str(text);
    }

    fn close(&mut self) {
        let mut passage = core::mem::take(&mut self.passage);
        if passage.text.trim().is_empty() || passage.text == "- " {
            return;
        }
        passage.heading = self.heading;
        self.blocks.push(Block::Text(passage));
    }
}
