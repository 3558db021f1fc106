//! `review …`, `pause`, `resume`: what a person decides, taken from the command line to the acts of the review.

use std::process::ExitCode;

use jiff::civil::Date;
use milestoned_mapping::fact::Shown;
use milestoned_mapping::money::grouped;

use super::table::{complain, say};
use super::{BAD_INPUT, FOUND, ReviewCommand, Reviewer};
use crate::environment::Environment;
use crate::review::acts::{self, Act, Channel, Done, Refused, Word};
use crate::review::portfolio;
use crate::review::queue::{Filter, queue};
use crate::review::subject::Subject;

/// `milestoned review …`
pub(super) async fn review(env: &Environment, command: ReviewCommand, json: bool) -> anyhow::Result<ExitCode> {
    match decided(env, command).await {
        Ok(done) => Ok(told(&done, json)),
        Err(refused) => refuse(refused),
    }
}

/// One act on one thing, as `pause` and `resume` ask for it.
pub(super) async fn act(
    env: &Environment,
    subject: Subject,
    act: Act,
    reason: &str,
    reviewer: &Reviewer,
    json: bool,
) -> anyhow::Result<ExitCode> {
    match said(env, subject, act, reason, reviewer).await {
        Ok(done) => Ok(told(&[done], json)),
        Err(refused) => refuse(refused),
    }
}

async fn said(
    env: &Environment,
    subject: Subject,
    act: Act,
    reason: &str,
    reviewer: &Reviewer,
) -> Result<Done, Refused> {
    let word = Word::new(&reviewer.by, reason, Channel::CommandLine, act.verb())?;
    acts::act(env, &subject, act, word).await
}

async fn decided(env: &Environment, command: ReviewCommand) -> Result<Vec<Done>, Refused> {
    let (subject, act, reason, reviewer) = match command {
        ReviewCommand::Approve { contract, milestone, amount, reason, reviewer } => {
            let shown = shown(env, &contract, &milestone, &amount).await?;
            (Subject::Approval { contract, milestone }, Act::Approve { shown }, reason, reviewer)
        }
        ReviewCommand::Hold { contract, milestone, reason, reviewer } => {
            (Subject::Approval { contract, milestone }, Act::Hold, reason, reviewer)
        }
        ReviewCommand::Overrule { contract, code, milestone, leg, reason, until, reviewer } => {
            let mut done = Vec::new();
            for subject in acts::named(env, &contract, &code, milestone, leg.as_deref()).await? {
                done.push(said(env, subject, Act::Overrule { until }, &reason, &reviewer).await?);
            }
            return Ok(done);
        }
        ReviewCommand::Replay { id: None, reviewer } => {
            let mut done = Vec::new();
            for item in queue(env, &Filter::of_kinds(&["record"])).await? {
                done.push(said(env, item.subject, Act::Replay, "", &reviewer).await?);
            }
            return Ok(done);
        }
        ReviewCommand::Replay { id: Some(id), reviewer } => (Subject::Record(id), Act::Replay, String::new(), reviewer),
        ReviewCommand::Close { what, reason, reviewer } => {
            (what.parse().map_err(Refused::Invalid)?, Act::Close, reason, reviewer)
        }
        ReviewCommand::Release { key, reason, reviewer } => (delivery(&key), Act::Release, reason, reviewer),
        ReviewCommand::Done { key, remote_id, reason, reviewer } => {
            (delivery(&key), Act::Done { remote_id }, reason, reviewer)
        }
        ReviewCommand::GiveUp { key, reason, reviewer } => (delivery(&key), Act::GiveUp, reason, reviewer),
        ReviewCommand::Assign { what, to, reviewer } => {
            (what.parse().map_err(Refused::Invalid)?, Act::Assign { to }, String::new(), reviewer)
        }
        ReviewCommand::Snooze { what, until, reviewer } => {
            (what.parse().map_err(Refused::Invalid)?, Act::Snooze { until: date(until)? }, String::new(), reviewer)
        }
        ReviewCommand::Note { what, reason, reviewer } => {
            (what.parse().map_err(Refused::Invalid)?, Act::Note, reason, reviewer)
        }
    };
    Ok(vec![said(env, subject, act, &reason, &reviewer).await?])
}

/// A delivery by its key, or by the name that the queue has for it.
fn delivery(key: &str) -> Subject {
    Subject::Delivery(key.strip_prefix("delivery:").unwrap_or(key).to_owned())
}

fn date(until: Option<String>) -> Result<Option<Date>, Refused> {
    let parse = |text: String| {
        text.parse().map_err(|error| {
            let reason = format!("{text:?} is no date: {error}");
            Refused::Invalid(milestoned_mapping::problem::Problem::new("--until", reason, "write it as 2026-03-31"))
        })
    };
    until.map(parse).transpose()
}

/// What stands there, if it is of the amount that the reviewer named. Nothing, where the milestone is not known: the act says
/// so.
async fn shown(env: &Environment, contract: &str, milestone: &str, amount: &str) -> Result<Option<Shown>, Refused> {
    let Some(row) = env.store.contract(contract.to_owned()).await? else { return Ok(None) };
    let contract = portfolio::state(&row)?;
    let Some(shown) = contract.shown(milestone) else { return Ok(None) };
    let plain: String = amount.chars().filter(|character| *character != ',').collect();
    let named = contract.terms().currency().parse(&plain).ok().map(|money| money.decimal());
    if named != Some(shown.amount.0) {
        let stands = grouped(&shown.amount.to_string());
        return Err(Refused::Contradicted(milestoned_mapping::problem::Problem::new(
            "--amount",
            format!("{milestone} is of {stands} {}, not {amount}", contract.terms().currency()),
            format!("look at it again; approve it as it is now with --amount {stands}"),
        )));
    }
    Ok(Some(shown))
}

fn told(done: &[Done], json: bool) -> ExitCode {
    if json {
        say(&serde_json::to_string(done).unwrap_or_default());
    } else if done.is_empty() {
        say("nothing waits");
    } else {
        for one in done {
            say(&one.text);
        }
    }
    ExitCode::SUCCESS
}

fn refuse(refused: Refused) -> anyhow::Result<ExitCode> {
    let code = match refused {
        Refused::Store(error) => return Err(error.into()),
        Refused::Contradicted(_) | Refused::Excluded(_) | Refused::Missing(_) => FOUND,
        Refused::Invalid(_) => BAD_INPUT,
    };
    complain(&format!("milestoned: not taken: {refused}"));
    Ok(ExitCode::from(code))
}
