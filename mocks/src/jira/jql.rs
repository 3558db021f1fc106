//! JQL: the part that integrations use, and what it finds.

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use jiff::civil::DateTime;

use super::fields::{self, STATUSES};
use super::state::State;
use crate::filter::{Expr, Reader, Token, compares};
use crate::json::Json;

/// A parsed query.
pub(crate) struct Jql {
    filter: Option<Expr>,
    order: Vec<(String, bool)>,
}

/// A condition whose moments are known.
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    /// Field of the issue as it is kept, sign, epoch milliseconds.
    Time(String, String, i64),
    Other(String, String, Vec<Token>),
    /// Nothing passes: the query means something that is not there.
    Never,
}

/// One part of what rows are ordered by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
}

const UNBOUNDED: &str = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.";

pub(crate) fn parse(text: &str, server: bool) -> Result<Jql, String> {
    let wrong = |error: String| format!("Error in the JQL Query: {error}. (line 1, character 1)");
    let mut reader = Reader::new(text).map_err(wrong)?;
    let unbounded = reader.done() || reader.peek().is_some_and(|token| token.is("ORDER"));
    if unbounded && !server {
        return Err(UNBOUNDED.to_string());
    }
    let keyword =
        |word: &str| ["was", "changed", "in", "is", "not"].iter().any(|known| word.eq_ignore_ascii_case(known));
    let plain = |word: &str| word.chars().all(|c| c.is_alphanumeric() || c == '-') && !keyword(word);
    let bare = text.split_whitespace().all(plain);
    if bare && !unbounded {
        // words alone are a search for text, which finds nothing here
        return Ok(Jql { filter: None, order: Vec::new() });
    }
    let filter = if unbounded { Expr::And(Vec::new()) } else { reader.expr().map_err(wrong)? };
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
    if order.len() > 7 {
        return Err("Error in the JQL Query: The maximum number of fields in the ORDER BY clause is 7.".to_string());
    }
    if !reader.done() {
        return Err(wrong(format!("Expecting operator but got '{}'", reader.take().map_err(wrong)?.text())));
    }
    Ok(Jql { filter: Some(filter), order })
}

