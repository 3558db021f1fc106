//! `check`: configuration, credentials, reachability, field maps; every problem at once, each with its remedy.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use milestoned_mapping::problem::Problem;
use milestoned_oidc::{OidcError, Provider};
use rustix::fs::Access;

use super::FOUND;
use super::table::{say, titled};
use crate::clock::{Clock as _, SystemClock};
use crate::environment::Environment;
use crate::registry::Registry;
use crate::report;
use crate::settings::{Examined, Secrets, Settings};

/// `milestoned check`
pub(super) async fn check(config: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let problems = problems(config).await;
    if json {
        say(&serde_json::to_string_pretty(&problems)?);
    } else if problems.is_empty() {
        say("Everything is in order: configuration, credentials, reachability, field maps.");
    } else {
        let mut table = titled(&["Where", "What is wrong", "What to do"]);
        for problem in &problems {
            table.add_row(vec![problem.place.as_str(), problem.reason.as_str(), problem.remedy.as_str()]);
        }
        say(&table.to_string());
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// Everything that is wrong: what is wrong in one place keeps nothing else from being looked at.
async fn problems(config: Option<&Path>) -> Vec<Problem> {
    let Examined { settings, mut problems, warnings } = Settings::examine(config, Secrets::All);
    let missing: Vec<String> = problems.iter().map(|problem| problem.place.clone()).collect();
    problems.extend(warnings);
    let Some(mut settings) = settings else { return problems };
    problems.extend(settings_problems(&settings));
    problems.extend(report::checkpoints::problems(&settings));
    if let Some(mail) = &settings.mail {
        problems.extend(report::problems(mail));
        if let Err(reason) = report::reach(mail).await {
            problems.push(Problem::new("mail.relay", reason, "see that the relay is up and reachable from here"));
        }
    }
    problems.extend(identity_problems(&settings).await);
    let mut sound = BTreeMap::new();
    for (name, connection) in std::mem::take(&mut settings.connections) {
        let place = format!("connections.{name}.");
        let found = Registry::problems(&name, &connection);
        // With a secret that is not there no remote is asked: it might lock the account.
        if found.is_empty() && !missing.iter().any(|known| known.starts_with(&place)) {
            sound.insert(name, connection);
        }
        problems.extend(found);
    }
    settings.connections = sound;
    problems.extend(remote_problems(settings).await);
    problems
}

/// What the identity provider says of itself.
async fn identity_problems(settings: &Settings) -> Option<Problem> {
    let oidc = settings.identity.oidc.clone()?;
    let counts_for = oidc.counts_for;
    let provider = Provider::new(oidc, &settings.http.public_url);
    let asked = match &provider {
        Ok(provider) => provider.may_give_refresh_tokens(SystemClock.now()).await,
        Err(error) => return Some(unusable(error)),
    };
    match asked {
        Ok(true) => None,
        Ok(false) => {
            let reason = format!(
                "the provider gives no refresh tokens: people sign in again after {counts_for:#}, and keep their rights until then"
            );
            let remedy = "have it give some to this client, or set identity.oidc.counts_for as long as rights may outlast a block there";
            Some(Problem::new("identity.oidc", reason, remedy))
        }
        Err(error) => Some(unusable(&error)),
    }
}

fn unusable(error: &OidcError) -> Problem {
    Problem::new("identity.oidc", error.to_string(), "correct issuer, or see that the provider is reachable from here")
}

/// What the remotes say. They are asked with the store at hand: what a sign-in turns a token into must be kept.
async fn remote_problems(mut settings: Settings) -> Vec<Problem> {
    if let Some(problem) = database_problem(&settings.store) {
        return vec![problem];
    }
    if crate::calendars::from_settings(&settings).is_err() {
        settings.calendars.clear();
    }
    let env = match Environment::build(settings, Arc::new(SystemClock)).await {
        Ok(env) => env,
        Err(error) => {
            let reason = format!("the database cannot be used, and so no remote was asked: {error:#}");
            return vec![Problem::new("store", reason, "correct what is named, and check again")];
        }
    };
    let mut problems = Vec::new();
    match report::verification::compare(&env).await {
        Ok(()) => {
            let flaws = env.integrity.latest().into_iter().flat_map(|compared| compared.flaws);
            let remedy = "see `milestoned audit verify` and who can write the database; put a backup back";
            problems.extend(flaws.map(|(place, what)| Problem::new(format!("database: {place}"), what, remedy)));
        }
        Err(error) => {
            let remedy = "see that the database can be read, and check again";
            problems.push(Problem::new("store", format!("could not be verified: {error}"), remedy));
        }
    }
    for (name, entry) in env.registry.iter() {
        for mut found in entry.connection.probe().await {
            found.place = format!("connections.{name}: {}", found.place);
            problems.push(found);
        }
    }
    problems
}

/// What the machine says of the database's folder and file, in its own words: SQLite has but one for all of it.
fn database_problem(store: &crate::store::Settings) -> Option<Problem> {
    if store.url.is_some() {
        return None;
    }
    let file = &store.path;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let problem = |reason: String, remedy: &str| Some(Problem::new("store.path", reason, remedy));
    let unused = "and so no remote was asked";
    if let Err(error) = std::fs::read_dir(folder) {
        let reason = format!("the folder {} cannot be read: {error}; {unused}", folder.display());
        return problem(reason, "create the folder, and let it belong to the daemon alone");
    }
    if let Err(error) = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        let reason = format!("the folder {} cannot be written: {error}; {unused}", folder.display());
        return problem(reason, "let the folder belong to the daemon, and check as the daemon's user");
    }
    match std::fs::OpenOptions::new().read(true).write(true).open(file) {
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let reason = format!("{} cannot be opened: {error}; {unused}", file.display());
            problem(reason, "let the file belong to the daemon, and check as the daemon's user")
        }
    }
}

/// The database holds tokens and all that is billed.
fn rights_problem(file: &Path) -> Option<Problem> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let reason = format!("others may read or write {} (mode {:o})", file.display(), mode & 0o777);
    let remedy = "take their rights away: chmod 600, also of the files beside it that end in -wal and -shm";
    (mode & 0o077 != 0).then(|| Problem::new("store.path", reason, remedy))
}

fn settings_problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(rights_problem(&settings.store.path).filter(|_| settings.store.url.is_none()));
    if settings.http.tokens.is_empty() {
        problems.push(Problem::new(
            "http.tokens",
            "nobody may use API and pages",
            "add [[http.tokens]] with name, role and token",
        ));
    }
    if let Some(folder) = &settings.agreements.folder
        && let Err(error) = std::fs::read_dir(folder)
    {
        let reason = format!("{} cannot be read: {error}", folder.display());
        problems.push(Problem::new("agreements.folder", reason, "create the folder, or correct the path"));
    }
    if let Some(folder) = &settings.agreements.documents
        && let Err(error) = std::fs::read_dir(folder)
    {
        let reason = format!("{} cannot be read: {error}", folder.display());
        problems.push(Problem::new("agreements.documents", reason, "create the folder, or correct the path"));
    }
    if let Some(erp) = &settings.agreements.erp
        && !settings.connections.contains_key(erp)
    {
        problems.push(Problem::new(
            "agreements.erp",
            format!("there is no connection {erp:?}"),
            "name one of [connections]",
        ));
    }
    if let Err(error) = crate::calendars::from_settings(settings) {
        problems.extend(error.0);
    }
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&settings.log.filter) {
        problems.push(Problem::new("log.filter", error.to_string(), "write such as info,milestoned=debug"));
    }
    problems
}
