//! Where a trail begins: what people and systems call a document, an entry, a payment or an approval.

use super::attest::Session;
use super::session::values;
use super::trace::Start;
use super::vocabulary::CommandKind;
use super::{Store, StoreError, Verb};

impl Store {
    /// A contract whose id differs from this one in case alone.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract_alike(&self, id: String) -> Verb<'_, Option<String>> {
        self.read(move |tx| {
            let sql = "SELECT id FROM contract WHERE lower(id) = lower($1) AND id <> $1 ORDER BY id LIMIT 1";
            tx.one(sql, values![id], |row| row.get(0))
        })
    }

    /// Where the trail of what is named begins. `None`: there is no such thing.
    ///
    /// # Errors
    /// The database failed.
    pub fn start_of_trail(&self, what: String) -> Verb<'_, Option<Start>> {
        self.read(move |tx| match what.split_once(':') {
            Some(("fact", row)) => Ok(row.parse().ok().map(Start::Fact)),
            Some(("record", row)) => Ok(row.parse().ok().map(Start::Record)),
            Some(("mail", id)) => {
                // As the message has it: <KEY@milestoned>.
                let key = id.trim().trim_matches(['<', '>']);
                let key = key.strip_suffix("@milestoned").unwrap_or(key);
                Ok(tx.one("SELECT key FROM mail WHERE key = $1", values![key], |row| row.get(0))?.map(Start::Mail))
            }
            Some(("approval", of)) => {
                let (contract, milestone) = of.rsplit_once(':').unwrap_or((of, ""));
                let sql = "SELECT number FROM document WHERE contract = $1 AND milestone = $2 ORDER BY ordinal LIMIT 1";
                let document = tx.one(sql, values![contract, milestone], |row| row.get(0))?;
                match document {
                    Some(number) => Ok(Some(Start::Document(number))),
                    None => approval(tx, contract, milestone),
                }
            }
            Some(("payment", _)) => {
                let sql = "SELECT id FROM fact WHERE identity = $1 ORDER BY id LIMIT 1";
                Ok(tx.one(sql, values![what], |row| row.get(0))?.map(Start::Fact))
            }
            Some((kind, id)) if CommandKind::named(&kind.to_lowercase()).is_some() => {
                remote(tx, &kind.to_lowercase(), id)
            }
            _ => numbered(tx, &what),
        })
    }
}

/// The latest approval of a milestone that has no document yet.
fn approval(tx: &Session<'_>, contract: &str, milestone: &str) -> Result<Option<Start>, StoreError> {
    let mut latest = None;
    tx.each(
        "SELECT id, fact FROM fact WHERE contract = $1 AND identity >= 'review:' AND identity < 'review;' ORDER BY id",
        values![contract],
        |row| {
            let (id, text): (i64, String) = (row.get(0)?, row.get(1)?);
            let fact: serde_json::Value = super::parse("fact", "fact", &id.to_string(), &text)?;
            if fact.get("milestone").and_then(serde_json::Value::as_str) == Some(milestone) {
                latest = Some(Start::Fact(id));
            }
            Ok(())
        },
    )?;
    Ok(latest)
}

/// A document by its number, or a journal entry by its own.
fn numbered(tx: &Session<'_>, number: &str) -> Result<Option<Start>, StoreError> {
    let document = tx.one("SELECT number FROM document WHERE number = $1", values![number], |row| row.get(0))?;
    if let Some(number) = document {
        return Ok(Some(Start::Document(number)));
    }
    let sql = "SELECT key FROM outbox WHERE subject = $1 AND kind = 'journal_entry' ORDER BY ordinal LIMIT 1";
    Ok(tx.one(sql, values![number], |row| row.get(0))?.map(Start::Delivery))
}

/// What was written in a remote under this id.
fn remote(tx: &Session<'_>, kind: &str, id: &str) -> Result<Option<Start>, StoreError> {
    let mut found = None;
    tx.each(
        "SELECT subject, key, receipt FROM outbox WHERE kind = $1 AND receipt IS NOT NULL ORDER BY ordinal",
        values![kind],
        |row| {
            let (subject, key): (String, String) = (row.get(0)?, row.get(1)?);
            if super::outbox::read_receipt(row.get(2)?).is_some_and(|receipt| receipt.remote_id == id) {
                found = Some(if kind == CommandKind::JournalEntry.name() {
                    Start::Delivery(key)
                } else {
                    Start::Document(subject)
                });
            }
            Ok(())
        },
    )?;
    Ok(found)
}
