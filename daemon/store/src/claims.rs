//! Claiming deliveries: what is due is read with the receipts of what came before it, and leased.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use milestoned_connector_kit::{After, Receipt};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::record::Deal;

use super::action::Action;
use super::attest::{Attested, Examined, Session};
use super::attested::{LEG_PART, OUTBOX, outbox_row};
use super::audit::{self, Entry};
use super::intake::{UNATTESTED, UNATTESTED_REMEDY};
use super::session::{Cell, Sql, cells, values};
use super::vocabulary::{CommandKind, DeliveryState};
use super::{StoreError, instant, json, parse};

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
    /// What attests its row, as leased.
    pub(super) attested: Attested,
}

/// What has to be settled before a delivery goes out is settled; before a status it is posted, too, as far as the remote's
/// answer or a poll has told: nobody is told *invoiced* while the invoice waits for an approval in the ERP. PostgreSQL takes
/// JSON apart by another function. A list that cannot be read waits for nothing: the claim parks its row.
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
            " LEFT JOIN outbox AS p ON p.key = a.value WHERE p.state IS NULL OR p.state <> 'done'
              OR (o.kind = 'billing_status' AND (EXISTS (SELECT 1 FROM unposted AS u WHERE u.number = p.subject
                  AND u.system = p.target) OR (p.confirmed_at IS NULL AND p.receipt LIKE '%\"unposted\":true%')))) END"
        )
    };
}

/// Nobody has halted its target, its contract or its customer.
macro_rules! not_paused {
    ($database:ident) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM pause AS s WHERE (s.scope = 'target' AND s.name = o.target)
             OR (s.scope = 'contract' AND s.name = o.contract) OR (s.scope = 'customer' AND ",
            $crate::customers::names_customer!(
                $database,
                "(SELECT c.customer FROM contract AS c WHERE c.id = o.contract)",
                "o.contract"
            ),
            "))"
        )
    };
}

macro_rules! particulars {
    ($contracts:literal) => {
        concat!(
            "SELECT CAST(0 AS BIGINT), system, object, remote_id, contract, leg, milestone, part, mac FROM leg_part
             WHERE leg = 'crm' AND contract IN (",
            $contracts,
            ") ORDER BY contract, object, remote_id"
        )
    };
}

pub(super) use {not_paused, settled_before};

macro_rules! claimable {
    ($database:ident, $lock:literal) => {
        concat!(
            outbox_row!(),
            " AS o WHERE target = $1 AND state IN ('pending', 'unknown') AND due_at <= $2 AND ",
            settled_before!($database),
            " AND NOT EXISTS (SELECT 1 FROM outbox AS q WHERE q.target = o.target AND q.subject = o.subject
              AND q.ordinal < o.ordinal AND q.state IN ('pending', 'sending', 'unknown')) AND ",
            not_paused!($database),
            " ORDER BY due_at, ordinal LIMIT $3",
            $lock
        )
    };
}

/// In PostgreSQL several may claim at once: each locks what it takes, and skips what another has locked. SQLite has one
/// writer.
pub(super) const CLAIMABLE: Sql =
    Sql { postgres: claimable!(postgres, " FOR UPDATE OF o SKIP LOCKED"), sqlite: claimable!(sqlite, "") };

const LEASE: &str =
    "UPDATE outbox SET state = 'sending', attempts = attempts + 1, lease_until = $2, mac = $3 WHERE key = $1";

