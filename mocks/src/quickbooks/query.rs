//! The query language, change data capture and batches.

use std::cmp::Ordering;

use super::chart;
use super::state::{Fault, State, fault, place, reply};
use crate::call::{Call, Reply};
use crate::filter::{Expr, Reader, Token, compares, like};
use crate::json::{Json, list, obj};

struct Select {
    count: bool,
    entity: &'static str,
    filter: Option<Expr>,
    order: Vec<(String, bool)>,
    start: usize,
    size: usize,
}

fn parser(detail: String) -> Fault {
    fault("4000", "Error parsing query", format!("QueryParserError: {detail}"))
}

fn invalid(detail: String) -> Fault {
    fault("4001", "Invalid query", format!("QueryValidationError: {detail}"))
}

fn parse(text: &str) -> Result<Select, Fault> {
    let mut reader = Reader::new(text).map_err(parser)?;
    reader.expect("SELECT").map_err(parser)?;
    let mut count = false;
    while !reader.skip("FROM") {
        let token = reader.take().map_err(parser)?;
        count |= token.is("count");
    }
    let name = reader.take().map_err(parser)?;
    let entity =
        chart::entity(name.text()).ok_or_else(|| invalid(format!("entity {} is not queryable", name.text())))?;
    let mut select = Select { count, entity, filter: None, order: Vec::new(), start: 1, size: 100 };
    if reader.skip("WHERE") {
        let filter = reader.expr().map_err(parser)?;
        check(entity, &filter)?;
        select.filter = Some(filter);
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
            select.size = usize::try_from(size).unwrap_or(100);
        } else if reader.done() {
            return Ok(select);
        } else {
            let token = reader.take().map_err(parser)?;
            return Err(parser(format!("Encountered \" <STRING> \"{}\"", token.text())));
        }
    }
}

/// No OR, and only what the vendor lets filter.
fn check(entity: &str, filter: &Expr) -> Result<(), Fault> {
    match filter {
        Expr::Or(_) | Expr::Not(_) => Err(parser("Encountered \" <OR> \"OR\"".to_string())),
        Expr::And(all) => all.iter().try_for_each(|part| check(entity, part)),
        Expr::Test { field, .. } => {
            let general = ["Id", "Active", "MetaData.CreateTime", "MetaData.LastUpdatedTime"];
            let own: &[&str] = match entity {
                "Customer" | "Vendor" | "Employee" => {
                    &["DisplayName", "CompanyName", "GivenName", "FamilyName", "Balance"]
                }
                "Item" | "Account" | "Term" | "Class" | "Department" | "TaxCode" => &[
                    "Name",
                    "Type",
                    "AccountType",
                    "AccountSubType",
                    "Classification",
                    "FullyQualifiedName",
                    "AcctNum",
                ],
                _ => &["DocNumber", "TxnDate", "CustomerRef", "TotalAmt", "DueDate", "Balance"],
            };
            if general.iter().chain(own).any(|known| known.eq_ignore_ascii_case(field)) {
                return Ok(());
            }
            Err(invalid(format!("Property {field} not found for Entity {entity}, or it is not queryable")))
        }
    }
}

