//! What ids and texts of a filed agreement may contain. Ids become document numbers, file names and parts of addresses; texts
//! stand in mails, on pages and on invoices, where a control character or a changed direction of reading hides what is said.

use std::collections::BTreeMap;

use serde_json::Value;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_security::confusable_detection::skeleton;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _};

use crate::problem::Problem;
use crate::schema::FileKind;

/// Longest id.
const LONGEST: usize = 64;
/// Longest name of a customer or a milestone: it stands on a line of an invoice, and every ERP takes so many characters there.
const LONGEST_NAME: usize = 1_000;

/// What is wrong with the ids and texts of a contract, or of a change order, that is to be filed; every problem at once.
pub fn problems(filed: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    let file = FileKind::of(filed);
    walk(filed, "", file, &mut found);
    for list in ["milestones", "obligations", "add"] {
        alike(filed, list, file, &mut found);
    }
    found
}

/// Ids of a list that differ in case alone: systems that do not tell case apart take their documents for one.
fn alike(filed: &Value, list: &str, file: FileKind, found: &mut Vec<Problem>) {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for (index, item) in filed.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
        let Some(id) = item.get("id").and_then(Value::as_str) else { continue };
        let first = *known.entry(id.to_lowercase()).or_insert(id);
        if first != id {
            found.push(file.problem(format!("{list}[{index}].id"), differs_in_case(id, first)));
        }
    }
}

/// What is wrong with an id that differs from another one in case alone.
pub fn differs_in_case(id: &str, other: &str) -> String {
    format!("{id:?} differs from {other:?} in case alone, and not every system tells the two apart: give it another id")
}

