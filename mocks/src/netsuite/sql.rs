//! The query service: SuiteQL with its pages and limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Row};
use rust_decimal::Decimal;

use super::dialect::{Rewritten, rewrite};
use super::http::window;
use super::state::{Refusal, State};
use super::tables::{self, MARK};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};
use crate::spare::Tables;

/// Rows that a query gives over all its pages, and pages that it has.
const MOST_ROWS: usize = 100_000;
const MOST_PAGES: usize = 1000;

/// Empty tables in a file of their own: a million rows are no burden to the memory.
pub(crate) fn open() -> rusqlite::Result<Tables> {
    Tables::open("netsuite", |sql| {
        tables::make(sql)?;
        functions(sql)
    })
}

fn text(ctx: &Context<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    Ok(match ctx.get_raw(at) {
        ValueRef::Null | ValueRef::Blob(_) => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Decimal::try_from(number).ok().map(|number| number.normalize().to_string()),
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    })
}

fn invalid(why: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(why.to_string().into())
}

fn functions(sql: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for name in ["TO_DATE", "TO_TIMESTAMP"] {
        sql.create_scalar_function(name, 2, flags, move |ctx| {
            let (Some(value), Some(format)) = (text(ctx, 0)?, text(ctx, 1)?) else { return Ok(None) };
            let read = read_date(&value, &format).ok_or_else(|| invalid("invalid date"))?;
            Ok(Some(format!("{MARK}{read}")))
        })?;
        sql.create_scalar_function(name, 1, flags, |ctx| user_date(text(ctx, 0)?))?;
    }
    sql.create_scalar_function("user_date", 1, flags, |ctx| user_date(text(ctx, 0)?))?;
    sql.create_scalar_function("TO_CHAR", 2, flags, move |ctx| {
        let (Some(value), Some(format)) = (text(ctx, 0)?, text(ctx, 1)?) else { return Ok(None) };
        Ok(Some(write_date(value.trim_start_matches(MARK), &format)))
    })?;
    sql.create_scalar_function("TO_CHAR", 1, flags, |ctx| text(ctx, 0))?;
    sql.create_scalar_function("TO_NUMBER", 1, flags, |ctx| {
        text(ctx, 0)?.map(|value| value.trim().parse::<i64>().map_err(|_| invalid("invalid number"))).transpose()
    })?;
    sql.create_scalar_function("NVL", 2, flags, |ctx| Ok(text(ctx, 0)?.or(text(ctx, 1)?)))?;
    sql.create_scalar_function(
        "NVL2",
        3,
        flags,
        |ctx| {
            if text(ctx, 0)?.is_some() { text(ctx, 1) } else { text(ctx, 2) }
        },
    )?;
    sql.create_scalar_function("TRUNC", 1, flags, |ctx| {
        let value = text(ctx, 0)?;
        Ok(value.map(|value| match value.strip_prefix(MARK) {
            Some(time) => format!("{MARK}{}", time.split(' ').next().unwrap_or_default()),
            None => value.split('.').next().unwrap_or_default().to_string(),
        }))
    })?;
    sql.create_scalar_function("DECODE", -1, flags, |ctx| {
        let value = text(ctx, 0)?;
        let mut at = 1;
        while at + 1 < ctx.len() {
            if text(ctx, at)? == value {
                return text(ctx, at + 1);
            }
            at += 2;
        }
        if at < ctx.len() { text(ctx, at) } else { Ok(None) }
    })?;
    sql.create_scalar_function("day_shifted", 2, flags, |ctx| {
        let (now, days) = (text(ctx, 0)?.unwrap_or_default(), ctx.get::<i64>(1)?);
        let time: Option<jiff::civil::DateTime> = now.trim_start_matches(MARK).parse().ok();
        let moved = time.and_then(|time| time.checked_add(jiff::Span::new().try_days(days).ok()?).ok());
        Ok(moved.map(|time| format!("{MARK}{}", time.strftime("%Y-%m-%d %H:%M:%S"))))
    })?;
    for name in ["rownum_where", "rownum_select"] {
        let counter = Arc::new(AtomicI64::new(0));
        let again = Arc::clone(&counter);
        sql.create_scalar_function(name, 0, FunctionFlags::SQLITE_UTF8, move |_| {
            Ok(counter.fetch_add(1, Ordering::Relaxed) + 1)
        })?;
        sql.create_scalar_function(format!("{name}_reset").as_str(), 0, FunctionFlags::SQLITE_UTF8, move |_| {
            again.store(0, Ordering::Relaxed);
            Ok(0_i64)
        })?;
    }
    Ok(())
}

