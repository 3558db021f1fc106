//! The store: one SQLite file, or one PostgreSQL database. Its verbs are transactions; nothing is ever sent from inside
//! one.
//!
//! Reading order: [`intake`] (what came in), [`contracts`] (decisions land), [`fast_path`] (both at once), [`outbox`]
//! (deliveries), [`audit`] (the hash chain), [`views`] and [`pages`] (what people look at). Below them `session` is the seam, `sqlite` and
//! `postgres` what stands behind it.

pub mod action;
pub mod actor;
pub mod adoption;
pub mod agreement_files;
mod attest;
pub mod attested;
pub mod audit;
pub mod census;
pub mod change_orders;
mod claims;
pub mod closes;
pub mod contracts;
pub mod copies;
pub mod customers;
pub mod described;
pub mod drift;
pub mod failpoint;
pub mod fast_path;
mod find;
pub mod hands;
mod head;
pub mod imports;
mod inline;
pub mod intake;
pub mod journal;
pub mod key;
mod landing;
pub mod leases;
pub mod leg_parts;
pub mod mails;
pub mod marks;
pub mod outbox;
pub mod pages;
pub mod parked;
pub mod pauses;
pub mod periods;
mod postgres;
pub mod provider_grants;
pub mod readings;
pub mod rebuild;
pub mod redact;
pub mod review;
mod schema;
mod session;
pub mod set_aside;
pub mod sign_ins;
mod sqlite;
pub mod trace;
pub mod undecided;
mod verify;
pub mod views;
pub mod vocabulary;

use std::any::Any;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
pub use milestoned_seal::Key;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use attest::{House, Session};
pub use inline::Step;
use session::Link;

/// A migration and the note that it was made are one transaction, as `refinery` makes them only for a group: a process
/// that dies between the two would leave a database that nobody can open any more.
mod migrations {
    pub(super) mod postgres {
        refinery::embed_migrations!("migrations/postgres");

        /// All that is missing, or nothing.
        pub(crate) fn whole() -> refinery::Runner {
            migrations::runner().set_grouped(true)
        }
    }
    pub(super) mod sqlite {
        refinery::embed_migrations!("migrations/sqlite");

        /// All that is missing, or nothing.
        pub(crate) fn whole() -> refinery::Runner {
            migrations::runner().set_grouped(true)
        }
    }
}

/// The next revision of a contract, in SQL. Nothing attests a revision: at its highest it begins anew.
macro_rules! next_revision {
    () => {
        "revision = CASE WHEN revision < 4611686018427387904 THEN revision + 1 ELSE 0 END"
    };
}
pub(crate) use next_revision;

