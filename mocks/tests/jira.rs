//! Jira: search, changelog, moved keys, properties, remote links, webhooks.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use milestoned_mocks::{Person, Simulators};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;
use world::{answer, fields, hook, start};

fn call(world: &Simulators, method: Method, path: &str) -> RequestBuilder {
    Client::new()
        .request(method, format!("{}/rest/api/3{path}", world.url("jira")))
        .basic_auth("mia@example.test", Some("api-token"))
}

fn jan() -> Person {
    Person { account_id: "acc-jan".into(), display_name: "Jan".into(), email: "jan@example.test".into() }
}

#[tokio::test]
async fn search_is_by_pages_and_ids_only() {
    let world = start(None).await;
    for at in 0..3 {
        world.jira.create_issue(&format!("c{at}"), "MS", fields(json!({"summary": at.to_string()}))).unwrap();
    }
    let millis = world.clock.now().as_millisecond();
    let jql = format!("project = MS AND updated >= {millis} ORDER BY updated ASC, key ASC");
    let (status, page) =
        answer(call(&world, Method::POST, "/search/jql").json(&json!({"jql": jql, "maxResults": 2}))).await;
    assert_eq!((status, &page["issues"]), (200, &json!([{"id": "10001"}, {"id": "10002"}])));
    assert!(page.get("total").is_none());
    let next =
        json!({"jql": jql, "maxResults": 2, "nextPageToken": page["nextPageToken"], "fields": ["status", "updated"]});
    let (_, last) = answer(call(&world, Method::POST, "/search/jql").json(&next)).await;
    assert_eq!((&last["isLast"], &last["issues"][0]["key"]), (&json!(true), &json!("MS-3")));
    assert_eq!(last["issues"][0]["fields"]["updated"], "2026-11-24T13:00:00.000+0100");
    assert_eq!(last["issues"][0]["fields"]["status"]["statusCategory"]["key"], "new");
    let (status, body) = answer(call(&world, Method::POST, "/search/jql").json(&json!({"jql": "order by key"}))).await;
    assert!(status == 400 && body["errorMessages"][0].as_str().unwrap().starts_with("Unbounded"));
    assert_eq!(answer(call(&world, Method::GET, "/search?jql=project%20%3D%20MS")).await.0, 410);
    let anonymous = Client::new().get(format!("{}/rest/api/3/search/jql?jql=project%3DMS", world.url("jira")));
    assert_eq!(answer(anonymous).await, (200, json!({"issues": [], "isLast": true})));
    world.stop().await;
}

#[tokio::test]
async fn one_edit_is_one_history_and_one_signed_webhook() {
    let world = start(None).await;
    let (url, mut got) = hook(503).await;
    world.jira.register_webhook(&url, "s3cret", &["jira:issue_updated"]).unwrap();
    let made = world.jira.create_issue("c", "MS", fields(json!({"summary": "m", "customfield_10103": 1}))).unwrap();
    let change = BTreeMap::from([
        ("customfield_10103".to_string(), json!(12)),
        ("customfield_10104".to_string(), json!(["signed form", "test report"])),
        ("customfield_10108".to_string(), json!("one\ntwo")),
    ]);
    for _ in 0..2 {
        world.jira.edit("e", &made.key, &jan(), change.clone(), Some("Accepted")).unwrap();
    }
    let (_, log) = answer(call(&world, Method::GET, "/issue/MS-1/changelog")).await;
    assert_eq!(log["total"], 1);
    let items = log["values"][0]["items"].as_array().unwrap();
    assert_eq!(
        (&items[0]["from"], &items[0]["fromString"], &items[0]["toString"]),
        (&json!(null), &json!("1"), &json!("12"))
    );
    assert_eq!(items[1]["toString"], "signed form,test report");
    assert_eq!((items.len(), &items[4]["field"], &items[4]["toString"]), (5, &json!("status"), &json!("Accepted")));
    let (_, issue) = answer(call(&world, Method::GET, "/issue/MS-1?fields=customfield_10108,customfield_10103")).await;
    assert_eq!(issue["fields"]["customfield_10108"]["content"][1]["content"][0]["text"], "two");

    assert_eq!(world.jira.deliver_webhooks().await.unwrap().retried, 1);
    assert_eq!(world.jira.deliver_webhooks().await.unwrap(), Default::default());
    world.clock.set("2026-11-24T12:20:00Z".parse().unwrap());
    world.jira.deliver_webhooks().await.unwrap();
    let ((first, body), (second, again)) = (got.recv().await.unwrap(), got.recv().await.unwrap());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
    mac.update(body.as_bytes());
    assert_eq!(first["x-hub-signature"], format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    assert_eq!(
        (first["x-atlassian-webhook-identifier"].clone(), body),
        (second["x-atlassian-webhook-identifier"].clone(), again)
    );
    assert!(first.get("x-atlassian-webhook-retry").is_none() && second["x-atlassian-webhook-retry"] == "1");
    world.stop().await;
}

#[tokio::test]
async fn moves_properties_and_links() {
    let world = start(None).await;
    let made = world.jira.create_issue("c", "MS", fields(json!({"summary": "m"}))).unwrap();
    assert_eq!(world.jira.move_issue("v", "MS-1", "NEW").unwrap(), "NEW-1");
    let (_, issue) = answer(call(&world, Method::GET, "/issue/ms-1?fields=summary")).await;
    assert_eq!((&issue["id"], &issue["key"]), (&json!(made.id), &json!("NEW-1")));
    let put =
        || call(&world, Method::PUT, "/issue/NEW-1/properties/milestoned.billing").json(&json!({"state": "invoiced"}));
    assert_eq!((answer(put()).await.0, answer(put()).await.0), (201, 200));
    let link = json!({"globalId": "milestoned=1", "object": {"url": "https://erp.test/1", "title": "INV-1"}});
    let post = || call(&world, Method::POST, "/issue/NEW-1/remotelink").json(&link);
    assert_eq!((answer(post()).await.0, answer(post()).await.0), (201, 200));
    assert_eq!(world.jira.links("NEW-1").len(), 1);
    assert_eq!(answer(call(&world, Method::DELETE, "/issue/NEW-1/remotelink/10000")).await.0, 415);
    world.stop().await;
}
