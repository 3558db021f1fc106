//! What records contribute to the legs of their contracts: one part a record; and which documents the ERP shows, posted or not.

use jiff::Timestamp;
use milestoned_mapping::fact::Leg;
use milestoned_mapping::record::SourceRecord;

use super::attest::Session;
use super::attested::{LEG_PART, OUTBOX, UNPOSTED};
use super::session::{cells, values};
use super::{StoreError, instant};

/// What a record contributes to a leg of its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegContribution {
    /// Contract.
    pub contract: String,
    /// Leg.
    pub leg: Leg,
    /// Milestone, where the record is about one.
    pub milestone: Option<String>,
    /// The canonical part as JSON.
    pub part: String,
    /// Number of the document or entry, where the ERP shows it and has not posted it.
    pub unposted: Option<String>,
}

/// What a new version of a record changes in legs.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// Contracts whose leg changed.
    pub(super) contracts: Vec<String>,
    /// The contract of a milestone that the record stood for and stands for no longer.
    pub(super) freed: Option<String>,
}

/// Replaces what a record contributes to its leg.
pub(super) fn replace_part(
    tx: &Session<'_>,
    record: &SourceRecord,
    part: Option<&LegContribution>,
) -> Result<Replaced, StoreError> {
    let former = tx.hold(&LEG_PART, values![record.system, record.object, record.id], |row, examined| {
        Ok((row.get::<String>(4)?, row.get::<String>(7)?, row.get::<Option<String>>(6)?, examined))
    })?;
    let (mut changed, mut freed) = (Vec::new(), None);
    let mut before = None;
    if let Some((contract, text, milestone, examined)) = former {
        // A part that is not attested does not count as known: it is written again from the record.
        if examined.genuine && part.is_some_and(|part| part.contract == contract && part.part == text) {
            return Ok(Replaced::default());
        }
        if part.is_none_or(|part| part.contract != contract) {
            changed.push(contract.clone());
        }
        let moved = part.is_none_or(|part| part.contract != contract || part.milestone != milestone);
        freed = milestone.filter(|_| moved).map(|_| contract);
        before = Some(examined.attested);
    }
    if let Some(before) = &before {
        tx.deleted(&LEG_PART, before);
    }
    match part {
        Some(part) => {
            let leg = part.leg.to_string();
            let told =
                cells![&record.system, &record.object, &record.id, &part.contract, &leg, &part.milestone, &part.part];
            let code = tx.code(&LEG_PART, &told, &[])?;
            tx.run(
                "INSERT INTO leg_part (system, object, remote_id, contract, leg, milestone, part, mac)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (system, object, remote_id) DO UPDATE
                     SET contract = $4, leg = $5, milestone = $6, part = $7, mac = $8",
                values![record.system, record.object, record.id, part.contract, leg, part.milestone, part.part, code],
            )?;
            tx.inserted(&LEG_PART, 0, &code);
            changed.push(part.contract.clone());
        }
        None => {
            tx.run(
                "DELETE FROM leg_part WHERE system = $1 AND object = $2 AND remote_id = $3",
                values![record.system, record.object, record.id],
            )?;
        }
    }
    note_unposted(tx, record, part)?;
    Ok(Replaced { contracts: changed, freed })
}

/// Notes that the ERP shows a document without having posted it, or that this is so no longer.
fn note_unposted(tx: &Session<'_>, record: &SourceRecord, part: Option<&LegContribution>) -> Result<(), StoreError> {
    if part.is_some_and(|part| part.leg != Leg::Erp) {
        return Ok(());
    }
    let key = values![record.system, record.object, record.id];
    let Some((contract, number)) = part.and_then(|part| Some((&part.contract, part.unposted.as_ref()?))) else {
        let sql = "DELETE FROM unposted WHERE system = $1 AND object = $2 AND remote_id = $3 RETURNING mac";
        return tx.delete(&UNPOSTED, sql, key).map(drop);
    };
    tx.overwrite(&UNPOSTED, key, || {
        tx.run(
            "INSERT INTO unposted (system, object, remote_id, contract, number) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (system, object, remote_id) DO UPDATE SET contract = $4, number = $5",
            values![record.system, record.object, record.id, contract, number],
        )
    })
    .map(drop)
}

/// A poll saw the document with this number in the remote: its delivery is confirmed, also one whose own answer was lost and is
/// looked up later.
pub(super) fn confirm(tx: &Session<'_>, target: &str, number: &str, now: Timestamp) -> Result<(), StoreError> {
    let keys = tx.all(
        "SELECT key FROM outbox WHERE target = $1 AND subject = $2 AND confirmed_at IS NULL
         AND kind IN ('invoice', 'credit_memo', 'journal_entry') ORDER BY ordinal",
        values![target, number],
        |row| row.get::<String>(0),
    )?;
    for key in keys {
        let sql = "UPDATE outbox SET confirmed_at = $2 WHERE key = $1";
        match tx.change(&OUTBOX, values![key], || tx.run(sql, values![key, instant(now)])) {
            // One that is not attested stays as it is, for the claim to park.
            Ok(_) | Err(StoreError::Unattested { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
