//! Records of the simulated org: values, keys, writes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::lots::Lot;
use super::schema::{self, Field, Object};
use super::select::Cursor;
use super::settings::OrgSettings;
use crate::call::Reply;
use crate::clock::SimClock;
use crate::json::{Json, list, obj};
use crate::properties::Kept;
use crate::store::Store;

/// A refusal in the vendor's words.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
    /// Further members of the error.
    pub(crate) extra: Option<Box<(&'static str, Json)>>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Refusal {
        Refusal { status, code: code.to_string(), message: message.into(), fields: Vec::new(), extra: None }
    }

    pub(crate) fn of(mut self, field: &str) -> Refusal {
        self.fields.push(field.to_string());
        self
    }

    pub(crate) fn names(&self) -> Json {
        Json::List(self.fields.iter().map(Json::from).collect())
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut error = obj! {"message" => &self.message, "errorCode" => &self.code};
        if !self.fields.is_empty() || self.code.starts_with("REQUIRED") {
            error.set("fields", self.names());
        }
        if let Some(extra) = &self.extra {
            error.set(extra.0, &extra.1);
        }
        Reply::json(self.status, &list![error])
    }
}

pub(crate) fn refuse<T>(status: u16, code: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(status, code, message))
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) schema: BTreeMap<String, Object>,
    /// Which fields clients have named.
    pub(crate) tables: Kept,
    /// When the schema changed last.
    pub(crate) described: Timestamp,
    pub(crate) base: String,
    pub(crate) settings: OrgSettings,
    /// Requests by hour.
    pub(crate) usage: BTreeMap<i64, u64>,
    pub(crate) public_keys: Vec<String>,
    pub(crate) cursors: BTreeMap<String, Cursor>,
    pub(crate) lots: Vec<Lot>,
    /// The call at hand may create what a duplicate rule finds.
    pub(crate) duplicates_allowed: bool,
}

/// `2026-05-01T07:25:37.000+0000`: whole seconds, no colon in the offset.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// Epoch seconds of a record's stamp, by which records stand in order.
pub(crate) fn stamped(record: &Json) -> i64 {
    let stamp = record.get("SystemModstamp").and_then(Json::as_str);
    stamp.and_then(|text| text.parse::<Timestamp>().ok()).map_or(i64::MIN, Timestamp::as_second)
}

/// A double as Java prints it: `250000.0`, and `1.2345678E7` from eight integer digits on.
pub(crate) fn double(value: Decimal) -> String {
    let value = value.normalize();
    let size = value.abs();
    if !size.is_zero() && (size >= Decimal::from(10_000_000) || size < Decimal::new(1, 3)) {
        let digits = size.mantissa().to_string();
        let exponent = i64::try_from(digits.len()).unwrap_or_default() - 1 - i64::from(size.scale());
        let (first, rest) = digits.split_at(1);
        let rest = rest.trim_end_matches('0');
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest });
    }
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// An id with the three characters that make it safe where case is lost.
pub(crate) fn full_id(id: &str) -> String {
    if id.len() != 15 || !id.is_ascii() {
        return id.to_string();
    }
    const SIGNS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let mut full = id.to_string();
    for part in id.as_bytes().chunks(5) {
        let upper = part.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
        let bits = upper.fold(0, |bits, (at, _)| bits | 1 << at);
        full.push(char::from(SIGNS[bits & 31]));
    }
    full
}

pub(crate) const USER_ID: &str = "005000000000001AAA";

pub(crate) fn collection(object: &str) -> String {
    format!("rec:{object}")
}

fn index(object: &str, field: &str) -> String {
    format!("ix:{object}:{field}")
}

impl State {
    pub(crate) fn object(&self, name: &str) -> Result<&Object, Refusal> {
        if let Some(object) = self.schema.get(name) {
            return Ok(object);
        }
        match self.schema.values().find(|object| object.name.eq_ignore_ascii_case(name)) {
            Some(object) => Ok(object),
            None => refuse(404, "NOT_FOUND", "The requested resource does not exist"),
        }
    }

