//! Records of the simulated account: references, lines, totals, periods.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use rust_decimal::{Decimal, RoundingStrategy};

use super::chart::{self, ACCOUNTS, CURRENCIES, ITEMS, TERMS};
use crate::call::Reply;
use crate::clock::SimClock;
use crate::document::{Posting, Side};
use crate::json::{Json, list, obj};
use crate::store::Store;

/// A refusal in the vendor's words.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// `("o:errorPath", "item")` or the like.
    pub(crate) place: Option<(&'static str, String)>,
    pub(crate) location: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal { status, code, detail: detail.into(), place: None, location: None }
    }

    /// The vendor's catch-all.
    pub(crate) fn user(detail: &str) -> Refusal {
        Refusal::new(400, "USER_ERROR", format!("Error while accessing a resource. {detail}"))
    }

    pub(crate) fn at(mut self, kind: &'static str, place: &str) -> Refusal {
        self.place = Some((kind, place.to_string()));
        self
    }

    pub(crate) fn reply(&self) -> Reply {
        let (title, section) = match (self.status, self.code) {
            (_, "IDEMPOTENCY_ERROR") => ("Conflict", "10.4.10"),
            (401, _) => ("Unauthorized", "10.4.2"),
            (403, _) => ("Forbidden", "10.4.4"),
            (404, _) => ("Not Found", "10.4.5"),
            (405, _) => ("Method Not Allowed", "10.4.6"),
            (500, _) => ("Internal Server Error", "10.5.1"),
            (503, _) => ("Service Unavailable", "10.5.4"),
            // 429 says so too
            _ => ("Bad Request", "10.4.1"),
        };
        let mut detail = obj! {"detail" => &self.detail};
        if let Some((kind, place)) = &self.place {
            detail.set(kind, place);
        }
        detail.set("o:errorCode", self.code);
        let body = obj! {
            "type" => format!("https://www.rfc-editor.org/rfc/rfc9110.html#section-{section}"), "title" => title,
            "status" => self.status, "o:errorDetails" => list![detail],
        };
        let reply =
            Reply::json(self.status, &body).header("content-type", "application/vnd.oracle.resource+json; type=error");
        match &self.location {
            Some(location) => reply.header("location", location.clone()),
            None => reply,
        }
    }
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) base: String,
    pub(crate) account: String,
    pub(crate) zone: TimeZone,
    pub(crate) sql: Connection,
    pub(crate) revoked: bool,
}

pub(crate) fn place(kind: &str) -> String {
    format!("rec:{kind}")
}

fn reference(id: &str, name: &str) -> Json {
    obj! {"id" => id, "refName" => name}
}

fn round(amount: Decimal, digits: u32) -> Decimal {
    amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}

impl State {
    pub(crate) fn record(&self, kind: &str, id: &str) -> Option<&Json> {
        self.store.get(&place(kind), id)
    }

    /// An internal id from `101` or `eid:X`.
    pub(crate) fn resolve(&self, kind: &str, id: &str) -> Option<String> {
        match id.strip_prefix("eid:") {
            Some(external) => self.store.get(&format!("ext:{kind}"), external).and_then(Json::scalar),
            None => self.record(kind, id).map(|_| id.to_string()),
        }
    }

