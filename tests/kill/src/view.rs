//! What a run has led to, in lines that are the same for two runs that ended alike: what the simulated systems hold, and
//! what the daemon's own commands report.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_mocks::{ErpDocument, Side};
use serde_json::Value;

use crate::daemon::{Program, call};
use crate::world::World;

/// What the simulated systems hold, a line each, sorted: whatever is there twice stands here twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View(Vec<String>);

impl View {
    /// What they hold now.
    pub fn of(world: &World) -> Self {
        let simulators = &world.simulators;
        let mut lines: Vec<String> = Vec::new();
        lines.extend(simulators.netsuite.documents().iter().map(|one| document("netsuite", one)));
        lines.extend(simulators.quickbooks.documents().iter().map(|one| document("quickbooks", one)));
        let customers = simulators.netsuite.records("customer");
        lines.extend(customers.iter().map(|one| format!("netsuite customer {}", one.text("companyName"))));
        let customers = simulators.quickbooks.records("Customer");
        lines.extend(customers.iter().map(|one| format!("quickbooks customer {}", one.text("DisplayName"))));
        // Whether it was ever shown that nothing has happened yet depends on what was read first.
        let shown = simulators.salesforce.records("Milestone__c").into_iter();
        lines.extend(shown.filter(|one| one.text("Status__c") != "pending").map(|one| {
            let fields = ["External_Id__c", "Name", "Status__c", "Amount__c", "Invoice_Number__c"];
            format!("salesforce status {}", fields.map(|field| one.text(field)).join(" "))
        }));
        lines.sort();
        Self(lines)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Invoices among them.
    pub fn invoices(&self) -> usize {
        self.0.iter().filter(|line| line.contains(" invoice ")).count()
    }

    /// What this has and the other has not, and the other way round.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let count = |view: &Self| {
            view.0.iter().fold(BTreeMap::new(), |mut counts: BTreeMap<String, usize>, line| {
                let count = counts.entry(line.clone()).or_default();
                *count = count.saturating_add(1);
                counts
            })
        };
        let (have, want) = (count(self), count(wanted));
        let lines: BTreeSet<&String> = have.keys().chain(want.keys()).collect();
        let times = |counts: &BTreeMap<String, usize>, line: &String| counts.get(line).copied().unwrap_or(0);
        lines
            .into_iter()
            .filter(|line| times(&have, line) != times(&want, line))
            .map(|line| format!("{} times instead of {}: {line}", times(&have, line), times(&want, line)))
            .collect()
    }
}

fn document(erp: &str, one: &ErpDocument) -> String {
    let mut postings: Vec<String> = one
        .lines
        .iter()
        .map(|(account, side, amount)| format!("{}{account} {amount}", if *side == Side::Debit { "+" } else { "-" }))
        .collect();
    postings.sort();
    let about = [one.contract.as_deref(), one.milestone.as_deref()].map(Option::unwrap_or_default).join("/");
    // A payment has no number that anybody gave it.
    let number = if one.kind == "payment" { "" } else { &one.number };
    format!(
        "{erp} {} {number} {} {} {} {} {about} {} [{}]",
        one.kind,
        one.date,
        one.currency,
        one.amount,
        one.customer,
        one.status,
        postings.join(", ")
    )
}

/// What the daemon says about a contract, without what passes. `None`: no answer.
pub(crate) async fn contract(world: &World, number: u32) -> Option<String> {
    let path = format!("/v1/contracts/SOW-{number}");
    match call(&world.url(), "GET", &path, "", None).await {
        Some((200, mut value)) => {
            forget(&mut value);
            Some(value.to_string())
        }
        _ => None,
    }
}

/// What the daemon's commands report in the end, by command.
pub type Reports = BTreeMap<String, String>;

/// Commands whose reports must be the same after any run.
const REPORTS: [&[&str]; 5] = [
    &["exceptions", "--json"],
    &["export", "journal"],
    &["contract", "list", "--json"],
    &["reconcile", "--json"],
    &["status", "--json"],
];
/// Commands that must be content.
const CHECKS: [&[&str]; 2] = [&["audit", "verify"], &["replay", "--check"]];

