//! Several calls in one request: composite, batch, graph.

use super::http::{Answer, missing};
use super::state::{State, refuse};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

impl State {
    pub(crate) fn composite(&mut self, call: &Call, version: &str, rest: &[&str]) -> Answer {
        let body = call.json().or_else(|message| refuse(400, "JSON_PARSER_ERROR", message))?;
        let texts = |name: &str| body.list(name).iter().filter_map(Json::scalar).collect::<Vec<_>>();
        let split =
            |name: &str| call.param(name).unwrap_or_default().split(',').map(str::to_string).collect::<Vec<_>>();
        match (call.method.as_str(), rest) {
            ("POST", []) => self.several_calls(call, &body),
            ("POST", ["batch"]) => self.batch(call, &body),
            ("POST", ["graph"]) => self.graphs(call, &body),
            ("POST", ["tree", object]) => self.tree(object, &body),
            ("POST" | "PATCH", ["sobjects"]) => self.collection(&call.method, &body, None),
            ("PATCH", ["sobjects", object, field]) => self.collection("UPSERT", &body, Some((object, field))),
            ("POST", ["sobjects", object]) => self.retrieve(&texts("ids"), &texts("fields"), object, version),
            ("GET", ["sobjects", object]) => self.retrieve(&split("ids"), &split("fields"), object, version),
            ("DELETE", ["sobjects"]) => self.delete_many(call),
            _ => missing(),
        }
    }

