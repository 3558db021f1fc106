//! SQLite: one thread owns the writing connection and commits in groups, another reads, a third moves the write-ahead
//! log into the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::oneshot;

use super::session::Link;
use super::{StoreError, Value, Work};

/// Jobs of one commit at most: more only make the slowest wait longer.
const GROUP: usize = 256;
/// Pages in the write-ahead log from which on it is moved into the file.
const CHECKPOINT_FROM: i32 = 1_000;
/// Pages in the write-ahead log from which on the writer itself moves what the checkpointer could not catch up with.
const CATCH_UP_FROM: i32 = 8_000;
/// Pages in the write-ahead log from which on the writer moves them without being told that the checkpointer is behind: on a
/// busy machine the checkpointer may not have had its turn.
const LOG_AT_MOST: i32 = 20_000;
/// Pages that the writer keeps in memory, in KiB.
const WRITER_CACHE_KIB: i32 = 8 * 1024;
/// Statements that a connection keeps prepared: more than there are verbs.
const PREPARED: usize = 160;

/// Compiles every statement once, on each connection. Without the stability guarantee a statement whose limit is a bound
/// value is compiled again whenever it is bound, and the look for due deliveries was slower to compile than to run.
pub(super) fn compile_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// What the writer does within a group.
struct Job {
    /// One statement at most, which undoes itself when it fails: nothing has to be kept to undo it.
    one_statement: bool,
    work: Option<Work>,
    value: Option<Result<Value, StoreError>>,
    asker: oneshot::Sender<Result<Value, StoreError>>,
}

impl Job {
    /// Does the work inside the group's transaction. `false`: what it did is to be undone.
    fn run(&mut self, connection: &Connection) -> bool {
        self.value = self.work.take().map(|work| work(Link::Sqlite(connection)));
        matches!(self.value, Some(Ok(_)))
    }

    /// Tells the asker, once it is certain whether the group is on the disk.
    fn answer(self, group: Result<(), &Arc<rusqlite::Error>>) {
        let value = match (group, self.value) {
            (Err(error), None | Some(Ok(_))) => Err(StoreError::Uncommitted(Arc::clone(error))),
            (_, Some(value)) => value,
            (Ok(()), None) => Err(StoreError::Stopped),
        };
        // The asker may be gone (a closed HTTP connection): the work is done all the same.
        let _ = self.asker.send(value);
    }
}

type Reading = Box<dyn FnOnce(&Connection) + Send>;

/// Handles of the threads; cheap to clone.
#[derive(Clone)]
pub(super) struct Sqlite {
    path: Arc<Path>,
    writer: mpsc::Sender<Job>,
    reader: mpsc::Sender<Reading>,
}

impl Sqlite {
    /// Opens or creates the file, and starts the threads once `migrate` has brought it to this version.
    pub(super) fn open(
        path: &Path,
        migrate: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let unopened = |error: rusqlite::Error| StoreError::Unopened {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut writer = connect(path).map_err(unopened)?;
        migrate(&mut writer)?;
        // A group changes more pages than the default cache holds: what it spills is written, and read, twice.
        writer.pragma_update(None, "cache_size", WRITER_CACHE_KIB.saturating_neg())?;
        let reader = connect(path).map_err(unopened)?;
        reader.pragma_update(None, "query_only", true)?;
        let log = Log::default();
        let pages = Arc::clone(&log.pages);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count: i32| {
            pages.store(count, Ordering::Relaxed);
            Ok(())
        }))?;
        let (nudge, nudged) = mpsc::sync_channel(1);
        let (jobs, queue) = mpsc::channel();
        let (readings, to_read) = mpsc::channel();
        let checkpointer = connect(path).map_err(unopened)?;
        let behind = Arc::clone(&log.behind);
        spawn("store-checkpoint", move || checkpoint(&checkpointer, &nudged, &behind));
        spawn("store-writer", move || write(&writer, &queue, &log, &nudge));
        spawn("store-reader", move || {
            while let Ok(reading) = to_read.recv() {
                let reading: Reading = reading;
                reading(&reader);
            }
        });
        Ok(Self { path: path.into(), writer: jobs, reader: readings })
    }

    /// Moves the whole write-ahead log into the file, which then is the whole database. Once nothing is under way.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        let connection = connect(&self.path)?;
        let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy {
            tracing::warn!("somebody else uses the database: a part of it stays in the file that ends in -wal");
        }
        Ok(())
    }

    /// Runs `work` in a transaction that it shares with what else waits; an error undoes its own part alone. Answers
    /// after the transaction is on the disk.
    pub(super) async fn write(&self, work: Work) -> Result<Value, StoreError> {
        self.queue(work, false).await
    }

    /// The same for work that is one statement at most.
    pub(super) async fn write_one(&self, work: Work) -> Result<Value, StoreError> {
        self.queue(work, true).await
    }

    async fn queue(&self, work: Work, one_statement: bool) -> Result<Value, StoreError> {
        let (asker, outcome) = oneshot::channel();
        let job = Job { one_statement, work: Some(work), value: None, asker };
        self.writer.send(job).map_err(|_| StoreError::Stopped)?;
        outcome.await.map_err(|_| StoreError::Stopped)?
    }

    /// Runs `work` on the connection that only reads.
    pub(super) async fn read(&self, work: Work) -> Result<Value, StoreError> {
        let (asker, outcome) = oneshot::channel();
        let reading: Reading = Box::new(move |connection| {
            let _ = asker.send(at_one_instant(connection, work));
        });
        self.reader.send(reading).map_err(|_| StoreError::Stopped)?;
        outcome.await.map_err(|_| StoreError::Stopped)?
    }
}

