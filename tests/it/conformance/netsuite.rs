//! NetSuite: invoices in and out.

use jiff::SignedDuration;
use milestoned_connector_kit::After;
use milestoned_connector_kit::conformance::{Conditions, Remote};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_netsuite::NetSuite;
use serde_json::json;

use super::{Desk, accounts, fields, invoice};

pub(super) struct Account {
    pub(super) desk: Desk,
    netsuite: NetSuite,
    customer: String,
}

impl Account {
    pub(super) async fn start() -> Self {
        let desk = Desk::open("netsuite").await;
        let simulator = &desk.simulators.netsuite;
        let client = simulator.client();
        let settings = json!({
            "account": simulator.account(), "base_url": desk.simulators.url("netsuite"), "timezone": "America/Los_Angeles",
            "auth": { "flow": "oauth2", "client_id": client.client_id, "certificate_id": client.certificate_id,
                "private_key": client.private_key, "algorithm": "ES256" },
            "item": "5", "accounts": accounts(["120", "121", "122", "123"]), "terms": { "net 30": "2" },
        });
        let settings = serde_json::from_value(settings).unwrap();
        let netsuite = NetSuite::build("netsuite", settings, desk.clock.clone()).unwrap();
        let body = fields(json!({ "companyName": "Conformance Ltd", "currency": { "id": "1" } }));
        let customer = simulator.put_record("customer", "customer", "CONF", body).unwrap();
        Self { desk, netsuite, customer }
    }
}

impl Remote for Account {
    type Connector = NetSuite;

    fn connector(&self) -> &NetSuite {
        &self.netsuite
    }
    fn stream(&self) -> &'static str {
        "invoices"
    }
    fn deletions(&self) -> &'static str {
        "deleted"
    }
    fn create(&self, count: usize) -> Vec<String> {
        let one = |_| {
            let act = self.desk.act("invoice");
            let body = json!({ "entity": { "id": self.customer }, "tranId": act, "tranDate": "2026-03-02",
                "currency": { "id": "1" }, "item": { "items": [{ "item": { "id": "5" }, "amount": "10.25" }] } });
            self.desk.simulators.netsuite.put_record(&act, "invoice", "", fields(body)).unwrap()
        };
        (0..count).map(one).collect()
    }
    fn change(&self, id: &str) {
        let netsuite = &self.desk.simulators.netsuite;
        let number = netsuite.record("invoice", id).unwrap().text("tranId");
        let act = self.desk.act("change");
        netsuite.edit_invoice(&act, &number, fields(json!({ "memo": act, "tranDate": "2026-03-03" }))).unwrap();
    }
    fn delete(&self, id: &str) {
        self.desk.simulators.netsuite.delete_record(&self.desk.act("delete"), "invoice", id).unwrap();
    }
    fn lag(&self, _: SignedDuration) {
        // SuiteQL reads what is committed, and stamps are taken at the commit.
    }
    fn conditions(&self) -> &dyn Conditions {
        &self.desk
    }
    fn command(&self, ordinal: u32) -> (DeliveryKey, Command, After) {
        invoice(ordinal, &self.customer)
    }
    fn written(&self, ordinal: u32) -> usize {
        let number = format!("CONF-M{ordinal}");
        self.desk.simulators.netsuite.documents().iter().filter(|document| document.number == number).count()
    }
}

milestoned_connector_kit::conformance!(suite, Account::start().await);
