//! The rules of the house, as tests. Each names what breaks it, with its place and what to do.

mod arrows;
mod named;
mod supply;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files of the project that end in one of `endings`, with their text.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let listed = String::from_utf8(listed.expect("git lists the files").stdout).unwrap();
    let files: Vec<_> = listed
        .lines()
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)) && !name.contains("fixtures/"))
        .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    assert!(!files.is_empty(), "no files end in {endings:?}");
    files
}

/// Lines that break a rule, `file:line: text`.
fn breaking(files: &[(String, String)], breaks: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let lines = files
        .iter()
        .flat_map(|(name, text)| text.lines().enumerate().map(move |(number, line)| (name, number + 1, line)));
    lines
        .filter(|(name, _, line)| breaks(name, line))
        .map(|(name, number, line)| format!("{name}:{number}: {}", line.trim()))
        .collect()
}

fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

#[test]
fn no_file_is_over_800_lines_and_every_module_opens_with_its_purpose() {
    let rust = files(&[".rs"]);
    let long: Vec<_> = rust.iter().filter(|(_, text)| text.lines().count() > 800).map(|(name, _)| name).collect();
    assert!(long.is_empty(), "split these: {long:?}");
    let silent: Vec<_> = rust
        .iter()
        .filter(|(_, text)| !text.lines().any(|line| line.starts_with("//!")))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "say in one //! sentence what these are for: {silent:?}");
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let banned = ["utils.rs", "common.rs", "helpers.rs", "misc.rs", "types.rs", "util.rs"];
    let found: Vec<_> = files(&[".rs"])
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| banned.iter().any(|word| name.ends_with(&format!("/{word}"))))
        .collect();
    assert!(found.is_empty(), "name these after what they hold: {found:?}");
}

#[test]
fn a_binding_says_what_it_is() {
    // `one` beside `other` are two of a kind.
    let says_nothing = |line: &str| {
        let bound =
            ["|one|", "|&one|", ", one|", "(one, ", "for one in ", "let one ", "let one:", "Some(one)", "Ok(one)"];
        !code(line).contains("other") && bound.iter().any(|words| code(line).contains(words))
    };
    let product = |name: &str| !name.contains("tests/") && !name.starts_with("benches/");
    let found = breaking(&files(&[".rs"]), |name, line| product(name) && says_nothing(line));
    assert!(found.is_empty(), "name these after what they are: {found:#?}");
}

#[test]
fn nothing_is_left_for_later_and_no_test_sleeps_or_is_ignored() {
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
        concat!("#[", "ignore"),
        concat!("#[al", "low("),
    ];
    let found = breaking(&files(&[".rs"]), |_, line| words.iter().any(|word| line.contains(word)));
    assert!(found.is_empty(), "{found:#?}");
    let sleeps =
        breaking(&files(&[".rs"]), |name, line| name.contains("tests/") && line.contains(concat!("sle", "ep(")));
    assert!(sleeps.is_empty(), "move the clock instead: {sleeps:#?}");
}

#[test]
fn no_float_comes_near_money() {
    let found = breaking(&files(&[".rs"]), |name, line| {
        let line = code(line);
        // A benchmark divides times, not amounts.
        (name.starts_with("mapping/") || name.starts_with("connectors/"))
            && !name.contains("/benches/")
            // serde's name for a number with a point, which is read to be refused.
            && !line.contains(concat!("fn visit_f", "64"))
            && [concat!("f", "64"), concat!("f", "32")]
                .iter()
                .any(|float| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == *float))
    });
    assert!(found.is_empty(), "amounts are minor units or decimals: {found:#?}");
}

#[test]
fn the_core_knows_no_vendors_field() {
    let fields = [
        "customfield_",
        "SystemModstamp",
        "DocNumber",
        "custbody",
        "tranId",
        "SyncToken",
        "displayName",
        "filename",
        "inlineCard",
        "hardBreak",
        "taskItem",
        "issuetype",
        "pse__",
    ];
    let vendors = ["jira", "atlassian", "salesforce", "certinia", "netsuite", "oracle", "quickbooks", "intuit"];
    let found = breaking(&files(&[".rs"]), |name, line| {
        name.starts_with("mapping/src")
            && (fields.iter().any(|word| code(line).contains(word))
                || line.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| vendors.contains(&word)))
    });
    assert!(found.is_empty(), "vendors and names of their fields belong to field maps and connectors: {found:#?}");
}

