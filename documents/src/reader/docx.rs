//! Word: paragraphs with their numbers, tables with merged cells, tracked changes, footnotes.

mod numbering;

use std::io::{Cursor, Read as _};

use roxmltree::{Document as Tree, Node, ParsingOptions};
use zip::ZipArchive;

use self::numbering::Numbering;
use super::{DEPTH_LIMIT, ReadError, UNPACKED_LIMIT};
use crate::block::{Block, Cell, Document, Format, Passage, Place, Remark, RemarkKind, Table};

/// Most elements of one part of the file.
const NODE_LIMIT: u32 = 2_000_000;

/// Refuses an archive whose entries unpack to more than `limit`, before anything of it is used.
///
/// # Errors
/// It is no archive, or unpacks to more.
pub fn check_unpacked(bytes: &[u8], limit: u64, kind: &'static str) -> Result<(), ReadError> {
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| ReadError::Damaged { kind, reason: error.to_string() })?;
    let mut sum = 0_u64;
    for index in 0..archive.len() {
        let Ok(mut entry) = archive.by_index(index) else { continue };
        // The size that an entry claims is not believed: it is unpacked, into nothing.
        let read = std::io::copy(&mut entry.by_ref().take(limit + 1 - sum), &mut std::io::sink()).unwrap_or(0);
        sum += read;
        if sum > limit {
            return Err(ReadError::Unpacked);
        }
    }
    Ok(())
}

pub(crate) fn part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<String>, ReadError> {
    let Ok(entry) = archive.by_name(name) else { return Ok(None) };
    if entry.encrypted() {
        return Err(ReadError::Encrypted);
    }
    // An archive entry whose header claims too much is refused here; one that unpacks to more than it claims is cut
    // off below.
    if entry.size() > UNPACKED_LIMIT {
        return Err(ReadError::Unpacked);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
    let read = entry.take(UNPACKED_LIMIT + 1).read_to_end(&mut bytes);
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > UNPACKED_LIMIT {
        return Err(ReadError::Unpacked);
    }
    read.map_err(|error| damaged(format!("{name}: {error}")))?;
    Ok(Some(super::text::decoded(&bytes)))
}

fn damaged(reason: String) -> ReadError {
    ReadError::Damaged { kind: "Word", reason }
}

pub(crate) fn parsed<'a>(name: &str, text: &'a str) -> Result<Tree<'a>, ReadError> {
    check_depth(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODE_LIMIT, ..ParsingOptions::default() };
    Tree::parse_with_options(text, options).map_err(|error| damaged(format!("{name}: {error}")))
}

/// A tree that is nested too deeply is refused before it is built.
fn check_depth(text: &str) -> Result<(), ReadError> {
    let mut depth = 0_usize;
    for piece in text.split('<').skip(1) {
        if piece.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !piece.starts_with(['!', '?']) && !piece.split('>').next().unwrap_or("").ends_with('/') {
            depth += 1;
            // Word nests about ten elements for each table in a table.
            if depth > DEPTH_LIMIT * 10 {
                return Err(ReadError::Deep);
            }
        }
    }
    Ok(())
}

struct Reader {
    numbering: Numbering,
    paragraph: u32,
    tables: u32,
    remarks: Vec<Remark>,
}

/// Reads a Word file.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, ReadError> {
    if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(ReadError::Encrypted);
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
    let body =
        part(&mut archive, "word/document.xml")?.ok_or_else(|| damaged("it has no part word/document.xml".into()))?;
    let numbering = part(&mut archive, "word/numbering.xml")?.unwrap_or_default();
    let styles = part(&mut archive, "word/styles.xml")?.unwrap_or_default();
    let mut reader =
        Reader { numbering: Numbering::read(&numbering, &styles)?, paragraph: 0, tables: 0, remarks: Vec::new() };
    let tree = parsed("word/document.xml", &body)?;
    let Some(body) = tree.root_element().children().find(|node| named(*node, "body")) else {
        return Err(damaged("it has no body".into()));
    };
    let mut blocks = reader.blocks(body, None, 0)?;
    for name in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(text) = part(&mut archive, name)? {
            let tree = parsed(name, &text)?;
            for note in tree.root_element().children().filter(Node::is_element) {
                blocks.extend(reader.blocks(note, None, 0)?);
            }
        }
    }
    Ok(Document { format: Format::Docx, pages: None, blocks, remarks: reader.remarks, sizes: Vec::new(), source: None })
}

pub(crate) fn named(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// The attribute `w:name` of an element.
pub(crate) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
}

/// The attribute `w:val` of the first element of that name below.
fn value<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| named(*child, name)).and_then(|child| attribute(child, "val"))
}

impl Reader {
    fn blocks(&mut self, parent: Node<'_, '_>, at: Option<Place>, depth: usize) -> Result<Vec<Block>, ReadError> {
        if depth > DEPTH_LIMIT {
            return Err(ReadError::Deep);
        }
        let mut blocks = Vec::new();
        for node in parent.children().filter(Node::is_element) {
            match node.tag_name().name() {
                "p" => self.paragraph(node, at, &mut blocks, depth)?,
                "tbl" => blocks.push(Block::Table(self.table(node, depth)?)),
                // Content controls, custom XML, inserted blocks, smart tags: what stands in them counts.
                "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" | "smartTag" => {
                    blocks.extend(self.blocks(node, at, depth + 1)?);
                }
                _ => {}
            }
        }
        Ok(blocks)
    }

