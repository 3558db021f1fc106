//! A QuickBooks Online company: accounting API, OAuth with rotating refresh tokens, webhooks.

mod chart;
mod http;
mod query;
mod state;

use std::io;
use std::path::Path;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::tz::TimeZone;
use sha2::Sha256;

use self::state::{Fault, State, fault, gone, place};
use crate::call::{Call, Reply};
use crate::clock::{SimClock, held};
use crate::document::ErpDocument;
use crate::faults::Faults;
use crate::hooks::{self, Deliveries};
use crate::json::{Json, list, obj};
use crate::serve::{System, Trouble};
use crate::store::Store;
use crate::{Fields, Refused};

/// A simulated QuickBooks Online company.
pub struct QuickBooks {
    state: Mutex<State>,
    faults: Faults,
    clock: SimClock,
}

fn refused(fault: Fault) -> Refused {
    Refused(format!("{}: {}", fault.code, fault.detail))
}

/// Milliseconds until the next try, by the number of those that failed.
fn again(_: &str, tries: i64) -> Option<i64> {
    const WAITS: [i64; 8] = [10, 20, 30, 300, 1200, 7200, 14_400, 21_600];
    let at = usize::try_from(tries - 1).unwrap_or_default();
    Some(WAITS.get(at).copied().unwrap_or(21_600) * 1000)
}

impl QuickBooks {
    pub(crate) fn open(dir: Option<&Path>, clock: SimClock, base: String, faults: Faults) -> io::Result<QuickBooks> {
        let mut state = State {
            store: Store::open(dir, "quickbooks")?,
            clock: clock.clone(),
            base,
            realm: "9341452000000001".to_string(),
            verifier: "vtok".to_string(),
            zone: TimeZone::get("America/Los_Angeles").unwrap_or(TimeZone::UTC),
            limits: None,
            recent: Vec::new(),
            legacy: false,
        };
        if state.store.is_empty() {
            let (now, stamp) = (clock.millis(), state.stamp());
            for (entity, id, record) in chart::start() {
                let meta = obj! {"CreateTime" => &stamp, "LastUpdatedTime" => &stamp};
                let record = record.with("Id", id).with("SyncToken", "0").with("domain", "QBO").with("MetaData", meta);
                state.store.put(&place(entity), id, record);
            }
            state.store.put("tokens", "at-smoke", obj! {"until" => now + 3600 * 1000});
            state.store.put("refresh", "rt-smoke-1", obj! {"until" => now + 8_726_400 * 1000});
            state.store.commit()?;
        }
        Ok(QuickBooks { state: Mutex::new(state), faults, clock })
    }