/// How long the write-ahead log is.
#[derive(Default)]
struct Log {
    /// Pages in it after the last commit.
    pages: Arc<AtomicI32>,
    /// The checkpointer did not catch up: the writer moves the rest, between two groups.
    behind: Arc<AtomicBool>,
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A webhook is acknowledged, and an invoice sent, only after what it stands on is on the disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A commit never waits for a checkpoint: the checkpointer does that.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // What undoes one job of a group is copied for every page that the job changes: not through a temporary file.
    connection.pragma_update(None, "temp_store", "memory")?;
    compile_once(&connection)?;
    Ok(connection)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(name.into()).spawn(body) {
        // The queue's other end is gone with the closure: every verb answers `Stopped`.
        tracing::error!(%error, name, "the store's thread could not be started");
    }
}

/// A reading sees one state of the database, whatever is committed meanwhile.
fn at_one_instant(connection: &Connection, work: Work) -> Result<Value, StoreError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let value = work(Link::Sqlite(connection));
    connection.prepare_cached("COMMIT")?.execute([])?;
    value
}

/// The writer: takes all that waits, commits it once, answers.
fn write(connection: &Connection, queue: &mpsc::Receiver<Job>, log: &Log, nudge: &mpsc::SyncSender<()>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(GROUP.saturating_sub(1)));
        match commit(connection, &mut group) {
            Ok(()) => group.into_iter().for_each(|job| job.answer(Ok(()))),
            Err(error) => {
                let error = Arc::new(error);
                group.into_iter().for_each(|job| job.answer(Err(&error)));
            }
        }
        let pages = log.pages.load(Ordering::Relaxed);
        if log.behind.swap(false, Ordering::Relaxed) || pages >= LOG_AT_MOST {
            move_log(connection);
        } else if pages >= CHECKPOINT_FROM {
            // Full: the checkpointer is awake already.
            let _ = nudge.try_send(());
        }
    }
}

/// One transaction for all jobs of a group.
fn commit(connection: &Connection, group: &mut [Job]) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let outcome = run(connection, group).and_then(|()| connection.prepare_cached("COMMIT")?.execute([]));
    if outcome.is_err() && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK")?.execute([])?;
    }
    outcome.map(drop)
}

/// What needs no savepoint runs without: it would copy every page that is changed.
fn run(connection: &Connection, group: &mut [Job]) -> rusqlite::Result<()> {
    // Who waits together has not waited for each other: any order is as good. The first of several is the most expensive.
    group.sort_by_key(|job| job.one_statement);
    let mut first = true;
    for job in group {
        if first {
            // Nothing else was done yet: what it did is undone with the transaction.
            first = !job.run(connection);
            if first && !connection.is_autocommit() {
                connection.prepare_cached("ROLLBACK")?.execute([])?;
            }
            if first {
                connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            }
        } else if job.one_statement {
            // A statement that fails leaves the transaction as it was, or, on a full disk among others, ended.
            if !job.run(connection) && connection.is_autocommit() {
                return Err(ended());
            }
        } else {
            connection.prepare_cached("SAVEPOINT job")?.execute([])?;
            if !job.run(connection) {
                // After some errors (a full disk, among others) SQLite has undone the whole transaction: then this fails,
                // and with it the group.
                connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
            }
            connection.prepare_cached("RELEASE job")?.execute([])?;
        }
    }
    Ok(())
}

