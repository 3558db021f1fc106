//! The outbox: claim, act outside, settle. A key is kept for ever.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{After, Receipt};
use milestoned_mapping::command::{Command, DeliveryKey, Posting};
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::{self, Entry};
use super::session::{Row, Session, Sql, values};
use super::vocabulary::{CommandKind, DeliveryState};
use super::{Store, StoreError, instant, json, parse};

/// A delivery taken for an attempt. Its lease is stored before the remote is called.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Idempotency key.
    pub key: DeliveryKey,
    /// Contract.
    pub contract: String,
    /// Connection.
    pub target: String,
    /// What is to be written.
    pub command: Command,
    /// Attempts before this one.
    pub attempts: u32,
    /// An earlier attempt may have been carried out: look first.
    pub look_first: bool,
    /// Receipts of what had to be delivered before.
    pub after: After,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Written, now or earlier.
    Done {
        /// The remote's answer.
        receipt: Receipt,
        /// It was there already and has been verified.
        adopted: bool,
    },
    /// Again later; nothing was written.
    Again {
        /// When.
        at: Timestamp,
        /// Why.
        fault: String,
    },
    /// It may have been written: look at this instant.
    LookAt {
        /// When.
        at: Timestamp,
        /// Why.
        fault: String,
    },
    /// For a person.
    Parked {
        /// Why.
        fault: String,
        /// What to do.
        remedy: String,
    },
}

/// A delivery, for people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Delivery {
    /// Idempotency key.
    pub key: String,
    /// Contract.
    pub contract: String,
    /// Connection.
    pub target: String,
    /// What it writes.
    pub kind: CommandKind,
    /// Number, or what it is about.
    pub subject: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// Next attempt, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// Written down on, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Settled on, UTC.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
    /// Seen in the remote by a later poll, UTC.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub confirmed_at: Option<Timestamp>,
    /// The remote's id.
    pub remote_id: Option<String>,
    /// The remote's request id.
    pub request_id: Option<String>,
    /// What went wrong.
    pub fault: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
    /// What is written; `None`: the row cannot be read.
    #[schema(value_type = Option<Object>)]
    pub command: Option<Command>,
}

/// Names a command's kind and subject.
pub fn describe(command: &Command) -> (CommandKind, String) {
    match command {
        Command::BillingStatus(status) => {
            (CommandKind::BillingStatus, format!("{} {}", status.record, status.milestone))
        }
        Command::CreditMemo(document) => (CommandKind::CreditMemo, document.number.clone()),
        Command::Customer { name, currency } => (CommandKind::Customer, format!("{name} ({currency})")),
        Command::Invoice(document) => (CommandKind::Invoice, document.number.clone()),
        Command::JournalEntry(entry) => (CommandKind::JournalEntry, entry.number.clone()),
        Command::SalesOrder(order) => (CommandKind::SalesOrder, order.contract.clone()),
    }
}

/// What has to be settled before a delivery goes out is settled. PostgreSQL takes JSON apart by another function. A list
/// that cannot be read waits for nothing: the claim parks its row.
macro_rules! settled_before {
    (postgres) => {
        settled_before!(
            "o.after !~ '^\\[(\"[^\"]*\"(,\"[^\"]*\")*)?\\]$'",
            "json_array_elements_text(CAST(o.after AS json)) AS a (value)"
        )
    };
    (sqlite) => {
        settled_before!("NOT json_valid(o.after)", "json_each(o.after) AS a")
    };
    ($unreadable:literal, $elements:literal) => {
        concat!(
            "CASE WHEN o.after = '[]' OR ",
            $unreadable,
            " THEN TRUE ELSE NOT EXISTS (SELECT 1 FROM ",
            $elements,
            " LEFT JOIN outbox AS p ON p.key = a.value WHERE p.state IS NULL OR p.state <> 'done') END"
        )
    };
}

/// Nobody has halted its target, its contract or its customer.
macro_rules! not_paused {
    () => {
        "NOT EXISTS (SELECT 1 FROM pause AS s WHERE (s.scope = 'target' AND s.name = o.target)
         OR (s.scope = 'contract' AND s.name = o.contract)
         OR (s.scope = 'customer' AND s.name = (SELECT c.customer FROM contract AS c WHERE c.id = o.contract)))"
    };
}

