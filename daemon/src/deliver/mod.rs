//! Delivery: claim, look up, write, settle. The claim is stored before the remote is called, the outcome after it.

pub mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::StreamExt;
use jiff::Timestamp;
use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Write};
use milestoned_mapping::command::Command;
use milestoned_mapping::contract::Contract;
use milestoned_mapping::statement::Statement;
use milestoned_mapping::warrant::Warrant;

use crate::agreements::Addressee;
use crate::deliver::policy::Next;
use crate::failpoint;
use crate::registry::Connection;
use crate::settings::Delivery;
use crate::store::contracts::Warranted;
use crate::store::outbox::{Claimed, Outcome};
use crate::store::{Store, StoreError, parse};

/// Delivers to one connection what is due, oldest first, what shares a lane in one call. Returns how many attempts were
/// made.
///
/// # Errors
/// The store failed; what was claimed is looked up after its lease.
pub async fn turn(
    store: &Store,
    target: &str,
    connection: &Connection,
    settings: &Delivery,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let claimed = store.claim(target.to_owned(), settings.claim, settings.lease, now).await?;
    let taken = claimed.len();
    let warranted = warranted(store, claimed, now).await?;
    send(store, target, connection, settings, warranted, now).await?;
    Ok(taken)
}

/// Derives each command again from what its contract has decided, and parks what does not follow from it: what waited in the
/// database since may be somebody else's.
async fn warranted(store: &Store, claimed: Vec<Claimed>, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
    let mut contracts: BTreeMap<String, Result<Option<Decided>, String>> = BTreeMap::new();
    let (mut follow, mut parked) = (Vec::with_capacity(claimed.len()), Vec::new());
    for claimed in claimed {
        if !contracts.contains_key(&claimed.contract) {
            contracts.insert(claimed.contract.clone(), decided(store, &claimed.contract).await?);
        }
        let reason = match contracts.get(&claimed.contract) {
            Some(Ok(Some(decided))) => decided.flaw(&claimed),
            Some(Err(reason)) => Some(reason.clone()),
            Some(Ok(None)) | None => None,
        };
        // A status that another one follows was true when it was claimed.
        let outdated = matches!(claimed.command, Command::BillingStatus(_)) && reason.is_some();
        match reason {
            Some(_) if outdated && store.is_outdated(claimed.key.to_string()).await? => follow.push(claimed),
            None => follow.push(claimed),
            Some(reason) => {
                tracing::error!(key = %claimed.key, reason, "a delivery does not follow from its contract, and is not sent");
                let fault = format!("forged, or decided by mistake: it does not follow from its contract: {reason}");
                let remedy = "See `milestoned audit verify`, and who can write the database; then give it up.".into();
                parked.push((claimed, Outcome::Parked { fault, remedy }));
            }
        }
    }
    if !parked.is_empty() {
        store.settle(parked, now).await?;
    }
    Ok(follow)
}

/// What a contract has decided, with what stands beside it.
struct Decided {
    contract: Contract,
    erp: String,
    beside: Warranted,
}

impl Decided {
    fn flaw(&self, claimed: &Claimed) -> Option<String> {
        let Warranted { entries, former_customers, .. } = &self.beside;
        let warrant = Warrant { contract: &self.contract, erp: &self.erp, entries, former_customers };
        warrant.flaw(&claimed.key, &claimed.target, &claimed.command)
    }
}

/// What a contract has decided. `None`: it is set aside, and only the row itself says what was decided; an error: why nothing
/// follows from it.
async fn decided(store: &Store, id: &str) -> Result<Result<Option<Decided>, String>, StoreError> {
    let read = match store.warrant(id.to_owned()).await {
        Ok(Some(beside)) => read(beside).map(Some),
        Ok(None) => return Ok(Err(format!("contract {id} is not known"))),
        Err(StoreError::SetAside(_)) => return Ok(Ok(None)),
        Err(error) => Err(error),
    };
    match read {
        Err(error) if error.is_of_one_row() => Ok(Err(error.to_string())),
        read => read.map(Ok),
    }
}

fn read(beside: Warranted) -> Result<Decided, StoreError> {
    let row = &beside.row;
    let contract = parse("contract", "state", &row.id, &row.state)?;
    let Addressee { erp, .. } = parse("contract", "agreement", &row.id, &row.agreement)?;
    Ok(Decided { contract, erp, beside })
}

