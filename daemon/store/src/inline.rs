//! SQLite in the caller's thread, over one connection that has its file to itself: for simulations, in which the same
//! seed gives the same order of everything.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::session::Link;
use super::sqlite::compile_once;
use super::{StoreError, Value, Work};

/// Awaited before every verb that writes, with the path of its code, and after it, with an empty one: there a simulated
/// process may die, or be stopped.
pub type Step = fn(&'static str) -> Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone)]
pub(super) struct Inline {
    connection: Arc<Mutex<Connection>>,
    step: Step,
    /// Verbs are savepoints of one transaction, which is never committed, and not transactions of their own.
    within: bool,
}

impl Inline {
    /// Opens or creates the file, or a database in memory (`:memory:`), and brings it to this version by `migrate`.
    pub(super) fn open(
        path: &str,
        step: Step,
        migrate: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        // An exclusive lock needs no memory shared with others, which a simulated disk has not.
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        compile_once(&connection)?;
        migrate(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), step, within: false })
    }

    /// The same database without what was written through former ones of these: neither its tables nor its statements are
    /// made again.
    pub(super) fn anew(&self) -> Result<Self, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_autocommit() {
            connection.prepare_cached("ROLLBACK")?.execute([])?;
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self { connection: Arc::clone(&self.connection), step: self.step, within: true })
    }

    /// Runs `work`, the job of `verb`, in a transaction of its own; an error undoes it.
    pub(super) async fn write(&self, verb: &'static str, work: Work) -> Result<Value, StoreError> {
        (self.step)(verb).await;
        let value = self.transaction("BEGIN IMMEDIATE", work);
        (self.step)("").await;
        value
    }

    /// Runs `work`, which only reads.
    pub(super) async fn read(&self, work: Work) -> Result<Value, StoreError> {
        self.transaction("BEGIN", work)
    }

    /// Runs SQL that is no verb. Returns how many rows the last statement has changed.
    pub(super) fn run_raw(&self, sql: &str) -> Result<u64, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.execute_batch(sql)?;
        Ok(connection.changes())
    }

    fn transaction(&self, begin: &str, work: Work) -> Result<Value, StoreError> {
        // A thread that died while it held the lock has left a transaction, which is undone before the next.
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let (begin, keep, undo) = match self.within {
            true => ("SAVEPOINT verb", "RELEASE verb", "ROLLBACK TO verb"),
            false => (begin, "COMMIT", "ROLLBACK"),
        };
        if !self.within && !connection.is_autocommit() {
            connection.prepare_cached("ROLLBACK")?.execute([])?;
        }
        connection.prepare_cached(begin)?.execute([])?;
        let value = work(Link::Sqlite(&connection));
        if value.is_err() {
            connection.prepare_cached(undo)?.execute([])?;
        }
        if self.within || value.is_ok() {
            connection.prepare_cached(keep)?.execute([])?;
        }
        value
    }
}