    /// A reference as it is kept, from `{"id":…}`, `{"externalId":…}`, `{"refName":…}` or a bare id.
    fn refer(&self, field: &str, value: &Json) -> Result<Json, Refusal> {
        if value.is_null() {
            return Ok(Json::Null);
        }
        let id = value.scalar().unwrap_or_else(|| value.text("id"));
        let external = value.text("externalId");
        let name = value.text("refName");
        let wrong = || {
            let shown = if id.is_empty() { &external } else { &id };
            let detail = format!("Invalid Field Value {shown} for the following field: {field}");
            Refusal::user(&detail).at("o:errorPath", field)
        };
        let fixed = |table: &[(&str, &str)]| {
            let hit = table.iter().find(|row| row.0 == id || (id.is_empty() && row.1 == name));
            hit.map(|row| reference(row.0, row.1)).ok_or_else(wrong)
        };
        match field {
            "currency" => fixed(&CURRENCIES.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>()),
            "terms" => fixed(&TERMS.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>()),
            "account" => fixed(&ACCOUNTS.iter().map(|row| (row.0, row.2)).collect::<Vec<_>>()),
            "item" => fixed(&ITEMS.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>()),
            "entity" | "customer" | "parent" => {
                let key = if external.is_empty() { id.clone() } else { format!("eid:{external}") };
                let found = ["customer", "job"].iter().find_map(|kind| {
                    let id = self.resolve(kind, &key)?;
                    Some(reference(&id, &self.record(kind, &id)?.text("companyName")))
                });
                found.ok_or_else(wrong)
            }
            "createdFrom" | "doc" => {
                let found = chart::TRANSACTIONS.iter().find_map(|known| self.record(known.0, &id));
                found.map(|record| reference(&id, &record.text("tranId"))).ok_or_else(wrong)
            }
            _ if id.is_empty() => Err(wrong()),
            _ => Ok(reference(&id, &name)),
        }
    }

    pub(crate) fn today(&self) -> Date {
        self.clock.now().to_zoned(self.zone.clone()).date()
    }

    /// Refuses a date in a closed period.
    pub(crate) fn open_period(&self, date: &str) -> Result<(), Refusal> {
        let closed = self.store.get("config", "closed").map(Json::text_of).unwrap_or_default();
        if !closed.is_empty() && date <= closed.as_str() {
            let detail = "The transaction date you specified is not within the date range of your accounting period.";
            return Err(Refusal::user(detail).at("o:errorPath", "tranDate"));
        }
        Ok(())
    }

    /// Takes the header fields of a body over into a record.
    fn header(&self, record: &mut Json, body: &Json, strict: bool) -> Result<(), Refusal> {
        for (name, value) in body.members() {
            if matches!(name.as_str(), "item" | "line" | "apply" | "id" | "links" | "total" | "status") {
                continue;
            }
            if !chart::header_knows(name) {
                if strict {
                    let detail = format!("Error while accessing a resource. Unknown property name: {name}.");
                    return Err(Refusal::new(400, "INVALID_CONTENT", detail).at("o:errorPath", name));
                }
                // the default: dropped without a word
                continue;
            }
            let kept = match name.as_str() {
                "entity" | "customer" | "parent" | "currency" | "terms" | "account" | "createdFrom" => {
                    self.refer(name, value)?
                }
                "tranDate" | "dueDate" => {
                    let text = value.text_of();
                    if text.parse::<Date>().is_err() {
                        return Err(Refusal::user(&format!("Invalid date value {text}")).at("o:errorPath", name));
                    }
                    value.clone()
                }
                _ => value.clone(),
            };
            record.set(name, kept);
        }
        Ok(())
    }

    /// A line as it is kept: references resolved, amount from quantity and rate where it is not given.
    fn line(&self, given: &Json, digits: u32, strict: bool) -> Result<Json, Refusal> {
        let mut line = Json::object();
        for (name, value) in given.members() {
            if !chart::line_knows(name) {
                if strict {
                    let detail = format!("Error while accessing a resource. Unknown property name: {name}.");
                    return Err(Refusal::new(400, "INVALID_CONTENT", detail).at("o:errorPath", name));
                }
                continue;
            }
            let reference = matches!(name.as_str(), "item" | "account" | "entity" | "doc");
            line.set(name, if reference { self.refer(name, value)? } else { value.clone() });
        }
        if line.has("item") {
            let quantity = if line.has("quantity") { line.decimal("quantity") } else { Decimal::ONE };
            line.set("quantity", Json::amount(quantity));
            if line.get("amount").is_none_or(Json::is_null) {
                let rate = round(line.decimal("rate"), 8);
                line.set("rate", Json::amount(rate));
                line.set("amount", Json::amount(round(quantity * rate, digits)));
            } else if !line.has("rate") && !quantity.is_zero() {
                let rate = line.decimal("amount").checked_div(quantity).unwrap_or_default();
                line.set("rate", Json::amount(round(rate, 8)));
            }
            let amount = round(line.decimal("amount"), digits);
            line.set("amount", Json::amount(amount));
        }
        Ok(line)
    }

