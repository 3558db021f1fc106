//! Contracts and the decisions about them. A decision lands in one transaction: facts, state, documents, exceptions,
//! outbox, audit.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::command::{DeliveryKey, JournalEntry, Posting};
use milestoned_mapping::contract::{Difference, DocumentKind, Severity, Waiting};
use milestoned_mapping::drift::Renamed;
use milestoned_mapping::fact::{Amendment, Event, Fact, Leg, LegMilestone, LegRecord};
use milestoned_mapping::money::{Currency, Money};
use milestoned_mapping::record::{Deal, ErpPart, InvoiceSeen, JournalSeen, OrderSeen, SourceRecord, UnassignedSeen};
use milestoned_trail::rows::named;

use super::action::Action;
use super::actor::Actor;
use super::attest::{Attested, Session};
use super::attested::{CONTRACT, FACT, LEG, LEG_PART};
use super::audit::{self, Entry};
use super::customers::{self, names_customer};
use super::drift::{self, DriftRow};
use super::hands;
use super::intake::{NewFact, UNATTESTED, UNATTESTED_REMEDY, insert_fact};
use super::journal;
use super::periods::{self, ClosedDates};
use super::session::{Cell, Row, Sql, among, cells, values};
use super::set_aside;
use super::{Store, StoreError, Verb, instant, json, parse};

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
    pub opened_on: Date,
    /// Snapshot of the core's state, JSON.
    pub state: String,
    /// Facts in the snapshot.
    pub history: i64,
    /// Documents whose postings are in the outbox.
    pub planned_documents: i64,
    /// Journal entries up to this date are in the outbox.
    pub journal_through: Option<Date>,
    /// Counts up with every decision, and when a leg changed.
    pub revision: i64,
    /// What attests it; empty for one that is about to be opened, and for one that is not attested.
    pub attested: Attested,
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
    /// What the records of the systems say now.
    pub parts: Parts,
    /// What each leg said last.
    pub legs: BTreeMap<Leg, LegRecord>,
    /// Facts that wait and are not attested: nothing is decided from them.
    pub unattested: Vec<UnattestedFact>,
    /// Numbers of documents and journal entries of ours that a poll has seen in the ERP.
    pub confirmed: BTreeSet<String>,
    /// Journal entries in the outbox, delivered or not, in order.
    pub entries: Vec<JournalEntry>,
    /// How far dates are closed, by ERP.
    pub closed: BTreeMap<String, ClosedDates>,
    /// Drifts that last.
    pub drift: Vec<DriftRow>,
    /// Which record of an ERP its customer is, as people have said, by connection.
    pub customer_records: BTreeMap<String, String>,
    /// Its customer's records that an ERP calls otherwise than before, or has no longer.
    pub renamed: Vec<Renamed>,
    /// Who gave the latest approval of each milestone.
    pub approvers: BTreeMap<String, BTreeSet<String>>,
    /// Remote records that show a milestone: (system, remote id) by milestone; the empty milestone is the contract's.
    pub records: BTreeMap<String, Vec<(String, String)>>,
}

/// A contract with what stands beside it when something about it is about to be sent.
#[derive(Debug, Clone)]
pub struct Warranted {
    /// The contract.
    pub row: ContractRow,
    /// Journal entries in the outbox, delivered or not, in order.
    pub entries: Vec<JournalEntry>,
    /// Names that its customer has, or has had.
    pub former_customers: Vec<String>,
}

/// What the records of a contract say, by leg; in each by the vendor's object, then id.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Deals.
    pub crm: Vec<LegRecord>,
    /// Milestones of the project tools.
    pub psa: Vec<LegMilestone>,
    /// The order in the ERP; of several the last.
    pub order: Option<OrderSeen>,
    /// Invoices and credit memos in the ERP.
    pub invoices: Vec<InvoiceSeen>,
    /// Journal entries in the ERP.
    pub journals: Vec<JournalSeen>,
    /// What the ERP has that concerns the contract and does not name it.
    pub unassigned: Vec<UnassignedSeen>,
}

/// A fact that waits for its decision.
#[derive(Debug, Clone)]
pub struct PendingFact {
    /// Its row and what attests it; `None` for one that this decision brings along.
    pub stored: Option<Attested>,
    /// Source record that told it, for one that this decision brings along.
    pub origin: Option<i64>,
    /// The fact.
    pub fact: Fact,
    /// Who is behind it.
    pub actor: Actor,
    /// Its identity, for one that this decision brings along.
    pub identity: String,
}

