//! The milestone resource: create, complete, accept, invoice, recognise.

use milestoned_tests::{ADMIN, World};
use serde_json::{Value, json};

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    world.call("POST", &format!("/v1/project-milestones{path}"), ADMIN, Some(body)).await.unwrap()
}

fn milestone(id: &str, trigger: &str) -> Value {
    json!({ "external_id": id, "project_id": "P-1", "name": id, "billing_amount_minor": 4_000_000, "currency_code": "USD",
            "recognition_trigger": trigger, "due_date": "2026-06-30" })
}

async fn world() -> World {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    std::fs::write(
        world.contracts.join("P-1.json"),
        json!({
            "id": "P-1", "customer": "Northwind Ltd", "currency": "USD", "total": "10.00", "signed_on": "2026-03-02",
            "obligations": [{ "id": "o", "ssp": "10.00", "method": "output" }], "milestoned": { "erp": "netsuite" },
            "milestones": [{ "id": "base", "name": "Base", "amount": "10.00" }],
        })
        .to_string(),
    )
    .unwrap();
    world.settle().await.unwrap();
    world
}

#[tokio::test]
async fn a_milestone_is_accepted_with_its_document_then_invoiced_and_recognised() {
    let world = world().await;
    assert_eq!(
        post(&world, "", milestone("UAT", "CUSTOMER_ACCEPTANCE")).await,
        (201, json!({ "milestone_id": "P-1:UAT" }))
    );
    assert_eq!(post(&world, "", milestone("UAT", "CUSTOMER_ACCEPTANCE")).await.0, 200, "idempotent by external_id");
    assert_eq!(post(&world, "/P-1:UAT/complete", json!({})).await.1["status"], "COMPLETE");
    for path in ["/P-1:UAT/recognize", "/P-1:UAT/acceptance"] {
        let (status, answer) = post(&world, path, json!({ "accepted_by": "dana" })).await;
        assert_eq!((status, &answer["code"]), (422, &json!("ACCEPTANCE_DOCUMENT_REQUIRED")), "{path}");
    }
    assert_eq!(post(&world, "/P-1:UAT/invoice", json!({})).await.0, 409);
    let acceptance =
        json!({ "external_id": "a-1", "document_url": "https://docs.example/a.pdf", "accepted_by": "dana" });
    assert_eq!(post(&world, "/P-1:UAT/acceptance", acceptance).await, (201, json!({ "acceptance_id": "a-1" })));
    assert_eq!(post(&world, "/P-1:UAT/invoice", json!({})).await, (201, json!({ "invoice_id": "P-1-UAT" })));
    assert_eq!(
        post(&world, "/P-1:UAT/recognize", json!({})).await,
        (201, json!({ "journal_entry_id": "P-1-20260302J" }))
    );
    let (_, events) = world.call("GET", "/v1/events", ADMIN, None).await.unwrap();
    assert_eq!(
        (&events[0]["type"], &events[0]["data"]["amount_minor"]),
        (&json!("milestone.recognized"), &json!(4_000_000))
    );
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite")[0].0, "P-1-UAT");
}

#[tokio::test]
async fn delivery_alone_recognises_where_that_is_the_trigger() {
    let world = world().await;
    post(&world, "", milestone("DEL", "DELIVERY")).await;
    assert_eq!(post(&world, "/P-1:DEL/recognize", json!({})).await.1["code"], "NOT_COMPLETE");
    assert_eq!(post(&world, "/P-1:DEL/complete", json!({})).await.1["status"], "RECOGNIZED");
}
