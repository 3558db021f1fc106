//! A contract as it was on a date, and how it came to where it stands: both by replay of its facts.

use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::contract::{Contract, Report, Step, explain_facts};
use milestoned_mapping::fact::Fact;

use crate::environment::Environment;
use crate::replay::{self, Failure};
use crate::store::contracts::ContractRow;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The contract is not known.
    #[error("contract {0:?} is not known")]
    Unknown(String),
    /// The question makes no sense.
    #[error("{0}")]
    Question(String),
    /// The facts cannot be replayed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A contract as it was at the end of a date: with what is known of that date now, or with what was known at an instant.
///
/// # Errors
/// [`Unanswered`]
pub async fn as_of(env: &Environment, id: &str, date: Date, known_by: Option<Timestamp>) -> Result<Report, Unanswered> {
    let (row, filed, facts) = history(env, id).await?;
    let known = known_by.unwrap_or_else(|| env.clock.now());
    let day = filed.terms().local_date(known).min(reached(&row)?);
    if day < row.opened_on {
        return Err(Unanswered::Question(format!("known_by: the contract was filed on {}", row.opened_on)));
    }
    if date > day {
        return Err(Unanswered::Question(format!("as_of: {date} had not come; the contract has reached {day}")));
    }
    let facts: Vec<Fact> = facts.into_iter().filter(|fact| fact.at <= known).collect();
    let contract = played(&filed, &facts, day)?;
    Ok(contract.report_at(date, &filed.having_happened_by(date, &facts)))
}

/// How each date and amount of a contract came about.
///
/// # Errors
/// [`Unanswered`]
pub async fn explained(env: &Environment, id: &str) -> Result<Vec<Step>, Unanswered> {
    let (row, filed, facts) = history(env, id).await?;
    Ok(explain_facts(filed, &facts, reached(&row)?))
}

/// A contract as filed, and its facts.
async fn history(env: &Environment, id: &str) -> Result<(ContractRow, Contract, Vec<Fact>), Unanswered> {
    let row = env.store.contract(id.to_owned()).await.map_err(Failure::Store)?;
    let row = row.ok_or_else(|| Unanswered::Unknown(id.to_owned()))?;
    let (mut filed, facts) = replay::filed(env, &row).await?;
    let kept = super::portfolio::state(&row).map_err(Failure::Store)?;
    kept.filed_until().into_iter().for_each(|until| filed.file_until(until));
    Ok((row, filed, facts))
}

/// The day that a contract has reached.
fn reached(row: &ContractRow) -> Result<Date, Failure> {
    Ok(super::portfolio::state(row)?.as_of())
}

fn played(filed: &Contract, facts: &[Fact], day: Date) -> Result<Contract, Failure> {
    let mut contract = filed.clone();
    for (place, fact) in facts.iter().enumerate() {
        contract.apply(fact).map_err(|error| Failure::Fact { place, why: error.said() })?;
    }
    contract.advance_to(day);
    Ok(contract)
}
