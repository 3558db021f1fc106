//! The REST paths of the simulated account.

use super::chart;
use super::listing::Criteria;
use super::state::{Checks, Refusal, State, missing};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

pub(crate) type Answer = Result<Reply, Refusal>;

const RESOURCE: &str = "application/vnd.oracle.resource+json; type=singular";
const COLLECTION: &str = "application/vnd.oracle.resource+json; type=collection";
/// The vendor's limit of a request.
const LARGEST: usize = 104 << 20;

fn body(call: &Call) -> Result<Json, Refusal> {
    let wrong = || Refusal::new(400, "INVALID_CONTENT", "Invalid content in the request body. Provide valid JSON.");
    let body = call.json().map_err(|_| wrong())?;
    if matches!(body, Json::Object(_)) { Ok(body) } else { Err(wrong()) }
}

/// The two validation headers: names are only warned of by default, values are errors.
fn checks(call: &Call) -> Result<Checks, Refusal> {
    let asked = |name: &str, default: bool| match call.header(name).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(default),
        Some("error") => Ok(true),
        Some("warning" | "ignore") => Ok(false),
        Some(other) => {
            let detail = format!("Invalid value '{other}' of the header {name}. Use Error, Warning or Ignore.");
            Err(Refusal::new(400, "INVALID_HEADER", detail).at("o:errorHeader", name))
        }
    };
    Ok(Checks {
        names: asked("x-netsuite-propertynamevalidation", false)?,
        values: asked("x-netsuite-propertyvaluevalidation", true)?,
    })
}

pub(crate) fn prefers(call: &Call, wish: &str) -> bool {
    let wishes = call.headers.iter().filter(|(name, _)| name == "prefer");
    wishes.flat_map(|(_, value)| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(wish))
}

fn accepts(call: &Call, kind: &str) -> bool {
    call.header("accept").is_some_and(|accept| accept.contains(kind))
}

pub(crate) fn no_type(kind: &str) -> Refusal {
    Refusal::new(404, "NONEXISTENT_ID", format!("Record type '{kind}' does not exist.")).at("o:errorUrl", kind)
}

fn not_allowed() -> Refusal {
    Refusal::new(405, "METHOD_NOT_ALLOWED", "The method is not allowed for the resource.")
}

fn items(lines: &[Json]) -> Json {
    obj! {
        "links" => list![], "count" => lines.len(), "hasMore" => false, "items" => Json::List(lines.to_vec()), "offset" => 0,
        "totalResults" => lines.len(),
    }
}

