//! Who knows whom inside the daemon: files call downward, and two circles are allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::files;

/// The floors of `daemon/src`, from the top: a module knows its own floor and those below. A name stands for its folder.
const FLOORS: &[&[&str]] = &[
    &["main", "lib"],
    &["cli", "demo"],
    &["web"],
    &["app"],
    &["report"],
    &["review"],
    &["fast_path"],
    &[
        "engine",
        "deliver",
        "intake",
        "agreements",
        "customer_names",
        "drift",
        "fleet",
        "periods",
        "replay",
        "signed_documents",
        "unassigned",
    ],
    &["environment"],
    &["registry"],
    &[
        "settings",
        "calendars",
        "clock",
        "contract_folder",
        "contract_template",
        "integrity",
        "known_balances",
        "printable",
        "progress",
        "reading",
        "supervision",
        "wake",
    ],
];

/// Files that know each other, as ARCHITECTURE.md names them with the reason.
const CIRCLES: [[&str; 2]; 2] = [["cli", "demo"], ["postgres", "session"]];

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Name of a file's module below a folder: `web::pages` of `web/pages.rs`, `web` of `web/mod.rs`.
fn module(path: &str) -> String {
    path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
}

/// Paths that stand behind `crate::` in a text, each item of a list of imports by itself.
fn named(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let mut paths = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (path, list) = rest.split_at(end);
        match list.strip_prefix('{').and_then(|list| list.split_once('}')) {
            Some((list, _)) => paths.extend(list.split(',').map(|item| format!("{path}{}", item.trim()))),
            None => paths.push(path.to_owned()),
        }
    }
    paths
}

/// Which modules below a folder name which others; a module and one that contains it are one house.
fn arrows(folder: &str) -> Arrows {
    let all: Vec<(String, String)> = files(&[".rs"])
        .into_iter()
        .filter_map(|(path, text)| Some((module(path.strip_prefix(folder)?), text)))
        .collect();
    let known: BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
    let mut arrows = Arrows::new();
    for (name, text) in &all {
        let own = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text).replace("super::", "crate::");
        let to = arrows.entry(name.clone()).or_default();
        for path in named(&own) {
            let whole = (1..=path.split("::").count()).rev();
            let mut parts = whole.map(|count| path.split("::").take(count).collect::<Vec<_>>().join("::"));
            let Some(found) = parts.find(|part| known.contains(part)) else { continue };
            if !is_within(name, &found) && !is_within(&found, name) {
                to.insert(found);
            }
        }
    }
    arrows
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"))
}

/// Everything that can be reached from a module.
fn reached(arrows: &Arrows, from: &str) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(name) = next.pop() {
        for to in arrows.get(&name).into_iter().flatten() {
            if reached.insert(to.clone()) {
                next.push(to.clone());
            }
        }
    }
    reached
}

/// Modules that can be reached from themselves, each with those that it shares a circle with.
fn circles(arrows: &Arrows) -> BTreeSet<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<String>> = arrows.keys().map(|name| (name, reached(arrows, name))).collect();
    let circle = |name: &String| -> Vec<String> {
        let back = |other: &&String| reach[name].contains(*other) && reach[*other].contains(name);
        arrows.keys().filter(back).cloned().collect()
    };
    arrows.keys().filter(|name| reach[name].contains(*name)).map(circle).collect()
}

#[test]
fn files_of_the_daemon_know_each_other_in_the_named_circles_only() {
    let found: BTreeSet<Vec<String>> =
        ["daemon/src/", "daemon/store/src/"].into_iter().flat_map(|folder| circles(&arrows(folder))).collect();
    let named: BTreeSet<Vec<String>> = CIRCLES.iter().map(|circle| circle.map(str::to_owned).to_vec()).collect();
    assert_eq!(found, named, "break the circle: hand down what is needed, or move it to the lower one");
}

#[test]
fn no_arrow_of_the_daemon_runs_up() {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.iter().any(|room| is_within(name, room)));
    let mut up = Vec::new();
    for (from, to) in arrows("daemon/src/") {
        let Some(here) = floor(&from) else { panic!("{from} stands on no floor: put it into FLOORS") };
        up.extend(
            to.iter().filter(|to| floor(to).is_some_and(|there| there < here)).map(|to| format!("{from} -> {to}")),
        );
    }
    assert!(up.is_empty(), "these know somebody above them: {up:#?}");
}

#[test]
fn circles_and_arrows_are_noticed() {
    let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let arrows = Arrows::from([("a".into(), to(&["b"])), ("b".into(), to(&["c"])), ("c".into(), to(&["a"]))]);
    assert_eq!(circles(&arrows), BTreeSet::from([vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]]));
    assert_eq!(
        named("use crate::store::{audit, views}; // crate::nobody\ncrate::web::serve()"),
        ["store::audit", "store::views", "web::serve"]
    );
}
