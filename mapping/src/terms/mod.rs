//! Contract terms, section 2 of the billing rules: read from a tree, every problem at once.

mod milestone;
mod obligation;
mod payment;
mod schedule;
mod trigger;

use core::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, tz::TimeZoneDatabase};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calendar::Calendars;
use crate::events::read_past;
use crate::fact::Past;
use crate::filed::{json_tree, toml_tree};
use crate::money::{Currency, Minor, Money};
use crate::problem::Problem;
use crate::reader::Reader;
use crate::schema::FileKind;

pub(crate) use milestone::{Completion, InvoiceRule, MilestoneTerms};
pub(crate) use obligation::{Method, Obligation};
pub use payment::PaymentTerms;
pub(crate) use payment::plus_days;
pub(crate) use schedule::{cycle, fit_together, numbered_like};
pub(crate) use trigger::{Condition, ITSELF, Trigger};

/// The terms of one contract. Amounts are in the contract's currency, dates in its time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) currency: Currency,
    pub(crate) total: Minor,
    pub(crate) cap: Option<Minor>,
    pub(crate) signed_on: Date,
    pub(crate) timezone: String,
    pub(crate) calendar: String,
    pub(crate) po_number: Option<String>,
    pub(crate) payment_terms: PaymentTerms,
    pub(crate) due_from_acceptance: bool,
    pub(crate) billing_cycle_day: i8,
    pub(crate) partial_acceptance: bool,
    pub(crate) version: u32,
    pub(crate) acceptance: Acceptance,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) milestones: Vec<MilestoneTerms>,
    /// What is kept back of each invoice, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retainage: Option<Retainage>,
    /// What is dated earlier was booked by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) books_from: Option<Date>,
    /// What happened before the contract came here, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<Past>,
}

/// What is kept back of each invoice until a milestone is accepted, section 13.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retainage {
    pub(crate) percent: Decimal,
    pub(crate) release: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acceptance {
    pub(crate) window_days: u32,
    pub(crate) deemed: bool,
    pub(crate) cure_days: u32,
    pub(crate) reevaluation_days: u32,
    pub(crate) max_cures: u32,
    pub(crate) fallback_after_days: u32,
}

/// Every problem of a filed contract, each at the path of its field, such as `milestones[2].amount`; displays one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsErrors(pub Vec<Problem>);

impl fmt::Display for TermsErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(out, "{line}{}", problem.said())?;
        }
        Ok(())
    }
}

impl core::error::Error for TermsErrors {}

