//! Records of the simulated account: references, properties, creating, changing, deleting.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::chart::{self, Shape};
use crate::call::Reply;
use crate::clock::SimClock;
use crate::json::{Json, list, obj};
use crate::properties::Kept;
use crate::series::Series;
use crate::spare::Tables;
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

    pub(crate) fn content(name: &str, detail: &str) -> Refusal {
        let detail = format!("Error while accessing a resource. {detail}");
        Refusal::new(400, "INVALID_CONTENT", detail).at("o:errorPath", name)
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
            (413, _) => ("Request Entity Too Large", "10.4.14"),
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
            "type" => format!("https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec{section}"), "title" => title,
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

/// What a client asked to have checked: an unknown property is dropped without a word by default, a wrong value refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks {
    pub(crate) names: bool,
    pub(crate) values: bool,
}

impl Checks {
    pub(crate) const DEFAULT: Checks = Checks { names: false, values: true };
}

/// How the account is set up.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// How long a job of an asynchronous request takes.
    pub(crate) processing_ms: i64,
    /// Requests that may be in flight at once.
    pub(crate) concurrency: usize,
    /// Requests a minute, where they are limited.
    pub(crate) per_minute: Option<usize>,
    /// Advanced Revenue Management: lines make revenue elements, events make plans.
    pub(crate) advanced_revenue: bool,
    /// Properties without which nothing is saved: `invoice.location`, `invoice.item.class`, `journalEntry.line.department`.
    pub(crate) mandatory: Vec<String>,
    /// Fields that the account made for itself (`custbody…`, `custcol…`), where any others are unknown.
    pub(crate) custom_fields: Option<Vec<String>>,
    /// The account numbers its transactions itself and allows nobody to set `tranId`.
    pub(crate) numbers_itself: bool,
    /// Invoices and entries wait for an approval where nobody sets their status.
    pub(crate) approval_routing: bool,
    /// Taxes of before SuiteTax, of which REST knows nothing.
    pub(crate) legacy_tax: bool,
    /// An overloaded account answers token-based authentication as if the login were wrong.
    pub(crate) overload_as_login: bool,
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) base: String,
    pub(crate) account: String,
    pub(crate) zone: TimeZone,
    pub(crate) sql: Tables,
    pub(crate) counted: Option<((String, Vec<String>), usize)>,
    pub(crate) revoked: bool,
    pub(crate) series: Vec<Series>,
    pub(crate) rules: Rules,
    pub(crate) recent: Vec<i64>,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    /// The vendor's tables.
    pub(crate) tables: Kept,
}

pub(crate) fn place(kind: &str) -> String {
    format!("rec:{kind}")
}

pub(crate) fn missing() -> Refusal {
    Refusal::new(404, "NONEXISTENT_ID", "The record instance does not exist. Provide a valid record instance ID.")
}

/// UTC, to the second.
fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn reference(id: &str, name: &str) -> Json {
    obj! {"id" => id, "refName" => name}
}

/// The rows of a sublist as a body gives them: `{"items": […]}`, or a bare list.
pub(crate) fn rows(given: &Json) -> &[Json] {
    if given.has("items") { given.list("items") } else { given.items() }
}

