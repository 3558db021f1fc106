//! Salesforce.

use std::sync::Arc;

use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::{After, Connector, Needs, Probe};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_salesforce::Salesforce;
use serde_json::{Value, json};

use crate::conformance::{Desk, Kept, status};
use crate::lessons::erp::put_one;

const MAP: &str = include_str!("../../../config/fieldmaps/salesforce.toml");

fn connect(desk: &Desk, constants: Value) -> Salesforce {
    let settings = json!({
        "base_url": desk.simulators.url("salesforce"), "limits": { "windows": [] }, "credential_ends": "2026-12-15",
        "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
        "status": { "object": "Milestone__c", "external_id": "External_Id__c", "constants": constants,
            "fields": { "name": "Name", "status": "Status__c" } },
    });
    let field_map = Some(FieldMap::from_toml(MAP, Salesforce::SHAPE).unwrap());
    let needs = Needs {
        field_map,
        platform: desk.clock.clone().into(),
        tokens: Arc::new(Kept::default()),
        customers: Customers::default(),
    };
    Salesforce::create("salesforce", serde_json::from_value(settings).unwrap(), needs).unwrap()
}

#[tokio::test]
async fn a_field_that_the_org_demands_of_a_new_record_is_told_by_check_and_filled_by_a_constant() {
    let desk = Desk::open("salesforce").await;
    desk.simulators.salesforce.define_field("Milestone__c", "Region__c:string:q").unwrap();
    let told: Vec<String> = connect(&desk, json!({})).probe().await.into_iter().map(|problem| problem.place).collect();
    assert_eq!(told, ["Milestone__c.Region__c"]);
    let filled = connect(&desk, json!({ "Region__c": "EMEA" }));
    assert!(filled.probe().await.is_empty());
    let (key, command, after): (DeliveryKey, _, After) = status(1, "006000000000001AAA");
    put_one(&filled, &(key, command, after)).await.unwrap();
    let shown = desk.simulators.salesforce.records("Milestone__c");
    assert!(shown.iter().any(|one| one.text("Region__c") == "EMEA"), "{shown:?}");
    assert_eq!(filled.expiries().await[0].at.to_string(), "2026-12-15T00:00:00Z");
}
