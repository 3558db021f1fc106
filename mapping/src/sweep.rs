//! Four-way validation of a whole portfolio in one pass, for audits and migrations: every leg of every contract compared
//! with the agreement, with the comparisons of [`crate::compare`]. Text is interned, amounts are minor units, rows stand
//! contract by contract, so that a comparison is a look at a few neighbouring cache lines.
//!
//! It covers what compares rows: the comparisons of [`crate::compare`]. Findings over invoices and time (double billing, early recognition …)
//! need a contract's state and stay with [`crate::contract`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rust_decimal::Decimal;

use crate::compare::{self, Agreed, Codes, Frame, Said};
use crate::contract::Contract;
use crate::fact::{Leg, LegMilestone};
use crate::rules::Code;

/// Interned text: equal texts have equal numbers. 0 stands for none.
#[derive(Debug, Clone, Default)]
pub struct Symbols(BTreeMap<String, u32>);

impl Symbols {
    /// The number of a text.
    pub fn of(&mut self, text: &str) -> u32 {
        if let Some(symbol) = self.0.get(text) {
            return *symbol;
        }
        let symbol = u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.0.insert(text.to_owned(), symbol);
        symbol
    }

    /// The texts, by number.
    pub fn texts(&self) -> BTreeMap<u32, &str> {
        self.0.iter().map(|(text, symbol)| (*symbol, text.as_str())).collect()
    }
}

/// One milestone of one side, packed. A field that is not carried is 0 (text), [`Row::NO_AMOUNT`], [`Row::NO_DAYS`], 2 (flags).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Minor units.
    pub amount: i64,
    /// Milestone id.
    pub milestone: u32,
    /// Wording.
    pub description: u32,
    /// Business days.
    pub window_days: u32,
    /// Small texts: completion, timing, invoice rule, method.
    pub kinds: [u8; 4],
    /// 0 no, 1 yes, 2 not carried.
    pub deemed: u8,
    /// Agreement: accepted. Leg: done.
    pub reached: bool,
    /// Agreement: billable, so that every leg has to list it.
    pub billable: bool,
    /// Leg: two records bear this milestone's id, and neither is compared.
    pub doubled: bool,
}

impl Row {
    /// No amount.
    pub const NO_AMOUNT: i64 = i64::MIN;
    /// No window.
    pub const NO_DAYS: u32 = u32::MAX;
    /// A row that carries nothing but its milestone.
    pub const fn bare(milestone: u32) -> Self {
        Self {
            amount: Self::NO_AMOUNT,
            milestone,
            description: 0,
            window_days: Self::NO_DAYS,
            kinds: [0; 4],
            deemed: 2,
            reached: false,
            billable: false,
            doubled: false,
        }
    }

    fn agreed(&self) -> Agreed<u32, i64> {
        let [completion, timing, invoice, method] = self.kinds.map(u32::from);
        Agreed {
            amount: self.amount,
            description: self.description,
            window_days: self.window_days,
            deemed: self.deemed == 1,
            completion,
            timing,
            invoice,
            method: (method != 0).then_some(method),
            accepted: self.reached,
        }
    }

    fn said(&self) -> Said<u32, i64> {
        let text = |symbol: u32| (symbol != 0).then_some(symbol);
        let [completion, timing, invoice, method] = self.kinds.map(|kind| text(u32::from(kind)));
        Said {
            amount: (self.amount != Self::NO_AMOUNT).then_some(self.amount),
            description: text(self.description),
            window_days: (self.window_days != Self::NO_DAYS).then_some(self.window_days),
            deemed: (self.deemed != 2).then_some(self.deemed == 1),
            completion,
            timing,
            invoice,
            method,
            done: self.reached,
        }
    }
}

/// One side of the whole portfolio, contract by contract.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// Where each contract's rows begin; one more than there are contracts.
    pub starts: Vec<usize>,
    /// Rows.
    pub rows: Vec<Row>,
    /// Whole contracts; `None`: the leg has not been observed.
    pub frames: Vec<Option<Frame<u32, i64>>>,
    /// Whether the leg lists milestones of the contract at all.
    pub listed: Vec<bool>,
    /// Contracts that two records of the leg claim: nothing of them is compared.
    pub doubled: BTreeSet<usize>,
}

