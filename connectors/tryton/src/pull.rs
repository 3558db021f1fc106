//! Reading customer invoices with their payments, and account moves that touch our accounts: what changed since the last
//! walk, by id. Drafts are nothing yet; what was posted can be cancelled and never disappears.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::note::Names;
use milestoned_connector_kit::tax::Asked;
use milestoned_connector_kit::walk::Walk;
use milestoned_connector_kit::{Cursor, Fault, Page, Source, Unreadable, digest, read};
use milestoned_mapping::fact::{DecimalText, LegRecognition};
use milestoned_mapping::record::{
    Applied, AppliedSeen, Content, InvoiceSeen, InvoiceStatus, JournalSeen, PaymentSeen, SourceRecord,
};
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::{OWN_ENTRY, debits, is_credit_memo, sold};
use super::{Question, Tryton, wire};

/// Customer invoices and credit notes.
pub(crate) const INVOICE: &str = "account.invoice";
/// Account moves.
pub(crate) const MOVE: &str = "account.move";
/// What pays an invoice; records are named by the invoice and the line that pays it.
const PAYMENT: &str = "payment";
/// Rows of a page.
const MOST: usize = 100;
/// What is read of an invoice.
pub(crate) const INVOICE_FIELDS: [&str; 33] = [
    "number",
    "reference",
    "description",
    "state",
    "party.name",
    "currency.code",
    "invoice_date",
    "untaxed_amount",
    "amount_to_pay",
    "lines.type",
    "lines.account.id",
    "lines.amount",
    "lines.description",
    "lines_to_pay.id",
    "payment_lines.debit",
    "payment_lines.credit",
    "payment_lines.amount_second_currency",
    "payment_lines.date",
    "payment_lines.move.journal.type",
    "payment_lines.move.number",
    "payment_lines.move.origin",
    "reconciliation_lines.debit",
    "reconciliation_lines.credit",
    "reconciliation_lines.amount_second_currency",
    "reconciliation_lines.date",
    "reconciliation_lines.move.journal.type",
    "reconciliation_lines.move.number",
    "reconciliation_lines.move.origin",
    "cancel_move",
    "total_amount",
    "accounting_date",
    "create_date",
    "write_date",
];
/// What is read of a move.
pub(crate) const MOVE_FIELDS: [&str; 12] = [
    "number",
    "description",
    "date",
    "state",
    "journal.type",
    "lines.account.id",
    "lines.debit",
    "lines.credit",
    "lines.description",
    "lines.party.name",
    "create_date",
    "write_date",
];

impl Source for Tryton {
    fn streams(&self) -> &'static [&'static str] {
        &["invoices", "moves"]
    }

    async fn pull(&self, stream: &str, from: &Cursor) -> Result<Page, Fault> {
        let model = if stream == "moves" { MOVE } else { INVOICE };
        let mut walk = Walk::resume(from, self.settings.overlap, self.client.now());
        let fresh_through = walk.began;
        let mut domain = self.wanted(model);
        domain.push(json!(["id", ">", walk.last]));
        if let Some(since) = walk.since {
            let since = wire::instant(since);
            domain.push(json!(["OR", ["write_date", ">=", since], ["create_date", ">=", since]]));
        }
        let order = json!([["id", "ASC"]]);
        let question = Question { domain: domain.into(), fields: fields_of(model), order, most: Some(MOST) };
        let answer = self.search(model, &question).await?;
        walk.answered(&answer);
        let rows: Vec<&RawValue> = self.read_answer(&answer)?;
        let beside = self.beside(&rows).await?;
        let (mut records, mut unreadable, mut last) = (Vec::new(), Vec::new(), None);
        for row in &rows {
            let id = serde_json::from_str::<wire::Row>(row.get()).map(|row| row.id);
            let id = id.map_err(|error| self.client.garbage(&answer, error))?;
            last = Some(id);
            match self.records(model, row.get(), &beside) {
                Ok(found) => records.extend(found),
                Err(reason) => {
                    let raw = row.get().to_owned();
                    unreadable.push(Unreadable { object: model.into(), id: id.to_string(), raw, reason });
                }
            }
        }
        let more = rows.len() == MOST;
        records.sort_by_key(|record| record.at);
        Ok(Page { records, unreadable, next: walk.after(last.filter(|_| more)), more, fresh_through })
    }

    async fn read(&self, object: &str, id: &str) -> Result<Vec<SourceRecord>, Fault> {
        let model = match object {
            INVOICE | PAYMENT => INVOICE,
            MOVE => MOVE,
            _ => return Ok(Vec::new()),
        };
        let whole = id.split(':').next().unwrap_or(id);
        let Ok(number) = whole.parse::<i64>() else { return Ok(Vec::new()) };
        let mut domain = self.wanted(model);
        domain.push(json!(["id", "=", number]));
        let question = Question { domain: domain.into(), fields: fields_of(model), ..Question::default() };
        let answer = self.search(model, &question).await?;
        let rows: Vec<&RawValue> = self.read_answer(&answer)?;
        let beside = self.beside(&rows).await?;
        let mut records = Vec::new();
        for row in rows {
            let read = self.records(model, row.get(), &beside);
            records.extend(read.map_err(|reason| self.client.garbage(&answer, reason))?);
        }
        if !records.iter().any(|record| record.object == object && record.id == id) {
            let now = self.client.now();
            records.push(self.record(object, id.to_owned(), format!("gone {now}"), now, "{}", Content::Gone));
        }
        Ok(records)
    }
}

