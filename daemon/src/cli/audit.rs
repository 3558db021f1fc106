//! `audit …`: whether the trail is whole, its head, what a document stands on, and what was removed on purpose.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use milestoned_trail::checkpoint;
use serde_json::json;

use super::table::{complain, say, titled};
use super::{AuditCommand, FOUND};
use crate::environment::Environment;
use crate::review::trail::{self, Trail};
use crate::store::actor::Actor;
use crate::store::audit::{Head, Verdict};
use crate::store::redact::Forget;

/// `milestoned audit …`
pub(super) async fn audit(env: &Environment, command: AuditCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Export { file } => export(env, file.as_deref()).await,
        AuditCommand::Head => head(env, json).await,
        AuditCommand::Redact { before, actor, reason, reviewer } => {
            let before = match before.parse::<jiff::Timestamp>() {
                Ok(before) => before,
                Err(error) => anyhow::bail!("--before: an instant such as 2026-01-01T00:00:00Z: {error}"),
            };
            let systems = env.registry.iter().map(|(name, _)| name.to_owned()).collect();
            let what = Forget { actor: actor.map(Actor::from), before, systems };
            let forgotten = env.store.forget(what, reviewer.by.into(), reason, env.clock.now()).await?;
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
    let checkpoint = env.store.checkpoint(env.clock.now()).await?;
    let text = checkpoint.to_string();
    let Head { seq, hash } = checkpoint.head;
    say(&if json { json!({ "seq": seq, "hash": hash, "checkpoint": text }).to_string() } else { text });
    Ok(ExitCode::SUCCESS)
}

/// `milestoned audit export [FILE]`
async fn export(env: &Environment, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let now = env.clock.now();
    match file {
        None => {
            let mut out = std::io::stdout();
            env.store.export_audit(now, move |line| writeln!(out, "{line}")).await?;
        }
        Some(file) => {
            let told = |error: std::io::Error| anyhow::anyhow!("{}: {error}", file.display());
            let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(file).map_err(told)?;
            let mut out = opened;
            env.store.export_audit(now, move |line| writeln!(out, "{line}")).await?;
            std::fs::File::open(file).and_then(|file| file.sync_all()).map_err(told)?;
            say(&format!("{}: check it with `milestoned-verify {}`", file.display(), file.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(env: &Environment, heads: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let kept = kept_heads(env, heads)?;
    let compared = kept.len();
    let verdict = env.store.verify_audit(kept).await?;
    if json {
        say(&serde_json::to_string(&verdict)?);
    }
    let Some(flaw) = verdict.flaw() else {
        if !json {
            say(&covered(&verdict, compared));
        }
        return Ok(ExitCode::SUCCESS);
    };
    complain(&format!("milestoned: {flaw}"));
    let told = usize::from(verdict.broken.is_none());
    verdict.findings.iter().skip(told).for_each(|finding| complain(&format!("milestoned: {finding}")));
    Ok(ExitCode::from(FOUND))
}

/// What was compared, and with what.
fn covered(verdict: &Verdict, heads: usize) -> String {
    let outside = match heads {
        0 => "no head from outside was compared: `audit head` prints one to keep elsewhere".to_owned(),
        count => format!("{count} heads from outside agree"),
    };
    let rows: i64 = verdict.rows.values().sum();
    let tables = verdict.rows.values().filter(|rows| **rows > 0).count();
    let from = match verdict.attested_from {
        Some(line) => format!("; rows of before line {line} are attested as they stood then"),
        None => String::new(),
    };
    format!(
        "{} lines, each follows from the one before it, up to the sealed head; {rows} rows of {tables} tables are as they were \
         written{from}; {outside}",
        verdict.lines
    )
}

/// The heads in a file, or in the one that the daemon appends them to, where there is one.
///
/// # Errors
/// It cannot be read, or holds something else.
pub(super) fn kept_heads(env: &Environment, file: Option<&Path>) -> anyhow::Result<Vec<Head>> {
    let own = env.settings.audit.checkpoint_file.as_deref().filter(|file| file.exists());
    file.or(own).map_or(Ok(Vec::new()), |file| read_heads(env, file))
}

/// Checkpoints that `audit head` printed or the daemon sent, however many; each that is signed must be by our key.
fn read_heads(env: &Environment, file: &Path) -> anyhow::Result<Vec<Head>> {
    let text = std::fs::read_to_string(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let told = |(line, reason): (usize, String)| anyhow::anyhow!("{} line {line}: {reason}", file.display());
    let own = env.store.key().public_keys();
    checkpoint::read(&text)
        .map_err(told)?
        .into_iter()
        .map(|checkpoint| match checkpoint.flaw(&own) {
            Some(flaw) => anyhow::bail!("{}: the checkpoint of line {}: {flaw}", file.display(), checkpoint.head.seq),
            None => Ok(checkpoint.head),
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
