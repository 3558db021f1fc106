//! What was read of a contract before it was filed: for a proposal of its history.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_mapping::fact::Fact;
use milestoned_mapping::record::{Content, InvoiceSeen, JournalSeen, PaymentSeen, SourceRecord};

use super::attest::Session;
use super::session::values;
use super::{Store, StoreError, Verb, parse};

/// What the systems hold, as far as they were read.
#[derive(Debug, Clone, Default)]
pub struct HeldRecords {
    /// Invoices and credit memos of the contract or of its customer.
    pub invoices: Vec<InvoiceSeen>,
    /// Payments of these, each with its record.
    pub payments: Vec<(String, PaymentSeen)>,
    /// Journal entries of the contract.
    pub journals: Vec<JournalSeen>,
    /// Facts of the contract that wait for its filing.
    pub facts: Vec<Fact>,
}

impl Store {
    /// What an ERP holds of a contract and its customer, and what other systems told of it.
    ///
    /// # Errors
    /// The database failed.
    pub fn held(&self, erp: String, contract: String, customer: String) -> Verb<'_, HeldRecords> {
        self.read(move |tx| {
            let mut invoices: BTreeMap<String, InvoiceSeen> = BTreeMap::new();
            let mut journals: BTreeMap<String, JournalSeen> = BTreeMap::new();
            each_record(tx, &erp, &["invoice", "journal", "gone"], |record, found| {
                let name = format!("{} {}", record.object, record.id);
                let of_it = |named: &Option<String>| named.as_ref().or(found).is_some_and(|named| *named == contract);
                match record.content {
                    Content::Invoice(one) if of_it(&one.contract) || one.customer == customer => {
                        drop(invoices.insert(name, one));
                    }
                    Content::Journal(one) if of_it(&one.contract) => drop(journals.insert(name, one)),
                    _ => {
                        invoices.remove(&name);
                        journals.remove(&name);
                    }
                }
            })?;
            let numbers: BTreeSet<String> = invoices.values().map(|invoice| invoice.number.clone()).collect();
            let sql = "SELECT fact FROM fact WHERE contract = $1 ORDER BY at, id";
            let read = |text: String| parse("fact", "fact", &contract, &text);
            Ok(HeldRecords {
                payments: payments(tx, &erp, &numbers)?,
                facts: tx.all(sql, values![contract], |row| read(row.get(0)?))?,
                invoices: invoices.into_values().collect(),
                journals: journals.into_values().collect(),
            })
        })
    }
}

/// Payments of invoices: those that were deleted, or pay something else now, left out.
fn payments(tx: &Session<'_>, erp: &str, numbers: &BTreeSet<String>) -> Result<Vec<(String, PaymentSeen)>, StoreError> {
    let mut payments: BTreeMap<String, PaymentSeen> = BTreeMap::new();
    each_record(tx, erp, &["payment", "parts", "gone"], |record, _| match record.content {
        Content::Payment(one) if numbers.contains(&one.invoice) => drop(payments.insert(record.id, one)),
        Content::Parts { ids } => {
            let prefix = format!("{}:", record.id);
            payments.retain(|id, _| !id.starts_with(&prefix) || ids.contains(id));
        }
        _ => drop(payments.remove(&record.id)),
    })?;
    Ok(payments.into_iter().collect())
}

/// Every version of the records of a system that have content of these kinds, in the order in which they came, each with the
/// contract that it was found to belong to.
fn each_record(
    tx: &Session<'_>,
    system: &str,
    kinds: &[&str],
    mut take: impl FnMut(SourceRecord, Option<&String>),
) -> Result<(), StoreError> {
    let sql = "SELECT remote_id, record, contract FROM source_record WHERE system = $1 AND state = 'read' ORDER BY id";
    tx.each(sql, values![system], |row| {
        let (id, text): (String, String) = (row.get(0)?, row.get(1)?);
        if kinds.iter().any(|kind| text.contains(&format!("\"kind\":\"{kind}\""))) {
            let contract: Option<String> = row.get(2)?;
            take(parse("source_record", "record", &id, &text)?, contract.as_ref());
        }
        Ok(())
    })
}
