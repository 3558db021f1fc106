//! The query calls: answers page by page, aggregates, sub-queries.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::http::Answer;
use super::lots::Row;
use super::schema::{Field, Object};
use super::select::{Column, Cursor, packed, rank, unpacked};
use super::soql::{Item, Select};
use super::state::{State, double, refuse};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

/// How a selected thing is written.
enum Shown<'a> {
    Column(Column<'a>),
    Children(&'a Select, &'a Object, BTreeMap<String, Vec<Row<'a>>>, Vec<Shown<'a>>),
}

/// 18 characters of a query locator, without its offset.
fn locator_id(number: i64) -> String {
    format!("0r8xx{number:010}AAA")
}

pub(crate) fn attributes(object: &str, id: &str, version: &str) -> Json {
    obj! {"type" => object, "url" => format!("/services/data/{version}/sobjects/{object}/{id}")}
}

impl State {
    pub(crate) fn query(&mut self, call: &Call, version: &str, all: bool) -> Answer {
        let Some(text) = call.param("q").filter(|text| !text.trim().is_empty()) else {
            return refuse(400, "MALFORMED_QUERY", "SOQL statement cannot be empty.");
        };
        if text.chars().count() > 100_000 {
            return refuse(400, "MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters.");
        }
        let select = self.parse(text)?;
        let wanted = call.header("sforce-query-options").and_then(|header| header.trim().strip_prefix("batchSize="));
        let wanted = wanted.and_then(|size| size.trim().parse().ok()).map_or(2000, |size: usize| size.clamp(200, 2000));
        let page = wanted.min(self.settings.page_size.max(1));
        let (ids, first) = {
            let rows = self.found(&select, all)?;
            let grouped = !select.group.is_empty();
            if grouped || select.items.iter().any(|item| matches!(item, Item::Aggregate(..))) {
                return Ok(Reply::json(200, &self.aggregate(&select, &rows)?));
            }
            if rows.len() <= page && !select.items.iter().any(|item| matches!(item, Item::Children(_))) {
                let shown = self.shown_items(&select)?;
                let records = rows.iter().map(|row| self.shown_row(&select.from, *row, &shown, version)).collect();
                let answer = obj! {"totalSize" => rows.len(), "done" => true, "records" => Json::List(records)};
                return Ok(Reply::json(200, &answer));
            }
            (rows.iter().map(|row| packed(&row.id())).collect::<Vec<_>>(), select)
        };
        let now = self.clock.millis();
        self.cursors.retain(|_, cursor| cursor.until > now);
        while self.cursors.len() >= self.settings.open_locators.max(1) {
            let oldest = self.cursors.iter().min_by_key(|(_, cursor)| cursor.number).map(|(id, _)| id.clone());
            self.cursors.remove(&oldest.unwrap_or_default());
        }
        let number = self.store.next("locator", 1);
        let cursor = Cursor { number, query: text.to_string(), ids, page, until: now + self.settings.locator_ms };
        let answer = self.page(&first, &cursor, 0, &locator_id(number), version)?;
        if !answer.get("done").is_some_and(Json::is_true) {
            self.cursors.insert(locator_id(number), cursor);
        }
        Ok(Reply::json(200, &answer))
    }

    pub(crate) fn next_page(&mut self, locator: &str, version: &str) -> Answer {
        let dead = || refuse(self.settings.locator_status, "INVALID_QUERY_LOCATOR", "invalid query locator");
        let Some((id, offset)) = locator.split_once('-') else { return dead() };
        let cursor = self.cursors.get(id).filter(|cursor| cursor.until > self.clock.millis());
        let (Some(cursor), Ok(offset)) = (cursor, offset.parse::<usize>()) else { return dead() };
        let select = self.parse(&cursor.query)?;
        Ok(Reply::json(200, &self.page(&select, cursor, offset, id, version)?))
    }

