//! Bulk API 2.0: query jobs and ingest jobs. Records in CSV have times that end in Z.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::http::{Answer, missing};
use super::soql::Item;
use super::state::{Refusal, State, USER_ID, refuse, stamp};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

fn table(rows: &[Vec<String>]) -> String {
    let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
    let written = rows.iter().try_for_each(|row| writer.write_record(row));
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn as_csv(body: String) -> Reply {
    Reply::empty(200).header("content-type", "text/csv").body(body)
}

impl State {
    pub(crate) fn jobs(&mut self, call: &Call, version: &str, rest: &[&str]) -> Answer {
        let body = || call.json().or_else(|message| refuse(400, "JSON_PARSER_ERROR", message));
        if call.path.contains("//") {
            // forgiven elsewhere, but not here
            return missing();
        }
        match (call.method.as_str(), rest) {
            ("POST", [kind @ ("query" | "ingest")]) => self.open_job(kind, &body()?, version),
            (method, ["query" | "ingest", id]) => {
                let Some(job) = self.store.get("jobs", id).cloned() else { return missing() };
                match method {
                    "GET" => Ok(Reply::json(200, &shown(&self.advance(id, job)))),
                    "PATCH" => self.set_state(id, job, &body()?.text("state")),
                    "DELETE" => {
                        self.store.remove("jobs", id);
                        Ok(Reply::empty(204))
                    }
                    _ => missing(),
                }
            }
            ("PUT", ["ingest", id, "batches"]) => {
                let Some(job) = self.store.get("jobs", id).cloned() else { return missing() };
                self.store.put("jobs", id, job.with("data", call.text()));
                Ok(Reply::empty(201))
            }
            ("GET", ["query", id, "results"]) => self.results(call, id),
            ("GET", ["ingest", id, which]) => {
                let Some(job) = self.store.get("jobs", id) else { return missing() };
                Ok(as_csv(job.text(&which.to_ascii_lowercase())))
            }
            _ => missing(),
        }
    }

    fn open_job(&mut self, kind: &str, body: &Json, version: &str) -> Answer {
        let mut job = obj! {
            "kind" => kind, "operation" => body.text("operation"), "object" => body.text("object"), "createdById" => USER_ID,
            "createdDate" => stamp(self.clock.now()), "state" => if kind == "query" { "UploadComplete" } else { "Open" },
            "concurrencyMode" => "Parallel", "contentType" => "CSV", "lineEnding" => "LF", "columnDelimiter" => "COMMA",
            "apiVersion" => Json::Number(version.trim_start_matches('v').to_string()),
        };
        if kind == "query" {
            let query = body.text("query");
            let select = self.parse(&query)?;
            if select.items.iter().any(|item| !matches!(item, Item::Field(_))) {
                return refuse(400, "API_ERROR", "Sub-queries and aggregates are not supported in a bulk query");
            }
            job.set("object", select.from);
            job.set("query", query);
        } else {
            self.object(&body.text("object"))?;
            job.set("externalIdFieldName", body.text("externalIdFieldName"));
        }
        let id = format!("750{:012}AAA", self.store.next("job", 1));
        job.set("id", &id);
        self.store.put("jobs", &id, job.clone());
        let place = format!("services/data/{version}/jobs/ingest/{id}/batches");
        let reply = shown(&job);
        Ok(Reply::json(200, &if kind == "ingest" { reply.with("contentUrl", place) } else { reply }))
    }

    /// A job is seen in progress once before it is complete.
    fn advance(&mut self, id: &str, job: Json) -> Json {
        let next = match job.text("state").as_str() {
            "UploadComplete" => "InProgress",
            "InProgress" => "JobComplete",
            _ => return job,
        };
        let job = job.with("state", next);
        self.store.put("jobs", id, job.clone());
        job
    }

    fn set_state(&mut self, id: &str, job: Json, state: &str) -> Answer {
        let mut job = job.with("state", state);
        if state == "UploadComplete" && job.text("kind") == "ingest" {
            self.ingest(&mut job)?;
        }
        self.store.put("jobs", id, job.clone());
        Ok(Reply::json(200, &shown(&job)))
    }

    /// Each row on its own: one that fails does not fail the others.
    fn ingest(&mut self, job: &mut Json) -> Result<(), Refusal> {
        let (object, key) = (job.text("object"), job.text("externalIdFieldName"));
        let text = job.text("data");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> =
            reader.headers().map(|row| row.iter().map(str::to_string).collect()).unwrap_or_default();
        let head =
            |extra: [&str; 2]| extra.iter().map(|name| name.to_string()).chain(names.clone()).collect::<Vec<_>>();
        let mut good = vec![head(["sf__Id", "sf__Created"])];
        let mut bad = vec![head(["sf__Id", "sf__Error"])];
        for row in reader.records().flatten() {
            let values: Vec<String> = row.iter().map(str::to_string).collect();
            let mut fields = Json::object();
            for (name, value) in names.iter().zip(&values) {
                fields.set(name, if value.is_empty() || value == "#N/A" { Json::Null } else { Json::from(value) });
            }
            let mark = self.store.mark();
            let id = fields.text("Id");
            let outcome = match job.text("operation").as_str() {
                "insert" => self.create(&object, &fields, false).map(|id| (id, true)),
                "upsert" => {
                    let value = fields.text(&key);
                    self.upsert(&object, (&key, &value), fields, false)
                }
                "update" => {
                    fields.remove("Id");
                    self.update(&object, &id, &fields, false).map(|()| (id, false))
                }
                _ => self.bin(&object, &id, true).map(|()| (id, false)),
            };
            match outcome {
                Ok((id, created)) => good.push([id, created.to_string()].into_iter().chain(values).collect()),
                Err(refusal) => {
                    self.store.rollback(mark);
                    let error = format!("{}:{}:--", refusal.code, refusal.message);
                    bad.push([String::new(), error].into_iter().chain(values).collect());
                }
            }
        }
        job.set("numberRecordsProcessed", good.len() + bad.len() - 2);
        job.set("numberRecordsFailed", bad.len() - 1);
        job.set("successfulresults", table(&good));
        job.set("failedresults", table(&bad));
        job.set("unprocessedrecords", table(&[names]));
        job.remove("data");
        Ok(())
    }

    fn results(&mut self, call: &Call, id: &str) -> Answer {
        let Some(job) = self.store.get("jobs", id).cloned() else { return missing() };
        if job.text("state") != "JobComplete" {
            return refuse(400, "INVALIDJOBSTATE", "the job is not complete");
        }
        let number = |name: &str| call.param(name).and_then(|text| text.parse::<usize>().ok());
        let from = call.param("locator").filter(|locator| *locator != "null");
        let from = from.and_then(|locator| URL_SAFE_NO_PAD.decode(locator).ok());
        let from = from.and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok()).unwrap_or_default();
        let most = number("maxRecords").unwrap_or(50_000).max(1);
        let select = self.parse(&job.text("query"))?;
        let object = self.object(&select.from)?;
        let mut columns = Vec::new();
        let mut head = Vec::new();
        for item in &select.items {
            if let Item::Field(path) = item {
                columns.push(self.column(object, path)?);
                head.push(path.clone());
            }
        }
        let rows = self.found(&select, job.text("operation") == "queryAll")?;
        let mut out = vec![head];
        for row in rows.iter().skip(from).take(most) {
            let cell = |column: &super::select::Column<'_>| {
                let value = self.show(column.field, &self.reach(column, *row)).scalar().unwrap_or_default();
                if column.field.kind == "datetime" { value.replace("+0000", "Z") } else { value }
            };
            out.push(columns.iter().map(cell).collect());
        }
        let to = from + out.len() - 1;
        let next = if to < rows.len() { URL_SAFE_NO_PAD.encode(to.to_string()) } else { "null".to_string() };
        let count = (out.len() - 1).to_string();
        Ok(as_csv(table(&out)).header("sforce-locator", next).header("sforce-numberofrecords", count))
    }
}

