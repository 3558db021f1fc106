//! `check`: configuration, credentials, reachability, field maps; every problem at once, each with its remedy.

use std::process::ExitCode;
use std::sync::Arc;

use milestoned_mapping::problem::Problem;

use super::FOUND;
use super::table::{say, titled};
use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::registry::Registry;
use crate::report;
use crate::settings::{Settings, SettingsError};

/// `milestoned check`
pub(super) async fn check(settings: Result<Settings, SettingsError>, json: bool) -> anyhow::Result<ExitCode> {
    let problems = problems(settings?).await;
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

async fn problems(settings: Settings) -> Vec<Problem> {
    let mut problems = settings_problems(&settings);
    if let Some(mail) = &settings.mail {
        problems.extend(report::problems(mail));
        if let Err(reason) = report::reach(mail).await {
            problems.push(Problem::new("mail.relay", reason, "see that the relay is up and reachable from here"));
        }
    }
    let unbuilt = Registry::problems(&settings);
    let buildable = unbuilt.is_empty();
    problems.extend(unbuilt);
    if !buildable {
        // Connections are asked together: with one that cannot be built there is no daemon to ask with.
        return problems;
    }
    match Environment::build(settings, Arc::new(SystemClock)).await {
        Ok(env) => {
            for (name, entry) in env.registry.iter() {
                for mut found in entry.connection.probe().await {
                    found.place = format!("connections.{name}: {}", found.place);
                    problems.push(found);
                }
            }
        }
        Err(error) => problems.push(Problem::new("start", format!("{error:#}"), "correct what is named")),
    }
    problems
}

fn settings_problems(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
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
        problems.push(Problem::new("calendars", error.to_string(), "correct the calendar"));
    }
    problems
}
