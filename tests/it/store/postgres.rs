//! How a PostgreSQL server may be set, and how not.

use milestoned::store::pauses::Scope;
use milestoned_tests::postgres::cluster;

use super::{connect, now};

/// A database of its own, with a setting. `None`: PostgreSQL is not installed.
async fn database(setting: &str) -> Option<String> {
    let url = cluster()?.database().await.unwrap();
    let client = cluster()?.client(&url).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    client.batch_execute(&format!("ALTER DATABASE {name} SET {setting}")).await.unwrap();
    Some(url)
}

#[tokio::test]
async fn a_server_that_acknowledges_before_it_has_written_is_refused() {
    let Some(url) = database("synchronous_commit = off").await else { return };
    let refused = connect(&url).await.err().expect("it was taken").to_string();
    assert!(refused.contains("synchronous_commit is off") && refused.contains("ALTER ROLE"), "{refused}");
}

#[tokio::test]
async fn writers_wait_for_each_other_whatever_isolation_the_server_has_by_default() {
    let Some(url) = database("default_transaction_isolation = serializable").await else { return };
    let store = connect(&url).await.unwrap();
    let halt = |place: usize| {
        let name = format!("SOW-{place}");
        store.pause(Scope::Contract, name, "controller".into(), "year end".into(), now())
    };
    let halted = futures_util::future::try_join_all((0..40).map(halt)).await.unwrap();
    assert!(halted.into_iter().all(|new| new));
    assert_eq!(store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
}
