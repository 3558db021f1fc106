//! Drift: what differs in a remote from what was delivered or accepted, and what people said about it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::drift::Kind;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::DRIFT;
use super::audit::{self, Entry};
use super::session::{Row, Sql, among, values};
use super::{Store, StoreError, Verb, json};

/// A drift as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRow {
    /// What kind of thing.
    pub kind: Kind,
    /// Document or entry number, or milestone; empty: the contract.
    pub subject: String,
    /// Milestone, where one is concerned.
    pub milestone: Option<String>,
    /// What exactly.
    pub detail: String,
    /// Seen first on, contract's time zone.
    pub opened_on: Date,
    /// Closed on: undone in the remote, or taken note of by a person.
    pub closed_on: Option<Date>,
    /// It is so still. One that a person has closed stays closed while it lasts as it was.
    pub lasts: bool,
}

fn read(row: &Row<'_>) -> Result<Option<DriftRow>, StoreError> {
    let Some(kind) = Kind::named(&row.get::<String>(0)?) else { return Ok(None) };
    Ok(Some(DriftRow {
        kind,
        subject: row.get(1)?,
        milestone: row.get(2)?,
        detail: row.get(3)?,
        opened_on: row.parsed(4, "drift.opened_on")?,
        closed_on: row.parsed_option(5, "drift.closed_on")?,
        lasts: true,
    }))
}

/// What lasts, of one contract.
pub(super) fn lasting(tx: &Session<'_>, contract: &str) -> Result<Vec<DriftRow>, StoreError> {
    let rows = tx.all(
        "SELECT kind, subject, milestone, detail, opened_on, closed_on FROM drift WHERE contract = $1 AND lasts
         ORDER BY kind, subject",
        values![contract],
        read,
    )?;
    Ok(rows.into_iter().flatten().collect())
}

/// Writes down how some drifts stand now.
pub(super) fn keep(tx: &Session<'_>, contract: &str, rows: &[DriftRow]) -> Result<(), StoreError> {
    for row in rows {
        tx.overwrite(&DRIFT, values![contract, row.kind.name(), row.subject], || {
            tx.run(
                "INSERT INTO drift (contract, kind, subject, milestone, leg, detail, opened_on, closed_on, lasts)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (contract, kind, subject) DO UPDATE
                 SET milestone = $4, leg = $5, detail = $6, opened_on = $7, closed_on = $8, lasts = $9",
                values![
                    contract,
                    row.kind.name(),
                    row.subject,
                    row.milestone,
                    row.kind.leg().to_string(),
                    row.detail,
                    row.opened_on.to_string(),
                    row.closed_on.map(|date| date.to_string()),
                    row.lasts
                ],
            )
        })?;
    }
    Ok(())
}

macro_rules! open_of {
    ($database:ident) => {
        concat!(
            "SELECT contract, count(*) FROM drift WHERE closed_on IS NULL AND ",
            among!($database, "contract", "$1"),
            " GROUP BY contract"
        )
    };
}

/// How many are open of some contracts; `$1` is a JSON list of their ids.
const OPEN_OF: Sql = Sql { postgres: open_of!(postgres), sqlite: open_of!(sqlite) };

impl Store {
    /// How many are open, by contract: of some contracts.
    ///
    /// # Errors
    /// The database failed.
    pub fn drifts(&self, contracts: Vec<String>) -> Verb<'_, BTreeMap<String, usize>> {
        self.read(move |tx| {
            let count = |row: &Row<'_>| Ok((row.get(0)?, usize::try_from(row.get::<i64>(1)?).unwrap_or(usize::MAX)));
            Ok(tx.all(OPEN_OF, values![json(&contracts)?], count)?.into_iter().collect())
        })
    }

    /// A person closes a drift, with a reason; it opens again if it changes, or comes back after it was undone. `false`:
    /// none of this kind and subject is open.
    ///
    /// # Errors
    /// The database failed.
    pub fn close_drift(
        &self,
        contract: String,
        kind: Kind,
        subject: String,
        (actor, reason): (Actor, String),
        (today, now): (Date, Timestamp),
    ) -> Verb<'_, bool> {
        self.write(move |tx| {
            let closed = tx.change(&DRIFT, values![contract, kind.name(), subject], || {
                tx.one(
                    "UPDATE drift SET closed_on = $4 WHERE contract = $1 AND kind = $2 AND subject = $3
                     AND closed_on IS NULL RETURNING detail",
                    values![contract, kind.name(), subject, today.to_string()],
                    |row| row.get::<String>(0),
                )
            })?;
            let Some(detail) = closed else { return Ok(false) };
            let said = format!("{}, {detail}: {reason}", kind.name());
            audit::append(tx, now, &[Entry::by(&actor, Action::DriftOverruled, Some(&contract), subject, said)])?;
            Ok(true)
        })
    }
}
