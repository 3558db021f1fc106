//! What one transaction does to another: estimates close, payments and credits settle, voiding and deleting undo it.

use rust_decimal::Decimal;

use super::chart;
use super::faults::{Fault, business, fault};
use super::state::State;
use crate::json::{Json, list, obj};

impl State {
    /// Follows the links of a new transaction: estimates close, payments and credits lower balances.
    pub(crate) fn links(&mut self, entity: &'static str, record: &Json) -> Result<(), Fault> {
        let id = record.text("Id");
        for link in record.list("LinkedTxn").iter().filter(|link| link.text("TxnType") == "Estimate") {
            let Some(mut estimate) = self.record("Estimate", &link.text("TxnId")) else {
                let detail = format!("Invalid Reference Id : Estimate {} is not valid", link.text("TxnId"));
                return Err(fault("2500", "Invalid Reference Id", detail));
            };
            if estimate.text("TxnStatus") != "Closed" {
                estimate.set("before", estimate.text("TxnStatus"));
            }
            estimate.set("TxnStatus", "Closed");
            let mut linked = estimate.get("LinkedTxn").cloned().unwrap_or_else(|| list![]);
            linked.push(obj! {"TxnId" => &id, "TxnType" => entity});
            estimate.set("LinkedTxn", linked);
            // seen in the field: closed without a new token
            let estimate = self.touched(estimate, false);
            self.keep("Estimate", estimate);
        }
        if entity == "Payment" { self.settle(record) } else { Ok(()) }
    }

    fn settle(&mut self, record: &Json) -> Result<(), Fault> {
        let mut applied = Decimal::ZERO;
        for line in record.list("Line") {
            for link in line.list("LinkedTxn") {
                let amount = line.decimal("Amount");
                let credit = link.text("TxnType") != "Invoice";
                applied += if credit { -amount } else { amount };
                if !self.paid(link, &record.text("Id"), amount) {
                    return Err(fault("2500", "Invalid Reference Id", "Invalid Reference Id : LinkedTxn"));
                }
            }
        }
        let left = record.decimal("TotalAmt") - applied;
        self.keep("Payment", record.clone().with("UnappliedAmt", Json::amount(left)));
        Ok(())
    }

    /// Notes that a payment settles so much more of a transaction, or less; its token moves on. False if there is none.
    fn paid(&mut self, link: &Json, payment: &str, amount: Decimal) -> bool {
        let Some(kind) = chart::entity(&link.text("TxnType")) else { return false };
        let Some(mut target) = self.record(kind, &link.text("TxnId")) else { return false };
        let paid = target.decimal("paid") + amount;
        let open = target.decimal("TotalAmt") - paid;
        target.set("paid", Json::amount(paid));
        target.set("Balance", Json::amount(open));
        if kind == "CreditMemo" {
            target.set("RemainingCredit", Json::amount(open));
        }
        let mut linked: Vec<Json> =
            target.list("LinkedTxn").iter().filter(|other| other.text("TxnId") != payment).cloned().collect();
        if amount > Decimal::ZERO {
            linked.push(obj! {"TxnId" => payment, "TxnType" => "Payment"});
        }
        target.set("LinkedTxn", linked);
        let target = self.touched(target, true);
        let id = target.text("Id");
        self.keep(kind, target);
        self.tell(kind, &id, "updated");
        true
    }

    /// Opens again what a payment had settled.
    pub(crate) fn unapply(&mut self, payment: &Json) {
        for line in payment.list("Line") {
            for link in line.list("LinkedTxn") {
                self.paid(link, &payment.text("Id"), -line.decimal("Amount"));
            }
        }
    }

    /// Lets go of the estimates that a document was made of.
    pub(crate) fn release_estimates(&mut self, entity: &str, gone: &Json) {
        let id = gone.text("Id");
        for link in gone.list("LinkedTxn").iter().filter(|link| link.text("TxnType") == "Estimate") {
            let Some(mut estimate) = self.record("Estimate", &link.text("TxnId")) else { continue };
            let own = |other: &&Json| other.text("TxnId") != id || other.text("TxnType") != entity;
            let left: Vec<Json> = estimate.list("LinkedTxn").iter().filter(own).cloned().collect();
            if left.is_empty() {
                let before = estimate.text("before");
                estimate.set("TxnStatus", if before.is_empty() { "Pending".to_string() } else { before });
            }
            estimate.set("LinkedTxn", left);
            let estimate = self.touched(estimate, false);
            self.keep("Estimate", estimate);
        }
    }

    /// Voids a transaction; the answer still carries the old amounts and the old token, as recorded from the vendor.
    pub(crate) fn void(&mut self, entity: &'static str, body: &Json) -> Result<Json, Fault> {
        if !chart::voidable(entity) {
            return Err(fault("500", "Unsupported Operation", format!("Operation void of {entity} is not supported.")));
        }
        let old = self.current(entity, body)?;
        self.check_open(&old.text("TxnDate"))?;
        if !old.decimal("paid").is_zero() {
            return Err(business("The transaction cannot be voided because a payment is applied to it."));
        }
        let mut record = old.clone();
        let zero = |line: &Json| {
            let line = line.clone().with("Amount", 0);
            match line.get("SalesItemLineDetail").cloned() {
                Some(detail) => line.with("SalesItemLineDetail", detail.with("Qty", 0)),
                None => line,
            }
        };
        record.set("Line", Json::List(old.list("Line").iter().map(zero).collect()));
        let amounts: &[&str] =
            if entity == "Payment" { &["TotalAmt", "UnappliedAmt"] } else { &["TotalAmt", "Balance"] };
        for name in amounts {
            record.set(name, 0);
        }
        if entity == "Payment" {
            self.unapply(&old);
            record.set("Line", list![]);
        }
        let note = old.text("PrivateNote");
        let note = if note.is_empty() { "Voided".to_string() } else { format!("Voided - {note}") };
        record.set("PrivateNote", &note);
        let record = self.touched(record, false);
        let id = record.text("Id");
        self.keep(entity, record);
        self.tell(entity, &id, "voided");
        self.count("writes");
        Ok(old.with("PrivateNote", "Voided"))
    }
}
