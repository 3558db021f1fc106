//! Jira: callers and their tokens, what search finds and refuses, changes, webhooks, limits, files, versions, Data Center.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::collections::BTreeMap;

use milestoned_mocks::{Deployment, FaultSpec, Jira, LotSpec, Person, Simulators};
use reqwest::Client;
use serde_json::{Value, json};
use world::{Api, answer, fields, header, hook, refused, start};

fn issue(world: &Simulators, summary: &str) -> String {
    world.jira.create_issue(&format!("i-{summary}"), "MS", fields(json!({"summary": summary}))).unwrap().key
}

fn edit(world: &Simulators, act: &str, key: &str, values: Value, to: Option<&str>) {
    let values: BTreeMap<String, Value> = fields(values).into_iter().collect();
    world.jira.edit(act, key, &Person::integration(), values, to).unwrap();
}

fn keys(body: &Value) -> String {
    let rows = body["issues"].as_array().unwrap().iter();
    rows.map(|row| row["key"].as_str().unwrap_or_else(|| row["id"].as_str().unwrap())).collect::<Vec<_>>().join(" ")
}

async fn found(api: &Api, jql: &str) -> (u16, String) {
    let answered = api.call("POST", "/search/jql", json!({"jql": jql, "fields": ["key"]})).await;
    if answered.0 == 200 { (200, keys(&answered.1)) } else { refused(&answered) }
}

async fn token(world: &Simulators, refresh: &str) -> (u16, Value) {
    let body = json!({"grant_type": "refresh_token", "client_id": Jira::CLIENT_ID, "client_secret": Jira::CLIENT_SECRET, "refresh_token": refresh});
    answer(Client::new().post(format!("{}/oauth/token", world.url("jira"))).json(&body)).await
}

fn at(world: &Simulators, time: &str) {
    world.clock.set(format!("2026-11-24T{time}Z").parse().unwrap());
}

#[tokio::test]
async fn callers() {
    let world = start(None).await;
    let api = Api::jira(&world);
    issue(&world, "one");
    let (nobody, wrong) = (api.signed(""), api.signed("Basic eDp5"));
    for (api, path, status) in [
        (&api, "/myself", 200),
        (&nobody, "/myself", 401),
        (&nobody, "/serverInfo", 401),
        (&nobody, "/issue/MS-1", 404),
        (&nobody, "/search/jql?jql=nonsense%20%3D%201", 200),
        (&wrong, "/issue/MS-1", 401),
        (&wrong, "/search/jql?jql=project%20%3D%20MS", 401),
    ] {
        assert_eq!(api.get(path).await.0, status, "{path}");
    }
    let response = api.request("GET", "/issue/MS-1", &Value::Null).send().await.unwrap();
    assert_eq!(header(&response, "x-aaccountid"), "5b10a2844c20165700ede21g");
    assert!(
        !header(&response, "atl-traceid").is_empty() && header(&response, "date") == "Tue, 24 Nov 2026 12:00:00 GMT"
    );

    let (_, first) = token(&world, Jira::REFRESH_TOKEN).await;
    assert_eq!((&first["expires_in"], &first["token_type"]), (&json!(3600), &json!("Bearer")));
    let bearer = format!("Bearer {}", first["access_token"].as_str().unwrap());
    let gateway = format!("{}/ex/jira/{}/rest/api/3", world.url("jira"), Jira::CLOUD_ID);
    assert_eq!(api.signed(&bearer).get("/myself").await.0, 401, "such tokens are for the gateway");
    let app = api.at(&gateway).signed(&bearer);
    let (_, seen) = app.get("/issue/MS-1?fields=status").await;
    assert!(seen["self"].as_str().unwrap().starts_with(&gateway));
    let (status, body) = api.at(world.url("jira")).get("/ex/jira/nowhere/rest/api/3/myself").await;
    assert_eq!((status, &body["error"], body.get("errorMessages")), (404, &json!("Not Found"), None));
    let sites = api.at(world.url("jira")).signed(&bearer).get("/oauth/token/accessible-resources").await.1;
    assert_eq!(sites[0]["id"], Jira::CLOUD_ID);
    // the old token may be exchanged once more within ten minutes; later it is theft, and the family ends
    at(&world, "12:09:00");
    let (_, second) = token(&world, Jira::REFRESH_TOKEN).await;
    assert_eq!(app.get("/myself").await.0, 200);
    at(&world, "12:11:00");
    let dead = json!({"error": "unauthorized_client", "error_description": "refresh_token is invalid"});
    assert_eq!(token(&world, Jira::REFRESH_TOKEN).await, (403, dead.clone()));
    assert_eq!(token(&world, second["refresh_token"].as_str().unwrap()).await, (403, dead));
    assert_eq!(app.get("/myself").await.0, 401);
    world.stop().await;
}

