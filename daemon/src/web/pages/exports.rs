//! Every list as a file: `/export/NAME.csv` and `/export/NAME.xlsx`, under the filter of the page. Rows are written as they are read;
//! a list that takes longer than a page waits goes on as a job. Who took which rows stands in the audit trail, with their digest.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use milestoned_identity::rights::Right;
use milestoned_mapping::command::Side;
use milestoned_mapping::contract::Contract;
use milestoned_workbook::cell::Cell;

use super::filters;
use super::jobs::{self, AtWork};
use super::lists::Asked;
use super::person::Person;
use super::reports;
use crate::environment::Environment;
use crate::progress::Progress;
use crate::report::export::List;
use crate::report::list_file::{Kind, ListFile};
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
use crate::store::actor::Actor;
use crate::store::audit::AuditLine;
use crate::web::extract::Segments;
use crate::web::jobs::{Made, MadeFile};
use crate::web::problem::ApiError;

pub(super) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Lines of the audit trail that are read at once, and at most.
const LINES: i64 = 5_000;
const MOST_LINES: usize = 200_000;
/// Column of what an item holds back and no row above it does: it sums to what the tab of the queue says.
const COUNTED_ONCE: &str = "Held, counted once";

/// Who takes a list away.
pub(super) struct Who {
    name: String,
    actor: Actor,
    /// Where they read, if that is not UTC, by name.
    zone: Option<(String, TimeZone)>,
}

impl Who {
    pub(super) fn of(person: &Person) -> Self {
        let zone = person.other_zone().map(|(name, zone)| (name.to_owned(), zone.clone()));
        Self { name: person.caller.name.clone(), actor: person.caller.actor(), zone }
    }
}

/// A list that was written, as a file under a name, by what stands behind the question mark of the address. That it was taken stands
/// in the audit trail before anybody has it.
pub(super) async fn taken(
    env: &Environment,
    who: &Who,
    (file, parameters): (&str, &str),
    mut out: ListFile,
) -> Result<Made, ApiError> {
    let now = env.clock.now();
    let list = &mut out.list;
    list.parameters = parameters.to_owned();
    list.by.clone_from(&who.name);
    list.at = now.strftime("%Y-%m-%d %H:%M:%S").to_string();
    list.local = who.zone.as_ref().map(|(name, zone)| (name.clone(), filters::second(now, zone)));
    let ended = tokio::task::spawn_blocking(move || out.end()).await;
    let (content, about) = ended.map_err(|error| ApiError::invalid(format!("the list: {error}")))??;
    let detail: Vec<String> = about.into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
    env.store.list_exported(&who.actor, file.to_owned(), detail.join("; "), now).await?;
    let media = if file.ends_with(".csv") { "text/csv; charset=utf-8" } else { XLSX };
    Ok(Made::File(Arc::new(MadeFile::kept(format!("milestoned-{file}"), media, content))))
}

/// A list that somebody asks for.
struct Asking {
    env: Arc<Environment>,
    snapshot: Arc<Snapshot>,
    /// Name of the file: that of the list, and its ending.
    file: String,
    name: String,
    kind: Kind,
    /// What stands behind the question mark of the address.
    query: String,
    who: Who,
    today: Date,
    progress: Arc<Progress>,
}

/// `GET /export/{file}`
pub(super) async fn file(
    State(env): State<Arc<Environment>>,
    Extension(at_work): AtWork,
    person: Person,
    Segments(file): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let named = file.split_once('.').and_then(|(name, ending)| Some((name.to_owned(), Kind::of(ending)?)));
    let Some((name, kind)) = named else { return Err(ApiError::not_found("export", &file)) };
    if name == "audit" {
        person.caller.may(Right::Audit)?;
    }
    let (snapshot, today) = (person.snapshot(&env).await?, person.today(&env));
    let key = format!("/export/{file}?{query}");
    let (wanted, at) = ((key, format!("The list {file}")), Arc::clone(&env));
    let who = Who::of(&person);
    jobs::answer(&at, &at_work, wanted, &person.caller.name, |progress| {
        Asking { env, snapshot, file, name, kind, query, who, today, progress }.made()
    })
    .await
}

