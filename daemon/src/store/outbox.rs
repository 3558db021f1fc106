//! The outbox: claim, act outside, settle. A key is kept for ever.

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::Receipt;
use milestoned_mapping::command::{Command, DeliveryKey, Posting};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::audit::{self, Entry};
use super::{Store, StoreError, instant, json, parse, read_instant};

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
    pub after: Vec<Receipt>,
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
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Idempotency key.
    pub key: String,
    /// Contract.
    pub contract: String,
    /// Connection.
    pub target: String,
    /// Kind of command.
    pub kind: String,
    /// Number, or what it is about.
    pub subject: String,
    /// Where it stands.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Next attempt.
    pub due_at: String,
    /// Written down on.
    pub created_at: String,
    /// Settled on.
    pub settled_at: Option<String>,
    /// Seen in the remote by a later poll.
    pub confirmed_at: Option<String>,
    /// The remote's id.
    pub remote_id: Option<String>,
    /// The remote's request id.
    pub request_id: Option<String>,
    /// What went wrong.
    pub fault: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
    /// What is written.
    pub command: Command,
}

/// Names a command's kind and subject.
pub fn describe(command: &Command) -> (&'static str, String) {
    match command {
        Command::BillingStatus(status) => ("billing_status", format!("{} {}", status.record, status.milestone)),
        Command::CreditMemo(document) => ("credit_memo", document.number.clone()),
        Command::Customer { name, currency } => ("customer", format!("{name} ({currency})")),
        Command::Invoice(document) => ("invoice", document.number.clone()),
        Command::JournalEntry(entry) => ("journal_entry", entry.number.clone()),
    }
}

/// Writes a posting down, inside the deciding transaction. The same key with the same payload is known already.
pub(super) fn enqueue(
    connection: &Connection,
    contract: &str,
    posting: &Posting,
    now: Timestamp,
) -> Result<(), StoreError> {
    let command = json(&posting.command)?;
    let digest = DeliveryKey::of(&[&posting.target, &command]);
    let (kind, subject) = describe(&posting.command);
    let known: Option<String> = connection
        .prepare_cached("SELECT digest FROM outbox WHERE key = ?1")?
        .query_row([posting.key.as_str()], |row| row.get(0))
        .optional()?;
    if let Some(was) = known {
        return if was == digest.as_str() {
            Ok(())
        } else {
            Err(StoreError::KeyReused { key: posting.key.to_string(), was, now: digest.to_string() })
        };
    }
    if matches!(posting.command, Command::BillingStatus(_)) {
        // A status is a state: what was not shown yet need not be shown any more.
        connection
            .prepare_cached(
                "UPDATE outbox SET state = 'superseded', settled_at = ?3 WHERE target = ?1 AND subject = ?2
                 AND kind = 'billing_status' AND state IN ('pending', 'parked')",
            )?
            .execute(params![posting.target, subject, instant(now)])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, due_at, created_at)
             VALUES (?1, (SELECT coalesce(max(ordinal), 0) + 1 FROM outbox), ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'pending', ?9, ?9)",
        )?
        .execute(params![
            posting.key.as_str(),
            contract,
            posting.target,
            kind,
            subject,
            command,
            digest.as_str(),
            json(&posting.after)?,
            instant(now)
        ])?;
    Ok(())
}

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
            tx.prepare_cached(
                "UPDATE outbox SET state = 'unknown', lease_until = NULL, fault = 'the attempt was interrupted'
                 WHERE target = ?1 AND state = 'sending' AND lease_until <= ?2",
            )?
            .execute(params![target, instant(now)])?;
            let rows = claimable(tx, &target, limit, now)?;
            let mut claimed = Vec::new();
            for (key, contract, command, after, attempts, state) in rows {
                tx.prepare_cached(
                    "UPDATE outbox SET state = 'sending', attempts = attempts + 1, lease_until = ?2 WHERE key = ?1",
                )?
                .execute(params![key, instant(now.saturating_add(lease).unwrap_or(now))])?;
                claimed.push(Claimed {
                    command: parse("outbox", "command", &key, &command)?,
                    after: receipts(tx, &key, &after)?,
                    key: DeliveryKey::stored(key),
                    contract,
                    target: target.clone(),
                    attempts,
                    look_first: state == "unknown",
                });
            }
            Ok(claimed)
        })
        .await
    }

    /// Attempts that were under way when the process died are unknown now. Called once at the start, before any claim,
    /// by the one process that owns the file.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_leases(&self) -> Result<usize, StoreError> {
        self.write(|tx| {
            Ok(tx.execute(
                "UPDATE outbox SET state = 'unknown', lease_until = NULL, fault = 'the attempt was interrupted' WHERE state = 'sending'",
                [],
            )?)
        })
        .await
    }

    /// Writes down what became of the attempts of a batch.
    ///
    /// # Errors
    /// The database failed: the leases expire and the remote is asked.
    pub async fn settle(&self, attempts: Vec<(Claimed, Outcome)>, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            for (claimed, outcome) in &attempts {
                settle_one(tx, claimed, outcome, now)?;
            }
            Ok(())
        })
        .await
    }

    /// The earliest instant at which a delivery is due.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next_delivery(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| {
            let due: Option<String> = connection
                .prepare_cached(
                    "SELECT min(coalesce(lease_until, due_at)) FROM outbox AS o WHERE state IN ('pending', 'sending', 'unknown')
                     AND NOT EXISTS (SELECT 1 FROM json_each(o.after) AS a LEFT JOIN outbox AS p ON p.key = a.value
                                     WHERE p.state IS NULL OR p.state <> 'done')",
                )?
                .query_row([], |row| row.get(0))?;
            Ok(due.as_deref().map(read_instant).transpose()?)
        })
        .await
    }

    /// Deliveries, oldest first: of one contract or all, in one state or any.
    ///
    /// # Errors
    /// The database failed.
    pub async fn deliveries(
        &self,
        contract: Option<String>,
        states: &'static [&'static str],
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, contract, target, kind, subject, state, attempts, due_at, created_at, settled_at, confirmed_at,
                 receipt, fault, remedy, command FROM outbox WHERE (?1 IS NULL OR contract = ?1)
                 AND (?2 = '[]' OR state IN (SELECT value FROM json_each(?2))) ORDER BY ordinal",
            )?;
            let rows = statement.query_map(params![contract, json(&states)?], read_delivery)?;
            rows.map(|row| {
                let (mut delivery, receipt, command) = row?;
                delivery.command = parse("outbox", "command", &delivery.key, &command)?;
                if let Some(receipt) = receipt {
                    let receipt: Receipt = parse("outbox", "receipt", &delivery.key, &receipt)?;
                    delivery.remote_id = Some(receipt.remote_id);
                    delivery.request_id = receipt.request_id;
                }
                Ok(delivery)
            })
            .collect()
        })
        .await
    }

    /// A person decides about a parked delivery: `again` makes it due (the remote is asked first), otherwise it is
    /// dismissed for ever. `false`: no parked delivery has this key.
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
            let state = if again { "unknown" } else { "dismissed" };
            let changed = tx.execute(
                "UPDATE outbox SET state = ?2, due_at = ?3, settled_at = CASE WHEN ?2 = 'dismissed' THEN ?3 END
                 WHERE key = ?1 AND state = 'parked'",
                params![key, state, instant(now)],
            )?;
            if changed == 1 {
                let action = if again { "delivery released" } else { "delivery dismissed" };
                audit::append(tx, now, &Entry::by(&actor, action, None, key, reason))?;
            }
            Ok(changed == 1)
        })
        .await
    }

    /// A poll saw the document with this number in the remote: its delivery is confirmed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn confirm(&self, target: String, number: String, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.prepare_cached(
                "UPDATE outbox SET confirmed_at = ?3 WHERE target = ?1 AND subject = ?2 AND state = 'done' AND confirmed_at IS NULL",
            )?
            .execute(params![target, number, instant(now)])?;
            Ok(())
        })
        .await
    }
}

