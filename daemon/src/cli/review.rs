//! `review …`: what a person decides, written down as a fact or audited release.

use std::process::ExitCode;

use milestoned_connector_kit::{Context, Receipt, Write};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::fact::{Event, Fact, Leg, ReviewDecision};
use serde_json::{Value, json};

use super::table::{complain, say};
use super::{BAD_INPUT, FOUND, ReviewCommand};
use crate::agreements;
use crate::app::App;
use crate::deliver;
use crate::store::intake::NewFact;
use crate::store::outbox::Delivery;

/// `milestoned review …`
pub(super) async fn review(app: &App, command: ReviewCommand, json: bool) -> anyhow::Result<ExitCode> {
    let now = app.clock.now();
    let (contract, by, event) = match command {
        ReviewCommand::Approve { contract, milestone, reviewer } => {
            let event = Event::Review { milestone, decision: ReviewDecision::Approve, by: reviewer.by.clone() };
            (contract, reviewer.by, event)
        }
        ReviewCommand::Hold { contract, milestone, reviewer } => {
            let event = Event::Review { milestone, decision: ReviewDecision::Hold, by: reviewer.by.clone() };
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
            let event = Event::Overrule { code, milestone, leg, by: reviewer.by.clone(), reason };
            (contract, reviewer.by, event)
        }
        ReviewCommand::Replay { id, reviewer } => {
            let count = app.store.replay_parked(id, reviewer.by, now).await?;
            return Ok(done(json, &json!({ "replayed": count }), &format!("{count} records are read again")));
        }
        ReviewCommand::Release { key, reason, reviewer } => {
            return release(app, key, true, reviewer.by, reason, json).await;
        }
        ReviewCommand::Done { key, remote_id, reason, reviewer } => {
            return done_outside(app, key, remote_id, &reason, reviewer.by, json).await;
        }
        ReviewCommand::Dismiss { key, reason, reviewer } => {
            return release(app, key, false, reviewer.by, reason, json).await;
        }
    };
    let Some(row) = app.store.contract(contract.clone()).await? else {
        complain(&format!("milestoned: contract {contract:?} is not known"));
        return Ok(ExitCode::from(FOUND));
    };
    let fact = Fact { at: now, event };
    if let Err(refusal) = agreements::check(&row, &fact) {
        complain(&format!("milestoned: {refusal}"));
        return Ok(ExitCode::from(BAD_INPUT));
    }
    let identity = format!("review:{}", DeliveryKey::of(&[&serde_json::to_string(&fact)?]));
    app.store.add_facts(vec![NewFact { contract: contract.clone(), identity, fact, actor: by }], now).await?;
    app.decide().await?;
    Ok(done(json, &json!({ "contract": contract }), "taken; `milestoned contract show` tells what followed"))
}

async fn release(
    app: &App,
    key: String,
    again: bool,
    by: String,
    reason: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    if !app.store.release_parked(key.clone(), again, by, reason, app.clock.now()).await? {
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
    app: &App,
    key: String,
    remote_id: String,
    reason: &str,
    by: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let delivery = app.store.delivery(key.clone()).await?.filter(|delivery| delivery.state == "parked");
    let Some(delivery) = delivery else {
        complain(&format!(
            "milestoned: no parked delivery has the key {key}; `milestoned status` shows those that are parked"
        ));
        return Ok(ExitCode::from(FOUND));
    };
    let (receipt, how) = match asked(app, &delivery, &remote_id).await {
        Ok(asked) => asked,
        Err(contradiction) => {
            complain(&format!("milestoned: not taken: {contradiction}"));
            return Ok(ExitCode::from(FOUND));
        }
    };
    app.store.done_outside(key.clone(), receipt, by, format!("{reason} ({how})"), app.clock.now()).await?;
    Ok(done(json, &json!({ "key": key, "remote_id": remote_id, "verified": how }), &format!("done outside: {how}")))
}

/// What the remote says about what was done outside; an error where it says something else.
async fn asked(app: &App, delivery: &Delivery, remote_id: &str) -> Result<(Receipt, String), String> {
    let word = Receipt { remote_id: remote_id.to_owned(), remote_number: None, request_id: None };
    let Some(entry) = app.registry.get(&delivery.target) else {
        return Ok((word, format!("{} is not configured any more and could not be asked", delivery.target)));
    };
    let (key, context) = (DeliveryKey::stored(delivery.key.clone()), Context { after: Vec::new() });
    let write = Write { key: &key, command: &delivery.command, context: &context };
    let found = match entry.connection.find(&[write]).await {
        Ok(found) => found.into_iter().next().flatten(),
        Err(fault) => return Ok((word, format!("could not be verified: {fault}"))),
    };
    let Some(found) = found else {
        return Ok((word, "could not be verified: the remote finds nothing under our key or number".into()));
    };
    if found.receipt.remote_id != remote_id {
        return Err(format!("the remote has it as record {}, not {remote_id}", found.receipt.remote_id));
    }
    let differences = deliver::differences(&delivery.command, &found.says);
    if differences.is_empty() {
        Ok((found.receipt, "looked up, and the same".into()))
    } else {
        Err(format!("record {remote_id} differs from what was to be written: {}", differences.join("; ")))
    }
}

fn done(json: bool, value: &Value, text: &str) -> ExitCode {
    say(&if json { value.to_string() } else { text.to_owned() });
    ExitCode::SUCCESS
}
