//! What came in: pages of source records with their cursor, webhook hints, contract files.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::{Cursor, Hint, Page};
use milestoned_mapping::fact::{Fact, Leg};
use milestoned_mapping::problem::Problem;
use milestoned_mapping::record::SourceRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
use super::attest::{Attested, Session};
use super::attested::{FACT, SOURCE_RECORD, WATERMARK};
use super::audit::{self, Entry};
use super::described::ProblemBody;
use super::leg_parts::{LegContribution, Replaced, confirm, replace_part};
use super::session::{Cell, Sql, cells, numbered, values};
use super::vocabulary::CENSUS;
use super::{Store, StoreError, Verb, instant, json, next_revision, parse};
use crate::failpoint;

/// Where the reading of one stream stands.
#[derive(Debug, Clone)]
pub struct Watermark {
    /// Where to go on.
    pub cursor: Cursor,
    /// The source was read completely up to here.
    pub fresh_through: Option<Timestamp>,
    /// When it is due again; `None`: now.
    pub due_at: Option<Timestamp>,
    /// Why the last poll failed.
    pub fault: Option<String>,
    /// Failed polls in a row.
    pub attempts: u32,
}

/// A stream's health, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StreamHealth {
    /// Connection.
    pub system: String,
    /// Stream.
    pub stream: String,
    /// Read completely up to here, UTC.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub fresh_through: Option<Timestamp>,
    /// Last poll, UTC.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub polled_at: Option<Timestamp>,
    /// Why the last poll failed.
    pub fault: Option<String>,
    /// Since when it fails.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub fault_since: Option<Timestamp>,
}

/// A hint that waits for its record to be read again.
#[derive(Debug, Clone)]
pub struct PendingHint {
    /// Row.
    pub id: i64,
    /// What to look at.
    pub hint: Hint,
    /// Failed attempts so far.
    pub attempts: u32,
}

/// What became of hints that named one record.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Their rows.
    pub hints: Vec<i64>,
    /// The record as it was read again, or when that is to be tried again.
    pub outcome: Result<Vec<SourceRecord>, Timestamp>,
}

/// A source record that waits to be read.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Row.
    pub id: i64,
    /// The record.
    pub record: SourceRecord,
    /// What attests it; `None`: it was not written by us, or was changed since, and is not read.
    pub attested: Option<Attested>,
}

/// What reading a record gave.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The contract it belongs to.
    pub contract: Option<String>,
    /// What it contributes to its leg; `None` takes a former contribution away.
    pub part: Option<LegContribution>,
    /// Ids of records that it stood for, and does not any more: what they contribute is taken away.
    pub vanished: Vec<String>,
    /// Number of the document or entry that the ERP shows: its delivery is confirmed.
    pub confirms: Option<String>,
    /// Facts.
    pub facts: Vec<NewFact>,
    /// Why it is parked; empty: it was understood.
    pub problems: Vec<Problem>,
}

/// A fact about to be stored.
#[derive(Debug, Clone)]
pub struct NewFact {
    /// Contract.
    pub contract: String,
    /// The same thing told twice has one identity.
    pub identity: String,
    /// The fact.
    pub fact: Fact,
    /// Who is behind it.
    pub actor: Actor,
}

/// A source record that is parked, for people.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ParkedRecord {
    /// Row; `milestoned review replay ID` reads it again.
    pub id: i64,
    /// Connection.
    pub system: String,
    /// The vendor's object type.
    pub object: String,
    /// The vendor's id.
    pub remote_id: String,
    /// Contract, where it is known.
    pub contract: Option<String>,
    /// When it came, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// What is wrong, and what to do.
    #[schema(value_type = Vec<ProblemBody>)]
    pub problems: Vec<Problem>,
}

/// Records that nobody has read yet.
pub(super) const UNREAD: &str =
    "SELECT id, system, object, remote_id, version, changed_at, seen_at, record, state, contract,
    issues, mac FROM source_record WHERE state = 'new' ORDER BY id LIMIT $1";

/// Records of a connection after a row, whether they were read or not.
const AFTER: &str = "SELECT id, system, object, remote_id, version, changed_at, seen_at, record, state, contract,
    issues, mac FROM source_record WHERE system = $1 AND id > $2 ORDER BY id LIMIT $3";

