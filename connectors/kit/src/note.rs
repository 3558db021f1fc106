//! To what a document belongs, by the words at the beginning of its note, where a remote has no field for it.

/// `Contract SOW-1, milestone M1.` or `Contract SOW-1, version 2.` at the beginning of a note or description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Contract id.
    pub contract: Option<String>,
    /// Milestone id.
    pub milestone: Option<String>,
    /// Version of the agreement.
    pub version: Option<u32>,
}

impl Names {
    /// What a note names; nothing where it does not begin with these words.
    pub fn read(note: &str) -> Self {
        let mut names = Self::default();
        let Some(rest) = note.trim_start().strip_prefix("Contract ") else { return names };
        let head = rest.lines().next().unwrap_or(rest);
        let head = head.split_once(". ").map_or(head, |(head, _)| head).trim_end_matches('.');
        let mut parts = head.split(", ");
        names.contract = parts.next().map(Into::into);
        for part in parts {
            if let Some(milestone) = part.strip_prefix("milestone ") {
                names.milestone = Some(milestone.into());
            } else if let Some(version) = part.strip_prefix("version ") {
                names.version = version.parse().ok();
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_to_what_a_document_belongs() {
        let read = |note: &str| {
            let names = Names::read(note);
            (names.contract, names.milestone, names.version)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("Contract SOW-1, milestone M1. Acceptance: none"), (some("SOW-1"), some("M1"), None));
        assert_eq!(read("Contract SOW-1, version 2."), (some("SOW-1"), None, Some(2)));
        assert_eq!(read("Contract SOW-1. Revenue of contract SOW-1 on 2026-03-31"), (some("SOW-1"), None, None));
        assert_eq!(read("our contract with Northwind"), (None, None, None));
    }
}
