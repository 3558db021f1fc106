//! Segregation of duties where decisions are taken: the history of a contract is held against what the company, and the
//! contract itself, ask of approvals. The rules themselves stand in `milestoned_identity::duties`.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_identity::duties::{Duty, Exposure, Involved, Policy, Verdict, judge};
use milestoned_mapping::command::Command;
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::{Event, ReviewDecision};
use milestoned_mapping::money::{Currency, Minor, Money, grouped};
use milestoned_mapping::problem::Problem;
use rust_decimal::Decimal;

use super::{Refused, Word};
use crate::agreements::{self, Addressee, OwnApprovals};
use crate::environment::Environment;
use crate::review::portfolio;
use crate::store::action::Action;
use crate::store::actor::Actor;
use crate::store::change_orders::WaitingOrder;
use crate::store::contracts::ContractRow;
use crate::store::customers::{CustomerRecord, Whose};
use crate::store::hands::{Hands, LetGo, Sums, hands_in};
use crate::store::review::Weight;
use crate::store::vocabulary::DeliveryState;
use crate::store::{Store, StoreError, parse};

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
    /// What it was judged by; `None`: it needs no other person.
    pub(super) sums: Option<Sums>,
}

impl Ruling {
    /// The store as the word is written into it: it takes it only while nobody lets something go beside it.
    pub(super) fn store(&self, env: &Environment) -> Store {
        self.sums.clone().map_or_else(|| env.store.clone(), |sums| env.store.judged_by(sums))
    }

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

/// What approvals of a contract need.
///
/// # Errors
/// The row cannot be read.
fn policy_of(env: &Environment, row: &ContractRow) -> Result<Policy, StoreError> {
    let filed: Addressee = parse("contract", "agreement", &row.id, &row.agreement)?;
    Ok(OwnApprovals::under(filed.options.approvals, &env.settings.approvals))
}

/// Whether a person may let something go, alone or with another one.
///
/// # Errors
/// They had a hand in it, or have said the same already.
pub(super) async fn judged(env: &Environment, matter: &Matter<'_>, word: &Word) -> Result<Ruling, Refused> {
    let policy = policy_of(env, matter.row)?;
    // First of all: whatever is said after it is noticed when the word is written.
    let (exposure, sums) = exposure(env, matter).await?;
    let hands = env.store.hands(matter.row.id.clone()).await?;
    let record = named_its_record(env, matter).await?;
    let mut named = named(matter, &hands);
    named.filed.extend(matter.order.map(|order| order.actor.name()));
    named.named.extend(record.as_ref().map(Actor::name));
    let involved = named.involved(env);
    let mut words = env.store.waiting_words(Some(matter.row.id.clone())).await?;
    words.retain(|word| word.content == matter.content);
    let mut before: BTreeSet<String> = words.iter().map(|word| env.people.person_of(word.actor.name())).collect();
    let first = matter.order.and_then(|order| order.first.as_ref());
    let first = first.filter(|(_, version)| *version == matter.contract.version());
    before.extend(first.map(|(by, _)| env.people.person_of(by.name())));
    let person = env.people.person_of(&word.by);
    let (content, sums) = (matter.content.clone(), Some(sums));
    match judge(policy, &involved, exposure, &before, &person) {
        Verdict::Approved => {
            let with = words.into_iter().map(|word| word.row).collect();
            Ok(Ruling { weight: Weight::Counts { with }, content, sums })
        }
        Verdict::SecondNeeded => {
            let span = match env.settings.approvals.window_days {
                1 => " in a day".to_owned(),
                days => format!(" in {days} days"),
            };
            let weight = Weight::Waits(second_needed(policy, matter.contract, &span));
            Ok(Ruling { weight, content, sums })
        }
        Verdict::Refused { duties } => Err(named.refused(env, &duties, &matter.what, word)),
    }
}

fn second_needed(policy: Policy, contract: &Contract, span: &str) -> String {
    let limit = policy.second_over.unwrap_or_default();
    let limit = format!("{} {}", grouped(&limit.to_string()), contract.terms().currency());
    format!("above {limit}{span} two people are needed: another one has to say the same")
}

/// Who has said which record of its ERP the customer of a contract is, where it is about what goes out there.
async fn named_its_record(env: &Environment, matter: &Matter<'_>) -> Result<Option<Actor>, StoreError> {
    let filed: Addressee = parse("contract", "agreement", &matter.row.id, &matter.row.agreement)?;
    let customer = matter.contract.terms().customer();
    let mut records = env.store.customer_records().await?.into_iter();
    let of_it = |record: &CustomerRecord| record.name == customer && record.erp == filed.erp;
    let record = records.find(of_it).filter(|record| record.remote_id.is_some() && matter.order.is_none());
    Ok(record.map(|record| record.actor))
}

/// Whether a person may say which record of an ERP a customer is, alone or with another one: it is let go like an approval of all
/// that is not there yet. `first` has said the same. Gives why it waits; `None`: it holds.
///
/// # Errors
/// They had a hand in what goes out to the customer, or have said the same already.
pub(super) async fn naming(
    env: &Environment,
    (erp, name): (&str, &str),
    first: Option<&Actor>,
    word: &Word,
) -> Result<Option<String>, Refused> {
    let concerned = env.store.contracts_with_customer(name.to_owned()).await?;
    let (mut open, mut sums) = (Vec::new(), BTreeMap::<Currency, Decimal>::new());
    for row in env.store.contracts_of(concerned.into_iter().collect()).await? {
        let filed: Addressee = parse("contract", "agreement", &row.id, &row.agreement)?;
        let contract = portfolio::state(&row)?;
        let amount = not_there_yet(env, &contract).await?;
        if filed.erp == erp && contract.terms().customer() == name && amount.units() != Minor::ZERO {
            let sum = sums.entry(amount.currency()).or_default();
            *sum = sum.checked_add(amount.decimal()).unwrap_or(Decimal::MAX);
            open.push((row, contract));
        }
    }
    let person = env.people.person_of(&word.by);
    let before: BTreeSet<String> = first.iter().map(|first| env.people.person_of(first.name())).collect();
    let mut waits = None;
    for (row, contract) in &open {
        let what = format!("which record of {erp} {name} is");
        let sum = sums.get(&contract.terms().currency()).copied().unwrap_or_default();
        let matter = Matter { contract, row, milestone: None, what, content: String::new(), amount: sum, order: None };
        let (policy, hands) = (policy_of(env, row)?, env.store.hands(row.id.clone()).await?);
        let mut named = named(&matter, &hands);
        if first.is_none() {
            named.approved.extend(hands.told.iter().filter(|(_, fact)| lets_go(&fact.event)).map(|(by, _)| by.name()));
        }
        let exposure = Exposure { amount: sum, contract_today: Decimal::ZERO, customer_today: Decimal::ZERO };
        match judge(policy, &named.involved(env), exposure, &before, &person) {
            Verdict::Approved => {}
            Verdict::SecondNeeded => waits = Some(second_needed(policy, contract, "")),
            Verdict::Refused { duties } => return Err(named.refused(env, &duties, &matter.what, word)),
        }
    }
    Ok(waits)
}

/// What is to be billed to a customer and is not billed yet, and what is billed and not sent.
async fn not_there_yet(env: &Environment, contract: &Contract) -> Result<Money, StoreError> {
    let unsettled = env.store.deliveries(Some(contract.terms().id().to_owned()), DeliveryState::UNSETTLED).await?;
    let invoices = unsettled.into_iter().filter_map(|delivery| match delivery.command {
        Some(Command::Invoice(invoice)) => Some(invoice.amount.units()),
        _ => None,
    });
    let unsent: Minor = invoices.sum();
    Ok(contract.terms().currency().money(contract.remaining_to_bill().units() + unsent))
}

fn lets_go(event: &Event) -> bool {
    match event {
        Event::Review { decision, .. } => *decision == ReviewDecision::Approve,
        Event::Overrule { held, .. } => held.is_some(),
        _ => false,
    }
}

/// The names of those who had a hand in something.
#[derive(Default)]
struct Named<'a> {
    filed: BTreeSet<&'a str>,
    told: BTreeSet<&'a str>,
    evidence: BTreeSet<&'a str>,
    named: BTreeSet<&'a str>,
    approved: BTreeSet<&'a str>,
}

