//! SOQL: a parser of the part that integrations use, and its evaluation.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::schema::{Field, Object};
use super::state::{Refusal, State, full_id, refuse, stamp};
use crate::filter::{Expr, Reader, Token, compares, like};
use crate::json::{Json, obj};

/// A parsed query.
pub(crate) struct Select {
    pub(crate) fields: Vec<String>,
    /// `COUNT()`; with a field name, `COUNT(Id)`.
    pub(crate) count: Option<String>,
    pub(crate) from: String,
    filter: Option<Expr>,
    order: Vec<(String, bool, bool)>,
    limit: Option<usize>,
    offset: usize,
}

fn parse(text: &str) -> Result<Select, String> {
    let mut reader = Reader::new(text)?;
    reader.expect("SELECT")?;
    let (mut fields, mut count) = (Vec::new(), None);
    loop {
        let field = match reader.take()? {
            Token::Word(word) => word,
            other => return Err(format!("unexpected token: '{}'", other.text())),
        };
        if reader.skip("(") {
            if !field.eq_ignore_ascii_case("count") && !field.eq_ignore_ascii_case("fields") {
                return Err(format!("unexpected token: '{field}('"));
            }
            let inner = if reader.skip(")") { String::new() } else { reader.take()?.text().to_string() };
            if !inner.is_empty() {
                reader.expect(")")?;
            }
            if field.eq_ignore_ascii_case("count") {
                count = Some(inner);
            } else {
                fields.push("FIELDS()".to_string());
            }
        } else {
            fields.push(field);
        }
        if !reader.skip(",") {
            break;
        }
    }
    reader.expect("FROM")?;
    let from = reader.take()?.text().to_string();
    let mut select = Select { fields, count, from, filter: None, order: Vec::new(), limit: None, offset: 0 };
    if reader.skip("WHERE") {
        select.filter = Some(reader.expr()?);
    }
    if reader.skip("ORDER") {
        reader.expect("BY")?;
        loop {
            let field = reader.take()?.text().to_string();
            let down = reader.descending();
            let mut nulls_last = false;
            if reader.skip("NULLS") {
                nulls_last = reader.skip("LAST");
                if !nulls_last {
                    reader.expect("FIRST")?;
                }
            }
            select.order.push((field, down, nulls_last));
            if !reader.skip(",") {
                break;
            }
        }
    }
    if reader.skip("LIMIT") {
        select.limit = usize::try_from(reader.number()?).ok();
    }
    if reader.skip("OFFSET") {
        select.offset = usize::try_from(reader.number()?).unwrap_or_default();
    }
    if reader.done() { Ok(select) } else { Err(format!("unexpected token: '{}'", reader.take()?.text())) }
}

/// A field reached from an object, perhaps over relationships.
struct Column<'a> {
    steps: Vec<(&'a Field, &'a Object)>,
    field: &'a Field,
}

