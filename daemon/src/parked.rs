//! What waits for a person beside exceptions: pauses, files, records, facts, deliveries, writes that nobody has seen; each
//! with why, what to do, and the acts that a page offers.

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{After, Receipt, Write};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::statement::Statement;

use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::outbox::Delivery;
use crate::store::parked::Handle;
use crate::store::vocabulary::{CommandKind, DeliveryState};

/// Something that waits for a person.
#[derive(Debug, Clone)]
pub struct Parked {
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
    /// What to do.
    pub remedy: String,
    /// What an act is about: a handle, the key of a delivery, scope and name of a pause.
    pub handle: String,
    /// What may be done about it: name and word for it.
    pub acts: &'static [(&'static str, &'static str)],
}

/// Days before a credential ends from which on people are told.
const WARNED: i64 = 30;
const DELIVERY: &[(&str, &str)] = &[("release", "Try again"), ("done", "Done outside"), ("dismiss", "Give up")];
const CLOSE: &[(&str, &str)] = &[("close", "Close")];
const RECORD: &[(&str, &str)] = &[("replay", "Read again"), ("close", "Close")];
const RESUME: &[(&str, &str)] = &[("resume", "Resume")];

/// What waits for a person beside exceptions.
///
/// # Errors
/// The store failed.
pub async fn all(env: &Environment) -> Result<Vec<Parked>, StoreError> {
    let mut parked = Vec::new();
    for pause in env.store.pauses().await? {
        parked.push(Parked {
            what: format!("{} {}", pause.scope, pause.name),
            reason: format!("paused by {} since {}: {}", pause.actor, minute(pause.since), pause.reason),
            remedy: format!("`milestoned resume {} {:?} --reason …` when that is over", pause.scope, pause.name),
            handle: format!("{}:{}", pause.scope, pause.name),
            acts: RESUME,
        });
    }
    for file in env.store.file_problems().await? {
        parked.push(Parked {
            handle: Handle::File(file.path.clone()).to_string(),
            what: file.path,
            reason: file.problem,
            remedy: "correct the file; it is read again by itself".into(),
            acts: CLOSE,
        });
    }
    for record in env.store.parked_records().await? {
        let what = format!("{} {} {}", record.system, record.object, record.remote_id);
        for problem in record.problems {
            parked.push(Parked {
                what: what.clone(),
                reason: format!("{}: {}", problem.place, problem.reason),
                remedy: problem.remedy,
                handle: Handle::Record(record.id).to_string(),
                acts: RECORD,
            });
        }
    }
    for fact in env.store.parked_facts().await? {
        parked.push(Parked {
            what: format!("a fact of contract {}", fact.contract),
            reason: fact.problem,
            remedy: "correct it where it comes from and send it again; then close this one".into(),
            handle: Handle::Fact(fact.id).to_string(),
            acts: CLOSE,
        });
    }
    for delivery in env.store.deliveries(None, &[DeliveryState::Parked]).await? {
        parked.push(Parked {
            what: format!("{} {} to {}", delivery.kind, delivery.subject, delivery.target),
            reason: delivery.fault.unwrap_or_default(),
            remedy: delivery.remedy.unwrap_or_default(),
            handle: delivery.key,
            acts: DELIVERY,
        });
    }
    parked.extend(unseen(env).await?);
    parked.extend(ending(env).await);
    Ok(parked)
}

/// Credentials that end soon: what then stops needs a person, and often one of another department.
async fn ending(env: &Environment) -> Vec<Parked> {
    let mut parked = Vec::new();
    let soon = env.clock.now().saturating_add(SignedDuration::from_hours(WARNED.saturating_mul(24)));
    for (name, entry) in env.registry.iter() {
        for expiry in entry.connection.expiries().await {
            if soon.as_ref().is_ok_and(|soon| expiry.at < *soon) {
                parked.push(Parked {
                    what: format!("connection {name}"),
                    reason: format!("{} ends on {}", expiry.what, expiry.at.strftime("%Y-%m-%d")),
                    remedy: expiry.remedy.into(),
                    handle: String::new(),
                    acts: &[],
                });
            }
        }
    }
    parked
}

/// An instant for people, to the minute.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Writes that a remote answered and that it has not shown, although it was read long enough since.
async fn unseen(env: &Environment) -> Result<Vec<Parked>, StoreError> {
    let mut parked = Vec::new();
    let streams = env.store.streams().await?;
    for (target, entry) in env.registry.iter().filter(|(_, entry)| entry.connection.takes_documents()) {
        let read_through = entry
            .connection
            .streams()
            .iter()
            .map(|name| {
                let stream = streams.iter().find(|one| one.system == target && one.stream == *name)?;
                stream.fresh_through
            })
            .min()
            .flatten();
        let Some(before) = read_through.and_then(|at| at.checked_sub(env.settings.delivery.unseen_after).ok()) else {
            continue;
        };
        for one in env.store.unseen(target.to_owned(), before).await? {
            // Not everything that is written is shown: revenue events and schedules are no transactions.
            if one.kind == CommandKind::JournalEntry && !entry.connection.shows_entries() {
                continue;
            }
            let (id, request) = one.receipt.map(|one| (one.remote_id, one.request_id)).unwrap_or_default();
            let request = request.map(|request| format!(", request {request}")).unwrap_or_default();
            parked.push(Parked {
                what: format!("{} {} to {target}", one.kind, one.subject),
                reason: format!(
                    "{target} took it on {} as record {id}{request}, and has not shown it since",
                    minute(one.settled_at)
                ),
                remedy:
                    "look for the record there; if it is there, close this with what you saw; if it is not, ask the \
                         vendor's support about the request, and write it there under the same number"
                        .into(),
                handle: Handle::Unseen(one.key).to_string(),
                acts: CLOSE,
            });
        }
    }
    Ok(parked)
}

/// Settles a delivery by a person's word: how it was made sure, or what the remote says against it.
///
/// # Errors
/// The store failed.
pub(crate) async fn take_done(
    env: &Environment,
    delivery: &Delivery,
    remote_id: &str,
    reason: &str,
    by: String,
) -> Result<Result<String, String>, StoreError> {
    let (receipt, how) = match asked(env, delivery, remote_id).await {
        Ok(asked) => asked,
        Err(contradiction) => return Ok(Err(contradiction)),
    };
    let said = format!("{reason} ({how})");
    env.store.done_outside(delivery.key.clone(), receipt, by, said, env.clock.now()).await?;
    Ok(Ok(how))
}

/// What the remote says about what was done outside; an error where it says something else.
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
