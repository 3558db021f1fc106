//! Who counts as one person: somebody may sign in by the provider, own a token, be named by a project tool and write mails.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rights::Rights;

/// `[[identity.people]]`: a person, the names under which they appear, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The name that stands in the audit trail.
    pub person: String,
    /// Other names of theirs: e-mail addresses, account ids of tools, names of tokens. Compared without regard to case.
    #[serde(default)]
    pub known_as: Vec<String>,
    /// What they may do, beside what the groups of the identity provider give.
    #[serde(default)]
    pub rights: Rights,
}

/// The people whom the configuration lists, by all of their names.
#[derive(Debug, Clone, Default)]
pub struct People {
    listed: Vec<Listed>,
    by_name: BTreeMap<String, usize>,
}

/// Two listed people share a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} names both {one:?} and {other:?}")]
pub struct SharedName {
    /// The name.
    pub name: String,
    /// The person listed first.
    pub one: String,
    /// The person listed later.
    pub other: String,
}

/// A name as names are compared.
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

impl People {
    /// # Errors
    /// A name stands for two people.
    pub fn new(listed: Vec<Listed>) -> Result<Self, SharedName> {
        let mut by_name = BTreeMap::<String, usize>::new();
        for (index, person) in listed.iter().enumerate() {
            for name in std::iter::once(&person.person).chain(&person.known_as) {
                if let Some(before) = by_name.insert(folded(name), index).filter(|before| *before != index) {
                    let former = listed.get(before).map_or_else(String::new, |listed| listed.person.clone());
                    return Err(SharedName { name: name.clone(), one: former, other: person.person.clone() });
                }
            }
        }
        Ok(Self { listed, by_name })
    }

    /// The listed person with this name.
    pub fn listed(&self, name: &str) -> Option<&Listed> {
        self.listed.get(*self.by_name.get(&folded(name))?)
    }

    /// One name for each person, whatever name they appear under. Somebody who is not listed is their own name.
    pub fn person_of(&self, name: &str) -> String {
        self.listed(name).map_or_else(|| folded(name), |listed| folded(&listed.person))
    }

    /// Everybody who is listed.
    pub fn iter(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(person: &str, known_as: &[&str]) -> Listed {
        let known_as = known_as.iter().map(|name| (*name).to_owned()).collect();
        Listed { person: person.into(), known_as, rights: Rights::default() }
    }

    #[test]
    fn a_person_counts_once_across_all_names() {
        let people = People::new(vec![listed("Dana", &["dana@customer.example", "5f2c:dana"])]).unwrap();
        assert_eq!(people.person_of("DANA@customer.example"), people.person_of("5f2c:dana"));
        assert_eq!(people.person_of("dana"), "dana");
        assert_ne!(people.person_of("rob"), "dana");
        assert_eq!(people.person_of("Rob "), people.person_of("rob"));
    }

    #[test]
    fn a_name_of_two_people_is_refused() {
        let shared = People::new(vec![listed("Dana", &["cfo"]), listed("Rob", &["CFO"])]).unwrap_err();
        assert_eq!(shared.to_string(), r#""CFO" names both "Dana" and "Rob""#);
    }
}
