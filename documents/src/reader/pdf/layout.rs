//! Reading order: running heads go, columns are parted, lines become tables and paragraphs, pages are joined.

use std::collections::BTreeMap;

use super::glyphs::{Page, Word};
use super::ruled;
use crate::block::{Block, Passage, Place, Table};
use crate::reader::grid::{self, PrintLine, Segment, Word as Piece, area};
use crate::reader::text::{goes_on, join};

/// A gap between words that parts columns, in hundredths of the line's height.
const COLUMN_GAP: i32 = 120;
/// Half the width of the white strip between two columns of text.
const STRIP: i32 = 500;

/// Blocks of all pages.
pub(super) fn blocks(mut pages: Vec<Page>) -> Vec<Block> {
    drop_running_heads(&mut pages);
    let mut blocks: Vec<Block> = Vec::new();
    for mut page in pages {
        let on_page = page_blocks(&mut page);
        let mut on_page = on_page.into_iter();
        if let Some(first) = on_page.next() {
            append(&mut blocks, first);
        }
        blocks.extend(on_page);
    }
    blocks
}

/// Joins what goes on overleaf: a table with as many columns, a sentence that has not ended.
fn append(blocks: &mut Vec<Block>, first: Block) {
    match (blocks.last_mut(), first) {
        (Some(Block::Table(last)), Block::Table(next)) if width(last) == width(&next) => {
            last.page_breaks.push(u32::try_from(last.rows.len()).unwrap_or(u32::MAX));
            last.lines |= next.lines;
            last.rows.extend(next.rows);
        }
        (Some(Block::Text(last)), Block::Text(next)) if goes_on(&last.text, &next.text) => join(last, &next, true),
        (_, first) => blocks.push(first),
    }
}

fn width(table: &Table) -> u32 {
    table.rows.iter().flatten().map(|cell| cell.column + cell.span).max().unwrap_or(0)
}

/// Lines at the head or foot of pages that come back, with other digits or the same ones.
fn drop_running_heads(pages: &mut [Page]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let edges: Vec<Vec<(i32, i32, String)>> = pages.iter().map(edge_lines).collect();
    for (_, _, text) in edges.iter().flatten() {
        *seen.entry(text.clone()).or_default() += 1;
    }
    let often = 3.max(pages.len() / 4);
    for (page, edges) in pages.iter_mut().zip(edges) {
        for (top, bottom, text) in edges {
            let number = text.chars().all(|c| c == '#' || c == '-' || c.is_whitespace());
            if seen.get(&text).is_some_and(|count| *count >= often) || (number && seen.len() > 1 && seen[&text] > 1) {
                page.words.retain(|word| word.bottom <= top || word.top >= bottom);
            }
        }
    }
}

/// The first two and last two lines of a page, digits as `#`.
fn edge_lines(page: &Page) -> Vec<(i32, i32, String)> {
    let lines = print_lines(page.words.clone(), page.number);
    let count = lines.len();
    let edge = |index: usize| index < 2 || index + 2 >= count;
    lines
        .iter()
        .enumerate()
        .filter(|(index, _)| count > 6 && edge(*index))
        .map(|(_, line)| {
            let text: Vec<String> = line.segments.iter().map(Segment::text).collect();
            let text: String = text
                .join(" ")
                .chars()
                .map(|c| if c.is_ascii_digit() { '#' } else { c })
                .collect::<String>()
                .replace("##", "#")
                .replace("##", "#");
            (line.top, line.bottom, text)
        })
        .collect()
}

