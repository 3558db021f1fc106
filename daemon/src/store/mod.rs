//! The store: one SQLite file, one writer. Its verbs are transactions; nothing is ever sent from inside one.
//!
//! Reading order: [`intake`] (what came in), [`contracts`] (decisions land), [`outbox`] (deliveries), [`audit`] (the
//! hash chain), [`views`] (what people look at).

pub mod audit;
pub mod census;
pub mod contracts;
pub mod intake;
pub mod mails;
pub mod outbox;
pub mod views;

use std::path::Path;
use std::sync::mpsc;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    /// A row holds what we did not write.
    #[error("{table} row {row}: column {column} cannot be read; restore the database from a backup")]
    Corrupt {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// The row's key.
        row: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The file was made by a newer version, or a migration failed.
    #[error("the database cannot be brought to this version")]
    Migration(#[from] Box<refinery::Error>),
    /// The file cannot be opened.
    #[error("{path} cannot be opened: {reason}")]
    Unopened {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The store's thread has ended.
    #[error("the store has stopped")]
    Stopped,
    /// A rule of the store was broken: two payloads under one idempotency key.
    #[error("idempotency key {key} was used before for something else ({was}), and now for {now}")]
    KeyReused {
        /// The key.
        key: String,
        /// What it stood for.
        was: String,
        /// What it should stand for now.
        now: String,
    },
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Handle of the store; cheap to clone. All writes go through one thread, all reads through another.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Job>,
    reader: mpsc::Sender<Job>,
}

impl Store {
    /// Opens or creates the file and brings it to this version. Command lines may open it beside the daemon: SQLite lets
    /// one write at a time.
    ///
    /// # Errors
    /// [`StoreError`] with the path and what to do.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let unopened = |error: rusqlite::Error| StoreError::Unopened {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut writer = Connection::open(path).map_err(unopened)?;
        configure(&writer).map_err(unopened)?;
        migrations::migrations::runner().run(&mut writer).map_err(Box::new)?;
        let reader = Connection::open(path).map_err(unopened)?;
        reader.pragma_update(None, "query_only", true)?;
        reader.busy_timeout(std::time::Duration::from_secs(10))?;
        Ok(Self { writer: spawn("store-writer", writer), reader: spawn("store-reader", reader) })
    }

    /// Runs `job` in one immediate transaction; an error rolls all of it back.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        run(&self.writer, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = job(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
    }

    /// Runs `job` on a read-only connection.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        run(&self.reader, move |connection| job(connection)).await
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A webhook is acknowledged, and an invoice sent, only after what it stands on is on the disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn spawn(name: &str, mut connection: Connection) -> mpsc::Sender<Job> {
    let (jobs, queue) = mpsc::channel::<Job>();
    let started = std::thread::Builder::new().name(name.into()).spawn(move || {
        while let Ok(job) = queue.recv() {
            job(&mut connection);
        }
    });
    if let Err(error) = started {
        // The queue's other end is gone with the closure: every verb answers `Stopped`.
        tracing::error!(%error, name, "the store's thread could not be started");
    }
    jobs
}

async fn run<T: Send + 'static>(
    queue: &mpsc::Sender<Job>,
    job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, outcome) = oneshot::channel();
    queue
        .send(Box::new(move |connection| {
            // The asker may be gone (a closed HTTP connection): the work is done all the same.
            let _ = answer.send(job(connection));
        }))
        .map_err(|_| StoreError::Stopped)?;
    outcome.await.map_err(|_| StoreError::Stopped)?
}

/// An instant as the store writes it: UTC, fixed width, so that text order is time order.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Reads an instant that [`instant`] wrote.
pub(crate) fn read_instant(text: &str) -> rusqlite::Result<Timestamp> {
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::<jiff::Error>::new(error))
    })
}

/// Writes a value of ours as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Corrupt {
        table: "(new)",
        column: "(json)",
        row: String::new(),
        source,
    })
}

/// Reads a value of ours from JSON.
pub(crate) fn parse<T: DeserializeOwned>(
    table: &'static str,
    column: &'static str,
    row: &str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Corrupt { table, column, row: row.into(), source })
}
