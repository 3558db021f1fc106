//! Every worked case agrees with its expected answer.

#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a test reads files, and may fail")]

use std::path::Path;

use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::{Case, simulate};
use milestoned_mapping::terms::Terms;
use serde_json::Value;

/// The order of exceptions does not matter, and one that opened and closed on the same date may be absent.
fn comparable(mut report: Value) -> Value {
    let exceptions = report["exceptions"].as_array_mut().expect("a list of exceptions");
    exceptions.retain(|one| one["opened_on"] != one["closed_on"]);
    exceptions.sort_by_key(ToString::to_string);
    report
}

#[test]
fn every_case_agrees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (mut compared, mut different) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| !path.to_string_lossy().ends_with(".expected.json")) {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let case = Case::from_json(&read(path), &Calendars::built_in())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for fact in case.events() {
            assert_eq!(serde_json::to_value(&fact.event).unwrap()["type"], fact.event.kind());
        }
        let expected: Value = serde_json::from_str(&read(&path.with_extension("expected.json"))).unwrap();
        let (ours, theirs) = (comparable(serde_json::to_value(simulate(&case)).unwrap()), comparable(expected));
        compared += 1;
        for key in theirs.as_object().unwrap().keys() {
            if ours[key] != theirs[key] {
                different.push(format!(
                    "{}: {key}\n  ours   {}\n  theirs {}",
                    path.file_stem().unwrap().to_string_lossy(),
                    ours[key],
                    theirs[key]
                ));
            }
        }
    }
    println!("{compared} cases compared");
    assert!(compared > 0, "no case was found");
    assert!(different.is_empty(), "{} differences in {compared} cases:\n{}", different.len(), different.join("\n"));
}

/// What a form or a workbook shows of the terms says what the file said: history apart, which a copy has none of.
#[test]
fn terms_in_force_are_read_back_as_the_terms_that_were_filed() {
    let (calendars, mut compared) = (Calendars::built_in(), 0);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.to_string_lossy().ends_with(".expected.json") {
            continue;
        }
        let case = Case::from_json(&std::fs::read_to_string(&path).unwrap(), &calendars).unwrap();
        let bare = |terms: &Terms| {
            let mut tree = serde_json::to_value(terms).unwrap();
            for own in ["history", "books_from"] {
                tree.as_object_mut().unwrap().remove(own);
            }
            tree
        };
        let tree = Value::Object(case.open().terms_in_force());
        if serde_json::to_value(case.terms()).unwrap().get("history").is_some() {
            // What happened before may have changed the terms, or split a milestone.
            continue;
        }
        compared += 1;
        let again = Terms::from_value(tree, &calendars).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(bare(&again), bare(case.terms()), "{}", path.display());
    }
    assert!(compared > 0, "no case was found");
}
