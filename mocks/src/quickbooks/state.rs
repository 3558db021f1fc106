//! Entities of the simulated company: creating, changing, voiding, deleting; numbers, names, closed books.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::chart;
use super::faults::{
    Fault, books_closed, business, fault, gone, name_taken, required, stale, subscription_over, taken,
};
use super::limits::Limits;
use super::query::Key;
use crate::clock::SimClock;
use crate::json::{Json, list, obj};
use crate::properties::Kept;
use crate::series::Series;
use crate::spare::Tables;
use crate::store::Store;

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) base: String,
    pub(crate) realm: String,
    pub(crate) verifier: String,
    pub(crate) zone: TimeZone,
    pub(crate) sql: Tables,
    /// The last question of the query language, and the ids that answer it.
    pub(crate) listed: Option<(String, Vec<Key>)>,
    pub(crate) series: Vec<Series>,
    pub(crate) limits: Limits,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    pub(crate) tids: u64,
    /// How long a refresh token keeps its value.
    pub(crate) rotation_ms: i64,
    /// How long a refresh token still counts once it has got a successor.
    pub(crate) refresh_grace_ms: i64,
    /// From which item on the next batch is throttled.
    pub(crate) throttled_items: Option<usize>,
    pub(crate) faults_as_success: bool,
    /// How long events are collected before they are sent.
    pub(crate) window_ms: i64,
    /// Webhooks in the shape that was usual until 2026.
    pub(crate) legacy: bool,
    pub(crate) cloudevents_type: bool,
    /// Definitions of the newer custom fields, where the company has those; others are dropped without a word.
    pub(crate) enhanced_fields: Option<Vec<String>>,
    /// The present request asks for the newer custom fields.
    pub(crate) asks_enhanced: bool,
    /// The vendor's tables.
    pub(crate) tables: Kept,
}

pub(crate) fn place(entity: &str) -> String {
    format!("rec:{entity}")
}

/// Without the empty strings and nulls that some clients send for everything they do not know.
pub(crate) fn cleaned(body: &Json) -> Json {
    let empty = |value: &Json| value.is_null() || value.as_str() == Some("");
    Json::Object(body.members().iter().filter(|(_, value)| !empty(value)).cloned().collect())
}

