//! What pages and the digest need beside the views: which contracts changed since they were looked at and which time alone will
//! change, the records that stand behind a leg, and the parts of the queue that people gave a name.

use std::collections::BTreeSet;

use jiff::Timestamp;
use milestoned_mapping::fact::Leg;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::action::Action;
use super::actor::Actor;
use super::attested::SAVED_VIEW;
use super::audit::{self, Entry};
use super::contracts::not_set_aside;
use super::session::{Row, values};
use super::{Store, StoreError, Verb, instant};

/// A record that a leg of a contract was read from, in the version that is known last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegSource {
    /// Leg.
    pub leg: Leg,
    /// Milestone that the record shows; none: the whole contract.
    pub milestone: Option<String>,
    /// Connection.
    pub system: String,
    /// The vendor's object type.
    pub object: String,
    /// The vendor's id.
    pub id: String,
    /// The vendor's version.
    pub version: String,
    /// When the vendor changed it last.
    pub changed_at: Timestamp,
    /// When it was read.
    pub seen_at: Timestamp,
    /// Our row of it.
    pub row: i64,
    /// SHA-256 of the record as it is stored, hexadecimal.
    pub digest: String,
}

/// A part of the queue that somebody gave a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SavedView {
    /// Its name.
    pub name: String,
    /// The filter, as it stands behind the question mark of the queue's address.
    pub filter: String,
    /// Who saved it.
    pub actor: Actor,
}

const LEG_SOURCES: &str =
    "SELECT p.leg, p.milestone, p.system, p.object, p.remote_id, r.version, r.changed_at, r.seen_at,
    r.id, r.record FROM leg_part AS p JOIN source_record AS r ON r.id = (SELECT max(n.id) FROM source_record AS n
    WHERE n.system = p.system AND n.object = p.object AND n.remote_id = p.remote_id)
    WHERE p.contract = $1 ORDER BY p.leg, p.system, p.object, p.remote_id";

fn read_leg_source(row: &Row<'_>) -> Result<LegSource, StoreError> {
    Ok(LegSource {
        leg: row.parsed(0, "leg_part.leg")?,
        milestone: row.get(1)?,
        system: row.get(2)?,
        object: row.get(3)?,
        id: row.get(4)?,
        version: row.get(5)?,
        changed_at: row.parsed(6, "source_record.changed_at")?,
        seen_at: row.parsed(7, "source_record.seen_at")?,
        row: row.get(8)?,
        digest: hex::encode(Sha256::digest(row.get::<String>(9)?.as_bytes())),
    })
}

impl Store {
    /// Every contract with how often it was decided about, by id.
    ///
    /// # Errors
    /// The database failed.
    pub fn revisions(&self) -> Verb<'_, Vec<(String, i64)>> {
        self.read(|tx| {
            tx.all("SELECT id, revision FROM contract ORDER BY id", values![], |row| Ok((row.get(0)?, row.get(1)?)))
        })
    }

    /// How many contracts there are, and how often they were decided about in all: where both are what they were, nothing was
    /// decided since.
    ///
    /// # Errors
    /// The database failed.
    pub fn decided_so_far(&self) -> Verb<'_, (i64, i64)> {
        let sql = "SELECT count(*), CAST(coalesce(sum(revision), 0) AS BIGINT) FROM contract";
        self.read(move |tx| Ok(tx.one(sql, values![], |row| Ok((row.get(0)?, row.get(1)?)))?.unwrap_or_default()))
    }

    /// Contracts that time alone may change by an instant, by id; but those that are set aside.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_waking_by(&self, at: Timestamp) -> Verb<'_, Vec<String>> {
        let sql = concat!("SELECT id FROM contract WHERE wake_at <= $1 AND ", not_set_aside!(), " ORDER BY id");
        self.read(move |tx| tx.all(sql, values![instant(at)], |row| row.get(0)))
    }

    /// Contracts that lines of the audit trail after a place name, and the newest place.
    ///
    /// # Errors
    /// The database failed.
    pub fn named_after(&self, seq: i64) -> Verb<'_, (Vec<String>, i64)> {
        self.read(move |tx| {
            let head = tx.one("SELECT seq FROM audit_head WHERE id = 1", values![], |row| row.get(0))?.unwrap_or(0);
            if head == seq {
                return Ok((Vec::new(), head));
            }
            // The lines after a place alone: what is asked for in the order of contracts is read from the index of all lines.
            let lines: Vec<Option<String>> =
                tx.all("SELECT contract FROM audit WHERE seq > $1", values![seq], |row| row.get(0))?;
            let named: BTreeSet<String> = lines.into_iter().flatten().collect();
            Ok((named.into_iter().collect(), head))
        })
    }

    /// The records that the legs of a contract were read from.
    ///
    /// # Errors
    /// The database failed.
    pub fn leg_sources(&self, contract: String) -> Verb<'_, Vec<LegSource>> {
        self.read(move |tx| tx.all(LEG_SOURCES, values![contract], read_leg_source))
    }

    /// Parts of the queue that people gave a name, by name.
    ///
    /// # Errors
    /// The database failed.
    pub fn saved_views(&self) -> Verb<'_, Vec<SavedView>> {
        self.read(|tx| {
            tx.all("SELECT name, filter, actor FROM saved_view ORDER BY name", values![], |row| {
                Ok(SavedView { name: row.get(0)?, filter: row.get(1)?, actor: row.actor(2)? })
            })
        })
    }

    /// A line about a list that somebody took away as a file, with what it was.
    ///
    /// # Errors
    /// The database failed.
    pub fn list_exported(&self, by: &Actor, file: String, about: String, now: Timestamp) -> Verb<'_, ()> {
        let line = Entry::by(by, Action::ListExported, None, file, about);
        self.write(move |tx| audit::append(tx, now, &[line]))
    }

    /// Gives a part of the queue a name, or, without a filter, takes the name away.
    ///
    /// # Errors
    /// The database failed.
    pub fn save_view(&self, name: String, filter: Option<String>, actor: Actor, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let (action, detail) = match &filter {
                Some(filter) => {
                    tx.overwrite(&SAVED_VIEW, values![name], || {
                        tx.run(SAVE, values![name, filter, actor.name(), instant(now)])
                    })?;
                    (Action::ViewSaved, filter.clone())
                }
                None => {
                    let sql = "DELETE FROM saved_view WHERE name = $1 RETURNING mac";
                    tx.delete(&SAVED_VIEW, sql, values![name])?;
                    (Action::ViewRemoved, String::new())
                }
            };
            audit::append(tx, now, &[Entry::by(&actor, action, None, name, detail)])
        })
    }
}

const SAVE: &str = "INSERT INTO saved_view (name, filter, actor, saved_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO UPDATE SET filter = $2, actor = $3, saved_at = $4";