/// A fact that was not written by us, or was changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnattestedFact {
    /// Its row.
    pub id: i64,
    /// Its identity, as the row says.
    pub identity: String,
    /// Who is behind it, as the row says.
    pub actor: Actor,
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
    /// Kind.
    pub kind: DocumentKind,
    /// Milestone.
    pub milestone: String,
    /// Date, contract's time zone.
    pub date: Date,
    /// Due date.
    pub due_on: Date,
    /// Amount.
    pub amount: Money,
    /// ERP connection.
    pub target: String,
    /// Key of its posting.
    pub posting: DeliveryKey,
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
    pub leg: Option<Leg>,
    /// Whether it holds something back.
    pub severity: Severity,
    /// Opened on, contract's time zone.
    pub opened_on: Date,
    /// Closed on; `None`: open.
    pub closed_on: Option<Date>,
    /// Amount it holds back.
    pub held: Option<Money>,
    /// The contract's currency.
    pub currency: Currency,
    /// The values behind it.
    pub differences: Vec<Difference>,
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
    /// Facts in the state before.
    pub history_before: i64,
    /// The contract's revision before; another one in the store means that somebody else decided meanwhile, or that a
    /// leg changed.
    pub revision_before: i64,
    /// What attested the contract before.
    pub attested_before: Attested,
    /// New snapshot, JSON.
    pub state: String,
    /// Local date that the state has reached.
    pub as_of: Date,
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
    pub journal_through: Option<Date>,
    /// Postings for the outbox.
    pub postings: Vec<Posting>,
    /// All exceptions of the contract; `None`: as they were.
    pub exceptions: Option<Vec<ExceptionRow>>,
    /// All that waits for a reviewer; `None`: as it was.
    pub approvals: Option<Vec<Waiting>>,
    /// Drifts that are new or otherwise than before.
    pub drift: Vec<DriftRow>,
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
    pub as_of: Date,
    /// Customer, as the terms name it.
    pub customer: String,
    /// File or API caller.
    pub source: String,
    /// Who.
    pub actor: Actor,
}

macro_rules! columns {
    () => {
        "SELECT id, agreement, digest, opened_on, state, history, planned_documents, journal_through, revision,
         CAST(0 AS BIGINT), id, agreement, digest, source, opened_on, opened_at, customer, state, history, as_of, wake_at,
         planned_documents, journal_through, mac FROM contract"
    };
}

/// Nobody has halted the contract or its customer, and it is not set aside.
macro_rules! not_halted {
    ($database:ident) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM pause AS s WHERE (s.scope = 'contract' AND s.name = c.id)
             OR (s.scope = 'customer' AND ",
            names_customer!($database, "c.customer", "c.id"),
            ")) AND NOT EXISTS (SELECT 1 FROM rebuild AS r WHERE r.contract = c.id)"
        )
    };
}

/// This version can read the contract.
macro_rules! not_set_aside {
    () => {
        "NOT EXISTS (SELECT 1 FROM rebuild AS r WHERE r.contract = contract.id AND r.problem IS NOT NULL)"
    };
}
pub(super) use not_set_aside;

macro_rules! due {
    ($database:ident) => {
        concat!(
            "SELECT DISTINCT c.id FROM (SELECT id FROM contract WHERE wake_at <= $1
             UNION ALL SELECT id FROM contract WHERE legs_changed
             UNION ALL SELECT contract FROM fact WHERE position IS NULL AND problem IS NULL) AS due
             CROSS JOIN contract AS c WHERE c.id = due.id AND ",
            not_halted!($database),
            " ORDER BY c.id"
        )
    };
}

macro_rules! next_wake {
    ($database:ident) => {
        concat!("SELECT min(wake_at) FROM contract AS c WHERE ", not_halted!($database))
    };
}

const NEXT_WAKE: Sql = Sql { postgres: next_wake!(postgres), sqlite: next_wake!(sqlite) };

macro_rules! halted {
    ($database:ident) => {
        concat!("SELECT 1 FROM contract AS c WHERE c.id = $1 AND NOT (", not_halted!($database), ")")
    };
}

const HALTED: Sql = Sql { postgres: halted!(postgres), sqlite: halted!(sqlite) };

/// Each of the three is a look into an index that holds what is due and nothing else. SQLite stays with that only so: a
/// union without doubles it merges in the order of ids, which reads the index of all contracts, and a plain join may begin
/// with the contracts.
pub(super) const DUE: Sql = Sql { postgres: due!(postgres), sqlite: due!(sqlite) };

