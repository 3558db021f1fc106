//! The outbox: claim, act outside, settle. A key is kept for ever.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::Receipt;
use milestoned_connector_kit::customers::Known;
use milestoned_mapping::command::{Command, DeliveryKey, Posting};
use milestoned_trail::rows::{named, named_receipt};
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::OUTBOX;
use super::audit::{self, Entry};
pub use super::claims::Claimed;
use super::claims::{self, not_paused, settled_before};
use super::session::{Cell, Numbered, Row, Sql, Value, cells, values};
use super::vocabulary::{CommandKind, DeliveryState};
use super::{Store, StoreError, Verb, customers, instant, json};

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
    /// For a person, who has to say which record of the remote a customer is.
    Undecided {
        /// Why.
        fault: String,
        /// What to do.
        remedy: String,
        /// Records that are called alike.
        alike: Vec<Known>,
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
    /// The remote shows it, and has not posted it: it waits for an approval there.
    pub unposted: bool,
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

impl Delivery {
    /// Its state in words; what is done and not posted is not called done.
    pub fn standing(&self) -> String {
        if self.unposted { "sent, not posted".into() } else { self.state.to_string() }
    }
}

/// Names a command's kind and subject.
pub fn describe(command: &Command) -> (CommandKind, String) {
    match command {
        Command::AcceptanceRecord(record) => {
            (CommandKind::AcceptanceRecord, format!("acceptance record of {}", record.number))
        }
        Command::BillingStatus(status) => {
            (CommandKind::BillingStatus, format!("{} {}", status.record, status.milestone))
        }
        Command::CreditMemo(document) => (CommandKind::CreditMemo, document.number.clone()),
        Command::Customer { name, currency } => (CommandKind::Customer, format!("{name} ({currency})")),
        Command::Invoice(document) => (CommandKind::Invoice, document.number.clone()),
        Command::InvoiceEmail(email) => (CommandKind::InvoiceEmail, format!("{} by mail", email.number)),
        Command::JournalEntry(entry) => (CommandKind::JournalEntry, entry.number.clone()),
        Command::SalesOrder(order) => (CommandKind::SalesOrder, order.contract.clone()),
    }
}

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
            not_paused!($database)
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
         receipt, fault, remedy, command,
         EXISTS (SELECT 1 FROM unposted AS u WHERE u.number = subject AND u.system = target) FROM outbox WHERE "
    };
}

/// Of all contracts.
const DELIVERIES: Sql = Sql {
    postgres: concat!(columns!(), in_states!("SELECT json_array_elements_text(CAST(CAST($1 AS TEXT) AS json))")),
    sqlite: concat!(columns!(), in_states!("SELECT value FROM json_each($1)")),
};

/// What was answered, and is not posted in the remote. SQLite takes the tables of a cross join in this order: it would begin with
/// all deliveries otherwise.
pub(super) const UNPOSTED: &str = concat!(
    columns!(),
    "state = 'done' AND key IN (SELECT o.key FROM unposted AS p CROSS JOIN outbox AS o
     WHERE o.subject = p.number AND o.target = p.system) ORDER BY ordinal"
);

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
const ENQUEUE: Numbered = Numbered {
    postgres: "INSERT INTO outbox (key, contract, target, kind, subject, command, digest, after, state, due_at, created_at, mac)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $10, $9, $9, $11) ON CONFLICT (key) DO NOTHING RETURNING ordinal",
    sqlite: "INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, due_at, created_at,
             mac) VALUES ($1, (SELECT coalesce(max(ordinal), 0) + 1 FROM outbox), $2, $3, $4, $5, $6, $7, $8, $10, $9, $9, $11)
             ON CONFLICT (key) DO NOTHING",
    number: Some("SELECT ordinal FROM outbox WHERE rowid = $1"),
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
    let told = cells![key, contract, &posting.target, kind.name(), &subject, &command, digest, &after, &at];
    let (code, told) = tx.code_and_digest(&OUTBOX, &told, &Standing::fresh(state, &at).cells())?;
    let new = tx.number(
        ENQUEUE,
        values![key, contract, posting.target, kind.name(), subject, command, digest, after, at, state.name(), code],
    )?;
    if let Some(ordinal) = new {
        tx.inserted(&OUTBOX, ordinal, &code);
        tx.is_about(contract, &subject, named(OUTBOX.name, &told));
    } else {
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
        let older = tx.all(
            "SELECT key FROM outbox WHERE target = $1 AND subject = $2 AND kind = 'billing_status'
             AND state IN ('pending', 'parked') AND key <> $3",
            values![posting.target, subject, key],
            |row| row.get::<String>(0),
        )?;
        for older in older {
            change_genuine(
                tx,
                &older,
                "UPDATE outbox SET state = 'superseded', settled_at = $2 WHERE key = $1",
                values![older, at],
            )?;
        }
    }
    Ok(())
}

