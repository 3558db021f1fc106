//! PostgreSQL: a pool of connections. A verb runs on a thread that may wait, in one transaction of one connection.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::TryStreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::session::{Link, Row, Value};
use super::{StoreError, Work};

/// Longest wait for a connection of the pool, or for a new one.
const WAIT: Duration = Duration::from_secs(10);
/// Held while migrations run, so that two that start at once do not both migrate. The number is ours, drawn by lot.
const MIGRATION_LOCK: i64 = 7_350_914_226_130_481;

/// The pool; cheap to clone.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Connects, and brings the schema to this version.
    pub(super) async fn connect(
        url: &SecretString,
        authority: Option<&Path>,
        connections: usize,
    ) -> Result<Self, StoreError> {
        // An error of the parser could quote the password: it is not passed on.
        let mut config: tokio_postgres::Config = url.expose_secret().parse().map_err(|_| {
            unreachable(
                "store.url is not one of PostgreSQL: postgres://user:password@host:5432/database?sslmode=require",
            )
        })?;
        config.application_name("milestoned");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(WAIT);
        }
        let manager = Manager::from_config(
            config,
            MakeRustlsConnect::new(tls(authority)?),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(connections.max(1))
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| unreachable(&error.to_string()))?;
        let store = Self { pool };
        store.keeps_what_it_acknowledges().await?;
        store.migrate().await?;
        Ok(store)
    }

    /// A server that answers before it has written, that only copies another, or that has no place for some letters (SQL_ASCII takes
    /// bytes as they are) is no place for books.
    async fn keeps_what_it_acknowledges(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        let sql =
            "SELECT current_setting('synchronous_commit'), pg_is_in_recovery(), current_setting('server_encoding')";
        let row = client.query_one(sql, &[]).await?;
        let (synchronous, copy): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        let encoding: String = row.try_get(2)?;
        if copy {
            return Err(unreachable("the server is a read-only copy: store.url must name the primary"));
        }
        if synchronous == "off" {
            return Err(unreachable(
                "synchronous_commit is off for this role and database, so that what was acknowledged could be lost: \
                 ALTER ROLE or ALTER DATABASE … SET synchronous_commit = on",
            ));
        }
        if !matches!(encoding.as_str(), "UTF8" | "SQL_ASCII") {
            return Err(unreachable(&format!(
                "the database has the encoding {encoding}, which cannot hold every name: CREATE DATABASE … TEMPLATE template0 \
                 ENCODING 'UTF8'"
            )));
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        // The lock ends with the connection, should this process die in between.
        client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
        #[cfg(feature = "failpoints")]
        for next in super::migrations::postgres::whole().get_migrations() {
            let through = refinery::Target::Version(next.version());
            let runner = super::migrations::postgres::whole().set_target(through);
            super::migrated(&runner.run_async(&mut **client).await.map_err(Box::new)?);
        }
        let outcome = super::migrations::postgres::whole().run_async(&mut **client).await;
        client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
        outcome.map(drop).map_err(|error| StoreError::Migration(Box::new(error)))
    }

    async fn client(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| match error {
            deadpool_postgres::PoolError::Backend(error) => StoreError::Postgres(error),
            other => unreachable(&other.to_string()),
        })
    }

    /// Runs `work` in a transaction; an error undoes all of it. The verbs lock what they rely on, whatever isolation the
    /// server is set to by default: under a stricter one those that wait for each other would fail.
    pub(super) async fn write(&self, work: Work) -> Result<super::Value, StoreError> {
        self.transact("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", work).await
    }

    /// Runs `work` in a transaction that only reads, all of it at one instant.
    pub(super) async fn read(&self, work: Work) -> Result<super::Value, StoreError> {
        self.transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work).await
    }

    async fn transact(&self, begin: &'static str, work: Work) -> Result<super::Value, StoreError> {
        let client = self.client().await?;
        let runtime = Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            let conversation = Conversation { client: Some(client), runtime, failed: Cell::new(false) };
            conversation.say(begin)?;
            let value = work(Link::Postgres(&conversation));
            conversation.end(value)
        });
        task.await.map_err(|_| StoreError::Stopped)?
    }
}

fn unreachable(reason: &str) -> StoreError {
    StoreError::Unopened { path: "PostgreSQL".into(), reason: reason.into() }
}

