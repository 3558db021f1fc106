//! Reading by SuiteQL, which also sees records that a workflow has locked: one page at a time by (change, id), from the
//! newest change less an overlap. Deletions stand in a table of their own.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::tax::Asked;
use milestoned_connector_kit::{Census, Class, Cursor, Fault, Page, Source, Unreadable, digest};
use milestoned_mapping::command::{Account, Side};
use milestoned_mapping::fact::{DecimalText, LegMilestone, LegRecognition};
use milestoned_mapping::normalise::exact_decimal;
use milestoned_mapping::record::{
    Content, InvoiceSeen, InvoiceStatus, JournalSeen, OrderSeen, PaymentSeen, SourceRecord,
};
use milestoned_mapping::statement::{Line, posting};
use reqwest::Method;

use super::sql::{self, From, WRITTEN, instant, local_since};
use super::wire::{self, Row};
use super::{NetSuite, OURS};

/// Key of the newest stamp in the cursor, in the account's time.
const STAMP: &str = "stamp";
/// Key of the last row's id in the cursor; absent: the sweep is over.
const LAST: &str = "id";
/// Key of the object that is counted, in the cursor of a census.
const OBJECT: &str = "object";
/// Rows of a page.
const MOST: usize = 1_000;
/// Orders of a page: their lines come along.
const ORDERS: usize = 200;
/// Record types that are read, as REST spells them.
pub(crate) const OBJECTS: [&str; 5] = ["creditMemo", "customerPayment", "invoice", "journalEntry", "salesOrder"];

/// Objects whose ids are counted.
const COUNTED: [&str; 6] = ["salesOrder", "job", "invoice", "creditMemo", "customerPayment", "journalEntry"];

/// What stands beside the rows of a page, by the id of its row.
#[derive(Default)]
struct Beside {
    lines: BTreeMap<String, Vec<Row>>,
    /// Invoices to which a credit memo or an entry is applied.
    applied: BTreeMap<String, Vec<Row>>,
    schedules: BTreeMap<String, Option<String>>,
}

impl Source for NetSuite {
    /// Deletions come first: what the table tells is known before anything is counted.
    fn streams(&self) -> &'static [&'static str] {
        if self.settings.schedules.of_projects() {
            &["deleted", "orders", "projects", "invoices", "payments", "journals"]
        } else {
            &["deleted", "orders", "invoices", "payments", "journals"]
        }
    }

    /// Transactions of every kind have one page; a project has its own.
    fn page_of(&self, object: &str, id: &str) -> Option<String> {
        let account = self.settings.account.to_lowercase().replace('_', "-");
        let page = match object {
            "job" => "common/entity/custjob.nl",
            _ => "accounting/transactions/transaction.nl",
        };
        Some(format!("https://{account}.app.netsuite.com/app/{page}?id={id}"))
    }

    async fn pull(&self, stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let started = self.client.now();
        let most = if stream == "orders" || stream == "projects" { ORDERS } else { MOST };
        let rows = self
            .query(&sql::page(&self.settings, &self.customers, stream, self.place(stream, from, started), most))
            .await?;
        let more = rows.len() == most;
        let (records, unreadable) = self.records(stream, &rows).await?;
        let mut next = from.clone();
        next.0.remove(LAST);
        if let Some(last) = rows.last() {
            let newest = last.get("modified").max(from.0.get(STAMP).map(String::as_str));
            // Within a sweep the last row counts, after it the newest one.
            let stamp = if more { last.get("modified") } else { newest };
            next.0.extend(stamp.map(|stamp| (STAMP.to_owned(), stamp.to_owned())));
            if more {
                next.0.extend(last.get("id").map(|id| (LAST.to_owned(), id.to_owned())));
            }
        }
        if stream == "deleted" && !next.0.contains_key(STAMP) {
            // From here on, however long nobody can look.
            next.0.insert(STAMP.to_owned(), self.first_deletions(started).strftime(WRITTEN).to_string());
        }
        Ok(Page { records, unreadable, next, more, fresh_through: started })
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        let Some(stream) = stream_of(object) else { return Ok(Vec::new()) };
        let whole = id.split(':').next().unwrap_or(id);
        let Ok(number) = whole.parse() else { return Ok(Vec::new()) };
        let rows = self.query(&sql::page(&self.settings, &self.customers, stream, From::One(number), MOST)).await?;
        let (mut records, unreadable) = self.records(stream, &rows).await?;
        if let Some(record) = unreadable.into_iter().next() {
            return Err(self.client.fault(Class::Misunderstood, record.reason, None));
        }
        let now = self.client.now();
        if records.is_empty() {
            records.push(self.gone(object, whole, &now.to_string(), now));
        }
        if !records.iter().any(|record| record.id == id) {
            records.push(self.gone(object, id, &now.to_string(), now));
        }
        Ok(records)
    }

    /// The table of deletions may lack one: how it spells the types of records is not published.
    async fn census(&self, stream: &str, from: &Cursor) -> Result<Option<Census>, Fault> {
        let objects: Vec<&str> = COUNTED.into_iter().filter(|object| stream_of(object) == Some(stream)).collect();
        let known = from.0.get(OBJECT).and_then(|known| objects.iter().position(|object| object == known));
        let place = known.unwrap_or_default();
        let Some(object) = objects.get(place) else { return Ok(None) };
        let after = from.0.get(LAST).and_then(|id| id.parse().ok()).unwrap_or(-1);
        let (ids, last) = self.counted(object, after).await?;
        let next = match last {
            Some(last) => Some((*object, last)),
            None => objects.get(place.saturating_add(1)).map(|object| (*object, -1)),
        };
        let more = next.is_some();
        let next = next
            .into_iter()
            .flat_map(|(object, last)| [(OBJECT.to_owned(), object.to_owned()), (LAST.to_owned(), last.to_string())]);
        Ok(Some(Census { object: (*object).into(), ids, next: Cursor(next.collect()), more }))
    }
}

