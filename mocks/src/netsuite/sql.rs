//! SuiteQL: the records as tables of an in-memory SQLite database, and the query rewritten to its dialect.

use jiff::Timestamp;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use rust_decimal::Decimal;

use super::chart::{ACCOUNTS, CURRENCIES, ITEMS, TERMS, transaction};
use super::state::{Refusal, State, place, postings};
use crate::call::{Call, Reply};
use crate::document::Side;
use crate::json::{Json, list, obj};

/// Marks a date column, so that an unformatted one is shown in the account's own format, which no client should rely on.
const MARK: char = '\u{1}';

const TABLES: &str = "
CREATE TABLE \"transaction\" (id INTEGER PRIMARY KEY, tranid TEXT, externalid TEXT, type TEXT, recordtype TEXT, trandate TEXT,
  duedate TEXT, entity INTEGER, currency INTEGER, exchangerate NUMERIC, foreigntotal NUMERIC, foreignamountunpaid NUMERIC,
  foreignamountpaid NUMERIC, status TEXT, voided TEXT, posting TEXT, lastmodifieddate TEXT, createddate TEXT, memo TEXT,
  otherrefnum TEXT, terms INTEGER, custbody_milestoned_contract TEXT, custbody_milestoned_milestone TEXT,
  custbody_milestoned_version TEXT);
CREATE INDEX tx ON \"transaction\" (externalid);
CREATE INDEX tn ON \"transaction\" (tranid);
CREATE TABLE transactionline (\"transaction\" INTEGER, id INTEGER, linesequencenumber INTEGER, mainline TEXT, item INTEGER,
  quantity NUMERIC, rate NUMERIC, foreignamount NUMERIC, memo TEXT, createdfrom INTEGER, custcol_milestoned_milestone TEXT,
  custcol_milestoned_timing TEXT, custcol_milestoned_billing_rule TEXT, custcol_milestoned_recognition TEXT);