fn page_blocks(page: &mut Page) -> Vec<Block> {
    let ruled = ruled::tables(page);
    let words = core::mem::take(&mut page.words);
    let mut regions: Vec<(i32, Vec<Block>)> = Vec::new();
    // What stands beside, above and below each ruled table is read for itself.
    let mut rest = words;
    for table in ruled {
        let (above, below): (Vec<Word>, Vec<Word>) = rest.into_iter().partition(|word| word.bottom <= table.top + 200);
        let (beside, below): (Vec<Word>, Vec<Word>) = below
            .into_iter()
            .partition(|word| word.top < table.bottom && (word.right < table.left || word.left > table.right));
        regions.push((table.top - 1, flow(above, page.number)));
        regions.push((table.top, vec![Block::Table(table.table)]));
        regions.push((table.bottom, flow(beside, page.number)));
        rest = below;
    }
    let mut blocks: Vec<Block> = regions.into_iter().flat_map(|(_, blocks)| blocks).collect();
    blocks.extend(flow(rest, page.number));
    blocks
}

/// Words of a region without ruled tables, column after column.
fn flow(words: Vec<Word>, page: u32) -> Vec<Block> {
    if words.is_empty() {
        return Vec::new();
    }
    match column_run(&words) {
        Some((top, bottom, strip)) => {
            let middle = |word: &Word| i32::midpoint(word.top, word.bottom);
            let (above, rest): (Vec<Word>, Vec<Word>) = words.into_iter().partition(|word| middle(word) < top);
            let (inside, below): (Vec<Word>, Vec<Word>) = rest.into_iter().partition(|word| middle(word) <= bottom);
            let (left, right): (Vec<Word>, Vec<Word>) = inside.into_iter().partition(|word| word.right <= strip);
            let mut blocks = single(&print_lines(above, page));
            for part in [single(&print_lines(left, page)), single(&print_lines(right, page)), flow(below, page)] {
                let mut part = part.into_iter();
                if let Some(first) = part.next() {
                    append(&mut blocks, first);
                }
                blocks.extend(part);
            }
            blocks
        }
        None => single(&print_lines(words, page)),
    }
}

/// Two columns of text: a white strip that many lines keep clear, with dense text at both sides.
fn column_run(words: &[Word]) -> Option<(i32, i32, i32)> {
    let (left, right) = (words.iter().map(|word| word.left).min()?, words.iter().map(|word| word.right).max()?);
    let width = right - left;
    let mut bands: Vec<(i32, i32, Vec<&Word>)> = Vec::new();
    let mut sorted: Vec<&Word> = words.iter().collect();
    sorted.sort_by_key(|word| (i32::midpoint(word.top, word.bottom), word.left));
    for word in sorted {
        let middle = i32::midpoint(word.top, word.bottom);
        match bands.last_mut() {
            Some((_, bottom, band)) if middle <= *bottom => {
                *bottom = (*bottom).max(middle + word.height() / 3);
                band.push(word);
            }
            _ => bands.push((middle, middle + word.height() / 3, vec![word])),
        }
    }
    let mut best: Option<(usize, i32, i32, i32)> = None;
    let mut strip = left + width * 35 / 100;
    while strip < left + width * 65 / 100 {
        let clear = |band: &[&Word]| !band.iter().any(|word| word.left < strip + STRIP && word.right > strip - STRIP);
        let mut from = 0;
        while from < bands.len() {
            let count = bands[from..].iter().take_while(|(_, _, band)| clear(band)).count();
            let run = &bands[from..from + count];
            // Near the middle of the page a table may stand in a column, so that less of it is text; then lines at both sides
            // stand at heights of their own, which the cells of one row do not.
            let central = (strip - left - width / 2).abs() * 100 < width * 6 && count >= 15;
            let least = if central { 36 } else { 55 };
            let parted = |run| {
                dense(run, left, strip, right, least) || (central && independent(run, strip)) || mirrored(run, strip)
            };
            if count >= 10 && best.is_none_or(|(most, ..)| count > most) && parted(run) {
                best = Some((count, run[0].0, run[count - 1].1, strip));
            }
            from += count.max(1);
        }
        strip += 200;
    }
    best.map(|(_, top, bottom, strip)| (top, bottom, strip))
}

