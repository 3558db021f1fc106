//! Segregation of duties where decisions are taken: the history of a contract is held against what the company, and the
//! contract itself, ask of approvals. The rules themselves stand in `milestoned_identity::duties`.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_identity::duties::{Duty, Exposure, Involved, Policy, Verdict, judge};
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::Event;
use milestoned_mapping::money::{Money, grouped};
use milestoned_mapping::problem::Problem;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{Refused, Word};
use crate::agreements::{Options, OwnApprovals};
use crate::environment::Environment;
use crate::store::action::Action;
use crate::store::actor::Actor;
use crate::store::change_orders::WaitingOrder;
use crate::store::contracts::ContractRow;
use crate::store::hands::{Hands, hands_in};
use crate::store::review::Weight;
use crate::store::{StoreError, parse};

/// What somebody is about to let go.
pub(super) struct Matter<'a> {
    /// The contract, as it stands now.
    pub(super) contract: &'a Contract,
    /// Its row.
    pub(super) row: &'a ContractRow,
    /// The milestone; none: the whole contract.
    pub(super) milestone: Option<&'a str>,
    /// In words, for who is refused.
    pub(super) what: String,
    /// The same for everybody who is shown the same.
    pub(super) content: String,
    /// The amount, in the contract's currency.
    pub(super) amount: Decimal,
    /// The change order that it is about, where it is about one: who filed it has had a hand in it.
    pub(super) order: Option<&'a WaitingOrder>,
}

/// What a person's word comes to.
pub(super) struct Ruling {
    pub(super) weight: Weight,
    /// What it is about, as [`Matter::content`] has it.
    pub(super) content: String,
}

impl Ruling {
    /// Why it waits; `None`: it counts.
    pub(super) fn waits(&self) -> Option<&str> {
        match &self.weight {
            Weight::Counts { .. } => None,
            Weight::Waits(why) => Some(why),
        }
    }

    /// What it is about, where it waits for somebody who says the same.
    pub(super) fn content(&self) -> Option<&str> {
        self.waits().map(|_| self.content.as_str())
    }

    /// How the audit trail calls it.
    pub(super) fn action(&self, counts: Action) -> Action {
        if self.waits().is_some() { Action::FirstOfTwoApprovals } else { counts }
    }
}

/// What the rules about duties need of a filed contract.
#[derive(Deserialize)]
struct Filed {
    terms: Head,
    #[serde(default)]
    options: Options,
}

#[derive(Deserialize)]
struct Head {
    customer: String,
}

/// What approvals of a contract need.
///
/// # Errors
/// The row cannot be read.
fn policy_of(env: &Environment, row: &ContractRow) -> Result<Policy, StoreError> {
    let filed: Filed = parse("contract", "agreement", &row.id, &row.agreement)?;
    Ok(OwnApprovals::under(filed.options.approvals, &env.settings.approvals))
}

/// Whether a person may let something go, alone or with another one.
///
/// # Errors
/// They had a hand in it, or have said the same already.
pub(super) async fn judged(env: &Environment, matter: &Matter<'_>, word: &Word) -> Result<Ruling, Refused> {
    let policy = policy_of(env, matter.row)?;
    let hands = env.store.hands(matter.row.id.clone()).await?;
    let mut named = named(matter, &hands);
    named.filed.extend(matter.order.map(|order| order.actor.name()));
    let people = |names: &BTreeSet<&str>| names.iter().map(|name| env.people.person_of(name)).collect();
    let involved =
        Involved { filed: people(&named.filed), told: people(&named.told), evidence: people(&named.evidence) };
    let mut words = env.store.waiting_words(Some(matter.row.id.clone())).await?;
    words.retain(|word| word.content == matter.content);
    let mut before: BTreeSet<String> = words.iter().map(|word| env.people.person_of(word.actor.name())).collect();
    let first = matter.order.and_then(|order| order.first.as_ref());
    let first = first.filter(|(_, version)| *version == matter.contract.version());
    before.extend(first.map(|(by, _)| env.people.person_of(by.name())));
    let person = env.people.person_of(&word.by);
    match judge(policy, &involved, exposure(env, matter).await?, &before, &person) {
        Verdict::Approved => {
            let with = words.into_iter().map(|word| word.row).collect();
            Ok(Ruling { weight: Weight::Counts { with }, content: matter.content.clone() })
        }
        Verdict::SecondNeeded => {
            let limit = policy.second_over.unwrap_or_default();
            let limit = format!("{} {}", grouped(&limit.to_string()), matter.contract.terms().currency());
            let span = match env.settings.approvals.window_days {
                1 => "a day".to_owned(),
                days => format!("{days} days"),
            };
            let why = format!("above {limit} in {span} two people are needed: another one has to say the same");
            Ok(Ruling { weight: Weight::Waits(why), content: matter.content.clone() })
        }
        Verdict::Refused { duties } if duties.is_empty() => Err(Refused::Excluded(Problem::new(
            "by",
            format!("{} has approved {} already, and two people are needed", word.by, matter.what),
            "have another person approve it",
        ))),
        Verdict::Refused { duties } => {
            let all = named.filed.iter().chain(&named.told).chain(&named.evidence);
            let others = all.filter(|name| **name != word.by && env.people.person_of(name) == person);
            let others: BTreeSet<&str> = others.copied().collect();
            let known = others.into_iter().map(|name| format!(" (there as {name})")).collect::<String>();
            let duties: Vec<String> = duties.iter().map(ToString::to_string).collect();
            Err(Refused::Excluded(Problem::new(
                "by",
                format!("{}{known} {}: {} is for somebody else to decide", word.by, duties.join(" and "), matter.what),
                "have somebody decide it who had no hand in it",
            )))
        }
    }
}

