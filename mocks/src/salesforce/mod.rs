//! A Salesforce org: REST data API, SOQL, OAuth.

mod auth;
mod composite;
mod http;
mod outbound;
mod schema;
mod soql;
mod state;

use std::io;
use std::path::Path;
use std::sync::Mutex;

use self::state::{Refusal, State};
use crate::call::{Call, Reply};
use crate::clock::{SimClock, held};
use crate::faults::Faults;
use crate::hooks::{self, Deliveries};
use crate::json::{Json, list, obj};
use crate::serve::{System, Trouble};
use crate::store::Store;
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
    pub(crate) fn open(dir: Option<&Path>, clock: SimClock, base: String, faults: Faults) -> io::Result<Salesforce> {
        let store = Store::open(dir, "salesforce")?;
        let mut state = State {
            store,
            clock: clock.clone(),
            schema: schema::objects(),
            base,
            page: 2000,
            usage: 0,
            daily: http::DEFAULT_DAILY,
            public_keys: Vec::new(),
            lag_ms: 0,
        };
        let own: Vec<(String, String)> =
            state.store.all("schema").map(|(_, kept)| (kept.text("object"), kept.text("spec"))).collect();
        for (object, spec) in own {
            state.define(&object, &spec);
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
            let unique = meta.fields.iter().find(|field| field.external && field.unique);
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

    /// Deletes a record by id; it stays in the recycle bin.
    pub fn delete(&self, act: &str, object: &str, id: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let id = known(state, object, id).unwrap_or_else(|| id.to_string());
            state.delete(object, &id).map(|()| id)
        })
        .map(drop)
    }

    /// A record as it is kept, by id, external id or the director's key.
    pub fn record(&self, object: &str, key: &str) -> Option<Json> {
        let state = held(&self.state);
        let id = known(&state, object, key)?;
        state.record(object, &id).cloned()
    }

    /// The record whose external id field has this value.
    pub fn find(&self, object: &str, field: &str, value: &str) -> Option<Json> {
        let state = held(&self.state);
        let id = state.find(object, field, value).into_iter().next()?;
        state.record(object, &id).cloned()
    }

    /// All records of an object, deleted ones too, in order of their ids.
    pub fn records(&self, object: &str) -> Vec<Json> {
        held(&self.state).records(object).map(|(_, record)| record.clone()).collect()
    }

    /// Declares a field `name:kind:flags:relationship>object` (flags x external id, u unique, q required), and its object
    /// where that is new.
    pub fn define_field(&self, object: &str, spec: &str) -> Result<(), Refused> {
        let mut state = held(&self.state);
        state.define(object, spec);
        state.store.put("schema", &format!("{object}:{spec}"), obj! {"object" => object, "spec" => spec});
        state.store.commit().map_err(|error| Refused(error.to_string()))
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

    /// Accepts assertions of this public key (PEM), and from then on only of registered ones.
    pub fn register_key(&self, pem: &str) {
        held(&self.state).public_keys.push(pem.to_string());
    }

    /// Rows per page of a query answer; the vendor's 2000 unless a test wants pages sooner.
    pub fn set_page_size(&self, rows: usize) {
        held(&self.state).page = rows.max(1);
    }

    /// How much older than its appearance the stamp of a record is that the director writes, as with long transactions.
    pub fn set_commit_lag(&self, ms: i64) {
        held(&self.state).lag_ms = ms.max(0);
    }

    /// Requests allowed per day.
    pub fn set_daily_limit(&self, requests: u64) {
        held(&self.state).daily = requests;
    }
}

/// The id of a record by id, director's key, or external id.
fn known(state: &State, object: &str, key: &str) -> Option<String> {
    if let Some(record) = state.record(object, key) {
        return Some(record.text("Id"));
    }
    if let Some(id) = state.store.get(&format!("alias:{object}"), key).and_then(Json::scalar) {
        return Some(id);
    }
    let mut keys = state.object(object).ok()?.fields.iter().filter(|field| field.external);
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

    fn expire_tokens(&self) {
        let mut state = held(&self.state);
        state.expire();
        if let Err(error) = state.store.commit() {
            tracing::error!(%error, "tokens");
        }
    }
}
