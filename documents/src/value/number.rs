//! Numbers in digits: thousands and decimals as several countries write them.

use rust_decimal::Decimal;

/// Which sign parts decimals in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalMark {
    /// `1,234.56`
    Point,
    /// `1.234,56`
    Comma,
    /// Nothing in the document says which.
    #[default]
    Unknown,
}

/// Why digits are not taken as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// `1.234` may be one and a bit, or a thousand and something.
    Ambiguous,
    /// Groups of digits have odd lengths, as in `1,23,4`.
    Malformed,
}

impl DecimalMark {
    /// What the amounts of a text tell.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
        let grouped = |index: usize, other: u8| {
            index > 3
                && (1..=3).all(|back| digit(index - back))
                && bytes.get(index - 4) == Some(&other)
                && digit(index + 1)
                && digit(index + 2)
                && !digit(index + 3)
        };
        let thousands = |index: usize| {
            index > 0 && digit(index - 1) && (1..=3).all(|ahead| digit(index + ahead)) && !digit(index + 4)
        };
        let (mut point, mut comma) = (0, 0);
        for (index, byte) in bytes.iter().enumerate() {
            match byte {
                b'.' if grouped(index, b',') => point += 2,
                b',' if grouped(index, b'.') => comma += 2,
                b',' if thousands(index) => point += 1,
                _ => {}
            }
        }
        // `12.345,67` also has a comma before two digits only, so it never counts for the point.
        match (point, comma) {
            (0, 0) => Self::Unknown,
            (point, comma) if point > comma => Self::Point,
            (point, comma) if comma > point => Self::Comma,
            _ => Self::Unknown,
        }
    }
}

/// Reads digits with separators, such as `1,234.56`, `1.234,56`, `1 234,56`, `1'234.56` and `12,34,567`.
///
/// # Errors
/// The separators are ambiguous or no number is written like that.
pub fn decimal(text: &str, mark: DecimalMark) -> Result<Decimal, Unreadable> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '’' | '\u{a0}')).collect();
    let (points, commas) = (compact.matches('.').count(), compact.matches(',').count());
    let decimals = |sign: char| compact.rsplit(sign).next().map_or(0, str::len);
    let whole_only = |sign: char| grouped(&compact, sign).then(|| compact.replace(sign, ""));
    let plain = match (points, commas) {
        (0, 0) => Some(compact.clone()),
        (1, 0) if decimals('.') == 3 && !compact.starts_with("0.") => match mark {
            DecimalMark::Comma => whole_only('.'),
            DecimalMark::Point | DecimalMark::Unknown => return Err(Unreadable::Ambiguous),
        },
        (1, 0) => Some(compact.clone()),
        (0, 1) if decimals(',') == 3 && !compact.starts_with("0,") => match mark {
            DecimalMark::Comma => return Err(Unreadable::Ambiguous),
            DecimalMark::Point | DecimalMark::Unknown => whole_only(','),
        },
        (0, 1) => Some(compact.replace(',', ".")),
        (_, 0) => whole_only('.'),
        (0, _) => whole_only(','),
        (1, _) if compact.rfind('.') > compact.rfind(',') => parted(&compact, '.', ','),
        (_, 1) if compact.rfind(',') > compact.rfind('.') => parted(&compact, ',', '.'),
        _ => None,
    };
    plain.and_then(|plain| plain.parse().ok()).ok_or(Unreadable::Malformed)
}

fn parted(text: &str, decimal: char, thousands: char) -> Option<String> {
    let (whole, decimals) = text.rsplit_once(decimal)?;
    (grouped(whole, thousands) && decimals.len() <= 4).then(|| format!("{}.{decimals}", whole.replace(thousands, "")))
}

/// Groups of three; of two before the last one where the first signs that India's way is meant.
fn grouped(text: &str, sign: char) -> bool {
    let groups: Vec<&str> = text.split(sign).collect();
    let Some((first, rest)) = groups.split_first() else { return false };
    let Some((last, middle)) = rest.split_last() else { return true };
    (1..=3).contains(&first.len())
        && last.len() == 3
        && (middle.iter().all(|group| group.len() == 3)
            || (!middle.is_empty() && first.len() <= 2 && middle.iter().all(|group| group.len() == 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_and_decimals_of_several_countries_are_read() {
        for (written, mark, expected) in [
            ("17,600,000.00", DecimalMark::Unknown, "17600000.00"),
            ("1.234.567,89", DecimalMark::Unknown, "1234567.89"),
            ("1 234 567,89", DecimalMark::Unknown, "1234567.89"),
            ("1'234'567.89", DecimalMark::Unknown, "1234567.89"),
            ("12,34,567.00", DecimalMark::Unknown, "1234567.00"),
            ("12.500", DecimalMark::Comma, "12500"),
            ("12,500", DecimalMark::Unknown, "12500"),
            ("12,5", DecimalMark::Unknown, "12.5"),
            ("0.125", DecimalMark::Unknown, "0.125"),
        ] {
            assert_eq!(decimal(written, mark), Ok(expected.parse().unwrap()), "{written}");
        }
        assert_eq!(decimal("12.500", DecimalMark::Unknown), Err(Unreadable::Ambiguous));
        assert_eq!(decimal("12,500", DecimalMark::Comma), Err(Unreadable::Ambiguous));
        assert_eq!(decimal("1,23,4", DecimalMark::Unknown), Err(Unreadable::Malformed));
    }

    #[test]
    fn a_document_shows_its_decimal_mark() {
        assert_eq!(DecimalMark::of("a sum of 1.234,56 and 3.000"), DecimalMark::Comma);
        assert_eq!(DecimalMark::of("a sum of 1,234.56 and 3,000"), DecimalMark::Point);
        assert_eq!(DecimalMark::of("a sum of 12"), DecimalMark::Unknown);
    }
}
