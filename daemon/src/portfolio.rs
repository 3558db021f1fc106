//! What people and programs see of contracts: one set of views for command line, API, pages and demo.

use milestoned_mapping::contract::Contract;
use milestoned_mapping::drift::Kind;
use milestoned_mapping::rules;
use serde::Serialize;
use serde_json::Value;

use crate::agreements::Agreement;
use crate::engine;
use crate::environment::Environment;
use crate::store::contracts::ContractRow;
use crate::store::outbox::{Delivery, describe};
use crate::store::views::{DocumentView, ExceptionView};
use crate::store::vocabulary::{CommandKind, DeliveryState};
use crate::store::{StoreError, parse};

/// Contracts of a page; a state takes kilobytes, and nobody reads more lines.
pub const AT_ONCE: usize = 500;

/// One contract in a line.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Contract id.
    pub contract: String,
    /// Customer.
    pub customer: String,
    /// ERP connection.
    pub erp: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Transaction price.
    pub total: String,
    /// Invoices less credit memos.
    pub billed: String,
    /// Total less billed.
    pub remaining: String,
    /// Recognised revenue.
    pub recognised: String,
    /// Deferred revenue.
    pub deferred: String,
    /// Open exceptions that hold something back.
    pub blocking: usize,
    /// Open exceptions that only tell, and drifts.
    pub warnings: usize,
}

/// One contract in full.
#[derive(Debug, Clone, Serialize)]
pub struct ContractView {
    /// Summary line.
    pub summary: Summary,
    /// The report of section 9 of the rules.
    pub report: Value,
    /// Milestones with dates and what holds them.
    pub milestones: Value,
    /// Documents with deliveries.
    pub documents: Vec<DocumentView>,
    /// Exceptions with remedies, closed ones too.
    pub exceptions: Vec<Remedied>,
    /// Deliveries.
    pub deliveries: Vec<Delivery>,
}

/// An exception with what to do about it.
#[derive(Debug, Clone, Serialize)]
pub struct Remedied {
    /// The exception.
    #[serde(flatten)]
    pub exception: ExceptionView,
    /// What the code means.
    pub title: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// A write that would be made.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedWrite {
    /// Contract.
    pub contract: String,
    /// Connection.
    pub target: String,
    /// Kind.
    pub kind: CommandKind,
    /// Number or record.
    pub subject: String,
    /// Amount and currency, where there is one.
    pub amount: Option<String>,
    /// Idempotency key.
    pub key: String,
    /// `pending`, `unknown` (the remote is asked first) or `new` (not decided yet).
    pub state: String,
}

/// The core's state of a stored contract.
///
/// # Errors
/// The row cannot be read.
pub fn state(row: &ContractRow) -> Result<Contract, StoreError> {
    parse("contract", "state", &row.id, &row.state)
}

/// Every contract in a line.
///
/// # Errors
/// The store failed.
pub async fn summaries(env: &Environment) -> Result<Vec<Summary>, StoreError> {
    let mut all: Vec<Summary> = Vec::new();
    loop {
        let after = all.last().map(|last| last.contract.clone()).unwrap_or_default();
        let some = summaries_after(env, after, AT_ONCE).await?;
        let more = some.len() == AT_ONCE;
        all.extend(some);
        if !more {
            return Ok(all);
        }
    }
}

/// Contracts after this id in a line each, at most so many.
///
/// # Errors
/// The store failed.
pub async fn summaries_after(env: &Environment, after: String, limit: usize) -> Result<Vec<Summary>, StoreError> {
    let drifts = env.store.drifts().await?;
    let drifts = |id: &str| drifts.get(id).copied().unwrap_or_default();
    env.store.contracts_after(after, limit).await?.iter().map(|row| summary(row, drifts(&row.id))).collect()
}

