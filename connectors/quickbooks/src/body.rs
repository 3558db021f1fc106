//! What is written: the bodies of entities, amounts with their digits.

use jiff::civil::Date;
use milestoned_connector_kit::body::Body;
use milestoned_connector_kit::extra::{Added, added_to_line};
use milestoned_connector_kit::{Class, Fault};
use milestoned_mapping::command::{Document, JournalEntry, SalesOrder, Side};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::money::Money;
use milestoned_mapping::record::Particulars;
use serde_json::{Map, Value};

use super::QuickBooks;
use super::settings::Numbers;

/// Longest document number.
pub(crate) const NUMBER_LENGTH: usize = 21;
/// Longest name of a customer.
const NAME_LENGTH: usize = 500;
/// Longest private note.
const NOTE_LENGTH: usize = 4_000;
/// What entities say that no operator sets.
pub(crate) const OWN_FIELDS: &[&str] = &[
    "CurrencyRef",
    "CustomerRef",
    "DisplayName",
    "DocNumber",
    "DueDate",
    "ExchangeRate",
    "Id",
    "Line",
    "LinkedTxn",
    "PrivateNote",
    "SalesTermRef",
    "SyncToken",
    "TxnDate",
    "sparse",
];
/// What the details of their lines say that no operator sets.
pub(crate) const OWN_LINE_FIELDS: &[&str] = &["AccountRef", "Entity", "PostingType", "Qty", "UnitPrice"];
/// The field whose entries are added to ours.
const CUSTOM_FIELD: &str = "CustomField";
/// The address to which a sale is mailed.
const BILL_EMAIL: &str = "BillEmail";
/// By these words the note of a sale tells our number, where QuickBooks gives numbers itself.
const OUR_NUMBER: &str = " Our number: ";
/// By these words in its note an entry of ours is known.
pub(crate) const OWN_ENTRY: &str = ". Revenue of contract ";

fn note(note: &str) -> String {
    storable(note).chars().take(NOTE_LENGTH).collect()
}

/// A text without characters outside of the basic multilingual plane: QuickBooks has answered an emoji with an error of its server,
/// and the document would wait without end.
fn storable(text: &str) -> String {
    text.chars().filter(|letter| *letter <= '\u{ffff}').collect()
}

/// A name for reading (`CompanyName`) is not sent: it may have a hundred characters, and a customer's name five hundred.
/// What the CRM knows is added, but for fields that an operator sets otherwise.
pub(crate) fn customer(name: &str, currency: &str, known: &Particulars, terms: Option<&String>, added: &Added) -> Body {
    let free = |field: &str| !added.fields.contains_key(field);
    let mut body = Body::new().text("DisplayName", name).reference("CurrencyRef", currency);
    if let Some(address) = known.email.as_deref().filter(|_| free("PrimaryEmailAddr")) {
        body = body.object("PrimaryEmailAddr", &Body::new().text("Address", address));
    }
    body = body
        .optional("PrimaryTaxIdentifier", known.tax_registration.as_deref().filter(|_| free("PrimaryTaxIdentifier")));
    if let Some(terms) = terms.filter(|_| free("SalesTermRef")) {
        body = body.reference("SalesTermRef", terms);
    }
    if known.has_address() && free("BillAddr") {
        let mut address = Body::new();
        let lines = known.street.as_deref().unwrap_or_default().lines();
        for (line, text) in ["Line1", "Line2", "Line3", "Line4", "Line5"].into_iter().zip(lines) {
            address = address.text(line, text);
        }
        let parts = [
            ("City", &known.city),
            ("CountrySubDivisionCode", &known.region),
            ("PostalCode", &known.postal_code),
            ("Country", &known.country),
        ];
        let address = parts.iter().fold(address, |address, (field, part)| address.optional(field, part.as_deref()));
        body = body.object("BillAddr", &address);
    }
    body.with(&added.fields)
}

