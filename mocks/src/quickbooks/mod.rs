//! A QuickBooks Online company: accounting API, OAuth with rotating refresh tokens, webhooks.

mod attachments;
mod auth;
mod batch;
mod chart;
mod director;
mod faults;
mod http;
mod index;
mod limits;
mod links;
mod query;
mod reports;
mod sale;
mod schema;
mod state;
mod webhooks;
mod xml;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use jiff::tz::TimeZone;

use self::faults::{Fault, fault, gone};
use self::limits::Limits;
use self::state::{State, place};
use crate::call::{Call, Reply};
use crate::clock::{SimClock, held};
use crate::document::ErpDocument;
use crate::faults::Faults;
use crate::hooks::{self, Deliveries, Letter};
use crate::json::{Json, list, obj};
use crate::lot::LotSpec;
use crate::properties::Kept;
use crate::series::Series;
use crate::serve::{System, Trouble};
use crate::store::Store;
use crate::systems::Opening;
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

impl QuickBooks {
    pub(crate) fn open(Opening { dir, clock, base, faults }: Opening<'_>) -> io::Result<QuickBooks> {
        let store = Store::open(dir, "quickbooks")?;
        let series = store.all("series").map(|(_, kept)| Series::restored(kept)).collect();
        let mut state = State {
            store,
            clock: clock.clone(),
            base,
            realm: "9341452000000001".to_string(),
            verifier: "vtok".to_string(),
            zone: TimeZone::get("America/Los_Angeles").unwrap_or(TimeZone::UTC),
            sql: index::open().map_err(io::Error::other)?,
            listed: None,
            series,
            limits: Limits::default(),
            tally: BTreeMap::new(),
            tids: 0,
            rotation_ms: auth::ROTATION_MS,
            refresh_grace_ms: 0,
            throttled_items: None,
            faults_as_success: false,
            window_ms: 0,
            legacy: false,
            cloudevents_type: false,
            enhanced_fields: None,
            asks_enhanced: false,
            tables: Kept::default(),
        };
        if state.store.is_empty() {
            let stamp = state.stamp();
            for (entity, id, record) in chart::start() {
                let meta = obj! {"CreateTime" => &stamp, "LastUpdatedTime" => &stamp};
                let record = record.with("Id", id).with("SyncToken", "0").with("domain", "QBO").with("MetaData", meta);
                state.store.put(&place(entity), id, record);
            }
            state.first_tokens();
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

    /// Creates as many entities as `lot` says, all from one body, whose texts may name their place as `{n}` (from 1) and their
    /// id as `{id}`: `"DocNumber": "MS-{n}"`. They cost no more memory than one. Gives the first id.
    pub fn generate(&self, act: &str, entity: &str, lot: &LotSpec) -> Result<String, Refused> {
        let body = Json::from(lot.fields.clone());
        let first = self.act(act, |state| {
            let entity = chart::entity(entity).ok_or_else(gone)?;
            state.fill(entity, &body, Series::of(entity, lot)).map(|first| first.to_string())
        })?;
        held(&self.state).refresh().map_err(|error| Refused(error.to_string()))?;
        Ok(first)
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
            let old = state.record(entity, id).ok_or_else(gone)?;
            state.delete(entity, &old).map(|_| id.to_string())
        })
        .map(drop)
    }

    /// Closes the books up to a date; an empty date opens them again.
    pub fn close_period(&self, act: &str, through: &str) -> Result<(), Refused> {
        self.prefer(act, "BookCloseDate", Json::from(through))
    }

