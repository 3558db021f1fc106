//! Customers: found by the id that an operator gave, by our external id, or by exact name; never created beside one that is
//! called alike.

use std::collections::BTreeMap;

use milestoned_connector_kit::names::{alike, beginning, proposal};
use milestoned_connector_kit::{Class, Fault, Found, Receipt, Write};
use milestoned_mapping::command::Command;
use milestoned_mapping::statement::{Essential, Statement};

use super::push::found;
use super::wire::Row;
use super::{NetSuite, sql};

/// In the place of an id: one is created, whoever is called alike.
const NEW: &str = "new";

/// Ids go into queries as they are.
pub(crate) fn check(customers: &BTreeMap<String, String>) -> Result<(), String> {
    let wrong = customers.iter().find(|(_, id)| *id != NEW && id.parse::<u64>().is_err());
    wrong.map_or(Ok(()), |(name, id)| {
        Err(format!("customers.{name:?}: {id:?} is no internal id: write digits, or \"new\""))
    })
}

/// A customer's name, in our words where an operator said which one it is.
pub(crate) fn name_column(customers: &BTreeMap<String, String>) -> String {
    let known: Vec<String> = customers
        .iter()
        .filter(|(_, id)| *id != NEW)
        .map(|(name, id)| format!("WHEN {id} THEN {}", sql::quoted(name)))
        .collect();
    if known.is_empty() {
        return "c.companyname".into();
    }
    format!("CASE c.id {} ELSE c.companyname END", known.join(" "))
}

impl NetSuite {
    /// The customers of writes.
    pub(crate) async fn customers(&self, writes: &[Write<'_>], keys: &[String]) -> Result<Vec<Option<Found>>, Fault> {
        let names: Vec<&str> = writes
            .iter()
            .filter_map(|write| match write.command {
                Command::Customer { name, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let mapped = |name: &str| self.settings.customers.get(name).filter(|id| *id != NEW);
        let mut rows = Vec::new();
        if names.iter().any(|name| mapped(name).is_none()) {
            rows = self
                .query(&format!(
                    "SELECT c.id AS id, c.companyname AS customer, c.externalid AS external FROM customer c \
                     WHERE c.externalid IN ({}) OR c.companyname IN ({}) ORDER BY c.id",
                    sql::listed(keys.iter().map(String::as_str)),
                    sql::listed(names.iter().copied())
                ))
                .await?;
        }
        let by = |column: &str, text: &str| rows.iter().find(|row| row.get(column) == Some(text));
        // A customer may be billed in several currencies; an invoice in one that it lacks is refused.
        let says = |customer: Option<&str>| Statement {
            customer: customer.map(Into::into),
            silent: &[Essential::Currency],
            ..Statement::default()
        };
        let pick = |(key, name): (&String, &&str)| match mapped(name) {
            Some(id) => {
                let receipt = Receipt { remote_id: id.clone(), remote_number: None, request_id: None };
                Some(Found { receipt, says: says(Some(name)) })
            }
            None => {
                by("external", key).or_else(|| by("customer", name)).map(|row| found(row, says(row.get("customer"))))
            }
        };
        Ok(keys.iter().zip(&names).map(pick).collect())
    }

    /// Refuses to create a customer beside others that are called alike.
    pub(crate) async fn unlike_others(&self, name: &str) -> Result<(), Fault> {
        let beginning = beginning(name);
        if beginning.is_empty() || self.settings.customers.get(name).is_some_and(|id| id == NEW) {
            return Ok(());
        }
        let rows = self
            .query(&format!(
                "SELECT c.id AS id, c.companyname AS customer FROM customer c WHERE LOWER(c.companyname) LIKE {} \
                 ORDER BY c.id FETCH FIRST 1000 ROWS ONLY",
                sql::quoted(&format!("{beginning}%"))
            ))
            .await?;
        let known = |row: &Row| Some((row.get("id")?.to_owned(), row.get("customer")?.to_owned()));
        let known: Vec<(String, String)> = rows.iter().filter_map(known).filter(|(_, one)| alike(one, name)).collect();
        if known.is_empty() { Ok(()) } else { Err(self.client.fault(Class::Refused, proposal(name, &known), None)) }
    }

    /// Ids of the configuration that the account does not have.
    pub(crate) async fn unknown_customers(&self) -> Result<Vec<String>, Fault> {
        let ids: Vec<&String> = self.settings.customers.values().filter(|id| *id != NEW).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = sql::listed(ids.iter().map(|id| id.as_str()));
        let rows = self.query(&format!("SELECT c.id AS id FROM customer c WHERE c.id IN ({list})")).await?;
        let there = |id: &&&String| !rows.iter().any(|row| row.get("id") == Some(id.as_str()));
        Ok(ids.iter().filter(there).map(|id| (*id).clone()).collect())
    }
}
