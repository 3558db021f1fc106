//! Writing by REST: alone, or as jobs of up to a hundred records of a type. The external id is the delivery's key; a
//! look-up goes by it, through SuiteQL, a thousand at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::civil::Date;
use milestoned_connector_kit::{Class, Fault, Found, Lane, LedgerLine, Receipt, Sink, Write, read};
use milestoned_mapping::command::{Command, Side};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::normalise::exact_decimal;
use milestoned_mapping::statement::{Essential, Line, Statement, posting};
use reqwest::Method;
use rust_decimal::Decimal;

use super::body::{Record, external_id};
use super::pull::waits_for_approval as waits;
use super::settings::{Orders, Revenue};
use super::sql::{self, DEBITS};
use super::wire::Row;
use super::{NetSuite, REQUEST_ID};

/// Writes of one call to us: ten jobs, and one look-up for their ids.
const MOST: usize = 1_000;
/// Longest transaction number.
pub(crate) const NUMBER_LENGTH: usize = 45;
/// Longest name of a company.
const NAME_LENGTH: usize = 83;
/// Transactions whose lines are read at once.
const PARENTS: usize = 200;
/// Fewer are written one by one: a job costs a poll and a look-up on top.
const WORTH_A_JOB: usize = 3;

impl Sink for NetSuite {
    fn takes_documents(&self) -> bool {
        true
    }

    fn writes_orders(&self) -> bool {
        self.settings.orders == Orders::Write
    }

    fn number_length(&self) -> Option<usize> {
        Some(NUMBER_LENGTH).filter(|_| self.settings.number_field.is_none())
    }

    fn customer_problem(&self, name: &str) -> Option<String> {
        let length = name.chars().count();
        (length > NAME_LENGTH).then(|| format!("has {length} characters, and NetSuite takes {NAME_LENGTH}"))
    }

    async fn customer_at(&self, id: &str) -> Result<Option<String>, Fault> {
        let Ok(id) = id.parse::<u64>() else { return Ok(None) };
        let rows = self.query(&format!("SELECT c.companyname AS customer FROM customer c WHERE c.id = {id}")).await?;
        Ok(rows.first().map(|row| row.get("customer").unwrap_or_default().to_owned()))
    }

    async fn customers_at(&self, ids: &[String]) -> Result<Option<BTreeMap<String, String>>, Fault> {
        self.names_of_customers(ids).await.map(Some)
    }

    /// Periods are closed one after another: those count that end before the first one that is open.
    async fn closed_through(&self) -> Result<Option<Date>, Fault> {
        let rows = self.query(sql::CLOSED_PERIODS).await?;
        let through = rows.first().and_then(|row| row.get("through"));
        let read = |text: &str| text.parse().map_err(|_| self.client.fault(Class::Misunderstood, text, None));
        through.map(read).transpose()
    }

    async fn ledger(&self, _from: Date, through: Date) -> Result<Option<Vec<LedgerLine>>, Fault> {
        self.postings(through).await.map(Some)
    }

    fn shows_entries(&self) -> bool {
        self.settings.revenue == Revenue::Journal
    }

