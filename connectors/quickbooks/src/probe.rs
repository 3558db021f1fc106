//! What the company's switches forbid, before a write and for `check`; and the rest of what a connection needs.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Date;
use milestoned_connector_kit::customers::NEW;
use milestoned_connector_kit::{Class, Expiry, Fault, Probe, read};
use milestoned_mapping::command::Command;
use milestoned_mapping::problem::Problem;
use serde_json::{Map, Value};

use super::settings::{Numbers, OwnRecognition};
use super::{CLOSED, QuickBooks, listed, quoted, wire};

/// Ids that are asked for at once.
const TOGETHER: usize = 200;
/// How long the company's switches are taken as read.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(1);
const OWN_RECOGNITION: (&str, &str) = (
    "QuickBooks' own revenue recognition is on: both would recognise",
    "switch it off, or set own_recognition = \"other_items\" if it does not recognise our item",
);
const OWN_NUMBERS: (&str, &str) = (
    "custom transaction numbers are off: QuickBooks numbers documents by itself",
    "switch them on under Sales, or set numbers = \"sequence\"",
);

/// References among the fields that an operator adds: name, entity, id.
fn references(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &'static str, &String)> {
    fields.iter().filter_map(|(name, value)| {
        let entity = match name.as_str() {
            "ClassRef" => "Class",
            "DepartmentRef" => "Department",
            "ItemRef" => "Item",
            "ProjectRef" => "Customer",
            "SalesTermRef" => "Term",
            "TaxCodeRef" => "TaxCode",
            _ => return None,
        };
        match value.get("value") {
            Some(Value::String(id)) => Some((name, entity, id)),
            _ => None,
        }
    })
}

fn closed_books(switches: &wire::Preferences) -> Option<Date> {
    switches.accounting_info_prefs.book_close_date.as_ref().and_then(|date| date.parse().ok())
}

impl QuickBooks {
    async fn switches(&self, afresh: bool) -> Result<wire::Preferences, Fault> {
        let now = self.client.now();
        let mut held = self.preferences.lock().await;
        let recent = held.as_ref().filter(|(read, _)| !afresh && now.duration_since(*read) < KNOWN_FOR);
        if let Some((_, known)) = recent {
            return Ok(known.clone());
        }
        let answer = self.get("preferences").await?;
        let read: wire::PreferencesAnswer =
            read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        *held = Some((now, read.preferences.clone()));
        Ok(read.preferences)
    }

    /// The date through which the company has closed its books.
    pub(crate) async fn books_closed_through(&self) -> Result<Option<Date>, Fault> {
        Ok(closed_books(&self.switches(true).await?))
    }

    /// Whether the company's switches let a command through. Before one is refused they are read afresh.
    pub(crate) async fn may_write(&self, command: &Command) -> Result<(), Fault> {
        if matches!(
            command,
            Command::AcceptanceRecord(_)
                | Command::BillingStatus(_)
                | Command::Customer { .. }
                | Command::InvoiceEmail(_)
        ) {
            return Ok(());
        }
        if self.forbids(&self.switches(false).await?, command).is_none() {
            return Ok(());
        }
        match self.forbids(&self.switches(true).await?, command) {
            None => Ok(()),
            Some(said) => Err(self.client.fault(Class::Refused, said, None)),
        }
    }

    fn forbids(&self, switches: &wire::Preferences, command: &Command) -> Option<String> {
        let (date, entry) = match command {
            Command::CreditMemo(document) | Command::Invoice(document) => (Some(document.date), false),
            Command::JournalEntry(entry) => (Some(entry.date), true),
            Command::AcceptanceRecord(_)
            | Command::SalesOrder(_)
            | Command::BillingStatus(_)
            | Command::Customer { .. }
            | Command::InvoiceEmail(_) => (None, false),
        };
        if let (Some(date), Some(closed)) = (date, closed_books(switches))
            && date <= closed
        {
            return Some(format!("the document is of {date}, the books are closed through {closed}{CLOSED}"));
        }
        let own = self.settings.numbers == Numbers::Ours && !entry;
        if own && switches.sales_forms_prefs.custom_txn_numbers == Some(false) {
            return Some(format!("{}; {}", OWN_NUMBERS.0, OWN_NUMBERS.1));
        }
        (entry && self.recognises(switches)).then(|| format!("{}; {}", OWN_RECOGNITION.0, OWN_RECOGNITION.1))
    }

    fn recognises(&self, switches: &wire::Preferences) -> bool {
        let products = &switches.product_and_services_prefs;
        self.settings.own_recognition == OwnRecognition::Refuse
            && [products.revenue_recognition, products.revenue_recognition_enabled].contains(&Some(true))
    }

    /// What the configuration names by an id: place, entity, id.
    fn things(&self) -> Vec<(String, &'static str, &String)> {
        let mut things = Vec::new();
        things.extend(self.settings.accounts.iter().map(|(name, id)| (format!("accounts.{name}"), "Account", id)));
        things.extend(self.settings.terms.iter().map(|(name, id)| (format!("terms.\"{name}\""), "Term", id)));
        things.extend(self.settings.tax_code.iter().map(|id| ("tax_code".to_owned(), "TaxCode", id)));
        let customers = self.settings.customers.iter().filter(|(_, id)| *id != NEW);
        things.extend(customers.map(|(name, id)| (format!("customers.{name:?}"), "Customer", id)));
        for (index, extra) in self.settings.extra.iter().enumerate() {
            for (place, fields) in [("fields", &extra.fields), ("line", &extra.line)] {
                let named = |(name, entity, id): (&String, _, _)| (format!("extra.{index}.{place}.{name}"), entity, id);
                things.extend(references(fields).map(named));
            }
        }
        things
    }

