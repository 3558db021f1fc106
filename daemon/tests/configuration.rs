//! A configuration that is wrong in many places, through the binary.

#![expect(clippy::unwrap_used, reason = "a test runs the binary, and may fail")]

use std::io::BufRead as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn milestoned(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milestoned"));
    command.current_dir(folder).env_remove("CREDENTIALS_DIRECTORY").args(["--config", "milestoned.toml"]);
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const WRONG: &str = r#"
store.path = "nowhere/milestoned.db"
http.listen_on = "127.0.0.1:1"
agreements.erp = "nonesuch"
policy = { review = "over", review_over = "fifty thousand" }
calendars.plant = { weekend = ["caturday"], holidays = [] }
[[http.tokens]]
name = "ada"
rights = ["view", "file_terms"]
token = { env = "MILESTONED_TEST_UNSET" }
[connections.jira]
kind = "jira"
base_url = "http://127.0.0.1:9"
projects = ["MS"]
projekt = "MS"
auth = { flow = "basic", email = "a@example.com", api_token = { credential = "jira.token" } }
[identity.oidc]
issuer = "http://127.0.0.1:9"
client_id = "milestoned"
ask_again_every = "2h"
[connections.books]
kind = "quickbooks"
realm = 7
client_secret = { file = "nowhere/secret" }
"#;

#[test]
fn check_names_every_problem_whatever_fails_first_and_run_refuses_what_check_refuses() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("milestoned.toml"), WRONG).unwrap();
    let checked = milestoned(folder.path(), &["--json", "check"]);
    let told: Vec<Value> = serde_json::from_slice(&checked.stdout).unwrap();
    let told: Vec<String> = told
        .iter()
        .map(|one| format!("{}: {}", one["place"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    for words in [
        "http.listen_on: unknown field",
        "policy.review_over: ",
        "http.tokens.0.token: environment variable MILESTONED_TEST_UNSET",
        "connections.jira.auth.api_token: systemd passed no credentials",
        "connections.books.client_secret: the secret's file nowhere/secret cannot be read: No such file",
        "agreements.erp: there is no connection",
        "calendars.plant.weekend: \"caturday\"",
        "connections.jira.projekt: unknown field",
        "identity.oidc.ask_again_every: is 2h, and identity.oidc.counts_for is 1h",
        "identity.oidc: the identity provider's discovery does not answer",
        "connections.books.realm: invalid type",
        "connections.books: missing field `client_id`",
        "connections.books: missing field `item`",
        "store.path: the folder nowhere cannot be read: No such file",
    ] {
        assert!(told.iter().any(|line| line.starts_with(words)), "{words}\n{told:#?}");
    }
    assert_eq!(checked.status.code(), Some(1));
    let ran = milestoned(folder.path(), &["run"]);
    let told = text(&ran.stderr);
    assert!(
        ran.status.code() == Some(2) && told.contains("listen_on") && told.contains("policy.review_over"),
        "{told}"
    );
}

#[test]
fn commands_that_reach_nothing_but_the_database_need_no_other_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("milestoned.toml");
    std::fs::write(&file, include_str!("../../config/example.toml")).unwrap();
    let database = folder.path().join("m.db");
    // The example names files of an installation: a database here, and no field maps of its own.
    let example = std::fs::read_to_string(&file).unwrap();
    let lines = example.lines().filter(|line| !line.trim_start().starts_with("field_map"));
    let own = lines.map(|line| match line.starts_with("path = ") {
        true => format!("path = \"{}\"", database.display()),
        false => line.to_owned(),
    });
    std::fs::write(&file, own.collect::<Vec<_>>().join("\n")).unwrap();
    for arguments in [
        &["status"][..],
        &["exceptions"],
        &["contract", "list"],
        &["audit", "verify"],
        &["audit", "head"],
        &["backup", "copy.db"],
        &["export", "journal"],
        &["doctor", "--offline"],
        &["plan"],
    ] {
        let output = milestoned(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    let checked = milestoned(folder.path(), &["--json", "check"]);
    let told: Vec<Value> = serde_json::from_slice(&checked.stdout).unwrap();
    let missing = told.iter().filter(|one| one["reason"].as_str().unwrap().contains("systemd passed no credentials"));
    assert_eq!(
        missing.count(),
        example.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains("{ credential = ")).count(),
        "{told:#?}"
    );
}

#[test]
fn a_request_to_read_the_configuration_again_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[store]\npath = \"m.db\"\n[http]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("milestoned.toml"), settings).unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_milestoned"))
        .args(["run", "--config", "milestoned.toml"])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(daemon.stderr.take().unwrap()).lines();
    let mut says = |words: &str| lines.by_ref().any(|line| line.unwrap().contains(words));
    let id = daemon.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    assert!(says("ready"));
    signal("-HUP");
    assert!(says("restart to apply it"));
    signal("-TERM");
    assert!(daemon.wait().unwrap().success());
}
