//! The contract folder belongs to people who may file contracts, and to nobody else's secrets.

use std::os::unix::fs::symlink;

use milestoned_tests::{VIEWER, World, fields};
use serde_json::json;

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

/// How often the trail says that a change order waits.
async fn waits(world: &World) -> usize {
    let lines = world.app.env.store.audit(None, 200).await.unwrap();
    lines.iter().filter(|line| line.action == "change order waits").count()
}

#[tokio::test]
async fn a_change_order_that_waits_for_its_contract_is_told_once_and_taken_with_it() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let order = |contract: &str| {
        let order = json!({ "amends": contract, "version": 2, "signed": true, "total": "50000.00",
            "add": [{ "id": "M2", "name": "Build", "amount": "10000.00" }] });
        std::fs::write(world.contracts.join(format!("A-{contract}.json")), order.to_string()).unwrap();
    };
    order("SOW-1");
    for _ in 0..3 {
        world.settle().await.unwrap();
    }
    let told = parked(&world).await;
    assert!(told.contains("contract SOW-1 is not known") && told.contains("tried again by itself"), "{told}");
    assert_eq!(waits(&world).await, 1, "once, and not at every look");
    world.contract("SOW-1", "netsuite").unwrap();
    // One whose contract is read after it, at the same look, waits for nothing.
    order("SOW-2");
    world.contract("SOW-2", "netsuite").unwrap();
    world.settle().await.unwrap();
    assert!(world.app.env.store.file_problems().await.unwrap().is_empty(), "{}", parked(&world).await);
    for contract in ["SOW-1", "SOW-2"] {
        let (_, shown) = world.call("GET", &format!("/v1/contracts/{contract}"), VIEWER, None).await.unwrap();
        assert!(shown["milestones"].to_string().contains("\"M2\""), "{contract}: {shown:#}");
    }
    assert_eq!(waits(&world).await, 1);
}

#[tokio::test]
async fn a_file_on_a_won_deal_is_fetched_once_for_each_content_and_told_where_it_cannot_be_read() {
    let asked = ("kind = \"salesforce\"".to_owned(), "kind = \"salesforce\"\ndocuments = true".to_owned());
    let world = World::configured("2026-03-02T09:00:00Z", vec![asked]).await.unwrap();
    let org = &world.simulators.salesforce;
    world.deal("SOW-1", "40000.00").unwrap();
    let deal = org.record("Opportunity", "SOW-1").unwrap().text("Id");
    let put = |act: &str, file: serde_json::Value| org.put(act, "ContentVersion", "", fields(file)).unwrap();
    let first = json!({ "PathOnClient": "Signed SOW.pdf", "VersionData": "no PDF", "FirstPublishLocationId": deal });
    let version = put("first", first);
    put("picture", json!({ "PathOnClient": "Logo.png", "VersionData": "x", "FirstPublishLocationId": deal }));
    let fetched = || {
        let calls = world.simulators.faults.requests("salesforce");
        calls.iter().filter(|(endpoint, _)| endpoint.contains("VersionData")).map(|(_, count)| *count).sum::<u64>()
    };
    for minute in 1..4 {
        world.at(&format!("2026-03-02T09:{:02}:00Z", minute * 10)).unwrap();
        world.settle().await.unwrap();
    }
    assert_eq!(fetched(), 1, "a picture is no agreement, and nothing is fetched twice");
    let told = parked(&world).await;
    assert!(told.contains("salesforce: Signed SOW.pdf") && told.contains("reading the file"), "{told}");
    let document = org.record("ContentVersion", &version).unwrap().text("ContentDocumentId");
    put("second", json!({ "PathOnClient": "Signed SOW.pdf", "VersionData": "other", "ContentDocumentId": document }));
    for minute in 4..6 {
        world.at(&format!("2026-03-02T09:{:02}:00Z", minute * 10)).unwrap();
        world.settle().await.unwrap();
    }
    assert_eq!(fetched(), 2, "another content is another document");
}

#[tokio::test]
async fn a_flood_of_documents_is_read_in_parts_and_apart_from_contracts() {
    let flood = tempfile::tempdir().unwrap();
    let documents = format!("agreements.documents = '{}'\nagreements.folder_owner = \"dora\"", flood.path().display());
    let changes = vec![("agreements.folder_owner".to_owned(), documents)];
    let world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
    for number in 10..50 {
        symlink("/dev/zero", flood.path().join(format!("{number}.md"))).unwrap();
    }
    world.contract("SOW-1", "netsuite").unwrap();
    let noted = async || world.app.env.store.file_problems().await.unwrap().len();
    assert!(world.app.scan().await.unwrap(), "the contract is filed");
    assert_eq!(noted().await, 0, "and waits for no document");
    for expected in [16, 32, 40] {
        assert!(world.app.scan_documents().await.unwrap());
        assert_eq!(noted().await, expected);
    }
    assert!(!world.app.scan_documents().await.unwrap(), "each is read once");
}
