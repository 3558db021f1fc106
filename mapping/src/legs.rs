//! Legs: what a system says of a contract, put together from its records; the same records give the same leg.

use crate::fact::{LegInvoice, LegMilestone, LegRecord};
use crate::record::{InvoiceSeen, InvoiceStatus, OrderSeen};

/// The CRM leg. Of several deals for one contract the first counts (they come in order of their ids).
pub fn assemble_crm(deals: &[LegRecord]) -> LegRecord {
    deals.first().cloned().unwrap_or_default()
}

/// The PSA leg: one milestone a record, by id.
pub fn assemble_psa(milestones: &[LegMilestone]) -> LegRecord {
    let mut milestones = milestones.to_vec();
    milestones.sort_by(|a, b| a.id.cmp(&b.id));
    LegRecord { milestones: Some(milestones), ..LegRecord::default() }
}

/// The ERP leg: the order is what was configured, the invoices what was billed. Credit memos, and invoices that name no
/// milestone, are not compared.
pub fn assemble_erp(order: Option<&OrderSeen>, invoices: &[InvoiceSeen]) -> LegRecord {
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
                    InvoiceStatus::Void => "void",
                }
                .into(),
            })
        })
        .collect();
    listed.sort_by(|a, b| (a.date, &a.number).cmp(&(b.date, &b.number)));
    let head = order.cloned();
    LegRecord {
        customer: head.as_ref().and_then(|order| order.customer.clone()),
        currency: head.as_ref().and_then(|order| order.currency.clone()),
        amount: head.as_ref().and_then(|order| order.amount),
        payment_terms: head.as_ref().and_then(|order| order.payment_terms.clone()),
        version: head.as_ref().and_then(|order| order.version),
        milestones: head.map(|order| order.milestones).filter(|milestones| !milestones.is_empty()),
        invoices: Some(listed),
        ..LegRecord::default()
    }
}
