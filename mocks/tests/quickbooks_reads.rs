//! QuickBooks: queries, change data capture, batches, limits, tokens.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::{FaultSpec, LotSpec};
use reqwest::Client;
use serde_json::{Value, json};
use world::erp::{Company, company, fault, sale};
use world::{answer, fields, header};

/// Invoices L-1 and so on, two of each second from 24 November 2026, 10:00 UTC on.
async fn with_invoices(count: u64) -> Company {
    let company = company().await;
    let lot = LotSpec::new(count, fields(sale("L-{n}", "5")), "2026-11-24T10:00:00Z".parse().unwrap()).tied(2);
    company.0.quickbooks.generate("g", "Invoice", &lot).unwrap();
    company
}

fn numbers(answer: &Value) -> Vec<&str> {
    let rows = answer["QueryResponse"]["Invoice"].as_array();
    rows.map(|rows| rows.iter().filter_map(|row| row["DocNumber"].as_str()).collect()).unwrap_or_default()
}

#[tokio::test]
async fn queries() {
    let company = with_invoices(5).await;
    for (text, found) in [
        ("SELECT * FROM Invoice", &["L-1", "L-2", "L-3", "L-4", "L-5"][..]),
        ("select * from invoice where DocNumber = 'L-2'", &["L-2"]),
        ("Select * From Invoice Where DocNumber IN ('L-2', 'L-9', 'L-4')", &["L-2", "L-4"]),
        ("select * from Invoice where DocNumber LIKE '%-3'", &["L-3"]),
        ("select * from Invoice where DocNumber LIKE 'L_3'", &[]),
        (
            "select * from Invoice where TxnDate = '2026-11-20' and TotalAmt > '4.99' startposition 2 maxresults 2",
            &["L-2", "L-3"],
        ),
        ("select * from Invoice where CustomerRef = '101' orderby Id DESC maxresults 1", &["L-5"]),
        ("select * from Invoice where Id = '103'", &["L-3"]),
        (
            "select * from Invoice where MetaData.LastUpdatedTime >= '2026-11-24T02:00:01-08:00' ORDER BY DocNumber DESC",
            &["L-5", "L-4", "L-3"],
        ),
        ("select * from Invoice where Balance = '0'", &[]),
        ("select * from Invoice startposition 6", &[]),
    ] {
        let answer = company.query(text).await;
        assert_eq!(numbers(&answer), found, "{text}: {answer}");
        if found.is_empty() {
            assert_eq!(answer["QueryResponse"], json!({}), "no key of the entity: {text}");
        }
    }
    assert_eq!(company.query("select count(*) from Invoice").await["QueryResponse"], json!({"totalCount": 5}));
    assert_eq!(company.query("select * from Customer where DisplayName = 'Ac\\'me'").await["QueryResponse"], json!({}));
    let inactive = json!({"Id": "101", "SyncToken": "0", "sparse": true, "Active": false});
    assert_eq!(company.post("/customer", inactive).await.0, 200);
    assert_eq!(company.query("select * from Customer").await["QueryResponse"], json!({}));
    assert_eq!(
        company.query("select * from Customer where Active IN (true, false)").await["QueryResponse"]["maxResults"],
        1
    );
    let codes = company.query("select * from TaxCode orderby Name DESC").await["QueryResponse"]["TaxCode"].clone();
    let codes: Vec<&str> = codes.as_array().unwrap().iter().filter_map(|code| code["Id"].as_str()).collect();
    assert_eq!(codes, ["TAX", "NON", "2"], "ids may be words");
    assert_eq!(company.query("select * from CompanyInfo").await["QueryResponse"]["CompanyInfo"][0]["Id"], "1");
    for (text, code) in [
        ("select * from Invoice startposition 0", "4001"),
        ("select * from Invoice maxresults 1001", "4001"),
        ("select * from Invoice where PrivateNote = 'x'", "4001"),
        ("select * from Invoice where LinkedTxn = 'x'", "4001"),
        ("select * from Invoice where CustomField = 'x'", "4001"),
        ("select * from Invoice where TxnStatus = 'x'", "4001"),
        ("select * from Nothing", "4001"),
        ("select * from Invoice where Id = '1' or Id = '2'", "4000"),
        ("select * from Invoice where Id != '1'", "4000"),
        ("select * from Invoice group by Id", "4000"),
        ("Invoice", "4000"),
    ] {
        let (status, answer) = answer(company.call("GET", "/query").query(&[("query", text)])).await;
        assert_eq!((status, fault(&answer)), (400, code), "{text}: {answer}");
    }
    company.0.stop().await;
}

