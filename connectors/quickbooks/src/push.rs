//! Writing: alone with the delivery's key as the request id, or thirty in a batch. A look-up goes by document number; what
//! an accountant deleted is never written again by itself.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Date;
use milestoned_connector_kit::body::Body;
use milestoned_connector_kit::extra::added;
use milestoned_connector_kit::{Class, Fault, Found, Lane, LedgerLine, Receipt, Sink, Write, read};
use milestoned_mapping::command::{Command, DeliveryKey, Document, Side};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::statement::{Essential, Line, Statement, belongs, posting};
use serde_json::value::RawValue;

use super::body::{self, NUMBER_LENGTH};
use super::customers::own_name;
use super::settings::{Numbers, Orders};
use super::wire::{self, Saved, Sent, Transaction};
use super::{BATCH, QuickBooks, REQUEST_ID, listed, pull, quoted};

/// Items of a batch.
const MOST: usize = 30;
/// Code of a document that somebody else changed meanwhile.
const STALE: &str = "5010";
/// How often such a document is read again.
const REREADS: usize = 3;

/// One item of a batch.
#[derive(Clone)]
struct Item {
    entity: &'static str,
    operation: &'static str,
    body: String,
    /// Request id, where it is sent alone.
    key: DeliveryKey,
}

impl Sink for QuickBooks {
    fn takes_documents(&self) -> bool {
        true
    }

    /// Orders are estimates.
    fn writes_orders(&self) -> bool {
        self.settings.orders == Orders::Write
    }

    fn number_length(&self) -> Option<usize> {
        Some(NUMBER_LENGTH).filter(|_| self.settings.numbers == Numbers::Ours)
    }

    fn keeps_acceptances(&self) -> bool {
        self.settings.attach_acceptances
    }

    fn emails_invoices(&self) -> bool {
        self.settings.email_invoices
    }

    async fn customer_at(&self, id: &str) -> Result<Option<String>, Fault> {
        let answer = self.query(&format!("SELECT * FROM Customer WHERE Id = {} MAXRESULTS 1", quoted(id))).await?;
        let objects = self.objects(&answer.body)?;
        let Some((_, raw)) = objects.first() else { return Ok(None) };
        let saved: Saved = read::json(raw).map_err(|error| self.client.garbage(&answer, error))?;
        Ok(Some(saved.full_name().into()))
    }

    async fn customers_at(&self, ids: &[String]) -> Result<Option<BTreeMap<String, String>>, Fault> {
        self.names_of_customers(ids).await.map(Some)
    }

    fn customer_problem(&self, name: &str) -> Option<String> {
        body::name_problem(name)
    }

    async fn closed_through(&self) -> Result<Option<Date>, Fault> {
        self.books_closed_through().await
    }

    async fn ledger(&self, from: Date, through: Date) -> Result<Option<Vec<LedgerLine>>, Fault> {
        self.postings(from, through).await.map(Some)
    }

    fn lane(&self, command: &Command) -> Lane {
        let name = match command {
            Command::AcceptanceRecord(_) => return Lane { name: "acceptance records", most: 1 },
            Command::BillingStatus(_) => "billing status",
            Command::CreditMemo(_) => "credit memos",
            Command::Customer { .. } => "customers",
            Command::Invoice(_) => "invoices",
            Command::InvoiceEmail(_) => return Lane { name: "invoice mails", most: 1 },
            Command::JournalEntry(_) => "journal entries",
            Command::SalesOrder(_) => "estimates",
        };
        Lane { name, most: MOST }
    }

