//! What things that wait hold back, in sum: an invoice that several of them hold back counts once, and what is held with its whole
//! contract counts there.

use std::collections::{BTreeMap, HashSet};

use milestoned_mapping::money::grouped;
use rust_decimal::Decimal;

use super::item::Item;

/// What one thing holds back, and of what.
#[derive(Debug, Clone, Copy)]
pub struct Holding<'a> {
    /// Contract, where one is concerned.
    pub contract: Option<&'a str>,
    /// Milestone; none: the whole contract.
    pub milestone: Option<&'a str>,
    /// Amount, and code of its currency.
    pub held: Option<(Decimal, &'a str)>,
}

/// What may hold something back.
pub trait Holds {
    /// What it holds back.
    fn holding(&self) -> Holding<'_>;
}

impl Holds for Item {
    fn holding(&self) -> Holding<'_> {
        let held = self.held.as_ref().map(|held| (held.amount.parse().unwrap_or_default(), held.currency.as_str()));
        Holding { contract: self.contract.as_deref(), milestone: self.milestone.as_deref(), held }
    }
}

/// For each thing, whether it holds back what none before it does.
pub fn counted_once<T: Holds>(items: &[&T]) -> Vec<bool> {
    let mut seen: HashSet<(Option<&str>, Option<&str>)> = HashSet::with_capacity(items.len());
    let all = items.iter().map(|item| item.holding());
    let whole: HashSet<Option<&str>> = all
        .clone()
        .filter(|holding| holding.held.is_some() && holding.milestone.is_none())
        .map(|holding| holding.contract)
        .collect();
    let once = all.map(|holding| {
        let counts = holding.milestone.is_none() || whole.is_empty() || !whole.contains(&holding.contract);
        holding.held.is_some() && counts && seen.insert((holding.contract, holding.milestone))
    });
    once.collect()
}

/// What things hold back, by currency: `2,000,000.00 USD, 15,000 JPY`, each invoice once.
pub fn held<T: Holds>(items: &[&T]) -> String {
    let mut sums: BTreeMap<&str, Decimal> = BTreeMap::new();
    for (item, _) in items.iter().zip(counted_once(items)).filter(|(_, counts)| *counts) {
        if let Some((amount, currency)) = item.holding().held {
            let sum = sums.entry(currency).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    let texts: Vec<String> =
        sums.into_iter().map(|(code, sum)| format!("{} {code}", grouped(&sum.to_string()))).collect();
    texts.join(", ")
}
