//! What a remote document says, beside what it should say: a document that an earlier attempt may have written is
//! verified before it is adopted, and one that was written is watched afterwards.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::command::{Command, Document, JournalEntry, JournalLine, Side};
use crate::contract::{Contract, IssuedDocument};
use crate::fact::DecimalText;
use crate::money::Money;
use crate::record::{InvoiceSeen, JournalSeen};

/// The essentials of a document. Of what a remote shows an absent one is a difference, unless it is one of `silent`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statement {
    /// Document number.
    pub number: Option<String>,
    /// Customer's name.
    pub customer: Option<String>,
    /// ISO 4217 code.
    pub currency: Option<String>,
    /// Document date.
    pub date: Option<Date>,
    /// Amount without tax; of a journal entry the sum of its debits.
    pub amount: Option<DecimalText>,
    /// Lines, tax apart.
    pub lines: Option<Vec<Line>>,
    /// To what it says that it belongs (see [`belongs`]); `None`: the connection does not tell, which is no difference.
    pub belongs: Option<String>,
    /// What this vendor's kind of record has no field for.
    pub silent: &'static [Essential],
}

/// A line of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Line {
    /// Its wording; of a journal entry side and account, such as `debit deferred_revenue`.
    pub says: String,
    /// Its amount, without tax; positive.
    pub amount: DecimalText,
}

/// What a statement is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Essential {
    /// Document number.
    Number,
    /// Customer's name.
    Customer,
    /// Currency.
    Currency,
    /// Document date.
    Date,
    /// Amount.
    Amount,
    /// Lines.
    Lines,
}

impl Essential {
    fn verb(self) -> &'static str {
        match self {
            Self::Number => "number is",
            Self::Customer => "customer is",
            Self::Currency => "currency is",
            Self::Date => "date is",
            Self::Amount => "amount is",
            Self::Lines => "lines are",
        }
    }
}

/// Side and account as a line of an entry says them.
pub fn posting(side: Side, account: &str) -> String {
    format!("{} {account}", if side == Side::Debit { "debit" } else { "credit" })
}

/// Contract and milestone of a document, in words.
pub fn belongs(contract: Option<&str>, milestone: Option<&str>) -> String {
    format!("contract {}, milestone {}", contract.unwrap_or("none"), milestone.unwrap_or("none"))
}

/// One spelling of a number.
fn plain(amount: Decimal) -> DecimalText {
    DecimalText(amount.normalize())
}

fn document(number: &str, customer: &str, date: Date, amount: Money, description: &str) -> Statement {
    let amount_said = plain(amount.decimal());
    Statement {
        number: Some(number.into()),
        customer: Some(customer.into()),
        currency: Some(amount.currency().to_string()),
        date: Some(date),
        amount: Some(amount_said),
        lines: Some(vec![Line { says: description.into(), amount: amount_said }]),
        belongs: None,
        silent: &[],
    }
}

impl Statement {
    /// What the document of a command should say; nothing for a state, which may be written twice.
    pub fn of_command(command: &Command) -> Self {
        match command {
            Command::CreditMemo(one) | Command::Invoice(one) => {
                let Document { number, contract, milestone, customer, date, amount, description, .. } = one;
                let belongs = Some(belongs(Some(contract), Some(milestone)));
                Self { belongs, ..document(number, customer, *date, *amount, description) }
            }
            Command::Customer { name, currency } => {
                Self { customer: Some(name.clone()), currency: Some(currency.clone()), ..Self::default() }
            }
            Command::JournalEntry(one) => Self::of_entry(one),
            Command::InvoiceEmail(one) => Self { number: Some(one.number.clone()), ..Self::default() },
            Command::AcceptanceRecord(_) | Command::BillingStatus(_) | Command::SalesOrder(_) => Self::default(),
        }
    }

    /// What an issued document should say. The wording of an invoice that somebody else wrote is that of its author.
    pub fn of_document(contract: &Contract, issued: &IssuedDocument) -> Self {
        let customer = contract.terms().customer();
        let said = document(&issued.number, customer, issued.date, issued.amount, &issued.description);
        if issued.adopted { Self { lines: None, ..said } } else { said }
    }

    /// What a journal entry should say.
    pub fn of_entry(written: &JournalEntry) -> Self {
        let JournalEntry { number, date, lines, .. } = written;
        let debits: Decimal =
            lines.iter().filter(|line| line.side == Side::Debit).map(|line| line.amount.decimal()).sum();
        let line = |line: &JournalLine| Line {
            says: posting(line.side, line.account.name()),
            amount: plain(line.amount.decimal()),
        };
        Self {
            number: Some(number.clone()),
            currency: lines.first().map(|line| line.amount.currency().to_string()),
            date: Some(*date),
            amount: Some(plain(debits)),
            lines: Some(lines.iter().map(line).collect()),
            ..Self::default()
        }
    }

