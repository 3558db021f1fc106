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
    for (id, name) in [("TAX", "TAX"), ("NON", "NON"), ("2", "GST/HST")] {
        all.push((
            "TaxCode",
            id,
            obj! {"Name" => name, "Active" => true, "Taxable" => id != "NON", "TaxGroup" => false},
        ));
    }
    for (id, name) in [("1", "Cash"), ("2", "Check"), ("3", "Credit Card")] {
        all.push(("PaymentMethod", id, obj! {"Name" => name, "Active" => true, "Type" => "NON_CREDIT_CARD"}));
    }
    for (id, name, days) in TERMS {
        all.push(("Term", *id, obj! {"Name" => *name, "Active" => true, "Type" => "STANDARD", "DueDays" => *days}));
    }
    all
}

/// Customers, vendors and employees share their display names.
pub(crate) const NAMES: &[&str] = &["Customer", "Vendor", "Employee"];
pub(crate) const TRANSACTIONS: &[&str] =
    &["Invoice", "CreditMemo", "JournalEntry", "Payment", "Estimate", "SalesReceipt", "RefundReceipt"];
/// Lists.
const LISTS: &[&str] =
    &["Term", "Account", "Item", "Class", "Department", "TaxCode", "PaymentMethod", "CustomerType", "CompanyCurrency"];
/// Files and notes, each attached to something.
pub(crate) const ATTACHABLE: &str = "Attachable";
/// Entities of the purchase side and others: a company has them, this one has none and takes none.
const EMPTY: &[&str] = &[
    "Bill",
    "BillPayment",
    "Purchase",
    "PurchaseOrder",
    "VendorCredit",
    "Deposit",
    "Transfer",
    "TimeActivity",
    "TaxRate",
    "TaxAgency",
    "Budget",
    "JournalCode",
    "InventoryAdjustment",
    "RecurringTransaction",
    "CreditCardPayment",
    "ReimburseCharge",
];

/// The entity of the vendor's spelling, whatever the case.
pub(crate) fn entity(name: &str) -> Option<&'static str> {
    let all = NAMES.iter().chain(TRANSACTIONS).chain(LISTS).chain(EMPTY).chain(&[ATTACHABLE]);
    all.copied().find(|known| known.eq_ignore_ascii_case(name))
}

pub(crate) fn writable(entity: &str) -> bool {
    !EMPTY.contains(&entity)
}

pub(crate) fn voidable(entity: &str) -> bool {
    matches!(entity, "Invoice" | "Payment" | "SalesReceipt")
}

/// The longest text that a property takes.
pub(crate) fn longest(name: &str) -> Option<usize> {
    Some(match name {
        "DocNumber" => 21,
        "PrivateNote" | "Description" => 4000,
        "Note" => 2000,
        "DisplayName" => 500,
        "CompanyName" | "GivenName" | "FamilyName" | "MiddleName" => 100,
        "Name" => 100,
        _ => return None,
    })
}
