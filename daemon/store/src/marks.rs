//! Instants that something has reached: how far a schedule has come, and until when remotes are asked first.

use jiff::{SignedDuration, Timestamp};

use super::attest::Session;
use super::attested::MARK;
use super::session::values;
use super::{Store, StoreError, Verb, instant};

/// What has reached an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// Signed heads were put into the checkpoint file.
    CheckpointFile,
    /// Signed heads were sent by mail.
    CheckpointMail,
    /// Signed heads were sent to an address.
    CheckpointWebhook,
    /// An ERP was asked how it calls its customers: the connection.
    Customers(String),
    /// The digest was sent.
    Digest,
    /// After a restore: until then a remote is asked before anything new is written.
    LookFirst,
    /// An ERP was asked for its closed periods: the connection.
    Periods(String),
    /// Records were emptied that are older than they are kept.
    Retention,
}

impl Mark {
    /// Its text.
    fn name(&self) -> String {
        match self {
            Self::CheckpointFile => "checkpoint file".into(),
            Self::CheckpointMail => "checkpoint mail".into(),
            Self::CheckpointWebhook => "checkpoint webhook".into(),
            Self::Customers(system) => format!("customers {system}"),
            Self::Digest => "digest".into(),
            Self::LookFirst => "look first until".into(),
            Self::Periods(system) => format!("periods {system}"),
            Self::Retention => "retention".into(),
        }
    }
}

impl Store {
    /// Where a schedule stands; at the first call it starts at `now`.
    ///
    /// # Errors
    /// The database failed.
    pub fn mark(&self, mark: Mark, now: Timestamp) -> Verb<'_, Timestamp> {
        self.write(move |tx| {
            let name = mark.name();
            if tx.examine_one(&MARK, values![name])?.is_none() {
                tx.change(&MARK, values![name], || {
                    tx.run(
                        "INSERT INTO mark (name, at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                        values![name, instant(now)],
                    )
                })?;
            }
            let at = tx.one("SELECT at FROM mark WHERE name = $1", values![name], |row| row.parsed(0, "mark.at"))?;
            Ok(at.unwrap_or(now))
        })
    }

    /// Whether something that is done every so often is to be done now; it counts as done then.
    ///
    /// # Errors
    /// The database failed.
    pub fn is_due(&self, mark: Mark, every: SignedDuration, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let name = mark.name();
            let done = tx.one("SELECT at FROM mark WHERE name = $1", values![name], |row| row.parsed(0, "mark.at"))?;
            if done.is_some_and(|done: Timestamp| now.duration_since(done).abs() < every) {
                return Ok(false);
            }
            move_to(tx, &mark, now)?;
            Ok(true)
        })
    }

    /// A schedule has done its work up to `at`.
    ///
    /// # Errors
    /// The database failed.
    pub fn move_mark(&self, mark: Mark, at: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| move_to(tx, &mark, at))
    }
}

/// Whether a mark lies ahead.
pub(super) fn lies_ahead(tx: &Session<'_>, mark: &Mark, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM mark WHERE name = $1 AND at > $2";
    Ok(tx.one(sql, values![mark.name(), instant(now)], |_| Ok(()))?.is_some())
}

/// Moves a mark.
pub(super) fn move_to(tx: &Session<'_>, mark: &Mark, at: Timestamp) -> Result<(), StoreError> {
    let name = mark.name();
    tx.overwrite(&MARK, values![name], || {
        tx.run(
            "INSERT INTO mark (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = $2",
            values![name, instant(at)],
        )
    })
    .map(drop)
}