/// The stream of an object.
fn stream_of(object: &str) -> Option<&'static str> {
    Some(match object {
        "salesOrder" => "orders",
        "job" => "projects",
        "invoice" | "creditMemo" => "invoices",
        "customerPayment" => "payments",
        "journalEntry" => "journals",
        _ => return None,
    })
}

impl NetSuite {
    /// One page of the ids of an object.
    async fn counted(&self, object: &str, after: i64) -> Result<(Vec<String>, Option<i64>), Fault> {
        let rows = self.query(&sql::census(object, after, MOST)).await?;
        let mut ids: Vec<String> = rows.iter().filter_map(|row| row.get("id")).map(str::to_owned).collect();
        let last = ids.last().filter(|_| rows.len() == MOST).and_then(|id| id.parse().ok());
        if object == "customerPayment" && !ids.is_empty() {
            // Each line of a payment (the invoice it pays, the amount) is a record by itself, e.g. `12:1`.
            let mut lines = BTreeMap::new();
            self.lines("payments", &sql::listed(ids.iter().map(String::as_str)), &mut lines).await?;
            let parts = lines.iter().flat_map(|(id, lines)| lines.iter().map(move |line| (id, line)));
            ids.extend(parts.filter_map(|(id, line)| Some(format!("{id}:{}", line.get("line")?))));
        }
        Ok((ids, last))
    }

    /// Where a page begins: after the last row, or, in a new sweep, an overlap before the newest one.
    fn place(&self, stream: &str, from: &Cursor, now: Timestamp) -> From {
        let stamp = from.0.get(STAMP).and_then(|text| DateTime::strptime(WRITTEN, text).ok());
        let last = from.0.get(LAST).and_then(|id| id.parse().ok());
        match (stamp, last) {
            (Some(stamp), Some(last)) => From::After(stamp, last),
            (Some(stamp), None) => {
                let since = instant(stamp, &self.zone).ok().and_then(|at| at.checked_sub(self.settings.overlap).ok());
                From::Since(since.map_or(stamp, |since| local_since(since, now, &self.zone)))
            }
            // The first time there is no watermark: a deletion from before the first reading concerns a record that
            // we never read.
            (None, _) if stream == "deleted" => From::Since(self.first_deletions(now)),
            (None, _) => From::Start,
        }
    }

