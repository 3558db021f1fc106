//! An export of the trail, one JSON value a line: where it is from, every line, every row that lines are about, and the head as a
//! signed checkpoint. It can be checked without the database, without its key, and without milestoned.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chain::{Head, Line, Walk};
use crate::checkpoint::Checkpoint;
use crate::rows::{RowDigest, Rows, TABLES, UNTOLD};

/// What this version writes and reads.
pub const FORMAT: u32 = 1;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// The first: of which format it is.
    Format(u32),
    /// A line of the trail.
    Line(Line),
    /// A row.
    Row(Row),
    /// The last: the head, signed.
    Checkpoint(String),
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its table.
    pub table: String,
    /// Its key, for people.
    pub key: String,
    /// Columns that stay as they were written, in the table's order; bytes as `{"hex": …}`.
    pub told: Vec<(String, Value)>,
    /// Columns that say what became of it.
    pub standing: Vec<(String, Value)>,
}

/// A column's bytes as they are digested; `None`: it holds nothing.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Object(fields) => {
            fields.get("hex").and_then(Value::as_str).map(|text| hex::decode(text).unwrap_or_default())
        }
        other => Some(other.to_string().into_bytes()),
    }
}

impl Row {
    fn digest(&self) -> [u8; 32] {
        let mut digest = RowDigest::of(&self.table);
        for (name, value) in &self.told {
            if let Some(bytes) = bytes(value) {
                digest.column(name, &bytes);
            }
        }
        digest.end()
    }

    fn column(&self, name: &str) -> Option<String> {
        let (_, value) = self.told.iter().chain(&self.standing).find(|(column, _)| column == name)?;
        bytes(value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What an export was compared with itself, and with heads from outside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Lines of the trail.
    pub lines: i64,
    /// Lines whose actor and detail were removed.
    pub redacted: i64,
    /// The line from which on lines are about rows; `None`: the first is.
    pub about_rows_from: Option<i64>,
    /// Rows, by table.
    pub rows: BTreeMap<String, u64>,
    /// The head, as the export signs it.
    pub checkpoint: Option<String>,
    /// Heads from outside that were compared.
    pub compared: usize,
    /// Everything that is wrong.
    pub findings: Vec<String>,
}

/// Checks an export against itself, and against heads that were kept outside; `public_keys` are whose signatures count, where
/// they are known from elsewhere.
///
/// # Errors
/// It cannot be read, or a line is none of an export: with its number.
pub fn check(read: impl BufRead, kept: &[Checkpoint], public_keys: &[String]) -> Result<Report, String> {
    let heads: Vec<Head> = kept.iter().map(|checkpoint| checkpoint.head.clone()).collect();
    let (mut walk, mut rows, mut report) = (Walk::begin(&heads), Rows::default(), Report::default());
    let mut stated = None;
    for (number, text) in (1_usize..).zip(read.lines()) {
        let text = text.map_err(|error| format!("line {number}: {error}"))?;
        let piece =
            serde_json::from_str(&text).map_err(|error| format!("line {number} is none of an export: {error}"))?;
        match piece {
            Piece::Format(FORMAT) => {}
            Piece::Format(other) => {
                return Err(format!("this program reads format {FORMAT}, and this is format {other}"));
            }
            Piece::Line(line) => {
                rows.hear(&line);
                walk.step(&line);
            }
            Piece::Row(row) => {
                let known = TABLES.contains(&row.table.as_str());
                if !known || !rows.see(&row.table, &row.digest(), |name| row.column(name)) {
                    report.findings.push(format!("{} {}: {UNTOLD}", row.table, row.key));
                }
                let count = report.rows.entry(row.table).or_default();
                *count = count.saturating_add(1);
            }
            Piece::Checkpoint(text) => stated = Some(text.parse::<Checkpoint>()?),
        }
    }
    let walked = walk.end(stated.as_ref().map(|checkpoint| &checkpoint.head));
    report.findings.extend(walked.broken.map(|broken| broken.to_string()));
    report.findings.extend(rows.missing().map(|finding| finding.to_string()));
    for checkpoint in kept.iter().chain(&stated) {
        report.findings.extend(
            checkpoint.flaw(public_keys).map(|what| format!("the checkpoint of line {}: {what}", checkpoint.head.seq)),
        );
    }
    match &stated {
        None => report.findings.push("the export has no end: it was cut off".into()),
        Some(Checkpoint { signature: None, .. }) => {
            report.findings.push("nobody has signed the head of the export".into())
        }
        Some(_) => {}
    }
    report.lines = walked.head.seq;
    report.redacted = walked.redacted;
    report.about_rows_from = rows.first;
    report.compared = kept.len();
    report.checkpoint = stated.map(|checkpoint| checkpoint.to_string());
    Ok(report)
}
