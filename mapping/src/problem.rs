//! What is wrong somewhere, in the one form in which people are told: place, reason, remedy.

use serde::{Deserialize, Serialize};

/// Something that is wrong, where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{place}: {reason}; {remedy}")]
pub struct Problem {
    /// Where: a key of the configuration, a field of a record, a permission, a file.
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem.
    pub fn new(place: impl Into<String>, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into(), remedy: remedy.into() }
    }

    /// Place and reason in one line, where the remedy is told elsewhere.
    pub fn said(&self) -> String {
        format!("{}: {}", self.place, self.reason)
    }

    /// The same inside of something: `amount` is `milestones[2].amount` there.
    #[must_use]
    pub fn inside(self, outer: &str) -> Self {
        Self { place: format!("{outer}.{}", self.place), ..self }
    }
}
