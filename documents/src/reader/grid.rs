//! Tables that only the position of words shows: columns by the gaps between them, rows by the gaps between lines.

use crate::block::{Area, Block, Cell, Passage, Place, Table};

/// Width of the strips in which words are counted to find the gaps between columns.
const BIN: i32 = 50;

/// A word with its left and right edge.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) left: i32,
    pub(crate) right: i32,
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// Words that stand together in one line.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) words: Vec<Word>,
}

impl Segment {
    pub(crate) fn left(&self) -> i32 {
        self.words.first().map_or(0, |word| word.left)
    }

    pub(crate) fn right(&self) -> i32 {
        self.words.last().map_or(0, |word| word.right)
    }

    pub(crate) fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn place(&self) -> Place {
        let first = self.words.first().map(|word| word.place).unwrap_or_default();
        self.words.iter().fold(first, |sum, word| sum.to(word.place))
    }
}

/// One line of print.
#[derive(Debug, Clone)]
pub(crate) struct PrintLine {
    /// Distance from the top of the page, or from the beginning of the file.
    pub(crate) top: i32,
    pub(crate) bottom: i32,
    pub(crate) segments: Vec<Segment>,
}

/// Edges of the columns, from left to right: they are parted where nearly no line has a word.
fn columns(lines: &[PrintLine], gutter: i32) -> Vec<(i32, i32)> {
    let words: Vec<(usize, &Word)> = lines
        .iter()
        .enumerate()
        .flat_map(|(line, content)| {
            content.segments.iter().flat_map(move |part| part.words.iter().map(move |word| (line, word)))
        })
        .collect();
    let (Some(left), Some(right)) =
        (words.iter().map(|(_, word)| word.left).min(), words.iter().map(|(_, word)| word.right).max())
    else {
        return Vec::new();
    };
    let bins = usize::try_from((right - left) / BIN + 1).unwrap_or(0).min(20_000);
    let mut covered = vec![0_usize; bins];
    let mut last = vec![usize::MAX; bins];
    for (line, word) in words {
        let bin = |x: i32| usize::try_from((x - left) / BIN).unwrap_or(0).min(bins - 1);
        for at in bin(word.left)..=bin(word.right) {
            if last[at] != line {
                last[at] = line;
                covered[at] += 1;
            }
        }
    }
    // Few lines show gaps between words by chance; those of columns are wider.
    let least = match lines.len() {
        0..4 => gutter * 3,
        4..8 => gutter * 2,
        _ => gutter,
    };
    let few = lines.len() / 12;
    let mut columns: Vec<(i32, i32)> = Vec::new();
    for (at, count) in covered.iter().enumerate() {
        if *count <= few {
            continue;
        }
        let (from, to) = (left + i32::try_from(at).unwrap_or(0) * BIN, left + i32::try_from(at + 1).unwrap_or(0) * BIN);
        match columns.last_mut() {
            Some(last) if from - last.1 < least => last.1 = to,
            _ => columns.push((from, to)),
        }
    }
    columns
}

/// The column that a word stands in: the last one that begins at or before it.
fn column_of(word: &Word, columns: &[(i32, i32)]) -> usize {
    columns.iter().rposition(|(left, _)| *left <= word.left + BIN * 3).unwrap_or(0)
}

/// Whether the gaps between lines show rows: some are clearly larger than those inside a row.
fn row_starts(lines: &[PrintLine]) -> Option<Vec<bool>> {
    let gaps: Vec<i32> = lines.windows(2).map(|pair| pair[1].top - pair[0].bottom).collect();
    let pitch: Vec<i32> = lines.windows(2).map(|pair| pair[1].top - pair[0].top).collect();
    let least = *pitch.iter().min()?;
    let large = |index: usize| pitch[index] * 100 > least * 125 && gaps[index] > 0;
    let count = (0..gaps.len()).filter(|index| large(*index)).count();
    // All alike, or nearly nothing between: the gaps tell nothing.
    if count == 0 || count == gaps.len() {
        return None;
    }
    Some(core::iter::once(true).chain((0..gaps.len()).map(large)).collect())
}

