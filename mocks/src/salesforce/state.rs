//! Records of the simulated org: values, keys, writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::schema::{self, Field, Object};
use crate::call::Reply;
use crate::clock::SimClock;
use crate::json::{Json, list, obj};
use crate::store::Store;

/// A refusal in the vendor's words.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
}

pub(crate) fn refuse<T>(status: u16, code: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { status, code, message: message.into(), fields: Vec::new() })
}

impl Refusal {
    fn of(mut self, field: &str) -> Refusal {
        self.fields.push(field.to_string());
        self
    }

    pub(crate) fn names(&self) -> Json {
        Json::List(self.fields.iter().map(Json::from).collect())
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut error = obj! {"message" => &self.message, "errorCode" => self.code};
        if !self.fields.is_empty() || self.code.starts_with("REQUIRED") {
            error.set("fields", self.names());
        }
        Reply::json(self.status, &list![error])
    }
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clock: SimClock,
    pub(crate) schema: BTreeMap<String, Object>,
    pub(crate) base: String,
    pub(crate) page: usize,
    pub(crate) usage: u64,
    pub(crate) daily: u64,
    pub(crate) public_keys: Vec<String>,
    /// How much older than its appearance the stamp of a record is that the director writes.
    pub(crate) lag_ms: i64,
}

/// `2026-05-01T07:25:37.000+0000`: whole seconds, no colon in the offset.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
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

/// 15 characters are the id, three more its checksum; ours never need another one than `AAA`.
pub(crate) fn full_id(id: &str) -> String {
    if id.len() == 15 { format!("{id}AAA") } else { id.to_string() }
}

fn collection(object: &str) -> String {
    format!("rec:{object}")
}

fn index(object: &str, field: &str) -> String {
    format!("ix:{object}:{field}")
}

impl State {
    pub(crate) fn object(&self, name: &str) -> Result<&Object, Refusal> {
        match self.schema.values().find(|object| object.name.eq_ignore_ascii_case(name)) {
            Some(object) => Ok(object),
            None => refuse(404, "NOT_FOUND", "The requested resource does not exist"),
        }
    }

    /// Declares a field, and its object where that is new.
    pub(crate) fn define(&mut self, object: &str, spec: &str) {
        let prefix = format!("a{:02}", self.schema.len() + 10);
        let object =
            self.schema.entry(object.to_string()).or_insert_with(|| schema::standard(object, &prefix, "Name:string"));
        let field = schema::parse_field(spec);
        object.fields.retain(|old| old.name != field.name);
        object.fields.push(field);
    }

    pub(crate) fn record(&self, object: &str, id: &str) -> Option<&Json> {
        self.store.get(&collection(object), &full_id(id))
    }

