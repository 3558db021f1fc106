//! What pages look at: the queue and every contract in a line, kept in memory as they stood at a revision of the store.
//! Before each look it is asked which contracts were decided about since, and only these are read again.
//!
//! It shows nothing that the store does not say: what was decided is compared by the contracts' revisions, what people did by
//! the audit trail, and what did not come in or go out is read each time. Only what has to be searched for in all that was ever
//! written down (writes that were never shown, contracts that nobody has filed) is up to `SEARCHED_AGAIN` old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use milestoned_mapping::contract::{Contract, Deadline, IssuedDocument, Receivable};
use milestoned_mapping::money::{Minor, Money};
use tokio::sync::Mutex;

use super::item::Item;
use super::measures::Measures;
use super::portfolio::{self, Summary};
use super::queue::{self, Filter};
use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::contracts::ContractRow;
use crate::store::intake::StreamHealth;
use crate::store::review::Undelivered;

/// How old what has to be searched for may be.
const SEARCHED_AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// Changed contracts up to which each is read by itself; above, everything that was decided is read at once.
const ONE_BY_ONE: usize = 64;
/// Contracts whose states are read at once: a state takes kilobytes.
const AT_ONCE: usize = 256;
/// Months after the present one for which it is said what will be billed.
const MONTHS_AHEAD: i64 = 6;

/// One contract, as lists and figures need it.
#[derive(Debug, Clone)]
pub struct Line {
    /// In a line.
    pub summary: Summary,
    /// Its invoices of which something is open.
    pub open: Vec<Receivable>,
    /// Documents that time alone will write in this month and the six after it.
    pub to_come: Vec<IssuedDocument>,
    /// Milestones that silence will accept.
    pub deadlines: Vec<Deadline>,
    /// By first of month: what was billed, recognised and collected in it, and what was deferred at its end.
    pub months: Box<[Month]>,
    /// What reports are made of.
    pub measures: Measures,
    /// What was recognised and is not billed.
    pub unbilled: Money,
    /// Billed and not recognised.
    pub deferred: Money,
}

/// What a contract did in a month.
#[derive(Debug, Clone, Copy)]
pub struct Month {
    /// Its first day.
    pub first: Date,
    /// Invoices less credit memos, in minor units.
    pub billed: i64,
    /// Revenue.
    pub recognised: i64,
    /// Payments.
    pub collected: i64,
    /// Deferred revenue at its end.
    pub deferred: i64,
}

/// What pages look at.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Everything that waits for a person, in the order of the queue.
    pub items: Vec<Arc<Item>>,
    /// Contracts by id.
    pub contracts: BTreeMap<String, Arc<Line>>,
    /// Health of every stream.
    pub streams: Vec<StreamHealth>,
    /// The newest line of the audit trail that it knows.
    pub audit: i64,
    /// What was decided and waits, in the order of the queue.
    decided: Vec<Arc<Item>>,
    /// How often each contract was decided about, by id.
    revisions: Vec<(String, i64)>,
    /// How many contracts there were, and how often they were decided about in all.
    decided_so_far: (i64, i64),
    searched: Vec<Item>,
    searched_at: Option<Timestamp>,
    /// The month for which it was said what will be billed.
    month: Option<Date>,
}

impl Snapshot {
    /// Items about one contract, its customer or its ERP.
    pub fn items_of(&self, id: &str) -> Vec<Arc<Item>> {
        let line = self.contracts.get(id);
        let concerns = |item: &&Arc<Item>| match &item.subject {
            super::subject::Subject::Pause { scope, name } => match scope.name() {
                "contract" => name == id,
                "customer" => line.is_some_and(|line| *name == line.summary.customer),
                _ => line.is_some_and(|line| *name == line.summary.erp),
            },
            _ => item.contract.as_deref() == Some(id),
        };
        self.items.iter().filter(concerns).cloned().collect()
    }
}

/// Keeps the snapshot that was taken last.
#[derive(Default)]
pub struct Snapshots(Mutex<Arc<Snapshot>>);