    /// Keeps the records of every object in the order of their stamps.
    pub(crate) fn keep_orders(&mut self) {
        for name in self.schema.keys() {
            self.store.keep_order(&collection(name), stamped);
        }
    }

    /// Declares a field, and its object where that is new.
    pub(crate) fn define(&mut self, object: &str, spec: &str) {
        let prefix = format!("a{:02}", self.schema.len() + 10);
        if !self.schema.contains_key(object) {
            self.schema.insert(object.to_string(), schema::standard(object, &prefix, "Name:string"));
            self.store.keep_order(&collection(object), stamped);
        }
        if let Some(object) = self.schema.get_mut(object) {
            object.add(schema::parse_field(spec));
        }
        self.described = self.clock.now();
    }

    pub(crate) fn record(&self, object: &str, id: &str) -> Option<Cow<'_, Json>> {
        self.row(object, id).map(super::lots::Row::whole)
    }

    /// The object of an id, by its first three characters.
    pub(crate) fn object_of(&self, id: &str) -> Option<&Object> {
        self.schema.values().find(|object| id.starts_with(&object.prefix))
    }

    /// Ids of the living records whose external id field has this value; case does not matter.
    pub(crate) fn find(&self, object: &str, field: &str, value: &str) -> Vec<String> {
        if field == "Id" {
            let living = self.row(object, value).is_some_and(|row| !row.is_deleted());
            return if living { vec![full_id(value)] } else { Vec::new() };
        }
        let found = self.store.get(&index(object, field), &value.to_lowercase());
        let mut ids: Vec<String> = found.map(Json::items).unwrap_or_default().iter().filter_map(Json::scalar).collect();
        ids.extend(self.find_made(object, field, value));
        ids
    }

    pub(crate) fn reindex(&mut self, object: &Object, id: &str, old: Option<&Json>, new: Option<&Json>) {
        for field in object.every_field().iter().filter(|field| field.external || field.unique) {
            let key = |record: Option<&Json>| {
                record.map(|record| record.text(&field.name).to_lowercase()).unwrap_or_default()
            };
            let (before, after) = (key(old), key(new));
            if before == after {
                continue;
            }
            let index = index(&object.name, &field.name);
            if !before.is_empty() {
                let mut ids = self.store.get(&index, &before).map(|ids| ids.items().to_vec()).unwrap_or_default();
                ids.retain(|known| known.as_str() != Some(id));
                if ids.is_empty() {
                    self.store.remove(&index, &before);
                } else {
                    self.store.put(&index, &before, ids);
                }
            }
            if !after.is_empty() {
                let mut ids = self.store.get(&index, &after).map(|ids| ids.items().to_vec()).unwrap_or_default();
                ids.push(Json::from(id));
                self.store.put(&index, &after, ids);
            }
        }
    }

    /// Applies `fields` to a record, new or old. The director may also write what the API may not.
    fn fill(&self, object: &Object, record: &mut Json, fields: &Json, director: bool) -> Result<(), Refusal> {
        for (name, value) in fields.members() {
            if name == "attributes" || (director && name == "Id") {
                continue;
            }
            let known = object.field(name).filter(|field| director || self.tables.has(&object.name, &field.name));
            let Some(field) = known else {
                let message = format!("No such column '{name}' on sobject of type {}", object.name);
                return Err(Refusal::new(400, "INVALID_FIELD", message).of(name));
            };
            if field.read_only && !director {
                let message = format!(
                    "Unable to create/update fields: {name}. Please check the security settings of this field and verify that \
                     it is read/write for your profile or permission set."
                );
                return Err(Refusal::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message).of(name));
            }
            if field.formula || field.kind == "base64" {
                continue;
            }
            record.set(&field.name, self.value(object, field, value)?);
        }
        Ok(())
    }

    pub(crate) fn value(&self, object: &Object, field: &Field, value: &Json) -> Result<Json, Refusal> {
        let wrong = || {
            let message = format!("Cannot deserialize instance of {} from VALUE_STRING value {value}", field.kind);
            Refusal::new(400, "JSON_PARSER_ERROR", message).of(&field.name)
        };
        if value.is_null() || (value.as_str() == Some("") && field.kind != "boolean") {
            return Ok(if field.kind == "boolean" { Json::Bool(false) } else { Json::Null });
        }
        match field.kind.as_str() {
            "currency" | "double" | "percent" | "int" => value.number().map(Json::amount).ok_or_else(wrong),
            "boolean" => match value.scalar().unwrap_or_default().as_str() {
                "true" => Ok(Json::Bool(true)),
                "false" => Ok(Json::Bool(false)),
                _ => Err(wrong()),
            },
            "date" => {
                let text = value.scalar().unwrap_or_default();
                text.get(..10).and_then(|day| day.parse::<jiff::civil::Date>().ok()).ok_or_else(wrong)?;
                Ok(Json::from(&text[..10]))
            }
            "datetime" => {
                let time = value.scalar().and_then(|text| text.parse::<Timestamp>().ok()).ok_or_else(wrong)?;
                Ok(Json::from(stamp(time)))
            }
            "reference" | "anyid" => {
                let id = full_id(&value.scalar().unwrap_or_default());
                let to = field.relation.as_ref().map(|way| way.to.clone());
                let to = to.or_else(|| self.object_of(&id).map(|object| object.name.clone())).unwrap_or_default();
                if id.len() != 18 || !(to == "User" || self.row(&to, &id).is_some()) {
                    let message = format!("{}: id value of incorrect type: {id}", field.name);
                    return Err(Refusal::new(400, "MALFORMED_ID", message).of(&field.name));
                }
                Ok(Json::from(id))
            }
            kind => {
                let text = value.scalar().ok_or_else(wrong)?;
                let most = usize::try_from(field.digits.0).unwrap_or_default();
                if most > 0 && text.chars().count() > most {
                    let message = format!("{}: data value too large: {text} (max length={most})", field.name);
                    return Err(Refusal::new(400, "STRING_TOO_LONG", message).of(&field.name));
                }
                let values = schema::picklist(&object.name, &field.name);
                if kind == "picklist" && field.restricted && !values.contains(&text.as_str()) {
                    let message =
                        format!("{}: bad value for restricted picklist field: {text}", field.name.replace("__c", ""));
                    let refusal = Refusal::new(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message);
                    return Err(refusal.of(&field.name));
                }
                Ok(Json::from(text))
            }
        }
    }

    /// The stamp of a change: taken before its transaction commits, so it may be older than what is visible already.
    fn moment(&self, director: bool) -> String {
        let lag = if director { self.settings.commit_lag_ms } else { 0 };
        stamp(self.clock.now() - jiff::SignedDuration::from_millis(lag))
    }

    /// Creates a record and gives its id.
    pub(crate) fn create(&mut self, object: &str, fields: &Json, director: bool) -> Result<String, Refusal> {
        let object = self.object(object)?.clone();
        let mut record = Json::object();
        for field in object.every_field().iter().filter(|field| !field.formula) {
            record.set(&field.name, if field.kind == "boolean" { Json::Bool(false) } else { Json::Null });
        }
        let now = self.moment(director);
        let wanted = if director { fields.text("Id") } else { String::new() };
        let id = if wanted.is_empty() {
            full_id(&format!("{}{:012}", object.prefix, self.store.next(&object.name, 1)))
        } else {
            full_id(&wanted)
        };
        record.set("Id", &id);
        for name in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            record.set(name, &now);
        }
        for name in ["OwnerId", "CreatedById", "LastModifiedById"] {
            record.set(name, USER_ID);
        }
        record.set("CurrencyIsoCode", "USD");
        self.fill(&object, &mut record, fields, director)?;
        self.derive(&object, &mut record, None, fields, &now);
        if !director {
            self.check(&object, &id, None, &record)?;
            self.look_for_duplicates(&object, &record)?;
        }
        self.reindex(&object, &id, None, Some(&record));
        self.store.put(&collection(&object.name), &id, record.clone());
        self.follow_up(&object.name, &id, fields, director)?;
        self.roll_up(&object.name, &record);
        self.notice(&object.name, &id);
        Ok(id)
    }

    /// Changes a living record.
    pub(crate) fn update(&mut self, object: &str, id: &str, fields: &Json, director: bool) -> Result<(), Refusal> {
        let object = self.object(object)?.clone();
        let id = full_id(id);
        let Some(old) = self.record(&object.name, &id).map(Cow::into_owned) else {
            return refuse(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible");
        };
        if old.get("IsDeleted").is_some_and(Json::is_true) && !director {
            return refuse(404, "ENTITY_IS_DELETED", "entity is deleted");
        }
        let mut fields = fields.clone();
        if object.name == "Opportunity" && old.get("HasOpportunityLineItem").is_some_and(Json::is_true) {
            // the amount is the sum of the products; writes to it are ignored without an error
            fields.remove("Amount");
        }
        let mut record = old.clone();
        let now = self.moment(director);
        record.set("LastModifiedDate", &now);
        record.set("SystemModstamp", &now);
        self.fill(&object, &mut record, &fields, director)?;
        self.derive(&object, &mut record, Some(&old), &fields, &now);
        if !director {
            self.check(&object, &id, Some(&old), &record)?;
        }
        self.replace(&object, &id, &old, record.clone());
        self.track(&object.name, &id, &old, &record)?;
        self.roll_up(&object.name, &record);
        self.notice(&object.name, &id);
        Ok(())
    }

    fn replace(&mut self, object: &Object, id: &str, old: &Json, record: Json) {
        // a record of a lot stands in no index before it is kept
        let known = self.store.get(&collection(&object.name), id).is_some();
        let living = !record.get("IsDeleted").is_some_and(Json::is_true);
        let lived = known && !old.get("IsDeleted").is_some_and(Json::is_true);
        self.reindex(object, id, lived.then_some(old), living.then_some(&record));
        self.store.put(&collection(&object.name), id, record);
    }

    /// Puts a record into the recycle bin, or takes it out again.
    pub(crate) fn bin(&mut self, object: &str, id: &str, deleted: bool) -> Result<(), Refusal> {
        let object = self.object(object)?.clone();
        let id = full_id(id);
        let Some(old) = self.record(&object.name, &id).map(Cow::into_owned) else {
            return refuse(404, "NOT_FOUND", "The requested resource does not exist");
        };
        if old.get("IsDeleted").is_some_and(Json::is_true) == deleted {
            return refuse(404, "ENTITY_IS_DELETED", "entity is deleted");
        }
        let now = stamp(self.clock.now());
        let record = old.clone().with("IsDeleted", deleted).with("SystemModstamp", &now).with("LastModifiedDate", &now);
        self.replace(&object, &id, &old, record.clone());
        self.roll_up(&object.name, &record);
        self.notice(&object.name, &id);
        Ok(())
    }

    /// Takes a record out for good: no query finds it any more.
    pub(crate) fn purge(&mut self, object: &str, id: &str) -> Result<(), Refusal> {
        let object = self.object(object)?.clone();
        let id = full_id(id);
        let Some(old) = self.record(&object.name, &id).map(Cow::into_owned) else {
            return refuse(404, "NOT_FOUND", "The requested resource does not exist");
        };
        self.replace(&object, &id, &old, Json::object().with("IsDeleted", true));
        Ok(())
    }

    /// A stored value as REST writes it.
    pub(crate) fn show(&self, field: &Field, value: &Json) -> Json {
        match (field.kind.as_str(), value) {
            ("currency" | "double" | "percent", value) => {
                value.number().map_or(Json::Null, |n| Json::Number(double(n)))
            }
            (_, value) => value.clone(),
        }
    }
}