#[test]
fn crates_know_only_what_they_may() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap().iter().filter(|one| one["kind"].is_null()) {
            let on = dependency["name"].as_str().unwrap();
            if !may_know(name, on) {
                wrong.push(format!("{name} -> {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that the house forbids: {wrong:?}");
}

fn may_know(name: &str, on: &str) -> bool {
    let ours = on.starts_with("milestoned");
    let io = ["tokio", "reqwest", "axum", "rusqlite", "rand", "lettre", "governor"].contains(&on);
    match name {
        "milestoned-mapping" => !ours && !io,
        "milestoned-mocks" => !ours,
        "milestoned-connector-kit" => !ours || on == "milestoned-mapping",
        // Neither who asks nor whom it is told to: no server, no client, no mail.
        "milestoned-store" => {
            let faces = ["axum", "reqwest", "lettre", "askama", "clap"].contains(&on);
            !faces
                && (!ours
                    || [
                        "milestoned-mapping",
                        "milestoned-connector-kit",
                        "milestoned-identity",
                        "milestoned-seal",
                        "milestoned-trail",
                    ]
                    .contains(&on))
        }
        "milestoned-identity" | "milestoned-seal" => !ours && !["tokio", "reqwest", "axum", "rusqlite"].contains(&on),
        "milestoned-trail" => (!ours && !io) || on == "milestoned-seal",
        "milestoned-workbook" => !ours && !io,
        "milestoned-oidc" => !ours || on == "milestoned-identity",
        "milestoned" | "milestoned-benches" | "milestoned-kill" | "milestoned-power" | "milestoned-tests" => true,
        _ => !ours || ["milestoned-mapping", "milestoned-connector-kit"].contains(&on),
    }
}

#[test]
fn forbidden_arrows_are_noticed() {
    assert!(!may_know("milestoned-mapping", "tokio") && !may_know("milestoned-mocks", "milestoned-mapping"));
    assert!(!may_know("milestoned-jira", "milestoned-netsuite") && may_know("milestoned-jira", "milestoned-mapping"));
    assert!(!may_know("milestoned-store", "milestoned-jira") && !may_know("milestoned-jira", "milestoned-store"));
}

#[test]
fn every_dependency_of_the_workspace_is_used() {
    let manifests = files(&["Cargo.toml"]);
    let root: toml::Table =
        toml::from_str(&manifests.iter().find(|(name, _)| name == "Cargo.toml").unwrap().1).unwrap();
    let unused: Vec<_> = root["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .filter(|name| {
            !manifests.iter().any(|(file, text)| {
                file != "Cargo.toml"
                    && text.lines().any(|line| {
                        line.starts_with(&format!("{name}.workspace"))
                            || line.starts_with(&format!("{name} = {{ workspace"))
                    })
            })
        })
        .collect();
    assert!(unused.is_empty(), "take these out of the root manifest: {unused:?}");
}

#[test]
fn sample_configurations_are_understood_and_documents_have_one_title() {
    for (name, text) in files(&[".toml"]).into_iter().filter(|(name, _)| name.starts_with("config/")) {
        toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let example = std::fs::read_to_string(root().join("config/example.toml")).unwrap();
    milestoned::settings::Settings::check_keys(&example).unwrap();
    let compose = std::fs::read_to_string(root().join("deploy/compose.toml")).unwrap();
    milestoned::settings::Settings::check_keys(&compose).unwrap();
    for (name, text) in files(&[".md"]) {
        let mut fenced = false;
        let titles = text
            .lines()
            .filter(|line| {
                fenced ^= line.starts_with("```");
                !fenced && line.starts_with("# ")
            })
            .count();
        assert_eq!(titles, 1, "{name} has {titles} titles");
    }
}

#[test]
fn no_path_of_somebodys_machine_is_left() {
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let found = breaking(&files(&[".rs", ".md", ".toml", ".sql", ".html", ".service", ".yaml", "run"]), |_, line| {
        words.iter().any(|word| line.contains(word))
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_command_that_is_named_exists() {
    let commands = milestoned::cli::commands();
    let unknown = breaking(&files(&[".md", ".rs", ".html", ".txt", ".toml"]), |name, line| {
        let of_ours = !name.starts_with("tests/it/house");
        of_ours
            && line.match_indices("`milestoned ").any(|(at, found)| !is_command(&commands, &line[at + found.len()..]))
    });
    assert!(unknown.is_empty(), "name commands as `milestoned --help` does: {unknown:#?}");
}

/// Whether text begins with a command, and, where that has subcommands and a word follows, with one of them.
fn is_command(commands: &clap::Command, text: &str) -> bool {
    let mut words = text.split(['`', ' ', '\n']).take_while(|word| !word.is_empty());
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    let Some(first) = words.next().filter(is_name) else { return true };
    let Some(command) = commands.find_subcommand(first) else { return false };
    match words.next().filter(is_name) {
        Some(second) if command.has_subcommands() => command.find_subcommand(second).is_some(),
        _ => true,
    }
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    let commands = milestoned::cli::commands();
    for (text, exists) in [
        ("review close WHAT`", true),
        ("review file PATH`", false),
        ("review`", true),
        ("aprove`", false),
        ("doctor --offline`", true),
        ("exceptions`, and others", true),
    ] {
        assert_eq!(is_command(&commands, text), exists, "{text}");
    }
}

#[test]
fn every_lesson_has_its_test_and_every_test_its_lesson() {
    let page = std::fs::read_to_string(root().join("docs/lessons.md")).unwrap();
    let told: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| lesson"))
        .map(|line| line.rsplit('`').nth(1).unwrap_or(line))
        .collect();
    let tests = files(&[".rs"]);
    let exists = |path: &str| {
        let Some((module, name)) = path.rsplit_once("::") else { return false };
        let file = format!("tests/it/{}.rs", module.replace("::", "/"));
        tests.iter().any(|(known, text)| *known == file && text.contains(&format!("fn {name}(")))
    };
    let missing: Vec<_> = told.iter().filter(|path| !exists(path)).collect();
    assert!(missing.is_empty(), "docs/lessons.md names tests that are not there: {missing:#?}");
    let lessons = tests.iter().filter(|(name, _)| name.starts_with("tests/it/lessons/") && !name.ends_with("mod.rs"));
    let untold: Vec<String> = lessons
        .flat_map(|(file, text)| {
            let module = file.trim_start_matches("tests/it/").trim_end_matches(".rs").replace('/', "::");
            let mut lines = text.lines();
            let mut names = Vec::new();
            while let Some(line) = lines.next() {
                let next = if line.contains("test]") { lines.next() } else { None };
                let name = next.and_then(|next| next.split("fn ").nth(1)).and_then(|rest| rest.split('(').next());
                names.extend(name.map(|name| format!("{module}::{name}")));
            }
            names
        })
        .filter(|path| !told.contains(&path.as_str()))
        .collect();
    assert!(untold.is_empty(), "tell these lessons in docs/lessons.md: {untold:#?}");
}