impl Named<'_> {
    /// The same by person.
    fn involved(&self, env: &Environment) -> Involved {
        let people = |names: &BTreeSet<&str>| names.iter().map(|name| env.people.person_of(name)).collect();
        Involved {
            filed: people(&self.filed),
            told: people(&self.told),
            evidence: people(&self.evidence),
            named: people(&self.named),
            approved: people(&self.approved),
        }
    }

    /// Why somebody may not decide: what they did, under which name; or that they have decided already.
    fn refused(&self, env: &Environment, duties: &[Duty], what: &str, word: &Word) -> Refused {
        if duties.is_empty() {
            let reason = format!("{} has approved {what} already, and two people are needed", word.by);
            return Refused::Excluded(Problem::new("by", reason, "have another person approve it"));
        }
        let person = env.people.person_of(&word.by);
        let all = [&self.filed, &self.told, &self.evidence, &self.named, &self.approved].into_iter().flatten();
        let others = all.filter(|name| **name != word.by && env.people.person_of(name) == person);
        let others: BTreeSet<&str> = others.copied().collect();
        let known = others.into_iter().map(|name| format!(" (there as {name})")).collect::<String>();
        let duties: Vec<String> = duties.iter().map(ToString::to_string).collect();
        let reason = format!("{}{known} {}: {what} is for somebody else to decide", word.by, duties.join(" and "));
        Refused::Excluded(Problem::new("by", reason, "have somebody decide it who had no hand in it"))
    }
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
                Duty::Named => &mut named.named,
                Duty::Approved => &mut named.approved,
            };
            names.insert(person);
        }
    }
    named
}

