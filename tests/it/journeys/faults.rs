//! Whatever a remote does to a reply, there is one document.

use milestoned::store::vocabulary::DeliveryState;
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
    world.at("2026-03-02T12:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(world.waiting().await.unwrap().is_empty(), "{erp} {fault}: nothing waits for a person");
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
    let parked = world.app.env.store.deliveries(None, &[DeliveryState::Parked]).await.unwrap();
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

#[tokio::test]
async fn an_amendment_between_a_lost_answer_and_the_look_up_ends_in_the_right_correction() {
    for (erp, path) in [("netsuite", "/record/v1/invoice"), ("quickbooks", "/invoice")] {
        for (total, change, correction) in [
            ("30000.00", r#""change": [{ "id": "M1", "amount": "30000.00" }]"#, ("SOW-1-M1-C1", "10000.00")),
            ("55000.00", r#""change": [{ "id": "M1", "amount": "55000.00" }]"#, ("SOW-1-M1-S1", "15000.00")),
            (
                "5000.00",
                r#""remove": ["M1"], "add": [{ "id": "M2", "name": "Build", "amount": "5000.00" }]"#,
                ("SOW-1-M1-C1", "40000.00"),
            ),
        ] {
            let mut world = World::start("2026-03-02T09:00:00Z").await.unwrap();
            let issue = world.contract("SOW-1", erp).unwrap();
            world.settle().await.unwrap();
            let lost = FaultSpec::new("drop_after_write").on("POST", path);
            world.simulators.faults.inject(erp, lost).unwrap();
            world.accept(&issue).unwrap();
            world.settle().await.unwrap();
            let doubt = world.app.env.store.deliveries(None, &[DeliveryState::Unknown]).await.unwrap();
            assert_eq!(doubt.len(), 1, "{erp}: the answer was lost");
            let amendment =
                format!(r#"{{ "amends": "SOW-1", "version": 2, "signed": true, "total": "{total}", {change} }}"#);
            std::fs::write(world.contracts.join("co.json"), amendment).unwrap();
            world.settle().await.unwrap();
            world.restart().await.unwrap();
            for minute in 10..20 {
                world.at(&format!("2026-03-02T09:{minute}:00Z")).unwrap();
                world.settle().await.unwrap();
            }
            let [invoice, correction] =
                [("SOW-1-M1", "40000.00"), correction].map(|(number, amount)| (number.to_owned(), amount.to_owned()));
            assert_eq!(world.held(erp), [invoice, correction], "{erp} {total}");
            let lines = world.app.env.store.audit(Some("SOW-1".into()), 200).await.unwrap();
            assert!(
                lines.iter().any(|line| line.subject == "SOW-1-M1" && line.detail.contains("verified and adopted"))
            );
        }
    }
}

#[tokio::test]
async fn what_a_remote_commits_late_is_waited_for_or_refused_by_its_key() {
    for (erp, path, late) in [
        ("quickbooks", "/batch", 100_000),
        ("netsuite", "/record/v1/journalEntry", 100_000),
        ("netsuite", "/record/v1/invoice", 600_000),
    ] {
        let mut world = World::start("2026-03-02T09:00:00Z").await.unwrap();
        let issues: Vec<_> = ["SOW-1", "SOW-2"].map(|id| world.contract(id, erp).unwrap()).into();
        world.settle().await.unwrap();
        for issue in &issues {
            world.accept(issue).unwrap();
        }
        let fault = FaultSpec::new(&format!("write_later({late})")).on("POST", path);
        let invoices = path.ends_with("invoice");
        if invoices {
            world.simulators.faults.inject(erp, fault.clone()).unwrap();
        }
        world.settle().await.unwrap();
        if !invoices {
            world.simulators.faults.inject(erp, fault).unwrap();
        }
        world.at("2026-03-03T09:00:00Z").unwrap();
        world.settle().await.unwrap();
        world.restart().await.unwrap();
        // Every few seconds, so that a look-up that comes too early would come.
        for second in (0..1_200).step_by(20) {
            let now =
                "2026-03-03T09:00:10Z".parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second);
            world.at(&now.to_string()).unwrap();
            world.settle().await.unwrap();
        }
        let mut held: Vec<String> = world.held(erp).into_iter().map(|(number, _)| number).collect();
        held.sort();
        assert_eq!(held, ["SOW-1-20260302J", "SOW-1-M1", "SOW-2-20260302J", "SOW-2-M1"], "{erp} {path}");
    }
}