impl Side {
    fn of(&self, contract: usize) -> &[Row] {
        let (from, to) = (self.starts.get(contract), self.starts.get(contract.saturating_add(1)));
        from.zip(to).and_then(|(from, to)| self.rows.get(*from..*to)).unwrap_or_default()
    }

    /// Adds a contract.
    pub fn push(&mut self, frame: Option<Frame<u32, i64>>, listed: bool, rows: impl IntoIterator<Item = Row>) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        self.rows.extend(rows);
        self.starts.push(self.rows.len());
        self.frames.push(frame);
        self.listed.push(listed);
    }
}

/// The agreement and what the three other legs say.
#[derive(Debug, Clone, Default)]
pub struct Portfolio {
    /// Agreement.
    pub agreement: Side,
    /// CRM, PSA, ERP.
    pub legs: [Side; 3],
}

const LEGS: [Leg; 3] = [Leg::Crm, Leg::Psa, Leg::Erp];

/// What one leg of one contract or milestone shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The contract's place in the portfolio.
    pub contract: u32,
    /// Milestone; 0: the contract as a whole.
    pub milestone: u32,
    /// Leg.
    pub leg: Leg,
    /// What is not as agreed; at least one code.
    pub codes: Codes,
}

impl Portfolio {
    /// Contracts in it.
    pub fn len(&self) -> usize {
        self.agreement.frames.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.agreement.frames.is_empty()
    }

    /// Compares the contracts of a range. Ranges are independent of each other: the findings of two halves, one after the
    /// other, are those of the whole.
    pub fn sweep(&self, contracts: Range<usize>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for contract in contracts {
            let agreed = self.agreement.of(contract);
            let number = u32::try_from(contract).unwrap_or(u32::MAX);
            for (leg, side) in LEGS.into_iter().zip(&self.legs) {
                let mut show = |milestone: u32, codes: Codes| {
                    if !codes.is_empty() {
                        findings.push(Finding { contract: number, milestone, leg, codes });
                    }
                };
                if side.doubled.contains(&contract) {
                    show(0, Codes::only(Code::AmbiguousRecord));
                    continue;
                }
                let frames = (self.agreement.frames.get(contract), side.frames.get(contract));
                if let (Some(Some(ours)), Some(Some(theirs))) = frames {
                    show(0, compare::contract(leg, ours, theirs));
                }
                let said = side.of(contract);
                if side.listed.get(contract) != Some(&true) {
                    said.iter().for_each(|row| show(row.milestone, Codes::only(Code::AmbiguousRecord)));
                    continue;
                }
                for (index, row) in said.iter().enumerate() {
                    show(
                        row.milestone,
                        match lookup(agreed, row.milestone, index) {
                            _ if row.doubled => Codes::only(Code::AmbiguousRecord),
                            [] => Codes::only(Code::UnknownMilestone),
                            ours => {
                                let of_each =
                                    ours.iter().map(|ours| compare::milestone(leg, &ours.agreed(), &row.said()));
                                of_each.fold(Codes::default(), Codes::and)
                            }
                        },
                    );
                }
                for (index, ours) in agreed.iter().enumerate().filter(|(_, ours)| ours.billable) {
                    if lookup(said, ours.milestone, index).is_empty() {
                        show(ours.milestone, Codes::only(Code::NotConfigured));
                    }
                }
            }
        }
        findings
    }
}

/// The rows of a milestone, one after the other. Both sides usually list milestones in the same order: the same place is looked
/// at first.
fn lookup(rows: &[Row], milestone: u32, index: usize) -> &[Row] {
    let of_it = |row: &Row| row.milestone == milestone;
    let place = if rows.get(index).is_some_and(of_it) { Some(index) } else { rows.iter().position(of_it) };
    let from = place.and_then(|place| rows.get(place..)).unwrap_or_default();
    from.get(..from.iter().take_while(|row| of_it(row)).count()).unwrap_or_default()
}

/// Packs contracts.
#[derive(Debug, Clone, Default)]
pub struct Packer {
    /// Rows so far.
    pub portfolio: Portfolio,
    /// Ids, wordings, names.
    pub symbols: Symbols,
}

