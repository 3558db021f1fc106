//! Every list as a file: `/export/NAME.csv` and `/export/NAME.xlsx`, under the filter of the page. Who took which rows stands in
//! the audit trail, with their digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;

use super::lists::Asked;
use super::person::{Person, today};
use crate::environment::Environment;
use crate::report::export::{Cell, List};
use crate::review::listing;
use crate::review::portfolio;
use crate::review::selection::Selection;
use crate::review::snapshot::Snapshot;
use crate::web::extract::Segments;
use crate::web::problem::ApiError;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// `GET /export/{file}`
pub(super) async fn file(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(file): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let (snapshot, today) = (person.snapshot(&env).await?, today(&env));
    let Some((name, kind)) = file.split_once('.') else { return Err(ApiError::not_found("export", &file)) };
    let mut list = match name {
        "queue" => queue(&snapshot, &query, today)?,
        "documents" => documents(&env, &asked(&query)?.q).await?,
        "contracts" => contracts(&snapshot, &asked(&query)?),
        "receivables" => receivables(&snapshot, &asked(&query)?, today),
        "outlook" => outlook(&snapshot, &asked(&query)?, today)?,
        _ => return Err(ApiError::not_found("export", &file)),
    };
    list.source = format!(
        "{}, {} contracts, audit line {}",
        env.settings.http.public_url,
        snapshot.contracts.len(),
        snapshot.audit
    );
    list.parameters = query;
    list.by.clone_from(&person.caller.name);
    list.at = env.clock.now().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let cannot = |error: String| ApiError::invalid(format!("the list cannot be written: {error}"));
    let (bytes, media) = match kind {
        "csv" => (list.csv().map_err(cannot)?, "text/csv; charset=utf-8"),
        "xlsx" => (list.xlsx().map_err(cannot)?, XLSX),
        _ => return Err(ApiError::not_found("export", &file)),
    };
    let about = list.about().map_err(cannot)?;
    let detail: Vec<String> = about.into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
    env.store.list_exported(&person.caller.actor(), file.clone(), detail.join("; "), env.clock.now()).await?;
    let name = format!("attachment; filename=\"milestoned-{file}\"");
    Ok(([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response())
}

fn asked(query: &str) -> Result<Asked, ApiError> {
    let mut asked = Asked::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "q" => asked.q = value.into_owned(),
            "part" => asked.part = value.into_owned(),
            "month" => asked.month = value.into_owned(),
            "page" => {}
            other => return Err(ApiError::invalid(format!("{other}: is no field of this list"))),
        }
    }
    Ok(asked)
}

