//! Every list as a file: `/export/NAME.csv` and `/export/NAME.xlsx`, under the filter of the page. Who took which rows stands in
//! the audit trail, with their digest.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use milestoned_identity::rights::Right;
use milestoned_mapping::command::Side;
use milestoned_workbook::cell::Cell;

use super::filters;
use super::lists::Asked;
use super::person::Person;
use super::reports;
use crate::environment::Environment;
use crate::report::export::List;
use crate::report::performance::Rows;
use crate::report::workbook::sheets;
use crate::review::holding::counted_once;
use crate::review::item::{Amount, Item};
use crate::review::line::Brief;
use crate::review::listing;
use crate::review::portfolio;
use crate::review::queue::whole;
use crate::review::selection::Selection;
use crate::review::snapshot::Snapshot;
use crate::web::extract::Segments;
use crate::web::problem::ApiError;

pub(super) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// `GET /export/{file}`
pub(super) async fn file(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(file): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let Some((name, kind)) = file.split_once('.') else { return Err(ApiError::not_found("export", &file)) };
    let mut list = match name {
        "queue" => queue(&env, &snapshot, &query, today).await?,
        "audit" => audit(&env, &person, &asked(&query)?.q).await?,
        "documents" => documents(&env, &snapshot, &asked(&query)?).await?,
        "exceptions" => exceptions(&env, &snapshot, &asked(&query)?).await?,
        "journal" => journal(&env, &snapshot, &asked(&query)?).await?,
        "milestones" => milestones(&env, &snapshot, &asked(&query)?).await?,
        "payments" => payments(&env, &snapshot, &asked(&query)?).await?,
        "contracts" => contracts(&env, &snapshot, &asked(&query)?).await?,
        "receivables" => receivables(&snapshot, &asked(&query)?, today),
        "outlook" => outlook(&snapshot, &asked(&query)?, today)?,
        "metrics" | "cases" | "cohort" | "forecast" => {
            reports::report(&env, &snapshot, name, (&asked(&query)?, Rows::All), today).await?.list
        }
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
    let now = env.clock.now();
    list.at = now.strftime("%Y-%m-%d %H:%M:%S").to_string();
    list.local = person.other_zone().map(|(name, zone)| (name.to_owned(), filters::second(now, zone)));
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

/// Column of what an item holds back and no row above it does: it sums to what the tab of the queue says.
const COUNTED_ONCE: &str = "Held, counted once";

async fn queue(env: &Environment, snapshot: &Snapshot, query: &str, today: Date) -> Result<List, ApiError> {
    let asked = Selection::read(query)?;
    let columns = &[
        "Name",
        "What",
        "Code",
        "Contract",
        "Milestone",
        "Customer",
        "ERP",
        "Leg",
        "Severity",
        "Since",
        "Age in days",
        "Held",
        COUNTED_ONCE,
        "Currency",
        "Owner",
        "Next review",
        "Reason",
        "What to do",
        "Note",
    ];
    let mut list = List::new("queue", columns, asked.in_words());
    let items = whole(env, &asked.pick(&snapshot.items, &today).items).await?;
    let items: Vec<&Item> = items.iter().map(AsRef::as_ref).collect();
    let amount = |held: &Amount| Cell::Amount(held.amount.clone());
    for (item, counts) in items.iter().zip(counted_once(&items)) {
        let held = item.held.as_ref();
        let once = held.filter(|_| counts);
        if let Some(held) = once {
            list.add(COUNTED_ONCE, &held.currency, &held.amount);
        }
        list.rows.push(vec![
            Cell::text(&item.subject),
            Cell::text(&item.title),
            Cell::optional(item.code.as_ref()),
            Cell::optional(item.contract.as_ref()),
            Cell::optional(item.milestone.as_ref()),
            Cell::optional(item.customer.as_ref()),
            Cell::optional(item.erp.as_ref()),
            Cell::optional(item.leg),
            Cell::text(item.severity),
            Cell::optional(item.since),
            Cell::Count(item.age(&today)),
            held.map_or_else(|| Cell::text(""), amount),
            once.map_or_else(|| Cell::text(""), amount),
            Cell::optional(held.map(|held| &held.currency)),
            Cell::optional(item.mark.owner.as_ref()),
            Cell::optional(item.mark.snoozed_until),
            Cell::text(&item.problem.reason),
            Cell::text(&item.problem.remedy),
            Cell::optional(item.mark.note.as_ref()),
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

/// Ids of the contracts that are asked for, in their order.
async fn chosen(env: &Environment, snapshot: &Snapshot, asked: &Asked) -> Result<Vec<String>, ApiError> {
    let found = listing::contracts(env, snapshot, &asked.q).await?;
    Ok(found.into_iter().map(|brief| brief.contract.to_string()).collect())
}

/// Customer and ERP of a contract.
fn whose(snapshot: &Snapshot, id: &str) -> [Cell; 2] {
    let brief = snapshot.contracts.get(id).map(|line| &line.brief);
    [Cell::optional(brief.map(|brief| &brief.customer)), Cell::optional(brief.map(|brief| &brief.erp))]
}

/// Documents, each with where it stands in the ERP.
async fn documents(env: &Environment, snapshot: &Snapshot, asked: &Asked) -> Result<List, ApiError> {
    let columns = &[
        "Number",
        "Kind",
        "Contract",
        "Milestone",
        "Customer",
        "Date",
        "Due",
        "Currency",
        "Amount",
        "ERP",
        "Stands there as",
    ];
    let mut list = List::new("documents", columns, named(asked, "documents of contracts"));
    for ids in chosen(env, snapshot, asked).await?.chunks(portfolio::AT_ONCE) {
        for line in portfolio::documents_of(env, snapshot, ids).await? {
            let (document, currency) = (&line.document, line.document.currency.to_string());
            let [customer, _] = whose(snapshot, &document.contract);
            list.add(&document.kind.name().replace('_', " "), &currency, &document.amount.to_string());
            list.rows.push(vec![
                Cell::text(&document.number),
                Cell::text(document.kind.name().replace('_', " ")),
                Cell::text(&document.contract),
                Cell::text(&document.milestone),
                customer,
                Cell::text(document.date),
                Cell::text(document.due_on),
                Cell::text(&currency),
                Cell::Amount(document.amount.to_string()),
                Cell::text(&document.target),
                Cell::text(line.standing),
            ]);
        }
    }
    Ok(list)
}

/// Milestones with all legs beside each other.
async fn milestones(env: &Environment, snapshot: &Snapshot, asked: &Asked) -> Result<List, ApiError> {
    let sheet = sheets::milestones_of(env, snapshot, &chosen(env, snapshot, asked).await?).await?;
    let mut list = List::new("milestones", &[], named(asked, "milestones of contracts"));
    list.columns = sheet.columns.iter().map(|column| column.name.clone()).collect();
    let place = |name: &str| sheet.columns.iter().position(|column| column.name == name);
    if let (Some(amount), Some(currency)) = (place("Amount"), place("Currency")) {
        for row in &sheet.rows {
            let text = |place: usize| row.cells.get(place).map(Cell::compared).unwrap_or_default();
            list.add("Amount", &text(currency), &text(amount));
        }
    }
    list.rows = sheet.rows.into_iter().map(|row| row.cells).collect();
    Ok(list)
}

/// Lines of journal entries, as decided.
async fn journal(env: &Environment, snapshot: &Snapshot, asked: &Asked) -> Result<List, ApiError> {
    let columns = &["Date", "Contract", "Customer", "ERP", "Account", "Currency", "Debit", "Credit"];
    let mut list = List::new("journal", columns, named(asked, "journal entries of contracts"));
    for contract in portfolio::states(env, &chosen(env, snapshot, asked).await?).await? {
        for (entry, line) in
            contract.journal().iter().flat_map(|entry| entry.lines.iter().map(move |line| (entry, line)))
        {
            let (amount, currency) = (line.amount.to_string(), line.amount.currency().to_string());
            let [customer, erp] = whose(snapshot, contract.terms().id());
            let (debit, credit) = match line.side {
                Side::Debit => (Cell::Amount(amount.clone()), Cell::text("")),
                Side::Credit => (Cell::text(""), Cell::Amount(amount.clone())),
            };
            list.add(if line.side == Side::Debit { "Debit" } else { "Credit" }, &currency, &amount);
            let account = Cell::text(line.account.name().replace('_', " "));
            let (date, id) = (Cell::text(entry.date), Cell::text(contract.terms().id()));
            list.rows.push(vec![date, id, customer, erp, account, Cell::text(currency), debit, credit]);
        }
    }
    Ok(list)
}

/// Payments, as far as they were applied to invoices.
async fn payments(env: &Environment, snapshot: &Snapshot, asked: &Asked) -> Result<List, ApiError> {
    let columns = &[
        "Date",
        "Payment",
        "Invoice",
        "Contract",
        "Milestone",
        "Customer",
        "ERP",
        "Currency",
        "Applied",
        "Taken back on",
    ];
    let mut list = List::new("payments", columns, named(asked, "payments of contracts"));
    for contract in portfolio::states(env, &chosen(env, snapshot, asked).await?).await? {
        for invoice in contract.receivables() {
            for payment in &invoice.payments {
                let currency = payment.amount.currency().to_string();
                if payment.reversed_on.is_none() {
                    list.add("Applied, not taken back", &currency, &payment.amount.to_string());
                }
                let [customer, erp] = whose(snapshot, contract.terms().id());
                list.rows.push(vec![
                    Cell::text(payment.on),
                    Cell::optional(payment.id.as_ref()),
                    Cell::text(&invoice.number),
                    Cell::text(contract.terms().id()),
                    Cell::text(&invoice.milestone),
                    customer,
                    erp,
                    Cell::text(&currency),
                    Cell::Amount(payment.amount.to_string()),
                    Cell::optional(payment.reversed_on),
                ]);
            }
        }
    }
    Ok(list)
}

/// Exceptions and drifts, closed ones too; `part=open` leaves them out.
async fn exceptions(env: &Environment, snapshot: &Snapshot, asked: &Asked) -> Result<List, ApiError> {
    let columns = &[
        "Code",
        "Contract",
        "Milestone",
        "Leg",
        "Customer",
        "ERP",
        "Severity",
        "Opened on",
        "Closed on",
        "Currency",
        "Held",
        "Reason",
        "What to do",
    ];
    let open = asked.part == "open";
    let what = if open { "open exceptions of contracts" } else { "exceptions of contracts, closed ones too" };
    let mut list = List::new("exceptions", columns, named(asked, what));
    let ids = chosen(env, snapshot, asked).await?;
    for remedied in portfolio::remedied(env, None, open).await? {
        let exception = &remedied.exception;
        if ids.binary_search(&exception.contract).is_err() {
            continue;
        }
        let held = exception.held.map(|held| held.to_string());
        let currency = exception.currency.map(|currency| currency.to_string());
        let [customer, erp] = whose(snapshot, &exception.contract);
        list.rows.push(vec![
            Cell::text(&exception.code),
            Cell::text(&exception.contract),
            Cell::optional(exception.milestone.as_ref()),
            Cell::optional(exception.leg),
            customer,
            erp,
            Cell::text(exception.severity),
            Cell::text(exception.opened_on),
            Cell::optional(exception.closed_on),
            Cell::optional(currency),
            held.map_or_else(|| Cell::text(""), Cell::Amount),
            Cell::text(&remedied.reason),
            Cell::text(remedied.remedy),
        ]);
    }
    Ok(list)
}

/// Lines of the audit trail that are read at once, and at most.
const LINES: i64 = 5_000;
const MOST_LINES: usize = 200_000;

/// The audit trail of one contract, or of all.
async fn audit(env: &Environment, person: &Person, contract: &str) -> Result<List, ApiError> {
    person.caller.may(Right::Audit)?;
    let columns = &["Line", "Time, UTC", "Who", "What", "Contract", "Of", "Detail", "Hash"];
    let local = person.other_zone();
    let contract = Some(contract.trim().to_owned()).filter(|id| !id.is_empty());
    let of = contract.as_ref().map_or_else(|| "all contracts".to_owned(), |id| format!("contract {id}"));
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let mut some = env.store.audit_before(contract.clone(), before, LINES).await?;
        let Some(first) = some.first() else { break };
        before = Some(first.seq);
        some.reverse();
        all.extend(some);
        if all.len() >= MOST_LINES {
            break;
        }
    }
    let rest = if all.len() >= MOST_LINES { format!(", the newest {}", all.len()) } else { String::new() };
    let mut list = List::new("audit", columns, format!("audit trail of {of}{rest}"));
    if let Some((name, _)) = local {
        list.columns.insert(2, format!("Time, {name}"));
    }
    list.rows.extend(all.into_iter().rev().map(|line| {
        let at = line.at.parse().ok();
        let there = local.map(|(_, zone)| Cell::optional(at.map(|at| filters::second(at, zone))));
        let (time, contract) = (Cell::text(line.at), Cell::optional(line.contract));
        let words = [line.actor, line.action].map(Cell::Text);
        let [actor, action] = words;
        let (subject, detail) = (Cell::Text(line.subject), Cell::Text(line.detail));
        let mut row = vec![Cell::Count(line.seq), time];
        row.extend(there);
        row.extend([actor, action, contract, subject, detail, Cell::Text(line.hash)]);
        row
    }));
    Ok(list)
}

async fn contracts(env: &Environment, snapshot: &Snapshot, asked: &Asked) -> Result<List, ApiError> {
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
    let mut list = List::new("contracts", columns, named(asked, "contracts"));
    let count = |count: usize| Cell::Count(i64::try_from(count).unwrap_or(i64::MAX));
    for contract in listing::contracts(env, snapshot, &asked.q).await?.into_iter().map(Brief::summary) {
        list.add("Total", &contract.currency, &contract.total);
        list.add("Billed, decided", &contract.currency, &contract.billed);
        let amounts = [
            &contract.total,
            &contract.billed,
            &contract.in_erp,
            &contract.remaining,
            &contract.recognised,
            &contract.deferred,
        ];
        let texts = [&contract.contract, &contract.customer, &contract.erp, &contract.currency];
        let mut row: Vec<Cell> = texts.into_iter().map(Cell::text).collect();
        row.extend(amounts.into_iter().cloned().map(Cell::Amount));
        row.extend([contract.to_approve, contract.blocking, contract.warnings].map(count));
        list.rows.push(row);
    }
    Ok(list)
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
    let mut list = List::new("receivables", columns, named(asked, what));
    let rows = listing::receivables(snapshot, &asked.q, overdue, today);
    for receivable in listing::by_due_date(rows, 0..usize::MAX) {
        let (brief, invoice) = (&receivable.line.brief, receivable.invoice);
        let currency = brief.currency.to_string();
        list.add("Open", &currency, &receivable.open().to_string());
        let amounts = [receivable.amount(), receivable.credited(), receivable.paid(), receivable.open()];
        let mut row = vec![
            Cell::text(&invoice.number),
            Cell::text(&brief.contract),
            Cell::text(&invoice.milestone),
            Cell::text(&brief.customer),
            Cell::text(&brief.erp),
            Cell::text(invoice.date),
            Cell::text(invoice.due_on),
            Cell::Count(receivable.days(&today)),
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
    let mut list = List::new("outlook", columns, named(asked, &what));
    for to_come in listing::by_date(listing::to_come(snapshot, &asked.q, month), 0..usize::MAX) {
        let (brief, document) = (&to_come.line.brief, to_come.document);
        let currency = brief.currency.to_string();
        list.add("Amount", &currency, &to_come.amount().to_string());
        list.rows.push(vec![
            Cell::text(&document.number),
            Cell::text(document.kind.name().replace('_', " ")),
            Cell::text(&brief.contract),
            Cell::text(&document.milestone),
            Cell::text(&brief.customer),
            Cell::text(&brief.erp),
            Cell::text(document.date),
            Cell::text(document.due_on),
            Cell::text(&currency),
            Cell::Amount(to_come.amount().to_string()),
            Cell::text(&document.description),
        ]);
    }
    Ok(list)
}