#[tokio::test]
async fn jql_is_understood_or_refused() {
    let world = start(None).await;
    let api = Api::jira(&world);
    for name in ["one", "two", "three"] {
        issue(&world, name);
    }
    edit(
        &world,
        "e",
        "MS-2",
        json!({"customfield_10101": "SOW", "labels": ["a"], "duedate": "2026-12-01"}),
        Some("Accepted"),
    );
    let seven = ["key"; 8].join(",");
    for (jql, status, found_or_said) in [
        ("project = MS ORDER BY key", 200, "MS-1 MS-2 MS-3"),
        ("project = \"MS project\" AND statusCategory = Done", 200, "MS-2"),
        ("status WAS Done", 400, "Error in the JQL Query"),
        ("status != Accepted AND key > 10001 ORDER BY nonsense, key DESC", 200, "MS-3"),
        ("cf[10101] ~ so AND labels = a AND resolution is not empty AND duedate >= 2026-12-01", 200, "MS-2"),
        ("reporter = currentUser() AND created >= startOfDay() AND key in (MS-1, MS-3) ORDER BY key", 200, "MS-1 MS-3"),
        ("updated >= \"2026-11-24 13:00\" AND key = MS-1", 200, "MS-1"),
        ("updated >= \"2026-11-24 13:01\"", 200, ""),
        ("updated >= 1795521600001", 200, ""),
        ("updated >= -5m AND key = MS-1", 200, "MS-1"),
        ("only words", 200, ""),
        ("order by key", 400, "Unbounded"),
        ("nonsense = 1", 400, "Field 'nonsense' does not exist"),
        ("project = NONE", 400, "The value 'NONE' does not exist"),
        ("updated > \"yesterday\"", 400, "Date value"),
        (&format!("project = MS ORDER BY {seven}"), 400, "Error in the JQL Query"),
    ] {
        let (answered, said) = found(&api, jql).await;
        assert!(
            answered == status && said.starts_with(found_or_said) && said.is_empty() == found_or_said.is_empty(),
            "{jql}: {answered} {said}"
        );
    }
    assert!(world.jira.set_time_zone("America/New_York"));
    assert_eq!(found(&api, "updated >= \"2026-11-24 07:00\" AND key = MS-1").await.1, "MS-1");
    world.jira.configure(|settings| settings.lenient_jql = true);
    assert_eq!(found(&api, "nonsense = 1").await, (200, String::new()));
    let parsed =
        api.call("POST", "/jql/parse?validation=strict", json!({"queries": ["nonsense = 1", "key = MS-1"]})).await.1;
    assert_eq!((parsed["queries"][0]["errors"].is_array(), parsed["queries"][1].get("errors")), (true, None));
    let matched =
        api.call("POST", "/jql/match", json!({"issueIds": [10001, 10002], "jqls": ["status = Accepted"]})).await.1;
    assert_eq!(matched["matches"][0]["matchedIssues"], json!([10002]));
    world.stop().await;
}