    /// Deletions of the day before the first look are enough.
    fn first_deletions(&self, now: Timestamp) -> DateTime {
        let since = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now);
        local_since(since, now, &self.zone)
    }

    async fn records(&self, stream: &str, rows: &[Row]) -> Result<(Vec<SourceRecord>, Vec<Unreadable>), Fault> {
        let projects = if stream == "projects" { self.priced(rows).await? } else { Vec::new() };
        let rows = if stream == "projects" { &projects } else { rows };
        let beside = self.beside(stream, rows).await?;
        let (mut records, mut unreadable) = (Vec::new(), Vec::new());
        for row in rows {
            match self.read_row(stream, row, &beside) {
                Ok(found) => records.extend(found),
                Err(reason) => unreadable.push(Unreadable {
                    object: stream.into(),
                    id: row.get("id").unwrap_or_default().into(),
                    raw: raw(row),
                    reason,
                }),
            }
        }
        Ok((records, unreadable))
    }

    /// Lines of orders, applications of payments, billing schedules; of credit memos and entries that are not ours to which invoices
    /// they are applied, and what they post to our accounts.
    async fn beside(&self, stream: &str, rows: &[Row]) -> Result<Beside, Fault> {
        let others = || rows.iter().filter(|row| !ours(row));
        let posts = |row: &&Row| POSTED.iter().any(|(column, _)| row.get(column).is_some());
        let (own, applied): (Vec<&Row>, Vec<&Row>) = match stream {
            "orders" | "payments" => (rows.iter().collect(), Vec::new()),
            "invoices" => (Vec::new(), others().filter(|row| row.get("type") == Some("CustCred")).collect()),
            "journals" => (others().filter(posts).collect(), others().collect()),
            _ => (Vec::new(), Vec::new()),
        };
        let ids = |rows: Vec<&Row>| sql::listed(rows.into_iter().filter_map(|row| row.get("id")));
        let mut beside = Beside::default();
        if !own.is_empty() {
            self.lines(stream, &ids(own), &mut beside.lines).await?;
        }
        if !applied.is_empty() {
            self.lines("payments", &ids(applied), &mut beside.applied).await?;
        }
        for schedule in rows.iter().filter_map(|row| row.get("schedule")) {
            if !beside.schedules.contains_key(schedule) {
                beside.schedules.insert(schedule.into(), self.shown("billingSchedule", schedule).await?);
            }
        }
        Ok(beside)
    }

    async fn lines(&self, stream: &str, parents: &str, lines: &mut BTreeMap<String, Vec<Row>>) -> Result<(), Fault> {
        let number = |row: &Row, column: &str| row.get(column).and_then(|id| id.parse::<i64>().ok());
        let mut after = (0, -1);
        loop {
            let rows = self
                .query(&match stream {
                    "orders" => sql::order_lines(&self.settings, parents, after, MOST),
                    "payments" => sql::applications(&self.settings, parents, after, MOST),
                    _ => sql::entry_lines(&self.settings, &self.customers, parents, after, MOST),
                })
                .await?;
            let count = rows.len();
            let last = rows.last().and_then(|row| Some((number(row, "parent")?, number(row, "line")?)));
            for row in rows {
                let parent =
                    row.need("parent").map_err(|reason| self.client.fault(Class::Misunderstood, reason, None))?;
                lines.entry(parent.to_owned()).or_default().push(row);
            }
            match last {
                Some(last) if count == MOST && last > after => after = last,
                _ => return Ok(()),
            }
        }
    }

    /// Projects with their price and contract, which SuiteQL does not show.
    async fn priced(&self, rows: &[Row]) -> Result<Vec<Row>, Fault> {
        let mut priced = Vec::new();
        for row in rows {
            let mut row = row.clone();
            let job = self.shown("job", row.get("id").unwrap_or_default()).await?;
            let job = job.as_deref().and_then(|job| serde_json::from_str(job).ok()).map(|fields| Row::read(&fields));
            let fields = [("amount", "jobPrice"), ("contract", self.settings.project_field.as_str())];
            for (column, field) in fields {
                let value =
                    job.as_ref().and_then(|job| job.get(field)).map(|value| (column.to_owned(), value.to_owned()));
                row.0.extend(value);
            }
            priced.push(row);
        }
        Ok(priced)
    }

    /// A record as REST shows it, where SuiteQL does not.
    async fn shown(&self, kind: &str, id: &str) -> Result<Option<String>, Fault> {
        let path = format!("/services/rest/record/v1/{kind}/{id}?expandSubResources=true");
        let answer = self.send(false, Method::GET, &path, None, &[]).await?;
        match answer.status.as_u16() {
            404 => Ok(None),
            200 => Ok(Some(answer.body)),
            _ => Err(self.refused(&answer)),
        }
    }

    fn read_row(&self, stream: &str, row: &Row, beside: &Beside) -> Result<Vec<SourceRecord>, String> {
        let id = row.need("id")?;
        let modified = row.need("modified")?;
        let at = DateTime::strptime(WRITTEN, modified)
            .and_then(|local| instant(local, &self.zone))
            .map_err(|error| format!("lastmodifieddate {modified:?}: {error}"))?;
        let own = beside.lines.get(id).map(Vec::as_slice).unwrap_or_default();
        let applied = beside.applied.get(id).map(Vec::as_slice).unwrap_or_default();
        let lines: Vec<Row> = own.iter().chain(applied).cloned().collect();
        let record = |object: &str, id: String, content: Content| self.record(object, id, at, row, &lines, content);
        Ok(match stream {
            "orders" => vec![record("salesOrder", id.into(), Content::Order(order(row, own, &beside.schedules)?))],
            "projects" => vec![record("job", id.into(), Content::Order(order(row, own, &beside.schedules)?))],
            "invoices" => {
                let object = if row.get("type") == Some("CustCred") { "creditMemo" } else { "invoice" };
                vec![record(object, id.into(), Content::Invoice(invoice(row, applied)?))]
            }
            "payments" => {
                let applied = if row.get("voided") == Some("T") { &[] } else { own };
                let mut records = Vec::new();
                for line in applied {
                    let part = format!("{id}:{}", line.need("line")?);
                    records.push(record("customerPayment", part, Content::Payment(payment(row, line)?)));
                }
                let ids = records.iter().map(|record| record.id.clone()).collect();
                records.push(record("customerPayment", id.into(), Content::Parts { ids }));
                records
            }
            "deleted" => {
                let kind = row.need("type")?;
                let object = OBJECTS.iter().find(|object| object.eq_ignore_ascii_case(kind)).copied();
                object.map(|object| self.gone(object, id, modified, at)).into_iter().collect()
            }
            // An entry that nobody has approved is not posted. One of others, or one that was rejected, is as if it were not there.
            _ if row.get("approval") == Some("3") || (waits(row) && !ours(row)) => {
                vec![record("journalEntry", id.into(), Content::Gone)]
            }
            _ => vec![record("journalEntry", id.into(), Content::Journal(self.entry(row, own, applied)?))],
        })
    }

    fn record(
        &self,
        object: &str,
        id: String,
        at: Timestamp,
        row: &Row,
        lines: &[Row],
        content: Content,
    ) -> SourceRecord {
        let text = match lines {
            [] => raw(row),
            lines => {
                format!("{{\"head\":{},\"lines\":[{}]}}", raw(row), lines.iter().map(raw).collect::<Vec<_>>().join(","))
            }
        };
        // Stamps show whole seconds: two changes in one second differ in what they say.
        let version = format!("{} {}", row.get("modified").unwrap_or_default(), digest(&text, &content));
        SourceRecord { system: self.client.system().into(), object: object.into(), id, version, at, raw: text, content }
    }

    fn gone(&self, object: &str, id: &str, when: &str, at: Timestamp) -> SourceRecord {
        SourceRecord::gone(self.client.system(), object, id, format!("deleted {when}"), at)
    }
}

