//! The journal as plain-text accounting: hledger, beancount, CSV. What is written passes `hledger check --strict` and
//! `bean-check`: accounts, commodities and payees are declared, entries balance, closing balances are asserted exactly.
//!
//! One transaction per contract and date, as in section 7 of the rules; amounts are signed, debits positive.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::command::{Account, JournalLine, Side};
use crate::contract::Contract;
use crate::money::{Currency, Minor};

/// The entry of one contract and date, with what it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Date, in the contract's time zone.
    pub date: Date,
    /// Contract id.
    pub contract: String,
    /// Customer's name.
    pub customer: String,
    /// Currency of every line.
    pub currency: Currency,
    /// Numbers of the documents of that date.
    pub documents: Vec<String>,
    /// Lines; debits equal credits.
    pub lines: Vec<JournalLine>,
}

/// A format of plain-text accounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// <https://beancount.github.io/docs/beancount_language_syntax.html>
    Beancount,
    /// One line per entry line, amounts as decimal text.
    Csv,
    /// <https://hledger.org/hledger.html>
    Hledger,
}

const ACCOUNTS: [Account; 6] = [
    Account::AccountsReceivable,
    Account::UnbilledReceivable,
    Account::ContractAsset,
    Account::DeferredRevenue,
    Account::Revenue,
    Account::Cash,
];

impl Account {
    /// Its name in a chart of accounts: type and name in words without spaces.
    pub fn path(self) -> &'static str {
        match self {
            Self::AccountsReceivable => "Assets:AccountsReceivable",
            Self::UnbilledReceivable => "Assets:UnbilledReceivable",
            Self::ContractAsset => "Assets:ContractAsset",
            Self::DeferredRevenue => "Liabilities:DeferredRevenue",
            Self::Revenue => "Income:Revenue",
            Self::Cash => "Assets:Cash",
        }
    }
}

/// The transactions of a contract, by date: the opening balance, where others booked what is earlier, and the entries.
pub fn transactions(contract: &Contract) -> Vec<Transaction> {
    let terms = contract.terms();
    contract
        .opening_entry()
        .into_iter()
        .chain(contract.journal())
        .map(|entry| Transaction {
            date: entry.date,
            contract: terms.id().to_owned(),
            customer: terms.customer().to_owned(),
            currency: terms.currency(),
            documents: contract
                .documents()
                .iter()
                .filter(|document| document.date == entry.date && !document.withdrawn)
                .map(|document| document.number.clone())
                .collect(),
            lines: entry.lines,
        })
        .collect()
}

/// Writes transactions, in order of date and contract.
pub fn write(format: Format, mut transactions: Vec<Transaction>) -> String {
    transactions.sort_by(|a, b| (a.date, &a.contract).cmp(&(b.date, &b.contract)));
    match format {
        Format::Beancount => beancount(&transactions),
        Format::Csv => csv(&transactions),
        Format::Hledger => hledger(&transactions),
    }
}

/// Closing balance by currency and account, minor units, debits positive.
fn closing(transactions: &[Transaction]) -> BTreeMap<(Currency, usize), Minor> {
    let mut balances = BTreeMap::new();
    for transaction in transactions {
        for line in &transaction.lines {
            let index = ACCOUNTS.iter().position(|account| *account == line.account).unwrap_or_default();
            let balance: &mut Minor = balances.entry((transaction.currency, index)).or_default();
            *balance += signed(line);
        }
    }
    balances
}

fn signed(line: &JournalLine) -> Minor {
    let amount = line.amount.units();
    if line.side == Side::Debit { amount } else { -amount }
}

fn currencies(transactions: &[Transaction]) -> BTreeSet<Currency> {
    transactions.iter().map(|transaction| transaction.currency).collect()
}

/// One line of text, without what would end a description or begin a comment or a tag. At its beginning parentheses would be a
/// code, `*` and `!` a status.
fn plain(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, ';' | '|' | ',' | '"' | '\\') { ' ' } else { c })
        .collect();
    let clean = clean.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '*' | '!'));
    let words: Vec<&str> = clean.split_whitespace().collect();
    if words.is_empty() { "-".into() } else { words.join(" ") }
}