impl Store {
    /// Opens a contract. `false`: it is known already.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_contract(&self, new: NewContract, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let row = &new.row;
            let (opened_on, opened_at, as_of) = (row.opened_on.to_string(), instant(now), new.as_of.to_string());
            let told =
                cells![&row.id, &row.agreement, &row.digest, &new.source, &opened_on, &opened_at, &new.customer];
            let standing = cells![&row.state, 0, &as_of, &opened_at, 0, Cell::Null];
            let (code, digest) = tx.code_and_digest(&CONTRACT, &told, &standing)?;
            let inserted = tx.run(
                "INSERT INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of, wake_at,
                 planned_documents, journal_through, legs_changed, customer, mac)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $6, 0, NULL, TRUE, $9, $10) ON CONFLICT DO NOTHING",
                values![
                    row.id,
                    row.agreement,
                    row.digest,
                    new.source,
                    opened_on,
                    opened_at,
                    row.state,
                    as_of,
                    new.customer,
                    code
                ],
            )?;
            if inserted > 0 {
                tx.inserted(&CONTRACT, 0, &code);
                tx.is_about(&row.id, &row.id, named(CONTRACT.name, &digest));
            }
            if inserted > 0 {
                let detail = format!("from {}, digest {}", new.source, row.digest);
                let line = Entry::by(&new.actor, Action::ContractOpened, Some(&row.id), row.id.clone(), detail);
                audit::append(tx, now, &[line])?;
            }
            Ok(inserted > 0)
        })
    }

    /// One contract.
    ///
    /// # Errors
    /// The database failed, or the contract is set aside.
    pub fn contract(&self, id: String) -> Verb<'_, Option<ContractRow>> {
        self.read(move |tx| load_row(tx, &id))
    }

    /// A contract with what stands beside it when something about it is about to be sent, as of one moment.
    ///
    /// # Errors
    /// The database failed, the contract is set aside, or a row is not attested.
    pub fn warrant(&self, id: String) -> Verb<'_, Option<Warranted>> {
        self.read(move |tx| {
            let Some(row) = load_row(tx, &id)? else { return Ok(None) };
            let sql =
                "SELECT fact FROM fact WHERE contract = $1 AND identity >= 'amendment:' AND identity < 'amendment;'
                       AND position IS NOT NULL";
            let mut former_customers =
                tx.all("SELECT customer FROM contract WHERE id = $1", values![id], |row| row.get(0))?;
            tx.each(sql, values![id], |fact| {
                let fact: Fact = parse("fact", "fact", &id, &fact.get::<String>(0)?)?;
                if let Event::Amended(Amendment { customer: Some(customer), .. }) = fact.event {
                    former_customers.push(customer);
                }
                Ok(())
            })?;
            Ok(Some(Warranted { entries: journal::entries(tx, &id)?, former_customers, row }))
        })
    }

    /// Every contract, by id, but those that are set aside.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts(&self) -> Verb<'_, Vec<ContractRow>> {
        self.read(|tx| {
            let sql = concat!(columns!(), " WHERE ", not_set_aside!(), " ORDER BY id");
            tx.all(sql, values![], |row| read_row(tx, row))
        })
    }

    /// Contracts after this id, by id, at most so many; but those that are set aside.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_after(&self, after: String, limit: usize) -> Verb<'_, Vec<ContractRow>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |tx| {
            let sql = concat!(columns!(), " WHERE id > $1 AND ", not_set_aside!(), " ORDER BY id LIMIT $2");
            tx.all(sql, values![after, limit], |row| read_row(tx, row))
        })
    }

    /// Some contracts, by id.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_of(&self, ids: Vec<String>) -> Verb<'_, Vec<ContractRow>> {
        self.read(move |tx| tx.all(AMONG, values![json(&ids)?], |row| read_row(tx, row)))
    }

    /// Ids of the contracts that have had these customers and no others.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_of_customers(&self, customers: BTreeSet<String>) -> Verb<'_, BTreeSet<String>> {
        self.read(move |tx| customers::contracts_of_none_but(tx, &customers))
    }

    /// Contracts of a customer that were opened by a date, by id.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_of_customer(&self, customer: String, by: Date) -> Verb<'_, Vec<ContractRow>> {
        self.read(move |tx| {
            let sql =
                concat!(columns!(), " WHERE customer = $1 AND opened_on <= $2 AND ", not_set_aside!(), " ORDER BY id");
            tx.all(sql, values![customer, by.to_string()], |row| read_row(tx, row))
        })
    }

    /// Contracts about which something is to be decided now.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_due(&self, now: Timestamp) -> Verb<'_, Vec<String>> {
        self.read(move |tx| tx.all(DUE, values![instant(now)], |row| row.get(0)))
    }

    /// The earliest instant at which time alone may change a contract.
    ///
    /// # Errors
    /// The database failed.
    pub fn next_wake(&self) -> Verb<'_, Option<Timestamp>> {
        self.read(|tx| Ok(tx.one(NEXT_WAKE, values![], |row| row.parsed_option(0, "contract.wake_at"))?.flatten()))
    }

    /// What decisions about contracts need, in the order of their ids here; what there is no contract for is left out.
    ///
    /// # Errors
    /// The database failed. A row that cannot be read concerns its contract alone.
    pub fn works(&self, ids: Vec<String>) -> Verb<'_, Vec<(String, Result<Work, StoreError>)>> {
        self.read(move |tx| {
            let mut works = Vec::with_capacity(ids.len());
            for id in ids {
                match work(tx, &id) {
                    Ok(Some(work)) => works.push((id, Ok(work))),
                    Ok(None) => {}
                    Err(error) if error.is_of_one_row() => works.push((id, Err(error))),
                    Err(error) => return Err(error),
                }
            }
            Ok(works)
        })
    }

    /// The decided facts of a contract, in order: what a replay starts from.
    ///
    /// # Errors
    /// The database failed.
    pub fn history(&self, id: String) -> Verb<'_, Vec<Fact>> {
        self.read(move |tx| {
            tx.all(
                "SELECT fact, effective_at FROM fact WHERE contract = $1 AND position IS NOT NULL ORDER BY position",
                values![id],
                |row| {
                    let mut fact: Fact = parse("fact", "fact", &id, &row.get::<String>(0)?)?;
                    fact.at = row.parsed(1, "fact.effective_at")?;
                    Ok(fact)
                },
            )
        })
    }

    /// A fact by its identity, decided or not.
    ///
    /// # Errors
    /// The database failed.
    pub fn fact_by_identity(&self, contract: String, identity: String) -> Verb<'_, Option<Fact>> {
        self.read(move |tx| {
            let sql = "SELECT fact FROM fact WHERE contract = $1 AND identity = $2";
            tx.one(sql, values![contract, identity], |row| parse("fact", "fact", &identity, &row.get::<String>(0)?))
        })
    }

    /// The contract that issued a document with this number.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract_of_document(&self, number: String) -> Verb<'_, Option<String>> {
        self.read(move |tx| {
            tx.one("SELECT contract FROM document WHERE number = $1", values![number], |row| row.get(0))
        })
    }

    /// The contract that a delivery to a connection, by what it is about, belongs to.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract_of_delivery(&self, target: String, subject: String) -> Verb<'_, Option<String>> {
        self.read(move |tx| {
            let sql = "SELECT contract FROM outbox WHERE target = $1 AND subject = $2 LIMIT 1";
            tx.one(sql, values![target, subject], |row| row.get(0))
        })
    }

    /// Parts of a record (`ID:…`) that were read before and belong to a contract: contract and id.
    ///
    /// # Errors
    /// The database failed.
    pub fn parts_of_record(&self, record: SourceRecord) -> Verb<'_, Vec<(String, String)>> {
        self.read(move |tx| {
            // `;` is the character after `:`.
            let (first, end) = (format!("{}:", record.id), format!("{};", record.id));
            let mut parts = Vec::new();
            tx.each(
                "SELECT DISTINCT contract, remote_id FROM source_record WHERE system = $1 AND object = $2
                 AND remote_id >= $3 AND remote_id < $4 AND contract IS NOT NULL ORDER BY 2, 1",
                values![record.system, record.object, first, end],
                |row| {
                    parts.push((row.get(0)?, row.get(1)?));
                    Ok(())
                },
            )?;
            Ok(parts)
        })
    }

    /// The contract that earlier versions of a record belonged to.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract_of_record(&self, record: SourceRecord) -> Verb<'_, Option<String>> {
        self.read(move |tx| {
            tx.one(
                "SELECT contract FROM source_record WHERE system = $1 AND object = $2 AND remote_id = $3
                 AND contract IS NOT NULL ORDER BY id DESC LIMIT 1",
                values![record.system, record.object, record.id],
                |row| row.get(0),
            )
        })
    }

    /// Parks facts that are not attested: each is told with what its row claims, and nothing is decided from it.
    ///
    /// # Errors
    /// The database failed.
    pub fn refuse_facts(&self, contract: String, facts: Vec<UnattestedFact>, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let mut lines = Vec::with_capacity(facts.len());
            for fact in &facts {
                // Its code stays as it is: nobody attests it by this.
                tx.run(
                    "UPDATE fact SET problem = $2 WHERE id = $1 AND position IS NULL",
                    values![fact.id, format!("{UNATTESTED}. {UNATTESTED_REMEDY}")],
                )?;
                let detail = format!("fact:{}, by {} as the row says: {UNATTESTED}", fact.id, fact.actor);
                lines.push(Entry::own(Action::FactRefused, Some(&contract), fact.identity.clone(), detail));
            }
            audit::append(tx, now, &lines)
        })
    }

    /// Stores facts that came from people or programs rather than from a source record. Returns how many were new.
    ///
    /// # Errors
    /// The database failed.
    pub fn add_facts(&self, facts: Vec<NewFact>, now: Timestamp) -> Verb<'_, usize> {
        self.write(move |tx| {
            let mut new = 0_usize;
            for fact in &facts {
                new = new.saturating_add(usize::from(insert_fact(tx, fact, None, now)?));
            }
            Ok(new)
        })
    }
}

