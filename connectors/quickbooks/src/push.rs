//! Writing: every write carries the delivery's key as its request id; a look-up goes by document number.

use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Sink, Statement, Write};
use milestoned_mapping::command::{Command, Document, JournalEntry, Side};
use milestoned_mapping::fact::DecimalText;
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::wire::Transaction;
use super::{QuickBooks, pull, quoted};

/// Longest document number.
const NUMBER_LENGTH: usize = 21;

#[derive(Deserialize)]
struct SavedCustomer {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "DisplayName", default)]
    name: String,
}

impl Sink for QuickBooks {
    fn lane(&self, _: &Command) -> Lane {
        Lane { name: "documents", most: 1 }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        let mut found = Vec::new();
        for write in writes {
            found.push(self.look_up(write).await?);
        }
        Ok(found)
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let mut outcomes = Vec::new();
        for write in writes {
            outcomes.push(self.write(write).await);
        }
        outcomes
    }
}

impl QuickBooks {
    async fn look_up(&self, write: &Write<'_>) -> Result<Option<Found>, Fault> {
        let Write { command, .. } = write;
        let (entity, field, text) = match command {
            Command::Customer { name, .. } => ("Customer", "DisplayName", name),
            Command::Invoice(document) => ("Invoice", "DocNumber", &document.number),
            Command::CreditMemo(document) => ("CreditMemo", "DocNumber", &document.number),
            Command::JournalEntry(entry) => ("JournalEntry", "DocNumber", &entry.number),
            Command::BillingStatus(_) => return Ok(None),
        };
        let answer = self.query(&format!("SELECT * FROM {entity} WHERE {field} = {}", quoted(text))).await?;
        let table: BTreeMap<String, &RawValue> =
            serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let inner: BTreeMap<String, &RawValue> =
            table.get("QueryResponse").and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let items: Vec<&RawValue> =
            inner.get(entity).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let Some(first) = items.first() else { return Ok(None) };
        let request_id = answer.header("intuit_tid");
        let receipt = |id: String| Receipt { remote_id: id, remote_number: None, request_id: request_id.clone() };
        if entity == "Customer" {
            let saved: SavedCustomer =
                serde_json::from_str(first.get()).map_err(|error| self.client.garbage(&answer, error))?;
            let says = Statement { customer: Some(saved.name), ..Statement::default() };
            return Ok(Some(Found { receipt: receipt(saved.id), says }));
        }
        let one: Transaction<'_> =
            serde_json::from_str(first.get()).map_err(|error| self.client.garbage(&answer, error))?;
        let says = statement(&one, entity == "JournalEntry").map_err(|reason| self.client.garbage(&answer, reason))?;
        Ok(Some(Found { receipt: receipt(one.id), says }))
    }

    async fn write(&self, write: &Write<'_>) -> Result<Receipt, Fault> {
        let Write { key, command, context } = write;
        let customer = context.after.first().map_or("", |receipt| receipt.remote_id.as_str());
        let (entity, body) = match command {
            Command::Customer { name, currency } => ("customer", customer_body(name, currency)),
            Command::Invoice(document) => ("invoice", self.document(document, customer, true)?),
            Command::CreditMemo(document) => ("creditmemo", self.document(document, customer, false)?),
            Command::JournalEntry(entry) => ("journalentry", self.journal(entry, customer)?),
            Command::BillingStatus(_) => {
                return Err(self.client.fault(Class::Refused, "this connection takes no billing status", None));
            }
        };
        let answer = self.send(true, Method::POST, &format!("{entity}?requestid={key}"), Some(&body)).await?;
        let table: BTreeMap<String, &RawValue> =
            serde_json::from_str(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let saved = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(entity)).map(|(_, raw)| raw.get());
        let saved: SavedCustomer = saved
            .and_then(|raw| serde_json::from_str(raw).ok())
            .ok_or_else(|| self.client.garbage(&answer, "the created document is not in the answer"))?;
        Ok(Receipt { remote_id: saved.id, remote_number: None, request_id: answer.header("intuit_tid") })
    }
}

fn statement(one: &Transaction<'_>, journal: bool) -> Result<Statement, String> {
    let amount = if journal {
        let debits = one.line.iter().filter(|line| {
            line.journal_entry_line_detail.as_ref().is_some_and(|detail| detail.posting_type == "Debit")
        });
        let mut sum = DecimalText(Default::default());
        for line in debits {
            sum.0 += line.amount.map(pull::amount).transpose()?.map(|amount| amount.0).unwrap_or_default();
        }
        Some(sum)
    } else {
        one.total_amt.map(pull::amount).transpose()?
    };
    Ok(Statement {
        number: one.doc_number.clone(),
        customer: one.customer_ref.name.clone(),
        currency: one.currency_ref.as_ref().map(|currency| currency.value.clone()),
        date: one.txn_date.as_deref().and_then(|date| date.parse().ok()),
        amount,
    })
}