impl State {
    fn value(&self, record: &Json, field: &str) -> Option<String> {
        let value = record
            .path(field)
            .or_else(|| record.members().iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, v)| v))?;
        value.scalar().or_else(|| value.get("value").and_then(Json::scalar))
    }

    fn test(&self, record: &Json, field: &str, op: &str, values: &[Token]) -> bool {
        let Some(value) = self.value(record, field) else { return op == "!=" };
        let order = |wanted: &str| -> Ordering {
            if field.to_ascii_lowercase().starts_with("metadata.") {
                return self.time_of(&value).cmp(&self.time_of(wanted));
            }
            match (crate::json::decimal(&value), crate::json::decimal(wanted)) {
                (Some(a), Some(b)) if field != "DocNumber" => a.cmp(&b),
                _ => value.as_str().cmp(wanted),
            }
        };
        match op {
            "in" => values.iter().any(|wanted| order(wanted.text()).is_eq()),
            "like" => values.iter().any(|wanted| like(&value, wanted.text())),
            op => values.iter().all(|wanted| compares(op, order(wanted.text()))),
        }
    }

    fn found(&self, select: &Select) -> Vec<Json> {
        let number = select.filter.as_ref().and_then(|filter| filter.equals("DocNumber"));
        // a number leads straight to its holder
        let holder =
            number.map(|number| self.store.get(&format!("number:{}", select.entity), number).map(Json::text_of));
        let mut rows: Vec<Json> = match holder {
            Some(None) => Vec::new(),
            Some(Some(id)) => self.record(select.entity, &id).cloned().into_iter().collect(),
            None => self.store.all(&place(select.entity)).map(|(_, record)| record.clone()).collect(),
        };
        let mut asks_active = false;
        if let Some(filter) = &select.filter {
            filter.each(&mut |field, _, _| asks_active |= field.eq_ignore_ascii_case("Active"));
            rows.retain(|record| {
                let holds: Result<bool, ()> =
                    filter.holds(&mut |field, op, values| Ok(self.test(record, field, op, values)));
                holds == Ok(true)
            });
        }
        if !asks_active {
            rows.retain(|record| record.get("Active") != Some(&Json::Bool(false)));
        }
        rows.sort_by(|a, b| {
            for (field, down) in &select.order {
                let (a, b) = (self.value(a, field), self.value(b, field));
                let order =
                    match (a.as_deref().and_then(crate::json::decimal), b.as_deref().and_then(crate::json::decimal)) {
                        (Some(a), Some(b)) => a.cmp(&b),
                        _ => a.cmp(&b),
                    };
                if order.is_ne() {
                    return if *down { order.reverse() } else { order };
                }
            }
            Ordering::Equal
        });
        rows
    }

    pub(crate) fn query(&self, text: &str) -> Result<Json, Fault> {
        let select = parse(text)?;
        let rows = self.found(&select);
        if select.count {
            return Ok(obj! {"totalCount" => rows.len()});
        }
        let page: Vec<Json> = rows.iter().skip(select.start - 1).take(select.size).map(State::shown).collect();
        if page.is_empty() {
            return Ok(Json::object());
        }
        let count = page.len();
        Ok(obj! {select.entity => page, "startPosition" => select.start, "maxResults" => count})
    }

    /// Whole entities changed since a moment, and the ghosts of deleted ones.
    pub(crate) fn changes(&self, call: &Call) -> Result<Reply, Fault> {
        let since = call.param("changedSince").unwrap_or_default();
        let since = self.time_of(since).ok_or_else(|| invalid(format!("Invalid changedSince {since}")))?;
        if since < self.clock.now() - jiff::SignedDuration::from_hours(30 * 24) {
            return Err(invalid("changedSince is more than 30 days in the past".to_string()));
        }
        let mut groups = Vec::new();
        for name in call.param("entities").unwrap_or_default().split(',') {
            let entity =
                chart::entity(name.trim()).ok_or_else(|| invalid(format!("entity {name} is not supported")))?;
            let newer = |record: &Json| {
                self.time_of(&record.text("MetaData.LastUpdatedTime")).is_some_and(|time| time >= since)
            };
            let mut rows: Vec<Json> = self
                .store
                .all(&place(entity))
                .map(|(_, record)| record)
                .filter(|record| newer(record))
                .map(State::shown)
                .collect();
            for (_, ghost) in
                self.store.all("deleted").filter(|(_, ghost)| ghost.text("entity") == entity && newer(ghost))
            {
                let meta = ghost.get("MetaData").cloned();
                rows.push(
                    obj! {"domain" => "QBO", "status" => "Deleted", "Id" => ghost.text("Id"), "MetaData" => meta},
                );
            }
            rows.truncate(1000);
            if rows.is_empty() {
                groups.push(Json::object());
            } else {
                let count = rows.len();
                groups.push(obj! {entity => rows, "startPosition" => 1, "maxResults" => count, "totalCount" => count});
            }
        }
        Ok(reply(200, obj! {"CDCResponse" => list![obj! {"QueryResponse" => groups}]}, &self.stamp()))
    }

    /// Up to thirty operations, one after another, each with its own outcome.
    pub(crate) fn batch(&mut self, call: &Call) -> Result<Reply, Fault> {
        let body = call.json().map_err(parser)?;
        let items = body.list("BatchItemRequest");
        if items.len() > 30 {
            return Err(fault(
                "1040",
                "Too many batch items",
                "The number of items in a batch request is limited to 30",
            ));
        }
        let mut answers = Vec::new();
        for item in items {
            let mark = self.store.mark();
            let outcome = self.batch_item(item).unwrap_or_else(|fault| {
                self.store.rollback(mark);
                obj! {"Fault" => fault.json()}
            });
            answers.push(outcome.with("bId", item.text("bId")));
        }
        Ok(reply(200, obj! {"BatchItemResponse" => answers}, &self.stamp()))
    }

    fn batch_item(&mut self, item: &Json) -> Result<Json, Fault> {
        if item.has("Query") {
            return Ok(obj! {"QueryResponse" => self.query(&item.text("Query"))?});
        }
        let found = item.members().iter().find_map(|(name, body)| Some((chart::entity(name)?, body)));
        let Some((entity, body)) = found else {
            return Err(fault("2010", "Request has invalid or unsupported property", "no entity in the batch item"));
        };
        let record = match item.text("operation").as_str() {
            "create" => self.create(entity, body, false)?,
            "update" => self.update(entity, body, false)?,
            "delete" => self.delete(entity, body)?,
            other => return Err(fault("500", "Unsupported Operation", format!("Operation {other} is not supported."))),
        };
        Ok(obj! {entity => State::shown(&record)})
    }
}
