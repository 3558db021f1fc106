//! Journal entries in the outbox: what an ERP was told of each date, or is to be told.

use std::collections::BTreeMap;

use milestoned_mapping::command::{Command, JournalEntry};

use super::attest::Session;
use super::attested::{OUTBOX, outbox_row};
use super::outbox::read_receipt;
use super::session::{Row, values};
use super::{Store, StoreError, Verb, parse};

impl Store {
    /// The journal entries of a contract in the outbox, delivered or not, in order.
    ///
    /// # Errors
    /// The database failed.
    pub fn journal_entries(&self, contract: String) -> Verb<'_, Vec<JournalEntry>> {
        self.read(move |tx| entries(tx, &contract))
    }

    /// The same of some contracts, by contract.
    ///
    /// # Errors
    /// The database failed, or a row is not attested.
    pub fn journal_entries_of(&self, contracts: Vec<String>) -> Verb<'_, BTreeMap<String, Vec<JournalEntry>>> {
        self.read(move |tx| {
            let mut all = BTreeMap::new();
            for contract in contracts {
                let entries = entries(tx, &contract)?;
                all.insert(contract, entries);
            }
            Ok(all)
        })
    }

    /// Our numbers of documents and entries by the ids that a connection has given them.
    ///
    /// # Errors
    /// The database failed.
    pub fn posted_as(&self, target: String) -> Verb<'_, BTreeMap<String, String>> {
        let sql = "SELECT receipt, subject FROM outbox WHERE target = $1 AND state = 'done'
            AND kind IN ('credit_memo', 'invoice', 'journal_entry') ORDER BY ordinal";
        self.read(move |tx| {
            let read = |row: &Row<'_>| Ok(read_receipt(row.get(0)?).map(|receipt| receipt.remote_id).zip(row.get(1)?));
            Ok(tx.all(sql, values![target], read)?.into_iter().flatten().collect())
        })
    }
}

/// The same. One that was given up counts: a person may let it go on again. One that is not attested is an error: what is
/// planned follows from what was told.
pub(super) fn entries(tx: &Session<'_>, contract: &str) -> Result<Vec<JournalEntry>, StoreError> {
    let mut entries = Vec::new();
    tx.each(
        concat!(outbox_row!(), " WHERE contract = $1 AND kind = 'journal_entry' ORDER BY ordinal"),
        values![contract],
        |row| {
            let key: String = row.get(1)?;
            if !tx.examine(&OUTBOX, row, 0)?.genuine {
                return Err(StoreError::Unattested { table: OUTBOX.name, row: key });
            }
            if let Command::JournalEntry(entry) = parse("outbox", "command", &key, &row.get::<String>(6)?)? {
                entries.push(entry);
            }
            Ok(())
        },
    )?;
    Ok(entries)
}
