//! What records contribute to the legs of their contracts: one part a record.

use milestoned_mapping::record::SourceRecord;

use super::StoreError;
use super::attest::Session;
use super::attested::LEG_PART;
use super::intake::LegContribution;
use super::session::{cells, values};

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
    let former = tx.one(LEG_PART.one, values![record.system, record.object, record.id], |row| {
        let examined = tx.examine(&LEG_PART, row, 0)?;
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
    Ok(Replaced { contracts: changed, freed })
}
