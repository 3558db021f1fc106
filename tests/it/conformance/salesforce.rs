//! Salesforce: opportunities in, a milestone object out.

use std::sync::Arc;

use jiff::SignedDuration;
use milestoned_connector_kit::After;
use milestoned_connector_kit::conformance::{Conditions, Remote};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::fieldmap::{FieldMap, Shape};
use milestoned_salesforce::Salesforce;
use serde_json::json;

use super::{Desk, Kept, fields, status};

pub(super) struct Org {
    pub(super) desk: Desk,
    salesforce: Salesforce,
}

impl Org {
    pub(super) async fn start() -> Self {
        let desk = Desk::open("salesforce").await;
        desk.simulators.salesforce.set_page_size(2000);
        let settings = json!({
            "base_url": desk.simulators.url("salesforce"), "lag": "5s",
            "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
            "status": { "object": "Milestone__c", "external_id": "External_Id__c", "fields": { "status": "Status__c" } },
            "limits": { "windows": [] },
        });
        let settings = serde_json::from_value(settings).unwrap();
        let map = FieldMap::from_toml(include_str!("../../../config/fieldmaps/salesforce.toml"), Shape::PLAIN).unwrap();
        let tokens = Arc::new(Kept::default());
        let salesforce = Salesforce::build("salesforce", settings, &map, desk.clock.clone(), tokens).unwrap();
        Self { desk, salesforce }
    }
}

impl Remote for Org {
    type Connector = Salesforce;

    fn connector(&self) -> &Salesforce {
        &self.salesforce
    }
    fn stream(&self) -> &'static str {
        "records"
    }
    fn create(&self, count: usize) -> Vec<String> {
        let deal = |_| {
            let act = self.desk.act("deal");
            let body = json!({ "Name": act, "StageName": "Closed Won", "CloseDate": "2026-03-02", "Amount": "10.25",
                "SOW_Number__c": act });
            self.desk.simulators.salesforce.put(&act, "Opportunity", &act, fields(body)).unwrap()
        };
        (0..count).map(deal).collect()
    }
    fn change(&self, id: &str) {
        let act = self.desk.act("change");
        self.desk.simulators.salesforce.put(&act, "Opportunity", id, fields(json!({ "NextStep": act }))).unwrap();
    }
    fn delete(&self, id: &str) {
        self.desk.simulators.salesforce.delete(&self.desk.act("delete"), "Opportunity", id).unwrap();
    }
    fn lag(&self, by: SignedDuration) {
        self.desk.simulators.salesforce.set_commit_lag(i64::try_from(by.as_millis()).unwrap());
    }
    fn conditions(&self) -> &dyn Conditions {
        &self.desk
    }
    fn command(&self, ordinal: u32) -> (DeliveryKey, Command, After) {
        status(ordinal, "006000000000001AAA")
    }
    fn written(&self, ordinal: u32) -> usize {
        let wanted = format!("CONF-M{ordinal}");
        let records = self.desk.simulators.salesforce.records("Milestone__c");
        records.iter().filter(|record| record.text("External_Id__c") == wanted).count()
    }
}

milestoned_connector_kit::conformance!(suite, Org::start().await);
