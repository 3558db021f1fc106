//! Transforms: one transaction made of another, whole or by lines.

use rust_decimal::Decimal;

use super::state::{Checks, Refusal, State, missing, rows};
use crate::json::{Json, obj};

impl State {
    /// Makes one transaction of another.
    pub(crate) fn transform(
        &mut self,
        (from, id): (&'static str, &str),
        to: &'static str,
        body: &Json,
        checks: Checks,
    ) -> Result<String, Refusal> {
        let source = self.record(from, id).ok_or_else(missing)?;
        let refused = || Refusal::user(&format!("You can not initialize {to}: invalid reference {id}."));
        self.count("transforms");
        match (from, to) {
            ("salesOrder", "invoice" | "cashSale") if source.text("status.id") == "F" => {}
            ("customer", "invoice" | "salesOrder" | "estimate" | "cashSale" | "creditMemo") | ("job", "invoice") => {
                return self.create(to, &body.clone().with("entity", obj! {"id" => id}), checks);
            }
            ("customer", "customerPayment") => {
                return self.create(to, &body.clone().with("customer", obj! {"id" => id}), checks);
            }
            ("invoice", "customerPayment") => return self.payment(&source, body, checks),
            ("estimate", "salesOrder" | "invoice" | "cashSale") if source.text("status.id") != "B" => {}
            ("invoice", "creditMemo") => {}
            _ => return Err(refused()),
        }
        let mut made = body.clone();
        made.remove("item");
        let taken = ["entity", "currency", "exchangeRate", "terms", "otherRefNum", "memo", "subsidiary", "job"];
        for (name, value) in source.members() {
            let copied = taken.contains(&name.as_str()) || name.starts_with("custbody");
            if copied && !made.members().iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                made.set(name, value);
            }
        }
        let lines = self.chosen(&source, body.get("item"))?;
        if lines.is_empty() {
            return Err(Refusal::user("Please enter at least one line item for this transaction."));
        }
        made.set("item", Json::List(lines.clone()));
        made.set("createdFrom", obj! {"id" => id});
        let new = self.create(to, &made, checks)?;
        let total = self.record(to, &new).map(|record| record.decimal("total")).unwrap_or_default();
        if from == "invoice" {
            let open = source.decimal("amountRemaining").min(total);
            self.settle(id, (to, &new), open)?;
        } else {
            self.link((id, from), (&new, to), "OrdBill", total);
            self.bill(from, id, &lines, Decimal::ONE);
        }
        Ok(new)
    }

    /// The payment of what is open on an invoice.
    fn payment(&mut self, invoice: &Json, body: &Json, checks: Checks) -> Result<String, Refusal> {
        let open = invoice.get("amountRemaining").cloned().unwrap_or_default();
        let mut made = body.clone();
        let row = obj! {"doc" => obj! {"id" => invoice.text("id")}, "apply" => true, "amount" => &open};
        let defaults = [
            ("customer", invoice.get("entity").cloned().unwrap_or_default()),
            ("currency", invoice.get("currency").cloned().unwrap_or_default()),
            ("exchangeRate", invoice.get("exchangeRate").cloned().unwrap_or_default()),
            ("payment", open),
            ("apply", Json::List(vec![row])),
        ];
        for (name, value) in defaults {
            if !made.has(name) {
                made.set(name, value);
            }
        }
        self.create("customerPayment", &made, checks)
    }

    /// Lines of the source that go over: all that is left, or those named by `orderLine`.
    fn chosen(&self, source: &Json, wanted: Option<&Json>) -> Result<Vec<Json>, Refusal> {
        let digits = self.digits(source);
        let left = |line: &Json| line.decimal("quantity") - line.decimal("quantityBilled");
        let copy = |line: &Json, quantity: Decimal| {
            let mut new = line.clone();
            for name in ["line", "quantityBilled", "lineUniqueKey", "isClosed"] {
                new.remove(name);
            }
            let whole = line.decimal("quantity");
            let share = (line.decimal("amount") * quantity).checked_div(whole).unwrap_or_default();
            new.set("orderLine", line.int("line"));
            new.set("quantity", Json::amount(quantity));
            new.set("amount", Json::amount(share.round_dp(digits)));
            new
        };
        let given = wanted.map_or(&[][..], rows);
        if given.is_empty() {
            let closed = |line: &&Json| line.get("isClosed").is_some_and(Json::is_true);
            let open = source.list("item").iter().filter(|line| !closed(line) && left(line) > Decimal::ZERO);
            return Ok(open.map(|line| copy(line, left(line))).collect());
        }
        let mut lines = Vec::new();
        for change in given {
            let number = change.text("orderLine");
            let Some(line) = source.list("item").iter().find(|line| line.text("line") == number) else {
                if number.is_empty() {
                    lines.push(change.clone());
                    continue;
                }
                return Err(Refusal::user(&format!("Invalid Field Value {number} for the following field: orderLine")));
            };
            let quantity = if change.has("quantity") { change.decimal("quantity") } else { left(line) };
            if quantity.is_zero() {
                continue;
            }
            if quantity > left(line) {
                return Err(Refusal::user(&format!(
                    "Invalid quantity {} for orderLine {number}: only {} is left to be billed.",
                    quantity.normalize(),
                    left(line).normalize()
                )));
            }
            let mut new = copy(line, quantity);
            if change.has("rate") && !change.has("amount") {
                new.remove("amount");
            } else if change.has("amount") {
                new.remove("rate");
            }
            change.members().iter().for_each(|(name, value)| new.set(name, value));
            lines.push(new);
        }
        Ok(lines)
    }
}
