//! The exception digest, over real SMTP.

use milestoned_tests::World;

#[tokio::test]
async fn finance_and_owners_get_one_digest_a_slot_even_over_a_restart() {
    let mut world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    world.settle().await.unwrap();
    assert!(world.simulators.mail.messages().is_empty(), "not before the schedule says so");
    world.at("2026-03-05T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    world.restart().await.unwrap();
    world.settle().await.unwrap();
    let messages = world.simulators.mail.messages();
    let mut recipients: Vec<String> = messages.iter().flat_map(|message| message.to.clone()).collect();
    recipients.sort();
    assert_eq!(recipients, ["finance@vendor.example", "sales-ops@vendor.example"]);
    for message in &messages {
        let raw = message.raw.clone().replace("=\r\n", "");
        for words in [
            "multipart/alternative",
            "text/plain",
            "text/html",
            "AMOUNT_MISMATCH",
            "40,000.00 USD",
            "3 days",
            "https://milestoned.example/contracts/SOW-1",
        ] {
            assert!(raw.contains(words), "{words} is missing in\n{raw}");
        }
    }
}

/// The text of the newest message to somebody, unfolded.
fn newest(world: &World, to: &str) -> String {
    let messages = world.simulators.mail.messages();
    let own = messages.iter().rfind(|message| message.to.iter().any(|one| one == to));
    own.map(|message| message.raw.replace("=\r\n", "")).unwrap_or_default()
}

#[tokio::test]
async fn a_digest_tells_what_is_new_what_is_still_open_and_what_is_resolved_since() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    world.move_issue(&issue, "Ready for acceptance", serde_json::json!({})).unwrap();
    world.settle().await.unwrap();
    let case = "https://milestoned.example/case/exception%3ASOW-1%3AAMOUNT_MISMATCH";
    for (at, heading) in [("2026-03-03T07:00:00Z", "New since the last digest"), ("2026-03-04T07:00:00Z", "Still open")]
    {
        world.at(at).unwrap();
        world.settle().await.unwrap();
        for reader in ["finance@vendor.example", "sales-ops@vendor.example"] {
            let raw = newest(&world, reader);
            assert!(raw.contains(heading) && raw.contains(case), "{reader} at {at}:\n{raw}");
            assert!(raw.contains("40,000.00 agreed; 45,000.00 seen"), "{raw}");
        }
        assert!(!newest(&world, "sales-ops@vendor.example").contains("Resolved since"));
    }
    world.deal("SOW-1", "40000.00").unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-05T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    let raw = newest(&world, "finance@vendor.example");
    assert!(raw.contains("Resolved since the last digest") && raw.contains("AMOUNT_MISMATCH SOW-1"), "{raw}");
}