#[tokio::test]
async fn changes_are_whole_objects_and_ghosts_of_a_month() {
    let company = with_invoices(1500).await;
    company.0.clock.set("2026-11-24T12:30:00Z".parse().unwrap());
    company.0.quickbooks.delete_record("d", "Invoice", "101").unwrap();
    let cdc = async |entities: &str, since: &str| {
        company.get(&format!("/cdc?entities={entities}&changedSince={since}")).await
    };
    let (_, body) = cdc("Invoice,Customer", "2026-11-24T10:00:00Z").await;
    let groups = body["CDCResponse"][0]["QueryResponse"].as_array().unwrap();
    let rows = groups[0]["Invoice"].as_array().unwrap();
    // a thousand objects in one answer, the oldest changes first, so that a client can go on where it ended
    assert_eq!((rows.len(), &rows[0]["DocNumber"], &groups[1]), (1000, &json!("L-2"), &json!({})));
    let (_, body) = cdc("Invoice,Payment", "2026-11-24T12:00:00Z").await;
    let rows = &body["CDCResponse"][0]["QueryResponse"][0]["Invoice"];
    assert_eq!(
        rows[0],
        json!({"domain": "QBO", "status": "Deleted", "Id": "101", "MetaData": {"LastUpdatedTime": "2026-11-24T04:30:00-08:00"}})
    );
    assert_eq!(cdc("Invoice", "2026-10-25T12:30:00Z").await.0, 200);
    for (entities, since) in
        [("Invoice", "2026-10-25T12:29:59Z"), ("TaxCode", "2026-11-24T00:00:00Z"), ("Invoice", "yesterday")]
    {
        let (status, body) = cdc(entities, since).await;
        assert_eq!((status, fault(&body)), (400, "4001"), "{entities} {since}");
    }
    company.0.stop().await;
}

#[tokio::test]
async fn batches_mix_outcomes() {
    let company = company().await;
    let item = |id: &str, name: &str| json!({"bId": id, "operation": "create", "Customer": {"DisplayName": name}});
    let batch = async |path: &str, items: Value| {
        company.post(&format!("/batch{path}"), json!({"BatchItemRequest": items})).await
    };
    let (status, body) = batch(
        "",
        json!([item("1", "B"), item("2", "Acme"), {"bId": "3", "Query": "select * from Term"},
        {"bId": "4", "operation": "delete", "Invoice": {"Id": "9", "SyncToken": "0"}}]),
    )
    .await;
    let rows = body["BatchItemResponse"].as_array().unwrap();
    assert_eq!((status, &rows[0]["Customer"]["DisplayName"], &rows[0]["bId"]), (200, &json!("B"), &json!("1")));
    assert_eq!(
        (fault(&rows[1]), rows[2]["QueryResponse"]["Term"].as_array().unwrap().len(), fault(&rows[3])),
        ("6240", 5, "610")
    );
    // a throttle inside: what stands before it is done
    company.0.quickbooks.throttle_batch_items(1);
    let (status, body) = batch("", json!([item("1", "C"), item("2", "D")])).await;
    assert_eq!((status, fault(&body["BatchItemResponse"][1])), (200, "3001"));
    assert_eq!(company.0.quickbooks.records("Customer").len(), 3);
    let (_, first) = batch("?requestid=q1", json!([item("1", "E")])).await;
    assert_eq!(batch("?requestid=q1", json!([item("1", "E")])).await.1, first);
    for (path, items) in [
        ("", json!((0..31).map(|at| item(&at.to_string(), &format!("m{at}"))).collect::<Vec<_>>())),
        ("?requestid=q2", json!([item("12345678901", "F")])),
        ("?requestid=1234567890123456789012345678901234567", json!([item("1", "F")])),
    ] {
        assert_eq!(batch(path, items).await.0, 400, "{path}");
    }
    assert_eq!(
        batch("", json!([item("0f8fad5b-d9cb-469f-a165-70867728950e", "G")])).await.0,
        200,
        "long ids without a requestid"
    );
    company.0.stop().await;
}

