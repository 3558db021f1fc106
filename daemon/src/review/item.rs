//! One thing that waits for a person: what, why, what to do, whose it is, and which acts there are.

use std::collections::BTreeMap;

use jiff::civil::Date;
use milestoned_mapping::command::{Command, Side};
use milestoned_mapping::contract::{Difference, Severity};
use milestoned_mapping::fact::{DecimalText, Leg, Shown};
use milestoned_mapping::money::{Money, grouped};
use milestoned_mapping::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::subject::Subject;
use super::verb::Verb;
use crate::store::described::{DifferenceBody, ProblemBody};
use crate::store::review::Mark;

/// An amount with its currency, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// Decimal text.
    pub amount: String,
    /// ISO 4217 code.
    pub currency: String,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { amount: money.to_string(), currency: money.currency().to_string() }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", grouped(&self.amount), self.currency)
    }
}

/// A record of a connection that shows what an item is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordName {
    /// Connection.
    pub system: String,
    /// The vendor's object type.
    pub object: String,
    /// The vendor's id.
    pub id: String,
    /// What people call it, where that is not its id: the key of an issue.
    pub name: Option<String>,
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {} {}", self.system, self.object, self.name.as_ref().unwrap_or(&self.id))
    }
}

/// Something that waits for a person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Item {
    /// What acts, assignments and notes name; stable for as long as it waits.
    #[schema(value_type = String, example = "exception:SOW-1:AMOUNT_MISMATCH:M1:crm")]
    pub subject: Subject,
    /// The first word of `subject`: `approval`, `exception`, `delivery`, …
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// What it is, in words: what the code of an exception means, a document and where it goes.
    pub title: String,
    /// Code of an exception, or kind of a drift.
    pub code: Option<String>,
    /// Contract, where one is concerned.
    pub contract: Option<String>,
    /// Its customer.
    pub customer: Option<String>,
    /// Connection of its ERP.
    pub erp: Option<String>,
    /// Milestone, where one is concerned.
    pub milestone: Option<String>,
    /// `crm`, `psa` or `erp`, where a leg disagrees.
    #[schema(value_type = Option<String>)]
    pub leg: Option<Leg>,
    /// `blocking`: it holds something back; `warning`: it only tells.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// Since when: a date of the contract's time zone, or of UTC where no contract is concerned.
    #[schema(value_type = Option<String>, format = Date)]
    pub since: Option<Date>,
    /// What it holds back.
    pub held: Option<Amount>,
    /// Where, why, and what to do.
    #[schema(value_type = ProblemBody)]
    pub problem: Problem,
    /// The values that differ.
    #[schema(value_type = Vec<DifferenceBody>)]
    pub values: Vec<Difference>,
    /// The records that show what was seen.
    pub records: Vec<RecordName>,
    /// What an approval would be of: it goes with the approval.
    #[schema(value_type = Option<ShownBody>)]
    pub shown: Option<Shown>,
    /// What people said of it.
    #[serde(flatten)]
    pub mark: Mark,
    /// Acts that apply to it.
    pub acts: Vec<Verb>,
}

impl Item {
    /// A thing that waits, of which nothing but this is known yet.
    pub(super) fn new(subject: Subject, title: impl Into<String>, severity: Severity, problem: Problem) -> Self {
        Self {
            kind: subject.kind(),
            acts: super::verb::offered(&subject),
            subject,
            title: title.into(),
            code: None,
            contract: None,
            customer: None,
            erp: None,
            milestone: None,
            leg: None,
            severity,
            since: None,
            held: None,
            problem,
            values: Vec::new(),
            records: Vec::new(),
            shown: None,
            mark: Mark::default(),
        }
    }

    /// What it is, with its code where it has one: `The amount differs from the agreement (AMOUNT_MISMATCH)`.
    pub fn title_and_code(&self) -> String {
        self.code.as_ref().map_or_else(|| self.title.clone(), |code| format!("{} ({code})", self.title))
    }

    /// What the reason says beyond the title, for who reads the two below each other; often nothing.
    pub fn particulars(&self) -> &str {
        let rest = self.problem.reason.strip_prefix(&self.title).unwrap_or(&self.problem.reason);
        rest.trim_start_matches([':', ' '])
    }

    /// Milestone and leg, as people read them: `M1, crm`.
    pub fn place(&self) -> String {
        let place = [self.milestone.clone(), self.leg.map(|leg| leg.to_string())];
        place.into_iter().flatten().collect::<Vec<String>>().join(", ")
    }

    /// Contract, milestone and leg, as people read them: `SOW-1 M1 crm`.
    pub fn place_in_full(&self) -> String {
        let place = [self.contract.clone(), self.milestone.clone(), self.leg.map(|leg| leg.to_string())];
        place.into_iter().flatten().collect::<Vec<String>>().join(" ")
    }

    /// What is offered about it, as the buttons call it: `Try again · Done by hand · Give up`.
    pub fn acts_in_words(&self) -> String {
        self.acts.iter().map(|verb| verb.button()).collect::<Vec<&str>>().join(" · ")
    }

    /// What an approval would be of, as a form carries it.
    pub fn shown_text(&self) -> String {
        self.shown.as_ref().and_then(|shown| serde_json::to_string(shown).ok()).unwrap_or_default()
    }

    /// Days since it began to wait.
    pub fn age(&self, today: &Date) -> i64 {
        days_since(self.since, today)
    }
}

/// Days since a date; 0 where there is none, or it is to come.
pub(super) fn days_since(since: Option<Date>, today: &Date) -> i64 {
    let days = since.map(|since| since.min(*today)).and_then(|since| since.until(*today).ok());
    days.map_or(0, |span| i64::from(span.get_days()))
}

/// What a reviewer was shown; an approval is of exactly this.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownBody {
    /// Amendment version of the contract.
    pub version: u32,
    /// The milestone's amount.
    pub amount: String,
    /// The contract's customer.
    pub customer: String,
    /// Digest of the terms that the invoice follows.
    pub terms: String,
    /// What the legs said, by leg and field.
    pub legs: Option<BTreeMap<String, String>>,
}

/// What a leg said, for people: an amount with its thousands apart.
pub(super) fn as_said(value: &str) -> String {
    if value.parse::<DecimalText>().is_ok() { grouped(value) } else { value.to_owned() }
}

/// The amount that a command writes: of a document its own, of a journal entry its debits.
pub(super) fn amount_of(command: &Command) -> Option<Amount> {
    match command {
        Command::CreditMemo(document) | Command::Invoice(document) => Some(document.amount.into()),
        Command::JournalEntry(entry) => {
            let debits: rust_decimal::Decimal =
                entry.lines.iter().filter(|line| line.side == Side::Debit).map(|line| line.amount.decimal()).sum();
            let currency = entry.lines.first()?.amount.currency();
            Some(Amount { amount: debits.to_string(), currency: currency.to_string() })
        }
        Command::AcceptanceRecord(_)
        | Command::BillingStatus(_)
        | Command::Customer { .. }
        | Command::InvoiceEmail(_)
        | Command::SalesOrder(_) => None,
    }
}
