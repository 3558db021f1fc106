//! Contracts that were filed with a former version, and that this one cannot read: nothing is decided about them.

use serde::Serialize;
use utoipa::ToSchema;

use super::attest::Session;
use super::session::values;
use super::{Store, StoreError, Verb};

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
    /// Contracts that this version cannot read.
    ///
    /// # Errors
    /// The database failed.
    pub fn set_aside(&self) -> Verb<'_, Vec<SetAside>> {
        self.read(|tx| {
            let sql = "SELECT contract, problem FROM rebuild WHERE problem IS NOT NULL ORDER BY contract";
            tx.all(sql, values![], |row| Ok(SetAside { contract: row.get(0)?, problem: row.get(1)? }))
        })
    }
}
