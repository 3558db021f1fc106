//! What a company holds from the start: accounts, items, terms.

use crate::json::{Json, obj};

/// `(id, name, type, sub type, classification)`
const ACCOUNTS: &[(&str, &str, &str, &str, &str)] = &[
    ("1", "Checking", "Bank", "Checking", "Asset"),
    ("4", "Undeposited Funds", "Other Current Asset", "UndepositedFunds", "Asset"),
    ("23", "Deferred Revenue", "Other Current Liability", "DeferredRevenue", "Liability"),
    ("24", "Refund Liability", "Other Current Liability", "OtherCurrentLiabilities", "Liability"),
    ("79", "Services Revenue", "Income", "ServiceFeeIncome", "Revenue"),
    ("80", "Interest Income", "Other Income", "InterestEarned", "Revenue"),
    ("81", "Bad Debt Expense", "Expense", "BadDebts", "Expense"),
    ("82", "Exchange Gain or Loss", "Other Expense", "ExchangeGainOrLoss", "Expense"),
    ("84", "Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable", "Asset"),
    ("85", "Unbilled Receivable", "Other Current Asset", "OtherCurrentAssets", "Asset"),
    ("86", "Contract Asset", "Other Current Asset", "OtherCurrentAssets", "Asset"),
];

pub(crate) const RECEIVABLE: &str = "84";
pub(crate) const UNDEPOSITED: &str = "4";

/// `(id, name, income account)`
const ITEMS: &[(&str, &str, &str)] = &[("1", "Milestone service", "23"), ("2", "Services, recognised at once", "79")];

/// `(id, name, days)`
const TERMS: &[(&str, &str, i64)] =
    &[("1", "Due on receipt", 0), ("2", "Net 15", 15), ("3", "Net 30", 30), ("4", "Net 60", 60), ("5", "Net 45", 45)];

/// Records of the start: `(entity, id, record)`.
pub(crate) fn start() -> Vec<(&'static str, &'static str, Json)> {
    let mut all = Vec::new();
    for (id, name, kind, sub, class) in ACCOUNTS {
        let account = obj! {
            "Name" => *name, "FullyQualifiedName" => *name, "Active" => true, "Classification" => *class, "AccountType" => *kind,
            "AccountSubType" => *sub, "CurrentBalance" => 0, "CurrencyRef" => obj! {"value" => "USD", "name" => "United States Dollar"},
        };
        all.push(("Account", *id, account));
    }
    for (id, name, account) in ITEMS {
        let income = ACCOUNTS.iter().find(|known| known.0 == *account).map_or("", |known| known.1);
        let item = obj! {
            "Name" => *name, "FullyQualifiedName" => *name, "Active" => true, "Taxable" => false, "UnitPrice" => 0,
            "Type" => "Service", "IncomeAccountRef" => obj! {"value" => *account, "name" => income},
        };
        all.push(("Item", *id, item));
    }
    for (id, name, days) in TERMS {
        all.push(("Term", *id, obj! {"Name" => *name, "Active" => true, "Type" => "STANDARD", "DueDays" => *days}));
    }
    all
}

pub(crate) const NAMES: &[&str] = &["Customer", "Vendor", "Employee"];
pub(crate) const TRANSACTIONS: &[&str] =
    &["Invoice", "CreditMemo", "JournalEntry", "Payment", "Estimate", "SalesReceipt", "RefundReceipt"];
const OTHERS: &[&str] = &["Term", "Account", "Item", "Class", "Department", "TaxCode", "Attachable"];

/// The entity of the vendor's spelling, whatever the case.
pub(crate) fn entity(name: &str) -> Option<&'static str> {
    let all = NAMES.iter().chain(TRANSACTIONS).chain(OTHERS);
    all.copied().find(|known| known.eq_ignore_ascii_case(name))
}
