//! Numbers with their nouns, for people: `1 day`, `2 days`, `0 entries`.

use core::fmt::Display;

/// A number with its noun.
pub fn counted<N: Copy + Display + From<u8> + PartialEq>(count: N, noun: &str) -> String {
    format!("{count} {}", plural(count, noun))
}

/// A noun as it stands behind a number.
pub fn plural<N: From<u8> + PartialEq>(count: N, noun: &str) -> String {
    let is_vowel = |letter: char| "aeiou".contains(letter);
    match noun.strip_suffix('y') {
        _ if count == N::from(1) => noun.to_owned(),
        Some(stem) if !stem.ends_with(is_vowel) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular_and_all_else_plural() {
        let told = [
            counted(1_u32, "milestone"),
            counted(0_u8, "day"),
            counted(2_i64, "entry"),
            counted(21_u32, "change order"),
        ];
        assert_eq!(told, ["1 milestone", "0 days", "2 entries", "21 change orders"]);
    }
}
