//! What is written: the bodies of invoices, credit notes and account moves, and what those that are there say.

use milestoned_connector_kit::{Class, Fault};
use milestoned_mapping::command::{Document, JournalEntry, Side};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::record::Particulars;
use milestoned_mapping::statement::{Essential, Line, Statement, posting};
use serde_json::{Map, Value, json};

use super::settings::Numbers;
use super::{Tryton, wire};

/// By these words in its lines an entry of ours is known.
pub(crate) const OWN_ENTRY: &str = ". Revenue of contract ";

/// To whom and in what a document is written.
pub(crate) struct Billed {
    pub(crate) party: i64,
    pub(crate) address: i64,
    pub(crate) currency: i64,
}

/// A record of nothing but what Tryton must know of it: `[["create", [{…}]]]`.
fn create(records: Vec<Value>) -> Value {
    json!([["create", records]])
}

pub(crate) fn party(name: &str, known: &Particulars) -> Value {
    let mut address = Map::new();
    for (field, part) in [("street", &known.street), ("city", &known.city), ("postal_code", &known.postal_code)] {
        address.extend(part.as_ref().map(|part| (field.to_owned(), json!(part))));
    }
    let mut party = json!({ "name": name, "addresses": create(vec![Value::Object(address)]) });
    if let (Some(email), Some(fields)) = (&known.email, party.as_object_mut()) {
        let mail = json!({ "type": "email", "value": email });
        fields.insert("contact_mechanisms".into(), create(vec![mail]));
    }
    party
}

impl Tryton {
    /// An invoice, or a credit note: an invoice of a negative quantity.
    pub(crate) fn document(&self, document: &Document, billed: &Billed, credit_memo: bool) -> Value {
        let line = json!({
            "type": "line", "company": self.settings.company, "currency": billed.currency,
            "account": self.account("deferred_revenue"), "quantity": if credit_memo { -1 } else { 1 },
            "unit_price": wire::amount(document.amount), "description": document.description,
            "taxes": [["add", self.settings.taxes]],
        });
        let acceptance = document.acceptance.as_deref().unwrap_or("none");
        let order = document.po_number.as_deref().map(|po| format!("\nPO {po}")).unwrap_or_default();
        let term = self.settings.terms.get(&document.payment_terms).filter(|_| !credit_memo);
        let mut body = json!({
            "type": "out", "company": self.settings.company, "party": billed.party,
            "invoice_address": billed.address, "currency": billed.currency,
            "journal": self.settings.invoice_journal, "account": self.account("accounts_receivable"),
            "reference": document.number, "invoice_date": wire::date(document.date),
            "description": format!("Contract {}, milestone {}", document.contract, document.milestone),
            "comment": format!("Acceptance: {acceptance}{order}"), "lines": create(vec![line]),
        });
        if let Some(table) = body.as_object_mut() {
            match term {
                Some(term) => table.insert("payment_term".into(), (*term).into()),
                None => table.insert("payment_term_date".into(), wire::date(document.due_on)),
            };
            if self.settings.numbers == Numbers::Ours {
                table.insert("number".into(), document.number.clone().into());
            }
        }
        body
    }

    /// The account move of a revenue entry.
    pub(crate) async fn entry(&self, entry: &JournalEntry, party: i64) -> Result<Value, Fault> {
        let refused = |said: String| self.client.fault(Class::Refused, said, None);
        let company = self.company().await?;
        let mut lines = Vec::new();
        for line in &entry.lines {
            let (name, code) = (line.account.name(), line.amount.currency().to_string());
            if code != company.currency {
                return Err(refused(format!(
                    "the entry is in {code}, the company's books in {}: entries in another currency are not written; \
                     book it by hand",
                    company.currency
                )));
            }
            let account = self.account(name).ok_or_else(|| refused(format!("accounts.{name} is not set")))?;
            let side = |side: Side| {
                if line.side == side { wire::amount(line.amount) } else { wire::amount(0) }
            };
            let mut body = json!({
                "account": account, "debit": side(Side::Debit), "credit": side(Side::Credit),
                "description": format!("Contract {}{OWN_ENTRY}{} on {}", entry.contract, entry.contract, entry.date),
            });
            if let (true, Some(table)) = (company.with_party.contains(&account), body.as_object_mut()) {
                table.insert("party".into(), party.into());
            }
            lines.push(body);
        }
        Ok(json!({
            "company": self.settings.company, "journal": self.settings.entry_journal,
            "period": self.period(entry.date).await?, "date": wire::date(entry.date),
            "description": entry.number, "lines": create(lines),
        }))
    }

