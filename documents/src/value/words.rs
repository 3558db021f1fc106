//! Numbers in words, as contracts write them beside the digits.

use core::ops::Range;

use rust_decimal::Decimal;

/// A number in words, and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelled {
    /// Where the words stand.
    pub range: Range<usize>,
    /// What they say; nothing where no number is spelled like that.
    pub value: Option<Decimal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Below one hundred.
    Small(u64),
    Hundred,
    /// Thousand, million, billion.
    Scale(u64),
    And,
    Currency,
    Cent,
    /// `00/100`
    Fraction(u64),
    /// `only`, `the sum of` and the like say nothing.
    Filler,
}

const SMALL: [(&str, u64); 29] = [
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fourty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
];

fn word(token: &str) -> Option<Word> {
    let token = token.to_lowercase();
    let token = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    if let Some((_, value)) = SMALL.iter().find(|(name, _)| *name == token) {
        return Some(Word::Small(*value));
    }
    Some(match token {
        "hundred" => Word::Hundred,
        "thousand" => Word::Scale(1_000),
        "million" => Word::Scale(1_000_000),
        "billion" => Word::Scale(1_000_000_000),
        "lakh" | "lakhs" | "lac" | "lacs" => Word::Scale(100_000),
        "crore" | "crores" => Word::Scale(10_000_000),
        "and" => Word::And,
        "united" | "states" | "dollars" | "dollar" | "us" | "u.s" | "usd" | "euros" | "euro" | "pounds" | "pound"
        | "sterling" | "rupees" | "rupee" | "yen" | "francs" | "singapore" | "canadian" | "australian" | "american" => {
            Word::Currency
        }
        "cents" | "cent" | "pence" => Word::Cent,
        "only" | "exactly" => Word::Filler,
        _ => {
            let (above, below) = token.split_once('/')?;
            if below != "100" {
                return None;
            }
            Word::Fraction(if above == "no" || above == "xx" { 0 } else { above.parse().ok()? })
        }
    })
}

/// Words of a text with their places; hyphens part words.
fn tokens(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (index, c) in text.char_indices() {
        let parts = c.is_whitespace() || matches!(c, '-' | '‑' | '–' | '\u{a0}');
        match (parts, start) {
            (true, Some(from)) => {
                found.push((from..index, &text[from..index]));
                start = None;
            }
            (false, None) => start = Some(index),
            _ => {}
        }
    }
    if let Some(from) = start {
        found.push((from..text.len(), &text[from..]));
    }
    found
}

/// The number that is spelled out right before `end`: `… twenty ` before `(20%)`.
#[must_use]
pub fn before(text: &str, end: usize) -> Option<Spelled> {
    let head = text.get(..end)?;
    // Far enough for the longest amount, and at a place where a character begins.
    let from = (head.len().saturating_sub(400)..head.len()).find(|at| head.is_char_boundary(*at)).unwrap_or(0);
    let tokens = tokens(&head[from..]);
    let words: Vec<(Range<usize>, Word)> =
        tokens.into_iter().rev().map_while(|(range, token)| word(token).map(|word| (range, word))).collect();
    spelled(words.into_iter().rev().collect(), from)
}

/// The number that is spelled out in the whole of the text.
#[must_use]
pub fn whole(text: &str) -> Option<Spelled> {
    let words: Option<Vec<(Range<usize>, Word)>> =
        tokens(text).into_iter().map(|(range, token)| word(token).map(|word| (range, word))).collect();
    spelled(words?, 0)
}

fn spelled(mut words: Vec<(Range<usize>, Word)>, offset: usize) -> Option<Spelled> {
    let says = |word: &Word| matches!(word, Word::Small(_) | Word::Hundred | Word::Scale(_));
    let first = words.iter().position(|(_, word)| says(word))?;
    words.drain(..first);
    let start = words.first()?.0.start;
    let end = words.iter().rev().find(|(_, word)| !matches!(word, Word::And))?.0.end;
    let plain: Vec<Word> = words.into_iter().map(|(_, word)| word).collect();
    Some(Spelled { range: offset + start..offset + end, value: value(&plain) })
}

