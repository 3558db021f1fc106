//! Showing billing status: one record a milestone, upserted by its external id.

use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Sink, Write};
use milestoned_mapping::command::{BillingStatus, Command};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::settings::StatusObject;
use super::{Salesforce, wire};

impl Sink for Salesforce {
    fn lane(&self, _: &Command) -> Lane {
        Lane { name: "status", most: 1 }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        // An upsert may be repeated: there is nothing to look up.
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

impl Salesforce {
    /// Shows one billing status.
    async fn show(&self, command: &Command) -> Result<Receipt, Fault> {
        let (Command::BillingStatus(status), Some(target)) = (command, &self.settings.status) else {
            return Err(self.client.fault(
                Class::Refused,
                "this connection takes billing status only, and needs [status]",
                None,
            ));
        };
        let external_id = format!("{}-{}", status.contract, status.milestone);
        let path = self.data(&format!("sobjects/{}/{}/{}", target.object, target.external_id, encoded(&external_id)));
        let body = self.body(target, status)?;
        let answer = self
            .send(true, || {
                self.client.request(Method::PATCH, &path).header(CONTENT_TYPE, "application/json").body(body.clone())
            })
            .await?;
        match answer.status.as_u16() {
            // Since API version 46 an update answers 200 with a body, before that 204 without.
            200 | 201 => {
                let saved: wire::Saved =
                    serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
                Ok(Receipt { remote_id: saved.id, remote_number: None, request_id: None })
            }
            204 => Ok(Receipt { remote_id: external_id, remote_number: None, request_id: None }),
            300 => {
                let said = format!(
                    "several {} records have {} = {external_id}: delete all but one",
                    target.object, target.external_id
                );
                Err(self.client.fault(Class::Refused, said, None))
            }
            _ => Err(self.refused(&answer)),
        }
    }
}

impl Salesforce {
    fn body(&self, target: &StatusObject, status: &BillingStatus) -> Result<String, Fault> {
        let date = |date: Option<jiff::civil::Date>| date.map_or(Value::Null, |date| Value::String(date.to_string()));
        let mut body: Map<String, Value> = Map::new();
        let mut amount = None;
        for (name, field) in &target.fields {
            let value = match name.as_str() {
                "name" => Value::String(format!("{} {}", status.milestone, status.name)),
                "contract" => Value::String(status.contract.clone()),
                "milestone" => Value::String(status.milestone.clone()),
                "deal" => Value::String(status.record.clone()),
                "status" => Value::String(status.status.clone()),
                "accepted_on" => date(status.accepted_on),
                "invoice" => status.invoice.clone().map_or(Value::Null, Value::String),
                "invoiced_on" => date(status.invoiced_on),
                "due_on" => date(status.due_on),
                "blocked_by" => Value::String(status.blocked_by.join("; ")),
                "link" => Value::String(status.link.clone()),
                "amount" => {
                    amount = Some(field);
                    continue;
                }
                _ => return Err(self.client.fault(Class::Refused, format!("status.fields.{name} is not known"), None)),
            };
            body.insert(field.clone(), value);
        }
        let text = Value::Object(body).to_string();
        // The amount's digits are written as they are: it is never a float.
        Ok(match amount {
            None => text,
            Some(field) => {
                let number = RawValue::from_string(status.amount.to_string())
                    .map(|raw| raw.get().to_owned())
                    .unwrap_or_default();
                let comma = if text.len() > 2 { "," } else { "" };
                format!("{}{comma}{}:{number}}}", text.strip_suffix('}').unwrap_or(&text), Value::String(field.clone()))
            }
        })
    }
}

/// An external id in a path.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