    fn lane(&self, command: &Command) -> Lane {
        match command {
            Command::AcceptanceRecord(_) => Lane { name: "acceptance records", most: 1 },
            Command::BillingStatus(_) => Lane { name: "billing status", most: 1 },
            // A name is looked up once and created once: two currencies of one customer share a call.
            Command::Customer { .. } => Lane { name: "customers", most: MOST },
            Command::CreditMemo(_) => Lane { name: "credit memos", most: MOST },
            Command::Invoice(document) if document.order.is_some() => Lane { name: "invoices of orders", most: MOST },
            Command::Invoice(_) => Lane { name: "invoices", most: MOST },
            Command::InvoiceEmail(_) => Lane { name: "invoice mails", most: 1 },
            Command::JournalEntry(_) => Lane { name: "revenue", most: MOST },
            Command::SalesOrder(_) => Lane { name: "orders", most: MOST },
        }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        let Some(first) = writes.first() else { return Ok(Vec::new()) };
        let keys: Vec<String> = writes.iter().map(|write| external_id(write.key)).collect();
        if let Some(kind) = self.kept_apart(first.command) {
            return self.look_each(kind, &keys).await;
        }
        if matches!(first.command, Command::Customer { .. }) {
            return self.customers(writes, &keys).await;
        }
        let known = self.statements(&keys).await?;
        Ok(keys.iter().map(|key| known.get(key).cloned()).collect())
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let currencies = match self.currencies(writes).await {
            Ok(currencies) => currencies,
            Err(fault) => return writes.iter().map(|_| Err(fault.clone())).collect(),
        };
        let open = match self.left_to_pay(writes).await {
            Ok(open) => open,
            Err(fault) => return writes.iter().map(|_| Err(fault.clone())).collect(),
        };
        let mut outcomes: BTreeMap<usize, Result<Receipt, Fault>> = BTreeMap::new();
        let (mut records, mut names) = (Vec::new(), Vec::new());
        for (index, write) in writes.iter().enumerate() {
            if let Command::Customer { name, .. } = write.command {
                if names.contains(&name) {
                    let said = format!("customer {name} is just being created in another currency");
                    outcomes.insert(index, Err(self.client.fault(Class::Unreachable, said, None)));
                    continue;
                }
                names.push(name);
                if let Err(fault) = self.unlike_others(name).await {
                    outcomes.insert(index, Err(fault));
                    continue;
                }
            }
            let record = match (self.billed_line(write.command).await, self.currency_of(write.command, &currencies)) {
                (Ok(line), Ok(currency)) => {
                    let original = write.after.original.as_ref().and_then(|receipt| open.get(&receipt.remote_id));
                    self.record_of(write, currency, line.as_deref(), original.copied())
                }
                (Err(fault), _) | (_, Err(fault)) => Err(fault),
            };
            match record {
                Ok(record) => records.push((index, external_id(write.key), record)),
                Err(fault) => {
                    outcomes.insert(index, Err(fault));
                }
            }
        }
        let alone = records.len() < WORTH_A_JOB
            || writes.iter().any(|write| !may_be_a_job(write.command) || self.kept_apart(write.command).is_some());
        let written = if alone { self.each(&records).await } else { self.as_jobs(&records).await };
        outcomes.extend(records.iter().map(|(index, ..)| *index).zip(written));
        outcomes.into_values().collect()
    }
}

/// Orders are put by their id, and an invoice is made from an order by an address of its own: neither is a batch.
fn may_be_a_job(command: &Command) -> bool {
    match command {
        Command::CreditMemo(_) | Command::Customer { .. } | Command::JournalEntry(_) => true,
        Command::Invoice(document) => document.order.is_none(),
        Command::AcceptanceRecord(_)
        | Command::BillingStatus(_)
        | Command::InvoiceEmail(_)
        | Command::SalesOrder(_) => false,
    }
}

