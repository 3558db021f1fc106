//! Several records in one request: collections and trees.

use std::collections::BTreeSet;

use super::http::{Answer, missing};
use super::state::{Refusal, State, full_id, refuse};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

pub(crate) fn failed(refusal: &Refusal) -> Json {
    let mut error = obj! {"statusCode" => &refusal.code, "message" => &refusal.message, "fields" => refusal.names()};
    if let Some(extra) = &refusal.extra {
        error.set(extra.0, &extra.1);
    }
    obj! {"success" => false, "errors" => list![error]}
}

fn done(id: &str) -> Json {
    obj! {"id" => id, "success" => true, "errors" => list![]}
}

/// Undoes what went well where all or nothing was asked for.
fn rolled_back(results: &mut [Json]) {
    let message = "Record rolled back because not all records were valid and the request was using AllOrNone header";
    let refusal = Refusal::new(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", message);
    for result in results.iter_mut().filter(|result| result.get("success").is_some_and(Json::is_true)) {
        *result = failed(&refusal);
    }
}

fn too_many<T>() -> Result<T, Refusal> {
    let message = "record limit reached. cannot submit more than 200 records in this call";
    refuse(400, "EXCEEDED_ID_LIMIT", message)
}

impl State {
    /// Creates, updates or upserts up to two hundred records; each has an answer of its own.
    pub(crate) fn collection(&mut self, method: &str, body: &Json, key: Option<(&str, &str)>) -> Answer {
        let records = body.list("records");
        if records.len() > 200 {
            return too_many();
        }
        let mut chunks = 0;
        let mut last = String::new();
        for kind in records.iter().map(|record| record.text("attributes.type")) {
            chunks += usize::from(kind != last);
            last = kind;
        }
        if chunks > 10 {
            let message = format!("Cannot have more than 10 chunks in a single operation. Found {chunks}.");
            return refuse(400, "INVALID_INPUT", message);
        }
        let together = body.get("allOrNone").is_some_and(Json::is_true);
        let mark = self.store.mark();
        let (mut results, mut broken, mut seen) = (Vec::new(), false, BTreeSet::new());
        for record in records {
            let step = self.store.mark();
            let value = key.map(|(_, field)| record.text(field).to_lowercase()).filter(|value| !value.is_empty());
            let result = match value {
                Some(value) if !seen.insert(value.clone()) => {
                    refuse(400, "DUPLICATE_EXTERNAL_ID", format!("Duplicate external id specified: {value}"))
                }
                _ => self.one(method, record, key),
            };
            match result {
                Ok(result) => results.push(result),
                Err(refusal) => {
                    self.store.rollback(step);
                    broken = true;
                    results.push(failed(&refusal));
                }
            }
        }
        if together && broken {
            self.store.rollback(mark);
            rolled_back(&mut results);
        }
        Ok(Reply::json(200, &Json::List(results)))
    }

    fn one(&mut self, method: &str, record: &Json, key: Option<(&str, &str)>) -> Result<Json, Refusal> {
        let names: Vec<&str> = record.members().iter().take(2).map(|(name, _)| name.as_str()).collect();
        let kind = record.text("attributes.type");
        // one published client puts the id of an update in front, and nobody complains
        let placed = names.first() == Some(&"attributes") || (method == "PATCH" && names == ["id", "attributes"]);
        if !placed || kind.is_empty() {
            let message = "sObject Collections: a record must have an attributes field before any other fields";
            return refuse(400, "JSON_PARSER_ERROR", message);
        }
        if self.object(&kind).is_err() {
            return refuse(400, "INVALID_TYPE", format!("sObject type '{kind}' is not supported."));
        }
        match (method, key) {
            ("UPSERT", Some((object, field))) => {
                if !kind.eq_ignore_ascii_case(object) {
                    return refuse(400, "INVALID_TYPE", format!("{kind} is not {object}"));
                }
                let known = self.object(object)?.field(field).filter(|field| field.external || field.kind == "id");
                let known = known.filter(|field| self.tables.has(object, &field.name));
                let Some(field) = known.map(|field| field.name.clone()) else {
                    let message = format!("Provided external ID field does not exist or is not accessible: {field}");
                    return refuse(404, "NOT_FOUND", message);
                };
                let (id, created) = self.upsert(object, (&field, &record.text(&field)), record.clone(), false)?;
                Ok(done(&id).with("created", created))
            }
            ("PATCH", _) => {
                let mut fields = record.clone();
                let id = fields.remove("Id").or_else(|| fields.remove("id")).and_then(|id| id.scalar());
                let id = id.unwrap_or_default();
                if self.row(&kind, &id).is_none() {
                    return refuse(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id");
                }
                self.update(&kind, &id, &fields, false)?;
                Ok(done(&full_id(&id)))
            }
            _ => self.create(&kind, record, false).map(|id| done(&id)),
        }
    }

    /// Records by id; those that are not there are null.
    pub(crate) fn retrieve(&self, ids: &[String], fields: &[String], object: &str, version: &str) -> Answer {
        if ids.len() > 2000 {
            return refuse(400, "EXCEEDED_ID_LIMIT", "too many ids");
        }
        let Ok(object) = self.object(object) else { return missing() };
        let rows = ids.iter().map(|id| match self.row(&object.name, id).filter(|row| !row.is_deleted()) {
            Some(row) => self.whole(object, row, version, Some(&fields.join(","))),
            None => Ok(Json::Null),
        });
        Ok(Reply::json(200, &Json::List(rows.collect::<Result<_, _>>()?)))
    }

    pub(crate) fn delete_many(&mut self, call: &Call) -> Answer {
        let ids: Vec<&str> = call.param("ids").unwrap_or_default().split(',').filter(|id| !id.is_empty()).collect();
        if ids.len() > 200 {
            return too_many();
        }
        let mark = self.store.mark();
        let mut results = Vec::new();
        for id in ids {
            let object = self.object_of(id).map(|object| object.name.clone()).unwrap_or_default();
            results.push(match self.bin(&object, id, true) {
                Ok(()) => done(&full_id(id)),
                Err(refusal) => failed(&refusal),
            });
        }
        let broken = results.iter().any(|result| !result.get("success").is_some_and(Json::is_true));
        if broken && call.param("allOrNone") == Some("true") {
            self.store.rollback(mark);
            rolled_back(&mut results);
        }
        Ok(Reply::json(200, &Json::List(results)))
    }

    /// Parents with their children inside, all or nothing.
    pub(crate) fn tree(&mut self, object: &str, body: &Json) -> Answer {
        let mark = self.store.mark();
        let (mut made, mut wrong) = (Vec::new(), Vec::new());
        for record in body.list("records") {
            self.plant(object, record, None, &mut made, &mut wrong)?;
        }
        if made.len() + wrong.len() > 200 {
            self.store.rollback(mark);
            return too_many();
        }
        if wrong.is_empty() {
            return Ok(Reply::json(201, &obj! {"hasErrors" => false, "results" => made}));
        }
        self.store.rollback(mark);
        Ok(Reply::json(400, &obj! {"hasErrors" => true, "results" => wrong}))
    }

    fn plant(
        &mut self,
        object: &str,
        record: &Json,
        parent: Option<(&str, &str)>,
        made: &mut Vec<Json>,
        wrong: &mut Vec<Json>,
    ) -> Result<(), Refusal> {
        let reference = record.text("attributes.referenceId");
        let mut fields = record.clone();
        let nested: Vec<(String, Json)> =
            record.members().iter().filter(|(_, value)| value.has("records")).cloned().collect();
        nested.iter().for_each(|(name, _)| drop(fields.remove(name)));
        if let Some((field, id)) = parent {
            fields.set(field, id);
        }
        match self.create(object, &fields, false) {
            Ok(id) => {
                made.push(obj! {"referenceId" => reference, "id" => &id});
                let meta = self.object(object)?.clone();
                for (name, children) in nested {
                    let (child, up) = self.children(&meta, &name)?;
                    let (child, up) = (child.name.clone(), up.name.clone());
                    for record in children.list("records") {
                        self.plant(&child, record, Some((&up, &id)), made, wrong)?;
                    }
                }
            }
            Err(refusal) => {
                let errors = failed(&refusal).get("errors").cloned().unwrap_or_default();
                wrong.push(obj! {"referenceId" => reference, "errors" => errors});
            }
        }
        Ok(())
    }
}
