//! Mail that is to be sent once. SMTP cannot be asked whether a message arrived: a message whose sending was
//! interrupted is never sent again by itself.

use jiff::Timestamp;
use milestoned_trail::rows::named;
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::attest::Session;
use super::attested::{DIGEST_ITEM, MAIL};
use super::audit::{self, Entry};
use super::intake::UNATTESTED;
use super::session::{Sql, values};
use super::vocabulary::words;
use super::{Store, StoreError, Verb, instant};

words! {
    /// Where a message stands.
    MailState {
        /// It waits for its time.
        Pending = "pending",
        /// It is being sent.
        Sending = "sending",
        /// Its sending was interrupted: it may have arrived, and is not repeated.
        Unknown = "unknown",
        /// The relay took it.
        Sent = "sent",
        /// The relay refused it.
        Refused = "refused",
    }
}

/// A message that is due.
#[derive(Debug, Clone)]
pub struct DueMail {
    /// Key: derived from what it reports on.
    pub key: String,
    /// Envelope recipients.
    pub recipients: Vec<String>,
    /// The message, RFC 5322.
    pub message: Vec<u8>,
    /// Attempts so far.
    pub attempts: u32,
}

/// A message, for people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MailRow {
    /// Key.
    pub key: String,
    /// Recipients, comma-separated.
    pub recipients: String,
    /// Subject.
    pub subject: String,
    /// Where it stands.
    pub state: MailState,
    /// Written on, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// What went wrong.
    pub fault: Option<String>,
}

/// Something that a digest told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestItem {
    /// Its name, as the queue has it.
    pub subject: String,
    /// What it is, in a line.
    pub title: String,
    /// When its reader was told of it first.
    pub first_told: Timestamp,
}

/// A digest that is to be sent.
#[derive(Debug, Clone)]
pub struct Digest {
    /// Key: derived from slot and reader.
    pub key: String,
    /// Its reader.
    pub recipient: String,
    /// Subject.
    pub subject: String,
    /// The message, RFC 5322.
    pub message: Vec<u8>,
    /// What is open, as it is told.
    pub items: Vec<DigestItem>,
}

/// What became of sending.
#[derive(Debug, Clone)]
pub enum MailOutcome {
    /// The relay took it.
    Sent,
    /// Nothing was taken: again later.
    Again(Timestamp, String),
    /// The relay may have taken it; never again by itself.
    Unknown(String),
    /// The relay refused it.
    Refused(String),
}

macro_rules! oldest_due {
    () => {
        "SELECT CAST(0 AS BIGINT), key, recipients, subject, message, created_at, state, attempts, due_at, settled_at, fault,
         mac FROM mail WHERE state = 'pending' AND due_at <= $1 ORDER BY created_at, key LIMIT 1"
    };
}

/// In PostgreSQL several may claim at once: each locks what it takes, and skips what another has locked.
const OLDEST_DUE: Sql = Sql { postgres: concat!(oldest_due!(), " FOR UPDATE SKIP LOCKED"), sqlite: oldest_due!() };

const REFUSE: &str = "UPDATE mail SET state = 'refused', settled_at = $2, fault = $3 WHERE key = $1";

impl Store {
    /// Writes a message down; one with this key is known already. Returns whether it was new.
    ///
    /// # Errors
    /// The database failed.
    pub fn add_mail(
        &self,
        key: String,
        recipients: Vec<String>,
        subject: String,
        message: Vec<u8>,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(move |tx| insert(tx, &key, &recipients, &subject, &message, now))
    }

