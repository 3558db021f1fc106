//! QuickBooks: webhooks in both shapes, tried again on the vendor's schedule, one after another.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::Deliveries;
use serde_json::{Value, json};
use world::erp::company;
use world::hook;

fn moved(seconds: i64) -> jiff::Timestamp {
    world::NOW.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn a_failed_message_holds_back_what_is_newer() {
    let company = company().await;
    let erp = &company.0.quickbooks;
    let (bad, mut refused) = hook(400).await;
    erp.register_webhook(&bad, "vtok").unwrap();
    company.invoice("A", "5").await;
    let failed = Deliveries { retried: 1, ..Deliveries::default() };
    assert_eq!(erp.deliver_webhooks().await.unwrap(), failed);
    company.invoice("B", "5").await;
    // 10, 20, 30 seconds, 5 and 20 minutes, 2, 4, 6 hours, then every 6 hours: no answer but success counts
    let mut at = 0;
    for wait in [10, 20, 30, 300, 1200, 7200, 14_400, 21_600, 21_600] {
        company.0.clock.set(moved(at + wait - 1));
        assert_eq!(erp.deliver_webhooks().await.unwrap(), Deliveries::default(), "before {wait}");
        at += wait;
        company.0.clock.set(moved(at));
        assert_eq!(erp.deliver_webhooks().await.unwrap(), failed, "after {wait}");
    }
    let mut bodies = Vec::new();
    while let Ok((_, body)) = refused.try_recv() {
        bodies.push(body);
    }
    assert_eq!(bodies.len(), 10);
    assert!(bodies.iter().all(|body| *body == bodies[0] && !body.contains("\"102\"")), "the newer event waits");
    company.0.stop().await;
}

#[tokio::test]
async fn events_are_collected_and_come_in_both_shapes() {
    let company = company().await;
    let erp = &company.0.quickbooks;
    let (url, mut got) = hook(200).await;
    erp.register_webhook(&url, "vtok").unwrap();
    erp.set_webhook_window(60_000);
    company.invoice("A", "5").await;
    assert_eq!(erp.deliver_webhooks().await.unwrap(), Deliveries::default(), "the window is open");
    company.0.clock.set(moved(30));
    erp.void_invoice("v", "A").unwrap();
    company.0.clock.set(moved(60));
    assert_eq!(erp.deliver_webhooks().await.unwrap().delivered, 1);
    let events: Value = serde_json::from_str(&got.recv().await.unwrap().1).unwrap();
    let shown: Vec<(&str, &str)> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["type"].as_str().unwrap(), event["time"].as_str().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("qbo.invoice.voided.v1", "2026-11-24T12:00:30.000000000Z"),
            ("qbo.invoice.created.v1", "2026-11-24T12:00:00.000000000Z")
        ]
    );
    assert_eq!((&events[0]["intuitaccountid"], &events[0]["data"]), (&json!("9341452000000001"), &json!({})));
    assert!(events[0].get("datacontenttype").is_none() && events[1]["datacontenttype"] == "application/json");
    erp.set_legacy_webhooks(true);
    erp.set_cloudevents_type(true);
    erp.delete_record("d", "Invoice", "101").unwrap();
    company.0.clock.set(moved(200));
    assert_eq!(erp.deliver_webhooks().await.unwrap().delivered, 1);
    let (headers, body) = got.recv().await.unwrap();
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    let body: Value = serde_json::from_str(&body).unwrap();
    let entity = &body["eventNotifications"][0]["dataChangeEvent"]["entities"][0];
    assert_eq!(
        (&entity["name"], &entity["operation"], &entity["id"]),
        (&json!("Invoice"), &json!("Delete"), &json!("101"))
    );
    company.0.stop().await;
}

#[tokio::test]
async fn an_answer_after_three_seconds_is_none() {
    let company = company().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    company.0.quickbooks.register_webhook(&url, "vtok").unwrap();
    company.invoice("A", "5").await;
    // somebody takes the call and says nothing
    let deaf = tokio::spawn(async move {
        let mut calls = Vec::new();
        loop {
            calls.push(listener.accept().await.unwrap());
        }
    });
    let started = tokio::time::Instant::now();
    assert_eq!(company.0.quickbooks.deliver_webhooks().await.unwrap().retried, 1);
    assert!(started.elapsed().as_secs() < 10);
    deaf.abort();
    company.0.stop().await;
}