/// Sends what is claimed, what shares a lane in one call. Returns how many attempts were made.
///
/// # Errors
/// The store failed; what was claimed is looked up after its lease.
pub async fn send(
    store: &Store,
    target: &str,
    connection: &Connection,
    settings: &Delivery,
    claimed: Vec<Claimed>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let count = claimed.len();
    let settings = &Delivery { look_after: settings.look_after.max(connection.commits_within()), ..settings.clone() };
    if count > 0 {
        failpoint::pass("claimed");
    }
    let attempts = batches(connection, claimed).into_iter().map(|batch| async move {
        let outcomes = attempt(connection, &batch, settings, now).await;
        for (claimed, outcome) in batch.iter().zip(&outcomes) {
            match outcome {
                Outcome::Parked { fault, .. } | Outcome::Undecided { fault, .. } => {
                    tracing::warn!(target, key = %claimed.key, fault, "delivery parked")
                }
                Outcome::Done { receipt, adopted } => {
                    tracing::info!(target, key = %claimed.key, remote_id = receipt.remote_id, adopted, "written");
                }
                Outcome::Again { .. } | Outcome::LookAt { .. } => {}
            }
        }
        let settled = store.settle(batch.into_iter().zip(outcomes).collect(), now).await;
        failpoint::pass("settled");
        settled
    });
    let outcomes: Vec<_> = futures_util::stream::iter(attempts)
        .buffer_unordered(usize::try_from(settings.at_once.max(1)).unwrap_or(1))
        .collect()
        .await;
    outcomes.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(count)
}

/// Deliveries that were leased when they were decided, until a loop sends them.
#[derive(Default)]
pub struct Leased(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// With the end of their lease, by connection.
    claimed: BTreeMap<String, Vec<(Timestamp, Claimed)>>,
    /// Connections for which other deliveries wait, maybe for these.
    awaited: BTreeSet<String>,
}

impl Leased {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more there may be for a connection, of so many at most.
    pub fn room(&self, target: &str, most: u32) -> u32 {
        let waiting = self.waiting().claimed.get(target).map_or(0, Vec::len);
        most.saturating_sub(u32::try_from(waiting).unwrap_or(u32::MAX))
    }

    /// Leaves deliveries whose leases last until an instant; for the connections in `awaited` others wait.
    pub fn put(&self, claimed: Vec<Claimed>, until: Timestamp, awaited: &BTreeSet<String>) {
        let mut waiting = self.waiting();
        for delivery in claimed {
            waiting.claimed.entry(delivery.target.clone()).or_default().push((until, delivery));
        }
        waiting.awaited.extend(awaited.iter().cloned());
    }

    /// Takes what is there for a connection. What has waited for as long as its lease lasts counts as interrupted: the
    /// claim finds it.
    pub fn take(&self, target: &str, now: Timestamp) -> Vec<Claimed> {
        let waiting = self.waiting().claimed.remove(target).unwrap_or_default();
        waiting.into_iter().filter(|(until, _)| *until > now).map(|(_, claimed)| claimed).collect()
    }

    /// Whether other deliveries waited for these.
    pub fn were_awaited(&self, target: &str) -> bool {
        self.waiting().awaited.remove(target)
    }
}