macro_rules! claimable {
    ($database:ident, $lock:literal) => {
        concat!(
            "SELECT key, contract, command, after, attempts, state FROM outbox AS o
             WHERE target = $1 AND state IN ('pending', 'unknown') AND due_at <= $2 AND ",
            settled_before!($database),
            " AND NOT EXISTS (SELECT 1 FROM outbox AS q WHERE q.target = o.target AND q.subject = o.subject
              AND q.ordinal < o.ordinal AND q.state IN ('pending', 'sending', 'unknown')) AND ",
            not_paused!(),
            " ORDER BY ordinal LIMIT $3",
            $lock
        )
    };
}

/// In PostgreSQL several may claim at once: each locks what it takes, and skips what another has locked. SQLite has one
/// writer.
pub(super) const CLAIMABLE: Sql =
    Sql { postgres: claimable!(postgres, " FOR UPDATE OF o SKIP LOCKED"), sqlite: claimable!(sqlite, "") };

/// Leases a batch at once.
const LEASE: Sql = Sql {
    postgres: "UPDATE outbox SET state = 'sending', attempts = attempts + 1, lease_until = $2
               WHERE key = ANY (ARRAY (SELECT json_array_elements_text(CAST(CAST($1 AS TEXT) AS json))))",
    sqlite: "UPDATE outbox SET state = 'sending', attempts = attempts + 1, lease_until = $2
             WHERE key IN (SELECT value FROM json_each($1))",
};

/// Whether the state is among those named (`$1`, a JSON list; an empty one names all).
macro_rules! in_states {
    ($states:literal) => {
        concat!("(CAST($1 AS TEXT) = '[]' OR state IN (", $states, ")) ORDER BY ordinal")
    };
}

/// It waits, for its time or for a person. SQLite takes the index of these only for this very condition.
macro_rules! unsettled {
    () => {
        "state IN ('pending', 'sending', 'unknown', 'parked')"
    };
}

macro_rules! next_due {
    ($database:ident) => {
        concat!(
            "SELECT min(coalesce(lease_until, due_at)) FROM outbox AS o WHERE ",
            unsettled!(),
            " AND state <> 'parked' AND ",
            settled_before!($database),
            " AND ",
            not_paused!()
        )
    };
}

pub(super) const NEXT_DUE: Sql = Sql { postgres: next_due!(postgres), sqlite: next_due!(sqlite) };

/// How many deliveries wait, by connection and state. Grouped by the column itself, SQLite would walk the index of subjects,
/// and so all that was ever delivered.
pub(super) const WAITING: &str = concat!(
    "SELECT coalesce(target, ''), state, count(*) FROM outbox WHERE ",
    unsettled!(),
    " GROUP BY coalesce(target, ''), state ORDER BY 1, 2"
);

macro_rules! columns {
    () => {
        "SELECT key, contract, target, kind, subject, state, attempts, due_at, created_at, settled_at, confirmed_at,
         receipt, fault, remedy, command FROM outbox WHERE "
    };
}

/// Of all contracts.
const DELIVERIES: Sql = Sql {
    postgres: concat!(columns!(), in_states!("SELECT json_array_elements_text(CAST(CAST($1 AS TEXT) AS json))")),
    sqlite: concat!(columns!(), in_states!("SELECT value FROM json_each($1)")),
};

/// Of all contracts; of what is settled the index knows nothing.
pub(super) const UNSETTLED: Sql = Sql {
    postgres: concat!(
        columns!(),
        unsettled!(),
        " AND ",
        in_states!("SELECT json_array_elements_text(CAST(CAST($1 AS TEXT) AS json))")
    ),
    sqlite: concat!(columns!(), unsettled!(), " AND ", in_states!("SELECT value FROM json_each($1)")),
};

/// Of one contract.
const OF_CONTRACT: Sql = Sql {
    postgres: concat!(
        columns!(),
        "contract = $2 AND ",
        in_states!("SELECT json_array_elements_text(CAST(CAST($1 AS TEXT) AS json))")
    ),
    sqlite: concat!(columns!(), "contract = $2 AND ", in_states!("SELECT value FROM json_each($1)")),
};

