//! `reconcile`: the four legs of every contract compared in one pass, and held against the exceptions that are open.

use std::collections::BTreeSet;
use std::process::ExitCode;

use milestoned_mapping::counted::counted;
use milestoned_mapping::sweep::Packer;
use serde_json::{Value, json};

use super::FOUND;
use super::table::{say, state, titled};
use crate::environment::Environment;
use crate::review::portfolio;

/// `milestoned reconcile`: exit 1 where something is not as agreed.
pub(super) async fn reconcile(env: &Environment, json: bool) -> anyhow::Result<ExitCode> {
    let (mut packer, mut contracts) = (Packer::default(), Vec::new());
    for row in env.store.contracts().await? {
        let contract = portfolio::state(&row)?;
        packer.add(&contract);
        contracts.push(contract);
    }
    let findings = packer.portfolio.sweep(0..packer.portfolio.len());
    let texts = packer.symbols.texts();
    let mut rows = Vec::new();
    for finding in findings {
        let Some(contract) = usize::try_from(finding.contract).ok().and_then(|index| contracts.get(index)) else {
            continue;
        };
        let milestone = texts.get(&finding.milestone).map(|id| (*id).to_owned());
        let open: BTreeSet<_> = contract
            .exceptions()
            .iter()
            .filter(|exception| {
                exception.closed_on.is_none() && exception.leg == Some(finding.leg) && exception.milestone == milestone
            })
            .map(|exception| exception.code)
            .collect();
        for code in finding.codes.iter() {
            // One that is not open was closed by a reviewer while its condition lasts.
            let standing = if open.contains(&code) { "open" } else { "overruled" };
            rows.push((contract.terms().id().to_owned(), milestone.clone(), finding.leg, code, standing));
        }
    }
    if json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(contract, milestone, leg, code, standing)| {
                json!({ "contract": contract, "milestone": milestone, "leg": leg, "code": code.name(), "exception": standing })
            })
            .collect();
        say(&serde_json::to_string_pretty(&json!({ "contracts": contracts.len(), "findings": rows }))?);
    } else if rows.is_empty() {
        say(&format!("{}: every leg says what is agreed", counted(contracts.len(), "contract")));
    } else {
        let mut table = titled(&["Contract", "Milestone", "Leg", "Code", "Exception"]);
        for (contract, milestone, leg, code, standing) in &rows {
            let milestone = milestone.as_deref().unwrap_or("");
            table.add_row(vec![
                contract.as_str().into(),
                milestone.into(),
                leg.to_string().into(),
                code.name().into(),
                state(standing),
            ]);
        }
        say(&format!(
            "{table}\n{}, {} from what is agreed",
            counted(contracts.len(), "contract"),
            counted(rows.len(), "difference")
        ));
    }
    Ok(if rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
