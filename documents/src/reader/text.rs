//! Plain text: pages, running heads, paragraphs, and tables that are set with blanks.

use std::collections::BTreeMap;

use super::grid::{self, PrintLine, Segment, Word};
use crate::block::{Block, Document, Format, Passage, Place};
use crate::value::{Pattern, found, pattern};

/// Width of one character and height of one line, in the unit of the grid.
const CELL: i32 = 100;

static PAGE: Pattern =
    pattern!(r"(?i)^\s*(?:<PAGE>\s*\d*|-\s*\d{1,3}\s*-|page\s+\d{1,3}(?:\s+of\s+\d{1,3})?|\[page\s*\d*\])\s*$");
static TAG: Pattern = pattern!(r"(?i)^\s*</?(?:TABLE|CAPTION|S|C|FN|F\d)>(?:\s*<C>)*\s*$");
static NUMBER: Pattern = pattern!(r"^\s*\d{1,3}\s*$");
static ITEM: Pattern = pattern!(r"^\(?\d{1,2}[.)]\s+\S");
static MARKER: Pattern = pattern!(r"^(?:\(?[a-zA-Z0-9]{1,5}[.)]|\d{1,3}(?:\.\d{1,3})*\.?|[o•·*–-]|[A-Z]{1,3}\.)$");

/// Bytes as text: UTF-8, UTF-16 with a mark, else Windows-1252.
pub(crate) fn decoded(bytes: &[u8]) -> String {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return String::from_utf8_lossy(rest).into_owned();
    }
    let wide = |swap: bool| {
        let units: Vec<u16> = bytes[2..]
            .chunks_exact(2)
            .map(
                |pair| {
                    if swap { u16::from_be_bytes([pair[0], pair[1]]) } else { u16::from_le_bytes([pair[0], pair[1]]) }
                },
            )
            .collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(false),
        [0xfe, 0xff, ..] => wide(true),
        _ => core::str::from_utf8(bytes)
            .map_or_else(|_| bytes.iter().map(|byte| western(*byte)).collect(), str::to_owned),
    }
}

fn western(byte: u8) -> char {
    match byte {
        0x80 => '€',
        0x85 => '…',
        0x91 => '‘',
        0x92 => '’',
        0x93 => '“',
        0x94 => '”',
        0x95 => '•',
        0x96 => '–',
        0x97 => '—',
        other => char::from(other),
    }
}

struct Line<'a> {
    number: u32,
    page: u32,
    raw: &'a str,
    /// No text of the contract: page number, running head, tag.
    artefact: bool,
}

/// Reads plain text.
pub(crate) fn read(bytes: &[u8]) -> Document {
    let text = decoded(bytes);
    let lines = lines(&text);
    let pages = lines.last().map(|line| line.page).filter(|pages| *pages > 1);
    let mut blocks: Vec<Block> = Vec::new();
    let mut index = 0;
    let mut seam = false;
    while index < lines.len() {
        let line = &lines[index];
        if line.artefact {
            seam = true;
            index += 1;
            continue;
        }
        if line.raw.trim().is_empty() {
            index += 1;
            continue;
        }
        if let Some(end) = set_table(&lines, index)
            && let Some(table) = grid_of(&lines[index..end])
        {
            blocks.push(Block::Table(table));
            index = end;
            continue;
        }
        let end =
            index + lines[index..].iter().take_while(|line| !line.artefact && !line.raw.trim().is_empty()).count();
        let end = (index + 1..end).find(|at| set_table(&lines, *at).is_some()).unwrap_or(end);
        add_paragraph(&mut blocks, &lines[index..end], seam);
        seam = false;
        index = end;
    }
    Document { format: Format::Text, pages, blocks, remarks: Vec::new(), sizes: Vec::new(), source: None }
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut page = 1;
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (index, raw) in text.split('\n').enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let raw = raw.trim_end_matches('\r');
        let feeds = u32::try_from(raw.matches('\u{c}').count()).unwrap_or(0);
        let marks = found(&PAGE, raw);
        // "Page 3" closes a page or opens one; only `<PAGE>` and form feeds are counted.
        page += feeds + u32::from(raw.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("<page>")));
        lines.push(Line { number, page, raw: raw.trim_matches('\u{c}'), artefact: marks || found(&TAG, raw) });
    }
    mark_running_heads(&mut lines);
    mark_page_numbers(&mut lines);
    lines
}

