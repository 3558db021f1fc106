//! What a transaction must be like, and what the vendor computes of it: lines, taxes, totals, due dates, postings.

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};

use super::chart;
use super::faults::{Fault, business, fault, required};
use super::state::{State, cleaned};
use crate::document::{Posting, Side};
use crate::json::{Json, obj};

fn round(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

fn enumerated(value: &str, known: &[&str]) -> Result<(), Fault> {
    if value.is_empty() || known.contains(&value) {
        return Ok(());
    }
    Err(fault("2170", "Invalid Enumeration", format!("Invalid Enumeration : {value}")))
}

impl State {
    pub(crate) fn transaction(&mut self, entity: &'static str, record: &mut Json) -> Result<(), Fault> {
        if let Some(known) = &self.enhanced_fields {
            let mut kept = record.list("CustomField").to_vec();
            kept.retain(|field| self.asks_enhanced && known.contains(&field.text("DefinitionId")));
            record.set("CustomField", Json::List(kept));
        }
        for custom in record.list("CustomField").iter().filter(|_| self.enhanced_fields.is_none()) {
            if !matches!(custom.text("DefinitionId").as_str(), "1" | "2" | "3") {
                let detail =
                    format!("Invalid custom field : DefinitionId {} is not valid", custom.text("DefinitionId"));
                return Err(fault("2010", "Request has invalid or unsupported property", detail));
            }
        }
        if entity == "JournalEntry" {
            self.journal(record)?;
        } else {
            let customer = record.get("CustomerRef").cloned().ok_or_else(|| required("CustomerRef"))?;
            let customer = self.reference("Customer", "Customers", &customer)?;
            let own = self.record("Customer", &customer.text("value")).map(|found| found.text("CurrencyRef.value"));
            let own = own.unwrap_or_default();
            record.set("CustomerRef", customer);
            let given = record.text("CurrencyRef.value");
            if !given.is_empty() && given != own {
                return Err(business("The currency of the transaction is not the currency of the customer"));
            }
            record.set("CurrencyRef", obj! {"value" => own});
            match entity {
                "Payment" => {
                    let total = record.get("TotalAmt").cloned().ok_or_else(|| required("TotalAmt"))?;
                    record.set("TotalAmt", total);
                }
                _ => self.sale(entity, record)?,
            }
        }
        if record.decimal("ExchangeRate").is_zero() {
            // a foreign document without a rate is booked one to one
            record.set("ExchangeRate", 1);
        }
        Ok(())
    }

    /// One line of a sale, and how much it adds.
    fn sale_line(&self, mut line: Json) -> Result<(Json, Decimal), Fault> {
        enumerated(
            &line.text("DetailType"),
            &["SalesItemLineDetail", "DescriptionOnly", "DiscountLineDetail", "GroupLineDetail", "TaxLineDetail"],
        )?;
        if line.has("DiscountLineDetail") {
            let amount = line.decimal("Amount");
            return Ok((line, -amount));
        }
        let Some(mut detail) = line.get("SalesItemLineDetail").map(cleaned) else { return Ok((line, Decimal::ZERO)) };
        if !line.has("Amount") {
            return Err(required("Line.Amount"));
        }
        let amount = line.decimal("Amount");
        let (quantity, price) = (detail.decimal("Qty"), detail.decimal("UnitPrice"));
        // clients that send zeros for what they do not know are taken as if they had sent nothing
        let told = detail.has("Qty") && detail.has("UnitPrice") && !(quantity.is_zero() && price.is_zero());
        if told && round(quantity * price) != round(amount) {
            let why = format!("Amount is not equal to UnitPrice * Qty. Supplied value:{}", line.text("Amount"));
            return Err(fault("6070", "Amount calculation incorrect in the request", why));
        }
        if let Some(item) = detail.get("ItemRef") {
            detail.set("ItemRef", self.reference("Item", "Items", item)?);
        }
        if self.preferred("UsingSalesTax", false) && detail.text("TaxCodeRef.value").is_empty() {
            return Err(business("Make sure all your transactions have a GST/HST rate before you save."));
        }
        if detail.text("TaxCodeRef.value").is_empty() {
            detail.set("TaxCodeRef", obj! {"value" => "NON"});
        }
        line.set("SalesItemLineDetail", detail);
        Ok((line, amount))
    }

    fn sale(&self, entity: &str, record: &mut Json) -> Result<(), Fault> {
        enumerated(&record.text("TxnStatus"), &["Pending", "Accepted", "Closed", "Rejected", "Converted"])?;
        let estimates: Vec<Json> =
            record.list("LinkedTxn").iter().filter(|link| link.text("TxnType") == "Estimate").cloned().collect();
        let mut lines = Vec::new();
        let mut total = Decimal::ZERO;
        for line in record.list("Line").iter().filter(|line| line.text("DetailType") != "SubTotalLineDetail") {
            let (mut line, amount) = self.sale_line(line.clone())?;
            total += amount;
            let number = lines.len() + 1;
            line.set("Id", number.to_string());
            line.set("LineNum", number);
            if !estimates.is_empty() && !line.has("LinkedTxn") {
                line.set("LinkedTxn", Json::List(estimates.clone()));
            }
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(required("Line"));
        }
        lines.push(obj! {"Amount" => Json::amount(total), "DetailType" => "SubTotalLineDetail", "SubTotalLineDetail" => Json::object()});
        record.set("Line", lines);
        let tax = record.decimal("TxnTaxDetail.TotalTax");
        if !record.has("TxnTaxDetail") {
            record.set("TxnTaxDetail", obj! {"TotalTax" => 0});
        }
        let total = total + if record.text("GlobalTaxCalculation") == "TaxInclusive" { Decimal::ZERO } else { tax };
        record.set("TotalAmt", Json::amount(total));
        let open = total - record.decimal("paid");
        match entity {
            "Invoice" => {
                record.set("Balance", Json::amount(open - record.decimal("Deposit")));
                for (name, value) in [("EmailStatus", "NotSet"), ("PrintStatus", "NotSet")] {
                    if !record.has(name) {
                        record.set(name, value);
                    }
                }
                self.due(record)?;
            }
            "CreditMemo" => {
                record.set("RemainingCredit", Json::amount(open));
                record.set("Balance", Json::amount(open));
            }
            "Estimate" if record.text("TxnStatus").is_empty() => record.set("TxnStatus", "Pending"),
            _ => {}
        }
        Ok(())
    }

    fn due(&self, record: &mut Json) -> Result<(), Fault> {
        let mut days = 30;
        if let Some(terms) = record.get("SalesTermRef") {
            let terms = self.reference("Term", "Terms", terms)?;
            days = self.record("Term", &terms.text("value")).map_or(30, |found| found.int("DueDays"));
            record.set("SalesTermRef", terms);
        }
        if let (true, Ok(date)) = (record.text("DueDate").is_empty(), record.text("TxnDate").parse::<Date>()) {
            record.set("DueDate", date.saturating_add(jiff::Span::new().days(days)).to_string());
        }
        Ok(())
    }

    fn journal(&self, record: &mut Json) -> Result<(), Fault> {
        let mut lines = Vec::new();
        let (mut debit, mut credit) = (Decimal::ZERO, Decimal::ZERO);
        for (at, line) in record.list("Line").iter().enumerate() {
            let mut line = line.clone();
            let mut detail =
                line.get("JournalEntryLineDetail").map(cleaned).ok_or_else(|| required("JournalEntryLineDetail"))?;
            let account = detail.get("AccountRef").cloned().ok_or_else(|| required("AccountRef"))?;
            let account = self.reference("Account", "Accounts", &account)?;
            if account.text("value") == chart::RECEIVABLE && detail.text("Entity.EntityRef.value").is_empty() {
                return Err(business(
                    "When you use Accounts Receivable, you must choose a customer in the Name field.",
                ));
            }
            detail.set("AccountRef", account);
            let entity = detail.get("Entity").cloned().unwrap_or_default();
            let who = entity.path("EntityRef").cloned().unwrap_or_default();
            if let Some(customer) =
                self.record("Customer", &who.text("value")).filter(|_| entity.text("Type") == "Customer")
            {
                detail.set("Entity", entity.with("EntityRef", who.with("name", customer.text("FullyQualifiedName"))));
            }
            match detail.text("PostingType").as_str() {
                "Debit" => debit += line.decimal("Amount"),
                "Credit" => credit += line.decimal("Amount"),
                other => return Err(fault("2170", "Invalid Enumeration", format!("Invalid Enumeration : {other}"))),
            }
            line.set("JournalEntryLineDetail", detail);
            line.set("DetailType", "JournalEntryLineDetail");
            // lines of a journal count from 0
            line.set("Id", at.to_string());
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(required("Line"));
        }
        if debit != credit {
            return Err(business(
                "Transaction is not in balance. Make sure all your transactions are in balance before you save.",
            ));
        }
        record.set("Line", lines);
        record.set("TotalAmt", 0);
        match record.text("CurrencyRef.value").as_str() {
            "" => record.set("CurrencyRef", obj! {"value" => "USD"}),
            "USD" => {}
            _ if !self.preferred("MultiCurrencyEnabled", true) => {
                return Err(business("Multicurrency must be enabled to use a foreign currency."));
            }
            _ if record.decimal("ExchangeRate").is_zero() => {
                return Err(business("A journal entry in a foreign currency needs an exchange rate."));
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn postings(&self, entity: &str, record: &Json) -> Vec<Posting> {
        let text = |amount: Decimal| amount.normalize().to_string();
        let mut out: Vec<Posting> = Vec::new();
        let total = record.decimal("TotalAmt");
        match entity {
            "Invoice" | "CreditMemo" if !total.is_zero() => {
                let (ours, theirs) =
                    if entity == "Invoice" { (Side::Debit, Side::Credit) } else { (Side::Credit, Side::Debit) };
                out.push((chart::RECEIVABLE.to_string(), ours, text(total)));
                for line in record.list("Line").iter().filter(|line| line.has("SalesItemLineDetail")) {
                    let item = line.text("SalesItemLineDetail.ItemRef.value");
                    let account = self.record("Item", &item).map(|item| item.text("IncomeAccountRef.value"));
                    out.push((account.unwrap_or_else(|| "79".to_string()), theirs, text(line.decimal("Amount"))));
                }
            }
            "Payment" if !total.is_zero() => {
                out.push((chart::UNDEPOSITED.to_string(), Side::Debit, text(total)));
                out.push((chart::RECEIVABLE.to_string(), Side::Credit, text(total)));
            }
            "JournalEntry" => {
                for line in record.list("Line") {
                    let detail = line.get("JournalEntryLineDetail").cloned().unwrap_or_default();
                    let side = if detail.text("PostingType") == "Debit" { Side::Debit } else { Side::Credit };
                    out.push((detail.text("AccountRef.value"), side, text(line.decimal("Amount"))));
                }
            }
            _ => {}
        }
        out
    }
}
