//! `backup`, `restore`, `pause`, `resume`: what people do when something went wrong, or might.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::table::say;
use super::{Caller, Global, review};
use crate::clock::{Clock, SystemClock};
use crate::environment::Environment;
use crate::review::acts::Verb;
use crate::review::subject::Subject;
use crate::settings::Settings;
use crate::store::Store;
use crate::store::actor::Actor;
use crate::store::copies::put_back;
use crate::store::pauses::Scope;

/// What is halted, or goes on.
#[derive(Debug, Clone, Args)]
pub struct Halt {
    /// contract, customer or target.
    #[arg(value_parser = scope)]
    #[arg(value_enum)]
    scope: Scope,
    /// Contract id, customer's name as the terms have it, or name of the connection.
    name: String,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    caller: Caller,
}

/// What is put back.
#[derive(Debug, Clone, Args)]
pub struct Restore {
    /// A file that `milestoned backup` wrote; none where PostgreSQL was put back by `pg_restore`.
    file: Option<PathBuf>,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who does it. The daemon does not run, so that nobody checks it: the audit line says that the name is only claimed.
    #[arg(long, env = "USER")]
    by: String,
}

/// `milestoned backup FILE`
pub(super) async fn backup(env: &Environment, file: PathBuf, json: bool) -> anyhow::Result<ExitCode> {
    let copied = env.store.backup(env.settings.store.path.clone(), file.clone()).await?;
    let text = format!(
        "{}: {} bytes, checked; newest audit line {} {}",
        file.display(),
        copied.bytes,
        copied.head.seq,
        copied.head.hash
    );
    say(&if json { json!({ "file": file, "bytes": copied.bytes, "head": copied.head }).to_string() } else { text });
    Ok(ExitCode::SUCCESS)
}

/// `milestoned restore [FILE]`
pub(super) async fn restore(global: &Global, options: Restore) -> anyhow::Result<ExitCode> {
    let settings = Settings::load_for_database(global.config.as_deref())?.store;
    let now = SystemClock.now();
    let by = Actor::from(format!("{} (claimed)", options.by.trim()));
    let mut aside = None;
    let waiting = match (&settings.url, &options.file) {
        (Some(_), Some(_)) => anyhow::bail!(crate::store::copies::CopyError::Postgres),
        (Some(_), None) => Store::connect(&settings).await?.restored(by, options.reason, now).await?,
        (None, None) => anyhow::bail!("name the file that `milestoned backup` wrote"),
        (None, Some(file)) => {
            let key = crate::store::key::load(&settings)?;
            let put = put_back((file, &settings.path), key, by, &options.reason, now)?;
            aside = put.aside;
            put.waiting
        }
    };
    if global.json {
        say(&json!({ "waiting": waiting, "kept": aside }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(aside) = aside {
        say(&format!("what was there is kept as {}", aside.display()));
    }
    say(&format!(
        "restored; {waiting} deliveries that wait, and documents decided on in the next 31 days, are looked up before they \
         are written. Now `milestoned doctor`, then start the daemon"
    ));
    Ok(ExitCode::SUCCESS)
}

fn scope(text: &str) -> Result<Scope, String> {
    let words: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    Scope::named(text).ok_or_else(|| format!("name one of {}", words.join(", ")))
}

/// `milestoned pause …`, `milestoned resume …`
pub(super) async fn halt(config: Option<&Path>, halt: Halt, verb: Verb, json: bool) -> anyhow::Result<ExitCode> {
    let Halt { scope, name, reason, caller } = halt;
    review::act(config, (Subject::Pause { scope, name }, verb), &reason, &caller, json).await
}
