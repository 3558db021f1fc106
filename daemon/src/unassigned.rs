//! What somebody wrote in an ERP that concerns a contract and names none: it is shown beside the contract, and nothing is
//! decided from it.

use milestoned_mapping::contract::Contract;
use milestoned_mapping::record::{
    Applied, AppliedSeen, InvoiceSeen, InvoiceStatus, JournalSeen, SourceRecord, Unassigned, UnassignedSeen,
};
use milestoned_mapping::statement::Line;

use crate::agreements::Addressee;
use crate::store::{Store, StoreError, parse};

/// The contract that something concerns, and what is said of it there; `None`: it concerns none.
type Concerned = Option<(String, UnassignedSeen)>;

/// An invoice or credit memo that names no contract. It concerns one to whose invoice it is applied; else one of its customer's, if
/// it posts to an account that we write to. What posts elsewhere is other business.
pub(crate) async fn document(
    store: &Store,
    record: &SourceRecord,
    seen: &InvoiceSeen,
) -> Result<Concerned, StoreError> {
    if seen.status == InvoiceStatus::Void {
        return Ok(None);
    }
    let posts = [("deferred revenue", seen.deferred), ("revenue", seen.recognised)];
    let posts = posts.into_iter().filter_map(|(account, amount)| Some((account, amount?)));
    let lines: Vec<Line> = posts
        .filter(|(_, amount)| !amount.0.is_zero())
        .map(|(account, amount)| Line { says: format!("to {account}"), amount })
        .collect();
    let what = if seen.credit_memo { Unassigned::CreditMemo } else { Unassigned::Invoice };
    let said = UnassignedSeen {
        what,
        record: named(record),
        number: number_or_id(&seen.number, record),
        invoices: Vec::new(),
        customer: Some(seen.customer.clone()),
        date: seen.date,
        currency: seen.currency.clone(),
        amount: seen.amount,
        lines,
    };
    beside(store, record, said, &seen.applied_to).await
}

/// A journal entry that names no contract.
pub(crate) async fn entry(store: &Store, record: &SourceRecord, seen: &JournalSeen) -> Result<Concerned, StoreError> {
    let said = UnassignedSeen {
        what: Unassigned::Entry,
        record: named(record),
        number: number_or_id(&seen.number, record),
        invoices: Vec::new(),
        customer: seen.customer.clone(),
        date: seen.date,
        currency: seen.currency.clone(),
        amount: seen.amount,
        lines: seen.lines.clone().unwrap_or_default(),
    };
    beside(store, record, said, &seen.applied_to).await
}

/// What is no money and was applied to invoices. What we wrote ourselves is decided, and no news.
pub(crate) async fn application(
    store: &Store,
    record: &SourceRecord,
    seen: &AppliedSeen,
) -> Result<Concerned, StoreError> {
    let (what, ours) = match seen.what {
        Applied::CreditMemo => (Unassigned::CreditMemo, store.contract_of_document(seen.number.clone()).await?),
        Applied::Entry => {
            let system = record.system.clone();
            (Unassigned::Entry, store.contract_of_delivery(system, seen.number.clone()).await?)
        }
    };
    if ours.is_some() {
        return Ok(None);
    }
    let said = UnassignedSeen {
        what,
        record: named(record),
        number: seen.number.clone(),
        invoices: Vec::new(),
        customer: None,
        date: seen.date,
        currency: seen.currency.clone(),
        amount: seen.amount,
        lines: Vec::new(),
    };
    beside(store, record, said, &seen.invoices).await
}

async fn beside(
    store: &Store,
    record: &SourceRecord,
    mut said: UnassignedSeen,
    applied_to: &[String],
) -> Result<Concerned, StoreError> {
    let mut contract = None;
    for number in applied_to {
        let of = store.contract_of_document(number.clone()).await?;
        if of.is_some() && (contract.is_none() || contract == of) {
            said.invoices.push(number.clone());
            contract = of;
        }
    }
    if contract.is_none() && !said.lines.is_empty() {
        contract = likely(store, &record.system, &said).await?;
    }
    Ok(contract.map(|contract| (contract, said)))
}

/// The contract of the customer that is meant: of several that were open by then the one of which a milestone has the amount, else
/// the first in the currency. One that is told once is looked at once.
async fn likely(store: &Store, erp: &str, said: &UnassignedSeen) -> Result<Option<String>, StoreError> {
    let Some(customer) = said.customer.clone() else { return Ok(None) };
    let mut first = None;
    for row in store.contracts_of_customer(customer, said.date).await? {
        let addressee: Addressee = parse("contract", "agreement", &row.id, &row.agreement)?;
        let contract: Contract = parse("contract", "state", &row.id, &row.state)?;
        if addressee.erp != erp || contract.terms().currency().code() != said.currency {
            continue;
        }
        let amount = said.amount.0.normalize();
        if contract.milestones().iter().any(|milestone| milestone.amount.decimal().normalize() == amount) {
            return Ok(Some(row.id));
        }
        first = first.or(Some(row.id));
    }
    Ok(first)
}

fn named(record: &SourceRecord) -> String {
    format!("{} {} {}", record.system, record.object, record.id)
}

fn number_or_id(number: &str, record: &SourceRecord) -> String {
    if number.is_empty() { record.id.clone() } else { number.to_owned() }
}
