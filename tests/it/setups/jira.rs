//! Jira.

use std::sync::Arc;

use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::{After, Class, Connector, Needs, Probe};
use milestoned_jira::Jira;
use milestoned_mapping::command::{BillingStatus, Command, DeliveryKey};
use milestoned_mapping::fieldmap::FieldMap;
use serde_json::{Value, json};

use crate::conformance::{Desk, Kept, fields};
use crate::lessons::erp::put_one;

const MAP: &str = include_str!("../../../config/fieldmaps/jira.toml");

fn connect(desk: &Desk, changes: Value, map: &str) -> Jira {
    let mut settings = fields(json!({
        "base_url": desk.simulators.url("jira"), "projects": ["MS"], "webhook_secret": "secret", "limits": { "windows": [] },
        "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" },
    }));
    settings.extend(fields(changes));
    let field_map = Some(FieldMap::from_toml(map, Jira::SHAPE).unwrap());
    let needs = Needs {
        field_map,
        platform: desk.clock.clone().into(),
        tokens: Arc::new(Kept::default()),
        customers: Customers::default(),
    };
    Jira::create("jira", serde_json::from_value(settings.into()).unwrap(), needs).unwrap()
}

#[tokio::test]
async fn a_check_compares_the_statuses_of_the_field_map_with_those_of_the_projects() {
    let desk = Desk::open("jira").await;
    assert!(connect(&desk, json!({}), MAP).probe().await.is_empty());
    let german = MAP.replace("\"Accepted\" = \"accepted\"", "\"Abgenommen\" = \"accepted\"");
    let told: Vec<String> =
        connect(&desk, json!({}), &german).probe().await.into_iter().map(|problem| problem.reason).collect();
    assert_eq!(
        told,
        [
            "no issue of the projects can have the status Abgenommen",
            "the projects have the status Accepted, and the field map does not say what it means"
        ]
    );
}

#[tokio::test]
async fn a_transition_with_a_demanded_field_is_made_with_it_and_refused_by_name_without() {
    let desk = Desk::open("jira").await;
    let simulator = &desk.simulators.jira;
    simulator.configure(|site| site.transitions_demand = vec!["Done:customfield_10105".into()]);
    let issue = simulator.create_issue("one", "MS", fields(json!({ "summary": "Design" }))).unwrap().id;
    let status = BillingStatus {
        contract: "SOW-1".into(),
        milestone: "M1".into(),
        name: "Design".into(),
        record: issue.clone(),
        status: "invoiced".into(),
        amount: "USD".parse::<milestoned_mapping::money::Currency>().unwrap().parse("100.00").unwrap(),
        accepted_on: None,
        invoice: Some("SOW-1-M1".into()),
        invoiced_on: None,
        due_on: None,
        blocked_by: Vec::new(),
        link: "https://milestoned.example/contracts/SOW-1".into(),
    };
    let said = (DeliveryKey::of(&["status"]), Command::BillingStatus(status), After::default());
    let moved = json!({ "transitions": { "invoiced": "Done" } });
    let fault = put_one(&connect(&desk, moved.clone(), MAP), &said).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("customfield_10105"), "{fault}");
    let mut filled = moved;
    filled["transition_fields"] = json!({ "Done": { "customfield_10105": "https://docs.example/1" } });
    put_one(&connect(&desk, filled, MAP), &said).await.unwrap();
    let kept = simulator.issue(&issue).unwrap().to_string();
    assert!(kept.contains("10004"), "it is done: {kept}");
}

#[tokio::test]
async fn the_end_of_a_token_is_told() {
    let desk = Desk::open("jira").await;
    let ends = connect(&desk, json!({ "token_ends": "2026-12-15" }), MAP).expiries().await;
    assert_eq!(ends.iter().map(|end| end.at.to_string()).collect::<Vec<_>>(), ["2026-12-15T00:00:00Z"]);
}
