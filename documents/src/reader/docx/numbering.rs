//! Numbers of Word paragraphs: `(a)`, `5.3`, `Article II` stand in no text; they are counted from the list definitions.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::{attribute, named, parsed, value};
use crate::reader::ReadError;

#[derive(Debug, Clone, Default)]
struct Level {
    format: String,
    text: String,
    start: u32,
}

#[derive(Debug, Clone, Default)]
struct Style {
    based_on: Option<String>,
    list: Option<(String, usize)>,
    heading: bool,
}

/// Lists and styles of a file, and how far each list has been counted.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    levels: BTreeMap<String, Vec<Level>>,
    /// The list that a number id uses.
    lists: BTreeMap<String, String>,
    styles: BTreeMap<String, Style>,
    counts: BTreeMap<String, Vec<u32>>,
}

fn index(text: Option<&str>) -> usize {
    text.and_then(|text| text.parse().ok()).unwrap_or(0_usize).min(8)
}

impl Numbering {
    pub(super) fn read(numbering: &str, styles: &str) -> Result<Self, ReadError> {
        let mut read = Self::default();
        if !numbering.is_empty() {
            let tree = parsed("word/numbering.xml", numbering)?;
            for node in tree.root_element().children().filter(Node::is_element) {
                read.definition(node);
            }
        }
        if !styles.is_empty() {
            let tree = parsed("word/styles.xml", styles)?;
            for node in tree.root_element().children().filter(|node| named(*node, "style")) {
                read.style(node);
            }
        }
        Ok(read)
    }

    fn definition(&mut self, node: Node<'_, '_>) {
        if let Some(id) = attribute(node, "abstractNumId").filter(|_| named(node, "abstractNum")) {
            let mut levels = vec![Level::default(); 9];
            for level in node.children().filter(|child| named(*child, "lvl")) {
                levels[index(attribute(level, "ilvl"))] = Level {
                    format: value(level, "numFmt").unwrap_or("decimal").to_owned(),
                    text: value(level, "lvlText").unwrap_or("").to_owned(),
                    start: value(level, "start").and_then(|start| start.parse().ok()).unwrap_or(1),
                };
            }
            self.levels.insert(id.to_owned(), levels);
        }
        if let Some(id) = attribute(node, "numId").filter(|_| named(node, "num"))
            && let Some(list) = value(node, "abstractNumId")
        {
            self.lists.insert(id.to_owned(), list.to_owned());
        }
    }

    fn style(&mut self, node: Node<'_, '_>) {
        let Some(id) = attribute(node, "styleId") else { return };
        let properties = node.children().find(|child| named(*child, "pPr"));
        let outline = properties.is_some_and(|property| property.children().any(|child| named(child, "outlineLvl")));
        let style = Style {
            based_on: value(node, "basedOn").map(Into::into),
            list: properties.and_then(list_of),
            heading: outline || id.to_lowercase().starts_with("heading") || id == "Title",
        };
        self.styles.insert(id.to_owned(), style);
    }

    /// The number of a paragraph, with a blank after it, and whether its style is a heading.
    pub(super) fn label(&mut self, properties: Option<Node<'_, '_>>) -> (String, bool) {
        let Some(properties) = properties else { return (String::new(), false) };
        let mut list = list_of(properties);
        let mut heading = false;
        let mut style = value(properties, "pStyle").map(str::to_owned);
        for _ in 0..10 {
            let Some(found) = style.as_ref().and_then(|id| self.styles.get(id)) else { break };
            list = list.or_else(|| found.list.clone());
            heading |= found.heading;
            style.clone_from(&found.based_on);
        }
        let label = list.and_then(|(id, level)| self.count(&id, level)).unwrap_or_default();
        (label, heading)
    }

    fn count(&mut self, id: &str, level: usize) -> Option<String> {
        let list = self.lists.get(id)?;
        let levels = self.levels.get(list)?;
        let counts = self.counts.entry(list.clone()).or_insert_with(|| vec![0; 9]);
        let current = levels.get(level)?;
        counts[level] = if counts[level] == 0 { current.start } else { counts[level].saturating_add(1) };
        counts.iter_mut().skip(level + 1).for_each(|deeper| *deeper = 0);
        if current.format == "bullet" {
            return Some("• ".into());
        }
        if current.format == "none" {
            return None;
        }
        let mut text = current.text.clone();
        for (at, level) in levels.iter().enumerate() {
            let count = counts[at].max(level.start.min(1));
            text = text.replace(&format!("%{}", at + 1), &written(count, &level.format));
        }
        (!text.trim().is_empty()).then(|| format!("{text} "))
    }
}

fn list_of(properties: Node<'_, '_>) -> Option<(String, usize)> {
    let list = properties.children().find(|child| named(*child, "numPr"))?;
    let id = value(list, "numId")?;
    (id != "0").then(|| (id.to_owned(), index(value(list, "ilvl"))))
}

fn written(count: u32, format: &str) -> String {
    let letter = |first: u8| {
        let at = u8::try_from(count.saturating_sub(1) % 26).unwrap_or(0);
        let times = usize::try_from(count.saturating_sub(1) / 26).unwrap_or(0).min(8) + 1;
        char::from(first + at).to_string().repeat(times)
    };
    match format {
        "lowerLetter" => letter(b'a'),
        "upperLetter" => letter(b'A'),
        "lowerRoman" => roman(count).to_lowercase(),
        "upperRoman" => roman(count),
        _ => count.to_string(),
    }
}

fn roman(count: u32) -> String {
    let mut rest = count.min(3_999);
    let mut text = String::new();
    for (value, sign) in [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ] {
        while rest >= value {
            text.push_str(sign);
            rest -= value;
        }
    }
    text
}