/// What stands beside the rows of a page.
struct Beside {
    /// The company's currency.
    currency: String,
    /// Numbers of credit notes that are applied to invoices, by id.
    credits: BTreeMap<i64, String>,
}

fn fields_of(model: &str) -> &'static [&'static str] {
    if model == MOVE { &MOVE_FIELDS } else { &INVOICE_FIELDS }
}

impl Tryton {
    /// The records of a model that are ours to read.
    pub(crate) fn wanted(&self, model: &str) -> Vec<Value> {
        let company = json!(["company", "=", self.settings.company]);
        if model == INVOICE {
            return vec![company, json!(["type", "=", "out"]), json!(["state", "in", ["posted", "paid", "cancelled"]])];
        }
        let accounts = ["unbilled_receivable", "contract_asset", "deferred_revenue", "revenue"];
        let accounts: Vec<i64> = accounts.iter().filter_map(|name| self.account(name)).collect();
        // Moves of the invoice journal are left out: they are read as parts of their invoices.
        vec![
            company,
            json!(["state", "=", "posted"]),
            json!(["journal", "!=", self.settings.invoice_journal]),
            json!(["lines.account", "in", accounts]),
        ]
    }

    /// What the rows name by ids alone.
    async fn beside(&self, rows: &[&RawValue]) -> Result<Beside, Fault> {
        let mut ids: Vec<i64> = Vec::new();
        for row in rows {
            let Ok(invoice) = serde_json::from_str::<wire::Invoice>(row.get()) else { continue };
            ids.extend(applied_lines(&invoice).filter_map(|line| credit_of(&line.entry)));
        }
        ids.sort_unstable();
        ids.dedup();
        let mut credits = BTreeMap::new();
        if !ids.is_empty() {
            let domain = json!([["id", "in", ids]]);
            let question = Question { domain, fields: &["number", "reference"], ..Question::default() };
            let named: Vec<wire::Named> = self.find_all(INVOICE, &question).await?;
            credits.extend(named.into_iter().filter_map(|note| Some((note.id, note.reference.or(note.number)?))));
        }
        Ok(Beside { currency: self.company().await?.currency.clone(), credits })
    }

    /// What a row stands for.
    fn records(&self, model: &str, raw: &str, beside: &Beside) -> Result<Vec<SourceRecord>, String> {
        if model == MOVE {
            let entry: wire::Move = read::json(raw)?;
            let at = entry.write_date.unwrap_or(entry.create_date).0;
            let content = Content::Journal(self.journal(&entry, &beside.currency)?);
            return Ok(vec![self.record(MOVE, entry.id.to_string(), version(at, raw, &content), at, raw, content)]);
        }
        let invoice: wire::Invoice = read::json(raw)?;
        let Some(number) = number_of(invoice.reference.as_ref(), invoice.number.as_ref()) else {
            return Ok(Vec::new());
        };
        let at = invoice.write_date.unwrap_or(invoice.create_date).0;
        let record = |object: &str, id: String, content: Content| {
            self.record(object, id, version(at, raw, &content), at, raw, content)
        };
        let mut records =
            vec![record(INVOICE, invoice.id.to_string(), Content::Invoice(self.invoice(&invoice, &number)?))];
        for (line, payment) in payments(&invoice, &number) {
            records.push(record(PAYMENT, format!("{}:{line}", invoice.id), Content::Payment(payment)));
        }
        for (line, applied) in applied(&invoice, &number, &beside.credits) {
            records.push(record(PAYMENT, format!("{}:{line}", invoice.id), Content::Applied(applied)));
        }
        let ids = records.iter().filter(|record| record.object == PAYMENT).map(|record| record.id.clone()).collect();
        records.push(record(PAYMENT, invoice.id.to_string(), Content::Parts { ids }));
        Ok(records)
    }

