//! Whether a connection can do its work; every problem at once.

use std::collections::BTreeSet;

use milestoned_connector_kit::Probe;
use milestoned_mapping::problem::Problem;

use super::{Redmine, wire};

impl Probe for Redmine {
    async fn probe(&self) -> Vec<Problem> {
        let me: Result<wire::UserAnswer, _> = self.get("/users/current.json", &[]).await;
        if let Err(fault) = me {
            let remedy = "see that base_url and key are right, and that the REST API is enabled in the administration";
            return vec![Problem::new("key", fault.to_string(), remedy)];
        }
        let mut problems = Vec::new();
        for name in &self.settings.projects {
            let found: Result<wire::ProjectAnswer, _> = self.get(&format!("/projects/{name}.json"), &[]).await;
            let place = format!("projects: {name}");
            problems.extend(found.err().map(|fault| {
                Problem::new(place, fault.to_string(), "correct the identifier, or make the account a member")
            }));
        }
        // Only administrators may ask for the custom fields; every issue of ours shows those that it has.
        let sample: Result<wire::Sample, _> = match self.those_after(0).await {
            Ok(query) => self.get("/issues.json", &query).await,
            Err(_) => return problems,
        };
        match sample {
            Err(fault) => problems.push(Problem::new("projects", fault.to_string(), "let the account view issues")),
            Ok(sample) if sample.issues.is_empty() => {}
            Ok(sample) => {
                let shown = sample.issues.iter().flat_map(|issue| &issue.custom_fields);
                let shown: BTreeSet<String> = shown.map(|field| field.id.to_string()).collect();
                let billing = self.settings.billing_field.map(|id| id.to_string());
                let ids = self.fields.iter().filter(|field| field.bytes().all(|byte| byte.is_ascii_digit()));
                for id in ids.cloned().chain(billing).filter(|id| !shown.contains(id)) {
                    let said = "no issue shows such a custom field".to_owned();
                    let remedy = "correct the id, or give the field to the tracker and show it to the account's role";
                    problems.push(Problem::new(format!("custom field {id}"), said, remedy));
                }
            }
        }
        problems
    }
}