CREATE INDEX tl ON transactionline (\"transaction\");
CREATE TABLE transactionaccountingline (\"transaction\" INTEGER, transactionline INTEGER, account INTEGER, debit NUMERIC,
  credit NUMERIC, amount NUMERIC, posting TEXT);
CREATE INDEX ta ON transactionaccountingline (\"transaction\");
CREATE TABLE nexttransactionlink (id INTEGER PRIMARY KEY, previousdoc INTEGER, nextdoc INTEGER, previoustype TEXT, nexttype TEXT,
  linktype TEXT, foreignamount NUMERIC, lastmodifieddate TEXT);
CREATE INDEX np ON nexttransactionlink (previousdoc);
CREATE INDEX nn ON nexttransactionlink (nextdoc);
CREATE TABLE customer (id INTEGER PRIMARY KEY, entityid TEXT, companyname TEXT, externalid TEXT, currency INTEGER, email TEXT,
  terms INTEGER, isinactive TEXT, lastmodifieddate TEXT, datecreated TEXT);
CREATE INDEX cx ON customer (externalid);
CREATE TABLE currency (id INTEGER PRIMARY KEY, symbol TEXT, name TEXT, currencyprecision INTEGER);
CREATE TABLE term (id INTEGER PRIMARY KEY, name TEXT, daysuntilnetdue INTEGER);
CREATE TABLE account (id INTEGER PRIMARY KEY, acctnumber TEXT, accountsearchdisplayname TEXT, fullname TEXT, accttype TEXT,
  isinactive TEXT);
CREATE TABLE item (id INTEGER PRIMARY KEY, itemid TEXT, displayname TEXT, itemtype TEXT, incomeaccount INTEGER, isinactive TEXT);
CREATE TABLE accountingperiod (id INTEGER PRIMARY KEY, periodname TEXT, startdate TEXT, enddate TEXT, closed TEXT, isquarter TEXT,
  isyear TEXT);
CREATE TABLE deletedrecord (recordid INTEGER, type TEXT, deleteddate TEXT);
";

/// An empty database with the fixed tables filled.
pub(crate) fn open() -> rusqlite::Result<Connection> {
    let sql = Connection::open_in_memory()?;
    sql.execute_batch(TABLES)?;
    for (id, symbol, digits) in CURRENCIES {
        sql.execute("INSERT INTO currency VALUES (?, ?, ?, ?)", params![id, symbol, symbol, digits])?;
    }
    for (id, name, days) in TERMS {
        sql.execute("INSERT INTO term VALUES (?, ?, ?)", params![id, name, days])?;
    }
    for (id, name, income) in ITEMS {
        sql.execute("INSERT INTO item VALUES (?, ?, ?, 'Service', ?, 'F')", params![id, name, name, income])?;
    }
    for (id, number, name, kind) in ACCOUNTS {
        let shown = format!("{number} {name}");
        sql.execute("INSERT INTO account VALUES (?, ?, ?, ?, ?, 'F')", params![id, number, shown, name, kind])?;
    }
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let text = |ctx: &Context<'_>, at: usize| ctx.get::<Option<String>>(at);
    for name in ["TO_DATE", "TO_TIMESTAMP"] {
        sql.create_scalar_function(name, 2, flags, move |ctx| {
            let (Some(value), Some(format)) = (text(ctx, 0)?, text(ctx, 1)?) else { return Ok(None) };
            let read =
                read_date(&value, &format).ok_or_else(|| rusqlite::Error::UserFunctionError("invalid date".into()))?;
            Ok(Some(format!("{MARK}{read}")))
        })?;
    }
    sql.create_scalar_function("TO_CHAR", 2, flags, move |ctx| {
        let (Some(value), Some(format)) = (text(ctx, 0)?, text(ctx, 1)?) else { return Ok(None) };
        Ok(Some(write_date(value.trim_start_matches(MARK), &format)))
    })?;
    sql.create_scalar_function("TO_CHAR", 1, flags, move |ctx| text(ctx, 0))?;
    sql.create_scalar_function("NVL", 2, flags, move |ctx| Ok(text(ctx, 0)?.or(text(ctx, 1)?)))?;
    Ok(sql)
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
            value = value.strip_prefix(sign)?;
        }
    }
    let date = format!("{:0>4}-{:0>2}-{:0>2}", parts[0].1, parts[1].1, parts[2].1);
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

/// Rewrites what SQLite does not know: the table `transaction`, and `BUILTIN.DF`.
fn rewrite(query: &str) -> String {
    let mut out = String::new();
    let mut rest = query.trim().trim_end_matches(';');
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        if first == '\'' || first == '"' {
            let end = rest[1..].find(first).map_or(rest.len(), |at| at + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if word == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (head, tail) = rest.split_at(word);
            rest = tail;
            if let Some((limit, after)) = fetch_first(head, tail) {
                out.push_str(&limit);
                rest = after;
                continue;
            }
            if head.eq_ignore_ascii_case("BUILTIN.DF") && tail.starts_with('(') {
                let end = tail.find(')').unwrap_or(tail.len() - 1);
                out.push_str(&display(&rewrite(&tail[1..end])));
                rest = &tail[end + 1..];
                continue;
            }
            let quoted: Vec<String> = head
                .split('.')
                .map(|part| {
                    if part.eq_ignore_ascii_case("transaction") {
                        "\"transaction\"".to_string()
                    } else {
                        part.to_string()
                    }
                })
                .collect();
            out.push_str(&quoted.join("."));
        }
    }
    out
}

/// `FETCH FIRST n ROWS ONLY` as SQLite has it, and what follows.
fn fetch_first<'a>(head: &str, tail: &'a str) -> Option<(String, &'a str)> {
    if !head.eq_ignore_ascii_case("fetch") {
        return None;
    }
    let words: Vec<&str> = tail.split_whitespace().take(4).collect();
    let [first, count, rows, only] = words.as_slice() else { return None };
    let known = ["first", "next"].iter().any(|word| first.eq_ignore_ascii_case(word))
        && ["row", "rows"].iter().any(|word| rows.eq_ignore_ascii_case(word))
        && only.eq_ignore_ascii_case("only");
    let after = tail.to_ascii_lowercase().find("only")? + 4;
    if known && count.parse::<u32>().is_ok() { Some((format!("LIMIT {count}"), &tail[after..])) } else { None }
}

