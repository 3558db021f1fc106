//! Salesforce: who may come in, what queries find, what the org refuses, and what hangs on records.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::{LotSpec, Simulators};
use reqwest::Client;
use serde_json::{Value, json};
use world::{Api, answer, fields, header, refused, start};

fn deal(name: &str, more: Value) -> milestoned_mocks::Fields {
    let mut deal = fields(json!({"Name": name, "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": "100"}));
    deal.extend(fields(more));
    deal
}

fn put(world: &Simulators, object: &str, key: &str, values: Value) -> String {
    world.salesforce.put(&format!("{object}-{key}-{values}"), object, key, fields(values)).unwrap()
}

async fn oauth(world: &Simulators, verb: &str, form: &[(&str, &str)]) -> (u16, Value) {
    answer(Client::new().post(format!("{}/services/oauth2/{verb}", world.url("salesforce"))).form(form)).await
}

#[tokio::test]
async fn ways_in_and_out() {
    let world = start(None).await;
    let (id, secret) = (("client_id", "CONSUMER_KEY"), ("client_secret", "CONSUMER_SECRET"));
    let cc = ("grant_type", "client_credentials");
    let refresh = ("grant_type", "refresh_token");
    let old = ("refresh_token", "5Aep861-refresh");
    let user = ("username", "integration@example.com");
    for (form, status, error) in [
        (vec![cc, id, secret], 200, ""),
        (vec![cc, ("client_id", "x"), secret], 400, "invalid_client_id"),
        (vec![cc, id, ("client_secret", "x")], 400, "invalid_client"),
        (vec![("grant_type", "password"), id, secret, user, ("password", "pw")], 200, ""),
        (vec![("grant_type", "password"), id, secret, user], 400, "invalid_grant"),
        (vec![refresh, id, secret, old], 200, ""),
        (vec![refresh, id, secret, old], 400, "invalid_grant"),
        (vec![("grant_type", "implicit"), id], 400, "unsupported_grant_type"),
        (vec![id], 400, "invalid_request"),
    ] {
        assert_eq!(refused(&oauth(&world, "token", &form).await), (status, error.to_string()), "{form:?}");
    }
    world.salesforce.configure(|settings| settings.run_as = false);
    let (_, body) = oauth(&world, "token", &[cc, id, secret]).await;
    assert_eq!(body["error_description"], "no client credentials user enabled");

    world.salesforce.configure(|settings| settings.run_as = true);
    let api = Api::salesforce(&world).await;
    let token = oauth(&world, "token", &[cc, id, secret]).await.1["access_token"].as_str().unwrap().to_string();
    let seen = oauth(&world, "introspect", &[id, secret, ("token", &token)]).await.1;
    assert_eq!((&seen["active"], &seen["exp"]), (&json!(true), &json!(1_795_528_800)));
    let who = api.at(world.url("salesforce")).get("/services/oauth2/userinfo").await.1;
    assert_eq!(
        (&who["user_id"], &who["organization_id"]),
        (&json!("005000000000001AAA"), &json!("00D000000000001EAA"))
    );
    assert_eq!(oauth(&world, "revoke", &[("token", &token)]).await.0, 200);
    assert_eq!(oauth(&world, "introspect", &[id, secret, ("token", &token)]).await.1, json!({"active": false}));
    // sessions slide with use, and die without
    for (now, status) in [("13:30", 200), ("15:00", 200), ("19:00", 401)] {
        world.clock.set(format!("2026-11-24T{now}:00Z").parse().unwrap());
        assert_eq!(api.get("/limits").await.0, status, "{now}");
    }
    let soap = |version: &str, password: &str| {
        let body =
            format!("<e><n1:username>integration@example.com</n1:username><n1:password>{password}</n1:password></e>");
        Client::new().post(format!("{}/services/Soap/u/{version}", world.url("salesforce"))).body(body)
    };
    let answered = soap("59.0", "pwtok").send().await.unwrap().text().await.unwrap();
    let session = answered.split("<sessionId>").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(api.signed(&format!("Bearer {session}")).get("/limits").await.0, 200);
    assert!(soap("59.0", "").send().await.unwrap().text().await.unwrap().contains("INVALID_LOGIN"));
    assert_eq!(soap("65.0", "pwtok").send().await.unwrap().status(), 500);
    world.stop().await;
}

