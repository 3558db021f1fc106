//! The report of the general ledger: a section for each account, in it what was carried forward and a line for each posting. Amounts
//! have the sign that is natural to the account.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::faults::{Fault, fault};
use super::state::State;
use crate::call::Call;
use crate::document::Side;
use crate::json::{Json, list, obj};

/// Columns that it can show, each with its title.
const COLUMNS: &[(&str, &str)] = &[
    ("tx_date", "Date"),
    ("txn_type", "Transaction Type"),
    ("doc_num", "Num"),
    ("name", "Name"),
    ("memo", "Memo/Description"),
    ("subt_nat_amount", "Amount"),
    ("currency", "Currency"),
];
/// Those that are shown where nobody asks for others.
const SHOWN: &str = "tx_date,txn_type,doc_num,name,memo,subt_nat_amount";
/// Entities that post, each with what the report calls it.
const POSTING: &[(&str, &str)] =
    &[("Invoice", "Invoice"), ("CreditMemo", "Credit Memo"), ("Payment", "Payment"), ("JournalEntry", "Journal Entry")];

/// A posting to an account.
struct Posted {
    on: String,
    kind: &'static str,
    record: Json,
    amount: Decimal,
}

impl State {
    pub(crate) fn general_ledger(&self, call: &Call) -> Result<Json, Fault> {
        let date = |name: &str| -> Result<String, Fault> {
            let text = call.param(name).unwrap_or_default();
            let read: Result<Date, _> = text.parse();
            read.map(|date| date.to_string()).map_err(|_| {
                fault(
                    "5020",
                    "Permission Denied Error",
                    format!("Permission Denied Error : Invalid value for {name}: {text}"),
                )
            })
        };
        let (start, end) = (date("start_date")?, date("end_date")?);
        let asked = call.param("columns").unwrap_or(SHOWN);
        let columns: Vec<&(&str, &str)> =
            COLUMNS.iter().filter(|(name, _)| asked.split(',').any(|text| text == *name)).collect();
        let wanted: Option<Vec<&str>> = call.param("account").map(|ids| ids.split(',').collect());
        let mut sections = Vec::new();
        for account in self.every("Account") {
            let id = account.text("Id");
            if wanted.as_ref().is_none_or(|wanted| wanted.contains(&id.as_str())) {
                sections.extend(self.section(&account, (&start, &end), &columns));
            }
        }
        let heads = columns.iter().map(|(kind, title)| obj! {"ColTitle" => *title, "ColType" => *kind}).collect();
        let none = if sections.is_empty() { "true" } else { "false" };
        Ok(obj! {
            "Header" => obj! {
                "Time" => self.stamp(), "ReportName" => "GeneralLedger", "ReportBasis" => "Accrual", "StartPeriod" => &start,
                "EndPeriod" => &end, "Currency" => "USD", "Option" => list![obj! {"Name" => "NoReportData", "Value" => none}],
            },
            "Columns" => obj! {"Column" => Json::List(heads)},
            "Rows" => obj! {"Row" => Json::List(sections)},
        })
    }

    /// The section of an account; none where nothing was posted to it.
    fn section(&self, account: &Json, (start, end): (&str, &str), columns: &[&(&str, &str)]) -> Option<Json> {
        let mut posted = self.posted_to(account, end);
        let income = account.text("Classification") == "Revenue";
        let carried: Decimal =
            posted.iter().filter(|posted| posted.on.as_str() < start).map(|posted| posted.amount).sum();
        posted.retain(|posted| posted.on.as_str() >= start);
        // accounts of income begin anew
        let carried = if income { Decimal::ZERO } else { carried };
        if posted.is_empty() && carried.is_zero() {
            return None;
        }
        let amount = |amount: Decimal| format!("{amount:.2}");
        let sum: Decimal = posted.iter().map(|posted| posted.amount).sum::<Decimal>() + carried;
        let mut rows = Vec::new();
        if !carried.is_zero() {
            let cells = columns.iter().map(|(name, _)| match *name {
                "tx_date" => obj! {"value" => "Beginning Balance"},
                "subt_nat_amount" => obj! {"value" => amount(carried)},
                _ => obj! {"value" => ""},
            });
            rows.push(obj! {"ColData" => Json::List(cells.collect()), "type" => "Data"});
        }
        for posting in &posted {
            let cells = columns.iter().map(|(name, _)| match *name {
                "tx_date" => obj! {"value" => &posting.on},
                "txn_type" => obj! {"value" => posting.kind, "id" => posting.record.text("Id")},
                "doc_num" => obj! {"value" => posting.record.text("DocNumber")},
                "name" => obj! {"value" => posting.record.text("CustomerRef.name")},
                "memo" => obj! {"value" => posting.record.text("PrivateNote")},
                "currency" => obj! {"value" => posting.record.text("CurrencyRef.value")},
                _ => obj! {"value" => posting.amount.normalize().to_string()},
            });
            rows.push(obj! {"ColData" => Json::List(cells.collect()), "type" => "Data"});
        }
        let head = obj! {"value" => account.text("Name"), "id" => account.text("Id")};
        let total =
            list![obj! {"value" => format!("Total for {}", account.text("Name"))}, obj! {"value" => amount(sum)}];
        Some(obj! {
            "Header" => obj! {"ColData" => list![head]}, "Rows" => obj! {"Row" => Json::List(rows)},
            "Summary" => obj! {"ColData" => total}, "type" => "Section",
        })
    }

    /// What was posted to an account through a date, in order.
    fn posted_to(&self, account: &Json, end: &str) -> Vec<Posted> {
        let id = account.text("Id");
        let credits = matches!(account.text("Classification").as_str(), "Liability" | "Revenue" | "Equity");
        let mut all = Vec::new();
        for (entity, kind) in POSTING {
            for record in self.every(entity) {
                let on = record.text("TxnDate");
                if on.as_str() > end {
                    continue;
                }
                for (_, side, text) in self.postings(entity, &record).into_iter().filter(|(to, ..)| *to == id) {
                    let amount: Decimal = text.parse().unwrap_or_default();
                    let amount = if (side == Side::Credit) == credits { amount } else { -amount };
                    all.push(Posted { on: on.clone(), kind, record: record.clone(), amount });
                }
            }
        }
        all.sort_by_key(|posted| (posted.on.clone(), posted.record.int("Id")));
        all
    }
}
