//! The audit trail: append-only, each line hashed over the one before it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Store, StoreError, instant};

/// One line of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// Place in the chain, from 1.
    pub seq: i64,
    /// When, UTC.
    pub at: String,
    /// Who: `milestoned`, or the person or token that acted.
    pub actor: String,
    /// What was done, such as `invoice issued` or `delivery settled`.
    pub action: String,
    /// Contract, where one is concerned.
    pub contract: Option<String>,
    /// What it was done to.
    pub subject: String,
    /// Reason, amounts, request ids.
    pub detail: String,
    /// SHA-256 over the previous line's hash and this line's fields, hex.
    pub hash: String,
}

/// A line that is about to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub actor: String,
    /// What.
    pub action: &'static str,
    /// Contract, where one is concerned.
    pub contract: Option<String>,
    /// What it was done to.
    pub subject: String,
    /// Details for the auditor.
    pub detail: String,
}

impl Entry {
    /// A line about something the daemon did by itself.
    pub fn own(
        action: &'static str,
        contract: Option<&str>,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self::by("milestoned", action, contract, subject, detail)
    }

    /// A line about something `actor` did.
    pub fn by(
        actor: &str,
        action: &'static str,
        contract: Option<&str>,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            actor: actor.into(),
            action,
            contract: contract.map(Into::into),
            subject: subject.into(),
            detail: detail.into(),
        }
    }
}

/// Appends a line to the chain, inside the caller's transaction.
pub(super) fn append(connection: &Connection, at: Timestamp, entry: &Entry) -> Result<(), StoreError> {
    let last: Option<(i64, String)> = connection
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (previous_seq, previous_hash) = last.unwrap_or((0, String::new()));
    let mut line = AuditLine {
        seq: previous_seq.saturating_add(1),
        at: instant(at),
        actor: entry.actor.clone(),
        action: entry.action.into(),
        contract: entry.contract.clone(),
        subject: entry.subject.clone(),
        detail: entry.detail.clone(),
        hash: String::new(),
    };
    line.hash = chain(&previous_hash, &line);
    connection
        .prepare_cached(
            "INSERT INTO audit (seq, at, actor, action, contract, subject, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            line.seq,
            line.at,
            line.actor,
            line.action,
            line.contract,
            line.subject,
            line.detail,
            line.hash
        ])?;
    Ok(())
}

/// The hash of a line after the line with hash `previous`: SHA-256 over length-prefixed fields.
fn chain(previous: &str, line: &AuditLine) -> String {
    let mut hash = Sha256::new();
    let seq = line.seq.to_string();
    let contract = line.contract.as_deref().unwrap_or("");
    for field in [previous, &seq, &line.at, &line.actor, &line.action, contract, &line.subject, &line.detail] {
        hash.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hex::encode(hash.finalize())
}

impl Store {
    /// The trail of one contract, or of all, newest last; at most `limit` lines.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit(&self, contract: Option<String>, limit: i64) -> Result<Vec<AuditLine>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM (SELECT seq, at, actor, action, contract, subject, detail, hash FROM audit
                 WHERE ?1 IS NULL OR contract = ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
            )?;
            let lines = statement.query_map(params![contract, limit], read_line)?.collect::<Result<_, _>>()?;
            Ok(lines)
        })
        .await
    }

    /// Walks the whole chain. `Ok(Err(seq))` names the first line that does not follow from the one before it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn verify_audit(&self) -> Result<Result<i64, i64>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare("SELECT seq, at, actor, action, contract, subject, detail, hash FROM audit ORDER BY seq")?;
            let mut rows = statement.query([])?;
            let (mut previous, mut count) = (String::new(), 0_i64);
            while let Some(row) = rows.next()? {
                let line = read_line(row)?;
                count = count.saturating_add(1);
                if line.seq != count || chain(&previous, &line) != line.hash {
                    return Ok(Err(line.seq));
                }
                previous = line.hash;
            }
            Ok(Ok(count))
        })
        .await
    }
}

fn read_line(row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditLine> {
    Ok(AuditLine {
        seq: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        contract: row.get(4)?,
        subject: row.get(5)?,
        detail: row.get(6)?,
        hash: row.get(7)?,
    })
}
