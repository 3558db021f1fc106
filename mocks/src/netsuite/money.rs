//! Amounts of the simulated account: totals, statuses, payments, links between transactions, postings.

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};

use super::chart;
use super::state::{Refusal, State, missing, place, reference, rows};
use crate::document::{Posting, Side};
use crate::json::{Json, obj};

fn round(amount: Decimal, digits: u32) -> Decimal {
    amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}

/// Quantity, rate (eight decimals) and amount of a line, each from the others.
pub(crate) fn price(line: &mut Json, digits: u32) {
    let quantity = if line.has("quantity") { line.decimal("quantity") } else { Decimal::ONE };
    line.set("quantity", Json::amount(quantity));
    if line.get("amount").is_none_or(Json::is_null) {
        let rate = round(line.decimal("rate"), 8);
        line.set("rate", Json::amount(rate));
        line.set("amount", Json::amount(round(quantity * rate, digits)));
    } else if !line.has("rate") && !quantity.is_zero() {
        let rate = line.decimal("amount").checked_div(quantity).unwrap_or_default();
        line.set("rate", Json::amount(round(rate, 8)));
    }
    let amount = round(line.decimal("amount"), digits);
    line.set("amount", Json::amount(amount));
}

impl State {
    pub(crate) fn totals(&self, kind: &str, record: &mut Json) -> Result<(), Refusal> {
        let sum =
            |sublist: &str, field: &str| record.list(sublist).iter().map(|line| line.decimal(field)).sum::<Decimal>();
        match kind {
            "journalEntry" => {
                let (debit, credit) = (sum("line", "debit"), sum("line", "credit"));
                if debit != credit || record.list("line").len() < 2 {
                    return Err(Refusal::user("Please enter a balanced journal entry: debits must equal credits."));
                }
                record.set("total", Json::amount(debit));
                let status = match record.text("approvalStatus.id").as_str() {
                    "1" => ("A", "Pending Approval"),
                    "3" => ("C", "Rejected"),
                    _ => ("B", "Approved for Posting"),
                };
                record.set("status", reference(status.0, status.1));
            }
            "customerPayment" => {
                let payment = record.get("payment").cloned().unwrap_or_else(|| Json::from(0));
                record.set("total", payment);
                record.set("status", reference("C", "Deposited"));
            }
            _ => {
                let total = sum("item", "amount");
                if record.list("item").is_empty() {
                    return Err(Refusal::user("You must enter at least one line item for this transaction."));
                }
                if total < Decimal::ZERO {
                    return Err(Refusal::user("The total can not be less than zero."));
                }
                let tax = self.taxes(record);
                record.set("total", Json::amount(total + tax));
                record.set("subtotal", Json::amount(total));
                record.set("taxTotal", Json::amount(tax));
                self.sale_status(kind, record, total + tax);
            }
        }
        Ok(())
    }

    /// Taxes of the lines with a code, line by line.
    fn taxes(&self, record: &Json) -> Decimal {
        let digits = self.digits(record);
        let of = |line: &Json| {
            let percent = chart::tax_percent(&line.text("taxCode.id")).unwrap_or_default();
            round(line.decimal("amount") * Decimal::from(percent) / Decimal::ONE_HUNDRED, digits)
        };
        record.list("item").iter().map(of).sum()
    }

    fn sale_status(&self, kind: &str, record: &mut Json, total: Decimal) {
        if kind == "salesOrder" {
            return order_status(record);
        }
        let paid = record.decimal("amountPaid");
        if kind == "invoice" {
            let left = total - paid;
            record.set("amountPaid", Json::amount(paid));
            record.set("amountRemaining", Json::amount(left));
            let settled = !paid.is_zero() && left <= Decimal::ZERO;
            let status = match record.text("approvalStatus.id").as_str() {
                "1" => ("D", "Pending Approval"),
                "3" => ("E", "Rejected"),
                _ if settled => ("B", "Paid In Full"),
                _ => ("A", "Open"),
            };
            record.set("status", reference(status.0, status.1));
        } else if !record.has("status") {
            record.set("status", reference("A", "Open"));
        }
        if kind == "creditMemo" {
            let left = total - record.decimal("applied");
            record.set("amountRemaining", Json::amount(left));
        }
        let days = self.store.get("rec:term", &record.text("terms.id")).map(|term| term.int("daysUntilNetDue"));
        if let (false, Ok(date)) = (record.has("dueDate"), record.text("tranDate").parse::<Date>()) {
            let due = date.saturating_add(jiff::Span::new().days(days.unwrap_or_default()));
            record.set("dueDate", due.to_string());
        }
    }

