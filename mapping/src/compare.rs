//! The comparisons of four-way validation, section 8 of the rules: what a leg says beside what is agreed. Written once, over
//! any kind of text and amount: one contract compares borrowed text and decimals, a sweep of the whole portfolio interned
//! text and minor units ([`crate::sweep`]).

use crate::fact::Leg;
use crate::rules::Code;

/// What is agreed on a milestone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed<T, A> {
    /// Amount; of a split milestone the sum of its parts.
    pub amount: A,
    /// The contract's own words.
    pub description: T,
    /// Acceptance window in business days.
    pub window_days: u32,
    /// Whether silence is acceptance.
    pub deemed: bool,
    /// Completion rule.
    pub completion: T,
    /// `advance` or `arrears`.
    pub timing: T,
    /// Invoice rule.
    pub invoice: T,
    /// Recognition method, where the contract has obligations.
    pub method: Option<T>,
    /// The milestone, every part of it, is accepted.
    pub accepted: bool,
}

/// What a leg says of a milestone; what it does not carry is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<T, A> {
    /// Amount.
    pub amount: Option<A>,
    /// Invoice wording.
    pub description: Option<T>,
    /// Acceptance window in business days.
    pub window_days: Option<u32>,
    /// Whether silence is acceptance.
    pub deemed: Option<bool>,
    /// Completion rule.
    pub completion: Option<T>,
    /// `advance` or `arrears`.
    pub timing: Option<T>,
    /// Invoice rule.
    pub invoice: Option<T>,
    /// Recognition method.
    pub method: Option<T>,
    /// The work is done, says the leg.
    pub done: bool,
}

/// What is agreed on, or said of, a whole contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<T, A> {
    /// Contract amount.
    pub amount: Option<A>,
    /// Currency.
    pub currency: Option<T>,
    /// Customer.
    pub customer: Option<T>,
    /// Payment terms.
    pub payment_terms: Option<T>,
    /// Default acceptance window.
    pub window_days: Option<u32>,
    /// Default deemed clause.
    pub deemed: Option<bool>,
    /// Amendment version.
    pub version: Option<u32>,
    /// Whether the deal is won.
    pub won: Option<bool>,
}

/// A set of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Codes(u64);

const _: () = assert!(Code::ALL.len() <= 64, "a set of codes has a bit for each");

impl Codes {
    /// The set of one code.
    pub const fn only(code: Code) -> Self {
        Self(1 << code as u32)
    }

    fn with(self, code: Code, differs: bool) -> Self {
        Self(self.0 | u64::from(differs) << code as u32)
    }

    /// The codes of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The codes.
    pub fn iter(self) -> impl Iterator<Item = Code> {
        Code::ALL.iter().copied().filter(move |code| self.0 >> *code as u32 & 1 == 1)
    }
}

fn differs<T: PartialEq>(said: &Option<T>, agreed: &T) -> bool {
    said.as_ref().is_some_and(|said| said != agreed)
}

/// Where a leg's milestone is not as agreed.
pub fn milestone<T: PartialEq, A: PartialEq>(leg: Leg, agreed: &Agreed<T, A>, said: &Said<T, A>) -> Codes {
    let erp = leg == Leg::Erp;
    let terms = differs(&said.window_days, &agreed.window_days)
        || differs(&said.deemed, &agreed.deemed)
        || differs(&said.completion, &agreed.completion);
    let timing = differs(&said.timing, &agreed.timing) || differs(&said.invoice, &agreed.invoice);
    let method = agreed.method.as_ref().is_some_and(|method| differs(&said.method, method));
    Codes::default()
        .with(Code::AmountMismatch, differs(&said.amount, &agreed.amount))
        .with(Code::AcceptanceTermsMismatch, terms)
        .with(Code::TimingMismatch, erp && timing)
        .with(Code::DescriptionMismatch, erp && differs(&said.description, &agreed.description))
        .with(Code::RecognitionMismatch, erp && method)
        .with(Code::CompleteNotBillable, leg == Leg::Psa && said.done && !agreed.accepted)
}

/// Where a leg's contract is not as agreed.
pub fn contract<T: PartialEq, A: PartialEq>(leg: Leg, agreed: &Frame<T, A>, said: &Frame<T, A>) -> Codes {
    fn unlike<V: PartialEq>(said: &Option<V>, agreed: &Option<V>) -> bool {
        said.is_some() && said != agreed
    }
    let sold_or_billed = leg != Leg::Psa;
    let older = matches!((said.version, agreed.version), (Some(said), Some(agreed)) if said < agreed);
    Codes::default()
        .with(Code::AmountMismatch, sold_or_billed && unlike(&said.amount, &agreed.amount))
        .with(
            Code::AcceptanceTermsMismatch,
            unlike(&said.window_days, &agreed.window_days) || unlike(&said.deemed, &agreed.deemed),
        )
        .with(Code::CurrencyMismatch, unlike(&said.currency, &agreed.currency))
        .with(Code::CustomerMismatch, unlike(&said.customer, &agreed.customer))
        .with(Code::PaymentTermsMismatch, sold_or_billed && unlike(&said.payment_terms, &agreed.payment_terms))
        .with(Code::AmendmentNotPropagated, older)
        .with(Code::NotClosedWon, leg == Leg::Crm && said.won == Some(false))
}