    /// A request id holds for the same request: what went out in a batch and goes out again alone, or in another batch, has
    /// another one, and of entries and payments QuickBooks takes any number twice.
    fn commits_within(&self) -> SignedDuration {
        self.settings.commits_within
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        if writes.iter().any(|write| matches!(write.command, Command::InvoiceEmail(_))) {
            return self.emailed(writes).await;
        }
        if writes.iter().any(|write| matches!(write.command, Command::AcceptanceRecord(_))) {
            return self.attached(writes).await;
        }
        let Some((entity, field)) = writes.first().and_then(|write| place(write.command)) else {
            return Ok(writes.iter().map(|_| None).collect());
        };
        let names: Vec<String> = writes.iter().map(|write| name(write.command)).collect();
        if entity == "Customer" && names.iter().all(|name| self.customers.id(name).is_some()) {
            return Ok(names.iter().map(|name| self.mapped(name)).collect());
        }
        let condition = match self.settings.numbers {
            Numbers::Sequence if matches!(entity, "Invoice" | "CreditMemo") => sold_about(writes),
            _ if entity == "Customer" => {
                let own: Vec<String> = names.iter().map(|name| own_name(name).to_owned()).collect();
                format!("{field} IN ({})", listed(&own))
            }
            _ => format!("{field} IN ({})", listed(&names)),
        };
        let query = format!("SELECT * FROM {entity} WHERE {condition} MAXRESULTS 1000");
        let answer = self.query(&query).await?;
        let mut known: BTreeMap<String, Found> = BTreeMap::new();
        for (_, raw) in self.objects(&answer.body)? {
            let (name, mut found) = self.stated(entity, &raw).map_err(|reason| self.client.garbage(&answer, reason))?;
            found.receipt.request_id = answer.header(REQUEST_ID);
            known.entry(name).or_insert(found);
        }
        let find = |name: &String| {
            if entity == "Customer"
                && let Some(found) = self.mapped(name)
            {
                return Some(found);
            }
            let alike = || known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, found)| found);
            known.get(name).or_else(alike).cloned()
        };
        let found: Vec<Option<Found>> = names.iter().map(find).collect();
        self.finish_credits(writes, &found).await?;
        Ok(found)
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        if writes.iter().any(|write| matches!(write.command, Command::InvoiceEmail(_))) {
            return self.email(writes).await;
        }
        if writes.iter().any(|write| matches!(write.command, Command::AcceptanceRecord(_))) {
            return self.attach(writes).await;
        }
        let mut outcomes: BTreeMap<usize, Result<Receipt, Fault>> = BTreeMap::new();
        let (mut places, mut items) = (Vec::new(), Vec::new());
        let known = match self.estimates(writes).await {
            Ok(known) => known,
            Err(fault) => return writes.iter().map(|_| Err(fault.clone())).collect(),
        };
        for (index, write) in writes.iter().enumerate() {
            match self.item(write, &known).await {
                Ok(item) => {
                    places.push(index);
                    items.push(item);
                }
                Err(fault) => {
                    outcomes.insert(index, Err(fault));
                }
            }
        }
        let mut written = self.write(&items).await;
        self.refresh_stale(writes, &places, &mut written).await;
        outcomes.extend(places.into_iter().zip(written));
        let mut outcomes: Vec<Result<Receipt, Fault>> = outcomes.into_values().collect();
        self.apply_written(writes, &mut outcomes).await;
        outcomes
    }
}

