//! Customers: found by the id that a person or the configuration gave, by our external id, or by exact name; never created
//! beside one that is called alike.

use std::collections::BTreeMap;

use milestoned_connector_kit::body::Body;
use milestoned_connector_kit::customers::{Customers, Known, NEW, unlike};
use milestoned_connector_kit::names::beginning;
use milestoned_connector_kit::{Fault, Found, Receipt, Write};
use milestoned_mapping::command::Command;
use milestoned_mapping::record::Particulars;
use milestoned_mapping::statement::{Essential, Statement};

use super::push::found;
use super::wire::Row;
use super::{NetSuite, sql};

/// Ids go into queries as they are.
pub(crate) fn check(customers: &BTreeMap<String, String>) -> Result<(), String> {
    let wrong = customers.iter().find(|(_, id)| *id != NEW && id.parse::<u64>().is_err());
    wrong.map_or(Ok(()), |(name, id)| {
        Err(format!("customers.{name:?}: {id:?} is no internal id: write digits, or \"new\""))
    })
}

/// A customer's name, in our words where somebody said which one it is.
pub(crate) fn name_column(customers: &Customers) -> String {
    // Ids go into queries as they are.
    let known: Vec<String> = customers
        .ids()
        .iter()
        .filter(|(_, id)| id.parse::<u64>().is_ok())
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
        let mapped = |name: &str| self.customers.id(name);
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
                let receipt = Receipt { remote_id: id, remote_number: None, request_id: None, unposted: false };
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
        if beginning.is_empty() || self.customers.is_new(name) {
            return Ok(());
        }
        let rows = self
            .query(&format!(
                "SELECT c.id AS id, c.companyname AS customer FROM customer c WHERE LOWER(c.companyname) LIKE {} \
                 ORDER BY c.id FETCH FIRST 1000 ROWS ONLY",
                sql::quoted(&format!("{beginning}%"))
            ))
            .await?;
        let known = |row: &Row| Some(Known { id: row.get("id")?.into(), name: row.get("customer")?.into() });
        unlike(&self.client, name, rows.iter().filter_map(known))
    }

    /// Names of records, by id; one that is inactive, or was merged into another, is left out.
    pub(crate) async fn names_of_customers(&self, ids: &[String]) -> Result<BTreeMap<String, String>, Fault> {
        let mut names = BTreeMap::new();
        let ids: Vec<&str> = ids.iter().map(String::as_str).filter(|id| id.parse::<u64>().is_ok()).collect();
        for ids in ids.chunks(500) {
            let list = sql::listed(ids.iter().copied());
            let rows = self
                .query(&format!(
                    "SELECT c.id AS id, c.companyname AS customer, c.isinactive AS inactive FROM customer c \
                     WHERE c.id IN ({list}) ORDER BY c.id"
                ))
                .await?;
            let active = rows.iter().filter(|row| row.get("inactive") != Some("T"));
            names.extend(active.filter_map(|row| {
                Some((row.get("id")?.to_owned(), row.get("customer").unwrap_or_default().to_owned()))
            }));
        }
        Ok(names)
    }

    /// Ids of the configuration that the account does not have.
    pub(crate) async fn unknown_customers(&self) -> Result<Vec<String>, Fault> {
        let ids: Vec<String> = self.customers.ids().into_values().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = sql::listed(ids.iter().map(String::as_str));
        let rows = self.query(&format!("SELECT c.id AS id FROM customer c WHERE c.id IN ({list})")).await?;
        let lacks = |id: &String| !rows.iter().any(|row| row.get("id") == Some(id.as_str()));
        Ok(ids.into_iter().filter(lacks).collect())
    }
}

/// A country, as NetSuite refers to it: by the code of ISO 3166-1.
fn country(said: &str) -> Option<Body> {
    let code = said.len() == 2 && said.chars().all(|letter| letter.is_ascii_alphabetic());
    code.then(|| Body::new().text("id", &said.to_uppercase()))
}

/// What the CRM knows of a customer; fields that an operator sets otherwise are left to him.
pub(crate) fn described(body: Body, known: &Particulars, terms: Option<&String>, set: &dyn Fn(&str) -> bool) -> Body {
    let mut body = body;
    for (field, said) in [("email", &known.email), ("vatRegNumber", &known.tax_registration)] {
        body = body.optional(field, said.as_deref().filter(|_| !set(field)));
    }
    if let Some(terms) = terms.filter(|_| !set("terms")) {
        body = body.object("terms", &Body::new().text("id", terms));
    }
    if !known.has_address() || set("addressBook") {
        return body;
    }
    let mut address = Body::new()
        .optional("addr1", known.street.as_deref())
        .optional("city", known.city.as_deref())
        .optional("state", known.region.as_deref())
        .optional("zip", known.postal_code.as_deref());
    if let Some(country) = known.country.as_deref().and_then(country) {
        address = address.object("country", &country);
    }
    let entry =
        Body::new().flag("defaultBilling", true).flag("defaultShipping", true).object("addressBookAddress", &address);
    body.object("addressBook", &Body::new().list("items", [&entry]))
}
