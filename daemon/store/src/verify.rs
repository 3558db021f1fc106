//! Comparing the whole database with what is attested: the trail and its head, every row, rows with the lines about them, and
//! lines with the rows that they are about; and the export with which others do so.

use std::collections::BTreeMap;

use milestoned_trail::checkpoint::Checkpoint;
use milestoned_trail::export::{self, Piece};
use milestoned_trail::rows::{Rows, TABLES, UNTOLD};
use serde_json::{Value, json};

use super::attest::{AS_IT_STANDS, Session, Sheet, Sum, name_of, place, read_head};
use super::attested::{ALL, Table};
use super::audit::{self, Finding, Head, Verdict};
use super::session::{Cell, Row};
use super::{Store, StoreError, Verb, schema};

/// Findings that are told at most.
const MOST: usize = 1_000;

/// Text of a column that may be empty.
fn text(table: &Table, row: &Row<'_>, column: &str) -> Option<String> {
    match row.cell(place(table, column)).ok()? {
        Cell::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Cell::Number(number) => Some(number.to_string()),
        Cell::Null => None,
    }
}

/// Compares everything.
fn verify(tx: &Session<'_>, kept: &[Head]) -> Result<Verdict, StoreError> {
    let mut rows = Rows::default();
    let walked = audit::walk(tx, kept, |line| rows.hear(line))?;
    let mut verdict = Verdict {
        lines: walked.head.seq,
        head: walked.head,
        redacted: walked.redacted,
        broken: walked.broken,
        attested_from: rows.first,
        rows: BTreeMap::new(),
        findings: Vec::new(),
    };
    let sheet = head_as_sealed(tx, &mut verdict.findings)?;
    for table in ALL {
        let mut unattested = 0_usize;
        let told = TABLES.contains(&table.name);
        let sum = tx.add_up(table, |row, examined| {
            let mut tell = |what: &str| -> Result<(), StoreError> {
                if verdict.findings.len() < MOST {
                    let (table, row) = (table.name.into(), name_of(table, row)?);
                    verdict.findings.push(Finding { table, row, what: what.into() });
                }
                Ok(())
            };
            if !examined.genuine {
                unattested = unattested.saturating_add(1);
                tell("it was not written by milestoned, or was changed since")?;
            }
            if told && !rows.see(table.name, &examined.attested.digest, |column| text(table, row, column)) {
                tell(UNTOLD)?;
            }
            Ok(())
        })?;
        verdict.rows.insert(table.name.into(), sum.rows);
        let sealed = sheet.as_ref().map(|sheet| sheet.sums.get(table.name).copied().unwrap_or_default());
        if let Some(what) = sealed.and_then(|sealed| difference(sealed, sum, unattested)) {
            verdict.findings.push(Finding { table: table.name.into(), row: String::new(), what });
        }
    }
    schema::examine(tx, &mut verdict.findings)?;
    let room = MOST.saturating_sub(verdict.findings.len());
    verdict.findings.extend(rows.missing().take(room));
    Ok(verdict)
}

/// What the head was sealed as, where the seal is ours and fits it.
fn head_as_sealed(tx: &Session<'_>, findings: &mut Vec<Finding>) -> Result<Option<Sheet>, StoreError> {
    let mut tell = |what: &str| {
        findings.push(Finding { table: "audit_head".into(), row: String::new(), what: what.into() });
    };
    match read_head(tx, AS_IT_STANDS)? {
        None => tell("it is gone"),
        Some((_, _, None)) => tell("its seal was not made with the house's key, or was changed since"),
        Some((head, _, Some(sheet))) => {
            if sheet.head != head {
                tell(&format!(
                    "it names line {}, and was sealed with line {}: lines were taken off, put on, or written anew",
                    head.seq, sheet.head.seq
                ));
            }
            return Ok(Some(sheet));
        }
    }
    Ok(None)
}

/// How a table differs from what was written; `None`: it does not.
fn difference(sealed: Sum, sum: Sum, unattested: usize) -> Option<String> {
    if sealed == sum {
        return None;
    }
    let (was, is) = (sealed.rows, sum.rows);
    Some(if is < was {
        format!("{} of {was} rows are gone", was.saturating_sub(is))
    } else if is > was {
        format!("{} rows were put in, beside {was}", is.saturating_sub(was))
    } else if unattested > 0 {
        "its rows are not those that were written".into()
    } else {
        "a row is as it was at an earlier time, or has another number".into()
    })
}

