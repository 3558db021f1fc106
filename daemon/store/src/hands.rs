//! Who had a hand in what: who filed a contract, who told its facts, what was approved since an instant, and what people said
//! that waits for another person.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use milestoned_identity::duties::Duty;
use milestoned_mapping::fact::{Event, Fact, ReviewDecision, Shown};
use milestoned_mapping::money::{Currency, Money};
use serde_json::Value;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::change_orders::staked;
use super::customers::{self, Whose};
use super::readings;
use super::session::{Row, Sql, among, values};
use super::{Store, StoreError, Verb, instant, parse};

/// Held in PostgreSQL by whoever writes a word that was judged by sums. The number is ours, drawn by lot.
const ONE_WORD_AT_A_TIME: i64 = 5_190_337_462_018_843;
/// How the identity of a fact begins that one person has said and that waits for another one.
const FIRST: &str = "first:";

/// The people behind a contract, as they were named when they acted.
#[derive(Debug, Clone, Default)]
pub struct Hands {
    /// Who filed its terms, and who confirmed or corrected what they were read from.
    pub filed: Vec<Actor>,
    /// Facts that count or are about to, each with who told it.
    pub told: Vec<(Actor, Fact)>,
}

/// An amount that was let go: approved, or no longer held back by an exception that was overruled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetGo {
    /// Contract.
    pub contract: String,
    /// Milestone; none: an exception held back the whole contract.
    pub milestone: Option<String>,
    /// How much.
    pub amount: Money,
}

/// A word that waits for another person. `;` is the character after `:`.
macro_rules! waits_for_another {
    () => {
        "problem IS NOT NULL AND closed_at IS NULL AND identity >= 'first:' AND identity < 'first;'"
    };
}

/// What people let go and put at stake beside a contract since an instant, as it was when a person's word was judged by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    whose: Whose,
    since: Timestamp,
    /// Amounts that were let go.
    pub let_go: Vec<LetGo>,
    /// What change orders put at stake: contract, identity, amount. Those that were refused do not count.
    pub staked: Vec<(String, String, Money)>,
    /// What was said about the contract and waits for another person: rows.
    waiting: Vec<i64>,
}

impl Sums {
    fn read(tx: &Session<'_>, whose: Whose, since: Timestamp) -> Result<Self, StoreError> {
        let beside = customers::beside(tx, &whose)?;
        let let_go =
            tx.all(LET_GO, values![beside.contracts, instant(since)], read_let_go)?.into_iter().flatten().collect();
        let staked = staked(tx, &beside, since)?;
        let waiting = concat!("SELECT id FROM fact WHERE contract = $1 AND ", waits_for_another!(), " ORDER BY id");
        let waiting = tx.all(waiting, values![whose.contract], |row| row.get(0))?;
        Ok(Self { whose, since, let_go, staked, waiting })
    }

    /// Whether they are still so, and stay so until the transaction ends: of two who let something go at once one is judged again.
    ///
    /// # Errors
    /// They are not, or the database failed.
    pub(super) fn hold(&self, tx: &Session<'_>) -> Result<(), StoreError> {
        if !tx.has_one_writer() {
            tx.one("SELECT pg_advisory_xact_lock($1)", values![ONE_WORD_AT_A_TIME], |_| Ok(()))?;
        }
        let now = Self::read(tx, self.whose.clone(), self.since)?;
        if now == *self { Ok(()) } else { Err(StoreError::Overtaken) }
    }
}

/// What a person said that waits for another person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingWord {
    /// Row of the fact.
    pub row: i64,
    /// Contract.
    pub contract: String,
    /// What it is about: the same for everybody who says the same.
    pub content: String,
    /// Who said it.
    pub actor: Actor,
    /// The fact that counts once another person has said the same.
    pub fact: Fact,
}

/// The identity of a fact that one person has said about a content, and that waits for another one.
pub fn first_identity(content: &str, key: &str) -> String {
    format!("{FIRST}{content}:{key}")
}

/// Who has had which hand in what would be billed, by a fact that `actor` told.
pub fn hands_in<'a>(event: &'a Event, actor: &'a Actor) -> Vec<(Duty, &'a str)> {
    let (duty, by) = match event {
        Event::Amended(_) => (Duty::Filed, None),
        Event::Accepted { by, .. } | Event::Approved { by, .. } | Event::Adopted { by, .. } => (Duty::Told, Some(by)),
        Event::Submitted { by, .. } => (Duty::Told, Some(by)),
        Event::ExternalEvent { .. } | Event::Usage { .. } => (Duty::Told, None),
        Event::Evidence { .. } => (Duty::Evidence, None),
        Event::Cost { .. }
        | Event::Observed(_)
        | Event::Overrule { .. }
        | Event::Payment { .. }
        | Event::PaymentReversed { .. }
        | Event::PeriodClosed { .. }
        | Event::Rejected { .. }
        | Event::Review { .. }
        | Event::Withdrawn { .. } => return Vec::new(),
    };
    let mut people = vec![actor.name()];
    people.extend(by.map(String::as_str).filter(|by| !by.is_empty() && *by != actor.name()));
    let brings = matches!(event, Event::Submitted { evidence, .. } if !evidence.is_empty());
    let evidence = people.iter().filter(|_| brings).map(|person| (Duty::Evidence, *person));
    people.iter().map(|person| (duty, *person)).chain(evidence).collect()
}

