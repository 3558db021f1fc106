//! What is written: the bodies of entities, amounts with their digits.

use milestoned_connector_kit::{Class, Fault};
use milestoned_mapping::command::{Document, JournalEntry, SalesOrder, Side};
use milestoned_mapping::fact::DecimalText;

use super::QuickBooks;

/// Longest document number.
pub(crate) const NUMBER_LENGTH: usize = 21;
/// Longest private note.
const NOTE_LENGTH: usize = 4_000;
/// By these words in its note an entry of ours is known.
pub(crate) const OWN_ENTRY: &str = ". Revenue of contract ";

pub(crate) fn text(text: &str) -> serde_json::Value {
    text.into()
}

fn note(note: &str) -> String {
    note.chars().take(NOTE_LENGTH).collect()
}

pub(crate) fn customer(name: &str, currency: &str) -> String {
    serde_json::json!({ "DisplayName": name, "CompanyName": name, "CurrencyRef": { "value": currency } }).to_string()
}

fn custom(definition: &str, value: &str) -> String {
    format!("{{\"DefinitionId\":{},\"Type\":\"StringType\",\"StringValue\":{}}}", text(definition), text(value))
}

fn link(id: &str, kind: &str) -> String {
    format!("\"LinkedTxn\":[{{\"TxnId\":{},\"TxnType\":\"{kind}\"}}]", text(id))
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

    /// One sold line; quantity times price is the amount, to the cent.
    fn line(&self, amount: impl std::fmt::Display, description: &str) -> String {
        let tax = self.settings.tax_code.as_deref();
        let tax = tax.map(|code| format!(",\"TaxCodeRef\":{{\"value\":{}}}", text(code))).unwrap_or_default();
        format!(
            "{{\"DetailType\":\"SalesItemLineDetail\",\"Amount\":{amount},\"Description\":{},\"SalesItemLineDetail\":{{\"ItemRef\":{{\"value\":{}}},\"Qty\":1,\"UnitPrice\":{amount}{tax}}}}}",
            text(description),
            text(&self.settings.item)
        )
    }

    /// What every sale says: number, date, customer, currency, note, lines.
    fn sale(
        &self,
        number: &str,
        date: jiff::civil::Date,
        customer: &str,
        currency: &str,
        said: &str,
        lines: &[String],
    ) -> Result<Vec<String>, Fault> {
        let mut fields = vec![
            format!("\"DocNumber\":{}", text(self.number(number)?)),
            format!("\"TxnDate\":\"{date}\""),
            format!("\"CustomerRef\":{{\"value\":{}}}", text(customer)),
            self.currency_fields(currency)?,
            format!("\"PrivateNote\":{}", text(&note(said))),
            format!("\"Line\":[{}]", lines.join(",")),
        ];
        if self.settings.tax_code.is_some() {
            fields.push("\"GlobalTaxCalculation\":\"TaxExcluded\"".into());
        }
        Ok(fields)
    }

    /// An invoice, where it bills an estimate linked to it, or a credit memo.
    pub(crate) fn document(
        &self,
        document: &Document,
        customer: &str,
        invoice: bool,
        estimate: Option<&str>,
    ) -> Result<String, Fault> {
        let said = format!(
            "Contract {}, milestone {}. Acceptance: {}",
            document.contract,
            document.milestone,
            document.acceptance.as_deref().unwrap_or("none")
        );
        let (currency, lines) = (document.amount.currency(), [self.line(document.amount, &document.description)]);
        let mut fields = self.sale(&document.number, document.date, customer, currency.code(), &said, &lines)?;
        fields.push(format!(
            "\"CustomField\":[{},{}]",
            custom(&self.settings.contract_field, &document.contract),
            custom(&self.settings.milestone_field, &document.milestone)
        ));
        if invoice {
            fields.push(format!("\"DueDate\":\"{}\"", document.due_on));
            if let Some(term) = self.settings.terms.get(&document.payment_terms) {
                fields.push(format!("\"SalesTermRef\":{{\"value\":{}}}", text(term)));
            }
            if let Some(po) = &document.po_number {
                fields.push(format!("\"CustomerMemo\":{{\"value\":{}}}", text(&format!("PO {po}"))));
            }
            fields.extend(estimate.map(|estimate| link(estimate, "Estimate")));
        }
        Ok(format!("{{{}}}", fields.join(",")))
    }

    /// An estimate, one line a milestone. Of one that is there only these fields are changed.
    pub(crate) fn estimate(
        &self,
        order: &SalesOrder,
        customer: &str,
        known: Option<(&str, &str)>,
    ) -> Result<String, Fault> {
        let said = format!("Contract {}, version {}.", order.contract, order.version);
        let lines: Vec<String> = order
            .lines
            .iter()
            .filter_map(|line| {
                let milestone = line.milestone.as_ref()?;
                Some(self.line(line.amount, &format!("{milestone}: {}", line.description)))
            })
            .collect();
        let currency = order.amount.currency();
        let mut fields = self.sale(&order.contract, order.date, customer, currency.code(), &said, &lines)?;
        fields.push(format!("\"CustomField\":[{}]", custom(&self.settings.contract_field, &order.contract)));
        if let Some(term) = self.settings.terms.get(&order.payment_terms) {
            fields.push(format!("\"SalesTermRef\":{{\"value\":{}}}", text(term)));
        }
        if let Some((id, token)) = known {
            fields.push(format!("\"Id\":{},\"SyncToken\":{},\"sparse\":true", text(id), text(token)));
        }
        Ok(format!("{{{}}}", fields.join(",")))
    }

    pub(crate) fn journal(&self, entry: &JournalEntry, customer: &str) -> Result<String, Fault> {
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
            // A line of a receivable account needs the customer; on the others it tells whose it is.
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
            text(&note(&format!("Contract {}{OWN_ENTRY}{} on {}", entry.contract, entry.contract, entry.date))),
            lines.join(",")
        ))
    }

    /// A payment of nothing, which applies a credit memo to its invoice.
    pub(crate) fn application(
        &self,
        document: &Document,
        customer: &str,
        amount: DecimalText,
        (invoice, memo): (&str, &str),
    ) -> Result<String, Fault> {
        let line = |id: &str, kind: &str| format!("{{\"Amount\":{amount},{}}}", link(id, kind));
        Ok(format!(
            "{{\"CustomerRef\":{{\"value\":{}}},\"TotalAmt\":0,\"TxnDate\":\"{}\",{},\"Line\":[{},{}]}}",
            text(customer),
            document.date,
            self.currency_fields(document.amount.currency().code())?,
            line(invoice, "Invoice"),
            line(memo, "CreditMemo")
        ))
    }
}