/// The same heading stands at both sides: a table that goes on in the second column.
fn mirrored(run: &[(i32, i32, Vec<&Word>)], strip: i32) -> bool {
    let side = |band: &[&Word], first: bool| {
        let mut words: Vec<&Word> = band.iter().filter(|word| (word.right <= strip) == first).copied().collect();
        words.sort_by_key(|word| word.left);
        words.into_iter().map(|word| word.text.clone()).collect::<Vec<_>>()
    };
    run.iter().take(6).any(|(_, _, band)| {
        let left = side(band, true);
        left.len() > 2 && left == side(band, false)
    })
}

/// Most lines at the right stand at other heights than those at the left.
fn independent(run: &[(i32, i32, Vec<&Word>)], strip: i32) -> bool {
    let heights = |first: bool| {
        let words = run.iter().flat_map(|(_, _, band)| band).filter(|word| (word.right <= strip) == first);
        let mut heights: Vec<i32> = words.map(|word| word.bottom).collect();
        heights.sort_unstable();
        heights.dedup_by(|next, last| *next - *last < 100);
        heights
    };
    let (left, right) = (heights(true), heights(false));
    let near = |height: &&i32| left.iter().any(|other| (*other - **height).abs() <= 60);
    left.len() >= 8 && right.len() >= 8 && right.iter().filter(near).count() * 2 < right.len()
}

/// Text fills its column; the cells of a table do not.
fn dense(run: &[(i32, i32, Vec<&Word>)], left: i32, strip: i32, right: i32, least: i64) -> bool {
    let side = |first: bool| {
        let (mut filled, mut lines) = (0_i64, 0_i64);
        for (_, _, band) in run {
            let covered: i64 = band
                .iter()
                .filter(|word| (word.right <= strip) == first)
                .map(|word| i64::from(word.right - word.left))
                .sum();
            if covered > 0 {
                filled += covered;
                lines += 1;
            }
        }
        let room = i64::from(if first { strip - left } else { right - strip }).max(1);
        let count = i64::try_from(run.len()).unwrap_or(i64::MAX);
        // Two thirds of the lines have text at this side, and it covers enough of the room.
        lines * 3 >= count * 2 && filled * 100 > lines * room * least
    };
    side(true) && side(false)
}

/// Lines of print of words, each parted into segments where the gap is wide.
pub(super) fn print_lines(mut words: Vec<Word>, page: u32) -> Vec<PrintLine> {
    words.sort_by_key(|word| (i32::midpoint(word.top, word.bottom), word.left));
    let mut lines: Vec<Vec<Word>> = Vec::new();
    for word in words {
        let middle = i32::midpoint(word.top, word.bottom);
        let fits = |line: &Vec<Word>| {
            line.first().is_some_and(|first| {
                let height = first.height().min(word.height());
                (i32::midpoint(first.top, first.bottom) - middle).abs() * 2 < height
            })
        };
        match lines.last_mut() {
            Some(line) if fits(line) => line.push(word),
            _ => lines.push(vec![word]),
        }
    }
    lines.into_iter().filter_map(|line| print_line(line, page)).collect()
}

fn print_line(mut words: Vec<Word>, page: u32) -> Option<PrintLine> {
    words.sort_by_key(|word| word.left);
    let (top, bottom) = (words.iter().map(|word| word.top).min()?, words.iter().map(|word| word.bottom).max()?);
    let height = words.iter().map(Word::height).max()?;
    let mut segments: Vec<Segment> = Vec::new();
    for word in words {
        let place = Place {
            page: Some(page),
            area: Some(area(word.left, word.top, word.right, word.bottom)),
            ..Place::default()
        };
        let piece = Piece { left: word.left, right: word.right, text: word.text, place };
        if let Some(last) = segments.last_mut().and_then(|segment| segment.words.last_mut())
            && (piece.left - last.right) * 100 < height * 60
            && grouped(&last.text, &piece.text)
        {
            last.text = format!("{} {}", last.text, piece.text);
            last.right = piece.right;
            last.place = last.place.to(piece.place);
            continue;
        }
        match segments.last_mut() {
            Some(last) if (word.left - last.right()) * 100 < height * COLUMN_GAP => last.words.push(piece),
            _ => segments.push(Segment { words: vec![piece] }),
        }
    }
    join_marker(&mut segments);
    Some(PrintLine { top, bottom, segments })
}

