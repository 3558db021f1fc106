//! Tables for people: aligned, coloured on a terminal, plain elsewhere.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Whether standard output has refused something that was said.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. A reader that went away (`| head`) is no error; any other refusal, such as a full disk, is told
/// once, and the command ends with [`super::OUTPUT_LOST`].
pub fn say(text: &str) {
    let written = writeln!(std::io::stdout().lock(), "{}", printable::block(text));
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        complain(&format!(
            "milestoned: standard output: {error}; what was printed is not whole: make room, and run it again"
        ));
    }
}

/// Whether something that was said could not be written.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes to standard error.
pub fn complain(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{}", printable::block(text));
}
