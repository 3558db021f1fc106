//! A simulated org with a deal, files and milestones, to which every kind of connection to Salesforce is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::SignedDuration;
use milestoned_connector_kit::conformance::Conditions as _;
use milestoned_connector_kit::{Cursor, Platform, Probe as _, Source as _};
use milestoned_mapping::fieldmap::{FieldMap, Shape};
use milestoned_salesforce::Salesforce;
use serde_json::{Value, json};

use crate::conformance::{Desk, Kept, fields, status};
use crate::lessons::erp::put_one;

/// The field map of deals.
pub(super) const DEALS: &str = include_str!("../../../config/fieldmaps/salesforce.toml");
/// The field map of Certinia's milestones.
pub(super) const CERTINIA: &str = include_str!("../../../config/fieldmaps/certinia.toml");

pub(super) struct Org {
    pub(super) desk: Desk,
    shown: AtomicU32,
}

impl Org {
    pub(super) async fn start() -> Self {
        let desk = Desk::open("salesforce").await;
        let org = &desk.simulators.salesforce;
        org.define_field("pse__Milestone__c", "Milestone_Id__c:string").unwrap();
        let put = |object: &str, key: &str, body: Value| org.put(key, object, key, fields(body)).unwrap();
        let account = put("Account", "acme", json!({ "Name": "Acme", "BillingCity": "Springfield" }));
        let deal = json!({ "Name": "Deal", "AccountId": account, "StageName": "Closed Won", "CloseDate": "2026-03-02",
            "Amount": "10.25", "SOW_Number__c": "SOW-1", "Payment_Terms__c": "net 30" });
        let deal = put("Opportunity", "deal", deal);
        put("OpportunityLineItem", "line", json!({ "OpportunityId": deal, "Quantity": "1", "UnitPrice": "10.25" }));
        let project = json!({ "Name": "Roll-out", "pse__Opportunity__c": deal, "pse__Account__c": account });
        let project = put("pse__Proj__c", "project", project);
        let milestone = json!({ "Name": "Design", "Milestone_Id__c": "M1", "pse__Project__c": project,
            "pse__Milestone_Amount__c": "10.25", "pse__Target_Date__c": "2026-03-01" });
        let milestone = put("pse__Milestone__c", "milestone", milestone);
        let approval = json!({ "pse__Approved__c": true, "pse__Include_In_Financials__c": true });
        org.put("approval", "pse__Milestone__c", &milestone, fields(approval)).unwrap();
        let process = put("ProcessInstance", "process", json!({ "TargetObjectId": milestone, "Status": "Approved" }));
        put("ProcessInstanceStep", "step", json!({ "ProcessInstanceId": process, "StepStatus": "Approved" }));
        // What has just changed is read a little later.
        desk.advance(SignedDuration::from_mins(10));
        Self { desk, shown: AtomicU32::new(0) }
    }

    /// A connection that runs on a platform.
    pub(super) fn connect(&self, platform: Platform, map: &str, changes: Value) -> (Salesforce, FieldMap) {
        let mut settings = fields(json!({
            "base_url": self.desk.simulators.url("salesforce"), "lag": "0s", "limits": { "windows": [] },
            "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
        }));
        settings.extend(fields(changes));
        let settings = serde_json::from_value(Value::Object(settings)).unwrap();
        let (map, tokens) = (FieldMap::from_toml(map, Shape::PLAIN).unwrap(), Arc::new(Kept::default()));
        (Salesforce::build("salesforce", settings, &map, platform, tokens).unwrap(), map)
    }

    /// What is said of anything that did not go well while everything is read, checked and shown: nothing where all did.
    pub(super) async fn told(&self) -> Vec<String> {
        let own = json!({ "object": "Milestone__c", "external_id": "External_Id__c",
            "fields": { "status": "Status__c", "name": "Name", "amount": "Amount__c", "deal": "Opportunity__c",
                "contract": "Contract__c", "milestone": "Milestone_Id__c", "invoice": "Invoice_Number__c", "link": "Link__c" } });
        let packaged = json!({ "object": "pse__Milestone__c", "fields": { "billed": "pse__Billed__c",
            "invoiced": "pse__Invoiced__c", "invoice": "pse__Invoice_Number__c", "invoiced_on": "pse__Invoice_Date__c" } });
        let mut told = Vec::new();
        for (map, changes, record) in [
            (DEALS, json!({ "status": own, "documents": true }), "Opportunity"),
            (CERTINIA, json!({ "object": "pse__Milestone__c", "status": packaged }), "pse__Milestone__c"),
            (CERTINIA, json!({ "object": "pse__Milestone__c", "approvals": true }), ""),
        ] {
            let (salesforce, _) = self.connect(self.desk.clock.clone().into(), map, changes);
            for stream in salesforce.streams() {
                match salesforce.pull(stream, &Cursor::default()).await {
                    Ok(page) => told.extend(page.unreadable.into_iter().map(|one| one.reason)),
                    Err(fault) => told.push(fault.to_string()),
                }
            }
            let problems = salesforce.probe().await;
            told.extend(problems.iter().map(|problem| format!("{} {}", problem.place, problem.reason)));
            if let Some(shown) = self.desk.simulators.salesforce.records(record).first() {
                let ordinal = self.shown.fetch_add(1, Ordering::Relaxed);
                let shown = put_one(&salesforce, &status(ordinal, &shown.text("Id"))).await;
                told.extend(shown.err().map(|fault| fault.to_string()));
            }
        }
        told
    }
}
