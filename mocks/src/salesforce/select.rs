//! SOQL: what a query finds.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::dates;
use super::lots::Row;
use super::schema::{Field, Object};
use super::soql::{Condition, Item, Select};
use super::state::{Refusal, State, full_id, refuse, stamp};
use crate::filter::{Token, compares, like};
use crate::json::Json;

/// An id in the fewest bytes.
pub(crate) type PackedId = [u8; 18];

/// An answer that is fetched page by page.
pub(crate) struct Cursor {
    pub(crate) number: i64,
    pub(crate) query: String,
    pub(crate) ids: Vec<PackedId>,
    pub(crate) page: usize,
    /// Epoch milliseconds.
    pub(crate) until: i64,
}

pub(crate) fn packed(id: &str) -> PackedId {
    let mut bytes = [b' '; 18];
    bytes.iter_mut().zip(id.bytes()).for_each(|(place, byte)| *place = byte);
    bytes
}

pub(crate) fn unpacked(id: &PackedId) -> &str {
    std::str::from_utf8(id).unwrap_or_default().trim_end()
}

/// A field reached from an object, perhaps over relationships.
pub(crate) struct Column<'a> {
    pub(crate) steps: Vec<(&'a Field, &'a Object)>,
    pub(crate) field: &'a Field,
}

/// A literal in the terms of the field that it is compared with.
enum Wanted {
    Value(Json),
    Pattern(String),
    /// A date literal: from the first to before the second.
    Span(String, String),
}

