//! Contracts about which no decision can be made or kept, because a row of theirs cannot be read: each with why, for people.

use jiff::Timestamp;

use super::attested::UNDECIDED;
use super::session::{Row, values};
use super::{Store, Verb, instant};

/// A contract about which nothing can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// Contract.
    pub contract: String,
    /// Why.
    pub problem: String,
    /// Since when.
    pub since: Timestamp,
}

impl Store {
    /// Contracts about which nothing can be decided, by id; rows that are not attested say nothing.
    ///
    /// # Errors
    /// The database failed.
    pub fn undecided(&self) -> Verb<'_, Vec<Undecided>> {
        self.read(|tx| {
            let mut all = Vec::new();
            tx.each(UNDECIDED.all, values![], |row| {
                if tx.examine(&UNDECIDED, row, 0)?.genuine {
                    let since = row.parsed(3, "undecided.since")?;
                    all.push(Undecided { contract: row.get(1)?, problem: row.get(2)?, since });
                }
                Ok(())
            })?;
            all.sort_by(|one, other| one.contract.cmp(&other.contract));
            Ok(all)
        })
    }

    /// Notes that nothing can be decided about a contract. `false`: that is known, for the same reason.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_undecided(&self, contract: String, problem: String, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let same = |row: &Row<'_>| Ok(tx.examine(&UNDECIDED, row, 0)?.genuine && row.get::<String>(2)? == problem);
            if tx.one(UNDECIDED.one, values![contract], same)? == Some(true) {
                return Ok(false);
            }
            tx.overwrite(&UNDECIDED, values![contract], || {
                tx.run(
                    "INSERT INTO undecided (contract, problem, since) VALUES ($1, $2, $3)
                     ON CONFLICT (contract) DO UPDATE SET problem = $2",
                    values![contract, problem, instant(now)],
                )
            })?;
            Ok(true)
        })
    }

    /// It is decided about them again.
    ///
    /// # Errors
    /// The database failed.
    pub fn decided_again(&self, contracts: Vec<String>) -> Verb<'_, ()> {
        self.write(move |tx| {
            for contract in &contracts {
                tx.delete(&UNDECIDED, "DELETE FROM undecided WHERE contract = $1 RETURNING mac", values![contract])?;
            }
            Ok(())
        })
    }
}
