//! What a close and a note to the accounts need beyond the journal: remaining performance obligations by period, the
//! roll-forward of deferred revenue, the net position of the contract, progress and provisions of losses.
//!
//! Sources: ASC 606-10-50-8 to 50-16 and IFRS 15.116 to 122 (balances and what remains), ASC 606-10-45-1 (one net contract
//! asset or liability per contract). Nothing of it changes an invoice or an entry.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use super::books::Position;
use super::state::Contract;
use crate::close::ToRecognise;
use crate::money::{Minor, Money};
use crate::proration::earned_by_month;
use crate::terms::Method;

/// Revenue of a contract, as people report it. Months are given by their first day; amounts are the contract's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disclosures {
    /// Contract id.
    pub contract: String,
    /// Local date of the figures.
    pub as_of: Date,
    /// Each performance obligation.
    pub obligations: Vec<ObligationView>,
    /// Price not recognised yet.
    pub remaining: Remaining,
    /// Month by month, from the first in which something moved.
    pub roll_forward: Vec<RollForward>,
}

/// One performance obligation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObligationView {
    /// Id.
    pub id: String,
    /// How it is recognised.
    pub method: &'static str,
    /// Its share of the transaction price.
    pub price: Money,
    /// Recognised to date.
    pub recognised: Money,
    /// Cost that is expected in all; by cost only, once reported.
    pub expected_cost: Option<Money>,
    /// The provision that brings the result to the whole expected loss; not in the journal of the rules.
    pub loss_provision: Option<Money>,
}

/// Remaining performance obligations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remaining {
    /// What time alone will earn, by month.
    pub by_month: Vec<(Date, Money)>,
    /// What an acceptance or a cost report will earn: it has no date.
    pub undated: Money,
    /// All of it.
    pub total: Money,
}

/// Deferred revenue from the beginning of a month to its end, and the position at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RollForward {
    /// First of the month.
    pub month: Date,
    /// Deferred revenue at its beginning.
    pub opening: Money,
    /// Invoices less credit memos of the month.
    pub billed: Money,
    /// Revenue of the month.
    pub recognised: Money,
    /// Rise of contract asset and unbilled receivable: revenue that was not released from deferred revenue.
    pub from_contract_assets: Money,
    /// Deferred revenue at its end: opening + billed − recognised + from contract assets.
    pub closing: Money,
    /// Net presentation at its end: the contract asset, if revenue is ahead.
    pub contract_asset: Money,
    /// Right to payment that is only not invoiced yet: a receivable, presented apart.
    pub unbilled_receivable: Money,
    /// Net presentation at its end: the contract liability, if billing is ahead.
    pub contract_liability: Money,
}

impl Contract {
    /// Revenue as people report it, at the present date.
    pub fn disclosures(&self) -> Disclosures {
        let money = |minor| self.terms.money(minor);
        let mut obligations = Vec::new();
        for (index, obligation) in self.terms.obligations.iter().enumerate() {
            let (price, recognised) = (self.price_of(index), self.recognised_now(index));
            let by_cost = self.cost_to_cost(index);
            obligations.push(ObligationView {
                id: obligation.id.clone(),
                method: obligation.method.name(),
                price: money(price),
                recognised: money(recognised),
                expected_cost: by_cost.map(|method| money(method.expected_cost())),
                loss_provision: by_cost.map(|method| money(method.loss_provision())),
            });
        }
        let remaining = self.to_recognise(self.as_of);
        Disclosures {
            contract: self.terms.id.clone(),
            as_of: self.as_of,
            obligations,
            remaining: Remaining {
                total: money(remaining.total()),
                undated: money(remaining.undated),
                by_month: remaining.by_month.into_iter().map(|(month, amount)| (month, money(amount))).collect(),
            },
            roll_forward: self.roll_forward(),
        }
    }

    /// What is left to recognise at the end of a date of what was agreed then.
    pub fn to_recognise(&self, day: Date) -> ToRecognise {
        let (mut by_month, mut undated) = (BTreeMap::<Date, Minor>::new(), Minor::ZERO);
        for (method, price, recognised) in self.progress_at(day) {
            match method {
                Method::TimeElapsed { start, end } => {
                    let mut before = Minor::ZERO;
                    for (month, amount) in earned_by_month(price, start, end) {
                        // Revenue up to the amount recognised so far is not to come any more.
                        let after = before + amount;
                        let to_come = (after - recognised.max(before)).max(Minor::ZERO);
                        before = after;
                        if to_come != Minor::ZERO {
                            *by_month.entry(month).or_default() += to_come;
                        }
                    }
                }
                Method::CostToCost { .. } | Method::Output | Method::PointInTime => undated += price - recognised,
            }
        }
        ToRecognise { by_month: by_month.into_iter().collect(), undated }
    }

    fn roll_forward(&self) -> Vec<RollForward> {
        let money = |minor| self.terms.money(minor);
        let Some((first, _)) = self.books.positions.first() else { return Vec::new() };
        let (mut month, mut before, mut rows) = (first.first_of_month(), Position::default(), Vec::new());
        while month <= self.as_of {
            let last = month.last_of_month();
            let place = self.books.positions.partition_point(|(date, _)| *date <= last);
            let at =
                place.checked_sub(1).and_then(|place| self.books.positions.get(place)).map_or(before, |(_, at)| *at);
            let assets = |position: &Position| position.contract_asset + position.unbilled_receivable;
            rows.push(RollForward {
                month,
                opening: money(before.deferred_revenue),
                billed: money(at.billed - before.billed),
                recognised: money(at.recognised - before.recognised),
                from_contract_assets: money(assets(&at) - assets(&before)),
                closing: money(at.deferred_revenue),
                contract_asset: money(at.contract_asset),
                unbilled_receivable: money(at.unbilled_receivable),
                contract_liability: money(at.deferred_revenue),
            });
            before = at;
            match last.tomorrow() {
                Ok(next) => month = next,
                Err(_) => break,
            }
        }
        rows
    }
}
