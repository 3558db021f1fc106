//! The director's verbs of the two accounting systems, over the admin API.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::sync::Arc;

use milestoned_mocks::serve_admin;
use reqwest::Client;
use serde_json::{Value, json};
use world::answer;

struct Api(String);

impl Api {
    async fn start() -> Api {
        let world = Arc::new(world::start(None).await);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve_admin(listener, world));
        Api(url)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = answer(Client::new().get(format!("{}/{path}", self.0))).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(Client::new().post(format!("{}/{path}", self.0)).json(&body)).await
    }
}

#[tokio::test]
async fn netsuite_is_directed() {
    let api = Api::start().await;
    let customer = json!({"type": "customer", "external_id": "C-1", "fields": {"companyName": "Acme"}});
    assert_eq!(api.post("netsuite/put", customer).await.1["id"], "101");
    let fields = json!({"externalId": "i-{n}", "entity": {"id": "101"}, "item": {"items": [{"item": {"id": "5"}, "amount": "10"}]}});
    let lot = json!({"type": "invoice", "count": 3, "tied": 2, "from": "2026-11-01T00:00:00Z", "step_ms": 1000, "fields": fields});
    assert_eq!(api.post("netsuite/generate", lot).await.1["id"], "102");
    let times: Vec<Value> = api
        .get("netsuite/records/invoice")
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["lastModifiedDate"].clone())
        .collect();
    assert_eq!(times, ["2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-11-01T00:00:01Z"]);
    assert_eq!(api.post("netsuite/pay", json!({"number": "i-2", "amount": "4", "date": "2026-11-24"})).await.0, 200);
    for (verb, body, status) in [
        ("edit", json!({"number": "i-1", "fields": {"memo": "x"}}), 200),
        ("void", json!({"number": "i-3"}), 200),
        ("delete", json!({"type": "invoice", "id": "eid:i-2"}), 400),
        ("lock", json!({"type": "invoice", "id": "102"}), 200),
        ("deny", json!({"type": "job"}), 200),
        ("close", json!({"through": "2026-10-31"}), 200),
        ("keys", json!({"client": "mine", "certificate": "k", "pem": "-----BEGIN PUBLIC KEY-----"}), 200),
        (
            "settings",
            json!({"concurrency": 5, "processing_ms": 60000, "overload_as_login": true, "time_zone": "Europe/Berlin"}),
            200,
        ),
        ("settings", json!({"nonsense": 1}), 400),
        ("settings", json!({"time_zone": "Nowhere"}), 400),
        ("generate", json!({"type": "invoice", "count": "many"}), 400),
        ("nothing", json!({"a": 1}), 404),
    ] {
        let (got, answered) = api.post(&format!("netsuite/{verb}"), body).await;
        assert_eq!(got, status, "{verb}: {answered}");
    }
    let settings = api.get("netsuite/settings").await;
    assert_eq!(
        (&settings["concurrency"], &settings["time_zone"], &settings["per_minute"]),
        (&json!(5), &json!("Europe/Berlin"), &Value::Null)
    );
    let shown: Vec<(String, String)> = api
        .get("netsuite/documents")
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap().to_string(), one["status"].as_str().unwrap().to_string()))
        .collect();
    let pairs = [("invoice", "open"), ("invoice", "open"), ("invoice", "voided"), ("payment", "posted")];
    assert_eq!(shown, pairs.map(|(kind, status)| (kind.to_string(), status.to_string())));
    assert_eq!(api.get("netsuite/usage").await["records_written"], 4);
    assert_eq!(api.get("netsuite/client").await["account"], "TSTDRV123_SB1");
}

#[tokio::test]
async fn quickbooks_is_directed() {
    let api = Api::start().await;
    let put = json!({"type": "Customer", "fields": {"DisplayName": "Acme"}});
    assert_eq!(api.post("quickbooks/put", put).await.1["id"], "101");
    let lot = json!({"type": "Invoice", "count": 2, "fields": world::erp::sale("L-{n}", "10")});
    assert_eq!(api.post("quickbooks/generate", lot).await.1["id"], "101");
    let (url, mut got) = world::hook(200).await;
    for (verb, body, status) in [
        ("webhooks", json!({"url": url, "verifier": "vtok"}), 204),
        ("edit", json!({"number": "L-1", "fields": {"PrivateNote": "x"}}), 200),
        ("pay", json!({"number": "L-2", "amount": "4", "date": "2026-11-24"}), 200),
        ("void", json!({"number": "L-2"}), 400),
        ("delete", json!({"type": "Invoice", "id": "101"}), 200),
        ("preference", json!({"name": "CustomTxnNumbers", "value": false}), 204),
        ("close", json!({"through": "2026-10-31"}), 200),
        ("limits", json!({"per_minute": 500, "per_second": 10}), 200),
        (
            "settings",
            json!({"monthly_reads": 9, "rotation_ms": 0, "legacy_webhooks": true, "webhook_window_ms": 0}),
            200,
        ),
        ("settings", json!({"monthly_reads": "all"}), 400),
        ("nothing", json!({}), 404),
    ] {
        let (got, answered) = api.post(&format!("quickbooks/{verb}"), body).await;
        assert_eq!(got, status, "{verb}: {answered}");
    }
    let settings = api.get("quickbooks/settings").await;
    assert_eq!(
        (&settings["per_second"], &settings["monthly_reads"], &settings["rotation_ms"]),
        (&json!(10), &json!(9), &json!(0))
    );
    assert_eq!(api.post("quickbooks/deliver", json!({})).await.1["delivered"], 1);
    assert!(got.recv().await.unwrap().1.starts_with("{\"eventNotifications\""));
    let deliveries = api.get("quickbooks/deliveries").await;
    assert_eq!((deliveries["sent"].as_array().unwrap().len(), deliveries["outbox"].as_array().unwrap().len()), (1, 0));
    let documents = api.get("quickbooks/documents").await;
    let numbers: Vec<&str> = documents.as_array().unwrap().iter().filter_map(|one| one["number"].as_str()).collect();
    assert_eq!(numbers, ["L-2", ""]);
    assert_eq!(api.get("quickbooks/usage").await["reads_metered_this_month"], 0);
    let left = api.get("quickbooks/records/Invoice").await;
    assert_eq!((left.as_array().unwrap().len(), &left[0]["Balance"]), (1, &json!(6)));
}
