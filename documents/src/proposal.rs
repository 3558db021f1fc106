//! What is proposed: terms whose every value bears its quote and place, and the findings.

use core::ops::Range;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::amendment::Change;
use crate::block::{Format, Place, Quote};
use crate::flow::Flow;
use crate::model::Exchange;

/// Why a field is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The documents do not say it.
    NotFound,
    /// It was taken out of the document.
    Redacted,
    /// A place is left for it and not filled in.
    Blank,
    /// It is to be agreed.
    ToBeDetermined,
    /// It can be read in two ways.
    Ambiguous,
    /// It is written in a way that is not understood.
    Unreadable,
}

/// A value with the words it was read from; or none, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The value, in the form that terms have.
    pub value: Option<String>,
    /// The words, one quote for each part that stands together.
    pub quotes: Vec<Quote>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

impl Default for Field {
    fn default() -> Self {
        Self { value: None, quotes: Vec::new(), why: Some(Why::NotFound) }
    }
}

impl Field {
    /// A value that is read from a range.
    pub(crate) fn read(flow: &Flow<'_>, value: impl Into<String>, range: Range<usize>) -> Self {
        Self { value: Some(value.into()), quotes: flow.quotes(range), why: None }
    }

    /// The words themselves.
    pub(crate) fn words(flow: &Flow<'_>, range: Range<usize>) -> Self {
        Self::read(flow, flow.words(range.clone()), range)
    }

    /// No value, though something stands there.
    pub(crate) fn empty(flow: &Flow<'_>, why: Why, range: Range<usize>) -> Self {
        Self { value: None, quotes: flow.quotes(range), why: Some(why) }
    }

    /// The value as a number.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        self.value.as_ref()?.parse().ok()
    }

    /// The first place that it was read from.
    #[must_use]
    pub fn place(&self) -> Place {
        self.quotes.first().map(|quote| quote.place).unwrap_or_default()
    }
}

/// How sure a row's amount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountKind {
    /// An amount.
    Fixed,
    /// At most so much.
    UpTo,
    /// An estimate.
    Estimate,
    /// What the others leave of the price.
    Balance,
}

/// One row of a payment schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// Its number or label in the document; empty where it has none.
    pub id: Field,
    /// Short name, in the document's words.
    pub name: Field,
    /// What it is, in the document's words.
    pub description: Field,
    /// Amount, in units of the currency.
    pub amount: Field,
    /// Percent.
    pub percent: Field,
    /// What the percent is of.
    pub percent_of: Field,
    /// How sure the amount is.
    pub kind: AmountKind,
    /// The amount comes again each month, quarter and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// When, as it is written: `Week 6`, `Paid`, `upon acceptance`.
    pub due: Field,
    /// When, as a date or month.
    pub date: Field,
    /// What must have happened.
    pub trigger: Field,
    /// Days after it within which payment is due.
    pub within: Field,
    /// Documents that show it.
    pub evidence: Vec<Field>,
    /// Who accepts.
    pub approver: Field,
    /// Rows that must come first.
    pub depends_on: Vec<Field>,
    /// `first_of` or `last_of`, where several conditions are named.
    pub conditions: Field,
    /// Where the row stands.
    pub place: Place,
}

/// A payment schedule that is not the one proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSchedule {
    /// Where it stands.
    pub place: Place,
    /// Its rows.
    pub milestones: Vec<Milestone>,
}

/// How an acceptance clause works.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AcceptanceClause {
    /// How long it may take to accept or reject: `10 business days`.
    pub window: Field,
    /// Silence is acceptance.
    pub deemed: Field,
    /// How long a correction may take.
    pub cure: Field,
    /// Who decides in a dispute whether a milestone was reached.
    pub decided_by: Field,
}

/// One rule on retained amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainageRule {
    /// Percent.
    pub percent: Field,
    /// `retain`, `release` or `hold` (what a list of unfinished work may still keep).
    pub what: String,
    /// The words of the rule.
    pub rule: Field,
}

/// What an amendment changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amends {
    /// The contract that is amended: its number, or its date and parties in the document's words.
    pub contract: Field,
    /// Its date.
    pub dated: Field,
    /// Clauses that are replaced, deleted or added, in the document's words.
    pub clauses: Vec<Field>,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// The terms cannot be right as they stand.
    Error,
    /// A person must look.
    Warning,
    /// Good to know.
    Note,
}

/// Something that is wrong, missing or unusual in the documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Code, such as `sum_is_not_total`.
    pub code: String,
    /// How grave.
    pub gravity: Gravity,
    /// One sentence with the values.
    pub message: String,
    /// What it is about, each with its place.
    pub quotes: Vec<Quote>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRead {
    /// Name, without folders.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What it was read as.
    pub format: Format,
    /// Pages, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
}

/// Terms to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Version of the reader.
    pub reader: String,
    /// What was read.
    pub files: Vec<FileRead>,
    /// What is wrong, missing or unusual; the gravest first.
    pub findings: Vec<Finding>,
    /// Number of the contract or statement of work.
    pub id: Field,
    /// Who pays.
    pub customer: Field,
    /// Who performs.
    pub supplier: Field,
    /// ISO 4217 code.
    pub currency: Field,
    /// Price.
    pub total: Field,
    /// Most that may be billed.
    pub cap: Field,
    /// Date of the agreement.
    pub signed_on: Field,
    /// `net 30`, `due on receipt`.
    pub payment_terms: Field,
    /// Purchase order.
    pub po_number: Field,
    /// Acceptance.
    pub acceptance: AcceptanceClause,
    /// Retained amounts.
    pub retainage: Vec<RetainageRule>,
    /// What it amends, where it is an amendment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Amends>,
    /// Milestones.
    pub milestones: Vec<Milestone>,
    /// Payment schedules that stand in the documents beside the one that is proposed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_schedules: Vec<OtherSchedule>,
    /// What it does to the contract that it amends, where that was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Id of the contract that it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amended_contract: Option<String>,
    /// What a model was asked and answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Exchange>,
}
