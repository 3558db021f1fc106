//! Several daemons on one PostgreSQL: the work is spread, those that die are stood in for, and nothing is done twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use milestoned::app::App;
use milestoned::fleet::{Duty, SHARDS};
use milestoned::store::vocabulary::DeliveryState;
use milestoned_mocks::FaultSpec;
use milestoned_tests::World;
use milestoned_tests::postgres::cluster;

/// Three daemons; `None`: PostgreSQL is not installed, which has been said.
async fn fleet() -> Option<(World, Vec<Arc<App>>)> {
    let url = cluster()?.database().await.unwrap();
    let changes = vec![("store.path".to_owned(), format!("store.url = '{url}'"))];
    let world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
    let apps = vec![Arc::clone(&world.app), world.another().await.unwrap(), world.another().await.unwrap()];
    for (name, app) in ["a", "b", "c"].iter().zip(&apps) {
        app.fleet.join((*name).into());
    }
    Some((world, apps))
}

/// Every daemon has its turn, in the same few seconds.
async fn turn(world: &World, apps: &[Arc<App>]) {
    let now = world.simulators.clock.now() + SignedDuration::from_secs(4);
    world.at(&now.to_string()).unwrap();
    for app in apps {
        app.fleet.renew(&app.env.store, now).await.unwrap();
    }
    world.simulators.jira.deliver_webhooks().await.unwrap();
    apps[0].env.store.poll_now().await.unwrap();
    let settled = futures_util::future::join_all(apps.iter().map(|app| app.settle())).await;
    settled.into_iter().for_each(|outcome| outcome.unwrap());
}

async fn owns(app: &App, duty: Duty<'_>, of: usize) -> bool {
    app.fleet.duty(&app.env.store, duty, of, app.env.clock.now()).await.unwrap().is_some()
}

#[tokio::test]
async fn duties_are_spread_and_those_of_a_daemon_that_is_gone_pass_on() {
    let Some((world, mut apps)) = fleet().await else { return };
    // The first to come takes everything, and hands over when others come.
    for _ in 0..3 {
        turn(&world, &apps).await;
    }
    for daemons in [3_usize, 2, 1] {
        apps.truncate(daemons);
        // Long enough for the leases of whoever is gone to lapse.
        for _ in 0..8 {
            turn(&world, &apps).await;
        }
        let mut owners = vec![0_usize; daemons];
        for shard in 0..SHARDS {
            for (app, count) in apps.iter().zip(&mut owners) {
                *count += usize::from(owns(app, Duty::Contracts(shard), SHARDS).await);
            }
        }
        assert_eq!(owners.iter().sum::<usize>(), SHARDS, "{daemons} daemons: {owners:?}");
        let share = SHARDS.div_ceil(daemons);
        assert!(owners.iter().all(|count| *count <= share && *count > 0), "{daemons} daemons: {owners:?}");
    }
}

#[tokio::test]
async fn daemons_die_with_work_in_their_hands_and_every_milestone_is_invoiced_once() {
    let Some((world, mut apps)) = fleet().await else { return };
    let contracts: Vec<String> = (0..8).map(|number| format!("SOW-{number}")).collect();
    let issues: Vec<_> = contracts.iter().map(|id| world.contract(id, "netsuite").unwrap()).collect();
    turn(&world, &apps).await;
    for (fault, times) in [("drop_after_write", 2), ("write_later(9000)", 2), ("drop_before_write", 2)] {
        let fault = FaultSpec::new(fault).on("POST", "/record/v1/invoice").times(times);
        world.simulators.faults.inject("netsuite", fault).unwrap();
    }
    for (round, name) in (0..40).zip(["d", "e", "f", "g", "h", "i"].iter().cycle()) {
        if let Some(issue) = issues.get(round) {
            world.accept(issue).unwrap();
        }
        turn(&world, &apps).await;
        if round % 4 == 0 && round < 24 {
            // One dies in the middle of an attempt; what it had claimed is in nobody's hands.
            let dead = apps.remove(round % apps.len());
            let (lease, now) = (dead.env.settings.delivery.lease, dead.env.clock.now());
            dead.env.store.claim("netsuite".into(), 2, lease, now).await.unwrap();
            drop(dead);
            let fresh = world.another().await.unwrap();
            fresh.fleet.join(format!("{name} {round}"));
            apps.push(fresh);
        }
    }
    for time in ["12:00", "12:10", "12:20", "12:30"] {
        world.at(&format!("2026-03-02T{time}:00Z")).unwrap();
        for _ in 0..4 {
            turn(&world, &apps).await;
        }
    }
    let store = &apps[0].env.store;
    let mut held: Vec<String> = world.held("netsuite").into_iter().map(|(number, _)| number).collect();
    held.sort();
    let expected: Vec<String> = contracts.iter().map(|id| format!("{id}-M1")).collect();
    assert_eq!(held, expected, "{:#?}", store.deliveries(None, DeliveryState::UNSETTLED).await);
    let once: BTreeSet<_> = held.iter().collect();
    assert_eq!(once.len(), held.len());
    assert_eq!(store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
    for row in store.contracts().await.unwrap() {
        let rebuilt = milestoned::replay::contract(&apps[0].env, &row).await.unwrap();
        assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state, "{}", row.id);
    }
}