    /// Lines after a write: all of them, or merged by `line` as PATCH does.
    pub(crate) fn lines(
        &self,
        record: &Json,
        sublist: &str,
        given: &Json,
        merge: bool,
        strict: bool,
    ) -> Result<Vec<Json>, Refusal> {
        let digits = self.digits(record);
        let before = record.list(sublist).to_vec();
        let mut kept: Vec<Json> = if merge { before.clone() } else { Vec::new() };
        let given = if given.has("items") { given.list("items") } else { given.items() };
        // line numbers of a journal start at 0
        let first = if sublist == "line" { 0 } else { 1 };
        for new in given {
            let number = new.text("line");
            let old = if merge && !number.is_empty() {
                kept.iter_mut().find(|line| line.text("line") == number)
            } else {
                None
            };
            match old {
                Some(old) => {
                    let mut both = old.clone();
                    if new.has("rate") || new.has("quantity") {
                        both.remove("amount");
                    }
                    new.members().iter().for_each(|(name, value)| both.set(name, value));
                    *old = self.line(&both, digits, strict)?;
                }
                None if before.iter().any(|line| !number.is_empty() && line.text("line") == number) => {
                    // a replaced list still knows the lines it names
                    let mut both = before.iter().find(|line| line.text("line") == number).cloned().unwrap_or_default();
                    if new.has("rate") || new.has("quantity") {
                        both.remove("amount");
                    }
                    new.members().iter().for_each(|(name, value)| both.set(name, value));
                    kept.push(self.line(&both, digits, strict)?);
                }
                None => {
                    if sublist == "item" && !new.has("item") {
                        return Err(Refusal::user("Please enter value(s) for: Item"));
                    }
                    let next = kept.iter().map(|line| line.int("line") + 1).max().unwrap_or(first);
                    kept.push(self.line(new, digits, strict)?.with("line", next));
                }
            }
        }
        Ok(kept)
    }

    pub(crate) fn digits(&self, record: &Json) -> u32 {
        let currency = record.text("currency.id");
        CURRENCIES.iter().find(|known| known.0 == currency).map_or(2, |known| known.2)
    }

    /// Creates a record of any type.
    pub(crate) fn create(&mut self, kind: &'static str, body: &Json, strict: bool) -> Result<String, Refusal> {
        let external = body.text("externalId");
        let index = format!("ext:{kind}");
        if !external.is_empty() && self.store.get(&index, &external).is_some() {
            return Err(Refusal::user("This entity already exists."));
        }
        let id = self.store.next("record", 101).to_string();
        let now = self.clock.now().to_string();
        let mut record = obj! {"id" => &id, "createdDate" => &now, "lastModifiedDate" => &now};
        if chart::transaction(kind).is_some() {
            record.set("tranDate", self.today().to_string());
        }
        self.header(&mut record, body, strict)?;
        self.complete(kind, &mut record, body, false, strict)?;
        if !external.is_empty() {
            self.store.put(&index, &external, id.as_str());
        }
        self.store.put(&place(kind), &id, record);
        self.apply(kind, &id, body)?;
        Ok(id)
    }

    /// Changes a record; `replace` names the sublists that are swapped as a whole.
    pub(crate) fn update(
        &mut self,
        kind: &'static str,
        id: &str,
        body: &Json,
        replace: &str,
        strict: bool,
    ) -> Result<(), Refusal> {
        let Some(old) = self.record(kind, id).cloned() else { return Err(missing()) };
        if chart::transaction(kind).is_some() {
            self.open_period(&old.text("tranDate"))?;
        }
        let mut record = old.clone();
        self.header(&mut record, body, strict)?;
        let merge = !replace.split(',').any(|name| name == "item" || name == "line" || name == "*");
        self.complete(kind, &mut record, body, merge, strict)?;
        record.set("lastModifiedDate", self.clock.now().to_string());
        let (before, after) = (old.text("externalId"), record.text("externalId"));
        if before != after {
            let index = format!("ext:{kind}");
            if self.store.get(&index, &after).is_some() {
                return Err(Refusal::user("This entity already exists."));
            }
            self.store.remove(&index, &before);
            self.store.put(&index, &after, id);
        }
        self.store.put(&place(kind), id, record);
        Ok(())
    }

