//! How a PostgreSQL server may be set, and how not.

use std::pin::Pin;

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
async fn a_database_that_cannot_hold_every_name_is_refused() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    let name = format!("{}_latin", url.rsplit('/').next().unwrap());
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    cluster.client(&url).await.unwrap().batch_execute(&create).await.unwrap();
    let refused = connect(&format!("{url}_latin")).await.err().expect("it was taken").to_string();
    assert!(refused.contains("encoding LATIN1") && refused.contains("ENCODING 'UTF8'"), "{refused}");
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

/// One row that many change, make and delete at the same time is attested as the last of them left it.
#[tokio::test]
async fn what_many_change_at_once_is_attested_as_it_stands() {
    let Some(url) = database("default_transaction_isolation = 'read committed'").await else { return };
    let stores = [connect(&url).await.unwrap(), connect(&url).await.unwrap()];
    let mut acts: Vec<Pin<Box<dyn Future<Output = bool>>>> = Vec::new();
    for (place, store) in stores.iter().cycle().take(60).enumerate() {
        let (by, why) = (format!("controller-{place}"), format!("reason {place}"));
        let name = "SOW-1".to_owned();
        acts.push(if place % 3 == 0 {
            Box::pin(async move { store.resume(Scope::Contract, name, by.into(), why, now()).await.is_ok() })
        } else {
            Box::pin(async move { store.pause(Scope::Contract, name, by.into(), why, now()).await.is_ok() })
        });
    }
    assert!(futures_util::future::join_all(acts).await.into_iter().all(|taken| taken));
    assert_eq!(stores[0].verify_audit(Vec::new()).await.unwrap().flaw(), None);
}
