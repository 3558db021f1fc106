//! Values of Jira that are objects, in words: Atlassian documents, options, versions, people, files.

use milestoned_mapping::fieldmap::Shape;
use milestoned_mapping::json::Tree;

/// How Jira writes its records: below `fields`, with values that may be objects.
pub const SHAPE: Shape = Shape { envelope: Some("fields"), lines };

/// Lines of a rich-text document; the value or name of anything else.
fn lines(object: &Tree) -> Vec<String> {
    if object.get("type").and_then(Tree::as_text) == Some("doc") {
        return document_lines(object);
    }
    named(object).into_iter().collect()
}

fn named(object: &Tree) -> Option<String> {
    ["value", "name", "filename", "displayName"].iter().find_map(|key| {
        let value = object.get(key)?;
        value.plain().or_else(|| named(value))
    })
}

fn document_lines(document: &Tree) -> Vec<String> {
    let mut lines = vec![String::new()];
    flow(document, &mut lines);
    lines.retain(|line| !line.trim().is_empty());
    lines
}

/// Inline nodes go on in the last line, a block begins a line of its own.
fn flow(node: &Tree, lines: &mut Vec<String>) {
    let kind = node.get("type").and_then(Tree::as_text).unwrap_or_default();
    let attribute = |key: &str| node.get("attrs").and_then(|attrs| attrs.get(key)).and_then(Tree::as_text);
    let inline = match kind {
        "text" => node.get("text").and_then(Tree::as_text),
        "mention" | "emoji" | "status" => attribute("text"),
        "inlineCard" | "blockCard" => attribute("url"),
        "hardBreak" => Some("\n"),
        _ => None,
    };
    match (inline, lines.last_mut()) {
        (Some("\n"), _) => lines.push(String::new()),
        (Some(text), Some(last)) => last.push_str(text),
        _ => {
            let is_block = matches!(kind, "paragraph" | "heading" | "codeBlock" | "listItem" | "taskItem" | "tableRow");
            if is_block {
                lines.push(String::new());
            }
            for node in node.get("content").map(Tree::items).unwrap_or_default() {
                flow(node, lines);
            }
            if is_block {
                lines.push(String::new());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Vec<String> {
        lines(&Tree::parse(json).unwrap())
    }

    #[test]
    fn rich_text_is_lines() {
        let json = r#"{"type":"doc","version":1,"content":[
            {"type":"paragraph","content":[{"type":"text","text":"Report "},{"type":"text","text":"late"},{"type":"hardBreak"},
                {"type":"text","text":"No totals"}]},
            {"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[
                {"type":"text","text":"No index"}]}]}]}]}"#;
        assert_eq!(said(json), ["Report late", "No totals", "No index"]);
    }

    #[test]
    fn an_option_a_version_a_file_and_a_person_are_their_names() {
        for (json, name) in [
            (r#"{"self":"x","value":"Sponsor","id":"1"}"#, "Sponsor"),
            (r#"{"name":"1.0","released":true}"#, "1.0"),
            (r#"{"filename":"report.pdf","size":7}"#, "report.pdf"),
            (r#"{"accountId":"5b10","displayName":"Dana"}"#, "Dana"),
            (r#"{"value":7}"#, "7"),
        ] {
            assert_eq!(said(json), [name], "{json}");
        }
        assert!(said(r#"{"type":"other"}"#).is_empty() && said(r#"{"value":null}"#).is_empty());
    }
}
