//! Signed documents that are brought to the pages, put into their folder, or hang on a won deal: each is read, kept, and waits for a person who confirms
//! its values.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use milestoned_connector_kit::{AttachedFile, Class, Cursor, Fault, Page};
use milestoned_documents::amendment::{Earlier, compare};
use milestoned_documents::proposal::Proposal;
use milestoned_documents::reader::{FILE_LIMIT, format_of};
use milestoned_documents::sandbox::ChildError;
use milestoned_documents::sha256;
use tokio::sync::oneshot;

use crate::agreements;
use crate::contract_folder;
use crate::environment::Environment;
use crate::intake;
use crate::reading;
use crate::registry::Entry;
use crate::store::actor::Actor;
use crate::store::agreement_files::Seen;
use crate::store::readings::Reading;
use crate::store::{Store, StoreError, json, parse};

/// The stream under which it stands how far files of a connection's records were looked for.
const STREAM: &str = "documents";
/// Key of the last row whose files were looked for.
const AFTER: &str = "after";
/// Files of the folder that are read in one turn.
const AT_ONCE: usize = 16;
/// Records whose files are looked for in one turn.
const RECORDS: u32 = 200;

/// Why a document was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The reader refuses it.
    #[error("{0}")]
    Refused(String),
    /// Reading it took more than it may, or failed.
    #[error("{0}")]
    Unread(String),
    /// It is known, and was compared with another contract, or with none.
    #[error("it was read before, {0}")]
    Known(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a document and keeps it for people to confirm; answers with its SHA-256. One that is known stays as it is.
///
/// # Errors
/// It cannot be read, was read otherwise before, or the store failed.
pub async fn keep(
    env: &Environment,
    name: &str,
    bytes: Vec<u8>,
    actor: Actor,
    amends: Option<&Earlier>,
) -> Result<String, NotKept> {
    let file = name.to_owned();
    let read = reading::apart(move || (reading::read(&file, &bytes), bytes)).await;
    let (read, content) = read.map_err(NotKept::Unread)?;
    let (document, mut proposal) = read.map_err(|error| match error {
        ChildError::Refused(reason) => NotKept::Refused(reason),
        other => NotKept::Unread(other.to_string()),
    })?;
    if let Some(earlier) = amends {
        compare(&mut proposal, earlier);
    }
    let id = milestoned_documents::sha256(&content);
    if let Some((known, _)) = env.store.reading(id.clone()).await? {
        let before: Proposal = parse("reading", "proposal", &id, &known.proposal)?;
        if before.amended_contract != proposal.amended_contract {
            let as_what = before.amended_contract.map(|id| format!("as an amendment of contract {id}"));
            return Err(NotKept::Known(as_what.unwrap_or_else(|| "as a contract of its own".into())));
        }
    }
    let kept = Reading {
        id: id.clone(),
        name: name.to_owned(),
        actor,
        read_at: env.clock.now(),
        document: json(&document)?,
        proposal: json(&proposal)?,
        contract: None,
    };
    env.store.keep_reading(kept, content).await?;
    Ok(id)
}

/// Reads a document that somebody has brought, and goes on with it though nobody waits for the answer any more: then what cannot be
/// read is noted, and stands in the queue.
pub fn keep_apart(
    env: Arc<Environment>,
    name: String,
    bytes: Vec<u8>,
    actor: Actor,
    amends: Option<Earlier>,
) -> oneshot::Receiver<Result<String, NotKept>> {
    let (answer, waits) = oneshot::channel();
    tokio::spawn(async move {
        let seen = Seen::Text(sha256(&bytes));
        let place = format!("{name}, brought by {}", actor.name());
        let kept = keep(&env, &name, bytes, actor, amends.as_ref()).await;
        let Err(kept) = answer.send(kept) else { return };
        let now = env.clock.now();
        if let Err(error) = note(&env, place, seen, kept, now).await {
            tracing::error!(name, %error, "what became of a document could not be noted");
        }
    });
    waits
}

/// Reads the folder, at most so many files that are new or changed: each is read by a process of its own, which takes its time.
/// Returns whether there were any.
///
/// # Errors
/// The store failed. A file that cannot be read is noted with its problem, and the others go on.
pub async fn scan(env: &Environment, folder: &Path, now: Timestamp) -> Result<bool, StoreError> {
    let readable = |path: &Path| path.file_name().is_some_and(|name| format_of(&name.to_string_lossy()).is_some());
    let listed = contract_folder::named(folder, readable).await;
    let listed = agreements::listed_or_told(env, folder, listed, "agreements.documents", now).await?;
    let Some(files) = listed else { return Ok(false) };
    let mut changed = 0_usize;
    for path in &files {
        changed = changed.saturating_add(usize::from(scan_file(env, path, now).await?));
        if changed >= AT_ONCE {
            break;
        }
    }
    let there: BTreeSet<String> = files.iter().map(|path| path.display().to_string()).collect();
    agreements::forget_refused(env, folder, &there, now).await?;
    Ok(changed > 0)
}

/// Reads one file, once for each content that it has.
async fn scan_file(env: &Environment, path: &Path, now: Timestamp) -> Result<bool, StoreError> {
    let place = path.display().to_string();
    let most = u64::try_from(FILE_LIMIT).unwrap_or(u64::MAX);
    let read = contract_folder::bytes(path, most).await;
    let seen: Seen = match &read {
        Ok(bytes) => sha256(bytes),
        Err(reason) => sha256(reason.as_bytes()),
    }
    .into();
    if env.store.agreement_file(place.clone()).await?.is_some_and(|known| known.seen == seen) {
        return Ok(false);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let owner = env.settings.agreements.folder_owner.as_ref().map_or(Actor::ContractFolder, Actor::from);
    let kept = match read {
        Ok(bytes) => keep(env, &name, bytes, owner, None).await,
        Err(reason) => Err(NotKept::Refused(reason)),
    };
    note(env, place, seen, kept, now).await?;
    Ok(true)
}

/// Brings the files of records that came since: each content is fetched once, and waits for a person as any other document does.
/// Returns whether one was new. A connection that fails is noted, and asked again later.
///
/// # Errors
/// The store failed.
pub async fn fetch(
    env: &Environment,
    store: &Store,
    system: &str,
    entry: &Entry,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !entry.connection.brings_documents() {
        return Ok(false);
    }
    let known = store.watermarks(system.to_owned()).await?.remove(STREAM);
    if known.as_ref().is_some_and(|mark| intake::waits(mark, entry.poll_every, now)) {
        return Ok(false);
    }
    let attempts = known.as_ref().map_or(0, |mark| mark.attempts);
    let after = known.and_then(|mark| mark.cursor.0.get(AFTER)?.parse().ok()).unwrap_or(0_i64);
    let records = store.records_after(system.to_owned(), after, RECORDS).await?;
    let (mut came, mut last) = (false, after);
    let mut failed = None;
    for (row, record) in records {
        let files = record.map(|record| entry.connection.attached(&record.raw)).unwrap_or_default();
        for file in files.iter().filter(|file| format_of(&file.name).is_some()) {
            match fetch_file(env, system, entry, file, now).await? {
                Ok(new) => came |= new,
                Err(fault) => failed = failed.or(Some(fault)),
            }
        }
        if failed.is_some() {
            break;
        }
        last = row;
    }
    if last > after || failed.is_none() {
        let next = Cursor([(AFTER.to_owned(), last.to_string())].into());
        let page = Page { records: Vec::new(), unreadable: Vec::new(), next, more: false, fresh_through: now };
        let due = (last == after).then(|| now.saturating_add(entry.poll_every).unwrap_or(now));
        store.record_page(system.to_owned(), STREAM.into(), page, due, now).await?;
    }
    if let Some(fault) = failed {
        tracing::warn!(system, %fault, "a file of a deal could not be fetched");
        let due = intake::again(&fault, STREAM, attempts, &env.settings.delivery, now);
        store.poll_failed(system.to_owned(), STREAM.into(), fault.to_string(), due, now).await?;
    }
    Ok(came)
}

/// Fetches one file, unless this content of it was fetched before. What the connection refuses for good, and what cannot be read,
/// is noted; any other fault is the caller's.
async fn fetch_file(
    env: &Environment,
    system: &str,
    entry: &Entry,
    file: &AttachedFile,
    now: Timestamp,
) -> Result<Result<bool, Fault>, StoreError> {
    let place = format!("{system}: {} ({})", file.name, file.id);
    let seen = Seen::Text(file.id.clone());
    if env.store.agreement_file(place.clone()).await?.is_some_and(|known| known.seen == seen) {
        return Ok(Ok(false));
    }
    let kept = match entry.connection.fetch(file).await {
        Ok(bytes) => keep(env, &file.name, bytes, Actor::Named(system.to_owned()), None).await,
        Err(fault) if matches!(fault.class, Class::Refused | Class::Misunderstood) => {
            Err(NotKept::Unread(fault.to_string()))
        }
        Err(fault) => return Ok(Err(fault)),
    };
    note(env, place, seen, kept, now).await?;
    Ok(Ok(true))
}

/// Notes what became of a file.
async fn note(
    env: &Environment,
    place: String,
    seen: Seen,
    kept: Result<String, NotKept>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let problem = match kept {
        Ok(_) | Err(NotKept::Known(_)) => None,
        Err(NotKept::Store(error)) => return Err(error),
        Err(other) => Some(other.to_string()),
    };
    if let Some(problem) = &problem {
        tracing::warn!(file = place, problem, "signed document refused");
    }
    env.store.agreement_file_seen(place, seen, None, problem, now).await
}