#[tokio::test]
async fn queries() {
    let world = start(None).await;
    let account = put(&world, "Account", "acme", json!({"Name": "Acme"}));
    let ids: Vec<String> = (0..4)
        .map(|at| {
            let stage = ["Closed Won", "Prospecting"][at % 2];
            let more = json!({"AccountId": account, "Amount": at.to_string(), "StageName": stage,
                "CloseDate": format!("2026-11-2{at}"), "SOW_Number__c": format!("S{at}"), "LeadSource": "a;b"});
            world.salesforce.put(&format!("d{at}"), "Opportunity", "", deal(&format!("Deal {at}"), more)).unwrap()
        })
        .collect();
    for (at, quantity) in [(0, 2), (0, 3), (1, 1)] {
        let line = json!({"OpportunityId": ids[at], "Quantity": quantity, "UnitPrice": "10"});
        put(&world, "OpportunityLineItem", "", line);
    }
    let api = Api::salesforce(&world).await;
    for (filter, names) in [
        ("Amount > 1 AND IsWon = true", "0 2"),
        ("(Amount = 2 OR SOW_Number__c = 's3') AND NOT Name LIKE '%2'", "3"),
        ("Id IN (SELECT OpportunityId FROM OpportunityLineItem WHERE Quantity > 1)", "0"),
        ("Id NOT IN (SELECT OpportunityId FROM OpportunityLineItem)", "2 3"),
        ("SOW_Number__c IN ('S1', 'S3')", "1 3"),
        ("SOW_Number__c NOT IN ('S1', 'S3') AND Account.Name = 'acme'", "0 2"),
        ("LeadSource INCLUDES ('a;b', 'z') AND Amount = 3", "3"),
        ("CloseDate = TODAY", ""),
        ("CloseDate < TODAY AND CloseDate >= LAST_N_DAYS:2", "2 3"),
        ("CreatedDate = TODAY", "0 1 2 3"),
        ("NextStep = null AND SystemModstamp >= 2026-11-24T13:00:00%2B01:00", ""),
        ("SystemModstamp >= 2026-11-24T13:00:00+01:00 AND SystemModstamp < 2026-11-24T12:00:01Z", "0 1 2 3"),
    ] {
        let found = api.soql(&format!("SELECT Name FROM Opportunity o WHERE {filter} ORDER BY o.Name")).await;
        let found = found.map(|body| {
            let names =
                body["records"].as_array().unwrap().iter().map(|row| row["Name"].as_str().unwrap()[5..].to_string());
            names.collect::<Vec<_>>().join(" ")
        });
        match filter.contains("%2B") {
            true => assert_eq!(found, Err("INVALID_FIELD".to_string())),
            false => assert_eq!(found, Ok(names.to_string()), "{filter}"),
        }
    }
    for (soql, code) in [
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Id FROM Nothings) FROM Opportunity", "INVALID_TYPE"),
        ("SELECT Boss__r.Name FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Amount = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Name = x", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT FIELDS(ALL) FROM Opportunity", "MALFORMED_QUERY"),
        ("SELECT Name, COUNT(Id) FROM Opportunity", "MALFORMED_QUERY"),
        ("SELECT Id FROM ContentDocumentLink", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE", "MALFORMED_QUERY"),
    ] {
        assert_eq!(api.soql(soql).await, Err(code.to_string()), "{soql}");
    }
    let sub = api
        .soql("SELECT Id, (SELECT Quantity FROM OpportunityLineItems) FROM Opportunity ORDER BY Name")
        .await
        .unwrap();
    assert_eq!(sub["records"][0]["OpportunityLineItems"]["totalSize"], 2);
    assert_eq!(sub["records"][3]["OpportunityLineItems"], Value::Null);
    let sums = "SELECT StageName, COUNT(Id) n, SUM(Amount), MAX(CloseDate) FROM Opportunity GROUP BY StageName";
    let sums = api.soql(sums).await.unwrap();
    let won = json!({"attributes": {"type": "AggregateResult"}, "StageName": "Closed Won", "n": 2, "expr0": 52.0, "expr1": "2026-11-22"});
    assert_eq!((&sums["totalSize"], &sums["records"][0]), (&json!(2), &won));
    let count = api.soql("SELECT COUNT() FROM Opportunity").await.unwrap();
    assert_eq!(count, json!({"totalSize": 4, "done": true, "records": []}));
    let deep = api.soql("SELECT Opportunity.Account.Name FROM OpportunityLineItem LIMIT 1").await.unwrap();
    assert_eq!(deep["records"][0]["Opportunity"]["Account"]["Name"], "Acme");
    world.stop().await;
}

#[tokio::test]
async fn locators_die_and_late_rows_come() {
    let world = start(None).await;
    let lot =
        LotSpec::new(9, deal("Deal {n}", json!({"SOW_Number__c": "S{n}"})), "2026-11-24T11:00:00Z".parse().unwrap());
    world.salesforce.generate("lot", "Opportunity", &lot.tied(4)).unwrap();
    world.salesforce.configure(|settings| (settings.page_size, settings.open_locators) = (4, 2));
    let api = Api::salesforce(&world).await;
    let all = "SELECT Id, SystemModstamp FROM Opportunity ORDER BY SystemModstamp, Id";
    let mut first = Vec::new();
    for _ in 0..3 {
        let page = api.soql(all).await.unwrap();
        assert_eq!((&page["totalSize"], page["records"].as_array().unwrap().len()), (&json!(9), 4));
        first.push(page["nextRecordsUrl"].as_str().unwrap().replace("/services/data/v62.0", ""));
    }
    let dead = (400, "INVALID_QUERY_LOCATOR".to_string());
    assert_eq!(refused(&api.get(&first[0]).await), dead);
    let (_, second) = api.get(&first[2]).await;
    let (_, last) = api.get(&second["nextRecordsUrl"].as_str().unwrap().replace("/services/data/v62.0", "")).await;
    assert_eq!((&last["done"], last.get("nextRecordsUrl"), &last["totalSize"]), (&json!(true), None, &json!(9)));
    world.clock.set("2026-11-26T12:00:01Z".parse().unwrap());
    let api = Api::salesforce(&world).await;
    assert_eq!(refused(&api.get(&first[1]).await), dead);

    // a long transaction: the row's stamp is older than what was visible before it
    let now = api.soql(&format!("{all} LIMIT 1 OFFSET 8")).await.unwrap()["records"][0]["SystemModstamp"].clone();
    world.salesforce.set_commit_lag(172_800_000);
    put(&world, "Opportunity", "", json!({"Name": "late"}));
    let late = "SELECT Name FROM Opportunity WHERE Name = 'late' AND SystemModstamp = 2026-11-24T12:00:01Z";
    assert_eq!(
        (now, api.soql(late).await.unwrap()["totalSize"].clone()),
        (json!("2026-11-24T11:00:02.000+0000"), json!(1))
    );
    let window = "/sobjects/Opportunity/updated/?start=2026-11-24T12:00:30%2B00:00&end=2026-11-26T12:00:00Z";
    let (_, body) = api.get(window).await;
    assert_eq!(body["latestDateCovered"], "2026-11-24T12:00:01.000+0000");
    assert_eq!(body["ids"].as_array().unwrap().len(), 1);
    for (query, code) in [
        ("start=2019-01-01T00:00:00Z&end=2026-11-26T12:00:00Z", "INVALID_REPLICATION_DATE"),
        ("start=2026-11-26T12:00:10Z&end=2026-11-26T12:00:50Z", "INVALID_REPLICATION_DATE"),
        ("start=2026-08-01T00:00:00Z&end=2026-11-26T12:00:00Z", ""),
    ] {
        let answered = api.get(&format!("/sobjects/Opportunity/updated?{query}")).await;
        assert_eq!(refused(&answered).1, code, "{query}");
    }
    // one of the lot: found by its key, changed, deleted, purged
    let id = api.get("/sobjects/Opportunity/SOW_Number__c/s7").await.1["Id"].as_str().unwrap().to_string();
    let place = format!("/sobjects/Opportunity/{id}");
    assert_eq!(api.call("PATCH", &place, json!({"NextStep": "x", "SOW_Number__c": "T7"})).await.0, 204);
    assert_eq!(api.get("/sobjects/Opportunity/SOW_Number__c/S7").await.0, 404);
    assert_eq!(api.call("DELETE", &place, Value::Null).await.0, 204);
    assert_eq!(refused(&api.call("DELETE", &place, Value::Null).await), (404, "ENTITY_IS_DELETED".into()));
    let gone = "/sobjects/Opportunity/deleted/?start=2026-11-26T12:00:00Z&end=2026-11-26T12:05:00Z";
    assert_eq!(api.get(gone).await.1["deletedRecords"][0]["id"], json!(id));
    let every = |verb: &str| api.request("GET", verb, &Value::Null).query(&[("q", "SELECT COUNT() FROM Opportunity")]);
    assert_eq!(
        (answer(every("/query")).await.1["totalSize"].clone(), answer(every("/queryAll")).await.1["totalSize"].clone()),
        (json!(9), json!(10))
    );
    world.salesforce.purge("p", "Opportunity", &id).unwrap();
    assert_eq!(answer(every("/queryAll")).await.1["totalSize"], 9);
    world.stop().await;
}

#[tokio::test]
async fn what_the_org_refuses() {
    let world = start(None).await;
    let api = Api::salesforce(&world).await;
    put(&world, "Milestone__c", "one", json!({"External_Id__c": "twin"}));
    put(&world, "Milestone__c", "two", json!({"External_Id__c": "twin"}));
    let account = put(&world, "Account", "acme", json!({"Name": "Acme"}));
    let key = "/sobjects/Milestone__c/External_Id__c";
    let long = format!("/query?q={}", "x".repeat(17_000));
    for (method, path, body, status, code) in [
        ("PATCH", format!("{key}/twin"), json!({}), 300, ""),
        ("PATCH", key.to_string(), json!({"Name": "x"}), 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", format!("{key}/new"), Value::Null, 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", format!("{key}/new?updateOnly=true"), json!({}), 404, "NOT_FOUND"),
        ("PATCH", format!("{key}/new"), json!({"External_Id__c": "new"}), 400, "INVALID_FIELD"),
        ("PATCH", "/sobjects/Milestone__c/Status__c/x".into(), json!({}), 404, "NOT_FOUND"),
        ("POST", "/sobjects/Account".into(), json!({}), 400, "REQUIRED_FIELD_MISSING"),
        ("POST", "/sobjects/Account".into(), json!({"Name": "x", "Id": "y"}), 400, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("POST", "/sobjects/Account".into(), json!({"Name": "x".repeat(256)}), 400, "STRING_TOO_LONG"),
        ("POST", "/sobjects/Account".into(), json!({"Name": "x", "ParentId": "y"}), 400, "MALFORMED_ID"),
        ("POST", "/sobjects/Milestone__c".into(), json!({"External_Id__c": "TWIN"}), 400, "DUPLICATE_VALUE"),
        ("GET", long, Value::Null, 414, ""),
        ("GET", "/nosuch".into(), Value::Null, 404, "NOT_FOUND"),
        ("GET", "/query".into(), Value::Null, 400, "MALFORMED_QUERY"),
    ] {
        let answered = api.call(method, &path, body).await;
        assert_eq!(refused(&answered), (status, code.to_string()), "{method} {path:.80}");
    }
    assert_eq!(refused(&api.at(world.url("salesforce")).get("/services/data/v30.0/limits").await).0, 410);
    let versions = api.signed("").at(world.url("salesforce")).get("/services/data").await.1;
    assert_eq!(versions[35], json!({"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"}));
    let big = api.request("GET", "/limits", &Value::Null).header("x-big", "x".repeat(33_000));
    assert_eq!(answer(big).await.0, 431);
    let text = api.request("POST", "/sobjects/Account", &Value::Null).header("content-type", "text/plain").body("x");
    assert_eq!(answer(text).await.0, 415);

    // somebody holds the account: the account itself and its children are locked
    world.salesforce.lock("l", "Account", &account, "2026-11-24T12:01:00Z".parse().unwrap(), false).unwrap();
    let child = json!({"Name": "d", "StageName": "x", "CloseDate": "2026-01-01", "AccountId": account});
    assert_eq!(refused(&api.call("POST", "/sobjects/Opportunity", child.clone()).await).1, "UNABLE_TO_LOCK_ROW");
    world.clock.set("2026-11-24T12:01:00Z".parse().unwrap());
    assert_eq!(api.call("POST", "/sobjects/Opportunity", child).await.0, 201);
    world.salesforce.configure(|settings| settings.duplicate_rules = vec!["Account.Name".into()]);
    let (status, body) = api.call("POST", "/sobjects/Account", json!({"Name": "ACME"})).await;
    assert_eq!((status, &body[0]["duplicateResut"]["allowSave"]), (400, &json!(true)));
    let again = api
        .request("POST", "/sobjects/Account", &json!({"Name": "ACME"}))
        .header("sforce-duplicate-rule-header", "allowSave=true");
    assert_eq!(answer(again).await.0, 201);

    let before = api.request("GET", &format!("/sobjects/Account/{account}"), &Value::Null).send().await.unwrap();
    let (tag, since) = (header(&before, "etag"), header(&before, "last-modified"));
    world.clock.set("2026-11-24T12:02:00Z".parse().unwrap());
    let patch = |name: &str, value: &str| {
        api.request("PATCH", &format!("/sobjects/Account/{account}"), &json!({"Phone": "1"})).header(name, value)
    };
    assert_eq!(answer(patch("if-unmodified-since", &since)).await.0, 204);
    assert_eq!(answer(patch("if-unmodified-since", &since)).await.0, 412);
    assert_eq!(answer(patch("if-match", &tag)).await.0, 412);
    world.salesforce.configure(|settings| (settings.daily_limit, settings.per_app_usage) = (1, true));
    let over = api.request("GET", "/limits", &Value::Null).send().await.unwrap();
    assert!(header(&over, "sforce-limit-info").contains("per-app-api-usage="));
    assert_eq!(over.status(), 403);
    world.clock.set("2026-11-25T13:00:00Z".parse().unwrap());
    assert_eq!(Api::salesforce(&world).await.get("/limits").await.0, 200, "a day has rolled by");
    world.stop().await;
}

#[tokio::test]
async fn described_fields() {
    let world = start(None).await;
    let api = Api::salesforce(&world).await;
    let described = |body: &Value, name: &str| {
        body["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).cloned().unwrap_or_default()
    };
    let first = api.request("GET", "/sobjects/Opportunity/describe", &Value::Null).send().await.unwrap();
    let since = header(&first, "last-modified");
    let body: Value = first.json().await.unwrap();
    let amount = described(&body, "Amount");
    assert_eq!(
        (&amount["precision"], &amount["scale"], &amount["soapType"]),
        (&json!(18), &json!(2), &json!("xsd:double"))
    );
    assert_eq!(described(&body, "StageName")["picklistValues"][8]["value"], "Closed Won");
    let children = body["childRelationships"].as_array().unwrap();
    assert!(children.iter().any(|child| child["relationshipName"] == "OpportunityLineItems"));
    let known = |path: &str| api.request("GET", path, &Value::Null).header("if-modified-since", &since);
    assert_eq!(answer(known("/sobjects/Opportunity/describe")).await.0, 304);
    let call = json!({"method": "GET", "url": "/services/data/v62.0/sobjects", "referenceId": "a", "httpHeaders": {"If-Modified-Since": since}});
    let inside = api.call("POST", "/composite", json!({"compositeRequest": [call]})).await.1;
    let inside = &inside["compositeResponse"][0];
    assert_eq!((&inside["httpStatusCode"], &inside["body"]), (&json!(304), &Value::Null));
    assert!(inside["httpHeaders"]["ETag"].is_string());
    world.clock.set("2026-11-24T12:05:00Z".parse().unwrap());
    world.salesforce.hide_field("Opportunity", "Amount", true).unwrap();
    world.salesforce.configure(|settings| settings.multi_currency = false);
    let (status, body) = answer(known("/sobjects/Opportunity/describe")).await;
    assert_eq!(
        (status, described(&body, "Amount"), described(&body, "CurrencyIsoCode")),
        (200, Value::Null, Value::Null)
    );
    for field in ["Amount", "CurrencyIsoCode"] {
        assert_eq!(api.soql(&format!("SELECT {field} FROM Opportunity")).await, Err("INVALID_FIELD".into()));
    }
    world.stop().await;
}

#[tokio::test]
async fn several_in_one() {
    let world = start(None).await;
    let api = Api::salesforce(&world).await;
    let v = "/services/data/v62.0";
    let make = |name: &str, reference: &str| json!({"method": "POST", "url": format!("{v}/sobjects/Account"), "referenceId": reference, "body": {"Name": name}});
    let chained = json!({"method": "POST", "url": format!("{v}/sobjects/Opportunity"), "referenceId": "deal",
        "body": {"Name": "d", "StageName": "Closed Won", "CloseDate": "2026-01-01", "AccountId": "@{acc.id}"}});
    let bad = json!({"method": "GET", "url": format!("{v}/sobjects/Account/nothing"), "referenceId": "bad"});
    let codes = |body: &Value| -> Vec<i64> {
        body["compositeResponse"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["httpStatusCode"].as_i64().unwrap())
            .collect()
    };
    let composite = |together: bool, calls: Vec<Value>| {
        api.call("POST", "/composite", json!({"allOrNone": together, "compositeRequest": calls}))
    };
    let (_, body) = composite(true, vec![make("A", "acc"), chained.clone()]).await;
    assert_eq!(codes(&body), [201, 201]);
    assert!(body["compositeResponse"][0]["httpHeaders"]["Location"].is_string());
    let (_, body) = composite(true, vec![make("B", "acc"), bad.clone(), chained.clone()]).await;
    assert_eq!(
        (codes(&body), &body["compositeResponse"][0]["body"][0]["errorCode"]),
        (vec![400, 404, 400], &json!("PROCESSING_HALTED"))
    );
    let (_, body) = composite(false, vec![make("C", "acc2"), chained]).await;
    assert_eq!(codes(&body), [201, 400], "the reference is unknown");
    assert_eq!(world.salesforce.records("Account").len(), 2);
    assert_eq!(composite(false, (0..26).map(|at| make("X", &format!("r{at}"))).collect()).await.0, 400);
    let query = |at: usize| json!({"method": "GET", "url": format!("{v}/query?q=x"), "referenceId": format!("q{at}")});
    assert_eq!(composite(false, (0..6).map(query).collect()).await.0, 400);

    let part = |url: &str| json!({"method": "GET", "url": url});
    let parts = vec![part("v62.0/limits"), part("v62.0/nosuch"), part("v62.0/limits")];
    let used = || async { api.get("/limits").await.1["DailyApiRequests"]["Remaining"].as_i64().unwrap() };
    let before = used().await;
    let (_, body) = api.call("POST", "/composite/batch", json!({"haltOnError": true, "batchRequests": parts})).await;
    assert_eq!((&body["hasErrors"], &body["results"][2]["statusCode"]), (&json!(true), &json!(412)));
    assert_eq!(before - used().await, 3, "each part that was tried, and the look at the limits");
    let graphs = json!({"graphs": [{"graphId": "1", "compositeRequest": [make("G", "a")]}, {"graphId": "2", "compositeRequest": [make("H", "a"), bad]}]});
    let (_, body) = api.call("POST", "/composite/graph", graphs).await;
    assert_eq!((&body["graphs"][0]["isSuccessful"], &body["graphs"][1]["isSuccessful"]), (&json!(true), &json!(false)));
    let child = json!({"attributes": {"type": "Opportunity", "referenceId": "c"}, "Name": "t", "StageName": "x", "CloseDate": "2026-01-01"});
    let tree = |child: Value| {
        let parent = json!({"attributes": {"type": "Account", "referenceId": "p"}, "Name": "T", "Opportunities": {"records": [child]}});
        api.call("POST", "/composite/tree/Account", json!({"records": [parent]}))
    };
    assert_eq!(tree(child.clone()).await.0, 201);
    let mut wrong = child;
    wrong["StageName"] = Value::Null;
    let (status, body) = tree(wrong).await;
    assert_eq!((status, &body["results"][0]["errors"][0]["statusCode"]), (400, &json!("REQUIRED_FIELD_MISSING")));
    assert_eq!(world.salesforce.records("Account").len(), 4);

    let ids: Vec<String> = world.salesforce.records("Account").iter().map(|row| row.text("Id")).collect();
    let (_, body) = api
        .call("POST", "/composite/sobjects/Account", json!({"ids": [ids[0], "001000000000999AAA"], "fields": ["Name"]}))
        .await;
    assert_eq!((&body[0]["Name"], &body[1]), (&json!("A"), &Value::Null));
    let (_, body) = api
        .call("DELETE", &format!("/composite/sobjects?allOrNone=true&ids={},001000000000999AAA", ids[0]), Value::Null)
        .await;
    assert_eq!(body[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    let records = r#"{"records":[{"Name":"x","attributes":{"type":"Milestone__c"}},{"attributes":{"type":"Milestone__c"},"External_Id__c":"k"},
        {"attributes":{"type":"Milestone__c"},"External_Id__c":"K"},{"attributes":{"type":"Milestone__c"},"External_Id__c":""}]}"#;
    let request = api.request("PATCH", "/composite/sobjects/Milestone__c/External_Id__c", &Value::Null);
    let (_, body) = answer(request.header("content-type", "application/json").body(records)).await;
    let codes: Vec<&Value> = body.as_array().unwrap().iter().map(|row| &row["errors"][0]["statusCode"]).collect();
    assert_eq!(codes, [&json!("JSON_PARSER_ERROR"), &Value::Null, &json!("DUPLICATE_EXTERNAL_ID"), &Value::Null]);
    world.stop().await;
}

#[tokio::test]
async fn milestones_of_the_package_and_amounts_of_products() {
    let world = start(None).await;
    let api = Api::salesforce(&world).await;
    let account = put(&world, "Account", "acme", json!({"Name": "Acme"}));
    let project = put(&world, "pse__Proj__c", "p", json!({"Name": "P", "pse__Account__c": account}));
    let other = put(&world, "pse__Proj__c", "o", json!({"Name": "O"}));
    let milestone = json!({"Name": "M", "pse__Project__c": project, "pse__Target_Date__c": "2026-12-01"});
    let id = api.call("POST", "/sobjects/pse__Milestone__c", milestone).await.1["id"].as_str().unwrap().to_string();
    let place = format!("/sobjects/pse__Milestone__c/{id}");
    world.salesforce.configure(|settings| settings.milestone_workflow = true);
    let stamp = || async { api.get(&place).await.1["SystemModstamp"].clone() };
    let rule = "FIELD_CUSTOM_VALIDATION_EXCEPTION";
    for (fields, code) in [
        (json!({"pse__Billed__c": true}), rule),
        (json!({"pse__Invoiced__c": true}), rule),
        (json!({"pse__Invoice_Number__c": "I-1"}), rule),
        (json!({"pse__Project__c": other}), rule),
        (json!({"pse__Status__c": "Approved"}), ""),
    ] {
        assert_eq!(refused(&api.call("PATCH", &place, fields.clone()).await).1, code, "{fields}");
    }
    assert_eq!(api.get(&place).await.1["pse__Eligible_for_Billing__c"], "Yes");
    let before = stamp().await;
    world.clock.set("2026-11-24T12:10:00Z".parse().unwrap());
    put(&world, "pse__Proj__c", "p", json!({"pse__Account__c": null}));
    assert_eq!(
        (&api.get(&place).await.1["pse__Eligible_for_Billing__c"], stamp().await),
        (&json!("No"), before),
        "formulas move no stamp"
    );
    let write_back = json!({"pse__Billed__c": true, "pse__Invoiced__c": true, "pse__Invoice_Number__c": "I-1", "pse__Invoice_Date__c": "2026-11-24"});
    assert_eq!(api.call("PATCH", &place, write_back).await.0, 204);

    let id = world.salesforce.put("d", "Opportunity", "", deal("D", json!({}))).unwrap();
    let line = json!({"OpportunityId": id, "Quantity": 3, "UnitPrice": 20.5, "PricebookEntryId": "x"});
    assert_eq!(api.call("POST", "/sobjects/OpportunityLineItem", line).await.0, 201);
    assert_eq!(api.call("PATCH", &format!("/sobjects/Opportunity/{id}"), json!({"Amount": 1})).await.0, 204);
    assert_eq!(world.salesforce.record("Opportunity", &id).unwrap().text("Amount"), "61.5");
    assert_eq!(
        api.call("PATCH", &format!("/sobjects/Opportunity/{id}"), json!({"StageName": "Closed Lost"})).await.0,
        204
    );
    let history = "SELECT (SELECT Field, OldValue, NewValue FROM Histories) FROM Opportunity";
    let row = api.soql(history).await.unwrap()["records"][0]["Histories"]["records"][0].clone();
    assert_eq!(
        (&row["Field"], &row["OldValue"], &row["NewValue"]),
        (&json!("StageName"), &json!("Closed Won"), &json!("Closed Lost"))
    );
    world.stop().await;
}

#[tokio::test]
async fn files_and_tables() {
    let world = start(None).await;
    let api = Api::salesforce(&world).await;
    let id = world.salesforce.put("d", "Opportunity", "", deal("D", json!({}))).unwrap();
    for content in ["Zmlyc3Q=", "c2Vjb25k"] {
        let known = api
            .soql(&format!("SELECT ContentDocumentId FROM ContentDocumentLink WHERE LinkedEntityId = '{id}'"))
            .await
            .unwrap();
        let mut file = json!({"Title": "SOW", "PathOnClient": "sow.pdf", "VersionData": content});
        match known["records"][0]["ContentDocumentId"].as_str() {
            Some(document) => file["ContentDocumentId"] = json!(document),
            None => file["FirstPublishLocationId"] = json!(id),
        }
        assert_eq!(api.call("POST", "/sobjects/ContentVersion", file).await.0, 201);
    }
    let soql = "SELECT FileExtension, ContentSize, Checksum, VersionData, VersionNumber FROM ContentVersion WHERE IsLatest = true";
    let file = api.soql(soql).await.unwrap()["records"][0].clone();
    assert_eq!((&file["VersionNumber"], &file["Checksum"]), (&json!("2"), &json!("a9f0e61a137d86aa9db53465e0801612")));
    let place = file["VersionData"].as_str().unwrap();
    let bytes = api.at(world.url("salesforce")).request("GET", place, &Value::Null).send().await.unwrap();
    assert_eq!(
        (header(&bytes, "content-type"), bytes.text().await.unwrap()),
        ("application/octetstream".into(), "second".into())
    );
    let inside = json!({"compositeRequest": [{"method": "GET", "url": place, "referenceId": "a"}]});
    assert_eq!(api.call("POST", "/composite", inside).await.1["compositeResponse"][0]["httpStatusCode"], 400);

    let job = api
        .call("POST", "/jobs/query", json!({"operation": "query", "query": "SELECT Id, CreatedDate FROM Opportunity"}))
        .await
        .1;
    let place = format!("/jobs/query/{}", job["id"].as_str().unwrap());
    assert_eq!(
        (job["state"].clone(), api.get(&place).await.1["state"].clone()),
        (json!("UploadComplete"), json!("InProgress"))
    );
    assert_eq!(api.get(&place).await.1["state"], "JobComplete");
    let results = api.request("GET", &format!("{place}/results"), &Value::Null).send().await.unwrap();
    assert_eq!(
        (header(&results, "sforce-locator"), header(&results, "sforce-numberofrecords")),
        ("null".into(), "1".into())
    );
    assert!(results.text().await.unwrap().ends_with("000Z\"\n"));
    assert_eq!(api.get(&place.replace("/query/", "//query/")).await.0, 404);
    let head = api.request("HEAD", &format!("/sobjects/Opportunity/{id}"), &Value::Null).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap()), (200, String::new()));
    world.stop().await;
}
