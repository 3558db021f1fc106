//! Requests to the two accounting systems.

use milestoned_mocks::Simulators;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{answer, fields, netsuite_token, start};

/// A NetSuite account with a customer (101, `C-1`), and an access token.
pub(crate) struct Account {
    pub(crate) world: Simulators,
    pub(crate) token: String,
}

pub(crate) async fn account() -> Account {
    let world = start(None).await;
    let token = netsuite_token(&world).await;
    world.netsuite.put_record("c", "customer", "C-1", fields(json!({"companyName": "Acme"}))).unwrap();
    Account { world, token }
}

impl Account {
    pub(crate) fn call(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}/services/rest{path}", self.world.url("netsuite"));
        Client::new().request(method, url).bearer_auth(&self.token)
    }

    /// Status, and the first detail of an error or what was answered.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        answer(self.call(method, path).json(&body)).await
    }

    pub(crate) async fn sql(&self, query: &str) -> (u16, Value) {
        self.page(query, "").await
    }

    pub(crate) async fn page(&self, query: &str, window: &str) -> (u16, Value) {
        let call = self.call("POST", &format!("/query/v1/suiteql{window}"));
        answer(call.header("prefer", "transient").json(&json!({"q": query}))).await
    }

    /// The rows of a query without their links.
    pub(crate) async fn rows(&self, query: &str) -> Value {
        let (status, mut body) = self.sql(query).await;
        assert_eq!(status, 200, "{query}: {body}");
        for row in body["items"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("links");
        }
        body["items"].take()
    }

    pub(crate) async fn order(&self, external: &str, lines: Value) {
        let body = json!({"externalId": external, "entity": {"id": "101"}, "item": {"items": lines}});
        let (status, body) = self.send("POST", "/record/v1/salesOrder", body).await;
        assert_eq!(status, 204, "{body}");
    }
}

/// The first detail of a NetSuite error.
pub(crate) fn detail(body: &Value) -> &str {
    body["o:errorDetails"][0]["detail"].as_str().unwrap_or_default()
}

pub(crate) fn code(body: &Value) -> &str {
    body["o:errorDetails"][0]["o:errorCode"].as_str().unwrap_or_default()
}

/// A QuickBooks company with a customer (101).
pub(crate) struct Company(pub(crate) Simulators);

pub(crate) async fn company() -> Company {
    let world = start(None).await;
    world.quickbooks.put_record("c", "Customer", fields(json!({"DisplayName": "Acme"}))).unwrap();
    Company(world)
}

impl Company {
    pub(crate) fn call(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}/v3/company/9341452000000001{path}", self.0.url("quickbooks"));
        Client::new().request(method, url).bearer_auth("at-smoke").header("accept", "application/json")
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.call("POST", path).json(&body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.call("GET", path)).await
    }

    pub(crate) async fn query(&self, text: &str) -> Value {
        answer(self.call("POST", "/query").body(text.to_string())).await.1
    }

    /// An invoice of one line; gives it as it was answered.
    pub(crate) async fn invoice(&self, number: &str, amount: &str) -> Value {
        let (status, body) = self.post("/invoice", sale(number, amount)).await;
        assert_eq!(status, 200, "{body}");
        body["Invoice"].clone()
    }
}

pub(crate) fn sale(number: &str, amount: &str) -> Value {
    let amount: Value = serde_json::from_str(amount).unwrap();
    let detail = json!({"ItemRef": {"value": "1"}, "Qty": 1, "UnitPrice": amount});
    let line = json!({"Amount": amount, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail});
    json!({"CustomerRef": {"value": "101"}, "DocNumber": number, "TxnDate": "2026-11-20", "Line": [line]})
}

/// The code of a QuickBooks fault.
pub(crate) fn fault(body: &Value) -> &str {
    body["Fault"]["Error"][0]["code"].as_str().unwrap_or_default()
}