fn text(text: &str) -> serde_json::Value {
    text.into()
}

fn customer_body(name: &str, currency: &str) -> String {
    serde_json::json!({ "DisplayName": name, "CompanyName": name, "CurrencyRef": { "value": currency } }).to_string()
}

impl QuickBooks {
    /// Currency fields; without a rate a foreign document would be booked 1:1.
    fn currency_fields(&self, code: &str) -> Result<String, Fault> {
        let reference = format!("\"CurrencyRef\":{{\"value\":\"{code}\"}}");
        if code == self.settings.home_currency {
            return Ok(reference);
        }
        match self.settings.exchange_rates.get(code) {
            Some(rate) if rate.parse::<DecimalText>().is_ok() => Ok(format!("{reference},\"ExchangeRate\":{rate}")),
            _ => {
                let said = format!("exchange_rates.{code}: no rate is set: QuickBooks would book the document 1:1");
                Err(self.client.fault(Class::Refused, said, None))
            }
        }
    }

    fn number<'a>(&self, number: &'a str) -> Result<&'a str, Fault> {
        if number.chars().count() <= NUMBER_LENGTH {
            return Ok(number);
        }
        let said = format!(
            "number {number} is longer than the {NUMBER_LENGTH} characters that QuickBooks takes: give the contract or milestone a shorter id"
        );
        Err(self.client.fault(Class::Refused, said, None))
    }

    fn document(&self, document: &Document, customer: &str, invoice: bool) -> Result<String, Fault> {
        let amount = document.amount;
        let note = format!(
            "Contract {}, milestone {}. Acceptance: {}",
            document.contract,
            document.milestone,
            document.acceptance.as_deref().unwrap_or("none")
        );
        let line = format!(
            "{{\"DetailType\":\"SalesItemLineDetail\",\"Amount\":{amount},\"Description\":{},\"SalesItemLineDetail\":{{\"ItemRef\":{{\"value\":{}}},\"Qty\":1,\"UnitPrice\":{amount}}}}}",
            text(&document.description),
            text(&self.settings.item)
        );
        let mut fields = vec![
            format!("\"DocNumber\":{}", text(self.number(&document.number)?)),
            format!("\"TxnDate\":\"{}\"", document.date),
            format!("\"CustomerRef\":{{\"value\":{}}}", text(customer)),
            self.currency_fields(amount.currency().code())?,
            format!("\"PrivateNote\":{}", text(&note)),
            format!("\"Line\":[{line}]"),
            format!(
                "\"CustomField\":[{},{}]",
                custom(&self.settings.contract_field, &document.contract),
                custom(&self.settings.milestone_field, &document.milestone)
            ),
        ];
        if invoice {
            fields.push(format!("\"DueDate\":\"{}\"", document.due_on));
            if let Some(term) = self.settings.terms.get(&document.payment_terms) {
                fields.push(format!("\"SalesTermRef\":{{\"value\":{}}}", text(term)));
            }
            if let Some(po) = &document.po_number {
                fields.push(format!("\"CustomerMemo\":{{\"value\":{}}}", text(&format!("PO {po}"))));
            }
        }
        Ok(format!("{{{}}}", fields.join(",")))
    }

    fn journal(&self, entry: &JournalEntry, customer: &str) -> Result<String, Fault> {
        let code = entry.lines.first().map(|line| line.amount.currency().to_string()).unwrap_or_default();
        let mut lines = Vec::new();
        for line in &entry.lines {
            let side = if line.side == Side::Debit { "Debit" } else { "Credit" };
            let name = line.account.name();
            let account = self
                .settings
                .accounts
                .get(name)
                .ok_or_else(|| self.client.fault(Class::Refused, format!("accounts.{name} is not set"), None))?;
            lines.push(format!(
                "{{\"DetailType\":\"JournalEntryLineDetail\",\"Amount\":{},\"Description\":{},\"JournalEntryLineDetail\":{{\"PostingType\":\"{side}\",\"AccountRef\":{{\"value\":{}}},\"Entity\":{{\"Type\":\"Customer\",\"EntityRef\":{{\"value\":{}}}}}}}}}",
                line.amount,
                text(&entry.memo),
                text(account),
                text(customer)
            ));
        }
        Ok(format!(
            "{{\"DocNumber\":{},\"TxnDate\":\"{}\",{},\"PrivateNote\":{},\"Line\":[{}]}}",
            text(self.number(&entry.number)?),
            entry.date,
            self.currency_fields(&code)?,
            text(&entry.memo),
            lines.join(",")
        ))
    }
}

fn custom(definition: &str, value: &str) -> String {
    format!("{{\"DefinitionId\":{},\"Type\":\"StringType\",\"StringValue\":{}}}", text(definition), text(value))
}
