//! Signed documents that were read for people to confirm: what was read, and who decided what about each value.

use jiff::Timestamp;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::{READING, READING_HAND, READING_VERDICT};
use super::audit::{self, Entry};
use super::session::{Row, values};
use super::{Store, StoreError, Verb, instant};

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// Who brought it.
    pub actor: Actor,
    /// When it was read, UTC.
    pub read_at: Timestamp,
    /// Its text and tables, JSON.
    pub document: String,
    /// What was read from it, JSON.
    pub proposal: String,
    /// The contract that was filed from it.
    pub contract: Option<String>,
}

/// What somebody has decided about a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Where the value stands in the terms.
    pub path: String,
    /// The verdict, JSON.
    pub verdict: String,
    /// Who.
    pub actor: Actor,
    /// When, UTC.
    pub decided_at: Timestamp,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingLine {
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// Who brought it.
    pub actor: Actor,
    /// When it was read, UTC.
    pub read_at: Timestamp,
    /// The contract that was filed from it.
    pub contract: Option<String>,
}

/// What a contract that is filed from a document names as its source: who decided about the document's values is found by it.
pub fn source(name: &str, id: &str) -> String {
    format!("document {name} (SHA-256 {id})")
}

/// Who brought the document that a contract was filed from, and who decided about its values.
pub(super) const PEOPLE: &str = "SELECT r.actor FROM contract AS c JOIN reading AS r
     ON c.source = 'document ' || r.name || ' (SHA-256 ' || r.id || ')' WHERE c.id = $1
     UNION SELECT v.actor FROM contract AS c JOIN reading AS r
     ON c.source = 'document ' || r.name || ' (SHA-256 ' || r.id || ')'
     JOIN reading_verdict AS v ON v.reading = r.id WHERE c.id = $1
     UNION SELECT h.actor FROM contract AS c JOIN reading AS r
     ON c.source = 'document ' || r.name || ' (SHA-256 ' || r.id || ')'
     JOIN reading_hand AS h ON h.reading = r.id WHERE c.id = $1 ORDER BY 1";

/// Somebody has had a hand in what a document is taken to say, and keeps it: whoever decides about the same value later takes
/// the place of the verdict, and not of who gave the one before.
fn keep_hand(tx: &Session<'_>, reading: &str, actor: &Actor, at: Timestamp) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO reading_hand (reading, actor, since) VALUES ($1, $2, $3) ON CONFLICT (reading, actor) DO NOTHING";
    tx.change(&READING_HAND, values![reading, actor.name()], || {
        tx.run(sql, values![reading, actor.name(), instant(at)])
    })
    .map(drop)
}

/// Documents of a list.
const LISTED: i64 = 200;