/// A job without what only the simulator needs to know.
fn shown(job: &Json) -> Json {
    let mut shown = job.clone();
    for name in ["kind", "data", "query", "successfulresults", "failedresults", "unprocessedrecords"] {
        shown.remove(name);
    }
    shown
        .with("jobType", if job.has("query") { "V2Query" } else { "V2Ingest" })
        .with("retries", 0)
        .with("systemModstamp", job.text("createdDate"))
}

impl State {
    /// Rows that every org has.
    pub(crate) fn seed(&mut self) -> Result<(), Refusal> {
        let org = obj! {
            "Id" => super::auth::ORG, "Name" => "Simulated org", "DefaultLocaleSidKey" => "en_US", "OrganizationType" => "Enterprise Edition",
            "TimeZoneSidKey" => &self.settings.time_zone, "IsSandbox" => false,
        };
        self.create("Organization", &org, true)?;
        let user = obj! {
            "Id" => USER_ID, "Name" => "Integration User", "Username" => super::auth::USER, "Email" => super::auth::USER, "IsActive" => true,
            "TimeZoneSidKey" => &self.settings.time_zone,
        };
        self.create("User", &user, true)?;
        for (at, label) in super::schema::picklist("Opportunity", "StageName").iter().enumerate() {
            let stage = obj! {
                "MasterLabel" => *label, "ApiName" => *label, "IsActive" => true, "SortOrder" => at + 1,
                "IsClosed" => label.starts_with("Closed"), "IsWon" => *label == "Closed Won",
            };
            self.create("OpportunityStage", &stage, true)?;
        }
        self.store.put("refresh", super::auth::REFRESH, list![]);
        Ok(())
    }
}
