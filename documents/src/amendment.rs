//! An amendment beside the contract as it stands: what it adds, changes, and leaves out.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::proposal::{Field, Finding, Gravity, Milestone, Proposal};

/// The contract as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its id.
    pub contract: String,
    /// Its price.
    pub total: Decimal,
    /// Its milestones.
    pub milestones: Vec<EarlierMilestone>,
}

/// A milestone as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierMilestone {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its amount.
    pub amount: Decimal,
}

/// What the amendment's schedule does to one milestone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It comes in; its number in the proposal's milestones.
    Added(usize),
    /// Its amount changes.
    Changed {
        /// Id in the contract.
        id: String,
        /// Amount before.
        before: String,
        /// Amount, with its quote.
        after: Field,
    },
    /// The amendment's schedule does not name it.
    NotNamed(String),
    /// It stays as it is.
    Same(String),
}

/// Compares a proposal with the contract that it amends, and notes what differs in it.
pub fn compare(proposal: &mut Proposal, earlier: &Earlier) {
    let mut changes = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for (index, row) in proposal.milestones.iter().enumerate() {
        let Some(known) = earlier.milestones.iter().find(|known| same(known, row)) else {
            changes.push(Change::Added(index));
            continue;
        };
        named.push(&known.id);
        match row.amount.number() {
            Some(amount) if amount != known.amount => changes.push(Change::Changed {
                id: known.id.clone(),
                before: known.amount.to_string(),
                after: row.amount.clone(),
            }),
            _ => changes.push(Change::Same(known.id.clone())),
        }
    }
    let gone = earlier.milestones.iter().filter(|known| !named.contains(&known.id.as_str()));
    changes.extend(gone.map(|known| Change::NotNamed(known.id.clone())));
    let mut findings = findings(&changes, proposal, earlier);
    proposal.findings.append(&mut findings);
    proposal.findings.sort_by_key(|finding| finding.gravity);
    proposal.changes = changes;
    proposal.amended_contract = Some(earlier.contract.clone());
}

/// The same number, or the same name.
fn same(known: &EarlierMilestone, row: &Milestone) -> bool {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let id = row.id.value.as_deref().map(plain);
    let name = row.name.value.as_deref().map(plain);
    id == Some(plain(&known.id)) || name == Some(plain(&known.name))
}

fn findings(changes: &[Change], proposal: &Proposal, earlier: &Earlier) -> Vec<Finding> {
    let mut all: Vec<Finding> = changes
        .iter()
        .filter_map(|change| {
            let (code, gravity, message, quotes) = match change {
                Change::Added(index) => {
                    let row = proposal.milestones.get(*index)?;
                    let name = row.name.value.as_deref().unwrap_or("without a name");
                    ("milestone_added", Gravity::Note, format!("{name} is not in contract {} yet", earlier.contract), row.name.quotes.clone())
                }
                Change::Changed { id, before, after } => {
                    let message = format!("milestone {id} is {before} now and {} in the amendment", after.value.as_deref()?);
                    ("milestone_changed", Gravity::Warning, message, after.quotes.clone())
                }
                Change::NotNamed(id) => {
                    let message = format!("milestone {id} of contract {} is not in the amendment's schedule; a person decides whether it goes", earlier.contract);
                    ("milestone_not_named", Gravity::Warning, message, Vec::new())
                }
                Change::Same(_) => return None,
            };
            Some(Finding { code: code.into(), gravity, message, quotes })
        })
        .collect();
    if let Some(total) = proposal.total.number().filter(|total| *total != earlier.total) {
        all.push(Finding {
            code: "price_changed".into(),
            gravity: Gravity::Warning,
            message: format!("the price is {} now and {total} in the amendment", earlier.total),
            quotes: proposal.total.quotes.clone(),
        });
    }
    all
}
