//! The audit trail: append-only, each line hashed over the one before it. What people wrote, and who they are, stands in
//! the chain as a salted digest: it can be removed later, and the chain still holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
pub(super) use milestoned_trail::chain::runs;
pub use milestoned_trail::chain::{Break, Head, REDACTED};
use milestoned_trail::chain::{Line, Walk, Walked};
pub use milestoned_trail::rows::Finding;
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
pub(super) use super::attest::{Session, hold};
use super::session::{Link, Row, values};
use super::{Store, StoreError, Verb, instant};

/// One line of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditLine {
    /// Place in the chain, from 1.
    pub seq: i64,
    /// When, UTC.
    pub at: String,
    /// Who: `milestoned`, or the person or token that acted.
    pub actor: String,
    /// What was done, such as `document issued` or `delivery settled`: a word of [`Action`].
    pub action: String,
    /// Contract, where one is concerned.
    pub contract: Option<String>,
    /// What it was done to.
    pub subject: String,
    /// Reason, amounts, request ids.
    pub detail: String,
    /// What makes the digest of actor and detail impossible to guess; gone once they were removed.
    #[serde(skip)]
    pub salt: Option<String>,
    /// SHA-256 over salt, actor and detail, hex; absent in lines of before version 3 of the tables.
    #[serde(skip)]
    pub personal: Option<String>,
    /// What the line is about: table and SHA-256 of the row, as `table:digest`, one after the other.
    pub attests: Option<String>,
    /// SHA-256 over the previous line's hash and this line's fields, hex.
    pub hash: String,
}

impl AuditLine {
    /// Whether the line says that this was done.
    pub fn says(&self, action: Action) -> bool {
        self.action == action.name()
    }
}

/// What comparing everything with what is attested found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Lines that follow from the one before.
    pub lines: i64,
    /// The newest of them.
    pub head: Head,
    /// Lines whose actor and detail were removed.
    pub redacted: i64,
    /// What is wrong with the lines; `None`: nothing.
    pub broken: Option<Break>,
    /// The line from which on the head is sealed; `None`: from the first on.
    pub attested_from: Option<i64>,
    /// Rows that were compared, by table.
    pub rows: BTreeMap<String, i64>,
    /// What is wrong with the head and with rows.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The first thing that is wrong; `None`: nothing is.
    pub fn flaw(&self) -> Option<String> {
        let broken = self.broken.as_ref().map(ToString::to_string);
        broken.or_else(|| self.findings.first().map(ToString::to_string))
    }
}

/// A line that is about to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// Contract, where one is concerned.
    pub contract: Option<String>,
    /// What it was done to.
    pub subject: String,
    /// Details for the auditor.
    pub detail: String,
    /// Rows that the line is about, each as `table:digest`.
    pub attests: Option<String>,
}

impl Entry {
    /// A line about something the daemon did by itself.
    pub fn own(action: Action, contract: Option<&str>, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::by(&Actor::Daemon, action, contract, subject, detail)
    }

    /// A line about something `actor` did.
    pub fn by(
        actor: &Actor,
        action: Action,
        contract: Option<&str>,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            actor: actor.clone(),
            action,
            contract: contract.map(Into::into),
            subject: subject.into(),
            detail: detail.into(),
            attests: None,
        }
    }
}

/// Appends lines to the chain, inside the caller's transaction and late in it: others wait for its end.
pub(super) fn append<'a>(
    tx: &Session<'_>,
    at: Timestamp,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<(), StoreError> {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let mut head = hold(tx)?;
    let at = instant(at);
    let mut lines = Vec::new();
    for entry in entries {
        let attests = entry.attests.clone().or_else(|| tx.about(entry.contract.as_deref(), &entry.subject));
        let line = next(&head, &at, entry, attests);
        head = Head { seq: line.seq, hash: line.hash.clone() };
        lines.push(line);
    }
    let sets: Vec<_> = lines
        .iter()
        .map(|line| {
            values![
                line.seq,
                line.at,
                line.actor,
                line.action,
                line.contract,
                line.subject,
                line.detail,
                line.salt,
                line.personal,
                line.attests,
                line.hash
            ]
            .to_vec()
        })
        .collect();
    tx.run_each(
        "INSERT INTO audit (seq, at, actor, action, contract, subject, detail, salt, personal, attests, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &sets,
    )?;
    let mut ledger = tx.ledger.borrow_mut();
    ledger.appended = true;
    if let Some(sheet) = ledger.sheet.as_mut() {
        sheet.head = head;
    }
    Ok(())
}

/// The line after the one that is the head.
fn next(head: &Head, at: &str, entry: &Entry, attests: Option<String>) -> Line {
    let salt = hex::encode(rand::random::<[u8; 16]>());
    let mut line = Line {
        seq: head.seq.saturating_add(1),
        at: at.into(),
        actor: entry.actor.name().into(),
        action: entry.action.name().into(),
        contract: entry.contract.clone(),
        subject: entry.subject.clone(),
        detail: entry.detail.clone(),
        personal: Some(Line::personal_digest(&salt, entry.actor.name(), &entry.detail)),
        salt: Some(salt),
        attests,
        hash: String::new(),
    };
    line.hash = line.hash_after(&head.hash);
    line
}

