//! Field maps: what a source's fields mean. Written by operators in TOML, read into types; unknown keys are errors.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::json::{Path, Tree};
use crate::problem::Problem;

/// How a source writes its records, whatever their fields mean: its connector says it.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The key below which all fields of a record stand, where there is one.
    pub envelope: Option<&'static str>,
    /// The lines of a value that is an object, such as a text with formats or an option with a name; none of one that says
    /// nothing.
    pub lines: fn(&Tree) -> Vec<String>,
}

impl Shape {
    /// Fields stand at the top, and objects say nothing by themselves.
    pub const PLAIN: Self = Self { envelope: None, lines: |_| Vec::new() };
}

/// What the fields of one connection's records mean.
#[derive(Debug, Clone)]
pub struct FieldMap {
    /// A CRM deal or a PSA milestone.
    pub kind: RecordKind,
    /// Canonical field to where it stands.
    pub(crate) fields: BTreeMap<String, Extract>,
    /// PSA: which statuses mean what.
    pub(crate) transitions: BTreeMap<String, Meaning>,
    /// PSA: the stem of an attached file's name counts as an artefact.
    pub(crate) evidence_attachments: bool,
    /// PSA: role by person, where no field says it.
    pub(crate) roles: BTreeMap<String, String>,
    /// How the records are written.
    pub(crate) shape: Shape,
}

/// What a record stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A CRM opportunity.
    Deal,
    /// A PSA issue that is one milestone.
    Milestone,
}

/// What reaching a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// The customer accepted.
    Accepted,
    /// The work is done; that alone bills nothing.
    Done,
    /// Nothing has happened yet that matters here.
    Open,
    /// The customer rejected.
    Rejected,
    /// The completion notice.
    Submitted,
}

/// Where a canonical field stands, and how its values translate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extract {
    pub(crate) path: Path,
    pub(crate) values: BTreeMap<String, String>,
    /// Of a day that the source has as an instant: in which time zone it is that day; `None`: as it is written.
    pub(crate) timezone: Option<TimeZone>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    record: RecordKind,
    fields: BTreeMap<String, toml::Value>,
    #[serde(default)]
    transitions: BTreeMap<String, Meaning>,
    #[serde(default)]
    evidence_attachments: bool,
    #[serde(default)]
    roles: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenField {
    path: String,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    timezone: Option<String>,
}

const DEAL_FIELDS: &[&str] = &[
    "contract",
    "stage",
    "amount",
    "currency",
    "customer",
    "payment_terms",
    "version",
    "customer_street",
    "customer_city",
    "customer_region",
    "customer_postal_code",
    "customer_country",
    "customer_email",
    "customer_tax_registration",
    "customer_payment_terms",
];
const MILESTONE_FIELDS: &[&str] = &[
    "contract",
    "milestone",
    "status",
    "amount",
    "window_days",
    "deemed",
    "completion",
    "evidence",
    "acceptance_document",
    "approver_role",
    "portion",
    "criteria",
    "attachments",
    "submitted_on",
    "accepted_on",
    "rejected_on",
    "evidence_on",
];

impl FieldMap {
    /// Reads a field map for records that are written in this shape.
    ///
    /// # Errors
    /// Every problem, each with its key and what to do.
    pub fn from_toml(text: &str, shape: Shape) -> Result<Self, Vec<Problem>> {
        let written: Written = toml::from_str(text).map_err(|error| {
            vec![Problem::new("(file)", error.to_string(), "see config/fieldmaps/README.md for the keys")]
        })?;
        let (known, needed): (&[&str], &[&str]) = match written.record {
            RecordKind::Deal => (DEAL_FIELDS, &["contract", "stage"]),
            RecordKind::Milestone => (MILESTONE_FIELDS, &["contract", "milestone", "status"]),
        };
        let (mut fields, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, value) in written.fields {
            if !known.contains(&name.as_str()) {
                problems.push(Problem::new(
                    format!("fields.{name}"),
                    "is not a known field",
                    format!("known are {}", known.join(", ")),
                ));
                continue;
            }
            match read_field(value) {
                Ok(extract) => {
                    fields.insert(name, extract);
                }
                Err(reason) => {
                    problems.push(Problem::new(format!("fields.{name}"), reason, "write a path such as status.name"))
                }
            }
        }
        for name in needed {
            if !fields.contains_key(*name) && !problems.iter().any(|problem| problem.place == format!("fields.{name}"))
            {
                problems.push(Problem::new(
                    format!("fields.{name}"),
                    "is missing",
                    "say where it stands in the record",
                ));
            }
        }
        if written.record == RecordKind::Milestone && written.transitions.is_empty() {
            problems.push(Problem::new(
                "transitions",
                "is missing",
                "say which status means submitted, accepted, rejected, done, open",
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            kind: written.record,
            fields,
            transitions: written.transitions,
            evidence_attachments: written.evidence_attachments,
            roles: written.roles,
            shape,
        })
    }

    /// Name of the source's field that a canonical field is read from.
    pub(crate) fn source_field<'a>(&self, extract: &'a Extract) -> &'a str {
        extract.path.field(self.shape.envelope)
    }

    /// Names of the source's fields that the map reads: a connector asks for these.
    pub fn source_fields(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.fields.values().map(|extract| self.source_field(extract).to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Paths that the map reads, as they were written.
    pub fn paths(&self) -> Vec<String> {
        self.fields.values().map(|extract| extract.path.as_str().to_owned()).collect()
    }

    /// Statuses that say that something happened on a day: the customer accepted or rejected, or the work was handed over.
    pub fn dated_statuses(&self) -> impl Iterator<Item = &str> {
        let dated = |meaning: &Meaning| matches!(meaning, Meaning::Accepted | Meaning::Rejected | Meaning::Submitted);
        self.transitions.iter().filter(move |(_, meaning)| dated(meaning)).map(|(status, _)| status.as_str())
    }

    /// Statuses that mean this.
    pub fn statuses_that_mean(&self, meaning: Meaning) -> impl Iterator<Item = &str> {
        self.transitions
            .iter()
            .filter(move |(_, transition)| **transition == meaning)
            .map(|(status, _)| status.as_str())
    }

    /// Statuses of which the map says what they mean.
    pub fn statuses(&self) -> impl Iterator<Item = &str> {
        self.transitions.keys().map(String::as_str)
    }

    /// Where a canonical field stands.
    pub fn path(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(|extract| extract.path.as_str())
    }
}

fn read_field(value: toml::Value) -> Result<Extract, String> {
    let written = match value {
        toml::Value::String(path) => WrittenField { path, values: BTreeMap::new(), timezone: None },
        table => table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?,
    };
    let zone =
        |name: &String| TimeZone::get(name).map_err(|_| format!("timezone {name:?} is none, such as Europe/Berlin"));
    let timezone = written.timezone.as_ref().map(zone).transpose()?;
    Ok(Extract { path: Path::parse(&written.path)?, values: written.values, timezone })
}
