//! The terms of one milestone: read from its table, and written back as the fields that a change order changes.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::money::{Currency, Minor};
use crate::reader::Reader;
use crate::terms::payment::PaymentTerms;
use crate::terms::trigger::Trigger;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MilestoneTerms {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) amount: Minor,
    /// The amount that is given of one that is not billable: it counts when a change order makes it billable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amount_if_billable: Option<Minor>,
    pub(crate) billable: bool,
    pub(crate) advance: bool,
    pub(crate) completion: Completion,
    pub(crate) trigger: Trigger,
    pub(crate) invoice: InvoiceRule,
    pub(crate) approver: Option<String>,
    pub(crate) fallback_approver: Option<String>,
    pub(crate) evidence: BTreeSet<String>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) obligation: Option<String>,
    pub(crate) window_days: Option<u32>,
    /// Its own purchase order, over the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) po_number: Option<String>,
    /// Its own payment terms, over the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payment_terms: Option<PaymentTerms>,
    /// Its own part that is kept back, over the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retainage_percent: Option<Decimal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Completion {
    CustomerSignoff,
    ExternalEvent,
    VendorDeclaration,
}

const COMPLETIONS: [(&str, Completion); 3] = [
    ("customer_signoff", Completion::CustomerSignoff),
    ("external_event", Completion::ExternalEvent),
    ("vendor_declaration", Completion::VendorDeclaration),
];

impl Completion {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CustomerSignoff => "customer_signoff",
            Self::ExternalEvent => "external_event",
            Self::VendorDeclaration => "vendor_declaration",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InvoiceRule {
    NextCycle,
    OnCompletion,
    WithinDays(u32),
}

impl InvoiceRule {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NextCycle => "next_cycle",
            Self::OnCompletion => "on_completion",
            Self::WithinDays(_) => "within_days",
        }
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let kind = reader.text("invoice").unwrap_or_else(|| "on_completion".into());
        let days = reader.count("invoice_within_days");
        match (kind.as_str(), days) {
            ("on_completion", _) => Self::OnCompletion,
            ("next_cycle", _) => Self::NextCycle,
            ("within_days", Some(days)) => Self::WithinDays(days),
            ("within_days", None) => {
                reader.wrong("invoice_within_days", "is missing: invoice \"within_days\" needs it");
                Self::OnCompletion
            }
            _ => {
                reader.wrong("invoice", format!("{kind:?} is none of on_completion, within_days, next_cycle"));
                Self::OnCompletion
            }
        }
    }
}

impl MilestoneTerms {
    /// The contract's own words.
    pub(crate) fn wording(&self) -> &str {
        self.description.as_deref().unwrap_or(&self.name)
    }

    /// Reads a milestone and its percent. `percents`: its share of the total may stand in the place of its amount.
    pub(crate) fn read(reader: &mut Reader<'_>, currency: Currency, percents: bool) -> Option<(Self, Option<Decimal>)> {
        let id = reader.required_text("id");
        let name = reader.required_text("name");
        let billable = reader.flag("billable", true);
        let percent = if percents { reader.decimal("percent") } else { None };
        if percent.is_some_and(|percent| percent < Decimal::ZERO) {
            reader.wrong("percent", "is negative");
        }
        if percent.is_some_and(|percent| percent > Decimal::ONE_HUNDRED) {
            reader.wrong("percent", "is more than 100");
        }
        let given = reader.amount("amount", currency);
        match (billable, given, percent) {
            (true, None, None) if !reader.problems.iter().any(|problem| problem.place.starts_with(&reader.path)) => {
                reader.wrong("amount", "is missing");
            }
            (_, Some(_), Some(_)) => reader.wrong("percent", "amount and percent may not be mixed"),
            _ => {}
        }
        let advance = reader.choice("timing", &[("arrears", false), ("advance", true)], false);
        let milestone = Self {
            description: reader.text("description"),
            // A milestone that is not billable counts 0.
            amount: if billable { given.unwrap_or_default() } else { Minor::ZERO },
            amount_if_billable: given.filter(|amount| !billable && *amount > Minor::ZERO),
            billable,
            advance,
            completion: reader.choice("completion", &COMPLETIONS, Completion::CustomerSignoff),
            trigger: Trigger::read(reader, advance),
            invoice: InvoiceRule::read(reader),
            approver: reader.text("approver"),
            fallback_approver: reader.text("fallback_approver"),
            evidence: reader.texts("evidence").into_iter().collect(),
            depends_on: reader.texts("depends_on"),
            obligation: reader.text("obligation"),
            window_days: reader.count("window_days"),
            po_number: reader.text("po_number"),
            payment_terms: reader.parsed("payment_terms"),
            retainage_percent: read_retainage_percent(reader, "retainage_percent"),
            id: id?,
            name: name?,
        };
        Some((milestone, percent))
    }

    /// Its fields in the words of section 2, as [`Self::read`] reads them.
    pub(crate) fn fields(&self, currency: Currency) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        };
        put("id", json!(self.id));
        put("name", json!(self.name));
        put("description", json!(self.description));
        put("amount", json!(currency.money(self.amount_if_billable.unwrap_or(self.amount)).to_string()));
        put("billable", json!(self.billable));
        put("timing", json!(if self.advance { "advance" } else { "arrears" }));
        put("completion", json!(self.completion.name()));
        put("invoice", json!(self.invoice.name()));
        if let InvoiceRule::WithinDays(days) = self.invoice {
            put("invoice_within_days", json!(days));
        }
        put("approver", json!(self.approver));
        put("fallback_approver", json!(self.fallback_approver));
        put("evidence", json!(self.evidence));
        put("depends_on", json!(self.depends_on));
        put("obligation", json!(self.obligation));
        put("window_days", json!(self.window_days));
        put("po_number", json!(self.po_number));
        put("payment_terms", json!(self.payment_terms.map(|terms| terms.to_string())));
        put("retainage_percent", json!(self.retainage_percent.map(|percent| percent.to_string())));
        self.trigger.write(&mut fields);
        fields
    }
}

/// A part of an amount that is kept back, in percent: from 0 to below 100, with at most 4 decimals.
pub(super) fn read_retainage_percent(reader: &mut Reader<'_>, field: &str) -> Option<Decimal> {
    let percent = reader.decimal(field)?;
    if percent < Decimal::ZERO || percent >= Decimal::ONE_HUNDRED || percent.scale() > 4 {
        reader.wrong(field, format!("{percent} is not from 0 to below 100 with at most 4 decimals"));
        return None;
    }
    Some(percent)
}
