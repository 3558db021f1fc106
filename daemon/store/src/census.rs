//! Censuses: the ids that a remote has now, beside the records that we know. What it lacks is read again.

use jiff::Timestamp;
use milestoned_connector_kit::Census;

use super::action::Action;
use super::attest::Session;
use super::attested::WATERMARK;
use super::audit::{self, Entry};
use super::intake::keep_genuine_place;
use super::session::{Sql, values};
use super::vocabulary::CENSUS;
use super::{Store, StoreError, Verb, instant, json};

/// How a census ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Records that we know and that were not gone before.
    pub known: u64,
    /// Of these, those that the remote did not name.
    pub missing: u64,
    /// More are missing than the brake allows: nothing is read again, a person looks.
    pub braked: bool,
}

/// Name of a stream's census among the watermarks.
pub fn stream_of(stream: &str) -> String {
    format!("{stream}{CENSUS}")
}

/// The stream whose records a watermark counts; `None`: the watermark is that of a stream.
pub fn counted(watermark: &str) -> Option<&str> {
    watermark.strip_suffix(CENSUS)
}

impl Store {
    /// The next census is due at this instant.
    ///
    /// # Errors
    /// The database failed.
    pub fn census_waits(&self, system: String, stream: String, due_at: Timestamp, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| mark(tx, &system, &stream, "{}", Some(due_at), now))
    }

    /// Keeps a page of a census and its cursor in one transaction. The first page begins anew.
    ///
    /// # Errors
    /// The database failed: neither ids nor cursor are kept.
    pub fn census_page(
        &self,
        system: String,
        stream: String,
        census: Census,
        first: bool,
        now: Timestamp,
    ) -> Verb<'_, ()> {
        self.write(move |tx| {
            if first {
                clear(tx, &system, &stream)?;
            }
            let sets: Vec<_> = census.ids.iter().map(|id| values![system, stream, *id].to_vec()).collect();
            let sql = "INSERT INTO census (system, stream, remote_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            tx.run_each(sql, &sets)?;
            mark(tx, &system, &stream, &json(&census.next)?, None, now)
        })
    }

    /// Ends a census of objects of these types, whose ids are distinct: what is known and was not named is hinted at, unless
    /// more is missing than `brake` percent.
    ///
    /// # Errors
    /// The database failed: the census is not over.
    pub fn census_end(
        &self,
        system: String,
        stream: String,
        objects: Vec<String>,
        brake: u32,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Verb<'_, Counted> {
        self.write(move |tx| {
            let (mut known, mut missing) = (0_u64, Vec::new());
            for object in objects {
                let (here, gone) = self::missing(tx, &system, &stream, &object)?;
                known = known.saturating_add(here);
                missing.extend(gone.into_iter().map(|id| (object.clone(), id)));
            }
            let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
            // One record is never a flood.
            let braked = count > 1 && count.saturating_mul(100) > known.saturating_mul(u64::from(brake));
            if !braked {
                let delivery = format!("census {}", instant(now));
                for (object, id) in &missing {
                    tx.run(
                        "INSERT INTO hint (system, delivery, object, remote_id, received_at, due_at)
                         VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING",
                        values![system, delivery, object, id, instant(now)],
                    )?;
                }
            }
            clear(tx, &system, &stream)?;
            mark(tx, &system, &stream, "{}", Some(due_at), now)?;
            if braked {
                let fault = format!(
                    "{count} of {known} known records are not there: that is more than intake.brake ({brake} %), so nothing \
                     is taken as deleted; see that the user may still see them, or raise the brake"
                );
                let place = stream_of(&stream);
                tx.change(&WATERMARK, values![system, place], || {
                    tx.run(
                        "UPDATE watermark SET fault = $3, fault_since = coalesce(fault_since, $4)
                         WHERE system = $1 AND stream = $2",
                        values![system, place, fault, instant(now)],
                    )
                })?;
                audit::append(tx, now, &[Entry::own(Action::CensusBraked, None, format!("{system} {stream}"), fault)])?;
            }
            Ok(Counted { known, missing: count, braked })
        })
    }
}

fn clear(tx: &Session<'_>, system: &str, stream: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM census WHERE system = $1 AND stream = $2", values![system, stream]).map(drop)
}

fn mark(
    tx: &Session<'_>,
    system: &str,
    stream: &str,
    cursor: &str,
    due_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let fresh = due_at.is_some().then(|| instant(now));
    let stream = stream_of(stream);
    keep_genuine_place(tx, system, &stream)?;
    tx.change(&WATERMARK, values![system, stream], || {
        tx.run(
            "INSERT INTO watermark (system, stream, cursor, fresh_through, polled_at, due_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (system, stream) DO UPDATE SET cursor = $3,
             fresh_through = coalesce($4, watermark.fresh_through), polled_at = $5, due_at = $6, fault = NULL,
             fault_since = NULL, attempts = 0",
            values![system, stream, cursor, fresh, instant(now), due_at.map(instant)],
        )
    })
    .map(drop)
}

macro_rules! missing {
    ($kind:literal) => {
        concat!(
            "SELECT r.remote_id, c.remote_id IS NULL FROM source_record AS r
             LEFT JOIN census AS c ON c.system = r.system AND c.stream = $2 AND c.remote_id = r.remote_id
             WHERE r.system = $1 AND r.object = $3 AND r.remote_id <> ''
             AND r.id = (SELECT max(l.id) FROM source_record AS l
                         WHERE l.system = r.system AND l.object = r.object AND l.remote_id = r.remote_id)
             AND ",
            $kind,
            " <> 'gone' ORDER BY r.id"
        )
    };
}

/// PostgreSQL takes JSON apart by other operators; what was never readable is text in place of a record, and has no kind.
const MISSING: Sql = Sql {
    postgres: missing!("CAST(r.record AS json) -> 'content' ->> 'kind'"),
    sqlite: missing!("json_extract(r.record, '$.content.kind')"),
};

/// How many records of an object are known and not gone, and which of them the census did not name.
fn missing(tx: &Session<'_>, system: &str, stream: &str, object: &str) -> Result<(u64, Vec<String>), StoreError> {
    let (mut known, mut missing) = (0_u64, Vec::new());
    tx.each(MISSING, values![system, stream, object], |row| {
        known = known.saturating_add(1);
        if row.get::<bool>(1)? {
            missing.push(row.get(0)?);
        }
        Ok(())
    })?;
    Ok((known, missing))
}
