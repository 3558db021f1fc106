//! Customers: the one that somebody named, else the one with the exact name; never created beside one that is called alike.

use std::collections::BTreeMap;

use milestoned_connector_kit::Fault;
use milestoned_connector_kit::customers::{Known, unlike};
use milestoned_connector_kit::names::beginning;
use milestoned_connector_kit::read;

use super::wire::{Ref, Saved};
use super::{QuickBooks, listed, quoted};

impl QuickBooks {
    /// A customer's name, in our words where somebody said which one it is.
    pub(crate) fn customer_name(&self, customer: &Ref) -> Option<String> {
        self.customers.name_of(&customer.value).or_else(|| customer.name.clone())
    }

    /// Names of records, by id; one that is inactive is not shown.
    pub(crate) async fn names_of_customers(&self, ids: &[String]) -> Result<BTreeMap<String, String>, Fault> {
        let mut names = BTreeMap::new();
        for ids in ids.chunks(200) {
            let query = format!("SELECT * FROM Customer WHERE Id IN ({}) MAXRESULTS 1000", listed(ids));
            let answer = self.query(&query).await?;
            for (_, raw) in self.objects(&answer.body)? {
                let saved: Saved = read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
                names.insert(saved.id, saved.display_name);
            }
        }
        Ok(names)
    }

    /// Refuses to create a customer beside others that are called alike.
    pub(crate) async fn unlike_others(&self, name: &str) -> Result<(), Fault> {
        // QuickBooks compares letters as they are: the beginning is asked for as it stands in the name.
        let length = beginning(name).chars().count();
        if length == 0 || self.customers.is_new(name) {
            return Ok(());
        }
        let pattern: String = name.chars().take(length).chain(['%']).collect();
        let query = format!("SELECT * FROM Customer WHERE DisplayName LIKE {} MAXRESULTS 1000", quoted(&pattern));
        let answer = self.query(&query).await?;
        let mut known = Vec::new();
        for (_, raw) in self.objects(&answer.body)? {
            let saved: Saved = read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
            known.push(Known { id: saved.id, name: saved.display_name });
        }
        unlike(&self.client, name, known)
    }
}
