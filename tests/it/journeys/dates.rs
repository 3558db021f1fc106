//! Books follow when things happened: what is learned late, in the ERP too.

use milestoned_tests::{ADMIN, VIEWER, World};
use serde_json::{Value, json};

/// A contract over the API; its milestones are accepted over the API too.
async fn filed(world: &World, milestones: Value) {
    let terms = json!({
        "customer": "Northwind Ltd", "currency": "USD", "total": "100.00", "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": "100.00", "method": "output" }],
        "milestones": milestones, "milestoned": { "erp": "netsuite" },
    });
    assert_eq!(world.call("PUT", "/v1/contracts/SOW-1", ADMIN, Some(terms)).await.unwrap().0, 201);
    world.settle().await.unwrap();
}

fn two() -> Value {
    json!([{ "id": "M1", "name": "Design", "amount": "40.00" }, { "id": "M2", "name": "Build", "amount": "60.00" }])
}

/// Somebody tells over the API, now, that a milestone was accepted on a date.
async fn accepted(world: &World, milestone: &str, on: &str) {
    let fact = json!({ "type": "accepted", "milestone": milestone, "on": on, "by": "c@customer.example", "document": "https://d.example" });
    assert_eq!(world.call("POST", "/v1/contracts/SOW-1/facts", ADMIN, Some(fact)).await.unwrap().0, 202);
    world.settle().await.unwrap();
}

async fn report(world: &World) -> Value {
    world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap().1["report"].clone()
}

/// Numbers and amounts of the journal entries that the ERP holds.
fn entries(world: &World) -> Vec<(String, String)> {
    world.held("netsuite").into_iter().filter(|(number, _)| number.contains('J')).collect()
}

#[tokio::test]
async fn what_is_learned_of_a_date_that_is_over_reaches_the_erp_as_a_further_entry_of_that_date() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, two()).await;
    world.at("2026-04-02T09:00:00Z").unwrap();
    accepted(&world, "M1", "2026-03-28").await;
    let first = ("SOW-1-20260328J".to_owned(), "40.00".to_owned());
    assert_eq!(entries(&world), std::slice::from_ref(&first));
    world.at("2026-04-03T09:00:00Z").unwrap();
    accepted(&world, "M2", "2026-03-28").await;
    let held = entries(&world);
    let of_march: Vec<_> = held.iter().filter(|(number, _)| number.starts_with("SOW-1-20260328J")).cloned().collect();
    assert_eq!(of_march, [first, ("SOW-1-20260328J2".to_owned(), "60.00".to_owned())]);
    let (_, drifts) = world.call("GET", "/v1/queue?kind=drift", VIEWER, None).await.unwrap();
    assert_eq!(drifts["items"].as_array().or(drifts.as_array()).map(Vec::len), Some(0), "{drifts}");
}

#[tokio::test]
async fn a_payment_bears_the_date_that_the_erp_gives_it() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, two()).await;
    accepted(&world, "M1", "2026-03-02").await;
    world.at("2026-04-02T10:00:00Z").unwrap();
    world.simulators.netsuite.pay("p", "SOW-1-M1", "40.00", "2026-03-20").unwrap();
    world.settle().await.unwrap();
    let report = report(&world).await;
    let paid = report["journal"].as_array().unwrap().iter().find(|entry| entry["lines"].to_string().contains("cash"));
    assert_eq!(paid.map(|entry| &entry["date"]), Some(&json!("2026-03-20")), "{report}");
}
