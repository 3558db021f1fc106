//! From a document back to what it stands on, and from a fact or a record on to what it led to.

use jiff::Timestamp;
use milestoned_mapping::command::Command;
use milestoned_mapping::contract::Contract;
use milestoned_mapping::money::Currency;
use serde::Serialize;
use serde_json::Value;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::audit::{self, AuditLine};
use super::mails::MailState;
use super::outbox::{self, Delivery};
use super::session::{Row, values};
use super::views::{self, DocumentView};
use super::{Store, StoreError, Verb, parse};

/// Where a trace begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// What was sent to a remote, by its idempotency key.
    Delivery(String),
    /// A document, by its number.
    Document(String),
    /// A fact, by its row.
    Fact(i64),
    /// A mail, by its key.
    Mail(String),
    /// A source record, by its row.
    Record(i64),
}

/// Everything that hangs together with where a trace began.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trace {
    /// Contract, where one is known.
    pub contract: Option<String>,
    /// The milestones' clauses, as the agreement has them.
    pub clauses: Vec<Value>,
    /// Documents.
    pub documents: Vec<DocumentView>,
    /// Facts: acceptances, approvals, amendments, decisions of reviewers.
    pub facts: Vec<TracedFact>,
    /// Payments of the documents, and what was taken back of them.
    pub payments: Vec<TracedFact>,
    /// The records that the facts were read from, as their systems sent them.
    pub records: Vec<TracedRecord>,
    /// Deliveries, with the remote's id and request id.
    pub deliveries: Vec<Delivery>,
    /// The mail that the trail began with.
    pub mail: Option<TracedMail>,
    /// Audit lines: decisions, each attempt of a delivery, what people did.
    pub lines: Vec<AuditLine>,
}

/// A fact and where it came from.
#[derive(Debug, Clone, Serialize)]
pub struct TracedFact {
    /// Row.
    pub id: i64,
    /// Contract.
    pub contract: String,
    /// The same thing told twice has one identity.
    pub identity: String,
    /// Who is behind it.
    pub actor: Actor,
    /// When it happened, UTC.
    pub at: Timestamp,
    /// When it took effect, UTC; `None`: not decided yet.
    pub effective_at: Option<Timestamp>,
    /// Place in the contract's history, from 0.
    pub position: Option<i64>,
    /// Row of the record that it was read from; `None`: a person or a program told it.
    pub record: Option<i64>,
    /// The fact.
    pub fact: Value,
}

impl TracedFact {
    /// What the audit trail calls it.
    pub fn subject(&self) -> String {
        subject_of(self.fact.get("type").and_then(Value::as_str).unwrap_or_default(), &self.identity)
    }
}

pub use milestoned_trail::rows::subject_of;

/// A mail as it was written, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct TracedMail {
    /// The first part of its message id.
    pub key: String,
    /// Who gets it, comma-separated.
    pub recipients: String,
    /// Its subject.
    pub subject: String,
    /// When it was written, UTC.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: MailState,
    /// When it came to that, UTC.
    pub settled_at: Option<Timestamp>,
    /// What went wrong.
    pub fault: Option<String>,
    /// The message, RFC 5322.
    pub message: String,
}

/// A source record.
#[derive(Debug, Clone, Serialize)]
pub struct TracedRecord {
    /// Row.
    pub id: i64,
    /// Connection.
    pub system: String,
    /// The vendor's object type.
    pub object: String,
    /// The vendor's id.
    pub remote_id: String,
    /// The vendor's version.
    pub version: String,
    /// When it was read, UTC.
    pub seen_at: Timestamp,
    /// The record as the vendor sent it, or the text where it could not be read.
    pub record: Value,
}

