//! Showing billing status on the issue: an issue property (replaced whole), a remote link (upserted by its global id),
//! and where it is wanted a move through the workflow. Each may be repeated.

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Sink, Write, read};
use milestoned_mapping::command::{BillingStatus, Command};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Jira, REQUEST_ID, wire};

/// Writes that one issue takes, a little less than published (20 in 2 seconds, 100 in 30).
const WINDOWS: [(usize, SignedDuration); 2] = [(19, SignedDuration::from_secs(2)), (96, SignedDuration::from_secs(30))];
/// Most writes of one status: property, link, transition.
const WRITES: usize = 3;

impl Sink for Jira {
    fn shows_status(&self) -> bool {
        self.settings.property.is_some() || self.settings.remote_link || !self.settings.transitions.is_empty()
    }

    fn lane(&self, _: &Command) -> Lane {
        Lane { name: "status", most: 1 }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        // Every write may be repeated: there is nothing to look up.
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
        self.space(&status.record)?;
        let mut receipt =
            Receipt { remote_id: status.record.clone(), remote_number: None, request_id: None, unposted: false };
        if let Some(property) = &self.settings.property {
            let path = format!("issue/{}/properties/{property}", status.record);
            let answer = self.tell(Method::PUT, &path, &property_value(status)).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&answer));
            }
            receipt.request_id = answer.header(REQUEST_ID);
        }
        if self.settings.remote_link {
            let path = format!("issue/{}/remotelink", status.record);
            let answer = self.tell(Method::POST, &path, &link(status)).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&answer));
            }
            let saved: wire::LinkSaved =
                read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
            receipt.remote_number = Some(saved.id.to_string());
            receipt.request_id = receipt.request_id.or_else(|| answer.header(REQUEST_ID));
        }
        if let Some(wanted) = self.settings.transitions.get(&status.status) {
            self.transit(&status.record, wanted).await?;
        }
        Ok(receipt)
    }

    /// Moves an issue into a status, unless it is there.
    async fn transit(&self, issue: &str, wanted: &str) -> Result<(), Fault> {
        let answer = self.ask(Method::GET, &format!("issue/{issue}?fields=status"), None).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let standing: wire::Standing = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let here = standing.fields.status.name;
        if here == wanted {
            return Ok(());
        }
        let path = format!("issue/{issue}/transitions");
        let answer = self.ask(Method::GET, &format!("{path}?expand=transitions.fields"), None).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let ways: wire::Transitions = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let Some(way) = ways.transitions.iter().find(|way| way.to.name == wanted) else {
            let said =
                format!("no transition leads from {here:?} to {wanted:?}: add one, or take it out of transitions");
            return Err(self.client.fault(Class::Refused, said, answer.header(REQUEST_ID)));
        };
        let fields = self.settings.transition_fields.get(wanted);
        let lacks = way.lacks(fields);
        if !lacks.is_empty() {
            let said = format!(
                "the transition to {wanted:?} demands {}: set them under transition_fields.{wanted:?}, or take it out of transitions",
                lacks.join(", ")
            );
            return Err(self.client.fault(Class::Refused, said, answer.header(REQUEST_ID)));
        }
        let mut body = json!({ "transition": { "id": way.id } });
        if let (Some(fields), Some(body)) = (fields, body.as_object_mut()) {
            body.insert("fields".into(), Value::Object(fields.clone()));
        }
        let answer = self.tell(Method::POST, &path, &body).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// One issue takes so many writes: the rest waits, before anything is written.
    fn space(&self, issue: &str) -> Result<(), Fault> {
        let now = self.client.now();
        let Ok(mut written) = self.written.lock() else { return Ok(()) };
        let longest = WINDOWS.iter().map(|(_, window)| *window).max().unwrap_or_default();
        let since = |window: SignedDuration| now.checked_sub(window).unwrap_or(Timestamp::MIN);
        written.retain(|_, times| {
            times.retain(|at| *at > since(longest));
            !times.is_empty()
        });
        let times = written.entry(issue.to_owned()).or_default();
        for (most, window) in WINDOWS {
            let lately = times.iter().filter(|at| **at > since(window)).count();
            if lately.saturating_add(WRITES) > most {
                let until = now.checked_add(window).ok();
                let said = "so many writes to one issue are refused by Jira";
                return Err(self.client.fault(Class::Throttled { until }, said, None));
            }
        }
        times.extend([now; WRITES]);
        Ok(())
    }
}

fn property_value(status: &BillingStatus) -> Value {
    json!({
        "contract": status.contract, "milestone": status.milestone, "status": status.status,
        "amount": status.amount.to_string(), "currency": status.amount.currency().to_string(),
        "accepted_on": status.accepted_on, "invoice": status.invoice, "invoiced_on": status.invoiced_on,
        "due_on": status.due_on, "blocked_by": status.blocked_by, "link": status.link,
    })
}

fn link(status: &BillingStatus) -> Value {
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