/// `2026-6-5` and `2026-06-05T00:00:00Z` as `2026-06-05`.
fn date_text(value: &Json) -> Option<String> {
    let text = value.scalar()?;
    let day = text.split('T').next().unwrap_or_default();
    let mut parts = day.split('-').map(|part| part.parse::<i16>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    parts.next().is_none().then(|| date.to_string())
}

impl State {
    pub(crate) fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: &'static str, many: usize) {
        *self.tally.entry(what).or_default() += u64::try_from(many).unwrap_or_default();
    }

    /// The time of now as REST shows it.
    pub(crate) fn stamp(&self) -> String {
        instant(self.clock.now())
    }

    pub(crate) fn record(&self, kind: &str, id: &str) -> Option<Json> {
        if let Some(record) = self.store.get(&place(kind), id) {
            return Some(record.clone());
        }
        if self.series.is_empty() || self.store.get("deleted", id).is_some() {
            return None;
        }
        self.series.iter().find_map(|series| series.get(kind, id, instant))
    }

    pub(crate) fn exists(&self, kind: &str, id: &str) -> bool {
        self.store.get(&place(kind), id).is_some() || (!self.series.is_empty() && self.record(kind, id).is_some())
    }

    /// Ids of a type in order: those of series stand among the others by their number.
    pub(crate) fn ids<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = String> + 'a {
        let mut own = self.store.all(&place(kind)).map(|(id, _)| id.to_string()).peekable();
        let mut made = self.series.iter().filter(move |series| series.kind == kind).flat_map(Series::ids).peekable();
        let merged = std::iter::from_fn(move || match (own.peek().map(|id| id.parse::<i64>()), made.peek()) {
            (Some(Ok(kept)), Some(id)) if kept >= *id => {
                // a record of a series that was changed stands in both
                if kept == *id {
                    own.next();
                }
                made.next().map(|id| id.to_string())
            }
            (Some(_), _) => own.next(),
            (None, _) => made.next().map(|id| id.to_string()),
        });
        merged.filter(move |id| self.store.get("deleted", id).is_none())
    }

    /// How many records of a type there are.
    pub(crate) fn how_many(&self, kind: &str) -> usize {
        let own = self.store.count(&place(kind));
        let made = self.series.iter().filter(|series| series.kind == kind);
        let made: i64 = made.map(|series| series.count).sum();
        if made == 0 {
            return own;
        }
        let of_series = |id: &str| {
            let id: i64 = id.parse().unwrap_or_default();
            self.series.iter().any(|series| series.kind == kind && series.ids().contains(&id))
        };
        let changed = self.store.all(&place(kind)).filter(|(id, _)| of_series(id)).count();
        let gone = self.store.all("deleted").filter(|(id, gone)| gone.text("type") == kind && of_series(id)).count();
        own + usize::try_from(made).unwrap_or_default() - changed - gone
    }

    pub(crate) fn external(&self, kind: &str, external: &str) -> Option<String> {
        if let Some(id) = self.store.get(&format!("ext:{kind}"), external) {
            return id.scalar();
        }
        let made = self.series.iter().filter(|series| series.kind == kind);
        let id = made.filter_map(|series| series.find("externalId", external)).next()?.to_string();
        (self.record(kind, &id)?.text("externalId") == external).then_some(id)
    }

    /// An internal id from `101` or `eid:X`.
    pub(crate) fn resolve(&self, kind: &str, id: &str) -> Option<String> {
        match id.strip_prefix("eid:") {
            Some(external) => self.external(kind, external),
            None => self.exists(kind, id).then(|| id.to_string()),
        }
    }

    fn named(&self, kind: &str, id: &str) -> Option<Json> {
        let record = self.record(kind, id)?;
        let names =
            ["companyName", "tranId", "acctName", "symbol", "displayName", "name", "title", "entityId", "lastName"];
        let name = names.iter().map(|name| record.text(name)).find(|text| !text.is_empty());
        Some(reference(id, &name.unwrap_or_default()))
    }

    /// A reference as it is kept, from `{"id":…}`, `{"externalId":…}`, `{"refName":…}` or a bare id.
    pub(crate) fn refer(&self, field: &str, value: &Json) -> Result<Json, Refusal> {
        let id = value.scalar().unwrap_or_else(|| value.text("id"));
        let external = value.text("externalId");
        let name = value.text("refName");
        let kinds: &[&str] = match field {
            "currency" => &["currency"],
            "terms" => &["term"],
            "account" | "incomeAccount" | "defRevAccount" | "arAcct" | "deferredRevenueAccount" => &["account"],
            "item" => &["serviceSaleItem"],
            "subsidiary" => &["subsidiary"],
            "entity" | "customer" | "billTo" => &["customer", "job"],
            "parent" => &["customer", "job", "projectTask", "subsidiary"],
            "project" | "job" => &["job"],
            "billingSchedule" => &["billingSchedule"],
            "projectTask" => &["projectTask"],
            "createdFrom" | "doc" | "sourceTran" | "transaction" => {
                &["invoice", "salesOrder", "creditMemo", "journalEntry", "customerPayment", "estimate", "cashSale"]
            }
            _ if id.is_empty() && external.is_empty() => &["none"],
            _ => &[],
        };
        if kinds.is_empty() {
            return Ok(reference(if id.is_empty() { &external } else { &id }, &name));
        }
        let found = kinds.iter().find_map(|kind| {
            let key = match (id.is_empty(), external.is_empty()) {
                (false, _) => self.resolve(kind, &id),
                (true, false) => self.external(kind, &external),
                // only what is few is found by its name
                _ if matches!(*kind, "currency" | "term" | "account" | "serviceSaleItem") => {
                    let named = |(_, record): &(&str, &Json)| {
                        ["symbol", "name", "acctName", "itemId"].iter().any(|field| record.text(field) == name)
                    };
                    self.store.all(&place(kind)).find(named).map(|(id, _)| id.to_string())
                }
                _ => None,
            };
            self.named(kind, &key?)
        });
        found.ok_or_else(|| {
            let shown = [&id, &external, &name].into_iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
            let detail = format!("Invalid Field Value {shown} for the following field: {field}");
            Refusal::user(&detail).at("o:errorPath", field)
        })
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

    /// A value as it is kept; nothing, where it is wrong and the client asked not to be told.
    fn value(&self, part: &str, name: &str, value: &Json, checks: Checks) -> Result<Option<Json>, Refusal> {
        let wrong = || {
            let detail =
                format!("Invalid value for the resource or sub-resource field '{name}'. Provide a valid value.");
            if checks.values { Err(Refusal::content(name, &detail)) } else { Ok(None) }
        };
        let (shape, inner) = (chart::shape(part, name), format!("{part}.{name}"));
        if chart::is_part(&inner) && !chart::SUBLISTS.contains(&name) {
            return self.line(&inner, value, 2, checks).map(Some);
        }
        if shape == Shape::Enumeration || chart::ENUMS.contains(&name) {
            let id = value.scalar().unwrap_or_else(|| value.text("id"));
            let known = chart::allowed(name);
            return if known.is_empty() || known.contains(&id.as_str()) {
                Ok(Some(reference(&id, &label(name, &id))))
            } else {
                wrong()
            };
        }
        match shape {
            Shape::Reference => self.refer(name, value).map(Some),
            Shape::Text if value.scalar().is_none() => wrong(),
            Shape::Number => match value.number() {
                Some(number) if name == "quantity" && number.normalize().scale() > 15 => wrong(),
                Some(_) => Ok(Some(Json::Number(value.text_of()))),
                None => wrong(),
            },
            Shape::Flag if !matches!(value, Json::Bool(_)) => wrong(),
            Shape::Date => date_text(value).map_or_else(wrong, |date| Ok(Some(Json::Text(date)))),
            _ => Ok(Some(value.clone())),
        }
    }

    /// Whether the account shows a property: those of taxes only where they are SuiteTax's.
    pub(crate) fn hides(&self, name: &str) -> bool {
        let own = name.starts_with("cust") && name.chars().any(|c| c == '_');
        if own && self.rules.custom_fields.as_ref().is_some_and(|known| !known.iter().any(|field| field == name)) {
            return true;
        }
        self.rules.legacy_tax && matches!(name, "taxCode" | "taxDetails" | "taxDetailsOverride" | "taxRegistration")
    }

    fn unknown(name: &str, checks: Checks) -> Result<(), Refusal> {
        // the default: dropped without a word
        if checks.names { Err(Refusal::content(name, &format!("Unknown property name: {name}."))) } else { Ok(()) }
    }

    /// Takes the header properties of a body over into a record.
    fn header(&self, kind: &str, record: &mut Json, body: &Json, checks: Checks) -> Result<(), Refusal> {
        for (name, value) in body.members() {
            let known = chart::property(kind, name);
            if known.as_ref().is_some_and(|name| !self.tables.has(kind, name)) {
                State::unknown(name, checks)?;
                continue;
            }
            let Some(property) = known.filter(|name| !self.hides(name)) else {
                let sublist = chart::SUBLISTS.iter().any(|known| known.eq_ignore_ascii_case(name));
                if !sublist || (kind == "journalEntry" && name.eq_ignore_ascii_case("item")) {
                    State::unknown(name, checks)?;
                }
                continue;
            };
            let computed = chart::COMPUTED.split(' ').any(|word| word == property);
            let sublist = chart::SUBLISTS.contains(&property.as_str());
            if sublist || (computed && !chart::properties(kind).contains(&property.as_str())) {
                continue;
            }
            if value.is_null() {
                record.remove(&property);
            } else if let Some(value) = self.value(kind, &property, value, checks)? {
                record.set(&property, value);
            }
        }
        Ok(())
    }

    /// A line as it is kept: references resolved, amount from quantity and rate where it is not given.
    fn line(&self, part: &str, given: &Json, digits: u32, checks: Checks) -> Result<Json, Refusal> {
        let mut line = Json::object();
        for (name, value) in given.members() {
            let known = chart::line_property(part, name).filter(|name| self.tables.has(part, name));
            let Some(property) = known.filter(|name| !self.hides(name)) else {
                State::unknown(name, checks)?;
                continue;
            };
            if value.is_null() {
                continue;
            }
            if let Some(value) = self.value(part, &property, value, checks)? {
                line.set(&property, value);
            }
        }
        if line.has("item") {
            super::money::price(&mut line, digits);
        }
        Ok(line)
    }

    /// Lines after a write: all of them, or merged by `line` as PATCH does.
    fn lines(
        &mut self,
        record: &Json,
        (kind, sublist): (&str, &str),
        given: &Json,
        merge: bool,
        checks: Checks,
    ) -> Result<Vec<Json>, Refusal> {
        let (digits, part) = (self.digits(record), format!("{kind}.{sublist}"));
        let before = record.list(sublist).to_vec();
        let mut kept: Vec<Json> = if merge { before.clone() } else { Vec::new() };
        // a line is named by its number; a milestone of a schedule by its own
        let named = if sublist == "milestone" { "milestoneId" } else { "line" };
        // line numbers of a journal start at 0
        let first = if sublist == "line" { 0 } else { 1 };
        for new in rows(given) {
            let number = new.text(named);
            let same = |line: &&Json| !number.is_empty() && line.text(named) == number;
            // a replaced list still knows the lines it names
            if let Some(old) = before.iter().find(same) {
                let mut both = old.clone();
                if new.has("rate") || new.has("quantity") {
                    both.remove("amount");
                }
                for (name, value) in new.members() {
                    let name = chart::line_property(&part, name).unwrap_or_else(|| name.clone());
                    both.set(&name, value);
                }
                let line = self.line(&part, &both, digits, checks)?;
                match kept.iter_mut().find(|line| line.text(named) == number) {
                    Some(old) => *old = line,
                    None => kept.push(line),
                }
                continue;
            }
            if sublist == "item" && !new.has("item") {
                return Err(Refusal::user("Please enter value(s) for: Item"));
            }
            let next = kept.iter().map(|line| line.int("line") + 1).max().unwrap_or(first);
            let mut line = self.line(&part, new, digits, checks)?.with("line", next);
            if sublist == "milestone" && !line.has(named) {
                line.set(named, next);
            }
            if chart::transaction(kind).is_some() && matches!(sublist, "item" | "line") {
                line.set("lineUniqueKey", self.store.next("linekey", 1));
            }
            kept.push(line);
        }
        Ok(kept)
    }

    pub(crate) fn digits(&self, record: &Json) -> u32 {
        let digits = self.store.get("rec:currency", &record.text("currency.id"));
        digits.and_then(|currency| currency.text("currencyPrecision").parse().ok()).unwrap_or(2)
    }

    /// Creates a record of any type.
    pub(crate) fn create(&mut self, kind: &'static str, body: &Json, checks: Checks) -> Result<String, Refusal> {
        let external = body.text("externalId");
        if !external.is_empty() && self.external(kind, &external).is_some() {
            return Err(Refusal::user("This entity already exists."));
        }
        let id = self.store.next("record", 101).to_string();
        let now = self.stamp();
        let mut record = obj! {"id" => &id, "createdDate" => &now, "lastModifiedDate" => &now};
        if chart::transaction(kind).is_some() {
            record.set("tranDate", self.today().to_string());
        }
        self.numbers_allowed(kind, body)?;
        self.header(kind, &mut record, body, checks)?;
        if self.rules.approval_routing && matches!(kind, "invoice" | "journalEntry") && !record.has("approvalStatus") {
            record.set("approvalStatus", reference("1", "Pending Approval"));
        }
        self.complete(kind, &mut record, body, &|_| false, checks)?;
        self.mandatory(kind, &record)?;
        if !external.is_empty() {
            self.store.put(&format!("ext:{kind}"), &external, id.as_str());
        }
        self.store.put(&place(kind), &id, record);
        self.apply(kind, &id, body)?;
        self.count("records_written");
        Ok(id)
    }

    /// Refuses a number where the account gives them out itself.
    fn numbers_allowed(&self, kind: &str, body: &Json) -> Result<(), Refusal> {
        if !self.rules.numbers_itself || chart::transaction(kind).is_none() || !body.has("tranId") {
            return Ok(());
        }
        let detail = "You do not have permissions to set a value for element tranId: the field is read-only.";
        Err(Refusal::user(detail).at("o:errorPath", "tranId"))
    }

    /// Refuses what lacks a property that the account made mandatory.
    fn mandatory(&self, kind: &str, record: &Json) -> Result<(), Refusal> {
        for place in &self.rules.mandatory {
            let (lacks, name) = match place.split('.').collect::<Vec<_>>().as_slice() {
                [of, name] if *of == kind => (!record.has(name), *name),
                [of, sublist, name] if *of == kind => (record.list(sublist).iter().any(|line| !line.has(name)), *name),
                _ => continue,
            };
            if lacks {
                let mut label = name.to_string();
                label.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
                return Err(Refusal::user(&format!("Please enter value(s) for: {label}")).at("o:errorPath", name));
            }
        }
        Ok(())
    }

    /// Changes a record; `merge` says which sublists keep the lines that are not named.
    pub(crate) fn update(
        &mut self,
        kind: &'static str,
        id: &str,
        body: &Json,
        merge: &dyn Fn(&str) -> bool,
        checks: Checks,
    ) -> Result<(), Refusal> {
        let Some(old) = self.record(kind, id) else { return Err(missing()) };
        if chart::transaction(kind).is_some() {
            self.open_period(&old.text("tranDate"))?;
        }
        let mut record = old.clone();
        self.header(kind, &mut record, body, checks)?;
        self.complete(kind, &mut record, body, merge, checks)?;
        record.set("lastModifiedDate", self.stamp());
        let (before, after) = (old.text("externalId"), record.text("externalId"));
        if before != after {
            if !after.is_empty() && self.external(kind, &after).is_some() {
                return Err(Refusal::user("This entity already exists."));
            }
            let index = format!("ext:{kind}");
            self.store.remove(&index, &before);
            self.store.put(&index, &after, id);
        }
        self.store.put(&place(kind), id, record);
        self.count("records_written");
        Ok(())
    }

    /// Fills in what the vendor computes and checks what he demands.
    fn complete(
        &mut self,
        kind: &str,
        record: &mut Json,
        body: &Json,
        merge: &dyn Fn(&str) -> bool,
        checks: Checks,
    ) -> Result<(), Refusal> {
        let needs = |record: &Json, name: &str, label: &str| {
            let detail = format!("Please enter value(s) for: {label}");
            if record.text(name).is_empty() { Err(Refusal::user(&detail)) } else { Ok(()) }
        };
        match kind {
            "customer" | "job" => {
                let name = record.text("companyName");
                if name.is_empty() && record.text("lastName").is_empty() {
                    let label = if kind == "job" { "Project Name" } else { "Company Name" };
                    needs(record, "companyName", label)?;
                }
                if !record.has("entityId") {
                    record.set("entityId", name);
                }
                if !record.has("subsidiary") {
                    record.set("subsidiary", reference("1", "Parent Company"));
                }
            }
            "projectTask" => {
                needs(record, "title", "Name")?;
                needs(record, "project.id", "Project")?;
            }
            "billingSchedule" | "term" | "revRecTemplate" => needs(record, "name", "Name")?,
            "billingRevenueEvent" => self.revenue_event(record)?,
            "salesOrder" | "invoice" | "creditMemo" | "estimate" | "cashSale" => {
                needs(record, "entity.id", "Customer")?
            }
            "customerPayment" => needs(record, "customer.id", "Customer")?,
            _ => {}
        }
        let transaction = chart::transaction(kind);
        if let Some((_, _, prefix)) = transaction {
            self.open_period(&record.text("tranDate"))?;
            self.currency(record);
            if record.text("tranId").is_empty() {
                let number = self.store.next(&format!("number:{kind}"), 1001);
                record.set("tranId", format!("{prefix}{number}"));
            }
        }
        for sublist in chart::SUBLISTS {
            let given = body.members().iter().find(|(name, _)| name.eq_ignore_ascii_case(sublist));
            if let Some((_, given)) = given.filter(|_| *sublist != "apply") {
                let lines = self.lines(record, (kind, sublist), given, merge(sublist), checks)?;
                record.set(sublist, lines);
            }
        }
        if transaction.is_some() { self.totals(kind, record) } else { Ok(()) }
    }

    /// Currency of the customer, and the rate of the day where none is given.
    fn currency(&self, record: &mut Json) {
        if !record.has("subsidiary") {
            record.set("subsidiary", reference("1", "Parent Company"));
        }
        if !record.has("currency") {
            let entity = record.path("entity.id").or(record.path("customer.id")).map(Json::text_of).unwrap_or_default();
            let own = self.record("customer", &entity).and_then(|customer| customer.get("currency").cloned());
            record.set("currency", own.unwrap_or_else(|| reference("1", "USD")));
        }
        if !record.has("exchangeRate") {
            let rate = self.store.get("rec:currency", &record.text("currency.id"));
            let rate = rate.map(|currency| currency.decimal("exchangeRate")).unwrap_or(Decimal::ONE);
            record.set("exchangeRate", Json::amount(rate));
        }
    }

    pub(crate) fn delete(&mut self, kind: &'static str, id: &str) -> Result<(), Refusal> {
        let Some(old) = self.record(kind, id) else { return Err(missing()) };
        if chart::transaction(kind).is_some() {
            self.open_period(&old.text("tranDate"))?;
        }
        if !self.links("before", id).is_empty() {
            let detail = "This transaction cannot be deleted because it is linked to by one or more transactions.";
            return Err(Refusal::user(detail));
        }
        for (key, link) in self.links("after", id) {
            self.undo_link(&link, &old);
            self.unlink(&key, &link);
        }
        self.store.remove(&format!("ext:{kind}"), &old.text("externalId"));
        self.store.remove(&place(kind), id);
        let name =
            ["tranId", "entityId", "name", "title"].iter().map(|name| old.text(name)).find(|name| !name.is_empty());
        let gone = obj! {"id" => id, "type" => kind, "name" => name, "at" => self.stamp()};
        self.store.put("deleted", id, gone);
        self.count("records_deleted");
        Ok(())
    }

    /// Makes a series of records from one body, whose texts may name their place as `{n}`. Gives the first id.
    pub(crate) fn fill(&mut self, kind: &'static str, body: &Json, mut series: Series) -> Result<i64, Refusal> {
        let mark = self.store.mark();
        let id = self.create(kind, body, Checks::DEFAULT)?;
        let mut template = self.record(kind, &id).unwrap_or_default().with("id", "{id}");
        self.store.rollback(mark);
        template.set("createdDate", "{time}");
        template.set("lastModifiedDate", "{time}");
        for sublist in ["item", "line"] {
            let mut lines = template.list(sublist).to_vec();
            lines.iter_mut().for_each(|line| line.set("lineUniqueKey", self.store.next("linekey", 1)));
            if !lines.is_empty() {
                template.set(sublist, lines);
            }
        }
        if let (Some((_, _, prefix)), true) = (chart::transaction(kind), body.text("tranId").is_empty()) {
            template.set("tranId", format!("{prefix}{{id}}"));
        }
        let first = self.store.next("record", 101);
        self.store.put("counter", "record", obj! {"n" => first + series.count - 1});
        series.first = first;
        series.template = template;
        self.store.put("series", &first.to_string(), series.kept());
        self.series.push(series);
        Ok(first)
    }
}

/// What people see for a value of an enumeration.
fn label(name: &str, id: &str) -> String {
    let label = match (name, id) {
        ("orderStatus", "A") => "Pending Approval",
        ("orderStatus", "B") => "Pending Fulfillment",
        ("approvalStatus", "1") => "Pending Approval",
        ("approvalStatus", "2") => "Approved",
        ("approvalStatus", "3") => "Rejected",
        ("jobBillingType", "1") => "Charge-Based",
        ("jobBillingType", "2") => "Fixed Bid, Interval",
        ("jobBillingType" | "scheduleType", "3") => "Fixed Bid, Milestone",
        ("jobBillingType", "4") => "Time and Materials",
        ("eventPurpose", "ACTUAL") => "Actual",
        ("eventPurpose", "FORECAST") => "Forecast",
        ("status", "NOTSTART") => "Not Started",
        ("status", "PROGRESS") => "In Progress",
        ("status", "COMPLETE") => "Completed",
        _ => id,
    };
    label.to_string()
}