#[tokio::test]
async fn limits_move_with_the_clock() {
    let company = company().await;
    let erp = &company.0.quickbooks;
    erp.set_limits(15, 10);
    let get = async || company.get("/invoice/1").await.0;
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(get().await);
    }
    assert_eq!((statuses[9], statuses[10]), (400, 429), "ten in a second");
    company.0.clock.set("2026-11-24T12:00:02Z".parse().unwrap());
    statuses.clear();
    for _ in 0..6 {
        statuses.push(get().await);
    }
    assert_eq!(statuses, [400, 400, 400, 400, 400, 429], "fifteen in a minute");
    company.0.clock.set("2026-11-24T12:02:00Z".parse().unwrap());
    // both shapes are heard of; neither says how long to wait
    company.0.faults.inject("quickbooks", FaultSpec::new("throttle").times(2)).unwrap();
    let call = async || {
        let response = company.call("GET", "/invoice/1").send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (429, String::new()));
        assert!(!header(&response, "intuit_tid").is_empty());
        response.json::<Value>().await.unwrap()
    };
    let (one, two) = (call().await, call().await);
    assert_eq!((fault(&one), &two["fault"]["error"][0]["code"]), ("003001", &json!("3001")));
    erp.set_limits(1000, 1000);
    let batch = async || company.post("/batch", json!({"BatchItemRequest": []})).await.0;
    for _ in 0..40 {
        assert_eq!(batch().await, 200);
    }
    assert_eq!((batch().await, get().await), (429, 400), "forty batches in a minute");
    company.0.stop().await;
}

#[tokio::test]
async fn reads_are_metered_by_the_month_and_writes_are_not() {
    let company = company().await;
    let erp = &company.0.quickbooks;
    erp.set_monthly_reads(3);
    company.invoice("A", "5").await;
    assert_eq!(company.get("/invoice/101").await.0, 200);
    company.query("select * from Invoice").await;
    assert_eq!((company.get("/cdc?entities=Invoice&changedSince=2026-11-24").await.0, erp.metered_reads()), (200, 3));
    assert_eq!(company.get("/invoice/101").await.0, 429);
    let (_, body) =
        company.post("/batch", json!({"BatchItemRequest": [{"bId": "1", "Query": "select * from Term"}]})).await;
    assert_eq!(fault(&body["BatchItemResponse"][0]), "3001");
    company.invoice("B", "5").await;
    company.0.clock.set("2026-12-01T00:00:00Z".parse().unwrap());
    let url = format!("{}/oauth2/v1/tokens/bearer", company.0.url("quickbooks"));
    let form = [("grant_type", "refresh_token"), ("refresh_token", "rt-smoke-1")];
    let token =
        answer(Client::new().post(url).basic_auth("cid", Some("csecret")).form(&form)).await.1["access_token"].clone();
    let get = Client::new().get(format!("{}/v3/company/9341452000000001/invoice/101", company.0.url("quickbooks")));
    assert_eq!(answer(get.bearer_auth(token.as_str().unwrap()).header("accept", "application/json")).await.0, 200);
    let usage = erp.usage();
    assert_eq!(
        (usage["writes"], usage["reads_metered"], usage["queries"], usage["cdc"], usage["batches"]),
        (3, 4, 1, 1, 1)
    );
    company.0.stop().await;
}

