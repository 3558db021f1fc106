//! Revenue, section 7 of the rules: the transaction price is allocated to obligations and milestones; what is recognised at a
//! date follows from the allocation in force then, and from what happened by then. An allocation is a decision: what is
//! learned later does not make it anew.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::books::Growth;
use super::exceptions::Key;
use super::state::{Contract, Milestone};
use crate::money::Minor;
use crate::progress::CostToCost;
use crate::proration::earned as elapsed;
use crate::rules::Code;
use crate::split::split;
use crate::terms::{Method, Obligation};

/// Who gets which part of the transaction price, from a date on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allocation {
    pub(crate) from: Date,
    /// Obligations as they were then.
    obligations: Vec<Obligation>,
    /// Price of each obligation.
    prices: Vec<Minor>,
    /// Recognition amount of each milestone.
    shares: BTreeMap<String, Share>,
}

/// A milestone's part of the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Share {
    /// Place of its obligation.
    obligation: usize,
    amount: Minor,
    /// A prospective amendment found it recognised: it stays, whatever becomes of milestone and obligation.
    kept: bool,
    /// The milestone was billable and there: the obligation is satisfied when it is accepted.
    counts: bool,
}

impl Allocation {
    pub(super) fn of(&self, id: &str) -> Minor {
        self.shares.get(id).map_or(Minor::ZERO, |share| share.amount)
    }

    /// A milestone was split: its parts stand in its place, in proportion to their amounts.
    pub(super) fn divide(&mut self, id: &str, parts: &[String], weights: &[i128]) {
        let Some(share) = self.shares.remove(id) else { return };
        for (part, amount) in parts.iter().zip(split(share.amount, weights)) {
            self.shares.insert(part.clone(), Share { amount, ..share });
        }
    }

    fn price(&self, obligation: usize) -> Minor {
        self.prices.get(obligation).copied().unwrap_or_default()
    }

    /// The date on which the last of the obligation's billable milestones was accepted.
    fn satisfied_on(&self, obligation: usize, accepted: &Acceptances<'_>) -> Option<Date> {
        let members = self.shares.iter().filter(|(_, share)| share.counts && share.obligation == obligation);
        let dates: Option<Vec<Date>> = members.map(|(id, _)| accepted.get(id.as_str()).copied()).collect();
        dates?.into_iter().max()
    }

    /// What the acceptances earn of the shares of an obligation that are of a kind.
    fn growth(&self, obligation: usize, accepted: &Acceptances<'_>, of_kind: impl Fn(&Share) -> bool) -> Growth {
        let shares = self.shares.iter().filter(|(_, share)| share.obligation == obligation && of_kind(share));
        Growth::of(shares.filter_map(|(id, share)| Some((*accepted.get(id.as_str())?, share.amount))))
    }
}

/// Dates of acceptances by milestone, none before the signature.
type Acceptances<'a> = BTreeMap<&'a str, Date>;

/// What acceptances earn of an obligation, under one allocation.
#[derive(Debug)]
enum Earned {
    /// Each its share.
    Shares(Growth),
    /// The last one the whole price; before it what a prospective amendment found recognised.
    Whole { satisfied_on: Option<Date>, kept: Growth },
    /// Nothing: cost or time does.
    Otherwise,
}

/// What acceptances earn under one allocation, by obligation.
#[derive(Debug)]
pub(super) struct Earnings(Vec<Earned>);

/// Splits a price over milestones by their amounts. Where all of them are free, what they are worth is theirs all the same,
/// in equal parts.
fn by_amount(price: Minor, members: &[&Milestone]) -> Vec<(String, Minor)> {
    let free = members.iter().all(|member| member.terms.amount == Minor::ZERO);
    let weight = |milestone: &&Milestone| if free { 1 } else { milestone.terms.amount.units() };
    let weights: Vec<i128> = members.iter().map(weight).collect();
    members.iter().map(|member| member.id().to_owned()).zip(split(price, &weights)).collect()
}

impl Contract {
    /// The obligation that a milestone belongs to; absent: the only one there is.
    pub(super) fn obligation_index(&self, milestone: &Milestone) -> Option<usize> {
        match &milestone.terms.obligation {
            Some(id) => self.terms.obligations.iter().position(|obligation| obligation.id == *id),
            None => (self.terms.obligations.len() == 1).then_some(0),
        }
    }

    pub(super) fn method_of(&self, milestone: &Milestone) -> Option<Method> {
        self.terms.obligations.get(self.obligation_index(milestone)?).map(|obligation| obligation.method)
    }

    /// Billable milestones of an obligation.
    fn members(&self, obligation: usize) -> Vec<&Milestone> {
        self.milestones
            .iter()
            .filter(|milestone| milestone.counts() && self.obligation_index(milestone) == Some(obligation))
            .collect()
    }