macro_rules! facts {
    () => {
        "SELECT id, contract, identity, actor, at, effective_at, position, origin, fact FROM fact WHERE "
    };
}
impl Store {
    /// Facts of a contract that were decided, in the order of its history.
    ///
    /// # Errors
    /// The database failed.
    pub fn decided_facts(&self, contract: String) -> Verb<'_, Vec<TracedFact>> {
        self.read(move |tx| {
            let sql = concat!(facts!(), "contract = $1 AND position IS NOT NULL ORDER BY position");
            tx.all(sql, values![contract], read_fact)
        })
    }

    /// What a document, a fact or a record hangs together with. `None`: there is no such thing.
    ///
    /// # Errors
    /// The database failed.
    pub fn trace(&self, start: Start) -> Verb<'_, Option<Trace>> {
        self.read(move |tx| match start {
            Start::Delivery(key) => from_delivery(tx, &key),
            Start::Document(number) => from_document(tx, &number),
            Start::Fact(id) => {
                let facts = tx.all(concat!(facts!(), "id = $1"), values![id], read_fact)?;
                if facts.is_empty() { Ok(None) } else { from_facts(tx, facts).map(Some) }
            }
            Start::Mail(key) => Ok(mail(tx, &key)?.map(|mail| Trace { mail: Some(mail), ..Trace::default() })),
            Start::Record(id) => {
                let Some(record) = record(tx, id)? else { return Ok(None) };
                let facts = tx.all(concat!(facts!(), "origin = $1 ORDER BY id"), values![id], read_fact)?;
                let mut trace = from_facts(tx, facts)?;
                if trace.records.is_empty() {
                    trace.records.push(record);
                }
                Ok(Some(trace))
            }
        })
    }
}

fn mail(tx: &Session<'_>, key: &str) -> Result<Option<TracedMail>, StoreError> {
    let sql = "SELECT key, recipients, subject, created_at, state, settled_at, fault, message FROM mail WHERE key = $1";
    tx.one(sql, values![key], |row| {
        Ok(TracedMail {
            key: row.get(0)?,
            recipients: row.get(1)?,
            subject: row.get(2)?,
            created_at: row.parsed(3, "mail.created_at")?,
            state: row.parsed(4, "mail.state")?,
            settled_at: row.parsed_option(5, "mail.settled_at")?,
            fault: row.get(6)?,
            message: String::from_utf8_lossy(&row.get::<Vec<u8>>(7)?).into_owned(),
        })
    })
}

/// Back: the milestone's facts that were decided when the document was issued, and their records.
fn from_document(tx: &Session<'_>, number: &str) -> Result<Option<Trace>, StoreError> {
    let Some((document, cause)) = views::document(tx, number)? else { return Ok(None) };
    let contract = document.contract.clone();
    let decided = tx.all(
        concat!(facts!(), "contract = $1 AND position IS NOT NULL ORDER BY position"),
        values![contract],
        read_fact,
    )?;
    let lineage = lineage(tx, &contract, &document.milestone)?;
    let concerns = |fact: &TracedFact| {
        let milestone = fact.fact.get("milestone").and_then(Value::as_str);
        let amends = fact.fact.get("type").and_then(Value::as_str) == Some("amended");
        fact.position == cause || amends || milestone.is_some_and(|id| lineage.iter().any(|of| of == id))
    };
    let payments = payments(&decided, number);
    let before = |fact: &TracedFact| cause.is_none_or(|cause| fact.position.is_some_and(|place| place <= cause));
    let facts: Vec<_> = decided.into_iter().filter(|fact| before(fact) && concerns(fact)).collect();
    let mut trace = Trace {
        clauses: clauses(tx, &contract, &lineage)?,
        records: records(tx, &facts)?,
        payments,
        deliveries: outbox::one(tx, &document.posting)?.into_iter().collect(),
        contract: Some(contract),
        facts,
        ..Trace::default()
    };
    trace.lines = lines(tx, &trace, std::slice::from_ref(&document))?;
    trace.documents.push(document);
    Ok(Some(trace))
}

/// Payments of a document, and what was taken back of them.
fn payments(decided: &[TracedFact], number: &str) -> Vec<TracedFact> {
    let text = |fact: &TracedFact, name: &str| fact.fact.get(name).and_then(Value::as_str).map(str::to_owned);
    let pays = |fact: &&TracedFact| text(fact, "type").as_deref() == Some("payment");
    let of_it: Vec<&TracedFact> =
        decided.iter().filter(pays).filter(|fact| text(fact, "invoice").as_deref() == Some(number)).collect();
    let taken_back = |fact: &&TracedFact| {
        let id = text(fact, "id");
        let reverses = text(fact, "type").as_deref() == Some("payment_reversed");
        reverses && id.is_some() && of_it.iter().any(|payment| text(payment, "id") == id)
    };
    of_it.iter().copied().chain(decided.iter().filter(taken_back)).cloned().collect()
}