/// `[store]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// SQLite file; its folder must exist. Counts where there is no `url`.
    pub path: PathBuf,
    /// PostgreSQL instead: `postgres://user:password@host:5432/database?sslmode=require`.
    #[serde(default)]
    pub url: Option<SecretString>,
    /// PEM file of the authorities that PostgreSQL's certificate is checked against; absent: the machine's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Connections to PostgreSQL at most.
    pub connections: usize,
    /// The house's key: 64 hexadecimal digits. Absent: what `key_command` prints, or a file beside the SQLite file.
    #[serde(default)]
    pub key: Option<SecretString>,
    /// A command that prints the key, such as one that asks a key service.
    #[serde(default)]
    pub key_command: Option<Vec<String>>,
    /// Keys that were used before: what they attested is still known.
    #[serde(default)]
    pub former_keys: Vec<SecretString>,
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    /// What was done could not be committed, with all that was to be committed with it.
    #[error("the database could not commit")]
    Uncommitted(#[source] Arc<rusqlite::Error>),
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
    /// PostgreSQL refused, or cannot be reached.
    #[error("PostgreSQL failed")]
    Postgres(#[from] tokio_postgres::Error),
    /// A date, an instant, an amount or a word that we did not write.
    #[error("the database holds {text:?} as {column}, which cannot be read; restore it from a backup")]
    Unreadable {
        /// Column.
        column: &'static str,
        /// What it holds.
        text: String,
    },
    /// The database was made by a newer version, or a migration failed.
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
    /// The house's key is not where it should be.
    #[error("{0}")]
    Key(String),
    /// The duty has passed on to another daemon.
    #[error("{0} has passed on to another daemon: nothing was written")]
    Fenced(String),
    /// What a decision was made from has changed meanwhile.
    #[error("something else came in between: nothing was written")]
    Overtaken,
    /// The contract was filed with a former version, and this one cannot read it.
    #[error(
        "contract {} is set aside: {}; nothing is decided about it before a version that reads it is installed",
        .0.contract, .0.problem
    )]
    SetAside(set_aside::SetAside),
    /// A row was not written by us, or was changed since.
    #[error(
        "{table} row {row} is not attested: it was not written by milestoned, or was changed since, and is not acted on; \
         see `milestoned audit verify`"
    )]
    Unattested {
        /// Its table.
        table: &'static str,
        /// Its key.
        row: String,
    },
    /// The database took a row, and it is not there.
    #[error(
        "{table} row {row} was written and is not there: a trigger or a rule keeps it out; see `milestoned audit verify`"
    )]
    NotKept {
        /// Its table.
        table: &'static str,
        /// Its key.
        row: String,
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

impl StoreError {
    /// Whether one row is at fault: whatever does not need it goes on.
    pub fn is_of_one_row(&self) -> bool {
        match self {
            // The head of the trail is everybody's.
            Self::Unattested { table, .. } => *table != "audit_head",
            _ => matches!(
                self,
                Self::Corrupt { .. } | Self::KeyReused { .. } | Self::SetAside(_) | Self::Unreadable { .. }
            ),
        }
    }

    /// Whether the database is out of reach, out of room or out of order: the same may go well later.
    pub fn is_outage(&self) -> bool {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, FileLockingProtocolFailed,
            NotADatabase, OutOfMemory, PermissionDenied, ReadOnly, SystemIoFailure,
        };
        let sqlite = |error: &rusqlite::Error| {
            matches!(
                error.sqlite_error_code(),
                Some(
                    CannotOpen
                        | DatabaseBusy
                        | DatabaseCorrupt
                        | DatabaseLocked
                        | DiskFull
                        | FileLockingProtocolFailed
                        | NotADatabase
                        | OutOfMemory
                        | PermissionDenied
                        | ReadOnly
                        | SystemIoFailure
                )
            )
        };
        match self {
            Self::Database(error) => sqlite(error),
            Self::Uncommitted(error) => sqlite(error),
            // Classes of SQLSTATE: connection, resources, an operator, the system; and a server that only reads.
            Self::Postgres(error) => error.code().is_none_or(|code| {
                ["08", "53", "57", "58"].iter().any(|class| code.code().starts_with(class)) || code.code() == "25006"
            }),
            Self::Stopped | Self::Unopened { .. } => true,
            Self::Unattested { table, .. } => *table == "audit_head",
            Self::Corrupt { .. }
            | Self::NotKept { .. }
            | Self::Fenced(_)
            | Self::Key(_)
            | Self::KeyReused { .. }
            | Self::Migration(_)
            | Self::Overtaken
            | Self::SetAside(_)
            | Self::Unreadable { .. } => false,
        }
    }

    /// What is wrong, and why, in one line.
    fn whole(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(why) = source {
            text = format!("{text}: {why}");
            source = why.source();
        }
        text
    }
}

/// The answer of a verb, once it is awaited; nothing is done before. It is boxed, and what runs below it knows no type of
/// its result (`Work`), so that the compiler makes the code of each verb once, here, and not again in every crate that
/// calls it.
pub type Verb<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What a verb does within a transaction.
type Work = Box<dyn FnOnce(Link<'_>) -> Result<Value, StoreError> + Send>;

/// What a verb answers, whatever its type.
type Value = Box<dyn Any + Send>;

/// Handle of the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    /// What attests rows.
    house: Arc<House>,
    /// Why the latest write failed, while none has gone well since.
    outage: Arc<Mutex<Option<String>>>,
    /// What has to hold for a write.
    fence: Vec<Arc<leases::Lease>>,
    /// What a person's word was judged by, where one is written.
    judged_by: Option<Arc<hands::Sums>>,
}

#[derive(Clone)]
enum Backend {
    Inline(inline::Inline),
    Postgres(postgres::Postgres),
    Sqlite(sqlite::Sqlite),
}