    fn act(&self, act: &str, change: impl FnOnce(&mut State) -> Result<String, Fault>) -> Result<String, Refused> {
        let mut state = held(&self.state);
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
            Err(fault) => {
                state.store.rollback(mark);
                Err(refused(fault))
            }
        }
    }

    /// Id of the company.
    pub fn realm(&self) -> String {
        held(&self.state).realm.clone()
    }

    /// Creates an entity (`Customer`, `Estimate`, `Invoice`, …) or, if `fields` carry an `Id`, changes it. Gives the id.
    pub fn put_record(&self, act: &str, entity: &str, fields: Fields) -> Result<String, Refused> {
        let body = Json::from(fields);
        self.act(act, |state| {
            let entity = chart::entity(entity).ok_or_else(gone)?;
            let record = match state.record(entity, &body.text("Id")).map(|old| old.text("SyncToken")) {
                Some(token) => {
                    state.update(entity, &body.clone().with("SyncToken", token).with("sparse", true), false)?
                }
                None => state.create(entity, &body, false)?,
            };
            Ok(record.text("Id"))
        })
    }

    /// Changes an invoice by its number, as an accountant would.
    pub fn edit_invoice(&self, act: &str, number: &str, fields: Fields) -> Result<(), Refused> {
        let body = Json::from(fields);
        self.act(act, |state| {
            let old = by_number(state, "Invoice", number)?;
            let body = body.with("Id", old.text("Id")).with("SyncToken", old.text("SyncToken")).with("sparse", true);
            state.update("Invoice", &body, false).map(|record| record.text("Id"))
        })
        .map(drop)
    }

    /// A customer pays an invoice; `amount` is decimal text. Gives the payment's id.
    pub fn pay(&self, act: &str, invoice: &str, amount: &str, date: &str) -> Result<String, Refused> {
        self.act(act, |state| {
            let old = by_number(state, "Invoice", invoice)?;
            let link = obj! {"TxnId" => old.text("Id"), "TxnType" => "Invoice"};
            let amount = Json::Number(amount.to_string());
            let body = obj! {
                "CustomerRef" => old.get("CustomerRef").cloned(), "TotalAmt" => &amount, "TxnDate" => date,
                "Line" => list![obj! {"Amount" => amount, "LinkedTxn" => list![link]}],
            };
            state.create("Payment", &body, false).map(|record| record.text("Id"))
        })
    }

    /// Voids an invoice by its number.
    pub fn void_invoice(&self, act: &str, number: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let old = by_number(state, "Invoice", number)?;
            state.void("Invoice", &old).map(|_| old.text("Id"))
        })
        .map(drop)
    }

    /// Deletes an entity by id.
    pub fn delete_record(&self, act: &str, entity: &str, id: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let entity = chart::entity(entity).ok_or_else(gone)?;
            let old = state.record(entity, id).cloned().ok_or_else(gone)?;
            state.delete(entity, &old).map(|_| id.to_string())
        })
        .map(drop)
    }

    /// Closes the books up to a date; an empty date opens them again.
    pub fn close_period(&self, act: &str, through: &str) -> Result<(), Refused> {
        self.prefer(act, "BookCloseDate", Json::from(through))
    }

    /// Sets a preference: `CustomTxnNumbers`, `MultiCurrencyEnabled`, `RevenueRecognitionEnabled`.
    pub fn set_preference(&self, act: &str, name: &str, value: bool) -> Result<(), Refused> {
        self.prefer(act, name, Json::Bool(value))
    }

    fn prefer(&self, act: &str, name: &str, value: Json) -> Result<(), Refused> {
        self.act(act, |state| {
            let kept = state.store.get("config", "preferences").cloned().unwrap_or_default().with(name, value);
            state.store.put("config", "preferences", kept);
            Ok(String::new())
        })
        .map(drop)
    }

    /// An entity by id.
    pub fn record(&self, entity: &str, id: &str) -> Option<Json> {
        held(&self.state).record(chart::entity(entity)?, id).cloned()
    }

    /// All entities of a kind, in order of creation.
    pub fn records(&self, entity: &str) -> Vec<Json> {
        held(&self.state).store.all(&place(entity)).map(|(_, record)| record.clone()).collect()
    }

    /// Invoices, credit memos, journal entries and payments, in order of creation.
    pub fn documents(&self) -> Vec<ErpDocument> {
        let state = held(&self.state);
        let kinds = [
            ("Invoice", "invoice"),
            ("CreditMemo", "credit_memo"),
            ("JournalEntry", "journal_entry"),
            ("Payment", "payment"),
        ];
        let mut all: Vec<(i64, ErpDocument)> = Vec::new();
        for (entity, name) in kinds {
            for (_, record) in state.store.all(&place(entity)) {
                all.push((record.int("Id"), document(&state, entity, name, record)));
            }
        }
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, document)| document).collect()
    }

    /// Registers the address that is told of changes; the verifier token signs.
    pub fn register_webhook(&self, url: &str, verifier: &str) -> Result<(), Refused> {
        let mut state = held(&self.state);
        state.verifier = verifier.to_string();
        state.store.put("hooks", "1", obj! {"url" => url, "verifier" => verifier});
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Sends webhooks in the shape that was usual until 2026.
    pub fn set_legacy_webhooks(&self, legacy: bool) {
        held(&self.state).legacy = legacy;
    }

    /// Delivers the events of the time since the last one as one message. Nothing newer goes out before a failed one got through.
    pub async fn deliver_webhooks(&self) -> io::Result<Deliveries> {
        {
            let mut state = held(&self.state);
            bundle(&mut state);
            state.store.commit()?;
        }
        hooks::deliver(&self.state, |state| &mut state.store, "quickbooks", &self.faults, self.clock.millis(), again)
            .await
    }

    /// Requests allowed per minute and per second. Unset, 500 and 100 hold while the clock follows
    /// real time, and none while it is driven. The vendor's figures are 500 and 10.
    pub fn set_limits(&self, per_minute: usize, per_second: usize) {
        held(&self.state).limits = Some((per_minute, per_second));
    }
}

fn bundle(state: &mut State) {
    let Some(hook) = state.store.get("hooks", "1").cloned() else { return };
    if state.store.count("outbox") > 0 {
        return;
    }
    let events: Vec<(String, Json)> =
        state.store.all("events").map(|(id, event)| (id.to_string(), event.clone())).collect();
    if events.is_empty() {
        return;
    }
    for (id, _) in &events {
        state.store.remove("events", id);
    }
    let events = events.into_iter().map(|(_, event)| event);
    let body = if state.legacy { legacy(&state.realm, events) } else { Json::List(events.collect()) }.to_string();
    let mut headers = vec![("user-agent".to_string(), "intuit_notification_framework".to_string())];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(hook.text("verifier").as_bytes()) {
        mac.update(body.as_bytes());
        headers.push(("intuit-signature".to_string(), STANDARD.encode(mac.finalize().into_bytes())));
    }
    let now = state.clock.millis();
    hooks::queue(&mut state.store, &hook.text("url"), headers, &body, now);
}