impl Packer {
    /// Adds a contract, as it is now.
    pub fn add(&mut self, contract: &Contract) {
        let currency = contract.terms().currency();
        let minor = |value: Decimal| currency.from_decimal(value).map_or(i64::MAX, |money| money.minor());
        let payment_terms = contract.terms().payment_terms_text();
        let frame = self.frame(contract.frame(&payment_terms), minor);
        let mut rows: Vec<Row> = Vec::new();
        for (id, parts) in contract.agreed() {
            let Some(first) = parts.first() else { continue };
            let words = contract.agreed_words(first);
            // A part has a row of its own where it is agreed otherwise than the one before.
            let mut before = None;
            for part in &parts {
                let agreed = contract.agreed_on(part, &parts, words);
                if before == Some(agreed) {
                    continue;
                }
                rows.push(Row {
                    amount: minor(agreed.amount),
                    description: self.symbols.of(agreed.description),
                    window_days: agreed.window_days,
                    kinds: [
                        Self::kind(Some(agreed.completion)),
                        Self::kind(Some(agreed.timing)),
                        Self::kind(Some(agreed.invoice)),
                        Self::kind(agreed.method),
                    ],
                    deemed: u8::from(agreed.deemed),
                    reached: agreed.accepted,
                    billable: before.is_none() && parts.iter().any(|part| part.terms.billable),
                    ..Row::bare(self.symbols.of(id))
                });
                before = Some(agreed);
            }
        }
        self.portfolio.agreement.push(Some(frame), true, rows);
        for (index, leg) in LEGS.into_iter().enumerate() {
            let record = contract.legs.get(&leg);
            let frame = record.map(|record| self.frame(crate::contract::frame_said(record), minor));
            let listed = record.and_then(|record| record.milestones.as_ref());
            let doubled = record.map(crate::contract::doubled).unwrap_or_default();
            let row = |leg_milestone: &LegMilestone| {
                let said = crate::contract::milestone_said(leg_milestone);
                Row {
                    amount: said.amount.map_or(Row::NO_AMOUNT, minor),
                    description: said.description.map_or(0, |text| self.symbols.of(text)),
                    window_days: said.window_days.unwrap_or(Row::NO_DAYS),
                    kinds: [said.completion, said.timing, said.invoice, said.method].map(Self::kind),
                    deemed: said.deemed.map_or(2, u8::from),
                    reached: said.done,
                    doubled: doubled.contains(leg_milestone.id.as_str()),
                    ..Row::bare(self.symbols.of(&leg_milestone.id))
                }
            };
            let mut rows: Vec<Row> = listed.into_iter().flatten().map(row).collect();
            let unlisted = doubled.iter().filter(|id| {
                **id != crate::contract::WHOLE && !listed.into_iter().flatten().any(|said| said.id == **id)
            });
            rows.extend(unlisted.map(|id| Row { doubled: true, ..Row::bare(self.symbols.of(id)) }));
            if let Some(side) = self.portfolio.legs.get_mut(index) {
                if doubled.contains(crate::contract::WHOLE) {
                    side.doubled.insert(side.frames.len());
                }
                side.push(frame, listed.is_some(), rows);
            }
        }
    }

    /// Words that the rules know have numbers below 255; any other is 255, which none of the agreement's is.
    fn kind(text: Option<&str>) -> u8 {
        const KNOWN: [&str; 12] = [
            "customer_signoff",
            "external_event",
            "vendor_declaration",
            "advance",
            "arrears",
            "on_completion",
            "within_days",
            "next_cycle",
            "point_in_time",
            "output",
            "cost_to_cost",
            "time_elapsed",
        ];
        let place =
            |text: &str| KNOWN.iter().position(|known| *known == text).and_then(|place| u8::try_from(place).ok());
        text.map_or(0, |text| place(text).map_or(u8::MAX, |index| index.saturating_add(1)))
    }

    fn frame(&mut self, frame: Frame<&str, Decimal>, minor: impl Fn(Decimal) -> i64) -> Frame<u32, i64> {
        let mut text = |text: Option<&str>| text.map(|text| self.symbols.of(text));
        Frame {
            amount: frame.amount.map(minor),
            currency: text(frame.currency),
            customer: text(frame.customer),
            payment_terms: text(frame.payment_terms),
            window_days: frame.window_days,
            deemed: frame.deemed,
            version: frame.version,
            won: frame.won,
        }
    }
}
