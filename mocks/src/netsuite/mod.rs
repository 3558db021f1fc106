//! A NetSuite account: REST record service, SuiteQL, OAuth 2.0 and token-based authentication.

mod auth;
mod chart;
mod dialect;
mod director;
mod http;
mod jobs;
mod keys;
mod listing;
mod money;
mod revenue;
mod sql;
mod state;
mod tables;
mod transform;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::tz::TimeZone;

pub use self::auth::OAuthClient;
use self::state::{Checks, Refusal, Rules, State, missing, place, reference};
use crate::call::{Call, Reply};
use crate::clock::held;
use crate::document::ErpDocument;
use crate::json::{Json, list, obj};
use crate::lot::LotSpec;
use crate::properties::Kept;
use crate::series::Series;
use crate::serve::{System, Trouble};
use crate::store::Store;
use crate::systems::Opening;
use crate::{Fields, Refused};

/// A simulated NetSuite account.
pub struct NetSuite {
    state: Mutex<State>,
    client: OAuthClient,
    concurrency: AtomicUsize,
    service_ms: AtomicU64,
}

fn refused(refusal: Refusal) -> Refused {
    Refused(format!("{}: {}", refusal.code, refusal.detail))
}

/// Sublists of a director's body replace what was there.
fn whole(_: &str) -> bool {
    false
}

impl NetSuite {
    pub(crate) fn open(Opening { dir, clock, base, .. }: Opening<'_>) -> io::Result<NetSuite> {
        let store = Store::open(dir, "netsuite")?;
        let series = store.all("series").map(|(_, kept)| Series::restored(kept)).collect();
        let rules = Rules {
            processing_ms: 0,
            concurrency: 15,
            per_minute: None,
            advanced_revenue: true,
            mandatory: Vec::new(),
            custom_fields: None,
            numbers_itself: false,
            approval_routing: false,
            legacy_tax: false,
            overload_as_login: false,
        };
        let mut state = State {
            store,
            clock,
            base,
            account: "TSTDRV123_SB1".to_string(),
            zone: TimeZone::get("America/Los_Angeles").unwrap_or(TimeZone::UTC),
            sql: sql::open().map_err(io::Error::other)?,
            counted: None,
            revoked: false,
            series,
            rules,
            recent: Vec::new(),
            tables: Kept::default(),
            tally: BTreeMap::new(),
        };
        let client = state.client()?;
        if state.store.get("config", "closed").is_none() {
            state.store.put("config", "closed", "");
            for (kind, id, record) in chart::start() {
                state.store.put(&place(kind), id, record.with("id", id));
            }
        }
        state.store.commit()?;
        Ok(NetSuite {
            state: Mutex::new(state),
            client,
            concurrency: AtomicUsize::new(15),
            service_ms: AtomicU64::new(0),
        })
    }

    /// The state, after the jobs whose time has come.
    fn current(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = held(&self.state);
        state.run_jobs();
        if let Err(error) = state.store.commit() {
            tracing::error!(%error, "netsuite could not keep its state");
        }
        state
    }

    fn act(&self, act: &str, change: impl FnOnce(&mut State) -> Result<String, Refusal>) -> Result<String, Refused> {
        let mut state = self.current();
        if let Some(gave) = state.store.applied(act) {
            return Ok(gave);
        }
        let mark = state.store.mark();
        match change(&mut state) {
            Ok(gave) => {
                state.store.apply(act, &gave);
                state.store.commit().map_err(|error| Refused(error.to_string()))?;
                Ok(gave)
            }
            Err(refusal) => {
                state.store.rollback(mark);
                Err(refused(refusal))
            }
        }
    }

    /// The OAuth 2.0 client whose key was made at the first start.
    pub fn client(&self) -> OAuthClient {
        self.client.clone()
    }

    /// Account id: the realm of token-based authentication.
    pub fn account(&self) -> String {
        held(&self.state).account.clone()
    }