/// Whether rows that gaps show would have several figures at their right end: then each line is a row, and the gap only parts the
/// heading from them.
fn hides_rows(lines: &[PrintLine], starts: &[bool]) -> bool {
    let figure = |line: &PrintLine| {
        let last = line.segments.last().filter(|_| line.segments.len() > 1).map(Segment::text).unwrap_or_default();
        let digits = last.chars().filter(char::is_ascii_digit).count();
        digits > 0 && digits * 2 >= last.chars().filter(|c| c.is_alphanumeric()).count()
    };
    let mut figures = 0;
    for (line, starts) in lines.iter().zip(starts) {
        figures = if *starts { 0 } else { figures } + usize::from(figure(line));
        if figures > 2 {
            return true;
        }
    }
    false
}

/// Makes a table of lines; nothing where they show fewer than two columns.
pub(crate) fn table(lines: &[PrintLine], gutter: i32) -> Option<Table> {
    table_of(lines, &columns(lines, gutter))
}

/// Makes a table of lines that are each a text and a figure at its right end, where the figures do not stand below each other;
/// nothing where some line is otherwise.
pub(crate) fn paired(lines: &[PrintLine], figure: impl Fn(&str) -> bool) -> Option<Table> {
    let pairs = lines.iter().filter(|line| line.segments.len() == 2).count();
    let fits = |line: &PrintLine| match line.segments.as_slice() {
        [_] => true,
        [_, last] => figure(&last.text()),
        _ => false,
    };
    if pairs < 3 || pairs * 10 < lines.len() * 8 || !lines.iter().all(fits) {
        return None;
    }
    let cell = |(column, segment): (u32, &Segment)| Cell {
        column,
        span: 1,
        merged_up: false,
        blocks: vec![Block::Text(Passage::at(segment.text(), segment.place()))],
    };
    let mut rows: Vec<Vec<Cell>> = lines.iter().map(|line| (0..).zip(&line.segments).map(cell).collect()).collect();
    rows.iter_mut().enumerate().for_each(|(number, row)| number_cells(row, number));
    Some(Table { rows, page_breaks: Vec::new(), lines: true })
}

/// Makes a table of lines whose columns are known; nothing where there are fewer than two.
pub(crate) fn table_of(lines: &[PrintLine], columns: &[(i32, i32)]) -> Option<Table> {
    if columns.len() < 2 {
        return None;
    }
    let starts = row_starts(lines).filter(|starts| !hides_rows(lines, starts));
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let fresh = starts.as_ref().is_none_or(|starts| starts.get(index).copied().unwrap_or(true));
        if fresh || rows.is_empty() {
            rows.push(Vec::new());
        }
        let Some(row) = rows.last_mut() else { continue };
        for segment in &line.segments {
            place_segment(row, segment, columns);
        }
    }
    for (number, row) in rows.iter_mut().enumerate() {
        row.sort_by_key(|cell| cell.column);
        number_cells(row, number);
    }
    Some(Table { rows, page_breaks: Vec::new(), lines: starts.is_none() })
}

/// Puts a segment's words into their columns.
fn place_segment(row: &mut Vec<Cell>, segment: &Segment, columns: &[(i32, i32)]) {
    let mut parts: Vec<(usize, Segment)> = Vec::new();
    for word in &segment.words {
        let column = column_of(word, columns);
        match parts.last_mut() {
            Some((last, part)) if *last == column => part.words.push(word.clone()),
            _ => parts.push((column, Segment { words: vec![word.clone()] })),
        }
    }
    for (column, part) in parts {
        let column = u32::try_from(column).unwrap_or(0);
        if let Some(Cell { blocks, .. }) = row.iter_mut().find(|cell| cell.column == column) {
            if let Some(Block::Text(passage)) = blocks.first_mut() {
                // In a text file the other columns stand between the lines of a cell.
                let seam = part.place().line.is_some();
                passage.add('\n', &part.text(), part.place(), seam);
            }
            continue;
        }
        let blocks = vec![Block::Text(Passage::at(part.text(), part.place()))];
        row.push(Cell { column, span: 1, merged_up: false, blocks });
    }
}

/// Notes row and column in the places of a row's cells.
pub(crate) fn number_cells(row: &mut [Cell], number: usize) {
    for cell in row {
        let column = Some(cell.column + 1);
        for block in &mut cell.blocks {
            if let Block::Text(passage) = block {
                for mark in &mut passage.marks {
                    mark.place.row = u32::try_from(number + 1).ok();
                    mark.place.column = column;
                }
            }
        }
    }
}

/// The rectangle of a segment on its page.
pub(crate) fn area(left: i32, top: i32, right: i32, bottom: i32) -> Area {
    Area { left, top, right, bottom }
}
