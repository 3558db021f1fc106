//! JQL: a parser of the part that integrations use, and its evaluation on what the index sees.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::fields::{self, STATUSES};
use super::show::Wanted;
use super::state::{Answer, State, problem};
use crate::call::{Call, Reply};
use crate::filter::{Expr, Reader, Token, compares};
use crate::json::{Json, list, obj};

const PAGE_LIFE_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const TOKEN_BAD: &str = "The provided next page token is invalid or expired.";
const PAYLOAD_BAD: &str = "Invalid request payload. Refer to the REST API documentation and try again.";

struct Jql {
    filter: Expr,
    order: Vec<(String, bool)>,
}

fn parse(text: &str) -> Result<Jql, String> {
    let wrong = |error: String| format!("Error in the JQL Query: {error}. (line 1, character 1)");
    let unbounded = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.";
    let mut reader = Reader::new(text).map_err(wrong)?;
    if reader.done() || reader.peek().is_some_and(|token| token.is("ORDER")) {
        return Err(unbounded.to_string());
    }
    let filter = reader.expr().map_err(wrong)?;
    let mut order = Vec::new();
    if reader.skip("ORDER") {
        reader.expect("BY").map_err(wrong)?;
        loop {
            let field = reader.take().map_err(wrong)?.text().to_string();
            let down = reader.descending();
            order.push((field, down));
            if !reader.skip(",") {
                break;
            }
        }
    }
    if !reader.done() {
        return Err(wrong(format!("Expecting operator but got '{}'", reader.take().map_err(wrong)?.text())));
    }
    Ok(Jql { filter, order })
}

impl State {
    /// A moment in JQL: epoch milliseconds unquoted, a minute in the caller's zone quoted, or a period before now.
    fn moment(&self, field: &str, token: &Token) -> Result<i64, String> {
        let text = token.text().trim();
        let invalid = || {
            format!(
                "Date value '{text}' for field '{field}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd \
                 HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
            )
        };
        if let (Token::Word(_), Ok(millis)) = (token, text.parse::<i64>()) {
            return Ok(millis);
        }
        if text.eq_ignore_ascii_case("now()") {
            return Ok(self.clock.millis());
        }
        if let Some(period) = text.strip_prefix('-') {
            let (count, unit) = period.split_at(period.len().saturating_sub(1));
            let count: i64 = count.parse().map_err(|_| invalid())?;
            let unit = match unit {
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 7 * 86_400_000,
                _ => return Err(invalid()),
            };
            return Ok(self.clock.millis() - count * unit);
        }
        let text = text.replace('/', "-");
        let civil = match text.len() {
            10 => format!("{text}T00:00:00"),
            16 => format!("{}:00", text.replacen(' ', "T", 1)),
            _ => return Err(invalid()),
        };
        let civil: DateTime = civil.parse().map_err(|_| invalid())?;
        let zoned = civil.to_zoned(self.zone.clone()).map_err(|_| invalid())?;
        Ok(zoned.timestamp().as_millisecond())
    }

    fn test(&self, issue: &Json, field: &str, op: &str, values: &[Token]) -> Result<bool, String> {
        let mut any = false;
        let positive = match op {
            "in" | "=" | "~" => true,
            "not in" | "!=" | "!~" => false,
            _ => true,
        };
        for token in values {
            let wanted = token.text();
            let same = |value: &str| value.eq_ignore_ascii_case(wanted);
            any |= match field.to_ascii_lowercase().as_str() {
                "project" | "spacejira" => {
                    same(&issue.text("project")) || same(&format!("{} project", issue.text("project")))
                }
                "key" | "issuekey" | "issue" | "id" => {
                    same(&issue.text("id")) || self.issue_id(wanted) == Some(issue.text("id"))
                }
                "updated" | "updateddate" | "created" | "createddate" => {
                    let name = if field.to_ascii_lowercase().starts_with('u') { "updated" } else { "created" };
                    let order = issue.int(name).cmp(&self.moment(field, token)?);
                    return Ok(compares(op, order));
                }
                "status" => self.status_is(issue, |known| same(known.1) || same(known.0)),
                "statuscategory" => self.status_is(issue, |known| {
                    let name = match known.2 {
                        "new" => "To Do",
                        "done" => "Done",
                        _ => "In Progress",
                    };
                    same(known.2) || same(name)
                }),
                "issuetype" | "type" | "worktype" => same("Milestone") || same("10001"),
                "resolution" => {
                    let empty = issue.path("fields.resolution").is_none_or(Json::is_null);
                    if is_empty(wanted) || same("unresolved") { empty } else { !empty && same("Done") }
                }
                _ => match fields::by_clause(field) {
                    Some(known) => {
                        let value =
                            issue.get("fields").and_then(|fields| fields.get(known.id)).cloned().unwrap_or_default();
                        let shown = fields::display(known, &value);
                        match (&shown, op) {
                            (None, _) => is_empty(wanted),
                            (Some(_), _) if is_empty(wanted) => false,
                            (Some(text), "~" | "!~") => text.to_lowercase().contains(&wanted.to_lowercase()),
                            (Some(_), _) if !value.items().is_empty() => {
                                value.items().iter().any(|item| same(&item.text_of()) || same(&item.text("value")))
                            }
                            (Some(text), "<" | "<=" | ">" | ">=") => {
                                return Ok(compares(op, crate::json::decimal(text).cmp(&crate::json::decimal(wanted))));
                            }
                            (Some(text), _) => same(text),
                        }
                    }
                    None => {
                        return Err(format!(
                            "Field '{field}' does not exist or you do not have permission to view it."
                        ));
                    }
                },
            };
        }
        Ok(any == positive)
    }

