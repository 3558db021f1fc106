//! Making a database the house's: rows of before rows were attested are attested once, and where keys were exchanged, the sums are
//! carried over.

use jiff::Timestamp;

use super::StoreError;
use super::action::Action;
use super::attest::{HEAD, House, Session, Sheet, read_head};
use super::audit::{self, Entry, Head};
use super::session::{Sql, values};

/// Whether the database is this house's already, under the key in use: then nothing is to be done at its opening. Whether the
/// head is whole is for who appends, and for `audit verify`.
pub(super) fn is_taken_over(tx: &Session<'_>) -> Result<bool, StoreError> {
    let sealed = tx.one("SELECT sealed FROM audit_head WHERE id = 1", values![], |row| row.get::<String>(0))?;
    let key = &tx.house.key;
    Ok(sealed.is_none_or(|sealed| key.is_named_in(&sealed) && key.former_named_in(&sealed).is_none()))
}

/// Makes the database this house's: what an older version wrote is attested once, and a line says so; where keys were
/// exchanged, the sums are made with the one in use.
///
/// # Errors
/// It was attested with a key that is not among those configured.
pub(super) fn take_over(tx: &Session<'_>) -> Result<(), StoreError> {
    let Some((head, sealed, sheet)) = read_head(tx, HEAD)? else { return Ok(()) };
    if sealed.is_empty() {
        let attested = "SELECT 1 FROM audit WHERE attests IS NOT NULL OR action = $1 LIMIT 1";
        return match tx.one(attested, values![Action::RowsAttested.name()], |_| Ok(()))? {
            None => attest_once(tx, head),
            Some(()) => Err(StoreError::Key(
                "the seal of the audit trail's head is gone, though its lines say that rows are attested: somebody changed the \
                 database past milestoned; put a backup back"
                    .into(),
            )),
        };
    }
    if !tx.house.key.is_named_in(&sealed) {
        let id = sealed.split(':').next().unwrap_or_default();
        return Err(StoreError::Key(format!(
            "the database was attested with the key {id}, and store.key is {}: configure that key, or name it in \
             store.former_keys; without it nothing in the database can be trusted",
            tx.house.key.id()
        )));
    }
    let Some((mut sheet, former)) = sheet.zip(tx.house.key.former_named_in(&sealed)) else { return Ok(()) };
    let former = House::of(former)?;
    tx.carried_over(&former, &mut sheet.sums)?;
    tx.ledger.borrow_mut().sheet = Some(sheet);
    let detail = format!(
        "from {} to {}: rows that are as they were written, and the sums of all tables, are attested with the key in use",
        former.key.id(),
        tx.house.key.id()
    );
    audit::append(tx, its_time(tx)?, &[Entry::own(Action::KeyExchanged, None, "store.key", detail)])
}

/// What stands in the database when it is attested for the first time. Nobody can say of it whether it is what was written:
/// the line tells how much there was of it.
fn attest_once(tx: &Session<'_>, head: Head) -> Result<(), StoreError> {
    let sums = tx.attest_all()?;
    let new = head.seq == 0 && sums.values().all(|sum| sum.rows == 0);
    let told: Vec<String> =
        sums.iter().filter(|(_, sum)| sum.rows > 0).map(|(table, sum)| format!("{} of {table}", sum.rows)).collect();
    let through = head.seq;
    {
        let mut ledger = tx.ledger.borrow_mut();
        ledger.sheet = Some(Sheet { head, sums });
        ledger.appended = true;
    }
    if new {
        return Ok(());
    }
    let detail = format!(
        "rows as they stood, {}; lines up to {through} are of before, and from here on the head is sealed with the key {}",
        told.join(", "),
        tx.house.key.id()
    );
    tracing::warn!(detail, "the rows of an older version were attested as they stood");
    audit::append(tx, its_time(tx)?, &[Entry::own(Action::RowsAttested, None, "database", detail)])
}

/// The database's own time: a store is opened before anybody asks it for something at a time.
fn its_time(tx: &Session<'_>) -> Result<Timestamp, StoreError> {
    let now = tx.one(
        Sql {
            postgres: "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
            sqlite: "SELECT strftime('%Y-%m-%dT%H:%M:%fZ')",
        },
        values![],
        |row| row.parsed(0, "now"),
    )?;
    Ok(now.unwrap_or(Timestamp::UNIX_EPOCH))
}
