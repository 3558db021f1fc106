//! The audit trail: append-only, each line hashed over the one before it. What people wrote, and who they are, stands in
//! the chain as a salted digest: it can be removed later, and the chain still holds.

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::session::{Row, Session, Sql, values};
use super::{Store, StoreError, instant};

/// What stands in place of actor and detail after they were removed.
pub const REDACTED: &str = "(removed)";

/// What a line about a redaction is called, and how it names the lines.
pub(super) const REDACTION: &str = "audit lines redacted";
const LINES: &str = "lines ";

/// One line of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
    /// What makes the digest of actor and detail impossible to guess; gone once they were removed.
    #[serde(skip)]
    pub salt: Option<String>,
    /// SHA-256 over salt, actor and detail, hex; absent in lines of before version 3 of the tables.
    #[serde(skip)]
    pub personal: Option<String>,
    /// SHA-256 over the previous line's hash and this line's fields, hex.
    pub hash: String,
}

/// The newest line of the chain. Kept outside of the database it tells whether lines were taken off or put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Its place.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

/// What walking the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Lines that follow from the one before.
    pub lines: i64,
    /// The newest of them.
    pub head: Head,
    /// Lines whose actor and detail were removed.
    pub redacted: i64,
    /// What is wrong; `None`: nothing.
    pub broken: Option<Break>,
}

/// Where a chain is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// First line that cannot be trusted.
    pub seq: i64,
    /// What is wrong with it.
    pub what: String,
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

/// In PostgreSQL whoever appends holds the head until it commits: two lines never follow from the same one. SQLite has
/// one writer.
const HEAD: Sql = Sql {
    postgres: "SELECT seq, hash FROM audit_head WHERE id = 1 FOR UPDATE",
    sqlite: "SELECT seq, hash FROM audit_head WHERE id = 1",
};

/// Waits until no other transaction appends, so that what is numbered from here on is numbered in the order of commits.
pub(super) fn hold(tx: &Session<'_>) -> Result<Head, StoreError> {
    Ok(tx.one(HEAD, values![], read_head)?.unwrap_or(Head { seq: 0, hash: String::new() }))
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
        let line = next(&head, &at, entry);
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
                line.hash
            ]
            .to_vec()
        })
        .collect();
    tx.run_each(
        "INSERT INTO audit (seq, at, actor, action, contract, subject, detail, salt, personal, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &sets,
    )?;
    tx.run("UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1", values![head.seq, head.hash]).map(drop)
}

/// The line after the one that is the head.
fn next(head: &Head, at: &str, entry: &Entry) -> AuditLine {
    let salt = hex::encode(rand::random::<[u8; 16]>());
    let mut line = AuditLine {
        seq: head.seq.saturating_add(1),
        at: at.into(),
        actor: entry.actor.clone(),
        action: entry.action.into(),
        contract: entry.contract.clone(),
        subject: entry.subject.clone(),
        detail: entry.detail.clone(),
        personal: Some(digest(&[&salt, &entry.actor, &entry.detail])),
        salt: Some(salt),
        hash: String::new(),
    };
    line.hash = chain(&head.hash, &line);
    line
}

/// SHA-256 over length-prefixed fields, hex.
fn digest(fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// The hash of a line after the line with hash `previous`.
fn chain(previous: &str, line: &AuditLine) -> String {
    let seq = line.seq.to_string();
    // No contract and an empty one are two things.
    let contract = line.contract.as_ref().map(|contract| format!("={contract}"));
    let contract = contract.as_deref().unwrap_or("");
    match &line.personal {
        Some(personal) => digest(&["2", previous, &seq, &line.at, &line.action, contract, &line.subject, personal]),
        None => {
            let contract = line.contract.as_deref().unwrap_or("");
            digest(&[previous, &seq, &line.at, &line.actor, &line.action, contract, &line.subject, &line.detail])
        }
    }
}

/// What is wrong with a line that should follow `before`; `None`: nothing.
fn flaw(before: &Head, line: &AuditLine) -> Option<&'static str> {
    if line.seq != before.seq.saturating_add(1) {
        return Some("a line before it is missing, or it was put in");
    }
    if chain(&before.hash, line) != line.hash {
        return Some("it, or the line before it, was edited");
    }
    match (&line.salt, &line.personal) {
        (Some(salt), Some(personal)) if digest(&[salt, &line.actor, &line.detail]) != *personal => {
            Some("who did it, or the detail, was edited")
        }
        (None, Some(_)) if line.actor != REDACTED || line.detail != REDACTED => {
            Some("its detail was removed, and something else stands in its place")
        }
        (Some(_), None) => Some("the digest of its detail was removed"),
        _ => None,
    }
}

macro_rules! columns {
    () => {
        "SELECT seq, at, actor, action, contract, subject, detail, salt, personal, hash FROM audit"
    };
}