/// The name of a time of an issue as it is kept.
fn time_of(field: &str) -> Option<&'static str> {
    match field.to_ascii_lowercase().as_str() {
        "updated" | "updateddate" => Some("updated"),
        "created" | "createddate" => Some("created"),
        "statuscategorychangeddate" => Some("moved"),
        "resolved" | "resolutiondate" => Some("fields.resolutiondate"),
        _ => None,
    }
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
        let now = self.clock.now();
        if let Some((name, argument)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            let today = now.to_zoned(self.caller.zone.clone()).date();
            let day = match name.to_ascii_lowercase().as_str() {
                "now" => return Ok(now.as_millisecond()),
                "startofday" => Ok(today),
                "endofday" => today.checked_add(1.day()),
                "startofweek" => today.checked_sub(i64::from(today.weekday().to_sunday_zero_offset()).days()),
                "startofmonth" => Ok(today.first_of_month()),
                "startofyear" => Ok(today.first_of_year()),
                _ => return Err(format!("Unable to find JQL function '{name}({argument})'.")),
            };
            let start = day.and_then(|day| day.to_zoned(self.caller.zone.clone())).map_err(|_| invalid())?;
            let shift = if argument.is_empty() { 0 } else { period(argument).ok_or_else(invalid)? };
            return Ok(start.timestamp().as_millisecond() + shift);
        }
        if let Some(shift) = period(text) {
            // periods are cut to the minute
            return Ok((now.as_millisecond() + shift).div_euclid(60_000) * 60_000);
        }
        let text = text.replace('/', "-");
        let civil = match text.len() {
            10 => format!("{text}T00:00:00"),
            16 => format!("{}:00", text.replacen(' ', "T", 1)),
            _ => return Err(invalid()),
        };
        let civil: DateTime = civil.parse().map_err(|_| invalid())?;
        let zoned = civil.to_zoned(self.caller.zone.clone()).map_err(|_| invalid())?;
        Ok(zoned.timestamp().as_millisecond())
    }

    /// Understands the fields, projects and dates of a query. What is unknown is an error, or finds nothing, as the site is
    /// set.
    fn understood(&self, expr: &Expr) -> Result<Test, String> {
        let each = |parts: &[Expr]| parts.iter().map(|part| self.understood(part)).collect::<Result<Vec<_>, _>>();
        Ok(match expr {
            Expr::And(parts) => Test::All(each(parts)?),
            Expr::Or(parts) => Test::Any(each(parts)?),
            Expr::Not(part) => Test::Not(Box::new(self.understood(part)?)),
            Expr::Test { field, op, values } => match (time_of(field), values.as_slice()) {
                (Some(name), [value]) if !is_empty(value.text()) => {
                    Test::Time(name.to_string(), op.clone(), self.moment(field, value)?)
                }
                _ => {
                    self.known(field, values)?;
                    Test::Other(field.to_ascii_lowercase(), op.clone(), values.clone())
                }
            },
        })
    }

    fn known(&self, field: &str, values: &[Token]) -> Result<(), String> {
        const OTHERS: [&str; 12] = [
            "key",
            "issuekey",
            "issue",
            "id",
            "statuscategory",
            "type",
            "worktype",
            "spacejira",
            "parent",
            "text",
            "resolved",
            "statuscategorychangeddate",
        ];
        let name = field.to_ascii_lowercase();
        if name == "project" || name == "spacejira" {
            for value in values {
                if !self.store.all("projects").any(|(_, project)| is_called(project, value.text())) {
                    return Err(format!("The value '{}' does not exist for the field 'project'.", value.text()));
                }
            }
            return Ok(());
        }
        let property = name.starts_with("issue.property");
        if property
            || OTHERS.contains(&name.as_str())
            || time_of(&name).is_some()
            || fields::by_clause(&self.fields, field).is_some()
        {
            return Ok(());
        }
        Err(format!("Field '{field}' does not exist or you do not have permission to view it."))
    }

    fn holds(&self, test: &Test, issue: &Json) -> bool {
        match test {
            Test::All(parts) => parts.iter().all(|part| self.holds(part, issue)),
            Test::Any(parts) => parts.iter().any(|part| self.holds(part, issue)),
            Test::Not(part) => !self.holds(part, issue),
            Test::Never => false,
            Test::Time(name, op, at) => {
                let value = issue.path(name).filter(|value| !value.is_null());
                value.is_some_and(|value| compares(op, value.text_of().parse::<i64>().unwrap_or_default().cmp(at)))
            }
            Test::Other(field, op, values) => {
                let negative = ["not in", "!=", "!~"].contains(&op.as_str());
                values.iter().any(|value| self.is(issue, field, op, value)) != negative
            }
        }
    }

    fn is(&self, issue: &Json, field: &str, op: &str, token: &Token) -> bool {
        let wanted = token.text();
        let same = |value: &str| value.eq_ignore_ascii_case(wanted);
        match field {
            "project" | "spacejira" => {
                let project = issue.text("project");
                same(&project) || self.store.get("projects", &project).is_some_and(|project| is_called(project, wanted))
            }
            "key" | "issuekey" | "issue" | "id" => {
                let (id, key) = (issue.int("id"), issue.text("key"));
                match (op, wanted.parse::<i64>()) {
                    ("<" | "<=" | ">" | ">=", Ok(number)) => compares(op, id.cmp(&number)),
                    _ => wanted == id.to_string() || same(&key) || self.issue_id(wanted) == Some(id.to_string()),
                }
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
            "priority" => same("Medium") || same("3"),
            "parent" => is_empty(wanted),
            "text" => issue.text("fields.summary").to_lowercase().contains(&wanted.to_lowercase()),
            "resolution" => {
                let empty = issue.path("fields.resolution").is_none_or(Json::is_null);
                if is_empty(wanted) || same("unresolved") { empty } else { !empty && (same("Done") || same("10000")) }
            }
            "assignee" | "reporter" => {
                let person = issue.path(&format!("fields.{field}")).filter(|person| !person.is_null());
                let own = same("currentUser()");
                person.map_or(is_empty(wanted), |person| {
                    let account = person.text("accountId");
                    (own && account == self.caller.account()) || same(&account) || same(&person.text("displayName"))
                })
            }
            name if name.starts_with("issue.property") => self.property_is(issue, field, wanted),
            _ => self.value_is(issue, field, op, wanted),
        }
    }

    /// `issue.property[key].path = value`
    fn property_is(&self, issue: &Json, field: &str, wanted: &str) -> bool {
        let inner = field.trim_start_matches("issue.property[");
        let Some((key, path)) = inner.split_once(']') else { return false };
        let value = self.store.get(&format!("props:{}", issue.text("id")), key);
        value.is_some_and(|value| value.text(path.trim_start_matches('.')).eq_ignore_ascii_case(wanted))
    }

    fn value_is(&self, issue: &Json, field: &str, op: &str, wanted: &str) -> bool {
        let Some(known) = fields::by_clause(&self.fields, field) else { return false };
        let same = |value: &str| value.eq_ignore_ascii_case(wanted);
        let value = issue.get("fields").and_then(|fields| fields.get(&known.id)).unwrap_or(&Json::Null);
        let Some(text) = fields::display(known, value) else { return is_empty(wanted) };
        match op {
            _ if is_empty(wanted) => false,
            "~" | "!~" => text.to_lowercase().contains(&wanted.to_lowercase()),
            "<" | "<=" | ">" | ">=" if known.kind == "date" => compares(op, text.as_str().cmp(wanted)),
            "<" | "<=" | ">" | ">=" => compares(op, crate::json::decimal(&text).cmp(&crate::json::decimal(wanted))),
            _ if !value.items().is_empty() => value.items().iter().any(|item| {
                same(&item.text_of()) || same(&item.text("value")) || same(&item.text("name")) || same(&item.text("id"))
            }),
            _ if known.kind == "number" => crate::json::decimal(&text) == crate::json::decimal(wanted),
            _ => same(&text) || same(&value.text("id")) || same(&value.text("accountId")),
        }
    }

    fn status_is(&self, issue: &Json, fits: impl Fn(&(&str, &str, &str, &str)) -> bool) -> bool {
        let status = issue.path("fields.status").and_then(Json::as_str).unwrap_or_default();
        STATUSES.iter().find(|known| known.0 == status).is_some_and(fits)
    }

    fn test_of(&self, jql: &Jql) -> Result<Test, String> {
        match jql.filter.as_ref().map(|filter| self.understood(filter)) {
            None => Ok(Test::Never),
            Some(Err(_)) if self.settings.lenient_jql => Ok(Test::Never),
            Some(understood) => understood,
        }
    }

    /// What is wrong with a query.
    pub(crate) fn check_jql(&self, text: &str) -> Result<(), String> {
        parse(text, self.is_server())
            .and_then(|jql| jql.filter.map_or(Ok(()), |filter| self.understood(&filter).map(drop)))
    }

    /// True if an issue passes the conditions of a query.
    pub(crate) fn passes(&self, text: &str, issue: &Json) -> Result<bool, String> {
        let jql = parse(text, true)?;
        Ok(self.holds(&self.test_of(&jql)?, issue))
    }

    /// The numbers of the issues that a query finds, as the index sees them; those of `reconcile` as they are.
    pub(crate) fn found(&self, text: &str, reconcile: &[String]) -> Result<Vec<u64>, String> {
        let jql = parse(text, self.is_server())?;
        let test = self.test_of(&jql)?;
        let archived = |issue: &Json| {
            let project = self.store.get("projects", &issue.text("project"));
            issue.has("archived") || project.is_some_and(|kept| kept.text("status") == "archived")
        };
        let wanted = |issue: &Json| !archived(issue) && self.may_see(issue) && self.holds(&test, issue);
        let range = end(&test, true).unwrap_or(i64::MIN)..=end(&test, false).unwrap_or(i64::MAX);
        let lagging = self.store.count("index") > 0 || self.store.count("unseen") > 0;
        let mut rows: Vec<(Vec<Key>, u64)> = Vec::new();
        let mut take = |issue: &Json| rows.push((self.keys(&jql.order, issue), issue.int("id").unsigned_abs()));
        for issue in self.by_change_in_part(range, &self.looked_at(&jql, &test)) {
            if (!lagging || !self.is_late(&issue.text("id"), reconcile)) && wanted(&issue) {
                take(&issue);
            }
        }
        if lagging {
            for (id, _) in self.store.all("index").filter(|(id, _)| self.is_late(id, reconcile)) {
                if let Some(seen) = self.indexed(id).filter(|seen| wanted(seen)) {
                    take(&seen);
                }
            }
        }
        let down: Vec<bool> = jql.order.iter().map(|(_, down)| *down).collect();
        rows.sort_by(|(a, x), (b, y)| {
            let orders = a.iter().zip(b).zip(&down).map(|((a, b), down)| if *down { b.cmp(a) } else { a.cmp(b) });
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(y.cmp(x))
        });
        Ok(rows.into_iter().map(|(_, id)| id).collect())
    }

    /// Ids of the fields that a query looks at.
    fn looked_at(&self, jql: &Jql, test: &Test) -> BTreeSet<String> {
        fn each<'a>(test: &'a Test, names: &mut Vec<&'a str>) {
            match test {
                Test::All(parts) | Test::Any(parts) => parts.iter().for_each(|part| each(part, names)),
                Test::Not(part) => each(part, names),
                Test::Time(name, ..) => names.push(name.trim_start_matches("fields.")),
                Test::Other(name, ..) => names.push(name),
                Test::Never => {}
            }
        }
        let mut names: Vec<&str> = vec!["summary", "status", "resolution", "resolutiondate"];
        each(test, &mut names);
        names.extend(jql.order.iter().map(|(name, _)| name.as_str()));
        names.iter().filter_map(|name| Some(fields::by_clause(&self.fields, name)?.id.clone())).collect()
    }

    /// True if search sees an issue otherwise than it is.
    fn is_late(&self, id: &str, reconcile: &[String]) -> bool {
        if reconcile.iter().any(|wanted| wanted == id) {
            return false;
        }
        let now = self.clock.millis();
        let behind =
            self.store.get("index", id).and_then(|seen| seen.items().last()).is_some_and(|last| last.int("at") > now);
        behind || self.store.get("unseen", id).is_some_and(|kept| kept.int("until") > now)
    }

    /// An issue as search sees it.
    pub(crate) fn indexed(&self, id: &str) -> Option<Json> {
        let now = self.clock.millis();
        if self.store.get("unseen", id).is_some_and(|kept| kept.int("until") > now) {
            return None;
        }
        match self.store.get("index", id) {
            Some(seen) => {
                seen.items().iter().rfind(|entry| entry.int("at") <= now).and_then(|entry| entry.get("issue").cloned())
            }
            None => self.by_number(id).map(std::borrow::Cow::into_owned),
        }
    }

    /// Unknown fields are ignored.
    fn keys(&self, order: &[(String, bool)], issue: &Json) -> Vec<Key> {
        let number = |key: &str| key.rsplit('-').next().and_then(|n| n.parse::<i64>().ok()).unwrap_or_default();
        let key = |(field, _): &(String, bool)| match (time_of(field), field.to_ascii_lowercase().as_str()) {
            (Some(name), _) => Key::Number(issue.int(name)),
            (_, "id") => Key::Number(issue.int("id")),
            (_, "key" | "issuekey") => {
                Key::Text(format!("{}-{:012}", issue.text("project"), number(&issue.text("key"))))
            }
            (_, other) => {
                let known = fields::by_clause(&self.fields, other);
                let value = known.and_then(|known| issue.get("fields")?.get(&known.id).map(|value| (known, value)));
                match value {
                    Some((known, value)) if known.kind == "number" => {
                        let number = value.number().unwrap_or_default() * rust_decimal::Decimal::ONE_THOUSAND;
                        Key::Number(number.try_into().unwrap_or_default())
                    }
                    Some((known, value)) => Key::Text(fields::display(known, value).unwrap_or_default().to_lowercase()),
                    None => Key::Number(0),
                }
            }
        };
        order.iter().map(key).collect()
    }
}

