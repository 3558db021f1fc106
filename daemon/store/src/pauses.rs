//! What a person has halted: a contract, all contracts of a customer, or everything that goes to a target.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::PAUSE;
use super::audit::{self, Entry};
use super::session::values;
use super::vocabulary::words;
use super::{Store, StoreError, Verb, instant};

/// Whether anything is halted: hardly ever.
pub(super) const ANY_PAUSE: &str = "SELECT 1 FROM pause LIMIT 1";

words! {
    /// What a pause halts.
    Scope {
        /// One contract: nothing is decided, nothing goes out.
        Contract = "contract",
        /// All contracts that have, or have had, a customer, as their terms name it.
        Customer = "customer",
        /// Everything that goes to one connection; decisions go on.
        Target = "target",
    }
}

/// A pause, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pause {
    /// What it halts.
    pub scope: Scope,
    /// Which.
    pub name: String,
    /// Since when, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Who halted it.
    pub actor: Actor,
    /// Why.
    pub reason: String,
}

/// Halts something. Gives the audit line; `None`: it is halted already.
pub(super) fn halt(
    tx: &Session<'_>,
    scope: Scope,
    name: &str,
    actor: &Actor,
    reason: &str,
    now: Timestamp,
) -> Result<Option<Entry>, StoreError> {
    let new = tx.change(&PAUSE, values![scope.name(), name], || {
        tx.run(
            "INSERT INTO pause (scope, name, since, actor, reason) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            values![scope.name(), name, instant(now), actor.name(), reason],
        )
    })?;
    let contract = (scope == Scope::Contract).then_some(name);
    Ok((new > 0).then(|| Entry::by(actor, Action::Paused, contract, format!("{} {name}", scope.name()), reason)))
}

impl Store {
    /// Halts something. `false`: it is halted already.
    ///
    /// # Errors
    /// The database failed.
    pub fn pause(&self, scope: Scope, name: String, actor: Actor, reason: String, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let line = halt(tx, scope, &name, &actor, &reason, now)?;
            audit::append(tx, now, &line)?;
            Ok(line.is_some())
        })
    }

    /// Lets it go on. `false`: it was not halted.
    ///
    /// # Errors
    /// The database failed.
    pub fn resume(&self, scope: Scope, name: String, actor: Actor, reason: String, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let sql = "DELETE FROM pause WHERE scope = $1 AND name = $2 RETURNING mac";
            let gone = tx.delete(&PAUSE, sql, values![scope.name(), name])?;
            if gone > 0 {
                let contract = (scope == Scope::Contract).then_some(name.as_str());
                let subject = format!("{} {name}", scope.name());
                audit::append(tx, now, &[Entry::by(&actor, Action::Resumed, contract, subject, reason)])?;
            }
            Ok(gone > 0)
        })
    }

    /// Everything that is halted.
    ///
    /// # Errors
    /// The database failed.
    pub fn pauses(&self) -> Verb<'_, Vec<Pause>> {
        self.read(|tx| {
            let sql = "SELECT scope, name, since, actor, reason FROM pause ORDER BY scope, name";
            tx.all(sql, values![], |row| {
                Ok(Pause {
                    scope: row.parsed(0, "pause.scope")?,
                    name: row.get(1)?,
                    since: row.parsed(2, "pause.since")?,
                    actor: row.actor(3)?,
                    reason: row.get(4)?,
                })
            })
        })
    }
}