/// What a decision about a contract needs.
pub(super) fn work(tx: &Session<'_>, id: &str) -> Result<Option<Work>, StoreError> {
    let Some(row) = load_row(tx, id)? else { return Ok(None) };
    // Effective instants never decrease along the history: the last fact has the latest.
    let sql =
        "SELECT effective_at FROM fact WHERE contract = $1 AND position IS NOT NULL ORDER BY position DESC LIMIT 1";
    let last_effective = tx.one(sql, values![id], |row| row.parsed_option(0, "fact.effective_at"))?.flatten();
    let (parts, records) = parts(tx, id)?;
    let (pending, unattested) = pending_facts(tx, id)?;
    Ok(Some(Work {
        pending,
        unattested,
        last_effective,
        parts,
        legs: legs(tx, id)?,
        confirmed: confirmed(tx, id)?,
        entries: journal::entries(tx, id)?,
        closed: periods::closed(tx)?,
        drift: drift::lasting(tx, id)?,
        approvers: hands::approvers(tx, id)?,
        customer_records: customers::chosen_for(tx, id, &row.state)?,
        renamed: customers::renamed_for(tx, id, &row.state)?,
        records,
        row,
    }))
}

/// Whether a person has halted a contract, or its customer.
pub(super) fn is_paused(tx: &Session<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(tx.one(HALTED, values![id], |_| Ok(()))?.is_some())
}