    /// Applies a payment or credit to the documents it names.
    pub(crate) fn apply(&mut self, kind: &str, id: &str, body: &Json) -> Result<(), Refusal> {
        let Some(apply) = body.get("apply") else { return Ok(()) };
        for row in rows(apply) {
            if row.get("apply").is_some_and(|apply| !apply.is_true()) {
                continue;
            }
            let doc = row.get("doc").map(|doc| self.refer("doc", doc)).transpose()?.unwrap_or_default();
            let target = doc.text("id");
            let Some(invoice) = self.resolve("invoice", &target) else {
                return Err(Refusal::user(&format!("Invalid Field Value {target} for the following field: doc")));
            };
            let total = self.record(kind, id).map(|record| record.decimal("total")).unwrap_or_default();
            let amount = if row.has("amount") { row.decimal("amount") } else { total };
            let open = self.record("invoice", &invoice).map(|record| record.decimal("amountRemaining"));
            if kind == "creditMemo" && open.is_some_and(|open| amount > open) {
                return Err(Refusal::user("The amount to apply can not be greater than the amount that is due."));
            }
            self.settle(&invoice, (kind, id), amount)?;
        }
        Ok(())
    }

    /// Lowers what is open on an invoice by a payment or credit, and links the two.
    pub(crate) fn settle(&mut self, invoice: &str, (kind, id): (&str, &str), amount: Decimal) -> Result<(), Refusal> {
        let Some(mut record) = self.record("invoice", invoice) else { return Err(missing()) };
        self.paid(&mut record, amount);
        self.store.put(&place("invoice"), invoice, record);
        if let Some(mut source) = self.record(kind, id) {
            let applied = source.decimal("applied") + amount;
            let left = source.decimal("total") - applied;
            source.set("applied", Json::amount(applied));
            source.set("unapplied", Json::amount(left));
            if kind == "creditMemo" {
                source.set("amountRemaining", Json::amount(left));
                if left <= Decimal::ZERO {
                    source.set("status", reference("B", "Fully Applied"));
                }
            }
            self.store.put(&place(kind), id, source);
        }
        self.link((invoice, "invoice"), (id, kind), "Payment", amount);
        Ok(())
    }

    /// An invoice with so much more paid.
    fn paid(&self, invoice: &mut Json, amount: Decimal) {
        let paid = invoice.decimal("amountPaid") + amount;
        let left = invoice.decimal("total") - paid;
        invoice.set("amountPaid", Json::amount(paid));
        invoice.set("amountRemaining", Json::amount(left));
        let status = if left <= Decimal::ZERO { ("B", "Paid In Full") } else { ("A", "Open") };
        invoice.set("status", reference(status.0, status.1));
        invoice.set("lastModifiedDate", self.stamp());
    }

    pub(crate) fn link(&mut self, previous: (&str, &str), next: (&str, &str), how: &str, amount: Decimal) {
        let id = self.store.next("link", 1).to_string();
        let kind = |name: &str| chart::transaction(name).map_or("", |known| known.1);
        self.store.put(
            "links",
            &id,
            obj! {
                "previous" => previous.0, "next" => next.0, "previoustype" => kind(previous.1), "nexttype" => kind(next.1),
                "how" => how, "amount" => Json::amount(amount), "changed" => self.stamp(),
            },
        );
        for (side, transaction) in [("before", previous.0), ("after", next.0)] {
            let index = format!("linked:{side}");
            let mut all = self.store.get(&index, transaction).cloned().unwrap_or_default();
            all.push(id.as_str());
            self.store.put(&index, transaction, all);
        }
    }

    /// Links that a transaction stands `before` or `after`.
    pub(crate) fn links(&self, side: &str, id: &str) -> Vec<(String, Json)> {
        let all = self.store.get(&format!("linked:{side}"), id).map_or(&[][..], Json::items);
        let link = |key: &Json| Some((key.text_of(), self.store.get("links", &key.text_of())?.clone()));
        all.iter().filter_map(link).collect()
    }

    pub(crate) fn unlink(&mut self, key: &str, link: &Json) {
        self.store.remove("links", key);
        for (side, transaction) in [("before", link.text("previous")), ("after", link.text("next"))] {
            let index = format!("linked:{side}");
            let all = self.store.get(&index, &transaction).map_or(&[][..], Json::items);
            let left = all.iter().filter(|other| other.text_of() != key).cloned().collect();
            self.store.put(&index, &transaction, Json::List(left));
        }
    }

    /// What a deleted document had done to the one before it: paid it, or billed its lines.
    pub(crate) fn undo_link(&mut self, link: &Json, gone: &Json) {
        let previous = link.text("previous");
        if link.text("how") == "Payment" {
            let Some(mut invoice) = self.record("invoice", &previous) else { return };
            self.paid(&mut invoice, -link.decimal("amount"));
            self.store.put(&place("invoice"), &previous, invoice);
            return;
        }
        let Some(kind) = ["salesOrder", "estimate"].into_iter().find(|kind| self.exists(kind, &previous)) else {
            return;
        };
        self.bill(kind, &previous, gone.list("item"), -Decimal::ONE);
    }

