//! Showing billing status: one record a milestone, upserted by its external id, or the milestone's own record updated.
//! One is written alone; many travel as five collections of two hundred in one composite request.

use std::collections::BTreeMap;

use milestoned_connector_kit::http::{Answer, Kind};
use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Sink, Write, read};
use milestoned_mapping::command::{BillingStatus, Command};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::settings::StatusObject;
use super::{REQUEST_ID, Salesforce, wire};

/// Records of a collection.
const COLLECTION: usize = 200;
/// Collections of a composite request.
const COLLECTIONS: usize = 5;

/// A record to be written.
#[derive(Debug, Clone)]
struct Item {
    /// External id, or the record's own.
    key: String,
    /// Its fields as the text of an object, the key apart.
    fields: String,
}

type Outcome = Result<Receipt, Fault>;

impl Sink for Salesforce {
    fn shows_status(&self) -> bool {
        self.settings.status.is_some()
    }

    fn lane(&self, _: &Command) -> Lane {
        Lane { name: "status", most: COLLECTION.saturating_mul(COLLECTIONS) }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        // Both writes may be repeated: there is nothing to look up.
        Ok(vec![None; writes.len()])
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Outcome> {
        let items: Vec<Result<Item, Outcome>> = writes.iter().map(|write| self.item(write.command)).collect();
        // Of two states of one record the newer one is written; it stands for both.
        let newest: BTreeMap<&str, &Item> =
            items.iter().filter_map(|item| item.as_ref().ok()).map(|item| (item.key.as_str(), item)).collect();
        let newest: Vec<&Item> = newest.into_values().collect();
        let outcomes = match (newest.as_slice(), &self.settings.status) {
            ([], _) | (_, None) => BTreeMap::new(),
            ([item], Some(target)) => [(item.key.as_str(), self.alone(target, item).await)].into(),
            (many, Some(target)) => self.together(target, many).await,
        };
        let told = |item: &Item| {
            outcomes.get(item.key.as_str()).cloned().unwrap_or_else(|| {
                Err(self.client.fault(Class::Unanswered, "the answer says nothing of this record", None))
            })
        };
        items.iter().map(|item| item.as_ref().map_or_else(Clone::clone, told)).collect()
    }
}

impl Salesforce {
    /// What is to be written; or, where nothing is, the outcome.
    fn item(&self, command: &Command) -> Result<Item, Outcome> {
        let (Command::BillingStatus(status), Some(target)) = (command, &self.settings.status) else {
            let said = "this connection takes billing status only, and needs [status]";
            return Err(Err(self.client.fault(Class::Refused, said, None)));
        };
        let fields = self.fields(target, status).map_err(Err)?;
        if target.external_id.is_some() {
            return Ok(Item { key: format!("{}-{}", status.contract, status.milestone), fields });
        }
        // The record's owner has a billing chain too: it is left alone until there is something to say.
        if status.invoice.is_none() {
            return Err(Ok(receipt(status.record.clone(), None)));
        }
        Ok(Item { key: status.record.clone(), fields })
    }

    async fn alone(&self, target: &StatusObject, item: &Item) -> Outcome {
        let path = match &target.external_id {
            Some(external_id) => format!("sobjects/{}/{external_id}/{}", target.object, encoded(&item.key)),
            None => format!("sobjects/{}/{}", target.object, encoded(&item.key)),
        };
        let answer = self.patch(&self.data(&path), &item.fields).await?;
        let request_id = answer.header(REQUEST_ID);
        match answer.status.as_u16() {
            // Since API version 46 an update answers 200 with a body, before that 204 without.
            200 | 201 => {
                let saved: wire::Saved =
                    read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
                self.outcome(item, saved, request_id)
            }
            204 => Ok(receipt(item.key.clone(), request_id)),
            300 => {
                let said = format!(
                    "several {} records have {} = {}: delete all but one",
                    target.object,
                    target.external_id.as_deref().unwrap_or("Id"),
                    item.key
                );
                Err(self.client.fault(Class::Refused, said, request_id))
            }
            _ => Err(self.refused(&answer)),
        }
    }