impl Snapshots {
    /// The queue and the contracts as they stand now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn now(&self, env: &Environment) -> Result<Arc<Snapshot>, StoreError> {
        let mut latest = self.0.lock().await;
        // Taken out, it is nobody else's but of those who still look at it: they keep theirs.
        let mut next = std::mem::take(&mut *latest);
        let followed = Arc::make_mut(&mut next).follow(env).await;
        latest.clone_from(&next);
        followed.map(|()| next)
    }

    /// Has what is searched for searched for again: somebody has just done something about it.
    pub async fn search_again(&self) {
        Arc::make_mut(&mut *self.0.lock().await).searched_at = None;
    }
}

/// The date of an instant, where no contract says in which time zone.
pub fn utc_date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

impl Snapshot {
    /// Takes in what has changed since.
    async fn follow(&mut self, env: &Environment) -> Result<(), StoreError> {
        let now = env.clock.now();
        let month = utc_date(now).first_of_month();
        let (named, audit) = env.store.named_after(self.audit).await?;
        let decided = env.store.decided_so_far().await?;
        let fresh = if self.decided_so_far == decided { None } else { Some(env.store.revisions().await?) };
        let changed = self.changed(fresh.as_deref(), named, self.month != Some(month));
        let filed = self.decided_so_far.0 != decided.0;
        if !changed.is_empty() {
            self.read_contracts(env, &changed, month).await?;
            self.read_decided(env, &changed).await?;
        }
        let old = self.searched_at.and_then(|at| at.checked_add(SEARCHED_AGAIN).ok()).is_none_or(|again| again <= now);
        if old || filed {
            self.searched = queue::searched_for(env, &Filter::default()).await?;
            self.searched_at = Some(now);
        }
        let mut others = queue::outside(env, &Filter::default()).await?;
        others.extend(self.searched.iter().cloned());
        queue::name(env, &mut others).await?;
        others.sort_by(queue::order);
        self.items = merged(&self.decided, others.into_iter().map(Arc::new).collect());
        self.streams = env.store.streams().await?;
        (self.audit, self.month, self.decided_so_far) = (audit, Some(month), decided);
        if let Some(fresh) = fresh {
            self.revisions = fresh;
        }
        Ok(())
    }

    /// Contracts to read again: those that were decided about since and those that the audit trail names, or all. `fresh`: the
    /// revisions, where something was decided since.
    fn changed(&self, fresh: Option<&[(String, i64)]>, named: Vec<String>, all: bool) -> BTreeSet<String> {
        let revisions = fresh.unwrap_or(&self.revisions);
        if all {
            return revisions.iter().map(|(id, _)| id.clone()).collect();
        }
        let mut changed = fresh.map(|fresh| self.decided_about_since(fresh)).unwrap_or_default();
        let known = |id: &String| revisions.binary_search_by(|(known, _)| known.cmp(id)).is_ok();
        changed.extend(named.into_iter().filter(known));
        changed
    }

    /// Reads what was decided about contracts and waits for a person.
    async fn read_decided(&mut self, env: &Environment, changed: &BTreeSet<String>) -> Result<(), StoreError> {
        let mut items = Vec::new();
        if changed.len() <= ONE_BY_ONE {
            for id in changed {
                items.extend(queue::decided(env, &Filter::of_contract(id)).await?);
            }
        } else {
            items = queue::decided(env, &Filter::default()).await?;
        }
        items.retain(|item| item.contract.as_ref().is_some_and(|id| changed.contains(id)));
        queue::name(env, &mut items).await?;
        items.sort_by(queue::order);
        self.decided.retain(|item| item.contract.as_ref().is_none_or(|id| !changed.contains(id)));
        self.decided = merged(&self.decided, items.into_iter().map(Arc::new).collect());
        Ok(())
    }

    /// Contracts whose revision is another than was known. Both lists are in the order of ids.
    fn decided_about_since(&self, revisions: &[(String, i64)]) -> BTreeSet<String> {
        let mut known = self.revisions.iter().peekable();
        let is_new = |(id, at): &&(String, i64)| {
            while known.next_if(|(other, _)| other < id).is_some() {}
            known.peek().is_none_or(|(other, then)| other != id || then != at)
        };
        revisions.iter().filter(is_new).map(|(id, _)| id.clone()).collect()
    }

