//! Fields that an operator adds to what is written: dimensions, forms, tax codes, items, delivery by mail. Which of them an
//! account has, and which it demands, is the account's own affair: they are configuration, in the vendor's names and JSON.

use milestoned_mapping::command::{Command, SalesOrder};
use milestoned_mapping::record::Particulars;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Fields to add, and to which records. Of several entries that fit a record the later one wins, field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Kinds of records; empty: every document, and no customer.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Contracts whose records get the fields; empty: all.
    #[serde(default)]
    pub contracts: Vec<String>,
    /// Customers whose records get the fields, by their names in the agreements; empty: all.
    #[serde(default)]
    pub customers: Vec<String>,
    /// Milestones whose records get the fields; empty: all, and what is about no milestone.
    #[serde(default)]
    pub milestones: Vec<String>,
    /// Performance obligations whose records get the fields; empty: all, and what is about no obligation.
    #[serde(default)]
    pub obligations: Vec<String>,
    /// Countries whose customers' records get the fields, as the CRM writes them; empty: all, and where none is known.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Fields of the record, as the vendor writes them: `location = { id = "2" }`.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// Fields of each of its lines.
    #[serde(default)]
    pub line: Map<String, Value>,
}

/// Kinds of records that a connection writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A credit memo.
    CreditMemo,
    /// A customer.
    Customer,
    /// An invoice.
    Invoice,
    /// A journal entry.
    JournalEntry,
    /// The order of a contract.
    Order,
}

/// What an operator adds to one record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Added {
    /// Fields of the record.
    pub fields: Map<String, Value>,
    /// Fields of each of its lines.
    pub line: Map<String, Value>,
}

/// What a command is about.
struct Subject<'a> {
    kind: Kind,
    contract: Option<&'a str>,
    customer: &'a str,
    milestone: Option<&'a str>,
    obligation: Option<&'a str>,
}

impl<'a> Subject<'a> {
    fn of(command: &'a Command) -> Option<Self> {
        Some(match command {
            Command::Invoice(document) | Command::CreditMemo(document) => Self {
                kind: if matches!(command, Command::Invoice(_)) { Kind::Invoice } else { Kind::CreditMemo },
                contract: Some(&document.contract),
                customer: &document.customer,
                milestone: Some(&document.milestone),
                obligation: document.obligation.as_deref(),
            },
            Command::JournalEntry(entry) => Self {
                kind: Kind::JournalEntry,
                contract: Some(&entry.contract),
                customer: &entry.customer,
                milestone: entry.milestone.as_deref(),
                obligation: entry.obligation.as_deref(),
            },
            Command::SalesOrder(order) => Self {
                kind: Kind::Order,
                contract: Some(&order.contract),
                customer: &order.customer,
                milestone: None,
                obligation: None,
            },
            Command::Customer { name, .. } => {
                Self { kind: Kind::Customer, contract: None, customer: name, milestone: None, obligation: None }
            }
            Command::AcceptanceRecord(_) | Command::BillingStatus(_) | Command::InvoiceEmail(_) => return None,
        })
    }

    fn added(&self, extras: &[Extra], customer: &Particulars) -> Added {
        let mut added = Added::default();
        for extra in extras.iter().filter(|extra| self.fits(extra, customer.country.as_deref())) {
            added.fields.extend(extra.fields.clone());
            added.line.extend(extra.line.clone());
        }
        added
    }

    fn fits(&self, extra: &Extra, country: Option<&str>) -> bool {
        let among = |names: &[String], name: Option<&str>| {
            names.is_empty() || name.is_some_and(|name| names.iter().any(|known| known == name))
        };
        let kind = match extra.kinds.as_slice() {
            [] => self.kind != Kind::Customer,
            kinds => kinds.contains(&self.kind),
        };
        kind && among(&extra.contracts, self.contract)
            && among(&extra.customers, Some(self.customer))
            && among(&extra.milestones, self.milestone)
            && among(&extra.obligations, self.obligation)
            && (extra.countries.is_empty()
                || country.is_some_and(|country| extra.countries.iter().any(|name| name.eq_ignore_ascii_case(country))))
    }
}

/// What the entries add to the record of a command.
pub fn added(extras: &[Extra], command: &Command, customer: &Particulars) -> Added {
    Subject::of(command).map(|subject| subject.added(extras, customer)).unwrap_or_default()
}

/// What the entries add to the line of an order that stands for a milestone.
pub fn added_to_line(
    extras: &[Extra],
    order: &SalesOrder,
    milestone: &str,
    customer: &Particulars,
) -> Map<String, Value> {
    let subject = Subject {
        kind: Kind::Order,
        contract: Some(&order.contract),
        customer: &order.customer,
        milestone: Some(milestone),
        obligation: None,
    };
    subject.added(extras, customer).line
}

