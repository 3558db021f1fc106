//! NetSuite: asynchronous requests and batches, and how many requests there may be at once.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use world::erp::{Account, account, code, detail};
use world::{answer, header};

const COLLECTION: &str = "application/vnd.oracle.resource+json; type=collection";

fn later(call: RequestBuilder, key: &str) -> RequestBuilder {
    let call = call.header("prefer", "respond-async");
    if key.is_empty() { call } else { call.header("X-NetSuite-Idempotency-Key", key) }
}

async fn job(account: &Account, path: &str) -> (u16, Value) {
    account.send("GET", &format!("/async/v1/job/{path}"), json!(null)).await
}

#[tokio::test]
async fn a_job_is_pending_then_processing_then_done() {
    let account = account().await;
    account.world.netsuite.set_processing_time(60_000);
    let post = |key: &str, name: &str| {
        later(account.call("POST", "/record/v1/customer").json(&json!({"companyName": name})), key)
    };
    let first = post("cac827ea-3543-4cda-add2-bae634326c27", "B").send().await.unwrap();
    assert_eq!((first.status().as_u16(), header(&first, "preference-applied")), (202, "respond-async".to_string()));
    assert_eq!(header(&first, "location"), "/services/rest/async/v1/job/1");
    // a used key points to the first job, whatever is sent with it
    let second = post("cac827ea-3543-4cda-add2-bae634326c27", "C").send().await.unwrap();
    assert_eq!(
        (second.status().as_u16(), header(&second, "location")),
        (400, "/services/rest/async/v1/job/1".to_string())
    );
    let body: Value = second.json().await.unwrap();
    assert_eq!((code(&body), &body["title"]), ("IDEMPOTENCY_ERROR", &json!("Conflict")));
    for (time, progress, customers) in
        [("12:00:00", "pending", 1), ("12:00:30", "processing", 1), ("12:01:00", "succeeded", 2)]
    {
        account.world.clock.set(format!("2026-11-24T{time}Z").parse().unwrap());
        let (status, body) = job(&account, "1").await;
        assert_eq!(
            (status, &body["progress"], &body["completed"]),
            (200, &json!(progress), &json!(progress == "succeeded"))
        );
        assert_eq!(account.world.netsuite.records("customer").len(), customers, "{time}");
        assert_eq!(job(&account, "1/task/1/result").await.0, if progress == "succeeded" { 204 } else { 404 });
    }
    let result = account.call("GET", "/async/v1/job/1/task/1/result").send().await.unwrap();
    assert!(header(&result, "location").ends_with("/customer/102"));
    // synchronous requests do not look at the key
    let sync = || {
        account
            .call("POST", "/record/v1/customer")
            .json(&json!({"companyName": "D"}))
            .header("X-NetSuite-Idempotency-Key", "k")
    };
    assert_eq!((answer(sync()).await.0, answer(sync()).await.0), (204, 204));
    assert_eq!(account.world.netsuite.records("customer").len(), 4);
    let query = account.call("POST", "/query/v1/suiteql").json(&json!({"q": "SELECT id FROM customer"}));
    assert_eq!(code(&answer(later(query, "")).await.1), "INVALID_HEADER", "not for the query service");
    account.world.stop().await;
}