/// What became of a delivery, as its row's code covers it.
pub(super) struct Standing<'a> {
    pub(super) state: DeliveryState,
    pub(super) attempts: i64,
    pub(super) due_at: &'a str,
    pub(super) lease_until: Option<&'a str>,
    pub(super) settled_at: Option<&'a str>,
    pub(super) receipt: Option<&'a str>,
    pub(super) fault: Option<&'a str>,
    pub(super) remedy: Option<&'a str>,
}

impl<'a> Standing<'a> {
    /// Of one that nobody has tried yet.
    fn fresh(state: DeliveryState, due_at: &'a str) -> Self {
        Self {
            state,
            attempts: 0,
            due_at,
            lease_until: None,
            settled_at: None,
            receipt: None,
            fault: None,
            remedy: None,
        }
    }

    /// Of one that no poll has shown yet and nobody did by hand.
    pub(super) fn cells(&self) -> [Cell<'_>; 10] {
        cells![
            self.state.name(),
            self.attempts,
            self.due_at,
            self.lease_until,
            self.settled_at,
            Cell::Null,
            self.receipt,
            self.fault,
            self.remedy,
            false
        ]
    }
}

/// Changes a delivery that is attested by a statement; one that is not stays as it is, for the claim to park. `true`: it was
/// changed.
pub(super) fn change_genuine(
    tx: &Session<'_>,
    key: &str,
    sql: &'static str,
    values: &[&dyn Value],
) -> Result<bool, StoreError> {
    match tx.change(&OUTBOX, values![key], || tx.run(sql, values)) {
        Ok(changed) => Ok(changed > 0),
        Err(StoreError::Unattested { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A status that is parked while a newer one of its record waits: nobody is to release it any more.
const SUPERSEDE_STATUS: &str = "UPDATE outbox SET state = 'superseded' WHERE key = $1 AND state = 'parked' AND EXISTS (
    SELECT 1 FROM outbox AS newer WHERE newer.target = outbox.target AND newer.subject = outbox.subject
    AND newer.kind = 'billing_status' AND newer.ordinal > outbox.ordinal)";

/// Settles what a poll has shown already.
const SETTLE_SHOWN: &str =
    "UPDATE outbox SET state = $2, due_at = $3, receipt = $4, fault = $5, remedy = $6, settled_at = $7,
    lease_until = NULL WHERE key = $1 AND lease_until IS NOT NULL AND attempts = $8";

macro_rules! expired {
    ($lock:literal) => {
        concat!(
            "SELECT contract, subject, key, attempts FROM outbox WHERE target = $1 AND state = 'sending'
             AND lease_until <= $2 ORDER BY ordinal",
            $lock
        )
    };
}

/// In PostgreSQL several may claim at once: what one of them takes over, another must not take from him.
const EXPIRED: Sql = Sql { postgres: expired!(" FOR UPDATE SKIP LOCKED"), sqlite: expired!("") };

impl Store {
    /// Takes what is due for `target`, oldest first, and leases it. What must come first is settled already; of one
    /// subject only the oldest open delivery is taken, so that a status never overtakes an older one. An expired lease
    /// means that an attempt died: whether it wrote is unknown.
    ///
    /// # Errors
    /// The database failed.
    pub fn claim(&self, target: String, limit: u32, lease: SignedDuration, now: Timestamp) -> Verb<'_, Vec<Claimed>> {
        self.write(move |tx| {
            let expired = tx.all(EXPIRED, values![target, instant(now)], read_died)?;
            interrupted(tx, &target, &expired, now)?;
            claims::lease(tx, &target, limit, now.saturating_add(lease).unwrap_or(now), now)
        })
    }

    /// Attempts that were under way when the process died are in doubt now. Called once at the start, before any claim,
    /// by the one process that owns the database. `waits` says by connection how long the remote may still be carrying them
    /// out: it is not asked before.
    ///
    /// # Errors
    /// The database failed.
    pub fn release_leases(&self, waits: BTreeMap<String, SignedDuration>, now: Timestamp) -> Verb<'_, usize> {
        self.write(move |tx| {
            let died = tx.all(
                "SELECT contract, subject, key, attempts, target FROM outbox WHERE state = 'sending' ORDER BY ordinal",
                values![],
                |row| Ok((read_died(row)?, row.get::<String>(4)?)),
            )?;
            for (attempt, target) in &died {
                if let Some(wait) = waits.get(target).filter(|wait| wait.is_positive()) {
                    let due = instant(now.saturating_add(*wait).unwrap_or(now));
                    let sql = "UPDATE outbox SET due_at = $2 WHERE key = $1";
                    change_genuine(tx, &attempt.2, sql, values![attempt.2, due])?;
                }
                interrupted(tx, target, std::slice::from_ref(attempt), now)?;
            }
            Ok(died.len())
        })
    }

    /// Writes down what became of the attempts of a batch. One whose lease has passed to another attempt meanwhile has
    /// nothing to say any more.
    ///
    /// # Errors
    /// The database failed: the leases expire and the remote is asked.
    pub fn settle(&self, attempts: Vec<(Claimed, Outcome)>, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let settlements: Vec<Settlement> = attempts
                .iter()
                .map(|(claimed, outcome)| settlement(claimed, outcome, now))
                .collect::<Result<_, _>>()?;
            let states: Vec<&'static str> = settlements.iter().map(|settlement| settlement.state.name()).collect();
            let codes: Vec<Vec<u8>> = attempts
                .iter()
                .zip(&settlements)
                .map(|((claimed, _), attempt)| tx.code_after(&OUTBOX, &claimed.attested, &attempt.standing().cells()))
                .collect::<Result<_, _>>()?;
            let sets: Vec<_> = settlements
                .iter()
                .zip(states.iter().zip(&codes))
                .map(|(settlement, (state, code))| {
                    values![
                        settlement.key,
                        *state,
                        settlement.due_at,
                        settlement.receipt,
                        settlement.fault,
                        settlement.remedy,
                        settlement.settled_at,
                        settlement.attempt,
                        *code
                    ]
                    .to_vec()
                })
                .collect();
            // What is being sent is what has a lease. Asked for by its state, PostgreSQL would read the index of leases
            // instead of the key: its statistics may be of a time when nothing was being sent.
            let mut changed = tx.run_each(
                "UPDATE outbox SET state = $2, due_at = $3, receipt = $4, fault = $5, remedy = $6, settled_at = $7,
                 lease_until = NULL, mac = $9 WHERE key = $1 AND lease_until IS NOT NULL AND attempts = $8
                 AND confirmed_at IS NULL",
                &sets,
            )?;
            for (changed, ((claimed, _), (set, code))) in
                changed.iter_mut().zip(attempts.iter().zip(sets.iter().zip(&codes)))
            {
                if *changed == 1 {
                    tx.updated(&OUTBOX, &claimed.attested, code);
                } else if let [values @ .., _] = set.as_slice() {
                    *changed = u64::from(change_genuine(tx, claimed.key.as_str(), SETTLE_SHOWN, values)?);
                }
            }
            for (claimed, outcome) in &attempts {
                let is_status = matches!(claimed.command, Command::BillingStatus(_));
                if is_status && matches!(outcome, Outcome::Parked { .. }) {
                    let key = claimed.key.as_str();
                    change_genuine(tx, key, SUPERSEDE_STATUS, values![key])?;
                }
                if let (Command::Customer { name, .. }, Outcome::Undecided { alike, .. }) = (&claimed.command, outcome)
                {
                    customers::propose(tx, &claimed.target, name, alike, now)?;
                }
            }
            let settled = attempts.iter().zip(changed).filter(|(_, changed)| *changed == 1);
            let lines: Vec<Entry> =
                settled.map(|((claimed, outcome), _)| audit_line(claimed, outcome)).collect::<Result<_, _>>()?;
            audit::append(tx, now, &lines)
        })
    }

    /// The earliest instant at which a delivery is due.
    ///
    /// # Errors
    /// The database failed.
    pub fn next_delivery(&self) -> Verb<'_, Option<Timestamp>> {
        self.read(|tx| Ok(tx.one(NEXT_DUE, values![], |row| row.parsed_option(0, "outbox.due_at"))?.flatten()))
    }

    /// Deliveries, oldest first: of one contract or all, in one of these states, or in any where none is named.
    ///
    /// # Errors
    /// The database failed.
    pub fn deliveries(&self, contract: Option<String>, states: &'static [DeliveryState]) -> Verb<'_, Vec<Delivery>> {
        let waiting = !states.is_empty() && states.iter().all(|state| DeliveryState::UNSETTLED.contains(state));
        self.read(move |tx| {
            let states = json(&states)?;
            match contract {
                Some(contract) => tx.all(OF_CONTRACT, values![states, contract], read_delivery),
                None => tx.all(if waiting { UNSETTLED } else { DELIVERIES }, values![states], read_delivery),
            }
        })
    }

    /// Documents and entries that their remotes have taken and not posted, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn unposted(&self) -> Verb<'_, Vec<Delivery>> {
        self.read(|tx| tx.all(UNPOSTED, values![], read_delivery))
    }

    /// Deliveries that a person has given up and that somebody misses, oldest first: what milestoned decided is not in the
    /// remote. A status is none of them (the next one says what holds), nor is a document that was withdrawn with it.
    ///
    /// # Errors
    /// The database failed.
    pub fn given_up(&self) -> Verb<'_, Vec<Delivery>> {
        let sql = concat!(
            columns!(),
            "state = 'dismissed' AND kind <> 'billing_status' AND NOT EXISTS (SELECT 1 FROM fact AS f
             WHERE f.contract = outbox.contract AND f.identity = 'withdrawn:' || outbox.key) ORDER BY ordinal"
        );
        self.read(move |tx| tx.all(sql, values![], read_delivery))
    }

    /// How many deliveries wait, by connection and state.
    ///
    /// # Errors
    /// The database failed.
    pub fn waiting(&self) -> Verb<'_, Vec<(String, DeliveryState, i64)>> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.parsed(1, "outbox.state")?, row.get(2)?));
        self.read(move |tx| tx.all(WAITING, values![], read))
    }

    /// Whether another delivery to the same record has come after this one: a state of before need not be what holds now.
    ///
    /// # Errors
    /// The database failed.
    pub fn is_outdated(&self, key: String) -> Verb<'_, bool> {
        let sql =
            "SELECT 1 FROM outbox AS o JOIN outbox AS later ON later.target = o.target AND later.subject = o.subject
                   AND later.kind = o.kind AND later.ordinal > o.ordinal WHERE o.key = $1";
        self.read(move |tx| Ok(tx.one(sql, values![key], |_| Ok(()))?.is_some()))
    }

    /// One delivery by its key.
    ///
    /// # Errors
    /// The database failed.
    pub fn delivery(&self, key: String) -> Verb<'_, Option<Delivery>> {
        self.read(move |tx| one(tx, &key))
    }

    /// A person decides about a parked delivery: `again` makes it due (the remote is asked first), also one that was given up;
    /// otherwise it is given up. `false`: no such delivery has this key.
    ///
    /// # Errors
    /// The database failed.
    pub fn release_parked(
        &self,
        key: String,
        again: bool,
        actor: Actor,
        reason: String,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(move |tx| {
            let state = if again { DeliveryState::Unknown } else { DeliveryState::Dismissed };
            let settled = (!again).then(|| instant(now));
            let parked = tx.change(&OUTBOX, values![key], || {
                tx.one(
                    "UPDATE outbox SET state = $2, due_at = $3, settled_at = $4 WHERE key = $1
                     AND (state = 'parked' OR (state = 'dismissed' AND $2 <> 'dismissed')) RETURNING contract, subject",
                    values![key, state.name(), instant(now), settled],
                    |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
                )
            })?;
            let Some((contract, subject)) = parked else { return Ok(false) };
            let action = if again { Action::DeliveryReleased } else { Action::DeliveryDismissed };
            let detail = format!("key {key}: {reason}");
            audit::append(tx, now, &[Entry::by(&actor, action, Some(&contract), subject, detail)])?;
            Ok(true)
        })
    }

    /// A person has done outside what a parked delivery was to do; `how` says how that was made sure. What had to wait
    /// for it goes on. `false`: no parked delivery has this key.
    ///
    /// # Errors
    /// The database failed.
    pub fn done_outside(
        &self,
        key: String,
        receipt: Receipt,
        actor: Actor,
        how: String,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(move |tx| {
            let parked = tx.change(&OUTBOX, values![key], || {
                tx.one(
                    "UPDATE outbox SET state = 'done', by_hand = TRUE, receipt = $2, settled_at = $3, fault = NULL,
                     remedy = NULL WHERE key = $1 AND state = 'parked' RETURNING contract, subject",
                    values![key, json(&receipt)?, instant(now)],
                    |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
                )
            })?;
            let Some((contract, subject)) = parked else { return Ok(false) };
            let detail = format!("key {key}, remote id {}: {how}", receipt.remote_id);
            tx.is_about(&contract, &subject, named_receipt(&key, &json(&receipt)?));
            let line = Entry::by(&actor, Action::DeliveryDoneOutside, Some(&contract), subject, detail);
            audit::append(tx, now, &[line])?;
            Ok(true)
        })
    }
}