impl Store {
    /// Keeps a document that was read; one with the same bytes that is there already stays, with what was decided.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_reading(&self, reading: Reading, content: Vec<u8>) -> Verb<'_, ()> {
        self.write(move |tx| {
            let new = tx.change(&READING, values![reading.id], || {
                tx.run(
                    "INSERT INTO reading (id, name, actor, read_at, document, proposal, content)
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
                    values![
                        reading.id,
                        reading.name,
                        reading.actor.name(),
                        instant(reading.read_at),
                        reading.document,
                        reading.proposal,
                        content
                    ],
                )
            })?;
            if new > 0 {
                let detail = format!("SHA-256 {}", reading.id);
                let line = Entry::by(&reading.actor, Action::DocumentRead, None, reading.name.clone(), detail);
                audit::append(tx, reading.read_at, &[line])?;
            }
            Ok(())
        })
    }

    /// The bytes of a document that was read; `None`: there is no such document, or it was read before files were kept.
    ///
    /// # Errors
    /// The database failed.
    pub fn reading_content(&self, id: String) -> Verb<'_, Option<Vec<u8>>> {
        self.read(move |tx| {
            let sql = "SELECT content FROM reading WHERE id = $1 AND content IS NOT NULL";
            tx.one(sql, values![id], |row| row.get(0))
        })
    }

    /// Documents that were read, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn readings(&self) -> Verb<'_, Vec<ReadingLine>> {
        self.read(|tx| {
            let sql = "SELECT id, name, actor, read_at, contract FROM reading ORDER BY read_at DESC, id LIMIT $1";
            tx.all(sql, values![LISTED], |row| {
                Ok(ReadingLine {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    actor: row.actor(2)?,
                    read_at: row.parsed(3, "reading.read_at")?,
                    contract: row.get(4)?,
                })
            })
        })
    }

    /// A document that was read, and what was decided about its values.
    ///
    /// # Errors
    /// The database failed.
    pub fn reading(&self, id: String) -> Verb<'_, Option<(Reading, Vec<Decided>)>> {
        self.read(move |tx| {
            let sql = "SELECT id, name, actor, read_at, document, proposal, contract FROM reading WHERE id = $1";
            let Some(reading) = tx.one(sql, values![id], read_reading)? else { return Ok(None) };
            if !tx.examine_one(&READING, values![id])?.is_some_and(|row| row.genuine) {
                return Ok(None);
            }
            let sql = "SELECT path, verdict, actor, decided_at FROM reading_verdict WHERE reading = $1 ORDER BY path";
            let mut decided = tx.all(sql, values![id], read_decided)?;
            // A verdict that the house has not attested is left out.
            let mut genuine = Vec::with_capacity(decided.len());
            for verdict in &decided {
                let row = tx.examine_one(&READING_VERDICT, values![id, verdict.path])?;
                genuine.push(row.is_some_and(|row| row.genuine));
            }
            let mut genuine = genuine.into_iter();
            decided.retain(|_| genuine.next().unwrap_or(false));
            Ok(Some((reading, decided)))
        })
    }

    /// The document that a contract was filed from, and what was decided about its values.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reading_of_contract(&self, contract: String) -> Result<Option<(Reading, Vec<Decided>)>, StoreError> {
        let id = self
            .read(move |tx| {
                tx.one("SELECT id FROM reading WHERE contract = $1", values![contract], |row| row.get::<String>(0))
            })
            .await?;
        match id {
            Some(id) => self.reading(id).await,
            None => Ok(None),
        }
    }

    /// Keeps what somebody has decided about a value. `false`: somebody else has decided about it since `seen`, or the
    /// contract is filed; nothing was changed.
    ///
    /// # Errors
    /// The database failed.
    pub fn decide_reading(&self, reading: String, decided: Decided, seen: Option<Timestamp>) -> Verb<'_, bool> {
        self.write(move |tx| {
            let sql = "SELECT name FROM reading WHERE id = $1 AND contract IS NULL";
            let Some(name) = tx.one(sql, values![reading], |row| row.get::<String>(0))? else { return Ok(false) };
            let sql = "SELECT decided_at FROM reading_verdict WHERE reading = $1 AND path = $2";
            let last =
                tx.one(sql, values![reading, decided.path], |row| row.parsed(0, "reading_verdict.decided_at"))?;
            if last != seen {
                return Ok(false);
            }
            let before = "SELECT actor, decided_at FROM reading_verdict WHERE reading = $1 AND path = $2";
            let before = tx.one(before, values![reading, decided.path], |row| {
                Ok((row.actor(0)?, row.parsed(1, "reading_verdict.decided_at")?))
            })?;
            for (actor, at) in before.into_iter().chain([(decided.actor.clone(), decided.decided_at)]) {
                keep_hand(tx, &reading, &actor, at)?;
            }
            tx.overwrite(&READING_VERDICT, values![reading, decided.path], || {
                tx.run(
                    "INSERT INTO reading_verdict (reading, path, verdict, actor, decided_at) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (reading, path) DO UPDATE SET verdict = $3, actor = $4, decided_at = $5",
                    values![reading, decided.path, decided.verdict, decided.actor.name(), instant(decided.decided_at)],
                )
            })?;
            let detail = format!("{}: {}, in the document with SHA-256 {reading}", decided.path, decided.verdict);
            let line = Entry::by(&decided.actor, Action::ValueDecided, None, name, detail);
            audit::append(tx, decided.decided_at, &[line])?;
            Ok(true)
        })
    }

    /// Who has ever decided about a value of a document.
    ///
    /// # Errors
    /// The database failed.
    pub fn reading_hands(&self, reading: String) -> Verb<'_, Vec<Actor>> {
        self.read(move |tx| {
            let sql = "SELECT actor FROM reading_hand WHERE reading = $1 ORDER BY actor";
            tx.all(sql, values![reading], |row| row.actor(0))
        })
    }

    /// Notes that a contract was filed from a document.
    ///
    /// # Errors
    /// The database failed.
    pub fn reading_filed(
        &self,
        reading: String,
        contract: String,
        reader: String,
        actor: Actor,
        now: Timestamp,
    ) -> Verb<'_, ()> {
        self.write(move |tx| {
            let sql = "UPDATE reading SET contract = $2 WHERE id = $1 AND contract IS NULL";
            if tx.change(&READING, values![reading], || tx.run(sql, values![reading, contract]))? > 0 {
                let detail = format!("SHA-256 {reading}, {reader}; every value was decided about by a person");
                let line = Entry::by(&actor, Action::FiledFromDocument, Some(&contract), contract.clone(), detail);
                audit::append(tx, now, &[line])?;
            }
            Ok(())
        })
    }
}

fn read_reading(row: &Row<'_>) -> Result<Reading, StoreError> {
    Ok(Reading {
        id: row.get(0)?,
        name: row.get(1)?,
        actor: row.actor(2)?,
        read_at: row.parsed(3, "reading.read_at")?,
        document: row.get(4)?,
        proposal: row.get(5)?,
        contract: row.get(6)?,
    })
}

fn read_decided(row: &Row<'_>) -> Result<Decided, StoreError> {
    Ok(Decided {
        path: row.get(0)?,
        verdict: row.get(1)?,
        actor: row.actor(2)?,
        decided_at: row.parsed(3, "reading_verdict.decided_at")?,
    })
}