    fn record(
        &self,
        object: &str,
        id: String,
        version: String,
        at: Timestamp,
        raw: &str,
        content: Content,
    ) -> SourceRecord {
        let system = self.client.system().into();
        SourceRecord { system, object: object.into(), id, version, at, raw: raw.into(), content }
    }

    fn invoice(&self, invoice: &wire::Invoice, number: &str) -> Result<InvoiceSeen, String> {
        let void = invoice.state == "cancelled";
        let booked = |account: &str| {
            let id = self.account(account);
            let lines = invoice.lines.iter().filter(|line| !void && line.account.as_ref().map(|row| row.id) == id);
            DecimalText(lines.filter_map(|line| line.amount).map(|amount| amount.0.0).sum())
        };
        let names = Names::read(invoice.description.as_deref().unwrap_or_default());
        Ok(InvoiceSeen {
            credit_memo: is_credit_memo(invoice),
            number: number.into(),
            contract: names.contract,
            milestone: names.milestone,
            customer: self.customer_name(&invoice.party).ok_or("party.name is missing")?,
            currency: invoice.currency.code.clone(),
            date: invoice.invoice_date.ok_or("invoice_date is missing")?.0,
            amount: DecimalText(invoice.untaxed_amount.0.0.abs()),
            tax: invoice.total_amount.0.0.checked_sub(invoice.untaxed_amount.0.0).map(|tax| DecimalText(tax.abs())),
            status: if void {
                InvoiceStatus::Void
            } else if invoice.state == "paid" || invoice.amount_to_pay.0.0.is_zero() {
                InvoiceStatus::Paid
            } else {
                InvoiceStatus::Open
            },
            deferred: Some(booked("deferred_revenue")),
            recognised: Some(booked("revenue")),
            lines: Some(sold(invoice)),
            applied_to: Vec::new(),
        })
    }

    fn journal(&self, entry: &wire::Move, company: &str) -> Result<JournalSeen, String> {
        let words = |line: &wire::MoveLine| line.description.clone().unwrap_or_default();
        let ours = entry.lines.iter().any(|line| words(line).contains(OWN_ENTRY));
        let head = Names::read(entry.description.as_deref().unwrap_or_default());
        let (mut deferred, mut recognised) = (Decimal::ZERO, Vec::new());
        for line in &entry.lines {
            let id = Some(line.account.id);
            if id == self.account("deferred_revenue") {
                deferred = deferred.checked_add(line.credit.0.0).unwrap_or_default();
                deferred = deferred.checked_sub(line.debit.0.0).unwrap_or_default();
            }
            let milestone = Names::read(&words(line)).milestone.or_else(|| head.milestone.clone());
            let credit = !line.credit.0.0.is_zero();
            if let (true, Some(milestone)) = (credit && !ours && id == self.account("revenue"), milestone) {
                recognised.push(LegRecognition { milestone, date: entry.date.0, amount: line.credit.0 });
            }
        }
        let number = if ours { entry.description.clone() } else { entry.number.clone() };
        let contract = head.contract.or_else(|| entry.lines.iter().find_map(|line| Names::read(&words(line)).contract));
        let unassigned = !ours && contract.is_none();
        let mut lines = if ours || unassigned { self.posted(entry) } else { Vec::new() };
        lines.retain(|line| ours || !line.says.contains(" account "));
        let on_ours = |line: &&wire::MoveLine| self.settings.accounts.values().any(|id| *id == line.account.id);
        let mut parties = entry.lines.iter().filter(on_ours).filter_map(|line| line.party.as_ref());
        let customer = parties.find_map(|party| self.customer_name(party)).filter(|_| unassigned);
        Ok(JournalSeen {
            number: number.ok_or("number is missing")?,
            contract,
            date: entry.date.0,
            currency: company.into(),
            amount: debits(entry),
            deferred: Some(DecimalText(deferred)),
            recognised,
            lines: Some(lines).filter(|lines| ours || !lines.is_empty()),
            customer,
            applied_to: Vec::new(),
            posted: true,
        })
    }
}

/// Our number, where it is there, else Tryton's. A draft that was cancelled by hand has neither.
pub(crate) fn number_of(reference: Option<&String>, number: Option<&String>) -> Option<String> {
    reference.filter(|text| !text.is_empty()).or(number).cloned()
}

/// A record may change within the microsecond, and what belongs to it without it: what it says belongs to its version.
fn version(at: Timestamp, raw: &str, content: &Content) -> String {
    format!("{at} {}", digest(raw, content))
}

/// The credit note from which a move comes.
fn credit_of(entry: &wire::PaymentMove) -> Option<i64> {
    entry.origin.as_deref()?.strip_prefix("account.invoice,")?.parse().ok()
}

