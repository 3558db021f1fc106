//! NetSuite: SuiteQL as the vendor runs it, with its limits and its traps.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::LotSpec;
use serde_json::{Value, json};
use world::erp::{Account, account, code, detail};
use world::fields;

async fn with_invoices(count: u64) -> Account {
    let account = account().await;
    let body = json!({"externalId": "inv-{n}", "tranId": "T-{n}", "entity": {"id": "101"}, "tranDate": "2026-11-20",
        "item": {"items": [{"item": {"id": "5"}, "amount": 10}]}});
    let from = "2026-11-20T00:00:00Z".parse().unwrap();
    let lot = LotSpec::new(count, fields(body), from).tied(2);
    assert_eq!(account.world.netsuite.generate("g", "invoice", &lot).unwrap(), "102");
    account
}

#[tokio::test]
async fn rows_are_text_in_lower_case_without_what_is_null() {
    let account = with_invoices(4).await;
    for (query, rows) in [
        ("SELECT ID AS TheId, TranID FROM Transaction WHERE id = 102", json!([{"theid": "102", "tranid": "T-1"}])),
        (
            "SELECT voided, memo, foreigntotal FROM transaction WHERE id = 102",
            json!([{"voided": "F", "foreigntotal": "10"}]),
        ),
        ("SELECT isinactive, isperson FROM customer", json!([{}])),
        ("SELECT count(*) FROM transaction", json!([{"expr1": "4"}])),
        (
            "SELECT id FROM transaction WHERE externalid IN ('inv-2', 'inv-3') ORDER BY id DESC",
            json!([{"id": "104"}, {"id": "103"}]),
        ),
        (
            "SELECT BUILTIN.DF(entity) who, BUILTIN.DF(currency) c FROM transaction WHERE id = 105",
            json!([{"who": "Acme", "c": "USD"}]),
        ),
        (
            "SELECT NVL(memo, 'none') m, DECODE(type, 'CustInvc', 'I', 'O') t FROM transaction WHERE id = 102",
            json!([{"m": "none", "t": "I"}]),
        ),
        // times are of the account: eight hours behind, shown as a day unless a format is asked for
        ("SELECT lastmodifieddate FROM transaction WHERE id = 102", json!([{"lastmodifieddate": "11/19/2026"}])),
        (
            "SELECT TO_CHAR(lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') t FROM transaction WHERE id IN (103, 104) ORDER BY id",
            json!([{"t": "2026-11-19 16:00:00"}, {"t": "2026-11-19 16:00:01"}]),
        ),
        (
            "SELECT id FROM transaction WHERE lastmodifieddate >= TO_TIMESTAMP('2026-11-19 16:00:01', 'YYYY-MM-DD HH24:MI:SS') ORDER BY id",
            json!([{"id": "104"}, {"id": "105"}]),
        ),
        // text without a format is read in the format of the user
        ("SELECT count(*) n FROM transaction WHERE trandate = '11/20/2026'", json!([{"n": "4"}])),
        ("SELECT count(*) n FROM transaction WHERE lastmodifieddate < '11/20/2026'", json!([{"n": "4"}])),
        ("SELECT count(*) n FROM transaction WHERE trandate BETWEEN '11/1/2026' AND '11/30/2026'", json!([{"n": "4"}])),
        ("SELECT count(*) n FROM transaction WHERE createddate > SYSDATE - 10", json!([{"n": "4"}])),
        // ROWNUM counts before the order is made
        ("SELECT id FROM transaction WHERE ROWNUM <= 2 ORDER BY id DESC", json!([{"id": "103"}, {"id": "102"}])),
        (
            "SELECT * FROM (SELECT id FROM transaction ORDER BY id DESC) WHERE ROWNUM <= 2",
            json!([{"id": "105"}, {"id": "104"}]),
        ),
        ("SELECT TOP 1 id FROM transaction ORDER BY id DESC", json!([{"id": "105"}])),
        ("SELECT id FROM transaction ORDER BY id FETCH FIRST 1 ROWS ONLY", json!([{"id": "102"}])),
        (
            "SELECT periodname, closed FROM accountingperiod WHERE startdate = TO_DATE('2026-11-01', 'YYYY-MM-DD')",
            json!([{"periodname": "Nov 2026", "closed": "F"}]),
        ),
        (
            "SELECT t.id, l.foreignamount FROM transaction t JOIN transactionline l ON l.transaction = t.id WHERE l.mainline = 'F' AND t.id = 102",
            json!([{"id": "102", "foreignamount": "-10"}]),
        ),
    ] {
        assert_eq!(account.rows(query).await, rows, "{query}");
    }
    account.world.stop().await;
}

