//! Change orders as people read them: what each changed, from what to what.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use super::state::{Contract, Milestone};
use crate::fact::{Amendment, Event, Fact};
use crate::money::{Minor, Money, grouped};

/// A change order and its differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeOrderView {
    /// Its date.
    pub on: Date,
    /// Its version.
    pub version: u32,
    /// Whether it is signed.
    pub signed: bool,
    /// `M1 amount: 40000.00 → 45000.00`, one a field.
    pub changes: Vec<String>,
}

/// Values of the contract by place, as far as change orders named them.
type Known = BTreeMap<String, String>;

impl Contract {
    /// The change orders among the facts of this contract, with what each changed.
    pub fn change_orders(&self, facts: &[Fact]) -> Vec<ChangeOrderView> {
        let mut known = self.as_filed();
        let orders = facts.iter().filter_map(|fact| match &fact.event {
            Event::Amended(order) => Some((fact, order)),
            _ => None,
        });
        let mut views = Vec::new();
        for (fact, order) in orders {
            let on = fact.on.unwrap_or_else(|| self.terms.local_date(fact.at));
            let mut now = known.clone();
            let changes = apply(order, &mut now);
            // One that is not signed changes nothing yet.
            if order.signed {
                known = now;
            }
            views.push(ChangeOrderView { on, version: order.version, signed: order.signed, changes });
        }
        views
    }

    /// What a change order puts at stake: of each milestone that it brings in, changes or removes the amount before or after it,
    /// whichever is larger; where it changes the contract's own terms, of every milestone that is not invoiced. Nothing, where it
    /// would change nothing: it is stale, or not signed.
    pub fn at_stake(&self, order: &Amendment) -> Money {
        let mut after = self.clone();
        after.amend(order, self.as_of);
        let own_terms = self.terms != after.terms || self.cap != after.cap;
        let touched = |milestone: &Milestone| {
            let before = self.milestones.iter().find(|before| before.id() == milestone.id());
            let amount = before.map_or(Minor::ZERO, |before| before.terms.amount);
            let differs = before.is_none_or(|before| before.terms != milestone.terms);
            let concerned = differs || (own_terms && milestone.counts() && !milestone.is_invoiced());
            concerned.then(|| amount.max(milestone.terms.amount))
        };
        let milestones: Minor = after.milestones.iter().filter_map(touched).sum();
        self.terms.money(milestones.max(after.total - self.total))
    }

    fn as_filed(&self) -> Known {
        let mut known = Known::new();
        let mut put = |place: String, text: String| drop(known.insert(place, text));
        put("total".into(), self.terms.money(self.terms.total).to_string());
        if let Some(cap) = self.terms.cap {
            put("cap".into(), self.terms.money(cap).to_string());
        }
        for milestone in &self.terms.milestones {
            for (field, value) in milestone.fields(self.terms.currency) {
                put(format!("{} {field}", milestone.id), text(&value));
            }
        }
        known
    }
}

/// Takes over what a change order says. Returns what differs, in words.
fn apply(order: &Amendment, known: &mut Known) -> Vec<String> {
    let mut changes = Vec::new();
    let mut set = |place: String, value: String| {
        let was = known.insert(place.clone(), value.clone());
        let shown = |text: &str| if is_amount(&place) { grouped(text) } else { text.to_owned() };
        match was {
            Some(was) if was == value => {}
            Some(was) => changes.push(format!("{}: {} → {}", place.replace('_', " "), shown(&was), shown(&value))),
            None => changes.push(format!("{}: {}", place.replace('_', " "), shown(&value))),
        }
    };
    let plain = [
        ("total", order.total.map(|total| total.to_string())),
        ("cap", order.cap.map(|cap| cap.to_string())),
        ("customer", order.customer.clone()),
        ("po_number", order.po_number.clone()),
        ("payment_terms", order.payment_terms.clone()),
        ("payment_terms_from", order.payment_terms_from.clone()),
        ("billing_cycle_day", order.billing_cycle_day.map(|day| day.to_string())),
        ("partial_acceptance", order.partial_acceptance.map(|may| may.to_string())),
        ("acceptance", order.acceptance.as_ref().map(text)),
    ];
    for (place, value) in plain {
        if let Some(value) = value {
            set(place.into(), value);
        }
    }
    for item in order.add.iter().chain(&order.change).chain(&order.obligations) {
        let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
        for (field, value) in item.as_object().into_iter().flatten().filter(|(field, _)| *field != "id") {
            set(format!("{id} {field}"), text(value));
        }
    }
    changes.extend(order.remove.iter().map(|id| format!("{id} is removed")));
    changes
}

fn is_amount(place: &str) -> bool {
    ["total", "cap", "amount", "ssp"].iter().any(|name| place == *name || place.ends_with(&format!(" {name}")))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<String>>().join(", "),
        Value::Object(fields) => {
            let texts: Vec<String> = fields.iter().map(|(name, value)| format!("{name} {}", text(value))).collect();
            texts.join(", ")
        }
        other => other.to_string(),
    }
}