/// Walks the whole chain, and compares it with its head and with heads that were kept outside.
pub(super) fn walk(tx: &Session<'_>, kept: &[Head]) -> Result<Verdict, StoreError> {
    let mut head = Head { seq: 0, hash: String::new() };
    let (mut redacted, mut told, mut broken) = (Vec::new(), Told::default(), None);
    let broke = |seq, what: &str| Some(Break { seq, what: what.into() });
    tx.each(concat!(columns!(), " ORDER BY seq"), values![], |row| {
        if broken.is_some() {
            return Ok(());
        }
        let line = read_line(row)?;
        let outside = kept.iter().find(|kept| kept.seq == line.seq && kept.hash != line.hash);
        broken = match (flaw(&head, &line), outside) {
            (Some(what), _) => broke(line.seq, what),
            (None, Some(kept)) => broke(kept.seq, "it is not the line whose hash was kept outside"),
            (None, None) => {
                if line.salt.is_none() && line.personal.is_some() {
                    redacted.push(line.seq);
                }
                if line.action == REDACTION {
                    told.hear(&line.subject);
                }
                head = Head { seq: line.seq, hash: line.hash };
                None
            }
        };
        Ok(())
    })?;
    let stored = tx.one("SELECT seq, hash FROM audit_head WHERE id = 1", values![], read_head)?;
    if broken.is_none() && stored.as_ref() != Some(&head) {
        let seq = stored.map_or(head.seq, |stored| stored.seq.max(head.seq));
        broken = broke(seq, "the newest line is not the one that was appended last: lines were taken off or put on");
    }
    if let Some(beyond) = kept.iter().map(|kept| kept.seq).filter(|seq| *seq > head.seq).max()
        && broken.is_none()
    {
        broken = broke(beyond, "it was kept outside, and the chain ends before it");
    }
    if let (Some(seq), None) = (told.untold(&redacted), &broken) {
        broken = broke(seq, "who did it and what they wrote was removed, and no line says that it was");
    }
    let redacted = i64::try_from(redacted.len()).unwrap_or(i64::MAX);
    Ok(Verdict { lines: head.seq, head, redacted, broken })
}

/// What lines about redactions say was removed.
#[derive(Default)]
struct Told {
    /// First and last line of each run.
    runs: Vec<(i64, i64)>,
    /// Lines that are told by their number alone, as in versions before 6 of the tables.
    count: usize,
}

impl Told {
    fn hear(&mut self, subject: &str) {
        match subject.strip_prefix(LINES) {
            Some(runs) => self.runs.extend(runs.split(", ").filter_map(|run| {
                let (first, last) = run.split_once('-').unwrap_or((run, run));
                Some((first.parse().ok()?, last.parse().ok()?))
            })),
            None => self.count = self.count.saturating_add(subject.parse().unwrap_or(0)),
        }
    }

    /// The first redacted line of which nobody told.
    fn untold(&self, redacted: &[i64]) -> Option<i64> {
        let told = |seq: i64| self.runs.iter().any(|(first, last)| (*first..=*last).contains(&seq));
        redacted.iter().copied().filter(|seq| !told(*seq)).nth(self.count)
    }
}

/// Runs of lines, as the line about their redaction names them.
pub(super) fn runs(mut lines: Vec<i64>) -> String {
    lines.sort_unstable();
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for line in lines {
        match runs.last_mut() {
            Some((_, last)) if last.saturating_add(1) == line => *last = line,
            _ => runs.push((line, line)),
        }
    }
    let run = |(first, last): &(i64, i64)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    format!("{LINES}{}", runs.iter().map(run).collect::<Vec<_>>().join(", "))
}

macro_rules! newest {
    ($which:literal) => {
        concat!(
            "SELECT * FROM (SELECT seq, at, actor, action, contract, subject, detail, salt, personal, hash FROM audit ",
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
    pub async fn audit(&self, contract: Option<String>, limit: i64) -> Result<Vec<AuditLine>, StoreError> {
        self.audit_before(contract, None, limit).await
    }

    /// The trail of one contract, or of all, before a place in the chain, newest last; at most `limit` lines.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit_before(
        &self,
        contract: Option<String>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        self.read(move |tx| match contract {
            Some(contract) => {
                tx.all(newest!("WHERE contract = $2 AND seq < $3"), values![limit, contract, before], read_line)
            }
            None => tx.all(newest!("WHERE seq < $2"), values![limit, before], read_line),
        })
        .await
    }

    /// A line about something that the daemon noticed and that changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note(
        &self,
        action: &'static str,
        subject: String,
        detail: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |tx| append(tx, now, &[Entry::own(action, None, subject, detail)])).await
    }

    /// The newest line of the chain.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit_head(&self) -> Result<Head, StoreError> {
        self.read(|tx| {
            let head = tx.one("SELECT seq, hash FROM audit_head WHERE id = 1", values![], read_head)?;
            Ok(head.unwrap_or(Head { seq: 0, hash: String::new() }))
        })
        .await
    }

    /// Walks the whole chain, and compares it with its head and with heads that were kept outside.
    ///
    /// # Errors
    /// The database failed.
    pub async fn verify_audit(&self, kept: Vec<Head>) -> Result<Verdict, StoreError> {
        self.read(move |tx| walk(tx, &kept)).await
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
            " WHERE contract = $1 AND action IN ('exception opened', 'exception closed', 'exception opened and closed')
             AND (detail = $2 OR substr(detail, 1, length($2) + 1) = $2 || ' ') ORDER BY seq"
        ),
        values![contract, milestone],
        read_line,
    )
}

/// Numbers of the documents that were issued in the turn in which a fact was decided: its lines share their instant.
pub(super) fn issued_with(tx: &Session<'_>, contract: &str, subject: &str) -> Result<Vec<String>, StoreError> {
    let mut numbers = Vec::new();
    for line in about(tx, contract, subject)? {
        numbers.extend(tx.all(
            "SELECT subject FROM audit WHERE contract = $1 AND at = $2 AND action = 'document issued' ORDER BY seq",
            values![contract, line.at],
            |row| row.get::<String>(0),
        )?);
    }
    Ok(numbers)
}

fn read_head(row: &Row<'_>) -> Result<Head, StoreError> {
    Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
}

fn read_line(row: &Row<'_>) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
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
    })
}
