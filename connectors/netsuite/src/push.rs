//! Writing by REST. The external id is the delivery's key; a look-up goes by it, through SuiteQL.

use milestoned_connector_kit::{Class, Fault, Found, Lane, Receipt, Sink, Statement, Write};
use milestoned_mapping::command::{Account, Command, DeliveryKey, Document, JournalEntry, Side};
use milestoned_mapping::normalise::exact_decimal;
use reqwest::Method;

use super::{NetSuite, quoted, wire::Row};

impl Sink for NetSuite {
    fn lane(&self, _: &Command) -> Lane {
        Lane { name: "documents", most: 1 }
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        let mut found = Vec::new();
        for write in writes {
            found.push(self.look_up(write).await?);
        }
        Ok(found)
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let mut outcomes = Vec::new();
        for write in writes {
            outcomes.push(self.write(write).await);
        }
        outcomes
    }
}

impl NetSuite {
    async fn look_up(&self, write: &Write<'_>) -> Result<Option<Found>, Fault> {
        let Write { key, command, .. } = write;
        if let Command::Customer { name, .. } = command {
            let sql = format!(
                "SELECT id, companyname AS customer FROM customer WHERE externalid = {} OR companyname = {} ORDER BY id",
                quoted(&external_id(key)),
                quoted(name)
            );
            let (rows, _) = self.query(&sql).await?;
            return Ok(rows.first().map(|row| {
                found(row, Statement { customer: row.get("customer").map(Into::into), ..Statement::default() })
            }));
        }
        let sql = format!(
            "SELECT t.id AS id, t.tranid AS number, TO_CHAR(t.trandate,'YYYY-MM-DD') AS day, cur.symbol AS currency, \
             c.companyname AS customer, t.type AS type, t.foreigntotal AS total, \
             (SELECT SUM(a.debit) FROM transactionaccountingline a WHERE a.transaction = t.id) AS debits \
             FROM transaction t LEFT JOIN currency cur ON cur.id = t.currency LEFT JOIN customer c ON c.id = t.entity \
             WHERE t.externalid = {}",
            quoted(&external_id(key))
        );
        let (rows, _) = self.query(&sql).await?;
        Ok(rows.first().map(|row| {
            let column = if row.get("type") == Some("Journal") { "debits" } else { "total" };
            let amount = row.get(column).map(|text| text.strip_prefix('-').unwrap_or(text)).and_then(exact_decimal);
            let says = Statement {
                number: row.get("number").map(Into::into),
                customer: row.get("customer").map(Into::into),
                currency: row.get("currency").map(Into::into),
                date: row.get("day").and_then(|day| day.parse().ok()),
                amount,
            };
            found(row, says)
        }))
    }

    async fn write(&self, write: &Write<'_>) -> Result<Receipt, Fault> {
        let Write { key, command, context } = write;
        let customer = context.after.first().map_or("", |receipt| receipt.remote_id.as_str());
        let (kind, body) = match command {
            Command::Customer { name, currency } => ("customer", self.customer(key, name, currency).await?),
            Command::Invoice(document) => ("invoice", self.document(key, document, customer, None).await?),
            Command::CreditMemo(document) => {
                let invoice = context.after.get(1).map(|receipt| receipt.remote_id.as_str());
                ("creditMemo", self.document(key, document, customer, invoice).await?)
            }
            Command::JournalEntry(entry) => ("journalEntry", self.journal(key, entry).await?),
            Command::BillingStatus(_) => {
                return Err(self.client.fault(Class::Refused, "this connection takes no billing status", None));
            }
        };
        let answer =
            self.send(true, Method::POST, &format!("/services/rest/record/v1/{kind}"), Some(&body), false).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        // The answer is empty: the id is the end of the address.
        let location = answer.header("location").unwrap_or_default();
        match location.rsplit('/').next().filter(|id| !id.is_empty()) {
            Some(id) => {
                Ok(Receipt { remote_id: id.into(), remote_number: None, request_id: answer.header("x-n-operationid") })
            }
            None => Err(self.client.garbage(&answer, "a created record came without its address")),
        }
    }
}

fn external_id(key: &DeliveryKey) -> String {
    format!("msd-{key}")
}

