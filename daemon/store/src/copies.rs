//! Copies of the whole database: taken while the daemon runs, checked before they are called a backup, and put back so
//! that nothing is written twice.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::action::Action;
use super::actor::Actor;
use super::attest::{House, Session};
use super::audit::{self, Entry, Head};
use super::mails::doubt_mails;
use super::marks::{self, Mark};
use super::outbox::change_genuine;
use super::session::{Link, values};
use super::{Backend, Key, Store, StoreError};
use crate::failpoint;

/// For so long after a restore every document is looked up before it is written: the time from which the backup is
/// missing may have written it.
const DOUBT: SignedDuration = SignedDuration::from_hours(24 * 31);

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Bytes.
    pub bytes: u64,
    /// Newest line of the audit chain in it.
    pub head: Head,
}

/// Why a copy was not taken, or not put back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// PostgreSQL has its own tools.
    #[error(
        "a PostgreSQL database is copied by its own tools: `pg_dump --format=custom --file=FILE URL`, put back with \
         `pg_restore --dbname=URL FILE`; then `milestoned restore` without a file, and `milestoned doctor`"
    )]
    Postgres,
    /// There is something in the way.
    #[error("{} is there already: choose another name, or move it away", path.display())]
    InTheWay {
        /// Its path.
        path: PathBuf,
    },
    /// The database is open elsewhere.
    #[error("{} is in use: stop the daemon first", path.display())]
    InUse {
        /// Its path.
        path: PathBuf,
    },
    /// The copy is damaged.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Pages, foreign keys and audit chain of a SQLite file.
fn check(path: &Path) -> Result<Head, CopyError> {
    let connection = Connection::open(path)?;
    let damaged = |reason: String| CopyError::Damaged { path: path.into(), reason };
    if let Some(reason) = flaws(&connection).map_err(|error| damaged(error.to_string()))?.into_iter().next() {
        return Err(damaged(reason));
    }
    let verdict = audit::walk(&Link::Sqlite(&connection), &[], |_| {}).map_err(|error| damaged(error.to_string()))?;
    match verdict.broken {
        None => Ok(verdict.head),
        Some(broken) => Err(damaged(format!("its audit trail is broken at line {}: {}", broken.seq, broken.what))),
    }
}

fn flaws(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let mut flaws: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .filter(|flaw| flaw.as_ref().map_or(true, |flaw| flaw != "ok"))
        .collect::<Result<_, _>>()?;
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let broken = statement.query_map([], |row| row.get::<_, String>(0))?;
    for table in broken {
        flaws.push(format!("a row of {} refers to one that is not there", table?));
    }
    Ok(flaws)
}

/// A copy of a SQLite file under another name, whole on the disk and checked before it has that name.
fn copy(from: &Path, to: &Path) -> Result<Copied, CopyError> {
    if to.exists() {
        return Err(CopyError::InTheWay { path: to.into() });
    }
    // SQLite would say of a folder that is not there that a file cannot be opened, and name another one than was asked for.
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::metadata(folder).map_err(|source| CopyError::File { path: folder.into(), source })?;
    }
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let file = |source| CopyError::File { path: partial.clone(), source };
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(file)?;
    }
    {
        let source = Connection::open_with_flags(from, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut copy = Connection::open(&partial)?;
        // In one step: it reads one state of the database, and a writer does not wait for it.
        let step = rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
        if step != rusqlite::backup::StepResult::Done {
            return Err(CopyError::InUse { path: from.into() });
        }
        // One file, without a log beside it.
        copy.pragma_update(None, "journal_mode", "delete")?;
    }
    failpoint::pass("backup_copied");
    let head = check(&partial)?;
    let handle = std::fs::File::open(&partial).map_err(file)?;
    handle.sync_all().map_err(file)?;
    let bytes = handle.metadata().map_err(file)?.len();
    failpoint::pass("backup_checked");
    std::fs::rename(&partial, to).map_err(file)?;
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file)?;
    }
    Ok(Copied { bytes, head })
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// Where what was there is kept.
    pub aside: Option<PathBuf>,
    /// Deliveries that wait, and are looked up before they are written.
    pub waiting: u64,
}

