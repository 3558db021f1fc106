//! A database that an older version left behind, with data in it, is brought to this version and goes on.

use milestoned::store::pauses::Scope;
use milestoned::store::{Key, Store};
use milestoned_mapping::command::DeliveryKey;
use milestoned_tests::postgres::cluster;
use refinery::Target;
use sha2::{Digest, Sha256};

use super::{Place, connect, invoice, later, now};

mod postgres {
    refinery::embed_migrations!("../daemon/store/migrations/postgres");
}
pub(super) mod sqlite {
    refinery::embed_migrations!("../daemon/store/migrations/sqlite");
}

/// What version 1 left: a contract, a delivery that waits, two audit lines chained as version 1 did.
fn left_behind() -> String {
    let posting = invoice("A", "SOW-1", "1.00", &[]);
    let command = serde_json::to_string(&posting.command).unwrap();
    let key = posting.key.to_string();
    let at = "2026-03-01T10:00:00.000000Z";
    let one = chained("", &["1", at, "ada", "contract opened", "SOW-1", "SOW-1", "from file"]);
    let two = chained(&one, &["2", at, "milestoned", "mail", "", "k", "sent"]);
    format!(
        "INSERT INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of, planned_documents)
         VALUES ('SOW-1', '{{\"terms\":{{\"customer\":\"Northwind Ltd\"}}}}', 'd', 'file', '2026-03-01', '{at}', '{{}}', 0, '2026-03-01', 0);
         INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, due_at, created_at)
         VALUES ('{key}', 1, 'SOW-1', 'netsuite', 'invoice', 'A', '{command}', 'd', '[]', 'pending', '{at}', '{at}');
         INSERT INTO audit (seq, at, actor, action, contract, subject, detail, hash)
         VALUES (1, '{at}', 'ada', 'contract opened', 'SOW-1', 'SOW-1', 'from file', '{one}'),
                (2, '{at}', 'milestoned', 'mail', NULL, 'k', 'sent', '{two}');"
    )
}

fn chained(previous: &str, fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in [&[previous], fields].concat() {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hex::encode(hash.finalize())
}

async fn goes_on(store: Store) {
    let verdict = store.verify_audit(Vec::new()).await.unwrap();
    assert_eq!((verdict.lines, verdict.flaw(), verdict.attested_from), (3, None, Some(3)));
    let said = store.audit(None, 1).await.unwrap().remove(0);
    assert_eq!((said.action.as_str(), said.actor.as_str()), ("rows attested", "milestoned"));
    assert!(said.detail.contains("1 of contract, 1 of outbox; lines up to 2"), "{}", said.detail);
    let name = "Northwind Ltd".to_owned();
    store.pause(Scope::Customer, name.clone(), "ada".into(), "dispute".into(), now()).await.unwrap();
    let lease = jiff::SignedDuration::from_mins(2);
    let claim = || store.claim("netsuite".into(), 10, lease, now());
    assert!(claim().await.unwrap().is_empty(), "the customer of an old contract is known");
    store.resume(Scope::Customer, name, "ada".into(), "settled".into(), later(1)).await.unwrap();
    assert_eq!(claim().await.unwrap()[0].key, DeliveryKey::of(&["A"]));
    let verdict = store.verify_audit(Vec::new()).await.unwrap();
    assert_eq!((verdict.lines, verdict.flaw()), (5, None));
}

#[tokio::test]
async fn sqlite_of_version_1_goes_on() {
    let (path, _folder) = Place::sqlite();
    let mut old = rusqlite::Connection::open(&path).unwrap();
    sqlite::migrations::runner().set_target(Target::Version(1)).run(&mut old).unwrap();
    old.execute_batch(&left_behind()).unwrap();
    goes_on(Store::open(&path, Key::of([7; 32])).unwrap()).await;
}

#[tokio::test]
async fn postgres_of_version_1_goes_on() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    let mut old = cluster.client(&url).await.unwrap();
    postgres::migrations::runner().set_target(Target::Version(1)).run_async(&mut old).await.unwrap();
    old.batch_execute(&left_behind()).await.unwrap();
    goes_on(connect(&url).await.unwrap()).await;
}

#[tokio::test]
async fn two_that_start_at_once_migrate_once() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    let starts = (0..4).map(|_| connect(&url));
    for store in futures_util::future::join_all(starts).await {
        assert_eq!(store.unwrap().contract_count().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_showing_the_password() {
    for url in ["postgres://ada:canary@[/x", "mysql://ada:canary@localhost/x"] {
        let error = connect(url).await.err().unwrap();
        let said = format!("{error} {error:?}");
        assert!(said.contains("postgres://user:password@host") && !said.contains("canary"), "{said}");
    }
}