impl Asking {
    async fn made(self) -> Result<Made, ApiError> {
        let mut out = self.list().await?;
        out.list.source = format!(
            "{}, {} contracts, audit line {}",
            self.env.settings.http.public_url,
            self.snapshot.contracts.len(),
            self.snapshot.audit
        );
        taken(&self.env, &self.who, (&self.file, &self.query), out).await
    }

    async fn list(&self) -> Result<ListFile, ApiError> {
        if self.name == "queue" {
            return self.queue().await;
        }
        let asked = asked(&self.query)?;
        match self.name.as_str() {
            "audit" => self.audit(&asked.q).await,
            "documents" => self.documents(&asked).await,
            "exceptions" => self.exceptions(&asked).await,
            "journal" => self.journal(&asked).await,
            "milestones" => self.milestones(&asked).await,
            "payments" => self.payments(&asked).await,
            "contracts" => self.contracts(&asked).await,
            "receivables" => self.receivables(&asked),
            "outlook" => self.outlook(&asked),
            name @ ("metrics" | "cases" | "cohort" | "forecast") => {
                let report = reports::report(&self.env, &self.snapshot, name, (&asked, Rows::All), self.today).await?;
                self.begin(report.list)
            }
            _ => Err(ApiError::not_found("export", &self.file)),
        }
    }

    fn begin(&self, list: List) -> Result<ListFile, ApiError> {
        Ok(ListFile::begin(list, self.kind)?)
    }

    /// Ids of the contracts that are asked for, in their order.
    async fn chosen(&self, asked: &Asked) -> Result<Vec<String>, ApiError> {
        let found = listing::contracts(&self.env, &self.snapshot, &asked.q).await?;
        self.progress.begins(found.len());
        Ok(found.into_iter().map(|brief| brief.contract.to_string()).collect())
    }

    /// Writes what stands in the states of the contracts that are asked for, some of which are read at a time.
    async fn of_states(
        &self,
        asked: &Asked,
        mut out: ListFile,
        write: fn(&Self, &Contract, &mut ListFile) -> Result<(), ApiError>,
    ) -> Result<ListFile, ApiError> {
        for ids in self.chosen(asked).await?.chunks(portfolio::AT_ONCE) {
            for contract in portfolio::states(&self.env, ids).await? {
                write(self, &contract, &mut out)?;
            }
            self.progress.advances(ids.len());
        }
        Ok(out)
    }

    /// Customer and ERP of a contract.
    fn whose(&self, id: &str) -> [Cell; 2] {
        let brief = self.snapshot.contracts.get(id).map(|line| &line.brief);
        [Cell::optional(brief.map(|brief| &brief.customer)), Cell::optional(brief.map(|brief| &brief.erp))]
    }

    async fn queue(&self) -> Result<ListFile, ApiError> {
        let asked = Selection::read(&self.query)?;
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
        let mut out = self.begin(List::new("queue", columns, asked.in_words()))?;
        let items = whole(&self.env, &asked.pick(&self.snapshot.items, &self.today).items).await?;
        let items: Vec<&Item> = items.iter().map(AsRef::as_ref).collect();
        let amount = |held: &Amount| Cell::Amount(held.amount.clone());
        for (item, counts) in items.iter().zip(counted_once(&items)) {
            let held = item.held.as_ref();
            let once = held.filter(|_| counts);
            if let Some(held) = once {
                out.list.add(COUNTED_ONCE, &held.currency, &held.amount);
            }
            out.push(&[
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
                Cell::Count(item.age(&self.today)),
                held.map_or_else(|| Cell::text(""), amount),
                once.map_or_else(|| Cell::text(""), amount),
                Cell::optional(held.map(|held| &held.currency)),
                Cell::optional(item.mark.owner.as_ref()),
                Cell::optional(item.mark.snoozed_until),
                Cell::text(&item.problem.reason),
                Cell::text(&item.problem.remedy),
                Cell::optional(item.mark.note.as_ref()),
            ])?;
        }
        Ok(out)
    }

