//! The queries. Pages go by key, not by offset: an offset repeats and skips rows while others write, and ends after
//! 100,000. Times are the account's own and carry their format: without one the integration user's preference decides.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use milestoned_connector_kit::customers::Customers;

use super::customers::name_column;
use super::settings::Settings;

/// Format of times in a query.
const FORMAT: &str = "YYYY-MM-DD HH24:MI:SS";
/// The same format for our clock.
pub(crate) const WRITTEN: &str = "%Y-%m-%d %H:%M:%S";

/// The end of the last accounting period that is closed, and before which none is open. Quarters and years are sums of
/// periods.
pub(crate) const CLOSED_PERIODS: &str = "SELECT TO_CHAR(MAX(p.enddate),'YYYY-MM-DD') AS through FROM accountingperiod p \
    WHERE p.closed = 'T' AND p.isquarter = 'F' AND p.isyear = 'F' AND p.enddate < (SELECT MIN(o.startdate) \
    FROM accountingperiod o WHERE o.closed = 'F' AND o.isquarter = 'F' AND o.isyear = 'F')";

/// Where the reading of a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// At its first row.
    Start,
    /// At this time, inclusive.
    Since(DateTime),
    /// Right after the row with this time and id.
    After(DateTime, i64),
    /// One record.
    One(i64),
}

impl From {
    /// The condition on the column of the change and the column of the id, as ` AND …`.
    fn condition(self, changed: &str, id: &str) -> String {
        let time = |at: DateTime| format!("TO_TIMESTAMP('{}','{FORMAT}')", at.strftime(WRITTEN));
        match self {
            Self::Start => String::new(),
            Self::Since(at) => format!(" AND {changed} >= {}", time(at)),
            Self::After(at, last) => {
                let at = time(at);
                format!(" AND ({changed} > {at} OR ({changed} = {at} AND {id} > {last}))")
            }
            Self::One(one) => format!(" AND {id} = {one}"),
        }
    }
}

/// The local time from which everything is read that changed at `since` or later. When clocks go back an hour comes
/// twice: what changed in the second one shows a smaller time than what changed in the first.
pub(crate) fn local_since(since: Timestamp, now: Timestamp, zone: &TimeZone) -> DateTime {
    let mut earliest = zone.to_datetime(since);
    let until = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(now);
    for transition in zone.following(since).take_while(|transition| transition.timestamp() <= until).take(8) {
        earliest = earliest.min(zone.to_datetime(transition.timestamp()));
    }
    earliest
}

/// The instant of a local time; of one that comes twice the first.
pub(crate) fn instant(local: DateTime, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    Ok(local.to_zoned(zone.clone())?.timestamp())
}

/// Text in a query.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A list of values in a query.
pub(crate) fn listed<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// Rows of a page. `FETCH FIRST` bounds what the account has to find, too.
fn first(most: usize) -> String {
    format!("FETCH FIRST {most} ROWS ONLY")
}

/// Our number of a transaction: that of a field of its own, where the account numbers its transactions itself.
pub(crate) fn number(settings: &Settings, table: &str) -> String {
    match &settings.number_field {
        Some(field) => format!("COALESCE({table}.{field}, {table}.tranid)"),
        None => format!("{table}.tranid"),
    }
}

/// What every transaction shows.
fn common(settings: &Settings) -> String {
    format!(
        "t.id AS id, {} AS number, TO_CHAR(t.trandate,'YYYY-MM-DD') AS day, \
         TO_CHAR(t.lastmodifieddate,'{FORMAT}') AS modified, cur.symbol AS currency, t.externalid AS external, \
         t.voided AS voided, t.{} AS contract",
        number(settings, "t"),
        settings.contract_field
    )
}

/// What a transaction posts to an account, in its own currency; credits are negative.
fn posted(settings: &Settings, account: &str, name: &str) -> String {
    let account = settings.accounts.get(account).map(String::as_str).unwrap_or_default();
    format!(
        "(SELECT SUM(l.foreignamount) FROM transactionline l {} WHERE l.transaction = t.id AND a.account = {}) AS {name}",
        accounting(settings),
        quoted(account)
    )
}

