//! Rights: what somebody may do. They are a set, not a ladder: whoever may approve need not be able to file terms.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing that somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read contracts, documents, exceptions and the queue.
    View,
    /// File contract terms and change orders.
    FileTerms,
    /// Tell facts: submissions, acceptances, usage, costs.
    TellFacts,
    /// Approve or hold what waits for an approval.
    Approve,
    /// Close an open exception with a reason.
    Overrule,
    /// Release, settle or give up a parked delivery; read a parked record again.
    Release,
    /// Pause and resume, close accounting periods, read metrics.
    Operate,
    /// Read the audit trail and who has which rights.
    Audit,
}

impl Right {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::FileTerms,
        Self::TellFacts,
        Self::Approve,
        Self::Overrule,
        Self::Release,
        Self::Operate,
        Self::Audit,
    ];

    /// The word for it in configuration, API and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::FileTerms => "file_terms",
            Self::TellFacts => "tell_facts",
            Self::Approve => "approve",
            Self::Overrule => "overrule",
            Self::Release => "release",
            Self::Operate => "operate",
            Self::Audit => "audit",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of rights. In configuration a list of their names.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

impl Rights {
    /// Whether `right` is among them.
    pub fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// These and `others`.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rights, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<T: IntoIterator<Item = Right>>(rights: T) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | right.bit()))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Right::name).collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Rights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Right>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_a_set_and_not_a_ladder() {
        let rights: Rights = serde_json::from_str(r#"["audit", "approve"]"#).unwrap();
        assert!(rights.has(Right::Approve) && rights.has(Right::Audit));
        assert!(!rights.has(Right::View) && !rights.has(Right::FileTerms));
        assert_eq!(serde_json::to_string(&rights).unwrap(), r#"["approve","audit"]"#);
        assert!(serde_json::from_str::<Rights>(r#"["admin"]"#).is_err());
    }

    #[test]
    fn every_right_has_a_bit_and_a_name_of_its_own() {
        let all: Rights = Right::ALL.into_iter().collect();
        assert_eq!(all.iter().count(), Right::ALL.len());
        for right in Right::ALL {
            assert_eq!(serde_json::to_string(&right).unwrap(), format!("{:?}", right.name()));
        }
    }
}