/// Whether two words are one number with a blank between its thousands: `42` and `500.00`.
fn grouped(first: &str, next: &str) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let head = first.rsplit(' ').next().unwrap_or(first).trim_start_matches(['$', '€', '£', '(']);
    let (whole, rest) = next.split_at_checked(3).unwrap_or((next, ""));
    (1..=3).contains(&head.len())
        && digits(head)
        && digits(whole)
        && whole.len() == 3
        && (rest.is_empty() || (rest.starts_with([',', '.']) && digits(&rest[1..])))
}

/// A list marker and the text after it are no two columns.
fn join_marker(segments: &mut Vec<Segment>) {
    let marker = |text: &str| {
        text.chars().count() <= 5 && (text.ends_with([')', '.']) || ["•", "-", "–", "o", "▪", "·"].contains(&text))
    };
    if segments.len() == 2 && marker(&segments[0].text()) {
        let second = segments.remove(1);
        segments[0].words.extend(second.words);
    }
}

/// One passage of lines.
pub(super) fn passage(lines: &[PrintLine]) -> Passage {
    let mut passage = Passage::default();
    for line in lines {
        for (index, segment) in line.segments.iter().enumerate() {
            passage.add(if index == 0 { '\n' } else { '\t' }, &segment.text(), segment.place(), false);
        }
    }
    passage
}

/// Tables and paragraphs of one column.
fn single(lines: &[PrintLine]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        let end = table_end(lines, index);
        if end > index
            && let Some(table) = grid::table(&lines[index..end], 200)
        {
            blocks.push(Block::Table(table));
            index = end;
            continue;
        }
        let mut end = index + 1;
        while end < lines.len() && table_end(lines, end) <= end && !parts(&lines[end - 1], &lines[end]) {
            end += 1;
        }
        blocks.push(Block::Text(passage(&lines[index..end])));
        index = end;
    }
    blocks
}

/// Whether a paragraph ends between two lines.
fn parts(above: &PrintLine, below: &PrintLine) -> bool {
    let height = (above.bottom - above.top).min(below.bottom - below.top);
    (below.top - above.bottom) * 100 > height * 45
}

/// Where a table without ruling lines ends that begins here; `from` where none does.
fn table_end(lines: &[PrintLine], from: usize) -> usize {
    let several = |line: &PrintLine| line.segments.len() > 1;
    if !lines.get(from).is_some_and(several) {
        return from;
    }
    let (mut end, mut count) = (from + 1, 1);
    for index in from + 1..lines.len() {
        let (above, line) = (&lines[index - 1], &lines[index]);
        let height = line.bottom - line.top;
        if line.top - above.bottom > height * 4 {
            break;
        }
        if several(line) {
            count += 1;
            end = index + 1;
        } else if !wrapped(&lines[from..end], line) {
            break;
        } else if lines.get(index + 1).is_none_or(|next| !several(next)) && line.top - above.bottom <= height {
            end = index + 1;
        }
    }
    if count >= 2 && end - from >= 2 { end } else { from }
}

/// A line with one segment belongs to the table above it where it begins at one of its columns and is not wider than it.
fn wrapped(table: &[PrintLine], line: &PrintLine) -> bool {
    let Some(only) = line.segments.first() else { return false };
    let parts = || table.iter().flat_map(|line| &line.segments);
    let (left, right) = (parts().map(Segment::left).min().unwrap_or(0), parts().map(Segment::right).max().unwrap_or(0));
    let near = |a: i32, b: i32| (a - b).abs() < 400;
    // At the left edge of a word above, or, as figures are set, at the right edge of a column.
    let aligned = parts().flat_map(|part| &part.words).any(|word| near(word.left, only.left()))
        || parts().any(|part| near(part.right(), only.right()));
    aligned && (only.right() - only.left()) * 100 < (right - left) * 75 && only.right() <= right + 1_000
}