    /// Fills in what the vendor computes and checks what he demands.
    fn complete(
        &mut self,
        kind: &str,
        record: &mut Json,
        body: &Json,
        merge: bool,
        strict: bool,
    ) -> Result<(), Refusal> {
        let needs = |name: &str, label: &str| {
            let detail = format!("Please enter value(s) for: {label}");
            if record.text(&format!("{name}.id")).is_empty() { Err(Refusal::user(&detail)) } else { Ok(()) }
        };
        match kind {
            "customer" => {
                let name = record.text("companyName");
                if name.is_empty() && record.text("lastName").is_empty() {
                    return Err(Refusal::user("Please enter value(s) for: Company Name"));
                }
                if !record.has("entityId") {
                    record.set("entityId", name);
                }
                return Ok(());
            }
            "salesOrder" | "invoice" | "creditMemo" | "estimate" => needs("entity", "Customer")?,
            "customerPayment" => needs("customer", "Customer")?,
            "journalEntry" => {}
            _ => return Ok(()),
        }
        self.open_period(&record.text("tranDate"))?;
        if !record.has("currency") {
            let entity = record.path("entity.id").or(record.path("customer.id")).map(Json::text_of).unwrap_or_default();
            let own = self.record("customer", &entity).and_then(|customer| customer.get("currency")).cloned();
            record.set("currency", own.unwrap_or_else(|| reference("1", "USD")));
        }
        if !record.has("exchangeRate") {
            record.set("exchangeRate", Json::Number("1.0".to_string()));
        }
        if record.text("tranId").is_empty() {
            let prefix = chart::transaction(kind).map_or("T", |known| known.2);
            let number = self.store.next(&format!("number:{kind}"), 1001);
            record.set("tranId", format!("{prefix}{number}"));
        }
        for sublist in ["item", "line"] {
            if let Some(given) = body.get(sublist) {
                let lines = self.lines(record, sublist, given, merge, strict)?;
                record.set(sublist, lines);
            }
        }
        self.totals(kind, record)
    }

    fn totals(&self, kind: &str, record: &mut Json) -> Result<(), Refusal> {
        let sum =
            |sublist: &str, field: &str| record.list(sublist).iter().map(|line| line.decimal(field)).sum::<Decimal>();
        match kind {
            "journalEntry" => {
                let (debit, credit) = (sum("line", "debit"), sum("line", "credit"));
                if debit != credit || record.list("line").len() < 2 {
                    return Err(Refusal::user("Please enter a balanced journal entry: debits must equal credits."));
                }
                record.set("total", Json::amount(debit));
                record.set("status", obj! {"id" => "B", "refName" => "Approved for Posting"});
            }
            "customerPayment" => {
                let payment = record.get("payment").cloned().unwrap_or_else(|| Json::from(0));
                record.set("total", payment);
                record.set("status", obj! {"id" => "C", "refName" => "Deposited"});
            }
            _ => {
                let total = sum("item", "amount");
                if record.list("item").is_empty() {
                    return Err(Refusal::user("You must enter at least one line item for this transaction."));
                }
                if total < Decimal::ZERO {
                    return Err(Refusal::user("The total can not be less than zero."));
                }
                record.set("total", Json::amount(total));
                record.set("subtotal", Json::amount(total));
                if kind == "salesOrder" {
                    self.order_status(record);
                } else if !record.has("status") {
                    record.set("status", obj! {"id" => "A", "refName" => "Open"});
                }
                self.due(record);
                let paid = record.decimal("amountPaid");
                record.set("amountRemaining", Json::amount(total - paid));
            }
        }
        Ok(())
    }

