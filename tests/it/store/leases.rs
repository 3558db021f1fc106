//! A duty has one owner at a time, and who had it before writes nothing any more.

use milestoned::store::StoreError;
use milestoned::store::leases::Lease;
use milestoned_connector_kit::Hint;

use super::{Place, later, now, on_both};

on_both!(
    a_duty_has_one_owner_and_passes_on_when_he_is_silent,
    who_lost_a_duty_writes_nothing,
    of_many_who_ask_at_once_one_gets_it,
    a_lease_without_an_end_and_a_daemon_that_is_not_there_keep_nothing_from_anybody,
);

impl Place {
    async fn take(&self, owner: &str, seconds: i64) -> Option<Lease> {
        let until = later(seconds + 15);
        self.store.take_lease("duty".into(), owner.into(), until, later(seconds)).await.unwrap()
    }
}

async fn a_duty_has_one_owner_and_passes_on_when_he_is_silent(place: Place) {
    assert_eq!(place.take("a", 0).await.unwrap().epoch, 1);
    assert_eq!(place.take("b", 14).await, None);
    let (held, owners) = place.store.renew_leases("a".into(), later(29), later(14)).await.unwrap();
    assert_eq!((held.len(), owners), (1, 1));
    assert_eq!(place.take("b", 28).await, None, "renewed, and taken all the same");
    assert_eq!(place.take("a", 28).await.unwrap().epoch, 1, "it did not change hands");
    assert_eq!(place.take("b", 43).await.unwrap().epoch, 2);
    assert!(place.store.renew_leases("a".into(), later(60), later(44)).await.unwrap().0.is_empty());
    let lease = place.take("b", 44).await.unwrap();
    place.store.give_up_lease(lease, later(44)).await.unwrap();
    assert!(place.store.renew_leases("b".into(), later(59), later(44)).await.unwrap().0.is_empty(), "taken back");
    assert_eq!(place.take("a", 44).await.unwrap().epoch, 3, "given up, and nobody need wait");
}

async fn who_lost_a_duty_writes_nothing(place: Place) {
    let former = place.store.fenced(place.take("a", 0).await.unwrap());
    let write = async |store: &milestoned::store::Store, id: &str| {
        let hint = Hint { object: "issue".into(), id: id.into() };
        store.hints_received("jira".into(), id.into(), vec![hint], now()).await
    };
    assert_eq!(write(&former, "1").await.unwrap(), 1);
    let owner = place.store.fenced(place.take("b", 16).await.unwrap());
    assert!(matches!(write(&former, "2").await, Err(StoreError::Fenced(duty)) if duty == "duty"));
    assert_eq!(write(&owner, "3").await.unwrap(), 1);
    // Not even when he has it again: what he began stands on what he knew then.
    assert!(place.take("a", 40).await.is_some());
    assert!(write(&former, "4").await.is_err() && write(&owner, "5").await.is_err());
    let stored = place.store.hints_due("jira".into(), now(), 10).await.unwrap();
    assert_eq!(stored.iter().map(|one| one.hint.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
}

async fn of_many_who_ask_at_once_one_gets_it(place: Place) {
    let stores = [place.store.clone(), place.again().await, place.again().await];
    for round in 0..5 {
        let at = later(round * 60);
        let asks = stores.iter().cycle().take(9).zip(0..).map(|(store, number)| {
            store.take_lease("duty".into(), format!("{round}-{number}"), at + jiff::SignedDuration::from_secs(15), at)
        });
        let got = futures_util::future::try_join_all(asks).await.unwrap();
        assert_eq!(got.iter().flatten().count(), 1, "round {round}");
    }
}

async fn a_lease_without_an_end_and_a_daemon_that_is_not_there_keep_nothing_from_anybody(place: Place) {
    place
        .tamper(
            "INSERT INTO lease (name, owner, epoch, until) VALUES
             ('duty', 'x', 9223372036854775807, '9999-12-30T00:00:00.000000Z'),
             ('daemon y', 'y', 1, '9999-12-30T00:00:00.000000Z')",
        )
        .await;
    assert!(place.take("a", 0).await.is_some());
    assert_eq!(place.store.renew_leases("a".into(), later(15), now()).await.unwrap().1, 1, "y is not there");
}
