//! QuickBooks: invoices in and out.

use std::sync::Arc;

use jiff::SignedDuration;
use milestoned_connector_kit::After;
use milestoned_connector_kit::conformance::{Conditions, Remote};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_quickbooks::QuickBooks;
use serde_json::json;

use super::{Desk, Kept, accounts, fields, invoice};

pub(super) struct Company {
    pub(super) desk: Desk,
    quickbooks: QuickBooks,
    customer: String,
}

impl Company {
    pub(super) async fn start() -> Self {
        let desk = Desk::open("quickbooks").await;
        let simulator = &desk.simulators.quickbooks;
        // The simulated clock stands still while a check runs: no request would ever be a minute old.
        simulator.set_limits(usize::MAX, usize::MAX);
        let url = desk.simulators.url("quickbooks");
        let settings = json!({
            "base_url": url, "token_url": format!("{url}/oauth2/v1/tokens/bearer"), "realm": simulator.realm(),
            "client_id": "cid", "client_secret": "csecret", "refresh_token": "rt-smoke-1", "item": "1",
            "accounts": accounts(["85", "86", "23", "79"]), "terms": { "net 30": "3" }, "limits": { "windows": [] },
        });
        let settings = serde_json::from_value(settings).unwrap();
        let quickbooks =
            QuickBooks::build("quickbooks", settings, desk.clock.clone(), Arc::new(Kept::default())).unwrap();
        let body = fields(json!({ "DisplayName": "Conformance Ltd" }));
        let customer = simulator.put_record("customer", "Customer", body).unwrap();
        Self { desk, quickbooks, customer }
    }
}

impl Remote for Company {
    type Connector = QuickBooks;

    fn connector(&self) -> &QuickBooks {
        &self.quickbooks
    }
    fn stream(&self) -> &'static str {
        "documents"
    }
    fn create(&self, count: usize) -> Vec<String> {
        let one = |_| {
            let act = self.desk.act("inv");
            let line = json!({ "Amount": "10.25", "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": { "ItemRef": { "value": "1" } } });
            let body = json!({ "CustomerRef": { "value": self.customer }, "DocNumber": act, "TxnDate": "2026-03-02",
                "Line": [line] });
            self.desk.simulators.quickbooks.put_record(&act, "Invoice", fields(body)).unwrap()
        };
        (0..count).map(one).collect()
    }
    fn change(&self, id: &str) {
        let quickbooks = &self.desk.simulators.quickbooks;
        let number = quickbooks.record("Invoice", id).unwrap().text("DocNumber");
        let act = self.desk.act("change");
        quickbooks.edit_invoice(&act, &number, fields(json!({ "PrivateNote": act }))).unwrap();
    }
    fn delete(&self, id: &str) {
        self.desk.simulators.quickbooks.delete_record(&self.desk.act("delete"), "Invoice", id).unwrap();
    }
    fn lag(&self, _: SignedDuration) {
        // Change data capture shows what is committed, and stamps are taken at the commit.
    }
    fn conditions(&self) -> &dyn Conditions {
        &self.desk
    }
    fn command(&self, ordinal: u32) -> (DeliveryKey, Command, After) {
        invoice(ordinal, &self.customer)
    }
    fn written(&self, ordinal: u32) -> usize {
        let number = format!("CONF-M{ordinal}");
        self.desk.simulators.quickbooks.documents().iter().filter(|document| document.number == number).count()
    }
}

milestoned_connector_kit::conformance!(suite, Company::start().await);