/// Asks for every report. The daemon need not run.
///
/// # Errors
/// A command cannot be run.
pub fn reports(world: &World, program: &Program, contracts: u32) -> anyhow::Result<Reports> {
    let mut reports = Reports::new();
    for arguments in REPORTS {
        let (_, text) = program.ask(world, arguments)?;
        reports.insert(arguments.join(" "), plain(&text));
    }
    for number in 0..contracts {
        let id = format!("SOW-{number}");
        let (_, text) = program.ask(world, &["contract", "show", &id, "--json"])?;
        reports.insert(format!("contract show {id}"), plain(&text));
    }
    Ok(reports)
}

/// What the daemon's own checks complain about.
///
/// # Errors
/// A command cannot be run.
pub fn complaints(world: &World, program: &Program) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for arguments in CHECKS {
        let (code, text) = program.ask(world, arguments)?;
        if code != Some(0) {
            found.push(format!("`{}` ended with {code:?}: {}", arguments.join(" "), text.trim()));
        }
    }
    Ok(found)
}

/// Fields that differ between two runs that ended alike: instants, the remote's own names, and how often it was tried.
const PASSING: [&str; 20] = [
    "at",
    "attempts",
    "confirmed_at",
    "created_at",
    "due_at",
    "effective_at",
    "fault_since",
    "fresh_through",
    "id",
    "key",
    "learned_at",
    "mails",
    "path",
    "polled_at",
    "received_at",
    "remote_id",
    "request_id",
    "seen_at",
    "settled_at",
    "streams",
];

/// A report without what passes; text that is no JSON as it is.
fn plain(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        // What happened at one instant may stand in any order.
        let sorted = |line: &str| {
            let mut parts: Vec<&str> = line.split(", ").collect();
            parts.sort_unstable();
            parts.join(", ")
        };
        return text.lines().map(sorted).collect::<Vec<_>>().join("\n");
    };
    forget(&mut value);
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn forget(value: &mut Value) {
    match value {
        Value::Object(table) => {
            // A contract and a milestone are called by their ids; a row, and a record of a vendor, are not.
            let is_record = table.contains_key("system") && table.contains_key("object");
            table.retain(|name, inner| {
                !PASSING.contains(&name.as_str()) || (name == "id" && inner.is_string() && !is_record)
            });
            // What was open and closed again within a day depends on what was read first.
            if let Some(Value::Array(exceptions)) = table.get_mut("exceptions") {
                exceptions.retain(|one| one.get("closed_on").is_none_or(Value::is_null));
            }
            table.values_mut().for_each(forget);
        }
        Value::Array(items) => {
            // Of what was shown about a milestone the last counts, and that is compared where it is shown.
            items.retain(|one| one.get("kind").is_none_or(|kind| kind != "billing_status"));
            items.iter_mut().for_each(forget);
            // Deliveries run side by side: their order says nothing.
            items.sort_by_key(ToString::to_string);
        }
        Value::String(text) => *text = without_record_names(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A sentence without its `(in quickbooks Invoice 104)`: a vendor counts up its ids in the order in which it was asked.
fn without_record_names(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, names)) = rest.split_once(" (in ") {
        kept.push_str(before);
        rest = names.split_once(')').map_or("", |(_, after)| after);
    }
    kept + rest
}

/// How two runs' reports differ, line by line; the first lines of each.
pub fn report_differences(have: &Reports, want: &Reports) -> Vec<String> {
    let mut found = Vec::new();
    for (name, wanted) in want {
        let had = have.get(name).map_or("", String::as_str);
        if had == wanted {
            continue;
        }
        let (mine, theirs): (BTreeSet<&str>, BTreeSet<&str>) = (had.lines().collect(), wanted.lines().collect());
        let more = mine.difference(&theirs).take(6).map(|line| format!("+{}", line.trim()));
        let less = theirs.difference(&mine).take(6).map(|line| format!("-{}", line.trim()));
        found.push(format!("`{name}` differs: {}", more.chain(less).collect::<Vec<_>>().join(" | ")));
    }
    found
}