/// PostgreSQL numbers rows by a sequence, which leaves gaps and waits for nobody.
const ENQUEUE: Sql = Sql {
    postgres: "INSERT INTO outbox (key, contract, target, kind, subject, command, digest, after, state, due_at, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $10, $9, $9) ON CONFLICT (key) DO NOTHING",
    sqlite: "INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, due_at, created_at)
             VALUES ($1, (SELECT coalesce(max(ordinal), 0) + 1 FROM outbox), $2, $3, $4, $5, $6, $7, $8, $10, $9, $9)
             ON CONFLICT (key) DO NOTHING",
};

/// Writes a posting down, inside the deciding transaction. The same key with the same payload is known already. `doubts`:
/// the remote may know what is new to us, and is asked first.
pub(super) fn enqueue(
    tx: &Session<'_>,
    contract: &str,
    posting: &Posting,
    doubts: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let command = json(&posting.command)?;
    let digest = DeliveryKey::of(&[&posting.target, &command]);
    let (key, digest) = (posting.key.as_str(), digest.as_str());
    let (kind, subject) = describe(&posting.command);
    let (after, at) = (json(&posting.after)?, instant(now));
    let doubtful = kind != CommandKind::BillingStatus && doubts;
    let state = if doubtful { DeliveryState::Unknown } else { DeliveryState::Pending };
    let new = tx.run(
        ENQUEUE,
        values![key, contract, posting.target, kind.name(), subject, command, digest, after, at, state.name()],
    )?;
    if new == 0 {
        let was = tx.one("SELECT digest FROM outbox WHERE key = $1", values![key], |row| row.get::<String>(0))?;
        return match was {
            Some(was) if was != digest => {
                Err(StoreError::KeyReused { key: posting.key.to_string(), was, now: digest.into() })
            }
            _ => Ok(()),
        };
    }
    if matches!(posting.command, Command::BillingStatus(_)) {
        // A status is a state: what was not shown yet need not be shown any more.
        tx.run(
            "UPDATE outbox SET state = 'superseded', settled_at = $3 WHERE target = $1 AND subject = $2
             AND kind = 'billing_status' AND state IN ('pending', 'parked') AND key <> $4",
            values![posting.target, subject, at, key],
        )?;
    }
    Ok(())
}

/// A status that is parked while a newer one of its record waits: nobody is to release it any more.
const SUPERSEDE_STATUS: &str = "UPDATE outbox SET state = 'superseded' WHERE key = $1 AND state = 'parked' AND EXISTS (
    SELECT 1 FROM outbox AS newer WHERE newer.target = outbox.target AND newer.subject = outbox.subject
    AND newer.kind = 'billing_status' AND newer.ordinal > outbox.ordinal)";