/// A condition whose fields and literals are understood.
enum Test<'a> {
    All(Vec<Test<'a>>),
    Any(Vec<Test<'a>>),
    Not(Box<Test<'a>>),
    Compare(Column<'a>, String, Vec<Wanted>),
    Among(Column<'a>, bool, BTreeSet<String>),
}

impl State {
    pub(crate) fn column<'a>(&'a self, object: &'a Object, path: &str) -> Result<Column<'a>, Refusal> {
        let unknown = |name: &str, entity: &Object| {
            let message = format!(
                "\nSELECT {name} FROM {0}\n       ^\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{0}'. If you \
                 are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please \
                 reference your WSDL or the describe call for the appropriate names.",
                entity.name
            );
            refuse(400, "INVALID_FIELD", message)
        };
        let (mut here, mut steps) = (object, Vec::new());
        let parts: Vec<&str> = path.split('.').collect();
        let Some((last, relations)) = parts.split_last() else { return unknown(path, here) };
        for (index, relation) in relations.iter().enumerate() {
            if index == 0 && relation.eq_ignore_ascii_case(&object.name) && object.fields().all(|f| !leads(f, relation))
            {
                continue;
            }
            let known = here.fields().find(|field| leads(field, relation));
            let Some(field) = known.filter(|field| self.tables.has(&here.name, &field.name)) else {
                let message = format!(
                    "Didn't understand relationship '{relation}' in field path. If you are attempting to use a custom \
                     relationship, be sure to append the '__r' after the custom relationship name."
                );
                return refuse(400, "INVALID_FIELD", message);
            };
            let to = field.relation.as_ref().map(|way| way.to.as_str()).unwrap_or_default();
            here = self.object(to)?;
            steps.push((field, here));
        }
        match here.field(last).filter(|field| self.tables.has(&here.name, &field.name)) {
            Some(field) => Ok(Column { steps, field }),
            None => unknown(last, here),
        }
    }

    /// The value of a column.
    pub(crate) fn reach<'a>(&'a self, column: &Column<'_>, row: Row<'a>) -> Cow<'a, Json> {
        let mut here = Some(row);
        for (field, object) in &column.steps {
            here = here.and_then(|row| self.row(&object.name, &row.text(&field.name)));
        }
        match here {
            Some(row) if column.field.formula => Cow::Owned(self.formula(column.field, row)),
            Some(row) => row.get(&column.field.name),
            None => Cow::Owned(Json::Null),
        }
    }

    /// The query with its object found and `FIELDS()` spelt out.
    pub(crate) fn parse(&self, text: &str) -> Result<Select, Refusal> {
        let mut select = super::soql::parse(text).or_else(|message| refuse(400, "MALFORMED_QUERY", message))?;
        let Ok(object) = self.object(&select.from) else {
            let message = format!(
                "\nFROM {0}\n     ^\nERROR at Row:1:Column:1\nsObject type '{0}' is not supported. If you are attempting to use \
                 a custom object, be sure to append the '__c' after the entity name.",
                select.from
            );
            return refuse(400, "INVALID_TYPE", message);
        };
        self.complete(object, &mut select)?;
        if object.name == "ContentDocumentLink" && !names_one_end(select.filter.as_ref()) {
            let message = "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId \
                           or LinkedEntityId using the equals operator or multiple Id's using the IN operator.";
            return refuse(400, "MALFORMED_QUERY", message);
        }
        Ok(select)
    }

    fn complete(&self, object: &Object, select: &mut Select) -> Result<(), Refusal> {
        select.from = object.name.clone();
        let mut items = Vec::new();
        for item in select.items.drain(..) {
            match item {
                Item::Fields(which) => {
                    if which != "STANDARD" && select.limit.is_none_or(|limit| limit > 200) {
                        return refuse(
                            400,
                            "MALFORMED_QUERY",
                            "The SOQL FIELDS function must have a LIMIT of at most 200",
                        );
                    }
                    let custom = |field: &&Field| match which.as_str() {
                        "STANDARD" => !field.name.ends_with("__c"),
                        "CUSTOM" => field.name.ends_with("__c"),
                        _ => true,
                    };
                    items.extend(object.fields().filter(custom).map(|field| Item::Field(field.name.clone())));
                }
                Item::Children(mut inner) => {
                    let (child, _) = self.children(object, &inner.from)?;
                    let name = inner.from.clone();
                    self.complete(child, &mut inner)?;
                    inner.from = name;
                    items.push(Item::Children(inner));
                }
                Item::Field(path) => {
                    self.column(object, &path)?;
                    items.push(Item::Field(path));
                }
                Item::Aggregate(function, path, alias) => {
                    if !path.is_empty() {
                        self.column(object, &path)?;
                    }
                    items.push(Item::Aggregate(function, path, alias));
                }
            }
        }
        select.items = items;
        Ok(())
    }

    /// The object at the end of a way down, and its field that leads up.
    pub(crate) fn children(&self, parent: &Object, name: &str) -> Result<(&Object, &Field), Refusal> {
        let mut ways = self.schema.values().flat_map(|child| child.fields().map(move |field| (child, field)));
        let fits = |field: &Field| {
            field.relation.as_ref().is_some_and(|way| way.to == parent.name && way.children.eq_ignore_ascii_case(name))
        };
        match ways.find(|(_, field)| fits(field)) {
            Some(found) => Ok(found),
            None => {
                let message = format!(
                    "\nFROM {name})\n     ^\nERROR at Row:1:Column:1\nDidn't understand relationship '{name}' in FROM part of query \
                     call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom \
                     relationship name."
                );
                refuse(400, "INVALID_TYPE", message)
            }
        }
    }

    fn understood<'a>(&'a self, object: &'a Object, condition: &Condition) -> Result<Test<'a>, Refusal> {
        let each = |parts: &[Condition]| -> Result<Vec<Test<'a>>, Refusal> {
            parts.iter().map(|part| self.understood(object, part)).collect()
        };
        Ok(match condition {
            Condition::All(parts) => Test::All(each(parts)?),
            Condition::Any(parts) => Test::Any(each(parts)?),
            Condition::Not(part) => Test::Not(Box::new(self.understood(object, part)?)),
            Condition::Test(path, op, literals) => {
                let column = self.column(object, path)?;
                if column.field.kind == "textarea" {
                    let message = format!("field '{path}' can not be filtered in a query call");
                    return refuse(400, "INVALID_FIELD", message);
                }
                let wanted = literals.iter().map(|literal| self.literal(column.field, path, op, literal));
                let wanted = wanted.collect::<Result<_, _>>()?;
                Test::Compare(column, op.clone(), wanted)
            }
            Condition::Within(path, not, inner) => {
                let column = self.column(object, path)?;
                let mut inner = (**inner).clone();
                let from = self.object(&inner.from)?;
                self.complete(from, &mut inner)?;
                let Some(Item::Field(field)) = inner.items.first() else {
                    return refuse(400, "MALFORMED_QUERY", "a semi join sub-select must select one field");
                };
                let named = self.column(from, field)?;
                let found = self.found(&inner, false)?;
                let values = found.iter().map(|row| self.reach(&named, *row).scalar().unwrap_or_default()).collect();
                Test::Among(column, *not, values)
            }
        })
    }

    /// A literal as a stored value of the field's type; quoting decides as it does at the vendor.
    fn literal(&self, field: &Field, path: &str, op: &str, literal: &Token) -> Result<Wanted, Refusal> {
        let quoted = matches!(literal, Token::Quoted(_));
        let text = literal.text();
        if !quoted && text.eq_ignore_ascii_case("null") {
            return Ok(Wanted::Value(Json::Null));
        }
        if op == "like" {
            return Ok(Wanted::Pattern(text.to_string()));
        }
        let wrong = |rule: &str| {
            let message =
                format!("value of filter criterion for field '{path}' must be of type {} and {rule}", field.kind);
            refuse(400, "INVALID_FIELD", message)
        };
        let value = match field.kind.as_str() {
            "currency" | "double" | "percent" | "int" | "boolean" | "date" | "datetime" if quoted => {
                return wrong("should not be enclosed in quotes");
            }
            "boolean" => Json::Bool(text.eq_ignore_ascii_case("true")),
            "currency" | "double" | "percent" | "int" => match crate::json::decimal(text) {
                Some(number) => Json::amount(number),
                None => return wrong("is not a number"),
            },
            kind @ ("date" | "datetime") => {
                if let Some((from, to)) = dates::span(text, self.clock.now(), &self.settings.time_zone) {
                    return Ok(if kind == "date" {
                        Wanted::Span(from.date().to_string(), to.date().to_string())
                    } else {
                        Wanted::Span(stamp(from.timestamp()), stamp(to.timestamp()))
                    });
                }
                match (kind, text.parse::<jiff::civil::Date>(), text.parse::<Timestamp>()) {
                    ("date", Ok(_), _) if text.len() == 10 => Json::from(text),
                    ("datetime", _, Ok(time)) => Json::from(stamp(time)),
                    ("date", ..) => return wrong("should be a date"),
                    _ => return wrong("should be a dateTime"),
                }
            }
            _ if !quoted => return wrong("should be enclosed in quotes"),
            "id" | "reference" | "anyid" => Json::from(full_id(text)),
            _ => Json::from(text),
        };
        Ok(Wanted::Value(value))
    }

    fn holds(&self, test: &Test<'_>, row: Row<'_>) -> bool {
        match test {
            Test::All(parts) => parts.iter().all(|part| self.holds(part, row)),
            Test::Any(parts) => parts.iter().any(|part| self.holds(part, row)),
            Test::Not(part) => !self.holds(part, row),
            Test::Among(column, not, values) => {
                let value = self.reach(column, row);
                value.as_str().is_some_and(|value| values.contains(value)) != *not
            }
            Test::Compare(column, op, wanted) => {
                let value = self.reach(column, row);
                match op.as_str() {
                    "not in" => !wanted.iter().any(|wanted| fits(column.field, "=", &value, wanted)),
                    "in" => wanted.iter().any(|wanted| fits(column.field, "=", &value, wanted)),
                    "includes" => wanted.iter().any(|wanted| includes(&value, wanted)),
                    "excludes" => !wanted.iter().any(|wanted| includes(&value, wanted)),
                    op => wanted.iter().any(|wanted| fits(column.field, op, &value, wanted)),
                }
            }
        }
    }

    /// The rows that a query finds, in its order.
    pub(crate) fn found<'a>(&'a self, select: &Select, all: bool) -> Result<Vec<Row<'a>>, Refusal> {
        let object = self.object(&select.from)?;
        let test = select.filter.as_ref().map(|filter| self.understood(object, filter)).transpose()?;
        let mut columns = Vec::new();
        for order in select.order.iter().filter(|_| select.group.is_empty()) {
            columns.push((self.column(object, &order.field)?, order.down, order.nulls_last));
        }
        let wanted =
            |row: &Row<'a>| (all || !row.is_deleted()) && test.as_ref().is_none_or(|test| self.holds(test, *row));
        let limit = select.limit.filter(|_| select.group.is_empty()).unwrap_or(usize::MAX);
        let window = |rows: Vec<Row<'a>>| rows.into_iter().skip(select.offset).take(limit).collect();
        if let Some(ids) = test.as_ref().filter(|_| !all).and_then(|test| self.keyed(object, test)) {
            let mut rows: Vec<Row<'a>> =
                ids.iter().filter_map(|id| self.row(&object.name, id)).filter(wanted).collect();
            self.sort(&mut rows, &columns);
            return Ok(window(rows));
        }
        let ends = test.as_ref().map_or((None, None), |test| (end(test, true), end(test, false)));
        let upwards = |at: usize, name: &str| {
            columns
                .get(at)
                .is_some_and(|(column, down, _)| column.steps.is_empty() && column.field.name == name && !down)
        };
        let by_stamp = upwards(0, "SystemModstamp") && (columns.len() == 1 || (columns.len() == 2 && upwards(1, "Id")));
        if by_stamp || ends != (None, None) {
            let range = ends.0.unwrap_or(i64::MIN)..=ends.1.unwrap_or(i64::MAX);
            let rows = self.rows_by_stamp(&object.name, range).filter(wanted);
            if by_stamp || columns.is_empty() {
                return Ok(rows.skip(select.offset).take(limit).collect());
            }
            let mut rows: Vec<Row<'a>> = rows.collect();
            self.sort(&mut rows, &columns);
            return Ok(window(rows));
        }
        let mut rows: Vec<Row<'a>> = self.rows(&object.name).filter(wanted).collect();
        self.sort(&mut rows, &columns);
        Ok(window(rows))
    }

    /// Ids by a key that the query names, so that it does not walk the whole object.
    fn keyed(&self, object: &Object, test: &Test<'_>) -> Option<Vec<String>> {
        match test {
            Test::All(parts) => parts.iter().find_map(|part| self.keyed(object, part)),
            Test::Compare(column, op, wanted)
                if column.steps.is_empty()
                    && (column.field.external || column.field.kind == "id")
                    && (op == "=" || op == "in") =>
            {
                let mut ids = Vec::new();
                for wanted in wanted {
                    let Wanted::Value(value) = wanted else { return None };
                    ids.extend(self.find(&object.name, &column.field.name, value.as_str()?));
                }
                ids.sort();
                ids.dedup();
                Some(ids)
            }
            _ => None,
        }
    }

    fn sort(&self, rows: &mut Vec<Row<'_>>, columns: &[(Column<'_>, bool, bool)]) {
        if columns.is_empty() {
            return;
        }
        let keyed = rows.drain(..).map(|row| {
            let key: Vec<Json> = columns.iter().map(|(column, ..)| self.reach(column, row).into_owned()).collect();
            (key, row)
        });
        let mut keyed: Vec<(Vec<Json>, Row<'_>)> = keyed.collect();
        keyed.sort_by(|(a, _), (b, _)| {
            let orders = a.iter().zip(b).zip(columns).map(|((a, b), (column, down, nulls_last))| {
                match (a.is_null(), b.is_null()) {
                    (true, true) => Ordering::Equal,
                    (true, false) if *nulls_last => Ordering::Greater,
                    (true, false) => Ordering::Less,
                    (false, true) if *nulls_last => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    _ if *down => rank(column.field, b, a),
                    _ => rank(column.field, a, b),
                }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        rows.extend(keyed.into_iter().map(|(_, row)| row));
    }

    /// Children of every parent that has some, by the parent's id.
    pub(crate) fn families<'a>(
        &'a self,
        parent: &Object,
        inner: &Select,
    ) -> Result<BTreeMap<String, Vec<Row<'a>>>, Refusal> {
        let (child, up) = self.children(parent, &inner.from)?;
        let flat = Select { from: child.name.clone(), limit: None, offset: 0, ..inner.clone() };
        let mut families: BTreeMap<String, Vec<Row<'a>>> = BTreeMap::new();
        for row in self.found(&flat, false)? {
            families.entry(row.text(&up.name)).or_default().push(row);
        }
        if let Some(limit) = inner.limit {
            families.values_mut().for_each(|rows| rows.truncate(limit));
        }
        Ok(families)
    }
}

fn includes(value: &Json, wanted: &Wanted) -> bool {
    let has = |name: &str| value.as_str().unwrap_or_default().split(';').any(|text| text == name);
    match wanted {
        Wanted::Value(names) => names.as_str().unwrap_or_default().split(';').all(has),
        _ => false,
    }
}

fn fits(field: &Field, op: &str, value: &Json, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::Pattern(pattern) => like(&value.scalar().unwrap_or_default(), pattern),
        Wanted::Value(wanted) if wanted.is_null() || value.is_null() => match op {
            "=" => wanted.is_null() && value.is_null(),
            "!=" => wanted.is_null() != value.is_null(),
            _ => false,
        },
        Wanted::Value(wanted) => compares(op, rank(field, value, wanted)),
        Wanted::Span(from, to) => {
            let Some(value) = value.as_str() else { return op == "!=" };
            match op {
                "<" => value < from.as_str(),
                "<=" => value < to.as_str(),
                ">" => value >= to.as_str(),
                ">=" => value >= from.as_str(),
                op => (value >= from.as_str() && value < to.as_str()) == (op == "="),
            }
        }
    }
}

/// The least (or greatest) stamp in epoch seconds that a row can have and still pass.
fn end(test: &Test<'_>, least: bool) -> Option<i64> {
    match test {
        Test::All(parts) => {
            let ends = parts.iter().filter_map(|part| end(part, least));
            if least { ends.max() } else { ends.min() }
        }
        Test::Any(parts) => {
            let ends: Option<Vec<i64>> = parts.iter().map(|part| end(part, least)).collect();
            if least { ends?.into_iter().min() } else { ends?.into_iter().max() }
        }
        Test::Compare(column, op, wanted) if column.steps.is_empty() && column.field.name == "SystemModstamp" => {
            let [Wanted::Value(value)] = wanted.as_slice() else { return None };
            let at = value.as_str()?.parse::<Timestamp>().ok()?.as_second();
            let bounds = if least { [">", ">=", "="] } else { ["<", "<=", "="] };
            bounds.contains(&op.as_str()).then_some(at)
        }
        _ => None,
    }
}

/// A file's links are found from one of their ends only.
fn names_one_end(filter: Option<&Condition>) -> bool {
    match filter {
        Some(Condition::Test(field, op, _)) => {
            let end = ["LinkedEntityId", "ContentDocumentId"].iter().any(|name| field.eq_ignore_ascii_case(name));
            end && (op == "=" || op == "in")
        }
        Some(Condition::All(parts)) => parts.iter().any(|part| names_one_end(Some(part))),
        _ => false,
    }
}

pub(crate) fn leads(field: &Field, relation: &str) -> bool {
    field.relation.as_ref().is_some_and(|way| way.name.eq_ignore_ascii_case(relation))
}

pub(crate) fn rank(field: &Field, a: &Json, b: &Json) -> Ordering {
    match field.kind.as_str() {
        "currency" | "double" | "percent" | "int" => a.number().cmp(&b.number()),
        "id" | "reference" | "anyid" | "date" | "datetime" => a.as_str().cmp(&b.as_str()),
        "boolean" => a.is_true().cmp(&b.is_true()),
        _ => {
            let small = |value: &Json| value.as_str().map(str::to_lowercase);
            small(a).cmp(&small(b))
        }
    }
}