impl State {
    fn column<'a>(&'a self, object: &'a Object, path: &str) -> Result<Column<'a>, Refusal> {
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
            if index == 0
                && relation.eq_ignore_ascii_case(&object.name)
                && object.fields.iter().all(|f| !leads(f, relation))
            {
                continue;
            }
            let Some(field) = here.fields.iter().find(|field| leads(field, relation)) else {
                let message = format!(
                    "Didn't understand relationship '{relation}' in field path. If you are attempting to use a custom \
                     relationship, be sure to append the '__r' after the custom relationship name."
                );
                return refuse(400, "INVALID_FIELD", message);
            };
            let to = field.relation.as_ref().map(|(_, to)| to.as_str()).unwrap_or_default();
            here = self.object(to)?;
            steps.push((field, here));
        }
        match here.field(last) {
            Some(field) => Ok(Column { steps, field }),
            None => unknown(last, here),
        }
    }

    fn reach<'a>(&'a self, column: &Column<'_>, record: &'a Json) -> &'a Json {
        let mut here = Some(record);
        for (field, object) in &column.steps {
            here = here.and_then(|record| self.record(&object.name, &record.text(&field.name)));
        }
        here.and_then(|record| record.get(&column.field.name)).unwrap_or(&Json::Null)
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Select, Refusal> {
        let mut select = parse(text).or_else(|message| refuse(400, "MALFORMED_QUERY", message))?;
        let Ok(object) = self.object(&select.from) else {
            let message = format!(
                "\nFROM {0}\n     ^\nERROR at Row:1:Column:1\nsObject type '{0}' is not supported. If you are attempting to use \
                 a custom object, be sure to append the '__c' after the entity name.",
                select.from
            );
            return refuse(400, "INVALID_TYPE", message);
        };
        select.from = object.name.clone();
        if select.fields.iter().any(|field| field == "FIELDS()") {
            select.fields = object.fields.iter().map(|field| field.name.clone()).collect();
        }
        for field in &select.fields {
            self.column(object, field)?;
        }
        Ok(select)
    }

    /// Ids of the records that a query selects, in its order.
    pub(crate) fn select(&self, select: &Select, all: bool) -> Result<Vec<String>, Refusal> {
        let object = self.object(&select.from)?;
        // an equality on a key does not walk the whole object
        let key = select.filter.as_ref().and_then(|filter| {
            let mut keys = object.fields.iter().filter(|field| field.external || field.kind == "id");
            keys.find_map(|field| Some((field, filter.equals(&field.name)?)))
        });
        let mut rows: Vec<(&str, &Json)> = match key {
            Some((field, value)) if !all => {
                let ids = self.find(&object.name, &field.name, value);
                ids.iter()
                    .filter_map(|id| self.record(&object.name, id))
                    .map(|record| (id_of(record), record))
                    .collect()
            }
            _ => self.records(&object.name).collect(),
        };
        if !all {
            rows.retain(|(_, record)| !record.get("IsDeleted").is_some_and(Json::is_true));
        }
        if let Some(filter) = &select.filter {
            let mut problem = None;
            // checked once even when there is no row, so that a wrong query never looks like an empty world
            filter.each(&mut |field, op, values| {
                if problem.is_none() {
                    problem = self.test(object, &Json::object(), field, op, values).err();
                }
            });
            if let Some(problem) = problem {
                return Err(problem);
            }
            let mut kept = Vec::new();
            for (id, record) in rows {
                if filter.holds(&mut |field, op, values| self.test(object, record, field, op, values))? {
                    kept.push((id, record));
                }
            }
            rows = kept;
        }
        self.sort(object, &mut rows, &select.order)?;
        let limit = select.limit.unwrap_or(usize::MAX);
        Ok(rows.into_iter().skip(select.offset).take(limit).map(|(id, _)| id.to_string()).collect())
    }

    fn sort(&self, object: &Object, rows: &mut [(&str, &Json)], order: &[(String, bool, bool)]) -> Result<(), Refusal> {
        let mut columns = Vec::new();
        for (path, down, nulls_last) in order {
            columns.push((self.column(object, path)?, *down, *nulls_last));
        }
        rows.sort_by(|(_, a), (_, b)| {
            for (column, down, nulls_last) in &columns {
                let (a, b) = (self.reach(column, a), self.reach(column, b));
                let order = match (a.is_null(), b.is_null()) {
                    (true, true) => Ordering::Equal,
                    (true, false) if *nulls_last => Ordering::Greater,
                    (true, false) => Ordering::Less,
                    (false, true) if *nulls_last => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    _ if *down => rank(column.field, b, a),
                    _ => rank(column.field, a, b),
                };
                if order.is_ne() {
                    return order;
                }
            }
            Ordering::Equal
        });
        Ok(())
    }

    fn test(&self, object: &Object, record: &Json, path: &str, op: &str, values: &[Token]) -> Result<bool, Refusal> {
        let column = self.column(object, path)?;
        let value = self.reach(&column, record);
        let mut any = false;
        for literal in values {
            let wanted = literal_value(column.field, path, literal)?;
            let sign = if op == "in" || op == "not in" { "=" } else { op };
            any |= if wanted.is_null() || value.is_null() {
                match sign {
                    "=" => wanted.is_null() && value.is_null(),
                    "!=" => wanted.is_null() != value.is_null(),
                    _ => false,
                }
            } else if op == "like" {
                like(&value.scalar().unwrap_or_default(), literal.text())
            } else {
                compares(sign, rank(column.field, value, &wanted))
            };
        }
        Ok(if op == "not in" { !any } else { any })
    }

    /// One row of an answer.
    pub(crate) fn row(&self, select: &Select, id: &str, version: &str) -> Json {
        let (Ok(object), Some(record)) = (self.object(&select.from), self.record(&select.from, id)) else {
            return Json::Null;
        };
        let mut row = obj! {"attributes" => attributes(&object.name, id, version)};
        for path in &select.fields {
            let Ok(column) = self.column(object, path) else { continue };
            let shown = self.show(column.field, self.reach(&column, record));
            let Some((first, to)) = column.steps.first() else {
                row.set(&column.field.name, shown);
                continue;
            };
            let target = record.text(&first.name);
            let relation = first.relation.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
            if target.is_empty() || self.record(&to.name, &target).is_none() {
                row.set(&relation, Json::Null);
                continue;
            }
            let nested =
                row.remove(&relation).unwrap_or_else(|| obj! {"attributes" => attributes(&to.name, &target, version)});
            row.set(&relation, nested.with(&column.field.name, shown));
        }
        row
    }
}

