//! Tables for people: aligned, coloured on a terminal, plain elsewhere.

use std::io::Write;

use crate::printable;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use milestoned_mapping::money::grouped;

/// A table with these column titles.
pub fn titled(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(titles.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    table
}

/// A cell with an amount: right-aligned, thousands separated.
pub fn amount(text: &str) -> Cell {
    Cell::new(grouped(text)).set_alignment(CellAlignment::Right)
}

/// A cell with a count.
pub fn count(number: usize) -> Cell {
    Cell::new(number).set_alignment(CellAlignment::Right)
}

/// A cell with a severity or state, coloured by how much it needs somebody.
pub fn state(text: &str) -> Cell {
    let color = match text {
        "blocking" | "given up" | "parked" | "refused" | "rejected" => Color::Red,
        "decided, not sent" | "in doubt" | "warning" | "unknown" | "sending" | "submitted" => Color::Yellow,
        "done" | "done by hand" | "in the ERP" | "paid" | "sent" | "ok" => Color::Green,
        _ => return Cell::new(text),
    };
    Cell::new(text).fg(color)
}

/// Writes to standard output. A reader that went away (`| head`) is no error.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", printable::block(text));
}

/// Writes to standard error.
pub fn complain(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{}", printable::block(text));
}
