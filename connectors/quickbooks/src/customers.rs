//! Customers: the one that an operator named, else the one with the exact name; never created beside one that is called alike.

use milestoned_connector_kit::names::{alike, beginning, proposal};
use milestoned_connector_kit::{Class, Fault};

use super::wire::{Ref, Saved};
use super::{QuickBooks, quoted};

/// In the place of an id: one is created, whoever is called alike.
pub(crate) const NEW: &str = "new";

impl QuickBooks {
    /// The id that an operator gave for a customer.
    pub(crate) fn mapped(&self, name: &str) -> Option<&String> {
        self.settings.customers.get(name).filter(|id| *id != NEW)
    }

    /// A customer's name, in our words where an operator said which one it is.
    pub(crate) fn customer_name(&self, customer: &Ref) -> Option<String> {
        let mut known = self.settings.customers.iter();
        let ours = known.find(|(_, id)| **id == customer.value).map(|(name, _)| name.clone());
        ours.or_else(|| customer.name.clone())
    }

    /// Refuses to create a customer beside others that are called alike.
    pub(crate) async fn unlike_others(&self, name: &str) -> Result<(), Fault> {
        // QuickBooks compares letters as they are: the beginning is asked for as it stands in the name.
        let length = beginning(name).chars().count();
        if length == 0 || self.settings.customers.get(name).is_some_and(|id| id == NEW) {
            return Ok(());
        }
        let pattern: String = name.chars().take(length).chain(['%']).collect();
        let query = format!("SELECT * FROM Customer WHERE DisplayName LIKE {} MAXRESULTS 1000", quoted(&pattern));
        let answer = self.query(&query).await?;
        let mut known = Vec::new();
        for (_, raw) in self.objects(&answer.body)? {
            let saved: Saved = serde_json::from_str(&raw).map_err(|error| self.client.garbage(&answer, error))?;
            if alike(&saved.display_name, name) {
                known.push((saved.id, saved.display_name));
            }
        }
        if known.is_empty() { Ok(()) } else { Err(self.client.fault(Class::Refused, proposal(name, &known), None)) }
    }
}
