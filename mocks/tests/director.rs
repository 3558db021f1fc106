//! The director's verbs over HTTP, and every fault by name.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::sync::Arc;

use milestoned_mocks::{FAULTS, FaultSpec, Simulators, serve_admin};
use serde_json::{Value, json};
use world::{Api, answer, fields, refused, start};

async fn directed() -> Api {
    let world = Arc::new(start(None).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = Api::jira(&world).at(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(serve_admin(listener, world));
    admin
}

#[tokio::test]
async fn an_act_with_a_name_is_done_once() {
    let admin = directed().await;
    let made = |act: Value| {
        admin.call("POST", "/jira/issues", json!({"project": "MS", "act": act, "fields": {"summary": "x"}}))
    };
    assert_eq!(made(json!("a")).await.1, made(json!("a")).await.1);
    assert_ne!(made(Value::Null).await.1, made(Value::Null).await.1);
}

#[tokio::test]
async fn verbs() {
    let admin = directed().await;
    let deal = json!({"Name": "D {n}", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": "{n}.5"});
    let person = json!({"accountId": "ada", "displayName": "Ada", "email": "ada@example.test"});
    for (path, body, status) in [
        ("/clock", json!({"advance_ms": 60_000}), 200),
        ("/clock", json!({"system": "jira", "skew_ms": 1000}), 200),
        ("/clock", json!({"system": "sap", "skew_ms": 1000}), 400),
        ("/clock", json!({"follow": true}), 400),
        ("/salesforce/put", json!({"object": "Account", "key": "acme", "fields": {"Name": "Acme"}}), 200),
        ("/salesforce/put", json!({"object": "Account", "key": "x", "fields": {"Nope": 1}}), 400),
        ("/salesforce/generate", json!({"object": "Opportunity", "count": 10, "fields": deal}), 200),
        ("/salesforce/lock", json!({"object": "Account", "id": "acme", "ms": 1000}), 204),
        ("/salesforce/delete", json!({"object": "Account", "id": "acme"}), 204),
        ("/salesforce/undelete", json!({"object": "Account", "id": "acme"}), 204),
        ("/salesforce/purge", json!({"object": "Opportunity", "id": "006000000000002AAA"}), 204),
        ("/salesforce/fields", json!({"object": "Deal__c", "spec": "Key__c:string:xu"}), 204),
        ("/salesforce/hide", json!({"object": "Opportunity", "field": "ContractId"}), 204),
        ("/salesforce/settings", json!({"daily_limit": 7}), 200),
        ("/salesforce/settings", json!({"nonsense": 7}), 400),
        ("/salesforce/webhooks", json!({"url": "http://127.0.0.1:9/", "object": "Account", "fields": ["Name"]}), 204),
        ("/salesforce/deliver", json!({}), 200),
        ("/jira/issues", json!({"project": "MS", "fields": {"summary": "one"}}), 200),
        ("/jira/generate", json!({"project": "MS", "count": 3, "fields": {"summary": "I {n}"}}), 200),
        ("/jira/edit", json!({"issue": "MS-1", "to_status": "Accepted", "author": person}), 204),
        ("/jira/hide", json!({"issue": "MS-2", "ms": 1000}), 204),
        ("/jira/archive", json!({"issue": "MS-3"}), 204),
        ("/jira/attach", json!({"issue": "MS-1", "filename": "a.pdf"}), 200),
        ("/jira/move", json!({"issue": "MS-4", "project": "NEW"}), 200),
        ("/jira/permit", json!({"place": "NEW", "allowed": false}), 204),
        ("/jira/projects", json!({"key": "OLD", "status": "archived"}), 204),
        ("/jira/versions", json!({"project": "MS", "fields": {"name": "v1"}}), 200),
        ("/jira/approvals", json!({"issue": "MS-1", "name": "A", "author": person}), 200),
        ("/jira/approvals/1", json!({"author": person, "decision": "approve"}), 204),
        (
            "/jira/people",
            json!({"accountId": "ada", "displayName": "Ada", "email": "a@b.c", "token": "t", "zone": "UTC"}),
            204,
        ),
        ("/jira/fields", json!({"id": "customfield_10200", "name": "Phase", "kind": "select"}), 204),
        ("/jira/settings", json!({"deployment": "Server"}), 200),
        ("/jira/webhooks", json!({"url": "http://127.0.0.1:9/", "secret": "s", "events": ["jira:issue_updated"]}), 204),
        ("/faults", json!({"system": "jira", "name": "throttle", "times": 2, "every": 3}), 204),
        ("/faults", json!({"system": "jira", "name": "gremlin"}), 400),
        ("/nothing", json!({}), 404),
    ] {
        assert_eq!(admin.call("POST", path, body.clone()).await.0, status, "{path} {body}");
    }
    for (path, place, value) in [
        ("/clock", "/now", json!("2026-11-24T12:01:00Z")),
        ("/salesforce/records/Opportunity/006000000000007AAA", "/Amount", json!(7.5)),
        ("/salesforce/settings", "/daily_limit", json!(7)),
        ("/jira/issues/MS-1", "/fields/status", json!("10003")),
        ("/jira/settings", "/deployment", json!("Server")),
        ("/faults", "/scheduled/0/name", json!("throttle")),
        ("/requests/jira", "/throttled", json!(0)),
    ] {
        let (status, body) = admin.get(path).await;
        assert_eq!((status, body.pointer(place)), (200, Some(&value)), "{path}");
    }
    assert_eq!(admin.get("/faults").await.1["known"].as_array().unwrap().len(), FAULTS.len());
    for (path, status) in
        [("/salesforce/records/Account/none", 404), ("/jira/issues/MS-99", 404), ("/salesforce/deliveries", 200)]
    {
        assert_eq!(admin.get(path).await.0, status, "{path}");
    }
}

/// Creates an account while a fault strikes: the answer's status (0: none, 1: not whole), and how many accounts there are.
async fn struck(world: &Simulators, api: &Api, spec: FaultSpec) -> (u16, usize) {
    world.faults.inject("salesforce", spec).unwrap();
    let key = "/sobjects/Milestone__c/External_Id__c/key";
    let status = match api.request("PATCH", key, &json!({"Name": "x"})).send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            if response.bytes().await.is_ok() { status } else { 1 }
        }
        Err(_) => 0,
    };
    (status, world.salesforce.records("Milestone__c").len())
}

#[tokio::test]
async fn faults() {
    for (fault, status, kept, later) in [
        ("refuse", 503, 0, 0),
        ("throttle", 403, 0, 0),
        ("no_retry_after", 403, 0, 0),
        ("throttle_after_write", 403, 1, 1),
        ("slow(1)", 201, 1, 1),
        ("hold(1)", 201, 1, 1),
        ("drop_before_write", 0, 0, 0),
        ("drop_after_write", 0, 1, 1),
        ("write_later(60000)", 0, 0, 1),
        ("error_then_write(60000)", 503, 0, 1),
        ("error_after_write", 500, 1, 1),
        ("error(UNABLE_TO_LOCK_ROW)", 400, 0, 0),
        ("error(502)", 502, 0, 0),
        ("race", 400, 1, 1),
        ("garbage", 201, 1, 1),
        ("truncate", 1, 1, 1),
        ("html", 200, 1, 1),
        ("expire_token", 401, 0, 0),
        ("anonymous", 401, 0, 0),
        ("clock_skew(10800000)", 401, 0, 0),
        ("expire_cursors", 201, 1, 1),
    ] {
        let world = start(None).await;
        let api = Api::salesforce(&world).await;
        assert_eq!(struck(&world, &api, FaultSpec::new(fault)).await, (status, kept), "{fault}");
        world.clock.set("2026-11-24T12:01:00Z".parse().unwrap());
        assert_eq!(world.salesforce.records("Milestone__c").len(), later, "{fault}");
        world.stop().await;
    }
}

#[tokio::test]
async fn schedules() {
    let world = start(None).await;
    let api = Api::salesforce(&world).await;
    let outcomes = async |count: usize| {
        let mut said = String::new();
        for _ in 0..count {
            said.push(if api.get("/limits").await.0 == 200 { '.' } else { 'x' });
        }
        said
    };
    let inject = |spec: FaultSpec| world.faults.inject("salesforce", spec).unwrap();
    inject(FaultSpec::new("refuse").after(2).times(2));
    assert_eq!(outcomes(6).await, "..xx..");
    inject(FaultSpec::new("refuse").times(3).every(3));
    assert_eq!(outcomes(9).await, "x..x..x..");
    inject(FaultSpec::new("refuse").on("POST", "/limits"));
    assert_eq!(outcomes(2).await, "..");
    world.faults.clear().unwrap();
    let at = |time: &str| format!("2026-11-24T{time}:00Z").parse().unwrap();
    inject(FaultSpec::new("refuse").times(2).between(at("12:01"), at("12:02")));
    assert_eq!(outcomes(1).await, ".");
    world.clock.set(at("12:01"));
    assert_eq!(outcomes(1).await, "x");
    world.clock.set(at("12:02"));
    assert_eq!((outcomes(1).await, world.faults.pending("salesforce")), (".".to_string(), 1));
    // the race leaves a record behind whose id the refusal names
    world.faults.clear().unwrap();
    inject(FaultSpec::new("race").on("PATCH", "/Milestone__c/"));
    let (status, body) =
        answer(api.request("PATCH", "/sobjects/Milestone__c/External_Id__c/k", &json!({"Name": "x"}))).await;
    let text = "duplicate value found: External_Id__c duplicates value on record with id: a00000000000001AAA";
    assert_eq!(
        (refused(&(status, body.clone())).1, &body[0]["message"]),
        ("DUPLICATE_VALUE".to_string(), &json!(text))
    );
    world.salesforce.put("a", "Account", "", fields(json!({"Name": "A"}))).unwrap();
    let counted = world.faults.requests("salesforce");
    assert_eq!(counted["GET /services/data/v62.0/limits"], 20);
    world.faults.reset_counters();
    assert!(world.faults.requests("salesforce").is_empty());
    world.stop().await;
}

#[tokio::test]
async fn faults_of_the_relay() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for (fault, code, kept) in [
        ("refuse", "451", 0),
        ("throttle", "450", 0),
        ("error(550)", "550", 0),
        ("slow(1)", "250", 1),
        ("hold(1)", "250", 1),
        ("drop_before_write", "354", 0),
        ("drop_after_write", "354", 1),
        ("drop_after_data", "354", 1),
        ("error_after_write", "451", 1),
    ] {
        let world = start(None).await;
        world.faults.inject("mail", FaultSpec::new(fault)).unwrap();
        let mut line = tokio::net::TcpStream::connect(&world.smtp_address).await.unwrap();
        let talk = "HELO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nhi\r\n.\r\n";
        line.write_all(talk.as_bytes()).await.unwrap();
        line.shutdown().await.unwrap();
        let mut heard = String::new();
        line.read_to_string(&mut heard).await.unwrap();
        let last = heard.lines().last().unwrap().get(..3).unwrap();
        assert_eq!((last, world.mail.messages().len()), (code, kept), "{fault}: {heard}");
        world.stop().await;
    }
}