#[tokio::test]
async fn searches_are_strict() {
    let world = start(None).await;
    let api = Api::jira(&world);
    for name in ["one", "two", "three"] {
        issue(&world, name);
    }
    edit(&world, "e", "MS-2", json!({"customfield_10101": "SOW"}), Some("Accepted"));
    let ask = |body: Value| api.call("POST", "/search/jql", body);
    for (body, said) in [
        (json!({"jql": "project = MS", "maxResults": 0}), "The max results parameter has to be between 1 and 5,000."),
        (json!({"jql": "project = MS", "maxResults": 6000}), "The max results parameter"),
        (json!({"jql": "project = MS", "startAt": 1}), "Invalid request payload."),
        (json!({"jql": "project = MS", "expand": ["names"]}), "Invalid request payload."),
        (json!({"jql": "project = MS", "nextPageToken": "x"}), "The provided next page token is invalid or expired."),
        (json!({"jql": "project = MS", "reconcileIssues": [99]}), "All issues"),
    ] {
        let (status, text) = refused(&ask(body.clone()).await);
        assert!(status == 400 && text.starts_with(said), "{body}: {text}");
    }
    let (_, named) = ask(json!({"jql": "key = MS-2", "expand": "names,changelog", "fields": ["status"]})).await;
    assert_eq!(
        (&named["names"]["customfield_10101"], &named["issues"][0]["changelog"]["total"]),
        (&json!("Contract"), &json!(1))
    );
    // a token belongs to its query and its caller, and ends
    let page = |jql: &str, token: &Value| json!({"jql": jql, "maxResults": 1, "nextPageToken": token});
    let next = ask(json!({"jql": "project = MS", "maxResults": 1})).await.1["nextPageToken"].clone();
    let ada = Person { account_id: "ada".into(), display_name: "Ada".into(), email: "ada@example.test".into() };
    world.jira.add_person(&ada, "t", "UTC").unwrap();
    let other = api.signed("Basic YWRhQGV4YW1wbGUudGVzdDp0");
    assert_eq!(other.call("POST", "/search/jql", page("project = MS", &next)).await.0, 400);
    assert_eq!(ask(page("project in (MS)", &next)).await.0, 400);
    assert_eq!(ask(page("project = MS", &next)).await.0, 200);
    for (fault, token, last) in [("empty_page", json!(null), false), ("repeat_token", next.clone(), false)] {
        world.faults.inject("jira", FaultSpec::new(fault)).unwrap();
        let (_, body) = ask(page("project = MS", &next)).await;
        assert_eq!(body["isLast"], last, "{fault}");
        assert!(if token.is_null() { body["issues"] == json!([]) } else { body["nextPageToken"] == token });
    }
    world.faults.inject("jira", FaultSpec::new("expire_cursors")).unwrap();
    assert_eq!(ask(page("project = MS", &next)).await.0, 400);
    world.stop().await;
}

#[tokio::test]
async fn search_lags_and_issues_do_not() {
    let world = start(None).await;
    let api = Api::jira(&world);
    issue(&world, "one");
    world.jira.set_index_lag(60_000);
    at(&world, "12:01:00");
    edit(&world, "e", "MS-1", json!({"summary": "new"}), None);
    issue(&world, "two");
    let changed = "project = MS AND updated >= 1795521660000";
    assert_eq!(found(&api, changed).await.1, "");
    let reconciled = json!({"jql": changed, "fields": ["summary"], "reconcileIssues": [10001]});
    assert_eq!(api.call("POST", "/search/jql", reconciled).await.1["issues"][0]["fields"]["summary"], "new");
    assert_eq!(api.get("/issue/MS-1").await.1["fields"]["summary"], "new");
    at(&world, "12:02:00");
    assert_eq!(found(&api, &format!("{changed} ORDER BY key")).await.1, "MS-1 MS-2");
    world.jira.hide_from_search("h", "MS-1", "2026-11-24T12:03:00Z".parse().unwrap()).unwrap();
    assert_eq!((found(&api, changed).await.1, api.get("/issue/MS-1").await.0), ("MS-2".to_string(), 200));
    world.stop().await;
}

#[tokio::test]
async fn many_at_once() {
    let world = start(None).await;
    let api = Api::jira(&world);
    for name in ["one", "two"] {
        issue(&world, name);
    }
    for at in 0..120 {
        edit(&world, &format!("e{at}"), "MS-1", json!({"customfield_10103": at}), None);
    }
    world.jira.move_issue("m", "MS-2", "NEW").unwrap();
    let body =
        json!({"issueIdsOrKeys": ["MS-2", "MS-1", "MS-99", "10001"], "expand": ["changelog"], "fields": ["summary"]});
    let (_, many) = api.call("POST", "/issue/bulkfetch", body).await;
    assert_eq!((keys(&many), &many["issueErrors"]), ("MS-1 NEW-1".to_string(), &json!([])));
    let log = &many["issues"][0]["changelog"];
    assert_eq!((&log["total"], log["histories"].as_array().unwrap().len()), (&json!(40), 40), "the total of the page");
    let alone = api.get("/issue/MS-1?expand=changelog").await.1["changelog"].clone();
    assert_eq!(alone["histories"].as_array().unwrap().len(), 100);
    assert_eq!(alone["histories"][0]["items"][0]["toString"], "119");
    for body in [
        json!({"issueIdsOrKeys": ["MS-1"], "expand": "changelog"}),
        json!({"issueIdsOrKeys": vec!["MS-1"; 101]}),
        json!({"issueIdsOrKeys": []}),
    ] {
        assert_eq!(api.call("POST", "/issue/bulkfetch", body).await.0, 400);
    }
    let ask = |token: Value| {
        api.call("POST", "/changelog/bulkfetch", json!({"issueIdsOrKeys": ["MS-1", "NEW-1"], "fieldIds": ["customfield_10103"], "maxResults": 100, "nextPageToken": token}))
    };
    let (_, first) = ask(Value::Null).await;
    assert_eq!(first["issueChangeLogs"][0]["changeHistories"][0]["created"], 1_795_521_600_000_i64);
    let (_, last) = ask(first["nextPageToken"].clone()).await;
    assert_eq!(
        (last["issueChangeLogs"][0]["changeHistories"].as_array().unwrap().len(), last.get("nextPageToken")),
        (20, None)
    );
    assert_eq!(ask(json!("made.up")).await.0, 400);
    let (_, page) = api.get("/issue/MS-1/changelog?startAt=100&maxResults=15").await;
    assert_eq!((&page["total"], &page["isLast"], page["nextPage"].is_string()), (&json!(120), &json!(false), true));
    world.faults.inject("jira", FaultSpec::new("empty_changelog")).unwrap();
    assert_eq!(api.get("/issue/MS-1/changelog").await.1["total"], 0);
    world.stop().await;
}

