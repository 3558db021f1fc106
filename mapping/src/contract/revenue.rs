//! Revenue and the position, section 7 of the rules. Billing and recognition are separate: balances are a function of
//! what is billed, recognised, unconditional and paid; a journal entry is the difference of two positions.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::exceptions::{Code, Key};
use super::state::{Contract, Milestone, Stage};
use crate::command::{Account, JournalLine, Side};
use crate::money::Money;
use crate::progress::CostToCost;
use crate::proration::earned;
use crate::split::split;
use crate::terms::{Method, Terms};

/// Who gets which part of the transaction price.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Allocation {
    /// Price of each obligation, in the order of the terms.
    prices: Vec<i64>,
    /// Recognition amount of each milestone.
    milestones: BTreeMap<String, i64>,
    /// What a prospective amendment found recognised, by milestone: it stays, whatever becomes of milestone and obligation.
    kept: BTreeMap<String, i64>,
    /// By obligation measured over time: the last date that was booked.
    booked: BTreeMap<String, Date>,
}

impl Allocation {
    pub(super) fn of(&self, id: &str) -> i64 {
        self.milestones.get(id).copied().unwrap_or(0)
    }

    pub(super) fn replace(&mut self, id: &str, parts: &[(String, i64)]) {
        self.milestones.remove(id);
        self.milestones.extend(parts.iter().cloned());
    }
}

/// Balances of a contract, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    pub(crate) billed: i64,
    pub(crate) recognised: i64,
    pub(crate) unconditional: i64,
    pub(crate) paid: i64,
    pub(crate) accounts_receivable: i64,
    pub(crate) unbilled_receivable: i64,
    pub(crate) contract_asset: i64,
    pub(crate) deferred_revenue: i64,
}

impl Position {
    /// The balances that follow from billed, recognised, unconditional and paid amounts.
    pub fn of(billed: i64, recognised: i64, unconditional: i64, paid: i64) -> Self {
        let ahead = recognised.saturating_sub(billed).max(0);
        let unbilled_receivable = ahead.min(unconditional);
        Self {
            billed,
            recognised,
            unconditional,
            paid,
            accounts_receivable: billed.saturating_sub(paid),
            unbilled_receivable,
            contract_asset: ahead.saturating_sub(unbilled_receivable),
            deferred_revenue: billed.saturating_sub(recognised).max(0),
        }
    }

    /// Invoices less credit memos, minor units.
    pub fn billed(&self) -> i64 {
        self.billed
    }
    /// Revenue to date, minor units.
    pub fn recognised(&self) -> i64 {
        self.recognised
    }
    /// Payments applied, minor units.
    pub fn paid(&self) -> i64 {
        self.paid
    }
    /// Billed and not paid, minor units.
    pub fn accounts_receivable(&self) -> i64 {
        self.accounts_receivable
    }
    /// Recognised, unconditional and not billed, minor units.
    pub fn unbilled_receivable(&self) -> i64 {
        self.unbilled_receivable
    }
    /// Recognised and still conditional, minor units.
    pub fn contract_asset(&self) -> i64 {
        self.contract_asset
    }
    /// Billed and not recognised, minor units.
    pub fn deferred_revenue(&self) -> i64 {
        self.deferred_revenue
    }

    /// Debit balances by account, in the order of entries; credits are negative.
    fn balances(&self) -> [(Account, i64); 6] {
        [
            (Account::AccountsReceivable, self.accounts_receivable),
            (Account::UnbilledReceivable, self.unbilled_receivable),
            (Account::ContractAsset, self.contract_asset),
            (Account::DeferredRevenue, self.deferred_revenue.saturating_neg()),
            (Account::Revenue, self.recognised.saturating_neg()),
            (Account::Cash, self.paid),
        ]
    }

    /// The journal entry that leads from `before` to here; zero lines are left out.
    pub(super) fn entry_since(&self, before: &Self, terms: &Terms) -> Vec<JournalLine> {
        let changes = self.balances().into_iter().zip(before.balances());
        lines(changes.map(|((account, after), (_, before))| (account, after.saturating_sub(before))), terms)
    }