impl State {
    /// Answers a request; what a refused one had changed is undone.
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        self.run_jobs();
        let parts = call.parts();
        let rest = match parts.as_slice() {
            ["services", "rest", "auth", "oauth2", "v1", "token"] if call.method == "POST" => return self.token(call),
            ["services", "rest", rest @ ..] => rest,
            _ => return Refusal::new(404, "NONEXISTENT_ID", "The requested resource does not exist.").reply(),
        };
        self.count("requests");
        if let Err(refusal) = self.caller(call).and_then(|()| self.governed(call)) {
            self.count("refused");
            return refusal.reply();
        }
        let mark = self.store.mark();
        self.known(call, rest).unwrap_or_else(|refusal| {
            self.store.rollback(mark);
            self.count("refused");
            refusal.reply()
        })
    }

    /// The size of a request, and how many there may be in a minute.
    fn governed(&mut self, call: &Call) -> Result<(), Refusal> {
        if call.body.len() > LARGEST {
            return Err(Refusal::new(413, "INVALID_CONTENT", "The request is larger than 104 MB."));
        }
        let Some(most) = self.rules.per_minute else { return Ok(()) };
        let now = self.clock.millis();
        self.recent.retain(|at| *at > now - 60_000);
        if self.recent.len() >= most {
            let detail = "The maximum number of requests in a minute was exceeded. Request blocked.";
            return Err(Refusal::new(429, "USER_ERROR", detail));
        }
        self.recent.push(now);
        Ok(())
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
                &obj! {
                    "accountConcurrencyLimit" => self.rules.concurrency,
                    "accountUnallocatedConcurrencyLimit" => self.rules.concurrency,
                    "limitType" => "account",
                },
            )),
            ("GET", ["async", "v1", "job", id, rest @ ..]) => self.job(id, rest),
            ("GET", ["record", "v1", "metadata-catalog", rest @ ..]) => self.catalog(call, rest),
            (_, ["record", "v1", kind, rest @ ..]) => {
                let known = chart::kind(kind).ok_or_else(|| no_type(kind))?;
                if prefers(call, "respond-async") {
                    return self.in_background(call, known, rest);
                }
                self.on_record(call, known, rest)
            }
            _ => Err(Refusal::new(404, "NONEXISTENT_ID", "The requested resource does not exist.")),
        }
    }

    /// Names and properties of the record types.
    fn catalog(&self, call: &Call, rest: &[&str]) -> Answer {
        let own = |kind: &str| format!("{}/services/rest/record/v1/metadata-catalog/{kind}", self.base);
        let link = |kind: &str| list![obj! {"rel" => "canonical", "href" => own(kind)}];
        match rest {
            [] => {
                let chosen = call.param("select").map(|names| names.split(',').map(str::to_string).collect::<Vec<_>>());
                let kinds = chart::kinds().filter(|kind| {
                    chosen.as_ref().is_none_or(|names| names.iter().any(|name| name.eq_ignore_ascii_case(kind)))
                });
                let all: Vec<Json> = kinds.map(|kind| obj! {"name" => kind, "links" => link(kind)}).collect();
                Ok(Reply::json(200, &items(&all)))
            }
            [kind] => {
                let kind = chart::kind(kind).ok_or_else(|| no_type(kind))?;
                if kind == "billingRevenueEvent" && !self.rules.advanced_revenue {
                    return Err(no_type(kind));
                }
                let schema = obj! {
                    "$schema" => "http://json-schema.org/draft-06/hyper-schema#", "type" => "object",
                    "properties" => self.described(kind),
                };
                Ok(Reply::json(200, &schema).header("content-type", "application/schema+json"))
            }
            _ => Err(missing()),
        }
    }

    /// The properties of a record type or of a part of one, those of its sublists within, and the account's own fields.
    fn described(&self, part: &str) -> Json {
        let shape = |name: &str| match chart::shape(part, name) {
            chart::Shape::Number => obj! {"type" => "number", "format" => "double"},
            chart::Shape::Flag => obj! {"type" => "boolean"},
            chart::Shape::Date => obj! {"type" => "string", "format" => "date"},
            chart::Shape::Reference | chart::Shape::Enumeration => obj! {"type" => "object"},
            chart::Shape::Text | chart::Shape::Any => {
                let inner = format!("{part}.{name}");
                if !chart::is_part(&inner) {
                    return obj! {"type" => "string"};
                }
                let line = obj! {"type" => "object", "properties" => self.described(&inner)};
                obj! {"type" => "object", "properties" => obj! {"items" => obj! {"type" => "array", "items" => line}}}
            }
        };
        let shown = chart::properties(part).into_iter().filter(|name| !self.hides(name));
        let own = self.rules.custom_fields.iter().flatten().filter(|name| {
            let prefix = if part.contains('.') { "custcol" } else { "cust" };
            name.starts_with(prefix) && (part.contains('.') || !name.starts_with("custcol"))
        });
        let own = own.map(|name| (name.clone(), obj! {"type" => "string", "x-ns-custom-field" => true}));
        Json::Object(shown.map(|name| (name.to_string(), shape(name))).chain(own).collect())
    }

    pub(crate) fn made(&self, kind: &str, id: &str) -> Reply {
        Reply::empty(204).header("location", format!("{}/services/rest/record/v1/{kind}/{id}", self.base))
    }

    /// The internal id that a path means.
    fn meant(&self, kind: &str, id: &str) -> Result<String, Refusal> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(external) = id.strip_prefix("eid:").filter(|external| !external.chars().all(plain)) {
            let detail = format!("Invalid external ID '{external}': use letters, digits, '_' and '-'.");
            return Err(Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorUrl", id));
        }
        self.resolve(kind, id).ok_or_else(missing)
    }

    fn permitted(&self, kind: &str, writes: bool) -> Result<(), Refusal> {
        let denied = self.store.get("denied", kind).is_some() || (writes && chart::READ_ONLY.contains(&kind));
        if !denied {
            return Ok(());
        }
        let detail =
            format!("Permission Violation: You need a higher level of the '{kind}' permission to access this page.");
        Err(Refusal::new(403, "INSUFFICIENT_PERMISSION", detail))
    }

    /// A record opened as if for editing: a locked one cannot even be read.
    pub(crate) fn opened(&self, kind: &str, id: &str) -> Result<Json, Refusal> {
        let record = self.record(kind, id).ok_or_else(missing)?;
        if record.get("locked").is_some_and(Json::is_true) {
            return Err(Refusal::user("This record has been locked by a user defined workflow."));
        }
        Ok(record)
    }

    pub(crate) fn on_record(&mut self, call: &Call, kind: &'static str, rest: &[&str]) -> Answer {
        self.permitted(kind, call.method != "GET")?;
        let checks = checks(call)?;
        match (call.method.as_str(), rest) {
            ("GET", []) => self.collection(call, kind),
            ("POST", []) => {
                let mark = self.store.mark();
                let id = self.create(kind, &body(call)?, checks)?;
                if accepts(call, "create-form") {
                    return Ok(self.form(kind, &id, mark));
                }
                Ok(self.made(kind, &id))
            }
            ("GET", [id]) => {
                let id = self.meant(kind, id)?;
                let record = self.opened(kind, &id)?;
                self.count("records_read");
                Ok(Reply::json(200, &self.shown(call, kind, &record)).header("content-type", RESOURCE))
            }
            ("GET", [id, sublist, rest @ ..]) => self.sublist(&self.meant(kind, id)?, kind, sublist, rest),
            ("PUT", [id]) => {
                let Some(external) = id.strip_prefix("eid:") else {
                    return Err(Refusal::user("Upsert works only with an external ID."));
                };
                let body = body(call)?.with("externalId", external);
                match self.meant(kind, id) {
                    Ok(id) => {
                        self.opened(kind, &id)?;
                        self.update(kind, &id, &body, &|_| false, checks)?;
                        Ok(Reply::empty(204))
                    }
                    Err(refusal) if refusal.status == 404 => {
                        let id = self.create(kind, &body, checks)?;
                        Ok(self.made(kind, &id))
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            ("PATCH", [id]) => {
                let id = self.meant(kind, id)?;
                self.opened(kind, &id)?;
                let replaced: Vec<&str> = call.param("replace").unwrap_or_default().split(',').map(str::trim).collect();
                let all = call.param("replaceSelectedFields") == Some("true");
                let merge = |sublist: &str| !all && !replaced.iter().any(|name| name.eq_ignore_ascii_case(sublist));
                self.update(kind, &id, &body(call)?, &merge, checks)?;
                Ok(self.made(kind, &id))
            }
            ("DELETE", [id]) if kind != "revRecSchedule" => {
                let id = self.meant(kind, id)?;
                self.opened(kind, &id)?;
                self.delete(kind, &id)?;
                Ok(Reply::empty(204))
            }
            ("POST", [id, "!transform", to]) => {
                let id = self.meant(kind, id)?;
                let to = chart::kind(to).ok_or_else(|| no_type(to))?;
                let mark = self.store.mark();
                let made = self.transform((kind, &id), to, &body(call)?, checks)?;
                if accepts(call, "create-form") {
                    return Ok(self.form(to, &made, mark));
                }
                Ok(self.made(to, &made))
            }
            _ => Err(not_allowed()),
        }
    }

    /// What would be saved, with its defaults; nothing is.
    fn form(&mut self, kind: &str, id: &str, mark: usize) -> Reply {
        let mut record = self.record(kind, id).unwrap_or_default();
        self.store.rollback(mark);
        for name in ["id", "createdDate", "lastModifiedDate", "tranId"] {
            record.remove(name);
        }
        Reply::json(200, &record).header("content-type", "application/vnd.oracle.resource+json; type=create-form")
    }

    fn sublist(&self, id: &str, kind: &str, name: &str, rest: &[&str]) -> Answer {
        let record = self.opened(kind, id)?;
        let known = chart::SUBLISTS.iter().find(|known| known.eq_ignore_ascii_case(name)).ok_or_else(missing)?;
        let lines = record.list(known);
        match rest {
            [] => Ok(Reply::json(200, &items(lines)).header("content-type", COLLECTION)),
            [number] => {
                let line = lines.iter().find(|line| line.text("line") == *number).ok_or_else(missing)?;
                Ok(Reply::json(200, line).header("content-type", RESOURCE))
            }
            _ => Err(missing()),
        }
    }

    /// Only ids and links, as the vendor lists.
    fn collection(&self, call: &Call, kind: &str) -> Answer {
        let (limit, offset) = window(call)?;
        let criteria = call.param("q").map(|text| Criteria::read(text, &self.zone)).transpose()?;
        let own = |id: &str| format!("{}/services/rest/record/v1/{}/{id}", self.base, kind.to_lowercase());
        let expanded = call.param("expandRecords") == Some("true");
        let row = |id: &String| match self.record(kind, id).filter(|_| expanded) {
            Some(record) => self.shown(call, kind, &record),
            None => obj! {"links" => list![obj! {"rel" => "self", "href" => own(id)}], "id" => id},
        };
        let named = call.param("ids").map(|ids| ids.split(',').map(str::trim).collect::<Vec<_>>());
        let fits = |id: &String| {
            named.as_ref().is_none_or(|ids| ids.contains(&id.as_str()))
                && criteria.as_ref().is_none_or(|all| self.record(kind, id).is_some_and(|row| all.hold(&row)))
        };
        let whole = (criteria.is_none() && named.is_none()).then(|| self.how_many(kind));
        let (mut rows, mut met) = (Vec::new(), 0);
        for id in self.ids(kind).filter(fits) {
            if rows.len() == limit && whole.is_some() {
                break;
            }
            if met >= offset && rows.len() < limit {
                rows.push(row(&id));
            }
            met += 1;
        }
        let total = whole.unwrap_or(met);
        let more = offset + rows.len() < total;
        let answer = obj! {
            "links" => self.page_links(&format!("record/v1/{kind}"), (limit, offset), more), "count" => rows.len(),
            "hasMore" => more, "items" => rows, "offset" => offset, "totalResults" => total,
        };
        Ok(Reply::json(200, &answer).header("content-type", COLLECTION))
    }

    pub(crate) fn page_links(&self, path: &str, (limit, offset): (usize, usize), more: bool) -> Json {
        let own = |offset: usize| format!("{}/services/rest/{path}?limit={limit}&offset={offset}", self.base);
        let mut links = list![obj! {"rel" => "self", "href" => own(offset)}];
        if offset > 0 {
            links.push(obj! {"rel" => "first", "href" => own(0)});
            links.push(obj! {"rel" => "previous", "href" => own(offset.saturating_sub(limit))});
        }
        if more {
            links.push(obj! {"rel" => "next", "href" => own(offset + limit)});
        }
        links
    }

    fn shown(&self, call: &Call, kind: &str, record: &Json) -> Json {
        let expand = call.param("expandSubResources") == Some("true");
        let simple = call.param("simpleEnumFormat") == Some("true");
        let wanted: Vec<&str> =
            call.param("fields").unwrap_or_default().split(',').filter(|name| !name.is_empty()).collect();
        let own = format!("{}/services/rest/record/v1/{}/{}", self.base, kind.to_lowercase(), record.text("id"));
        let mut shown = obj! {"links" => list![obj! {"rel" => "self", "href" => &own}]};
        for (name, value) in record.members() {
            if name == "locked" || !(wanted.is_empty() || name == "id" || wanted.contains(&name.as_str())) {
                continue;
            }
            let value = match value {
                lines if chart::SUBLISTS.contains(&name.as_str()) && expand => items(lines.items()),
                _ if chart::SUBLISTS.contains(&name.as_str()) => {
                    obj! {"links" => list![obj! {"rel" => "self", "href" => format!("{own}/{name}")}]}
                }
                value if chart::ENUMS.contains(&name.as_str()) => {
                    if simple {
                        Json::from(value.text("id"))
                    } else {
                        value.clone()
                    }
                }
                value if value.has("id") && !name.starts_with("cust") => self.linked(name, value),
                value => value.clone(),
            };
            shown.set(name, value);
        }
        shown
    }

    /// A reference with its link.
    fn linked(&self, name: &str, value: &Json) -> Json {
        let kind = match name {
            "entity" | "parent" => "customer",
            "terms" => "term",
            "createdFrom" => "transaction",
            other => other,
        };
        let href = format!("{}/services/rest/record/v1/{}/{}", self.base, kind.to_lowercase(), value.text("id"));
        let mut linked = obj! {"links" => list![obj! {"rel" => "self", "href" => href}]};
        value.members().iter().for_each(|(name, value)| linked.set(name, value));
        linked
    }
}

/// `limit` (1 to 1000) and `offset` of a request.
pub(crate) fn window(call: &Call) -> Result<(usize, usize), Refusal> {
    let number = |name: &str, default: usize| match call.param(name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| {
            let detail = format!("The {name} query parameter must be a number.");
            Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorQueryParam", name)
        }),
    };
    let (limit, offset) = (number("limit", 1000)?, number("offset", 0)?);
    if limit == 0 || limit > 1000 {
        let detail = "The limit query parameter value must be between 1 and 1000.";
        return Err(Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorQueryParam", "limit"));
    }
    Ok((limit, offset))
}