    async fn probe_things(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut by_entity: BTreeMap<&str, Vec<(String, &String)>> = BTreeMap::new();
        for (place, entity, id) in self.things() {
            by_entity.entry(entity).or_default().push((place, id));
        }
        for (entity, things) in by_entity {
            for some in things.chunks(TOGETHER) {
                let ids: Vec<String> = some.iter().map(|(_, id)| (*id).clone()).collect();
                let query = format!("SELECT * FROM {entity} WHERE Id IN ({}) MAXRESULTS 1000", listed(&ids));
                let objects = match self.query(&query).await.and_then(|answer| self.objects(&answer.body)) {
                    Ok(objects) => objects,
                    Err(fault) => {
                        let place = some.first().map(|(place, _)| place.clone()).unwrap_or_default();
                        problems.push(Problem::new(place, fault.to_string(), "see that the app may read it"));
                        continue;
                    }
                };
                let there: Vec<wire::Item> =
                    objects.iter().filter_map(|(_, raw)| serde_json::from_str(raw).ok()).collect();
                let missing = some.iter().filter(|(_, id)| !there.iter().any(|known| known.id == **id));
                problems.extend(missing.map(|(place, id)| {
                    let said = format!("there is no {entity} {id}");
                    Problem::new(place.clone(), said, "give the id that QuickBooks shows")
                }));
            }
        }
        problems
    }

    /// Classes and locations that are written count only where the company tracks them.
    fn probe_dimensions(&self, switches: &wire::Preferences) -> Vec<Problem> {
        let tracked = &switches.accounting_info_prefs;
        let mut problems = Vec::new();
        for (index, extra) in self.settings.extra.iter().enumerate() {
            let uses = |fields: &Map<String, Value>, name: &str| fields.contains_key(name);
            let checks = [
                ("fields.ClassRef", uses(&extra.fields, "ClassRef"), tracked.class_tracking_per_txn),
                ("line.ClassRef", uses(&extra.line, "ClassRef"), tracked.class_tracking_per_txn_line),
                ("fields.DepartmentRef", uses(&extra.fields, "DepartmentRef"), tracked.track_departments),
                ("line.DepartmentRef", uses(&extra.line, "DepartmentRef"), tracked.track_departments),
            ];
            let unseen = checks.iter().filter(|(_, used, tracked)| *used && *tracked == Some(false));
            problems.extend(unseen.map(|(place, ..)| {
                let remedy =
                    "switch on the tracking of classes or locations in the account's settings, or take the field out";
                Problem::new(format!("extra.{index}.{place}"), "the company does not track it there", remedy)
            }));
        }
        problems
    }

    async fn probe_item(&self) -> Option<Problem> {
        let query = format!("SELECT * FROM Item WHERE Id = {}", quoted(&self.settings.item));
        let objects = match self.query(&query).await.and_then(|answer| self.objects(&answer.body)) {
            Ok(objects) => objects,
            Err(fault) => return Some(Problem::new("item", fault.to_string(), "see that the app may read it")),
        };
        let item = objects.first().and_then(|(_, raw)| serde_json::from_str::<wire::Item>(raw).ok());
        let Some(item) = item else {
            let said = format!("there is no Item {}", self.settings.item);
            return Some(Problem::new("item", said, "give the id that QuickBooks shows"));
        };
        let (income, deferred) = (item.income_account_ref.value, self.settings.accounts.get("deferred_revenue"));
        let said =
            format!("its income account is {income}, not accounts.deferred_revenue: invoices would be revenue at once");
        (Some(&income) != deferred)
            .then(|| Problem::new("item", said, "give the item deferred revenue as its income account"))
    }
}

impl Probe for QuickBooks {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.settings.verifier_token.is_none() {
            let said = "is not set: webhooks are refused";
            problems.push(Problem::new("verifier_token", said, "set the verifier token of the app"));
        }
        let switches = match self.switches(true).await {
            Ok(switches) => switches,
            Err(fault) => {
                let remedy = "see that realm, client and refresh token are right";
                problems.push(Problem::new("refresh_token", fault.to_string(), remedy));
                return problems;
            }
        };
        if self.recognises(&switches) {
            problems.push(Problem::new("own_recognition", OWN_RECOGNITION.0, OWN_RECOGNITION.1));
        }
        if self.settings.numbers == Numbers::Ours && switches.sales_forms_prefs.custom_txn_numbers == Some(false) {
            problems.push(Problem::new("custom transaction numbers", OWN_NUMBERS.0, OWN_NUMBERS.1));
        }
        let rates = self.settings.exchange_rates.iter();
        let wrong = rates.filter(|(_, rate)| rate.parse::<milestoned_mapping::fact::DecimalText>().is_err());
        problems.extend(wrong.map(|(code, rate)| {
            let place = format!("exchange_rates.{code}");
            Problem::new(place, format!("{rate:?} is no rate"), "write it as plain text, such as \"1.25\"")
        }));
        problems.extend(self.probe_things().await);
        problems.extend(self.probe_dimensions(&switches));
        problems.extend(self.probe_item().await);
        let (reads, most) = (self.budget.reads(self).await, self.settings.reads_a_month);
        if reads.saturating_mul(5) > most.saturating_mul(4) {
            let said = format!("{reads} reads of {most} are used up this month");
            problems.push(Problem::new("reads_a_month", said, "poll less often (poll_every), or take a larger plan"));
        }
        problems
    }

    async fn expiries(&self) -> Vec<Expiry> {
        let end = self.store.load(self.client.system(), super::auth::ENDS).await.ok().flatten();
        let remedy = "connect the company again (it takes its administrator), and set the new refresh_token";
        let expiry = |at| Expiry { what: "the refresh token", at, remedy };
        end.and_then(|end| end.parse().ok()).map(expiry).into_iter().collect()
    }
}
