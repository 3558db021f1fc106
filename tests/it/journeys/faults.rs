//! Whatever a remote does to a reply, there is one document.

use milestoned_mocks::FaultSpec;
use milestoned_tests::World;

/// Accepts a milestone while the ERP suffers from `fault`, waits, and gives what the ERP holds in the end.
async fn after(erp: &str, fault: &str, path: &str) -> Vec<(String, String)> {
    let mut world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", erp).unwrap();
    world.settle().await.unwrap();
    world.simulators.faults.inject(erp, FaultSpec::new(fault).on("POST", path)).unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    // The process dies with the outcome unknown.
    world.restart().await.unwrap();
    for minute in 10..20 {
        world.at(&format!("2026-03-02T09:{minute}:00Z")).unwrap();
        world.settle().await.unwrap();
    }
    world.held(erp)
}

#[tokio::test]
async fn a_lost_reply_is_looked_up_and_never_repeated() {
    for (erp, path) in [("netsuite", "/record/v1/invoice"), ("quickbooks", "/invoice")] {
        for fault in [
            "drop_after_write",
            "error_after_write",
            "write_later(9000)",
            "garbage",
            "drop_before_write",
            "throttle",
            "refuse",
        ] {
            let held = after(erp, fault, path).await;
            assert_eq!(held, [("SOW-1-M1".to_owned(), "40000.00".to_owned())], "{erp} {fault}");
        }
    }
}

#[tokio::test]
async fn what_is_found_under_our_number_and_says_something_else_is_for_a_person() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    let customer = milestoned_tests::fields(serde_json::json!({ "DisplayName": "Northwind Ltd" }));
    let id = world.simulators.quickbooks.put_record("c", "Customer", customer).unwrap();
    let invoice = serde_json::json!({
        "DocNumber": "SOW-1-M1", "CustomerRef": { "value": id }, "TxnDate": "2026-03-02",
        "Line": [{ "DetailType": "SalesItemLineDetail", "Amount": "4000.00", "SalesItemLineDetail": { "ItemRef": { "value": "1" }, "Qty": 1, "UnitPrice": "4000.00" } }],
    });
    world.simulators.quickbooks.put_record("i", "Invoice", milestoned_tests::fields(invoice)).unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-02T09:30:00Z").unwrap();
    world.settle().await.unwrap();
    let parked = world.app.store.deliveries(None, &["parked"]).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert!(parked[0].fault.as_ref().unwrap().contains("amount is 4000, not 40000"), "{:?}", parked[0].fault);
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_a_rotated_one_survives_a_restart() {
    let mut world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    for system in ["salesforce", "quickbooks", "netsuite"] {
        world.simulators.faults.inject(system, FaultSpec::new("expire_token")).unwrap();
    }
    world.at("2026-03-03T12:00:00Z").unwrap();
    world.restart().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks").len(), 1);
}