    /// The allocation in force at the end of a date.
    pub(super) fn allocation_at(&self, day: Date) -> Option<&Allocation> {
        let place = self.allocations.partition_point(|allocation| allocation.from <= day);
        place.checked_sub(1).and_then(|place| self.allocations.get(place))
    }

    /// The allocation in force now.
    pub(super) fn allocation(&self) -> Option<&Allocation> {
        self.allocations.last()
    }

    fn put_allocation(&mut self, from: Date, prices: Vec<Minor>, shares: BTreeMap<String, Share>) {
        let obligations = self.terms.obligations.clone();
        self.allocations.push(Allocation { from, obligations, prices, shares });
    }

    /// Allocates the transaction price anew from a date on: by relative SSP, then by amount.
    pub(super) fn allocate(&mut self, from: Date) {
        let weights: Vec<i128> = self.terms.obligations.iter().map(|obligation| obligation.ssp.units()).collect();
        let prices = split(self.total, &weights);
        let mut allocated = BTreeMap::new();
        for (obligation, price) in prices.iter().enumerate() {
            let members = by_amount(*price, &self.members(obligation)).into_iter();
            allocated.extend(members.map(|(id, amount)| (id, Share { obligation, amount, kept: false, counts: true })));
        }
        self.put_allocation(from, prices, allocated);
    }

    /// Billable milestones of an obligation whose revenue was not recognised yet.
    fn unrecognised(&self, obligation: usize, recognised: &BTreeMap<String, Minor>) -> Vec<&Milestone> {
        self.members(obligation).into_iter().filter(|member| !recognised.contains_key(member.id())).collect()
    }

    /// A prospective amendment is possible where every obligation is satisfied by milestones, and one is left.
    pub(super) fn may_look_forward(&self, recognised: &BTreeMap<String, Minor>) -> bool {
        let by_milestone = |method: Method| matches!(method, Method::Output | Method::PointInTime);
        let mut obligations = 0..self.terms.obligations.len();
        self.terms.obligations.iter().all(|obligation| by_milestone(obligation.method))
            && obligations.any(|index| !self.unrecognised(index, recognised).is_empty())
    }

    /// What was recognised by the end of a date, by milestone (obligations satisfied by milestones only).
    pub(super) fn recognised_by_milestone(&self, day: Date) -> BTreeMap<String, Minor> {
        let Some(allocation) = self.allocation() else { return BTreeMap::new() };
        let accepted = self.acceptances();
        let by_then = |on: Date| on <= day;
        let satisfied: Vec<bool> = (0..allocation.obligations.len())
            .map(|index| allocation.satisfied_on(index, &accepted).is_some_and(by_then))
            .collect();
        let recognised = |(id, share): &(&String, &Share)| {
            let method = allocation.obligations.get(share.obligation).map(|obligation| obligation.method);
            let satisfied = match method {
                Some(Method::PointInTime) => share.kept || satisfied.get(share.obligation) == Some(&true),
                _ => true,
            };
            satisfied && accepted.get(id.as_str()).copied().is_some_and(by_then)
        };
        allocation.shares.iter().filter(recognised).map(|(id, share)| (id.clone(), share.amount)).collect()
    }

    /// What was recognised stays, of removed milestones too; what is left is allocated to what is left.
    pub(super) fn allocate_forward(&mut self, from: Date, recognised: &BTreeMap<String, Minor>) {
        let left = self.total - recognised.values().copied().sum();
        let open: Vec<Vec<&Milestone>> =
            (0..self.terms.obligations.len()).map(|index| self.unrecognised(index, recognised)).collect();
        let weight = |(obligation, members): (&Obligation, &Vec<&Milestone>)| {
            if members.is_empty() { 0 } else { obligation.ssp.units() }
        };
        let weights: Vec<i128> = self.terms.obligations.iter().zip(&open).map(weight).collect();
        let mut allocated = BTreeMap::new();
        for milestone in &self.milestones {
            if let (Some(obligation), Some(amount)) = (self.obligation_index(milestone), recognised.get(milestone.id()))
            {
                let share = Share { obligation, amount: *amount, kept: true, counts: milestone.counts() };
                allocated.insert(milestone.id().to_owned(), share);
            }
        }
        let mut prices = Vec::with_capacity(open.len());
        for (obligation, (members, price)) in open.iter().zip(split(left, &weights)).enumerate() {
            let kept: Minor =
                allocated.values().filter(|share| share.obligation == obligation).map(|share| share.amount).sum();
            prices.push(price + kept);
            let members = by_amount(price, members).into_iter();
            allocated.extend(members.map(|(id, amount)| (id, Share { obligation, amount, kept: false, counts: true })));
        }
        self.put_allocation(from, prices, allocated);
    }

