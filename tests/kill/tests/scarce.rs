//! The real binary without room, without its lock, without its server, under a flood, and with commands that die half-way.

use std::time::Duration;

use milestoned_kill::daemon::Program;
use milestoned_kill::scarce::{self, Report, Room};
use milestoned_kill::script::Script;
use milestoned_kill::{copies, floods};
use milestoned_tests::postgres::Cluster;

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_milestoned-kill").into())
}

fn nothing_lost(report: &Report) {
    assert_eq!(report.violations, Vec::<String>::new(), "{report:?}");
    assert!(report.acknowledged >= 40, "{report:?}");
}

#[tokio::test]
async fn without_room_nothing_is_taken_and_with_room_it_goes_on() {
    let report = scarce::disk_full(&program(), Room::Quota).await.unwrap();
    nothing_lost(&report);
    assert!(report.refused > 0 && report.said.contains("the database"), "{report:?}");
}

#[tokio::test]
async fn while_another_holds_the_lock_webhooks_wait_and_then_are_taken() {
    nothing_lost(&scarce::locked(&program(), Duration::from_secs(2)).await.unwrap());
}

#[tokio::test]
async fn while_the_server_is_gone_nothing_is_taken_and_then_it_goes_on() {
    // A server of its own: others must not miss theirs. That there is none has been said elsewhere.
    let Some(cluster) = Cluster::own().unwrap() else { return };
    let report = scarce::server_gone(&program(), &cluster, Duration::ZERO).await.unwrap();
    nothing_lost(&report);
    assert!(report.refused > 0, "{report:?}");
}

#[tokio::test]
async fn of_a_flood_each_webhook_is_followed_and_nothing_is_told_twice() {
    let report = floods::run(&program(), (200, 5, 64), 1).await.unwrap();
    assert_eq!(report.violations, Vec::<String>::new(), "{report:?}");
    assert_eq!((report.sent, report.acknowledged), (1_000, 1_000));
}

#[tokio::test]
async fn a_backup_or_a_restore_that_dies_half_way_leaves_a_database_that_goes_on() {
    let report = copies::run(&program(), Script { contracts: 4 }).await.unwrap();
    assert_eq!(report.violations, Vec::<String>::new(), "{report:?}");
}
