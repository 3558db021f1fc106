//! NetSuite: keys, duplicates, SuiteQL, transforms, jobs, closed periods, late writes.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::{FaultSpec, Side, Simulators};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use world::{answer, fields, header, netsuite_token, start};

fn call(world: &Simulators, token: &str, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(method, format!("{}/services/rest{path}", world.url("netsuite"))).bearer_auth(token)
}

async fn sql(world: &Simulators, token: &str, query: &str) -> (u16, Value) {
    answer(
        call(world, token, Method::POST, "/query/v1/suiteql").header("prefer", "transient").json(&json!({"q": query})),
    )
    .await
}

#[tokio::test]
async fn invoices_are_found_again() {
    let world = start(None).await;
    let token = netsuite_token(&world).await;
    world.netsuite.put_record("c", "customer", "C-1", fields(json!({"companyName": "Acme"}))).unwrap();
    let invoice = json!({
        "externalId": "inv-1", "entity": {"externalId": "C-1"}, "tranDate": "2026-11-20", "terms": {"id": "2"}, "nope": 1,
        "custbody_milestoned_contract": "SOW-1", "item": {"items": [{"item": {"id": "5"}, "amount": 2500.25}]},
    });
    let post = || call(&world, &token, Method::POST, "/record/v1/invoice").json(&invoice);
    let (status, body) = answer(post().header("X-NetSuite-PropertyNameValidation", "error")).await;
    assert_eq!((status, &body["o:errorDetails"][0]["o:errorCode"]), (400, &json!("INVALID_CONTENT")));
    let response = post().send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "location").ends_with("/invoice/102")), (204, true));
    let (status, body) = answer(post()).await;
    assert_eq!(status, 400);
    assert_eq!(body["o:errorDetails"][0]["detail"], "Error while accessing a resource. This entity already exists.");

    world.netsuite.pay("p", "INV1001", "500.25", "2026-11-24").unwrap();
    let query = "SELECT t.ID, t.externalid, t.foreigntotal, t.foreignamountunpaid AS Open, t.voided, t.memo, t.trandate, \
                 TO_CHAR(t.duedate, 'YYYY-MM-DD') due, BUILTIN.DF(t.currency) cur FROM transaction t WHERE t.externalid = 'inv-1' \
                 AND t.lastmodifieddate >= TO_TIMESTAMP('2026-11-24 03:00:00', 'YYYY-MM-DD HH24:MI:SS')";
    let (status, found) = sql(&world, &token, query).await;
    assert_eq!(status, 200, "{found}");
    let row = json!({
        "links": [], "id": "102", "externalid": "inv-1", "foreigntotal": "2500.25", "open": "2000", "voided": "F",
        "trandate": "11/20/2026", "due": "2026-12-20", "cur": "USD",
    });
    assert_eq!(found["items"], json!([row]));
    let (status, wrong) = sql(&world, &token, "SELECT nope FROM transaction").await;
    assert_eq!((status, &wrong["o:errorDetails"][0]["o:errorQueryParam"]), (400, &json!("q")));
    assert_eq!(sql(&world, &token, "DELETE FROM customer").await.0, 400);
    let plain = call(&world, &token, Method::POST, "/query/v1/suiteql").json(&json!({"q": "SELECT id FROM customer"}));
    assert_eq!(answer(plain).await.0, 400);

    let documents = world.netsuite.documents();
    assert_eq!((documents[0].amount.as_str(), documents[0].contract.as_deref()), ("2500.25", Some("SOW-1")));
    assert_eq!(documents[0].lines[1], ("122".to_string(), Side::Credit, "2500.25".to_string()));
    world.netsuite.close_period("x", "2026-11-30").unwrap();
    let patch = call(&world, &token, Method::PATCH, "/record/v1/invoice/eid:inv-1").json(&json!({"memo": "x"}));
    assert!(answer(patch).await.1["o:errorDetails"][0]["detail"].as_str().unwrap().contains("accounting period"));
    world.stop().await;
}

#[tokio::test]
async fn orders_are_billed_in_parts_and_jobs_remember_their_key() {
    let world = start(None).await;
    let token = netsuite_token(&world).await;
    world.netsuite.put_record("c", "customer", "C-1", fields(json!({"companyName": "Acme"}))).unwrap();
    let order =
        json!({"entity": {"id": "101"}, "item": {"items": [{"item": {"id": "5"}, "quantity": 1, "rate": 10000}]}});
    let put = || call(&world, &token, Method::PUT, "/record/v1/salesOrder/eid:so-1").json(&order);
    assert_eq!((answer(put()).await.0, answer(put()).await.0), (204, 204));
    let part = json!({"externalId": "i-1", "item": {"items": [{"orderLine": 1, "quantity": 0.25}]}});
    let bill = |body: &Value| {
        call(&world, &token, Method::POST, "/record/v1/salesOrder/eid:so-1/!transform/invoice").json(body)
    };
    assert_eq!(answer(bill(&part)).await.0, 204);
    assert_eq!(answer(bill(&part)).await.0, 400);
    assert_eq!(answer(bill(&json!({}))).await.0, 204);
    let amounts: Vec<String> = world.netsuite.documents().iter().map(|document| document.amount.clone()).collect();
    assert_eq!(amounts, ["2500", "7500"]);
    let credit =
        call(&world, &token, Method::POST, "/record/v1/invoice/eid:i-1/!transform/creditMemo").json(&json!({}));
    assert_eq!(answer(credit).await.0, 204);
    let (_, links) =
        sql(&world, &token, "SELECT previoustype, nexttype, linktype FROM nexttransactionlink ORDER BY id").await;
    assert_eq!(
        links["items"][2],
        json!({"links": [], "previoustype": "CustInvc", "nexttype": "CustCred", "linktype": "Payment"})
    );

    let job = || {
        let post = call(&world, &token, Method::POST, "/record/v1/customer").json(&json!({"companyName": "B"}));
        post.header("prefer", "respond-async").header("X-NetSuite-Idempotency-Key", "k1")
    };
    let first = job().send().await.unwrap();
    let second = job().send().await.unwrap();
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (202, 400));
    assert_eq!(header(&first, "location"), header(&second, "location"));
    world.stop().await;
}

#[tokio::test]
async fn a_write_may_land_later() {
    let dir = tempfile::tempdir().unwrap();
    let world = start(Some(dir.path())).await;
    let token = netsuite_token(&world).await;
    world.faults.inject("netsuite", FaultSpec::new("write_later(60000)")).unwrap();
    let post = call(&world, &token, Method::POST, "/record/v1/customer").json(&json!({"companyName": "Late"}));
    assert!(post.send().await.is_err());
    world.stop().await;
    let world = start(Some(dir.path())).await;
    assert!(world.netsuite.records("customer").is_empty());
    world.clock.set("2026-11-24T12:02:00Z".parse().unwrap());
    assert_eq!(world.netsuite.records("customer").len(), 1);
    world.faults.inject("netsuite", FaultSpec::new("throttle")).unwrap();
    let (status, body) = answer(call(&world, &token, Method::GET, "/record/v1/customer/101")).await;
    assert_eq!((status, &body["o:errorDetails"][0]["o:errorCode"]), (429, &json!("CONCURRENCY_LIMIT_EXCEEDED")));
    assert_eq!(world.faults.throttled("netsuite"), 1);
    world.stop().await;
}
