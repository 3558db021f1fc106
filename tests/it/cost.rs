//! What the APIs are asked, counted by the simulators: `docs/api-cost.md` sets it beside the least that each vendor needs.

use std::sync::Arc;

use milestoned_connector_kit::{Cursor, Sink, Source, Write};
use milestoned_jira::Jira;
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mocks::LotSpec;
use milestoned_salesforce::Salesforce;
use serde_json::{Value, json};

use crate::conformance::{Desk, Kept, fields, status};

/// Records that each figure is about.
const MANY: u64 = 1_000;

fn salesforce(desk: &Desk) -> Salesforce {
    let settings: Value = json!({
        "base_url": desk.simulators.salesforce_url, "limits": { "windows": [] },
        "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
        "status": { "object": "Milestone__c", "external_id": "External_Id__c", "fields": { "status": "Status__c" } },
    });
    let map = FieldMap::from_toml(include_str!("../../config/fieldmaps/salesforce.toml")).unwrap();
    let settings = serde_json::from_value(settings).unwrap();
    Salesforce::build("salesforce", settings, &map, desk.clock.clone(), Arc::new(Kept::default())).unwrap()
}

fn jira(desk: &Desk) -> Jira {
    let settings: Value = json!({
        "base_url": desk.simulators.jira_url, "projects": ["MS"], "limits": { "windows": [] },
        "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" },
    });
    let read = FieldMap::from_toml(include_str!("../../config/fieldmaps/jira.toml")).unwrap().vendor_fields();
    let settings = serde_json::from_value(settings).unwrap();
    Jira::build("jira", settings, read, desk.clock.clone(), Arc::new(Kept::default())).unwrap()
}

fn lot(pattern: Value) -> LotSpec {
    LotSpec::new(MANY, fields(pattern), "2026-03-01T09:00:00Z".parse().unwrap()).tied(7)
}

/// Calls of a system, those for a session apart.
fn calls(desk: &Desk, system: &str) -> u64 {
    let calls = desk.simulators.faults.requests(system);
    calls.iter().filter(|(endpoint, _)| !endpoint.contains("oauth")).map(|(_, count)| count).sum()
}

async fn read(source: &impl Source, stream: &str) -> u64 {
    let (mut records, mut cursor, mut more) = (0, Cursor::default(), true);
    while more {
        let page = source.pull(stream, &cursor).await.unwrap();
        records += u64::try_from(page.records.len()).unwrap();
        (cursor, more) = (page.next, page.more);
    }
    records
}

#[tokio::test]
async fn a_thousand_opportunities_are_read_in_one_call_and_a_thousand_statuses_shown_in_one() {
    let desk = Desk::open("salesforce").await;
    let salesforce = salesforce(&desk);
    let deal = json!({ "Name": "Deal {n}", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": "{n}.5" });
    desk.simulators.salesforce.generate("lot", "Opportunity", &lot(deal)).unwrap();
    assert_eq!(read(&salesforce, "records").await, MANY);
    assert_eq!(calls(&desk, "salesforce"), 1);
    let commands: Vec<_> = (0..1_000).map(|ordinal| status(ordinal, "006000000000001AAA")).collect();
    let writes: Vec<Write<'_>> =
        commands.iter().map(|(key, command, context)| Write { key, command, context }).collect();
    assert!(salesforce.put(&writes).await.iter().all(Result::is_ok));
    assert_eq!(calls(&desk, "salesforce"), 2);
}

#[tokio::test]
async fn a_thousand_issues_are_read_in_eleven_calls() {
    let desk = Desk::open("jira").await;
    let jira = jira(&desk);
    desk.simulators.jira.generate("lot", "MS", &lot(json!({ "summary": "Issue {n}", "status": "Accepted" }))).unwrap();
    assert_eq!(read(&jira, "issues").await, MANY);
    assert_eq!(calls(&desk, "jira"), 11);
}
