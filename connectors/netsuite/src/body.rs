//! What is written: the bodies of records, amounts with their digits.

use milestoned_connector_kit::body::Body;
use milestoned_connector_kit::extra::{Added, added, added_to_line};
use milestoned_connector_kit::{Class, Fault, Write};
use milestoned_mapping::command::{
    Account, Command, DeliveryKey, Document, JournalEntry, OrderLine, OrderedLine, SalesOrder, Side,
};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::record::Particulars;
use serde_json::{Map, Value};

use super::customers::described;
use super::settings::Revenue;
use super::{NetSuite, OURS};

/// What records say that no operator sets.
pub(crate) const OWN_FIELDS: &[&str] = &[
    "apply",
    "companyName",
    "currency",
    "dueDate",
    "entity",
    "externalId",
    "item",
    "line",
    "memo",
    "orderStatus",
    "otherRefNum",
    "terms",
    "tranDate",
    "tranId",
];
/// What their lines say that no operator sets; the item is one that he may.
pub(crate) const OWN_LINE_FIELDS: &[&str] = &[
    "account",
    "amount",
    "credit",
    "debit",
    "description",
    "entity",
    "isClosed",
    "line",
    "memo",
    "orderLine",
    "quantity",
    "rate",
];
/// The field of a line that an operator may set otherwise than `item` of the connection.
const ITEM: &str = "item";

/// A record about to be written.
pub(crate) struct Record {
    /// Type, as REST spells it.
    pub(crate) kind: &'static str,
    /// Its JSON.
    pub(crate) body: String,
    /// The order that it is made from.
    pub(crate) order: Option<String>,
}

/// External id of what a delivery writes.
pub(crate) fn external_id(key: &DeliveryKey) -> String {
    format!("{OURS}{key}")
}

/// What only NetSuite's records have.
trait Referring {
    /// A reference to a record by its internal id.
    fn reference(self, name: &str, id: &str) -> Self;

    /// A sublist.
    fn sublist(self, name: &str, items: &[Body]) -> Self;
}

impl Referring for Body {
    fn reference(self, name: &str, id: &str) -> Self {
        self.object(name, &Self::new().text("id", id))
    }

    fn sublist(self, name: &str, items: &[Self]) -> Self {
        self.object(name, &Self::new().list("items", items))
    }
}

impl NetSuite {
    /// The record of a write; `currency` is the internal id of its currency, `line` the key of the line that an event of
    /// revenue is about, `open` what is left to be paid of the invoice that a credit memo corrects.
    pub(crate) fn record_of(
        &self,
        write: &Write<'_>,
        currency: &str,
        line: Option<&str>,
        open: Option<DecimalText>,
    ) -> Result<Record, Fault> {
        let Write { key, command, after } = write;
        let added = &added(&self.settings.extra, command, &after.particulars);
        let customer = || write.customer_id(&self.customers, self.client.system());
        let head = self.head(&external_id(key), added).reference("currency", currency);
        let plain = |kind, body| Record { kind, body, order: None };
        Ok(match command {
            Command::Customer { name, .. } => {
                let known = &after.particulars;
                let terms = known.payment_terms.as_ref().and_then(|terms| self.settings.terms.get(terms));
                let set = |field: &str| added.fields.contains_key(field);
                let body = described(head.text("companyName", name), known, terms, &set);
                plain("customer", body.with(&added.fields).to_string())
            }
            Command::Invoice(document) => match &document.order {
                Some(line) => {
                    let body = self.billed_from(self.head(&external_id(key), added), document, line, added);
                    let body = self.emailed(body, &after.particulars, added).to_string();
                    Record { kind: "invoice", body, order: Some(external_id(&line.order)) }
                }
                None => {
                    let body = self.document(head, document, &customer()?, added);
                    let body = self.emailed(self.invoice(body, document), &after.particulars, added);
                    plain("invoice", body.to_string())
                }
            },
            Command::CreditMemo(document) => {
                let original = after.original.as_ref().map(|receipt| receipt.remote_id.as_str());
                let body = self.document(head, document, &customer()?, added);
                plain("creditMemo", applied(body, document, original, open).to_string())
            }
            Command::JournalEntry(entry) => {
                let entity = customer().ok();
                self.revenue(key, head, entry, (line, entity.as_deref()), added)?
            }
            Command::SalesOrder(order) => {
                let head = self.head(&external_id(&order.order), added).reference("currency", currency);
                plain("salesOrder", self.order(head, order, &customer()?, (added, &after.particulars)).to_string())
            }
            Command::BillingStatus(_) => {
                return Err(self.client.fault(Class::Refused, "this connection takes no billing status", None));
            }
            Command::AcceptanceRecord(_) => {
                return Err(self.client.fault(Class::Refused, "NetSuite's REST interface attaches no files", None));
            }
            Command::InvoiceEmail(_) => {
                let said = "NetSuite mails an invoice when it is created, or not at all";
                return Err(self.client.fault(Class::Refused, said, None));
            }
        })
    }