/// Columns of a row as an export tells them.
fn columns(row: &Row<'_>, names: &[&str], from: usize) -> Result<Vec<(String, Value)>, StoreError> {
    let value = |(index, name): (usize, &&str)| {
        let value = match row.cell(index)? {
            Cell::Null => Value::Null,
            Cell::Number(number) => number.into(),
            Cell::Bytes(bytes) => {
                std::str::from_utf8(bytes).map_or_else(|_| json!({ "hex": hex::encode(bytes) }), Value::from)
            }
        };
        Ok(((*name).to_owned(), value))
    };
    (from..).zip(names).map(value).collect()
}

/// Hands the trail, the rows that its lines are about, and its head to `take`, as lines of an export.
fn export(tx: &Session<'_>, at: &str, mut take: impl FnMut(Piece) -> Result<(), StoreError>) -> Result<(), StoreError> {
    take(Piece::Format(export::FORMAT))?;
    audit::each_line(tx, |line| take(Piece::Line(line)))?;
    for table in ALL.into_iter().filter(|table| TABLES.contains(&table.name)) {
        tx.each(table.all, &[], |row| {
            let standing = 1_usize.saturating_add(table.told.len());
            take(Piece::Row(export::Row {
                table: table.name.into(),
                key: name_of(table, row)?,
                told: columns(row, table.told, 1)?,
                standing: columns(row, table.standing, standing)?,
            }))
        })?;
    }
    // A head that is not what was sealed is signed by nobody: the house's key must not vouch for a trail that somebody wrote.
    let checkpoint = match read_head(tx, AS_IT_STANDS)? {
        Some((head, _, Some(sheet))) if sheet.head == head => signed(tx, head, at)?,
        Some((head, ..)) => Checkpoint { head, signature: None },
        None => Checkpoint { head: Head { seq: 0, hash: String::new() }, signature: None },
    };
    take(Piece::Checkpoint(checkpoint.to_string()))
}

fn signed(tx: &Session<'_>, head: Head, at: &str) -> Result<Checkpoint, StoreError> {
    let signed = Checkpoint::sign(head, at.to_owned(), &tx.house.key);
    signed.ok_or_else(|| StoreError::Key("store.key: this machine cannot sign with it".into()))
}

impl Store {
    /// Walks the whole chain, compares it with its head and with heads that were kept outside, and every row with what
    /// attests it.
    ///
    /// # Errors
    /// The database failed.
    pub fn verify_audit(&self, kept: Vec<Head>) -> Verb<'_, Verdict> {
        self.read(move |tx| verify(tx, &kept))
    }

    /// The newest line of the chain, signed.
    ///
    /// # Errors
    /// The database failed, or the head is not ours: nobody vouches for it.
    pub fn checkpoint(&self, now: jiff::Timestamp) -> Verb<'_, Checkpoint> {
        self.read(move |tx| {
            let unattested = || StoreError::Unattested { table: "audit_head", row: "1".into() };
            let (head, _, sheet) = read_head(tx, AS_IT_STANDS)?.ok_or_else(unattested)?;
            let sheet = sheet.filter(|sheet| sheet.head == head).ok_or_else(unattested)?;
            signed(tx, sheet.head, &now.to_string())
        })
    }

    /// The trail, the rows that its lines are about, and its signed head, as lines of an export, each handed to `take` while
    /// it is read.
    ///
    /// # Errors
    /// The database failed, or `take` did.
    pub fn export_audit(
        &self,
        now: jiff::Timestamp,
        mut take: impl FnMut(&str) -> std::io::Result<()> + Send + 'static,
    ) -> Verb<'_, ()> {
        self.read(move |tx| {
            export(tx, &now.to_string(), |piece| {
                let text = super::json(&piece)?;
                take(&text)
                    .map_err(|error| StoreError::Unopened { path: "the export".into(), reason: error.to_string() })
            })
        })
    }
}