/// Sales that QuickBooks has numbered itself are looked for by customer and date; their notes tell which is which.
fn sold_about(writes: &[Write<'_>]) -> String {
    let mut dates: Vec<jiff::civil::Date> = Vec::new();
    let mut customers: Vec<String> = Vec::new();
    for write in writes {
        if let Command::Invoice(document) | Command::CreditMemo(document) = write.command {
            dates.push(document.date);
        }
        customers.extend(write.after.customer.as_ref().map(|receipt| receipt.remote_id.clone()));
    }
    customers.sort();
    customers.dedup();
    let day = |day: Option<&jiff::civil::Date>| quoted(&day.map(ToString::to_string).unwrap_or_default());
    format!(
        "TxnDate >= {} AND TxnDate <= {} AND CustomerRef IN ({})",
        day(dates.iter().min()),
        day(dates.iter().max()),
        listed(&customers)
    )
}

/// Entity of a command, and the field by which it is looked up.
fn place(command: &Command) -> Option<(&'static str, &'static str)> {
    match command {
        Command::Customer { .. } => Some(("Customer", "DisplayName")),
        Command::Invoice(_) => Some(("Invoice", "DocNumber")),
        Command::CreditMemo(_) => Some(("CreditMemo", "DocNumber")),
        Command::JournalEntry(_) => Some(("JournalEntry", "DocNumber")),
        Command::AcceptanceRecord(_)
        | Command::BillingStatus(_)
        | Command::InvoiceEmail(_)
        | Command::SalesOrder(_) => None,
    }
}

fn name(command: &Command) -> String {
    match command {
        Command::Customer { name, .. } => name.clone(),
        Command::Invoice(document) | Command::CreditMemo(document) => document.number.clone(),
        Command::JournalEntry(entry) => entry.number.clone(),
        Command::SalesOrder(order) => order.contract.clone(),
        Command::AcceptanceRecord(record) => record.number.clone(),
        Command::InvoiceEmail(email) => email.number.clone(),
        Command::BillingStatus(_) => String::new(),
    }
}

impl QuickBooks {
    /// Name of an entity that was found, and what it says.
    fn stated(&self, entity: &str, raw: &str) -> Result<(String, Found), String> {
        let receipt = |id: String| Receipt { remote_id: id, remote_number: None, request_id: None, unposted: false };
        if entity == "Customer" {
            let saved: Saved = read::json(raw)?;
            let name = saved.full_name().to_owned();
            // A customer's currency never changes.
            let currency =
                saved.currency_ref.map_or_else(|| self.settings.home_currency.clone(), |currency| currency.value);
            let says = Statement { customer: Some(name.clone()), currency: Some(currency), ..Statement::default() };
            return Ok((name, Found { receipt: receipt(saved.id), says }));
        }
        let transaction: Transaction<'_> = read::json(raw)?;
        let says =
            if entity == "JournalEntry" { self.entry_says(&transaction)? } else { self.sale_says(&transaction)? };
        let number = if entity == "JournalEntry" { transaction.doc_number.clone() } else { pull::number(&transaction) };
        let given = transaction.doc_number.clone().filter(|given| number.as_ref() != Some(given));
        let receipt = Receipt { remote_number: given, ..receipt(transaction.id) };
        Ok((number.unwrap_or_default(), Found { receipt, says }))
    }

    fn sale_says(&self, transaction: &Transaction<'_>) -> Result<Statement, String> {
        Ok(Statement {
            number: pull::number(transaction),
            customer: self.customer_name(&transaction.customer_ref),
            currency: Some(self.currency(transaction)),
            date: pull::date(transaction).ok(),
            amount: Some(pull::net(transaction)?),
            lines: Some(pull::sold(transaction)?),
            belongs: Some(belongs(
                self.custom(transaction, &self.settings.contract_field).as_deref(),
                self.custom(transaction, &self.settings.milestone_field).as_deref(),
            )),
            ..Statement::default()
        })
    }

    /// The customer that somebody named.
    fn mapped(&self, name: &str) -> Option<Found> {
        let receipt =
            Receipt { remote_id: self.customers.id(name)?, remote_number: None, request_id: None, unposted: false };
        let silent = &[Essential::Currency];
        Some(Found { receipt, says: Statement { customer: Some(name.into()), silent, ..Statement::default() } })
    }

    fn entry_says(&self, transaction: &Transaction<'_>) -> Result<Statement, String> {
        let mut debits = DecimalText::default();
        for line in &transaction.line {
            let debit = line.journal_entry_line_detail.as_ref().is_some_and(|detail| detail.posting_type == "Debit");
            if let (true, Some(amount)) = (debit, line.amount) {
                debits = pull::plus(debits, pull::amount(amount)?)?;
            }
        }
        Ok(Statement {
            number: transaction.doc_number.clone(),
            currency: Some(self.currency(transaction)),
            date: pull::date(transaction).ok(),
            amount: Some(debits),
            lines: Some(self.posted(transaction)?),
            ..Statement::default()
        })
    }

    /// What an entry posts, by our names of accounts; of other accounts by their ids.
    pub(crate) fn posted(&self, transaction: &Transaction<'_>) -> Result<Vec<Line>, String> {
        let mut lines = Vec::new();
        for line in &transaction.line {
            let Some(detail) = &line.journal_entry_line_detail else { continue };
            let id = detail.account_ref.value.as_str();
            let ours = self.settings.accounts.iter().find(|(_, account)| *account == id).map(|(name, _)| name.as_str());
            let side = if detail.posting_type == "Debit" { Side::Debit } else { Side::Credit };
            let amount = line.amount.map(pull::amount).transpose()?.unwrap_or_default();
            let account = ours.map_or_else(|| format!("account {id}"), Into::into);
            lines.push(Line { says: posting(side, &account), amount });
        }
        Ok(lines)
    }

    /// What is written for a command.
    async fn item(&self, write: &Write<'_>, known: &BTreeMap<String, Saved>) -> Result<Item, Fault> {
        let Write { key, command, after } = write;
        self.may_write(command).await?;
        self.learn_rate(command).await?;
        let added = &added(&self.settings.extra, command, &after.particulars);
        let customer = || write.customer_id(&self.customers, self.client.system());
        let create =
            |entity, body: Body| Item { entity, operation: "create", body: body.to_string(), key: (*key).clone() };
        Ok(match command {
            Command::Customer { name, currency } => {
                self.unlike_others(name).await?;
                let terms = after.particulars.payment_terms.as_ref().and_then(|terms| self.settings.terms.get(terms));
                create("Customer", body::customer(name, currency, &after.particulars, terms, added))
            }
            Command::Invoice(document) => {
                let estimate = document.order.as_ref().map(|_| after.order_id(self.client.system())).transpose()?;
                create("Invoice", {
                    let body = self.invoice_body(document, &customer()?, estimate, added)?;
                    self.addressed(body, &after.particulars, added)
                })
            }
            Command::CreditMemo(document) => create("CreditMemo", self.document(document, &customer()?, added)?),
            Command::JournalEntry(entry) => create("JournalEntry", self.journal(entry, &customer()?, added)?),
            Command::SalesOrder(order) => match known.get(&order.contract) {
                None => create("Estimate", self.estimate(order, &customer()?, None, (added, &after.particulars))?),
                Some(saved) => {
                    let known = Some((saved.id.as_str(), saved.sync_token.as_str()));
                    let body = self.estimate(order, &customer()?, known, (added, &after.particulars))?;
                    // Another token is another request.
                    let key = DeliveryKey::of(&[key.as_str(), &saved.sync_token]);
                    Item { entity: "Estimate", operation: "update", body: body.to_string(), key }
                }
            },
            Command::AcceptanceRecord(_) | Command::BillingStatus(_) | Command::InvoiceEmail(_) => {
                return Err(self.client.fault(Class::Refused, "this connection takes no such document", None));
            }
        })
    }

    /// Estimates that are there already, by number.
    async fn estimates(&self, writes: &[Write<'_>]) -> Result<BTreeMap<String, Saved>, Fault> {
        let orders = writes.iter().filter(|write| matches!(write.command, Command::SalesOrder(_)));
        let names: Vec<String> = orders.map(|write| name(write.command)).collect();
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = format!("SELECT * FROM Estimate WHERE DocNumber IN ({}) MAXRESULTS 1000", listed(&names));
        let answer = self.query(&query).await?;
        let mut known = BTreeMap::new();
        for (_, raw) in self.objects(&answer.body)? {
            let saved: Saved = read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
            known.insert(saved.doc_number.clone(), saved);
        }
        Ok(known)
    }

    /// Orders that somebody else changed between reading and writing are read again, and only our own fields written.
    async fn refresh_stale(&self, writes: &[Write<'_>], places: &[usize], written: &mut [Result<Receipt, Fault>]) {
        for _ in 0..REREADS {
            let stale: Vec<usize> = (0..written.len())
                .filter(|place| {
                    let order = places.get(*place).and_then(|index| writes.get(*index));
                    let order = order.is_some_and(|write| matches!(write.command, Command::SalesOrder(_)));
                    order && matches!(written.get(*place), Some(Err(fault)) if fault.has_code(STALE))
                })
                .collect();
            if stale.is_empty() {
                return;
            }
            let again: Vec<Write<'_>> =
                stale.iter().filter_map(|place| writes.get(*places.get(*place)?).copied()).collect();
            let Ok(known) = self.estimates(&again).await else { return };
            for (place, write) in stale.into_iter().zip(again) {
                let outcome = match self.item(&write, &known).await {
                    Ok(item) => self.write(&[item]).await.into_iter().next(),
                    Err(fault) => Some(Err(fault)),
                };
                if let (Some(slot), Some(outcome)) = (written.get_mut(place), outcome) {
                    *slot = outcome;
                }
            }
        }
    }

    /// Writes items, at most thirty, and gives one outcome for each.
    async fn write(&self, items: &[Item]) -> Vec<Result<Receipt, Fault>> {
        match items {
            [] => Vec::new(),
            [one] => vec![self.alone(one).await],
            _ => self.batch(items).await,
        }
    }

    async fn alone(&self, item: &Item) -> Result<Receipt, Fault> {
        let path = format!("{}?requestid={}", item.entity.to_lowercase(), item.key);
        let answer = self.post(&path, &item.body, None).await?;
        let table: BTreeMap<String, &RawValue> =
            read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let saved = table.get(item.entity).and_then(|raw| serde_json::from_str::<Saved>(raw.get()).ok());
        let saved = saved.ok_or_else(|| self.client.garbage(&answer, "the written document is not in the answer"))?;
        self.kept(item, saved, answer.header(REQUEST_ID))
    }

    async fn batch(&self, items: &[Item]) -> Vec<Result<Receipt, Fault>> {
        let list: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(place, item)| {
                let (operation, entity, body) = (item.operation, item.entity, &item.body);
                format!("{{\"bId\":\"{place}\",\"operation\":\"{operation}\",\"{entity}\":{body}}}")
            })
            .collect();
        let keys: Vec<&str> = items.iter().map(|item| item.key.as_str()).collect();
        let path = format!("batch?requestid={}", DeliveryKey::of(&keys));
        let answer =
            match self.post(&path, &format!("{{\"BatchItemRequest\":[{}]}}", list.join(",")), Some(BATCH)).await {
                Ok(answer) => answer,
                Err(fault) => return items.iter().map(|_| Err(fault.clone())).collect(),
            };
        let request_id = answer.header(REQUEST_ID);
        let read: Result<wire::BatchAnswer<'_>, _> = serde_json::from_str(&answer.body);
        let answers = read.map(|read| read.items).unwrap_or_default();
        let outcome = |(place, item): (usize, &Item)| {
            let unsaid =
                || self.client.fault(Class::Unanswered, "the batch says nothing of this item", request_id.clone());
            let own = |answer: &&BTreeMap<&str, &RawValue>| {
                answer.get("bId").is_some_and(|id| id.get().trim_matches('"') == place.to_string())
            };
            let own = answers.iter().find(own).ok_or_else(unsaid)?;
            if let Some(fault) = own.get("Fault") {
                let fault: wire::FaultBody = serde_json::from_str(fault.get()).map_err(|_| unsaid())?;
                return Err(super::in_doubt(self.refused(&fault.errors, request_id.clone())));
            }
            let saved = own.get(item.entity).and_then(|raw| serde_json::from_str::<Saved>(raw.get()).ok());
            self.kept(item, saved.ok_or_else(unsaid)?, request_id.clone())
        };
        items.iter().enumerate().map(outcome).collect()
    }

    /// What follows from what was saved. Custom fields that QuickBooks does not know are dropped without a word, and with them
    /// all that says to what a document belongs.
    fn kept(&self, item: &Item, saved: Saved, request_id: Option<String>) -> Result<Receipt, Fault> {
        let sent: Sent = serde_json::from_str(&item.body).unwrap_or_default();
        let dropped: Vec<&str> = sent
            .custom_field
            .iter()
            .filter(|field| !saved.custom_field.contains(field))
            .map(|field| field.definition_id.as_str())
            .collect();
        if dropped.is_empty() {
            let remote_number =
                Some(saved.doc_number).filter(|number| !number.is_empty() && *number != sent.doc_number);
            return Ok(Receipt { remote_id: saved.id, remote_number, request_id, unposted: false });
        }
        // An invoice is looked up and then told with what it lacks; an estimate is written again whenever it changes.
        let class = if item.entity == "Estimate" { Class::Refused } else { Class::Unanswered };
        let said = format!(
            "record {} was written, and QuickBooks dropped the custom fields {}: give contract_field and milestone_field the \
             ids of the fields' definitions",
            saved.id,
            dropped.join(", ")
        );
        Err(self.client.fault(class, said, request_id))
    }

    /// Applies what credit memos took back to their invoices, where their writing went well.
    async fn apply_written(&self, writes: &[Write<'_>], outcomes: &mut [Result<Receipt, Fault>]) {
        let mut credits = Vec::new();
        for (place, (write, outcome)) in writes.iter().zip(outcomes.iter()).enumerate() {
            if let (Some(credit), Ok(receipt)) = (Credit::of(write), outcome) {
                credits.push((place, credit, receipt.remote_id.clone()));
            }
        }
        let applied = self.apply(&credits).await;
        for ((place, ..), applied) in credits.iter().zip(applied) {
            if let (Some(slot), Err(fault)) = (outcomes.get_mut(*place), applied) {
                // The memo is there: looking it up finishes the work.
                *slot = Err(Fault { class: Class::Unanswered, ..fault });
            }
        }
    }

    /// Finishes what an earlier attempt at a credit memo did not come to: its application.
    async fn finish_credits(&self, writes: &[Write<'_>], found: &[Option<Found>]) -> Result<(), Fault> {
        let mut credits = Vec::new();
        for (place, (write, found)) in writes.iter().zip(found).enumerate() {
            let Some((credit, found)) = Credit::of(write).zip(found.as_ref()) else { continue };
            let same = found.says.amount.is_some_and(|amount| amount.0 == credit.document.amount.decimal());
            if same {
                credits.push((place, credit, found.receipt.remote_id.clone()));
            }
        }
        self.apply(&credits).await.into_iter().collect()
    }

    async fn apply(&self, credits: &[(usize, Credit<'_>, String)]) -> Vec<Result<(), Fault>> {
        if credits.is_empty() {
            return Vec::new();
        }
        let open = match self.open_amounts(credits).await {
            Ok(open) => open,
            Err(fault) => return credits.iter().map(|_| Err(fault.clone())).collect(),
        };
        let mut outcomes: BTreeMap<usize, Result<(), Fault>> = BTreeMap::new();
        let (mut places, mut items) = (Vec::new(), Vec::new());
        for (_, credit, _) in credits {
            if let Err(fault) = self.learn_rate(credit.command).await {
                return credits.iter().map(|_| Err(fault.clone())).collect();
            }
        }
        for (place, (_, credit, memo)) in credits.iter().enumerate() {
            let left =
                |entity: &str, id: &str| open.get(&(entity.to_owned(), id.to_owned())).copied().unwrap_or_default();
            // An invoice that is paid leaves the credit with the customer.
            let amount = left("Invoice", credit.invoice).min(left("CreditMemo", memo));
            if amount.0.is_zero() {
                outcomes.insert(place, Ok(()));
                continue;
            }
            let body = self.application(credit.document, credit.customer, amount, (credit.invoice, memo));
            match body {
                Ok(body) => {
                    let key = DeliveryKey::of(&[credit.key.as_str(), "applied"]);
                    places.push(place);
                    items.push(Item { entity: "Payment", operation: "create", body: body.to_string(), key });
                }
                Err(fault) => {
                    outcomes.insert(place, Err(fault));
                }
            }
        }
        let written = self.write(&items).await;
        outcomes.extend(places.into_iter().zip(written.into_iter().map(|receipt| receipt.map(drop))));
        outcomes.into_values().collect()
    }

    /// What is open on the memos and on their invoices.
    async fn open_amounts(
        &self,
        credits: &[(usize, Credit<'_>, String)],
    ) -> Result<BTreeMap<(String, String), DecimalText>, Fault> {
        let mut open = BTreeMap::new();
        let invoices: Vec<String> = credits.iter().map(|(_, credit, _)| credit.invoice.to_owned()).collect();
        let memos: Vec<String> = credits.iter().map(|(_, _, memo)| memo.clone()).collect();
        for (entity, ids) in [("Invoice", invoices), ("CreditMemo", memos)] {
            let query = format!("SELECT * FROM {entity} WHERE Id IN ({}) MAXRESULTS 1000", listed(&ids));
            let answer = self.query(&query).await?;
            for (_, raw) in self.objects(&answer.body)? {
                let transaction: Transaction<'_> =
                    read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
                let balance = transaction.balance.map(pull::amount).transpose();
                let balance = balance.map_err(|reason| self.client.garbage(&answer, reason))?;
                open.insert((entity.to_owned(), transaction.id), balance.unwrap_or_default());
            }
        }
        Ok(open)
    }
}

/// A credit memo and the invoice that it takes back from.
struct Credit<'a> {
    key: &'a DeliveryKey,
    command: &'a Command,
    document: &'a Document,
    customer: &'a str,
    invoice: &'a str,
}

impl<'a> Credit<'a> {
    fn of(write: &Write<'a>) -> Option<Self> {
        let Command::CreditMemo(document) = write.command else { return None };
        let (customer, invoice) = (write.after.customer.as_ref()?, write.after.original.as_ref()?);
        Some(Self {
            key: write.key,
            command: write.command,
            document,
            customer: &customer.remote_id,
            invoice: &invoice.remote_id,
        })
    }
}