impl Terms {
    /// Contract id.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// Customer's name.
    pub fn customer(&self) -> &str {
        &self.customer
    }
    /// Currency of every amount.
    pub fn currency(&self) -> Currency {
        self.currency
    }
    /// Name of the holiday calendar.
    pub fn calendar(&self) -> &str {
        &self.calendar
    }
    /// Customer's purchase order.
    pub fn po_number(&self) -> Option<&str> {
        self.po_number.as_deref()
    }
    /// Date of signature.
    pub fn signed_on(&self) -> Date {
        self.signed_on
    }
    /// First date of the books, where others booked what is dated earlier.
    pub fn books_from(&self) -> Option<Date> {
        self.books_from
    }
    /// Payment terms as they are written.
    pub fn payment_terms_text(&self) -> String {
        self.payment_terms.to_string()
    }
    /// The date of an instant in the contract's time zone.
    pub fn local_date(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone()).date()
    }
    /// The instant at which a date begins in the contract's time zone.
    pub fn start_of(&self, day: Date) -> Timestamp {
        day.to_zoned(self.zone())
            .and_then(|zoned| zoned.start_of_day())
            .map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// The instant of a date and time of day in the contract's time zone.
    pub fn instant_of(&self, at: DateTime) -> Option<Timestamp> {
        at.to_zoned(self.zone()).ok().map(|zoned| zoned.timestamp())
    }

    /// Its time zone, from the bundled database: the same answer on every machine. The name was checked when the terms were read.
    pub fn zone(&self) -> TimeZone {
        TimeZoneDatabase::bundled().get(&self.timezone).unwrap_or(TimeZone::UTC)
    }

    pub(crate) fn money(&self, minor: Minor) -> Money {
        self.currency.money(minor)
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_toml(text: &str, calendars: &Calendars) -> Result<Self, TermsErrors> {
        Self::from_value(toml_tree(text).map_err(unreadable)?, calendars)
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_json(text: &str, calendars: &Calendars) -> Result<Self, TermsErrors> {
        Self::from_value(json_tree(text).map_err(unreadable)?, calendars)
    }

    /// Reads a tree.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_value(value: Value, calendars: &Calendars) -> Result<Self, TermsErrors> {
        let mut problems = Vec::new();
        let Some(mut reader) = Reader::new(value, String::new(), FileKind::Terms, &mut problems) else {
            return Err(TermsErrors(problems));
        };
        let terms = read_terms(&mut reader, calendars);
        reader.finish();
        match terms {
            Some(terms) if problems.is_empty() => Ok(terms),
            _ => Err(TermsErrors(problems)),
        }
    }
}

fn unreadable(reason: String) -> TermsErrors {
    TermsErrors(vec![FileKind::Terms.problem("(file)", reason)])
}

fn read_terms(reader: &mut Reader<'_>, calendars: &Calendars) -> Option<Terms> {
    let id = reader.required_text("id");
    let customer = reader.required_text("customer");
    let currency = read_currency(reader);
    let money = currency.unwrap_or_else(fallback_currency);
    if !reader.has("total") {
        reader.wrong("total", "is missing");
    }
    let total = reader.amount("total", money);
    let cap = reader.amount("cap", money);
    if !reader.has("signed_on") {
        reader.wrong("signed_on", "is missing");
    }
    let signed_on = reader.date("signed_on");
    let timezone = read_zone(reader);
    let calendar = reader.text("calendar").unwrap_or_else(|| "weekends".into());
    if calendars.get(&calendar).is_none() {
        reader.wrong("calendar", format!("{calendar:?} is none of {}", calendars.names().join(", ")));
    }
    let payment_terms = reader.parsed("payment_terms").unwrap_or(PaymentTerms::Net(30));
    let due_from_acceptance = reader.choice("payment_terms_from", &[("invoice", false), ("acceptance", true)], false);
    let cycle_day = reader.count("billing_cycle_day").unwrap_or(1);
    if !(1..=31).contains(&cycle_day) {
        reader.wrong("billing_cycle_day", "must be from 1 to 31");
    }
    let version = reader.count("version").unwrap_or(1);
    let po_number = reader.text("po_number");
    let partial_acceptance = reader.flag("partial_acceptance", false);
    let acceptance = Acceptance::read(reader, Acceptance::default());
    let retainage = read_retainage(reader);
    let books_from = reader.date("books_from");
    let history = read_history(reader);
    let obligations = reader.tables("obligations", |reader| Obligation::read(reader, money));
    let schedule = reader.tables("milestones", |reader| MilestoneTerms::read(reader, money, true));
    schedule::check_obligations(reader, &obligations);
    schedule::check_milestones(reader, &schedule, &obligations);
    schedule::check_retainage(reader, &schedule, retainage.as_ref());
    let obligations: Vec<Obligation> = obligations.into_iter().flatten().collect();
    let mut schedule: Vec<(MilestoneTerms, Option<Decimal>)> = schedule.into_iter().flatten().collect();
    schedule::resolve_percents(reader, &mut schedule, total.unwrap_or_default());
    if !schedule::fit_together(schedule.iter().map(|(milestone, _)| milestone)) {
        reader.wrong("milestones", "the amounts sum to more than can be counted in minor units");
    }
    Some(Terms {
        id: id?,
        customer: customer?,
        currency: currency?,
        total: total?,
        cap,
        signed_on: signed_on?,
        timezone,
        calendar,
        po_number,
        payment_terms,
        due_from_acceptance,
        billing_cycle_day: i8::try_from(cycle_day).unwrap_or(1),
        partial_acceptance,
        version,
        acceptance,
        obligations,
        milestones: schedule.into_iter().map(|(milestone, _)| milestone).collect(),
        retainage: retainage.flatten(),
        books_from,
        history,
    })
}

fn fallback_currency() -> Currency {
    // Only to go on reading after an unknown currency, so that every problem is named at once.
    Currency::USD
}

fn read_currency(reader: &mut Reader<'_>) -> Option<Currency> {
    let code = reader.required_text("currency")?;
    match code.parse() {
        Ok(currency) => Some(currency),
        Err(error) => {
            reader.wrong("currency", format!("{error}"));
            None
        }
    }
}

fn read_zone(reader: &mut Reader<'_>) -> String {
    let name = reader.text("timezone").unwrap_or_else(|| "UTC".into());
    if TimeZoneDatabase::bundled().get(&name).is_err() {
        reader.wrong("timezone", format!("{name:?} is no time zone such as America/New_York"));
    }
    name
}

/// `None`: there is none; `Some(None)`: there is one that could not be read.
fn read_retainage(reader: &mut Reader<'_>) -> Option<Option<Retainage>> {
    let value = reader.take("retainage")?;
    let path = reader.path_of("retainage");
    let Some(mut table) = reader.inner(value, path) else { return Some(None) };
    if !table.has("percent") {
        table.wrong("percent", "is missing");
    }
    let percent = milestone::read_retainage_percent(&mut table, "percent");
    if percent.is_some_and(|percent| percent.is_zero()) {
        table.wrong("percent", "must be more than 0");
    }
    let release = table.required_text("release");
    table.finish();
    Some(percent.zip(release).map(|(percent, release)| Retainage { percent, release }))
}

fn read_history(reader: &mut Reader<'_>) -> Vec<Past> {
    let path = reader.path_of("history");
    let items = match reader.take("history") {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => {
            reader.wrong("history", "must be a list of tables");
            return Vec::new();
        }
    };
    let mut history = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match read_past(item, &format!("{path}[{index}]")) {
            Ok(past) => history.push(past),
            Err(problem) => reader.problems.push(problem),
        }
    }
    history
}

impl Default for Acceptance {
    fn default() -> Self {
        Self {
            window_days: 10,
            deemed: false,
            cure_days: 15,
            reevaluation_days: 5,
            max_cures: 2,
            fallback_after_days: 5,
        }
    }
}

impl Acceptance {
    /// Reads the table; what it does not name is as before.
    pub(crate) fn read(reader: &mut Reader<'_>, before: Self) -> Self {
        let Some(value) = reader.take("acceptance") else { return before };
        let path = reader.path_of("acceptance");
        let Some(mut table) = reader.inner(value, path) else { return before };
        let acceptance = Self {
            window_days: table.count("window_days").unwrap_or(before.window_days),
            deemed: table.flag("deemed", before.deemed),
            cure_days: table.count("cure_days").unwrap_or(before.cure_days),
            reevaluation_days: table.count("reevaluation_days").unwrap_or(before.reevaluation_days),
            max_cures: table.count("max_cures").unwrap_or(before.max_cures),
            fallback_after_days: table.count("fallback_after_days").unwrap_or(before.fallback_after_days),
        };
        table.finish();
        acceptance
    }
}
