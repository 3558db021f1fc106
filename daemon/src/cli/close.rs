//! `close prepare`, `close sign`: the month-end close, through the running daemon.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::review::{Daemon, refused};
use super::table::{amount, say, titled};
use super::{BAD_INPUT, Caller};
use crate::report::close::Month;

/// Steps of a close that are commands.
#[derive(Debug, Clone, Subcommand)]
pub enum CloseCommand {
    /// Prepare the figures of a month: the books beside the ERPs’ ledgers, and a checklist of what was found.
    Prepare(Prepare),
    /// Sign the figures that were prepared: they are frozen, and the month's dates are closed for good.
    Sign(Sign),
}

/// What is prepared.
#[derive(Debug, Clone, Args)]
pub struct Prepare {
    /// A month such as 2026-03.
    month: String,
    /// Where the package is put, a ZIP; there must be no such file yet.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    caller: Caller,
}

/// What is signed.
#[derive(Debug, Clone, Args)]
pub struct Sign {
    /// A month such as 2026-03.
    month: String,
    /// Digest of the figures that were looked at, as `prepare` tells it.
    #[arg(long)]
    digest: String,
    /// A step at which something was found and that was looked at; several times for several.
    #[arg(long = "looked-at", value_name = "STEP")]
    looked_at: Vec<String>,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    caller: Caller,
}

pub(super) async fn run(config: Option<&Path>, command: CloseCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        CloseCommand::Prepare(asked) => prepare(config, asked, json).await,
        CloseCommand::Sign(asked) => sign(config, asked, json).await,
    }
}

fn read(month: &str) -> anyhow::Result<Month> {
    month.parse().map_err(|problem| anyhow::anyhow!("{problem}"))
}

async fn prepare(config: Option<&Path>, asked: Prepare, json: bool) -> anyhow::Result<ExitCode> {
    let (month, daemon) = (read(&asked.month)?, Daemon::of(config, &asked.caller)?);
    // What cannot be put anywhere is not prepared: preparing changes the digest of what was looked at.
    if let Some(file) = asked.out.as_ref().filter(|file| file.exists()) {
        anyhow::bail!("--out: {} is there already; give a file that is not there yet", file.display());
    }
    let folder = asked.out.as_ref().and_then(|file| file.parent()).filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        anyhow::bail!("--out: {} is no folder; give a file in one that is there", folder.display());
    }
    let path = format!("/v1/closes/{month}");
    let (mut status, mut body) = daemon.ask(Method::PUT, &path, None).await?;
    while status == reqwest::StatusCode::ACCEPTED {
        super::table::complain(&format!("{} of {} contracts are read", body["read"], body["of"]));
        (status, body) = daemon.ask(Method::PUT, &path, None).await?;
    }
    if status == reqwest::StatusCode::CONFLICT {
        // 409: the close is signed. Its frozen figures are shown.
        (status, body) = daemon.ask(Method::GET, &path, None).await?;
    }
    if !status.is_success() {
        return Ok(refused(status, &body));
    }
    if let Some(file) = &asked.out {
        match daemon.file(&format!("/v1/closes/{month}/package.zip")).await? {
            Ok(bytes) => {
                use std::io::Write as _;
                let made = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
                made.and_then(|mut made| made.write_all(&bytes)).map_err(|error| {
                    anyhow::anyhow!("{}: {error}; give a file that is not there yet", file.display())
                })?;
            }
            Err(said) => {
                super::table::complain(&format!("milestoned: {said}"));
                return Ok(ExitCode::from(BAD_INPUT));
            }
        }
    }
    say(&if json { serde_json::to_string_pretty(&body)? } else { told(&body) });
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Checklist, sums and tie-out, as tables.
fn told(body: &Value) -> String {
    let close = &body["close"];
    let state = match close["signed_by"].as_str() {
        Some(by) => format!("signed by {by} on {}", text(&close["signed_at"])),
        None => "open".to_owned(),
    };
    let mut steps = titled(&["Step", "Name", "Found", "Looked at by"]);
    for step in body["steps"].as_array().into_iter().flatten() {
        let found = Some(text(&step["found"])).filter(|found| !found.is_empty()).unwrap_or("nothing");
        steps.add_row(vec![text(&step["title"]), text(&step["name"]), found, text(&step["done_by"])]);
    }
    let mut ties = titled(&["ERP", "Account", "Currency", "In our books", "In the ledger", "Difference"]);
    for row in body["figures"]["tables"]["Tie-out"].as_array().into_iter().flatten() {
        let mut cells: Vec<comfy_table::Cell> =
            ["ERP", "Account", "Currency"].map(|name| text(&row[name]).into()).into_iter().collect();
        cells.extend(["In our books", "In the ledger", "Difference"].map(|name| amount(text(&row[name]))));
        ties.add_row(cells);
    }
    let (month, digest) = (text(&close["month"]), text(&close["digest"]));
    format!("{month} is {state}; digest {digest}\n{steps}\n{ties}{}", next(body, month, digest))
}

/// The command that signs what was prepared, with the steps that somebody has to look at first.
fn next(body: &Value, month: &str, digest: &str) -> String {
    if body["close"]["signed_by"].is_string() {
        return String::new();
    }
    let open = |step: &&Value| !text(&step["found"]).is_empty() && step["done_by"].is_null() && step["name"] != "dates";
    let steps: Vec<&Value> = body["steps"].as_array().into_iter().flatten().filter(open).collect();
    let looked: String = steps.iter().map(|step| format!(" --looked-at {}", text(&step["name"]))).collect();
    let first = if steps.is_empty() { "" } else { "look at each step that found something, then " };
    format!("\n{first}sign: milestoned close sign {month} --digest {digest}{looked} --reason …")
}

async fn sign(config: Option<&Path>, asked: Sign, json: bool) -> anyhow::Result<ExitCode> {
    let (month, daemon) = (read(&asked.month)?, Daemon::of(config, &asked.caller)?);
    let body = json!({ "digest": asked.digest, "looked_at": asked.looked_at, "reason": asked.reason });
    let (status, answer) = daemon.ask(Method::POST, &format!("/v1/closes/{month}/signature"), Some(&body)).await?;
    if !status.is_success() {
        return Ok(refused(status, &answer));
    }
    let by = text(&answer["signed_by"]);
    say(&if json {
        serde_json::to_string_pretty(&answer)?
    } else {
        format!(
            "{} is signed by {by}: its figures are frozen, and its dates are closed; take the package with `milestoned close prepare \
             {month} --out FILE`",
            month.in_words()
        )
    });
    Ok(ExitCode::SUCCESS)
}
