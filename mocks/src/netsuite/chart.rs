//! What an account holds from the start, and which properties its record types have.

use crate::json::{Json, obj};

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
    ("127", "4900", "Foreign Exchange Gain/Loss", "OthIncome"),
];

pub(crate) const RECEIVABLE: &str = "119";
pub(crate) const UNDEPOSITED: &str = "118";
pub(crate) const INCOME: &str = "123";

/// `(id, name, account that a sale posts to)`
const ITEMS: &[(&str, &str, &str)] = &[("5", "Milestone service", "122"), ("6", "Services, recognised at once", "123")];

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
pub(crate) const SUBLISTS: &[&str] =
    &["item", "line", "apply", "milestone", "recurrence", "taxDetails", "percentCompleteOverride"];

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
        "salesOrder" => " orderStatus nextBill shipComplete saleseffectivedate salesEffectiveDate ",
        "invoice" => " account revRecSchedule revRecStartDate revRecEndDate revRecOnRevCommitment tranIsVsoeBundle ",
        "cashSale" => " account paymentMethod undepFunds ",
        "creditMemo" => " account apply autoApply applied unapplied ",
        "estimate" => " expectedCloseDate probability title entityStatus ",
        "customerPayment" => {
            " customer payment apply autoApply undepFunds account arAcct paymentMethod applied unapplied checkNum "
        }
        "journalEntry" => " line approved reversalDate reversalDefer isBookSpecific accountingBook void toSubsidiary ",
        "customer" => {
            " entityId companyName isPerson firstName lastName email phone fax url comments subsidiary currency terms category \
             entityStatus parent defaultAddress addressBook accountNumber vatRegNumber taxable receivablesAccount \
             emailPreference salesRep creditLimit dateEntered "
        }
        "job" => {
            " entityId companyName parent customer subsidiary currency jobBillingType billingSchedule jobItem jobPrice \
             percentComplete percentCompleteOverride projectCompletelyBilled revRecForecastRule estimateRevRecTemplate \
             startDate projectedEndDate entityStatus comments "
        }
        "projectTask" => {
            " title project parent status percentTimeComplete startDateTime startDate endDate finishByDate estimatedWork \
             priority constraintType message "
        }
        "billingSchedule" => {
            " name scheduleType initialAmount initialTerms frequency repeatEvery recurrence milestone job project transaction \
             isPublic numberRemaining applyToSubtotal inArrears billForActuals "
        }
        "billingRevenueEvent" => {
            " amount cumulativePercentComplete quantity eventDate eventPurpose eventType transactionLine projectRevenueRule \
             startDate endDate recordType "
        }
        "revRecSchedule" => {
            " name amortizationType recurrenceType sourceTran recurrence initialAmount totalAmount startDate endDate status "
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

/// The vendor's spelling of a property of a record type: his own tutorials do not keep to the case.
pub(crate) fn property(kind: &str, name: &str) -> Option<String> {
    let custom = ["custbody", "custentity", "custrecord", "custevent"].iter().any(|start| name.starts_with(start));
    if custom {
        return Some(name.to_lowercase());
    }
    let common = if transaction(kind).is_some() { TRANSACTION } else { "" };
    let hidden = kind == "journalEntry" && name.eq_ignore_ascii_case("item");
    let found = word(own(kind), name).or_else(|| word(common, name)).or_else(|| word(COMMON, name));
    found.or_else(|| word(COMPUTED, name)).filter(|_| !hidden).map(str::to_string)
}

/// The vendor's spelling of a property of a line.
pub(crate) fn line_property(name: &str) -> Option<String> {
    if name.starts_with("custcol") { Some(name.to_lowercase()) } else { word(LINE, name).map(str::to_string) }
}

/// All properties of a type, for its schema.
pub(crate) fn properties(kind: &str) -> Vec<&'static str> {
    let common = if transaction(kind).is_some() { TRANSACTION } else { "" };
    [COMMON, own(kind), common].iter().flat_map(|words| words.split_whitespace()).collect()
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Number,
    Flag,
    Date,
    Any,
}

pub(crate) fn shape(name: &str) -> Shape {
    const NUMBERS: &str = " quantity rate amount debit credit exchangeRate payment due total milestoneAmount initialAmount jobPrice totalAmount \
        percentComplete percentTimeComplete estimatedWork cumulativePercentComplete recAmount daysUntilNetDue ";
    const FLAGS: &str = " isClosed apply autoApply undepFunds toBeEmailed toBePrinted toBeFaxed isPerson milestoneCompleted isPublic \
        approved isBookSpecific deferRevRec taxDetailsOverride isInactive doNotCreateRevenueElement isRecognized eliminate \
        reversalDefer projectCompletelyBilled ";
    const DATES: &str = " tranDate dueDate startDate endDate revRecStartDate revRecEndDate milestoneDate recurDate reversalDate \
        milestoneActualCompletionDate eventDate chargeDate projectedEndDate finishByDate ";
    let among = |words: &str| word(words, name).is_some();
    if among(NUMBERS) {
        Shape::Number
    } else if among(FLAGS) {
        Shape::Flag
    } else if among(DATES) {
        Shape::Date
    } else {
        Shape::Any
    }
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

/// Enumerations whose values are fixed.
pub(crate) fn allowed(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "orderStatus" => &["A", "B"],
        "jobBillingType" | "scheduleType" => &["1", "2", "3", "4", "5"],
        "eventPurpose" => &["ACTUAL", "FORECAST"],
        "approvalStatus" => &["1", "2", "3", "11"],
        _ => return None,
    })
}