/// Back from an entry: the facts of its milestone, and what took effect on its date.
fn from_delivery(tx: &Session<'_>, key: &str) -> Result<Option<Trace>, StoreError> {
    let Some(delivery) = outbox::one(tx, key)? else { return Ok(None) };
    let contract = delivery.contract.clone();
    let Some(Command::JournalEntry(entry)) = &delivery.command else { return Ok(None) };
    let milestones = entry.milestone.as_ref().map_or_else(|| Ok(Vec::new()), |id| lineage(tx, &contract, id))?;
    let date = entry.date;
    let decided = tx.all(
        concat!(facts!(), "contract = $1 AND position IS NOT NULL ORDER BY position"),
        values![contract],
        read_fact,
    )?;
    let terms = state(tx, &contract)?;
    let that_day = |fact: &TracedFact| {
        let local = fact.effective_at.zip(terms.as_ref()).map(|(at, state)| state.terms().local_date(at));
        local == Some(date) && fact.fact.get("type").and_then(Value::as_str) != Some("observed")
    };
    let named = |fact: &TracedFact| fact.fact.get("milestone").and_then(Value::as_str).map(str::to_owned);
    let concerns = |fact: &TracedFact| that_day(fact) || named(fact).is_some_and(|id| milestones.contains(&id));
    let facts: Vec<_> = decided.into_iter().filter(concerns).collect();
    let mut trace = Trace {
        clauses: clauses(tx, &contract, &milestones)?,
        records: records(tx, &facts)?,
        facts,
        contract: Some(contract.clone()),
        ..Trace::default()
    };
    trace.lines = lines(tx, &trace, &[])?;
    trace.lines.extend(audit::about(tx, &contract, &delivery.subject)?);
    trace.deliveries.push(delivery);
    Ok(Some(trace))
}

/// On: what was decided in the same turn, and the documents among it with their deliveries.
fn from_facts(tx: &Session<'_>, facts: Vec<TracedFact>) -> Result<Trace, StoreError> {
    let mut trace = Trace { records: records(tx, &facts)?, ..Trace::default() };
    trace.contract = facts.first().map(|fact| fact.contract.clone());
    let mut milestones = Vec::new();
    for fact in &facts {
        if let Some(id) = fact.fact.get("milestone").and_then(Value::as_str) {
            milestones.extend(lineage(tx, &fact.contract, id)?);
        }
        for number in audit::issued_with(tx, &fact.contract, &fact.subject())? {
            if trace.documents.iter().all(|known| known.number != number)
                && let Some((document, _)) = views::document(tx, &number)?
            {
                trace.deliveries.extend(outbox::one(tx, &document.posting)?);
                trace.documents.push(document);
            }
        }
    }
    if let Some(contract) = trace.contract.clone() {
        trace.clauses = clauses(tx, &contract, &milestones)?;
    }
    trace.facts = facts;
    trace.lines = lines(tx, &trace, &trace.documents)?;
    Ok(trace)
}

/// The lines about the facts, about the documents, and about what held their milestones, in their order.
fn lines(tx: &Session<'_>, trace: &Trace, documents: &[DocumentView]) -> Result<Vec<AuditLine>, StoreError> {
    let mut lines = Vec::new();
    for fact in &trace.facts {
        lines.extend(audit::about(tx, &fact.contract, &fact.subject())?);
        // Who let a change order take effect, where it had to be approved.
        if let Some(version) = fact.fact.get("version").and_then(Value::as_u64) {
            lines.extend(audit::about(tx, &fact.contract, &format!("version {version}"))?);
        }
    }
    for document in documents {
        lines.extend(audit::about(tx, &document.contract, &document.number)?);
        lines.extend(audit::exceptions_of(tx, &document.contract, &document.milestone)?);
        // What people decided about the milestone, approvals that waited for a second person among it.
        lines.extend(audit::about(tx, &document.contract, &document.milestone)?);
    }
    if let Some(contract) = &trace.contract {
        lines
            .extend(audit::about(tx, contract, contract)?.into_iter().filter(|line| line.says(Action::ContractOpened)));
    }
    lines.sort_by_key(|line| line.seq);
    lines.dedup_by_key(|line| line.seq);
    Ok(lines)
}

