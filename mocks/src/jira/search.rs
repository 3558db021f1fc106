//! The search calls: pages, tokens, counts, and the offset search of a Data Center.

use super::fields;
use super::show::Wanted;
use super::state::{Answer, State, problem};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

const TOKEN_BAD: &str = "The provided next page token is invalid or expired.";
const PAYLOAD_BAD: &str = "Invalid request payload. Refer to the REST API documentation and try again.";

/// A walk over the rows of a query, whose numbers were fixed on its first page.
pub(crate) struct Page {
    jql: String,
    account: String,
    ids: Vec<u64>,
    /// Epoch milliseconds.
    until: i64,
}

/// How rows are shown.
struct Rows {
    wanted: Wanted,
    /// More than ids.
    rich: bool,
    changelog: bool,
    properties: Vec<String>,
    /// Issues that are shown as they are, whatever the index says.
    reconciled: Vec<String>,
}

pub(crate) fn problem_payload() -> Reply {
    Reply::json(400, &obj! {"errorMessages" => list![PAYLOAD_BAD]})
}

/// The query string of a GET as the body of a POST.
fn from_query(call: &Call) -> Json {
    let mut request = Json::object();
    for (name, value) in &call.query {
        match name.as_str() {
            "fields" | "properties" | "reconcileIssues" => {
                let mut known = request.remove(name).unwrap_or_else(|| list![]);
                value.split(',').filter(|part| !part.is_empty()).for_each(|part| known.push(part.trim()));
                request.set(name, known);
            }
            "_" => {}
            _ => request.set(name, value.as_str()),
        }
    }
    request
}

fn texts(request: &Json, name: &str) -> Vec<String> {
    request.list(name).iter().filter_map(Json::scalar).collect()
}

impl State {
    /// `search/jql` by GET or POST.
    pub(crate) fn search(&mut self, call: &Call, api: &str) -> Answer {
        let request =
            if call.method == "GET" { from_query(call) } else { call.json().map_err(|_| problem_payload())? };
        const KNOWN: [&str; 9] = [
            "jql",
            "nextPageToken",
            "maxResults",
            "fields",
            "expand",
            "properties",
            "fieldsByKeys",
            "failFast",
            "reconcileIssues",
        ];
        let unknown = request.members().iter().any(|(name, _)| !KNOWN.contains(&name.as_str()));
        // expand is a text with commas here, and a list nowhere but in the bulk fetch
        if unknown || !request.list("expand").is_empty() {
            return Err(problem_payload());
        }
        let size = if request.has("maxResults") { request.int("maxResults") } else { 50 };
        if !(1..=5000).contains(&size) {
            return Err(problem(400, "The max results parameter has to be between 1 and 5,000."));
        }
        let jql = request.text("jql");
        super::jql::parse(&jql, false).map_err(|error| problem(400, &error))?;
        if self.caller.is_anonymous() {
            return Ok(Reply::json(200, &obj! {"issues" => list![], "isLast" => true}));
        }
        let reconcile = texts(&request, "reconcileIssues");
        let properties = texts(&request, "properties");
        if reconcile.len() > 50 || properties.len() > 5 {
            return Err(problem(400, "At most 50 issues can be reconciled and 5 properties be shown."));
        }
        if reconcile.iter().any(|id| self.issue(id).is_err()) {
            return Err(problem(400, "All issues of reconcileIssues must exist."));
        }
        let names = texts(&request, "fields");
        let wanted =
            Wanted::new(names.iter().map(String::as_str).filter(|name| *name != "id" && *name != "key"), false);
        let rich = !wanted.none() || names.iter().any(|name| name == "key");
        let expand = request.text("expand");
        // rows with fields come in smaller pages than asked for
        let size = usize::try_from(size).unwrap_or(50);
        let size = if rich { size.min(self.settings.page_size.max(1)) } else { size };
        let changelog = expand.contains("changelog");
        let rows = Rows { wanted, rich, changelog, properties, reconciled: reconcile.clone() };
        let token = request.text("nextPageToken");
        self.purge_pages();
        let mut answer = self.walk((&jql, &token), &reconcile, size, |state, id| state.found_row(id, &rows, api))?;
        self.name_fields(&mut answer, &expand);
        Ok(Reply::json(200, &answer))
    }