#[tokio::test]
async fn refresh_tokens_change_by_the_day_and_the_old_one_is_dead() {
    let company = company().await;
    let url = |path: &str| format!("{}{path}", company.0.url("quickbooks"));
    let refresh = async |token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        answer(Client::new().post(url("/oauth2/v1/tokens/bearer")).basic_auth("cid", Some("csecret")).form(&form)).await
    };
    let (_, first) = refresh("rt-smoke-1").await;
    assert_eq!(
        (&first["refresh_token"], &first["expires_in"], &first["x_refresh_token_expires_in"]),
        (&json!("rt-smoke-2"), &json!(3600), &json!(8_726_400))
    );
    assert_eq!(
        refresh("rt-smoke-1").await,
        (400, json!({"error_description": "Incorrect or invalid refresh token", "error": "invalid_grant"}))
    );
    let (_, second) = refresh("rt-smoke-2").await;
    assert_eq!(second["refresh_token"], "rt-smoke-2", "the same value within a day");
    assert_ne!(second["access_token"], first["access_token"]);
    company.0.clock.set("2026-11-25T12:00:00Z".parse().unwrap());
    assert_eq!(refresh("rt-smoke-2").await.1["refresh_token"], "rt-smoke-3");
    company.0.clock.set("2031-11-23T12:00:00Z".parse().unwrap());
    assert_eq!(refresh("rt-smoke-3").await.0, 400, "a hundred days without use");
    let wrong = Client::new().post(url("/oauth2/v1/tokens/bearer")).basic_auth("cid", Some("wrong"));
    assert_eq!(answer(wrong.form(&[("grant_type", "refresh_token")])).await.0, 401);

    let consent = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let asked =
        [("client_id", "cid"), ("response_type", "code"), ("redirect_uri", "https://a.test/cb"), ("state", "s")];
    let sent = consent.get(url("/connect/oauth2")).query(&asked).send().await.unwrap();
    let address = header(&sent, "location");
    assert!(sent.status().as_u16() == 302 && address.ends_with("&state=s&realmId=9341452000000001"), "{address}");
    let code = address.split("code=").nth(1).unwrap().split('&').next().unwrap().to_string();
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", "https://a.test/cb")];
    let grant = async || {
        answer(Client::new().post(url("/oauth2/v1/tokens/bearer")).basic_auth("cid", Some("csecret")).form(&form)).await
    };
    let (status, tokens) = grant().await;
    assert_eq!((status, grant().await.0), (200, 400), "a code is good once");
    let revoke = Client::new().post(url("/v2/oauth2/tokens/revoke")).basic_auth("cid", Some("csecret"));
    assert_eq!(answer(revoke.json(&json!({"token": tokens["refresh_token"]}))).await.0, 200);
    assert_eq!(refresh(tokens["refresh_token"].as_str().unwrap()).await.0, 400);
    let other =
        Client::new().get(url("/v3/company/1/invoice/1")).bearer_auth("at-smoke").header("accept", "application/json");
    let (status, body) = answer(other).await;
    assert_eq!(
        (status, &body["fault"]["error"][0]["code"], &body["fault"]["type"]),
        (401, &json!("3200"), &json!("AUTHENTICATION"))
    );
    company.0.stop().await;
}

#[tokio::test]
async fn another_company_is_forbidden() {
    let company = company().await;
    let call = Client::new().get(format!("{}/v3/company/77/invoice/1", company.0.url("quickbooks")));
    let (status, body) = answer(call.bearer_auth("at-smoke").header("accept", "application/json")).await;
    assert_eq!((status, fault(&body)), (403, "3100"));
    company.0.stop().await;
}
