//! What is written: the bodies of entities, amounts with their digits.

use milestoned_connector_kit::body::Body;
use milestoned_connector_kit::{Class, Fault};
use milestoned_mapping::command::{Document, JournalEntry, SalesOrder, Side};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::money::Money;

use super::QuickBooks;

/// Longest document number.
pub(crate) const NUMBER_LENGTH: usize = 21;
/// Longest private note.
const NOTE_LENGTH: usize = 4_000;
/// By these words in its note an entry of ours is known.
pub(crate) const OWN_ENTRY: &str = ". Revenue of contract ";

fn note(note: &str) -> String {
    note.chars().take(NOTE_LENGTH).collect()
}

/// A name for reading (`CompanyName`) is not sent: it may have a hundred characters, and a customer's name five hundred.
pub(crate) fn customer(name: &str, currency: &str) -> Body {
    Body::new().text("DisplayName", name).reference("CurrencyRef", currency)
}

fn custom(definition: &str, value: &str) -> Body {
    Body::new().text("DefinitionId", definition).text("Type", "StringType").text("StringValue", value)
}

/// What only QuickBooks' entities have.
trait Referring {
    /// A reference.
    fn reference(self, name: &str, id: &str) -> Self;

    /// A link to another transaction.
    fn link(self, id: &str, kind: &str) -> Self;
}

impl Referring for Body {
    fn reference(self, name: &str, id: &str) -> Self {
        self.object(name, &Self::new().text("value", id))
    }

    fn link(self, id: &str, kind: &str) -> Self {
        self.list("LinkedTxn", [&Self::new().text("TxnId", id).text("TxnType", kind)])
    }
}

/// What every sale says.
struct Sale<'a> {
    number: &'a str,
    date: jiff::civil::Date,
    customer: &'a str,
    currency: &'a str,
    note: String,
    lines: Vec<Body>,
}