/// The names of those who had a hand in something.
#[derive(Default)]
struct Named<'a> {
    filed: BTreeSet<&'a str>,
    told: BTreeSet<&'a str>,
    evidence: BTreeSet<&'a str>,
}

fn named<'a>(matter: &Matter<'_>, hands: &'a Hands) -> Named<'a> {
    let lineage = matter.milestone.map(|id| matter.contract.lineage(id));
    let concerns = |event: &Event| match (&lineage, event.milestone()) {
        (Some(lineage), Some(named)) => lineage.iter().any(|id| id == named),
        _ => true,
    };
    let mut named = Named::default();
    named.filed.extend(hands.filed.iter().map(Actor::name));
    for (actor, fact) in hands.told.iter().filter(|(_, fact)| concerns(&fact.event)) {
        for (duty, person) in hands_in(&fact.event, actor) {
            let names = match duty {
                Duty::Filed => &mut named.filed,
                Duty::Told => &mut named.told,
                Duty::Evidence => &mut named.evidence,
            };
            names.insert(person);
        }
    }
    named
}

/// The amount with what was let go beside it within the window of approvals, by approvals and overrulings; of a change order with
/// what others have put at stake. Let go twice, a milestone counts once, with its largest amount.
async fn exposure(env: &Environment, matter: &Matter<'_>) -> Result<Exposure, Refused> {
    let filed: Filed = parse("contract", "agreement", &matter.row.id, &matter.row.agreement)?;
    let (customer, terms) = (filed.terms.customer, matter.contract.terms());
    let since = env.settings.approvals.since(terms, env.clock.now());
    let mut today = BTreeMap::<(String, Option<String>), Decimal>::new();
    let mut count = |contract: String, what: Option<String>, amount: Money| {
        if amount.currency() == terms.currency() {
            let largest = today.entry((contract, what)).or_default();
            *largest = amount.decimal().max(*largest);
        }
    };
    match matter.order {
        None => {
            for let_go in env.store.let_go_since(customer, since).await? {
                if let_go.contract != matter.row.id || matter.milestone != let_go.milestone.as_deref() {
                    count(let_go.contract, let_go.milestone, let_go.amount);
                }
            }
        }
        Some(order) => {
            for (contract, identity, stake) in env.store.staked_since(customer, since).await? {
                if (&contract, &identity) != (&order.contract, &order.identity) {
                    count(contract, Some(identity), stake);
                }
            }
        }
    }
    let sum = |counts: &dyn Fn(&str) -> bool| {
        let mut counted = today.iter().filter(|((contract, _), _)| counts(contract)).map(|(_, amount)| *amount);
        counted.try_fold(Decimal::ZERO, Decimal::checked_add).unwrap_or(Decimal::MAX)
    };
    let contract_today = sum(&|contract| contract == matter.row.id);
    Ok(Exposure { amount: matter.amount, contract_today, customer_today: sum(&|_| true) })
}