    fn status_is(&self, issue: &Json, fits: impl Fn(&(&str, &str, &str, &str)) -> bool) -> bool {
        let status = issue.text("fields.status");
        STATUSES.iter().find(|known| known.0 == status).is_some_and(fits)
    }

    /// The issues that a query finds, as the index sees them; those of `reconcile` as they are.
    fn found(&self, text: &str, reconcile: &[String]) -> Result<Vec<Json>, String> {
        let jql = parse(text)?;
        let mut problem = None;
        jql.filter.each(&mut |field, op, values| {
            if problem.is_none() {
                problem = self.test(&Json::object(), field, op, values).err();
            }
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        let mut rows = Vec::new();
        for (id, issue) in self.store.all("issues") {
            let seen =
                if reconcile.iter().any(|wanted| wanted == id) { Some(issue.clone()) } else { self.indexed(issue) };
            let Some(seen) = seen else { continue };
            if jql.filter.holds(&mut |field, op, values| self.test(&seen, field, op, values))? {
                rows.push(seen);
            }
        }
        let number =
            |row: &Json| row.text("key").rsplit('-').next().and_then(|n| n.parse::<i64>().ok()).unwrap_or_default();
        rows.sort_by(|a, b| {
            for (field, down) in &jql.order {
                let order = match field.to_ascii_lowercase().as_str() {
                    "updated" | "updateddate" => a.int("updated").cmp(&b.int("updated")),
                    "created" | "createddate" => a.int("created").cmp(&b.int("created")),
                    "key" | "issuekey" => (a.text("project"), number(a)).cmp(&(b.text("project"), number(b))),
                    "id" => a.int("id").cmp(&b.int("id")),
                    other => a.text(&format!("fields.{other}")).cmp(&b.text(&format!("fields.{other}"))),
                };
                if order.is_ne() {
                    return if *down { order.reverse() } else { order };
                }
            }
            b.int("id").cmp(&a.int("id"))
        });
        Ok(rows)
    }

    /// `search/jql` by GET or POST.
    pub(crate) fn search(&mut self, call: &Call, api: &str, anonymous: bool) -> Answer {
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
        if request.members().iter().any(|(name, _)| !KNOWN.contains(&name.as_str())) {
            return Err(problem_payload());
        }
        let size = if request.has("maxResults") { request.int("maxResults") } else { 50 };
        if !(1..=5000).contains(&size) {
            return Err(problem(400, "The max results parameter has to be between 1 and 5,000."));
        }
        if anonymous {
            return Ok(Reply::json(200, &obj! {"issues" => list![], "isLast" => true}));
        }
        let jql = request.text("jql");
        let names: Vec<String> = request.list("fields").iter().filter_map(Json::scalar).collect();
        let wanted =
            Wanted::new(names.iter().map(String::as_str).filter(|name| *name != "id" && *name != "key"), false);
        let rich = !wanted.none() || names.iter().any(|name| name == "key");
        // rows with fields come in smaller pages than asked for
        let size = if rich { size.min(100) } else { size };
        let size = usize::try_from(size).unwrap_or(50);
        let reconcile: Vec<String> = request.list("reconcileIssues").iter().filter_map(Json::scalar).collect();
        let expand = request.text("expand").contains("changelog");
        let token = request.text("nextPageToken");
        let (rows, page, from) = if token.is_empty() {
            (self.found(&jql, &reconcile).map_err(|error| problem(400, &error))?, None, 0)
        } else {
            self.resumed(&token, &jql).ok_or_else(|| problem(400, TOKEN_BAD))?
        };
        let shown: Vec<Json> =
            rows.iter().skip(from).take(size).map(|issue| self.found_row(issue, &wanted, rich, expand, api)).collect();
        let to = from + shown.len();
        let mut answer = obj! {"issues" => shown};
        if to < rows.len() {
            let page = page.unwrap_or_else(|| self.keep_page(&jql, &rows));
            answer.set("nextPageToken", format!("{page}.{to}"));
        }
        answer.set("isLast", to >= rows.len());
        Ok(Reply::json(200, &answer))
    }

    fn found_row(&self, issue: &Json, wanted: &Wanted, rich: bool, expand: bool, api: &str) -> Json {
        if !rich {
            return obj! {"id" => issue.text("id")};
        }
        let mut shown = self.shown(issue, wanted, api);
        if wanted.none() {
            shown.remove("fields");
        }
        if expand {
            shown.set("changelog", self.embedded(issue));
        }
        shown
    }

    fn keep_page(&mut self, jql: &str, rows: &[Json]) -> String {
        self.store.purge("pages", self.clock.millis());
        let page = format!("CAEaAggB{:08}", self.store.next("page", 1));
        let ids = Json::List(rows.iter().map(|row| Json::from(row.text("id"))).collect());
        let kept = obj! {"jql" => jql, "ids" => ids, "until" => self.clock.millis() + PAGE_LIFE_MS};
        self.store.put("pages", &page, kept);
        page
    }

    /// The rows of a query that is being walked: its ids were fixed on the first page, their content is of now.
    fn resumed(&self, token: &str, jql: &str) -> Option<(Vec<Json>, Option<String>, usize)> {
        let (page, from) = token.split_once('.')?;
        let kept = self.store.get("pages", page)?;
        if kept.text("jql") != jql || kept.int("until") <= self.clock.millis() {
            return None;
        }
        let rows = kept.list("ids").iter().map(|id| {
            let issue = self.store.get("issues", &id.text_of());
            issue.and_then(|issue| self.indexed(issue)).unwrap_or_else(|| obj! {"id" => id.text_of()})
        });
        Some((rows.collect(), Some(page.to_string()), from.parse().ok()?))
    }

    pub(crate) fn approximate(&self, call: &Call) -> Answer {
        let request = call.json().map_err(|_| problem_payload())?;
        let rows = self.found(&request.text("jql"), &[]).map_err(|error| problem(400, &error))?;
        Ok(Reply::json(200, &obj! {"count" => rows.len()}))
    }

    pub(crate) fn parse_many(&self, call: &Call) -> Answer {
        let request = call.json().map_err(|_| problem_payload())?;
        let row = |query: &Json| {
            let text = query.text_of();
            match self.found(&text, &[]) {
                Ok(_) => obj! {"query" => text, "structure" => Json::object()},
                Err(error) => obj! {"query" => text, "errors" => list![error]},
            }
        };
        Ok(Reply::json(200, &obj! {"queries" => Json::List(request.list("queries").iter().map(row).collect())}))
    }

    /// Sets the zone of the caller's profile.
    pub(crate) fn set_zone(&mut self, name: &str) -> bool {
        match jiff::tz::TimeZone::get(name) {
            Ok(zone) => {
                self.zone = zone;
                true
            }
            Err(_) => false,
        }
    }
}

fn is_empty(word: &str) -> bool {
    word.eq_ignore_ascii_case("empty") || word.eq_ignore_ascii_case("null")
}

fn problem_payload() -> Reply {
    Reply::json(400, &obj! {"errorMessages" => list![PAYLOAD_BAD]})
}

fn from_query(call: &Call) -> Json {
    let mut request = Json::object();
    for (name, value) in &call.query {
        match name.as_str() {
            "fields" | "properties" | "reconcileIssues" => {
                let mut known = request.remove(name).unwrap_or_else(|| list![]);
                value.split(',').for_each(|part| known.push(part));
                request.set(name, known);
            }
            _ => request.set(name, value.as_str()),
        }
    }
    request
}

/// The present as the vendor writes it in a rate limit answer.
pub(crate) fn reset_at(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%MZ").to_string()
}