impl Store {
    /// Takes what is due for `target`, oldest first, and leases it. What must come first is settled already; of one
    /// subject only the oldest open delivery is taken, so that a status never overtakes an older one. An expired lease
    /// means that an attempt died: whether it wrote is unknown.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(
        &self,
        target: String,
        limit: u32,
        lease: SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.write(move |tx| {
            let expired = tx.all(
                "UPDATE outbox SET state = 'unknown', lease_until = NULL, fault = 'the attempt was interrupted'
                 WHERE target = $1 AND state = 'sending' AND lease_until <= $2 RETURNING contract, subject, key, attempts",
                values![target, instant(now)],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.count(3)?)),
            )?;
            interrupted(tx, &target, &expired, now)?;
            self::lease(tx, &target, limit, now.saturating_add(lease).unwrap_or(now), now)
        })
        .await
    }

    /// Attempts that were under way when the process died are in doubt now. Called once at the start, before any claim,
    /// by the one process that owns the database. `waits` says by connection how long the remote may still be carrying them
    /// out: it is not asked before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_leases(
        &self,
        waits: BTreeMap<String, SignedDuration>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(move |tx| {
            for (target, wait) in waits.iter().filter(|(_, wait)| wait.is_positive()) {
                let due = instant(now.saturating_add(*wait).unwrap_or(now));
                tx.run("UPDATE outbox SET due_at = $2 WHERE target = $1 AND state = 'sending'", values![target, due])?;
            }
            let died = tx.all(
                "UPDATE outbox SET state = 'unknown', lease_until = NULL, fault = 'the attempt was interrupted'
                 WHERE state = 'sending' RETURNING contract, subject, key, attempts, target",
                values![],
                |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.count(3)?), row.get::<String>(4)?)),
            )?;
            for (attempt, target) in &died {
                interrupted(tx, target, std::slice::from_ref(attempt), now)?;
            }
            Ok(died.len())
        })
        .await
    }

    /// Writes down what became of the attempts of a batch. One whose lease has passed to another attempt meanwhile has
    /// nothing to say any more.
    ///
    /// # Errors
    /// The database failed: the leases expire and the remote is asked.
    pub async fn settle(&self, attempts: Vec<(Claimed, Outcome)>, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            let settlements: Vec<Settlement> = attempts
                .iter()
                .map(|(claimed, outcome)| settlement(claimed, outcome, now))
                .collect::<Result<_, _>>()?;
            let states: Vec<&'static str> = settlements.iter().map(|one| one.state.name()).collect();
            let sets: Vec<_> = settlements
                .iter()
                .zip(&states)
                .map(|(one, state)| {
                    values![
                        one.key,
                        *state,
                        one.due_at,
                        one.receipt,
                        one.fault,
                        one.remedy,
                        one.settled_at,
                        one.attempt
                    ]
                    .to_vec()
                })
                .collect();
            // What is being sent is what has a lease. Asked for by its state, PostgreSQL would read the index of leases
            // instead of the key: its statistics may be of a time when nothing was being sent.
            let changed = tx.run_each(
                "UPDATE outbox SET state = $2, due_at = $3, receipt = $4, fault = $5, remedy = $6, settled_at = $7,
                 lease_until = NULL WHERE key = $1 AND lease_until IS NOT NULL AND attempts = $8",
                &sets,
            )?;
            for (claimed, outcome) in &attempts {
                let is_status = matches!(claimed.command, Command::BillingStatus(_));
                if is_status && matches!(outcome, Outcome::Parked { .. }) {
                    tx.run(SUPERSEDE_STATUS, values![claimed.key.as_str()])?;
                }
            }
            let settled = attempts.iter().zip(changed).filter(|(_, changed)| *changed == 1);
            let lines: Vec<Entry> = settled.map(|((claimed, outcome), _)| audit_line(claimed, outcome)).collect();
            audit::append(tx, now, &lines)
        })
        .await
    }

    /// The earliest instant at which a delivery is due.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next_delivery(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|tx| Ok(tx.one(NEXT_DUE, values![], |row| row.parsed_option(0, "outbox.due_at"))?.flatten())).await
    }

    /// Deliveries, oldest first: of one contract or all, in one of these states, or in any where none is named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn deliveries(
        &self,
        contract: Option<String>,
        states: &'static [DeliveryState],
    ) -> Result<Vec<Delivery>, StoreError> {
        let waiting = !states.is_empty() && states.iter().all(|state| DeliveryState::UNSETTLED.contains(state));
        self.read(move |tx| {
            let states = json(&states)?;
            match contract {
                Some(contract) => tx.all(OF_CONTRACT, values![states, contract], read_delivery),
                None => tx.all(if waiting { UNSETTLED } else { DELIVERIES }, values![states], read_delivery),
            }
        })
        .await
    }

    /// Deliveries that a person has given up and that somebody misses, oldest first: what milestoned decided is not in the
    /// remote. A status is none of them (the next one says what holds), nor is a document that was withdrawn with it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn given_up(&self) -> Result<Vec<Delivery>, StoreError> {
        let sql = concat!(
            columns!(),
            "state = 'dismissed' AND kind <> 'billing_status' AND NOT EXISTS (SELECT 1 FROM fact AS f
             WHERE f.contract = outbox.contract AND f.identity = 'withdrawn:' || outbox.key) ORDER BY ordinal"
        );
        self.read(move |tx| tx.all(sql, values![], read_delivery)).await
    }

    /// How many deliveries wait, by connection and state.
    ///
    /// # Errors
    /// The database failed.
    pub async fn waiting(&self) -> Result<Vec<(String, DeliveryState, i64)>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.parsed(1, "outbox.state")?, row.get(2)?));
        self.read(move |tx| tx.all(WAITING, values![], read)).await
    }

    /// One delivery by its key.
    ///
    /// # Errors
    /// The database failed.
    pub async fn delivery(&self, key: String) -> Result<Option<Delivery>, StoreError> {
        self.read(move |tx| one(tx, &key)).await
    }

    /// A person decides about a parked delivery: `again` makes it due (the remote is asked first), also one that was given up;
    /// otherwise it is given up. `false`: no such delivery has this key.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_parked(
        &self,
        key: String,
        again: bool,
        actor: String,
        reason: String,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let state = if again { DeliveryState::Unknown } else { DeliveryState::Dismissed };
            let settled = (!again).then(|| instant(now));
            let parked = tx.one(
                "UPDATE outbox SET state = $2, due_at = $3, settled_at = $4 WHERE key = $1
                 AND (state = 'parked' OR (state = 'dismissed' AND $2 <> 'dismissed')) RETURNING contract, subject",
                values![key, state.name(), instant(now), settled],
                |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
            )?;
            let Some((contract, subject)) = parked else { return Ok(false) };
            let action = if again { "delivery released" } else { "delivery dismissed" };
            let detail = format!("key {key}: {reason}");
            audit::append(tx, now, &[Entry::by(&actor, action, Some(&contract), subject, detail)])?;
            Ok(true)
        })
        .await
    }

    /// A person has done outside what a parked delivery was to do; `how` says how that was made sure. What had to wait
    /// for it goes on. `false`: no parked delivery has this key.
    ///
    /// # Errors
    /// The database failed.
    pub async fn done_outside(
        &self,
        key: String,
        receipt: Receipt,
        actor: String,
        how: String,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let parked = tx.one(
                "UPDATE outbox SET state = 'done', by_hand = TRUE, receipt = $2, settled_at = $3, fault = NULL,
                 remedy = NULL WHERE key = $1 AND state = 'parked' RETURNING contract, subject",
                values![key, json(&receipt)?, instant(now)],
                |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
            )?;
            let Some((contract, subject)) = parked else { return Ok(false) };
            let detail = format!("key {key}, remote id {}: {how}", receipt.remote_id);
            let line = Entry::by(&actor, "delivery done outside", Some(&contract), subject, detail);
            audit::append(tx, now, &[line])?;
            Ok(true)
        })
        .await
    }

    /// A poll saw the document with this number in the remote: its delivery is confirmed, also one whose own answer was lost
    /// and is looked up later.
    ///
    /// # Errors
    /// The database failed.
    pub async fn confirm(&self, target: String, number: String, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.run(
                "UPDATE outbox SET confirmed_at = $3 WHERE target = $1 AND subject = $2 AND confirmed_at IS NULL
                 AND kind IN ('invoice', 'credit_memo', 'journal_entry')",
                values![target, number, instant(now)],
            )
            .map(drop)
        })
        .await
    }
}

