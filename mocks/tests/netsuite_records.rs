//! NetSuite: the REST record service, fact by fact.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::{FaultSpec, LotSpec};
use serde_json::{Value, json};
use world::erp::{account, code, detail};
use world::{answer, fields, header};

fn line(amount: i64) -> Value {
    json!({"item": {"id": "5"}, "quantity": 1, "amount": amount})
}

type Refused = (&'static str, &'static str, Value, u16, &'static str, &'static str);

/// Method, path, body; status, code, part of the detail.
fn refused() -> Vec<Refused> {
    let customer = json!({"id": "101"});
    let invoice = |more: Value| {
        let mut body = json!({"entity": customer, "item": {"items": [line(5)]}});
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    let journal = |debit: i64, credit: i64| {
        let lines = json!([{"account": {"id": "122"}, "debit": debit}, {"account": {"id": "123"}, "credit": credit}]);
        json!({"line": {"items": lines}})
    };
    let closed = "The transaction date you specified is not within the date range of your accounting period.";
    vec![
        ("POST", "/record/v1/nope", json!({}), 404, "NONEXISTENT_ID", "nope"),
        ("GET", "/record/v1/invoice/999", json!({}), 404, "NONEXISTENT_ID", ""),
        ("GET", "/record/v1/customer/eid:C%7C1", json!({}), 400, "INVALID_PARAMETER", "external ID"),
        (
            "POST",
            "/record/v1/invoice",
            json!({"item": {"items": [line(5)]}}),
            400,
            "USER_ERROR",
            "Please enter value(s) for: Customer",
        ),
        (
            "POST",
            "/record/v1/invoice",
            json!({"entity": customer, "item": {"items": [{"amount": 1}]}}),
            400,
            "USER_ERROR",
            "Please enter value(s) for: Item",
        ),
        (
            "POST",
            "/record/v1/invoice",
            invoice(json!({"entity": {"id": "7"}})),
            400,
            "USER_ERROR",
            "Invalid Field Value 7",
        ),
        ("POST", "/record/v1/invoice", invoice(json!({"tranDate": "2026-10-31"})), 400, "USER_ERROR", closed),
        ("POST", "/record/v1/invoice", invoice(json!({"tranDate": "20/11/2026"})), 400, "INVALID_CONTENT", "tranDate"),
        (
            "POST",
            "/record/v1/invoice",
            invoice(json!({"exchangeRate": "much"})),
            400,
            "INVALID_CONTENT",
            "exchangeRate",
        ),
        ("POST", "/record/v1/invoice", invoice(json!({"toBeEmailed": "yes"})), 400, "INVALID_CONTENT", "toBeEmailed"),
        ("POST", "/record/v1/salesOrder", invoice(json!({"orderStatus": "Z"})), 400, "INVALID_CONTENT", "orderStatus"),
        ("POST", "/record/v1/journalEntry", journal(5, 4), 400, "USER_ERROR", "balanced"),
        ("PUT", "/record/v1/customer/101", json!({"memo": "x"}), 400, "USER_ERROR", "external ID"),
        ("POST", "/record/v1/currency", json!({"name": "X"}), 403, "INSUFFICIENT_PERMISSION", "Permission Violation"),
        ("POST", "/record/v1/revenuePlan", json!({}), 404, "NONEXISTENT_ID", "revenuePlan"),
        ("DELETE", "/record/v1/customer", json!({}), 405, "METHOD_NOT_ALLOWED", ""),
        ("GET", "/record/v1/customer?limit=1001", json!({}), 400, "INVALID_PARAMETER", "between 1 and 1000"),
        ("GET", "/record/v1/customer?q=companyName%20ALIKE%20x", json!({}), 400, "INVALID_PARAMETER", "ALIKE"),
        (
            "GET",
            "/record/v1/customer?q=lastModifiedDate%20AFTER%20%222026-11-01%22",
            json!({}),
            400,
            "INVALID_PARAMETER",
            "MM/DD/YYYY",
        ),
    ]
}

#[tokio::test]
async fn what_is_refused_and_how() {
    let account = account().await;
    account.world.netsuite.close_period("x", "2026-10-31").unwrap();
    for (method, path, body, status, expected, text) in refused() {
        let (got, answer) = account.send(method, path, body).await;
        assert_eq!((got, code(&answer)), (status, expected), "{method} {path}: {answer}");
        assert!(detail(&answer).contains(text), "{method} {path}: {answer}");
    }
    let broken = account.call("POST", "/record/v1/customer").body("{");
    assert_eq!(code(&answer(broken).await.1), "INVALID_CONTENT");
    // nothing of all that was written
    assert!(account.world.netsuite.documents().is_empty());
    account.world.stop().await;
}

#[tokio::test]
async fn unknown_properties_are_dropped_without_a_word_unless_asked() {
    let account = account().await;
    let body = json!({"companyName": "B", "memmo": "lost", "emailPreferenc": 1});
    for (asked, status) in
        [(None, 204), (Some("Warning"), 204), (Some("Ignore"), 204), (Some("Error"), 400), (Some("Loud"), 400)]
    {
        let mut call = account.call("POST", "/record/v1/customer").json(&body);
        if let Some(asked) = asked {
            call = call.header("X-NetSuite-PropertyNameValidation", asked);
        }
        assert_eq!(answer(call).await.0, status, "{asked:?}");
    }
    let kept = account.world.netsuite.record("customer", "102").unwrap();
    assert!(!kept.has("memmo") && kept.text("companyName") == "B");
    let wrong = json!({"companyName": "C", "isPerson": "perhaps"});
    let values = account.call("POST", "/record/v1/customer").json(&wrong);
    assert_eq!(answer(values.header("X-NetSuite-PropertyValueValidation", "Ignore")).await.0, 204);
    account.world.stop().await;
}

#[tokio::test]
async fn patch_changes_named_lines_adds_others_and_replaces_on_demand() {
    let account = account().await;
    account.order("so-1", json!([line(10), line(20)])).await;
    let lines = || {
        let record = account.world.netsuite.record("salesOrder", "eid:so-1").unwrap();
        record.list("item").iter().map(|line| (line.int("line"), line.text("amount"))).collect::<Vec<_>>()
    };
    let patch = async |path: &str, items: Value| {
        let body = json!({"item": {"items": items}});
        account.send("PATCH", &format!("/record/v1/salesOrder/eid:so-1{path}"), body).await.0
    };
    let pair = |line: i64, amount: &str| (line, amount.to_string());
    assert_eq!(patch("", json!([{"line": 1, "rate": 11}])).await, 204);
    assert_eq!(lines(), [pair(1, "11"), pair(2, "20")]);
    // sent twice, added twice
    assert_eq!((patch("", json!([line(5)])).await, patch("", json!([line(5)])).await), (204, 204));
    assert_eq!(lines(), [pair(1, "11"), pair(2, "20"), pair(3, "5"), pair(4, "5")]);
    assert_eq!(patch("?replace=item", json!([line(7)])).await, 204);
    assert_eq!(lines(), [pair(1, "7")]);
    assert_eq!(account.send("DELETE", "/record/v1/salesOrder/eid:so-1/item/1", json!({})).await.0, 405);
    // an upsert writes over what people changed meanwhile
    let put = json!({"entity": {"id": "101"}, "memo": "ours", "item": {"items": [line(9)]}});
    assert_eq!(account.send("PUT", "/record/v1/salesOrder/eid:so-1", put).await.0, 204);
    assert_eq!((lines(), account.world.netsuite.records("salesOrder").len()), (vec![pair(1, "9")], 1));
    account.world.stop().await;
}

#[tokio::test]
async fn records_are_shown_with_links_until_expanded() {
    let account = account().await;
    account.order("so-1", json!([line(10)])).await;
    let (_, plain) = account.send("GET", "/record/v1/salesOrder/eid:so-1", json!(null)).await;
    assert!(plain["item"]["links"][0]["href"].as_str().unwrap().ends_with("/salesorder/102/item"));
    assert!(plain["item"].get("items").is_none() && plain["entity"]["links"][0]["href"].is_string());
    assert_eq!(plain["status"], json!({"id": "F", "refName": "Pending Billing"}));
    assert!(plain["lastModifiedDate"].as_str().unwrap().ends_with(":00Z"));
    let path = "/record/v1/salesOrder/eid:so-1?expandSubResources=true&simpleEnumFormat=true&fields=item,status";
    let (_, shown) = account.send("GET", path, json!(null)).await;
    assert_eq!((&shown["item"]["totalResults"], &shown["status"]), (&json!(1), &json!("F")));
    assert!(shown.get("entity").is_none() && shown["id"] == "102");
    let (_, sublist) = account.send("GET", "/record/v1/salesOrder/102/item", json!(null)).await;
    assert_eq!(sublist["items"][0]["amount"], 10);
    let form = account.call("POST", "/record/v1/customer").json(&json!({"companyName": "F"}));
    let form = form.header("accept", "application/vnd.oracle.resource+json; type=create-form");
    let (status, body) = answer(form).await;
    assert_eq!((status, &body["subsidiary"]["id"]), (200, &json!("1")));
    assert_eq!(account.world.netsuite.records("customer").len(), 1, "a form is not saved");
    account
        .world
        .netsuite
        .generate("g", "customer", &LotSpec::new(5, fields(json!({"companyName": "N{n}"})), account.world.clock.now()))
        .unwrap();
    let (_, page) = account.send("GET", "/record/v1/customer?limit=2&offset=2", json!(null)).await;
    assert_eq!(
        (&page["totalResults"], &page["hasMore"], &page["items"][0]["id"]),
        (&json!(6), &json!(true), &json!("104"))
    );
    assert_eq!(page["items"][0].as_object().unwrap().len(), 2, "ids and links only");
    let (_, some) = account.send("GET", "/record/v1/customer?ids=101,103&expandRecords=true", json!(null)).await;
    let names: Vec<&Value> = some["items"].as_array().unwrap().iter().map(|row| &row["companyName"]).collect();
    assert_eq!(names, [&json!("Acme"), &json!("N1")]);
    for (filter, found) in [
        ("companyName START_WITH \"N\"", 5),
        ("companyName IS \"Acme\" OR companyName IS \"N3\"", 2),
        ("externalId EMPTY_NOT AND companyName CONTAIN cm", 1),
        ("lastModifiedDate ON_OR_AFTER \"11/24/2026\"", 6),
        ("lastModifiedDate BEFORE \"11/24/2026\"", 0),
    ] {
        let call = account.call("GET", "/record/v1/customer").query(&[("q", filter)]);
        assert_eq!(answer(call).await.1["totalResults"], found, "{filter}");
    }
    account.world.stop().await;
}

#[tokio::test]
async fn locked_and_forbidden_records_are_read_by_query_only() {
    let account = account().await;
    account.order("so-1", json!([line(10)])).await;
    account.world.netsuite.lock_record("l", "salesOrder", "eid:so-1").unwrap();
    for method in ["GET", "PATCH", "DELETE"] {
        let (status, body) = account.send(method, "/record/v1/salesOrder/eid:so-1", json!({})).await;
        assert_eq!((status, code(&body)), (400, "USER_ERROR"));
        assert!(detail(&body).contains("This record has been locked by a user defined workflow."));
    }
    account.world.netsuite.deny("d", "customer").unwrap();
    let (status, body) = account.send("GET", "/record/v1/customer/101", json!(null)).await;
    assert_eq!((status, code(&body)), (403, "INSUFFICIENT_PERMISSION"));
    let rows =
        account.rows("SELECT t.tranid, c.companyname FROM transaction t JOIN customer c ON c.id = t.entity").await;
    assert_eq!(rows, json!([{"tranid": "SO1001", "companyname": "Acme"}]));
    account.world.stop().await;
}

#[tokio::test]
async fn transforms_bill_what_is_left_and_only_what_may_be_billed() {
    let account = account().await;
    let erp = &account.world.netsuite;
    let make = async |from: &str, to: &str, body: Value| {
        account.send("POST", &format!("/record/v1/{from}/!transform/{to}"), body).await
    };
    let part = |lines: Value| json!({"item": {"items": lines}});
    account.order("so-1", json!([line(1000), line(500), line(300)])).await;
    let some = part(json!([{"orderLine": 1, "quantity": 0.25}, {"orderLine": 2}, {"orderLine": 3, "quantity": 0}]));
    assert_eq!(make("salesOrder/eid:so-1", "invoice", some).await.0, 204);
    let (status, body) = make("salesOrder/eid:so-1", "invoice", part(json!([{"orderLine": 1, "quantity": 0.8}]))).await;
    assert!(status == 400 && detail(&body).contains("0.75 is left"), "{body}");
    assert_eq!(make("salesOrder/eid:so-1", "invoice", part(json!([{"orderLine": 9}]))).await.0, 400);
    // a retry without an external id bills the rest, and then there is nothing to bill
    assert_eq!(make("salesOrder/eid:so-1", "invoice", json!({})).await.0, 204);
    let (status, body) = make("salesOrder/eid:so-1", "invoice", json!({})).await;
    assert_eq!((status, code(&body)), (400, "USER_ERROR"));
    let amounts: Vec<String> = erp.documents().iter().map(|document| document.amount.clone()).collect();
    assert_eq!(amounts, ["750", "1050"]);
    assert_eq!(erp.record("salesOrder", "eid:so-1").unwrap().text("status.id"), "G");
    // a deleted invoice gives its lines back
    erp.delete_record("d", "invoice", "104").unwrap();
    assert_eq!(erp.record("salesOrder", "eid:so-1").unwrap().text("status.id"), "F");

    let body = json!({"externalId": "so-2", "entity": {"id": "101"}, "orderStatus": "A", "item": {"items": [line(10), line(20)]}});
    assert_eq!(account.send("POST", "/record/v1/salesOrder", body).await.0, 204);
    assert_eq!(make("salesOrder/eid:so-2", "invoice", json!({})).await.0, 400, "pending approval");
    let approve = json!({"orderStatus": "B", "item": {"items": [{"line": 2, "isclosed": true}]}});
    assert_eq!(account.send("PATCH", "/record/v1/salesOrder/eid:so-2", approve).await.0, 204);
    let once = json!({"externalId": "inv-2"});
    assert_eq!(make("salesOrder/eid:so-2", "invoice", once.clone()).await.0, 204);
    assert_eq!(make("salesOrder/eid:so-2", "invoice", once).await.0, 400);
    let invoice = erp.record("invoice", "eid:inv-2").unwrap();
    assert_eq!(
        (invoice.text("total"), invoice.text("createdFrom.id")),
        ("10".into(), "105".into()),
        "a closed line stays out"
    );

    let estimate =
        json!({"externalId": "e", "entity": {"id": "101"}, "otherRefNum": "PO", "item": {"items": [line(70)]}});
    assert_eq!(account.send("POST", "/record/v1/estimate", estimate).await.0, 204);
    assert_eq!(make("estimate/eid:e", "salesOrder", json!({"externalId": "so-3", "memo": "m"})).await.0, 204);
    let order = erp.record("salesOrder", "eid:so-3").unwrap();
    assert_eq!(
        (order.text("otherRefNum"), order.text("memo"), order.text("total")),
        ("PO".into(), "m".into(), "70".into())
    );
    assert_eq!(make("estimate/eid:e", "salesOrder", json!({})).await.0, 400, "processed");
    let (status, body) = make("customer/101", "invoice", json!({})).await;
    assert!(status == 400 && detail(&body).contains("at least one line item"), "{body}");
    assert_eq!(make("customer/101", "invoice", part(json!([line(30)]))).await.0, 204);
    assert_eq!(make("invoice/eid:inv-2", "creditMemo", json!({"externalId": "cm"})).await.0, 204);
    let (memo, invoice) = (erp.record("creditMemo", "eid:cm").unwrap(), erp.record("invoice", "eid:inv-2").unwrap());
    assert_eq!(
        (memo.text("status.refName"), invoice.text("status.refName")),
        ("Fully Applied".into(), "Paid In Full".into())
    );
    assert_eq!(make("invoice/eid:inv-2", "salesOrder", json!({})).await.0, 400);
    account.world.stop().await;
}

#[tokio::test]
async fn payments_currencies_and_amounts() {
    let account = account().await;
    let erp = &account.world.netsuite;
    let euro = json!({"companyName": "Euro", "externalId": "E", "currency": {"refName": "EUR"}});
    account.send("POST", "/record/v1/customer", euro).await;
    let thirds = json!({"item": {"id": "5"}, "quantity": 0.333_333_333, "rate": 0.123_456_789});
    let body = json!({"externalId": "i", "entity": {"externalId": "E"}, "terms": {"id": "2"}, "tranDate": "2026-11-1",
        "item": {"items": [thirds, {"item": {"id": "6"}, "quantity": 3, "amount": 100}]}});
    assert_eq!(account.send("POST", "/record/v1/invoice", body).await.0, 204);
    let invoice = erp.record("invoice", "eid:i").unwrap();
    let lines: Vec<(String, String)> =
        invoice.list("item").iter().map(|line| (line.text("rate"), line.text("amount"))).collect();
    assert_eq!(lines, [("0.12345679".to_string(), "0.04".to_string()), ("33.33333333".to_string(), "100".to_string())]);
    assert_eq!(
        (invoice.text("exchangeRate"), invoice.text("tranDate"), invoice.text("dueDate")),
        ("1.08".into(), "2026-11-01".into(), "2026-12-01".into())
    );
    let pay = json!({"customer": {"externalId": "E"}, "payment": 40, "apply": {"items": [{"doc": {"id": invoice.text("id")}, "apply": true, "amount": 40}]}});
    assert_eq!(account.send("POST", "/record/v1/customerPayment", pay).await.0, 204);
    assert_eq!(erp.record("invoice", "eid:i").unwrap().text("amountRemaining"), "60.04");
    assert_eq!(account.send("POST", "/record/v1/invoice/eid:i/!transform/customerPayment", json!({})).await.0, 204);
    assert_eq!(erp.record("invoice", "eid:i").unwrap().text("status.id"), "B");
    let (status, body) = account.send("DELETE", "/record/v1/invoice/eid:i", json!({})).await;
    assert!(status == 400 && detail(&body).contains("linked"), "{body}");
    // the books are kept in their own currency, and balance
    let rows = account
        .rows("SELECT account, amount FROM transactionaccountingline WHERE transaction = 103 ORDER BY account")
        .await;
    assert_eq!(
        rows,
        json!([{"account": "119", "amount": "108.04"}, {"account": "122", "amount": "-0.04"}, {"account": "123", "amount": "-108"}])
    );
    let balance = account.rows("SELECT id, balance FROM account WHERE id IN (119, 122) ORDER BY id").await;
    assert_eq!(balance, json!([{"id": "119", "balance": "0"}, {"id": "122", "balance": "-0.04"}]));
    account.world.stop().await;
}

#[tokio::test]
async fn what_waits_for_approval_stands_in_no_book() {
    let account = account().await;
    let invoice = json!({"externalId": "i", "entity": {"id": "101"}, "approvalStatus": {"id": "1"}, "item": {"items": [line(10)]}});
    assert_eq!(account.send("POST", "/record/v1/invoice", invoice).await.0, 204);
    let lines = json!([{"account": {"id": "122"}, "debit": 5}, {"account": {"id": "123"}, "credit": 5}]);
    let entry = json!({"externalId": "j", "approvalStatus": {"id": "1"}, "line": {"items": lines}});
    assert_eq!(account.send("POST", "/record/v1/journalEntry", entry).await.0, 204);
    let posted = "SELECT t.type, t.status, t.posting, count(l.account) n FROM transaction t LEFT JOIN transactionaccountingline l \
                  ON l.transaction = t.id GROUP BY t.type, t.status, t.posting ORDER BY t.type";
    let row = |kind: &str, status: &str, posting: &str, n: &str| json!({"type": kind, "status": status, "posting": posting, "n": n});
    let waiting = json!([row("CustInvc", "D", "F", "0"), row("Journal", "A", "F", "0")]);
    assert_eq!(account.rows(posted).await, waiting);
    for path in ["/record/v1/invoice/eid:i", "/record/v1/journalEntry/eid:j"] {
        assert_eq!(account.send("PATCH", path, json!({"approvalStatus": {"id": "2"}})).await.0, 204);
    }
    assert_eq!(account.rows(posted).await, json!([row("CustInvc", "A", "T", "2"), row("Journal", "B", "T", "2")]));
    let entry = account.world.netsuite.record("journalEntry", "eid:j").unwrap();
    let numbers: Vec<i64> = entry.list("line").iter().map(|line| line.int("line")).collect();
    assert_eq!(numbers, [0, 1], "lines of a journal count from 0");
    account.world.stop().await;
}

#[tokio::test]
async fn projects_schedules_and_revenue() {
    let account = account().await;
    let erp = &account.world.netsuite;
    let post = async |kind: &str, body: Value| account.send("POST", &format!("/record/v1/{kind}"), body).await;
    let schedule = json!({"externalId": "bs", "name": "SOW-1", "scheduleType": {"id": "3"}, "milestone": {"items": [
        {"milestoneId": 1, "milestoneAmount": 40, "milestoneDate": "2026-12-01"}, {"milestoneId": 2, "milestoneAmount": 60}]}});
    assert_eq!(post("billingSchedule", schedule).await.0, 204);
    let done = json!({"milestone": {"items": [{"milestoneId": 1, "milestoneCompleted": true, "milestoneActualCompletionDate": "2026-11-24"}]}});
    assert_eq!(account.send("PATCH", "/record/v1/billingSchedule/eid:bs", done).await.0, 204);
    let rows = account.rows("SELECT milestoneid, milestoneamount, milestonecompleted FROM billingschedulemilestone ORDER BY milestoneid").await;
    assert_eq!(
        rows,
        json!([{"milestoneid": "1", "milestoneamount": "40", "milestonecompleted": "T"}, {"milestoneid": "2", "milestoneamount": "60"}])
    );
    let job = json!({"externalId": "J", "companyName": "P", "parent": {"id": "101"}, "jobBillingType": {"id": "3"}, "billingSchedule": {"externalId": "bs"}});
    assert_eq!(post("job", job).await.0, 204);
    assert_eq!(
        post("projectTask", json!({"title": "UAT", "project": {"externalId": "J"}, "status": "COMPLETE"})).await.0,
        204
    );
    let rows = account
        .rows("SELECT j.jobbillingtype, p.title, p.status FROM job j JOIN projecttask p ON p.project = j.id")
        .await;
    assert_eq!(rows, json!([{"jobbillingtype": "FBM", "title": "UAT", "status": "COMPLETE"}]));

    account.order("so-1", json!([line(1000)])).await;
    let key = erp.record("salesOrder", "eid:so-1").unwrap().list("item")[0].int("lineUniqueKey");
    let event = |name: &str, percent: i64| json!({"externalId": name, "transactionLine": key.to_string(), "cumulativePercentComplete": percent, "eventDate": "2026-11-24"});
    assert_eq!(
        (post("billingRevenueEvent", event("e1", 25)).await.0, post("billingRevenueEvent", event("e2", 60)).await.0),
        (204, 204)
    );
    assert_eq!(post("billingRevenueEvent", event("e3", 101)).await.0, 400);
    assert_eq!(post("billingRevenueEvent", json!({"transactionLine": "77", "amount": 1})).await.0, 400);
    let plan = account.rows("SELECT p.amount total, r.amount, r.isrecognized FROM revenueplan p JOIN revenueplanplannedrevenue r ON r.revenueplan = p.id ORDER BY r.id").await;
    assert_eq!(
        plan,
        json!([{"total": "1000", "amount": "250", "isrecognized": "F"}, {"total": "1000", "amount": "350", "isrecognized": "F"}])
    );
    erp.set_advanced_revenue(false);
    assert_eq!(code(&post("billingRevenueEvent", event("e4", 70)).await.1), "INSUFFICIENT_PERMISSION");

    assert_eq!(post("revRecSchedule", json!({"externalId": "r", "name": "classic"})).await.0, 204);
    assert_eq!(account.send("DELETE", "/record/v1/revRecSchedule/eid:r", json!({})).await.0, 405);
    let (_, types) = account.send("GET", "/record/v1/metadata-catalog", json!(null)).await;
    let names: Vec<&str> = types["items"].as_array().unwrap().iter().filter_map(|kind| kind["name"].as_str()).collect();
    assert!(
        names.contains(&"billingRevenueEvent") && !names.iter().any(|name| name.to_lowercase().contains("revenueplan"))
    );
    account.world.stop().await;
}

#[tokio::test]
async fn a_write_may_be_done_although_the_answer_says_otherwise() {
    let account = account().await;
    let faults = &account.world.faults;
    let body = json!({"externalId": "i", "entity": {"id": "101"}, "item": {"items": [line(5)]}});
    faults.inject("netsuite", FaultSpec::new("drop_after_write")).unwrap();
    assert!(account.call("POST", "/record/v1/invoice").json(&body).send().await.is_err());
    faults.inject("netsuite", FaultSpec::new("error_after_write")).unwrap();
    let (status, answered) = account.send("POST", "/record/v1/customer", json!({"companyName": "B"})).await;
    assert_eq!((status, code(&answered)), (500, "UNEXPECTED_ERROR"));
    assert_eq!(account.rows("SELECT externalid FROM transaction").await, json!([{"externalid": "i"}]));
    let again = account.call("POST", "/record/v1/invoice").json(&body).send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "retry-after")), (400, String::new()));
    assert_eq!(account.world.netsuite.records("customer").len(), 2);
    account.world.stop().await;
}
