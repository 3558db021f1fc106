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