/// The account of a line stands in another table, once for each accounting book.
fn accounting(settings: &Settings) -> String {
    let book = settings.accounting_book.as_deref();
    let book = book.map(|book| format!(" AND a.accountingbook = {}", quoted(book))).unwrap_or_default();
    format!("JOIN transactionaccountingline a ON a.transaction = l.transaction AND a.transactionline = l.id{book}")
}

const JOINS: &str = "FROM transaction t LEFT JOIN currency cur ON cur.id = t.currency";

/// The customer of a transaction, or of a line. Where contracts are projects, people bill projects, too: then that is the
/// project's.
fn customer_of(settings: &Settings, of: &str) -> String {
    if settings.schedules.of_projects() {
        return format!(
            "LEFT JOIN job j ON j.id = {of}.entity LEFT JOIN customer c ON c.id = COALESCE(j.parent, {of}.entity)"
        );
    }
    format!("LEFT JOIN customer c ON c.id = {of}.entity")
}

/// Debits of a journal entry, in its own currency.
pub(crate) const DEBITS: &str =
    "(SELECT SUM(d.foreignamount) FROM transactionline d WHERE d.transaction = t.id AND d.foreignamount > 0)";

/// What sales say beside their total, which is with tax: the amount without; of our own, too, how many lines, and the wording.
fn sold() -> String {
    let ours = format!("t.externalid LIKE '{}%'", super::OURS);
    let of_lines = |what: &str, name: &str| {
        format!(
            "CASE WHEN {ours} THEN (SELECT {what} FROM transactionline l WHERE l.transaction = t.id \
             AND l.mainline = 'F' AND l.taxline = 'F') END AS {name}"
        )
    };
    [of_lines("COUNT(*)", "lines"), of_lines("MIN(l.memo)", "words"), net("t")].join(", ")
}

/// The amount of a sale without tax; its lines are credits.
fn net(sale: &str) -> String {
    format!(
        "(SELECT SUM(n.foreignamount) FROM transactionline n WHERE n.transaction = {sale}.id \
         AND n.mainline = 'F' AND n.taxline = 'F') AS net"
    )
}

/// Lines of sales and entries, with their accounts; sorted by both.
pub(crate) fn lines_of(settings: &Settings, parents: &str, after: (i64, i64), most: usize) -> String {
    format!(
        "SELECT l.transaction AS parent, l.id AS line, l.mainline AS main, l.taxline AS tax, l.memo AS description, \
         l.foreignamount AS amount, a.account AS account FROM transactionline l {} \
         WHERE l.transaction IN ({parents}){} ORDER BY l.transaction, l.id {}",
        accounting(settings).replacen("JOIN", "LEFT JOIN", 1),
        lines_after(after),
        first(most)
    )
}