    /// Accepts assertions of another client, signed with the key of this certificate (public key, PEM).
    pub fn register_key(&self, client_id: &str, certificate_id: &str, pem: &str) -> Result<(), Refused> {
        let mut state = held(&self.state);
        state.store.put("keys", certificate_id, obj! {"client" => client_id, "public" => pem});
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Creates or updates a record (`customer`, `salesOrder`, `invoice`, …) by its external id, empty for none. Gives the id.
    pub fn put_record(&self, act: &str, kind: &str, external_id: &str, fields: Fields) -> Result<String, Refused> {
        let mut body = Json::from(fields);
        self.act(act, |state| {
            let kind = chart::kind(kind).ok_or_else(missing)?;
            if !external_id.is_empty() {
                body.set("externalId", external_id);
                if let Some(id) = state.external(kind, external_id) {
                    state.update(kind, &id, &body, &whole, Checks::DEFAULT)?;
                    return Ok(id);
                }
            }
            state.create(kind, &body, Checks::DEFAULT)
        })
    }

    /// Creates as many records of a type as `lot` says, all from one body, whose texts may name their place as `{n}` (from 1)
    /// and their id as `{id}`: `"externalId": "inv-{n}"`. They cost no more memory than one. Gives the first id.
    pub fn generate(&self, act: &str, kind: &str, lot: &LotSpec) -> Result<String, Refused> {
        let body = Json::from(lot.fields.clone());
        let first = self.act(act, |state| {
            let kind = chart::kind(kind).ok_or_else(missing)?;
            state.fill(kind, &body, Series::of(kind, lot)).map(|first| first.to_string())
        })?;
        held(&self.state).refresh().map_err(|error| Refused(error.to_string()))?;
        Ok(first)
    }

    fn now(&self) -> jiff::Timestamp {
        held(&self.state).clock.now()
    }

    /// Changes an invoice that people see under this number, as an accountant would.
    pub fn edit_invoice(&self, act: &str, tranid: &str, fields: Fields) -> Result<(), Refused> {
        let body = Json::from(fields);
        self.act(act, |state| {
            let id = by_number(state, "invoice", tranid).ok_or_else(missing)?;
            state.update("invoice", &id, &body, &whole, Checks::DEFAULT)?;
            Ok(id)
        })
        .map(drop)
    }

    /// A customer pays; `amount` is decimal text. Gives the payment's id.
    pub fn pay(&self, act: &str, invoice: &str, amount: &str, date: &str) -> Result<String, Refused> {
        self.act(act, |state| {
            let id = by_number(state, "invoice", invoice).ok_or_else(missing)?;
            let record = state.record("invoice", &id).unwrap_or_default();
            let body = obj! {
                "customer" => record.get("entity").cloned(), "currency" => record.get("currency").cloned(),
                "exchangeRate" => record.get("exchangeRate").cloned(), "tranDate" => date,
                "payment" => Json::Number(amount.to_string()),
                "apply" => list![obj! {"doc" => obj! {"id" => id}, "apply" => true, "amount" => Json::Number(amount.to_string())}],
            };
            state.create("customerPayment", &body, Checks::DEFAULT)
        })
    }

    /// Applies a journal entry to an invoice that people see under this number, as an accountant does who writes it off; `amount`
    /// is decimal text.
    pub fn apply_entry(&self, act: &str, entry: &str, invoice: &str, amount: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let invoice = by_number(state, "invoice", invoice).ok_or_else(missing)?;
            let amount = amount.parse().map_err(|_| missing())?;
            state.settle(&invoice, ("journalEntry", entry), amount)?;
            let record = state.record("journalEntry", entry).ok_or_else(missing)?;
            let stamp = state.stamp();
            state.store.put(&place("journalEntry"), entry, record.with("lastModifiedDate", stamp));
            Ok(entry.to_string())
        })
        .map(drop)
    }

    /// Voids an invoice: its amounts become zero and it posts nothing.
    pub fn void_invoice(&self, act: &str, tranid: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let id = by_number(state, "invoice", tranid).ok_or_else(missing)?;
            let mut record = state.record("invoice", &id).ok_or_else(missing)?;
            let lines: Vec<Json> =
                record.list("item").iter().map(|line| line.clone().with("amount", 0).with("rate", 0)).collect();
            record.set("item", lines);
            for name in ["total", "subtotal", "amountRemaining"] {
                record.set(name, 0);
            }
            record.set("voided", true);
            record.set("memo", "VOID");
            record.set("status", reference("V", "Voided"));
            record.set("lastModifiedDate", state.stamp());
            state.store.put(&place("invoice"), &id, record);
            Ok(id)
        })
        .map(drop)
    }

    /// Deletes a record by internal id or `eid:X`.
    pub fn delete_record(&self, act: &str, kind: &str, id: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let kind = chart::kind(kind).ok_or_else(missing)?;
            let id = state.resolve(kind, id).ok_or_else(missing)?;
            state.delete(kind, &id).map(|()| id)
        })
        .map(drop)
    }

    /// Locks a record by workflow: REST can no longer read it, SuiteQL can.
    pub fn lock_record(&self, act: &str, kind: &str, id: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let kind = chart::kind(kind).ok_or_else(missing)?;
            let id = state.resolve(kind, id).ok_or_else(missing)?;
            let record = state.record(kind, &id).ok_or_else(missing)?;
            state.store.put(&place(kind), &id, record.with("locked", true));
            Ok(id)
        })
        .map(drop)
    }

    /// Closes all periods up to a date (`2026-10-31`); an empty date opens them again.
    pub fn close_period(&self, act: &str, through: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            state.store.put("config", "closed", through);
            Ok(through.to_string())
        })
        .map(drop)
    }

    /// Takes the permission for a record type away: REST refuses it, SuiteQL still reads it.
    pub fn deny(&self, act: &str, kind: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let kind = chart::kind(kind).ok_or_else(missing)?;
            state.store.put("denied", kind, true);
            Ok(kind.to_string())
        })
        .map(drop)
    }

    /// A record by internal id or `eid:X`.
    pub fn record(&self, kind: &str, id: &str) -> Option<Json> {
        let state = self.current();
        let kind = chart::kind(kind)?;
        let id = state.resolve(kind, id)?;
        state.record(kind, &id)
    }

    /// All records of a type, in order of creation.
    pub fn records(&self, kind: &str) -> Vec<Json> {
        self.current().every(kind)
    }

    /// Invoices, credit memos, journal entries and payments, in order of creation.
    pub fn documents(&self) -> Vec<ErpDocument> {
        let state = self.current();
        let kinds = [
            ("invoice", "invoice"),
            ("creditMemo", "credit_memo"),
            ("journalEntry", "journal_entry"),
            ("customerPayment", "payment"),
        ];
        let mut all: Vec<(i64, ErpDocument)> = Vec::new();
        for (kind, name) in kinds {
            for record in state.every(kind) {
                all.push((record.int("id"), document(&state, (kind, name), &record)));
            }
        }
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, document)| document).collect()
    }

    /// What was asked since the start: `requests`, `refused`, `records_read`, `records_written`, `records_deleted`,
    /// `transforms`, `suiteql_queries`, `suiteql_rows`, `jobs`, `job_tasks`, `tokens`.
    pub fn usage(&self) -> BTreeMap<String, u64> {
        held(&self.state).tally.iter().map(|(name, count)| ((*name).to_string(), *count)).collect()
    }

    /// How long the job of an asynchronous request takes, by the simulated clock (0: done when it is next asked for).
    pub fn set_processing_time(&self, ms: i64) {
        held(&self.state).rules.processing_ms = ms;
    }

    /// How long every request stays in flight, in real milliseconds (0), so that requests at once can be too many.
    pub fn set_service_time(&self, ms: u64) {
        self.service_ms.store(ms, Ordering::Relaxed);
    }

    /// Requests allowed in a minute (none), beside those allowed at once.
    pub fn set_frequency(&self, per_minute: Option<usize>) {
        held(&self.state).rules.per_minute = per_minute;
    }

    /// Whether Advanced Revenue Management is switched on (true).
    pub fn set_advanced_revenue(&self, on: bool) {
        held(&self.state).rules.advanced_revenue = on;
    }

    /// Takes a property out of the vendor's tables: whatever names it is refused.
    pub fn take_out_property(&self, record: &str, name: &str) {
        held(&self.state).tables.take_out(record, name);
    }

    /// Properties of the vendor's tables that clients have named, with their records.
    pub fn named_properties(&self) -> Vec<(String, String)> {
        held(&self.state).tables.named()
    }

    /// Properties without which nothing is saved (none): `invoice.location`, `invoice.item.class`, `journalEntry.line.department`.
    pub fn set_mandatory(&self, properties: &[&str]) {
        held(&self.state).rules.mandatory = properties.iter().map(ToString::to_string).collect();
    }

    /// Fields that the account made for itself: others are then unknown (any is known).
    pub fn set_custom_fields(&self, fields: &[&str]) {
        held(&self.state).rules.custom_fields = Some(fields.iter().map(ToString::to_string).collect());
    }

    /// Whether the account numbers its transactions itself and lets nobody set `tranId` (false).
    pub fn set_numbers_itself(&self, on: bool) {
        held(&self.state).rules.numbers_itself = on;
    }

    /// Whether invoices and entries wait for an approval where nobody sets their status (false).
    pub fn set_approval_routing(&self, on: bool) {
        held(&self.state).rules.approval_routing = on;
    }

    /// Whether taxes are those of before SuiteTax, of which REST knows nothing (false).
    pub fn set_legacy_tax(&self, on: bool) {
        held(&self.state).rules.legacy_tax = on;
    }

    /// Whether token-based authentication hears of an overload as of a wrong login, as was seen in the field (false).
    pub fn set_overload_as_login(&self, on: bool) {
        held(&self.state).rules.overload_as_login = on;
    }

    /// The account's time zone, in which SuiteQL shows and compares times; false if there is none of this name.
    pub fn set_time_zone(&self, name: &str) -> bool {
        match TimeZone::get(name) {
            Ok(zone) => {
                held(&self.state).zone = zone;
                true
            }
            Err(_) => false,
        }
    }

    /// Requests that may be in flight at once (15).
    pub fn set_concurrency(&self, most: usize) {
        self.concurrency.store(most, Ordering::Relaxed);
        held(&self.state).rules.concurrency = most;
    }
}

