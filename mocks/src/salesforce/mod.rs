//! A Salesforce org: REST data API, SOQL, OAuth.

mod auth;
mod bulk;
mod collections;
mod composite;
mod dates;
mod files;
mod http;
mod lots;
mod outbound;
mod query;
mod rules;
mod schema;
mod select;
mod settings;
mod soql;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use jiff::Timestamp;

use self::lots::{Lot, Row};
pub use self::settings::OrgSettings;
use self::state::{Refusal, State, full_id};
use crate::call::{Call, Reply};
use crate::clock::{SimClock, held};
use crate::faults::Faults;
use crate::hooks::{self, Deliveries};
use crate::json::{Json, list, obj};
use crate::lot::LotSpec;
use crate::properties::Kept;
use crate::serve::{System, Trouble};
use crate::store::Store;
use crate::systems::Opening;
use crate::{Fields, Refused};

/// A simulated Salesforce org.
pub struct Salesforce {
    state: Mutex<State>,
    faults: Faults,
    clock: SimClock,
}

fn refused(refusal: Refusal) -> Refused {
    Refused(format!("{}: {}", refusal.code, refusal.message))
}

impl Salesforce {
    pub(crate) fn open(Opening { dir, clock, base, faults }: Opening<'_>) -> io::Result<Salesforce> {
        let store = Store::open(dir, "salesforce")?;
        let fresh = store.is_empty();
        let lots = store.all("lots").map(|(_, kept)| Lot::new(kept)).collect();
        let mut state = State {
            store,
            clock: clock.clone(),
            schema: schema::objects(),
            tables: Kept::default(),
            described: clock.now(),
            base,
            settings: OrgSettings::default(),
            usage: BTreeMap::new(),
            public_keys: Vec::new(),
            cursors: BTreeMap::new(),
            lots,
            duplicates_allowed: false,
        };
        state.keep_orders();
        let own: Vec<(String, String)> =
            state.store.all("schema").map(|(_, kept)| (kept.text("object"), kept.text("spec"))).collect();
        for (object, spec) in own {
            state.define(&object, &spec);
        }
        if fresh {
            state.seed().map_err(|refusal| io::Error::other(refusal.message))?;
            state.store.commit()?;
        }
        Ok(Salesforce { state: Mutex::new(state), faults, clock })
    }