    fn paragraph(
        &mut self,
        node: Node<'_, '_>,
        at: Option<Place>,
        blocks: &mut Vec<Block>,
        depth: usize,
    ) -> Result<(), ReadError> {
        self.paragraph += 1;
        let place = Place { paragraph: Some(self.paragraph), ..at.unwrap_or_default() };
        let mut text = String::new();
        let mut boxes = Vec::new();
        self.runs(node, place, &mut text, &mut boxes, depth)?;
        let properties = node.children().find(|child| named(*child, "pPr"));
        let (label, heading) = self.numbering.label(properties);
        let text = clean(&text);
        if !text.is_empty() {
            let mut passage = Passage::at(format!("{label}{text}"), place);
            passage.heading = heading;
            blocks.push(Block::Text(passage));
        }
        for inner in boxes {
            blocks.extend(self.blocks(inner, at, depth + 1)?);
        }
        Ok(())
    }

    /// The text of a paragraph's runs. A text box is kept for after the paragraph.
    fn runs<'a, 'i>(
        &mut self,
        node: Node<'a, 'i>,
        place: Place,
        text: &mut String,
        boxes: &mut Vec<Node<'a, 'i>>,
        depth: usize,
    ) -> Result<(), ReadError> {
        if depth > DEPTH_LIMIT {
            return Err(ReadError::Deep);
        }
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "t" => text.push_str(child.text().unwrap_or("")),
                "tab" | "ptab" => text.push('\t'),
                "br" | "cr" => text.push('\n'),
                "noBreakHyphen" => text.push('-'),
                "pPr" | "rPr" | "instrText" | "fldChar" | "Fallback" => {}
                "del" | "moveFrom" => self.remark(RemarkKind::Deleted, child, place),
                "ins" | "moveTo" => {
                    self.remark(RemarkKind::Inserted, child, place);
                    self.runs(child, place, text, boxes, depth + 1)?;
                }
                "txbxContent" => boxes.push(child),
                _ => self.runs(child, place, text, boxes, depth + 1)?,
            }
        }
        Ok(())
    }

    fn remark(&mut self, kind: RemarkKind, node: Node<'_, '_>, place: Place) {
        let text: String = node
            .descendants()
            .filter(|node| named(*node, "t") || named(*node, "delText"))
            .filter_map(|node| node.text())
            .collect();
        if !text.trim().is_empty() {
            self.remarks.push(Remark { kind, text, place });
        }
    }

    fn table(&mut self, node: Node<'_, '_>, depth: usize) -> Result<Table, ReadError> {
        self.tables += 1;
        let number = self.tables;
        let mut table = Table::default();
        for row in rows(node, 0) {
            let properties = row.children().find(|child| named(*child, "trPr"));
            if properties.is_some_and(|properties| properties.children().any(|child| named(child, "del"))) {
                self.remark(RemarkKind::Deleted, row, Place { table: Some(number), ..Place::default() });
                continue;
            }
            let skipped = properties.and_then(|properties| value(properties, "gridBefore"));
            let mut column: u32 = skipped.and_then(|skipped| skipped.parse().ok()).unwrap_or(0);
            let index = table.rows.len();
            let mut cells = Vec::new();
            for cell in cells_of(row, 0) {
                let properties = cell.children().find(|child| named(*child, "tcPr"));
                let span = properties
                    .and_then(|properties| value(properties, "gridSpan"))
                    .and_then(|span| span.parse().ok())
                    .unwrap_or(1_u32)
                    .clamp(1, 1_000);
                let merge = properties.and_then(|property| property.children().find(|child| named(*child, "vMerge")));
                let merged_up = merge.is_some_and(|merge| attribute(merge, "val") != Some("restart"));
                let place = Place {
                    table: Some(number),
                    row: u32::try_from(index + 1).ok(),
                    column: Some(column.saturating_add(1)),
                    ..Place::default()
                };
                let blocks = self.blocks(cell, Some(place), depth + 1)?;
                cells.push(Cell { column, span, merged_up, blocks });
                column = column.saturating_add(span);
            }
            table.rows.push(cells);
        }
        Ok(table)
    }
}

/// Rows of a table, also those in content controls.
fn rows<'a, 'i>(node: Node<'a, 'i>, depth: usize) -> Vec<Node<'a, 'i>> {
    inside(node, "tr", depth)
}

fn cells_of<'a, 'i>(row: Node<'a, 'i>, depth: usize) -> Vec<Node<'a, 'i>> {
    inside(row, "tc", depth)
}

fn inside<'a, 'i>(node: Node<'a, 'i>, name: &str, depth: usize) -> Vec<Node<'a, 'i>> {
    let mut found = Vec::new();
    if depth > DEPTH_LIMIT {
        return found;
    }
    for child in node.children().filter(Node::is_element) {
        if named(child, name) {
            found.push(child);
        } else if ["sdt", "sdtContent", "customXml", "ins"].contains(&child.tag_name().name()) {
            found.extend(inside(child, name, depth + 1));
        }
    }
    found
}

/// Runs of blanks as one, tabs and line breaks kept.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_matches(|c: char| c.is_whitespace() || c == '\u{a0}').chars() {
        let c = if c == '\u{a0}' { ' ' } else { c };
        if c == ' ' && out.ends_with([' ', '\t', '\n']) {
            continue;
        }
        out.push(c);
    }
    out
}