#[tokio::test]
async fn what_is_no_suiteql_is_refused() {
    let account = with_invoices(4).await;
    let many: Vec<String> = (0..1001).map(|at| format!("'x{at}'")).collect();
    let listed = |count: usize| format!("SELECT id FROM transaction WHERE externalid IN ({})", many[..count].join(","));
    for (query, text) in [
        ("SELECT nope FROM transaction", "Field 'nope'"),
        ("SELECT id FROM revrecplan", "Record 'revrecplan' was not found"),
        ("DELETE FROM customer", "only SELECT"),
        ("SELECT id FROM transaction LIMIT 5", "LIMIT"),
        ("SELECT strftime('%Y', trandate) FROM transaction", "strftime"),
        ("SELECT id FROM transaction WHERE lastmodifieddate > '2026-11-20'", "date format of the user"),
        ("SELECT id FROM transaction WHERE trandate > TO_DATE('20.11.2026', 'YYYY-MM-DD')", "invalid date"),
        ("SELECT id FROM transaction WHERE", "Invalid or unsupported search"),
        (&listed(1001), "maximum number of expressions in a list is 1000"),
    ] {
        let (status, body) = account.sql(query).await;
        assert_eq!((status, code(&body)), (400, "INVALID_PARAMETER"), "{query}: {body}");
        assert!(
            detail(&body).contains(text) && body["o:errorDetails"][0]["o:errorQueryParam"] == "q",
            "{query}: {body}"
        );
    }
    assert_eq!(account.sql(&listed(1000)).await.0, 200);
    for window in ["?limit=1001", "?limit=0", "?limit=x", "?limit=1000&offset=99001", "?limit=5&offset=5000"] {
        let (status, body) = account.page("SELECT id FROM customer", window).await;
        assert_eq!((status, code(&body)), (400, "INVALID_PARAMETER"), "{window}");
    }
    account.world.stop().await;
}

fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn pages_without_an_order_repeat_rows_and_skip_others() {
    let account = with_invoices(250).await;
    let all = async |query: &str| {
        let mut seen = Vec::new();
        for offset in [0, 100, 200] {
            let (_, page) = account.page(query, &format!("?limit=100&offset={offset}")).await;
            assert_eq!((&page["totalResults"], &page["hasMore"]), (&json!(250), &json!(offset < 200)));
            seen.extend(ids(&page));
        }
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    };
    assert_eq!(all("SELECT id FROM transaction ORDER BY id").await, 250);
    assert!(all("SELECT id FROM transaction").await < 250);
    let (_, page) = account.page("SELECT id FROM transaction ORDER BY id", "?limit=100&offset=100").await;
    let rels: Vec<&str> = page["links"].as_array().unwrap().iter().filter_map(|link| link["rel"].as_str()).collect();
    assert_eq!(rels, ["self", "first", "previous", "next"]);
    account.world.stop().await;
}

#[tokio::test]
async fn deleted_records_are_told_by_a_table_of_their_own() {
    let account = with_invoices(4).await;
    account.world.clock.set("2026-11-24T12:30:00Z".parse().unwrap());
    assert_eq!(account.send("DELETE", "/record/v1/invoice/eid:inv-3", json!({})).await.0, 204);
    let query = "SELECT recordid, type, name, TO_CHAR(deleteddate, 'YYYY-MM-DD HH24:MI') at FROM DeletedRecord";
    assert_eq!(
        account.rows(query).await,
        json!([{"recordid": "104", "type": "invoice", "name": "T-3", "at": "2026-11-24 04:30"}])
    );
    assert_eq!(account.rows("SELECT id FROM transaction WHERE externalid = 'inv-3'").await, json!([]));
    assert_eq!(account.send("GET", "/record/v1/invoice/104", json!(null)).await.0, 404);
    // a changed record of a lot is found once, as it is now
    assert_eq!(
        account.send("PATCH", "/record/v1/invoice/eid:inv-4", json!({"memo": "new", "externalId": "other"})).await.0,
        204
    );
    assert_eq!(
        account.rows("SELECT id, externalid, memo FROM transaction WHERE id > 103").await,
        json!([{"id": "105", "externalid": "other", "memo": "new"}])
    );
    assert_eq!(account.world.netsuite.records("invoice").len(), 3);
    let (_, listed) = account.send("GET", "/record/v1/invoice?limit=2&offset=1", json!(null)).await;
    assert_eq!((&listed["totalResults"], &listed["hasMore"], ids(&listed)), (&json!(3), &json!(false), vec![103, 105]));
    account.world.netsuite.set_time_zone("Europe/Berlin");
    assert_eq!(account.rows("SELECT count(*) n FROM nexttransactionlink").await, json!([{"n": "0"}]));
    account.world.stop().await;
}
