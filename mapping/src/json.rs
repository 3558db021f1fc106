//! JSON that keeps the digits of its numbers, and paths into it.
//!
//! `serde_json::Value` reads a number as a binary float and so changes an amount before anybody saw it. A [`Tree`]
//! keeps the literal.

use core::fmt;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Deeper documents are refused: none of the systems that are read sends such.
pub const MAX_DEPTH: usize = 64;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written: `250000.0`, `1.2345678E7`.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Tree>),
    /// An object; of a repeated key the last value.
    Object(BTreeMap<String, Tree>),
}

/// Why a text is not read as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// Nested more deeply than [`MAX_DEPTH`].
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

impl Tree {
    /// Reads JSON text.
    ///
    /// # Errors
    /// Text that is not JSON, with line and column; nesting beyond [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let raw: &RawValue = serde_json::from_str(text).map_err(syntax)?;
        Self::read(raw, MAX_DEPTH)
    }

    /// Reads what stands at these paths into JSON text, and the way there. The rest is left out, once it is known to be JSON:
    /// most of a vendor's record is nobody's business, and costs most of the reading.
    ///
    /// # Errors
    /// As [`Tree::parse`]; what is left out may be nested as deeply as it likes.
    pub fn along<'p>(text: &str, paths: impl IntoIterator<Item = &'p Path>) -> Result<Self, JsonError> {
        let raw: &RawValue = serde_json::from_str(text).map_err(syntax)?;
        let ways: Vec<&[Step]> = paths.into_iter().map(|path| path.steps.as_slice()).collect();
        Self::follow(raw, MAX_DEPTH, &ways)
    }

    fn follow(raw: &RawValue, depth: usize, ways: &[&[Step]]) -> Result<Self, JsonError> {
        let text = raw.get();
        let nested = matches!(text.as_bytes().first(), Some(b'{' | b'['));
        if !nested || ways.iter().any(|way| way.is_empty()) {
            return Self::read(raw, depth);
        }
        let below = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
        if text.starts_with('{') {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(syntax)?;
            let mut tree = BTreeMap::new();
            for (key, value) in fields {
                let ways = beyond(ways, |step| matches!(step, Step::Key(name) if *name == key));
                if !ways.is_empty() {
                    tree.insert(key, Self::follow(value, below, &ways)?);
                }
            }
            return Ok(Self::Object(tree));
        }
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
        let picks: Vec<&[Step]> = ways
            .iter()
            .filter_map(|way| match way.first() {
                Some(Step::Picked { key, .. }) => Some(key.as_slice()),
                _ => None,
            })
            .collect();
        let read = items.into_iter().enumerate().map(|(place, item)| {
            let mut ways = beyond(ways, |step| match step {
                Step::Each => true,
                Step::Index(index) => *index == place,
                Step::Picked { key, value } => names_itself(item, key, value),
                Step::Key(_) => false,
            });
            // Fields that a path picks items by (`[name=…]`) are kept with the item.
            if !ways.is_empty() {
                ways.extend(picks.iter().copied());
            }
            // An item that no path leads to becomes `null`, so that the indices of the others stay.
            if ways.is_empty() { Ok(Self::Null) } else { Self::follow(item, below, &ways) }
        });
        Ok(Self::List(read.collect::<Result<_, JsonError>>()?))
    }

    /// serde_json has checked the whole text once; each level is then opened by its first character.
    fn read(raw: &RawValue, depth: usize) -> Result<Self, JsonError> {
        let text = raw.get();
        let below = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(syntax)?;
                let read = fields.into_iter().map(|(key, value)| Ok((key, Self::read(value, below)?)));
                Self::Object(read.collect::<Result<_, JsonError>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
                Self::List(items.into_iter().map(|item| Self::read(item, below)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text).map_err(syntax)?),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.into()),
        })
    }

    /// The field of an object; `None` where this is none or lacks it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(key),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is a text or number that reads so.
    fn says(&self, value: &str) -> bool {
        matches!(self, Self::Text(text) | Self::Number(text) if text == value)
    }

    /// The items of a list; of everything else none.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// What stands at the path: null and missing count as nothing, a `[*]` may yield several.
    pub fn select(&self, path: &Path) -> Vec<&Self> {
        let mut here = vec![self];
        for step in &path.steps {
            here = here
                .into_iter()
                .flat_map(|tree| match step {
                    Step::Key(key) => tree.get(key).into_iter().collect::<Vec<_>>(),
                    Step::Index(index) => tree.items().get(*index).into_iter().collect(),
                    Step::Each => tree.items().iter().collect(),
                    Step::Picked { key, value } => {
                        let names = |item: &&Self| {
                            key.iter().all(|step| matches!(step, Step::Key(key) if item.get(key).is_some_and(|tree| tree.says(value))))
                        };
                        tree.items().iter().filter(names).collect()
                    }
                })
                .filter(|tree| **tree != Self::Null)
                .collect();
        }
        here
    }

    /// The words of a text, number or truth value; `None` of everything else.
    pub fn plain(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }
}

