//! What commands answer where there is nothing to answer from, and where the answer cannot be written, through the binary.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn milestoned(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milestoned"));
    command.current_dir(folder).env_remove("MILESTONED_CONFIG").args(arguments);
    command
}

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn output_that_cannot_be_written_ends_in_an_exit_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = milestoned(folder.path(), &["rules"]).stdout(full).output().unwrap();
    let (code, words) = told(&output);
    assert!(code == Some(74) && words.contains("standard output") && words.lines().count() == 1, "{code:?} {words}");
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.toml"), "").unwrap();
    let exported = ["--config", "m.toml", "audit", "export"];
    let mut child = milestoned(folder.path(), &exported).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn whoever_names_no_configuration_where_no_database_is_gets_no_answer_of_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["status"][..], &["exceptions"], &["audit", "verify"], &["plan"]] {
        let (code, words) = told(&milestoned(folder.path(), arguments).output().unwrap());
        assert!(code == Some(2) && words.contains("--config"), "{arguments:?}: {code:?} {words}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
}

#[test]
fn a_contract_that_is_not_known_and_a_period_that_ends_before_it_begins_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.toml"), "").unwrap();
    let period = ["audit", "package", "out", "--from", "2026-03-31", "--through", "2026-01-01"];
    for (arguments, ended, words) in [
        (&["queue", "--contract", "NOPE"][..], 1, "\"NOPE\" is not known"),
        (&["exceptions", "--contract", "NOPE"], 1, "\"NOPE\" is not known"),
        (&period, 2, "2026-01-01 lies before 2026-03-31"),
        (&["backup", "nowhere/copy.db"], 2, "milestoned: nowhere: "),
    ] {
        let output = milestoned(folder.path(), &["--config", "m.toml"]).args(arguments).output().unwrap();
        let (code, said) = told(&output);
        assert!(
            code == Some(ended) && said.contains(words) && output.stdout.is_empty(),
            "{arguments:?}: {code:?} {said}"
        );
    }
    assert!(!folder.path().join("out").exists());
}