    /// Documents, each with where it stands in the ERP.
    async fn documents(&self, asked: &Asked) -> Result<ListFile, ApiError> {
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
        let mut out = self.begin(List::new("documents", columns, named(asked, "documents of contracts")))?;
        for ids in self.chosen(asked).await?.chunks(portfolio::AT_ONCE) {
            for line in portfolio::documents_of(&self.env, &self.snapshot, ids).await? {
                let (document, currency) = (&line.document, line.document.currency.to_string());
                let [customer, _] = self.whose(&document.contract);
                out.list.add(&document.kind.name().replace('_', " "), &currency, &document.amount.to_string());
                out.push(&[
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
                ])?;
            }
            self.progress.advances(ids.len());
        }
        Ok(out)
    }

    /// Milestones with all legs beside each other.
    async fn milestones(&self, asked: &Asked) -> Result<ListFile, ApiError> {
        let columns = sheets::milestones().columns;
        let place = |name: &str| columns.iter().position(|column| column.name == name);
        let (amount, currency) = (place("Amount"), place("Currency"));
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let mut out = self.begin(List::new("milestones", &names, named(asked, "milestones of contracts")))?;
        for ids in self.chosen(asked).await?.chunks(portfolio::AT_ONCE) {
            for row in sheets::milestones_of(&self.env, &self.snapshot, ids).await? {
                let text = |place: Option<usize>| {
                    place.and_then(|place| row.cells.get(place)).map(Cell::compared).unwrap_or_default()
                };
                out.list.add("Amount", &text(currency), &text(amount));
                out.push(&row.cells)?;
            }
            self.progress.advances(ids.len());
        }
        Ok(out)
    }

    /// Lines of journal entries, as decided.
    async fn journal(&self, asked: &Asked) -> Result<ListFile, ApiError> {
        let columns = &["Date", "Contract", "Customer", "ERP", "Account", "Currency", "Debit", "Credit"];
        let out = self.begin(List::new("journal", columns, named(asked, "journal entries of contracts")))?;
        self.of_states(asked, out, Self::entries).await
    }

    fn entries(&self, contract: &Contract, out: &mut ListFile) -> Result<(), ApiError> {
        let entries = contract.journal();
        for (entry, line) in entries.iter().flat_map(|entry| entry.lines.iter().map(move |line| (entry, line))) {
            let (amount, currency) = (line.amount.to_string(), line.amount.currency().to_string());
            let [customer, erp] = self.whose(contract.terms().id());
            let (debit, credit) = match line.side {
                Side::Debit => (Cell::Amount(amount.clone()), Cell::text("")),
                Side::Credit => (Cell::text(""), Cell::Amount(amount.clone())),
            };
            out.list.add(if line.side == Side::Debit { "Debit" } else { "Credit" }, &currency, &amount);
            let account = Cell::text(line.account.name().replace('_', " "));
            let (date, id) = (Cell::text(entry.date), Cell::text(contract.terms().id()));
            out.push(&[date, id, customer, erp, account, Cell::text(currency), debit, credit])?;
        }
        Ok(())
    }

    /// Payments, as far as they were applied to invoices.
    async fn payments(&self, asked: &Asked) -> Result<ListFile, ApiError> {
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
        let out = self.begin(List::new("payments", columns, named(asked, "payments of contracts")))?;
        self.of_states(asked, out, Self::applied).await
    }

