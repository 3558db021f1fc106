//! Salesforce: paging, upsert codes, numbers, expiry, composite, a write whose answer was lost.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::FaultSpec;
use reqwest::Client;
use serde_json::json;
use world::{answer, fields, header, salesforce_token, start};

#[tokio::test]
async fn pages_numbers_and_query_errors() {
    let world = start(None).await;
    world.salesforce.set_page_size(2);
    for (at, amount) in ["250000.0", "12345678", "0.1"].iter().enumerate() {
        let deal = fields(
            json!({"Name": format!("d{at}"), "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": amount}),
        );
        world.salesforce.put(&format!("a{at}"), "Opportunity", "", deal).unwrap();
    }
    let token = salesforce_token(&world).await;
    let soql = "SELECT Id, Amount, Account.Name FROM Opportunity WHERE IsWon = true AND (SystemModstamp >= 2026-11-24T12:00:00Z \
                OR Name LIKE 'x%') ORDER BY SystemModstamp, Id";
    let get = |path: String| Client::new().get(format!("{}{path}", world.url("salesforce"))).bearer_auth(&token);
    let response = get("/services/data/v62.0/query".into()).query(&[("q", soql)]).send().await.unwrap();
    assert!(header(&response, "sforce-limit-info").starts_with("api-usage="));
    let text = response.text().await.unwrap();
    assert!(text.contains("\"Amount\":250000.0") && text.contains("\"Amount\":1.2345678E7"), "{text}");
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&page["totalSize"], &page["done"]), (&json!(3), &json!(false)));
    let (_, last) = answer(get(page["nextRecordsUrl"].as_str().unwrap().to_string())).await;
    assert_eq!((last["records"].as_array().unwrap().len(), &last["done"]), (1, &json!(true)));
    for (soql, code) in [
        ("SELECT Nope__c FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE SystemModstamp > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT FROM", "MALFORMED_QUERY"),
    ] {
        let (status, body) = answer(get("/services/data/v62.0/query".into()).query(&[("q", soql)])).await;
        assert_eq!((status, body[0]["errorCode"].as_str().unwrap()), (400, code));
    }
    world.clock.set("2026-11-27T12:00:00Z".parse().unwrap());
    let (status, body) = answer(get("/services/data/v62.0/limits".into())).await;
    assert_eq!((status, body[0]["errorCode"].as_str().unwrap()), (401, "INVALID_SESSION_ID"));
    world.stop().await;
}

#[tokio::test]
async fn upserts() {
    let world = start(None).await;
    let token = salesforce_token(&world).await;
    let patch = |version: &str, key: &str, body: serde_json::Value| {
        let url =
            format!("{}/services/data/v{version}/sobjects/Milestone__c/External_Id__c/{key}", world.url("salesforce"));
        Client::new().patch(url).bearer_auth(&token).json(&body)
    };
    let (status, body) = answer(patch("62.0", "m%2F1", json!({"Amount__c": 100.10}))).await;
    assert_eq!((status, &body["created"]), (201, &json!(true)));
    assert_eq!(answer(patch("62.0", "M%2F1", json!({"Status__c": "x"}))).await.0, 200);
    assert_eq!(answer(patch("45.0", "m%2F1", json!({"Status__c": "y"}))).await.0, 204);
    assert_eq!(answer(patch("62.0", "m%2F1", json!({"Nope__c": 1}))).await.1[0]["errorCode"], "INVALID_FIELD");
    assert_eq!(world.salesforce.records("Milestone__c").len(), 1);
    assert_eq!(world.salesforce.find("Milestone__c", "External_Id__c", "m/1").unwrap().text("Amount__c"), "100.1");

    // `attributes` has to come first, so the text is written by hand
    let records = r#"[{"attributes":{"type":"Milestone__c"},"External_Id__c":"m-2","Name":"two"},
        {"attributes":{"type":"Milestone__c"},"External_Id__c":"m-3","Nope__c":1}]"#;
    let url = format!("{}/services/data/v62.0/composite/sobjects/Milestone__c/External_Id__c", world.url("salesforce"));
    let request = |all: bool| {
        let body = format!("{{\"allOrNone\":{all},\"records\":{records}}}");
        Client::new().patch(&url).bearer_auth(&token).header("content-type", "application/json").body(body)
    };
    let (status, body) = answer(request(true)).await;
    assert_eq!((status, body[0]["errors"][0]["statusCode"].as_str()), (200, Some("ALL_OR_NONE_OPERATION_ROLLED_BACK")));
    let (_, body) = answer(request(false)).await;
    assert_eq!((&body[0]["created"], &body[1]["errors"][0]["statusCode"]), (&json!(true), &json!("INVALID_FIELD")));
    world.stop().await;
}