/// Events in the older shape.
fn legacy(realm: &str, events: impl Iterator<Item = Json>) -> Json {
    let row = |event: Json| {
        let kind = event.text("type");
        let mut parts = kind.split('.').skip(1);
        let entity = parts.next().and_then(chart::entity).unwrap_or_default();
        let operation = match parts.next().unwrap_or_default() {
            "created" => "Create",
            "deleted" => "Delete",
            "voided" => "Void",
            _ => "Update",
        };
        obj! {
            "name" => entity, "id" => event.text("intuitentityid"), "operation" => operation,
            "lastUpdated" => event.text("time"),
        }
    };
    let entities = Json::List(events.map(row).collect());
    obj! {"eventNotifications" => list![obj! {"realmId" => realm, "dataChangeEvent" => obj! {"entities" => entities}}]}
}

fn by_number(state: &State, entity: &str, number: &str) -> Result<Json, Fault> {
    let id = state.store.get(&format!("number:{entity}"), number).map(Json::text_of);
    let id = id.unwrap_or_else(|| number.to_string());
    state
        .record(entity, &id)
        .cloned()
        .ok_or_else(|| fault("610", "Object Not Found", format!("no {entity} has number {number}")))
}

fn document(state: &State, entity: &str, kind: &'static str, record: &Json) -> ErpDocument {
    let custom = |id: &str| {
        let found = record.list("CustomField").iter().find(|field| field.text("DefinitionId") == id);
        found.map(|field| field.text("StringValue")).filter(|text| !text.is_empty())
    };
    let debits: rust_decimal::Decimal = record
        .list("Line")
        .iter()
        .filter(|line| line.text("JournalEntryLineDetail.PostingType") == "Debit")
        .map(|line| line.decimal("Amount"))
        .sum();
    let amount = if entity == "JournalEntry" { debits } else { record.decimal("TotalAmt") };
    let voided = record.text("PrivateNote").starts_with("Voided") && amount.is_zero();
    let open = !record.decimal("Balance").is_zero();
    let status = match entity {
        _ if voided => "voided",
        "Invoice" if !open => "paid",
        "CreditMemo" if !open => "applied",
        "Invoice" | "CreditMemo" => "open",
        _ => "posted",
    };
    ErpDocument {
        number: record.text("DocNumber"),
        kind,
        date: record.text("TxnDate"),
        currency: record.text("CurrencyRef.value"),
        amount: amount.normalize().to_string(),
        customer: record.text("CustomerRef.name"),
        contract: custom("1"),
        milestone: custom("2"),
        status: status.to_string(),
        remote_id: record.text("Id"),
        lines: state.postings(entity, record),
    }
}

impl System for QuickBooks {
    fn name(&self) -> &'static str {
        "quickbooks"
    }

    fn answer(&self, call: &Call) -> Reply {
        let mut state = held(&self.state);
        let mark = state.store.mark();
        let reply = state.route(call);
        if reply.status >= 400 {
            state.store.rollback(mark);
        }
        match state.store.commit() {
            Ok(()) => reply,
            Err(error) => {
                tracing::error!(%error, "quickbooks could not keep its state");
                self.trouble(Trouble::Broken)
            }
        }
    }

    fn trouble(&self, trouble: Trouble) -> Reply {
        let state = held(&self.state);
        let (status, code, message) = match trouble {
            Trouble::TooMany => return http::throttled(&state.stamp()),
            Trouble::Unavailable => (503, "10000", "Service Unavailable"),
            Trouble::Broken => (500, "10000", "An application error has occurred while processing your request"),
        };
        let fault = Fault { status, code, message, detail: "System Failure Error".to_string(), kind: "SystemFault" };
        state::reply(status, obj! {"Fault" => fault.json()}, &state.stamp())
    }

    fn expire_tokens(&self) {
        let mut state = held(&self.state);
        let tokens: Vec<String> = state.store.all("tokens").map(|(token, _)| token.to_string()).collect();
        for token in tokens {
            state.store.remove("tokens", &token);
        }
        if let Err(error) = state.store.commit() {
            tracing::error!(%error, "tokens");
        }
    }
}