    fn inner(&mut self, call: &Call, request: &Json, url: &str, body: Option<&Json>) -> Reply {
        let mut all = call.headers.clone();
        all.retain(|(name, _)| !name.starts_with("if-") && name != "content-length");
        for (name, value) in request.get("httpHeaders").map_or(&[][..], Json::members) {
            all.push((name.to_lowercase(), value.scalar().unwrap_or_default()));
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let inner = Call { trusted: true, ..Call::new(&request.text("method"), url, all, body) };
        let mark = self.store.mark();
        let reply = self.route(&inner);
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
        let heavy = |request: &&Json| {
            let url = request.text("url");
            ["/query", "/queryAll", "/composite/sobjects"].iter().any(|part| url.contains(part))
        };
        if requests.iter().filter(heavy).count() > 5 {
            let message = "The number of query and sObject collection subrequests exceeds the limit of 5";
            return refuse(400, "PROCESSING_HALTED", message);
        }
        let together = body.get("allOrNone").is_some_and(Json::is_true);
        let (answers, _) = self.chain(call, requests, together)?;
        Ok(Reply::json(200, &obj! {"compositeResponse" => Json::List(answers)}))
    }

    /// Calls that may refer to the answers of earlier ones. Gives the answers, and whether all went well.
    fn chain(
        &mut self,
        call: &Call,
        requests: &[Json],
        together: bool,
    ) -> Result<(Vec<Json>, bool), super::state::Refusal> {
        let mark = self.store.mark();
        let mut known: Vec<(String, Json)> = Vec::new();
        let mut answers: Vec<Json> = Vec::new();
        let mut broken = false;
        for request in requests {
            let reference = request.text("referenceId");
            let legal = reference.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if reference.is_empty() || !legal || known.iter().any(|(name, _)| *name == reference) {
                let message = format!(
                    "Provided referenceId ('{reference}') must start with a letter or a number, be unique, \
                                       and contain only letters, numbers and underscores ('_')."
                );
                return refuse(400, "JSON_PARSER_ERROR", message);
            }
            if broken && together {
                answers.push(halted(&reference));
                continue;
            }
            let answer = match resolve(&request.to_string(), &known) {
                Ok(text) => {
                    let request =
                        Json::parse(&text).or_else(|error| refuse(400, "JSON_PARSER_ERROR", error.to_string()))?;
                    let reply = self.inner(call, &request, &request.text("url"), request.get("body"));
                    // a composite counts once
                    self.uncount();
                    inner_answer(&reference, &reply)
                }
                Err(message) => {
                    let error = list![obj! {"errorCode" => "PROCESSING_HALTED", "message" => message}];
                    obj! {"body" => error, "httpHeaders" => Json::object(), "httpStatusCode" => 400, "referenceId" => &reference}
                }
            };
            let status = answer.int("httpStatusCode");
            broken |= status >= 300 && status != 304;
            known.push((reference, answer.get("body").cloned().unwrap_or_default()));
            answers.push(answer);
        }
        if together && broken {
            self.store.rollback(mark);
            for answer in answers.iter_mut().filter(|answer| answer.int("httpStatusCode") < 300) {
                *answer = halted(&answer.text("referenceId"));
            }
        }
        Ok((answers, !broken))
    }

    fn batch(&mut self, call: &Call, body: &Json) -> Answer {
        let requests = body.list("batchRequests");
        if requests.len() > 25 {
            return refuse(400, "INVALID_BATCH_REQUEST", "The number of batch requests exceeds the limit of 25");
        }
        let halt = body.get("haltOnError").is_some_and(Json::is_true);
        let (mut results, mut wrong) = (Vec::new(), false);
        for request in requests {
            if wrong && halt {
                let message = "Batch processing halted per request";
                let error = list![obj! {"errorCode" => "BATCH_PROCESSING_HALTED", "message" => message}];
                results.push(obj! {"statusCode" => 412, "result" => error});
                continue;
            }
            let url = format!("/services/data/{}", request.text("url").trim_start_matches('/'));
            let reply = self.inner(call, request, &url, request.get("richInput"));
            wrong |= reply.status >= 400;
            results.push(obj! {"statusCode" => reply.status, "result" => reply.as_json()});
        }
        // each part counts, but the batch itself does not
        self.uncount();
        Ok(Reply::json(200, &obj! {"hasErrors" => wrong, "results" => Json::List(results)}))
    }

    fn graphs(&mut self, call: &Call, body: &Json) -> Answer {
        let graphs = body.list("graphs");
        let nodes: usize = graphs.iter().map(|graph| graph.list("compositeRequest").len()).sum();
        if graphs.len() > 75 || nodes > 500 {
            let message = "A composite graph request has at most 75 graphs and 500 nodes";
            return refuse(400, "PROCESSING_HALTED", message);
        }
        let mut answers = Vec::new();
        for graph in graphs {
            let (inner, whole) = self.chain(call, graph.list("compositeRequest"), true)?;
            answers.push(obj! {
                "graphId" => graph.text("graphId"), "graphResponse" => obj! {"compositeResponse" => Json::List(inner)},
                "isSuccessful" => whole,
            });
        }
        Ok(Reply::json(200, &obj! {"graphs" => Json::List(answers)}))
    }
}

fn inner_answer(reference: &str, reply: &Reply) -> Json {
    let known = [("location", "Location"), ("last-modified", "Last-Modified"), ("etag", "ETag")];
    let mut headers = Json::object();
    for (name, value) in &reply.headers {
        if let Some((_, name)) = known.iter().find(|(lower, _)| lower == name) {
            headers.set(name, value);
        }
    }
    obj! {
        "body" => reply.as_json(), "httpHeaders" => headers, "httpStatusCode" => reply.status, "referenceId" => reference,
    }
}

fn halted(reference: &str) -> Json {
    let message = "The transaction was rolled back since another operation in the same transaction failed.";
    obj! {
        "body" => list![obj! {"errorCode" => "PROCESSING_HALTED", "message" => message}], "httpHeaders" => Json::object(),
        "httpStatusCode" => 400, "referenceId" => reference,
    }
}

/// Puts the values of `@{reference.field}` in; `records[0]` picks an item.
fn resolve(text: &str, known: &[(String, Json)]) -> Result<String, String> {
    let mut out = text.to_string();
    while let Some(start) = out.find("@{") {
        let Some(length) = out[start..].find('}') else { break };
        let inside = out[start + 2..start + length].to_string();
        let (reference, path) = inside.split_once('.').unwrap_or((&inside, ""));
        let (reference, at) = reference.split_once('[').unwrap_or((reference, ""));
        let body = known.iter().find(|(name, _)| name == reference).map(|(_, body)| body);
        let path = if at.is_empty() { path.to_string() } else { format!("[{at}.{path}") };
        let value = body.and_then(|body| picked(body, &path)).and_then(Json::scalar);
        let Some(value) = value else {
            return Err(format!("Invalid reference specified. No value for {inside} found in {reference}"));
        };
        out.replace_range(start..=start + length, &value);
    }
    Ok(out)
}

fn picked<'a>(body: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(body, |value, part| {
        let (name, at) = part.split_once('[').unwrap_or((part, ""));
        let value = if name.is_empty() { value } else { value.get(name)? };
        match at.strip_suffix(']').map(str::parse::<usize>) {
            Some(Ok(at)) => value.items().get(at),
            _ => Some(value),
        }
    })
}
