//! Journal entries in the outbox: what an ERP was told of each date, or is to be told.

use milestoned_mapping::command::{Command, JournalEntry};

use super::attest::Session;
use super::attested::{OUTBOX, outbox_row};
use super::session::values;
use super::{Store, StoreError, Verb, parse};

impl Store {
    /// The journal entries of a contract in the outbox, delivered or not, in order.
    ///
    /// # Errors
    /// The database failed.
    pub fn journal_entries(&self, contract: String) -> Verb<'_, Vec<JournalEntry>> {
        self.read(move |tx| entries(tx, &contract))
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