fn empty(name: &'static str, columns: &'static [&'static str], filter: String) -> List {
    List {
        name,
        columns,
        rows: Vec::new(),
        sums: BTreeMap::new(),
        source: String::new(),
        filter,
        parameters: String::new(),
        by: String::new(),
        at: String::new(),
    }
}

fn queue(snapshot: &Snapshot, query: &str, today: Date) -> Result<List, ApiError> {
    let asked = Selection::read(query)?;
    let columns = &[
        "Name",
        "What",
        "Contract",
        "Milestone",
        "Customer",
        "ERP",
        "Leg",
        "Severity",
        "Since",
        "Age in days",
        "Held",
        "Currency",
        "Owner",
        "Next review",
        "Reason",
        "What to do",
        "Note",
    ];
    let mut list = empty("queue", columns, asked.in_words());
    for item in asked.pick(&snapshot.items, &today).items {
        let (amount, currency) = match &item.held {
            Some(held) => (Cell::Amount(held.amount.clone()), Cell::text(&held.currency)),
            None => (Cell::text(""), Cell::text("")),
        };
        if let Some(held) = &item.held {
            list.add("Held", &held.currency, &held.amount);
        }
        list.rows.push(vec![
            Cell::text(&item.subject),
            Cell::text(&item.title),
            Cell::optional(item.contract.as_ref()),
            Cell::optional(item.milestone.as_ref()),
            Cell::optional(item.customer.as_ref()),
            Cell::optional(item.erp.as_ref()),
            Cell::optional(item.leg),
            Cell::text(item.severity),
            Cell::optional(item.since),
            Cell::Count(item.age(&today)),
            amount,
            currency,
            Cell::optional(item.owner.as_ref()),
            Cell::optional(item.snoozed_until),
            Cell::text(&item.problem.reason),
            Cell::text(&item.problem.remedy),
            Cell::optional(item.note.as_ref()),
        ]);
    }
    Ok(list)
}

fn named(asked: &Asked, what: &str) -> String {
    if asked.q.is_empty() {
        what.to_owned()
    } else {
        format!("{what} with {:?} in contract, customer or number", asked.q)
    }
}

/// Documents of one contract, each with where it stands in the ERP.
async fn documents(env: &Environment, contract: &str) -> Result<List, ApiError> {
    let columns =
        &["Number", "Kind", "Contract", "Milestone", "Date", "Due", "Currency", "Amount", "ERP", "Stands there as"];
    let view = portfolio::contract(env, contract).await?.ok_or_else(|| ApiError::not_found("contract", contract))?;
    let mut list = empty("documents", columns, format!("documents of contract {contract}"));
    for line in view.documents {
        let (document, currency) = (&line.document, line.document.currency.to_string());
        list.add(&document.kind.name().replace('_', " "), &currency, &document.amount.to_string());
        list.rows.push(vec![
            Cell::text(&document.number),
            Cell::text(document.kind.name().replace('_', " ")),
            Cell::text(&document.contract),
            Cell::text(&document.milestone),
            Cell::text(document.date),
            Cell::text(document.due_on),
            Cell::text(&currency),
            Cell::Amount(document.amount.to_string()),
            Cell::text(&document.target),
            Cell::text(line.standing),
        ]);
    }
    Ok(list)
}

fn contracts(snapshot: &Snapshot, asked: &Asked) -> List {
    let columns = &[
        "Contract",
        "Customer",
        "ERP",
        "Currency",
        "Total",
        "Billed, decided",
        "Billed, in the ERP",
        "Remaining",
        "Recognised",
        "Deferred",
        "To approve",
        "Blocking",
        "Warnings",
    ];
    let mut list = empty("contracts", columns, named(asked, "contracts"));
    let count = |count: usize| Cell::Count(i64::try_from(count).unwrap_or(i64::MAX));
    for one in listing::contracts(snapshot, &asked.q) {
        list.add("Total", &one.currency, &one.total);
        list.add("Billed, decided", &one.currency, &one.billed);
        let amounts = [&one.total, &one.billed, &one.in_erp, &one.remaining, &one.recognised, &one.deferred];
        let texts = [&one.contract, &one.customer, &one.erp, &one.currency];
        let mut row: Vec<Cell> = texts.into_iter().map(Cell::text).collect();
        row.extend(amounts.into_iter().cloned().map(Cell::Amount));
        row.extend([one.to_approve, one.blocking, one.warnings].map(count));
        list.rows.push(row);
    }
    list
}

fn receivables(snapshot: &Snapshot, asked: &Asked, today: Date) -> List {
    let columns = &[
        "Invoice",
        "Contract",
        "Milestone",
        "Customer",
        "ERP",
        "Date",
        "Due",
        "Days overdue",
        "Currency",
        "Amount",
        "Credited",
        "Paid",
        "Open",
    ];
    let overdue = asked.part == "overdue";
    let what = if overdue { "overdue invoices" } else { "open invoices" };
    let mut list = empty("receivables", columns, named(asked, what));
    for one in listing::receivables(snapshot, &asked.q, overdue, today) {
        let (invoice, currency) = (&one.invoice, one.invoice.open.currency().to_string());
        list.add("Open", &currency, &invoice.open.to_string());
        let amounts = [invoice.amount, invoice.credited, invoice.paid, invoice.open];
        let mut row = vec![
            Cell::text(&invoice.number),
            Cell::text(&one.contract),
            Cell::text(&invoice.milestone),
            Cell::text(&one.customer),
            Cell::text(&one.erp),
            Cell::text(invoice.date),
            Cell::text(invoice.due_on),
            Cell::Count(one.days),
            Cell::text(&currency),
        ];
        row.extend(amounts.map(|amount| Cell::Amount(amount.to_string())));
        list.rows.push(row);
    }
    list
}

fn outlook(snapshot: &Snapshot, asked: &Asked, today: Date) -> Result<List, ApiError> {
    let columns =
        &["Number", "Kind", "Contract", "Milestone", "Customer", "ERP", "Date", "Due", "Currency", "Amount", "Words"];
    let month = listing::month(&asked.month, today).ok_or_else(|| ApiError::invalid("month: is not understood"))?;
    let what = format!("documents that time alone will write in {}", month.strftime("%B %Y"));
    let mut list = empty("outlook", columns, named(asked, &what));
    for one in listing::to_come(snapshot, &asked.q, month) {
        let document = &one.document;
        let currency = document.amount.currency().to_string();
        list.add("Amount", &currency, &document.amount.to_string());
        list.rows.push(vec![
            Cell::text(&document.number),
            Cell::text(document.kind.name().replace('_', " ")),
            Cell::text(&one.contract),
            Cell::text(&document.milestone),
            Cell::text(&one.customer),
            Cell::text(&one.erp),
            Cell::text(document.date),
            Cell::text(document.due_on),
            Cell::text(&currency),
            Cell::Amount(document.amount.to_string()),
            Cell::text(&document.description),
        ]);
    }
    Ok(list)
}