/// Kinds that an entry adds fields to.
pub fn kinds(extra: &Extra) -> Vec<Kind> {
    match extra.kinds.as_slice() {
        [] => vec![Kind::Invoice, Kind::CreditMemo, Kind::JournalEntry, Kind::Order],
        kinds => kinds.to_vec(),
    }
}

/// Refuses fields that the connection writes itself, and numbers with a fraction: they would be binary floats.
///
/// # Errors
/// Place and reason.
pub fn check(extras: &[Extra], own_fields: &[&str], own_line: &[&str]) -> Result<(), String> {
    for (index, extra) in extras.iter().enumerate() {
        for (place, fields, own) in [("fields", &extra.fields, own_fields), ("line", &extra.line, own_line)] {
            for (name, value) in fields {
                if own.contains(&name.as_str()) {
                    return Err(format!("extra.{index}.{place}.{name}: milestoned writes it itself: take it out"));
                }
                if has_fraction(value) {
                    return Err(format!("extra.{index}.{place}.{name}: write a number with a fraction as text"));
                }
            }
        }
    }
    Ok(())
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_i64() && !number.is_u64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn extras(value: Value) -> Vec<Extra> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_later_entry_wins_and_an_entry_holds_for_what_it_names() {
        let extras = extras(json!([
            { "fields": { "location": { "id": "1" }, "class": { "id": "7" } }, "line": { "taxCode": { "id": "5" } } },
            { "customers": ["Acme"], "fields": { "location": { "id": "2" } } },
            { "contracts": ["SOW-9"], "fields": { "class": { "id": "9" } } },
            { "kinds": ["customer"], "fields": { "subsidiary": { "id": "3" } } },
        ]));
        let command = |customer: &str| Command::Customer { name: customer.into(), currency: "USD".into() };
        assert_eq!(
            added(&extras, &command("Acme"), &Particulars::default()).fields,
            *json!({ "subsidiary": { "id": "3" } }).as_object().unwrap()
        );
        let entry = |customer: &str, contract: &str| {
            let entry = json!({
                "kind": "journal_entry", "number": "J1", "contract": contract, "customer": customer, "date": "2026-03-02",
                "lines": [], "memo": "m",
            });
            added(&extras, &serde_json::from_value(entry).unwrap(), &Particulars::default())
        };
        let acme = entry("Acme", "SOW-1");
        assert_eq!(json!(acme.fields), json!({ "location": { "id": "2" }, "class": { "id": "7" } }));
        assert_eq!(json!(acme.line), json!({ "taxCode": { "id": "5" } }));
        assert_eq!(json!(entry("Other", "SOW-9").fields), json!({ "location": { "id": "1" }, "class": { "id": "9" } }));
    }

    #[test]
    fn an_entry_may_hold_for_an_obligation_and_for_customers_of_a_country() {
        let extras = extras(json!([
            { "obligations": ["support"], "line": { "item": { "id": "31" } } },
            { "countries": ["DE", "AT"], "line": { "taxCode": { "id": "8" } } },
        ]));
        let invoice = |obligation: Option<&str>, country: Option<&str>| {
            let invoice = json!({
                "kind": "invoice", "number": "S-M1", "contract": "S", "milestone": "M1", "customer": "Contoso GmbH",
                "date": "2026-03-02", "due_on": "2026-04-01", "amount": { "minor": 100, "currency": "EUR" },
                "description": "d", "payment_terms": "net 30", "obligation": obligation,
            });
            let of = Particulars { country: country.map(Into::into), ..Particulars::default() };
            json!(added(&extras, &serde_json::from_value(invoice).unwrap(), &of).line)
        };
        assert_eq!(invoice(None, None), json!({}));
        assert_eq!(invoice(Some("support"), Some("fr")), json!({ "item": { "id": "31" } }));
        assert_eq!(invoice(Some("build"), Some("de")), json!({ "taxCode": { "id": "8" } }));
    }

    #[test]
    fn fields_of_our_own_and_fractions_are_refused() {
        let of = |line: Value| check(&extras(json!([{ "line": line }])), &["tranId"], &["amount"]);
        assert_eq!(of(json!({ "item": { "id": "6" } })), Ok(()));
        assert!(of(json!({ "amount": 7 })).is_err_and(|said| said.starts_with("extra.0.line.amount: ")));
        assert!(of(json!({ "rate": 1.5 })).is_err_and(|said| said.contains("as text")));
    }
}