/// What is left of the ways whose next step is this one.
fn beyond<'p>(ways: &[&'p [Step]], next: impl Fn(&Step) -> bool) -> Vec<&'p [Step]> {
    ways.iter().filter_map(|way| way.split_first()).filter(|(step, _)| next(step)).map(|(_, rest)| rest).collect()
}

/// Whether an item of a list says at a key what it is picked by.
fn names_itself(item: &RawValue, key: &[Step], value: &str) -> bool {
    let [Step::Key(key)] = key else { return false };
    let fields: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(item.get());
    let found = fields.ok().and_then(|fields| fields.get(key.as_str()).and_then(|raw| Tree::read(raw, MAX_DEPTH).ok()));
    found.is_some_and(|tree| tree.says(value))
}

fn syntax(error: serde_json::Error) -> JsonError {
    JsonError::Syntax(error.to_string())
}

/// Where a value stands in a record: `fields.status.name`, `fields.labels[*]`, `lines[0].amount`, `"odd.key".value`, or
/// `lines[id=7].amount` in the item of a list whose `id` is 7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Each,
    /// The items that say `value` at `key`, a way of one step.
    Picked {
        key: Vec<Step>,
        value: String,
    },
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// The reason, in words for the person who wrote the path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (key, after) = Self::key(rest)?;
            steps.push(Step::Key(key.into()));
            rest = after;
            while let Some(bracket) = rest.strip_prefix('[') {
                let (inside, after) = bracket.split_once(']').ok_or("a [ is not closed")?;
                steps.push(match inside {
                    "*" => Step::Each,
                    inside => match inside.split_once('=') {
                        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                            Step::Picked { key: vec![Step::Key(key.into())], value: value.into() }
                        }
                        _ => Step::Index(
                            inside
                                .parse()
                                .map_err(|_| format!("[{inside}] is neither [*] nor a number nor [key=value]"))?,
                        ),
                    },
                });
                rest = after;
            }
            rest = match rest.strip_prefix('.') {
                Some(after) => after,
                None if rest.is_empty() => return Ok(Self { text: text.into(), steps }),
                None => return Err(format!("expected . or [ before {rest:?}")),
            };
        }
    }

    fn key(text: &str) -> Result<(&str, &str), String> {
        let (key, rest) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quoted key is not closed")?,
            None => text.split_at(text.find(['.', '[', '"', ']']).unwrap_or(text.len())),
        };
        if key.is_empty() { Err("a key is empty".into()) } else { Ok((key, rest)) }
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Name of the source's field: the first key, or the second where the first is the envelope of all fields; of a field
    /// that is an item of a list, what it is picked by.
    pub fn field(&self, envelope: Option<&str>) -> &str {
        let picked = self.steps.iter().find_map(|step| match step {
            Step::Picked { value, .. } => Some(value.as_str()),
            _ => None,
        });
        if let Some(picked) = picked {
            return picked;
        }
        let mut keys = self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            _ => None,
        });
        let first = keys.next().unwrap_or_default();
        if Some(first) == envelope { keys.next().unwrap_or(first) } else { first }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(json: &str, path: &str) -> Vec<String> {
        let tree = Tree::parse(json).unwrap();
        tree.select(&Path::parse(path).unwrap())
            .into_iter()
            .map(|found| match found {
                Tree::Text(text) | Tree::Number(text) => text.clone(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn numbers_keep_their_digits() {
        for literal in ["250000.0", "1.2345678E7", "40000.000000001", "-0.10", "99999999999999999999.99"] {
            assert_eq!(Tree::parse(literal), Ok(Tree::Number(literal.into())));
        }
    }

    #[test]
    fn paths_find_what_is_there_and_nothing_else() {
        let json = r#"{"fields":{"status":{"name":"Done"},"c":[{"value":"a"},{"value":null},{"value":"b"}],"n":null},
                       "Account":{"Name":"Acme"},"odd.key":{"x":1.50},
                       "cf":[{"id":7,"value":"seven"},null,{"id":8,"name":"Late","value":["x","y"]}]}"#;
        for (path, found) in [
            ("fields.status.name", vec!["Done"]),
            ("fields.c[*].value", vec!["a", "b"]),
            ("fields.c[2].value", vec!["b"]),
            ("fields.c[9].value", vec![]),
            ("fields.n.deeper", vec![]),
            ("Account.Name", vec!["Acme"]),
            ("\"odd.key\".x", vec!["1.50"]),
            ("cf[id=7].value", vec!["seven"]),
            ("cf[id=8].value[*]", vec!["x", "y"]),
            ("cf[name=Late].value[*]", vec!["x", "y"]),
            ("cf[id=9].value", vec![]),
            ("Account[id=7].value", vec![]),
        ] {
            assert_eq!(texts(json, path), found, "{path}");
        }
    }

    #[test]
    fn along_a_path_the_same_is_found() {
        let json = r#"{"a":{"b":[{"c":1.50,"d":[1]},{"c":null},7,{"c":{"e":"x"}}],"a":2},"b":[[1,2],[3]],"a.b":true,"d":[{"id":7,"v":"x"},{"id":8,"v":["y"],"w":1}]}"#;
        let texts = [
            "a",
            "a.b",
            "a.b[*].c",
            "a.b[3].c.e",
            "a.b[0]",
            "a.b[9].c",
            "b[1][0]",
            "b[*][*]",
            "a.x",
            "\"a.b\"",
            "b.a",
            "d[id=8].v[0]",
            "d[id=7].v",
            "d[id=9].v",
        ];
        let paths = texts.map(|text| Path::parse(text).unwrap());
        let (whole, along) = (Tree::parse(json).unwrap(), Tree::along(json, &paths).unwrap());
        for path in &paths {
            let found = whole.select(path);
            assert_eq!(along.select(path), found, "{path}");
            assert_eq!(Tree::along(json, [path]).unwrap().select(path), found, "{path} alone");
        }
        assert_eq!(Tree::along(json, &paths[3..4]).unwrap().get("b"), None, "what nobody asked for was read");
        assert!(matches!(Tree::along("{\"a\":1,\"z\":[1,]}", &paths), Err(JsonError::Syntax(_))));
    }

    #[test]
    fn bad_paths_say_why() {
        for path in ["", ".", "a.", "a[", "a[x]", "a]b", "a[*]b", "\"a", "a\"b\"", "a[=1]", "a[b=]"] {
            assert!(Path::parse(path).is_err(), "{path:?} was taken");
        }
        assert_eq!(Path::parse("fields.evidence_names[*].value").unwrap().field(Some("fields")), "evidence_names");
        assert_eq!(Path::parse("fields.evidence_names").unwrap().field(None), "fields");
        assert_eq!(Path::parse("StageName").unwrap().field(Some("fields")), "StageName");
        assert_eq!(Path::parse("custom[id=7].value").unwrap().field(None), "7");
    }

    #[test]
    fn garbage_and_depth_are_refused() {
        for text in ["", "{", "[1,]", "nul", "01", "{\"a\" 1}", "\u{feff}{}"] {
            assert!(matches!(Tree::parse(text), Err(JsonError::Syntax(_))), "{text:?}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Tree::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(Tree::parse(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep));
        assert!(Tree::parse(&nested(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", path in ".{0,40}") {
            let _ = Path::parse(&path);
            let _ = Tree::parse(&text);
        }
    }
}
