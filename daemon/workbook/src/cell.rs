//! Cells: an amount keeps every digit, and no text is a formula.

use serde::{Deserialize, Serialize};

/// Digits that a spreadsheet keeps of a number; an amount with more is written as text.
pub const DIGITS: usize = 15;
/// What a cell of text may begin with that a spreadsheet would take for a formula.
pub const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// An amount, decimal text with its currency's digits.
    Amount(String),
    /// A whole number.
    Count(i64),
    /// Anything else.
    Text(String),
}

impl Cell {
    /// Text.
    pub fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// Text that may be absent.
    pub fn optional(text: Option<impl ToString>) -> Self {
        Self::Text(text.map(|text| text.to_string()).unwrap_or_default())
    }

    /// What it says, plain.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Amount(text) | Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
        }
    }

    /// As CSV has it: text that a spreadsheet would take for a formula is marked as text.
    #[must_use]
    pub fn csv(&self) -> String {
        match self {
            Self::Amount(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Text(text) if text.starts_with(FORMULA) => format!("'{text}"),
            Self::Text(text) => text.clone(),
        }
    }

    /// The text by which cells are compared.
    #[must_use]
    pub fn compared(&self) -> String {
        match self {
            Self::Amount(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Text(text) => plain(text),
        }
    }
}

/// Text without what a spreadsheet may change on its way: line ends, control characters, spaces around it.
#[must_use]
pub fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let kept: String = text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
    kept.trim().to_owned()
}

/// An amount as the number that a spreadsheet keeps, where it keeps every digit.
#[must_use]
pub fn exact(text: &str) -> Option<f64> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    text.parse::<f64>().ok().filter(|_| digits <= DIGITS)
}

/// Thousands separated, with so many digits behind the point, as a spreadsheet writes the pattern.
#[must_use]
pub fn amount_pattern(decimals: usize) -> String {
    if decimals == 0 { "#,##0".to_owned() } else { format!("#,##0.{}", "0".repeat(decimals)) }
}
