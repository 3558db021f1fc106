//! `audit …`: whether the trail is whole, its head, what a document stands on, and what was removed on purpose.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::table::{complain, say, titled};
use super::{AuditCommand, FOUND};
use crate::environment::Environment;
use crate::review::trail::{self, Trail};
use crate::store::audit::Head;
use crate::store::redact::Forget;

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

/// `milestoned audit trace WHAT`
async fn trace(env: &Environment, what: &str, json: bool) -> anyhow::Result<ExitCode> {
    let Some((told, made_of)) = trail::trail(env, what).await? else {
        complain(&format!("milestoned: there is no {what}: name {}", trail::NAMES));
        return Ok(ExitCode::from(FOUND));
    };
    say(&if json { serde_json::to_string_pretty(&json!({ "trail": told, "trace": made_of }))? } else { table(&told) });
    Ok(ExitCode::SUCCESS)
}

/// A trail as a table, from the clause to the payment.
fn table(told: &Trail) -> String {
    let mut table = titled(&["What it tells", "When", "Who", "What"]);
    for part in &told.parts {
        for (index, line) in part.lines.iter().enumerate() {
            let title = if index == 0 { part.title } else { "" };
            table.add_row(vec![title, &line.at, &line.who, &line.text]);
        }
    }
    table.to_string()
}