/// Contracts whose id stands in a JSON list.
const AMONG: Sql = Sql {
    postgres: concat!(columns!(), " WHERE ", among!(postgres, "id", "$1"), " ORDER BY id"),
    sqlite: concat!(columns!(), " WHERE ", among!(sqlite, "id", "$1"), " ORDER BY id"),
};

fn load_row(tx: &Session<'_>, id: &str) -> Result<Option<ContractRow>, StoreError> {
    set_aside::check_not_set_aside(tx, id)?;
    load_any_row(tx, id)
}

pub(super) fn load_any_row(tx: &Session<'_>, id: &str) -> Result<Option<ContractRow>, StoreError> {
    let row = tx.one(concat!(columns!(), " WHERE id = $1"), values![id], |row| read_row(tx, row))?;
    match row {
        // It is shown among the others, and nothing is done with it.
        Some(row) if row.attested == Attested::default() => {
            Err(StoreError::Unattested { table: "contract", row: row.id })
        }
        row => Ok(row),
    }
}

fn read_row(tx: &Session<'_>, row: &Row<'_>) -> Result<ContractRow, StoreError> {
    let examined = tx.examine(&CONTRACT, row, 9)?;
    Ok(ContractRow {
        attested: if examined.genuine { examined.attested } else { Attested::default() },
        id: row.get(0)?,
        agreement: row.get(1)?,
        digest: row.get(2)?,
        opened_on: row.parsed(3, "contract.opened_on")?,
        state: row.get(4)?,
        history: row.get(5)?,
        planned_documents: row.get(6)?,
        journal_through: row.parsed_option(7, "contract.journal_through")?,
        revision: row.get(8)?,
    })
}

