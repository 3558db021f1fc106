//! Which records of a remote are which customers of the agreements: what the configuration names, and over it what people
//! decided while the daemon ran.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::http::Client;
use crate::names::{alike, proposal};
use crate::{Class, Fault};

/// In the place of an id: a record is created, whoever is called alike.
pub const NEW: &str = "new";

/// A customer's record in a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The remote's id.
    pub id: String,
    /// Its name there.
    pub name: String,
}

/// Refuses to create a customer beside those of the candidates that are called alike, and proposes these to a person.
///
/// # Errors
/// [`Class::Alike`], with those who are.
pub fn unlike(client: &Client, name: &str, candidates: impl IntoIterator<Item = Known>) -> Result<(), Fault> {
    propose(client, name, candidates.into_iter().filter(|candidate| alike(&candidate.name, name)).collect())
}

/// Proposes those that are called alike to a person, where there are any.
///
/// # Errors
/// [`Class::Alike`], with those who are.
pub fn propose(client: &Client, name: &str, alike: Vec<Known>) -> Result<(), Fault> {
    let said = proposal(name, &alike);
    if alike.is_empty() { Ok(()) } else { Err(client.fault(Class::Alike(alike.into()), said, None)) }
}

/// Ids of customers' records, by their names in the agreements. Clones share what is in them.
#[derive(Debug, Clone, Default)]
pub struct Customers(Arc<RwLock<Mapped>>);

#[derive(Debug, Default)]
struct Mapped {
    /// By the configuration.
    configured: BTreeMap<String, String>,
    /// By people.
    decided: BTreeMap<String, String>,
}

impl Customers {
    /// Takes what the configuration says.
    pub fn configure(&self, configured: BTreeMap<String, String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).configured = configured;
    }

    /// Takes what people have decided, in the place of what they had before.
    pub fn decide(&self, decided: BTreeMap<String, String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).decided = decided;
    }

    /// Names and ids; those left out that are to be created.
    pub fn ids(&self) -> BTreeMap<String, String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = known.configured.clone();
        all.extend(known.decided.clone());
        all.retain(|_, id| id != NEW);
        all
    }

    /// The id of a customer's record.
    pub fn id(&self, name: &str) -> Option<String> {
        self.said(name).filter(|id| id != NEW)
    }

    /// Whether one of this name is created, whoever is called alike.
    pub fn is_new(&self, name: &str) -> bool {
        self.said(name).is_some_and(|id| id == NEW)
    }

    /// The agreements' name of a record.
    pub fn name_of(&self, id: &str) -> Option<String> {
        self.ids().into_iter().find(|(_, known)| known == id).map(|(name, _)| name)
    }

    /// What the configuration says of a customer: an id, or `new`.
    pub fn configured(&self, name: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).configured.get(name).cloned()
    }

    fn said(&self, name: &str) -> Option<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.decided.get(name).or_else(|| known.configured.get(name)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_decided_stands_over_the_configuration() {
        let customers = Customers::default();
        let said = |names: [(&str, &str); 2]| names.map(|(name, id)| (name.to_owned(), id.to_owned())).into();
        customers.decide(said([("Acme", "7"), ("Apex", NEW)]));
        customers.configure(said([("Acme", "1"), ("Globex", "2")]));
        assert_eq!([customers.id("Acme"), customers.id("Globex")], [Some("7".into()), Some("2".into())]);
        assert_eq!((customers.id("Apex"), customers.is_new("Apex")), (None, true));
        assert_eq!(customers.name_of("7").as_deref(), Some("Acme"));
    }
}
