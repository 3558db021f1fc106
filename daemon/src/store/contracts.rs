//! Contracts and the decisions about them. A decision lands in one transaction: facts, state, documents, exceptions,
//! outbox, audit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_mapping::command::Posting;
use milestoned_mapping::fact::{Fact, Leg, LegRecord};
use milestoned_mapping::record::SourceRecord;
use rusqlite::{Connection, OptionalExtension, params};

use super::audit::{self, Entry};
use super::intake::{NewFact, insert_fact, leg_name};
use super::outbox::enqueue;
use super::{Store, StoreError, instant, json, parse, read_instant};

/// A contract as the store keeps it.
#[derive(Debug, Clone)]
pub struct ContractRow {
    /// Contract id.
    pub id: String,
    /// Terms and options as they were given, JSON.
    pub agreement: String,
    /// Digest of the agreement.
    pub digest: String,
    /// First day of the run.
    pub opened_on: String,
    /// Snapshot of the core's state, JSON.
    pub state: String,
    /// Facts in the snapshot.
    pub history: i64,
    /// Documents whose postings are in the outbox.
    pub planned_documents: i64,
    /// Journal entries up to this date are in the outbox.
    pub journal_through: Option<String>,
}

/// Everything a decision about one contract needs.
#[derive(Debug, Clone)]
pub struct Work {
    /// The contract.
    pub row: ContractRow,
    /// Facts that wait, in order of their time.
    pub pending: Vec<PendingFact>,
    /// When the latest decided fact took effect.
    pub last_effective: Option<Timestamp>,
    /// Parts of each leg, by object then id.
    pub parts: BTreeMap<String, Vec<(String, String)>>,
    /// What each leg said last.
    pub legs: BTreeMap<String, LegRecord>,
    /// Remote records that show a milestone: (system, remote id) by milestone; the empty milestone is the contract's.
    pub records: BTreeMap<String, Vec<(String, String)>>,
}

/// A fact that waits for its decision.
#[derive(Debug, Clone)]
pub struct PendingFact {
    /// Row; `None` for one that this decision brings along.
    pub id: Option<i64>,
    /// The fact.
    pub fact: Fact,
    /// Who is behind it.
    pub actor: String,
    /// Its identity, for one that this decision brings along.
    pub identity: String,
}

/// A decided fact.
#[derive(Debug, Clone)]
pub struct DecidedFact {
    /// The fact, as it waited.
    pub pending: PendingFact,
    /// When it took effect.
    pub effective_at: Timestamp,
    /// Why it is parked instead of decided.
    pub problem: Option<String>,
}

/// A document issued by this decision.
#[derive(Debug, Clone)]
pub struct IssuedRow {
    /// Number.
    pub number: String,
    /// Place among the contract's documents, from 0.
    pub ordinal: i64,
    /// `invoice`, `credit_memo`, `supplementary_invoice`.
    pub kind: String,
    /// Milestone.
    pub milestone: String,
    /// Date.
    pub date: String,
    /// Due date.
    pub due_on: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Amount, decimal text.
    pub amount: String,
    /// ERP connection.
    pub target: String,
    /// Key of its posting.
    pub posting: String,
    /// Position of the fact that set it off, where a fact did.
    pub cause: Option<i64>,
}

/// An exception as it stands after the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionRow {
    /// Code.
    pub code: String,
    /// Milestone, where it has one.
    pub milestone: Option<String>,
    /// Leg, where it has one.
    pub leg: Option<String>,
    /// `blocking` or `warning`.
    pub severity: String,
    /// Opened on.
    pub opened_on: String,
    /// Closed on; `None`: open.
    pub closed_on: Option<String>,
    /// Amount it holds back, decimal text.
    pub held: Option<String>,
    /// ISO 4217 code.
    pub currency: String,
}

/// An event for those who listen.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The same event has one identity.
    pub identity: String,
    /// Type, such as `milestone.recognized`.
    pub kind: &'static str,
    /// Milestone, where it has one.
    pub milestone: Option<String>,
    /// Body, JSON.
    pub body: String,
}