fn hledger(transactions: &[Transaction]) -> String {
    let mut out = String::from("; milestoned journal. Debits are positive.\n");
    for currency in currencies(transactions) {
        let decimals = "0".repeat(usize::from(currency.digits()));
        out.push_str(&format!("commodity 1000.{decimals} {}\n", currency.code()));
    }
    for account in ACCOUNTS {
        out.push_str(&format!("account {}\n", account.path()));
    }
    let payees: BTreeSet<String> = transactions.iter().map(|transaction| plain(&transaction.customer)).collect();
    for payee in payees {
        out.push_str(&format!("payee {payee}\n"));
    }
    out.push_str("payee milestoned\ntag contract\ntag document\n");
    for transaction in transactions {
        let documents: String =
            transaction.documents.iter().map(|number| format!(", document:{}", plain(number))).collect();
        let (payee, contract) = (plain(&transaction.customer), plain(&transaction.contract));
        out.push_str(&format!("\n{} * {payee} | {contract}  ; contract:{contract}{documents}\n", transaction.date));
        for line in &transaction.lines {
            let amount = transaction.currency.money(signed(line));
            out.push_str(&format!("    {:<28}  {amount:>18} {}\n", line.account.path(), transaction.currency.code()));
        }
    }
    if let Some(last) = transactions.last() {
        out.push_str(&format!("\n{} * milestoned | closing balances\n", last.date));
        for ((currency, place), balance) in closing(transactions) {
            let Some(account) = ACCOUNTS.get(place) else { continue };
            let (zero, balance) = (currency.minor(0), currency.money(balance));
            let code = currency.code();
            out.push_str(&format!("    {:<28}  {zero:>18} {code} = {balance} {code}\n", account.path()));
        }
    }
    out
}

fn beancount(transactions: &[Transaction]) -> String {
    let mut out = String::from("option \"title\" \"milestoned journal\"\n");
    for currency in currencies(transactions) {
        out.push_str(&format!("option \"operating_currency\" \"{}\"\n", currency.code()));
        // Entries balance to the minor unit or not at all.
        out.push_str(&format!("option \"inferred_tolerance_default\" \"{}:0\"\n", currency.code()));
    }
    let Some(first) = transactions.first() else { return out };
    for currency in currencies(transactions) {
        out.push_str(&format!("{} commodity {}\n", first.date, currency.code()));
    }
    for account in ACCOUNTS {
        out.push_str(&format!("{} open {}\n", first.date, account.path()));
    }
    for transaction in transactions {
        let links: String = transaction.documents.iter().map(|number| format!(" ^{}", link(number))).collect();
        let (payee, contract) = (plain(&transaction.customer), plain(&transaction.contract));
        out.push_str(&format!(
            "\n{} * \"{payee}\" \"{contract}\"{links}\n  contract: \"{contract}\"\n",
            transaction.date
        ));
        for line in &transaction.lines {
            let amount = transaction.currency.money(signed(line));
            out.push_str(&format!("  {:<28}  {amount:>18} {}\n", line.account.path(), transaction.currency.code()));
        }
    }
    // A balance holds at the beginning of its date.
    let after = transactions.last().and_then(|last| last.date.tomorrow().ok()).unwrap_or(first.date);
    out.push('\n');
    for ((currency, place), balance) in closing(transactions) {
        let Some(account) = ACCOUNTS.get(place) else { continue };
        let (zero, balance) = (currency.minor(0), currency.money(balance));
        out.push_str(&format!("{after} balance {}  {balance} ~ {zero} {}\n", account.path(), currency.code()));
    }
    out
}

/// Links are made of letters, digits and a few signs.
fn link(number: &str) -> String {
    number
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.') { c } else { '_' })
        .collect()
}

fn csv(transactions: &[Transaction]) -> String {
    let mut out = String::from("date,contract,customer,account,debit,credit,currency,documents\r\n");
    for transaction in transactions {
        for line in &transaction.lines {
            let amount = line.amount.to_string();
            let (debit, credit) = if line.side == Side::Debit { (amount.as_str(), "") } else { ("", amount.as_str()) };
            let documents = transaction.documents.join(" ");
            let date = transaction.date.to_string();
            let fields = [
                date.as_str(),
                &transaction.contract,
                &transaction.customer,
                line.account.name(),
                debit,
                credit,
                transaction.currency.code(),
                &documents,
            ];
            let row: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
            out.push_str(&row.join(","));
            out.push_str("\r\n");
        }
    }
    out
}

/// RFC 4180; a field that a spreadsheet would take for a formula is kept as text by a leading apostrophe.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\r', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}