#[tokio::test]
async fn out_of_sight() {
    let world = start(None).await;
    let api = Api::jira(&world);
    for name in ["one", "two", "three"] {
        issue(&world, name);
    }
    let seen = |key: &'static str| {
        let api = &api;
        async move { (api.get(&format!("/issue/{key}")).await.0, found(api, &format!("key = {key}")).await.1) }
    };
    world.jira.permit("a", "10001", "*", false).unwrap();
    assert_eq!(seen("MS-1").await, (404, String::new()));
    world.jira.permit("b", "10001", "*", true).unwrap();
    assert_eq!(seen("MS-1").await, (200, "MS-1".to_string()));
    let archived = api.call("PUT", "/issue/archive", json!({"issueIdsOrKeys": ["MS-2", "MS-9"]})).await.1;
    assert_eq!(
        (&archived["numberOfIssuesUpdated"], &archived["errors"]["issuesNotFound"]["count"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(seen("MS-2").await, (200, String::new()));
    assert_eq!(api.call("PUT", "/issue/MS-2", json!({"fields": {"summary": "x"}})).await.0, 400);
    assert_eq!(api.call("DELETE", "/issue/MS-3", Value::Null).await.0, 204);
    assert_eq!(seen("MS-3").await, (404, String::new()));
    world.jira.set_project("p", "MS", "deleted").unwrap();
    assert_eq!(seen("MS-1").await, (404, String::new()));
    let (_, roster) = api.get("/project/search?status=live,archived,deleted").await;
    assert_eq!((&roster["values"][0]["key"], &roster["values"][0]["deleted"]), (&json!("MS"), &json!(true)));
    assert_eq!(api.get("/project/search").await.1["total"], 0);
    world.stop().await;
}

#[tokio::test]
async fn webhooks_of_apps_and_bodies_of_events() {
    let world = start(None).await;
    let api = Api::jira(&world);
    let (url, mut got) = hook(200).await;
    let (_, first) = token(&world, Jira::REFRESH_TOKEN).await;
    let gateway = format!("{}/ex/jira/{}/rest/api/3", world.url("jira"), Jira::CLOUD_ID);
    let app = api.at(&gateway).signed(&format!("Bearer {}", first["access_token"].as_str().unwrap()));
    assert_eq!(api.call("POST", "/webhook", json!({})).await.0, 403);
    let wanted = |event: &str, jql: &str| json!({"events": [event], "jqlFilter": jql});
    let mut all = vec![
        wanted("jira:issue_updated", "project = MS"),
        wanted("project_created", "project = MS"),
        wanted("jira:issue_updated", "summary ~ x"),
        wanted("jira:issue_updated", ""),
    ];
    all.extend(vec![wanted("comment_created", "project = MS"); 5]);
    let (status, body) = app.call("POST", "/webhook", json!({"url": url, "webhooks": all})).await;
    let made: Vec<bool> = body["webhookRegistrationResult"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.get("createdWebhookId").is_some())
        .collect();
    assert_eq!((status, made), (200, vec![true, false, false, false, true, true, true, true, false]));
    assert_eq!(app.get("/webhook").await.1["total"], 5);
    assert_eq!(app.call("DELETE", "/webhook", json!({"webhookIds": [1001, 1002, 1003, 77]})).await.0, 202);
    world
        .jira
        .register_webhook(
            &format!("{url}/admin"),
            "s",
            &["jira:issue_deleted", "comment_created", "issue_property_set", "attachment_created"],
        )
        .unwrap();
    let key = issue(&world, "one");
    edit(&world, "e", &key, json!({"summary": "x"}), None);
    let note = json!({"body": {"type": "doc", "version": 1, "content": []}});
    assert_eq!(api.call("POST", &format!("/issue/{key}/comment"), note).await.0, 201);
    api.call("PUT", &format!("/issue/{key}/properties/p"), json!({"a": 1})).await;
    world.jira.attach("f", &key, &Person::integration(), "a.pdf").unwrap();
    world.jira.delete_issue("d", &key).unwrap();
    world.jira.deliver_webhooks().await.unwrap();
    let mut bodies = Vec::new();
    while let Ok((headers, body)) = got.try_recv() {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(headers.contains_key("authorization"), body.get("matchedWebhookIds").is_some());
        assert_ne!(headers.contains_key("authorization"), headers.contains_key("x-hub-signature"));
        bodies.push(body);
    }
    let of = |event: &str, app: bool| {
        let fits = |body: &&Value| body["webhookEvent"] == event && body.get("matchedWebhookIds").is_some() == app;
        bodies.iter().find(fits).unwrap_or_else(|| panic!("{event}")).clone()
    };
    assert_eq!(of("jira:issue_updated", true)["changelog"]["items"][0]["toString"], "x");
    let comment = of("comment_created", false);
    assert_eq!(
        (comment["issue"]["fields"].as_object().unwrap().len(), comment.get("user"), &comment["comment"]["body"]),
        (6, None, &json!(""))
    );
    let deleted = of("jira:issue_deleted", false);
    assert!(
        deleted.get("changelog").is_none()
            && deleted.get("issue_event_type_name").is_none()
            && deleted["user"].is_object()
    );
    assert_eq!(of("issue_property_set", false)["property"]["key"], "p");
    assert_eq!(of("attachment_created", false)["issue"]["fields"], json!({"summary": "x"}));
    world.stop().await;
}

#[tokio::test]
async fn registrations_of_apps_end() {
    let world = start(None).await;
    let api = Api::jira(&world);
    let (_, first) = token(&world, Jira::REFRESH_TOKEN).await;
    let gateway = format!("{}/ex/jira/{}/rest/api/3", world.url("jira"), Jira::CLOUD_ID);
    let app = api.at(&gateway).signed(&format!("Bearer {}", first["access_token"].as_str().unwrap()));
    let wanted = json!({"events": ["jira:issue_updated"], "jqlFilter": "project = MS"});
    let hooks = json!({"url": "http://127.0.0.1:9/", "webhooks": [wanted, wanted]});
    assert_eq!(app.call("POST", "/webhook", hooks).await.0, 200);
    // thirty days, unless it is prolonged
    world.clock.set("2026-12-20T12:00:00Z".parse().unwrap());
    let (_, again) = token(&world, first["refresh_token"].as_str().unwrap()).await;
    let app = api.at(&gateway).signed(&format!("Bearer {}", again["access_token"].as_str().unwrap()));
    assert_eq!(
        app.call("PUT", "/webhook/refresh", json!({"webhookIds": [1000]})).await.1["expirationDate"],
        "2027-01-19T13:00:00.000+0100"
    );
    world.clock.set("2026-12-24T12:30:00Z".parse().unwrap());
    let (_, again) = token(&world, again["refresh_token"].as_str().unwrap()).await;
    let app = api.at(&gateway).signed(&format!("Bearer {}", again["access_token"].as_str().unwrap()));
    assert_eq!(app.get("/webhook").await.1["total"], 1);
    world.stop().await;
}

#[tokio::test]
async fn deliveries_fail_for_a_while_and_for_good() {
    let world = start(None).await;
    let (url, _got) = hook(500).await;
    world.jira.register_webhook(&url, "", &["jira:issue_created"]).unwrap();
    issue(&world, "one");
    let mut retried = 0;
    for minute in (0..60).step_by(15) {
        at(&world, &format!("12:{minute:02}:00"));
        retried += world.jira.deliver_webhooks().await.unwrap().retried;
    }
    assert_eq!(retried, 3);
    // the host failed for more than half an hour: what comes now is tried once
    issue(&world, "two");
    let done = world.jira.deliver_webhooks().await.unwrap();
    assert_eq!((done.dropped, world.jira.deliveries().list("dropped").len()), (1, 2));
    let (url, mut got) = hook(200).await;
    world.jira.register_webhook(&url, "", &["jira:issue_created"]).unwrap();
    for (fault, count) in [("lose", 0), ("duplicate", 4), ("delay(60000)", 0)] {
        issue(&world, fault);
        world.faults.inject("jira", FaultSpec::new(fault)).unwrap();
        world.jira.deliver_webhooks().await.unwrap();
        let mut heard = 0;
        while got.try_recv().is_ok() {
            heard += 2;
        }
        assert_eq!(heard, count, "{fault}");
    }
    world.stop().await;
}

#[tokio::test]
async fn limits() {
    let world = start(None).await;
    let api = Api::jira(&world);
    issue(&world, "one");
    world.jira.configure(|settings| (settings.rate_limits, settings.points_per_hour) = (true, 5));
    let reason = |response: &reqwest::Response| {
        (response.status().as_u16(), header(response, "ratelimit-reason"), header(response, "retry-after"))
    };
    let put = |at: usize| api.request("PUT", "/issue/MS-1/properties/p", &json!({"n": at}));
    for at in 0..20 {
        assert!(put(at).send().await.unwrap().status().is_success());
    }
    assert_eq!(reason(&put(20).send().await.unwrap()), (429, "jira-per-issue-on-write".into(), "2".into()));
    for _ in 0..100 {
        assert_eq!(api.get("/myself").await.0, 200);
    }
    assert_eq!(
        reason(&api.request("GET", "/myself", &Value::Null).send().await.unwrap()),
        (429, "jira-burst-based".into(), "1".into())
    );
    at(&world, "12:00:01");
    assert_eq!(api.get("/myself").await.0, 200);
    let (_, first) = token(&world, Jira::REFRESH_TOKEN).await;
    let gateway = format!("{}/ex/jira/{}/rest/api/3", world.url("jira"), Jira::CLOUD_ID);
    let app = api.at(&gateway).signed(&format!("Bearer {}", first["access_token"].as_str().unwrap()));
    let get = || app.request("GET", "/issue/MS-1", &Value::Null).send();
    let answered = get().await.unwrap();
    assert_eq!(
        (header(&answered, "x-ratelimit-remaining"), header(&answered, "x-ratelimit-nearlimit")),
        ("3".into(), "false".into())
    );
    assert!(header(&answered, "beta-ratelimit-policy").starts_with("\"global-app-quota\";q=5;w=3600"));
    get().await.unwrap();
    get().await.unwrap();
    assert_eq!(reason(&get().await.unwrap()), (429, "jira-quota-global-based".into(), "3599".into()));
    at(&world, "13:00:00");
    assert_eq!(get().await.unwrap().status(), 200);
    for (fault, status, after) in [
        ("no_retry_after", 429, ""),
        ("refuse", 503, "5"),
        ("error(409)", 409, ""),
        ("error(jira-quota-tenant-based)", 429, "600"),
    ] {
        world.faults.inject("jira", FaultSpec::new(fault)).unwrap();
        let answered = api.request("GET", "/myself", &Value::Null).send().await.unwrap();
        assert_eq!(
            (answered.status().as_u16(), header(&answered, "retry-after")),
            (status, after.to_string()),
            "{fault}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn files_versions_and_approvals() {
    let world = start(None).await;
    let api = Api::jira(&world);
    let key = issue(&world, "one");
    let id = world.jira.attach("f", &key, &Person::integration(), "signed.pdf").unwrap();
    assert_eq!(api.get(&format!("/attachment/{id}")).await.1["id"], 10000);
    let content = api.request("GET", &format!("/attachment/content/{id}"), &Value::Null).send().await.unwrap();
    let place = header(&content, "location");
    assert_eq!(
        (content.status().as_u16(), Client::new().get(&place).send().await.unwrap().text().await.unwrap()),
        (303, "signed.pdf".into())
    );
    for (range, status, part) in
        [("bytes=0-5", 206, "signed"), ("bytes=-3", 206, "pdf"), ("bytes=90-", 416, ""), ("x", 400, "")]
    {
        let request = api
            .request("GET", &format!("/attachment/content/{id}?redirect=false"), &Value::Null)
            .header("range", range);
        let answered = request.send().await.unwrap();
        assert_eq!((answered.status().as_u16(), answered.text().await.unwrap()), (status, part.to_string()), "{range}");
    }
    let body = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x.txt\"\r\n\r\nhello\r\n--b--\r\n";
    let upload = || {
        api.request("POST", &format!("/issue/{key}/attachments"), &Value::Null)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body)
    };
    assert_eq!(answer(upload()).await.0, 403);
    let (status, files) = answer(upload().header("x-atlassian-token", "no-check")).await;
    assert_eq!((status, &files[0]["filename"], &files[0]["size"]), (200, &json!("x.txt"), &json!(5)));

    let version = json!({"name": "Go-live", "project": "MS", "releaseDate": "2026-11-20"});
    let made = api.call("POST", "/version", version).await.1;
    assert_eq!((&made["released"], &made["overdue"]), (&json!(false), &json!(true)));
    edit(&world, "v", &key, json!({"fixVersions": [{"name": "Go-live"}]}), Some("Done"));
    assert_eq!(
        api.get(&format!("/issue/{key}?fields=fixVersions")).await.1["fields"]["fixVersions"][0]["name"],
        "Go-live"
    );
    assert_eq!(found(&api, "fixVersion = Go-live").await.1, key);
    let place = format!("/version/{}", made["id"].as_str().unwrap());
    assert_eq!(api.call("PUT", &place, json!({"released": true})).await.1["released"], true);
    assert_eq!(api.get(&format!("{place}?expand=issuesstatus")).await.1["issuesStatusForFixVersion"]["done"], 1);
    let other = world.jira.put_version("w", "MS", fields(json!({"name": "Later"}))).unwrap();
    assert_eq!(api.call("PUT", &format!("{place}/mergeto/{other}"), Value::Null).await.0, 204);
    assert_eq!((api.get(&place).await.0, found(&api, "fixVersion = Later").await.1), (404, key.clone()));

    let desk = api.at(&format!("{}/rest/servicedeskapi/request/{key}/approval", world.url("jira")));
    let closed = desk.request("GET", "", &Value::Null).send().await.unwrap();
    assert_eq!((closed.status().as_u16(), closed.text().await.unwrap()), (403, String::new()));
    world.jira.configure(|settings| settings.service_management = true);
    world.jira.ask_approval("a", &key, "Acceptance", &[Person::integration()]).unwrap();
    assert_eq!(desk.get("").await.1["values"][0]["finalDecision"], "pending");
    let (_, decided) = desk.call("POST", "/1", json!({"decision": "approve"})).await;
    assert_eq!(
        (&decided["finalDecision"], decided["completedDate"]["epochMillis"].is_number()),
        (&json!("approved"), true)
    );
    world.stop().await;
}

#[tokio::test]
async fn a_data_center() {
    let world = start(None).await;
    let (url, mut got) = hook(200).await;
    world.jira.configure(|settings| settings.deployment = Deployment::Server);
    world.jira.register_webhook(&url, "s", &["jira:issue_updated", "comment_created"]).unwrap();
    let key = issue(&world, "one");
    let api = Api::jira(&world).at(&format!("{}/jira/rest/api/2", world.url("jira"))).signed("Bearer api-token");
    assert_eq!(api.get("/serverInfo").await.1["deploymentType"], "Server");
    assert_eq!(Api::jira(&world).get("/myself").await.0, 404, "there is no version 3");
    assert_eq!(api.get("/search/jql?jql=project%3DMS").await.0, 404);
    let (_, rows) = api.get("/search?jql=&maxResults=1&fields=summary").await;
    assert_eq!((&rows["total"], &rows["startAt"], keys(&rows)), (&json!(1), &json!(0), "MS-1".to_string()));
    let me = api.get("/myself").await.1;
    assert_eq!((&me["name"], me.get("accountId")), (&json!("mia"), None));
    assert_eq!(api.call("POST", &format!("/issue/{key}/transitions"), json!({"transition": {"id": 51}})).await.0, 204);
    api.call("POST", &format!("/issue/{key}/comment"), json!({"body": "done"})).await;
    let log = api.get(&format!("/issue/{key}?expand=changelog")).await.1["changelog"]["histories"][0].clone();
    assert_eq!((log["items"][1].get("fieldId"), &log["author"]["key"]), (None, &json!("mia")));
    world.jira.deliver_webhooks().await.unwrap();
    let body: Value = serde_json::from_str(&got.recv().await.unwrap().1).unwrap();
    assert_eq!(
        (&body["issue_event_type_name"], body["changelog"]["items"][0].get("fieldId")),
        (&json!("issue_resolved"), None)
    );
    let body: Value = serde_json::from_str(&got.recv().await.unwrap().1).unwrap();
    assert_eq!((&body["webhookEvent"], body.get("issue")), (&json!("comment_created"), None));
    world.stop().await;
}

#[tokio::test]
async fn writes_are_refused_where_they_are_wrong() {
    let world = start(None).await;
    let api = Api::jira(&world);
    issue(&world, "one");
    world.jira.configure(|settings| (settings.most_comments, settings.most_links) = (0, 1));
    let rich = json!({"body": {"type": "doc", "version": 1, "content": []}});
    let link =
        |global: &str, title: &str| json!({"globalId": global, "object": {"url": "https://erp.test", "title": title}});
    for (method, path, body, status) in [
        ("POST", "/comment", json!({"body": "text"}), 400),
        ("POST", "/comment", rich, 413),
        ("POST", "/remotelink", link("a", ""), 400),
        ("POST", "/remotelink", link("a", "A"), 201),
        ("POST", "/remotelink", link("b", "B"), 413),
        ("POST", "/remotelink", link("a", "B"), 200),
        ("POST", "/transitions", json!({"transition": {}}), 400),
        ("POST", "/transitions", json!({"transition": {"id": "99"}}), 400),
        (
            "POST",
            "/transitions",
            json!({"transition": {"id": 21}, "properties": [{"key": "p", "value": {"a": 1}}]}),
            204,
        ),
        ("PUT", "/properties/q", json!("x".repeat(33_000)), 400),
        ("PUT", "", json!({"fields": {"nonsense": 1}}), 400),
        ("PUT", "?returnIssue=true", json!({"update": {"labels": [{"add": "a"}]}}), 200),
        ("DELETE", "/properties/none", Value::Null, 404),
        ("DELETE", "/remotelink?globalId=a", Value::Null, 415),
    ] {
        assert_eq!(
            api.call(method, &format!("/issue/MS-1{path}"), body.clone()).await.0,
            status,
            "{method} {path} {body:.60}"
        );
    }
    assert_eq!(world.jira.property("MS-1", "p").unwrap().text("a"), "1");
    assert_eq!(world.jira.links("MS-1")[0].text("object.title"), "B");
    world.stop().await;
}

#[tokio::test]
async fn a_lot_of_issues_has_histories() {
    let world = start(None).await;
    let api = Api::jira(&world);
    let pattern = fields(json!({"summary": "Issue {n}", "customfield_10102": "M-{n}", "status": "Accepted"}));
    let lot = LotSpec::new(250, pattern, "2026-11-24T10:00:00Z".parse().unwrap()).tied(100);
    assert_eq!(world.jira.generate("g", "MS", &lot).unwrap(), "10001");
    let body =
        json!({"jql": "project = MS AND updated > 1795514400000 ORDER BY updated ASC, key ASC", "maxResults": 5000});
    let (_, page) = api.call("POST", "/search/jql", body).await;
    assert_eq!((page["issues"].as_array().unwrap().len(), &page["issues"][0]), (150, &json!({"id": "10101"})));
    edit(&world, "n", "MS-9", json!({"customfield_10103": 12}), None);
    let (_, nine) = api.get("/issue/MS-9?fields=customfield_10103").await;
    assert_eq!(nine["fields"]["customfield_10103"].to_string(), "12.0", "numbers are doubles");
    let (_, one) = api.get("/issue/MS-7?expand=changelog").await;
    assert_eq!(
        (&one["id"], &one["fields"]["summary"], &one["changelog"]["total"]),
        (&json!("10007"), &json!("Issue 7"), &json!(1))
    );
    edit(&world, "e", "MS-7", json!({"summary": "other"}), None);
    assert_eq!(found(&api, "updated >= 1795521600000 AND key = MS-7").await.1, "MS-7");
    world.jira.delete_issue("d", "MS-8").unwrap();
    assert_eq!((api.get("/issue/10008").await.0, issue(&world, "next")), (404, "MS-251".to_string()));
    assert_eq!(api.call("POST", "/search/approximate-count", json!({"jql": "project = MS"})).await.1["count"], 250);
    world.stop().await;
}
