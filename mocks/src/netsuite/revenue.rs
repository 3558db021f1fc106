//! Advanced Revenue Management as far as a client sees it: events come in by REST, elements and plans are read by SuiteQL.

use rust_decimal::Decimal;

use super::state::{Refusal, State, reference};
use crate::json::Json;

impl State {
    /// Checks an event and fills in its defaults. Its purpose is read-only by REST.
    pub(crate) fn revenue_event(&self, record: &mut Json) -> Result<(), Refusal> {
        if !self.rules.advanced_revenue {
            let detail =
                "Permission Violation: the feature Advanced Revenue Management is not enabled in this account.";
            return Err(Refusal::new(403, "INSUFFICIENT_PERMISSION", detail));
        }
        let measures = ["amount", "cumulativePercentComplete", "quantity"].iter().filter(|name| record.has(name));
        if measures.count() != 1 {
            let detail = "Please enter value(s) for: Amount, Cumulative Percent Complete or Quantity";
            return Err(Refusal::user(detail));
        }
        if record.decimal("cumulativePercentComplete") > Decimal::ONE_HUNDRED {
            return Err(Refusal::user("Cumulative Percent Complete cannot be more than 100."));
        }
        if !record.has("eventDate") {
            record.set("eventDate", self.today().to_string());
        }
        if record.get("eventPurpose").is_some_and(|given| *given != reference("ACTUAL", "Actual")) {
            return Err(Refusal::content("eventPurpose", "The property eventPurpose is read-only."));
        }
        record.set("eventPurpose", reference("ACTUAL", "Actual"));
        let line = record.get("transactionLine").cloned().unwrap_or_default();
        if record.has("transactionLine") && line.scalar().is_none() {
            return Err(Refusal::content(
                "transactionLine",
                "Invalid value for the property transactionLine: a string is expected.",
            ));
        }
        let key = line.scalar().unwrap_or_default();
        if key.is_empty() && !record.has("projectRevenueRule") {
            return Err(Refusal::user("Please enter value(s) for: Transaction Line"));
        }
        let known = key
            .parse::<i64>()
            .is_ok_and(|key| self.store.get("counter", "linekey").is_some_and(|last| key >= 1 && key <= last.int("n")));
        if !key.is_empty() && !known {
            let detail = format!("Invalid Field Value {key} for the following field: transactionLine");
            return Err(Refusal::user(&detail).at("o:errorPath", "transactionLine"));
        }
        record.set("transactionLine", key.as_str());
        Ok(())
    }
}
