//! The account's own ledger: what is posted to our accounts and to receivables, line by line, through SuiteQL. Amounts are in the
//! currency of their transaction.

use jiff::civil::Date;
use milestoned_connector_kit::{Class, Fault, LedgerLine};
use milestoned_mapping::command::Account;
use milestoned_mapping::normalise::exact_decimal;

use super::NetSuite;
use super::sql;
use super::wire::Row;

/// Rows of a query.
const MOST: usize = 1_000;

impl NetSuite {
    /// Every posting through a date.
    pub(crate) async fn postings(&self, through: Date) -> Result<Vec<LedgerLine>, Fault> {
        let (mut lines, mut after) = (Vec::new(), (0, -1));
        loop {
            let rows = self.query(&sql::ledger(&self.settings, through, after, MOST)).await?;
            let place = |row: &Row| {
                let number = |column: &str| row.get(column).and_then(|text| text.parse::<i64>().ok());
                Some((number("parent")?, number("line")?))
            };
            let (count, last) = (rows.len(), rows.last().and_then(place));
            for row in &rows {
                let read = self.line(row).map_err(|said| self.client.fault(Class::Misunderstood, said, None))?;
                lines.push(read);
            }
            match last {
                Some(last) if count == MOST && last > after => after = last,
                _ => return Ok(lines),
            }
        }
    }

    fn line(&self, row: &Row) -> Result<LedgerLine, String> {
        let (account, amount, day) = (row.need("account")?, row.need("amount")?, row.need("day")?);
        Ok(LedgerLine {
            account: self.account_of(account),
            on: day.parse().map_err(|_| format!("trandate: {day:?} is no date"))?,
            currency: row.need("currency")?.to_owned(),
            amount: exact_decimal(amount).ok_or_else(|| format!("foreignamount: {amount:?} is no amount"))?,
            kind: row.get("type").unwrap_or_default().to_owned(),
            id: row.need("parent")?.to_owned(),
            number: row.get("number").unwrap_or_default().to_owned(),
        })
    }

    /// Which of our accounts it is; what is none of those in the settings is one of receivables.
    fn account_of(&self, id: &str) -> Account {
        let named = self.settings.accounts.iter().find(|(_, known)| *known == id).map(|(name, _)| name.as_str());
        match named {
            Some("unbilled_receivable") => Account::UnbilledReceivable,
            Some("contract_asset") => Account::ContractAsset,
            Some("deferred_revenue") => Account::DeferredRevenue,
            Some("revenue") => Account::Revenue,
            _ => Account::AccountsReceivable,
        }
    }
}