    /// What an invoice or credit memo of the ERP says.
    pub fn of_invoice(seen: &InvoiceSeen) -> Self {
        Self {
            number: Some(seen.number.clone()),
            customer: Some(seen.customer.clone()),
            currency: Some(seen.currency.clone()),
            date: Some(seen.date),
            amount: Some(seen.amount),
            lines: seen.lines.clone(),
            belongs: None,
            silent: if seen.lines.is_some() { &[] } else { &[Essential::Lines] },
        }
    }

    /// What a journal entry of the ERP says.
    pub fn of_journal(seen: &JournalSeen) -> Self {
        Self {
            number: Some(seen.number.clone()),
            customer: None,
            currency: Some(seen.currency.clone()),
            date: Some(seen.date),
            amount: Some(seen.amount),
            lines: seen.lines.clone(),
            belongs: None,
            silent: if seen.lines.is_some() { &[] } else { &[Essential::Lines] },
        }
    }

    /// How this, which a remote shows, differs from what it should say; nothing where it says the same.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: Essential, wanted: Option<String>, is: Option<String>| {
            let Some(wanted) = wanted else { return };
            match is {
                Some(is) if is == wanted => {}
                Some(is) => found.push(format!("{} {is}, not {wanted}", what.verb())),
                None if self.silent.contains(&what) => {}
                None => found.push(format!("{} not shown, and should be {wanted}", what.verb())),
            }
        };
        let amount = |statement: &Self| statement.amount.map(|amount| plain(amount.0).to_string());
        let date = |statement: &Self| statement.date.map(|date| date.to_string());
        compare(Essential::Number, wanted.number.clone(), self.number.clone());
        compare(Essential::Customer, wanted.customer.clone(), self.customer.clone());
        compare(Essential::Date, date(wanted), date(self));
        compare(Essential::Currency, wanted.currency.clone(), self.currency.clone());
        compare(Essential::Amount, amount(wanted), amount(self));
        compare(Essential::Lines, lines(wanted), lines(self));
        if let (Some(wanted), Some(is)) = (&wanted.belongs, &self.belongs)
            && wanted != is
        {
            found.push(format!("it belongs to {is}, not to {wanted}"));
        }
        found
    }
}

/// A wording as it may be stored: vendors keep no blanks, drop or replace characters outside of the basic multilingual plane (an
/// emoji, and what joins and colours it), and write `&`, `<`, `>` and quotes as HTML does.
fn wording(says: &str) -> String {
    let mut text = says.to_owned();
    for (written, meant) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")]
    {
        text = text.replace(written, meant);
    }
    text.retain(|letter| {
        letter <= '\u{ffff}' && !matches!(letter, '?' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{fffd}')
    });
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines in one order and one spelling: vendors do not keep the order.
fn lines(statement: &Statement) -> Option<String> {
    let mut lines: Vec<String> = statement
        .lines
        .as_ref()?
        .iter()
        .map(|line| format!("{:?} {}", wording(&line.says), plain(line.amount.0)))
        .collect();
    lines.sort_unstable();
    Some(lines.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(says: &str, amount: &str) -> Statement {
        Statement {
            currency: Some("USD".into()),
            amount: Some(amount.parse().unwrap()),
            lines: Some(vec![Line { says: says.into(), amount: amount.parse().unwrap() }]),
            ..Statement::default()
        }
    }

    #[test]
    fn digits_blanks_and_the_order_of_lines_are_no_difference() {
        let two = |first: &str, second: &str| Statement {
            lines: Some([first, second].map(|says| Line { says: says.into(), amount: "1".parse().unwrap() }).into()),
            ..Statement::default()
        };
        assert_eq!(said("Design  work ", "40.00").differences(&said("Design work", "40")), Vec::<String>::new());
        assert_eq!(two("a", "b").differences(&two("b", "a")), Vec::<String>::new());
    }

    #[test]
    fn a_wording_that_a_vendor_stores_in_its_own_way_is_no_difference_and_another_one_is() {
        let wanted = said("R&D: \"Launch\" 🚀\u{fe0f} <phase 2>", "40");
        for stored in [
            "R&D: \"Launch\" <phase 2>",
            "R&amp;D: &quot;Launch&quot; \u{fffd} &lt;phase 2&gt;",
            "R&D: \"Launch\" 🚀\u{fe0f} <phase 2>",
        ] {
            assert_eq!(said(stored, "40").differences(&wanted), Vec::<String>::new(), "{stored}");
        }
        assert!(!said("R&D: \"Launch\" <phase 3>", "40").differences(&wanted).is_empty());
    }

    #[test]
    fn what_is_not_shown_differs_unless_there_is_no_field_for_it() {
        let wanted = said("Design", "40");
        let mute = Statement { lines: None, currency: None, ..wanted.clone() };
        let found = mute.differences(&wanted);
        assert!(found.len() == 2 && found[0] == "currency is not shown, and should be USD", "{found:?}");
        let silent = Statement { silent: &[Essential::Currency, Essential::Lines], ..mute };
        assert_eq!(silent.differences(&wanted), Vec::<String>::new());
        assert!(said("Design, phase 2", "40").differences(&wanted)[0].starts_with("lines are"));
    }
}