/// One delivery by its key.
pub(super) fn one(tx: &Session<'_>, key: &str) -> Result<Option<Delivery>, StoreError> {
    tx.one(concat!(columns!(), "key = $1"), values![key], read_delivery)
}

/// An attempt that died: contract, subject, key, how many there have been.
type Died = (String, String, String, u32);

fn read_died(row: &Row<'_>) -> Result<Died, StoreError> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.count(3)?))
}

/// Nobody will tell what became of these attempts: they are in doubt.
fn interrupted(tx: &Session<'_>, target: &str, died: &[Died], now: Timestamp) -> Result<(), StoreError> {
    for (_, _, key, _) in died {
        let sql = "UPDATE outbox SET state = 'unknown', lease_until = NULL, fault = 'the attempt was interrupted'
                   WHERE key = $1";
        if !change_genuine(tx, key, sql, values![key])? {
            // It is told by the claim, and written by nobody.
            tx.run("UPDATE outbox SET state = 'unknown', lease_until = NULL WHERE key = $1", values![key])?;
        }
    }
    let lines: Vec<Entry> = died
        .iter()
        .map(|(contract, subject, key, attempts)| {
            let detail =
                format!("{target}, attempt {attempts}, key {key}: it may have been carried out; the remote is asked");
            Entry::own(Action::DeliveryInterrupted, Some(contract), subject.clone(), detail)
        })
        .collect();
    audit::append(tx, now, &lines)
}

