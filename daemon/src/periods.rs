//! Accounting periods: which dates the configuration and the ERPs themselves have closed. A person closes dates by
//! `review::acts`.

use jiff::{SignedDuration, Timestamp};

use crate::registry::Entry;
use crate::settings::Settings;
use crate::store::actor::Actor;
use crate::store::marks::Mark;
use crate::store::{Store, StoreError};

/// How often an ERP is asked.
const ASK_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Learns which dates of an ERP are closed. Returns whether that were more than was known.
///
/// # Errors
/// The store failed. An ERP that does not answer is asked again later.
pub async fn learn(
    store: &Store,
    system: &str,
    entry: &Entry,
    settings: &Settings,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !entry.connection.takes_documents() {
        return Ok(false);
    }
    let mut told = Vec::new();
    told.extend(settings.periods.closed_through.get(system).map(|through| (*through, Actor::Configuration)));
    if store.is_due(Mark::Periods(system.to_owned()), ASK_EVERY, now).await? {
        match entry.connection.closed_through().await {
            Ok(through) => told.extend(through.map(|through| (through, Actor::from(system)))),
            Err(fault) => tracing::warn!(system, %fault, "closed periods could not be read"),
        }
    }
    if told.is_empty() {
        return Ok(false);
    }
    let known = store.closed_dates().await?.get(system).map(|known| known.through);
    let mut more = false;
    for (through, actor) in told.into_iter().filter(|(through, _)| known.is_none_or(|known| known < *through)) {
        let reason =
            if actor == Actor::Configuration { "periods.closed_through" } else { "its accounting periods are closed" };
        more |= store.close_dates(system.to_owned(), through, actor, reason.to_owned(), now).await?;
    }
    Ok(more)
}
