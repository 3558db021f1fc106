//! Change orders as they were filed: what each puts at stake, which of them wait for an approval, and what became of them.

use jiff::Timestamp;
use milestoned_mapping::fact::Fact;
use milestoned_mapping::money::{Currency, Money};
use serde::Deserialize;

use super::actor::Actor;
use super::attest::Session;
use super::attested::CHANGE_ORDER;
use super::audit::{self, Entry};
use super::customers::Beside;
use super::intake::{NewFact, insert_fact};
use super::session::{Row, Sql, among, values};
use super::{Store, StoreError, Verb, instant, json, next_revision, parse};

/// A change order that was filed.
#[derive(Debug, Clone)]
pub struct FiledOrder {
    /// The fact that it becomes, with who filed it.
    pub fact: NewFact,
    /// The customer whom it brings in, or whom its contract has.
    pub customer: String,
    /// What it puts at stake.
    pub stake: Money,
    /// Whether it waits for an approval; otherwise it takes effect at once.
    pub waits: bool,
}

/// A change order that waits for an approval.
#[derive(Debug, Clone)]
pub struct WaitingOrder {
    /// Contract.
    pub contract: String,
    /// The identity of the fact that it becomes.
    pub identity: String,
    /// The fact that it becomes.
    pub fact: Fact,
    /// Who filed it.
    pub actor: Actor,
    /// When.
    pub filed_at: Timestamp,
    /// What it puts at stake.
    pub stake: Money,
    /// Who has approved it first, of which version of the contract.
    pub first: Option<(Actor, u32)>,
}

/// What became of a change order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// It was approved, and has become a fact.
    Approved,
    /// It needed no approval, and became a fact at once.
    Free,
    /// It was refused.
    Refused,
    /// It waits for an approval.
    Waiting,
}

/// What a person decides about a change order that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderVerdict {
    /// It takes effect.
    Approved,
    /// It waits for a second person; approved of this version of the contract.
    First(u32),
    /// It takes no effect.
    Refused,
}

const WAITING: &str =
    "SELECT contract, identity, fact, actor, filed_at, stake, currency, first_by, first_of FROM change_order
    WHERE state = 'waiting' ORDER BY filed_at, contract, identity";
const WAITING_OF: &str = "SELECT contract, identity, fact, actor, filed_at, stake, currency, first_by, first_of
    FROM change_order WHERE state = 'waiting' AND contract = $1 ORDER BY filed_at, identity";

fn read_waiting(row: &Row<'_>) -> Result<WaitingOrder, StoreError> {
    let (contract, identity): (String, String) = (row.get(0)?, row.get(1)?);
    let currency: Currency = row.parsed(6, "change_order.currency")?;
    let first_by = row.get::<Option<String>>(7)?.map(Actor::from);
    let first_of = row.get::<Option<i64>>(8)?.and_then(|version| u32::try_from(version).ok());
    Ok(WaitingOrder {
        fact: parse("change_order", "fact", &contract, &row.get::<String>(2)?)?,
        actor: row.actor(3)?,
        filed_at: row.parsed(4, "change_order.filed_at")?,
        stake: row.money(5, currency, "change_order.stake")?.unwrap_or_else(|| currency.minor(0)),
        first: first_by.zip(first_of),
        contract,
        identity,
    })
}

/// Only what is attested waits: one that was put in is as if it were not there, and `audit verify` names it.
fn genuine(tx: &Session<'_>, mut orders: Vec<WaitingOrder>) -> Result<Vec<WaitingOrder>, StoreError> {
    let mut kept = Vec::with_capacity(orders.len());
    for order in orders.drain(..) {
        if tx.examine_one(&CHANGE_ORDER, values![order.contract, order.identity])?.is_some_and(|row| row.genuine) {
            kept.push(order);
        }
    }
    Ok(kept)
}