/// Takes what is due for a target, oldest first and at most so many, and leases it until an instant.
pub(super) fn lease(
    tx: &Session<'_>,
    target: &str,
    limit: u32,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Claimed>, StoreError> {
    let mut receipts = Receipts::default();
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for row in claimable(tx, target, limit, now)? {
        match claimed(tx, target, &row, &mut receipts) {
            Ok(claimed) => all.push(claimed),
            Err(error) if error.is_of_one_row() => unreadable.push((row, error)),
            Err(error) => return Err(error),
        }
    }
    park_unreadable(tx, &unreadable, now)?;
    if all.is_empty() {
        return Ok(all);
    }
    let keys: Vec<&str> = all.iter().map(|claimed| claimed.key.as_str()).collect();
    tx.run(LEASE, values![json(&keys)?, instant(until)])?;
    Ok(all)
}

/// After a restore what is new to us may be known to the remote.
pub(super) fn looks_first(tx: &Session<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM mark WHERE name = 'look first until' AND at > $1";
    Ok(tx.one(sql, values![instant(now)], |_| Ok(()))?.is_some())
}

/// One delivery by its key.
pub(super) fn one(tx: &Session<'_>, key: &str) -> Result<Option<Delivery>, StoreError> {
    tx.one(concat!(columns!(), "key = $1"), values![key], read_delivery)
}

/// An attempt that died: contract, subject, key, how many there have been.
type Died = (String, String, String, u32);

/// Nobody will tell what became of these attempts.
fn interrupted(tx: &Session<'_>, target: &str, died: &[Died], now: Timestamp) -> Result<(), StoreError> {
    let lines: Vec<Entry> = died
        .iter()
        .map(|(contract, subject, key, attempts)| {
            let detail =
                format!("{target}, attempt {attempts}, key {key}: it may have been carried out; the remote is asked");
            Entry::own("delivery interrupted", Some(contract), subject.clone(), detail)
        })
        .collect();
    audit::append(tx, now, &lines)
}

/// What is written down about an attempt, if its lease has not passed to another.
struct Settlement {
    key: String,
    state: DeliveryState,
    due_at: String,
    receipt: Option<String>,
    fault: Option<String>,
    remedy: Option<String>,
    settled_at: Option<String>,
    attempt: i64,
}

fn settlement(claimed: &Claimed, outcome: &Outcome, now: Timestamp) -> Result<Settlement, StoreError> {
    let (state, due_at, receipt, fault, remedy) = match outcome {
        Outcome::Done { receipt, .. } => (DeliveryState::Done, now, Some(json(receipt)?), None, None),
        Outcome::Again { at, fault } => (DeliveryState::Pending, *at, None, Some(fault.clone()), None),
        Outcome::LookAt { at, fault } => (DeliveryState::Unknown, *at, None, Some(fault.clone()), None),
        Outcome::Parked { fault, remedy } => {
            (DeliveryState::Parked, now, None, Some(fault.clone()), Some(remedy.clone()))
        }
    };
    let settled = matches!(outcome, Outcome::Done { .. } | Outcome::Parked { .. });
    Ok(Settlement {
        key: claimed.key.to_string(),
        state,
        due_at: instant(due_at),
        receipt,
        fault,
        remedy,
        settled_at: settled.then(|| instant(now)),
        attempt: i64::from(claimed.attempts).saturating_add(1),
    })
}

/// A delivery that may be taken.
struct Claimable {
    key: String,
    contract: String,
    command: String,
    after: String,
    attempts: u32,
    state: DeliveryState,
}

fn claimable(tx: &Session<'_>, target: &str, limit: u32, now: Timestamp) -> Result<Vec<Claimable>, StoreError> {
    tx.all(CLAIMABLE, values![target, instant(now), i64::from(limit)], |row| {
        Ok(Claimable {
            key: row.get(0)?,
            contract: row.get(1)?,
            command: row.get(2)?,
            after: row.get(3)?,
            attempts: row.count(4)?,
            state: row.parsed(5, "outbox.state")?,
        })
    })
}

/// Kinds and receipts of what was delivered before, by key: many documents stand on one customer.
type Receipts = BTreeMap<DeliveryKey, (CommandKind, Receipt)>;

/// Puts a receipt into the place that its kind of command has for what comes after it.
fn note_receipt(after: &mut After, (kind, receipt): (CommandKind, Receipt)) {
    match kind {
        CommandKind::Customer => after.customer = Some(receipt),
        CommandKind::SalesOrder => after.order = Some(receipt),
        CommandKind::Invoice | CommandKind::CreditMemo => after.original = Some(receipt),
        CommandKind::BillingStatus | CommandKind::JournalEntry => {}
    }
}

fn claimed(tx: &Session<'_>, target: &str, row: &Claimable, known: &mut Receipts) -> Result<Claimed, StoreError> {
    let keys: Vec<DeliveryKey> = parse("outbox", "after", &row.key, &row.after)?;
    let mut after = After::default();
    for earlier in keys {
        note_receipt(&mut after, receipt(tx, earlier, known)?);
    }
    Ok(Claimed {
        command: parse("outbox", "command", &row.key, &row.command)?,
        after,
        key: DeliveryKey::stored(row.key.clone()),
        contract: row.contract.clone(),
        target: target.into(),
        attempts: row.attempts,
        look_first: row.state == DeliveryState::Unknown,
    })
}

fn receipt(tx: &Session<'_>, key: DeliveryKey, known: &mut Receipts) -> Result<(CommandKind, Receipt), StoreError> {
    if let Some(receipt) = known.get(&key) {
        return Ok(receipt.clone());
    }
    let sql = "SELECT kind, receipt FROM outbox WHERE key = $1";
    let row = tx.one(sql, values![key.as_str()], |row| {
        let text = row.get::<Option<String>>(1)?.unwrap_or_default();
        Ok((row.parsed(0, "outbox.kind")?, parse("outbox", "receipt", key.as_str(), &text)?))
    })?;
    let receipt: (CommandKind, Receipt) =
        row.ok_or_else(|| StoreError::Unreadable { column: "outbox.after", text: key.to_string() })?;
    known.insert(key, receipt.clone());
    Ok(receipt)
}

/// A row that cannot be read is for a person, who is told which; the others go on. What it was to write is not known, so
/// that nothing is written for it.
fn park_unreadable(tx: &Session<'_>, rows: &[(Claimable, StoreError)], now: Timestamp) -> Result<(), StoreError> {
    for (row, error) in rows {
        let fault = error.whole();
        let remedy = "Restore the row from a backup, or see in the remote whether it was written, and dismiss it.";
        let subject = tx.one(
            "UPDATE outbox SET state = 'parked', fault = $2, remedy = $3, settled_at = $4 WHERE key = $1
             RETURNING subject",
            values![row.key, fault, remedy, instant(now)],
            |row| row.get::<String>(0),
        )?;
        let line = Entry::own("delivery parked", Some(&row.contract), subject.unwrap_or_default(), fault);
        audit::append(tx, now, &[line])?;
    }
    Ok(())
}

fn audit_line(claimed: &Claimed, outcome: &Outcome) -> Entry {
    let (_, subject) = describe(&claimed.command);
    let attempt = claimed.attempts.saturating_add(1);
    let (action, detail) = match outcome {
        Outcome::Done { receipt, adopted } => {
            let how = if *adopted { "found, verified and adopted" } else { "written" };
            let request = receipt.request_id.as_deref().unwrap_or("none");
            ("delivery settled", format!("{how}; remote id {}, request id {request}", receipt.remote_id))
        }
        Outcome::Again { at, fault } => ("delivery postponed", format!("{fault}; again at {at}")),
        Outcome::LookAt { at, fault } => ("delivery in doubt", format!("{fault}; the remote is asked at {at}")),
        Outcome::Parked { fault, remedy } => ("delivery parked", format!("{fault}; {remedy}")),
    };
    let detail = format!("{}, attempt {attempt}, key {}: {detail}", claimed.target, claimed.key);
    Entry::own(action, Some(&claimed.contract), subject, detail)
}

/// A remote's answer, for people: they are shown a row whose answer cannot be read, too.
pub(super) fn read_receipt(text: Option<String>) -> Option<Receipt> {
    serde_json::from_str(&text?).ok()
}

fn read_delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let key: String = row.get(0)?;
    let receipt = read_receipt(row.get(11)?);
    Ok(Delivery {
        contract: row.get(1)?,
        target: row.get(2)?,
        kind: row.parsed(3, "outbox.kind")?,
        subject: row.get(4)?,
        state: row.parsed(5, "outbox.state")?,
        attempts: row.count(6)?,
        due_at: row.parsed(7, "outbox.due_at")?,
        created_at: row.parsed(8, "outbox.created_at")?,
        settled_at: row.parsed_option(9, "outbox.settled_at")?,
        confirmed_at: row.parsed_option(10, "outbox.confirmed_at")?,
        remote_id: receipt.as_ref().map(|receipt| receipt.remote_id.clone()),
        request_id: receipt.and_then(|receipt| receipt.request_id),
        fault: row.get(12)?,
        remedy: row.get(13)?,
        command: serde_json::from_str(&row.get::<String>(14)?).ok(),
        key,
    })
}