fn value(words: &[Word]) -> Option<Decimal> {
    // "Dollars and 00/100", "and 00/100 Dollars": hundredths stand at either side of the currency.
    let parts = words.iter().position(|word| matches!(word, Word::Currency | Word::Fraction(_)));
    let (main, rest) = parts.map_or((words, &[][..]), |at| words.split_at(at));
    let whole = whole_number(main)?;
    let fraction = rest.iter().find_map(|word| match word {
        Word::Fraction(hundredths) => Some(*hundredths),
        _ => None,
    });
    let cents = match fraction {
        Some(hundredths) => hundredths,
        None if rest.contains(&Word::Cent) => {
            let said: Vec<Word> = rest
                .iter()
                .copied()
                .filter(|word| matches!(word, Word::Small(_) | Word::Hundred | Word::And))
                .collect();
            whole_number(&said)?
        }
        None => 0,
    };
    Decimal::from(whole).checked_add(Decimal::new(i64::try_from(cents).ok()?, 2))
}

/// `None` where scales do not fall, as in "fifty million three thousand ninety three thousand".
fn whole_number(words: &[Word]) -> Option<u64> {
    let (mut total, mut group, mut last_scale) = (0_u64, 0_u64, u64::MAX);
    let mut last = None;
    for word in words {
        match *word {
            Word::Small(value) => {
                // "twenty five" adds, "five twenty" and "five five" do not.
                if let Some(Word::Small(before)) = last
                    && !((20..100).contains(&before) && before % 10 == 0 && (1..10).contains(&value))
                {
                    return None;
                }
                group = group.checked_add(value)?;
            }
            Word::Hundred => {
                let tens = group % 1000;
                if tens == 0 || tens > 99 {
                    return None;
                }
                group = tens.checked_mul(100)?;
            }
            Word::Scale(scale) => {
                if group == 0 || scale >= last_scale {
                    return None;
                }
                total = total.checked_add(group.checked_mul(scale)?)?;
                (group, last_scale) = (0, scale);
            }
            Word::And | Word::Filler => {}
            Word::Currency | Word::Cent | Word::Fraction(_) => return None,
        }
        if *word != Word::And {
            last = Some(*word);
        }
    }
    total.checked_add(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<String> {
        whole(text)?.value.map(|value| value.normalize().to_string())
    }

    #[test]
    fn amounts_in_words_are_read() {
        for (words, expected) in [
            ("Seventy-Two Million Three Hundred Sixty-Nine Thousand Five Hundred United States Dollars", "72369500"),
            ("EIGHTY-ONE MILLION NINE HUNDRED THOUSAND ONLY", "81900000"),
            ("One Hundred and Thirty Eight Million and Four Hundred Thousand", "138400000"),
            ("ONE HUNDRED AND FIFTY DOLLARS", "150"),
            ("Twenty Three Thousand and 00/100", "23000"),
            ("one hundred eight thousand three hundred thirty-three dollars and thirty-three cents", "108333.33"),
        ] {
            assert_eq!(said(words).as_deref(), Some(expected), "{words}");
        }
    }

    #[test]
    fn words_that_are_no_number_have_no_value() {
        let spelled = whole("Five Hundred Fifty Million Three Thousand Ninety Three Thousand").unwrap();
        assert_eq!(spelled.value, None);
        assert_eq!(whole("upon execution"), None);
    }

    #[test]
    fn words_before_digits_are_found_with_their_place() {
        let text = "an amount equivalent to twenty percent (20%)";
        let end = text.find(" percent").unwrap();
        let spelled = before(text, end).unwrap();
        assert_eq!(&text[spelled.range.clone()], "twenty");
        assert_eq!(spelled.value, Some(Decimal::from(20)));
    }
}