fn display(column: &str) -> String {
    let name = column.rsplit('.').next().unwrap_or(column).trim().trim_matches('"').to_ascii_lowercase();
    match name.as_str() {
        "currency" => format!("(SELECT dfc.symbol FROM currency dfc WHERE dfc.id = {column})"),
        "entity" | "customer" => format!("(SELECT dfe.entityid FROM customer dfe WHERE dfe.id = {column})"),
        "terms" => format!("(SELECT dft.name FROM term dft WHERE dft.id = {column})"),
        "account" => format!("(SELECT dfa.accountsearchdisplayname FROM account dfa WHERE dfa.id = {column})"),
        "previousdoc" | "nextdoc" | "createdfrom" => {
            format!("(SELECT dfd.tranid FROM \"transaction\" dfd WHERE dfd.id = {column})")
        }
        "status" => format!(
            "(CASE {column} WHEN 'A' THEN 'Open' WHEN 'B' THEN 'Paid In Full' WHEN 'V' THEN 'Voided' WHEN 'F' THEN 'Pending \
             Billing' WHEN 'G' THEN 'Billed' ELSE {column} END)"
        ),
        _ => column.to_string(),
    }
}

impl State {
    /// An instant as account-local text.
    fn local(&self, instant: &str) -> String {
        let time = instant.parse::<Timestamp>().unwrap_or_default().to_zoned(self.zone.clone());
        format!("{MARK}{}", time.strftime("%Y-%m-%d %H:%M:%S"))
    }

    /// Brings the tables up to what was committed since the last query.
    fn refresh(&mut self) -> rusqlite::Result<()> {
        let changes = self.store.changes();
        if changes.is_empty() {
            return Ok(());
        }
        let all = self.sql.unchecked_transaction()?;
        for (collection, id) in changes {
            let kind = collection.strip_prefix("rec:").unwrap_or_default();
            match (collection.as_str(), transaction(kind)) {
                (_, Some(known)) => self.load_transaction(known.0, known.1, &id)?,
                ("rec:customer", _) => self.load_customer(&id)?,
                ("links", _) => self.load_link(&id)?,
                ("deleted", _) => {
                    if let Some(gone) = self.store.get("deleted", &id) {
                        let at = self.local(&gone.text("at"));
                        self.sql.execute(
                            "INSERT INTO deletedrecord VALUES (?, ?, ?)",
                            params![id, gone.text("type"), at],
                        )?;
                    }
                }
                ("config", _) => self.load_periods()?,
                _ => {}
            }
        }
        all.commit()
    }

    fn load_transaction(&self, kind: &'static str, code: &str, id: &str) -> rusqlite::Result<()> {
        for table in ["transactionline", "transactionaccountingline"] {
            self.sql.prepare_cached(&format!("DELETE FROM {table} WHERE \"transaction\" = ?"))?.execute([id])?;
        }
        self.sql.prepare_cached("DELETE FROM \"transaction\" WHERE id = ?")?.execute([id])?;
        let Some(record) = self.store.get(&place(kind), id) else { return Ok(()) };
        let text = |name: &str| Some(record.text(name)).filter(|text| !text.is_empty());
        let date = |name: &str| text(name).map(|date| format!("{MARK}{date}"));
        let voided = record.get("voided").is_some_and(Json::is_true);
        let sign = if kind == "creditMemo" { -Decimal::ONE } else { Decimal::ONE };
        let total = (record.decimal("total") * sign).normalize().to_string();
        let unpaid = if kind == "invoice" || kind == "creditMemo" { text("amountRemaining") } else { None };
        let entity = text("entity.id").or_else(|| text("customer.id"));
        let status = if voided { "V".to_string() } else { record.text("status.id") };
        let posting = if matches!(kind, "salesOrder" | "estimate") { "F" } else { "T" };
        self.sql
            .prepare_cached(
                "INSERT INTO \"transaction\" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,\
                 ?22,?23,?24)",
            )?
            .execute(params![
                id, text("tranId"), text("externalId"), code, kind.to_lowercase(), date("tranDate"), date("dueDate"), entity,
                text("currency.id"), text("exchangeRate"), total, unpaid, text("amountPaid"), status,
                if voided { "T" } else { "F" }, posting, self.local(&record.text("lastModifiedDate")),
                self.local(&record.text("createdDate")), text("memo"), text("otherRefNum"), text("terms.id"),
                text("custbody_milestoned_contract"), text("custbody_milestoned_milestone"),
                text("custbody_milestoned_version"),
            ])?;
        self.load_lines(kind, id, record, &total)
    }

