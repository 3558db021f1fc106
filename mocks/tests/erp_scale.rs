//! Both accounting systems with a hundred thousand documents: made by one verb, read page by page, at no cost in memory.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::LotSpec;
use serde_json::json;
use world::erp::{account, company, sale};
use world::fields;

const MANY: u64 = 100_000;

/// Resident memory of this process in MB, where the system tells.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096 / 1_000_000
}

#[tokio::test]
async fn netsuite_gives_pages_by_key_from_a_hundred_thousand_invoices() {
    let account = account().await;
    let before = resident();
    let body = json!({"externalId": "inv-{n}", "entity": {"id": "101"}, "item": {"items": [{"item": {"id": "5"}, "amount": 10}]}});
    let lot = LotSpec::new(MANY, fields(body), "2026-11-01T00:00:00Z".parse().unwrap());
    account.world.netsuite.generate("g", "invoice", &lot).unwrap();
    let page = async |after: u64| {
        let query = format!(
            "SELECT t.id, t.externalid, l.foreignamount FROM transaction t JOIN transactionline l ON l.transaction = t.id AND \
             l.mainline = 'F' WHERE t.id > {after} ORDER BY t.id"
        );
        let (status, body) = account.sql(&query).await;
        assert_eq!(status, 200, "{body}");
        body
    };
    let mut after = 101;
    for _ in 0..3 {
        let rows = page(after).await["items"].take();
        assert_eq!(
            (rows[0]["id"].as_str().unwrap(), rows.as_array().unwrap().len()),
            ((after + 1).to_string().as_str(), 1000)
        );
        after += 1000;
    }
    let last = page(101 + MANY - 1).await;
    assert_eq!((&last["items"][0]["externalid"], &last["hasMore"]), (&json!("inv-100000"), &json!(false)));
    let total = account.rows("SELECT count(*) n, sum(foreigntotal) s FROM transaction").await;
    assert_eq!(total, json!([{"n": "100000", "s": "1000000"}]));
    let window = "?limit=1000&offset=99000";
    assert_eq!(account.page("SELECT id FROM transaction ORDER BY id", window).await.1["count"], 1000);
    let (_, one) = account.send("GET", "/record/v1/invoice/eid:inv-77777", json!(null)).await;
    assert_eq!((&one["id"], &one["externalId"]), (&json!("77878"), &json!("inv-77777")));
    assert!(resident() < before + 150, "{} MB after {before}", resident());
    account.world.stop().await;
}

#[tokio::test]
async fn quickbooks_gives_any_page_of_a_hundred_thousand_invoices() {
    let company = company().await;
    let before = resident();
    let lot = LotSpec::new(MANY, fields(sale("L-{n}", "5")), "2026-11-10T00:00:00Z".parse().unwrap());
    company.0.quickbooks.generate("g", "Invoice", &lot).unwrap();
    for start in [1, 50_001, 99_001] {
        let answer = company.query(&format!("select * from Invoice startposition {start} maxresults 1000")).await;
        let rows = answer["QueryResponse"]["Invoice"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["DocNumber"]), (1000, &json!(format!("L-{start}"))));
    }
    assert_eq!(company.query("select count(*) from Invoice").await["QueryResponse"]["totalCount"], MANY);
    let found = company.query("select * from Invoice where DocNumber = 'L-54321'").await;
    assert_eq!(found["QueryResponse"]["Invoice"][0]["Id"], "54421");
    let (mut since, mut seen) = ("2026-11-10T00:00:00Z".to_string(), 0);
    for _ in 0..3 {
        let (_, body) = company.get(&format!("/cdc?entities=Invoice&changedSince={since}")).await;
        let rows = body["CDCResponse"][0]["QueryResponse"][0]["Invoice"].as_array().unwrap();
        since = rows[999]["MetaData"]["LastUpdatedTime"].as_str().unwrap().to_string();
        seen += rows.len();
    }
    // the last of a page is the first of the next
    assert_eq!((seen, since.as_str()), (3000, "2026-11-09T16:49:57-08:00"));
    assert!(resident() < before + 150, "{} MB after {before}", resident());
    company.0.stop().await;
}