/// Text without a format is read in the format of the integration user: `11/20/2026`, with `3:05 pm` or without.
fn user_date(value: Option<String>) -> rusqlite::Result<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    let read = || {
        let (day, time) = value.split_once(' ').unwrap_or((&value, ""));
        let parts: Vec<u32> = day.split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let [month, day, year] = parts.as_slice() else { return None };
        let date = format!("{year:04}-{month:02}-{day:02}");
        date.parse::<jiff::civil::Date>().ok()?;
        if time.is_empty() {
            return Some(date);
        }
        let (clock, half) = time.split_once(' ')?;
        let (hour, minute) = clock.split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        let hour = hour % 12 + if half.eq_ignore_ascii_case("pm") { 12 } else { 0 };
        Some(format!("{date} {hour:02}:{minute:02}:00"))
    };
    match read() {
        Some(date) => Ok(Some(format!("{MARK}{date}"))),
        None => Err(invalid("invalid date or time: it does not have the date format of the user")),
    }
}

/// Digits of `value` by the fields of an Oracle format, as `YYYY-MM-DD[ HH:MM:SS]`.
fn read_date(value: &str, format: &str) -> Option<String> {
    let mut parts: [(&str, String); 6] = ["YYYY", "MM", "DD", "HH24", "MI", "SS"].map(|name| (name, String::new()));
    let (mut format, mut value) = (format.to_uppercase(), value);
    while !format.is_empty() {
        if let Some((name, part)) = parts.iter_mut().find(|(name, _)| format.starts_with(*name)) {
            let size = if *name == "YYYY" { 4 } else { 2 };
            let digits: String = value.chars().take(size).take_while(char::is_ascii_digit).collect();
            if digits.is_empty() {
                return None;
            }
            value = &value[digits.len()..];
            *part = digits;
            format = format[name.len()..].to_string();
        } else {
            let sign = format.remove(0);
            if sign != '"' {
                value = value.strip_prefix(sign)?;
            }
        }
    }
    let date = format!("{:0>4}-{:0>2}-{:0>2}", parts[0].1, parts[1].1, parts[2].1);
    date.parse::<jiff::civil::Date>().ok()?;
    if !value.is_empty() {
        return None;
    }
    if parts[3].1.is_empty() {
        return Some(date);
    }
    Some(format!("{date} {:0>2}:{:0>2}:{:0>2}", parts[3].1, parts[4].1, parts[5].1))
}

/// `YYYY-MM-DD[ HH:MM:SS]` in an Oracle format.
fn write_date(value: &str, format: &str) -> String {
    let part = |from: usize, to: usize| value.get(from..to).unwrap_or("00").to_string();
    let names = [("YYYY", 0, 4), ("MM", 5, 7), ("DD", 8, 10), ("HH24", 11, 13), ("MI", 14, 16), ("SS", 17, 19)];
    let mut out = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let upper = rest.to_uppercase();
        match names.iter().find(|(name, ..)| upper.starts_with(name)) {
            Some((name, from, to)) => {
                out.push_str(&part(*from, *to));
                rest = &rest[name.len()..];
            }
            None => {
                if first != '"' {
                    out.push(first);
                }
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// `11/20/2026`: the date format of the account.
fn account_date(value: &str) -> String {
    let number = |from: usize, to: usize| value.get(from..to).unwrap_or("0").trim_start_matches('0').to_string();
    format!("{}/{}/{}", number(5, 7), number(8, 10), number(0, 4))
}

/// The vendor's words for what SQLite did not find.
fn worded(error: &rusqlite::Error) -> String {
    let text = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    if let Some(column) = text.strip_prefix("no such column: ") {
        let name = column.rsplit('.').next().unwrap_or(column);
        return format!(
            "Search error occurred: Field '{name}' for record was not found. Reason: REMOVED - Field is removed"
        );
    }
    match text.strip_prefix("no such table: ") {
        Some(table) => format!("Search error occurred: Record '{table}' was not found"),
        None => format!("Search error occurred: Invalid or unsupported search. {text}"),
    }
}

fn unsearchable(why: impl std::fmt::Display) -> Refusal {
    let detail = format!("Invalid search query. Detailed unprocessed description follows. {why}.");
    Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorQueryParam", "q")
}

/// A row as it is shown: everything is text, and a column that is null is left out.
fn shown(row: &Row<'_>, names: &[String]) -> rusqlite::Result<Json> {
    let mut shown = obj! {"links" => list![]};
    for (at, name) in names.iter().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Null | ValueRef::Blob(_) => continue,
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Real(value) => {
                Decimal::try_from(value).map(|value| value.normalize().to_string()).unwrap_or_default()
            }
            ValueRef::Text(bytes) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                if text.is_empty() {
                    continue;
                }
                text.strip_prefix(MARK).map(account_date).unwrap_or(text)
            }
        };
        shown.set(name, value);
    }
    Ok(shown)
}

