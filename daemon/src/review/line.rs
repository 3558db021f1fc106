//! One contract as lists and figures need it: what is summed up and sorted by, in minor units and dates, a kilobyte for a contract of
//! ten milestones. What else there is to know of a contract is read from the store, for the rows that are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use milestoned_mapping::contract::{Contract, Deadline, DocumentKind, IssuedDocument, Receivable, Severity};
use milestoned_mapping::money::{Currency, Money};

use super::measures::Measures;
use super::names::Names;
use super::portfolio::{self, Summary};
use crate::agreements::Addressee;
use crate::store::contracts::ContractRow;
use crate::store::review::Undelivered;
use crate::store::{StoreError, parse};

/// Whose a contract is and what it comes to; amounts in minor units.
#[derive(Debug, Clone)]
pub struct Brief {
    /// Contract id.
    pub contract: Arc<str>,
    /// Customer.
    pub customer: Arc<str>,
    /// ERP connection.
    pub erp: Arc<str>,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Transaction price.
    pub total: i64,
    /// Invoices less credit memos, as decided.
    pub billed: i64,
    /// Invoices less credit memos that the ERP has taken, or a person has written there.
    pub in_erp: i64,
    /// Total less billed.
    pub remaining: i64,
    /// Recognised revenue.
    pub recognised: i64,
    /// Billed and not recognised.
    pub deferred: i64,
    /// Recognised and not billed.
    pub unbilled: i64,
    /// Open exceptions that hold something back.
    pub blocking: u32,
    /// Open exceptions that only tell, and drifts.
    pub warnings: u32,
    /// Milestones whose invoice waits for an approval.
    pub to_approve: u32,
}

impl Brief {
    /// Of a contract as it stands. `missing`: its documents that the ERP has not got.
    pub(super) fn of(
        row: &ContractRow,
        contract: &Contract,
        drifts: usize,
        missing: &[&Undelivered],
        names: &mut Names,
    ) -> Result<Self, StoreError> {
        let agreement: Addressee = parse("contract", "agreement", &row.id, &row.agreement)?;
        let position = contract.position();
        let open = |severity: Severity| {
            let open = contract.exceptions().iter().filter(|exception| exception.closed_on.is_none());
            open.filter(|exception| exception.severity == severity).count()
        };
        let billed = position.billed.minor();
        let in_erp = missing.iter().fold(billed, |sum, undelivered| match undelivered.kind {
            DocumentKind::CreditMemo => sum.saturating_add(undelivered.amount.minor()),
            _ => sum.saturating_sub(undelivered.amount.minor()),
        });
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Self {
            contract: names.keep(&row.id),
            customer: names.keep(contract.terms().customer()),
            erp: names.keep(&agreement.erp),
            currency: contract.terms().currency(),
            total: contract.total().minor(),
            billed,
            in_erp,
            remaining: contract.remaining_to_bill().minor(),
            recognised: position.recognised.minor(),
            deferred: position.deferred_revenue.minor(),
            unbilled: position.unbilled_receivable.minor().saturating_add(position.contract_asset.minor()),
            blocking: count(open(Severity::Blocking)),
            warnings: count(open(Severity::Warning).saturating_add(drifts)),
            to_approve: count(contract.waiting_for_approval().len()),
        })
    }

    /// As people and programs read it.
    pub fn summary(&self) -> Summary {
        let text = |minor: i64| self.currency.minor(minor).to_string();
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Summary {
            contract: self.contract.to_string(),
            customer: self.customer.to_string(),
            erp: self.erp.to_string(),
            currency: self.currency.to_string(),
            total: text(self.total),
            billed: text(self.billed),
            in_erp: text(self.in_erp),
            remaining: text(self.remaining),
            recognised: text(self.recognised),
            deferred: text(self.deferred),
            blocking: count(self.blocking),
            warnings: count(self.warnings),
            to_approve: count(self.to_approve),
        }
    }

    /// How many things wait for a person about it.
    pub fn waits(&self) -> u32 {
        self.to_approve.saturating_add(self.blocking).saturating_add(self.warnings)
    }
}

