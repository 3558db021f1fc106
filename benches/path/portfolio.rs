//! Contracts of one milestone each, their deals and their issues.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Customers that the contracts are spread over.
const CUSTOMERS: usize = 50;
/// Contracts of a lot that is multiplied.
pub(crate) const LOT_CONTRACTS: usize = 100;
/// Milestones of each of them.
pub(crate) const LOT_MILESTONES: usize = 10;
/// Of these the first are accepted.
pub(crate) const LOT_ACCEPTED: usize = 6;
/// Contracts that wait for an event, for each size of a portfolio.
pub(crate) const FRESH: usize = 1_000;
/// The issue of the first event, and of the first milestone of a lot.
pub(crate) const FIRST_ISSUE: usize = 10_000;
pub(crate) const FIRST_LOT_ISSUE: usize = 5_000_000;

/// The first event of a portfolio of this size.
pub(crate) fn fresh(size: usize) -> usize {
    match size {
        10_000 => 0,
        100_000 => FRESH,
        _ => 2 * FRESH,
    }
}

fn customer(number: usize) -> String {
    format!("Customer {}", number % CUSTOMERS)
}

/// A contract of one milestone, for an event.
pub(crate) fn contract(event: usize) -> Value {
    terms(&format!("SOW-{event}"), event, 1)
}

/// A contract of ten milestones.
pub(crate) fn lot_contract(number: usize) -> Value {
    terms(&format!("LOT-{number}"), number, LOT_MILESTONES)
}

fn terms(id: &str, number: usize, milestones: usize) -> Value {
    let names = ["Kick-off", "Requirements signed", "Design", "Build", "Data migration", "Integration", "Training"];
    let milestones: Vec<Value> = (0..milestones)
        .map(|place| json!({ "id": format!("M{}", place + 1), "name": names[place % names.len()], "amount": "40000.00" }))
        .collect();
    let total = format!("{}.00", 40_000 * milestones.len());
    json!({
        "id": id, "customer": customer(number), "currency": "USD", "total": total, "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": total, "method": "output" }], "milestones": milestones,
    })
}

pub(crate) fn deal(contract: &str, number: usize, milestones: usize) -> String {
    json!({
        "Id": format!("006{contract:0>12}AAA"), "Name": contract, "IsWon": true, "Amount": 40_000 * milestones,
        "CurrencyIsoCode": "USD", "SOW_Number__c": contract, "Payment_Terms__c": "net 30",
        "Account": { "Name": customer(number) },
    })
    .to_string()
}

/// The issue of an event, as Jira writes it, in this status since `at`.
pub(crate) fn issue(id: usize, status: &str, at: Timestamp) -> String {
    match id.checked_sub(FIRST_LOT_ISSUE) {
        None => text(id, &format!("SOW-{}", id - FIRST_ISSUE), "M1", status, at),
        Some(place) => {
            let (contract, milestone) = (place / LOT_MILESTONES, place % LOT_MILESTONES + 1);
            text(id, &format!("LOT-{contract}"), &format!("M{milestone}"), status, at)
        }
    }
}

fn text(id: usize, contract: &str, milestone: &str, status: &str, at: Timestamp) -> String {
    let before = at - SignedDuration::from_hours(48);
    let history = |change: usize, at: Timestamp, from: &str, to: &str| {
        format!(
            r#"{{"id":"{id}{change}","author":{{"accountId":"5b10a2844c20165700ede21g","emailAddress":"dana@customer.example","displayName":"Dana"}},"created":"{at:.3}","items":[{{"field":"status","fieldtype":"jira","fieldId":"status","from":"1000{change}","fromString":"{from}","to":"1000{change}","toString":"{to}"}}]}}"#
        )
    };
    let accepted = status == "Accepted";
    let submitted = history(1, before, "In Progress", "Ready for acceptance");
    let histories = match accepted {
        true => format!("{},{submitted}", history(2, at, "Ready for acceptance", "Accepted")),
        false => submitted,
    };
    let (total, updated) = if accepted { (2, at) } else { (1, before) };
    format!(
        r#"{{"expand":"operations,versionedRepresentations,editmeta,changelog,renderedFields","id":"{id}","self":"https://acme.atlassian.net/rest/api/3/issue/{id}","key":"MS-{id}","changelog":{{"startAt":0,"maxResults":{total},"total":{total},"histories":[{histories}]}},"fields":{{"status":{{"self":"https://acme.atlassian.net/rest/api/3/status/10003","description":"","name":"{status}","id":"10003","statusCategory":{{"id":3,"key":"done","name":"Done"}}}},"updated":"{updated:.3}","attachment":[],"customfield_10101":"{contract}","customfield_10102":"{milestone}","customfield_10103":null,"customfield_10104":null,"customfield_10105":"https://docs.example/signed-{id}.pdf","customfield_10106":null,"customfield_10107":null,"customfield_10108":null,"customfield_10109":null,"customfield_10110":null,"customfield_10111":null}}}}"#
    )
}

/// The event of a document, by its number.
pub(crate) fn event_of(number: &str) -> Option<usize> {
    number.strip_prefix("SOW-")?.strip_suffix("-M1")?.parse().ok()
}

/// A webhook as Jira writes it, 1.1 KB.
pub(crate) fn webhook(event: usize, millis: i64) -> String {
    let id = FIRST_ISSUE + event;
    format!(
        r#"{{"timestamp":{millis},"webhookEvent":"jira:issue_updated","issue_event_type_name":"issue_generic","user":{{"self":"https://acme.atlassian.net/rest/api/2/user?accountId=5b10a2844c20165700ede21g","accountId":"5b10a2844c20165700ede21g","displayName":"Dana","active":true,"timeZone":"Europe/Berlin","accountType":"atlassian"}},"issue":{{"id":"{id}","self":"https://acme.atlassian.net/rest/api/2/{id}","key":"MS-{event}","fields":{{"summary":"Design","status":{{"self":"https://acme.atlassian.net/rest/api/2/status/10003","name":"Accepted","id":"10003"}},"project":{{"id":"10000","key":"MS","name":"Milestones"}},"issuetype":{{"id":"10001","name":"Milestone","subtask":false}},"labels":["services","fixed-price"]}}}},"changelog":{{"id":"{id}2","items":[{{"field":"status","fieldtype":"jira","fieldId":"status","from":"10002","fromString":"Ready for acceptance","to":"10003","toString":"Accepted"}}]}}}}"#
    )
}