    fn page(
        &self,
        select: &Select,
        cursor: &Cursor,
        from: usize,
        locator: &str,
        v: &str,
    ) -> Result<Json, super::state::Refusal> {
        let shown = self.shown_items(select)?;
        let (mut records, mut weight, mut to) = (Vec::new(), 0, from);
        // rows of sub-queries count, too
        for id in cursor.ids.get(from..).unwrap_or_default() {
            if weight >= cursor.page {
                break;
            }
            to += 1;
            weight += 1;
            if let Some(row) = self.row(&select.from, unpacked(id)) {
                weight += shown.iter().map(|shown| shown.below(&row.id())).sum::<usize>();
                records.push(self.shown_row(&select.from, row, &shown, v));
            }
        }
        let mut page = obj! {"totalSize" => cursor.ids.len(), "done" => to >= cursor.ids.len()};
        if to < cursor.ids.len() {
            page.set("nextRecordsUrl", format!("/services/data/{v}/query/{locator}-{to}"));
        }
        Ok(page.with("records", Json::List(records)))
    }

    fn shown_items<'a>(&'a self, select: &'a Select) -> Result<Vec<Shown<'a>>, super::state::Refusal> {
        let object = self.object(&select.from)?;
        self.items_of(object, select)
    }

    fn items_of<'a>(&'a self, object: &'a Object, select: &'a Select) -> Result<Vec<Shown<'a>>, super::state::Refusal> {
        let mut shown = Vec::new();
        for item in &select.items {
            match item {
                Item::Field(path) => shown.push(Shown::Column(self.column(object, path)?)),
                Item::Children(inner) => {
                    let (child, _) = self.children(object, &inner.from)?;
                    let below = self.items_of(child, inner)?;
                    shown.push(Shown::Children(inner, child, self.families(object, inner)?, below));
                }
                Item::Fields(_) | Item::Aggregate(..) => {}
            }
        }
        Ok(shown)
    }

    /// One row of an answer.
    fn shown_row(&self, object: &str, row: Row<'_>, shown: &[Shown<'_>], version: &str) -> Json {
        let id = row.id();
        let mut out = obj! {"attributes" => attributes(object, &id, version)};
        for item in shown {
            match item {
                Shown::Column(column) => self.put_column(&mut out, column, row, version),
                Shown::Children(inner, child, families, below) => {
                    let rows = families.get(&id).map(Vec::as_slice).unwrap_or_default();
                    let records = rows.iter().map(|row| self.shown_row(&child.name, *row, below, version)).collect();
                    let list = obj! {"totalSize" => rows.len(), "done" => true, "records" => Json::List(records)};
                    out.set(&inner.from, if rows.is_empty() { Json::Null } else { list });
                }
            }
        }
        out
    }

    fn put_column(&self, out: &mut Json, column: &Column<'_>, row: Row<'_>, version: &str) {
        let value = if column.field.kind == "base64" {
            // blobs are told by where they can be fetched
            let object =
                column.steps.last().map_or_else(|| out.text("attributes.type"), |(_, object)| object.name.clone());
            Json::from(format!("/services/data/{version}/sobjects/{object}/{}/{}", row.id(), column.field.name))
        } else {
            self.show(column.field, &self.reach(column, row))
        };
        let mut place = out;
        let mut here = row;
        for (field, to) in &column.steps {
            let name = field.relation.as_ref().map(|way| way.name.clone()).unwrap_or_default();
            let target = here.text(&field.name);
            let Some(next) = self.row(&to.name, &target).filter(|_| !target.is_empty()) else {
                place.set(&name, Json::Null);
                return;
            };
            if !place.get(&name).is_some_and(|nested| nested.has("attributes")) {
                place.set(&name, obj! {"attributes" => attributes(&to.name, &target, version)});
            }
            let Some(nested) = place.get_mut(&name) else { return };
            (place, here) = (nested, next);
        }
        place.set(&column.field.name, value);
    }

    /// A whole record, or the fields that `wanted` names.
    pub(crate) fn whole(
        &self,
        object: &Object,
        row: Row<'_>,
        version: &str,
        wanted: Option<&str>,
    ) -> Result<Json, super::state::Refusal> {
        let mut out = obj! {"attributes" => attributes(&object.name, &row.id(), version)};
        match wanted {
            Some(names) => {
                for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    let column = self.column(object, name)?;
                    self.put_column(&mut out, &column, row, version);
                }
            }
            None => {
                for field in object.fields() {
                    self.put_column(&mut out, &Column { steps: Vec::new(), field }, row, version);
                }
            }
        }
        Ok(out)
    }

    fn aggregate(&self, select: &Select, rows: &[Row<'_>]) -> Result<Json, super::state::Refusal> {
        if let ([Item::Aggregate(function, path, None)], true) = (select.items.as_slice(), select.group.is_empty())
            && function == "count"
            && path.is_empty()
        {
            return Ok(obj! {"totalSize" => rows.len(), "done" => true, "records" => list![]});
        }
        let object = self.object(&select.from)?;
        let keys = select.group.iter().map(|path| self.column(object, path)).collect::<Result<Vec<_>, _>>()?;
        let mut groups: BTreeMap<String, Vec<Row<'_>>> = BTreeMap::new();
        if select.group.is_empty() {
            groups.insert(String::new(), Vec::new());
        }
        for row in rows {
            let key: Vec<String> = keys.iter().map(|column| self.reach(column, *row).to_string()).collect();
            groups.entry(key.join("\u{1}")).or_default().push(*row);
        }
        let mut records = Vec::new();
        for rows in groups.values().take(select.limit.unwrap_or(2000)) {
            let mut out = obj! {"attributes" => obj! {"type" => "AggregateResult"}};
            let mut unnamed = 0;
            for item in &select.items {
                match item {
                    Item::Field(path) => {
                        let Some(at) = select.group.iter().position(|name| name.eq_ignore_ascii_case(path)) else {
                            let message = format!("Field must be grouped or aggregated: {path}");
                            return refuse(400, "MALFORMED_QUERY", message);
                        };
                        let value = match (keys.get(at), rows.first()) {
                            (Some(column), Some(row)) => self.show(column.field, &self.reach(column, *row)),
                            _ => Json::Null,
                        };
                        out.set(path.rsplit('.').next().unwrap_or(path), value);
                    }
                    Item::Aggregate(function, path, alias) => {
                        let name = alias.clone().unwrap_or_else(|| format!("expr{unnamed}"));
                        unnamed += usize::from(alias.is_none());
                        let column = if path.is_empty() { None } else { Some(self.column(object, path)?) };
                        out.set(&name, self.summed(function, column.as_ref(), rows));
                    }
                    Item::Fields(_) | Item::Children(_) => {}
                }
            }
            records.push(out);
        }
        Ok(obj! {"totalSize" => records.len(), "done" => true, "records" => Json::List(records)})
    }

    fn summed(&self, function: &str, column: Option<&Column<'_>>, rows: &[Row<'_>]) -> Json {
        let Some(column) = column else { return Json::from(rows.len()) };
        let values = rows.iter().map(|row| self.reach(column, *row).into_owned()).filter(|value| !value.is_null());
        let mut values: Vec<Json> = values.collect();
        let number = |number: Decimal| Json::Number(double(number));
        match function {
            "count" => Json::from(values.len()),
            "count_distinct" => {
                let distinct: std::collections::BTreeSet<String> = values.iter().map(Json::to_string).collect();
                Json::from(distinct.len())
            }
            "sum" | "avg" => {
                let sum: Decimal = values.iter().filter_map(Json::number).sum();
                let count = Decimal::from(values.len().max(1));
                match (values.is_empty(), function) {
                    (true, _) => Json::Null,
                    (_, "avg") => number(sum / count),
                    _ => number(sum),
                }
            }
            least_or_most => {
                let field: &Field = column.field;
                values.sort_by(|a, b| rank(field, a, b));
                let found = if least_or_most == "min" { values.first() } else { values.last() };
                found.map_or(Json::Null, |value| self.show(field, value))
            }
        }
    }
}

impl Shown<'_> {
    /// How many rows of sub-queries a parent brings along.
    fn below(&self, id: &str) -> usize {
        match self {
            Shown::Column(_) => 0,
            Shown::Children(_, _, families, _) => families.get(id).map_or(0, Vec::len),
        }
    }
}