    fn due(&self, record: &mut Json) {
        let days = TERMS.iter().find(|terms| terms.0 == record.text("terms.id")).map(|terms| terms.2);
        if record.has("dueDate") {
            return;
        }
        if let Ok(date) = record.text("tranDate").parse::<Date>() {
            let due = date.saturating_add(jiff::Span::new().days(days.unwrap_or_default()));
            record.set("dueDate", due.to_string());
        }
    }

    fn order_status(&self, record: &mut Json) {
        let lines = record.list("item");
        let billed = |line: &Json| line.decimal("quantityBilled") >= line.decimal("quantity");
        let (id, name) = match record.text("orderStatus").as_str() {
            "A" => ("A", "Pending Approval"),
            _ if !lines.is_empty() && lines.iter().all(billed) => ("G", "Billed"),
            // services need no fulfilment
            _ => ("F", "Pending Billing"),
        };
        record.set("status", obj! {"id" => id, "refName" => name});
    }

    /// Applies a payment or credit to the documents it names.
    fn apply(&mut self, kind: &str, id: &str, body: &Json) -> Result<(), Refusal> {
        let Some(apply) = body.get("apply") else { return Ok(()) };
        for row in if apply.has("items") { apply.list("items") } else { apply.items() } {
            if row.get("apply").is_some_and(|apply| !apply.is_true()) {
                continue;
            }
            let target = row.get("doc").map(|doc| doc.scalar().unwrap_or_else(|| doc.text("id"))).unwrap_or_default();
            let Some(invoice) = self.resolve("invoice", &target) else {
                return Err(Refusal::user(&format!("Invalid Field Value {target} for the following field: doc")));
            };
            let total = self.record(kind, id).map(|record| record.decimal("total")).unwrap_or_default();
            let amount = if row.has("amount") { row.decimal("amount") } else { total };
            self.settle(&invoice, (kind, id), amount)?;
        }
        Ok(())
    }

    /// Lowers what is open on an invoice by a payment or credit, and links the two.
    pub(crate) fn settle(&mut self, invoice: &str, (kind, id): (&str, &str), amount: Decimal) -> Result<(), Refusal> {
        let Some(mut record) = self.record("invoice", invoice).cloned() else { return Err(missing()) };
        let paid = record.decimal("amountPaid") + amount;
        let left = record.decimal("total") - paid;
        record.set("amountPaid", Json::amount(paid));
        record.set("amountRemaining", Json::amount(left));
        let status = if left <= Decimal::ZERO { ("B", "Paid In Full") } else { ("A", "Open") };
        record.set("status", obj! {"id" => status.0, "refName" => status.1});
        record.set("lastModifiedDate", self.clock.now().to_string());
        self.store.put(&place("invoice"), invoice, record);
        if let Some(mut source) = self.record(kind, id).cloned() {
            let applied = source.decimal("applied") + amount;
            source.set("applied", Json::amount(applied));
            let left = source.decimal("total") - applied;
            source.set("amountRemaining", Json::amount(left));
            if kind == "creditMemo" && left <= Decimal::ZERO {
                source.set("status", obj! {"id" => "B", "refName" => "Fully Applied"});
            }
            self.store.put(&place(kind), id, source);
        }
        self.link((invoice, "invoice"), (id, kind), "Payment", amount);
        Ok(())
    }

    pub(crate) fn link(&mut self, previous: (&str, &str), next: (&str, &str), how: &str, amount: Decimal) {
        let id = self.store.next("link", 1).to_string();
        let kind = |name: &str| chart::transaction(name).map_or("", |known| known.1);
        self.store.put(
            "links",
            &id,
            obj! {
                "previous" => previous.0, "next" => next.0, "previoustype" => kind(previous.1), "nexttype" => kind(next.1),
                "how" => how, "amount" => Json::amount(amount), "changed" => self.clock.now().to_string(),
            },
        );
    }

