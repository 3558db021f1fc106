//! Showing billing status on the issue: an issue property (replaced whole) and a remote link (upserted by global id).

use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Sink, Write};
use milestoned_mapping::command::{BillingStatus, Command};
use reqwest::Method;
use serde_json::json;

use super::{Jira, wire};

impl Sink for Jira {
    fn lane(&self, _: &Command) -> Lane {
        Lane { name: "status", most: 1 }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        // Both writes may be repeated: there is nothing to look up.
        Ok(vec![None; writes.len()])
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let mut outcomes = Vec::new();
        for write in writes {
            outcomes.push(self.show(write.command).await);
        }
        outcomes
    }
}

impl Jira {
    /// Shows one billing status.
    async fn show(&self, command: &Command) -> Result<Receipt, Fault> {
        let Command::BillingStatus(status) = command else {
            return Err(self.client.fault(Class::Refused, "this connection takes billing status only", None));
        };
        let mut receipt = Receipt { remote_id: status.record.clone(), remote_number: None, request_id: None };
        if let Some(property) = &self.settings.property {
            let path = format!("issue/{}/properties/{property}", status.record);
            let answer = self.client.write(self.request(Method::PUT, &path).json(&property_value(status))).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&answer));
            }
            receipt.request_id = answer.header("atl-traceid");
        }
        if self.settings.remote_link {
            let path = format!("issue/{}/remotelink", status.record);
            let answer = self.client.write(self.request(Method::POST, &path).json(&link(status))).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&answer));
            }
            let saved: wire::LinkSaved =
                serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
            receipt.remote_number = Some(saved.id.to_string());
        }
        Ok(receipt)
    }
}

fn property_value(status: &BillingStatus) -> serde_json::Value {
    json!({
        "contract": status.contract, "milestone": status.milestone, "status": status.status,
        "amount": status.amount.to_string(), "currency": status.amount.currency().to_string(),
        "accepted_on": status.accepted_on, "invoice": status.invoice, "invoiced_on": status.invoiced_on,
        "due_on": status.due_on, "blocked_by": status.blocked_by, "link": status.link,
    })
}

fn link(status: &BillingStatus) -> serde_json::Value {
    let title = match &status.invoice {
        Some(invoice) => format!("Invoice {invoice}: {}", status.status),
        None => format!("{} {}: {}", status.contract, status.milestone, status.status),
    };
    let held =
        if status.blocked_by.is_empty() { String::new() } else { format!("Held by {}", status.blocked_by.join(", ")) };
    json!({
        "globalId": format!("milestoned={}&milestone={}", status.contract, status.milestone),
        "application": { "type": "milestoned", "name": "milestoned" },
        "relationship": "billed by",
        "object": { "url": status.link, "title": title, "summary": held, "status": { "resolved": status.status == "paid" } },
    })
}
