//! What an account holds from the start, and which properties its record types have.

use std::sync::LazyLock;

use crate::json::{Json, obj};
use crate::properties::Properties;

/// `(id, number, name, type)`
const ACCOUNTS: &[(&str, &str, &str, &str)] = &[
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
    ("128", "2300", "Sales Tax Payable", "OthCurrLiab"),
    ("127", "4900", "Foreign Exchange Gain/Loss", "OthIncome"),
];

pub(crate) const RECEIVABLE: &str = "119";
pub(crate) const UNDEPOSITED: &str = "118";
pub(crate) const INCOME: &str = "123";
pub(crate) const TAX_PAYABLE: &str = "128";

/// `(id, name, account that a sale posts to)`
const ITEMS: &[(&str, &str, &str)] = &[("5", "Milestone service", "122"), ("6", "Services, recognised at once", "123")];

/// Tax codes: `(id, name, percent)`.
const TAX_CODES: &[(&str, &str, u32)] = &[("-7", "Not Taxable", 0), ("7", "VAT 20", 20), ("8", "Reverse Charge", 0)];

/// Percent of a tax code.
pub(crate) fn tax_percent(code: &str) -> Option<u32> {
    TAX_CODES.iter().find(|known| known.0 == code).map(|known| known.2)
}

/// `(id, symbol, minor digits, rate to the currency of the books)`
const CURRENCIES: &[(&str, &str, u32, &str)] = &[
    ("1", "USD", 2, "1"),
    ("2", "GBP", 2, "1.27"),
    ("3", "CAD", 2, "0.73"),
    ("4", "EUR", 2, "1.08"),
    ("5", "JPY", 0, "0.0067"),
    ("6", "CHF", 2, "1.12"),
    ("7", "KWD", 3, "3.25"),
    ("8", "SEK", 2, "0.095"),
    ("9", "AUD", 2, "0.66"),
    ("10", "INR", 2, "0.012"),
    ("11", "SGD", 2, "0.74"),
    ("12", "DKK", 2, "0.145"),
    ("13", "NOK", 2, "0.094"),
    ("14", "BHD", 3, "2.65"),
    ("15", "PLN", 2, "0.25"),
    ("16", "BRL", 2, "0.18"),
];

/// `(id, name, days)`
const TERMS: &[(&str, &str, i64)] =
    &[("1", "Net 15", 15), ("2", "Net 30", 30), ("3", "Net 60", 60), ("4", "Due on receipt", 0), ("5", "Net 45", 45)];

/// Records of the start: type, id, record.
pub(crate) fn start() -> Vec<(&'static str, &'static str, Json)> {
    let mut all = vec![("subsidiary", "1", obj! {"name" => "Parent Company", "isInactive" => false})];
    for (id, number, name, kind) in ACCOUNTS {
        let account = obj! {"acctNumber" => *number, "acctName" => *name, "acctType" => *kind, "isInactive" => false};
        all.push(("account", *id, account));
    }
    for (id, name, sale) in ITEMS {
        let item = obj! {
            "itemId" => *name, "displayName" => *name, "incomeAccount" => obj! {"id" => *sale}, "isInactive" => false,
        };
        all.push(("serviceSaleItem", *id, item));
    }
    for (id, symbol, digits, rate) in CURRENCIES {
        let rate = Json::Number((*rate).to_string());
        let currency =
            obj! {"name" => *symbol, "symbol" => *symbol, "currencyPrecision" => *digits, "exchangeRate" => rate};
        all.push(("currency", *id, currency));
    }
    for (id, name, days) in TERMS {
        all.push(("term", *id, obj! {"name" => *name, "daysUntilNetDue" => *days, "isInactive" => false}));
    }
    all
}

/// `(record type of REST, type of SuiteQL, prefix of its numbers)`
pub(crate) const TRANSACTIONS: &[(&str, &str, &str)] = &[
    ("salesOrder", "SalesOrd", "SO"),
    ("invoice", "CustInvc", "INV"),
    ("cashSale", "CashSale", "CS"),
    ("creditMemo", "CustCred", "CM"),
    ("journalEntry", "Journal", "JE"),
    ("customerPayment", "CustPymt", "PYMT"),
    ("estimate", "Estimate", "EST"),
];