    fn acceptances(&self) -> Acceptances<'_> {
        let signed = self.terms.signed_on;
        self.milestones
            .iter()
            .filter_map(|milestone| Some((milestone.id(), milestone.accepted_on?.max(signed))))
            .collect()
    }

    fn earnings_under(&self, allocation: &Allocation) -> Earnings {
        let accepted = self.acceptances();
        let earned = |(index, obligation): (usize, &Obligation)| match obligation.method {
            Method::Output => Earned::Shares(allocation.growth(index, &accepted, |_| true)),
            Method::PointInTime => Earned::Whole {
                satisfied_on: allocation.satisfied_on(index, &accepted),
                kept: allocation.growth(index, &accepted, |share| share.kept),
            },
            Method::CostToCost { .. } | Method::TimeElapsed { .. } => Earned::Otherwise,
        };
        Earnings(allocation.obligations.iter().enumerate().map(earned).collect())
    }

    /// What acceptances earn under each allocation: whoever asks for many dates asks for this once.
    pub(super) fn earnings(&self) -> Vec<Earnings> {
        self.allocations.iter().map(|allocation| self.earnings_under(allocation)).collect()
    }

    /// Revenue recognised by the end of a date; `whole`: what is booked at the end of a month is booked.
    pub(super) fn recognised_at(&self, day: Date, whole: bool) -> Minor {
        match self.allocation_at(day).filter(|_| day >= self.terms.signed_on) {
            Some(allocation) => self.recognised_under(allocation, &self.earnings_under(allocation), day, whole),
            None => Minor::ZERO,
        }
    }

    /// The same, with what was earned under each allocation.
    pub(super) fn recognised_with(&self, earnings: &[Earnings], day: Date, whole: bool) -> Minor {
        let place = self.allocations.partition_point(|allocation| allocation.from <= day).checked_sub(1);
        let in_force = place.and_then(|place| Some((self.allocations.get(place)?, earnings.get(place)?)));
        match in_force.filter(|_| day >= self.terms.signed_on) {
            Some((allocation, earned)) => self.recognised_under(allocation, earned, day, whole),
            None => Minor::ZERO,
        }
    }

    fn recognised_under(&self, allocation: &Allocation, earnings: &Earnings, day: Date, whole: bool) -> Minor {
        let of = |(index, earned)| self.recognised_of(allocation, index, earned, (day, whole));
        earnings.0.iter().enumerate().map(of).sum()
    }

    /// Revenue of an obligation of the present terms, recognised so far.
    pub(super) fn recognised_now(&self, index: usize) -> Minor {
        let today = self.as_of;
        let Some(allocation) = self.allocation().filter(|_| today >= self.terms.signed_on) else { return Minor::ZERO };
        let earnings = self.earnings_under(allocation);
        let earned = earnings.0.get(index).unwrap_or(&Earned::Otherwise);
        self.recognised_of(allocation, index, earned, (today, self.is_day_over()))
    }

    fn recognised_of(
        &self,
        allocation: &Allocation,
        index: usize,
        earned: &Earned,
        (day, whole): (Date, bool),
    ) -> Minor {
        let (Some(obligation), price) = (allocation.obligations.get(index), allocation.price(index)) else {
            return Minor::ZERO;
        };
        match (obligation.method, earned) {
            (_, Earned::Shares(shares)) => shares.by(day),
            (_, Earned::Whole { satisfied_on, .. }) if satisfied_on.is_some_and(|on| on <= day) => price,
            (_, Earned::Whole { kept, .. }) => kept.by(day),
            (Method::CostToCost { .. }, Earned::Otherwise) => {
                self.by_cost(obligation, price, day).map_or(Minor::ZERO, |cost| cost.revenue_to_date())
            }
            (Method::TimeElapsed { start, end }, Earned::Otherwise) => {
                // A change order that ends it earlier looks at its own date: all of it has elapsed.
                let ended = allocation.from > Date::MIN && end < allocation.from;
                let booked = if ended { Some(end) } else { self.booked_by(end, day, whole) };
                booked.map_or(Minor::ZERO, |booked| elapsed(price, start, end, booked))
            }
            (Method::Output | Method::PointInTime, Earned::Otherwise) => Minor::ZERO,
        }
    }

    /// Each obligation at the end of a date, as it was allocated then: method, price, what of it was recognised.
    pub(super) fn progress_at(&self, day: Date) -> Vec<(Method, Minor, Minor)> {
        let Some(allocation) = self.allocation_at(day) else { return Vec::new() };
        let signed = day >= self.terms.signed_on;
        let earnings = self.earnings_under(allocation);
        let whole = day < self.as_of || self.is_day_over();
        let obligations = allocation.obligations.iter().zip(&earnings.0).enumerate();
        let progress = obligations.map(|(index, (obligation, earned))| {
            let recognised =
                if signed { self.recognised_of(allocation, index, earned, (day, whole)) } else { Minor::ZERO };
            (obligation.method, allocation.price(index), recognised)
        });
        progress.collect()
    }

    /// What each change of the allocation brought or took of revenue by measuring anew what was done before it, by its date.
    pub fn catch_ups(&self) -> Vec<(Date, Minor)> {
        let pairs = self.allocations.iter().zip(self.allocations.iter().skip(1));
        let changes = pairs.filter(|(_, after)| after.from >= self.terms.signed_on).map(|(before, after)| {
            let at = |allocation: &Allocation| {
                self.recognised_under(allocation, &self.earnings_under(allocation), after.from, true)
            };
            (after.from, at(after) - at(before))
        });
        changes.filter(|(_, amount)| *amount != Minor::ZERO).collect()
    }

    /// The price of an obligation, as allocated now.
    pub(super) fn price_of(&self, index: usize) -> Minor {
        self.allocation().map_or(Minor::ZERO, |allocation| allocation.price(index))
    }

    /// An obligation that is measured by cost, once there is a report of it.
    pub(super) fn cost_to_cost(&self, index: usize) -> Option<CostToCost> {
        self.by_cost(self.terms.obligations.get(index)?, self.price_of(index), self.as_of)
    }

    /// The latest report by the end of a date.
    fn by_cost(&self, obligation: &Obligation, price: Minor, day: Date) -> Option<CostToCost> {
        let Method::CostToCost { progress_decimals } = obligation.method else { return None };
        let reports = self.costs.get(&obligation.id)?;
        let latest = reports.partition_point(|(date, _)| *date <= day).checked_sub(1)?;
        let (_, report) = *reports.get(latest)?;
        Some(CostToCost { price, report, progress_decimals })
    }

    /// The last date by the end of `day` on which an obligation that ends on `end` is booked by time: a month's end, or its own.
    fn booked_by(&self, end: Date, day: Date, whole: bool) -> Option<Date> {
        let day = if whole { day } else { day.yesterday().ok()? };
        let month_end = if day == day.last_of_month() { Some(day) } else { day.first_of_month().yesterday().ok() };
        let booked = month_end.max(Some(end).filter(|end| *end <= day))?;
        Some(booked).filter(|booked| *booked >= self.terms.signed_on)
    }

    /// The date through which an obligation has been booked by time.
    pub(super) fn booked(&self, index: usize) -> Option<Date> {
        let Method::TimeElapsed { end, .. } = self.terms.obligations.get(index)?.method else { return None };
        self.booked_by(end, self.as_of, self.is_day_over())
    }

    /// Dates from `from` to the present one on which revenue is booked by time.
    pub(super) fn bookings(&self, from: Date) -> Vec<Date> {
        let mut dates = Vec::new();
        let obligations = self.allocations.iter().flat_map(|allocation| &allocation.obligations);
        for (start, end) in obligations.filter_map(|obligation| match obligation.method {
            Method::TimeElapsed { start, end } => Some((start, end)),
            Method::CostToCost { .. } | Method::Output | Method::PointInTime => None,
        }) {
            dates.push(end);
            let mut month_end = from.max(start).max(self.terms.signed_on).last_of_month();
            while month_end <= self.as_of {
                dates.push(month_end);
                let Ok(next) = month_end.tomorrow() else { break };
                month_end = next.last_of_month();
            }
        }
        dates
    }

    /// The first date, not before the present one, at whose end revenue is booked by time.
    pub(super) fn next_booking(&self) -> Option<Date> {
        let signed = self.terms.signed_on;
        let from = if self.is_day_over() { self.as_of.tomorrow().ok()? } else { self.as_of };
        let next = |obligation: &Obligation| {
            let Method::TimeElapsed { start, end } = obligation.method else { return None };
            let first = from.max(start).max(signed);
            // After the end one booking is enough.
            let done = end.max(if end < signed { signed.last_of_month() } else { end }) < from;
            [first.last_of_month(), end].into_iter().filter(|day| *day >= first && !done).min()
        };
        self.terms.obligations.iter().filter_map(next).min()
    }

    /// Loss contracts: the latest report of an obligation expects more cost than its price.
    pub(super) fn judge_loss(&mut self) {
        let loss = (0..self.terms.obligations.len())
            .any(|index| self.cost_to_cost(index).is_some_and(|method| method.expected_profit() < Minor::ZERO));
        self.judge(Key::new(Code::LossContract, None, None), loss);
    }
}