fn found(row: &Row, says: Statement) -> Found {
    let receipt =
        Receipt { remote_id: row.get("id").unwrap_or_default().into(), remote_number: None, request_id: None };
    Found { receipt, says }
}

/// A JSON object under construction; amounts are written with their digits.
struct Body(Vec<String>);

impl Body {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn raw(mut self, name: &str, json: impl std::fmt::Display) -> Self {
        self.0.push(format!("{}:{json}", serde_json::Value::from(name)));
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        let text = serde_json::Value::from(text);
        self.raw(name, text)
    }

    fn reference(self, name: &str, id: &str) -> Self {
        let reference = Body::new().text("id", id).done();
        self.raw(name, reference)
    }

    fn done(self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}

impl NetSuite {
    async fn currency(&self, code: &str) -> Result<String, Fault> {
        let (rows, _) = self.query(&format!("SELECT id FROM currency WHERE symbol = {}", quoted(code))).await?;
        rows.first().and_then(|row| row.get("id")).map(Into::into).ok_or_else(|| {
            self.client.fault(Class::Refused, format!("the account has no currency {code}: enable it"), None)
        })
    }

    fn head(&self, key: &DeliveryKey) -> Body {
        let body = Body::new().text("externalId", &external_id(key));
        match &self.settings.subsidiary {
            Some(id) => body.reference("subsidiary", id),
            None => body,
        }
    }

    async fn customer(&self, key: &DeliveryKey, name: &str, currency: &str) -> Result<String, Fault> {
        let currency = self.currency(currency).await?;
        Ok(self.head(key).text("companyName", name).reference("currency", &currency).done())
    }

    async fn document(
        &self,
        key: &DeliveryKey,
        document: &Document,
        customer: &str,
        invoice: Option<&str>,
    ) -> Result<String, Fault> {
        let currency = self.currency(document.amount.currency().code()).await?;
        let line = Body::new()
            .reference("item", &self.settings.item)
            .raw("quantity", 1)
            .raw("rate", document.amount)
            .raw("amount", document.amount)
            .text("description", &document.description)
            .done();
        let acceptance = document.acceptance.as_deref().unwrap_or_default();
        let mut body = self
            .head(key)
            .reference("entity", customer)
            .text("tranId", &document.number)
            .text("tranDate", &document.date.to_string())
            .reference("currency", &currency)
            .text("memo", acceptance)
            .text(&self.settings.contract_field, &document.contract)
            .text(&self.settings.milestone_field, &document.milestone)
            .raw("item", format!("{{\"items\":[{line}]}}"));
        if let Some(po) = &document.po_number {
            body = body.text("otherRefNum", po);
        }
        match invoice {
            None => {
                body = body.text("dueDate", &document.due_on.to_string());
                if let Some(terms) = self.settings.terms.get(&document.payment_terms) {
                    body = body.reference("terms", terms);
                }
            }
            Some(invoice) => {
                let apply =
                    Body::new().reference("doc", invoice).raw("apply", true).raw("amount", document.amount).done();
                body = body.raw("apply", format!("{{\"items\":[{apply}]}}"));
            }
        }
        Ok(body.done())
    }

    async fn journal(&self, key: &DeliveryKey, entry: &JournalEntry) -> Result<String, Fault> {
        let code = entry.lines.first().map(|line| line.amount.currency().to_string()).unwrap_or_default();
        let currency = self.currency(&code).await?;
        let mut lines = Vec::new();
        for line in &entry.lines {
            let side = if line.side == Side::Debit { "debit" } else { "credit" };
            let account = self.account(line.account)?;
            lines.push(
                Body::new().reference("account", account).raw(side, line.amount).text("memo", &entry.memo).done(),
            );
        }
        Ok(self
            .head(key)
            .text("tranId", &entry.number)
            .text("tranDate", &entry.date.to_string())
            .reference("currency", &currency)
            .text("memo", &entry.memo)
            .text(&self.settings.contract_field, &entry.contract)
            .raw("line", format!("{{\"items\":[{}]}}", lines.join(",")))
            .done())
    }

    fn account(&self, account: Account) -> Result<&str, Fault> {
        let name = account.name();
        self.settings
            .accounts
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| self.client.fault(Class::Refused, format!("accounts.{name} is not set"), None))
    }
}