fn raw(row: &Row) -> String {
    serde_json::to_string(&row.0).unwrap_or_default()
}

/// Whether an entry waits for an approval.
fn waits(row: &Row) -> bool {
    row.get("approval") == Some("1")
}

/// Whether we wrote it.
fn ours(row: &Row) -> bool {
    row.get("external").is_some_and(|external| external.starts_with(OURS))
}

fn day(row: &Row) -> Result<jiff::civil::Date, String> {
    let text = row.need("day")?;
    text.parse().map_err(|error| format!("trandate {text:?}: {error}"))
}

/// A number as SuiteQL writes it: `-1234.5`, `.5`.
fn decimal(row: &Row, column: &str) -> Result<DecimalText, String> {
    let text = row.need(column)?;
    let (sign, plain) = text.strip_prefix('-').map_or(("", text), |plain| ("-", plain));
    let zero = if plain.starts_with('.') { "0" } else { "" };
    exact_decimal(&format!("{sign}{zero}{plain}")).ok_or_else(|| format!("{column} {text:?} is not a number"))
}

/// Credit memos and lines of invoices come with a minus.
pub(crate) fn amount(row: &Row) -> Result<DecimalText, String> {
    Ok(DecimalText(decimal(row, "amount")?.0.abs()))
}

/// What is credited to an account; nothing posted is nothing credited.
fn credited(row: &Row, column: &str) -> Result<DecimalText, String> {
    if row.get(column).is_none() {
        return Ok(DecimalText::default());
    }
    Ok(DecimalText(-decimal(row, column)?.0))
}