    /// The same without what the ERP's own documents post (invoice: receivable to deferred revenue; payment: cash to
    /// receivable).
    pub(super) fn revenue_entry_since(&self, before: &Self, terms: &Terms) -> Vec<JournalLine> {
        let billed = self.billed.saturating_sub(before.billed);
        let changes =
            self.balances().into_iter().zip(before.balances()).filter_map(|((account, after), (_, before))| {
                let change = after.saturating_sub(before);
                match account {
                    Account::AccountsReceivable | Account::Cash => None,
                    Account::DeferredRevenue => Some((account, change.saturating_add(billed))),
                    Account::ContractAsset | Account::Revenue | Account::UnbilledReceivable => Some((account, change)),
                }
            });
        lines(changes, terms)
    }

    /// Amounts by name, for people.
    pub fn view(&self, terms: &Terms) -> PositionView {
        let money = |minor| terms.money(minor);
        PositionView {
            billed: money(self.billed),
            recognised: money(self.recognised),
            accounts_receivable: money(self.accounts_receivable),
            unbilled_receivable: money(self.unbilled_receivable),
            contract_asset: money(self.contract_asset),
            deferred_revenue: money(self.deferred_revenue),
            revenue: money(self.recognised),
            cash: money(self.paid),
        }
    }
}

/// A position with its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionView {
    /// Invoices less credit memos.
    pub billed: Money,
    /// Revenue recognised to date.
    pub recognised: Money,
    /// Billed and not paid.
    pub accounts_receivable: Money,
    /// Recognised, unconditional, not billed.
    pub unbilled_receivable: Money,
    /// Recognised, still conditional.
    pub contract_asset: Money,
    /// Billed and not recognised.
    pub deferred_revenue: Money,
    /// The same as recognised: the account.
    pub revenue: Money,
    /// Payments applied.
    pub cash: Money,
}

fn lines(changes: impl Iterator<Item = (Account, i64)>, terms: &Terms) -> Vec<JournalLine> {
    changes
        .filter(|(_, change)| *change != 0)
        .map(|(account, change)| {
            let side = if change > 0 { Side::Debit } else { Side::Credit };
            let amount = terms.money(i64::try_from(change.unsigned_abs()).unwrap_or(i64::MAX));
            JournalLine { account, side, amount }
        })
        .collect()
}

/// Splits a price over milestones by their amounts. Where all of them are free, what they are worth is theirs all the same,
/// in equal parts.
fn by_amount(price: i64, members: &[&Milestone]) -> Vec<(String, i64)> {
    let free = members.iter().all(|one| one.terms.amount == 0);
    let weight = |one: &&Milestone| if free { 1 } else { i128::from(one.terms.amount) };
    let weights: Vec<i128> = members.iter().map(weight).collect();
    members.iter().map(|one| one.id().to_owned()).zip(split(price, &weights)).collect()
}

impl Contract {
    /// The obligation that a milestone belongs to; absent: the only one there is.
    fn obligation_index(&self, one: &Milestone) -> Option<usize> {
        match &one.terms.obligation {
            Some(id) => self.terms.obligations.iter().position(|obligation| obligation.id == *id),
            None => (self.terms.obligations.len() == 1).then_some(0),
        }
    }

    pub(super) fn method_of(&self, one: &Milestone) -> Option<Method> {
        self.terms.obligations.get(self.obligation_index(one)?).map(|obligation| obligation.method)
    }

    /// Billable milestones of an obligation.
    fn members(&self, obligation: usize) -> Vec<&Milestone> {
        self.milestones.iter().filter(|one| one.counts() && self.obligation_index(one) == Some(obligation)).collect()
    }

    /// Allocates the transaction price anew: by relative SSP, then by amount.
    pub(super) fn allocate(&mut self) {
        let weights: Vec<i128> = self.terms.obligations.iter().map(|one| i128::from(one.ssp)).collect();
        let prices = split(self.total, &weights);
        let mut milestones = BTreeMap::new();
        for (index, price) in prices.iter().enumerate() {
            milestones.extend(by_amount(*price, &self.members(index)));
        }
        self.allocation.prices = prices;
        self.allocation.milestones = milestones;
        self.allocation.kept.clear();
    }

