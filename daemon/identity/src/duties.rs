//! Segregation of duties: who may approve what. Whoever shaped what is billed does not release it, and large amounts need
//! two people. The caller says who did what, by the one name that each person has ([`crate::people::People::person_of`]).

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;

use crate::rights::{Right, Rights};

/// Rights of which one person should hold one half: to shape what is billed, and to let it go.
const SHAPES: [Right; 2] = [Right::FileTerms, Right::TellFacts];
const LETS_GO: [Right; 2] = [Right::Approve, Right::Overrule];

/// Pairs of rights, one of each half, that somebody holds.
pub fn both_halves(rights: Rights) -> impl Iterator<Item = (Right, Right)> {
    let pairs = SHAPES.into_iter().flat_map(|shape| LETS_GO.into_iter().map(move |other| (shape, other)));
    pairs.filter(move |(one, other)| rights.has(*one) && rights.has(*other))
}

/// Who had a hand in what an approval would release. Names are those of [`crate::people::People::person_of`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Involved {
    /// Filed the terms, or changed them.
    pub filed: BTreeSet<String>,
    /// Told that the customer accepted, or that the event came that stands for it.
    pub told: BTreeSet<String>,
    /// Brought the evidence.
    pub evidence: BTreeSet<String>,
    /// Said which record of the ERP the customer is.
    pub named: BTreeSet<String>,
    /// Approved what goes out to the customer.
    pub approved: BTreeSet<String>,
}

/// A duty that excludes from approving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Filed or changed the terms.
    Filed,
    /// Told the acceptance.
    Told,
    /// Brought the evidence.
    Evidence,
    /// Said which record of the ERP the customer is.
    Named,
    /// Approved what goes out to the customer.
    Approved,
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filed => "filed or changed its terms",
            Self::Told => "told its acceptance",
            Self::Evidence => "brought its evidence",
            Self::Named => "named its customer's record",
            Self::Approved => "approved what goes out to it",
        })
    }
}

impl Involved {
    /// The duties that `person` has had.
    pub fn duties(&self, person: &str) -> Vec<Duty> {
        let held = [
            (Duty::Filed, &self.filed),
            (Duty::Told, &self.told),
            (Duty::Evidence, &self.evidence),
            (Duty::Named, &self.named),
            (Duty::Approved, &self.approved),
        ];
        held.into_iter().filter(|(_, people)| people.contains(person)).map(|(duty, _)| duty).collect()
    }
}

/// What the company asks of approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether whoever had a hand in it may not approve it.
    pub segregated: bool,
    /// Amounts above it need two people; `None`: one is enough for all.
    pub second_over: Option<Decimal>,
}

/// What an approval is about to release, in the contract's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// The amount itself.
    pub amount: Decimal,
    /// What was approved on this day for the contract already, without it.
    pub contract_today: Decimal,
    /// What was approved on this day for the customer already in this currency, without it.
    pub customer_today: Decimal,
}

impl Exposure {
    /// The amount that the threshold is held against: splitting one amount into several does not lower it.
    pub fn counted(&self) -> Option<Decimal> {
        self.amount.checked_add(self.contract_today.max(self.customer_today))
    }
}

/// What becomes of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Approved,
    /// It is kept, and another person has to approve the same.
    SecondNeeded,
    /// Not by this person.
    Refused {
        /// What they did that excludes them; empty: they have approved it already.
        duties: Vec<Duty>,
    },
}

/// Judges an approval by `approver`; `before` are those who have approved exactly the same content already. Who has had a
/// hand in it since does not count among them.
pub fn judge(
    policy: Policy,
    involved: &Involved,
    exposure: Exposure,
    before: &BTreeSet<String>,
    approver: &str,
) -> Verdict {
    let duties = involved.duties(approver);
    if policy.segregated && !duties.is_empty() {
        return Verdict::Refused { duties };
    }
    if before.contains(approver) {
        return Verdict::Refused { duties: Vec::new() };
    }
    let large = policy.second_over.is_some_and(|limit| exposure.counted().is_none_or(|counted| counted > limit));
    let stands = |other: &String| !policy.segregated || involved.duties(other).is_empty();
    if large && !before.iter().any(stands) { Verdict::SecondNeeded } else { Verdict::Approved }
}

