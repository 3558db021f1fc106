//! The REST paths of the simulated org.

use jiff::{SignedDuration, Timestamp};

use super::schema;
use super::state::{Refusal, State, full_id, refuse, stamp};
use crate::call::{Call, Reply};
use crate::clock::{http_date, read_http_date};
use crate::json::{Json, list, obj};

pub(crate) type Answer = Result<Reply, Refusal>;

const HOUR_MS: i64 = 60 * 60 * 1000;

fn body(call: &Call) -> Result<Json, Refusal> {
    call.json().or_else(|message| refuse(400, "JSON_PARSER_ERROR", message))
}

pub(crate) fn missing<T>() -> Result<T, Refusal> {
    refuse(404, "NOT_FOUND", "The requested resource does not exist")
}

fn not_allowed<T>(call: &Call, allowed: &str) -> Result<T, Refusal> {
    let message = format!("HTTP Method '{}' not allowed. Allowed are {allowed}", call.method);
    refuse(405, "METHOD_NOT_ALLOWED", message)
}

fn etag(time: Timestamp, what: &str) -> String {
    let sum = what.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("\"{:08x}\"", sum ^ u32::try_from(time.as_second() & 0xffff_ffff).unwrap_or_default())
}

/// The number of a version, `v62.0`.
fn number(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.strip_suffix(".0")?.parse().ok()
}