fn by_number(state: &State, kind: &str, number: &str) -> Option<String> {
    let found = state.store.all(&place(kind)).find(|(id, record)| record.text("tranId") == number || *id == number);
    let made = || state.series.iter().find_map(|series| series.find("tranId", number)).map(|id| id.to_string());
    let id = found.map(|(id, _)| id.to_string()).or_else(|| state.external(kind, number)).or_else(made);
    id.filter(|id| state.exists(kind, id))
}

fn document(state: &State, (kind, name): (&str, &'static str), record: &Json) -> ErpDocument {
    let optional = |name: &str| Some(record.text(name)).filter(|text| !text.is_empty());
    let customer = record.text("entity.refName");
    let on_line = || {
        let mut names = record.list("item").iter().map(|line| line.text("custcol_milestoned_milestone"));
        names.find(|name| !name.is_empty())
    };
    let status = match (kind, record.text("status.id").as_str()) {
        ("invoice", "V") => "voided",
        ("invoice", "B") => "paid",
        ("creditMemo", "B") => "applied",
        ("invoice" | "creditMemo", _) => "open",
        _ => "posted",
    };
    ErpDocument {
        number: record.text("tranId"),
        kind: name,
        date: record.text("tranDate"),
        currency: record.text("currency.refName"),
        amount: record.decimal("total").normalize().to_string(),
        customer: if customer.is_empty() { record.text("customer.refName") } else { customer },
        contract: optional("custbody_milestoned_contract"),
        milestone: optional("custbody_milestoned_milestone").or_else(on_line),
        status: status.to_string(),
        remote_id: record.text("id"),
        lines: state.postings(kind, record),
    }
}

/// Two wrote the same record at once.
fn changed() -> Refusal {
    Refusal::user("RCRD_HAS_BEEN_CHANGED: Record has been changed.")
}

impl System for NetSuite {
    fn name(&self) -> &'static str {
        "netsuite"
    }

    fn answer(&self, call: &Call) -> Reply {
        let mut state = held(&self.state);
        let reply = state.route(call);
        match state.store.commit() {
            Ok(()) => reply,
            Err(error) => {
                tracing::error!(%error, "netsuite could not keep its state");
                drop(state);
                self.trouble(Trouble::Broken)
            }
        }
    }

    fn trouble(&self, trouble: Trouble) -> Reply {
        let (status, code, detail) = match trouble {
            Trouble::Unavailable => (503, "UNEXPECTED_ERROR", "The service is temporarily unavailable."),
            Trouble::TooMany => {
                (429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked.")
            }
            Trouble::Broken => (500, "UNEXPECTED_ERROR", "An unexpected error occurred. Error ID: l3k8mnj1q4"),
        };
        Refusal::new(status, code, detail).reply()
    }

    fn error(&self, code: &str, _call: &Call) -> Reply {
        let known = match code {
            "INVALID_LOGIN" | "401" => return auth::login_refused().reply(),
            "CONCURRENCY_LIMIT_EXCEEDED" | "429" => return self.trouble(Trouble::TooMany),
            "NONEXISTENT_ID" | "404" => return missing().reply(),
            "RCRD_HAS_BEEN_CHANGED" => return changed().reply(),
            "PERIOD_CLOSED" => {
                let detail =
                    "The transaction date you specified is not within the date range of your accounting period.";
                return Refusal::user(detail).reply();
            }
            "INSUFFICIENT_PERMISSION" | "403" => (403, "INSUFFICIENT_PERMISSION", "Permission Violation."),
            "INVALID_CONTENT" => (400, "INVALID_CONTENT", "Error while accessing a resource. Invalid content."),
            "USER_ERROR" | "400" => {
                (400, "USER_ERROR", "Error while accessing a resource. Please enter value(s) for: Item")
            }
            other => {
                (other.parse().unwrap_or(500), "UNEXPECTED_ERROR", "An unexpected error occurred. Error ID: l3k8mnj1q4")
            }
        };
        Refusal::new(known.0, known.1, known.2).reply()
    }

    fn raced(&self, call: &Call, _first: &Reply) -> Reply {
        let made = call.method == "POST" && call.text().contains("\"externalId\"");
        if made { Refusal::user("This entity already exists.").reply() } else { changed().reply() }
    }

    fn expire_tokens(&self) {
        let mut state = held(&self.state);
        state.revoked = true;
        let tokens: Vec<String> = state.store.all("tokens").map(|(token, _)| token.to_string()).collect();
        for token in tokens {
            state.store.remove("tokens", &token);
        }
        if let Err(error) = state.store.commit() {
            tracing::error!(%error, "tokens");
        }
    }

    fn concurrency(&self) -> usize {
        self.concurrency.load(Ordering::Relaxed)
    }

    fn overloaded(&self, call: &Call) -> Reply {
        let signed = call.header("authorization").is_some_and(|header| header.starts_with("OAuth "));
        if signed && held(&self.state).rules.overload_as_login {
            return auth::login_refused().reply();
        }
        self.trouble(Trouble::TooMany)
    }

    fn service_time(&self) -> Duration {
        Duration::from_millis(self.service_ms.load(Ordering::Relaxed))
    }
}
