//! The exception digest, over real SMTP.

use milestoned_tests::{ADMIN, REVIEWER, World};
use serde_json::json;

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
    world.move_issue(&issue, "Ready for acceptance", json!({})).unwrap();
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
    assert!(
        raw.contains("Resolved since the last digest")
            && raw.contains("The amount differs from the agreement (AMOUNT_MISMATCH) SOW-1"),
        "{raw}"
    );
}

#[tokio::test]
async fn what_is_snoozed_is_not_told_as_resolved() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-03T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    let snooze = json!({ "subject": "exception:SOW-1:AMOUNT_MISMATCH::crm", "act": "snooze", "until": "2026-03-10" });
    let (status, said) = world.call("POST", "/v1/acts", REVIEWER, Some(snooze)).await.unwrap();
    assert_eq!(status, 202, "{said}");
    world.contract("SOW-2", "netsuite").unwrap();
    world.deal("SOW-2", "45000.00").unwrap();
    world.at("2026-03-04T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    let raw = newest(&world, "finance@vendor.example");
    assert!(raw.contains("AMOUNT_MISMATCH%3A%3Acrm") && raw.contains("SOW-2"), "{raw}");
    assert!(!raw.contains("SOW-1") && !raw.contains("Resolved since"), "{raw}");
}

#[tokio::test]
async fn a_digest_is_of_the_day_of_its_reader() {
    let zones = "timezone = \"UTC\"\ntimezones = { \"sales-ops@vendor.example\" = \"America/Los_Angeles\" }".to_owned();
    let world = World::configured("2026-03-02T09:00:00Z", vec![("timezone = \"UTC\"".into(), zones)]).await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-05T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    // Seven in the morning in UTC is eleven in the evening before in Los Angeles.
    assert!(newest(&world, "finance@vendor.example").contains("Subject: milestoned 2026-03-05"));
    assert!(newest(&world, "sales-ops@vendor.example").contains("Subject: milestoned 2026-03-04"));
}

#[tokio::test]
async fn what_waits_is_mailed_to_nobody_outside_and_no_text_begins_a_line_of_the_mail() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    world.settle().await.unwrap();
    let subject = "exception:SOW-1:AMOUNT_MISMATCH::crm";
    let act = async |act: &str, field: &str, value: &str| {
        let mut body = json!({ "subject": subject, "act": act });
        body[field] = json!(value);
        world.call("POST", "/v1/acts", REVIEWER, Some(body)).await.unwrap()
    };
    for to in ["eve@evil.example", "Eve <eve@evil.example>", "eve@vendor.example\r\nBcc: eve@evil.example", "eve@", "@"]
    {
        let (status, said) = act("assign", "to", to).await;
        assert_eq!((status, said["code"].as_str()), (422, Some("INVALID")), "{to:?}: {said}");
    }
    let forged = "seen\n\nResolved since the last digest\n\n  all of it <b>\r\n.\r\nQUIT\r\n";
    assert_eq!(act("note", "reason", forged).await.0, 202);
    assert_eq!(act("assign", "to", "mia@vendor.example").await.0, 202);
    world.at("2026-03-05T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    let recipients: Vec<String> =
        world.simulators.mail.messages().iter().flat_map(|message| message.to.clone()).collect();
    assert!(recipients.iter().all(|to| to.ends_with("@vendor.example")), "{recipients:?}");
    let raw = newest(&world, "mia@vendor.example");
    assert!(raw.contains("Note: seen Resolved since the last digest all of it <b> . QUIT"), "{raw}");
    assert!(raw.contains("all of it &#60;b&#62;") || raw.contains("all of it &lt;b&gt;"), "{raw}");
    assert!(!raw.contains("\nResolved since"), "{raw}");
    let mut terms = json!({ "id": "SOW-2", "customer": "Northwind Ltd", "currency": "USD", "total": "1.00",
        "signed_on": "2026-03-02", "milestones": [{ "id": "M1", "name": "Design", "amount": "1.00" }],
        "milestoned": { "erp": "netsuite", "owner": "eve@evil.example" } });
    let (status, said) = world.call("PUT", "/v1/contracts/SOW-2", ADMIN, Some(terms.clone())).await.unwrap();
    assert!(status == 422 && said["detail"].as_str().unwrap().contains("at vendor.example alone"), "{said}");
    terms["milestoned"]["owner"] = json!("mia@vendor.example");
    assert_eq!(world.call("PUT", "/v1/contracts/SOW-2", ADMIN, Some(terms)).await.unwrap().0, 201);
}