impl Settlement {
    /// How its row stands then.
    fn standing(&self) -> Standing<'_> {
        Standing {
            state: self.state,
            attempts: self.attempt,
            due_at: &self.due_at,
            lease_until: None,
            settled_at: self.settled_at.as_deref(),
            receipt: self.receipt.as_deref(),
            fault: self.fault.as_deref(),
            remedy: self.remedy.as_deref(),
        }
    }
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
        Outcome::Parked { fault, remedy } | Outcome::Undecided { fault, remedy, .. } => {
            (DeliveryState::Parked, now, None, Some(fault.clone()), Some(remedy.clone()))
        }
    };
    let settled = !matches!(outcome, Outcome::Again { .. } | Outcome::LookAt { .. });
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

fn audit_line(claimed: &Claimed, outcome: &Outcome) -> Result<Entry, StoreError> {
    let (_, subject) = describe(&claimed.command);
    let attempt = claimed.attempts.saturating_add(1);
    let (action, detail) = match outcome {
        Outcome::Done { receipt, adopted } => {
            let how = if *adopted { "found, verified and adopted" } else { "written" };
            let request = receipt.request_id.as_deref().unwrap_or("none");
            (Action::DeliverySettled, format!("{how}; remote id {}, request id {request}", receipt.remote_id))
        }
        Outcome::Again { at, fault } => (Action::DeliveryPostponed, format!("{fault}; again at {at}")),
        Outcome::LookAt { at, fault } => (Action::DeliveryInDoubt, format!("{fault}; the remote is asked at {at}")),
        Outcome::Parked { fault, remedy } | Outcome::Undecided { fault, remedy, .. } => {
            (Action::DeliveryParked, format!("{fault}; {remedy}"))
        }
    };
    let detail = format!("{}, attempt {attempt}, key {}: {detail}", claimed.target, claimed.key);
    let mut attests = named(OUTBOX.name, &claimed.attested.digest);
    if let Outcome::Done { receipt, .. } = outcome {
        attests.push(' ');
        attests.push_str(&named_receipt(claimed.key.as_str(), &json(receipt)?));
    }
    Ok(Entry { attests: Some(attests), ..Entry::own(action, Some(&claimed.contract), subject, detail) })
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
        unposted: row.get(15)?,
        remote_id: receipt.as_ref().map(|receipt| receipt.remote_id.clone()),
        request_id: receipt.and_then(|receipt| receipt.request_id),
        fault: row.get(12)?,
        remedy: row.get(13)?,
        command: serde_json::from_str(&row.get::<String>(14)?).ok(),
        key,
    })
}