/// Takes what is due for a target, what is due longest first and at most so many, and leases it until an instant.
pub(super) fn lease(
    tx: &Session<'_>,
    target: &str,
    limit: u32,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Claimed>, StoreError> {
    let mut receipts = Receipts::default();
    let (mut all, mut unusable, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    let until = instant(until);
    for row in claimable(tx, target, limit, now)? {
        match claimed(tx, target, &row, &mut receipts) {
            Ok(mut claimed) => {
                let code = tx.code_after(&OUTBOX, &claimed.attested, &row.leased(&until))?;
                tx.updated(&OUTBOX, &claimed.attested, &code);
                claimed.attested.code.clone_from(&code);
                codes.push(code);
                all.push(claimed);
            }
            Err(error) if error.is_of_one_row() => unusable.push((row, error)),
            Err(error) => return Err(error),
        }
    }
    park_unusable(tx, &unusable, now)?;
    note_particulars(tx, &mut all)?;
    let keys: Vec<&str> = all.iter().map(|claimed| claimed.key.as_str()).collect();
    let sets: Vec<_> = keys.iter().zip(&codes).map(|(key, code)| values![*key, until, *code].to_vec()).collect();
    tx.run_each(LEASE, &sets)?;
    Ok(all)
}

/// What the CRM knows of customers, of the contracts that have a deal.
const PARTICULARS: Sql = Sql {
    postgres: particulars!("SELECT json_array_elements_text(CAST(CAST($1 AS TEXT) AS json))"),
    sqlite: particulars!("SELECT value FROM json_each($1)"),
};

/// Adds what the CRM knows of the customer to what needs it. A part that is not attested says nothing.
fn note_particulars(tx: &Session<'_>, claimed: &mut [Claimed]) -> Result<(), StoreError> {
    let contracts: BTreeSet<&str> = claimed
        .iter()
        .filter(|claimed| needs_customer(&claimed.command))
        .map(|claimed| claimed.contract.as_str())
        .collect();
    if contracts.is_empty() {
        return Ok(());
    }
    let mut known: BTreeMap<String, Vec<Deal>> = BTreeMap::new();
    tx.each(PARTICULARS, values![json(&contracts)?], |row| {
        if tx.examine(&LEG_PART, row, 0)?.genuine {
            let (contract, part): (String, String) = (row.get(4)?, row.get(7)?);
            let deal: Deal = parse("leg_part", "part", &contract, &part)?;
            known.entry(contract).or_default().push(deal);
        }
        Ok(())
    })?;
    for lease in claimed {
        let name = match &lease.command {
            Command::Customer { name, .. } => Some(name.as_str()),
            command => command.customer(),
        };
        // A deal of somebody else says nothing of this customer.
        let of_it = |deal: &&Deal| deal.record.customer.is_none() || deal.record.customer.as_deref() == name;
        let deals = known.get(&lease.contract).map(Vec::as_slice).unwrap_or_default();
        let told = deals.iter().filter(of_it).find(|deal| !deal.particulars.is_empty());
        lease.after.particulars = told.map(|deal| deal.particulars.clone()).unwrap_or_default();
    }
    Ok(())
}

fn needs_customer(command: &Command) -> bool {
    !matches!(command, Command::BillingStatus(_))
}

/// A delivery that may be taken.
struct Claimable {
    key: String,
    contract: String,
    command: String,
    after: String,
    attempts: i64,
    state: DeliveryState,
    due_at: String,
    settled_at: Option<String>,
    confirmed_at: Option<String>,
    receipt: Option<String>,
    fault: Option<String>,
    remedy: Option<String>,
    by_hand: bool,
    examined: Examined,
}

impl Claimable {
    /// How its row stands once it is leased.
    fn leased<'a>(&'a self, until: &'a str) -> [Cell<'a>; 10] {
        cells![
            DeliveryState::Sending.name(),
            self.attempts.saturating_add(1),
            &self.due_at,
            until,
            &self.settled_at,
            &self.confirmed_at,
            &self.receipt,
            &self.fault,
            &self.remedy,
            self.by_hand
        ]
    }
}

fn claimable(tx: &Session<'_>, target: &str, limit: u32, now: Timestamp) -> Result<Vec<Claimable>, StoreError> {
    tx.all(CLAIMABLE, values![target, instant(now), i64::from(limit)], |row| {
        Ok(Claimable {
            examined: tx.examine(&OUTBOX, row, 0)?,
            key: row.get(1)?,
            contract: row.get(2)?,
            command: row.get(6)?,
            after: row.get(8)?,
            state: row.parsed(10, "outbox.state")?,
            attempts: row.get(11)?,
            due_at: row.get(12)?,
            settled_at: row.get(14)?,
            confirmed_at: row.get(15)?,
            receipt: row.get(16)?,
            fault: row.get(17)?,
            remedy: row.get(18)?,
            by_hand: row.cell(19)? == Cell::Number(1),
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
        CommandKind::AcceptanceRecord
        | CommandKind::BillingStatus
        | CommandKind::InvoiceEmail
        | CommandKind::JournalEntry => {}
    }
}

fn claimed(tx: &Session<'_>, target: &str, row: &Claimable, known: &mut Receipts) -> Result<Claimed, StoreError> {
    if !row.examined.genuine {
        return Err(StoreError::Unattested { table: "outbox", row: row.key.clone() });
    }
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
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        attested: row.examined.attested.clone(),
        look_first: row.state == DeliveryState::Unknown,
    })
}

fn receipt(tx: &Session<'_>, key: DeliveryKey, known: &mut Receipts) -> Result<(CommandKind, Receipt), StoreError> {
    if let Some(receipt) = known.get(&key) {
        return Ok(receipt.clone());
    }
    let row = tx.one(OUTBOX.one, values![key.as_str()], |row| {
        if !tx.examine(&OUTBOX, row, 0)?.genuine {
            return Err(StoreError::Unattested { table: "outbox", row: key.to_string() });
        }
        let text = row.get::<Option<String>>(16)?.unwrap_or_default();
        Ok((row.parsed(4, "outbox.kind")?, parse("outbox", "receipt", key.as_str(), &text)?))
    })?;
    let receipt: (CommandKind, Receipt) =
        row.ok_or_else(|| StoreError::Unreadable { column: "outbox.after", text: key.to_string() })?;
    known.insert(key, receipt.clone());
    Ok(receipt)
}

/// A row that cannot be read, or is not attested, is for a person, who is told which; the others go on. What it was to write
/// is not known, so that nothing is written for it. The code of one that is not attested stays as it is: nobody attests it by
/// parking it.
fn park_unusable(tx: &Session<'_>, rows: &[(Claimable, StoreError)], now: Timestamp) -> Result<(), StoreError> {
    for (row, error) in rows {
        let forged = !row.examined.genuine;
        let (fault, remedy) = if forged {
            (UNATTESTED.to_owned(), UNATTESTED_REMEDY)
        } else {
            (
                error.whole(),
                "Restore the row from a backup, or see in the remote whether it was written, and give it up.",
            )
        };
        let values = values![row.key, fault, remedy, instant(now)];
        let subject = if forged {
            tx.one(PARK, values, |row| row.get::<String>(0))?
        } else {
            tx.change(&OUTBOX, values![row.key], || tx.one(PARK, values, |row| row.get::<String>(0)))?
        };
        let action = if forged { Action::DeliveryRefused } else { Action::DeliveryParked };
        let detail = format!("key {}: {fault}", row.key);
        audit::append(tx, now, &[Entry::own(action, Some(&row.contract), subject.unwrap_or_default(), detail)])?;
    }
    Ok(())
}

const PARK: &str = "UPDATE outbox SET state = 'parked', fault = $2, remedy = $3, settled_at = $4 WHERE key = $1
    RETURNING subject";