    /// NetSuite mails an invoice in the moment in which it is created, to the address that it bears.
    fn emailed(&self, body: Body, customer: &Particulars, added: &Added) -> Body {
        if !self.settings.email_invoices {
            return body;
        }
        let set = |field: &str| added.fields.contains_key(field);
        let body = if set("toBeEmailed") { body } else { body.flag("toBeEmailed", true) };
        body.optional("email", customer.email.as_deref().filter(|_| !set("email")))
    }

    /// An operator may name another subsidiary for some records: an account with several is one connection.
    fn head(&self, external_id: &str, added: &Added) -> Body {
        let body = Body::new().text("externalId", external_id);
        match &self.settings.subsidiary {
            Some(id) if !added.fields.contains_key("subsidiary") => body.reference("subsidiary", id),
            _ => body,
        }
    }

    /// A line with its item: that of the connection, or the one that an operator named for it.
    fn of_item(&self, added: &Map<String, Value>) -> Body {
        let body =
            if added.contains_key(ITEM) { Body::new() } else { Body::new().reference(ITEM, &self.settings.item) };
        body.with(added)
    }

    fn document(&self, head: Body, document: &Document, customer: &str, added: &Added) -> Body {
        // The rate alone would be rounded to eight digits.
        let line = self
            .of_item(&added.line)
            .number("quantity", 1_u32)
            .number("rate", document.amount)
            .number("amount", document.amount)
            .text("description", &document.description);
        self.named(head.reference("entity", customer), document, added).sublist("item", &[line])
    }

    /// What a document says beside customer, currency and lines.
    fn named(&self, body: Body, document: &Document, added: &Added) -> Body {
        let body = match &self.settings.acceptance_field {
            Some(field) => body.optional(field, document.acceptance.as_deref()),
            None => body,
        };
        self.numbered(body, &document.number)
            .text("tranDate", &document.date.to_string())
            .text("memo", document.acceptance.as_deref().unwrap_or_default())
            .text(&self.settings.contract_field, &document.contract)
            .text(&self.settings.milestone_field, &document.milestone)
            .optional(&self.settings.po_field, document.po_number.as_deref())
            .with(&added.fields)
    }

    /// Our number, in the field where it stands.
    fn numbered(&self, body: Body, number: &str) -> Body {
        body.text(self.settings.number_field.as_deref().unwrap_or("tranId"), number)
    }

    fn invoice(&self, body: Body, document: &Document) -> Body {
        let body = body.text("dueDate", &document.due_on.to_string());
        match self.settings.terms.get(&document.payment_terms) {
            Some(terms) => body.reference("terms", terms),
            None => body,
        }
    }

    /// What differs from the order: one line is billed, the others are named to be left out.
    fn billed_from(&self, head: Body, document: &Document, ordered: &OrderedLine, added: &Added) -> Body {
        let lines: Vec<Body> = (1..=ordered.lines)
            .map(|line| {
                let body = Body::new().number("orderLine", line);
                if line != ordered.line {
                    return body.number("quantity", 0_u32);
                }
                body.number("quantity", document.amount)
                    .number("rate", 1_u32)
                    .number("amount", document.amount)
                    .text("description", &document.description)
                    .with(&added.line)
            })
            .collect();
        self.invoice(self.named(head, document, added), document).sublist("item", &lines)
    }

    /// A line's quantity is its amount, at a rate of one: any part of it can be billed exactly.
    fn order(&self, head: Body, order: &SalesOrder, customer: &str, (added, known): (&Added, &Particulars)) -> Body {
        let prefix = &self.settings.line_prefix;
        let line = |(number, line): (u32, &OrderLine)| {
            let of_line = |milestone| added_to_line(&self.settings.extra, order, milestone, known);
            let own = line.milestone.as_deref().map_or_else(|| added.line.clone(), of_line);
            let body = self.of_item(&own).number("line", number);
            let body = body.number("quantity", line.amount).number("rate", 1_u32).number("amount", line.amount);
            let body = body
                .text("description", &line.description)
                .text(&format!("{prefix}milestone"), line.milestone.as_deref().unwrap_or_default())
                .text(&format!("{prefix}timing"), &line.timing)
                .text(&format!("{prefix}billing_rule"), &line.invoice)
                .optional(&format!("{prefix}recognition"), line.recognition.as_deref());
            if line.milestone.is_some() { body } else { body.flag("isClosed", true) }
        };
        let lines: Vec<Body> = (1_u32..).zip(&order.lines).map(line).collect();
        let body = self
            .numbered(head.reference("entity", customer), &order.contract)
            .text("tranDate", &order.date.to_string())
            .text(&self.settings.contract_field, &order.contract)
            .text(&self.settings.version_field, &order.version.to_string())
            .optional(&self.settings.po_field, order.po_number.as_deref())
            .reference("orderStatus", "B")
            .with(&added.fields);
        let body = match self.settings.terms.get(&order.payment_terms) {
            Some(terms) => body.reference("terms", terms),
            None => body,
        };
        body.sublist("item", &lines)
    }

