//! Tables that are set with tabs: paragraphs of one line each whose pieces stand below each other.

use crate::block::{Block, Cell, Passage, Table};

/// Fewest lines of a table, and fewest columns: two columns may be a label and its text.
const LEAST: usize = 3;
/// Longest line of a table, in characters.
const LONGEST: usize = 400;

/// The blocks with runs of lines set with tabs as tables.
pub(crate) fn tables(blocks: Vec<Block>) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::with_capacity(blocks.len());
    let mut run: Vec<Passage> = Vec::new();
    for block in blocks {
        match block {
            Block::Text(passage) if set_with_tabs(&passage) => run.push(passage),
            other => {
                close(&mut out, &mut run);
                out.push(other);
            }
        }
    }
    close(&mut out, &mut run);
    out
}

fn set_with_tabs(passage: &Passage) -> bool {
    !passage.heading && !passage.text.contains('\n') && passage.text.len() < LONGEST && pieces(&passage.text).len() > 1
}

/// Where the pieces of a line stand in it.
fn pieces(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let mut found = Vec::new();
    for piece in text.split('\t') {
        if !piece.trim().is_empty() {
            found.push((at, piece));
        }
        at += piece.len() + 1;
    }
    found
}

/// What was gathered becomes a table where most lines have as many pieces, and stays as it is otherwise.
fn close(out: &mut Vec<Block>, run: &mut Vec<Passage>) {
    let lines = core::mem::take(run);
    let counts: Vec<usize> = lines.iter().map(|line| pieces(&line.text).len()).collect();
    let width = counts.iter().copied().max().unwrap_or(0);
    let full = counts.iter().filter(|count| **count == width).count();
    if lines.len() < LEAST || width < LEAST || full * 10 < lines.len() * 7 {
        return out.extend(lines.into_iter().map(Block::Text));
    }
    let rows = lines.iter().map(|line| row(line, width)).collect();
    out.push(Block::Table(Table { rows, page_breaks: Vec::new(), lines: false }));
}

/// The cells of a line; the last piece of a line with fewer stands in the last column, as totals do.
fn row(line: &Passage, width: usize) -> Vec<Cell> {
    let pieces = pieces(&line.text);
    let last = pieces.len().saturating_sub(1);
    let column = |index: usize| if index == last { width - 1 } else { index };
    let cell = |(index, (at, text)): (usize, &(usize, &str))| {
        let before = |mark: &&crate::block::Mark| usize::try_from(mark.at).unwrap_or(usize::MAX) <= *at;
        let place = line.marks.iter().rev().find(before).map(|mark| mark.place).unwrap_or_default();
        let blocks = vec![Block::Text(Passage::at((*text).trim().to_owned(), place))];
        Cell { column: u32::try_from(column(index)).unwrap_or(0), span: 1, merged_up: false, blocks }
    };
    pieces.iter().enumerate().map(cell).collect()
}