/// The amount with what was let go beside it within the window of approvals, by approvals and overrulings; of a change order with
/// what others have put at stake. Let go twice, a milestone counts once, with its largest amount.
async fn exposure(env: &Environment, matter: &Matter<'_>) -> Result<(Exposure, Sums), Refused> {
    let terms = matter.contract.terms();
    let brought = matter.order.and_then(|order| agreements::customer_brought(&order.fact));
    let whose = Whose { contract: matter.row.id.clone(), brought: Vec::from_iter(brought) };
    let since = env.settings.approvals.since(terms, env.clock.now());
    let sums = env.store.sums(whose, since).await?;
    let mut today = BTreeMap::<(String, Option<String>), Decimal>::new();
    let mut count = |contract: String, what: Option<String>, amount: Money| {
        if amount.currency() == terms.currency() {
            let largest = today.entry((contract, what)).or_default();
            *largest = amount.decimal().max(*largest);
        }
    };
    match matter.order {
        None => {
            for LetGo { contract, milestone, amount } in &sums.let_go {
                if *contract != matter.row.id || matter.milestone != milestone.as_deref() {
                    count(contract.clone(), milestone.clone(), *amount);
                }
            }
        }
        Some(order) => {
            for (contract, identity, stake) in &sums.staked {
                if (contract, identity) != (&order.contract, &order.identity) {
                    count(contract.clone(), Some(identity.clone()), *stake);
                }
            }
        }
    }
    let sum = |counts: &dyn Fn(&str) -> bool| {
        let mut counted = today.iter().filter(|((contract, _), _)| counts(contract)).map(|(_, amount)| *amount);
        counted.try_fold(Decimal::ZERO, Decimal::checked_add).unwrap_or(Decimal::MAX)
    };
    let contract_today = sum(&|contract| contract == matter.row.id);
    Ok((Exposure { amount: matter.amount, contract_today, customer_today: sum(&|_| true) }, sums))
}