/// A decision, ready to land.
#[derive(Debug, Clone)]
pub struct Landing {
    /// Contract.
    pub contract: String,
    /// Facts in the state before; another number in the store means that somebody else decided meanwhile.
    pub history_before: i64,
    /// New snapshot, JSON.
    pub state: String,
    /// Local date that the state has reached.
    pub as_of: String,
    /// When time alone may change something.
    pub wake_at: Option<Timestamp>,
    /// What legs say now could not be taken yet.
    pub legs_wait: bool,
    /// Facts decided or parked, in order.
    pub facts: Vec<DecidedFact>,
    /// What legs say now, where it changed.
    pub legs: Vec<(Leg, LegRecord)>,
    /// Documents issued.
    pub documents: Vec<IssuedRow>,
    /// Documents in all.
    pub planned_documents: i64,
    /// Journal entries up to this date are planned.
    pub journal_through: Option<String>,
    /// Postings for the outbox.
    pub postings: Vec<Posting>,
    /// All exceptions of the contract; `None`: as they were.
    pub exceptions: Option<Vec<ExceptionRow>>,
    /// Events.
    pub events: Vec<NewEvent>,
    /// Audit lines.
    pub audit: Vec<Entry>,
}

/// A contract about to be opened.
#[derive(Debug, Clone)]
pub struct NewContract {
    /// Row.
    pub row: ContractRow,
    /// Local date that the state has reached.
    pub as_of: String,
    /// File or API caller.
    pub source: String,
    /// Who.
    pub actor: String,
}