fn id_of(record: &Json) -> &str {
    record.get("Id").and_then(Json::as_str).unwrap_or_default()
}

fn leads(field: &Field, relation: &str) -> bool {
    field.relation.as_ref().is_some_and(|(name, _)| name.eq_ignore_ascii_case(relation))
}

pub(crate) fn attributes(object: &str, id: &str, version: &str) -> Json {
    obj! {"type" => object, "url" => format!("/services/data/{version}/sobjects/{object}/{id}")}
}

fn rank(field: &Field, a: &Json, b: &Json) -> Ordering {
    match field.kind.as_str() {
        "currency" | "double" | "percent" | "int" => a.number().cmp(&b.number()),
        "id" | "reference" | "date" | "datetime" => a.scalar().cmp(&b.scalar()),
        _ => a.scalar().map(|text| text.to_lowercase()).cmp(&b.scalar().map(|text| text.to_lowercase())),
    }
}

/// A literal as a stored value of the field's type; quoting decides as it does at the vendor.
fn literal_value(field: &Field, path: &str, literal: &Token) -> Result<Json, Refusal> {
    let quoted = matches!(literal, Token::Quoted(_));
    let text = literal.text();
    if !quoted && text.eq_ignore_ascii_case("null") {
        return Ok(Json::Null);
    }
    let wrong = |rule: &str| {
        let message = format!("value of filter criterion for field '{path}' must be of type {} and {rule}", field.kind);
        refuse(400, "INVALID_FIELD", message)
    };
    match field.kind.as_str() {
        "currency" | "double" | "percent" | "int" | "boolean" | "date" | "datetime" if quoted => {
            wrong("should not be enclosed in quotes")
        }
        "boolean" => Ok(Json::Bool(text.eq_ignore_ascii_case("true"))),
        "currency" | "double" | "percent" | "int" => match crate::json::decimal(text) {
            Some(number) => Ok(Json::amount(number)),
            None => wrong("is not a number"),
        },
        "date" => match text.parse::<jiff::civil::Date>() {
            Ok(_) if text.len() == 10 => Ok(Json::from(text)),
            _ => wrong("should be a date"),
        },
        "datetime" => match text.parse::<Timestamp>() {
            Ok(time) => Ok(Json::from(stamp(time))),
            Err(_) => wrong("should be a dateTime"),
        },
        _ if !quoted => wrong("should be enclosed in quotes"),
        "id" | "reference" => Ok(Json::from(full_id(text))),
        _ => Ok(Json::from(text)),
    }
}
