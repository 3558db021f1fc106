//! Forgetting what is personal: who acted and what they wrote, in audit lines, facts and source records. The chain keeps a
//! salted digest, decisions do not depend on it, and so both hold afterwards.

use jiff::Timestamp;
use milestoned_mapping::fact::Fact;
use milestoned_mapping::record::{Content, SourceRecord};
use milestoned_trail::rows::named;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::{FACT, SOURCE_RECORD};
use super::audit::{self, Entry, REDACTED};
use super::session::{Sql, values};
use super::{Store, StoreError, Verb, instant, json, parse};

/// What is forgotten.
#[derive(Debug, Clone)]
pub struct Forget {
    /// Of one person, as lines and facts name them; of all people without it.
    pub actor: Option<Actor>,
    /// Of before this instant.
    pub before: Timestamp,
    /// Connections: lines about what they told are nobody's.
    pub systems: Vec<String>,
}

/// How much was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Forgotten {
    /// Audit lines.
    pub lines: usize,
    /// Facts.
    pub facts: usize,
    /// Source records.
    pub records: usize,
}

macro_rules! records {
    ($named:literal) => {
        concat!(
            "SELECT id, record FROM source_record WHERE id > $1 AND seen_at >= $2 AND seen_at < $3
             AND state IN ('read', 'dismissed') AND (CAST($4 AS TEXT) IS NULL OR ",
            $named,
            ") ORDER BY id LIMIT 500"
        )
    };
}

/// A person's name may stand anywhere in a record. The two databases call the search for it differently.
const RECORDS: Sql = Sql {
    postgres: records!("strpos(lower(record), lower(CAST($4 AS TEXT))) > 0"),
    sqlite: records!("instr(lower(record), lower($4)) > 0"),
};

impl Store {
    /// Removes who did it and what they wrote from audit lines, facts and source records, and writes down that it was done.
    ///
    /// # Errors
    /// The database failed.
    pub fn forget(&self, what: Forget, by: Actor, reason: String, now: Timestamp) -> Verb<'_, Forgotten> {
        self.write(move |tx| {
            let before = instant(what.before);
            let lines = lines(tx, &what, &before)?;
            let facts = facts(tx, &what, &before)?;
            let forgotten = Forgotten {
                lines: lines.len(),
                facts: facts.len() / 2,
                records: records(tx, what.actor.as_ref().map(Actor::name), ("", &before))?,
            };
            let detail = format!(
                "{} lines, {} facts and {} records from before {}: {reason}",
                forgotten.lines, forgotten.facts, forgotten.records, what.before
            );
            let attests = (!facts.is_empty()).then(|| facts.join(" "));
            let line =
                Entry { attests, ..Entry::by(&by, Action::AuditLinesRedacted, None, audit::runs(lines), detail) };
            audit::append(tx, now, &[line])?;
            Ok(forgotten)
        })
    }

    /// Empties source records that came in a span of time, as the configured retention says. Returns how many there were.
    ///
    /// # Errors
    /// The database failed.
    pub fn forget_records(&self, from: Timestamp, before: Timestamp, now: Timestamp) -> Verb<'_, usize> {
        self.write(move |tx| {
            let count = records(tx, None, (&instant(from), &instant(before)))?;
            if count > 0 {
                let detail = format!("that came from {from} to {before}, as intake.keep_records says");
                audit::append(tx, now, &[Entry::own(Action::RecordsEmptied, None, count.to_string(), detail)])?;
            }
            Ok(count)
        })
    }
}

/// Removes what people wrote from the trail's lines, and gives the lines.
fn lines(tx: &Session<'_>, what: &Forget, before: &str) -> Result<Vec<i64>, StoreError> {
    let written = tx.all(
        "SELECT seq, actor FROM audit WHERE at < $1 AND salt IS NOT NULL
         AND (CAST($2 AS TEXT) IS NULL OR actor = $2) ORDER BY seq",
        values![before, what.actor.as_ref().map(Actor::name)],
        |row| Ok((row.get::<i64>(0)?, row.actor(1)?)),
    )?;
    let people = written.into_iter().filter(|(_, actor)| actor.may_be_person(&what.systems));
    let lines: Vec<i64> = people.map(|(seq, _)| seq).collect();
    let sets: Vec<_> = lines.iter().map(|seq| values![REDACTED, *seq].to_vec()).collect();
    tx.run_each("UPDATE audit SET actor = $1, detail = $1, salt = NULL WHERE seq = $2", &sets)?;
    Ok(lines)
}

/// Gives what a line says of the facts: what each was, with a minus, and what it is.
fn facts(tx: &Session<'_>, what: &Forget, before: &str) -> Result<Vec<String>, StoreError> {
    let known = tx.all(
        "SELECT id, fact, actor FROM fact WHERE at < $1 AND actor <> $2 AND position IS NOT NULL ORDER BY id",
        values![before, REDACTED],
        |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<String>(2)?)),
    )?;
    let mut changed = Vec::new();
    for (id, text, actor) in known {
        let mut fact: Fact = parse("fact", "fact", &id.to_string(), &text)?;
        let Some((by, wrote)) = fact.event.person() else { continue };
        let meant = what.actor.as_ref().is_none_or(|name| name.name() == actor || name.name() == by.as_str());
        if !meant {
            continue;
        }
        REDACTED.clone_into(by);
        if let Some(wrote) = wrote.filter(|text| !text.trim().is_empty()) {
            REDACTED.clone_into(wrote);
        }
        let text = json(&fact)?;
        let digest =
            || tx.examine_one(&FACT, values![id]).map(|row| row.map(|row| named(FACT.name, &row.attested.digest)));
        changed.extend(digest()?.map(|was| format!("-{was}")));
        tx.change(&FACT, values![id], || {
            tx.run("UPDATE fact SET fact = $2, actor = $3 WHERE id = $1", values![id, text, REDACTED])
        })?;
        changed.extend(digest()?);
    }
    Ok(changed)
}

/// Removes what vendors sent; what was understood of figures stays.
fn records(tx: &Session<'_>, actor: Option<&str>, (from, before): (&str, &str)) -> Result<usize, StoreError> {
    let actor = actor.map(str::to_owned);
    let (mut count, mut last) = (0_usize, 0_i64);
    loop {
        let some =
            tx.all(RECORDS, values![last, from, before, actor], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
        let Some((newest, _)) = some.last() else { return Ok(count) };
        last = *newest;
        for (id, text) in &some {
            let Some(emptied) = emptied(text)? else { continue };
            tx.change(&SOURCE_RECORD, values![*id], || {
                tx.run("UPDATE source_record SET record = $2 WHERE id = $1", values![*id, emptied])
            })?;
            count = count.saturating_add(1);
        }
    }
}

/// A record without what its vendor sent; `None`: it was emptied before.
fn emptied(text: &str) -> Result<Option<String>, StoreError> {
    let empty = json(&REDACTED)?;
    match serde_json::from_str::<SourceRecord>(text) {
        Ok(record) if record.raw == empty => Ok(None),
        Ok(mut record) => {
            record.raw = empty;
            if let Content::Fields { history } = &mut record.content {
                history.clear();
            }
            json(&record).map(Some)
        }
        Err(_) => Ok(Some(empty).filter(|empty| empty != text)),
    }
}
