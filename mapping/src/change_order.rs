//! Change orders as files: what is wrong with one by itself, before it meets the contract that it changes.

use serde_json::{Map, Value};

use crate::events::is_version;
use crate::money::Currency;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::schema::FileKind;
use crate::terms::{Acceptance, MilestoneTerms, Obligation, PaymentTerms};

/// What a change order says, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeOrder {
    /// The contract that it changes.
    pub amends: String,
    /// Its version.
    pub version: u32,
    /// Whether it is signed.
    pub signed: bool,
    /// Ids of the milestones that come in, change, and go.
    pub milestones: [Vec<String>; 3],
}

impl ChangeOrder {
    /// Reads a change order. What it names is not looked up: the contract is not here, nor is its currency, so that amounts
    /// may have as many decimals as any currency has.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn read(file: Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(mut reader) = Reader::new(file, String::new(), FileKind::ChangeOrder, &mut problems) else {
            return Err(problems);
        };
        let read = read(&mut reader);
        reader.finish();
        match read {
            Some(order) if problems.is_empty() => Ok(order),
            _ => Err(problems),
        }
    }
}

fn read(reader: &mut Reader<'_>) -> Option<ChangeOrder> {
    // Four decimals: no currency has more.
    let currency: Currency = "CLF".parse().ok()?;
    let amends = reader.required_text("amends");
    for field in ["version", "signed"] {
        if !reader.has(field) {
            reader.wrong(field, "is missing");
        }
    }
    let version = reader.take("version").map(|version| {
        if let Err((_, reason)) = is_version(&version) {
            reader.wrong("version", reason);
        }
        version.as_u64().and_then(|version| u32::try_from(version).ok()).unwrap_or_default()
    });
    let signed = reader.flag("signed", false);
    for field in ["total", "cap"] {
        let _ = reader.amount(field, currency);
    }
    let _ = (reader.text("at"), reader.date("on"), reader.text("customer"), reader.text("po_number"));
    let _: Option<PaymentTerms> = reader.parsed("payment_terms");
    reader.choice("payment_terms_from", &[("invoice", ()), ("acceptance", ())], ());
    reader.choice("treatment", &[("catch_up", ()), ("prospective", ())], ());
    if reader.count("billing_cycle_day").is_some_and(|day| !(1..=31).contains(&day)) {
        reader.wrong("billing_cycle_day", "must be from 1 to 31");
    }
    let _ = reader.flag("partial_acceptance", false);
    let _ = Acceptance::read(reader, Acceptance::default());
    let _ = reader.overlaid("obligations", &Map::from_iter([text("ssp", "0"), text("method", "output")]), |reader| {
        Obligation::read(reader, currency).map(|_| String::new())
    });
    let milestone = |reader: &mut Reader<'_>| MilestoneTerms::read(reader, currency, false).map(|(terms, _)| terms.id);
    let added = reader.overlaid("add", &Map::new(), milestone);
    let changed =
        reader.overlaid("change", &Map::from_iter([text("name", "as before"), text("amount", "0")]), milestone);
    let removed = reader.texts("remove");
    Some(ChangeOrder { amends: amends?, version: version?, signed, milestones: [added, changed, removed] })
}

fn text(field: &str, value: &str) -> (String, Value) {
    (field.to_owned(), Value::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(file: Value) -> Vec<String> {
        ChangeOrder::read(file).err().unwrap_or_default().iter().map(Problem::said).collect()
    }

    #[test]
    fn a_change_order_is_read_as_one_and_every_problem_is_told() {
        let order = json!({ "amends": "SOW-1", "version": 2, "signed": true, "total": "850.00", "po_number": "4500099999",
            "change": [{ "id": "M1", "amount": "250.00" }], "remove": ["M2"], "obligations": [{ "id": "O", "ssp": "1.00" }] });
        let read = ChangeOrder::read(order.clone()).unwrap();
        assert_eq!((read.amends.as_str(), read.version, read.signed), ("SOW-1", 2, true));
        assert_eq!(read.milestones, [vec![], vec!["M1".to_owned()], vec!["M2".to_owned()]]);
        let mut wrong = order;
        wrong["version"] = json!(4_294_967_295_u32);
        wrong["change"][0]["amont"] = json!("1");
        wrong["add"] = json!([{ "id": "M9", "name": "Nine" }]);
        wrong["surprise"] = json!(1);
        assert_eq!(
            told(wrong),
            [
                "version: 4294967295 is more than 100000: give the version after the present one",
                "add[0].amount: is missing",
                "change[0].amont: is not a known field",
                "surprise: is not a known field",
            ]
        );
    }
}
