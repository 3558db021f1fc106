//! How the ERPs call the records of customers: asked once a day, so that one that was renamed or merged there is told.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::registry::Entry;
use crate::store::customers::Asked;
use crate::store::marks::Mark;
use crate::store::{Store, StoreError};

/// How often an ERP is asked.
const ASK_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Asks an ERP how it calls the customers that are known there. Returns whether one of them is called otherwise than it was.
///
/// # Errors
/// The store failed. An ERP that does not answer is asked again the day after.
pub async fn learn(store: &Store, system: &str, entry: &Entry, now: Timestamp) -> Result<bool, StoreError> {
    let due =
        entry.connection.takes_documents() && store.is_due(Mark::Customers(system.to_owned()), ASK_EVERY, now).await?;
    if !due {
        return Ok(false);
    }
    let mut wanted: BTreeMap<String, (String, bool)> = BTreeMap::new();
    wanted.extend(store.customers_found_in(system.to_owned()).await?.into_iter().map(|(name, id)| (name, (id, false))));
    // What people said stands over what was found by name.
    wanted.extend(entry.customers.ids().into_iter().map(|(name, id)| (name, (id, true))));
    if wanted.is_empty() {
        return Ok(false);
    }
    let ids: Vec<String> = wanted.values().map(|(id, _)| id.clone()).collect();
    let names = match entry.connection.customers_at(&ids).await {
        Ok(Some(names)) => names,
        Ok(None) => return Ok(false),
        Err(fault) => {
            tracing::warn!(system, %fault, "names of customers could not be read");
            return Ok(false);
        }
    };
    let asked = wanted.into_iter().map(|(name, (remote_id, mapped))| {
        let now = names.get(&remote_id).cloned();
        Asked { name, remote_id, mapped, now }
    });
    Ok(store.customers_asked(system.to_owned(), asked.collect()).await? > 0)
}
