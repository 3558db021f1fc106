//! Dates that are closed for good: by an ERP's accounting periods, by the configuration, or by a person.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::CLOSED_DATES;
use super::audit::{self, Entry};
use super::session::values;
use super::{Store, StoreError, Verb, instant, next_revision};

/// How far the dates of an ERP's contracts are closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClosedDates {
    /// Connection of the ERP.
    pub erp: String,
    /// All dates through this one are closed.
    #[schema(value_type = String, format = Date)]
    pub through: Date,
    /// When that became known, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub closed_at: Timestamp,
    /// Who closed them: the connection, the configuration, or a person.
    pub actor: Actor,
}

impl Store {
    /// Closes all dates through one for the contracts of an ERP, each of which takes it with its next decision. `false`: they
    /// are closed already.
    ///
    /// # Errors
    /// The database failed.
    pub fn close_dates(
        &self,
        erp: String,
        through: Date,
        actor: Actor,
        reason: String,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(move |tx| {
            if closed(tx)?.get(&erp).is_some_and(|known| known.through >= through) {
                return Ok(false);
            }
            let last = through.to_string();
            tx.overwrite(&CLOSED_DATES, values![erp, last], || {
                tx.run(
                    "INSERT INTO closed_dates (erp, through, closed_at, actor) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (erp, through) DO UPDATE SET closed_at = $3, actor = $4",
                    values![erp, last, instant(now), actor.name()],
                )
            })?;
            // Which ERP a contract has stands in its agreement: those of others decide that nothing follows.
            tx.run(concat!("UPDATE contract SET legs_changed = TRUE, ", next_revision!()), values![])?;
            let detail = format!("all dates through {through}: {reason}");
            audit::append(tx, now, &[Entry::by(&actor, Action::DatesClosed, None, erp.clone(), detail)])?;
            Ok(true)
        })
    }

    /// How far dates are closed, by ERP.
    ///
    /// # Errors
    /// The database failed.
    pub fn closed_dates(&self) -> Verb<'_, BTreeMap<String, ClosedDates>> {
        self.read(closed)
    }
}

/// The latest closing of each ERP; one that is not attested closes nothing.
pub(super) fn closed(tx: &Session<'_>) -> Result<BTreeMap<String, ClosedDates>, StoreError> {
    let mut latest = BTreeMap::new();
    tx.each(CLOSED_DATES.all, values![], |row| {
        if !tx.examine(&CLOSED_DATES, row, 0)?.genuine {
            return Ok(());
        }
        let erp: String = row.get(1)?;
        let (through, closed_at) = (row.parsed(2, "closed_dates.through")?, row.parsed(3, "closed_dates.closed_at")?);
        let dates = ClosedDates { erp: erp.clone(), through, closed_at, actor: row.actor(4)? };
        if latest.get(&erp).is_none_or(|known: &ClosedDates| known.through < dates.through) {
            latest.insert(erp, dates);
        }
        Ok(())
    })?;
    Ok(latest)
}
