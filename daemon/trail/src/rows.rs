//! Rows and the lines about them: every line that is about a row has it, and every row that a line is owed has one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chain::Line;
use crate::put;

/// What the first line is called from which on lines say which rows they are about.
pub const FIRST: &str = "rows attested";
/// Tables whose rows lines are about, in the order in which an export tells them.
pub const TABLES: [&str; 5] = ["contract", "document", "fact", "mail", "outbox"];

/// SHA-256 over a table's name and columns of one of its rows, each with its name; a column that holds nothing takes no part.
/// So a column that is added later changes no digest of a row in which it is empty.
pub struct RowDigest(Sha256);

impl RowDigest {
    /// Of a row of a table.
    pub fn of(table: &str) -> Self {
        let mut hash = Sha256::new();
        put(&mut hash, table.as_bytes());
        Self(hash)
    }

    /// The next column, in the table's order.
    pub fn column(&mut self, name: &str, value: &[u8]) {
        put(&mut self.0, name.as_bytes());
        put(&mut self.0, value);
    }

    /// The digest.
    pub fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// What a line says of a row that it is about: table and digest.
pub fn named(table: &str, digest: &[u8; 32]) -> String {
    format!("{table}:{}", hex::encode(digest))
}

/// What a line says of a remote's answer: which delivery it is of, and what it says.
pub fn named_receipt(key: &str, receipt: &str) -> String {
    let mut digest = RowDigest::of("receipt");
    digest.column(key, receipt.as_bytes());
    named("receipt", &digest.end())
}

/// What the trail calls a fact: its type and its identity.
pub fn subject_of(kind: &str, identity: &str) -> String {
    format!("{kind} {identity}")
}

/// A row, or a table, that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its table.
    pub table: String,
    /// The row's key; empty: the table.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

impl Finding {
    /// Which row of which table, or which table.
    pub fn place(&self) -> String {
        format!("{} {}", self.table, self.row).trim_end().to_owned()
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.place(), self.what)
    }
}

/// What lines say of rows, and which rows were seen.
#[derive(Debug, Default)]
pub struct Rows {
    /// Rows that lines are about, each with the newest such line.
    told: BTreeMap<String, i64>,
    /// Contract and subject of lines of before lines were about rows.
    earlier: BTreeSet<(String, String)>,
    /// Rows that are there.
    seen: BTreeSet<String>,
    /// The line from which on lines are about rows; `None`: the first is.
    pub first: Option<i64>,
    /// Lines so far, for those before the first.
    so_far: Vec<(String, String)>,
}

impl Rows {
    /// The next line.
    pub fn hear(&mut self, line: &Line) {
        if line.action == FIRST && self.first.is_none() {
            self.first = Some(line.seq);
            self.earlier.extend(self.so_far.drain(..));
        }
        if self.first.is_none() && line.attests.is_none() {
            self.so_far.push((line.contract.clone().unwrap_or_default(), line.subject.clone()));
        }
        for row in line.attests.iter().flat_map(|rows| rows.split(' ')) {
            match row.strip_prefix('-') {
                Some(was) => drop(self.told.remove(was)),
                None => drop(self.told.insert(row.to_owned(), line.seq)),
            }
        }
    }

    /// A row of one of [`TABLES`], by what `column` gives of it. `false`: no line is about it, and one should be.
    pub fn see(&mut self, table: &str, digest: &[u8; 32], column: impl Fn(&str) -> Option<String>) -> bool {
        let text = |name: &str| column(name).unwrap_or_default();
        let name = named(table, digest);
        self.seen.insert(name.clone());
        let (owed, contract, subject) = match table {
            "contract" => (name, text("id"), text("id")),
            "document" => (name, text("contract"), text("number")),
            "fact" if column("effective_at").is_some() => {
                let fact: Value = serde_json::from_str(&text("fact")).unwrap_or_default();
                let kind = fact.get("type").and_then(Value::as_str).unwrap_or_default();
                (name, text("contract"), subject_of(kind, &text("identity")))
            }
            "outbox" if text("state") == "done" => {
                (named_receipt(&text("key"), &text("receipt")), text("contract"), text("subject"))
            }
            _ => return true,
        };
        let told = self.told.contains_key(&owed) || self.earlier.contains(&(contract, subject));
        self.seen.insert(owed);
        told
    }

    /// Lines that are about rows that are not there.
    pub fn missing(&self) -> impl Iterator<Item = Finding> {
        self.told.iter().filter(|(row, _)| !self.seen.contains(*row)).map(|(row, line)| {
            let (table, digest) = row.split_once(':').unwrap_or((row, ""));
            let what =
                format!("line {line} of the audit trail is about a row with the digest {digest}, and there is none");
            Finding { table: table.into(), row: String::new(), what }
        })
    }
}

/// What is said of a row that no line is about.
pub const UNTOLD: &str = "no line of the audit trail is about it";