impl State {
    pub(crate) fn text_of_time(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    pub(crate) fn stamp(&self) -> String {
        self.text_of_time(self.clock.now())
    }

    pub(crate) fn today(&self) -> Date {
        self.clock.now().to_zoned(self.zone.clone()).date()
    }

    pub(crate) fn record(&self, entity: &str, id: &str) -> Option<Json> {
        if let Some(record) = self.store.get(&place(entity), id) {
            return Some(record.clone());
        }
        if self.series.is_empty() || self.store.get("deleted", &format!("{entity}:{id}")).is_some() {
            return None;
        }
        self.series.iter().find_map(|series| series.get(entity, id, |time| self.text_of_time(time)))
    }

    /// All entities of a kind, those of series after the others.
    pub(crate) fn every(&self, entity: &str) -> Vec<Json> {
        let own = self.store.all(&place(entity)).map(|(_, record)| record.clone());
        let made =
            self.series.iter().filter(|series| series.kind == entity).flat_map(Series::ids).map(|id| id.to_string());
        let untouched = made.filter(|id| self.store.get(&place(entity), id).is_none());
        own.chain(untouched.filter_map(|id| self.record(entity, &id))).collect()
    }

    pub(crate) fn keep(&mut self, entity: &str, record: Json) {
        let id = record.text("Id");
        self.store.put(&place(entity), &id, record);
    }

    /// A record as it is shown.
    pub(crate) fn shown(record: &Json) -> Json {
        let mut shown = record.clone();
        for name in ["paid", "before"] {
            shown.remove(name);
        }
        if record.text("status") == "Deleted" { shown } else { shown.with("sparse", false) }
    }

    pub(crate) fn reference(&self, entity: &str, name: &str, value: &Json) -> Result<Json, Fault> {
        let id = value.scalar().unwrap_or_else(|| value.text("value"));
        match self.record(entity, &id) {
            Some(found) if found.get("Active") == Some(&Json::Bool(false)) => Err(gone()),
            Some(found) => {
                let shown = ["FullyQualifiedName", "DisplayName", "Name"]
                    .iter()
                    .map(|key| found.text(key))
                    .find(|text| !text.is_empty());
                // the name that came in is ignored
                Ok(obj! {"value" => id, "name" => shown.unwrap_or_default()})
            }
            None => {
                let detail = format!("Invalid Reference Id : {name} assigned to {id} is not valid or inactive");
                Err(fault("2500", "Invalid Reference Id", detail))
            }
        }
    }

    pub(crate) fn preferred(&self, name: &str, default: bool) -> bool {
        self.store.get("config", "preferences").and_then(|set| set.get(name)).map_or(default, Json::is_true)
    }

    pub(crate) fn preferences(&self) -> Json {
        let set = self.store.get("config", "preferences").cloned().unwrap_or_default();
        let flag = |name: &str, default: bool| Json::Bool(self.preferred(name, default));
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
                "ForSales" => true, "RevenueRecognition" => flag("RevenueRecognition", false), "RevenueRecognitionFrequency" => "Monthly",
            },
            "SalesFormsPrefs" => obj! {
                "CustomTxnNumbers" => flag("CustomTxnNumbers", true), "AllowDeposit" => true,
                "CustomField" => list![obj! {"CustomField" => list![custom(1, "SOW"), custom(2, "Milestone"), custom(3, "Acceptance")]}],
            },
            "TaxPrefs" => obj! {"UsingSalesTax" => flag("UsingSalesTax", false), "PartnerTaxEnabled" => false},
            "CurrencyPrefs" => obj! {"MultiCurrencyEnabled" => flag("MultiCurrencyEnabled", true), "HomeCurrency" => obj! {"value" => "USD"}},
            "Id" => "1", "SyncToken" => "0", "domain" => "QBO", "sparse" => false,
            "MetaData" => obj! {"CreateTime" => self.stamp(), "LastUpdatedTime" => self.stamp()},
        }
    }

    pub(crate) fn check_open(&self, date: &str) -> Result<(), Fault> {
        let closed = self.store.get("config", "preferences").map(|set| set.text("BookCloseDate")).unwrap_or_default();
        if !closed.is_empty() && date <= closed.as_str() {
            return Err(books_closed());
        }
        Ok(())
    }

    /// Who holds a number: a document of the store, or one of a series.
    pub(crate) fn holder(&self, entity: &str, number: &str) -> Option<String> {
        if let Some(id) = self.store.get(&format!("number:{entity}"), number) {
            return id.scalar();
        }
        let made = self.series.iter().filter(|series| series.kind == entity);
        let id = made.filter_map(|series| series.find("DocNumber", number)).next()?.to_string();
        (self.record(entity, &id)?.text("DocNumber") == number).then_some(id)
    }

    fn numbered(&mut self, entity: &str, record: &mut Json, id: &str, duplicates: bool) -> Result<(), Fault> {
        if matches!(entity, "Payment") || !chart::TRANSACTIONS.contains(&entity) {
            return Ok(());
        }
        let custom = self.preferred("CustomTxnNumbers", true);
        let index = format!("number:{entity}");
        let number = record.text("DocNumber");
        let held = self.holder(entity, &number).filter(|_| !number.is_empty());
        if held.as_deref() == Some(id) {
            return Ok(());
        }
        if entity != "JournalEntry" && (number.is_empty() || !custom) {
            let mut number = self.store.next("docnumber", 1001).to_string();
            while self.holder(entity, &number).is_some() {
                number = self.store.next("docnumber", 1001).to_string();
            }
            record.set("DocNumber", &number);
            self.store.put(&index, &number, id);
            return Ok(());
        }
        if number.is_empty() {
            return Ok(());
        }
        match held {
            Some(holder) if !duplicates => Err(taken(entity, &number, &holder)),
            Some(_) => Ok(()),
            None => {
                self.store.put(&index, &number, id);
                Ok(())
            }
        }
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
        if record.text("DisplayName").contains([':', '\t', '\n']) {
            let detail = "Invalid String. The value contains a tab, a new line or a colon: DisplayName";
            return Err(fault("2040", "Invalid String", detail));
        }
        let name = record.text("DisplayName").to_lowercase();
        let holder = self.store.get("names", &name).map(Json::text_of);
        let own = format!("{entity}:{id}");
        if holder.is_some_and(|holder| holder != own) {
            return Err(name_taken());
        }
        self.store.put("names", &name, own);
        let currency = record.text("CurrencyRef.value");
        let code = currency.len() == 3 && currency.chars().all(|c| c.is_ascii_uppercase());
        match currency.as_str() {
            "" => record.set("CurrencyRef", obj! {"value" => "USD", "name" => "United States Dollar"}),
            _ if !code => {
                let detail = format!("Invalid Reference Id : CurrencyRef assigned to {currency} is not valid");
                return Err(fault("2500", "Invalid Reference Id", detail));
            }
            "USD" => {}
            _ if !self.preferred("MultiCurrencyEnabled", true) => {
                return Err(business("Multicurrency must be enabled to use a foreign currency."));
            }
            _ => {}
        }
        let shown = record.text("DisplayName");
        let full = if entity == "Customer" { self.below(record, &shown)? } else { shown.clone() };
        record.set("FullyQualifiedName", full);
        if !record.has("PrintOnCheckName") {
            record.set("PrintOnCheckName", shown);
        }
        if !record.has("Balance") {
            record.set("Balance", 0);
        }
        Ok(())
    }

    /// The full name of a customer, with those that it is below; how deep it stands is set.
    fn below(&self, record: &mut Json, name: &str) -> Result<String, Fault> {
        let above = record.text("ParentRef.value");
        if above.is_empty() == record.get("Job").is_some_and(Json::is_true) {
            let detail = "ParentRef is either required or not if Job is true or false.";
            return Err(fault("6150", "ParentRef Required Error", detail));
        }
        if above.is_empty() {
            return Ok(name.to_owned());
        }
        let Some(parent) = self.record("Customer", &above) else {
            let detail = format!("Invalid Reference Id : ParentRef assigned to {above} is not valid");
            return Err(fault("2500", "Invalid Reference Id", detail));
        };
        let full = format!("{}:{name}", parent.text("FullyQualifiedName"));
        record.set("Level", i64::try_from(full.matches(':').count()).unwrap_or_default());
        Ok(full)
    }

    /// Refuses what nobody may write now: an entity of which there is none, or anything once the subscription has ended.
    fn writable(&self, entity: &str) -> Result<(), Fault> {
        if self.preferred("SubscriptionEnded", false) {
            return Err(subscription_over());
        }
        if chart::writable(entity) {
            return Ok(());
        }
        Err(fault("500", "Unsupported Operation", format!("Operation on {entity} is not supported.")))
    }

    pub(crate) fn create(&mut self, entity: &'static str, body: &Json, duplicates: bool) -> Result<Json, Fault> {
        self.writable(entity)?;
        let family = if chart::TRANSACTIONS.contains(&entity) { "txn" } else { entity };
        let id = self.store.next(family, 101).to_string();
        let mut record = cleaned(body);
        for name in ["sparse", "paid", "before", "status"] {
            record.remove(name);
        }
        record.set("Id", &id);
        record.set("SyncToken", "0");
        let now = self.stamp();
        record.set("MetaData", obj! {"CreateTime" => &now, "LastUpdatedTime" => &now});
        self.complete(entity, &mut record, duplicates)?;
        self.keep(entity, record.clone());
        self.links(entity, &record)?;
        self.tell(entity, &id, "created");
        self.count("writes");
        Ok(self.record(entity, &id).unwrap_or(record))
    }

    pub(crate) fn current(&self, entity: &str, body: &Json) -> Result<Json, Fault> {
        self.writable(entity)?;
        let id = body.text("Id");
        let Some(old) = self.record(entity, &id) else { return Err(gone()) };
        if !body.has("SyncToken") {
            return Err(required("SyncToken"));
        }
        if body.text("SyncToken") != old.text("SyncToken") {
            return Err(stale());
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
        // only the vendor changes these
        for name in ["Id", "MetaData", "SyncToken", "Balance", "LinkedTxn", "paid", "before", "UnappliedAmt"] {
            match old.get(name) {
                Some(value) => record.set(name, value),
                None => drop(record.remove(name)),
            }
        }
        if chart::NAMES.contains(&entity) && record.text("CurrencyRef.value") != old.text("CurrencyRef.value") {
            if record.has("CurrencyRef") {
                return Err(business("The currency of a customer cannot be changed."));
            }
            record.set("CurrencyRef", old.get("CurrencyRef").cloned());
        }
        let id = record.text("Id");
        // the number or name that is given up is free again
        if old.text("DocNumber") != record.text("DocNumber")
            && self.holder(entity, &old.text("DocNumber")).as_deref() == Some(&id)
        {
            self.store.remove(&format!("number:{entity}"), &old.text("DocNumber"));
        }
        if old.text("DisplayName").to_lowercase() != record.text("DisplayName").to_lowercase() {
            self.store.remove("names", &old.text("DisplayName").to_lowercase());
        }
        self.complete(entity, &mut record, duplicates)?;
        let record = self.touched(record, true);
        if entity == "Payment" {
            self.unapply(&old);
        }
        self.keep(entity, record.clone());
        let links: Vec<Json> =
            given.list("LinkedTxn").iter().filter(|link| !old.list("LinkedTxn").contains(link)).cloned().collect();
        if entity == "Payment" || !links.is_empty() {
            self.links(entity, &record.clone().with("LinkedTxn", links))?;
        }
        self.tell(entity, &id, "updated");
        self.count("writes");
        Ok(self.record(entity, &id).unwrap_or(record))
    }

    /// With the time of now, and the next token where it counts as an edit.
    pub(crate) fn touched(&self, record: Json, edited: bool) -> Json {
        let meta = record.get("MetaData").cloned().unwrap_or_default().with("LastUpdatedTime", self.stamp());
        let token = record.int("SyncToken") + i64::from(edited);
        record.with("MetaData", meta).with("SyncToken", token.to_string())
    }

    /// Checks an entity and fills in what the vendor computes.
    fn complete(&mut self, entity: &'static str, record: &mut Json, duplicates: bool) -> Result<(), Fault> {
        let mut told = record.clone();
        ["paid", "before"].iter().for_each(|kept| drop(told.remove(kept)));
        super::schema::checked(&self.tables, entity, &told)?;
        let lines = record.list("Line").iter().flat_map(Json::members);
        for (name, value) in record.members().iter().chain(lines) {
            if let Some(most) = chart::longest(name).filter(|most| value.text_of().chars().count() > *most) {
                let detail = format!(
                    "The length of the field exceeds the maximum number of characters allowed. Property: {name}, max {most}"
                );
                return Err(fault("2050", "Invalid String Length", detail));
            }
        }
        record.set("domain", "QBO");
        let id = record.text("Id");
        if !chart::TRANSACTIONS.contains(&entity) {
            if !record.has("Active") {
                record.set("Active", true);
            }
            if chart::NAMES.contains(&entity) {
                return self.named(entity, record, &id);
            }
            return if entity != chart::ATTACHABLE && record.text("Name").is_empty() {
                Err(required("Name"))
            } else {
                Ok(())
            };
        }
        if record.text("TxnDate").is_empty() {
            record.set("TxnDate", self.today().to_string());
        }
        if record.text("TxnDate").parse::<Date>().is_err() {
            return Err(fault("2030", "Invalid Date", format!("Invalid date: {}", record.text("TxnDate"))));
        }
        self.check_open(&record.text("TxnDate"))?;
        self.transaction(entity, record)?;
        self.numbered(entity, record, &id, duplicates)
    }

    pub(crate) fn delete(&mut self, entity: &'static str, body: &Json) -> Result<Json, Fault> {
        let old = self.current(entity, body)?;
        let id = old.text("Id");
        if !chart::TRANSACTIONS.contains(&entity) && entity != chart::ATTACHABLE {
            // lists are made inactive instead
            return Err(fault("500", "Unsupported Operation", "Operation delete is not supported."));
        }
        self.check_open(&old.text("TxnDate"))?;
        if entity == "Payment" {
            self.unapply(&old);
        } else if !old.decimal("paid").is_zero() {
            return Err(business("The transaction cannot be deleted because it is linked to a payment."));
        }
        self.release_estimates(entity, &old);
        self.store.remove(&place(entity), &id);
        if self.holder(entity, &old.text("DocNumber")).as_deref() == Some(&id) {
            self.store.remove(&format!("number:{entity}"), &old.text("DocNumber"));
        }
        let meta = obj! {"LastUpdatedTime" => self.stamp()};
        let ghost = obj! {"entity" => entity, "Id" => &id, "MetaData" => meta};
        self.store.put("deleted", &format!("{entity}:{id}"), ghost);
        self.tell(entity, &id, "deleted");
        self.count("writes");
        Ok(obj! {"domain" => "QBO", "status" => "Deleted", "Id" => id})
    }

    /// Makes `count` transactions from one body, whose texts may name their place as `{n}`. Gives the first id.
    pub(crate) fn fill(&mut self, entity: &'static str, body: &Json, mut series: Series) -> Result<i64, Fault> {
        let mark = self.store.mark();
        let body = if body.has("DocNumber") || entity == "Payment" {
            body.clone()
        } else {
            body.clone().with("DocNumber", "S{n}")
        };
        let template = self.create(entity, &body, true);
        self.store.rollback(mark);
        let meta = obj! {"CreateTime" => "{time}", "LastUpdatedTime" => "{time}"};
        series.template = template?.with("Id", "{id}").with("MetaData", meta);
        let family = if chart::TRANSACTIONS.contains(&entity) { "txn" } else { entity };
        series.first = self.store.next(family, 101);
        self.store.put("counter", family, obj! {"n" => series.first + series.count - 1});
        self.store.put("series", &format!("{entity}:{}", series.first), series.kept());
        self.series.push(series.clone());
        Ok(series.first)
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
