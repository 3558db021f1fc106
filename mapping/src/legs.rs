//! Legs: what a system says of a contract, put together from its records; the same records give the same leg.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use crate::command::{Account, JournalEntry, Side};
use crate::contract::{Contract, DocumentKind, IssuedDocument, WHOLE};
use crate::fact::{LegInvoice, LegMilestone, LegRecognition, LegRecord};
use crate::record::{InvoiceSeen, InvoiceStatus, JournalSeen, OrderSeen};

/// The CRM leg. Of several deals for one contract nobody can say which of them is meant: it is told that there are several.
pub fn assemble_crm(deals: &[LegRecord]) -> LegRecord {
    let mut deal = deals.first().cloned().unwrap_or_default();
    deal.duplicates = (deals.len() > 1).then(|| vec![WHOLE.into()]);
    deal
}

/// The PSA leg: one milestone a record, by id; one that two records claim is listed twice.
pub fn assemble_psa(milestones: &[LegMilestone]) -> LegRecord {
    let mut milestones = milestones.to_vec();
    milestones.sort_by(|a, b| a.id.cmp(&b.id));
    LegRecord { milestones: Some(milestones), ..LegRecord::default() }
}

/// The ERP leg: the order is what was configured, the invoices what was billed, the journal entries what was recognised.
/// Credit memos, and invoices that name no milestone, are not compared. The deferred balance is not told here: see
/// [`deferred_difference`].
pub fn assemble_erp(order: Option<&OrderSeen>, invoices: &[InvoiceSeen], journals: &[JournalSeen]) -> LegRecord {
    let mut listed: Vec<LegInvoice> = invoices
        .iter()
        .filter(|invoice| !invoice.credit_memo)
        .filter_map(|invoice| {
            Some(LegInvoice {
                number: invoice.number.clone(),
                milestone: invoice.milestone.clone()?,
                date: invoice.date,
                amount: invoice.amount,
                status: match invoice.status {
                    InvoiceStatus::Open => "open",
                    InvoiceStatus::Paid => "paid",
                    InvoiceStatus::Pending => "pending",
                    InvoiceStatus::Void => "void",
                }
                .into(),
            })
        })
        .collect();
    listed.sort_by(|a, b| (a.date, &a.number).cmp(&(b.date, &b.number)));
    let recognised = recognised(invoices, journals);
    let head = order.cloned();
    LegRecord {
        customer: head.as_ref().and_then(|order| order.customer.clone()),
        currency: head.as_ref().and_then(|order| order.currency.clone()),
        amount: head.as_ref().and_then(|order| order.amount),
        payment_terms: head.as_ref().and_then(|order| order.payment_terms.clone()),
        version: head.as_ref().and_then(|order| order.version),
        milestones: head.map(|order| order.milestones).filter(|milestones| !milestones.is_empty()),
        invoices: Some(listed),
        recognised: Some(recognised).filter(|recognised| !recognised.is_empty()),
        ..LegRecord::default()
    }
}

/// Revenue that others recognised: by journal entry, or by an invoice that posts to revenue at once.
fn recognised(invoices: &[InvoiceSeen], journals: &[JournalSeen]) -> Vec<LegRecognition> {
    let at_once = invoices.iter().filter(|invoice| {
        !invoice.credit_memo && !matches!(invoice.status, InvoiceStatus::Pending | InvoiceStatus::Void)
    });
    let at_once = at_once.filter_map(|invoice| {
        let amount = invoice.recognised.filter(|amount| amount.0 > Decimal::ZERO)?;
        Some(LegRecognition { milestone: invoice.milestone.clone()?, date: invoice.date, amount })
    });
    let mut all: Vec<LegRecognition> =
        at_once.chain(journals.iter().flat_map(|journal| journal.recognised.clone())).collect();
    all.sort_by(|a, b| (a.date, &a.milestone, a.amount).cmp(&(b.date, &b.milestone, b.amount)));
    all
}

/// By how much the ERP's deferred revenue of a contract is not ours: what its documents add to it, less the opening balance and
/// what ours among them should add. What we wrote and the ERP has never shown is on its way, and no difference; what it has
/// shown (`confirmed`, by number) and lacks now is one. What it shows and has not posted is on its way, too. `None`: the connection
/// does not tell what its documents add.
pub fn deferred_difference(
    contract: &Contract,
    invoices: &[InvoiceSeen],
    journals: &[JournalSeen],
    told: &[JournalEntry],
    confirmed: &BTreeSet<String>,
) -> Option<Decimal> {
    let seen = invoices.iter().map(|seen| (&seen.number, seen.deferred, seen.status != InvoiceStatus::Pending));
    let seen = seen.chain(journals.iter().map(|journal| (&journal.number, journal.deferred, journal.posted)));
    let (mut known, mut difference) = (confirmed.clone(), Decimal::ZERO);
    for (number, deferred, posted) in seen {
        if !posted {
            known.remove(number);
            continue;
        }
        known.insert(number.clone());
        difference = difference.checked_add(deferred?.0)?;
    }
    if let Some(opening) = contract.opening() {
        difference = difference.checked_sub(contract.terms().money(opening.deferred_revenue()).decimal())?;
    }
    let counts = |issued_document: &&IssuedDocument| {
        !issued_document.withdrawn
            && !contract.is_in_opening(issued_document)
            && known.contains(&issued_document.number)
    };
    for document in contract.documents().iter().filter(counts) {
        let amount = document.amount.decimal();
        let adds = if document.kind == DocumentKind::CreditMemo { -amount } else { amount };
        difference = difference.checked_sub(adds)?;
    }
    let lines = told.iter().filter(|entry| known.contains(&entry.number)).flat_map(|entry| &entry.lines);
    for line in lines.filter(|line| line.account == Account::DeferredRevenue) {
        let amount = line.amount.decimal();
        difference = difference.checked_sub(if line.side == Side::Credit { amount } else { -amount })?;
    }
    Some(difference)
}
