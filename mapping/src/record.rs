//! What a connector delivers: a source record with its provenance, before it means anything.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::fact::{DecimalText, LegMilestone, LegRecognition, LegRecord};
use crate::statement::Line;

/// One version of one remote record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The connection's name in the configuration, such as `crm`.
    pub system: String,
    /// The vendor's object type, such as `Opportunity` or `issue`.
    pub object: String,
    /// The vendor's immutable id (not a key that moves).
    pub id: String,
    /// Changes whenever the record changes; with system, object and id it names this version for ever.
    pub version: String,
    /// When the source last changed it, UTC.
    pub at: Timestamp,
    /// The record as the vendor sent it, verbatim JSON, digits of amounts included.
    pub raw: String,
    /// What kind of thing it is.
    pub content: Content,
}

impl SourceRecord {
    /// A record that its system has not got any more, or does not show: which of the two cannot be told apart everywhere.
    /// `version` says what is known of when.
    pub fn gone(system: &str, object: &str, id: &str, version: String, at: Timestamp) -> Self {
        let (system, object, id) = (system.to_owned(), object.to_owned(), id.to_owned());
        Self { system, object, id, version, at, raw: "{}".into(), content: Content::Gone }
    }
}

/// What a source record holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// The record is deleted, or no longer visible.
    Gone,
    /// Fields under the vendor's or the customer's names: a field map says what they mean. They are read from `raw`.
    Fields {
        /// Field changes, oldest first, as far as the source tells.
        history: Vec<Change>,
    },
    /// ERP: an invoice or credit memo.
    Invoice(InvoiceSeen),
    /// ERP: a journal entry.
    Journal(JournalSeen),
    /// ERP: a sales order, estimate or other billing configuration.
    Order(OrderSeen),
    /// ERP: the records of its own that this record stands for now: what was told of it before and is not listed is gone.
    Parts {
        /// Ids of the parts.
        ids: Vec<String>,
    },
    /// ERP: a payment applied to one invoice.
    Payment(PaymentSeen),
    /// ERP: what is no money, and was applied to invoices.
    Applied(AppliedSeen),
}

/// What a CRM knows of a customer beside the name: for the ERP's record of the customer. Nothing is decided from it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Particulars {
    /// Street and number, in one or more lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// Town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country, as the CRM writes it; a code of ISO 3166-1 where the field map reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Mail address for invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Registration number for sales tax or VAT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_registration: Option<String>,
    /// `net N` or `due on receipt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_terms: Option<String>,
}

impl Particulars {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether any part of an address is known.
    pub fn has_address(&self) -> bool {
        [&self.street, &self.city, &self.region, &self.postal_code, &self.country].iter().any(|part| part.is_some())
    }
}

/// What a deal of the CRM contributes: its part of the leg, and what the CRM knows of the customer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deal {
    /// The part of the leg, which is what the rules compare.
    #[serde(flatten)]
    pub record: LegRecord,
    /// What is known of the customer.
    #[serde(default, skip_serializing_if = "Particulars::is_empty")]
    pub particulars: Particulars,
}

/// Field of the change by which a file was attached, whatever the source calls it; the file's name is its new text.
pub const ATTACHED: &str = "attachment";

/// One field change out of a record's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The vendor's id of the change; several fields changed together share it.
    pub id: String,
    /// When, UTC.
    pub at: Timestamp,
    /// Who: an address where there is one, else the vendor's account id.
    pub by: String,
    /// The field's id, or [`ATTACHED`].
    pub field: String,
    /// Text before; absent where it was empty.
    pub from: Option<String>,
    /// Text after; absent where it is empty.
    pub to: Option<String>,
}

/// An invoice or credit memo as the ERP has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceSeen {
    /// `true`: a credit memo.
    pub credit_memo: bool,
    /// Document number.
    pub number: String,
    /// Contract it belongs to, where the ERP says so.
    pub contract: Option<String>,
    /// Milestone it bills, where the ERP says so.
    pub milestone: Option<String>,
    /// Customer's name.
    pub customer: String,
    /// ISO 4217 code as the ERP has it.
    pub currency: String,
    /// Document date.
    pub date: Date,
    /// Amount, positive for credit memos too.
    pub amount: DecimalText,
    /// What the ERP has added to it as tax, where the connection tells; never part of `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<DecimalText>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// What it adds to deferred revenue (a credit memo takes away), where the connection tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<DecimalText>,
    /// What it posts to revenue at once, where the connection tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognised: Option<DecimalText>,
    /// Its lines without tax, where the connection tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Line>>,
    /// Numbers of the invoices to which a credit memo was applied, where its own record tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied_to: Vec<String>,
}