/// A page of a stream.
pub(crate) fn page(settings: &Settings, customers: &Customers, stream: &str, from: From, most: usize) -> String {
    let (common, order) = (common(settings), format!("ORDER BY t.lastmodifieddate, t.id {}", first(most)));
    let since = from.condition("t.lastmodifieddate", "t.id");
    let deferred = posted(settings, "deferred_revenue", "deferred");
    let revenue = posted(settings, "revenue", "revenue");
    let (customer, who) = (name_column(customers), customer_of(settings, "t"));
    match stream {
        "orders" => format!(
            "SELECT {common}, {customer} AS customer, t.foreigntotal AS amount, term.name AS terms, t.{} AS version{} \
             {JOINS} {who} LEFT JOIN term ON term.id = t.terms WHERE t.type = 'SalesOrd'{since} {order}",
            settings.version_field,
            if settings.schedules.of_orders() { ", t.billingschedule AS schedule" } else { "" }
        ),
        "invoices" => format!(
            "SELECT {common}, {customer} AS customer, t.type AS type, t.status AS status, t.foreigntotal AS amount, \
             t.{} AS milestone, {deferred}, {revenue}, {} {JOINS} {who} \
             WHERE t.type IN ('CustInvc','CustCred'){since} {order}",
            settings.milestone_field,
            sold()
        ),
        "payments" => format!("SELECT {common} {JOINS} WHERE t.type = 'CustPymt'{since} {order}"),
        "deleted" => format!(
            "SELECT d.recordid AS id, LOWER(REPLACE(d.type,' ','')) AS type, TO_CHAR(d.deleteddate,'{FORMAT}') AS modified \
             FROM deletedrecord d WHERE LOWER(REPLACE(d.type,' ','')) IN ({}){} ORDER BY d.deleteddate, d.recordid {}",
            listed(super::pull::OBJECTS.map(str::to_lowercase).iter().map(String::as_str)),
            from.condition("d.deleteddate", "d.recordid"),
            first(most)
        ),
        "projects" => format!(
            "SELECT j.id AS id, TO_CHAR(j.lastmodifieddate,'{FORMAT}') AS modified, {customer} AS customer, \
             cur.symbol AS currency, j.billingschedule AS schedule \
             FROM job j LEFT JOIN customer c ON c.id = j.parent LEFT JOIN currency cur ON cur.id = j.currency \
             WHERE j.billingschedule IS NOT NULL{} ORDER BY j.lastmodifieddate, j.id {}",
            from.condition("j.lastmodifieddate", "j.id"),
            first(most)
        ),
        _ => format!(
            "SELECT {common}, {DEBITS} AS amount, t.approvalstatus AS approval, t.{} AS milestone, {deferred}, {revenue}, {}, {} {JOINS} \
             WHERE t.type = 'Journal'{since} {order}",
            settings.milestone_field,
            posted(settings, "unbilled_receivable", "unbilled_receivable"),
            posted(settings, "contract_asset", "contract_asset")
        ),
    }
}

/// Ids of an object's records, after one of them.
pub(crate) fn census(object: &str, after: i64, most: usize) -> String {
    let (table, kind) = match object {
        "job" => ("job", "t.billingschedule IS NOT NULL"),
        "salesOrder" => ("transaction", "t.type = 'SalesOrd'"),
        "invoice" => ("transaction", "t.type = 'CustInvc'"),
        "creditMemo" => ("transaction", "t.type = 'CustCred'"),
        "customerPayment" => ("transaction", "t.type = 'CustPymt'"),
        _ => ("transaction", "t.type = 'Journal'"),
    };
    format!("SELECT t.id AS id FROM {table} t WHERE {kind} AND t.id > {after} ORDER BY t.id {}", first(most))
}

/// Lines of orders, after the line `after` of an order; sorted by both.
pub(crate) fn order_lines(settings: &Settings, orders: &str, after: (i64, i64), most: usize) -> String {
    let prefix = &settings.line_prefix;
    format!(
        "SELECT l.transaction AS parent, l.id AS line, l.memo AS description, l.foreignamount AS amount, \
         l.{prefix}milestone AS milestone, l.{prefix}timing AS timing, l.{prefix}billing_rule AS rule, \
         l.{prefix}recognition AS recognition FROM transactionline l WHERE l.mainline = 'F' \
         AND l.transaction IN ({orders}){} ORDER BY l.transaction, l.id {}",
        lines_after(after),
        first(most)
    )
}

/// Lines of journal entries that post to the accounts that we write to, with the customer whom each names.
pub(crate) fn entry_lines(
    settings: &Settings,
    customers: &Customers,
    journals: &str,
    after: (i64, i64),
    most: usize,
) -> String {
    format!(
        "SELECT l.transaction AS parent, l.id AS line, l.foreignamount AS amount, a.account AS account, \
         l.{}milestone AS milestone, {} AS customer FROM transactionline l {} {} \
         WHERE a.account IN ({}) AND l.transaction IN ({journals}){} ORDER BY l.transaction, l.id {}",
        settings.line_prefix,
        name_column(customers),
        accounting(settings),
        customer_of(settings, "l"),
        listed(settings.accounts.values().map(String::as_str)),
        lines_after(after),
        first(most)
    )
}