/// Facts that wait, and those among them that are not attested.
fn pending_facts(tx: &Session<'_>, contract: &str) -> Result<(Vec<PendingFact>, Vec<UnattestedFact>), StoreError> {
    let (mut pending, mut unattested) = (Vec::new(), Vec::new());
    tx.each(
        "SELECT id, contract, identity, at, learned_at, fact, actor, origin, position, effective_at, problem, closed_at, mac
         FROM fact WHERE contract = $1 AND position IS NULL AND problem IS NULL ORDER BY at, id",
        values![contract],
        |row| {
            let (identity, actor) = (row.get(2)?, row.actor(6)?);
            let examined = tx.examine(&FACT, row, 0)?;
            if !examined.genuine {
                unattested.push(UnattestedFact { id: row.get(0)?, identity, actor });
                return Ok(());
            }
            let fact = parse("fact", "fact", contract, &row.get::<String>(5)?)?;
            pending.push(PendingFact { stored: Some(examined.attested), origin: None, fact, actor, identity });
            Ok(())
        },
    )?;
    Ok((pending, unattested))
}

/// Records that show a milestone, (system, remote id) by milestone.
type Showing = BTreeMap<String, Vec<(String, String)>>;

fn parts(tx: &Session<'_>, contract: &str) -> Result<(Parts, Showing), StoreError> {
    let (mut parts, mut records) = (Parts::default(), Showing::new());
    tx.each(
        "SELECT leg, part, coalesce(milestone, ''), system, remote_id, CAST(0 AS BIGINT), system, object, remote_id,
         contract, leg, milestone, part, mac FROM leg_part WHERE contract = $1 ORDER BY leg, object, remote_id",
        values![contract],
        |row| {
            if !tx.examine(&LEG_PART, row, 5)?.genuine {
                let row = format!("{} {}", row.get::<String>(3)?, row.get::<String>(4)?);
                return Err(StoreError::Unattested { table: "leg_part", row });
            }
            let (leg, part): (Leg, String) = (row.parsed(0, "leg_part.leg")?, row.get(1)?);
            if matches!(leg, Leg::Crm | Leg::Psa) {
                records.entry(row.get(2)?).or_default().push((row.get(3)?, row.get(4)?));
            }
            parts.add(leg, contract, &part)
        },
    )?;
    records.values_mut().for_each(|records| records.sort());
    Ok((parts, records))
}

impl Parts {
    /// Whether any record belongs to a leg.
    pub fn speak_of(&self, leg: Leg) -> bool {
        match leg {
            Leg::Crm => !self.crm.is_empty(),
            Leg::Psa => !self.psa.is_empty(),
            Leg::Agreement | Leg::Erp => self.order.is_some() || !self.invoices.is_empty() || !self.journals.is_empty(),
        }
    }

    /// What one record says.
    fn add(&mut self, leg: Leg, contract: &str, part: &str) -> Result<(), StoreError> {
        let (table, column) = ("leg_part", "part");
        match leg {
            Leg::Crm => self.crm.push(parse::<Deal>(table, column, contract, part)?.record),
            Leg::Psa => self.psa.push(parse(table, column, contract, part)?),
            Leg::Agreement | Leg::Erp => match parse(table, column, contract, part)? {
                ErpPart::Order(seen) => self.order = Some(seen),
                ErpPart::Invoice(seen) => self.invoices.push(seen),
                ErpPart::Journal(seen) => self.journals.push(seen),
                ErpPart::Unassigned(seen) => self.unassigned.push(seen),
            },
        }
        Ok(())
    }
}

fn legs(tx: &Session<'_>, contract: &str) -> Result<BTreeMap<Leg, LegRecord>, StoreError> {
    let mut legs = BTreeMap::new();
    let sql = "SELECT leg, record, CAST(0 AS BIGINT), contract, leg, record, mac FROM leg WHERE contract = $1";
    tx.each(sql, values![contract], |row| {
        if !tx.examine(&LEG, row, 2)?.genuine {
            let row = format!("{contract} {}", row.get::<String>(0)?);
            return Err(StoreError::Unattested { table: "leg", row });
        }
        legs.insert(row.parsed(0, "leg.leg")?, parse("leg", "record", contract, &row.get::<String>(1)?)?);
        Ok(())
    })?;
    Ok(legs)
}

fn confirmed(tx: &Session<'_>, contract: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut confirmed = BTreeSet::new();
    let sql = "SELECT subject FROM outbox WHERE contract = $1 AND confirmed_at IS NOT NULL";
    tx.each(sql, values![contract], |row| {
        confirmed.insert(row.get(0)?);
        Ok(())
    })?;
    Ok(confirmed)
}
