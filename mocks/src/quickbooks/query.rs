//! The query language, and change data capture.

use rusqlite::params_from_iter;
use rusqlite::types::{Value, ValueRef};

use super::chart;
use super::faults::{Fault, fault, reply};
use super::index::COLUMNS;
use super::state::State;
use crate::call::{Call, Reply};
use crate::filter::{Expr, Reader, Token};
use crate::json::{Json, list, obj};

struct Select {
    count: bool,
    name: String,
    entity: &'static str,
    filter: Option<Expr>,
    order: Vec<(String, bool)>,
    start: usize,
    size: usize,
}

/// An id as it is remembered: a number, but for the few that are words.
#[derive(Debug)]
pub(crate) enum Key {
    Number(i64),
    Word(Box<str>),
}

impl Key {
    fn read(value: ValueRef<'_>) -> rusqlite::Result<Key> {
        Ok(match value {
            ValueRef::Integer(id) => Key::Number(id),
            other => Key::Word(other.as_str()?.into()),
        })
    }

    fn text(&self) -> String {
        match self {
            Key::Number(id) => id.to_string(),
            Key::Word(word) => word.to_string(),
        }
    }
}

/// The condition in SQL, with its values.
#[derive(Default)]
struct Condition {
    text: String,
    values: Vec<Value>,
}

pub(crate) fn parser(detail: impl std::fmt::Display) -> Fault {
    fault("4000", "Error parsing query", format!("QueryParserError: {detail}"))
}

fn invalid(detail: String) -> Fault {
    fault("4001", "Invalid query", format!("QueryValidationError: {detail}"))
}

fn broken(error: rusqlite::Error) -> Fault {
    Fault {
        status: 500,
        code: "10000",
        message: "An application error has occurred while processing your request",
        detail: error.to_string(),
        kind: "SystemFault",
    }
}

fn parse(text: &str) -> Result<Select, Fault> {
    let mut reader = Reader::new(text).map_err(parser)?;
    reader.expect("SELECT").map_err(parser)?;
    let mut count = false;
    while !reader.skip("FROM") {
        let token = reader.take().map_err(parser)?;
        count |= token.is("count");
    }
    let name = reader.take().map_err(parser)?.text().to_string();
    let single = ["CompanyInfo", "Preferences"].into_iter().find(|known| known.eq_ignore_ascii_case(&name));
    let entity = chart::entity(&name).or(single).ok_or_else(|| invalid(format!("entity {name} is not queryable")))?;
    let mut select = Select { count, name, entity, filter: None, order: Vec::new(), start: 1, size: 100 };
    if reader.skip("WHERE") {
        select.filter = Some(reader.expr().map_err(parser)?);
    }
    if reader.skip("ORDERBY") || reader.skip("ORDER") {
        reader.skip("BY");
        loop {
            let field = reader.take().map_err(parser)?.text().to_string();
            let down = reader.descending();
            select.order.push((field, down));
            if !reader.skip(",") {
                break;
            }
        }
    }
    loop {
        if reader.skip("STARTPOSITION") {
            let at = reader.number().map_err(parser)?;
            if at < 1 {
                return Err(invalid(format!("value {at} is too small. Min allowed value is 1")));
            }
            select.start = usize::try_from(at).unwrap_or(1);
        } else if reader.skip("MAXRESULTS") {
            let size = reader.number().map_err(parser)?;
            if size > 1000 {
                return Err(invalid(format!("value {size} is too large. Max allowed value is 1000")));
            }
            if size < 1 {
                return Err(invalid(format!("value {size} is too small. Min allowed value is 1")));
            }
            select.size = usize::try_from(size).unwrap_or(100);
        } else if reader.done() {
            return Ok(select);
        } else {
            let token = reader.take().map_err(parser)?;
            return Err(parser(format!("Encountered \" <STRING> \"{}\"", token.text())));
        }
    }
}

/// What the vendor lets filter, by entity. Of a transaction neither its note nor its links, custom fields or status.
fn filterable(entity: &str, column: &str) -> bool {
    let general = ["id", "active", "created", "updated"];
    let own: &[&str] = match entity {
        "Customer" | "Vendor" | "Employee" => {
            &["displayname", "companyname", "givenname", "familyname", "balance", "email", "fullname"]
        }
        chart::ATTACHABLE => &["attachedtype", "attachedto", "filename"],
        "Payment" => &["txndate", "customer", "total", "paymentref"],
        _ if chart::TRANSACTIONS.contains(&entity) => {
            &["docnumber", "txndate", "customer", "total", "duedate", "balance"]
        }
        _ => &["name", "type", "sku", "accounttype", "accountsubtype", "classification", "fullname"],
    };
    general.contains(&column) || own.contains(&column)
}