impl Store {
    /// Opens a contract. `false`: it is known already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_contract(&self, new: NewContract, now: Timestamp) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let row = &new.row;
            let inserted = tx.execute(
                "INSERT OR IGNORE INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of,
                 wake_at, planned_documents, journal_through, legs_changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?6, 0, NULL, 1)",
                params![row.id, row.agreement, row.digest, new.source, row.opened_on, instant(now), row.state, new.as_of],
            )?;
            if inserted > 0 {
                let detail = format!("from {}, digest {}", new.source, row.digest);
                audit::append(tx, now, &Entry::by(&new.actor, "contract opened", Some(&row.id), row.id.clone(), detail))?;
            }
            Ok(inserted > 0)
        })
        .await
    }

    /// One contract.
    ///
    /// # Errors
    /// The database failed.
    pub async fn contract(&self, id: String) -> Result<Option<ContractRow>, StoreError> {
        self.read(move |connection| load_row(connection, &id)).await
    }

    /// Every contract, by id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn contracts(&self) -> Result<Vec<ContractRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, agreement, digest, opened_on, state, history, planned_documents, journal_through FROM contract ORDER BY id",
            )?;
            let rows = statement.query_map([], read_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Contracts about which something is to be decided now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn contracts_due(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id FROM contract WHERE wake_at <= ?1 OR legs_changed = 1
                 OR id IN (SELECT contract FROM fact WHERE position IS NULL AND problem IS NULL) ORDER BY id",
            )?;
            let rows = statement.query_map([instant(now)], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The earliest instant at which time alone may change a contract.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next_wake(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| {
            let wake: Option<String> =
                connection.prepare_cached("SELECT min(wake_at) FROM contract")?.query_row([], |row| row.get(0))?;
            Ok(wake.as_deref().map(read_instant).transpose()?)
        })
        .await
    }

    /// What a decision about a contract needs.
    ///
    /// # Errors
    /// The database failed.
    pub async fn work(&self, id: String) -> Result<Option<Work>, StoreError> {
        self.read(move |connection| {
            let Some(row) = load_row(connection, &id)? else { return Ok(None) };
            let last: Option<String> = connection
                .prepare_cached("SELECT max(effective_at) FROM fact WHERE contract = ?1 AND position IS NOT NULL")?
                .query_row([&id], |row| row.get(0))?;
            Ok(Some(Work {
                pending: pending_facts(connection, &id)?,
                last_effective: last.as_deref().map(read_instant).transpose()?,
                parts: parts(connection, &id)?,
                legs: legs(connection, &id)?,
                records: records(connection, &id)?,
                row,
            }))
        })
        .await
    }

    /// The decided facts of a contract, in order: what a replay starts from.
    ///
    /// # Errors
    /// The database failed.
    pub async fn history(&self, id: String) -> Result<Vec<Fact>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT fact, effective_at FROM fact WHERE contract = ?1 AND position IS NOT NULL ORDER BY position",
            )?;
            let rows = statement.query_map([&id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (text, effective) = row?;
                let mut fact: Fact = parse("fact", "fact", &id, &text)?;
                fact.at = read_instant(&effective)?;
                Ok(fact)
            })
            .collect()
        })
        .await
    }

    /// A fact by its identity, decided or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn fact_by_identity(&self, contract: String, identity: String) -> Result<Option<Fact>, StoreError> {
        self.read(move |connection| {
            let text: Option<String> = connection
                .prepare_cached("SELECT fact FROM fact WHERE contract = ?1 AND identity = ?2")?
                .query_row(params![contract, identity], |row| row.get(0))
                .optional()?;
            text.map(|text| parse("fact", "fact", &identity, &text)).transpose()
        })
        .await
    }

    /// The contract that issued a document with this number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn contract_of_document(&self, number: String) -> Result<Option<String>, StoreError> {
        self.read(move |connection| {
            Ok(connection
                .prepare_cached("SELECT contract FROM document WHERE number = ?1")?
                .query_row([number], |row| row.get(0))
                .optional()?)
        })
        .await
    }

    /// The contract that earlier versions of a record belonged to.
    ///
    /// # Errors
    /// The database failed.
    pub async fn contract_of_record(&self, record: SourceRecord) -> Result<Option<String>, StoreError> {
        self.read(move |connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT contract FROM source_record WHERE system = ?1 AND object = ?2 AND remote_id = ?3
                     AND contract IS NOT NULL ORDER BY id DESC LIMIT 1",
                )?
                .query_row(params![record.system, record.object, record.id], |row| row.get(0))
                .optional()?)
        })
        .await
    }

    /// Stores facts that came from people or programs rather than from a source record. Returns how many were new.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_facts(&self, facts: Vec<NewFact>, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let mut new = 0_usize;
            for fact in &facts {
                new = new.saturating_add(usize::from(insert_fact(tx, fact, None, now)?));
            }
            Ok(new)
        })
        .await
    }

    /// A decision lands, whole or not at all. `false`: somebody else decided meanwhile, and nothing was written.
    ///
    /// # Errors
    /// The database failed, or an idempotency key was used for something else.
    pub async fn land(&self, landing: Landing, now: Timestamp) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let changed = tx
                .prepare_cached(
                    "UPDATE contract SET state = ?2, history = ?3, as_of = ?4, wake_at = ?5, planned_documents = ?6,
                     journal_through = ?7, legs_changed = ?9 WHERE id = ?1 AND history = ?8",
                )?
                .execute(params![
                    landing.contract,
                    landing.state,
                    landing.history_before.saturating_add(decided_count(&landing)),
                    landing.as_of,
                    landing.wake_at.map(instant),
                    landing.planned_documents,
                    landing.journal_through,
                    landing.history_before,
                    landing.legs_wait
                ])?;
            if changed != 1 {
                return Ok(false);
            }
            land_facts(tx, &landing, now)?;
            land_results(tx, &landing, now)?;
            for posting in &landing.postings {
                enqueue(tx, &landing.contract, posting, now)?;
            }
            for entry in &landing.audit {
                audit::append(tx, now, entry)?;
            }
            Ok(true)
        })
        .await
    }
}

fn decided_count(landing: &Landing) -> i64 {
    i64::try_from(landing.facts.iter().filter(|fact| fact.problem.is_none()).count()).unwrap_or(i64::MAX)
}

fn land_facts(connection: &Connection, landing: &Landing, now: Timestamp) -> Result<(), StoreError> {
    let mut position = landing.history_before;
    for decided in &landing.facts {
        let pending = &decided.pending;
        let id = match pending.id {
            Some(id) => id,
            None => {
                let new = NewFact {
                    contract: landing.contract.clone(),
                    identity: pending.identity.clone(),
                    fact: pending.fact.clone(),
                    actor: pending.actor.clone(),
                };
                insert_fact(connection, &new, None, now)?;
                connection
                    .prepare_cached("SELECT id FROM fact WHERE contract = ?1 AND identity = ?2")?
                    .query_row(params![landing.contract, pending.identity], |row| row.get(0))?
            }
        };
        let effective = instant(decided.effective_at);
        let place = decided.problem.is_none().then_some(position);
        connection
            .prepare_cached("UPDATE fact SET position = ?2, effective_at = ?3, problem = ?4 WHERE id = ?1")?
            .execute(params![id, place, effective, decided.problem])?;
        if decided.problem.is_none() {
            position = position.saturating_add(1);
        }
    }
    Ok(())
}