/// A milestone's id, and those of the milestones that it is a part of, as the contract's state knows them.
fn lineage(tx: &Session<'_>, contract: &str, milestone: &str) -> Result<Vec<String>, StoreError> {
    let known = state(tx, contract)?;
    Ok(known.map_or_else(|| vec![milestone.to_owned()], |state| state.lineage(milestone)))
}

fn state(tx: &Session<'_>, contract: &str) -> Result<Option<Contract>, StoreError> {
    let sql = "SELECT state FROM contract WHERE id = $1";
    let state = tx.one(sql, values![contract], |row| row.get::<String>(0))?;
    state.map(|state| parse("contract", "state", contract, &state)).transpose()
}

fn clauses(tx: &Session<'_>, contract: &str, milestones: &[String]) -> Result<Vec<Value>, StoreError> {
    let agreement =
        tx.one("SELECT agreement FROM contract WHERE id = $1", values![contract], |row| row.get::<String>(0))?;
    let Some(agreement) = agreement else { return Ok(Vec::new()) };
    let agreement: Value = parse("contract", "agreement", contract, &agreement)?;
    let all = agreement.pointer("/terms/milestones").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = |clause: &Value| {
        let id = clause.get("id").and_then(Value::as_str).unwrap_or_default();
        milestones.iter().any(|milestone| milestone == id)
    };
    let currency: Option<Currency> =
        agreement.pointer("/terms/currency").and_then(|code| serde_json::from_value(code.clone()).ok());
    Ok(all.into_iter().filter(named).map(|clause| readable(clause, currency)).collect())
}

/// A clause is kept with its amount in minor units: people read a decimal and a currency.
fn readable(mut clause: Value, currency: Option<Currency>) -> Value {
    let amount = clause.get("amount").and_then(Value::as_i64).zip(currency);
    if let (Some((minor, currency)), Some(fields)) = (amount, clause.as_object_mut()) {
        fields.insert("amount".into(), Value::String(currency.minor(minor).to_string()));
        fields.insert("currency".into(), Value::String(currency.to_string()));
        fields.retain(|_, value| !value.is_null());
    }
    clause
}

fn records(tx: &Session<'_>, facts: &[TracedFact]) -> Result<Vec<TracedRecord>, StoreError> {
    let mut ids: Vec<i64> = facts.iter().filter_map(|fact| fact.record).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut records = Vec::with_capacity(ids.len());
    for id in ids {
        records.extend(record(tx, id)?);
    }
    Ok(records)
}

fn record(tx: &Session<'_>, id: i64) -> Result<Option<TracedRecord>, StoreError> {
    let sql = "SELECT id, system, object, remote_id, version, seen_at, record FROM source_record WHERE id = $1";
    tx.one(sql, values![id], |row| {
        let text: String = row.get(6)?;
        // The vendor's JSON is kept as a string within our JSON.
        let kept: Value = parse("source_record", "record", &id.to_string(), &text)?;
        let raw = kept.get("raw").and_then(Value::as_str).map(serde_json::from_str);
        Ok(TracedRecord {
            id: row.get(0)?,
            system: row.get(1)?,
            object: row.get(2)?,
            remote_id: row.get(3)?,
            version: row.get(4)?,
            seen_at: row.parsed(5, "source_record.seen_at")?,
            record: raw.and_then(Result::ok).unwrap_or(kept),
        })
    })
}

fn read_fact(row: &Row<'_>) -> Result<TracedFact, StoreError> {
    let id: i64 = row.get(0)?;
    Ok(TracedFact {
        id,
        contract: row.get(1)?,
        identity: row.get(2)?,
        actor: row.actor(3)?,
        at: row.parsed(4, "fact.at")?,
        effective_at: row.parsed_option(5, "fact.effective_at")?,
        position: row.get(6)?,
        record: row.get(7)?,
        fact: parse("fact", "fact", &id.to_string(), &row.get::<String>(8)?)?,
    })
}