/// Hints whose record is to be read again.
pub(super) const HINTS_DUE: &str = "SELECT id, object, remote_id, attempts FROM hint
    WHERE system = $1 AND done_at IS NULL AND due_at <= $2 ORDER BY due_at, id LIMIT $3";

/// Whether any record waits for a person.
pub(super) const ANY_PARKED: &str = "SELECT 1 FROM source_record WHERE state = 'parked' LIMIT 1";

/// What was understood once may be read again; what was never readable (text in place of a record) stays parked.
const REPLAY: Sql = Sql {
    postgres: "SELECT id FROM source_record WHERE state = 'parked' AND (CAST($1 AS BIGINT) IS NULL OR id = $1)
               AND CAST(record AS json) ->> 'content' IS NOT NULL ORDER BY id",
    sqlite: "SELECT id FROM source_record WHERE state = 'parked' AND ($1 IS NULL OR id = $1)
             AND json_valid(record) AND json_extract(record, '$.content') IS NOT NULL ORDER BY id",
};

impl Store {
    /// Stores a page's records and its cursor in one transaction; versions that are known are skipped.
    /// Returns how many were new.
    ///
    /// # Errors
    /// The database failed: neither records nor cursor are stored.
    pub fn record_page(
        &self,
        system: String,
        stream: String,
        page: Page,
        due_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Verb<'_, usize> {
        self.write(move |tx| {
            let records: Vec<&SourceRecord> = page.records.iter().collect();
            let texts: Vec<String> = page.records.iter().map(json).collect::<Result<_, _>>()?;
            let new = insert_records(tx, &records, &texts, None, now)?;
            failpoint::pass("page_half_stored");
            for unreadable in &page.unreadable {
                let problem = Problem::new(
                    format!("{system} {} {}", unreadable.object, unreadable.id),
                    unreadable.reason.clone(),
                    "correct the record in its system; its next version is read by itself",
                );
                park_unreadable(tx, &system, unreadable, &problem, now)?;
            }
            let fresh = (!page.more).then(|| instant(page.fresh_through));
            keep_genuine_place(tx, &system, &stream)?;
            tx.change(&WATERMARK, values![system, stream], || {
                tx.run(
                    "INSERT INTO watermark (system, stream, cursor, fresh_through, polled_at, due_at)
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (system, stream) DO UPDATE SET cursor = $3,
                     fresh_through = coalesce($4, watermark.fresh_through), polled_at = $5, due_at = $6, fault = NULL,
                     fault_since = NULL, attempts = 0",
                    values![system, stream, json(&page.next)?, fresh, instant(now), due_at.map(instant)],
                )
            })?;
            Ok(new.into_iter().flatten().count())
        })
    }

    /// Notes that a poll failed; it is tried again at `due_at`.
    ///
    /// # Errors
    /// The database failed.
    pub fn poll_failed(
        &self,
        system: String,
        stream: String,
        fault: String,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Verb<'_, ()> {
        self.write(move |tx| {
            keep_genuine_place(tx, &system, &stream)?;
            tx.change(&WATERMARK, values![system, stream], || {
                tx.run(
                    "INSERT INTO watermark (system, stream, cursor, polled_at, due_at, fault, fault_since, attempts)
                     VALUES ($1, $2, '{}', $3, $4, $5, $3, 1)
                     ON CONFLICT (system, stream) DO UPDATE SET polled_at = $3, due_at = $4, fault = $5,
                     fault_since = coalesce(watermark.fault_since, $3), attempts = watermark.attempts + 1",
                    values![system, stream, instant(now), instant(due_at), fault],
                )
            })
            .map(drop)
        })
    }

