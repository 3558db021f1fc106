//! Writing one decision down: the contract's state, facts, documents, exceptions, postings, events.

use jiff::Timestamp;
use milestoned_trail::rows::{named, subject_of};

use super::attest::{Session, hold};
use super::attested::{CONTRACT, DOCUMENT, EVENT, EXCEPTION, FACT, LEG};
use super::contracts::{ExceptionRow, IssuedRow, Landing};
use super::outbox::enqueue;
use super::review::keep_approvals;
use super::session::{Cell, Numbered, Value, cells, numbered, values};
use super::{StoreError, drift, instant, json, next_revision};
use crate::failpoint;

/// Writes one decision, but for its audit lines. `doubts`: the remote may know what is new to us. `false`: somebody else
/// decided meanwhile, and nothing was written.
pub(super) fn land(tx: &Session<'_>, landing: &Landing, doubts: bool, now: Timestamp) -> Result<bool, StoreError> {
    let history = landing.history_before.saturating_add(decided_count(landing));
    let (as_of, wake_at) = (landing.as_of.to_string(), landing.wake_at.map(instant));
    let journal_through = landing.journal_through.map(|date| date.to_string());
    let standing = cells![&landing.state, history, &as_of, &wake_at, landing.planned_documents, &journal_through];
    let code = tx.code_after(&CONTRACT, &landing.attested_before, &standing)?;
    let changed = tx.run(
        concat!(
            "UPDATE contract SET state = $2, history = $3, as_of = $4, wake_at = $5, planned_documents = $6,
             journal_through = $7, legs_changed = $9, mac = $10, ",
            next_revision!(),
            " WHERE id = $1 AND revision = $8"
        ),
        values![
            landing.contract,
            landing.state,
            history,
            as_of,
            wake_at,
            landing.planned_documents,
            journal_through,
            landing.revision_before,
            landing.legs_wait,
            code
        ],
    )?;
    if changed != 1 {
        return Ok(false);
    }
    tx.updated(&CONTRACT, &landing.attested_before, &code);
    land_facts(tx, landing, now)?;
    for posting in &landing.postings {
        enqueue(tx, &landing.contract, posting, doubts, now)?;
    }
    land_results(tx, landing, now)?;
    failpoint::pass("landing");
    Ok(true)
}

fn decided_count(landing: &Landing) -> i64 {
    i64::try_from(landing.facts.iter().filter(|fact| fact.problem.is_none()).count()).unwrap_or(i64::MAX)
}

const INSERT: Numbered = numbered!(
    "INSERT INTO fact (contract, identity, at, learned_at, fact, actor, position, effective_at, problem, origin, mac)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
    "id"
);

/// A fact that is known by its identity, and waited or was parked, is what this decision brings along.
fn land_again(tx: &Session<'_>, row: &[&dyn Value]) -> Result<(), StoreError> {
    let [contract, identity, ..] = row else { return Ok(()) };
    let known = "SELECT id FROM fact WHERE contract = $1 AND identity = $2";
    let Some(id) = tx.one(known, &[*contract, *identity], |row| row.get::<i64>(0))? else { return Ok(()) };
    tx.overwrite(&FACT, values![id], || {
        tx.run(
            "UPDATE fact SET at = $3, learned_at = $4, fact = $5, actor = $6, position = $7, effective_at = $8, problem = $9,
             origin = $10, mac = $11 WHERE contract = $1 AND identity = $2",
            row,
        )
    })
    .map(drop)
}

/// What became of facts: of those that waited in the store, and of those that the decision brings along.
fn land_facts(tx: &Session<'_>, landing: &Landing, now: Timestamp) -> Result<(), StoreError> {
    let mut position = landing.history_before;
    let now = instant(now);
    for decided in &landing.facts {
        let pending = &decided.pending;
        let (place, effective_at) = (decided.problem.is_none().then_some(position), instant(decided.effective_at));
        let standing = cells![place, &effective_at, &decided.problem, Cell::Null];
        let subject = subject_of(pending.fact.event.kind(), &pending.identity);
        match &pending.stored {
            Some(stored) => {
                tx.is_about(&landing.contract, &subject, named(FACT.name, &stored.digest));
                let code = tx.code_after(&FACT, stored, &standing)?;
                tx.run(
                    "UPDATE fact SET position = $2, effective_at = $3, problem = $4, mac = $5 WHERE id = $1",
                    values![stored.number, place, effective_at, decided.problem, code],
                )?;
                tx.updated(&FACT, stored, &code);
            }
            None => {
                let (at, text) = (instant(pending.fact.at), json(&pending.fact)?);
                let told =
                    cells![&landing.contract, &pending.identity, &at, &now, &text, &pending.actor, pending.origin];
                let (code, digest) = tx.code_and_digest(&FACT, &told, &standing)?;
                tx.is_about(&landing.contract, &subject, named(FACT.name, &digest));
                let row = values![
                    landing.contract,
                    pending.identity,
                    at,
                    now,
                    text,
                    pending.actor.name(),
                    place,
                    effective_at,
                    decided.problem,
                    pending.origin,
                    code
                ];
                match tx.number(INSERT, row)? {
                    Some(id) => tx.inserted(&FACT, id, &code),
                    None => land_again(tx, row)?,
                }
            }
        }
        position = position.saturating_add(i64::from(decided.problem.is_none()));
    }
    Ok(())
}

