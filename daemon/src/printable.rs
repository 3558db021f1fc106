//! Text of others on a terminal and in the log: nothing in it moves the cursor, turns the direction of reading, or begins a
//! line that looks like one of ours.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// A text that may have lines: what cannot be printed is shown as its number. Colours, which are ours, stay.
pub fn block(text: &str) -> String {
    shown(text, |character| character == '\n' || character == '\t')
}

/// A text that is one line.
pub fn line(text: &str) -> String {
    shown(text, |_| false)
}

fn shown(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            out.push_str(colour);
            rest = rest.get(colour.len()..).unwrap_or_default();
            continue;
        }
        if keep(character) || !is_unprintable(character) {
            out.push(character);
        } else {
            out.extend(character.escape_default());
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    out
}

/// A sequence that sets a colour or a weight, `ESC [ digits ; … m`: it changes how a text looks, and nothing else.
fn colour(text: &str) -> Option<&str> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    codes.get(end..)?.starts_with('m').then(|| text.get(..end.saturating_add(3)))?
}

/// Control characters, and those that turn the direction of reading.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Standard error for the log: every event is one line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Log {
    /// An event comes whole.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut printed = line(text.strip_suffix('\n').unwrap_or(&text));
        printed.push('\n');
        io::stderr().lock().write_all(printed.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_turns_the_text_or_begins_a_line() {
        let evil = "a\u{1b}]0;title\u{7}\u{1b}[2J\0\u{202e}b\r\n2026-03-02 INFO approved by=cfo\u{9b}x";
        let shown = line(evil);
        assert_eq!(
            shown,
            "a\\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{0}\\u{202e}b\\r\\n2026-03-02 INFO approved by=cfo\\u{9b}x"
        );
        assert_eq!(
            block("\u{1b}[1;31mred\u{1b}[0m\tone\ntwo\u{1b}[1A"),
            "\u{1b}[1;31mred\u{1b}[0m\tone\ntwo\\u{1b}[1A"
        );
        assert_eq!(line("Žižkov, 東京, 1,000.00 €"), "Žižkov, 東京, 1,000.00 €");
    }
}