/// An invoice of which something is open; amounts in minor units of its contract's currency.
#[derive(Debug, Clone)]
pub struct OpenInvoice {
    /// Number.
    pub number: Box<str>,
    /// Milestone.
    pub milestone: Arc<str>,
    /// Its date.
    pub date: Date,
    /// When it is due.
    pub due_on: Date,
    /// What it bears.
    pub amount: i64,
    /// What credit memos take off it: those against it, and what those against earlier invoices leave over.
    pub credited: i64,
    /// What was paid and not taken back.
    pub paid: i64,
}

impl OpenInvoice {
    fn of(invoice: &Receivable, names: &mut Names) -> Self {
        Self {
            number: invoice.number.as_str().into(),
            milestone: names.keep(&invoice.milestone),
            date: invoice.date,
            due_on: invoice.due_on,
            amount: invoice.amount.minor(),
            credited: invoice.credited.minor(),
            paid: invoice.paid.minor(),
        }
    }

    /// What is open.
    pub fn open(&self) -> i64 {
        self.amount.saturating_sub(self.credited).saturating_sub(self.paid)
    }
}

/// A document that time alone will write; its amount in minor units of its contract's currency.
#[derive(Debug, Clone)]
pub struct DocumentToCome {
    /// Number.
    pub number: Box<str>,
    /// Kind.
    pub kind: DocumentKind,
    /// Milestone.
    pub milestone: Arc<str>,
    /// Its date.
    pub date: Date,
    /// When it will be due.
    pub due_on: Date,
    /// What it will bear, without a sign.
    pub amount: i64,
    /// The contract's own words.
    pub description: Arc<str>,
}

impl DocumentToCome {
    fn of(document: &IssuedDocument, names: &mut Names) -> Self {
        Self {
            number: document.number.as_str().into(),
            kind: document.kind,
            milestone: names.keep(&document.milestone),
            date: document.date,
            due_on: document.due_on,
            amount: document.amount.minor(),
            description: names.keep(&document.description),
        }
    }

    /// What it adds to what is billed: a credit memo takes away.
    pub fn signed(&self) -> i64 {
        if self.kind == DocumentKind::CreditMemo { self.amount.saturating_neg() } else { self.amount }
    }
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

/// One contract, as lists and figures need it.
#[derive(Debug, Clone)]
pub struct Line {
    /// Whose it is and what it comes to.
    pub brief: Brief,
    /// Its invoices of which something is open, in the order in which they came about.
    pub open: Box<[OpenInvoice]>,
    /// Documents that time alone will write until `until`.
    pub to_come: Box<[DocumentToCome]>,
    /// Milestones that silence will accept.
    pub deadlines: Box<[Deadline]>,
    /// By first of month: what was billed, recognised and collected in it, and what was deferred at its end.
    pub months: Box<[Month]>,
    /// What reports are made of.
    pub measures: Measures,
    /// The date until which it was said what time alone will write.
    pub until: Date,
}

impl Line {
    /// Of a contract as it stands. `missing`: its documents that the ERP has not got.
    pub(super) fn of(
        row: &ContractRow,
        drifts: usize,
        missing: &[&Undelivered],
        until: Date,
        names: &mut Names,
    ) -> Result<Self, StoreError> {
        let contract: Contract = portfolio::state(row)?;
        let outlook = contract.outlook(until);
        let invoices = contract.receivables();
        let open = invoices.iter().filter(|invoice| invoice.open.minor() > 0);
        Ok(Self {
            brief: Brief::of(row, &contract, drifts, missing, names)?,
            open: open.map(|invoice| OpenInvoice::of(invoice, names)).collect(),
            to_come: outlook.documents.iter().map(|document| DocumentToCome::of(document, names)).collect(),
            deadlines: outlook.deadlines.into(),
            months: months(&contract, &invoices),
            measures: Measures::of(&contract, &invoices, missing, names),
            until,
        })
    }

    /// An amount of this contract.
    pub fn money(&self, minor: i64) -> Money {
        self.brief.currency.minor(minor)
    }
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