fn land_results(tx: &Session<'_>, landing: &Landing, now: Timestamp) -> Result<(), StoreError> {
    for (leg, record) in &landing.legs {
        let (leg, record) = (leg.to_string(), json(record)?);
        let code = tx.code(&LEG, &cells![&landing.contract, &leg, &record], &[])?;
        if let Some(before) = tx.examine_one(&LEG, values![landing.contract, leg])? {
            tx.deleted(&LEG, &before.attested);
        }
        tx.run(
            "INSERT INTO leg (contract, leg, record, mac) VALUES ($1, $2, $3, $4)
             ON CONFLICT (contract, leg) DO UPDATE SET record = $3, mac = $4",
            values![landing.contract, leg, record, code],
        )?;
        tx.inserted(&LEG, 0, &code);
    }
    landing.documents.iter().try_for_each(|document| land_document(tx, &landing.contract, document))?;
    if !landing.events.is_empty() {
        // Events are numbered in the order of commits: a reader of the feed must not see number 8 before number 7.
        hold(tx)?;
    }
    for event in &landing.events {
        let at = instant(now);
        let told = cells![&event.identity, &at, event.kind, &landing.contract, &event.milestone, &event.body];
        let code = tx.code(&EVENT, &told, &[])?;
        let seq = tx.number(
            numbered!(
                "INSERT INTO event (identity, at, type, contract, milestone, body, mac)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                "seq"
            ),
            values![event.identity, at, event.kind, landing.contract, event.milestone, event.body, code],
        )?;
        if let Some(seq) = seq {
            tx.inserted(&EVENT, seq, &code);
        }
    }
    drift::keep(tx, &landing.contract, &landing.drift)?;
    if let Some(approvals) = &landing.approvals {
        keep_approvals(tx, &landing.contract, approvals)?;
    }
    landing.exceptions.iter().try_for_each(|exceptions| keep_exceptions(tx, &landing.contract, exceptions))
}

/// Replaces the exceptions of a contract.
pub(super) fn keep_exceptions(tx: &Session<'_>, contract: &str, exceptions: &[ExceptionRow]) -> Result<(), StoreError> {
    tx.delete(&EXCEPTION, "DELETE FROM exception WHERE contract = $1 RETURNING mac", values![contract])?;
    let texts: Vec<_> = (0_i64..).zip(exceptions).map(exception_texts).collect();
    let values: Vec<String> =
        exceptions.iter().map(|exception| json(&exception.differences)).collect::<Result<_, _>>()?;
    let rows = || exceptions.iter().zip(texts.iter().zip(&values));
    let codes: Vec<Vec<u8>> = rows()
        .map(|(exception, ((ordinal, leg, severity, opened_on, closed_on, held, currency), differences))| {
            let told = cells![
                contract,
                *ordinal,
                &exception.code,
                &exception.milestone,
                leg,
                severity,
                opened_on,
                closed_on,
                held,
                currency,
                differences
            ];
            tx.code(&EXCEPTION, &told, &[])
        })
        .collect::<Result<_, _>>()?;
    let sets: Vec<_> = rows()
        .zip(&codes)
        .map(|((exception, ((ordinal, leg, severity, opened_on, closed_on, held, currency), differences)), code)| {
            values![
                contract,
                *ordinal,
                exception.code,
                exception.milestone,
                *leg,
                *severity,
                *opened_on,
                *closed_on,
                *held,
                *currency,
                *differences,
                *code
            ]
            .to_vec()
        })
        .collect();
    tx.run_each(
        "INSERT INTO exception (contract, ordinal, code, milestone, leg, severity, opened_on, closed_on, held, currency,
         differences, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &sets,
    )?;
    codes.iter().for_each(|code| tx.inserted(&EXCEPTION, 0, code));
    Ok(())
}

/// Writes a document down that this decision has issued.
fn land_document(tx: &Session<'_>, contract: &str, document: &IssuedRow) -> Result<(), StoreError> {
    let [date, due_on] = [document.date, document.due_on].map(|date| date.to_string());
    let (currency, amount) = (document.amount.currency(), document.amount.to_string());
    let told = cells![
        &document.number,
        contract,
        document.ordinal,
        document.kind.name(),
        &document.milestone,
        &date,
        &due_on,
        currency.code(),
        &amount,
        &document.target,
        document.posting.as_str(),
        document.cause
    ];
    let (code, digest) = tx.code_and_digest(&DOCUMENT, &told, &[])?;
    tx.is_about(contract, &document.number, named(DOCUMENT.name, &digest));
    tx.run(
        "INSERT INTO document (number, contract, ordinal, kind, milestone, date, due_on, currency, amount, target, posting,
         cause, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        values![
            document.number,
            contract,
            document.ordinal,
            document.kind.name(),
            document.milestone,
            date,
            due_on,
            currency.code(),
            amount,
            document.target,
            document.posting.as_str(),
            document.cause,
            code
        ],
    )?;
    tx.inserted(&DOCUMENT, 0, &code);
    Ok(())
}

/// What an exception is written as beside its own texts.
type ExceptionTexts = (i64, Option<String>, String, String, Option<String>, Option<String>, String);

fn exception_texts((ordinal, row): (i64, &ExceptionRow)) -> ExceptionTexts {
    (
        ordinal,
        row.leg.map(|leg| leg.to_string()),
        row.severity.to_string(),
        row.opened_on.to_string(),
        row.closed_on.map(|date| date.to_string()),
        row.held.map(|held| held.to_string()),
        row.currency.to_string(),
    )
}