    fn act(&self, act: &str, change: impl FnOnce(&mut State) -> Result<String, Refusal>) -> Result<String, Refused> {
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
            Err(refusal) => {
                state.store.rollback(mark);
                Err(refused(refusal))
            }
        }
    }

    /// Creates or updates a record. `key` is an id, the value of one of the object's external ids, or a name of the director's
    /// own under which he will find it again; where the object has a unique external id, a new key becomes its value. Gives
    /// the id.
    pub fn put(&self, act: &str, object: &str, key: &str, fields: Fields) -> Result<String, Refused> {
        let fields = Json::from(fields);
        self.act(act, |state| {
            let meta = state.object(object)?.clone();
            if let Some(id) = known(state, &meta.name, key) {
                state.update(&meta.name, &id, &fields, true)?;
                return Ok(id);
            }
            let looks_like_id = key.len() == 18 && key.starts_with(&meta.prefix);
            let unique = meta.fields().find(|field| field.external && field.unique);
            let fields = match unique {
                _ if looks_like_id => fields.with("Id", key),
                Some(field) if !key.is_empty() && !fields.has(&field.name) => fields.with(&field.name, key),
                _ => fields,
            };
            let id = state.create(&meta.name, &fields, true)?;
            if !key.is_empty() {
                state.store.put(&format!("alias:{}", meta.name), key, id.as_str());
            }
            Ok(id)
        })
    }

    /// Makes as many records as `lot` says without keeping them: a million costs no more than one. `{n}` in a text field
    /// stands for the number of the record, from 1. Gives the first id.
    pub fn generate(&self, act: &str, object: &str, lot: &LotSpec) -> Result<String, Refused> {
        let fields = Json::from(lot.fields.clone());
        self.act(act, |state| {
            let meta = state.object(object)?.clone();
            // the first record is made, looked at, and taken back: its pattern is that of all
            let mark = state.store.mark();
            let merged = Json::Object(fields.members().iter().map(|(name, value)| (name.clone(), numbered(value))).collect());
            let id = state.create(&meta.name, &merged, true)?;
            let mut whole = state.record(&meta.name, &id).map(std::borrow::Cow::into_owned).unwrap_or_default();
            state.store.rollback(mark);
            let mut numbers = Vec::new();
            for (name, value) in fields.members() {
                let Some(field) = meta.field(name) else { continue };
                if value.as_str().is_some_and(|text| text.contains("{n}")) {
                    whole.set(&field.name, value);
                    if matches!(field.kind.as_str(), "currency" | "double" | "percent" | "int") {
                        numbers.push(Json::from(&field.name));
                    }
                }
            }
            let first = state.store.next(&meta.name, 1);
            let count = i64::try_from(lot.count).unwrap_or(i64::MAX);
            state.store.put("counter", &meta.name, obj! {"n" => first + count - 1});
            let kept = obj! {
                "object" => &meta.name, "prefix" => &meta.prefix, "first" => first, "count" => count, "from" => lot.from.as_second(),
                "step_ms" => lot.step_ms, "tied" => lot.tied, "fields" => whole, "numbers" => Json::List(numbers),
            };
            let number = state.store.next("lot", 1).to_string();
            state.lots.push(Lot::new(&kept));
            state.store.put("lots", &number, kept);
            Ok(full_id(&format!("{}{first:012}", meta.prefix)))
        })
    }

    /// Deletes a record by id; it stays in the recycle bin.
    pub fn delete(&self, act: &str, object: &str, id: &str) -> Result<(), Refused> {
        self.acting_on(act, object, id, |state, id| state.bin(object, id, true))
    }

    /// Takes a record out of the recycle bin.
    pub fn undelete(&self, act: &str, object: &str, id: &str) -> Result<(), Refused> {
        self.acting_on(act, object, id, |state, id| state.bin(object, id, false))
    }

    /// Takes a record out for good: nothing tells of it any more.
    pub fn purge(&self, act: &str, object: &str, id: &str) -> Result<(), Refused> {
        self.acting_on(act, object, id, |state, id| state.purge(object, id))
    }

    /// Somebody else holds the record until this time: writes to it and to records that point to it find it locked. With
    /// `approval` an approval process holds it, against edits of itself only.
    pub fn lock(&self, act: &str, object: &str, id: &str, until: Timestamp, approval: bool) -> Result<(), Refused> {
        self.acting_on(act, object, id, |state, id| {
            state.lock(id, until.as_millisecond(), approval);
            Ok(())
        })
    }

    fn acting_on(
        &self,
        act: &str,
        object: &str,
        key: &str,
        change: impl FnOnce(&mut State, &str) -> Result<(), Refusal>,
    ) -> Result<(), Refused> {
        self.act(act, |state| {
            let id = known(state, object, key).unwrap_or_else(|| key.to_string());
            change(state, &id).map(|()| id)
        })
        .map(drop)
    }

    /// A record as it is kept, by id, external id or the director's key.
    pub fn record(&self, object: &str, key: &str) -> Option<Json> {
        let state = held(&self.state);
        let id = known(&state, object, key)?;
        state.record(object, &id).map(std::borrow::Cow::into_owned)
    }

    /// The record whose external id field has this value.
    pub fn find(&self, object: &str, field: &str, value: &str) -> Option<Json> {
        let state = held(&self.state);
        let id = state.find(object, field, value).into_iter().next()?;
        state.record(object, &id).map(std::borrow::Cow::into_owned)
    }

    /// All records of an object, deleted ones too, in order of their ids.
    pub fn records(&self, object: &str) -> Vec<Json> {
        held(&self.state).rows(object).map(|row| row.whole().into_owned()).collect()
    }

    /// Declares a field `name:kind:flags:relationship>object>children` (flags x external id, u unique, q required, l
    /// restricted to its list), and its object where that is new.
    pub fn define_field(&self, object: &str, spec: &str) -> Result<(), Refused> {
        let mut state = held(&self.state);
        state.define(object, spec);
        state.store.put("schema", &format!("{object}:{spec}"), obj! {"object" => object, "spec" => spec});
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Hides a field from the caller, as field-level security and features that are not switched on do; or shows it again.
    pub fn hide_field(&self, object: &str, field: &str, hidden: bool) -> Result<(), Refused> {
        let mut state = held(&self.state);
        state.described = self.clock.now();
        match state.schema.get_mut(object).map(|object| object.hide(field, hidden)) {
            Some(true) => Ok(()),
            _ => Err(Refused(format!("{object} has no field {field}"))),
        }
    }

    /// Fields that clients have named, with their objects; [`Self::hide_field`] takes one away.
    pub fn named_properties(&self) -> Vec<(String, String)> {
        held(&self.state).tables.named()
    }

    /// Registers an outbound message: changes of `object` are told to `url` with these fields.
    pub fn register_outbound(&self, url: &str, object: &str, fields: &[&str]) -> Result<(), Refused> {
        let mut state = held(&self.state);
        let fields = Json::List(fields.iter().map(|name| Json::from(*name)).collect());
        state.store.put("outbound", url, obj! {"object" => object, "fields" => fields});
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Delivers the outbound messages that are due. A message that is not acknowledged is sent again, whole, for a day.
    pub async fn deliver_webhooks(&self) -> io::Result<Deliveries> {
        {
            let mut state = held(&self.state);
            state.bundle();
            state.store.commit()?;
        }
        let now = self.clock.millis();
        hooks::deliver(&self.state, |state| &mut state.store, "salesforce", &self.faults, now, outbound::again).await
    }

    /// Outbound messages: `outbox`, `sent`, `dropped`.
    pub fn deliveries(&self) -> Json {
        hooks::deliveries(&held(&self.state).store)
    }

    /// Accepts assertions of this public key (PEM), and from then on only of registered ones.
    pub fn register_key(&self, pem: &str) {
        held(&self.state).public_keys.push(pem.to_string());
    }

    /// The switches as they are.
    pub fn settings(&self) -> OrgSettings {
        held(&self.state).settings.clone()
    }

    /// Changes switches.
    pub fn configure(&self, change: impl FnOnce(&mut OrgSettings)) {
        let mut state = held(&self.state);
        change(&mut state.settings);
        let (shown, now) = (state.settings.multi_currency, self.clock.now());
        for object in state.schema.values_mut() {
            object.hide("CurrencyIsoCode", !shown);
        }
        state.described = now;
    }

    /// Rows per page of a query answer; the vendor's 2000 unless a test wants pages sooner.
    pub fn set_page_size(&self, rows: usize) {
        self.configure(|settings| settings.page_size = rows.max(1));
    }

    /// How much older than its appearance the stamp of a record is that the director writes, as with long transactions.
    pub fn set_commit_lag(&self, ms: i64) {
        self.configure(|settings| settings.commit_lag_ms = ms.max(0));
    }

    /// Requests allowed per day.
    pub fn set_daily_limit(&self, requests: u64) {
        self.configure(|settings| settings.daily_limit = requests);
    }
}

/// The value of the first record of a lot.
fn numbered(value: &Json) -> Json {
    value.as_str().map_or_else(|| value.clone(), |text| Json::from(text.replace("{n}", "1")))
}

/// The id of a record by id, director's key, or external id.
fn known(state: &State, object: &str, key: &str) -> Option<String> {
    if let Some(row) = state.row(object, key) {
        return Some(Row::id(row));
    }
    if let Some(id) = state.store.get(&format!("alias:{object}"), key).and_then(Json::scalar) {
        return Some(id);
    }
    let mut keys = state.object(object).ok()?.fields().filter(|field| field.external);
    keys.find_map(|field| state.find(object, &field.name, key).into_iter().next())
}

impl System for Salesforce {
    fn name(&self) -> &'static str {
        "salesforce"
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
                tracing::error!(%error, "salesforce could not keep its state");
                self.trouble(Trouble::Broken)
            }
        }
    }

    fn trouble(&self, trouble: Trouble) -> Reply {
        let (status, code, message) = match trouble {
            Trouble::Unavailable => (503, "SERVER_UNAVAILABLE", "Server too busy"),
            // too many requests are a 403 here
            Trouble::TooMany => {
                (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
            }
            Trouble::Broken => (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId"),
        };
        Reply::json(status, &list![obj! {"message" => message, "errorCode" => code}])
    }

    fn error(&self, code: &str, call: &Call) -> Reply {
        let settings = self.settings();
        let status = if code == "INVALID_QUERY_LOCATOR" { Some(settings.locator_status) } else { None };
        match auth::named(code, call.path.contains("/oauth2/"), settings.lock_status) {
            Some(reply) => Reply { status: status.unwrap_or(reply.status), ..reply },
            None => code.parse().map_or_else(
                |_| Reply::json(400, &list![obj! {"message" => code, "errorCode" => code}]),
                |status: u16| {
                    Reply::json(status, &list![obj! {"message" => "unknown", "errorCode" => "UNKNOWN_EXCEPTION"}])
                },
            ),
        }
    }

    fn raced(&self, call: &Call, first: &Reply) -> Reply {
        let field = call.segments.iter().rev().nth(1).cloned().unwrap_or_default();
        let id = first.as_json().text("id");
        let message = format!("duplicate value found: {field} duplicates value on record with id: {id}");
        Refusal::new(400, "DUPLICATE_VALUE", message).reply()
    }

    fn expire_tokens(&self) {
        let mut state = held(&self.state);
        state.expire();
        if let Err(error) = state.store.commit() {
            tracing::error!(%error, "tokens");
        }
    }

    fn expire_cursors(&self) {
        held(&self.state).cursors.clear();
    }
}
