//! What an accounting system holds, in one shape for both of them.

/// Side of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Left.
    Debit,
    /// Right.
    Credit,
}

/// A posting: account id, side, amount as decimal text.
pub type Posting = (String, Side, String);

/// A document in an accounting system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErpDocument {
    /// Number as people see it.
    pub number: String,
    /// `invoice`, `credit_memo`, `journal_entry` or `payment`.
    pub kind: &'static str,
    /// Document date.
    pub date: String,
    /// ISO code.
    pub currency: String,
    /// Total as decimal text, never negative.
    pub amount: String,
    /// Name of the customer; empty on journal entries.
    pub customer: String,
    /// Contract that the document names.
    pub contract: Option<String>,
    /// Milestone that the document names.
    pub milestone: Option<String>,
    /// `open`, `paid`, `voided`, `posted`, `applied`.
    pub status: String,
    /// Id in the system.
    pub remote_id: String,
    /// Postings in the currency of the document; none once voided.
    pub lines: Vec<Posting>,
}