    /// Billable milestones of an obligation whose revenue was not recognised yet.
    fn unrecognised(&self, obligation: usize, recognised: &BTreeMap<String, i64>) -> Vec<&Milestone> {
        self.members(obligation).into_iter().filter(|one| !recognised.contains_key(one.id())).collect()
    }

    /// A prospective amendment is possible where every obligation is satisfied by milestones, and one is left.
    pub(super) fn may_look_forward(&self, recognised: &BTreeMap<String, i64>) -> bool {
        let by_milestone = |method: Method| matches!(method, Method::Output | Method::PointInTime);
        let mut obligations = 0..self.terms.obligations.len();
        self.terms.obligations.iter().all(|one| by_milestone(one.method))
            && obligations.any(|index| !self.unrecognised(index, recognised).is_empty())
    }

    /// What was recognised so far, by milestone (obligations satisfied by milestones only).
    pub(super) fn recognised_by_milestone(&self) -> BTreeMap<String, i64> {
        let mut recognised = self.allocation.kept.clone();
        for one in self.milestones.iter().filter(|one| self.allocation.milestones.contains_key(one.id())) {
            let Some(index) = self.obligation_index(one) else { continue };
            let satisfied = match self.terms.obligations.get(index).map(|one| one.method) {
                Some(Method::PointInTime) => self.is_satisfied(index),
                _ => one.stage == Stage::Accepted,
            };
            if satisfied {
                recognised.entry(one.id().to_owned()).or_insert_with(|| self.allocation.of(one.id()));
            }
        }
        recognised
    }

    /// What was recognised stays, of removed milestones too; what is left is allocated to what is left.
    pub(super) fn allocate_forward(&mut self, recognised: BTreeMap<String, i64>) {
        let done = recognised.values().fold(0_i64, |sum, amount| sum.saturating_add(*amount));
        let left = self.total.saturating_sub(done);
        let open: Vec<Vec<&Milestone>> =
            (0..self.terms.obligations.len()).map(|index| self.unrecognised(index, &recognised)).collect();
        let weights: Vec<i128> = self
            .terms
            .obligations
            .iter()
            .zip(&open)
            .map(|(obligation, members)| if members.is_empty() { 0 } else { i128::from(obligation.ssp) })
            .collect();
        let mut milestones = recognised.clone();
        let mut prices = Vec::with_capacity(open.len());
        for (index, (members, price)) in open.iter().zip(split(left, &weights)).enumerate() {
            milestones.extend(by_amount(price, members));
            prices.push(price.saturating_add(self.amounts_of(index, &recognised)));
        }
        self.allocation.prices = prices;
        self.allocation.milestones = milestones;
        self.allocation.kept = recognised;
    }

    /// What the milestones of an obligation, removed ones too, have in a table of amounts.
    fn amounts_of(&self, obligation: usize, amounts: &BTreeMap<String, i64>) -> i64 {
        let members = self.milestones.iter().filter(|one| self.obligation_index(one) == Some(obligation));
        members.filter_map(|one| amounts.get(one.id())).fold(0_i64, |sum, amount| sum.saturating_add(*amount))
    }

    /// The last of the obligation's billable milestones is accepted.
    fn is_satisfied(&self, obligation: usize) -> bool {
        let members = self.members(obligation);
        !members.is_empty() && members.iter().all(|one| one.stage == Stage::Accepted)
    }

    /// Revenue recognised to date.
    fn recognised(&self) -> i64 {
        let all = self.terms.obligations.iter().enumerate();
        all.fold(0_i64, |sum, (index, one)| sum.saturating_add(self.recognised_of(index, &one.id, one.method)))
    }

    /// The last date at which an obligation was booked by time.
    pub(super) fn booked(&self, id: &str) -> Option<Date> {
        self.allocation.booked.get(id).copied()
    }