/// Who gave the latest approval of each milestone of a contract, one person or two; nobody, where it was taken back.
pub(super) fn approvers(tx: &Session<'_>, contract: &str) -> Result<BTreeMap<String, BTreeSet<String>>, StoreError> {
    let mut latest = BTreeMap::<String, (Option<Shown>, BTreeSet<String>)>::new();
    tx.each(
        "SELECT actor, fact FROM fact WHERE contract = $1 AND problem IS NULL AND ((identity >= 'first:' AND
         identity < 'first;') OR (identity >= 'review:' AND identity < 'review;') OR (identity >= 'void:' AND
         identity < 'void;')) ORDER BY id",
        values![contract],
        |row| {
            let fact: Fact = parse("fact", "fact", contract, &row.get::<String>(1)?)?;
            let Event::Review { milestone, decision, shown, .. } = fact.event else { return Ok(()) };
            let (of, people) = latest.entry(milestone).or_default();
            if decision != ReviewDecision::Approve || *of != shown {
                people.clear();
            }
            if decision == ReviewDecision::Approve {
                *of = shown;
                people.insert(row.get(0)?);
            }
            Ok(())
        },
    )?;
    Ok(latest.into_iter().map(|(milestone, (_, people))| (milestone, people)).collect())
}

impl Store {
    /// The people behind a contract.
    ///
    /// # Errors
    /// The database failed.
    pub fn hands(&self, contract: String) -> Verb<'_, Hands> {
        self.read(move |tx| {
            let mut filed: Vec<Actor> = tx.all(
                "SELECT actor FROM audit WHERE contract = $1 AND action = $2 ORDER BY seq",
                values![contract, Action::ContractOpened.name()],
                |row| row.actor(0),
            )?;
            // People who confirmed or corrected values of the signed document made the terms, too, even where another
            // person filed them.
            filed.extend(tx.all(readings::PEOPLE, values![contract], |row| row.actor(0))?);
            let told = tx.all(
                "SELECT actor, fact FROM fact WHERE contract = $1 AND problem IS NULL ORDER BY id",
                values![contract],
                |row| Ok((row.actor(0)?, parse("fact", "fact", &contract, &row.get::<String>(1)?)?)),
            )?;
            Ok(Hands { filed, told })
        })
    }

    /// What people let go and put at stake since an instant, beside a contract: of it, of those that share a customer with it,
    /// however it is spelled, and, for change orders, of those into which such a customer would be brought.
    ///
    /// # Errors
    /// The database failed.
    pub fn sums(&self, whose: Whose, since: Timestamp) -> Verb<'_, Sums> {
        self.read(move |tx| Sums::read(tx, whose, since))
    }

    /// The store for a word that was judged by these sums: it refuses what it is to write, as [`StoreError::Overtaken`], once others
    /// have let something go or put something at stake beside it.
    #[must_use]
    pub fn judged_by(&self, sums: Sums) -> Self {
        Self { judged_by: Some(Arc::new(sums)), ..self.clone() }
    }

    /// What people said that waits for another person, of one contract or of all.
    ///
    /// # Errors
    /// The database failed.
    pub fn waiting_words(&self, contract: Option<String>) -> Verb<'_, Vec<WaitingWord>> {
        self.read(move |tx| {
            let rows = tx.all(
                concat!(
                    "SELECT id, contract, identity, actor, fact FROM fact WHERE ",
                    waits_for_another!(),
                    " ORDER BY id"
                ),
                values![],
                read_word,
            )?;
            let wanted = |word: &WaitingWord| contract.as_ref().is_none_or(|id| word.contract == *id);
            Ok(rows.into_iter().filter(wanted).collect())
        })
    }
}

macro_rules! let_go {
    ($database:ident) => {
        // `;` is the character after `:`.
        concat!(
            "SELECT f.contract, f.fact, c.agreement FROM contract AS c JOIN fact AS f ON f.contract = c.id
             WHERE f.identity >= 'review:' AND f.identity < 'review;' AND f.learned_at >= $2 AND f.problem IS NULL AND ",
            among!($database, "c.id", "$1"),
            " ORDER BY f.id"
        )
    };
}

/// What people decided about contracts since an instant.
const LET_GO: Sql = Sql { postgres: let_go!(postgres), sqlite: let_go!(sqlite) };

/// An approval or an overruling with its amount; nothing, where the fact is another decision or names no amount.
fn read_let_go(row: &Row<'_>) -> Result<Option<LetGo>, StoreError> {
    let contract: String = row.get(0)?;
    let fact: Fact = parse("fact", "fact", &contract, &row.get::<String>(1)?)?;
    let (milestone, amount) = match fact.event {
        Event::Review { milestone, decision: ReviewDecision::Approve, shown: Some(shown), .. } => {
            (Some(milestone), shown.amount)
        }
        Event::Overrule { milestone, held: Some(held), .. } => (milestone, held),
        _ => return Ok(None),
    };
    let agreement: Value = parse("contract", "agreement", &contract, &row.get::<String>(2)?)?;
    let currency = agreement.pointer("/terms/currency").cloned().unwrap_or_default();
    let currency: Option<Currency> = serde_json::from_value(currency).ok();
    let amount = currency.and_then(|currency| currency.from_decimal(amount.0));
    Ok(amount.map(|amount| LetGo { contract, milestone, amount }))
}

fn read_word(row: &Row<'_>) -> Result<WaitingWord, StoreError> {
    let (row_id, identity): (i64, String) = (row.get(0)?, row.get(2)?);
    let content = identity.trim_start_matches(FIRST).split(':').next().unwrap_or_default();
    Ok(WaitingWord {
        row: row_id,
        contract: row.get(1)?,
        content: content.to_owned(),
        actor: row.actor(3)?,
        fact: parse("fact", "fact", &row_id.to_string(), &row.get::<String>(4)?)?,
    })
}
