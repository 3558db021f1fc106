//! Deliberate bugs: patches in `tests/simulation/bugs`, applied to the sources as they are now, in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// A patch, in the form of `git diff`.
#[derive(Debug, Clone)]
pub struct Patch {
    /// File name without its ending.
    pub name: String,
    /// What is broken: the text before the first file.
    pub title: String,
    /// The rest.
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every patch, by name.
///
/// # Errors
/// A file cannot be read.
pub fn patches() -> anyhow::Result<Vec<Patch>> {
    let mut patches = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/simulation/bugs"))? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (title, text) = text.split_once("\n--- a/").with_context(|| format!("{name}: no file is changed"))?;
        patches.push(Patch { name, title: title.trim().replace('\n', " "), text: format!("--- a/{text}") });
    }
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patches)
}

/// Files that git tracks here, with what stands in them now.
///
/// # Errors
/// git is not there, or a file cannot be read.
pub fn tracked() -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let listed = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output()?;
    ensure!(listed.status.success(), "git does not list the files: {}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout)?;
    let paths = paths.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
    let there = paths.filter(|path| root().join(path).is_file());
    there.map(|path| Ok((path.clone(), std::fs::read(root().join(path))?))).collect()
}

/// What the files of a patch say with it.
///
/// # Errors
/// The patch does not fit the sources as they are now: which file, and the lines that are not there exactly once.
pub fn apply(patch: &Patch) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for part in patch.text.split("--- a/").filter(|part| !part.is_empty()) {
        let path = PathBuf::from(part.lines().next().unwrap_or_default());
        let place = || format!("{}: {}", patch.name, path.display());
        let mut text = std::fs::read_to_string(root().join(&path)).with_context(place)?;
        for hunk in part.split("\n@@").skip(1) {
            let (mut before, mut after) = (String::new(), String::new());
            for line in hunk.lines().skip(1) {
                let (sign, line) = line.split_at_checked(1).unwrap_or((" ", ""));
                match sign {
                    " " => [&mut before, &mut after].into_iter().for_each(|side| *side += &format!("{line}\n")),
                    "-" => before += &format!("{line}\n"),
                    "+" => after += &format!("{line}\n"),
                    _ => bail!("{}: a line begins with {sign:?}", place()),
                }
            }
            ensure!(text.matches(&before).count() == 1, "{}: these lines are not there once:\n{before}", place());
            text = text.replacen(&before, &after, 1);
        }
        files.insert(path, text);
    }
    Ok(files)
}