impl State {
    pub(crate) fn suiteql(&mut self, call: &Call) -> Result<Reply, Refusal> {
        let (limit, offset) = window(call)?;
        if offset + limit > MOST_ROWS || offset / limit >= MOST_PAGES {
            let detail = "A query gives at most 1,000 pages and 100,000 rows. Narrow it down.";
            return Err(Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorQueryParam", "offset"));
        }
        self.refresh().map_err(|error| Refusal::new(500, "UNEXPECTED_ERROR", error.to_string()))?;
        let text = call.json().map_err(unsearchable)?.text("q");
        let now = self.local(self.clock.now());
        let query = rewrite(&text, &now).map_err(unsearchable)?;
        let (rows, total) = self.found(&query, (limit, offset)).map_err(|error| unsearchable(worded(&error)))?;
        let more = offset + rows.len() < total;
        self.count("suiteql_queries");
        self.add("suiteql_rows", rows.len());
        let answer = obj! {
            "links" => self.page_links("query/v1/suiteql", (limit, offset), more), "count" => rows.len(), "hasMore" => more,
            "items" => rows, "offset" => offset, "totalResults" => total.min(MOST_ROWS),
        };
        Ok(Reply::json(200, &answer).header("content-type", "application/vnd.oracle.resource+json"))
    }

    /// The rows of a page, and how many the query has: where the first page is not full, it has been counted by that.
    fn found(&mut self, query: &Rewritten, (limit, offset): (usize, usize)) -> rusqlite::Result<(Vec<Json>, usize)> {
        if offset == 0 {
            let rows = self.page(query, (limit, 0), limit)?;
            if rows.len() < limit {
                let total = rows.len();
                return Ok((rows, total));
            }
        }
        let total = self.total(query)?;
        Ok((self.page(query, (limit, offset), total)?, total))
    }

    /// The query as it can be run: nothing but a query gets through.
    fn prepared<'a>(&'a self, query: &Rewritten) -> rusqlite::Result<CachedStatement<'a>> {
        let mut statement = self.sql.prepare_cached(&query.text)?;
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(rusqlite::Error::InvalidQuery);
        }
        bind(&mut statement, query)?;
        Ok(statement)
    }

    /// How many rows a query has, counted no further than to the first one too many; remembered while its pages are read.
    fn total(&mut self, query: &Rewritten) -> rusqlite::Result<usize> {
        if let Some((known, total)) = &self.counted
            && *known == (query.text.clone(), query.values.clone())
        {
            return Ok(*total);
        }
        // checked before it is wrapped
        drop(self.prepared(query)?);
        let count = format!("SELECT count(*) FROM (SELECT 1 FROM ({}) LIMIT {})", query.unordered, MOST_ROWS + 1);
        self.restart_rownum()?;
        let total: i64 = {
            let mut statement = self.sql.prepare_cached(&count)?;
            bind(&mut statement, query)?;
            let mut found = statement.raw_query();
            found.next()?.map_or(Ok(0), |row| row.get(0))?
        };
        let total = usize::try_from(total).unwrap_or_default();
        self.counted = Some(((query.text.clone(), query.values.clone()), total));
        Ok(total)
    }

    fn restart_rownum(&self) -> rusqlite::Result<()> {
        self.sql.prepare_cached("SELECT rownum_where_reset(), rownum_select_reset()")?.query_row([], |_| Ok(()))
    }

    /// The rows of a page. Without an order the vendor's pages do not fit each other: here every second one comes from the
    /// other end, so that rows are repeated and others missed.
    fn page(&self, query: &Rewritten, (limit, offset): (usize, usize), total: usize) -> rusqlite::Result<Vec<Json>> {
        let backward = !query.ordered && (offset / limit) % 2 == 1;
        let skip = if backward { total.saturating_sub(offset + limit) } else { offset };
        let size = limit.min(total.saturating_sub(offset));
        self.restart_rownum()?;
        let mut statement = self.prepared(query)?;
        let names: Vec<String> = statement.column_names().enumerate().map(|(at, name)| column(at, name)).collect();
        let mut found = statement.raw_query();
        let (mut rows, mut at) = (Vec::new(), 0);
        while rows.len() < size {
            let Some(row) = found.next()? else { break };
            at += 1;
            if at > skip {
                rows.push(shown(row, &names)?);
            }
        }
        if backward {
            rows.reverse();
        }
        Ok(rows)
    }
}

fn bind(statement: &mut CachedStatement<'_>, query: &Rewritten) -> rusqlite::Result<()> {
    let places = statement.parameter_count();
    query.values.iter().take(places).enumerate().try_for_each(|(at, value)| statement.raw_bind_parameter(at + 1, value))
}

/// Names are in lower case; a calculation without one gets one.
fn column(at: usize, name: &str) -> String {
    let plain = name.trim().trim_matches('"');
    let named = plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !plain.is_empty();
    if named { plain.to_lowercase() } else { format!("expr{}", at + 1) }
}