fn walk(value: &Value, place: &str, file: FileKind, found: &mut Vec<Problem>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let field = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                let reason = match value {
                    Value::String(id) if name == "id" && brings_in(place) => id_problem(id),
                    Value::String(text) if name == "name" || name == "customer" => {
                        text_problem(text).or_else(|| name_problem(text))
                    }
                    Value::String(text) => text_problem(text),
                    _ => None,
                };
                found.extend(reason.map(|reason| file.problem(field.clone(), reason)));
                walk(value, &field, file, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let field = format!("{place}[{index}]");
                let reason = item.as_str().and_then(text_problem);
                found.extend(reason.map(|reason| file.problem(field.clone(), reason)));
                walk(item, &field, file, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether the id of a table is one that comes in with it: of the contract, a milestone, an obligation.
fn brings_in(path: &str) -> bool {
    path.is_empty() || ["milestones[", "obligations[", "add["].iter().any(|list| path.starts_with(list))
}

/// What is wrong with an id.
fn id_problem(id: &str) -> Option<String> {
    let allowed = |character: &char| character.is_alphanumeric() || ['.', '_', '-', '/'].contains(character);
    if id.is_empty() || id.chars().count() > LONGEST {
        return Some(format!("an id has 1 to {LONGEST} characters, not {}", id.chars().count()));
    }
    if let Some(other) = id.chars().find(|character| !allowed(character)) {
        return Some(format!("{other:?} may not stand in an id: write letters, digits and . _ - /"));
    }
    if id.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..") {
        return Some(format!("{id:?} has an empty part, \".\" or \"..\" beside a slash"));
    }
    if !is_nfc(id) {
        return Some(format!("{id:?} is not in Unicode's composed form (NFC): type its letters anew"));
    }
    let letters: String = id.chars().filter(|character| character.is_alphanumeric()).collect();
    let looks_latin = !letters.is_ascii() && skeleton(&letters).all(|character| character.is_ascii());
    (looks_latin || !letters.check_restriction_level(RestrictionLevel::HighlyRestrictive)).then(|| {
        format!("{} has letters that look like those of another alphabet: type them anew", id.escape_unicode())
    })
}

/// What a name looks like, for people and for systems that compare without case: two spellings of one customer are the same.
/// `Northwind Ltd.`, `NORTHWIND LTD` and one with a Cyrillic letter in it look alike; `Northwind Inc` does not.
pub fn looks(name: &str) -> String {
    let lower = name.nfkc().collect::<String>().to_lowercase();
    let seen = skeleton(&lower).filter(|character| character.is_alphanumeric());
    seen.collect::<String>().to_lowercase()
}

/// Whether a character turns the direction of reading.
fn turns(character: &char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether nobody sees a character. Those that join letters (U+200C, U+200D) belong to the spelling of some languages.
fn hides(character: &char) -> bool {
    matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character leaves nothing on a screen: a soft hyphen, too. It comes along when people paste, and no agreement has it.
pub(crate) fn is_unseen(character: char) -> bool {
    character == '\u{ad}' || turns(&character) || hides(&character)
}

/// What is wrong with a text that people read.
fn text_problem(text: &str) -> Option<String> {
    let unseen = text.chars().find(|letter| letter.is_control() || turns(letter) || hides(letter))?;
    let what = match unseen {
        one if one.is_control() => "a control character",
        one if turns(&one) => "a character that turns the direction of reading",
        _ => "a character that nobody sees",
    };
    Some(format!("U+{:04X}, {what}, may not stand in it: take it out", u32::from(unseen)))
}

/// What is wrong with a name that others compare with their own: systems cut blanks off its ends, and take one blank for
/// another, so that it would differ from itself once it is read back.
fn name_problem(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Some(format!("has {length} characters, and a line of an invoice takes {LONGEST_NAME}: shorten it"));
    }
    if name.trim() != name && !name.trim().is_empty() {
        return Some(format!("{name:?} begins or ends with a blank: take it out"));
    }
    let unlike_a_blank = |character: &char| character.is_whitespace() && *character != ' ';
    let unseen = |character: &char| matches!(character, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}');
    let other = name.chars().find(|character| unlike_a_blank(character) || unseen(character))?;
    Some(format!(
        "U+{:04X} may not stand in it, which looks like a blank or like nothing: type a blank",
        u32::from(other)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_the_same_when_another_system_gives_them_back() {
        let long = "x".repeat(1_001);
        for (name, reason) in [
            (" Northwind", "begins or ends with a blank"),
            ("Northwind\u{a0}", "begins or ends with a blank"),
            ("North\u{a0}wind", "U+00A0"),
            ("North\u{200b}wind", "U+200B"),
            (&long, "has 1001 characters"),
        ] {
            for filed in
                [json!({ "id": "C", "customer": name }), json!({ "id": "C", "milestones": [{ "name": name }] })]
            {
                let told = told(filed);
                assert!(told.len() == 1 && told[0].contains(reason), "{name}: {told:?}");
            }
        }
        assert_eq!(told(json!({ "id": "C", "customer": "Müller & Söhne 🎉, Inc." })), [] as [&str; 0]);
    }

    fn told(filed: Value) -> Vec<String> {
        problems(&filed).into_iter().map(|problem| problem.said()).collect()
    }

    #[test]
    fn ids_that_come_in_are_short_plain_and_composed() {
        for id in ["SOW-2041", "GRN/RHD/LBK/26/000001", "M1.2_b", "Übergabe-1", "7"] {
            assert_eq!(told(json!({ "id": id })), [] as [&str; 0], "{id}");
        }
        for (id, reason) in [
            ("", "1 to 64 characters"),
            (&"x".repeat(65), "1 to 64 characters"),
            ("SOW 1", "' ' may not stand in an id"),
            ("a?b", "'?' may not"),
            ("../etc", "\"..\" beside a slash"),
            (".", "\"..\" beside a slash"),
            ("..", "\"..\" beside a slash"),
            ("a//b", "an empty part"),
            ("U\u{308}bergabe", "may not stand in an id"),
            ("\u{212b}-1", "composed form (NFC)"),
        ] {
            let told = told(json!({ "add": [{ "id": id }] }));
            assert!(
                told.len() == 1 && told[0].starts_with("add[0].id: ") && told[0].contains(reason),
                "{id}: {told:?}"
            );
        }
        assert_eq!(told(json!({ "change": [{ "id": "of a former day" }] })), [] as [&str; 0], "it names what is there");
    }

    #[test]
    fn ids_differ_in_more_than_case() {
        let told = told(json!({ "id": "C", "milestones": [{ "id": "M1" }, { "id": "M2" }, { "id": "m1" }],
            "obligations": [{ "id": "m1" }] }));
        assert!(
            matches!(told.as_slice(), [one] if one.starts_with("milestones[2].id: ") && one.contains("\"M1\"")),
            "{told:?}"
        );
    }

    #[test]
    fn texts_hide_nothing() {
        let milestones = json!([{ "id": "M1", "name": "One", "evidence": ["a\u{202e}b"] }]);
        assert_eq!(
            told(json!({ "id": "C", "customer": "Nord\u{7}wind", "milestones": milestones })),
            [
                "customer: U+0007, a control character, may not stand in it: take it out",
                "milestones[0].evidence[0]: U+202E, a character that turns the direction of reading, may not stand in it: \
                 take it out",
            ]
        );
    }

    #[test]
    fn letters_of_another_alphabet_stand_for_no_others_and_spellings_of_one_customer_look_alike() {
        for (id, taken) in [
            ("PRJ-東京", true),
            ("Überführung-7", true),
            ("ПРОЕКТ-7", true),
            ("\u{415}V-7", false),
            ("\u{410}\u{412}", false),
        ] {
            assert_eq!(told(json!({ "id": id })).is_empty(), taken, "{id}");
        }
        assert!(told(json!({ "customer": "North\u{200b}wind" }))[0].contains("U+200B, a character that nobody sees"));
        for other in
            ["NORTHWIND LTD", "Northwind  Ltd.", "N\u{43e}rthwind Ltd", "Northwind\u{a0}Ltd ", "Ｎorthwind Ltd"]
        {
            assert_eq!(looks(other), looks("Northwind Ltd"), "{other}");
        }
        assert_ne!(looks("Northwind Inc"), looks("Northwind Ltd"));
    }
}