fn payment(row: &Row, line: &Row) -> Result<PaymentSeen, String> {
    Ok(PaymentSeen {
        invoice: line.need("invoice")?.into(),
        currency: row.need("currency")?.into(),
        date: day(row)?,
        amount: match (line.get("total"), line.get("net")) {
            (Some(_), Some(_)) => {
                let asked = Asked { net: decimal(line, "net")?, total: decimal(line, "total")? };
                asked.net_of(amount(line)?, row.need("currency")?)
            }
            _ => amount(line)?,
        },
        contract: line.get("contract").map(Into::into),
    })
}

/// The letter of a status, which some accounts write behind the type: `CustInvc:A`.
fn letter(status: &str) -> &str {
    status.rsplit(':').next().unwrap_or(status)
}

/// Whether an invoice waits for an approval in the account.
pub(crate) fn waits_for_approval(invoice: &Row) -> bool {
    invoice.get("status").map(letter) == Some("D")
}

/// Numbers of the invoices to which something is applied.
fn applied_to(applied: &[Row]) -> Vec<String> {
    applied.iter().filter_map(|line| line.get("invoice")).map(str::to_owned).collect()
}

fn invoice(row: &Row, applied: &[Row]) -> Result<InvoiceSeen, String> {
    let status = Some(letter(row.need("status")?));
    // One whose approval was rejected is no receivable, and never becomes one.
    let void = row.get("voided") == Some("T") || matches!(status, Some("V" | "E"));
    Ok(InvoiceSeen {
        credit_memo: row.need("type")? == "CustCred",
        number: row.need("number")?.into(),
        contract: row.get("contract").map(Into::into),
        milestone: row.get("milestone").map(Into::into),
        customer: row.need("customer")?.into(),
        currency: row.need("currency")?.into(),
        date: day(row)?,
        // The total is with tax.
        amount: if row.get("net").is_some() { DecimalText(decimal(row, "net")?.0.abs()) } else { amount(row)? },
        tax: row.get("net").map(|_| tax(row)).transpose()?,
        status: match status {
            _ if void => InvoiceStatus::Void,
            Some("B") => InvoiceStatus::Paid,
            _ if waits_for_approval(row) => InvoiceStatus::Pending,
            _ => InvoiceStatus::Open,
        },
        deferred: Some(if void { DecimalText::default() } else { credited(row, "deferred")? }),
        recognised: Some(if void { DecimalText::default() } else { credited(row, "revenue")? }),
        lines: sold(row)?,
        applied_to: applied_to(applied),
    })
}

/// What the account has added to a sale as tax.
fn tax(row: &Row) -> Result<DecimalText, String> {
    let net = decimal(row, "net")?.0.abs();
    amount(row)?.0.checked_sub(net).map(DecimalText).ok_or_else(|| "the tax is too large".into())
}

/// The line of a sale that is ours; several are told by their number.
fn sold(row: &Row) -> Result<Option<Vec<Line>>, String> {
    let Some(count) = row.get("lines") else { return Ok(None) };
    let net = if row.get("net").is_some() { decimal(row, "net")? } else { DecimalText::default() };
    let words = row.get("words").unwrap_or_default();
    let says = if count == "1" { words.to_owned() } else { format!("{count} lines: {words}, …") };
    Ok(Some(vec![Line { says, amount: DecimalText(net.0.abs()) }]))
}

/// Columns of what an entry posts to the accounts that we write to.
const POSTED: [(&str, Account); 4] = [
    ("unbilled_receivable", Account::UnbilledReceivable),
    ("contract_asset", Account::ContractAsset),
    ("deferred", Account::DeferredRevenue),
    ("revenue", Account::Revenue),
];

