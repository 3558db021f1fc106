//! What the core may ask of the world, and the key that makes each request happen once.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::money::Money;

/// Idempotency key of a delivery: derived from what is said, never from when. It is stored before the first attempt,
/// unique for ever, and is the remote's external id or request id. 32 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryKey(String);

impl DeliveryKey {
    /// Hashes the parts (contract, milestone, transition, revision, …); each is length-prefixed, so that no two lists
    /// of parts run together.
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut hex = hex::encode(hash.finalize());
        hex.truncate(32);
        Self(hex)
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key that was stored before.
    pub fn stored(text: String) -> Self {
        Self(text)
    }
}

impl core::fmt::Display for DeliveryKey {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(&self.0)
    }
}

/// One write to one remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    /// Have the ERP keep the record of an acceptance beside the invoice that it let go, once.
    AcceptanceRecord(AcceptanceRecord),
    /// Show where a milestone stands on its CRM or PSA record (a state: the newest one wins).
    BillingStatus(BillingStatus),
    /// A credit memo for an invoice.
    CreditMemo(Document),
    /// Look the customer up by exact name, create it where there is none.
    Customer {
        /// Exact name in the agreement.
        name: String,
        /// ISO 4217 code in which the customer is billed.
        currency: String,
    },
    /// An invoice or a supplementary invoice.
    Invoice(Document),
    /// Have the ERP mail an invoice to the customer, once.
    InvoiceEmail(InvoiceEmail),
    /// A revenue journal entry.
    JournalEntry(JournalEntry),
    /// A sales order or estimate: what the contract bills by, one line a milestone (a state: the newest one wins).
    SalesOrder(SalesOrder),
}

impl Command {
    /// Name of the customer of a document, an entry or an order.
    pub fn customer(&self) -> Option<&str> {
        match self {
            Self::CreditMemo(document) | Self::Invoice(document) => Some(&document.customer),
            Self::AcceptanceRecord(record) => Some(&record.customer),
            Self::InvoiceEmail(email) => Some(&email.customer),
            Self::JournalEntry(entry) => Some(&entry.customer),
            Self::SalesOrder(order) => Some(&order.customer),
            Self::BillingStatus(_) | Self::Customer { .. } => None,
        }
    }
}

/// An invoice, supplementary invoice or credit memo; one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Document number: `{contract}-{milestone}[-C{n}|-S{n}]`.
    pub number: String,
    /// Contract (SOW) id.
    pub contract: String,
    /// Milestone id.
    pub milestone: String,
    /// Customer's exact name.
    pub customer: String,
    /// Document date, contract's time zone.
    pub date: Date,
    /// Due date; of a credit memo its date.
    pub due_on: Date,
    /// Positive amount.
    pub amount: Money,
    /// The contract's own words.
    pub description: String,
    /// Purchase order of the customer.
    pub po_number: Option<String>,
    /// `net N` or `due on receipt`.
    pub payment_terms: String,
    /// Link to the acceptance record.
    pub acceptance: Option<String>,
    /// Number of the invoice that a credit memo or supplementary invoice belongs to.
    pub original: Option<String>,
    /// Line of the contract's order that an invoice bills, where orders are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderedLine>,
    /// Performance obligation of the milestone, where the contract has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obligation: Option<String>,
}

/// An invoice that the ERP is to mail to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceEmail {
    /// Document number of the invoice.
    pub number: String,
    /// Contract (SOW) id.
    pub contract: String,
    /// Milestone id.
    pub milestone: String,
    /// Customer's exact name.
    pub customer: String,
}

/// The record of an acceptance: a file that the ERP keeps beside the invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptanceRecord {
    /// Document number of the invoice.
    pub number: String,
    /// Contract (SOW) id.
    pub contract: String,
    /// Milestone id.
    pub milestone: String,
    /// Customer's exact name.
    pub customer: String,
    /// What the invoice bills, in the contract's own words.
    pub description: String,
    /// Acceptance date.
    pub accepted_on: Date,
    /// Accepted by silence.
    pub deemed: bool,
    /// Link to the acceptance document, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Link to the milestone's page, with the whole trail.
    pub link: String,
}

impl AcceptanceRecord {
    /// Name of the file. A number may hold characters that no file has in its name.
    pub fn file_name(&self) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-._".contains(letter) { letter } else { '_' };
        format!("acceptance-{}.txt", self.number.chars().map(plain).collect::<String>())
    }

    /// The file: the same bytes for the same record.
    pub fn text(&self) -> String {
        let how = if self.deemed { ", by silence: the time to reject had passed" } else { "" };
        let document = self.document.as_deref().unwrap_or("none");
        format!(
            "Acceptance of milestone {} of contract {}\n\nCustomer: {}\nInvoice: {}\nBilled for: {}\nAccepted on: {}{how}\n\
             Acceptance document: {document}\nTrail: {}\n",
            self.milestone, self.contract, self.customer, self.number, self.description, self.accepted_on, self.link
        )
    }
}

