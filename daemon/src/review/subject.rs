//! What an act is about: one name for everything that can wait for a person, stable for as long as it waits. Its text form
//! stands in addresses, on the command line and in the store.

use std::fmt;
use std::str::FromStr;

use milestoned_mapping::contract::Code;
use milestoned_mapping::drift::Kind;
use milestoned_mapping::fact::Leg;
use milestoned_mapping::problem::Problem;
use serde::{Serialize, Serializer};

use crate::store::pauses::Scope;

/// Something that waits, or may wait, for a person. Text in a field that is empty stands for none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The approval of a milestone's invoice.
    Approval {
        /// Contract.
        contract: String,
        /// Milestone.
        milestone: String,
    },
    /// The approval of a change order.
    ChangeOrder {
        /// Contract.
        contract: String,
        /// What tells it from others: a digest of all that it says.
        key: String,
    },
    /// Which record of an ERP a customer is, as one of two people has said it.
    Customer {
        /// Connection of the ERP.
        erp: String,
        /// The customer's name in the agreements.
        name: String,
    },
    /// A delivery, by its idempotency key.
    Delivery(String),
    /// Something in a remote that differs from what was delivered or accepted.
    Drift {
        /// Contract.
        contract: String,
        /// What kind of thing.
        kind: Kind,
        /// Document or entry number, or milestone; empty: the contract.
        subject: String,
    },
    /// An open exception of the rules.
    Exception {
        /// Contract.
        contract: String,
        /// Code.
        code: Code,
        /// Milestone, where it has one.
        milestone: Option<String>,
        /// Leg, where it has one.
        leg: Option<Leg>,
    },
    /// A credential of a connection that ends.
    Expiry {
        /// Connection.
        connection: String,
        /// Which credential.
        credential: String,
    },
    /// A fact that was refused, by its row.
    Fact(i64),
    /// A contract file, by its path.
    File(String),
    /// What a person has halted.
    Pause {
        /// A contract, a customer or a connection.
        scope: Scope,
        /// Which.
        name: String,
    },
    /// A source record that could not be understood, by its row.
    Record(i64),
    /// A contract that was filed with a former version, and that this one cannot read.
    SetAside(String),
    /// A stream that cannot be read.
    Stream {
        /// Connection.
        connection: String,
        /// Stream.
        stream: String,
    },
    /// A row or line of the database that is not as it was written, by its place.
    Unattested(String),
    /// A contract about which no decision can be made.
    Undecided(String),
    /// Deals and issues of contracts that nobody has filed, all of them together.
    Unfiled,
    /// A write that no poll has shown, by its idempotency key.
    Unseen(String),
}

/// What kinds of thing there are, each with the first word of its text form.
pub const KINDS: [&str; 17] = [
    "approval",
    "change_order",
    "customer",
    "delivery",
    "drift",
    "exception",
    "expiry",
    "fact",
    "file",
    "pause",
    "record",
    "set_aside",
    "stream",
    "unattested",
    "undecided",
    "unfiled",
    "unseen",
];

impl Subject {
    /// The first word of its text form.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Approval { .. } => "approval",
            Self::ChangeOrder { .. } => "change_order",
            Self::Customer { .. } => "customer",
            Self::Delivery(_) => "delivery",
            Self::Drift { .. } => "drift",
            Self::Exception { .. } => "exception",
            Self::Expiry { .. } => "expiry",
            Self::Fact(_) => "fact",
            Self::File(_) => "file",
            Self::Pause { .. } => "pause",
            Self::Record(_) => "record",
            Self::SetAside(_) => "set_aside",
            Self::Stream { .. } => "stream",
            Self::Unattested(_) => "unattested",
            Self::Undecided(_) => "undecided",
            Self::Unfiled => "unfiled",
            Self::Unseen(_) => "unseen",
        }
    }
}

impl Subject {
    /// The contract that its name says it belongs to.
    pub fn contract(&self) -> Option<&str> {
        match self {
            Self::Approval { contract, .. }
            | Self::ChangeOrder { contract, .. }
            | Self::Drift { contract, .. }
            | Self::Exception { contract, .. } => Some(contract),
            Self::Pause { scope: Scope::Contract, name } => Some(name),
            _ => None,
        }
    }
}

/// A field of the text form: what separates fields, and what encodes it, is encoded.
struct Field<'a>(&'a str);

impl fmt::Display for Field<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '%' => out.write_str("%25")?,
                ':' => out.write_str("%3A")?,
                other => write!(out, "{other}")?,
            }
        }
        Ok(())
    }
}

fn decoded(field: &str) -> String {
    field.replace("%3A", ":").replace("%25", "%")
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.kind())?;
        let mut field = |text: &str| write!(out, ":{}", Field(text));
        match self {
            Self::Approval { contract, milestone } => {
                field(contract)?;
                field(milestone)
            }
            Self::ChangeOrder { contract, key } => {
                field(contract)?;
                field(key)
            }
            Self::Customer { erp, name } => {
                field(erp)?;
                field(name)
            }
            Self::Delivery(key) | Self::Unseen(key) => field(key),
            Self::Drift { contract, kind, subject } => {
                field(contract)?;
                field(kind.name())?;
                field(subject)
            }
            Self::Exception { contract, code, milestone, leg } => {
                field(contract)?;
                field(code.name())?;
                field(milestone.as_deref().unwrap_or_default())?;
                field(&leg.map(|leg| leg.to_string()).unwrap_or_default())
            }
            Self::Expiry { connection, credential } => {
                field(connection)?;
                field(credential)
            }
            Self::Fact(row) | Self::Record(row) => field(&row.to_string()),
            Self::File(path) => field(path),
            Self::SetAside(contract) | Self::Undecided(contract) => field(contract),
            Self::Unattested(place) => field(place),
            Self::Pause { scope, name } => {
                field(scope.name())?;
                field(name)
            }
            Self::Stream { connection, stream } => {
                field(connection)?;
                field(stream)
            }
            Self::Unfiled => Ok(()),
        }
    }
}

