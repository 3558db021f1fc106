//! Acts about a delivery that a remote refused or that was given up: try again, done by hand, give up.

use milestoned_connector_kit::{After, Receipt, Write};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::statement::Statement;

use super::{Refused, Word};
use crate::environment::Environment;
use crate::store::outbox::Delivery;
use crate::store::vocabulary::DeliveryState;

/// A delivery that waits for a person.
async fn waiting(env: &Environment, key: &str) -> Result<Delivery, Refused> {
    let delivery = env.store.delivery(key.to_owned()).await?;
    delivery.filter(|one| one.state == DeliveryState::Parked).ok_or_else(|| not_waiting(key))
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
    let why = word.says("tried again");
    if !env.store.release_parked(key.to_owned(), true, word.by.clone(), why, env.clock.now()).await? {
        return Err(not_waiting(key));
    }
    Ok("released: the remote is asked, then it goes on".into())
}

/// It is not made any more. It stays in the queue: what was decided is not in the remote.
pub(super) async fn give_up(env: &Environment, key: &str, word: &Word) -> Result<String, Refused> {
    let why = word.says("given up");
    if !env.store.release_parked(key.to_owned(), false, word.by.clone(), why, env.clock.now()).await? {
        return Err(not_waiting(key));
    }
    Ok("given up: it is not sent any more, and stays in the queue until it is tried again".into())
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
    if !env.store.done_outside(key.to_owned(), receipt, word.by.clone(), says, env.clock.now()).await? {
        return Err(not_waiting(key));
    }
    Ok(format!("done by hand: {how}"))
}

/// What the remote says about what was done by hand; an error where it says something else.
async fn asked(env: &Environment, delivery: &Delivery, remote_id: &str) -> Result<(Receipt, String), String> {
    let word = Receipt { remote_id: remote_id.to_owned(), remote_number: None, request_id: None };
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