/// What change orders have put at stake since an instant, of contracts and of those into which one of their customers would be
/// brought: contract, identity, amount. Those that were refused do not count.
pub(super) fn staked(
    tx: &Session<'_>,
    beside: &Beside,
    since: Timestamp,
) -> Result<Vec<(String, String, Money)>, StoreError> {
    let rows = tx.all(STAKED, values![beside.contracts, instant(since), beside.names], |row| {
        let currency: Currency = row.parsed(3, "change_order.currency")?;
        let (contract, identity): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(row.money(2, currency, "change_order.stake")?.map(|stake| (contract, identity, stake)))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// Who looks at the queue looks again.
fn look_again(tx: &Session<'_>, contract: &str) -> Result<(), StoreError> {
    tx.run(concat!("UPDATE contract SET ", next_revision!(), " WHERE id = $1"), values![contract]).map(drop)
}

impl Store {
    /// Takes a change order: its fact, or, where it waits, what the fact will be. `false`: it is known.
    ///
    /// # Errors
    /// The database failed.
    pub fn file_order(&self, order: FiledOrder, line: Entry, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let FiledOrder { fact, customer, stake, waits } = &order;
            let key = values![fact.contract, fact.identity];
            let (text, state) = (json(&fact.fact)?, if *waits { "waiting" } else { "free" });
            let (stake, currency) = (stake.to_string(), stake.currency());
            let sql =
                "INSERT INTO change_order (contract, identity, fact, actor, filed_at, customer, stake, currency, state)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (contract, identity) DO NOTHING";
            let row = values![
                fact.contract,
                fact.identity,
                text,
                fact.actor.name(),
                instant(now),
                customer,
                stake,
                currency.code(),
                state
            ];
            if tx.change(&CHANGE_ORDER, key, || tx.run(sql, row))? == 0 {
                return Ok(false);
            }
            if *waits {
                look_again(tx, &fact.contract)?;
                audit::append(tx, now, &[line])?;
            } else {
                insert_fact(tx, fact, None, now)?;
            }
            Ok(true)
        })
    }

    /// Change orders that wait for an approval, the oldest first: of one contract, or of all.
    ///
    /// # Errors
    /// The database failed.
    pub fn waiting_orders(&self, contract: Option<String>) -> Verb<'_, Vec<WaitingOrder>> {
        self.read(move |tx| {
            let orders = match contract {
                Some(id) => tx.all(WAITING_OF, values![id], read_waiting),
                None => tx.all(WAITING, values![], read_waiting),
            };
            genuine(tx, orders?)
        })
    }

    /// What became of a change order; `None`: it was not filed, or before change orders were kept.
    ///
    /// # Errors
    /// The database failed.
    pub fn order_state(&self, contract: String, identity: String) -> Verb<'_, Option<OrderState>> {
        let sql = "SELECT state FROM change_order WHERE contract = $1 AND identity = $2";
        self.read(move |tx| tx.one(sql, values![contract, identity], |row| row.parsed(0, "change_order.state")))
    }

    /// A person decides about a change order that waits. `false`: it does not wait any more, and nothing was written.
    ///
    /// # Errors
    /// The database failed, or the row is not attested.
    pub fn decide_order(
        &self,
        (contract, identity): (String, String),
        (actor, verdict): (Actor, OrderVerdict),
        line: Entry,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(move |tx| {
            let key = values![contract, identity];
            let known = tx.one(
                "SELECT fact, actor FROM change_order WHERE contract = $1 AND identity = $2 AND state = 'waiting'",
                key,
                |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
            )?;
            let Some((fact, filed_by)) = known else { return Ok(false) };
            let at = instant(now);
            tx.change(&CHANGE_ORDER, key, || match &verdict {
                OrderVerdict::First(version) => {
                    tx.run(FIRST, values![contract, identity, actor.name(), i64::from(*version)])
                }
                OrderVerdict::Approved => tx.run(DECIDED, values![contract, identity, "approved", actor.name(), at]),
                OrderVerdict::Refused => tx.run(DECIDED, values![contract, identity, "refused", actor.name(), at]),
            })?;
            if verdict == OrderVerdict::Approved {
                let fact = parse("change_order", "fact", &contract, &fact)?;
                let fact =
                    NewFact { contract: contract.clone(), identity: identity.clone(), fact, actor: filed_by.into() };
                insert_fact(tx, &fact, None, now)?;
            }
            look_again(tx, &contract)?;
            audit::append(tx, now, &[line])?;
            Ok(true)
        })
    }
}

macro_rules! staked {
    ($database:ident) => {
        concat!(
            "SELECT contract, identity, stake, currency FROM change_order WHERE filed_at >= $2 AND state <> 'refused' AND (",
            among!($database, "contract", "$1"),
            " OR ",
            among!($database, "customer", "$3"),
            ") ORDER BY filed_at, contract, identity"
        )
    };
}

const STAKED: Sql = Sql { postgres: staked!(postgres), sqlite: staked!(sqlite) };
const FIRST: &str = "UPDATE change_order SET first_by = $3, first_of = $4 WHERE contract = $1 AND identity = $2";
const DECIDED: &str = "UPDATE change_order SET state = $3, decided_by = $4, decided_at = $5
    WHERE contract = $1 AND identity = $2";