impl FromStr for Subject {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let mut fields = text.split(':');
        let kind = fields.next().unwrap_or_default();
        let fields: Vec<String> = fields.map(decoded).collect();
        read(kind, &fields).ok_or_else(|| {
            Problem::new(
                "subject",
                format!("{text:?} names nothing that can wait for a person"),
                "write it as `milestoned status` or GET /v1/queue names it, such as record:12 or \
                 exception:SOW-1:AMOUNT_MISMATCH:M1:crm",
            )
        })
    }
}

/// A leg by its word.
pub fn leg(word: &str) -> Option<Leg> {
    [Leg::Agreement, Leg::Crm, Leg::Psa, Leg::Erp].into_iter().find(|leg| leg.to_string() == word)
}

fn read(kind: &str, fields: &[String]) -> Option<Subject> {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Some(match (kind, fields) {
        ("approval", [contract, milestone]) => {
            Subject::Approval { contract: text(contract)?, milestone: text(milestone)? }
        }
        ("change_order", [contract, key]) => Subject::ChangeOrder { contract: text(contract)?, key: text(key)? },
        ("customer", [erp, name]) => Subject::Customer { erp: text(erp)?, name: text(name)? },
        ("delivery", [key]) => Subject::Delivery(text(key)?),
        ("drift", [contract, kind, subject]) => {
            Subject::Drift { contract: text(contract)?, kind: Kind::named(kind)?, subject: subject.clone() }
        }
        ("exception", [contract, code, milestone, word]) => Subject::Exception {
            contract: text(contract)?,
            code: Code::named(code)?,
            milestone: text(milestone),
            leg: if word.is_empty() { None } else { Some(leg(word)?) },
        },
        ("expiry", [connection, credential]) => {
            Subject::Expiry { connection: text(connection)?, credential: text(credential)? }
        }
        ("fact", [row]) => Subject::Fact(row.parse().ok()?),
        ("file", [path]) => Subject::File(text(path)?),
        ("pause", [scope, name]) => Subject::Pause { scope: Scope::named(scope)?, name: text(name)? },
        ("record", [row]) => Subject::Record(row.parse().ok()?),
        ("set_aside", [contract]) => Subject::SetAside(text(contract)?),
        ("stream", [connection, stream]) => Subject::Stream { connection: text(connection)?, stream: text(stream)? },
        ("unattested", [place]) => Subject::Unattested(text(place)?),
        ("undecided", [contract]) => Subject::Undecided(text(contract)?),
        ("unfiled", []) => Subject::Unfiled,
        ("unseen", [key]) => Subject::Unseen(text(key)?),
        _ => return None,
    })
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject() -> impl Strategy<Value = Subject> {
        let text = || "\\PC{1,12}|[:%/]{1,4}|3A|%3A";
        let code = prop::sample::select(Code::ALL);
        let leg = prop::option::of(prop::sample::select(vec![Leg::Agreement, Leg::Crm, Leg::Psa, Leg::Erp]));
        prop_oneof![
            (text(), text()).prop_map(|(contract, milestone)| Subject::Approval { contract, milestone }),
            (text(), text()).prop_map(|(contract, key)| Subject::ChangeOrder { contract, key }),
            (text(), text()).prop_map(|(erp, name)| Subject::Customer { erp, name }),
            text().prop_map(Subject::Delivery),
            (text(), prop::sample::select(Kind::ALL), prop_oneof![Just(String::new()), text().prop_map(Into::into)])
                .prop_map(|(contract, kind, subject)| Subject::Drift { contract, kind, subject }),
            (text(), code, prop::option::of(text()), leg)
                .prop_map(|(contract, code, milestone, leg)| Subject::Exception { contract, code, milestone, leg }),
            (text(), text()).prop_map(|(connection, credential)| Subject::Expiry { connection, credential }),
            any::<i64>().prop_map(Subject::Fact),
            text().prop_map(Subject::File),
            (prop::sample::select(Scope::ALL), text()).prop_map(|(scope, name)| Subject::Pause { scope, name }),
            any::<i64>().prop_map(Subject::Record),
            text().prop_map(Subject::SetAside),
            (text(), text()).prop_map(|(connection, stream)| Subject::Stream { connection, stream }),
            text().prop_map(Subject::Unattested),
            text().prop_map(Subject::Undecided),
            Just(Subject::Unfiled),
            text().prop_map(Subject::Unseen),
        ]
    }

    proptest! {
        #[test]
        fn a_subject_is_read_back_from_its_text(subject in subject()) {
            let text = subject.to_string();
            prop_assert_eq!(text.parse::<Subject>(), Ok(subject.clone()));
            prop_assert_eq!(text.split(':').next(), Some(subject.kind()));
            prop_assert!(KINDS.contains(&subject.kind()));
        }
    }

    #[test]
    fn what_names_nothing_is_refused_with_an_example() {
        for text in ["", "record", "record:x", "parked:1", "exception:SOW-1:NOPE::", "approval:SOW-1:", "unfiled:x"] {
            let problem = text.parse::<Subject>().unwrap_err();
            assert!(problem.remedy.contains("record:12"), "{text}: {problem}");
        }
    }
}
