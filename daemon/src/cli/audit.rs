//! `audit …`: whether the trail is whole, its head, what a document stands on, and what was removed on purpose.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::table::{complain, say, titled};
use super::{AuditCommand, FOUND};
use crate::environment::Environment;
use crate::store::audit::Head;
use crate::store::redact::Forget;
use crate::store::trace::{Start, Trace};

/// `milestoned audit …`
pub(super) async fn audit(env: &Environment, command: AuditCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Head => head(env, json).await,
        AuditCommand::Redact { before, actor, reason, reviewer } => {
            let before = match before.parse::<jiff::Timestamp>() {
                Ok(before) => before,
                Err(error) => anyhow::bail!("--before: an instant such as 2026-01-01T00:00:00Z: {error}"),
            };
            let systems = env.registry.iter().map(|(name, _)| name.to_owned()).collect();
            let what = Forget { actor, before, systems };
            let forgotten = env.store.forget(what, reviewer.by, reason, env.clock.now()).await?;
            let text = format!(
                "names and what people wrote were removed from {} audit lines, {} facts and {} source records; the chain keeps \
                 digests, and replay gives the same state",
                forgotten.lines, forgotten.facts, forgotten.records
            );
            say(&if json { json!(forgotten).to_string() } else { text });
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Trace { what } => trace(env, &what, json).await,
        AuditCommand::Verify { heads } => verify(env, heads.as_deref(), json).await,
    }
}

/// The head as one line, made to be kept elsewhere.
async fn head(env: &Environment, json: bool) -> anyhow::Result<ExitCode> {
    let head = env.store.audit_head().await?;
    say(&if json { serde_json::to_string(&head)? } else { format!("{} {}", head.seq, head.hash) });
    Ok(ExitCode::SUCCESS)
}

async fn verify(env: &Environment, heads: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let kept = heads.map_or(Ok(Vec::new()), read_heads)?;
    let compared = kept.len();
    let verdict = env.store.verify_audit(kept).await?;
    if json {
        say(&serde_json::to_string(&verdict)?);
    }
    match &verdict.broken {
        None => {
            if !json {
                let outside = match compared {
                    0 => "no head from outside was compared: `audit head` prints one to keep elsewhere".to_owned(),
                    count => format!("{count} heads from outside agree"),
                };
                say(&format!("{} lines, each follows from the one before it; {outside}", verdict.lines));
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(broken) => {
            complain(&format!("milestoned: the audit trail is broken at line {}: {}", broken.seq, broken.what));
            Ok(ExitCode::from(FOUND))
        }
    }
}

/// Lines that `audit head` printed, however many.
pub(super) fn read_heads(file: &Path) -> anyhow::Result<Vec<Head>> {
    let text = std::fs::read_to_string(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            let head = line.split_once(' ').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash.trim().to_owned())));
            let (seq, hash) = head.ok_or_else(|| {
                anyhow::anyhow!(
                    "{} line {number}: not what `milestoned audit head` prints, a number and a hash",
                    file.display()
                )
            })?;
            Ok(Head { seq, hash })
        })
        .collect()
}

/// `milestoned audit trace WHAT`: an invoice number, `fact:ROW`, or `record:ROW`.
async fn trace(env: &Environment, what: &str, json: bool) -> anyhow::Result<ExitCode> {
    let row = |text: &str| text.parse().map_err(|_| anyhow::anyhow!("{what:?}: a row is a number, as in fact:12"));
    let start = match what.split_once(':') {
        Some(("fact", id)) => Start::Fact(row(id)?),
        Some(("record", id)) => Start::Record(row(id)?),
        _ => Start::Document(what.to_owned()),
    };
    let Some(trace) = env.store.trace(start).await? else {
        complain(&format!(
            "milestoned: there is no {what}: name a document by its number, a fact as fact:ROW, a record as record:ROW"
        ));
        return Ok(ExitCode::from(FOUND));
    };
    say(&if json { serde_json::to_string_pretty(&trace)? } else { told(&trace) });
    Ok(ExitCode::SUCCESS)
}

/// A trace as a table, from the clause down to the remote.
fn told(trace: &Trace) -> String {
    let mut table = titled(&["When", "What", "Who", "Detail"]);
    let contract = trace.contract.as_deref().unwrap_or("");
    for clause in &trace.clauses {
        table.add_row(vec!["", "clause", contract, &in_words(clause)]);
    }
    for one in &trace.records {
        let what = format!("record:{} {} {} {}", one.id, one.system, one.object, one.remote_id);
        let version = format!("version {}", one.version);
        table.add_row(vec![one.seen_at.to_string().as_str(), &what, &one.system, &version]);
    }
    for one in &trace.facts {
        let what = format!("fact:{} {}", one.id, one.subject());
        table.add_row(vec![one.at.to_string().as_str(), &what, &one.actor, &in_words(&one.fact)]);
    }
    for one in &trace.documents {
        let what = format!("{} {}", one.kind.name(), one.number);
        let detail = format!("{} {}, due {}, to {}", one.amount, one.currency, one.due_on, one.target);
        table.add_row(vec![one.date.to_string().as_str(), &what, contract, &detail]);
    }
    for one in &trace.lines {
        // Of an exception the subject is its code.
        let code = Some(&one.subject).filter(|_| one.action.starts_with("exception")).map(|code| format!(" {code}"));
        let what = format!("{}{} ({})", one.action, code.unwrap_or_default(), one.seq);
        table.add_row(vec![one.at.as_str(), &what, &one.actor, &one.detail]);
    }
    for one in &trace.deliveries {
        let what = format!("{} {}", one.kind, one.state);
        let detail = format!(
            "remote id {}, request id {}, confirmed {}",
            one.remote_id.as_deref().unwrap_or("none"),
            one.request_id.as_deref().unwrap_or("none"),
            one.confirmed_at.map_or_else(|| "not yet".into(), |at| at.to_string()),
        );
        table.add_row(vec![
            one.settled_at.map_or_else(String::new, |at| at.to_string()).as_str(),
            &what,
            &one.target,
            &detail,
        ]);
    }
    table.to_string()
}

/// The fields of a clause or a fact that say something: `name: Terminal survey, amount: 30000.00`.
fn in_words(value: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(
            items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), Into::into))
                .collect::<Vec<String>>()
                .join(" + "),
        ),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let said = |(name, value): (&String, &Value)| word(value).map(|word| format!("{}: {word}", name.replace('_', " ")));
    let fields: Vec<String> = value.as_object().into_iter().flatten().filter_map(said).collect();
    fields.join(", ")
}