    async fn together<'a>(&self, target: &StatusObject, items: &[&'a Item]) -> BTreeMap<&'a str, Outcome> {
        let collections: Vec<&[&Item]> = items.chunks(COLLECTION).collect();
        let path = match &target.external_id {
            Some(external_id) => format!("composite/sobjects/{}/{external_id}", target.object),
            None => "composite/sobjects".into(),
        };
        let path = self.data(&path);
        let bodies: Vec<String> = collections.iter().map(|items| collection(target, items)).collect();
        let answers = match bodies.as_slice() {
            [body] => self.patch(&path, body).await.map(|answer| vec![answer]),
            _ => self.composite(&path, &bodies).await,
        };
        let answers = match answers {
            Ok(answers) => answers,
            Err(fault) => return items.iter().map(|item| (item.key.as_str(), Err(fault.clone()))).collect(),
        };
        let mut outcomes = BTreeMap::new();
        for (items, answer) in collections.iter().zip(&answers) {
            outcomes.extend(self.of_collection(items, answer));
        }
        outcomes
    }

    async fn composite(&self, path: &str, bodies: &[String]) -> Result<Vec<Answer>, Fault> {
        let parts: Vec<String> = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| {
                format!(r#"{{"method":"PATCH","url":"{path}","referenceId":"part{index}","body":{body}}}"#)
            })
            .collect();
        let text = format!(r#"{{"allOrNone":false,"compositeRequest":[{}]}}"#, parts.join(","));
        let composite = self.data("composite");
        let send = || {
            let request = self.client.request(Method::POST, &composite);
            request.header(CONTENT_TYPE, "application/json").body(text.clone())
        };
        let answer = self.send(Kind::Write, send).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let read: wire::Composite<'_> =
            read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let inner = read.parts.into_iter().map(|part| {
            let status = reqwest::StatusCode::from_u16(part.status);
            Ok(Answer {
                status: status.map_err(|error| self.client.garbage(&answer, error))?,
                headers: answer.headers.clone(),
                body: part.body.map(|body| body.get().to_owned()).unwrap_or_default(),
            })
        });
        inner.collect()
    }

    /// One outcome for each record of a collection: they succeed and fail one by one, and the status is 200 for all.
    fn of_collection<'a>(&self, items: &[&'a Item], answer: &Answer) -> Vec<(&'a str, Outcome)> {
        let request_id = answer.header(REQUEST_ID);
        let fault = if answer.status.is_success() {
            match serde_json::from_str::<Vec<wire::Saved>>(&answer.body) {
                Ok(saved) if saved.len() == items.len() => {
                    let pairs = items.iter().zip(saved);
                    return pairs
                        .map(|(item, saved)| (item.key.as_str(), self.outcome(item, saved, request_id.clone())))
                        .collect();
                }
                Ok(saved) => {
                    self.client.garbage(answer, format!("{} outcomes for {} records", saved.len(), items.len()))
                }
                Err(error) => self.client.garbage(answer, error),
            }
        } else {
            self.refused(answer)
        };
        items.iter().map(|item| (item.key.as_str(), Err(fault.clone()))).collect()
    }

    fn outcome(&self, item: &Item, saved: wire::Saved, request_id: Option<String>) -> Outcome {
        if saved.success {
            Ok(receipt(saved.id.unwrap_or_else(|| item.key.clone()), request_id))
        } else {
            Err(self.judged(&saved.errors, request_id))
        }
    }

    async fn patch(&self, path: &str, body: &str) -> Result<Answer, Fault> {
        let send = || {
            let request = self.client.request(Method::PATCH, path);
            request.header(CONTENT_TYPE, "application/json").body(body.to_owned())
        };
        self.send(Kind::Write, send).await
    }

    fn fields(&self, target: &StatusObject, status: &BillingStatus) -> Result<String, Fault> {
        let date = |date: Option<jiff::civil::Date>| date.map_or(Value::Null, |date| Value::String(date.to_string()));
        let constant = |(field, value): (&String, &String)| (field.clone(), Value::String(value.clone()));
        let mut fields: Map<String, Value> = target.constants.iter().map(constant).collect();
        let mut amount = None;
        for (name, field) in &target.fields {
            let value = match name.as_str() {
                "name" => Value::String(format!("{} {}", status.milestone, status.name)),
                "contract" => Value::String(status.contract.clone()),
                "milestone" => Value::String(status.milestone.clone()),
                "deal" => Value::String(status.record.clone()),
                "status" => Value::String(status.status.clone()),
                "accepted_on" => date(status.accepted_on),
                "billed" | "invoiced" => Value::Bool(status.invoice.is_some()),
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
            fields.insert(field.clone(), value);
        }
        let mut text = Value::Object(fields).to_string();
        // The amount's digits are written as they are: it is never a float.
        if let Some(field) = amount {
            super::pull::add(&mut text, field, &status.amount.to_string());
        }
        Ok(text)
    }
}

fn receipt(remote_id: String, request_id: Option<String>) -> Receipt {
    Receipt { remote_id, remote_number: None, request_id, unposted: false }
}

/// The text of a collection. Salesforce wants the type of a record before its fields.
fn collection(target: &StatusObject, items: &[&Item]) -> String {
    let kind = Value::String(target.object.clone());
    let key = Value::String(target.external_id.clone().unwrap_or_else(|| "id".into()));
    let records: Vec<String> = items
        .iter()
        .map(|item| {
            let fields = item.fields.strip_prefix('{').unwrap_or(&item.fields);
            let comma = if fields == "}" { "" } else { "," };
            format!(r#"{{"attributes":{{"type":{kind}}},{key}:{}{comma}{fields}"#, Value::String(item.key.clone()))
        })
        .collect();
    format!(r#"{{"allOrNone":false,"records":[{}]}}"#, records.join(","))
}

/// A key in a path.
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
