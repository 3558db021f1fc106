//! The company's own ledger: posted lines of our accounts, each with the invoice, the payment or the entry that it is of. Amounts
//! are in the currency of their document.

use std::collections::BTreeMap;

use jiff::civil::Date;
use milestoned_connector_kit::{Fault, LedgerLine};
use milestoned_mapping::command::Account;
use milestoned_mapping::fact::DecimalText;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::OWN_ENTRY;
use super::pull::{INVOICE, number_of};
use super::{Question, Tryton, wire};

/// Lines of account moves.
const LINE: &str = "account.move.line";
/// Rows of a page.
const MOST: usize = 1_000;
const LINE_FIELDS: [&str; 9] = [
    "account.id",
    "debit",
    "credit",
    "second_currency.code",
    "amount_second_currency",
    "description",
    "move.number",
    "move.description",
    "move.date",
];
const INVOICED_FIELDS: [&str; 7] = [
    "number",
    "reference",
    "move.id",
    "cancel_move",
    "additional_moves.id",
    "payment_lines.id",
    "reconciliation_lines.id",
];

/// What moves and lines are of.
#[derive(Default)]
struct InvoicedMoves {
    /// Numbers of customer invoices and credit notes, by their moves and by those that cancel them.
    invoices: BTreeMap<i64, String>,
    /// Invoices by the lines that pay them.
    paid: BTreeMap<i64, i64>,
}

impl Tryton {
    /// Every posting through a date.
    pub(crate) async fn postings(&self, through: Date) -> Result<Vec<LedgerLine>, Fault> {
        let invoiced = self.invoiced().await?;
        let currency = &self.company().await?.currency;
        let accounts: Vec<i64> = self.settings.accounts.values().copied().collect();
        let domain = vec![
            json!(["move.company", "=", self.settings.company]),
            json!(["move.state", "=", "posted"]),
            json!(["move.date", "<=", wire::date(through)]),
            json!(["account", "in", accounts]),
        ];
        let lines: Vec<wire::PostedLine> =
            self.all(LINE, &domain, &LINE_FIELDS, |line: &wire::PostedLine| line.id).await?;
        Ok(lines.iter().filter_map(|line| self.posting(line, &invoiced, currency)).collect())
    }

    async fn invoiced(&self) -> Result<InvoicedMoves, Fault> {
        let domain = self.wanted(INVOICE);
        let all: Vec<wire::InvoiceMoves> =
            self.all(INVOICE, &domain, &INVOICED_FIELDS, |invoice: &wire::InvoiceMoves| invoice.id).await?;
        let mut invoiced = InvoicedMoves::default();
        for invoice in all {
            let Some(number) = number_of(invoice.reference.as_ref(), invoice.number.as_ref()) else { continue };
            let own =
                invoice.entry.iter().chain(&invoice.additional_moves).map(|row| row.id).chain(invoice.cancel_move);
            invoiced.invoices.extend(own.map(|id| (id, number.clone())));
            let lines = invoice.payment_lines.iter().chain(&invoice.reconciliation_lines);
            invoiced.paid.extend(lines.map(|line| (line.id, invoice.id)));
        }
        Ok(invoiced)
    }

    /// All records of a model that a domain finds, page by page in the order of their ids.
    async fn all<T: DeserializeOwned>(
        &self,
        model: &str,
        domain: &[Value],
        fields: &[&str],
        id: fn(&T) -> i64,
    ) -> Result<Vec<T>, Fault> {
        let (mut all, mut last) = (Vec::new(), 0);
        loop {
            let after = domain.iter().cloned().chain([json!(["id", ">", last])]);
            let domain: Vec<Value> = after.collect();
            let order = json!([["id", "ASC"]]);
            let question = Question { domain: domain.into(), fields, order, most: Some(MOST) };
            let some: Vec<T> = self.find_all(model, &question).await?;
            let is_last = some.len() < MOST;
            last = some.last().map_or(last, id);
            all.extend(some);
            if is_last {
                return Ok(all);
            }
        }
    }

    fn posting(&self, line: &wire::PostedLine, invoiced: &InvoicedMoves, currency: &str) -> Option<LedgerLine> {
        let entry = &line.entry;
        let words = line.description.as_deref().unwrap_or_default();
        let (kind, id, number) = match (invoiced.invoices.get(&entry.id), invoiced.paid.get(&line.id)) {
            (Some(number), _) => ("Invoice", String::new(), Some(number)),
            (None, Some(invoice)) => ("Payment", invoice.to_string(), entry.number.as_ref()),
            (None, None) if words.contains(OWN_ENTRY) => ("Journal entry", String::new(), entry.description.as_ref()),
            (None, None) => ("Account move", String::new(), entry.number.as_ref()),
        };
        let foreign = line.second_currency.as_ref().zip(line.amount_second_currency);
        let (currency, amount) = match foreign {
            Some((currency, amount)) => (currency.code.clone(), amount.0.0),
            None => (currency.to_owned(), line.debit.0.0.checked_sub(line.credit.0.0)?),
        };
        Some(LedgerLine {
            account: self.account_of(line.account.id)?,
            on: entry.date.0,
            currency,
            amount: DecimalText(amount),
            kind: kind.into(),
            id,
            number: number.cloned().unwrap_or_default(),
        })
    }

    /// Which of our accounts has this id.
    fn account_of(&self, id: i64) -> Option<Account> {
        let name = self.settings.accounts.iter().find(|(_, known)| **known == id).map(|(name, _)| name.as_str());
        match name? {
            "accounts_receivable" => Some(Account::AccountsReceivable),
            "unbilled_receivable" => Some(Account::UnbilledReceivable),
            "contract_asset" => Some(Account::ContractAsset),
            "deferred_revenue" => Some(Account::DeferredRevenue),
            "revenue" => Some(Account::Revenue),
            _ => None,
        }
    }
}
