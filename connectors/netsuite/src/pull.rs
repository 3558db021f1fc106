//! Reading by SuiteQL: what changed since the newest stamp less an overlap, paged by id.

use jiff::civil::DateTime;
use milestoned_connector_kit::{Class, Cursor, Fault, Page, Source, Unreadable};
use milestoned_mapping::fact::{DecimalText, LegMilestone};
use milestoned_mapping::normalise::exact_decimal;
use milestoned_mapping::record::{
    Content, InvoiceSeen, InvoiceStatus, JournalSeen, OrderSeen, PaymentSeen, SourceRecord,
};

use super::{NetSuite, quoted, wire::Row};

/// Key of the newest stamp in the cursor, in the account's time.
const STAMP: &str = "stamp";
const FORMAT: &str = "YYYY-MM-DD HH24:MI:SS";
const WRITTEN: &str = "%Y-%m-%d %H:%M:%S";

impl Source for NetSuite {
    fn streams(&self) -> &'static [&'static str] {
        &["orders", "invoices", "payments", "journals"]
    }

    async fn pull(&self, stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let started = self.client.now();
        let since = from.0.get(STAMP).and_then(|text| DateTime::strptime(WRITTEN, text).ok());
        let rows = self.rows(stream, since).await?;
        let lines = if stream == "orders" { self.lines(&rows).await? } else { Vec::new() };
        let mut page = Page {
            records: Vec::new(),
            unreadable: Vec::new(),
            next: from.clone(),
            more: false,
            fresh_through: started,
        };
        for row in &rows {
            match self.record(stream, row, &lines) {
                Ok(record) => page.records.push(record),
                Err(reason) => page.unreadable.push(Unreadable {
                    object: stream.into(),
                    id: row.get("id").unwrap_or_default().into(),
                    raw: raw(row),
                    reason,
                }),
            }
        }
        let newest = rows.iter().filter_map(|row| row.get("modified")).max();
        if let Some(newest) = newest.max(from.0.get(STAMP).map(String::as_str)) {
            page.next.0.insert(STAMP.into(), newest.to_owned());
        }
        page.records.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        Ok(page)
    }

    async fn read(&self, _object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        // NetSuite sends no webhooks: nothing hints at a single record.
        Err(self.client.fault(Class::Refused, format!("record {id} is read by polling"), None))
    }
}

impl NetSuite {
    async fn rows(&self, stream: &str, since: Option<DateTime>) -> Result<Vec<Row>, Fault> {
        let since = since.and_then(|since| since.checked_sub(self.settings.overlap).ok());
        let (mut all, mut last) = (Vec::<Row>::new(), 0_i64);
        loop {
            let (rows, more) = self.query(&self.sql(stream, since, last)).await?;
            let newest =
                rows.iter().filter_map(|row| row.get("id").and_then(|id| id.parse().ok())).max().unwrap_or(last);
            all.extend(rows);
            if !more || newest <= last {
                return Ok(all);
            }
            last = newest;
        }
    }

    fn sql(&self, stream: &str, since: Option<DateTime>, last: i64) -> String {
        let settings = &self.settings;
        let since = since
            .map(|since| format!(" AND t.lastmodifieddate >= TO_TIMESTAMP('{}','{FORMAT}')", since.strftime(WRITTEN)))
            .unwrap_or_default();
        let common = format!(
            "t.id AS id, t.tranid AS number, TO_CHAR(t.trandate,'YYYY-MM-DD') AS day, \
             TO_CHAR(t.lastmodifieddate,'{FORMAT}') AS modified, cur.symbol AS currency, t.{} AS contract",
            settings.contract_field
        );
        let joins = "FROM transaction t LEFT JOIN currency cur ON cur.id = t.currency";
        match stream {
            "orders" => format!(
                "SELECT {common}, c.companyname AS customer, t.foreigntotal AS amount, term.name AS terms, t.{} AS version \
                 {joins} LEFT JOIN customer c ON c.id = t.entity LEFT JOIN term ON term.id = t.terms \
                 WHERE t.type = 'SalesOrd'{since} AND t.id > {last} ORDER BY t.id",
                settings.version_field
            ),
            "invoices" => format!(
                "SELECT {common}, c.companyname AS customer, t.type AS type, t.status AS status, t.voided AS voided, \
                 t.foreigntotal AS amount, t.{} AS milestone {joins} LEFT JOIN customer c ON c.id = t.entity \
                 WHERE t.type IN ('CustInvc','CustCred'){since} AND t.id > {last} ORDER BY t.id",
                settings.milestone_field
            ),
            "payments" => format!(
                "SELECT {common}, i.id AS invoiceid, i.tranid AS invoice, l.foreignamount AS amount {joins} \
                 JOIN nexttransactionlink l ON l.nextdoc = t.id JOIN transaction i ON i.id = l.previousdoc \
                 WHERE t.type = 'CustPymt' AND l.linktype = 'Payment'{since} AND t.id > {last} ORDER BY t.id, i.id"
            ),
            _ => format!(
                "SELECT {common}, (SELECT SUM(a.debit) FROM transactionaccountingline a WHERE a.transaction = t.id) AS amount \
                 {joins} WHERE t.type = 'Journal'{since} AND t.id > {last} ORDER BY t.id"
            ),
        }
    }

