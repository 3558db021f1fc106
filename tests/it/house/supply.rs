//! What comes from others, and what must not leave: licences, banned crates, sources, secrets, scripts of pages.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{files, root};

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let arguments = ["metadata", "--format-version", "1", "--offline", "--locked", "--all-features"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether an expression of SPDX is satisfied by the allowed licences. `/` is what Cargo took for OR once.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    let all = |part: &str| part.split(" AND ").all(|one| allowed.contains(one.trim()));
    // Without precedence: an AND beside an OR is refused unless one side alone is enough.
    expression.split(" OR ").any(all)
        || expression
            .split([' '])
            .filter(|word| !word.is_empty())
            .all(|word| ["OR", "AND"].contains(&word) || allowed.contains(word))
}

#[test]
fn licences_bans_and_sources_are_those_of_deny_toml() {
    let deny: toml::Table = toml::from_str(&std::fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
    let texts =
        |value: &toml::Value| value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    let allowed: BTreeSet<String> = texts(&deny["licenses"]["allow"]);
    let banned: Vec<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|one| one["crate"].as_str().unwrap()).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let mut wrong = Vec::new();
    for package in packages.iter().filter(|package| !package["source"].is_null()) {
        let (name, licence) = (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none"));
        if !is_allowed(licence, &allowed) {
            wrong.push(format!("{name}: licence {licence}"));
        }
        if banned.contains(&name) {
            wrong.push(format!("{name}: banned"));
        }
        if package["source"] != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name}: from {}", package["source"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_licence_that_nobody_allowed_is_noticed() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
    for expression in ["MIT", "GPL-3.0 OR MIT", "MIT AND ISC", "GPL-3.0/MIT", "(MIT OR Apache-2.0) AND ISC"] {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    assert!(
        !is_allowed("GPL-3.0", &allowed) && !is_allowed("MIT AND GPL-3.0", &allowed) && !is_allowed("none", &allowed)
    );
}

#[test]
fn every_secret_of_the_configuration_is_known_as_one() {
    let source = std::fs::read_to_string(root().join("daemon/src/settings/source.rs")).unwrap();
    let list = source.split("SECRET_KEYS: ").nth(1).unwrap().split("];").next().unwrap();
    let settings = files(&[".rs"]).into_iter().filter(|(name, _)| {
        name.starts_with("daemon/src/settings/") || name.ends_with("/settings.rs") || name == "daemon/store/src/lib.rs"
    });
    let mut found = 0;
    for (name, text) in settings {
        for line in text.lines().filter(|line| line.contains("SecretString") && line.trim_end().ends_with(',')) {
            let Some((field, _)) = line.trim().trim_start_matches("pub ").split_once(": ") else { continue };
            found += 1;
            assert!(list.contains(&format!("\"{field}\"")), "{name}: add {field:?} to SECRET_KEYS");
        }
    }
    assert!(found >= 15, "{found}");
}

#[test]
fn pages_carry_no_script_but_ours_and_no_style() {
    // Its address is all that a page says of it; what it does stands in a file that the policy lets in.
    let ours = "<script src=\"/script.js\" defer></script>";
    let wrong: Vec<String> = files(&[".html"])
        .into_iter()
        // Mails carry their style: no mail program loads a sheet.
        .filter(|(name, _)| name.starts_with("daemon/") && !name.ends_with("digest.html"))
        .filter(|(_, text)| {
            let text = text.replace(ours, "");
            ["<script", "<style", " style=", " onclick=", "javascript:"].iter().any(|word| text.contains(word))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(wrong.is_empty(), "the content security policy forbids what stands in these: {wrong:?}");
}
