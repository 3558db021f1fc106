//! `audit …`: whether the trail is whole, its head, what a document stands on, and what was removed on purpose.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::table::{complain, say, titled};
use super::{AuditCommand, FOUND};
use crate::environment::Environment;
use crate::report::checkpoints;
use crate::report::package::{self, Asked, Sum};
use crate::review::trail::{self, Trail};
use crate::store::audit::{Head, Verdict};

/// The whole trail in a package.
const WHOLE: &str = "export.jsonl";

/// `milestoned audit …`
pub(super) async fn audit(env: &Environment, command: AuditCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Export { file } => export(env, file.as_deref()).await,
        AuditCommand::Head => head(env, json).await,
        AuditCommand::Package { folder, from, through, contract } => {
            let asked = Asked::of(from, through, contract.into_iter().collect())?;
            package(env, &folder, &asked, json).await
        }
        // Asked of the daemon by `dispatch`.
        AuditCommand::Redact { .. } => Ok(ExitCode::SUCCESS),
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
    match file {
        None => {
            let print = |line: &str| {
                say(line);
                Ok(())
            };
            env.store.export_audit(env.clock.now(), print).await?;
        }
        Some(file) => {
            export_into(env, file).await?;
            say(&to_check(file));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn export_into(env: &Environment, file: &Path) -> anyhow::Result<()> {
    let told = |error: std::io::Error| anyhow::anyhow!("{}: {error}", file.display());
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(file).map_err(told)?;
    env.store.export_audit(env.clock.now(), move |line| writeln!(out, "{line}")).await?;
    std::fs::File::open(file).and_then(|file| file.sync_all()).map_err(told)
}

fn to_check(file: &Path) -> String {
    format!("{}: check it with `milestoned-verify {}`", file.display(), file.display())
}

/// `milestoned audit package FOLDER`
async fn package(env: &Environment, folder: &Path, asked: &Asked, json: bool) -> anyhow::Result<ExitCode> {
    let told =
        |error: std::io::Error| anyhow::anyhow!("{}: {error}; name a folder that is not there yet", folder.display());
    let files = package::files(env, asked).await?;
    std::fs::create_dir(folder).map_err(told)?;
    let mut sums = Vec::new();
    for file in files {
        std::fs::write(folder.join(&file.name), &file.text).map_err(told)?;
        sums.push(Sum::of(&file.name, file.text.as_bytes()));
    }
    if asked.contracts.is_empty() {
        let whole = folder.join(WHOLE);
        export_into(env, &whole).await?;
        sums.push(Sum::of(WHOLE, &std::fs::read(&whole).map_err(told)?));
    }
    let Some((manifest, public_key, signature)) = package::manifest(env, asked, &sums).await? else {
        anyhow::bail!("this machine cannot sign with the house's key");
    };
    sums.push(Sum::of("manifest.json", manifest.as_bytes()));
    let signed = json!({ "public_key": &public_key, "signature": signature }).to_string();
    let listed: String = sums.iter().map(|sum| format!("{}  {}\n", sum.sha256, sum.name)).collect();
    for (name, text) in [("manifest.json", manifest), ("manifest.sig.json", signed), ("SHA256SUMS", listed)] {
        std::fs::write(folder.join(name), text).map_err(told)?;
    }
    if json {
        let names: Vec<&str> = sums.iter().map(|sum| sum.name.as_str()).collect();
        say(&json!({ "folder": folder, "files": names, "public_key": public_key }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if asked.contracts.is_empty() {
        say(&to_check(&folder.join(WHOLE)));
    }
    say(&format!("{}: begin with index.html; `sha256sum -c SHA256SUMS` compares the files", folder.display()));
    Ok(ExitCode::SUCCESS)
}

async fn verify(env: &Environment, heads: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let kept = checkpoints::kept(env, heads)?;
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