/// Where an ERP invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Something is still to be paid.
    Open,
    /// Nothing is left to be paid.
    Paid,
    /// It waits for an approval in the ERP, and is no receivable yet.
    Pending,
    /// Void: no longer live.
    Void,
}

/// A journal entry as the ERP has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalSeen {
    /// Document number.
    pub number: String,
    /// Contract it belongs to, where the ERP says so.
    pub contract: Option<String>,
    /// Posting date.
    pub date: Date,
    /// ISO 4217 code.
    pub currency: String,
    /// Sum of its debits.
    pub amount: DecimalText,
    /// What it adds to deferred revenue (a release is negative), where the connection tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<DecimalText>,
    /// Revenue that it recognises, by milestone; none of an entry that is ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recognised: Vec<LegRecognition>,
    /// Its lines on the accounts that we write to, where the connection tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Line>>,
    /// Customer whom its lines on these accounts name; of an entry that somebody else wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Numbers of the invoices to which it was applied, where its own record tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied_to: Vec<String>,
    /// Whether it is in the books; one that waits for an approval there is not.
    #[serde(default = "is_posted", skip_serializing_if = "Clone::clone")]
    pub posted: bool,
}

/// What is not said to wait is in the books.
fn is_posted() -> bool {
    true
}

/// A sales order or estimate as the ERP has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSeen {
    /// Contract it belongs to.
    pub contract: Option<String>,
    /// Customer's name.
    pub customer: Option<String>,
    /// ISO 4217 code.
    pub currency: Option<String>,
    /// Total.
    pub amount: Option<DecimalText>,
    /// `net N` or `due on receipt`.
    pub payment_terms: Option<String>,
    /// Amendment version it was configured from.
    pub version: Option<u32>,
    /// Its lines, one a milestone.
    pub milestones: Vec<LegMilestone>,
}

/// A payment applied to one invoice. One remote payment that pays three invoices is three of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSeen {
    /// Number of the invoice.
    pub invoice: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Date of the payment.
    pub date: Date,
    /// Amount applied to this invoice, without its share of the tax.
    pub amount: DecimalText,
    /// Contract that the invoice names, where somebody else wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
}

/// What is no money, and was applied to invoices in the ERP, where the record of the application tells and not its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedSeen {
    /// What was applied.
    pub what: Applied,
    /// Its number; where it has none, the ERP's id.
    pub number: String,
    /// Numbers of the invoices.
    pub invoices: Vec<String>,
    /// ISO 4217 code.
    pub currency: String,
    /// Date of the application.
    pub date: Date,
    /// How much was applied.
    pub amount: DecimalText,
}

/// What is applied to an invoice and is no money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// A credit memo.
    CreditMemo,
    /// A journal entry.
    Entry,
}

/// What somebody wrote in the ERP that concerns a contract and names none: it is told, and nothing is decided from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnassignedSeen {
    /// What it is.
    pub what: Unassigned,
    /// The record: connection, object, and id there.
    pub record: String,
    /// Document number.
    pub number: String,
    /// Invoices of the contract to which it was applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invoices: Vec<String>,
    /// Customer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Document date.
    pub date: Date,
    /// ISO 4217 code.
    pub currency: String,
    /// Amount; of an entry the sum of its debits.
    pub amount: DecimalText,
    /// What it posts to the accounts that we write to, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

/// Kinds of what names no contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unassigned {
    /// A credit memo of the customer.
    CreditMemo,
    /// An invoice of the customer.
    Invoice,
    /// A journal entry.
    Entry,
}

/// What a record of the ERP contributes to the leg of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ErpPart {
    /// An invoice or credit memo of the contract.
    Invoice(InvoiceSeen),
    /// A journal entry of the contract.
    Journal(JournalSeen),
    /// The contract's order.
    Order(OrderSeen),
    /// What concerns the contract and does not name it.
    Unassigned(UnassignedSeen),
}