impl QuickBooks {
    /// Currency fields; without a rate a foreign document would be booked 1:1.
    fn currency_fields(&self, body: Body, code: &str) -> Result<Body, Fault> {
        let body = body.reference("CurrencyRef", code);
        if code == self.settings.home_currency {
            return Ok(body);
        }
        match self.settings.exchange_rates.get(code).and_then(|rate| rate.parse::<DecimalText>().ok()) {
            Some(rate) => Ok(body.number("ExchangeRate", rate)),
            None => {
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
    fn line(&self, amount: Money, description: &str) -> Body {
        let detail =
            Body::new().reference("ItemRef", &self.settings.item).number("Qty", 1_u32).number("UnitPrice", amount);
        let detail = match &self.settings.tax_code {
            Some(code) => detail.reference("TaxCodeRef", code),
            None => detail,
        };
        Body::new()
            .text("DetailType", "SalesItemLineDetail")
            .number("Amount", amount)
            .text("Description", description)
            .object("SalesItemLineDetail", &detail)
    }

    fn sale(&self, sale: &Sale<'_>) -> Result<Body, Fault> {
        let body = Body::new()
            .text("DocNumber", self.number(sale.number)?)
            .text("TxnDate", &sale.date.to_string())
            .reference("CustomerRef", sale.customer);
        let body =
            self.currency_fields(body, sale.currency)?.text("PrivateNote", &note(&sale.note)).list("Line", &sale.lines);
        let tax = self.settings.tax_code.as_ref().map(|_| "TaxExcluded");
        Ok(body.optional("GlobalTaxCalculation", tax))
    }

    fn terms(&self, body: Body, terms: &str) -> Body {
        match self.settings.terms.get(terms) {
            Some(term) => body.reference("SalesTermRef", term),
            None => body,
        }
    }

    /// A credit memo, and what an invoice has in common with it.
    pub(crate) fn document(&self, document: &Document, customer: &str) -> Result<Body, Fault> {
        let note = format!(
            "Contract {}, milestone {}. Acceptance: {}",
            document.contract,
            document.milestone,
            document.acceptance.as_deref().unwrap_or("none")
        );
        let body = self.sale(&Sale {
            number: &document.number,
            date: document.date,
            customer,
            currency: document.amount.currency().code(),
            note,
            lines: vec![self.line(document.amount, &document.description)],
        })?;
        let fields = [
            custom(&self.settings.contract_field, &document.contract),
            custom(&self.settings.milestone_field, &document.milestone),
        ];
        Ok(body.list("CustomField", &fields))
    }

    /// An invoice; where it bills an estimate, linked to it.
    pub(crate) fn invoice_body(
        &self,
        document: &Document,
        customer: &str,
        estimate: Option<&str>,
    ) -> Result<Body, Fault> {
        let body = self.document(document, customer)?.text("DueDate", &document.due_on.to_string());
        let body = self.terms(body, &document.payment_terms);
        let body = match &document.po_number {
            Some(po) => body.reference("CustomerMemo", &format!("PO {po}")),
            None => body,
        };
        Ok(match estimate {
            Some(estimate) => body.link(estimate, "Estimate"),
            None => body,
        })
    }

    /// An estimate, one line a milestone. Of one that is there only these fields are changed.
    pub(crate) fn estimate(
        &self,
        order: &SalesOrder,
        customer: &str,
        known: Option<(&str, &str)>,
    ) -> Result<Body, Fault> {
        let lines = order.lines.iter().filter_map(|line| {
            let milestone = line.milestone.as_ref()?;
            Some(self.line(line.amount, &format!("{milestone}: {}", line.description)))
        });
        let body = self.sale(&Sale {
            number: &order.contract,
            date: order.date,
            customer,
            currency: order.amount.currency().code(),
            note: format!("Contract {}, version {}.", order.contract, order.version),
            lines: lines.collect(),
        })?;
        let body = body.list("CustomField", [&custom(&self.settings.contract_field, &order.contract)]);
        let body = self.terms(body, &order.payment_terms);
        Ok(match known {
            Some((id, token)) => body.text("Id", id).text("SyncToken", token).flag("sparse", true),
            None => body,
        })
    }

    pub(crate) fn journal(&self, entry: &JournalEntry, customer: &str) -> Result<Body, Fault> {
        let code = entry.lines.first().map(|line| line.amount.currency().to_string()).unwrap_or_default();
        // A line of a receivable account needs the customer; on the others it tells whose it is.
        let entity = Body::new().text("Type", "Customer").reference("EntityRef", customer);
        let mut lines = Vec::new();
        for line in &entry.lines {
            let name = line.account.name();
            let account = self
                .settings
                .accounts
                .get(name)
                .ok_or_else(|| self.client.fault(Class::Refused, format!("accounts.{name} is not set"), None))?;
            let detail = Body::new()
                .text("PostingType", if line.side == Side::Debit { "Debit" } else { "Credit" })
                .reference("AccountRef", account)
                .object("Entity", &entity);
            lines.push(
                Body::new()
                    .text("DetailType", "JournalEntryLineDetail")
                    .number("Amount", line.amount)
                    .text("Description", &entry.memo)
                    .object("JournalEntryLineDetail", &detail),
            );
        }
        let body = Body::new().text("DocNumber", self.number(&entry.number)?).text("TxnDate", &entry.date.to_string());
        let said = format!("Contract {}{OWN_ENTRY}{} on {}", entry.contract, entry.contract, entry.date);
        Ok(self.currency_fields(body, &code)?.text("PrivateNote", &note(&said)).list("Line", &lines))
    }

    /// A payment of nothing, which applies a credit memo to its invoice.
    pub(crate) fn application(
        &self,
        document: &Document,
        customer: &str,
        amount: DecimalText,
        (invoice, memo): (&str, &str),
    ) -> Result<Body, Fault> {
        let line = |id: &str, kind: &str| Body::new().number("Amount", amount).link(id, kind);
        let body = Body::new()
            .reference("CustomerRef", customer)
            .number("TotalAmt", 0_u32)
            .text("TxnDate", &document.date.to_string());
        let body = self.currency_fields(body, document.amount.currency().code())?;
        Ok(body.list("Line", &[line(invoice, "Invoice"), line(memo, "CreditMemo")]))
    }
}