/// A policy that a contract states for itself, under the company's: it can only be stricter.
#[must_use]
pub fn tightened(company: Policy, contract: Policy) -> Policy {
    let second_over = match (company.second_over, contract.second_over) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Policy { segregated: company.segregated || contract.segregated, second_over }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy { segregated: true, second_over: Some(Decimal::from_parts(50_000, 0, 0, false, 0)) };

    fn set(people: &[&str]) -> BTreeSet<String> {
        people.iter().map(|person| (*person).to_owned()).collect()
    }

    fn exposure(amount: i64, contract_today: i64, customer_today: i64) -> Exposure {
        let [amount, contract_today, customer_today] = [amount, contract_today, customer_today].map(Decimal::from);
        Exposure { amount, contract_today, customer_today }
    }

    #[test]
    fn whoever_had_a_hand_in_it_does_not_approve_it() {
        let involved = Involved {
            filed: set(&["ada"]),
            told: set(&["pam"]),
            evidence: set(&["pam", "eve"]),
            named: set(&["ned"]),
            approved: set(&["kim"]),
        };
        let judged = |approver| judge(POLICY, &involved, exposure(10, 0, 0), &set(&[]), approver);
        assert_eq!(judged("ada"), Verdict::Refused { duties: vec![Duty::Filed] });
        assert_eq!(judged("pam"), Verdict::Refused { duties: vec![Duty::Told, Duty::Evidence] });
        assert_eq!(judged("eve"), Verdict::Refused { duties: vec![Duty::Evidence] });
        assert_eq!(judged("ned"), Verdict::Refused { duties: vec![Duty::Named] });
        assert_eq!(judged("kim"), Verdict::Refused { duties: vec![Duty::Approved] });
        assert_eq!(judged("cfo"), Verdict::Approved);
    }

    #[test]
    fn a_large_amount_needs_two_different_people() {
        let judged = |before: &[&str], approver| {
            judge(POLICY, &Involved::default(), exposure(50_001, 0, 0), &set(before), approver)
        };
        assert_eq!(judged(&[], "cfo"), Verdict::SecondNeeded);
        assert_eq!(judged(&["cfo"], "cfo"), Verdict::Refused { duties: Vec::new() });
        assert_eq!(judged(&["cfo"], "ceo"), Verdict::Approved);
    }

    #[test]
    fn the_first_of_two_does_not_count_once_they_have_had_a_hand_in_it() {
        let involved = Involved { told: set(&["cfo"]), ..Involved::default() };
        assert_eq!(judge(POLICY, &involved, exposure(50_001, 0, 0), &set(&["cfo"]), "ceo"), Verdict::SecondNeeded);
    }

    #[test]
    fn splitting_an_amount_does_not_go_around_the_second_person() {
        let judged = |exposure| judge(POLICY, &Involved::default(), exposure, &set(&[]), "cfo");
        assert_eq!(judged(exposure(45_000, 0, 0)), Verdict::Approved);
        assert_eq!(judged(exposure(45_000, 45_000, 45_000)), Verdict::SecondNeeded, "two of one contract");
        assert_eq!(judged(exposure(45_000, 0, 45_000)), Verdict::SecondNeeded, "two contracts of one customer");
    }

    proptest! {
        #[test]
        fn a_contract_only_tightens(
            company in (any::<bool>(), proptest::option::of(0_i64..100)),
            contract in (any::<bool>(), proptest::option::of(0_i64..100)),
            amount in 0_i64..200, had_a_hand: bool,
        ) {
            let policy = |(segregated, limit): (bool, Option<i64>)| Policy { segregated, second_over: limit.map(Decimal::from) };
            let (company, contract) = (policy(company), policy(contract));
            let involved = Involved { filed: set(if had_a_hand { &["cfo"] } else { &[] }), ..Involved::default() };
            let approves = |policy| judge(policy, &involved, exposure(amount, 0, 0), &set(&[]), "cfo") == Verdict::Approved;
            prop_assert_eq!(approves(tightened(company, contract)), approves(company) && approves(contract));
        }
    }
}
