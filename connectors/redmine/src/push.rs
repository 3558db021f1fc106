//! Showing billing status in a custom field of the issue. It may be repeated: the same text again changes nothing.

use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Sink, Write};
use milestoned_mapping::command::{BillingStatus, Command};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{REQUEST_ID, Redmine};

impl Sink for Redmine {
    fn shows_status(&self) -> bool {
        self.settings.billing_field.is_some()
    }

    fn lane(&self, _: &Command) -> Lane {
        Lane { name: "status", most: 1 }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        // Every write may be repeated: there is nothing to look up.
        Ok(vec![None; writes.len()])
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            outcomes.push(self.show(write.command).await);
        }
        outcomes
    }
}

impl Redmine {
    async fn show(&self, command: &Command) -> Result<Receipt, Fault> {
        let (Command::BillingStatus(status), Some(field)) = (command, self.settings.billing_field) else {
            return Err(self.client.fault(Class::Refused, "this connection takes billing status only", None));
        };
        let body = json!({ "issue": { "custom_fields": [{ "id": field, "value": line(status) }] } });
        let request = self
            .client
            .request(Method::PUT, &format!("/issues/{}.json", status.record))
            .header("x-redmine-api-key", self.settings.key.expose_secret())
            .json(&body);
        let answer = self.client.write(request).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let request_id = answer.header(REQUEST_ID);
        Ok(Receipt { remote_id: status.record.clone(), remote_number: None, request_id, unposted: false })
    }
}

/// `invoiced SOW-1-M1, due 2026-12-30`, `accepted, held by MISSING_EVIDENCE`
fn line(status: &BillingStatus) -> String {
    let mut line = status.status.clone();
    if let Some(invoice) = &status.invoice {
        line = format!("{line} {invoice}");
    }
    if let Some(due) = status.due_on {
        line = format!("{line}, due {due}");
    }
    if !status.blocked_by.is_empty() {
        line = format!("{line}, held by {}", status.blocked_by.join(", "));
    }
    line
}