/// A line of a contract's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedLine {
    /// The order's key, [`SalesOrder::order`].
    pub order: DeliveryKey,
    /// Line, from 1.
    pub line: u32,
    /// How many lines the order has.
    pub lines: u32,
}

/// A contract's order, as one version of the agreement has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SalesOrder {
    /// Key of the order: the same for every version of it.
    pub order: DeliveryKey,
    /// Contract (SOW) id; the order's number, too.
    pub contract: String,
    /// Customer's exact name.
    pub customer: String,
    /// Date on which the contract was signed.
    pub date: Date,
    /// Amendment version.
    pub version: u32,
    /// Purchase order of the customer.
    pub po_number: Option<String>,
    /// `net N` or `due on receipt`.
    pub payment_terms: String,
    /// Contract amount.
    pub amount: Money,
    /// Lines, from 1, never renumbered.
    pub lines: Vec<OrderLine>,
}

/// One milestone of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Milestone id; `None`: the agreement has it no more.
    pub milestone: Option<String>,
    /// Agreed amount.
    pub amount: Money,
    /// The contract's own words.
    pub description: String,
    /// `arrears` or `advance`.
    pub timing: String,
    /// Invoice rule.
    pub invoice: String,
    /// Recognition method, where the contract has obligations.
    pub recognition: Option<String>,
}

/// Revenue, deferred revenue, contract asset and unbilled receivable of one contract and date. Receivable and cash are
/// moved by the ERP's own invoices, credit memos and payments (whose income account is deferred revenue).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Entry number.
    pub number: String,
    /// Contract id.
    pub contract: String,
    /// Customer's exact name.
    pub customer: String,
    /// Posting date, contract's time zone.
    pub date: Date,
    /// The one milestone that was accepted on that date; absent: several were, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<String>,
    /// The one performance obligation of all milestones that were accepted on that date; absent: there were several, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obligation: Option<String>,
    /// Lines; debits equal credits.
    pub lines: Vec<JournalLine>,
    /// Why, for the person who reads the ledger.
    pub memo: String,
}

/// One side of a journal entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Account.
    pub account: Account,
    /// Debit or credit.
    pub side: Side,
    /// Positive amount.
    pub amount: Money,
}

/// Accounts of the position, in the order in which entries show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Billed and not paid.
    AccountsReceivable,
    /// Unconditional and not billed.
    UnbilledReceivable,
    /// Recognised, not billed, still conditional.
    ContractAsset,
    /// Billed, not recognised (a contract liability).
    DeferredRevenue,
    /// Recognised.
    Revenue,
    /// Paid.
    Cash,
}

impl Account {
    /// The word for it, everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountsReceivable => "accounts_receivable",
            Self::UnbilledReceivable => "unbilled_receivable",
            Self::ContractAsset => "contract_asset",
            Self::DeferredRevenue => "deferred_revenue",
            Self::Revenue => "revenue",
            Self::Cash => "cash",
        }
    }
}

/// Side of a journal line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Left.
    Debit,
    /// Right.
    Credit,
}

/// Where a milestone stands, for the people who look at the CRM or PSA record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingStatus {
    /// Contract id.
    pub contract: String,
    /// Milestone id.
    pub milestone: String,
    /// Milestone's name.
    pub name: String,
    /// Id of the source record that shows it (issue id, opportunity id).
    pub record: String,
    /// `pending` … `paid`, `cancelled`.
    pub status: String,
    /// Agreed amount.
    pub amount: Money,
    /// Acceptance date.
    pub accepted_on: Option<Date>,
    /// Number of the first invoice.
    pub invoice: Option<String>,
    /// Date of the first invoice.
    pub invoiced_on: Option<Date>,
    /// Due date of the first invoice.
    pub due_on: Option<Date>,
    /// Codes of open blocking exceptions.
    pub blocked_by: Vec<String>,
    /// Link to the milestone's page.
    pub link: String,
}

/// A command with its key and what must be delivered first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Idempotency key.
    pub key: DeliveryKey,
    /// Connection that receives it, by its name in the configuration.
    pub target: String,
    /// What is written.
    pub command: Command,
    /// Keys that must be settled before this one is tried.
    pub after: Vec<DeliveryKey>,
}