/// What QuickBooks takes exception to in a name. A colon stands between a customer and its sub-customer.
pub(crate) fn name_problem(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length > NAME_LENGTH {
        return Some(format!("has {length} characters, and QuickBooks takes {NAME_LENGTH}"));
    }
    let parts_are_names = name.split(':').all(|part| !part.is_empty() && part.trim() == part);
    (name.contains(['\t', '\n']) || !parts_are_names).then(|| {
        "has a tab, a new line, or a colon that names no sub-customer: QuickBooks takes a colon between parent and child alone, \
         without blanks"
            .into()
    })
}

/// Our number of a sale that QuickBooks has numbered itself.
pub(crate) fn our_number(note: Option<&str>) -> Option<String> {
    let (_, rest) = note?.split_once(OUR_NUMBER)?;
    rest.split_whitespace().next().map(Into::into)
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
    date: Date,
    customer: &'a str,
    currency: &'a str,
    note: String,
    lines: Vec<Body>,
    custom: Vec<Body>,
    added: &'a Added,
}

/// Text of a field that an operator added, as an object's own JSON.
fn as_body(value: &Value) -> Body {
    value.as_object().map_or_else(Body::new, |fields| Body::new().with(fields))
}

impl QuickBooks {
    /// Currency fields; without a rate a foreign document would be booked 1:1.
    fn currency_fields(&self, body: Body, code: &str, date: Date) -> Result<Body, Fault> {
        let body = body.reference("CurrencyRef", code);
        if code == self.settings.home_currency {
            return Ok(body);
        }
        match self.known_rate(code, date) {
            Some(rate) => Ok(body.number("ExchangeRate", rate)),
            None => {
                let said = format!(
                    "exchange_rates.{code}: no rate is set, and QuickBooks has none for {date}: it would book the document 1:1"
                );
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
    fn line(&self, amount: Money, description: &str, added: &Map<String, Value>) -> Body {
        let unless_added = |name: &str, id: Option<&String>| id.filter(|_| !added.contains_key(name)).cloned();
        let detail = Body::new().number("Qty", 1_u32).number("UnitPrice", amount).with(added);
        let own = [
            ("ItemRef", unless_added("ItemRef", Some(&self.settings.item))),
            ("TaxCodeRef", unless_added("TaxCodeRef", self.settings.tax_code.as_ref())),
        ];
        let detail = own.iter().fold(detail, |detail, (name, id)| match id {
            Some(id) => detail.reference(name, id),
            None => detail,
        });
        Body::new()
            .text("DetailType", "SalesItemLineDetail")
            .number("Amount", amount)
            .text("Description", &storable(description))
            .object("SalesItemLineDetail", &detail)
    }

    fn sale(&self, sale: &Sale<'_>) -> Result<Body, Fault> {
        let own = match self.settings.numbers {
            Numbers::Ours => Some(self.number(sale.number)?),
            Numbers::Sequence => None,
        };
        let said = match own {
            Some(_) => sale.note.clone(),
            None => format!("{}{OUR_NUMBER}{}", sale.note, sale.number),
        };
        let body = Body::new()
            .optional("DocNumber", own)
            .text("TxnDate", &sale.date.to_string())
            .reference("CustomerRef", sale.customer);
        let body = self
            .currency_fields(body, sale.currency, sale.date)?
            .text("PrivateNote", &note(&said))
            .list("Line", &sale.lines);
        let mut fields = sale.added.fields.clone();
        let others = fields.remove(CUSTOM_FIELD).and_then(|others| others.as_array().cloned()).unwrap_or_default();
        let custom: Vec<Body> = sale.custom.iter().cloned().chain(others.iter().map(as_body)).collect();
        let taxed = self.settings.tax_code.is_some() || sale.added.line.contains_key("TaxCodeRef");
        let tax = Some("TaxExcluded").filter(|_| taxed && !fields.contains_key("GlobalTaxCalculation"));
        Ok(body.list(CUSTOM_FIELD, &custom).optional("GlobalTaxCalculation", tax).with(&fields))
    }

    fn terms(&self, body: Body, terms: &str) -> Body {
        match self.settings.terms.get(terms) {
            Some(term) => body.reference("SalesTermRef", term),
            None => body,
        }
    }

    /// A credit memo, and what an invoice has in common with it.
    pub(crate) fn document(&self, document: &Document, customer: &str, added: &Added) -> Result<Body, Fault> {
        let po = self.settings.po_field.as_ref().zip(document.po_number.as_ref());
        let mut fields = vec![
            custom(&self.settings.contract_field, &document.contract),
            custom(&self.settings.milestone_field, &document.milestone),
        ];
        fields.extend(po.map(|(field, po)| custom(field, po)));
        let note = format!(
            "Contract {}, milestone {}. Acceptance: {}",
            document.contract,
            document.milestone,
            document.acceptance.as_deref().unwrap_or("none")
        );
        self.sale(&Sale {
            number: &document.number,
            date: document.date,
            customer,
            currency: document.amount.currency().code(),
            note,
            lines: vec![self.line(document.amount, &document.description, &added.line)],
            custom: fields,
            added,
        })
    }

    /// An invoice; where it bills an estimate, linked to it.
    pub(crate) fn invoice_body(
        &self,
        document: &Document,
        customer: &str,
        estimate: Option<&str>,
        added: &Added,
    ) -> Result<Body, Fault> {
        let body = self.document(document, customer, added)?.text("DueDate", &document.due_on.to_string());
        let body = self.terms(body, &document.payment_terms);
        let memo = self.settings.po_field.is_none() && !added.fields.contains_key("CustomerMemo");
        let body = match document.po_number.as_ref().filter(|_| memo) {
            Some(po) => body.reference("CustomerMemo", &format!("PO {po}")),
            None => body,
        };
        Ok(match estimate {
            Some(estimate) => body.link(estimate, "Estimate"),
            None => body,
        })
    }

    /// An invoice that QuickBooks is to mail bears the address to which it goes.
    pub(crate) fn addressed(&self, body: Body, customer: &Particulars, added: &Added) -> Body {
        let address = customer.email.as_deref().filter(|_| self.settings.email_invoices);
        match address.filter(|_| !added.fields.contains_key(BILL_EMAIL)) {
            Some(address) => body.object(BILL_EMAIL, &Body::new().text("Address", address)),
            None => body,
        }
    }

    /// An estimate, one line a milestone. Of one that is there only these fields are changed.
    pub(crate) fn estimate(
        &self,
        order: &SalesOrder,
        customer: &str,
        known: Option<(&str, &str)>,
        (added, particulars): (&Added, &Particulars),
    ) -> Result<Body, Fault> {
        let lines = order.lines.iter().filter_map(|line| {
            let milestone = line.milestone.as_ref()?;
            let own = added_to_line(&self.settings.extra, order, milestone, particulars);
            Some(self.line(line.amount, &format!("{milestone}: {}", line.description), &own))
        });
        let body = self.sale(&Sale {
            number: &order.contract,
            date: order.date,
            customer,
            currency: order.amount.currency().code(),
            note: format!("Contract {}, version {}.", order.contract, order.version),
            lines: lines.collect(),
            custom: vec![custom(&self.settings.contract_field, &order.contract)],
            added,
        })?;
        let body = self.terms(body, &order.payment_terms);
        Ok(match known {
            Some((id, token)) => body.text("Id", id).text("SyncToken", token).flag("sparse", true),
            None => body,
        })
    }

    pub(crate) fn journal(&self, entry: &JournalEntry, customer: &str, added: &Added) -> Result<Body, Fault> {
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
                .object("Entity", &entity)
                .with(&added.line);
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
        let body = self.currency_fields(body, &code, entry.date)?;
        Ok(body.text("PrivateNote", &note(&said)).with(&added.fields).list("Line", &lines))
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
        let body = self.currency_fields(body, document.amount.currency().code(), document.date)?;
        Ok(body.list("Line", &[line(invoice, "Invoice"), line(memo, "CreditMemo")]))
    }
}