impl Store {
    /// Opens the database that the configuration names, and brings it to this version.
    ///
    /// # Errors
    /// [`StoreError`] with the place and what to do.
    pub async fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let key = key::load(settings)?;
        match &settings.url {
            Some(url) => {
                let house = Arc::new(House::of(key)?);
                let postgres =
                    postgres::Postgres::connect(url, settings.ca_file.as_deref(), settings.connections).await?;
                let store = Self::over(Backend::Postgres(postgres), house);
                if !store.read(head::is_taken_over).await? {
                    store.write(head::take_over).await?;
                }
                Ok(store)
            }
            None => Self::open(&settings.path, key),
        }
    }

    /// Opens or creates a SQLite file and brings it to this version. Command lines may open it beside the daemon: SQLite
    /// lets one write at a time.
    ///
    /// # Errors
    /// [`StoreError`] with the path and what to do.
    pub fn open(path: &Path, key: Key) -> Result<Self, StoreError> {
        let house = Arc::new(House::of(key)?);
        let sqlite = sqlite::Sqlite::open(path, |connection| {
            #[cfg(feature = "failpoints")]
            for next in migrations::sqlite::whole().get_migrations() {
                let through = refinery::Target::Version(next.version());
                let runner = migrations::sqlite::whole().set_target(through);
                migrated(&runner.run(connection).map_err(Box::new)?);
            }
            brought_here(connection, &house)
        })?;
        Ok(Self::over(Backend::Sqlite(sqlite), house))
    }

    fn over(backend: Backend, house: Arc<House>) -> Self {
        Self { backend, house, outage: Arc::default(), fence: Vec::new(), judged_by: None }
    }

    /// What attests rows, and hides what is not to be read in the database.
    pub fn key(&self) -> &Key {
        &self.house.key
    }

    /// A SQLite database in the caller's thread (`:memory:`, a path, or a `file:` address with its VFS), for simulations:
    /// `step` is awaited before and after every verb that writes.
    ///
    /// # Errors
    /// The database cannot be opened or brought to this version.
    pub fn in_this_thread(path: &str, key: Key, step: Step) -> Result<Self, StoreError> {
        let house = Arc::new(House::of(key)?);
        let inline = inline::Inline::open(path, step, |connection| brought_here(connection, &house))?;
        Ok(Self::over(Backend::Inline(inline), house))
    }

    /// This store without what was written into it through an earlier one of these, which is used no more: a simulation
    /// that plays many histories makes tables and compiles statements once. Only for one in the caller's thread.
    ///
    /// # Errors
    /// The database failed, or stands for more than one simulation.
    pub fn anew(&self) -> Result<Self, StoreError> {
        match &self.backend {
            Backend::Inline(inline) => Ok(Self::over(Backend::Inline(inline.anew()?), Arc::clone(&self.house))),
            Backend::Postgres(_) | Backend::Sqlite(_) => Err(StoreError::Stopped),
        }
    }

    /// Runs SQL past every verb, as somebody would who has the database in hand: a simulation forges rows by it. Returns how
    /// many rows the last statement has changed. Only for a store in the caller's thread.
    ///
    /// # Errors
    /// The database failed, or is not in the caller's thread.
    pub fn run_behind_the_verbs(&self, sql: &str) -> Result<u64, StoreError> {
        match &self.backend {
            Backend::Inline(inline) => inline.run_raw(sql),
            Backend::Postgres(_) | Backend::Sqlite(_) => Err(StoreError::Stopped),
        }
    }

    /// Puts everything where a copy of the database's file has it. At a graceful stop, once nothing is under way.
    ///
    /// # Errors
    /// The database failed: what was committed is there all the same, in the files beside it.
    pub fn close(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.close(),
            Backend::Inline(_) | Backend::Postgres(_) => Ok(()),
        }
    }

    /// Runs `job` in a transaction, behind the fence; an error undoes all of it.
    fn write<T, J>(&self, job: J) -> Verb<'_, T>
    where
        T: Send + 'static,
        J: FnOnce(&Session<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        typed(Box::pin(self.write_work(std::any::type_name::<J>(), self.behind_the_fence(job))))
    }

    async fn write_work(&self, verb: &'static str, work: Work) -> Result<Value, StoreError> {
        self.noted(match &self.backend {
            Backend::Inline(inline) => inline.write(verb, work).await,
            Backend::Postgres(postgres) => postgres.write(work).await,
            Backend::Sqlite(sqlite) => sqlite.write(work).await,
        })
    }

    /// The same for a job that writes by one statement at most: among others it then costs no savepoint.
    fn write_one<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Session<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Verb<'_, T> {
        let Backend::Sqlite(sqlite) = &self.backend else { return self.write(job) };
        typed(Box::pin(self.write_statement(sqlite, self.behind_the_fence(job))))
    }

    async fn write_statement(&self, sqlite: &sqlite::Sqlite, work: Work) -> Result<Value, StoreError> {
        self.noted(sqlite.write_one(work).await)
    }

    fn behind_the_fence<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Session<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Work {
        let (fence, judged_by, house) = (self.fence.clone(), self.judged_by.clone(), Arc::clone(&self.house));
        work(move |link: Link<'_>| {
            let tx = Session::under(link, &house);
            fence.iter().try_for_each(|lease| lease.holds(&tx))?;
            judged_by.iter().try_for_each(|sums| sums.hold(&tx))?;
            let value = job(&tx)?;
            tx.close()?;
            Ok(value)
        })
    }

    /// Notes whether the database can be written.
    fn noted<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let outage = match &outcome {
            Ok(_) => None,
            Err(error) if error.is_outage() => Some(error.whole()),
            Err(_) => return outcome,
        };
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = outage;
        outcome
    }

    /// Why nothing can be written now; `None`: the latest write went well.
    pub fn outage(&self) -> Option<String> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `job` in a transaction that only reads, all of it at one instant.
    fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Session<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Verb<'_, T> {
        let house = Arc::clone(&self.house);
        typed(Box::pin(self.read_work(work(move |link: Link<'_>| job(&Session::under(link, &house))))))
    }

    async fn read_work(&self, work: Work) -> Result<Value, StoreError> {
        match &self.backend {
            Backend::Inline(inline) => inline.read(work).await,
            Backend::Postgres(postgres) => postgres.read(work).await,
            Backend::Sqlite(sqlite) => sqlite.read(work).await,
        }
    }
}

/// Work whose result has a type.
fn work<T: Send + 'static>(job: impl FnOnce(Link<'_>) -> Result<T, StoreError> + Send + 'static) -> Work {
    Box::new(move |link| Ok(Box::new(job(link)?)))
}

