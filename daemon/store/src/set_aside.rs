//! Contracts that were filed with a former version, and that this one cannot read: nothing is decided about them.

use serde::Serialize;
use utoipa::ToSchema;

use super::attest::Session;
use super::session::values;
use super::{Store, StoreError, Verb};

/// What is said of a contract that has still to be rebuilt.
const UNREAD: &str = "its state is still to be rebuilt, which is done when the daemon starts: start it again";

/// A contract that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SetAside {
    /// Contract id.
    pub contract: String,
    /// Why its state cannot be rebuilt.
    pub problem: String,
}

/// An error where a contract is set aside.
pub(super) fn check_not_set_aside(tx: &Session<'_>, contract: &str) -> Result<(), StoreError> {
    let sql = "SELECT problem FROM rebuild WHERE contract = $1 AND problem IS NOT NULL";
    match tx.one(sql, values![contract], |row| row.get(0))? {
        Some(problem) => Err(StoreError::SetAside(SetAside { contract: contract.into(), problem })),
        None => Ok(()),
    }
}

impl Store {
    /// Contracts that this version cannot read, or has still to read: after an upgrade they are read before anything else.
    ///
    /// # Errors
    /// The database failed.
    pub fn set_aside(&self) -> Verb<'_, Vec<SetAside>> {
        self.read(|tx| {
            let sql = "SELECT contract, coalesce(problem, $1) FROM rebuild ORDER BY contract";
            tx.all(sql, values![UNREAD], |row| Ok(SetAside { contract: row.get(0)?, problem: row.get(1)? }))
        })
    }
}