/// Lines that pay an invoice and are no money.
fn applied_lines(document: &wire::Invoice) -> impl Iterator<Item = &wire::PaymentLine> {
    let lines = document.payment_lines.iter().chain(&document.reconciliation_lines);
    lines.filter(|line| !is_money(line) && !is_credit_memo(document))
}

/// Whether a line that pays an invoice is money: not of a credit note, a write-off or an exchange difference.
fn is_money(line: &wire::PaymentLine) -> bool {
    !matches!(line.entry.journal.kind.as_deref(), Some("revenue" | "expense" | "write-off"))
}

/// How much of an invoice a line pays.
fn paid_by(line: &wire::PaymentLine) -> Decimal {
    match line.amount_second_currency {
        Some(foreign) => foreign.0.0.abs(),
        None => line.credit.0.0.checked_sub(line.debit.0.0).unwrap_or_default(),
    }
}

/// What pays an invoice and is no money, by line.
fn applied(document: &wire::Invoice, number: &str, credits: &BTreeMap<i64, String>) -> Vec<(i64, AppliedSeen)> {
    let mut all: Vec<(i64, AppliedSeen)> = Vec::new();
    for line in applied_lines(document) {
        let amount = paid_by(line);
        if amount <= Decimal::ZERO || all.iter().any(|(id, _)| *id == line.id) {
            continue;
        }
        let credit = credit_of(&line.entry);
        let what = if credit.is_some() { Applied::CreditMemo } else { Applied::Entry };
        let known = credit.and_then(|id| credits.get(&id)).or(line.entry.number.as_ref());
        let seen = AppliedSeen {
            what,
            number: known.cloned().unwrap_or_else(|| line.id.to_string()),
            invoices: vec![number.to_owned()],
            currency: document.currency.code.clone(),
            date: line.date.0,
            amount: DecimalText(amount.normalize()),
        };
        all.push((line.id, seen));
    }
    all
}

/// What pays an invoice in money, by line: not credit notes, write-offs and exchange differences.
fn payments(document: &wire::Invoice, number: &str) -> Vec<(i64, PaymentSeen)> {
    if is_credit_memo(document) {
        return Vec::new();
    }
    let mut payments: Vec<(i64, PaymentSeen)> = Vec::new();
    for line in document.payment_lines.iter().chain(&document.reconciliation_lines) {
        let paid = paid_by(line);
        let known = payments.iter().any(|(id, _)| *id == line.id);
        if is_money(line) && !known && paid > Decimal::ZERO {
            let asked = Asked { net: document.untaxed_amount.0, total: document.total_amount.0 };
            let amount = asked.net_of(DecimalText(paid.normalize()), &document.currency.code);
            let (invoice, currency, date) = (number.to_owned(), document.currency.code.clone(), line.date.0);
            payments.push((line.id, PaymentSeen { invoice, currency, date, amount, contract: None }));
        }
    }
    payments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credit_note_and_a_write_off_are_told_and_are_no_money() {
        let line = |id: i64, kind: &str, number: &str, origin: Value| {
            json!({ "id": id, "debit": amount("0"), "credit": amount("40"), "date": { "year": 2026, "month": 3, "day": 2 },
                "move": { "journal": { "type": kind }, "number": number, "origin": origin } })
        };
        let invoice = json!({ "id": 1, "state": "posted", "party": { "id": 1, "name": "Northwind" },
            "currency": { "id": 1, "code": "USD" }, "untaxed_amount": amount("100"), "total_amount": amount("100"),
            "amount_to_pay": amount("0"), "create_date": wire::instant(Timestamp::UNIX_EPOCH),
            "reconciliation_lines": [line(7, "revenue", "M7", json!("account.invoice,12")),
                line(8, "write-off", "M8", Value::Null), line(9, "cash", "M9", Value::Null)] });
        let invoice: wire::Invoice = serde_json::from_value(invoice).unwrap();
        let told = applied(&invoice, "SOW-1-M1", &[(12, "CN-3".to_owned())].into());
        let told: Vec<(i64, Applied, &str)> =
            told.iter().map(|(id, one)| (*id, one.what, one.number.as_str())).collect();
        assert_eq!(told, [(7, Applied::CreditMemo, "CN-3"), (8, Applied::Entry, "M8")]);
        assert_eq!(payments(&invoice, "SOW-1-M1").iter().map(|(id, _)| *id).collect::<Vec<_>>(), [9]);
    }

    fn amount(text: &str) -> Value {
        json!({ "__class__": "Decimal", "decimal": text })
    }
}