/// Puts a backup in the place of the database; what is there is kept beside it. What the copy believes to be unsent is in
/// doubt before it has the database's name, and at no moment is there no database: whatever interrupts this, a daemon that
/// starts finds the old one or the new one, and sends nothing twice.
///
/// # Errors
/// The backup is damaged, the database is in use, a file cannot be written: nothing was changed.
pub fn put_back(
    (backup, to): (&Path, &Path),
    key: Key,
    actor: Actor,
    reason: &str,
    now: Timestamp,
) -> Result<PutBack, CopyError> {
    let house = Arc::new(House::of(key)?);
    check(backup)?;
    let aside = to.with_extension(format!("before-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    let had_one = to.exists();
    if had_one {
        in_no_use(to)?;
    }
    let fresh = to.with_extension("restoring");
    let file = |source| CopyError::File { path: fresh.clone(), source };
    if fresh.exists() {
        std::fs::remove_file(&fresh).map_err(file)?;
    }
    copy(backup, &fresh)?;
    failpoint::pass("restore_copied");
    let waiting = {
        let mut connection = Connection::open(&fresh)?;
        super::brought_here(&mut connection, &house)?;
        let transaction = connection.transaction()?;
        let tx = Session::under(Link::Sqlite(&transaction), &house);
        let waiting = doubt(&tx, &actor, reason, now)?;
        tx.close()?;
        transaction.commit()?;
        waiting
    };
    std::fs::File::open(&fresh).and_then(|fresh| fresh.sync_all()).map_err(file)?;
    failpoint::pass("restore_in_doubt");
    if had_one {
        // A second name first: where the file system has none, there is no database for a moment.
        std::fs::hard_link(to, &aside)
            .or_else(|_| std::fs::rename(to, &aside))
            .map_err(|source| CopyError::File { path: to.into(), source })?;
    }
    failpoint::pass("restore_aside");
    std::fs::rename(&fresh, to).map_err(|source| CopyError::File { path: to.into(), source })?;
    failpoint::pass("restored");
    Ok(PutBack { aside: had_one.then_some(aside), waiting })
}

/// What waits, and every document that is decided on in the next month, is looked up before it is written; no mail is
/// sent again. Returns how many deliveries wait.
fn doubt(tx: &Session<'_>, actor: &Actor, reason: &str, now: Timestamp) -> Result<u64, StoreError> {
    let waiting = tx.all(
        "SELECT key FROM outbox WHERE state IN ('pending', 'sending') AND kind <> 'billing_status' ORDER BY ordinal",
        values![],
        |row| row.get::<String>(0),
    )?;
    let count = waiting.len();
    for key in waiting {
        let sql = "UPDATE outbox SET state = 'unknown', lease_until = NULL WHERE key = $1";
        change_genuine(tx, &key, sql, values![key])?;
    }
    marks::move_to(tx, &Mark::LookFirst, now.saturating_add(DOUBT).unwrap_or(now))?;
    doubt_mails(tx, &["pending", "sending"], "restored from a backup: it may have been sent", now)?;
    let detail = format!("{count} deliveries are in doubt: {reason}");
    audit::append(tx, now, &[Entry::by(actor, Action::RestoredFromBackup, None, "database", detail)])?;
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

/// Leaves the write-ahead log, which SQLite allows to the only user of a file.
fn in_no_use(path: &Path) -> Result<(), CopyError> {
    let connection = Connection::open(path)?;
    let mode = connection.query_row("PRAGMA journal_mode = delete", [], |row| row.get::<_, String>(0));
    match mode.as_deref() {
        Ok("delete") => Ok(()),
        _ => Err(CopyError::InUse { path: path.into() }),
    }
}

impl Store {
    /// Copies the database into a new file while it is written to, and checks the copy.
    ///
    /// # Errors
    /// The file is there already or cannot be written, or the copy is damaged.
    pub async fn backup(&self, from: PathBuf, to: PathBuf) -> Result<Copied, CopyError> {
        match &self.backend {
            Backend::Postgres(_) => Err(CopyError::Postgres),
            // A store in the caller's thread holds its file under an exclusive lock: nobody can copy it.
            Backend::Inline(_) => Err(CopyError::InUse { path: from }),
            Backend::Sqlite(_) => tokio::task::spawn_blocking(move || copy(&from, &to))
                .await
                .map_err(|_| CopyError::Store(StoreError::Stopped))?,
        }
    }

    /// The database was put back by PostgreSQL's own tools: what it believes to be unsent may have been sent. Everything
    /// that waits, and every document that is decided on in the next month, is looked up before it is written. Returns how
    /// many wait.
    ///
    /// # Errors
    /// The database failed: nothing may be delivered from it.
    pub async fn restored(&self, actor: Actor, reason: String, now: Timestamp) -> Result<u64, StoreError> {
        self.write(move |tx| doubt(tx, &actor, &reason, now)).await
    }

    /// What is wrong with the pages and references of a SQLite file; empty: nothing. PostgreSQL's own tools look after
    /// its pages: data checksums and `pg_amcheck`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn flaws(&self) -> Result<Vec<String>, StoreError> {
        self.read(|tx| match **tx {
            Link::Sqlite(connection) => Ok(flaws(connection)?),
            Link::Postgres(_) => Ok(Vec::new()),
        })
        .await
    }
}
