//! Acts about a delivery that a remote refused or that was given up: try again, done by hand, give up.

use milestoned_connector_kit::{After, Receipt, Write};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::fact::{Event, Fact};
use milestoned_mapping::problem::Problem;
use milestoned_mapping::statement::Statement;

use super::{Refused, Word};
use crate::engine;
use crate::environment::Environment;
use crate::store::intake::NewFact;
use crate::store::outbox::Delivery;
use crate::store::vocabulary::DeliveryState;

/// A delivery that waits for a person.
async fn waiting(env: &Environment, key: &str) -> Result<Delivery, Refused> {
    let delivery = env.store.delivery(key.to_owned()).await?;
    delivery.filter(|delivery| delivery.state == DeliveryState::Parked).ok_or_else(|| not_waiting(key))
}

fn not_waiting(key: &str) -> Refused {
    Refused::Missing(Problem::new(
        "subject",
        format!("no delivery that waits for a person has the key {key}"),
        "`milestoned status` and GET /v1/queue show those that do",
    ))
}

/// Lets it go on; the remote is asked first.
pub(super) async fn release(env: &Environment, key: &str, word: &Word) -> Result<String, Refused> {
    let withdrawn = match env.store.delivery(key.to_owned()).await? {
        Some(delivery) => env.store.fact_by_identity(delivery.contract, withdrawal(key)).await?,
        None => None,
    };
    if withdrawn.is_some() {
        return Err(Refused::Contradicted(Problem::new(
            "subject",
            "its document was withdrawn when it was given up: sent now, it would be billed twice",
            "approve the milestone: what its documents lack is issued anew",
        )));
    }
    let why = word.says("tried again");
    if !env.store.release_parked(key.to_owned(), true, word.actor(), why, env.clock.now()).await? {
        return Err(not_waiting(key));
    }
    Ok("released: the remote is asked, then it goes on".into())
}

/// How the fact is named that a document was withdrawn with its delivery.
fn withdrawal(key: &str) -> String {
    format!("withdrawn:{key}")
}

/// It is not made any more. A document that the remote has not got is withdrawn, so that its milestone can be billed again;
/// anything else stays in the queue until it is tried again.
pub(super) async fn give_up(env: &Environment, key: &str, word: &Word) -> Result<String, Refused> {
    let delivery = waiting(env, key).await?;
    let number = match &delivery.command {
        Some(Command::Invoice(document) | Command::CreditMemo(document)) => Some(document.number.clone()),
        _ => None,
    };
    if number.is_some() {
        is_not_there(env, &delivery).await?;
    }
    let (now, contract) = (env.clock.now(), delivery.contract.clone());
    let follows = number.as_ref().map(|number| {
        let (by, reason) = (word.by.clone(), word.reason.clone());
        let event = Event::Withdrawn { number: number.clone(), by, reason };
        let (contract, actor) = (contract.clone(), word.actor());
        NewFact { contract, identity: withdrawal(key), fact: Fact::of(now, event), actor }
    });
    let why = word.says("given up");
    if !env.store.give_up(key.to_owned(), (word.actor(), why), follows, now).await? {
        return Err(not_waiting(key));
    }
    engine::turn(env, |due| due == contract).await?;
    Ok(match number {
        Some(number) => format!(
            "given up: {number} is withdrawn, and its milestone waits for a reviewer before anything is issued in its place"
        ),
        None => "given up: it is not sent any more, and stays in the queue until it is tried again".into(),
    })
}

/// The remote has not got a document, as far as it can be asked.
async fn is_not_there(env: &Environment, delivery: &Delivery) -> Result<(), Refused> {
    let (Some(entry), Some(command)) = (env.registry.get(&delivery.target), &delivery.command) else { return Ok(()) };
    let (key, after) = (DeliveryKey::stored(delivery.key.clone()), After::default());
    let (reason, remedy) = match entry.connection.find(&[Write { key: &key, command, after: &after }]).await {
        Ok(found) => match found.into_iter().next().flatten() {
            None => return Ok(()),
            Some(found) => (
                format!("{} has it as record {}", delivery.target, found.receipt.remote_id),
                "try it again: what is there is compared and taken; or void it there first",
            ),
        },
        Err(fault) => (
            format!("{} could not be asked whether it has it: {fault}", delivery.target),
            "give it up when the connection answers: withdrawn while it is there, it would be billed twice",
        ),
    };
    Err(Refused::Contradicted(Problem::new("subject", reason, remedy)))
}

/// Takes a person's word for what was done by hand, unless the remote contradicts it.
pub(super) async fn done_by_hand(
    env: &Environment,
    key: &str,
    remote_id: &str,
    word: &Word,
) -> Result<String, Refused> {
    let remote_id = remote_id.trim();
    if remote_id.is_empty() {
        let remedy = "write the id of the record that was written in the remote";
        return Err(Refused::Invalid(Problem::new("remote_id", "is empty", remedy)));
    }
    let delivery = waiting(env, key).await?;
    let (receipt, how) = asked(env, &delivery, remote_id).await.map_err(|contradiction| {
        let remedy = "correct it in the remote, or name the record that is meant";
        Refused::Contradicted(Problem::new("remote_id", contradiction, remedy))
    })?;
    let says = word.says(format!("done by hand, {how}"));
    if !env.store.done_outside(key.to_owned(), receipt, word.actor(), says, env.clock.now()).await? {
        return Err(not_waiting(key));
    }
    Ok(format!("done by hand: {how}"))
}

/// What the remote says about what was done by hand; an error where it says something else.
async fn asked(env: &Environment, delivery: &Delivery, remote_id: &str) -> Result<(Receipt, String), String> {
    let word = Receipt { remote_id: remote_id.to_owned(), remote_number: None, request_id: None, unposted: false };
    let Some(entry) = env.registry.get(&delivery.target) else {
        return Ok((word, format!("{} is not configured any more and could not be asked", delivery.target)));
    };
    let (key, after) = (DeliveryKey::stored(delivery.key.clone()), After::default());
    let Some(command) = &delivery.command else {
        return Ok((word, "could not be verified: our own row cannot be read".into()));
    };
    let write = Write { key: &key, command, after: &after };
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
    let differences = found.says.differences(&Statement::of_command(command));
    if differences.is_empty() {
        Ok((found.receipt, "looked up, and the same".into()))
    } else {
        Err(format!("record {remote_id} differs from what was to be written: {}", differences.join("; ")))
    }
}