    fn applied(&self, contract: &Contract, out: &mut ListFile) -> Result<(), ApiError> {
        for invoice in contract.receivables() {
            for payment in &invoice.payments {
                let currency = payment.amount.currency().to_string();
                if payment.reversed_on.is_none() {
                    out.list.add("Applied, not taken back", &currency, &payment.amount.to_string());
                }
                let [customer, erp] = self.whose(contract.terms().id());
                out.push(&[
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
                ])?;
            }
        }
        Ok(())
    }

    /// Exceptions and drifts, closed ones too; `part=open` leaves them out.
    async fn exceptions(&self, asked: &Asked) -> Result<ListFile, ApiError> {
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
        let mut out = self.begin(List::new("exceptions", columns, named(asked, what)))?;
        for ids in self.chosen(asked).await?.chunks(portfolio::AT_ONCE) {
            for remedied in portfolio::remedied(&self.env, Some(ids.to_vec()), open).await? {
                let exception = &remedied.exception;
                let held = exception.held.map(|held| held.to_string());
                let currency = exception.currency.map(|currency| currency.to_string());
                let [customer, erp] = self.whose(&exception.contract);
                out.push(&[
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
                ])?;
            }
            self.progress.advances(ids.len());
        }
        Ok(out)
    }

    /// The audit trail of one contract, or of all.
    async fn audit(&self, contract: &str) -> Result<ListFile, ApiError> {
        let mut columns = vec!["Line", "Time, UTC", "Who", "What", "Contract", "Of", "Detail", "Hash"];
        let local = self.who.zone.as_ref().map(|(name, zone)| (format!("Time, {name}"), zone));
        if let Some((name, _)) = &local {
            columns.insert(2, name);
        }
        let contract = Some(contract.trim().to_owned()).filter(|id| !id.is_empty());
        let of = contract.as_ref().map_or_else(|| "all contracts".to_owned(), |id| format!("contract {id}"));
        // The trail is read from its end, and written from its beginning: first it is seen where each part of it ends.
        let (mut ends, mut count) = (vec![None], 0_usize);
        loop {
            let some = self.env.store.audit_before(contract.clone(), ends.last().copied().flatten(), LINES).await?;
            let Some(first) = some.first() else { break };
            ends.push(Some(first.seq));
            count = count.saturating_add(some.len());
            if count >= MOST_LINES {
                break;
            }
        }
        ends.pop();
        let rest = if count >= MOST_LINES { format!(", the newest {count}") } else { String::new() };
        let mut out = self.begin(List::new("audit", &columns, format!("audit trail of {of}{rest}")))?;
        for before in ends.into_iter().rev() {
            for line in self.env.store.audit_before(contract.clone(), before, LINES).await? {
                out.push(&audited(line, local.as_ref().map(|(_, zone)| *zone)))?;
            }
        }
        Ok(out)
    }

    async fn contracts(&self, asked: &Asked) -> Result<ListFile, ApiError> {
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
        let mut out = self.begin(List::new("contracts", columns, named(asked, "contracts")))?;
        let count = |count: usize| Cell::Count(i64::try_from(count).unwrap_or(i64::MAX));
        let found = listing::contracts(&self.env, &self.snapshot, &asked.q).await?;
        let order = asked.order(&listing::OF_CONTRACTS)?;
        for contract in listing::contracts_by(found, order, 0..usize::MAX).into_iter().map(Brief::summary) {
            out.list.add("Total", &contract.currency, &contract.total);
            out.list.add("Billed, decided", &contract.currency, &contract.billed);
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
            out.push(&row)?;
        }
        Ok(out)
    }