    pub(crate) fn records<'a>(
        &'a self,
        object: &str,
    ) -> impl DoubleEndedIterator<Item = (&'a str, &'a Json)> + use<'a> {
        self.store.all(&collection(object))
    }

    /// Ids of the living records whose external id field has this value; case does not matter.
    pub(crate) fn find(&self, object: &str, field: &str, value: &str) -> Vec<String> {
        if field == "Id" {
            let living =
                self.record(object, value).is_some_and(|record| !record.get("IsDeleted").is_some_and(Json::is_true));
            return if living { vec![full_id(value)] } else { Vec::new() };
        }
        let found = self.store.get(&index(object, field), &value.to_lowercase());
        found.map(Json::items).unwrap_or_default().iter().filter_map(Json::scalar).collect()
    }

    fn reindex(&mut self, object: &Object, id: &str, old: Option<&Json>, new: Option<&Json>) {
        for field in object.fields.iter().filter(|field| field.external || field.unique) {
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
            let Some(field) = object.field(name) else {
                let message = format!("No such column '{name}' on sobject of type {}", object.name);
                return Err(Refusal { status: 400, code: "INVALID_FIELD", message, fields: vec![name.clone()] });
            };
            if field.read_only && !director {
                let message = format!(
                    "Unable to create/update fields: {name}. Please check the security settings of this field and verify that \
                     it is read/write for your profile or permission set."
                );
                let refusal =
                    Refusal { status: 400, code: "INVALID_FIELD_FOR_INSERT_UPDATE", message, fields: Vec::new() };
                return Err(refusal.of(name));
            }
            record.set(&field.name, self.value(field, value)?);
        }
        Ok(())
    }

    fn value(&self, field: &Field, value: &Json) -> Result<Json, Refusal> {
        let wrong = || {
            let message = format!("Cannot deserialize instance of {} from VALUE_STRING value {value}", field.kind);
            Refusal { status: 400, code: "JSON_PARSER_ERROR", message, fields: vec![field.name.clone()] }
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
            "reference" => {
                let id = full_id(&value.scalar().unwrap_or_default());
                let known =
                    field.relation.as_ref().is_none_or(|(_, to)| to == "User" || self.record(to, &id).is_some());
                if id.len() != 18 || !known {
                    let message = format!("{}: id value of incorrect type: {id}", field.name);
                    return Err(Refusal {
                        status: 400,
                        code: "MALFORMED_ID",
                        message,
                        fields: vec![field.name.clone()],
                    });
                }
                Ok(Json::from(id))
            }
            kind => {
                let text = value.scalar().ok_or_else(wrong)?;
                if kind != "textarea" && text.chars().count() > 255 {
                    let message = format!("{}: data value too large: {text} (max length=255)", field.name);
                    return Err(Refusal {
                        status: 400,
                        code: "STRING_TOO_LONG",
                        message,
                        fields: vec![field.name.clone()],
                    });
                }
                Ok(Json::from(text))
            }
        }
    }

    fn check(&self, object: &Object, id: &str, record: &Json) -> Result<(), Refusal> {
        let missing = |field: &&Field| field.required && record.get(&field.name).is_none_or(Json::is_null);
        let missing: Vec<String> = object.fields.iter().filter(missing).map(|field| field.name.clone()).collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(Refusal { status: 400, code: "REQUIRED_FIELD_MISSING", message, fields: missing });
        }
        for field in object.fields.iter().filter(|field| field.unique) {
            let value = record.text(&field.name);
            let holder = self.find(&object.name, &field.name, &value).into_iter().find(|holder| holder != id);
            if let (false, Some(holder)) = (value.is_empty(), holder) {
                let message =
                    format!("duplicate value found: {} duplicates value on record with id: {holder}", field.name);
                return Err(Refusal { status: 400, code: "DUPLICATE_VALUE", message, fields: Vec::new() });
            }
        }
        Ok(())
    }

    /// The stamp of a change: taken before its transaction commits, so it may be older than what is visible already.
    fn moment(&self, director: bool) -> String {
        let lag = if director { self.lag_ms } else { 0 };
        stamp(self.clock.now() - jiff::SignedDuration::from_millis(lag))
    }

    /// Creates a record and gives its id.
    pub(crate) fn create(&mut self, object: &str, fields: &Json, director: bool) -> Result<String, Refusal> {
        let object = self.object(object)?.clone();
        let mut record = Json::object();
        for field in &object.fields {
            record.set(&field.name, if field.kind == "boolean" { Json::Bool(false) } else { Json::Null });
        }
        let now = self.moment(director);
        let wanted = if director { fields.text("Id") } else { String::new() };
        let id = if wanted.is_empty() {
            format!("{}{:012}AAA", object.prefix, self.store.next(&object.name, 1))
        } else {
            full_id(&wanted)
        };
        record.set("Id", &id);
        for name in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            record.set(name, &now);
        }
        for name in ["OwnerId", "CreatedById", "LastModifiedById"] {
            record.set(name, "005000000000001AAA");
        }
        record.set("CurrencyIsoCode", "USD");
        self.fill(&object, &mut record, fields, director)?;
        derive(&object, &mut record, None, fields, &now);
        if !director {
            self.check(&object, &id, &record)?;
        }
        self.reindex(&object, &id, None, Some(&record));
        self.store.put(&collection(&object.name), &id, record);
        self.notice(&object.name, &id);
        Ok(id)
    }

    /// Changes a living record.
    pub(crate) fn update(&mut self, object: &str, id: &str, fields: &Json, director: bool) -> Result<(), Refusal> {
        let object = self.object(object)?.clone();
        let id = full_id(id);
        let Some(old) = self.record(&object.name, &id).cloned() else {
            return refuse(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible");
        };
        if old.get("IsDeleted").is_some_and(Json::is_true) && !director {
            return refuse(404, "ENTITY_IS_DELETED", "entity is deleted");
        }
        let mut record = old.clone();
        let now = self.moment(director);
        record.set("LastModifiedDate", &now);
        record.set("SystemModstamp", &now);
        self.fill(&object, &mut record, fields, director)?;
        derive(&object, &mut record, Some(&old), fields, &now);
        if !director {
            self.check(&object, &id, &record)?;
        }
        self.reindex(&object, &id, Some(&old), Some(&record));
        self.store.put(&collection(&object.name), &id, record);
        self.notice(&object.name, &id);
        Ok(())
    }

    /// Puts a record into the recycle bin.
    pub(crate) fn delete(&mut self, object: &str, id: &str) -> Result<(), Refusal> {
        let object = self.object(object)?.clone();
        let id = full_id(id);
        let Some(old) = self.record(&object.name, &id).cloned() else {
            return refuse(404, "NOT_FOUND", "The requested resource does not exist");
        };
        if old.get("IsDeleted").is_some_and(Json::is_true) {
            return refuse(404, "ENTITY_IS_DELETED", "entity is deleted");
        }
        self.reindex(&object, &id, Some(&old), None);
        let now = stamp(self.clock.now());
        let record = old.with("IsDeleted", true).with("SystemModstamp", &now).with("LastModifiedDate", &now);
        self.store.put(&collection(&object.name), &id, record);
        self.notice(&object.name, &id);
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

/// Stage and amount decide what the vendor computes, unless the director wrote it himself.
fn derive(object: &Object, record: &mut Json, old: Option<&Json>, fields: &Json, now: &str) {
    if object.name != "Opportunity" {
        return;
    }
    let stage = record.text("StageName");
    if old.is_none_or(|old| old.text("StageName") != stage) {
        record.set("LastStageChangeDate", now);
        if !fields.has("IsWon") {
            record.set("IsWon", stage == "Closed Won");
        }
        if !fields.has("IsClosed") {
            record.set("IsClosed", stage.starts_with("Closed"));
        }
    }
    if record.get("IsWon").is_some_and(Json::is_true) {
        record.set("IsClosed", true);
    }
}