    fn load_lines(&self, kind: &str, id: &str, record: &Json, total: &str) -> rusqlite::Result<()> {
        let mut put = self
            .sql
            .prepare_cached("INSERT INTO transactionline VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)")?;
        let none: Option<String> = None;
        if kind != "journalEntry" {
            put.execute(params![
                id,
                0,
                0,
                "T",
                none,
                none,
                none,
                total,
                record.text("memo"),
                none,
                none,
                none,
                none,
                none
            ])?;
        }
        // the lines of a sale carry the opposite sign of its total, as postings do
        let sign = if kind == "creditMemo" { Decimal::ONE } else { -Decimal::ONE };
        let sublist = if kind == "journalEntry" { "line" } else { "item" };
        for (at, line) in record.list(sublist).iter().enumerate() {
            let text = |name: &str| Some(line.text(name)).filter(|text| !text.is_empty());
            let amount = match kind {
                "journalEntry" => line.decimal("debit") - line.decimal("credit"),
                _ => line.decimal("amount") * sign,
            };
            let quantity = text("quantity").map(|_| (line.decimal("quantity") * sign).normalize().to_string());
            put.execute(params![
                id,
                line.int("line"),
                i64::try_from(at + 1).unwrap_or_default(),
                "F",
                text("item.id"),
                quantity,
                text("rate"),
                amount.normalize().to_string(),
                text("description").or_else(|| text("memo")),
                record.text("createdFrom.id").parse::<i64>().ok(),
                text("custcol_milestoned_milestone"),
                text("custcol_milestoned_timing"),
                text("custcol_milestoned_billing_rule"),
                text("custcol_milestoned_recognition"),
            ])?;
        }
        let mut post =
            self.sql.prepare_cached("INSERT INTO transactionaccountingline VALUES (?1,?2,?3,?4,?5,?6,'T')")?;
        for (at, (account, side, amount)) in postings(kind, record).into_iter().enumerate() {
            let (debit, credit) =
                if side == Side::Debit { (Some(amount.clone()), None) } else { (None, Some(amount.clone())) };
            let signed = if side == Side::Debit { amount } else { format!("-{amount}") };
            post.execute(params![id, i64::try_from(at).unwrap_or_default(), account, debit, credit, signed])?;
        }
        Ok(())
    }

    fn load_customer(&self, id: &str) -> rusqlite::Result<()> {
        self.sql.execute("DELETE FROM customer WHERE id = ?", [id])?;
        let Some(record) = self.store.get("rec:customer", id) else { return Ok(()) };
        let text = |name: &str| Some(record.text(name)).filter(|text| !text.is_empty());
        let currency = text("currency.id").unwrap_or_else(|| "1".to_string());
        self.sql.execute(
            "INSERT INTO customer VALUES (?,?,?,?,?,?,?,?,?,?)",
            params![
                id,
                text("entityId"),
                text("companyName"),
                text("externalId"),
                currency,
                text("email"),
                text("terms.id"),
                "F",
                self.local(&record.text("lastModifiedDate")),
                self.local(&record.text("createdDate")),
            ],
        )?;
        Ok(())
    }

