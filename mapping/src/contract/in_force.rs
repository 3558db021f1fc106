//! The terms as they are in force, as a file would have them: what change orders have changed is in it.

use serde_json::{Map, Value, json};

use super::state::Contract;

impl Contract {
    /// The terms in force in the words of section 2 of the rules. Milestones that were removed are not in it, and those that an
    /// acceptance has split stand there as their parts.
    pub fn terms_in_force(&self) -> Map<String, Value> {
        let (terms, currency) = (&self.terms, self.terms.currency);
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        };
        put("id", json!(terms.id));
        put("customer", json!(terms.customer));
        put("currency", json!(currency.to_string()));
        put("total", json!(self.total().to_string()));
        put("cap", json!(self.cap.map(|cap| terms.money(cap).to_string())));
        put("signed_on", json!(terms.signed_on.to_string()));
        put("timezone", json!(terms.timezone));
        put("calendar", json!(terms.calendar));
        put("po_number", json!(terms.po_number));
        put("payment_terms", json!(terms.payment_terms.to_string()));
        put("payment_terms_from", json!(if terms.due_from_acceptance { "acceptance" } else { "invoice" }));
        put("billing_cycle_day", json!(terms.billing_cycle_day));
        put("partial_acceptance", json!(terms.partial_acceptance));
        put("version", json!(self.version));
        put("acceptance", serde_json::to_value(&terms.acceptance).unwrap_or_default());
        let retainage = terms.retainage.as_ref();
        put(
            "retainage",
            retainage.map_or(
                Value::Null,
                |retainage| json!({ "percent": retainage.percent.to_string(), "release": retainage.release }),
            ),
        );
        let obligations: Vec<Value> =
            terms.obligations.iter().map(|obligation| Value::Object(obligation.fields(currency))).collect();
        put("obligations", Value::Array(obligations));
        put("milestones", Value::Array(self.milestones_in_force().into_iter().map(Value::Object).collect()));
        fields
    }

    /// The milestones of the terms in force, field by field.
    pub fn milestones_in_force(&self) -> Vec<Map<String, Value>> {
        let live = self.milestones.iter().filter(|milestone| milestone.live());
        live.map(|milestone| milestone.terms.fields(self.terms.currency)).collect()
    }
}