#[tokio::test]
async fn each_record_of_a_batch_has_its_own_result() {
    let account = account().await;
    let erp = &account.world.netsuite;
    let line = json!({"items": [{"item": {"id": "5"}, "amount": 10}]});
    let invoice = |external: &str| json!({"externalId": external, "entity": {"id": "101"}, "item": line});
    let batch = |method: &str, items: Value| {
        let call = account.call(method, "/record/v1/invoice").header("content-type", COLLECTION);
        later(call.body(json!({"items": items}).to_string()), "")
    };
    assert_eq!(
        answer(batch("POST", json!([invoice("a"), invoice("b"), {"entity": {"id": "9"}, "item": line}, invoice("a")])))
            .await
            .0,
        202
    );
    let (_, tasks) = job(&account, "1/task").await;
    assert_eq!((&tasks["totalResults"], job(&account, "1").await.1["progress"].clone()), (&json!(4), json!("failed")));
    let mut outcomes = Vec::new();
    for number in 1..=4 {
        let (status, body) = job(&account, &format!("1/task/{number}/result")).await;
        outcomes.push((status, detail(&body).to_string()));
    }
    let made: Vec<u16> = outcomes.iter().map(|(status, _)| *status).collect();
    // they run in parallel: the last of the two `a` was first, and ids do not follow the order of the request
    assert_eq!(made, [400, 204, 400, 204], "{outcomes:?}");
    assert!(outcomes[0].1.contains("This entity already exists.") && outcomes[2].1.contains("Invalid Field Value 9"));
    assert_eq!(
        erp.record("invoice", "eid:a").unwrap().int("id") + 1,
        erp.record("invoice", "eid:b").unwrap().int("id")
    );

    assert_eq!(answer(batch("PUT", json!([invoice("a"), invoice("c")]))).await.0, 202);
    assert_eq!(answer(batch("PATCH", json!([{"externalId": "b", "memo": "x"}]))).await.0, 202);
    assert_eq!(
        (erp.records("invoice").len(), erp.record("invoice", "eid:b").unwrap().text("memo")),
        (3, "x".to_string())
    );
    let gone = account.call("DELETE", "/record/v1/invoice").query(&[("ids", "102,103")]);
    assert_eq!(answer(later(gone, "")).await.0, 202);
    assert_eq!(erp.records("invoice").len(), 1);
    let many: Vec<Value> = (0..101).map(|at| invoice(&format!("m{at}"))).collect();
    assert_eq!(answer(batch("POST", json!(many))).await.0, 400, "a hundred at most");
    let plain = later(account.call("PUT", "/record/v1/invoice").json(&json!({"items": [invoice("z")]})), "");
    assert_eq!(answer(plain).await.1["o:errorDetails"][0]["o:errorHeader"], "Content-Type");
    assert_eq!(erp.usage()["job_tasks"], 9);
    account.world.stop().await;
}

#[tokio::test]
async fn too_many_at_once_are_refused_without_a_time_to_wait() {
    let account = account().await;
    let erp = &account.world.netsuite;
    erp.set_concurrency(2);
    erp.set_service_time(300);
    let get = || account.call("GET", "/record/v1/customer/101").send();
    let (a, b, c) = tokio::join!(get(), get(), get());
    let mut answers = [a.unwrap(), b.unwrap(), c.unwrap()];
    answers.sort_by_key(|answer| answer.status().as_u16());
    let [first, _, last] = answers;
    assert_eq!(
        (first.status().as_u16(), last.status().as_u16(), header(&last, "retry-after")),
        (200, 429, String::new())
    );
    let body: Value = last.json().await.unwrap();
    assert_eq!((&body["title"], code(&body)), (&json!("Bad Request"), "CONCURRENCY_LIMIT_EXCEEDED"));
    assert_eq!(detail(&body), "Concurrent request limit exceeded. Request blocked.");
    assert_eq!(account.world.faults.throttled("netsuite"), 1);
    let (_, limits) = account.send("GET", "/system/v1/governanceLimits", json!(null)).await;
    assert_eq!(limits["accountConcurrencyLimit"], 2);

    // token-based authentication may hear of a wrong login instead
    erp.set_concurrency(0);
    let signed = || {
        Client::new()
            .get(format!("{}/services/rest/record/v1/customer/101", account.world.url("netsuite")))
            .header("authorization", "OAuth realm=\"x\"")
    };
    assert_eq!(answer(signed()).await.0, 429);
    erp.set_overload_as_login(true);
    assert_eq!(code(&answer(signed()).await.1), "INVALID_LOGIN");
    erp.set_concurrency(5);
    erp.set_service_time(0);
    erp.set_frequency(Some(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(account.send("GET", "/record/v1/customer/101", json!(null)).await);
    }
    assert_eq!((statuses[1].0, statuses[2].0, code(&statuses[2].1)), (200, 429, "USER_ERROR"));
    account.world.clock.set("2026-11-24T12:01:01Z".parse().unwrap());
    assert_eq!(account.send("GET", "/record/v1/customer/101", json!(null)).await.0, 200);
    account.world.stop().await;
}