fn column(entity: &str, field: &str) -> Result<(&'static str, char), Fault> {
    let known = COLUMNS.iter().find(|(property, ..)| property.eq_ignore_ascii_case(field));
    match known {
        Some((_, column, kind)) if filterable(entity, column) => Ok((column, *kind)),
        _ => Err(invalid(format!("Property {field} not found for Entity {entity}, or it is not queryable"))),
    }
}

impl State {
    fn condition(&self, entity: &str, filter: &Expr, out: &mut Condition) -> Result<(), Fault> {
        match filter {
            Expr::Or(_) => Err(parser("Encountered \" <OR> \"OR\"")),
            Expr::Not(_) => Err(parser("Encountered \" <NOT> \"NOT\"")),
            Expr::And(all) => all.iter().try_for_each(|part| self.condition(entity, part, out)),
            Expr::Test { field, op, values } => {
                let (column, kind) = column(entity, field)?;
                if !["=", "<", ">", "<=", ">=", "in", "like"].contains(&op.as_str()) {
                    return Err(parser(format!("Encountered \" <OPERATOR> \"{op}\"")));
                }
                // a pattern has no sign but the percent: an underscore stands for itself
                let escaped = |value: &Token| Token::Quoted(value.text().replace('_', "__"));
                let values: Vec<Token> =
                    if op == "like" { values.iter().map(escaped).collect() } else { values.clone() };
                let values =
                    values.iter().map(|value| self.operand(field, kind, value)).collect::<Result<Vec<_>, _>>()?;
                let marks = vec!["?"; values.len()].join(",");
                let test = match op.as_str() {
                    "in" => format!(" AND {column} IN ({marks})"),
                    "like" => format!(" AND {column} LIKE ? ESCAPE '_'"),
                    op => format!(" AND {column} {op} ?"),
                };
                out.text.push_str(&test);
                out.values.extend(values);
                Ok(())
            }
        }
    }

    fn operand(&self, field: &str, kind: char, value: &Token) -> Result<Value, Fault> {
        let text = value.text();
        let wrong = || invalid(format!("Invalid value {text} for property {field}"));
        Ok(match kind {
            't' => Value::Integer(self.time_of(text).ok_or_else(wrong)?.as_millisecond()),
            'f' => Value::Integer(i64::from(text.eq_ignore_ascii_case("true"))),
            _ => Value::Text(text.to_string()),
        })
    }

    fn condition_of(&self, select: &Select) -> Result<Condition, Fault> {
        let mut condition =
            Condition { text: "kind = ?".to_string(), values: vec![Value::Text(select.entity.to_string())] };
        let mut asks_active = false;
        if let Some(filter) = &select.filter {
            self.condition(select.entity, filter, &mut condition)?;
            filter.each(&mut |field, _, _| asks_active |= field.eq_ignore_ascii_case("Active"));
        }
        if !asks_active {
            condition.text.push_str(" AND active = 1");
        }
        Ok(condition)
    }

    /// Ids of the answer in order. They are remembered while nothing is written: a client asks for page after page.
    fn list(&mut self, key: String, select: &Select, condition: Condition) -> Result<&[Key], Fault> {
        if self.listed.as_ref().is_none_or(|(known, _)| *known != key) {
            let mut order = String::new();
            for (field, down) in &select.order {
                let (column, _) = column(select.entity, field)?;
                order.push_str(&format!("{column} {}, ", if *down { "DESC" } else { "ASC" }));
            }
            let text = format!("SELECT id FROM entity WHERE {} ORDER BY {order}id", condition.text);
            let mut statement = self.sql.prepare_cached(&text).map_err(broken)?;
            let read = |row: &rusqlite::Row<'_>| Key::read(row.get_ref(0)?);
            let ids = statement.query_map(params_from_iter(condition.values), read).map_err(broken)?;
            let ids: Vec<Key> = ids.collect::<Result<_, _>>().map_err(broken)?;
            self.listed = Some((key, ids));
        }
        Ok(self.listed.as_ref().map_or(&[], |(_, ids)| ids.as_slice()))
    }