impl State {
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        let parts = call.parts();
        let rest = match parts.as_slice() {
            ["services", "oauth2", verb] => return self.oauth(call, verb),
            ["services", "Soap", "u" | "c", version, ..] => return self.login(call, version),
            ["id", ..] => return self.userinfo(call),
            ["services", "data"] => return versions(),
            ["services", "data", rest @ ..] => rest,
            _ => return missing::<Reply>().unwrap_or_else(|refusal| refusal.reply()),
        };
        let target = call.path.len() + call.raw_query.len();
        // the address of a composite's part travels in a body
        if target > 16_384 && !call.trusted {
            return bad_message(414, "URI Too Long");
        }
        let headers: usize = call.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        if target + headers > 32_768 {
            return bad_message(431, "Request Header Fields Too Large");
        }
        let allowed =
            call.header("sforce-duplicate-rule-header").is_some_and(|header| header.contains("allowSave=true"));
        self.duplicates_allowed = allowed;
        let answer = self.session(call).and_then(|()| {
            // what is turned away at the door does not count
            if self.count_request() > self.settings.daily_limit && !call.trusted {
                return refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
            }
            self.versioned(call, rest)
        });
        let limit = self.limit_info();
        answer.unwrap_or_else(|refusal| refusal.reply()).header("sforce-limit-info", limit)
    }

    /// Counts a request and gives how many there were in the last twenty-four hours.
    fn count_request(&mut self) -> u64 {
        let hour = self.clock.millis().div_euclid(HOUR_MS);
        *self.usage.entry(hour).or_default() += 1;
        self.usage.retain(|at, _| (hour - 23..=hour).contains(at));
        self.usage.values().sum()
    }

    pub(crate) fn uncount(&mut self) {
        if let Some(mut last) = self.usage.last_entry() {
            *last.get_mut() = last.get().saturating_sub(1);
        }
    }

    /// The counter is told late and does not only rise.
    fn limit_info(&self) -> String {
        let used: u64 = self.usage.values().sum();
        let shown = used.saturating_sub([0, 0, 2, 4][usize::try_from(used % 4).unwrap_or_default()]);
        let daily = self.settings.daily_limit.max(1);
        if self.settings.per_app_usage {
            return format!("api-usage={shown}/{daily}; per-app-api-usage={shown}/{daily}(appName=milestoned)");
        }
        format!("api-usage={shown}/{daily}")
    }

    fn versioned(&mut self, call: &Call, rest: &[&str]) -> Answer {
        let Some((version, rest)) = rest.split_first() else { return missing() };
        match number(version) {
            Some(31..=66) => {}
            Some(7..=30) => {
                return refuse(410, "UNSUPPORTED_API_VERSION", format!("{version} is retired and no longer supported"));
            }
            _ => return missing(),
        }
        let kind = call.header("content-type").unwrap_or_default();
        let written = ["json", "csv", "multipart"].iter().any(|known| kind.contains(known));
        if !written && !call.body.is_empty() && call.method != "GET" {
            let message = format!("Content-Type header specified in HTTP request is not supported: {kind}");
            return refuse(415, "UNSUPPORTED_MEDIA_TYPE", message);
        }
        let accepts = call.header("accept").unwrap_or("*/*");
        if !["*", "json", "csv", "octet", "xml"].iter().any(|known| accepts.contains(known)) {
            return refuse(
                406,
                "NOT_ACCEPTABLE",
                format!("Accept header specified in HTTP request is not supported: {accepts}"),
            );
        }
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let names = ["sobjects", "query", "queryAll", "limits", "composite", "jobs"];
                let path = |name: &&str| (name.to_string(), Json::from(format!("/services/data/{version}/{name}")));
                let mut paths: Vec<(String, Json)> = names.iter().map(path).collect();
                paths.push(("identity".to_string(), Json::from(self.identity())));
                Ok(Reply::json(200, &Json::Object(paths)))
            }
            ("GET", ["query"]) => self.query(call, version, false),
            ("GET", ["queryAll"]) => self.query(call, version, true),
            ("GET", ["query" | "queryAll", locator]) => self.next_page(locator, version),
            ("GET", ["limits"]) => Ok(Reply::json(200, &self.limits())),
            ("GET", ["limits", "recordCount"]) => Ok(Reply::json(200, &self.counts(call))),
            ("GET", ["sobjects"]) => {
                let all = self.schema.values().map(|object| schema::summary(object, version)).collect();
                let body = obj! {"encoding" => "UTF-8", "maxBatchSize" => 200, "sobjects" => Json::List(all)};
                Ok(self.unless_known(call, &body, "global"))
            }
            (_, ["sobjects", rest @ ..]) => self.sobject(call, version, rest),
            (_, ["composite", rest @ ..]) => self.composite(call, version, rest),
            (_, ["jobs", rest @ ..]) => self.jobs(call, version, rest),
            _ => missing(),
        }
    }

    /// A description, or 304 to a caller who has it.
    fn unless_known(&self, call: &Call, body: &Json, what: &str) -> Reply {
        let since = call.header("if-modified-since").and_then(read_http_date);
        let known = since.is_some_and(|since| since.as_second() >= self.described.as_second());
        let reply = if known { Reply::empty(304) } else { Reply::json(200, body) };
        reply.header("etag", etag(self.described, what)).header("last-modified", http_date(self.described))
    }

    fn limits(&self) -> Json {
        let daily = self.settings.daily_limit;
        let left = daily.saturating_sub(self.usage.values().sum());
        let mut all = obj! {"DailyApiRequests" => obj! {"Max" => daily, "Remaining" => left, "milestoned" => obj! {"Max" => 0, "Remaining" => 0}}};
        for (name, most) in [
            ("ConcurrentAsyncGetReportInstances", 200),
            ("DailyAsyncApexExecutions", 250_000),
            ("DailyBulkApiBatches", 15_000),
            ("DailyBulkV2QueryFileStorageMB", 976_562),
            ("DailyBulkV2QueryJobs", 10_000),
            ("DailyDurableStreamingApiEvents", 10_000),
            ("DataStorageMB", 1024),
            ("FileStorageMB", 1024),
            ("HourlyPublishedPlatformEvents", 50_000),
            ("HourlyTimeBasedWorkflow", 1000),
            ("MassEmail", 5000),
            ("SingleEmail", 5000),
        ] {
            all.set(name, obj! {"Max" => most, "Remaining" => most});
        }
        all
    }

    /// Objects that are unknown or empty are left out.
    fn counts(&self, call: &Call) -> Json {
        let wanted = call.param("sObjects").unwrap_or_default();
        let known = wanted.split(',').filter_map(|name| self.object(name.trim()).ok());
        let counted =
            known.map(|object| (object.name.clone(), self.count(&object.name))).filter(|(_, count)| *count > 0);
        let rows = counted.map(|(name, count)| obj! {"count" => count, "name" => name});
        obj! {"sObjects" => Json::List(rows.collect())}
    }

    fn sobject(&mut self, call: &Call, version: &str, rest: &[&str]) -> Answer {
        let Some((name, rest)) = rest.split_first() else { return not_allowed(call, "GET,HEAD") };
        let object = self.object(name)?.clone();
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let summary = schema::summary(&object, version);
                Ok(Reply::json(200, &obj! {"objectDescribe" => summary, "recentItems" => list![]}))
            }
            ("POST", [] | ["Id"]) => {
                let id = self.create(&object.name, &body(call)?, false)?;
                let location = format!("/services/data/{version}/sobjects/{}/{id}", object.name);
                let answer = obj! {"id" => &id, "success" => true, "errors" => list![]};
                Ok(Reply::json(201, &answer).header("location", location))
            }
            ("GET", ["describe"]) => {
                let body = schema::describe(&object, &self.schema, version);
                Ok(self.unless_known(call, &body, &object.name))
            }
            ("GET", ["updated"]) => self.window(call, &object.name, false),
            ("GET", ["deleted"]) => self.window(call, &object.name, true),
            ("GET", ["listviews"]) => Ok(Reply::json(200, &obj! {"done" => true, "listviews" => list![], "size" => 0})),
            ("GET", [id, blob]) if object.field(blob).is_some_and(|field| field.kind == "base64") => {
                self.blob(&object.name, id, call.trusted)
            }
            (method, [field]) if object.field(field).is_some_and(|field| field.external) && method != "GET" => {
                not_allowed(call, "HEAD,GET,POST")
            }
            (_, [id]) => self.by_id(call, version, &object.name, id),
            (_, [field, value]) => self.by_key(call, version, &object.name, (field, value)),
            _ => missing(),
        }
    }

    fn by_id(&mut self, call: &Call, version: &str, object: &str, id: &str) -> Answer {
        let Some(row) = self.row(object, id) else { return missing() };
        let modified = row.text("SystemModstamp").parse::<Timestamp>().unwrap_or_default();
        let tag = etag(modified, &row.id());
        match call.method.as_str() {
            "GET" => {
                if row.is_deleted() {
                    return refuse(404, "ENTITY_IS_DELETED", "entity is deleted");
                }
                let since = call.header("if-modified-since").and_then(read_http_date);
                let tagged = object == "Account" && call.header("if-none-match").is_some_and(|known| known == tag);
                let known = tagged || since.is_some_and(|since| since >= modified);
                let reply = if known {
                    Reply::empty(304)
                } else {
                    let object = self.object(object)?;
                    Reply::json(200, &self.whole(object, row, version, call.param("fields"))?)
                };
                let reply = reply.header("last-modified", http_date(modified));
                // only accounts have entity tags
                Ok(if object == "Account" { reply.header("etag", tag) } else { reply })
            }
            "PATCH" => {
                let until = call.header("if-unmodified-since").and_then(read_http_date);
                let other = object == "Account" && call.header("if-match").is_some_and(|known| known != tag);
                if other || until.is_some_and(|until| until < modified) {
                    return refuse(412, "PRECONDITION_FAILED", "The record has been modified since the given date");
                }
                let fields = body(call)?;
                not_repeated(&fields, "Id")?;
                self.update(object, id, &fields, false)?;
                Ok(Reply::empty(204))
            }
            "DELETE" => {
                self.bin(object, id, true)?;
                Ok(Reply::empty(204))
            }
            _ => not_allowed(call, "DELETE,GET,HEAD,PATCH"),
        }
    }

    fn by_key(&mut self, call: &Call, version: &str, object: &str, (field, value): (&str, &str)) -> Answer {
        let known = self.object(object)?.field(field).filter(|field| field.external || field.kind == "id");
        let known = known.filter(|field| self.tables.has(object, &field.name));
        let Some(field) = known.map(|field| field.name.clone()) else {
            let message = format!("Provided external ID field does not exist or is not accessible: {field}");
            return refuse(404, "NOT_FOUND", message);
        };
        let found = self.find(object, &field, value);
        if found.len() > 1 {
            let urls = found.iter().map(|id| Json::from(format!("/services/data/{version}/sobjects/{object}/{id}")));
            return Ok(Reply::json(300, &Json::List(urls.collect())));
        }
        match (call.method.as_str(), found.first()) {
            ("PATCH", _) if call.body.is_empty() => not_allowed(call, "HEAD,GET,POST"),
            ("PATCH", _) => {
                let update_only = call.param("updateOnly") == Some("true");
                let fields = body(call)?;
                not_repeated(&fields, "Id")?;
                not_repeated(&fields, &field)?;
                let (id, created) = self.upsert(object, (&field, value), fields, update_only)?;
                let answer = obj! {"id" => &id, "success" => true, "errors" => list![], "created" => created};
                Ok(match (created, number(version)) {
                    (true, _) => {
                        let location = format!("/services/data/{version}/sobjects/{object}/{id}");
                        Reply::json(201, &answer).header("location", location)
                    }
                    (false, Some(..=45)) => Reply::empty(204),
                    (false, _) => Reply::json(200, &answer),
                })
            }
            ("GET" | "DELETE", Some(id)) => self.by_id(call, version, object, &id.clone()),
            ("GET" | "DELETE", None) => missing(),
            _ => not_allowed(call, "DELETE,GET,HEAD,PATCH"),
        }
    }

    /// Creates or updates by an external id; an empty value never matches.
    pub(crate) fn upsert(
        &mut self,
        object: &str,
        (field, value): (&str, &str),
        mut fields: Json,
        update_only: bool,
    ) -> Result<(String, bool), Refusal> {
        fields.remove(field);
        fields.remove("Id");
        let found = if value.is_empty() { Vec::new() } else { self.find(object, field, value) };
        match found.as_slice() {
            [] if update_only || (field == "Id" && !value.is_empty()) => missing(),
            [] => {
                if field != "Id" && !value.is_empty() {
                    fields.set(field, value);
                }
                Ok((self.create(object, &fields, false)?, true))
            }
            [id] => {
                self.update(object, id, &fields, false)?;
                Ok((id.clone(), false))
            }
            several => {
                let message = format!("{object}: more than one record found for external id field: {several:?}");
                refuse(400, "DUPLICATE_EXTERNAL_ID", message)
            }
        }
    }

    /// `getUpdated` and `getDeleted`: the vendor's own watermark. Seconds are cut off, what is older than thirty days
    /// (deleted: fifteen) is silently not there, and `latestDateCovered` holds back for transactions that are under way.
    fn window(&self, call: &Call, object: &str, deleted: bool) -> Answer {
        let wrong = |message: &str| refuse(400, "INVALID_REPLICATION_DATE", message);
        let time = |name: &str| {
            let time = call.param(name).and_then(|text| text.replace(' ', "+").parse::<Timestamp>().ok());
            time.map(|time| time.as_second().div_euclid(60) * 60)
                .map_or_else(|| refuse(400, "INVALID_REPLICATION_DATE", format!("{name} is not a date")), Ok)
        };
        let (start, end) = (time("start")?, time("end")?);
        let now = self.clock.now();
        let first = self.settings.replication_start.parse::<Timestamp>().unwrap_or_default();
        if start < first.as_second() {
            return wrong("startDate before org replication enabled date");
        }
        if end < start + 60 {
            return wrong("endDate must be at least one minute greater than startDate");
        }
        let days = if deleted { 15 } else { 30 };
        let earliest = now.as_second() - days * 24 * 60 * 60;
        let covered = end.min((now.as_millisecond() - self.settings.commit_lag_ms) / 1000);
        let rows = self.rows_by_stamp(object, start.max(earliest)..=end - 1).filter(|row| row.is_deleted() == deleted);
        let text = |at: i64| stamp(Timestamp::from_second(at).unwrap_or_default());
        if deleted {
            let rows = rows.map(|row| obj! {"deletedDate" => row.text("SystemModstamp"), "id" => row.id()}).collect();
            let earliest = stamp(now - SignedDuration::from_hours(15 * 24));
            let body = obj! {
                "deletedRecords" => Json::List(rows), "earliestDateAvailable" => earliest, "latestDateCovered" => text(covered),
            };
            return Ok(Reply::json(200, &body));
        }
        let ids: Vec<Json> = rows.map(|row| Json::from(full_id(&row.id()))).take(600_001).collect();
        if ids.len() > 600_000 {
            return refuse(400, "EXCEEDED_ID_LIMIT", "the number of ids exceeds the limit of 600000");
        }
        Ok(Reply::json(200, &obj! {"ids" => ids, "latestDateCovered" => text(covered)}))
    }
}

/// The key stands in the path, and only there.
fn not_repeated(fields: &Json, key: &str) -> Result<(), Refusal> {
    if fields.members().iter().any(|(name, _)| name.eq_ignore_ascii_case(key)) {
        let message = format!("The {key} field should not be specified in the sobject data.");
        return refuse(400, "INVALID_FIELD", message);
    }
    Ok(())
}

fn bad_message(status: u16, reason: &str) -> Reply {
    let page = format!("<h1>Bad Message {status}</h1><pre>reason: {reason}</pre>");
    Reply::empty(status).header("content-type", "text/html;charset=iso-8859-1").body(page)
}

fn versions() -> Reply {
    let row = |number: u32| {
        let season = ["Spring", "Summer", "Winter"][usize::try_from(number % 3).unwrap_or_default()];
        // version 30 was Spring '14; every winter release is called after the year that follows
        let year = 14 + (number - 30) / 3 + u32::from(number % 3 == 2);
        obj! {
            "label" => format!("{season} '{year}"), "url" => format!("/services/data/v{number}.0"),
            "version" => format!("{number}.0"),
        }
    };
    Reply::json(200, &Json::List((31..=66).map(row).collect()))
}
