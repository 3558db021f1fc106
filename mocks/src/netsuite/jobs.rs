//! Asynchronous requests: jobs, their tasks and results, batches, and the key that only counts here.

use super::http::{Answer, no_type};
use super::state::{Refusal, State, missing};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

const MOST: usize = 100;

fn bad(code: &'static str, detail: &str) -> Refusal {
    Refusal::new(400, code, detail)
}

/// The single requests that a batch stands for.
fn batch(call: &Call, rest: &[&str]) -> Result<Vec<Call>, Refusal> {
    let single = |method: &str, end: Option<String>, body: &Json| {
        let mut target = call.path.trim_end_matches('/').to_string();
        if let Some(end) = end {
            target.push_str(&format!("/{end}"));
        }
        if !call.raw_query.is_empty() && method != "DELETE" {
            target.push_str(&format!("?{}", call.raw_query));
        }
        let mut headers = call.headers.clone();
        headers.retain(|(name, _)| name != "prefer");
        Call { trusted: true, ..Call::new(method, &target, headers, body.to_string().into_bytes()) }
    };
    let collection = call.header("content-type").is_some_and(|kind| kind.contains("type=collection"));
    let writes_many = rest.is_empty() && (collection || matches!(call.method.as_str(), "PUT" | "PATCH" | "DELETE"));
    if !writes_many {
        let mut inner = call.clone();
        inner.trusted = true;
        inner.headers.retain(|(name, _)| name != "prefer");
        return Ok(vec![inner]);
    }
    if !collection && call.method != "DELETE" {
        let detail = "A batch needs the content type application/vnd.oracle.resource+json; type=collection.";
        return Err(bad("INVALID_HEADER", detail).at("o:errorHeader", "Content-Type"));
    }
    let body =
        call.json().map_err(|_| bad("INVALID_CONTENT", "Invalid content in the request body. Provide valid JSON."))?;
    let named: Vec<Json> =
        call.param("ids").unwrap_or_default().split(',').filter(|id| !id.is_empty()).map(Json::from).collect();
    let items = if call.method == "DELETE" && !named.is_empty() { named } else { body.list("items").to_vec() };
    if items.is_empty() || items.len() > MOST {
        let detail = "A batch takes between 1 and 100 records in 'items'.";
        return Err(bad("INVALID_CONTENT", detail).at("o:errorPath", "items"));
    }
    items
        .iter()
        .map(|item| {
            let id = item.scalar().unwrap_or_else(|| item.text("id"));
            let external = item.text("externalId");
            // the internal id goes before the external one; an upsert knows only the latter
            let end = match call.method.as_str() {
                "POST" => None,
                "PUT" => Some(format!("eid:{external}")),
                _ if !id.is_empty() => Some(id),
                _ => Some(format!("eid:{external}")),
            };
            if end.as_deref() == Some("eid:") {
                return Err(bad("INVALID_CONTENT", "Each item of the batch needs an id.").at("o:errorPath", "items"));
            }
            Ok(single(&call.method, end, item))
        })
        .collect()
}

impl State {
    /// Takes a request as a job. Only here the idempotency key counts; a used one points to the earlier job.
    pub(crate) fn in_background(&mut self, call: &Call, kind: &'static str, rest: &[&str]) -> Answer {
        let key = call.header("x-netsuite-idempotency-key").unwrap_or_default().to_string();
        let address = |id: &str| format!("/services/rest/async/v1/job/{id}");
        if let Some(job) = self.store.get("idempotency", &key).filter(|_| !key.is_empty()).map(Json::text_of) {
            let detail = "The idempotency key was already used in a previous request.";
            let refusal = bad("IDEMPOTENCY_ERROR", detail).at("o:errorHeader", "X-NetSuite-Idempotency-Key");
            return Err(Refusal { location: Some(address(&job)), ..refusal });
        }
        let calls = batch(call, rest)?;
        if calls.iter().any(|call| call.parts().get(4).is_none_or(|name| !name.eq_ignore_ascii_case(kind))) {
            return Err(no_type(kind));
        }
        let job = self.store.next("job", 1).to_string();
        let now = self.clock.millis();
        self.count("jobs");
        self.add("job_tasks", calls.len());
        let tasks: Vec<Json> = calls.iter().map(Call::kept).collect();
        self.store.put(
            "waiting",
            &job,
            obj! {"since" => now, "due" => now + self.rules.processing_ms, "calls" => tasks},
        );
        if !key.is_empty() {
            self.store.put("idempotency", &key, job.as_str());
        }
        Ok(Reply::empty(202).header("location", address(&job)).header("preference-applied", "respond-async"))
    }

