//! What a contract looks like in answers, for the API's description: its types belong to the core.

use serde::Serialize;
use utoipa::ToSchema;

use super::item::ShownBody;
use super::standing::Standing;

/// A contract as decided by the rules, at the end of a date.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportBody {
    /// Contract id.
    pub contract: String,
    /// ISO 4217 code of every amount.
    pub currency: String,
    /// The date.
    #[schema(format = Date)]
    pub as_of: String,
    /// Milestones, removed ones too.
    pub milestones: Vec<ReportMilestoneBody>,
    /// Invoices and credit memos, in the order in which they were issued.
    pub invoices: Vec<ReportInvoiceBody>,
    /// Entries, by date.
    pub journal: Vec<ReportEntryBody>,
    /// Balances that were there before the first date of the books; absent where nothing was.
    pub opening: Option<PositionBody>,
    /// Exceptions, closed ones too.
    pub exceptions: Vec<ReportExceptionBody>,
    /// Balances.
    pub position: PositionBody,
    /// What is agreed and not billed.
    pub remaining_to_bill: String,
}

/// A milestone of a report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportMilestoneBody {
    /// Id.
    pub id: String,
    /// How far it has come: `pending`, `submitted`, `rejected`, `accepted`, `invoiced`, `paid` or `cancelled`.
    pub status: String,
    /// Agreed amount.
    pub amount: String,
    /// Amount of revenue; absent where the contract has no obligations.
    pub recognition_amount: Option<String>,
    /// Date of its acceptance.
    #[schema(format = Date)]
    pub accepted_on: Option<String>,
    /// Accepted by silence.
    pub deemed: bool,
    /// Date of its first invoice.
    #[schema(format = Date)]
    pub invoiced_on: Option<String>,
    /// Due date of its first invoice.
    #[schema(format = Date)]
    pub due_on: Option<String>,
}

/// An invoice or credit memo of a report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportInvoiceBody {
    /// Number.
    pub number: String,
    /// `invoice` or `credit_memo`.
    pub kind: String,
    /// Milestone.
    pub milestone: String,
    /// Its date.
    #[schema(format = Date)]
    pub date: String,
    /// Due date.
    #[schema(format = Date)]
    pub due_on: String,
    /// Amount.
    pub amount: String,
    /// What its line says.
    pub description: String,
}

/// The entry of a date.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportEntryBody {
    /// The date.
    #[schema(format = Date)]
    pub date: String,
    /// Lines: debits are as much as credits.
    pub lines: Vec<ReportLineBody>,
}

/// A line of an entry: a debit or a credit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportLineBody {
    /// Account.
    pub account: String,
    /// Amount, of a debit.
    pub debit: Option<String>,
    /// Amount, of a credit.
    pub credit: Option<String>,
}

/// An exception of a report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportExceptionBody {
    /// Code.
    pub code: String,
    /// Milestone; absent: the contract as a whole.
    pub milestone: Option<String>,
    /// Leg that differs: `agreement`, `crm`, `psa` or `erp`.
    pub leg: Option<String>,
    /// `blocking`, `warning` or `info`.
    pub severity: String,
    /// Opened on.
    #[schema(format = Date)]
    pub opened_on: String,
    /// Closed on; absent: open.
    #[schema(format = Date)]
    pub closed_on: Option<String>,
}

/// Balances of a contract.
#[derive(Debug, Serialize, ToSchema)]
pub struct PositionBody {
    /// Invoices less credit memos.
    pub billed: String,
    /// Revenue that was recognised.
    pub recognised: String,
    /// Invoiced and not paid.
    pub accounts_receivable: String,
    /// Recognised, not invoiced, and due whatever else happens.
    pub unbilled_receivable: String,
    /// Recognised, not invoiced, and not due yet.
    pub contract_asset: String,
    /// Invoiced and not recognised.
    pub deferred_revenue: String,
    /// Revenue.
    pub revenue: String,
    /// Payments.
    pub cash: String,
}

/// Something that happened to a contract, and all that followed from it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepBody {
    /// Date of the contract's time zone.
    #[schema(format = Date)]
    pub date: String,
    /// The event, or the date itself.
    pub cause: String,
    /// What followed, in the order in which it came about.
    pub effects: Vec<String>,
}

/// An amount in the smallest unit of its currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct MinorBody {
    /// Smallest units: cents of a dollar.
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: String,
}

/// A milestone, and where its billing stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct MilestoneBody {
    /// Id.
    pub id: String,
    /// The agreement's milestone of which this is a part.
    pub parent: Option<String>,
    /// Name.
    pub name: String,
    /// How far it has come.
    pub status: String,
    /// Agreed amount.
    pub amount: MinorBody,
    /// Amount of revenue; absent where the contract has no obligations.
    pub recognition_amount: Option<MinorBody>,
    /// Date of its acceptance.
    #[schema(format = Date)]
    pub accepted_on: Option<String>,
    /// Accepted by silence.
    pub deemed: bool,
    /// First and last day of the latest acceptance window.
    pub window: Option<Vec<Option<String>>>,
    /// Date of its first invoice.
    #[schema(format = Date)]
    pub invoiced_on: Option<String>,
    /// Due date of its first invoice.
    #[schema(format = Date)]
    pub due_on: Option<String>,
    /// Link to the acceptance document.
    pub document: Option<String>,
    /// Codes of open blocking exceptions.
    pub blocked_by: Vec<String>,
    /// Whether its invoice waits for a reviewer.
    pub approval: ApprovalBody,
    /// Of what an approval was that a change has made void since.
    pub void_approval: Option<ShownBody>,
    /// Where its documents stand in the ERP, the least settled of them; absent before the first.
    pub standing: Option<Standing>,
    /// How far it has come, in words that tell decided from done.
    pub state: String,
    /// What an approval would be of, while it is not invoiced.
    pub shown: Option<ShownBody>,
}

/// Whether an invoice waits for a reviewer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalBody {
    /// `given`, `later` (its trigger has not fired yet), `not_needed` or `waits`.
    pub state: String,
    /// Of one that is given: its date.
    #[schema(format = Date)]
    pub on: Option<String>,
    /// Of one that waits: since when.
    #[schema(format = Date)]
    pub since: Option<String>,
}