#[tokio::test]
async fn troubles_by_name() {
    let world = start(None).await;
    let token = salesforce_token(&world).await;
    let post = || {
        let url = format!("{}/services/data/v62.0/sobjects/Account", world.url("salesforce"));
        Client::new().post(url).bearer_auth(&token).json(&json!({"Name": "Acme"}))
    };
    let inject = |name: &str| world.faults.inject("salesforce", FaultSpec::new(name)).unwrap();
    for (name, status, kept) in [("refuse", 503, 0), ("throttle", 403, 0), ("error_after_write", 500, 1)] {
        inject(name);
        assert_eq!((answer(post()).await.0, world.salesforce.records("Account").len()), (status, kept), "{name}");
    }
    inject("garbage");
    assert_eq!(answer(post()).await, (201, json!(null)));
    world.faults.inject("salesforce", FaultSpec::new("drop_before_write").after(1).times(2)).unwrap();
    assert_eq!(answer(post()).await.0, 201);
    assert!(post().send().await.is_err() && post().send().await.is_err());
    assert_eq!((world.salesforce.records("Account").len(), world.faults.pending("salesforce")), (3, 0));
    inject("expire_token");
    assert_eq!(answer(post()).await.0, 401);
    assert!(world.faults.inject("salesforce", FaultSpec::new("gremlin")).is_err());
    assert_eq!((world.faults.throttled("salesforce"), world.faults.requests("salesforce").len()), (1, 2));
    world.stop().await;
}

#[tokio::test]
async fn a_lost_answer_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = start(Some(dir.path())).await;
    let token = salesforce_token(&world).await;
    world.faults.inject("salesforce", FaultSpec::new("drop_after_write").on("POST", "/sobjects/")).unwrap();
    let url = format!("{}/services/data/v62.0/sobjects/Account", world.url("salesforce"));
    let post = |url: &str| Client::new().post(url).bearer_auth(&token).json(&json!({"Name": "Acme"}));
    assert!(post(&url).send().await.is_err());
    assert_eq!(world.salesforce.records("Account").len(), 1);
    world.stop().await;
    let world = start(Some(dir.path())).await;
    assert_eq!(world.salesforce.records("Account")[0].text("Name"), "Acme");
    let url = format!("{}/services/data/v62.0/sobjects/Account", world.url("salesforce"));
    assert_eq!(answer(post(&url)).await.1["id"], "001000000000002AAA");
    world.stop().await;
}

#[tokio::test]
async fn outbound_messages_are_sent_until_acknowledged() {
    let world = start(None).await;
    // answers 200, but without an acknowledgement
    let (url, mut got) = world::hook(200).await;
    world.salesforce.register_outbound(&url, "Account", &["Name", "Phone", "SystemModstamp"]).unwrap();
    world.salesforce.put("a", "Account", "", fields(json!({"Name": "A & B"}))).unwrap();
    assert_eq!(world.salesforce.deliver_webhooks().await.unwrap().retried, 1);
    let (headers, body) = got.recv().await.unwrap();
    assert_eq!(headers["content-type"], "text/xml; charset=utf-8");
    let row =
        "<sf:Id>001000000000001AAA</sf:Id><sf:Name>A &amp; B</sf:Name><sf:SystemModstamp>2026-11-24T12:00:00.000Z<";
    assert!(body.contains(row) && body.contains("<Id>04l000000000001AAA</Id>"), "{body}");
    world.stop().await;
}
