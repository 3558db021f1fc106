//! Entities of the simulated company: numbers, balances, links, closed books.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};

use super::chart;
use crate::call::Reply;
use crate::clock::SimClock;
use crate::document::{Posting, Side};
use crate::json::{Json, list, obj};
use crate::store::Store;

/// A fault in the vendor's words.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) detail: String,
    pub(crate) kind: &'static str,
}

pub(crate) fn fault(code: &'static str, message: &'static str, detail: impl Into<String>) -> Fault {
    Fault { status: 400, code, message, detail: detail.into(), kind: "ValidationFault" }
}

impl Fault {
    pub(crate) fn json(&self) -> Json {
        let error = obj! {"Message" => self.message, "Detail" => &self.detail, "code" => self.code, "element" => ""};
        obj! {"Error" => list![error], "type" => self.kind}
    }
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) base: String,
    pub(crate) realm: String,
    pub(crate) verifier: String,
    pub(crate) zone: TimeZone,
    /// Per minute and per second, where they are limited.
    pub(crate) limits: Option<(usize, usize)>,
    pub(crate) recent: Vec<i64>,
    /// Webhooks in the shape that was usual until 2026.
    pub(crate) legacy: bool,
}

pub(crate) fn place(entity: &str) -> String {
    format!("rec:{entity}")
}