fn settle_one(tx: &Connection, claimed: &Claimed, outcome: &Outcome, now: Timestamp) -> Result<(), StoreError> {
    let (state, due_at, receipt, fault, remedy) = match outcome {
        Outcome::Done { receipt, .. } => ("done", now, Some(json(receipt)?), None, None),
        Outcome::Again { at, fault } => ("pending", *at, None, Some(fault), None),
        Outcome::LookAt { at, fault } => ("unknown", *at, None, Some(fault), None),
        Outcome::Parked { fault, remedy } => ("parked", now, None, Some(fault), Some(remedy)),
    };
    let settled = matches!(outcome, Outcome::Done { .. } | Outcome::Parked { .. }).then(|| instant(now));
    let changed = tx
        .prepare_cached(
            "UPDATE outbox SET state = ?2, due_at = ?3, receipt = ?4, fault = ?5, remedy = ?6, settled_at = ?7,
             lease_until = NULL WHERE key = ?1 AND state = 'sending'",
        )?
        .execute(params![claimed.key.as_str(), state, instant(due_at), receipt, fault, remedy, settled])?;
    if changed == 1 {
        audit::append(tx, now, &audit_line(claimed, outcome))?;
    }
    Ok(())
}

type ClaimRow = (String, String, String, String, u32, String);

fn claimable(connection: &Connection, target: &str, limit: u32, now: Timestamp) -> Result<Vec<ClaimRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key, contract, command, after, attempts, state FROM outbox AS o
         WHERE target = ?1 AND state IN ('pending', 'unknown') AND due_at <= ?2
         AND NOT EXISTS (SELECT 1 FROM json_each(o.after) AS a LEFT JOIN outbox AS p ON p.key = a.value
                         WHERE p.state IS NULL OR p.state <> 'done')
         AND NOT EXISTS (SELECT 1 FROM outbox AS q WHERE q.target = o.target AND q.subject = o.subject
                         AND q.ordinal < o.ordinal AND q.state IN ('pending', 'sending', 'unknown'))
         ORDER BY ordinal LIMIT ?3",
    )?;
    let rows = statement.query_map(params![target, instant(now), limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn receipts(connection: &Connection, key: &str, after: &str) -> Result<Vec<Receipt>, StoreError> {
    let keys: Vec<DeliveryKey> = parse("outbox", "after", key, after)?;
    keys.iter()
        .map(|earlier| {
            let text: String = connection
                .prepare_cached("SELECT receipt FROM outbox WHERE key = ?1")?
                .query_row([earlier.as_str()], |row| row.get(0))?;
            parse("outbox", "receipt", earlier.as_str(), &text)
        })
        .collect()
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

fn read_delivery(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Delivery, Option<String>, String)> {
    let delivery = Delivery {
        key: row.get(0)?,
        contract: row.get(1)?,
        target: row.get(2)?,
        kind: row.get(3)?,
        subject: row.get(4)?,
        state: row.get(5)?,
        attempts: row.get(6)?,
        due_at: row.get(7)?,
        created_at: row.get(8)?,
        settled_at: row.get(9)?,
        confirmed_at: row.get(10)?,
        remote_id: None,
        request_id: None,
        fault: row.get(12)?,
        remedy: row.get(13)?,
        command: Command::Customer { name: String::new(), currency: String::new() },
    };
    Ok((delivery, row.get(11)?, row.get(14)?))
}
