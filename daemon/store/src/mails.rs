//! Mail that is to be sent once. SMTP cannot be asked whether a message arrived: a message whose sending was
//! interrupted is never sent again by itself.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::{self, Entry};
use super::session::{Sql, values};
use super::vocabulary::words;
use super::{Store, StoreError, instant};

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

/// In PostgreSQL several may claim at once: each locks what it takes, and skips what another has locked.
const OLDEST_DUE: Sql = Sql {
    postgres: "SELECT key, recipients, message, attempts FROM mail WHERE state = 'pending' AND due_at <= $1
               ORDER BY created_at, key LIMIT 1 FOR UPDATE SKIP LOCKED",
    sqlite: "SELECT key, recipients, message, attempts FROM mail WHERE state = 'pending' AND due_at <= $1
             ORDER BY created_at, key LIMIT 1",
};

impl Store {
    /// Writes a message down; one with this key is known already. Returns whether it was new.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_mail(
        &self,
        key: String,
        recipients: Vec<String>,
        subject: String,
        message: Vec<u8>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let new = tx.run(
                "INSERT INTO mail (key, recipients, subject, message, state, due_at, created_at)
                 VALUES ($1, $2, $3, $4, 'pending', $5, $5) ON CONFLICT DO NOTHING",
                values![key, recipients.join(","), subject, message, instant(now)],
            )?;
            Ok(new > 0)
        })
        .await
    }

    /// Where a schedule stands; at the first call it starts at `now`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mark(&self, name: &'static str, now: Timestamp) -> Result<Timestamp, StoreError> {
        self.write(move |tx| {
            tx.run("INSERT INTO mark (name, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", values![name, instant(now)])?;
            let at = tx.one("SELECT at FROM mark WHERE name = $1", values![name], |row| row.parsed(0, "mark.at"))?;
            Ok(at.unwrap_or(now))
        })
        .await
    }

    /// A schedule has done its work up to `at`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn move_mark(&self, name: &'static str, at: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.run(
                "INSERT INTO mark (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = $2",
                values![name, instant(at)],
            )?;
            Ok(())
        })
        .await
    }

    /// Takes the oldest due message and stores that it is being sent.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim_mail(&self, now: Timestamp) -> Result<Option<DueMail>, StoreError> {
        self.write(move |tx| {
            let row = tx.one(OLDEST_DUE, values![instant(now)], |row| {
                Ok(DueMail {
                    key: row.get(0)?,
                    recipients: row.get::<String>(1)?.split(',').map(Into::into).collect(),
                    message: row.get(2)?,
                    attempts: row.count(3)?,
                })
            })?;
            if let Some(mail) = &row {
                tx.run(
                    "UPDATE mail SET state = 'sending', attempts = attempts + 1 WHERE key = $1",
                    values![&mail.key],
                )?;
            }
            Ok(row)
        })
        .await
    }

    /// Writes down what became of a message.
    ///
    /// # Errors
    /// The database failed: the message stays in sending, and is never sent again by itself.
    pub async fn settle_mail(&self, key: String, outcome: MailOutcome, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            let (state, due, fault) = match &outcome {
                MailOutcome::Sent => (MailState::Sent, now, None),
                MailOutcome::Again(at, fault) => (MailState::Pending, *at, Some(fault)),
                MailOutcome::Unknown(fault) => (MailState::Unknown, now, Some(fault)),
                MailOutcome::Refused(fault) => (MailState::Refused, now, Some(fault)),
            };
            let settled = (state != MailState::Pending).then(|| instant(now));
            tx.run(
                "UPDATE mail SET state = $2, due_at = $3, fault = $4, settled_at = $5 WHERE key = $1",
                values![key, state.name(), instant(due), fault, settled],
            )?;
            let detail = fault.cloned().unwrap_or_default();
            audit::append(tx, now, &[Entry::own("mail", None, key, format!("{state} {detail}"))])
        })
        .await
    }

    /// Messages that were being sent when the process died: whether they arrived is unknown, and stays so.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_mails(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let count = tx.run(
                "UPDATE mail SET state = 'unknown', settled_at = $1, fault = 'interrupted while sending: it may have arrived'
                 WHERE state = 'sending'",
                values![instant(now)],
            )?;
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        })
        .await
    }

    /// The earliest instant at which a message is due.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|tx| {
            let sql = "SELECT min(due_at) FROM mail WHERE state = 'pending'";
            Ok(tx.one(sql, values![], |row| row.parsed_option(0, "mail.due_at"))?.flatten())
        })
        .await
    }

    /// Messages, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mails(&self, limit: u32) -> Result<Vec<MailRow>, StoreError> {
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
        .await
    }
}
