//! Tables that ruling lines show: each cell is what they enclose.

use super::glyphs::{Page, Rule, Word};
use super::layout::{passage, print_lines};
use crate::block::{Block, Cell, Table};
use crate::reader::grid::number_cells;

/// Lines that are nearer to each other than this are one, in hundredths of a point.
const NEAR: i32 = 250;

/// A ruled table with the space that it takes.
pub(super) struct Ruled {
    pub(super) top: i32,
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
    pub(super) table: Table,
}

fn touch(a: &Rule, b: &Rule) -> bool {
    let (low, high) = (|rule: &Rule| rule.from - NEAR, |rule: &Rule| rule.to + NEAR);
    if a.upright == b.upright {
        (a.at - b.at).abs() <= NEAR && low(a) <= high(b) && low(b) <= high(a)
    } else {
        (low(b)..=high(b)).contains(&a.at) && (low(a)..=high(a)).contains(&b.at)
    }
}

/// Ruling lines that hang together.
fn components(rules: &[Rule]) -> Vec<Vec<Rule>> {
    let mut owner: Vec<usize> = (0..rules.len()).collect();
    fn root(owner: &mut [usize], mut at: usize) -> usize {
        while owner[at] != at {
            owner[at] = owner[owner[at]];
            at = owner[at];
        }
        at
    }
    // A page of a few hundred lines; thousands are a drawing, and drawings are no tables.
    if rules.len() > 3_000 {
        return Vec::new();
    }
    for first in 0..rules.len() {
        for second in first + 1..rules.len() {
            if touch(&rules[first], &rules[second]) {
                let (a, b) = (root(&mut owner, first), root(&mut owner, second));
                owner[a] = b;
            }
        }
    }
    let mut groups: std::collections::BTreeMap<usize, Vec<Rule>> = std::collections::BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        let root = root(&mut owner, index);
        groups.entry(root).or_default().push(*rule);
    }
    groups.into_values().collect()
}

fn distinct(mut values: Vec<i32>) -> Vec<i32> {
    values.sort_unstable();
    let mut kept: Vec<i32> = Vec::new();
    for value in values {
        if kept.last().is_none_or(|last| value - last > NEAR) {
            kept.push(value);
        }
    }
    kept
}

/// Finds ruled tables and takes their words out of the page.
pub(super) fn tables(page: &mut Page) -> Vec<Ruled> {
    let mut found = Vec::new();
    for group in components(&page.rules) {
        let edges =
            |upright: bool| distinct(group.iter().filter(|rule| rule.upright == upright).map(|rule| rule.at).collect());
        let (columns, rows) = (edges(true), edges(false));
        if columns.len() < 3 || rows.len() < 3 {
            continue;
        }
        let inside = |word: &Word| {
            let (x, y) = (i32::midpoint(word.left, word.right), i32::midpoint(word.top, word.bottom));
            x > columns[0] && x < columns[columns.len() - 1] && y > rows[0] && y < rows[rows.len() - 1]
        };
        let (words, rest): (Vec<Word>, Vec<Word>) = page.words.drain(..).partition(inside);
        page.words = rest;
        if words.is_empty() {
            continue;
        }
        let table = cells(&group, &columns, &rows, &words, page.number);
        found.push(Ruled {
            top: rows[0],
            left: columns[0],
            right: columns[columns.len() - 1],
            bottom: rows[rows.len() - 1],
            table,
        });
    }
    found.sort_by_key(|ruled| (ruled.top, ruled.left));
    found
}

/// Whether a ruling line parts two neighbours.
fn parted(group: &[Rule], upright: bool, at: i32, from: i32, to: i32) -> bool {
    let middle = i32::midpoint(from, to);
    group.iter().any(|rule| {
        rule.upright == upright
            && (rule.at - at).abs() <= NEAR
            && rule.from - NEAR <= middle
            && middle <= rule.to + NEAR
    })
}

fn cells(group: &[Rule], columns: &[i32], rows: &[i32], words: &[Word], page: u32) -> Table {
    let mut table = Table::default();
    for (row, bounds) in rows.windows(2).enumerate() {
        let mut line: Vec<Cell> = Vec::new();
        let mut column = 0;
        while column + 1 < columns.len() {
            let mut last = column + 1;
            while last + 1 < columns.len() && !parted(group, true, columns[last], bounds[0], bounds[1]) {
                last += 1;
            }
            let (left, right) = (columns[column], columns[last]);
            let merged_up = row > 0 && !parted(group, false, bounds[0], left, right);
            let inside: Vec<Word> = words
                .iter()
                .filter(|word| {
                    let (x, y) = (i32::midpoint(word.left, word.right), i32::midpoint(word.top, word.bottom));
                    (left..right).contains(&x) && (bounds[0]..bounds[1]).contains(&y)
                })
                .cloned()
                .collect();
            let text = passage(&print_lines(inside, page));
            let blocks = if text.text.is_empty() { Vec::new() } else { vec![Block::Text(text)] };
            let span = u32::try_from(last - column).unwrap_or(1);
            line.push(Cell { column: u32::try_from(column).unwrap_or(0), span, merged_up, blocks });
            column = last;
        }
        number_cells(&mut line, table.rows.len());
        table.rows.push(line);
    }
    table
}
