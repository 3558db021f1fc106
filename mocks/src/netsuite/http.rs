//! The REST paths of the simulated account.

use rust_decimal::Decimal;

use super::chart;
use super::state::{Refusal, State, missing, place};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

type Answer = Result<Reply, Refusal>;

const RESOURCE: &str = "application/vnd.oracle.resource+json; type=singular";

fn body(call: &Call) -> Result<Json, Refusal> {
    call.json()
        .map_err(|_| Refusal::new(400, "INVALID_CONTENT", "Invalid content in the request body. Provide valid JSON."))
}

fn strict(call: &Call) -> bool {
    call.header("x-netsuite-propertynamevalidation").is_some_and(|value| value.eq_ignore_ascii_case("error"))
}

fn prefers(call: &Call, wish: &str) -> bool {
    call.headers.iter().any(|(name, value)| name == "prefer" && value.split(',').any(|part| part.trim() == wish))
}

impl State {
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        let parts = call.parts();
        let answer = match parts.as_slice() {
            ["services", "rest", "auth", "oauth2", "v1", "token"] if call.method == "POST" => return self.token(call),
            ["services", "rest", rest @ ..] => self.caller(call).and_then(|()| self.known(call, rest)),
            _ => Err(Refusal::new(404, "NONEXISTENT_ID", "The requested resource does not exist.")),
        };
        answer.unwrap_or_else(|refusal| refusal.reply())
    }

    fn known(&mut self, call: &Call, rest: &[&str]) -> Answer {
        match (call.method.as_str(), rest) {
            ("POST", ["query", "v1", "suiteql"]) => {
                if !prefers(call, "transient") {
                    let detail =
                        "The required request header 'Prefer' is missing or does not have the value 'transient'.";
                    return Err(Refusal::new(400, "INVALID_HEADER", detail).at("o:errorHeader", "Prefer"));
                }
                self.suiteql(call)
            }
            ("GET", ["system", "v1", "governanceLimits"]) => Ok(Reply::json(
                200,
                &obj! {"accountConcurrencyLimit" => 15, "accountUnallocatedConcurrencyLimit" => 15, "limitType" => "account"},
            )),
            ("GET", ["async", "v1", "job", id, rest @ ..]) => self.job(id, rest),
            (method, ["record", "v1", kind, ..]) if method != "GET" && prefers(call, "respond-async") => {
                let known = chart::kind(kind).is_some();
                if known { self.in_background(call) } else { Err(no_type(kind)) }
            }
            (_, ["record", "v1", kind, rest @ ..]) => {
                let kind = chart::kind(kind).ok_or_else(|| no_type(kind))?;
                self.on_record(call, kind, rest)
            }
            _ => Err(Refusal::new(404, "NONEXISTENT_ID", "The requested resource does not exist.")),
        }
    }

    fn made(&self, kind: &str, id: &str) -> Reply {
        Reply::empty(204).header("location", format!("{}/services/rest/record/v1/{kind}/{id}", self.base))
    }

    fn on_record(&mut self, call: &Call, kind: &'static str, rest: &[&str]) -> Answer {
        let replace = call.param("replace").unwrap_or_default();
        match (call.method.as_str(), rest) {
            ("GET", []) => Ok(self.collection(call, kind)),
            ("POST", []) => {
                if !chart::OTHERS.contains(&kind) && chart::transaction(kind).is_none() {
                    return Err(Refusal::new(
                        403,
                        "INSUFFICIENT_PERMISSION",
                        "Permission Violation: the record cannot be created.",
                    ));
                }
                let id = self.create(kind, &body(call)?, strict(call))?;
                Ok(self.made(kind, &id))
            }
            ("GET", [id]) => {
                let id = self.resolve(kind, id).ok_or_else(missing)?;
                let record = self.record(kind, &id).cloned().ok_or_else(missing)?;
                if record.get("locked").is_some_and(Json::is_true) {
                    return Err(Refusal::user("This record has been locked by a user defined workflow."));
                }
                let expand = call.param("expandSubResources") == Some("true");
                let shown = self.shown(kind, &record, expand);
                Ok(Reply::json(200, &shown).header("content-type", RESOURCE))
            }
            ("GET", [id, sublist @ ("item" | "line")]) => {
                let id = self.resolve(kind, id).ok_or_else(missing)?;
                let record = self.record(kind, &id).cloned().ok_or_else(missing)?;
                Ok(Reply::json(200, &items(record.list(sublist))).header("content-type", RESOURCE))
            }
            ("PUT", [id]) => {
                let Some(external) = id.strip_prefix("eid:") else {
                    let detail = "Error while accessing a resource. Upsert works only with an external ID.";
                    return Err(Refusal::new(400, "USER_ERROR", detail));
                };
                let body = body(call)?.with("externalId", external);
                match self.resolve(kind, id) {
                    Some(id) => {
                        self.update(kind, &id, &body, "*", strict(call))?;
                        Ok(Reply::empty(204))
                    }
                    None => {
                        let id = self.create(kind, &body, strict(call))?;
                        Ok(self.made(kind, &id))
                    }
                }
            }
            ("PATCH", [id]) => {
                let id = self.resolve(kind, id).ok_or_else(missing)?;
                self.update(kind, &id, &body(call)?, replace, strict(call))?;
                Ok(self.made(kind, &id))
            }
            ("DELETE", [id]) => {
                let id = self.resolve(kind, id).ok_or_else(missing)?;
                self.delete(kind, &id)?;
                Ok(Reply::empty(204))
            }
            ("POST", [id, "!transform", to]) => {
                let id = self.resolve(kind, id).ok_or_else(missing)?;
                let to = chart::kind(to).ok_or_else(|| no_type(to))?;
                let made = self.transform((kind, &id), to, &body(call)?, strict(call))?;
                Ok(self.made(to, &made))
            }
            _ => Err(Refusal::new(405, "METHOD_NOT_ALLOWED", "The method is not allowed for the resource.")),
        }
    }

    /// Only ids and links, as the vendor lists.
    fn collection(&self, call: &Call, kind: &str) -> Reply {
        let number =
            |name: &str, default: usize| call.param(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let (limit, offset) = (number("limit", 1000).clamp(1, 1000), number("offset", 0));
        let mut all: Vec<String> = self.store.all(&place(kind)).map(|(id, _)| id.to_string()).collect();
        match kind {
            "currency" => all = chart::CURRENCIES.iter().map(|row| row.0.to_string()).collect(),
            "term" => all = chart::TERMS.iter().map(|row| row.0.to_string()).collect(),
            "account" => all = chart::ACCOUNTS.iter().map(|row| row.0.to_string()).collect(),
            _ => {}
        }
        let own = |id: &str| format!("{}/services/rest/record/v1/{}/{id}", self.base, kind.to_lowercase());
        let row = |id: &String| obj! {"links" => list![obj! {"rel" => "self", "href" => own(id)}], "id" => id};
        let rows: Vec<Json> = all.iter().skip(offset).take(limit).map(row).collect();
        let more = offset + rows.len() < all.len();
        let answer = obj! {
            "links" => list![], "count" => rows.len(), "hasMore" => more, "items" => rows, "offset" => offset,
            "totalResults" => all.len(),
        };
        Reply::json(200, &answer)
    }

    fn shown(&self, kind: &str, record: &Json, expand: bool) -> Json {
        let own = format!("{}/services/rest/record/v1/{}/{}", self.base, kind.to_lowercase(), record.text("id"));
        let mut shown = obj! {"links" => list![obj! {"rel" => "self", "href" => &own}]};
        for (name, value) in record.members() {
            let value = match (name.as_str(), value) {
                ("item" | "line", lines) if expand => items(lines.items()),
                ("item" | "line", _) => {
                    obj! {"links" => list![obj! {"rel" => "self", "href" => format!("{own}/{name}")}]}
                }
                ("locked", _) => continue,
                (_, value) => value.clone(),
            };
            shown.set(name, value);
        }
        shown
    }

    /// Makes one transaction of another.
    fn transform(
        &mut self,
        (from, id): (&'static str, &str),
        to: &'static str,
        body: &Json,
        strict: bool,
    ) -> Result<String, Refusal> {
        let source = self.record(from, id).cloned().ok_or_else(missing)?;
        let refused = || Refusal::user(&format!("You can not initialize {to}: invalid reference {id}."));
        let mut made = body.clone();
        made.remove("item");
        match (from, to) {
            ("salesOrder", "invoice") if source.text("status.id") == "F" => {}
            ("customer", "invoice" | "salesOrder") => {
                let made =
                    made.with("entity", obj! {"id" => id}).with("item", body.get("item").cloned().unwrap_or_default());
                return self.create(to, &made, strict);
            }
            ("estimate", "salesOrder" | "invoice") | ("invoice", "creditMemo") => {}
            _ => return Err(refused()),
        }
        for name in ["entity", "currency", "exchangeRate", "terms", "otherRefNum", "memo"] {
            if let (false, Some(value)) = (made.has(name), source.get(name)) {
                made.set(name, value);
            }
        }
        let custom: Vec<(String, Json)> = source
            .members()
            .iter()
            .filter(|(name, _)| name.starts_with("custbody") && !made.has(name))
            .cloned()
            .collect();
        custom.iter().for_each(|(name, value)| made.set(name, value));
        let lines = self.chosen(&source, body.get("item"))?;
        if lines.is_empty() {
            return Err(Refusal::user("Please enter at least one line item for this transaction."));
        }
        made.set("item", Json::List(lines.clone()));
        made.set("createdFrom", obj! {"id" => id});
        let new = self.create(to, &made, strict)?;
        let total = self.record(to, &new).map(|record| record.decimal("total")).unwrap_or_default();
        if from == "invoice" {
            let open = source.decimal("amountRemaining").min(total);
            self.settle(id, (to, &new), open)?;
        } else {
            self.link((id, from), (&new, to), "OrdBill", total);
            self.bill(from, id, &lines);
        }
        Ok(new)
    }

    /// Lines of the source that go over: all that is left, or those named by `orderLine`.
    fn chosen(&self, source: &Json, wanted: Option<&Json>) -> Result<Vec<Json>, Refusal> {
        let digits = self.digits(source);
        let left = |line: &Json| line.decimal("quantity") - line.decimal("quantityBilled");
        let copy = |line: &Json, quantity: Decimal| {
            let mut new = line.clone();
            new.remove("line");
            new.remove("quantityBilled");
            let whole = line.decimal("quantity");
            let share = if whole.is_zero() { Decimal::ZERO } else { line.decimal("amount") * quantity / whole };
            new.set("orderLine", line.int("line"));
            new.set("quantity", Json::amount(quantity));
            new.set("amount", Json::amount(share.round_dp(digits)));
            new
        };
        let given =
            wanted.map_or(&[][..], |wanted| if wanted.has("items") { wanted.list("items") } else { wanted.items() });
        if given.is_empty() {
            let open = source.list("item").iter().filter(|line| left(line) > Decimal::ZERO);
            return Ok(open.map(|line| copy(line, left(line))).collect());
        }
        let mut lines = Vec::new();
        for change in given {
            let number = change.text("orderLine");
            let Some(line) = source.list("item").iter().find(|line| line.text("line") == number) else {
                if number.is_empty() {
                    lines.push(change.clone());
                    continue;
                }
                return Err(Refusal::user(&format!("Invalid Field Value {number} for the following field: orderLine")));
            };
            let quantity = if change.has("quantity") { change.decimal("quantity") } else { left(line) };
            if quantity.is_zero() {
                continue;
            }
            let mut new = copy(line, quantity);
            if change.has("rate") && !change.has("amount") {
                new.remove("amount");
            }
            change.members().iter().for_each(|(name, value)| new.set(name, value));
            lines.push(new);
        }
        Ok(lines)
    }

    fn bill(&mut self, kind: &'static str, id: &str, lines: &[Json]) {
        let Some(mut order) = self.record(kind, id).cloned() else { return };
        let mut kept = order.list("item").to_vec();
        for line in &mut kept {
            let number = line.text("line");
            let more: Decimal =
                lines.iter().filter(|new| new.text("orderLine") == number).map(|new| new.decimal("quantity")).sum();
            let billed = line.decimal("quantityBilled") + more;
            line.set("quantityBilled", Json::amount(billed));
        }
        let all = kept.iter().all(|line| line.decimal("quantityBilled") >= line.decimal("quantity"));
        let status = if all { ("G", "Billed") } else { ("F", "Pending Billing") };
        order.set("item", kept);
        order.set("status", obj! {"id" => status.0, "refName" => status.1});
        order.set("lastModifiedDate", self.clock.now().to_string());
        self.store.put(&place(kind), id, order);
    }

    /// Runs a write as a job. Only here the idempotency key counts; a used one points to the earlier job.
    fn in_background(&mut self, call: &Call) -> Answer {
        let key = call.header("x-netsuite-idempotency-key").unwrap_or_default().to_string();
        let address = |state: &State, id: &str| format!("{}/services/rest/async/v1/job/{id}", state.base);
        if let Some(job) = self.store.get("idempotency", &key).filter(|_| !key.is_empty()).map(Json::text_of) {
            let detail = "The idempotency key was already used in a previous request.";
            let refusal =
                Refusal::new(400, "IDEMPOTENCY_ERROR", detail).at("o:errorHeader", "X-NetSuite-Idempotency-Key");
            return Err(Refusal { location: Some(address(self, &job)), ..refusal });
        }
        let mut inner = call.clone();
        inner.trusted = true;
        inner.headers.retain(|(name, _)| name != "prefer");
        let mark = self.store.mark();
        let reply = self.route(&inner);
        if reply.status >= 400 {
            self.store.rollback(mark);
        }
        let job = self.store.next("job", 1).to_string();
        let location = reply.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.clone());
        self.store.put(
            "jobs",
            &job,
            obj! {"status" => reply.status, "body" => reply.as_json(), "location" => location},
        );
        if !key.is_empty() {
            self.store.put("idempotency", &key, job.as_str());
        }
        Ok(Reply::empty(202).header("location", address(self, &job)).header("preference-applied", "respond-async"))
    }

    fn job(&self, id: &str, rest: &[&str]) -> Answer {
        let job = self.store.get("jobs", id).ok_or_else(missing)?;
        let own = format!("{}/services/rest/async/v1/job/{id}", self.base);
        let good = job.int("status") < 400;
        let progress = if good { "succeeded" } else { "failed" };
        let status = |links: Json| obj! {"links" => links, "id" => id, "completed" => true, "progress" => progress};
        match rest {
            [] => {
                let task = obj! {"links" => list![obj! {"rel" => "self", "href" => format!("{own}/task")}]};
                Ok(Reply::json(200, &status(list![obj! {"rel" => "self", "href" => &own}]).with("task", task)))
            }
            ["task"] => {
                let link = obj! {"links" => list![obj! {"rel" => "self", "href" => format!("{own}/task/1")}]};
                Ok(Reply::json(
                    200,
                    &obj! {"links" => list![], "count" => 1, "items" => list![link], "totalResults" => 1},
                ))
            }
            ["task", _] => {
                Ok(Reply::json(200, &status(list![obj! {"rel" => "result", "href" => format!("{own}/task/1/result")}])))
            }
            ["task", _, "result"] => {
                let code = u16::try_from(job.int("status")).unwrap_or(500);
                let body = job.get("body").cloned().unwrap_or_default();
                let reply = if good { Reply::empty(code) } else { Reply::json(code, &body) };
                let location = job.text("location");
                Ok(if location.is_empty() { reply } else { reply.header("location", location) })
            }
            _ => Err(missing()),
        }
    }
}

fn no_type(kind: &str) -> Refusal {
    Refusal::new(404, "NONEXISTENT_ID", format!("Record type '{kind}' does not exist.")).at("o:errorUrl", kind)
}

fn items(lines: &[Json]) -> Json {
    obj! {
        "links" => list![], "count" => lines.len(), "hasMore" => false, "items" => Json::List(lines.to_vec()), "offset" => 0,
        "totalResults" => lines.len(),
    }
}
