//! Receivables of a contract: each invoice with what was credited and paid of it, payment by payment, and what is open.

use jiff::civil::Date;
use serde::Serialize;

use super::state::Contract;
use crate::money::{Minor, Money};

/// An invoice and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receivable {
    /// Number.
    pub number: String,
    /// Milestone.
    pub milestone: String,
    /// Its date.
    pub date: Date,
    /// When it is due.
    pub due_on: Date,
    /// What it bears.
    pub amount: Money,
    /// What credit memos take off it: those of a milestone reduce its first invoice first, then the next.
    pub credited: Money,
    /// Payments, in the order in which they were applied.
    pub payments: Vec<PaymentView>,
    /// What was paid and not taken back.
    pub paid: Money,
    /// What is open: amount less credited less paid.
    pub open: Money,
}

/// A payment, as far as it was applied to an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentView {
    /// Its date.
    pub on: Date,
    /// What of it was applied.
    pub amount: Money,
    /// What tells it from others.
    pub id: Option<String>,
    /// When it was taken back.
    pub reversed_on: Option<Date>,
}

/// Money that came in for an invoice, or was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CashMovement {
    /// Its date.
    pub on: Date,
    /// Number of the invoice.
    pub invoice: String,
    /// What tells the payment from others.
    pub id: Option<String>,
    /// Negative where a payment was taken back.
    pub amount: Minor,
}

impl Contract {
    /// Payments, and what was taken back of them, each by itself.
    pub fn cash_movements(&self) -> Vec<CashMovement> {
        let movements = self.payments.iter().flat_map(|payment| {
            let movement = |on: Date, amount: Minor| CashMovement {
                on,
                invoice: payment.invoice.clone(),
                id: payment.id.clone(),
                amount,
            };
            let back = payment.reversed_on.map(|on| movement(on, -payment.amount));
            [Some(movement(payment.on, payment.amount)), back]
        });
        movements.flatten().collect()
    }

    /// Invoices that count, in the order in which they came about.
    pub fn receivables(&self) -> Vec<Receivable> {
        let receivable = |(document, credited): (&super::IssuedDocument, Minor)| {
            let payments: Vec<_> = self.payments.iter().filter(|payment| payment.invoice == document.number).collect();
            let stands = payments.iter().filter(|payment| payment.reversed_on.is_none());
            let paid: Minor = stands.map(|payment| payment.amount).sum();
            Receivable {
                number: document.number.clone(),
                milestone: document.milestone.clone(),
                date: document.date,
                due_on: document.due_on,
                amount: document.amount,
                credited: self.terms.money(credited),
                paid: self.terms.money(paid),
                open: self.terms.money(document.amount.units() - credited - paid),
                payments: payments
                    .into_iter()
                    .map(|payment| PaymentView {
                        on: payment.on,
                        amount: self.terms.money(payment.amount),
                        id: payment.id.clone(),
                        reversed_on: payment.reversed_on,
                    })
                    .collect(),
            }
        };
        self.reduced().into_iter().map(receivable).collect()
    }
}