    fn purge_pages(&mut self) {
        let now = self.clock.millis();
        self.pages.retain(|_, page| page.until > now);
        // walks that were given up
        while self.pages.len() > 64 {
            let oldest = self.pages.iter().min_by_key(|(_, page)| page.until).map(|(name, _)| name.clone());
            self.pages.remove(&oldest.unwrap_or_default());
        }
        let late: Vec<String> = self
            .store
            .all("index")
            .filter(|(_, seen)| seen.items().last().is_none_or(|last| last.int("at") <= now))
            .map(|(id, _)| id.to_string())
            .collect();
        for id in late {
            self.store.remove("index", &id);
        }
    }

    /// One page of a walk, from its token or from the start.
    fn walk(
        &mut self,
        (jql, token): (&str, &str),
        reconcile: &[String],
        size: usize,
        show: impl Fn(&State, u64) -> Json,
    ) -> Result<Json, Reply> {
        let account = self.caller.account();
        let (name, from) = if token.is_empty() {
            let ids = self.found(jql, reconcile).map_err(|error| problem(400, &error))?;
            self.traces += 1;
            let name = format!("CAEaAggB{:x}{:04}", self.clock.millis(), self.traces);
            let until = self.clock.millis() + self.settings.page_token_ms;
            self.pages.insert(name.clone(), Page { jql: jql.to_string(), account, ids, until });
            (name, 0)
        } else {
            let dead = || problem(400, TOKEN_BAD);
            let (name, from) = token.split_once('.').ok_or_else(dead)?;
            let page = self.pages.get(name).filter(|page| page.jql == jql && page.account == account);
            page.ok_or_else(dead)?;
            (name.to_string(), from.parse().map_err(|_| dead())?)
        };
        let quirk = self.quirk.take();
        let ids = self.pages.get(&name).map_or(&[][..], |page| page.ids.as_slice());
        let size = if quirk.as_deref() == Some("empty_page") { 0 } else { size };
        let shown: Vec<Json> = ids.iter().skip(from).take(size).map(|id| show(self, *id)).collect();
        let (to, all) = (from + shown.len(), ids.len());
        self.cost += u64::try_from(shown.len()).unwrap_or_default();
        let mut answer = obj! {"issues" => shown};
        if to < all {
            let repeated = quirk.as_deref() == Some("repeat_token") && !token.is_empty();
            answer.set("nextPageToken", if repeated { token.to_string() } else { format!("{name}.{to}") });
        } else {
            self.pages.remove(&name);
        }
        answer.set("isLast", to >= all);
        Ok(answer)
    }

    /// A row as the index sees it; an issue that went meanwhile is an id and no more.
    fn found_row(&self, id: u64, rows: &Rows, api: &str) -> Json {
        let id = id.to_string();
        if !rows.rich && rows.properties.is_empty() && !rows.changelog {
            return obj! {"id" => id};
        }
        let seen = if rows.reconciled.contains(&id) { None } else { self.indexed(&id) };
        let Some(issue) = seen.or_else(|| self.by_number(&id).map(std::borrow::Cow::into_owned)) else {
            return obj! {"id" => id};
        };
        let mut shown = self.shown(&issue, &rows.wanted, api);
        if rows.wanted.none() {
            shown.remove("fields");
        }
        if rows.changelog {
            shown.set("changelog", self.embedded(&issue, self.settings.embedded_histories_in_lists, false));
        }
        if !rows.properties.is_empty() {
            shown.set("properties", self.properties(&id, &rows.properties.join(",")));
        }
        shown
    }

