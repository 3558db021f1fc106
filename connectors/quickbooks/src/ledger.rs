//! The company's own ledger: the report GeneralLedger of our accounts and of receivables, half a year at a time, as Intuit advises.
//! Amounts are in the currency of their transaction, and have the sign that is natural to the account.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_connector_kit::{Class, Fault, LedgerLine, read};
use milestoned_mapping::command::Account;
use milestoned_mapping::fact::DecimalText;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{QuickBooks, wire};

/// What is asked for of each line.
const COLUMNS: &str = "tx_date,txn_type,doc_num,subt_nat_amount,currency";
/// First cell of the line that carries a balance forward.
const CARRIED: &str = "Beginning Balance";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    #[serde(default)]
    columns: Columns,
    #[serde(default)]
    rows: Rows,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Columns {
    #[serde(default)]
    column: Vec<Column>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Column {
    #[serde(default)]
    col_type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rows {
    #[serde(default)]
    row: Vec<ReportRow>,
}

/// A section with its own rows, or a line.
#[derive(Debug, Deserialize)]
struct ReportRow {
    #[serde(rename = "Header", default)]
    header: Option<Cells>,
    #[serde(rename = "Rows", default)]
    rows: Rows,
    #[serde(rename = "ColData", default)]
    cells: Vec<Cell>,
}

#[derive(Debug, Default, Deserialize)]
struct Cells {
    #[serde(rename = "ColData", default)]
    cells: Vec<Cell>,
}

#[derive(Debug, Default, Deserialize)]
struct Cell {
    #[serde(default)]
    value: String,
    #[serde(default)]
    id: Option<String>,
}

impl QuickBooks {
    /// Every posting through a date: what is dated earlier than `from` as one balance of each account.
    pub(crate) async fn postings(&self, from: Date, through: Date) -> Result<Vec<LedgerLine>, Fault> {
        let accounts = self.ledger_accounts().await?;
        let ids: Vec<&str> = accounts.keys().map(String::as_str).collect();
        let (mut lines, mut start) = (Vec::new(), from);
        while start <= through {
            let end = start.saturating_add(6.months()).yesterday().unwrap_or(through).min(through);
            let path = format!(
                "reports/GeneralLedger?start_date={start}&end_date={end}&account={}&columns={COLUMNS}&accounting_method=Accrual",
                ids.join(",")
            );
            let answer = self.get(&path).await?;
            let report: Report = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
            let place = |name: &str| report.columns.column.iter().position(|column| column.col_type == name);
            let places = ["tx_date", "txn_type", "doc_num", "subt_nat_amount", "currency"].map(place);
            let mut read = Vec::new();
            for section in &report.rows.row {
                self.section(section, (&accounts, None), places, &mut read)
                    .map_err(|said| self.client.fault(Class::Misunderstood, said, None))?;
            }
            // A balance that was carried forward is what the windows before this one have shown.
            lines.extend(read.into_iter().filter(|line: &LedgerLine| start == from || !line.id.is_empty()));
            match end.tomorrow() {
                Ok(next) => start = next,
                Err(_) => break,
            }
        }
        Ok(lines)
    }

    /// Ids of our accounts and of those of receivables, each with what it is.
    async fn ledger_accounts(&self) -> Result<BTreeMap<String, Account>, Fault> {
        let answer =
            self.query("SELECT * FROM Account WHERE AccountType = 'Accounts Receivable' MAXRESULTS 1000").await?;
        let mut accounts = BTreeMap::new();
        for (_, raw) in self.objects(&answer.body)? {
            let saved: wire::Saved = read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
            accounts.insert(saved.id, Account::AccountsReceivable);
        }
        for (name, id) in &self.settings.accounts {
            let account = match name.as_str() {
                "unbilled_receivable" => Account::UnbilledReceivable,
                "contract_asset" => Account::ContractAsset,
                "deferred_revenue" => Account::DeferredRevenue,
                "revenue" => Account::Revenue,
                _ => continue,
            };
            accounts.insert(id.clone(), account);
        }
        Ok(accounts)
    }

    /// Lines of a section and of those within it. A sub-account stands within its parent.
    fn section(
        &self,
        row: &ReportRow,
        (accounts, within): (&BTreeMap<String, Account>, Option<Account>),
        places: [Option<usize>; 5],
        lines: &mut Vec<LedgerLine>,
    ) -> Result<(), String> {
        let head = row.header.as_ref().and_then(|header| header.cells.first()).and_then(|cell| cell.id.as_ref());
        let account = head.and_then(|id| accounts.get(id).copied()).or(within);
        for subsection in &row.rows.row {
            self.section(subsection, (accounts, account), places, lines)?;
        }
        if let Some(account) = account.filter(|_| !row.cells.is_empty()) {
            lines.extend(self.posting_of(account, &row.cells, places)?);
        }
        Ok(())
    }

    fn posting_of(
        &self,
        account: Account,
        cells: &[Cell],
        places: [Option<usize>; 5],
    ) -> Result<Option<LedgerLine>, String> {
        let cell = |place: Option<usize>| place.and_then(|place| cells.get(place));
        let [day, kind, number, amount, currency] = places;
        let text = |place: Option<usize>| cell(place).map(|cell| cell.value.trim()).unwrap_or_default();
        let carried = text(day) == CARRIED;
        if text(amount).is_empty() {
            return Ok(None);
        }
        let natural: Decimal = text(amount)
            .replace(',', "")
            .parse()
            .map_err(|_| format!("subt_nat_amount: {:?} is no amount", text(amount)))?;
        let credits = matches!(account, Account::DeferredRevenue | Account::Revenue);
        let on = if carried { Ok(Date::MIN) } else { text(day).parse() };
        Ok(Some(LedgerLine {
            account,
            on: on.map_err(|_| format!("tx_date: {:?} is no date", text(day)))?,
            currency: Some(text(currency))
                .filter(|code| !code.is_empty())
                .unwrap_or(&self.settings.home_currency)
                .to_owned(),
            amount: DecimalText(if credits { -natural } else { natural }),
            kind: if carried { "balance carried forward" } else { text(kind) }.to_owned(),
            id: if carried { String::new() } else { cell(kind).and_then(|cell| cell.id.clone()).unwrap_or_default() },
            number: text(number).to_owned(),
        }))
    }
}
