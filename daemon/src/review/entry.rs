//! One thing that waits, as the queue sorts, filters and sums it up: the values that differ, the records, what an approval would be of
//! and what to do are read from the store for the things that are shown.

use std::sync::Arc;

use jiff::civil::Date;
use milestoned_mapping::contract::Severity;
use milestoned_mapping::fact::Leg;
use rust_decimal::Decimal;

use super::holding::{Holding, Holds};
use super::item::{Item, days_since};
use super::names::Names;
use super::queue::{self, Place};
use super::subject::Subject;
use super::verb::Verb;

/// An entry of the queue.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What acts name.
    pub subject: Subject,
    /// What it is, in words.
    pub title: Arc<str>,
    /// Code of an exception, or kind of a drift.
    pub code: Option<Arc<str>>,
    /// Contract, where one is concerned.
    pub contract: Option<Arc<str>>,
    /// Its customer.
    pub customer: Option<Arc<str>>,
    /// Connection of its ERP.
    pub erp: Option<Arc<str>>,
    /// Milestone, where one is concerned.
    pub milestone: Option<Arc<str>>,
    /// Where a leg disagrees.
    pub leg: Option<Leg>,
    /// Whether it holds something back.
    pub severity: Severity,
    /// Since when.
    pub since: Option<Date>,
    /// What it holds back: amount, and code of the currency.
    pub held: Option<(Decimal, Arc<str>)>,
    /// Why.
    pub reason: Box<str>,
    /// Who looks after it.
    pub owner: Option<Arc<str>>,
    /// Until when nobody is reminded of it.
    pub snoozed_until: Option<Date>,
    /// What somebody wrote down about it last.
    pub note: Option<Box<str>>,
    /// Acts that apply to it.
    pub acts: Box<[Verb]>,
    /// All of it, where no contract's decision says it.
    pub(super) whole: Option<Arc<Item>>,
}

impl Entry {
    /// Of a thing that a contract's decision says: the rest of it is read again where it is shown.
    pub(super) fn of(item: &Item, names: &mut Names) -> Self {
        let mut keep = |word: &Option<String>| word.as_ref().map(|word| names.keep(word));
        let (code, contract, customer) = (keep(&item.code), keep(&item.contract), keep(&item.customer));
        let (erp, milestone, owner) = (keep(&item.erp), keep(&item.milestone), keep(&item.mark.owner));
        let held = item.holding().held;
        Self {
            subject: item.subject.clone(),
            title: names.keep(&item.title),
            code,
            contract,
            customer,
            erp,
            milestone,
            leg: item.leg,
            severity: item.severity,
            since: item.since,
            held: held.map(|(amount, currency)| (amount, names.keep(currency))),
            reason: item.problem.reason.as_str().into(),
            owner,
            snoozed_until: item.mark.snoozed_until,
            note: item.mark.note.as_deref().map(Into::into),
            acts: item.acts.clone().into(),
            whole: None,
        }
    }

    /// Of anything else: few such things wait, and each is kept whole.
    pub(super) fn of_whole(item: Item, names: &mut Names) -> Self {
        let entry = Self::of(&item, names);
        Self { whole: Some(Arc::new(item)), ..entry }
    }

    /// Its place in the queue.
    pub(super) fn place(&self) -> Place<'_> {
        queue::place(self.severity, self.since, self.contract.as_deref(), &self.subject)
    }

    /// The first word of its subject.
    pub fn kind(&self) -> &'static str {
        self.subject.kind()
    }

    /// Days since it began to wait.
    pub fn age(&self, today: &Date) -> i64 {
        days_since(self.since, today)
    }
}

impl Holds for Entry {
    fn holding(&self) -> Holding<'_> {
        let held = self.held.as_ref().map(|(amount, currency)| (*amount, &**currency));
        Holding { contract: self.contract.as_deref(), milestone: self.milestone.as_deref(), held }
    }
}
