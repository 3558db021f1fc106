//! Contracts whose state was written by a version that kept it otherwise: each is rebuilt once, and what cannot be rebuilt
//! is set aside, where nothing is decided about it and nobody is held up by it.

use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::contract::Waiting;

use super::action::Action;
use super::actor::Actor;
use super::attested::CONTRACT;
use super::audit::{self, Entry};
use super::contracts::{ContractRow, ExceptionRow, load_any_row};
use super::landing::keep_exceptions;
use super::pauses::{self, Scope};
use super::review::keep_approvals;
use super::session::values;
use super::{Store, StoreError, Verb, instant, next_revision};

/// Contracts rebuilt between two questions of which are left.
const AT_ONCE: i64 = 200;

/// A state that was rebuilt, and what is derived from it.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// Contract.
    pub contract: String,
    /// The contract's revision when it was read.
    pub revision_before: i64,
    /// State, JSON.
    pub state: String,
    /// Local date that the state has reached.
    pub as_of: Date,
    /// All exceptions of the contract.
    pub exceptions: Vec<ExceptionRow>,
    /// All that waits for a reviewer.
    pub approvals: Vec<Waiting>,
    /// Why the contract is halted until a person has looked at it; `None`: all that was decided is decided still.
    pub halted: Option<String>,
}

impl Store {
    /// Some of the contracts whose states are to be rebuilt; none: all are.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_to_rebuild(&self) -> Verb<'_, Vec<ContractRow>> {
        self.read(|tx| {
            let sql = "SELECT contract FROM rebuild WHERE problem IS NULL ORDER BY contract LIMIT $1";
            let ids: Vec<String> = tx.all(sql, values![AT_ONCE], |row| row.get(0))?;
            let rows = ids.iter().map(|id| load_any_row(tx, id)).collect::<Result<Vec<_>, _>>()?;
            Ok(rows.into_iter().flatten().collect())
        })
    }

    /// Keeps a state that was rebuilt. `false`: another daemon has done so.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_rebuilt(&self, rebuilt: Rebuilt, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let id = &rebuilt.contract;
            if tx.run("DELETE FROM rebuild WHERE contract = $1 AND problem IS NULL", values![id])? == 0 {
                return Ok(false);
            }
            let changed = tx.change(&CONTRACT, values![id], || {
                tx.run(
                    concat!(
                        "UPDATE contract SET state = $2, as_of = $3, wake_at = $4, ",
                        next_revision!(),
                        " WHERE id = $1 AND revision = $5"
                    ),
                    values![id, rebuilt.state, rebuilt.as_of.to_string(), instant(now), rebuilt.revision_before],
                )
            })?;
            if changed == 0 {
                return Err(StoreError::Overtaken);
            }
            keep_exceptions(tx, id, &rebuilt.exceptions)?;
            keep_approvals(tx, id, &rebuilt.approvals)?;
            let detail = rebuilt.halted.as_deref().unwrap_or("what was decided before is decided still");
            let mut lines = vec![Entry::own(Action::ContractRebuilt, Some(id), id.clone(), detail)];
            if let Some(reason) = &rebuilt.halted {
                lines.extend(pauses::halt(tx, Scope::Contract, id, &Actor::Daemon, reason, now)?);
            }
            audit::append(tx, now, &lines)?;
            Ok(true)
        })
    }

    /// Sets a contract aside that this version cannot read.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_set_aside(&self, contract: String, problem: String, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let sql = "UPDATE rebuild SET problem = $2 WHERE contract = $1 AND problem IS NULL";
            if tx.run(sql, values![contract, problem])? > 0 {
                let line = Entry::own(Action::ContractSetAside, Some(&contract), contract.clone(), problem);
                audit::append(tx, now, &[line])?;
            }
            Ok(())
        })
    }
}