/// SQLite has undone the whole transaction.
fn ended() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    rusqlite::Error::SqliteFailure(code, Some("the transaction was undone".into()))
}

/// The checkpointer: moves the log whenever it is told that it has grown. Under steady writing it never sees the end of
/// the log, which then could not start again from its beginning: the writer moves the small rest.
fn checkpoint(connection: &Connection, nudged: &mpsc::Receiver<()>, behind: &AtomicBool) {
    while nudged.recv().is_ok() {
        if move_log(connection).is_some_and(|pages| pages >= CATCH_UP_FROM) {
            behind.store(true, Ordering::Relaxed);
        }
    }
}

/// Moves what can be moved without waiting for anybody. Returns how many pages the log has.
fn move_log(connection: &Connection) -> Option<i32> {
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)) {
        Ok(pages) => Some(pages),
        Err(error) => {
            // Nothing is lost by it: the log is longer, and the next attempt moves more.
            tracing::warn!(%error, "the write-ahead log could not be moved into the database");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::values;
    use crate::work;

    fn store(folder: &tempfile::TempDir) -> Sqlite {
        Sqlite::open(&folder.path().join("m.db"), |connection| {
            Ok(connection.execute_batch("CREATE TABLE IF NOT EXISTS n (n INTEGER PRIMARY KEY) STRICT")?)
        })
        .unwrap()
    }

    async fn insert(store: &Sqlite, n: i64) -> Result<(), StoreError> {
        store.write(work(move |tx| tx.run("INSERT INTO n VALUES ($1)", values![n]).map(drop))).await.map(drop)
    }

    #[tokio::test]
    async fn of_a_group_only_the_job_that_fails_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let (hold, held) = mpsc::channel::<()>();
        // The writer is kept busy until the others wait: they are one group.
        let busy = store.write(work(move |_| {
            held.recv().unwrap();
            Ok(())
        }));
        let broken = store.write(work(|tx| {
            tx.run("INSERT INTO n VALUES (7)", values![])?;
            tx.run("INSERT INTO n VALUES (7)", values![]).map(drop)
        }));
        let ((), (busy, one, broken, two)) = tokio::join!(async { hold.send(()).unwrap() }, async {
            tokio::join!(busy, insert(&store, 1), broken, insert(&store, 2))
        });
        assert!(busy.is_ok() && one.is_ok() && two.is_ok());
        assert!(matches!(broken, Err(StoreError::Database(_))));
        let rows = work(|tx| tx.all("SELECT n FROM n ORDER BY n", values![], |row| row.get::<i64>(0)));
        let kept = store.read(rows).await.unwrap();
        assert_eq!(kept.downcast_ref::<Vec<i64>>(), Some(&vec![1, 2]));
    }

    #[tokio::test]
    async fn a_group_that_cannot_be_committed_is_answered_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        store
            .write(work(|tx| {
                tx.run("CREATE TABLE c (n INTEGER REFERENCES n (n) DEFERRABLE INITIALLY DEFERRED) STRICT", values![])
            }))
            .await
            .unwrap();
        // A deferred foreign key fails at the commit, not at the statement.
        let refused = store.write(work(|tx| tx.run("INSERT INTO c VALUES (99)", values![]))).await;
        assert!(matches!(refused, Err(StoreError::Uncommitted(_))), "{refused:?}");
        insert(&store, 1).await.unwrap();
    }

    #[tokio::test]
    async fn after_a_stop_the_file_is_the_whole_database() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        insert(&store, 1).await.unwrap();
        let log = folder.path().join("m.db-wal");
        assert!(std::fs::metadata(&log).unwrap().len() > 0);
        store.close().unwrap();
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    }

    #[tokio::test]
    async fn the_log_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        store.write(work(|tx| tx.run("CREATE TABLE b (b BLOB) STRICT", values![]))).await.unwrap();
        for _ in 0..100 {
            store.write(work(|tx| tx.run("INSERT INTO b VALUES (zeroblob(2000000))", values![]))).await.unwrap();
        }
        let log = std::fs::metadata(folder.path().join("m.db-wal")).unwrap().len();
        assert!(log < 120_000_000, "200 MB were written, and the log has {log} bytes");
    }
}