/// TLS as everywhere else: the machine's authorities, or one file of them.
fn tls(authority: Option<&Path>) -> Result<rustls::ClientConfig, StoreError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unreachable(&error.to_string()))?;
    let Some(file) = authority else {
        let builder = builder.with_platform_verifier().map_err(|error| unreachable(&error.to_string()))?;
        return Ok(builder.with_no_client_auth());
    };
    let unreadable = |reason: String| StoreError::Unopened { path: file.display().to_string(), reason };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))? {
        roots
            .add(certificate.map_err(|error| unreadable(error.to_string()))?)
            .map_err(|error| unreadable(error.to_string()))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A connection within a transaction.
pub(super) struct Conversation {
    /// Always there until the transaction has ended.
    client: Option<Object>,
    runtime: Handle,
    /// A statement failed: PostgreSQL would take a commit for a rollback, and say nothing.
    failed: Cell<bool>,
}

impl Conversation {
    fn client(&self) -> Result<&Object, StoreError> {
        self.client.as_ref().ok_or(StoreError::Stopped)
    }

    fn noted<T>(&self, outcome: Result<T, tokio_postgres::Error>) -> Result<T, StoreError> {
        outcome.map_err(|error| {
            self.failed.set(true);
            StoreError::Postgres(error)
        })
    }

    fn say(&self, words: &str) -> Result<(), StoreError> {
        self.noted(self.runtime.block_on(self.client()?.batch_execute(words)))
    }

    /// Commits what went well, undoes the rest. A connection that cannot do even that leaves the pool.
    fn end<T>(mut self, value: Result<T, StoreError>) -> Result<T, StoreError> {
        let failed = self.failed.get() || value.is_err();
        let ended = self.say(if failed { "ROLLBACK" } else { "COMMIT" });
        let value = match (value, &ended) {
            (Ok(_), Ok(())) if failed => Err(StoreError::Stopped),
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(_)) => return ended.and(Err(StoreError::Stopped)),
            (Err(error), _) => Err(error),
        };
        if ended.is_ok() {
            // Back to the pool, outside of any transaction.
            drop(self.client.take());
        }
        value
    }

    pub(super) fn run(&self, sql: &str, values: &[&dyn Value]) -> Result<u64, StoreError> {
        let client = self.client()?;
        let values: Vec<_> = values.iter().map(|value| value.postgres()).collect();
        self.noted(self.runtime.block_on(async {
            let statement = client.prepare_cached(sql).await?;
            client.execute(&statement, &values).await
        }))
    }

    pub(super) fn run_each(&self, sql: &str, sets: &[Vec<&dyn Value>]) -> Result<Vec<u64>, StoreError> {
        let client = self.client()?;
        self.noted(self.runtime.block_on(async {
            let statement = client.prepare_cached(sql).await?;
            let runs = sets.iter().map(|values| {
                let values: Vec<_> = values.iter().map(|value| value.postgres()).collect();
                let statement = &statement;
                async move { client.execute(statement, &values).await }
            });
            futures_util::future::try_join_all(runs).await
        }))
    }

    pub(super) fn number_each(&self, sql: &str, sets: &[Vec<&dyn Value>]) -> Result<Vec<Option<i64>>, StoreError> {
        let client = self.client()?;
        self.noted(self.runtime.block_on(async {
            let statement = client.prepare_cached(sql).await?;
            let runs = sets.iter().map(|values| {
                let values: Vec<_> = values.iter().map(|value| value.postgres()).collect();
                let statement = &statement;
                async move { client.query_opt(statement, &values).await?.map(|row| row.try_get(0)).transpose() }
            });
            futures_util::future::try_join_all(runs).await
        }))
    }

    pub(super) fn each(
        &self,
        sql: &str,
        values: &[&dyn Value],
        take: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let client = self.client()?;
        let rows = self.noted(self.runtime.block_on(async {
            let statement = client.prepare_cached(sql).await?;
            client.query_raw(&statement, values.iter().map(|value| value.postgres())).await
        }))?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = self.noted(self.runtime.block_on(rows.try_next()))? {
            take(&Row::Postgres(&row))?;
        }
        Ok(())
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // Whatever came in between (a panic, a lost connection): a connection that may be in a transaction is closed.
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}
