//! `milestoned doctor`: whether the books are whole and agree with the remotes; each finding with what to do.

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{After, Found, Write};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::contract::{Code, Contract};
use milestoned_mapping::drift::Kind;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::statement::Statement;

use super::FOUND;
use super::table::{say, titled};
use crate::engine;
use crate::environment::Environment;
use crate::registry::Connection;
use crate::replay;
use crate::report::checkpoints;
use crate::review::item::Item;
use crate::review::queue::{Filter, queue};
use crate::store::audit::Head;
use crate::store::outbox::Delivery;
use crate::store::vocabulary::DeliveryState;

/// What the doctor looks at.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Ask no remote.
    #[arg(long)]
    pub(super) offline: bool,
    /// Compare documents that were delivered in the last so many days.
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// File of lines that `audit head` printed.
    #[arg(long)]
    heads: Option<std::path::PathBuf>,
}

/// `milestoned doctor`
pub(super) async fn doctor(env: &Environment, options: Options, json: bool) -> anyhow::Result<ExitCode> {
    let kept = checkpoints::kept(env, options.heads.as_deref())?;
    let mut findings = books(env, kept).await?;
    findings.extend(waiting(env).await?);
    if !options.offline {
        let since =
            env.clock.now().saturating_sub(SignedDuration::from_hours(i64::from(options.days).saturating_mul(24)));
        findings.extend(drift(env, since.unwrap_or(Timestamp::MIN)).await?);
    }
    if json {
        say(&serde_json::to_string_pretty(&findings)?);
    } else if findings.is_empty() {
        say("nothing was found");
    } else {
        let mut table = titled(&["Where", "What", "What to do"]);
        for finding in &findings {
            table.add_row(vec![&finding.place, &finding.reason, &finding.remedy]);
        }
        say(&table.to_string());
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// The database, the audit trail, and whether state follows from facts.
///
/// # Errors
/// The store failed.
pub async fn books(env: &Environment, kept: Vec<Head>) -> anyhow::Result<Vec<Problem>> {
    let mut findings = Vec::new();
    for flaw in env.store.flaws().await? {
        findings.push(Problem::new(
            "database",
            flaw,
            "stop the daemon and restore a backup: `milestoned restore FILE`",
        ));
    }
    let verdict = env.store.verify_audit(kept).await?;
    let remedy = "compare with a backup: somebody changed the database past milestoned";
    findings
        .extend(verdict.broken.map(|broken| Problem::new(format!("audit line {}", broken.seq), broken.what, remedy)));
    findings.extend(verdict.findings.into_iter().map(|finding| Problem::new(finding.place(), finding.what, remedy)));
    for row in env.store.contracts().await? {
        let place = format!("contract {}", row.id);
        let rebuilt = match replay::contract(env, &row).await {
            Ok(rebuilt) => rebuilt,
            Err(error) => {
                let remedy = "correct the calendar or restore a backup";
                findings.push(Problem::new(place, format!("cannot be rebuilt: {error}"), remedy));
                continue;
            }
        };
        findings.extend(derived(env, &rebuilt).await?);
        if serde_json::to_string(&rebuilt)? != row.state {
            let remedy = "compare with a backup; after an upgrade read the changelog: this version decides otherwise";
            findings.push(Problem::new(place, "its facts give another state than the stored one", remedy));
        }
    }
    for document in env.store.documents(None).await?.into_iter().filter(|document| document.delivery.is_none()) {
        let place = format!("document {}", document.number);
        findings.push(Problem::new(place, "its posting is not in the outbox", "restore a backup"));
    }
    Ok(findings)
}

/// Rows that follow from a contract's facts and say otherwise: documents, what was told to the ERP, exceptions.
async fn derived(env: &Environment, contract: &Contract) -> anyhow::Result<Vec<Problem>> {
    let id = contract.terms().id();
    let (documents, deliveries) =
        (env.store.documents(Some(id.into())).await?, env.store.deliveries(Some(id.into()), &[]).await?);
    let mut wrong = Vec::new();
    for issued in contract.documents() {
        let row = documents.iter().find(|row| row.number == issued.number);
        let same = row.is_some_and(|row| (row.kind, row.date, row.amount) == (issued.kind, issued.date, issued.amount));
        let told = row.and_then(|row| deliveries.iter().find(|delivery| delivery.key == row.posting));
        let wanted = Statement::of_document(contract, issued);
        let differs = |command: &Command| !Statement::of_command(command).differences(&wanted).is_empty();
        if !same || told.is_some_and(|told| told.command.as_ref().is_none_or(differs)) {
            wrong.push(format!("document {}", issued.number));
        }
    }
    let extra =
        documents.iter().filter(|row| contract.documents().iter().all(|document| document.number != row.number));
    wrong.extend(extra.map(|row| format!("document {}", row.number)));
    let shown = env.store.exceptions(Some(vec![id.into()]), false).await?;
    let shown = shown.into_iter().filter(|row| Kind::named(&row.code).is_none());
    let shown: Vec<_> = shown.map(|row| (row.code, row.milestone, row.opened_on, row.closed_on)).collect();
    let rows = engine::exceptions(contract).into_iter();
    if shown != rows.map(|row| (row.code, row.milestone, row.opened_on, row.closed_on)).collect::<Vec<_>>() {
        wrong.push(format!("exceptions of contract {id}"));
    }
    let remedy = "somebody changed the database past milestoned: compare with a backup";
    Ok(wrong.into_iter().map(|place| Problem::new(place, "its row says otherwise than the facts", remedy)).collect())
}

/// What does not go on by itself: the queue but for what the rules and the reviewers hold on purpose, and for contracts that
/// nobody has filed.
///
/// # Errors
/// The store failed.
pub async fn waiting(env: &Environment) -> anyhow::Result<Vec<Problem>> {
    let kinds = ["delivery", "expiry", "fact", "file", "pause", "record", "stream", "unseen"];
    let mut items = queue(env, &Filter::of_kinds(&kinds)).await?;
    // What was decided, given up and not billed again is missing in the ERP.
    let withdrawn = queue(env, &Filter::of_kinds(&["exception"])).await?;
    items.extend(withdrawn.into_iter().filter(|item| item.code.as_deref() == Some(Code::InvoiceWithdrawn.name())));
    let place = |item: &Item| format!("{} {}", item.title_and_code(), item.contract.as_deref().unwrap_or_default());
    Ok(items.into_iter().map(|item| Problem { place: place(&item).trim_end().into(), ..item.problem }).collect())
}

/// What we delivered and the remote has no more, or has otherwise.
///
/// # Errors
/// The store failed.
pub async fn drift(env: &Environment, since: Timestamp) -> anyhow::Result<Vec<Problem>> {
    let mut findings = Vec::new();
    let done = env.store.deliveries(None, &[DeliveryState::Done]).await?;
    let recent = |delivery: &&Delivery| delivery.settled_at.is_some_and(|settled| settled >= since);
    for (target, entry) in env.registry.iter().filter(|(_, entry)| entry.connection.takes_documents()) {
        let mine: Vec<(&Delivery, &Command)> =
            done.iter().filter(recent).filter(|delivery| delivery.target == target).filter_map(document).collect();
        findings.extend(compare(target, &entry.connection, &mine).await);
    }
    Ok(findings)
}

/// A delivery with its document, where it is one.
fn document(delivery: &Delivery) -> Option<(&Delivery, &Command)> {
    let command = delivery.command.as_ref()?;
    let is_one = matches!(command, Command::Invoice(_) | Command::CreditMemo(_) | Command::JournalEntry(_));
    is_one.then_some((delivery, command))
}

async fn compare(target: &str, connection: &Connection, deliveries: &[(&Delivery, &Command)]) -> Vec<Problem> {
    let mut findings = Vec::new();
    let mut rest = deliveries;
    while let Some(((_, first), _)) = rest.split_first() {
        let lane = connection.lane(first);
        let same =
            rest.iter().take(lane.most.max(1)).take_while(|(_, command)| connection.lane(command).name == lane.name);
        let (batch, later) = rest.split_at(same.count().max(1));
        rest = later;
        let after = After::default();
        let keys: Vec<DeliveryKey> =
            batch.iter().map(|(delivery, _)| DeliveryKey::stored(delivery.key.clone())).collect();
        let writes: Vec<Write<'_>> =
            batch.iter().zip(&keys).map(|((_, command), key)| Write { key, command, after: &after }).collect();
        match connection.find(&writes).await {
            Ok(found) => {
                for ((delivery, command), found) in batch.iter().zip(found) {
                    findings.extend(judge(target, delivery, command, found.as_ref()));
                }
            }
            Err(fault) => {
                let remedy = "see `milestoned check`, then look again";
                findings.push(Problem::new(target, format!("could not be asked: {fault}"), remedy));
                return findings;
            }
        }
    }
    findings
}

fn judge(target: &str, delivery: &Delivery, command: &Command, found: Option<&Found>) -> Option<Problem> {
    let place = format!("{target} {}", delivery.subject);
    let remote = delivery.remote_id.as_deref().unwrap_or("unknown");
    let Some(found) = found else {
        let what = format!("was delivered as record {remote}, and is not there any more");
        return Some(Problem::new(
            place,
            what,
            "ask who voided or deleted it; correct it in the remote, or amend the contract",
        ));
    };
    let mut differences = found.says.differences(&Statement::of_command(command));
    if delivery.remote_id.as_ref().is_some_and(|id| *id != found.receipt.remote_id) {
        differences.push(format!("it is record {}, not {remote}", found.receipt.remote_id));
    }
    let what = format!("says something else than was delivered: {}", differences.join("; "));
    let remedy = "correct it in the remote, or amend the contract";
    (!differences.is_empty()).then(|| Problem::new(place, what, remedy))
}
