//! `review …`: what a person decides, written down as a fact or audited release.

use std::process::ExitCode;

use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::fact::{Event, Fact, Leg, ReviewDecision};
use serde_json::{Value, json};

use super::table::{complain, say};
use super::{BAD_INPUT, FOUND, ReviewCommand};
use crate::agreements;
use crate::drift;
use crate::engine;
use crate::environment::Environment;
use crate::parked;
use crate::store::intake::NewFact;
use crate::store::parked::Handle;
use crate::store::vocabulary::DeliveryState;

/// `milestoned review …`
pub(super) async fn review(env: &Environment, command: ReviewCommand, json: bool) -> anyhow::Result<ExitCode> {
    let now = env.clock.now();
    let (contract, by, event) = match command {
        ReviewCommand::Approve { contract, milestone, reviewer } => {
            let event =
                Event::Review { milestone, decision: ReviewDecision::Approve, by: reviewer.by.clone(), shown: None };
            (contract, reviewer.by, event)
        }
        ReviewCommand::Hold { contract, milestone, reviewer } => {
            let event =
                Event::Review { milestone, decision: ReviewDecision::Hold, by: reviewer.by.clone(), shown: None };
            (contract, reviewer.by, event)
        }
        ReviewCommand::Overrule { contract, code, milestone, leg, reason, reviewer } => {
            let leg: Option<Leg> = match leg {
                None => None,
                Some(leg) => match serde_json::from_value(Value::String(leg)) {
                    Ok(leg) => Some(leg),
                    Err(_) => anyhow::bail!("--leg: crm, psa or erp"),
                },
            };
            if let Some(code) = overrule_drift(env, &contract, &code, &milestone, (&reviewer.by, &reason), json).await?
            {
                return Ok(code);
            }
            let event = Event::Overrule { code, milestone, leg, by: reviewer.by.clone(), reason };
            (contract, reviewer.by, event)
        }
        ReviewCommand::Close { what, reason, reviewer } => {
            return close(env, &what, reviewer.by, reason, json).await;
        }
        ReviewCommand::Replay { id, reviewer } => {
            let count = env.store.replay_parked(id, reviewer.by, now).await?;
            return Ok(done(json, &json!({ "replayed": count }), &format!("{count} records are read again")));
        }
        ReviewCommand::Release { key, reason, reviewer } => {
            return release(env, key, true, reviewer.by, reason, json).await;
        }
        ReviewCommand::Done { key, remote_id, reason, reviewer } => {
            return done_outside(env, key, remote_id, &reason, reviewer.by, json).await;
        }
        ReviewCommand::Dismiss { key, reason, reviewer } => {
            return release(env, key, false, reviewer.by, reason, json).await;
        }
    };
    let Some(row) = env.store.contract(contract.clone()).await? else {
        complain(&format!("milestoned: contract {contract:?} is not known"));
        return Ok(ExitCode::from(FOUND));
    };
    let fact = Fact::of(now, event);
    if let Err(refusal) = agreements::check(&row, &fact) {
        complain(&format!("milestoned: {refusal}"));
        return Ok(ExitCode::from(BAD_INPUT));
    }
    let identity = format!("review:{}", DeliveryKey::of(&[&serde_json::to_string(&fact)?]));
    env.store.add_facts(vec![NewFact { contract: contract.clone(), identity, fact, actor: by }], now).await?;
    engine::turn(env, |due| due == contract).await?;
    Ok(done(json, &json!({ "contract": contract }), "taken; `milestoned contract show` tells what followed"))
}

/// A drift is closed at once; `None`: the code is one of the rules.
async fn overrule_drift(
    env: &Environment,
    contract: &str,
    code: &str,
    milestone: &Option<String>,
    (by, reason): (&str, &str),
    json: bool,
) -> anyhow::Result<Option<ExitCode>> {
    let Some(row) = env.store.contract(contract.to_owned()).await? else { return Ok(None) };
    let said = (by.to_owned(), reason.to_owned());
    let Some(count) = drift::overrule(env, &row, code, milestone.clone(), said).await? else { return Ok(None) };
    if count == 0 {
        complain(&format!(
            "milestoned: contract {contract} has no open {code}; `milestoned exceptions` shows what is open"
        ));
        return Ok(Some(ExitCode::from(FOUND)));
    }
    let text = format!("{count} closed; opens again if it changes, or comes back after it was undone");
    Ok(Some(done(json, &json!({ "contract": contract, "closed": count }), &text)))
}

async fn close(env: &Environment, what: &str, by: String, reason: String, json: bool) -> anyhow::Result<ExitCode> {
    let handle: Handle = what.parse().map_err(anyhow::Error::msg)?;
    if !env.store.close_parked(handle, by, reason, env.clock.now()).await? {
        complain(&format!("milestoned: nothing that waits is called {what}; `milestoned status` shows what does"));
        return Ok(ExitCode::from(FOUND));
    }
    Ok(done(json, &json!({ "closed": what }), "closed; the reason stands in the audit trail"))
}

async fn release(
    env: &Environment,
    key: String,
    again: bool,
    by: String,
    reason: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    if !env.store.release_parked(key.clone(), again, by, reason, env.clock.now()).await? {
        complain(&format!(
            "milestoned: no parked delivery has the key {key}; `milestoned status` shows those that are parked"
        ));
        return Ok(ExitCode::from(FOUND));
    }
    let what = if again { "released: the remote is asked, then it goes on" } else { "dismissed for ever" };
    Ok(done(json, &json!({ "key": key, "released": again }), what))
}

/// Takes a person's word for what was done outside, unless the remote contradicts it.
///
/// # Errors
/// The store failed.
pub async fn done_outside(
    env: &Environment,
    key: String,
    remote_id: String,
    reason: &str,
    by: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let delivery = env.store.delivery(key.clone()).await?.filter(|delivery| delivery.state == DeliveryState::Parked);
    let Some(delivery) = delivery else {
        complain(&format!(
            "milestoned: no parked delivery has the key {key}; `milestoned status` shows those that are parked"
        ));
        return Ok(ExitCode::from(FOUND));
    };
    match parked::take_done(env, &delivery, &remote_id, reason, by).await? {
        Ok(how) => {
            let value = json!({ "key": key, "remote_id": remote_id, "verified": how });
            Ok(done(json, &value, &format!("done outside: {how}")))
        }
        Err(contradiction) => {
            complain(&format!("milestoned: not taken: {contradiction}"));
            Ok(ExitCode::from(FOUND))
        }
    }
}

fn done(json: bool, value: &Value, text: &str) -> ExitCode {
    say(&if json { value.to_string() } else { text.to_owned() });
    ExitCode::SUCCESS
}
