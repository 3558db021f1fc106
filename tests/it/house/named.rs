//! Documents that name tests name those that are there.

use super::{files, root};

/// Texts between backticks in the last column of a table.
fn named(page: &str) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let last = rows.filter_map(|line| line.trim_end_matches([' ', '|']).rsplit(" | ").next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// Whether a name is that of a test, of a module of tests, or of a file. A test is looked for in the module that is named.
fn is_there(name: &str, sources: &[(String, String)]) -> bool {
    let mut parts = name.rsplit("::");
    let (last, within) = (parts.next().unwrap_or(name), parts.next());
    let is_module = |path: &str, module: &str| {
        let path = format!("/{path}");
        path.contains(&format!("/{module}.rs")) || path.contains(&format!("/{module}/"))
    };
    let function = |(path, text): &(String, String)| {
        text.contains(&format!("fn {last}(")) && within.is_none_or(|module| is_module(path, module))
    };
    let module = |(path, _): &(String, String)| is_module(path, last);
    root().join(name).exists() || sources.iter().any(|file| function(file) || module(file))
}

/// The modules in which tests of the whole stand.
const OF_TESTS: [&str; 7] = ["conformance", "house", "journeys", "lessons", "setups", "simulation", "store"];

/// Names of such tests that stand anywhere in a document, between backticks.
fn of_tests(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    let quoted = prose.flat_map(|text| text.lines()).flat_map(|line| line.split('`').skip(1).step_by(2));
    let path = |name: &&str| {
        name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_:".contains(letter))
    };
    let is_test = |name: &&str| name.split_once("::").is_some_and(|(root, _)| OF_TESTS.contains(&root));
    quoted.filter(path).filter(is_test).collect()
}

#[test]
fn every_test_that_any_document_names_is_there() {
    let sources = files(&[".rs"]);
    let mut missing = Vec::new();
    let mut count = 0_usize;
    for (page, text) in files(&[".md"]) {
        for name in of_tests(&text) {
            count += 1;
            if !is_there(name, &sources) {
                missing.push(format!("{page}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 150, "{count} names");
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
    assert!(is_there("house::tests_that_documents_name_are_there", &sources));
    assert!(!is_there("journeys::tests_that_documents_name_are_there", &sources), "it stands elsewhere");
}
