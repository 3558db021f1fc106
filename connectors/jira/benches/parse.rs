//! What reading an issue costs: its text of 4 KB becomes a source record. Beside it the floor of the same run: `serde_json`
//! reads the same text into a struct of the same fields, which no connector can do without.
//!
//! `cargo bench -p milestoned-jira --bench parse`

#![allow(
    missing_docs,
    dead_code,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads files, prints, and may fail"
)]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput};
use milestoned_jira::issue::read;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Issue {
    id: String,
    fields: IssueFields,
    changelog: Changelog,
}

#[derive(Deserialize)]
struct IssueFields {
    updated: String,
}

#[derive(Deserialize)]
struct Changelog {
    total: usize,
    histories: Vec<History>,
}

#[derive(Deserialize)]
struct History {
    id: String,
    created: String,
    author: Author,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Author {
    #[serde(rename = "emailAddress")]
    email: Option<String>,
    #[serde(rename = "accountId")]
    account: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    field: String,
    #[serde(rename = "fieldId")]
    field_id: Option<String>,
    #[serde(rename = "fromString")]
    from: Option<String>,
    #[serde(rename = "toString")]
    to: Option<String>,
}

/// An issue of about 4 KB, as `issue/bulkfetch` gives it: fields of a field map, an attachment, six changes.
fn issue() -> String {
    let author = json!({ "self": "https://acme.atlassian.net/rest/api/3/user?accountId=5b10a2844c20165700ede21g",
        "accountId": "5b10a2844c20165700ede21g", "emailAddress": "dana@customer.example", "displayName": "Dana Field",
        "active": true, "timeZone": "Europe/Berlin", "accountType": "atlassian" });
    let status = json!({ "self": "https://acme.atlassian.net/rest/api/3/status/10003", "name": "Ready for acceptance",
        "id": "10003", "statusCategory": { "id": 4, "key": "indeterminate", "name": "In Progress" } });
    let history = |number: u32, from: &str, to: &str| {
        json!({ "id": (20000 + number).to_string(), "author": author,
            "created": format!("2026-04-28T15:{number:02}:26.678+0200"),
            "items": [{ "field": "status", "fieldtype": "jira", "fieldId": "status", "from": "10000", "fromString": from,
                "to": "10003", "toString": to }] })
    };
    let histories: Vec<Value> =
        (10..16).rev().map(|number| history(number, "In Progress", "Ready for acceptance")).collect();
    json!({
        "expand": "changelog", "id": "10002", "self": "https://acme.atlassian.net/rest/api/3/issue/10002", "key": "MS-2",
        "changelog": { "startAt": 0, "maxResults": 6, "total": 6, "histories": histories },
        "fields": { "updated": "2026-04-28T15:55:26.678+0200", "status": status, "customfield_10101": "SOW-2041",
            "customfield_10102": "M1", "customfield_10103": 40000.00, "customfield_10104": [{ "value": "Test report" }],
            "customfield_10106": { "value": "Project sponsor" },
            "attachment": [{ "id": "10000", "filename": "Test report.pdf", "author": author, "size": 23123,
                "created": "2026-04-28T15:12:26.678+0200", "mimeType": "application/pdf",
                "content": "https://acme.atlassian.net/rest/api/3/attachment/content/10000" }] },
    })
    .to_string()
}

/// Median of a benchmark of this run, in nanoseconds, from what criterion has written.
fn median(name: &str) -> f64 {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../criterion").join(name).join("new/estimates.json");
    let tree: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    tree["median"]["point_estimate"].as_f64().unwrap()
}

fn main() {
    let text = issue();
    assert!((3_900..4_500).contains(&text.len()), "{} bytes", text.len());
    let mut criterion = Criterion::default().configure_from_args().sample_size(50);
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("floor", |bench| bench.iter(|| serde_json::from_str::<Issue>(black_box(&text)).unwrap()));
    group.bench_function("record", |bench| bench.iter(|| read("jira", black_box(&text)).unwrap()));
    group.finish();
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!(
        "\nparse: an issue of {} bytes becomes a record in {:.1} µs, {:.2} times the floor (the same fields by serde_json)",
        text.len(),
        median("parse/record") / 1_000.0,
        median("parse/record") / median("parse/floor")
    );
}