/// The answer with its type again: what the work of a verb has put into the box is what the verb takes out.
fn typed<'a, T: Send + 'static>(answer: Verb<'a, Value>) -> Verb<'a, T> {
    Box::pin(async move { Ok(*answer.await?.downcast::<T>().map_err(|_| StoreError::Stopped)?) })
}

/// Brings a SQLite database to this version, and makes it the house's.
fn brought_here(connection: &mut rusqlite::Connection, house: &Arc<House>) -> Result<(), StoreError> {
    migrations::sqlite::whole().run(connection).map_err(Box::new)?;
    if head::is_taken_over(&Session::under(Link::Sqlite(connection), house))? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tx = Session::under(Link::Sqlite(&transaction), house);
    head::take_over(&tx)?;
    tx.close()?;
    drop(tx);
    Ok(transaction.commit()?)
}

/// One version further.
#[cfg(feature = "failpoints")]
fn migrated(report: &refinery::Report) {
    if !report.applied_migrations().is_empty() {
        crate::failpoint::pass("migrated");
    }
}

/// An instant as the store writes it: UTC, fixed width, so that text order is time order.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Writes a value of ours as JSON.
pub fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Corrupt {
        table: "(new)",
        column: "(json)",
        row: String::new(),
        source,
    })
}

/// Reads a value of ours from JSON.
pub fn parse<T: DeserializeOwned>(
    table: &'static str,
    column: &'static str,
    row: &str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Corrupt { table, column, row: row.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How SQLite carries a statement out, step by step.
    fn plan(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = plan.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        steps
    }

    fn opened(folder: &tempfile::TempDir) -> rusqlite::Connection {
        let path = folder.path().join("m.db");
        drop(Store::open(&path, Key::of([7; 32])).unwrap());
        let connection = rusqlite::Connection::open(&path).unwrap();
        sqlite::compile_once(&connection).unwrap();
        connection
    }

    #[test]
    fn a_claim_passes_over_nothing_that_is_not_due_and_sorts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let steps = plan(&opened(&folder), claims::CLAIMABLE.sqlite);
        assert!(steps.iter().any(|step| step.contains("outbox_claim (target=? AND due_at<?)")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
    }

    #[test]
    fn what_is_due_is_found_without_a_look_at_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let connection = opened(&folder);
        let statements = [
            intake::UNREAD,
            intake::HINTS_DUE,
            intake::ANY_PARKED,
            contracts::DUE.sqlite,
            customers::BROUGHT,
            claims::CLAIMABLE.sqlite,
            outbox::NEXT_DUE.sqlite,
            outbox::UNSETTLED.sqlite,
            outbox::WAITING,
            outbox::UNPOSTED,
        ];
        // What is gathered on the way, and the lists within rows, are short.
        let short = ["SCAN due", "SCAN a VIRTUAL TABLE"];
        for sql in statements {
            for step in plan(&connection, sql) {
                let all = !step.contains(" INDEX ") || step.contains("autoindex");
                let whole = step.starts_with("SCAN ") && all && !short.iter().any(|of| step.starts_with(of));
                let subjects = step.contains("INDEX outbox_subject") && step.starts_with("SCAN");
                assert!(!whole && !subjects, "{step}: {sql}");
            }
        }
    }
}