macro_rules! columns {
    () => {
        "SELECT seq, at, actor, action, contract, subject, detail, salt, personal, hash, attests FROM audit"
    };
}

/// Walks the whole chain, and compares it with its head and with heads that were kept outside.
pub(super) fn walk(tx: &Link<'_>, kept: &[Head], mut hear: impl FnMut(&Line)) -> Result<Walked, StoreError> {
    let mut walk = Walk::begin(kept);
    each_line(tx, |line| {
        hear(&line);
        walk.step(&line);
        Ok(())
    })?;
    let stored = tx.one("SELECT seq, hash FROM audit_head WHERE id = 1", values![], read_head)?;
    Ok(walk.end(stored.as_ref()))
}

/// Hands each line to `take`, in their order.
pub(super) fn each_line(tx: &Link<'_>, mut take: impl FnMut(Line) -> Result<(), StoreError>) -> Result<(), StoreError> {
    tx.each(concat!(columns!(), " ORDER BY seq"), values![], |row| take(read_chained(row)?))
}

macro_rules! newest {
    ($which:literal) => {
        concat!(
            "SELECT * FROM (SELECT seq, at, actor, action, contract, subject, detail, salt, personal, hash, attests FROM audit ",
            $which,
            " ORDER BY seq DESC LIMIT $1) AS newest ORDER BY seq"
        )
    };
}

impl Store {
    /// The trail of one contract, or of all, newest last; at most `limit` lines.
    ///
    /// # Errors
    /// The database failed.
    pub fn audit(&self, contract: Option<String>, limit: i64) -> Verb<'_, Vec<AuditLine>> {
        self.audit_before(contract, None, limit)
    }

    /// The trail of one contract, or of all, before a place in the chain, newest last; at most `limit` lines.
    ///
    /// # Errors
    /// The database failed.
    pub fn audit_before(&self, contract: Option<String>, before: Option<i64>, limit: i64) -> Verb<'_, Vec<AuditLine>> {
        let before = before.unwrap_or(i64::MAX);
        self.read(move |tx| match contract {
            Some(contract) => {
                tx.all(newest!("WHERE contract = $2 AND seq < $3"), values![limit, contract, before], read_line)
            }
            None => tx.all(newest!("WHERE seq < $2"), values![limit, before], read_line),
        })
    }

    /// A line about something that the daemon noticed and that changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub fn note(&self, action: Action, subject: String, detail: String, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| append(tx, now, &[Entry::own(action, None, subject, detail)]))
    }

    /// The newest line of the chain.
    ///
    /// # Errors
    /// The database failed.
    pub fn audit_head(&self) -> Verb<'_, Head> {
        self.read(|tx| {
            let head = tx.one("SELECT seq, hash FROM audit_head WHERE id = 1", values![], read_head)?;
            Ok(head.unwrap_or(Head { seq: 0, hash: String::new() }))
        })
    }
}

/// Lines about a subject of a contract, such as a document by its number.
pub(super) fn about(tx: &Session<'_>, contract: &str, subject: &str) -> Result<Vec<AuditLine>, StoreError> {
    tx.all(
        concat!(columns!(), " WHERE contract = $1 AND subject = $2 ORDER BY seq"),
        values![contract, subject],
        read_line,
    )
}

/// Lines about exceptions of a milestone.
pub(super) fn exceptions_of(tx: &Session<'_>, contract: &str, milestone: &str) -> Result<Vec<AuditLine>, StoreError> {
    tx.all(
        concat!(
            columns!(),
            " WHERE contract = $1 AND action IN ($3, $4, $5)
             AND (detail = $2 OR substr(detail, 1, length($2) + 1) = $2 || ' ') ORDER BY seq"
        ),
        values![
            contract,
            milestone,
            Action::ExceptionOpened.name(),
            Action::ExceptionClosed.name(),
            Action::ExceptionOpenedAndClosed.name()
        ],
        read_line,
    )
}

/// Numbers of the documents that were issued in the turn in which a fact was decided: its lines share their instant.
pub(super) fn issued_with(tx: &Session<'_>, contract: &str, subject: &str) -> Result<Vec<String>, StoreError> {
    let mut numbers = Vec::new();
    for line in about(tx, contract, subject)? {
        numbers.extend(tx.all(
            "SELECT subject FROM audit WHERE contract = $1 AND at = $2 AND action = $3 ORDER BY seq",
            values![contract, line.at, Action::DocumentIssued.name()],
            |row| row.get::<String>(0),
        )?);
    }
    Ok(numbers)
}

fn read_head(row: &Row<'_>) -> Result<Head, StoreError> {
    Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
}

fn read_chained(row: &Row<'_>) -> Result<Line, StoreError> {
    Ok(Line {
        seq: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        contract: row.get(4)?,
        subject: row.get(5)?,
        detail: row.get(6)?,
        salt: row.get(7)?,
        personal: row.get(8)?,
        hash: row.get(9)?,
        attests: row.get(10)?,
    })
}

fn read_line(row: &Row<'_>) -> Result<AuditLine, StoreError> {
    let Line { seq, at, actor, action, contract, subject, detail, salt, personal, attests, hash } = read_chained(row)?;
    Ok(AuditLine { seq, at, actor, action, contract, subject, detail, salt, personal, attests, hash })
}
