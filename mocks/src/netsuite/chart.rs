//! What an account holds from the start: accounts, items, currencies, terms.

/// `(id, number, name, type)`
pub(crate) const ACCOUNTS: &[(&str, &str, &str, &str)] = &[
    ("1", "1000", "Checking", "Bank"),
    ("118", "1090", "Undeposited Funds", "OthCurrAsset"),
    ("119", "1100", "Accounts Receivable", "AcctRec"),
    ("120", "1110", "Unbilled Receivable", "UnbilledRec"),
    ("121", "1120", "Contract Asset", "OthCurrAsset"),
    ("122", "2400", "Deferred Revenue", "DeferRevenue"),
    ("123", "4000", "Services Revenue", "Income"),
    ("124", "2410", "Refund Liability", "OthCurrLiab"),
    ("125", "7100", "Interest Income", "OthIncome"),
    ("126", "6800", "Bad Debt Expense", "Expense"),
    ("127", "4900", "Foreign Exchange Gain/Loss", "OthIncome"),
];

pub(crate) const RECEIVABLE: &str = "119";
pub(crate) const UNDEPOSITED: &str = "118";

/// `(id, name, income account)`
pub(crate) const ITEMS: &[(&str, &str, &str)] =
    &[("5", "Milestone service", "122"), ("6", "Services, recognised at once", "123")];

/// `(id, symbol, minor digits)`
pub(crate) const CURRENCIES: &[(&str, &str, u32)] = &[
    ("1", "USD", 2),
    ("2", "GBP", 2),
    ("3", "CAD", 2),
    ("4", "EUR", 2),
    ("5", "JPY", 0),
    ("6", "CHF", 2),
    ("7", "KWD", 3),
    ("8", "SEK", 2),
    ("9", "AUD", 2),
    ("10", "INR", 2),
    ("11", "SGD", 2),
    ("12", "DKK", 2),
    ("13", "NOK", 2),
    ("14", "BHD", 3),
    ("15", "PLN", 2),
    ("16", "BRL", 2),
];

/// `(id, name, days)`
pub(crate) const TERMS: &[(&str, &str, i64)] =
    &[("1", "Net 15", 15), ("2", "Net 30", 30), ("3", "Net 60", 60), ("4", "Due on receipt", 0), ("5", "Net 45", 45)];

/// `(record type of REST, type of SuiteQL, prefix of its numbers)`
pub(crate) const TRANSACTIONS: &[(&str, &str, &str)] = &[
    ("salesOrder", "SalesOrd", "SO"),
    ("invoice", "CustInvc", "INV"),
    ("creditMemo", "CustCred", "CM"),
    ("journalEntry", "Journal", "JE"),
    ("customerPayment", "CustPymt", "PYMT"),
    ("estimate", "Estimate", "EST"),
];

/// Other record types that can be written.
pub(crate) const OTHERS: &[&str] =
    &["customer", "job", "projectTask", "billingRevenueEvent", "revRecSchedule", "billingSchedule", "charge"];

/// The record type of the vendor's spelling, whatever the case.
pub(crate) fn kind(name: &str) -> Option<&'static str> {
    let known = TRANSACTIONS.iter().map(|known| known.0).chain(OTHERS.iter().copied());
    known.chain(["currency", "term", "account", "serviceSaleItem"]).find(|known| known.eq_ignore_ascii_case(name))
}

pub(crate) fn transaction(kind: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    TRANSACTIONS.iter().find(|known| known.0 == kind)
}

const HEADER: &str = " entity customer tranId tranDate dueDate memo currency exchangeRate subsidiary terms otherRefNum location class \
    department item line externalId customForm postingPeriod createdFrom orderStatus approvalStatus approved startDate endDate \
    account payment apply autoApply undepFunds email phone companyName entityId isPerson firstName lastName parent project \
    billingSchedule reversalDate reversalDefer id links void billingAddress shippingAddress toBeEmailed discountItem salesRep \
    message job title name status isInactive custom accountingBook isBookSpecific eventDate eventType eventPurpose amount quantity \
    transactionLine cumulativePercentComplete recordType comments url category source estimatedWork vatRegNumber defaultAddress \
    taxDetails taxDetailsOverride taxPointDate recurrence milestone scheduleType jobBillingType jobItem jobPrice paymentMethod \
    arAcct balance total subtotal ";

const LINE: &str = " item quantity rate amount price description line lineUniqueKey orderLine orderDoc account debit credit memo \
    entity class department location startDate endDate revRecStartDate revRecEndDate revRecSchedule deferRevRec isClosed \
    billingSchedule taxDetailsReference taxCode apply doc due total units revenueRecognitionRule schedule eliminate links refName \
    revRecTermInMonths createdFrom quantityBilled id ";

pub(crate) fn header_knows(name: &str) -> bool {
    name.starts_with("custbody")
        || name.starts_with("custentity")
        || name.starts_with("custrecord")
        || word_in(HEADER, name)
}

pub(crate) fn line_knows(name: &str) -> bool {
    name.starts_with("custcol") || word_in(LINE, name)
}

fn word_in(words: &str, name: &str) -> bool {
    !name.is_empty() && words.split(' ').any(|word| word == name)
}