/// Deliveries by lane, in their order, no batch larger than its lane takes.
fn batches(connection: &Connection, claimed: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let mut batches: Vec<(Lane, Vec<Claimed>)> = Vec::new();
    for claimed in claimed {
        let lane = connection.lane(&claimed.command);
        let open = batches.iter_mut().rev().find(|(of, _)| of.name == lane.name);
        match open {
            Some((_, batch)) if batch.len() < lane.most => batch.push(claimed),
            _ => batches.push((lane, vec![claimed])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// One attempt at each of a batch. Where an earlier one may have written, the remote is asked, and what it has is
/// verified; the rest is written.
async fn attempt(connection: &Connection, batch: &[Claimed], settings: &Delivery, now: Timestamp) -> Vec<Outcome> {
    let write = |index: usize| -> Option<Write<'_>> {
        let claimed = batch.get(index)?;
        Some(Write { key: &claimed.key, command: &claimed.command, after: &claimed.after })
    };
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let asked: Vec<usize> =
        batch.iter().enumerate().filter(|(_, claimed)| asks_first(claimed)).map(|(index, _)| index).collect();
    if !asked.is_empty() {
        let writes: Vec<Write<'_>> = asked.iter().filter_map(|&index| write(index)).collect();
        let found = connection.find(&writes).await;
        failpoint::pass("looked_up");
        for (place, &index) in asked.iter().enumerate() {
            let Some(claimed) = batch.get(index) else { continue };
            match &found {
                Ok(found) => {
                    if let Some(found) = found.get(place).cloned().flatten() {
                        outcomes.insert(index, adopt(&claimed.command, found));
                    }
                }
                Err(fault) => {
                    outcomes.insert(index, look_again(claimed, fault, settings, now));
                }
            }
        }
    }
    let open: Vec<usize> = (0..batch.len()).filter(|index| !outcomes.contains_key(index)).collect();
    if !open.is_empty() {
        let writes: Vec<Write<'_>> = open.iter().filter_map(|&index| write(index)).collect();
        let mut answers = connection.put(&writes).await.into_iter();
        failpoint::pass("written");
        if writes.iter().any(|write| matches!(write.command, Command::Customer { .. })) {
            failpoint::pass("customer_created");
        }
        for &index in &open {
            let Some(claimed) = batch.get(index) else { continue };
            let outcome = match answers.next() {
                Some(Ok(receipt)) => Outcome::Done { receipt, adopted: false },
                Some(Err(fault)) => consequence(claimed, &fault, settings, now),
                None => consequence(claimed, &unsaid(&claimed.target), settings, now),
            };
            outcomes.insert(index, outcome);
        }
    }
    outcomes.into_values().collect()
}

/// A write of a batch about which nothing was said may have happened.
fn unsaid(target: &str) -> Fault {
    let detail = "the answer to a batch says nothing of this write".into();
    Fault { system: target.into(), class: Class::Unanswered, detail, code: None, request_id: None }
}

/// A customer is always looked up before one is created, whether an invoice was mailed before it is mailed, and what is attached to
/// it before something is attached; a status or an order is a state and may be written twice; anything else is
/// looked up where an earlier attempt may have written it.
fn asks_first(claimed: &Claimed) -> bool {
    match claimed.command {
        Command::AcceptanceRecord(_) | Command::Customer { .. } | Command::InvoiceEmail(_) => true,
        Command::BillingStatus(_) | Command::SalesOrder(_) => false,
        Command::CreditMemo(_) | Command::Invoice(_) | Command::JournalEntry(_) => claimed.look_first,
    }
}

/// What follows from a failed write.
fn consequence(claimed: &Claimed, fault: &Fault, settings: &Delivery, now: Timestamp) -> Outcome {
    let said = fault.to_string();
    match policy::after(&fault.class, claimed.attempts.saturating_add(1), &claimed.key, settings, now) {
        Next::Again(at) => Outcome::Again { at, fault: said },
        Next::LookFirst(at) => Outcome::LookAt { at, fault: said },
        Next::Park(remedy) => match &fault.class {
            Class::Alike(known) => Outcome::Undecided { fault: said, remedy: remedy.into(), alike: known.to_vec() },
            _ => Outcome::Parked { fault: said, remedy: remedy.into() },
        },
    }
}

/// What follows from a failed look-up: the doubt stays, whatever the fault.
fn look_again(claimed: &Claimed, fault: &Fault, settings: &Delivery, now: Timestamp) -> Outcome {
    match consequence(claimed, fault, settings, now) {
        Outcome::Again { at, fault } => Outcome::LookAt { at, fault },
        other => other,
    }
}

/// Adopts what an earlier attempt wrote, if it is what should have been written.
fn adopt(command: &Command, found: Found) -> Outcome {
    let differences = found.says.differences(&Statement::of_command(command));
    if differences.is_empty() {
        return Outcome::Done { receipt: found.receipt, adopted: true };
    }
    let Receipt { remote_id, .. } = found.receipt;
    Outcome::Parked {
        fault: format!("the remote has record {remote_id} under this key, and it differs: {}", differences.join("; ")),
        remedy: "Compare the remote's record with the agreement; correct it there, or give it another number (one that is void keeps \
                 its own), then release the delivery or give it up."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use milestoned_mapping::command::Document;
    use milestoned_mapping::money::Currency;

    fn invoice() -> Command {
        let usd: Currency = "USD".parse().unwrap();
        Command::Invoice(Document {
            number: "SOW-1-M1".into(),
            contract: "SOW-1".into(),
            milestone: "M1".into(),
            customer: "Northwind Ltd".into(),
            date: "2026-03-02".parse().unwrap(),
            due_on: "2026-04-01".parse().unwrap(),
            amount: usd.parse("40000.00").unwrap(),
            description: "Design".into(),
            po_number: None,
            payment_terms: "net 30".into(),
            acceptance: None,
            original: None,
            order: None,
            obligation: None,
        })
    }

    #[test]
    fn what_is_found_is_adopted_only_if_it_says_the_same() {
        let receipt = Receipt { remote_id: "7".into(), remote_number: None, request_id: None, unposted: false };
        let says = Statement::of_command(&invoice());
        let found = |says: Statement| Found { receipt: receipt.clone(), says };
        assert!(matches!(adopt(&invoice(), found(says.clone())), Outcome::Done { adopted: true, .. }));
        let other = Statement { amount: Some("4000.00".parse().unwrap()), ..says };
        let Outcome::Parked { fault, .. } = adopt(&invoice(), found(other)) else {
            panic!("a wrong amount was adopted")
        };
        assert!(fault.contains("amount is 4000, not 40000"), "{fault}");
    }
}