impl NetSuite {
    /// Record type of revenue that is not a transaction.
    fn kept_apart(&self, command: &Command) -> Option<&'static str> {
        match (command, self.settings.revenue) {
            (Command::JournalEntry(_), Revenue::BillingEvents) => Some("billingRevenueEvent"),
            (Command::JournalEntry(_), Revenue::Schedules) => Some("revRecSchedule"),
            _ => None,
        }
    }

    /// What is left to be paid of the invoices that credit memos correct, by id: no more than that is taken off.
    async fn left_to_pay(&self, writes: &[Write<'_>]) -> Result<BTreeMap<String, DecimalText>, Fault> {
        let credits = writes.iter().filter(|write| matches!(write.command, Command::CreditMemo(_)));
        let invoices: Vec<&str> = credits
            .filter_map(|write| write.after.original.as_ref())
            .map(|receipt| receipt.remote_id.as_str())
            .collect();
        if invoices.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids = sql::listed(invoices);
        let asked =
            format!("SELECT t.id AS id, t.foreignamountunpaid AS unpaid FROM transaction t WHERE t.id IN ({ids})");
        let rows = self.query(&asked).await?;
        let left = |row: &Row| Some((row.get("id")?.to_owned(), row.get("unpaid").and_then(exact_decimal)?));
        Ok(rows.iter().filter_map(left).collect())
    }

    /// Key of the invoiced or ordered line whose revenue an event tells; `None` for what is no event.
    async fn billed_line(&self, command: &Command) -> Result<Option<String>, Fault> {
        let (Command::JournalEntry(entry), Revenue::BillingEvents) = (command, self.settings.revenue) else {
            return Ok(None);
        };
        let Some(milestone) = &entry.milestone else {
            let said = format!(
                "entry {} is about several milestones, or none: an event is about one line; set revenue = \"journal\"",
                entry.number
            );
            return Err(self.client.fault(Class::Refused, said, None));
        };
        let rows = self.query(&sql::billed_line(&self.settings, &entry.contract, milestone)).await?;
        match rows.first().and_then(|row| row.get("line")) {
            Some(line) => Ok(Some(line.into())),
            None => {
                let said = format!("milestone {milestone} of contract {} is not invoiced there yet", entry.contract);
                Err(self.client.fault(Class::Unreachable, said, None))
            }
        }
    }

    /// Records that are no transactions, one by one.
    async fn look_each(&self, kind: &str, keys: &[String]) -> Result<Vec<Option<Found>>, Fault> {
        let mut all = Vec::new();
        for key in keys {
            let path = format!("/services/rest/record/v1/{kind}/eid:{key}?expandSubResources=true");
            let answer = self.send(false, Method::GET, &path, None, &[]).await?;
            match answer.status.as_u16() {
                404 => all.push(None),
                200 => {
                    let row: crate::wire::Released<'_> =
                        read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
                    let receipt = Receipt {
                        remote_id: row.id.clone(),
                        remote_number: None,
                        request_id: answer.header(REQUEST_ID),
                        unposted: false,
                    };
                    let (date, amount) = (row.date().and_then(|day| day.parse().ok()), row.amount());
                    // Neither kind has a number, a customer or a currency of its own: it releases what a line deferred.
                    let silent = &[Essential::Number, Essential::Customer, Essential::Currency, Essential::Lines];
                    all.push(Some(Found { receipt, says: Statement { date, amount, silent, ..Statement::default() } }));
                }
                _ => return Err(self.refused(&answer)),
            }
        }
        Ok(all)
    }

    /// Transactions with these external ids, and what they say, by external id.
    async fn statements(&self, keys: &[String]) -> Result<BTreeMap<String, Found>, Fault> {
        let rows = self
            .query(&format!(
                "SELECT t.id AS id, t.externalid AS external, {} AS number, TO_CHAR(t.trandate,'YYYY-MM-DD') AS day, \
                 t.status AS status, cur.symbol AS currency, {} AS customer, t.type AS type, {DEBITS} AS debits \
                 FROM transaction t LEFT JOIN currency cur ON cur.id = t.currency LEFT JOIN customer c ON c.id = t.entity \
                 WHERE t.externalid IN ({})",
                sql::number(&self.settings, "t"),
                super::customers::name_column(&self.customers),
                sql::listed(keys.iter().map(String::as_str))
            ))
            .await?;
        let mut known = BTreeMap::new();
        for some in rows.chunks(PARENTS) {
            let ids: Vec<&str> = some.iter().filter_map(|row| row.get("id")).collect();
            let lines = self.lines_by(&ids).await?;
            for row in some {
                let lines = row.get("id").and_then(|id| lines.get(id)).map(Vec::as_slice).unwrap_or_default();
                let says = self.says(row, lines);
                known.extend(row.get("external").map(|external| (external.to_owned(), found(row, says))));
            }
        }
        Ok(known)
    }

    /// Lines of transactions, by their ids.
    async fn lines_by(&self, ids: &[&str]) -> Result<BTreeMap<String, Vec<Row>>, Fault> {
        let (parents, mut after) = (sql::listed(ids.iter().copied()), (0, 0));
        let mut lines: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        loop {
            let rows = self.query(&sql::lines_of(&self.settings, &parents, after, MOST)).await?;
            let full = rows.len() == MOST;
            let number = |row: &Row, column: &str| row.get(column).and_then(|text| text.parse::<i64>().ok());
            let last = rows.last().and_then(|row| Some((number(row, "parent")?, number(row, "line")?)));
            for row in rows {
                if let Some(parent) = row.get("parent").map(str::to_owned) {
                    lines.entry(parent).or_default().push(row);
                }
            }
            match last.filter(|last| full && *last > after) {
                Some(last) => after = last,
                None => return Ok(lines),
            }
        }
    }

    /// What a transaction says. A sale is what its lines say without tax: its total is with it.
    fn says(&self, row: &Row, lines: &[Row]) -> Statement {
        let text = |column: &str| row.get(column).map(Into::into);
        let head = Statement {
            number: text("number"),
            customer: text("customer"),
            currency: text("currency"),
            date: row.get("day").and_then(|day| day.parse().ok()),
            ..Statement::default()
        };
        let number = |line: &Row| line.get("amount").and_then(exact_decimal).unwrap_or_default().0;
        if row.get("type") == Some("Journal") {
            let posted = lines.iter().map(|line| {
                let amount = number(line);
                let side = if amount.is_sign_negative() { Side::Credit } else { Side::Debit };
                Line { says: posting(side, &self.account_name(line)), amount: DecimalText(amount.abs()) }
            });
            let debits = row.get("debits").and_then(exact_decimal);
            return Statement { amount: debits, lines: Some(posted.collect()), ..head };
        }
        // The lines of an invoice are credits, those of a credit memo debits.
        let sign = if row.get("type") == Some("CustCred") { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        let sold: Vec<Line> = lines
            .iter()
            .filter(|line| line.get("main") != Some("T") && line.get("tax") != Some("T"))
            .map(|line| {
                let amount = number(line).checked_mul(sign).unwrap_or_default();
                Line { says: line.get("description").unwrap_or_default().into(), amount: DecimalText(amount) }
            })
            .collect();
        let net = sold.iter().map(|line| line.amount.0).sum();
        Statement { amount: Some(DecimalText(net)), lines: Some(sold), ..head }
    }

    /// Our name of a line's account; of another one its id.
    fn account_name(&self, line: &Row) -> String {
        let id = line.get("account").unwrap_or_default();
        let ours = self.settings.accounts.iter().find(|(_, account)| *account == id);
        ours.map_or_else(|| format!("account {id}"), |(name, _)| name.clone())
    }

    /// Internal ids of the currencies that are written, by code.
    async fn currencies(&self, writes: &[Write<'_>]) -> Result<BTreeMap<String, String>, Fault> {
        let mut codes: Vec<String> = writes.iter().filter_map(|write| currency(write.command)).collect();
        codes.sort();
        codes.dedup();
        let mut known = self.currencies.lock().await;
        let missing: Vec<&str> = codes.iter().map(String::as_str).filter(|code| !known.contains_key(*code)).collect();
        if !missing.is_empty() {
            let rows = self
                .query(&format!("SELECT id, symbol FROM currency WHERE symbol IN ({})", sql::listed(missing)))
                .await?;
            known
                .extend(rows.iter().filter_map(|row| Some((row.get("symbol")?.to_owned(), row.get("id")?.to_owned()))));
        }
        Ok(known.clone())
    }

    fn currency_of<'a>(&self, command: &Command, known: &'a BTreeMap<String, String>) -> Result<&'a str, Fault> {
        let code = currency(command).unwrap_or_default();
        known.get(&code).map(String::as_str).ok_or_else(|| {
            self.client.fault(Class::Refused, format!("the account has no currency {code}: enable it"), None)
        })
    }

    /// Writes one by one, side by side.
    pub(crate) async fn each(&self, records: &[(usize, String, Record)]) -> Vec<Result<Receipt, Fault>> {
        let mut writes = Vec::new();
        for (_, _, record) in records {
            writes.push(self.one(record));
        }
        join_all(writes).await
    }

    async fn one(&self, record: &Record) -> Result<Receipt, Fault> {
        let base = "/services/rest/record/v1";
        let order = external_id_in(&record.body);
        let (method, path) = match (record.kind, &record.order) {
            ("salesOrder", _) => (Method::PUT, format!("{base}/salesOrder/eid:{order}")),
            (kind, Some(order)) => (Method::POST, format!("{base}/salesOrder/eid:{order}/!transform/{kind}")),
            (kind, None) => (Method::POST, format!("{base}/{kind}")),
        };
        let answer = self.send(true, method, &path, Some(&record.body), &[]).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let request_id = answer.header(REQUEST_ID);
        // The answer is empty: the id is the end of the address. One that was there before has none.
        let location = answer.header("location").unwrap_or_default();
        let remote_id = match location.rsplit('/').next().filter(|id| !id.is_empty()) {
            Some(id) => id.to_owned(),
            None if record.kind == "salesOrder" => format!("eid:{order}"),
            None => return Err(self.client.garbage(&answer, "a created record came without its address")),
        };
        let given = match record.kind {
            "invoice" => Some(self.given(&remote_id).await),
            "customer" => None,
            _ if self.settings.number_field.is_some() => Some(self.given(&remote_id).await),
            _ => None,
        };
        let unposted = record.kind == "invoice" && given.as_ref().is_some_and(|row| row.as_ref().is_none_or(waits));
        let number = given.flatten().as_ref().and_then(|row| row.get("number").map(Into::into));
        let remote_number = number.filter(|_| self.settings.number_field.is_some());
        Ok(Receipt { remote_id, remote_number, request_id, unposted })
    }

    /// The number that the account gave and whether it routes approvals, which the answer to a write does not tell; what cannot
    /// be read is not waited for.
    async fn given(&self, id: &str) -> Option<Row> {
        let id: u64 = id.parse().ok()?;
        let asked = format!("SELECT t.tranid AS number, t.status AS status FROM transaction t WHERE t.id = {id}");
        self.query(&asked).await.ok()?.into_iter().next()
    }
}

/// External id that a body bears.
fn external_id_in(body: &str) -> String {
    serde_json::from_str::<crate::wire::External>(body).map(|body| body.external_id).unwrap_or_default()
}

/// Code of the currency in which a command is.
fn currency(command: &Command) -> Option<String> {
    match command {
        Command::Customer { currency, .. } => Some(currency.clone()),
        Command::CreditMemo(document) | Command::Invoice(document) => Some(document.amount.currency().to_string()),
        Command::JournalEntry(entry) => entry.lines.first().map(|line| line.amount.currency().to_string()),
        Command::SalesOrder(order) => Some(order.amount.currency().to_string()),
        Command::AcceptanceRecord(_) | Command::BillingStatus(_) | Command::InvoiceEmail(_) => None,
    }
}

/// A row as if its write had answered, and what it says.
pub(crate) fn found(row: &Row, says: Statement) -> Found {
    let remote_id = row.get("id").unwrap_or_default().into();
    let unposted = row.get("type") == Some("CustInvc") && waits(row);
    Found { receipt: Receipt { remote_id, remote_number: None, request_id: None, unposted }, says }
}