/// Record types with references to them, beside the transactions. Revenue arrangements, elements and plans are not among
/// them: REST does not have them.
const OTHERS: &[&str] = &[
    "customer",
    "job",
    "projectTask",
    "billingRevenueEvent",
    "revRecSchedule",
    "revRecTemplate",
    "billingSchedule",
    "charge",
    "term",
    "account",
    "currency",
    "subsidiary",
    "serviceSaleItem",
];

/// Types that REST shows but does not let everybody write.
pub(crate) const READ_ONLY: &[&str] = &["currency", "account", "subsidiary"];

/// The record type of the vendor's spelling, whatever the case.
pub(crate) fn kind(name: &str) -> Option<&'static str> {
    let mut known = TRANSACTIONS.iter().map(|known| known.0).chain(OTHERS.iter().copied());
    known.find(|known| known.eq_ignore_ascii_case(name))
}

/// All record types.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    TRANSACTIONS.iter().map(|known| known.0).chain(OTHERS.iter().copied())
}

pub(crate) fn transaction(kind: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    TRANSACTIONS.iter().find(|known| known.0 == kind)
}

/// Every sublist that a record can have.
pub(crate) const SUBLISTS: &[&str] = &[
    "item",
    "line",
    "apply",
    "milestone",
    "recurrence",
    "taxDetails",
    "percentCompleteOverride",
    "addressBook",
    "taxRegistration",
    "currencyList",
];

/// Properties that only the vendor writes; a client may send back what it read.
pub(crate) const COMPUTED: &str = " id links total subtotal status createdDate lastModifiedDate amountRemaining amountPaid balance \
    taxTotal refName source recognizedRevenue deferredRevenue nextBill remainingDeferredBalance ";

const COMMON: &str = " externalId customForm isInactive ";

const TRANSACTION: &str = " entity tranId tranDate memo currency exchangeRate subsidiary location class department postingPeriod \
    createdFrom terms otherRefNum dueDate salesRep opportunity billingSchedule job email toBeEmailed toBePrinted toBeFaxed message \
    billingAddress shippingAddress billAddressList shipAddressList startDate endDate approvalStatus discountItem discountRate \
    taxDetailsOverride taxDetails taxPointDate nexus shipDate shipMethod partner leadSource installment taxRegOverride \
    entityTaxRegNum item ";

fn own(kind: &str) -> &'static str {
    match kind {
        "cashSale" => " account paymentMethod undepFunds ",
        "estimate" => " expectedCloseDate probability title entityStatus ",
        "projectTask" => {
            " title project parent status percentTimeComplete startDateTime startDate endDate finishByDate estimatedWork \
             priority constraintType message "
        }
        "revRecTemplate" => " name amortizationPeriod amortizationType recurrenceType recurrence initialAmount ",
        "charge" => {
            " billTo billingItem chargeDate chargeType amount quantity rate currency description stage timeRecord project "
        }
        "term" => " name daysUntilNetDue discountPercent daysUntilExpiry dateDriven preferred ",
        "serviceSaleItem" => {
            " itemId displayName incomeAccount deferredRevenueAccount revenueRecognitionRule subsidiary "
        }
        "currency" => " name symbol currencyPrecision exchangeRate ",
        "account" => " acctNumber acctName acctType ",
        "subsidiary" => " name parent ",
        _ => "",
    }
}

const LINE: &str = " item quantity rate amount price description line lineUniqueKey orderLine orderDoc account debit credit memo \
    entity class department location startDate endDate revRecStartDate revRecEndDate revRecSchedule deferRevRec isClosed \
    billingSchedule taxDetailsReference taxCode apply doc due total units revenueRecognitionRule schedule eliminate links refName \
    revRecTermInMonths createdFrom quantityBilled id job doNotCreateRevenueElement milestoneId milestoneAmount milestoneDate \
    milestoneActualCompletionDate milestoneCompleted milestoneTerms projectTask comments recAmount recurDate postingPeriod \
    isRecognized journal incomeAccount defRevAccount recurrenceDate count paymentTerms taxAmount taxBasis taxRate taxType \
    netAmount grossAmount expectedShipDate ";

fn word<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    words.split(' ').find(|word| !word.is_empty() && word.eq_ignore_ascii_case(name))
}