    /// Revenue in the way that the account recognises it.
    fn revenue(
        &self,
        key: &DeliveryKey,
        head: Body,
        entry: &JournalEntry,
        (line, customer): (Option<&str>, Option<&str>),
        added: &Added,
    ) -> Result<Record, Fault> {
        let plain = |kind, body: Body| Record { kind, body: body.to_string(), order: None };
        match self.settings.revenue {
            Revenue::Journal => Ok(plain("journalEntry", self.journal(head, entry, customer, added)?)),
            Revenue::BillingEvents => {
                let kind = self.settings.revenue_event_type.as_deref().unwrap_or_default();
                let body = Body::new()
                    .text("externalId", &external_id(key))
                    .reference("eventType", kind)
                    .text("transactionLine", line.unwrap_or_default())
                    .text("eventDate", &entry.date.to_string())
                    .number("amount", self.released(entry)?);
                Ok(plain("billingRevenueEvent", body))
            }
            Revenue::Schedules => {
                let (amount, account) = (self.released(entry)?, |account| self.account(account));
                let step = Body::new()
                    .number("recAmount", amount)
                    .text("recurDate", &entry.date.to_string())
                    .reference("incomeAccount", account(Account::Revenue)?)
                    .reference("defRevAccount", account(Account::DeferredRevenue)?);
                let body = Body::new()
                    .text("externalId", &external_id(key))
                    .text("name", &entry.number)
                    .number("totalAmount", amount)
                    .sublist("recurrence", &[step]);
                Ok(plain("revRecSchedule", body))
            }
        }
    }

    /// Revenue that an entry takes out of deferred revenue, where it does nothing else: events and schedules can say no
    /// more.
    fn released(&self, entry: &JournalEntry) -> Result<DecimalText, Fault> {
        match entry.lines.as_slice() {
            [deferred, revenue]
                if (deferred.account, deferred.side) == (Account::DeferredRevenue, Side::Debit)
                    && (revenue.account, revenue.side) == (Account::Revenue, Side::Credit) =>
            {
                Ok(DecimalText(revenue.amount.decimal()))
            }
            _ => {
                let said = format!(
                    "entry {} does more than release deferred revenue: only a journal entry can say so; set revenue = \"journal\"",
                    entry.number
                );
                Err(self.client.fault(Class::Refused, said, None))
            }
        }
    }

    /// Every line tells whose it is: deferred revenue is reported by customer.
    fn journal(&self, head: Body, entry: &JournalEntry, customer: Option<&str>, added: &Added) -> Result<Body, Fault> {
        let mut lines = Vec::new();
        for line in &entry.lines {
            let side = if line.side == Side::Debit { "debit" } else { "credit" };
            let account = self.account(line.account)?;
            let body = Body::new().reference("account", account).number(side, line.amount).text("memo", &entry.memo);
            let body = customer.into_iter().fold(body, |body, customer| body.reference("entity", customer));
            lines.push(body.with(&added.line));
        }
        Ok(self
            .numbered(head, &entry.number)
            .text("tranDate", &entry.date.to_string())
            .text("memo", &entry.memo)
            .text(&self.settings.contract_field, &entry.contract)
            .with(&added.fields)
            .sublist("line", &lines))
    }

    fn account(&self, account: Account) -> Result<&str, Fault> {
        let name = account.name();
        self.settings
            .accounts
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| self.client.fault(Class::Refused, format!("accounts.{name} is not set"), None))
    }
}

/// A credit memo is applied to its invoice, as far as something is left to be paid of it.
fn applied(body: Body, document: &Document, invoice: Option<&str>, open: Option<DecimalText>) -> Body {
    let Some(invoice) = invoice else { return body };
    let whole = DecimalText(document.amount.decimal());
    let amount = open.map_or(whole, |open| whole.min(open));
    if amount.0 <= DecimalText::default().0 {
        return body;
    }
    let apply = Body::new().reference("doc", invoice).flag("apply", true).number("amount", amount);
    body.sublist("apply", &[apply])
}
