//! Who did something: what audit lines, facts and other rows name as their actor. Each has one text, the same in both
//! databases, in answers and in front of people.

use std::fmt;

use milestoned_mapping::fact::Leg;
use milestoned_trail::chain::REDACTED;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Actor {
    /// The daemon, by itself.
    Daemon,
    /// The contract folder, where nobody is configured who owns it.
    ContractFolder,
    /// The configuration, such as `periods.closed_through`.
    Configuration,
    /// What a leg shows now: the daemon has put its records together.
    Leg(Leg),
    /// Who it was has been removed.
    Removed,
    /// A person, a program with a token, or a connection, by the name under which it is configured or signed in. A text alone
    /// does not tell which of the three it is.
    Named(String),
}

impl Actor {
    /// Those that stand for the daemon itself: no person or program may have their names.
    pub const OWN: [Self; 3] = [Self::Daemon, Self::ContractFolder, Self::Configuration];

    /// Its text.
    pub fn name(&self) -> &str {
        match self {
            Self::Daemon => "milestoned",
            Self::ContractFolder => "contract folder",
            Self::Configuration => "configuration",
            Self::Leg(leg) => leg.name(),
            Self::Removed => REDACTED,
            Self::Named(name) => name,
        }
    }

    /// Whether it may be a person: it is known by a name of its own, which is none of these connections.
    pub fn may_be_person(&self, connections: &[String]) -> bool {
        matches!(self, Self::Named(name) if !connections.contains(name))
    }
}

impl PartialSchema for Actor {
    fn schema() -> RefOr<Schema> {
        String::schema()
    }
}

impl ToSchema for Actor {}

impl From<&str> for Actor {
    fn from(text: &str) -> Self {
        let mut known = Self::OWN.into_iter().chain(Leg::ALL.map(Self::Leg)).chain([Self::Removed]);
        known.find(|known| known.name() == text).unwrap_or_else(|| Self::Named(text.to_owned()))
    }
}

impl From<String> for Actor {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Actor {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Named(name) => name,
            other => other.name().to_owned(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use milestoned_identity::machine::RESERVED;

    use super::*;

    #[test]
    fn an_actor_is_read_from_the_text_that_it_is_written_as() {
        let others = [Actor::Leg(Leg::Erp), Actor::Removed, Actor::Named("dana@customer.example".into())];
        for actor in Actor::OWN.into_iter().chain(others) {
            assert_eq!(Actor::from(actor.name()), actor);
            assert_eq!(serde_json::to_value(&actor).unwrap(), actor.name());
        }
    }

    #[test]
    fn nobody_may_be_called_like_the_daemon() {
        assert!(Actor::OWN.iter().all(|own| RESERVED.contains(&own.name())));
    }
}