fn land_results(connection: &Connection, landing: &Landing, now: Timestamp) -> Result<(), StoreError> {
    for (leg, record) in &landing.legs {
        connection
            .prepare_cached("INSERT OR REPLACE INTO leg (contract, leg, record) VALUES (?1, ?2, ?3)")?
            .execute(params![landing.contract, leg_name(*leg), json(record)?])?;
    }
    for document in &landing.documents {
        connection
            .prepare_cached(
                "INSERT INTO document (number, contract, ordinal, kind, milestone, date, due_on, currency, amount, target, posting, cause)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                document.number,
                landing.contract,
                document.ordinal,
                document.kind,
                document.milestone,
                document.date,
                document.due_on,
                document.currency,
                document.amount,
                document.target,
                document.posting,
                document.cause
            ])?;
    }
    for event in &landing.events {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO event (identity, at, type, contract, milestone, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![event.identity, instant(now), event.kind, landing.contract, event.milestone, event.body])?;
    }
    let Some(exceptions) = &landing.exceptions else { return Ok(()) };
    connection.prepare_cached("DELETE FROM exception WHERE contract = ?1")?.execute([&landing.contract])?;
    for (ordinal, exception) in (0_i64..).zip(exceptions) {
        connection
            .prepare_cached(
                "INSERT INTO exception (contract, ordinal, code, milestone, leg, severity, opened_on, closed_on, held, currency)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                landing.contract,
                ordinal,
                exception.code,
                exception.milestone,
                exception.leg,
                exception.severity,
                exception.opened_on,
                exception.closed_on,
                exception.held,
                exception.currency
            ])?;
    }
    Ok(())
}

fn load_row(connection: &Connection, id: &str) -> Result<Option<ContractRow>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT id, agreement, digest, opened_on, state, history, planned_documents, journal_through FROM contract WHERE id = ?1",
        )?
        .query_row([id], read_row)
        .optional()?)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ContractRow> {
    Ok(ContractRow {
        id: row.get(0)?,
        agreement: row.get(1)?,
        digest: row.get(2)?,
        opened_on: row.get(3)?,
        state: row.get(4)?,
        history: row.get(5)?,
        planned_documents: row.get(6)?,
        journal_through: row.get(7)?,
    })
}

fn pending_facts(connection: &Connection, contract: &str) -> Result<Vec<PendingFact>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, fact, actor, identity FROM fact WHERE contract = ?1 AND position IS NULL AND problem IS NULL ORDER BY at, id",
    )?;
    let rows = statement
        .query_map([contract], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))?;
    rows.map(|row| {
        let (id, text, actor, identity) = row?;
        Ok(PendingFact { id: Some(id), fact: parse("fact", "fact", contract, &text)?, actor, identity })
    })
    .collect()
}

fn parts(connection: &Connection, contract: &str) -> Result<BTreeMap<String, Vec<(String, String)>>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT leg, object, part FROM leg_part WHERE contract = ?1 ORDER BY leg, object, remote_id")?;
    let rows = statement.query_map([contract], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut parts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in rows {
        let (leg, object, part) = row?;
        parts.entry(leg).or_default().push((object, part));
    }
    Ok(parts)
}

fn legs(connection: &Connection, contract: &str) -> Result<BTreeMap<String, LegRecord>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT leg, record FROM leg WHERE contract = ?1")?;
    let rows = statement.query_map([contract], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (leg, text) = row?;
        let record = parse("leg", "record", contract, &text)?;
        Ok((leg, record))
    })
    .collect()
}

fn records(connection: &Connection, contract: &str) -> Result<BTreeMap<String, Vec<(String, String)>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(milestone, ''), system, remote_id FROM leg_part WHERE contract = ?1 AND leg IN ('crm', 'psa')
         ORDER BY 1, 2, 3",
    )?;
    let rows = statement.query_map([contract], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut records: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in rows {
        let (milestone, system, remote_id) = row?;
        records.entry(milestone).or_default().push((system, remote_id));
    }
    Ok(records)
}
