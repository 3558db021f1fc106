//! A hundred thousand records are pulled page by page in seconds, also without optimisation.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::LotSpec;
use serde_json::json;
use world::{Api, fields, start};

const COUNT: u64 = 100_000;

#[tokio::test]
async fn a_hundred_thousand_deals() {
    let world = start(None).await;
    let pattern =
        fields(json!({"Name": "Deal {n}", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": "{n}.5"}));
    let lot = LotSpec { step_ms: 1000, ..LotSpec::new(COUNT, pattern, "2026-11-20T00:00:00Z".parse().unwrap()) };
    world.salesforce.generate("lot", "Opportunity", &lot.tied(31)).unwrap();
    let api = Api::salesforce(&world).await;
    let soql = "SELECT Id, Name, Amount, SystemModstamp FROM Opportunity WHERE IsWon = true AND SystemModstamp >= \
                2026-11-20T00:00:00Z ORDER BY SystemModstamp, Id";
    let mut page = api.soql(soql).await.unwrap();
    let (mut pages, mut rows, mut last) = (0, 0, String::new());
    loop {
        let records = page["records"].as_array().unwrap();
        pages += 1;
        rows += records.len();
        let first = format!("{} {}", records[0]["SystemModstamp"], records[0]["Id"]);
        assert!(first > last, "in order");
        last = first;
        let Some(next) = page["nextRecordsUrl"].as_str() else { break };
        page = api.get(&next.replace("/services/data/v62.0", "")).await.1;
    }
    assert_eq!((pages, rows), (50, 100_000));
    // by key: no page looks at what lies before it
    let (mut stamp, mut id, mut rows) = ("2026-11-20T00:00:00.000+0000".to_string(), String::new(), 0);
    while rows < 20_000 {
        let at = stamp.replace("+0000", "Z");
        let soql = format!(
            "SELECT Id, SystemModstamp FROM Opportunity WHERE SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > '{id}') \
             ORDER BY SystemModstamp, Id LIMIT 2000"
        );
        let page = api.soql(&soql).await.unwrap();
        let records = page["records"].as_array().unwrap();
        rows += records.len();
        let last = records.last().unwrap();
        (stamp, id) = (last["SystemModstamp"].as_str().unwrap().into(), last["Id"].as_str().unwrap().into());
    }
    assert_eq!((rows, id.as_str()), (20_000, "006000000020000AAA"));
    world.stop().await;
}

#[tokio::test]
async fn a_hundred_thousand_issues() {
    let world = start(None).await;
    let lot = LotSpec::new(COUNT, fields(json!({"summary": "Issue {n}"})), "2026-11-20T00:00:00Z".parse().unwrap());
    world.jira.generate("lot", "MS", &lot).unwrap();
    let api = Api::jira(&world);
    let mut body = json!({"jql": "project = MS AND updated >= 0 ORDER BY updated ASC, key ASC", "maxResults": 5000});
    let (mut pages, mut rows) = (0, 0);
    loop {
        let (status, page) = api.call("POST", "/search/jql", body.clone()).await;
        assert_eq!(status, 200);
        (pages, rows) = (pages + 1, rows + page["issues"].as_array().unwrap().len());
        if page["isLast"] == true {
            break;
        }
        body["nextPageToken"] = page["nextPageToken"].clone();
    }
    assert_eq!((pages, rows), (20, 100_000));
    let some: Vec<String> = (10_001..10_101).map(|id| id.to_string()).collect();
    let (_, many) = api.call("POST", "/issue/bulkfetch", json!({"issueIdsOrKeys": some})).await;
    assert_eq!(many["issues"].as_array().unwrap().len(), 100);
    world.stop().await;
}
