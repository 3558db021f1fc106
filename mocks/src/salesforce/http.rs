//! The REST paths of the simulated org.

use jiff::Timestamp;

use super::schema;
use super::soql::attributes;
use super::state::{Refusal, State, refuse, stamp};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

type Answer = Result<Reply, Refusal>;

/// 18 characters of a query locator, without its offset.
fn locator_id(number: i64) -> String {
    format!("0r8xx{number:010}AAA")
}

const LOCATOR_LIFE_MS: i64 = 2 * 24 * 60 * 60 * 1000;
const DAILY: u64 = 100_000;

fn body(call: &Call) -> Result<Json, Refusal> {
    call.json().or_else(|message| refuse(400, "JSON_PARSER_ERROR", message))
}

fn missing<T>() -> Result<T, Refusal> {
    refuse(404, "NOT_FOUND", "The requested resource does not exist")
}

fn not_allowed<T>(allowed: &str) -> Result<T, Refusal> {
    refuse(405, "METHOD_NOT_ALLOWED", format!("HTTP Method not allowed. Allowed are {allowed}"))
}

impl State {
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        let parts = call.parts();
        let rest = match parts.as_slice() {
            ["services", "oauth2", "token"] if call.method == "POST" => return self.token(call),
            ["services", "oauth2", "revoke"] => return Reply::empty(200),
            ["services", "data"] => return versions(),
            ["services", "data", rest @ ..] => rest,
            _ => return missing::<Reply>().unwrap_or_else(|refusal| refusal.reply()),
        };
        if call.path.len() + call.raw_query.len() > 16_384 {
            return Reply::empty(414)
                .header("content-type", "text/html")
                .body("<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>");
        }
        self.usage += 1;
        let limit = format!("api-usage={}/{}", self.usage, self.daily.max(1));
        let answer = self.session(call).and_then(|()| {
            if self.usage > self.daily {
                return refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
            }
            self.versioned(call, rest)
        });
        answer.unwrap_or_else(|refusal| refusal.reply()).header("sforce-limit-info", limit)
    }

    fn versioned(&mut self, call: &Call, rest: &[&str]) -> Answer {
        let Some((version, rest)) = rest.split_first() else { return missing() };
        let number = version.strip_prefix('v').and_then(|v| v.split('.').next()).and_then(|v| v.parse::<u32>().ok());
        if !number.is_some_and(|number| (31..=66).contains(&number)) {
            return missing();
        }
        let json = call.header("content-type").is_some_and(|kind| kind.contains("json"));
        if !json && !call.body.is_empty() && call.method != "GET" {
            let message = "Content-Type header specified in HTTP request is not supported: application/octet-stream";
            return refuse(415, "UNSUPPORTED_MEDIA_TYPE", message);
        }
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let names = ["sobjects", "query", "queryAll", "limits", "composite"];
                let path = |name: &&str| (name.to_string(), Json::from(format!("/services/data/{version}/{name}")));
                Ok(Reply::json(200, &Json::Object(names.iter().map(path).collect())))
            }
            ("GET", ["query"]) => self.query(call, version, false),
            ("GET", ["queryAll"]) => self.query(call, version, true),
            ("GET", ["query" | "queryAll", locator]) => self.next_page(locator, version),
            ("GET", ["limits"]) => Ok(Reply::json(200, &self.limits())),
            ("GET", ["limits", "recordCount"]) => Ok(Reply::json(200, &self.counts(call))),
            ("GET", ["sobjects"]) => {
                let all = self.schema.values().map(|object| schema::summary(object, version)).collect();
                Ok(Reply::json(
                    200,
                    &obj! {"encoding" => "UTF-8", "maxBatchSize" => 200, "sobjects" => Json::List(all)},
                ))
            }
            (_, ["sobjects", rest @ ..]) => self.sobject(call, version, rest),
            (_, ["composite", rest @ ..]) => self.composite(call, version, rest),
            _ => missing(),
        }
    }

    fn query(&mut self, call: &Call, version: &str, all: bool) -> Answer {
        let Some(text) = call.param("q") else {
            return refuse(400, "MALFORMED_QUERY", "SOQL statement cannot be empty.");
        };
        let select = self.parse(text)?;
        let ids = self.select(&select, all)?;
        if let Some(field) = &select.count {
            let total = ids.len();
            let count = obj! {"attributes" => obj! {"type" => "AggregateResult"}, "expr0" => total};
            let (size, records) = if field.is_empty() { (total, list![]) } else { (1, list![count]) };
            return Ok(Reply::json(200, &obj! {"totalSize" => size, "done" => true, "records" => records}));
        }
        let wanted = call.header("sforce-query-options").and_then(|header| header.trim().strip_prefix("batchSize="));
        let wanted = wanted.and_then(|size| size.trim().parse().ok()).map_or(2000, |size: usize| size.clamp(200, 2000));
        let page = wanted.min(self.page);
        if ids.len() <= page {
            return Ok(Reply::json(200, &self.page(&select, (&ids, 0, page), "", version)));
        }
        self.store.purge("locators", self.clock.millis());
        let locator = locator_id(self.store.next("locator", 1));
        let kept = Json::List(ids.iter().map(Json::from).collect());
        let until = self.clock.millis() + LOCATOR_LIFE_MS;
        self.store.put("locators", &locator, obj! {"q" => text, "ids" => kept, "until" => until, "page" => page});
        Ok(Reply::json(200, &self.page(&select, (&ids, 0, page), &locator, version)))
    }

    fn next_page(&mut self, locator: &str, version: &str) -> Answer {
        let known =
            locator.split_once('-').and_then(|(id, offset)| Some((self.store.get("locators", id)?, id, offset)));
        let Some((kept, id, offset)) = known.filter(|(kept, ..)| kept.int("until") > self.clock.millis()) else {
            return refuse(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
        };
        let offset =
            offset.parse::<usize>().or_else(|_| refuse(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))?;
        let ids: Vec<String> = kept.list("ids").iter().filter_map(Json::scalar).collect();
        let select = self.parse(&kept.text("q"))?;
        let page = usize::try_from(kept.int("page")).unwrap_or(2000);
        Ok(Reply::json(200, &self.page(&select, (&ids, offset, page), id, version)))
    }

    fn page(
        &self,
        select: &super::soql::Select,
        (ids, from, size): (&[String], usize, usize),
        locator: &str,
        v: &str,
    ) -> Json {
        let to = ids.len().min(from + size);
        let rows = ids.get(from..to).unwrap_or_default().iter().map(|id| self.row(select, id, v)).collect();
        let mut page = obj! {"totalSize" => ids.len(), "done" => to >= ids.len()};
        if to < ids.len() {
            page.set("nextRecordsUrl", format!("/services/data/{v}/query/{locator}-{to}"));
        }
        page.with("records", Json::List(rows))
    }

    fn limits(&self) -> Json {
        let left = self.daily.saturating_sub(self.usage);
        let full = |max: u64| obj! {"Max" => max, "Remaining" => max};
        obj! {
            "DailyApiRequests" => obj! {"Max" => self.daily, "Remaining" => left}, "DailyBulkApiBatches" => full(15_000),
            "DailyBulkV2QueryJobs" => full(10_000), "DataStorageMB" => full(1024), "FileStorageMB" => full(1024),
            "HourlyTimeBasedWorkflow" => full(1000), "SingleEmail" => full(5000),
        }
    }

    fn counts(&self, call: &Call) -> Json {
        let wanted = call.param("sObjects").unwrap_or_default();
        let known = wanted.split(',').filter_map(|name| self.object(name.trim()).ok());
        let rows = known.map(|object| obj! {"count" => self.records(&object.name).count(), "name" => &object.name});
        obj! {"sObjects" => Json::List(rows.collect())}
    }

    fn sobject(&mut self, call: &Call, version: &str, rest: &[&str]) -> Answer {
        let Some((name, rest)) = rest.split_first() else { return not_allowed("GET,HEAD") };
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
            ("GET", ["describe"]) => Ok(Reply::json(200, &schema::describe(&object, version))),
            ("GET", ["updated"]) => self.window(call, &object.name, false),
            ("GET", ["deleted"]) => self.window(call, &object.name, true),
            ("GET", ["listviews"]) => Ok(Reply::json(200, &obj! {"done" => true, "listviews" => list![], "size" => 0})),
            ("GET", [id, "VersionData"]) => match self.record(&object.name, id) {
                Some(record) => {
                    let bytes = record.text("VersionData");
                    Ok(Reply::empty(200).header("content-type", "application/octetstream").body(bytes))
                }
                None => missing(),
            },
            (method, [field]) if object.field(field).is_some_and(|field| field.external) && method != "GET" => {
                not_allowed("HEAD,GET,POST")
            }
            (_, [id]) => self.by_id(call, version, &object.name, id),
            (_, [field, value]) => self.by_key(call, version, &object.name, (field, value)),
            _ => missing(),
        }
    }

    fn by_id(&mut self, call: &Call, version: &str, object: &str, id: &str) -> Answer {
        match call.method.as_str() {
            "GET" => {
                let Some(record) = self.record(object, id) else { return missing() };
                if record.get("IsDeleted").is_some_and(Json::is_true) {
                    return refuse(404, "ENTITY_IS_DELETED", "entity is deleted");
                }
                let modified = record.text("SystemModstamp").parse::<Timestamp>().unwrap_or_default();
                let since = call.header("if-modified-since").and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
                if since.is_some_and(|since| since.timestamp() >= modified) {
                    return Ok(Reply::empty(304));
                }
                let shown = self.whole(object, record, version, call.param("fields"))?;
                let date =
                    jiff::fmt::rfc2822::to_string(&modified.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
                Ok(Reply::json(200, &shown).header("last-modified", date))
            }
            "PATCH" => {
                let fields = body(call)?;
                let until = call.header("if-unmodified-since").and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
                let modified = self.record(object, id).map(|record| record.text("SystemModstamp"));
                let modified = modified.and_then(|text| text.parse::<Timestamp>().ok()).unwrap_or_default();
                if until.is_some_and(|until| until.timestamp() < modified) {
                    return refuse(412, "PRECONDITION_FAILED", "The record has been modified since the given date");
                }
                if self.record(object, id).is_none() {
                    return missing();
                }
                self.update(object, id, &fields, false)?;
                Ok(Reply::empty(204))
            }
            "DELETE" => {
                self.delete(object, id)?;
                Ok(Reply::empty(204))
            }
            _ => not_allowed("DELETE,GET,HEAD,PATCH"),
        }
    }

    fn whole(&self, object: &str, record: &Json, version: &str, fields: Option<&str>) -> Result<Json, Refusal> {
        let object = self.object(object)?;
        let mut shown = obj! {"attributes" => attributes(&object.name, &record.text("Id"), version)};
        let wanted: Option<Vec<&str>> = fields.map(|fields| fields.split(',').map(str::trim).collect());
        for field in &object.fields {
            if wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|name| name.eq_ignore_ascii_case(&field.name))) {
                shown.set(&field.name, self.show(field, record.get(&field.name).unwrap_or(&Json::Null)));
            }
        }
        Ok(shown)
    }

    fn by_key(&mut self, call: &Call, version: &str, object: &str, (field, value): (&str, &str)) -> Answer {
        let known = self.object(object)?.field(field).filter(|field| field.external || field.kind == "id");
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
            ("PATCH", _) => {
                let update_only = call.param("updateOnly") == Some("true");
                let (id, created) = self.upsert(object, (&field, value), body(call)?, update_only)?;
                let answer = obj! {"id" => &id, "success" => true, "errors" => list![], "created" => created};
                let old = version.trim_start_matches('v').split('.').next().and_then(|v| v.parse::<u32>().ok());
                Ok(match (created, old) {
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
            _ => not_allowed("DELETE,GET,HEAD,PATCH"),
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
                if field != "Id" {
                    fields.set(field, value);
                }
                Ok((self.create(object, &fields, false)?, true))
            }
            [id] => {
                self.update(object, id, &fields, false)?;
                Ok((id.clone(), false))
            }
            _ => refuse(300, "MULTIPLE_CHOICES", format!("{} duplicates found", found.len())),
        }
    }

    fn window(&self, call: &Call, object: &str, deleted: bool) -> Answer {
        let time = |name: &str| {
            let time = call.param(name).and_then(|text| text.replace(' ', "+").parse::<Timestamp>().ok());
            time.map_or_else(|| refuse(400, "INVALID_REPLICATION_DATE", format!("{name} is not a date")), Ok)
        };
        let (start, end) = (stamp(time("start")?), stamp(time("end")?));
        let inside = |record: &&Json| (start.as_str()..end.as_str()).contains(&record.text("SystemModstamp").as_str());
        let gone = |record: &&Json| record.get("IsDeleted").is_some_and(Json::is_true) == deleted;
        let found = self.records(object).map(|(_, record)| record).filter(inside).filter(gone);
        if deleted {
            let rows =
                found.map(|row| obj! {"deletedDate" => row.text("SystemModstamp"), "id" => row.text("Id")}).collect();
            return Ok(Reply::json(
                200,
                &obj! {
                    "deletedRecords" => Json::List(rows), "earliestDateAvailable" => stamp(self.clock.now() - jiff::SignedDuration::from_hours(15 * 24)),
                    "latestDateCovered" => end,
                },
            ));
        }
        let ids = found.map(|row| Json::from(row.text("Id"))).collect();
        Ok(Reply::json(200, &obj! {"ids" => Json::List(ids), "latestDateCovered" => end}))
    }
}

fn versions() -> Reply {
    let row = |number: u32| {
        let year = 14 + (number - 30) / 3;
        obj! {"label" => format!("Release '{year}"), "url" => format!("/services/data/v{number}.0"), "version" => format!("{number}.0")}
    };
    Reply::json(200, &Json::List((31..=66).map(row).collect()))
}

pub(crate) const DEFAULT_DAILY: u64 = DAILY;
