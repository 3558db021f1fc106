//! The contract folder belongs to people who may file contracts, and to nobody else's secrets.

use std::os::unix::fs::symlink;

use milestoned_tests::{VIEWER, World};

async fn parked(world: &World) -> String {
    world.call("GET", "/v1/queue", VIEWER, None).await.unwrap().1.to_string()
}

#[tokio::test]
async fn a_link_shows_nothing_a_pipe_holds_up_nobody_and_a_refused_file_that_is_taken_away_waits_no_more() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let secret = world.contracts.join(".token");
    std::fs::write(&secret, "canary-c90e4412").unwrap();
    let (leak, copy, pipe) =
        (world.contracts.join("leak.toml"), world.contracts.join("copy.toml"), world.contracts.join("pipe.json"));
    symlink(&secret, &leak).unwrap();
    std::fs::copy(&secret, &copy).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let told = parked(&world).await;
    for words in ["leak.toml", "symbolic link", "copy.toml", "line 1 column", "pipe.json", "no regular file"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("canary"), "{told}");
    assert_eq!(world.app.env.store.contract_count().await.unwrap(), 1, "the good one is open");
    for file in [&leak, &copy, &pipe] {
        std::fs::remove_file(file).unwrap();
    }
    world.settle().await.unwrap();
    assert!(world.app.env.store.file_problems().await.unwrap().is_empty(), "{}", parked(&world).await);
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_noted_once_until_it_can_be() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let away = world.contracts.with_extension("away");
    std::fs::rename(&world.contracts, &away).unwrap();
    for _ in 0..3 {
        world.settle().await.unwrap();
    }
    let lines = world.app.env.store.audit(None, 100).await.unwrap();
    assert_eq!(lines.iter().filter(|line| line.action == "contract file refused").count(), 1, "{lines:?}");
    std::fs::rename(&away, &world.contracts).unwrap();
    world.settle().await.unwrap();
    assert!(world.app.env.store.file_problems().await.unwrap().is_empty(), "{}", parked(&world).await);
}