    fn load_link(&self, id: &str) -> rusqlite::Result<()> {
        self.sql.execute("DELETE FROM nexttransactionlink WHERE id = ?", [id])?;
        let Some(link) = self.store.get("links", id) else { return Ok(()) };
        self.sql.execute(
            "INSERT INTO nexttransactionlink VALUES (?,?,?,?,?,?,?,?)",
            params![
                id,
                link.text("previous"),
                link.text("next"),
                link.text("previoustype"),
                link.text("nexttype"),
                link.text("how"),
                link.text("amount"),
                self.local(&link.text("changed")),
            ],
        )?;
        Ok(())
    }

    fn load_periods(&self) -> rusqlite::Result<()> {
        self.sql.execute("DELETE FROM accountingperiod", [])?;
        let closed = self.store.get("config", "closed").map(Json::text_of).unwrap_or_default();
        let mut id = 0;
        for year in 2024..=2030_i16 {
            for month in 1..=12_i8 {
                let Ok(first) = jiff::civil::Date::new(year, month, 1) else { continue };
                let last = first.last_of_month().to_string();
                id += 1;
                let shut = if !closed.is_empty() && last <= closed { "T" } else { "F" };
                self.sql.execute(
                    "INSERT INTO accountingperiod VALUES (?,?,?,?,?,'F','F')",
                    params![
                        id,
                        first.strftime("%b %Y").to_string(),
                        format!("{MARK}{first}"),
                        format!("{MARK}{last}"),
                        shut
                    ],
                )?;
            }
        }
        Ok(())
    }

    pub(crate) fn suiteql(&mut self, call: &Call) -> Result<Reply, Refusal> {
        let invalid = |why: String| {
            let detail = format!("Invalid search query. Detailed unprocessed description follows. {why}.");
            Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorQueryParam", "q")
        };
        let number = |name: &str, default: usize| match call.param(name) {
            None => Ok(default),
            Some(text) => text.parse::<usize>().map_err(|_| {
                Refusal::new(400, "INVALID_PARAMETER", format!("Invalid {name}")).at("o:errorQueryParam", name)
            }),
        };
        let (limit, offset) = (number("limit", 1000)?, number("offset", 0)?);
        if limit == 0 || limit > 1000 {
            let detail = "The limit query parameter value must be between 1 and 1000.";
            return Err(Refusal::new(400, "INVALID_PARAMETER", detail).at("o:errorQueryParam", "limit"));
        }
        self.refresh().map_err(|error| Refusal::new(500, "UNEXPECTED_ERROR", error.to_string()))?;
        let query = call.json().map_err(invalid)?.text("q");
        let (rows, total) = self.rows(&query, limit, offset).map_err(|error| invalid(error.to_string()))?;
        if total > 100_000 {
            return Err(invalid("The query returns more than 100,000 rows".to_string()));
        }
        let more = offset + rows.len() < total;
        let own = format!("{}/services/rest/query/v1/suiteql?limit={limit}&offset=", self.base);
        let mut links = list![obj! {"rel" => "self", "href" => format!("{own}{offset}")}];
        if more {
            links.push(obj! {"rel" => "next", "href" => format!("{own}{}", offset + limit)});
        }
        let answer = obj! {
            "links" => links, "count" => rows.len(), "hasMore" => more, "items" => rows, "offset" => offset, "totalResults" => total,
        };
        Ok(Reply::json(200, &answer).header("content-type", "application/vnd.oracle.resource+json"))
    }

    fn rows(&self, query: &str, limit: usize, offset: usize) -> Result<(Vec<Json>, usize), rusqlite::Error> {
        let mut statement = self.sql.prepare(&rewrite(query))?;
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let names: Vec<String> = statement.column_names().map(str::to_lowercase).collect();
        let mut found = statement.query([])?;
        let (mut rows, mut total) = (Vec::new(), 0);
        while let Some(row) = found.next()? {
            total += 1;
            if total <= offset || rows.len() >= limit {
                continue;
            }
            let mut shown = obj! {"links" => list![]};
            for (at, name) in names.iter().enumerate() {
                let value = match row.get_ref(at)? {
                    // an empty column is left out of its row
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
            rows.push(shown);
        }
        Ok((rows, total))
    }
}
