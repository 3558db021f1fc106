//! A contract's state out of its terms and facts alone: to check what is kept, and, after an upgrade, in place of what a
//! former version kept.
//!
//! After an upgrade what was decided stays decided. A contract of which this version would have decided otherwise is
//! halted, and says what differs; one that it cannot read at all is set aside. The others go on.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::Fact;

use crate::agreements::{self, Agreement};
use crate::engine;
use crate::environment::Environment;
use crate::store::contracts::ContractRow;
use crate::store::rebuild::Rebuilt;
use crate::store::views::DocumentView;
use crate::store::{StoreError, json, parse};

/// The smallest difference of two instants that the store tells apart.
const STEP: SignedDuration = SignedDuration::from_micros(1);

/// Rebuilds what is to be rebuilt; nothing, but after an upgrade. Interrupted, it goes on where it was.
///
/// # Errors
/// The store failed.
pub async fn upgrade(env: &Environment) -> Result<(), StoreError> {
    let mut count = 0_usize;
    loop {
        let rows = env.store.contracts_to_rebuild().await?;
        if rows.is_empty() {
            if count > 0 {
                tracing::info!(contracts = count, "states of a former version were rebuilt from terms and facts");
            }
            return Ok(());
        }
        for row in &rows {
            one(env, row).await?;
            count = count.saturating_add(1);
        }
    }
}

async fn one(env: &Environment, row: &ContractRow) -> Result<(), StoreError> {
    let now = env.clock.now();
    let contract = match of_former_version(env, row).await {
        Ok(contract) => contract,
        Err(Failure::Store(error)) if !error.is_of_one_row() => return Err(error),
        Err(failure) => {
            let problem = failure.to_string();
            tracing::error!(
                contract = row.id,
                problem,
                "a contract of a former version cannot be read, and is set aside"
            );
            return env.store.keep_set_aside(row.id.clone(), problem, now).await;
        }
    };
    let halted = differences(env, row, &contract).await?;
    if let Some(reason) = &halted {
        tracing::warn!(contract = row.id, reason, "a contract is halted");
    }
    let rebuilt = Rebuilt {
        contract: row.id.clone(),
        revision_before: row.revision,
        state: json(&contract)?,
        as_of: contract.as_of(),
        exceptions: engine::exceptions(&contract),
        approvals: contract.waiting_for_approval(),
        halted,
    };
    match env.store.keep_rebuilt(rebuilt, now).await {
        // Another daemon has rebuilt the contract meanwhile.
        Ok(_) | Err(StoreError::Overtaken) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Why a contract cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A row cannot be read, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The terms are no terms any more, or their calendar is not configured.
    #[error("{0}")]
    Terms(String),
    /// A fact cannot be understood.
    #[error("fact {place} cannot be understood: {why}")]
    Fact {
        /// Its place in the history, from 0.
        place: usize,
        /// Why.
        why: String,
    },
}

/// A contract's state out of its terms and facts alone, as far as the state that is kept has come.
///
/// # Errors
/// [`Failure`]
pub async fn contract(env: &Environment, row: &ContractRow) -> Result<Contract, Failure> {
    let kept: Contract = parse("contract", "state", &row.id, &row.state)?;
    let reached = kept.has_begun().then(|| kept.as_of());
    replayed(env, row, |_| kept.filed_until(), reached).await
}

/// The same of a state that a former version kept, which began the first day before it took what was known on it.
async fn of_former_version(env: &Environment, row: &ContractRow) -> Result<Contract, Failure> {
    let state: serde_json::Value = parse("contract", "state", &row.id, &row.state)?;
    let reached = state.get("as_of").and_then(serde_json::Value::as_str).and_then(|text| text.parse().ok());
    let before = |first: Timestamp| first.checked_sub(STEP).ok();
    replayed(env, row, |first| first.and_then(before), reached.filter(|_| row.history > 0)).await
}

/// A contract as it was filed, and the facts that were decided about since, in order.
///
/// # Errors
/// [`Failure`]
pub async fn filed(env: &Environment, row: &ContractRow) -> Result<(Contract, Vec<Fact>), Failure> {
    let agreement: Agreement = parse("contract", "agreement", &row.id, &row.agreement)?;
    let contract = agreements::open(&agreement, &env.calendars, row.opened_on).map_err(Failure::Terms)?;
    Ok((contract, env.store.history(row.id.clone()).await?))
}

async fn replayed(
    env: &Environment,
    row: &ContractRow,
    filed_until: impl FnOnce(Option<Timestamp>) -> Option<Timestamp>,
    reached: Option<Date>,
) -> Result<Contract, Failure> {
    let (mut contract, facts) = filed(env, row).await?;
    filed_until(facts.first().map(|fact| fact.at)).into_iter().for_each(|until| contract.file_until(until));
    for (place, fact) in facts.iter().enumerate() {
        contract.apply(fact).map_err(|problem| Failure::Fact { place, why: problem.said() })?;
    }
    reached.into_iter().for_each(|reached| contract.advance_to(reached));
    Ok(contract)
}

/// In what this version would have decided otherwise: documents, and entries that are in the ERP or on their way to it.
async fn differences(env: &Environment, row: &ContractRow, contract: &Contract) -> Result<Option<String>, StoreError> {
    let issued = env.store.documents(Some(row.id.clone())).await?;
    let mut different = Vec::new();
    let decided = contract.documents();
    for index in 0..issued.len().max(decided.len()) {
        let was = issued.get(index).map(told);
        let is =
            decided.get(index).map(|document| format!("{} of {} {}", document.number, document.date, document.amount));
        if was != is {
            let [was, is] = [was, is].map(|text| text.unwrap_or_else(|| "nothing".into()));
            different.push(format!("{was} was issued, and this version would have issued {is}"));
        }
    }
    let entries = env.store.journal_entries(row.id.clone()).await?;
    for untold in contract.untold_entries(entries.iter().map(|entry| (entry.date, entry.lines.as_slice()))) {
        let of_date = entries.iter().filter(|entry| entry.date == untold.date).map(|entry| entry.number.as_str());
        let numbers: Vec<&str> = of_date.collect();
        if !numbers.is_empty() {
            different.push(format!("{} of {} was posted with other amounts", numbers.join(", "), untold.date));
        }
    }
    Ok((!different.is_empty()).then(|| {
        format!(
            "decided otherwise by a former version: {}; compare it with the agreement, correct what is wrong by a change \
             order or in the ERP, and resume it",
            different.join("; ")
        )
    }))
}

fn told(document: &DocumentView) -> String {
    format!("{} of {} {}", document.number, document.date, document.amount)
}