    /// The open period of a date. A date is never moved into another one.
    async fn period(&self, date: jiff::civil::Date) -> Result<i64, Fault> {
        match self.periods(date).await?.into_iter().find(|period| period.state == "open") {
            Some(period) => Ok(period.id),
            None => {
                let said = format!(
                    "no period of {date} is open: open it, or agree on another date with the controller; the date is \
                     never moved"
                );
                Err(self.client.fault(Class::Refused, said, None))
            }
        }
    }

    /// What the posted lines of a move are, by our names of accounts; of other accounts by their ids.
    pub(crate) fn posted(&self, entry: &wire::Move) -> Vec<Line> {
        let line = |line: &wire::MoveLine| {
            let ours = self.settings.accounts.iter().find(|(_, id)| **id == line.account.id).map(|(name, _)| name);
            let account = ours.cloned().unwrap_or_else(|| format!("account {}", line.account.id));
            let (side, amount) =
                if line.credit.0.0.is_zero() { (Side::Debit, line.debit.0) } else { (Side::Credit, line.credit.0) };
            Line { says: posting(side, &account), amount }
        };
        entry.lines.iter().map(line).collect()
    }

    /// What a move says.
    pub(crate) async fn move_says(&self, entry: &wire::Move) -> Result<Statement, Fault> {
        Ok(Statement {
            number: entry.description.clone(),
            currency: Some(self.company().await?.currency.clone()),
            date: Some(entry.date.0),
            amount: Some(debits(entry)),
            lines: Some(self.posted(entry)),
            ..Statement::default()
        })
    }
}

/// Sum of the debits of a move.
pub(crate) fn debits(entry: &wire::Move) -> DecimalText {
    DecimalText(entry.lines.iter().map(|line| line.debit.0.0).sum())
}

/// Whether an invoice takes back.
pub(crate) fn is_credit_memo(invoice: &wire::Invoice) -> bool {
    invoice.untaxed_amount.0.0.is_sign_negative() && !invoice.untaxed_amount.0.0.is_zero()
}

/// Lines of an invoice, positive for credit notes, too.
pub(crate) fn sold(invoice: &wire::Invoice) -> Vec<Line> {
    let lines = invoice.lines.iter().filter(|line| line.kind == "line");
    lines
        .map(|line| {
            let amount = line.amount.map(|amount| amount.0.0).unwrap_or_default();
            Line {
                says: line.description.clone().unwrap_or_default(),
                amount: DecimalText(if is_credit_memo(invoice) { -amount } else { amount }),
            }
        })
        .collect()
}

/// What an invoice says.
pub(crate) fn invoice_says(invoice: &wire::Invoice) -> Statement {
    Statement {
        number: invoice.reference.clone(),
        customer: invoice.party.name.clone(),
        currency: Some(invoice.currency.code.clone()),
        date: invoice.invoice_date.map(|date| date.0),
        amount: Some(DecimalText(invoice.untaxed_amount.0.0.abs())),
        lines: Some(sold(invoice)),
        belongs: None,
        silent: &[],
    }
}

/// What a party says: it has no currency.
pub(crate) fn party_says(party: &wire::Party) -> Statement {
    Statement { customer: party.name.clone(), silent: &[Essential::Currency], ..Statement::default() }
}
