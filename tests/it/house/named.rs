//! Documents that name tests name those that are there.

use super::{files, root};

/// Texts between backticks in the last column of a table.
fn named(page: &str) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let last = rows.filter_map(|line| line.trim_end_matches([' ', '|']).rsplit(" | ").next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// Whether a name is that of a test, of a module of tests, or of a file.
fn is_there(name: &str, sources: &[(String, String)]) -> bool {
    let last = name.rsplit("::").next().unwrap_or(name);
    let function = |(_, text): &(String, String)| text.contains(&format!("fn {last}("));
    let module =
        |(path, _): &(String, String)| path.contains(&format!("/{last}.rs")) || path.contains(&format!("/{last}/"));
    root().join(name).exists() || sources.iter().any(|file| function(file) || module(file))
}

#[test]
fn tests_that_documents_name_are_there() {
    let sources = files(&[".rs"]);
    for page in ["docs/findings.md", "docs/asvs.md", "docs/threat-model.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let names = named(&text);
        assert!(names.len() > 20, "{page}: {names:?}");
        let is_test = |name: &&str| name.contains("::") || name.contains('/') || name.matches('_').count() > 1;
        let missing: Vec<&str> = names.into_iter().filter(is_test).filter(|name| !is_there(name, &sources)).collect();
        assert!(missing.is_empty(), "{page} names what is not there: {missing:#?}");
    }
    assert!(!is_there("journeys::nowhere::nothing_of_the_kind", &sources));
}