    /// Writes a digest down, and what its reader is told by it; one with this key is known already. Returns whether it was new.
    ///
    /// # Errors
    /// The database failed.
    pub fn add_digest(&self, digest: Digest, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let Digest { key, recipient, subject, message, items } = digest;
            if !insert(tx, &key, std::slice::from_ref(&recipient), &subject, &message, now)? {
                return Ok(false);
            }
            let known = told_by_digest(tx, &recipient)?;
            for told in known.iter().filter(|candidate| !items.iter().any(|item| item.subject == candidate.subject)) {
                let sql = "DELETE FROM digest_item WHERE recipient = $1 AND subject = $2 RETURNING mac";
                tx.delete(&DIGEST_ITEM, sql, values![recipient, told.subject])?;
            }
            for item in &items {
                tx.overwrite(&DIGEST_ITEM, values![recipient, item.subject], || {
                    tx.run(
                        "INSERT INTO digest_item (recipient, subject, title, first_told) VALUES ($1, $2, $3, $4)
                         ON CONFLICT (recipient, subject) DO UPDATE SET title = $3, first_told = $4",
                        values![recipient, item.subject, item.title, instant(item.first_told)],
                    )
                })?;
            }
            Ok(true)
        })
    }

    /// What a reader was told by their last digest.
    ///
    /// # Errors
    /// The database failed.
    pub fn told_by_digest(&self, recipient: String) -> Verb<'_, Vec<DigestItem>> {
        self.read(move |tx| told_by_digest(tx, &recipient))
    }

    /// Takes the oldest due message and stores that it is being sent. One that is not attested is refused, and told.
    ///
    /// # Errors
    /// The database failed.
    pub fn claim_mail(&self, now: Timestamp) -> Verb<'_, Option<DueMail>> {
        self.write(move |tx| {
            loop {
                let row = tx.one(OLDEST_DUE, values![instant(now)], |row| {
                    let mail = DueMail {
                        key: row.get(1)?,
                        recipients: row.get::<String>(2)?.split(',').map(Into::into).collect(),
                        message: row.get(4)?,
                        attempts: row.count(7)?,
                    };
                    Ok((mail, tx.examine(&MAIL, row, 0)?.genuine))
                })?;
                let Some((mail, genuine)) = row else { return Ok(None) };
                if genuine {
                    let sql = "UPDATE mail SET state = 'sending', attempts = attempts + 1 WHERE key = $1";
                    tx.change(&MAIL, values![mail.key], || tx.run(sql, values![mail.key]))?;
                    return Ok(Some(mail));
                }
                tx.run(REFUSE, values![mail.key, instant(now), UNATTESTED])?;
                let detail = format!("to {}: {UNATTESTED}", mail.recipients.join(", "));
                audit::append(tx, now, &[Entry::own(Action::MailRefused, None, mail.key, detail)])?;
            }
        })
    }

    /// Writes down what became of a message.
    ///
    /// # Errors
    /// The database failed: the message stays in sending, and is never sent again by itself.
    pub fn settle_mail(&self, key: String, outcome: MailOutcome, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let (state, due, fault) = match &outcome {
                MailOutcome::Sent => (MailState::Sent, now, None),
                MailOutcome::Again(at, fault) => (MailState::Pending, *at, Some(fault)),
                MailOutcome::Unknown(fault) => (MailState::Unknown, now, Some(fault)),
                MailOutcome::Refused(fault) => (MailState::Refused, now, Some(fault)),
            };
            let settled = (state != MailState::Pending).then(|| instant(now));
            tx.change(&MAIL, values![key], || {
                tx.run(
                    "UPDATE mail SET state = $2, due_at = $3, fault = $4, settled_at = $5 WHERE key = $1",
                    values![key, state.name(), instant(due), fault, settled],
                )
            })?;
            if let Some(mail) = tx.examine_one(&MAIL, values![key])? {
                tx.is_about("", &key, named(MAIL.name, &mail.attested.digest));
            }
            let detail = fault.cloned().unwrap_or_default();
            audit::append(tx, now, &[Entry::own(Action::Mail, None, key, format!("{state} {detail}"))])
        })
    }

    /// Messages that were being sent when the process died: whether they arrived is unknown, and stays so.
    ///
    /// # Errors
    /// The database failed.
    pub fn release_mails(&self, now: Timestamp) -> Verb<'_, usize> {
        self.write(move |tx| doubt_mails(tx, &["sending"], "interrupted while sending: it may have arrived", now))
    }

    /// The earliest instant at which a message is due.
    ///
    /// # Errors
    /// The database failed.
    pub fn next_mail(&self) -> Verb<'_, Option<Timestamp>> {
        self.read(|tx| {
            let sql = "SELECT min(due_at) FROM mail WHERE state = 'pending'";
            Ok(tx.one(sql, values![], |row| row.parsed_option(0, "mail.due_at"))?.flatten())
        })
    }

    /// Messages, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn mails(&self, limit: u32) -> Verb<'_, Vec<MailRow>> {
        self.read(move |tx| {
            tx.all("SELECT key, recipients, subject, state, created_at, fault FROM mail ORDER BY created_at DESC, key LIMIT $1", values![i64::from(limit)], |row| {
                Ok(MailRow {
                    key: row.get(0)?,
                    recipients: row.get(1)?,
                    subject: row.get(2)?,
                    state: row.parsed(3, "mail.state")?,
                    created_at: row.parsed(4, "mail.created_at")?,
                    fault: row.get(5)?,
                })
            })
        })
    }
}

fn insert(
    tx: &Session<'_>,
    key: &str,
    recipients: &[String],
    subject: &str,
    message: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    // A message that somebody else put in under this key is for `audit verify`.
    if tx.examine_one(&MAIL, values![key])?.is_some() {
        return Ok(false);
    }
    let new = tx.change(&MAIL, values![key], || {
        tx.run(
            "INSERT INTO mail (key, recipients, subject, message, state, due_at, created_at)
             VALUES ($1, $2, $3, $4, 'pending', $5, $5) ON CONFLICT DO NOTHING",
            values![key, recipients.join(","), subject, message, instant(now)],
        )
    })?;
    Ok(new > 0)
}

fn told_by_digest(tx: &Session<'_>, recipient: &str) -> Result<Vec<DigestItem>, StoreError> {
    let sql = "SELECT subject, title, first_told FROM digest_item WHERE recipient = $1 ORDER BY subject";
    tx.all(sql, values![recipient], |row| {
        Ok(DigestItem {
            subject: row.get(0)?,
            title: row.get(1)?,
            first_told: row.parsed(2, "digest_item.first_told")?,
        })
    })
}

/// Whether messages in these states arrived is unknown, and stays so. Returns how many there are.
pub(super) fn doubt_mails(tx: &Session<'_>, states: &[&str], fault: &str, now: Timestamp) -> Result<usize, StoreError> {
    let all = tx.all("SELECT key, state FROM mail ORDER BY key", values![], |row| {
        Ok((row.get::<String>(0)?, row.get::<String>(1)?))
    })?;
    let keys: Vec<String> =
        all.into_iter().filter(|(_, state)| states.contains(&state.as_str())).map(|(key, _)| key).collect();
    let sql = "UPDATE mail SET state = 'unknown', settled_at = $2, fault = $3 WHERE key = $1";
    for key in &keys {
        match tx.change(&MAIL, values![key], || tx.run(sql, values![key, instant(now), fault])) {
            // It is not sent either, and told where it is due.
            Ok(_) | Err(StoreError::Unattested { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(keys.len())
}