fn is_called(project: &Json, name: &str) -> bool {
    ["key", "name", "id"].iter().any(|field| project.text(field).eq_ignore_ascii_case(name))
}

/// Milliseconds of `-5d` or `4w 2d`.
fn period(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut sum = 0_i64;
    for part in text.split_whitespace() {
        let (count, unit) = part.split_at_checked(part.len().saturating_sub(1))?;
        let unit = match unit {
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(count.parse::<i64>().ok()?.checked_mul(unit)?)?;
    }
    (!text.is_empty()).then_some(sign * sum)
}

/// The least (or greatest) time of change that an issue can have and still pass.
fn end(test: &Test, least: bool) -> Option<i64> {
    match test {
        Test::All(parts) => {
            let ends = parts.iter().filter_map(|part| end(part, least));
            if least { ends.max() } else { ends.min() }
        }
        Test::Any(parts) => {
            let ends: Option<Vec<i64>> = parts.iter().map(|part| end(part, least)).collect();
            if least { ends?.into_iter().min() } else { ends?.into_iter().max() }
        }
        Test::Time(name, op, at) if name == "updated" => {
            let bounds = if least { [">", ">=", "="] } else { ["<", "<=", "="] };
            bounds.contains(&op.as_str()).then_some(*at)
        }
        _ => None,
    }
}

fn is_empty(word: &str) -> bool {
    word.eq_ignore_ascii_case("empty") || word.eq_ignore_ascii_case("null")
}
