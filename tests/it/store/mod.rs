//! What the store promises, on both databases: every check runs on a fresh SQLite file and on a fresh PostgreSQL
//! database.

mod audit;
pub(crate) mod contracts;
mod fast_path;
mod forged;
mod hands;
mod imports;
mod input;
mod integrity;
mod leases;
mod migrations;
mod outbox;
mod postgres;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use milestoned::settings::Settings;
use milestoned::store::contracts::Work;
use milestoned::store::{Key, Store, StoreError};
use milestoned_connector_kit::Receipt;
use milestoned_mapping::command::{Command, DeliveryKey, Document, Posting};
use milestoned_mapping::money::Currency;
use milestoned_tests::postgres::cluster;

/// A store, and a way past it.
pub(crate) struct Place {
    pub(crate) store: Store,
    raw: Raw,
}

enum Raw {
    Postgres(String),
    Sqlite(PathBuf, #[expect(dead_code, reason = "the folder goes with it")] tempfile::TempDir),
}

impl Place {
    fn sqlite() -> (PathBuf, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (folder.path().join("milestoned.db"), folder)
    }

    async fn on_sqlite() -> Option<Self> {
        let (path, folder) = Self::sqlite();
        Some(Self { store: Store::open(&path, Key::of([7; 32])).unwrap(), raw: Raw::Sqlite(path, folder) })
    }

    /// `None`: PostgreSQL is not installed, which has been said; the test is skipped.
    async fn on_postgres() -> Option<Self> {
        let url = cluster()?.database().await.unwrap();
        Some(Self { store: connect(&url).await.unwrap(), raw: Raw::Postgres(url) })
    }

    /// Runs statements as somebody would who has the database in his hands: no trigger stands in his way.
    pub(crate) async fn tamper(&self, sql: &str) {
        match &self.raw {
            Raw::Postgres(url) => {
                let sql = format!("SET session_replication_role = replica; {sql}");
                cluster().unwrap().client(url).await.unwrap().batch_execute(&sql).await.unwrap();
            }
            Raw::Sqlite(path, _) => without_triggers(path).execute_batch(sql).unwrap(),
        }
    }

    /// Another handle on the same database, as another process has it.
    pub(crate) async fn again(&self) -> Store {
        self.opened().await.unwrap()
    }

    /// The same, which may be refused.
    pub(crate) async fn opened(&self) -> Result<Store, StoreError> {
        match &self.raw {
            Raw::Postgres(url) => connect(url).await,
            Raw::Sqlite(path, _) => Store::open(path, Key::of([7; 32])),
        }
    }

    /// Everything is attested as it stands, as at the first start after an older version: such a row may be one that cannot be
    /// read.
    pub(crate) async fn attest_as_it_stands(&mut self) {
        self.tamper(
            "UPDATE audit SET attests = NULL; UPDATE audit SET action = 'other' WHERE action = 'rows attested'",
        )
        .await;
        self.tamper("UPDATE audit_head SET sealed = ''").await;
        self.store = self.again().await;
    }

    /// The same with other keys than that of the tests: the one in use, and a former one.
    pub(crate) async fn opened_with(&self, key: &str, former: Option<&str>) -> Result<Store, StoreError> {
        let place = match &self.raw {
            Raw::Postgres(url) => format!("store.url = '{url}'"),
            Raw::Sqlite(path, _) => format!("store.path = '{}'", path.display()),
        };
        let text = format!("{place}\nstore.key = '{key}'\nstore.former_keys = {:?}", Vec::from_iter(former));
        Store::connect(&Settings::from_toml(&text).unwrap().store).await
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.raw, Raw::Postgres(_))
    }
}

impl Place {
    /// Whether the tables refuse a statement of somebody who leaves their triggers as they are.
    pub(crate) async fn refuses(&self, sql: &str) -> bool {
        match &self.raw {
            Raw::Postgres(url) => cluster().unwrap().client(url).await.unwrap().batch_execute(sql).await.is_err(),
            Raw::Sqlite(path, _) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).is_err(),
        }
    }
}

/// A database whose triggers do nothing on this connection.
fn without_triggers(path: &std::path::Path) -> rusqlite::Connection {
    let raw = rusqlite::Connection::open(path).unwrap();
    raw.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    raw
}

/// What there is to decide about the contract.
async fn to_decide(store: &Store) -> Work {
    store.works(vec!["SOW-1".into()]).await.unwrap().remove(0).1.unwrap()
}

async fn connect(url: &str) -> Result<Store, StoreError> {
    let settings = Settings::from_toml(&format!("store.url = '{url}'\nstore.key = '{}'", "07".repeat(32))).unwrap();
    Store::connect(&settings.store).await
}

/// Each check, on both databases.
macro_rules! on_both {
    ($($check:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $check() {
                let Some(place) = crate::store::Place::on_sqlite().await else { return };
                super::$check(place).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $check() {
                let Some(place) = crate::store::Place::on_postgres().await else { return };
                super::$check(place).await;
            })*
        }
    };
}
pub(crate) use on_both;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    at("2026-03-02T10:00:00Z")
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// An invoice of a contract, and what has to be delivered before it.
pub(crate) fn invoice(number: &str, contract: &str, amount: &str, after: &[&str]) -> Posting {
    let usd: Currency = "USD".parse().unwrap();
    Posting {
        key: DeliveryKey::of(&[number]),
        target: "netsuite".into(),
        command: Command::Invoice(Document {
            number: number.into(),
            contract: contract.into(),
            milestone: "M1".into(),
            customer: "Northwind Ltd".into(),
            date: "2026-03-02".parse().unwrap(),
            due_on: "2026-04-01".parse().unwrap(),
            amount: usd.parse(amount).unwrap(),
            description: "Design".into(),
            po_number: None,
            payment_terms: "net 30".into(),
            acceptance: None,
            original: None,
            order: None,
            obligation: None,
        }),
        after: after.iter().map(|number| DeliveryKey::of(&[number])).collect(),
    }
}

pub(crate) fn receipt(remote_id: &str) -> Receipt {
    Receipt {
        remote_id: remote_id.into(),
        remote_number: None,
        request_id: Some(format!("request-{remote_id}")),
        unposted: false,
    }
}