/// The vendor's own tables of the records that the connector writes or reads.
static TABLES: LazyLock<Properties> = LazyLock::new(|| Properties::read(include_str!("../../data/netsuite.txt")));

/// The vendor's spelling of a property of a record type: his own tutorials do not keep to the case.
pub(crate) fn property(kind: &str, name: &str) -> Option<String> {
    let custom = ["custbody", "custentity", "custrecord", "custevent"].iter().any(|start| name.starts_with(start));
    if custom {
        return Some(name.to_lowercase());
    }
    if TABLES.of(kind).is_some() {
        let known = TABLES.find_in_any_case(kind, name).map(|known| known.name);
        return known.or_else(|| word(COMPUTED, name)).map(str::to_string);
    }
    let common = if transaction(kind).is_some() { TRANSACTION } else { "" };
    let found = word(own(kind), name).or_else(|| word(common, name)).or_else(|| word(COMMON, name));
    found.or_else(|| word(COMPUTED, name)).map(str::to_string)
}

/// The vendor's spelling of a property of a line; `part` is the sublist with its record, `invoice.item`.
pub(crate) fn line_property(part: &str, name: &str) -> Option<String> {
    if name.starts_with("custcol") {
        return Some(name.to_lowercase());
    }
    match TABLES.of(part) {
        Some(_) => TABLES.find_in_any_case(part, name).map(|known| known.name.to_string()),
        None => word(LINE, name).map(str::to_string),
    }
}

/// Whether a part of a record (`customer.addressBook.addressBookAddress`) has a table of its own.
pub(crate) fn is_part(part: &str) -> bool {
    TABLES.of(part).is_some()
}

/// All properties of a type, for its schema.
pub(crate) fn properties(kind: &str) -> Vec<&'static str> {
    if let Some(known) = TABLES.of(kind) {
        return known.iter().map(|property| property.name).collect();
    }
    let common = if transaction(kind).is_some() { TRANSACTION } else { "" };
    [COMMON, own(kind), common].iter().flat_map(|words| words.split_whitespace()).collect()
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Number,
    Flag,
    Date,
    Text,
    Reference,
    Enumeration,
    Any,
}

/// What a property of a record, or of a part of one, must be.
pub(crate) fn shape(part: &str, name: &str) -> Shape {
    match TABLES.find(part, name).map(|property| property.of) {
        Some("number" | "integer") => Shape::Number,
        Some("boolean") => Shape::Flag,
        Some("date") => Shape::Date,
        Some("string") => Shape::Text,
        Some("ref") => Shape::Reference,
        Some("enum") => Shape::Enumeration,
        Some(_) => Shape::Any,
        None => shape_by_name(name),
    }
}

/// What a property of a record without a table must be.
fn shape_by_name(name: &str) -> Shape {
    const NUMBERS: &str = " quantity rate amount debit credit exchangeRate payment due total initialAmount percentTimeComplete \
        estimatedWork daysUntilNetDue ";
    const FLAGS: &str = " isClosed apply autoApply undepFunds toBeEmailed toBePrinted toBeFaxed isInactive eliminate ";
    const DATES: &str = " tranDate dueDate startDate endDate chargeDate finishByDate ";
    const REFERENCES: &str = " entity customer parent currency terms account createdFrom item doc subsidiary project job \
        billingSchedule projectTask incomeAccount arAcct billTo transaction deferredRevenueAccount ";
    let shapes = [(NUMBERS, Shape::Number), (FLAGS, Shape::Flag), (DATES, Shape::Date), (REFERENCES, Shape::Reference)];
    shapes.into_iter().find(|(words, _)| word(words, name).is_some()).map_or(Shape::Any, |(_, shape)| shape)
}

/// Enumerations: shown as `{id, refName}`, or as plain text where the client asks for the simple format.
pub(crate) const ENUMS: &[&str] = &[
    "status",
    "orderStatus",
    "approvalStatus",
    "jobBillingType",
    "scheduleType",
    "frequency",
    "eventPurpose",
    "priority",
    "constraintType",
    "amortizationType",
    "recurrenceType",
    "source",
];

/// The ids of an enumeration, where they are fixed.
pub(crate) fn allowed(name: &str) -> Vec<&'static str> {
    TABLES.words("ids", name)
}
