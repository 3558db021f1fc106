//! Several records or several calls in one request.

use super::state::{Refusal, State, refuse};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

type Answer = Result<Reply, Refusal>;

fn failed(refusal: &Refusal) -> Json {
    let error = obj! {"statusCode" => refusal.code, "message" => &refusal.message, "fields" => refusal.names()};
    obj! {"success" => false, "errors" => list![error]}
}

impl State {
    pub(crate) fn composite(&mut self, call: &Call, version: &str, rest: &[&str]) -> Answer {
        let body = call.json().or_else(|message| refuse(400, "JSON_PARSER_ERROR", message))?;
        match (call.method.as_str(), rest) {
            ("POST", []) => self.several_calls(call, &body),
            ("POST", ["batch"]) => self.batch(call, &body),
            ("POST" | "PATCH", ["sobjects"]) => self.collection(&call.method, &body, None),
            ("PATCH", ["sobjects", object, field]) => self.collection("UPSERT", &body, Some((object, field))),
            ("POST", ["sobjects", object]) => self.retrieve(&body, object, version),
            ("DELETE", ["sobjects"]) => self.delete_many(call),
            _ => refuse(404, "NOT_FOUND", "The requested resource does not exist"),
        }
    }

    fn collection(&mut self, method: &str, body: &Json, key: Option<(&str, &str)>) -> Answer {
        let records = body.list("records");
        if records.len() > 200 {
            return refuse(
                400,
                "EXCEEDED_ID_LIMIT",
                "record limit reached. cannot submit more than 200 records in this call",
            );
        }
        let together = body.get("allOrNone").is_some_and(Json::is_true);
        let mark = self.store.mark();
        let mut results = Vec::new();
        let mut broken = false;
        for record in records {
            let step = self.store.mark();
            let result = self.one(method, record, key);
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
            let rolled = Refusal {
                status: 400,
                code: "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                message:
                    "Record rolled back because not all records were valid and the request was using AllOrNone header"
                        .to_string(),
                fields: Vec::new(),
            };
            for result in &mut results {
                if result.get("success").is_some_and(Json::is_true) {
                    *result = failed(&rolled);
                }
            }
        }
        Ok(Reply::json(200, &Json::List(results)))
    }

