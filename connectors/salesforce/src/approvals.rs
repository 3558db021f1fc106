//! Approval processes: who approved or rejected a milestone, and when. Steps are written by Salesforce alone, whether or not it
//! keeps a history of the field that an approval sets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::Fault;
use milestoned_mapping::problem::Problem;

use super::query::listed;
use super::{Salesforce, wire};

/// Records whose steps are asked for at once.
const TOGETHER: usize = 200;
/// What is asked of steps. The last one of a process that has come to its end is what decided it.
const STEPS: &str = "SELECT Id, StepStatus, CreatedDate, CreatedBy.Email, ProcessInstance.TargetObjectId \
     FROM ProcessInstanceStep WHERE StepStatus IN ('Approved','Rejected') \
     AND ProcessInstance.Status IN ('Approved','Rejected')";

/// The end of an approval process.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    /// Id of the last step.
    pub(crate) id: String,
    /// When.
    pub(crate) at: Timestamp,
    /// By whom; empty: nobody with an address.
    pub(crate) by: String,
    /// Approved, or rejected.
    pub(crate) approved: bool,
}

/// The newest decision about each record.
pub(crate) type Decisions = BTreeMap<String, Decided>;

impl Salesforce {
    /// What approval processes decided about records, where the operator has said that they are what counts.
    pub(crate) async fn decisions(&self, ids: &[&str]) -> Result<Decisions, Fault> {
        let mut decisions = Decisions::new();
        if !self.settings.approvals || self.reads.status.is_none() {
            return Ok(decisions);
        }
        for some in ids.chunks(TOGETHER) {
            let list = listed(some.iter().copied());
            if list.is_empty() {
                continue;
            }
            let query = format!("{STEPS} AND ProcessInstance.TargetObjectId IN ({list}) ORDER BY CreatedDate, Id");
            for row in self.all::<wire::StepRow>(&query).await? {
                let at = row.at.parse().map_err(|error| self.garbled(&format!("CreatedDate: {error}")))?;
                let by = row.by.and_then(|user| user.email).unwrap_or_default();
                let decided = Decided { id: row.id, at, by, approved: row.status == "Approved" };
                decisions.insert(row.process.target, decided);
            }
        }
        Ok(decisions)
    }

    /// Whether approval steps can be read.
    pub(crate) async fn approvals_problem(&self) -> Option<Problem> {
        if !self.settings.approvals {
            return None;
        }
        let fault = self.all_rows(&format!("{STEPS} LIMIT 1")).await.err()?;
        let remedy = "give the user the right to see approval histories, or take approvals out";
        Some(Problem::new("approvals", fault.to_string(), remedy))
    }
}