    /// Notes on the lines of an order how much of them is billed; `sign` says whether more or less.
    pub(crate) fn bill(&mut self, kind: &'static str, id: &str, lines: &[Json], sign: Decimal) {
        let Some(mut order) = self.record(kind, id) else { return };
        let mut kept = order.list("item").to_vec();
        for line in &mut kept {
            let number = line.text("line");
            let more: Decimal =
                lines.iter().filter(|new| new.text("orderLine") == number).map(|new| new.decimal("quantity")).sum();
            let billed = line.decimal("quantityBilled") + more * sign;
            line.set("quantityBilled", Json::amount(billed));
        }
        order.set("item", kept);
        if kind == "estimate" {
            let status = if sign > Decimal::ZERO { ("B", "Processed") } else { ("A", "Open") };
            order.set("status", reference(status.0, status.1));
        } else {
            order_status(&mut order);
        }
        order.set("lastModifiedDate", self.stamp());
        self.store.put(&place(kind), id, order);
    }

    /// What a transaction posts, in its own currency.
    pub(crate) fn postings(&self, kind: &str, record: &Json) -> Vec<Posting> {
        if !posts(kind, record) {
            return Vec::new();
        }
        let text = |amount: Decimal| amount.normalize().to_string();
        let total = text(record.decimal("total"));
        let income = |line: &Json| {
            let item = self.store.get("rec:serviceSaleItem", &line.text("item.id"));
            let account = item.map(|item| item.text("incomeAccount.id")).filter(|account| !account.is_empty());
            account.unwrap_or_else(|| chart::INCOME.to_string())
        };
        let mut out: Vec<Posting> = Vec::new();
        match kind {
            "invoice" | "creditMemo" | "cashSale" => {
                let (ours, theirs) =
                    if kind == "creditMemo" { (Side::Credit, Side::Debit) } else { (Side::Debit, Side::Credit) };
                let account = if kind == "cashSale" { chart::UNDEPOSITED } else { chart::RECEIVABLE };
                out.push((account.to_string(), ours, total));
                out.extend(record.list("item").iter().map(|line| (income(line), theirs, text(line.decimal("amount")))));
                let tax = record.decimal("taxTotal");
                if !tax.is_zero() {
                    out.push((chart::TAX_PAYABLE.to_string(), theirs, text(tax)));
                }
            }
            "customerPayment" => {
                out.push((chart::UNDEPOSITED.to_string(), Side::Debit, total.clone()));
                out.push((chart::RECEIVABLE.to_string(), Side::Credit, total));
            }
            "journalEntry" => {
                for line in record.list("line") {
                    for (field, side) in [("debit", Side::Debit), ("credit", Side::Credit)] {
                        let amount = line.decimal(field);
                        if !amount.is_zero() {
                            out.push((line.text("account.id"), side, text(amount)));
                        }
                    }
                }
            }
            _ => {}
        }
        out
    }
}

/// Pending approval, pending billing, billed or closed. Services need no fulfilment, so an approved order can be billed.
fn order_status(record: &mut Json) {
    let lines = record.list("item");
    let closed = |line: &Json| line.get("isClosed").is_some_and(Json::is_true);
    let billed = |line: &Json| line.decimal("quantityBilled") >= line.decimal("quantity");
    let (id, name) = match record.text("orderStatus.id").as_str() {
        "A" => ("A", "Pending Approval"),
        _ if !lines.is_empty() && lines.iter().all(closed) => ("H", "Closed"),
        _ if !lines.is_empty() && lines.iter().all(|line| closed(line) || billed(line)) => ("G", "Billed"),
        _ => ("F", "Pending Billing"),
    };
    record.set("status", reference(id, name));
}

/// True for what stands in the books: nothing that is voided, rejected or waits for an approval.
pub(crate) fn posts(kind: &str, record: &Json) -> bool {
    let status = record.text("status.id");
    match kind {
        _ if record.get("voided").is_some_and(Json::is_true) => false,
        "salesOrder" | "estimate" => false,
        "journalEntry" => status == "B",
        "invoice" => !matches!(status.as_str(), "D" | "E"),
        _ => true,
    }
}

/// An amount of a transaction in the currency of the books.
pub(crate) fn in_books(amount: Decimal, record: &Json) -> Decimal {
    let rate = record.decimal("exchangeRate");
    round(if rate.is_zero() { amount } else { amount * rate }, 2)
}
