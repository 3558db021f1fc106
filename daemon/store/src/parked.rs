//! What waits for a person beside exceptions and deliveries, and how it is closed for good.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use milestoned_connector_kit::Receipt;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::{AGREEMENT_FILE, FACT, OUTBOX, SOURCE_RECORD, Table};
use super::audit::{self, Entry};
use super::outbox::read_receipt;
use super::session::{Sql, Value, values};
use super::vocabulary::CommandKind;
use super::{Store, StoreError, Verb, instant};

/// What is parked, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle {
    /// A fact that was refused, by its row.
    Fact(i64),
    /// A contract file, by its path.
    File(String),
    /// A source record that could not be understood, by its row.
    Record(i64),
    /// A write that no poll has shown, by its key.
    Unseen(String),
}

impl fmt::Display for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact(id) => write!(out, "fact:{id}"),
            Self::File(path) => write!(out, "file:{path}"),
            Self::Record(id) => write!(out, "record:{id}"),
            Self::Unseen(key) => write!(out, "unseen:{key}"),
        }
    }
}

impl FromStr for Handle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?}: name it as `milestoned status` does: record:ROW, fact:ROW, file:PATH, unseen:KEY");
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        let row = || name.parse().map_err(|_| wrong());
        match kind {
            "fact" => Ok(Self::Fact(row()?)),
            "file" => Ok(Self::File(name.into())),
            "record" => Ok(Self::Record(row()?)),
            "unseen" => Ok(Self::Unseen(name.into())),
            _ => Err(wrong()),
        }
    }
}

/// A write that was answered, and that no poll has shown since.
#[derive(Debug, Clone)]
pub struct Unseen {
    /// Idempotency key.
    pub key: String,
    /// Contract.
    pub contract: String,
    /// Connection.
    pub target: String,
    /// Kind of command.
    pub kind: CommandKind,
    /// Number.
    pub subject: String,
    /// When it was answered, UTC.
    pub settled_at: Timestamp,
    /// The remote's answer; `None`: it cannot be read.
    pub receipt: Option<Receipt>,
}

impl Store {
    /// Documents and entries that a remote took before an instant and has not shown since.
    ///
    /// # Errors
    /// The database failed.
    pub fn unseen(&self, target: String, before: Timestamp) -> Verb<'_, Vec<Unseen>> {
        self.read(move |tx| {
            tx.all(
                "SELECT key, contract, target, kind, subject, settled_at, receipt FROM outbox
                 WHERE target = $1 AND state = 'done' AND confirmed_at IS NULL AND settled_at < $2
                 AND kind IN ('invoice', 'credit_memo', 'journal_entry') ORDER BY settled_at, ordinal",
                values![target, instant(before)],
                |row| {
                    Ok(Unseen {
                        key: row.get(0)?,
                        contract: row.get(1)?,
                        target: row.get(2)?,
                        kind: row.parsed(3, "outbox.kind")?,
                        subject: row.get(4)?,
                        settled_at: row.parsed(5, "outbox.settled_at")?,
                        receipt: read_receipt(row.get(6)?),
                    })
                },
            )
        })
    }

    /// A person closes what is parked, with a reason. `false`: no such thing waits.
    ///
    /// # Errors
    /// The database failed.
    pub fn close_parked(&self, handle: Handle, actor: Actor, reason: String, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let at = instant(now);
            let closed = match &handle {
                Handle::Fact(id) => close(
                    (tx, &FACT, values![*id]),
                    "UPDATE fact SET closed_at = $2 WHERE id = $1 AND problem IS NOT NULL AND closed_at IS NULL
                     RETURNING contract, CAST(id AS TEXT)",
                    values![*id, at],
                ),
                Handle::File(path) => close(
                    (tx, &AGREEMENT_FILE, values![path]),
                    "UPDATE agreement_file SET problem = NULL WHERE path = $1 AND problem IS NOT NULL
                     RETURNING contract, path",
                    values![path],
                ),
                Handle::Record(id) => close(
                    (tx, &SOURCE_RECORD, values![*id]),
                    "UPDATE source_record SET state = 'dismissed' WHERE id = $1 AND state = 'parked'
                     RETURNING contract, system || ' ' || object || ' ' || remote_id",
                    values![*id],
                ),
                Handle::Unseen(key) => close(
                    (tx, &OUTBOX, values![key]),
                    "UPDATE outbox SET confirmed_at = $2 WHERE key = $1 AND state = 'done' AND confirmed_at IS NULL
                     RETURNING contract, subject",
                    values![key, at],
                ),
            }?;
            let Some((contract, subject)) = closed else { return Ok(false) };
            let detail = format!("{handle}: {reason}");
            audit::append(tx, now, &[Entry::by(&actor, Action::ParkedClosed, contract.as_deref(), subject, detail)])?;
            Ok(true)
        })
    }
}

/// Contract and subject of what a statement closed.
fn close(
    (tx, table, key): (&Session<'_>, &Table, &[&dyn Value]),
    sql: impl Into<Sql>,
    values: &[&dyn Value],
) -> Result<Option<(Option<String>, String)>, StoreError> {
    tx.change(table, key, || tx.one(sql, values, |row| Ok((row.get(0)?, row.get(1)?))))
}