    /// Does the jobs whose time has come. The records of a batch are written in parallel: not in the order of the request.
    pub(crate) fn run_jobs(&mut self) {
        if self.store.count("waiting") == 0 {
            return;
        }
        let now = self.clock.millis();
        let due: Vec<(String, Json)> = self
            .store
            .all("waiting")
            .filter(|(_, job)| job.int("due") <= now)
            .map(|(id, job)| (id.to_string(), job.clone()))
            .collect();
        for (id, job) in due {
            self.store.remove("waiting", &id);
            let calls = job.list("calls");
            let mut results = vec![Json::Null; calls.len()];
            for (at, kept) in calls.iter().enumerate().rev() {
                if let Some(place) = results.get_mut(at) {
                    *place = self.task(&Call::restored(kept));
                }
            }
            // as text: a million results must not weigh
            self.store.put("jobs", &id, Json::List(results).to_string());
        }
    }

    fn task(&mut self, call: &Call) -> Json {
        let parts = call.parts();
        let [_, _, _, _, kind, rest @ ..] = parts.as_slice() else { return Json::Null };
        let Some(kind) = super::chart::kind(kind) else { return Json::Null };
        let mark = self.store.mark();
        let reply = self.on_record(call, kind, rest).unwrap_or_else(|refusal| {
            self.store.rollback(mark);
            refusal.reply()
        });
        let location = reply.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.clone());
        let kind = reply.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.clone());
        obj! {"status" => reply.status, "body" => reply.text(), "location" => location, "type" => kind}
    }

    pub(crate) fn job(&mut self, id: &str, rest: &[&str]) -> Answer {
        let own = format!("{}/services/rest/async/v1/job/{id}", self.base);
        let link = |rel: &str, end: &str| list![obj! {"rel" => rel, "href" => format!("{own}{end}")}];
        let done = self.store.get("jobs", id).and_then(|job| Json::parse(job.as_str()?).ok());
        let (tasks, waiting) = match (&done, self.store.get("waiting", id)) {
            (Some(job), _) => (job.items(), None),
            (None, Some(job)) => (job.list("calls"), Some(job)),
            _ => return Err(missing()),
        };
        // the first half of its time a job waits, the second half it runs
        let middle = waiting.map(|job| (job.int("since") + job.int("due")) / 2);
        let busy = middle.map(|middle| if self.clock.millis() < middle { "pending" } else { "processing" });
        let good = |task: &Json| task.int("status") < 400;
        let progress = |good: bool| busy.unwrap_or(if good { "succeeded" } else { "failed" });
        let task = |number: &str| {
            let at = number.parse::<usize>().ok()?.checked_sub(1)?;
            tasks.get(at)
        };
        match rest {
            [] => Ok(Reply::json(
                200,
                &obj! {
                    "links" => link("self", ""), "completed" => busy.is_none(), "id" => id,
                    "progress" => progress(tasks.iter().all(good)), "task" => obj! {"links" => link("self", "/task")},
                },
            )),
            ["task"] => {
                let row = |number: usize| obj! {"links" => link("self", &format!("/task/{number}")), "id" => number.to_string()};
                let rows: Vec<Json> = (1..=tasks.len()).map(row).collect();
                let answer = obj! {
                    "links" => link("self", "/task"), "count" => rows.len(), "hasMore" => false, "items" => rows, "offset" => 0,
                    "totalResults" => tasks.len(),
                };
                Ok(Reply::json(200, &answer))
            }
            ["task", number] => {
                let found = task(number).ok_or_else(missing)?;
                let end = format!("/task/{number}");
                let mut links = link("self", &end);
                if busy.is_none() {
                    links.push(obj! {"rel" => "result", "href" => format!("{own}{end}/result")});
                }
                let state = progress(good(found));
                Ok(Reply::json(
                    200,
                    &obj! {"links" => links, "completed" => busy.is_none(), "id" => *number, "progress" => state},
                ))
            }
            ["task", number, "result"] => {
                let found = task(number).filter(|_| busy.is_none()).ok_or_else(missing)?;
                let code = u16::try_from(found.int("status")).unwrap_or(500);
                let mut reply = Reply::empty(code).body(found.text("body"));
                for (name, header) in [("location", "location"), ("type", "content-type")] {
                    let value = found.text(name);
                    if !value.is_empty() {
                        reply = reply.header(header, value);
                    }
                }
                Ok(reply)
            }
            _ => Err(missing()),
        }
    }
}