    pub(crate) fn query(&mut self, text: &str) -> Result<Json, Fault> {
        self.count("queries");
        let select = parse(text)?;
        let single = match select.entity {
            "CompanyInfo" => Some(self.company_info()),
            "Preferences" => Some(self.preferences()),
            _ => None,
        };
        if let Some(single) = single {
            return Ok(obj! {select.entity => list![single], "maxResults" => 1});
        }
        self.refresh().map_err(broken)?;
        let condition = self.condition_of(&select)?;
        if select.count {
            let text = format!("SELECT count(*) FROM entity WHERE {}", condition.text);
            let total: i64 =
                self.sql.query_row(&text, params_from_iter(condition.values), |row| row.get(0)).map_err(broken)?;
            return Ok(obj! {"totalCount" => total});
        }
        let key = format!("{}|{}|{:?}|{:?}", select.name, condition.text, condition.values, select.order);
        let (entity, start, size) = (select.entity, select.start, select.size);
        let ids: Vec<String> =
            self.list(key, &select, condition)?.iter().skip(start - 1).take(size).map(Key::text).collect();
        let page: Vec<Json> =
            ids.iter().filter_map(|id| self.record(entity, id)).map(|record| State::shown(&record)).collect();
        if page.is_empty() {
            return Ok(Json::object());
        }
        let count = page.len();
        Ok(obj! {entity => page, "startPosition" => start, "maxResults" => count})
    }

    /// Whole entities changed since a moment, the oldest change first, and the ghosts of deleted ones: a thousand objects at
    /// most in one answer, whatever they are.
    pub(crate) fn changes(&mut self, call: &Call) -> Result<Reply, Fault> {
        const MOST: usize = 1000;
        self.count("cdc");
        let since = call.param("changedSince").unwrap_or_default();
        let since = self.time_of(since).ok_or_else(|| invalid(format!("Invalid changedSince {since}")))?;
        if since < self.clock.now() - jiff::SignedDuration::from_hours(30 * 24) {
            return Err(invalid("changedSince is more than 30 days in the past".to_string()));
        }
        self.refresh().map_err(broken)?;
        let (mut groups, mut left) = (Vec::new(), MOST);
        for name in call.param("entities").unwrap_or_default().split(',') {
            let entity = chart::entity(name.trim()).filter(|entity| *entity != "TaxCode");
            let entity = entity.ok_or_else(|| invalid(format!("entity {name} is not supported")))?;
            let rows = self.changed(entity, since.as_millisecond(), left).map_err(broken)?;
            left -= rows.len();
            if rows.is_empty() {
                groups.push(Json::object());
            } else {
                let count = rows.len();
                groups.push(obj! {entity => rows, "startPosition" => 1, "maxResults" => count, "totalCount" => count});
            }
        }
        Ok(reply(200, obj! {"CDCResponse" => list![obj! {"QueryResponse" => groups}]}, &self.stamp()))
    }

    /// The oldest changes since a moment; each table gives its own by its index.
    fn changed(&self, entity: &str, since: i64, most: usize) -> rusqlite::Result<Vec<Json>> {
        let mut found: Vec<(i64, String, bool)> = Vec::new();
        for (table, gone) in [("entity", false), ("gone", true)] {
            let text = format!(
                "SELECT updated, CAST(id AS TEXT) FROM {table} WHERE kind = ?1 AND updated >= ?2 ORDER BY updated LIMIT ?3"
            );
            let mut statement = self.sql.prepare_cached(&text)?;
            let limit = i64::try_from(most).unwrap_or_default();
            let rows = statement
                .query_map(rusqlite::params![entity, since, limit], |row| Ok((row.get(0)?, row.get(1)?, gone)))?;
            for row in rows {
                found.push(row?);
            }
        }
        found.sort_by_key(|(updated, ..)| *updated);
        found.truncate(most);
        let found = found.into_iter().map(|(_, id, gone)| (id, gone));
        let show = |(id, gone): (String, bool)| {
            if gone {
                let ghost = self.store.get("deleted", &format!("{entity}:{id}"))?;
                let meta = ghost.get("MetaData").cloned();
                return Some(obj! {"domain" => "QBO", "status" => "Deleted", "Id" => id, "MetaData" => meta});
            }
            self.record(entity, &id).map(|record| State::shown(&record))
        };
        Ok(found.filter_map(show).collect())
    }
}