    /// Where the reading of a system stands, by stream; a stream that was never polled is not there.
    ///
    /// # Errors
    /// The database failed.
    pub fn watermarks(&self, system: String) -> Verb<'_, BTreeMap<String, Watermark>> {
        self.read(move |tx| {
            let mut marks = BTreeMap::new();
            tx.each(
                "SELECT stream, cursor, fresh_through, due_at, fault, attempts, CAST(0 AS BIGINT), system, stream, cursor,
                 fresh_through, polled_at, fault, fault_since, attempts, mac FROM watermark WHERE system = $1",
                values![system],
                |row| {
                    let (stream, cursor): (String, String) = (row.get(0)?, row.get(1)?);
                    if !tx.examine(&WATERMARK, row, 6)?.genuine {
                        tracing::error!(stream, "where a stream stands is not attested: it is read from its beginning");
                        return Ok(());
                    }
                    let mark = Watermark {
                        cursor: parse("watermark", "cursor", &stream, &cursor)?,
                        fresh_through: row.parsed_option(2, "watermark.fresh_through")?,
                        // Nothing attests it: what is no instant says that the stream is due.
                        due_at: row.parsed_option(3, "watermark.due_at").ok().flatten(),
                        fault: row.get(4)?,
                        attempts: row.count(5)?,
                    };
                    marks.insert(stream, mark);
                    Ok(())
                },
            )?;
            Ok(marks)
        })
    }

    /// Makes every stream due now; a census keeps its time.
    ///
    /// # Errors
    /// The database failed.
    pub fn poll_now(&self) -> Verb<'_, ()> {
        self.write(|tx| {
            let sql = "UPDATE watermark SET due_at = NULL WHERE stream NOT LIKE $1";
            tx.run(sql, values![format!("%{CENSUS}")])?;
            Ok(())
        })
    }

    /// Health of every stream.
    ///
    /// # Errors
    /// The database failed.
    pub fn streams(&self) -> Verb<'_, Vec<StreamHealth>> {
        self.read(|tx| {
            tx.all("SELECT system, stream, fresh_through, polled_at, fault, fault_since FROM watermark ORDER BY system, stream", values![], |row| {
                Ok(StreamHealth {
                    system: row.get(0)?,
                    stream: row.get(1)?,
                    fresh_through: row.parsed_option(2, "watermark.fresh_through")?,
                    polled_at: row.parsed_option(3, "watermark.polled_at")?,
                    fault: row.get(4)?,
                    fault_since: row.parsed_option(5, "watermark.fault_since")?,
                })
            })
        })
    }

    /// Stores a webhook's hints before it is acknowledged; a repeated delivery adds nothing. Returns how many were new.
    ///
    /// # Errors
    /// The database failed: the webhook must not be acknowledged.
    pub fn hints_received(
        &self,
        system: String,
        delivery: String,
        hints: Vec<Hint>,
        now: Timestamp,
    ) -> Verb<'_, usize> {
        let alone = hints.len() <= 1;
        let insert = move |tx: &Session<'_>| {
            let now = instant(now);
            let sets: Vec<_> =
                hints.iter().map(|hint| values![system, delivery, hint.object, hint.id, now].to_vec()).collect();
            let new = tx.run_each(
                "INSERT INTO hint (system, delivery, object, remote_id, received_at, due_at)
                 VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING",
                &sets,
            )?;
            Ok(usize::try_from(new.into_iter().sum::<u64>()).unwrap_or(usize::MAX))
        };
        if alone { self.write_one(insert) } else { self.write(insert) }
    }

    /// Hints whose record is to be read again now.
    ///
    /// # Errors
    /// The database failed.
    pub fn hints_due(&self, system: String, now: Timestamp, limit: u32) -> Verb<'_, Vec<PendingHint>> {
        self.read(move |tx| {
            tx.all(HINTS_DUE, values![system, instant(now), i64::from(limit)], |row| {
                Ok(PendingHint {
                    id: row.get(0)?,
                    hint: Hint { object: row.get(1)?, id: row.get(2)? },
                    attempts: row.count(3)?,
                })
            })
        })
    }

    /// Records that nobody has read yet, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn unread_records(&self, limit: u32) -> Verb<'_, Vec<StoredRecord>> {
        self.read(move |tx| {
            tx.all(UNREAD, values![i64::from(limit)], |row| {
                let (id, text): (i64, String) = (row.get(0)?, row.get(7)?);
                let examined = tx.examine(&SOURCE_RECORD, row, 0)?;
                let record = parse("source_record", "record", &id.to_string(), &text)?;
                Ok(StoredRecord { id, record, attested: examined.genuine.then_some(examined.attested) })
            })
        })
    }

    /// Records of a connection that came after the row `after`, oldest first: their rows, and what the remote sent. One that was not
    /// written by us, or was changed since, is passed over.
    ///
    /// # Errors
    /// The database failed.
    pub fn records_after(&self, system: String, after: i64, limit: u32) -> Verb<'_, Vec<(i64, Option<SourceRecord>)>> {
        self.read(move |tx| {
            tx.all(AFTER, values![system, after, i64::from(limit)], |row| {
                let (id, text): (i64, String) = (row.get(0)?, row.get(7)?);
                let genuine = tx.examine(&SOURCE_RECORD, row, 0)?.genuine;
                // What was never readable stands there as text, and has a line in the queue.
                let record = || parse("source_record", "record", &id.to_string(), &text).ok();
                Ok((id, genuine.then(record).flatten()))
            })
        })
    }

    /// What reading records gave lands whole, in their order: parts of legs, facts, and what is parked.
    ///
    /// # Errors
    /// The database failed: the records stay unread.
    pub fn settle_records(&self, readings: Vec<(StoredRecord, Reading)>, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let mut parked = any_parked(tx)?;
            for (stored, reading) in &readings {
                parked |= settle_record(tx, stored, reading, parked, now)?;
            }
            Ok(())
        })
    }

    /// Parked records.
    ///
    /// # Errors
    /// The database failed.
    pub fn parked_records(&self) -> Verb<'_, Vec<ParkedRecord>> {
        self.read(|tx| {
            tx.all("SELECT id, system, object, remote_id, contract, seen_at, issues FROM source_record WHERE state = 'parked' ORDER BY id", values![], |row| {
                let id: i64 = row.get(0)?;
                Ok(ParkedRecord {
                    id,
                    system: row.get(1)?,
                    object: row.get(2)?,
                    remote_id: row.get(3)?,
                    contract: row.get(4)?,
                    seen_at: row.parsed(5, "source_record.seen_at")?,
                    problems: parse("source_record", "issues", &id.to_string(), &row.get::<String>(6)?)?,
                })
            })
        })
    }

    /// Makes parked records unread again: all, or the one with this row id. Returns how many.
    ///
    /// # Errors
    /// The database failed.
    pub fn replay_parked(&self, id: Option<i64>, actor: Actor, now: Timestamp) -> Verb<'_, usize> {
        self.write(move |tx| {
            let mut count = 0_usize;
            for id in tx.all(REPLAY, values![id], |row| row.get::<i64>(0))? {
                match state_record(tx, id, "new") {
                    Ok(()) => count = count.saturating_add(1),
                    // It stays where it is.
                    Err(StoreError::Unattested { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            audit::append(tx, now, &[Entry::by(&actor, Action::ParkedRecordsReplayed, None, count.to_string(), "")])?;
            Ok(count)
        })
    }
}

/// Hints whose record was read again are done; the others are due later.
pub(super) fn mark_followed(tx: &Session<'_>, followed: &[Followed], now: &str) -> Result<(), StoreError> {
    let (mut done, mut later) = (Vec::new(), Vec::new());
    for followed_hint in followed {
        match &followed_hint.outcome {
            Ok(_) => done.extend(followed_hint.hints.iter().map(|hint| values![*hint, now].to_vec())),
            Err(due_at) => later.extend(followed_hint.hints.iter().map(|hint| (*hint, instant(*due_at)))),
        }
    }
    tx.run_each("UPDATE hint SET done_at = $2 WHERE id = $1", &done)?;
    let later: Vec<_> = later.iter().map(|(hint, due_at)| values![*hint, *due_at].to_vec()).collect();
    // Nothing attests how often it was tried: at its highest the number stays.
    let sql = "UPDATE hint SET due_at = $2, attempts = CASE WHEN attempts < 1000000 THEN attempts + 1 ELSE attempts END
               WHERE id = $1";
    tx.run_each(sql, &later)?;
    Ok(())
}

/// What reading one record gave; `parked`: some records are.
fn settle_record(
    tx: &Session<'_>,
    stored: &StoredRecord,
    reading: &Reading,
    parked: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let record = &stored.record;
    let Some(attested) = &stored.attested else { return refuse_record(tx, stored, now).map(|()| true) };
    let mut problems = reading.problems.clone();
    if problems.is_empty() {
        let replaced = apply_reading(tx, record, stored.id, reading, parked)?;
        for contract in &replaced.contracts {
            mark_legs(tx, contract)?;
        }
        if let Some(number) = &reading.confirms {
            confirm(tx, &record.system, number, now)?;
        }
        if let Some(contract) = replaced.freed.filter(|_| parked) {
            // Of a record that is gone an older version would say that it is there.
            let parked = tx.all(
                "SELECT id FROM source_record AS r WHERE state = 'parked' AND contract = $1 AND id <> $2
                 AND NOT EXISTS (SELECT 1 FROM source_record AS l WHERE l.system = r.system AND l.object = r.object
                                 AND l.remote_id = r.remote_id AND l.id > r.id) ORDER BY id",
                values![contract, stored.id],
                |row| row.get::<i64>(0),
            )?;
            for id in parked {
                state_record(tx, id, "new")?;
            }
        }
        let rivals = rivals(tx, record, reading.part.as_ref())?;
        problems
            .extend(reading.part.as_ref().filter(|_| !rivals.is_empty()).map(|part| ambiguity(record, part, &rivals)));
    }
    let state = if problems.is_empty() { "read" } else { "parked" };
    let issues = json(&problems)?;
    let code = tx.code_after(&SOURCE_RECORD, attested, &cells![state, &reading.contract, &issues])?;
    tx.run(
        "UPDATE source_record SET state = $2, contract = $3, issues = $4, mac = $5 WHERE id = $1",
        values![stored.id, state, reading.contract, issues, code],
    )?;
    tx.updated(&SOURCE_RECORD, attested, &code);
    let ambiguous = problems.len() > reading.problems.len();
    if !problems.is_empty() {
        audit::append(
            tx,
            now,
            &[Entry::own(
                Action::RecordParked,
                reading.contract.as_deref(),
                format!("{} {} {}", record.system, record.object, record.id),
                json(&problems)?,
            )],
        )?;
    }
    for fact in reading.facts.iter().filter(|_| !ambiguous) {
        insert_fact(tx, fact, Some(stored.id), now)?;
    }
    Ok(!problems.is_empty())
}

/// A record that is not attested says nothing: it waits for a person, and stays unattested.
fn refuse_record(tx: &Session<'_>, stored: &StoredRecord, now: Timestamp) -> Result<(), StoreError> {
    let StoredRecord { id, record, .. } = stored;
    let place = format!("{} {} {}", record.system, record.object, record.id);
    let problem = Problem::new(place.clone(), UNATTESTED, UNATTESTED_REMEDY);
    tx.run("UPDATE source_record SET state = 'parked', issues = $2 WHERE id = $1", values![*id, json(&[&problem])?])?;
    audit::append(tx, now, &[Entry::own(Action::RecordRefused, None, place, format!("record:{id}: {UNATTESTED}"))])
}

/// What is said of a row that is not acted on.
pub(super) const UNATTESTED: &str = "not attested: the row was not written by milestoned, or was changed since";
/// What a person does about it.
pub(super) const UNATTESTED_REMEDY: &str = "See `milestoned audit verify`, and who can write the database. A row that was put in is deleted there; for one that was \
     changed put a backup back.";

/// A record that was read before has another state now.
fn state_record(tx: &Session<'_>, id: i64, state: &'static str) -> Result<(), StoreError> {
    tx.change(&SOURCE_RECORD, values![id], || {
        tx.run("UPDATE source_record SET state = $2 WHERE id = $1", values![id, state])
    })
    .map(drop)
}

/// Whether any record waits for a person.
pub(super) fn any_parked(tx: &Session<'_>) -> Result<bool, StoreError> {
    Ok(tx.one(ANY_PARKED, values![], |_| Ok(()))?.is_some())
}

/// What follows from a record that was understood, but for its facts; `parked`: some records are.
pub(super) fn apply_reading(
    tx: &Session<'_>,
    record: &SourceRecord,
    id: i64,
    reading: &Reading,
    parked: bool,
) -> Result<Replaced, StoreError> {
    if parked {
        supersede_parked(tx, record, id)?;
    }
    let mut replaced = replace_part(tx, record, reading.part.as_ref())?;
    for part in &reading.vanished {
        let SourceRecord { system, object, version, at, .. } = record;
        let gone = SourceRecord::gone(system, object, part, version.clone(), *at);
        if parked {
            supersede_parked(tx, &gone, id)?;
        }
        replaced.contracts.extend(replace_part(tx, &gone, None)?.contracts);
    }
    Ok(replaced)
}

/// A newer version supersedes what was parked of this record before.
fn supersede_parked(tx: &Session<'_>, record: &SourceRecord, id: i64) -> Result<(), StoreError> {
    let before = tx.all(
        "SELECT id FROM source_record WHERE system = $1 AND object = $2 AND remote_id = $3
         AND state = 'parked' AND id < $4 ORDER BY id",
        values![record.system, record.object, record.id, id],
        |row| row.get::<i64>(0),
    )?;
    before.into_iter().try_for_each(|id| state_record(tx, id, "dismissed"))
}

/// Inserts versions of records, written out as `texts`; those that are known are skipped. With `readings` they count as
/// read, else they wait to be. Returns of each that was new its row.
pub(super) fn insert_records(
    tx: &Session<'_>,
    records: &[&SourceRecord],
    texts: &[String],
    readings: Option<&[Reading]>,
    now: Timestamp,
) -> Result<Vec<Option<i64>>, StoreError> {
    let (state, now) = (if readings.is_some() { "read" } else { "new" }, instant(now));
    let changed: Vec<String> = records.iter().map(|record| instant(record.at)).collect();
    let contract =
        |index: usize| readings.and_then(|readings| readings.get(index)).and_then(|read| read.contract.clone());
    let contracts: Vec<Option<String>> = (0..records.len()).map(contract).collect();
    let codes: Vec<Vec<u8>> = records
        .iter()
        .zip(texts)
        .zip(changed.iter().zip(&contracts))
        .map(|((record, text), (changed, contract))| {
            let told = cells![&record.system, &record.object, &record.id, &record.version, changed, &now, text];
            tx.code(&SOURCE_RECORD, &told, &cells![state, contract, "[]"])
        })
        .collect::<Result<_, _>>()?;
    let sets: Vec<_> = records
        .iter()
        .zip(texts)
        .zip(changed.iter().zip(contracts.iter().zip(&codes)))
        .map(|((record, text), (changed, (contract, code)))| {
            values![
                record.system,
                record.object,
                record.id,
                record.version,
                *changed,
                now,
                *text,
                state,
                *contract,
                *code
            ]
            .to_vec()
        })
        .collect();
    let new = tx.number_each(
        numbered!(
            "INSERT INTO source_record (system, object, remote_id, version, changed_at, seen_at, record, state, contract, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            "id"
        ),
        &sets,
    )?;
    for (id, code) in new.iter().zip(&codes) {
        if let Some(id) = id {
            tx.inserted(&SOURCE_RECORD, *id, code);
        }
    }
    Ok(new)
}

fn park_unreadable(
    tx: &Session<'_>,
    system: &str,
    unreadable: &milestoned_connector_kit::Unreadable,
    problem: &Problem,
    now: Timestamp,
) -> Result<(), StoreError> {
    // The same unreadable bytes are one version.
    let version = milestoned_mapping::command::DeliveryKey::of(&[&unreadable.raw]);
    let (at, raw, issues) = (instant(now), json(&unreadable.raw)?, json(&[problem])?);
    let told = cells![system, &unreadable.object, &unreadable.id, version.as_str(), &at, &at, &raw];
    let code = tx.code(&SOURCE_RECORD, &told, &cells!["parked", Cell::Null, &issues])?;
    let new = tx.number(
        numbered!(
            "INSERT INTO source_record (system, object, remote_id, version, changed_at, seen_at, record, state, issues, mac)
             VALUES ($1, $2, $3, $4, $5, $5, $6, 'parked', $7, $8) ON CONFLICT DO NOTHING",
            "id"
        ),
        values![system, unreadable.object, unreadable.id, version.as_str(), at, raw, issues, code],
    )?;
    if let Some(id) = new {
        tx.inserted(&SOURCE_RECORD, id, &code);
        audit::append(
            tx,
            now,
            &[Entry::own(Action::RecordParked, None, problem.place.clone(), problem.reason.clone())],
        )?;
    }
    Ok(())
}

/// A leg of a contract changed: a decision that was made without it does not land.
pub(super) fn mark_legs(tx: &Session<'_>, contract: &str) -> Result<(), StoreError> {
    let sql = concat!("UPDATE contract SET legs_changed = TRUE, ", next_revision!(), " WHERE id = $1");
    tx.run(sql, values![contract]).map(drop)
}

/// Where a stream stands, if that is what we wrote; else it is read from its beginning.
pub(super) fn keep_genuine_place(tx: &Session<'_>, system: &str, stream: &str) -> Result<(), StoreError> {
    match tx.hold(&WATERMARK, values![system, stream], |_, place| Ok(place))? {
        Some(place) if !place.genuine => {
            tx.deleted(&WATERMARK, &place.attested);
            tx.run("DELETE FROM watermark WHERE system = $1 AND stream = $2", values![system, stream]).map(drop)
        }
        _ => Ok(()),
    }
}

/// Other records that stand for the milestone of a project tool's record, such as the issue that it was cloned from.
pub(super) fn rivals(
    tx: &Session<'_>,
    record: &SourceRecord,
    part: Option<&LegContribution>,
) -> Result<Vec<String>, StoreError> {
    let Some(LegContribution { contract, leg: Leg::Psa, milestone: Some(milestone), .. }) = part else {
        return Ok(Vec::new());
    };
    tx.all(
        "SELECT system, object, remote_id FROM leg_part WHERE contract = $1 AND leg = $2 AND milestone = $3
         AND NOT (system = $4 AND object = $5 AND remote_id = $6) ORDER BY system, object, remote_id",
        values![contract, Leg::Psa.to_string(), milestone, record.system, record.object, record.id],
        |row| Ok(format!("{} {} {}", row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2)?)),
    )
}

/// Of records that stand for one milestone nobody can say which of them speaks: what they say waits.
fn ambiguity(record: &SourceRecord, part: &LegContribution, rivals: &[String]) -> Problem {
    Problem::new(
        format!("{} {} {}", record.system, record.object, record.id),
        format!(
            "stands for milestone {} of contract {}, and so does {}: nothing of either is taken",
            part.milestone.as_deref().unwrap_or_default(),
            part.contract,
            rivals.join(", ")
        ),
        "clear contract and milestone in the one that was cloned, or delete it; the other is then read again by itself",
    )
}

/// Inserts a fact; one that was told before is skipped. Returns whether it was new.
pub(super) fn insert_fact(
    tx: &Session<'_>,
    fact: &NewFact,
    origin: Option<i64>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (at, learned_at, text) = (instant(fact.fact.at), instant(now), json(&fact.fact)?);
    let told = cells![&fact.contract, &fact.identity, &at, &learned_at, &text, &fact.actor, origin];
    let code = tx.code(&FACT, &told, &[Cell::Null; 4])?;
    let new = tx.number(
        numbered!(
            "INSERT INTO fact (contract, identity, at, learned_at, fact, actor, origin, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            "id"
        ),
        values![fact.contract, fact.identity, at, learned_at, text, fact.actor.name(), origin, code],
    )?;
    if let Some(id) = new {
        tx.inserted(&FACT, id, &code);
        return Ok(true);
    }
    let sql = "SELECT id FROM fact WHERE contract = $1 AND identity = $2";
    match tx.one(sql, values![fact.contract, fact.identity], |row| row.get::<i64>(0))? {
        Some(_) => Ok(false),
        // Nobody is told that it is known.
        None => Err(StoreError::NotKept { table: "fact", row: fact.identity.clone() }),
    }
}