    fn one(&mut self, method: &str, record: &Json, key: Option<(&str, &str)>) -> Result<Json, Refusal> {
        let first = record.members().first().map(|(name, _)| name.as_str());
        let kind = record.text("attributes.type");
        if first != Some("attributes") || kind.is_empty() {
            let message = "sObject Collections: a record must have an attributes field before any other fields";
            return refuse(400, "JSON_PARSER_ERROR", message);
        }
        let done = |id: &str| obj! {"id" => id, "success" => true, "errors" => list![]};
        match (method, key) {
            ("UPSERT", Some((object, field))) => {
                if !kind.eq_ignore_ascii_case(object) {
                    return refuse(400, "INVALID_TYPE", format!("{kind} is not {object}"));
                }
                let known = self.object(object)?.field(field).filter(|field| field.external || field.kind == "id");
                let Some(field) = known.map(|field| field.name.clone()) else {
                    return refuse(
                        404,
                        "NOT_FOUND",
                        format!("Provided external ID field does not exist or is not accessible: {field}"),
                    );
                };
                let (id, created) = self.upsert(object, (&field, &record.text(&field)), record.clone(), false)?;
                Ok(done(&id).with("created", created))
            }
            ("PATCH", _) => {
                let mut fields = record.clone();
                let id =
                    fields.remove("Id").or_else(|| fields.remove("id")).and_then(|id| id.scalar()).unwrap_or_default();
                if self.record(&kind, &id).is_none() {
                    return refuse(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id");
                }
                self.update(&kind, &id, &fields, false)?;
                Ok(done(&id))
            }
            _ => {
                let id = self.create(&kind, record, false)?;
                Ok(done(&id))
            }
        }
    }

    fn retrieve(&mut self, body: &Json, object: &str, version: &str) -> Answer {
        let fields: Vec<String> = body.list("fields").iter().filter_map(Json::scalar).collect();
        let select = self.parse(&format!("SELECT {} FROM {object}", fields.join(",")))?;
        let ids = body.list("ids").iter().filter_map(Json::scalar);
        let rows = ids.map(|id| self.row(&select, &super::state::full_id(&id), version)).collect();
        Ok(Reply::json(200, &Json::List(rows)))
    }

    fn delete_many(&mut self, call: &Call) -> Answer {
        let mut results = Vec::new();
        for id in call.param("ids").unwrap_or_default().split(',').filter(|id| !id.is_empty()) {
            let object =
                self.schema.values().find(|object| id.starts_with(&object.prefix)).map(|object| object.name.clone());
            let gone = self.delete(&object.unwrap_or_default(), id);
            results.push(match gone {
                Ok(()) => obj! {"id" => id, "success" => true, "errors" => list![]},
                Err(refusal) => failed(&refusal),
            });
        }
        Ok(Reply::json(200, &Json::List(results)))
    }

    fn inner(&mut self, call: &Call, method: &str, url: &str, body: Option<&Json>, headers: Option<&Json>) -> Reply {
        let mut all = call.headers.clone();
        all.retain(|(name, _)| name != "if-modified-since");
        for (name, value) in headers.map_or(&[][..], Json::members) {
            all.push((name.to_lowercase(), value.scalar().unwrap_or_default()));
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let inner = Call { trusted: true, ..Call::new(method, url, all, body) };
        let mark = self.store.mark();
        let reply = self.route(&inner);
        // a composite counts once
        self.usage -= 1;
        if reply.status >= 400 {
            self.store.rollback(mark);
        }
        reply
    }

    fn several_calls(&mut self, call: &Call, body: &Json) -> Answer {
        let requests = body.list("compositeRequest");
        if requests.len() > 25 {
            return refuse(400, "PROCESSING_HALTED", "The number of subrequests exceeds the limit of 25");
        }
        let together = body.get("allOrNone").is_some_and(Json::is_true);
        let mark = self.store.mark();
        let mut known: Vec<(String, Json)> = Vec::new();
        let mut answers: Vec<Json> = Vec::new();
        let mut broken = false;
        for request in requests {
            let text = resolve(&request.to_string(), &known);
            let request = Json::parse(&text).or_else(|error| refuse(400, "JSON_PARSER_ERROR", error.to_string()))?;
            let reference = request.text("referenceId");
            if broken && together {
                answers.push(halted(&reference));
                continue;
            }
            let reply = self.inner(
                call,
                &request.text("method"),
                &request.text("url"),
                request.get("body"),
                request.get("httpHeaders"),
            );
            broken |= reply.status >= 300;
            let headers = reply.headers.iter().filter(|(name, _)| name == "location" || name == "last-modified");
            let headers = headers.map(|(name, value)| {
                (if name == "location" { "Location".into() } else { name.clone() }, Json::from(value))
            });
            let shown = reply.as_json();
            known.push((reference.clone(), shown.clone()));
            answers.push(obj! {
                "body" => shown, "httpHeaders" => Json::Object(headers.collect()), "httpStatusCode" => reply.status,
                "referenceId" => reference,
            });
        }
        if together && broken {
            self.store.rollback(mark);
            for answer in &mut answers {
                if answer.int("httpStatusCode") < 300 {
                    *answer = halted(&answer.text("referenceId"));
                }
            }
        }
        Ok(Reply::json(200, &obj! {"compositeResponse" => Json::List(answers)}))
    }

    fn batch(&mut self, call: &Call, body: &Json) -> Answer {
        let mut results = Vec::new();
        for request in body.list("batchRequests") {
            let url = format!("/services/data/{}", request.text("url").trim_start_matches('/'));
            let reply = self.inner(call, &request.text("method"), &url, request.get("richInput"), None);
            results.push(obj! {"statusCode" => reply.status, "result" => reply.as_json()});
        }
        let wrong = results.iter().any(|result| result.int("statusCode") >= 400);
        Ok(Reply::json(200, &obj! {"hasErrors" => wrong, "results" => Json::List(results)}))
    }
}

fn halted(reference: &str) -> Json {
    let message = "The transaction was rolled back since another operation in the same transaction failed.";
    obj! {
        "body" => list![obj! {"errorCode" => "PROCESSING_HALTED", "message" => message}], "httpHeaders" => Json::object(),
        "httpStatusCode" => 400, "referenceId" => reference,
    }
}

/// Puts the values of `@{reference.field}` in.
fn resolve(text: &str, known: &[(String, Json)]) -> String {
    let mut out = text.to_string();
    while let Some(start) = out.find("@{") {
        let Some(length) = out[start..].find('}') else { break };
        let inside = out[start + 2..start + length].to_string();
        let (reference, path) = inside.split_once('.').unwrap_or((&inside, ""));
        let value =
            known.iter().find(|(name, _)| name == reference).map(|(_, body)| body.text(path)).unwrap_or_default();
        out.replace_range(start..=start + length, &value);
    }
    out
}