fn round(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

fn required(name: &str) -> Fault {
    let detail = format!("Required parameter {name} is missing in the request");
    fault("2020", "Required param missing, need to supply the required value for the API", detail)
}

/// Empty strings and nulls, which some clients send for everything they do not know.
fn cleaned(body: &Json) -> Json {
    let empty = |value: &Json| value.is_null() || value.as_str() == Some("");
    Json::Object(body.members().iter().filter(|(_, value)| !empty(value)).cloned().collect())
}

impl State {
    pub(crate) fn stamp(&self) -> String {
        self.clock.now().to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    pub(crate) fn record(&self, entity: &str, id: &str) -> Option<&Json> {
        self.store.get(&place(entity), id)
    }

    pub(crate) fn keep(&mut self, entity: &str, record: Json) {
        let id = record.text("Id");
        self.store.put(&place(entity), &id, record);
    }

    pub(crate) fn preferences(&self) -> Json {
        let set = self.store.get("config", "preferences").cloned().unwrap_or_default();
        let flag = |name: &str, default: bool| Json::Bool(set.get(name).map_or(default, Json::is_true));
        let mut accounting = obj! {"UseAccountNumbers" => true, "FirstMonthOfFiscalYear" => "January", "CustomerTerminology" => "Customers"};
        if !set.text("BookCloseDate").is_empty() {
            accounting.set("BookCloseDate", set.text("BookCloseDate"));
        }
        let custom = |id: u8, name: &str| {
            obj! {"Name" => format!("SalesFormsPrefs.SalesCustomName{id}"), "StringValue" => name, "Type" => "StringType"}
        };
        obj! {
            "AccountingInfoPrefs" => accounting,
            "ProductAndServicesPrefs" => obj! {
                "ForSales" => true, "RevenueRecognitionEnabled" => flag("RevenueRecognitionEnabled", false),
            },
            "SalesFormsPrefs" => obj! {
                "CustomTxnNumbers" => flag("CustomTxnNumbers", true), "AllowDeposit" => true,
                "CustomField" => list![obj! {"CustomField" => list![custom(1, "SOW"), custom(2, "Milestone"), custom(3, "Acceptance")]}],
            },
            "CurrencyPrefs" => obj! {"MultiCurrencyEnabled" => flag("MultiCurrencyEnabled", true), "HomeCurrency" => obj! {"value" => "USD"}},
            "Id" => "1", "SyncToken" => "0", "domain" => "QBO", "sparse" => false,
            "MetaData" => obj! {"CreateTime" => self.stamp(), "LastUpdatedTime" => self.stamp()},
        }
    }

    fn reference(&self, entity: &str, name: &str, value: &Json) -> Result<Json, Fault> {
        let id = value.scalar().unwrap_or_else(|| value.text("value"));
        match self.record(entity, &id) {
            Some(found) => {
                let shown = ["DisplayName", "Name"].iter().map(|key| found.text(key)).find(|text| !text.is_empty());
                // the name that came in is ignored
                Ok(obj! {"value" => id, "name" => shown.unwrap_or_default()})
            }
            None => {
                let detail = format!("Invalid Reference Id : {name} assigned to {id} is not valid or inactive");
                Err(fault("2500", "Invalid Reference Id", detail))
            }
        }
    }

    fn check_open(&self, date: &str) -> Result<(), Fault> {
        let closed = self.preferences().text("AccountingInfoPrefs.BookCloseDate");
        if !closed.is_empty() && date <= closed.as_str() {
            let detail = "The account period has closed and the account books cannot be updated through through the QBO Services \
                          API. Please use the QBO website to make these changes.";
            return Err(fault("6210", "Account Period Closed, Cannot Update Through Services API", detail));
        }
        Ok(())
    }

    fn numbered(&mut self, entity: &str, record: &mut Json, id: &str, duplicates: bool) -> Result<(), Fault> {
        if matches!(entity, "Payment") || !chart::TRANSACTIONS.contains(&entity) {
            return Ok(());
        }
        let custom = self.preferences().path("SalesFormsPrefs.CustomTxnNumbers").is_some_and(Json::is_true);
        let index = format!("number:{entity}");
        let number = record.text("DocNumber");
        if number.chars().count() > 21 {
            let detail =
                "The length of the field exceeds the maximum number of characters allowed. Property: DocNumber, max 21";
            return Err(fault("2050", "Invalid String Length", detail));
        }
        let held = self.store.get(&index, &number).map(Json::text_of);
        if held.as_deref() == Some(id) {
            return Ok(());
        }
        if entity != "JournalEntry" && (number.is_empty() || !custom) {
            let number = self.store.next("docnumber", 1001).to_string();
            record.set("DocNumber", &number);
            self.store.put(&index, &number, id);
            return Ok(());
        }
        if number.is_empty() {
            return Ok(());
        }
        if let (Some(holder), false) = (held, duplicates) {
            let detail = format!(
                "Duplicate Document Number Error : You must specify a different number. This number has already been used. \
                 DocNumber={number} is assigned to TxnType={entity} with TxnId={holder}"
            );
            return Err(fault("6140", "Duplicate Document Number Error", detail));
        }
        self.store.put(&index, &number, id);
        Ok(())
    }

    fn named(&mut self, entity: &str, record: &mut Json, id: &str) -> Result<(), Fault> {
        if record.text("DisplayName").is_empty() {
            let parts = ["GivenName", "FamilyName", "CompanyName"].map(|name| record.text(name));
            let name: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            if name.is_empty() {
                return Err(required("DisplayName"));
            }
            let name = name.join(" ");
            record.set("DisplayName", name);
        }
        let name = record.text("DisplayName").to_lowercase();
        let holder = self.store.get("names", &name).map(Json::text_of);
        let own = format!("{entity}:{id}");
        if holder.is_some_and(|holder| holder != own) {
            let detail = "The name supplied already exists. : Another customer, vendor or employee is already using this name. \
                          Please use a different name.";
            return Err(fault("6240", "Duplicate Name Exists Error", detail));
        }
        self.store.put("names", &name, own);
        if !record.has("CurrencyRef") {
            record.set("CurrencyRef", obj! {"value" => "USD", "name" => "United States Dollar"});
        }
        if !record.has("Balance") {
            record.set("Balance", 0);
        }
        Ok(())
    }

    pub(crate) fn create(&mut self, entity: &'static str, body: &Json, duplicates: bool) -> Result<Json, Fault> {
        let family = if chart::TRANSACTIONS.contains(&entity) { "txn" } else { entity };
        let id = self.store.next(family, 101).to_string();
        let mut record = cleaned(body);
        record.remove("sparse");
        record.set("Id", &id);
        record.set("SyncToken", "0");
        let now = self.stamp();
        record.set("MetaData", obj! {"CreateTime" => &now, "LastUpdatedTime" => &now});
        self.complete(entity, &mut record, duplicates)?;
        self.keep(entity, record.clone());
        self.links(entity, &record)?;
        self.tell(entity, &id, "created");
        Ok(self.record(entity, &id).cloned().unwrap_or(record))
    }

    pub(crate) fn current(&self, entity: &str, body: &Json) -> Result<Json, Fault> {
        let id = body.text("Id");
        let Some(old) = self.record(entity, &id).cloned() else { return Err(gone()) };
        if !body.has("SyncToken") {
            return Err(required("SyncToken"));
        }
        if body.text("SyncToken") != old.text("SyncToken") {
            let detail = "Stale Object Error : You and another user were working on this at the same time. The other user finished \
                          before you did, so your work was not saved.";
            return Err(fault("5010", "Stale Object Error", detail));
        }
        Ok(old)
    }

    pub(crate) fn update(&mut self, entity: &'static str, body: &Json, duplicates: bool) -> Result<Json, Fault> {
        let old = self.current(entity, body)?;
        if chart::TRANSACTIONS.contains(&entity) {
            self.check_open(&old.text("TxnDate"))?;
        }
        let given = cleaned(body);
        let sparse = body.get("sparse").is_some_and(Json::is_true);
        let mut record = if sparse { old.clone() } else { Json::object() };
        given.members().iter().for_each(|(name, value)| record.set(name, value));
        record.remove("sparse");
        for name in ["Id", "MetaData", "SyncToken", "Balance", "LinkedTxn", "paid"] {
            if let Some(value) = old.get(name) {
                record.set(name, value);
            }
        }
        self.complete(entity, &mut record, duplicates)?;
        self.bump(&mut record);
        let id = record.text("Id");
        // the number or name that was given up is free again
        if old.text("DocNumber") != record.text("DocNumber") {
            self.store.remove(&format!("number:{entity}"), &old.text("DocNumber"));
        }
        if old.text("DisplayName").to_lowercase() != record.text("DisplayName").to_lowercase() {
            self.store.remove("names", &old.text("DisplayName").to_lowercase());
        }
        self.keep(entity, record.clone());
        self.tell(entity, &id, "updated");
        Ok(record)
    }

    fn bump(&self, record: &mut Json) {
        let next = record.int("SyncToken") + 1;
        record.set("SyncToken", next.to_string());
        self.touch(record);
    }

    fn touch(&self, record: &mut Json) {
        let meta = record.get("MetaData").cloned().unwrap_or_default().with("LastUpdatedTime", self.stamp());
        record.set("MetaData", meta);
    }

    /// Checks an entity and fills in what the vendor computes.
    fn complete(&mut self, entity: &'static str, record: &mut Json, duplicates: bool) -> Result<(), Fault> {
        let strange = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_uppercase()) && !matches!(name, "domain" | "status" | "paid")
        };
        if let Some((name, _)) = record.members().iter().find(|(name, _)| strange(name)) {
            let detail = format!("Request has invalid or unsupported property : Property Name:{name} is invalid");
            return Err(fault("2010", "Request has invalid or unsupported property", detail));
        }
        record.set("domain", "QBO");
        let id = record.text("Id");
        if chart::NAMES.contains(&entity) {
            return self.named(entity, record, &id);
        }
        if !chart::TRANSACTIONS.contains(&entity) {
            record.set("Active", true);
            return if record.text("Name").is_empty() { Err(required("Name")) } else { Ok(()) };
        }
        if record.text("PrivateNote").chars().count() > 4000 {
            return Err(fault("2050", "Invalid String Length", "Property: PrivateNote, max 4000"));
        }
        if record.text("TxnDate").is_empty() {
            let today = self.clock.now().to_zoned(self.zone.clone()).date();
            record.set("TxnDate", today.to_string());
        }
        if record.text("TxnDate").parse::<Date>().is_err() {
            return Err(fault("2030", "Invalid Date", format!("Invalid date: {}", record.text("TxnDate"))));
        }
        self.check_open(&record.text("TxnDate"))?;
        if entity == "JournalEntry" {
            self.journal(record)?;
        } else {
            let customer = record.get("CustomerRef").cloned().ok_or_else(|| required("CustomerRef"))?;
            let customer = self.reference("Customer", "Customers", &customer)?;
            let own = self
                .record("Customer", &customer.text("value"))
                .map(|found| found.text("CurrencyRef.value"))
                .unwrap_or_default();
            record.set("CustomerRef", customer);
            let given = record.text("CurrencyRef.value");
            if !given.is_empty() && given != own {
                let detail = "The currency of the transaction is not the currency of the customer";
                return Err(fault(
                    "6000",
                    "A business validation error has occurred while processing your request",
                    detail,
                ));
            }
            record.set("CurrencyRef", obj! {"value" => own});
            match entity {
                "Payment" => {
                    let total = record.get("TotalAmt").cloned().ok_or_else(|| required("TotalAmt"))?;
                    record.set("TotalAmt", total);
                }
                _ => self.sale(entity, record)?,
            }
        }
        if !record.has("CurrencyRef") {
            record.set("CurrencyRef", obj! {"value" => "USD"});
        }
        if record.decimal("ExchangeRate").is_zero() {
            // a foreign document without a rate is booked one to one
            record.set("ExchangeRate", 1);
        }
        self.numbered(entity, record, &id, duplicates)
    }

    fn sale(&self, entity: &str, record: &mut Json) -> Result<(), Fault> {
        let mut lines = Vec::new();
        let mut total = Decimal::ZERO;
        for (at, line) in
            record.list("Line").iter().filter(|line| line.text("DetailType") != "SubTotalLineDetail").enumerate()
        {
            let mut line = line.clone();
            let detail = line.get("SalesItemLineDetail").map(cleaned);
            if let Some(mut detail) = detail {
                let (quantity, price) = (detail.decimal("Qty"), detail.decimal("UnitPrice"));
                if !line.has("Amount") {
                    return Err(required("Line.Amount"));
                }
                if detail.has("Qty")
                    && detail.has("UnitPrice")
                    && round(quantity * price) != round(line.decimal("Amount"))
                {
                    let why =
                        "Amount is not equal to UnitPrice * Qty. Supplied value:".to_string() + &line.text("Amount");
                    return Err(fault("6070", "Amount calculation incorrect in the request", why));
                }
                if let Some(item) = detail.get("ItemRef") {
                    detail.set("ItemRef", self.reference("Item", "Items", item)?);
                }
                total += line.decimal("Amount");
                line.set("SalesItemLineDetail", detail);
            }
            line.set("Id", (at + 1).to_string());
            line.set("LineNum", at + 1);
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(required("Line"));
        }
        lines.push(obj! {"Amount" => Json::amount(total), "DetailType" => "SubTotalLineDetail", "SubTotalLineDetail" => Json::object()});
        record.set("Line", lines);
        record.set("TotalAmt", Json::amount(total));
        if !record.has("TxnTaxDetail") {
            record.set("TxnTaxDetail", obj! {"TotalTax" => 0});
        }
        match entity {
            "Invoice" => {
                let open = total - record.decimal("paid");
                record.set("Balance", Json::amount(open));
                self.due(record)?;
            }
            "CreditMemo" => {
                let open = total - record.decimal("paid");
                record.set("RemainingCredit", Json::amount(open));
                record.set("Balance", Json::amount(open));
            }
            _ if record.text("TxnStatus").is_empty() => record.set("TxnStatus", "Pending"),
            _ => {}
        }
        Ok(())
    }

    fn due(&self, record: &mut Json) -> Result<(), Fault> {
        let mut days = 30;
        if let Some(terms) = record.get("SalesTermRef") {
            let terms = self.reference("Term", "Terms", terms)?;
            days = self.record("Term", &terms.text("value")).map_or(30, |found| found.int("DueDays"));
            record.set("SalesTermRef", terms);
        }
        if let (true, Ok(date)) = (record.text("DueDate").is_empty(), record.text("TxnDate").parse::<Date>()) {
            record.set("DueDate", date.saturating_add(jiff::Span::new().days(days)).to_string());
        }
        Ok(())
    }

    fn journal(&self, record: &mut Json) -> Result<(), Fault> {
        let business = |detail: &str| {
            fault("6000", "A business validation error has occurred while processing your request", detail)
        };
        let mut lines = Vec::new();
        let (mut debit, mut credit) = (Decimal::ZERO, Decimal::ZERO);
        for (at, line) in record.list("Line").iter().enumerate() {
            let mut line = line.clone();
            let mut detail =
                line.get("JournalEntryLineDetail").map(cleaned).ok_or_else(|| required("JournalEntryLineDetail"))?;
            let account = detail.get("AccountRef").cloned().ok_or_else(|| required("AccountRef"))?;
            let account = self.reference("Account", "Accounts", &account)?;
            if account.text("value") == chart::RECEIVABLE && !detail.has("Entity") {
                return Err(business(
                    "When you use Accounts Receivable, you must choose a customer in the Name field.",
                ));
            }
            detail.set("AccountRef", account);
            match detail.text("PostingType").as_str() {
                "Debit" => debit += line.decimal("Amount"),
                "Credit" => credit += line.decimal("Amount"),
                other => return Err(fault("2170", "Invalid Enumeration", format!("Invalid Enumeration : {other}"))),
            }
            line.set("JournalEntryLineDetail", detail);
            line.set("DetailType", "JournalEntryLineDetail");
            // lines of a journal count from 0
            line.set("Id", at.to_string());
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(required("Line"));
        }
        if debit != credit {
            return Err(business(
                "Transaction is not in balance. Make sure all your transactions are in balance before you save.",
            ));
        }
        record.set("Line", lines);
        record.set("TotalAmt", 0);
        Ok(())
    }

    /// Follows the links of a new transaction: estimates close, payments and credits lower balances.
    fn links(&mut self, entity: &'static str, record: &Json) -> Result<(), Fault> {
        let id = record.text("Id");
        for link in record.list("LinkedTxn") {
            if link.text("TxnType") == "Estimate"
                && let Some(mut estimate) = self.record("Estimate", &link.text("TxnId")).cloned()
            {
                // seen in the field: closed without a new token
                estimate.set("TxnStatus", "Closed");
                let mut linked = estimate.get("LinkedTxn").cloned().unwrap_or_else(|| list![]);
                linked.push(obj! {"TxnId" => &id, "TxnType" => entity});
                estimate.set("LinkedTxn", linked);
                self.touch(&mut estimate);
                self.keep("Estimate", estimate);
            }
        }
        if entity != "Payment" {
            return Ok(());
        }
        let mut applied = Decimal::ZERO;
        for line in record.list("Line") {
            for link in line.list("LinkedTxn") {
                let Some(kind) = chart::entity(&link.text("TxnType")) else { continue };
                let Some(mut target) = self.record(kind, &link.text("TxnId")).cloned() else {
                    return Err(fault("2500", "Invalid Reference Id", "Invalid Reference Id : LinkedTxn"));
                };
                let amount = line.decimal("Amount");
                applied += if kind == "CreditMemo" { -amount } else { amount };
                let paid = target.decimal("paid") + amount;
                let open = target.decimal("TotalAmt") - paid;
                target.set("paid", Json::amount(paid));
                target.set("Balance", Json::amount(open));
                if kind == "CreditMemo" {
                    target.set("RemainingCredit", Json::amount(open));
                }
                let mut linked = target.get("LinkedTxn").cloned().unwrap_or_else(|| list![]);
                linked.push(obj! {"TxnId" => &id, "TxnType" => "Payment"});
                target.set("LinkedTxn", linked);
                self.bump(&mut target);
                let target_id = target.text("Id");
                self.keep(kind, target);
                self.tell(kind, &target_id, "updated");
            }
        }
        let left = record.decimal("TotalAmt") - applied;
        self.keep("Payment", record.clone().with("UnappliedAmt", Json::amount(left)));
        Ok(())
    }

    /// Voids a transaction; the answer still carries the old amounts and the old token, as recorded from the vendor.
    pub(crate) fn void(&mut self, entity: &'static str, body: &Json) -> Result<Json, Fault> {
        let old = self.current(entity, body)?;
        self.check_open(&old.text("TxnDate"))?;
        if !old.decimal("paid").is_zero() {
            let detail = "The transaction cannot be voided because a payment is applied to it.";
            return Err(fault(
                "6000",
                "A business validation error has occurred while processing your request",
                detail,
            ));
        }
        let mut record = old.clone();
        let zero = |line: &Json| {
            let line = line.clone().with("Amount", 0);
            match line.get("SalesItemLineDetail").cloned() {
                Some(detail) => line.with("SalesItemLineDetail", detail.with("Qty", 0)),
                None => line,
            }
        };
        record.set("Line", Json::List(old.list("Line").iter().map(zero).collect()));
        for name in ["TotalAmt", "Balance"] {
            record.set(name, 0);
        }
        let note = old.text("PrivateNote");
        let note = if note.is_empty() { "Voided".to_string() } else { format!("Voided - {note}") };
        record.set("PrivateNote", &note);
        self.touch(&mut record);
        let id = record.text("Id");
        self.keep(entity, record);
        self.tell(entity, &id, "voided");
        Ok(old.with("PrivateNote", "Voided"))
    }

    pub(crate) fn delete(&mut self, entity: &'static str, body: &Json) -> Result<Json, Fault> {
        let old = self.current(entity, body)?;
        let id = old.text("Id");
        if chart::TRANSACTIONS.contains(&entity) {
            self.check_open(&old.text("TxnDate"))?;
        } else {
            return Err(fault("500", "Unsupported Operation", "Operation delete is not supported."));
        }
        if entity == "Payment" {
            self.unapply(&old);
        } else if !old.decimal("paid").is_zero() {
            let detail = "The transaction cannot be deleted because it is linked to a payment.";
            return Err(fault(
                "6000",
                "A business validation error has occurred while processing your request",
                detail,
            ));
        }
        self.store.remove(&place(entity), &id);
        self.store.remove(&format!("number:{entity}"), &old.text("DocNumber"));
        let at = self.clock.millis();
        let meta = obj! {"LastUpdatedTime" => self.stamp()};
        self.store.put(
            "deleted",
            &format!("{entity}:{id}"),
            obj! {"entity" => entity, "Id" => &id, "at" => at, "MetaData" => meta},
        );
        self.tell(entity, &id, "deleted");
        Ok(obj! {"domain" => "QBO", "status" => "Deleted", "Id" => id})
    }

    /// Opens again what a deleted payment had settled.
    fn unapply(&mut self, payment: &Json) {
        let id = payment.text("Id");
        for line in payment.list("Line") {
            for link in line.list("LinkedTxn") {
                let Some(kind) = chart::entity(&link.text("TxnType")) else { continue };
                let Some(mut target) = self.record(kind, &link.text("TxnId")).cloned() else { continue };
                let paid = target.decimal("paid") - line.decimal("Amount");
                let open = target.decimal("TotalAmt") - paid;
                target.set("paid", Json::amount(paid));
                target.set("Balance", Json::amount(open));
                let linked =
                    target.list("LinkedTxn").iter().filter(|other| other.text("TxnId") != id).cloned().collect();
                target.set("LinkedTxn", Json::List(linked));
                self.bump(&mut target);
                let target_id = target.text("Id");
                self.keep(kind, target);
                self.tell(kind, &target_id, "updated");
            }
        }
    }

    /// Notes an event for the next webhook.
    fn tell(&mut self, entity: &str, id: &str, what: &str) {
        if self.store.count("hooks") == 0 {
            return;
        }
        let number = self.store.next("event", 1);
        let time = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
        let event = obj! {
            "specversion" => "1.0", "id" => format!("5f1e0000-0000-4000-8000-{number:012}"),
            "source" => "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
            "type" => format!("qbo.{}.{what}.v1", entity.to_lowercase()), "datacontenttype" => "application/json", "time" => time,
            "intuitentityid" => id, "intuitaccountid" => &self.realm, "data" => Json::object(),
        };
        self.store.put("events", &number.to_string(), event);
    }

    /// A record as it is shown.
    pub(crate) fn shown(record: &Json) -> Json {
        let mut shown = record.clone();
        shown.remove("paid");
        shown.with("sparse", false)
    }

    pub(crate) fn postings(&self, entity: &str, record: &Json) -> Vec<Posting> {
        let text = |amount: Decimal| amount.normalize().to_string();
        let mut out: Vec<Posting> = Vec::new();
        let total = record.decimal("TotalAmt");
        match entity {
            "Invoice" | "CreditMemo" if !total.is_zero() => {
                let (ours, theirs) =
                    if entity == "Invoice" { (Side::Debit, Side::Credit) } else { (Side::Credit, Side::Debit) };
                out.push((chart::RECEIVABLE.to_string(), ours, text(total)));
                for line in record.list("Line").iter().filter(|line| line.has("SalesItemLineDetail")) {
                    let item = line.text("SalesItemLineDetail.ItemRef.value");
                    let account = self.record("Item", &item).map(|item| item.text("IncomeAccountRef.value"));
                    out.push((account.unwrap_or_else(|| "79".to_string()), theirs, text(line.decimal("Amount"))));
                }
            }
            "Payment" => {
                out.push((chart::UNDEPOSITED.to_string(), Side::Debit, text(total)));
                out.push((chart::RECEIVABLE.to_string(), Side::Credit, text(total)));
            }
            "JournalEntry" => {
                for line in record.list("Line") {
                    let side = if line.text("JournalEntryLineDetail.PostingType") == "Debit" {
                        Side::Debit
                    } else {
                        Side::Credit
                    };
                    out.push((
                        line.text("JournalEntryLineDetail.AccountRef.value"),
                        side,
                        text(line.decimal("Amount")),
                    ));
                }
            }
            _ => {}
        }
        out
    }

    pub(crate) fn time_of(&self, text: &str) -> Option<Timestamp> {
        if let Ok(time) = text.replace(' ', "+").parse::<Timestamp>() {
            return Some(time);
        }
        let civil = if text.len() == 10 { format!("{text}T00:00:00") } else { text.to_string() };
        let civil: jiff::civil::DateTime = civil.parse().ok()?;
        Some(civil.to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}

pub(crate) fn gone() -> Fault {
    fault(
        "610",
        "Object Not Found",
        "Object Not Found : Something you're trying to use has been made inactive. Check the fields with accounts, customers, items, vendors or employees.",
    )
}

pub(crate) fn reply(status: u16, body: Json, time: &str) -> Reply {
    Reply::json(status, &body.with("time", time))
}