    /// What each customer owes, by age.
    fn ageing(&self, asked: &Asked) -> Result<ListFile, ApiError> {
        let mut columns = vec!["Customer", "Currency"];
        columns.extend(listing::BUCKETS);
        columns.push("In all");
        let mut out =
            self.begin(List::new("receivables", &columns, named(asked, "open invoices by customer and age")))?;
        let rows = listing::receivables(&self.snapshot, &asked.q, false, self.today);
        for (customer, aged) in listing::ageing_of_customers(&rows, self.today) {
            let mut row = vec![Cell::text(customer), Cell::text(&aged.currency)];
            row.extend(aged.buckets.iter().chain([&aged.in_all()]).map(|amount| Cell::Amount(amount.to_string())));
            out.list.add("In all", &aged.currency, &aged.in_all().to_string());
            out.push(&row)?;
        }
        Ok(out)
    }

    fn receivables(&self, asked: &Asked) -> Result<ListFile, ApiError> {
        if asked.part == "customers" {
            return self.ageing(asked);
        }
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
        let mut out = self.begin(List::new("receivables", columns, named(asked, what)))?;
        let rows = listing::receivables(&self.snapshot, &asked.q, overdue, self.today);
        for receivable in listing::receivables_by(rows, asked.order(&listing::OF_RECEIVABLES)?, 0..usize::MAX) {
            let (brief, invoice) = (&receivable.line.brief, receivable.invoice);
            let currency = brief.currency.to_string();
            out.list.add("Open", &currency, &receivable.open().to_string());
            let amounts = [receivable.amount(), receivable.credited(), receivable.paid(), receivable.open()];
            let mut row = vec![
                Cell::text(&invoice.number),
                Cell::text(&brief.contract),
                Cell::text(&invoice.milestone),
                Cell::text(&brief.customer),
                Cell::text(&brief.erp),
                Cell::text(invoice.date),
                Cell::text(invoice.due_on),
                Cell::Count(receivable.days(&self.today)),
                Cell::text(&currency),
            ];
            row.extend(amounts.map(|amount| Cell::Amount(amount.to_string())));
            out.push(&row)?;
        }
        Ok(out)
    }

    fn outlook(&self, asked: &Asked) -> Result<ListFile, ApiError> {
        let columns = &[
            "Number",
            "Kind",
            "Contract",
            "Milestone",
            "Customer",
            "ERP",
            "Date",
            "Due",
            "Currency",
            "Amount",
            "Words",
        ];
        let month = asked.month_to_come(self.today)?;
        let what = format!("documents that time alone will write in {}", month.strftime("%B %Y"));
        let mut out = self.begin(List::new("outlook", columns, named(asked, &what)))?;
        for to_come in listing::by_date(listing::to_come(&self.snapshot, &asked.q, month), 0..usize::MAX) {
            let (brief, document) = (&to_come.line.brief, to_come.document);
            let currency = brief.currency.to_string();
            out.list.add("Amount", &currency, &to_come.amount().to_string());
            out.push(&[
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
            ])?;
        }
        Ok(out)
    }
}

fn asked(query: &str) -> Result<Asked, ApiError> {
    let mut asked = Asked::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "q" => asked.q = value.into_owned(),
            "part" => asked.part = value.into_owned(),
            "month" => asked.month = value.into_owned(),
            "sort" => asked.sort = value.into_owned(),
            "page" => {}
            other => return Err(ApiError::invalid(format!("{other}: is no field of this list"))),
        }
    }
    Ok(asked)
}

fn named(asked: &Asked, what: &str) -> String {
    if asked.q.is_empty() {
        what.to_owned()
    } else {
        format!("{what} with {:?} in contract, customer or number", asked.q)
    }
}

/// A line of the audit trail, with its time where the reader is.
fn audited(line: AuditLine, zone: Option<&TimeZone>) -> Vec<Cell> {
    let at = line.at.parse().ok();
    let there = zone.map(|zone| Cell::optional(at.map(|at| filters::second(at, zone))));
    let mut row = vec![Cell::Count(line.seq), Cell::text(line.at)];
    row.extend(there);
    row.extend([line.actor, line.action].map(Cell::Text));
    row.push(Cell::optional(line.contract));
    row.extend([line.subject, line.detail, line.hash].map(Cell::Text));
    row
}