    /// The price of an obligation, as allocated.
    pub(super) fn price_of(&self, index: usize) -> i64 {
        self.allocation.prices.get(index).copied().unwrap_or(0)
    }

    /// An obligation that is measured by cost, once there is a report of it.
    pub(super) fn cost_to_cost(&self, index: usize) -> Option<CostToCost> {
        let obligation = self.terms.obligations.get(index)?;
        let Method::CostToCost { progress_decimals } = obligation.method else { return None };
        let report = *self.costs.get(&obligation.id)?;
        Some(CostToCost { price: self.price_of(index), report, progress_decimals })
    }

    pub(super) fn recognised_of(&self, index: usize, id: &str, method: Method) -> i64 {
        let price = self.price_of(index);
        match method {
            Method::Output => {
                let earned = |one: &Milestone| match self.allocation.kept.get(one.id()) {
                    Some(kept) => *kept,
                    None if one.stage == Stage::Accepted => self.allocation.of(one.id()),
                    None => 0,
                };
                let members = self.milestones.iter().filter(|one| self.obligation_index(one) == Some(index));
                members.fold(0_i64, |sum, one| sum.saturating_add(earned(one)))
            }
            Method::PointInTime if self.is_satisfied(index) => price,
            Method::PointInTime => self.amounts_of(index, &self.allocation.kept),
            Method::CostToCost { .. } => self.cost_to_cost(index).map_or(0, |one| one.revenue_to_date()),
            Method::TimeElapsed { start, end } => {
                self.allocation.booked.get(id).map_or(0, |booked| earned(price, start, end, *booked))
            }
        }
    }

    /// Books what is measured over time, at the end of the present date.
    pub(super) fn book_time(&mut self) {
        let today = self.as_of;
        let over_time: Vec<String> = self
            .terms
            .obligations
            .iter()
            .filter(|one| matches!(one.method, Method::TimeElapsed { end, .. } if today == end || today == today.last_of_month()))
            .map(|one| one.id.clone())
            .collect();
        for id in over_time {
            self.allocation.booked.insert(id, today);
        }
    }

    /// The first date, not before the present one, at whose end revenue is booked by time.
    pub(super) fn next_booking(&self) -> Option<Date> {
        let month_end = self.as_of.last_of_month();
        let next = |one: &crate::terms::Obligation| {
            let Method::TimeElapsed { start, end } = one.method else { return None };
            let last = self.allocation.booked.get(&one.id).copied();
            let done = |day: Date| last.is_some_and(|last| last >= day);
            // After the end one booking is enough.
            if done(end) {
                return None;
            }
            let from = self.as_of.max(start);
            let candidates = [month_end, from.last_of_month(), end];
            candidates.into_iter().filter(|day| *day >= self.as_of && *day >= start && !done(*day)).min()
        };
        self.terms.obligations.iter().filter_map(next).min()
    }

    /// Loss contracts: the latest report of an obligation expects more cost than its price.
    pub(super) fn judge_loss(&mut self) {
        let loss = (0..self.terms.obligations.len())
            .any(|index| self.cost_to_cost(index).is_some_and(|one| one.expected_profit() < 0));
        self.judge(Key::new(Code::LossContract, None, None), loss);
    }

    /// The position as it is now.
    pub(super) fn position_now(&self) -> Position {
        let unconditional = self
            .milestones
            .iter()
            .filter(|one| self.unconditional(one))
            .fold(0_i64, |sum, one| sum.saturating_add(one.terms.amount));
        let paid = self.payments.values().fold(0_i64, |sum, paid| sum.saturating_add(*paid));
        Position::of(self.billed(), self.recognised(), unconditional, paid)
    }

    /// Keeps the position at the present date if it changed.
    pub(super) fn record_position(&mut self) {
        let now = self.position_now();
        match self.positions.last_mut() {
            Some((date, position)) if *date == self.as_of => *position = now,
            Some((_, position)) if *position == now => {}
            None if now == Position::default() => {}
            _ => self.positions.push((self.as_of, now)),
        }
    }
}