fn summary(row: &ContractRow, drifts: usize) -> Result<Summary, StoreError> {
    let agreement: Agreement = parse("contract", "agreement", &row.id, &row.agreement)?;
    let contract = state(row)?;
    let position = contract.position();
    let open = |severity: &str| {
        contract
            .exceptions()
            .iter()
            .filter(|one| one.closed_on.is_none() && one.severity.to_string() == severity)
            .count()
    };
    Ok(Summary {
        contract: row.id.clone(),
        customer: contract.terms().customer().into(),
        erp: agreement.erp,
        currency: contract.terms().currency().to_string(),
        total: contract.total().to_string(),
        billed: position.billed.to_string(),
        remaining: contract.remaining_to_bill().to_string(),
        recognised: position.recognised.to_string(),
        deferred: position.deferred_revenue.to_string(),
        blocking: open("blocking"),
        warnings: open("warning").saturating_add(drifts),
    })
}

/// One contract in full; `None`: not known.
///
/// # Errors
/// The store failed.
pub async fn contract(env: &Environment, id: &str) -> Result<Option<ContractView>, StoreError> {
    let Some(row) = env.store.contract(id.to_owned()).await? else { return Ok(None) };
    let contract = state(&row)?;
    let json = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
    Ok(Some(ContractView {
        summary: summary(&row, env.store.drifts().await?.get(id).copied().unwrap_or_default())?,
        report: json(serde_json::to_value(contract.report())),
        milestones: json(serde_json::to_value(contract.milestones())),
        documents: env.store.documents(Some(id.to_owned())).await?,
        exceptions: with_remedies(env.store.exceptions(Some(id.to_owned()), false).await?),
        deliveries: env.store.deliveries(Some(id.to_owned()), &[]).await?,
    }))
}

/// What a code of the rules, or of a drift, means, and what to do.
pub fn meaning(code: &str) -> (&'static str, &'static str) {
    let rule = rules::find(code).map(|rule| (rule.title, rule.remedy));
    rule.or_else(|| Kind::named(code).map(|kind| (kind.title(), kind.remedy()))).unwrap_or_default()
}

/// Exceptions with what to do about them.
pub fn with_remedies(rows: Vec<ExceptionView>) -> Vec<Remedied> {
    rows.into_iter()
        .map(|exception| {
            let (title, remedy) = meaning(&exception.code);
            Remedied { title, remedy, exception }
        })
        .collect()
}

/// Every write that would be made now: what waits in the outbox, and what a decision would add.
///
/// # Errors
/// The store failed.
pub async fn plan(env: &Environment) -> Result<Vec<PlannedWrite>, StoreError> {
    let mut writes: Vec<PlannedWrite> = env
        .store
        .deliveries(None, &[DeliveryState::Pending, DeliveryState::Unknown, DeliveryState::Sending])
        .await?
        .into_iter()
        .map(|delivery| PlannedWrite {
            amount: delivery.command.as_ref().and_then(amount),
            contract: delivery.contract,
            target: delivery.target,
            kind: delivery.kind,
            subject: delivery.subject,
            key: delivery.key,
            state: delivery.state.to_string(),
        })
        .collect();
    for landing in engine::preview(env).await? {
        for posting in landing.postings {
            let (kind, subject) = describe(&posting.command);
            let key = posting.key.to_string();
            if writes.iter().any(|write| write.key == key) {
                continue;
            }
            writes.push(PlannedWrite {
                contract: landing.contract.clone(),
                target: posting.target,
                kind,
                subject,
                amount: amount(&posting.command),
                key,
                state: "new".into(),
            });
        }
    }
    Ok(writes)
}

fn amount(command: &milestoned_mapping::command::Command) -> Option<String> {
    use milestoned_mapping::command::{Command, Side};
    match command {
        Command::CreditMemo(document) | Command::Invoice(document) => {
            Some(format!("{} {}", document.amount, document.amount.currency()))
        }
        Command::JournalEntry(entry) => {
            let debits: rust_decimal::Decimal =
                entry.lines.iter().filter(|line| line.side == Side::Debit).map(|line| line.amount.decimal()).sum();
            entry.lines.first().map(|line| format!("{debits} {}", line.amount.currency()))
        }
        Command::BillingStatus(_) | Command::Customer { .. } | Command::SalesOrder(_) => None,
    }
}