    /// Reads contracts in a line.
    async fn read_contracts(
        &mut self,
        env: &Environment,
        changed: &BTreeSet<String>,
        month: Date,
    ) -> Result<(), StoreError> {
        let drifts = env.store.drifts().await?;
        let missing = by_contract(env.store.undelivered(None).await?);
        let until = month.saturating_add((MONTHS_AHEAD + 1).months()).yesterday().unwrap_or(month);
        let ids: Vec<&String> = changed.iter().collect();
        for ids in ids.chunks(AT_ONCE) {
            let rows = env.store.contracts_of(ids.iter().map(|id| (*id).clone()).collect()).await?;
            for row in rows {
                let drifts = drifts.get(&row.id).copied().unwrap_or_default();
                let missing = missing.get(&row.id).map(Vec::as_slice).unwrap_or_default();
                // What cannot be read is told by `milestoned doctor`; it holds up no page.
                match line(&row, drifts, missing, until) {
                    Ok(line) => drop(self.contracts.insert(row.id, Arc::new(line))),
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, contract = row.id, "unreadable")
                    }
                }
            }
        }
        Ok(())
    }
}

/// Two lists in the order of the queue as one.
fn merged(a: &[Arc<Item>], b: Vec<Arc<Item>>) -> Vec<Arc<Item>> {
    let mut all = Vec::with_capacity(a.len().saturating_add(b.len()));
    let mut a = a.iter().peekable();
    for item in b {
        while let Some(before) = a.next_if(|earlier| queue::order(earlier, &item).is_le()) {
            all.push(Arc::clone(before));
        }
        all.push(item);
    }
    all.extend(a.cloned());
    all
}

fn by_contract(missing: Vec<Undelivered>) -> BTreeMap<String, Vec<Undelivered>> {
    let mut sorted: BTreeMap<String, Vec<Undelivered>> = BTreeMap::new();
    for undelivered in missing {
        sorted.entry(undelivered.contract.clone()).or_default().push(undelivered);
    }
    sorted
}

fn line(row: &ContractRow, drifts: usize, missing: &[Undelivered], until: Date) -> Result<Line, StoreError> {
    let contract: Contract = portfolio::state(row)?;
    let outlook = contract.outlook(until);
    let position = contract.position();
    let mut open = contract.receivables();
    let months = months(&contract, &open);
    open.retain(|invoice| invoice.open.units() > Minor::ZERO);
    open.shrink_to_fit();
    Ok(Line {
        summary: portfolio::summary(row, &contract, drifts, missing)?,
        open,
        to_come: outlook.documents,
        deadlines: outlook.deadlines,
        months,
        measures: Measures::of(&contract),
        unbilled: contract
            .terms()
            .currency()
            .money(position.unbilled_receivable.units() + position.contract_asset.units()),
        deferred: position.deferred_revenue,
    })
}

/// What a contract did month by month. What was deferred at the end of a month in which it did nothing but was paid is what was
/// deferred before.
fn months(contract: &Contract, invoices: &[Receivable]) -> Box<[Month]> {
    let mut months: BTreeMap<Date, Month> = BTreeMap::new();
    for month in contract.disclosures().roll_forward {
        let (billed, recognised) = (month.billed.minor(), month.recognised.minor());
        let (first, deferred) = (month.month, month.closing.minor());
        months.insert(first, Month { first, billed, recognised, collected: 0, deferred });
    }
    let payments = invoices.iter().flat_map(|invoice| &invoice.payments);
    for payment in payments.filter(|payment| payment.reversed_on.is_none()) {
        let first = payment.on.first_of_month();
        let deferred = months.range(..=first).next_back().map_or(0, |(_, month)| month.deferred);
        let month = Month { first, billed: 0, recognised: 0, collected: 0, deferred };
        let month = months.entry(first).or_insert(month);
        month.collected = month.collected.saturating_add(payment.amount.minor());
    }
    months.into_values().collect()
}
