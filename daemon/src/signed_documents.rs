//! Signed documents that are brought to the pages or put into their folder: each is read, kept, and waits for a person who confirms
//! its values.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use milestoned_documents::amendment::{Earlier, compare};
use milestoned_documents::proposal::Proposal;
use milestoned_documents::reader::{FILE_LIMIT, format_of};
use milestoned_documents::sandbox::ChildError;
use milestoned_documents::sha256;

use crate::agreements;
use crate::contract_folder;
use crate::environment::Environment;
use crate::reading;
use crate::store::actor::Actor;
use crate::store::agreement_files::Seen;
use crate::store::readings::Reading;
use crate::store::{StoreError, json, parse};

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
    let read = tokio::task::spawn_blocking(move || (reading::read(&file, &bytes), bytes)).await;
    let (read, content) = read.map_err(|error| NotKept::Unread(error.to_string()))?;
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

/// Reads the folder. Returns whether a file was new or changed.
///
/// # Errors
/// The store failed. A file that cannot be read is noted with its problem, and the others go on.
pub async fn scan(env: &Environment, folder: &Path, now: Timestamp) -> Result<bool, StoreError> {
    let readable = |path: &Path| path.file_name().is_some_and(|name| format_of(&name.to_string_lossy()).is_some());
    let listed = contract_folder::named(folder, readable).await;
    let listed = agreements::listed_or_told(env, folder, listed, "agreements.documents", now).await?;
    let Some(files) = listed else { return Ok(false) };
    let mut changed = false;
    for path in &files {
        changed |= scan_file(env, path, now).await?;
    }
    let there: BTreeSet<String> = files.iter().map(|path| path.display().to_string()).collect();
    agreements::forget_refused(env, folder, &there, now).await?;
    Ok(changed)
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
    let problem = match kept {
        Ok(_) | Err(NotKept::Known(_)) => None,
        Err(NotKept::Store(error)) => return Err(error),
        Err(other) => Some(other.to_string()),
    };
    if let Some(problem) = &problem {
        tracing::warn!(file = place, problem, "signed document refused");
    }
    env.store.agreement_file_seen(place, seen, None, problem, now).await?;
    Ok(true)
}