    /// `names` and `schema`, where they are asked for.
    pub(crate) fn name_fields(&self, answer: &mut Json, expand: &str) {
        if expand.contains("names") {
            let names = self.fields.iter().map(|field| (field.id.clone(), Json::from(&field.name)));
            answer.set("names", Json::Object(names.collect()));
        }
        if expand.contains("schema") {
            let schemas = self.fields.iter().map(|field| (field.id.clone(), fields::schema(field)));
            answer.set("schema", Json::Object(schemas.collect()));
        }
    }

    /// The search of a Data Center: by offset, with a total.
    pub(crate) fn search_by_offset(&mut self, call: &Call) -> Answer {
        let request =
            if call.method == "GET" { from_query(call) } else { call.json().map_err(|_| problem_payload())? };
        let from = usize::try_from(request.int("startAt")).unwrap_or_default();
        let size = if request.has("maxResults") { request.int("maxResults") } else { 50 };
        let size = usize::try_from(size).unwrap_or_default().min(1000);
        let names = texts(&request, "fields");
        let expand = request.text("expand") + &texts(&request, "expand").join(",");
        let wanted = Wanted::new(names.iter().map(String::as_str), true);
        let changelog = expand.contains("changelog");
        let rows = Rows { wanted, rich: true, changelog, properties: Vec::new(), reconciled: Vec::new() };
        let ids = self.found(&request.text("jql"), &[]).map_err(|error| problem(400, &error))?;
        let shown = ids.iter().skip(from).take(size).map(|id| self.found_row(*id, &rows, "2")).collect();
        let mut answer = obj! {
            "expand" => "schema,names", "startAt" => from, "maxResults" => size, "total" => ids.len(),
            "issues" => Json::List(shown),
        };
        self.name_fields(&mut answer, &expand);
        Ok(Reply::json(200, &answer))
    }

    pub(crate) fn approximate(&self, call: &Call) -> Answer {
        let request = call.json().map_err(|_| problem_payload())?;
        let rows = self.found(&request.text("jql"), &[]).map_err(|error| problem(400, &error))?;
        Ok(Reply::json(200, &obj! {"count" => rows.len()}))
    }

    /// What is wrong with queries, without running them.
    pub(crate) fn parse_many(&self, call: &Call) -> Answer {
        let request = call.json().map_err(|_| problem_payload())?;
        let strictness = call.param("validation").unwrap_or("strict");
        let row = |query: &Json| {
            let text = query.text_of();
            let wrong = match strictness {
                "none" => super::jql::parse(&text, false).map(drop),
                _ => self.check_jql(&text),
            };
            match wrong {
                Ok(()) => obj! {"query" => text, "structure" => Json::object()},
                Err(error) if strictness == "warn" => {
                    obj! {"query" => text, "structure" => Json::object(), "warnings" => list![error]}
                }
                Err(error) => obj! {"query" => text, "errors" => list![error]},
            }
        };
        Ok(Reply::json(200, &obj! {"queries" => Json::List(request.list("queries").iter().map(row).collect())}))
    }

    /// Which of these issues pass which queries; strongly consistent.
    pub(crate) fn match_many(&self, call: &Call) -> Answer {
        let request = call.json().map_err(|_| problem_payload())?;
        let issues: Vec<Json> = texts(&request, "issueIds").iter().filter_map(|id| self.issue(id).ok()).collect();
        let row = |query: &Json| {
            let (mut matched, mut errors) = (Vec::new(), Vec::new());
            for issue in &issues {
                match self.passes(&query.text_of(), issue) {
                    Ok(true) => matched.push(Json::from(issue.int("id"))),
                    Ok(false) => {}
                    Err(error) => errors = vec![Json::from(error)],
                }
            }
            obj! {"matchedIssues" => matched, "errors" => errors}
        };
        Ok(Reply::json(200, &obj! {"matches" => Json::List(request.list("jqls").iter().map(row).collect())}))
    }
}