    /// Sets a preference: `CustomTxnNumbers`, `MultiCurrencyEnabled`, `RevenueRecognition`, `UsingSalesTax` (every line
    /// then needs a tax code), `SubscriptionEnded` (nothing can be written any more).
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
        held(&self.state).record(chart::entity(entity)?, id)
    }

    /// All entities of a kind, in order of creation.
    pub fn records(&self, entity: &str) -> Vec<Json> {
        held(&self.state).every(entity)
    }

    /// The text of an attached file.
    pub fn file(&self, id: &str) -> Option<String> {
        held(&self.state).store.get(attachments::FILES, id).map(Json::text_of)
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
            for record in state.every(entity) {
                all.push((record.int("Id"), document(&state, entity, name, &record)));
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
            state.bundle();
            state.store.commit()?;
        }
        hooks::deliver(
            &self.state,
            |state| &mut state.store,
            "quickbooks",
            &self.faults,
            self.clock.millis(),
            webhooks::again,
        )
        .await
    }

    /// The webhook that is due, to be carried without a network.
    pub fn letters(&self) -> io::Result<Vec<Letter>> {
        let mut state = held(&self.state);
        state.bundle();
        state.store.commit()?;
        drop(state);
        Ok(hooks::letters(&self.state, |state| &mut state.store, self.clock.millis()))
    }

    /// A letter was answered with this status; 0: not at all.
    pub fn answered(&self, letter: &Letter, status: u16) -> io::Result<()> {
        let now = self.clock.millis();
        hooks::answered(&self.state, |state| &mut state.store, letter, status, now, webhooks::again)
    }

    /// Requests allowed per minute and per second, and with them the vendor's 40 batches a minute. Unset, 500, 100 and 40 hold
    /// while the clock follows real time, and none while it is driven. The vendor's figures are 500 and 10.
    pub fn set_limits(&self, per_minute: usize, per_second: usize) {
        held(&self.state).limits.set = Some((per_minute, per_second, 40));
    }

    /// Metered reads allowed in a month (500,000).
    pub fn set_monthly_reads(&self, most: u64) {
        held(&self.state).limits.reads = most;
    }

    /// Metered reads of this month.
    pub fn metered_reads(&self) -> u64 {
        held(&self.state).limits.metered()
    }

    /// What was asked since the start: `requests`, `queries`, `cdc`, `writes`, `batches`, `batch_items`, `replayed`,
    /// `reads_metered`, `throttled`.
    pub fn usage(&self) -> BTreeMap<String, u64> {
        held(&self.state).tally.iter().map(|(name, count)| ((*name).to_string(), *count)).collect()
    }

    /// How long a refresh token keeps its value (a day); with zero every refresh changes it.
    pub fn set_rotation(&self, ms: i64) {
        held(&self.state).rotation_ms = ms;
    }

    /// How long a refresh token still counts once it has got a successor (not at all): the vendor says that it dies soon.
    pub fn set_refresh_grace(&self, ms: i64) {
        held(&self.state).refresh_grace_ms = ms;
    }

    /// Throttles the items of the next batch from this one on, counted from 0; those before are done.
    pub fn throttle_batch_items(&self, from: usize) {
        held(&self.state).throttled_items = Some(from);
    }

    /// Answers faults with status 200, as was seen in the field (false).
    pub fn set_faults_as_success(&self, on: bool) {
        held(&self.state).faults_as_success = on;
    }

    /// How long events are collected before a webhook goes out, in milliseconds (0; the vendor's windows are 1, 3 and 5 minutes).
    pub fn set_webhook_window(&self, ms: i64) {
        held(&self.state).window_ms = ms;
    }

    /// The company has the newer custom fields, with these definitions: entries of others, and all entries of a request that
    /// does not ask for `enhancedAllCustomFields`, are dropped without a word.
    pub fn set_enhanced_fields(&self, definitions: &[&str]) {
        held(&self.state).enhanced_fields = Some(definitions.iter().map(ToString::to_string).collect());
    }

    /// Takes a property out of the vendor's tables: whatever names it is refused.
    pub fn take_out_property(&self, record: &str, name: &str) {
        held(&self.state).tables.take_out(record, name);
    }

    /// Properties of the vendor's tables that clients have named, with their records.
    pub fn named_properties(&self) -> Vec<(String, String)> {
        held(&self.state).tables.named()
    }

    /// Sends webhooks as `application/cloudevents+json` (false).
    pub fn set_cloudevents_type(&self, on: bool) {
        held(&self.state).cloudevents_type = on;
    }
}

fn by_number(state: &State, entity: &str, number: &str) -> Result<Json, Fault> {
    let id = state.holder(entity, number).unwrap_or_else(|| number.to_string());
    state
        .record(entity, &id)
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
        let reply = state.route(call);
        match state.store.commit() {
            Ok(()) => reply,
            Err(error) => {
                tracing::error!(%error, "quickbooks could not keep its state");
                drop(state);
                self.trouble(Trouble::Broken)
            }
        }
    }

    fn trouble(&self, trouble: Trouble) -> Reply {
        let mut state = held(&self.state);
        let tid = state.tid();
        let (status, message) = match trouble {
            Trouble::TooMany => return state.throttled().header("intuit_tid", tid),
            Trouble::Unavailable => (503, "Service Unavailable"),
            Trouble::Broken => (500, "An application error has occurred while processing your request"),
        };
        let detail = "System Failure Error".to_string();
        let fault = Fault { status, code: "10000", message, detail, kind: "SystemFault" };
        faults::reply(status, obj! {"Fault" => fault.json()}, &state.stamp()).header("intuit_tid", tid)
    }

    fn error(&self, code: &str, _call: &Call) -> Reply {
        let mut state = held(&self.state);
        let tid = state.tid();
        let stamp = state.stamp();
        let fault = match code.trim_start_matches('0') {
            "3001" | "429" => return state.throttled().header("intuit_tid", tid),
            "3200" | "401" => return auth::unauthorized(state.clock.millis()).header("intuit_tid", tid),
            "3100" | "403" => return state.forbidden().header("intuit_tid", tid),
            code => faults::named(code),
        };
        faults::reply(fault.status, obj! {"Fault" => fault.json()}, &stamp).header("intuit_tid", tid)
    }

    fn raced(&self, call: &Call, first: &Reply) -> Reply {
        let body = first.as_json();
        let made = body.members().first().map(|(entity, record)| (entity.clone(), record.clone())).unwrap_or_default();
        let updates = call.json().is_ok_and(|sent| !sent.text("Id").is_empty());
        let fault = match (updates, made.1.has("DisplayName")) {
            (true, _) => faults::named("5010"),
            (false, true) => faults::named("6240"),
            (false, false) => faults::taken(&made.0, &made.1.text("DocNumber"), &made.1.text("Id")),
        };
        let mut state = held(&self.state);
        let tid = state.tid();
        faults::reply(400, obj! {"Fault" => fault.json()}, &state.stamp()).header("intuit_tid", tid)
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
