//! What a reader makes of a file: passages of text and tables, each part with its place.

use core::ops::Range;

use serde::{Deserialize, Serialize};

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// Word.
    Docx,
    /// Markdown.
    Markdown,
    /// PDF.
    Pdf,
    /// Plain text.
    Text,
    /// Excel.
    Xlsx,
}

/// Rectangle on a page, in hundredths of a point from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Area {
    /// Left edge.
    pub left: i32,
    /// Upper edge.
    pub top: i32,
    /// Right edge.
    pub right: i32,
    /// Lower edge.
    pub bottom: i32,
}

impl Area {
    /// The smallest rectangle around both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Where something stands. A text file has lines, a PDF pages and areas, Word paragraphs, tables and cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Number of the file among those that are read together, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub file: u16,
    /// Page, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// First line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Last line, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_line: Option<u32>,
    /// Paragraph, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paragraph: Option<u32>,
    /// Table, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Row of the table, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
    /// Column of the table, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Rectangle on the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Area>,
}

/// serde hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(file: &u16) -> bool {
    *file == 0
}

impl Place {
    /// The place that spans both; areas of different pages are not joined.
    #[must_use]
    pub fn to(self, end: Self) -> Self {
        let last = end.last_line.or(end.line);
        Self {
            last_line: if last == self.line { None } else { last },
            area: match (self.area, end.area) {
                (Some(first), Some(second)) if self.page == end.page => Some(first.with(second)),
                (first, _) => first,
            },
            ..self
        }
    }

    /// In words, such as `page 3, line 12`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut add = |name: &str, number: Option<u32>| {
            parts.extend(number.map(|number| format!("{name} {number}")));
        };
        add("page", self.page);
        match (self.line, self.last_line) {
            (Some(first), Some(last)) => parts.push(format!("lines {first}-{last}")),
            (line, _) => add("line", line),
        }
        let mut add = |name: &str, number: Option<u32>| {
            parts.extend(number.map(|number| format!("{name} {number}")));
        };
        add("table", self.table);
        add("row", self.row);
        add("column", self.column);
        if self.table.is_none() {
            add("paragraph", self.paragraph);
        }
        parts.join(", ")
    }
}

/// From this byte of a passage on, its text stands at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Byte of the passage's text.
    pub at: u32,
    /// Place.
    pub place: Place,
    /// Something that is no text of the contract, such as a page number, stood before it: a quote must not run over it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub seam: bool,
    /// Byte of the source text, where the passage's text is not what stands in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<u32>,
}

/// A paragraph, a line that stands for itself, or a cell's text.
///
/// A line break of the file is a line feed, a gap between columns a tab, any other run of white space one blank.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Passage {
    /// The text.
    pub text: String,
    /// Places, in order of `at`; the first is at 0.
    pub marks: Vec<Mark>,
    /// The file says that it is a heading.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub heading: bool,
}

impl Passage {
    /// One text at one place.
    #[must_use]
    pub fn at(text: String, place: Place) -> Self {
        Self { text, marks: vec![Mark { at: 0, place, seam: false, source: None }], heading: false }
    }

    /// Adds text that stands elsewhere, after `joint`.
    pub fn add(&mut self, joint: char, text: &str, place: Place, seam: bool) {
        if !self.text.is_empty() {
            self.text.push(joint);
        }
        let at = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.marks.push(Mark { at, place, seam, source: None });
        self.text.push_str(text);
    }
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cell {
    /// First column, from 0.
    pub column: u32,
    /// So many columns wide.
    pub span: u32,
    /// It goes on with the cell above it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub merged_up: bool,
    /// What stands in it, tables too.
    pub blocks: Vec<Block>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Table {
    /// Rows, each with its cells.
    pub rows: Vec<Vec<Cell>>,
    /// First rows of further pages, by index: the table goes on overleaf there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub page_breaks: Vec<u32>,
    /// Rows are lines of print, not of the table: what belongs together is found by what stands in them.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub lines: bool,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// Text.
    Text(Passage),
    /// Table.
    Table(Table),
}

/// Something about the file that its text does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// What it is.
    pub kind: RemarkKind,
    /// The text that it is about.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// Kind of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// Text that a tracked change takes out; it is read as if it were out.
    Deleted,
    /// Text that a tracked change puts in; it is read as if it were in.
    Inserted,
    /// A page without text: a picture of a page.
    NoText,
    /// Text came from a picture by an external program.
    Recognised,
    /// Characters whose font does not say which letters they are.
    Unmapped,
    /// A limit of the reader was reached; what follows is not read.
    Cut,
    /// The file is damaged, and was read as far as it goes.
    Damaged,
}

/// One file, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What it was read as.
    pub format: Format,
    /// Pages, where the file has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// Width and height of each page in hundredths of a point, where places have areas on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<[i32; 2]>,
    /// What stands in it, in reading order.
    pub blocks: Vec<Block>,
    /// What its text does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// The source text, where passages are not what stands in the file word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Words that stand in a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Word for word; white space is one blank.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// Text with every run of white space as one blank, and none at the ends.
#[must_use]
pub fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The range without white space at its ends.
#[must_use]
pub fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(part) = text.get(range.clone()) else { return range };
    let start = range.start + (part.len() - part.trim_start().len());
    let end = start + part.trim().len();
    start..end
}
