//! Customers: the one that somebody named, else the one with the exact name; never created beside one that is called alike. A
//! sub-customer (a job or project of another) is meant by its full name, `Parent:Child`, as QuickBooks writes it on its sales.

use std::collections::BTreeMap;

use milestoned_connector_kit::Fault;
use milestoned_connector_kit::customers::{Known, propose};
use milestoned_connector_kit::names::{alike, beginning};
use milestoned_connector_kit::{Class, read};

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
                names.insert(saved.id.clone(), saved.full_name().into());
            }
        }
        Ok(names)
    }

    /// Refuses to create a customer beside others that are called alike, and one below another customer: where it belongs is for
    /// a person to say.
    pub(crate) async fn unlike_others(&self, name: &str) -> Result<(), Fault> {
        let own = own_name(name);
        // QuickBooks compares letters as they are: the beginning is asked for as it stands in the name.
        let length = beginning(own).chars().count();
        if length > 0 && !self.customers.is_new(name) {
            let pattern: String = own.chars().take(length).chain(['%']).collect();
            let query = format!("SELECT * FROM Customer WHERE DisplayName LIKE {} MAXRESULTS 1000", quoted(&pattern));
            let answer = self.query(&query).await?;
            let mut known = Vec::new();
            for (_, raw) in self.objects(&answer.body)? {
                let saved: Saved = read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
                if alike(saved.full_name(), name) || alike(&saved.display_name, own) {
                    known.push(Known { id: saved.id.clone(), name: saved.full_name().into() });
                }
            }
            propose(&self.client, name, known)?;
        }
        match name.rsplit_once(':') {
            Some((parent, _)) => {
                let said = format!("{parent:?} has no sub-customer {own:?}: create it in QuickBooks, and release this");
                Err(self.client.fault(Class::Refused, said, None))
            }
            None => Ok(()),
        }
    }
}

/// The last part of a name: what QuickBooks keeps as the name of a sub-customer itself.
pub(crate) fn own_name(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}