/// Lines without digits that come back all over the text are running heads.
fn mark_running_heads(lines: &mut [Line<'_>]) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines.iter() {
        *seen.entry(line.raw.trim()).or_default() += 1;
    }
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
    let running: Vec<&str> = seen
        .into_iter()
        .filter(|(text, count)| {
            *count >= 8
                && letters(text) >= 10
                && !text.contains(|c: char| c.is_ascii_digit() || c == '%')
                && !text.chars().any(char::is_lowercase)
        })
        .map(|(text, _)| text)
        .collect();
    let heads: Vec<usize> =
        (0..lines.len()).filter(|index| running.binary_search(&lines[*index].raw.trim()).is_ok()).collect();
    for index in heads {
        lines[index].artefact = true;
        // What encloses the head: stars above it, a page number below it.
        for near in index.saturating_sub(3)..(index + 4).min(lines.len()) {
            let text = lines[near].raw.trim();
            if text == "***" || found(&NUMBER, text) {
                lines[near].artefact = true;
            }
        }
    }
}

/// A number alone next to a page break, or between many empty lines and one more than the one before.
fn mark_page_numbers(lines: &mut [Line<'_>]) {
    let empty = |line: &Line<'_>| line.raw.trim().is_empty();
    let mut last: Option<u32> = None;
    for index in 0..lines.len() {
        if lines[index].artefact || !found(&NUMBER, lines[index].raw) {
            continue;
        }
        let value: Option<u32> = lines[index].raw.trim().parse().ok();
        let before = lines[..index].iter().rev().take_while(|line| empty(line)).count();
        let after = lines[index + 1..].iter().take_while(|line| empty(line)).count();
        let breaks =
            |at: Option<&Line<'_>>| at.is_some_and(|line| line.artefact && line.raw.to_uppercase().contains("PAGE"));
        let at_break =
            breaks(lines.get(index + 1 + after)) || breaks(index.checked_sub(before + 1).and_then(|at| lines.get(at)));
        let turned = lines.get(index + 1 + after).is_some_and(|next| next.page > lines[index].page);
        let alone = before >= 2 && after >= 4;
        let follows = last.zip(value).is_some_and(|(last, value)| value == last + 1);
        if at_break || turned || (alone && (follows || last.is_none() && value.is_some_and(|value| value <= 3))) {
            lines[index].artefact = true;
            last = value;
        }
    }
}

/// A line's text as a passage has it: a gap of tabs or hard blanks is a tab, other white space one blank.
fn piece(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut gap = String::new();
    for c in raw.trim_matches(|c: char| c.is_whitespace() || c == '\u{a0}').chars() {
        if c.is_whitespace() || c == '\u{a0}' {
            gap.push(c);
            continue;
        }
        if !gap.is_empty() {
            let wide = gap.contains('\t') || (gap.chars().count() > 1 && gap.contains('\u{a0}'));
            out.push(if wide { '\t' } else { ' ' });
            gap.clear();
        }
        out.push(c);
    }
    out
}

fn place(line: &Line<'_>) -> Place {
    Place { page: (line.page > 1).then_some(line.page), line: Some(line.number), ..Place::default() }
}

fn add_paragraph(blocks: &mut Vec<Block>, lines: &[Line<'_>], seam: bool) {
    let mut passage = Passage::default();
    for line in lines {
        passage.add('\n', &piece(line.raw), place(line), false);
    }
    if passage.text.is_empty() {
        return;
    }
    if let Some(Block::Text(last)) = blocks.last_mut()
        && goes_on(&last.text, &passage.text)
    {
        join(last, &passage, seam);
        return;
    }
    blocks.push(Block::Text(passage));
}

/// Appends a passage to the one before it.
pub(crate) fn join(last: &mut Passage, next: &Passage, seam: bool) {
    last.text.push('\n');
    let offset = u32::try_from(last.text.len()).unwrap_or(u32::MAX);
    for (index, mark) in next.marks.iter().enumerate() {
        let mut mark = *mark;
        mark.at = mark.at.saturating_add(offset);
        mark.seam |= seam && index == 0;
        last.marks.push(mark);
    }
    last.text.push_str(&next.text);
}

/// Whether a sentence goes on after a gap: it has not ended, and what comes begins in lower case, or a marker stands alone.
pub(crate) fn goes_on(last: &str, next: &str) -> bool {
    let tail = last.rsplit(['\n', '\t']).next().unwrap_or(last).trim();
    let open = !last.trim_end().ends_with(['.', ':', ';', '!', '?', '”', '"', ')']);
    let lower = next.chars().next().is_some_and(char::is_lowercase);
    // "o  Complete erection" is a bullet.
    let bullet = next.starts_with("o ") || next.starts_with("o\t");
    let lone_marker = found(&MARKER, tail) && tail == last.trim() && !found(&NUMBER, tail) && !found(&MARKER, next);
    (open && lower && !bullet) || lone_marker
}

/// An amount or percent that closes a line.
static CLOSING: Pattern = pattern!(
    r"(?i)^\s*(?:US|CA|AU)?\s?[$€£¥₹]?\s?\d[\d,.'’ ]*(?:%|k|m|million|thousand|lakhs?|crores?|USD|EUR|GBP)?\s*$"
);

/// Most blanks between the marker of a list and its text.
const MARKER_GAP: usize = 12;

/// Segments of a line: parted by three blanks or more, or by two before a figure that closes the line, but not after a marker
/// that opens the line.
fn segments(line: &Line<'_>) -> Vec<(usize, usize, String)> {
    let chars: Vec<char> = line.raw.chars().map(|c| if c == '\u{a0}' { ' ' } else { c }).collect();
    let mut parts: Vec<(usize, usize, String)> = Vec::new();
    let mut index = 0;
    while index < chars.len() {
        if chars[index].is_whitespace() {
            index += 1;
            continue;
        }
        let start = index;
        let mut end = index;
        while index < chars.len() {
            let blanks = chars[index..].iter().take_while(|c| c.is_whitespace()).count();
            let figure = || found(&CLOSING, &chars[index..].iter().collect::<String>());
            if blanks >= 3 || index + blanks >= chars.len() || (blanks == 2 && figure()) {
                break;
            }
            index += blanks.max(1);
            end = index;
        }
        let end = end.max(start + 1).min(chars.len());
        let text: String = chars[start..end].iter().collect();
        parts.push((start, end, piece(&text)));
        index = end;
    }
    // "No." far from the next word is the heading of a column.
    let near = parts.len() == 2 && parts[1].0.saturating_sub(parts[0].1) <= MARKER_GAP;
    if near && found(&MARKER, &parts[0].2) {
        let marker = parts.remove(0);
        parts[0] = (marker.0, parts[0].1, format!("{} {}", marker.2, parts[0].2));
    }
    parts
}

/// A line with two texts, such as a title and a number, right above a table with more columns and parted from it.
fn is_letterhead(lines: &[Line<'_>], at: usize) -> bool {
    let empty = |line: &&Line<'_>| line.raw.trim().is_empty();
    let blank = lines.get(at + 1).is_some_and(|next| empty(&next));
    let below = lines[at + 1..].iter().find(|line| !empty(line));
    blank && below.is_some_and(|below| segments(&lines[at]).len() * 2 <= segments(below).len())
}

/// None of the next four lines with text has columns: the head of a letter, not that of a table.
fn stands_alone(below: &[Line<'_>], wide: impl Fn(&Line<'_>) -> bool) -> bool {
    let mut next = below.iter().filter(|line| !line.raw.trim().is_empty()).take(4).peekable();
    next.peek().is_some() && !next.any(wide)
}

/// Where a table that is set with blanks ends, if one begins here.
fn set_table(lines: &[Line<'_>], from: usize) -> Option<usize> {
    let wide = |line: &Line<'_>| {
        !line.raw.contains(['\t', '\u{a0}']) && segments(line).len() > 1 && !line.raw.contains("....")
    };
    let first = lines.get(from)?;
    // The first row of a page may begin above the line with its amount.
    let begins = |at: usize| found(&ITEM, lines[at].raw.trim_start()) && lines.get(at + 1).is_some_and(wide);
    if !(wide(first) || begins(from)) || is_letterhead(lines, from) || stands_alone(&lines[from + 1..], wide) {
        return None;
    }
    let (mut end, mut count, mut skipped) = (from + 1, usize::from(wide(first)), 0);
    for (index, line) in lines.iter().enumerate().skip(from + 1) {
        if line.artefact {
            break;
        }
        if line.raw.trim().is_empty() {
            skipped += 1;
            if skipped > 2 {
                break;
            }
            continue;
        }
        if wide(line) {
            count += 1;
            skipped = 0;
            end = index + 1;
        } else {
            // A wrapped cell stands alone in its line, indented or short; a sentence from margin to margin ends the table.
            let alone = segments(line);
            // "4. 8% Complete NC cutting of …" above the line with its amount is a row that begins.
            let long = alone.first().is_some_and(|(_, _, text)| text.chars().count() > 60) && !begins(index);
            if long || skipped > 1 {
                break;
            }
            skipped = 0;
            if lines.get(index + 1).is_some_and(wide) || lines.get(index + 2).is_some_and(wide) {
                end = index + 1;
            }
        }
    }
    // Most lines of a table have several columns.
    let filled = lines[from..end].iter().filter(|line| !line.raw.trim().is_empty()).count();
    // The last rows overleaf may be two, with their numbers.
    let least = if found(&ITEM, first.raw.trim_start()) { 2 } else { 3 };
    (count >= least && count * 2 >= filled).then_some(end)
}

/// Columns that a line of dashes under the heading shows: `-----  ----------  ------`.
fn dashed_columns(lines: &[Line<'_>]) -> Option<Vec<(usize, usize)>> {
    lines.iter().filter(|line| is_rule(line)).find_map(|line| {
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for (at, _) in line.raw.chars().enumerate().filter(|(_, c)| matches!(c, '-' | '=' | '_')) {
            match groups.last_mut() {
                Some(last) if last.1 == at => last.1 = at + 1,
                _ => groups.push((at, at + 1)),
            }
        }
        if groups.len() < 2 || groups.iter().any(|(from, to)| to - from < 2) {
            return None;
        }
        // Dashes under the words of the heading alone show columns where no line has text across their left edges.
        if groups.windows(2).any(|pair| pair[1].0 - pair[0].1 > 4) {
            let clear = |at: usize| {
                lines
                    .iter()
                    .filter(|line| !is_rule(line))
                    .all(|line| line.raw.chars().nth(at.saturating_sub(1)).is_none_or(char::is_whitespace))
            };
            if !groups.iter().skip(1).all(|(from, _)| clear(*from)) {
                return None;
            }
            for index in 1..groups.len() {
                groups[index - 1].1 = groups[index].0 - 1;
            }
        }
        Some(groups)
    })
}

/// A line of dashes.
fn is_rule(line: &Line<'_>) -> bool {
    let text = line.raw.trim();
    !text.is_empty() && text.chars().all(|c| matches!(c, '-' | '=' | '_' | ' ' | '+' | '|'))
}

/// The words of a line in the columns that dashes show, neighbours in one column together.
fn dashed_segments(line: &Line<'_>, columns: &[(usize, usize)]) -> Vec<(usize, usize, String)> {
    let chars: Vec<char> = line.raw.chars().collect();
    let mut parts: Vec<(usize, (usize, usize, String))> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at].is_whitespace() || chars[at] == '\u{a0}' {
            at += 1;
            continue;
        }
        let end = at + chars[at..].iter().take_while(|c| !c.is_whitespace() && **c != '\u{a0}').count();
        let middle = usize::midpoint(at, end);
        let away = |(from, to): (usize, usize)| from.saturating_sub(middle).max(middle.saturating_sub(to));
        let column = (0..columns.len()).min_by_key(|index| away(columns[*index])).unwrap_or(0);
        let word: String = chars[at..end].iter().collect();
        match parts.last_mut() {
            Some((last, part)) if *last == column => {
                part.1 = end;
                part.2 = format!("{} {word}", part.2);
            }
            _ => parts.push((column, (columns[column].0, end, word))),
        }
        at = end;
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

fn grid_of(lines: &[Line<'_>]) -> Option<crate::block::Table> {
    let mut print = Vec::new();
    let x = |at: usize| i32::try_from(at).unwrap_or(0).saturating_mul(CELL);
    let dashed = dashed_columns(lines);
    let mut rules = 0;
    for line in lines.iter().filter(|line| !line.raw.trim().is_empty()) {
        // A line of dashes takes no space: it would look like a gap between rows.
        if is_rule(line) {
            rules += 1;
            continue;
        }
        let top = i32::try_from(line.number).unwrap_or(0).saturating_sub(rules).saturating_mul(CELL);
        let parts = dashed.as_ref().map_or_else(|| segments(line), |columns| dashed_segments(line, columns));
        let segments = parts
            .into_iter()
            .map(|(start, end, text)| Segment {
                words: vec![Word { left: x(start), right: x(end), text, place: place(line) }],
            })
            .collect();
        print.push(PrintLine { top, bottom: top + CELL / 2, segments });
    }
    match dashed {
        Some(columns) => {
            let columns: Vec<(i32, i32)> = columns.into_iter().map(|(from, to)| (x(from), x(to))).collect();
            grid::table_of(&print, &columns)
        }
        None => grid::table(&print, CELL).or_else(|| grid::paired(&print, |text| found(&CLOSING, text))),
    }
}
