//! Contract terms, section 2 of the billing rules: read from a tree, every problem at once.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, tz::TimeZoneDatabase};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calendar::Calendars;
use crate::filed::{json_tree, toml_tree};
use crate::money::{Currency, Money};
use crate::reader::Reader;
use crate::split::largest_remainder;

/// The terms of one contract. Amounts are in the contract's currency, dates in its time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) currency: Currency,
    pub(crate) total: i64,
    pub(crate) cap: Option<i64>,
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
}

/// When an invoice is to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentTerms {
    /// On the invoice's date.
    DueOnReceipt,
    /// This many calendar days later.
    Net(u32),
}

impl fmt::Display for PaymentTerms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DueOnReceipt => out.write_str("due on receipt"),
            Self::Net(days) => write!(out, "net {days}"),
        }
    }
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Obligation {
    pub(crate) id: String,
    pub(crate) ssp: i64,
    pub(crate) method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method {
    CostToCost {
        /// Decimals of a percent to which progress is rounded before use; `None`: exact.
        progress_decimals: Option<u32>,
    },
    Output,
    PointInTime,
    TimeElapsed {
        start: Date,
        end: Date,
    },
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CostToCost { .. } => "cost_to_cost",
            Self::Output => "output",
            Self::PointInTime => "point_in_time",
            Self::TimeElapsed { .. } => "time_elapsed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MilestoneTerms {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) amount: i64,
    pub(crate) billable: bool,
    pub(crate) advance: bool,
    pub(crate) completion: Completion,
    pub(crate) trigger: Trigger,
    pub(crate) invoice: InvoiceRule,
    pub(crate) approver: Option<String>,
    pub(crate) fallback_approver: Option<String>,
    pub(crate) evidence: BTreeSet<String>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) obligation: Option<String>,
    pub(crate) window_days: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Completion {
    CustomerSignoff,
    ExternalEvent,
    VendorDeclaration,
}

impl Completion {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CustomerSignoff => "customer_signoff",
            Self::ExternalEvent => "external_event",
            Self::VendorDeclaration => "vendor_declaration",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trigger {
    Acceptance,
    Date(Date),
    Usage { metric: String, threshold: Decimal },
    WorkflowApproval,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InvoiceRule {
    NextCycle,
    OnCompletion,
    WithinDays(u32),
}

impl InvoiceRule {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NextCycle => "next_cycle",
            Self::OnCompletion => "on_completion",
            Self::WithinDays(_) => "within_days",
        }
    }
}

/// One problem of a filed contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsProblem {
    /// Path of the field, such as `milestones[2].amount`.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

/// Every problem of a filed contract; displays one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsErrors(pub Vec<TermsProblem>);

impl fmt::Display for TermsErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(out, "{line}{}: {}", problem.field, problem.reason)?;
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
    /// `net N` or `due on receipt`.
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

    /// The bundled database: the same answer on every machine. The name was checked when the terms were read.
    fn zone(&self) -> TimeZone {
        TimeZoneDatabase::bundled().get(&self.timezone).unwrap_or(TimeZone::UTC)
    }

    pub(crate) fn money(&self, minor: i64) -> Money {
        self.currency.minor(minor)
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
        let Some(mut reader) = Reader::new(value, String::new(), &mut problems) else {
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
    TermsErrors(vec![TermsProblem { field: "(file)".into(), reason }])
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
    let payment_terms = read_payment_terms(reader);
    let due_from_acceptance = reader.choice("payment_terms_from", &[("invoice", false), ("acceptance", true)], false);
    let cycle_day = reader.count("billing_cycle_day").unwrap_or(1);
    if !(1..=31).contains(&cycle_day) {
        reader.wrong("billing_cycle_day", "must be from 1 to 31");
    }
    let version = reader.count("version").unwrap_or(1);
    let po_number = reader.text("po_number");
    let partial_acceptance = reader.flag("partial_acceptance", false);
    let acceptance = read_acceptance(reader);
    let obligations = reader.tables("obligations", |reader| read_obligation(reader, money));
    let schedule = reader.tables("milestones", |reader| read_milestone(reader, money, true));
    check_obligations(reader, &obligations);
    check_milestones(reader, &schedule, &obligations);
    let obligations: Vec<Obligation> = obligations.into_iter().flatten().collect();
    let mut schedule: Vec<(MilestoneTerms, Option<Decimal>)> = schedule.into_iter().flatten().collect();
    resolve_percents(reader, &mut schedule, total.unwrap_or(0));
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

fn read_payment_terms(reader: &mut Reader<'_>) -> PaymentTerms {
    let Some(text) = reader.text("payment_terms") else { return PaymentTerms::Net(30) };
    if text == "due on receipt" {
        return PaymentTerms::DueOnReceipt;
    }
    match text.strip_prefix("net ").and_then(whole_number).filter(|days| *days <= 3650) {
        Some(days) => PaymentTerms::Net(days),
        None => {
            reader.wrong("payment_terms", format!("{text:?} is neither \"net N\" nor \"due on receipt\""));
            PaymentTerms::Net(30)
        }
    }
}

/// Digits only, as they are written back: neither a sign nor leading zeros.
fn whole_number(digits: &str) -> Option<u32> {
    digits.parse::<u32>().ok().filter(|number| number.to_string() == digits)
}

fn read_acceptance(reader: &mut Reader<'_>) -> Acceptance {
    let defaults = Acceptance {
        window_days: 10,
        deemed: false,
        cure_days: 15,
        reevaluation_days: 5,
        max_cures: 2,
        fallback_after_days: 5,
    };
    let Some(value) = reader.take("acceptance") else { return defaults };
    let place = reader.place("acceptance");
    let Some(mut table) = Reader::new(value, place, reader.problems) else { return defaults };
    let acceptance = Acceptance {
        window_days: table.count("window_days").unwrap_or(defaults.window_days),
        deemed: table.flag("deemed", defaults.deemed),
        cure_days: table.count("cure_days").unwrap_or(defaults.cure_days),
        reevaluation_days: table.count("reevaluation_days").unwrap_or(defaults.reevaluation_days),
        max_cures: table.count("max_cures").unwrap_or(defaults.max_cures),
        fallback_after_days: table.count("fallback_after_days").unwrap_or(defaults.fallback_after_days),
    };
    table.finish();
    acceptance
}

fn read_obligation(reader: &mut Reader<'_>, currency: Currency) -> Option<Obligation> {
    let id = reader.required_text("id");
    if !reader.has("ssp") {
        reader.wrong("ssp", "is missing");
    }
    let ssp = reader.amount("ssp", currency);
    let kind = reader.required_text("method");
    let (start, end) = (reader.date("start"), reader.date("end"));
    let progress_decimals = reader.count("progress_decimals");
    if progress_decimals.is_some_and(|decimals| decimals > 9) {
        reader.wrong("progress_decimals", "must be from 0 to 9");
    }
    let kind = kind?;
    let method = match (kind.as_str(), start, end) {
        ("output", _, _) => Method::Output,
        ("point_in_time", _, _) => Method::PointInTime,
        ("cost_to_cost", _, _) => Method::CostToCost { progress_decimals },
        ("time_elapsed", Some(start), Some(end)) if start <= end => Method::TimeElapsed { start, end },
        ("time_elapsed", Some(_), Some(_)) => {
            reader.wrong("end", "is before start");
            return None;
        }
        ("time_elapsed", _, _) => {
            reader.wrong("start", "time_elapsed needs start and end");
            return None;
        }
        _ => {
            reader.wrong("method", format!("{kind:?} is none of point_in_time, output, cost_to_cost, time_elapsed"));
            return None;
        }
    };
    Some(Obligation { id: id?, ssp: ssp?, method })
}

/// Reads a milestone and its percent. `billing`: amount or percent are required where it is billable.
pub(crate) fn read_milestone(
    reader: &mut Reader<'_>,
    currency: Currency,
    percents: bool,
) -> Option<(MilestoneTerms, Option<Decimal>)> {
    let id = reader.required_text("id");
    let name = reader.required_text("name");
    let billable = reader.flag("billable", true);
    let percent = if percents { reader.decimal("percent") } else { None };
    if percent.is_some_and(|percent| percent < Decimal::ZERO) {
        reader.wrong("percent", "is negative");
    }
    let given = reader.amount("amount", currency);
    match (billable, given, percent) {
        (true, None, None) if !reader.problems.iter().any(|one| one.field.starts_with(&reader.path)) => {
            reader.wrong("amount", "is missing");
        }
        (_, Some(_), Some(_)) => reader.wrong("percent", "amount and percent may not be mixed"),
        _ => {}
    }
    let milestone = MilestoneTerms {
        description: reader.text("description"),
        // A milestone that is not billable counts 0.
        amount: if billable { given.unwrap_or(0) } else { 0 },
        billable,
        advance: reader.choice("timing", &[("arrears", false), ("advance", true)], false),
        completion: reader.choice("completion", &COMPLETIONS, Completion::CustomerSignoff),
        trigger: read_trigger(reader),
        invoice: read_invoice_rule(reader),
        approver: reader.text("approver"),
        fallback_approver: reader.text("fallback_approver"),
        evidence: reader.texts("evidence").into_iter().collect(),
        depends_on: reader.texts("depends_on"),
        obligation: reader.text("obligation"),
        window_days: reader.count("window_days"),
        id: id?,
        name: name?,
    };
    Some((milestone, percent))
}

pub(crate) const COMPLETIONS: [(&str, Completion); 3] = [
    ("customer_signoff", Completion::CustomerSignoff),
    ("external_event", Completion::ExternalEvent),
    ("vendor_declaration", Completion::VendorDeclaration),
];

pub(crate) fn read_trigger(reader: &mut Reader<'_>) -> Trigger {
    let kind = reader.text("trigger").unwrap_or_else(|| "acceptance".into());
    let (date, metric, threshold) =
        (reader.date("trigger_date"), reader.text("usage_metric"), reader.decimal("usage_threshold"));
    match (kind.as_str(), date, metric, threshold) {
        ("acceptance", ..) => Trigger::Acceptance,
        ("workflow_approval", ..) => Trigger::WorkflowApproval,
        ("date", Some(date), ..) => Trigger::Date(date),
        ("date", None, ..) => {
            reader.wrong("trigger_date", "is missing: trigger \"date\" needs it");
            Trigger::Acceptance
        }
        ("usage", _, Some(metric), Some(threshold)) => Trigger::Usage { metric, threshold },
        ("usage", ..) => {
            reader.wrong("usage_threshold", "trigger \"usage\" needs usage_metric and usage_threshold");
            Trigger::Acceptance
        }
        _ => {
            reader.wrong("trigger", format!("{kind:?} is none of acceptance, date, usage, workflow_approval"));
            Trigger::Acceptance
        }
    }
}

pub(crate) fn read_invoice_rule(reader: &mut Reader<'_>) -> InvoiceRule {
    let kind = reader.text("invoice").unwrap_or_else(|| "on_completion".into());
    let days = reader.count("invoice_within_days");
    match (kind.as_str(), days) {
        ("on_completion", _) => InvoiceRule::OnCompletion,
        ("next_cycle", _) => InvoiceRule::NextCycle,
        ("within_days", Some(days)) => InvoiceRule::WithinDays(days),
        ("within_days", None) => {
            reader.wrong("invoice_within_days", "is missing: invoice \"within_days\" needs it");
            InvoiceRule::OnCompletion
        }
        _ => {
            reader.wrong("invoice", format!("{kind:?} is none of on_completion, within_days, next_cycle"));
            InvoiceRule::OnCompletion
        }
    }
}

fn check_obligations(reader: &mut Reader<'_>, obligations: &[Option<Obligation>]) {
    let mut seen = BTreeSet::new();
    let known = || obligations.iter().enumerate().filter_map(|(index, one)| Some((index, one.as_ref()?)));
    for (index, obligation) in known() {
        if !seen.insert(&obligation.id) {
            reader.wrong(&format!("obligations[{index}].id"), format!("{:?} is there twice", obligation.id));
        }
    }
    // Of one that could not be read its own problem is told.
    if !obligations.is_empty() && obligations.iter().all(|one| one.as_ref().is_some_and(|one| one.ssp == 0)) {
        reader.wrong("obligations", "at least one standalone selling price must be above 0");
    }
}

fn check_milestones(
    reader: &mut Reader<'_>,
    schedule: &[Option<(MilestoneTerms, Option<Decimal>)>],
    obligations: &[Option<Obligation>],
) {
    if schedule.is_empty() && !reader.problems.iter().any(|problem| problem.field.starts_with("milestones")) {
        reader.wrong("milestones", "at least one milestone is needed");
    }
    let known = || schedule.iter().enumerate().filter_map(|(index, one)| Some((index, &one.as_ref()?.0)));
    let ids: BTreeSet<&str> = known().map(|(_, milestone)| milestone.id.as_str()).collect();
    // One that could not be read may be what another waits for, or belongs to: its own problem is told instead.
    let whole = schedule.iter().all(Option::is_some);
    let all_priced = obligations.iter().all(Option::is_some);
    let mut seen = BTreeSet::new();
    for (index, milestone) in known() {
        let place = |field: &str| format!("milestones[{index}].{field}");
        if !seen.insert(milestone.id.as_str()) {
            reader.wrong(&place("id"), format!("{:?} is there twice", milestone.id));
        }
        if let Some(other) = numbered_like(&milestone.id, |id| ids.contains(id)) {
            let reason = format!("{:?} would number its invoice like a correction of {other:?}'s", milestone.id);
            reader.wrong(&place("id"), reason);
        }
        for dependency in milestone.depends_on.iter().filter(|id| whole && !ids.contains(id.as_str())) {
            reader.wrong(&place("depends_on"), format!("{dependency:?} is no milestone of this contract"));
        }
        match &milestone.obligation {
            Some(id) if all_priced && !obligations.iter().flatten().any(|obligation| obligation.id == *id) => {
                reader.wrong(&place("obligation"), format!("{id:?} is no obligation of this contract"));
            }
            None if milestone.billable && obligations.len() > 1 => {
                reader.wrong(&place("obligation"), "is missing: there are several obligations");
            }
            _ => {}
        }
    }
    let edges = known().map(|(_, milestone)| (milestone.id.clone(), milestone.depends_on.clone())).collect();
    if let Some(id) = cycle(&edges).filter(|_| seen.len() == schedule.len()) {
        reader.wrong("milestones", format!("{id:?} depends on itself, by way of others"));
    }
}

/// The milestone whose credit memos (`-C1`) or supplementary invoices (`-S1`) would bear the number of this one's invoice:
/// two documents with one number cannot be told apart in an ERP.
pub(crate) fn numbered_like(id: &str, known: impl Fn(&str) -> bool) -> Option<&str> {
    let (other, suffix) = id.rsplit_once('-')?;
    let digits = suffix.strip_prefix(['C', 'S'])?;
    (digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() && known(other)).then_some(other)
}

/// A milestone on a dependency cycle, if there is one.
pub(crate) fn cycle(edges: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = edges
        .iter()
        .map(|(id, on)| (id.as_str(), on.iter().map(String::as_str).filter(|id| edges.contains_key(*id)).collect()))
        .collect();
    loop {
        let free: Vec<&str> = left.iter().filter(|(_, on)| on.is_empty()).map(|(id, _)| *id).collect();
        if free.is_empty() {
            return left.keys().next().map(|id| (*id).to_owned());
        }
        for id in free {
            left.remove(id);
            for on in left.values_mut() {
                on.remove(id);
            }
        }
        if left.is_empty() {
            return None;
        }
    }
}

/// Turns percents into minor units: by largest remainder where they sum to 100, else each half-up.
fn resolve_percents(reader: &mut Reader<'_>, schedule: &mut [(MilestoneTerms, Option<Decimal>)], total: i64) {
    let billable = || schedule.iter().filter(|(milestone, _)| milestone.billable);
    let (with, without) = (
        billable().filter(|(_, percent)| percent.is_some()).count(),
        billable().filter(|(_, percent)| percent.is_none()).count(),
    );
    if with == 0 {
        return;
    }
    if without > 0 {
        reader.wrong("milestones", "amounts and percents may not be mixed in one contract");
        return;
    }
    let percents: Vec<Decimal> = billable().filter_map(|(_, percent)| *percent).collect();
    let sum: Decimal = percents.iter().sum();
    let amounts: Vec<i64> = if sum == Decimal::ONE_HUNDRED {
        largest_remainder(total, &percents)
    } else {
        percents.iter().map(|percent| share_half_up(total, *percent)).collect()
    };
    for ((milestone, _), amount) in schedule.iter_mut().filter(|(milestone, _)| milestone.billable).zip(amounts) {
        milestone.amount = amount;
    }
}

fn share_half_up(total: i64, percent: Decimal) -> i64 {
    use rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    let share = Decimal::from(total).checked_mul(percent).and_then(|product| product.checked_div(Decimal::ONE_HUNDRED));
    share.and_then(|share| i64::try_from(share.round_dp_with_strategy(0, MidpointAwayFromZero)).ok()).unwrap_or(0)
}
