//! What reading and writing costs in calls, counted by the simulators: the table of `docs/api-costs.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::SignedDuration;
use milestoned_connector_kit::conformance::{Remote, drain};
use milestoned_connector_kit::{Cursor, Sink, Write};
use milestoned_mapping::command::Command;

use super::Desk;
use super::{jira::Site, netsuite::Account, quickbooks::Company, salesforce::Org};

/// Records of each count.
const MANY: u32 = 1000;

/// One line of the table.
struct Line {
    what: &'static str,
    /// The vendor's minimum, and how it comes about.
    minimum: (u64, &'static str),
    calls: u64,
    endpoints: String,
    throttled: u64,
}

/// Calls since `before`, sign-ins apart.
fn since(desk: &Desk, before: &BTreeMap<String, u64>) -> (u64, String) {
    let mut endpoints = Vec::new();
    for (endpoint, count) in desk.requests() {
        let new = count - before.get(&endpoint).copied().unwrap_or_default();
        if new > 0 && !endpoint.contains("token") {
            endpoints.push((endpoint, new));
        }
    }
    let total = endpoints.iter().map(|(_, count)| count).sum();
    let text: Vec<String> = endpoints.iter().map(|(endpoint, count)| format!("{count} × `{endpoint}`")).collect();
    (total, text.join(", "))
}

async fn read<R: Remote>(remote: &R, desk: &Desk, what: &'static str, minimum: (u64, &'static str)) -> Line {
    let (_, cursor) = drain(remote, &Cursor::default()).await.unwrap();
    let wanted = remote.create(usize::try_from(MANY).unwrap());
    remote.conditions().advance(SignedDuration::from_mins(30));
    let before = desk.requests();
    let (records, _) = drain(remote, &cursor).await.unwrap();
    assert!(records.len() >= wanted.len(), "{what}: {} of {}", records.len(), wanted.len());
    let (calls, endpoints) = since(desk, &before);
    Line { what, minimum, calls, endpoints, throttled: desk.throttled() }
}

async fn write<R: Remote>(remote: &R, desk: &Desk, what: &'static str, minimum: (u64, &'static str)) -> Line {
    let commands: Vec<_> = (0..MANY).map(|ordinal| remote.command(ordinal)).collect();
    let lane = |command: &Command| remote.connector().lane(command).most;
    let before = desk.requests();
    for chunk in commands.chunks(lane(&commands[0].1)) {
        let writes: Vec<Write<'_>> = chunk.iter().map(|(key, command, after)| Write { key, command, after }).collect();
        for outcome in remote.connector().put(&writes).await {
            outcome.unwrap();
        }
    }
    let (calls, endpoints) = since(desk, &before);
    assert!((0..MANY).step_by(97).all(|ordinal| remote.written(ordinal) == 1), "{what}: not all is written");
    Line { what, minimum, calls, endpoints, throttled: desk.throttled() }
}

/// What 1,000 new milestones cost on their whole way: read, shown, posted.
fn whole(lines: &[Line], erp: &str) -> u64 {
    let ours = |line: &&Line| {
        line.what.contains("Salesforce")
            || line.what.contains("Jira")
            || line.what.ends_with(&format!("posted to {erp}"))
    };
    lines.iter().filter(ours).map(|line| line.calls).sum()
}

fn table(lines: &[Line]) -> String {
    let mut text = String::from("| per 1,000 | calls | vendor's minimum | calls by endpoint |\n|---|---|---|---|\n");
    for line in lines {
        let (least, why) = line.minimum;
        writeln!(text, "| {} | {} | {least}: {why} | {} |", line.what, line.calls, line.endpoints).unwrap();
    }
    for (erp, least) in [("NetSuite", 37), ("QuickBooks", 51)] {
        let calls = whole(lines, erp);
        writeln!(
            text,
            "| milestones read, shown, posted to {erp} | {calls} | {least} | the lines above, read-back apart |"
        )
        .unwrap();
    }
    text
}

#[tokio::test]
async fn calls_are_near_the_vendors_minimum_and_stand_in_the_docs() {
    let (org, site, account, company) =
        (Org::start().await, Site::start().await, Account::start().await, Company::start().await);
    let lines = [
        read(&org, &org.desk, "opportunities pulled from Salesforce", (1, "pages of 2,000")).await,
        write(&org, &org.desk, "billing statuses shown in Salesforce", (1, "Composite of 5 Collections of 200")).await,
        read(&site, &site.desk, "issues changed in Jira", (11, "1 page of ids, 10 consistent reads of 100")).await,
        read(&account, &account.desk, "invoices pulled from NetSuite", (1, "SuiteQL, pages of 1,000")).await,
        write(
            &account,
            &account.desk,
            "invoices posted to NetSuite",
            (21, "10 batches of 100, 10 polls, 1 look-up of ids"),
        )
        .await,
        read(
            &company,
            &company.desk,
            "invoices pulled from QuickBooks",
            (8, "change data capture ends at 1,000 objects: then a query for each kind"),
        )
        .await,
        write(&company, &company.desk, "invoices posted to QuickBooks", (34, "batches of 30")).await,
    ];
    for line in &lines {
        assert!(
            line.calls * 100 <= line.minimum.0 * 105 + 100,
            "{}: {} calls: {}",
            line.what,
            line.calls,
            line.endpoints
        );
        assert_eq!(line.throttled, 0, "{}: throttled by ourselves", line.what);
    }
    assert!(whole(&lines, "NetSuite") * 100 <= 37 * 105 && whole(&lines, "QuickBooks") * 100 <= 51 * 105);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api-costs.md");
    let page = std::fs::read_to_string(file).unwrap();
    let start = page.find("| per 1,000 |").expect("docs/api-costs.md has the table");
    let wanted = format!("{}{}", &page[..start], table(&lines));
    if std::env::var_os("MILESTONED_WRITE_GOLDEN").is_some() {
        std::fs::write(file, wanted).unwrap();
    } else {
        assert_eq!(page, wanted, "write it anew: MILESTONED_WRITE_GOLDEN=1 cargo test -p milestoned-tests costs");
    }
}
