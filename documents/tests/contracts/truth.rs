//! What a person has read in each contract: rows, heads, and the findings that must be made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One row of a payment schedule.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    /// Its number in the document.
    pub(crate) id: Option<String>,
    /// Words of its name or description.
    pub(crate) name: String,
    /// Amount, in units of the currency.
    pub(crate) amount: Option<String>,
    /// Percent.
    pub(crate) percent: Option<String>,
    /// It comes again each month, quarter and so on.
    pub(crate) per: Option<String>,
    /// Why it has neither.
    pub(crate) missing: Option<String>,
}

/// One contract.
#[derive(Debug, Deserialize)]
pub(crate) struct Truth {
    /// Name of its file.
    pub(crate) document: String,
    /// Codes of findings that must be made.
    pub(crate) findings: Vec<String>,
    /// Codes of findings that must not be made.
    #[serde(default)]
    pub(crate) silent: Vec<String>,
    /// What stands beside the schedule.
    pub(crate) heads: BTreeMap<String, String>,
    /// The schedule.
    #[serde(default)]
    pub(crate) rows: Vec<Row>,
    /// Rows of schedules that stand beside it.
    #[serde(default)]
    pub(crate) others: Vec<Row>,
}

/// Folder with the contracts, where there is one.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("MILESTONED_DOCUMENTS").map(PathBuf::from)
}

/// Every contract of others that a person has read.
pub(crate) fn all() -> Vec<Truth> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth"))
}

/// The contracts that were written for the tests, and the folder that has them.
pub(crate) fn own() -> (Vec<Truth>, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own");
    (read(&folder), folder)
}

fn read(folder: &Path) -> Vec<Truth> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        .collect()
}