    /// Lines of orders.
    async fn lines(&self, orders: &[Row]) -> Result<Vec<Row>, Fault> {
        let ids: Vec<String> = orders.iter().filter_map(|row| row.get("id")).map(quoted).collect();
        let (prefix, mut lines) = (&self.settings.line_prefix, Vec::new());
        for ids in ids.chunks(200) {
            let mut last = 0_i64;
            loop {
                let sql = format!(
                    "SELECT l.transaction AS parent, l.id AS line, l.memo AS description, l.foreignamount AS amount, \
                     l.{prefix}milestone AS milestone, l.{prefix}timing AS timing, l.{prefix}billing_rule AS rule, \
                     l.{prefix}recognition AS recognition FROM transactionline l WHERE l.mainline = 'F' \
                     AND l.transaction IN ({}) AND l.id > {last} ORDER BY l.id, l.transaction",
                    ids.join(",")
                );
                let (rows, more) = self.query(&sql).await?;
                let newest =
                    rows.iter().filter_map(|row| row.get("line").and_then(|id| id.parse().ok())).max().unwrap_or(last);
                lines.extend(rows);
                if !more || newest <= last {
                    break;
                }
                last = newest;
            }
        }
        Ok(lines)
    }

    fn record(&self, stream: &str, row: &Row, lines: &[Row]) -> Result<SourceRecord, String> {
        let id = row.need("id")?;
        let modified = row.need("modified")?;
        let at = DateTime::strptime(WRITTEN, modified)
            .and_then(|local| local.to_zoned(self.zone.clone()))
            .map_err(|error| format!("lastmodifieddate {modified:?}: {error}"))?
            .timestamp();
        let (object, id, content) = match stream {
            "orders" => ("salesOrder", id.to_owned(), Content::Order(order(row, lines)?)),
            "invoices" => {
                let object = if row.get("type") == Some("CustCred") { "creditMemo" } else { "invoice" };
                (object, id.to_owned(), Content::Invoice(invoice(row)?))
            }
            "payments" => {
                let payment = PaymentSeen {
                    invoice: row.need("invoice")?.into(),
                    currency: row.need("currency")?.into(),
                    date: day(row)?,
                    amount: amount(row)?,
                };
                ("customerPayment", format!("{id}:{}", row.need("invoiceid")?), Content::Payment(payment))
            }
            _ => {
                let journal = JournalSeen {
                    number: row.need("number")?.into(),
                    contract: row.get("contract").map(Into::into),
                    date: day(row)?,
                    currency: row.need("currency")?.into(),
                    amount: amount(row)?,
                };
                ("journalEntry", id.to_owned(), Content::Journal(journal))
            }
        };
        let text = raw(row);
        Ok(SourceRecord {
            system: self.client.system().into(),
            object: object.into(),
            id,
            // Stamps show whole seconds: two changes in one second differ in what they say.
            version: format!(
                "{modified} {}",
                milestoned_mapping::command::DeliveryKey::of(&[&text, &format!("{content:?}")])
            ),
            at,
            raw: text,
            content,
        })
    }
}

fn raw(row: &Row) -> String {
    serde_json::to_string(&row.0).unwrap_or_default()
}

fn day(row: &Row) -> Result<jiff::civil::Date, String> {
    let text = row.need("day")?;
    text.parse().map_err(|error| format!("trandate {text:?}: {error}"))
}

/// Credit memos and lines of invoices come with a minus.
fn amount(row: &Row) -> Result<DecimalText, String> {
    let text = row.need("amount")?;
    let plain = text.strip_prefix('-').unwrap_or(text);
    let with_digit = if plain.starts_with('.') { format!("0{plain}") } else { plain.to_owned() };
    exact_decimal(&with_digit).ok_or_else(|| format!("amount {text:?} is not a number"))
}

fn invoice(row: &Row) -> Result<InvoiceSeen, String> {
    let void = row.get("voided") == Some("T") || row.get("status") == Some("V");
    Ok(InvoiceSeen {
        credit_memo: row.get("type") == Some("CustCred"),
        number: row.need("number")?.into(),
        contract: row.get("contract").map(Into::into),
        milestone: row.get("milestone").map(Into::into),
        customer: row.get("customer").unwrap_or_default().into(),
        currency: row.need("currency")?.into(),
        date: day(row)?,
        amount: amount(row)?,
        status: match row.get("status") {
            _ if void => InvoiceStatus::Void,
            Some("B") => InvoiceStatus::Paid,
            _ => InvoiceStatus::Open,
        },
    })
}

fn order(row: &Row, lines: &[Row]) -> Result<OrderSeen, String> {
    let own = lines.iter().filter(|line| line.get("parent") == row.get("id"));
    let milestones = own.filter_map(|line| {
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
    Ok(OrderSeen {
        contract: row.get("contract").map(Into::into),
        customer: row.get("customer").map(Into::into),
        currency: row.get("currency").map(Into::into),
        amount: Some(amount(row)?),
        payment_terms: row.get("terms").map(str::to_lowercase),
        version: row.get("version").and_then(|version| version.parse().ok()),
        milestones: milestones.collect(),
    })
}