/// Postings through a date to our accounts and to receivables, after the line `after` of a transaction; sorted by both. What
/// waits for an approval or was voided posts nothing.
pub(crate) fn ledger(settings: &Settings, through: Date, after: (i64, i64), most: usize) -> String {
    format!(
        "SELECT l.transaction AS parent, l.id AS line, {} AS number, t.type AS type, TO_CHAR(t.trandate,'YYYY-MM-DD') AS day, \
         cur.symbol AS currency, a.account AS account, l.foreignamount AS amount \
         FROM transactionline l {} JOIN transaction t ON t.id = l.transaction \
         JOIN account acc ON acc.id = a.account LEFT JOIN currency cur ON cur.id = t.currency \
         WHERE t.posting = 'T' AND t.voided = 'F' AND a.posting = 'T' AND t.trandate <= TO_DATE('{through}','YYYY-MM-DD') \
         AND (a.account IN ({}) OR acc.accttype = 'AcctRec'){} ORDER BY l.transaction, l.id {}",
        number(settings, "t"),
        accounting(settings),
        listed(settings.accounts.values().map(String::as_str)),
        lines_after(after),
        first(most)
    )
}

/// Key of the line that bills a milestone: revenue elements are made of lines.
pub(crate) fn billed_line(settings: &Settings, contract: &str, milestone: &str) -> String {
    format!(
        "SELECT l.uniquekey AS line FROM transactionline l JOIN transaction t ON t.id = l.transaction \
         WHERE t.type = 'CustInvc' AND t.voided = 'F' AND l.mainline = 'F' AND t.{} = {} AND t.{} = {} \
         ORDER BY l.uniquekey {}",
        settings.contract_field,
        quoted(contract),
        settings.milestone_field,
        quoted(milestone),
        first(1)
    )
}

fn lines_after((parent, line): (i64, i64)) -> String {
    format!(" AND (l.transaction > {parent} OR (l.transaction = {parent} AND l.id > {line}))")
}

/// Invoices to which payments, credit memos or entries are applied, after the pair `after`.
pub(crate) fn applications(settings: &Settings, appliers: &str, (parent, line): (i64, i64), most: usize) -> String {
    format!(
        "SELECT l.nextdoc AS parent, i.id AS line, {} AS invoice, i.{} AS contract, l.foreignamount AS amount, \
         i.foreigntotal AS total, {} FROM nexttransactionlink l JOIN transaction i ON i.id = l.previousdoc \
         WHERE l.linktype = 'Payment' AND l.nextdoc IN ({appliers}) \
         AND (l.nextdoc > {parent} OR (l.nextdoc = {parent} AND i.id > {line})) ORDER BY l.nextdoc, i.id {}",
        number(settings, "i"),
        settings.contract_field,
        net("i"),
        first(most)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_comes_twice_is_read_from_its_first_beginning() {
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        let since =
            |since: &str, now: &str| local_since(since.parse().unwrap(), now.parse().unwrap(), &zone).to_string();
        // On 2026-11-01 at 09:00 UTC clocks go from 02:00 back to 01:00.
        assert_eq!(since("2026-11-01T08:50:00Z", "2026-11-01T09:10:00Z"), "2026-11-01T01:00:00");
        assert_eq!(since("2026-11-01T09:10:00Z", "2026-11-01T12:00:00Z"), "2026-11-01T01:10:00");
        // On 2026-03-08 at 10:00 UTC they go from 02:00 on to 03:00.
        assert_eq!(since("2026-03-08T09:55:00Z", "2026-03-08T10:05:00Z"), "2026-03-08T01:55:00");
        assert_eq!(since("2026-07-01T12:00:00Z", "2026-07-01T12:05:00Z"), "2026-07-01T05:00:00");
    }
}