/// What an entry posts to these accounts.
fn posted(row: &Row) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (column, account) in POSTED {
        let amount = credited(row, column)?.0;
        if !amount.is_zero() {
            let side = if amount.is_sign_negative() { Side::Debit } else { Side::Credit };
            lines.push(Line { says: posting(side, account.name()), amount: DecimalText(amount.abs()) });
        }
    }
    Ok(lines)
}

impl NetSuite {
    fn entry(&self, row: &Row, lines: &[Row], applied: &[Row]) -> Result<JournalSeen, String> {
        let (date, contract) = (day(row)?, row.get("contract"));
        let revenue = self.settings.accounts.get("revenue").map(String::as_str);
        let mut recognised = Vec::new();
        for line in lines.iter().filter(|line| line.get("account") == revenue) {
            let amount = credited(line, "amount")?;
            let milestone = line.get("milestone").or(row.get("milestone"));
            if let (true, Some(milestone)) = (amount.0 > DecimalText::default().0, milestone) {
                recognised.push(LegRecognition { milestone: milestone.into(), date, amount });
            }
        }
        let unassigned = !ours(row) && contract.is_none();
        // What waits for an approval posts nothing yet.
        let said = if (ours(row) || unassigned) && !waits(row) { Some(posted(row)?) } else { None };
        Ok(JournalSeen {
            number: row.need("number")?.into(),
            contract: contract.map(Into::into),
            date,
            currency: row.need("currency")?.into(),
            amount: amount(row)?,
            deferred: Some(credited(row, "deferred")?),
            recognised,
            lines: said.filter(|lines| ours(row) || !lines.is_empty()),
            customer: lines.iter().filter(|_| unassigned).find_map(|line| line.get("customer")).map(Into::into),
            applied_to: applied_to(applied),
            posted: !waits(row),
        })
    }
}

/// An order or project; where it has a billing schedule with milestones, that is what is billed by.
fn order(row: &Row, lines: &[Row], schedules: &BTreeMap<String, Option<String>>) -> Result<OrderSeen, String> {
    let lines = lines.iter().filter_map(|line| {
        Some(LegMilestone {
            id: line.get("milestone")?.into(),
            amount: amount(line).ok(),
            description: line.get("description").map(Into::into),
            timing: line.get("timing").map(Into::into),
            invoice: line.get("rule").map(Into::into),
            recognition_method: line.get("recognition").map(Into::into),
            ..LegMilestone::default()
        })
    });
    let mut milestones: Vec<LegMilestone> = lines.collect();
    let total = row.get("amount").map(|_| amount(row)).transpose()?;
    if let Some(Some(schedule)) = row.get("schedule").and_then(|schedule| schedules.get(schedule)) {
        let schedule: wire::BillingSchedule<'_> =
            serde_json::from_str(schedule).map_err(|error| format!("billing schedule: {error}"))?;
        for milestone in schedule.milestones(total) {
            match milestones.iter_mut().find(|line| line.id == milestone.id) {
                Some(line) => line.amount = milestone.amount.or(line.amount),
                None => milestones.push(milestone),
            }
        }
    }
    Ok(OrderSeen {
        contract: row.get("contract").map(Into::into),
        customer: row.get("customer").map(Into::into),
        currency: row.get("currency").map(Into::into),
        amount: total,
        payment_terms: row.get("terms").map(str::to_lowercase),
        version: row.get("version").and_then(|version| version.parse().ok()),
        milestones,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_with_and_without_its_type_and_one_that_waits_is_not_open() {
        let row = |status: &str| {
            let row = [
                ("number", "N"),
                ("type", "CustInvc"),
                ("customer", "Northwind"),
                ("currency", "USD"),
                ("day", "2026-03-02"),
                ("amount", "1"),
                ("status", status),
            ];
            Row(row.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        let status = |status: &str| invoice(&row(status), &[]).unwrap().status;
        for (letter, expected) in [
            ("A", InvoiceStatus::Open),
            ("B", InvoiceStatus::Paid),
            ("D", InvoiceStatus::Pending),
            ("E", InvoiceStatus::Void),
            ("V", InvoiceStatus::Void),
        ] {
            assert_eq!([status(letter), status(&format!("CustInvc:{letter}"))], [expected; 2], "{letter}");
        }
        let mut nobodys = row("A");
        nobodys.0.remove("customer");
        assert!(invoice(&nobodys, &[]).is_err_and(|problem| problem.to_string().contains("customer")));
    }
}