    pub(crate) fn delete(&mut self, kind: &'static str, id: &str) -> Result<(), Refusal> {
        let Some(old) = self.record(kind, id).cloned() else { return Err(missing()) };
        if chart::transaction(kind).is_some() {
            self.open_period(&old.text("tranDate"))?;
        }
        if self.store.all("links").any(|(_, link)| link.text("previous") == id) {
            let detail = "This transaction cannot be deleted because it is linked to by one or more transactions.";
            return Err(Refusal::user(detail));
        }
        let links: Vec<(String, Json)> = self
            .store
            .all("links")
            .filter(|(_, link)| link.text("next") == id)
            .map(|(key, link)| (key.to_string(), link.clone()))
            .collect();
        for (key, link) in links {
            self.undo_link(&link, &old);
            self.store.remove("links", &key);
        }
        self.store.remove(&format!("ext:{kind}"), &old.text("externalId"));
        self.store.remove(&place(kind), id);
        let gone = obj! {"id" => id, "type" => kind, "at" => self.clock.now().to_string()};
        self.store.put("deleted", id, gone);
        Ok(())
    }
}

impl State {
    /// What a deleted document had done to the one before it: paid it, or billed its lines.
    fn undo_link(&mut self, link: &Json, gone: &Json) {
        let previous = link.text("previous");
        if link.text("how") == "Payment" {
            let Some(mut invoice) = self.record("invoice", &previous).cloned() else { return };
            let paid = invoice.decimal("amountPaid") - link.decimal("amount");
            let left = invoice.decimal("total") - paid;
            invoice.set("amountPaid", Json::amount(paid));
            invoice.set("amountRemaining", Json::amount(left));
            invoice.set("status", obj! {"id" => "A", "refName" => "Open"});
            invoice.set("lastModifiedDate", self.clock.now().to_string());
            self.store.put(&place("invoice"), &previous, invoice);
            return;
        }
        let Some(mut order) = self.record("salesOrder", &previous).cloned() else { return };
        let mut lines = order.list("item").to_vec();
        for line in &mut lines {
            let number = line.text("line");
            let billed: Decimal = gone
                .list("item")
                .iter()
                .filter(|other| other.text("orderLine") == number)
                .map(|other| other.decimal("quantity"))
                .sum();
            let left = line.decimal("quantityBilled") - billed;
            line.set("quantityBilled", Json::amount(left));
        }
        order.set("item", lines);
        self.order_status(&mut order);
        self.store.put(&place("salesOrder"), &previous, order);
    }
}

pub(crate) fn missing() -> Refusal {
    Refusal::new(404, "NONEXISTENT_ID", "The record instance does not exist. Provide a valid record instance ID.")
}

/// What a transaction posts, in its own currency.
pub(crate) fn postings(kind: &str, record: &Json) -> Vec<Posting> {
    if record.get("voided").is_some_and(Json::is_true) {
        return Vec::new();
    }
    let text = |amount: Decimal| amount.normalize().to_string();
    let total = text(record.decimal("total"));
    let income = |line: &Json| {
        let item = line.text("item.id");
        ITEMS.iter().find(|known| known.0 == item).map_or("123", |known| known.2).to_string()
    };
    let mut out: Vec<Posting> = Vec::new();
    match kind {
        "invoice" | "creditMemo" => {
            let (ours, theirs) =
                if kind == "invoice" { (Side::Debit, Side::Credit) } else { (Side::Credit, Side::Debit) };
            out.push((chart::RECEIVABLE.to_string(), ours, total));
            out.extend(record.list("item").iter().map(|line| (income(line), theirs, text(line.decimal("amount")))));
        }
        "customerPayment" => {
            out.push((chart::UNDEPOSITED.to_string(), Side::Debit, total.clone()));
            out.push((chart::RECEIVABLE.to_string(), Side::Credit, total));
        }
        "journalEntry" => {
            for line in record.list("line") {
                for (field, side) in [("debit", Side::Debit), ("credit", Side::Credit)] {
                    let amount = line.decimal(field);
                    if !amount.is_zero() {
                        out.push((line.text("account.id"), side, text(amount)));
                    }
                }
            }
        }
        _ => {}
    }
    out
}
